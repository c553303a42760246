/* sort.c - insertion for runs of 16, merges above; and a radix sort for plain keys. */
#include "store/sort.h"

#include "base/check.h"

#define RUN_ITEMS      ((size_t)16)
#define ITEM_BYTES_MAX 64

static void sort_run(uint8_t *items, size_t count, size_t size, kis_before_fn *before)
{
    uint8_t held[ITEM_BYTES_MAX];
    for (size_t i = 1; i < count; i++) {
        size_t j = i;
        if (!before(items + i * size, items + (i - 1) * size))
            continue;
        memcpy(held, items + i * size, size);
        while (j > 0 && before(held, items + (j - 1) * size)) {
            memcpy(items + j * size, items + (j - 1) * size, size);
            j--;
        }
        memcpy(items + j * size, held, size);
    }
}

static void merge_runs(const uint8_t *a, size_t a_count, const uint8_t *b, size_t b_count,
                       uint8_t *to, size_t size, kis_before_fn *before)
{
    while (a_count && b_count) {
        bool take_b = before(b, a);
        memcpy(to, take_b ? b : a, size);
        to += size;
        b += take_b ? size : 0;
        a += take_b ? 0 : size;
        b_count -= take_b;
        a_count -= !take_b;
    }
    memcpy(to, a_count ? a : b, (a_count + b_count) * size);
}

bool kis_sort(kis_arena *scratch, void *items, size_t count, size_t size, kis_before_fn *before)
{
    KIS_ASSERT(size <= ITEM_BYTES_MAX);
    uint8_t *from = items, *to = NULL;

    if (count < 2)
        return true;
    if (count > RUN_ITEMS) {
        to = kis_arena_take_array(scratch, count, size, 16);
        if (!to)
            return false;
    }
    for (size_t i = 0; i < count; i += RUN_ITEMS)
        sort_run(from + i * size, KIS_MIN(RUN_ITEMS, count - i), size, before);
    for (size_t run = RUN_ITEMS; run < count; run *= 2) {
        for (size_t i = 0; i < count; i += 2 * run) {
            size_t a_count = KIS_MIN(run, count - i), b_count = KIS_MIN(run, count - i - a_count);
            merge_runs(from + i * size, a_count, from + (i + a_count) * size, b_count,
                       to + i * size, size, before);
        }
        uint8_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, count * size);
    return true;
}

/* Heap sort: the item at `at` sinks until both below it come before it. */
static void sink_item(uint8_t *items, size_t at, size_t count, size_t size, kis_before_fn *before)
{
    uint8_t held[ITEM_BYTES_MAX];
    memcpy(held, items + at * size, size);
    for (size_t below; (below = 2 * at + 1) < count; at = below) {
        if (below + 1 < count && before(items + below * size, items + (below + 1) * size))
            below++;
        if (!before(held, items + below * size))
            break;
        memcpy(items + at * size, items + below * size, size);
    }
    memcpy(items + at * size, held, size);
}

void kis_sort_in_place(void *items, size_t count, size_t size, kis_before_fn *before)
{
    uint8_t *bytes = items, held[ITEM_BYTES_MAX];
    bool is_sorted = true;

    KIS_ASSERT(size <= ITEM_BYTES_MAX);
    for (size_t i = 1; i < count && is_sorted; i++)
        is_sorted = !before(bytes + i * size, bytes + (i - 1) * size);
    if (is_sorted)
        return;
    for (size_t i = count / 2; i-- > 0;)
        sink_item(bytes, i, count, size, before);
    for (size_t end = count - 1; end > 0; end--) {
        memcpy(held, bytes, size);
        memcpy(bytes, bytes + end * size, size);
        memcpy(bytes + end * size, held, size);
        sink_item(bytes, 0, end, size, before);
    }
}

void kis_sort_keys(kis_sort_key *items, kis_sort_key *scratch, size_t count)
{
    kis_sort_key *from = items, *to = scratch;

    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t counts[256] = { 0 }, at = 0;
        for (size_t i = 0; i < count; i++)
            counts[from[i].key >> shift & 0xff]++;
        if (count && counts[from[0].key >> shift & 0xff] == count)
            continue; /* all alike in this byte */
        for (size_t i = 0; i < 256; i++) {
            size_t here = counts[i];
            counts[i] = at;
            at += here;
        }
        for (size_t i = 0; i < count; i++)
            to[counts[from[i].key >> shift & 0xff]++] = from[i];
        kis_sort_key *swap = from;
        from = to;
        to = swap;
    }
    if (from != items && count)
        memcpy(items, from, count * sizeof *items);
}
