/* span_ring.c - ended spans on their way from one application thread to the batcher.
 *
 *     application thread                               batcher thread
 *     kis_span_ring_push() --> [ tail ... head ) -->  kis_span_ring_take()
 *
 * One writer, one reader, a power of two places of which `limit` are used. No lock and no waiting,
 * because the writer is somebody else's program in the middle of its work.
 *
 * Always true:
 *   (1) head - tail <= limit <= places, also after the counters have wrapped
 *   (2) places [tail, head) belong to the reader, all others to the writer
 *   (3) a full ring refuses the new span and adds one to `dropped`
 *
 * (3) refuses the newest rather than overwriting the oldest: overwriting would need the
 * writer to move `tail`, and then (2) would need a lock.
 * A thread that ends leaves its ring with what is in it; the next thread that begins goes on
 * writing (thread.c hands it over whole).
 * Not here: who makes rings (thread.c), batch size and delay (batcher.c).
 */
#include "sdk/span_ring.h"

bool kis_span_ring_init(kis_span_ring *ring, uint32_t limit, const kis_alloc *alloc)
{
    uint32_t places = 1;

    while (places < limit)
        places *= 2;
    memset(ring, 0, sizeof(*ring));
    ring->places = alloc->take(alloc->user, places * sizeof(*ring->places));
    if (!ring->places)
        return false;
    ring->limit = limit;
    ring->until_look = 1;
    ring->mask = places - 1;
    return true;
}

void kis_span_ring_done(kis_span_ring *ring, const kis_alloc *alloc)
{
    if (ring->places)
        alloc->give_back(alloc->user, ring->places,
                         ((size_t)ring->mask + 1) * sizeof(*ring->places));
    ring->places = NULL;
}

uint32_t kis_span_ring_take(kis_span_ring *ring, struct kis_slot **out, uint32_t max)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    /* once: KIS_MIN looks twice, and head moves on */
    uint32_t gathered = atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
    uint32_t count = KIS_MIN(gathered, max), first = tail & ring->mask;
    uint32_t to_end = KIS_MIN(count, ring->mask + 1 - first);

    memcpy(out, ring->places + first, to_end * sizeof(*out));
    memcpy(out + to_end, ring->places, (count - to_end) * sizeof(*out));
    atomic_store_explicit(&ring->tail, tail + count, memory_order_release);
    return count;
}

uint32_t kis_span_ring_count(const kis_span_ring *ring)
{
    /* first: head is never behind it */
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

    /* seq_cst for a driver that goes to sleep (batcher.c) */
    return atomic_load_explicit(&ring->head, memory_order_seq_cst) - tail;
}
