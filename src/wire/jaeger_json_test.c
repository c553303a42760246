/* Jaeger's JSON, byte for byte. */
#include "wire/jaeger_json.h"

#include <string.h>

#include "model/test_spans.h"
#include "tests/test.h"
#include "wire/json.h"

static kis_buf out;

static void reset(void)
{
    kis_buf_done(&out);
    kis_buf_init(&out, test_alloc, 64 << 20);
}

static kis_found_span found(const kis_batch *b, uint32_t scope, uint32_t span)
{
    return (kis_found_span){ &b->spans[span], kis_batch_resource(b, &b->scopes[scope]),
                             &b->scopes[scope] };
}

TEST(a_whole_trace_looks_as_jaeger_writes_it)
{
    test_spans t;
    kis_jaeger_json_trace trace;
    test_alloc_reset(-1);
    test_spans_begin(&t, test_alloc);
    test_spans_resource(&t, "shop");
    test_spans_resource_str(&t, "host.name", "h1");
    test_spans_scope(&t, "lib", "1.0");
    test_spans_add(&t, &(test_span){ .trace = 0x15,
                                     .span = 0x2,
                                     .name = "GET /",
                                     .kind = 2,
                                     .start_ns = 1700000000000001999,
                                     .end_ns = 1700000000000005000,
                                     .flags = 0x301 });
    test_spans_str(&t, "s", "a\"b");
    test_spans_int(&t, "safe", 9007199254740991);
    test_spans_int(&t, "large", 9007199254740992);
    test_spans_int(&t, "small", INT64_MIN);
    test_spans_double(&t, "d", 0.5);
    test_spans_bool(&t, "b", false);
    test_spans_bytes(&t, "bin", kis_bytes_of("\x00\x01\xff", 3));
    test_spans_array(&t, "list", "x", "y\"");
    test_spans_add(&t, &(test_span){ .trace = 0x15,
                                     .span = 0x3,
                                     .parent = 0x2,
                                     .name = "SELECT",
                                     .kind = 3,
                                     .start_ns = 1700000000000002000,
                                     .end_ns = 1700000000000001000,
                                     .status = 2,
                                     .status_message = "no",
                                     .trace_state = "a=b" });
    test_spans_event(&t, "exception", 1700000000000002500, "type", "E");
    test_spans_event(&t, "", 1700000000000002500, NULL, NULL);
    test_spans_link(&t, 0x16, 0x9, NULL, NULL);
    test_spans_link(&t, 0x17, 0xa, "opentracing.ref_type", "child_of");
    test_spans_link(&t, 0, 0, "note", "an empty link");
    test_spans_resource(&t, NULL);
    test_spans_scope(&t, "", "");
    test_spans_add(&t, &(test_span){ .trace = 0x15,
                                     .span = 0x4,
                                     .parent = 0x99,
                                     .name = "",
                                     .kind = 1,
                                     .start_ns = 5,
                                     .end_ns = 1005,
                                     .status = 1 });
    kis_batch *b = test_spans_end(&t);
    memset(b->spans[0].trace_id.bytes, 0, 8);
    b->spans[1].trace_id = b->spans[2].trace_id = b->spans[0].trace_id;
    b->spans[2].kind = 0;
    kis_str warning = KIS_STR("parent span not in the trace");
    reset();
    kis_jaeger_json_trace_begin(&trace, &out, test_alloc, &b->spans[0].trace_id);
    kis_found_span f = found(b, 0, 0);
    kis_jaeger_json_trace_span(&trace, &f, NULL, 0);
    f = found(b, 0, 1);
    kis_jaeger_json_trace_span(&trace, &f, NULL, 0);
    f = found(b, 1, 2);
    kis_jaeger_json_trace_span(&trace, &f, &warning, 1);
    kis_jaeger_json_trace_end(&trace, NULL, 0);
    char linked[2][33] = { { 0 } };
    for (int i = 0; i < 2; i++) {
        kis_trace_id id = test_trace_id(0x16 + (uint64_t)i);
        for (int n = 0; n < 16; n++)
            sprintf(linked[i] + 2 * n, "%02x", id.bytes[n]);
    }
    static char want[8192];
    snprintf(
        want, sizeof want,
        "{\"traceID\":\"0000000000000015\",\"spans\":["
        "{\"traceID\":\"0000000000000015\",\"spanID\":\"0000000000000002\",\"flags\":1,"
        "\"operationName\":\"GET /\",\"references\":[],"
        "\"startTime\":1700000000000001,\"duration\":3,\"tags\":["
        "{\"key\":\"otel.scope.name\",\"type\":\"string\",\"value\":\"lib\"},{\"key\":\"otel.scope."
        "version\",\"type\":\"string\",\"value\":\"1.0\"},"
        "{\"key\":\"s\",\"type\":\"string\",\"value\":\"a\\\"b\"},{\"key\":\"safe\",\"type\":"
        "\"int64\",\"value\":9007199254740991},"
        "{\"key\":\"large\",\"type\":\"int64\",\"value\":\"9007199254740992\"},{\"key\":\"small\","
        "\"type\":\"int64\",\"value\":\"-9223372036854775808\"},"
        "{\"key\":\"d\",\"type\":\"float64\",\"value\":0.5},{\"key\":\"b\",\"type\":\"bool\","
        "\"value\":false},"
        "{\"key\":\"bin\",\"type\":\"binary\",\"value\":\"AAH/"
        "\"},{\"key\":\"list\",\"type\":\"string\",\"value\":\"[\\\"x\\\",\\\"y\\\\\\\"\\\"]\"},"
        "{\"key\":\"span.kind\",\"type\":\"string\",\"value\":\"server\"}],\"logs\":[],"
        "\"processID\":\"p1\",\"warnings\":null},"
        "{\"traceID\":\"0000000000000015\",\"spanID\":\"0000000000000003\",\"operationName\":"
        "\"SELECT\",\"references\":["
        "{\"refType\":\"CHILD_OF\",\"traceID\":\"0000000000000015\",\"spanID\":"
        "\"0000000000000002\"},"
        "{\"refType\":\"FOLLOWS_FROM\",\"traceID\":\"%s\",\"spanID\":\"0000000000000009\"},"
        "{\"refType\":\"CHILD_OF\",\"traceID\":\"%s\",\"spanID\":\"000000000000000a\"}],"
        "\"startTime\":1700000000000002,\"duration\":0,\"tags\":["
        "{\"key\":\"otel.scope.name\",\"type\":\"string\",\"value\":\"lib\"},{\"key\":\"otel.scope."
        "version\",\"type\":\"string\",\"value\":\"1.0\"},"
        "{\"key\":\"span.kind\",\"type\":\"string\",\"value\":\"client\"},{\"key\":\"otel.status_"
        "code\",\"type\":\"string\",\"value\":\"ERROR\"},"
        "{\"key\":\"error\",\"type\":\"bool\",\"value\":true},{\"key\":\"otel.status_description\","
        "\"type\":\"string\",\"value\":\"no\"},"
        "{\"key\":\"w3c.tracestate\",\"type\":\"string\",\"value\":\"a=b\"}],\"logs\":["
        "{\"timestamp\":1700000000000002,\"fields\":[{\"key\":\"event\",\"type\":\"string\","
        "\"value\":\"exception\"},{\"key\":\"type\",\"type\":\"string\",\"value\":\"E\"}]},"
        "{\"timestamp\":1700000000000002,\"fields\":[]}],\"processID\":\"p1\",\"warnings\":null},"
        "{\"traceID\":\"0000000000000015\",\"spanID\":\"0000000000000004\",\"operationName\":\"\","
        "\"references\":["
        "{\"refType\":\"CHILD_OF\",\"traceID\":\"0000000000000015\",\"spanID\":"
        "\"0000000000000099\"}],"
        "\"startTime\":0,\"duration\":1,\"tags\":[{\"key\":\"otel.status_code\",\"type\":"
        "\"string\",\"value\":\"OK\"}],\"logs\":[],"
        "\"processID\":\"p2\",\"warnings\":[\"parent span not in the trace\"]}],"
        "\"processes\":{\"p1\":{\"serviceName\":\"shop\",\"tags\":[{\"key\":\"host.name\",\"type\":"
        "\"string\",\"value\":\"h1\"}]},"
        "\"p2\":{\"serviceName\":\"unknown_service\",\"tags\":[]}},\"warnings\":null}",
        linked[0], linked[1]);
    CHECK_STR(want, kis_buf_str(&out), "every byte");
    kis_batch_unref(b);
    kis_buf_done(&out);
    CHECK_INT(0, test_alloc_live(), "nothing is left over");
}

