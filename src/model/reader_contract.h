/* reader_contract.h - what every reader answers, as a battery against a naive model that keeps all
 * batches and looks at every span.
 *
 *     TEST(my_store_keeps_the_contract)
 *     {
 *         reader_contract_run(&(reader_contract){
 *             .open = open_mine, .close = close_mine, .user = &fixture });
 *     }
 *
 * `settle` is called when everything was pushed: run the battery once without it (answers from
 * memory) and once with a flush in it. An implementation lists in `cannot` what it cannot do; the
 * empty list runs everything.
 */
#ifndef KIS_MODEL_READER_CONTRACT_H
#define KIS_MODEL_READER_CONTRACT_H

#include "model/reader.h"
#include "model/sink_contract.h"

#define READER_CANNOT_TENANTS 0x1u
#define READER_CANNOT_DEDUPE  0x2u

typedef struct reader_contract {
    void (*open)(void *user, kis_sink **sink, kis_reader **reader); /* fresh and empty */
    void (*settle)(void *user);                                     /* may be NULL */
    void (*close)(void *user);
    void *user;
    unsigned cannot;
} reader_contract;

#define RC_START   1700000000000000000u
#define RC_BATCHES 8
#define RC_MAX     4096

/* ---- the model ---- */

typedef struct rc_world {
    const reader_contract *c;
    kis_sink *sink;
    kis_reader *reader;
    kis_batch *batches[RC_BATCHES];
    size_t batch_count;
} rc_world;

static inline void rc_push(rc_world *w, kis_batch *batch)
{
    sink_answer answer = { .calls = 0 };
    kis_sink_push(w->sink, batch, sink_contract_done_of(&answer));
    CHECK_ERR(KIS_OK, kis_sink_flush(w->sink, sink_contract_soon()), "flushed");
    CHECK_INT(1, atomic_load(&answer.calls), "answered");
    CHECK_ERR(KIS_OK, answer.err, "taken");
    w->batches[w->batch_count++] = batch;
}

static inline void rc_open(rc_world *w, const reader_contract *c)
{
    *w = (rc_world){ .c = c };
    c->open(c->user, &w->sink, &w->reader);
    CHECK(w->sink && w->reader, "a sink and a reader");
}
static inline void rc_settle(rc_world *w)
{
    if (w->c->settle)
        w->c->settle(w->c->user);
}
static inline void rc_close(rc_world *w)
{
    w->c->close(w->c->user);
    for (size_t i = 0; i < w->batch_count; i++)
        kis_batch_unref(w->batches[i]);
}

static inline kis_request rc_request(void)
{
    return (kis_request){ .deadline_ns = sink_contract_soon() };
}

typedef struct rc_row { /* a span with its surroundings, of the model */
    const kis_span_view *span;
    const kis_resource_view *resource;
    const kis_scope_view *scope;
} rc_row;

static rc_row rc_rows[RC_MAX];

/* Every different span that was pushed: (trace, span, kind, start) equal is one. */
static inline size_t rc_all_rows(const rc_world *w)
{
    size_t count = 0;
    for (size_t n = 0; n < w->batch_count; n++) {
        const kis_batch *b = w->batches[n];
        if (b->origin.tenant.len)
            continue;
        for (uint32_t s = 0; s < b->scope_count; s++)
            for (uint32_t i = 0; i < b->scopes[s].span_count; i++) {
                const kis_span_view *span = &b->spans[b->scopes[s].first_span + i];
                bool is_new = true;
                for (size_t k = 0; k < count && is_new; k++)
                    is_new = !(kis_trace_id_eq(&rc_rows[k].span->trace_id, &span->trace_id) &&
                               kis_span_id_eq(&rc_rows[k].span->span_id, &span->span_id) &&
                               rc_rows[k].span->kind == span->kind &&
                               rc_rows[k].span->start_unix_ns == span->start_unix_ns);
                if (!is_new)
                    continue;
                CHECK(count < RC_MAX, "the model has room");
                rc_rows[count++] =
                    (rc_row){ span, kis_batch_resource(b, &b->scopes[s]), &b->scopes[s] };
            }
    }
    return count;
}

static inline int rc_newest_first(const void *a, const void *b)
{
    const kis_found *x = a, *y = b;
    if (x->newest_unix_ns != y->newest_unix_ns)
        return x->newest_unix_ns > y->newest_unix_ns ? -1 : 1;
    return memcmp(y->trace_id.bytes, x->trace_id.bytes, 16); /* then the larger trace id */
}

