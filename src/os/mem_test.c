/* mem_test.c - pieces are whole and counted, large ones come back from the cache, the cache is
 * bounded. */
#include "tests/test.h"

#include <string.h>

#include "base/arena.h"
#include "os/mem.h"
#include "os/thread.h"

static void *take(size_t size)
{
    void *piece = kis_mem.take(kis_mem.user, size);
    CHECK(piece != NULL, "there is memory");
    CHECK_INT(0, (uintptr_t)piece % 16, "aligned");
    memset(piece, 0x5a, size);
    return piece;
}

static void give(void *piece, size_t size)
{
    kis_mem.give_back(kis_mem.user, piece, size);
}

TEST(pieces_of_every_size_are_counted)
{
    uint64_t before = kis_mem_get_stats().held_bytes;
    static const size_t sizes[] = {
        0,       1,     16,      1000,          4096,     65535,
        65536,   65537, 1 << 20, (1 << 20) + 1, 16 << 20, (16 << 20) + 1,
        40 << 20
    };
    void *pieces[COUNT_OF(sizes)];
    uint64_t sum = 0;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        pieces[i] = take(sizes[i]);
        sum += sizes[i];
        CHECK_INT(before + sum, kis_mem_get_stats().held_bytes, "held");
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        give(pieces[i], sizes[i]);
    CHECK_INT(before, kis_mem_get_stats().held_bytes, "given back");
    give(NULL, 100);
    CHECK_INT(before, kis_mem_get_stats().held_bytes, "NULL is fine and counts nothing");
    CHECK(kis_mem.take(kis_mem.user, SIZE_MAX - 100) == NULL, "too much is NULL");
    CHECK(kis_mem.take(kis_mem.user, SIZE_MAX / 2) == NULL, "too much is NULL");
    kis_mem_trim();
}

#ifndef KIS_ARENA_ASAN /* there everything is malloc */
TEST(a_large_piece_comes_back_from_the_cache)
{
    kis_mem_trim();
    void *first = take(100000);
    give(first, 100000);
    CHECK_INT(131072, kis_mem_get_stats().cached_bytes, "kept by its class");
    void *second = take(120000);
    CHECK(second == first, "the same class, the same piece");
    CHECK_INT(0, kis_mem_get_stats().cached_bytes, "no more in the cache");
    void *third = take(140000);
    CHECK(third != first, "another class");
    give(second, 120000);
    give(third, 140000);
    CHECK_INT(131072 + 262144, kis_mem_get_stats().cached_bytes, "both");
    kis_mem_trim();
    CHECK_INT(0, kis_mem_get_stats().cached_bytes, "trimmed");
}

TEST(the_cache_is_bounded)
{
    enum { PIECES = 100 };
    static void *pieces[PIECES];
    kis_mem_trim();
    for (int i = 0; i < PIECES; i++)
        pieces[i] = take(1 << 20);
    for (int i = 0; i < PIECES; i++)
        give(pieces[i], 1 << 20);
    CHECK_INT(32 << 20, kis_mem_get_stats().cached_bytes, "32 of 100 MiB are kept");
    void *huge = take(20 << 20);
    give(huge, 20 << 20);
    CHECK_INT(32 << 20, kis_mem_get_stats().cached_bytes, "what is above 16 MiB is not");
    kis_mem_trim();
}
#endif

TEST(an_arena_lives_on_it)
{
    kis_arena arena;
    uint64_t before = kis_mem_get_stats().held_bytes;
    kis_arena_init(&arena, &kis_mem, 64 << 20);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3000; i++) {
            void *piece = kis_arena_take(&arena, 700, 8);
            CHECK(piece != NULL, "room");
            memset(piece, round, 700);
        }
        kis_arena_clear(&arena);
    }
    kis_arena_done(&arena);
    CHECK_INT(before, kis_mem_get_stats().held_bytes, "all given back");
}

static void churn(void *user)
{
    uint64_t seed = (uintptr_t)user;
    void *pieces[8] = { NULL };
    size_t sizes[8] = { 0 };
    for (int i = 0; i < 4000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned at = seed >> 61;
        if (pieces[at]) {
            uint8_t *bytes = pieces[at];
            if (bytes[0] != at || bytes[sizes[at] - 1] != at)
                abort(); /* somebody else wrote here */
            give(pieces[at], sizes[at]);
        }
        sizes[at] = 1 + (seed >> 30) % 300000;
        pieces[at] = kis_mem.take(kis_mem.user, sizes[at]);
        ((uint8_t *)pieces[at])[0] = ((uint8_t *)pieces[at])[sizes[at] - 1] = (uint8_t)at;
    }
    for (int i = 0; i < 8; i++)
        give(pieces[i], sizes[i]);
}

TEST(threads_do_not_get_the_same_piece)
{
    kis_thread threads[4] = { { .is_started = false } };
    uint64_t before = kis_mem_get_stats().held_bytes;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK_ERR(KIS_OK, kis_thread_start(&threads[i], "churn", churn, (void *)(i + 1), NULL),
                  "started");
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        kis_thread_join(&threads[i]);
    CHECK_INT(before, kis_mem_get_stats().held_bytes, "all given back");
    kis_mem_trim();
}

TEST_MAIN(RUN(pieces_of_every_size_are_counted),
#ifndef KIS_ARENA_ASAN
          RUN(a_large_piece_comes_back_from_the_cache), RUN(the_cache_is_bounded),
#endif
          RUN(an_arena_lives_on_it), RUN(threads_do_not_get_the_same_piece))
