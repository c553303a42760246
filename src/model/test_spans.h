/* test_spans.h - batches for tests: built span by span, or generated from a seed. No decoder is
 * involved.
 *
 *     test_spans t;
 *     test_spans_begin(&t, &kis_mem);
 *     test_spans_resource(&t, "shop");           with service.name; more by test_spans_resource_str
 *     test_spans_scope(&t, "libshop", "1.0");    optional
 *     test_spans_add(&t, &(test_span){ .trace = 1, .span = 2, .name = "GET /", .end_ns = 9 });
 *     test_spans_str(&t, "http.method", "GET");  attributes, events, links: of the span just added
 *     kis_batch *batch = test_spans_end(&t);     aborts without memory; ends by kis_batch_unref
 *
 * The batch is what decoding an OTLP request of the same spans gives: `body` is that request,
 * is_verbatim is true.
 */
#ifndef KIS_MODEL_TEST_SPANS_H
#define KIS_MODEL_TEST_SPANS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "model/batch.h"

typedef struct test_span {
    /* spread over the bytes of the ids by test_trace_id, test_span_id; parent 0: a root */
    uint64_t trace, span, parent;
    const char *name, *status_message, *trace_state; /* NULL: empty */
    uint64_t start_ns, end_ns;
    uint8_t kind, status;
    uint32_t flags, dropped_attrs, dropped_events, dropped_links;
} test_span;

typedef struct test_spans {
    const kis_alloc *alloc;
    kis_batch *batch;
    KIS_VEC(kis_resource_view) resources;
    KIS_VEC(kis_scope_view) scopes;
    KIS_VEC(kis_span_view) spans;
    kis_buf resource, span; /* the messages being written */
    bool has_resource, has_span;
} test_spans;

static inline kis_str test_text(const char *c)
{
    return (kis_str){ c, c ? strlen(c) : 0 };
}

static inline kis_trace_id test_trace_id(uint64_t n)
{
    kis_trace_id id = { { 0 } };
    uint64_t high = n ? kis_hash_u64(n) : 0; /* looks random, as real ids do */
    memcpy(id.bytes, &high, 8);
    for (int i = 0; i < 8; i++)
        id.bytes[15 - i] = (uint8_t)(n >> (8 * i));
    return id;
}

static inline kis_span_id test_span_id(uint64_t n)
{
    kis_span_id id;
    for (int i = 0; i < 8; i++)
        id.bytes[7 - i] = (uint8_t)(n >> (8 * i));
    return id;
}

static inline void test_spans_check(bool what, const char *why)
{
    if (!what) {
        fprintf(stderr, "test_spans.h: %s\n", why);
        abort();
    }
}

static inline kis_bytes test_spans_keep(test_spans *t, const kis_buf *buf)
{
    test_spans_check(buf->err == KIS_OK, "a message did not fit");
    uint8_t *copy = kis_arena_take(&t->batch->arena, buf->len + 1, 1);
    test_spans_check(copy != NULL, "no memory in the batch's arena");
    memcpy(copy, buf->ptr ? buf->ptr : (const uint8_t *)"", buf->len);
    return (kis_bytes){ copy, buf->len };
}

