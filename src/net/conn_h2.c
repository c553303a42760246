/* conn_h2.c - HTTP/2 on a server's connection: exchanges of streams.
 *
 *     http2 events ──> exchange ──> handler
 *     answers ──> http2 ──> kis_h2_fill ──> cork or socket
 *
 * A body gathers in one piece of memory, sized by content-length or by the prefix of its gRPC
 * message, charged to the budget before the bytes are kept. Only then the windows open again, so a
 * peer without room in the budget stalls or is refused, and never fills memory.
 *
 * The connection's clock: greeting (header time), then streams open (a sweep every progress time)
 * or idle (idle time); beside that a header block in pieces (header time), whatever else goes on.
 */
#include "net/conn.h"

#include <string.h>

#include "base/diag.h"
#include "base/num.h"
#include "http/grpc.h"
#include "http/http2.h"

typedef enum h2_phase { H2_GREETING, H2_BUSY, H2_IDLE } h2_phase;

struct kis_conn_h2 {
    kis_http2 *session;
    h2_phase phase;
    uint64_t phase_ns,
        block_ns; /* deadlines: of the phase; of the header block that has begun, 0: none */
    bool is_receiving, is_dead; /* dead while receiving: freed behind it */
    bool is_reproach_counted;
    uint64_t resets_counted;
};

/* ---- heads ---- */

/* Copies the head into the exchange's own block. */
static void keep_head(kis_exchange *exchange, kis_conn *conn, const kis_http2_head *head,
                      uint8_t *at, kis_header *headers)
{
    kis_headers_put(headers, &at, head->headers, head->header_count);
    kis_str path = kis_str_put(&at, head->path);
    kis_request_head *to = &exchange->head;
    to->method = kis_str_put(&at, head->method);
    to->authority = kis_str_put(&at, head->authority);
    to->peer = kis_str_put(&at, kis_str_from_c(conn->peer));
    to->headers = headers;
    to->header_count = head->header_count;
    to->path = kis_str_cut(&path, '?');
    to->query = path;
    to->is_http2 = true;
    to->is_tls = conn->io.ssl != NULL;
    to->at_ns = kis_loop_now_ns(conn->home->loop);
    if (!to->authority.len)
        to->authority = kis_request_header(to, "host");
}

static kis_exchange *exchange_of_head(kis_conn *conn, const kis_http2_head *head)
{
    uint8_t *text;
    kis_header *headers;
    size_t bytes = kis_headers_bytes(head->headers, head->header_count) + head->path.len +
                   head->method.len + head->authority.len + strlen(conn->peer);
    kis_exchange *exchange = kis_exchange_new(conn, bytes, head->header_count, &text, &headers);
    if (!exchange)
        return NULL;
    keep_head(exchange, conn, head, text, headers);
    uint64_t length;
    kis_str declared = kis_request_header(&exchange->head, "content-length");
    /* nghttp2 refuses wrong and double ones */
    bool is_declared = declared.ptr && kis_u64_parse(declared, &length) == KIS_OK;
    exchange->head.content_length = is_declared ? length : head->is_end ? 0 : UINT64_MAX;
    exchange->expected_bytes = is_declared ? length : 0;
    exchange->is_head_method = kis_str_eq(exchange->head.method, KIS_STR("HEAD"));
    exchange->is_grpc = kis_str_starts(kis_request_header(&exchange->head, "content-type"),
                                       KIS_STR("application/grpc"));
    return exchange;
}

static void h2_refuse(kis_exchange *exchange, kis_err why, uint64_t wanted)
{
    kis_diag diag = { 0 };
    if (why == KIS_ERR_LIMIT)
        kis_diag_set(&diag, why, "a body of %llu bytes, the limit is %llu",
                     (unsigned long long)wanted, (unsigned long long)exchange->max_body_bytes);
    kis_exchange_refuse(exchange, why, &diag);
}

/* The length is known, from the header or from gRPC's prefix. False: it was refused. */
static bool expect_body(kis_exchange *exchange)
{
    kis_err err = exchange->expected_bytes > exchange->max_body_bytes
                      ? KIS_ERR_LIMIT
                      : kis_exchange_body_reserve(exchange, exchange->expected_bytes ? 1 : 0);
    if (err)
        h2_refuse(exchange, err, exchange->expected_bytes);
    return err == KIS_OK;
}

