/* test_server.h - a server on a thread of its own, and a raw socket to throw bytes at it. For the
 * tests of net. */
#ifndef KIS_NET_TEST_SERVER_H
#define KIS_NET_TEST_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "net/server.h"
#include "os/mem.h"
#include "tests/test.h"

#define TEST_LOOPS_MAX 4

typedef struct test_budget {
    uint64_t max_bytes;
    _Atomic uint64_t used_bytes;
} test_budget;

static inline bool test_budget_take(void *user, uint64_t bytes)
{
    test_budget *budget = user;
    if (atomic_fetch_add(&budget->used_bytes, bytes) + bytes <= budget->max_bytes)
        return true;
    atomic_fetch_sub(&budget->used_bytes, bytes);
    return false;
}
static inline void test_budget_give_back(void *user, uint64_t bytes)
{
    atomic_fetch_sub(&((test_budget *)user)->used_bytes, bytes);
}

typedef struct test_server {
    kis_loop *loops[TEST_LOOPS_MAX];
    kis_thread threads[TEST_LOOPS_MAX];
    size_t loop_count;
    kis_server *server;
    char address[80];
    uint16_t port;
    /* what the handler below does and saw */
    uint64_t max_body;
    bool use_refuse;
    test_budget budget;
    atomic_int heads, bodies, gone, refused;
    atomic_int bad_memos; /* on_head's memo was not zeros, or on_body found something else in it */
    kis_lock lock;
    kis_cond changed;
    kis_exchange *held[64]; /* guarded by lock: requests to /hold */
    int held_count;
    kis_thread answerers[32];
    atomic_int answerer_count;
} test_server;

typedef struct test_answerer {
    test_server *s;
    kis_exchange *exchange;
    uint8_t *body;
    size_t len, cap;
    bool is_stream;
} test_answerer;

static inline void test_free_body(test_server *s, uint8_t *body, size_t cap)
{
    if (!body)
        return;
    kis_body_alloc->give_back(kis_body_alloc->user, body, cap);
    test_budget_give_back(&s->budget, cap);
}

static inline void test_answer(kis_exchange *exchange, int status, const char *type, kis_bytes body)
{
    const kis_header headers[] = { { KIS_STR("content-type"), kis_str_from_c(type) } };
    kis_exchange_answer(
        exchange, &(kis_answer_head){ .status = status, .headers = headers, .header_count = 1 },
        body);
}

static inline void test_answer_grpc(kis_exchange *exchange, kis_bytes body)
{
    const kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("application/grpc") } };
    const kis_header trailers[] = { { KIS_STR("grpc-status"), KIS_STR("0") },
                                    { KIS_STR("grpc-message"), KIS_STR("") } };
    kis_exchange_answer(exchange,
                        &(kis_answer_head){ .status = 200,
                                            .headers = headers,
                                            .header_count = 1,
                                            .trailers = trailers,
                                            .trailer_count = 1 },
                        body);
}

/* Another thread: the whole answer at once, or 1 MiB of it in pieces. */
static inline void test_answerer_run(void *user)
{
    test_answerer *a = user;
    if (a->is_stream) {
        static const uint8_t piece[1000] = { [0 ... 999] = 'x' };
        const kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("text/plain") } };
        bool is_cut = kis_str_eq(kis_exchange_head(a->exchange)->query, KIS_STR("cut"));
        kis_exchange_begin(a->exchange, &(kis_answer_head){
                                            .status = 200, .headers = headers, .header_count = 1 });
        for (int i = 0; i < 1000; i++) {
            if (kis_exchange_write(a->exchange, kis_bytes_of(piece, sizeof(piece)),
                                   kis_now_ns() + 5000000000u) != KIS_OK)
                break;
        }
        kis_exchange_end(a->exchange, !is_cut);
    } else {
        test_answer(a->exchange, 200, "text/plain", kis_bytes_of(a->body, a->len));
    }
    test_free_body(a->s, a->body, a->cap);
    kis_exchange_unref(a->exchange);
    free(a);
}

static inline void test_answer_later(test_server *s, kis_exchange *exchange, uint8_t *body,
                                     size_t len, size_t cap, bool is_stream)
{
    test_answerer *a = malloc(sizeof(*a));
    *a = (test_answerer){ s, kis_exchange_ref(exchange), body, len, cap, is_stream };
    int i = atomic_fetch_add(&s->answerer_count, 1) % 32;
    kis_thread_join(&s->answerers[i]);
    if (kis_thread_start(&s->answerers[i], "answerer", test_answerer_run, a, NULL) != KIS_OK)
        abort();
}

