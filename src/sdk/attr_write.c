/* attr_write.c - attributes of the API become OTLP KeyValue fields, written once.
 *
 *     4a LL            0a KK key...     12 VV 0a TT text...        a text
 *     Span.attributes  KeyValue.key     KeyValue.value (AnyValue)
 *
 * The common attribute (short ASCII key, a short ASCII text or a number) is one straight piece of
 * code: two bounds, four length bytes, two copies. Everything else is measured first and then
 * written, value by value, down to `value_depth`.
 * Text is checked while it is copied: eight bytes at a time, any high bit sends it the long way,
 * where UTF-8 is judged, repaired and cut.
 * Not here: which attributes a span may have at all (span.c), reading (model/attr.c).
 */
#include "sdk/attr_write.h"

#include "base/check.h"
#include "sdk/attr_short.h"

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
    for (uint32_t chars = 0; rest.len && chars < max_chars && size + 4 <= KIS_VALUE_BYTES_MAX;
         chars++) { /* a character, or one wrong byte */
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

static size_t message_size(size_t body)
{
    return 1 + kis_varint_size(body) + body;
}
static uint8_t *put_message_head(uint8_t *to, uint32_t tag, size_t body)
{
    *to++ = (uint8_t)tag;
    return to + kis_varint_put(to, body);
}

static kis_str attr_key(const kis_attr *attr)
{
    return kis_str_of(attr->key, KIS_MIN(attr->key_len, KIS_KEY_BYTES_MAX));
}
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
        size += message_size(attr->type == KIS_ATTR_MAP ? key_value_size(&item, limits, depth + 1)
                                                        : any_size(&item, limits, depth + 1));
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
        return message_size(
            KIS_MIN(attr->count, KIS_MIN(limits->value_length, KIS_VALUE_BYTES_MAX)));
    case KIS_ATTR_NULL:
        return 0;
    default:
        return message_size(items_size(attr, limits, depth));
    }
}

static uint8_t *any_put(uint8_t *to, const kis_attr *attr, const kis_span_limits *limits,
                        uint32_t depth);

static uint8_t *key_value_put(uint8_t *to, const kis_attr *attr, const kis_span_limits *limits,
                              uint32_t depth)
{
    kis_str key = attr_key(attr);
    bool is_plain;
    size_t size = key_size(attr, &is_plain);

    if (key.len < attr->key_len)
        key.len = kis_utf8_cut_bytes(kis_str_of(attr->key, attr->key_len), KIS_KEY_BYTES_MAX);
    to = kis_text_put(put_message_head(to, 0x0a, size), key, is_plain);
    return any_put(put_message_head(to, 0x12, any_size(attr, limits, depth)), attr, limits, depth);
}

static uint8_t *items_put(uint8_t *to, const kis_attr *attr, const kis_span_limits *limits,
                          uint32_t depth)
{
    if (depth >= limits->value_depth)
        return to;
    for (size_t i = 0; i < attr->count; i++) {
        kis_attr item = item_of(attr, i);
        if (attr->type == KIS_ATTR_MAP)
            to = key_value_put(put_message_head(to, 0x0a, key_value_size(&item, limits, depth + 1)),
                               &item, limits, depth + 1);
        else
            to = any_put(put_message_head(to, 0x0a, any_size(&item, limits, depth + 1)), &item,
                         limits, depth + 1);
    }
    return to;
}

static uint8_t *any_put(uint8_t *to, const kis_attr *attr, const kis_span_limits *limits,
                        uint32_t depth)
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
        return items_put(put_message_head(to, 0x32, items_size(attr, limits, depth)), attr, limits,
                         depth);
    default:
        return items_put(put_message_head(to, 0x2a, items_size(attr, limits, depth)), attr, limits,
                         depth);
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

/* A field with one tag byte, as all of a block are. */
typedef struct block_field {
    uint8_t *start, *body, *next;
} block_field;

static block_field field_at(uint8_t *start)
{
    kis_cursor c = { start + 1, start + 11 };
    uint64_t size = 0;

    KIS_ASSERT(kis_cursor_varint(&c, &size)); /* we wrote it */
    return (block_field){ start, start + (c.at - start), start + (c.at - start) + size };
}