TEST(trace_ids_are_short_only_when_the_upper_half_is_zero)
{
    kis_trace_id id = { { [7] = 1, [15] = 2 } };
    reset();
    kis_jaeger_json_trace_id(&id, &out);
    CHECK_STR("\"00000000000000010000000000000002\"", kis_buf_str(&out), "32 digits");
    for (uint8_t kind = 0; kind < 7; kind++)
        CHECK_INT(kind < 6 ? kind : 0, kis_jaeger_kind_number(kis_jaeger_kind_text(kind)),
                  "kinds have names");
}

TEST(a_trace_of_many_resources_shares_processes_and_is_valid_json)
{
    kis_jaeger_json_trace trace;
    kis_json j;
    kis_batch *b = test_spans_generate(test_alloc,
                                       &(test_spans_spec){ .seed = 4,
                                                           .traces = 200,
                                                           .spans_per_trace = 5,
                                                           .start_unix_ns = 1700000000000000000u });
    reset();
    kis_jaeger_json_trace_begin(&trace, &out, test_alloc, &b->spans[0].trace_id);
    for (int again = 0; again < 2; again++)
        for (uint32_t s = 0; s < b->scope_count; s++)
            for (uint32_t i = 0; i < b->scopes[s].span_count; i++) {
                kis_found_span f = found(b, s, b->scopes[s].first_span + i);
                kis_jaeger_json_trace_span(&trace, &f, NULL, 0);
            }
    CHECK_INT(10, trace.identities.len, "a process a resource, however often it comes");
    kis_jaeger_json_trace_end(&trace, NULL, 0);
    kis_jaeger_json_trace_done(&trace);
    kis_json_begin(&j, kis_buf_bytes(&out), NULL);
    CHECK(kis_json_skip(&j) && kis_json_end(&j), "valid JSON");
    kis_batch_unref(b);
    kis_buf_done(&out);
    CHECK_INT(0, test_alloc_live(), "nothing is left over");
}