static void start_exchange(kis_exchange *exchange, const kis_http2_head *head)
{
    if (head->is_too_large) {
        kis_exchange_say(exchange, 431, KIS_GRPC_RESOURCE_EXHAUSTED,
                         "the header is larger than 16384 bytes or has more than 100 fields");
    } else if (kis_str_eq(head->method, KIS_STR("CONNECT"))) {
        kis_exchange_say(exchange, 405, KIS_GRPC_UNIMPLEMENTED, "CONNECT: this is no proxy");
    } else if (head->path.len > KIS_HTTP_TARGET_BYTES_MAX) {
        kis_exchange_say(exchange, 414, KIS_GRPC_RESOURCE_EXHAUSTED,
                         "the request target is longer than 8192 bytes");
    } else {
        kis_exchange_start(exchange, &exchange->max_body_bytes);
        if (!atomic_load(&exchange->is_claimed) && !head->is_end)
            (void)expect_body(exchange);
    }
}

static uint64_t h2_deadline_in(const kis_conn *conn, uint32_t given_ms, uint32_t otherwise_ms)
{
    return kis_loop_now_ns(conn->home->loop) +
           (uint64_t)kis_listener_ms(given_ms, otherwise_ms) * 1000000u;
}

static void h2_set_clock(kis_conn *conn)
{
    const kis_conn_h2 *h2 = conn->h2;
    conn->phase_deadline_ns = h2->block_ns ? KIS_MIN(h2->block_ns, h2->phase_ns) : h2->phase_ns;
}

static void h2_set_phase(kis_conn *conn, h2_phase phase)
{
    const kis_listener_options *options = &conn->listener->options;
    static const uint32_t otherwise[] = { KIS_HEADER_TIMEOUT_MS, KIS_BODY_PROGRESS_MS,
                                          KIS_IDLE_TIMEOUT_MS };
    const uint32_t given[] = { options->header_timeout_ms, options->body_progress_ms,
                               options->idle_timeout_ms };
    conn->h2->phase = phase;
    conn->h2->phase_ns = h2_deadline_in(conn, given[phase], otherwise[phase]);
    kis_conn_set_idle(conn, phase == H2_IDLE || phase == H2_GREETING);
    h2_set_clock(conn);
}

static void on_head(void *user, kis_http2_stream *stream, const kis_http2_head *head)
{
    kis_conn *conn = user;
    if (conn->h2->is_dead) /* its exchanges are let go of already: one more would stay for ever */
        return;
    kis_exchange *exchange = exchange_of_head(conn, head);
    kis_count_add(&conn->home->stats.requests, 1);
    if (!exchange) {
        kis_http2_reset(stream, KIS_HTTP2_INTERNAL_ERROR);
        return;
    }
    exchange->stream_id = stream->id;
    exchange->h2_stream = stream;
    stream->user = exchange;
    kis_exchange_ref(exchange); /* it may be let go while it is being started */
    start_exchange(exchange, head);
    kis_exchange_unref(exchange);
}

/* ---- bodies ---- */

/* gRPC says in its first five bytes how long the message is. */
static bool learn_length(kis_exchange *exchange, kis_bytes piece)
{
    uint8_t prefix[KIS_GRPC_PREFIX_BYTES];
    size_t have = KIS_MIN(exchange->body_len, sizeof(prefix));
    if (!exchange->is_grpc || exchange->expected_bytes ||
        exchange->body_len + piece.len < sizeof(prefix))
        return true;
    if (have)
        memcpy(prefix, exchange->body, have);
    memcpy(prefix + have, piece.ptr, sizeof(prefix) - have);
    exchange->expected_bytes =
        KIS_GRPC_PREFIX_BYTES + ((uint64_t)prefix[1] << 24 | (uint64_t)prefix[2] << 16 |
                                 (uint64_t)prefix[3] << 8 | prefix[4]);
    return expect_body(exchange);
}

static bool on_data(void *user, kis_http2_stream *stream, kis_bytes piece)
{
    kis_exchange *exchange = stream->user;
    (void)user;
    if (!exchange || atomic_load(&exchange->is_claimed) || !learn_length(exchange, piece))
        return false;
    kis_err err = kis_exchange_body_reserve(exchange, piece.len);
    if (err) {
        h2_refuse(exchange, err, exchange->body_len + piece.len);
        return false;
    }
    if (piece.len)
        memcpy(exchange->body + exchange->body_len, piece.ptr, piece.len);
    exchange->body_len += piece.len;
    return true;
}