/* The view of a Span message: a second, plain implementation of what the decoder does. */
static inline kis_span_view test_span_view(kis_bytes message)
{
    kis_span_view v = { .bytes = message, .attrs.tag = KIS_TAG_SPAN_ATTRS };
    kis_cursor c = kis_cursor_of(message);
    const uint8_t *field_at = c.at, *attrs_end = NULL;
    kis_pb_field f;
    for (; kis_pb_next(&c, &f) == KIS_OK; field_at = c.at) {
        switch (f.tag >> 3) {
        case 1:
            memcpy(v.trace_id.bytes, f.bytes.ptr, 16);
            break;
        case 2:
            memcpy(v.span_id.bytes, f.bytes.ptr, 8);
            break;
        case 3:
            v.trace_state = kis_str_of_bytes(f.bytes);
            break;
        case 4:
            memcpy(v.parent_id.bytes, f.bytes.ptr, 8);
            break;
        case 5:
            v.name = kis_str_of_bytes(f.bytes);
            break;
        case 6:
            v.kind = (uint8_t)f.number;
            break;
        case 7:
            v.start_unix_ns = f.number;
            break;
        case 8:
            v.end_unix_ns = f.number;
            break;
        case 9:
            v.attrs.ptr = v.attrs.ptr ? v.attrs.ptr : field_at;
            attrs_end = c.at;
            v.attr_count++;
            break;
        case 10:
            v.dropped_attrs = (uint32_t)f.number;
            break;
        case 11:
            v.events.ptr = v.events.ptr ? v.events.ptr : field_at;
            v.events.len = (size_t)(c.at - v.events.ptr);
            v.event_count++;
            break;
        case 12:
            v.dropped_events = (uint32_t)f.number;
            break;
        case 13:
            v.links.ptr = v.links.ptr ? v.links.ptr : field_at;
            v.links.len = (size_t)(c.at - v.links.ptr);
            v.link_count++;
            break;
        case 14:
            v.dropped_links = (uint32_t)f.number;
            break;
        case 15: {
            kis_pb_field s;
            for (kis_cursor in = kis_cursor_of(f.bytes); kis_pb_next(&in, &s) == KIS_OK;) {
                if (s.tag >> 3 == 2)
                    v.status_message = kis_str_of_bytes(s.bytes);
                else if (s.tag >> 3 == 3)
                    v.status = (uint8_t)s.number;
            }
            break;
        }
        case 16:
            v.flags = (uint32_t)f.number;
            break;
        default:
            break;
        }
    }
    if (attrs_end)
        v.attrs.len = (uint32_t)(attrs_end - v.attrs.ptr);
    return v;
}

static inline void test_spans_finish_span(test_spans *t)
{
    if (!t->has_span)
        return;
    kis_span_view view = test_span_view(test_spans_keep(t, &t->span));
    test_spans_check(KIS_VEC_PUSH(&t->spans, t->alloc, view), "no memory");
    t->scopes.at[t->scopes.len - 1].span_count++;
    t->has_span = false;
}

static inline void test_spans_finish_resource(test_spans *t)
{
    test_spans_finish_span(t);
    if (!t->has_resource)
        return;
    kis_bytes message = test_spans_keep(t, &t->resource);
    kis_resource_view *view = &t->resources.at[t->resources.len - 1];
    view->attrs = (kis_attrs){ message.ptr, (uint32_t)message.len, KIS_TAG_RESOURCE_ATTRS };
    view->service_name = kis_attrs_text(view->attrs, KIS_STR("service.name"));
    if (view->service_name.len == 0)
        view->service_name = KIS_STR("unknown_service");
    t->has_resource = false;
}

static inline void test_spans_begin(test_spans *t, const kis_alloc *alloc)
{
    *t = (test_spans){ .alloc = alloc, .batch = kis_batch_new(alloc, (size_t)1 << 30) };
    test_spans_check(t->batch != NULL, "no memory");
    kis_buf_init(&t->resource, alloc, 64u << 20);
    kis_buf_init(&t->span, alloc, 64u << 20);
}

/** NULL: a resource without service.name. */
static inline void test_spans_resource(test_spans *t, const char *service)
{
    test_spans_finish_resource(t);
    kis_buf_clear(&t->resource);
    t->has_resource = true;
    test_spans_check(KIS_VEC_PUSH(&t->resources, t->alloc, (kis_resource_view){ 0 }), "no memory");
    if (service)
        kis_attr_put_str(&t->resource, KIS_TAG_RESOURCE_ATTRS, KIS_STR("service.name"),
                         test_text(service));
}
static inline void test_spans_resource_str(test_spans *t, const char *key, const char *value)
{
    kis_attr_put_str(&t->resource, KIS_TAG_RESOURCE_ATTRS, test_text(key), test_text(value));
}
static inline void test_spans_scope(test_spans *t, const char *name, const char *version)
{
    test_spans_finish_span(t);
    if (t->resources.len == 0)
        test_spans_resource(t, "shop");
    kis_scope_view scope = { .name = test_text(name),
                             .version = test_text(version),
                             .attrs.tag = KIS_TAG_SCOPE_ATTRS,
                             .resource = t->resources.len - 1,
                             .first_span = t->spans.len };
    /* callers' texts may be on their stack */
    test_spans_check(kis_arena_copy(&t->batch->arena, scope.name, &scope.name) &&
                         kis_arena_copy(&t->batch->arena, scope.version, &scope.version),
                     "no memory");
    test_spans_check(KIS_VEC_PUSH(&t->scopes, t->alloc, scope), "no memory");
}

