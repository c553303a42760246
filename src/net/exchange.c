/* exchange.c - one request and its answer, and how the answer gets to the loop from any thread.
 *
 *     any thread                                    loop thread
 *     kis_exchange_answer ─ copy ─ post ─────────>  kis_h1_answer / kis_h2_answer
 *     kis_exchange_begin ─ copy ─ post ──────────>  kis_h1_begin / kis_h2_begin
 *     kis_exchange_write ─> [ pending ] ─ post ──>  kis_h1_pull / kis_h2_pull, as bytes are taken
 *
 * Whoever sets `is_claimed` first answers; everybody else does nothing. A post holds a reference
 * while it is under way.
 *
 * Always true:
 *   (1) body_cap bytes are charged to the budget exactly as long as `body` is held
 *   (2) conn is NULL from the moment the connection lets go
 */
#include <string.h>

#include "base/check.h"
#include "base/diag.h"
#include "http/grpc.h"
#include "net/conn.h"
#include "os/mem.h"

const kis_alloc *const kis_body_alloc = &kis_mem;

/* ---- life ---- */

static size_t align_16(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

kis_exchange *kis_exchange_new(kis_conn *conn, size_t text_bytes, size_t header_count,
                               uint8_t **out_text, kis_header **out_headers)
{
    const kis_alloc *alloc = kis_loop_alloc(conn->home->loop);
    size_t memo_bytes = conn->listener->options.handler.memo_bytes;
    size_t memo_at = align_16(sizeof(kis_exchange));
    size_t headers_at = memo_at + align_16(memo_bytes);
    size_t text_at = headers_at + header_count * sizeof(kis_header), size = text_at + text_bytes;
    kis_exchange *exchange = alloc->take(alloc->user, size);
    if (!exchange)
        return NULL;
    memset(exchange, 0, headers_at);
    atomic_init(&exchange->refs, 1);
    exchange->alloc = alloc;
    exchange->size = size;
    exchange->memo = (uint8_t *)exchange + memo_at;
    exchange->loop = conn->home->loop;
    exchange->conn = conn;
    exchange->listener = conn->listener;
    exchange->handler = conn->listener->options.handler;
    exchange->budget = conn->listener->options.budget;
    uint64_t whole_ms = kis_listener_ms(conn->listener->options.body_whole_ms, KIS_BODY_WHOLE_MS);
    exchange->body_deadline_ns = kis_loop_now_ns(exchange->loop) + whole_ms * 1000000u;
    *out_headers = (kis_header *)(void *)((uint8_t *)exchange + headers_at);
    *out_text = (uint8_t *)exchange + text_at;
    return exchange;
}

static void body_uncharge(const kis_exchange *exchange, size_t bytes)
{
    if (exchange->budget.take && bytes)
        exchange->budget.give_back(exchange->budget.user, bytes);
}

void kis_exchange_drop_body(kis_exchange *exchange)
{
    if (!exchange->body)
        return;
    kis_body_alloc->give_back(kis_body_alloc->user, exchange->body, exchange->body_cap);
    body_uncharge(exchange, exchange->body_cap);
    exchange->body = NULL;
    exchange->body_len = exchange->body_cap = 0;
}

static void copy_free(kis_exchange *exchange)
{
    if (exchange->copy)
        exchange->alloc->give_back(exchange->alloc->user, exchange->copy, exchange->copy->size);
    exchange->copy = NULL;
}

static void answer_stream_free(const kis_alloc *alloc, kis_answer_stream *stream)
{
    if (!stream)
        return;
    kis_buf_done(&stream->pending);
    kis_cond_done(&stream->room);
    kis_lock_done(&stream->lock);
    alloc->give_back(alloc->user, stream, sizeof(*stream));
}

/* Who writes is told at the next write, or now if it waits. */
static void answer_stream_set_gone(kis_answer_stream *stream)
{
    if (!stream)
        return;
    kis_lock_take(&stream->lock);
    stream->is_gone = true;
    kis_cond_broadcast(&stream->room);
    kis_lock_give(&stream->lock);
}

kis_exchange *kis_exchange_ref(kis_exchange *exchange)
{
    atomic_fetch_add_explicit(&exchange->refs, 1, memory_order_relaxed);
    return exchange;
}

void kis_exchange_unref(kis_exchange *exchange)
{
    if (!exchange || atomic_fetch_sub_explicit(&exchange->refs, 1, memory_order_acq_rel) != 1)
        return;
    kis_exchange_drop_body(exchange);
    copy_free(exchange);
    answer_stream_free(exchange->alloc, exchange->stream);
    exchange->alloc->give_back(exchange->alloc->user, exchange, exchange->size);
}

const kis_request_head *kis_exchange_head(const kis_exchange *exchange)
{
    return &exchange->head;
}

kis_loop *kis_exchange_loop(const kis_exchange *exchange)
{
    return exchange->loop;
}

void *kis_exchange_memo(kis_exchange *exchange)
{
    return exchange->memo;
}

kis_str kis_request_header(const kis_request_head *head, const char *name)
{
    return kis_header_find(head->headers, head->header_count, kis_str_from_c(name));
}

/* ---- the body ---- */

static size_t body_next_cap(const kis_exchange *exchange, size_t need)
{
    uint64_t expected = exchange->expected_bytes >= need ? exchange->expected_bytes : 0;
    uint64_t cap = exchange->body_cap ? (uint64_t)exchange->body_cap * 4
                   : expected         ? KIS_BODY_FIRST_BYTES
                                      : KIS_BODY_UNKNOWN_BYTES;
    if (expected)
        cap = KIS_MIN(cap, expected);
    cap = KIS_MIN(cap, exchange->max_body_bytes);
    return (size_t)KIS_MAX(cap, need);
}

kis_err kis_exchange_body_reserve(kis_exchange *exchange, size_t more)
{
    if (more <= exchange->body_cap - exchange->body_len)
        return KIS_OK;
    if (more > exchange->max_body_bytes - KIS_MIN(exchange->body_len, exchange->max_body_bytes))
        return KIS_ERR_LIMIT;
    size_t cap = body_next_cap(exchange, exchange->body_len + more);
    if (exchange->budget.take && !exchange->budget.take(exchange->budget.user, cap))
        return KIS_ERR_FULL;
    uint8_t *grown = kis_body_alloc->take(kis_body_alloc->user, cap);
    if (!grown) {
        body_uncharge(exchange, cap);
        return KIS_ERR_NOMEM;
    }
    size_t len = exchange->body_len;
    if (len)
        memcpy(grown, exchange->body, len);
    kis_exchange_drop_body(exchange);
    exchange->body = grown;
    exchange->body_len = len;
    exchange->body_cap = cap;
    return KIS_OK;
}

/* ---- what the handler is told ---- */

void kis_exchange_start(kis_exchange *exchange, uint64_t *out_max_body)
{
    *out_max_body = 0;
    if (!exchange->handler.on_head(exchange->handler.user, exchange, out_max_body) &&
        !atomic_load(&exchange->is_claimed))
        kis_exchange_say(exchange, 500, KIS_GRPC_INTERNAL,
                         "the request was refused without a reason");
}

void kis_exchange_finish_body(kis_exchange *exchange)
{
    uint8_t *body = exchange->body;
    size_t len = exchange->body_len, cap = exchange->body_cap;
    exchange->body = NULL; /* the handler's from here on, and its charge with it */
    exchange->body_len = exchange->body_cap = 0;
    exchange->handler.on_body(exchange->handler.user, exchange, body, len, cap);
}

static void refuse_in_own_words(kis_exchange *exchange, kis_err why, const kis_diag *diag)
{
    const char *text = diag && diag->text[0]  ? diag->text
                       : why == KIS_ERR_LIMIT ? "the body is larger than what is allowed here"
                                              : "no room now, try again";

    kis_exchange_say(exchange, why == KIS_ERR_TIMEOUT ? 408 : kis_err_http_status(why),
                     kis_err_grpc_status(why), text);
}

void kis_exchange_refuse(kis_exchange *exchange, kis_err why, const kis_diag *diag)
{
    kis_exchange_drop_body(exchange);
    kis_exchange_ref(exchange); /* over HTTP/1.1 an answer may be the last that is heard of it */
    if (exchange->handler.on_refuse && !atomic_load(&exchange->is_claimed))
        exchange->handler.on_refuse(exchange->handler.user, exchange, why);
    if (!atomic_load(&exchange->is_claimed))
        refuse_in_own_words(exchange, why, diag);
    kis_exchange_unref(exchange);
}

void kis_exchange_detach(kis_exchange *exchange, bool is_gone)
{
    exchange->conn = NULL;
    exchange->h2_stream = NULL;
    /* nothing more can be sent, whether all of it was or not */
    atomic_store(&exchange->is_gone, true);
    answer_stream_set_gone(exchange->loop_stream);
    kis_exchange_drop_body(exchange);
    if (is_gone && exchange->handler.on_gone &&
        (exchange->loop_stream || !atomic_load(&exchange->is_claimed)))
        exchange->handler.on_gone(exchange->handler.user, exchange);
    kis_exchange_unref(exchange);
}

/* ---- answers ---- */

static void answer_on_loop(kis_exchange *exchange, const kis_answer_head *head, kis_bytes body)
{
    kis_conn *conn = exchange->conn;
    if (!conn)
        return;
    kis_conn_enter(conn);
    if (conn->protocol == KIS_CONN_HTTP2)
        kis_h2_answer(exchange, head, body);
    else
        kis_h1_answer(exchange, head, body);
    kis_conn_leave(conn);
}

static void begin_on_loop(kis_exchange *exchange, const kis_answer_head *head)
{
    kis_conn *conn = exchange->conn;
    if (!conn) {
        answer_stream_set_gone(exchange->stream);
        return;
    }
    exchange->loop_stream = exchange->stream;
    kis_conn_enter(conn);
    if (conn->protocol == KIS_CONN_HTTP2)
        kis_h2_begin(exchange, head);
    else
        kis_h1_begin(exchange, head);
    kis_conn_leave(conn);
}

static kis_answer_copy *answer_copy(kis_exchange *exchange, const kis_answer_head *head,
                                    kis_bytes body)
{
    size_t fields = head->header_count + head->trailer_count;
    size_t size = sizeof(kis_answer_copy) + fields * sizeof(kis_header) + body.len +
                  kis_headers_bytes(head->headers, head->header_count) +
                  kis_headers_bytes(head->trailers, head->trailer_count);
    kis_answer_copy *copy = exchange->alloc->take(exchange->alloc->user, size);
    if (!copy)
        return NULL;
    kis_header *headers = (kis_header *)(void *)(copy + 1);
    uint8_t *at = (uint8_t *)(headers + fields);
    *copy = (kis_answer_copy){ .size = size, .head = *head };
    copy->head.headers = headers;
    copy->head.trailers = headers + head->header_count;
    kis_headers_put(headers, &at, head->headers, head->header_count);
    kis_headers_put(headers + head->header_count, &at, head->trailers, head->trailer_count);
    if (body.len)
        memcpy(at, body.ptr, body.len);
    copy->body = kis_bytes_of(at, body.len);
    return copy;
}

/* Of an exchange that is claimed already: there was no memory for what its answerer meant. */
static void answer_no_memory(kis_exchange *exchange)
{
    const kis_header retry = { KIS_STR("retry-after"), KIS_STR("1") };
    answer_on_loop(exchange,
                   &(kis_answer_head){ .status = 503, .headers = &retry, .header_count = 1 },
                   KIS_BYTES_NONE);
}

static void deliver_run(kis_post *post)
{
    kis_exchange *exchange = KIS_CONTAINER(post, kis_exchange, deliver);
    if (!exchange->copy)
        answer_no_memory(exchange);
    else if (exchange->stream)
        begin_on_loop(exchange, &exchange->copy->head);
    else
        answer_on_loop(exchange, &exchange->copy->head, exchange->copy->body);
    copy_free(exchange);
    kis_exchange_unref(exchange);
}

static void post_deliver(kis_exchange *exchange)
{
    exchange->deliver.run = deliver_run;
    kis_exchange_ref(exchange);
    if (kis_loop_post(exchange->loop, &exchange->deliver))
        return;
    answer_stream_set_gone(exchange->stream);
    kis_exchange_unref(exchange);
}

void kis_exchange_answer(kis_exchange *exchange, const kis_answer_head *head, kis_bytes body)
{
    if (atomic_exchange(&exchange->is_claimed, true) || atomic_load(&exchange->is_gone))
        return;
    if (kis_loop_is_mine(exchange->loop)) {
        answer_on_loop(exchange, head, body);
        return;
    }
    exchange->copy = answer_copy(exchange, head, body);
    post_deliver(exchange);
}

void kis_exchange_close_after(kis_exchange *exchange)
{
    exchange->close_after = true; /* before the answer, by who answers: the post carries it over */
}

void kis_exchange_say(kis_exchange *exchange, int status, int grpc_status, const char *text)
{
    kis_str words = kis_str_from_c(text);
    if (exchange->is_grpc) {
        char escaped[3 * KIS_DIAG_TEXT_MAX],
            number[4] = { (char)('0' + grpc_status / 10), (char)('0' + grpc_status % 10), 0 };
        kis_buf coded;
        kis_buf_init_fixed(&coded, escaped, sizeof(escaped));
        kis_grpc_message_escape(words, &coded);
        const kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("application/grpc") },
                                       { KIS_STR("grpc-status"),
                                         kis_str_from_c(grpc_status < 10 ? number + 1 : number) },
                                       { KIS_STR("grpc-message"), kis_buf_str(&coded) } };
        kis_exchange_answer(
            exchange, &(kis_answer_head){ .status = 200, .headers = headers, .header_count = 3 },
            KIS_BYTES_NONE);
        return;
    }
    const kis_header headers[] = { { KIS_STR("content-type"),
                                     KIS_STR("text/plain; charset=utf-8") },
                                   { KIS_STR("retry-after"), KIS_STR("1") } };
    kis_exchange_answer(exchange,
                        &(kis_answer_head){ .status = status,
                                            .headers = headers,
                                            .header_count = status == 503 ? 2 : 1 },
                        kis_bytes_of_str(words));
}

