/* loop.c - epoll, a heap of timers, and a queue of posts; one thread goes round.
 *
 *     round: posts -> timers that are due -> epoll_wait until the next timer -> what is ready
 *
 * Posts are a stack that any thread pushes to (newest first) and the loop takes whole and turns
 * round. Only who pushes on an empty stack wakes the loop, so a busy loop is woken once for many
 * posts. After the last round the stack is closed for ever:
 * a post is either run or refused, never forgotten.
 *
 * Always true: (1) a watch that was unwatched gets no event, also none that epoll has already
 * handed out, (2) heap[i]->heap_index is i, and no timer fires before its time, (3) `loops` has
 * every loop and each loop's `watches` every descriptor that is in its epoll set:
 * between kis_fork_hold and kis_fork_allow, so that it is also true in a child.
 *
 * A child of fork() has no thread for a loop, but it has its descriptors: a connection that the
 * parent closes would not end for the peer before the child ends, and what the child took out of
 * the epoll set would be gone for the parent. So the child closes them, as the first thing it does;
 * nobody hears of it, because the parent has them still. What lies above (TLS, HTTP/2) is not told.
 */
#include "net/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/vec.h"
#include "os/fork.h"

#define LOOP_EVENTS      256
#define LOOP_WAIT_MS_MAX 60000

struct kis_loop {
    const kis_alloc *alloc;
    kis_loop *prev, *next; /* in `loops` */
    int epoll_fd;
    kis_watch wake;     /* an eventfd */
    kis_watch *watches; /* wake, too; while forks are held */
    uint64_t now_ns;
    _Atomic(kis_post *) posts; /* any thread pushes; the loop takes */
    atomic_bool is_stopping, is_running;
    KIS_VEC(kis_timer *) heap;
    int event_count; /* of `events`, being handed out */
    struct epoll_event events[LOOP_EVENTS];
};

static kis_post posts_closed; /* its address stands in `posts` after the last round */
static _Thread_local const kis_loop *loop_of_this_thread;

/* ---- fork ---- */

static kis_loop *loops; /* of this process; while forks are held */

static void close_inherited(void)
{
    for (kis_loop *loop = loops; loop; loop = loop->next) {
        for (kis_watch *watch = loop->watches; watch; watch = watch->next) {
            close(watch->fd);
            watch->fd = -1;
        }
        close(loop->epoll_fd);
        loop->epoll_fd = -1;
    }
    loops = NULL;
}

static void install_fork_handler(void)
{
    int failed = pthread_atfork(NULL, NULL, close_inherited);
    KIS_ASSERT(!failed);
}

static void list_loop(kis_loop *loop)
{
    loop->next = loops;
    if (loops)
        loops->prev = loop;
    loops = loop;
}

static void unlist_loop(kis_loop *loop)
{
    *(loop->prev ? &loop->prev->next : &loops) = loop->next;
    if (loop->next)
        loop->next->prev = loop->prev;
}

static void list_watch(kis_loop *loop, kis_watch *watch)
{
    watch->prev = NULL;
    watch->next = loop->watches;
    if (loop->watches)
        loop->watches->prev = watch;
    loop->watches = watch;
}

static void unlist_watch(kis_loop *loop, kis_watch *watch)
{
    *(watch->prev ? &watch->prev->next : &loop->watches) = watch->next;
    if (watch->next)
        watch->next->prev = watch->prev;
}

/* ---- a loop's life ---- */

