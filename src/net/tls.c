/* tls.c - OpenSSL contexts for servers and clients, and TLS on one stream.
 *
 * OpenSSL reads and writes the socket through a BIO of ours,
 * because its own would raise SIGPIPE in somebody else's program.
 * A server's context is exchanged whole by reload: connections keep the one they began with.
 */
#include "net/tls.h"

#include <errno.h>
#include <openssl/decodererr.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

#include "base/diag.h"
#include "net/tls_stream.h"
#include "os/mem.h"
#include "os/thread.h"

#define TLS_PATH_MAX 4096

/* ---- contexts ---- */

struct kis_tls_server {
    kis_lock lock;
    SSL_CTX *ctx; /* guarded by lock */
    char cert_file[TLS_PATH_MAX], key_file[TLS_PATH_MAX], client_ca_file[TLS_PATH_MAX];
};

struct kis_tls_client {
    SSL_CTX *ctx;
};

/* OpenSSL's words, but where they name its insides: a user looks for what to change. */
static const char *tls_reason_text(unsigned long error)
{
    static const struct {
        int library, reason;
        const char *text;
    } rows[] = {
        { ERR_LIB_PEM, PEM_R_NO_START_LINE, "there is nothing in PEM form in it" },
        { ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH, "it does not belong to the certificate" },
        { ERR_LIB_OSSL_DECODER, ERR_R_UNSUPPORTED, "there is no key in it that can be read" },
        { ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER,
          "what came is not TLS; is it plain text there?" },
        { ERR_LIB_SSL, SSL_R_HTTP_REQUEST, "what came is plain HTTP, not TLS" },
    };
    for (size_t i = 0; i < KIS_COUNT_OF(rows); i++) {
        if (ERR_GET_LIB(error) == rows[i].library && ERR_GET_REASON(error) == rows[i].reason)
            return rows[i].text;
    }
    return ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
                                   : ERR_reason_error_string(error);
}

static kis_err tls_failed(kis_diag *diag, const char *what, const char *file)
{
    /* the last one says no more than "system lib" or "PEM lib" */
    unsigned long first = ERR_peek_error();
    const char *reason = tls_reason_text(first);
    ERR_clear_error();
    return kis_diag_set(diag, KIS_ERR_IO, "%s '%s': %s", what, file,
                        reason ? reason : "cannot be used");
}

/* Whether the first thing in PEM form in it is of that kind: "PRIVATE KEY" is also the end of "EC
 * PRIVATE KEY". */
static bool file_begins_with(const char *file, kis_str kind)
{
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long size;

    ERR_set_mark(); /* why the file was refused stays known */
    BIO *bio = BIO_new_file(file, "r");
    bool is_read = bio && PEM_read_bio(bio, &name, &header, &data, &size) == 1;
    bool is_kind = is_read && kis_str_ends(kis_str_from_c(name), kind);

    if (is_read) {
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, (size_t)size);
    }
    BIO_free(bio);
    ERR_pop_to_mark();
    return is_kind;
}

/* A file that cannot be used because it is the other one. */
static kis_err identity_failed(kis_diag *diag, const char *what, const char *file, kis_str other,
                               const char *words)
{
    bool is_read = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_X509; /* and does not belong */
    if (is_read || !file_begins_with(file, other))
        return tls_failed(diag, what, file);
    ERR_clear_error();
    return kis_diag_set(diag, KIS_ERR_IO, "%s '%s': %s", what, file, words);
}

static kis_err load_identity(SSL_CTX *ctx, const char *cert, const char *key, kis_diag *diag)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return identity_failed(diag, "TLS certificate", cert, KIS_STR("PRIVATE KEY"),
                               "it is a key, not a certificate");
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return identity_failed(diag, "TLS key", key, KIS_STR("CERTIFICATE"),
                               "it is a certificate, not a key");
    return KIS_OK;
}

static void set_common(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
}

