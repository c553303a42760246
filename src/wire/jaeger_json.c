/* jaeger_json.c - the JSON of Jaeger's query API, version 1.
 *
 *     OTLP                            here
 *     parent                          the first reference, CHILD_OF
 *     links                           references, FOLLOWS_FROM (CHILD_OF when attribute
 *                                     opentracing.ref_type says so)
 *     scope, kind, status, state      tags: otel.scope.name, otel.scope.version, span.kind,
 *                                     otel.status_code, error, otel.status_description,
 *                                     w3c.tracestate
 *     events                          logs; the name is the field "event"
 *     resource                        a process; service.name is its serviceName
 *
 * Times are whole microseconds. Integers that JavaScript cannot hold are strings; arrays and maps
 * are JSON in a string.
 */
#include "wire/jaeger_json.h"

#include "base/num.h"
#include "model/json_put.h"

#define JAEGER_PUT(out, literal) kis_buf_add((out), literal, sizeof(literal) - 1)
#define JS_SAFE_INTEGER          9007199254740991 /* 2^53 - 1 */
/* of an array or map as text: a span has 4 MiB, escapes and base64 grow it */
#define VALUE_TEXT_BYTES_MAX (8u << 20)

void kis_jaeger_json_trace_id(const kis_trace_id *id, kis_buf *out)
{
    uint64_t high;
    memcpy(&high, id->bytes, 8);
    kis_json_put_hex(out, high ? id->bytes : id->bytes + 8, high ? 16 : 8);
}

static const kis_str kind_texts[] = { KIS_STR_INIT(""),         KIS_STR_INIT("internal"),
                                      KIS_STR_INIT("server"),   KIS_STR_INIT("client"),
                                      KIS_STR_INIT("producer"), KIS_STR_INIT("consumer") };

kis_str kis_jaeger_kind_text(uint8_t kind)
{
    return kind < KIS_COUNT_OF(kind_texts) ? kind_texts[kind] : KIS_STR_NONE;
}

uint8_t kis_jaeger_kind_number(kis_str text)
{
    for (uint8_t i = 1; i < KIS_COUNT_OF(kind_texts); i++)
        if (kis_str_eq(kind_texts[i], text))
            return i;
    return 0;
}

/* ---- tags ---- */

static void jaeger_container(kis_buf *out, kis_value_view value)
{
    kis_buf text;
    kis_buf_init(&text, out->alloc, VALUE_TEXT_BYTES_MAX);
    kis_value_text(value, &text);
    if (text.err && out->err == KIS_OK)
        out->err = text.err;
    kis_json_put_str(out, kis_buf_str(&text));
    kis_buf_done(&text);
}

static void jaeger_int(kis_buf *out, int64_t value)
{
    bool is_safe = value <= JS_SAFE_INTEGER && value >= -JS_SAFE_INTEGER;
    if (!is_safe)
        kis_buf_add_byte(out, '"');
    kis_buf_add_i64(out, value);
    if (!is_safe)
        kis_buf_add_byte(out, '"');
}

/* {"key":…,"type":…,"value":…} with the comma that it needs */
static void jaeger_tag(kis_buf *out, bool *has_any, kis_str key, kis_value_view value)
{
    if (*has_any)
        kis_buf_add_byte(out, ',');
    *has_any = true;
    JAEGER_PUT(out, "{\"key\":");
    kis_json_put_str(out, key);
    switch (value.kind) {
    case KIS_VALUE_BOOL:
        JAEGER_PUT(out, ",\"type\":\"bool\",\"value\":");
        kis_buf_add_str(out, value.boolean ? KIS_STR("true") : KIS_STR("false"));
        break;
    case KIS_VALUE_INT:
        JAEGER_PUT(out, ",\"type\":\"int64\",\"value\":");
        jaeger_int(out, value.integer);
        break;
    case KIS_VALUE_DOUBLE:
        JAEGER_PUT(out, ",\"type\":\"float64\",\"value\":");
        kis_json_put_f64(out, value.number);
        break;
    case KIS_VALUE_BYTES:
        JAEGER_PUT(out, ",\"type\":\"binary\",\"value\":\"");
        kis_json_put_base64(out, value.bytes);
        kis_buf_add_byte(out, '"');
        break;
    case KIS_VALUE_ARRAY:
    case KIS_VALUE_KVLIST:
        JAEGER_PUT(out, ",\"type\":\"string\",\"value\":");
        jaeger_container(out, value);
        break;
    default:
        JAEGER_PUT(out, ",\"type\":\"string\",\"value\":");
        kis_json_put_str(out, value.kind == KIS_VALUE_STR ? value.str : KIS_STR_NONE);
    }
    kis_buf_add_byte(out, '}');
}

static void jaeger_text_tag(kis_buf *out, bool *has_any, kis_str key, kis_str text)
{
    if (text.len)
        jaeger_tag(out, has_any, key, (kis_value_view){ .kind = KIS_VALUE_STR, .str = text });
}

