/* client_line_test.c - connections of the client: how they are made, kept, found dead and made
 * again. */
#include "net/test_client.h"

/* answers 3 requests on one connection, the third says close; then one on another */
static void script_keep(peer *p)
{
    int fd = peer_accept(p);
    for (int i = 0; i < 3 && peer_read_request(p, fd); i++)
        test_send_text(fd, i < 2 ? OK_HEAD "Content-Length: 1\r\n\r\na"
                                 : OK_HEAD "Content-Length: 1\r\nConnection: close\r\n\r\nb");
    CHECK(test_is_closed(fd), "the client closes after Connection: close");
    close(fd);
    fd = peer_accept(p);
    peer_read_request(p, fd);
    test_send_text(fd, OK_HEAD "Content-Length: 1\r\n\r\nc");
    test_is_closed(fd);
    close(fd);
}

TEST(connections_are_kept_until_the_peer_says_close)
{
    peer p;
    test_client tc;
    ask a;
    peer_start(&p, script_keep, NULL);
    client_start_to(&tc, p.port, false);
    static const char *const bodies[] = { "a", "a", "b", "c" };
    for (int i = 0; i < 4; i++) {
        get(&a, &tc, "/");
        CHECK_ERR(KIS_OK, a.err, a.diag);
        CHECK_STR(bodies[i], kis_str_of(a.body, a.body_len), "in order");
        CHECK_INT(i < 3 ? 1 : 2, atomic_load(&p.accepted), "connections");
        ask_done(&a);
    }
    client_stop(&tc);
    peer_stop(&p);
}

/* answers one request, closes when the next comes; answers it on a second connection; then dies
 * twice */
static void script_stale(peer *p)
{
    int fd = peer_accept(p);
    peer_read_request(p, fd);
    test_send_text(fd, OK_HEAD "Content-Length: 1\r\n\r\n1");
    peer_read_request(p, fd);
    close(fd);
    fd = peer_accept(p);
    peer_read_request(p, fd);
    test_send_text(fd, OK_HEAD "Content-Length: 1\r\n\r\n2");
    peer_read_request(p, fd);
    close(fd); /* stale again */
    fd = peer_accept(p);
    peer_read_request(p, fd);
    close(fd); /* but this one is fresh */
}

TEST(a_stale_connection_is_tried_again_once_on_a_fresh_one)
{
    peer p;
    test_client tc;
    ask a;
    peer_start(&p, script_stale, NULL);
    client_start_to(&tc, p.port, false);
    get(&a, &tc, "/");
    CHECK_STR("1", kis_str_of(a.body, a.body_len), "the first");
    ask_done(&a);
    get(&a, &tc, "/");
    CHECK_ERR(KIS_OK, a.err, a.diag);
    CHECK_STR("2", kis_str_of(a.body, a.body_len), "answered by the second connection");
    CHECK_INT(3, atomic_load(&p.requests), "it came twice");
    ask_done(&a);
    get(&a, &tc, "/");
    CHECK_ERR(KIS_ERR_IO, a.err, "once, not more");
    CHECK(a.was_sent, "the peer has read it");
    CHECK(strstr(a.diag, "before an answer came"), a.diag);
    CHECK(!strstr(a.diag, "TLS"), "it has spoken HTTP before");
    ask_done(&a);
    client_stop(&tc);
    peer_stop(&p);
    CHECK_INT(3, atomic_load(&p.accepted), "connections");
    CHECK_INT(5, atomic_load(&p.requests), "requests");
}

static void script_idle_close(peer *p)
{
    int fd = peer_accept(p);
    peer_read_request(p, fd);
    test_send_text(fd, OK_HEAD "Content-Length: 1\r\n\r\n1");
    close(fd); /* while nothing is asked */
    fd = peer_accept(p);
    peer_read_request(p, fd);
    test_send_text(fd, OK_HEAD "Content-Length: 1\r\n\r\n2rubbish");
    CHECK(test_is_closed(fd), "more than was asked for: the connection is not used again");
    close(fd);
}

