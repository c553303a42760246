/* http2.h - one side of an HTTP/2 connection, without I/O (over nghttp2): bytes in, bytes out,
 * events.
 *
 *     bytes ──> kis_http2_receive ──> on_head, on_data, on_trailers, on_end, on_close
 *     bytes <── kis_http2_fill    <── kis_http2_answer / kis_http2_request / kis_http2_reset
 *
 * One owner at a time. receive is never called from inside an event; what answers, asks and resets
 * may be, or from outside.
 *
 * nghttp2 knows frames, HPACK, flow control and which message is well formed. What it does not do
 * is here: bounds on header lists, a count of what a peer does that costs us and not it (floods,
 * RFC 9113, 10.5), bodies that are pulled as they can be sent.
 */
#ifndef KIS_HTTP_HTTP2_H
#define KIS_HTTP_HTTP2_H

#include "base/buf.h"
#include "http/header.h"

#define KIS_HTTP2_STREAMS_MAX       256u
#define KIS_HTTP2_STREAM_WINDOW     (1u << 20)
#define KIS_HTTP2_CONNECTION_WINDOW (16u << 20)
/* of what we send and take: SETTINGS_MAX_FRAME_SIZE stays at its default */
#define KIS_HTTP2_FRAME_BYTES_MAX 16384u
/* fill may go over its mark by this much */
#define KIS_HTTP2_FILL_SLACK (KIS_HTTP2_FRAME_BYTES_MAX + 64u)

/* RFC 9113, 7 */
typedef enum kis_http2_error {
    KIS_HTTP2_NO_ERROR = 0,
    KIS_HTTP2_PROTOCOL_ERROR = 1,
    KIS_HTTP2_INTERNAL_ERROR = 2,
    KIS_HTTP2_REFUSED_STREAM = 7,
    KIS_HTTP2_CANCEL = 8,
    KIS_HTTP2_ENHANCE_YOUR_CALM = 11,
} kis_http2_error;

typedef struct kis_http2 kis_http2;

/** One request and its answer. Lives until its on_close has returned. */
typedef struct kis_http2_stream {
    /* all streams of the connection; kis_http2_first begins */
    struct kis_http2_stream *prev, *next;
    kis_http2 *owner;
    int32_t id;
    void *user;                   /* the owner's, NULL at first */
    uint64_t bytes_in, bytes_out; /* of bodies, moved so far: who watches progress compares */
    bool is_in_over;              /* the peer has sent all of its message */
    bool is_out_over;             /* we have */
    bool is_begun;                /* our head has been submitted */
    bool is_head_sent; /* client: the request's head is among the bytes that were filled */
    /* our body: bytes, or pulled */
    kis_bytes body;
    void *block; /* holds the copy of body and trailers; NULL: body is borrowed */
    size_t block_size;
    const kis_header *trailers;
    size_t trailer_count;
    bool is_pulled, is_deferred, is_trailer_sent;
} kis_http2_stream;

typedef struct kis_http2_head {
    kis_str method, scheme, authority, path; /* requests; path with its query */
    int status;                              /* answers */
    const kis_header *headers;               /* without the pseudo-headers */
    size_t header_count;
    bool is_end; /* no body follows */
    /* more than KIS_HTTP_HEADERS_MAX or KIS_HTTP_HEADER_BYTES_MAX: what is here is not all */
    bool is_too_large;
} kis_http2_head;

typedef struct kis_http2_events {
    void *user;
    /** A request (server) or an answer (client; not 1xx). Texts live until it returns. */
    void (*on_head)(void *user, kis_http2_stream *stream, const kis_http2_head *head);
    /** Bytes of its body. False: they are not wanted, and the peer's window for this stream is not
     * opened again. */
    bool (*on_data)(void *user, kis_http2_stream *stream, kis_bytes piece);
    /* NULL: ignored */
    void (*on_trailers)(void *user, kis_http2_stream *stream, const kis_header *headers,
                        size_t count);
    /* the peer's message is whole */
    void (*on_end)(void *user, kis_http2_stream *stream);
    /* the last event; kis_http2_error or a number of the peer's */
    void (*on_close)(void *user, kis_http2_stream *stream, uint32_t error);
    /** A pulled body: puts at most `max` bytes into `to`. None and not ended: kis_http2_resume when
     * there are more. *out_complete false at the end: reset. */
    /* NULL: none are pulled */
    void (*on_pull)(void *user, kis_http2_stream *stream, kis_buf *to, size_t max, bool *out_ended,
                    bool *out_complete);
} kis_http2_events;