static void on_end(void *user, kis_http2_stream *stream)
{
    kis_exchange *exchange = stream->user;
    (void)user;
    if (exchange && !atomic_load(&exchange->is_claimed))
        kis_exchange_finish_body(exchange);
}

static void on_close(void *user, kis_http2_stream *stream, uint32_t error)
{
    kis_conn *conn = user;
    kis_exchange *exchange = stream->user;
    (void)error;
    stream->user = NULL;
    if (exchange)
        kis_exchange_detach(exchange, !stream->is_out_over);
    /* this one, which is about to go */
    if (!conn->is_dead && kis_http2_stream_count(stream->owner) == 1)
        h2_set_phase(conn, H2_IDLE);
}

static void on_pull(void *user, kis_http2_stream *stream, kis_buf *to, size_t max, bool *out_ended,
                    bool *out_complete)
{
    kis_exchange *exchange = stream->user;
    (void)user;
    if (!exchange || !exchange->loop_stream) {
        *out_ended = true;
        *out_complete = false;
        return;
    }
    (void)kis_exchange_take_stream(exchange, to, max, out_ended, out_complete);
}

/* ---- answers ---- */

#define OWN_FIELDS 2u

static void submit_answer(kis_exchange *exchange, const kis_answer_head *head,
                          const kis_http2_body *body)
{
    kis_conn *conn = exchange->conn;
    kis_http2_stream *stream = exchange->h2_stream;
    kis_header fields[KIS_HTTP_HEADERS_MAX + OWN_FIELDS];
    char length[KIS_NUM_TEXT_MAX];
    size_t count = KIS_MIN(head->header_count, (size_t)KIS_HTTP_HEADERS_MAX);
    bool has_length =
        kis_header_find(head->headers, head->header_count, KIS_STR("content-length")).ptr != NULL;
    size_t queued = kis_http2_queued_bytes(conn->h2->session);
    if (stream->is_begun)
        return;
    /* it asks, and does not read what it gets */
    if (queued && queued + body->bytes.len > KIS_H2_QUEUED_BYTES_MAX) {
        kis_http2_reset(stream, KIS_HTTP2_ENHANCE_YOUR_CALM);
        return;
    }
    if (count)
        memcpy(fields, head->headers, count * sizeof(*fields));
    if (!exchange->is_grpc) {
        fields[count++] =
            (kis_header){ KIS_STR("date"), kis_str_from_c(kis_home_date(conn->home)) };
        if (!body->is_pulled && !has_length && head->status >= 200 && head->status != 204 &&
            head->status != 304)
            fields[count++] =
                (kis_header){ KIS_STR("content-length"),
                              kis_str_of(length, kis_u64_format(body->bytes.len, length)) };
    }
    const kis_http2_body none = { .bytes = KIS_BYTES_NONE };
    bool has_body = !exchange->is_head_method && head->status != 204 && head->status != 304;
    if (kis_http2_answer(stream, head->status, fields, count, has_body ? body : &none,
                         head->trailers, has_body ? head->trailer_count : 0) != KIS_OK)
        kis_http2_reset(stream, KIS_HTTP2_INTERNAL_ERROR);
}

void kis_h2_answer(kis_exchange *exchange, const kis_answer_head *head, kis_bytes body)
{
    submit_answer(exchange, head, &(kis_http2_body){ .bytes = body });
}

void kis_h2_begin(kis_exchange *exchange, const kis_answer_head *head)
{
    submit_answer(exchange, head, &(kis_http2_body){ .is_pulled = true });
}

void kis_h2_pull(kis_exchange *exchange)
{
    if (exchange->h2_stream)
        kis_http2_resume(exchange->h2_stream);
}

/* ---- bytes ---- */

bool kis_h2_open(kis_conn *conn)
{
    const kis_http2_events events = { conn, on_head, on_data, NULL, on_end, on_close, on_pull };
    const kis_alloc *alloc = kis_loop_alloc(conn->home->loop);
    kis_conn_h2 *h2 = alloc->take(alloc->user, sizeof(*h2));
    if (!h2)
        return false;
    *h2 = (kis_conn_h2){ .session = kis_http2_new(true, &events, alloc) };
    if (!h2->session) {
        alloc->give_back(alloc->user, h2, sizeof(*h2));
        return false;
    }
    conn->h2 = h2;
    conn->protocol = KIS_CONN_HTTP2;
    h2_set_phase(conn, H2_GREETING);
    return true;
}

