/* arena.h - memory of one unit of work: a request, a batch, a query. Freed whole.
 *
 * Bump allocation in blocks that double up to a size; a bound in bytes over all blocks. Nothing in
 * an arena is freed alone, nothing in it has a destructor. One owner at a time; handing over the
 * arena hands over everything in it.
 */
#ifndef KIS_BASE_ARENA_H
#define KIS_BASE_ARENA_H

#include "base/str.h"

/* blocks double from 4 KiB to this; bigger pieces get their own */
#define KIS_ARENA_BLOCK_MAX ((size_t)1 << 20)

/* Under AddressSanitizer the free room of an arena may not be touched, nor the bytes behind a
 * piece. */
#if defined(__SANITIZE_ADDRESS__)
#define KIS_ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KIS_ARENA_ASAN 1
#endif
#endif
#ifdef KIS_ARENA_ASAN
void __asan_poison_memory_region(void const volatile *at, size_t size);
void __asan_unpoison_memory_region(void const volatile *at, size_t size);
#define KIS_ARENA_POISON(at, size)   __asan_poison_memory_region((at), (size))
#define KIS_ARENA_UNPOISON(at, size) __asan_unpoison_memory_region((at), (size))
/* a new piece: may be touched, and is full of bytes that are no zeros */
void kis_arena_hand_out(void *at, size_t size);
#define KIS_ARENA_HAND_OUT(at, size) kis_arena_hand_out((at), (size))
#define KIS_ARENA_RED_ZONE           ((size_t)16)
#else
#define KIS_ARENA_POISON(at, size)   ((void)(at), (void)(size))
#define KIS_ARENA_UNPOISON(at, size) ((void)(at), (void)(size))
#define KIS_ARENA_HAND_OUT(at, size) ((void)(at), (void)(size))
#define KIS_ARENA_RED_ZONE           ((size_t)0)
#endif

typedef struct kis_arena_block kis_arena_block;

typedef struct kis_arena {
    kis_arena_block *blocks; /* newest first */
    uint8_t *next, *end;     /* free room of the newest block */
    size_t held_bytes;       /* of all blocks */
    size_t max_bytes;        /* bound; taking more answers NULL */
    const kis_alloc *alloc;
} kis_arena;

/* takes no memory yet */
void kis_arena_init(kis_arena *arena, const kis_alloc *alloc, size_t max_bytes);
void kis_arena_done(kis_arena *arena);  /* gives everything back; fine on zeros */
void kis_arena_clear(kis_arena *arena); /* everything in it ends; the largest block up to
                                           KIS_ARENA_BLOCK_MAX is kept for next time */

void *kis_arena_take_slow(kis_arena *arena, size_t size, size_t align);
/** `size` bytes aligned to `align` (a power of two <= 64), not zeroed, or NULL: no room. */
static inline void *kis_arena_take(kis_arena *arena, size_t size, size_t align)
{
    uintptr_t at = ((uintptr_t)arena->next + (align - 1)) & ~(uintptr_t)(align - 1);
    uintptr_t end = (uintptr_t)arena->end - KIS_ARENA_RED_ZONE;
    if (KIS_LIKELY(arena->next && at <= end && size <= end - at)) {
        arena->next = (uint8_t *)at + size + KIS_ARENA_RED_ZONE;
        KIS_ARENA_HAND_OUT((void *)at, size);
        return (void *)at;
    }
    return kis_arena_take_slow(arena, size, align);
}
#define KIS_NEW(arena, type) ((type *)kis_arena_take((arena), sizeof(type), _Alignof(type)))
/** `count` of them, or NULL also when the multiplication would overflow. Not zeroed. */
void *kis_arena_take_array(kis_arena *arena, size_t count, size_t size, size_t align);
#define KIS_NEW_ARRAY(arena, type, count) \
    ((type *)kis_arena_take_array((arena), (count), sizeof(type), _Alignof(type)))

/** Makes the last piece taken larger in place when it can, else copies it. NULL: as kis_arena_take;
 * the old piece stays. */
void *kis_arena_grow(kis_arena *arena, void *piece, size_t old_size, size_t new_size, size_t align);
/** A copy of `s` in the arena; false when there is no room. */
bool kis_arena_copy(kis_arena *arena, kis_str s, kis_str *out) KIS_CHECKED;

/** An arena seen as an allocator, for a kis_buf that shall die with it (giving back does nothing).
 */
kis_alloc kis_arena_as_alloc(kis_arena *arena);

/** A larger piece with the old one's bytes, from any allocator; in place when that is an arena's
 * and the piece its last. NULL: no memory, and the old piece stays. A NULL piece is a first one. */
void *kis_alloc_grow(const kis_alloc *alloc, void *piece, size_t old_size, size_t new_size);

#endif
