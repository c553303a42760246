/* otlp_json_encode.c - OTLP/JSON from views: whole batches, single parts, and spans that come one
 * by one.
 *
 * proto3 JSON as OTLP has it: ids in lower-case hex, 64-bit numbers as text, enums as numbers,
 * lowerCamelCase keys. Fields without a value are left out, but for name, the two times and status,
 * which readers rely on.
 *
 * What is written is valid JSON in valid UTF-8 whatever the bytes were. Nested values are walked
 * with a stack, as in model/value_text.c.
 */
#include "base/num.h"
#include "model/json_put.h"
#include "wire/otlp.h"

#define JSON_PUT(out, literal) kis_buf_add((out), literal, sizeof(literal) - 1)

/* ---- pieces ---- */

static void json_u64_text(kis_buf *out, uint64_t value)
{
    uint8_t *to = kis_buf_reserve(out, KIS_NUM_TEXT_MAX + 2);
    if (!to)
        return;
    to[0] = '"';
    size_t len = kis_u64_format(value, (char *)to + 1);
    to[len + 1] = '"';
    out->len += len + 2;
}

static void json_i64_text(kis_buf *out, int64_t value)
{
    kis_buf_add_byte(out, '"');
    kis_buf_add_i64(out, value);
    kis_buf_add_byte(out, '"');
}

/* ,"key":number when it is not 0 */
static void json_count(kis_buf *out, kis_str comma_and_key, uint64_t value)
{
    if (value == 0)
        return;
    kis_buf_add_str(out, comma_and_key);
    kis_buf_add_u64(out, value);
}

static void json_text(kis_buf *out, kis_str comma_and_key, kis_str text)
{
    if (text.len == 0)
        return;
    kis_buf_add_str(out, comma_and_key);
    kis_json_put_str(out, text);
}

/* The members of an object are written with a comma in front of each; this turns the first one into
 * the brace. */
static void json_open_at(kis_buf *out, size_t start)
{
    if (out->err)
        return;
    if (out->len == start)
        kis_buf_add_byte(out, '{');
    else
        out->ptr[start] = '{';
}

/* ---- values ---- */

typedef struct json_level {
    kis_member_cursor members;
    bool has_any;
} json_level;

static void json_scalar(kis_buf *out, const kis_value_view *v)
{
    switch (v->kind) {
    case KIS_VALUE_STR:
        JSON_PUT(out, "{\"stringValue\":");
        kis_json_put_str(out, v->str);
        break;
    case KIS_VALUE_BOOL:
        if (v->boolean)
            JSON_PUT(out, "{\"boolValue\":true");
        else
            JSON_PUT(out, "{\"boolValue\":false");
        break;
    case KIS_VALUE_INT:
        JSON_PUT(out, "{\"intValue\":");
        json_i64_text(out, v->integer);
        break;
    case KIS_VALUE_DOUBLE:
        JSON_PUT(out, "{\"doubleValue\":");
        kis_json_put_f64(out, v->number);
        break;
    case KIS_VALUE_BYTES:
        JSON_PUT(out, "{\"bytesValue\":\"");
        kis_json_put_base64(out, v->bytes);
        kis_buf_add_byte(out, '"');
        break;
    default:
        kis_buf_add_byte(out, '{');
    }
    kis_buf_add_byte(out, '}');
}

static json_level json_open_level(kis_buf *out, const kis_value_view *v)
{
    json_level level = { kis_members_begin(v), false };
    if (level.members.has_keys)
        JSON_PUT(out, "{\"kvlistValue\":{\"values\":[");
    else
        JSON_PUT(out, "{\"arrayValue\":{\"values\":[");
    return level;
}

