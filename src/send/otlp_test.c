/* otlp_test.c - the sender against peers by script: what it sends, when it tries again, and what it
 * says at the end. */
#include <string.h>

#include "net/test_server.h"
#include "send/send.h"

#include "model/sink_contract.h"
#include "wire/otlp.h"

/* ---- a raw peer: one answer a request, in the order of its script ---- */

typedef enum step_kind {
    STEP_ANSWER,
    STEP_CLOSE,
    STEP_HOLD /* until the sender closes */
} step_kind;

typedef struct step {
    step_kind kind;
    const char *answer;
    size_t answer_len; /* 0: text */
} step;

#define OK_ANSWER   "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
#define BUSY_ANSWER "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nbusy"
#define BAD_ANSWER  "HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n"
#define GONE_ANSWER "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

#define PEER_REQUESTS_MAX 16

typedef struct peer {
    const step *steps;
    int step_count;
    int listen_fd;
    uint16_t port;
    kis_thread thread;
    atomic_bool is_over;
    atomic_int requests, closed; /* closed: by the sender, while held */

    char head[PEER_REQUESTS_MAX][2048];
    uint8_t *body[PEER_REQUESTS_MAX];
    size_t body_len[PEER_REQUESTS_MAX];
} peer;

static bool peer_wait(peer *p, int fd)
{
    struct pollfd ready = { fd, POLLIN, 0 };
    while (!atomic_load(&p->is_over))
        if (poll(&ready, 1, 5) > 0)
            return true;
    return false;
}

/* False: the connection has ended. */
static bool peer_read_request(peer *p, int fd)
{
    int n = atomic_load(&p->requests);
    char *head = p->head[n], *end = NULL;
    size_t len = 0;

    CHECK(n < PEER_REQUESTS_MAX, "the test has room");
    while (!end) {
        ssize_t got = peer_wait(p, fd) ? recv(fd, head + len, sizeof(p->head[n]) - 1 - len, 0) : 0;
        if (got <= 0)
            return false;
        len += (size_t)got;
        head[len] = 0;
        end = strstr(head, "\r\n\r\n");
    }
    const char *length = strstr(head, "content-length: ");
    size_t want = length ? (size_t)atoll(length + 16) : 0, have = len - (size_t)(end + 4 - head);
    p->body[n] = malloc(want + 1);
    memcpy(p->body[n], end + 4, KIS_MIN(have, want));
    while (have < want) {
        ssize_t got = peer_wait(p, fd) ? recv(fd, p->body[n] + have, want - have, 0) : 0;
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    end[2] = 0;
    p->body_len[n] = have;

    atomic_fetch_add(&p->requests, 1);
    return true;
}

static void peer_serve(peer *p, int fd)
{
    while (peer_read_request(p, fd)) {
        int n = atomic_load(&p->requests) - 1;
        step now = n < p->step_count ? p->steps[n] : (step){ STEP_ANSWER, OK_ANSWER, 0 };
        if (now.kind == STEP_CLOSE)
            return;
        if (now.kind == STEP_HOLD) {
            char byte;
            if (peer_wait(p, fd) && recv(fd, &byte, 1, 0) <= 0)
                atomic_fetch_add(&p->closed, 1);
            return;
        }
        test_send(fd, now.answer, now.answer_len ? now.answer_len : strlen(now.answer));
        if (now.answer_len || strstr(now.answer, "connection: close"))
            return;
    }
}

static void peer_run(void *user)
{
    peer *p = user;
    while (peer_wait(p, p->listen_fd)) {
        int fd = accept(p->listen_fd, NULL, NULL);
        peer_serve(p, fd);
        close(fd);
    }
}

static void peer_start(peer *p, const step *steps, int count)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    memset(p, 0, sizeof(*p));
    p->steps = steps;
    p->step_count = count;
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(p->listen_fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(p->listen_fd, 8) < 0 ||
        getsockname(p->listen_fd, (struct sockaddr *)&at, &len) < 0)
        fail_msg("listen: %s", strerror(errno));
    p->port = ntohs(at.sin_port);
    CHECK_ERR(KIS_OK, kis_thread_start(&p->thread, "peer", peer_run, p, NULL), "a peer");
}

