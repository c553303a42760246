/* otlp_json_decode.c - OTLP/JSON becomes a batch: written as protobuf into the arena, then decoded
 * in place like any request.
 *
 *     JSON text ──one pull walk──> ExportTraceServiceRequest in the arena
 *               ──kis_otlp_decode_request──> views
 *
 * So limits, repairs and rejections have one implementation, and a span that came as JSON has its
 * bytes like any other. The walk knows each message by a table of keys; senders write keys in one
 * order, so the search begins behind the key that was met last.
 *
 * What wins when a key stands twice: the last one. For repeated fields the earlier items are taken
 * out again. Recursion: messages in messages, and values in values, which KIS_JSON_DEPTH_MAX
 * bounds.
 */
#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h" /* base64 */
#include "wire/json.h"
#include "wire/otlp.h"
#include "wire/otlp_repair.h"
#include "wire/otlp_span.h"

typedef enum json_action {
    JSON_TEXT,
    JSON_HEX_ID,
    JSON_UINT,
    JSON_FIX32,
    JSON_FIX64,
    JSON_KIND,
    JSON_STATUS_CODE, /* scalars */
    JSON_MESSAGE,
    JSON_LIST, /* a message, an array of messages */
} json_action;

typedef struct json_type json_type;

typedef struct json_field {
    kis_str key, other_key; /* lowerCamelCase, and snake_case where that differs */
    json_action action;
    uint32_t number;        /* of the protobuf field */
    const json_type *inner; /* NULL with LIST: attributes */
} json_field;

struct json_type {
    const json_field *fields;
    uint32_t count;
    bool is_span;
};

typedef struct json_walk {
    kis_json j;
    kis_buf out;
    uint32_t span_number;
    bool is_in_span;
    bool is_span_member; /* of the span itself, not of a link or event in it */
    kis_str field;       /* the one being read, for error texts */
    struct {             /* the first id that cannot be one, and where it stands in the text */
        bool is_there;
        uint32_t span_number;
        size_t offset;
    } bad_id;
} json_walk;

#define KEY(text) KIS_STR_INIT(text)
#define SAME    \
    {           \
        NULL, 0 \
    }

static const json_field json_status_fields[] = {
    { KEY("message"), SAME, JSON_TEXT, 2, NULL },
    { KEY("code"), SAME, JSON_STATUS_CODE, 3, NULL },
};
static const json_type json_status = { json_status_fields, KIS_COUNT_OF(json_status_fields),
                                       false };

static const json_field json_event_fields[] = {
    { KEY("timeUnixNano"), KEY("time_unix_nano"), JSON_FIX64, 1, NULL },
    { KEY("name"), SAME, JSON_TEXT, 2, NULL },
    { KEY("attributes"), SAME, JSON_LIST, 3, NULL },
    { KEY("droppedAttributesCount"), KEY("dropped_attributes_count"), JSON_UINT, 4, NULL },
};
static const json_type json_event = { json_event_fields, KIS_COUNT_OF(json_event_fields), false };

static const json_field json_link_fields[] = {
    { KEY("traceId"), KEY("trace_id"), JSON_HEX_ID, 1, NULL },
    { KEY("spanId"), KEY("span_id"), JSON_HEX_ID, 2, NULL },
    { KEY("traceState"), KEY("trace_state"), JSON_TEXT, 3, NULL },
    { KEY("attributes"), SAME, JSON_LIST, 4, NULL },
    { KEY("droppedAttributesCount"), KEY("dropped_attributes_count"), JSON_UINT, 5, NULL },
    { KEY("flags"), SAME, JSON_FIX32, 6, NULL },
};
static const json_type json_link = { json_link_fields, KIS_COUNT_OF(json_link_fields), false };