/* The next value of a level, with what goes before it; false at the end. */
static bool json_next_member(kis_buf *out, json_level *level, kis_value_view *v)
{
    kis_str key;
    if (!kis_members_next(&level->members, &key, v))
        return false;
    if (level->has_any)
        kis_buf_add_byte(out, ',');
    level->has_any = true;
    if (level->members.has_keys) {
        JSON_PUT(out, "{\"key\":");
        kis_json_put_str(out, key);
        JSON_PUT(out, ",\"value\":");
    }
    return true;
}

static void json_nested(kis_buf *out, const kis_value_view *value)
{
    json_level stack[KIS_VALUE_DEPTH_MAX + 1];
    size_t depth = 0;
    stack[depth++] = json_open_level(out, value);
    while (depth > 0 && out->err == KIS_OK) {
        json_level *level = &stack[depth - 1];
        kis_value_view v;
        if (!json_next_member(out, level, &v)) {
            JSON_PUT(out, "]}}");
            depth--;
            if (depth > 0 && stack[depth - 1].members.has_keys)
                kis_buf_add_byte(out, '}'); /* of the KeyValue it stood in */
            continue;
        }
        if (kis_value_is_container(&v) && depth < KIS_COUNT_OF(stack)) {
            stack[depth] = json_open_level(out, &v);
            depth++;
            continue;
        }
        if (kis_value_is_container(&v))
            JSON_PUT(out, "{}"); /* deeper than any decoder lets through */
        else
            json_scalar(out, &v);
        if (level->members.has_keys)
            kis_buf_add_byte(out, '}');
    }
}

/* ,"attributes":[…] unless there are none */
static void json_attrs(kis_buf *out, kis_attrs attrs)
{
    kis_attr_view attr;
    bool has_any = false;
    for (kis_attr_cursor c = kis_attrs_begin(attrs); kis_attrs_next(&c, &attr);) {
        kis_value_view v = kis_value_read(attr.value_bytes);
        if (has_any)
            JSON_PUT(out, ",{\"key\":");
        else
            JSON_PUT(out, ",\"attributes\":[{\"key\":");
        has_any = true;
        kis_json_put_str(out, attr.key);
        JSON_PUT(out, ",\"value\":");
        if (kis_value_is_container(&v))
            json_nested(out, &v);
        else
            json_scalar(out, &v);
        kis_buf_add_byte(out, '}');
    }
    if (has_any)
        kis_buf_add_byte(out, ']');
}

/* ---- events and links ---- */

static void json_events(kis_buf *out, kis_bytes events)
{
    kis_event_view event;
    bool has_any = false;
    for (kis_cursor c = kis_cursor_of(events); kis_event_next(&c, &event);) {
        if (has_any)
            JSON_PUT(out, ",{\"timeUnixNano\":");
        else
            JSON_PUT(out, ",\"events\":[{\"timeUnixNano\":");
        has_any = true;
        json_u64_text(out, event.time_unix_ns);
        JSON_PUT(out, ",\"name\":");
        kis_json_put_str(out, event.name);
        json_attrs(out, event.attrs);
        json_count(out, KIS_STR(",\"droppedAttributesCount\":"), event.dropped_attrs);
        kis_buf_add_byte(out, '}');
    }
    if (has_any)
        kis_buf_add_byte(out, ']');
}

static void json_links(kis_buf *out, kis_bytes links)
{
    kis_link_view link;
    bool has_any = false;
    for (kis_cursor c = kis_cursor_of(links); kis_link_next(&c, &link);) {
        if (has_any)
            JSON_PUT(out, ",{\"traceId\":");
        else
            JSON_PUT(out, ",\"links\":[{\"traceId\":");
        has_any = true;
        kis_json_put_hex(out, link.trace_id.bytes, 16);
        JSON_PUT(out, ",\"spanId\":");
        kis_json_put_hex(out, link.span_id.bytes, 8);
        json_text(out, KIS_STR(",\"traceState\":"), link.trace_state);
        json_attrs(out, link.attrs);
        json_count(out, KIS_STR(",\"droppedAttributesCount\":"), link.dropped_attrs);
        json_count(out, KIS_STR(",\"flags\":"), link.flags);
        kis_buf_add_byte(out, '}');
    }
    if (has_any)
        kis_buf_add_byte(out, ']');
}