static inline void test_spans_add(test_spans *t, const test_span *s)
{
    test_spans_finish_span(t);
    if (t->resources.len == 0)
        test_spans_resource(t, "shop");
    if (t->scopes.len == 0 || t->scopes.at[t->scopes.len - 1].resource != t->resources.len - 1)
        test_spans_scope(t, "test_spans", "1.0");
    kis_trace_id trace = test_trace_id(s->trace);
    kis_span_id span = test_span_id(s->span), parent = test_span_id(s->parent);
    kis_buf *out = &t->span;
    kis_buf_clear(out);
    kis_pb_put_bytes(out, 1, (kis_bytes){ trace.bytes, 16 });
    kis_pb_put_bytes(out, 2, (kis_bytes){ span.bytes, 8 });
    if (s->trace_state)
        kis_pb_put_str(out, 3, test_text(s->trace_state));
    if (s->parent)
        kis_pb_put_bytes(out, 4, (kis_bytes){ parent.bytes, 8 });
    kis_pb_put_str(out, 5, test_text(s->name));
    kis_pb_put_varint(out, 6, s->kind ? s->kind : KIS_OTLP_KIND_INTERNAL);
    kis_pb_put_fix64(out, 7, s->start_ns);
    kis_pb_put_fix64(out, 8, s->end_ns);
    if (s->dropped_attrs)
        kis_pb_put_varint(out, 10, s->dropped_attrs);
    if (s->dropped_events)
        kis_pb_put_varint(out, 12, s->dropped_events);
    if (s->dropped_links)
        kis_pb_put_varint(out, 14, s->dropped_links);
    if (s->status || s->status_message) {
        size_t begun = kis_pb_begin(out, 15);
        if (s->status_message)
            kis_pb_put_str(out, 2, test_text(s->status_message));
        if (s->status)
            kis_pb_put_varint(out, 3, s->status);
        kis_pb_end(out, begun);
    }
    if (s->flags)
        kis_pb_put_fix32(out, 16, s->flags);
    t->has_span = true;
}

static inline void test_spans_str(test_spans *t, const char *key, const char *value)
{
    kis_attr_put_str(&t->span, KIS_TAG_SPAN_ATTRS, test_text(key), test_text(value));
}
static inline void test_spans_int(test_spans *t, const char *key, int64_t value)
{
    kis_attr_put_int(&t->span, KIS_TAG_SPAN_ATTRS, test_text(key), value);
}
static inline void test_spans_double(test_spans *t, const char *key, double value)
{
    kis_attr_put_double(&t->span, KIS_TAG_SPAN_ATTRS, test_text(key), value);
}
static inline void test_spans_bool(test_spans *t, const char *key, bool value)
{
    kis_attr_put_bool(&t->span, KIS_TAG_SPAN_ATTRS, test_text(key), value);
}
static inline void test_spans_bytes(test_spans *t, const char *key, kis_bytes value)
{
    kis_attr_put_bytes(&t->span, KIS_TAG_SPAN_ATTRS, test_text(key), value);
}
/** An array of two texts. */
static inline void test_spans_array(test_spans *t, const char *key, const char *first,
                                    const char *second)
{
    uint8_t memory[1024], outer_memory[1100];
    kis_buf values, item, any;
    kis_buf_init_fixed(&values, memory, sizeof memory);
    kis_buf_init_fixed(&any, outer_memory, sizeof outer_memory);
    for (int i = 0; i < 2; i++) {
        uint8_t item_memory[512];
        kis_buf_init_fixed(&item, item_memory, sizeof item_memory);
        kis_pb_put_str(&item, 1, test_text(i ? second : first));
        kis_pb_put_bytes(&values, 1, kis_buf_bytes(&item));
    }
    kis_pb_put_bytes(&any, 5, kis_buf_bytes(&values));
    test_spans_check(any.err == KIS_OK, "an array did not fit");
    kis_attr_put_any(&t->span, KIS_TAG_SPAN_ATTRS, test_text(key), kis_buf_bytes(&any));
}
/** `key` NULL: an event without attributes. */
static inline void test_spans_event(test_spans *t, const char *name, uint64_t time_ns,
                                    const char *key, const char *value)
{
    size_t begun = kis_pb_begin(&t->span, 11);
    kis_pb_put_fix64(&t->span, 1, time_ns);
    kis_pb_put_str(&t->span, 2, test_text(name));
    if (key)
        kis_attr_put_str(&t->span, KIS_TAG_EVENT_ATTRS, test_text(key), test_text(value));
    kis_pb_end(&t->span, begun);
}
static inline void test_spans_link(test_spans *t, uint64_t trace, uint64_t span, const char *key,
                                   const char *value)
{
    kis_trace_id trace_id = test_trace_id(trace);
    kis_span_id span_id = test_span_id(span);
    size_t begun = kis_pb_begin(&t->span, 13);
    kis_pb_put_bytes(&t->span, 1, (kis_bytes){ trace_id.bytes, 16 });
    kis_pb_put_bytes(&t->span, 2, (kis_bytes){ span_id.bytes, 8 });
    if (key)
        kis_attr_put_str(&t->span, KIS_TAG_LINK_ATTRS, test_text(key), test_text(value));
    kis_pb_end(&t->span, begun);
}

