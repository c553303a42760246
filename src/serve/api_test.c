/* api_test.c - the query API's answers, byte for byte, over a reader of a few spans. */
#include <string.h>

#include "tests/test.h"

#include "base/num.h"
#include "query/test_reader.h"
#include "query/tree.h"
#include "serve/routes.h"
#include "serve/test_answer.h"

#define READ_NS   UINT64_C(30) /* deadlines: of a reading alone, and of an answer as a whole */
#define ANSWER_NS UINT64_C(120)

static test_reader reader;
static test_answer got;
static const char *at_path; /* for messages */
static const kis_server_facts *facts;
static const kis_alloc *alloc = &kis_mem; /* of the answer */

/* Trace 1: two services, an error, an orphan, every attribute type, an event, a link. Trace 2: one
 * span, newer. Seconds since 1970. */
static void begin_api(void)
{
    static const uint8_t bytes[] = { 1, 2, 3 };
    test_spans t;

    test_spans_begin(&t, &kis_mem);
    test_spans_resource(&t, "shop");
    test_spans_resource_str(&t, "host.name", "h1");
    test_spans_scope(&t, "libshop", "2.1");
    test_spans_add(&t, &(test_span){ .trace = 1,
                                     .span = 0xa1,
                                     .name = "GET /",
                                     .kind = 2,
                                     .start_ns = 1000000000001000,
                                     .end_ns = 1000000005001000,
                                     .flags = 1 });
    test_spans_str(&t, "text", "a \"b\"\n");
    test_spans_int(&t, "int", 42);
    test_spans_int(&t, "large", 9007199254740993);
    test_spans_double(&t, "double", 0.5);
    test_spans_bool(&t, "bool", true);
    test_spans_bytes(&t, "bytes", kis_bytes_of(bytes, 3));
    test_spans_array(&t, "array", "x", "y");
    test_spans_event(&t, "cache.miss", 1000000000501000, "key", "k1");
    test_spans_link(&t, 2, 0xc1, NULL, NULL);
    test_spans_resource(&t, "pay");
    test_spans_scope(&t, "libpay", "");
    test_spans_add(&t, &(test_span){ .trace = 1,
                                     .span = 0xa2,
                                     .parent = 0xa1,
                                     .name = "charge",
                                     .kind = 3,
                                     .start_ns = 1000000001001000,
                                     .end_ns = 1000000003001000,
                                     .status = KIS_STATUS_ERROR,
                                     .status_message = "card declined",
                                     .trace_state = "a=b" });
    test_spans_add(&t, &(test_span){ .trace = 1,
                                     .span = 0xa3,
                                     .parent = 0xff,
                                     .name = "lost",
                                     .kind = 0,
                                     .start_ns = 1000000002001000,
                                     .end_ns = 1000000002501000 });
    test_spans_resource(&t, "shop");
    test_spans_add(&t, &(test_span){ .trace = 2,
                                     .span = 0xc1,
                                     .name = "GET /",
                                     .kind = 2,
                                     .start_ns = 1000100000000000,
                                     .end_ns = 1000100000001000 });
    test_reader_init(&reader, test_spans_end(&t));
}

static void end_api(void)
{
    test_reader_done(&reader);
}

/* "/api/…?…": answered into `got`, to be ended by test_answer_done. */
static void ask(const char *path_and_query)
{
    kis_str query = kis_str_from_c(path_and_query), captures[2] = { { 0 } };
    kis_str path = kis_str_cut(&query, '?');
    const kis_route *route = kis_route_find(path, captures);
    kis_answer_writer out;
    kis_arena arena;

    at_path = path_and_query;
    CHECK(route != NULL, path_and_query);
    test_answer_init(&got);
    kis_answer_init(&out, &got.to, alloc);
    out.deadline_ns = ANSWER_NS;
    kis_arena_init(&arena, alloc, KIS_API_ARENA_MAX);
    kis_api_call call = { .reader = &reader.reader,
                          .server = facts,
                          .alloc = alloc,
                          .arena = &arena,
                          .request = { .deadline_ns = READ_NS },
                          .now_unix_ns = 1000200000000000,
                          .out = &out };
    kis_route_run(route, &call, captures, query);
    CHECK_INT(1, got.answers, "answered once");
    kis_answer_done(&out);
    kis_arena_done(&arena);
}

static void want(int status, const char *body)
{
    CHECK_INT(status, got.status, at_path);
    CHECK_STR(body, kis_buf_str(&got.body), at_path);
    test_answer_done(&got);
}

static bool body_has(const char *text)
{
    return kis_str_find(kis_buf_str(&got.body), kis_str_from_c(text)) != KIS_STR_NPOS;
}

