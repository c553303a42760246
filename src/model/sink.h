/* sink.h - the first seam: spans go here.
 *
 * The SDK's exporter, every pipeline stage, the store's writer, a file and the tests' recorder are
 * sinks.
 *
 *     push(batch, done)   returns at once; the batch is immutable from then on. The sink takes its
 *                         own reference (kis_batch_ref) if it keeps the batch beyond the call.
 *     done                called exactly once for each push, on any thread, possibly before push
 *                         returns. It may only post a message: no waiting, no pushing, no freeing
 *                         of the sink.
 *     flush(deadline)     returns when everything pushed before has had its `done`, or TIMEOUT.
 *     close               no more pushes after it; returns after the last `done`. Frees the sink.
 *
 * Promise: what an OK means. A stage that must hold spans answers when its own queue has them, with
 * that queue's promise. Contract battery: sink_contract.h, run for every implementation.
 */
#ifndef KIS_MODEL_SINK_H
#define KIS_MODEL_SINK_H

#include "model/batch.h"

typedef enum kis_promise {
    KIS_PROMISE_NONE,      /* may be dropped after OK */
    KIS_PROMISE_MEMORY,    /* held until the process ends */
    KIS_PROMISE_DURABLE,   /* on a disk that was told to keep it: survives kill -9 and power cut */
    KIS_PROMISE_DELIVERED, /* somebody else has said OK */
} kis_promise;

typedef struct kis_sink_result {
    /* OK; FULL, IO, TIMEOUT, CLOSED: may be tried again; others: never pass */
    kis_err err;
    uint64_t retry_after_ms; /* with FULL: how long to wait; 0: no idea */
    uint64_t rejected_spans; /* with OK: of the batch, these were not taken */
    kis_str reason;          /* borrowed until `done` returns */
} kis_sink_result;

typedef struct kis_done {
    void (*call)(void *user, const kis_sink_result *result);
    void *user;
} kis_done;

typedef struct kis_sink kis_sink;

typedef struct kis_sink_ops {
    const char *name;
    kis_promise promise;
    void (*push)(kis_sink *sink, kis_batch *batch, kis_done done); /* any thread */
    /* any thread; monotonic deadline */
    kis_err (*flush)(kis_sink *sink, uint64_t deadline_ns);
    void (*close)(kis_sink *sink); /* owner */
} kis_sink_ops;

/** The head of every sink: an implementation's struct begins with it. */
struct kis_sink {
    const kis_sink_ops *ops;
};

static inline void kis_sink_push(kis_sink *sink, kis_batch *batch, kis_done done)
{
    sink->ops->push(sink, batch, done);
}
static inline kis_err kis_sink_flush(kis_sink *sink, uint64_t deadline_ns)
{
    return sink->ops->flush(sink, deadline_ns);
}
static inline void kis_sink_close(kis_sink *sink)
{
    if (sink)
        sink->ops->close(sink);
}

#endif
