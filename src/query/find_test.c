/* find_test.c - terms become filters that mean what Jaeger's tags mean; a search is bounded,
 * ordered and paged; dependencies are counted. */
#include "tests/test.h"

#include "os/mem.h"
#include "query/depend.h"
#include "query/find.h"
#include "query/test_reader.h"

static test_reader reader;
static kis_arena arena;

/* Trace n begins at second n; its service is shop for odd n, pay for even. */
static void begin_search(void)
{
    test_spans t;
    test_spans_begin(&t, &kis_mem);
    for (uint64_t n = 1; n <= 9; n++) {
        test_spans_resource(&t, n % 2 ? "shop" : "pay");
        test_spans_resource_str(&t, "k8s.pod.name", n == 5 ? "pod-5" : "pod");
        test_spans_scope(&t, n == 7 ? "libseven" : "lib", "1.0");
        test_spans_add(&t, &(test_span){ .trace = n,
                                         .span = 10 * n,
                                         .name = n == 3 ? "POST /" : "GET /",
                                         .kind = n == 4 ? 0 : 2,
                                         .start_ns = n * 1000000000,
                                         .end_ns = n * 1000000000 + n * 1000000,
                                         .status = n == 6 ? KIS_STATUS_ERROR : KIS_STATUS_UNSET,
                                         .status_message = n == 6 ? "too late" : NULL });
        test_spans_int(&t, "n", (int64_t)n);
        test_spans_bool(&t, "is_odd", n % 2);
        test_spans_double(&t, "half", (double)n / 2);
        if (n == 8)
            test_spans_event(&t, "exception", 1, "exception.type", "Boom");
        if (n == 9)
            test_spans_str(&t, "error", "true");
        if (n == 2)
            test_spans_str(&t, "resource.odd", "really");
    }
    test_reader_init(&reader, test_spans_end(&t));
    kis_arena_init(&arena, &kis_mem, 1 << 20);
}

static void end_search(void)
{
    kis_arena_done(&arena);
    test_reader_done(&reader);
}

/* The numbers of the found traces: "9 7 5". */
static kis_str numbers(const kis_query_result *found, char room[256])
{
    kis_buf out;
    kis_buf_init_fixed(&out, room, 256);
    for (uint32_t i = 0; i < found->count; i++) {
        if (i)
            kis_buf_add_byte(&out, ' ');
        kis_buf_add_u64(&out, found->traces[i].trace_id.bytes[15]);
    }
    return kis_buf_str(&out);
}

TEST(a_tag_means_what_it_means_to_jaeger)
{
    static const struct {
        const char *why, *key, *value, *want;
    } rows[] = {
        { "an int by its text", "n", "3", "3" },
        { "a bool by its text", "is_odd", "false", "8 6 4 2" },
        { "a double by its text", "half", "2.5", "5" },
        { "a value that no span has", "n", "33", "" },
        { "a resource's attribute without a prefix", "k8s.pod.name", "pod-5", "5" },
        { "and with one", "resource.k8s.pod.name", "pod-5", "5" },
        { "an attribute that is really called so", "resource.odd", "really", "2" },
        { "an event's attribute", "exception.type", "Boom", "8" },
        { "error=true is status and the old attribute", "error", "true", "9 6" },
        { "error=false is all others", "error", "false", "8 7 5 4 3 2 1" },
        { "span.status", "span.status", "error", "6" },
        { "otel.status_code, as the page shows it", "otel.status_code", "ERROR", "6" },
        { "otel.status_description", "otel.status_description", "too late", "6" },
        { "span.kind", "span.kind", "server", "9 8 7 6 5 3 2 1" },
        { "span.kind internal takes the unspecified", "span.kind", "internal", "4" },
        { "a kind that does not exist is an attribute", "span.kind", "nobody", "" },
        { "scope.name", "scope.name", "libseven", "7" },
        { "otel.scope.name", "otel.scope.name", "libseven", "7" },
        { "scope.version", "scope.version", "2.0", "" },
    };
    begin_search();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_tag tag = { kis_str_from_c(rows[i].key), kis_str_from_c(rows[i].value) };
        kis_query query = { .terms = { .kind = KIS_QUERY_KIND_ANY, .tags = &tag, .tag_count = 1 } };
        kis_query_result found;
        kis_diag diag;
        char room[256];
        CHECK_ERR(KIS_OK, kis_query_find(&reader.reader, &query, &arena, &found, &diag),
                  rows[i].why);
        CHECK_STR(rows[i].want, numbers(&found, room), rows[i].why);
    }
    end_search();
}

