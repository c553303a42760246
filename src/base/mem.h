/* mem.h - copying, comparing, and who gives memory.
 *
 * The functions of <string.h> that every compiler knows, declared here because the lower
 * floors run where there is no C library (the compiler and mem_wasm.c supply them; strlen is
 * for __builtin_strlen). The only
 * malloc of the program is in os/mem.c, which is one kis_alloc among others.
 */
#ifndef KIS_BASE_MEM_H
#define KIS_BASE_MEM_H

#include <kiseki/alloc.h> /* kis_alloc: gives and takes back memory */

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

#define KIS_COUNT_OF(array)              (sizeof(array) / sizeof((array)[0]))
#define KIS_MIN(a, b)                    ((a) < (b) ? (a) : (b))
#define KIS_MAX(a, b)                    ((a) > (b) ? (a) : (b))
#define KIS_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/** Likely and unlikely: only where a profile showed that it matters. */
#define KIS_LIKELY(x)   __builtin_expect(!!(x), 1)
#define KIS_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
