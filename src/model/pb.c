/* pb.c - protobuf's wire format, one field at a time.
 *
 * Reading moves the cursor only when a whole field was there, so an error leaves it at the field
 * that is wrong. Groups (unknown ones: OTLP has none) are walked with a stack of field numbers, not
 * with recursion.
 *
 * Writing a message of unknown length leaves as many bytes for its length as the guess has, two
 * unless said otherwise, which is what a span needs; a body that turns out shorter or longer is
 * moved once when the message ends.
 */
#include "model/pb.h"

#include "model/limits.h"

#define USUAL_SIZE 500 /* of a message: two bytes for its length */

/* A tag as the wire has it; field 0 and wire types 6 and 7 do not exist. */
static kis_err pb_read_tag(kis_cursor *c, uint32_t *out)
{
    uint64_t tag;
    if (!kis_cursor_varint(c, &tag) || tag > UINT32_MAX || tag < 8 || (tag & 7) > KIS_PB_FIX32)
        return KIS_ERR_SYNTAX;
    *out = (uint32_t)tag;
    return KIS_OK;
}

/* Everything behind a tag but a group. */
static kis_err pb_read_payload(kis_cursor *c, kis_pb_field *field)
{
    uint32_t word;
    switch (field->tag & 7) {
    case KIS_PB_VARINT:
        return kis_cursor_varint(c, &field->number) ? KIS_OK : KIS_ERR_SYNTAX;
    case KIS_PB_FIX64:
        return kis_cursor_u64(c, &field->number) ? KIS_OK : KIS_ERR_MORE;
    case KIS_PB_FIX32:
        if (!kis_cursor_u32(c, &word))
            return KIS_ERR_MORE;
        field->number = word;
        return KIS_OK;
    default:
        if (!kis_cursor_varint(c, &field->number))
            return KIS_ERR_SYNTAX;
        return kis_cursor_bytes(c, field->number, &field->bytes) ? KIS_OK : KIS_ERR_MORE;
    }
}

/* From behind a start tag to behind its end tag; `inside` is what lies between. */
static kis_err pb_read_group(kis_cursor *c, uint32_t start_tag, kis_bytes *inside)
{
    uint32_t open[KIS_PB_GROUP_DEPTH_MAX];
    uint32_t depth = 0;
    const uint8_t *start = c->at;

    open[depth++] = start_tag >> 3;
    while (depth > 0) {
        const uint8_t *end = c->at;
        if (c->at == c->end)
            return KIS_ERR_SYNTAX; /* the end group is missing */
        kis_pb_field field = { 0 };
        kis_err err = pb_read_tag(c, &field.tag);
        if (err)
            return err;
        if ((field.tag & 7) == KIS_PB_GROUP) {
            if (depth == KIS_PB_GROUP_DEPTH_MAX)
                return KIS_ERR_SYNTAX;
            open[depth++] = field.tag >> 3;
        } else if ((field.tag & 7) == KIS_PB_GROUP_END) {
            if (open[--depth] != field.tag >> 3)
                return KIS_ERR_SYNTAX;
            *inside = (kis_bytes){ start, (size_t)(end - start) };
        } else {
            err = pb_read_payload(c, &field);
            if (err)
                return err;
        }
    }
    return KIS_OK;
}

kis_err kis_pb_next(kis_cursor *c, kis_pb_field *out)
{
    if (c->at >= c->end)
        return KIS_ERR_NOT_FOUND;
    kis_cursor ahead = *c;
    kis_pb_field field = { 0 };
    kis_err err = pb_read_tag(&ahead, &field.tag);
    if (err)
        return err;
    switch (field.tag & 7) {
    case KIS_PB_GROUP:
        err = pb_read_group(&ahead, field.tag, &field.bytes);
        break;
    case KIS_PB_GROUP_END:
        return KIS_ERR_SYNTAX;
    default:
        err = pb_read_payload(&ahead, &field);
    }
    if (err)
        return err;
    *c = ahead;
    *out = field;
    return KIS_OK;
}

void kis_pb_put_varint(kis_buf *out, uint32_t field, uint64_t value)
{
    uint8_t *to = kis_buf_reserve(out, 20);
    if (!to)
        return;
    size_t len = kis_varint_put(to, KIS_PB_TAG(field, KIS_PB_VARINT));
    out->len += len + kis_varint_put(to + len, value);
}

void kis_pb_put_fix64(kis_buf *out, uint32_t field, uint64_t value)
{
    uint8_t *to = kis_buf_reserve(out, 18);
    if (!to)
        return;
    size_t len = kis_varint_put(to, KIS_PB_TAG(field, KIS_PB_FIX64));
    memcpy(to + len, &value, 8);
    out->len += len + 8;
}

void kis_pb_put_fix32(kis_buf *out, uint32_t field, uint32_t value)
{
    uint8_t *to = kis_buf_reserve(out, 14);
    if (!to)
        return;
    size_t len = kis_varint_put(to, KIS_PB_TAG(field, KIS_PB_FIX32));
    memcpy(to + len, &value, 4);
    out->len += len + 4;
}

void kis_pb_put_bytes(kis_buf *out, uint32_t field, kis_bytes value)
{
    if (value.len > SIZE_MAX - 20) {
        out->err = out->err ? out->err : KIS_ERR_LIMIT;
        return;
    }
    uint8_t *to = kis_buf_reserve(out, value.len + 20);
    if (!to)
        return;
    size_t len = kis_varint_put(to, KIS_PB_TAG(field, KIS_PB_BYTES));
    len += kis_varint_put(to + len, value.len);
    if (value.len)
        memcpy(to + len, value.ptr, value.len);
    out->len += len + value.len;
}

size_t kis_pb_begin_about(kis_buf *out, uint32_t field, uint64_t expected_size)
{
    uint8_t *to = kis_buf_reserve(out, 20);
    if (!to)
        return out->len;
    size_t room = kis_varint_size(expected_size);
    out->len += kis_varint_put(to, KIS_PB_TAG(field, KIS_PB_BYTES)) + room;
    out->ptr[out->len - 1] = (uint8_t)room; /* for kis_pb_end */
    return out->len;
}

size_t kis_pb_begin(kis_buf *out, uint32_t field)
{
    return kis_pb_begin_about(out, field, USUAL_SIZE);
}

void kis_pb_end(kis_buf *out, size_t begun)
{
    if (out->err)
        return;
    size_t size = out->len - begun, room = out->ptr[begun - 1];
    size_t need = kis_varint_size(size);
    if (need > room && !kis_buf_reserve(out, need - room))
        return;
    uint8_t *length = out->ptr + begun - room;
    if (need != room && size)
        memmove(length + need, length + room, size);
    kis_varint_put(length, size);
    out->len = begun - room + need + size;
}
