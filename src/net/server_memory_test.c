/* server_memory_test.c - each allocation of the server fails once: requests are refused, nothing
 * leaks, nothing crashes, nobody waits for ever, and the next connection is served.
 *
 * One thread: the requests lie in the socket before the loop runs, and a timer of the test looks
 * for the answers.
 */
#include "net/test_server.h"

typedef struct probe {
    kis_loop *loop;
    kis_server *server;
    kis_timer timer;
    int fd;
    uint64_t end_ns;
    char text[8192];
    size_t len;
    bool is_over, is_late;
} probe;

static bool was_asked; /* a handler had the whole request */

static bool simple_head(void *user, kis_exchange *exchange, uint64_t *max_body)
{
    (void)user;
    (void)exchange;
    *max_body = 1 << 20;
    return true;
}
static void simple_body(void *user, kis_exchange *exchange, uint8_t *body, size_t len, size_t cap)
{
    (void)user;
    was_asked = true;
    if (kis_str_eq(kis_exchange_head(exchange)->path, KIS_STR("/stream"))) {
        kis_exchange_begin(exchange, &(kis_answer_head){ .status = 200 });
        kis_exchange_end(exchange, true);
        return;
    }
    const kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("application/grpc") } };
    const kis_header trailers[] = { { KIS_STR("grpc-status"), KIS_STR("0") } };
    kis_exchange_answer(exchange,
                        &(kis_answer_head){ .status = 200,
                                            .headers = headers,
                                            .header_count = 1,
                                            .trailers = trailers,
                                            .trailer_count = 1 },
                        kis_bytes_of(body, len));
    if (body)
        kis_body_alloc->give_back(kis_body_alloc->user, body, cap);
}

static void probe_fire(kis_timer *timer)
{
    probe *p = KIS_CONTAINER(timer, probe, timer);
    ssize_t got = recv(p->fd, p->text + p->len, sizeof(p->text) - p->len, MSG_DONTWAIT);
    if (got > 0)
        p->len += (size_t)got;
    p->is_late = got < 0 && errno == EAGAIN &&
                 kis_loop_now_ns(p->loop) > p->end_ns + (was_asked ? 2000000000u : 0);
    p->is_over = p->is_late || got == 0 || (got < 0 && errno != EAGAIN);
    if (p->is_over ||
        kis_loop_set_timer(p->loop, &p->timer, kis_loop_now_ns(p->loop) + 1000000) != KIS_OK)
        kis_loop_stop(p->loop);
}

static const char h1[] =
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcPOST /b HTTP/1.1\r\nHost: "
    "a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
static const char streamed[] = "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
static const char h2[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                         "\0\0\6\1\4\0\0\0\1\x83\x86\x84\x41\1a"
                         "\0\0\x08\0\1\0\0\0\1\0\0\0\0\3abc"
                         "\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0"; /* GOAWAY: we have had enough */

/* One server, one connection; true when an allocation failed on the way. */
static bool run_once(long fail_at, const char *request, size_t size, probe *p)
{
    kis_diag diag;
    char address[80];
    const kis_listener_options options = { .address = KIS_STR("127.0.0.1:0"),
                                           .handler = { .on_head = simple_head,
                                                        .on_body = simple_body },
                                           .allow_http1 = true,
                                           .allow_http2 = true };
    memset(p, 0, sizeof(*p));
    was_asked = false;
    test_alloc_reset(fail_at);
    kis_err err = kis_loop_new(test_alloc, &p->loop, &diag);
    if (!err && (err = kis_server_new(&p->loop, 1, test_alloc, &p->server, &diag)) == KIS_OK &&
        (err = kis_server_listen(p->server, &options, address, &diag)) == KIS_OK) {
        struct sockaddr_in to = { .sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(connect(p->fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
                  test_send(p->fd, request, size),
              "sent");
        kis_server_start(p->server);
        p->timer.fire = probe_fire;
        p->end_ns = kis_now_ns() + 150000000u;
        if (kis_loop_set_timer(p->loop, &p->timer, 1) == KIS_OK)
            kis_loop_run(p->loop);
        kis_server_stop(p->server, 0);
        close(p->fd);
    } else {
        CHECK_ERR(KIS_ERR_NOMEM, err, "what fails is memory");
    }
    kis_server_free(p->server);
    kis_loop_free(p->loop);
    CHECK_INT(0, test_alloc_live(), "no leak");
    return test_alloc_failed();
}

TEST(each_allocation_may_fail)
{
    static const struct {
        const char *why, *request;
        size_t size;
        const char *says;
        size_t says_len;
    } rows[] = {
        { "HTTP/1.1", h1, sizeof(h1) - 1, "\r\n\r\nabcHTTP/1.1 200 OK", 22 },
        { "HTTP/1.1, streamed", streamed, sizeof(streamed) - 1, "\r\n\r\n0\r\n\r\n", 9 },
        { "HTTP/2", h2, sizeof(h2) - 1, "\0\0\0\0\3abc", 8 },
    };
    static probe p;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        long n = 0;
        while (run_once(n, rows[i].request, rows[i].size, &p)) {
            CHECK(!was_asked || !p.is_late,
                  "who has asked is answered or cut, and does not wait for ever");
            n++;
        }
        CHECK(n > 5, "there were some");
        CHECK(memmem(p.text, p.len, rows[i].says, rows[i].says_len), rows[i].why);
    }
    test_alloc_reset(-1);
}

TEST_MAIN(RUN(each_allocation_may_fail))
