/* store_bench.c - what storing and finding cost.
 *
 *     store_bench [--file REQUEST.pb[.gz]] [--spans N] [--dir DIR] [--window N] [--queries N]
 *                 [--big-trace N]
 *
 * Without a file the spans are those of model/test_spans.h. Ids are random in every repetition,
 * times go on. The producer's own time is not counted.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compress/compress.h"
#include "model/test_spans.h"
#include "os/mem.h"
#include "os/thread.h"
#include "store/store_fixture.h"

#define BATCH_SPANS 512u

typedef struct bench_source { /* spans with their scopes, in the order of the file */
    KIS_VEC(kis_resource_view) resources;
    KIS_VEC(kis_scope_view) scopes; /* `resource` is the index */
    KIS_VEC(kis_span_view) spans;
    KIS_VEC(uint32_t) span_scope;
    uint64_t first_ns, last_ns;
} bench_source;

static void walk_spans(bench_source *b, kis_bytes scope_spans, uint32_t resource)
{
    kis_scope_view scope = { .resource = resource, .attrs.tag = KIS_TAG_SCOPE_ATTRS };
    kis_pb_field f, g;
    for (kis_cursor c = kis_cursor_of(scope_spans); kis_pb_next(&c, &f) == KIS_OK;)
        if (f.tag >> 3 == 1)
            for (kis_cursor d = kis_cursor_of(f.bytes); kis_pb_next(&d, &g) == KIS_OK;) {
                if (g.tag >> 3 == 1)
                    scope.name = kis_str_of_bytes(g.bytes);
                if (g.tag >> 3 == 2)
                    scope.version = kis_str_of_bytes(g.bytes);
            }
    fixture_check(KIS_VEC_PUSH(&b->scopes, &kis_mem, scope), "memory");
    for (kis_cursor c = kis_cursor_of(scope_spans); kis_pb_next(&c, &f) == KIS_OK;)
        if (f.tag >> 3 == 2) {
            kis_span_view view = test_span_view(f.bytes);
            fixture_check(KIS_VEC_PUSH(&b->spans, &kis_mem, view) &&
                              KIS_VEC_PUSH(&b->span_scope, &kis_mem, b->scopes.len - 1),
                          "memory");
            b->first_ns =
                b->first_ns ? KIS_MIN(b->first_ns, view.start_unix_ns) : view.start_unix_ns;
            b->last_ns = KIS_MAX(b->last_ns, view.start_unix_ns);
        }
}

static void walk_request(bench_source *b, kis_bytes request)
{
    kis_pb_field r, s;
    for (kis_cursor c = kis_cursor_of(request); kis_pb_next(&c, &r) == KIS_OK;) {
        kis_resource_view view = { .attrs.tag = KIS_TAG_RESOURCE_ATTRS,
                                   .service_name = KIS_STR("unknown_service") };
        for (kis_cursor d = kis_cursor_of(r.bytes); kis_pb_next(&d, &s) == KIS_OK;)
            if (s.tag >> 3 == 1) {
                view.attrs =
                    (kis_attrs){ s.bytes.ptr, (uint32_t)s.bytes.len, KIS_TAG_RESOURCE_ATTRS };
                view.service_name = kis_attrs_text(view.attrs, KIS_STR("service.name"));
            }
        fixture_check(KIS_VEC_PUSH(&b->resources, &kis_mem, view), "memory");
        for (kis_cursor d = kis_cursor_of(r.bytes); kis_pb_next(&d, &s) == KIS_OK;)
            if (s.tag >> 3 == 2)
                walk_spans(b, s.bytes, b->resources.len - 1);
    }
}

static void load_file(bench_source *b, const char *path)
{
    FILE *file = fopen(path, "rb");
    fixture_check(file != NULL, "cannot open the file");
    static uint8_t packed[64 << 20];
    size_t len = fread(packed, 1, sizeof packed, file);
    fclose(file);
    kis_buf out;
    kis_buf_init(&out, &kis_mem, (size_t)1 << 30);
    if (len > 2 && packed[0] == 0x1f && packed[1] == 0x8b) {
        kis_codecs *codecs = kis_codecs_new(&kis_mem);
        fixture_check(kis_decompress(codecs, KIS_CODING_GZIP, kis_bytes_of(packed, len), &out,
                                     NULL) == KIS_OK,
                      "gzip");
        kis_codecs_free(codecs);
    } else {
        kis_buf_add(&out, packed, len);
    }
    walk_request(b, kis_buf_bytes(&out)); /* the views point into it: never freed */
}

static void load_generated(bench_source *b)
{
    kis_batch *batch = fixture_batch(1, 1000, 10);
    walk_request(b, batch->body);
}

