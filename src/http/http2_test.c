/* http2_test.c - both sides in memory against each other, and hand-made frames against the
 * server. */
#include "http/http2.h"
#include "http/test_frames.h"

#include <string.h>

#include "tests/test.h"

/* ---- one side, recording what happens ---- */

typedef struct side {
    kis_http2 *h2;
    kis_buf out;
    uint8_t body[3 << 20];
    size_t body_len;
    int heads, ends, closes, trailers, status;
    uint32_t close_error;
    char head_text[4096]; /* "POST /x a=b;c=d;" */
    char trailer_text[512];
    bool is_end, is_too_large;
    bool answers_at_once; /* in on_head, without waiting for the body */
    bool echoes;          /* in on_end, with trailers */
    size_t pull_left, pulled;
    bool pull_pauses, pull_is_cut;
    kis_http2_stream *last;
    bool refuses_data;
} side;

static void note_fields(char *to, size_t size, const kis_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = strlen(to);
        snprintf(to + at, size - at, "%.*s=%.*s;", (int)headers[i].name.len, headers[i].name.ptr,
                 (int)headers[i].value.len, headers[i].value.ptr);
    }
}

static const kis_header plain_fields[] = { { KIS_STR_INIT("content-type"),
                                             KIS_STR_INIT("application/grpc") },
                                           { KIS_STR_INIT("connection"), KIS_STR_INIT("close") },
                                           { KIS_STR_INIT("x-bad"), KIS_STR_INIT("a\r\nb: c") } };
static const kis_header status_fields[] = { { KIS_STR_INIT("grpc-status"), KIS_STR_INIT("0") },
                                            { KIS_STR_INIT("grpc-message"),
                                              KIS_STR_INIT("fine") } };

static void side_head(void *user, kis_http2_stream *stream, const kis_http2_head *head)
{
    side *s = user;
    s->heads++;
    s->last = stream;
    s->status = head->status;
    s->is_end = head->is_end;
    s->is_too_large = head->is_too_large;
    snprintf(s->head_text, sizeof(s->head_text), "%.*s %.*s %.*s ", (int)head->method.len,
             head->method.ptr, (int)head->authority.len, head->authority.ptr, (int)head->path.len,
             head->path.ptr);
    note_fields(s->head_text, sizeof(s->head_text), head->headers, head->header_count);
    if (s->answers_at_once)
        CHECK_ERR(KIS_OK,
                  kis_http2_answer(stream, 413, NULL, 0,
                                   &(kis_http2_body){ .bytes = { (const uint8_t *)"no", 2 } }, NULL,
                                   0),
                  "answers");
}
static bool side_data(void *user, kis_http2_stream *stream, kis_bytes piece)
{
    side *s = user;
    (void)stream;
    if (s->refuses_data)
        return false;
    memcpy(s->body + s->body_len, piece.ptr, piece.len);
    s->body_len += piece.len;
    return true;
}
static void side_trailers(void *user, kis_http2_stream *stream, const kis_header *headers,
                          size_t count)
{
    side *s = user;
    (void)stream;
    s->trailers++;
    note_fields(s->trailer_text, sizeof(s->trailer_text), headers, count);
}
static void side_end(void *user, kis_http2_stream *stream)
{
    side *s = user;
    s->ends++;
    if (!s->echoes || stream->is_begun)
        return;
    kis_http2_body body = s->pull_left ? (kis_http2_body){ .is_pulled = true }
                                       : (kis_http2_body){ .bytes = { s->body, s->body_len } };
    if (kis_http2_answer(stream, 200, plain_fields, COUNT_OF(plain_fields), &body, status_fields,
                         COUNT_OF(status_fields)) != KIS_OK)
        kis_http2_reset(stream, KIS_HTTP2_INTERNAL_ERROR);
}
static void side_close(void *user, kis_http2_stream *stream, uint32_t error)
{
    side *s = user;
    s->closes++;
    s->close_error = error;
    if (s->last == stream)
        s->last = NULL;
}
static void side_pull(void *user, kis_http2_stream *stream, kis_buf *to, size_t max,
                      bool *out_ended, bool *out_complete)
{
    side *s = user;
    (void)stream;
    size_t size = s->pull_left < max ? s->pull_left : max;
    if (s->pull_pauses) {
        s->pull_pauses = false;
        return;
    }
    s->pull_pauses = true; /* every other time there is nothing */
    for (size_t i = 0; i < size; i++)
        kis_buf_add_byte(to, 'p');
    s->pull_left -= size;
    s->pulled += size;
    *out_ended = s->pull_left == 0;
    *out_complete = !s->pull_is_cut;
}

