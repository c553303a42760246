/* stats.c - what was counted, summed over threads. */
#include "sdk/sdk.h"

void kis_sdk_get_stats(const kis_sdk *sdk, kis_sdk_stats *out)
{
    const kis_batcher *b = &sdk->batcher;

    *out = (kis_sdk_stats){ 0 };
    for (const kis_recorder_thread *t = atomic_load_explicit(&sdk->threads, memory_order_acquire);
         t; t = t->next) {
        /* before started: open is never less than nothing */
        out->ended += atomic_load_explicit(&t->counts.ended, memory_order_relaxed);
        out->dropped_queue += atomic_load_explicit(&t->ring.dropped, memory_order_relaxed);
        out->unsampled += atomic_load_explicit(&t->counts.unsampled, memory_order_relaxed);
        out->dropped_memory +=
            atomic_load_explicit(&t->counts.dropped_memory, memory_order_relaxed);
        out->dropped_attrs += atomic_load_explicit(&t->counts.dropped_attrs, memory_order_relaxed);
        out->dropped_events +=
            atomic_load_explicit(&t->counts.dropped_events, memory_order_relaxed);
        out->dropped_links += atomic_load_explicit(&t->counts.dropped_links, memory_order_relaxed);
        out->repaired_texts +=
            atomic_load_explicit(&t->counts.repaired_texts, memory_order_relaxed);
        out->queued += kis_span_ring_count(&t->ring);
    }
    for (const kis_recorder_thread *t = atomic_load_explicit(&sdk->threads, memory_order_acquire);
         t; t = t->next)
        out->started += atomic_load_explicit(&t->counts.started, memory_order_relaxed);
    if (kis_sdk_life(sdk) && out->started > out->ended) /* a stop has ended all that were open */
        out->open = out->started - out->ended;
    out->dropped_memory += atomic_load_explicit(&sdk->lost_threads, memory_order_relaxed);
    out->dropped_export = atomic_load_explicit(&b->dropped_export, memory_order_relaxed);
    out->exported = atomic_load_explicit(&b->exported, memory_order_relaxed);
    out->rejected = atomic_load_explicit(&b->rejected, memory_order_relaxed);
    out->in_flight = atomic_load_explicit(&b->in_flight_spans, memory_order_relaxed);
    out->batches = atomic_load_explicit(&b->batches, memory_order_relaxed);
    out->failed_batches = atomic_load_explicit(&b->failed_batches, memory_order_relaxed);
    out->late_calls = atomic_load_explicit(&sdk->late_calls, memory_order_relaxed);
    out->held_bytes =
        (uint64_t)atomic_load_explicit(&sdk->slot_count, memory_order_relaxed) * KIS_SLOT_BYTES +
        atomic_load_explicit(&sdk->block_bytes, memory_order_relaxed);
}

size_t kis_sdk_describe_sampler(const kis_sdk *sdk, char *to, size_t size)
{
    return sdk->sampler->describe(sdk->sampler, to, size);
}

kis_attr_data kis_sdk_resource(const kis_sdk *sdk)
{
    return (kis_attr_data){ sdk->resource.attrs.ptr, sdk->resource.attrs.len,
                            sdk->resource.attrs.tag, sdk->resource_attr_count };
}
