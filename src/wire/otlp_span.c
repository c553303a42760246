/* otlp_span.c - one Span message, checked and seen in place: the inner loop of receiving.
 *
 *     Span bytes ──one walk──> every length, count, depth, UTF-8 checked ──> kis_span_view that
 *                                                                            points into them
 *
 * The walk is written for what senders send: one-byte tags, KeyValues with the key first and then
 * the value, short ASCII texts. An attribute in any other order goes to check_nested(), which takes
 * whatever protobuf allows. What is wrong or over a limit is not told apart here: the answer is
 * "not clean", and the message goes to otlp_repair.c, which is allowed to be slow.
 *
 * Always true:
 *   (1) no byte at or behind `limit` is read, and none behind the message has influence on the
 *       answer
 *   (2) what is answered with true is well formed as deep as anything in model/ will look
 *   (3) no recursion: nested values are walked with a stack of KIS_VALUE_DEPTH_MAX levels
 *
 * Cost: span_decode_bench; the UTF-8 check of short texts is one 16-byte load and a mask.
 */
#include "wire/otlp_span.h"

#define TAG_STR_1 KIS_PB_TAG(1, KIS_PB_BYTES)
#define TAG_STR_2 KIS_PB_TAG(2, KIS_PB_BYTES)

/* ---- texts ---- */

#if defined(__SSE2__)
typedef char text_block __attribute__((vector_size(16)));

static inline uint32_t high_bits_of_16(const uint8_t *at)
{
    text_block block;
    memcpy(&block, at, 16);
    return (uint32_t)__builtin_ia32_pmovmskb128(block);
}

/* No byte of [at, at + len) is 0x80 or above; may say false for lack of room. */
static inline bool is_ascii_text(const uint8_t *at, size_t len, const uint8_t *limit)
{
    if (KIS_LIKELY(len <= 16)) {
        if (KIS_UNLIKELY((size_t)(limit - at) < 16))
            return false;
        return (high_bits_of_16(at) & ((1u << len) - 1)) == 0;
    }
    uint32_t high = high_bits_of_16(at + len - 16);
    for (size_t i = 0; i + 16 < len; i += 16)
        high |= high_bits_of_16(at + i);
    return high == 0;
}
#else
static inline bool is_ascii_text(const uint8_t *at, size_t len, const uint8_t *limit)
{
    const uint64_t high_bits = 0x8080808080808080u;
    uint64_t word, high = 0;
    if (len < 8) {
        if (KIS_UNLIKELY((size_t)(limit - at) < 8))
            return false;
        memcpy(&word, at, 8);
        return (word & high_bits & (((uint64_t)1 << (8 * len)) - 1)) == 0;
    }
    memcpy(&word, at + len - 8, 8);
    high |= word;
    for (size_t i = 0; i + 8 < len; i += 8) {
        memcpy(&word, at + i, 8);
        high |= word;
    }
    return (high & high_bits) == 0;
}
#endif

static inline bool is_clean_text(const uint8_t *at, size_t len, const uint8_t *limit)
{
    return KIS_LIKELY(is_ascii_text(at, len, limit)) ||
           kis_utf8_is_valid((kis_str){ (const char *)at, len });
}

bool kis_otlp_text_is_clean(kis_bytes text, size_t max)
{
    return text.len <= max && kis_utf8_is_valid(kis_str_of_bytes(text));
}

/* ---- fields ---- */

/* Past a field that nobody knows; NULL: not well formed, or a tag longer than it need be, which the
 * comparisons of one byte here do not see but every reader that comes after would. */
static const uint8_t *skip_field(const uint8_t *p, const uint8_t *end)
{
    kis_cursor c = { p, end };
    kis_pb_field field;
    if (kis_pb_next(&c, &field) != KIS_OK)
        return NULL;
    return p[kis_varint_size(field.tag) - 1] < 0x80 ? c.at : NULL;
}

static const uint8_t *read_span_number(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    kis_cursor c = { p, end };
    return kis_cursor_varint(&c, out) ? c.at : NULL;
}

/* ---- nested values, in whatever order ---- */

typedef enum nested_type { IN_KEY_VALUE, IN_ANY_VALUE, IN_ARRAY, IN_KVLIST } nested_type;

typedef struct nested_frame {
    const uint8_t *end;
    nested_type type;
} nested_frame;

/* A value opens at most three messages: AnyValue, KeyValueList, KeyValue. */
#define NESTED_FRAMES_MAX (KIS_VALUE_DEPTH_MAX * 3 + 2)

typedef struct nested_walk {
    nested_frame frames[NESTED_FRAMES_MAX];
    size_t depth;
    uint32_t any_depth;
} nested_walk;