enum { ALPN_HTTP1 = 1, ALPN_HTTP2 = 2 }; /* bits, in the SSL's app data */

static bool alpn_offers(const unsigned char *in, unsigned len, const char *name, size_t size)
{
    for (unsigned at = 0; at < len && at + in[at] < len; at += 1u + in[at]) {
        if (in[at] == size && memcmp(in + at + 1, name, size) == 0)
            return true;
    }
    return false;
}

static int alpn_choose(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned len, void *user)
{
    uintptr_t allowed = (uintptr_t)SSL_get_app_data(ssl);
    (void)user;
    if ((allowed & ALPN_HTTP2) && alpn_offers(in, len, "h2", 2)) {
        *out = (const unsigned char *)"h2";
        *out_len = 2;
        return SSL_TLSEXT_ERR_OK;
    }
    if ((allowed & ALPN_HTTP1) && alpn_offers(in, len, "http/1.1", 8)) {
        *out = (const unsigned char *)"http/1.1";
        *out_len = 8;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static kis_err server_ctx_new(const kis_tls_server *tls, SSL_CTX **out, kis_diag *diag)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "TLS: out of memory");
    set_common(ctx);
    SSL_CTX_set_alpn_select_cb(ctx, alpn_choose, NULL);
    /* tickets resume sessions; memory per former client does not */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"kiseki", 6);
    kis_err err = load_identity(ctx, tls->cert_file, tls->key_file, diag);
    if (!err && tls->client_ca_file[0]) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(tls->client_ca_file);
        if (!names || SSL_CTX_load_verify_locations(ctx, tls->client_ca_file, NULL) != 1)
            err = tls_failed(diag, "TLS client CA", tls->client_ca_file);
        SSL_CTX_set_client_CA_list(ctx, names);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (err) {
        SSL_CTX_free(ctx);
        return err;
    }
    *out = ctx;
    return KIS_OK;
}

kis_err kis_tls_server_new(const kis_tls_server_options *options, kis_tls_server **out,
                           kis_diag *diag)
{
    kis_tls_server *tls = kis_mem.take(kis_mem.user, sizeof(*tls));
    if (!tls)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "TLS: out of memory");
    memset(tls, 0, sizeof(*tls));
    kis_lock_init(&tls->lock, KIS_RANK_LOOP);
    kis_err err = KIS_OK;
    if (!kis_str_to_c(options->cert_file, tls->cert_file, TLS_PATH_MAX) ||
        !kis_str_to_c(options->key_file, tls->key_file, TLS_PATH_MAX) ||
        !kis_str_to_c(options->client_ca_file, tls->client_ca_file, TLS_PATH_MAX))
        err = kis_diag_set(diag, KIS_ERR_LIMIT, "TLS: the name of a file is longer than %d bytes",
                           TLS_PATH_MAX - 1);
    else
        err = server_ctx_new(tls, &tls->ctx, diag);
    if (err) {
        kis_tls_server_free(tls);
        return err;
    }
    *out = tls;
    return KIS_OK;
}

kis_err kis_tls_server_reload(kis_tls_server *tls, kis_diag *diag)
{
    SSL_CTX *fresh;
    kis_err err = server_ctx_new(tls, &fresh, diag);
    if (err)
        return err;
    kis_lock_take(&tls->lock);
    SSL_CTX *old = tls->ctx;
    tls->ctx = fresh;
    kis_lock_give(&tls->lock);
    SSL_CTX_free(old);
    return KIS_OK;
}

void kis_tls_server_free(kis_tls_server *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    kis_lock_done(&tls->lock);
    kis_mem.give_back(kis_mem.user, tls, sizeof(*tls));
}

