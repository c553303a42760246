/* otlp.c - batches leave the process: encode, compress, send, judge, try again.
 *
 *     any thread                            the sender's own loop
 *     push ─ room? ─ job ─ post ──────────> waiting ─ (in flight < bound) ─> encode ─> client ─>
 * judge └─ FULL at once                        ^                                             │ └──
 * timer: back-off or Retry-After <── try again taken, or never ──> done, freed
 *
 * Always true:
 *   (1) a job is in exactly one place: the post queue, `waiting`, `resting` (its timer is set), or
 * in flight (2) `jobs` counts all of them, and is what the bound `queue_batches` is about (3) every
 * job ends in exactly one call of its `done`, on the loop's thread (4) once closed, the loop runs
 * until `jobs` is 0: a push that was under way when close came is answered too
 *
 * The body is encoded once, when its turn comes, and kept for further attempts; it is freed with
 * the job. Not here: what an answer means (judge.c).
 */
#include "send/judge.h"

#include "base/check.h"
#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "http/grpc.h"
#include "http/url.h"
#include "os/mem.h"
#include "wire/otlp.h"

#define HEADERS_MAX      64
#define HEADER_BYTES_MAX (16u << 10)
#define GRPC_PATH        "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

typedef struct otlp_job {
    kis_post post;
    kis_timer timer;
    struct otlp_job *next; /* in `waiting` or `resting` */
    struct otlp_job *older, *newer; /* guarded by the sender's lock, as the ticket is */
    uint64_t ticket;                /* pushes are counted; this was the so-manyth */
    struct otlp_sender *sender;
    kis_batch *batch;
    kis_done done;
    kis_buf body;      /* encoded; empty before the first attempt */
    uint64_t first_ns; /* of the first attempt */
    uint32_t attempts;
    char last_text[KIS_DIAG_TEXT_MAX];
} otlp_job;

