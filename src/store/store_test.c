/* The whole store on a real folder: what is pushed is found, across reopening, flushing, repeating,
 * refusing. */
#include <string.h>
#include <unistd.h>

#include "model/test_spans.h"
#include "os/mem.h"
#include "os/thread.h"
#include "store/bounds.h"
#include "store/store.h"
#include "store/store_fixture.h"
#include "tests/test.h"

TEST(what_was_pushed_is_found_at_once)
{
    store_fixture f;
    fixture_open(&f, NULL);
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1, 20, 5), "pushed");
    CHECK_INT(5, fixture_get(&f, 7).count, "a trace's spans");
    CHECK_INT(0, fixture_get(&f, 21).count, "a trace that is not there");
    CHECK_INT(20, fixture_find(&f, NULL, 100).count, "every trace once");
    CHECK_INT(3, fixture_find(&f, NULL, 3).count, "the limit");
    fixture_done(&f);
}

TEST(a_flush_changes_no_answer)
{
    store_fixture f;
    fixture_open(&f, NULL);
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1, 300, 12), "pushed");
    fixture_answer before = fixture_everything(&f, 300);
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    fixture_answer after = fixture_everything(&f, 300);
    CHECK_INT(1, kis_store_get_stats(f.store).segment_count, "one segment");
    CHECK_INT(0, kis_store_get_stats(f.store).head_spans, "nothing left in memory");
    CHECK_INT(before.count, after.count, "as many spans");
    CHECK(before.hash == after.hash, "the same spans, byte for byte");
    fixture_done(&f);
}

TEST(what_was_answered_is_there_after_reopening)
{
    store_fixture f;
    fixture_open(&f, NULL);
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1, 50, 8), "pushed");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 51, 50, 8), "pushed");
    fixture_answer before = fixture_everything(&f, 100);
    fixture_reopen(&f);
    fixture_answer after = fixture_everything(&f, 100);
    CHECK_INT(800, after.count, "all spans");
    CHECK(before.hash == after.hash, "the same spans");
    CHECK_INT(400, kis_store_get_stats(f.store).replayed_spans, "half of them from the log");
    CHECK_INT(10, fixture_names(&f, true, ""), "services, from segment and log");
    fixture_done(&f);
}

TEST(a_second_store_on_one_folder_is_refused)
{
    store_fixture f;
    kis_store *second;
    kis_diag diag;
    fixture_open(&f, NULL);
    CHECK_ERR(KIS_ERR_RANGE, kis_store_open(&f.options, &second, &diag), "locked");
    fixture_done(&f);
}

TEST(a_folder_with_files_of_somebody_elses_is_refused_untouched)
{
    store_fixture f;
    kis_diag diag;
    fixture_open(&f, NULL);
    fixture_close(&f);
    fixture_each_file(f.dir, fixture_unlink, NULL);
    fixture_write_file(&f, "main.c", "int main;", 9);
    uint64_t before = fixture_folder_hash(&f);
    CHECK_ERR(KIS_ERR_RANGE, kis_store_open(&f.options, &f.store, &diag), "not ours");
    CHECK(strstr(diag.text, f.dir) &&
              strstr(diag.text, "is not empty and not a kiseki data directory; choose another"),
          diag.text);
    CHECK(before == fixture_folder_hash(&f), "no file was made or changed");
    CHECK_ERR(KIS_ERR_NOT_FOUND,
              kis_store_check(f.options.os, &kis_mem, f.options.dir, NULL, NULL, &diag),
              "nor is it checked");
    CHECK(strstr(diag.text, "' is not a kiseki data directory"), diag.text);
    fixture_each_file(f.dir, fixture_unlink, NULL);
    fixture_write_file(&f, "lost+found", "", 0); /* of a file system that was just made */
    fixture_start(&f);
    fixture_done(&f);
}

TEST(a_newer_folder_is_refused_untouched)
{
    store_fixture f;
    kis_diag diag;
    fixture_open(&f, NULL);
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1, 5, 5), "pushed");
    fixture_close(&f);
    fixture_write_file(&f, "version", "kiseki store 2\n", 15);
    uint64_t before = fixture_folder_hash(&f);
    CHECK_ERR(KIS_ERR_UNSUPPORTED, kis_store_open(&f.options, &f.store, &diag), "newer");
    f.store = NULL;
    CHECK(before == fixture_folder_hash(&f), "no byte changed");
    CHECK(strstr(diag.text, "newer") != NULL, "says why");
    fixture_done(&f);
}