TEST(idle_connections_that_close_or_talk_are_forgotten)
{
    peer p;
    test_client tc;
    ask a;
    peer_start(&p, script_idle_close, NULL);
    client_start_to(&tc, p.port, false);
    get(&a, &tc, "/");
    CHECK_ERR(KIS_OK, a.err, a.diag);
    ask_done(&a);
    get(&a, &tc, "/");
    CHECK_STR("2", kis_str_of(a.body, a.body_len), a.diag);
    ask_done(&a);
    client_stop(&tc);
    peer_stop(&p);
    CHECK_INT(2, atomic_load(&p.requests), "nothing came twice");
}

/* refuses before the body is read, and closes with the body unread */
static void script_early(peer *p)
{
    int fd = peer_accept(p);
    char text[1000];
    test_read_until(fd, text, sizeof(text), "\r\n");
    test_send_text(fd,
                   "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    shutdown(fd, SHUT_WR);
    /* as servers should, read on until the client closes */
    while (recv(fd, text, sizeof(text), 0) > 0)
        ;
    close(fd);
}

TEST(a_refusal_before_the_body_is_out_is_the_answer)
{
    peer p;
    test_client tc;
    ask a;
    size_t size = 30 << 20;
    void *large = calloc(1, size);
    peer_start(&p, script_early, NULL);
    client_start_to(&tc, p.port, false);
    ask_now(&a, &tc, "POST", "/", large, size);
    CHECK_ERR(KIS_OK, a.err, a.diag);
    CHECK_INT(413, a.status, "status");
    ask_done(&a);
    client_stop(&tc);
    peer_stop(&p);
    free(large);
}

TEST(what_cannot_be_connected_to_is_said)
{
    static const struct {
        const char *why, *host;
        const char *says;
    } rows[] = {
        { "an address", "127.0.0.1", "connect to 127.0.0.1:%d: connection refused" },
        { "a name with one or two addresses", "localhost",
          "connect to localhost:%d: connection refused" },
        { "IPv6", "::1", "connect to [::1]:%d: " },
        { "a name that nobody has", "no.such.name.invalid",
          "connect to no.such.name.invalid:%d: " },
        { "a socket that is not there", "unix:/nonexistent/kiseki.sock",
          "connect to unix:/nonexistent/kiseki.sock: no such file or directory" },
    };
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        test_client tc;
        ask a[3];
        uint16_t port = closed_port();
        kis_client_options options = to_port(port, i % 2);
        options.host = kis_str_from_c(rows[i / 2].host);
        client_start(&tc, &options);
        char want[200];
        snprintf(want, sizeof(want), rows[i / 2].says, port);
        for (int n = 0; n < 3; n++) {
            ask_init(&a[n], &tc, "POST", "/", "x", 1);
            ask_start(&a[n]);
        }
        for (int n = 0; n < 3; n++) {
            ask_wait(&a[n]);
            CHECK_ERR(KIS_ERR_IO, a[n].err, a[n].diag);
            CHECK(strncmp(a[n].diag, want, strlen(want)) == 0, a[n].diag);
            CHECK(!a[n].was_sent, "nothing was sent");
            ask_done(&a[n]);
        }
        client_stop(&tc);
    }
}

TEST(a_name_is_tried_at_all_its_addresses)
{
    test_server s;
    test_client tc;
    ask a;
    /* on 127.0.0.1 alone; localhost is ::1 first on most machines */
    test_server_start(&s, 1, NULL);
    for (int http2 = 0; http2 < 2; http2++) {
        kis_client_options options = to_port(s.port, http2);
        options.host = KIS_STR("localhost");
        client_start(&tc, &options);
        get(&a, &tc, "/describe");
        CHECK_ERR(KIS_OK, a.err, a.diag);
        char want[64];
        snprintf(want, sizeof(want), "authority=localhost:%d ", s.port);
        CHECK(strstr(a.body, want), a.body);
        ask_done(&a);
        client_stop(&tc);
    }
    test_server_stop(&s, 1000);
}

