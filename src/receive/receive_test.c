/* The receiver behind a real server: requests over a socket in, a scripted sink behind it. What is
 * looked at: the answer, what reached the sink, the counters, and that every byte of the budget
 * comes back. gRPC's side is driven by real SDKs in tests/e2e. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/test.h"

#include "base/fmt.h"
#include "os/mem.h"
#include "receive/receive_int.h"

typedef struct scripted_sink {
    kis_sink sink;
    kis_sink_result result;
    bool answers_later; /* on another thread, after push has returned */
    atomic_uint spans, pushes;
    kis_thread thread;
    kis_done done;
    kis_batch *held;
    char key[KIS_IDEMPOTENCY_KEY_BYTES_MAX + 1];
} scripted_sink;

typedef struct fixture {
    kis_loop *loop;
    kis_thread thread;
    kis_server *server;
    kis_receiver *receiver;
    kis_budget budget;
    scripted_sink sink;
    struct sockaddr_in address;
} fixture;

static void answer_later(void *user)
{
    scripted_sink *s = user;
    usleep(2000); /* push has returned by now; nothing depends on it */
    s->done.call(s->done.user, &s->result);
    kis_batch_unref(s->held);
}

static void scripted_push(kis_sink *sink, kis_batch *batch, kis_done done)
{
    scripted_sink *s = KIS_CONTAINER(sink, scripted_sink, sink);
    atomic_fetch_add(&s->pushes, 1);
    atomic_fetch_add(&s->spans, batch->span_count);
    kis_str_to_c(batch->origin.idempotency_key, s->key, sizeof(s->key));
    if (!s->answers_later) {
        done.call(done.user, &s->result);
        return;
    }
    kis_thread_join(&s->thread);
    s->done = done;
    s->held = kis_batch_ref(batch);
    kis_diag diag;
    CHECK_ERR(KIS_OK, kis_thread_start(&s->thread, "sink", answer_later, s, &diag), "a thread");
}

static const kis_sink_ops scripted_ops = { .name = "scripted", .push = scripted_push };

static bool take_budget(void *user, uint64_t bytes)
{
    return kis_budget_take(user, bytes);
}
static void give_budget(void *user, uint64_t bytes)
{
    kis_budget_give_back(user, bytes);
}
static void run_loop(void *user)
{
    kis_loop_run(user);
}

/* The process's memory, but the piece number `fail_at` is not to be had. */
static _Atomic long fail_at = -1, taken;

static void *take_or_fail(void *user, size_t size)
{
    (void)user;
    return atomic_fetch_add(&taken, 1) == atomic_load(&fail_at) ? NULL
                                                                : kis_mem.take(kis_mem.user, size);
}
static void give_back(void *user, void *memory, size_t size)
{
    (void)user;
    kis_mem.give_back(kis_mem.user, memory, size);
}
static const kis_alloc failing_alloc = { take_or_fail, give_back, NULL };

static void start_with(fixture *f, uint64_t budget_bytes, uint64_t max_request_bytes,
                       uint32_t body_progress_ms)
{
    kis_diag diag;
    char address[80];

    memset(f, 0, sizeof(*f));
    f->budget.max_bytes = budget_bytes;
    f->sink.sink.ops = &scripted_ops;
    kis_receive_options options = { .sink = &f->sink.sink,
                                    .budget = &f->budget,
                                    .max_request_bytes = max_request_bytes,
                                    .os = kis_os_real(),
                                    .alloc = &failing_alloc };
    CHECK_ERR(KIS_OK, kis_receiver_new(&options, &f->receiver), "receiver");
    CHECK_ERR(KIS_OK, kis_loop_new(&kis_mem, &f->loop, &diag), "loop");
    CHECK_ERR(KIS_OK, kis_server_new(&f->loop, 1, &kis_mem, &f->server, &diag), "server");
    kis_listener_options listener = { .address = KIS_STR("127.0.0.1:0"),
                                      .handler = kis_receiver_handler(f->receiver),
                                      .budget = { take_budget, give_budget, &f->budget },
                                      .body_progress_ms = body_progress_ms,
                                      .allow_http1 = true,
                                      .allow_http2 = true };
    CHECK_ERR(KIS_OK, kis_server_listen(f->server, &listener, address, &diag), "listen");
    f->address =
        (struct sockaddr_in){ .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1)) };
    CHECK_ERR(KIS_OK, kis_thread_start(&f->thread, "loop", run_loop, f->loop, &diag), "thread");
    kis_server_start(f->server);
}