static void peer_stop(peer *p)
{
    atomic_store(&p->is_over, true);
    kis_thread_join(&p->thread);
    close(p->listen_fd);
    for (int i = 0; i < PEER_REQUESTS_MAX; i++)
        free(p->body[i]);
}

/* ---- a sender, and what it said ---- */

typedef struct sender {
    kis_sink *sink;
    char endpoint[64];
    kis_lock lock;
    char log[2048]; /* guarded by lock: "3 text\n" a line */
} sender;

static void sender_log(void *user, int level, const char *text)
{
    sender *s = user;
    kis_lock_take(&s->lock);
    size_t len = strlen(s->log);
    snprintf(s->log + len, sizeof(s->log) - len, "%d %s\n", level, text);
    kis_lock_give(&s->lock);
}

static void sender_start(sender *s, uint16_t port, kis_send_options options)
{
    kis_diag diag = { 0 };
    memset(s, 0, sizeof(*s));
    kis_lock_init(&s->lock, KIS_RANK_LOG);
    snprintf(s->endpoint, sizeof(s->endpoint), "http://127.0.0.1:%d/v1/traces", port);
    options.endpoint = kis_str_from_c(s->endpoint);
    options.retry_initial_ms = options.retry_initial_ms ? options.retry_initial_ms : 20;
    options.log = sender_log;
    options.log_user = s;
    CHECK_ERR(KIS_OK, kis_send_otlp_open(&options, &kis_mem, &s->sink, &diag), diag.text);
}

static void sender_stop(sender *s)
{
    kis_sink_close(s->sink);
    kis_lock_done(&s->lock);
}

typedef struct outcome {
    atomic_int calls;
    kis_err err;
    uint64_t rejected_spans;
    char reason[KIS_DIAG_TEXT_MAX];
} outcome;

static void on_done(void *user, const kis_sink_result *result)
{
    outcome *o = user;
    o->err = result->err;
    o->rejected_spans = result->rejected_spans;
    snprintf(o->reason, sizeof(o->reason), KIS_FMT, KIS_ARG(result->reason));
    atomic_fetch_add(&o->calls, 1);
}

static kis_batch *make_batch(uint32_t traces)
{
    return test_spans_generate(
        &kis_mem, &(test_spans_spec){
                      .seed = 7, .traces = traces, .spans_per_trace = 5, .start_unix_ns = 1 });
}

static void push(sender *s, outcome *o, uint32_t traces)
{
    kis_batch *batch = make_batch(traces);
    memset(o, 0, sizeof(*o));
    kis_sink_push(s->sink, batch, (kis_done){ on_done, o });
    kis_batch_unref(batch);
}

static uint64_t in_ms(uint64_t ms)
{
    return kis_now_ns() + ms * 1000000u;
}

static void flush(sender *s, outcome *o)
{
    CHECK_ERR(KIS_OK, kis_sink_flush(s->sink, in_ms(20000)), "flushed");
    CHECK_INT(1, atomic_load(&o->calls), "done is called once, before flush returns");
}

/* ---- one attempt ---- */

