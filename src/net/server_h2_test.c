/* server_h2_test.c - HTTP/2 and gRPC through real sockets: calls, bounds, floods, clocks, and the
 * goodbye. */
#include "http/test_frames.h"
#include "net/test_h2.h"

static peer p, q;
static uint8_t bytes[3 << 20];

static kis_bytes grpc_body(size_t size)
{
    bytes[0] = 0;
    bytes[1] = (uint8_t)(size >> 24), bytes[2] = (uint8_t)(size >> 16),
    bytes[3] = (uint8_t)(size >> 8), bytes[4] = (uint8_t)size;
    for (size_t i = 5; i < size + 5; i++)
        bytes[i] = (uint8_t)(i * 31);
    return kis_bytes_of(bytes, size + 5);
}

TEST(calls_are_answered_side_by_side)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    peer_open(&p, &s);
    peer_call *plain = peer_send(&p, "/describe?a=b", "text/plain", 3, kis_bytes_of("abc", 3));
    PEER_WAIT(&p, plain->is_closed, "answered");
    CHECK(
        plain->status == 200 &&
            strstr(plain->body, "POST path=/describe query=a=b authority=here headers=2 body=3\n"),
        plain->body);
    CHECK(strstr(plain->text, "content-length=") && strstr(plain->text, "date="), plain->text);
    enum { CALLS = 200 };
    kis_bytes body = grpc_body(1000);
    for (int i = 0; i < CALLS; i++)
        peer_send(&p, "/echo", "application/grpc", -1, body);
    PEER_WAIT(&p, p.closed_count == CALLS + 1, "all of them");
    for (int i = 1; i <= CALLS; i++)
        CHECK(p.calls[i].status == 200 && p.calls[i].grpc_status == 0 &&
                  p.calls[i].body_len == body.len && !p.calls[i].is_trailers_only,
              "an echo with trailers");
    peer_call *large = peer_send(&p, "/echo", "application/grpc", -1, grpc_body(2900000));
    PEER_WAIT(&p, large->is_closed, "a large one, far beyond the windows");
    CHECK(large->grpc_status == 0 && large->body_len == 2900005 &&
              memcmp(large->body, bytes, sizeof(large->body)) == 0,
          "whole");
    peer_close(&p);
    test_server_stop(&s, 1000);
}

TEST(other_threads_answer_and_stream)
{
    test_server s;
    test_server_start(&s, 2, NULL);
    peer_open(&p, &s);
    peer_open(&q, &s);
    for (int i = 0; i < 20; i++) {
        peer_send(&p, "/later", "text/plain", -1, kis_bytes_of("later", 5));
        peer_send(&q, "/later", "text/plain", -1, kis_bytes_of("later", 5));
    }
    PEER_WAIT(&p, p.closed_count == 20, "one loop");
    PEER_WAIT(&q, q.closed_count == 20, "the other");
    for (int i = 0; i < 20; i++)
        CHECK(p.calls[i].status == 200 && p.calls[i].body_len == 5 && q.calls[i].body_len == 5,
              "whole");
    peer_call *stream = peer_send(&p, "/stream", NULL, -1, KIS_BYTES_NONE);
    PEER_WAIT(&p, stream->is_closed, "streamed");
    CHECK(stream->body_len == 1000000 && stream->is_ended && stream->error == 0, "a million bytes");
    stream = peer_send(&p, "/stream?cut", NULL, -1, KIS_BYTES_NONE);
    PEER_WAIT(&p, stream->is_closed, "streamed");
    CHECK(!stream->is_ended && stream->error != 0, "a cut answer is reset");
    stream = peer_send(&p, "/stream", NULL, -1, KIS_BYTES_NONE);
    PEER_WAIT(&p, stream->body_len > 0, "begun");
    kis_http2_reset(stream->stream, KIS_HTTP2_CANCEL);
    PEER_WAIT(&p, stream->is_closed, "cancelled");
    stream = peer_send(&p, "/echo", NULL, -1, KIS_BYTES_NONE);
    PEER_WAIT(&p, stream->is_closed && stream->status == 200, "the connection lives");
    peer_close(&p);
    peer_close(&q);
    test_server_stop(&s, 1000);
}

