/* attr.c - reading and writing attributes in place.
 *
 * Reading is a cursor over fields that answers one KeyValue at a time. Nothing here recurses:
 * nested values are bytes until somebody asks for them. Not here: the text form (value_text.c), the
 * checks at the door (wire/otlp_decode.c).
 */
#include "model/attr.h"

static void split_key_value(kis_bytes key_value, kis_attr_view *out)
{
    kis_cursor c = kis_cursor_of(key_value);
    kis_pb_field field;

    *out = (kis_attr_view){ .bytes = key_value };
    while (kis_pb_next(&c, &field) == KIS_OK) {
        if (field.tag == KIS_PB_TAG(1, KIS_PB_BYTES))
            out->key = kis_str_of_bytes(field.bytes);
        else if (field.tag == KIS_PB_TAG(2, KIS_PB_BYTES))
            out->value_bytes = field.bytes;
    }
}

bool kis_attrs_next(kis_attr_cursor *c, kis_attr_view *out)
{
    kis_bytes key_value;
    if (!kis_pb_next_tagged(&c->rest, c->tag, &key_value))
        return false;
    split_key_value(key_value, out);
    return true;
}

kis_value_view kis_value_read(kis_bytes any_value)
{
    kis_value_view value = { .kind = KIS_VALUE_NONE };
    kis_cursor c = kis_cursor_of(any_value);
    kis_pb_field field;

    while (kis_pb_next(&c, &field) == KIS_OK) { /* a oneof: the last one wins */
        switch (field.tag) {
        case KIS_PB_TAG(1, KIS_PB_BYTES):
            value = (kis_value_view){ .kind = KIS_VALUE_STR, .str = kis_str_of_bytes(field.bytes) };
            break;
        case KIS_PB_TAG(2, KIS_PB_VARINT):
            value = (kis_value_view){ .kind = KIS_VALUE_BOOL, .boolean = field.number != 0 };
            break;
        case KIS_PB_TAG(3, KIS_PB_VARINT):
            value = (kis_value_view){ .kind = KIS_VALUE_INT, .integer = (int64_t)field.number };
            break;
        case KIS_PB_TAG(4, KIS_PB_FIX64):
            value.kind = KIS_VALUE_DOUBLE;
            memcpy(&value.number, &field.number, 8);
            break;
        case KIS_PB_TAG(5, KIS_PB_BYTES):
            value = (kis_value_view){ .kind = KIS_VALUE_ARRAY, .values = field.bytes };
            break;
        case KIS_PB_TAG(6, KIS_PB_BYTES):
            value = (kis_value_view){ .kind = KIS_VALUE_KVLIST,
                                      .members = { field.bytes.ptr, (uint32_t)field.bytes.len,
                                                   KIS_TAG_KVLIST_VALUES } };
            break;
        case KIS_PB_TAG(7, KIS_PB_BYTES):
            value = (kis_value_view){ .kind = KIS_VALUE_BYTES, .bytes = field.bytes };
            break;
        default:
            break;
        }
    }
    return value;
}

bool kis_array_next(kis_cursor *c, kis_value_view *out)
{
    kis_bytes item;
    if (!kis_pb_next_tagged(c, KIS_PB_TAG(1, KIS_PB_BYTES), &item))
        return false;
    *out = kis_value_read(item);
    return true;
}

kis_member_cursor kis_members_begin(const kis_value_view *container)
{
    bool has_keys = container->kind == KIS_VALUE_KVLIST;
    kis_bytes bytes = has_keys ? (kis_bytes){ container->members.ptr, container->members.len }
                               : container->values;
    return (kis_member_cursor){ kis_cursor_of(bytes), has_keys };
}

bool kis_members_next(kis_member_cursor *c, kis_str *out_key, kis_value_view *out)
{
    *out_key = KIS_STR_NONE;
    if (!c->has_keys)
        return kis_array_next(&c->rest, out);
    kis_attr_cursor attrs = { c->rest, KIS_TAG_KVLIST_VALUES };
    kis_attr_view attr;
    if (!kis_attrs_next(&attrs, &attr))
        return false;
    c->rest = attrs.rest;
    *out_key = attr.key;
    *out = kis_value_read(attr.value_bytes);
    return true;
}

bool kis_attrs_find(kis_attrs attrs, kis_str key, kis_value_view *out)
{
    kis_attr_view attr;
    for (kis_attr_cursor c = kis_attrs_begin(attrs); kis_attrs_next(&c, &attr);) {
        if (kis_str_eq(attr.key, key)) {
            *out = kis_value_read(attr.value_bytes);
            return true;
        }
    }
    return false;
}

uint32_t kis_attrs_count(kis_attrs attrs)
{
    uint32_t count = 0;
    kis_bytes key_value;
    for (kis_cursor c = kis_cursor_of((kis_bytes){ attrs.ptr, attrs.len });
         kis_pb_next_tagged(&c, attrs.tag, &key_value);)
        count++;
    return count;
}

