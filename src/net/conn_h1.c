/* conn_h1.c - HTTP/1.1 on a server's connection: one request after the other.
 *
 *     HEAD ── head complete, on_head ──> BODY ── all of it, on_body ──> WAIT ── answer out ──> HEAD
 *
 * Requests that are already here while one waits for its answer stay in conn->in (pipelining);
 * nothing more is read then. A request that was refused before its body came: a small body is read
 * away, after a large one the connection closes, lingering so that the refusal is read before the
 * reset.
 */
#include <string.h>

#include "base/diag.h"
#include "base/num.h"
#include "http/grpc.h"
#include "net/conn.h"

/* ---- refusing what is not HTTP ---- */

void kis_h1_refuse(kis_conn *conn, int status, const char *text)
{
    char head[256], line[KIS_DIAG_TEXT_MAX + 2];
    kis_buf out;
    kis_str words = kis_http_status_text(status);
    size_t len = strlen(text);
    kis_count_add(&conn->home->stats.malformed, 1);
    kis_buf_init_fixed(&out, head, sizeof(head));
    kis_buf_add_fmt(&out,
                    "HTTP/1.1 %d " KIS_FMT
                    "\r\ndate: %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: "
                    "%zu\r\nconnection: close\r\n\r\n",
                    status, KIS_ARG(words), kis_home_date(conn->home), len + 1);
    memcpy(line, text, len);
    line[len] = '\n';
    kis_conn_write(conn, kis_buf_bytes(&out), kis_bytes_of(line, len + 1));
    kis_conn_close_after_sending(conn, true);
}

/* ---- the next request ---- */

static void h1_next(kis_conn *conn)
{
    conn->h1.state = KIS_H1_HEAD;
    conn->h1.scan = (kis_http1_scan){ 0 };
    if (!conn->h1.keeps_alive || conn->home->is_draining) {
        /* a request of its may be on the way: it shall not reset our answer */
        kis_conn_close_after_sending(conn, conn->home->is_draining);
        return;
    }
    kis_conn_set_idle(conn, true);
    kis_conn_set_phase(
        conn, kis_listener_ms(conn->listener->options.idle_timeout_ms, KIS_IDLE_TIMEOUT_MS));
    /* does nothing inside the input itself, which goes on by its own loop */
    kis_conn_process(conn);
}

/* The body of a request that has its answer already. */
static void h1_get_rid_of_body(kis_conn *conn)
{
    bool is_small =
        conn->h1.framing == KIS_HTTP1_CHUNKED || conn->h1.body_left <= KIS_BODY_DISCARD_BYTES;
    if (!conn->h1.keeps_alive || conn->h1.awaits_continue || !is_small) {
        kis_conn_close_after_sending(conn, true);
        return;
    }
    conn->h1.is_discarding = true;
    conn->h1.discarded_bytes = 0;
}

/* The answer is on its way: the exchange is over. */
static void h1_answered(kis_conn *conn)
{
    kis_exchange *exchange = conn->h1.exchange;
    conn->h1.exchange = NULL;
    kis_exchange_detach(exchange, false);
    if (conn->is_dead)
        return;
    if (conn->h1.state == KIS_H1_BODY)
        h1_get_rid_of_body(conn);
    else
        h1_next(conn);
}

/* ---- heads of answers ---- */

static void put_header(kis_buf *out, kis_str name, kis_str value)
{
    /* no value of ours ends a line early */
    if (!kis_http_is_token(name) || !kis_http_is_value(value))
        return;
    kis_buf_add_str(out, name);
    kis_buf_add(out, ": ", 2);
    kis_buf_add_str(out, value);
    kis_buf_add(out, "\r\n", 2);
}

static bool status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* How the end of the body is marked. */
typedef enum h1_end { H1_END_LENGTH, H1_END_CHUNKED, H1_END_CLOSE, H1_END_AS_GIVEN } h1_end;

