/* query_service.c - see query_service.h.
 *
 * A job lives from on_head until its answer is over, holds one reference to its exchange, and
 * stands in `jobs` so that on_gone can find it. It is freed by the pool thread that ran it.
 */
#include "serve/query_service.h"

#include "base/diag.h"
#include "os/mem.h"
#include "os/os.h"
#include "serve/plain.h"

struct kis_query_job {
    kis_job job;
    kis_query_job *next, **back; /* in service->jobs */
    kis_query_service *service;
    kis_exchange *exchange;
    const kis_route *route;
    kis_str captures[2]; /* of the exchange's path */
    _Atomic bool is_cancelled;
};

/* ---- short answers from the loop ---- */

static void answer_busy(const kis_route *route, kis_exchange *exchange, const kis_alloc *alloc)
{
    kis_answer_to to = kis_answer_to_exchange(exchange);
    kis_answer_writer out;

    kis_answer_init(&out, &to, alloc);
    kis_answer_add_header(&out, KIS_STR("retry-after"), KIS_STR("1"));
    route->error(&out, 503, KIS_STR("too many queries are waiting; try again"));
    kis_answer_done(&out);
}

/* ---- jobs ---- */

static void link_job(kis_query_service *service, kis_query_job *job)
{
    kis_lock_take(&service->lock);
    job->next = service->jobs;
    job->back = &service->jobs;
    if (job->next)
        job->next->back = &job->next;
    service->jobs = job;
    kis_lock_give(&service->lock);
}

static void free_job(kis_query_job *job)
{
    kis_query_service *service = job->service;

    kis_lock_take(&service->lock);
    *job->back = job->next;
    if (job->next)
        job->next->back = job->back;
    kis_lock_give(&service->lock);
    atomic_fetch_sub(&service->running, 1);
    kis_exchange_unref(job->exchange);
    service->alloc->give_back(service->alloc->user, job, sizeof(*job));
}

/* What the server could not do, in the log; what the asker did wrong, or broke off, only in the
 * answer. */
static void log_failure(kis_query_service *service, const kis_request_head *request,
                        const kis_api_call *call)
{
    const kis_answer_writer *out = call->out;

    if (!service->log)
        return;
    if (out->err && out->err != KIS_ERR_CLOSED)
        kis_log_write(service->log, KIS_LOG_WARN, "query '" KIS_FMT "': the answer was cut: %s",
                      KIS_ARG(request->path), kis_err_text(out->err));
    else if (call->failure[0] && (out->status >= 500 || out->has_begun) && out->status != 501)
        kis_log_write(service->log, KIS_LOG_WARN, "query '" KIS_FMT "' failed: %s",
                      KIS_ARG(request->path), call->failure);
}

static void answer_job(kis_query_job *job, kis_arena *arena, kis_codecs *codecs)
{
    kis_query_service *service = job->service;
    const kis_request_head *request = kis_exchange_head(job->exchange);
    uint64_t now_ns = kis_now_ns();
    kis_answer_to to = kis_answer_to_exchange(job->exchange);
    kis_answer_writer out;
    kis_api_call call = {
        .reader = service->reader,
        .server = service->facts,
        .alloc = service->alloc,
        .arena = arena,
        .request = { .deadline_ns = now_ns + KIS_API_READ_NS, .is_cancelled = &job->is_cancelled },
        .now_unix_ns = kis_now_unix_ns(),
        .out = &out,
    };
    kis_str origin = kis_request_header(request, "origin");
    kis_str notice = service->notice ? service->notice(service->notice_user) : KIS_STR_NONE;

    kis_answer_init(&out, &to, service->alloc);
    out.codecs = codecs;
    out.accepts_gzip = kis_accepts_gzip(kis_request_header(request, "accept-encoding"));
    out.deadline_ns = now_ns + KIS_API_ANSWER_NS;
    kis_answer_add_header(&out, KIS_STR("cache-control"), KIS_STR("no-store"));
    if (origin.len) { /* an allowed one, or it would not have come here */
        kis_answer_add_header(&out, KIS_STR("access-control-allow-origin"), origin);
        kis_answer_add_header(&out, KIS_STR("vary"), KIS_STR("origin"));
    }
    if (notice.len)
        kis_answer_add_header(&out, KIS_STR("x-kiseki-notice"), notice);
    kis_route_run(job->route, &call, job->captures, request->query);
    if (!out.is_over) /* a handler that forgot is our mistake; the asker still gets an answer */
        kis_answer_finish(&out);
    if (out.err && atomic_load(&service->is_stopping))
        atomic_fetch_add(&service->cut, 1);
    log_failure(service, request, &call);
    kis_answer_done(&out);
}