/** The ExportTraceServiceRequest of a batch whose spans have their bytes. */
static inline void test_spans_request(const kis_batch *b, kis_buf *out)
{
    for (uint32_t r = 0; r < b->resource_count; r++) {
        size_t resource_spans = kis_pb_begin(out, 1);
        kis_pb_put_bytes(out, 1,
                         (kis_bytes){ b->resources[r].attrs.ptr, b->resources[r].attrs.len });
        for (uint32_t s = 0; s < b->scope_count; s++) {
            const kis_scope_view *scope = &b->scopes[s];
            if (scope->resource != r)
                continue;
            size_t scope_spans = kis_pb_begin(out, 2);
            size_t message = kis_pb_begin(out, 1);
            kis_pb_put_str(out, 1, scope->name);
            kis_pb_put_str(out, 2, scope->version);
            kis_pb_end(out, message);
            for (uint32_t i = 0; i < scope->span_count; i++)
                kis_pb_put_bytes(out, 2, b->spans[scope->first_span + i].bytes);
            kis_pb_end(out, scope_spans);
        }
        kis_pb_end(out, resource_spans);
    }
}

static inline void *test_spans_array_of(test_spans *t, const void *items, size_t count, size_t size)
{
    void *copy = kis_arena_take_array(&t->batch->arena, count ? count : 1, size, 8);
    test_spans_check(copy != NULL, "no memory in the batch's arena");
    if (count)
        memcpy(copy, items, count * size);
    return copy;
}

static inline kis_batch *test_spans_end(test_spans *t)
{
    kis_batch *b = t->batch;
    test_spans_finish_resource(t);
    b->resources = test_spans_array_of(t, t->resources.at, t->resources.len, sizeof *b->resources);
    b->scopes = test_spans_array_of(t, t->scopes.at, t->scopes.len, sizeof *b->scopes);
    b->spans = test_spans_array_of(t, t->spans.at, t->spans.len, sizeof *b->spans);
    b->resource_count = t->resources.len;
    b->scope_count = t->scopes.len;
    b->span_count = t->spans.len;
    kis_buf body;
    kis_buf_init(&body, t->alloc, (size_t)1 << 30);
    test_spans_request(b, &body);
    test_spans_check(body.err == KIS_OK, "no memory for the body");
    if (body.ptr)
        kis_batch_adopt_body(b, body.ptr, body.len, body.cap, t->alloc);
    b->is_verbatim = true;
    KIS_VEC_DONE(&t->resources, t->alloc);
    KIS_VEC_DONE(&t->scopes, t->alloc);
    KIS_VEC_DONE(&t->spans, t->alloc);
    kis_buf_done(&t->resource);
    kis_buf_done(&t->span);
    return b;
}

/* ---- generated ---- */

typedef struct test_spans_spec {
    uint64_t seed; /* equal specs give equal batches */
    /* traces are numbered from here (at least 1): distinct ranges give distinct traces */
    uint64_t first_trace;
    uint32_t traces;
    uint32_t spans_per_trace; /* at least 1 */
    uint64_t start_unix_ns;   /* of the first trace */
    uint64_t trace_step_ns;   /* from one trace's start to the next */
} test_spans_spec;