typedef struct otlp_sender {
    kis_sink sink;
    kis_send_options options;
    const kis_alloc *alloc;
    kis_arena texts; /* endpoint, headers: copies of what the options borrowed */
    kis_url url;
    kis_str path;
    kis_header headers[HEADERS_MAX];
    size_t header_count;
    kis_loop *loop;
    kis_thread thread;
    kis_tls_client *tls;

    kis_lock lock;               /* guards the six below */
    kis_cond oldest_gone;        /* a flush may be over */
    otlp_job *oldest, *newest;   /* all jobs, in the order of their pushes */
    uint64_t pushed;             /* tickets given out */
    uint32_t jobs;
    bool is_closed;    /* close was called: nothing enters */
    bool may_loop_end; /* the client is gone: the last job ends the loop */

    _Atomic uint64_t sent_spans, failed_spans, rejected_spans, retries, attempts;

    /* the loop's own */
    kis_client *client;
    kis_codecs *codecs;
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

/* ---- the end of a job
 * --------------------------------------------------------------------------------------- */

static void leave(otlp_sender *s, otlp_job *job)
{
    kis_lock_take(&s->lock);
    if (!job->older)
        kis_cond_broadcast(&s->oldest_gone);
    *(job->older ? &job->older->newer : &s->oldest) = job->newer;
    *(job->newer ? &job->newer->older : &s->newest) = job->older;
    bool ends_loop = --s->jobs == 0 && s->may_loop_end;
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
    kis_fmt(line, sizeof(line), "%u spans were not sent: %s", job->batch->span_count, text);
    say(s, 3, line);
    finish(job, &(kis_sink_result){ .err = err, .reason = kis_str_from_c(text) });
}

static void finish_taken(otlp_job *job, const kis_judgement *judgement)
{
    otlp_sender *s = job->sender;
    uint64_t rejected = KIS_MIN(judgement->rejected_spans, (uint64_t)job->batch->span_count);

    atomic_fetch_add(&s->sent_spans, job->batch->span_count - rejected);
    atomic_fetch_add(&s->rejected_spans, rejected);
    if (judgement->text[0])
        say(s, 2, judgement->text);
    finish(job, &(kis_sink_result){ .err = KIS_OK,
                                    .rejected_spans = rejected,
                                    .reason = kis_str_from_c(judgement->text) });
}

/* ---- an attempt
 * -------------------------------------------------------------------------------------------------
 */

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
    uint64_t at = now + wait_ms * 1000000u;
    if (s->is_stopping ||
        at - job->first_ns > s->options.retry_elapsed_max_ms * (uint64_t)1000000u) {
        finish_failed(job, judgement->err, judgement->text);
        return;
    }
    if (job->attempts == 1) {
        char line[KIS_DIAG_TEXT_MAX + 64];
        kis_fmt(line, sizeof(line), "sending failed, trying again: %s", judgement->text);
        say(s, 2, line);
    }
    atomic_fetch_add(&s->retries, 1);
    if (kis_loop_set_timer(s->loop, &job->timer, at) != KIS_OK) {
        finish_failed(job, KIS_ERR_NOMEM, "no memory for a timer");
        return;
    }
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

static void encode_plain(const otlp_sender *s, const kis_batch *batch, kis_buf *out)
{
    if (s->options.protocol == KIS_OTLP_HTTP_JSON)
        kis_otlp_json_encode(batch, out);
    else
        kis_otlp_encode(batch, out);
}

static kis_err encode_body(otlp_job *job, kis_diag *diag)
{
    otlp_sender *s = job->sender;
    bool is_grpc = s->options.protocol == KIS_OTLP_GRPC;
    bool is_compressed = s->options.compression != KIS_CODING_NONE;
    kis_buf plain;
    kis_err err = KIS_OK;

    kis_buf_init(&job->body, s->alloc, KIS_REQUEST_BYTES_MAX);
    kis_buf_init(&plain, s->alloc, KIS_REQUEST_BYTES_MAX);
    if (is_grpc)
        kis_grpc_put_prefix(&job->body, is_compressed, 0);
    encode_plain(s, job->batch, is_compressed ? &plain : &job->body);
    if (is_compressed) {
        err = plain.err ? plain.err
                        : kis_compress(s->codecs, s->options.compression, 0, kis_buf_bytes(&plain),
                                       &job->body, diag);
        kis_buf_done(&plain);
    }
    if (!err)
        err = job->body.err;
    if (err)
        return kis_diag_in(diag, err, "encoding %u spans", job->batch->span_count);
    if (is_grpc) { /* the length is known now */
        kis_buf prefix;
        kis_buf_init_fixed(&prefix, job->body.ptr, KIS_GRPC_PREFIX_BYTES);
        kis_grpc_put_prefix(&prefix, is_compressed,
                            (uint32_t)(job->body.len - KIS_GRPC_PREFIX_BYTES));
    }
    return KIS_OK;
}

static void attempt(otlp_job *job)
{
    otlp_sender *s = job->sender;
    kis_diag diag = { .err = KIS_OK };

    if (job->attempts == 0) {
        job->first_ns = kis_loop_now_ns(s->loop);
        kis_err err = encode_body(job, &diag);
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
                        .path = s->path,
                        .headers = s->headers,
                        .header_count = s->header_count,
                        .body = kis_buf_bytes(&job->body),
                        .deadline_ns = kis_now_ns() + s->options.timeout_ms * (uint64_t)1000000u,
                    },
                    answered, job);
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
            finish_failed(job, KIS_ERR_CLOSED, "the sender is closed");
    }
}

/* ---- the sink
 * ------------------------------------------------------------------------------------------------------
 */

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
        s->jobs++;
        job->ticket = ++s->pushed;
        job->older = s->newest;
        *(s->newest ? &s->newest->newer : &s->oldest) = job;
        s->newest = job;
        KIS_ASSERT(kis_loop_post(s->loop, &job->post)); /* (4): it runs while there are jobs */
    }
    kis_lock_give(&s->lock);
    return why;
}