static const json_field json_span_fields[] = {
    /* in the order of most senders */
    { KEY("traceId"), KEY("trace_id"), JSON_HEX_ID, 1, NULL },
    { KEY("spanId"), KEY("span_id"), JSON_HEX_ID, 2, NULL },
    { KEY("traceState"), KEY("trace_state"), JSON_TEXT, 3, NULL },
    { KEY("parentSpanId"), KEY("parent_span_id"), JSON_HEX_ID, 4, NULL },
    { KEY("flags"), SAME, JSON_FIX32, 16, NULL },
    { KEY("name"), SAME, JSON_TEXT, 5, NULL },
    { KEY("kind"), SAME, JSON_KIND, 6, NULL },
    { KEY("startTimeUnixNano"), KEY("start_time_unix_nano"), JSON_FIX64, 7, NULL },
    { KEY("endTimeUnixNano"), KEY("end_time_unix_nano"), JSON_FIX64, 8, NULL },
    { KEY("attributes"), SAME, JSON_LIST, 9, NULL },
    { KEY("droppedAttributesCount"), KEY("dropped_attributes_count"), JSON_UINT, 10, NULL },
    { KEY("events"), SAME, JSON_LIST, 11, &json_event },
    { KEY("droppedEventsCount"), KEY("dropped_events_count"), JSON_UINT, 12, NULL },
    { KEY("status"), SAME, JSON_MESSAGE, 15, &json_status },
    { KEY("links"), SAME, JSON_LIST, 13, &json_link },
    { KEY("droppedLinksCount"), KEY("dropped_links_count"), JSON_UINT, 14, NULL },
};
static const json_type json_span = { json_span_fields, KIS_COUNT_OF(json_span_fields), true };

static const json_field json_scope_fields[] = {
    { KEY("name"), SAME, JSON_TEXT, 1, NULL },
    { KEY("version"), SAME, JSON_TEXT, 2, NULL },
    { KEY("attributes"), SAME, JSON_LIST, 3, NULL },
    { KEY("droppedAttributesCount"), KEY("dropped_attributes_count"), JSON_UINT, 4, NULL },
};
static const json_type json_scope = { json_scope_fields, KIS_COUNT_OF(json_scope_fields), false };

static const json_field json_scope_spans_fields[] = {
    { KEY("scope"), SAME, JSON_MESSAGE, 1, &json_scope },
    { KEY("spans"), SAME, JSON_LIST, 2, &json_span },
    { KEY("schemaUrl"), KEY("schema_url"), JSON_TEXT, 3, NULL },
};
static const json_type json_scope_spans = { json_scope_spans_fields,
                                            KIS_COUNT_OF(json_scope_spans_fields), false };

static const json_field json_resource_fields[] = {
    { KEY("attributes"), SAME, JSON_LIST, 1, NULL },
    { KEY("droppedAttributesCount"), KEY("dropped_attributes_count"), JSON_UINT, 2, NULL },
};
static const json_type json_resource = { json_resource_fields, KIS_COUNT_OF(json_resource_fields),
                                         false };

static const json_field json_resource_spans_fields[] = {
    { KEY("resource"), SAME, JSON_MESSAGE, 1, &json_resource },
    { KEY("scopeSpans"), KEY("scope_spans"), JSON_LIST, 2, &json_scope_spans },
    { KEY("schemaUrl"), KEY("schema_url"), JSON_TEXT, 3, NULL },
};
static const json_type json_resource_spans = { json_resource_spans_fields,
                                               KIS_COUNT_OF(json_resource_spans_fields), false };

static const json_field json_request_fields[] = {
    { KEY("resourceSpans"), KEY("resource_spans"), JSON_LIST, 1, &json_resource_spans },
};
static const json_type json_request = { json_request_fields, KIS_COUNT_OF(json_request_fields),
                                        false };

#undef KEY
#undef SAME

/* ---- attributes ---- */

#define KEY_IS(key, literal) \
    ((key).len == sizeof(literal) - 1 && memcmp((key).ptr, literal, sizeof(literal) - 1) == 0)

#define USUAL_ATTR_BYTES 100 /* one length byte; a longer one is moved once */

static bool read_any_value(json_walk *w);

/* [*at, …) begins with this literal: steps over it. */
#define STARTS(at, end, literal)                               \
    ((size_t)((end) - (at)) >= sizeof(literal) - 1 &&          \
             memcmp((at), (literal), sizeof(literal) - 1) == 0 \
         ? ((at) += sizeof(literal) - 1, true)                 \
         : false)

/* A string's inside up to its quote, which is stepped over; false when there is an escape in it, or
 * no end. */
static inline bool plain_str(const uint8_t **at, const uint8_t *end, kis_str *out)
{
    const uint8_t *close = kis_json_end_of_plain(*at, end);
    if (close == end || *close != '"')
        return false;
    *out = (kis_str){ (const char *)*at, (size_t)(close - *at) };
    *at = close + 1;
    return true;
}

/* {"key":"…","value":{"stringValue":"…"}}, or with an integer or a boolean, without a blank: what
 * serializers write. Anything else is left where it is, for read_key_value to look at closely. */