#define TEST_SERVICES 10
static const char *const test_service_names[TEST_SERVICES] = {
    "frontend", "cart",  "checkout",       "currency", "payment",
    "shipping", "email", "recommendation", "catalog",  "stock",
};

static inline uint64_t test_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* One span of a generated trace, number `i` of `n`; which service it belongs to was decided by the
 * caller. */
static inline void test_spans_generate_one(test_spans *t, uint64_t *random, uint64_t trace,
                                           uint32_t i, uint64_t start)
{
    static const char *const routes[] = { "/cart", "/orders/{id}", "/pay", "/product/{id}",
                                          "/health" };
    static const char *const words[] = { "alpha", "Grüße aus München", "東京都", "quick brown fox",
                                         "x" };
    uint64_t r = test_random(random);
    char name[64], url[96];
    const char *route = routes[r % 5];
    uint8_t kind = (uint8_t)(i == 0 ? KIS_OTLP_KIND_SERVER : 1 + (r >> 8) % 5);
    bool is_error = (r >> 16) % 16 == 0;
    snprintf(name, sizeof name, "%s %s", (r >> 4) % 2 ? "GET" : "POST", route);
    snprintf(url, sizeof url, "http://shop.example:8080%s?q=%llu", route,
             (unsigned long long)(r >> 40));
    test_spans_add(t,
                   &(test_span){ .trace = trace,
                                 .span = trace * 100000 + i + 1,
                                 .parent = i ? trace * 100000 + 1 + (r >> 24) % i : 0,
                                 .name = name,
                                 .start_ns = start + i * 1000,
                                 .end_ns = start + i * 1000 + 1000 + r % 5000000,
                                 .kind = kind,
                                 .status = is_error ? KIS_STATUS_ERROR : KIS_STATUS_UNSET,
                                 .status_message = is_error ? "boom" : NULL,
                                 .trace_state = i == 0 && r % 3 == 0 ? "vendor=abc,other=1" : NULL,
                                 .flags = 0x101 });
    test_spans_str(t, "http.request.method", (r >> 4) % 2 ? "GET" : "POST");
    test_spans_str(t, "http.route", route);
    test_spans_str(t, "url.full", url);
    test_spans_int(t, "http.response.status_code", is_error ? 500 : 200);
    test_spans_int(t, "user.id", (int64_t)(r % 1000));
    test_spans_bool(t, "cache.hit", r & 1);
    test_spans_double(t, "weight", (double)(r % 1000) / 8);
    test_spans_str(t, "note", words[(r >> 32) % 5]);
    if ((r >> 36) % 8 == 0)
        test_spans_array(t, "tags", "red", words[(r >> 20) % 5]);
    if (is_error)
        test_spans_event(t, "exception", start + i * 1000 + 500, "exception.type", "IOError");
    if ((r >> 44) % 16 == 0)
        test_spans_link(t, trace + 1, (trace + 1) * 100000 + 1, "link.kind", "follows");
}

/** Traces of the shop: one request touches several services, each with its spans together. */
static inline kis_batch *test_spans_generate(const kis_alloc *alloc, const test_spans_spec *spec)
{
    test_spans t;
    uint64_t random = spec->seed;
    test_spans_begin(&t, alloc);
    for (uint32_t service = 0; service < TEST_SERVICES; service++) {
        bool has_resource = false;
        for (uint32_t n = 0; n < spec->traces; n++) {
            uint64_t trace = (spec->first_trace ? spec->first_trace : 1) + n;
            for (uint32_t i = 0; i < spec->spans_per_trace; i++) {
                if (kis_hash_u64(spec->seed ^ (trace * 1000003 + i)) % TEST_SERVICES != service)
                    continue;
                if (!has_resource) {
                    test_spans_resource(&t, test_service_names[service]);
                    test_spans_resource_str(&t, "host.name", "host-1");
                    test_spans_resource_str(&t, "deployment.environment.name", "test");
                    test_spans_scope(&t, service % 2 ? "http" : "grpc", "1.2.3");
                    has_resource = true;
                }
                test_spans_generate_one(&t, &random, trace, i,
                                        spec->start_unix_ns + n * spec->trace_step_ns);
            }
        }
    }
    return test_spans_end(&t);
}

#endif
