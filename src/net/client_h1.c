/* client_h1.c - HTTP/1.1 on a line of the client: one call at a time, head and body in one write.
 *
 *     idle ── start ──> sending and reading at once ── answer whole ──> idle, or dead
 *
 * The answer may come before the request is out (a refusal): it is taken, and the line dies,
 * because the rest of the request is still owed. When writing fails, the answer that made the peer
 * stop may already be here: reading decides.
 *
 * A line that was used before may have been given up by its peer in the same moment. When it ends
 * before a byte of the answer, the call goes once more, and with it go all lines that were idle as
 * long.
 */
#include "net/client_in.h"

#include "base/diag.h"
#include "base/fmt.h"

/* Under TLS, head and body up to this leave as one record. */
#define GATHER_BYTES ((size_t)16 << 10)

/* ---- the end of a call on its line ---- */

kis_call *kis_h1_line_take(kis_line *line)
{
    kis_call *call = line->h1.call;
    line->h1.call = NULL;
    if (call)
        call->line = NULL;
    return call;
}

void kis_h1_line_abandon(kis_line *line)
{
    (void)kis_h1_line_take(line);
    kis_line_kill(line);
}

void kis_h1_line_done(kis_line *line)
{
    kis_buf_done(&line->h1.in);
}

static void h1_fail(kis_line *line, kis_err err, const char *what)
{
    kis_call *call = kis_h1_line_take(line);
    kis_line_kill(line);
    kis_call_say(call, err, what);
}

static bool h1_is_all_sent(const kis_line *line)
{
    const kis_call *call = line->h1.call;
    return line->h1.sent_head == call->head.len && line->h1.sent_body == call->body.len;
}

static void h1_finish(kis_line *line, bool has_excess)
{
    bool lives =
        line->h1.keeps_alive && !has_excess && h1_is_all_sent(line) && !line->h1.has_write_failed;
    kis_call *call = kis_h1_line_take(line);
    line->was_used = true;
    kis_call_end(call, KIS_OK, NULL);
    if (lives)
        kis_line_want(line, false);
    else
        kis_line_kill(line);
}

static void h1_kill_idle_lines(kis_client *client)
{
    for (kis_line *line = client->lines, *next; line; line = next) {
        next = line->next;
        if (line->state == KIS_LINE_OPEN && !line->h1.call && line->was_used)
            kis_line_kill(line);
    }
}

static void h1_lost(kis_line *line, bool is_in_order)
{
    kis_client *client = line->client;
    kis_call *call = line->h1.call;
    if (line->h1.has_head && line->h1.framing == KIS_HTTP1_UNTIL_CLOSE && is_in_order) {
        h1_finish(line, true);
    } else if (line->h1.has_answer_begun) {
        h1_fail(line, KIS_ERR_IO, "the connection broke in the middle of the answer");
    } else if (line->was_used && !call->is_second) {
        kis_h1_line_abandon(line);
        h1_kill_idle_lines(client);
        kis_call_again(call);
    } else {
        bool was_silent = !line->was_used && !call->is_second; /* nor was another line */
        h1_fail(line, KIS_ERR_IO, kis_line_loss(line, is_in_order, was_silent));
    }
}

/* ---- the answer ---- */

/* What is no HTTP/1.1 at all, in words that help; NULL: it may be. */
static const char *h1_foreign(kis_bytes in)
{
    uint8_t first = in.ptr[0];
    if (first == 0 && (in.len < 4 || in.ptr[3] == 4)) /* the frame SETTINGS */
        return "the peer speaks HTTP/2, not HTTP/1.1: is this a gRPC port?";
    if (first == 0x15 || first == 0x16)
        return "the peer speaks TLS: want https://";
    return first > 0x20 && first < 0x7f ? NULL
           : first == '\r'              ? NULL
                                        : "the peer does not speak HTTP/1.1";
}

static void h1_take_length(kis_line *line, const kis_http1_head *head)
{
    kis_call *call = line->h1.call;
    kis_err err = head->framing == KIS_HTTP1_LENGTH
                      ? kis_call_expect_body(call, head->content_length)
                      : KIS_OK;
    line->h1.body_left = head->content_length;
    line->h1.chunks = (kis_http1_chunks){ 0 };
    if (err)
        h1_fail(line, err,
                err == KIS_ERR_LIMIT ? "the answer is larger than the limit"
                                     : "no memory for the answer");
}

