/* attr_write.c - attributes of the API become OTLP KeyValue fields, written once.
 *
 *     4a LL            0a KK key...     12 VV 0a TT text...        a text
 *     Span.attributes  KeyValue.key     KeyValue.value (AnyValue)
 *
 * The common attribute (short ASCII key, a short ASCII text or a number) is one straight piece of code: two bounds, four length bytes, two copies. Everything else is
 * measured first and then written, value by value, down to `value_depth`.
 * Text is checked while it is copied: eight bytes at a time, any high bit sends it the long way, where UTF-8 is judged, repaired and cut.
 * Not here: which attributes a span may have at all (span.c), reading (model/attr.c).
 */
#include "sdk/attr_write.h"

#include "base/check.h"

#define SHORT_KEY_MAX 60u
#define SHORT_TEXT_MAX 56u /* 2 + key + 2 + 2 + text <= 127, so every length is one byte */

_Static_assert(2 + SHORT_KEY_MAX + 4 + SHORT_TEXT_MAX <= 127, "lengths of a short attribute take one byte");

#define HIGH_BITS 0x8080808080808080u

static inline uint64_t load8(const void *from) { uint64_t w; memcpy(&w, from, 8); return w; }
static inline uint32_t load4(const void *from) { uint32_t w; memcpy(&w, from, 4); return w; }

/* Copies `len` bytes (overlapping words at the end) and answers all their bits or'ed; sets *hash from length and first and last bytes. */
static inline uint64_t copy_and_look(uint8_t *to, const char *from, size_t len)
{
    uint64_t seen = 0, word;

    if (len >= 8) {
        for (size_t i = 0; i + 8 < len; i += 8) {
            word = load8(from + i);
            memcpy(to + i, &word, 8);
            seen |= word;
        }
        word = load8(from + len - 8);
        memcpy(to + len - 8, &word, 8);
        return seen | word;
    }
    if (len >= 4) {
        uint32_t low = load4(from), high = load4(from + len - 4);
        memcpy(to, &low, 4);
        memcpy(to + len - 4, &high, 4);
        return low | high;
    }
    for (size_t i = 0; i < len; i++)
        seen |= to[i] = (uint8_t)from[i];
    return seen;
}

/* Keys differ in length, in their first or in their last bytes, mostly; where hashes meet the keys are compared. */
static inline uint32_t key_hash(const char *key, size_t len)
{
    uint64_t a, b;

    if (len >= 8) {
        a = load8(key);
        b = load8(key + len - 8);
    } else if (len >= 4) {
        a = load4(key);
        b = load4(key + len - 4);
    } else {
        a = len ? (uint8_t)key[0] | (uint64_t)(uint8_t)key[len / 2] << 8 | (uint64_t)(uint8_t)key[len - 1] << 16 : 0;
        b = 0;
    }
    a = (a ^ len) * 0x9e3779b97f4a7c15u ^ b;
    return (uint32_t)(a * 0xd6e8feb86659fd93u >> 32);
}

/* ---- text of any length and content ---- */

size_t kis_text_size(kis_str *text, uint32_t max_chars, bool *is_plain)
{
    size_t size = 0;
    kis_str rest;

    *is_plain = kis_utf8_is_valid(*text);
    if (*is_plain) {
        if (text->len > max_chars)
            text->len = kis_utf8_cut_chars(*text, max_chars);
        if (text->len > KIS_VALUE_BYTES_MAX)
            text->len = kis_utf8_cut_bytes(*text, KIS_VALUE_BYTES_MAX);
        return text->len;
    }
    rest = *text;
    for (uint32_t chars = 0; rest.len && chars < max_chars && size + 4 <= KIS_VALUE_BYTES_MAX; chars++) { /* a character, or one wrong byte */
        size_t one = kis_utf8_cut_chars(kis_str_of(rest.ptr, KIS_MIN(rest.len, 4)), 1);
        bool is_good = one && one <= rest.len && kis_utf8_is_valid(kis_str_of(rest.ptr, one));
        size += is_good ? one : 3;
        one = is_good ? one : 1;
        rest.ptr += one;
        rest.len -= one;
    }
    text->len -= rest.len;
    return size;
}

