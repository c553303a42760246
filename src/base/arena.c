/* arena.c - bump allocation in blocks.
 *
 *     blocks --> [ header | pieces ........ free ] --> [ own block of one big piece ] --> ...
 *                                   ^next    ^end
 *
 * Regular blocks double from 4 KiB to 1 MiB, header included, so that whoever gives the memory sees
 * few sizes. A piece that does not fit the next regular block gets a block of its own, put behind
 * the newest one, whose free room stays in use.
 *
 * Always true:
 *   (1) held_bytes is the sum of all blocks and at most max_bytes
 *   (2) next and end lie in the first block of the list, or are NULL
 *   (3) under ASan, free room and 16 bytes behind each piece are poisoned, and a new piece is full
 *       of bytes that are no zeros
 */
#include "base/arena.h"

#include "base/check.h"

#define BLOCK_FIRST 4096u
#define ALIGN_MAX   64u

struct kis_arena_block {
    kis_arena_block *older;
    size_t size; /* with this header */
};

/* data keeps the giver's alignment */
#define BLOCK_HEAD ((sizeof(kis_arena_block) + 15) & ~(size_t)15)

#ifdef KIS_ARENA_ASAN
void kis_arena_hand_out(void *at, size_t size)
{
    KIS_ARENA_UNPOISON(at, size);
    memset(at, 0xbe, size);
}
#endif

static uint8_t *block_data(kis_arena_block *block)
{
    return (uint8_t *)block + BLOCK_HEAD;
}

void kis_arena_init(kis_arena *arena, const kis_alloc *alloc, size_t max_bytes)
{
    *arena = (kis_arena){ .alloc = alloc, .max_bytes = max_bytes };
}

static kis_arena_block *block_take(kis_arena *arena, size_t size)
{
    if (arena->held_bytes > arena->max_bytes || size > arena->max_bytes - arena->held_bytes)
        return NULL;
    kis_arena_block *block = arena->alloc->take(arena->alloc->user, size);
    if (!block)
        return NULL;
    *block = (kis_arena_block){ .size = size };
    KIS_ARENA_POISON(block_data(block), size - BLOCK_HEAD);
    arena->held_bytes += size;
    return block;
}

static void block_give_back(kis_arena *arena, kis_arena_block *block)
{
    KIS_ARENA_UNPOISON(block_data(block), block->size - BLOCK_HEAD);
    arena->held_bytes -= block->size;
    arena->alloc->give_back(arena->alloc->user, block, block->size);
}

/* Makes `block` the one whose free room is handed out. */
static void block_use(kis_arena *arena, kis_arena_block *block)
{
    block->older = arena->blocks;
    arena->blocks = block;
    arena->next = block_data(block);
    arena->end = (uint8_t *)block + block->size;
}

void kis_arena_done(kis_arena *arena)
{
    for (kis_arena_block *block = arena->blocks; block;) {
        kis_arena_block *older = block->older;
        block_give_back(arena, block);
        block = older;
    }
    *arena = (kis_arena){ .alloc = arena->alloc, .max_bytes = arena->max_bytes };
}

void kis_arena_clear(kis_arena *arena)
{
    kis_arena_block *kept = NULL;

    for (kis_arena_block *block = arena->blocks; block;) {
        kis_arena_block *older = block->older;
        bool is_better = block->size <= KIS_ARENA_BLOCK_MAX && (!kept || block->size > kept->size);
        kis_arena_block *dropped = is_better ? kept : block;
        kept = is_better ? block : kept;
        if (dropped)
            block_give_back(arena, dropped);
        block = older;
    }
    arena->blocks = NULL;
    arena->next = arena->end = NULL;
    if (kept) {
        KIS_ARENA_POISON(block_data(kept), kept->size - BLOCK_HEAD);
        block_use(arena, kept);
    }
}

/* The size of the next regular block: twice the newest, within the bounds and what is left of the
 * arena's. */