/* ---- streams ---- */

static kis_answer_stream *answer_stream_new(kis_exchange *exchange)
{
    kis_answer_stream *stream = exchange->alloc->take(exchange->alloc->user, sizeof(*stream));
    if (!stream)
        return NULL;
    memset(stream, 0, sizeof(*stream));
    kis_lock_init(&stream->lock, KIS_RANK_LOOP);
    kis_cond_init(&stream->room);
    kis_buf_init(&stream->pending, exchange->alloc, KIS_STREAM_BYTES_MAX);
    return stream;
}

void kis_exchange_begin(kis_exchange *exchange, const kis_answer_head *head)
{
    if (atomic_exchange(&exchange->is_claimed, true) || atomic_load(&exchange->is_gone))
        return;
    kis_answer_stream *stream = answer_stream_new(exchange);
    if (kis_loop_is_mine(exchange->loop)) {
        exchange->stream = stream;
        if (stream)
            begin_on_loop(exchange, head);
        else
            answer_no_memory(exchange);
        return;
    }
    exchange->copy = stream ? answer_copy(exchange, head, KIS_BYTES_NONE) : NULL;
    if (exchange->copy)
        exchange->stream = stream;
    else
        answer_stream_free(exchange->alloc, stream);
    post_deliver(exchange);
}