TEST(bodies_have_bounds_that_grpc_understands)
{
    static const struct {
        const char *why, *type;
        long length;
        const char *body;
        size_t body_len;
        uint64_t budget;
        int status, grpc;
    } rows[] = {
        { "declared too long", "text/plain", 1001, NULL, 0, 0, 413, -1 },
        { "grows too long", "text/plain", -1, NULL, 1001, 0, 413, -1 },
        { "gRPC says 4 GiB", "application/grpc", -1, "\0\xff\xff\xff\xff", 5, 0, 200, 8 },
        { "gRPC, one byte too many", "application/grpc+proto", -1, "\0\0\0\3\xe4", 5, 0, 200, 8 },
        { "no room in the budget", "text/plain", 600, NULL, 600, 500, 503, -1 },
        { "no room, gRPC", "application/grpc", -1, "\0\0\0\2\x58", 5, 500, 200, 14 },
        { "it fits", "application/grpc", -1, "\0\0\0\0\0", 5, 0, 200, 0 },
    };
    test_server s;
    test_server_start(&s, 1, NULL);
    s.max_body = 1000;
    peer_open(&p, &s);
    memset(bytes, 0, sizeof(bytes));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        s.budget.max_bytes = rows[i].budget ? rows[i].budget : 1 << 20;
        kis_bytes body = { rows[i].body ? (const uint8_t *)rows[i].body : bytes,
                           rows[i].length >= 0 ? (size_t)rows[i].length : rows[i].body_len };
        if (rows[i].length >= 0)
            body.ptr = bytes;
        peer_call *call = peer_send(&p, "/echo", rows[i].type, rows[i].length, body);
        PEER_WAIT(&p, call->is_closed, rows[i].why);
        CHECK_INT(rows[i].status, call->status, rows[i].why);
        CHECK_INT(rows[i].grpc, call->grpc_status, rows[i].why);
        if (rows[i].grpc > 0)
            CHECK(call->is_trailers_only && strstr(call->text, "grpc-message="), call->text);
        CHECK(rows[i].status != 503 || strstr(call->text, "retry-after=1;"), call->text);
    }
    CHECK_INT(1, atomic_load(&s.bodies), "only the one that fits was handed over");
    CHECK(!p.is_closed, "all on one connection");
    peer_close(&p);
    test_server_stop(&s, 1000);
}

TEST(cancelled_calls_leave_nothing)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    peer_open(&p, &s);
    kis_bytes body = grpc_body(100);
    for (int i = 0; i < 40; i++)
        peer_send(&p, i % 2 ? "/echo" : "/hold", "application/grpc", -1, body);
    PEER_WAIT(&p, p.closed_count == 20, "half is answered");
    for (int i = 0; i < 40; i += 2)
        kis_http2_reset(p.calls[i].stream, KIS_HTTP2_CANCEL);
    PEER_WAIT(&p, p.closed_count == 40, "half is cancelled");
    WAIT_FOR(atomic_load(&s.gone) == 20, "the handler is told of each");
    test_held(&s, 19);
    test_answer(test_held(&s, 0), 200, "text/plain", KIS_BYTES_NONE); /* nobody is there */
    /* and a peer that vanishes in the middle of a body */
    peer_open(&q, &s);
    peer_call *half = peer_send(&q, "/echo", "text/plain", 2000000, kis_bytes_of(bytes, 2000000));
    kis_buf_clear(&q.out);
    CHECK_ERR(KIS_OK, kis_http2_fill(q.h2, &q.out, 30000), "a part of it");
    test_send(q.fd, q.out.ptr, q.out.len);
    WAIT_FOR(atomic_load(&s.heads) == 41 && s.budget.used_bytes >= 1 << 20, "charged");
    peer_close(&q);
    (void)half;
    WAIT_FOR(s.budget.used_bytes == 0, "given back");
    CHECK_INT(21, atomic_load(&s.gone), "and told");
    peer_close(&p);
    test_server_stop(&s, 1000);
}

