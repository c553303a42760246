/* loop.h - one thread's epoll loop: sockets, timers, and messages from other threads.
 *
 * Everything a loop owns is touched by its own thread only.
 * Other threads reach it through kis_loop_post.
 *
 * A loop belongs to the process that made it. A child of fork() must not touch it or what hangs on
 * it; the descriptors that it watches, and its own, are closed there before fork() returns, and the
 * peers notice nothing. To be whole in that, open and watch, and unwatch and close, inside of
 * kis_fork_hold (os/fork.h).
 */
#ifndef KIS_NET_LOOP_H
#define KIS_NET_LOOP_H

#include "base/arena.h"
#include "os/os.h"
#include "os/thread.h"

typedef struct kis_loop kis_loop;

/** A socket (or pipe) in a loop. `ready` gets the KIS_LOOP_* that came. Embedded in its owner. */
#define KIS_LOOP_READ   1u
#define KIS_LOOP_WRITE  2u
#define KIS_LOOP_HANGUP 4u
typedef struct kis_watch {
    int fd; /* -1: none */
    uint32_t wanted;
    void (*ready)(struct kis_watch *watch, uint32_t events);
    struct kis_watch *prev, *next; /* the loop's */
} kis_watch;

/** A timer in a loop's heap. Embedded in its owner; zeros is "not set". */
typedef struct kis_timer {
    uint64_t at_ns; /* monotonic; 0: not set */
    uint32_t heap_index;
    void (*fire)(struct kis_timer *timer);
} kis_timer;

/** A message: embedded in its owner, in one queue at a time. */
typedef struct kis_post {
    struct kis_post *next;
    void (*run)(struct kis_post *post);
} kis_post;

kis_err kis_loop_new(const kis_alloc *alloc, kis_loop **out, kis_diag *diag) KIS_CHECKED;
void kis_loop_free(kis_loop *loop); /* stopped and empty */

/** Failed: `watch` has no descriptor, and `fd` is still the caller's. */
kis_err kis_loop_watch(kis_loop *loop, kis_watch *watch, int fd, uint32_t wanted,
                       kis_diag *diag) KIS_CHECKED;
void kis_loop_rewatch(kis_loop *loop, kis_watch *watch, uint32_t wanted);
/* no callback after it, also for events already read */
void kis_loop_unwatch(kis_loop *loop, kis_watch *watch);

/* moves one that is set */
kis_err kis_loop_set_timer(kis_loop *loop, kis_timer *timer, uint64_t at_ns) KIS_CHECKED;
void kis_loop_clear_timer(kis_loop *loop, kis_timer *timer);

/** Runs `post` on the loop's thread, in order of posting. Any thread. After the loop has stopped:
 * false, and `post` was not taken. */
bool kis_loop_post(kis_loop *loop, kis_post *post);

void kis_loop_run(kis_loop *loop);  /* until stop; the calling thread is the loop's thread */
void kis_loop_stop(kis_loop *loop); /* any thread; returns at once */
bool kis_loop_is_mine(const kis_loop *loop);    /* am I its thread? */
bool kis_loop_is_running(const kis_loop *loop); /* any thread: inside kis_loop_run */
uint64_t kis_loop_now_ns(const kis_loop *loop); /* read once a round */
const kis_alloc *kis_loop_alloc(const kis_loop *loop);

#endif
