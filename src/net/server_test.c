/* server_test.c - HTTP/1.1 through real sockets: what is answered, what is refused, and when a
 * connection ends. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "net/test_server.h"

static char got[4 << 20];

/* Sends `request` on a new connection and reads until it is closed or `want` turned up. */
static size_t ask(test_server *s, const char *request, const char *want)
{
    int fd = test_dial(s);
    test_send_text(fd, request);
    size_t len = test_read_until(fd, got, sizeof(got), want);
    close(fd);
    return len;
}

TEST(requests_are_answered_and_the_connection_stays)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    int fd = test_dial(&s);
    for (int i = 0; i < 3; i++) {
        test_send_text(fd, "POST /echo?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        test_read_until(fd, got, sizeof(got), "hello");
        CHECK(strstr(got, "HTTP/1.1 200 OK\r\n") == got, got);
        CHECK(strstr(got, "content-length: 5\r\n"), got);
        CHECK(strstr(got, "\r\ndate: "), got);
        CHECK(!strstr(got, "connection: close"), got);
    }
    /* byte by byte */
    const char *slow = "\r\nGET /describe?q=1 HTTP/1.1\r\nHOST: here:1\r\nX-Y: \t z \t\r\n\r\n";
    for (const char *at = slow; *at; at++)
        test_send(fd, at, 1);
    test_read_until(fd, got, sizeof(got), "body=");
    CHECK(strstr(got, "GET path=/describe query=q=1 authority=here:1 headers=2 body=0\n"), got);
    close(fd);
    test_server_stop(&s, 1000);
}

TEST(pipelined_requests_are_answered_in_order)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    ask(&s,
        "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst"
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3;x=y\r\nsec\r\n3\r\nond\r\n0\r\nTrailer: t\r\n\r\n"
        "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        NULL);
    const char *first = strstr(got, "first"), *second = strstr(got, "second"),
               *last = strstr(got, "connection: close");
    CHECK(first && second && last && first < second && second < last, got);
    CHECK_INT(3, atomic_load(&s.bodies), "three requests");
    test_server_stop(&s, 1000);
}

TEST(half_closed_clients_hear_the_answer)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    static const char *const paths[] = { "/echo", "/later" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        char request[200];
        snprintf(request, sizeof(request),
                 "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", paths[i]);
        int fd = test_dial(&s);
        test_send_text(fd, request);
        shutdown(fd, SHUT_WR);
        test_read_until(fd, got, sizeof(got), NULL);
        CHECK(strstr(got, "\r\n\r\nbody"), paths[i]);
        close(fd);
    }
    test_server_stop(&s, 1000);
}