/* The head's bytes move in with the call, its views behind them. */
static void h1_head_is_here(kis_line *line, kis_bytes text, uint32_t lines)
{
    kis_call *call = line->h1.call;
    const kis_alloc *alloc = line->client->alloc;
    size_t room = KIS_MIN((size_t)lines, (size_t)KIS_HTTP_HEADERS_MAX) * sizeof(kis_header);
    kis_http1_head head;
    kis_diag diag;

    kis_header *headers = alloc->take(alloc->user, room + text.len);
    if (!headers) {
        h1_fail(line, KIS_ERR_NOMEM, "no memory for the answer");
        return;
    }
    call->answer_block = headers;
    call->answer_block_size = room + text.len;
    uint8_t *copy = (uint8_t *)headers + room;
    memcpy(copy, text.ptr, text.len);
    kis_err err = kis_http1_parse_answer(kis_bytes_of(copy, text.len), call->is_head_method,
                                         headers, &head, &diag);
    if (!err && head.status == 101)
        err = kis_diag_set(&diag, KIS_ERR_SYNTAX, "switches to a protocol that nobody asked for");
    if (!err && head.status < 200 && ++line->h1.interim_count > KIS_CLIENT_INTERIM_MAX)
        err = kis_diag_set(&diag, KIS_ERR_LIMIT, "1xx without end");
    if (err) {
        kis_diag_in(&diag, err, "the head of the answer");
        h1_fail(line, err, diag.text);
    } else if (head.status < 200) {
        kis_call_forget_answer(call);
    } else {
        call->status = head.status;
        call->answer_headers = headers;
        call->answer_header_count = head.header_count;
        line->h1.has_head = true;
        line->h1.keeps_alive = head.keeps_alive;
        line->h1.framing = head.framing;
        h1_take_length(line, &head);
    }
}

static void h1_take_head(kis_line *line, kis_bytes *in)
{
    kis_buf *kept = &line->h1.in;
    kis_http1_scan *scan = &line->h1.scan;
    kis_bytes all = *in;
    kis_diag diag;
    int status;

    if (kept->len) {
        kis_buf_add_bytes(kept, *in);
        all = kis_buf_bytes(kept);
    }
    const char *foreign = h1_foreign(all);
    kis_err err = kept->err ? kept->err
                  : foreign ? KIS_ERR_SYNTAX
                            : kis_http1_scan_head(scan, all, &status, &diag);
    if (err == KIS_ERR_MORE && !kept->len)
        kis_buf_add_bytes(kept, *in);
    if (err == KIS_ERR_MORE && !kept->err) {
        *in = KIS_BYTES_NONE;
        return;
    }
    if (err) {
        h1_fail(line, err == KIS_ERR_MORE ? KIS_ERR_NOMEM : err,
                foreign                 ? foreign
                : err == KIS_ERR_LIMIT  ? "the head of the answer is too large"
                : err == KIS_ERR_SYNTAX ? diag.text
                                        : "no memory for the answer");
        return;
    }
    size_t behind = all.len - scan->end;
    kis_bytes text = kis_bytes_of(all.ptr + scan->start, scan->end - scan->start);
    uint32_t lines = scan->lines;
    *scan = (kis_http1_scan){ 0 };
    /* what was kept ended before the head's end */
    *in = kis_bytes_of(in->ptr + in->len - behind, behind);
    h1_head_is_here(line, text, lines);
    kis_buf_clear(kept);
}

static void h1_take_body(kis_line *line, kis_bytes *in)
{
    kis_call *call = line->h1.call;
    kis_bytes data = *in;
    kis_err err = KIS_OK;
    kis_diag diag;
    if (line->h1.framing == KIS_HTTP1_CHUNKED) {
        err = kis_http1_chunks_take(&line->h1.chunks, in, &data, &diag);
    } else {
        data.len = line->h1.framing == KIS_HTTP1_LENGTH && line->h1.body_left < in->len
                       ? (size_t)line->h1.body_left
                       : in->len;
        *in = kis_bytes_of(in->ptr + data.len, in->len - data.len);
        line->h1.body_left -= data.len;
    }
    if (err) {
        h1_fail(line, err, diag.text);
        return;
    }
    err = kis_call_add_body(call, data);
    if (err)
        h1_fail(line, err,
                err == KIS_ERR_LIMIT ? "the answer is larger than the limit"
                                     : "no memory for the answer");
}

static bool h1_is_whole(const kis_line *line)
{
    switch (line->h1.framing) {
    case KIS_HTTP1_NO_BODY:
        return true;
    case KIS_HTTP1_LENGTH:
        return line->h1.body_left == 0;
    case KIS_HTTP1_CHUNKED:
        return line->h1.chunks.is_done;
    default:
        return false;
    }
}

