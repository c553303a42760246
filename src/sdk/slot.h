/* slot.h - a span while it is recorded, and until its batch was answered for: 1 KiB, written once.
 *
 *     kis_span { slot, generation, flags, epoch }           the handle that programs hold
 *
 *     slot   word: generation, state, busy bit     view: the span as others will see it     bag
 *            block: [ head | name | attribute | event | attribute | (hole) | ... -->    free ]
 *
 * The block is the Span message of OTLP as it will travel: 64 bytes of head that are the same for every span (ids, kind, times, flags), then a field for each
 * call, in the order of the calls. A plain span is therefore encoded by one copy. Who reads one kind of field skips the others by tag. An attribute that is
 * set again and does not fit its old place leaves a hole, a field with the tag KIS_SLOT_HOLE; then, and with a status message, a trace state or a count of something
 * dropped, the message is put together from the view instead.
 * Whether a key is there already is answered by 256 bits of a filter, mostly with no; else the block is walked.
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

#define KIS_SLOT_BYTES      1024
#define KIS_SLOT_BLOCK_KEEP (8u << 10) /* a block up to this stays with its slot */
#define KIS_SLOT_BLOCK_MAX  (1u << 20) /* of one span; what would go beyond is dropped and counted */

/* States, in the low bits of the word; the generation is in the high half. */
#define KIS_SLOT_BUSY   1u
#define KIS_SLOT_OPEN   2u
#define KIS_SLOT_ENDING 4u /* on_ending hooks run: writable by their thread alone */
#define KIS_SLOT_ENDED  8u

/* Fields that only a block has; tags of one byte that a Span message does not know. */
#define KIS_SLOT_NAME    KIS_PB_TAG(5, KIS_PB_BYTES)
#define KIS_SLOT_HOLE    KIS_PB_TAG(6, KIS_PB_BYTES)
#define KIS_SLOT_MESSAGE KIS_PB_TAG(7, KIS_PB_BYTES)

/* The head: parent id (10 bytes, left away for a root), trace id (18), span id (10), kind (2), start (9), end (9), flags (6). */
#define KIS_SLOT_HEAD_BYTES 64
#define KIS_SLOT_HEAD_ROOT  10 /* where the message of a root begins */
#define KIS_SLOT_HEAD_END   50 /* where the end time stands */

/* A short attribute (attr_short.h): what it takes at least, and what writing it may touch. */
#define KIS_SHORT_ATTR_MIN 9u
#define KIS_SHORT_ATTR_MAX 128u

struct kis_recorder_thread;
struct kis_bag;
struct kis_scope;

typedef struct kis_slot {
    _Atomic uint64_t word;
    uint8_t *at, *end; /* free room of the block */
    uint8_t *
        short_end; /* a short attribute may begin up to here: it has room, and its key is not one too many */
    uint64_t short_text; /* and its text may have this many bytes */
    uint8_t *block;
    uint64_t keys[4]; /* filter of the keys that were set */
    struct kis_sdk *sdk;
    const struct kis_scope *scope;
    struct kis_bag *bag; /* held until the slot is free again */
    uint64_t start_ns;   /* monotonic */
    uint32_t bag_generation;
    uint32_t hole_bytes;
    uint32_t attrs_at; /* no attribute, event or link stands before */
    bool is_recording, is_sampled;
    bool has_old_name;     /* a hole before attrs_at: the message cannot be copied as it stands */
    struct kis_slot *next; /* in a free list */
    struct kis_recorder_thread *home; /* where it goes back to */
    kis_span_view
        view; /* its texts point into the block; attributes, events, links and bytes are filled in at the end */
    _Alignas(8) uint8_t first_block[];
} kis_slot;

#define KIS_SLOT_FIRST_BLOCK (KIS_SLOT_BYTES - offsetof(kis_slot, first_block))
_Static_assert(offsetof(kis_slot, first_block) <= KIS_SLOT_BYTES / 2,
               "most of a slot is its block");