static void json_status_of(kis_buf *out, const kis_span_view *span)
{
    JSON_PUT(out, ",\"status\":");
    size_t start = out->len;
    json_text(out, KIS_STR(",\"message\":"), span->status_message);
    json_count(out, KIS_STR(",\"code\":"), span->status);
    json_open_at(out, start);
    kis_buf_add_byte(out, '}');
}

/* ---- spans, scopes, resources ---- */

void kis_otlp_json_encode_span(const kis_span_view *span, kis_buf *out)
{
    JSON_PUT(out, "{\"traceId\":");
    kis_json_put_hex(out, span->trace_id.bytes, 16);
    JSON_PUT(out, ",\"spanId\":");
    kis_json_put_hex(out, span->span_id.bytes, 8);
    json_text(out, KIS_STR(",\"traceState\":"), span->trace_state);
    if (kis_span_id_is_valid(&span->parent_id)) {
        JSON_PUT(out, ",\"parentSpanId\":");
        kis_json_put_hex(out, span->parent_id.bytes, 8);
    }
    json_count(out, KIS_STR(",\"flags\":"), span->flags);
    JSON_PUT(out, ",\"name\":");
    kis_json_put_str(out, span->name);
    json_count(out, KIS_STR(",\"kind\":"), span->kind);
    JSON_PUT(out, ",\"startTimeUnixNano\":");
    json_u64_text(out, span->start_unix_ns);
    JSON_PUT(out, ",\"endTimeUnixNano\":");
    json_u64_text(out, span->end_unix_ns);
    json_attrs(out, span->attrs);
    json_count(out, KIS_STR(",\"droppedAttributesCount\":"), span->dropped_attrs);
    json_events(out, span->events);
    json_count(out, KIS_STR(",\"droppedEventsCount\":"), span->dropped_events);
    json_links(out, span->links);
    json_count(out, KIS_STR(",\"droppedLinksCount\":"), span->dropped_links);
    json_status_of(out, span);
    kis_buf_add_byte(out, '}');
}

void kis_otlp_json_encode_resource(const kis_resource_view *resource, kis_buf *out)
{
    size_t start = out->len;
    json_attrs(out, resource->attrs);
    json_count(out, KIS_STR(",\"droppedAttributesCount\":"), resource->dropped_attrs);
    json_open_at(out, start);
    kis_buf_add_byte(out, '}');
}

void kis_otlp_json_encode_scope(const kis_scope_view *scope, kis_buf *out)
{
    size_t start = out->len;
    json_text(out, KIS_STR(",\"name\":"), scope->name);
    json_text(out, KIS_STR(",\"version\":"), scope->version);
    json_attrs(out, scope->attrs);
    json_count(out, KIS_STR(",\"droppedAttributesCount\":"), scope->dropped_attrs);
    json_open_at(out, start);
    kis_buf_add_byte(out, '}');
}

/* ---- envelopes ---- */

/* {"resource":…,"scopeSpans":[ */
static void json_open_resource(kis_buf *out, const kis_resource_view *resource)
{
    JSON_PUT(out, "{\"resource\":");
    kis_otlp_json_encode_resource(resource, out);
    json_text(out, KIS_STR(",\"schemaUrl\":"), resource->schema_url);
    JSON_PUT(out, ",\"scopeSpans\":[");
}

/* {"scope":…,"spans":[ */
static void json_open_scope(kis_buf *out, const kis_scope_view *scope)
{
    JSON_PUT(out, "{\"scope\":");
    kis_otlp_json_encode_scope(scope, out);
    json_text(out, KIS_STR(",\"schemaUrl\":"), scope->schema_url);
    JSON_PUT(out, ",\"spans\":[");
}

