/* retain.c - whole segments go, the oldest first: by the time they were received, and by bytes.
 *
 * The bytes are those of the whole folder: segments, logs with their reserved room, and what is about to be written. Spans that are only
 * in the log are never deleted. What was deleted but is still being read counts no more: its room comes back when the reader ends, and
 * deleting others would not bring it back sooner.
 */
#include "base/diag.h"
#include "store/state.h"

static uint64_t kept_bytes(kis_store *s, const kis_segment_set *set)
{
    uint64_t bytes = atomic_load_explicit(&s->log_bytes, memory_order_relaxed);
    for (uint32_t i = 0; i < set->count; i++)
        bytes += set->at[i]->file_bytes;
    return bytes;
}

/* How many of the oldest have to go. */
static uint32_t count_to_delete(kis_store *s, const kis_segment_set *set, uint64_t more_bytes)
{
    uint64_t bytes = kept_bytes(s, set) + more_bytes, now = s->os->ops->now_unix_ns(s->os);
    uint64_t keep_from = s->options.keep_ns > 0 && now > (uint64_t)s->options.keep_ns ? now - (uint64_t)s->options.keep_ns : 0;
    uint32_t count = 0;

    while (count < set->count && (set->at[count]->info.received_max < keep_from || bytes > s->keep_bytes)) {
        bytes -= KIS_MIN(bytes, set->at[count]->file_bytes);
        count++;
    }
    return count;
}

void kis_store_retain(kis_store *s, uint64_t more_bytes)
{
    kis_segment_set *old = s->segments; /* this thread alone replaces it */
    uint32_t gone = count_to_delete(s, old, more_bytes);

    if (!gone)
        return;
    kis_segment_set *set = kis_segment_set_new(s->alloc, old->count - gone);
    if (!set)
        return; /* at the next tick */
    for (uint32_t i = gone; i < old->count; i++)
        set->at[i - gone] = kis_segment_ref(old->at[i]);
    kis_lock_take(&s->lock);
    s->segments = set;
    uint64_t oldest = set->count ? set->at[0]->info.generation : s->frozen_count ? s->frozen[0]->generation : s->active->generation;
    kis_lock_give(&s->lock);
    for (uint32_t i = 0; i < gone; i++) {
        kis_store_counter_add(&s->count.spans_deleted, old->at[i]->info.row_count);
        atomic_store(&old->at[i]->is_deleted, true); /* removed with the last reader's reference */
    }
    kis_store_counter_add(&s->count.segments_deleted, gone);
    kis_catalog_set_oldest(&s->catalog, oldest);
    kis_segment_set_unref(old);
}
