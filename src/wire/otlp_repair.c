/* otlp_repair.c - the slow path of decoding: finds out what is wrong with a message and writes one
 * that is right.
 *
 *     message ──fields, by the tables below──> the same message, repaired, in the arena
 *                └─ a stack of open messages instead of recursion
 *
 * One table a message type says what each field is: a text with its bound, an id with its length, a
 * message, a repeated message with its count. Fields that are in no table are copied as they stand.
 * The tables also hold the names that error texts use.
 *
 * Always true:
 *   (1) what comes out is taken by kis_otlp_read_*, or `reject` is set, or an error was returned
 *   (2) work and memory are proportional to the message: a text grows at most three times (one byte
 *       to U+FFFD)
 *
 * Not here: what to do with a rejected span (otlp_decode.c).
 */
#include "wire/otlp_repair.h"

#include "base/diag.h"
#include "model/json_put.h"

/* ---- tables ---- */

typedef enum rule_action {
    RULE_TEXT,       /* repaired, cut at `max` */
    RULE_TEXT_WHOLE, /* repaired; longer than `max`: dropped whole */
    RULE_BYTES,      /* cut at `max` */
    RULE_ID,         /* `max` bytes; else the span is rejected */
    RULE_PARENT_ID,  /* the same, or none */
    RULE_LINK_ID,    /* the same, or none; else the link is dropped */
    /* of type `inner`; `max` > 0: at most so many, what is over counts in dropped slot `slot` */
    RULE_MESSAGE,
    RULE_DROPPED, /* the sender's count of what it dropped, slot `slot` */
    RULE_NUMBER,  /* copied; here for its name */
} rule_action;

typedef enum message_type {
    TYPE_SPAN,
    TYPE_RESOURCE,
    TYPE_SCOPE,
    TYPE_EVENT,
    TYPE_LINK,
    TYPE_STATUS,
    TYPE_KEY_VALUE,
    TYPE_ANY_VALUE,
    TYPE_ARRAY,
    TYPE_KVLIST,
    TYPE_COUNT
} message_type;

typedef struct field_rule {
    const char *name;
    uint32_t tag;
    rule_action action;
    uint32_t max;
    message_type inner;
    uint8_t slot;
} field_rule;

#define SLOTS 3 /* attributes, events, links */

#define TEXT(number, field, bound)                                      \
    {                                                                   \
        field, KIS_PB_TAG(number, KIS_PB_BYTES), RULE_TEXT, bound, 0, 0 \
    }
#define NUMBER(number, field, wire)                           \
    {                                                         \
        field, KIS_PB_TAG(number, wire), RULE_NUMBER, 0, 0, 0 \
    }
#define MESSAGE(number, field, type)                                      \
    {                                                                     \
        field, KIS_PB_TAG(number, KIS_PB_BYTES), RULE_MESSAGE, 0, type, 0 \
    }
#define REPEATED(number, field, type, bound, at)                               \
    {                                                                          \
        field, KIS_PB_TAG(number, KIS_PB_BYTES), RULE_MESSAGE, bound, type, at \
    }
#define DROPPED(number, field, at)                                       \
    {                                                                    \
        field, KIS_PB_TAG(number, KIS_PB_VARINT), RULE_DROPPED, 0, 0, at \
    }
#define ID(number, field, what, size)                             \
    {                                                             \
        field, KIS_PB_TAG(number, KIS_PB_BYTES), what, size, 0, 0 \
    }