static void want_part(int status, const char *part)
{
    CHECK_INT(status, got.status, at_path);
    if (!body_has(part))
        fail_msg("%s: no %s in %.*s", at_path, part, (int)got.body.len, got.body.ptr);
    test_answer_done(&got);
}

/* Ids as test_trace_id makes them. */
static const char *hex_of(uint64_t trace)
{
    static char room[4][33];
    static int next;
    char *hex = room[next++ % 4];
    kis_trace_id id = test_trace_id(trace);
    kis_hex_format(id.bytes, 16, hex);
    hex[32] = '\0';
    return hex;
}

#define V1(data, total) \
    "{\"data\":" data ",\"total\":" total ",\"limit\":0,\"offset\":0,\"errors\":null}"
#define V1_ERROR(code, msg)                                                           \
    "{\"data\":null,\"total\":0,\"limit\":0,\"offset\":0,\"errors\":[{\"code\":" code \
    ",\"msg\":\"" msg "\"}]}\n"
#define V3_ERROR(code, msg) "{\"error\":{\"httpCode\":" code ",\"message\":\"" msg "\"}}\n"

TEST(names_are_answered_in_both_versions)
{
    static const struct {
        const char *path, *body;
    } rows[] = {
        { "/api/services", V1("[\"pay\",\"shop\"]", "2") },
        { "/api/services/pay/operations", V1("[\"charge\",\"lost\"]", "2") },
        { "/api/services/nobody/operations", V1("[]", "0") },
        { "/api/operations?service=pay", V1("[{\"name\":\"charge\",\"spanKind\":\"client\"},{"
                                            "\"name\":\"lost\",\"spanKind\":\"internal\"}]",
                                            "2") },
        { "/api/operations?service=pay&spanKind=client",
          V1("[{\"name\":\"charge\",\"spanKind\":\"client\"}]", "1") },
        { "/api/v3/services", "{\"services\":[\"pay\",\"shop\"]}" },
        { "/api/v3/operations?service=pay",
          "{\"operations\":[{\"name\":\"charge\",\"spanKind\":\"client\"},{\"name\":\"lost\","
          "\"spanKind\":\"internal\"}]}" },
        { "/api/v3/operations?service=pay&span_kind=internal",
          "{\"operations\":[{\"name\":\"lost\",\"spanKind\":\"internal\"}]}" },
        { "/api/v3/operations?service=none", "{\"operations\":[]}" },
        { "/api/dependencies?endTs=1000200000",
          V1("[{\"parent\":\"shop\",\"child\":\"pay\",\"callCount\":1}]", "0") },
        { "/api/dependencies?endTs=1000200000&service=other", V1("[]", "0") },
        { "/api/dependencies?endTs=500000&lookback=1000", V1("[]", "0") },
    };
    begin_api();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ask(rows[i].path);
        CHECK_STR("application/json", test_answer_header(&got, "content-type"), rows[i].path);
        want(200, rows[i].body);
    }
    end_api();
}

TEST(pretty_print_indents)
{
    begin_api();
    ask("/api/services?prettyPrint=true");
    want(200,
         "{\n    \"data\": [\n        \"pay\",\n        \"shop\"\n    ],\n    \"total\": 2,\n    "
         "\"limit\": 0,\n    \"offset\": 0,\n    \"errors\": null\n}");
    ask("/api/services?prettyPrint=maybe");
    want(200, V1("[\"pay\",\"shop\"]", "2"));
    end_api();
}

TEST(a_trace_in_the_v1_model)
{
    char path[128], body[8192];

    begin_api();
    snprintf(path, sizeof(path), "/api/traces/%s", hex_of(2));
    ask(path);
    snprintf(body, sizeof(body),
             "{\"data\":[{\"traceID\":\"%s\",\"spans\":[{\"traceID\":\"%s\",\"spanID\":"
             "\"00000000000000c1\",\"operationName\":\"GET /\",\"references\":[],"
             "\"startTime\":1000100000000,\"duration\":1,\"tags\":[{\"key\":\"otel.scope.name\","
             "\"type\":\"string\",\"value\":\"test_spans\"},"
             "{\"key\":\"otel.scope.version\",\"type\":\"string\",\"value\":\"1.0\"},{\"key\":"
             "\"span.kind\",\"type\":\"string\",\"value\":\"server\"}],"
             "\"logs\":[],\"processID\":\"p1\",\"warnings\":null}],\"processes\":{\"p1\":{"
             "\"serviceName\":\"shop\",\"tags\":[]}},\"warnings\":null}],"
             "\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}",
             hex_of(2), hex_of(2));
    want(200, body);
    end_api();
}

