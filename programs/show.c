/* show.c - see show.h. Names come from strangers: whatever is printed is escaped, so that none
 * moves a cursor or rings a bell. */
#include "show.h"

#include "base/fmt.h"
#include "base/num.h"
#include "model/batch.h"
#include "os/mem.h"
#include "query/terms.h"
#include "query/tree.h"
#include "wire/json.h"
#include "wire/otlp.h"

#define SHOWN_NAME_MAX   200u  /* characters of a name in a table */
#define SHOWN_VALUE_MAX  2000u /* of an attribute's value */
#define TRACE_BYTES_MAX  ((size_t)2 << 30)
#define INDENT_DEPTH_MAX 40u /* deeper spans stand no further to the right */

static void put_name(kis_buf *out, kis_str name)
{
    char room[4 * SHOWN_NAME_MAX + 1];
    size_t len = kis_fmt_escape(room, sizeof(room),
                                kis_str_slice(name, 0, kis_utf8_cut_chars(name, SHOWN_NAME_MAX)));
    kis_buf_add(out, room, len);
}

static void put_value(kis_buf *out, kis_str text)
{
    char room[4 * SHOWN_VALUE_MAX + 1];
    kis_str shown = kis_str_slice(text, 0, kis_utf8_cut_chars(text, SHOWN_VALUE_MAX));

    kis_buf_add(out, room, kis_fmt_escape(room, sizeof(room), shown));
    if (shown.len < text.len)
        kis_buf_add_str(out, KIS_STR("..."));
}

static void put_spaces(kis_buf *out, size_t from, size_t to)
{
    for (; from < to; from++)
        kis_buf_add_byte(out, ' ');
}

/* Right-aligned in `width`. */
static void put_right(kis_buf *out, kis_str text, size_t width)
{
    put_spaces(out, text.len, width);
    kis_buf_add_str(out, text);
}

/* Three figures are enough for people: "1.53ms", "12.3s". */
static kis_str short_duration(uint64_t ns, char room[KIS_NUM_TEXT_MAX])
{
    static const struct {
        uint64_t ns;
        const char *name;
    } units[] = { { 1000000000, "s" }, { 1000000, "ms" }, { 1000, "us" } };

    for (size_t i = 0; i < KIS_COUNT_OF(units); i++) {
        if (ns < units[i].ns)
            continue;
        uint64_t whole = ns / units[i].ns, cents = ns % units[i].ns * 100 / units[i].ns;
        size_t len =
            whole >= 100 ? kis_fmt(room, KIS_NUM_TEXT_MAX, "%llu%s", (unsigned long long)whole,
                                   units[i].name)
            : whole >= 10
                ? kis_fmt(room, KIS_NUM_TEXT_MAX, "%llu.%llu%s", (unsigned long long)whole,
                          (unsigned long long)(cents / 10), units[i].name)
                : kis_fmt(room, KIS_NUM_TEXT_MAX, "%llu.%02llu%s", (unsigned long long)whole,
                          (unsigned long long)cents, units[i].name);
        return kis_str_of(room, len);
    }
    return kis_str_of(room, kis_fmt(room, KIS_NUM_TEXT_MAX, "%lluns", (unsigned long long)ns));
}

/* Moves to the array that is member `name` of the outer object. */
static bool enter_array(kis_json *j, kis_bytes json, kis_arena *arena, kis_str name)
{
    kis_str key;

    kis_json_begin(j, json, arena);
    for (kis_json_object(j); kis_json_member(j, &key);) {
        if (kis_str_eq(key, name))
            return kis_json_array(j);
        kis_json_skip(j);
    }
    return false;
}

static kis_err empty_or(const kis_json *j, const kis_buf *out, size_t begin)
{
    return j->err ? j->err : out->len == begin ? KIS_ERR_NOT_FOUND : KIS_OK;
}

kis_err kis_show_services(kis_bytes json, kis_arena *arena, kis_buf *out)
{
    kis_json j;
    kis_str name;

    if (!enter_array(&j, json, arena, KIS_STR("services")))
        return KIS_ERR_SYNTAX;
    size_t start = out->len;
    while (kis_json_item(&j) && kis_json_str(&j, &name)) {
        put_name(out, name);
        kis_buf_add_byte(out, '\n');
    }
    return empty_or(&j, out, start);
}