/* What find has to answer, all of it. */
static inline size_t rc_model_find(const rc_world *w, const kis_find *find, kis_found *out)
{
    size_t rows = rc_all_rows(w), count = 0;
    for (size_t i = 0; i < rows; i++) {
        const rc_row *r = &rc_rows[i];
        if (r->span->start_unix_ns < find->start_min_unix_ns ||
            (find->start_max_unix_ns && r->span->start_unix_ns >= find->start_max_unix_ns))
            continue;
        if (!kis_filter_matches(find->filter, r->span, r->resource, r->scope))
            continue;
        size_t k = 0;
        while (k < count && !kis_trace_id_eq(&out[k].trace_id, &r->span->trace_id))
            k++;
        if (k == count)
            out[count++] = (kis_found){ r->span->trace_id, r->span->start_unix_ns };
        else
            out[k].newest_unix_ns = KIS_MAX(out[k].newest_unix_ns, r->span->start_unix_ns);
    }
    qsort(out, count, sizeof *out, rc_newest_first);
    return count;
}

/* ---- collecting ---- */

typedef struct rc_list {
    kis_found at[RC_MAX];
    size_t count, stop_after; /* 0: never */
} rc_list;

static inline bool rc_take_found(void *user, const kis_found *found)
{
    rc_list *l = user;
    CHECK(l->count < RC_MAX, "no more than there can be");
    l->at[l->count++] = *found;
    return l->count != l->stop_after;
}

static rc_list rc_got;
static kis_found rc_want[RC_MAX];

/* All pages of `limit`, one behind the other, are the model's answer. */
static inline void rc_check_find(rc_world *w, kis_find find, uint32_t limit, const char *why)
{
    kis_answer answer = { 0 };
    kis_diag diag = { 0 };
    size_t want = rc_model_find(w, &find, rc_want);
    rc_got.count = rc_got.stop_after = 0;
    find.limit = limit;
    find.request = rc_request();
    for (;;) {
        size_t before = rc_got.count;
        CHECK_ERR(KIS_OK,
                  w->reader->ops->find(w->reader, &find, rc_take_found, &rc_got, &answer, &diag),
                  why);
        CHECK(!answer.is_partial, why);
        CHECK(rc_got.count - before <= limit, "a page has at most `limit` traces");
        if (rc_got.count - before < limit)
            break;
        find.after = (kis_token){ rc_got.at[rc_got.count - 1].newest_unix_ns,
                                  rc_got.at[rc_got.count - 1].trace_id };
    }
    CHECK_INT(want, rc_got.count, why);
    for (size_t i = 0; i < want; i++) {
        CHECK(kis_trace_id_eq(&rc_want[i].trace_id, &rc_got.at[i].trace_id), why);
        CHECK(rc_want[i].newest_unix_ns == rc_got.at[i].newest_unix_ns, why);
    }
}

/* ---- the battery ---- */

static inline kis_batch *rc_generate(uint64_t seed, uint64_t first_trace, uint32_t traces)
{
    return test_spans_generate(
        &kis_mem, &(test_spans_spec){ .seed = seed,
                                      .first_trace = first_trace,
                                      .traces = traces,
                                      .spans_per_trace = 6,
                                      .start_unix_ns = RC_START + first_trace * 1000000,
                                      .trace_step_ns = 700000 });
}

/* Five traces of which all spans start at one moment. */
static inline kis_batch *rc_simultaneous(void)
{
    test_spans t;
    test_spans_begin(&t, &kis_mem);
    for (uint64_t trace = 900; trace < 905; trace++)
        for (uint64_t span = 1; span <= 3; span++)
            test_spans_add(&t, &(test_span){ .trace = trace,
                                             .span = trace * 10 + span,
                                             .parent = span > 1 ? trace * 10 + 1 : 0,
                                             .name = "at once",
                                             .start_ns = RC_START,
                                             .end_ns = RC_START + span });
    return test_spans_end(&t);
}

static inline void rc_fill(rc_world *w)
{
    rc_push(w, rc_generate(1, 1, 40));
    rc_push(w, rc_generate(2, 30, 40)); /* traces 30 to 40 come in two batches, with other spans */
    rc_push(w, rc_simultaneous());
    rc_settle(w);
}

#define RC_COMPARE(which, how, name, ...)                                                 \
    {                                                                                     \
        .op = KIS_FILTER_COMPARE, .on = which, .compare = how, .key = KIS_STR_INIT(name), \
        .value = {                                                                        \
            __VA_ARGS__                                                                   \
        }                                                                                 \
    }
#define RC_TEXT(text) .kind = KIS_VALUE_STR, .str = KIS_STR_INIT(text)
#define RC_INT(n)     .kind = KIS_VALUE_INT, .integer = n
#define RC_DOUBLE(n)  .kind = KIS_VALUE_DOUBLE, .number = n
#define RC_BOOL(b)    .kind = KIS_VALUE_BOOL, .boolean = b

