/* vec.c - the one function behind KIS_VEC: growing by doubling. */
#include "base/vec.h"

#include "base/arena.h"

#define FIRST_ITEMS 8u

bool kis_vec_reserve_raw(void **at, uint32_t *cap, size_t item_size, size_t want,
                         const kis_alloc *alloc)
{
    if (want <= *cap)
        return true;
    if (want > UINT32_MAX / 2)
        return false;
    size_t grown = KIS_MAX((size_t)*cap * 2, FIRST_ITEMS);
    size_t items = KIS_MIN(KIS_MAX(grown, want), (size_t)UINT32_MAX / 2), new_size;
    if (__builtin_mul_overflow(items, item_size, &new_size))
        return false;

    size_t old_size = item_size * *cap;
    void *to = kis_alloc_grow(alloc, *at, old_size, new_size);
    if (!to)
        return false;
    *at = to;
    *cap = (uint32_t)items;
    return true;
}