kis_err kis_show_operations(kis_bytes json, kis_arena *arena, kis_buf *out)
{
    kis_json j;

    if (!enter_array(&j, json, arena, KIS_STR("operations")))
        return KIS_ERR_SYNTAX;
    size_t begin = out->len;
    while (kis_json_item(&j)) {
        kis_str key, name = KIS_STR_NONE, kind = KIS_STR_NONE;
        for (kis_json_object(&j); kis_json_member(&j, &key);) {
            if (kis_str_eq(key, KIS_STR("name")))
                kis_json_str(&j, &name);
            else if (kis_str_eq(key, KIS_STR("spanKind")))
                kis_json_str(&j, &kind);
            else
                kis_json_skip(&j);
        }
        size_t start = out->len;
        put_name(out, kind);
        put_spaces(out, out->len - start, 12);
        put_name(out, name);
        kis_buf_add_byte(out, '\n');
    }
    return empty_or(&j, out, begin);
}

typedef struct summary_row {
    kis_str trace_id, service, name;
    uint64_t start_ns, end_ns, spans, errors, orphans;
} summary_row;

static void read_summary(kis_json *j, summary_row *row)
{
    kis_str key;

    *row = (summary_row){ 0 };
    for (kis_json_object(j); kis_json_member(j, &key);) {
        if (kis_str_eq(key, KIS_STR("traceId")))
            kis_json_str(j, &row->trace_id);
        else if (kis_str_eq(key, KIS_STR("rootServiceName")))
            kis_json_str(j, &row->service);
        else if (kis_str_eq(key, KIS_STR("rootOperationName")))
            kis_json_str(j, &row->name);
        else if (kis_str_eq(key, KIS_STR("minStartTimeUnixNano")))
            kis_json_u64(j, &row->start_ns);
        else if (kis_str_eq(key, KIS_STR("maxEndTimeUnixNano")))
            kis_json_u64(j, &row->end_ns);
        else if (kis_str_eq(key, KIS_STR("spanCount")))
            kis_json_u64(j, &row->spans);
        else if (kis_str_eq(key, KIS_STR("errorSpanCount")))
            kis_json_u64(j, &row->errors);
        else if (kis_str_eq(key, KIS_STR("orphanSpanCount")))
            kis_json_u64(j, &row->orphans);
        else
            kis_json_skip(j);
    }
}

static void put_summary_row(const summary_row *row, kis_buf *out)
{
    char time[KIS_NUM_TEXT_MAX], duration[KIS_NUM_TEXT_MAX], number[KIS_NUM_TEXT_MAX];
    kis_str when = kis_str_slice(kis_str_of(time, kis_time_format(row->start_ns, time)), 0,
                                 sizeof("2026-11-21T07:49:21.123") - 1);

    put_name(out, row->trace_id);
    kis_buf_add_str(out, KIS_STR("  "));
    kis_buf_add_str(out, when);
    put_spaces(out, when.len, 24);
    put_right(
        out,
        short_duration(row->end_ns > row->start_ns ? row->end_ns - row->start_ns : 0, duration),
        10);
    put_right(out, kis_str_of(number, kis_u64_format(row->spans, number)), 8);
    put_right(out, kis_str_of(number, kis_u64_format(row->errors, number)), 8);
    kis_buf_add_str(out, KIS_STR("  "));
    put_name(out, row->service);
    kis_buf_add_str(out, KIS_STR(": "));
    put_name(out, row->name);
    kis_buf_add_byte(out, '\n');
}

kis_err kis_show_summaries(kis_bytes json, kis_arena *arena, kis_buf *out)
{
    kis_json j;
    summary_row row;

    if (!enter_array(&j, json, arena, KIS_STR("summaries")))
        return KIS_ERR_SYNTAX;
    kis_buf_add_fmt(out, "%-32s  %-24s%10s%8s%8s  %s\n", "TRACE", "START (UTC)", "DURATION",
                    "SPANS", "ERRORS", "ROOT");
    size_t begin = out->len;
    while (kis_json_item(&j)) {
        read_summary(&j, &row);
        put_summary_row(&row, out);
    }
    return empty_or(&j, out, begin);
}

