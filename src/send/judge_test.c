#include "send/judge.h"

#include <string.h>

#include "tests/test.h"

#include "base/num.h"
#include "os/mem.h"
#include "wire/otlp.h"

#define NOW_UNIX_NS 784111777000000000u /* Sun, 06 Nov 1994 08:49:37 GMT */

static kis_judgement judge(kis_otlp_protocol protocol, const kis_client_answer *answer)
{
    kis_judgement out;
    memset(&out, 0x5a, sizeof(out));
    kis_judge_answer(protocol, answer, NOW_UNIX_NS, &kis_mem, &out);
    return out;
}

TEST(http_statuses_are_judged_as_the_specification_says)
{
    static const struct {
        int status;
        kis_verdict want;
    } rows[] = {
        { 200, KIS_VERDICT_TAKEN },     { 202, KIS_VERDICT_TAKEN },
        { 400, KIS_VERDICT_NEVER },     { 401, KIS_VERDICT_NEVER },
        { 404, KIS_VERDICT_NEVER },     { 408, KIS_VERDICT_NEVER },
        { 413, KIS_VERDICT_NEVER },     { 429, KIS_VERDICT_TRY_AGAIN },
        { 500, KIS_VERDICT_NEVER },     { 501, KIS_VERDICT_NEVER },
        { 502, KIS_VERDICT_TRY_AGAIN }, { 503, KIS_VERDICT_TRY_AGAIN },
        { 504, KIS_VERDICT_TRY_AGAIN },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char why[32];
        snprintf(why, sizeof(why), "HTTP %d", rows[i].status);
        kis_client_answer answer = { .status = rows[i].status };
        CHECK_INT(rows[i].want, judge(KIS_OTLP_HTTP_PROTOBUF, &answer).verdict, why);
    }
}

TEST(grpc_codes_are_judged_as_the_specification_says)
{
    for (uint64_t code = 0; code <= 16; code++) {
        char text[KIS_NUM_TEXT_MAX], why[32];
        kis_header status = { KIS_STR("grpc-status"), { text, kis_u64_format(code, text) } };
        kis_client_answer in_trailers = { .status = 200, .trailers = &status, .trailer_count = 1 };
        kis_client_answer in_headers = { .status = 200, .headers = &status, .header_count = 1 };
        bool may = code == 1 || code == 4 || code == 10 || code == 11 || code == 14 || code == 15;
        kis_verdict want = code == 0 ? KIS_VERDICT_TAKEN
                           : may     ? KIS_VERDICT_TRY_AGAIN
                                     : KIS_VERDICT_NEVER;

        snprintf(why, sizeof(why), "gRPC %d", (int)code);
        CHECK_INT(want, judge(KIS_OTLP_GRPC, &in_trailers).verdict, why);
        CHECK_INT(want, judge(KIS_OTLP_GRPC, &in_headers).verdict, why);
    }
}

TEST(resource_exhausted_is_tried_again_only_with_retry_info)
{
    uint8_t memory[256];
    char base64[400];
    kis_buf details;
    kis_buf_init_fixed(&details, memory, sizeof(memory));
    kis_rpc_status_encode(8, KIS_STR("slow down"), KIS_STR_NONE, 2500, false, &details);
    kis_base64_format(kis_buf_bytes(&details), base64);
    kis_header rows[] = { { KIS_STR("grpc-status"), KIS_STR("8") },
                          { KIS_STR("grpc-status-details-bin"),
                            { base64, kis_base64_size(details.len) } } };
    kis_client_answer with = { .status = 200, .headers = rows, .header_count = 2 };
    kis_client_answer without = { .status = 200, .headers = rows, .header_count = 1 };

    kis_judgement got = judge(KIS_OTLP_GRPC, &with);
    CHECK_INT(KIS_VERDICT_TRY_AGAIN, got.verdict, "with RetryInfo");
    CHECK_INT(2500, got.wait_ms, "its wait");
    CHECK_INT(KIS_VERDICT_NEVER, judge(KIS_OTLP_GRPC, &without).verdict, "without");
    CHECK_ERR(KIS_ERR_LIMIT, judge(KIS_OTLP_GRPC, &without).err, "it is too large");
}