static void put_answer_head(kis_conn *conn, kis_buf *out, const kis_answer_head *head, h1_end end,
                            uint64_t length)
{
    kis_buf_add(out, "HTTP/1.1 ", 9);
    kis_buf_add_u64(out, (uint64_t)head->status);
    kis_buf_add_byte(out, ' ');
    kis_buf_add_str(out, kis_http_status_text(head->status));
    kis_buf_add(out, "\r\n", 2);
    for (size_t i = 0; i < head->header_count; i++)
        put_header(out, head->headers[i].name, head->headers[i].value);
    if (end == H1_END_LENGTH && status_has_body(head->status)) {
        kis_buf_add(out, "content-length: ", 16);
        kis_buf_add_u64(out, length);
        kis_buf_add(out, "\r\n", 2);
    } else if (end == H1_END_CHUNKED) {
        kis_buf_add(out, "transfer-encoding: chunked\r\n", 28);
    }
    kis_buf_add(out, "date: ", 6);
    kis_buf_add_str(out, kis_str_from_c(kis_home_date(conn->home)));
    kis_buf_add(out, "\r\n", 2);
    if (!conn->h1.keeps_alive)
        kis_buf_add(out, "connection: close\r\n", 19);
    else if (conn->h1.is_http10)
        kis_buf_add(out, "connection: keep-alive\r\n", 24);
    kis_buf_add(out, "\r\n", 2);
}

#define HEAD_ON_STACK 2048u

static void h1_decide_keep_alive(kis_conn *conn, const kis_exchange *exchange)
{
    bool is_body_unwanted =
        conn->h1.state == KIS_H1_BODY &&
        (conn->h1.awaits_continue || conn->h1.body_left > KIS_BODY_DISCARD_BYTES);
    if (exchange->close_after || conn->home->is_draining || is_body_unwanted)
        conn->h1.keeps_alive = false;
}

void kis_h1_answer(kis_exchange *exchange, const kis_answer_head *head, kis_bytes body)
{
    kis_conn *conn = exchange->conn;
    uint8_t small[HEAD_ON_STACK];
    kis_buf out;
    h1_decide_keep_alive(conn, exchange);
    kis_buf_init_fixed(&out, small, sizeof(small));
    put_answer_head(conn, &out, head, H1_END_LENGTH, body.len);
    bool is_large = out.err != KIS_OK;
    if (is_large) {
        kis_buf_init(&out, kis_loop_alloc(conn->home->loop), KIS_CORK_BYTES);
        put_answer_head(conn, &out, head, H1_END_LENGTH, body.len);
    }
    if (out.err)
        kis_conn_close(conn, true);
    else
        kis_conn_write(conn, kis_buf_bytes(&out),
                       exchange->is_head_method || !status_has_body(head->status) ? KIS_BYTES_NONE
                                                                                  : body);
    if (is_large)
        kis_buf_done(&out);
    if (!conn->is_dead)
        h1_answered(conn);
}

/* ---- answers that stream ---- */

static bool has_length(const kis_answer_head *head)
{
    return kis_header_find(head->headers, head->header_count, KIS_STR("content-length")).ptr !=
           NULL;
}

void kis_h1_begin(kis_exchange *exchange, const kis_answer_head *head)
{
    kis_conn *conn = exchange->conn;
    kis_buf out;
    h1_decide_keep_alive(conn, exchange);
    h1_end end = has_length(head) || !status_has_body(head->status) ? H1_END_AS_GIVEN
                 : conn->h1.is_http10                               ? H1_END_CLOSE
                                                                    : H1_END_CHUNKED;
    if (end == H1_END_CLOSE)
        conn->h1.keeps_alive = false;
    conn->h1.is_chunking = end == H1_END_CHUNKED && !exchange->is_head_method;
    kis_buf_init(&out, kis_loop_alloc(conn->home->loop), KIS_CORK_BYTES);
    put_answer_head(conn, &out, head, end, 0);
    if (out.err)
        kis_conn_close(conn, true);
    else
        kis_conn_write(conn, kis_buf_bytes(&out), KIS_BYTES_NONE);
    kis_buf_done(&out);
    if (!conn->is_dead)
        kis_h1_pull(exchange);
}

