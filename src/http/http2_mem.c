/* http2_mem.c - what nghttp2 holds, piece by piece.
 *
 * Every piece is in a list of its connection, with its size. When one could not be had, nghttp2
 * (1.52) may free another one twice while it tidies up: so after a failure it is called no more,
 * and what it held is given back from the list.
 */
#include "http/http2_mem.h"

typedef struct http2_piece {
    struct http2_piece *prev, *next;
    size_t size;
    size_t unused; /* what follows is aligned to 16 bytes */
} http2_piece;

static void *piece_take(size_t size, void *user)
{
    kis_http2_mem *mem = user;
    http2_piece *piece = size > SIZE_MAX - sizeof(*piece)
                             ? NULL
                             : mem->alloc->take(mem->alloc->user, size + sizeof(*piece));
    if (!piece) {
        mem->is_broken = true;
        return NULL;
    }
    *piece = (http2_piece){ .next = mem->pieces, .size = size };
    if (mem->pieces)
        mem->pieces->prev = piece;
    mem->pieces = piece;
    return piece + 1;
}

static void piece_give_back(void *ptr, void *user)
{
    kis_http2_mem *mem = user;
    http2_piece *piece = ptr ? (http2_piece *)ptr - 1 : NULL;
    if (!piece || mem->is_broken)
        return;
    *(piece->prev ? &piece->prev->next : &mem->pieces) = piece->next;
    if (piece->next)
        piece->next->prev = piece->prev;
    mem->alloc->give_back(mem->alloc->user, piece, piece->size + sizeof(*piece));
}

static void *piece_take_zeros(size_t count, size_t size, void *user)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    void *ptr = piece_take(count * size, user);
    if (ptr)
        memset(ptr, 0, count * size);
    return ptr;
}

static void *piece_grow(void *ptr, size_t size, void *user)
{
    void *grown = piece_take(size, user);
    if (!grown || !ptr)
        return grown;
    size_t old = ((http2_piece *)ptr - 1)->size;
    memcpy(grown, ptr, old < size ? old : size);
    piece_give_back(ptr, user);
    return grown;
}

nghttp2_mem kis_http2_mem_table(kis_http2_mem *mem)
{
    return (nghttp2_mem){ mem, piece_take, piece_give_back, piece_take_zeros, piece_grow };
}

void kis_http2_mem_done(kis_http2_mem *mem)
{
    for (http2_piece *piece = mem->pieces, *next; piece; piece = next) {
        next = piece->next;
        mem->alloc->give_back(mem->alloc->user, piece, piece->size + sizeof(*piece));
    }
    mem->pieces = NULL;
}
