/* otlp.c - batches leave the process: encode, compress, send, judge, try again.
 *
 *     any thread              the sender's own loop
 *     push ── room? ── post ─────> waiting ── encode ──> in flight ── answer, judged
 *               └─ FULL at once       ^                                 │      │
 *                                     └── resting <── try again later ──┘      └─> done, freed
 *                                         (back-off or Retry-After)    taken, or never
 *
 * Always true:
 *   (1) a job is in exactly one place: the loop's posts, `waiting`, `resting` (its timer is set),
 *       or in flight (the client has it)
 *   (2) every job is in the list oldest..newest, in the order of the tickets; `jobs` counts them,
 *       and is what the bound `queue_batches` is about
 *   (3) every job ends in exactly one call of its `done`, on the loop's thread
 *   (4) once closed, the loop runs until `jobs` is 0: a push that was under way when close came is
 *       answered, too
 *
 * The body is encoded when the job's turn comes first, kept for further attempts, and freed with
 * the job. Not here: what an answer means (judge.c), where bytes go (net/client.h).
 */
#include "send/judge.h"

#include "base/check.h"
#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "os/mem.h"
#include "send/otlp_request.h"

#define FULL_RETRY_MS 1000
#define MS_NS         ((uint64_t)1000000)

static const char closed_text[] = "the sender was closed before they were sent";

typedef struct otlp_job {
    struct otlp_sender *sender;
    struct otlp_job *older, *newer; /* guarded by the sender's lock */
    uint64_t ticket;                /* the so-manyth push; never changes once in the list */
    /* the loop's: */
    kis_post post;
    kis_timer timer;
    struct otlp_job *next; /* in `waiting` or `resting` */
    kis_batch *batch;
    kis_done done;
    kis_buf body;      /* encoded; empty before the first attempt */
    uint64_t first_ns; /* when the first attempt began */
    uint32_t attempts;
    char last_text[KIS_DIAG_TEXT_MAX]; /* why it rests */
} otlp_job;

typedef struct otlp_sender {
    kis_sink sink;
    kis_send_options options; /* numbers, log; its texts are gone once it is open */
    const kis_alloc *alloc;
    kis_otlp_request request; /* what all of them look like; its codecs are the loop's */
    kis_loop *loop;
    kis_thread thread;
    kis_tls_client *tls;

    kis_lock lock;             /* guards what follows, to may_loop_end */
    kis_cond oldest_gone;      /* a flush may be over */
    otlp_job *oldest, *newest; /* all jobs, in the order of their pushes */
    uint64_t pushed;           /* tickets given out */
    uint32_t jobs;
    bool is_closed;    /* close was called: nothing enters */
    bool may_loop_end; /* the client is gone: the last job ends the loop */

    _Atomic uint64_t sent_spans, failed_spans, rejected_spans, retries, attempts;

    /* the loop's own */
    kis_client *client; /* NULL: not made yet, or no_client says why, or it is stopping */
    kis_diag no_client;
    otlp_job *waiting, **waiting_end;
    otlp_job *resting; /* at most queue_batches, so a walk is short */
    uint32_t in_flight;
    kis_post start_post, stop_post;
    bool is_stopping;
    uint64_t random;
} otlp_sender;

static void start_waiting(otlp_sender *s);

static void say(const otlp_sender *s, int level, const char *text)
{
    if (s->options.log)
        s->options.log(s->options.log_user, level, text);
}

/* ---- the list of all jobs, under the lock ---- */

static void list_job(otlp_sender *s, otlp_job *job)
{
    job->ticket = ++s->pushed;
    job->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = job;
    s->newest = job;
    s->jobs++;
}

/* Answers whether it was the oldest. */
static bool unlist_job(otlp_sender *s, otlp_job *job)
{
    *(job->older ? &job->older->newer : &s->oldest) = job->newer;
    *(job->newer ? &job->newer->older : &s->newest) = job->older;
    s->jobs--;
    return !job->older;
}

static bool has_one_until(const otlp_sender *s, uint64_t ticket)
{
    return s->oldest && s->oldest->ticket <= ticket;
}

/* ---- the end of a job ---- */

static void leave(otlp_sender *s, otlp_job *job)
{
    kis_lock_take(&s->lock);
    bool was_oldest = unlist_job(s, job);
    bool ends_loop = s->jobs == 0 && s->may_loop_end;
    if (was_oldest)
        kis_cond_broadcast(&s->oldest_gone);
    kis_lock_give(&s->lock);
    if (ends_loop)
        kis_loop_stop(s->loop);
}

static void finish(otlp_job *job, const kis_sink_result *result)
{
    otlp_sender *s = job->sender;

    job->done.call(job->done.user, result);
    kis_batch_unref(job->batch);
    kis_buf_done(&job->body);
    leave(s, job);
    s->alloc->give_back(s->alloc->user, job, sizeof(*job));
}