TEST(a_trace_in_the_v1_model_has_everything_of_its_spans)
{
    static const char *const parts[] = {
        "\"startTime\":1000000000001,\"duration\":5000,",
        "{\"key\":\"int\",\"type\":\"int64\",\"value\":42}",
        "{\"key\":\"large\",\"type\":\"int64\",\"value\":\"9007199254740993\"}",
        "{\"key\":\"double\",\"type\":\"float64\",\"value\":0.5}",
        "{\"key\":\"bool\",\"type\":\"bool\",\"value\":true}",
        "{\"key\":\"bytes\",\"type\":\"binary\",\"value\":\"AQID\"}",
        "{\"key\":\"text\",\"type\":\"string\",\"value\":\"a \\\"b\\\"\\n\"}",
        "\"logs\":[{\"timestamp\":1000000000501,\"fields\":[{\"key\":\"event\",\"type\":\"string\","
        "\"value\":\"cache.miss\"}",
        "\"refType\":\"FOLLOWS_FROM\"",
        "\"refType\":\"CHILD_OF\"",
        "{\"key\":\"otel.status_code\",\"type\":\"string\",\"value\":\"ERROR\"}",
        "{\"key\":\"error\",\"type\":\"bool\",\"value\":true}",
        "{\"key\":\"otel.status_description\",\"type\":\"string\",\"value\":\"card declined\"}",
        "{\"key\":\"w3c.tracestate\",\"type\":\"string\",\"value\":\"a=b\"}",
        "\"warnings\":[\"parent span ID=00000000000000ff is not in the trace; skipping clock skew "
        "adjustment\"]",
        "\"p1\":{\"serviceName\":\"shop\",\"tags\":[{\"key\":\"host.name\",\"type\":\"string\","
        "\"value\":\"h1\"}]}",
        "\"p2\":{\"serviceName\":\"pay\",\"tags\":[]}",
    };
    char path[128];

    begin_api();
    snprintf(path, sizeof(path), "/api/traces/%s", hex_of(1));
    ask(path);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!body_has(parts[i]))
            fail_msg("no %s in %.*s", parts[i], (int)got.body.len, got.body.ptr);
    test_answer_done(&got);
    end_api();
}

TEST(a_search_in_v1_answers_traces_newest_first)
{
    static const struct {
        const char *why, *path;
        const char *first, *second; /* operation names of the traces in order, or NULL */
    } rows[] = {
        { "a service", "/api/traces?service=shop", "00000000000000c1", "00000000000000a1" },
        { "the newest only", "/api/traces?service=shop&limit=1", "00000000000000c1", NULL },
        { "an operation", "/api/traces?service=pay&operation=charge", "00000000000000a1", NULL },
        { "a tag", "/api/traces?service=shop&tag=int:42", "00000000000000a1", NULL },
        { "tags as JSON", "/api/traces?service=pay&tags=%7B%22error%22%3A%22true%22%7D",
          "00000000000000a1", NULL },
        { "a value with a colon", "/api/traces?service=shop&tag=int:4:2", NULL, NULL },
        { "a duration", "/api/traces?service=shop&minDuration=4ms", "00000000000000a1", NULL },
        { "a time range in microseconds",
          "/api/traces?service=shop&start=1000050000000&end=1000150000000", "00000000000000c1",
          NULL },
        { "lookback is ignored", "/api/traces?service=shop&lookback=1h&limit=1", "00000000000000c1",
          NULL },
        { "nothing", "/api/traces?service=nobody", NULL, NULL },
    };
    begin_api();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ask(rows[i].path);
        CHECK_INT(200, got.status, rows[i].why);
        kis_str body = kis_buf_str(&got.body);
        size_t first = rows[i].first ? kis_str_find(body, kis_str_from_c(rows[i].first)) : 0;
        size_t second =
            rows[i].second ? kis_str_find(body, kis_str_from_c(rows[i].second)) : KIS_STR_NPOS;
        if (!rows[i].first)
            CHECK_STR(V1("[]", "0"), body, rows[i].why);
        CHECK(first != KIS_STR_NPOS &&
                  (!rows[i].second || (second != KIS_STR_NPOS && first < second)),
              rows[i].why);
        test_answer_done(&got);
    }
    end_api();
}

TEST(traces_by_several_ids_name_those_that_are_missing)
{
    char path[256], part[256];

    begin_api();
    snprintf(path, sizeof(path), "/api/traces?traceID=%s&traceID=abc", hex_of(2));
    ask(path);
    CHECK(body_has("00000000000000c1"), "the one that is there");
    snprintf(part, sizeof(part),
             "\"errors\":[{\"code\":404,\"msg\":\"trace not "
             "found\",\"traceID\":\"00000000000000000000000000000abc\"}]}");
    want_part(200, part);
    end_api();
}