static bool read_usual_key_value(json_walk *w, uint32_t number)
{
    kis_json *j = &w->j;
    const uint8_t *at = j->at, *end = j->end;
    uint32_t tag = KIS_PB_TAG(number, KIS_PB_BYTES);
    kis_str key, text;
    if (j->err || j->depth + 2 > KIS_JSON_DEPTH_MAX || !STARTS(at, end, "{\"key\":\"") ||
        !plain_str(&at, end, &key) || !STARTS(at, end, ",\"value\":{\""))
        return false;
    if (STARTS(at, end, "stringValue\":\"")) {
        if (!plain_str(&at, end, &text) || !STARTS(at, end, "}}"))
            return false;
        kis_attr_put_str(&w->out, tag, key, text);
    } else if (STARTS(at, end, "intValue\":")) {
        int64_t value = 0;
        bool is_quoted = STARTS(at, end, "\"");
        const uint8_t *digits = at;
        for (; at < end && *at >= '0' && *at <= '9' && at - digits < 18; at++)
            value = value * 10 + (*at - '0');
        if (at == digits || (*digits == '0' && at - digits > 1) ||
            (is_quoted && !STARTS(at, end, "\"")) || !STARTS(at, end, "}}"))
            return false;
        kis_attr_put_int(&w->out, tag, key, value);
    } else if (STARTS(at, end, "boolValue\":")) {
        bool is_true = STARTS(at, end, "true}}");
        if (!is_true && !STARTS(at, end, "false}}"))
            return false;
        kis_attr_put_bool(&w->out, tag, key, is_true);
    } else {
        return false;
    }
    j->at = at;
    return true;
}

static bool read_key_value(json_walk *w, uint32_t number)
{
    kis_json *j = &w->j;
    kis_str key, text;
    if (KIS_LIKELY(read_usual_key_value(w, number)))
        return true;
    if (!kis_json_object(j))
        return false;
    size_t begun = kis_pb_begin_about(&w->out, number, USUAL_ATTR_BYTES);
    while (kis_json_member(j, &key)) {
        if (kis_json_null(j))
            continue;
        if (KEY_IS(key, "key")) {
            if (!kis_json_str(j, &text))
                return false;
            kis_pb_put_str(&w->out, 1, text);
        } else if (KEY_IS(key, "value")) {
            size_t value = kis_pb_begin_about(&w->out, 2, USUAL_ATTR_BYTES);
            if (!read_any_value(w))
                return false;
            kis_pb_end(&w->out, value);
        } else {
            kis_json_skip(j);
        }
    }
    kis_pb_end(&w->out, begun);
    return j->err == KIS_OK;
}

static bool read_values(json_walk *w, bool is_list);

static bool read_base64(json_walk *w)
{
    kis_json *j = &w->j;
    kis_str text;
    size_t len;
    const uint8_t *at = j->at;
    if (!kis_json_str(j, &text))
        return false;
    size_t begun = kis_pb_begin_about(&w->out, 7, text.len / 4 * 3);
    uint8_t *to = kis_buf_reserve(&w->out, text.len + 4);
    if (!to)
        return false;
    if (kis_base64_parse(text, to, text.len + 4, &len) != KIS_OK) {
        j->at = at;
        return kis_json_fail(j, KIS_ERR_SYNTAX, "want base64");
    }
    w->out.len += len;
    kis_pb_end(&w->out, begun);
    return true;
}

/* One member of an AnyValue whose key is known; its value waits. */
static bool read_any_member(json_walk *w, kis_str key)
{
    kis_json *j = &w->j;
    kis_str text;
    bool truth;
    int64_t integer;
    double number;
    uint64_t bits;

    if (KEY_IS(key, "stringValue") || KEY_IS(key, "string_value")) {
        if (!kis_json_str(j, &text))
            return false;
        kis_pb_put_str(&w->out, 1, text);
    } else if (KEY_IS(key, "intValue") || KEY_IS(key, "int_value")) {
        if (!kis_json_i64(j, &integer))
            return false;
        kis_pb_put_varint(&w->out, 3, (uint64_t)integer);
    } else if (KEY_IS(key, "boolValue") || KEY_IS(key, "bool_value")) {
        if (!kis_json_bool(j, &truth))
            return false;
        kis_pb_put_varint(&w->out, 2, truth);
    } else if (KEY_IS(key, "doubleValue") || KEY_IS(key, "double_value")) {
        if (!kis_json_f64(j, &number))
            return false;
        memcpy(&bits, &number, 8);
        kis_pb_put_fix64(&w->out, 4, bits);
    } else if (KEY_IS(key, "arrayValue") || KEY_IS(key, "array_value")) {
        return read_values(w, false);
    } else if (KEY_IS(key, "kvlistValue") || KEY_IS(key, "kvlist_value")) {
        return read_values(w, true);
    } else if (KEY_IS(key, "bytesValue") || KEY_IS(key, "bytes_value")) {
        return read_base64(w);
    } else {
        return kis_json_skip(j);
    }
    return true;
}