static bool side_open(side *s, bool is_server)
{
    const kis_http2_events events = { s,        side_head,  side_data, side_trailers,
                                      side_end, side_close, side_pull };
    memset(s, 0, sizeof(*s));
    s->h2 = kis_http2_new(is_server, &events, test_alloc);
    kis_buf_init(&s->out, test_alloc, 8u << 20);
    return s->h2 != NULL;
}
static void side_done(side *s)
{
    kis_http2_free(s->h2);
    kis_buf_done(&s->out);
}

/* Carries bytes both ways in pieces until nothing moves. */
static kis_err pump(side *a, side *b, size_t piece)
{
    for (int quiet = 0; quiet < 2;) {
        quiet++;
        side *sides[2] = { a, b };
        for (int i = 0; i < 2; i++) {
            side *from = sides[i], *to = sides[!i];
            kis_diag diag;
            kis_err err = kis_http2_fill(from->h2, &from->out, 40000);
            if (err)
                return err;
            for (size_t at = 0; at < from->out.len; at += piece) {
                err = kis_http2_receive(
                    to->h2, 1, kis_bytes_of(from->out.ptr + at, KIS_MIN(piece, from->out.len - at)),
                    &diag);
                if (err)
                    return err;
                quiet = 0;
            }
            kis_buf_clear(&from->out);
        }
        if (b->last && b->last->is_deferred) {
            kis_http2_resume(b->last);
            quiet = 0;
        }
    }
    return KIS_OK;
}

static side client, server;
static uint8_t upload[2500000];

static kis_err send_request(const char *path, size_t body_size, kis_http2_stream **out)
{
    static const kis_header headers[] = { { KIS_STR_INIT("te"), KIS_STR_INIT("trailers") } };
    const kis_http2_head head = { .method = KIS_STR("POST"),
                                  .scheme = KIS_STR("http"),
                                  .authority = KIS_STR("here:1"),
                                  .path = kis_str_from_c(path),
                                  .headers = headers,
                                  .header_count = 1 };
    return kis_http2_request(
        client.h2, &head, &(kis_http2_body){ .bytes = { upload, body_size }, .is_borrowed = true },
        NULL, out);
}