static inline void reader_contract_finds_what_the_filter_says(const reader_contract *c)
{
    static const struct {
        const char *why;
        kis_filter f;
    } rows[] = {
        { "service", RC_COMPARE(KIS_ON_SERVICE, KIS_EQ, "", RC_TEXT("cart")) },
        { "a service that is not there",
          RC_COMPARE(KIS_ON_SERVICE, KIS_EQ, "", RC_TEXT("nobody")) },
        { "not that service", RC_COMPARE(KIS_ON_SERVICE, KIS_NE, "", RC_TEXT("cart")) },
        { "name", RC_COMPARE(KIS_ON_NAME, KIS_EQ, "", RC_TEXT("GET /cart")) },
        { "name, in order", RC_COMPARE(KIS_ON_NAME, KIS_LT, "", RC_TEXT("GET /health")) },
        { "kind", RC_COMPARE(KIS_ON_KIND, KIS_EQ, "", RC_INT(3)) },
        { "status", RC_COMPARE(KIS_ON_STATUS, KIS_EQ, "", RC_INT(2)) },
        { "status message", RC_COMPARE(KIS_ON_STATUS_MESSAGE, KIS_EXISTS, "", RC_INT(0)) },
        { "duration at least", RC_COMPARE(KIS_ON_DURATION, KIS_GE, "", RC_INT(2000000)) },
        { "duration below", RC_COMPARE(KIS_ON_DURATION, KIS_LT, "", RC_INT(100000)) },
        { "scope name", RC_COMPARE(KIS_ON_SCOPE_NAME, KIS_EQ, "", RC_TEXT("grpc")) },
        { "scope version", RC_COMPARE(KIS_ON_SCOPE_VERSION, KIS_EQ, "", RC_TEXT("1.2.3")) },
        { "trace state",
          RC_COMPARE(KIS_ON_TRACE_STATE, KIS_EQ, "", RC_TEXT("vendor=abc,other=1")) },
        { "event name", RC_COMPARE(KIS_ON_EVENT_NAME, KIS_EQ, "", RC_TEXT("exception")) },
        { "has a parent", RC_COMPARE(KIS_ON_PARENT, KIS_EXISTS, "", RC_INT(0)) },
        { "text attribute", RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_EQ, "http.route", RC_TEXT("/pay")) },
        { "text attribute, not ASCII",
          RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_EQ, "note", RC_TEXT("東京都")) },
        { "text attribute, unequal", RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_NE, "note", RC_TEXT("x")) },
        { "integer attribute",
          RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_EQ, "http.response.status_code", RC_INT(500)) },
        { "integer attribute, in order",
          RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_GT, "user.id", RC_INT(900)) },
        { "integer against double",
          RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_EQ, "http.response.status_code", RC_DOUBLE(500.0)) },
        { "double attribute", RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_LE, "weight", RC_DOUBLE(12.5)) },
        { "boolean attribute", RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_EQ, "cache.hit", RC_BOOL(true)) },
        { "another kind is unequal",
          RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_EQ, "cache.hit", RC_TEXT("true")) },
        { "its text form is equal",
          RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_TEXT_EQ, "cache.hit", RC_TEXT("true")) },
        { "an array's text form",
          RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_TEXT_EQ, "tags", RC_TEXT("[\"red\",\"x\"]")) },
        { "an attribute that is there",
          RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_EXISTS, "tags", RC_INT(0)) },
        { "an attribute that is nowhere",
          RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_EXISTS, "nowhere", RC_INT(0)) },
        { "unequal needs the attribute",
          RC_COMPARE(KIS_ON_SPAN_ATTR, KIS_NE, "nowhere", RC_INT(0)) },
        { "resource attribute",
          RC_COMPARE(KIS_ON_RESOURCE_ATTR, KIS_EQ, "host.name", RC_TEXT("host-1")) },
        { "event attribute",
          RC_COMPARE(KIS_ON_EVENT_ATTR, KIS_EQ, "exception.type", RC_TEXT("IOError")) },
        { "link attribute", RC_COMPARE(KIS_ON_LINK_ATTR, KIS_EQ, "link.kind", RC_TEXT("follows")) },
        { "any attribute, of the span",
          RC_COMPARE(KIS_ON_ANY_ATTR, KIS_TEXT_EQ, "user.id", RC_TEXT("17")) },
        { "any attribute, of the resource",
          RC_COMPARE(KIS_ON_ANY_ATTR, KIS_TEXT_EQ, "service.name", RC_TEXT("stock")) },
        { "any attribute, of an event",
          RC_COMPARE(KIS_ON_ANY_ATTR, KIS_TEXT_EQ, "exception.type", RC_TEXT("IOError")) },
    };
    static const kis_filter *const two[] = { &rows[0].f, &rows[6].f }, *const one[] = {
        &rows[0].f
    };
    static const kis_filter both = { .op = KIS_FILTER_AND, .parts = two, .part_count = 2 },
                            either = { .op = KIS_FILTER_OR, .parts = two, .part_count = 2 };
    static const kis_filter neither_part = { .op = KIS_FILTER_NOT, .parts = one, .part_count = 1 };
    static const kis_filter *const nested_parts[] = { &neither_part, &either };
    static const kis_filter nested = { .op = KIS_FILTER_AND,
                                       .parts = nested_parts,
                                       .part_count = 2 };
    rc_world w;
    rc_open(&w, c);
    rc_fill(&w);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        rc_check_find(&w, (kis_find){ .filter = &rows[i].f }, 1000, rows[i].why);
    rc_check_find(&w, (kis_find){ .filter = NULL }, 1000, "no filter: every trace");
    rc_check_find(&w, (kis_find){ .filter = &both }, 1000, "one span must satisfy both");
    rc_check_find(&w, (kis_find){ .filter = &either }, 1000, "or");
    rc_check_find(&w, (kis_find){ .filter = &neither_part }, 1000, "not");
    rc_check_find(&w, (kis_find){ .filter = &nested }, 1000, "a tree");
    rc_close(&w);
}