/** What a thread is ending right now (on_ending); NULL mostly. */
kis_slot *kis_slot_ending_here(void);

bool kis_slot_enter_slow(kis_slot *slot, uint32_t generation, uint32_t states);

/** Takes the busy bit if the handle is still good and the span is open. False: stale or ended. */
static inline bool kis_slot_enter(kis_slot *slot, uint32_t generation)
{
    uint64_t open = (uint64_t)generation << 32 | KIS_SLOT_OPEN;

    if (KIS_LIKELY(atomic_compare_exchange_strong_explicit(
            &slot->word, &open, open | KIS_SLOT_BUSY, memory_order_acquire, memory_order_relaxed)))
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

/* New generation, open and busy: from here on old handles are stale. Cleared is what is not written in any case by the start of a span (ids, times, flags, kind)
 * or its end (stretches, bytes). */
static inline void kis_slot_open(kis_slot *slot)
{
    uint64_t word =
        atomic_load_explicit(&slot->word, memory_order_relaxed) & ~(uint64_t)KIS_SLOT_BUSY;
    uint64_t next = ((word >> 32) + 1) << 32 | KIS_SLOT_OPEN | KIS_SLOT_BUSY;
    kis_span_view *v = &slot->view;

    while (KIS_UNLIKELY(!atomic_compare_exchange_weak_explicit(
        &slot->word, &word, next, memory_order_acquire, memory_order_relaxed)))
        word &= ~(uint64_t)KIS_SLOT_BUSY; /* somebody reads the ids of the span before */
    memset(slot->keys, 0, sizeof(slot->keys));
    v->parent_id = (kis_span_id){ { 0 } };
    v->name.ptr = NULL;
    v->trace_state = v->status_message = KIS_STR_NONE;
    v->attr_count = v->event_count = v->link_count = v->dropped_attrs = v->dropped_events =
        v->dropped_links = 0;
    v->status = 0;
    slot->hole_bytes = slot->attrs_at = 0;
    slot->has_old_name = false;
}

/** Sets short_end anew: after the block has changed, or an attribute was set in another way than the short one. */
void kis_slot_limit_short(kis_slot *slot);

/** Room for `size` bytes at slot->at, or NULL. Busy bit held. */
uint8_t *kis_slot_grow(kis_slot *slot, size_t size);
static inline uint8_t *kis_slot_room(kis_slot *slot, size_t size)
{
    return KIS_LIKELY(size <= (size_t)(slot->end - slot->at)) ? slot->at
                                                              : kis_slot_grow(slot, size);
}

/** The slot has its first block again; a larger one is given back. */
void kis_slot_shrink(kis_slot *slot);

/** Starts the block: head and view get what the slot knows. ids, parent, flags of the view are set. */
static inline void kis_slot_begin(kis_slot *slot, uint8_t kind)
{
    kis_span_view *v = &slot->view;
    uint8_t *to = slot->block;

    v->kind = (uint8_t)(kind + 1);
    to[0] = 0x22, to[1] = 8;
    memcpy(to + 2, v->parent_id.bytes, 8);
    to[10] = 0x0a, to[11] = 16;
    memcpy(to + 12, v->trace_id.bytes, 16);
    to[28] = 0x12, to[29] = 8;
    memcpy(to + 30, v->span_id.bytes, 8);
    to[38] = 0x30, to[39] = v->kind;
    to[40] = 0x39;
    memcpy(to + 41, &v->start_unix_ns, 8);
    to[49] = 0x41;             /* the end time follows: kis_slot_finish */
    to[58] = 0x85, to[59] = 1; /* field 16, fixed 32 */
    memcpy(to + 60, &v->flags, 4);
    slot->at = to + KIS_SLOT_HEAD_BYTES;
}
/** Completes head and view: end time, stretches, the message as bytes when it can be copied. */
void kis_slot_finish(kis_slot *slot, uint64_t end_unix_ns);

#endif
