/* map_test.c - what was added is found, all of it, and nothing else. */
#include "tests/test.h"

#include "base/hash.h"
#include "base/map.h"

static bool holds(const kis_map *map, uint64_t hash, uint32_t value)
{
    unsigned times = 0;
    for (kis_map_probe p = kis_map_begin(map, hash); kis_map_next(map, &p);)
        times += p.value == value;
    CHECK(times <= 1, "once at most");
    return times == 1;
}

TEST(everything_added_is_found)
{
    kis_map map;
    test_alloc_reset(-1);
    kis_map_init(&map, test_alloc);
    CHECK(!holds(&map, 1, 1), "an empty map holds nothing");
    for (uint32_t i = 0; i < 20000; i++)
        CHECK(kis_map_add(&map, kis_hash_u64(i), i), "room");
    for (uint32_t i = 0; i < 20000; i++)
        CHECK(holds(&map, kis_hash_u64(i), i), "found");
    for (uint32_t i = 20000; i < 30000; i++)
        CHECK(!holds(&map, kis_hash_u64(i), i), "not added");
    CHECK(map.used * 4 <= map.slot_count * 3, "at most three quarters full");
    CHECK_INT(map.slot_count * sizeof(kis_map_slot), kis_map_bytes(&map), "memory held");
    kis_map_done(&map);
    CHECK_INT(0, test_alloc_live(), "no leak");
    kis_map_done(&map);
}

TEST(equal_hashes_are_all_offered)
{
    kis_map map;
    test_alloc_reset(-1);
    kis_map_init(&map, test_alloc);
    for (uint32_t i = 0; i < 100; i++)
        CHECK(kis_map_add(&map, i % 2, i), "room"); /* hash 0 is stored as 1, so all 100 meet */
    unsigned sum = 0;
    for (kis_map_probe p = kis_map_begin(&map, 0); kis_map_next(&map, &p);)
        sum += p.value;
    CHECK_INT(99 * 100 / 2, sum, "each once");
    kis_map_done(&map);
}

TEST(hashes_that_meet_at_the_end_wrap_around)
{
    kis_map map;
    test_alloc_reset(-1);
    kis_map_init(&map, test_alloc);
    for (uint32_t i = 0; i < 11; i++)
        CHECK(kis_map_add(&map, (uint64_t)i << 32 | 15, i), "room");
    CHECK_INT(16, map.slot_count, "one table, probes wrap");
    for (uint32_t i = 0; i < 11; i++)
        CHECK(holds(&map, (uint64_t)i << 32 | 15, i), "found");
    CHECK(!holds(&map, (uint64_t)99 << 32 | 15, 99), "and the search ends");
    kis_map_done(&map);
}

TEST(a_failed_allocation_leaves_the_map_unchanged)
{
    for (long n = 0;; n++) {
        kis_map map;
        uint32_t added = 0;
        test_alloc_reset(n);
        kis_map_init(&map, test_alloc);
        while (added < 500 && kis_map_add(&map, kis_hash_u64(added), added))
            added++;
        bool failed = test_alloc_failed();
        CHECK(failed || added == 500, "only a failure stops it");
        CHECK_INT(added, map.used, "count");
        for (uint32_t i = 0; i < added; i++)
            CHECK(holds(&map, kis_hash_u64(i), i), "still there");
        CHECK(kis_map_add(&map, 12345, 12345), "the next one works again");
        kis_map_done(&map);
        CHECK_INT(0, test_alloc_live(), "no leak");
        if (!failed)
            break;
    }
}

TEST_MAIN(RUN(everything_added_is_found), RUN(equal_hashes_are_all_offered),
          RUN(hashes_that_meet_at_the_end_wrap_around),
          RUN(a_failed_allocation_leaves_the_map_unchanged))
