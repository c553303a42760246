#include <string.h>

#include "tests/test.h"

#include "receive/receive_int.h"

#define GRPC_PATH "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

/* The server's own accessor is in net; a judge is asked with heads made here. */
static kis_receiver *new_receiver(void)
{
    static const kis_str origins[] = { KIS_STR_INIT("https://shop.example.com"),
                                       KIS_STR_INIT("https://*.pages.example") };
    static kis_receiver receiver;
    memset(&receiver, 0, sizeof(receiver));
    receiver.options.max_request_bytes = 1000;
    receiver.options.allowed_origins = origins;
    receiver.options.allowed_origin_count = COUNT_OF(origins);
    return &receiver;
}

typedef struct judge_row {
    const char *why;
    const char *method, *path, *type, *coding;
    bool is_http2;
    uint64_t length;
    int want_http, want_grpc; /* 0: passes */
} judge_row;

TEST(a_head_is_refused_for_what_it_says)
{
    static const judge_row rows[] = {
        { "protobuf", "POST", "/v1/traces", "application/x-protobuf", "", false, 10, 0, 0 },
        { "JSON with a charset", "POST", "/v1/traces", "application/json; charset=utf-8", "", false,
          10, 0, 0 },
        { "type in capitals", "POST", "/v1/traces", "Application/JSON", "GZIP", false, 10, 0, 0 },
        { "unknown length", "POST", "/v1/traces", "application/json", "zstd", false, UINT64_MAX, 0,
          0 },
        { "exactly as large as allowed", "POST", "/v1/traces", "application/json", "", false, 1000,
          0, 0 },
        { "one byte more", "POST", "/v1/traces", "application/json", "", false, 1001, 413, 8 },
        { "metrics", "POST", "/v1/metrics", "application/json", "", false, 10, 404, 5 },
        { "another path", "POST", "/v1/traces/", "application/json", "", false, 10, 404, 5 },
        { "GET", "GET", "/v1/traces", "application/json", "", false, 0, 405, 12 },
        { "no type", "POST", "/v1/traces", "", "", false, 10, 415, 3 },
        { "text", "POST", "/v1/traces", "text/plain", "", false, 10, 415, 3 },
        { "a coding nobody knows", "POST", "/v1/traces", "application/json", "br", false, 10, 415,
          12 },
        { "two codings", "POST", "/v1/traces", "application/json", "gzip, gzip", false, 10, 415,
          12 },
        { "gRPC's path with another type", "POST", GRPC_PATH, "application/x-protobuf", "", true,
          10, 415, 3 },
        { "gRPC", "POST", GRPC_PATH, "application/grpc", "", true, UINT64_MAX, 0, 0 },
        { "gRPC with its format", "POST", GRPC_PATH, "application/grpc+proto", "gzip", true, 10, 0,
          0 },
        { "gRPC as JSON", "POST", GRPC_PATH, "application/grpc+json", "", true, 10, 415, 12 },
        { "gRPC-Web", "POST", GRPC_PATH, "application/grpc-web", "", true, 10, 415, 12 },
        { "gRPC over HTTP/1.1", "POST", GRPC_PATH, "application/grpc", "", false, 10, 415, 13 },
        { "another method", "POST", "/grpc.health.v1.Health/Check", "application/grpc", "", true,
          10, 404, 12 },
        { "gRPC, a coding nobody knows", "POST", GRPC_PATH, "application/grpc", "snappy", true, 10,
          415, 12 },
        { "gRPC, too large", "POST", GRPC_PATH, "application/grpc", "", true, 1006, 413, 8 },
    };
    kis_receiver *r = new_receiver();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const judge_row *row = &rows[i];
        bool is_grpc = strncmp(row->type, "application/grpc", 16) == 0;
        kis_header headers[] = {
            { KIS_STR("content-type"), kis_str_from_c(row->type) },
            { is_grpc ? KIS_STR("grpc-encoding") : KIS_STR("content-encoding"),
              kis_str_from_c(row->coding) },
        };
        kis_request_head head = { .method = kis_str_from_c(row->method),
                                  .path = kis_str_from_c(row->path),
                                  .headers = headers,
                                  .header_count = 2,
                                  .content_length = row->length,
                                  .is_http2 = row->is_http2 };
        kis_request_form form;
        kis_refusal refusal = { 0 };
        bool passed = kis_receive_judge_head(r, &head, &form, &refusal);
        CHECK_INT(row->want_http == 0, passed, row->why);
        if (passed)
            continue;
        CHECK_INT(row->want_http, refusal.http_status, row->why);
        CHECK_INT(row->want_grpc, refusal.grpc_status, row->why);
        CHECK(refusal.message.len > 10, "every refusal says why");
    }
}

