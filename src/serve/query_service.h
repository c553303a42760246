/* query_service.h - the listener of 16686: the page from memory, the query API from a pool of
 * threads.
 *
 *     on_head (loop)   Host, Origin, method: refused here
 *     on_body (loop)   page: answered at once
 *                      API: a job ─> pool thread: reader ─> kis_answer_writer ─> the exchange
 *
 * A full queue is 503 with Retry-After. A peer that goes away cancels its job: the reader sees it
 * at its next look.
 */
#ifndef KIS_SERVE_QUERY_SERVICE_H
#define KIS_SERVE_QUERY_SERVICE_H

#include "serve/host_check.h"
#include "serve/log.h"
#include "serve/pool.h"
#include "serve/routes.h"
#include "serve/static_ui.h"

#define KIS_QUERY_QUEUE_MAX 64u

typedef struct kis_query_job kis_query_job;

typedef struct kis_query_service {
    kis_reader *reader;
    const kis_server_facts *facts; /* complete before the first request */
    const kis_alloc *alloc;
    kis_host_rules hosts;
    kis_static_ui ui;
    kis_log *log; /* NULL: silent */
    /** What everyone should know (the disk is full), or an empty text; static text, any thread. */
    kis_str (*notice)(void *user);
    void *notice_user;

    kis_pool pool;
    kis_lock lock; /* KIS_RANK_SERVE; guards the jobs below */
    kis_query_job *jobs;
    _Atomic uint64_t queries, refused, running;
    _Atomic uint64_t cut; /* answers that the stop broke off */
    _Atomic bool is_stopping;
} kis_query_service;

/** The fields before the pool are filled by the caller. */
kis_err kis_query_service_start(kis_query_service *service, uint32_t threads,
                                kis_diag *diag) KIS_CHECKED;
kis_handler kis_query_service_handler(kis_query_service *service);
/** Cancels what runs, waits for it, ends the threads. After the server has stopped. Answers how
 * many answers were broken off. */
uint64_t kis_query_service_stop(kis_query_service *service);

#endif
