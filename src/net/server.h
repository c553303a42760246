/* server.h - HTTP/1.1 and HTTP/2 (gRPC with it) on one listener, over TCP or TLS. Requests in,
 * answers out.
 *
 *     accept (its own loop) ─> least busy loop ─> first bytes decide (with TLS: ALPN):
 *                                                 "PRI * HTTP/2.0", or HTTP/1.1
 *        ─> on_head   method, path and headers are there; refuse, or say how large a body may be
 *        ─> on_body   the whole body, decompressed by nobody, in memory that is now the handler's
 *        ─> kis_exchange_answer, from any thread, now or later; or begin / write / end to stream
 *
 * An exchange is one request and its answer. It is reference-counted: the server holds one until
 * the answer is out, a handler that answers later takes one (kis_exchange_ref). When the peer has
 * gone, answering does nothing.
 *
 * Bodies are charged to the listener's budget before they are read: no room is 503 / UNAVAILABLE
 * with Retry-After.
 */
#ifndef KIS_NET_SERVER_H
#define KIS_NET_SERVER_H

#include "http/header.h"
#include "net/loop.h"
#include "net/tls.h"

typedef struct kis_exchange kis_exchange;
typedef struct kis_server kis_server;

/** What a request says before its body. Texts live as long as the exchange. */
typedef struct kis_request_head {
    kis_str method;    /* "POST" */
    kis_str path;      /* raw, before '?': "/v1/traces" */
    kis_str query;     /* raw, behind '?', or empty */
    kis_str authority; /* Host or :authority */
    const kis_header *headers;
    size_t header_count;
    uint64_t content_length; /* UINT64_MAX: unknown */
    bool is_http2, is_tls;
    kis_str peer; /* "127.0.0.1:4711" */
    /* monotonic: when the head was there; a deadline that it asks for counts from here */
    uint64_t at_ns;
} kis_request_head;

/** The first header of that lower-case name, or an empty text with a NULL pointer. */
kis_str kis_request_header(const kis_request_head *head, const char *name);

typedef struct kis_answer_head {
    int status;
    const kis_header *headers; /* names in lower case; content-length and date are the server's */
    size_t header_count;
    const kis_header *trailers; /* HTTP/2 only (gRPC); sent behind the body */
    size_t trailer_count;
} kis_answer_head;

typedef struct kis_handler {
    /** Loop thread. Either answers (then the body is thrown away), or sets how many bytes a body
     * may have and returns true. */
    bool (*on_head)(void *user, kis_exchange *exchange, uint64_t *max_body_bytes);
    /** Loop thread. `body` (from kis_body_alloc, body_cap bytes) is the handler's from now on; NULL
     * without a body. Its charge to the budget is the handler's too: give back body_cap when it is
     * freed. Answer now or keep a reference and answer later. */
    void (*on_body)(void *user, kis_exchange *exchange, uint8_t *body, size_t body_len,
                    size_t body_cap);
    /** Loop thread; may be NULL. The peer went away before an answer, or gave up (a gRPC client
     * resets the call at its deadline). */
    void (*on_gone)(void *user, kis_exchange *exchange);
    void *user;
    /** Loop thread; may be NULL. The body is not taken: LIMIT, larger than on_head allowed; FULL,
     * the budget has no room; NOMEM; TIMEOUT, it does not get on. on_body will not come. The
     * handler may answer in its own words; if it does not, the server does (413, 503 with
     * Retry-After: 1, 408; for gRPC status 8, 14, 4). Over HTTP/1.1 the connection closes after
     * it. Never before on_head. */
    void (*on_refuse)(void *user, kis_exchange *exchange, kis_err why);
    /** Size of the handler's own memo in each exchange: what on_head has found out, for on_body. */
    size_t memo_bytes;
} kis_handler;

const kis_request_head *kis_exchange_head(const kis_exchange *exchange);
kis_loop *kis_exchange_loop(const kis_exchange *exchange);
/** The handler's memo_bytes in this exchange, zeros at first, aligned for anything. Lives as long
 * as the exchange; net does not look at it. Whoever works on the exchange, one thread at a time. */
