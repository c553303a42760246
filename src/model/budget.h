/* budget.h - one count of bytes that a process has promised to hold, shared by all threads.
 *
 * Every body that is being read and every batch that is referenced is charged here, so that memory
 * is bounded by accounting before the bytes are read, and not by looking at the heap afterwards.
 */
#ifndef KIS_MODEL_BUDGET_H
#define KIS_MODEL_BUDGET_H

#include <stdatomic.h>

#include "base/mem.h"

typedef struct kis_budget {
    uint64_t max_bytes;
    _Atomic uint64_t used_bytes; /* any thread */
    _Atomic uint64_t refusals;   /* requests that found no room; only grows */
} kis_budget;

/** Takes `bytes` from the budget: false (and counted) when that would pass the bound. Any
 * thread. */
static inline bool kis_budget_take(kis_budget *budget, uint64_t bytes)
{
    uint64_t used = atomic_fetch_add_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
    if (KIS_LIKELY(used + bytes <= budget->max_bytes))
        return true;
    atomic_fetch_sub_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&budget->refusals, 1, memory_order_relaxed);
    return false;
}
static inline void kis_budget_give_back(kis_budget *budget, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
}

#endif