static bool push_frame(nested_walk *w, const uint8_t *end, nested_type type)
{
    if (type == IN_ANY_VALUE && ++w->any_depth > KIS_VALUE_DEPTH_MAX)
        return false;
    w->frames[w->depth++] = (nested_frame){ end, type };
    return true;
}

/* One field of the innermost message; answers where to go on (inside a message that was opened, or
 * behind the field). */
static const uint8_t *check_nested_field(nested_walk *w, const uint8_t *p, const uint8_t *limit)
{
    const nested_frame f = w->frames[w->depth - 1];
    uint32_t tag = *p;
    size_t len;
    const uint8_t *at;

    if ((tag & 7) != KIS_PB_BYTES || tag >= 0x80)
        return skip_field(p, f.end); /* numbers, and fields that nobody knows */
    at = kis_otlp_length(p + 1, f.end, &len);
    if (!at)
        return NULL;
    if (len == 0)
        /* nothing in it, however deep it lies: what repair leaves of a value that was too deep */
        return at;
    uint32_t number = tag >> 3;
    switch (f.type) {
    case IN_KEY_VALUE:
        if (number == 1)
            return len <= KIS_KEY_BYTES_MAX && is_clean_text(at, len, limit) ? at + len : NULL;
        if (number == 2)
            return push_frame(w, at + len, IN_ANY_VALUE) ? at : NULL;
        break;
    case IN_ANY_VALUE:
        if (number == 1)
            return len <= KIS_VALUE_BYTES_MAX && is_clean_text(at, len, limit) ? at + len : NULL;
        if (number == 5 || number == 6)
            return push_frame(w, at + len, number == 5 ? IN_ARRAY : IN_KVLIST) ? at : NULL;
        if (number == 7)
            return len <= KIS_VALUE_BYTES_MAX ? at + len : NULL;
        break;
    case IN_ARRAY:
    case IN_KVLIST:
        if (number == 1)
            return push_frame(w, at + len, f.type == IN_ARRAY ? IN_ANY_VALUE : IN_KEY_VALUE) ? at
                                                                                             : NULL;
        break;
    }
    return skip_field(p, f.end);
}

static bool check_nested(const uint8_t *p, const uint8_t *end, nested_type type,
                         const uint8_t *limit)
{
    nested_walk w;
    w.depth = w.any_depth = 0;
    push_frame(&w, end, type);
    for (;;) {
        while (p == w.frames[w.depth - 1].end) {
            w.any_depth -= w.frames[w.depth - 1].type == IN_ANY_VALUE;
            if (--w.depth == 0)
                return true;
        }
        p = check_nested_field(&w, p, limit);
        if (!p)
            return false;
    }
}

/* ---- one attribute ---- */

static inline bool is_short_varint(const uint8_t *p, size_t len)
{
    return len == 1 ? p[0] < 0x80 : len == 2 && p[0] >= 0x80 && p[1] < 0x80;
}

/* The AnyValue [p, end), a text or a number in its usual form; false: look closer. */
static bool is_plain_value(const uint8_t *p, const uint8_t *end, const uint8_t *limit)
{
    size_t len;
    if (p == end)
        return true;
    switch (*p) {
    case KIS_PB_TAG(1, KIS_PB_BYTES):
        p = kis_otlp_length(p + 1, end, &len);
        return p && p + len == end && len <= KIS_VALUE_BYTES_MAX && is_clean_text(p, len, limit);
    case KIS_PB_TAG(2, KIS_PB_VARINT):
    case KIS_PB_TAG(3, KIS_PB_VARINT): {
        uint64_t number;
        return read_span_number(p + 1, end, &number) == end;
    }
    case KIS_PB_TAG(4, KIS_PB_FIX64):
        return end - p == 9;
    default:
        return false;
    }
}

/* A KeyValue whose length stands at `p`: answers what is behind it, NULL when it is not clean. */
static const uint8_t *read_attr_closely(const uint8_t *p, const uint8_t *end, const uint8_t *limit)
{
    size_t len, key_len, value_len;
    const uint8_t *at = kis_otlp_length(p, end, &len);
    if (!at)
        return NULL;
    end = at + len;
    const uint8_t *key =
        len > 0 && at[0] == TAG_STR_1 ? kis_otlp_length(at + 1, end, &key_len) : NULL;
    if (key && key_len <= KIS_KEY_BYTES_MAX && key + key_len < end && key[key_len] == TAG_STR_2) {
        const uint8_t *value = kis_otlp_length(key + key_len + 1, end, &value_len);
        if (value && value + value_len == end && is_clean_text(key, key_len, limit))
            return is_plain_value(value, end, limit) ||
                           check_nested(value, end, IN_ANY_VALUE, limit)
                       ? end
                       : NULL;
    }
    return check_nested(at, end, IN_KEY_VALUE, limit) ? end : NULL;
}

