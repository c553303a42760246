/* receive.c - a request becomes a batch, the batch goes into the sink, the sink's word becomes the
 * answer.
 *
 *     body (net's memory) ─ inflate ─> body (ours) ─ decode ─> batch{body, arena}
 *         ─> sink ─> done ─> answer
 *
 * Memory: everything a request costs (body, inflated body, views) comes from `charged`, which
 * counts it against the process's budget and refuses before the memory is taken. It is given back
 * when the last holder lets the batch go. A request is told to come again only if it can fit when
 * it is alone: a body may have half of the budget (net holds two while it grows one), and what
 * inflating and decoding take is measured.
 *
 * Not here: what the head decides (judge.c), how answers look (answer.c).
 */
#include "receive/receive_int.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "http/grpc.h"

#define RETRY_MS       1000u /* asked of a sender when nobody knows better */
#define VIEW_BYTES_MIN (1u << 20)

/* What waits for the sink's word; lives in the batch's arena. */
typedef struct pending_answer {
    kis_receiver *receiver;
    kis_exchange *exchange;
    kis_batch *batch;
} pending_answer;

/* ---- memory that is counted ---- */

static void *charged_take(void *user, size_t size)
{
    kis_receiver *r = user;
    if (!kis_budget_take(r->options.budget, size))
        return NULL;
    void *memory = r->options.alloc->take(r->options.alloc->user, size);
    if (!memory)
        kis_budget_give_back(r->options.budget, size);
    return memory;
}

static void charged_give_back(void *user, void *memory, size_t size)
{
    kis_receiver *r = user;
    if (!memory)
        return;
    kis_budget_give_back(r->options.budget, size);
    r->options.alloc->give_back(r->options.alloc->user, memory, size);
}

/* `charged` while one request is inflated and decoded: counts what that request holds. */
typedef struct request_meter {
    kis_alloc alloc;
    kis_receiver *receiver;
    uint64_t held_bytes;
    bool is_refused;   /* it asked in vain */
    bool is_too_large; /* for more than the whole budget is */
} request_meter;

static void *metered_take(void *user, size_t size)
{
    request_meter *m = user;
    void *memory = charged_take(m->receiver, size);

    if (memory) {
        m->held_bytes += size;
        return memory;
    }
    m->is_refused = true;
    m->is_too_large |= size > m->receiver->options.budget->max_bytes - m->held_bytes;
    return NULL;
}

static void metered_give_back(void *user, void *memory, size_t size)
{
    request_meter *m = user;
    if (memory)
        m->held_bytes -= size;
    charged_give_back(m->receiver, memory, size);
}

/* `body_cap` bytes are the request's already. */
static void meter_init(request_meter *m, kis_receiver *r, size_t body_cap)
{
    *m = (request_meter){ .alloc = { metered_take, metered_give_back, m },
                          .receiver = r,
                          .held_bytes = body_cap };
}

/* No memory: now, or, of a request that would find none on an idle server, ever. Who was refused
 * nothing has met a bound of his own: a batch's views have so much room for each byte. */
static kis_err meter_judge(const request_meter *m, kis_err err, kis_diag *diag)
{
    if (err != KIS_ERR_NOMEM || (m->is_refused && !m->is_too_large))
        return err;
    if (!m->is_refused)
        return kis_diag_set(diag, KIS_ERR_LIMIT,
                            "so many spans in so few bytes are not read; they have no ids");
    return kis_diag_set(diag, KIS_ERR_LIMIT,
                        "the request takes more memory to read than all requests may have "
                        "together (--memory-limit): send smaller batches");
}

/* ---- one set of contexts a loop ---- */

