/* attr_inline.h - an attribute of which the compiler knows nearly everything is written where
 * kis_span_set stands, without a call.
 *
 *     kis_span_set(span, KIS_KV("http.request.method", "GET"));
 *
 *     4a 1e 0a 13 http.request.method 12 05 0a 03 GET
 *
 * For a literal key and a literal text, an integer below 16,384, a bool or a double, all that is
 * left to do is to take the span's busy bit, to see that there is room and that the key is new, and
 * to store the bytes. What does not fit goes the common way, which is always right.
 *
 * Nothing here is to be used by name. A program compiled with this header works with any libkiseki:
 * an SDK whose spans do not begin like kis_span_room_ leaves KIS_SPAN_INLINE_ out of the handle's
 * word, and everything goes the common way.
 */
#ifndef KISEKI_ATTR_INLINE_H
#define KISEKI_ATTR_INLINE_H

#include <kiseki/api.h>

/* What the handle of an open span points to; the SDK has more behind it. */
typedef struct kis_span_room_ {
    uint64_t word; /* atomic: that of the handle, and KIS_SPAN_BUSY_ while somebody writes */
    uint8_t *at;   /* the next attribute goes here */
    /* and may do so up to here: there are 128 bytes, and it is not one too many */
    uint8_t *last_at;
    uint64_t keys[4]; /* a bit for each key that was set (kis_key_bit_) */
    uint32_t attr_count;
} kis_span_room_;

#if defined(__GNUC__) && defined(__OPTIMIZE__) && !defined(__cplusplus) && \
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define KIS_HAS_INLINE_ATTRS_ 1

/* Takes the busy bit and the key's bit. NULL: not now, or not here; nothing has changed. */
KIS_INLINE_ kis_span_room_ *kis_span_room_take_(kis_span span, uint8_t key_bit)
{
    kis_span_room_ *room = (kis_span_room_ *)span._slot;
    uint64_t open = span._word, keys;

    if (__builtin_expect(!__atomic_compare_exchange_n(&room->word, &open,
                                                      span._word | KIS_SPAN_BUSY_, 0,
                                                      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED),
                         0))
        return NULL;
    keys = room->keys[key_bit >> 6];
    if (__builtin_expect((keys >> (key_bit & 63) & 1) || room->at > room->last_at, 0)) {
        __atomic_store_n(&room->word, span._word, __ATOMIC_RELEASE);
        return NULL;
    }
    room->keys[key_bit >> 6] = keys | UINT64_C(1) << (key_bit & 63);
    return room;
}

/* The attribute ends at `to`. */
KIS_INLINE_ void kis_span_room_give_(kis_span span, kis_span_room_ *room, uint8_t *to)
{
    room->at = to;
    room->attr_count++;
    __atomic_store_n(&room->word, span._word, __ATOMIC_RELEASE);
}

/* Tags and lengths of attribute and key, and the key; `any` is the size of the value's message. */
KIS_INLINE_ uint8_t *kis_put_key_(uint8_t *to, const kis_attr *attr, uint32_t any)
{
    uint32_t head = (uint32_t)(kis_attr_word_(attr) >> 32) + (any << 8);

    __builtin_memcpy(to, &head, 4);
    __builtin_memcpy(to + 4, attr->key, attr->key_len);
    return to + 4 + attr->key_len;
}

/* True when it is written. */
KIS_INLINE_ bool kis_span_set_inline_(kis_span span, const kis_attr *attr)
{
    uint64_t integer = (uint64_t)attr->value.integer;
    uint32_t any, value;
    kis_span_room_ *room;
    uint8_t *to;

    if (attr->type == KIS_ATTR_INT && integer >= 0x4000)
        return false;
    room = kis_span_room_take_(span, attr->_key_bit);
    if (!room)
        return false;
    to = room->at;
    switch (attr->type) {
    case KIS_ATTR_TEXT: /* 12 size 0a len text */
        to = kis_put_key_(to, attr, 2 + (uint32_t)attr->count);
        value = 0x000a0212u + (uint32_t)attr->count * 0x01000100u;
        __builtin_memcpy(to, &value, 4);
        __builtin_memcpy(to + 4, attr->value.items, attr->count);
        to += 4 + attr->count;
        break;
    case KIS_ATTR_BOOL: /* 12 02 10 value */
        to = kis_put_key_(to, attr, 2);
        value = 0x00100212u | (uint32_t)attr->value.boolean << 24;
        __builtin_memcpy(to, &value, 4);
        to += 4;
        break;
    case KIS_ATTR_INT: /* 12 size 18 low (high) */
        any = 2 + (integer >= 0x80);
        to = kis_put_key_(to, attr, any);
        value =
            0x00180012u | any << 8 | (uint32_t)(integer | (uint64_t)(integer >= 0x80) << 7) << 24;
        __builtin_memcpy(to, &value, 4);
        to[4] = (uint8_t)(integer >> 7);
        to += 2 + any;
        break;
    default: /* 12 09 21 number */
        to = kis_put_key_(to, attr, 9);
        value = 0x00210912u;
        __builtin_memcpy(to, &value, 3);
        __builtin_memcpy(to + 3, &attr->value.number, 8);
        to += 11;
        break;
    }
    kis_span_room_give_(span, room, to);
    return true;
}

/* Known to the compiler: the key, and a text of at most 56 ASCII characters,
 * or that it is a number or bool. */
KIS_INLINE_ bool kis_attr_is_inline_(const kis_attr *attr)
{
    if (!(attr->_flags & KIS_ATTR_PLAIN_KEY_))
        return false;
    if (attr->type == KIS_ATTR_TEXT)
        return attr->count <= 56 &&
               kis_key_flags_((const char *)attr->value.items, (uint32_t)attr->count);
    return attr->type == KIS_ATTR_INT || attr->type == KIS_ATTR_BOOL ||
           attr->type == KIS_ATTR_DOUBLE;
}

#endif
#endif