static void h2_free(kis_conn *conn)
{
    const kis_alloc *alloc = kis_loop_alloc(conn->home->loop);
    kis_http2_free(conn->h2->session);
    alloc->give_back(alloc->user, conn->h2, sizeof(*conn->h2));
    conn->h2 = NULL;
}

/* The peer broke the rules, and the connection ends for it:
 * told by nghttp2 (its GOAWAY is among the frames to send) or by us. */
static void h2_count_reproach(kis_conn *conn)
{
    if (conn->h2->is_reproach_counted)
        return;
    conn->h2->is_reproach_counted = true;
    kis_count_add(&conn->home->stats.goaways, 1);
    kis_count_add(&conn->home->stats.malformed, 1);
}

/* After every input: which clocks run. */
static void h2_next_phase(kis_conn *conn)
{
    kis_conn_h2 *h2 = conn->h2;
    if (h2->phase == H2_GREETING && !kis_http2_is_greeted(h2->session))
        return;
    h2_phase next = kis_http2_stream_count(h2->session) ? H2_BUSY : H2_IDLE;
    if (next != h2->phase)
        h2_set_phase(conn, next);
    bool is_in_block = kis_http2_is_in_header_block(h2->session);
    if (!is_in_block)
        h2->block_ns = 0;
    else if (!h2->block_ns)
        h2->block_ns =
            h2_deadline_in(conn, conn->listener->options.header_timeout_ms, KIS_HEADER_TIMEOUT_MS);
    h2_set_clock(conn);
}

void kis_h2_input(kis_conn *conn, kis_bytes in)
{
    kis_conn_h2 *h2 = conn->h2;
    kis_diag diag;
    h2->is_receiving = true;
    kis_err err = kis_http2_receive(h2->session, kis_loop_now_ns(conn->home->loop), in, &diag);
    h2->is_receiving = false;
    if (h2->is_dead) {
        h2_free(conn);
        return;
    }
    uint64_t resets = kis_http2_resets(h2->session);
    kis_count_add(&conn->home->stats.streams_reset, resets - h2->resets_counted);
    h2->resets_counted = resets;
    if (err == KIS_ERR_SYNTAX) {
        kis_count_add(&conn->home->stats.malformed, 1);
        kis_conn_close(conn, false);
        return;
    }
    if (err) {
        h2_count_reproach(conn);
        kis_h2_fill(conn); /* the GOAWAY */
        if (!conn->is_dead)
            kis_conn_close_after_sending(conn, true);
        return;
    }
    h2_next_phase(conn);
}

/* Frames go into the cork when it is ours, else into a piece of the loop's scratch. */
static size_t fill_once(kis_conn *conn, bool *out_failed)
{
    kis_home *home = conn->home;
    kis_buf piece;
    size_t before = home->cork.len;
    if (home->corked == conn) {
        kis_err err =
            kis_http2_fill(conn->h2->session, &home->cork, home->cork.max - KIS_HTTP2_FILL_SLACK);
        *out_failed = err != KIS_OK;
        if (kis_http2_goodbye_error(conn->h2->session))
            h2_count_reproach(conn);
        return home->cork.len - before;
    }
    kis_buf_init_fixed(&piece, home->scratch + KIS_READ_BYTES, KIS_PIECE_BYTES);
    *out_failed =
        kis_http2_fill(conn->h2->session, &piece, KIS_PIECE_BYTES - KIS_HTTP2_FILL_SLACK) != KIS_OK;
    if (kis_http2_goodbye_error(conn->h2->session))
        h2_count_reproach(conn);
    kis_conn_write(conn, kis_buf_bytes(&piece), KIS_BYTES_NONE);
    return piece.len;
}

