/* vec_test.c - a typed array grows and says when it cannot. */
#include "tests/test.h"

#include "base/vec.h"

TEST(pushed_items_stay_in_order)
{
    KIS_VEC(uint64_t) vec = { 0 };
    test_alloc_reset(-1);
    for (uint64_t i = 0; i < 10000; i++)
        CHECK(KIS_VEC_PUSH(&vec, test_alloc, i * i), "room");
    CHECK_INT(10000, vec.len, "all");
    for (uint64_t i = 0; i < 10000; i++)
        CHECK_INT(i * i, vec.at[i], "in order");
    CHECK(vec.cap < 20000, "doubling");
    KIS_VEC_DONE(&vec, test_alloc);
    CHECK_INT(0, test_alloc_live(), "no leak");
    CHECK(vec.at == NULL && vec.len == 0 && vec.cap == 0, "zeros again");
    KIS_VEC_DONE(&vec, test_alloc);
}

TEST(reserve_refuses_what_an_index_cannot_count)
{
    KIS_VEC(char) vec = { 0 };
    test_alloc_reset(-1);
    CHECK(!KIS_VEC_RESERVE(&vec, test_alloc, (size_t)UINT32_MAX), "too many");
    CHECK(vec.at == NULL && vec.cap == 0, "unchanged");
    CHECK(KIS_VEC_RESERVE(&vec, test_alloc, 100), "enough");
    CHECK(vec.cap >= 100 && vec.len == 0, "room, no items");
    KIS_VEC_DONE(&vec, test_alloc);
}

TEST(a_failed_allocation_leaves_the_items)
{
    for (long n = 0;; n++) {
        KIS_VEC(uint32_t) vec = { 0 };
        uint32_t pushed = 0;
        test_alloc_reset(n);
        while (pushed < 1000 && KIS_VEC_PUSH(&vec, test_alloc, pushed))
            pushed++;
        bool failed = test_alloc_failed();
        CHECK(failed || pushed == 1000, "only a failure stops it");
        CHECK_INT(pushed, vec.len, "length");
        for (uint32_t i = 0; i < vec.len; i++)
            CHECK_INT(i, vec.at[i], "items");
        KIS_VEC_DONE(&vec, test_alloc);
        CHECK_INT(0, test_alloc_live(), "no leak");
        if (!failed)
            break;
    }
}

TEST_MAIN(RUN(pushed_items_stay_in_order), RUN(reserve_refuses_what_an_index_cannot_count),
          RUN(a_failed_allocation_leaves_the_items))