kis_str kis_attrs_text(kis_attrs attrs, kis_str key)
{
    kis_value_view value;
    if (kis_attrs_find(attrs, key, &value) && value.kind == KIS_VALUE_STR)
        return value.str;
    return KIS_STR_NONE;
}

/* ---- writing ---- */

static size_t bytes_field_size(size_t len) /* of a field number below 16 */
{
    return 1 + kis_varint_size(len) + len;
}

/* Outer tag and length, the key, and the value's tag and length. Answers where the AnyValue's
 * `value_len` bytes go, with out->len already behind them; NULL when there is no room. */
static uint8_t *put_attr_head(kis_buf *out, uint32_t tag, kis_str key, size_t value_len)
{
    if (key.len > UINT32_MAX || value_len > UINT32_MAX) {
        out->err = out->err ? out->err : KIS_ERR_LIMIT;
        return NULL;
    }
    size_t size = bytes_field_size(key.len) + bytes_field_size(value_len);
    uint8_t *at = kis_buf_reserve(out, size + 20);
    if (!at)
        return NULL;
    uint8_t *start = at;
    at += kis_varint_put(at, tag);
    at += kis_varint_put(at, size);
    *at++ = KIS_PB_TAG(1, KIS_PB_BYTES);
    at += kis_varint_put(at, key.len);
    if (key.len)
        memcpy(at, key.ptr, key.len);
    at += key.len;
    *at++ = KIS_PB_TAG(2, KIS_PB_BYTES);
    at += kis_varint_put(at, value_len);
    out->len += (size_t)(at - start) + value_len;
    return at;
}

static void put_attr_text(kis_buf *out, uint32_t tag, kis_str key, uint8_t value_tag,
                          const void *ptr, size_t len)
{
    uint8_t *at = put_attr_head(out, tag, key, bytes_field_size(len));
    if (!at)
        return;
    *at++ = value_tag;
    at += kis_varint_put(at, len);
    if (len)
        memcpy(at, ptr, len);
}

void kis_attr_put_str(kis_buf *out, uint32_t tag, kis_str key, kis_str value)
{
    put_attr_text(out, tag, key, KIS_PB_TAG(1, KIS_PB_BYTES), value.ptr, value.len);
}

void kis_attr_put_bytes(kis_buf *out, uint32_t tag, kis_str key, kis_bytes value)
{
    put_attr_text(out, tag, key, KIS_PB_TAG(7, KIS_PB_BYTES), value.ptr, value.len);
}

void kis_attr_put_bool(kis_buf *out, uint32_t tag, kis_str key, bool value)
{
    uint8_t *at = put_attr_head(out, tag, key, 2);
    if (!at)
        return;
    at[0] = KIS_PB_TAG(2, KIS_PB_VARINT);
    at[1] = value;
}

void kis_attr_put_int(kis_buf *out, uint32_t tag, kis_str key, int64_t value)
{
    uint8_t *at = put_attr_head(out, tag, key, 1 + kis_varint_size((uint64_t)value));
    if (!at)
        return;
    at[0] = KIS_PB_TAG(3, KIS_PB_VARINT);
    kis_varint_put(at + 1, (uint64_t)value);
}

void kis_attr_put_double(kis_buf *out, uint32_t tag, kis_str key, double value)
{
    uint8_t *at = put_attr_head(out, tag, key, 9);
    if (!at)
        return;
    at[0] = KIS_PB_TAG(4, KIS_PB_FIX64);
    memcpy(at + 1, &value, 8);
}

void kis_attr_put_any(kis_buf *out, uint32_t tag, kis_str key, kis_bytes any_value)
{
    uint8_t *at = put_attr_head(out, tag, key, any_value.len);
    if (at && any_value.len)
        memcpy(at, any_value.ptr, any_value.len);
}

void kis_value_put(kis_buf *out, const kis_value_view *value)
{
    uint64_t word;
    switch (value->kind) {
    case KIS_VALUE_NONE:
        break;
    case KIS_VALUE_STR:
        kis_pb_put_str(out, 1, value->str);
        break;
    case KIS_VALUE_BOOL:
        kis_pb_put_varint(out, 2, value->boolean);
        break;
    case KIS_VALUE_INT:
        kis_pb_put_varint(out, 3, (uint64_t)value->integer);
        break;
    case KIS_VALUE_DOUBLE:
        memcpy(&word, &value->number, 8);
        kis_pb_put_fix64(out, 4, word);
        break;
    case KIS_VALUE_ARRAY:
        kis_pb_put_bytes(out, 5, value->values);
        break;
    case KIS_VALUE_KVLIST:
        kis_pb_put_bytes(out, 6, (kis_bytes){ value->members.ptr, value->members.len });
        break;
    case KIS_VALUE_BYTES:
        kis_pb_put_bytes(out, 7, value->bytes);
        break;
    }
}
