/* server_tls_test.c - TLS on a listener: versions, certificates, ALPN, exchange of certificates
 * under way. The other side is OpenSSL itself, blocking. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/wait.h>

#include "net/test_h2.h"

static char dir[] = "/tmp/kis_tls_test_XXXXXX";

static void shell(const char *command)
{
    char line[2000];
    snprintf(line, sizeof(line), "cd %s && { %s; } >/dev/null 2>&1", dir, command);
    if (system(line) != 0)
        fail_msg("could not make certificates: %s", command);
}

static char *in_dir(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, 256, "%s/%s", dir, name);
    return path;
}

/* A CA, a server certificate of it, a client certificate of it, and a second CA with a client of
 * its own. */
static void make_certificates(void)
{
    static bool is_made;
    if (is_made)
        return;
    is_made = true;
    if (!mkdtemp(dir))
        fail_msg("mkdtemp");
    shell("printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' > san");
    shell("for ca in ca other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
          "-nodes -keyout $ca.key -out $ca.pem -days 2 -subj /CN=$ca; done");
    shell("for n in server second client; do openssl req -newkey ec -pkeyopt "
          "ec_paramgen_curve:P-256 -nodes -keyout $n.key -out $n.csr -subj /CN=$n &&"
          " openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "
          "san -out $n.pem; done");
    shell("openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -out "
          "expired.pem");
    shell("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout stranger.key "
          "-out stranger.csr -subj /CN=stranger &&"
          " openssl x509 -req -in stranger.csr -CA other.pem -CAkey other.key -CAcreateserial "
          "-days 2 -out stranger.pem");
}

static kis_tls_server *make_server(const char *client_ca)
{
    kis_tls_server *tls;
    kis_diag diag = { 0 };
    shell("cp server.pem live.pem; cp server.key live.key");
    const kis_tls_server_options options = {
        .cert_file = kis_str_from_c(in_dir("live.pem")),
        .key_file = kis_str_from_c(in_dir("live.key")),
        .client_ca_file = client_ca ? kis_str_from_c(in_dir(client_ca)) : KIS_STR_NONE
    };
    CHECK_ERR(KIS_OK, kis_tls_server_new(&options, &tls, &diag), diag.text);
    return tls;
}

typedef struct caller {
    const char *ca, *cert, *key, *alpn;
    int max_version;
} caller;

/* The answer to one request as text, empty when the handshake or the request fails; *out_peer: the
 * server's CN, *out_alpn: what was chosen. */
static void call(const test_server *s, const caller *c, char *to, size_t size, char *out_peer,
                 char *out_alpn)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    to[0] = 0;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_load_verify_locations(ctx, in_dir(c->ca), NULL);
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    if (c->cert)
        CHECK(SSL_CTX_use_certificate_file(ctx, in_dir(c->cert), SSL_FILETYPE_PEM) == 1 &&
                  SSL_CTX_use_PrivateKey_file(ctx, in_dir(c->key), SSL_FILETYPE_PEM) == 1,
              "client certificate");
    if (c->max_version)
        SSL_CTX_set_max_proto_version(ctx, c->max_version);
    SSL *ssl = SSL_new(ctx);
    if (c->alpn)
        SSL_set_alpn_protos(ssl, (const unsigned char *)c->alpn, (unsigned)strlen(c->alpn));
    int fd = test_dial(s);
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1) {
        const unsigned char *name;
        unsigned len;
        SSL_get0_alpn_selected(ssl, &name, &len);
        if (out_alpn)
            snprintf(out_alpn, 16, "%.*s", (int)len, (const char *)name);
        X509 *cert = SSL_get_peer_certificate(ssl);
        if (out_peer)
            X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out_peer, 64);
        X509_free(cert);
        static const char request[] = "POST /describe HTTP/1.1\r\nHost: a\r\nContent-Length: "
                                      "2\r\nConnection: close\r\n\r\nhi";
        size_t at = 0;
        if (SSL_write(ssl, request, sizeof(request) - 1) > 0) {
            for (int got; at + 1 < size && (got = SSL_read(ssl, to + at, (int)(size - at - 1))) > 0;
                 to[at] = 0)
                at += (size_t)got;
        }
    }
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
}