/* The fields of an AnyValue, of which the last one counts. */
static bool read_any_value(json_walk *w)
{
    kis_str key;
    if (!kis_json_object(&w->j))
        return false;
    while (kis_json_member(&w->j, &key))
        if (!kis_json_null(&w->j) && !read_any_member(w, key))
            return false;
    return w->j.err == KIS_OK;
}

/* {"values":[…]} of an ArrayValue or KeyValueList; standing twice, the last one counts. */
static bool read_values(json_walk *w, bool is_list)
{
    kis_json *j = &w->j;
    kis_str key;
    if (!kis_json_object(j))
        return false;
    size_t begun = kis_pb_begin(&w->out, is_list ? 6 : 5);
    while (kis_json_member(j, &key)) {
        if (kis_json_null(j))
            continue;
        if (!KEY_IS(key, "values")) {
            kis_json_skip(j);
            continue;
        }
        w->out.len = w->out.err ? w->out.len : begun;
        if (!kis_json_array(j))
            return false;
        while (kis_json_item(j)) {
            if (is_list) {
                if (!read_key_value(w, 1))
                    return false;
                continue;
            }
            size_t item = kis_pb_begin_about(&w->out, 1, USUAL_ATTR_BYTES);
            if (!kis_json_null(j) && !read_any_value(w)) /* null in an array is the empty value */
                return false;
            kis_pb_end(&w->out, item);
        }
    }
    kis_pb_end(&w->out, begun);
    return j->err == KIS_OK;
}

/* ---- scalars ---- */

/* The value of a hex digit, 0x80 for what is none. */
static inline uint8_t json_hex_value(char c)
{
    uint8_t digit = (uint8_t)(c - '0'), letter = (uint8_t)((c | 0x20) - 'a');
    return digit < 10 ? digit : letter < 6 ? (uint8_t)(letter + 10) : 0x80;
}

enum { SPAN_TRACE_ID = 1, SPAN_PARENT_ID = 4 }; /* field numbers in trace.proto's Span */

/* That an id of these digits costs its span is decided later, in protobuf; where it stood is known
 * only here. */
static void note_bad_id(json_walk *w, uint32_t number, size_t digits, bool is_hex, size_t offset)
{
    bool is_good = (is_hex && digits == (number == SPAN_TRACE_ID ? 32 : 16)) ||
                   (number == SPAN_PARENT_ID && digits == 0);
    if (is_good || !w->is_span_member || w->bad_id.is_there)
        return;
    w->bad_id.is_there = true;
    w->bad_id.span_number = w->span_number;
    w->bad_id.offset = offset;
}

static bool read_hex_id(json_walk *w, uint32_t number)
{
    uint8_t id[16], bad = 0;
    kis_str text;
    kis_json_peek(&w->j); /* over the blanks before it */
    size_t offset = kis_json_offset(&w->j);
    if (!kis_json_str(&w->j, &text))
        return false;
    /* 1: a length that no id has, so the span is rejected */
    size_t size = text.len == 32 || text.len == 16 ? text.len / 2 : text.len ? 1 : 0;
    for (size_t i = 0; size > 1 && i < size; i++) {
        uint8_t high = json_hex_value(text.ptr[2 * i]), low = json_hex_value(text.ptr[2 * i + 1]);
        bad |= high | low;
        id[i] = (uint8_t)(high << 4 | low);
    }
    note_bad_id(w, number, text.len, !(bad & 0x80), offset);
    if (bad & 0x80 || size == 1) {
        id[0] = 1;
        size = 1;
    }
    kis_pb_put_bytes(&w->out, number, (kis_bytes){ id, size });
    return true;
}