kis_err kis_show_dependencies(kis_bytes json, kis_arena *arena, kis_buf *out)
{
    kis_json j;

    if (!enter_array(&j, json, arena, KIS_STR("data")))
        return KIS_ERR_SYNTAX;
    size_t begin = out->len;
    while (kis_json_item(&j)) {
        kis_str key, parent = KIS_STR_NONE, child = KIS_STR_NONE;
        char number[KIS_NUM_TEXT_MAX];
        uint64_t calls = 0;
        for (kis_json_object(&j); kis_json_member(&j, &key);) {
            if (kis_str_eq(key, KIS_STR("parent")))
                kis_json_str(&j, &parent);
            else if (kis_str_eq(key, KIS_STR("child")))
                kis_json_str(&j, &child);
            else if (kis_str_eq(key, KIS_STR("callCount")))
                kis_json_u64(&j, &calls);
            else
                kis_json_skip(&j);
        }
        put_right(out, kis_str_of(number, kis_u64_format(calls, number)), 10);
        kis_buf_add_str(out, KIS_STR("  "));
        put_name(out, parent);
        kis_buf_add_str(out, KIS_STR(" -> "));
        put_name(out, child);
        kis_buf_add_byte(out, '\n');
    }
    return empty_or(&j, out, begin);
}

/* ---- one trace ---- */

static bool starts_before(const kis_batch *batch, uint32_t a, uint32_t b)
{
    return batch->spans[a].start_unix_ns != batch->spans[b].start_unix_ns
               ? batch->spans[a].start_unix_ns < batch->spans[b].start_unix_ns
               : a < b;
}

/* Heap sort of span numbers by start: no recursion, no extra memory. */
static void sort_by_start(const kis_batch *batch, uint32_t *order, uint32_t count)
{
    uint32_t end = count;

    for (uint32_t begin = count / 2; end > 1;) {
        if (begin > 0) {
            begin--;
        } else {
            end--;
            uint32_t swap = order[0];
            order[0] = order[end];
            order[end] = swap;
        }
        for (uint32_t at = begin, child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && starts_before(batch, order[child], order[child + 1]))
                child++;
            if (!starts_before(batch, order[at], order[child]))
                break;
            uint32_t swap = order[at];
            order[at] = order[child];
            order[child] = swap;
        }
    }
}

static void put_span_line(const kis_batch *batch, const kis_resource_view *const *resources,
                          const kis_tree *tree, uint32_t span, const kis_tree_walk *walk,
                          uint64_t begin_ns, kis_buf *out)
{
    const kis_span_view *s = &batch->spans[span];
    char offset[KIS_NUM_TEXT_MAX], duration[KIS_NUM_TEXT_MAX], warning[KIS_TREE_WARNING_MAX];

    put_right(out, short_duration(s->start_unix_ns - begin_ns, offset), 10);
    put_right(out, short_duration(kis_span_duration_ns(s), duration), 10);
    put_spaces(out, 0, 2 + 2 * (size_t)KIS_MIN(walk->depth, INDENT_DEPTH_MAX));
    put_name(out, resources[span]->service_name);
    kis_buf_add_str(out, KIS_STR(": "));
    put_name(out, s->name);
    if (s->kind > KIS_OTLP_KIND_INTERNAL)
        kis_buf_add_fmt(out, " [" KIS_FMT "]", KIS_ARG(kis_kind_name(s->kind)));
    if (s->status == KIS_STATUS_ERROR) {
        kis_buf_add_str(out, KIS_STR(" ERROR "));
        put_name(out, s->status_message);
    }
    kis_str odd = kis_tree_warning(tree, walk->at, warning);
    if (odd.len)
        kis_buf_add_fmt(out, " (" KIS_FMT ")", KIS_ARG(odd));
    kis_buf_add_byte(out, '\n');
}

