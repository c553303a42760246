/* client_h2.c - HTTP/2 on a line of the client: many calls at once, bodies sent from where they lie
 *
 *     start ──> stream ──> flush: frames are made when the socket takes them
 *     bytes ──> session ──> head, data, trailers, end: the call ends, its stream perhaps later
 *
 * Always true: (1) stream->user is the call that waits for it, or NULL: nobody does, (2) a stream
 * without a call owns the bytes that it may still send: a body is borrowed only as long as its call
 * lives.
 *
 * A peer that says goodbye keeps what it has begun with; the rest comes back (REFUSED_STREAM) and
 * goes to a new line.
 */
#include "net/client_in.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"

/* What a server of HTTP/1.1 answers to our preface. */
static const char foreign_greeting[] = "HTTP/";
#define FOREIGN_BYTES (sizeof(foreign_greeting) - 1)

/* ---- a call leaves its stream ---- */

static void h2_detach(kis_call *call)
{
    call->was_sent |= call->stream->is_head_sent;
    call->stream->user = NULL;
    call->stream = NULL;
    call->line = NULL;
    call->client->in_flight--;
}

/* The call goes, its stream is reset. */
static void h2_let_go(kis_line *line, kis_call *call)
{
    kis_http2_stream *stream = call->stream;
    h2_detach(call);
    if (!kis_http2_keep_frame(stream))
        line->h2.is_broken = true; /* no memory: no further frame is made on this line */
    kis_http2_reset(stream, KIS_HTTP2_CANCEL);
}

void kis_h2_line_abandon(kis_line *line, kis_call *call)
{
    if (line->last_read_ns < call->start_ns)
        line->is_leaving = true; /* not a byte since: perhaps nobody is there any more, and TCP
                                    would notice in a quarter of an hour */
    h2_let_go(line, call);
}

kis_call *kis_h2_line_take(kis_line *line)
{
    kis_http2_stream *stream = kis_http2_first(line->h2.session);
    while (stream && !stream->user)
        stream = stream->next;
    kis_call *call = stream ? stream->user : NULL;
    if (call)
        h2_detach(call);
    return call;
}

static void h2_fail(kis_line *line, kis_call *call, kis_err err, const char *what)
{
    h2_let_go(line, call);
    kis_call_say(call, err, what);
}

/* The line is gone with all that is on it. What has not left, or may have met a line that its peer
 * had already given up, goes once more. */
static void h2_lost(kis_line *line, kis_err err, const char *what)
{
    bool was_used = line->was_used;
    uint64_t last_read_ns = line->last_read_ns;
    kis_call *again = NULL, *call;
    while ((call = kis_h2_line_take(line)) != NULL) { /* the newest first */
        bool is_stale = was_used && call->status == 0 && last_read_ns <= call->start_ns;
        if (err == KIS_ERR_IO && !call->is_second && (is_stale || !call->was_sent)) {
            call->next = again;
            again = call;
        } else {
            kis_call_say(call, err, what);
        }
    }
    kis_call *reversed = NULL;
    while (again) { /* the front of the queue takes the newest first, so that the oldest stands
                       before it */
        kis_call *next = again->next;
        again->next = reversed;
        reversed = again;
        again = next;
    }
    kis_line_kill(line);
    while (reversed) {
        kis_call *next = reversed->next;
        kis_call_again(reversed);
        reversed = next;
    }
}

/* ---- events of the session ---- */

static void h2_on_head(void *user, kis_http2_stream *stream, const kis_http2_head *head)
{
    kis_call *call = stream->user;
    if (!call)
        return;
    if (head->is_too_large) {
        h2_fail(user, call, KIS_ERR_LIMIT, "the head of the answer is too large");
        return;
    }
    call->status = head->status;
    if (kis_call_set_headers(call, head->headers, head->header_count, false) != KIS_OK) {
        h2_fail(user, call, KIS_ERR_NOMEM, "no memory for the answer");
        return;
    }
    uint64_t length;
    kis_str declared =
        kis_header_find(head->headers, head->header_count, KIS_STR("content-length"));
    if (head->is_end || !declared.ptr || kis_u64_parse(declared, &length) != KIS_OK ||
        call->is_head_method)
        return;
    kis_err err = kis_call_expect_body(call, length);
    if (err)
        h2_fail(user, call, err,
                err == KIS_ERR_LIMIT ? "the answer is larger than the limit"
                                     : "no memory for the answer");
}

static bool h2_on_data(void *user, kis_http2_stream *stream, kis_bytes piece)
{
    kis_call *call = stream->user;
    kis_err err = call ? kis_call_add_body(call, piece) : KIS_OK;
    if (err)
        h2_fail(user, call, err,
                err == KIS_ERR_LIMIT ? "the answer is larger than the limit"
                                     : "no memory for the answer");
    return call && !err;
}

