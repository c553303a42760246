/* span_ring.h - see span_ring.c. */
#ifndef KIS_SDK_SPAN_RING_H
#define KIS_SDK_SPAN_RING_H

#include <stdatomic.h>

#include "base/mem.h"

struct kis_slot;

typedef struct kis_span_ring {
    _Alignas(64) _Atomic uint32_t head; /* next place to fill; the owner thread alone writes it */
    /* spans refused by a full ring; only grows; the owner thread alone writes it */
    _Atomic uint64_t dropped;
    /* the owner's copy of tail: looked up again only when the ring seems full */
    uint32_t seen_tail;
    /* spans until the owner looks whether the batcher should be woken (batcher.c) */
    uint32_t until_look;
    uint32_t limit; /* spans it holds, at most mask + 1 */
    uint32_t mask;  /* places - 1 */
    struct kis_slot **places;
    _Alignas(64) _Atomic uint32_t tail; /* next place to take; the batcher alone writes it */
} kis_span_ring;

#define KIS_SPAN_RING_MAX (1u << 20)

/** A ring that holds `limit` spans, 1 to KIS_SPAN_RING_MAX. False: no memory. */
bool kis_span_ring_init(kis_span_ring *ring, uint32_t limit, const kis_alloc *alloc);
void kis_span_ring_done(kis_span_ring *ring, const kis_alloc *alloc); /* fine on zeros */

/** Owner thread. False, and counted: full. */
static inline bool kis_span_ring_push(kis_span_ring *ring, struct kis_slot *slot)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (KIS_UNLIKELY(head - ring->seen_tail >= ring->limit)) {
        ring->seen_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head - ring->seen_tail >= ring->limit) {
            uint64_t dropped = atomic_load_explicit(&ring->dropped, memory_order_relaxed);
            atomic_store_explicit(&ring->dropped, dropped + 1, memory_order_relaxed);
            return false;
        }
    }
    ring->places[head & ring->mask] = slot;
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return true;
}

/** Batcher thread. Takes at most `max`, oldest first; answers how many. */
uint32_t kis_span_ring_take(kis_span_ring *ring, struct kis_slot **out, uint32_t max);

/** Any thread; a moment's view. */
uint32_t kis_span_ring_count(const kis_span_ring *ring);

#endif
