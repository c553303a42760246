/* tls.h - TLS by OpenSSL 3: server and client contexts. The handshake and records are driven by the
 * loop's sockets (tcp.h). */
#ifndef KIS_NET_TLS_H
#define KIS_NET_TLS_H

#include "base/str.h"

typedef struct kis_tls_server kis_tls_server;
typedef struct kis_tls_client kis_tls_client;

typedef struct kis_tls_server_options {
    kis_str cert_file, key_file; /* PEM */
    kis_str client_ca_file;      /* not empty: clients must show a certificate of it (mTLS) */
} kis_tls_server_options;

typedef struct kis_tls_client_options {
    kis_str ca_file;             /* empty: the system's */
    kis_str cert_file, key_file; /* empty: none */
    bool skip_verify;
} kis_tls_client_options;

/** TLS 1.2 at least; ALPN h2 and http/1.1. Errors name the file and OpenSSL's reason. */
kis_err kis_tls_server_new(const kis_tls_server_options *options, kis_tls_server **out,
                           kis_diag *diag) KIS_CHECKED;
/** Reads the files again; on failure the old ones stay. Any thread. */
kis_err kis_tls_server_reload(kis_tls_server *tls, kis_diag *diag) KIS_CHECKED;
void kis_tls_server_free(kis_tls_server *tls);
kis_err kis_tls_client_new(const kis_tls_client_options *options, kis_tls_client **out,
                           kis_diag *diag) KIS_CHECKED;
void kis_tls_client_free(kis_tls_client *tls);
/** Whether the words of a failed handshake say that the peer's certificate is of nobody we trust:
 * another CA file would do. */
bool kis_tls_is_untrusted(kis_str why);

#endif