TEST(v1_errors_have_their_envelope)
{
    static const struct {
        const char *path;
        int status;
        const char *body;
    } rows[] = {
        { "/api/traces/abcdef", 404, V1_ERROR("404", "trace not found") },
        { "/api/traces/xyz!", 400,
          V1_ERROR("400", "'xyz!' is not a trace id: want at most 32 hex digits") },
        { "/api/traces", 400, V1_ERROR("400", "parameter 'service' is required") },
        { "/api/operations", 400, V1_ERROR("400", "parameter 'service' is required") },
        { "/api/traces?service=x&start=abc", 400,
          V1_ERROR("400", "unable to parse param 'start': 'abc' is not a whole number") },
        { "/api/traces?service=x&limit=-1", 400,
          V1_ERROR("400", "invalid parameter: limit must be greater than 0") },
        { "/api/traces?service=x&limit=0", 400,
          V1_ERROR("400", "invalid parameter: limit must be greater than 0") },
        { "/api/traces?service=x&limit=99999", 400,
          V1_ERROR("400", "invalid parameter: limit must be at most 10000") },
        { "/api/traces?service=x&minDuration=5", 400,
          V1_ERROR(
              "400",
              "unable to parse param 'minDuration': '5' is not a duration such as 1.5s or 300ms") },
        { "/api/traces?service=x&minDuration=2s&maxDuration=1s", 400,
          V1_ERROR("400", "'maxDuration' should be greater than 'minDuration'") },
        { "/api/traces?service=x&raw=maybe", 400,
          V1_ERROR("400", "unable to parse param 'raw': 'maybe' is not true or false") },
        { "/api/traces?service=x&start=2&end=1", 400,
          V1_ERROR("400", "invalid parameter: start time must be before end time") },
        { "/api/traces?service=x&tag=novalue", 400,
          V1_ERROR("400", "malformed 'tag' parameter, expecting key:value, received: novalue") },
        { "/api/traces?service=%ff", 400, V1_ERROR("400", "parameter 'service' is not UTF-8") },
        { "/api/traces?traceID=zz", 400,
          V1_ERROR(
              "400",
              "cannot parse traceID param: 'zz' is not a trace id: want at most 32 hex digits") },
        { "/api/metrics/latencies?service=x", 501,
          V1_ERROR("501",
                   "metrics querying is currently disabled: this server keeps no metrics store") },
    };
    begin_api();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ask(rows[i].path);
        CHECK_STR("text/plain; charset=utf-8", test_answer_header(&got, "content-type"),
                  rows[i].path);
        want(rows[i].status, rows[i].body);
    }
    ask("/api/traces?service=x&tags=%7Bbad");
    want_part(400, "malformed 'tags' parameter, cannot unmarshal JSON");
    end_api();
}

#define RANGE "query.startTimeMin=1970-01-01T00:00:00Z&query.startTimeMax=1971-01-01T00:00:00Z"

TEST(summaries_in_v3)
{
    char body[2048], second[1024];

    begin_api();
    snprintf(second, sizeof(second),
             "{\"traceId\":\"%s\",\"rootServiceName\":\"shop\",\"rootOperationName\":\"GET "
             "/\",\"minStartTimeUnixNano\":\"1000000000001000\","
             "\"maxEndTimeUnixNano\":\"1000000005001000\",\"spanCount\":3,\"errorSpanCount\":1,"
             "\"orphanSpanCount\":1,\"services\":["
             "{\"name\":\"shop\",\"spanCount\":1,\"errorSpanCount\":0},{\"name\":\"pay\","
             "\"spanCount\":2,\"errorSpanCount\":1}]}",
             hex_of(1));
    ask("/api/v3/trace-summaries?" RANGE "&query.serviceName=pay");
    snprintf(body, sizeof(body), "{\"summaries\":[%s]}", second);
    want(200, body);
    ask("/api/v3/trace-summaries?" RANGE); /* a service is not needed */
    snprintf(body, sizeof(body), ",%s]}", second);
    want_part(200, body);
    ask("/api/v3/trace-summaries?" RANGE "&query.serviceName=nobody");
    want(200, "{\"summaries\":[]}");
    ask("/api/v3/"
        "trace-summaries?query.start_time_min=1970-01-12T13:48:00Z&query.start_time_max=1970-02-"
        "20T00:00:00.5%2B01:00&query.search_depth=5");
    CHECK(body_has(hex_of(2)), "snake case, and an offset");
    test_answer_done(&got);
    end_api();
}