TEST(a_repeated_key_is_stored_once_across_flush_and_reopening)
{
    store_fixture f;
    fixture_open(&f, NULL);
    CHECK_ERR(KIS_OK, fixture_push_key(&f, 1, "key-1"), "first");
    CHECK_ERR(KIS_OK, fixture_push_key(&f, 2, "key-1"), "same key: answered as stored");
    CHECK_INT(0, fixture_get(&f, 2).count, "but not stored");
    fixture_reopen(&f);
    CHECK_ERR(KIS_OK, fixture_push_key(&f, 3, "key-1"), "remembered in the log");
    CHECK_INT(0, fixture_get(&f, 3).count, "not stored");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    fixture_reopen(&f);
    CHECK_ERR(KIS_OK, fixture_push_key(&f, 4, "key-1"), "remembered in the segment");
    CHECK_INT(0, fixture_get(&f, 4).count, "not stored");
    CHECK_ERR(KIS_OK, fixture_push_key(&f, 5, "key-2"), "another key");
    CHECK_INT(1, fixture_get(&f, 5).count, "stored");
    CHECK_INT(1, kis_store_get_stats(f.store).batches_repeated, "counted since opening");
    fixture_done(&f);
}

TEST(a_resend_without_a_key_is_shown_once)
{
    store_fixture f;
    fixture_open(&f, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1, 4, 9), "pushed");
    CHECK_INT(9, fixture_get(&f, 2).count, "in memory");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1, 4, 9), "pushed once more");
    CHECK_INT(9, fixture_get(&f, 2).count, "in segment and memory");
    CHECK_INT(72, kis_store_get_stats(f.store).spans_duplicate, "merged by the flush");
    fixture_done(&f);
}

TEST(absurd_times_have_files_of_their_own)
{
    store_fixture f;
    fixture_open(&f, NULL);
    uint64_t now = kis_now_unix_ns();
    test_spans t;
    test_spans_begin(&t, &kis_mem);
    test_span rows[] = {
        { .trace = 1, .span = 1, .name = "now", .start_ns = now, .end_ns = now + 5 },
        { .trace = 1, .span = 2, .parent = 1, .name = "1970", .start_ns = 0, .end_ns = 1 },
        { .trace = 2,
          .span = 3,
          .name = "2100",
          .start_ns = 4102444800000000000u,
          .end_ns = 4102444800000000001u },
        { .trace = 3, .span = 4, .name = "the last", .start_ns = UINT64_MAX, .end_ns = 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        test_spans_add(&t, &rows[i]);
    CHECK_ERR(KIS_OK, fixture_push(&f, test_spans_end(&t)), "pushed");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    CHECK_INT(2, kis_store_get_stats(f.store).segment_count, "the common and the far");
    CHECK_INT(2, fixture_get(&f, 1).count, "a trace over both");
    CHECK_INT(1, fixture_get(&f, 3).count, "the last nanosecond");
    CHECK_INT(3, fixture_find(&f, NULL, 10).count, "found without bounds");
    fixture_reopen(&f);
    CHECK_INT(2, fixture_get(&f, 1).count, "and after reopening");
    fixture_done(&f);
}

TEST(tenants_do_not_see_each_other)
{
    store_fixture f;
    fixture_open(&f, NULL);
    f.tenant = KIS_STR("a");
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1, 6, 3), "a's");
    f.tenant = KIS_STR("b");
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 4, 6, 3), "b's, some ids the same");
    for (int flushed = 0; flushed < 2; flushed++) {
        f.tenant = KIS_STR("a");
        CHECK_INT(6, fixture_find(&f, NULL, 100).count, "a's traces");
        CHECK_INT(3, fixture_get(&f, 5).count, "a's part of a shared id");
        CHECK_INT(0, fixture_get(&f, 9).count, "b's trace");
        f.tenant = KIS_STR("b");
        CHECK_INT(6, fixture_find(&f, NULL, 100).count, "b's traces");
        CHECK_INT(0, fixture_get(&f, 1).count, "a's trace");
        f.tenant = KIS_STR_NONE;
        CHECK_INT(0, fixture_find(&f, NULL, 100).count, "the default tenant's");
        CHECK_INT(0, fixture_names(&f, true, ""), "no services");
        CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    }
    fixture_done(&f);
}