static void json_scope_spans_of(const kis_batch *batch, const kis_scope_view *scope, kis_buf *out)
{
    json_open_scope(out, scope);
    for (uint32_t i = 0; i < scope->span_count; i++) {
        if (i)
            kis_buf_add_byte(out, ',');
        kis_otlp_json_encode_span(&batch->spans[scope->first_span + i], out);
    }
    JSON_PUT(out, "]}");
}

void kis_otlp_json_encode(const kis_batch *batch, kis_buf *out)
{
    JSON_PUT(out, "{\"resourceSpans\":[");
    for (uint32_t i = 0; i < batch->scope_count; i++) {
        const kis_scope_view *scope = &batch->scopes[i];
        bool is_same_resource = i > 0 && scope->resource == batch->scopes[i - 1].resource;
        if (i > 0 && !is_same_resource)
            JSON_PUT(out, "]},");
        if (is_same_resource)
            kis_buf_add_byte(out, ',');
        else
            json_open_resource(out, kis_batch_resource(batch, scope));
        json_scope_spans_of(batch, scope, out);
    }
    if (batch->scope_count)
        JSON_PUT(out, "]}");
    JSON_PUT(out, "]}");
}

/* ---- one by one ---- */

static kis_otlp_json_identity mix_identity(kis_otlp_json_identity id, kis_bytes bytes)
{
    return (kis_otlp_json_identity){ kis_hash(bytes, id.a ^ bytes.len),
                                     kis_hash(bytes, id.b + bytes.len) };
}

kis_otlp_json_identity kis_otlp_json_identity_of_resource(const kis_resource_view *r)
{
    kis_otlp_json_identity id = { 1, 0x9e3779b97f4a7c15u };
    id = mix_identity(id, (kis_bytes){ r->attrs.ptr, r->attrs.len });
    id = mix_identity(id, kis_bytes_of_str(r->schema_url));
    id.a += r->dropped_attrs;
    return id;
}

static kis_otlp_json_identity identity_of_scope(const kis_scope_view *s)
{
    kis_otlp_json_identity id = { 2, 0xd6e8feb86659fd93u };
    id = mix_identity(id, (kis_bytes){ s->attrs.ptr, s->attrs.len });
    id = mix_identity(id, kis_bytes_of_str(s->name));
    id = mix_identity(id, kis_bytes_of_str(s->version));
    id = mix_identity(id, kis_bytes_of_str(s->schema_url));
    id.a += s->dropped_attrs;
    return id;
}

static bool is_same_identity(kis_otlp_json_identity a, kis_otlp_json_identity b)
{
    return a.a == b.a && a.b == b.b;
}

void kis_otlp_json_stream_begin(kis_otlp_json_stream *s, kis_buf *out)
{
    *s = (kis_otlp_json_stream){ .out = out };
    JSON_PUT(out, "{\"resourceSpans\":[");
}

void kis_otlp_json_stream_span(kis_otlp_json_stream *s, const kis_found_span *span)
{
    kis_otlp_json_identity resource = kis_otlp_json_identity_of_resource(span->resource),
                           scope = identity_of_scope(span->scope);
    kis_buf *out = s->out;
    bool is_same_resource = s->has_any && is_same_identity(resource, s->resource);
    if (is_same_resource && is_same_identity(scope, s->scope)) {
        kis_buf_add_byte(out, ',');
    } else {
        if (is_same_resource)
            JSON_PUT(out, "]},");
        else if (s->has_any)
            JSON_PUT(out, "]}]},");
        if (!is_same_resource)
            json_open_resource(out, span->resource);
        json_open_scope(out, span->scope);
    }
    s->has_any = true;
    s->resource = resource;
    s->scope = scope;
    kis_otlp_json_encode_span(span->span, out);
}

void kis_otlp_json_stream_end(kis_otlp_json_stream *s)
{
    if (s->has_any)
        JSON_PUT(s->out, "]}]}");
    JSON_PUT(s->out, "]}");
}
