/* slot.h - a span while it is recorded, and until its batch was answered for: 1 KiB, written once.
 *
 *     kis_span { slot, generation, flags, epoch }           the handle that programs hold
 *
 *     slot   word: generation, state, busy bit     ids, times, counts, bag
 *            block: [ name | attribute | event | attribute | (hole) | ... -->    free    <-- | index ]
 *
 * The block is a run of protobuf fields of the Span message in the order of the calls; whoever reads one kind skips the others by tag. An attribute that is set
 * again and does not fit its old place leaves a hole (a field with the tag KIS_SLOT_HOLE). The index, one entry a key, grows from the block's end downward.
 * The first block lies in the slot; a larger one is taken from the host and kept for the slot's next span if it is not too large.
 *
 * Always true:
 *   (1) the busy bit is held by whoever reads or writes anything but `word`, until the slot has ended; from then on it is read-only
 *   (2) a handle's generation is the slot's exactly as long as the slot was not taken for another span
 *   (3) a slot is in one place: open, in one ring, in one batch, or in the free list of its home
 * (1) is one compare-and-swap that checks (2) as well. It spins only when two threads write one span in the same moment.
 */
#ifndef KIS_SDK_SLOT_H
#define KIS_SDK_SLOT_H

#include <stdatomic.h>

#include <kiseki/span.h>

#include "model/span.h"

#define KIS_SLOT_BYTES 1024
#define KIS_SLOT_BLOCK_KEEP (8u << 10)  /* a block up to this stays with its slot */
#define KIS_SLOT_BLOCK_MAX (1u << 20)   /* of one span; what would go beyond is dropped and counted */

/* States, in the low bits of the word; the generation is in the high half. */
#define KIS_SLOT_BUSY 1u
#define KIS_SLOT_OPEN 2u
#define KIS_SLOT_ENDING 4u /* on_ending hooks run: writable by their thread alone */
#define KIS_SLOT_ENDED 8u

#define KIS_SLOT_NAME KIS_PB_TAG(5, KIS_PB_BYTES)
#define KIS_SLOT_MESSAGE KIS_PB_TAG(14, KIS_PB_BYTES) /* status message; numbers that a Span message does not have */
#define KIS_SLOT_HOLE KIS_PB_TAG(15, KIS_PB_BYTES)    /* still one byte as a varint */

struct kis_recorder_thread;
struct kis_bag;
struct kis_scope;

typedef struct kis_slot_key {
    uint32_t hash;
    uint32_t at; /* of its field in the block */
} kis_slot_key;

typedef struct kis_slot {
    _Atomic uint64_t word;
    struct kis_slot *next;              /* in a free list */
    struct kis_recorder_thread *home;   /* where it goes back to */
    struct kis_sdk *sdk;
    const struct kis_scope *scope;
    struct kis_bag *bag;                /* held until the slot is free again */
    kis_trace_id trace_id;
    kis_span_id span_id, parent_id;
    uint64_t start_ns;                  /* monotonic */
    uint64_t start_unix_ns, end_unix_ns;
    uint8_t *block;
    uint32_t block_cap;                 /* stays when the slot is taken anew */
    uint32_t block_len;
    uint32_t hole_bytes;
    uint32_t attrs_at;                  /* no attribute, event or link stands before */
    uint32_t name_at, name_len;
    uint32_t message_at, message_len;
    uint32_t sdk_generation;
    uint32_t dropped_attrs, dropped_events, dropped_links;
    uint16_t key_count, event_count, link_count;
    uint8_t kind, status, flags;
    bool is_parent_remote, is_recording, is_sampled;
    uint32_t bag_generation;
    _Alignas(8) uint8_t first_block[];
} kis_slot;

#define KIS_SLOT_FIRST_BLOCK (KIS_SLOT_BYTES - offsetof(kis_slot, first_block))

static inline kis_slot_key *kis_slot_keys(const kis_slot *slot) /* key i is at [-1 - i] */
{
    return (kis_slot_key *)(void *)(slot->block + slot->block_cap);
}

/** What a thread is ending right now (on_ending); NULL mostly. */
kis_slot *kis_slot_ending_here(void);

bool kis_slot_enter_slow(kis_slot *slot, uint32_t generation, uint32_t states);

/** Takes the busy bit if the handle is still good and the span is open. False: stale or ended. */
static inline bool kis_slot_enter(kis_slot *slot, uint32_t generation)
{
    uint64_t open = (uint64_t)generation << 32 | KIS_SLOT_OPEN;

    if (KIS_LIKELY(atomic_compare_exchange_strong_explicit(&slot->word, &open, open | KIS_SLOT_BUSY, memory_order_acquire, memory_order_relaxed)))
        return true;
    return kis_slot_enter_slow(slot, generation, KIS_SLOT_OPEN | KIS_SLOT_ENDING);
}
/** The same, also for a span that ended and whose slot was not taken since: to read its ids. */
static inline bool kis_slot_enter_to_read(kis_slot *slot, uint32_t generation)
{
    return kis_slot_enter_slow(slot, generation, KIS_SLOT_OPEN | KIS_SLOT_ENDING | KIS_SLOT_ENDED);
}
static inline void kis_slot_leave(kis_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    atomic_store_explicit(&slot->word, word & ~(uint64_t)KIS_SLOT_BUSY, memory_order_release);
}

/** Room for `size` bytes and `keys` index entries behind what is there, or NULL. Busy bit held. */
uint8_t *kis_slot_grow(kis_slot *slot, size_t size, size_t keys);
static inline uint8_t *kis_slot_room(kis_slot *slot, size_t size, size_t keys)
{
    size_t index = ((size_t)slot->key_count + keys) * sizeof(kis_slot_key);

    if (KIS_LIKELY(slot->block_len + size + index <= slot->block_cap))
        return slot->block + slot->block_len;
    return kis_slot_grow(slot, size, keys);
}

/** Takes a block that is too large to keep away from the slot; it has the first one again. */
void kis_slot_shrink(kis_slot *slot);

/** The ended span as others see it; borrows from slot. Counts of the bag's trace state are looked up in `bag`. */
void kis_slot_view(const kis_slot *slot, kis_span_view *out);

#endif