uint8_t *kis_text_put(uint8_t *to, kis_str text, bool is_plain)
{
    if (is_plain) {
        if (text.len)
            memcpy(to, text.ptr, text.len);
        return to + text.len;
    }
    while (text.len) {
        size_t good = kis_utf8_valid_prefix(text);
        memcpy(to, text.ptr, good);
        to += good;
        text.ptr += good;
        text.len -= good;
        if (text.len) {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
            text.ptr++;
            text.len--;
        }
    }
    return to;
}

/* ---- any value: measured, then written ---- */

static size_t message_size(size_t body) { return 1 + kis_varint_size(body) + body; }
static uint8_t *put_message_head(uint8_t *to, uint32_t tag, size_t body)
{
    *to++ = (uint8_t)tag;
    return to + kis_varint_put(to, body);
}

static kis_str attr_key(const kis_attr *attr) { return kis_str_of(attr->key, KIS_MIN(attr->key_len, KIS_KEY_BYTES_MAX)); }
static size_t key_size(const kis_attr *attr, bool *is_plain)
{
    kis_str key = attr_key(attr);
    if (key.len < attr->key_len)
        key.len = kis_utf8_cut_bytes(kis_str_of(attr->key, attr->key_len), KIS_KEY_BYTES_MAX);
    return kis_text_size(&key, UINT32_MAX, is_plain);
}

static kis_attr item_of(const kis_attr *array, size_t i)
{
    switch (array->type) {
    case KIS_ATTR_TEXTS:
        return kis_attr_text("", ((const char *const *)array->value.items)[i]);
    case KIS_ATTR_BOOLS:
        return kis_attr_bool("", ((const bool *)array->value.items)[i]);
    case KIS_ATTR_INTS:
        return kis_attr_int("", ((const int64_t *)array->value.items)[i]);
    case KIS_ATTR_DOUBLES:
        return kis_attr_double("", ((const double *)array->value.items)[i]);
    default:
        return ((const kis_attr *)array->value.items)[i];
    }
}

static size_t any_size(const kis_attr *attr, const kis_span_limits *limits, uint32_t depth);

static size_t key_value_size(const kis_attr *attr, const kis_span_limits *limits, uint32_t depth)
{
    bool is_plain;
    return message_size(key_size(attr, &is_plain)) + message_size(any_size(attr, limits, depth));
}

/* Size of the ArrayValue or KeyValueList message. */
static size_t items_size(const kis_attr *attr, const kis_span_limits *limits, uint32_t depth)
{
    size_t size = 0;

    if (depth >= limits->value_depth)
        return 0;
    for (size_t i = 0; i < attr->count && size <= KIS_SLOT_BLOCK_MAX; i++) {
        kis_attr item = item_of(attr, i);
        size += message_size(attr->type == KIS_ATTR_MAP ? key_value_size(&item, limits, depth + 1) : any_size(&item, limits, depth + 1));
    }
    return size;
}

/* Size of the AnyValue message of a value; a null has none of its fields. */
static size_t any_size(const kis_attr *attr, const kis_span_limits *limits, uint32_t depth)
{
    kis_str text;
    bool is_plain;

    switch (attr->type) {
    case KIS_ATTR_TEXT:
        text = kis_str_of(attr->value.items, attr->count);
        return message_size(kis_text_size(&text, limits->value_length, &is_plain));
    case KIS_ATTR_BOOL:
        return 2;
    case KIS_ATTR_INT:
        return 1 + kis_varint_size((uint64_t)attr->value.integer);
    case KIS_ATTR_DOUBLE:
        return 9;
    case KIS_ATTR_BYTES:
        return message_size(KIS_MIN(attr->count, KIS_MIN(limits->value_length, KIS_VALUE_BYTES_MAX)));
    case KIS_ATTR_NULL:
        return 0;
    default:
        return message_size(items_size(attr, limits, depth));
    }
}

static uint8_t *any_put(uint8_t *to, const kis_attr *attr, const kis_span_limits *limits, uint32_t depth);

static uint8_t *key_value_put(uint8_t *to, const kis_attr *attr, const kis_span_limits *limits, uint32_t depth)
{
    kis_str key = attr_key(attr);
    bool is_plain;
    size_t size = key_size(attr, &is_plain);

    if (key.len < attr->key_len)
        key.len = kis_utf8_cut_bytes(kis_str_of(attr->key, attr->key_len), KIS_KEY_BYTES_MAX);
    to = kis_text_put(put_message_head(to, 0x0a, size), key, is_plain);
    return any_put(put_message_head(to, 0x12, any_size(attr, limits, depth)), attr, limits, depth);
}

