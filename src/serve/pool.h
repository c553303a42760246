/* pool.h - a few threads and a bounded queue: work that may block (queries) never runs on a loop.
 */
#ifndef KIS_SERVE_POOL_H
#define KIS_SERVE_POOL_H

#include "compress/compress.h"
#include "os/thread.h"

#define KIS_POOL_THREADS_MAX 16

/** Embedded in its owner. `run` gets codecs that no other thread uses meanwhile. */
typedef struct kis_job {
    struct kis_job *next;
    void (*run)(struct kis_job *job, kis_codecs *codecs);
} kis_job;

typedef struct kis_pool {
    kis_lock lock; /* KIS_RANK_QUEUE; guards all below */
    kis_cond has_work;
    kis_job *first, **last;
    uint32_t queued, queue_max;
    uint64_t refused; /* jobs that found the queue full */
    bool is_stopping;
    kis_thread threads[KIS_POOL_THREADS_MAX];
    uint32_t thread_count;
    const kis_alloc *alloc;
} kis_pool;

/** At least one thread could be started, or IO: with fewer than asked for it goes on. */
kis_err kis_pool_start(kis_pool *pool, uint32_t threads, uint32_t queue_max, const kis_alloc *alloc,
                       kis_diag *diag) KIS_CHECKED;
/** False: the queue is full, or the pool is stopping. Any thread. */
bool kis_pool_push(kis_pool *pool, kis_job *job);
/** Runs what is queued, then ends the threads. Fine on zeros. */
void kis_pool_stop(kis_pool *pool);

#endif