TEST(partial_success_is_taken_and_told)
{
    uint8_t memory[256];
    kis_buf body;
    kis_buf_init_fixed(&body, memory, sizeof(memory));
    kis_otlp_response_encode(3, KIS_STR("ids\nare bad"), false, &body);
    kis_client_answer answer = { .status = 200, .body = kis_buf_bytes(&body) };

    kis_judgement got = judge(KIS_OTLP_HTTP_PROTOBUF, &answer);
    CHECK_INT(KIS_VERDICT_TAKEN, got.verdict, "it is never tried again");
    CHECK_INT(3, got.rejected_spans, "how many");
    CHECK_STR("the receiver rejected 3 spans: ids\\nare bad", kis_str_from_c(got.text),
              "escaped for a log");
}

TEST(tls_that_was_not_expected_is_named)
{
    static const char go[] = "Client sent an HTTP request to an HTTPS server.\n";
    kis_client_answer plain = { .status = 400, .body = { (const uint8_t *)go, sizeof(go) - 1 } };
    kis_client_answer other = { .status = 400, .body = { (const uint8_t *)"no", 2 } };
    kis_client_answer untrusted = { .err = KIS_ERR_IO,
                                    .diag.text =
                                        "connect to c:1: TLS handshake: self-signed certificate" };
    CHECK_STR("HTTP 400: it speaks TLS; write https:// instead of http:// in the endpoint",
              kis_str_from_c(judge(KIS_OTLP_HTTP_PROTOBUF, &plain).text), "plain HTTP to TLS");
    CHECK_STR("HTTP 400", kis_str_from_c(judge(KIS_OTLP_HTTP_PROTOBUF, &other).text), "another");
    CHECK(strstr(judge(KIS_OTLP_GRPC, &untrusted).text, "OTEL_EXPORTER_OTLP_CERTIFICATE"),
          "a certificate of nobody we trust");
}