TEST(what_is_sent_is_the_batch)
{
    static const struct {
        const char *why;
        kis_otlp_protocol protocol;
        kis_coding compression;
        const char *type, *coding;
    } rows[] = {
        { "protobuf", KIS_OTLP_HTTP_PROTOBUF, KIS_CODING_NONE, "application/x-protobuf", NULL },
        { "JSON", KIS_OTLP_HTTP_JSON, KIS_CODING_NONE, "application/json", NULL },
        { "gzip", KIS_OTLP_HTTP_PROTOBUF, KIS_CODING_GZIP, "application/x-protobuf", "gzip" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        peer p;
        sender s;
        outcome o;
        const kis_header extra = { KIS_STR("authorization"), KIS_STR("Bearer x") };
        peer_start(&p, NULL, 0);
        sender_start(&s, p.port,
                     (kis_send_options){ .protocol = rows[i].protocol,
                                         .compression = rows[i].compression,
                                         .headers = &extra,
                                         .header_count = 1 });
        push(&s, &o, 20);
        flush(&s, &o);
        CHECK_ERR(KIS_OK, o.err, o.reason);
        sender_stop(&s);
        peer_stop(&p);

        char want[200];
        CHECK(strncmp(p.head[0], "POST /v1/traces HTTP/1.1\r\n", 26) == 0, p.head[0]);
        snprintf(want, sizeof(want), "\r\ncontent-type: %s\r\n", rows[i].type);
        CHECK(strstr(p.head[0], want), p.head[0]);
        CHECK(strstr(p.head[0], "\r\nauthorization: Bearer x\r\n"), p.head[0]);
        CHECK(strstr(p.head[0], "\r\nuser-agent: kiseki/" KIS_VERSION "\r\n"), p.head[0]);
        CHECK(!rows[i].coding == !strstr(p.head[0], "content-encoding: gzip\r\n"), p.head[0]);
    }
}

TEST(the_body_is_the_encoded_request)
{
    peer p;
    sender s;
    outcome o;
    kis_batch *batch = make_batch(20);
    kis_buf want;
    kis_buf_init(&want, &kis_mem, 64u << 20);
    kis_otlp_encode(batch, &want);
    peer_start(&p, NULL, 0);
    sender_start(&s, p.port, (kis_send_options){ 0 });
    push(&s, &o, 20);
    flush(&s, &o);
    sender_stop(&s);
    atomic_store(&p.is_over, true);
    kis_thread_join(&p.thread);
    CHECK_BYTES(want.ptr, want.len, kis_bytes_of(p.body[0], p.body_len[0]), "what arrives");
    peer_stop(&p);
    kis_buf_done(&want);
    kis_batch_unref(batch);
}

/* ---- scripts ---- */

static const char http2_settings[] = "\0\0\0\4\0\0\0\0\0";

static const struct script_row {
    const char *why;
    step steps[3];
    int step_count;
    kis_err err;
    int requests;
    const char *says; /* of the reason; NULL: none */
    uint64_t at_least_ms;
} script_rows[] = {
    { "200", { { .answer = OK_ANSWER } }, 1, KIS_OK, 1, NULL, 0 },
    { "503 with Retry-After, then 200",
      { { .answer = BUSY_ANSWER }, { .answer = OK_ANSWER } },
      2,
      KIS_OK,
      2,
      NULL,
      1000 },
    { "502, and the connection closes", { { .answer = GONE_ANSWER } }, 1, KIS_OK, 2, NULL, 10 },
    { "400", { { .answer = BAD_ANSWER } }, 1, KIS_ERR_SYNTAX, 1, "HTTP 400", 0 },
    { "closed without an answer", { { .kind = STEP_CLOSE } }, 1, KIS_OK, 2, NULL, 10 },
    { "closed twice", { { .kind = STEP_CLOSE }, { .kind = STEP_CLOSE } }, 2, KIS_OK, 3, NULL, 20 },
    { "HTTP/2",
      { { .answer = http2_settings, .answer_len = 9 } },
      1,
      KIS_ERR_SYNTAX,
      1,
      "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
      0 },
};

TEST(each_answer_is_followed_as_the_specification_says)
{
    for (size_t i = 0; i < COUNT_OF(script_rows); i++) {
        const struct script_row *row = &script_rows[i];
        peer p;
        sender s;
        outcome o;
        peer_start(&p, row->steps, row->step_count);
        sender_start(&s, p.port, (kis_send_options){ 0 });
        uint64_t start_ns = kis_now_ns();
        push(&s, &o, 3);
        flush(&s, &o);
        uint64_t took_ms = (kis_now_ns() - start_ns) / 1000000;
        CHECK_ERR(row->err, o.err, row->why);
        CHECK_INT(row->requests, atomic_load(&p.requests), row->why);
        CHECK(took_ms >= row->at_least_ms, row->why);
        if (row->says)
            CHECK(strstr(o.reason, row->says), o.reason);
        for (int n = 1; n < row->requests; n++)
            CHECK_BYTES(p.body[0], p.body_len[0], kis_bytes_of(p.body[n], p.body_len[n]),
                        "again is the same again");

        kis_send_stats stats = kis_send_get_stats(s.sink);
        CHECK_INT(row->err ? 0 : 15, stats.sent_spans, row->why);
        CHECK_INT(row->err ? 15 : 0, stats.failed_spans, row->why);
        CHECK_INT(row->requests, stats.attempts, row->why);
        CHECK_INT(row->requests - 1, stats.retries, row->why);
        CHECK_INT(0, stats.waiting_batches, row->why);
        sender_stop(&s);
        CHECK((row->requests > 1) == (strstr(s.log, "2 sending failed, trying again: ") != NULL),
              s.log);
        CHECK((row->err != KIS_OK) == (strstr(s.log, "3 15 spans were not sent: ") != NULL), s.log);
        peer_stop(&p);
    }
}

TEST(nobody_there_is_tried_until_the_time_is_up)
{
    peer p;
    sender s;
    outcome o;
    peer_start(&p, NULL, 0);
    peer_stop(&p); /* its port is free again */
    sender_start(&s, p.port, (kis_send_options){ .retry_elapsed_max_ms = 150, .retry_max_ms = 40 });
    push(&s, &o, 3);
    flush(&s, &o);
    CHECK_ERR(KIS_ERR_IO, o.err, o.reason);
    CHECK(strstr(o.reason, "connection refused"), o.reason);
    CHECK(kis_send_get_stats(s.sink).attempts > 2, "more than once");
    sender_stop(&s);
}

TEST(a_client_that_cannot_be_made_is_why_each_batch_fails)
{
    sender s;
    outcome o;
    sender_start(&s, 9, (kis_send_options){ .user_agent = KIS_STR("a\nb") });
    for (int i = 0; i < 2; i++) {
        push(&s, &o, 1);
        flush(&s, &o);
        CHECK_ERR(KIS_ERR_SYNTAX, o.err, o.reason);
        CHECK(strstr(o.reason, "a user agent that HTTP does not allow"), o.reason);
    }
    sender_stop(&s);
}

TEST(an_attempt_has_a_time_limit)
{
    static const step steps[] = { { .kind = STEP_HOLD } };
    peer p;
    sender s;
    outcome o;
    peer_start(&p, steps, 1);
    sender_start(&s, p.port, (kis_send_options){ .timeout_ms = 60 });
    push(&s, &o, 3);
    flush(&s, &o);
    CHECK_ERR(KIS_OK, o.err, "the second attempt is answered");
    CHECK_INT(2, atomic_load(&p.requests), "two attempts");
    sender_stop(&s);
    peer_stop(&p);
}

/* ---- bounds and the end ---- */

TEST(a_full_queue_says_so_at_once)
{
    static const step steps[] = { { .kind = STEP_HOLD } };
    peer p;
    sender s;
    outcome o[3];
    peer_start(&p, steps, 1);
    sender_start(&s, p.port, (kis_send_options){ .queue_batches = 2, .in_flight = 1 });
    for (int i = 0; i < 3; i++)
        push(&s, &o[i], 1);
    CHECK_INT(1, atomic_load(&o[2].calls), "answered before push returned");
    CHECK_ERR(KIS_ERR_FULL, o[2].err, "one more than fits");
    CHECK_INT(2, kis_send_get_stats(s.sink).waiting_batches, "these wait");
    sender_stop(&s);
    peer_stop(&p);
}

TEST(flush_waits_no_longer_than_it_was_told)
{
    static const step steps[] = { { .kind = STEP_HOLD } };
    peer p;
    sender s;
    outcome o;
    peer_start(&p, steps, 1);
    sender_start(&s, p.port, (kis_send_options){ 0 });
    push(&s, &o, 1);
    uint64_t start_ns = kis_now_ns();
    CHECK_ERR(KIS_ERR_TIMEOUT, kis_sink_flush(s.sink, in_ms(50)), "it is still held");
    CHECK((kis_now_ns() - start_ns) / 1000000 >= 50, "not less");
    CHECK_INT(0, atomic_load(&o.calls), "and not until it is answered, or given up after 10 s");
    sender_stop(&s);
    peer_stop(&p);
}

static bool take_all_on_head(void *user, kis_exchange *exchange, uint64_t *max_body)
{
    (void)user;
    (void)exchange;
    *max_body = 64u << 20;
    return true;
}

/* A peer that answers when the test says so, in the order it says. */
static void hold_on_body(void *user, kis_exchange *exchange, uint8_t *body, size_t len, size_t cap)
{
    test_server *server = user;
    (void)len;
    kis_lock_take(&server->lock);
    server->held[server->held_count++ % (int)COUNT_OF(server->held)] = kis_exchange_ref(exchange);
    kis_cond_broadcast(&server->changed);
    kis_lock_give(&server->lock);
    test_free_body(server, body, cap);
}

static void hold_start(test_server *server)
{
    memset(server, 0, sizeof(*server));
    kis_listener_options listener = test_listener(server);
    listener.handler.on_head = take_all_on_head;
    listener.handler.on_body = hold_on_body;
    test_server_start(server, 1, &listener);
}

static void hold_stop(test_server *server)
{
    server->held_count = 0; /* answered, and let go */
    test_server_stop(server, 1000);
}

static void answer_held(test_server *server, int i, outcome *o)
{
    kis_lock_take(&server->lock);
    while (server->held_count <= i &&
           kis_cond_wait_until(&server->changed, &server->lock, in_ms(10000)))
        ;
    CHECK(server->held_count > i, "the request came");
    kis_exchange *exchange = server->held[i % (int)COUNT_OF(server->held)];
    kis_lock_give(&server->lock);
    test_answer(exchange, 200, "application/x-protobuf", KIS_BYTES_NONE);
    kis_exchange_unref(exchange);
    if (o)
        WAIT_FOR(atomic_load(&o->calls), "it is done");
}

TEST(flush_waits_for_the_oldest_when_a_later_one_is_answered_first)
{
    test_server server;
    sender s;
    outcome o[2];
    hold_start(&server);
    sender_start(&s, server.port, (kis_send_options){ 0 });
    for (int i = 0; i < 2; i++) {
        push(&s, &o[i], 1);
        (void)test_held(&server, i); /* so that the second to come is the second pushed */
    }
    answer_held(&server, 1, &o[1]);
    CHECK_ERR(KIS_ERR_TIMEOUT, kis_sink_flush(s.sink, in_ms(50)), "the first is still open");
    answer_held(&server, 0, NULL);
    flush(&s, &o[0]);
    sender_stop(&s);
    hold_stop(&server);
}

typedef struct flusher {
    sender *s;
    kis_err err;
    atomic_bool is_over;
} flusher;

static void flusher_run(void *user)
{
    flusher *f = user;
    f->err = kis_sink_flush(f->s->sink, in_ms(20000));
    atomic_store(&f->is_over, true);
}

TEST(flush_does_not_wait_for_what_is_pushed_after_it)
{
    enum { OUTCOMES = 4 };
    test_server server;
    sender s;
    outcome o[OUTCOMES];
    flusher f = { .s = &s };
    kis_thread thread;
    int pushed = 1;
    hold_start(&server);
    sender_start(&s, server.port, (kis_send_options){ 0 });
    push(&s, &o[0], 1);
    CHECK_ERR(KIS_OK, kis_thread_start(&thread, "flush", flusher_run, &f, NULL), "a thread");
    uint64_t end_ns = in_ms(10000);
    for (; !atomic_load(&f.is_over) && kis_now_ns() < end_ns; pushed++) {
        push(&s, &o[pushed % OUTCOMES], 1); /* there is always one more */
        answer_held(&server, pushed - 1, &o[(pushed - 1) % OUTCOMES]);
    }
    CHECK(atomic_load(&f.is_over), "steady load does not keep it for ever");
    CHECK(kis_send_get_stats(s.sink).waiting_batches > 0, "while something was open all the time");
    kis_thread_join(&thread);
    CHECK_ERR(KIS_OK, f.err, "flushed");
    answer_held(&server, pushed - 1, &o[(pushed - 1) % OUTCOMES]);
    sender_stop(&s);
    hold_stop(&server);
}

TEST(close_while_in_flight_answers_what_is_open)
{
    static const step steps[] = { { .kind = STEP_HOLD } };
    peer p;
    sender s;
    outcome o[3];
    peer_start(&p, steps, 1);
    sender_start(&s, p.port, (kis_send_options){ .in_flight = 1, .timeout_ms = 300000 });
    for (int i = 0; i < 3; i++)
        push(&s, &o[i], 1);
    WAIT_FOR(atomic_load(&p.requests) == 1, "one is on its way");
    uint64_t start_ns = kis_now_ns();
    sender_stop(&s);
    CHECK(kis_now_ns() - start_ns < 300000000000u, "close waits for no attempt's time");
    for (int i = 0; i < 3; i++) {
        CHECK_INT(1, atomic_load(&o[i].calls), "done is called once");
        CHECK_ERR(KIS_ERR_CLOSED, o[i].err, o[i].reason);
    }
    WAIT_FOR(atomic_load(&p.closed) == 1, "the connection is closed");
    peer_stop(&p);
}

TEST(close_while_backing_off_says_why_it_waited)
{
    static const step steps[] = { { .answer = BUSY_ANSWER } };
    peer p;
    sender s;
    outcome o;
    peer_start(&p, steps, 1);
    sender_start(&s, p.port, (kis_send_options){ .retry_initial_ms = 60000 });
    push(&s, &o, 1);
    WAIT_FOR(kis_send_get_stats(s.sink).retries == 1, "it rests");
    sender_stop(&s);
    CHECK_INT(1, atomic_load(&o.calls), "done is called once");
    CHECK_ERR(KIS_ERR_CLOSED, o.err, "closed");
    CHECK(strstr(o.reason, "HTTP 503"), o.reason);
    peer_stop(&p);
}

/* ---- gRPC ---- */

typedef struct grpc_step {
    int status;
    const char *message;
} grpc_step;

static const grpc_step *grpc_steps; /* of the test that runs */
static atomic_int grpc_requests;
static char grpc_path[128];
static size_t grpc_body_len;

static void grpc_on_body(void *user, kis_exchange *exchange, uint8_t *body, size_t len, size_t cap)
{
    const kis_request_head *head = kis_exchange_head(exchange);
    const grpc_step *now = &grpc_steps[atomic_load(&grpc_requests)];
    char status[8];
    snprintf(status, sizeof(status), "%d", now->status);
    snprintf(grpc_path, sizeof(grpc_path), KIS_FMT, KIS_ARG(head->path));
    grpc_body_len = len;
    const kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("application/grpc") } };
    const kis_header trailers[] = { { KIS_STR("grpc-status"), kis_str_from_c(status) },
                                    { KIS_STR("grpc-message"), kis_str_from_c(now->message) } };
    kis_answer_head answer = { .status = 200, .headers = headers, .header_count = 1 };
    answer.trailers = trailers;
    answer.trailer_count = 2;
    atomic_fetch_add(&grpc_requests, 1);
    kis_exchange_answer(exchange, &answer,
                        now->status ? KIS_BYTES_NONE : kis_bytes_of("\0\0\0\0\0", 5));
    test_free_body(user, body, cap);
}