/* What is refused touches neither loop nor sender behind `enter`: close may be freeing both. */
static void otlp_push(kis_sink *sink, kis_batch *batch, kis_done done)
{
    otlp_sender *s = KIS_CONTAINER(sink, otlp_sender, sink);
    const kis_alloc *alloc = s->alloc;
    otlp_job *job = alloc->take(alloc->user, sizeof(*job));

    if (!job) {
        done.call(done.user, &(kis_sink_result){ .err = KIS_ERR_NOMEM });
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
    done.call(done.user, &(kis_sink_result){ .err = why,
                                             .retry_after_ms = why == KIS_ERR_FULL ? 1000 : 0,
                                             .reason = KIS_STR("the sending queue is full") });
}

/* Jobs finish in any order, so that the number of finished ones says nothing: all of before are
 * over when the oldest there is came later. */
static kis_err otlp_flush(kis_sink *sink, uint64_t deadline_ns)
{
    otlp_sender *s = KIS_CONTAINER(sink, otlp_sender, sink);
    bool in_time = true;

    kis_lock_take(&s->lock);
    uint64_t want = s->pushed;
    while (s->oldest && s->oldest->ticket <= want && in_time)
        in_time = kis_cond_wait_until(&s->oldest_gone, &s->lock, deadline_ns);
    bool is_done = !s->oldest || s->oldest->ticket > want;
    kis_lock_give(&s->lock);
    return is_done ? KIS_OK : KIS_ERR_TIMEOUT;
}

/* ---- life
 * --------------------------------------------------------------------------------------------------------------
 */

static void fail_all_waiting(otlp_sender *s)
{
    static const char why[] = "the sender was closed before they were sent";

    while (s->waiting) {
        otlp_job *job = s->waiting;
        s->waiting = job->next;
        finish_failed(job, KIS_ERR_CLOSED, why);
    }
    s->waiting_end = &s->waiting;
    while (s->resting) {
        otlp_job *job = s->resting;
        s->resting = job->next;
        kis_loop_clear_timer(s->loop, &job->timer);
        finish_failed(job, KIS_ERR_CLOSED, job->last_text[0] ? job->last_text : why);
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
    kis_diag diag;
    kis_client_options options = {
        .host = s->url.host,
        .port = s->url.port,
        .tls = s->tls,
        .http2 = s->options.protocol == KIS_OTLP_GRPC,
        .user_agent = s->options.user_agent,
        .max_in_flight = s->options.in_flight,
    };
    if (kis_client_new(s->loop, &options, &s->client, &diag) != KIS_OK)
        say(s, 3, diag.text); /* without a client every batch fails with CLOSED */
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
    kis_codecs_free(s->codecs);
    kis_tls_client_free(s->tls);
    kis_cond_done(&s->oldest_gone);
    kis_lock_done(&s->lock);
    kis_arena_done(&s->texts);
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

static void push_header(otlp_sender *s, const char *name, kis_str value)
{
    s->headers[s->header_count++] = (kis_header){ kis_str_from_c(name), value };
}

static void make_own_headers(otlp_sender *s)
{
    kis_str coding = kis_coding_name(s->options.compression);
    bool is_compressed = s->options.compression != KIS_CODING_NONE;

    switch (s->options.protocol) {
    case KIS_OTLP_GRPC:
        push_header(s, "content-type", KIS_STR("application/grpc"));
        push_header(s, "te", KIS_STR("trailers"));
        if (is_compressed)
            push_header(s, "grpc-encoding", coding);
        return;
    case KIS_OTLP_HTTP_JSON:
        push_header(s, "content-type", KIS_STR("application/json"));
        break;
    case KIS_OTLP_HTTP_PROTOBUF:
        push_header(s, "content-type", KIS_STR("application/x-protobuf"));
        break;
    }
    if (is_compressed)
        push_header(s, "content-encoding", coding);
}

/* Copies what the options borrow, so that they may go. */
static kis_err copy_texts(otlp_sender *s, kis_diag *diag)
{
    kis_send_options *o = &s->options;

    if (o->header_count + 4 > HEADERS_MAX)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "headers: want at most %d, got %zu",
                            HEADERS_MAX - 4, o->header_count);
    make_own_headers(s);
    for (size_t i = 0; i < o->header_count; i++) {
        kis_header *h = &s->headers[s->header_count++];
        if (!kis_arena_copy(&s->texts, o->headers[i].name, &h->name) ||
            !kis_arena_copy(&s->texts, o->headers[i].value, &h->value))
            return kis_diag_set(diag, KIS_ERR_LIMIT, "headers: want at most %u bytes",
                                HEADER_BYTES_MAX);
    }
    if (!kis_arena_copy(&s->texts, o->endpoint, &o->endpoint) ||
        !kis_arena_copy(&s->texts, o->user_agent, &o->user_agent))
        return kis_diag_set(diag, KIS_ERR_LIMIT, "endpoint: too long");
    return KIS_OK;
}

/* "collector:4317" is meant by many who choose gRPC; it has no scheme and gets one. */
static kis_err parse_endpoint(otlp_sender *s, kis_diag *diag)
{
    kis_send_options *o = &s->options;
    kis_str endpoint = o->endpoint;

    if (o->protocol == KIS_OTLP_GRPC && kis_str_find(endpoint, KIS_STR("://")) == KIS_STR_NPOS) {
        kis_buf text;
        kis_alloc in_arena = kis_arena_as_alloc(&s->texts);
        kis_buf_init(&text, &in_arena, HEADER_BYTES_MAX);
        kis_buf_add_str(&text, o->insecure ? KIS_STR("http://") : KIS_STR("https://"));
        kis_buf_add_str(&text, endpoint);
        if (text.err)
            return kis_diag_set(diag, text.err, "endpoint: no memory");
        endpoint = kis_buf_str(&text);
    }
    kis_err err = kis_url_parse(endpoint, &s->url, diag);
    if (err)
        return kis_diag_in(diag, err, "endpoint '" KIS_FMT "'", KIS_ARG(endpoint));
    if (o->protocol == KIS_OTLP_GRPC) {
        s->path = KIS_STR(GRPC_PATH);
        return KIS_OK;
    }
    s->path = s->url.path.len ? s->url.path : KIS_STR("/");
    if (s->url.query.len) /* path and query are neighbours in the endpoint */
        s->path =
            kis_str_of(s->path.ptr, (size_t)(s->url.query.ptr + s->url.query.len - s->path.ptr));
    return KIS_OK;
}

kis_err kis_send_otlp_open(const kis_send_options *options, const kis_alloc *alloc, kis_sink **out,
                           kis_diag *diag)
{
    otlp_sender *s = alloc->take(alloc->user, sizeof(*s));
    kis_err err;

    if (!s)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a sender");
    memset(s, 0, sizeof(*s));
    s->sink.ops = &otlp_ops;
    s->options = *options;
    s->alloc = alloc;
    s->waiting_end = &s->waiting;
    s->start_post.run = start_on_loop;
    s->stop_post.run = stop_on_loop;
    kis_random_bytes(&s->random, sizeof(s->random));
    kis_arena_init(&s->texts, alloc, HEADER_BYTES_MAX * 2);
    kis_lock_init(&s->lock, KIS_RANK_QUEUE);
    kis_cond_init(&s->oldest_gone);
    set_defaults(&s->options);

    err = copy_texts(s, diag);
    if (!err)
        err = parse_endpoint(s, diag);
    if (!err && s->url.is_tls)
        err = kis_tls_client_new(&s->options.tls, &s->tls, diag);
    if (!err && !(s->codecs = kis_codecs_new(alloc)))
        err = kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a sender");
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
