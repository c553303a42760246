/* arena_test.c - pieces do not overlap, the bound holds, everything goes back. */
#include "tests/test.h"

#include <string.h>

#include "base/arena.h"

static size_t largest_taken; /* by the watching allocator */

static void *watching_take(void *user, size_t size)
{
    (void)user;
    largest_taken = KIS_MAX(largest_taken, size);
    return test_alloc->take(NULL, size);
}
static void watching_give_back(void *user, void *ptr, size_t size)
{
    (void)user;
    test_alloc->give_back(NULL, ptr, size);
}
static const kis_alloc watching = { watching_take, watching_give_back, NULL };

TEST(pieces_are_aligned_and_do_not_overlap)
{
    enum { PIECES = 3000 };
    static struct {
        uint8_t *at;
        size_t size;
    } pieces[PIECES];
    kis_arena arena;
    uint32_t seed = 1;
    test_alloc_reset(-1);
    kis_arena_init(&arena, test_alloc, 1 << 28);
    CHECK_INT(0, test_alloc_live(), "init takes nothing");
    for (size_t i = 0; i < PIECES; i++) {
        seed = seed * 1664525 + 1013904223;
        size_t align = (size_t)1 << (seed >> 20) % 7,
               size = (seed >> 8) % (i % 100 == 0 ? 70000 : 300);
        pieces[i].at = kis_arena_take(&arena, size, align);
        pieces[i].size = size;
        CHECK(pieces[i].at != NULL, "there is room");
        CHECK_INT(0, (uintptr_t)pieces[i].at % align, "aligned");
        memset(pieces[i].at, (int)i, size);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t at = 0; at < pieces[i].size; at++)
            CHECK_INT((uint8_t)i, pieces[i].at[at], "nobody else wrote here");
    }
    kis_arena_done(&arena);
    CHECK_INT(0, test_alloc_live(), "no leak");
    CHECK_INT(0, arena.held_bytes, "nothing is held");
    kis_arena_done(&arena);
    kis_arena none = { 0 };
    kis_arena_done(&none);
    kis_arena_clear(&none);
    CHECK(kis_arena_take(&none, 1, 1) == NULL, "zeros are an arena without room");
}