static kis_codecs *codecs_of(kis_receiver *r, kis_loop *loop)
{
    kis_codecs *found = NULL;

    for (size_t i = 0; i < KIS_RECEIVE_LOOPS_MAX; i++) {
        kis_loop *owner = atomic_load_explicit(&r->codecs[i].loop, memory_order_acquire);
        if (owner == loop)
            return r->codecs[i].codecs;
        if (!owner)
            break;
    }
    kis_lock_take(&r->codecs_lock);
    for (size_t i = 0; i < KIS_RECEIVE_LOOPS_MAX && !found; i++) {
        if (atomic_load_explicit(&r->codecs[i].loop, memory_order_relaxed))
            continue;
        found = kis_codecs_new(r->options.alloc);
        if (!found)
            break;
        r->codecs[i].codecs = found;
        atomic_store_explicit(&r->codecs[i].loop, loop, memory_order_release);
    }
    kis_lock_give(&r->codecs_lock);
    return found;
}

/* ---- refusals ---- */

static void count_refusal(kis_receive_counters *c, const kis_refusal *refusal)
{
    kis_receive_count(refusal->http_status == 413   ? &c->requests_too_large
                      : refusal->http_status == 503 ? &c->requests_no_room
                      : refusal->http_status == 415 || refusal->http_status == 405 ||
                              refusal->http_status == 404 || refusal->http_status == 403
                          ? &c->requests_wrong_type
                          : &c->requests_malformed,
                      1);
}

static void tell(const kis_receiver *r, const kis_exchange *exchange, const kis_request_form *form,
                 int http_status, kis_str what)
{
    if (r->options.on_refusal)
        r->options.on_refusal(r->options.refusal_user, form->is_grpc, http_status,
                              kis_exchange_head(exchange)->peer, what);
}

/* A browser or a probe that looks what is here has lost no spans: nothing to tell of. */
static bool is_reading(const kis_exchange *exchange)
{
    kis_str method = kis_exchange_head(exchange)->method;
    return kis_str_eq(method, KIS_STR("GET")) || kis_str_eq(method, KIS_STR("HEAD"));
}

static void refuse(const kis_receiver *r, kis_exchange *exchange, const kis_request_form *form,
                   const kis_refusal *refusal)
{
    if (!is_reading(exchange))
        tell(r, exchange, form, refusal->http_status, refusal->message);
    kis_receive_refuse(exchange, form, refusal);
}

static void refuse_and_count(kis_receiver *r, kis_exchange *exchange, const kis_request_form *form,
                             const kis_refusal *refusal)
{
    count_refusal(&r->counters[form->is_grpc], refusal);
    refuse(r, exchange, form, refusal);
}

/* The words of `diag` for the sender; the part before its last ": " names the place, and
 * where there is none it is the body as a whole: a 400 has its BadRequest (OTLP
 * specification, "Failures"). */
static void refuse_by_error(kis_receiver *r, kis_exchange *exchange, const kis_request_form *form,
                            kis_err err, const kis_diag *diag)
{
    kis_refusal refusal = { .http_status = kis_err_http_status(err),
                            .grpc_status = kis_err_grpc_status(err),
                            .message = kis_str_from_c(diag->text) };
    size_t place = 0;

    for (size_t i = 0; i + 1 < refusal.message.len; i++)
        if (refusal.message.ptr[i] == ':' && refusal.message.ptr[i + 1] == ' ')
            place = i;
    if (refusal.http_status == 400)
        refusal.field = place ? kis_str_slice(refusal.message, 0, place) : KIS_STR("body");
    if (err == KIS_ERR_NOMEM || err == KIS_ERR_FULL)
        refusal.retry_ms = RETRY_MS;
    if (err == KIS_ERR_UNSUPPORTED)
        refusal.http_status = 415;
    if (form->is_grpc && err == KIS_ERR_MORE && refusal.grpc_status == KIS_GRPC_OK)
        refusal.grpc_status = KIS_GRPC_INVALID_ARGUMENT;
    refuse_and_count(r, exchange, form, &refusal);
}

/* ---- the sink's word ---- */