static void pull_run(kis_post *post)
{
    kis_exchange *exchange = KIS_CONTAINER(post, kis_exchange, pull);
    kis_conn *conn = exchange->conn;
    kis_lock_take(&exchange->stream->lock);
    exchange->stream->is_posted = false;
    kis_lock_give(&exchange->stream->lock);
    if (conn) {
        kis_conn_enter(conn);
        if (conn->protocol == KIS_CONN_HTTP2)
            kis_h2_pull(exchange);
        else
            kis_h1_pull(exchange);
        kis_conn_leave(conn);
    }
    kis_exchange_unref(exchange);
}

static void post_pull(kis_exchange *exchange)
{
    exchange->pull.run = pull_run;
    kis_exchange_ref(exchange);
    if (kis_loop_post(exchange->loop, &exchange->pull))
        return;
    answer_stream_set_gone(exchange->stream);
    kis_exchange_unref(exchange);
}

/* Waits for room and puts one piece in. */
static kis_err answer_stream_put(kis_exchange *exchange, kis_bytes piece, uint64_t deadline_ns)
{
    kis_answer_stream *stream = exchange->stream;
    kis_err err = KIS_OK;
    bool must_post = false;
    kis_lock_take(&stream->lock);
    while (!stream->is_gone && !stream->is_ended &&
           stream->pending.len + piece.len > KIS_STREAM_BYTES_MAX && err == KIS_OK) {
        if (!kis_cond_wait_until(&stream->room, &stream->lock, deadline_ns))
            err = KIS_ERR_TIMEOUT;
    }
    if (stream->is_gone || stream->is_ended) {
        err = KIS_ERR_CLOSED;
    } else if (err == KIS_OK) {
        kis_buf_add_bytes(&stream->pending, piece);
        err = stream->pending.err;
        must_post = err == KIS_OK && !stream->is_posted;
        stream->is_posted |= must_post;
    }
    kis_lock_give(&stream->lock);
    if (must_post)
        post_pull(exchange);
    return err;
}

