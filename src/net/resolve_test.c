/* resolve_test.c - looking up names. That a name is tried at all its addresses: client_line_test.c.
 */
#include "net/resolve.h"
#include "net/test_server.h"

static void found_on_loop(void *user, const kis_lookup_answer *answer)
{
    *(uint32_t *)user = answer->count;
}

TEST(lookups_that_are_cancelled_do_not_answer)
{
    kis_loop *loop;
    uint32_t count = 77;
    kis_lookup *lookups[8];
    CHECK_ERR(KIS_OK, kis_loop_new(&kis_mem, &loop, NULL), "a loop");
    for (int i = 0; i < 8; i++)
        CHECK_ERR(KIS_OK,
                  kis_lookup_start(loop, KIS_STR("localhost"), 80, found_on_loop, &count,
                                   &lookups[i], NULL),
                  "a question");
    for (int i = 7; i >= 0; i--)
        kis_lookup_cancel(lookups[i]);
    kis_loop_stop(loop);
    kis_loop_run(loop); /* what had been posted is given back */
    kis_loop_free(loop);
    CHECK_INT(77, count, "nobody was called");
}

TEST_MAIN(RUN(lookups_that_are_cancelled_do_not_answer))
