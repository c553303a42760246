/* attr.h - attributes: a key and a typed value, made in place and borrowed for one call.
 *
 *     kis_span_set(span, KIS_KV("http.request.method", "GET"), KIS_KV("retries", 3),
 *                  KIS_BOOL("cache.hit", hit));
 *
 * KIS_KV chooses the type by the value's C type:
 *
 *     char * (NULL: null), kis_str    text
 *     any integer                     64-bit integer (an unsigned one above INT64_MAX becomes
 *                                     INT64_MAX)
 *     float, double                   double
 *     kis_bytes                       bytes
 *     bool                            bool, but only for what *is* a bool: in C11 `false`, `!b` and
 *                                     `n > 2` are ints. Use KIS_BOOL.
 *
 * Keys are C text, not empty, case-sensitive and unique in one set: the last value of a key wins.
 * The empty text, zero and the empty array are values and are kept; an attribute with an empty key
 * is dropped and counted. Text is UTF-8: what is not becomes U+FFFD.
 * A kis_attr borrows all it points to; every function that takes one copies before it returns.
 *
 * Nothing here allocates. Any thread. Source: OpenTelemetry specification,
 * common/README.md (attributes, AnyValue).
 */
#ifndef KISEKI_ATTR_H
#define KISEKI_ATTR_H

#include <kiseki/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kis_attr_type {
    KIS_ATTR_NULL = 0, /* a key without a value; allowed, but most back ends show nothing */
    KIS_ATTR_TEXT,
    KIS_ATTR_BOOL,
    KIS_ATTR_INT,
    KIS_ATTR_DOUBLE,
    KIS_ATTR_BYTES,
    /* arrays of one type: `items` points to `count` of char const *, bool, int64_t, double */
    KIS_ATTR_TEXTS,
    KIS_ATTR_BOOLS,
    KIS_ATTR_INTS,
    KIS_ATTR_DOUBLES,
    /* array of any values: `items` points to `count` kis_attr, whose keys are not looked at */
    KIS_ATTR_LIST,
    KIS_ATTR_MAP, /* `items` points to `count` kis_attr */
} kis_attr_type;

/* What an attribute holds; read by its type. */
typedef union kis_attr_payload_ {
    int64_t integer;
    double number;
    bool boolean;
    const void *items; /* text, bytes, or the items of an array, list or map */
} kis_attr_payload_;

/** One attribute. Made by the macros and functions below, never field by field:
 * they also work out `_key_bit` and `_flags`. */
typedef struct kis_attr {
    const char *key;
    uint8_t _key_bit; /* says quickly that two keys differ; a constant for a literal key */
    uint8_t type;     /* kis_attr_type */
    uint16_t _flags;  /* KIS_ATTR_PLAIN_...; 0: find out */
    uint32_t key_len;
    kis_attr_payload_ value;
    size_t count; /* bytes of a text, items of an array, list or map */
} kis_attr;

#define KIS_ATTR_PLAIN_KEY_  1u /* the key is a literal of 1 to 60 ASCII characters */
#define KIS_ATTR_PLAIN_TEXT_ 2u /* and the value is a text */

/** Borrowed attributes, in order. All zeros is none. */
typedef struct kis_attr_list {
    const kis_attr *at;
    size_t count;
} kis_attr_list;

#if defined(__GNUC__)
#define KIS_TEXT_LEN_(text) __builtin_strlen(text) /* a constant for a literal */
#else
static inline size_t kis_text_len_(const char *text)
{
    size_t len = 0;
    while (text[len])
        len++;
    return len;
}
#define KIS_TEXT_LEN_(text) kis_text_len_(text)
#endif

/* What is worked out here is a constant where the key is a literal: but only inside of the caller,
 * so even where a compiler thinks it too long. */
#if defined(__GNUC__)
#define KIS_INLINE_ static inline __attribute__((always_inline))
#else
#define KIS_INLINE_ static inline
#endif