TEST(terms_hold_together_on_one_span)
{
    static const kis_tag two[] = { { KIS_STR_INIT("n"), KIS_STR_INIT("3") },
                                   { KIS_STR_INIT("is_odd"), KIS_STR_INIT("true") } };
    const struct {
        const char *why;
        kis_query query;
        const char *want;
    } rows[] = {
        { "nothing asked finds all, newest first",
          { .terms = KIS_QUERY_TERMS_NONE },
          "9 8 7 6 5 4 3 2 1" },
        { "service", { .terms = { .kind = -1, .service = KIS_STR("pay") } }, "8 6 4 2" },
        { "service that is not", { .terms = { .kind = -1, .service = KIS_STR("pa") } }, "" },
        { "operation", { .terms = { .kind = -1, .operation = KIS_STR("POST /") } }, "3" },
        { "service and operation",
          { .terms = { .kind = -1, .service = KIS_STR("pay"), .operation = KIS_STR("POST /") } },
          "" },
        { "two tags", { .terms = { .kind = -1, .tags = two, .tag_count = 2 } }, "3" },
        { "at least 7 ms, inclusive",
          { .terms = { .kind = -1, .duration_min_ns = 7000000 } },
          "9 8 7" },
        { "at most 2 ms, inclusive",
          { .terms = { .kind = -1, .duration_max_ns = 2000000 } },
          "2 1" },
        { "kind", { .terms = { .kind = KIS_OTLP_KIND_INTERNAL } }, "4" },
        { "from 8 s on",
          { .terms = KIS_QUERY_TERMS_NONE, .start_min_unix_ns = 8000000000 },
          "9 8" },
        { "before 3 s", { .terms = KIS_QUERY_TERMS_NONE, .start_max_unix_ns = 3000000000 }, "2 1" },
        { "the newest two", { .terms = KIS_QUERY_TERMS_NONE, .limit = 2 }, "9 8" },
    };
    begin_search();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_query_result found;
        kis_diag diag;
        char room[256];
        CHECK_ERR(KIS_OK, kis_query_find(&reader.reader, &rows[i].query, &arena, &found, &diag),
                  rows[i].why);
        CHECK_STR(rows[i].want, numbers(&found, room), rows[i].why);
    }
    end_search();
}

TEST(pages_follow_each_other_without_gap_or_overlap)
{
    static const struct {
        const char *want;
        bool has_more;
    } pages[] = { { "9 8 7 6", true }, { "5 4 3 2", true }, { "1", false } };
    kis_query query = { .terms = KIS_QUERY_TERMS_NONE, .limit = 4 };

    begin_search();
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        char room[256], text[KIS_TOKEN_TEXT_LEN];
        kis_query_result found;
        kis_diag diag;
        CHECK_ERR(KIS_OK, kis_query_find(&reader.reader, &query, &arena, &found, &diag), "a page");
        CHECK_STR(pages[i].want, numbers(&found, room), "its traces");
        CHECK_INT(pages[i].has_more, found.has_more, "is there another");
        kis_token_format(found.next, text);
        CHECK_ERR(KIS_OK, kis_token_parse(kis_str_of(text, sizeof(text)), &query.after),
                  "a token is text and back");
    }
    end_search();
}

TEST(exactly_as_many_as_the_limit_is_not_more)
{
    kis_query query = { .terms = KIS_QUERY_TERMS_NONE, .limit = 9 };
    kis_query_result found;
    kis_diag diag;

    begin_search();
    CHECK_ERR(KIS_OK, kis_query_find(&reader.reader, &query, &arena, &found, &diag), "all nine");
    CHECK(!found.has_more, "there is no tenth");
    CHECK_INT(10, reader.last_find.limit, "one more is asked for than given out");
    end_search();
}

TEST(a_search_out_of_bounds_is_refused)
{
    static kis_tag many[KIS_QUERY_TAGS_MAX + 1];
    const struct {
        const char *why;
        kis_query query;
        kis_err want;
    } rows[] = {
        { "too many traces",
          { .terms = KIS_QUERY_TERMS_NONE, .limit = KIS_QUERY_LIMIT_MAX + 1 },
          KIS_ERR_LIMIT },
        { "the most there may be",
          { .terms = KIS_QUERY_TERMS_NONE, .limit = KIS_QUERY_LIMIT_MAX },
          KIS_OK },
        { "start behind end",
          { .terms = KIS_QUERY_TERMS_NONE, .start_min_unix_ns = 2, .start_max_unix_ns = 1 },
          KIS_ERR_RANGE },
        { "durations the wrong way round",
          { .terms = { .kind = -1, .duration_min_ns = 2, .duration_max_ns = 1 } },
          KIS_ERR_RANGE },
        { "too many tags",
          { .terms = { .kind = -1, .tags = many, .tag_count = COUNT_OF(many) } },
          KIS_ERR_LIMIT },
    };
    begin_search();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_query_result found;
        kis_diag diag = { 0 };
        CHECK_ERR(rows[i].want,
                  kis_query_find(&reader.reader, &rows[i].query, &arena, &found, &diag),
                  rows[i].why);
        CHECK(rows[i].want == KIS_OK || diag.text[0], "a refusal has words");
    }
    end_search();
}