static inline void reader_contract_pages_without_gap_or_repeat(const reader_contract *c)
{
    static const kis_filter server = RC_COMPARE(KIS_ON_KIND, KIS_EQ, "", RC_INT(2));
    rc_world w;
    rc_open(&w, c);
    rc_fill(&w);
    for (uint32_t limit = 1; limit <= 13; limit += 3) {
        rc_check_find(&w, (kis_find){ .filter = NULL }, limit,
                      "pages of every trace, among them some of one moment");
        rc_check_find(&w, (kis_find){ .filter = &server }, limit, "pages of some");
    }
    uint64_t middle = RC_START + 40 * 1000000;
    rc_check_find(&w, (kis_find){ .start_min_unix_ns = middle }, 5, "from a time on");
    rc_check_find(&w, (kis_find){ .start_max_unix_ns = middle }, 5, "up to a time");
    rc_check_find(&w,
                  (kis_find){ .start_min_unix_ns = RC_START, .start_max_unix_ns = RC_START + 1 }, 2,
                  "one moment, the end is outside");
    rc_check_find(
        &w, (kis_find){ .start_min_unix_ns = RC_START + 1, .start_max_unix_ns = RC_START + 2 }, 2,
        "a moment without spans");
    rc_close(&w);
}

/* ---- get ---- */

typedef struct rc_trace {
    size_t count, stop_after;
    uint64_t last_start;
    kis_span_id last_span;
    uint64_t hash;
    bool is_in_order;
} rc_trace;

/* A hash over everything of a span that a reader must give back. */
static inline uint64_t rc_hash_span(const kis_span_view *s, const kis_resource_view *r,
                                    const kis_scope_view *scope)
{
    uint64_t h = kis_hash(kis_bytes_of(&s->trace_id, 16), 1);
    kis_attr_view attr;
    kis_event_view event;
    kis_link_view link;
    h = kis_hash(kis_bytes_of(&s->span_id, 8), h);
    h = kis_hash(kis_bytes_of(&s->parent_id, 8), h);
    uint64_t numbers[] = { s->start_unix_ns, s->end_unix_ns,    s->flags,        s->kind,
                           s->status,        s->attr_count,     s->event_count,  s->link_count,
                           s->dropped_attrs, s->dropped_events, s->dropped_links };
    h = kis_hash(kis_bytes_of(numbers, sizeof numbers), h);
    h = kis_hash_str(s->name, h);
    h = kis_hash_str(s->trace_state, h);
    h = kis_hash_str(s->status_message, h);
    h = kis_hash_str(r->service_name, h);
    h = kis_hash_str(scope->name, h);
    h = kis_hash_str(scope->version, h);
    for (kis_attr_cursor a = kis_attrs_begin(s->attrs); kis_attrs_next(&a, &attr);)
        h = kis_hash(attr.bytes, h);
    for (kis_attr_cursor a = kis_attrs_begin(r->attrs); kis_attrs_next(&a, &attr);)
        h = kis_hash(attr.bytes, h);
    for (kis_cursor e = kis_cursor_of(s->events); kis_event_next(&e, &event);) {
        h = kis_hash_str(event.name, h ^ event.time_unix_ns);
        for (kis_attr_cursor a = kis_attrs_begin(event.attrs); kis_attrs_next(&a, &attr);)
            h = kis_hash(attr.bytes, h);
    }
    for (kis_cursor l = kis_cursor_of(s->links); kis_link_next(&l, &link);)
        h = kis_hash(kis_bytes_of(&link.span_id, 8), kis_hash(kis_bytes_of(&link.trace_id, 16), h));
    return h;
}