/* A hand-made connection: preface, empty SETTINGS, then what the test sends. */
static const char raw_greeting[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
static int raw_open(test_server *s)
{
    int fd = test_dial(s);
    test_send(fd, raw_greeting, sizeof(raw_greeting));
    return fd;
}

static const uint8_t post_head[] = { 0x83, 0x86, 0x84, 0x41, 0x01, 'a' }; /* POST http / a */

/* Reads frames until the server closes; the last GOAWAY's code, -1 without one. *out_resets:
 * RST_STREAM frames. */
static int read_goodbye(int fd, int *out_resets)
{
    static char all[1 << 20];
    size_t len = test_read_until(fd, all, sizeof(all), NULL);
    int code = -1;
    *out_resets = 0;
    for (size_t at = 0; at + 9 <= len;) {
        const uint8_t *frame = (const uint8_t *)all + at;
        size_t size = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
        if (frame[3] == 7 && at + 17 <= len)
            code = frame[16];
        *out_resets += frame[3] == 3;
        at += 9 + size;
    }
    return code;
}

TEST(floods_end_their_connection_and_no_other)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    peer_open(&p, &s);
    peer_call *before = peer_send(&p, "/hold", NULL, -1, KIS_BYTES_NONE);
    peer_flush(&p);
    WAIT_FOR(atomic_load(&s.bodies) == 1, "held");
    for (int kind = 0; kind < 4; kind++) {
        uint8_t frame[100];
        int resets;
        int fd = raw_open(&s);
        for (uint32_t i = 0; i < 20000; i++) {
            size_t size = 0;
            if (kind == 0) {
                size = put_frame(frame, 1, 5, 2 * i + 1, post_head, sizeof(post_head));
                size += put_frame(frame + size, 3, 0, 2 * i + 1, "\0\0\0\x08", 4);
            } else if (kind == 1) {
                size = put_frame(frame, 6, 0, 0, "12345678", 8);
            } else if (kind == 2) {
                size = put_frame(frame, 4, 0, 0, NULL, 0);
            } else {
                size = put_frame(frame, 2, 0, 2 * i + 1, "\0\0\0\0\1", 5);
            }
            if (!test_send(fd, frame, size))
                break;
        }
        int code = read_goodbye(fd, &resets);
        CHECK(code == 11 || code == -1, "ENHANCE_YOUR_CALM (the reset may overtake it)");
        close(fd);
        WAIT_FOR(kis_server_get_stats(s.server).goaways == (uint64_t)kind + 1, "counted");
    }
    kis_exchange_answer(test_held(&s, 0), &(kis_answer_head){ .status = 200 }, KIS_BYTES_NONE);
    PEER_WAIT(&p, before->is_closed && before->status == 200,
              "the other connection's call is answered");
    peer_close(&p);
    test_server_stop(&s, 1000);
}

TEST(a_connection_that_breaks_the_rules_is_counted_and_one_that_is_idle_is_not)
{
    static const struct {
        const char *why;
        int type, size, code;
    } rows[] = {
        { "a ping of 7 bytes", 6, 7, 6 },
        { "a setting cut in half", 4, 5, 6 },
        { "a promise", 5, 8, 1 },
    };
    test_server s;
    kis_listener_options options = test_listener(&s);
    options.idle_timeout_ms = 100;
    test_server_start(&s, 1, &options);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t frame[100];
        int resets, fd = raw_open(&s);
        size_t size =
            put_frame(frame, (uint8_t)rows[i].type, 0, 0, "12345678", (size_t)rows[i].size);
        CHECK(test_send(fd, frame, size), rows[i].why);
        CHECK_INT(rows[i].code, read_goodbye(fd, &resets), rows[i].why);
        close(fd);
        WAIT_FOR(kis_server_get_stats(s.server).goaways == i + 1, rows[i].why);
        CHECK_INT(i + 1, kis_server_get_stats(s.server).requests_malformed, rows[i].why);
    }
    int resets, fd = raw_open(&s);
    CHECK_INT(0, read_goodbye(fd, &resets), "idle for too long");
    CHECK_INT(COUNT_OF(rows), kis_server_get_stats(s.server).goaways, "that is no reproach");
    close(fd);
    test_server_stop(&s, 1000);
}