static const field_rule span_rules[] = {
    ID(1, "trace_id", RULE_ID, 16),
    ID(2, "span_id", RULE_ID, 8),
    { "trace_state", KIS_PB_TAG(3, KIS_PB_BYTES), RULE_TEXT_WHOLE, KIS_TRACE_STATE_BYTES_MAX, 0,
      0 },
    ID(4, "parent_span_id", RULE_PARENT_ID, 8),
    TEXT(5, "name", KIS_SPAN_NAME_BYTES_MAX),
    NUMBER(6, "kind", KIS_PB_VARINT),
    NUMBER(7, "start_time_unix_nano", KIS_PB_FIX64),
    NUMBER(8, "end_time_unix_nano", KIS_PB_FIX64),
    REPEATED(9, "attributes", TYPE_KEY_VALUE, KIS_SPAN_ATTRS_MAX, 0),
    DROPPED(10, "dropped_attributes_count", 0),
    REPEATED(11, "events", TYPE_EVENT, KIS_SPAN_EVENTS_MAX, 1),
    DROPPED(12, "dropped_events_count", 1),
    REPEATED(13, "links", TYPE_LINK, KIS_SPAN_LINKS_MAX, 2),
    DROPPED(14, "dropped_links_count", 2),
    MESSAGE(15, "status", TYPE_STATUS),
    NUMBER(16, "flags", KIS_PB_FIX32),
};
static const field_rule resource_rules[] = {
    REPEATED(1, "attributes", TYPE_KEY_VALUE, KIS_SPAN_ATTRS_MAX, 0),
    DROPPED(2, "dropped_attributes_count", 0),
};
static const field_rule scope_rules[] = {
    TEXT(1, "name", KIS_SPAN_NAME_BYTES_MAX),
    TEXT(2, "version", KIS_SPAN_NAME_BYTES_MAX),
    REPEATED(3, "attributes", TYPE_KEY_VALUE, KIS_ITEM_ATTRS_MAX, 0),
    DROPPED(4, "dropped_attributes_count", 0),
};
static const field_rule event_rules[] = {
    NUMBER(1, "time_unix_nano", KIS_PB_FIX64),
    TEXT(2, "name", KIS_SPAN_NAME_BYTES_MAX),
    REPEATED(3, "attributes", TYPE_KEY_VALUE, KIS_ITEM_ATTRS_MAX, 0),
    DROPPED(4, "dropped_attributes_count", 0),
};
static const field_rule link_rules[] = {
    ID(1, "trace_id", RULE_LINK_ID, 16),
    ID(2, "span_id", RULE_LINK_ID, 8),
    { "trace_state", KIS_PB_TAG(3, KIS_PB_BYTES), RULE_TEXT_WHOLE, KIS_TRACE_STATE_BYTES_MAX, 0,
      0 },
    REPEATED(4, "attributes", TYPE_KEY_VALUE, KIS_ITEM_ATTRS_MAX, 0),
    DROPPED(5, "dropped_attributes_count", 0),
    NUMBER(6, "flags", KIS_PB_FIX32),
};
static const field_rule status_rules[] = {
    TEXT(2, "message", KIS_VALUE_BYTES_MAX),
    NUMBER(3, "code", KIS_PB_VARINT),
};
static const field_rule key_value_rules[] = {
    TEXT(1, "key", KIS_KEY_BYTES_MAX),
    MESSAGE(2, "value", TYPE_ANY_VALUE),
};
static const field_rule any_value_rules[] = {
    TEXT(1, "string_value", KIS_VALUE_BYTES_MAX),
    NUMBER(2, "bool_value", KIS_PB_VARINT),
    NUMBER(3, "int_value", KIS_PB_VARINT),
    NUMBER(4, "double_value", KIS_PB_FIX64),
    MESSAGE(5, "array_value", TYPE_ARRAY),
    MESSAGE(6, "kvlist_value", TYPE_KVLIST),
    { "bytes_value", KIS_PB_TAG(7, KIS_PB_BYTES), RULE_BYTES, KIS_VALUE_BYTES_MAX, 0, 0 },
};
static const field_rule array_rules[] = { MESSAGE(1, "values", TYPE_ANY_VALUE) };
static const field_rule kvlist_rules[] = { MESSAGE(1, "values", TYPE_KEY_VALUE) };

#undef TEXT
#undef NUMBER
#undef MESSAGE
#undef REPEATED
#undef DROPPED
#undef ID

static const struct type_rules {
    const field_rule *rules;
    size_t count;
} types[TYPE_COUNT] = {
    [TYPE_SPAN] = { span_rules, KIS_COUNT_OF(span_rules) },
    [TYPE_RESOURCE] = { resource_rules, KIS_COUNT_OF(resource_rules) },
    [TYPE_SCOPE] = { scope_rules, KIS_COUNT_OF(scope_rules) },
    [TYPE_EVENT] = { event_rules, KIS_COUNT_OF(event_rules) },
    [TYPE_LINK] = { link_rules, KIS_COUNT_OF(link_rules) },
    [TYPE_STATUS] = { status_rules, KIS_COUNT_OF(status_rules) },
    [TYPE_KEY_VALUE] = { key_value_rules, KIS_COUNT_OF(key_value_rules) },
    [TYPE_ANY_VALUE] = { any_value_rules, KIS_COUNT_OF(any_value_rules) },
    [TYPE_ARRAY] = { array_rules, KIS_COUNT_OF(array_rules) },
    [TYPE_KVLIST] = { kvlist_rules, KIS_COUNT_OF(kvlist_rules) },
};