/* The field of a key that the span has, or NULL. */
static uint8_t *find_key(const kis_slot *slot, const char *key, size_t len)
{
    for (uint8_t *at = slot->block + slot->attrs_at; at < slot->at;) {
        block_field field = field_at(at), name;
        if (*at == KIS_TAG_SPAN_ATTRS) {
            name = field_at(field.body);
            if ((size_t)(name.next - name.body) == len && memcmp(name.body, key, len) == 0)
                return at;
        }
        at = field.next;
    }
    return NULL;
}

static void make_hole(kis_slot *slot, uint8_t *start)
{
    block_field field = field_at(start);

    *start = KIS_SLOT_HOLE;
    slot->tally.is_patched = true;
    slot->tally.hole_bytes += (uint32_t)(field.next - start);
}

static void drop_attr(kis_slot *slot)
{
    kis_thread_counts *counts = kis_counts_here(slot->sdk);

    slot->tally.dropped_attrs++;
    slot->tally.is_patched = true;
    if (counts)
        kis_count(&counts->dropped_attrs, 1);
}

/* The field at the end of the block, `size` bytes, becomes the value of its key. */
__attribute__((noinline)) static void keep_checked(kis_slot *slot, const kis_span_limits *limits,
                                                   const char *key, size_t key_len, size_t size)
{
    uint32_t bit = kis_key_bit_(key, (uint32_t)key_len);
    uint64_t mask = (uint64_t)1 << (bit & 63);
    uint8_t *old = slot->tally.keys[bit >> 6] & mask ? find_key(slot, key, key_len) : NULL;

    if (old && (size_t)(field_at(old).next - old) == size) {
        memcpy(old, slot->at, size);
        return;
    }
    if (!old && slot->tally.attr_count >= limits->attr_count) {
        drop_attr(slot);
        return;
    }
    if (old)
        make_hole(slot, old);
    else
        slot->tally.attr_count++;
    slot->tally.keys[bit >> 6] |= mask;
    slot->at += size;
    kis_slot_limit_short(slot);
}

/* A valid text of any length under a short plain key: one look, one copy. 0: not that. */
static size_t put_text(kis_slot *slot, const kis_attr *attr, const kis_span_limits *limits)
{
    kis_str text = kis_str_of(attr->value.items, attr->count);
    size_t any, body;
    uint8_t *start, *to;

    if (attr->type != KIS_ATTR_TEXT || attr->key_len > KIS_SHORT_KEY_MAX ||
        text.len > KIS_MIN(limits->value_length, KIS_VALUE_BYTES_MAX) || !kis_utf8_is_valid(text) ||
        !kis_utf8_is_valid(kis_str_of(attr->key, attr->key_len)))
        return 0;
    any = message_size(text.len);
    body = message_size(attr->key_len) + message_size(any);
    start = kis_slot_room(slot, message_size(body));
    if (!start)
        return 0;
    to = put_message_head(start, KIS_TAG_SPAN_ATTRS, body);
    to = kis_text_put(put_message_head(to, 0x0a, attr->key_len),
                      kis_str_of(attr->key, attr->key_len), true);
    to = put_message_head(put_message_head(to, 0x12, any), 0x0a, text.len);
    to = kis_text_put(to, text, true);
    return (size_t)(to - start);
}

static size_t put_long(kis_slot *slot, const kis_attr *attr, const kis_span_limits *limits)
{
    size_t size = put_text(slot, attr, limits), body;
    kis_thread_counts *counts;
    uint8_t *to, *end;

    if (size)
        return size;
    body = key_value_size(attr, limits, 0);
    to = body <= KIS_SLOT_BLOCK_MAX ? kis_slot_room(slot, message_size(body)) : NULL;
    if (!to)
        return 0;
    counts = is_text_changed(attr, limits) ? kis_counts_here(slot->sdk) : NULL;
    if (counts)
        kis_count(&counts->repaired_texts, 1);
    end = key_value_put(put_message_head(to, KIS_TAG_SPAN_ATTRS, body), attr, limits, 0);
    KIS_ASSERT(end == to + message_size(body));
    return (size_t)(end - to);
}

/* A key that had to be repaired or cut is not the caller's any more:
 * it is looked up as it was written. */
__attribute__((noinline)) static void set_long(kis_slot *slot, const kis_span_limits *limits,
                                               const kis_attr *attr)
{
    size_t size = attr->key && attr->key_len ? put_long(slot, attr, limits) : 0;
    block_field key;

    if (!size) {
        drop_attr(slot);
        return;
    }
    key = field_at(field_at(slot->at).body);
    keep_checked(slot, limits, (const char *)key.body, (size_t)(key.next - key.body), size);
}