TEST(who_may_speak_and_how)
{
    static const struct {
        const char *why, *client_ca;
        caller c;
        bool is_served;
        const char *alpn;
    } rows[] = {
        { "TLS 1.3", NULL, { .ca = "ca.pem" }, true, "" },
        { "TLS 1.2", NULL, { .ca = "ca.pem", .max_version = TLS1_2_VERSION }, true, "" },
        { "TLS 1.1", NULL, { .ca = "ca.pem", .max_version = TLS1_1_VERSION }, false, "" },
        { "TLS 1.0", NULL, { .ca = "ca.pem", .max_version = TLS1_VERSION }, false, "" },
        { "http/1.1 by ALPN", NULL, { .ca = "ca.pem", .alpn = "\x08http/1.1" }, true, "http/1.1" },
        { "nothing in common", NULL, { .ca = "ca.pem", .alpn = "\x03xyz" }, false, "" },
        { "the client distrusts our CA", NULL, { .ca = "other.pem" }, false, "" },
        { "a client certificate is asked for and shown",
          "ca.pem",
          { .ca = "ca.pem", .cert = "client.pem", .key = "client.key" },
          true,
          "" },
        { "none is shown", "ca.pem", { .ca = "ca.pem" }, false, "" },
        { "one of another CA",
          "ca.pem",
          { .ca = "ca.pem", .cert = "stranger.pem", .key = "stranger.key" },
          false,
          "" },
    };
    make_certificates();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_server s;
        char text[2000], alpn[16] = "";
        kis_tls_server *tls = make_server(rows[i].client_ca);
        kis_listener_options options = test_listener(&s);
        options.tls = tls;
        test_server_start(&s, 1, &options);
        call(&s, &rows[i].c, text, sizeof(text), NULL, alpn);
        CHECK_INT(rows[i].is_served,
                  strstr(text, "HTTP/1.1 200 ") == text && strstr(text, "body=2") != NULL,
                  rows[i].why);
        CHECK(strcmp(rows[i].alpn, alpn) == 0, rows[i].why);
        if (!rows[i].is_served)
            WAIT_FOR(kis_server_get_stats(s.server).tls_failures == 1, rows[i].why);
        CHECK_INT(rows[i].is_served, atomic_load(&s.bodies), rows[i].why);
        test_server_stop(&s, 1000);
        kis_tls_server_free(tls);
    }
}

/* Puts "PEER WHAT|" behind what is there already, in a text of 300 bytes. */
static void keep_note(void *user, kis_str peer, const char *what)
{
    char *text = user;
    size_t len = strlen(text);
    snprintf(text + len, 300 - len, "%.*s %s|", (int)peer.len, peer.ptr, what);
}

/* Who was refused, and for what: an operator reads it in the log. */
TEST(a_refused_handshake_is_told_with_its_reason)
{
    static const struct {
        const char *why, *client_ca;
        caller c;
        const char *note;
    } rows[] = {
        { "TLS 1.1",
          NULL,
          { .ca = "ca.pem", .max_version = TLS1_1_VERSION },
          "unsupported protocol" },
        { "the client distrusts our CA", NULL, { .ca = "other.pem" }, "unknown ca" },
        { "no certificate is shown",
          "ca.pem",
          { .ca = "ca.pem" },
          "peer did not return a certificate" },
        { "one of another CA",
          "ca.pem",
          { .ca = "ca.pem", .cert = "stranger.pem", .key = "stranger.key" },
          "unable to get local issuer certificate" },
        { "one that has expired",
          "ca.pem",
          { .ca = "ca.pem", .cert = "expired.pem", .key = "client.key" },
          "certificate has expired" },
    };
    make_certificates();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_server s;
        char text[2000], note[300] = "";
        kis_tls_server *tls = make_server(rows[i].client_ca);
        kis_listener_options options = test_listener(&s);
        options.tls = tls;
        options.on_note = keep_note;
        options.note_user = note;
        test_server_start(&s, 1, &options);
        call(&s, &rows[i].c, text, sizeof(text), NULL, NULL);
        WAIT_FOR(kis_server_get_stats(s.server).tls_failures == 1, rows[i].why);
        test_server_stop(&s, 1000);
        CHECK(strstr(note, rows[i].note), note);
        CHECK_INT(0, atomic_load(&s.bodies), rows[i].why);
        kis_tls_server_free(tls);
    }
}

TEST(tls_on_a_port_without_it_is_closed_and_told)
{
    test_server s;
    char text[1000], note[300] = "";
    static const char hello[] = "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03 and so on\r\n\r\n";
    kis_listener_options options = test_listener(&s);
    options.on_note = keep_note;
    options.note_user = note;
    test_server_start(&s, 1, &options);
    int fd = test_dial(&s);
    test_send(fd, hello, sizeof(hello) - 1);
    test_read_until(fd, text, sizeof(text), NULL);
    CHECK(strstr(text, "HTTP/1.1 400 ") == text, text);
    close(fd);
    CHECK_INT(1, kis_server_get_stats(s.server).tls_failures, "counted");
    test_server_stop(&s, 1000);
    CHECK(strstr(note, "127.0.0.1:") == note &&
              strstr(note, " it speaks TLS, and this listener does not|"),
          note);
}