static void start(fixture *f, uint64_t budget_bytes, uint64_t max_request_bytes)
{
    start_with(f, budget_bytes, max_request_bytes, 0);
}

static void stop(fixture *f)
{
    CHECK_INT(0, kis_server_stop(f->server, kis_now_ns() + 2000000000u), "no request was cut");
    kis_thread_join(&f->sink.thread);
    kis_loop_stop(f->loop);
    kis_thread_join(&f->thread);
    kis_server_free(f->server);
    kis_loop_free(f->loop);
    kis_receiver_free(f->receiver);
    CHECK_INT(0, atomic_load(&f->budget.used_bytes), "every byte came back to the budget");
}

/* Sends a head and a body, reads one whole answer, ended by NUL; answers its status. */
static int exchange_bytes(fixture *f, const char *head, size_t head_len, const void *body,
                          size_t len, char answer[8192])
{
    size_t got = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_INT(0, connect(fd, (struct sockaddr *)&f->address, sizeof(f->address)), "connect");
    CHECK_INT(head_len, send(fd, head, head_len, MSG_NOSIGNAL), "the head goes out");
    (void)!send(fd, body, len, MSG_NOSIGNAL); /* a refusal may close before all of it */
    for (ssize_t n; got < 8191 && (n = recv(fd, answer + got, 8191 - got, 0)) > 0;)
        got += (size_t)n;
    close(fd);
    answer[got] = 0;
    return got > 12 ? atoi(answer + 9) : 0;
}

static int post(fixture *f, const char *headers, const void *body, size_t len, char answer[8192])
{
    char head[1024];
    size_t head_len = kis_fmt(head, sizeof(head),
                              "POST /v1/traces HTTP/1.1\r\nHost: t\r\nConnection: "
                              "close\r\n%sContent-Length: %zu\r\n\r\n",
                              headers, len);

    return exchange_bytes(f, head, head_len, body, len, answer);
}

static const char json_head[] = "Content-Type: application/json\r\n";
#define TRACE          "0af7651916cd43dd8448eb211c80319c"
#define SPAN_OK        "{\"traceId\":\"" TRACE "\",\"spanId\":\"b7ad6b7169203331\",\"name\":\"a\"}"
#define SPAN_BAD       "{\"traceId\":\"" TRACE "\",\"spanId\":\"b7ad\",\"name\":\"b\"}"
#define REQUEST(spans) "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[" spans "]}]}]}"

TEST(the_sinks_word_is_the_answer)
{
    static const struct {
        const char *why;
        kis_sink_result result;
        int want;
        const char *want_text;
    } rows[] = {
        { "stored", { .err = KIS_OK }, 200, "{\"partialSuccess\":{}}" },
        { "no room",
          { .err = KIS_ERR_FULL,
            .retry_after_ms = 2500,
            .reason = KIS_STR_INIT("the store is busy") },
          503,
          "etry-after: 3" },
        { "no room, no time said", { .err = KIS_ERR_FULL }, 503, "etry-after: 1" },
        { "the disk failed",
          { .err = KIS_ERR_IO, .reason = KIS_STR_INIT("cannot write") },
          503,
          "cannot write" },
        { "shutting down", { .err = KIS_ERR_CLOSED }, 503, "etry-after" },
        { "it will never pass", { .err = KIS_ERR_CORRUPT }, 500, "\"code\":13" },
    };
    char answer[8192];
    for (int later = 0; later < 2; later++) {
        fixture f;
        start(&f, 64u << 20, 0);
        f.sink.answers_later = later;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            f.sink.result = rows[i].result;
            CHECK_INT(rows[i].want,
                      post(&f, json_head, REQUEST(SPAN_OK), strlen(REQUEST(SPAN_OK)), answer),
                      rows[i].why);
            CHECK(strstr(answer, rows[i].want_text), rows[i].why);
        }
        CHECK_INT(COUNT_OF(rows), atomic_load(&f.sink.pushes), "each request was pushed once");
        kis_receive_stats stats = kis_receiver_get_stats(f.receiver, false);
        CHECK_INT(1, stats.accepted_spans, "accepted");
        CHECK_INT(4, stats.refused_spans, "refused");
        CHECK_INT(1, stats.failed_spans, "failed");
        stop(&f);
    }
}

