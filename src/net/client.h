/* client.h - HTTP requests out: HTTP/1.1 or HTTP/2 (prior knowledge, or ALPN under TLS),
 * connections kept and reused.
 *
 * A client belongs to one loop and one origin (scheme, host, port). Requests are queued, in flight
 * up to a bound (HTTP/2 multiplexes, HTTP/1.1 opens connections), and answered once each. Names are
 * resolved again at each new connection, off the loop; failures are answered, never fatal.
 */
#ifndef KIS_NET_CLIENT_H
#define KIS_NET_CLIENT_H

#include "net/server.h"

typedef struct kis_client kis_client;

typedef struct kis_client_options {
    kis_str host; /* name or address, without brackets; "unix:/path", "unix:///path" */
    uint16_t port;
    kis_tls_client *tls; /* NULL: plain */
    bool http2;          /* gRPC */
    kis_str user_agent;
    uint32_t connect_timeout_ms; /* 0: 10 s */
    uint32_t max_in_flight;      /* 0: 32 for HTTP/2, 4 connections for HTTP/1.1 */
    /* 0: KIS_RESPONSE_BYTES_MAX of the model, 4 MiB; larger is LIMIT */
    size_t max_answer_bytes;
} kis_client_options;

typedef struct kis_client_request {
    kis_str method, path; /* path with query */
    const kis_header *headers;
    size_t header_count;
    kis_bytes body;       /* borrowed until the answer */
    uint64_t deadline_ns; /* monotonic; 0: none */
} kis_client_request;

/** An answer, or why there is none. Borrowed until `done` returns. */
typedef struct kis_client_answer {
    /* OK: there is an answer, whatever its status. IO: refused, reset, name; TIMEOUT; LIMIT;
     * SYNTAX: not HTTP; CLOSED: the client was freed */
    kis_err err;
    kis_diag diag;    /* "connect to localhost:4318: connection refused" */
    bool was_sent;    /* a byte of the request may have reached the peer */
    bool was_refused; /* by the client itself, as something that must not be sent; or it is full */
    int status;
    const kis_header *headers;
    size_t header_count;
    const kis_header *trailers; /* gRPC's status; for trailers-only answers they are in headers */
    size_t trailer_count;
    kis_bytes body;
} kis_client_answer;

typedef void kis_client_done_fn(void *user, const kis_client_answer *answer); /* loop thread */

kis_err kis_client_new(kis_loop *loop, const kis_client_options *options, kis_client **out,
                       kis_diag *diag) KIS_CHECKED;
/** Loop thread. Headers and path are copied. `done` is called exactly once, and not inside this
 * call, unless more than 32 calls wait for whom there was no memory: then with NOMEM, at once. */
void kis_client_send(kis_client *client, const kis_client_request *request,
                     kis_client_done_fn *done, void *user);
/* loop thread; what is in flight is answered CLOSED first */
void kis_client_free(kis_client *client);

#endif