static void h1_write_piece(kis_conn *conn, kis_bytes piece, bool is_head_method)
{
    char size[24];
    kis_buf line;
    if (is_head_method)
        return;
    if (!conn->h1.is_chunking) {
        kis_conn_write(conn, piece, KIS_BYTES_NONE);
        return;
    }
    kis_buf_init_fixed(&line, size, sizeof(size));
    kis_buf_add_fmt(&line, "%zx\r\n", piece.len);
    kis_conn_write(conn, kis_buf_bytes(&line), piece);
    kis_conn_write(conn, kis_bytes_of("\r\n", 2), KIS_BYTES_NONE);
}

void kis_h1_pull(kis_exchange *exchange)
{
    kis_conn *conn = exchange->conn;
    bool is_ended = false, is_complete = false;
    kis_buf piece;
    if (!exchange->loop_stream)
        return;
    kis_buf_init_fixed(&piece, conn->home->scratch + KIS_READ_BYTES, KIS_PIECE_BYTES);
    while (!is_ended && !conn->is_dead && kis_conn_unsent(conn) <= KIS_CORK_BYTES) {
        kis_buf_clear(&piece);
        size_t size =
            kis_exchange_take_stream(exchange, &piece, KIS_PIECE_BYTES, &is_ended, &is_complete);
        if (size)
            h1_write_piece(conn, kis_buf_bytes(&piece), exchange->is_head_method);
        else if (!is_ended)
            return; /* the next write posts again */
    }
    if (!is_ended || conn->is_dead)
        return;
    if (!is_complete) { /* the end is not marked: the reader sees that it is cut */
        kis_conn_close(conn, true);
        return;
    }
    if (conn->h1.is_chunking)
        kis_conn_write(conn, kis_bytes_of("0\r\n\r\n", 5), KIS_BYTES_NONE);
    conn->h1.is_chunking = false;
    if (!conn->is_dead)
        h1_answered(conn);
}

/* ---- bodies ---- */

static void h1_request_complete(kis_conn *conn)
{
    conn->h1.state = KIS_H1_WAIT;
    /* the handler takes its time; dead peers are found by keepalive probes */
    kis_conn_set_phase(conn, 0);
    if (conn->h1.is_discarding) { /* answered already, or about to be */
        conn->h1.is_discarding = false;
        if (!conn->h1.exchange)
            h1_next(conn);
        return;
    }
    kis_exchange_finish_body(conn->h1.exchange);
}

static void h1_refuse_body(kis_conn *conn, kis_err why, kis_diag *diag)
{
    kis_exchange *exchange = conn->h1.exchange;
    if (!exchange)
        return;
    conn->h1.keeps_alive = false;
    kis_exchange_refuse(exchange, why, diag);
    if (conn->is_dead || conn->h1.exchange != exchange)
        return;
    /* its answer comes from another thread; what follows is no body that anybody may have */
    conn->h1.is_discarding = true;
    conn->h1.discarded_bytes = 0;
}

static void h1_append(kis_conn *conn, kis_bytes data)
{
    kis_exchange *exchange = conn->h1.exchange;
    if (conn->h1.is_discarding || !exchange) {
        conn->h1.discarded_bytes += data.len;
        if (conn->h1.discarded_bytes > KIS_BODY_DISCARD_BYTES)
            kis_conn_close_after_sending(conn, true);
        return;
    }
    kis_err err = kis_exchange_body_reserve(exchange, data.len);
    if (err) {
        h1_refuse_body(conn, err, NULL);
        return;
    }
    if (data.len)
        memcpy(exchange->body + exchange->body_len, data.ptr, data.len);
    exchange->body_len += data.len;
}