TEST(pages_of_summaries_go_on_where_the_last_ended)
{
    char path[512];

    begin_api();
    ask("/api/v3/trace-summaries?" RANGE "&query.searchDepth=1");
    CHECK(body_has(hex_of(2)) && !body_has(hex_of(1)), "the newest");
    size_t at = kis_str_find(kis_buf_str(&got.body), KIS_STR("\"nextPageToken\":\""));
    CHECK(at != KIS_STR_NPOS, "there is more");
    snprintf(path, sizeof(path),
             "/api/v3/trace-summaries?" RANGE "&query.searchDepth=1&query.pageToken=%.48s",
             got.body.ptr + at + 17);
    test_answer_done(&got);
    ask(path);
    CHECK(body_has(hex_of(1)) && !body_has(hex_of(2)) && !body_has("nextPageToken"),
          "the next, and no more");
    test_answer_done(&got);
    end_api();
}

TEST(traces_in_v3_are_otlp)
{
    static const char *const parts[] = {
        "{\"result\":{\"resourceSpans\":[{\"resource\":{\"attributes\":[",
        "\"spanId\":\"00000000000000a2\"",
        "\"parentSpanId\":\"00000000000000a1\"",
        "\"startTimeUnixNano\":\"1000000000001000\"",
        "{\"key\":\"large\",\"value\":{\"intValue\":\"9007199254740993\"}}",
        "\"kind\":2",
        "{\"key\":\"bytes\",\"value\":{\"bytesValue\":\"AQID\"}}",
        "\"traceState\":\"a=b\"",
    };
    char path[128];

    begin_api();
    snprintf(path, sizeof(path), "/api/v3/traces/%s", hex_of(1));
    ask(path);
    CHECK_INT(200, got.status, path);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!body_has(parts[i]))
            fail_msg("no %s in %.*s", parts[i], (int)got.body.len, got.body.ptr);
    CHECK(kis_str_ends(kis_buf_str(&got.body), KIS_STR("]}}")), "closed");
    test_answer_done(&got);
    ask("/api/v3/traces?" RANGE "&query.serviceName=shop");
    CHECK(body_has(hex_of(1)) && body_has(hex_of(2)), "all found traces in one list");
    test_answer_done(&got);
    end_api();
}

TEST(v3_errors_have_their_form)
{
    static const struct {
        const char *path;
        int status;
        const char *body;
    } rows[] = {
        { "/api/v3/traces/abcdef", 404, V3_ERROR("404", "No traces found") },
        { "/api/v3/traces?" RANGE "&query.serviceName=nobody", 404,
          V3_ERROR("404", "No traces found") },
        { "/api/v3/traces/xyz", 400,
          V3_ERROR("400", "malformed parameter trace_id: 'xyz' is not a trace id: want at most 32 "
                          "hex digits") },
        { "/api/v3/traces?query.serviceName=x", 400,
          V3_ERROR("400", "query.startTimeMin and query.startTimeMax are required") },
        { "/api/v3/trace-summaries?query.startTimeMin=yesterday&query.startTimeMax=today", 400,
          V3_ERROR("400", "malformed parameter query.startTimeMin: 'yesterday' is not a time as "
                          "2026-11-21T07:49:21Z") },
        { "/api/v3/"
          "trace-summaries?query.startTimeMin=2020-01-02T00:00:00Z&query.startTimeMax=2020-01-"
          "01T00:00:00Z",
          400, V3_ERROR("400", "query.startTimeMin must be before query.startTimeMax") },
        { "/api/v3/trace-summaries?" RANGE "&query.durationMin=fast", 400,
          V3_ERROR("400", "malformed parameter query.durationMin: 'fast' is not a duration such as "
                          "1.5s or 300ms") },
        { "/api/v3/trace-summaries?" RANGE "&query.searchDepth=0", 400,
          V3_ERROR("400", "malformed parameter query.searchDepth: '0', want 1 to 10000") },
        { "/api/v3/trace-summaries?" RANGE "&query.pageToken=1", 400,
          V3_ERROR("400",
                   "malformed parameter query.pageToken: '1' is not a page token of this server") },
        { "/api/v3/operations?service=x&spanKind=odd", 400,
          V3_ERROR("400", "malformed parameter spanKind: 'odd' is not a span kind") },
    };
    begin_api();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ask(rows[i].path);
        CHECK_STR("text/plain; charset=utf-8", test_answer_header(&got, "content-type"),
                  rows[i].path);
        want(rows[i].status, rows[i].body);
    }
    end_api();
}