static void run_job(kis_job *base, kis_codecs *codecs)
{
    kis_query_job *job = KIS_CONTAINER(base, kis_query_job, job);
    kis_arena arena;

    kis_arena_init(&arena, job->service->alloc, KIS_API_ARENA_MAX);
    answer_job(job, &arena, codecs);
    kis_arena_done(&arena);
    free_job(job);
}

static void start_job(kis_query_service *service, kis_exchange *exchange, const kis_route *route,
                      const kis_str captures[2])
{
    kis_query_job *job = service->alloc->take(service->alloc->user, sizeof(*job));

    if (!job) {
        answer_busy(route, exchange, service->alloc);
        return;
    }
    memset(job, 0, sizeof(*job));
    job->job.run = run_job;
    job->service = service;
    job->exchange = kis_exchange_ref(exchange);
    job->route = route;
    job->captures[0] = captures[0];
    job->captures[1] = captures[1];
    link_job(service, job);
    atomic_fetch_add(&service->running, 1);
    if (kis_pool_push(&service->pool, &job->job)) {
        atomic_fetch_add(&service->queries, 1);
        return;
    }
    atomic_fetch_add(&service->refused, 1);
    answer_busy(route, exchange, service->alloc);
    free_job(job);
}

/* ---- the handler ---- */

static bool is_refused(kis_query_service *service, kis_exchange *exchange)
{
    const kis_request_head *request = kis_exchange_head(exchange);

    if (!kis_host_is_allowed(&service->hosts, request->authority)) {
        kis_answer_plainly(
            exchange, 403,
            KIS_STR("This name is not one of this server's: it answers to localhost and "
                    "to its addresses. Start kiseki with "
                    "--allow-host NAME to allow another.\n"));
        return true;
    }
    if (kis_refuse_strange_origin(exchange, &service->hosts))
        return true;
    if (!kis_str_eq(request->method, KIS_STR("GET")) &&
        !kis_str_eq(request->method, KIS_STR("HEAD"))) {
        kis_answer_plainly(exchange, 405,
                           KIS_STR("This listener answers GET and HEAD only. Spans go to the OTLP "
                                   "listeners (4317, 4318).\n"));
        return true;
    }
    return false;
}

/* Refuses, or waits for the end of the request; a GET has no body worth reading. */
static bool query_on_head(void *user, kis_exchange *exchange, uint64_t *max_body_bytes)
{
    *max_body_bytes = 0;
    return !is_refused(user, exchange);
}

static void query_on_body(void *user, kis_exchange *exchange, uint8_t *body, size_t body_len,
                          size_t body_cap)
{
    kis_query_service *service = user;
    kis_str path = kis_exchange_head(exchange)->path;
    kis_str captures[2] = { KIS_STR_NONE, KIS_STR_NONE };

    (void)body_len;
    if (body)
        kis_body_alloc->give_back(kis_body_alloc->user, body, body_cap);
    const kis_route *route = kis_route_find(path, captures);
    if (route)
        start_job(service, exchange, route, captures);
    else if (kis_route_is_api(path))
        kis_answer_plainly(exchange, 404, KIS_STR("404 page not found\n"));
    else
        kis_static_answer(&service->ui, exchange);
}

static void query_on_gone(void *user, kis_exchange *exchange)
{
    kis_query_service *service = user;

    kis_lock_take(&service->lock);
    for (kis_query_job *job = service->jobs; job; job = job->next)
        if (job->exchange == exchange)
            atomic_store(&job->is_cancelled, true);
    kis_lock_give(&service->lock);
}

kis_handler kis_query_service_handler(kis_query_service *service)
{
    return (kis_handler){ .on_head = query_on_head,
                          .on_body = query_on_body,
                          .on_gone = query_on_gone,
                          .user = service };
}

kis_err kis_query_service_start(kis_query_service *service, uint32_t threads, kis_diag *diag)
{
    kis_err err =
        kis_pool_start(&service->pool, threads, KIS_QUERY_QUEUE_MAX, service->alloc, diag);
    if (!err)
        kis_lock_init(&service->lock, KIS_RANK_SERVE);
    return err;
}

uint64_t kis_query_service_stop(kis_query_service *service)
{
    if (service->pool.thread_count == 0)
        return 0;
    atomic_store(&service->is_stopping, true);
    kis_lock_take(&service->lock);
    for (kis_query_job *job = service->jobs; job; job = job->next)
        atomic_store(&job->is_cancelled, true);
    kis_lock_give(&service->lock);
    kis_pool_stop(&service->pool);
    kis_lock_done(&service->lock);
    return atomic_load(&service->cut);
}