static size_t h1_length_body(kis_conn *conn, kis_bytes in)
{
    size_t size = conn->h1.body_left < in.len ? (size_t)conn->h1.body_left : in.len;
    conn->h1.body_left -= size;
    h1_append(conn, kis_bytes_of(in.ptr, size));
    if (conn->h1.body_left == 0 && !conn->is_dead && !conn->closes_when_sent)
        h1_request_complete(conn);
    return size;
}

static size_t h1_chunked_body(kis_conn *conn, kis_bytes in)
{
    kis_bytes rest = in, data;
    kis_diag diag;
    while (rest.len && !conn->h1.chunks.is_done && !conn->is_dead && !conn->closes_when_sent) {
        if (kis_http1_chunks_take(&conn->h1.chunks, &rest, &data, &diag) != KIS_OK) {
            kis_exchange *exchange = conn->h1.exchange;
            conn->h1.exchange = NULL;
            conn->h1.keeps_alive = false;
            kis_h1_refuse(conn, 400, diag.text);
            if (exchange)
                kis_exchange_detach(exchange, true);
            return in.len;
        }
        h1_append(conn, data);
    }
    if (conn->h1.chunks.is_done && !conn->is_dead && !conn->closes_when_sent)
        h1_request_complete(conn);
    return in.len - rest.len;
}

static size_t h1_body(kis_conn *conn, kis_bytes in)
{
    conn->h1.awaits_continue = false; /* it has not waited */
    size_t size = conn->h1.framing == KIS_HTTP1_CHUNKED ? h1_chunked_body(conn, in)
                                                        : h1_length_body(conn, in);
    conn->h1.progress_bytes += size;
    return size;
}

uint8_t *kis_h1_body_room(kis_conn *conn, size_t *out_size)
{
    kis_exchange *exchange = conn->h1.exchange;
    if (conn->h1.state != KIS_H1_BODY || !exchange || conn->h1.is_discarding)
        return NULL;
    uint64_t left = conn->h1.framing == KIS_HTTP1_CHUNKED
                        ? kis_http1_chunks_data_left(&conn->h1.chunks)
                        : conn->h1.body_left;
    if (left < KIS_DIRECT_BYTES) /* little: rather read what is behind it in the same go */
        return NULL;
    if (exchange->body_len == exchange->body_cap) {
        kis_err err = kis_exchange_body_reserve(exchange, 1);
        if (err) {
            h1_refuse_body(conn, err, NULL);
            return NULL;
        }
    }
    size_t room = exchange->body_cap - exchange->body_len;
    *out_size = left < room ? (size_t)left : room;
    return exchange->body + exchange->body_len;
}

void kis_h1_body_read(kis_conn *conn, size_t size)
{
    kis_exchange *exchange = conn->h1.exchange;
    exchange->body_len += size;
    conn->h1.awaits_continue = false;
    conn->h1.progress_bytes += size;
    if (conn->h1.framing == KIS_HTTP1_CHUNKED) {
        kis_http1_chunks_skip(&conn->h1.chunks, size);
        return;
    }
    conn->h1.body_left -= size;
    if (conn->h1.body_left == 0)
        h1_request_complete(conn);
}

/* ---- heads ---- */

static void exchange_set_head(kis_exchange *exchange, const kis_http1_head *head,
                              const kis_header *headers)
{
    kis_conn *conn = exchange->conn;
    exchange->head = (kis_request_head){
        .method = head->method,
        .path = head->path,
        .query = head->query,
        .authority = head->authority,
        .headers = headers,
        .header_count = head->header_count,
        .content_length = head->framing == KIS_HTTP1_CHUNKED ? UINT64_MAX : head->content_length,
        .is_tls = conn->io.ssl != NULL,
        .at_ns = kis_loop_now_ns(conn->home->loop),
    };
    size_t peer_len = strlen(conn->peer);
    /* room was asked for behind the text */
    char *peer = (char *)exchange + exchange->size - peer_len;
    memcpy(peer, conn->peer, peer_len);
    exchange->head.peer = kis_str_of(peer, peer_len);
    exchange->is_head_method = kis_str_eq(head->method, KIS_STR("HEAD"));
    exchange->expected_bytes = head->framing == KIS_HTTP1_LENGTH ? head->content_length : 0;
}

