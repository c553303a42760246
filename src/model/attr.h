/* attr.h - attributes. Their form everywhere is OTLP's KeyValue bytes: read through a cursor,
 * written through a writer.
 *
 * A set of attributes is a stretch of protobuf fields of which those with one tag are the
 * KeyValues:
 *
 *     Span: … 4a 1f 0a0b"http.method"1205… 4a 12 … 52 …       tag 0x4a is field 9, Span.attributes
 *             ^ kis_attrs{ptr, len, tag 0x4a}        ^ end     whatever has another tag is skipped
 *
 * so a set received from the wire is a pointer into the request, and one recorded is a pointer into
 * the span's buffer; nothing is copied or indexed. What a kis_attrs points to has been checked by
 * whoever made it (decoder or writer): well formed, depth, counts, lengths, UTF-8. The cursors
 * below still never read outside it, whatever it holds: bytes that came back from a disk are only
 * as good as their checksum.
 */
#ifndef KIS_MODEL_ATTR_H
#define KIS_MODEL_ATTR_H

#include "base/arena.h"
#include "model/pb.h"

typedef struct kis_attrs {
    const uint8_t *ptr;
    uint32_t len;
    uint32_t tag; /* one of KIS_TAG_*_ATTRS */
} kis_attrs;

#define KIS_TAG_SPAN_ATTRS     KIS_PB_TAG(9, KIS_PB_BYTES)
#define KIS_TAG_EVENT_ATTRS    KIS_PB_TAG(3, KIS_PB_BYTES)
#define KIS_TAG_LINK_ATTRS     KIS_PB_TAG(4, KIS_PB_BYTES)
#define KIS_TAG_SCOPE_ATTRS    KIS_PB_TAG(3, KIS_PB_BYTES)
#define KIS_TAG_RESOURCE_ATTRS KIS_PB_TAG(1, KIS_PB_BYTES)
#define KIS_TAG_KVLIST_VALUES  KIS_PB_TAG(1, KIS_PB_BYTES)

typedef enum kis_value_kind {
    KIS_VALUE_NONE, /* no value set: OTLP's null */
    KIS_VALUE_STR,
    KIS_VALUE_BOOL,
    KIS_VALUE_INT,
    KIS_VALUE_DOUBLE,
    KIS_VALUE_ARRAY,
    KIS_VALUE_KVLIST,
    KIS_VALUE_BYTES,
} kis_value_kind; /* the order is that of OTLP's AnyValue fields 1 to 7 */

/** A value as seen in place; borrows from the attribute bytes. */
typedef struct kis_value_view {
    kis_value_kind kind;
    union {
        kis_str str;
        bool boolean;
        int64_t integer;
        double number;
        kis_bytes bytes;   /* BYTES */
        kis_bytes values;  /* ARRAY: an ArrayValue message, for kis_array_next */
        kis_attrs members; /* KVLIST: for kis_attrs_begin */
    };
} kis_value_view;

typedef struct kis_attr_view {
    kis_str key;
    kis_bytes value_bytes; /* the AnyValue message as it stands; equal bytes are equal values */
    kis_bytes bytes;       /* the whole KeyValue message */
} kis_attr_view;

typedef struct kis_attr_cursor {
    kis_cursor rest;
    uint32_t tag;
} kis_attr_cursor;

/** for (kis_attr_cursor c = kis_attrs_begin(attrs); kis_attrs_next(&c, &attr);) … in the order of
 * the wire. */
static inline kis_attr_cursor kis_attrs_begin(kis_attrs a)
{
    return (kis_attr_cursor){ kis_cursor_of((kis_bytes){ a.ptr, a.len }), a.tag };
}
bool kis_attrs_next(kis_attr_cursor *c, kis_attr_view *out);
/** Reads an AnyValue message. What cannot be read is KIS_VALUE_NONE. */
kis_value_view kis_value_read(kis_bytes any_value);
/** for (kis_cursor c = kis_cursor_of(value.values); kis_array_next(&c, &item);) … */
bool kis_array_next(kis_cursor *c, kis_value_view *out);
/** True for ARRAY and KVLIST. */
static inline bool kis_value_is_container(const kis_value_view *value)
{
    return value->kind == KIS_VALUE_ARRAY || value->kind == KIS_VALUE_KVLIST;
}
/** for (kis_member_cursor c = kis_members_begin(&value); kis_members_next(&c, &key, &member);) …
 * over either container, for who walks nested values with a stack. */
typedef struct kis_member_cursor {
    kis_cursor rest;
    bool has_keys; /* KVLIST */
} kis_member_cursor;
kis_member_cursor kis_members_begin(const kis_value_view *container);
/** `out_key` is the empty text in an ARRAY. */
bool kis_members_next(kis_member_cursor *c, kis_str *out_key, kis_value_view *out);
/** The first attribute of that key. */
bool kis_attrs_find(kis_attrs attrs, kis_str key, kis_value_view *out);
uint32_t kis_attrs_count(kis_attrs attrs);
/** The text of key `key` when it is a text, else the empty text. */
kis_str kis_attrs_text(kis_attrs attrs, kis_str key);

/** Writes one KeyValue with its outer tag; `tag` as in kis_attrs. */
void kis_attr_put_str(kis_buf *out, uint32_t tag, kis_str key, kis_str value);
void kis_attr_put_bool(kis_buf *out, uint32_t tag, kis_str key, bool value);
void kis_attr_put_int(kis_buf *out, uint32_t tag, kis_str key, int64_t value);
void kis_attr_put_double(kis_buf *out, uint32_t tag, kis_str key, double value);
void kis_attr_put_bytes(kis_buf *out, uint32_t tag, kis_str key, kis_bytes value);
/** Any value whose AnyValue bytes exist. */
void kis_attr_put_any(kis_buf *out, uint32_t tag, kis_str key, kis_bytes any_value);
/** An AnyValue message of `value`, without tag or length; arrays and lists are copied as bytes. */
void kis_value_put(kis_buf *out, const kis_value_view *value);

/** The text form that Jaeger shows and matches by: text as is, numbers shortest, true/false, bytes
 * as base64, arrays and lists as JSON. */
void kis_value_text(kis_value_view value, kis_buf *out);

#endif
