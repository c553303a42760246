/* loop_test.c - timers in order, posts from many threads, watches that end in the middle of a
 * round. */
#include "net/loop.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "os/mem.h"
#include "tests/test.h"

static kis_loop *loop;
static kis_diag diag;

static void open_loop(void)
{
    test_alloc_reset(-1);
    CHECK_ERR(KIS_OK, kis_loop_new(test_alloc, &loop, &diag), diag.text);
}
static void close_loop(void)
{
    kis_loop_free(loop);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

/* ---- timers ---- */

enum { TIMERS = 500 };
static kis_timer timers[TIMERS];
static uint64_t fired_at[TIMERS], last_at;
static int fired;

static void fire(kis_timer *timer)
{
    size_t i = (size_t)(timer - timers);
    CHECK(timer->at_ns == 0, "a timer that fires is not set any more");
    CHECK(fired_at[i] >= last_at, "in order");
    CHECK(kis_loop_now_ns(loop) >= fired_at[i], "never too early");
    last_at = fired_at[i];
    fired++;
    if (fired == TIMERS / 2)
        kis_loop_stop(loop);
}

TEST(timers_fire_in_order_and_can_be_moved_and_cleared)
{
    open_loop();
    uint64_t now = kis_loop_now_ns(loop);
    uint32_t x = 1;
    memset(timers, 0, sizeof(timers));
    fired = 0, last_at = 0;
    for (int i = 0; i < TIMERS; i++) {
        x = x * 1103515245u + 12345u;
        fired_at[i] = now + (x >> 16) % 20000000;
        timers[i].fire = fire;
        CHECK_ERR(KIS_OK, kis_loop_set_timer(loop, &timers[i], now + 5000000000u), "set far away");
    }
    for (int i = 0; i < TIMERS; i++) {
        if (i % 2)
            kis_loop_clear_timer(loop, &timers[i]);
        else
            CHECK_ERR(KIS_OK, kis_loop_set_timer(loop, &timers[i], fired_at[i]), "moved near");
    }
    kis_loop_clear_timer(loop, &timers[1]); /* twice does no harm */
    kis_loop_run(loop);
    CHECK_INT(TIMERS / 2, fired, "all that were left, and no other");
    close_loop();
}

/* ---- posts ---- */

enum { POSTERS = 4, POSTS = 2000 };
typedef struct counted_post {
    kis_post post;
    int poster, number;
} counted_post;
static counted_post posts[POSTERS][POSTS];
static int seen[POSTERS];
static atomic_int posted, refused;

static void count_post(kis_post *post)
{
    const counted_post *p = KIS_CONTAINER(post, counted_post, post);
    CHECK(kis_loop_is_mine(loop), "on the loop's thread");
    CHECK_INT(seen[p->poster], p->number, "in order of each poster");
    seen[p->poster]++;
}

static void post_all(void *user)
{
    int me = (int)(intptr_t)user;
    CHECK(!kis_loop_is_mine(loop), "not on the loop's thread");
    for (int i = 0; i < POSTS; i++) {
        posts[me][i] = (counted_post){ { NULL, count_post }, me, i };
        atomic_fetch_add(kis_loop_post(loop, &posts[me][i].post) ? &posted : &refused, 1);
    }
}

static void run_loop(void *user)
{
    kis_loop_run(user);
}

TEST(posts_arrive_in_order_and_none_is_lost)
{
    for (int stops_early = 0; stops_early < 2; stops_early++) {
        kis_thread runner = { 0 }, posters[POSTERS] = { { 0 } };
        CHECK_ERR(KIS_OK, kis_loop_new(&kis_mem, &loop, &diag), diag.text);
        memset(seen, 0, sizeof(seen));
        atomic_store(&posted, 0), atomic_store(&refused, 0);
        CHECK_ERR(KIS_OK, kis_thread_start(&runner, "loop", run_loop, loop, &diag), diag.text);
        for (int i = 0; i < POSTERS; i++)
            CHECK_ERR(KIS_OK,
                      kis_thread_start(&posters[i], "poster", post_all, (void *)(intptr_t)i, &diag),
                      diag.text);
        if (stops_early)
            kis_loop_stop(loop);
        for (int i = 0; i < POSTERS; i++)
            kis_thread_join(&posters[i]);
        kis_loop_stop(loop);
        kis_thread_join(&runner);
        int ran = 0;
        for (int i = 0; i < POSTERS; i++)
            ran += seen[i];
        CHECK_INT(atomic_load(&posted), ran, "what was taken was run");
        CHECK_INT(POSTERS * POSTS, ran + atomic_load(&refused), "the rest was refused");
        if (!stops_early)
            CHECK_INT(0, atomic_load(&refused), "a running loop refuses nothing");
        kis_post late = { NULL, count_post };
        CHECK(!kis_loop_post(loop, &late) && !kis_loop_is_running(loop), "after the end");
        kis_loop_free(loop);
    }
}

/* ---- watches ---- */

static kis_watch ends[2];
static int ready_count;

static void ready(kis_watch *watch, uint32_t events)
{
    CHECK(events & KIS_LOOP_READ, "readable");
    ready_count++;
    /* the other one, whose event is in the same round */
    kis_loop_unwatch(loop, &ends[watch == &ends[0]]);
    kis_loop_unwatch(loop, watch);
    kis_loop_stop(loop);
}

TEST(an_unwatched_descriptor_is_silent_even_in_the_same_round)
{
    int pipes[2][2];
    open_loop();
    ready_count = 0;
    for (int i = 0; i < 2; i++) {
        CHECK(pipe(pipes[i]) == 0 && write(pipes[i][1], "x", 1) == 1, "pipes");
        ends[i].ready = ready;
        CHECK_ERR(KIS_OK, kis_loop_watch(loop, &ends[i], pipes[i][0], KIS_LOOP_READ, &diag),
                  diag.text);
    }
    kis_loop_run(loop);
    CHECK_INT(1, ready_count, "only the first");
    for (int i = 0; i < 2; i++)
        close(pipes[i][0]), close(pipes[i][1]);
    close_loop();
}

TEST(no_memory_is_said)
{
    for (long n = 0; n < 2; n++) {
        test_alloc_reset(n);
        kis_err err = kis_loop_new(test_alloc, &loop, &diag);
        if (err == KIS_OK) {
            kis_timer timer = { 0 };
            CHECK_ERR(KIS_ERR_NOMEM, kis_loop_set_timer(loop, &timer, 1), "a timer");
            CHECK_INT(0, timer.at_ns, "is not set");
            kis_loop_free(loop);
        } else {
            CHECK_ERR(KIS_ERR_NOMEM, err, "a loop");
        }
        CHECK_INT(0, test_alloc_live(), "no leak");
    }
}

TEST_MAIN(RUN(timers_fire_in_order_and_can_be_moved_and_cleared),
          RUN(posts_arrive_in_order_and_none_is_lost),
          RUN(an_unwatched_descriptor_is_silent_even_in_the_same_round), RUN(no_memory_is_said))
