/* test_views.h - what must hold for every batch that a decoder answered with OK, and equality of
 * batches. For tests and fuzz targets. */
#ifndef KIS_WIRE_TEST_VIEWS_H
#define KIS_WIRE_TEST_VIEWS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/batch.h"

#define VIEWS_CHECK(what)                                                             \
    do {                                                                              \
        if (!(what)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                                  \
        }                                                                             \
    } while (0)

static inline void views_check_attrs(kis_attrs attrs, uint32_t max);

static inline void views_check_value(kis_bytes any, uint32_t depth)
{
    VIEWS_CHECK(depth <= KIS_VALUE_DEPTH_MAX || any.len == 0);
    kis_value_view v = kis_value_read(any), item;
    if (v.kind == KIS_VALUE_STR)
        VIEWS_CHECK(v.str.len <= KIS_VALUE_BYTES_MAX && kis_utf8_is_valid(v.str));
    if (v.kind == KIS_VALUE_BYTES)
        VIEWS_CHECK(v.bytes.len <= KIS_VALUE_BYTES_MAX);
    kis_pb_field f;
    if (v.kind == KIS_VALUE_ARRAY) {
        for (kis_cursor c = kis_cursor_of(v.values); kis_pb_next(&c, &f) == KIS_OK;)
            if (f.tag == KIS_PB_TAG(1, KIS_PB_BYTES))
                views_check_value(f.bytes, depth + 1);
        for (kis_cursor c = kis_cursor_of(v.values); kis_array_next(&c, &item);)
            ;
    }
    kis_attr_view attr;
    if (v.kind == KIS_VALUE_KVLIST)
        for (kis_attr_cursor c = kis_attrs_begin(v.members); kis_attrs_next(&c, &attr);) {
            VIEWS_CHECK(attr.key.len <= KIS_KEY_BYTES_MAX && kis_utf8_is_valid(attr.key));
            views_check_value(attr.value_bytes, depth + 1);
        }
}

static inline void views_check_attrs(kis_attrs attrs, uint32_t max)
{
    kis_attr_view attr;
    uint32_t count = 0;
    for (kis_attr_cursor c = kis_attrs_begin(attrs); kis_attrs_next(&c, &attr); count++) {
        VIEWS_CHECK(attr.key.len <= KIS_KEY_BYTES_MAX && kis_utf8_is_valid(attr.key));
        views_check_value(attr.value_bytes, 1);
    }
    VIEWS_CHECK(count == kis_attrs_count(attrs) && count <= max);
}

static inline void views_check_span(const kis_span_view *s)
{
    kis_event_view event;
    kis_link_view link;
    uint32_t events = 0, links = 0;
    VIEWS_CHECK(kis_trace_id_is_valid(&s->trace_id) && kis_span_id_is_valid(&s->span_id));
    VIEWS_CHECK(s->name.len <= KIS_SPAN_NAME_BYTES_MAX && kis_utf8_is_valid(s->name));
    VIEWS_CHECK(s->trace_state.len <= KIS_TRACE_STATE_BYTES_MAX &&
                kis_utf8_is_valid(s->trace_state));
    VIEWS_CHECK(s->status_message.len <= KIS_VALUE_BYTES_MAX &&
                kis_utf8_is_valid(s->status_message));
    VIEWS_CHECK(s->kind <= 5 && s->status <= 2);
    VIEWS_CHECK(s->attr_count == kis_attrs_count(s->attrs));
    views_check_attrs(s->attrs, KIS_SPAN_ATTRS_MAX);
    for (kis_cursor c = kis_cursor_of(s->events); kis_event_next(&c, &event); events++) {
        VIEWS_CHECK(event.name.len <= KIS_SPAN_NAME_BYTES_MAX && kis_utf8_is_valid(event.name));
        views_check_attrs(event.attrs, KIS_ITEM_ATTRS_MAX);
    }
    for (kis_cursor c = kis_cursor_of(s->links); kis_link_next(&c, &link); links++) {
        VIEWS_CHECK(link.trace_state.len <= KIS_TRACE_STATE_BYTES_MAX &&
                    kis_utf8_is_valid(link.trace_state));
        views_check_attrs(link.attrs, KIS_ITEM_ATTRS_MAX);
    }
    VIEWS_CHECK(events == s->event_count && events <= KIS_SPAN_EVENTS_MAX);
    VIEWS_CHECK(links == s->link_count && links <= KIS_SPAN_LINKS_MAX);
}

/* Invariants of a decoded batch. */
static inline void views_check_batch(const kis_batch *b)
{
    uint32_t spans = 0;
    for (uint32_t i = 0; i < b->resource_count; i++) {
        VIEWS_CHECK(b->resources[i].service_name.len > 0 &&
                    kis_utf8_is_valid(b->resources[i].schema_url));
        views_check_attrs(b->resources[i].attrs, KIS_SPAN_ATTRS_MAX);
    }
    for (uint32_t i = 0; i < b->scope_count; i++) {
        const kis_scope_view *scope = &b->scopes[i];
        VIEWS_CHECK(scope->resource < b->resource_count && scope->first_span == spans &&
                    scope->span_count > 0);
        VIEWS_CHECK(kis_utf8_is_valid(scope->name) && kis_utf8_is_valid(scope->version) &&
                    kis_utf8_is_valid(scope->schema_url));
        views_check_attrs(scope->attrs, KIS_ITEM_ATTRS_MAX);
        spans += scope->span_count;
    }
    VIEWS_CHECK(spans == b->span_count);
    for (uint32_t i = 0; i < b->span_count; i++)
        views_check_span(&b->spans[i]);
    VIEWS_CHECK(!b->is_verbatim || (b->rejected_spans == 0 && b->cut_values == 0));
    VIEWS_CHECK((b->rejected_spans == 0) == (b->reject_reason.len == 0));
    VIEWS_CHECK(kis_str_find(b->reject_reason, KIS_STR("cannot be repaired")) == KIS_STR_NPOS);
}