static void put_attributes(kis_attrs attrs, size_t indent, const char *prefix, kis_buf *out)
{
    kis_attr_view attr;
    kis_buf value;

    kis_buf_init(&value, &kis_mem, TRACE_BYTES_MAX);
    for (kis_attr_cursor c = kis_attrs_begin(attrs); kis_attrs_next(&c, &attr);) {
        kis_buf_clear(&value);
        kis_value_text(kis_value_read(attr.value_bytes), &value);
        put_spaces(out, 0, indent);
        kis_buf_add_str(out, kis_str_from_c(prefix));
        put_name(out, attr.key);
        kis_buf_add_str(out, KIS_STR(" = "));
        put_value(out, kis_buf_str(&value));
        kis_buf_add_byte(out, '\n');
    }
    kis_buf_done(&value);
}

static void put_events(const kis_span_view *s, size_t indent, kis_buf *out)
{
    char offset[KIS_NUM_TEXT_MAX];
    kis_event_view event;

    for (kis_cursor c = kis_cursor_of(s->events); kis_event_next(&c, &event);) {
        bool is_before = event.time_unix_ns < s->start_unix_ns;
        uint64_t ns = is_before ? s->start_unix_ns - event.time_unix_ns
                                : event.time_unix_ns - s->start_unix_ns;
        put_spaces(out, 0, indent);
        kis_buf_add_fmt(out, "event %s" KIS_FMT " ", is_before ? "-" : "+",
                        KIS_ARG(short_duration(ns, offset)));
        put_name(out, event.name);
        kis_buf_add_byte(out, '\n');
        put_attributes(event.attrs, indent + 2, "", out);
    }
}

static void put_links(const kis_span_view *s, size_t indent, kis_buf *out)
{
    char trace[32], span[16];
    kis_link_view link;

    for (kis_cursor c = kis_cursor_of(s->links); kis_link_next(&c, &link);) {
        kis_hex_format(link.trace_id.bytes, 16, trace);
        kis_hex_format(link.span_id.bytes, 8, span);
        put_spaces(out, 0, indent);
        kis_buf_add_fmt(out, "link to span %.*s of trace %.*s\n", 16, span, 32, trace);
        put_attributes(link.attrs, indent + 2, "", out);
    }
}

static void put_status(const kis_span_view *s, size_t indent, kis_buf *out)
{
    if (s->status == KIS_STATUS_UNSET)
        return;
    put_spaces(out, 0, indent);
    kis_buf_add_str(out,
                    s->status == KIS_STATUS_ERROR ? KIS_STR("status error") : KIS_STR("status ok"));
    kis_buf_add_str(out, s->status_message.len ? KIS_STR(": ") : KIS_STR_NONE);
    put_value(out, s->status_message);
    kis_buf_add_byte(out, '\n');
}

/* The resource only where it is new: it is that of many spans, and comes with each run of them. */
static void put_details(const kis_span_view *s, uint32_t depth, const kis_resource_view *resource,
                        kis_buf *out)
{
    size_t indent = 26 + 2 * (size_t)KIS_MIN(depth, INDENT_DEPTH_MAX);

    put_attributes(s->attrs, indent, "", out);
    put_events(s, indent, out);
    put_links(s, indent, out);
    put_status(s, indent, out);
    if (resource)
        put_attributes(resource->attrs, indent, "resource.", out);
}

/* Resources that have been shown, by what is in them. */
typedef struct shown_resources {
    const kis_resource_view **slots; /* open addressing, more than are needed */
    uint32_t mask;
} shown_resources;

static bool shown_init(shown_resources *shown, uint32_t count, kis_arena *arena)
{
    uint32_t size = 16;

    while (size / 2 < count)
        size *= 2;
    *shown = (shown_resources){ KIS_NEW_ARRAY(arena, const kis_resource_view *, size), size - 1 };
    if (shown->slots)
        memset(shown->slots, 0, size * sizeof *shown->slots);
    return shown->slots != NULL;
}

/* The resource, when none like it was shown before; else NULL. */
static const kis_resource_view *show_once(shown_resources *shown, const kis_resource_view *resource)
{
    kis_bytes attrs = { resource->attrs.ptr, resource->attrs.len };
    uint32_t at = (uint32_t)kis_hash(attrs, 0) & shown->mask;

    for (; shown->slots[at]; at = (at + 1) & shown->mask)
        if (shown->slots[at]->attrs.len == attrs.len &&
            (!attrs.len || memcmp(shown->slots[at]->attrs.ptr, attrs.ptr, attrs.len) == 0))
            return NULL;
    shown->slots[at] = resource;
    return resource;
}

