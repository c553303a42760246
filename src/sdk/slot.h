/* slot.h - a span while it is recorded, and until its batch was answered for: 1 KiB, written once.
 *
 *     kis_span { slot, word }                               the handle that programs hold
 *
 *     slot   word: generation, process, state, busy bit     tally: what was set so far
 *            name, message, times, bag
 *            block: [ head | name | attribute | event | attribute | (hole) | ... -->    free ]
 *
 * The block is the Span message of OTLP as it will travel: 64 bytes of head that are the same for
 * every span (ids, kind, times, flags), then a field for each call, in the order of the calls. A
 * plain span is therefore encoded by one copy. Who reads one kind of field skips the others by tag.
 * An attribute that is set again and does not fit its old place leaves a hole, a field with the tag
 * KIS_SLOT_HOLE; then, and with a status message, a trace state or a count of something dropped
 * (tally.is_patched), the message is put together from the span's view instead, which is made only
 * when the span is over (kis_slot_view).
 * Whether a key is there already is answered by 256 bits of a filter, mostly with no;
 * else the block is walked.
 * The first block lies in the slot; a larger one is taken from the host and kept for the slot's
 * next span if it is not too large.
 *
 * Always true:
 *   (1) the busy bit is held by whoever reads or writes anything but `word`, until the slot has
 *       ended; from then on it is read-only, but for the bag, which is let go with the bit held
 *   (2) a handle's generation is the slot's exactly as long as the slot was
 *       not taken for another span
 *   (3) a slot is in one place: open, in one ring, in one batch, or in the free list of its home
 *   (4) the head of the first block has the ids of the slot's span, wherever its block is
 * (1) is one compare-and-swap that checks (2) as well. It spins only when two threads write
 * one span in the same moment.
 */
#ifndef KIS_SDK_SLOT_H
#define KIS_SDK_SLOT_H

#include <stdatomic.h>

#include <kiseki/span.h>

#include "model/span.h"

#define KIS_SLOT_BYTES      1024
#define KIS_SLOT_BLOCK_KEEP (8u << 10) /* a block up to this stays with its slot */
/* of one span; what would go beyond is dropped and counted */
#define KIS_SLOT_BLOCK_MAX (1u << 20)

/* The word: generation in the high half, then the process (kis_recorder_epoch), then the state. A
 * handle has it as it is while the span is open, so that entering is one compare-and-swap from the
 * one to the same with the busy bit. */
#define KIS_SLOT_BUSY   KIS_SPAN_BUSY_
#define KIS_SLOT_OPEN   KIS_SPAN_RECORDING_
#define KIS_SLOT_ENDING 4u /* on_ending hooks run: writable by their thread alone */
#define KIS_SLOT_ENDED  8u
/* beside OPEN: callers may write short attributes themselves */
#define KIS_SLOT_INLINE  KIS_SPAN_INLINE_
#define KIS_SLOT_SAMPLED 0x20u /* beside OPEN: it will be sent */
#define KIS_SLOT_STATES  UINT64_C(0xffff)

/* Fields that only a block has; tags of one byte that a Span message does not know. */
#define KIS_SLOT_NAME    KIS_PB_TAG(5, KIS_PB_BYTES)
#define KIS_SLOT_HOLE    KIS_PB_TAG(6, KIS_PB_BYTES)
#define KIS_SLOT_MESSAGE KIS_PB_TAG(7, KIS_PB_BYTES)

/* The head: parent id (10 bytes, left away for a root), trace id (18), span id (10), kind (2),
 * start (9), end (9), flags (6). */
#define KIS_SLOT_HEAD_BYTES 64
#define KIS_SLOT_HEAD_ROOT  10 /* where the message of a root begins */
/* where the values stand; what is between them never changes */
enum {
    KIS_SLOT_AT_PARENT = 2,
    KIS_SLOT_AT_TRACE = 12,
    KIS_SLOT_AT_SPAN = 30,
    KIS_SLOT_AT_KIND = 39,
    KIS_SLOT_AT_START = 41,
    KIS_SLOT_AT_END = 50,
    KIS_SLOT_AT_FLAGS = 60,
};

/* A short attribute (attr_short.h): what it takes at least, and what writing it may touch. */
#define KIS_SHORT_ATTR_MIN 9u
#define KIS_SHORT_ATTR_MAX 128u

