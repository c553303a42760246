/* pool.c - see pool.h. */
#include "serve/pool.h"

#include "base/diag.h"

static kis_job *take_job(kis_pool *pool)
{
    kis_lock_take(&pool->lock);
    while (!pool->first && !pool->is_stopping)
        kis_cond_wait(&pool->has_work, &pool->lock);
    kis_job *job = pool->first;
    if (job) {
        pool->first = job->next;
        if (!pool->first)
            pool->last = &pool->first;
        pool->queued--;
    }
    kis_lock_give(&pool->lock);
    return job;
}

static void run_jobs(void *user)
{
    kis_pool *pool = user;
    kis_codecs *codecs = kis_codecs_new(pool->alloc); /* NULL: answers are not compressed */

    for (kis_job *job; (job = take_job(pool)) != NULL;)
        job->run(job, codecs);
    kis_codecs_free(codecs);
}

kis_err kis_pool_start(kis_pool *pool, uint32_t threads, uint32_t queue_max, const kis_alloc *alloc,
                       kis_diag *diag)
{
    *pool = (kis_pool){ .queue_max = queue_max, .alloc = alloc };
    pool->last = &pool->first;
    kis_lock_init(&pool->lock, KIS_RANK_QUEUE);
    kis_cond_init(&pool->has_work);
    for (uint32_t i = 0; i < KIS_MIN(threads, KIS_POOL_THREADS_MAX); i++) {
        if (kis_thread_start(&pool->threads[i], "kis-query", run_jobs, pool, diag) != KIS_OK)
            break;
        pool->thread_count++;
    }
    if (pool->thread_count)
        return KIS_OK;
    kis_cond_done(&pool->has_work);
    kis_lock_done(&pool->lock);
    pool->queue_max = 0;
    return kis_diag_in(diag, KIS_ERR_IO, "query threads");
}

bool kis_pool_push(kis_pool *pool, kis_job *job)
{
    job->next = NULL;
    kis_lock_take(&pool->lock);
    bool has_room = pool->queued < pool->queue_max && !pool->is_stopping;
    if (has_room) {
        *pool->last = job;
        pool->last = &job->next;
        pool->queued++;
        kis_cond_signal(&pool->has_work);
    } else {
        pool->refused++;
    }
    kis_lock_give(&pool->lock);
    return has_room;
}

void kis_pool_stop(kis_pool *pool)
{
    if (pool->thread_count == 0)
        return;
    kis_lock_take(&pool->lock);
    pool->is_stopping = true;
    kis_cond_broadcast(&pool->has_work);
    kis_lock_give(&pool->lock);
    for (uint32_t i = 0; i < pool->thread_count; i++)
        kis_thread_join(&pool->threads[i]);
    pool->thread_count = 0;
    kis_cond_done(&pool->has_work);
    kis_lock_done(&pool->lock);
}
