/* str.c - comparing, finding and cutting borrowed text; UTF-8.
 *
 * Not here: escaping for people (fmt.c), numbers in text (num.c).
 */
#include "base/str.h"

#define HIGH_BITS 0x8080808080808080u
#define LOW_BITS  0x0101010101010101u

static inline uint64_t str_word(const void *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

kis_str kis_str_from_c(const char *text)
{
    size_t len = 0;
    while (text && text[len] != '\0')
        len++;
    return kis_str_of(text, len);
}

static inline uint8_t str_lower(char c)
{
    return (uint8_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool kis_str_eq_nocase(kis_str a, kis_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (str_lower(a.ptr[i]) != str_lower(b.ptr[i]))
            return false;
    }
    return true;
}

int kis_str_compare(kis_str a, kis_str b)
{
    size_t common = KIS_MIN(a.len, b.len);
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool kis_str_starts(kis_str s, kis_str prefix)
{
    return s.len >= prefix.len && kis_str_eq(kis_str_of(s.ptr, prefix.len), prefix);
}

bool kis_str_ends(kis_str s, kis_str suffix)
{
    return s.len >= suffix.len &&
           kis_str_eq(kis_str_slice(s, s.len - suffix.len, suffix.len), suffix);
}

size_t kis_str_find_char(kis_str s, char c)
{
    size_t i = 0;
    uint64_t wanted = LOW_BITS * (uint8_t)c;

    for (; i + 8 <= s.len; i += 8) {
        uint64_t other = str_word(s.ptr + i) ^ wanted; /* the lowest zero byte is the first match */
        uint64_t zeros = (other - LOW_BITS) & ~other & HIGH_BITS;
        if (zeros)
            return i + (size_t)__builtin_ctzll(zeros) / 8;
    }
    for (; i < s.len; i++) {
        if (s.ptr[i] == c)
            return i;
    }
    return KIS_STR_NPOS;
}

size_t kis_str_find(kis_str s, kis_str needle)
{
    if (needle.len == 0)
        return 0;
    size_t at = 0;
    while (s.len - at >= needle.len) {
        kis_str starts = kis_str_of(s.ptr + at, s.len - at - needle.len + 1);
        size_t found = kis_str_find_char(starts, needle.ptr[0]);
        if (found == KIS_STR_NPOS)
            return KIS_STR_NPOS;
        at += found;
        if (memcmp(s.ptr + at, needle.ptr, needle.len) == 0)
            return at;
        at++;
    }
    return KIS_STR_NPOS;
}

kis_str kis_str_slice(kis_str s, size_t start, size_t len)
{
    start = KIS_MIN(start, s.len);
    return kis_str_of(s.ptr ? s.ptr + start : NULL, KIS_MIN(len, s.len - start));
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

kis_str kis_str_trim(kis_str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

kis_str kis_str_cut(kis_str *rest, char separator)
{
    kis_str whole = *rest;
    size_t at = kis_str_find_char(whole, separator);
    if (at == KIS_STR_NPOS) {
        *rest = KIS_STR_NONE;
        return whole;
    }
    *rest = kis_str_of(whole.ptr + at + 1, whole.len - at - 1);
    return kis_str_of(whole.ptr, at);
}

kis_str kis_str_put(uint8_t **at, kis_str s)
{
    kis_str copy = kis_str_of((const char *)*at, s.len);
    if (s.len)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return copy;
}

bool kis_str_to_c(kis_str s, char *to, size_t size)
{
    if (size == 0)
        return false;
    size_t len = KIS_MIN(s.len, size - 1);
    if (len > 0)
        memcpy(to, s.ptr, len);
    to[len] = '\0';
    return len == s.len && kis_str_find_char(s, '\0') == KIS_STR_NPOS;
}

/* The length of the well formed character at `p`, or 0. Unicode 15, table 3-7. */
static inline size_t utf8_char(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];

    if (lead < 0x80)
        return 1;
    if (lead < 0xc2) /* a continuation byte, or an overlong form of ASCII */
        return 0;
    if (lead < 0xe0)
        return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (lead < 0xf0) {
        if (left < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
            return 0;
        if (lead == 0xe0 && p[1] < 0xa0) /* overlong */
            return 0;
        return lead == 0xed && p[1] >= 0xa0 ? 0 : 3; /* surrogates */
    }
    if (lead > 0xf4 || left < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
        (p[3] & 0xc0) != 0x80)
        return 0;
    if (lead == 0xf0 && p[1] < 0x90) /* overlong */
        return 0;
    return lead == 0xf4 && p[1] >= 0x90 ? 0 : 4; /* beyond U+10FFFF */
}

/* True when there is nothing but ASCII; the last word of each size overlaps the one before. */
static inline bool utf8_is_ascii(const uint8_t *p, size_t len)
{
    if (len >= 8) {
        uint64_t high = str_word(p + len - 8);
        size_t i = 0;
        for (; i + 32 <= len; i += 32) {
            high |=
                str_word(p + i) | str_word(p + i + 8) | str_word(p + i + 16) | str_word(p + i + 24);
            if (high & HIGH_BITS)
                return false;
        }
        for (; i + 8 <= len; i += 8)
            high |= str_word(p + i);
        return (high & HIGH_BITS) == 0;
    }
    if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + len - 4, 4);
        return ((first | last) & (uint32_t)HIGH_BITS) == 0;
    }
    return len == 0 || ((p[0] | p[len / 2] | p[len - 1]) & 0x80) == 0;
}

size_t kis_utf8_valid_prefix(kis_str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    size_t i = 0;

    while (i < s.len) {
        if (s.len - i >= 8) {
            uint64_t high = str_word(p + i) & HIGH_BITS;
            if (high == 0) {
                i += 8;
                continue;
            }
            i += (size_t)__builtin_ctzll(high) / 8;
        }
        do { /* letters beyond ASCII come in runs */
            size_t len = utf8_char(p + i, s.len - i);
            if (len == 0)
                return i;
            i += len;
        } while (i < s.len && p[i] >= 0x80);
    }
    return i;
}

bool kis_utf8_is_valid(kis_str s)
{
    return utf8_is_ascii((const uint8_t *)s.ptr, s.len) || kis_utf8_valid_prefix(s) == s.len;
}

size_t kis_utf8_cut_bytes(kis_str s, size_t max_bytes)
{
    if (s.len <= max_bytes)
        return s.len;
    size_t start = max_bytes; /* back to the lead byte of the character that is cut, if it is cut */
    while (start > 0 && max_bytes - start < 3 && ((uint8_t)s.ptr[start] & 0xc0) == 0x80)
        start--;
    if (start == max_bytes)
        return max_bytes;
    size_t len = utf8_char((const uint8_t *)s.ptr + start, s.len - start);
    return len > 0 && start + len > max_bytes ? start : max_bytes;
}

size_t kis_utf8_cut_chars(kis_str s, size_t max_chars)
{
    size_t i = 0;
    for (size_t chars = 0; chars < max_chars && i < s.len; chars++) {
        size_t len = utf8_char((const uint8_t *)s.ptr + i, s.len - i);
        i += len ? len : 1; /* a byte that is no character counts as one */
    }
    return i;
}

size_t kis_utf8_put(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}