TEST(many_small_heads_are_flushed_in_the_background)
{
    store_fixture f;
    kis_store_options small = { .head_bytes = 1 };
    fixture_open(&f, &small);
    for (uint64_t i = 0; i < 60; i++)
        CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1 + i * 10, 10, 20), "pushed");
    kis_store_stats stats = kis_store_get_stats(f.store);
    CHECK(stats.flushes >= 2, "flushed while pushing");
    CHECK_INT(12000, fixture_everything(&f, 600).count, "all spans, in segments and heads");
    CHECK_INT(600, fixture_find(&f, NULL, 1000).count, "all traces");
    fixture_reopen(&f);
    CHECK_INT(12000, fixture_everything(&f, 600).count, "after reopening");
    fixture_done(&f);
}

TEST(a_trace_of_many_spans_spans_blocks_and_segments)
{
    store_fixture f;
    kis_store_options small = { .head_bytes = 4 << 20 };
    fixture_open(&f, &small);
    for (uint64_t part = 0; part < 20; part++) {
        test_spans t;
        test_spans_begin(&t, &kis_mem);
        for (uint64_t i = 0; i < 1000; i++)
            test_spans_add(&t, &(test_span){ .trace = 1,
                                             .span = 1 + part * 1000 + i,
                                             .parent = part * 1000 + i,
                                             .name = "deep",
                                             .start_ns = 1700000000000000000u + part * 1000 + i,
                                             .end_ns = 1700000000000000000u });
        CHECK_ERR(KIS_OK, fixture_push(&f, test_spans_end(&t)), "pushed");
        if (part % 7 == 6)
            CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    }
    fixture_answer answer = fixture_get(&f, 1);
    CHECK_INT(20000, answer.count, "every span of a chain 20,000 deep");
    CHECK(answer.is_ordered, "by start");
    fixture_done(&f);
}

typedef struct removal_lines {
    int count;
    char first[512], last[512];
} removal_lines;

static void take_removal(void *user, int level, const char *text)
{
    removal_lines *lines = user;
    if (!strstr(text, "removed for want of room"))
        return;
    CHECK_INT(2, level, "a warning");
    snprintf(lines->count++ ? lines->last : lines->first, sizeof lines->last, "%s", text);
}

TEST(age_and_bytes_delete_whole_segments)
{
    store_fixture f;
    removal_lines lines = { 0 };
    kis_store_options small = { .keep_bytes = 12 << 20,
                                .head_bytes = 1 << 20,
                                .keep_ns = (int64_t)72 * 3600 * 1000000000,
                                .log = take_removal,
                                .log_user = &lines };
    fixture_open(&f, &small);
    for (uint64_t i = 0; i < 120; i++)
        CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1 + i * 100, 100, 20), "pushed");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    kis_store_stats stats = kis_store_get_stats(f.store);
    CHECK(stats.segments_deleted > 0, "something had to go");
    CHECK(stats.disk_bytes <= 12 << 20, "kept before the flush, not after");
    CHECK(fixture_folder_bytes(&f) <= 12 << 20, "by the folder's own size");
    CHECK_INT(0, fixture_get(&f, 1).count, "the oldest is gone");
    CHECK_INT(20, fixture_get(&f, 12000).count, "the newest is there");
    CHECK(stats.segments_deleted > 1, "several times");
    CHECK_INT(1, lines.count, "said in one line, not in one for each");
    fixture_done(&f);
    CHECK_INT(2, lines.count, "and the rest at the end");
    CHECK(strstr(lines.first, "keep-bytes is 12.0 MiB") && strstr(lines.first, " with ") &&
              strstr(lines.first, " ago; they were to be kept for 72h"),
          lines.first);
    char sum[100];
    snprintf(sum, sizeof sum, " ago; with those before %llu files with %llu spans; they were to ",
             (unsigned long long)stats.segments_deleted, (unsigned long long)stats.spans_deleted);
    CHECK(strstr(lines.last, sum), lines.last);
}