TEST(a_wrong_path_is_named_with_the_way_out_of_the_usual_mistakes)
{
    static const struct {
        const char *path, *want;
    } rows[] = {
        { "/v1/traces/v1/traces", "unknown path /v1/traces/v1/traces: leave /v1/traces out of "
                                  "OTEL_EXPORTER_OTLP_ENDPOINT: it is added" },
        { "/collect/v1/traces/v1/traces",
          "unknown path /collect/v1/traces/v1/traces: leave /v1/traces out of "
          "OTEL_EXPORTER_OTLP_ENDPOINT: it is added" },
        { "/", "unknown path /: set OTEL_EXPORTER_OTLP_ENDPOINT, or add /v1/traces to "
               "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" },
        { "/v1/metrics", "POST /v1/metrics: this server keeps traces only: metrics and logs have "
                         "no place here" },
        { "/a\x1b[2J", "unknown path /a\\x1b[2J: POST traces to /v1/traces" },
        { "/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
          "unknown path /0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde...: POST "
          "traces to /v1/traces" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_header header = { KIS_STR("content-type"), KIS_STR("application/json") };
        kis_request_head head = { .method = KIS_STR("POST"),
                                  .path = kis_str_from_c(rows[i].path),
                                  .headers = &header,
                                  .header_count = 1 };
        kis_request_form form;
        kis_refusal refusal;
        CHECK(!kis_receive_judge_head(new_receiver(), &head, &form, &refusal), rows[i].path);
        CHECK_INT(404, refusal.http_status, rows[i].path);
        CHECK_STR(rows[i].want, refusal.message, rows[i].path);
        CHECK(form.is_json && !form.is_text, "in the request's own encoding");
    }
}

TEST(who_sends_no_spans_is_answered_in_a_sentence)
{
    static const struct {
        const char *why, *method, *path, *type, *accept;
        int want_status;
        bool want_text, want_json;
        const char *want;
    } rows[] = {
        { "a browser", "GET", "/", "", "text/html,*/*;q=0.8", 404, true, false,
          "nothing to read here: POST spans to /v1/traces; the page is at http://page:1" },
        { "curl", "GET", "/v1/traces", "", "*/*", 405, true, false,
          "nothing to read here: POST spans to /v1/traces; the page is at http://page:1" },
        { "a tool that wants JSON", "GET", "/", "", "application/json", 404, false, true, NULL },
        { "one that wants protobuf", "GET", "/", "", "application/x-protobuf", 404, false, false,
          NULL },
        { "curl -d", "POST", "/v1/traces", "application/x-www-form-urlencoded", "*/*", 415, true,
          false, "content-type: want application/x-protobuf or application/json" },
        { "no type", "POST", "/v1/traces", "", "", 415, true, false, NULL },
        { "protobuf", "POST", "/v1/trace", "application/x-protobuf; a=b", "", 404, false, false,
          NULL },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_header headers[] = { { KIS_STR("content-type"), kis_str_from_c(rows[i].type) },
                                 { KIS_STR("accept"), kis_str_from_c(rows[i].accept) } };
        kis_request_head head = { .method = kis_str_from_c(rows[i].method),
                                  .path = kis_str_from_c(rows[i].path),
                                  .headers = headers,
                                  .header_count = 2 };
        kis_receiver *r = new_receiver();
        kis_request_form form;
        kis_refusal refusal;
        r->options.page = "http://page:1";
        CHECK(!kis_receive_judge_head(r, &head, &form, &refusal), rows[i].why);
        CHECK_INT(rows[i].want_status, refusal.http_status, rows[i].why);
        CHECK_INT(rows[i].want_text, form.is_text, rows[i].why);
        CHECK_INT(rows[i].want_json, form.is_json, rows[i].why);
        if (rows[i].want)
            CHECK_STR(rows[i].want, refusal.message, rows[i].why);
    }
}

TEST(pages_of_other_origins_may_not_send)
{
    static const struct {
        const char *origin, *why;
        bool want;
    } rows[] = {
        { "http://localhost", "this machine", true },
        { "http://localhost:5173", "this machine, a port", true },
        { "http://127.0.0.1:8080", "this machine by number", true },
        { "http://localhost.evil.example", "a name that begins like this machine's", false },
        { "http://127.0.0.10", "another address", false },
        { "https://shop.example.com", "named", true },
        { "http://shop.example.com", "named, but not encrypted", false },
        { "https://shop.example.com.evil.example", "a longer name", false },
        { "https://a.pages.example", "below a star", true },
        { "https://.pages.example", "nothing where the star is", true },
        { "https://pages.example", "the star's parent", false },
        { "null", "a sandboxed page", false },
    };
    kis_receiver *r = new_receiver();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("application/json") },
                                 { KIS_STR("origin"), kis_str_from_c(rows[i].origin) } };
        kis_request_head head = { .method = KIS_STR("POST"),
                                  .path = KIS_STR("/v1/traces"),
                                  .headers = headers,
                                  .header_count = 2 };
        kis_request_form form;
        kis_refusal refusal;
        CHECK_INT(rows[i].want, kis_receive_judge_head(r, &head, &form, &refusal), rows[i].why);
        if (!rows[i].want)
            CHECK_INT(403, refusal.http_status, rows[i].why);
        CHECK(form.is_json, "the refusal, too, is answered in JSON");
    }
}

