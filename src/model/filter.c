/* filter.c - does one span satisfy a filter tree?
 *
 * The definition that every reader answers by: an index may find spans faster, never others.
 *
 * AND of nothing is true, OR of nothing is false. A tree deeper than KIS_FILTER_DEPTH_MAX matches
 * nothing: whoever builds one from a request checks the depth there and says so. A key that stands
 * twice is looked at twice: one occurrence that satisfies is enough.
 */
#include "model/limits.h"
#include "model/reader.h"
#include "model/value_text.h"

typedef struct filter_subject {
    const kis_span_view *span;
    const kis_resource_view *resource;
    const kis_scope_view *scope;
} filter_subject;

typedef enum filter_order { ORDER_LESS, ORDER_EQUAL, ORDER_GREATER, ORDER_NONE } filter_order;

static filter_order order_of_f64(double a, double b)
{
    return a < b ? ORDER_LESS : a > b ? ORDER_GREATER : a == b ? ORDER_EQUAL : ORDER_NONE;
}

/* Exactly: 2^53 + 1 is not equal to the double 2^53. */
static filter_order order_of_mixed(int64_t a, double b)
{
    if (b != b)
        return ORDER_NONE;
    if (b >= 9223372036854775808.0)
        return ORDER_LESS;
    if (b < -9223372036854775808.0)
        return ORDER_GREATER;
    int64_t whole = (int64_t)b; /* towards zero */
    if (a != whole)
        return a < whole ? ORDER_LESS : ORDER_GREATER;
    return order_of_f64(0, b - (double)whole);
}

static filter_order order_of_text(kis_str a, kis_str b)
{
    int order = kis_str_compare(a, b);
    return order < 0 ? ORDER_LESS : order > 0 ? ORDER_GREATER : ORDER_EQUAL;
}

static filter_order order_turned(filter_order order)
{
    return order == ORDER_LESS ? ORDER_GREATER : order == ORDER_GREATER ? ORDER_LESS : order;
}

static filter_order order_if_equal(bool is_equal)
{
    return is_equal ? ORDER_EQUAL : ORDER_NONE;
}

static filter_order order_of_values(const kis_value_view *a, const kis_value_view *b)
{
    if (a->kind == KIS_VALUE_INT && b->kind == KIS_VALUE_DOUBLE)
        return order_of_mixed(a->integer, b->number);
    if (a->kind == KIS_VALUE_DOUBLE && b->kind == KIS_VALUE_INT)
        return order_turned(order_of_mixed(b->integer, a->number));
    if (a->kind != b->kind)
        return ORDER_NONE;
    switch (a->kind) {
    case KIS_VALUE_STR:
        return order_of_text(a->str, b->str);
    case KIS_VALUE_BYTES:
        return order_of_text(kis_str_of_bytes(a->bytes), kis_str_of_bytes(b->bytes));
    case KIS_VALUE_INT:
        return a->integer < b->integer   ? ORDER_LESS
               : a->integer > b->integer ? ORDER_GREATER
                                         : ORDER_EQUAL;
    case KIS_VALUE_DOUBLE:
        return order_of_f64(a->number, b->number);
    case KIS_VALUE_BOOL:
        return order_if_equal(a->boolean == b->boolean);
    case KIS_VALUE_ARRAY:
        return order_if_equal(kis_str_eq(kis_str_of_bytes(a->values), kis_str_of_bytes(b->values)));
    case KIS_VALUE_KVLIST:
        return order_if_equal(kis_str_eq(kis_str_of((const char *)a->members.ptr, a->members.len),
                                         kis_str_of((const char *)b->members.ptr, b->members.len)));
    default:
        return ORDER_EQUAL; /* no value is equal to no value */
    }
}

static bool value_satisfies(const kis_value_view *have, const kis_filter *f)
{
    if (f->compare == KIS_EXISTS)
        return true;
    if (f->compare == KIS_TEXT_EQ)
        return f->value.kind == KIS_VALUE_STR && kis_value_text_is(*have, f->value.str);
    filter_order order = order_of_values(have, &f->value);
    switch (f->compare) {
    case KIS_EQ:
        return order == ORDER_EQUAL;
    case KIS_NE:
        return order != ORDER_EQUAL;
    case KIS_LT:
        return order == ORDER_LESS;
    case KIS_LE:
        return order == ORDER_LESS || order == ORDER_EQUAL;
    case KIS_GT:
        return order == ORDER_GREATER;
    case KIS_GE:
        return order == ORDER_GREATER || order == ORDER_EQUAL;
    default:
        return false;
    }
}

static bool attrs_satisfy(kis_attrs attrs, const kis_filter *f)
{
    kis_attr_view attr;
    for (kis_attr_cursor c = kis_attrs_begin(attrs); kis_attrs_next(&c, &attr);) {
        if (!kis_str_eq(attr.key, f->key))
            continue;
        kis_value_view value = kis_value_read(attr.value_bytes);
        if (value_satisfies(&value, f))
            return true;
    }
    return false;
}

