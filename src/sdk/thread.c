/* thread.c - what a recording thread has of its own, and where slots come from.
 *
 *     thread ── kis_here (thread-local): current context, and for each SDK the
 *               kis_recorder_thread ── free slots  <── returned slots (pushed by whoever had
 *                                  │                   the last batch)
 *                                  └── ring        ──> batcher
 *
 * Slots are made 64 at a time, as long as `max_spans` allows, and go home to the thread that took
 * them; there is no common list to fight for. A thread that ends leaves its record, with ring and
 * slots, to the next thread that begins.
 */
#include "sdk/sdk.h"

KIS_THREAD_LOCAL_ kis_here kis_here_of_thread;

kis_slot *kis_slot_ending_here(void)
{
    return kis_here_of_thread.ending;
}

/* ---- records ---- */

static kis_recorder_thread *adopt_record(kis_sdk *sdk)
{
    for (kis_recorder_thread *t = atomic_load_explicit(&sdk->threads, memory_order_acquire); t;
         t = t->next) {
        bool is_taken = false;
        if (atomic_compare_exchange_strong_explicit(&t->is_taken, &is_taken, true,
                                                    memory_order_acquire, memory_order_relaxed))
            return t;
    }
    return NULL;
}

static void *line_aligned(void *memory)
{
    return (void *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
}

static kis_recorder_thread *new_record(kis_sdk *sdk)
{
    void *memory = sdk->alloc.take(sdk->alloc.user, sizeof(kis_recorder_thread) + 64);
    kis_recorder_thread *t = line_aligned(memory);

    if (!memory)
        return NULL;
    memset(t, 0, sizeof(*t));
    if (!kis_span_ring_init(&t->ring, sdk->queue_spans, &sdk->alloc)) {
        sdk->alloc.give_back(sdk->alloc.user, memory, sizeof(*t) + 64);
        return NULL;
    }
    t->sdk = sdk;
    t->memory = memory;
    do
        sdk->host.random(sdk->host.user, &t->rng, sizeof(t->rng));
    while ((t->rng.s[0] | t->rng.s[1]) == 0); /* the one state that it never leaves */
    atomic_store_explicit(&t->is_taken, true, memory_order_relaxed);
    t->next = atomic_load_explicit(&sdk->threads, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&sdk->threads, &t->next, t, memory_order_seq_cst,
                                                  memory_order_relaxed))
        ;
    return t;
}

kis_thread_counts *kis_counts_here(kis_sdk *sdk)
{
    kis_recorder_thread *t = kis_recorder_thread_here(sdk, &kis_here_of_thread);

    return t ? &t->counts : NULL;
}

kis_recorder_thread *kis_recorder_thread_begin(kis_sdk *sdk, kis_here *here)
{
    uint32_t generation = atomic_load_explicit(&sdk->generation, memory_order_relaxed);
    kis_recorder_thread *t = adopt_record(sdk);

    if (!t)
        t = new_record(sdk);
    if (!t) {
        atomic_fetch_add_explicit(&sdk->lost_threads, 1, memory_order_relaxed);
        return NULL;
    }
    here->records[sdk->index] = t;
    here->generations[sdk->index] = generation;
    if (sdk->host.thread_began)
        sdk->host.thread_began(sdk->host.user);
    return t;
}

kis_recorder_thread *kis_recorder_thread_begin_outside(kis_sdk *sdk, kis_here *here)
{
    kis_recorder_thread *t;

    if (!kis_sdk_enter_recording(sdk))
        return NULL;
    t = kis_recorder_thread_begin(sdk, here);
    kis_sdk_leave(sdk);
    return t;
}

/* Its SDK may be freed now: so the thread is inside before it asks whose the record is. */
static void leave_record(kis_sdk *sdk, kis_recorder_thread *t, uint32_t generation)
{
    kis_sdk_enter(sdk);
    if (atomic_load_explicit(&sdk->generation, memory_order_seq_cst) == generation)
        atomic_store_explicit(&t->is_taken, false, memory_order_release);
    kis_sdk_leave(sdk);
}

void kis_recorder_thread_done(void)
{
    kis_here *here = &kis_here_of_thread;

    for (uint32_t i = 0; i < KIS_SDKS_MAX; i++) {
        kis_recorder_thread *t = here->records[i];
        uint32_t generation = here->generations[i];
        kis_sdk *sdk = kis_sdk_entry(i);
        here->records[i] = NULL;
        here->generations[i] = 0;
        if (t && sdk)
            leave_record(sdk, t, generation);
    }
}

/* ---- slots ---- */

kis_slot *kis_slot_in(const kis_slot_chunk *chunk, uint32_t i)
{
    return (kis_slot *)(void *)((uint8_t *)line_aligned(chunk->memory) + i * KIS_SLOT_BYTES);
}