static kis_err client_ctx_fill(SSL_CTX *ctx, const kis_tls_client_options *options, kis_diag *diag)
{
    char ca[TLS_PATH_MAX], cert[TLS_PATH_MAX], key[TLS_PATH_MAX];
    if (!kis_str_to_c(options->ca_file, ca, TLS_PATH_MAX) ||
        !kis_str_to_c(options->cert_file, cert, TLS_PATH_MAX) ||
        !kis_str_to_c(options->key_file, key, TLS_PATH_MAX))
        return kis_diag_set(diag, KIS_ERR_LIMIT, "TLS: the name of a file is longer than %d bytes",
                            TLS_PATH_MAX - 1);
    set_common(ctx);
    SSL_CTX_set_verify(ctx, options->skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (ca[0] && SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
        return tls_failed(diag, "TLS CA", ca);
    if (!ca[0] && !options->skip_verify && SSL_CTX_set_default_verify_paths(ctx) != 1)
        return tls_failed(diag, "TLS", "the system's CA certificates");
    return cert[0] || key[0] ? load_identity(ctx, cert, key, diag) : KIS_OK;
}

kis_err kis_tls_client_new(const kis_tls_client_options *options, kis_tls_client **out,
                           kis_diag *diag)
{
    kis_tls_client *tls = kis_mem.take(kis_mem.user, sizeof(*tls));
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    kis_err err = tls && ctx ? client_ctx_fill(ctx, options, diag)
                             : kis_diag_set(diag, KIS_ERR_NOMEM, "TLS: out of memory");
    if (err) {
        SSL_CTX_free(ctx);
        kis_mem.give_back(kis_mem.user, tls, sizeof(*tls));
        return err;
    }
    tls->ctx = ctx;
    *out = tls;
    return KIS_OK;
}

void kis_tls_client_free(kis_tls_client *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    kis_mem.give_back(kis_mem.user, tls, sizeof(*tls));
}

/* ---- the BIO under a stream: send and recv, never a signal ---- */

static int bio_write(BIO *bio, const char *from, int size)
{
    ssize_t put = send((int)(intptr_t)BIO_get_data(bio), from, (size_t)size, MSG_NOSIGNAL);
    BIO_clear_retry_flags(bio);
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)put;
}

static int bio_read(BIO *bio, char *to, int size)
{
    ssize_t got = recv((int)(intptr_t)BIO_get_data(bio), to, (size_t)size, 0);
    BIO_clear_retry_flags(bio);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_read(bio);
    return (int)got;
}

/* It never says that it is at its end (BIO_CTRL_EOF): so a connection that ends without a goodbye
 * of TLS has failed, and an answer that was cut is not taken for whole. */
static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void bio_method_make(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "kiseki socket");
    if (method) {
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
    bio_method = method; /* lives as long as the process: connections may outlive any context */
}

static kis_err stream_attach(kis_stream *stream, SSL *ssl)
{
    pthread_once(&bio_once, bio_method_make);
    BIO *bio = ssl && bio_method ? BIO_new(bio_method) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return KIS_ERR_NOMEM;
    }
    BIO_set_data(bio, (void *)(intptr_t)stream->fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    stream->ssl = ssl;
    return KIS_OK;
}

/* ---- streams ---- */

kis_err kis_tls_stream_accept(kis_stream *stream, kis_tls_server *tls, bool allow_http1,
                              bool allow_http2)
{
    kis_lock_take(&tls->lock);
    SSL *ssl = SSL_new(tls->ctx); /* holds a reference of its own */
    kis_lock_give(&tls->lock);
    kis_err err = stream_attach(stream, ssl);
    if (err)
        return err;
    SSL_set_app_data(
        ssl, (char *)(uintptr_t)((allow_http1 ? ALPN_HTTP1 : 0) | (allow_http2 ? ALPN_HTTP2 : 0)));
    SSL_set_accept_state(ssl);
    return KIS_OK;
}

static bool check_peer_is(SSL *ssl, kis_str host)
{
    char name[256];
    kis_address number;
    if (!kis_str_to_c(host, name, sizeof(name)))
        return false;
    if (kis_address_of_number(host, 0, &number))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

kis_err kis_tls_stream_connect(kis_stream *stream, kis_tls_client *tls, kis_str host, bool http2)
{
    SSL *ssl = SSL_new(tls->ctx);
    if (!ssl || !check_peer_is(ssl, host)) {
        SSL_free(ssl);
        return KIS_ERR_NOMEM;
    }
    const unsigned char *protocols = (const unsigned char *)(http2 ? "\x02h2" : "\x08http/1.1");
    SSL_set_alpn_protos(ssl, protocols, http2 ? 3 : 9);
    SSL_set_connect_state(ssl);
    return stream_attach(stream, ssl);
}

/* What OpenSSL's answer means for the loop; `is_write` says which direction was asked. */
static ptrdiff_t tls_outcome(kis_stream *stream, int result, bool is_write)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        stream->write_wants_read = is_write;
        return KIS_IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        stream->read_wants_write = !is_write;
        return KIS_IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return KIS_IO_END;
    default:
        return KIS_IO_FAILED;
    }
}