struct kis_recorder_thread;
struct kis_bag;
struct kis_scope;

/* A text of the block, by its place in it; 0: none. */
typedef struct kis_slot_text {
    uint32_t at, len;
} kis_slot_text;

/* What was set so far; zeros when a span begins. */
typedef struct kis_slot_tally {
    uint64_t keys[4];                             /* filter of the keys that were set */
    uint32_t attr_count, event_count, link_count; /* from here on as in a view */
    uint32_t dropped_attrs, dropped_events, dropped_links;
    uint32_t hole_bytes;
    uint8_t status; /* kis_status_code */
    /* a hole, something dropped, a message, a trace state: the block cannot be copied as it
     * stands */
    bool is_patched;
    kis_slot_text message; /* of the status */
} kis_slot_tally;

typedef struct kis_slot {
    _Atomic uint64_t word;
    uint8_t *at; /* free room of the block */
    /* a short attribute may begin up to here: it has room, and its key is not one too many */
    uint8_t *short_end;
    kis_slot_tally tally; /* so far as kis_span_room_, for attr_inline.h */
    uint8_t *end, *block;
    uint32_t short_text; /* a short attribute's text may have this many bytes */
    uint32_t attrs_at;   /* no attribute, event or link stands before */
    kis_slot_text name;
    uint64_t to_unix_ns; /* wall time of the span's start minus monotonic time of it */
    struct kis_bag *bag; /* held until the slot is free again */
    uint32_t bag_generation;
    const struct kis_scope *scope;
    struct kis_sdk *sdk;              /* that of its home */
    struct kis_recorder_thread *home; /* where it goes back to */
    struct kis_slot *next;            /* in a free list */
    _Alignas(8) uint8_t first_block[];
} kis_slot;

_Static_assert(offsetof(kis_slot, at) == offsetof(kis_span_room_, at) &&
                   offsetof(kis_slot, short_end) == offsetof(kis_span_room_, last_at) &&
                   offsetof(kis_slot, tally.keys) == offsetof(kis_span_room_, keys) &&
                   offsetof(kis_slot, tally.attr_count) == offsetof(kis_span_room_, attr_count),
               "attr_inline.h writes here");

#define KIS_SLOT_FIRST_BLOCK (KIS_SLOT_BYTES - offsetof(kis_slot, first_block))
_Static_assert(offsetof(kis_slot, first_block) <= KIS_SLOT_BYTES / 2,
               "most of a slot is its block");

/** What a thread is ending right now (on_ending); NULL mostly. */
kis_slot *kis_slot_ending_here(void);

bool kis_slot_enter_slow(kis_slot *slot, uint64_t word, uint32_t states);

/** Takes the busy bit if the handle is still good and the span is open. False: stale or ended.
 * `word` is the handle's. */
static inline bool kis_slot_enter(kis_slot *slot, uint64_t word)
{
    uint64_t open = word | KIS_SLOT_OPEN;

    if (KIS_LIKELY(atomic_compare_exchange_strong_explicit(
            &slot->word, &open, open | KIS_SLOT_BUSY, memory_order_acquire, memory_order_relaxed)))
        return true;
    return kis_slot_enter_slow(slot, word, KIS_SLOT_OPEN | KIS_SLOT_ENDING);
}
/** The same, also for a span that ended and whose slot was not taken since: to read its ids. */
static inline bool kis_slot_enter_to_read(kis_slot *slot, uint64_t word)
{
    return kis_slot_enter_slow(slot, word, KIS_SLOT_OPEN | KIS_SLOT_ENDING | KIS_SLOT_ENDED);
}
static inline void kis_slot_leave(kis_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    atomic_store_explicit(&slot->word, word & ~(uint64_t)KIS_SLOT_BUSY, memory_order_release);
}
/** Takes the busy bit whatever the state. Of a slot that is on its way back: only readers of ids
 * may be there. */
static inline void kis_slot_take_busy(kis_slot *slot)
{
    uint64_t word =
        atomic_load_explicit(&slot->word, memory_order_relaxed) & ~(uint64_t)KIS_SLOT_BUSY;

    while (!atomic_compare_exchange_weak_explicit(&slot->word, &word, word | KIS_SLOT_BUSY,
                                                  memory_order_acquire, memory_order_relaxed))
        word &= ~(uint64_t)KIS_SLOT_BUSY;
}
/** Leaves it in another state. Busy bit held. */
static inline void kis_slot_leave_as(kis_slot *slot, uint64_t word, uint32_t state)
{
    atomic_store_explicit(&slot->word, (word & ~KIS_SLOT_STATES) | state, memory_order_release);
}

