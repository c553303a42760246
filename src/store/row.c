/* row.c - encoding and decoding of one span. No memory is taken;
 * decoding trusts nothing but the cursor. */
#include "store/row.h"

#include "model/limits.h"

/* Sum of the fields with this tag. A stretch cut by the decoder is well formed; of anything else
 * only the readable part counts. */
size_t kis_fields_size(const uint8_t *ptr, size_t len, uint32_t tag)
{
    kis_cursor c = { ptr, ptr + len };
    kis_pb_field field;
    size_t size = 0;

    while (c.at < c.end) {
        const uint8_t *before = c.at;
        if (c.end - before > 2 && *before == tag && before[1] < 0x80 &&
            before[1] <= c.end - before - 2) { /* nearly always */
            c.at += 2 + before[1];
            size += 2u + before[1];
            continue;
        }
        if (kis_pb_next(&c, &field) != KIS_OK)
            break;
        if (field.tag == tag)
            size += (size_t)(c.at - before);
    }
    return size;
}

uint8_t *kis_fields_copy(const uint8_t *ptr, size_t len, uint32_t tag, size_t size, uint8_t *to)
{
    kis_cursor c = { ptr, ptr + len };
    kis_pb_field field;

    if (size == len) { /* nothing but these fields: nearly always */
        if (len)
            memcpy(to, ptr, len);
        return to + len;
    }
    while (c.at < c.end) {
        const uint8_t *before = c.at;
        if (kis_pb_next(&c, &field) != KIS_OK)
            break;
        if (field.tag != tag)
            continue;
        memcpy(to, before, (size_t)(c.at - before));
        to += c.at - before;
    }
    return to;
}

static size_t piece_size(size_t len)
{
    return kis_varint_size(len) + len;
}

static uint8_t *piece_put(uint8_t *to, const void *ptr, size_t len)
{
    to += kis_varint_put(to, len);
    if (len)
        memcpy(to, ptr, len);
    return to + len;
}

static bool piece_read(kis_cursor *c, kis_bytes *out)
{
    uint64_t len;
    return kis_cursor_varint(c, &len) && kis_cursor_bytes(c, len, out);
}