/* ---- the walk ---- */

typedef struct open_message {
    message_type type;
    const char *name; /* the field it stands in */
    const uint8_t *end;
    size_t field_start; /* in `out`: its tag; where to cut off when it is discarded */
    size_t body_start;  /* in `out`: behind the room for its length */
    uint8_t length_room;
    uint8_t slot; /* of its parent's, when it is one of a bounded number */
    bool is_discarded;
    uint32_t counts[SLOTS];  /* kept */
    uint32_t dropped[SLOTS]; /* by this walk */
    uint32_t told[SLOTS];    /* by the sender */
} open_message;

/* A span, an event or link, a KeyValue, then at most three messages a level of values. */
#define OPEN_MAX (3 + KIS_VALUE_DEPTH_MAX * 3)

typedef struct repair_walk {
    kis_otlp_repair *result;
    kis_buf out;
    open_message open[OPEN_MAX];
    size_t depth;
    uint32_t value_depth;
    bool has_trace_id, has_span_id; /* of a span: the last ones had a bit set */
} repair_walk;

static const field_rule *find_rule(message_type type, uint32_t tag)
{
    for (size_t i = 0; i < types[type].count; i++)
        if (types[type].rules[i].tag == tag)
            return &types[type].rules[i];
    return NULL;
}

/* The name of a field by its number, for a field that could not be read. */
static const char *name_of_field(message_type type, uint32_t tag)
{
    for (size_t i = 0; i < types[type].count; i++)
        if (types[type].rules[i].tag >> 3 == tag >> 3)
            return types[type].rules[i].name;
    return NULL;
}

static void put_tag_and_length(kis_buf *out, uint32_t tag, size_t len)
{
    uint8_t *to = kis_buf_reserve(out, 20);
    if (!to)
        return;
    size_t size = kis_varint_put(to, tag);
    out->len += size + kis_varint_put(to + size, len);
}

static void put_repaired_field(kis_buf *out, uint32_t tag, kis_bytes bytes)
{
    put_tag_and_length(out, tag, bytes.len);
    kis_buf_add_bytes(out, bytes);
}

/* `text` repaired into out, at most `max` bytes of it; true when it had to be cut. */
static bool put_repaired_text(kis_buf *out, kis_str text, size_t max)
{
    size_t used = 0;
    while (text.len) {
        size_t good = kis_utf8_valid_prefix(text);
        size_t fits = kis_utf8_cut_bytes((kis_str){ text.ptr, good }, max - used);
        kis_buf_add(out, text.ptr, fits);
        used += fits;
        text = (kis_str){ text.ptr + good, text.len - good };
        if (fits < good)
            return true;
        if (text.len == 0)
            return false;
        if (max - used < 3)
            return true;
        kis_buf_add(out, "\xef\xbf\xbd", 3);
        used += 3;
        size_t bad = kis_utf8_bad_piece(text);
        text = (kis_str){ text.ptr + bad, text.len - bad };
    }
    return false;
}

static void repair_text_field(repair_walk *w, const field_rule *rule, kis_bytes bytes)
{
    kis_buf *out = &w->out;
    if (rule->action == RULE_TEXT_WHOLE && bytes.len > rule->max) {
        w->result->cut_values++;
        return;
    }
    size_t field_start = out->len;
    size_t room = kis_varint_size(KIS_MIN((uint64_t)bytes.len * 3, rule->max));
    put_tag_and_length(out, rule->tag, 0);
    size_t length_at = out->len - 1;
    if (!kis_buf_reserve(out, room))
        return;
    out->len = length_at + room;
    size_t start = out->len;
    bool is_cut = put_repaired_text(out, kis_str_of_bytes(bytes), rule->max);
    if (is_cut && rule->action == RULE_TEXT_WHOLE) { /* too long once repaired */
        out->len = field_start;
        w->result->cut_values++;
        return;
    }
    w->result->cut_values += is_cut;
    if (out->err)
        return;
    size_t size = out->len - start, need = kis_varint_size(size);
    memmove(out->ptr + length_at + need, out->ptr + start, size);
    kis_varint_put(out->ptr + length_at, size);
    out->len = length_at + need + size;
}

