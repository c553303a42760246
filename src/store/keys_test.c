/* Keys, the catalogue, sorting: the small parts with bounds. */
#include <string.h>

#include "os/mem.h"
#include "store/bounds.h"
#include "store/catalog.h"
#include "store/keys.h"
#include "store/sort.h"
#include "tests/test.h"

static kis_key numbered_key(uint64_t n, uint32_t time_s)
{
    char text[32];
    int len = snprintf(text, sizeof text, "key-%llu", (unsigned long long)n);
    return kis_key_of(KIS_STR("t"), kis_str_of(text, (size_t)len), time_s);
}

TEST(a_million_keys_are_remembered_and_the_oldest_go)
{
    kis_keys keys;
    kis_keys_init(&keys, &kis_mem);
    for (uint64_t i = 0; i < KIS_KEYS_MAX + 5000; i++) {
        CHECK(kis_keys_reserve(&keys, 1), "room");
        kis_keys_add(&keys, numbered_key(i, (uint32_t)(i / 1000)));
    }
    CHECK_INT(KIS_KEYS_MAX, keys.count, "no more than the bound");
    CHECK(kis_keys_bytes(&keys) <= (size_t)26 << 20, "in 26 MiB");
    for (uint64_t i = 0; i < 5000; i++)
        CHECK(!kis_keys_has(&keys, numbered_key(i, 0)), "the oldest are gone");
    for (uint64_t i = 5000; i < KIS_KEYS_MAX + 5000; i += 97)
        CHECK(kis_keys_has(&keys, numbered_key(i, 0)), "the others are there");
    kis_keys_expire(&keys, 500);
    CHECK(!kis_keys_has(&keys, numbered_key(499999, 0)), "too old");
    CHECK(kis_keys_has(&keys, numbered_key(500000, 0)), "not too old");
    CHECK(!kis_key_eq(kis_key_of(KIS_STR("a"), KIS_STR("x"), 0),
                      kis_key_of(KIS_STR("b"), KIS_STR("x"), 0)),
          "tenants have keys of their own");
    kis_keys_done(&keys);
}

TEST(keys_need_no_memory_they_cannot_have)
{
    kis_keys keys;
    for (long fail_at = 0; fail_at < 3; fail_at++) {
        test_alloc_reset(fail_at);
        kis_keys_init(&keys, test_alloc);
        bool has_room = kis_keys_reserve(&keys, 1);
        CHECK(has_room == (fail_at >= 2), "the first two pieces are needed");
        if (has_room)
            kis_keys_add(&keys, numbered_key(1, 1));
        CHECK(kis_keys_has(&keys, numbered_key(1, 1)) == has_room,
              "remembered or not, and no crash");
        kis_keys_done(&keys);
        CHECK_INT(0, test_alloc_live(), "no leak");
    }
}

static void *take_if_there_is(void *has_memory, size_t size)
{
    return *(bool *)has_memory ? kis_mem.take(kis_mem.user, size) : NULL;
}

static void give_back_any(void *has_memory, void *ptr, size_t size)
{
    (void)has_memory;
    kis_mem.give_back(kis_mem.user, ptr, size);
}