bool kis_tls_is_untrusted(kis_str why)
{
    static const long reasons[] = { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
                                    X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
                                    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
                                    X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE };
    for (size_t i = 0; i < KIS_COUNT_OF(reasons); i++)
        if (kis_str_ends(why, kis_str_from_c(X509_verify_cert_error_string(reasons[i]))))
            return true;
    return false;
}

ptrdiff_t kis_tls_stream_shake(kis_stream *stream, kis_diag *diag)
{
    if (stream->is_shaken)
        return 1;
    ERR_clear_error();
    stream->read_wants_write = stream->write_wants_read = false;
    int result = SSL_do_handshake(stream->ssl);
    if (result == 1) {
        stream->is_shaken = true;
        return 1;
    }
    ptrdiff_t outcome = tls_outcome(stream, result, false);
    if (outcome != KIS_IO_AGAIN) {
        long verify = SSL_get_verify_result(stream->ssl);
        unsigned long error = ERR_peek_last_error();
        const char *reason = error ? tls_reason_text(error) : NULL;
        if (verify != X509_V_OK)
            reason = X509_verify_cert_error_string(verify);
        bool is_http =
            ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST;
        kis_diag_set(diag,
                     is_http  ? KIS_ERR_SYNTAX
                     : reason ? KIS_ERR_IO
                              : KIS_ERR_CLOSED,
                     "TLS handshake: %s", reason ? reason : "the peer closed it");
        ERR_clear_error();
    }
    return outcome;
}

bool kis_tls_stream_is_h2(const kis_stream *stream)
{
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(stream->ssl, &name, &len);
    return len == 2 && memcmp(name, "h2", 2) == 0;
}

ptrdiff_t kis_tls_stream_read(kis_stream *stream, void *to, size_t size)
{
    ERR_clear_error();
    stream->read_wants_write = false;
    int got = SSL_read(stream->ssl, to, (int)KIS_MIN(size, (size_t)1 << 30));
    return got > 0 ? got : tls_outcome(stream, got, false);
}

ptrdiff_t kis_tls_stream_write(kis_stream *stream, kis_bytes piece)
{
    ERR_clear_error();
    stream->write_wants_read = false;
    int put = SSL_write(stream->ssl, piece.ptr, (int)KIS_MIN(piece.len, (size_t)1 << 30));
    return put > 0 ? put : tls_outcome(stream, put, true);
}

bool kis_tls_stream_has_pending(const kis_stream *stream)
{
    return SSL_pending(stream->ssl) > 0;
}

void kis_tls_stream_shut(kis_stream *stream)
{
    if (stream->is_shaken) {
        ERR_clear_error();
        SSL_shutdown(stream->ssl);
    }
}

void kis_tls_stream_done(kis_stream *stream)
{
    SSL_free(stream->ssl);
    ERR_clear_error();
    stream->ssl = NULL;
}