static void tell_of_rejected(const pending_answer *p, const kis_request_form *form,
                             uint64_t rejected, kis_str why)
{
    uint64_t all = (uint64_t)p->batch->span_count + p->batch->rejected_spans;
    char text[KIS_ERROR_TEXT_MAX];

    tell(p->receiver, p->exchange, form, 200,
         kis_str_of(text, kis_fmt(text, sizeof(text), "%llu of %llu span%s %s rejected: " KIS_FMT,
                                  (unsigned long long)rejected, (unsigned long long)all,
                                  KIS_PLURAL(all), rejected == 1 ? "was" : "were", KIS_ARG(why))));
}

static void answer_stored(const pending_answer *p, const kis_sink_result *result)
{
    const kis_batch *batch = p->batch;
    const kis_request_form *form = kis_exchange_memo(p->exchange);
    kis_receive_counters *c = &p->receiver->counters[form->is_grpc];
    uint64_t rejected = batch->rejected_spans + result->rejected_spans;
    kis_str message = batch->rejected_spans ? batch->reject_reason : result->reason;
    char text[160];

    if (rejected == 0 && batch->cut_values > 0)
        message = kis_str_of(
            text, kis_fmt(text, sizeof(text),
                          "%u value%s cut or repaired: too long, too many, too deep, "
                          "or not UTF-8",
                          batch->cut_values, batch->cut_values == 1 ? " was" : "s were"));
    kis_receive_count(&c->accepted_spans, batch->span_count - result->rejected_spans);
    kis_receive_count(&c->rejected_spans, rejected);
    kis_receive_count(&c->cut_values, batch->cut_values);
    if (rejected)
        tell_of_rejected(p, form, rejected, message);
    kis_receive_accept(p->exchange, form, rejected, message);
}

static void answer_not_stored(const pending_answer *p, const kis_sink_result *result)
{
    const kis_request_form *form = kis_exchange_memo(p->exchange);
    kis_receive_counters *c = &p->receiver->counters[form->is_grpc];
    bool may_try_again = result->err == KIS_ERR_FULL || result->err == KIS_ERR_IO ||
                         result->err == KIS_ERR_TIMEOUT || result->err == KIS_ERR_CLOSED ||
                         result->err == KIS_ERR_NOMEM;
    kis_refusal refusal = {
        .http_status = may_try_again ? 503 : 500,
        .grpc_status = may_try_again ? KIS_GRPC_UNAVAILABLE : KIS_GRPC_INTERNAL,
        .message = result->reason.len ? result->reason : kis_str_from_c(kis_err_text(result->err)),
        .retry_ms = !may_try_again           ? 0
                    : result->retry_after_ms ? result->retry_after_ms
                                             : RETRY_MS,
    };
    kis_receive_count(may_try_again ? &c->refused_spans : &c->failed_spans, p->batch->span_count);
    if (may_try_again)
        kis_receive_count(&c->requests_no_room, 1);
    refuse(p->receiver, p->exchange, form, &refusal);
}

static void sink_has_spoken(void *user, const kis_sink_result *result)
{
    pending_answer *p = user;
    kis_batch *batch = p->batch;
    kis_exchange *exchange = p->exchange;

    if (result->err == KIS_OK)
        answer_stored(p, result);
    else
        answer_not_stored(p, result);
    kis_exchange_unref(exchange);
    kis_batch_unref(batch); /* `p` lives in it */
}

/* ---- from a body to a batch ---- */

/* `compressed` lies in a body of `body_cap` bytes. What `out` gets is `charged`'s. */
static kis_err inflate_body(kis_receiver *r, kis_exchange *exchange, kis_coding coding,
                            kis_bytes compressed, size_t body_cap, kis_buf *out, kis_diag *diag)
{
    kis_codecs *codecs = codecs_of(r, kis_exchange_loop(exchange));
    request_meter meter;

    if (!codecs)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for decompression");
    meter_init(&meter, r, body_cap);
    kis_buf_init(out, &meter.alloc, (size_t)r->options.max_request_bytes);
    kis_err err = kis_decompress(codecs, coding, compressed, out, diag);
    if (err)
        kis_buf_done(out);
    out->alloc = &r->charged; /* outlives the meter, and counts the same */
    return meter_judge(&meter, err, diag);
}