static kis_err put_tree(const kis_batch *batch, bool with_attributes, kis_buf *out,
                        kis_arena *arena, kis_diag *diag)
{
    uint32_t *order = KIS_NEW_ARRAY(arena, uint32_t, batch->span_count);
    const kis_resource_view **resources =
        KIS_NEW_ARRAY(arena, const kis_resource_view *, batch->span_count);
    shown_resources shown;
    kis_tree *tree = KIS_NEW(arena, kis_tree);
    kis_tree_walk walk = { .at = KIS_TREE_NONE };

    if (!order || !resources || !tree || !shown_init(&shown, batch->resource_count, arena))
        return KIS_ERR_NOMEM;
    for (uint32_t i = 0; i < batch->scope_count; i++)
        for (uint32_t k = 0; k < batch->scopes[i].span_count; k++)
            resources[batch->scopes[i].first_span + k] =
                kis_batch_resource(batch, &batch->scopes[i]);
    for (uint32_t i = 0; i < batch->span_count; i++)
        order[i] = i;
    sort_by_start(batch, order, batch->span_count);
    kis_tree_init(tree, arena);
    for (uint32_t i = 0; i < batch->span_count && kis_tree_add(tree, &batch->spans[order[i]], 0);
         i++)
        ;
    kis_err err = kis_tree_link(tree, diag);
    if (err)
        return err;
    kis_buf_add_fmt(out, "%10s%10s  SPAN\n", "AFTER", "DURATION");
    while (kis_tree_next(tree, &walk)) {
        uint32_t span = order[walk.at];
        put_span_line(batch, resources, tree, span, &walk, batch->spans[order[0]].start_unix_ns,
                      out);
        if (with_attributes)
            put_details(&batch->spans[span], (uint32_t)walk.depth,
                        show_once(&shown, resources[span]), out);
    }
    return out->err;
}

/* {"result":{"resourceSpans":[…]}} without its wrapping is an OTLP request. */
static kis_bytes unwrap_trace(kis_bytes body)
{
    kis_str text = kis_str_trim(kis_str_of_bytes(body));
    kis_str head = KIS_STR("{\"result\":");
    bool fits =
        text.len > head.len + 1 && kis_str_starts(text, head) && text.ptr[text.len - 1] == '}';
    return fits ? kis_bytes_of(text.ptr + head.len, text.len - head.len - 1) : body;
}

kis_err kis_show_trace(kis_bytes json, bool with_attributes, kis_buf *out, kis_diag *diag)
{
    kis_batch *batch = kis_batch_new(&kis_mem, TRACE_BYTES_MAX);
    kis_arena arena;

    if (!batch)
        return KIS_ERR_NOMEM;
    kis_arena_init(&arena, &kis_mem, TRACE_BYTES_MAX);
    batch->body = unwrap_trace(json);
    kis_err err = kis_otlp_json_decode(batch, diag);
    if (!err && batch->span_count)
        err = put_tree(batch, with_attributes, out, &arena, diag);
    kis_arena_done(&arena);
    kis_batch_unref(batch);
    return err;
}

/* ---- errors ---- */

static kis_str find_message(kis_json *j, uint32_t depth)
{
    kis_str key, found = KIS_STR_NONE;

    for (kis_json_object(j); kis_json_member(j, &key);) {
        kis_json_kind kind = kis_json_peek(j);
        if (kind == KIS_JSON_STRING &&
            (kis_str_eq(key, KIS_STR("message")) || kis_str_eq(key, KIS_STR("msg"))))
            kis_json_str(j, &found);
        else if (kind == KIS_JSON_OBJECT && depth < 3)
            found = find_message(j, depth + 1);
        else if (kind == KIS_JSON_ARRAY && depth < 3 && kis_str_eq(key, KIS_STR("errors")))
            for (kis_json_array(j); kis_json_item(j);)
                found = found.len ? (kis_json_skip(j), found) : find_message(j, depth + 1);
        else
            kis_json_skip(j);
    }
    return found;
}

kis_str kis_show_error(kis_bytes json, kis_arena *arena)
{
    kis_json j;
    kis_json_begin(&j, json, arena);
    return find_message(&j, 0);
}