TEST(bad_requests_get_a_sentence_and_the_connection_closes)
{
    static const struct {
        const char *why, *request;
        int status;
        const char *says;
    } rows[] = {
        { "two Content-Lengths",
          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400,
          "Content-Length twice" },
        { "CL and chunked",
          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
          "chunked\r\n\r\n0\r\n\r\n",
          400, "together" },
        { "space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello",
          400, "before its colon" },
        { "folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400, "folded" },
        { "bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400, "LF without CR" },
        { "bare CR", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400, "CR in the middle" },
        { "unknown coding of transfer",
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501,
          "other than chunked" },
        { "chunk size overflow",
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
          400, "size is too large" },
        { "chunk without CR LF",
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX0\r\n\r\n", 400,
          "CR LF is missing" },
        { "TLS hello", "\x16\x03\x01\x02\x05\x01", 400, "TLS on a port without it" },
        { "no Host", "GET / HTTP/1.1\r\n\r\n", 400, "no Host" },
        { "HTTP/2 version in text", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "only HTTP/1.1" },
        { "CONNECT", "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n", 405,
          "no proxy" },
        { "unknown Expect", "POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417,
          "100-continue" },
    };
    test_server s;
    test_server_start(&s, 1, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char status[32];
        snprintf(status, sizeof(status), "HTTP/1.1 %d ", rows[i].status);
        int fd = test_dial(&s);
        test_send_text(fd, rows[i].request);
        test_read_until(fd, got, sizeof(got), NULL);
        CHECK(strstr(got, status) == got, rows[i].why);
        CHECK(strstr(got, rows[i].says), rows[i].why);
        CHECK(strstr(got, "connection: close\r\n"), rows[i].why);
        close(fd);
    }
    CHECK_INT(COUNT_OF(rows), kis_server_get_stats(s.server).requests_malformed, "all are counted");
    CHECK_INT(0, atomic_load(&s.bodies), "none reached the handler whole");
    CHECK_INT(1, kis_server_get_stats(s.server).tls_failures,
              "the hello of TLS has a count of its own");
    test_server_stop(&s, 1000);
}

TEST(heads_that_are_too_large_are_refused)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    char *big = malloc(200000);
    size_t len = (size_t)sprintf(big, "GET /");
    memset(big + len, 'a', 65536);
    strcpy(big + len + 65536, " HTTP/1.1\r\nHost: a\r\n\r\n");
    ask(&s, big, NULL);
    CHECK(strstr(got, "HTTP/1.1 414 ") == got, "a target of 64 KiB");
    len = (size_t)sprintf(big, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(big + len, 'a', 65536);
    strcpy(big + len + 65536, "\r\n\r\n");
    ask(&s, big, NULL);
    CHECK(strstr(got, "HTTP/1.1 431 ") == got, "a header of 64 KiB");
    len = (size_t)sprintf(big, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 2000; i++)
        len += (size_t)sprintf(big + len, "X: 1\r\n");
    strcpy(big + len, "\r\n");
    ask(&s, big, NULL);
    CHECK(strstr(got, "HTTP/1.1 431 ") == got, "2,000 headers");
    free(big);
    test_server_stop(&s, 1000);
}

TEST(bodies_are_bounded_before_they_are_read)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    s.max_body = 1000;
    ask(&s, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n", NULL);
    CHECK(strstr(got, "HTTP/1.1 413 ") == got && strstr(got, "connection: close") &&
              strstr(got, "the limit is 1000"),
          got);
    ask(&s,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
        NULL);
    CHECK(strstr(got, "HTTP/1.1 413 ") == got, "413 instead of 100");
    ask(&s, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
        "\r\n\r\n");
    CHECK(strstr(got, "HTTP/1.1 100 Continue\r\n\r\n") == got, "100 when it fits");
    char chunked[3000];
    size_t len = (size_t)sprintf(
        chunked, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n");
    memset(chunked + len, 'c', 1001);
    strcpy(chunked + len + 1001, "\r\n0\r\n\r\n");
    ask(&s, chunked, NULL);
    CHECK(strstr(got, "HTTP/1.1 413 ") == got, "a chunked body that grows too long");
    s.use_refuse = true;
    ask(&s, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", NULL);
    CHECK(strstr(got, "HTTP/1.1 413 ") == got && strstr(got, "\r\n\r\n{}"),
          "the handler's own words");
    s.use_refuse = false;
    s.max_body = 1 << 20;
    s.budget.max_bytes = 5000;
    ask(&s, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5001\r\n\r\n", NULL);
    CHECK(strstr(got, "HTTP/1.1 503 ") == got && strstr(got, "retry-after: 1\r\n"),
          "no room in the budget");
    CHECK_INT(0, atomic_load(&s.bodies), "no body was handed over");
    test_server_stop(&s, 1000);
}

/* The exchange ends with that answer, whoever is in the middle of refusing it. */
TEST(a_handlers_own_words_refuse_a_body_at_any_time)
{
    static const struct {
        const char *why, *body, *want;
    } rows[] = {
        { "its length", "Content-Length: 11\r\n\r\n", "HTTP/1.1 413 " },
        { "as it comes", "Transfer-Encoding: chunked\r\n\r\nc\r\ntwelve bytes\r\n",
          "HTTP/1.1 413 " },
        { "as it does not", "Content-Length: 10\r\n\r\nx", "HTTP/1.1 504 " },
        { "in the middle of a chunk", "Transfer-Encoding: chunked\r\n\r\na\r\nx", "HTTP/1.1 504 " },
    };
    test_server s;
    char request[200];
    kis_listener_options options = test_listener(&s);
    options.body_progress_ms = 50;
    test_server_start(&s, 1, &options);
    s.max_body = 10;
    s.use_refuse = true;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(request, sizeof(request), "POST /echo HTTP/1.1\r\nHost: a\r\n%s", rows[i].body);
        ask(&s, request, NULL);
        CHECK(strstr(got, rows[i].want) == got && strstr(got, "\r\n\r\n{}"), rows[i].why);
    }
    CHECK_INT(COUNT_OF(rows), atomic_load(&s.refused), "each once");
    test_server_stop(&s, 1000);
}

static void refuse_run(void *user)
{
    test_answer(user, 413, "text/plain", kis_bytes_of("elsewhere\n", 10));
}

static void refuse_elsewhere(void *user, kis_exchange *exchange, kis_err why)
{
    kis_thread thread = { 0 };
    test_server *s = user;
    (void)why;
    atomic_fetch_add(&s->refused, 1);
    CHECK_ERR(KIS_OK, kis_thread_start(&thread, "refuse", refuse_run, exchange, NULL), "a thread");
    kis_thread_join(&thread); /* the answer is claimed, and lies in the loop's queue */
}

TEST(a_refused_body_never_arrives_in_part)
{
    test_server s;
    kis_listener_options options = test_listener(&s);
    options.handler.on_refuse = refuse_elsewhere;
    test_server_start(&s, 1, &options);
    s.max_body = 10;
    ask(&s,
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nc\r\ntwelve "
        "bytes\r\n2\r\nhi\r\n0\r\n\r\n",
        NULL);
    CHECK(strstr(got, "HTTP/1.1 413 ") == got && strstr(got, "elsewhere"),
          "the answer of another thread");
    CHECK(strstr(got, "connection: close"), "and then no more");
    CHECK_INT(1, atomic_load(&s.refused), "refused once");
    CHECK_INT(0, atomic_load(&s.bodies), "what came behind it is not taken for a body");
    test_server_stop(&s, 1000);
}

TEST(large_bodies_arrive_whole)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    size_t size = 3000017;
    char *body = malloc(size), head[200];
    for (size_t i = 0; i < size; i++)
        body[i] = (char)(i * 2654435761u >> 24);
    int fd = test_dial(&s);
    snprintf(head, sizeof(head),
             "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
             size);
    test_send_text(fd, head);
    CHECK(test_send(fd, body, size), "sent");
    size_t len = test_read_until(fd, got, sizeof(got), NULL);
    CHECK(len > size && memcmp(got + len - size, body, size) == 0, "with a length");
    close(fd);
    fd = test_dial(&s);
    test_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                       "chunked\r\nConnection: close\r\n\r\n");
    for (size_t at = 0, step; at < size; at += step) {
        step = KIS_MIN(size - at, (size_t)200003);
        snprintf(head, sizeof(head), "%zx\r\n", step);
        test_send_text(fd, head);
        test_send(fd, body + at, step);
        test_send_text(fd, "\r\n");
    }
    test_send_text(fd, "0\r\n\r\n");
    len = test_read_until(fd, got, sizeof(got), NULL);
    CHECK(len > size && memcmp(got + len - size, body, size) == 0, "chunked");
    close(fd);
    free(body);
    test_server_stop(&s, 1000);
}

TEST(a_body_nobody_wants_costs_the_connection_only_when_it_is_large)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    ask(&s,
        "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /describe "
        "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        NULL);
    CHECK(strstr(got, "HTTP/1.1 403 ") == got && strstr(got, "GET path=/describe"),
          "5 bytes are read away");
    ask(&s,
        "POST /refuse-later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /describe "
        "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        NULL);
    CHECK(strstr(got, "HTTP/1.1 200 ") == got && strstr(got, "GET path=/describe"),
          "also when another thread answers");
    ask(&s, "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n", NULL);
    CHECK(strstr(got, "HTTP/1.1 403 ") == got && strstr(got, "connection: close"),
          "half a megabyte is not");
    test_server_stop(&s, 1000);
}

TEST(answers_stream_from_another_thread)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    ask(&s, "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
    CHECK(strstr(got, "transfer-encoding: chunked\r\n"), "1.1 is chunked");
    size_t len = strlen(got), x = 0;
    for (size_t i = 0; i < len; i++)
        x += got[i] == 'x';
    CHECK(x >= 1000000 && x < 1000010, "a million bytes");
    CHECK(len > 5 && strcmp(got + len - 5, "0\r\n\r\n") == 0, "the end is marked");
    ask(&s, "GET /stream HTTP/1.0\r\nHost: a\r\n\r\n", NULL);
    CHECK(!strstr(got, "chunked") && strstr(got, "connection: close"),
          "1.0 ends with the connection");
    len = ask(&s, "GET /stream?cut HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    CHECK(len < 5 || strcmp(got + len - 5, "0\r\n\r\n") != 0, "a cut answer does not look whole");
    ask(&s, "HEAD /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
    CHECK(strstr(got, "\r\n\r\n") && strlen(strstr(got, "\r\n\r\n")) == 4, "HEAD has no body");
    /* the reader goes away: the writer is told */
    int fd = test_dial(&s);
    test_send_text(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    recv(fd, got, 100, 0);
    struct linger now = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    WAIT_FOR(kis_server_get_stats(s.server).connections_open == 0, "closed");
    test_server_stop(&s, 1000);
}

TEST(slow_and_silent_clients_are_cut)
{
    test_server s;
    kis_listener_options options = test_listener(&s);
    options.header_timeout_ms = 150;
    options.body_progress_ms = 150;
    options.idle_timeout_ms = 150;
    test_server_start(&s, 1, &options);
    int silent = test_dial(&s), head = test_dial(&s), body = test_dial(&s), idle = test_dial(&s);
    test_send_text(head, "GET / HTTP/1.1\r\nHo");
    test_send_text(body, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nxx");
    test_send_text(idle, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(test_is_closed(silent), "never says a word");
    test_read_until(head, got, sizeof(got), NULL);
    CHECK(strstr(got, "HTTP/1.1 408 ") == got, "half a head");
    test_read_until(body, got, sizeof(got), NULL);
    CHECK(strstr(got, "HTTP/1.1 408 ") == got, "half a body");
    CHECK(test_is_closed(idle), "idle between requests");
    close(silent), close(head), close(body), close(idle);
    CHECK_INT(2, kis_server_get_stats(s.server).timeouts, "idleness is no fault");
    test_server_stop(&s, 1000);
}

TEST(a_body_that_gets_on_slowly_ends_too)
{
    test_server s;
    kis_listener_options options = test_listener(&s);
    options.body_progress_ms = 200;
    options.body_whole_ms = 500;
    test_server_start(&s, 1, &options);
    static const uint8_t piece[4096];
    int fd = test_dial(&s);
    struct pollfd answered = { fd, POLLIN, 0 };
    test_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000000\r\n\r\n");
    uint64_t start = kis_now_ns();
    while (poll(&answered, 1, 5) == 0 && kis_now_ns() - start < 10000000000u)
        test_send(fd, piece, sizeof(piece));
    CHECK(kis_now_ns() - start >= 500000000u, "it had its time");
    test_read_until(fd, got, sizeof(got), NULL);
    CHECK(strstr(got, "HTTP/1.1 408 ") == got && strstr(got, "the body takes too long"),
          "progress alone pins no budget for ever");
    CHECK_INT(1, kis_server_get_stats(s.server).timeouts, "and is counted");
    close(fd);
    test_server_stop(&s, 1000);
}

TEST(many_slow_clients_do_not_stop_others)
{
    enum { SLOW = 400 };
    test_server s;
    test_server_start(&s, 2, NULL);
    static int fds[SLOW];
    for (int i = 0; i < SLOW; i++) {
        fds[i] = test_dial(&s);
        test_send_text(fds[i], "GET / HT");
    }
    ask(&s, "GET /describe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
    CHECK(strstr(got, "HTTP/1.1 200 ") == got, "answered");
    CHECK_INT(0, kis_server_get_stats(s.server).timeouts, "while all of them are still waited for");
    for (int i = 0; i < SLOW; i++)
        close(fds[i]);
    test_server_stop(&s, 1000);
}

TEST(the_oldest_idle_connection_makes_room)
{
    test_server s;
    kis_listener_options options = test_listener(&s);
    options.max_connections = 3;
    test_server_start(&s, 1, &options);
    int a = test_dial(&s);
    WAIT_FOR(kis_server_get_stats(s.server).connections_open == 1, "a");
    int b = test_dial(&s), c = test_dial(&s);
    WAIT_FOR(kis_server_get_stats(s.server).connections_open == 3, "a, b, c");
    int d = test_dial(&s);
    CHECK(test_is_closed(a), "the oldest goes");
    test_send_text(d, "GET /describe HTTP/1.1\r\nHost: a\r\n\r\n");
    test_read_until(d, got, sizeof(got), "body=0");
    CHECK(strstr(got, "200 OK"), "the newest is served");
    static const char hold[] = "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n";
    test_send_text(b, hold), test_send_text(c, hold), test_send_text(d, hold);
    WAIT_FOR(atomic_load(&s.bodies) == 4, "all three are busy");
    int e = test_dial(&s);
    CHECK(test_is_closed(e), "nobody idle: the newest is refused");
    CHECK_INT(1, kis_server_get_stats(s.server).connections_refused, "and counted");
    close(a), close(b), close(c), close(d), close(e);
    test_server_stop(&s, 100);
}

TEST(an_answer_under_way_is_not_cut_to_make_room)
{
    enum { SIZE = 16 << 20 };
    test_server s;
    kis_listener_options options = test_listener(&s);
    options.max_connections = 2;
    test_server_start(&s, 1, &options);
    int reader = test_dial(&s);
    char *body = calloc(1, SIZE), head[100];
    snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
             SIZE);
    CHECK(test_send_text(reader, head) && test_send(reader, body, SIZE), "asked");
    WAIT_FOR(atomic_load(&s.bodies) == 1, "its answer is larger than any socket's buffer");
    int idle = test_dial(&s);
    WAIT_FOR(kis_server_get_stats(s.server).connections_open == 2, "both");
    int newest = test_dial(&s);
    CHECK(test_is_closed(idle), "the idle one goes, although the reader's request is older");
    size_t len = 0;
    for (ssize_t size; len < SIZE && (size = recv(reader, body, SIZE, 0)) > 0;)
        len += (size_t)size;
    CHECK(len > SIZE - 1, "the answer comes whole");
    test_send_text(newest, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&s.bodies) == 2 && kis_server_get_stats(s.server).connections_open == 2,
             "the newest is busy");
    int more = test_dial(&s);
    CHECK(test_is_closed(reader), "a reader that has all of it is idle again");
    free(body);
    close(reader), close(idle), close(newest), close(more);
    test_server_stop(&s, 100);
}

TEST(a_process_without_descriptors_refuses_and_recovers)
{
    test_server s;
    struct rlimit before, low;
    test_server_start(&s, 1, NULL);
    int first = test_dial(&s), waiting[4];
    WAIT_FOR(kis_server_get_stats(s.server).connections_open == 1, "one");
    for (int i = 0; i < 4; i++)
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    int probe = dup(0);
    low.rlim_cur = (rlim_t)probe; /* every descriptor below is in use */
    close(probe);
    setrlimit(RLIMIT_NOFILE, &low);
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(s.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (int i = 0; i < 4; i++)
        connect(waiting[i], (struct sockaddr *)&to, sizeof(to));
    for (int i = 0; i < 4; i++)
        CHECK(test_is_closed(waiting[i]), "refused, not left hanging");
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK_INT(4, kis_server_get_stats(s.server).connections_refused, "counted");
    test_send_text(first, "GET /describe HTTP/1.1\r\nHost: a\r\n\r\n");
    test_read_until(first, got, sizeof(got), "body=0");
    CHECK(strstr(got, "200 OK"), "who was there is served");
    ask(&s, "GET /describe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);
    CHECK(strstr(got, "200 OK"), "and new ones again");
    for (int i = 0; i < 4; i++)
        close(waiting[i]);
    close(first);
    test_server_stop(&s, 1000);
}

TEST(connections_leave_descriptors_to_others)
{
    enum { LIMIT = 64, MAX = LIMIT / 2 };
    test_server s;
    struct rlimit before, low;
    int fds[MAX + 1];
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = LIMIT;
    setrlimit(RLIMIT_NOFILE, &low);
    test_server_start(&s, 1, NULL);
    setrlimit(RLIMIT_NOFILE, &before); /* our own ends are not meant */
    for (unsigned i = 0; i < MAX; i++) {
        fds[i] = test_dial(&s);
        WAIT_FOR(kis_server_get_stats(s.server).connections_open == i + 1,
                 "below the bound each is taken");
    }
    fds[MAX] = test_dial(&s);
    CHECK(test_is_closed(fds[0]), "the oldest idle one goes, although the default is 20000");
    WAIT_FOR(kis_server_get_stats(s.server).connections_open == MAX, "half of a small limit");
    for (unsigned i = 0; i <= MAX; i++)
        close(fds[i]);
    test_server_stop(&s, 1000);
}

TEST(a_port_that_is_taken_is_said)
{
    test_server s;
    kis_diag diag;
    test_server_start(&s, 1, NULL);
    kis_listener_options options = test_listener(&s);
    options.address = kis_str_from_c(s.address);
    kis_server *second;
    kis_loop *loop;
    CHECK_ERR(KIS_OK, kis_loop_new(&kis_mem, &loop, &diag), diag.text);
    CHECK_ERR(KIS_OK, kis_server_new(&loop, 1, &kis_mem, &second, &diag), diag.text);
    CHECK_ERR(KIS_ERR_RANGE, kis_server_listen(second, &options, NULL, &diag), "taken");
    CHECK(strstr(diag.text, "address in use") && strstr(diag.text, s.address), diag.text);
    options.address = KIS_STR("127.0.0.1:notaport");
    CHECK_ERR(KIS_ERR_SYNTAX, kis_server_listen(second, &options, NULL, &diag), diag.text);
    kis_server_free(second);
    kis_loop_free(loop);
    test_server_stop(&s, 1000);
}

TEST(stopping_waits_for_answers_and_then_cuts)
{
    test_server s;
    test_server_start(&s, 2, NULL);
    int idle = test_dial(&s), busy = test_dial(&s);
    test_send_text(busy, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    WAIT_FOR(atomic_load(&s.bodies) == 1 && kis_server_get_stats(s.server).connections_open == 2,
             "both are there");
    test_answerer *a = malloc(sizeof(*a));
    *a = (test_answerer){ &s, kis_exchange_ref(test_held(&s, 0)), NULL, 0, 0, false };
    CHECK_ERR(KIS_OK, kis_thread_start(&s.answerers[0], "answerer", test_answerer_run, a, NULL),
              "starts");
    CHECK_INT(0, test_server_stop(&s, 5000), "nothing was cut");
    test_read_until(busy, got, sizeof(got), NULL);
    CHECK(strstr(got, "HTTP/1.1 200 ") == got, "the request in flight was answered");
    CHECK(test_is_closed(idle), "the idle one was closed");
    close(idle), close(busy);

    test_server_start(&s, 1, NULL);
    busy = test_dial(&s);
    test_send_text(busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&s.bodies) == 1, "it is held");
    kis_exchange *held = kis_exchange_ref(test_held(&s, 0));
    CHECK_INT(1, test_server_stop(&s, 50), "one request was cut");
    CHECK_INT(1, atomic_load(&s.gone), "the handler was told");
    test_answer(held, 200, "text/plain", KIS_BYTES_NONE); /* nobody is there: nothing happens */
    kis_exchange_unref(held);
    close(busy);
}

TEST(a_peer_that_vanishes_is_noticed)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    struct linger now = { 1, 0 };
    int fd = test_dial(&s);
    test_send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    test_held(&s, 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    WAIT_FOR(atomic_load(&s.gone) == 1, "reset while the handler works");
    fd = test_dial(&s);
    test_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nabc");
    WAIT_FOR(s.budget.used_bytes == 500000, "charged");
    close(fd);
    WAIT_FOR(s.budget.used_bytes == 0 && atomic_load(&s.gone) == 2,
             "gone in the middle of its body");
    CHECK_INT(1, atomic_load(&s.bodies), "nothing half was handed over");
    test_server_stop(&s, 1000);
}

TEST(answers_cannot_smuggle_header_lines)
{
    test_server s;
    test_server_start(&s, 1, NULL);
    int fd = test_dial(&s);
    test_send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&s.bodies) == 1, "held");
    const kis_header headers[] = { { KIS_STR("x-good"), KIS_STR("1") },
                                   { KIS_STR("x-bad"), KIS_STR("a\r\nset-cookie: b") },
                                   { KIS_STR("x bad"), KIS_STR("1") } };
    kis_exchange_answer(test_held(&s, 0),
                        &(kis_answer_head){ .status = 200, .headers = headers, .header_count = 3 },
                        kis_bytes_of("end", 3));
    test_read_until(fd, got, sizeof(got), "\r\n\r\nend");
    CHECK(strstr(got, "x-good: 1\r\n") && !strstr(got, "set-cookie") && !strstr(got, "x bad"), got);
    close(fd);
    test_server_stop(&s, 1000);
}

TEST(unix_sockets_listen_and_leave_nothing_behind)
{
    test_server s;
    char path[80];
    snprintf(path, sizeof(path), "unix:/tmp/kis_server_test_%d.sock", (int)getpid());
    kis_listener_options options = test_listener(&s);
    options.address = kis_str_from_c(path);
    kis_loop *loop;
    kis_server *server;
    kis_diag diag;
    memset(&s, 0, sizeof(s));
    CHECK_ERR(KIS_OK, kis_loop_new(&kis_mem, &loop, &diag), diag.text);
    CHECK_ERR(KIS_OK, kis_server_new(&loop, 1, &kis_mem, &server, &diag), diag.text);
    CHECK_ERR(KIS_OK, kis_server_listen(server, &options, s.address, &diag), diag.text);
    CHECK_ERR(KIS_ERR_RANGE, kis_server_listen(server, &options, NULL, &diag),
              "taken by ourselves");
    CHECK(strcmp(path, s.address) == 0, s.address);
    CHECK(access(path + 5, F_OK) == 0, "the file is there");
    kis_server_free(server);
    CHECK(access(path + 5, F_OK) != 0, "and gone");
    int file = open(path + 5, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(write(file, "mine", 4) == 4 && close(file) == 0, "a file of somebody's");
    CHECK_ERR(KIS_OK, kis_server_new(&loop, 1, &kis_mem, &server, &diag), diag.text);
    CHECK_ERR(KIS_ERR_IO, kis_server_listen(server, &options, NULL, &diag), "is in the way");
    CHECK(strstr(diag.text, "something that is no socket is there already"), diag.text);
    kis_server_free(server);
    struct stat st;
    CHECK(stat(path + 5, &st) == 0 && st.st_size == 4, "and left alone");
    unlink(path + 5);
    kis_loop_free(loop);
}

/* Which loop the request to "/a", "/b", ... was served on. */
static atomic_int served_on['z' + 1];

static void note_loop(void *user, kis_exchange *exchange, uint8_t *body, size_t len, size_t cap)
{
    test_server *s = user;
    int loop = 0;
    while (s->loops[loop] != kis_exchange_loop(exchange))
        loop++;
    (void)len;
    test_free_body(s, body, cap);
    atomic_store(&served_on[(unsigned char)kis_exchange_head(exchange)->path.ptr[1]], loop + 1);
    test_answer(exchange, 200, "text/plain", kis_bytes_of("here\n", 5));
}

/* Sends a request to "/NAME" and answers which loop it was on. */
static int loop_of(int fd, char name)
{
    char request[64], text[1000];
    atomic_store(&served_on[(unsigned char)name], 0);
    snprintf(request, sizeof(request), "GET /%c HTTP/1.1\r\nHost: a\r\n\r\n", name);
    test_send_text(fd, request);
    test_read_until(fd, text, sizeof(text), "here\n");
    return atomic_load(&served_on[(unsigned char)name]) - 1;
}

TEST(a_new_connection_goes_to_the_least_busy_loop_and_stays_there)
{
    test_server s;
    int fds[12], loops[12], counts[4] = { 0 };
    kis_listener_options options = test_listener(&s);
    options.handler.on_body = note_loop;
    test_server_start(&s, 4, &options);
    for (int i = 0; i < 12; i++) {
        fds[i] = test_dial(&s);
        loops[i] = loop_of(fds[i], (char)('a' + i));
        CHECK(loops[i] >= 0, "it is served");
        counts[loops[i]]++;
    }
    for (int i = 0; i < 4; i++)
        CHECK_INT(3, counts[i], "all loops have the same number of them");
    for (int i = 0; i < 12; i++)
        CHECK_INT(loops[i], loop_of(fds[i], (char)('a' + i)), "a connection stays where it is");
    int lonely = loops[5];
    for (int i = 0; i < 12; i++)
        if (loops[i] == lonely)
            close(fds[i]);
    WAIT_FOR(kis_server_get_stats(s.server).connections_open == 9, "three have gone");
    for (int i = 0; i < 12; i++)
        if (loops[i] == lonely) {
            fds[i] = test_dial(&s);
            CHECK_INT(lonely, loop_of(fds[i], 'z'), "new ones go where there are fewest");
        }
    for (int i = 0; i < 12; i++)
        close(fds[i]);
    test_server_stop(&s, 1000);
}

/* The peer is gone, and so is the loop: what the goodbye finds out has nobody to be told to. */
static void stop_behind_the_loop(bool h2)
{
    static const char greeting[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    const struct linger reset = { 1, 0 };
    test_server s;
    char first;
    test_server_start(&s, 1, NULL);
    int fd = test_dial(&s);
    if (h2) {
        test_send(fd, greeting, sizeof(greeting) - 1);
        CHECK_INT(1, recv(fd, &first, 1, 0), "it is greeted");
    } else {
        test_send_text(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
        test_held(&s, 0);
    }
    kis_loop_stop(s.loops[0]);
    kis_thread_join(&s.threads[0]);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    CHECK_INT(!h2, test_server_stop(&s, 100), "requests that were cut");
}
TEST(http1_stopping_behind_the_loop_uses_nothing_that_is_buried)
{
    stop_behind_the_loop(false);
}
TEST(http2_stopping_behind_the_loop_uses_nothing_that_is_buried)
{
    stop_behind_the_loop(true);
}

TEST_MAIN(RUN(a_new_connection_goes_to_the_least_busy_loop_and_stays_there),
          RUN(requests_are_answered_and_the_connection_stays),
          RUN(pipelined_requests_are_answered_in_order), RUN(half_closed_clients_hear_the_answer),
          RUN(bad_requests_get_a_sentence_and_the_connection_closes),
          RUN(heads_that_are_too_large_are_refused), RUN(bodies_are_bounded_before_they_are_read),
          RUN(a_handlers_own_words_refuse_a_body_at_any_time),
          RUN(a_refused_body_never_arrives_in_part), RUN(large_bodies_arrive_whole),
          RUN(a_body_nobody_wants_costs_the_connection_only_when_it_is_large),
          RUN(answers_stream_from_another_thread), RUN(slow_and_silent_clients_are_cut),
          RUN(a_body_that_gets_on_slowly_ends_too), RUN(many_slow_clients_do_not_stop_others),
          RUN(the_oldest_idle_connection_makes_room),
          RUN(an_answer_under_way_is_not_cut_to_make_room),
          RUN(a_process_without_descriptors_refuses_and_recovers),
          RUN(connections_leave_descriptors_to_others), RUN(a_port_that_is_taken_is_said),
          RUN(stopping_waits_for_answers_and_then_cuts), RUN(a_peer_that_vanishes_is_noticed),
          RUN(answers_cannot_smuggle_header_lines),
          RUN(unix_sockets_listen_and_leave_nothing_behind),
          RUN(http1_stopping_behind_the_loop_uses_nothing_that_is_buried),
          RUN(http2_stopping_behind_the_loop_uses_nothing_that_is_buried))