static void fill_origin(kis_receiver *r, kis_batch *batch, const kis_request_head *head)
{
    uint64_t timeout_ns = 0;
    kis_str key = kis_request_header(head, "idempotency-key");

    batch->origin.received_unix_ns = r->options.os->ops->now_unix_ns(r->options.os);
    if (kis_grpc_timeout_parse(kis_request_header(head, "grpc-timeout"), &timeout_ns) == KIS_OK)
        batch->origin.deadline_ns = head->at_ns + timeout_ns;
    if (!kis_arena_copy(&batch->arena, key, &batch->origin.idempotency_key))
        batch->origin.idempotency_key = KIS_STR_NONE;
    if (!kis_arena_copy(&batch->arena, head->peer, &batch->origin.peer))
        batch->origin.peer = KIS_STR_NONE;
}

static bool is_too_late(kis_receiver *r, const kis_batch *batch)
{
    return batch->origin.deadline_ns &&
           r->options.os->ops->now_ns(r->options.os) >= batch->origin.deadline_ns;
}

/* Takes over `message`, which lies in memory of `cap` bytes at `memory` (all of it the batch's from
 * here on). The arena is the meter's until the batch is made. */
static kis_batch *new_batch(request_meter *meter, uint8_t *memory, size_t cap, kis_bytes message)
{
    /* a span of 30 bytes makes a view of 200 */
    size_t views_max = message.len * 8 + VIEW_BYTES_MIN;
    const kis_alloc *charged = &meter->receiver->charged;
    kis_batch *batch = kis_batch_new(&meter->alloc, views_max);

    if (!batch) {
        charged->give_back(charged->user, memory, cap);
        return NULL;
    }
    kis_batch_adopt_body(batch, memory, cap, cap, charged);
    batch->body = message;
    return batch;
}

static void push_batch(kis_receiver *r, kis_exchange *exchange, const kis_request_form *form,
                       kis_batch *batch)
{
    pending_answer *p = KIS_NEW(&batch->arena, pending_answer);
    if (!p) {
        kis_diag diag;
        kis_diag_set(&diag, KIS_ERR_NOMEM, "no memory for the request");
        refuse_by_error(r, exchange, form, KIS_ERR_NOMEM, &diag);
        kis_batch_unref(batch);
        return;
    }
    *p = (pending_answer){ r, kis_exchange_ref(exchange), batch };
    /* nothing to keep: an empty request succeeds, a request of rejected spans says so */
    if (batch->span_count == 0) {
        sink_has_spoken(p, &(kis_sink_result){ .err = KIS_OK });
        return;
    }
    kis_sink_push(r->options.sink, batch, (kis_done){ sink_has_spoken, p });
}

static kis_err fill_batch(kis_receiver *r, kis_exchange *exchange, const kis_request_form *form,
                          kis_batch *batch, kis_diag *diag)
{
    fill_origin(r, batch, kis_exchange_head(exchange));
    kis_err err = form->is_json ? kis_otlp_json_decode(batch, diag) : kis_otlp_decode(batch, diag);
    if (!err && is_too_late(r, batch))
        err = kis_diag_set(diag, KIS_ERR_TIMEOUT,
                           "the call's deadline passed before its spans were stored");
    return err == KIS_ERR_LIMIT ? KIS_ERR_RANGE /* too deep or too many; 413 is about bytes */
                                : err;
}

