/* google.rpc.Status and ExportTraceServiceResponse: byte for byte, and read back. */
#include <string.h>

#include "model/test_spans.h"
#include "tests/test.h"
#include "wire/otlp.h"

static uint8_t memory[8192];
static kis_buf out;
static kis_arena arena;

static kis_bytes status(int code, const char *message, const char *field, uint64_t retry_ms,
                        bool json)
{
    kis_buf_init_fixed(&out, memory, sizeof memory);
    kis_rpc_status_encode(code, kis_str_from_c(message), kis_str_from_c(field), retry_ms, json,
                          &out);
    CHECK_ERR(KIS_OK, out.err, "it fits");
    return kis_buf_bytes(&out);
}

TEST(status_is_written_as_google_does)
{
    CHECK_BYTES("\x08\x03\x12\x02no", 6, status(3, "no", "", 0, false), "code and message");
    CHECK_STR("{\"code\":3,\"message\":\"no\"}", kis_str_of_bytes(status(3, "no", "", 0, true)),
              "in JSON");
    CHECK_STR("{\"code\":3,\"message\":\"n\\\"o\",\"details\":[{\"@type\":\"type.googleapis.com/"
              "google.rpc.BadRequest\",\"fieldViolations\":"
              "[{\"field\":\"trace_id\",\"description\":\"n\\\"o\"}]},{\"@type\":\"type.googleapis."
              "com/google.rpc.RetryInfo\",\"retryDelay\":\"1.500s\"}]}",
              kis_str_of_bytes(status(3, "n\"o", "trace_id", 1500, true)), "with both details");
    static const char retry[] = "\x08\x0e\x1a\x31\x0a\x28type.googleapis.com/"
                                "google.rpc.RetryInfo\x12\x05\x0a\x03\x08\xac\x02";
    CHECK_BYTES(retry, sizeof retry - 1, status(14, "", "", 300000, false), "300 s");
}

TEST(status_reads_back)
{
    static const uint64_t delays[] = { 0, 1, 999, 1000, 1500, 300000, 86400000 };
    test_alloc_reset(-1);
    kis_arena_init(&arena, test_alloc, 1 << 16);
    for (size_t i = 0; i < COUNT_OF(delays) * 2; i++) {
        int code = 0;
        kis_str message;
        uint64_t retry = 77;
        kis_bytes bytes = status(8, "l\nong", i % 3 ? "field" : "", delays[i / 2], i % 2);
        CHECK_ERR(KIS_OK, kis_rpc_status_decode(bytes, i % 2, &arena, &code, &message, &retry),
                  "reads back");
        CHECK_INT(8, code, "code");
        CHECK_STR("l\nong", message, "message");
        CHECK_INT(delays[i / 2], retry, "delay");
        /* cut anywhere: an error or a part, never a byte too many */
        for (size_t len = 0; len < bytes.len; len++) {
            uint8_t *copy = malloc(len ? len : 1);
            memcpy(copy, bytes.ptr, len);
            (void)!kis_rpc_status_decode((kis_bytes){ copy, len }, i % 2, &arena, &code, &message,
                                         &retry);
            free(copy);
        }
    }
    kis_arena_done(&arena);
}