static size_t next_block_size(const kis_arena *arena)
{
    size_t size = BLOCK_FIRST;
    while (arena->blocks && size <= arena->blocks->size && size < KIS_ARENA_BLOCK_MAX)
        size *= 2;
    return KIS_MIN(size, arena->max_bytes - KIS_MIN(arena->max_bytes, arena->held_bytes));
}

void *kis_arena_take_slow(kis_arena *arena, size_t size, size_t align)
{
    KIS_ASSERT(align > 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0);
    if (!arena->alloc || size > arena->max_bytes || size > SIZE_MAX / 2)
        return NULL;
    size_t slack = align > 16 ? align : 0; /* the giver aligns to 16 */
    size_t need = BLOCK_HEAD + size + slack + KIS_ARENA_RED_ZONE;
    size_t regular = next_block_size(arena);
    kis_arena_block *block = block_take(arena, KIS_MAX(need, regular));
    if (!block)
        return NULL;
    if (need <= regular || !arena->blocks) {
        block_use(arena, block);
        return kis_arena_take(arena, size, align);
    }
    block->older = arena->blocks->older;
    arena->blocks->older = block;
    uintptr_t at = ((uintptr_t)block_data(block) + (align - 1)) & ~(uintptr_t)(align - 1);
    KIS_ARENA_HAND_OUT((void *)at, size);
    return (void *)at;
}

void *kis_arena_take_array(kis_arena *arena, size_t count, size_t size, size_t align)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return kis_arena_take(arena, bytes, align);
}

/* Gives back the block that held nothing but `piece`, if there is one. */
static void drop_own_block(kis_arena *arena, const void *piece, size_t size)
{
    if (!arena->blocks || size < BLOCK_FIRST)
        return;
    for (kis_arena_block **at = &arena->blocks->older; *at; at = &(*at)->older) {
        kis_arena_block *block = *at;
        if (block_data(block) == piece && block->size == BLOCK_HEAD + size + KIS_ARENA_RED_ZONE) {
            *at = block->older;
            block_give_back(arena, block);
            return;
        }
    }
}

void *kis_arena_grow(kis_arena *arena, void *piece, size_t old_size, size_t new_size, size_t align)
{
    if (piece && new_size <= old_size)
        return piece;
    uint8_t *behind = piece ? (uint8_t *)piece + old_size + KIS_ARENA_RED_ZONE : NULL;
    if (piece && behind == arena->next && new_size - old_size <= (size_t)(arena->end - behind)) {
        arena->next += new_size - old_size;
        KIS_ARENA_UNPOISON(piece, new_size);
        return piece;
    }
    void *moved = kis_arena_take(arena, new_size, align);
    if (!moved)
        return NULL;
    if (old_size > 0) {
        memcpy(moved, piece, old_size);
        drop_own_block(arena, piece, old_size);
    }
    return moved;
}

bool kis_arena_copy(kis_arena *arena, kis_str s, kis_str *out)
{
    if (s.len == 0) {
        *out = KIS_STR("");
        return true;
    }
    char *to = kis_arena_take(arena, s.len, 1);
    if (!to)
        return false;
    memcpy(to, s.ptr, s.len);
    *out = kis_str_of(to, s.len);
    return true;
}

static void *arena_alloc_take(void *user, size_t size)
{
    return kis_arena_take(user, size, 16);
}

static void arena_alloc_give_back(void *user, void *ptr, size_t size)
{
    (void)user;
    (void)ptr;
    (void)size;
}

kis_alloc kis_arena_as_alloc(kis_arena *arena)
{
    return (kis_alloc){ arena_alloc_take, arena_alloc_give_back, arena };
}

void *kis_alloc_grow(const kis_alloc *alloc, void *piece, size_t old_size, size_t new_size)
{
    /* growing output in an arena is often the last piece of it */
    if (alloc->take == arena_alloc_take)
        return kis_arena_grow(alloc->user, piece, old_size, new_size, 16);
    void *moved = alloc->take(alloc->user, new_size);
    if (!moved)
        return NULL;
    if (piece) {
        memcpy(moved, piece, old_size);
        alloc->give_back(alloc->user, piece, old_size);
    }
    return moved;
}
