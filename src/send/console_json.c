/* console_json.c - see console_json.h. Written compactly first, then indented by one small walk
 * over the text: the writer says what a span is, the walk how it looks.
 */
#include "send/console_json.h"

#include "base/num.h"
#include "model/json_put.h"

#define INDENT_DEPTH_MAX 40 /* deeper JSON goes on at the same indent */

static void put_key(kis_buf *out, const char *key)
{
    uint8_t last = out->len ? out->ptr[out->len - 1] : '{';
    if (last != '{' && last != '[')
        kis_buf_add_byte(out, ',');
    kis_json_put_str(out, kis_str_from_c(key));
    kis_buf_add_byte(out, ':');
}

static void put_text(kis_buf *out, const char *key, kis_str value)
{
    put_key(out, key);
    kis_json_put_str(out, value);
}

static void put_number(kis_buf *out, const char *key, uint64_t value)
{
    put_key(out, key);
    kis_buf_add_u64(out, value);
}

static void put_time(kis_buf *out, const char *key, uint64_t unix_ns)
{
    char text[KIS_NUM_TEXT_MAX];
    put_text(out, key, kis_str_of(text, kis_time_format(unix_ns, text)));
}

/* ---- values and attributes: {"Key":"k","Value":{"Type":"STRING","Value":"v"}}
 * ------------------------------ */

static void put_value_text(kis_value_view value, kis_buf *out)
{
    switch (value.kind) {
    case KIS_VALUE_STR:
        kis_json_put_str(out, value.str);
        break;
    case KIS_VALUE_BYTES:
        kis_buf_add_byte(out, '"');
        kis_json_put_base64(out, value.bytes);
        kis_buf_add_byte(out, '"');
        break;
    case KIS_VALUE_DOUBLE:
        kis_json_put_f64(out, value.number);
        break;
    case KIS_VALUE_NONE:
        kis_buf_add_str(out, KIS_STR("null"));
        break;
    default: /* int, bool, array, list: their text form is JSON */
        kis_value_text(value, out);
    }
}

static void put_attrs(kis_buf *out, const char *key, kis_attrs attrs)
{
    static const char *const types[] = { "EMPTY",   "STRING", "BOOL", "INT64",
                                         "FLOAT64", "ARRAY",  "MAP",  "BYTES" };
    kis_attr_view attr;

    put_key(out, key);
    if (kis_attrs_count(attrs) == 0) {
        kis_buf_add_str(out, KIS_STR("null"));
        return;
    }
    kis_buf_add_byte(out, '[');
    for (kis_attr_cursor c = kis_attrs_begin(attrs); kis_attrs_next(&c, &attr);) {
        kis_value_view value = kis_value_read(attr.value_bytes);
        if (out->len && out->ptr[out->len - 1] != '[')
            kis_buf_add_byte(out, ',');
        kis_buf_add_byte(out, '{');
        put_text(out, "Key", attr.key);
        put_key(out, "Value");
        kis_buf_add_byte(out, '{');
        put_text(out, "Type", kis_str_from_c(types[value.kind]));
        put_key(out, "Value");
        put_value_text(value, out);
        kis_buf_add_str(out, KIS_STR("}}"));
    }
    kis_buf_add_byte(out, ']');
}

/* ---- the parts of a span
 * ------------------------------------------------------------------------------------- */

static void put_context(kis_buf *out, const char *key, const kis_trace_id *trace,
                        const kis_span_id *span, uint32_t flags, kis_str state, bool is_remote)
{
    char hex[32];

    put_key(out, key);
    kis_buf_add_byte(out, '{');
    kis_hex_format(trace->bytes, 16, hex);
    put_text(out, "TraceID", kis_str_of(hex, 32));
    kis_hex_format(span->bytes, 8, hex);
    put_text(out, "SpanID", kis_str_of(hex, 16));
    kis_hex_format(&(uint8_t){ (uint8_t)flags }, 1, hex);
    put_text(out, "TraceFlags", kis_str_of(hex, 2));
    put_text(out, "TraceState", state);
    put_key(out, "Remote");
    kis_buf_add_str(out, is_remote ? KIS_STR("true") : KIS_STR("false"));
    kis_buf_add_byte(out, '}');
}

static void put_events(kis_buf *out, const kis_span_view *span)
{
    kis_event_view event;

    put_key(out, "Events");
    if (span->event_count == 0) {
        kis_buf_add_str(out, KIS_STR("null"));
        return;
    }
    kis_buf_add_byte(out, '[');
    for (kis_cursor c = kis_cursor_of(span->events); kis_event_next(&c, &event);) {
        if (out->len && out->ptr[out->len - 1] != '[')
            kis_buf_add_byte(out, ',');
        kis_buf_add_byte(out, '{');
        put_text(out, "Name", event.name);
        put_attrs(out, "Attributes", event.attrs);
        put_number(out, "DroppedAttributeCount", event.dropped_attrs);
        put_time(out, "Time", event.time_unix_ns);
        kis_buf_add_byte(out, '}');
    }
    kis_buf_add_byte(out, ']');
}