static void h1_take(kis_line *line, kis_bytes in)
{
    line->h1.has_answer_begun = true;
    while (in.len && line->h1.call) {
        if (line->h1.has_head)
            h1_take_body(line, &in);
        else
            h1_take_head(line, &in);
        if (line->h1.call && line->h1.has_head && h1_is_whole(line))
            h1_finish(line, in.len > 0);
    }
}

static void h1_read(kis_line *line)
{
    uint8_t bytes[KIS_CLIENT_READ_BYTES];
    for (uint32_t reads = 1;; reads++) {
        ptrdiff_t got = kis_line_read(line, bytes, sizeof(bytes));
        if (got == KIS_IO_AGAIN)
            return;
        if (got < 0) {
            h1_lost(line, got == KIS_IO_END);
            return;
        }
        h1_take(line, kis_bytes_of(bytes, (size_t)got));
        if (!kis_line_has_more(line, sizeof(bytes), got, reads) || !line->h1.call)
            return;
    }
}

/* ---- the request ---- */

static ptrdiff_t h1_write_some(kis_line *line)
{
    const kis_call *call = line->h1.call;
    uint8_t record[GATHER_BYTES];
    kis_bytes head =
        kis_bytes_of(call->head.ptr + line->h1.sent_head, call->head.len - line->h1.sent_head);
    kis_bytes body = kis_bytes_of(call->body.len ? call->body.ptr + line->h1.sent_body : NULL,
                                  call->body.len - line->h1.sent_body);
    if (!line->io.ssl || !head.len || !body.len || head.len + body.len > sizeof(record))
        return kis_stream_write(&line->io, head, body);
    memcpy(record, head.ptr, head.len);
    memcpy(record + head.len, body.ptr, body.len);
    return kis_stream_write(&line->io, kis_bytes_of(record, head.len + body.len), KIS_BYTES_NONE);
}

static void h1_write(kis_line *line)
{
    while (!h1_is_all_sent(line)) {
        ptrdiff_t put = h1_write_some(line);
        if (put == KIS_IO_AGAIN)
            return;
        if (put < 0) {
            line->h1.has_write_failed = true;
            return;
        }
        line->h1.call->was_sent = true;
        size_t of_head = KIS_MIN((size_t)put, line->h1.call->head.len - line->h1.sent_head);
        line->h1.sent_head += of_head;
        line->h1.sent_body += (size_t)put - of_head;
    }
}

static void h1_settle(kis_line *line)
{
    kis_line_want(line, line->h1.call && !line->h1.has_write_failed && !h1_is_all_sent(line));
}

void kis_h1_line_start(kis_line *line, kis_call *call)
{
    line->h1.call = call;
    call->line = line;
    call->start_ns = kis_loop_now_ns(line->client->loop);
    line->h1.sent_head = line->h1.sent_body = 0;
    line->h1.has_write_failed = line->h1.has_answer_begun = line->h1.has_head = false;
    line->h1.interim_count = 0;
    h1_write(line);
    if (line->h1.has_write_failed)
        h1_read(line);
    if (line->state == KIS_LINE_OPEN)
        h1_settle(line);
}

/* ---- events ---- */

void kis_h1_line_ready(kis_line *line)
{
    kis_buf_init(&line->h1.in, line->client->alloc,
                 KIS_HTTP1_HEAD_BYTES_MAX + KIS_CLIENT_READ_BYTES);
    kis_line_want(line, false);
}

/* Nobody asked: the peer closes, says why (408), or TLS has a ticket for us. */
static void h1_idle_event(kis_line *line)
{
    uint8_t bytes[512];
    if (kis_line_read(line, bytes, sizeof(bytes)) != KIS_IO_AGAIN)
        kis_line_kill(line);
    else
        kis_line_want(line, false);
}

void kis_h1_line_event(kis_line *line, uint32_t events)
{
    if (!line->h1.call) {
        h1_idle_event(line);
        return;
    }
    if (!line->h1.has_write_failed && ((events & KIS_LOOP_WRITE) || line->io.write_wants_read))
        h1_write(line);
    if (line->h1.has_write_failed || (events & (KIS_LOOP_READ | KIS_LOOP_HANGUP)) ||
        line->io.read_wants_write)
        h1_read(line);
    if (line->state == KIS_LINE_OPEN)
        h1_settle(line);
}