static void take_message(kis_receiver *r, kis_exchange *exchange, const kis_request_form *form,
                         uint8_t *memory, size_t cap, kis_bytes message)
{
    kis_diag diag = { .err = KIS_OK };
    request_meter meter;

    meter_init(&meter, r, cap);
    kis_batch *batch = new_batch(&meter, memory, cap, message);
    kis_err err = batch ? fill_batch(r, exchange, form, batch, &diag)
                        : kis_diag_set(&diag, KIS_ERR_NOMEM, "no room for the request now");
    if (batch)
        batch->arena.alloc = &r->charged; /* as above */
    if (err) {
        refuse_by_error(r, exchange, form, meter_judge(&meter, err, &diag), &diag);
        kis_batch_unref(batch);
        return;
    }
    push_batch(r, exchange, form, batch);
}

/* The message of the body: gRPC's frame is taken off, and what may be compressed is said by its
 * flag. */
static kis_err unframe(kis_receiver *r, const kis_request_head *head, kis_request_form *form,
                       kis_bytes body, kis_bytes *message, kis_diag *diag)
{
    bool is_compressed = false;

    if (!form->is_grpc) {
        *message = body;
        return KIS_OK;
    }
    kis_err err =
        kis_grpc_message(body, (size_t)r->options.max_request_bytes, &is_compressed, message, diag);
    if (err)
        return err;
    if (is_compressed && kis_request_header(head, "grpc-encoding").len == 0)
        return kis_diag_set(
            diag, KIS_ERR_SYNTAX,
            "grpc: the message is flagged as compressed, but there is no grpc-encoding");
    if (!is_compressed)
        form->coding = KIS_CODING_NONE;
    return KIS_OK;
}

/* gRPC's own words for a broken frame: more than one message or none is the caller's bug, INTERNAL;
 * a length beyond the limit is 8. */
static void refuse_frame(kis_receiver *r, kis_exchange *exchange, const kis_request_form *form,
                         kis_err err, const kis_diag *diag)
{
    kis_refusal refusal = { .http_status = 400,
                            .grpc_status = err == KIS_ERR_LIMIT ? KIS_GRPC_RESOURCE_EXHAUSTED
                                                                : KIS_GRPC_INTERNAL,
                            .message = kis_str_from_c(diag->text) };
    refuse_and_count(r, exchange, form, &refusal);
}

static void receiver_on_body(void *user, kis_exchange *exchange, uint8_t *body, size_t body_len,
                             size_t body_cap)
{
    kis_receiver *r = user;
    const kis_request_head *head = kis_exchange_head(exchange);
    kis_request_form *form = kis_exchange_memo(exchange);
    kis_diag diag = { .err = KIS_OK };
    kis_bytes message;

    kis_err err = unframe(r, head, form, kis_bytes_of(body, body_len), &message, &diag);
    if (err) {
        r->charged.give_back(r->charged.user, body, body_cap);
        refuse_frame(r, exchange, form, err, &diag);
        return;
    }
    if (form->coding == KIS_CODING_NONE) {
        take_message(r, exchange, form, body, body_cap, message);
        return;
    }
    kis_buf inflated;
    err = inflate_body(r, exchange, form->coding, message, body_cap, &inflated, &diag);
    r->charged.give_back(r->charged.user, body, body_cap);
    if (err) {
        err = kis_diag_in(&diag, err, "content coding " KIS_FMT,
                          KIS_ARG(kis_coding_name(form->coding)));
        refuse_by_error(r, exchange, form, err, &diag);
        return;
    }
    take_message(r, exchange, form, inflated.ptr, inflated.cap, kis_buf_bytes(&inflated));
}

/* The body was not read: too large, too slow, or no room for it now. A slow one is 504 and not the
 * 408 of RFC 9110: OTLP lets a sender come again after the one and drop its spans after the other,
 * and a line that stood still may move again. */
static void receiver_on_refuse(void *user, kis_exchange *exchange, kis_err why)
{
    kis_receiver *r = user;
    const kis_request_form *form = kis_exchange_memo(exchange);
    kis_str too_large = kis_receive_too_large(r);
    kis_diag diag;

    kis_diag_set(&diag, why, KIS_FMT,
                 KIS_ARG(why == KIS_ERR_LIMIT ? too_large
                         : why == KIS_ERR_TIMEOUT
                             ? KIS_STR("the request was not read: its body did not get on")
                             : KIS_STR("the request was not read: too many bytes are at work "
                                       "already (--memory-limit)")));
    refuse_by_error(r, exchange, form, why, &diag);
}