void kis_h2_fill(kis_conn *conn)
{
    bool has_failed = false;
    if (conn->h2->is_receiving || conn->closes_when_sent)
        return;
    while (!conn->is_dead && conn->out_at == conn->out.len && !has_failed) {
        size_t size = fill_once(conn, &has_failed);
        if (size == 0)
            break;
        if (conn->home->corked == conn &&
            conn->home->cork.len > conn->home->cork.max - 2 * KIS_HTTP2_FILL_SLACK)
            kis_conn_uncork(conn);
    }
    if (conn->is_dead)
        return;
    if (has_failed)
        kis_conn_close(conn, true);
    else if (kis_http2_is_over(conn->h2->session))
        kis_conn_close_after_sending(conn, true);
}

/* ---- time and the end ---- */

/* A stream that moved no byte since the last sweep, although it is its peer's turn, is over; so is
 * one whose body is not there in time. */
static void sweep_stream(kis_conn *conn, kis_http2_stream *stream)
{
    kis_exchange *exchange = stream->user;
    if (!exchange)
        return;
    bool is_reading = !stream->is_in_over && !atomic_load(&exchange->is_claimed);
    bool is_writing = stream->is_begun && !stream->is_out_over && !stream->is_deferred;
    bool is_stuck = is_reading ? stream->bytes_in - exchange->swept_in < KIS_BODY_PROGRESS_BYTES
                               : is_writing && stream->bytes_out == exchange->swept_out;
    bool is_too_slow =
        is_reading && kis_loop_now_ns(conn->home->loop) >= exchange->body_deadline_ns;
    if ((is_stuck && exchange->is_swept) || is_too_slow) {
        kis_count_add(&conn->home->stats.timeouts, 1);
        if (is_reading) {
            kis_diag diag;
            kis_diag_set(&diag, KIS_ERR_TIMEOUT,
                         is_too_slow ? "the body takes too long" : "the body does not get on");
            kis_exchange_refuse(exchange, KIS_ERR_TIMEOUT, &diag);
        } else {
            kis_http2_reset(stream, KIS_HTTP2_CANCEL);
        }
    }
    exchange->is_swept = is_reading || is_writing;
    exchange->swept_in = stream->bytes_in;
    exchange->swept_out = stream->bytes_out;
}

void kis_h2_timeout(kis_conn *conn)
{
    kis_http2 *session = conn->h2->session;
    uint64_t now = kis_loop_now_ns(conn->home->loop);
    /* its stream was reset since: that is told by what is sent */
    if (!kis_http2_is_in_header_block(session))
        conn->h2->block_ns = 0;
    if (!conn->h2->block_ns && conn->h2->phase_ns > now) {
        h2_set_clock(conn);
        return;
    }
    bool is_block_late = conn->h2->block_ns && conn->h2->block_ns <= now;
    if (conn->h2->phase == H2_BUSY && !is_block_late) {
        for (kis_http2_stream *stream = kis_http2_first(session), *next; stream; stream = next) {
            next = stream->next;
            sweep_stream(conn, stream);
        }
        h2_set_phase(conn, H2_BUSY);
        return;
    }
    if (conn->h2->phase != H2_IDLE || is_block_late)
        kis_count_add(&conn->home->stats.timeouts, 1);
    kis_http2_go_away(conn->h2->session, KIS_HTTP2_NO_ERROR);
    kis_h2_fill(conn);
    if (!conn->is_dead)
        kis_conn_close_after_sending(conn, true);
}

void kis_h2_drain(kis_conn *conn)
{
    /* over when the streams that are open are answered: kis_h2_fill sees it */
    kis_http2_go_away(conn->h2->session, KIS_HTTP2_NO_ERROR);
}

uint32_t kis_h2_open_exchanges(const kis_conn *conn)
{
    return conn->h2 ? kis_http2_stream_count(conn->h2->session) : 0;
}

void kis_h2_gone(kis_conn *conn)
{
    if (!conn->h2)
        return;
    /* first all of them: who hears that one is gone may answer another */
    for (kis_http2_stream *stream = kis_http2_first(conn->h2->session); stream;
         stream = stream->next) {
        kis_exchange *exchange = stream->user;
        if (exchange)
            exchange->conn = NULL;
    }
    for (kis_http2_stream *stream = kis_http2_first(conn->h2->session); stream;
         stream = stream->next) {
        kis_exchange *exchange = stream->user;
        stream->user = NULL;
        if (exchange)
            kis_exchange_detach(exchange, !stream->is_out_over);
    }
    if (conn->h2->is_receiving)
        conn->h2->is_dead = true;
    else
        h2_free(conn);
}