/* Spans [first, first + n) of the endless repetition. */
static kis_batch *make_batch(const bench_source *b, uint64_t first, uint32_t n, uint64_t base_ns)
{
    kis_batch *batch = kis_batch_new(&kis_mem, 64u << 20);
    batch->spans = KIS_NEW_ARRAY(&batch->arena, kis_span_view, n);
    batch->scopes = KIS_NEW_ARRAY(&batch->arena, kis_scope_view, n);
    batch->resources = KIS_NEW_ARRAY(&batch->arena, kis_resource_view, n);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t repetition = (first + i) / b->spans.len, at = (first + i) % b->spans.len;
        kis_span_view *v = &batch->spans[i];
        uint32_t scope = b->span_scope.at[at];
        uint64_t halves[2], span_id, parent_id;
        *v = b->spans.at[at];
        memcpy(halves, &v->trace_id, 16);
        memcpy(&span_id, &v->span_id, 8);
        memcpy(&parent_id, &v->parent_id, 8);
        uint64_t mix = kis_hash_u64(repetition + 77);
        span_id = kis_hash_u64(span_id ^ mix);
        parent_id = parent_id ? kis_hash_u64(parent_id ^ mix) : 0;
        halves[0] = kis_hash_u64(halves[0] ^ mix);
        halves[1] = kis_hash_u64(halves[1] ^ halves[0]);
        memcpy(&v->trace_id, halves, 16);
        memcpy(&v->span_id, &span_id, 8);
        memcpy(&v->parent_id, &parent_id, 8);
        uint64_t shift = base_ns + repetition * 50000000u - b->first_ns;
        v->start_unix_ns += shift;
        v->end_unix_ns += shift;
        if (!batch->scope_count || i == 0 ||
            b->span_scope.at[(first + i - 1) % b->spans.len] != scope) {
            if (!batch->resource_count || memcmp(&batch->resources[batch->resource_count - 1],
                                                 &b->resources.at[b->scopes.at[scope].resource],
                                                 sizeof *batch->resources) != 0)
                batch->resources[batch->resource_count++] =
                    b->resources.at[b->scopes.at[scope].resource];
            batch->scopes[batch->scope_count] = b->scopes.at[scope];
            batch->scopes[batch->scope_count].resource = batch->resource_count - 1;
            batch->scopes[batch->scope_count].first_span = i;
            batch->scopes[batch->scope_count++].span_count = 0;
        }
        batch->scopes[batch->scope_count - 1].span_count++;
    }
    batch->span_count = n;
    return batch;
}

typedef struct bench_window {
    kis_lock lock;
    kis_cond changed;
    uint32_t open;
    uint64_t failed;
    uint64_t last_answer_ns, gap_ns_max;
} bench_window;

static void bench_answered(void *user, const kis_sink_result *result)
{
    bench_window *w = user;
    uint64_t now = kis_now_ns();
    kis_lock_take(&w->lock);
    if (w->last_answer_ns)
        w->gap_ns_max = KIS_MAX(w->gap_ns_max, now - w->last_answer_ns);
    w->last_answer_ns = now;
    w->open--;
    w->failed += result->err != KIS_OK;
    kis_cond_signal(&w->changed);
    kis_lock_give(&w->lock);
}

static double cpu_seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_times(const char *what, uint64_t *ns, uint32_t count)
{
    qsort(ns, count, sizeof *ns, compare_u64);
    printf("%-38s p50 %9.1f us   p99 %9.1f us   max %9.1f us\n", what, (double)ns[count / 2] / 1e3,
           (double)ns[count * 99 / 100] / 1e3, (double)ns[count - 1] / 1e3);
}