/** Between two tries for a busy bit: its holder may wait for our processor. */
void kis_slot_pause(const kis_slot *slot, uint32_t tries);

/** New generation, open and busy: from here on old handles are stale. Answers the word that the
 * span's handle has. `epoch_and_state`: the low half of it. */
static inline uint64_t kis_slot_open(kis_slot *slot, uint32_t epoch_and_state)
{
    uint64_t word =
        atomic_load_explicit(&slot->word, memory_order_relaxed) & ~(uint64_t)KIS_SLOT_BUSY;
    uint64_t open = ((word >> 32) + 1) << 32 | epoch_and_state;
    uint32_t tries = 0;

    while (KIS_UNLIKELY(!atomic_compare_exchange_weak_explicit(
        &slot->word, &word, open | KIS_SLOT_BUSY, memory_order_seq_cst, memory_order_relaxed))) {
        /* somebody reads the ids of the span before, or has pushed it and not yet left */
        word &= ~(uint64_t)KIS_SLOT_BUSY;
        kis_slot_pause(slot, tries++);
    }
    memset(&slot->tally, 0, sizeof(slot->tally));
    return open;
}

/** Writes what every head has alike; once for each slot. */
void kis_slot_make_head(kis_slot *slot);

/* The values of a head (slot->block), as they lie in memory; ids of all zeros are none. */
static inline void kis_head_put_trace_id(uint8_t *head, uint64_t first, uint64_t second)
{
    memcpy(head + KIS_SLOT_AT_TRACE, &first, 8);
    memcpy(head + KIS_SLOT_AT_TRACE + 8, &second, 8);
}
static inline void kis_head_put_span_id(uint8_t *head, uint64_t id)
{
    memcpy(head + KIS_SLOT_AT_SPAN, &id, 8);
}
static inline void kis_head_put_parent_id(uint8_t *head, uint64_t id)
{
    memcpy(head + KIS_SLOT_AT_PARENT, &id, 8);
}
/** After the ids: the rest of the head. `kind` is OTLP's number, `flags` OTLP's. */
static inline void kis_slot_put_head(kis_slot *slot, uint8_t *head, uint8_t kind,
                                     uint64_t start_unix_ns, uint32_t flags)
{
    head[KIS_SLOT_AT_KIND] = kind;
    memcpy(head + KIS_SLOT_AT_START, &start_unix_ns, 8);
    memcpy(head + KIS_SLOT_AT_FLAGS, &flags, 4);
    if (KIS_UNLIKELY(head != slot->first_block))
        memcpy(slot->first_block, head, KIS_SLOT_HEAD_BYTES);
}

/* What the head says. Of a slot that was entered. */
static inline kis_trace_id kis_slot_trace_id(const kis_slot *slot)
{
    kis_trace_id id;
    memcpy(id.bytes, slot->first_block + KIS_SLOT_AT_TRACE, 16);
    return id;
}
static inline kis_span_id kis_slot_span_id(const kis_slot *slot)
{
    kis_span_id id;
    memcpy(id.bytes, slot->first_block + KIS_SLOT_AT_SPAN, 8);
    return id;
}
/** Those of W3C. */
static inline uint8_t kis_slot_flags(const kis_slot *slot)
{
    return slot->first_block[KIS_SLOT_AT_FLAGS];
}

/** Sets short_end anew: after the block has changed, or an attribute was set in
 * another way than the short one. */
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

static inline void kis_slot_set_end(kis_slot *slot, uint64_t end_unix_ns)
{
    memcpy(slot->block + KIS_SLOT_AT_END, &end_unix_ns, 8);
}
/** After the last write: a status becomes a field of the message, if the message can be copied. */
void kis_slot_put_status(kis_slot *slot);
/** The span as others see it; borrows from the slot. Nobody writes the slot any more,
 * or the busy bit is held. */
void kis_slot_view(const kis_slot *slot, kis_span_view *out);
void kis_slots_view(kis_slot *const *slots, uint32_t count, kis_span_view *out);

#endif