static bool varint32_read(kis_cursor *c, uint32_t *out)
{
    uint64_t value;
    if (!kis_cursor_varint(c, &value) || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

size_t kis_row_rest_size(const kis_span_view *s, uint8_t *out_parts)
{
    size_t size = 0;
    uint8_t parts = 0;

    if (s->flags) {
        parts |= KIS_ROW_HAS_FLAGS;
        size += kis_varint_size(s->flags);
    }
    if (s->dropped_attrs | s->dropped_events | s->dropped_links) {
        parts |= KIS_ROW_HAS_DROPPED;
        size += kis_varint_size(s->dropped_attrs) + kis_varint_size(s->dropped_events) +
                kis_varint_size(s->dropped_links);
    }
    if (s->trace_state.len) {
        parts |= KIS_ROW_HAS_STATE;
        size += piece_size(s->trace_state.len);
    }
    if (s->status_message.len) {
        parts |= KIS_ROW_HAS_MESSAGE;
        size += piece_size(s->status_message.len);
    }
    if (s->events.len) {
        parts |= KIS_ROW_HAS_EVENTS;
        size += kis_varint_size(s->event_count) +
                piece_size(kis_fields_size(s->events.ptr, s->events.len, KIS_TAG_SPAN_EVENTS));
    }
    if (s->links.len) {
        parts |= KIS_ROW_HAS_LINKS;
        size += kis_varint_size(s->link_count) +
                piece_size(kis_fields_size(s->links.ptr, s->links.len, KIS_TAG_SPAN_LINKS));
    }
    *out_parts = parts;
    return size;
}

static uint8_t *fields_put(uint8_t *to, kis_bytes stretch, uint32_t tag)
{
    size_t size = kis_fields_size(stretch.ptr, stretch.len, tag);
    to += kis_varint_put(to, size);
    return kis_fields_copy(stretch.ptr, stretch.len, tag, size, to);
}

uint8_t *kis_row_rest_encode(const kis_span_view *s, uint8_t parts, uint8_t *to)
{
    if (parts & KIS_ROW_HAS_FLAGS)
        to += kis_varint_put(to, s->flags);
    if (parts & KIS_ROW_HAS_DROPPED) {
        to += kis_varint_put(to, s->dropped_attrs);
        to += kis_varint_put(to, s->dropped_events);
        to += kis_varint_put(to, s->dropped_links);
    }
    if (parts & KIS_ROW_HAS_STATE)
        to = piece_put(to, s->trace_state.ptr, s->trace_state.len);
    if (parts & KIS_ROW_HAS_MESSAGE)
        to = piece_put(to, s->status_message.ptr, s->status_message.len);
    if (parts & KIS_ROW_HAS_EVENTS) {
        to += kis_varint_put(to, s->event_count);
        to = fields_put(to, s->events, KIS_TAG_SPAN_EVENTS);
    }
    if (parts & KIS_ROW_HAS_LINKS) {
        to += kis_varint_put(to, s->link_count);
        to = fields_put(to, s->links, KIS_TAG_SPAN_LINKS);
    }
    return to;
}

bool kis_row_rest_decode(kis_cursor *c, uint8_t parts, kis_span_view *out)
{
    kis_bytes piece;

    if ((parts & KIS_ROW_HAS_FLAGS) && !varint32_read(c, &out->flags))
        return false;
    if ((parts & KIS_ROW_HAS_DROPPED) &&
        (!varint32_read(c, &out->dropped_attrs) || !varint32_read(c, &out->dropped_events) ||
         !varint32_read(c, &out->dropped_links)))
        return false;
    if (parts & KIS_ROW_HAS_STATE) {
        if (!piece_read(c, &piece))
            return false;
        out->trace_state = kis_str_of_bytes(piece);
    }
    if (parts & KIS_ROW_HAS_MESSAGE) {
        if (!piece_read(c, &piece))
            return false;
        out->status_message = kis_str_of_bytes(piece);
    }
    if ((parts & KIS_ROW_HAS_EVENTS) &&
        (!varint32_read(c, &out->event_count) || !piece_read(c, &out->events)))
        return false;
    if ((parts & KIS_ROW_HAS_LINKS) &&
        (!varint32_read(c, &out->link_count) || !piece_read(c, &out->links)))
        return false;
    return true;
}

size_t kis_row_size(const kis_span_view *s)
{
    uint8_t parts;
    size_t attrs = s->attrs.len ? kis_fields_size(s->attrs.ptr, s->attrs.len, s->attrs.tag) : 0;
    return KIS_ROW_FIXED + piece_size(s->name.len) + piece_size(attrs) +
           kis_row_rest_size(s, &parts);
}

uint8_t *kis_row_encode(const kis_span_view *s, uint8_t *to)
{
    uint8_t *row = to;
    uint8_t parts;
    size_t attrs = s->attrs.len ? kis_fields_size(s->attrs.ptr, s->attrs.len, s->attrs.tag) : 0;
    uint16_t attr_count = (uint16_t)KIS_MIN(s->attr_count, 0xffffu);

    kis_row_rest_size(s, &parts);
    row[4] = (uint8_t)((s->kind & 7) | (s->status & 3) << 3);
    row[5] = parts;
    memcpy(row + 6, &attr_count, 2);
    memcpy(row + 8, &s->trace_id, 16);
    memcpy(row + 24, &s->span_id, 8);
    memcpy(row + 32, &s->parent_id, 8);
    memcpy(row + 40, &s->start_unix_ns, 8);
    memcpy(row + 48, &s->end_unix_ns, 8);
    to = piece_put(row + KIS_ROW_FIXED, s->name.ptr, s->name.len);
    to += kis_varint_put(to, attrs);
    if (attrs)
        to = kis_fields_copy(s->attrs.ptr, s->attrs.len, s->attrs.tag, attrs, to);
    to = kis_row_rest_encode(s, parts, to);
    uint32_t size = (uint32_t)(to - row);
    memcpy(row, &size, 4);
    return to;
}

bool kis_row_decode(kis_cursor *c, kis_span_view *out)
{
    const uint8_t *row = c->at;
    kis_bytes name, attrs;
    uint16_t attr_count;

    if (kis_cursor_left(c) < KIS_ROW_FIXED)
        return false;
    uint32_t size = kis_row_bytes(row);
    if (size < KIS_ROW_FIXED || size > kis_cursor_left(c))
        return false;
    kis_cursor rest = { row + KIS_ROW_FIXED, row + size };
    *out = (kis_span_view){ .kind = row[4] & 7, .status = row[4] >> 3 & 3 };
    memcpy(&attr_count, row + 6, 2);
    memcpy(&out->trace_id, row + 8, 16);
    memcpy(&out->span_id, row + 24, 8);
    memcpy(&out->parent_id, row + 32, 8);
    memcpy(&out->start_unix_ns, row + 40, 8);
    memcpy(&out->end_unix_ns, row + 48, 8);
    if (!piece_read(&rest, &name) || !piece_read(&rest, &attrs) ||
        !kis_row_rest_decode(&rest, row[5], out) || rest.at != rest.end)
        return false;
    out->name = kis_str_of_bytes(name);
    out->attrs = (kis_attrs){ attrs.ptr, (uint32_t)attrs.len, KIS_TAG_SPAN_ATTRS };
    out->attr_count = attr_count;
    c->at = row + size;
    return true;
}