static void conn_set_head(kis_conn *conn, const kis_http1_head *head)
{
    conn->h1.keeps_alive = head->keeps_alive;
    conn->h1.is_http10 = head->minor == 0;
    conn->h1.framing = head->framing;
    conn->h1.body_left = head->framing == KIS_HTTP1_LENGTH ? head->content_length : 0;
    conn->h1.chunks = (kis_http1_chunks){ 0 };
    conn->h1.progress_bytes = 0;
    conn->h1.is_discarding = false;
    conn->h1.awaits_continue = head->expects_continue && head->framing != KIS_HTTP1_NO_BODY;
    conn->h1.state = head->framing == KIS_HTTP1_NO_BODY ? KIS_H1_WAIT : KIS_H1_BODY;
}

static void h1_expect_body(kis_conn *conn, kis_exchange *exchange)
{
    if (exchange->expected_bytes > exchange->max_body_bytes) {
        kis_diag diag;
        kis_diag_set(&diag, KIS_ERR_LIMIT, "a body of %llu bytes, the limit is %llu",
                     (unsigned long long)exchange->expected_bytes,
                     (unsigned long long)exchange->max_body_bytes);
        h1_refuse_body(conn, KIS_ERR_LIMIT, &diag);
        return;
    }
    /* charged before a byte of it is read */
    kis_err err = kis_exchange_body_reserve(exchange, exchange->expected_bytes ? 1 : 0);
    if (err) {
        h1_refuse_body(conn, err, NULL);
        return;
    }
    if (conn->h1.awaits_continue) {
        kis_conn_write(conn, kis_bytes_of("HTTP/1.1 100 Continue\r\n\r\n", 25), KIS_BYTES_NONE);
        conn->h1.awaits_continue = false;
    }
    kis_conn_set_phase(
        conn, kis_listener_ms(conn->listener->options.body_progress_ms, KIS_BODY_PROGRESS_MS));
}

static void h1_start(kis_conn *conn, kis_exchange *exchange)
{
    kis_count_add(&conn->home->stats.requests, 1);
    kis_conn_set_phase(conn, 0);
    kis_exchange_start(exchange, &exchange->max_body_bytes);
    if (conn->is_dead || conn->h1.exchange != exchange)
        return; /* answered; h1_answered looks after the body */
    if (atomic_load(&exchange->is_claimed))
        /* another thread is answering: the body is not wanted */
        conn->h1.is_discarding = conn->h1.state == KIS_H1_BODY;
    else if (conn->h1.state == KIS_H1_WAIT)
        kis_exchange_finish_body(exchange);
    else
        h1_expect_body(conn, exchange);
}

/* The whole head is in `text`: it is copied once, and read where the copy is. */
static void h1_head_complete(kis_conn *conn, kis_bytes text, uint32_t lines)
{
    kis_diag diag;
    int status = 400;
    uint8_t *copy;
    kis_header *headers;
    kis_http1_head head;
    size_t header_room = KIS_MIN((size_t)lines, (size_t)KIS_HTTP_HEADERS_MAX);
    kis_exchange *exchange =
        kis_exchange_new(conn, text.len + strlen(conn->peer), header_room, &copy, &headers);
    if (!exchange) {
        kis_h1_refuse(conn, 503, "out of memory");
        return;
    }
    memcpy(copy, text.ptr, text.len);
    if (kis_http1_parse_request(kis_bytes_of(copy, text.len), headers, &head, &status, &diag) !=
        KIS_OK) {
        exchange->conn = NULL;
        kis_exchange_unref(exchange);
        kis_h1_refuse(conn, status, diag.text);
        return;
    }
    conn_set_head(conn, &head);
    exchange_set_head(exchange, &head, headers);
    conn->h1.exchange = exchange;
    kis_exchange_ref(exchange); /* it may be answered and let go while it is being started */
    h1_start(conn, exchange);
    kis_exchange_unref(exchange);
}