static inline bool rc_take_span(void *user, const kis_found_span *found)
{
    rc_trace *t = user;
    const kis_span_view *s = found->span;
    if (t->count > 0 &&
        (s->start_unix_ns < t->last_start ||
         (s->start_unix_ns == t->last_start && memcmp(&s->span_id, &t->last_span, 8) < 0)))
        t->is_in_order = false;
    t->last_start = s->start_unix_ns;
    t->last_span = s->span_id;
    t->hash += rc_hash_span(s, found->resource, found->scope);
    return ++t->count != t->stop_after;
}

static inline void reader_contract_gets_whole_traces(const reader_contract *c)
{
    rc_world w;
    kis_answer answer = { 0 };
    kis_diag diag = { 0 };
    kis_request request = rc_request();
    rc_open(&w, c);
    rc_fill(&w);
    if (!(c->cannot & READER_CANNOT_DEDUPE)) {
        rc_push(&w, rc_generate(1, 1, 40)); /* a resend */
        rc_settle(&w);
    }
    size_t rows = rc_all_rows(&w);
    for (uint64_t n = 1; n < 75; n++) {
        kis_trace_id id = test_trace_id(n);
        rc_trace want = { 0 }, got = { .is_in_order = true };
        for (size_t i = 0; i < rows; i++)
            if (kis_trace_id_eq(&rc_rows[i].span->trace_id, &id)) {
                want.count++;
                want.hash += rc_hash_span(rc_rows[i].span, rc_rows[i].resource, rc_rows[i].scope);
            }
        kis_err err =
            w.reader->ops->get(w.reader, &request, &id, rc_take_span, &got, &answer, &diag);
        CHECK_ERR(want.count ? KIS_OK : KIS_ERR_NOT_FOUND, err, "there, or not");
        CHECK_INT(want.count, got.count, "each span once");
        CHECK(want.hash == got.hash, "with everything that it had");
        CHECK(got.is_in_order, "by start, then by span id");
    }
    rc_close(&w);
}

/* Spans that share an id (client and server of one call, as Zipkin has it) are different spans. */
static inline void reader_contract_tells_spans_apart_by_kind_and_start(const reader_contract *c)
{
    rc_world w;
    test_spans t;
    rc_trace got = { .is_in_order = true };
    kis_answer answer = { 0 };
    kis_diag diag = { 0 };
    kis_request request = rc_request();
    kis_trace_id id = test_trace_id(5);
    rc_open(&w, c);
    test_spans_begin(&t, &kis_mem);
    test_spans_add(&t, &(test_span){ .trace = 5,
                                     .span = 6,
                                     .name = "client",
                                     .kind = 3,
                                     .start_ns = RC_START,
                                     .end_ns = RC_START + 9 });
    test_spans_add(&t, &(test_span){ .trace = 5,
                                     .span = 6,
                                     .name = "server",
                                     .kind = 2,
                                     .start_ns = RC_START,
                                     .end_ns = RC_START + 8 });
    test_spans_add(&t, &(test_span){ .trace = 5,
                                     .span = 6,
                                     .name = "server again",
                                     .kind = 2,
                                     .start_ns = RC_START + 1,
                                     .end_ns = RC_START + 8 });
    rc_push(&w, test_spans_end(&t));
    rc_settle(&w);
    CHECK_ERR(KIS_OK,
              w.reader->ops->get(w.reader, &request, &id, rc_take_span, &got, &answer, &diag),
              "there");
    CHECK_INT(3, got.count, "three spans");
    rc_close(&w);
}

/* ---- summaries ---- */

typedef struct rc_summaries {
    size_t count;
    struct {
        kis_trace_id id;
        char service[32], name[32];
        uint64_t start, end, spans, errors, orphans;
        char services[128]; /* "a:2/1 b:1/0" */
    } at[8];
} rc_summaries;

