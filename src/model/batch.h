/* batch.h - spans that travel together and own their memory.
 *
 *     kis_batch ── arena: everything decoded or repaired
 *               ├─ body:  the request's bytes, adopted from whoever read them
 *               ├─ resources[] ─ scopes[] ─ spans[]     (views into both)
 *               └─ origin: who sent it, when, under which key
 *
 * Filled by one owner; from the moment it is pushed into a sink it is immutable and
 * reference-counted. The last reference gives back memory and budget, on whatever thread that
 * happens.
 */
#ifndef KIS_MODEL_BATCH_H
#define KIS_MODEL_BATCH_H

#include <stdatomic.h>

#include "model/budget.h"
#include "model/limits.h"
#include "model/span.h"

/** Where a batch comes from. All borrowed texts live in the batch. */
typedef struct kis_origin {
    kis_str tenant;          /* empty: the default tenant */
    kis_str idempotency_key; /* empty: none; at most KIS_IDEMPOTENCY_KEY_BYTES_MAX */
    kis_str peer;            /* "127.0.0.1:4711", for logs */
    uint64_t received_unix_ns;
    uint64_t deadline_ns; /* monotonic; 0: none */
} kis_origin;

typedef struct kis_batch {
    _Atomic uint32_t refs;
    kis_arena arena;
    kis_bytes body;       /* the request; may be a part of body_memory (behind a frame) */
    uint8_t *body_memory; /* adopted; given back to body_alloc */
    size_t body_cap;
    const kis_alloc *body_alloc; /* NULL: borrowed for ever (tests, static data) */
    kis_budget *budget;          /* NULL: not charged */
    uint64_t charged_bytes;
    kis_origin origin;

    kis_resource_view *resources;
    kis_scope_view *scopes;
    kis_span_view *spans;
    uint32_t resource_count, scope_count, span_count;

    bool is_verbatim;        /* `body` is an OTLP request that says exactly what the views say */
    uint32_t rejected_spans; /* not in `spans`: ids of a wrong length, and the like */
    /* values, names, attributes, events or links that were shortened or dropped */
    uint32_t cut_values;
    /* of the first rejected span: "span 17: trace_id: want 16 bytes, got 15, at byte 4211" */
    kis_str reject_reason;
} kis_batch;

/** An empty batch with one reference whose arena holds at most `max_bytes`. NULL: no memory. */
kis_batch *kis_batch_new(const kis_alloc *alloc, size_t max_bytes);
/** Gives the batch memory that was taken from `alloc`, `cap` bytes of which `len` are used. Freed
 * with the batch. */
void kis_batch_adopt_body(kis_batch *batch, uint8_t *ptr, size_t len, size_t cap,
                          const kis_alloc *alloc);
/** Any thread. */
kis_batch *kis_batch_ref(kis_batch *batch);
void kis_batch_unref(kis_batch *batch); /* NULL is fine */

static inline const kis_resource_view *kis_batch_resource(const kis_batch *b,
                                                          const kis_scope_view *scope)
{
    return &b->resources[scope->resource];
}

#endif
