/* receive_int.h - what the files of this folder share: one request on its way through the receiver.
 */
#ifndef KIS_RECEIVE_RECEIVE_INT_H
#define KIS_RECEIVE_RECEIVE_INT_H

#include <stdatomic.h>

#include "os/thread.h"
#include "receive/receive.h"
#include "wire/otlp.h"

enum { KIS_OVER_HTTP, KIS_OVER_GRPC, KIS_OVER_COUNT };

/** Counters of one protocol; any thread, relaxed. Names and meaning: kis_receive_stats. */
typedef struct kis_receive_counters {
    _Atomic uint64_t accepted_spans, refused_spans, failed_spans;
    _Atomic uint64_t requests, requests_malformed, requests_too_large, requests_no_room,
        requests_wrong_type;
    _Atomic uint64_t rejected_spans, cut_values;
} kis_receive_counters;

struct kis_receiver {
    kis_receive_options options; /* max_request_bytes: no more than the budget has room for */
    bool is_bound_by_budget;     /* that is less than was asked for */
    kis_alloc charged;           /* the process's memory, counted against options.budget */
    kis_receive_counters counters[KIS_OVER_COUNT];
    kis_lock codecs_lock; /* guards adding a row; a row is used by its own loop alone */
    struct {
        _Atomic(kis_loop *) loop;
        kis_codecs *codecs;
    } codecs[KIS_RECEIVE_LOOPS_MAX];
};

/** What a request says about itself, read from its head; the memo of its exchange. */
typedef struct kis_request_form {
    bool is_grpc, is_json;
    bool is_text; /* a refusal is a sentence: asked by a person's tool, not by a sender of spans */
    kis_coding coding;
    kis_str origin; /* of a browser's page that may send here; empty: no Origin header */
} kis_request_form;

/** A refusal: what is answered instead of asking the sink. */
typedef struct kis_refusal {
    int http_status, grpc_status;
    kis_str message;
    kis_str field;               /* which part of the request, for BadRequest; empty: none */
    uint64_t retry_ms;           /* > 0: the sender may try again after so long */
    const char *allow;           /* value of an Allow header, or NULL */
    const char *accept_encoding; /* value of Accept-Encoding / grpc-accept-encoding, or NULL */
    char room[384];              /* for a message that is made, not constant */
} kis_refusal;

/** Adds to a counter of the receiver. Any thread, and several at once: a locked instruction. */
static inline void kis_receive_count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* judge.c: from the head alone */
bool kis_receive_judge_head(const kis_receiver *r, const kis_request_head *head,
                            kis_request_form *form, kis_refusal *refusal);
/* What the sender of a body of too many bytes is told. */
kis_str kis_receive_too_large(const kis_receiver *r);
bool kis_receive_is_origin_allowed(const kis_receiver *r, kis_str origin);

/* answer.c: what goes back */
void kis_receive_refuse(kis_exchange *exchange, const kis_request_form *form,
                        const kis_refusal *refusal);
void kis_receive_accept(kis_exchange *exchange, const kis_request_form *form, uint64_t rejected,
                        kis_str message);
void kis_receive_preflight(kis_exchange *exchange, kis_str origin);

#endif