TEST(a_call_comes_back_whole_in_pieces_of_any_size)
{
    static const struct {
        const char *why;
        size_t body, piece;
    } rows[] = {
        { "nothing", 0, 100 },
        { "five bytes, one by one", 5, 1 },
        { "a frame", 16384, 7 },
        { "a batch", 255000, 65536 },
        { "more than the stream's window", 2500000, 9999 },
    };
    test_alloc_reset(-1);
    for (size_t i = 0; i < sizeof(upload); i++)
        upload[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_http2_stream *stream;
        side_open(&client, false);
        side_open(&server, true);
        server.echoes = true;
        CHECK_ERR(KIS_OK, send_request("/x?y=1", rows[i].body, &stream), rows[i].why);
        CHECK_ERR(KIS_OK, pump(&client, &server, rows[i].piece), rows[i].why);
        CHECK(strcmp(server.head_text, "POST here:1 /x?y=1 te=trailers;") == 0, server.head_text);
        CHECK_BYTES(upload, rows[i].body, kis_bytes_of(server.body, server.body_len), rows[i].why);
        CHECK_INT(200, client.status, rows[i].why);
        CHECK(strstr(client.head_text, "content-type=application/grpc;") &&
                  !strstr(client.head_text, "connection") && !strstr(client.head_text, "x-bad"),
              client.head_text);
        CHECK_BYTES(upload, rows[i].body, kis_bytes_of(client.body, client.body_len), rows[i].why);
        CHECK(strcmp(client.trailer_text, "grpc-status=0;grpc-message=fine;") == 0,
              client.trailer_text);
        CHECK(client.closes == 1 && server.closes == 1 && client.close_error == 0,
              "closed in order");
        CHECK_INT(0, kis_http2_stream_count(server.h2), "no stream left");
        side_done(&client);
        side_done(&server);
    }
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(pulled_bodies_pause_and_can_be_cut)
{
    test_alloc_reset(-1);
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        kis_http2_stream *stream;
        side_open(&client, false);
        side_open(&server, true);
        server.echoes = true;
        server.pull_left = 2000000;
        server.pull_is_cut = is_cut;
        CHECK_ERR(KIS_OK, send_request("/", 1, &stream), "sent");
        CHECK_ERR(KIS_OK, pump(&client, &server, 5000), "pumped");
        CHECK_INT(1, client.closes, "closed");
        CHECK(is_cut
                  ? client.close_error != 0 && client.ends == 0
                  : client.close_error == 0 && client.body_len == 2000000 && client.trailers == 1,
              is_cut ? "a cut body does not look whole" : "the whole body");
        side_done(&client);
        side_done(&server);
    }
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(an_answer_before_the_body_stops_the_body)
{
    kis_http2_stream *stream;
    test_alloc_reset(-1);
    side_open(&client, false);
    side_open(&server, true);
    server.answers_at_once = server.refuses_data = true;
    CHECK_ERR(KIS_OK, send_request("/", sizeof(upload), &stream), "sent");
    CHECK_ERR(KIS_OK, pump(&client, &server, 60000), "pumped");
    CHECK_INT(413, client.status, "the refusal arrived");
    CHECK(client.closes == 1 && client.close_error == KIS_HTTP2_NO_ERROR,
          "and the rest was not wanted");
    CHECK_ERR(KIS_OK, send_request("/again", 3, &stream), "the connection lives");
    CHECK_ERR(KIS_OK, pump(&client, &server, 60000), "pumped");
    CHECK_INT(2, server.heads, "and is used again");
    side_done(&client);
    side_done(&server);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(a_body_that_is_taken_back_leaves_one_frame)
{
    kis_http2_stream *stream;
    test_alloc_reset(-1);
    side_open(&client, false);
    side_open(&server, true);
    CHECK_ERR(KIS_OK, send_request("/", sizeof(upload), &stream), "sent");
    CHECK_INT(0, kis_http2_queued_bytes(client.h2), "the body is lent");
    CHECK(kis_http2_keep_frame(stream), "there is memory");
    CHECK_INT(KIS_HTTP2_FRAME_BYTES_MAX, kis_http2_queued_bytes(client.h2), "one frame is ours");
    kis_http2_reset(stream, KIS_HTTP2_CANCEL);
    CHECK_ERR(KIS_OK, pump(&client, &server, 60000), "pumped");
    CHECK_INT(1, client.closes, "it is over");
    CHECK_INT(0, kis_http2_queued_bytes(client.h2), "nothing is left, and not less than that");
    side_done(&client);
    side_done(&server);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(goodbye_finishes_what_is_open_and_refuses_the_rest)
{
    kis_http2_stream *first, *second;
    test_alloc_reset(-1);
    side_open(&client, false);
    side_open(&server, true);
    CHECK_ERR(KIS_OK, send_request("/open", 10, &first), "sent");
    CHECK_ERR(KIS_OK, pump(&client, &server, 1000), "pumped");
    kis_http2_go_away(server.h2, KIS_HTTP2_NO_ERROR);
    CHECK_ERR(KIS_OK, send_request("/late", 10, &second), "crosses the goodbye");
    CHECK_ERR(KIS_OK, kis_http2_fill(server.h2, &server.out, 1000), "goodbye");
    CHECK_ERR(KIS_OK, kis_http2_receive(client.h2, 1, kis_buf_bytes(&server.out), NULL),
              "arrives first");
    kis_buf_clear(&server.out);
    CHECK_ERR(KIS_OK, pump(&client, &server, 1000), "pumped");
    CHECK_INT(1, client.closes, "the late one");
    CHECK_INT(KIS_HTTP2_REFUSED_STREAM, client.close_error, "may be sent again elsewhere");
    CHECK_ERR(KIS_ERR_CLOSED, send_request("/later", 10, &second), "no new ones");
    CHECK(!kis_http2_is_over(server.h2), "one is still open");
    CHECK_ERR(KIS_OK, kis_http2_answer(server.last, 200, NULL, 0, &(kis_http2_body){ 0 }, NULL, 0),
              "answers");
    CHECK_ERR(KIS_OK, pump(&client, &server, 1000), "pumped");
    CHECK_INT(200, client.status, "the open one is answered");
    CHECK(kis_http2_is_over(server.h2), "and that was all");
    side_done(&client);
    side_done(&server);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(header_lists_are_bounded)
{
    static char long_value[9000];
    kis_http2_stream *stream;
    test_alloc_reset(-1);
    memset(long_value, 'v', sizeof(long_value));
    static kis_header many[120];
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = (kis_header){ KIS_STR("x"), KIS_STR("1") };
    for (int row = 0; row < 3; row++) {
        side_open(&client, false);
        side_open(&server, true);
        if (row < 2)
            for (int i = 0; i < 3; i++)
                many[i].value = kis_str_of(long_value, row ? sizeof(long_value) : 10);
        const kis_http2_head head = { .method = KIS_STR("GET"),
                                      .scheme = KIS_STR("http"),
                                      .authority = KIS_STR("a"),
                                      .path = KIS_STR("/"),
                                      .headers = many,
                                      .header_count = row == 0   ? 100
                                                      : row == 1 ? 3
                                                                 : 105 };
        CHECK_ERR(KIS_OK,
                  kis_http2_request(client.h2, &head, &(kis_http2_body){ 0 }, NULL, &stream),
                  "sent");
        CHECK_ERR(KIS_OK, pump(&client, &server, 3000), "pumped");
        CHECK_INT(1, server.heads, "the head arrives");
        CHECK_INT(row != 0, server.is_too_large,
                  row == 0   ? "100 small fields pass"
                  : row == 1 ? "27,000 bytes"
                             : "105 fields");
        side_done(&client);
        side_done(&server);
    }
    CHECK_INT(0, test_alloc_live(), "no leak");
}

/* ---- hand-made frames ---- */

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* POST http a / as HPACK: indexed 3, 6, 4 and a literal authority (index 1). */
static const uint8_t post_head[] = { 0x83, 0x86, 0x84, 0x41, 0x01, 'a' };

/* The error code of the GOAWAY that the server says, -1: none. */
static int goodbye_code(side *s)
{
    while (kis_http2_fill(s->h2, &s->out, 100000) == KIS_OK && s->out.len == 0)
        return -1;
    int code = -1;
    for (size_t at = 0; at + 9 <= s->out.len;) {
        size_t size =
            (size_t)s->out.ptr[at] << 16 | (size_t)s->out.ptr[at + 1] << 8 | s->out.ptr[at + 2];
        if (s->out.ptr[at + 3] == 7 && size >= 8)
            code = s->out.ptr[at + 9 + 7];
        at += 9 + size;
    }
    kis_buf_clear(&s->out);
    return code;
}

TEST(floods_are_answered_with_calm)
{
    enum {
        RAPID_RESET,
        EMPTY_DATA,
        PRIORITY,
        SETTINGS,
        PING,
        WINDOW_UPDATE,
        MADE_TO_RESET,
        CONTINUATION,
        UNREAD_PINGS
    };
    static const struct {
        const char *why;
        int kind, frames;
        int want;
    } rows[] = {
        { "rapid reset", RAPID_RESET, 3000, KIS_HTTP2_ENHANCE_YOUR_CALM },
        { "empty DATA", EMPTY_DATA, 3000, KIS_HTTP2_ENHANCE_YOUR_CALM },
        { "PRIORITY", PRIORITY, 3000, KIS_HTTP2_ENHANCE_YOUR_CALM },
        { "SETTINGS", SETTINGS, 3000, KIS_HTTP2_ENHANCE_YOUR_CALM },
        { "PING", PING, 3000, KIS_HTTP2_ENHANCE_YOUR_CALM },
        { "WINDOW_UPDATE", WINDOW_UPDATE, 50000, KIS_HTTP2_ENHANCE_YOUR_CALM },
        { "MadeYouReset: a window that overflows on each new request", MADE_TO_RESET, 3000,
          KIS_HTTP2_ENHANCE_YOUR_CALM },
        { "CONTINUATION", CONTINUATION, 3000, -2 },
        { "a few of each are fine", PING, 50, -1 },
        { "a few resets are fine", RAPID_RESET, 200, -1 },
    };
    test_alloc_reset(-1);
    for (size_t r = 0; r < COUNT_OF(rows); r++) {
        kis_diag diag = { 0 };
        uint8_t frame[200];
        side_open(&server, true);
        kis_err err = kis_http2_receive(server.h2, 1, kis_bytes_of(PREFACE, 24), &diag);
        err =
            err ? err
                : kis_http2_receive(server.h2, 1,
                                    kis_bytes_of(frame, put_frame(frame, 4, 0, 0, NULL, 0)), &diag);
        int code = goodbye_code(&server);
        CHECK_INT(-1, code, "no goodbye yet");
        if (rows[r].kind == EMPTY_DATA || rows[r].kind == CONTINUATION)
            err = err ? err
                      : kis_http2_receive(
                            server.h2, 1,
                            kis_bytes_of(frame,
                                         put_frame(frame, 1, rows[r].kind == EMPTY_DATA ? 4 : 0, 1,
                                                   post_head, sizeof(post_head))),
                            &diag);
        for (int i = 0;
             i < rows[r].frames && err == KIS_OK && code == -1 && !kis_http2_is_over(server.h2);
             i++) {
            uint32_t id = (uint32_t)i * 2 + 1;
            size_t size = 0;
            switch (rows[r].kind) {
            case RAPID_RESET:
                size = put_frame(frame, 1, 4 | 1, id, post_head, sizeof(post_head));
                size += put_frame(frame + size, 3, 0, id, "\0\0\0\x08", 4);
                break;
            case EMPTY_DATA:
                size = put_frame(frame, 0, 0, 1, NULL, 0);
                break;
            case PRIORITY:
                size = put_frame(frame, 2, 0, id, "\0\0\0\0\x10", 5);
                break;
            case SETTINGS:
                size = put_frame(frame, 4, 0, 0, NULL, 0);
                break;
            case PING:
                size = put_frame(frame, 6, 0, 0, "12345678", 8);
                break;
            case WINDOW_UPDATE:
                size = put_frame(frame, 8, 0, 0, "\0\0\0\x01", 4);
                break;
            case MADE_TO_RESET:
                size = put_frame(frame, 1, 4 | 1, id, post_head, sizeof(post_head));
                size += put_frame(frame + size, 8, 0, id, "\x7f\xff\xff\xff", 4);
                break;
            default:
                size = put_frame(frame, 9, 0, 1, "\x00\x01x\x01y", 5);
                break;
            }
            err = kis_http2_receive(server.h2, 1, kis_bytes_of(frame, size), &diag);
            if (i % 10 == 9 || err)
                code = goodbye_code(&server);
        }
        if (code == -1)
            code = goodbye_code(&server);
        if (rows[r].want == -2)
            CHECK(code > 0, rows[r].why);
        else
            CHECK_INT(rows[r].want, code, rows[r].why);
        CHECK_ERR(rows[r].want == KIS_HTTP2_ENHANCE_YOUR_CALM ? KIS_ERR_LIMIT : err, err,
                  rows[r].why);
        CHECK(server.out.cap < (1u << 20), "the output is bounded");
        side_done(&server);
    }
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(answers_nobody_reads_do_not_gather)
{
    kis_diag diag;
    uint8_t frame[200];
    kis_err err;
    test_alloc_reset(-1);
    side_open(&server, true);
    err = kis_http2_receive(server.h2, 1, kis_bytes_of(PREFACE "\0\0\0\4\0\0\0\0\0", 33), &diag);
    int i = 0;
    /* never filled: the peer does not read; time goes on, so no meter is empty */
    for (; i < 50000 && err == KIS_OK; i++)
        err =
            kis_http2_receive(server.h2, (uint64_t)i * 100000000u,
                              kis_bytes_of(frame, put_frame(frame, 6, 0, 0, "12345678", 8)), &diag);
    CHECK_ERR(KIS_ERR_LIMIT, err, "refused");
    CHECK(i < 2000, "long before 50,000 answers lie there");
    CHECK_INT(KIS_HTTP2_ENHANCE_YOUR_CALM, goodbye_code(&server), "calm");
    side_done(&server);
}

TEST(cancelled_calls_that_were_answered_do_not_count)
{
    kis_diag diag;
    uint8_t frame[200];
    test_alloc_reset(-1);
    side_open(&server, true);
    server.echoes = true;
    CHECK_ERR(
        KIS_OK,
        kis_http2_receive(server.h2, 1, kis_bytes_of(PREFACE "\0\0\0\4\0\0\0\0\0", 33), &diag),
        "preface");
    for (uint32_t i = 0; i < 5000; i++) { /* libcurl resets each call when it has the answer */
        size_t size = put_frame(frame, 1, 4 | 1, i * 2 + 1, post_head, sizeof(post_head));
        CHECK_ERR(KIS_OK, kis_http2_receive(server.h2, 1, kis_bytes_of(frame, size), &diag),
                  "request");
        CHECK_INT(-1, goodbye_code(&server), "answered");
        size = put_frame(frame, 3, 0, i * 2 + 1, "\0\0\0\x08", 4);
        CHECK_ERR(KIS_OK, kis_http2_receive(server.h2, 1, kis_bytes_of(frame, size), &diag),
                  "reset");
    }
    side_done(&server);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(broken_frames_end_the_connection_with_the_right_code)
{
    static const struct {
        const char *why;
        uint8_t type, flags;
        uint32_t id;
        const char *payload;
        size_t size;
        int code;
    } rows[] = {
        { "bad HPACK", 1, 5, 1, "\xff\xff\xff\xff\xff\xff", 6, 9 },
        { "even stream id", 1, 5, 2, "\x83\x86\x84", 3, 1 },
        { "DATA on stream 0", 0, 0, 0, "x", 1, 1 },
        { "DATA on an idle stream", 0, 0, 7, "x", 1, 1 },
        { "SETTINGS of 5 bytes", 4, 0, 0, "12345", 5, 6 },
        { "PING of 7 bytes", 6, 0, 0, "1234567", 7, 6 },
        { "window over 2^31", 8, 0, 0, "\x7f\xff\xff\xff", 4, 3 },
        { "window update of zero", 8, 0, 0, "\0\0\0\0", 4, 1 },
        { "PUSH_PROMISE from a client", 5, 4, 1, "\0\0\0\2\x83", 5, 1 },
    };
    test_alloc_reset(-1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t frame[100];
        kis_diag diag;
        side_open(&server, true);
        CHECK_ERR(KIS_OK, kis_http2_receive(server.h2, 1, kis_bytes_of(PREFACE, 24), &diag),
                  "preface");
        CHECK_ERR(KIS_OK,
                  kis_http2_receive(server.h2, 1,
                                    kis_bytes_of(frame, put_frame(frame, 4, 0, 0, NULL, 0)), &diag),
                  "settings");
        CHECK_ERR(KIS_OK,
                  kis_http2_receive(
                      server.h2, 1,
                      kis_bytes_of(frame, put_frame(frame, rows[i].type, rows[i].flags, rows[i].id,
                                                    rows[i].payload, rows[i].size)),
                      &diag),
                  rows[i].why);
        CHECK_INT(rows[i].code, goodbye_code(&server), rows[i].why);
        CHECK(kis_http2_is_over(server.h2), rows[i].why);
        side_done(&server);
    }
    uint8_t frame[9];
    kis_diag diag;
    side_open(&server, true);
    CHECK_ERR(KIS_ERR_SYNTAX,
              kis_http2_receive(server.h2, 1, kis_bytes_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27),
                                &diag),
              "HTTP/1.1 where HTTP/2 is spoken");
    (void)frame;
    side_done(&server);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(one_bad_request_leaves_the_others_alone)
{
    static const struct {
        const char *why;
        const char *head;
        size_t size;
    } rows[] = {
        { "no :method", "\x86\x84", 2 },
        { "upper-case name", "\x83\x86\x84\x00\x01X\x01y", 8 },
        { "CR LF in a value",
          "\x83\x86\x84\x00\x01x\x03"
          "a\r\n",
          10 },
        { "connection header",
          "\x83\x86\x84\x00\x0a"
          "connection\x01x",
          17 },
        { "two content-lengths",
          "\x83\x86\x84\x0f\x0d\x01"
          "5\x0f\x0d\x01"
          "6",
          11 },
    };
    test_alloc_reset(-1);
    side_open(&server, true);
    server.echoes = true;
    kis_diag diag;
    uint8_t frame[200];
    CHECK_ERR(
        KIS_OK,
        kis_http2_receive(server.h2, 1, kis_bytes_of(PREFACE "\0\0\0\4\0\0\0\0\0", 33), &diag),
        "preface");
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_ERR(KIS_OK,
                  kis_http2_receive(server.h2, 1,
                                    kis_bytes_of(frame, put_frame(frame, 1, 5, 4 * i + 1,
                                                                  rows[i].head, rows[i].size)),
                                    &diag),
                  rows[i].why);
        CHECK_INT((int)i, server.heads, rows[i].why);
        CHECK_ERR(KIS_OK,
                  kis_http2_receive(server.h2, 1,
                                    kis_bytes_of(frame, put_frame(frame, 1, 5, 4 * i + 3, post_head,
                                                                  sizeof(post_head))),
                                    &diag),
                  "a good one");
        CHECK_INT((int)i + 1, server.heads, "is served");
        CHECK_INT(-1, goodbye_code(&server), rows[i].why);
    }
    side_done(&server);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST(no_memory_at_each_place_is_said_and_leaks_nothing)
{
    for (long n = 0;; n++) {
        test_alloc_reset(n);
        bool is_open = side_open(&client, false), is_both = side_open(&server, true) && is_open;
        server.echoes = true;
        kis_http2_stream *stream;
        if (is_both) {
            kis_err err = send_request("/x", 70000, &stream);
            if (err == KIS_OK)
                err = pump(&client, &server, 30000);
            CHECK(test_alloc_failed() || (err == KIS_OK && client.trailers == 1),
                  "without a failure it works");
        }
        side_done(&client);
        side_done(&server);
        CHECK_INT(0, test_alloc_live(), "no leak");
        if (!test_alloc_failed())
            break;
    }
    test_alloc_reset(-1);
}

TEST_MAIN(RUN(a_call_comes_back_whole_in_pieces_of_any_size),
          RUN(pulled_bodies_pause_and_can_be_cut), RUN(an_answer_before_the_body_stops_the_body),
          RUN(a_body_that_is_taken_back_leaves_one_frame),
          RUN(goodbye_finishes_what_is_open_and_refuses_the_rest), RUN(header_lists_are_bounded),
          RUN(floods_are_answered_with_calm), RUN(answers_nobody_reads_do_not_gather),
          RUN(cancelled_calls_that_were_answered_do_not_count),
          RUN(broken_frames_end_the_connection_with_the_right_code),
          RUN(one_bad_request_leaves_the_others_alone),
          RUN(no_memory_at_each_place_is_said_and_leaks_nothing))