TEST(status_of_strangers_is_understood)
{
    static const struct {
        const char *why, *text;
        kis_err want;
        int code;
        uint64_t retry;
    } rows[] = {
        { "unknown details", "{\"code\":8,\"details\":[{\"@type\":\"x\",\"a\":[1]},5,null]}",
          KIS_OK, 8, 0 },
        { "a delay in other words", "{\"code\":8,\"details\":[{\"retryDelay\":{\"seconds\":5}}]}",
          KIS_OK, 8, 0 },
        { "nanoseconds round up", "{\"details\":[{\"retryDelay\":\"0.000000001s\"}]}", KIS_OK, 0,
          1 },
        { "an absurd delay", "{\"details\":[{\"retryDelay\":\"99999999999999999999s\"}]}", KIS_OK,
          0, 315360000000 },
        { "a delay that is none", "{\"details\":[{\"retryDelay\":\"soon\"}]}", KIS_OK, 0, 0 },
        { "nulls", "{\"code\":null,\"message\":null,\"details\":null}", KIS_OK, 0, 0 },
        { "not JSON", "<html>", KIS_ERR_SYNTAX, 0, 0 },
        { "nothing", "", KIS_ERR_SYNTAX, 0, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int code = 0;
        kis_str message = KIS_STR_NONE;
        uint64_t retry = 0;
        CHECK_ERR(rows[i].want,
                  kis_rpc_status_decode(kis_bytes_of(rows[i].text, strlen(rows[i].text)), true,
                                        NULL, &code, &message, &retry),
                  rows[i].why);
        CHECK_INT(rows[i].code, code, rows[i].why);
        CHECK_INT(rows[i].retry, retry, rows[i].why);
    }
    int code = 0;
    kis_str message;
    uint64_t retry = 0;
    CHECK_ERR(
        KIS_ERR_MORE,
        kis_rpc_status_decode(kis_bytes_of("\x12\x09x", 3), false, NULL, &code, &message, &retry),
        "cut short");
}

static kis_bytes response(uint64_t rejected, const char *message, bool json)
{
    kis_buf_init_fixed(&out, memory, sizeof memory);
    kis_otlp_response_encode(rejected, kis_str_from_c(message), json, &out);
    return kis_buf_bytes(&out);
}

TEST(responses_are_what_otlp_says)
{
    CHECK_INT(0, response(0, "", false).len, "all went well: no bytes");
    CHECK_STR("{\"partialSuccess\":{}}", kis_str_of_bytes(response(0, "", true)), "in JSON");
    CHECK_BYTES("\x0a\x06\x08\x02\x12\x02no", 8, response(2, "no", false), "two rejected");
    CHECK_STR("{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"no\"}}",
              kis_str_of_bytes(response(2, "no", true)), "in JSON");
    static char message[4000];
    memset(message, 'x', sizeof message - 1);
    memcpy(message + KIS_ERROR_TEXT_MAX - 1, "\xc3\xa9", 2);
    CHECK(response(1, message, false).len < KIS_ERROR_TEXT_MAX + 10, "a message is cut");
    CHECK(kis_utf8_is_valid(kis_str_of_bytes(response(1, message, true))), "at a character");
}

TEST(responses_read_back_and_those_of_strangers_too)
{
    static const struct {
        const char *why, *bytes;
        size_t len;
        bool json;
        kis_err want;
        uint64_t rejected;
        const char *message;
    } rows[] = {
        { "nothing", "", 0, false, KIS_OK, 0, "" },
        { "nothing, JSON", "", 0, true, KIS_OK, 0, "" },
        { "{}", "{}", 2, true, KIS_OK, 0, "" },
        { "null", "{\"partialSuccess\":null,\"x\":[1]}", 31, true, KIS_OK, 0, "" },
        { "a number", "{\"partial_success\":{\"rejected_spans\":3,\"error_message\":\"m\"}}", 60,
          true, KIS_OK, 3, "m" },
        { "a negative number", "{\"partialSuccess\":{\"rejectedSpans\":\"-3\"}}", 41, true, KIS_OK,
          0, "" },
        { "protobuf", "\x0a\x05\x08\x03\x12\x01m\x10\x01", 9, false, KIS_OK, 3, "m" },
        { "cut short", "\x0a\x05\x08\x03", 4, false, KIS_ERR_MORE, 0, "" },
        { "cut inside", "\x0a\x02\x12\x09", 4, false, KIS_ERR_MORE, 0, "" },
        { "not JSON", "<html>", 6, true, KIS_ERR_SYNTAX, 0, "" },
        { "an array", "[]", 2, true, KIS_ERR_SYNTAX, 0, "" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t rejected = 0;
        kis_str message = KIS_STR_NONE;
        CHECK_ERR(rows[i].want,
                  kis_otlp_response_decode(kis_bytes_of(rows[i].bytes, rows[i].len), rows[i].json,
                                           NULL, &rejected, &message),
                  rows[i].why);
        CHECK_INT(rows[i].rejected, rejected, rows[i].why);
        CHECK_STR(rows[i].message, message, rows[i].why);
    }
}

TEST_MAIN(RUN(status_is_written_as_google_does), RUN(status_reads_back),
          RUN(status_of_strangers_is_understood), RUN(responses_are_what_otlp_says),
          RUN(responses_read_back_and_those_of_strangers_too))
