/* mem.c - the only door to malloc, and a cache of large pieces in front of mmap.
 *
 *     below 64 KiB        malloc
 *     64 KiB to 16 MiB    a power of two of its own mapping; given back into the cache while that
 *                         holds less than CACHE_BYTES_MAX, so that a busy server maps nothing
 *     above               its own mapping, given back at once
 *
 * A mapping costs memory only where it was written, so rounding up to a power of two is free at
 * first; what was written once stays until the cache gives it back.
 *
 * Always true: cached_bytes is the sum of the lists and at most CACHE_BYTES_MAX.
 *
 * Under AddressSanitizer all of it is malloc: a piece of its exact size is what finds mistakes.
 */
#include "os/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/arena.h" /* KIS_ARENA_ASAN */
#include "os/thread.h"

#define LARGE_MIN       ((size_t)64 << 10)
#define CACHED_MAX      ((size_t)16 << 20) /* largest piece that is kept */
#define CLASS_COUNT     9u                 /* 64 KiB, 128 KiB, ... 16 MiB */
#define CACHE_BYTES_MAX ((uint64_t)32 << 20)
#define PAGE_BYTES      ((size_t)4096)
#define PIECE_BYTES_MAX (SIZE_MAX >> 26) /* 256 GiB: more is a mistake */

_Static_assert(LARGE_MIN << (CLASS_COUNT - 1) == CACHED_MAX, "a class for each power of two");

/* A piece in the cache: its own first bytes hold the list. */
typedef struct mem_piece {
    struct mem_piece *next;
} mem_piece;

static struct {
    kis_lock lock; /* guards all below */
    mem_piece *lists[CLASS_COUNT];
    uint64_t bytes;
} cache = { .lock = { PTHREAD_MUTEX_INITIALIZER, KIS_RANK_MEM } };

static _Atomic uint64_t held_bytes;

static unsigned class_of(size_t size)
{
    unsigned index = 0;
    while ((LARGE_MIN << index) < size)
        index++;
    return index;
}

static size_t mapped_size(size_t size)
{
    return size <= CACHED_MAX ? LARGE_MIN << class_of(size)
                              : (size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static void *cache_take(size_t size)
{
    if (size > CACHED_MAX)
        return NULL;
    unsigned index = class_of(size);
    kis_lock_take(&cache.lock);
    mem_piece *piece = cache.lists[index];
    if (piece) {
        cache.lists[index] = piece->next;
        cache.bytes -= LARGE_MIN << index;
    }
    kis_lock_give(&cache.lock);
    return piece;
}

static bool cache_put(void *ptr, size_t size)
{
    if (size > CACHED_MAX)
        return false;
    unsigned index = class_of(size);
    size_t bytes = LARGE_MIN << index;
    mem_piece *piece = ptr;
    kis_lock_take(&cache.lock);
    bool has_room = cache.bytes + bytes <= CACHE_BYTES_MAX;
    if (has_room) {
        piece->next = cache.lists[index];
        cache.lists[index] = piece;
        cache.bytes += bytes;
    }
    kis_lock_give(&cache.lock);
    return has_room;
}

static void *large_take(size_t size)
{
    void *piece = cache_take(size);
    if (piece)
        return piece;
    piece =
        mmap(NULL, mapped_size(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return piece == MAP_FAILED ? NULL : piece;
}

static void large_give_back(void *ptr, size_t size)
{
    if (!cache_put(ptr, size))
        munmap(ptr, mapped_size(size));
}

/* AddressSanitizer's allocator has locks that fork does not know,
 * so under it a fork waits until nobody is inside. */
#ifdef KIS_ARENA_ASAN
#define IS_LARGE(size) (false && (size) >= LARGE_MIN)

static void *small_take(size_t size)
{
    kis_lock_take(&cache.lock);
    void *piece = malloc(size);
    kis_lock_give(&cache.lock);
    return piece;
}

static void small_give_back(void *ptr)
{
    kis_lock_take(&cache.lock);
    free(ptr);
    kis_lock_give(&cache.lock);
}
#else
#define IS_LARGE(size)       ((size) >= LARGE_MIN)
#define small_take(size)     malloc(size)
#define small_give_back(ptr) free(ptr)
#endif

static void *mem_take(void *user, size_t size)
{
    (void)user;
    if (size > PIECE_BYTES_MAX)
        return NULL;
    void *piece = IS_LARGE(size) ? large_take(size) : small_take(size ? size : 1);
    if (piece)
        atomic_fetch_add_explicit(&held_bytes, size, memory_order_relaxed);
    return piece;
}

static void mem_give_back(void *user, void *ptr, size_t size)
{
    (void)user;
    if (!ptr)
        return;
    atomic_fetch_sub_explicit(&held_bytes, size, memory_order_relaxed);
    if (IS_LARGE(size))
        large_give_back(ptr, size);
    else
        small_give_back(ptr);
}

const kis_alloc kis_mem = { mem_take, mem_give_back, NULL };

void kis_mem_before_fork(void)
{
    kis_lock_take(&cache.lock);
}

void kis_mem_after_fork(void)
{
    kis_lock_give(&cache.lock);
}

kis_mem_stats kis_mem_get_stats(void)
{
    kis_lock_take(&cache.lock);
    uint64_t cached_bytes = cache.bytes;
    kis_lock_give(&cache.lock);
    return (kis_mem_stats){ .held_bytes = atomic_load_explicit(&held_bytes, memory_order_relaxed),
                            .cached_bytes = cached_bytes };
}

void kis_mem_trim(void)
{
    mem_piece *lists[CLASS_COUNT];

    kis_lock_take(&cache.lock);
    memcpy(lists, cache.lists, sizeof(lists));
    memset(cache.lists, 0, sizeof(cache.lists));
    cache.bytes = 0;
    kis_lock_give(&cache.lock);
    for (unsigned index = 0; index < CLASS_COUNT; index++) {
        while (lists[index]) {
            mem_piece *next = lists[index]->next;
            munmap(lists[index], LARGE_MIN << index);
            lists[index] = next;
        }
    }
}
