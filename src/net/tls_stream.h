/* tls_stream.h - TLS on one kis_stream; between tcp.c and OpenSSL. */
#ifndef KIS_NET_TLS_STREAM_H
#define KIS_NET_TLS_STREAM_H

#include "net/tcp.h"

/** Puts TLS on a connected socket; ALPN offers what the listener allows. */
kis_err kis_tls_stream_accept(kis_stream *stream, kis_tls_server *tls, bool allow_http1,
                              bool allow_http2) KIS_CHECKED;
/** The same from the other side. `host` is checked against the certificate and sent as SNI (not for
 * addresses). */
kis_err kis_tls_stream_connect(kis_stream *stream, kis_tls_client *tls, kis_str host,
                               bool http2) KIS_CHECKED;
/** Goes on with the handshake: 1 done, or KIS_IO_*. Failed:
 * `diag` says why, and is CLOSED where the peer merely went away, SYNTAX where it speaks plain
 * HTTP/1.1. */
ptrdiff_t kis_tls_stream_shake(kis_stream *stream, kis_diag *diag);
/** Whether ALPN chose h2. */
bool kis_tls_stream_is_h2(const kis_stream *stream);

ptrdiff_t kis_tls_stream_read(kis_stream *stream, void *to, size_t size);
ptrdiff_t kis_tls_stream_write(kis_stream *stream, kis_bytes piece);
bool kis_tls_stream_has_pending(const kis_stream *stream);
void kis_tls_stream_shut(kis_stream *stream);
void kis_tls_stream_done(kis_stream *stream);

#endif