static size_t h1_head(kis_conn *conn, kis_bytes in)
{
    kis_diag diag;
    int status = 400;
    kis_http1_scan *scan = &conn->h1.scan;
    if (conn->is_idle) {
        kis_conn_set_idle(conn, false);
        kis_conn_set_phase(conn, kis_listener_ms(conn->listener->options.header_timeout_ms,
                                                 KIS_HEADER_TIMEOUT_MS));
    }
    kis_err err = kis_http1_scan_head(scan, in, &status, &diag);
    if (err == KIS_ERR_MORE)
        return 0;
    if (err) {
        if (in.ptr[0] == 0x16) { /* the hello of TLS */
            kis_count_add(&conn->home->stats.tls_failures, 1);
            kis_conn_note(conn, "it speaks TLS, and this listener does not");
        }
        kis_h1_refuse(conn, status, diag.text);
        return in.len;
    }
    size_t start = scan->start, end = scan->end;
    h1_head_complete(conn, kis_bytes_of(in.ptr + start, end - start), scan->lines);
    return end;
}

size_t kis_h1_input(kis_conn *conn, kis_bytes in)
{
    size_t used = 0;
    while (used < in.len && !conn->is_dead && !conn->closes_when_sent &&
           kis_conn_unsent(conn) <= KIS_OUT_BYTES_PAUSE) {
        kis_bytes rest = kis_bytes_of(in.ptr + used, in.len - used);
        size_t took = 0;
        if (conn->h1.state == KIS_H1_HEAD)
            took = h1_head(conn, rest);
        else if (conn->h1.state == KIS_H1_BODY)
            took = h1_body(conn, rest);
        if (took == 0)
            break;
        used += took;
    }
    return conn->closes_when_sent ? in.len : used;
}

/* ---- time and the end ---- */

void kis_h1_timeout(kis_conn *conn)
{
    kis_exchange *exchange = conn->h1.exchange;
    bool is_body = conn->h1.state == KIS_H1_BODY && !conn->closes_when_sent;
    bool is_too_slow = exchange && kis_loop_now_ns(conn->home->loop) >= exchange->body_deadline_ns;
    if (is_body && conn->h1.progress_bytes >= KIS_BODY_PROGRESS_BYTES && !is_too_slow) {
        conn->h1.progress_bytes = 0;
        kis_conn_set_phase(
            conn, kis_listener_ms(conn->listener->options.body_progress_ms, KIS_BODY_PROGRESS_MS));
        return;
    }
    if (!conn->is_idle)
        kis_count_add(&conn->home->stats.timeouts, 1);
    if (is_body && exchange && !conn->h1.is_discarding) {
        kis_diag diag;
        kis_diag_set(&diag, KIS_ERR_TIMEOUT,
                     is_too_slow ? "the body takes too long" : "the body does not get on");
        h1_refuse_body(conn, KIS_ERR_TIMEOUT, &diag);
    } else if (!conn->is_idle && conn->h1.state == KIS_H1_HEAD &&
               conn->protocol == KIS_CONN_HTTP1) {
        kis_h1_refuse(conn, 408, "the head of the request did not come in time");
    } else {
        kis_conn_close(conn, false);
    }
}

void kis_h1_gone(kis_conn *conn)
{
    kis_exchange *exchange = conn->h1.exchange;
    conn->h1.exchange = NULL;
    if (exchange)
        kis_exchange_detach(exchange, true);
}