/* Which of 256 bits stands for a key: from its length, first and last bytes. */
KIS_INLINE_ uint8_t kis_key_bit_(const char *key, uint32_t len)
{
#if defined(__GNUC__) /* words are read as the machine has them: the bit never leaves it */
    if (len >= 8) {
        uint64_t a, b;
        __builtin_memcpy(&a, key, 8);
        __builtin_memcpy(&b, key + len - 8, 8);
        return (uint8_t)(((a ^ (b << 17 | b >> 47)) + len) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
    }
#endif
    return (uint8_t)(len == 0 ? 0
                              : (uint8_t)key[0] * 7u + (uint8_t)key[len / 2] * 31u +
                                    (uint8_t)key[len - 1] * 127u + len);
}

/* KIS_ATTR_PLAIN_KEY_ for a literal key that is short and ASCII; worked out by the compiler, so
 * nothing is done about any other key. */
KIS_INLINE_ uint16_t kis_key_flags_(const char *key, uint32_t len)
{
#if defined(__GNUC__) && defined(__OPTIMIZE__)
    if (__builtin_constant_p(len) && len >= 1 && len <= 60) {
        uint64_t seen = 0, word;
        if (len >= 8) {
            __builtin_memcpy(&seen, key + len - 8, 8);
#define KIS_KEY_WORD_(at)                       \
    if (len >= (at) + 8) {                      \
        __builtin_memcpy(&word, key + (at), 8); \
        seen |= word;                           \
    }
            KIS_KEY_WORD_(0)
            KIS_KEY_WORD_(8)
            KIS_KEY_WORD_(16)
            KIS_KEY_WORD_(24)
            KIS_KEY_WORD_(32)
            KIS_KEY_WORD_(40)
            KIS_KEY_WORD_(48)
#undef KIS_KEY_WORD_
        } else {
            seen = (uint8_t)key[0];
            seen |= len > 1 ? (uint8_t)key[1] : 0u;
            seen |= len > 2 ? (uint8_t)key[2] : 0u;
            seen |= len > 3 ? (uint8_t)key[3] : 0u;
            seen |= len > 4 ? (uint8_t)key[4] : 0u;
            seen |= len > 5 ? (uint8_t)key[5] : 0u;
            seen |= len > 6 ? (uint8_t)key[6] : 0u;
        }
        return (uint16_t)((seen & UINT64_C(0x8080808080808080)) ? 0 : KIS_ATTR_PLAIN_KEY_);
    }
#else
    (void)key, (void)len;
#endif
    return 0;
}

KIS_INLINE_ kis_attr kis_attr_items_(const char *key, kis_attr_type type, const void *items,
                                     size_t count)
{
    kis_attr attr;
    attr.key = key;
    attr.key_len = key ? (uint32_t)KIS_TEXT_LEN_(key) : 0; /* none: dropped and counted */
    attr.type = (uint8_t)type;
    attr._key_bit = kis_key_bit_(key, attr.key_len);
    attr._flags = kis_key_flags_(key, attr.key_len);
    if (attr._flags && type == KIS_ATTR_TEXT)
        attr._flags = KIS_ATTR_PLAIN_KEY_ | KIS_ATTR_PLAIN_TEXT_;
    attr.value.items = items;
    attr.count = count;
    return attr;
}

/* Of a plain key, for a call that passes it in registers: key bit and type; and in the high half
 * the bytes with which the attribute begins in OTLP, Span.attributes (4a), its length, KeyValue.key
 * (0a), its length: the first without what the value takes. A constant for a literal. */
KIS_INLINE_ uint64_t kis_attr_word_(const kis_attr *attr)
{
    uint32_t head = 0x4au | (attr->key_len + 4) << 8 | 0x0a0000u | attr->key_len << 24;
    return (uint64_t)head << 32 | (uint64_t)attr->type << 8 | attr->_key_bit;
}

/* What the macros below choose from; they can be called by name as well. */
KIS_INLINE_ kis_attr kis_attr_null(const char *key)
{
    return kis_attr_items_(key, KIS_ATTR_NULL, NULL, 0);
}
KIS_INLINE_ kis_attr kis_attr_text(const char *key, const char *value)
{
    return value ? kis_attr_items_(key, KIS_ATTR_TEXT, value, KIS_TEXT_LEN_(value))
                 : kis_attr_null(key);
}
KIS_INLINE_ kis_attr kis_attr_str(const char *key, kis_str value)
{
    return kis_attr_items_(key, KIS_ATTR_TEXT, value.ptr, value.len);
}
KIS_INLINE_ kis_attr kis_attr_bytes(const char *key, kis_bytes value)
{
    return kis_attr_items_(key, KIS_ATTR_BYTES, value.ptr, value.len);
}
KIS_INLINE_ kis_attr kis_attr_bool(const char *key, bool value)
{
    kis_attr attr = kis_attr_items_(key, KIS_ATTR_BOOL, NULL, 0);
    attr.value.boolean = value;
    return attr;
}
KIS_INLINE_ kis_attr kis_attr_int(const char *key, int64_t value)
{
    kis_attr attr = kis_attr_items_(key, KIS_ATTR_INT, NULL, 0);
    attr.value.integer = value;
    return attr;
}
KIS_INLINE_ kis_attr kis_attr_uint(const char *key, uint64_t value)
{
    return kis_attr_int(key, value > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)value);
}
KIS_INLINE_ kis_attr kis_attr_double(const char *key, double value)
{
    kis_attr attr = kis_attr_items_(key, KIS_ATTR_DOUBLE, NULL, 0);
    attr.value.number = value;
    return attr;
}
KIS_INLINE_ kis_attr kis_attr_texts(const char *key, const char *const *items, size_t count)
{
    return kis_attr_items_(key, KIS_ATTR_TEXTS, items, count);
}
KIS_INLINE_ kis_attr kis_attr_bools(const char *key, const bool *items, size_t count)
{
    return kis_attr_items_(key, KIS_ATTR_BOOLS, items, count);
}
KIS_INLINE_ kis_attr kis_attr_ints(const char *key, const int64_t *items, size_t count)
{
    return kis_attr_items_(key, KIS_ATTR_INTS, items, count);
}
KIS_INLINE_ kis_attr kis_attr_doubles(const char *key, const double *items, size_t count)
{
    return kis_attr_items_(key, KIS_ATTR_DOUBLES, items, count);
}
KIS_INLINE_ kis_attr kis_attr_list_of(const char *key, kis_attr_list items)
{
    return kis_attr_items_(key, KIS_ATTR_LIST, items.at, items.count);
}
KIS_INLINE_ kis_attr kis_attr_map(const char *key, kis_attr_list items)
{
    return kis_attr_items_(key, KIS_ATTR_MAP, items.at, items.count);
}