TEST(a_reader_that_fails_is_an_error_answer)
{
    static const struct {
        kis_err err;
        int status;
    } rows[] = { { KIS_ERR_TIMEOUT, 504 },
                 { KIS_ERR_IO, 500 },
                 { KIS_ERR_NOMEM, 503 },
                 { KIS_ERR_CORRUPT, 500 },
                 { KIS_ERR_CLOSED, 503 } };
    static const char *const paths[] = { "/api/services",
                                         "/api/traces/1",
                                         "/api/traces?service=x",
                                         "/api/operations?service=x",
                                         "/api/dependencies",
                                         "/api/v3/services",
                                         "/api/v3/traces/1",
                                         "/api/v3/operations?service=x",
                                         "/api/v3/trace-summaries?" RANGE,
                                         "/api/v3/traces?" RANGE };
    begin_api();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t k = 0; k < COUNT_OF(paths); k++) {
            reader.fail_with = rows[i].err;
            ask(paths[k]);
            CHECK(body_has("the test reader fails"), paths[k]);
            CHECK_INT(rows[i].status, got.status, paths[k]);
            test_answer_done(&got);
        }
    end_api();
}

TEST(a_reader_that_fails_halfway_leaves_no_half_answer_that_looks_whole)
{
    char path[128];

    begin_api();
    for (int version = 0; version < 2; version++) {
        snprintf(path, sizeof(path), version ? "/api/v3/traces/%s" : "/api/traces/%s", hex_of(1));
        reader.spans_until_failure = 2;
        ask(path);
        CHECK(!got.is_complete || got.status == 500, "an error or a cut");
        CHECK(body_has("the disk went away"), path);
        test_answer_done(&got);
    }
    end_api();
}

TEST(a_partial_answer_says_so)
{
    begin_api();
    reader.is_partial = true;
    ask("/api/v3/trace-summaries?" RANGE);
    CHECK_STR("this answer is not complete: a block is damaged",
              test_answer_header(&got, "x-kiseki-notice"), "v3");
    test_answer_done(&got);
    ask("/api/traces?service=shop");
    CHECK_STR("this answer is not complete: a block is damaged",
              test_answer_header(&got, "x-kiseki-notice"), "v1");
    test_answer_done(&got);
    ask("/api/v3/traces?query.serviceName=nobody&" RANGE);
    CHECK_INT(404, got.status, "nothing was found");
    CHECK_STR("this answer is not complete: a block is damaged",
              test_answer_header(&got, "x-kiseki-notice"), "which is said to be no certain thing");
    test_answer_done(&got);
    end_api();
}

TEST(names_of_what_could_not_be_read_are_said_to_be_missing)
{
    static const char *const paths[] = { "/api/services",
                                         "/api/services/shop/operations",
                                         "/api/operations?service=shop",
                                         "/api/dependencies?endTs=1000200000",
                                         "/api/v3/services",
                                         "/api/v3/operations?service=shop" };

    begin_api();
    for (size_t i = 0; i < 2 * COUNT_OF(paths); i++) {
        reader.is_partial = i % 2;
        ask(paths[i / 2]);
        CHECK_INT(200, got.status, at_path);
        CHECK_STR(i % 2 ? "this answer is not complete: a block is damaged" : "",
                  test_answer_header(&got, "x-kiseki-notice"), at_path);
        test_answer_done(&got);
    }
    end_api();
}

/* The header leaves with the first piece, so it cannot wait for the end. */
TEST(a_large_partial_answer_says_so_too)
{
    static char big[2 * KIS_ANSWER_PIECE_BYTES];
    test_spans t;

    memset(big, 'x', sizeof(big) - 1);
    test_spans_begin(&t, &kis_mem);
    test_spans_resource(&t, "shop");
    for (uint32_t i = 1; i <= 2; i++) {
        test_spans_add(&t, &(test_span){ .trace = i,
                                         .span = i,
                                         .name = "big",
                                         .start_ns = 1000000000001000,
                                         .end_ns = 1000000000002000 });
        test_spans_str(&t, "text", big);
    }
    test_reader_init(&reader, test_spans_end(&t));
    reader.is_partial = true;
    ask("/api/traces?service=shop");
    CHECK(got.status == 200 && got.has_begun, "it streams");
    CHECK_STR("this answer is not complete: a block is damaged",
              test_answer_header(&got, "x-kiseki-notice"), "v1");
    test_answer_done(&got);
    end_api();
}

/* It may lie in what could not be read: "there is none" would be a guess. */
TEST(a_trace_that_cannot_be_looked_for_is_not_said_to_be_absent)
{
    char path[128];

    begin_api();
    for (int version = 0; version < 2; version++) {
        snprintf(path, sizeof(path), version ? "/api/v3/traces/%s" : "/api/traces/%s", hex_of(99));
        ask(path);
        CHECK_INT(404, got.status, "everything was looked at");
        test_answer_done(&got);
    }
    reader.is_partial = true;
    snprintf(path, sizeof(path), "/api/traces?traceID=%s", hex_of(99));
    ask(path);
    want_part(200, "[{\"code\":500,\"msg\":\"the trace was not found, and this answer is not "
                   "complete: a block is damaged\",\"traceID\":\"");
    for (int i = 0; i < 4; i++) {
        /* OK, and not a span: they were known, and cannot be read */
        reader.keeps_spans_back = i / 2;
        snprintf(path, sizeof(path), i % 2 ? "/api/v3/traces/%s" : "/api/traces/%s",
                 hex_of(i / 2 ? 1 : 99));
        ask(path);
        CHECK_INT(500, got.status, path);
        CHECK(body_has(
                  "the trace was not found, and this answer is not complete: a block is damaged"),
              path);
        test_answer_done(&got);
    }
    end_api();
}