static uint8_t *items_put(uint8_t *to, const kis_attr *attr, const kis_span_limits *limits, uint32_t depth)
{
    if (depth >= limits->value_depth)
        return to;
    for (size_t i = 0; i < attr->count; i++) {
        kis_attr item = item_of(attr, i);
        if (attr->type == KIS_ATTR_MAP)
            to = key_value_put(put_message_head(to, 0x0a, key_value_size(&item, limits, depth + 1)), &item, limits, depth + 1);
        else
            to = any_put(put_message_head(to, 0x0a, any_size(&item, limits, depth + 1)), &item, limits, depth + 1);
    }
    return to;
}

static uint8_t *any_put(uint8_t *to, const kis_attr *attr, const kis_span_limits *limits, uint32_t depth)
{
    kis_str text = kis_str_of(attr->value.items, attr->count);
    size_t size;
    bool is_plain;

    switch (attr->type) {
    case KIS_ATTR_TEXT:
        size = kis_text_size(&text, limits->value_length, &is_plain);
        return kis_text_put(put_message_head(to, 0x0a, size), text, is_plain);
    case KIS_ATTR_BOOL:
        *to++ = 0x10;
        *to++ = attr->value.boolean;
        return to;
    case KIS_ATTR_INT:
        *to++ = 0x18;
        return to + kis_varint_put(to, (uint64_t)attr->value.integer);
    case KIS_ATTR_DOUBLE:
        *to++ = 0x21;
        memcpy(to, &attr->value.number, 8);
        return to + 8;
    case KIS_ATTR_BYTES:
        text.len = KIS_MIN(text.len, KIS_MIN(limits->value_length, KIS_VALUE_BYTES_MAX));
        return kis_text_put(put_message_head(to, 0x3a, text.len), text, true);
    case KIS_ATTR_NULL:
        return to;
    case KIS_ATTR_MAP:
        return items_put(put_message_head(to, 0x32, items_size(attr, limits, depth)), attr, limits, depth);
    default:
        return items_put(put_message_head(to, 0x2a, items_size(attr, limits, depth)), attr, limits, depth);
    }
}

/* True when something of a value was changed: cut, repaired. For the counter alone. */
static bool is_text_changed(const kis_attr *attr, const kis_span_limits *limits)
{
    kis_str text = kis_str_of(attr->value.items, attr->count);
    bool is_plain;

    if (attr->type != KIS_ATTR_TEXT)
        return false;
    kis_text_size(&text, limits->value_length, &is_plain);
    return !is_plain || text.len < attr->count;
}

/* ---- the attributes of a span ---- */

static bool is_key_at(const kis_slot *slot, uint32_t at, const char *key, size_t len)
{
    kis_cursor c = { slot->block + at + 1, slot->block + slot->block_len };
    uint64_t size, key_len;

    return kis_cursor_varint(&c, &size) && ++c.at && kis_cursor_varint(&c, &key_len) && key_len == len && memcmp(c.at, key, len) == 0;
}

/* The index entry of a key that the span has, or NULL. */
static inline kis_slot_key *find_key(const kis_slot *slot, uint32_t hash, const char *key, size_t len)
{
    kis_slot_key *keys = kis_slot_keys(slot);

    for (int32_t i = -1; i >= -(int32_t)slot->key_count; i--)
        if (KIS_UNLIKELY(keys[i].hash == hash) && is_key_at(slot, keys[i].at, key, len))
            return &keys[i];
    return NULL;
}

static size_t field_size_at(const kis_slot *slot, uint32_t at)
{
    kis_cursor c = { slot->block + at + 1, slot->block + slot->block_len };
    uint64_t body = 0;

    KIS_ASSERT(kis_cursor_varint(&c, &body));
    return (size_t)(c.at - slot->block) - at + (size_t)body;
}

static void make_hole(kis_slot *slot, uint32_t at)
{
    slot->block[at] = KIS_SLOT_HOLE;
    slot->hole_bytes += (uint32_t)field_size_at(slot, at);
}

