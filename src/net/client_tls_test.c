/* client_tls_test.c - the client behind TLS, and many requests at once with and without it. */
#include <openssl/ssl.h>

#include "net/test_client.h"
#include "net/test_tls.h"

/* ---- many at once ---- */

static void check_many(bool http2, kis_tls_client *tls, uint16_t port)
{
    enum { MANY = 300 };
    test_client tc;
    static ask a[MANY];
    static char bodies[MANY][20000];
    kis_client_options options = to_port(port, http2);
    options.tls = tls;
    client_start(&tc, &options);
    for (int i = 0; i < MANY; i++) {
        memset(bodies[i], 'a' + i % 26, sizeof(bodies[i]));
        ask_init(&a[i], &tc, "POST", i % 7 ? "/echo" : "/later", bodies[i],
                 (size_t)(i * 67 % 20000));
        ask_start(&a[i]);
    }
    for (int i = 0; i < MANY; i++) {
        ask_wait(&a[i]);
        CHECK_ERR(KIS_OK, a[i].err, a[i].diag);
        CHECK_BYTES(bodies[i], i * 67 % 20000, kis_bytes_of(a[i].body, a[i].body_len),
                    "its own body");
        ask_done(&a[i]);
    }
    client_stop(&tc);
}

TEST(many_requests_get_their_own_answers)
{
    test_server s;
    test_server_start(&s, 2, NULL);
    check_many(false, NULL, s.port);
    check_many(true, NULL, s.port);
    test_server_stop(&s, 1000);
}

/* ---- TLS ---- */

TEST(tls_checks_who_the_peer_is)
{
    test_tls ours, others;
    test_server s, s_others;
    kis_tls_client *strangers;
    tls_start(&ours, "DNS:localhost,IP:127.0.0.1");
    tls_start(&others, "DNS:other.example,IP:127.0.0.9");
    CHECK_ERR(KIS_OK, kis_tls_client_new(&(kis_tls_client_options){ 0 }, &strangers, NULL),
              "a client");
    tls_listen(&s, &ours, true);
    tls_listen(&s_others, &others, true);
    const struct {
        const char *why, *host;
        uint16_t port;
        kis_tls_client *tls;
        const char *says;
    } rows[] = {
        { "by address", "127.0.0.1", s.port, ours.client, NULL },
        { "by name", "localhost", s.port, ours.client, NULL },
        { "another name", "localhost", s_others.port, others.client,
          "TLS handshake: hostname mismatch" },
        { "another address", "127.0.0.1", s_others.port, others.client,
          "TLS handshake: IP address mismatch" },
        { "an unknown authority", "localhost", s.port, strangers,
          "TLS handshake: self-signed certificate" },
    };
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        test_client tc;
        ask a;
        kis_client_options options = to_port(rows[i / 2].port, i % 2);
        options.host = kis_str_from_c(rows[i / 2].host);
        options.tls = rows[i / 2].tls;
        client_start(&tc, &options);
        for (int n = 0; n < 3; n++) {
            ask_now(&a, &tc, "POST", "/describe", "x", 1);
            if (rows[i / 2].says && (a.err == KIS_OK || !strstr(a.diag, rows[i / 2].says)))
                fail_msg("%s: %s", rows[i / 2].why, a.diag);
            CHECK_INT(rows[i / 2].tls == strangers, kis_tls_is_untrusted(kis_str_from_c(a.diag)),
                      a.diag);
            if (!rows[i / 2].says)
                CHECK_ERR(KIS_OK, a.err, a.diag);
            ask_done(&a);
        }
        client_stop(&tc);
    }
    test_server_stop(&s, 1000);
    test_server_stop(&s_others, 1000);
    kis_tls_client_free(strangers);
    tls_stop(&ours);
    tls_stop(&others);
}

/* HTTP/1.1 hears why; what HTTP/2 without TLS is, OpenSSL cannot tell. */
TEST(plain_text_to_a_listener_with_tls_is_no_success)
{
    test_tls t;
    test_server s;
    tls_start(&t, "DNS:localhost,IP:127.0.0.1");
    tls_listen(&s, &t, true);
    for (int http2 = 0; http2 < 2; http2++) {
        test_client tc;
        ask a;
        kis_client_options options = to_port(s.port, http2);
        client_start(&tc, &options);
        for (int n = 0; n < 3; n++) {
            ask_now(&a, &tc, "POST", "/describe", "x", 1);
            if (http2)
                CHECK(a.err != KIS_OK, "closed");
            else
                CHECK(a.err == KIS_OK && a.status == 400 &&
                          kis_str_ends(kis_str_of((const char *)a.body, a.body_len),
                                       KIS_STR("use https://.\n")),
                      a.diag);
            ask_done(&a);
        }
        client_stop(&tc);
    }
    CHECK_INT(0, atomic_load(&s.bodies), "nothing is served");
    test_server_stop(&s, 1000);
    tls_stop(&t);
}