#ifndef __cplusplus

/** One attribute whose type is that of the C value. An array or a map: the macros below. */
#define KIS_KV(key, value) \
    _Generic((value),                                                                              \
        char *: kis_attr_text, const char *: kis_attr_text,                                        \
        kis_str: kis_attr_str, kis_bytes: kis_attr_bytes,                                          \
        bool: kis_attr_bool, float: kis_attr_double, double: kis_attr_double,                      \
        char: kis_attr_int, signed char: kis_attr_int, unsigned char: kis_attr_int,                \
        short: kis_attr_int, unsigned short: kis_attr_int,                                         \
        int: kis_attr_int, unsigned: kis_attr_int,                                                 \
        long: kis_attr_int, long long: kis_attr_int,                                               \
        unsigned long: kis_attr_uint, unsigned long long: kis_attr_uint)((key), (value))

/** A bool, whatever the C type of the condition. */
#define KIS_BOOL(key, value) kis_attr_bool((key), (value) ? true : false)
/** Bytes from a pointer and a length. */
#define KIS_BYTES(key, ptr_, len_) kis_attr_items_((key), KIS_ATTR_BYTES, (ptr_), (len_))
/** The null value. */
#define KIS_NULL(key) kis_attr_null(key)

/* Arrays of one type from their items: KIS_TEXTS("hosts", "a", "b"),
 * KIS_INTS("sizes", 1, 2, 3). At least one item; for none or for an array at hand use
 * kis_attr_texts(key, items, count) and its like. */
#define KIS_TEXTS(key, ...)                                     \
    kis_attr_texts((key), (const char *const[]){ __VA_ARGS__ }, \
                   sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))
#define KIS_INTS(key, ...)                                 \
    kis_attr_ints((key), (const int64_t[]){ __VA_ARGS__ }, \
                  sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define KIS_DOUBLES(key, ...)                                \
    kis_attr_doubles((key), (const double[]){ __VA_ARGS__ }, \
                     sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double))
#define KIS_BOOLS(key, ...)                              \
    kis_attr_bools((key), (const bool[]){ __VA_ARGS__ }, \
                   sizeof((const bool[]){ __VA_ARGS__ }) / sizeof(bool))

/** A map, and an array of mixed values: KIS_MAP("user", KIS_KV("id", 7), KIS_KV("name", n)). Nested
 * to 31 levels; deeper is empty. */
#define KIS_MAP(key, ...)  kis_attr_map((key), KIS_ATTRS(__VA_ARGS__))
#define KIS_LIST(key, ...) kis_attr_list_of((key), KIS_ATTRS(__VA_ARGS__))

/* Of which size this is, the compiler sees in the block where it stands: span.h has a start that
 * nobody records declare a smaller one, and there attributes are not even made. */
struct kis_attrs_are_wanted_ {
    char is_wanted[2];
};

/** Several attributes as one argument. It lives until the end of the enclosing block. */
#define KIS_ATTRS(...)                                                                     \
    (sizeof(struct kis_attrs_are_wanted_) > 1                                              \
         ? (kis_attr_list){ (const kis_attr[]){ __VA_ARGS__ },                             \
                            sizeof((const kis_attr[]){ __VA_ARGS__ }) / sizeof(kis_attr) } \
         : (kis_attr_list){ NULL, 0 })

#endif /* __cplusplus */

#ifdef __cplusplus
}
#endif
#endif