TEST(clocks_run_for_every_kind_of_silence)
{
    test_server s;
    kis_listener_options options = test_listener(&s);
    options.header_timeout_ms = 150;
    options.body_progress_ms = 150;
    options.idle_timeout_ms = 2000; /* after the others: which of them it was, the counter says */
    test_server_start(&s, 1, &options);
    uint8_t frame[100];
    int resets;
    /* half a preface */
    int fd = test_dial(&s);
    test_send(fd, "PRI * HTTP/2.0\r\n", 16);
    CHECK(test_is_closed(fd), "half a preface");
    close(fd);
    CHECK_INT(0, kis_server_get_stats(s.server).timeouts, "nothing was asked");
    /* a header block without an end, in one piece with the greeting: their clocks start together */
    fd = test_dial(&s);
    memcpy(frame, raw_greeting, sizeof(raw_greeting));
    test_send(fd, frame,
              sizeof(raw_greeting) +
                  put_frame(frame + sizeof(raw_greeting), 1, 0, 1, post_head, sizeof(post_head)));
    CHECK_INT(0, read_goodbye(fd, &resets), "a header block without an end");
    CHECK_INT(1, kis_server_get_stats(s.server).timeouts, "its clock, and not the idle one's");
    close(fd);
    /* idle */
    fd = raw_open(&s);
    CHECK_INT(0, read_goodbye(fd, &resets), "idle: a friendly goodbye");
    close(fd);
    /* a whole header block that may not be: its stream is reset, and the connection is idle */
    fd = raw_open(&s);
    memcpy(frame + 9, post_head, sizeof(post_head));
    memcpy(frame + 9 + sizeof(post_head), "\0\1X\1y", 5); /* an upper-case name */
    test_send(fd, frame, put_frame(frame, 1, 5, 1, frame + 9, sizeof(post_head) + 5));
    CHECK_INT(0, read_goodbye(fd, &resets), "idle after a malformed request");
    CHECK_INT(1, kis_server_get_stats(s.server).timeouts, "that is no block without an end");
    CHECK_INT(1, resets, "that request alone fails");
    close(fd);
    /* a body that does not get on: only that call fails */
    peer_open(&p, &s);
    peer_call *slow = peer_send(&p, "/echo", "application/grpc", 1000, kis_bytes_of(bytes, 1000));
    kis_buf_clear(&p.out);
    CHECK_ERR(KIS_OK, kis_http2_fill(p.h2, &p.out, 100), "the head, and DATA");
    test_send(p.fd, p.out.ptr, p.out.len - 500); /* half of it */
    size_t rest = 500;
    static uint8_t kept[500];
    memcpy(kept, p.out.ptr + p.out.len - rest, rest);
    WAIT_FOR(kis_server_get_stats(s.server).timeouts == 2, "given up");
    test_send(p.fd, kept, rest);
    PEER_WAIT(&p, slow->is_closed, "over");
    CHECK_INT(4, slow->grpc_status, "DEADLINE_EXCEEDED");
    peer_call *next = peer_send(&p, "/echo", NULL, -1, KIS_BYTES_NONE);
    PEER_WAIT(&p, next->is_closed && next->status == 200, "the connection lives");
    peer_close(&p);
    /* a window that never opens */
    fd = raw_open(&s);
    test_send(fd, frame, put_frame(frame, 4, 0, 0, "\0\4\0\0\0\0", 6)); /* INITIAL_WINDOW_SIZE 0 */
    size_t size = put_frame(frame, 1, 4, 1, post_head, sizeof(post_head));
    size += put_frame(frame + size, 0, 1, 1, "abc", 3);
    test_send(fd, frame, size);
    CHECK_INT(0, read_goodbye(fd, &resets), "ends when all is silent");
    CHECK_INT(1, resets, "the answer that nobody takes is given up");
    close(fd);
    WAIT_FOR(kis_server_get_stats(s.server).connections_open == 0, "none is left");
    test_server_stop(&s, 1000);
}

