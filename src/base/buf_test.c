/* buf_test.c - a buffer grows, stops at its bound, and remembers its first error. */
#include "tests/test.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

TEST(appends_come_out_in_order)
{
    kis_buf buf;
    test_alloc_reset(-1);
    kis_buf_init(&buf, test_alloc, 1 << 20);
    kis_buf_add_str(&buf, KIS_STR("n="));
    kis_buf_add_u64(&buf, UINT64_MAX);
    kis_buf_add_byte(&buf, ',');
    kis_buf_add_i64(&buf, INT64_MIN);
    kis_buf_add_fmt(&buf, ",%s-%04x", "x", 255u);
    kis_buf_add_bytes(&buf, kis_bytes_of("\0", 1));
    CHECK_BYTES("n=18446744073709551615,-9223372036854775808,x-00ff\0", 51, kis_buf_bytes(&buf),
                "all");
    CHECK_ERR(KIS_OK, buf.err, "no error");
    kis_buf_done(&buf);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(growing_keeps_what_was_written)
{
    kis_buf buf;
    test_alloc_reset(-1);
    kis_buf_init(&buf, test_alloc, 1 << 20);
    for (unsigned i = 0; i < 100000; i++)
        kis_buf_add_byte(&buf, (uint8_t)(i * 7));
    CHECK_INT(100000, buf.len, "length");
    for (unsigned i = 0; i < 100000; i++)
        CHECK_INT((uint8_t)(i * 7), buf.ptr[i], "byte");
    CHECK(buf.cap <= 1 << 18, "doubling holds at most twice what is needed");
    uint8_t *before = buf.ptr;
    kis_buf_clear(&buf);
    kis_buf_add_byte(&buf, 1);
    CHECK(buf.ptr == before, "clear keeps the memory");
    kis_buf_done(&buf);
}

TEST(the_bound_is_exact_and_the_first_error_stays)
{
    kis_buf buf;
    test_alloc_reset(-1);
    kis_buf_init(&buf, test_alloc, 1000);
    for (unsigned i = 0; i < 1000; i++)
        kis_buf_add_byte(&buf, 'x');
    CHECK_ERR(KIS_OK, buf.err, "1000 bytes fit");
    CHECK(buf.cap <= 1000, "no more is held than allowed");
    kis_buf_add_byte(&buf, 'y');
    CHECK_ERR(KIS_ERR_LIMIT, buf.err, "one more does not");
    CHECK_INT(1000, buf.len, "nothing was added");
    kis_buf_drop_front(&buf, 500);
    kis_buf_add_byte(&buf, 'z');
    CHECK_INT(500, buf.len, "after an error nothing is added, though there is room");
    CHECK(kis_buf_reserve(&buf, 0) == NULL, "nor reserved");
    kis_buf_clear(&buf);
    kis_buf_add_byte(&buf, 'z');
    CHECK_INT(1, buf.len, "clear forgets the error");
    CHECK(kis_buf_reserve(&buf, SIZE_MAX) == NULL, "no overflow");
    kis_buf_done(&buf);
    kis_buf_done(&buf);
}

TEST(fixed_memory_never_grows)
{
    char memory[8];
    kis_buf buf;
    kis_buf_init_fixed(&buf, memory, sizeof(memory));
    kis_buf_add_str(&buf, KIS_STR("12345678"));
    CHECK_ERR(KIS_OK, buf.err, "fits exactly");
    kis_buf_add_byte(&buf, '9');
    CHECK_ERR(KIS_ERR_LIMIT, buf.err, "and no more");
    kis_buf_done(&buf);
    kis_buf_init_fixed(&buf, memory, 2);
    kis_buf_add_u64(&buf, 42);
    CHECK_STR("42", kis_buf_str(&buf), "a short number needs little room");
    kis_buf none = { 0 };
    kis_buf_done(&none);
    kis_buf_add_byte(&none, 1);
    CHECK_ERR(KIS_ERR_LIMIT, none.err, "zeros are a buffer without room");
}

TEST(dropping_the_front_moves_the_rest)
{
    char memory[8];
    kis_buf buf;
    kis_buf_init_fixed(&buf, memory, sizeof(memory));
    kis_buf_add_str(&buf, KIS_STR("abcdef"));
    kis_buf_drop_front(&buf, 0);
    kis_buf_drop_front(&buf, 2);
    CHECK_STR("cdef", kis_buf_str(&buf), "two sent");
    kis_buf_drop_front(&buf, 99);
    CHECK_STR("", kis_buf_str(&buf), "more than there is");
}

TEST(in_an_arena_the_last_piece_grows_in_place)
{
    kis_arena arena;
    kis_buf buf;
    test_alloc_reset(-1);
    kis_arena_init(&arena, test_alloc, 1 << 22);
    kis_alloc alloc = kis_arena_as_alloc(&arena);
    kis_buf_init(&buf, &alloc, 1 << 20);
    kis_buf_add_byte(&buf, 1);
    uint8_t *first = buf.ptr;
    for (int i = 0; i < 2000; i++)
        kis_buf_add_byte(&buf, 2);
    CHECK(buf.ptr == first, "2 KB fit into the first block without a copy");
    for (int i = 0; i < 200000; i++)
        kis_buf_add_byte(&buf, 3);
    CHECK_INT(202001, buf.len, "and it goes on in others");
    CHECK(first[0] != 99 && buf.ptr[0] == 1 && buf.ptr[2000] == 2 && buf.ptr[202000] == 3,
          "contents");
    kis_arena_done(&arena);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(a_failed_allocation_is_an_error_and_no_leak)
{
    for (long n = 0;; n++) {
        kis_buf buf;
        test_alloc_reset(n);
        kis_buf_init(&buf, test_alloc, 1 << 20);
        for (int i = 0; i < 5000; i++)
            kis_buf_add_fmt(&buf, "%d,", i);
        CHECK_ERR(test_alloc_failed() ? KIS_ERR_NOMEM : KIS_OK, buf.err, "reported");
        bool failed = test_alloc_failed();
        kis_buf_done(&buf);
        CHECK_INT(0, test_alloc_live(), "no leak");
        if (!failed)
            break;
    }
}

TEST_MAIN(RUN(appends_come_out_in_order), RUN(growing_keeps_what_was_written),
          RUN(the_bound_is_exact_and_the_first_error_stays), RUN(fixed_memory_never_grows),
          RUN(dropping_the_front_moves_the_rest), RUN(in_an_arena_the_last_piece_grows_in_place),
          RUN(a_failed_allocation_is_an_error_and_no_leak))