/* A number, or one of the names with or without their prefix. */
static bool read_enum(json_walk *w, uint32_t number, const char *const *names, size_t count)
{
    kis_str text;
    uint64_t value;
    kis_json *j = &w->j;
    if (kis_json_peek(j) == KIS_JSON_STRING) {
        const uint8_t *at = j->at;
        if (!kis_json_str(j, &text))
            return false;
        for (size_t i = 0; i < count; i++) {
            if (kis_str_eq(text, kis_str_from_c(names[i]))) {
                kis_pb_put_varint(&w->out, number, i);
                return true;
            }
        }
        j->at = at; /* perhaps a number in quotes */
    }
    if (!kis_json_u64(j, &value))
        return false;
    kis_pb_put_varint(&w->out, number, value);
    return true;
}

static bool read_kind(json_walk *w, uint32_t number)
{
    static const char *const names[] = { "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                         "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                         "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER" };
    return read_enum(w, number, names, KIS_COUNT_OF(names));
}

static bool read_status_code(json_walk *w, uint32_t number)
{
    static const char *const names[] = { "STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                         "STATUS_CODE_ERROR" };
    return read_enum(w, number, names, KIS_COUNT_OF(names));
}

static bool read_json_number(json_walk *w, const json_field *f)
{
    uint64_t value;
    if (!kis_json_u64(&w->j, &value))
        return false;
    if (f->action == JSON_FIX64)
        kis_pb_put_fix64(&w->out, f->number, value);
    else if (value > UINT32_MAX)
        return kis_json_fail(&w->j, KIS_ERR_SYNTAX, "want an integer of 32 bits");
    else if (f->action == JSON_FIX32)
        kis_pb_put_fix32(&w->out, f->number, (uint32_t)value);
    else
        kis_pb_put_varint(&w->out, f->number, value);
    return true;
}

/* ---- messages ---- */

/* Where the items of a repeated field lie in `out`, to be taken out when the key comes again. */
typedef struct list_range {
    uint32_t number;
    size_t start, end;
} list_range;

#define LISTS_MAX 3 /* of one message: attributes, events, links */

static void take_list_out(json_walk *w, list_range *lists, size_t which)
{
    kis_buf *out = &w->out;
    size_t start = lists[which].start, end = lists[which].end, size = end - start;
    if (out->err || size == 0)
        return;
    memmove(out->ptr + start, out->ptr + end, out->len - end);
    out->len -= size;
    for (size_t i = 0; i < LISTS_MAX; i++) {
        if (lists[i].number && lists[i].start >= end) {
            lists[i].start -= size;
            lists[i].end -= size;
        }
    }
}

static list_range *list_of(json_walk *w, list_range *lists, uint32_t number)
{
    size_t i = 0;
    while (lists[i].number && lists[i].number != number)
        i++;
    if (lists[i].number)
        take_list_out(w, lists, i);
    lists[i] = (list_range){ number, w->out.len, w->out.len };
    return &lists[i];
}

static bool read_message(json_walk *w, const json_type *type, uint32_t number,
                         size_t expected_size);

static bool read_list(json_walk *w, const json_field *f)
{
    if (!kis_json_array(&w->j))
        return false;
    while (kis_json_item(&w->j))
        if (!(f->inner ? read_message(w, f->inner, f->number, 500) : read_key_value(w, f->number)))
            return false;
    return w->j.err == KIS_OK;
}

static inline bool key_stands_at(const kis_json *j, kis_str key)
{
    const uint8_t *at = j->at + 1; /* behind the quote */
    return (size_t)(j->end - at) > key.len + 1 && at[0] == (uint8_t)key.ptr[0] &&
           at[key.len] == '"' && at[key.len + 1] == ':' && memcmp(at, key.ptr, key.len) == 0;
}

/* The field whose key stands at j->at, key and colon consumed; NULL for one that nobody knows, and
 * after an error. Senders write keys in one order, so the search begins behind the last one that
 * was found, and compares where the key stands. */
static const json_field *read_field_key(json_walk *w, const json_type *type, uint32_t *next)
{
    kis_json *j = &w->j;
    kis_str key;
    for (uint32_t i = *next; i < type->count; i++) {
        if (key_stands_at(j, type->fields[i].key)) {
            j->at += type->fields[i].key.len + 3;
            *next = i + 1;
            return &type->fields[i];
        }
    }
    if (!kis_json_key(j, &key))
        return NULL;
    for (uint32_t i = 0; i < type->count; i++) {
        const json_field *f = &type->fields[i];
        if (kis_str_eq(f->key, key) || (f->other_key.len && kis_str_eq(f->other_key, key))) {
            *next = i + 1;
            return f;
        }
    }
    return NULL;
}

static bool read_field(json_walk *w, const json_field *f, list_range *lists)
{
    kis_str text;
    switch (f->action) {
    case JSON_TEXT:
        if (!kis_json_str(&w->j, &text))
            return false;
        kis_pb_put_str(&w->out, f->number, text);
        return true;
    case JSON_HEX_ID:
        return read_hex_id(w, f->number);
    case JSON_UINT:
    case JSON_FIX32:
    case JSON_FIX64:
        return read_json_number(w, f);
    case JSON_KIND:
        return read_kind(w, f->number);
    case JSON_STATUS_CODE:
        return read_status_code(w, f->number);
    case JSON_MESSAGE:
        return read_message(w, f->inner, f->number, 100);
    case JSON_LIST: {
        list_range *list = list_of(w, lists, f->number);
        if (!read_list(w, f))
            return false;
        list->end = w->out.len;
        return true;
    }
    }
    return false;
}

static bool read_members(json_walk *w, const json_type *type)
{
    list_range lists[LISTS_MAX + 1] = { 0 }; /* the last one stays empty */
    uint32_t next = 0;
    if (!kis_json_object(&w->j))
        return false;
    while (kis_json_has_member(&w->j)) {
        const json_field *f = read_field_key(w, type, &next);
        w->field = f ? f->key : KIS_STR_NONE;
        w->is_span_member = type->is_span;
        if (kis_json_null(&w->j))
            continue;
        if (!(f ? read_field(w, f, lists) : kis_json_skip(&w->j)))
            return false;
    }
    return w->j.err == KIS_OK;
}

static bool read_message(json_walk *w, const json_type *type, uint32_t number, size_t expected_size)
{
    size_t begun = kis_pb_begin_about(&w->out, number, expected_size);
    w->is_in_span |= type->is_span;
    if (!read_members(w, type))
        return false;
    if (type->is_span) {
        w->is_in_span = false;
        w->span_number++;
    }
    kis_pb_end(&w->out, begun);
    return true;
}

static kis_err explain_json(const json_walk *w, kis_diag *diag)
{
    const kis_json *j = &w->j;
    kis_diag_set(diag, j->err, "%s, at byte %zu", j->what, kis_json_offset(j));
    if (w->field.len)
        kis_diag_in(diag, j->err, KIS_FMT, KIS_ARG(w->field));
    if (w->is_in_span)
        kis_diag_in(diag, j->err, "span %u", w->span_number);
    return j->err;
}

/* Adds the place to the reason of the first rejected span, when it is an id that was met here. */
static void say_where_bad_id_is(const json_walk *w, kis_batch *batch)
{
    char begin[32];
    kis_diag text;
    kis_str where =
        kis_str_of(begin, kis_fmt(begin, sizeof(begin), "span %u: ", w->bad_id.span_number));

    if (!w->bad_id.is_there || !kis_str_starts(batch->reject_reason, where) ||
        !kis_str_ends(batch->reject_reason, KIS_STR(" hex digits")))
        return;
    kis_diag_set(&text, KIS_ERR_RANGE, KIS_FMT ", at byte %zu", KIS_ARG(batch->reject_reason),
                 w->bad_id.offset);
    kis_str longer = kis_str_from_c(text.text);
    if (!kis_arena_copy(&batch->arena, longer, &longer))
        return; /* without its place it is true all the same */
    batch->reject_reason = longer;
}

kis_err kis_otlp_json_decode(kis_batch *batch, kis_diag *diag)
{
    kis_alloc alloc = kis_arena_as_alloc(&batch->arena);
    json_walk w = { .is_in_span = false };

    batch->resource_count = batch->scope_count = batch->span_count = 0;
    batch->is_verbatim = false;
    kis_json_begin(&w.j, batch->body, &batch->arena);
    kis_buf_init(&w.out, &alloc,
                 /* protobuf is never longer than the JSON that says the same */
                 batch->body.len + 1024);
    kis_buf_reserve(&w.out, batch->body.len / 8 * 5 + 512);
    bool is_read = read_members(&w, &json_request) && kis_json_end(&w.j);
    if (w.out.err || w.j.err == KIS_ERR_NOMEM)
        return kis_otlp_no_room(&batch->arena, batch->body.len, diag);
    if (!is_read)
        return explain_json(&w, diag);
    kis_err err = kis_otlp_decode_request(batch, kis_buf_bytes(&w.out), NULL, diag);
    batch->is_verbatim = false;
    if (!err)
        say_where_bad_id_is(&w, batch);
    return err;
}