/* A trace of two chunks of rows. */
static void begin_long_trace(void)
{
    test_spans t;

    test_spans_begin(&t, &kis_mem);
    test_spans_resource(&t, "shop");
    test_spans_scope(&t, "libshop", "2.1");
    for (uint64_t i = 1; i <= KIS_TREE_CHUNK_ROWS + 10; i++)
        test_spans_add(&t, &(test_span){ .trace = 1,
                                         .span = i,
                                         .parent = i > 1 ? 1 : 0,
                                         .name = "a",
                                         .start_ns = 1000100000000000 + i,
                                         .end_ns = 1000100000001000 });
    test_reader_init(&reader, test_spans_end(&t));
}

/* Asks with each allocation failing: the answer is the one with memory for all, or cut, or says
 * that there is none. It does not lack a warning, nothing was absent, and it is not the asker's
 * fault. */
static void ask_without_memory(const char *path)
{
    kis_buf whole;
    bool has_failed = true;

    kis_buf_init(&whole, &kis_mem, (size_t)1 << 30);
    test_alloc_reset(-1);
    ask(path);
    CHECK_INT(200, got.status, path);
    kis_buf_add_str(&whole, kis_buf_str(&got.body));
    test_answer_done(&got);
    for (long n = 0; has_failed; n++) {
        test_alloc_reset(n);
        ask(path);
        has_failed = test_alloc_failed();
        bool is_whole = kis_str_eq(kis_buf_str(&whole), kis_buf_str(&got.body));
        bool is_cut = got.has_begun && !got.is_complete;
        if (!is_whole && (!has_failed || (!is_cut && got.status != 503)))
            fail_msg("%s, %ld: %d %.*s", path, n, got.status, (int)got.body.len, got.body.ptr);
        CHECK_INT(0, test_alloc_live(), path);
        test_answer_done(&got);
    }
    kis_buf_done(&whole);
}

TEST(each_allocation_of_an_answer_may_fail)
{
    static const char *const paths[] = {
        "/api/traces/%s",
        "/api/traces?traceID=%s",
        "/api/traces?service=shop&tags=%%7B%%22%%5Cu0061%%22%%3A%%22%%5Cu0062%%22%%7D",
        "/api/traces?service=sh%%6Fp",
        "/api/services/sh%%6Fp/operations",
        "/api/v3/traces/%s",
        "/api/v3/trace-summaries?" RANGE "&query.attributes=%%7B%%22%%5Cu0061%%22%%3A%%22b%%22%%7D",
        "/api/dependencies?endTs=1000200000",
    };
    char path[512];

    begin_long_trace();
    alloc = test_alloc;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        snprintf(path, sizeof(path), paths[i], hex_of(1));
        ask_without_memory(path);
    }
    alloc = &kis_mem;
    end_api();
}

/* What is read while pieces of the answer leave waits for the peer, who may be slow. */
TEST(readings_that_wait_for_a_slow_peer_have_the_time_of_the_whole_answer)
{
    static const char *const paths[] = { "/api/services",
                                         "/api/services/shop/operations",
                                         "/api/operations?service=shop",
                                         "/api/traces?service=shop",
                                         "/api/v3/services",
                                         "/api/v3/operations?service=shop",
                                         "/api/v3/traces?" RANGE,
                                         "/api/v3/trace-summaries?" RANGE };

    begin_api();
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        reader.shortest_ns = reader.last_find.request.deadline_ns = 0;
        ask(paths[i]);
        CHECK_INT(200, got.status, at_path);
        CHECK_INT(ANSWER_NS, reader.shortest_ns, at_path);
        CHECK(reader.last_find.request.deadline_ns != ANSWER_NS, "a search sends nothing yet");
        test_answer_done(&got);
    }
    end_api();
}