static void finish_failed(otlp_job *job, kis_err err, const char *text)
{
    otlp_sender *s = job->sender;
    char line[KIS_DIAG_TEXT_MAX + 64];

    atomic_fetch_add(&s->failed_spans, job->batch->span_count);
    kis_fmt(line, sizeof(line), "%u %s not sent: %s", job->batch->span_count,
            job->batch->span_count == 1 ? "span was" : "spans were", text);
    say(s, KIS_SEND_ERROR, line);
    finish(job, &(kis_sink_result){ .err = err, .reason = kis_str_from_c(text) });
}

static void finish_taken(otlp_job *job, const kis_judgement *judgement)
{
    otlp_sender *s = job->sender;
    uint64_t rejected = KIS_MIN(judgement->rejected_spans, (uint64_t)job->batch->span_count);

    atomic_fetch_add(&s->sent_spans, job->batch->span_count - rejected);
    atomic_fetch_add(&s->rejected_spans, rejected);
    if (judgement->text[0])
        say(s, KIS_SEND_WARNING, judgement->text);
    finish(job, &(kis_sink_result){ .err = KIS_OK,
                                    .rejected_spans = rejected,
                                    .reason = kis_str_from_c(judgement->text) });
}

/* ---- an attempt ---- */

static void append_waiting(otlp_sender *s, otlp_job *job)
{
    job->next = NULL;
    *s->waiting_end = job;
    s->waiting_end = &job->next;
}

static void wait_is_over(kis_timer *timer)
{
    otlp_job *job = KIS_CONTAINER(timer, otlp_job, timer);
    otlp_job **at = &job->sender->resting;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    append_waiting(job->sender, job);
    start_waiting(job->sender);
}