static void jaeger_attr_tags(kis_buf *out, bool *has_any, kis_attrs attrs, kis_str without)
{
    kis_attr_view attr;
    for (kis_attr_cursor c = kis_attrs_begin(attrs); kis_attrs_next(&c, &attr);)
        if (without.len == 0 || !kis_str_eq(attr.key, without))
            jaeger_tag(out, has_any, attr.key, kis_value_read(attr.value_bytes));
}

static void jaeger_span_tags(kis_buf *out, const kis_span_view *span, const kis_scope_view *scope)
{
    bool has_any = false;
    jaeger_text_tag(out, &has_any, KIS_STR("otel.scope.name"), scope->name);
    jaeger_text_tag(out, &has_any, KIS_STR("otel.scope.version"), scope->version);
    jaeger_attr_tags(out, &has_any, span->attrs, KIS_STR_NONE);
    jaeger_text_tag(out, &has_any, KIS_STR("span.kind"), kis_jaeger_kind_text(span->kind));
    if (span->status == KIS_STATUS_OK)
        jaeger_text_tag(out, &has_any, KIS_STR("otel.status_code"), KIS_STR("OK"));
    if (span->status == KIS_STATUS_ERROR) {
        jaeger_text_tag(out, &has_any, KIS_STR("otel.status_code"), KIS_STR("ERROR"));
        jaeger_tag(out, &has_any, KIS_STR("error"),
                   (kis_value_view){ .kind = KIS_VALUE_BOOL, .boolean = true });
    }
    jaeger_text_tag(out, &has_any, KIS_STR("otel.status_description"), span->status_message);
    jaeger_text_tag(out, &has_any, KIS_STR("w3c.tracestate"), span->trace_state);
}

/* ---- references, logs, warnings ---- */

static void jaeger_reference(kis_buf *out, bool *has_any, bool is_child_of,
                             const kis_trace_id *trace, const kis_span_id *span)
{
    if (*has_any)
        kis_buf_add_byte(out, ',');
    *has_any = true;
    kis_buf_add_str(out, is_child_of ? KIS_STR("{\"refType\":\"CHILD_OF\",\"traceID\":")
                                     : KIS_STR("{\"refType\":\"FOLLOWS_FROM\",\"traceID\":"));
    kis_jaeger_json_trace_id(trace, out);
    JAEGER_PUT(out, ",\"spanID\":");
    kis_json_put_hex(out, span->bytes, 8);
    kis_buf_add_byte(out, '}');
}

static void jaeger_references(kis_buf *out, const kis_span_view *span)
{
    bool has_any = false;
    kis_link_view link;
    if (kis_span_id_is_valid(&span->parent_id))
        jaeger_reference(out, &has_any, true, &span->trace_id, &span->parent_id);
    for (kis_cursor c = kis_cursor_of(span->links); kis_link_next(&c, &link);) {
        bool is_child_of = kis_str_eq(kis_attrs_text(link.attrs, KIS_STR("opentracing.ref_type")),
                                      KIS_STR("child_of"));
        /* an empty link says nothing here */
        if (kis_trace_id_is_valid(&link.trace_id) && kis_span_id_is_valid(&link.span_id))
            jaeger_reference(out, &has_any, is_child_of, &link.trace_id, &link.span_id);
    }
}

static void jaeger_logs(kis_buf *out, kis_bytes events)
{
    kis_event_view event;
    bool has_log = false;
    for (kis_cursor c = kis_cursor_of(events); kis_event_next(&c, &event);) {
        bool has_field = false;
        if (has_log)
            kis_buf_add_byte(out, ',');
        has_log = true;
        JAEGER_PUT(out, "{\"timestamp\":");
        kis_buf_add_u64(out, event.time_unix_ns / 1000);
        JAEGER_PUT(out, ",\"fields\":[");
        jaeger_text_tag(out, &has_field, KIS_STR("event"), event.name);
        jaeger_attr_tags(out, &has_field, event.attrs, KIS_STR_NONE);
        JAEGER_PUT(out, "]}");
    }
}

static void jaeger_warnings(kis_buf *out, const kis_str *warnings, size_t count)
{
    if (count == 0) {
        JAEGER_PUT(out, "null");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        kis_buf_add_byte(out, i ? ',' : '[');
        kis_json_put_str(out, warnings[i]);
    }
    kis_buf_add_byte(out, ']');
}

/* ---- span and process ---- */