TEST(room_for_many_keys_is_made_before_the_first_is_added)
{
    static const struct {
        const char *why;
        uint32_t known, more;
        bool has_memory;
        uint32_t forgotten;
    } rows[] = {
        { "a group into nothing", 0, KIS_GROUP_PUSHES_MAX, true, 0 },
        { "it grows", 1020, 40, true, 0 },
        { "it cannot grow: the oldest go", 1020, 40, false, 36 },
        { "all of them", 1024, 1024, false, 1024 },
        { "at the bound", KIS_KEYS_MAX - 10, 40, true, 30 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool has_memory = true;
        const kis_alloc alloc = { take_if_there_is, give_back_any, &has_memory };
        uint32_t end = rows[i].known + rows[i].more;
        kis_keys keys;
        kis_keys_init(&keys, &alloc);
        for (uint32_t k = 0; k < rows[i].known; k++) {
            CHECK(kis_keys_reserve(&keys, 1), rows[i].why);
            kis_keys_add(&keys, numbered_key(k, 1));
        }
        has_memory = rows[i].has_memory;
        CHECK(kis_keys_reserve(&keys, rows[i].more), rows[i].why);
        for (uint32_t k = rows[i].known; k < end; k++)
            kis_keys_add(&keys, numbered_key(k, 1));
        for (uint32_t k = 0; k < end; k++)
            CHECK(kis_keys_has(&keys, numbered_key(k, 1)) == (k >= rows[i].forgotten), rows[i].why);
        kis_keys_done(&keys);
    }
}

static bool note_listed(void *user, kis_str name, uint8_t kind)
{
    uint32_t *counts = user;
    (void)kind;
    counts[0]++;
    counts[1] += kis_str_eq(name, KIS_STR(KIS_STORE_OVERFLOW_NAME));
    return true;
}

static void list(kis_catalog *c, const char *service, uint32_t counts[2])
{
    kis_arena arena;
    kis_arena_init(&arena, &kis_mem, (size_t)64 << 20);
    counts[0] = counts[1] = 0;
    kis_err err =
        service ? kis_catalog_list_operations(c, KIS_STR("t"), kis_str_from_c(service), &arena,
                                              note_listed, counts, NULL)
                : kis_catalog_list_services(c, KIS_STR("t"), &arena, note_listed, counts, NULL);
    CHECK_ERR(KIS_OK, err, "listed");
    kis_arena_done(&arena);
}

TEST(millions_of_names_are_bounded_counted_and_shown_as_one)
{
    kis_catalog c;
    char name[32];
    uint32_t counts[2], in_use = 0;

    kis_catalog_init(&c, &kis_mem);
    for (uint32_t i = 0; i < 2000000; i++) {
        int len = snprintf(name, sizeof name, "op-%u", i);
        uint32_t service = kis_catalog_see_service(&c, KIS_STR("t"), KIS_STR("one"), 1);
        kis_catalog_see_operation(&c, service, kis_str_of(name, (size_t)len), 1, 1);
    }
    for (uint32_t i = 0; i < 100000; i++) {
        int len = snprintf(name, sizeof name, "service-%u", i);
        in_use += kis_catalog_see_service(&c, KIS_STR("t"), kis_str_of(name, (size_t)len), 1) !=
                  KIS_CATALOG_NONE;
    }
    CHECK(kis_catalog_bytes(&c) < (size_t)16 << 20, "memory is bounded");
    CHECK(in_use > 100 && in_use <= KIS_CATALOG_SERVICES_MAX, "services are bounded");
    list(&c, "one", counts);
    CHECK_INT(1, counts[1], "the rest of the operations is one entry");
    CHECK_INT(KIS_CATALOG_OF_SERVICE_MAX + 1, counts[0], "operations of one service are bounded");
    kis_catalog_see_operation(&c,
                              kis_catalog_see_service(&c, KIS_STR("t"), KIS_STR("service-1"), 1),
                              KIS_STR("op"), 1, 1);
    list(&c, "service-1", counts);
    CHECK_INT(1, counts[0], "and leave room for those of another");
    CHECK_INT(0, counts[1], "by name");
    list(&c, "one", counts);
    CHECK_INT(2000000 - (counts[0] - 1), c.services[0].operations_left_out.count, "and counted");
    list(&c, NULL, counts);
    CHECK_INT(1, counts[1], "the rest of the services is one entry");
    CHECK(kis_catalog_may_have(&c, KIS_STR("t"), KIS_STR("service-99999")),
          "a search does not trust a short list");
    kis_catalog_done(&c);
}

TEST(names_of_deleted_generations_are_not_shown_and_make_room)
{
    kis_catalog c;
    char name[32];
    uint32_t counts[2];

    kis_catalog_init(&c, &kis_mem);
    for (uint32_t generation = 1; generation <= 40; generation++) {
        uint32_t service = kis_catalog_see_service(&c, KIS_STR("t"), KIS_STR("one"), generation);
        kis_catalog_set_oldest(&c, generation > 3 ? generation - 3 : 1);
        for (uint32_t i = 0; i < 1500; i++) {
            int len = snprintf(name, sizeof name, "op-%u-%u", generation, i);
            service = kis_catalog_see_service(&c, KIS_STR("t"), KIS_STR("one"), generation);
            kis_catalog_see_operation(&c, service, kis_str_of(name, (size_t)len), 1, generation);
        }
        list(&c, "one", counts);
        CHECK(counts[0] >= KIS_MIN(generation, 4u) * 1499 &&
                  counts[0] <= KIS_MIN(generation, 4u) * 1500 + 1,
              "the last four generations");
    }
    CHECK(c.epoch > 0, "room was made");
    kis_catalog_done(&c);
}

static kis_str numbered(char room[32], const char *what, uint32_t n)
{
    return kis_str_of(room, (size_t)snprintf(room, 32, "%s-%u", what, n));
}

/* Fills the list of services: a quarter of them of generation 1, the others of 2. */
static void fill_services(kis_catalog *c)
{
    char name[32];
    for (uint32_t i = 0; i < KIS_CATALOG_SERVICES_MAX; i++) {
        uint64_t generation = i < KIS_CATALOG_SERVICES_MAX / 4 ? 1 : 2;
        uint32_t service =
            kis_catalog_see_service(c, KIS_STR("t"), numbered(name, "service", i), generation);
        kis_catalog_see_operation(c, service, KIS_STR("op"), 1, generation);
    }
}

static bool may_have(kis_catalog *c, const char *service)
{
    return kis_catalog_may_have(c, KIS_STR("t"), kis_str_from_c(service));
}

TEST(services_that_were_left_out_are_not_denied_while_their_spans_are_kept)
{
    kis_catalog c;
    uint32_t counts[2];

    kis_catalog_init(&c, &kis_mem);
    fill_services(&c);
    CHECK(!may_have(&c, "lost"), "nothing is left out yet");
    CHECK_INT(KIS_CATALOG_NONE, kis_catalog_see_service(&c, KIS_STR("t"), KIS_STR("lost"), 2),
              "no room");
    kis_catalog_set_oldest(&c, 2);
    CHECK(kis_catalog_see_service(&c, KIS_STR("t"), KIS_STR("new"), 3) != KIS_CATALOG_NONE,
          "room was made");
    CHECK(c.epoch > 0 && may_have(&c, "new"), "by forgetting generation 1");
    CHECK(may_have(&c, "lost"), "its spans are in generation 2");
    list(&c, NULL, counts);
    CHECK_INT(1, counts[1], "the list says that it is not whole");
    kis_catalog_set_oldest(&c, 3);
    CHECK(!may_have(&c, "lost"), "generation 2 is gone, too");
    list(&c, NULL, counts);
    CHECK(counts[0] == 1 && counts[1] == 0, "the list is whole again");
    kis_catalog_done(&c);
}

TEST(services_without_a_listed_operation_stay_when_room_is_made)
{
    kis_catalog c;
    char name[32];
    uint32_t counts[2];

    kis_catalog_init(&c, &kis_mem);
    for (uint32_t i = 0; i < KIS_CATALOG_ENTRIES_MAX; i++) {
        uint64_t generation = i < KIS_CATALOG_ENTRIES_MAX / 2 ? 1 : 2;
        uint32_t service = kis_catalog_see_service(&c, KIS_STR("t"),
                                                   numbered(name, "service", i / 4096), generation);
        kis_catalog_see_operation(&c, service, numbered(name, "op", i), 1, generation);
    }
    uint32_t quiet = kis_catalog_see_service(&c, KIS_STR("t"), KIS_STR("quiet"), 2);
    kis_catalog_see_operation(&c, quiet, KIS_STR("not listed"), 1, 2);
    kis_catalog_set_oldest(&c, 2);
    uint32_t service = kis_catalog_see_service(&c, KIS_STR("t"), KIS_STR("service-7"), 3);
    kis_catalog_see_operation(&c, service, KIS_STR("one more"), 1, 3);
    CHECK(c.epoch > 0, "room was made");
    CHECK(may_have(&c, "quiet"), "a service that has spans");
    CHECK(!may_have(&c, "nobody"), "and no other");
    list(&c, "quiet", counts);
    CHECK(counts[0] == 1 && counts[1] == 1, "its operations are not listed, which is said");
    kis_catalog_set_oldest(&c, 3);
    list(&c, "service-7", counts);
    CHECK_INT(0, counts[1], "nothing of what is left was left out");
    kis_catalog_done(&c);
}

static bool u32_before(const void *a, const void *b)
{
    return *(const uint32_t *)a < *(const uint32_t *)b;
}

TEST(sorting_sorts)
{
    uint32_t items[1000], other[1000];
    kis_sort_key keys[2000];
    kis_arena arena;
    kis_arena_init(&arena, &kis_mem, 1 << 20);
    for (uint32_t count = 0; count < 1000; count = count * 2 + (count % 3) + 1) {
        for (uint32_t i = 0; i < count; i++) {
            items[i] = other[i] = (uint32_t)kis_hash_u64(i * count) % (count + 1);
            keys[i] = (kis_sort_key){ (uint64_t)items[i] << 20 | 1, i };
        }
        CHECK(kis_sort(&arena, items, count, 4, u32_before), "memory");
        kis_sort_in_place(other, count, 4, u32_before);
        kis_sort_keys(keys, keys + 1000, count);
        for (uint32_t i = 0; i < count; i++) {
            CHECK(i == 0 || items[i - 1] <= items[i], "merged in order");
            CHECK_INT(items[i], other[i], "in place the same");
            CHECK_INT(items[i], keys[i].key >> 20, "by key the same");
            CHECK(i == 0 || keys[i - 1].key != keys[i].key || keys[i - 1].value < keys[i].value,
                  "and stable");
        }
        kis_arena_clear(&arena);
    }
    kis_arena_done(&arena);
}

TEST_MAIN(RUN(a_million_keys_are_remembered_and_the_oldest_go),
          RUN(keys_need_no_memory_they_cannot_have),
          RUN(room_for_many_keys_is_made_before_the_first_is_added),
          RUN(millions_of_names_are_bounded_counted_and_shown_as_one),
          RUN(names_of_deleted_generations_are_not_shown_and_make_room),
          RUN(services_that_were_left_out_are_not_denied_while_their_spans_are_kept),
          RUN(services_without_a_listed_operation_stay_when_room_is_made), RUN(sorting_sorts))