static inline bool rc_take_summary(void *user, const kis_trace_summary *s)
{
    rc_summaries *l = user;
    CHECK(l->count < 8, "as many as were asked for");
    size_t i = l->count++, len = 0;
    l->at[i].id = s->trace_id;
    snprintf(l->at[i].service, sizeof l->at[i].service, "%.*s", (int)s->root_service.len,
             s->root_service.ptr);
    snprintf(l->at[i].name, sizeof l->at[i].name, "%.*s", (int)s->root_name.len, s->root_name.ptr);
    l->at[i].start = s->start_unix_ns - RC_START;
    l->at[i].end = s->end_unix_ns - RC_START;
    l->at[i].spans = s->span_count;
    l->at[i].errors = s->error_count;
    l->at[i].orphans = s->orphan_count;
    l->at[i].services[0] = 0;
    for (uint32_t k = 0; k < s->service_count; k++)
        len += (size_t)snprintf(l->at[i].services + len, sizeof l->at[i].services - len,
                                "%s%.*s:%u/%u", k ? " " : "", (int)s->services[k].name.len,
                                s->services[k].name.ptr, s->services[k].span_count,
                                s->services[k].error_count);
    return true;
}

static inline void reader_contract_sums_traces_up(const reader_contract *c)
{
    rc_world w;
    test_spans t;
    rc_summaries got = { 0 };
    kis_answer answer = { 0 };
    kis_diag diag = { 0 };
    kis_request request = rc_request();
    const uint64_t at = RC_START;
    rc_open(&w, c);
    test_spans_begin(&t, &kis_mem);
    test_spans_resource(&t, "b");
    test_spans_add(
        &t, &(test_span){
                .trace = 1, .span = 10, .name = "root", .start_ns = at + 5, .end_ns = at + 50 });
    test_spans_add(&t, &(test_span){ .trace = 1,
                                     .span = 11,
                                     .parent = 10,
                                     .name = "child",
                                     .start_ns = at + 6,
                                     .end_ns = at + 90,
                                     .status = 2 });
    test_spans_add(&t, &(test_span){ .trace = 2,
                                     .span = 20,
                                     .parent = 99,
                                     .name = "late",
                                     .start_ns = at + 7,
                                     .end_ns = at + 8 });
    test_spans_add(
        &t,
        &(test_span){
            .trace = 3, .span = 31, .name = "second root", .start_ns = at + 4, .end_ns = at + 5 });
    test_spans_resource(&t, "a");
    test_spans_add(&t, &(test_span){ .trace = 1,
                                     .span = 12,
                                     .parent = 77,
                                     .name = "orphan",
                                     .start_ns = at + 1,
                                     .end_ns = at + 2 });
    test_spans_add(&t, &(test_span){ .trace = 2,
                                     .span = 21,
                                     .parent = 98,
                                     .name = "early",
                                     .start_ns = at + 2,
                                     .end_ns = at + 3 });
    test_spans_add(
        &t,
        &(test_span){
            .trace = 3, .span = 30, .name = "first root", .start_ns = at + 3, .end_ns = at + 9 });
    test_spans_add(&t, &(test_span){ .trace = 4,
                                     .span = 40,
                                     .parent = 40,
                                     .name = "its own parent",
                                     .start_ns = at + 3,
                                     .end_ns = at + 1 });
    rc_push(&w, test_spans_end(&t));
    rc_settle(&w);
    kis_trace_id ids[] = { test_trace_id(3), test_trace_id(1000), test_trace_id(1),
                           test_trace_id(2), test_trace_id(4) };
    CHECK_ERR(KIS_OK,
              w.reader->ops->summaries(w.reader, &request, ids, COUNT_OF(ids), rc_take_summary,
                                       &got, &answer, &diag),
              "summed up");
    static const struct {
        uint64_t id;
        const char *service, *name;
        uint64_t start, end, spans, errors, orphans;
        const char *services;
    } rows[] = {
        { 3, "a", "first root", 3, 9, 2, 0, 0, "a:1/0 b:1/0" },
        { 1, "b", "root", 1, 90, 3, 1, 1, "a:1/0 b:2/1" },
        { 2, "a", "early", 2, 8, 2, 0, 2, "a:1/0 b:1/0" },
        { 4, "a", "its own parent", 3, 3, 1, 0, 0, "a:1/0" },
    };
    CHECK_INT(COUNT_OF(rows), got.count,
              "in the order asked for, without the one that is not there");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_trace_id id = test_trace_id(rows[i].id);
        CHECK(kis_trace_id_eq(&id, &got.at[i].id), rows[i].name);
        CHECK_STR(rows[i].service, kis_str_from_c(got.at[i].service), rows[i].name);
        CHECK_STR(rows[i].name, kis_str_from_c(got.at[i].name), rows[i].name);
        CHECK_INT(rows[i].start, got.at[i].start, rows[i].name);
        CHECK_INT(rows[i].spans, got.at[i].spans, rows[i].name);
        CHECK_INT(rows[i].errors, got.at[i].errors, rows[i].name);
        CHECK_INT(rows[i].orphans, got.at[i].orphans, rows[i].name);
        CHECK_STR(rows[i].services, kis_str_from_c(got.at[i].services), rows[i].name);
        if (rows[i].id != 4) /* an end before its start may count as either */
            CHECK_INT(rows[i].end, got.at[i].end, rows[i].name);
    }
    rc_close(&w);
}