/* The field at the end of the block, `size` bytes, is the value of `key` from now on. */
static void keep_field(kis_slot *slot, kis_slot_key *old, uint32_t hash, size_t size)
{
    uint32_t at = slot->block_len;

    slot->block_len += (uint32_t)size;
    if (KIS_LIKELY(!old)) {
        kis_slot_keys(slot)[-1 - (int32_t)slot->key_count++] = (kis_slot_key){ hash, at };
    } else if (field_size_at(slot, old->at) == size) {
        memcpy(slot->block + old->at, slot->block + at, size);
        slot->block_len = at;
    } else {
        make_hole(slot, old->at);
        old->at = at;
    }
}

/* What stands before a short value: span field, key. Answers where the value begins, NULL: the key is not plain ASCII. */
static inline uint8_t *put_short_key(uint8_t *to, const kis_attr *attr, size_t any)
{
    size_t body = 2 + attr->key_len + 2 + any;
    uint32_t head = KIS_TAG_SPAN_ATTRS | (uint32_t)body << 8 | 0x0a0000u | attr->key_len << 24;

    memcpy(to, &head, 4);
    if (KIS_UNLIKELY(copy_and_look(to + 4, attr->key, attr->key_len) & HIGH_BITS))
        return NULL;
    to += 4 + attr->key_len;
    *to++ = 0x12;
    *to++ = (uint8_t)any;
    return to;
}

/* Writes a short attribute at the end of the block; answers its size, 0: the long way. */
static inline size_t put_short(kis_slot *slot, const kis_attr *attr, const kis_span_limits *limits)
{
    uint8_t *start = kis_slot_room(slot, 2 + 2 + SHORT_KEY_MAX + 2 + 2 + SHORT_TEXT_MAX, 1), *to;
    size_t any;

    if (!start)
        return 0;
    switch (attr->type) {
    case KIS_ATTR_TEXT:
        if (attr->count > SHORT_TEXT_MAX || attr->count > limits->value_length)
            return 0;
        any = 2 + attr->count;
        to = put_short_key(start, attr, any);
        if (!to)
            return 0;
        *to++ = 0x0a;
        *to++ = (uint8_t)attr->count;
        if (copy_and_look(to, attr->value.items, attr->count) & HIGH_BITS)
            return 0;
        break;
    case KIS_ATTR_BOOL:
        any = 2;
        to = put_short_key(start, attr, any);
        if (!to)
            return 0;
        to[0] = 0x10;
        to[1] = attr->value.boolean;
        break;
    case KIS_ATTR_INT:
        any = 1 + kis_varint_size((uint64_t)attr->value.integer);
        to = put_short_key(start, attr, any);
        if (!to)
            return 0;
        *to++ = 0x18;
        if (KIS_LIKELY((uint64_t)attr->value.integer < 0x80))
            *to = (uint8_t)attr->value.integer;
        else
            kis_varint_put(to, (uint64_t)attr->value.integer);
        break;
    case KIS_ATTR_DOUBLE:
        any = 9;
        to = put_short_key(start, attr, any);
        if (!to)
            return 0;
        *to++ = 0x21;
        memcpy(to, &attr->value.number, 8);
        break;
    default:
        return 0;
    }
    return 2 + 2 + attr->key_len + 2 + any;
}

/* A valid text of any length under a short plain key: one look, one copy. 0: not that. */
static size_t put_text(kis_slot *slot, const kis_attr *attr, const kis_span_limits *limits)
{
    kis_str text = kis_str_of(attr->value.items, attr->count);
    size_t any, body;
    uint8_t *start, *to;

    if (attr->type != KIS_ATTR_TEXT || attr->key_len > SHORT_KEY_MAX || text.len > KIS_MIN(limits->value_length, KIS_VALUE_BYTES_MAX) ||
        !kis_utf8_is_valid(text) || !kis_utf8_is_valid(kis_str_of(attr->key, attr->key_len)))
        return 0;
    any = message_size(text.len);
    body = message_size(attr->key_len) + message_size(any);
    start = kis_slot_room(slot, message_size(body), 1);
    if (!start)
        return 0;
    to = put_message_head(start, KIS_TAG_SPAN_ATTRS, body);
    to = kis_text_put(put_message_head(to, 0x0a, attr->key_len), kis_str_of(attr->key, attr->key_len), true);
    to = put_message_head(put_message_head(to, 0x12, any), 0x0a, text.len);
    to = kis_text_put(to, text, true);
    return (size_t)(to - start);
}