void kis_jaeger_json_span(const kis_span_view *span, const kis_scope_view *scope, uint32_t process,
                          const kis_str *warnings, size_t warning_count, kis_buf *out)
{
    JAEGER_PUT(out, "{\"traceID\":");
    kis_jaeger_json_trace_id(&span->trace_id, out);
    JAEGER_PUT(out, ",\"spanID\":");
    kis_json_put_hex(out, span->span_id.bytes, 8);
    if (span->flags & 0xff) {
        JAEGER_PUT(out, ",\"flags\":");
        kis_buf_add_u64(out, span->flags & 0xff);
    }
    JAEGER_PUT(out, ",\"operationName\":");
    kis_json_put_str(out, span->name);
    JAEGER_PUT(out, ",\"references\":[");
    jaeger_references(out, span);
    JAEGER_PUT(out, "],\"startTime\":");
    kis_buf_add_u64(out, span->start_unix_ns / 1000);
    JAEGER_PUT(out, ",\"duration\":");
    kis_buf_add_u64(out, kis_span_duration_ns(span) / 1000);
    JAEGER_PUT(out, ",\"tags\":[");
    jaeger_span_tags(out, span, scope);
    JAEGER_PUT(out, "],\"logs\":[");
    jaeger_logs(out, span->events);
    JAEGER_PUT(out, "],\"processID\":\"p");
    kis_buf_add_u64(out, process);
    JAEGER_PUT(out, "\",\"warnings\":");
    jaeger_warnings(out, warnings, warning_count);
    kis_buf_add_byte(out, '}');
}

void kis_jaeger_json_process(const kis_resource_view *resource, kis_buf *out)
{
    bool has_any = false;
    JAEGER_PUT(out, "{\"serviceName\":");
    kis_json_put_str(out, resource->service_name);
    JAEGER_PUT(out, ",\"tags\":[");
    jaeger_attr_tags(out, &has_any, resource->attrs, KIS_STR("service.name"));
    JAEGER_PUT(out, "]}");
}

/* ---- a trace ---- */

void kis_jaeger_json_trace_begin(kis_jaeger_json_trace *t, kis_buf *out, const kis_alloc *alloc,
                                 const kis_trace_id *trace_id)
{
    *t = (kis_jaeger_json_trace){ .out = out, .alloc = alloc };
    kis_buf_init(&t->processes, alloc, KIS_JAEGER_PROCESS_BYTES_MAX);
    kis_map_init(&t->by_identity, alloc);
    JAEGER_PUT(out, "{\"traceID\":");
    kis_jaeger_json_trace_id(trace_id, out);
    JAEGER_PUT(out, ",\"spans\":[");
}

static uint32_t jaeger_add_process(kis_jaeger_json_trace *t, const kis_resource_view *resource,
                                   kis_otlp_json_identity id)
{
    uint32_t index = t->identities.len;
    size_t before = t->processes.len;
    if (t->is_short_of_processes)
        return index; /* the last one that fitted */
    if (before)
        kis_buf_add_byte(&t->processes, ',');
    JAEGER_PUT(&t->processes, "\"p");
    kis_buf_add_u64(&t->processes, index + 1);
    JAEGER_PUT(&t->processes, "\":");
    kis_jaeger_json_process(resource, &t->processes);
    if (t->processes.err || !KIS_VEC_PUSH(&t->identities, t->alloc, id) ||
        !kis_map_add(&t->by_identity, id.a, index)) {
        if (t->processes.err != KIS_ERR_LIMIT || index == 0) {
            t->out->err = t->out->err ? t->out->err : KIS_ERR_NOMEM;
            return 1;
        }
        t->processes.err = KIS_OK;
        t->processes.len = before;
        t->is_short_of_processes = true;
        return index;
    }
    return index + 1;
}

static uint32_t jaeger_process_of(kis_jaeger_json_trace *t, const kis_resource_view *resource)
{
    kis_otlp_json_identity id = kis_otlp_json_identity_of_resource(resource);
    for (kis_map_probe p = kis_map_begin(&t->by_identity, id.a); kis_map_next(&t->by_identity, &p);)
        if (t->identities.at[p.value].a == id.a && t->identities.at[p.value].b == id.b)
            return p.value + 1;
    return jaeger_add_process(t, resource, id);
}

void kis_jaeger_json_trace_span(kis_jaeger_json_trace *t, const kis_found_span *span,
                                const kis_str *warnings, size_t warning_count)
{
    uint32_t process = jaeger_process_of(t, span->resource);
    if (t->has_span)
        kis_buf_add_byte(t->out, ',');
    t->has_span = true;
    kis_jaeger_json_span(span->span, span->scope, process, warnings, warning_count, t->out);
}

void kis_jaeger_json_trace_end(kis_jaeger_json_trace *t, const kis_str *warnings,
                               size_t warning_count)
{
    static const kis_str too_many =
        KIS_STR_INIT("too many different resources: some spans are shown with another process");
    JAEGER_PUT(t->out, "],\"processes\":{");
    kis_buf_add_bytes(t->out, kis_buf_bytes(&t->processes));
    JAEGER_PUT(t->out, "},\"warnings\":");
    if (t->is_short_of_processes && warning_count == 0)
        jaeger_warnings(t->out, &too_many, 1);
    else
        jaeger_warnings(t->out, warnings, warning_count);
    kis_buf_add_byte(t->out, '}');
    kis_jaeger_json_trace_done(t);
}

void kis_jaeger_json_trace_done(kis_jaeger_json_trace *t)
{
    if (!t->alloc)
        return;
    kis_buf_done(&t->processes);
    kis_map_done(&t->by_identity);
    KIS_VEC_DONE(&t->identities, t->alloc);
    t->alloc = NULL;
}