/* ---- names ---- */

typedef struct rc_names {
    char text[4096];
    size_t len, count, stop_after;
} rc_names;

static inline bool rc_take_name(void *user, kis_str name, uint8_t kind)
{
    rc_names *n = user;
    n->len += (size_t)snprintf(n->text + n->len, sizeof n->text - n->len, "%.*s/%u\n",
                               (int)name.len, name.ptr, kind);
    CHECK(n->len < sizeof n->text, "as many names as there can be");
    return ++n->count != n->stop_after;
}

static inline void reader_contract_lists_services_and_operations(const reader_contract *c)
{
    rc_world w;
    test_spans t;
    rc_names names = { .len = 0 };
    kis_answer answer = { 0 };
    kis_diag diag = { 0 };
    kis_request request = rc_request();
    rc_open(&w, c);
    CHECK_ERR(KIS_OK,
              w.reader->ops->services(w.reader, &request, rc_take_name, &names, &answer, &diag),
              "of nothing");
    CHECK_INT(0, names.count, "there are none");
    /* the second batch repeats what the first had, and adds */
    for (uint64_t part = 0; part < 2; part++) {
        test_spans_begin(&t, &kis_mem);
        test_spans_resource(&t, "shop");
        test_spans_add(
            &t, &(test_span){
                    .trace = 1 + part, .span = 1, .name = "b", .kind = 3, .start_ns = RC_START });
        test_spans_add(
            &t, &(test_span){
                    .trace = 1 + part, .span = 2, .name = "b", .kind = 2, .start_ns = RC_START });
        test_spans_add(&t, &(test_span){ .trace = 1 + part,
                                         .span = 3,
                                         .name = part ? "c" : "a",
                                         .kind = 1,
                                         .start_ns = RC_START });
        test_spans_resource(&t, part ? "Zoo" : "auth");
        test_spans_add(
            &t, &(test_span){
                    .trace = 1 + part, .span = 4, .name = "z", .kind = 2, .start_ns = RC_START });
        test_spans_resource(&t, NULL);
        test_spans_add(
            &t, &(test_span){
                    .trace = 1 + part, .span = 5, .name = "", .kind = 1, .start_ns = RC_START });
        rc_push(&w, test_spans_end(&t));
        if (part == 0)
            rc_settle(&w); /* so that the second batch is where the newest is */
    }
    CHECK_ERR(KIS_OK,
              w.reader->ops->services(w.reader, &request, rc_take_name, &names, &answer, &diag),
              "services");
    CHECK_STR("Zoo/0\nauth/0\nshop/0\nunknown_service/0\n", kis_str_of(names.text, names.len),
              "by name, in byte order, each once");
    names = (rc_names){ .len = 0 };
    CHECK_ERR(KIS_OK,
              w.reader->ops->operations(w.reader, &request, KIS_STR("shop"), rc_take_name, &names,
                                        &answer, &diag),
              "operations");
    CHECK_STR("a/1\nb/2\nb/3\nc/1\n", kis_str_of(names.text, names.len),
              "by name, then kind, each once");
    names = (rc_names){ .len = 0 };
    CHECK_ERR(KIS_OK,
              w.reader->ops->operations(w.reader, &request, KIS_STR(""), rc_take_name, &names,
                                        &answer, &diag),
              "of all");
    CHECK_STR("/1\na/1\nb/2\nb/3\nc/1\nz/2\n", kis_str_of(names.text, names.len),
              "each once, whatever the service");
    names = (rc_names){ .len = 0 };
    CHECK_ERR(KIS_OK,
              w.reader->ops->operations(w.reader, &request, KIS_STR("nobody"), rc_take_name, &names,
                                        &answer, &diag),
              "of a service that is not there");
    CHECK_INT(0, names.count, "none");
    names = (rc_names){ .stop_after = 2 };
    CHECK_ERR(KIS_OK,
              w.reader->ops->services(w.reader, &request, rc_take_name, &names, &answer, &diag),
              "stopped");
    CHECK_INT(2, names.count, "after two");
    rc_close(&w);
}

/* ---- stopping ---- */

