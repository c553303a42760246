/* thread_test.c - locks exclude, conditions wake and time out, ranks are kept, signals stay away.
 */
#include "tests/test.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "os/os.h"
#include "os/thread.h"

#define SECOND_NS 1000000000u

typedef struct shared {
    kis_lock lock;
    kis_cond cond;
    long count; /* guarded by lock */
    int turn;   /* guarded by lock */
} shared;

static void shared_init(shared *s)
{
    *s = (shared){ .count = 0 };
    kis_lock_init(&s->lock, KIS_RANK_STORE);
    kis_cond_init(&s->cond);
}
static void shared_done(shared *s)
{
    kis_cond_done(&s->cond);
    kis_lock_done(&s->lock);
}

static void add_many(void *user)
{
    shared *s = user;
    for (int i = 0; i < 20000; i++) {
        kis_lock_take(&s->lock);
        s->count++;
        kis_lock_give(&s->lock);
    }
}

TEST(a_lock_excludes)
{
    shared s;
    kis_thread threads[4] = { { .is_started = false } };
    shared_init(&s);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK_ERR(KIS_OK, kis_thread_start(&threads[i], "adder", add_many, &s, NULL), "started");
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        kis_thread_join(&threads[i]);
    CHECK_INT(80000, s.count, "no addition was lost");
    kis_thread_join(&threads[0]); /* fine: already joined */
    kis_thread_join(&(kis_thread){ .is_started = false });
    shared_done(&s);
    kis_lock_done(&(kis_lock){ ._rank = 0 }); /* zeros are fine */
}

static void play(void *user)
{
    shared *s = user;
    kis_lock_take(&s->lock);
    for (int i = 0; i < 500; i++) {
        while (s->turn != 1)
            kis_cond_wait(&s->cond, &s->lock);
        s->turn = 0;
        s->count++;
        kis_cond_signal(&s->cond);
    }
    kis_lock_give(&s->lock);
}

TEST(a_condition_wakes_the_one_who_waits)
{
    shared s;
    kis_thread thread = { .is_started = false };
    shared_init(&s);
    CHECK_ERR(KIS_OK, kis_thread_start(&thread, "player", play, &s, NULL), "started");
    kis_lock_take(&s.lock);
    for (int i = 0; i < 500; i++) {
        s.turn = 1;
        kis_cond_broadcast(&s.cond);
        while (s.turn != 0)
            CHECK(kis_cond_wait_until(&s.cond, &s.lock, kis_now_ns() + 20ull * SECOND_NS) ||
                      s.turn == 0,
                  "in time");
    }
    kis_lock_give(&s.lock);
    kis_thread_join(&thread);
    CHECK_INT(500, s.count, "each turn once");
    shared_done(&s);
}

TEST(waiting_ends_at_the_deadline)
{
    shared s;
    shared_init(&s);
    kis_lock_take(&s.lock);
    CHECK(!kis_cond_wait_until(&s.cond, &s.lock, 0), "long past: at once");
    uint64_t start = kis_now_ns();
    while (kis_cond_wait_until(&s.cond, &s.lock, start + SECOND_NS / 20)) {
        /* a wake-up without a reason is allowed */
    }
    CHECK(kis_now_ns() >= start + SECOND_NS / 20, "not before");
    kis_lock_give(&s.lock);
    shared_done(&s);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
static void exit_with_99(const char *what, const char *file, int line)
{
    (void)what;
    (void)file;
    (void)line;
    _exit(99);
}

/* In a child, because a broken rule ends the process. */
static int take_in_order(kis_lock_rank first, kis_lock_rank second)
{
    pid_t child = fork();
    if (child == 0) {
        kis_lock a, b;
        kis_check_handler = exit_with_99;
        kis_lock_init(&a, first);
        kis_lock_init(&b, second);
        kis_lock_take(&a);
        kis_lock_take(&b);
        kis_lock_give(&a); /* giving may be in any order */
        kis_lock_give(&b);
        kis_lock_take(&a);
        kis_lock_give(&a);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(locks_are_taken_by_rank)
{
    CHECK_INT(0, take_in_order(KIS_RANK_STORE, KIS_RANK_QUEUE), "upwards");
    CHECK_INT(99, take_in_order(KIS_RANK_QUEUE, KIS_RANK_STORE), "downwards");
    CHECK_INT(99, take_in_order(KIS_RANK_QUEUE, KIS_RANK_QUEUE), "twice the same");
}
#define RANK_TESTS RUN(locks_are_taken_by_rank),
#else
#define RANK_TESTS
#endif

typedef struct seen {
    sigset_t blocked;
    char name[32];
} seen;

static void look(void *user)
{
    seen *s = user;
    pthread_sigmask(SIG_SETMASK, NULL, &s->blocked);
}

TEST(a_thread_blocks_every_signal_that_others_send)
{
    seen s;
    kis_thread thread = { .is_started = false };
    sigset_t mine;
    CHECK_ERR(KIS_OK, kis_thread_start(&thread, "a-name-longer-than-fifteen", look, &s, NULL),
              "started");
    kis_thread_join(&thread);
    static const int blocked[] = { SIGTERM, SIGINT,  SIGHUP,  SIGALRM,
                                   SIGCHLD, SIGUSR1, SIGPIPE, SIGPROF };
    for (size_t i = 0; i < COUNT_OF(blocked); i++)
        CHECK(sigismember(&s.blocked, blocked[i]), "blocked");
    CHECK(!sigismember(&s.blocked, SIGSEGV), "its own mistakes are not");
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    CHECK(!sigismember(&mine, SIGTERM), "and who started it is as before");
}

static void stay(void *user)
{
    shared *s = user;
    kis_lock_take(&s->lock);
    while (s->turn == 0)
        kis_cond_wait(&s->cond, &s->lock);
    kis_lock_give(&s->lock);
}

TEST(a_thread_has_its_name)
{
    shared s;
    kis_thread thread = { .is_started = false };
    char name[32] = "";
    shared_init(&s);
    CHECK_ERR(KIS_OK, kis_thread_start(&thread, "a-name-longer-than-fifteen", stay, &s, NULL),
              "started");
    CHECK_INT(0, pthread_getname_np(thread._thread, name, sizeof(name)), "asked");
    assert_string_equal("a-name-longer-t", name);
    kis_lock_take(&s.lock);
    s.turn = 1;
    kis_cond_broadcast(&s.cond);
    kis_lock_give(&s.lock);
    kis_thread_join(&thread);
    shared_done(&s);
}

TEST(processors_are_those_that_may_be_used)
{
    cpu_set_t before, one;
    unsigned all = kis_cpu_count();
    CHECK(all >= 1 && all <= 4096, "at least one");
    CHECK_INT(0, sched_getaffinity(0, sizeof(before), &before), "asked");
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
            break;
        }
    }
    CHECK_INT(0, sched_setaffinity(0, sizeof(one), &one), "bound to one");
    CHECK_INT(1, kis_cpu_count(), "one");
    sched_setaffinity(0, sizeof(before), &before);
}

TEST_MAIN(RUN(a_lock_excludes), RUN(a_condition_wakes_the_one_who_waits),
          RUN(waiting_ends_at_the_deadline),
          RANK_TESTS RUN(a_thread_blocks_every_signal_that_others_send), RUN(a_thread_has_its_name),
          RUN(processors_are_those_that_may_be_used))