TEST(room_for_nothing_is_refused_with_what_was_wanted)
{
    kis_store *store;
    kis_diag diag;
    kis_store_options small = { .os = kis_os_real(),
                                .alloc = &kis_mem,
                                .dir = KIS_STR("/nowhere"),
                                .keep_bytes = KIS_STORE_KEEP_BYTES_MIN - 1 };

    CHECK_ERR(KIS_ERR_RANGE, kis_store_open(&small, &store, &diag), "too little");
    CHECK(strstr(diag.text, "want at least 12582912"), diag.text);
}

typedef struct slow_reader {
    store_fixture *f;
    kis_store_stats before, after;
} slow_reader;

/* Six files are written while this reader holds everything that there was. */
static bool read_slowly(void *user, const kis_found_span *found)
{
    slow_reader *r = user;
    (void)found;
    r->before = kis_store_get_stats(r->f->store);
    for (uint64_t i = 0; i < 6; i++) {
        CHECK_ERR(KIS_OK, fixture_push_generated(r->f, 20001 + i * 100, 100, 20), "pushed");
        CHECK_ERR(KIS_OK, kis_store_flush(r->f->store, UINT64_MAX, NULL), "flushed");
    }
    r->after = kis_store_get_stats(r->f->store);
    return false;
}

TEST(a_slow_reader_costs_no_other_segment_its_life)
{
    store_fixture f;
    kis_store_options small = { .keep_bytes = 14 << 20, .head_bytes = 1 << 20 };
    slow_reader r = { .f = &f };
    kis_request request = { .deadline_ns = 0 };
    kis_answer answer;
    fixture_open(&f, &small);
    for (uint64_t i = 0; i < 120; i++)
        CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1 + i * 100, 100, 20), "pushed");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    kis_trace_id newest = test_trace_id(12000);
    kis_reader *reader = kis_store_reader(f.store);
    CHECK_ERR(KIS_OK, reader->ops->get(reader, &request, &newest, read_slowly, &r, &answer, NULL),
              "read");
    CHECK(r.before.segments_deleted > 0, "the folder is full");
    CHECK(r.after.segments_deleted > r.before.segments_deleted, "something had to go");
    CHECK(r.after.segments_deleted - r.before.segments_deleted <=
              r.after.flushes - r.before.flushes,
          "at most one for each that came");
    CHECK_INT(20, fixture_get(&f, 12000).count, "what was read is still there");
    CHECK(kis_store_get_stats(f.store).disk_bytes <= 14 << 20,
          "the reader has ended, and within the bound it is again");
    fixture_done(&f);
}

static void unlink_segment(void *user, const char *path, const char *name)
{
    (void)user;
    if (strncmp(name, "seg-", 4) == 0)
        CHECK_INT(0, unlink(path), "deleted");
}

/* FORMAT.md, start data: how long a key is known. */
TEST(a_key_is_known_over_a_start_as_long_as_its_segment_is_kept)
{
    store_fixture f;

    fixture_open(&f, NULL);
    CHECK_ERR(KIS_OK, fixture_push_key(&f, 1, "once"), "pushed");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    fixture_reopen(&f);
    CHECK_ERR(KIS_OK, fixture_push_key(&f, 1, "once"), "answered");
    CHECK_INT(1, kis_store_get_stats(f.store).batches_repeated, "known from the segment");
    fixture_close(&f);
    fixture_each_file(f.dir, unlink_segment, NULL); /* as retention does */
    fixture_start(&f);
    CHECK_ERR(KIS_OK, fixture_push_key(&f, 1, "once"), "answered");
    CHECK_INT(0, kis_store_get_stats(f.store).batches_repeated, "not known any more");
    CHECK_INT(1, kis_store_get_stats(f.store).batches_stored, "stored again");
    fixture_done(&f);
}

TEST(memory_store_forgets_the_oldest)
{
    store_fixture f;
    fixture_open_memory(&f, 8 << 20);
    for (uint64_t i = 0; i < 100; i++)
        CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1 + i * 100, 100, 20), "pushed");
    CHECK_INT(0, fixture_get(&f, 1).count, "the oldest is gone");
    CHECK_INT(20, fixture_get(&f, 9999).count, "the newest is there");
    CHECK(kis_store_get_stats(f.store).head_bytes <= 8 << 20, "within the bound");
    CHECK_INT(KIS_PROMISE_MEMORY, kis_store_sink(f.store)->ops->promise,
              "promises no more than it keeps");
    fixture_done(&f);
}