static void put_links(kis_buf *out, const kis_span_view *span)
{
    kis_link_view link;

    put_key(out, "Links");
    if (span->link_count == 0) {
        kis_buf_add_str(out, KIS_STR("null"));
        return;
    }
    kis_buf_add_byte(out, '[');
    for (kis_cursor c = kis_cursor_of(span->links); kis_link_next(&c, &link);) {
        if (out->len && out->ptr[out->len - 1] != '[')
            kis_buf_add_byte(out, ',');
        kis_buf_add_byte(out, '{');
        put_context(out, "SpanContext", &link.trace_id, &link.span_id, link.flags, link.trace_state,
                    (link.flags & KIS_OTLP_FLAG_IS_REMOTE) != 0);
        put_attrs(out, "Attributes", link.attrs);
        put_number(out, "DroppedAttributeCount", link.dropped_attrs);
        kis_buf_add_byte(out, '}');
    }
    kis_buf_add_byte(out, ']');
}

static void put_parent(kis_buf *out, const kis_span_view *span)
{
    bool has_parent = kis_span_id_is_valid(&span->parent_id);
    kis_trace_id trace = has_parent ? span->trace_id : (kis_trace_id){ { 0 } };

    put_context(out, "Parent", &trace, &span->parent_id, has_parent ? span->flags : 0,
                has_parent ? span->trace_state : KIS_STR_NONE,
                (span->flags & KIS_OTLP_FLAG_IS_REMOTE) != 0);
}

static void put_status(kis_buf *out, const kis_span_view *span)
{
    static const char *const codes[] = { "Unset", "Ok", "Error" };

    put_key(out, "Status");
    kis_buf_add_byte(out, '{');
    put_text(out, "Code", kis_str_from_c(codes[span->status <= 2 ? span->status : 0]));
    put_text(out, "Description", span->status_message);
    kis_buf_add_byte(out, '}');
}

static void put_scope(kis_buf *out, const kis_scope_view *scope)
{
    put_key(out, "InstrumentationScope");
    kis_buf_add_byte(out, '{');
    put_text(out, "Name", scope->name);
    put_text(out, "Version", scope->version);
    put_text(out, "SchemaURL", scope->schema_url);
    put_attrs(out, "Attributes", scope->attrs);
    kis_buf_add_byte(out, '}');
}

static void put_span(const kis_found_span *found, kis_buf *out)
{
    const kis_span_view *span = found->span;

    kis_buf_add_byte(out, '{');
    put_text(out, "Name", span->name);
    put_context(out, "SpanContext", &span->trace_id, &span->span_id, span->flags, span->trace_state,
                false);
    put_parent(out, span);
    put_number(out, "SpanKind", span->kind);
    put_time(out, "StartTime", span->start_unix_ns);
    put_time(out, "EndTime", span->end_unix_ns);
    put_attrs(out, "Attributes", span->attrs);
    put_events(out, span);
    put_links(out, span);
    put_status(out, span);
    put_number(out, "DroppedAttributes", span->dropped_attrs);
    put_number(out, "DroppedEvents", span->dropped_events);
    put_number(out, "DroppedLinks", span->dropped_links);
    put_attrs(out, "Resource", found->resource->attrs);
    put_scope(out, found->scope);
    kis_buf_add_byte(out, '}');
}

/* ---- indenting ------------------------------------------------------------------------------- */

static void put_line_start(kis_buf *out, unsigned depth)
{
    kis_buf_add_byte(out, '\n');
    for (unsigned i = 0; i < KIS_MIN(depth, INDENT_DEPTH_MAX); i++)
        kis_buf_add_byte(out, '\t');
}

static void indent_json(kis_str compact, kis_buf *out)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < compact.len; i++) {
        char c = compact.ptr[i];
        bool is_escaped = in_string && i > 0 && c == '\\';
        if (is_escaped && i + 1 < compact.len) { /* the escaped character cannot end the string */
            kis_buf_add(out, compact.ptr + i++, 2);
            continue;
        }
        if (c == '"')
            in_string = !in_string;
        if (!in_string && (c == '}' || c == ']'))
            put_line_start(out, --depth);
        kis_buf_add_byte(out, (uint8_t)c);
        if (in_string)
            continue;
        if (c == '{' || c == '[')
            put_line_start(out, ++depth);
        else if (c == ',')
            put_line_start(out, depth);
        else if (c == ':')
            kis_buf_add_byte(out, ' ');
    }
}

void kis_console_span(const kis_found_span *found, kis_buf *out)
{
    kis_buf compact;

    kis_buf_init(&compact, out->alloc, out->max);
    put_span(found, &compact);
    if (compact.err)
        out->err = out->err ? out->err : compact.err;
    else
        indent_json(kis_buf_str(&compact), out);
    kis_buf_add_byte(out, '\n');
    kis_buf_done(&compact);
}