void *kis_exchange_memo(kis_exchange *exchange);
kis_exchange *kis_exchange_ref(kis_exchange *exchange); /* any thread */
void kis_exchange_unref(kis_exchange *exchange);        /* any thread */

/** The whole answer at once; head, body are copied when it must wait. Any thread. Later calls on an
 * answered exchange do nothing. */
void kis_exchange_answer(kis_exchange *exchange, const kis_answer_head *head, kis_bytes body);
/** Streams: begin, any number of writes, end. From ONE thread that is not the loop's. write waits
 * while more than KIS_STREAM_BYTES_MAX lie unsent: TIMEOUT at the deadline (monotonic), CLOSED when
 * the peer has gone. Without content-length HTTP/1.1 is chunked. */
#define KIS_STREAM_BYTES_MAX (256u << 10)
void kis_exchange_begin(kis_exchange *exchange, const kis_answer_head *head);
kis_err kis_exchange_write(kis_exchange *exchange, kis_bytes bytes,
                           uint64_t deadline_ns) KIS_CHECKED;
/* false: resets, so that the reader sees that it is cut */
void kis_exchange_end(kis_exchange *exchange, bool is_complete);
/** Closes the connection after this answer (HTTP/1.1). Before the answer, by the thread that
 * answers. */
void kis_exchange_close_after(kis_exchange *exchange);

extern const kis_alloc *const kis_body_alloc; /* where bodies come from: os/mem.h */

struct kis_budget; /* model's; net only takes and gives back through these two */
typedef struct kis_net_budget {
    bool (*take)(void *user, uint64_t bytes);
    void (*give_back)(void *user, uint64_t bytes);
    void *user;
} kis_net_budget;

typedef struct kis_listener_options {
    /* "127.0.0.1:4317", "[::1]:4317", ":4317" for all, "localhost:0", "unix:/path" */
    kis_str address;
    kis_handler handler;
    kis_net_budget budget; /* take NULL: unbounded */
    kis_tls_server *tls;   /* NULL: plain */
    bool allow_http1, allow_http2;
    /** Loop thread; may be NULL. What an operator should hear of and no handler ever will: a peer
     * that speaks TLS where none is spoken, a TLS handshake that failed, and why. Who merely went
     * away is not told of. */
    void (*on_note)(void *user, kis_str peer, const char *what);
    void *note_user;
    uint32_t header_timeout_ms; /* 0: 10 s */
    uint32_t body_progress_ms;  /* 0: 30 s without a kilobyte */
    /* 0: 5 min for the whole body; seen at the end of a progress time */
    uint32_t body_whole_ms;
    /* 0: 60 s between requests; connections with an open exchange are not idle */
    uint32_t idle_timeout_ms;
    /* 0: 20000, over all listeners of a server; the oldest idle is closed first. Never more than
     * RLIMIT_NOFILE leaves */
    uint32_t max_connections;
} kis_listener_options;

typedef struct kis_server_stats {
    uint64_t connections_accepted, connections_open, connections_refused;
    uint64_t requests, requests_malformed, streams_reset, tls_failures, timeouts, goaways;
    uint64_t bytes_in, bytes_out;
} kis_server_stats;

/** Over `loops`, each run by a thread of the caller's. The first one accepts. References to
 * exchanges are given back before the loops are freed. */
kis_err kis_server_new(kis_loop *const *loops, size_t loop_count, const kis_alloc *alloc,
                       kis_server **out, kis_diag *diag) KIS_CHECKED;
/** Binds and listens, before any request is served. RANGE: the address is taken ("address in use").
 * `out_address` (80 bytes) gets the one bound, port 0 resolved. */
kis_err kis_server_listen(kis_server *server, const kis_listener_options *options,
                          char out_address[80], kis_diag *diag) KIS_CHECKED;
void kis_server_start(kis_server *server); /* begins to accept on every listener */
/** Stops accepting, sends GOAWAY / Connection: close, waits for requests in flight until the
 * deadline, then closes what is left; answers how many were cut. Not from inside a handler: a
 * connection may be in the middle of sending then. */
uint64_t kis_server_stop(kis_server *server, uint64_t deadline_ns);
void kis_server_free(kis_server *server);                  /* stopped; before the loops are freed */
kis_server_stats kis_server_get_stats(kis_server *server); /* any thread */

#endif