/* The same, for what most attributes are: less than 128 bytes, key, then a text or a number, ASCII.
 *
 *     len  0a key_len key…  12 value_len  0a text_len text…
 *     p    at               value         any
 *
 * All of it is below 0x80 when the texts are ASCII, so one check does for both.
 */
static inline const uint8_t *read_attr(const uint8_t *p, const uint8_t *end, const uint8_t *limit)
{
    const uint8_t *at = p + 1;
    size_t room = (size_t)(end - p);
    if (KIS_LIKELY(room > 7 && p[0] < 0x80 && p[0] >= 6 && p[0] < room)) {
        size_t len = p[0], key_len = at[1];
        if (KIS_LIKELY(at[0] == TAG_STR_1 && key_len + 6 <= len)) {
            const uint8_t *value = at + key_len + 2, *any = value + 2;
            size_t any_len = len - key_len - 4;
            if (KIS_LIKELY(value[0] == TAG_STR_2 && value[1] == any_len)) {
                size_t checked =
                    any[0] == KIS_PB_TAG(1, KIS_PB_BYTES) && any[1] + (size_t)2 == any_len ? len
                    : (any[0] & 0xf7) == KIS_PB_TAG(2, KIS_PB_VARINT) &&
                            is_short_varint(any + 1, any_len - 1)
                        ? key_len + 2
                    : any[0] == KIS_PB_TAG(4, KIS_PB_FIX64) && any_len == 9 ? key_len + 2
                                                                            : 0;
                if (KIS_LIKELY(checked && is_ascii_text(at, checked, limit)))
                    return at + len;
            }
        }
    }
    return read_attr_closely(p, end, limit);
}

/* A text field whose length stands at `p`. */
static inline const uint8_t *read_span_text(const uint8_t *p, const uint8_t *end,
                                            const uint8_t *limit, size_t max, kis_str *out)
{
    size_t len;
    p = kis_otlp_length(p, end, &len);
    if (KIS_UNLIKELY(!p || len > max || !is_clean_text(p, len, limit)))
        return NULL;
    *out = (kis_str){ (const char *)p, len };
    return p + len;
}

/* ---- events, links, status ---- */

static bool is_clean_event(const uint8_t *p, const uint8_t *end, const uint8_t *limit)
{
    uint32_t attrs = 0;
    uint64_t number;
    kis_str name;
    while (p && p < end) {
        switch (*p) {
        case KIS_PB_TAG(1, KIS_PB_FIX64):
            p = end - p >= 9 ? p + 9 : NULL;
            break;
        case KIS_PB_TAG(2, KIS_PB_BYTES):
            p = read_span_text(p + 1, end, limit, KIS_SPAN_NAME_BYTES_MAX, &name);
            break;
        case KIS_TAG_EVENT_ATTRS:
            p = read_attr(p + 1, end, limit);
            attrs++;
            break;
        case KIS_PB_TAG(4, KIS_PB_VARINT):
            p = read_span_number(p + 1, end, &number);
            break;
        default:
            p = skip_field(p, end);
        }
    }
    return p && attrs <= KIS_ITEM_ATTRS_MAX;
}

/* An id whose length stands at `p`: right or missing. */
static const uint8_t *read_link_id(const uint8_t *p, const uint8_t *end, size_t want)
{
    size_t len;
    p = kis_otlp_length(p, end, &len);
    return p && (len == want || len == 0) ? p + len : NULL;
}

static bool is_clean_link(const uint8_t *p, const uint8_t *end, const uint8_t *limit)
{
    uint32_t attrs = 0;
    uint64_t number;
    kis_str text;
    while (p && p < end) {
        switch (*p) {
        case KIS_PB_TAG(1, KIS_PB_BYTES):
            p = read_link_id(p + 1, end, 16);
            break;
        case KIS_PB_TAG(2, KIS_PB_BYTES):
            p = read_link_id(p + 1, end, 8);
            break;
        case KIS_PB_TAG(3, KIS_PB_BYTES):
            p = read_span_text(p + 1, end, limit, KIS_TRACE_STATE_BYTES_MAX, &text);
            break;
        case KIS_TAG_LINK_ATTRS:
            p = read_attr(p + 1, end, limit);
            attrs++;
            break;
        case KIS_PB_TAG(5, KIS_PB_VARINT):
            p = read_span_number(p + 1, end, &number);
            break;
        case KIS_PB_TAG(6, KIS_PB_FIX32):
            p = end - p >= 5 ? p + 5 : NULL;
            break;
        default:
            p = skip_field(p, end);
        }
    }
    return p && attrs <= KIS_ITEM_ATTRS_MAX;
}