void kis_slot_set_attrs(kis_slot *slot, const kis_span_limits *limits, kis_attr_list attrs)
{
    for (const kis_attr *attr = attrs.at, *end = attr + attrs.count; attr < end; attr++) {
        uint32_t size;
        if (attr->_flags & KIS_ATTR_PLAIN_KEY_ ? kis_slot_set_plain(slot, attr)
                                               : kis_slot_set_short(slot, limits, attr))
            continue;
        size = kis_slot_put_short(slot, attr, limits);
        if (size)
            keep_checked(slot, limits, attr->key, attr->key_len, size);
        else
            set_long(slot, limits, attr);
    }
}

void kis_slot_drop_text(kis_slot *slot, kis_slot_text *where)
{
    if (where->at)
        make_hole(slot, slot->block + where->at - kis_varint_size(where->len) - 1);
    *where = (kis_slot_text){ 0 };
}

void kis_slot_count_repair(kis_slot *slot)
{
    kis_thread_counts *counts = kis_counts_here(slot->sdk);

    if (counts)
        kis_count(&counts->repaired_texts, 1);
}

bool kis_slot_set_text(kis_slot *slot, uint32_t tag, kis_str text, size_t max_bytes,
                       kis_slot_text *where)
{
    bool is_plain = true;
    size_t size = text.len, given = size;
    uint8_t *to = slot->at, *body;

    if (KIS_LIKELY((size_t)(slot->end - to) >= 2 + KIS_SHORT_TEXT_MAX &&
                   kis_put_short_text(to, (uint8_t)tag, text))) {
        body = to + 2;
    } else {
        if (text.len > max_bytes)
            text.len = kis_utf8_cut_bytes(text, max_bytes);
        size = kis_text_size(&text, UINT32_MAX, &is_plain);
        to = kis_slot_room(slot, message_size(size));
        if (!to)
            return false;
        if (!is_plain || text.len < given)
            kis_slot_count_repair(slot);
        body = put_message_head(to, tag, size);
        kis_text_put(body, text, is_plain);
    }
    if (KIS_UNLIKELY(where->at))
        kis_slot_drop_text(slot, where);
    slot->at = body + size;
    *where = (kis_slot_text){ (uint32_t)(body - slot->block), (uint32_t)size };
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
static uint8_t *item_attrs_do(uint8_t *to, uint32_t tag, kis_attr_list attrs, kis_attr_list more,
                              uint32_t max, const kis_span_limits *limits, item_attrs *sum)
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

bool kis_slot_add_item(kis_slot *slot, uint32_t tag, kis_bytes head, uint32_t attr_tag,
                       kis_attr_list attrs, kis_attr_list more, uint32_t max_attrs,
                       const kis_span_limits *limits)
{
    item_attrs sum = { 0 }, again = { 0 };
    kis_thread_counts *counts;
    size_t body;
    uint8_t *to, *at;

    item_attrs_do(NULL, attr_tag, attrs, more, max_attrs, limits, &sum);
    item_attrs_do(NULL, attr_tag, more, (kis_attr_list){ 0 }, max_attrs, limits, &sum);
    body = head.len + sum.size + (sum.dropped ? 1 + kis_varint_size(sum.dropped) : 0);
    to = body <= KIS_SLOT_BLOCK_MAX ? kis_slot_room(slot, message_size(body)) : NULL;
    if (!to)
        return false;
    at = put_message_head(to, tag, body);
    memcpy(at, head.ptr, head.len);
    at = item_attrs_do(at + head.len, attr_tag, attrs, more, max_attrs, limits, &again);
    at = item_attrs_do(at, attr_tag, more, (kis_attr_list){ 0 }, max_attrs, limits, &again);
    if (sum.dropped) {
        /* dropped_attributes_count is the next field, a varint, in events and links alike */
        *at++ = (uint8_t)(attr_tag - 2 + 8);
        at += kis_varint_put(at, sum.dropped);
        counts = kis_counts_here(slot->sdk);
        if (counts)
            kis_count(&counts->dropped_attrs, sum.dropped);
    }
    KIS_ASSERT(at == to + message_size(body));
    slot->at += message_size(body);
    return true;
}

kis_err kis_attrs_write(kis_arena *arena, uint32_t tag, kis_attr_list attrs,
                        const kis_span_limits *limits, kis_bytes *out, uint32_t *out_count)
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