TEST(good_spans_are_stored_and_bad_ones_reported)
{
    fixture f;
    char answer[8192];
    start(&f, 64u << 20, 0);
    const char both[] = REQUEST(SPAN_OK "," SPAN_BAD), bad[] = REQUEST(SPAN_BAD),
               none[] = "{\"resourceSpans\":[]}";

    CHECK_INT(200, post(&f, json_head, both, sizeof(both) - 1, answer), "some are good");
    CHECK(strstr(answer, "\"rejectedSpans\":\"1\"") && strstr(answer, "span"),
          "how many, and why the first");
    CHECK_INT(1, atomic_load(&f.sink.spans), "the good one was stored");
    CHECK_INT(200, post(&f, json_head, bad, sizeof(bad) - 1, answer), "none is good");
    CHECK(strstr(answer, "\"rejectedSpans\":\"1\""), "said so");
    CHECK_INT(1, atomic_load(&f.sink.pushes), "nothing was pushed for it");
    CHECK_INT(200, post(&f, json_head, none, sizeof(none) - 1, answer),
              "an empty request succeeds");
    CHECK_INT(1, atomic_load(&f.sink.pushes), "and asks nobody");
    stop(&f);
}

TEST(what_cannot_be_read_is_answered_with_its_place)
{
    static const struct {
        const char *why, *headers, *body;
        int want;
        const char *want_text;
    } rows[] = {
        { "JSON that ends early", "Content-Type: application/json\r\n", "{\"resourceSpans\":[", 400,
          "at byte" },
        { "not protobuf", "Content-Type: application/x-protobuf\r\n", "\x0a\x7f", 400, "at byte" },
        { "not gzip", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "plain", 400,
          "gzip" },
        { "not zstd", "Content-Type: application/json\r\nContent-Encoding: zstd\r\n", "plain", 400,
          "zstd" },
    };
    fixture f;
    char answer[8192];
    start(&f, 64u << 20, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_INT(rows[i].want,
                  post(&f, rows[i].headers, rows[i].body, strlen(rows[i].body), answer),
                  rows[i].why);
        CHECK(strstr(answer, rows[i].want_text), rows[i].why);
    }
    CHECK_INT(COUNT_OF(rows), kis_receiver_get_stats(f.receiver, false).requests_malformed,
              "counted");
    CHECK_INT(0, atomic_load(&f.sink.pushes), "nothing was pushed");
    stop(&f);
}

TEST(a_request_that_has_no_room_now_is_told_to_come_again)
{
    fixture f;
    char answer[8192];
    static char body[20000];
    memset(body, ' ', sizeof(body));
    memcpy(body, REQUEST(SPAN_OK), strlen(REQUEST(SPAN_OK)));
    start(&f, 200000, 0);
    for (int busy = 0; busy < 2; busy++) { /* there is no room for the body; for what it becomes */
        uint64_t others = busy ? 200000 - 24000 : 200000 - 10000;
        CHECK(kis_budget_take(&f.budget, others), "others are at work");
        CHECK_INT(503, post(&f, json_head, body, sizeof(body), answer), "no room");
        CHECK(strstr(answer, "etry-after: 1"), "when");
        CHECK(busy || strstr(answer, "--memory-limit"), "which bound");
        kis_budget_give_back(&f.budget, others);
        CHECK_INT(200, post(&f, json_head, body, sizeof(body), answer), "the same one, alone");
    }
    CHECK_INT(2, kis_receiver_get_stats(f.receiver, false).requests_no_room, "counted");
    stop(&f);
}

