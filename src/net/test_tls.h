/* test_tls.h - a server and a client that trust each other,
 * with a certificate made for the test. */
#ifndef KIS_NET_TEST_TLS_H
#define KIS_NET_TEST_TLS_H

#include "net/test_server.h"

/* A server and a client that trusts its certificate, which is for `names`. */
typedef struct test_tls {
    char dir[32], cert[64], key[64];
    kis_tls_server *server;
    kis_tls_client *client;
} test_tls;

static inline void make_certificate(const char *dir, const char *names)
{
    char command[1000];
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "
             "%s/key.pem -out %s/cert.pem -days 2 -subj /CN=test "
             "-addext 'subjectAltName=%s' >/dev/null 2>&1",
             dir, dir, names);
    CHECK_INT(0, system(command), "openssl makes a certificate");
}

static inline void tls_start(test_tls *t, const char *names)
{
    kis_diag diag = { 0 };
    strcpy(t->dir, "/tmp/kis_client_XXXXXX");
    CHECK(mkdtemp(t->dir), "a folder");
    make_certificate(t->dir, names);
    snprintf(t->cert, sizeof(t->cert), "%s/cert.pem", t->dir);
    snprintf(t->key, sizeof(t->key), "%s/key.pem", t->dir);
    kis_tls_server_options server = { .cert_file = kis_str_from_c(t->cert),
                                      .key_file = kis_str_from_c(t->key) };
    kis_tls_client_options client = { .ca_file = kis_str_from_c(t->cert) };
    CHECK_ERR(KIS_OK, kis_tls_server_new(&server, &t->server, &diag), diag.text);
    CHECK_ERR(KIS_OK, kis_tls_client_new(&client, &t->client, &diag), diag.text);
}

static inline void tls_stop(test_tls *t)
{
    kis_tls_client_free(t->client);
    kis_tls_server_free(t->server);
    unlink(t->cert);
    unlink(t->key);
    rmdir(t->dir);
}

static inline void tls_listen(test_server *s, test_tls *t, bool allow_http2)
{
    memset(s, 0, sizeof(*s));
    kis_listener_options listener = test_listener(s);
    listener.tls = t->server;
    listener.allow_http2 = allow_http2;
    test_server_start(s, 1, &listener);
}

#endif