static inline bool test_on_head(void *user, kis_exchange *exchange, uint64_t *max_body)
{
    test_server *s = user;
    const kis_request_head *head = kis_exchange_head(exchange);
    kis_exchange **memo = kis_exchange_memo(exchange);
    atomic_fetch_add(&s->bad_memos, *memo != NULL);
    *memo = exchange;
    atomic_fetch_add(&s->heads, 1);
    *max_body = s->max_body;
    if (kis_str_eq(head->path, KIS_STR("/refuse")))
        test_answer(exchange, 403, "text/plain", kis_bytes_of("no\n", 3));
    else if (kis_str_eq(head->path, KIS_STR("/refuse-later")))
        test_answer_later(s, exchange, NULL, 0, 0, false);
    return true;
}

static inline void test_on_body(void *user, kis_exchange *exchange, uint8_t *body, size_t len,
                                size_t cap)
{
    test_server *s = user;
    const kis_request_head *head = kis_exchange_head(exchange);
    kis_exchange *const *memo = kis_exchange_memo(exchange);
    atomic_fetch_add(&s->bad_memos, *memo != exchange);
    atomic_fetch_add(&s->bodies, 1);
    if (kis_str_eq(head->path, KIS_STR("/later")) || kis_str_eq(head->path, KIS_STR("/stream"))) {
        test_answer_later(s, exchange, body, len, cap, kis_str_eq(head->path, KIS_STR("/stream")));
        return;
    }
    if (kis_str_eq(head->path, KIS_STR("/hold"))) {
        kis_lock_take(&s->lock);
        s->held[s->held_count++] = kis_exchange_ref(exchange);
        kis_cond_broadcast(&s->changed);
        kis_lock_give(&s->lock);
    } else if (kis_str_eq(head->path, KIS_STR("/describe"))) {
        /* what was understood, one line each */
        char text[2048];
        kis_buf out;
        kis_buf_init_fixed(&out, text, sizeof(text));
        kis_buf_add_fmt(&out,
                        KIS_FMT " path=" KIS_FMT " query=" KIS_FMT " authority=" KIS_FMT
                                " headers=%zu body=%zu\n",
                        KIS_ARG(head->method), KIS_ARG(head->path), KIS_ARG(head->query),
                        KIS_ARG(head->authority), head->header_count, len);
        test_answer(exchange, 200, "text/plain", kis_buf_bytes(&out));
    } else if (kis_str_starts(kis_request_header(head, "content-type"),
                              KIS_STR("application/grpc"))) {
        test_answer_grpc(exchange, kis_bytes_of(body, len));
    } else {
        test_answer(exchange, 200, "text/plain", kis_bytes_of(body, len));
    }
    test_free_body(s, body, cap);
}

static inline void test_on_gone(void *user, kis_exchange *exchange)
{
    test_server *s = user;
    (void)exchange;
    atomic_fetch_add(&s->gone, 1);
}

static inline void test_on_refuse(void *user, kis_exchange *exchange, kis_err why)
{
    test_server *s = user;
    atomic_fetch_add(&s->refused, 1);
    if (s->use_refuse)
        test_answer(exchange, kis_err_http_status(why), "application/json", kis_bytes_of("{}", 2));
}

static inline void test_loop_run(void *user)
{
    kis_loop_run(user);
}

static inline kis_listener_options test_listener(test_server *s)
{
    return (kis_listener_options){
        .address = KIS_STR("127.0.0.1:0"),
        .handler = { test_on_head, test_on_body, test_on_gone, s, test_on_refuse,
                     sizeof(kis_exchange *) },
        .budget = { test_budget_take, test_budget_give_back, &s->budget },
        .allow_http1 = true,
        .allow_http2 = true,
    };
}