static bool receiver_on_head(void *user, kis_exchange *exchange, uint64_t *max_body_bytes)
{
    kis_receiver *r = user;
    const kis_request_head *head = kis_exchange_head(exchange);
    kis_request_form *form = kis_exchange_memo(exchange);
    kis_refusal refusal;

    bool passed = kis_receive_judge_head(r, head, form, &refusal);
    kis_receive_count(&r->counters[form->is_grpc].requests, 1);
    if (kis_str_eq(head->method, KIS_STR("OPTIONS")) && form->origin.len > 0 &&
        kis_request_header(head, "access-control-request-method").len > 0) {
        kis_receive_preflight(exchange, form->origin);
        return false;
    }
    if (!passed) {
        refuse_and_count(r, exchange, form, &refusal);
        return false;
    }
    *max_body_bytes = r->options.max_request_bytes + (form->is_grpc ? KIS_GRPC_PREFIX_BYTES : 0);
    return true;
}

/* ---- life ---- */

kis_err kis_receiver_new(const kis_receive_options *options, kis_receiver **out)
{
    kis_receiver *r = options->alloc->take(options->alloc->user, sizeof(*r));
    if (!r)
        return KIS_ERR_NOMEM;
    memset(r, 0, sizeof(*r));
    r->options = *options;
    if (r->options.max_request_bytes == 0)
        r->options.max_request_bytes = KIS_REQUEST_BYTES_MAX;
    uint64_t largest = options->budget->max_bytes / 2 -
                       KIS_MIN(options->budget->max_bytes / 2, KIS_GRPC_PREFIX_BYTES);
    r->is_bound_by_budget = largest < r->options.max_request_bytes;
    r->options.max_request_bytes = KIS_MIN(r->options.max_request_bytes, largest);
    r->charged = (kis_alloc){ charged_take, charged_give_back, r };
    kis_lock_init(&r->codecs_lock, KIS_RANK_QUEUE);
    *out = r;
    return KIS_OK;
}

uint64_t kis_receiver_request_bytes_max(const kis_receiver *receiver)
{
    return receiver->options.max_request_bytes;
}

kis_handler kis_receiver_handler(kis_receiver *receiver)
{
    kis_handler handler = {
        .on_head = receiver_on_head,
        .on_body = receiver_on_body,
        .on_refuse = receiver_on_refuse,
        .user = receiver,
        .memo_bytes = sizeof(kis_request_form),
    };
    return handler;
}

kis_receive_stats kis_receiver_get_stats(const kis_receiver *receiver, bool grpc)
{
    const kis_receive_counters *c = &receiver->counters[grpc ? KIS_OVER_GRPC : KIS_OVER_HTTP];
#define READ_COUNTER(name) .name = atomic_load_explicit(&c->name, memory_order_relaxed)
    return (kis_receive_stats){
        READ_COUNTER(accepted_spans),     READ_COUNTER(refused_spans),
        READ_COUNTER(failed_spans),       READ_COUNTER(requests),
        READ_COUNTER(requests_malformed), READ_COUNTER(requests_too_large),
        READ_COUNTER(requests_no_room),   READ_COUNTER(requests_wrong_type),
        READ_COUNTER(rejected_spans),     READ_COUNTER(cut_values),
    };
#undef READ_COUNTER
}

void kis_receiver_free(kis_receiver *receiver)
{
    if (!receiver)
        return;
    for (size_t i = 0; i < KIS_RECEIVE_LOOPS_MAX; i++)
        kis_codecs_free(receiver->codecs[i].codecs);
    kis_lock_done(&receiver->codecs_lock);
    receiver->options.alloc->give_back(receiver->options.alloc->user, receiver, sizeof(*receiver));
}