static uint64_t ingest(store_fixture *f, const bench_source *b, uint64_t spans, uint32_t window,
                       uint64_t base_ns, uint64_t from)
{
    bench_window w = { 0 };
    kis_lock_init(&w.lock, KIS_RANK_LOG);
    kis_cond_init(&w.changed);
    double own = cpu_seconds(CLOCK_THREAD_CPUTIME_ID), all = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t began = kis_now_ns();
    for (uint64_t at = from; at < from + spans; at += BATCH_SPANS) {
        kis_batch *batch = make_batch(b, at, BATCH_SPANS, base_ns);
        kis_lock_take(&w.lock);
        while (w.open >= window)
            kis_cond_wait(&w.changed, &w.lock);
        w.open++;
        kis_lock_give(&w.lock);
        kis_sink_push(kis_store_sink(f->store), batch, (kis_done){ bench_answered, &w });
        kis_batch_unref(batch);
    }
    kis_lock_take(&w.lock);
    while (w.open)
        kis_cond_wait(&w.changed, &w.lock);
    kis_lock_give(&w.lock);
    double wall = (double)(kis_now_ns() - began) / 1e9;
    kis_store_flush(f->store, UINT64_MAX, NULL);
    double cpu =
        cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - all - (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - own);
    kis_store_stats s = kis_store_get_stats(f->store);
    printf("ingest: %.0f spans/s, %.3f us CPU a span (flush included), window %u, failed %llu, "
           "longest gap %.1f ms, slowest sync %.1f ms\n",
           (double)spans / wall, cpu * 1e6 / (double)spans, window, (unsigned long long)w.failed,
           (double)w.gap_ns_max / 1e6, (double)s.sync_ns_max / 1e6);
    printf("store:  %llu spans in %llu segments, %.1f bytes a span on disk, %.0f in the log, %llu "
           "flushes of %.0f ms, index %.2f B/span, %llu syncs of %.2f ms, duplicates %llu\n",
           (unsigned long long)s.segment_spans, (unsigned long long)s.segment_count,
           (double)fixture_folder_bytes(f) / (double)s.segment_spans,
           (double)s.bytes_logged / (double)(from + spans), (unsigned long long)s.flushes,
           (double)s.flush_ns_total / 1e6 / (double)(s.flushes ? s.flushes : 1),
           (double)s.index_bytes / (double)s.segment_spans, (unsigned long long)s.syncs,
           (double)s.sync_ns_total / 1e6 / (double)s.syncs, (unsigned long long)s.spans_duplicate);
    return s.segment_spans;
}

static void drop_file(void *user, const char *path, const char *name)
{
    int fd = open(path, O_RDONLY);
    (void)user, (void)name;
    if (fd < 0)
        return;
    fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static bool count_summary(void *user, const kis_trace_summary *s)
{
    *(uint64_t *)user += s->span_count;
    return true;
}

typedef struct bench_ids {
    kis_trace_id ids[64];
    uint32_t count;
} bench_ids;

static bool keep_id(void *user, const kis_found *found)
{
    bench_ids *ids = user;
    if (ids->count < 64)
        ids->ids[ids->count++] = found->trace_id;
    return true;
}

static void ask(store_fixture *f, const bench_source *b, uint64_t spans, uint32_t queries,
                bool is_cold)
{
    uint64_t *get = malloc(queries * 8), *find = malloc(queries * 8), *full = malloc(queries * 8),
             *names = malloc(queries * 8), *missing = malloc(queries * 8),
             *attr = malloc(queries * 8), total = 0;
    kis_reader *reader = kis_store_reader(f->store);
    kis_answer answer;
    kis_request request = { 0 };
    for (uint32_t i = 0; i < queries; i++) {
        if (is_cold)
            fixture_each_file(f->dir, drop_file, NULL);
        uint64_t at = kis_hash_u64(i + 1) % spans;
        kis_batch *one = make_batch(b, at, 1, 0);
        uint64_t t = kis_now_ns();
        fixture_answer a = fixture_get_id(f, &one->spans[0].trace_id);
        get[i] = kis_now_ns() - t;
        fixture_check(a.count > 0, "a stored trace is not found");
        total += a.count;
        kis_trace_id none = one->spans[0].trace_id;
        none.bytes[3] ^= 1;
        t = kis_now_ns();
        a = fixture_get_id(f, &none);
        missing[i] = kis_now_ns() - t;
        kis_filter service = { .op = KIS_FILTER_COMPARE,
                               .on = KIS_ON_SERVICE,
                               .compare = KIS_EQ,
                               .value = { .kind = KIS_VALUE_STR,
                                          .str = one->resources[0].service_name } };
        bench_ids ids = { .count = 0 };
        kis_find query = { .filter = &service, .limit = 20 };
        t = kis_now_ns();
        reader->ops->find(reader, &query, keep_id, &ids, &answer, NULL);
        find[i] = kis_now_ns() - t;
        t = kis_now_ns();
        reader->ops->summaries(reader, &request, ids.ids, ids.count, count_summary, &total, &answer,
                               NULL);
        full[i] = kis_now_ns() - t;
        t = kis_now_ns();
        fixture_names(f, true, "");
        fixture_names(f, false, "");
        names[i] = kis_now_ns() - t;
        kis_filter status = { .op = KIS_FILTER_COMPARE,
                              .on = KIS_ON_ANY_ATTR,
                              .compare = KIS_EQ,
                              .key = KIS_STR("http.response.status_code"),
                              .value = { .kind = KIS_VALUE_INT, .integer = 500 } };
        const kis_filter *both[] = { &service, &status };
        kis_filter tree = { .op = KIS_FILTER_AND, .parts = both, .part_count = 2 };
        kis_find tagged = { .filter = &tree, .limit = 20 };
        t = kis_now_ns();
        if (i < 5)
            reader->ops->find(reader, &tagged, keep_id, &ids, &answer, NULL);
        attr[i % 5] = i < 5 ? kis_now_ns() - t : attr[i % 5];
        kis_batch_unref(one);
    }
    printf("%s, %u each:\n", is_cold ? "page cache dropped before each round" : "warm", queries);
    print_times("  trace by id", get, queries);
    print_times("  trace that is not there", missing, queries);
    print_times("  newest 20 of a service", find, queries);
    print_times("  summaries of these", full, queries);
    print_times("  newest 20 of a service, status 500 (5)", attr, KIS_MIN(queries, 5u));
    print_times("  services, and all operations", names, queries);
    free(get), free(find), free(full), free(names), free(missing), free(attr);
}

/* One trace of very many spans: pushed, flushed, fetched. */
static void big_trace(store_fixture *f, uint64_t spans)
{
    kis_trace_id id = test_trace_id(987654321);
    for (uint64_t at = 0; at < spans; at += 2000) {
        test_spans t;
        test_spans_begin(&t, &kis_mem);
        for (uint64_t i = at; i < at + 2000; i++) {
            test_spans_add(&t, &(test_span){ .trace = 987654321,
                                             .span = i + 1,
                                             .parent = i,
                                             .name = "deep",
                                             .start_ns = kis_now_unix_ns(),
                                             .end_ns = kis_now_unix_ns() + 5 });
            test_spans_str(&t, "http.request.method", "GET");
            test_spans_int(&t, "number", (int64_t)i);
        }
        fixture_check(fixture_push(f, test_spans_end(&t)) == KIS_OK, "refused");
    }
    kis_store_flush(f->store, UINT64_MAX, NULL);
    uint64_t t = kis_now_ns();
    fixture_answer a = fixture_get_id(f, &id);
    printf("a trace of %llu spans: got %u in %.0f ms, ordered %d, partial %d\n",
           (unsigned long long)spans, a.count, (double)(kis_now_ns() - t) / 1e6, a.is_ordered,
           a.is_partial);
}

static void print_memory(const char *when)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%s: peak resident %ld MiB (producer and source included), allocator holds %.0f MiB, "
           "caches %.0f MiB\n",
           when, usage.ru_maxrss / 1024, (double)kis_mem_get_stats().held_bytes / 1048576,
           (double)kis_mem_get_stats().cached_bytes / 1048576);
}