TEST(the_other_language_is_named)
{
    kis_client_answer not_http = { .err = KIS_ERR_SYNTAX };
    kis_client_answer not_grpc = { .status = 200 };
    CHECK(strstr(judge(KIS_OTLP_HTTP_PROTOBUF, &not_http).text, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"),
          "HTTP to a gRPC port");
    CHECK(strstr(judge(KIS_OTLP_GRPC, &not_grpc).text, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"),
          "gRPC to an HTTP port");
    kis_client_answer ours = { .err = KIS_ERR_SYNTAX,
                               .was_refused = true,
                               .diag.text = "header 2 of a request: a name or value" };
    CHECK_STR("header 2 of a request: a name or value",
              kis_str_from_c(judge(KIS_OTLP_GRPC, &ours).text),
              "a request of ours that cannot be sent says nothing about the endpoint");
    CHECK_INT(KIS_VERDICT_NEVER, judge(KIS_OTLP_GRPC, &not_grpc).verdict,
              "an HTTP 200 is not a gRPC success");
}

TEST(a_wrong_port_or_path_is_told_where_spans_go)
{
    static const int statuses[] = { 404, 405 };
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        char want[96];
        kis_client_answer answer = { .status = statuses[i] };
        snprintf(want, sizeof(want), "HTTP %d (OTLP/HTTP goes to port 4318, path /v1/traces)",
                 statuses[i]);
        CHECK_STR(want, kis_str_from_c(judge(KIS_OTLP_HTTP_PROTOBUF, &answer).text),
                  "the port of the page or of gRPC is the usual cause");
    }
}

TEST(a_connection_that_fails_says_what_to_do_about_it)
{
    static const struct {
        const char *why, *text;
        kis_otlp_protocol protocol;
        const char *want;
    } rows[] = {
        { "gRPC without a scheme means TLS",
          "connect to localhost:4317: TLS handshake: what came is not TLS; is it plain text there?",
          KIS_OTLP_GRPC, "OTEL_EXPORTER_OTLP_INSECURE=true" },
        { "https where http is spoken",
          "connect to localhost:4318: TLS handshake: what came is not TLS; is it plain text there?",
          KIS_OTLP_HTTP_PROTOBUF, "Write http:// instead of https://" },
        { "nobody is there", "connect to localhost:4999: connection refused",
          KIS_OTLP_HTTP_PROTOBUF, "is the collector running there?" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_client_answer lost = { .err = KIS_ERR_IO };
        snprintf(lost.diag.text, sizeof(lost.diag.text), "%s", rows[i].text);
        kis_judgement got = judge(rows[i].protocol, &lost);
        CHECK(strstr(got.text, rows[i].want), got.text);
    }
}

TEST(lost_connections_are_tried_again)
{
    kis_client_answer lost = { .err = KIS_ERR_IO };
    CHECK_INT(KIS_VERDICT_TRY_AGAIN, judge(KIS_OTLP_HTTP_PROTOBUF, &lost).verdict, "reset");
    lost.err = KIS_ERR_TIMEOUT;
    CHECK_INT(KIS_VERDICT_TRY_AGAIN, judge(KIS_OTLP_GRPC, &lost).verdict, "no answer in time");
    lost.err = KIS_ERR_LIMIT;
    CHECK_INT(KIS_VERDICT_NEVER, judge(KIS_OTLP_GRPC, &lost).verdict,
              "an answer larger than 4 MiB");
}

TEST(retry_after_is_read_in_both_forms_and_capped)
{
    static const struct {
        const char *value;
        uint64_t want_ms;
        const char *why;
    } rows[] = {
        { "0", 0, "at once" },
        { "7", 7000, "seconds" },
        { "-1", 0, "negative" },
        { "315360000", KIS_RETRY_AFTER_MS_MAX, "ten years" },
        { "99999999999999999999", 0, "not a number that exists" },
        { "Sun, 06 Nov 1994 08:49:40 GMT", 3000, "a date three seconds away" },
        { "Sun, 06 Nov 1994 08:49:30 GMT", 0, "a date in the past" },
        { "Sun, 06 Nov 2094 08:49:37 GMT", KIS_RETRY_AFTER_MS_MAX, "a century" },
        { "Sun, 06 Xxx 1994 08:49:40 GMT", 0, "no such month" },
        { "soon", 0, "nonsense" },
        { "", 0, "nothing" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_INT(rows[i].want_ms,
                  kis_retry_after_parse(kis_str_from_c(rows[i].value), NOW_UNIX_NS), rows[i].why);
}

TEST(backoff_grows_by_half_with_jitter_and_is_capped)
{
    CHECK_INT(500, kis_backoff_ms(0, 1000, 30000, 0), "first, least");
    CHECK_INT(1499, kis_backoff_ms(0, 1000, 30000, 0xffff), "first, most");
    CHECK_INT(750, kis_backoff_ms(1, 1000, 30000, 0), "second, least");
    CHECK_INT(15000, kis_backoff_ms(100, 1000, 30000, 0), "capped");
    CHECK(kis_backoff_ms(4000000000u, 1, UINT32_MAX, UINT64_MAX) > 0, "never overflows");
}

TEST_MAIN(RUN(http_statuses_are_judged_as_the_specification_says),
          RUN(grpc_codes_are_judged_as_the_specification_says),
          RUN(resource_exhausted_is_tried_again_only_with_retry_info),
          RUN(partial_success_is_taken_and_told), RUN(tls_that_was_not_expected_is_named),
          RUN(the_other_language_is_named), RUN(a_wrong_port_or_path_is_told_where_spans_go),
          RUN(lost_connections_are_tried_again),
          RUN(a_connection_that_fails_says_what_to_do_about_it),
          RUN(retry_after_is_read_in_both_forms_and_capped),
          RUN(backoff_grows_by_half_with_jitter_and_is_capped))