static bool has_a_bit(kis_bytes id)
{
    uint8_t bits = 0;
    for (size_t i = 0; i < id.len; i++)
        bits |= id.ptr[i];
    return bits != 0;
}

static void reject_at(repair_walk *w, const char *field, const uint8_t *at, const char *what)
{
    kis_diag *reject = &w->result->reject;
    if (reject->err)
        return; /* the first reason is the one that is told */
    if (w->result->body && at)
        kis_diag_set(reject, KIS_ERR_RANGE, "%s: %s, at byte %llu", field, what,
                     (unsigned long long)(at - w->result->body));
    else
        kis_diag_set(reject, KIS_ERR_RANGE, "%s: %s", field, what);
}

static void repair_id(repair_walk *w, const field_rule *rule, kis_bytes id, const uint8_t *at)
{
    bool is_optional = rule->action != RULE_ID;
    if (id.len != rule->max && !(is_optional && id.len == 0)) {
        kis_diag what;
        if (rule->action == RULE_LINK_ID) {
            w->open[w->depth - 1].is_discarded = true;
            return;
        }
        if (w->result->body)
            kis_diag_set(&what, KIS_ERR_RANGE, "want %u bytes, got %zu", rule->max, id.len);
        else
            /* it came as text */
            kis_diag_set(&what, KIS_ERR_RANGE, "want %u hex digits", rule->max * 2);
        reject_at(w, rule->name, at, what.text);
        return;
    }
    if (rule->action == RULE_ID)
        *(rule->max == 16 ? &w->has_trace_id : &w->has_span_id) = has_a_bit(id);
    put_repaired_field(&w->out, rule->tag, id);
}

static kis_err open_inner(repair_walk *w, const field_rule *rule, kis_bytes bytes)
{
    open_message *parent = &w->open[w->depth - 1];
    if (rule->max && parent->counts[rule->slot] == rule->max) {
        parent->dropped[rule->slot]++; /* a message has fewer than 2^32 bytes */
        w->result->cut_values++;
        return KIS_OK;
    }
    parent->counts[rule->slot] += rule->max > 0;
    if (rule->inner == TYPE_ANY_VALUE && w->value_depth == KIS_VALUE_DEPTH_MAX) {
        put_tag_and_length(&w->out, rule->tag, 0);
        w->result->cut_values++;
        return KIS_OK;
    }
    w->value_depth += rule->inner == TYPE_ANY_VALUE;
    open_message *inner = &w->open[w->depth++];
    *inner = (open_message){ .type = rule->inner,
                             .name = rule->name,
                             .end = bytes.ptr + bytes.len,
                             .field_start = w->out.len,
                             .length_room = (uint8_t)kis_varint_size(bytes.len),
                             .slot = rule->max ? rule->slot : SLOTS };
    /* the old length: as wide as the new one, most times */
    put_tag_and_length(&w->out, rule->tag, bytes.len);
    inner->body_start = w->out.len;
    return w->out.err;
}

/* Counts of what was dropped, here and before: behind everything else. */
static void put_dropped(repair_walk *w, const open_message *m)
{
    for (size_t i = 0; i < types[m->type].count; i++) {
        const field_rule *rule = &types[m->type].rules[i];
        if (rule->action != RULE_DROPPED)
            continue;
        uint64_t sum = (uint64_t)m->dropped[rule->slot] + m->told[rule->slot];
        if (sum)
            kis_pb_put_varint(&w->out, rule->tag >> 3, KIS_MIN(sum, (uint64_t)UINT32_MAX));
    }
}

