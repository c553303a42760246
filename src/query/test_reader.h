/* test_reader.h - a reader over one batch, for tests: every call is a walk over all spans, slow and
 * plain. It can be told to fail. */
#ifndef KIS_QUERY_TEST_READER_H
#define KIS_QUERY_TEST_READER_H

#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "model/reader.h"
#include "model/test_spans.h"

typedef struct test_reader {
    kis_reader reader;
    kis_batch *batch;
    kis_err fail_with;            /* every call answers this */
    bool is_partial;              /* every answer is */
    bool keeps_spans_back;        /* get: the trace is known, its spans cannot be read */
    uint64_t spans_until_failure; /* get: after so many spans it answers IO; 0: never */
    uint64_t gets, gone_at;       /* get: the call with this number finds nothing; 0: none */
    kis_find last_find;           /* what was asked */
    uint64_t shortest_ns;         /* of all other calls: the earliest deadline */
} test_reader;

static inline const kis_scope_view *test_reader_scope(const kis_batch *b, uint32_t span)
{
    for (uint32_t i = 0; i < b->scope_count; i++)
        if (span - b->scopes[i].first_span < b->scopes[i].span_count)
            return &b->scopes[i];
    abort();
}

static inline void test_reader_note(test_reader *r, const kis_request *request)
{
    if (r->shortest_ns == 0 || request->deadline_ns < r->shortest_ns)
        r->shortest_ns = request->deadline_ns;
}

static inline bool test_reader_begins(test_reader *r, kis_answer *answer, kis_diag *diag)
{
    if (r->is_partial)
        *answer = (kis_answer){ .is_partial = true, .why = "a block is damaged" };
    if (r->fail_with)
        kis_diag_set(diag, r->fail_with, "the test reader fails");
    return r->fail_with == KIS_OK;
}

static inline int test_reader_by_newest(const void *a, const void *b)
{
    const kis_found *x = a, *y = b;
    if (x->newest_unix_ns != y->newest_unix_ns)
        return x->newest_unix_ns > y->newest_unix_ns ? -1 : 1;
    return -memcmp(&x->trace_id, &y->trace_id, 16);
}

static inline kis_err test_reader_find(kis_reader *reader, const kis_find *find, kis_found_fn *fn,
                                       void *user, kis_answer *answer, kis_diag *diag)
{
    test_reader *r = (test_reader *)reader;
    const kis_batch *b = r->batch;
    kis_found *found = calloc(b->span_count + 1, sizeof(*found));
    size_t count = 0;

    r->last_find = *find;
    for (uint32_t i = 0; test_reader_begins(r, answer, diag) && i < b->span_count; i++) {
        const kis_span_view *s = &b->spans[i];
        const kis_scope_view *scope = test_reader_scope(b, i);
        size_t at = 0;
        if (s->start_unix_ns < find->start_min_unix_ns ||
            (find->start_max_unix_ns && s->start_unix_ns >= find->start_max_unix_ns) ||
            (find->filter &&
             !kis_filter_matches(find->filter, s, kis_batch_resource(b, scope), scope)))
            continue;
        while (at < count && !kis_trace_id_eq(&found[at].trace_id, &s->trace_id))
            at++;
        if (at == count)
            found[count++] = (kis_found){ .trace_id = s->trace_id };
        if (s->start_unix_ns > found[at].newest_unix_ns)
            found[at].newest_unix_ns = s->start_unix_ns;
    }
    qsort(found, count, sizeof(*found), test_reader_by_newest);
    kis_found after = { find->after.trace_id, find->after.newest_unix_ns };
    for (size_t i = 0, given = 0; i < count && given < find->limit; i++) {
        if (find->after.newest_unix_ns && test_reader_by_newest(&after, &found[i]) >= 0)
            continue;
        given++;
        if (!fn(user, &found[i]))
            break;
    }
    free(found);
    return r->fail_with;
}

static inline int test_reader_by_start(const void *a, const void *b)
{
    const kis_span_view *x = *(const kis_span_view *const *)a,
                        *y = *(const kis_span_view *const *)b;
    if (x->start_unix_ns != y->start_unix_ns)
        return x->start_unix_ns < y->start_unix_ns ? -1 : 1;
    return memcmp(&x->span_id, &y->span_id, 8);
}

static inline kis_err test_reader_get(kis_reader *reader, const kis_request *request,
                                      const kis_trace_id *id, kis_span_fn *fn, void *user,
                                      kis_answer *answer, kis_diag *diag)
{
    test_reader *r = (test_reader *)reader;
    const kis_span_view **spans = calloc(r->batch->span_count + 1, sizeof(*spans));
    size_t count = 0;
    kis_err err = KIS_OK;

    test_reader_note(r, request);
    bool is_gone = ++r->gets == r->gone_at;
    for (uint32_t i = 0; test_reader_begins(r, answer, diag) && i < r->batch->span_count; i++)
        if (!is_gone && kis_trace_id_eq(&r->batch->spans[i].trace_id, id))
            spans[count++] = &r->batch->spans[i];
    qsort(spans, count, sizeof(*spans), test_reader_by_start);
    for (size_t i = 0; i < count && !err && !r->keeps_spans_back; i++) {
        const kis_scope_view *scope =
            test_reader_scope(r->batch, (uint32_t)(spans[i] - r->batch->spans));
        kis_found_span found = { spans[i], kis_batch_resource(r->batch, scope), scope };
        if (r->spans_until_failure && i == r->spans_until_failure)
            err = kis_diag_set(diag, KIS_ERR_IO, "the disk went away");
        else if (!fn(user, &found))
            break;
    }
    free(spans);
    if (r->fail_with || err)
        return r->fail_with ? r->fail_with : err;
    return count ? KIS_OK : kis_diag_set(diag, KIS_ERR_NOT_FOUND, "trace not found");
}