TEST(summaries_count_services_errors_and_orphans)
{
    store_fixture f;
    fixture_open(&f, NULL);
    test_spans t;
    test_spans_begin(&t, &kis_mem);
    test_spans_resource(&t, "zoo");
    test_spans_add(&t, &(test_span){ .trace = 1,
                                     .span = 2,
                                     .parent = 1,
                                     .name = "child",
                                     .start_ns = 5,
                                     .end_ns = 30,
                                     .status = 2 });
    test_spans_resource(&t, "ant");
    test_spans_add(
        &t, &(test_span){ .trace = 1, .span = 1, .name = "root", .start_ns = 6, .end_ns = 20 });
    test_spans_add(
        &t, &(test_span){
                .trace = 1, .span = 3, .parent = 9, .name = "orphan", .start_ns = 7, .end_ns = 8 });
    CHECK_ERR(KIS_OK, fixture_push(&f, test_spans_end(&t)), "pushed");
    for (int flushed = 0; flushed < 2; flushed++) {
        fixture_summary s = fixture_summarize(&f, 1);
        CHECK_STR("ant", s.root_service, "the root's service though another span is earlier");
        CHECK_STR("root", s.root_name, "the root's name");
        CHECK_INT(3, s.span_count, "spans");
        CHECK_INT(1, s.error_count, "errors");
        CHECK_INT(1, s.orphan_count, "orphans");
        CHECK_INT(5, s.start, "start");
        CHECK_INT(30, s.end, "end");
        CHECK_STR("ant:2:0 zoo:1:1", kis_str_from_c(s.services), "services by name");
        CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    }
    fixture_done(&f);
}

typedef struct listed_services {
    uint32_t count;
    uint64_t spans, errors, other_spans, other_errors;
    bool is_ordered;
} listed_services;

static bool take_services(void *user, const kis_trace_summary *s)
{
    listed_services *out = user;

    out->count = s->service_count;
    out->is_ordered = true;
    for (uint32_t i = 0; i < s->service_count; i++) {
        const kis_trace_service *one = &s->services[i];
        out->is_ordered &= !i || kis_str_compare(s->services[i - 1].name, one->name) < 0;
        out->spans += one->span_count;
        out->errors += one->error_count;
        if (kis_str_eq(one->name, KIS_STR(KIS_STORE_OVERFLOW_NAME))) {
            out->other_spans = one->span_count;
            out->other_errors = one->error_count;
        }
    }
    return true;
}

static listed_services list_services(store_fixture *f, uint64_t trace)
{
    listed_services out = { 0 };
    kis_trace_id id = test_trace_id(trace);
    kis_reader *reader = kis_store_reader(f->store);
    kis_request request = { .tenant = f->tenant };
    kis_answer answer;
    CHECK_ERR(KIS_OK,
              reader->ops->summaries(reader, &request, &id, 1, take_services, &out, &answer, NULL),
              "summed up");
    return out;
}

/* Two spans of each service, the second one with an error; names are padded to `name_bytes`. */
static kis_batch *trace_of_services(uint64_t trace, uint32_t services, uint32_t name_bytes)
{
    char *name = malloc(name_bytes + 1);
    test_spans t;

    test_spans_begin(&t, &kis_mem);
    for (uint32_t i = 0; i < 2 * services; i++) {
        memset(name, 's', name_bytes);
        snprintf(name + name_bytes - 10, 11, "%010u", i % services);
        test_spans_resource(&t, name);
        test_spans_add(&t, &(test_span){ .trace = trace,
                                         .span = i + 1,
                                         .name = "n",
                                         .start_ns = 1000 + i,
                                         .end_ns = 2000 + i,
                                         .status = i < services ? 0 : 2 });
    }
    free(name);
    return test_spans_end(&t);
}