static inline void rc_check_refused(rc_world *w, const kis_request *request, kis_err want,
                                    const char *why)
{
    kis_answer answer = { 0 };
    kis_diag diag = { 0 };
    kis_trace_id id = test_trace_id(1);
    rc_trace trace = { 0 };
    rc_names names = { 0 };
    rc_summaries summaries = { 0 };
    kis_find find = { .request = *request, .limit = 10 };
    rc_got.count = rc_got.stop_after = 0;
    CHECK_ERR(want, w->reader->ops->find(w->reader, &find, rc_take_found, &rc_got, &answer, &diag),
              why);
    CHECK_ERR(want,
              w->reader->ops->get(w->reader, request, &id, rc_take_span, &trace, &answer, &diag),
              why);
    CHECK_ERR(want,
              w->reader->ops->summaries(w->reader, request, &id, 1, rc_take_summary, &summaries,
                                        &answer, &diag),
              why);
    CHECK_ERR(want,
              w->reader->ops->services(w->reader, request, rc_take_name, &names, &answer, &diag),
              why);
    CHECK_ERR(want,
              w->reader->ops->operations(w->reader, request, KIS_STR("cart"), rc_take_name, &names,
                                         &answer, &diag),
              why);
}

static inline void reader_contract_stops_when_told(const reader_contract *c)
{
    rc_world w;
    kis_answer answer = { 0 };
    kis_diag diag = { 0 };
    static _Atomic bool is_cancelled;
    rc_open(&w, c);
    rc_fill(&w);
    atomic_store(&is_cancelled, true);
    rc_check_refused(&w, &(kis_request){ .deadline_ns = 1 }, KIS_ERR_TIMEOUT,
                     "a deadline that has passed");
    rc_check_refused(
        &w, &(kis_request){ .deadline_ns = sink_contract_soon(), .is_cancelled = &is_cancelled },
        KIS_ERR_CLOSED, "cancelled");
    atomic_store(&is_cancelled, false);
    kis_find find = { .request = { .deadline_ns = sink_contract_soon(),
                                   .is_cancelled = &is_cancelled },
                      .limit = 100 };
    rc_got.count = 0;
    rc_got.stop_after = 3;
    CHECK_ERR(KIS_OK, w.reader->ops->find(w.reader, &find, rc_take_found, &rc_got, &answer, &diag),
              "the callback has enough");
    CHECK_INT(3, rc_got.count, "find stops there");
    rc_trace trace = { .stop_after = 2 };
    kis_trace_id id = test_trace_id(3);
    CHECK_ERR(
        KIS_OK,
        w.reader->ops->get(w.reader, &find.request, &id, rc_take_span, &trace, &answer, &diag),
        "the callback has enough");
    CHECK_INT(2, trace.count, "get stops there");
    rc_close(&w);
}

static inline void reader_contract_keeps_tenants_apart(const reader_contract *c)
{
    rc_world w;
    kis_answer answer = { 0 };
    kis_diag diag = { 0 };
    kis_trace_id theirs = test_trace_id(500), ours = test_trace_id(1);
    rc_open(&w, c);
    kis_batch *batch = rc_generate(3, 500, 5);
    batch->origin.tenant = KIS_STR("other");
    rc_push(&w, rc_generate(1, 1, 5));
    rc_push(&w, batch);
    rc_settle(&w);
    rc_check_find(&w, (kis_find){ .filter = NULL }, 100, "the default tenant sees its own");
    kis_request request = rc_request();
    rc_trace trace = { 0 };
    CHECK_ERR(KIS_ERR_NOT_FOUND,
              w.reader->ops->get(w.reader, &request, &theirs, rc_take_span, &trace, &answer, &diag),
              "another's trace");
    request.tenant = KIS_STR("other");
    CHECK_ERR(KIS_OK,
              w.reader->ops->get(w.reader, &request, &theirs, rc_take_span, &trace, &answer, &diag),
              "asked by its owner");
    CHECK_INT(6, trace.count, "whole");
    CHECK_ERR(KIS_ERR_NOT_FOUND,
              w.reader->ops->get(w.reader, &request, &ours, rc_take_span, &trace, &answer, &diag),
              "ours, asked by them");
    request.tenant = KIS_STR("third");
    rc_names names = { 0 };
    CHECK_ERR(KIS_OK,
              w.reader->ops->services(w.reader, &request, rc_take_name, &names, &answer, &diag),
              "a tenant without spans");
    CHECK_INT(0, names.count, "has no services");
    rc_close(&w);
}

static inline void reader_contract_run(const reader_contract *c)
{
    reader_contract_finds_what_the_filter_says(c);
    reader_contract_pages_without_gap_or_repeat(c);
    reader_contract_gets_whole_traces(c);
    if (!(c->cannot & READER_CANNOT_DEDUPE))
        reader_contract_tells_spans_apart_by_kind_and_start(c);
    reader_contract_sums_traces_up(c);
    reader_contract_lists_services_and_operations(c);
    reader_contract_stops_when_told(c);
    if (!(c->cannot & READER_CANNOT_TENANTS))
        reader_contract_keeps_tenants_apart(c);
}

#endif
