/* tcp.h - sockets: listening, connecting, reading and writing with or without TLS. Nothing here
 * blocks.
 *
 * A kis_stream is one connected socket. Reading and writing answer how many bytes moved, or why
 * none did.
 */
#ifndef KIS_NET_TCP_H
#define KIS_NET_TCP_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "net/tls.h"

#define KIS_ADDRESS_TEXT_MAX 80 /* "[v6%scope]:port", or "unix:" and the start of a path */

/* instead of a count */
enum {
    KIS_IO_AGAIN = -1,  /* wait until stream->waits_for is ready */
    KIS_IO_END = -2,    /* the peer has closed its side in order */
    KIS_IO_FAILED = -3, /* reset, broken, TLS failure */
};

typedef struct kis_stream {
    int fd;                                  /* -1: none */
    struct ssl_st *ssl;                      /* NULL: plain */
    bool is_shaken;                          /* the TLS handshake is over */
    bool read_wants_write, write_wants_read; /* TLS may need the other direction */
} kis_stream;

typedef struct kis_address {
    struct sockaddr_storage at;
    socklen_t len; /* 0: none */
} kis_address;

/** "127.0.0.1:4317", "[::1]:4317", ":4317" (all), "localhost:0", "unix:/path". Names are resolved
 * here, blocking: for listeners, at start. */
kis_err kis_address_parse(kis_str text, kis_address *out, kis_diag *diag) KIS_CHECKED;
/** Numeric host and port without asking anybody; false: it is a name. */
bool kis_address_of_number(kis_str host, uint16_t port, kis_address *out);
bool kis_address_of_unix(kis_str path, kis_address *out); /* false: too long */
void kis_address_format(const kis_address *address, char out[KIS_ADDRESS_TEXT_MAX]);

/** RANGE: address in use. `out_bound` is what it became. */
kis_err kis_tcp_listen(const kis_address *address, int *out_fd, kis_address *out_bound,
                       kis_diag *diag) KIS_CHECKED;
/** Begins; the socket is writable when it is decided, then kis_tcp_connected says how. -1 and
 * errno: failed at once. */
int kis_tcp_connect(const kis_address *address);
int kis_tcp_connected(int fd);           /* 0, or the errno */
void kis_tcp_tune(int fd, bool is_unix); /* no delay; keepalive probes find dead peers */

void kis_stream_init(kis_stream *stream, int fd);
/** Bytes read (> 0) or KIS_IO_*. */
ptrdiff_t kis_stream_read(kis_stream *stream, void *to, size_t size);
/** Bytes written (> 0) of one or two pieces, or KIS_IO_*. */
ptrdiff_t kis_stream_write(kis_stream *stream, kis_bytes first, kis_bytes second);
/** Bytes that lie decrypted and that no event will announce. */
bool kis_stream_has_pending(const kis_stream *stream);
void kis_stream_shut_write(kis_stream *stream); /* the peer sees the end; reading goes on */
void kis_stream_close(kis_stream *stream, bool is_reset);

#endif