/* ---- equality ---- */

static inline bool views_same_attrs(kis_attrs a, kis_attrs b)
{
    kis_attr_cursor ca = kis_attrs_begin(a), cb = kis_attrs_begin(b);
    kis_attr_view x, y;
    for (;;) {
        bool has_a = kis_attrs_next(&ca, &x), has_b = kis_attrs_next(&cb, &y);
        if (has_a != has_b)
            return false;
        if (!has_a)
            return true;
        if (!kis_str_eq(x.key, y.key) ||
            !kis_str_eq(kis_str_of_bytes(x.value_bytes), kis_str_of_bytes(y.value_bytes)))
            return false;
    }
}

static inline bool views_same_events(kis_bytes a, kis_bytes b)
{
    kis_cursor ca = kis_cursor_of(a), cb = kis_cursor_of(b);
    kis_event_view x, y;
    for (;;) {
        bool has_a = kis_event_next(&ca, &x), has_b = kis_event_next(&cb, &y);
        if (has_a != has_b)
            return false;
        if (!has_a)
            return true;
        if (x.time_unix_ns != y.time_unix_ns || !kis_str_eq(x.name, y.name) ||
            x.dropped_attrs != y.dropped_attrs || !views_same_attrs(x.attrs, y.attrs))
            return false;
    }
}

static inline bool views_same_links(kis_bytes a, kis_bytes b)
{
    kis_cursor ca = kis_cursor_of(a), cb = kis_cursor_of(b);
    kis_link_view x, y;
    for (;;) {
        bool has_a = kis_link_next(&ca, &x), has_b = kis_link_next(&cb, &y);
        if (has_a != has_b)
            return false;
        if (!has_a)
            return true;
        if (!kis_trace_id_eq(&x.trace_id, &y.trace_id) || !kis_span_id_eq(&x.span_id, &y.span_id) ||
            x.flags != y.flags || !kis_str_eq(x.trace_state, y.trace_state) ||
            x.dropped_attrs != y.dropped_attrs || !views_same_attrs(x.attrs, y.attrs))
            return false;
    }
}

static inline bool views_same_span(const kis_span_view *a, const kis_span_view *b)
{
    return kis_trace_id_eq(&a->trace_id, &b->trace_id) &&
           kis_span_id_eq(&a->span_id, &b->span_id) &&
           kis_span_id_eq(&a->parent_id, &b->parent_id) && a->start_unix_ns == b->start_unix_ns &&
           a->end_unix_ns == b->end_unix_ns && kis_str_eq(a->name, b->name) &&
           kis_str_eq(a->trace_state, b->trace_state) &&
           kis_str_eq(a->status_message, b->status_message) && a->flags == b->flags &&
           a->attr_count == b->attr_count && a->event_count == b->event_count &&
           a->link_count == b->link_count && a->dropped_attrs == b->dropped_attrs &&
           a->dropped_events == b->dropped_events && a->dropped_links == b->dropped_links &&
           a->kind == b->kind && a->status == b->status && views_same_attrs(a->attrs, b->attrs) &&
           views_same_events(a->events, b->events) && views_same_links(a->links, b->links);
}

static inline bool views_same_resource(const kis_resource_view *a, const kis_resource_view *b)
{
    return kis_str_eq(a->service_name, b->service_name) &&
           kis_str_eq(a->schema_url, b->schema_url) && a->dropped_attrs == b->dropped_attrs &&
           views_same_attrs(a->attrs, b->attrs);
}

static inline bool views_same_scope(const kis_scope_view *a, const kis_scope_view *b)
{
    return kis_str_eq(a->name, b->name) && kis_str_eq(a->version, b->version) &&
           kis_str_eq(a->schema_url, b->schema_url) && a->dropped_attrs == b->dropped_attrs &&
           views_same_attrs(a->attrs, b->attrs);
}

/* The same spans in the same order, each with an equal scope and resource; how they are grouped may
 * differ. */
static inline bool views_same_batch(const kis_batch *a, const kis_batch *b)
{
    if (a->span_count != b->span_count)
        return false;
    uint32_t sa = 0, sb = 0;
    for (uint32_t i = 0; i < a->span_count; i++) {
        while (i >= a->scopes[sa].first_span + a->scopes[sa].span_count)
            sa++;
        while (i >= b->scopes[sb].first_span + b->scopes[sb].span_count)
            sb++;
        if (!views_same_span(&a->spans[i], &b->spans[i]) ||
            !views_same_scope(&a->scopes[sa], &b->scopes[sb]) ||
            !views_same_resource(kis_batch_resource(a, &a->scopes[sa]),
                                 kis_batch_resource(b, &b->scopes[sb])))
            return false;
    }
    return true;
}

#endif
