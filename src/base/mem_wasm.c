/* mem_wasm.c - what a compiler calls by itself, where nobody else supplies them: WebAssembly
 * without a C library. Everywhere else this file is empty.
 *
 * Copying and filling are single instructions there (bulk memory, see cmake/wasm.cmake).
 */
#include "base/mem.h"

#if defined(__wasm__) && !defined(__wasi__) && !defined(__EMSCRIPTEN__)

#ifndef __wasm_bulk_memory__
#error "without -mbulk-memory each of these functions would call itself"
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    return __builtin_memcpy(to, from, size);
}

void *memmove(void *to, const void *from, size_t size)
{
    return __builtin_memmove(to, from, size);
}

void *memset(void *to, int byte, size_t size)
{
    return __builtin_memset(to, byte, size);
}

size_t strlen(const char *text)
{
    const char *end = text;

    while (*end)
        end++;
    return (size_t)(end - text);
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *p = a, *q = b;

    for (size_t i = 0; i < size; i++) {
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    }
    return 0;
}

#endif
