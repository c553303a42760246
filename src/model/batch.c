/* batch.c - making, sharing and freeing batches. */
#include "model/batch.h"

kis_batch *kis_batch_new(const kis_alloc *alloc, size_t max_bytes)
{
    kis_batch *batch = alloc->take(alloc->user, sizeof *batch);
    if (!batch)
        return NULL;
    *batch = (kis_batch){ .refs = 1 };
    kis_arena_init(&batch->arena, alloc, max_bytes);
    return batch;
}

static void give_body_back(kis_batch *batch)
{
    if (batch->body_alloc)
        batch->body_alloc->give_back(batch->body_alloc->user, batch->body_memory, batch->body_cap);
    batch->body_alloc = NULL;
}

void kis_batch_adopt_body(kis_batch *batch, uint8_t *ptr, size_t len, size_t cap,
                          const kis_alloc *alloc)
{
    give_body_back(batch);
    batch->body = (kis_bytes){ ptr, len };
    batch->body_memory = ptr;
    batch->body_cap = cap;
    batch->body_alloc = alloc;
}

kis_batch *kis_batch_ref(kis_batch *batch)
{
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
    return batch;
}

void kis_batch_unref(kis_batch *batch)
{
    /* release: what this owner did comes before the freeing; acquire: the freeing comes after what
     * all others did */
    if (!batch || atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) != 1)
        return;
    const kis_alloc *alloc = batch->arena.alloc;
    give_body_back(batch);
    if (batch->budget)
        kis_budget_give_back(batch->budget, batch->charged_bytes);
    kis_arena_done(&batch->arena);
    alloc->give_back(alloc->user, batch, sizeof *batch);
}