/* `options` NULL: test_listener's. */
static inline void test_server_start(test_server *s, size_t loops,
                                     const kis_listener_options *options)
{
    kis_diag diag = { 0 };
    memset(s, 0, sizeof(*s));
    s->max_body = 64u << 20;
    s->budget.max_bytes = 256u << 20;
    s->loop_count = loops;
    kis_lock_init(&s->lock, KIS_RANK_QUEUE);
    kis_cond_init(&s->changed);
    for (size_t i = 0; i < loops; i++)
        CHECK_ERR(KIS_OK, kis_loop_new(&kis_mem, &s->loops[i], &diag), diag.text);
    CHECK_ERR(KIS_OK, kis_server_new(s->loops, loops, &kis_mem, &s->server, &diag), diag.text);
    kis_listener_options mine = options ? *options : test_listener(s);
    mine.handler.user = s;
    mine.budget.user = &s->budget;
    CHECK_ERR(KIS_OK, kis_server_listen(s->server, &mine, s->address, &diag), diag.text);
    s->port = (uint16_t)atoi(strrchr(s->address, ':') + 1);
    kis_server_start(s->server);
    for (size_t i = 0; i < loops; i++)
        CHECK_ERR(KIS_OK,
                  kis_thread_start(&s->threads[i], "loop", test_loop_run, s->loops[i], &diag),
                  diag.text);
}

static inline uint64_t test_server_stop(test_server *s, uint64_t wait_ms)
{
    uint64_t cut = kis_server_stop(s->server, kis_now_ns() + wait_ms * 1000000u);
    for (size_t i = 0; i < s->loop_count; i++)
        kis_loop_stop(s->loops[i]);
    for (size_t i = 0; i < s->loop_count; i++)
        kis_thread_join(&s->threads[i]);
    for (int i = 0; i < 32; i++)
        kis_thread_join(&s->answerers[i]);
    for (int i = 0; i < s->held_count; i++)
        kis_exchange_unref(s->held[i]);
    kis_server_free(s->server);
    for (size_t i = 0; i < s->loop_count; i++)
        kis_loop_free(s->loops[i]);
    CHECK_INT(0, s->bad_memos, "what on_head notes is there for on_body");
    CHECK_INT(0, s->budget.used_bytes, "every byte of a body is given back to the budget");
    kis_cond_done(&s->changed);
    kis_lock_done(&s->lock);
    return cut;
}

/* Waits until the condition holds, at most 10 s. */
#define WAIT_FOR(what, why)                              \
    do {                                                 \
        uint64_t wait_end = kis_now_ns() + 10000000000u; \
        while (!(what) && kis_now_ns() < wait_end)       \
            poll(NULL, 0, 2);                            \
        CHECK(what, why);                                \
    } while (0)

/* The i-th request to /hold, once it is there. */
static inline kis_exchange *test_held(test_server *s, int i)
{
    kis_lock_take(&s->lock);
    while (s->held_count <= i &&
           kis_cond_wait_until(&s->changed, &s->lock, kis_now_ns() + 10000000000u))
        ;
    kis_exchange *exchange = s->held_count > i ? s->held[i] : NULL;
    kis_lock_give(&s->lock);
    CHECK(exchange, "a request to /hold came");
    return exchange;
}

/* ---- the other side ---- */

static inline int test_dial(const test_server *s)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(s->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        fail_msg("connect: %s", strerror(errno));
    return fd;
}

static inline bool test_send(int fd, const void *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t put = send(fd, (const char *)bytes + at, size - at, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        at += (size_t)put;
    }
    return true;
}
static inline bool test_send_text(int fd, const char *text)
{
    return test_send(fd, text, strlen(text));
}

/* Reads until the peer closes, `want` turns up, or 10 s are over. Answers the length; the text ends
 * in NUL. */
static inline size_t test_read_until(int fd, char *to, size_t size, const char *want)
{
    size_t len = 0;
    uint64_t end = kis_now_ns() + 10000000000u;
    to[0] = 0;
    while (len + 1 < size && kis_now_ns() < end) {
        struct pollfd p = { fd, POLLIN, 0 };
        if (poll(&p, 1, 100) <= 0)
            continue;
        ssize_t got = recv(fd, to + len, size - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        to[len] = 0;
        if (want && memmem(to, len, want, strlen(want)))
            break;
    }
    return len;
}

/* True when the peer has closed within 10 s, whatever it says before. */
static inline bool test_is_closed(int fd)
{
    char junk[4096];
    uint64_t end = kis_now_ns() + 10000000000u;
    while (kis_now_ns() < end) {
        struct pollfd p = { fd, POLLIN, 0 };
        if (poll(&p, 1, 100) > 0 && recv(fd, junk, sizeof(junk), 0) <= 0)
            return true;
    }
    return false;
}

#endif