static void h2_on_trailers(void *user, kis_http2_stream *stream, const kis_header *headers,
                           size_t count)
{
    kis_call *call = stream->user;
    if (call && kis_call_set_headers(call, headers, count, true) != KIS_OK)
        h2_fail(user, call, KIS_ERR_NOMEM, "no memory for the answer");
}

static void h2_on_end(void *user, kis_http2_stream *stream)
{
    kis_line *line = user;
    kis_call *call = stream->user;
    if (!call)
        return;
    line->was_used = true;
    if (stream->is_out_over)
        h2_detach(call);
    else
        h2_let_go(line, call); /* answered before its body was out: nobody wants the rest */
    kis_call_end(call, KIS_OK, NULL);
}

static void h2_on_close(void *user, kis_http2_stream *stream, uint32_t error)
{
    kis_call *call = stream->user;
    char text[64];
    (void)user;
    if (!call)
        return;
    h2_detach(call);
    /* it was not looked at (RFC 9113, 8.7) */
    if (error == KIS_HTTP2_REFUSED_STREAM && !call->is_second) {
        kis_call_again(call);
        return;
    }
    kis_fmt(text, sizeof(text), "the peer reset the request (HTTP/2 error %u)", error);
    kis_call_say(call, KIS_ERR_IO, text);
}

/* ---- bytes in ---- */

static void h2_receive(kis_line *line, kis_bytes in)
{
    kis_diag diag;
    kis_http2 *session = line->h2.session;
    kis_err err = kis_http2_receive(session, kis_loop_now_ns(line->client->loop), in, &diag);
    if (err) {
        if (err != KIS_ERR_SYNTAX && !line->h2.is_failing) {
            line->h2.is_failing = true; /* when sending fails, it reads on, and is here again */
            kis_h2_line_flush(line);    /* the GOAWAY that says why */
        }
        if (line->state == KIS_LINE_OPEN)
            h2_lost(line, err, diag.text);
    } else if (kis_http2_is_goodbye_received(session)) {
        line->is_leaving = true;
    }
}

/* The first bytes tell a server of HTTP/1.1 from one of HTTP/2, whose first byte cannot be 'H'. */
static void h2_receive_first(kis_line *line, kis_bytes in)
{
    size_t have = line->h2.first_count, more = KIS_MIN(in.len, FOREIGN_BYTES - have);
    memcpy(line->h2.first_bytes + have, in.ptr, more);
    have += more;
    line->h2.first_count = (uint8_t)have;
    if (memcmp(line->h2.first_bytes, foreign_greeting, have) == 0) {
        if (have == FOREIGN_BYTES)
            h2_lost(line, KIS_ERR_SYNTAX, "the peer speaks HTTP/1.1, not HTTP/2 (gRPC)");
        return;
    }
    line->h2.is_known_peer = true;
    if (line->h2.first_bytes[0] == 0x15 || line->h2.first_bytes[0] == 0x16) {
        h2_lost(line, KIS_ERR_SYNTAX, "the peer speaks TLS: want https://");
        return;
    }
    h2_receive(line, kis_bytes_of(line->h2.first_bytes, have));
    if (line->state == KIS_LINE_OPEN && in.len > more)
        h2_receive(line, kis_bytes_of(in.ptr + more, in.len - more));
}

static void h2_read(kis_line *line)
{
    uint8_t bytes[KIS_CLIENT_READ_BYTES];
    for (uint32_t reads = 1;; reads++) {
        ptrdiff_t got = kis_line_read(line, bytes, sizeof(bytes));
        if (got == KIS_IO_AGAIN)
            return;
        if (got < 0) {
            bool was_silent = !line->h2.is_known_peer && !line->h2.first_count;
            h2_lost(line, KIS_ERR_IO, kis_line_loss(line, got == KIS_IO_END, was_silent));
            return;
        }
        if (line->h2.is_known_peer)
            h2_receive(line, kis_bytes_of(bytes, (size_t)got));
        else
            h2_receive_first(line, kis_bytes_of(bytes, (size_t)got));
        if (!kis_line_has_more(line, sizeof(bytes), got, reads))
            return;
    }
}

/* ---- bytes out ---- */

static bool h2_has_unsent(const kis_line *line)
{
    return line->h2.out_at < line->h2.out.len;
}