static void wake_ready(kis_watch *watch, uint32_t events)
{
    uint64_t count;
    (void)events;
    while (read(watch->fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
}

static void loop_wake(kis_loop *loop)
{
    const uint64_t one = 1;
    while (write(loop->wake.fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static kis_err open_descriptors(kis_loop *loop, kis_diag *diag)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    kis_err err = loop->epoll_fd < 0 || wake_fd < 0
                      ? kis_diag_set(diag, KIS_ERR_IO, "an event loop: %s", strerror(errno))
                      : kis_loop_watch(loop, &loop->wake, wake_fd, KIS_LOOP_READ, diag);
    if (err && wake_fd >= 0)
        close(wake_fd);
    return err;
}

kis_err kis_loop_new(const kis_alloc *alloc, kis_loop **out, kis_diag *diag)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    kis_loop *loop = alloc->take(alloc->user, sizeof(*loop));
    if (!loop)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "an event loop: out of memory");
    memset(loop, 0, sizeof(*loop));
    loop->alloc = alloc;
    loop->now_ns = kis_now_ns();
    loop->wake = (kis_watch){ .fd = -1, .ready = wake_ready };
    pthread_once(&once, install_fork_handler);
    kis_fork_hold();
    kis_err err = open_descriptors(loop, diag);
    list_loop(loop);
    kis_fork_allow();
    if (err) {
        kis_loop_free(loop);
        return err;
    }
    *out = loop;
    return KIS_OK;
}

void kis_loop_free(kis_loop *loop)
{
    if (!loop)
        return;
    kis_fork_hold();
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->wake.fd >= 0)
        close(loop->wake.fd);
    unlist_loop(loop);
    kis_fork_allow();
    KIS_VEC_DONE(&loop->heap, loop->alloc);
    loop->alloc->give_back(loop->alloc->user, loop, sizeof(*loop));
}

const kis_alloc *kis_loop_alloc(const kis_loop *loop)
{
    return loop->alloc;
}

uint64_t kis_loop_now_ns(const kis_loop *loop)
{
    return loop->now_ns;
}

bool kis_loop_is_running(const kis_loop *loop)
{
    return atomic_load_explicit(&loop->is_running, memory_order_acquire);
}

bool kis_loop_is_mine(const kis_loop *loop)
{
    return loop_of_this_thread == loop;
}

/* ---- watches ---- */

static uint32_t epoll_bits(uint32_t wanted)
{
    return (wanted & KIS_LOOP_READ ? (uint32_t)EPOLLIN : 0) |
           (wanted & KIS_LOOP_WRITE ? (uint32_t)EPOLLOUT : 0);
}

kis_err kis_loop_watch(kis_loop *loop, kis_watch *watch, int fd, uint32_t wanted, kis_diag *diag)
{
    struct epoll_event event = { .events = epoll_bits(wanted), .data.ptr = watch };
    watch->fd = fd;
    watch->wanted = wanted;
    kis_fork_hold();
    int failed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? errno : 0;
    if (!failed)
        list_watch(loop, watch);
    kis_fork_allow();
    if (failed)
        watch->fd = -1;
    return failed ? kis_diag_set(diag, failed == ENOMEM ? KIS_ERR_NOMEM : KIS_ERR_IO,
                                 "watch a socket: %s", strerror(failed))
                  : KIS_OK;
}

void kis_loop_rewatch(kis_loop *loop, kis_watch *watch, uint32_t wanted)
{
    struct epoll_event event = { .events = epoll_bits(wanted), .data.ptr = watch };
    if (wanted == watch->wanted)
        return;
    watch->wanted = wanted;
    int result = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
    KIS_ASSERT(result == 0); /* the descriptor is in the set: there is nothing else that can fail */
}

void kis_loop_unwatch(kis_loop *loop, kis_watch *watch)
{
    if (watch->fd < 0)
        return;
    kis_fork_hold();
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    unlist_watch(loop, watch);
    kis_fork_allow();
    watch->fd = -1;
    for (int i = 0; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
    }
}

static void hand_out_events(kis_loop *loop)
{
    for (int i = 0; i < loop->event_count; i++) {
        kis_watch *watch = loop->events[i].data.ptr;
        uint32_t bits = loop->events[i].events;
        if (!watch)
            continue;
        watch->ready(watch, (bits & EPOLLIN ? KIS_LOOP_READ : 0) |
                                (bits & EPOLLOUT ? KIS_LOOP_WRITE : 0) |
                                (bits & (EPOLLHUP | EPOLLERR) ? KIS_LOOP_HANGUP : 0));
    }
    loop->event_count = 0;
}

/* ---- timers: a binary heap, the earliest first ---- */

static void heap_put(kis_loop *loop, kis_timer *timer, uint32_t at)
{
    loop->heap.at[at] = timer;
    timer->heap_index = at;
}

static void heap_rise(kis_loop *loop, kis_timer *timer, uint32_t at)
{
    while (at > 0 && loop->heap.at[(at - 1) / 2]->at_ns > timer->at_ns) {
        heap_put(loop, loop->heap.at[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    heap_put(loop, timer, at);
}

static void heap_sink(kis_loop *loop, kis_timer *timer, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= loop->heap.len)
            break;
        if (child + 1 < loop->heap.len &&
            loop->heap.at[child + 1]->at_ns < loop->heap.at[child]->at_ns)
            child++;
        if (loop->heap.at[child]->at_ns >= timer->at_ns)
            break;
        heap_put(loop, loop->heap.at[child], at);
        at = child;
    }
    heap_put(loop, timer, at);
}

kis_err kis_loop_set_timer(kis_loop *loop, kis_timer *timer, uint64_t at_ns)
{
    uint64_t before = timer->at_ns;
    uint64_t at = at_ns ? at_ns : 1; /* 0 would be "not set" */
    if (!before) {
        if (!KIS_VEC_PUSH(&loop->heap, loop->alloc, timer))
            return KIS_ERR_NOMEM;
        timer->at_ns = at;
        heap_rise(loop, timer, loop->heap.len - 1);
        return KIS_OK;
    }
    timer->at_ns = at;
    if (at < before)
        heap_rise(loop, timer, timer->heap_index);
    else
        heap_sink(loop, timer, timer->heap_index);
    return KIS_OK;
}

void kis_loop_clear_timer(kis_loop *loop, kis_timer *timer)
{
    if (!timer->at_ns)
        return;
    uint32_t at = timer->heap_index;
    kis_timer *last = loop->heap.at[--loop->heap.len];
    timer->at_ns = 0;
    if (last == timer)
        return;
    heap_put(loop, last, at);
    if (at > 0 && loop->heap.at[(at - 1) / 2]->at_ns > last->at_ns)
        heap_rise(loop, last, at);
    else
        heap_sink(loop, last, at);
}

static void fire_timers(kis_loop *loop)
{
    while (loop->heap.len && loop->heap.at[0]->at_ns <= loop->now_ns) {
        kis_timer *timer = loop->heap.at[0];
        kis_loop_clear_timer(loop, timer);
        timer->fire(timer);
    }
}

/* ---- posts ---- */

bool kis_loop_post(kis_loop *loop, kis_post *post)
{
    kis_post *newest = atomic_load_explicit(&loop->posts, memory_order_relaxed);
    do {
        if (newest == &posts_closed)
            return false;
        post->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&loop->posts, &newest, post,
                                                    memory_order_release, memory_order_relaxed));
    if (!newest && !kis_loop_is_mine(loop)) /* its own thread looks before it sleeps */
        loop_wake(loop);
    return true;
}

static bool run_posts(kis_loop *loop)
{
    kis_post *newest = atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire),
             *oldest = NULL;
    if (!newest)
        return false;
    while (newest) {
        kis_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        kis_post *post = oldest;
        oldest = post->next; /* before it runs: running may end its life */
        post->run(post);
    }
    return true;
}