/* A field of text: the empty text is absent. */
static bool text_satisfies(kis_str text, const kis_filter *f)
{
    kis_value_view value = { .kind = KIS_VALUE_STR, .str = text };
    return text.len > 0 && value_satisfies(&value, f);
}

static bool number_satisfies(uint64_t number, const kis_filter *f)
{
    kis_value_view value = { .kind = KIS_VALUE_INT,
                             .integer = (int64_t)KIS_MIN(number, (uint64_t)INT64_MAX) };
    return value_satisfies(&value, f);
}

static bool event_attrs_satisfy(const kis_span_view *span, const kis_filter *f)
{
    kis_event_view event;
    for (kis_cursor c = kis_cursor_of(span->events); kis_event_next(&c, &event);)
        if (attrs_satisfy(event.attrs, f))
            return true;
    return false;
}

static bool event_names_satisfy(const kis_span_view *span, const kis_filter *f)
{
    kis_event_view event;
    for (kis_cursor c = kis_cursor_of(span->events); kis_event_next(&c, &event);)
        if (text_satisfies(event.name, f))
            return true;
    return false;
}

static bool link_attrs_satisfy(const kis_span_view *span, const kis_filter *f)
{
    kis_link_view link;
    for (kis_cursor c = kis_cursor_of(span->links); kis_link_next(&c, &link);)
        if (attrs_satisfy(link.attrs, f))
            return true;
    return false;
}

static bool parent_satisfies(const kis_span_view *span, const kis_filter *f)
{
    return f->compare == KIS_EXISTS && kis_span_id_is_valid(&span->parent_id);
}

static bool compare_matches(const kis_filter *f, const filter_subject *s)
{
    switch (f->on) {
    case KIS_ON_ANY_ATTR:
        return attrs_satisfy(s->span->attrs, f) || attrs_satisfy(s->resource->attrs, f) ||
               event_attrs_satisfy(s->span, f);
    case KIS_ON_SPAN_ATTR:
        return attrs_satisfy(s->span->attrs, f);
    case KIS_ON_RESOURCE_ATTR:
        return attrs_satisfy(s->resource->attrs, f);
    case KIS_ON_SCOPE_ATTR:
        return attrs_satisfy(s->scope->attrs, f);
    case KIS_ON_EVENT_ATTR:
        return event_attrs_satisfy(s->span, f);
    case KIS_ON_LINK_ATTR:
        return link_attrs_satisfy(s->span, f);
    case KIS_ON_SERVICE:
        return text_satisfies(s->resource->service_name, f);
    case KIS_ON_NAME:
        return text_satisfies(s->span->name, f);
    case KIS_ON_KIND:
        return number_satisfies(s->span->kind, f);
    case KIS_ON_STATUS:
        return number_satisfies(s->span->status, f);
    case KIS_ON_STATUS_MESSAGE:
        return text_satisfies(s->span->status_message, f);
    case KIS_ON_DURATION:
        return number_satisfies(kis_span_duration_ns(s->span), f);
    case KIS_ON_SCOPE_NAME:
        return text_satisfies(s->scope->name, f);
    case KIS_ON_SCOPE_VERSION:
        return text_satisfies(s->scope->version, f);
    case KIS_ON_EVENT_NAME:
        return event_names_satisfy(s->span, f);
    case KIS_ON_TRACE_STATE:
        return text_satisfies(s->span->trace_state, f);
    case KIS_ON_PARENT:
        return parent_satisfies(s->span, f);
    }
    return false;
}

/* Recursion is bounded by the depth that is checked before the first call. */
static bool tree_matches(const kis_filter *f, const filter_subject *s)
{
    uint32_t i = 0;
    switch (f->op) {
    case KIS_FILTER_AND:
        while (i < f->part_count && tree_matches(f->parts[i], s))
            i++;
        return i == f->part_count;
    case KIS_FILTER_OR:
        while (i < f->part_count && !tree_matches(f->parts[i], s))
            i++;
        return i < f->part_count;
    case KIS_FILTER_NOT:
        return f->part_count == 1 && !tree_matches(f->parts[0], s);
    case KIS_FILTER_COMPARE:
        return compare_matches(f, s);
    }
    return false;
}

static bool is_shallow(const kis_filter *f, uint32_t depth_left)
{
    if (f->op == KIS_FILTER_COMPARE)
        return true;
    if (depth_left == 0)
        return false;
    for (uint32_t i = 0; i < f->part_count; i++)
        if (!is_shallow(f->parts[i], depth_left - 1))
            return false;
    return true;
}

bool kis_filter_is_shallow(const kis_filter *filter)
{
    return !filter || is_shallow(filter, KIS_FILTER_DEPTH_MAX);
}

bool kis_filter_matches(const kis_filter *filter, const kis_span_view *span,
                        const kis_resource_view *resource, const kis_scope_view *scope)
{
    filter_subject subject = { span, resource, scope };
    return !filter || (filter->op == KIS_FILTER_COMPARE
                           ? compare_matches(filter, &subject)
                           : kis_filter_is_shallow(filter) && tree_matches(filter, &subject));
}
