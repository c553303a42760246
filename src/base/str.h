/* str.h - borrowed text and bytes: making, comparing, cutting, UTF-8.
 *
 * Values of two words, passed by value, never freed. Nothing allocates. Any thread.
 */
#ifndef KIS_BASE_STR_H
#define KIS_BASE_STR_H

#include "base/mem.h"

#define KIS_STR_NONE   ((kis_str){ 0 })
#define KIS_BYTES_NONE ((kis_bytes){ 0 })

static inline kis_str kis_str_of(const char *ptr, size_t len)
{
    return (kis_str){ ptr, len };
}
static inline kis_bytes kis_bytes_of(const void *ptr, size_t len)
{
    return (kis_bytes){ (const uint8_t *)ptr, len };
}
static inline kis_str kis_str_of_bytes(kis_bytes b)
{
    return (kis_str){ (const char *)b.ptr, b.len };
}
static inline kis_bytes kis_bytes_of_str(kis_str s)
{
    return (kis_bytes){ (const uint8_t *)s.ptr, s.len };
}

/** From text that ends in NUL; NULL is the empty text. */
kis_str kis_str_from_c(const char *text);

static inline bool kis_str_eq(kis_str a, kis_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
bool kis_str_eq_nocase(kis_str a, kis_str b); /* ASCII letters only: header names, codings */
int kis_str_compare(kis_str a, kis_str b);    /* byte order; < 0, 0, > 0 */
bool kis_str_starts(kis_str s, kis_str prefix);
bool kis_str_ends(kis_str s, kis_str suffix);

#define KIS_STR_NPOS SIZE_MAX
size_t kis_str_find_char(kis_str s, char c); /* KIS_STR_NPOS when absent */
size_t kis_str_find(kis_str s, kis_str needle);

/** The part from `start` of at most `len` bytes, clamped to what there is. */
kis_str kis_str_slice(kis_str s, size_t start, size_t len);
/** Without spaces and tabs at both ends (the OWS of HTTP). */
kis_str kis_str_trim(kis_str s);
/** Cuts at the first `separator`: answers what is before it and moves `rest` behind it.
 *  Without a separator answers all and leaves `rest` empty with a NULL pointer. */
kis_str kis_str_cut(kis_str *rest, char separator);

/** Copies to *at, where there is room for it, and moves *at behind the copy, which is answered.
 *  For who lays several texts into one piece of memory. */
kis_str kis_str_put(uint8_t **at, kis_str s);
/** Copies into `to` of `size` bytes and ends it with NUL; false when it was cut or holds a NUL. */
bool kis_str_to_c(kis_str s, char *to, size_t size);

/** True when all of `s` is well formed UTF-8 (no overlong form, no surrogate, at most U+10FFFF).
 *  ASCII passes at 8 bytes a step. */
bool kis_utf8_is_valid(kis_str s);
/** Length of the longest valid prefix, so that [prefix] is where the damage begins. */
size_t kis_utf8_valid_prefix(kis_str s);
/** The largest length <= max_bytes that does not cut through a character. */
size_t kis_utf8_cut_bytes(kis_str s, size_t max_bytes);
/** The length in bytes of the first `max_chars` characters. */
size_t kis_utf8_cut_chars(kis_str s, size_t max_chars);
/** Writes `code` as UTF-8; answers 1 to 4. `code` must be a scalar value. */
size_t kis_utf8_put(uint32_t code, char out[4]);

#endif
