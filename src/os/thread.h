/* thread.h - threads, locks with ranks, conditions with monotonic deadlines. */
#ifndef KIS_OS_THREAD_H
#define KIS_OS_THREAD_H

#include <pthread.h>

#include "base/str.h"

/** Locks are taken in the order of this list; debug builds check it. */
typedef enum kis_lock_rank {
    KIS_RANK_SERVE = 1,
    KIS_RANK_STORE,
    KIS_RANK_STORE_WAL,
    KIS_RANK_STORE_HEAD,
    KIS_RANK_QUEUE,
    KIS_RANK_LOOP,
    KIS_RANK_SDK,
    KIS_RANK_LOG,
    KIS_RANK_MEM,
} kis_lock_rank;

typedef struct kis_lock {
    pthread_mutex_t _mutex;
    kis_lock_rank _rank;
} kis_lock;

typedef struct kis_cond {
    pthread_cond_t _cond; /* on CLOCK_MONOTONIC */
} kis_cond;

typedef struct kis_thread {
    pthread_t _thread;
    bool is_started;
} kis_thread;

void kis_lock_init(kis_lock *lock, kis_lock_rank rank);
void kis_lock_done(kis_lock *lock);
void kis_lock_take(kis_lock *lock);
void kis_lock_give(kis_lock *lock);

void kis_cond_init(kis_cond *cond);
void kis_cond_done(kis_cond *cond);
void kis_cond_wait(kis_cond *cond, kis_lock *lock);
/** False when `deadline_ns` (monotonic) has passed. */
bool kis_cond_wait_until(kis_cond *cond, kis_lock *lock, uint64_t deadline_ns);
void kis_cond_signal(kis_cond *cond);
void kis_cond_broadcast(kis_cond *cond);

/** Starts a thread that blocks every signal; `name` (15 characters) is what ps and gdb show. */
kis_err kis_thread_start(kis_thread *thread, const char *name, void (*run)(void *user), void *user,
                         kis_diag *diag) KIS_CHECKED;
void kis_thread_join(kis_thread *thread); /* fine on zeros */
unsigned kis_cpu_count(void);             /* that this process may use */

#endif
