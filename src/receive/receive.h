/* receive.h - step 5: a server takes spans in. OTLP over HTTP (protobuf, JSON) and over gRPC,
 * plain, gzip, zstd.
 *
 *     on_head  path, method, content type, coding,      refused before a byte of the body is read
 *              Origin, size
 *     on_body  decompress, decode into a batch that     on the loop's thread
 *              adopts the body, push into the sink
 *     done     answers the exchange                     success is the sink's own word
 *
 * Every refusal is counted by its reason and answered with a google.rpc.Status in the request's own
 * encoding.
 */
#ifndef KIS_RECEIVE_RECEIVE_H
#define KIS_RECEIVE_RECEIVE_H

#include "compress/compress.h"
#include "model/sink.h"
#include "net/server.h"

/* loops that may hand requests to one receiver; those of a further one would be answered 503 */
#define KIS_RECEIVE_LOOPS_MAX 256

typedef struct kis_receive_options {
    kis_sink *sink;
    kis_budget *budget; /* bodies and batches */
    /* 0: KIS_REQUEST_BYTES_MAX; before and after decompression. Half of the budget where that is
     * less: more would be told to come again for ever */
    uint64_t max_request_bytes;
    /* CORS for browsers' pages: exact, or with one star; none: loopback only */
    const kis_str *allowed_origins;
    size_t allowed_origin_count;
    /* where people find the page: "http://127.0.0.1:16686"; read while requests come; may be NULL
     * or empty */
    const char *page;
    /** Any thread; may be NULL. A request was refused, in the words that its sender gets, or
     * (status 200) some of its spans were. The words hold what strangers wrote. */
    void (*on_refusal)(void *user, bool is_grpc, int http_status, kis_str peer, kis_str what);
    void *refusal_user;
    kis_os *os;
    const kis_alloc *alloc;
} kis_receive_options;

typedef struct kis_receive_stats { /* one pair of rows: [0] HTTP, [1] gRPC */
    uint64_t accepted_spans, refused_spans, failed_spans;
    uint64_t requests, requests_malformed, requests_too_large, requests_no_room,
        requests_wrong_type;
    uint64_t rejected_spans, cut_values;
} kis_receive_stats;

typedef struct kis_receiver kis_receiver;

kis_err kis_receiver_new(const kis_receive_options *options, kis_receiver **out) KIS_CHECKED;
/** Of one request: what was asked for, or what the budget has room for. */
uint64_t kis_receiver_request_bytes_max(const kis_receiver *receiver);
/** One handler serves both protocols: give it to the listeners of 4317 and 4318. */
kis_handler kis_receiver_handler(kis_receiver *receiver);
kis_receive_stats kis_receiver_get_stats(const kis_receiver *receiver, bool grpc); /* any thread */
/** After the server has stopped and the sink is flushed. NULL: nothing. */
void kis_receiver_free(kis_receiver *receiver);

#endif