TEST(plain_http_on_a_port_with_tls_is_told_so_in_plain_http)
{
    test_server s;
    char text[1000], note[300] = "";
    make_certificates();
    kis_tls_server *tls = make_server(NULL);
    kis_listener_options options = test_listener(&s);
    options.tls = tls;
    options.header_timeout_ms = 200;
    options.on_note = keep_note;
    options.note_user = note;
    test_server_start(&s, 1, &options);
    int fd = test_dial(&s), silent = test_dial(&s);
    test_send_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    test_read_until(fd, text, sizeof(text), NULL);
    CHECK(strstr(text, "HTTP/1.1 400 ") == text && strstr(text, "\r\nconnection: close\r\n") &&
              strstr(text, "content-type: text/plain") && strstr(text, "use https://.\n"),
          text);
    CHECK_INT(0, atomic_load(&s.bodies), "not served");
    CHECK_INT(1, kis_server_get_stats(s.server).tls_failures, "counted");
    CHECK(test_is_closed(silent), "a handshake that never begins");
    close(fd), close(silent);
    close(test_dial(&s)); /* a probe that only connects is no reason for a note */
    test_server_stop(&s, 1000);
    CHECK(strstr(note, "127.0.0.1:") == note &&
              strstr(note, " TLS handshake: what came is plain HTTP, not TLS|"),
          note);
    CHECK(strchr(note, '|') == strrchr(note, '|'),
          "one note, though two more went away without a word");
    kis_tls_server_free(tls);
}

TEST(certificates_are_exchanged_while_serving)
{
    test_server s;
    char text[2000], peer_name[64] = "";
    kis_diag diag = { 0 };
    const caller c = { .ca = "ca.pem" };
    make_certificates();
    kis_tls_server *tls = make_server(NULL);
    kis_listener_options options = test_listener(&s);
    options.tls = tls;
    test_server_start(&s, 2, &options);
    call(&s, &c, text, sizeof(text), peer_name, NULL);
    CHECK(strcmp(peer_name, "server") == 0, peer_name);
    shell("cp second.pem live.pem"); /* the key does not fit yet */
    CHECK(kis_tls_server_reload(tls, &diag) != KIS_OK &&
              strstr(diag.text, "live.key': it does not belong to the certificate"),
          diag.text);
    call(&s, &c, text, sizeof(text), peer_name, NULL);
    CHECK(strcmp(peer_name, "server") == 0 && strstr(text, "200 OK"),
          "a reload that fails leaves the old ones");
    shell("cp second.key live.key");
    CHECK_ERR(KIS_OK, kis_tls_server_reload(tls, &diag), diag.text);
    call(&s, &c, text, sizeof(text), peer_name, NULL);
    CHECK(strcmp(peer_name, "second") == 0 && strstr(text, "200 OK"), "the new one");
    test_server_stop(&s, 1000);
    kis_tls_server_free(tls);
    const struct {
        const char *cert, *key, *want;
    } swapped[] = {
        { "server.key", "server.key", "server.key': it is a key, not a certificate" },
        { "server.pem", "server.pem", "server.pem': it is a certificate, not a key" },
        { "san", "server.key", "san': there is nothing in PEM form in it" },
    };
    for (size_t i = 0; i < COUNT_OF(swapped); i++) {
        const kis_tls_server_options wrong = { .cert_file = kis_str_from_c(in_dir(swapped[i].cert)),
                                               .key_file = kis_str_from_c(in_dir(swapped[i].key)) };
        CHECK(kis_tls_server_new(&wrong, &tls, &diag) != KIS_OK &&
                  strstr(diag.text, swapped[i].want),
              diag.text);
    }
    const kis_tls_server_options missing = { .cert_file = KIS_STR("/nowhere.pem"),
                                             .key_file = KIS_STR("/nowhere.key") };
    CHECK(kis_tls_server_new(&missing, &tls, &diag) != KIS_OK && strstr(diag.text, "/nowhere.pem"),
          diag.text);
    shell("rm -rf ../$(basename $PWD)");
}

TEST_MAIN(RUN(who_may_speak_and_how), RUN(a_refused_handshake_is_told_with_its_reason),
          RUN(tls_on_a_port_without_it_is_closed_and_told),
          RUN(plain_http_on_a_port_with_tls_is_told_so_in_plain_http),
          RUN(certificates_are_exchanged_while_serving))