static uint64_t next_random(otlp_sender *s)
{
    s->random += 0x9e3779b97f4a7c15u;
    uint64_t x = s->random;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void try_again(otlp_job *job, const kis_judgement *judgement)
{
    otlp_sender *s = job->sender;
    uint64_t wait_ms = kis_backoff_ms(job->attempts - 1, s->options.retry_initial_ms,
                                      s->options.retry_max_ms, next_random(s));
    uint64_t now = kis_loop_now_ns(s->loop);

    memcpy(job->last_text, judgement->text, sizeof(job->last_text));
    wait_ms = KIS_MAX(wait_ms, judgement->wait_ms);
    uint64_t at = now + wait_ms * MS_NS;
    if (s->is_stopping || at - job->first_ns > s->options.retry_elapsed_max_ms * MS_NS) {
        finish_failed(job, judgement->err, judgement->text);
        return;
    }
    if (job->attempts == 1) {
        char line[KIS_DIAG_TEXT_MAX + 64];
        kis_fmt(line, sizeof(line), "sending failed, trying again: %s", judgement->text);
        say(s, KIS_SEND_WARNING, line);
    }
    if (kis_loop_set_timer(s->loop, &job->timer, at) != KIS_OK) {
        finish_failed(job, KIS_ERR_NOMEM, "no memory for a timer");
        return;
    }
    atomic_fetch_add(&s->retries, 1);
    job->next = s->resting;
    s->resting = job;
}

static void answered(void *user, const kis_client_answer *answer)
{
    otlp_job *job = user;
    otlp_sender *s = job->sender;
    kis_judgement judgement;

    s->in_flight--;
    kis_judge_answer(s->options.protocol, answer, kis_now_unix_ns(), s->alloc, &judgement);
    switch (judgement.verdict) {
    case KIS_VERDICT_TAKEN:
        finish_taken(job, &judgement);
        break;
    case KIS_VERDICT_TRY_AGAIN:
        try_again(job, &judgement);
        break;
    case KIS_VERDICT_NEVER:
        finish_failed(job, judgement.err, judgement.text);
        break;
    }
    start_waiting(s);
}

static void attempt(otlp_job *job)
{
    otlp_sender *s = job->sender;
    kis_diag diag = { .err = KIS_OK };

    if (job->attempts == 0) {
        job->first_ns = kis_loop_now_ns(s->loop);
        kis_err err = kis_otlp_request_encode(&s->request, job->batch, s->alloc, &job->body, &diag);
        if (err) {
            finish_failed(job, err, diag.text[0] ? diag.text : kis_err_text(err));
            return;
        }
    }
    job->attempts++;
    s->in_flight++;
    atomic_fetch_add(&s->attempts, 1);
    kis_client_send(s->client,
                    &(kis_client_request){
                        .method = KIS_STR("POST"),
                        .path = s->request.path,
                        .headers = s->request.headers,
                        .header_count = s->request.header_count,
                        .body = kis_buf_bytes(&job->body),
                        .deadline_ns = kis_now_ns() + s->options.timeout_ms * MS_NS,
                    },
                    answered, job);
}

static void finish_without_client(otlp_job *job)
{
    const kis_diag *why = &job->sender->no_client;

    if (why->err)
        finish_failed(job, why->err, why->text);
    else
        finish_failed(job, KIS_ERR_CLOSED, closed_text);
}

static void start_waiting(otlp_sender *s)
{
    while (s->waiting && s->in_flight < s->options.in_flight) {
        otlp_job *job = s->waiting;
        s->waiting = job->next;
        if (!s->waiting)
            s->waiting_end = &s->waiting;
        if (s->client)
            attempt(job);
        else
            finish_without_client(job);
    }
}

/* ---- the sink ---- */

static void job_arrives(kis_post *post)
{
    otlp_job *job = KIS_CONTAINER(post, otlp_job, post);
    append_waiting(job->sender, job);
    start_waiting(job->sender);
}

/* Under the lock the loop cannot end between the job and its post: a job needs this lock to be
 * over. */
static kis_err enter(otlp_sender *s, otlp_job *job)
{
    kis_lock_take(&s->lock);
    kis_err why = s->is_closed                          ? KIS_ERR_CLOSED
                  : s->jobs >= s->options.queue_batches ? KIS_ERR_FULL
                                                        : KIS_OK;
    if (!why) {
        list_job(s, job);
        KIS_ASSERT(kis_loop_post(s->loop, &job->post)); /* (4): it runs while there are jobs */
    }
    kis_lock_give(&s->lock);
    return why;
}

static void refuse(kis_done done, kis_err why)
{
    bool is_full = why == KIS_ERR_FULL;
    const char *reason = is_full                 ? "the sending queue is full"
                         : why == KIS_ERR_CLOSED ? closed_text
                                                 : kis_err_text(why);

    done.call(done.user, &(kis_sink_result){ .err = why,
                                             .retry_after_ms = is_full ? FULL_RETRY_MS : 0,
                                             .reason = kis_str_from_c(reason) });
}

/* What is refused touches neither loop nor sender behind `enter`: close may be freeing both. */
static void otlp_push(kis_sink *sink, kis_batch *batch, kis_done done)
{
    otlp_sender *s = KIS_CONTAINER(sink, otlp_sender, sink);
    const kis_alloc *alloc = s->alloc;
    otlp_job *job = alloc->take(alloc->user, sizeof(*job));

    if (!job) {
        refuse(done, KIS_ERR_NOMEM);
        return;
    }
    *job = (otlp_job){ .post = { .run = job_arrives },
                       .timer = { .fire = wait_is_over },
                       .sender = s,
                       .batch = kis_batch_ref(batch),
                       .done = done };
    kis_err why = enter(s, job);
    if (!why)
        return; /* the loop has the job, or has finished it already */
    kis_batch_unref(batch);
    alloc->give_back(alloc->user, job, sizeof(*job));
    refuse(done, why);
}

/* Jobs finish in any order, so their number says nothing: those of before are over when the oldest
 * that is left came later. */
static kis_err otlp_flush(kis_sink *sink, uint64_t deadline_ns)
{
    otlp_sender *s = KIS_CONTAINER(sink, otlp_sender, sink);
    bool in_time = true;

    kis_lock_take(&s->lock);
    uint64_t want = s->pushed;
    while (has_one_until(s, want) && in_time)
        in_time = kis_cond_wait_until(&s->oldest_gone, &s->lock, deadline_ns);
    bool is_done = !has_one_until(s, want);
    kis_lock_give(&s->lock);
    return is_done ? KIS_OK : KIS_ERR_TIMEOUT;
}

/* ---- life ---- */

static void fail_all_waiting(otlp_sender *s)
{
    while (s->waiting) {
        otlp_job *job = s->waiting;
        s->waiting = job->next;
        finish_failed(job, KIS_ERR_CLOSED, closed_text);
    }
    s->waiting_end = &s->waiting;
    while (s->resting) {
        otlp_job *job = s->resting;
        s->resting = job->next;
        kis_loop_clear_timer(s->loop, &job->timer);
        finish_failed(job, KIS_ERR_CLOSED, job->last_text[0] ? job->last_text : closed_text);
    }
}

static void stop_on_loop(kis_post *post)
{
    otlp_sender *s = KIS_CONTAINER(post, otlp_sender, stop_post);
    kis_client *client = s->client;

    s->is_stopping = true;
    s->client = NULL;        /* nothing new is started */
    kis_client_free(client); /* what is in flight is answered CLOSED, and fails at once */
    fail_all_waiting(s);
    kis_lock_take(&s->lock);
    s->may_loop_end = true;
    bool is_empty = s->jobs == 0;
    kis_lock_give(&s->lock);
    if (is_empty)
        kis_loop_stop(s->loop);
}

static void start_on_loop(kis_post *post)
{
    otlp_sender *s = KIS_CONTAINER(post, otlp_sender, start_post);
    kis_client_options options = {
        .host = s->request.url.host,
        .port = s->request.url.port,
        .tls = s->tls,
        .http2 = s->options.protocol == KIS_OTLP_GRPC,
        .user_agent = s->request.user_agent,
        .max_in_flight = s->options.in_flight,
    };
    if (kis_client_new(s->loop, &options, &s->client, &s->no_client) != KIS_OK)
        say(s, KIS_SEND_ERROR, s->no_client.text); /* and so says every batch */
}

static void run_loop(void *user)
{
    otlp_sender *s = user;
    kis_loop_run(s->loop);
}

static void free_sender(otlp_sender *s)
{
    if (s->loop)
        kis_loop_free(s->loop);
    kis_tls_client_free(s->tls);
    kis_cond_done(&s->oldest_gone);
    kis_lock_done(&s->lock);
    kis_otlp_request_done(&s->request);
    s->alloc->give_back(s->alloc->user, s, sizeof(*s));
}

static void otlp_close(kis_sink *sink)
{
    otlp_sender *s = KIS_CONTAINER(sink, otlp_sender, sink);

    kis_lock_take(&s->lock);
    s->is_closed = true;
    kis_lock_give(&s->lock);
    KIS_ASSERT(kis_loop_post(s->loop, &s->stop_post));
    kis_thread_join(&s->thread);
    free_sender(s);
}

static const kis_sink_ops otlp_ops = { "otlp", KIS_PROMISE_DELIVERED, otlp_push, otlp_flush,
                                       otlp_close };

static void set_defaults(kis_send_options *o)
{
#define DEFAULT(field, value) \
    if (o->field == 0)        \
    o->field = (value)
    DEFAULT(timeout_ms, 10000);
    DEFAULT(retry_initial_ms, 1000);
    DEFAULT(retry_max_ms, 30000);
    DEFAULT(retry_elapsed_max_ms, 300000);
    DEFAULT(queue_batches, 64);
    DEFAULT(in_flight, 4);
#undef DEFAULT
    if (o->user_agent.len == 0)
        o->user_agent = KIS_STR("kiseki/" KIS_VERSION);
}

static otlp_sender *new_sender(const kis_send_options *options, const kis_alloc *alloc)
{
    otlp_sender *s = alloc->take(alloc->user, sizeof(*s));

    if (!s)
        return NULL;
    memset(s, 0, sizeof(*s));
    s->sink.ops = &otlp_ops;
    s->options = *options;
    s->alloc = alloc;
    s->waiting_end = &s->waiting;
    s->start_post.run = start_on_loop;
    s->stop_post.run = stop_on_loop;
    kis_random_bytes(&s->random, sizeof(s->random));
    kis_lock_init(&s->lock, KIS_RANK_QUEUE);
    kis_cond_init(&s->oldest_gone);
    set_defaults(&s->options);
    return s;
}

kis_err kis_send_otlp_open(const kis_send_options *options, const kis_alloc *alloc, kis_sink **out,
                           kis_diag *diag)
{
    otlp_sender *s = new_sender(options, alloc);

    if (!s)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a sender");
    kis_err err = kis_otlp_request_init(&s->request, &s->options, alloc, diag);
    if (!err && s->request.url.is_tls)
        err = kis_tls_client_new(&s->options.tls, &s->tls, diag);
    if (!err)
        err = kis_loop_new(alloc, &s->loop, diag);
    if (!err && !kis_loop_post(s->loop, &s->start_post))
        err = kis_diag_set(diag, KIS_ERR_CLOSED, "the loop does not take messages");
    if (!err)
        err = kis_thread_start(&s->thread, "kiseki-send", run_loop, s, diag);
    if (err) {
        free_sender(s);
        return err;
    }
    *out = &s->sink;
    return KIS_OK;
}

kis_send_stats kis_send_get_stats(const kis_sink *sink)
{
    otlp_sender *s = KIS_CONTAINER((kis_sink *)(uintptr_t)sink, otlp_sender, sink);
    kis_lock_take(&s->lock);
    uint64_t waiting = s->jobs;
    kis_lock_give(&s->lock);
    return (kis_send_stats){ .sent_spans = atomic_load(&s->sent_spans),
                             .failed_spans = atomic_load(&s->failed_spans),
                             .rejected_spans = atomic_load(&s->rejected_spans),
                             .retries = atomic_load(&s->retries),
                             .attempts = atomic_load(&s->attempts),
                             .waiting_batches = waiting };
}