TEST(a_summary_lists_so_many_services_and_counts_the_rest_as_one)
{
    static const struct {
        const char *why;
        uint32_t services, name_bytes, want_listed, want_other;
    } rows[] = {
        { "all of them", KIS_TRACE_SERVICES_MAX - 1, 20, KIS_TRACE_SERVICES_MAX - 1, 0 },
        { "one too many", KIS_TRACE_SERVICES_MAX, 20, KIS_TRACE_SERVICES_MAX, 1 },
        { "four times too many", 4 * KIS_TRACE_SERVICES_MAX, 20, KIS_TRACE_SERVICES_MAX,
          3 * KIS_TRACE_SERVICES_MAX + 1 },
        { "long names", 20, 60000, 5, 16 },
    };
    store_fixture f;
    fixture_open(&f, NULL);
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t services = rows[i].services;
        CHECK_ERR(KIS_OK, fixture_push(&f, trace_of_services(i + 1, services, rows[i].name_bytes)),
                  "pushed");
        listed_services got = list_services(&f, i + 1);
        CHECK_INT(rows[i].want_listed, got.count, rows[i].why);
        CHECK_INT(2 * services, got.spans, "each span is counted once");
        CHECK_INT(services, got.errors, "and each error");
        CHECK_INT(2 * rows[i].want_other, got.other_spans, rows[i].why);
        CHECK_INT(rows[i].want_other, got.other_errors, rows[i].why);
        CHECK(got.is_ordered, "by name, each once");
    }
    fixture_done(&f);
}

TEST(more_than_pending_is_refused_at_once)
{
    store_fixture f;
    kis_store_options small = { .pending_bytes = 1, .commit_delay_us = 300000 };
    fixture_open(&f, &small);
    fixture_pushes many;
    fixture_push_many(&f, &many, 5);
    fixture_wait(&many);
    CHECK(many.full >= 1, "some were refused");
    CHECK(many.ok >= 1, "one batch is always taken");
    CHECK_INT(5, many.ok + many.full, "each was answered once");
    CHECK(many.retry_after_ms > 0, "and told when to come again");
    CHECK_INT(many.full, kis_store_get_stats(f.store).refused_full, "counted");
    fixture_done(&f);
}

TEST(repeats_of_a_key_that_is_being_written_wait_for_its_answer)
{
    store_fixture f;
    kis_store_options slow = { .commit_delay_us = 100000 };
    fixture_pushes many;
    fixture_open(&f, &slow);
    fixture_pushes_init(&many, 20);
    for (uint64_t i = 1; i <= 20; i++) {
        kis_batch *batch = fixture_batch(i, 1, 3);
        batch->origin.idempotency_key = KIS_STR("the same");
        kis_sink_push(kis_store_sink(f.store), batch, (kis_done){ fixture_answered, &many });
        kis_batch_unref(batch);
    }
    fixture_wait(&many);
    CHECK_INT(20, many.ok, "all are answered OK");
    CHECK_INT(1, kis_store_get_stats(f.store).batches_stored, "one was stored");
    CHECK_INT(19, kis_store_get_stats(f.store).batches_repeated, "the others were repeats");
    CHECK_INT(1, fixture_find(&f, NULL, 100).count, "one trace");
    fixture_done(&f);
}

TEST(more_names_than_a_list_holds_are_still_found)
{
    store_fixture f;
    test_spans t;
    char service[32], name[32];
    uint64_t now = kis_now_unix_ns();
    fixture_open(&f, NULL);
    test_spans_begin(&t, &kis_mem);
    for (uint32_t i = 1; i <= 6000; i++) {
        snprintf(service, sizeof service, "service-%u", i);
        snprintf(name, sizeof name, "name-%u", i);
        test_spans_resource(&t, service);
        test_spans_add(
            &t,
            &(test_span){
                .trace = i, .span = i, .name = name, .start_ns = now + i, .end_ns = now + i + 1 });
    }
    CHECK_ERR(KIS_OK, fixture_push(&f, test_spans_end(&t)), "pushed");
    CHECK_INT(6000, fixture_names(&f, true, ""), "services, in memory");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    fixture_reopen(&f);
    int listed = fixture_names(&f, true, "");
    CHECK(listed > 1000 && listed < 6000, "a segment lists only so many");
    for (uint32_t i = 1; i <= 6000; i += 331) {
        snprintf(service, sizeof service, "service-%u", i);
        snprintf(name, sizeof name, "name-%u", i);
        kis_filter of_service = { .op = KIS_FILTER_COMPARE,
                                  .on = KIS_ON_SERVICE,
                                  .compare = KIS_EQ,
                                  .value = { .kind = KIS_VALUE_STR, .str = test_text(service) } };
        kis_filter of_name = { .op = KIS_FILTER_COMPARE,
                               .on = KIS_ON_NAME,
                               .compare = KIS_EQ,
                               .value = { .kind = KIS_VALUE_STR, .str = test_text(name) } };
        CHECK_INT(1, fixture_find(&f, &of_service, 10).count, "found by service, listed or not");
        CHECK_INT(1, fixture_find(&f, &of_name, 10).count, "found by name");
    }
    fixture_done(&f);
}