static void close_posts(kis_loop *loop)
{
    kis_post *none = NULL;
    do {
        while (run_posts(loop))
            ;
        none = NULL;
    } while (!atomic_compare_exchange_strong(&loop->posts, &none, &posts_closed));
}

/* ---- the rounds ---- */

static int wait_ms(const kis_loop *loop)
{
    if (atomic_load_explicit(&loop->posts, memory_order_relaxed) ||
        atomic_load_explicit(&loop->is_stopping, memory_order_relaxed))
        return 0;
    if (!loop->heap.len)
        return LOOP_WAIT_MS_MAX;
    uint64_t at = loop->heap.at[0]->at_ns;
    uint64_t wait = at > loop->now_ns ? at - loop->now_ns : 0;
    /* rounded up: never too early */
    return (int)KIS_MIN((wait + 999999) / 1000000, (uint64_t)LOOP_WAIT_MS_MAX);
}

void kis_loop_run(kis_loop *loop)
{
    const kis_loop *outer = loop_of_this_thread;
    loop_of_this_thread = loop;
    loop->now_ns = kis_now_ns();
    atomic_store_explicit(&loop->is_running, true, memory_order_release);
    while (!atomic_load_explicit(&loop->is_stopping, memory_order_acquire)) {
        run_posts(loop);
        fire_timers(loop);
        int count = epoll_wait(loop->epoll_fd, loop->events, LOOP_EVENTS, wait_ms(loop));
        loop->now_ns = kis_now_ns();
        loop->event_count = count < 0 ? 0 : count; /* EINTR is a short round */
        hand_out_events(loop);
    }
    close_posts(loop);
    atomic_store_explicit(&loop->is_running, false, memory_order_release);
    loop_of_this_thread = outer;
}

void kis_loop_stop(kis_loop *loop)
{
    atomic_store_explicit(&loop->is_stopping, true, memory_order_release);
    loop_wake(loop);
}
