/* attr_short.h - the common attribute: a short ASCII key that is new, a short ASCII text or a
 * number. One straight piece of code without a call.
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

#define KIS_ALWAYS_INLINE  static inline __attribute__((always_inline))
#define KIS_SHORT_TEXT_MAX 56u

#define KIS_SHORT_KEY_MAX 60u

_Static_assert(2 + KIS_SHORT_KEY_MAX + 4 + KIS_SHORT_TEXT_MAX <= 127,
               "lengths of a short attribute take one byte");
_Static_assert(8 + KIS_SHORT_KEY_MAX + KIS_SHORT_TEXT_MAX <= KIS_SHORT_ATTR_MAX,
               "and it fits into the room that was asked for");

_Static_assert(KIS_SHORT_ATTR_MIN == 8 + 1 + 0 && KIS_SHORT_ATTR_MIN == 6 + 1 + 2,
               "the empty text, the number of one byte");

#define KIS_HIGH_BITS 0x8080808080808080u

KIS_ALWAYS_INLINE uint64_t kis_load8(const void *from)
{
    uint64_t w;
    memcpy(&w, from, 8);
    return w;
}
KIS_ALWAYS_INLINE uint32_t kis_load4(const void *from)
{
    uint32_t w;
    memcpy(&w, from, 4);
    return w;
}

/* Copies at most 60 bytes in overlapping words. Answers 0 when all of them are ASCII. */
KIS_ALWAYS_INLINE uint64_t kis_copy_ascii(uint8_t *to, const char *from, size_t len)
{
    if (len >= 16) {
#ifdef __SSE2__
        __m128i first = _mm_loadu_si128((const __m128i *)(const void *)from),
                last = _mm_loadu_si128((const __m128i *)(const void *)(from + len - 16));
        _mm_storeu_si128((__m128i *)(void *)to, first);
        if (KIS_UNLIKELY(len > 32)) {
            __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(from + 16)),
                    third = _mm_loadu_si128((const __m128i *)(const void *)(from + len - 32));
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
    if (len >= 2) {
        uint16_t low, high;
        memcpy(&low, from, 2);
        memcpy(&high, from + len - 2, 2);
        memcpy(to, &low, 2);
        memcpy(to + len - 2, &high, 2);
        return (low | high) & (uint16_t)KIS_HIGH_BITS;
    }
    if (len > 0) {
        to[0] = (uint8_t)from[0];
        return to[0] & 0x80u;
    }
    return 0;
}

/* A text field of the block, if it is short and ASCII: answers its size, 0: the long way. A new
 * span's block has room for its name. */
KIS_ALWAYS_INLINE size_t kis_put_short_text(uint8_t *to, uint8_t tag, kis_str text)
{
    if (KIS_UNLIKELY(text.len > KIS_SHORT_TEXT_MAX || kis_copy_ascii(to + 2, text.ptr, text.len)))
        return 0;
    to[0] = tag;
    to[1] = (uint8_t)text.len;
    return 2 + text.len;
}
_Static_assert(KIS_SLOT_FIRST_BLOCK >=
                   KIS_SLOT_HEAD_BYTES + 2 + KIS_SHORT_TEXT_MAX + KIS_SHORT_ATTR_MAX,
               "a new span has room for a short name, and an attribute");

/* What stands before a short value: tags and lengths of the attribute and its key.
 * `head` is that of kis_attr_word_. */
KIS_ALWAYS_INLINE void kis_put_short_head(uint8_t *to, uint32_t head, uint32_t any)
{
    head += any << 8;
    memcpy(to, &head, 4);
}
KIS_ALWAYS_INLINE uint32_t kis_short_head(uint32_t key_len)
{
    return KIS_TAG_SPAN_ATTRS | (key_len + 4) << 8 | 0x0a0000u | key_len << 24;
}
/* The same with the key. 0: it is ASCII. */
KIS_ALWAYS_INLINE uint64_t kis_put_short_key(uint8_t *to, const char *key, uint32_t key_len,
                                             uint32_t any)
{
    kis_put_short_head(to, kis_short_head(key_len), any);
    return kis_copy_ascii(to + 4, key, key_len);
}
/* Tags and lengths of a short text. */
KIS_ALWAYS_INLINE void kis_put_short_middle(uint8_t *to, uint32_t chars)
{
    uint32_t middle = 0x000a0212u + chars * 0x01000100u; /* 12 (2 + chars) 0a (chars) */

    memcpy(to, &middle, 4);
}

/* The AnyValue of a short number or bool at `to`, two bytes for the head of it left free;
 * answers its size, 0: the long way. */
KIS_ALWAYS_INLINE uint32_t kis_put_short_any(uint8_t *to, uint32_t type, kis_attr_payload_ value)
{
    uint64_t integer = (uint64_t)value.integer;
    uint32_t any;

    switch (type) {
    case KIS_ATTR_INT:
        to[2] = 0x18;
        if (KIS_LIKELY(integer < 0x4000)) { /* one byte, or two */
            to[3] = (uint8_t)(integer | (uint64_t)(integer >= 0x80) << 7);
            to[4] = (uint8_t)(integer >> 7);
            return 2 + (integer >= 0x80);
        }
        for (any = 2; integer >= 0x80; integer >>= 7)
            to[1 + any++] = (uint8_t)(integer | 0x80);
        to[1 + any] = (uint8_t)integer;
        return any;
    case KIS_ATTR_BOOL:
        to[2] = 0x10;
        to[3] = value.boolean;
        return 2;
    case KIS_ATTR_DOUBLE:
        to[2] = 0x21;
        memcpy(to + 3, &value.number, 8);
        return 9;
    default:
        return 0;
    }
}

/* Writes a short number or bool; answers its size, 0: the long way. */
KIS_ALWAYS_INLINE uint32_t kis_put_short_number(uint8_t *to, uint32_t type, kis_attr_payload_ value,
                                                const char *key, uint32_t len)
{
    uint32_t any = kis_put_short_any(to + 4 + len, type, value);

    if (KIS_UNLIKELY(!any))
        return 0;
    to[4 + len] = 0x12;
    to[5 + len] = (uint8_t)any;
    return kis_put_short_key(to, key, len, any) ? 0 : 6 + len + any;
}

/* Writes a short attribute at the end of the block; answers its size, 0: the long way. */
KIS_ALWAYS_INLINE uint32_t kis_slot_put_short(kis_slot *slot, const kis_attr *attr,
                                              const kis_span_limits *limits)
{
    const char *key = attr->key, *text = attr->value.items;
    uint32_t len = attr->key_len, chars;
    uint8_t *to = slot->at;
    uint64_t seen;

    if (KIS_UNLIKELY(len - 1 >= KIS_SHORT_KEY_MAX ||
                     slot->end - to < (ptrdiff_t)KIS_SHORT_ATTR_MAX))
        return 0;
    if (KIS_UNLIKELY(attr->type != KIS_ATTR_TEXT))
        return kis_put_short_number(to, attr->type, attr->value, key, len);
    if (KIS_UNLIKELY(attr->count > limits->short_text))
        return 0;
    chars = (uint32_t)attr->count;
    seen = kis_put_short_key(to, key, len, 2 + chars);
    kis_put_short_middle(to + 4 + len, chars);
    return KIS_LIKELY(!(seen | kis_copy_ascii(to + 8 + len, text, chars))) ? 8 + len + chars : 0;
}

/* Sets one attribute that is short and has a new key, without a call. False: the long way. */
KIS_ALWAYS_INLINE bool kis_slot_set_short(kis_slot *slot, const kis_span_limits *limits,
                                          const kis_attr *attr)
{
    uint32_t bit = attr->_key_bit, count = slot->tally.attr_count, size;
    uint64_t mask = (uint64_t)1 << (bit & 63), *keys = &slot->tally.keys[bit >> 6];

    if (KIS_UNLIKELY(*keys & mask || count >= limits->attr_count))
        return false;
    size = kis_slot_put_short(slot, attr, limits);
    if (KIS_UNLIKELY(!size))
        return false;
    *keys |= mask;
    slot->tally.attr_count = count + 1;
    slot->at += size;
    return true;
}

/* The same for an attribute whose key the compiler has looked at (KIS_ATTR_PLAIN_KEY_): all there
 * is to ask is of the slot. True: the key is new, by its bit, which is set from here on, and there
 * is room. A bit that stays for an attribute that is refused later costs a walk, no more. */
KIS_ALWAYS_INLINE bool kis_slot_begin_plain(kis_slot *slot, uint32_t bit)
{
    uint64_t *keys = &slot->tally.keys[bit >> 6 & 3], before = *keys;

    if (KIS_UNLIKELY(before >> (bit & 63) & 1 || slot->at > slot->short_end))
        return false;
    *keys = before | (uint64_t)1 << (bit & 63);
    return true;
}

/* What must be asked of a text comes first: behind it, only the key is still needed,
 * and no register need be saved. */
KIS_ALWAYS_INLINE bool kis_slot_put_plain_text(kis_slot *slot, const char *key, uint32_t head,
                                               const char *text, size_t count)
{
    uint32_t len = head >> 24;
    uint8_t *to = slot->at;

    if (KIS_UNLIKELY(count > slot->short_text || kis_copy_ascii(to + 8 + len, text, count)))
        return false;
    kis_put_short_head(to, head, 2 + (uint32_t)count);
    kis_copy_ascii(to + 4, key, len);
    to += 4 + len;
    kis_put_short_middle(to, (uint32_t)count);
    slot->tally.attr_count++;
    slot->at = to + 4 + count;
    return true;
}

KIS_ALWAYS_INLINE bool kis_slot_put_plain_number(kis_slot *slot, const char *key, uint32_t head,
                                                 uint32_t type, kis_attr_payload_ value)
{
    uint32_t len = head >> 24, any;
    uint8_t *to = slot->at;

    any = kis_put_short_any(to + 4 + len, type, value);
    if (KIS_UNLIKELY(!any))
        return false;
    kis_put_short_head(to, head, any);
    kis_copy_ascii(to + 4, key, len);
    to += 4 + len;
    to[0] = 0x12;
    to[1] = (uint8_t)any;
    slot->tally.attr_count++;
    slot->at = to + 2 + any;
    return true;
}

/* All of it, for lists. */
KIS_ALWAYS_INLINE bool kis_slot_set_plain(kis_slot *slot, const kis_attr *attr)
{
    uint32_t head = kis_short_head(attr->key_len);

    if (KIS_UNLIKELY(!kis_slot_begin_plain(slot, attr->_key_bit)))
        return false;
    return KIS_LIKELY(attr->_flags & KIS_ATTR_PLAIN_TEXT_)
               ? kis_slot_put_plain_text(slot, attr->key, head, attr->value.items, attr->count)
               : kis_slot_put_plain_number(slot, attr->key, head, attr->type, attr->value);
}

#endif