/* Names and resources are as long as OTLP's receiver lets them be:
 * what was answered must always become a file. */
TEST(long_services_and_large_resources_become_files)
{
    enum { SERVICE_BYTES = 60000, OPERATIONS = 1200, RESOURCES = 70, RESOURCE_BYTES = 1000000 };
    store_fixture f;
    test_spans t;
    char name[32];
    uint64_t now = kis_now_unix_ns();
    char *text = malloc(RESOURCE_BYTES + 1);
    memset(text, 's', RESOURCE_BYTES);
    text[SERVICE_BYTES] = '\0';
    fixture_open(&f, NULL);
    test_spans_begin(&t, &kis_mem);
    test_spans_resource(&t, text);
    for (uint32_t i = 1; i <= OPERATIONS; i++) {
        snprintf(name, sizeof name, "name-%u", i);
        test_spans_add(
            &t,
            &(test_span){
                .trace = i, .span = i, .name = name, .start_ns = now + i, .end_ns = now + i + 1 });
    }
    CHECK_ERR(KIS_OK, fixture_push(&f, test_spans_end(&t)), "one service with many operations");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    text[SERVICE_BYTES] = 's';
    text[RESOURCE_BYTES] = '\0';
    test_spans_begin(&t, &kis_mem);
    for (uint32_t i = 1; i <= RESOURCES; i++) {
        snprintf(name, sizeof name, "service-%u", i);
        test_spans_resource(&t, name);
        test_spans_resource_str(&t, "large", text);
        test_spans_add(&t, &(test_span){ .trace = 5000,
                                         .span = i,
                                         .name = "n",
                                         .start_ns = now + i,
                                         .end_ns = now + i + 1 });
    }
    CHECK_ERR(KIS_OK, fixture_push(&f, test_spans_end(&t)), "one trace over many large resources");
    uint64_t before = fixture_get(&f, 5000).hash;
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    fixture_reopen(&f);
    fixture_answer answer = fixture_get(&f, 5000);
    CHECK_INT(RESOURCES, answer.count, "all of them");
    CHECK(answer.hash == before && !answer.is_partial, "as they were");
    text[SERVICE_BYTES] = '\0';
    kis_filter of_service = { .op = KIS_FILTER_COMPARE,
                              .on = KIS_ON_SERVICE,
                              .compare = KIS_EQ,
                              .value = { .kind = KIS_VALUE_STR, .str = test_text(text) } };
    CHECK_INT(OPERATIONS, fixture_find(&f, &of_service, 5000).count, "found by its service");
    free(text);
    fixture_done(&f);
}

TEST_MAIN(RUN(room_for_nothing_is_refused_with_what_was_wanted),
          RUN(a_slow_reader_costs_no_other_segment_its_life),
          RUN(long_services_and_large_resources_become_files),
          RUN(repeats_of_a_key_that_is_being_written_wait_for_its_answer),
          RUN(a_summary_lists_so_many_services_and_counts_the_rest_as_one),
          RUN(more_names_than_a_list_holds_are_still_found), RUN(what_was_pushed_is_found_at_once),
          RUN(a_flush_changes_no_answer), RUN(what_was_answered_is_there_after_reopening),
          RUN(a_folder_with_files_of_somebody_elses_is_refused_untouched),
          RUN(a_second_store_on_one_folder_is_refused), RUN(a_newer_folder_is_refused_untouched),
          RUN(a_repeated_key_is_stored_once_across_flush_and_reopening),
          RUN(a_resend_without_a_key_is_shown_once), RUN(absurd_times_have_files_of_their_own),
          RUN(tenants_do_not_see_each_other), RUN(many_small_heads_are_flushed_in_the_background),
          RUN(a_trace_of_many_spans_spans_blocks_and_segments),
          RUN(age_and_bytes_delete_whole_segments),
          RUN(a_key_is_known_over_a_start_as_long_as_its_segment_is_kept),
          RUN(memory_store_forgets_the_oldest), RUN(summaries_count_services_errors_and_orphans),
          RUN(more_than_pending_is_refused_at_once))