static bool read_status(const uint8_t *p, const uint8_t *end, const uint8_t *limit,
                        kis_span_view *v)
{
    uint64_t code;
    while (p && p < end) {
        switch (*p) {
        case KIS_PB_TAG(2, KIS_PB_BYTES):
            p = read_span_text(p + 1, end, limit, KIS_VALUE_BYTES_MAX, &v->status_message);
            break;
        case KIS_PB_TAG(3, KIS_PB_VARINT):
            p = read_span_number(p + 1, end, &code);
            v->status = p && code <= KIS_STATUS_ERROR ? (uint8_t)code : KIS_STATUS_UNSET;
            break;
        default:
            p = skip_field(p, end);
        }
    }
    return p != NULL;
}

/* ---- a span ---- */

static inline const uint8_t *read_dropped(const uint8_t *p, const uint8_t *end, uint32_t *out)
{
    uint64_t number;
    p = read_span_number(p, end, &number);
    if (p)
        *out = (uint32_t)KIS_MIN(number, (uint64_t)UINT32_MAX);
    return p;
}

/* The rarer fields of a span, at the tag `p`. */
static const uint8_t *read_span_rest(const uint8_t *p, const uint8_t *end, const uint8_t *limit,
                                     kis_span_view *v)
{
    size_t len;
    switch (*p) {
    case KIS_PB_TAG(3, KIS_PB_BYTES):
        return read_span_text(p + 1, end, limit, KIS_TRACE_STATE_BYTES_MAX, &v->trace_state);
    case KIS_PB_TAG(10, KIS_PB_VARINT):
        return read_dropped(p + 1, end, &v->dropped_attrs);
    case KIS_PB_TAG(12, KIS_PB_VARINT):
        return read_dropped(p + 1, end, &v->dropped_events);
    case KIS_PB_TAG(14, KIS_PB_VARINT):
        return read_dropped(p + 1, end, &v->dropped_links);
    case KIS_TAG_SPAN_EVENTS: {
        const uint8_t *at = kis_otlp_length(p + 1, end, &len);
        if (!at || !is_clean_event(at, at + len, limit))
            return NULL;
        v->events.ptr = v->event_count++ ? v->events.ptr : p;
        v->events.len = (size_t)(at + len - v->events.ptr);
        return at + len;
    }
    case KIS_TAG_SPAN_LINKS: {
        const uint8_t *at = kis_otlp_length(p + 1, end, &len);
        if (!at || !is_clean_link(at, at + len, limit))
            return NULL;
        v->links.ptr = v->link_count++ ? v->links.ptr : p;
        v->links.len = (size_t)(at + len - v->links.ptr);
        return at + len;
    }
    default:
        return skip_field(p, end);
    }
}

static inline bool is_valid_span(const kis_span_view *v)
{
    return kis_trace_id_is_valid(&v->trace_id) && kis_span_id_is_valid(&v->span_id) &&
           v->attr_count <= KIS_SPAN_ATTRS_MAX && v->event_count <= KIS_SPAN_EVENTS_MAX &&
           v->link_count <= KIS_SPAN_LINKS_MAX;
}