TEST(tls_carries_both_protocols_and_large_bodies)
{
    test_tls t;
    test_server s;
    test_client tc;
    ask a;
    tls_start(&t, "DNS:localhost,IP:127.0.0.1");
    tls_listen(&s, &t, true);
    check_many(false, t.client, s.port);
    check_many(true, t.client, s.port);
    for (int http2 = 0; http2 < 2; http2++) {
        size_t size = 3 << 20;
        char *large = malloc(size);
        for (size_t i = 0; i < size; i++)
            large[i] = (char)(i * 2654435761u >> 24);
        kis_client_options options = to_port(s.port, http2);
        options.tls = t.client;
        client_start(&tc, &options);
        ask_now(&a, &tc, "POST", "/echo", large, size);
        CHECK_ERR(KIS_OK, a.err, a.diag);
        CHECK_BYTES(large, size, kis_bytes_of(a.body, a.body_len), "there and back");
        ask_done(&a);
        client_stop(&tc);
        free(large);
    }
    test_server_stop(&s, 1000);

    tls_listen(&s, &t, false); /* ALPN without h2 */
    kis_client_options options = to_port(s.port, true);
    options.tls = t.client;
    client_start(&tc, &options);
    get(&a, &tc, "/");
    /* the server may refuse in the handshake already */
    CHECK(a.err == KIS_ERR_SYNTAX || a.err == KIS_ERR_IO, a.diag);
    CHECK(strstr(a.diag, "connect to "), a.diag);
    ask_done(&a);
    client_stop(&tc);
    test_server_stop(&s, 1000);
    tls_stop(&t);
}

/* A peer whose answer ends with its connection, once with and once without a goodbye of TLS. */
typedef struct tls_closer {
    SSL_CTX *ctx;
    int listen_fd;
    uint16_t port;
    bool says_goodbye;
} tls_closer;

static void tls_closer_run(void *user)
{
    tls_closer *c = user;
    char request[4096];
    int fd = accept(c->listen_fd, NULL, NULL);
    SSL *ssl = SSL_new(c->ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0)
        SSL_write(ssl, "HTTP/1.1 200 OK\r\n\r\nhalf", 23);
    if (c->says_goodbye)
        SSL_shutdown(ssl);
    shutdown(fd, SHUT_WR); /* without it nothing but the end of TCP */
    (void)!read(fd, request, sizeof(request));
    SSL_free(ssl);
    close(fd);
}

static void tls_closer_listen(tls_closer *c, const test_tls *t)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    c->ctx = SSL_CTX_new(TLS_server_method());
    CHECK(SSL_CTX_use_certificate_chain_file(c->ctx, t->cert) == 1 &&
              SSL_CTX_use_PrivateKey_file(c->ctx, t->key, SSL_FILETYPE_PEM) == 1,
          "a peer by TLS");
    c->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(c->listen_fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(c->listen_fd, 2) < 0 ||
        getsockname(c->listen_fd, (struct sockaddr *)&at, &len) < 0)
        fail_msg("listen: %s", strerror(errno));
    c->port = ntohs(at.sin_port);
}

TEST(an_answer_until_the_end_is_whole_only_when_tls_ended_too)
{
    test_tls t;
    tls_closer c = { 0 };
    tls_start(&t, "DNS:localhost,IP:127.0.0.1");
    tls_closer_listen(&c, &t);
    for (int says_goodbye = 0; says_goodbye < 2; says_goodbye++) {
        test_client tc;
        ask a;
        kis_thread thread;
        c.says_goodbye = says_goodbye;
        CHECK_ERR(KIS_OK, kis_thread_start(&thread, "closer", tls_closer_run, &c, NULL), "a peer");
        kis_client_options options = to_port(c.port, false);
        options.tls = t.client;
        client_start(&tc, &options);
        get(&a, &tc, "/");
        if (says_goodbye)
            CHECK_ERR(KIS_OK, a.err, a.diag);
        else
            CHECK_ERR(KIS_ERR_IO, a.err, "anybody on the way could have cut it");
        ask_done(&a);
        client_stop(&tc);
        kis_thread_join(&thread);
    }
    close(c.listen_fd);
    SSL_CTX_free(c.ctx);
    tls_stop(&t);
}

TEST_MAIN(RUN(many_requests_get_their_own_answers), RUN(tls_checks_who_the_peer_is),
          RUN(plain_text_to_a_listener_with_tls_is_no_success),
          RUN(tls_carries_both_protocols_and_large_bodies),
          RUN(an_answer_until_the_end_is_whole_only_when_tls_ended_too))