/* 64 new slots in the thread's free list, if the bound and the machine allow. */
static bool make_slots(kis_recorder_thread *t)
{
    kis_sdk *sdk = t->sdk;
    kis_slot_chunk *chunk;
    uint32_t count = KIS_MIN(KIS_SLOTS_AT_ONCE, sdk->max_spans);

    if (atomic_fetch_add_explicit(&sdk->slot_count, count, memory_order_relaxed) + count >
        sdk->max_spans)
        goto refuse;
    chunk = sdk->alloc.take(sdk->alloc.user, sizeof(*chunk));
    if (!chunk)
        goto refuse;
    chunk->memory = sdk->alloc.take(sdk->alloc.user, KIS_SLOT_CHUNK_BYTES);
    if (!chunk->memory)
        goto give_chunk_back;
    for (uint32_t i = KIS_SLOTS_AT_ONCE; i-- > 0;) {
        kis_slot *slot = kis_slot_in(chunk, i);
        memset(slot, 0, sizeof(*slot));
        slot->home = t;
        slot->sdk = sdk;
        kis_slot_make_head(slot);
        slot->block = slot->first_block;
        slot->end = slot->first_block + KIS_SLOT_FIRST_BLOCK;
        if (i < count) {
            slot->next = t->free;
            t->free = slot;
        }
    }
    kis_sdk_lock(sdk);
    chunk->next = sdk->chunks;
    sdk->chunks = chunk;
    kis_sdk_unlock(sdk);
    return true;

give_chunk_back:
    sdk->alloc.give_back(sdk->alloc.user, chunk, sizeof(*chunk));
refuse:
    atomic_fetch_sub_explicit(&sdk->slot_count, count, memory_order_relaxed);
    return false;
}

/* A record that was left behind gets none: they would be listed as those of the new ones. */
__attribute__((noinline)) static bool make_slots_or_count(kis_recorder_thread *t)
{
    kis_sdk *sdk = t->sdk;
    bool is_made = false;

    if (!kis_sdk_enter_recording(sdk))
        return false;
    if (!atomic_load_explicit(&t->is_abandoned, memory_order_relaxed)) {
        is_made = make_slots(t);
        if (!is_made)
            kis_count(&t->counts.dropped_memory, 1);
    }
    kis_sdk_leave(sdk);
    return is_made;
}

bool kis_slot_find_free(kis_recorder_thread *t)
{
    t->free = atomic_exchange_explicit(&t->returned, NULL, memory_order_acquire);
    return t->free || make_slots_or_count(t);
}

/* What a slot need not keep for its next span. Busy bit held. */
static inline void drop_bag(kis_slot *slot)
{
    if (KIS_UNLIKELY(slot->bag)) {
        kis_bag_drop(slot->bag);
        slot->bag = NULL;
    }
}
static inline void drop_large_block(kis_slot *slot)
{
    if (KIS_UNLIKELY((size_t)(slot->end - slot->block) > KIS_SLOT_BLOCK_KEEP))
        kis_slot_shrink(slot);
}

/* Of a slot that has ended. */
static inline void let_go_of_extras(kis_slot *slot)
{
    if (KIS_UNLIKELY(slot->bag)) { /* somebody may be reading the ids of the span that ended */
        kis_slot_take_busy(slot);
        drop_bag(slot);
        kis_slot_leave(slot);
    }
    drop_large_block(slot);
}

static void give_back(kis_recorder_thread *home, kis_slot *first, kis_slot *last)
{
    last->next = atomic_load_explicit(&home->returned, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&home->returned, &last->next, first,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

void kis_slot_release(kis_slot *slot, uint64_t word, kis_recorder_thread *here)
{
    kis_recorder_thread *home = slot->home;

    drop_bag(slot);
    drop_large_block(slot);
    kis_slot_leave_as(slot, word, KIS_SLOT_ENDED); /* the caller may be outside from here on */
    if (here == home) {
        slot->next = home->free;
        home->free = slot;
    } else {
        give_back(home, slot, slot);
    }
}

void kis_slots_release(kis_slot *const *slots, uint32_t count)
{
    kis_slot *first = slots[0], *last = first; /* a run of one home goes back as one list */

    let_go_of_extras(first);
    for (uint32_t i = 1; i < count; i++) {
        kis_slot *slot = slots[i];
        let_go_of_extras(slot);
        if (KIS_LIKELY(slot->home == last->home)) {
            last->next = slot;
        } else {
            give_back(last->home, first, last);
            first = slot;
        }
        last = slot;
    }
    give_back(last->home, first, last);
}