/* False: the socket takes no more, or the line is dead. */
static bool h2_send_unsent(kis_line *line)
{
    kis_buf *out = &line->h2.out;
    ptrdiff_t put = kis_stream_write(
        &line->io, kis_bytes_of(out->ptr + line->h2.out_at, out->len - line->h2.out_at),
        KIS_BYTES_NONE);
    if (put == KIS_IO_AGAIN)
        return false;
    if (put < 0) {
        /* what the peer said before it closed; then the end shows, and the line dies */
        h2_read(line);
        return false;
    }
    line->h2.out_at += (size_t)put;
    if (!h2_has_unsent(line)) {
        kis_buf_done(out);
        line->h2.out_at = 0;
    }
    return true;
}

static bool h2_send(kis_line *line, kis_bytes piece)
{
    ptrdiff_t put = kis_stream_write(&line->io, piece, KIS_BYTES_NONE);
    if (put == (ptrdiff_t)piece.len)
        return true;
    size_t taken = put > 0 ? (size_t)put : 0;
    kis_buf_init(&line->h2.out, line->client->alloc, KIS_CLIENT_WRITE_BYTES + KIS_HTTP2_FILL_SLACK);
    kis_buf_add(&line->h2.out, piece.ptr + taken, piece.len - taken);
    line->h2.out_at = 0;
    if (line->h2.out.err) {
        h2_lost(line, KIS_ERR_NOMEM, "no memory for a request");
        return false;
    }
    return put != KIS_IO_AGAIN; /* after a failure, too: h2_send_unsent meets it again */
}

/* Frames into memory of the moment, and on; false: enough for now. */
static bool h2_fill_and_send(kis_line *line)
{
    uint8_t room[KIS_CLIENT_WRITE_BYTES + KIS_HTTP2_FILL_SLACK];
    kis_buf piece;
    kis_buf_init_fixed(&piece, room, sizeof(room));
    if (kis_http2_fill(line->h2.session, &piece, KIS_CLIENT_WRITE_BYTES) != KIS_OK) {
        h2_lost(line, KIS_ERR_NOMEM, "no memory for a request");
        return false;
    }
    return piece.len && h2_send(line, kis_buf_bytes(&piece));
}

/* The session wants nothing more: it was left, or what came was wrong and we have said so. */
static void h2_over(kis_line *line)
{
    if (!kis_http2_is_greeted(line->h2.session))
        h2_lost(line, KIS_ERR_SYNTAX, "the peer does not speak HTTP/2");
    else if (line->is_leaving)
        h2_lost(line, KIS_ERR_IO, "the peer said goodbye");
    else
        h2_lost(line, KIS_ERR_SYNTAX, "the peer broke the rules of HTTP/2");
}

void kis_h2_line_flush(kis_line *line)
{
    if (line->h2.is_broken) {
        h2_lost(line, KIS_ERR_NOMEM, "no memory for a request");
        return;
    }
    while (line->state == KIS_LINE_OPEN &&
           (h2_has_unsent(line) ? h2_send_unsent(line) : h2_fill_and_send(line)))
        ;
    if (line->state != KIS_LINE_OPEN)
        return;
    bool is_over = kis_http2_is_over(line->h2.session) ||
                   (line->is_leaving && kis_http2_stream_count(line->h2.session) == 0);
    if (is_over && !h2_has_unsent(line))
        h2_over(line);
    else
        kis_line_want(line, h2_has_unsent(line));
}

/* ---- begin, events, end ---- */

bool kis_h2_line_ready(kis_line *line)
{
    const kis_http2_events events = { line,      h2_on_head,  h2_on_data, h2_on_trailers,
                                      h2_on_end, h2_on_close, NULL };
    line->h2.session = kis_http2_new(false, &events, line->client->alloc);
    return line->h2.session != NULL;
}

kis_err kis_h2_line_start(kis_line *line, kis_call *call)
{
    kis_client *client = line->client;
    const kis_http2_head head = {
        .method = call->method,
        .scheme = client->tls ? KIS_STR("https") : KIS_STR("http"),
        .authority = client->authority,
        .path = call->path,
        .headers = call->headers,
        .header_count = call->header_count,
    };
    const kis_http2_body body = { .bytes = call->body, .is_borrowed = true };
    kis_err err = kis_http2_request(line->h2.session, &head, &body, call, &call->stream);
    if (err)
        return err;
    call->line = line;
    call->start_ns = kis_loop_now_ns(client->loop);
    client->in_flight++;
    return KIS_OK;
}

void kis_h2_line_event(kis_line *line, uint32_t events)
{
    if ((events & (KIS_LOOP_READ | KIS_LOOP_HANGUP)) || line->io.read_wants_write)
        h2_read(line); /* what is to be sent goes when the client leaves: kis_h2_line_flush */
}

void kis_h2_line_done(kis_line *line)
{
    kis_http2_free(line->h2.session);
    line->h2.session = NULL;
    kis_buf_done(&line->h2.out);
}