/** NULL: no memory. The settings are the first thing that fill gives. */
kis_http2 *kis_http2_new(bool is_server, const kis_http2_events *events, const kis_alloc *alloc);
/* no on_close for streams that are still open: look at kis_http2_first before */
void kis_http2_free(kis_http2 *h2);

/**
 * What the peer sent. OK: go on, as long as kis_http2_is_over says so. SYNTAX: not HTTP/2 at all.
 * LIMIT: a flood. NOMEM. After an error fill gives the GOAWAY that says why (but for SYNTAX), and
 * then the connection closes.
 */
kis_err kis_http2_receive(kis_http2 *h2, uint64_t now_ns, kis_bytes in, kis_diag *diag) KIS_CHECKED;
/** Appends frames to `out` until it holds `mark` bytes (or up to KIS_HTTP2_FILL_SLACK more) or
 * nothing can be sent now. NOMEM, LIMIT: `out` is full. */
kis_err kis_http2_fill(kis_http2 *h2, kis_buf *out, size_t mark) KIS_CHECKED;
bool kis_http2_is_over(const kis_http2 *h2);    /* nothing more to read or to send */
bool kis_http2_is_greeted(const kis_http2 *h2); /* the peer's first settings are here */
/* the beginning of a header has come and not yet its end */
bool kis_http2_is_in_header_block(const kis_http2 *h2);
uint32_t kis_http2_stream_count(const kis_http2 *h2);
kis_http2_stream *kis_http2_first(const kis_http2 *h2);
uint64_t kis_http2_resets(const kis_http2 *h2); /* streams that either side has reset */
/* of bodies that were copied and wait for the peer's windows */
size_t kis_http2_queued_bytes(const kis_http2 *h2);

typedef struct kis_http2_body {
    kis_bytes bytes;
    bool is_borrowed; /* lives until on_close; else it is copied */
    bool is_pulled;   /* instead of bytes */
} kis_http2_body;

/** Server. Once a stream. Fields that HTTP/2 does not allow (connection and friends, bad
 * characters) are left out. NOMEM. */
kis_err kis_http2_answer(kis_http2_stream *stream, int status, const kis_header *headers,
                         size_t count, const kis_http2_body *body, const kis_header *trailers,
                         size_t trailer_count) KIS_CHECKED;
/** Client. FULL: the peer allows no further stream now. CLOSED: it has said goodbye. NOMEM. */
kis_err kis_http2_request(kis_http2 *h2, const kis_http2_head *head, const kis_http2_body *body,
                          void *user, kis_http2_stream **out) KIS_CHECKED;
void kis_http2_resume(kis_http2_stream *stream); /* of a pulled body: there are bytes again */
/** Client: before a reset by who has lent the body and takes it back. One frame of it may be under
 * way, its head made and its bytes not: those are copied. False: no memory, the connection can make
 * no further frame. */
bool kis_http2_keep_frame(kis_http2_stream *stream) KIS_CHECKED;
void kis_http2_reset(kis_http2_stream *stream, kis_http2_error error);
/** Says goodbye: streams that are open are finished, new ones refused. */
void kis_http2_go_away(kis_http2 *h2, kis_http2_error error);
/** Client: how many requests may be open at once, as far as the peer has said. */
uint32_t kis_http2_peer_streams_max(const kis_http2 *h2);
bool kis_http2_is_goodbye_received(const kis_http2 *h2);
/** The error code of a GOAWAY that this side has sent; 0: none, or one without a reproach. */
uint32_t kis_http2_goodbye_error(const kis_http2 *h2);

#endif
