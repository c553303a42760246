/* attr_short.h - the common attribute: a short ASCII key that is new, a short ASCII text or a number. One straight piece of code without a call.
 *
 *     4a LL            0a KK key...     12 VV 0a TT text...        every length is one byte
 *     Span.attributes  KeyValue.key     KeyValue.value (AnyValue)
 *
 * What is longer, not ASCII, of another type, or set again goes the long way (attr_write.c).
 */
#ifndef KIS_SDK_ATTR_SHORT_H
#define KIS_SDK_ATTR_SHORT_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "sdk/sdk.h"

#define KIS_ALWAYS_INLINE static inline __attribute__((always_inline))
#define KIS_SHORT_TEXT_MAX 56u

#define KIS_SHORT_KEY_MAX 60u
#define KIS_SHORT_ATTR_MAX 128u /* what the straight piece of code may touch */

_Static_assert(2 + KIS_SHORT_KEY_MAX + 4 + KIS_SHORT_TEXT_MAX <= 127, "lengths of a short attribute take one byte");
_Static_assert(8 + KIS_SHORT_KEY_MAX + KIS_SHORT_TEXT_MAX <= KIS_SHORT_ATTR_MAX, "and it fits into the room that was asked for");

#define KIS_HIGH_BITS 0x8080808080808080u

KIS_ALWAYS_INLINE uint64_t kis_load8(const void *from) { uint64_t w; memcpy(&w, from, 8); return w; }
KIS_ALWAYS_INLINE uint32_t kis_load4(const void *from) { uint32_t w; memcpy(&w, from, 4); return w; }

/* Copies at most 60 bytes in overlapping words. Answers 0 when all of them are ASCII. */
KIS_ALWAYS_INLINE uint64_t kis_copy_ascii(uint8_t *to, const char *from, size_t len)
{
    if (len >= 16) {
#ifdef __SSE2__
        __m128i first = _mm_loadu_si128((const __m128i *)(const void *)from), last = _mm_loadu_si128((const __m128i *)(const void *)(from + len - 16));
        _mm_storeu_si128((__m128i *)(void *)to, first);
        if (KIS_UNLIKELY(len > 32)) {
            __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(from + 16)), third = _mm_loadu_si128((const __m128i *)(const void *)(from + len - 32));
            _mm_storeu_si128((__m128i *)(void *)(to + 16), second);
            _mm_storeu_si128((__m128i *)(void *)(to + len - 32), third);
            first = _mm_or_si128(first, _mm_or_si128(second, third));
        }
        _mm_storeu_si128((__m128i *)(void *)(to + len - 16), last);
        return (uint32_t)_mm_movemask_epi8(_mm_or_si128(first, last));
#else
        uint64_t seen = 0;
        for (size_t i = 0; i + 8 < len; i += 8) {
            uint64_t word = kis_load8(from + i);
            memcpy(to + i, &word, 8);
            seen |= word;
        }
        uint64_t end = kis_load8(from + len - 8);
        memcpy(to + len - 8, &end, 8);
        return (seen | end) & KIS_HIGH_BITS;
#endif
    }
    if (len >= 8) {
        uint64_t low = kis_load8(from), high = kis_load8(from + len - 8);
        memcpy(to, &low, 8);
        memcpy(to + len - 8, &high, 8);
        return (low | high) & KIS_HIGH_BITS;
    }
    if (len >= 4) {
        uint32_t low = kis_load4(from), high = kis_load4(from + len - 4);
        memcpy(to, &low, 4);
        memcpy(to + len - 4, &high, 4);
        return (low | high) & (uint32_t)KIS_HIGH_BITS;
    }
    if (len > 0) { /* first, middle and last are all there are */
        uint8_t first = (uint8_t)from[0], middle = (uint8_t)from[len / 2], last = (uint8_t)from[len - 1];
        to[0] = first;
        to[len / 2] = middle;
        to[len - 1] = last;
        return (first | middle | last) & 0x80u;
    }
    return 0;
}

