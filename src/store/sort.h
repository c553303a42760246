/* sort.h - sorting without recursion and without malloc:
 * stable merges from the bottom, scratch from an arena. */
#ifndef KIS_STORE_SORT_H
#define KIS_STORE_SORT_H

#include "base/arena.h"

typedef bool kis_before_fn(const void *a, const void *b);

/** Items of at most 64 bytes. False: no memory, items unchanged. */
bool kis_sort(kis_arena *scratch, void *items, size_t count, size_t item_size,
              kis_before_fn *before) KIS_CHECKED;

/** The same in place, without scratch and not stable: slower,
 * for arrays that fill the memory there is. */
void kis_sort_in_place(void *items, size_t count, size_t item_size, kis_before_fn *before);

typedef struct kis_sort_key {
    uint64_t key;
    uint64_t value;
} kis_sort_key;

/** By key, ascending, stable; radix. `scratch` holds `count` more. */
void kis_sort_keys(kis_sort_key *items, kis_sort_key *scratch, size_t count);

#endif