TEST(unix_sockets_are_connected_to)
{
    test_server s;
    test_client tc;
    ask a;
    char path[64], url[80];
    snprintf(path, sizeof(path), "unix:/tmp/kis_client_test.%d", getpid());
    memset(&s, 0, sizeof(s));
    kis_listener_options listener = test_listener(&s);
    listener.address = kis_str_from_c(path);
    test_server_start(&s, 1, &listener);
    snprintf(url, sizeof(url), "unix://%s", path + 5);
    for (int i = 0; i < 4; i++) {
        kis_client_options options = { .host = kis_str_from_c(i < 2 ? path : url), .http2 = i % 2 };
        client_start(&tc, &options);
        get(&a, &tc, "/describe");
        CHECK_ERR(KIS_OK, a.err, a.diag);
        CHECK(strstr(a.body, "authority=localhost "), a.body);
        ask_done(&a);
        client_stop(&tc);
    }
    test_server_stop(&s, 1000);
    unlink(path + 5);
}

TEST(a_connect_that_nobody_answers_ends)
{
    peer p = { 0 };
    test_client tc;
    ask a;
    int fill[64], count = 0;
    peer_listen(&p);
    listen(p.listen_fd, 0); /* full after a few: further SYNs are dropped */
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(p.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (bool is_full = false; !is_full && count < 64; count++) {
        fill[count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fill[count], (struct sockaddr *)&to, sizeof(to));
        struct pollfd ready = { fill[count], POLLOUT, 0 };
        is_full = poll(&ready, 1, 300) == 0;
    }
    kis_client_options options = to_port(p.port, false);
    options.connect_timeout_ms = 200;
    client_start(&tc, &options);
    get(&a, &tc, "/");
    CHECK_ERR(KIS_ERR_TIMEOUT, a.err, a.diag);
    CHECK(strstr(a.diag, "connect to 127.0.0.1:") && strstr(a.diag, "no answer within 200 ms"),
          a.diag);
    ask_done(&a);
    ask_init(&a, &tc, "GET", "/", NULL, 0);
    a.request.deadline_ns = kis_now_ns() + 50000000; /* before that */
    ask_start(&a);
    ask_wait(&a);
    CHECK_ERR(KIS_ERR_TIMEOUT, a.err, a.diag);
    CHECK(strstr(a.diag, "not connected in time"), a.diag);
    ask_done(&a);
    client_stop(&tc);
    while (count > 0)
        close(fill[--count]);
    close(p.listen_fd);
}

TEST(a_server_that_starts_again_is_found_again)
{
    for (int http2 = 0; http2 < 2; http2++) {
        test_server s;
        test_client tc;
        ask a;
        test_server_start(&s, 1, NULL);
        client_start_to(&tc, s.port, http2);
        get(&a, &tc, "/describe");
        CHECK_ERR(KIS_OK, a.err, a.diag);
        ask_done(&a);
        char address[80];
        memcpy(address, s.address, sizeof(address));
        test_server_stop(&s, 1000);
        get(&a, &tc, "/describe");
        CHECK_ERR(KIS_ERR_IO, a.err, "it is away");
        CHECK(strstr(a.diag, "connection refused"), a.diag);
        ask_done(&a);
        kis_listener_options listener = test_listener(&s);
        listener.address = kis_str_from_c(address);
        test_server_start(&s, 1, &listener);
        get(&a, &tc, "/describe");
        CHECK_ERR(KIS_OK, a.err, "and back");
        ask_done(&a);
        client_stop(&tc);
        test_server_stop(&s, 1000);
    }
}

TEST_MAIN(RUN(a_server_that_starts_again_is_found_again),
          RUN(connections_are_kept_until_the_peer_says_close),
          RUN(a_stale_connection_is_tried_again_once_on_a_fresh_one),
          RUN(idle_connections_that_close_or_talk_are_forgotten),
          RUN(a_refusal_before_the_body_is_out_is_the_answer),
          RUN(what_cannot_be_connected_to_is_said), RUN(a_name_is_tried_at_all_its_addresses),
          RUN(unix_sockets_are_connected_to), RUN(a_connect_that_nobody_answers_ends))