/* What stands before a short value: tags and lengths of the attribute and its key, the key. 0: it is plain. */
KIS_ALWAYS_INLINE uint64_t kis_put_short_key(uint8_t *to, const char *key, uint32_t key_len, uint32_t any)
{
    uint32_t head = KIS_TAG_SPAN_ATTRS | (key_len + 4 + any) << 8 | 0x0a0000u | key_len << 24;

    memcpy(to, &head, 4);
    return kis_copy_ascii(to + 4, key, key_len);
}

/* Writes a short number or bool; answers its size, 0: the long way. */
KIS_ALWAYS_INLINE uint32_t kis_put_short_number(uint8_t *to, const kis_attr *attr, const char *key, uint32_t len)
{
    uint64_t integer = (uint64_t)attr->value.integer;
    uint32_t any;

    switch (attr->type) {
    case KIS_ATTR_INT:
        to[6 + len] = 0x18;
        if (KIS_LIKELY(integer < 0x4000)) { /* one byte, or two */
            any = 2 + (integer >= 0x80);
            to[7 + len] = (uint8_t)(integer | (uint64_t)(integer >= 0x80) << 7);
            to[8 + len] = (uint8_t)(integer >> 7);
        } else {
            any = 1 + (uint32_t)kis_varint_size(integer);
            kis_varint_put(to + 7 + len, integer);
        }
        break;
    case KIS_ATTR_BOOL:
        any = 2;
        to[6 + len] = 0x10;
        to[7 + len] = attr->value.boolean;
        break;
    case KIS_ATTR_DOUBLE:
        any = 9;
        to[6 + len] = 0x21;
        memcpy(to + 7 + len, &attr->value.number, 8);
        break;
    default:
        return 0;
    }
    to[4 + len] = 0x12;
    to[5 + len] = (uint8_t)any;
    return kis_put_short_key(to, key, len, any) ? 0 : 6 + len + any;
}

/* Writes a short attribute at the end of the block; answers its size, 0: the long way. */
KIS_ALWAYS_INLINE uint32_t kis_slot_put_short(kis_slot *slot, const kis_attr *attr, const kis_span_limits *limits)
{
    const char *key = attr->key, *text = attr->value.items;
    uint32_t len = attr->key_len, chars, middle;
    uint8_t *to = slot->at;
    uint64_t seen;

    if (KIS_UNLIKELY(len - 1 >= KIS_SHORT_KEY_MAX || slot->end - to < (ptrdiff_t)KIS_SHORT_ATTR_MAX))
        return 0;
    if (KIS_UNLIKELY(attr->type != KIS_ATTR_TEXT))
        return kis_put_short_number(to, attr, key, len);
    if (KIS_UNLIKELY(attr->count > limits->short_text))
        return 0;
    chars = (uint32_t)attr->count;
    middle = 0x000a0212u + chars * 0x01000100u; /* 12 (2 + chars) 0a (chars) */
    seen = kis_put_short_key(to, key, len, 2 + chars);
    memcpy(to + 4 + len, &middle, 4);
    return KIS_LIKELY(!(seen | kis_copy_ascii(to + 8 + len, text, chars))) ? 8 + len + chars : 0;
}

/* Sets one attribute that is short and has a new key, without a call. False: the long way. */
KIS_ALWAYS_INLINE bool kis_slot_set_short(kis_slot *slot, const kis_span_limits *limits, const kis_attr *attr)
{
    uint32_t bit = attr->_key_bit, count = slot->view.attr_count, size;
    uint64_t mask = (uint64_t)1 << (bit & 63), *keys = &slot->keys[bit >> 6];

    if (KIS_UNLIKELY(*keys & mask || count >= limits->attr_count))
        return false;
    size = kis_slot_put_short(slot, attr, limits);
    if (KIS_UNLIKELY(!size))
        return false;
    *keys |= mask;
    slot->view.attr_count = count + 1;
    slot->at += size;
    return true;
}

#endif