kis_err kis_exchange_write(kis_exchange *exchange, kis_bytes bytes, uint64_t deadline_ns)
{
    if (!exchange->stream || atomic_load(&exchange->is_gone))
        return KIS_ERR_CLOSED;
    while (bytes.len) {
        kis_bytes piece =
            kis_bytes_of(bytes.ptr, KIS_MIN(bytes.len, (size_t)KIS_STREAM_BYTES_MAX / 2));
        kis_err err = answer_stream_put(exchange, piece, deadline_ns);
        if (err)
            return err;
        bytes = kis_bytes_of(bytes.ptr + piece.len, bytes.len - piece.len);
    }
    return KIS_OK;
}

void kis_exchange_end(kis_exchange *exchange, bool is_complete)
{
    kis_answer_stream *stream = exchange->stream;
    if (!stream)
        return;
    kis_lock_take(&stream->lock);
    bool must_post = !stream->is_gone && !stream->is_ended && !stream->is_posted;
    stream->is_complete = !stream->is_ended ? is_complete : stream->is_complete;
    stream->is_ended = true;
    stream->is_posted |= must_post;
    kis_lock_give(&stream->lock);
    if (must_post)
        post_pull(exchange);
}

size_t kis_exchange_take_stream(kis_exchange *exchange, kis_buf *to, size_t max, bool *out_ended,
                                bool *out_complete)
{
    kis_answer_stream *stream = exchange->stream;
    kis_lock_take(&stream->lock);
    size_t size = KIS_MIN(max, stream->pending.len);
    kis_buf_add(to, stream->pending.ptr, size);
    if (to->err)
        size = 0;
    kis_buf_drop_front(&stream->pending, size);
    *out_ended = stream->is_ended && stream->pending.len == 0;
    *out_complete = stream->is_complete;
    if (size)
        kis_cond_broadcast(&stream->room);
    kis_lock_give(&stream->lock);
    return size;
}