/* Retention takes it between the reading for the index and the one for the answer. */
TEST(a_trace_that_goes_between_two_readings_is_as_one_that_never_was)
{
    char by_id[256], missing[512];

    begin_api();
    snprintf(missing, sizeof(missing),
             "],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":[{\"code\":404,\"msg\":\"trace not "
             "found\",\"traceID\":\"%s\"}]}",
             hex_of(2));
    for (int i = 0; i < 4; i++) { /* the first of two or the second, of a search or by id */
        reader.gets = 0;
        reader.gone_at = i % 2 ? 4 : 2;
        snprintf(by_id, sizeof(by_id), "/api/traces?traceID=%s&traceID=%s", hex_of(i % 2 ? 1 : 2),
                 hex_of(i % 2 ? 2 : 1));
        ask(i < 2 ? "/api/traces?service=shop" : by_id);
        CHECK_INT(200, got.status, at_path);
        CHECK(kis_str_starts(kis_buf_str(&got.body), KIS_STR("{\"data\":[{\"traceID\":\"")),
              "no comma before the one that is there");
        CHECK(body_has(i < 2 ? "\"warnings\":null}],\"total\":0,\"limit\":0,\"offset\":0,"
                               "\"errors\":null}"
                             : missing),
              "and none behind it");
        CHECK(!body_has("\"spans\":[]") && !body_has("\"spans\":[,"), "nor between");
        test_answer_done(&got);
    }
    reader.gets = 0;
    reader.gone_at = 2;
    snprintf(by_id, sizeof(by_id), "/api/traces/%s", hex_of(2));
    ask(by_id);
    want(404, V1_ERROR("404", "trace not found"));
    end_api();
}

TEST(the_server_says_where_it_listens_and_what_it_promises)
{
    static const kis_server_facts told = {
        .listeners = { { "page and query", "http://127.0.0.1:16686", false },
                       { "OTLP/gRPC", "[::]:4317", true } },
        .listener_count = 2,
        .promise = "keeps \"72h\"",
    };

    begin_api();
    ask("/api/kiseki/server");
    want(404, V3_ERROR("404", "no server is at work here"));
    facts = &told;
    ask("/api/kiseki/server");
    facts = NULL;
    want(200, "{\"version\":\"" KIS_VERSION "\",\"promise\":\"keeps \\\"72h\\\"\",\"listeners\":["
              "{\"label\":\"page and query\",\"address\":\"http://127.0.0.1:16686\",\"tls\":false},"
              "{\"label\":\"OTLP/gRPC\",\"address\":\"[::]:4317\",\"tls\":true}]}");
    end_api();
}

TEST(paths_are_found_in_the_table)
{
    static const struct {
        const char *path;
        bool found, is_api;
        const char *capture;
    } rows[] = {
        { "/api/services", true, true, NULL },
        { "/api/services/", true, true, NULL },
        { "/api/services/a%2Fb/operations", true, true, "a%2Fb" },
        { "/api/services//operations", false, true, NULL },
        { "/api/traces/x/y", false, true, NULL },
        { "/api/nothing", false, true, NULL },
        { "/api", false, true, NULL },
        { "/apiary", false, false, NULL },
        { "/", false, false, NULL },
        { "/api/v3/traces/00", true, true, "00" },
        { "/api/traces/../../etc/passwd", false, true, NULL },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_str captures[2] = { { 0 } };
        CHECK_INT(rows[i].found, kis_route_find(kis_str_from_c(rows[i].path), captures) != NULL,
                  rows[i].path);
        CHECK_INT(rows[i].is_api, kis_route_is_api(kis_str_from_c(rows[i].path)), rows[i].path);
        if (rows[i].capture)
            CHECK_STR(rows[i].capture, captures[0], rows[i].path);
    }
}

TEST_MAIN(RUN(names_are_answered_in_both_versions), RUN(pretty_print_indents),
          RUN(a_trace_in_the_v1_model), RUN(a_trace_in_the_v1_model_has_everything_of_its_spans),
          RUN(a_search_in_v1_answers_traces_newest_first),
          RUN(traces_by_several_ids_name_those_that_are_missing),
          RUN(v1_errors_have_their_envelope), RUN(summaries_in_v3),
          RUN(pages_of_summaries_go_on_where_the_last_ended), RUN(traces_in_v3_are_otlp),
          RUN(v3_errors_have_their_form), RUN(a_reader_that_fails_is_an_error_answer),
          RUN(a_reader_that_fails_halfway_leaves_no_half_answer_that_looks_whole),
          RUN(a_partial_answer_says_so),
          RUN(names_of_what_could_not_be_read_are_said_to_be_missing),
          RUN(a_large_partial_answer_says_so_too),
          RUN(a_trace_that_cannot_be_looked_for_is_not_said_to_be_absent),
          RUN(each_allocation_of_an_answer_may_fail),
          RUN(readings_that_wait_for_a_slow_peer_have_the_time_of_the_whole_answer),
          RUN(a_trace_that_goes_between_two_readings_is_as_one_that_never_was),
          RUN(the_server_says_where_it_listens_and_what_it_promises),
          RUN(paths_are_found_in_the_table))