typedef struct test_summing {
    kis_trace_summary summary;
    kis_trace_service services[8];
    uint64_t root_start;
    bool has_root;
    const kis_batch *batch;
} test_summing;

static inline bool test_reader_sum(void *user, const kis_found_span *found)
{
    test_summing *t = user;
    const kis_span_view *s = found->span;
    bool is_root = !kis_span_id_is_valid(&s->parent_id), has_parent = false;

    for (uint32_t i = 0; i < t->batch->span_count; i++)
        has_parent |= kis_span_id_eq(&t->batch->spans[i].span_id, &s->parent_id) &&
                      kis_trace_id_eq(&t->batch->spans[i].trace_id, &s->trace_id);
    if (t->summary.span_count++ == 0 || (is_root && !t->has_root)) {
        t->summary.root_name = s->name;
        t->summary.root_service = found->resource->service_name;
        t->has_root = is_root;
    }
    if (t->summary.span_count == 1 || s->start_unix_ns < t->summary.start_unix_ns)
        t->summary.start_unix_ns = s->start_unix_ns;
    if (s->end_unix_ns > t->summary.end_unix_ns)
        t->summary.end_unix_ns = s->end_unix_ns;
    t->summary.error_count += s->status == KIS_STATUS_ERROR;
    t->summary.orphan_count += !is_root && !has_parent;
    uint32_t at = 0;
    while (at < t->summary.service_count &&
           !kis_str_eq(t->services[at].name, found->resource->service_name))
        at++;
    if (at == t->summary.service_count && at < 8)
        t->services[t->summary.service_count++] =
            (kis_trace_service){ .name = found->resource->service_name };
    t->services[at].span_count++;
    t->services[at].error_count += s->status == KIS_STATUS_ERROR;
    return true;
}

static inline kis_err test_reader_summaries(kis_reader *reader, const kis_request *request,
                                            const kis_trace_id *ids, uint32_t count,
                                            kis_summary_fn *fn, void *user, kis_answer *answer,
                                            kis_diag *diag)
{
    for (uint32_t i = 0; i < count; i++) {
        test_summing t = { .batch = ((test_reader *)reader)->batch };
        kis_err err = test_reader_get(reader, request, &ids[i], test_reader_sum, &t, answer, diag);
        if (err == KIS_ERR_NOT_FOUND)
            continue;
        if (err)
            return err;
        t.summary.trace_id = ids[i];
        t.summary.services = t.services;
        if (!fn(user, &t.summary))
            break;
    }
    return KIS_OK;
}

static inline int test_reader_by_name(const void *a, const void *b)
{
    return kis_str_compare(*(const kis_str *)a, *(const kis_str *)b);
}

static inline kis_err test_reader_services(kis_reader *reader, const kis_request *request,
                                           kis_name_fn *fn, void *user, kis_answer *answer,
                                           kis_diag *diag)
{
    test_reader *r = (test_reader *)reader;
    kis_str names[64];
    size_t count = 0;

    test_reader_note(r, request);
    if (!test_reader_begins(r, answer, diag))
        return r->fail_with;
    for (uint32_t i = 0; i < r->batch->resource_count && count < 64; i++)
        names[count++] = r->batch->resources[i].service_name;
    qsort(names, count, sizeof(*names), test_reader_by_name);
    for (size_t i = 0; i < count; i++)
        if ((i == 0 || !kis_str_eq(names[i], names[i - 1])) && !fn(user, names[i], 0))
            break;
    return KIS_OK;
}

typedef struct test_operation {
    kis_str name;
    uint8_t kind;
} test_operation;

static inline int test_reader_by_operation(const void *a, const void *b)
{
    const test_operation *x = a, *y = b;
    int by_name = kis_str_compare(x->name, y->name);
    return by_name ? by_name : x->kind - y->kind;
}

static inline kis_err test_reader_operations(kis_reader *reader, const kis_request *request,
                                             kis_str service, kis_name_fn *fn, void *user,
                                             kis_answer *answer, kis_diag *diag)
{
    test_reader *r = (test_reader *)reader;
    test_operation *all = calloc(r->batch->span_count + 1, sizeof(*all));
    size_t count = 0;

    test_reader_note(r, request);
    for (uint32_t i = 0; test_reader_begins(r, answer, diag) && i < r->batch->span_count; i++)
        if (!service.len ||
            kis_str_eq(kis_batch_resource(r->batch, test_reader_scope(r->batch, i))->service_name,
                       service))
            all[count++] = (test_operation){ r->batch->spans[i].name, r->batch->spans[i].kind };
    qsort(all, count, sizeof(*all), test_reader_by_operation);
    for (size_t i = 0; i < count; i++)
        if ((i == 0 || test_reader_by_operation(&all[i], &all[i - 1])) &&
            !fn(user, all[i].name, all[i].kind))
            break;
    free(all);
    return r->fail_with;
}

static const kis_reader_ops test_reader_ops = { "test",
                                                0,
                                                test_reader_find,
                                                test_reader_get,
                                                test_reader_summaries,
                                                test_reader_services,
                                                test_reader_operations };

/** Takes the batch's reference. */
static inline void test_reader_init(test_reader *r, kis_batch *batch)
{
    *r = (test_reader){ .reader = { &test_reader_ops }, .batch = batch };
}
static inline void test_reader_done(test_reader *r)
{
    kis_batch_unref(r->batch);
}

#endif