static void close_innermost(repair_walk *w)
{
    open_message *m = &w->open[w->depth - 1];
    put_dropped(w, m);
    w->value_depth -= m->type == TYPE_ANY_VALUE;
    w->depth--;
    kis_buf *out = &w->out;
    if (w->depth == 0 || out->err)
        return;
    if (m->is_discarded) {
        open_message *parent = &w->open[w->depth - 1];
        out->len = m->field_start;
        w->result->cut_values++;
        if (m->slot < SLOTS) {
            parent->counts[m->slot]--;
            parent->dropped[m->slot]++;
        }
        return;
    }
    size_t size = out->len - m->body_start, need = kis_varint_size(size);
    if (need != m->length_room) { /* repairs moved it over a border: rare */
        if (need > m->length_room && !kis_buf_reserve(out, need - m->length_room))
            return;
        memmove(out->ptr + m->body_start - m->length_room + need, out->ptr + m->body_start, size);
        out->len = m->body_start - m->length_room + need + size;
    }
    kis_varint_put(out->ptr + m->body_start - m->length_room, size);
}

/* A field as it stands, its tag in the shortest form (kis_otlp_read_* insists). */
static void copy_field(repair_walk *w, uint32_t tag, const uint8_t *at, const uint8_t *end)
{
    kis_cursor c = { at, end };
    uint64_t same_tag;
    uint8_t *to = kis_buf_reserve(&w->out, 10);
    if (!to || !kis_cursor_varint(&c, &same_tag))
        return;
    w->out.len += kis_varint_put(to, tag);
    kis_buf_add(&w->out, c.at, (size_t)(end - c.at));
}

static kis_err repair_field(repair_walk *w, const kis_pb_field *field, const uint8_t *at,
                            const uint8_t *end)
{
    open_message *m = &w->open[w->depth - 1];
    const field_rule *rule = find_rule(m->type, field->tag);
    if (!rule || rule->action == RULE_NUMBER) {
        copy_field(w, field->tag, at, end);
        return w->out.err;
    }
    switch (rule->action) {
    case RULE_TEXT:
    case RULE_TEXT_WHOLE:
        repair_text_field(w, rule, field->bytes);
        break;
    case RULE_BYTES:
        w->result->cut_values += field->bytes.len > rule->max;
        put_repaired_field(
            &w->out, rule->tag,
            (kis_bytes){ field->bytes.ptr, KIS_MIN(field->bytes.len, (size_t)rule->max) });
        break;
    case RULE_DROPPED:
        m->told[rule->slot] = (uint32_t)KIS_MIN(field->number, (uint64_t)UINT32_MAX);
        break;
    case RULE_MESSAGE:
        return open_inner(w, rule, field->bytes);
    default:
        repair_id(w, rule, field->bytes, at);
    }
    return w->out.err;
}

static kis_err explain(repair_walk *w, kis_cursor at, kis_err err, kis_diag *diag)
{
    const open_message *m = &w->open[w->depth - 1];
    kis_cursor c = at;
    uint64_t tag = 0;
    kis_otlp_explain_field(at, err, w->result->body, diag);
    const char *name = kis_cursor_varint(&c, &tag) && tag <= UINT32_MAX
                           ? name_of_field(m->type, (uint32_t)tag)
                           : NULL;
    if (name)
        kis_diag_in(diag, err, "%s", name);
    for (size_t i = w->depth; i-- > 1;)
        /* a value nested 30 deep is told by its outer four and its last */
        if (i < 5 || i + 2 > w->depth)
            kis_diag_in(diag, err, "%s", w->open[i].name);
    return err;
}

static kis_err walk_message(repair_walk *w, const uint8_t *p, kis_diag *diag)
{
    while (w->depth > 0) {
        open_message *m = &w->open[w->depth - 1];
        if (p == m->end) {
            close_innermost(w);
            continue;
        }
        kis_cursor c = { p, m->end };
        kis_pb_field field;
        kis_err err = kis_pb_next(&c, &field);
        if (err)
            return explain(w, (kis_cursor){ p, m->end }, err, diag);
        size_t depth = w->depth;
        err = repair_field(w, &field, p, c.at);
        if (err)
            return err;
        p = w->depth > depth ? field.bytes.ptr : c.at;
    }
    return w->out.err;
}

