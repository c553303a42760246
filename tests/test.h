/* test.h - a thin layer over cmocka. A test's name is a sentence that can be false.
 *
 *     TEST(ring_refuses_when_full) { CHECK_INT(3, dropped, "one more than fits"); }
 *     TEST_MAIN(RUN(ring_refuses_when_full), RUN(...))
 *
 * CHECK_*(want, got, why): the row that fails is named by its `why`.
 */
#ifndef KIS_TESTS_TEST_H
#define KIS_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <kiseki/base.h>

#define RUN(name) cmocka_unit_test(kis_test_##name)
#define TEST(name)                            \
    static void name(void);                   \
    static void kis_test_##name(void **state) \
    {                                         \
        (void)state;                          \
        name();                               \
    }                                         \
    static void name(void)

#define TEST_MAIN(...)                                     \
    int main(void)                                         \
    {                                                      \
        const struct CMUnitTest tests[] = { __VA_ARGS__ }; \
        return cmocka_run_group_tests(tests, NULL, NULL);  \
    }

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define CHECK(what, why)                      \
    do {                                      \
        if (!(what))                          \
            fail_msg("%s: %s", (why), #what); \
    } while (0)
#define CHECK_ERR(want, got, why)                                                \
    do {                                                                         \
        kis_err check_want = (want), check_got = (got);                          \
        if (check_want != check_got)                                             \
            fail_msg("%s: want '%s', got '%s'", (why), kis_err_text(check_want), \
                     kis_err_text(check_got));                                   \
    } while (0)
#define CHECK_INT(want, got, why)                                               \
    do {                                                                        \
        long long check_want = (long long)(want), check_got = (long long)(got); \
        if (check_want != check_got)                                            \
            fail_msg("%s: want %lld, got %lld", (why), check_want, check_got);  \
    } while (0)
#define CHECK_STR(want, got, why) /* want: C text; got: kis_str */                           \
    do {                                                                                     \
        const char *check_want = (want);                                                     \
        kis_str check_got = (got);                                                           \
        size_t check_len = __builtin_strlen(check_want);                                     \
        if (check_len != check_got.len ||                                                    \
            (check_len && __builtin_memcmp(check_want, check_got.ptr, check_len)))           \
            fail_msg("%s: want \"%s\", got \"%.*s\"", (why), check_want, (int)check_got.len, \
                     check_got.ptr);                                                         \
    } while (0)
#define CHECK_BYTES(want_ptr, want_len, got, why)                                             \
    do {                                                                                      \
        kis_bytes check_got = (got);                                                          \
        if ((size_t)(want_len) != check_got.len ||                                            \
            (check_got.len && __builtin_memcmp((want_ptr), check_got.ptr, check_got.len)))    \
            fail_msg("%s: bytes differ (want %zu, got %zu bytes)", (why), (size_t)(want_len), \
                     check_got.len);                                                          \
    } while (0)

/* An allocator over malloc that counts, bounds leaks and can fail the n-th request:
 * for allocation sweeps.
 *
 *     for (long n = 0; ; n++) {
 *         test_alloc_reset(n);
 *         err = scenario(&test_alloc);
 *         CHECK_INT(0, test_alloc_live(), "no leak");
 *         if (!test_alloc_failed())
 *             break;
 *     }
 */
#include "base/mem.h"

static long test_alloc_left_, test_alloc_live_;
static bool test_alloc_failed_;

static inline void *test_alloc_take_(void *user, size_t size)
{
    (void)user;
    if (test_alloc_left_ >= 0 && test_alloc_left_-- == 0) {
        test_alloc_failed_ = true;
        return NULL;
    }
    test_alloc_live_++;
    return malloc(size ? size : 1);
}
static inline void test_alloc_give_back_(void *user, void *ptr, size_t size)
{
    (void)user;
    (void)size;
    if (ptr)
        test_alloc_live_--;
    free(ptr);
}
/** fail_at < 0: never fail. 0: the first request fails, and so on. Only that one request fails. */
static inline void test_alloc_reset(long fail_at)
{
    test_alloc_left_ = fail_at;
    test_alloc_live_ = 0;
    test_alloc_failed_ = false;
}
static inline long test_alloc_live(void)
{
    return test_alloc_live_;
}
static inline bool test_alloc_failed(void)
{
    return test_alloc_failed_;
}
static const kis_alloc test_alloc_ = { test_alloc_take_, test_alloc_give_back_, NULL };
#define test_alloc (&test_alloc_)

#endif