bool kis_otlp_read_span(kis_bytes message, const uint8_t *limit, kis_span_view *out)
{
    const uint8_t *p = message.ptr, *end = p + message.len;
    const uint8_t *attrs = NULL, *attrs_end = NULL;
    kis_span_view v = { .attrs.tag = KIS_TAG_SPAN_ATTRS, .bytes = message };
    size_t len;
    uint64_t number;

    while (p < end) {
        switch (*p) {
        case KIS_TAG_SPAN_ATTRS:
            attrs = attrs ? attrs : p;
            do { /* they come in a row */
                p = read_attr(p + 1, end, limit);
                if (KIS_UNLIKELY(!p))
                    return false;
                v.attr_count++;
            } while (p < end && *p == KIS_TAG_SPAN_ATTRS);
            attrs_end = p;
            break;
        case KIS_PB_TAG(1, KIS_PB_BYTES):
            if (end - p < 18 || p[1] != 16)
                return false;
            memcpy(v.trace_id.bytes, p + 2, 16);
            p += 18;
            break;
        case KIS_PB_TAG(2, KIS_PB_BYTES):
            if (end - p < 10 || p[1] != 8)
                return false;
            memcpy(v.span_id.bytes, p + 2, 8);
            p += 10;
            break;
        case KIS_PB_TAG(4, KIS_PB_BYTES):
            if (end - p < 2 || (p[1] != 8 && p[1] != 0) || end - p < 2 + p[1])
                return false;
            v.parent_id = (kis_span_id){ { 0 } };
            if (p[1] == 8)
                memcpy(v.parent_id.bytes, p + 2, 8);
            p += 2 + p[1];
            break;
        case KIS_PB_TAG(5, KIS_PB_BYTES):
            p = read_span_text(p + 1, end, limit, KIS_SPAN_NAME_BYTES_MAX, &v.name);
            break;
        case KIS_PB_TAG(6, KIS_PB_VARINT):
            p = read_span_number(p + 1, end, &number);
            v.kind =
                p && number <= KIS_OTLP_KIND_CONSUMER ? (uint8_t)number : KIS_OTLP_KIND_UNSPECIFIED;
            break;
        case KIS_PB_TAG(7, KIS_PB_FIX64):
            if (end - p < 9)
                return false;
            memcpy(&v.start_unix_ns, p + 1, 8);
            p += 9;
            break;
        case KIS_PB_TAG(8, KIS_PB_FIX64):
            if (end - p < 9)
                return false;
            memcpy(&v.end_unix_ns, p + 1, 8);
            p += 9;
            break;
        case KIS_PB_TAG(15, KIS_PB_BYTES):
            p = kis_otlp_length(p + 1, end, &len);
            if (!p || !read_status(p, p + len, limit, &v))
                return false;
            p += len;
            break;
        case 0x85: /* field 16, flags: the only one whose tag has two bytes */
            if (end - p >= 6 && p[1] == 0x01) {
                memcpy(&v.flags, p + 2, 4);
                p += 6;
            } else {
                p = skip_field(p, end);
            }
            break;
        default:
            p = read_span_rest(p, end, limit, &v);
        }
        if (KIS_UNLIKELY(!p))
            return false;
    }
    if (KIS_UNLIKELY(!is_valid_span(&v)))
        return false;
    v.attrs.ptr = attrs;
    v.attrs.len = (uint32_t)(attrs_end - attrs);
    *out = v;
    return true;
}

/* ---- resource and scope ---- */

bool kis_otlp_read_resource(kis_bytes message, const uint8_t *limit, kis_resource_view *out)
{
    const uint8_t *p = message.ptr, *end = p + message.len;
    kis_resource_view v = { .attrs = { message.ptr, (uint32_t)message.len,
                                       KIS_TAG_RESOURCE_ATTRS } };
    uint32_t attrs = 0;

    while (p && p < end) {
        switch (*p) {
        case KIS_TAG_RESOURCE_ATTRS:
            p = read_attr(p + 1, end, limit);
            attrs++;
            break;
        case KIS_PB_TAG(2, KIS_PB_VARINT):
            p = read_dropped(p + 1, end, &v.dropped_attrs);
            break;
        default:
            p = skip_field(p, end);
        }
    }
    if (!p || attrs > KIS_SPAN_ATTRS_MAX)
        return false;
    v.service_name = kis_attrs_text(v.attrs, KIS_STR("service.name"));
    if (v.service_name.len == 0)
        v.service_name = KIS_STR("unknown_service");
    *out = v;
    return true;
}

bool kis_otlp_read_scope(kis_bytes message, const uint8_t *limit, kis_scope_view *out)
{
    const uint8_t *p = message.ptr, *end = p + message.len;
    kis_scope_view v = { .attrs = { message.ptr, (uint32_t)message.len, KIS_TAG_SCOPE_ATTRS } };
    uint32_t attrs = 0;

    while (p && p < end) {
        switch (*p) {
        case KIS_PB_TAG(1, KIS_PB_BYTES):
            p = read_span_text(p + 1, end, limit, KIS_SPAN_NAME_BYTES_MAX, &v.name);
            break;
        case KIS_PB_TAG(2, KIS_PB_BYTES):
            p = read_span_text(p + 1, end, limit, KIS_SPAN_NAME_BYTES_MAX, &v.version);
            break;
        case KIS_TAG_SCOPE_ATTRS:
            p = read_attr(p + 1, end, limit);
            attrs++;
            break;
        case KIS_PB_TAG(4, KIS_PB_VARINT):
            p = read_dropped(p + 1, end, &v.dropped_attrs);
            break;
        default:
            p = skip_field(p, end);
        }
    }
    if (!p || attrs > KIS_ITEM_ATTRS_MAX)
        return false;
    *out = v;
    return true;
}