int main(int argc, char **argv)
{
    bench_source source = { 0 };
    store_fixture f;
    const char *path = NULL, *dir = NULL;
    uint64_t spans = 1000000;
    uint64_t big = 0;
    uint32_t window = 16, queries = 200;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--file"))
            path = argv[i + 1];
        else if (!strcmp(argv[i], "--spans"))
            spans = strtoull(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--window"))
            window = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--queries"))
            queries = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--big-trace"))
            big = strtoull(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--dir"))
            dir = argv[i + 1];
    }
    if (dir)
        setenv("TMPDIR", dir, 1);
    if (path)
        load_file(&source, path);
    else
        load_generated(&source);
    printf("%u spans, %u resources, %u scopes in the source\n", source.spans.len,
           source.resources.len, source.scopes.len);
    spans = spans / BATCH_SPANS * BATCH_SPANS;
    uint64_t base_ns = kis_now_unix_ns();
    fixture_open(&f, NULL);
    uint64_t held = ingest(&f, &source, spans, window, base_ns, 0);
    (void)held;
    print_memory("after ingest");
    ask(&f, &source, spans, queries, false);
    ask(&f, &source, spans, KIS_MIN(queries, 50u), true);
    if (big) {
        big_trace(&f, big);
        print_memory("after the big trace");
    }
    /* the largest log: heads that are nearly full, then a start without a clean end
     * (closing leaves them in the log) */
    kis_store_close(f.store);
    f.options.flush_after_ns = INT64_MAX;
    fixture_start(&f);
    bench_window w = { 0 };
    kis_lock_init(&w.lock, KIS_RANK_LOG);
    kis_cond_init(&w.changed);
    for (uint64_t at = spans; kis_store_get_stats(f.store).head_bytes < (uint64_t)46 << 20;
         at += BATCH_SPANS)
        fixture_push(&f, make_batch(&source, at, BATCH_SPANS, base_ns));
    uint64_t in_log = kis_store_get_stats(f.store).head_spans;
    kis_store_close(f.store);
    uint64_t began = kis_now_ns();
    fixture_start(&f);
    printf("start with %llu spans in the log: %.0f ms\n", (unsigned long long)in_log,
           (double)(kis_now_ns() - began) / 1e6);
    fixture_done(&f);
    return 0;
}