TEST(a_trace_survives_each_allocation_failing)
{
    kis_batch *b;
    test_alloc_reset(-1);
    b = test_spans_generate(
        test_alloc,
        &(test_spans_spec){
            .seed = 4, .traces = 4, .spans_per_trace = 5, .start_unix_ns = 1700000000000000000u });
    long live = test_alloc_live();
    for (long n = 0;; n++) {
        kis_jaeger_json_trace trace;
        kis_buf text;
        test_alloc_left_ = n;
        test_alloc_failed_ = false;
        kis_buf_init(&text, test_alloc, 1 << 20);
        kis_jaeger_json_trace_begin(&trace, &text, test_alloc, &b->spans[0].trace_id);
        for (uint32_t s = 0; s < b->scope_count; s++)
            for (uint32_t i = 0; i < b->scopes[s].span_count; i++) {
                kis_found_span f = found(b, s, b->scopes[s].first_span + i);
                kis_jaeger_json_trace_span(&trace, &f, NULL, 0);
            }
        kis_jaeger_json_trace_end(&trace, NULL, 0);
        kis_err err = text.err;
        kis_buf_done(&text);
        CHECK_INT(live, test_alloc_live(), "nothing is left over");
        if (!test_alloc_failed()) {
            CHECK_ERR(KIS_OK, err, "with memory it works");
            break;
        }
        CHECK_ERR(KIS_ERR_NOMEM, err, "without, it says so");
    }
    test_alloc_left_ = -1;
    kis_batch_unref(b);
}

TEST_MAIN(RUN(a_whole_trace_looks_as_jaeger_writes_it),
          RUN(trace_ids_are_short_only_when_the_upper_half_is_zero),
          RUN(a_trace_of_many_resources_shares_processes_and_is_valid_json),
          RUN(a_trace_survives_each_allocation_failing))