TEST(the_bound_is_over_all_blocks)
{
    kis_arena arena;
    size_t got = 0;
    test_alloc_reset(-1);
    kis_arena_init(&arena, test_alloc, 100000);
    while (kis_arena_take(&arena, 100, 1))
        got += 100;
    CHECK(arena.held_bytes <= 100000, "never more than the bound");
    CHECK(got >= (KIS_ARENA_RED_ZONE ? 80000 : 99000), "and most of it can be used");
    CHECK(kis_arena_take(&arena, SIZE_MAX, 1) == NULL, "no overflow");
    CHECK(kis_arena_take(&arena, SIZE_MAX - 8, 16) == NULL, "no overflow with the header");
    CHECK(kis_arena_take_array(&arena, SIZE_MAX / 2, 3, 1) == NULL, "no overflow in an array");
    kis_arena_done(&arena);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(blocks_double_up_to_a_mebibyte)
{
    kis_arena arena;
    test_alloc_reset(-1);
    largest_taken = 0;
    kis_arena_init(&arena, &watching, 1 << 28);
    CHECK(KIS_NEW(&arena, uint64_t), "first");
    CHECK_INT(4096, largest_taken, "the first block");
    for (int i = 0; i < 50000; i++)
        CHECK(kis_arena_take(&arena, 200, 8), "many small pieces");
    CHECK_INT(KIS_ARENA_BLOCK_MAX, largest_taken, "the largest block");
    CHECK(test_alloc_live() < 24, "10 MB in few blocks");
    kis_arena_done(&arena);
}

TEST(a_big_piece_leaves_the_free_room_in_use)
{
    kis_arena arena;
    test_alloc_reset(-1);
    kis_arena_init(&arena, test_alloc, 1 << 28);
    uint8_t *small = kis_arena_take(&arena, 8, 8);
    uint8_t *big = kis_arena_take(&arena, 3 << 20, 64);
    uint8_t *next = kis_arena_take(&arena, 8, 8);
    CHECK(big && (uintptr_t)big % 64 == 0, "taken");
    memset(big, 7, 3 << 20);
    CHECK(next == small + 8 + KIS_ARENA_RED_ZONE, "the small ones stay neighbours");
    CHECK_INT(2, test_alloc_live(), "two blocks");
    kis_arena_done(&arena);
}

TEST(clear_keeps_one_block_of_regular_size)
{
    kis_arena arena;
    test_alloc_reset(-1);
    kis_arena_init(&arena, test_alloc, 1 << 28);
    for (int i = 0; i < 1000; i++)
        CHECK(kis_arena_take(&arena, 100, 8), "room");
    CHECK(kis_arena_take(&arena, 5 << 20, 8), "a big one");
    kis_arena_clear(&arena);
    CHECK_INT(1, test_alloc_live(), "one block is kept");
    CHECK(arena.held_bytes >= 32768 && arena.held_bytes <= KIS_ARENA_BLOCK_MAX,
          "the largest regular one");
    size_t held = arena.held_bytes;
    for (int i = 0; i < 200; i++)
        CHECK(kis_arena_take(&arena, 100, 8), "room");
    CHECK_INT(held, arena.held_bytes, "and used again");
    kis_arena_done(&arena);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(the_last_piece_grows_in_place_and_others_move)
{
    kis_arena arena;
    test_alloc_reset(-1);
    kis_arena_init(&arena, test_alloc, 1 << 28);
    char *a = kis_arena_take(&arena, 10, 1);
    memcpy(a, "0123456789", 10);
    CHECK(kis_arena_grow(&arena, a, 10, 100, 1) == a, "the last one stays");
    CHECK(kis_arena_take(&arena, 1, 1), "something behind it");
    char *b = kis_arena_grow(&arena, a, 100, 200, 1);
    CHECK(b && b != a && memcmp(b, "0123456789", 10) == 0, "another one moves with its bytes");
    CHECK(kis_arena_grow(&arena, b, 200, 50, 1) == b, "smaller is nothing to do");
    CHECK(kis_arena_grow(&arena, NULL, 0, 8, 8) != NULL, "a first piece");
    CHECK(kis_arena_grow(&arena, b, 200, (size_t)1 << 40, 1) == NULL, "beyond the bound");
    CHECK(memcmp(b, "0123456789", 10) == 0, "the old piece stays");
    kis_arena_done(&arena);
}

TEST(growing_a_big_piece_does_not_hold_all_its_former_selves)
{
    kis_arena arena;
    test_alloc_reset(-1);
    kis_arena_init(&arena, test_alloc, 1 << 28);
    CHECK(kis_arena_take(&arena, 8, 8), "a regular block");
    uint8_t *piece = kis_arena_take(&arena, 1 << 20, 16);
    for (size_t size = 1 << 20; size < 1 << 26; size *= 2) {
        piece[size - 1] = 42;
        piece = kis_arena_grow(&arena, piece, size, 2 * size, 16);
        CHECK(piece && piece[size - 1] == 42, "contents go along");
    }
    CHECK(arena.held_bytes < (1 << 26) + (1 << 21), "only the last self is held");
    kis_arena_done(&arena);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(copies_are_independent)
{
    kis_arena arena;
    kis_str copy;
    char text[] = "abc";
    test_alloc_reset(-1);
    kis_arena_init(&arena, test_alloc, 4096);
    CHECK(kis_arena_copy(&arena, kis_str_of(text, 3), &copy), "copied");
    text[0] = 'x';
    CHECK_STR("abc", copy, "not the original");
    CHECK(kis_arena_copy(&arena, KIS_STR_NONE, &copy) && copy.len == 0, "nothing");
    static const char large[8192];
    CHECK(!kis_arena_copy(&arena, kis_str_of(large, sizeof(large)), &copy), "too large");
    kis_arena_done(&arena);
}

TEST(each_failed_allocation_is_survived)
{
    for (long n = 0;; n++) {
        kis_arena arena;
        size_t got = 0;
        test_alloc_reset(n);
        kis_arena_init(&arena, test_alloc, 1 << 24);
        for (int i = 0; i < 2000; i++)
            got += kis_arena_take(&arena, 100, 8) != NULL;
        bool failed = test_alloc_failed();
        CHECK(got == 2000 || failed, "only a failure takes room away");
        CHECK(got >= 1999, "one failed block is tried again at the next piece");
        kis_arena_done(&arena);
        CHECK_INT(0, test_alloc_live(), "no leak");
        if (!failed)
            break;
    }
}

TEST_MAIN(RUN(pieces_are_aligned_and_do_not_overlap), RUN(the_bound_is_over_all_blocks),
          RUN(blocks_double_up_to_a_mebibyte), RUN(a_big_piece_leaves_the_free_room_in_use),
          RUN(clear_keeps_one_block_of_regular_size),
          RUN(the_last_piece_grows_in_place_and_others_move),
          RUN(growing_a_big_piece_does_not_hold_all_its_former_selves), RUN(copies_are_independent),
          RUN(each_failed_allocation_is_survived))