/* `spans` of 30 bytes, of which each becomes a view of some 200. */
static size_t put_small_spans(char *out, size_t spans)
{
    static const char span[30] = "\x0a\x10"
                                 "abcdefghijklmnop"
                                 "\x12\x08"
                                 "12345678";
    size_t at = 0, fields = spans * (2 + sizeof(span) - 2);
    kis_buf buf;

    kis_buf_init_fixed(&buf, out, 200000);
    size_t scope = fields, scope_head = 4, resource = scope + scope_head;
    kis_buf_add_byte(&buf, 0x0a); /* resource_spans, scope_spans: lengths of three bytes each */
    for (int level = 0; level < 2; level++) {
        size_t length = level ? scope : resource;
        if (level)
            kis_buf_add_byte(&buf, 0x12);
        for (; at < 3; at++)
            kis_buf_add_byte(&buf, (uint8_t)((length >> (7 * at) & 0x7f) | (at < 2 ? 0x80 : 0)));
        at = 0;
    }
    for (size_t i = 0; i < spans; i++) {
        kis_buf_add_byte(&buf, 0x12);
        kis_buf_add_byte(&buf, 28);
        kis_buf_add(&buf, span, 28);
    }
    return buf.len;
}

TEST(a_request_that_can_never_fit_is_not_told_to_come_again)
{
    static const char protobuf[] = "Content-Type: application/x-protobuf\r\n",
                      gzip[] = "Content-Type: application/x-protobuf\r\nContent-Encoding: gzip\r\n";
    static const struct {
        const char *why, *headers;
        size_t spans;
        int want;
        const char *want_text;
    } rows[] = {
        { "it fits", protobuf, 500, 200, "" },
        { "what it becomes is more than all there is", protobuf, 1500, 413, "--memory-limit" },
        { "packed, it fits", gzip, 500, 200, "" },
        { "unpacked, what it becomes does not", gzip, 1500, 413, "--memory-limit" },
        { "unpacked, it is more than half of it", gzip, 5000, 413, "more than 99995 bytes" },
        { "the body is more than half of it", protobuf, 5000, 413, "--memory-limit" },
    };
    static char body[200000];
    kis_codecs *codecs = kis_codecs_new(&kis_mem);
    fixture f;
    char answer[8192];
    size_t refused = 0;

    start(&f, 200000, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_buf packed;
        kis_bytes sent = kis_bytes_of(body, put_small_spans(body, rows[i].spans));
        kis_buf_init(&packed, &kis_mem, 1 << 20);
        CHECK_ERR(KIS_OK, kis_compress(codecs, KIS_CODING_GZIP, 0, sent, &packed, NULL), "packed");
        if (rows[i].headers == gzip)
            sent = kis_buf_bytes(&packed);
        CHECK_INT(rows[i].want, post(&f, rows[i].headers, sent.ptr, sent.len, answer), rows[i].why);
        CHECK(strstr(answer, rows[i].want_text), rows[i].why);
        CHECK(!strstr(answer, "etry-after"), rows[i].why);
        refused += rows[i].want == 413;
        kis_buf_done(&packed);
    }
    CHECK_INT(refused, kis_receiver_get_stats(f.receiver, false).requests_too_large, "counted");
    stop(&f);
    kis_codecs_free(codecs);

    start(&f, 64u << 20, 1000);
    CHECK_INT(413, post(&f, json_head, body, 2000, answer), "larger than a request may be");
    CHECK(strstr(answer, "--max-request-bytes"), "which bound");
    CHECK_INT(1, kis_receiver_get_stats(f.receiver, false).requests_too_large, "counted");
    stop(&f);
}

/* An empty span has two bytes, and a view of a hundred times that. */
TEST(empty_spans_without_number_are_not_told_to_come_again)
{
    enum { SPANS = 60000, LEN = 2 * SPANS };
    static uint8_t body[LEN + 8] = { 0x0a, 0, 0, 0, 0x12 };
    char answer[8192];
    fixture f;
    size_t len = LEN, outer = LEN + 4;

    for (int i = 0; i < 3; i++) { /* two lengths of three bytes each */
        body[1 + i] = (uint8_t)((outer >> 7 * i & 127) | (i < 2 ? 128 : 0));
        body[5 + i] = (uint8_t)((len >> 7 * i & 127) | (i < 2 ? 128 : 0));
    }
    body[4] = 0x12;
    for (size_t i = 0; i < SPANS; i++)
        body[8 + 2 * i] = 0x12, body[9 + 2 * i] = 0;
    start(&f, 144u << 20, 0);
    CHECK_INT(413, post(&f, "Content-Type: application/x-protobuf\r\n", body, sizeof(body), answer),
              answer);
    CHECK(strstr(answer, "no ids") && !strstr(answer, "etry-after"), answer);
    stop(&f);
}