TEST(what_the_reader_says_is_passed_on)
{
    kis_query query = { .terms = KIS_QUERY_TERMS_NONE };
    kis_query_result found;
    kis_diag diag;

    begin_search();
    reader.is_partial = true;
    CHECK_ERR(KIS_OK, kis_query_find(&reader.reader, &query, &arena, &found, &diag),
              "a partial answer is one");
    CHECK(found.answer.is_partial, "and says so");
    reader.fail_with = KIS_ERR_TIMEOUT;
    CHECK_ERR(KIS_ERR_TIMEOUT, kis_query_find(&reader.reader, &query, &arena, &found, &diag),
              "an error is none");
    end_search();
}

TEST(a_token_that_is_none_is_refused)
{
    static const char *const wrong[] = { "", "0",
                                         "00000000000000000000000000000000000000000000000g",
                                         "0000000000000000000000000000000000000000000000000" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        kis_token token = { .newest_unix_ns = 7 };
        CHECK_ERR(KIS_ERR_SYNTAX, kis_token_parse(kis_str_from_c(wrong[i]), &token), wrong[i]);
        CHECK_INT(7, token.newest_unix_ns, "out is left alone");
    }
}

TEST(filters_survive_every_allocation_failure)
{
    static const kis_tag tags[] = { { KIS_STR_INIT("error"), KIS_STR_INIT("false") },
                                    { KIS_STR_INIT("resource.a"), KIS_STR_INIT("b") } };
    kis_query_terms terms = {
        .service = KIS_STR("s"), .kind = 1, .tags = tags, .tag_count = 2, .duration_min_ns = 1
    };

    for (size_t room = 0; room < 8192; room += 64) {
        kis_arena small;
        const kis_filter *filter = NULL;
        kis_diag diag;
        kis_arena_init(&small, &kis_mem, room);
        kis_err err = kis_query_filter(&terms, &small, &filter, &diag);
        CHECK(err == KIS_OK ? filter != NULL : err == KIS_ERR_NOMEM && filter == NULL,
              "whole or nothing");
        kis_arena_done(&small);
    }
}

/* ---- dependencies ---- */

TEST(dependencies_are_calls_between_services)
{
    test_spans t;
    kis_dependencies found;
    kis_request request = { 0 };
    kis_diag diag;

    test_spans_begin(&t, &kis_mem);
    for (uint64_t n = 1; n <= 3; n++) {
        test_spans_resource(&t, "front");
        test_spans_add(&t, &(test_span){ .trace = n, .span = 1, .name = "a", .start_ns = 10 });
        test_spans_add(
            &t,
            &(test_span){ .trace = n, .span = 2, .parent = 1, .name = "inside", .start_ns = 11 });
        test_spans_resource(&t, "back");
        test_spans_add(
            &t, &(test_span){ .trace = n, .span = 3, .parent = 2, .name = "b", .start_ns = 12 });
        test_spans_add(
            &t, &(test_span){ .trace = n, .span = 4, .parent = 2, .name = "b", .start_ns = 13 });
        test_spans_resource(&t, "base");
        test_spans_add(
            &t, &(test_span){ .trace = n, .span = 5, .parent = 4, .name = "c", .start_ns = 14 });
        test_spans_add(
            &t,
            &(test_span){ .trace = n, .span = 6, .parent = 99, .name = "orphan", .start_ns = 15 });
    }
    test_reader_init(&reader, test_spans_end(&t));
    kis_arena_init(&arena, &kis_mem, 1 << 20);
    CHECK_ERR(
        KIS_OK,
        kis_query_dependencies(&reader.reader, &request, 0, 100, &arena, &kis_mem, &found, &diag),
        "a scan");
    CHECK_INT(2, found.count, "calls inside a service and orphans make none");
    CHECK_STR("back", found.at[0].parent, "by parent");
    CHECK_STR("base", found.at[0].child, "then by child");
    CHECK_INT(3, found.at[0].call_count, "once a trace");
    CHECK_STR("front", found.at[1].parent, "the other");
    CHECK_INT(6, found.at[1].call_count, "twice a trace");
    CHECK(!found.is_partial, "all was looked at");
    CHECK_INT(3, found.traces_looked_at, "three traces");
    CHECK_ERR(
        KIS_OK,
        kis_query_dependencies(&reader.reader, &request, 50, 100, &arena, &kis_mem, &found, &diag),
        "a range without spans");
    CHECK_INT(0, found.count, "is empty");
    end_search();
}

TEST_MAIN(RUN(a_tag_means_what_it_means_to_jaeger), RUN(terms_hold_together_on_one_span),
          RUN(pages_follow_each_other_without_gap_or_overlap),
          RUN(exactly_as_many_as_the_limit_is_not_more), RUN(a_search_out_of_bounds_is_refused),
          RUN(what_the_reader_says_is_passed_on), RUN(a_token_that_is_none_is_refused),
          RUN(filters_survive_every_allocation_failure),
          RUN(dependencies_are_calls_between_services))