static size_t put_long(kis_slot *slot, const kis_attr *attr, const kis_span_limits *limits, kis_thread_counts *counts)
{
    size_t size = put_text(slot, attr, limits), body;
    uint8_t *to, *end;

    if (size)
        return size;
    body = key_value_size(attr, limits, 0);
    to = body <= KIS_SLOT_BLOCK_MAX ? kis_slot_room(slot, message_size(body), 1) : NULL;
    if (!to)
        return 0;
    if (is_text_changed(attr, limits))
        kis_count(&counts->repaired_texts, 1);
    end = key_value_put(put_message_head(to, KIS_TAG_SPAN_ATTRS, body), attr, limits, 0);
    KIS_ASSERT(end == to + message_size(body));
    return (size_t)(end - to);
}

static void drop_attr(kis_slot *slot, kis_thread_counts *counts)
{
    slot->dropped_attrs++;
    kis_count(&counts->dropped_attrs, 1);
}

/* A key that had to be repaired or cut has another hash and text than the one in the block: it is looked up as it was written. */
static void set_long(kis_slot *slot, const kis_span_limits *limits, const kis_attr *attr, kis_thread_counts *counts)
{
    size_t size = put_long(slot, attr, limits, counts);
    kis_cursor c;
    uint64_t number = 0, key_len = 0;
    kis_slot_key *old;
    uint32_t hash;

    if (!size) {
        drop_attr(slot, counts);
        return;
    }
    c = (kis_cursor){ slot->block + slot->block_len + 1, slot->block + slot->block_len + size };
    KIS_ASSERT(kis_cursor_varint(&c, &number) && ++c.at && kis_cursor_varint(&c, &key_len));
    hash = key_hash((const char *)c.at, (size_t)key_len);
    old = find_key(slot, hash, (const char *)c.at, (size_t)key_len);
    if (!old && slot->key_count >= limits->attr_count)
        drop_attr(slot, counts);
    else
        keep_field(slot, old, hash, size);
}

void kis_slot_set_attrs(kis_slot *slot, const kis_span_limits *limits, kis_attr_list attrs, kis_thread_counts *counts)
{
    for (const kis_attr *attr = attrs.at; attr < attrs.at + attrs.count; attr++) {
        uint32_t hash;
        kis_slot_key *old;
        size_t size;

        if (KIS_UNLIKELY(attr->key_len == 0 || !attr->key)) {
            drop_attr(slot, counts);
            continue;
        }
        size = attr->key_len <= SHORT_KEY_MAX ? put_short(slot, attr, limits) : 0;
        if (KIS_UNLIKELY(!size)) {
            set_long(slot, limits, attr, counts);
            continue;
        }
        hash = key_hash(attr->key, attr->key_len);
        old = find_key(slot, hash, attr->key, attr->key_len);
        if (KIS_UNLIKELY(!old && slot->key_count >= limits->attr_count))
            drop_attr(slot, counts);
        else
            keep_field(slot, old, hash, size);
    }
}

bool kis_slot_set_text(kis_slot *slot, uint32_t tag, kis_str text, size_t max_bytes, uint32_t *at, uint32_t *len)
{
    bool is_plain = true;
    size_t size = text.len;
    uint8_t *to, *body;

    if (KIS_LIKELY(size <= SHORT_TEXT_MAX && (to = kis_slot_room(slot, 2 + SHORT_TEXT_MAX, 0)) != NULL &&
                   !(copy_and_look(to + 2, text.ptr, size) & HIGH_BITS))) {
        to[0] = (uint8_t)tag;
        to[1] = (uint8_t)size;
        body = to + 2;
    } else {
        if (text.len > max_bytes)
            text.len = kis_utf8_cut_bytes(text, max_bytes);
        size = kis_text_size(&text, UINT32_MAX, &is_plain);
        to = kis_slot_room(slot, message_size(size), 0);
        if (!to)
            return false;
        body = put_message_head(to, tag, size);
        kis_text_put(body, text, is_plain);
    }
    if (*at) /* fields begin with a tag, so a text is never at 0 */
        make_hole(slot, *at - (uint32_t)kis_varint_size(*len) - 1);
    slot->block_len += (uint32_t)((size_t)(body - to) + size);
    *at = (uint32_t)(body - slot->block);
    *len = (uint32_t)size;
    return true;
}