TEST(a_body_that_does_not_get_on_may_come_again)
{
    static const char head[] = "POST /v1/traces HTTP/1.1\r\nHost: t\r\nContent-Type: "
                               "application/json\r\nContent-Length: 100\r\n\r\n{";
    char answer[8192];
    fixture f;

    start_with(&f, 64u << 20, 0, 50);
    CHECK_INT(504, exchange_bytes(&f, head, sizeof(head) - 1, "", 0, answer),
              "not lost by OTLP's rules");
    CHECK(strstr(answer, "its body did not get on") && strstr(answer, "\"code\":4"), answer);
    CHECK(!strstr(answer, "etry-after"), "it is not the server that was busy");
    stop(&f);
}

/* Each piece of memory that a request takes fails once: it is refused in words that make its sender
 * try again, or taken; the next one is taken; nothing is left in the budget (stop looks). */
TEST(each_allocation_may_fail)
{
    static const char *const headers[] = {
        json_head, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
        "Content-Type: application/json\r\nContent-Encoding: zstd\r\n"
    };
    static const kis_coding codings[] = { KIS_CODING_NONE, KIS_CODING_GZIP, KIS_CODING_ZSTD };
    const kis_bytes plain =
        kis_bytes_of(REQUEST(SPAN_OK "," SPAN_BAD), strlen(REQUEST(SPAN_OK "," SPAN_BAD)));
    kis_codecs *codecs = kis_codecs_new(&kis_mem);

    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        kis_buf body;
        long n = 0;
        bool has_failed = true;
        kis_buf_init(&body, &kis_mem, 1 << 20);
        CHECK_ERR(KIS_OK,
                  codings[i] ? kis_compress(codecs, codings[i], 0, plain, &body, NULL)
                             : (kis_buf_add_bytes(&body, plain), body.err),
                  "a body");
        for (; has_failed; n++) {
            fixture f;
            char answer[8192];
            start(&f, 64u << 20, 0);
            atomic_store(&taken, 0);
            atomic_store(&fail_at, n);
            int status = post(&f, headers[i], body.ptr, body.len, answer);
            has_failed = atomic_load(&taken) > n;
            atomic_store(&fail_at, -1);
            CHECK(status == 200 || (has_failed && status == 503), answer);
            CHECK(status == 200 || strstr(answer, "etry-after: 1"), "it may be tried again");
            CHECK_INT(status == 200, atomic_load(&f.sink.spans), "what was refused was not stored");
            CHECK_INT(200, post(&f, headers[i], body.ptr, body.len, answer), "the next one");
            stop(&f);
        }
        CHECK(n > 2, "there were some");
        kis_buf_done(&body);
    }
    kis_codecs_free(codecs);
}

TEST(an_idempotency_key_reaches_the_sink)
{
    fixture f;
    char answer[8192];
    start(&f, 64u << 20, 0);
    CHECK_INT(200,
              post(&f, "Content-Type: application/json\r\nIdempotency-Key: batch-7\r\n",
                   REQUEST(SPAN_OK), strlen(REQUEST(SPAN_OK)), answer),
              "accepted");
    CHECK_STR("batch-7", kis_str_from_c(f.sink.key), "the key");
    stop(&f);
}

TEST_MAIN(RUN(the_sinks_word_is_the_answer), RUN(good_spans_are_stored_and_bad_ones_reported),
          RUN(what_cannot_be_read_is_answered_with_its_place),
          RUN(a_request_that_has_no_room_now_is_told_to_come_again),
          RUN(a_request_that_can_never_fit_is_not_told_to_come_again),
          RUN(empty_spans_without_number_are_not_told_to_come_again),
          RUN(a_body_that_does_not_get_on_may_come_again), RUN(each_allocation_may_fail),
          RUN(an_idempotency_key_reaches_the_sink))