static void grpc_start(test_server *server, const grpc_step *steps)
{
    grpc_steps = steps;
    atomic_store(&grpc_requests, 0);
    memset(server, 0, sizeof(*server));
    kis_listener_options listener = test_listener(server);
    listener.handler.on_body = grpc_on_body;
    test_server_start(server, 1, &listener);
}

TEST(grpc_statuses_are_followed_as_the_specification_says)
{
    static const struct {
        const char *why;
        grpc_step steps[3];
        kis_err err;
        int requests;
        const char *says;
    } rows[] = {
        { "OK", { { 0, "" } }, KIS_OK, 1, "" },
        { "UNAVAILABLE, then OK", { { 14, "later" }, { 0, "" } }, KIS_OK, 2, "" },
        { "INVALID_ARGUMENT", { { 3, "no%0a" } }, KIS_ERR_SYNTAX, 1, "gRPC status 3: no\\n" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_server server;
        sender s;
        outcome o;
        kis_batch *batch = make_batch(3);
        grpc_start(&server, rows[i].steps);
        sender_start(&s, server.port, (kis_send_options){ .protocol = KIS_OTLP_GRPC });
        push(&s, &o, 3);
        flush(&s, &o);
        CHECK_ERR(rows[i].err, o.err, o.reason);
        CHECK_INT(rows[i].requests, atomic_load(&grpc_requests), rows[i].why);
        CHECK(strstr(o.reason, rows[i].says), o.reason);
        sender_stop(&s);
        test_server_stop(&server, 1000);
        CHECK(strcmp(grpc_path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export") == 0,
              grpc_path);
        CHECK_INT(batch->body.len + 5, grpc_body_len, "a prefix and the request");
        kis_batch_unref(batch);
    }
}

TEST(grpc_to_an_http_port_is_told)
{
    static const step steps[] = { { .answer =
                                        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n" } };
    peer p;
    sender s;
    outcome o;
    peer_start(&p, steps, 1);
    sender_start(&s, p.port, (kis_send_options){ .protocol = KIS_OTLP_GRPC });
    push(&s, &o, 1);
    flush(&s, &o);
    CHECK_ERR(KIS_ERR_SYNTAX, o.err, o.reason);
    CHECK(strstr(o.reason, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"), o.reason);
    CHECK_INT(1, kis_send_get_stats(s.sink).attempts, "the same bytes will not pass");
    sender_stop(&s);
    peer_stop(&p);
}

/* ---- the seam ---- */

static void take_all_on_body(void *user, kis_exchange *exchange, uint8_t *body, size_t len,
                             size_t cap)
{
    (void)len;
    test_answer(exchange, 200, "application/x-protobuf", KIS_BYTES_NONE);
    test_free_body(user, body, cap);
}

static kis_sink *open_for_contract(void *user)
{
    test_server *server = user;
    char endpoint[64];
    kis_sink *sink;
    kis_diag diag = { 0 };
    snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d/v1/traces", server->port);
    kis_send_options options = { .endpoint = kis_str_from_c(endpoint), .queue_batches = 10000 };
    CHECK_ERR(KIS_OK, kis_send_otlp_open(&options, &kis_mem, &sink, &diag), diag.text);
    return sink;
}

TEST(the_sender_keeps_the_contract_of_sinks)
{
    test_server server;
    memset(&server, 0, sizeof(server));
    kis_listener_options listener = test_listener(&server);
    listener.handler.on_head = take_all_on_head;
    listener.handler.on_body = take_all_on_body;
    test_server_start(&server, 1, &listener);
    sink_contract_run(&(sink_contract){ .open = open_for_contract, .user = &server });
    test_server_stop(&server, 1000);
}

TEST_MAIN(RUN(what_is_sent_is_the_batch), RUN(the_body_is_the_encoded_request),
          RUN(each_answer_is_followed_as_the_specification_says),
          RUN(a_client_that_cannot_be_made_is_why_each_batch_fails),
          RUN(nobody_there_is_tried_until_the_time_is_up), RUN(an_attempt_has_a_time_limit),
          RUN(a_full_queue_says_so_at_once), RUN(flush_waits_no_longer_than_it_was_told),
          RUN(flush_waits_for_the_oldest_when_a_later_one_is_answered_first),
          RUN(flush_does_not_wait_for_what_is_pushed_after_it),
          RUN(close_while_in_flight_answers_what_is_open),
          RUN(close_while_backing_off_says_why_it_waited),
          RUN(grpc_statuses_are_followed_as_the_specification_says),
          RUN(grpc_to_an_http_port_is_told), RUN(the_sender_keeps_the_contract_of_sinks))