/* ---- events, links, scopes, resources ---- */

/* True when a later attribute of the two lists has the same key, or the key is empty. */
static bool is_superseded(const kis_attr *attr, kis_attr_list rest, kis_attr_list more)
{
    kis_str key = kis_str_of(attr->key, attr->key_len);

    if (key.len == 0)
        return true;
    for (const kis_attr *a = rest.at; a < rest.at + rest.count; a++)
        if (a > attr && kis_str_eq(key, kis_str_of(a->key, a->key_len)))
            return true;
    for (size_t i = 0; i < more.count; i++)
        if (kis_str_eq(key, kis_str_of(more.at[i].key, more.at[i].key_len)))
            return true;
    return false;
}

typedef struct item_attrs {
    size_t size;            /* of the fields */
    uint32_t kept, dropped; /* an attribute without a key, or beyond the bound */
} item_attrs;

/* Measures (to == NULL) or writes the attributes of one list. */
static uint8_t *item_attrs_do(uint8_t *to, uint32_t tag, kis_attr_list attrs, kis_attr_list more, uint32_t max, const kis_span_limits *limits, item_attrs *sum)
{
    for (const kis_attr *attr = attrs.at; attr < attrs.at + attrs.count; attr++) {
        size_t body;
        if (is_superseded(attr, attrs, more)) {
            sum->dropped += attr->key_len == 0;
            continue;
        }
        if (sum->kept >= max) {
            sum->dropped++;
            continue;
        }
        body = key_value_size(attr, limits, 0);
        sum->kept++;
        sum->size += message_size(body);
        if (to)
            to = key_value_put(put_message_head(to, tag, body), attr, limits, 0);
    }
    return to;
}

bool kis_slot_add_item(kis_slot *slot, uint32_t tag, kis_bytes head, uint32_t attr_tag, kis_attr_list attrs, kis_attr_list more, uint32_t max_attrs,
                       const kis_span_limits *limits, kis_thread_counts *counts)
{
    item_attrs sum = { 0 }, again = { 0 };
    size_t body;
    uint8_t *to, *at;

    item_attrs_do(NULL, attr_tag, attrs, more, max_attrs, limits, &sum);
    item_attrs_do(NULL, attr_tag, more, (kis_attr_list){ 0 }, max_attrs, limits, &sum);
    body = head.len + sum.size + (sum.dropped ? 1 + kis_varint_size(sum.dropped) : 0);
    to = body <= KIS_SLOT_BLOCK_MAX ? kis_slot_room(slot, message_size(body), 0) : NULL;
    if (!to)
        return false;
    at = put_message_head(to, tag, body);
    memcpy(at, head.ptr, head.len);
    at = item_attrs_do(at + head.len, attr_tag, attrs, more, max_attrs, limits, &again);
    at = item_attrs_do(at, attr_tag, more, (kis_attr_list){ 0 }, max_attrs, limits, &again);
    if (sum.dropped) {
        *at++ = (uint8_t)(attr_tag - 2 + 8); /* dropped_attributes_count is the next field, a varint, in events and links alike */
        at += kis_varint_put(at, sum.dropped);
        kis_count(&counts->dropped_attrs, sum.dropped);
    }
    KIS_ASSERT(at == to + message_size(body));
    slot->block_len += (uint32_t)message_size(body);
    return true;
}

kis_err kis_attrs_write(kis_arena *arena, uint32_t tag, kis_attr_list attrs, const kis_span_limits *limits, kis_bytes *out, uint32_t *out_count)
{
    item_attrs sum = { 0 }, again = { 0 };
    uint8_t *memory;

    item_attrs_do(NULL, tag, attrs, (kis_attr_list){ 0 }, UINT32_MAX, limits, &sum);
    if (sum.size > KIS_RESOURCE_BYTES_MAX)
        return KIS_ERR_LIMIT;
    memory = kis_arena_take(arena, sum.size ? sum.size : 1, 1);
    if (!memory)
        return KIS_ERR_NOMEM;
    item_attrs_do(memory, tag, attrs, (kis_attr_list){ 0 }, UINT32_MAX, limits, &again);
    KIS_ASSERT(again.size == sum.size);
    *out = kis_bytes_of(memory, sum.size);
    *out_count = sum.kept;
    return KIS_OK;
}
