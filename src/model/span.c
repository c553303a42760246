/* span.c - events and links of a span, read in place. */
#include "model/span.h"

bool kis_event_next(kis_cursor *c, kis_event_view *out)
{
    kis_bytes message;
    kis_pb_field field;

    if (!kis_pb_next_tagged(c, KIS_TAG_SPAN_EVENTS, &message))
        return false;
    *out = (kis_event_view){ .attrs = { message.ptr, (uint32_t)message.len, KIS_TAG_EVENT_ATTRS } };
    for (kis_cursor in = kis_cursor_of(message); kis_pb_next(&in, &field) == KIS_OK;) {
        switch (field.tag) {
        case KIS_PB_TAG(1, KIS_PB_FIX64):
            out->time_unix_ns = field.number;
            break;
        case KIS_PB_TAG(2, KIS_PB_BYTES):
            out->name = kis_str_of_bytes(field.bytes);
            break;
        case KIS_PB_TAG(4, KIS_PB_VARINT):
            out->dropped_attrs = (uint32_t)field.number;
            break;
        default:
            break;
        }
    }
    return true;
}

bool kis_link_next(kis_cursor *c, kis_link_view *out)
{
    kis_bytes message;
    kis_pb_field field;

    if (!kis_pb_next_tagged(c, KIS_TAG_SPAN_LINKS, &message))
        return false;
    *out = (kis_link_view){ .attrs = { message.ptr, (uint32_t)message.len, KIS_TAG_LINK_ATTRS } };
    for (kis_cursor in = kis_cursor_of(message); kis_pb_next(&in, &field) == KIS_OK;) {
        switch (field.tag) {
        case KIS_PB_TAG(1, KIS_PB_BYTES):
            if (field.bytes.len == sizeof out->trace_id.bytes)
                memcpy(out->trace_id.bytes, field.bytes.ptr, sizeof out->trace_id.bytes);
            break;
        case KIS_PB_TAG(2, KIS_PB_BYTES):
            if (field.bytes.len == sizeof out->span_id.bytes)
                memcpy(out->span_id.bytes, field.bytes.ptr, sizeof out->span_id.bytes);
            break;
        case KIS_PB_TAG(3, KIS_PB_BYTES):
            out->trace_state = kis_str_of_bytes(field.bytes);
            break;
        case KIS_PB_TAG(5, KIS_PB_VARINT):
            out->dropped_attrs = (uint32_t)field.number;
            break;
        case KIS_PB_TAG(6, KIS_PB_FIX32):
            out->flags = (uint32_t)field.number;
            break;
        default:
            break;
        }
    }
    return true;
}