TEST(a_body_that_gets_on_slowly_ends_too)
{
    test_server s;
    kis_listener_options options = test_listener(&s);
    options.body_progress_ms = 200;
    options.body_whole_ms = 500;
    test_server_start(&s, 1, &options);
    uint8_t frame[1100];
    static const uint8_t piece[1024];
    int fd = raw_open(&s);
    uint64_t start = kis_now_ns();
    test_send(fd, frame, put_frame(frame, 1, 4, 1, post_head, sizeof(post_head)));
    for (int i = 0; i < 60 && kis_server_get_stats(s.server).timeouts == 0; i++, poll(NULL, 0, 50))
        test_send(fd, frame, put_frame(frame, 0, 0, 1, piece, sizeof(piece)));
    CHECK_INT(1, kis_server_get_stats(s.server).timeouts, "progress alone pins no budget for ever");
    CHECK(kis_now_ns() - start >= 500000000u, "it had its time");
    CHECK_INT(0, atomic_load(&s.bodies), "it never arrives");
    close(fd);
    test_server_stop(&s, 1000);
}

TEST(answers_that_are_not_taken_are_bounded)
{
    test_server s;
    uint8_t frame[100];
    test_server_start(&s, 1, NULL);
    int fd = raw_open(&s);
    test_send(fd, frame, put_frame(frame, 4, 0, 0, "\0\4\0\0\0\0", 6)); /* INITIAL_WINDOW_SIZE 0 */
    /* our settings hold from here on */
    test_send(fd, frame, put_frame(frame, 4, 1, 0, NULL, 0));
    static uint8_t body[16384];
    for (uint32_t i = 0; i < 60; i++) { /* 60 echoes of a MiB */
        test_send(fd, frame, put_frame(frame, 1, 4, 2 * i + 1, post_head, sizeof(post_head)));
        for (int piece = 0; piece < 64; piece++) {
            static uint8_t data[16384 + 9];
            test_send(fd, data, put_frame(data, 0, piece == 63, 2 * i + 1, body, sizeof(body)));
        }
    }
    WAIT_FOR(atomic_load(&s.bodies) == 60, "all were asked");
    kis_mem_trim();
    WAIT_FOR(kis_mem_get_stats().held_bytes < (36u << 20), "no more is held than the bound");
    WAIT_FOR(kis_server_get_stats(s.server).streams_reset >= 27, "the others were reset");
    close(fd);
    test_server_stop(&s, 1000);
}

TEST(ports_speak_what_they_allow)
{
    test_server s;
    char text[1000];
    int resets;
    kis_listener_options options = test_listener(&s);
    options.allow_http1 = false;
    test_server_start(&s, 1, &options);
    int fd = test_dial(&s);
    test_send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(test_is_closed(fd), "HTTP/1.1 on a port for HTTP/2");
    close(fd);
    peer_open(&p, &s);
    peer_call *call = peer_send(&p, "/echo", NULL, -1, KIS_BYTES_NONE);
    PEER_WAIT(&p, call->is_closed && call->status == 200, "HTTP/2 works");
    peer_close(&p);
    test_server_stop(&s, 1000);
    options = test_listener(&s);
    options.allow_http2 = false;
    test_server_start(&s, 1, &options);
    fd = raw_open(&s);
    test_read_until(fd, text, sizeof(text), NULL);
    CHECK(strstr(text, "HTTP/1.1 ") == text && strstr(text, "connection: close"),
          "HTTP/2 on a port for HTTP/1.1");
    close(fd);
    test_server_stop(&s, 1000);
    (void)resets;
}

TEST(the_goodbye_finishes_what_is_open)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    peer_open(&p, &s);
    peer_open(&q, &s);
    peer_call *open = peer_send(&p, "/hold", "text/plain", -1, kis_bytes_of("x", 1));
    peer_flush(&p);
    WAIT_FOR(atomic_load(&s.bodies) == 1 && kis_server_get_stats(s.server).connections_open == 2,
             "one call is open, one connection idle");
    test_answerer *a = malloc(sizeof(*a));
    *a = (test_answerer){ &s, kis_exchange_ref(test_held(&s, 0)), NULL, 0, 0, false };
    CHECK_ERR(KIS_OK, kis_thread_start(&s.answerers[0], "answerer", test_answerer_run, a, NULL),
              "starts");
    CHECK_INT(0, test_server_stop(&s, 5000), "nothing was cut");
    PEER_WAIT(&p, open->is_closed && open->status == 200, "the open call was answered");
    PEER_WAIT(&q, q.is_closed || kis_http2_is_goodbye_received(q.h2), "the idle one heard goodbye");
    peer_close(&p);
    peer_close(&q);
}

