/* bag_test.c - the pool of bags: what a fork at the wrong moment finds. */
#include "sdk/bag.h"
#include "sdk/test_host.h"

static kis_bags bags;
static uint32_t given_back;

/* Stands for a fork in here: a child would have the bags as they are now. */
static void give_back_and_look(void *user, void *memory, size_t size)
{
    for (uint32_t i = 0; memory && i < bags.count; i++)
        CHECK(bags.bags[i]->memory != memory, "no bag points at what is given back");
    given_back += memory != NULL;
    test_give_back(user, memory, size);
}

TEST(a_bag_that_grows_never_points_at_memory_that_was_given_back)
{
    static char text[1000];
    const kis_alloc alloc = { test_take, give_back_and_look, NULL };
    kis_context context;

    test_live_ = 0;
    kis_bags_init(&bags, &alloc);
    for (int i = 0; i <= KIS_BAGS_MAX; i++) { /* the last one is the first bag again */
        kis_bag_content content = { .trace_state =
                                        kis_str_of(text, i < KIS_BAGS_MAX ? 10 : sizeof(text)) };
        CHECK_INT(0, given_back, "not before");
        CHECK(kis_bags_fill(&bags, &content, &context), "filled");
    }
    CHECK_INT(1, given_back, "the small one, when it grew");
    bags.alloc = &test_memory;
    kis_bags_done(&bags);
    CHECK_INT(0, test_live_, "all memory was given back");
}

TEST_MAIN(RUN(a_bag_that_grows_never_points_at_memory_that_was_given_back))