TEST(a_key_longer_than_its_bound_is_refused_rather_than_cut)
{
    char key[KIS_IDEMPOTENCY_KEY_BYTES_MAX + 1];
    memset(key, 'k', sizeof(key));
    for (size_t len = sizeof(key) - 1; len <= sizeof(key); len++) {
        kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("application/json") },
                                 { KIS_STR("idempotency-key"), { key, len } } };
        kis_request_head head = { .method = KIS_STR("POST"),
                                  .path = KIS_STR("/v1/traces"),
                                  .headers = headers,
                                  .header_count = 2 };
        kis_request_form form;
        kis_refusal refusal;
        CHECK_INT(len < sizeof(key), kis_receive_judge_head(new_receiver(), &head, &form, &refusal),
                  "64 bytes pass, 65 do not");
    }
}

TEST(a_grpc_time_out_that_is_none_is_refused)
{
    static const struct {
        const char *value, *why;
        bool want;
    } rows[] = {
        { "5S", "five seconds", true },
        { "99999999n", "eight digits", true },
        { "5", "no unit", false },
        { "999999999S", "nine digits", false },
        { "", "empty", false },
        { "-5S", "negative", false },
        { "5x", "a unit nobody knows", false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("application/grpc") },
                                 { KIS_STR("grpc-timeout"), kis_str_from_c(rows[i].value) } };
        kis_request_head head = { .method = KIS_STR("POST"),
                                  .path = KIS_STR(GRPC_PATH),
                                  .headers = headers,
                                  .header_count = 2,
                                  .is_http2 = true };
        kis_request_form form;
        kis_refusal refusal;
        CHECK_INT(rows[i].want, kis_receive_judge_head(new_receiver(), &head, &form, &refusal),
                  rows[i].why);
        if (!rows[i].want)
            CHECK_INT(3, refusal.grpc_status, rows[i].why);
    }
}

TEST_MAIN(RUN(a_head_is_refused_for_what_it_says),
          RUN(a_wrong_path_is_named_with_the_way_out_of_the_usual_mistakes),
          RUN(who_sends_no_spans_is_answered_in_a_sentence),
          RUN(pages_of_other_origins_may_not_send),
          RUN(a_key_longer_than_its_bound_is_refused_rather_than_cut),
          RUN(a_grpc_time_out_that_is_none_is_refused))