TEST(header_lists_that_are_too_large_fail_alone)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    peer_open(&p, &s);
    static char value[17000];
    memset(value, 'v', sizeof(value));
    const kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("application/grpc") },
                                   { KIS_STR("x"), kis_str_of(value, 13000) },
                                   { KIS_STR("y"), kis_str_of(value, 13000) } };
    const kis_http2_head head = { .method = KIS_STR("POST"),
                                  .scheme = KIS_STR("http"),
                                  .authority = KIS_STR("a"),
                                  .path = KIS_STR("/echo"),
                                  .headers = headers,
                                  .header_count = 3 };
    peer_call *call = &p.calls[p.call_count++];
    call->grpc_status = -1;
    CHECK_ERR(KIS_OK, kis_http2_request(p.h2, &head, &(kis_http2_body){ 0 }, call, &call->stream),
              "sent");
    PEER_WAIT(&p, call->is_closed, "answered");
    CHECK_INT(8, call->grpc_status, "RESOURCE_EXHAUSTED");
    peer_call *next = peer_send(&p, "/echo", NULL, -1, KIS_BYTES_NONE);
    PEER_WAIT(&p, next->is_closed && next->status == 200, "the next one is fine");
    CHECK_INT(1, atomic_load(&s.heads), "the handler saw only that");
    peer_close(&p);
    test_server_stop(&s, 1000);
}

/* Two requests to /hold, their heads by hand: GET http /hold a. */
static const char two_holds[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                "\0\0\0\4\0\0\0\0\0"
                                "\0\0\x0c\1\5\0\0\0\1\x82\x86\x04\x05/hold\x41\x01"
                                "a"
                                "\0\0\x0c\1\5\0\0\0\3\x82\x86\x04\x05/hold\x41\x01"
                                "a";

static void answer_the_others(void *user, kis_exchange *exchange)
{
    test_server *s = user;
    for (int i = 0; i < s->held_count; i++) /* this thread is the one that adds to them */
        if (s->held[i] != exchange)
            test_answer(s->held[i], 200, "text/plain", kis_bytes_of("x", 1));
    atomic_fetch_add(&s->gone, 1);
}

TEST(who_hears_of_one_that_is_gone_may_answer_another_of_its_connection)
{
    for (int breaks = 0; breaks < 2; breaks++) {
        test_server s;
        kis_listener_options options = test_listener(&s);
        options.handler.on_gone = answer_the_others;
        test_server_start(&s, 1, &options);
        int fd = test_dial(&s);
        test_send(fd, two_holds, sizeof(two_holds) - 1);
        test_held(&s, 1);
        if (breaks) /* a PING of 4 bytes */
            test_send(fd, "\0\0\4\6\0\0\0\0\0xxxx", 13);
        else
            shutdown(fd, SHUT_WR);
        CHECK(test_is_closed(fd), "the connection ends");
        close(fd);
        WAIT_FOR(kis_server_get_stats(s.server).connections_open == 0, "and is gone");
        CHECK_INT(1, atomic_load(&s.gone), "the other one was answered");
        test_server_stop(&s, 1000);
    }
}

TEST_MAIN(RUN(a_body_that_gets_on_slowly_ends_too), RUN(calls_are_answered_side_by_side),
          RUN(other_threads_answer_and_stream), RUN(bodies_have_bounds_that_grpc_understands),
          RUN(cancelled_calls_leave_nothing), RUN(floods_end_their_connection_and_no_other),
          RUN(a_connection_that_breaks_the_rules_is_counted_and_one_that_is_idle_is_not),
          RUN(clocks_run_for_every_kind_of_silence), RUN(answers_that_are_not_taken_are_bounded),
          RUN(ports_speak_what_they_allow), RUN(the_goodbye_finishes_what_is_open),
          RUN(header_lists_that_are_too_large_fail_alone),
          RUN(who_hears_of_one_that_is_gone_may_answer_another_of_its_connection))