kis_err kis_otlp_repair_message(kis_otlp_message type, kis_bytes message, kis_arena *arena,
                                kis_otlp_repair *repair, kis_diag *diag)
{
    static const message_type roots[] = { TYPE_SPAN, TYPE_RESOURCE, TYPE_SCOPE };
    kis_alloc alloc = kis_arena_as_alloc(arena);
    repair_walk w;

    w.result = repair;
    w.depth = 1;
    w.value_depth = 0;
    w.has_trace_id = w.has_span_id = false;
    w.open[0] =
        (open_message){ .type = roots[type], .end = message.ptr + message.len, .slot = SLOTS };
    repair->cut_values = 0;
    repair->reject.err = KIS_OK;
    repair->reject.text[0] = 0;
    /* (2), and room for what each reserve asks beyond */
    kis_buf_init(&w.out, &alloc, message.len * 3 + 1024);
    kis_err err = kis_buf_reserve(&w.out, message.len + message.len / 16 + 64)
                      ? walk_message(&w, message.ptr, diag)
                      : w.out.err;
    if (w.out.err)
        return kis_otlp_no_room(arena, message.len * 3, diag);
    if (err)
        return err;
    if (type == KIS_OTLP_SPAN && !w.has_trace_id)
        reject_at(&w, "trace_id", message.ptr, "none, or all zero");
    if (type == KIS_OTLP_SPAN && !w.has_span_id)
        reject_at(&w, "span_id", message.ptr, "none, or all zero");
    repair->clean = kis_buf_bytes(&w.out);
    return KIS_OK;
}

/* ---- words ---- */

static void say_at(const uint8_t *body, const uint8_t *at, kis_err err, kis_diag *diag,
                   const char *what)
{
    if (body)
        kis_diag_set(diag, err, "%s, at byte %llu", what, (unsigned long long)(at - body));
    else
        kis_diag_set(diag, err, "%s", what);
}

kis_err kis_otlp_explain_field(kis_cursor at, kis_err err, const uint8_t *body, kis_diag *diag)
{
    kis_cursor c = at;
    uint64_t tag, len;
    kis_diag text;

    if (!kis_cursor_varint(&c, &tag) || tag > UINT32_MAX) {
        say_at(body, at.at, err, diag, "a tag that is no 32-bit varint");
    } else if (tag < 8) {
        say_at(body, at.at, err, diag, "field number 0");
    } else if ((tag & 7) > KIS_PB_FIX32) {
        kis_diag_set(&text, err, "wire type %u", (unsigned)(tag & 7));
        say_at(body, at.at, err, diag, text.text);
    } else if ((tag & 7) == KIS_PB_GROUP_END) {
        say_at(body, at.at, err, diag, "an end group without its start");
    } else if ((tag & 7) == KIS_PB_GROUP) {
        say_at(body, at.at, err, diag,
               "a group that does not end, ends wrongly or is nested too deep");
    } else if ((tag & 7) == KIS_PB_VARINT) {
        say_at(body, at.at, err, diag, "a varint that does not end or has more than 64 bits");
    } else if ((tag & 7) != KIS_PB_BYTES) {
        kis_diag_set(&text, err, "want %u bytes, %zu are left", (tag & 7) == KIS_PB_FIX64 ? 8u : 4u,
                     kis_cursor_left(&c));
        say_at(body, at.at, err, diag, text.text);
    } else if (!kis_cursor_varint(&c, &len)) {
        say_at(body, at.at, err, diag, "a length that does not end or has more than 64 bits");
    } else {
        kis_diag_set(&text, err, "length %llu, but %zu bytes are left", (unsigned long long)len,
                     kis_cursor_left(&c));
        say_at(body, at.at, err, diag, text.text);
    }
    return err;
}

kis_err kis_otlp_no_room(const kis_arena *arena, size_t size, kis_diag *diag)
{
    if (size > arena->max_bytes || arena->held_bytes > arena->max_bytes - size)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "decoding needs more than %zu bytes of memory",
                            arena->max_bytes);
    return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory");
}

kis_err kis_otlp_repair_text(kis_bytes text, size_t max, kis_arena *arena, kis_str *out,
                             uint32_t *cut_values)
{
    kis_alloc alloc = kis_arena_as_alloc(arena);
    kis_buf buf;
    kis_buf_init(&buf, &alloc, max + 64);
    *cut_values += put_repaired_text(&buf, kis_str_of_bytes(text), max);
    if (buf.err)
        return kis_otlp_no_room(arena, max, NULL);
    *out = kis_buf_str(&buf);
    return KIS_OK;
}
