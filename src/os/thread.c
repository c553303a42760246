/* thread.c - threads, locks with ranks, conditions with monotonic deadlines.
 *
 * A thread remembers the ranks of the locks it holds as bits. Taking a lock whose rank is not above
 * all of them could meet another thread doing it the other way round one day; it is refused today,
 * in every build that is not optimised or that runs under a sanitizer.
 */
#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/num.h"
#include "os/mem.h"

/* said aloud: 8 MiB with one C library, 128 KiB with another */
#define STACK_BYTES    ((size_t)2 << 20)
#define NAME_BYTES_MAX 16u /* with the NUL; the kernel's TASK_COMM_LEN */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHECKS_RANKS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
#define CHECKS_RANKS 1
#endif

#ifdef CHECKS_RANKS
static _Thread_local uint32_t held_ranks;

static void rank_take(kis_lock_rank rank)
{
    KIS_ASSERT(held_ranks >> rank == 0); /* only ranks below this one may be held */
    held_ranks |= (uint32_t)1 << rank;
}

static void rank_give(kis_lock_rank rank)
{
    KIS_ASSERT(held_ranks >> rank & 1);
    held_ranks &= ~((uint32_t)1 << rank);
}
#else
static void rank_take(kis_lock_rank rank)
{
    (void)rank;
}

static void rank_give(kis_lock_rank rank)
{
    (void)rank;
}
#endif

void kis_lock_init(kis_lock *lock, kis_lock_rank rank)
{
    int failed = pthread_mutex_init(&lock->_mutex, NULL);
    KIS_ASSERT(!failed);
    lock->_rank = rank;
}

void kis_lock_done(kis_lock *lock)
{
    if (lock->_rank == 0) /* zeros: never made */
        return;
    int failed = pthread_mutex_destroy(&lock->_mutex);
    KIS_ASSERT(!failed); /* nobody holds it */
    lock->_rank = 0;
}

void kis_lock_take(kis_lock *lock)
{
    rank_take(lock->_rank);
    int failed = pthread_mutex_lock(&lock->_mutex);
    KIS_ASSERT(!failed);
}

void kis_lock_give(kis_lock *lock)
{
    rank_give(lock->_rank);
    int failed = pthread_mutex_unlock(&lock->_mutex);
    KIS_ASSERT(!failed);
}

void kis_cond_init(kis_cond *cond)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    failed |= pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    failed |= pthread_cond_init(&cond->_cond, &attributes);
    pthread_condattr_destroy(&attributes);
    KIS_ASSERT(!failed);
}

void kis_cond_done(kis_cond *cond)
{
    pthread_cond_destroy(&cond->_cond);
}

void kis_cond_wait(kis_cond *cond, kis_lock *lock)
{
    rank_give(lock->_rank);
    int failed = pthread_cond_wait(&cond->_cond, &lock->_mutex);
    KIS_ASSERT(!failed);
    rank_take(lock->_rank);
}

bool kis_cond_wait_until(kis_cond *cond, kis_lock *lock, uint64_t deadline_ns)
{
    struct timespec deadline = { .tv_sec = (time_t)KIS_MIN(deadline_ns / 1000000000u,
                                                           (uint64_t)INT32_MAX),
                                 .tv_nsec = (long)(deadline_ns % 1000000000u) };

    rank_give(lock->_rank);
    int failed = pthread_cond_timedwait(&cond->_cond, &lock->_mutex, &deadline);
    rank_take(lock->_rank);
    KIS_ASSERT(!failed || failed == ETIMEDOUT);
    return !failed;
}

void kis_cond_signal(kis_cond *cond)
{
    pthread_cond_signal(&cond->_cond);
}

void kis_cond_broadcast(kis_cond *cond)
{
    pthread_cond_broadcast(&cond->_cond);
}

/* What a new thread is told; it gives the memory back. */
typedef struct thread_start {
    void (*run)(void *user);
    void *user;
} thread_start;

static void *thread_main(void *told)
{
    thread_start start = *(thread_start *)told;
    kis_mem.give_back(kis_mem.user, told, sizeof(start));
    start.run(start.user);
    return NULL;
}

/* Every signal but those that a thread sends itself by a mistake: blocked, they would kill without
 * a word. */
static void signals_to_block(sigset_t *out)
{
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };

    sigfillset(out);
    for (size_t i = 0; i < KIS_COUNT_OF(own); i++)
        sigdelset(out, own[i]);
}

static int thread_create(kis_thread *thread, thread_start *start)
{
    pthread_attr_t attributes;
    sigset_t blocked, before;

    int failed = pthread_attr_init(&attributes);
    if (failed)
        return failed;
    failed = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    signals_to_block(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before); /* the new thread inherits it */
    if (!failed)
        failed = pthread_create(&thread->_thread, &attributes, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed;
}

kis_err kis_thread_start(kis_thread *thread, const char *name, void (*run)(void *user), void *user,
                         kis_diag *diag)
{
    char short_name[NAME_BYTES_MAX];

    thread_start *start = kis_mem.take(kis_mem.user, sizeof(*start));
    if (!start)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "cannot start thread '%s': out of memory", name);
    *start = (thread_start){ run, user };
    int failed = thread_create(thread, start);
    if (failed) {
        kis_mem.give_back(kis_mem.user, start, sizeof(*start));
        return kis_diag_set(diag, KIS_ERR_NOMEM, "cannot start thread '%s': %s", name,
                            strerror(failed));
    }
    kis_str_to_c(kis_str_from_c(name), short_name, sizeof(short_name));
    pthread_setname_np(thread->_thread, short_name); /* for people only: may fail */
    thread->is_started = true;
    return KIS_OK;
}

void kis_thread_join(kis_thread *thread)
{
    if (!thread->is_started)
        return;
    int failed = pthread_join(thread->_thread, NULL);
    KIS_ASSERT(!failed);
    thread->is_started = false;
}

/* "200000 100000" is two processors, "max 100000" and everything else is no bound. */
static unsigned cpu_quota(kis_str text)
{
    uint64_t quota, period;
    kis_str rest = text;

    size_t line = kis_str_find_char(rest, '\n');
    rest = kis_str_slice(rest, 0, line);
    kis_str first = kis_str_cut(&rest, ' ');
    if (kis_u64_parse(first, &quota) || kis_u64_parse(rest, &period) || period == 0 || quota == 0)
        return UINT32_MAX;
    return (unsigned)KIS_MIN((quota + period - 1) / period, (uint64_t)UINT32_MAX);
}

/* What a container may use, where its bound is in the usual place. */
static unsigned cpu_quota_of_container(void)
{
    char text[64];
    int fd = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return UINT32_MAX;
    ssize_t len = read(fd, text, sizeof(text));
    close(fd);
    return len > 0 ? cpu_quota(kis_str_of(text, (size_t)len)) : UINT32_MAX;
}

unsigned kis_cpu_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
    long online = count > 0 ? count : sysconf(_SC_NPROCESSORS_ONLN);

    return KIS_MIN((unsigned)KIS_MAX(online, 1), cpu_quota_of_container());
}
