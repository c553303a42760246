/* OTLP/JSON: round trips, what senders may write, what is rejected and refused. */
#include <string.h>

#include "model/test_spans.h"
#include "tests/test.h"
#include "wire/json.h"
#include "wire/otlp.h"
#include "wire/test_views.h"

#define START 1700000000000000000ull
#define IDS   "\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"b7ad6b7169203331\""

static kis_diag diag;

static kis_batch *decode(kis_bytes text, kis_err want, const char *why)
{
    kis_batch *batch = kis_batch_new(test_alloc, (size_t)64 << 20);
    uint8_t *copy = test_alloc->take(NULL, text.len);
    memcpy(copy, text.ptr, text.len);
    kis_batch_adopt_body(batch, copy, text.len, text.len, test_alloc);
    diag.text[0] = 0;
    CHECK_ERR(want, kis_otlp_json_decode(batch, &diag), why);
    CHECK(!batch->is_verbatim, "a JSON body is no protobuf request");
    if (want == KIS_OK)
        views_check_batch(batch);
    return batch;
}

/* A request of one span with these members besides its ids. */
static kis_batch *decode_span(const char *members, kis_err want)
{
    static char text[400000];
    int len = snprintf(text, sizeof text,
                       "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" IDS "%s%s}]}]}]}",
                       *members ? "," : "", members);
    return decode(kis_bytes_of(text, (size_t)len), want, members);
}

TEST(json_encoded_decodes_to_the_same)
{
    kis_buf text;
    test_alloc_reset(-1);
    kis_buf_init(&text, test_alloc, 64 << 20);
    for (uint64_t seed = 1; seed <= 10; seed++) {
        kis_batch *batch = test_spans_generate(
            test_alloc,
            &(test_spans_spec){
                .seed = seed, .traces = 20, .spans_per_trace = 5, .start_unix_ns = START });
        kis_buf_clear(&text);
        kis_otlp_json_encode(batch, &text);
        CHECK_ERR(KIS_OK, text.err, "encoded");
        kis_batch *again = decode(kis_buf_bytes(&text), KIS_OK, "decoded");
        CHECK(views_same_batch(batch, again), "the same spans");
        CHECK(again->span_count > 0 && again->spans[0].bytes.len > 0,
              "a span has its protobuf bytes");
        kis_batch_unref(batch);
        kis_batch_unref(again);
    }
    kis_buf_done(&text);
    CHECK_INT(0, test_alloc_live(), "nothing is left over");
}

TEST(json_stream_groups_neighbours)
{
    kis_otlp_json_stream stream;
    kis_buf text;
    kis_buf_init(&text, test_alloc, 64 << 20);
    kis_batch *batch = test_spans_generate(
        test_alloc,
        &(test_spans_spec){ .seed = 3, .traces = 5, .spans_per_trace = 5, .start_unix_ns = START });
    kis_otlp_json_stream_begin(&stream, &text);
    for (uint32_t s = 0; s < batch->scope_count; s++)
        for (uint32_t i = 0; i < batch->scopes[s].span_count; i++)
            kis_otlp_json_stream_span(
                &stream, &(kis_found_span){ &batch->spans[batch->scopes[s].first_span + i],
                                            kis_batch_resource(batch, &batch->scopes[s]),
                                            &batch->scopes[s] });
    kis_otlp_json_stream_end(&stream);
    kis_batch *again = decode(kis_buf_bytes(&text), KIS_OK, "a stream");
    CHECK(views_same_batch(batch, again), "the same spans");
    CHECK_INT(batch->resource_count, again->resource_count, "one envelope a resource");
    kis_buf_clear(&text);
    kis_otlp_json_stream_begin(&stream, &text);
    kis_otlp_json_stream_end(&stream);
    CHECK_STR("{\"resourceSpans\":[]}", kis_buf_str(&text), "a stream of nothing");
    kis_batch_unref(batch);
    kis_batch_unref(again);
    kis_buf_done(&text);
}

TEST(json_written_differently_means_the_same)
{
    static const char *const rows[] = {
        "\"name\":\"n\",\"kind\":2,\"startTimeUnixNano\":\"18446744073709551615\",\"flags\":257,"
        "\"droppedAttributesCount\":3",
        "\"kind\":\"SPAN_KIND_SERVER\",\"name\":\"n\",\"startTimeUnixNano\":18446744073709551615,"
        "\"flags\":\"257\",\"droppedAttributesCount\":\"3\"",
        "\"name\":\"n\",\"kind\":\"2\",\"start_time_unix_nano\":\"18446744073709551615\",\"flags\":"
        "257.0,\"dropped_attributes_count\":3e0",
        "\"name\":null,\"name\":\"first\",\"name\":\"n\",\"kind\":2,\"unknown\":{\"a\":[{}]},"
        "\"startTimeUnixNano\":\"18446744073709551615\",\"flags\":257,"
        "\"droppedAttributesCount\":3,\"links\":null,\"status\":null,\"events\":[]",
        "\n \"\\u006eame\" : \"\\u006e\" , \"kind\" : 2 , \"startTimeUnixNano\" : "
        "\"18446744073709551615\" , \"flags\" : 257 , \"droppedAttributesCount\" : 3 ",
        "\"traceId\":\"0AF7651916CD43DD8448EB211C80319C\",\"name\":\"n\",\"kind\":2,"
        "\"startTimeUnixNano\":\"18446744073709551615\",\"flags\":257,\"droppedAttributesCount\":3",
    };
    kis_batch *first = decode_span(rows[0], KIS_OK);
    CHECK(first->spans[0].start_unix_ns == UINT64_MAX, "all 64 bits");
    CHECK_INT(2, first->spans[0].kind, "server");
    for (size_t i = 1; i < COUNT_OF(rows); i++) {
        kis_batch *other = decode_span(rows[i], KIS_OK);
        CHECK(views_same_span(&first->spans[0], &other->spans[0]), rows[i]);
        kis_batch_unref(other);
    }
    kis_batch_unref(first);
}

static kis_value_view attr_of(kis_batch *batch, const char *key)
{
    kis_value_view value = { 0 };
    CHECK(kis_attrs_find(batch->spans[0].attrs, kis_str_from_c(key), &value), key);
    return value;
}

TEST(json_values_of_every_kind_are_read)
{
    kis_batch *b = decode_span(
        "\"attributes\":[{\"key\":\"s\",\"value\":{\"stringValue\":\"\\u00fc\"}},{\"key\":\"i\","
        "\"value\":{\"intValue\":\"-9223372036854775808\"}},"
        "{\"key\":\"n\",\"value\":{\"intValue\":42}},{\"key\":\"t\",\"value\":{\"boolValue\":true}}"
        ",{\"key\":\"f\",\"value\":{\"boolValue\":false}},"
        "{\"key\":\"d\",\"value\":{\"doubleValue\":0.1}},{\"key\":\"inf\",\"value\":{"
        "\"doubleValue\":\"-Infinity\"}},"
        "{\"key\":\"b\",\"value\":{\"bytesValue\":\"AAH/"
        "\"}},{\"key\":\"e\",\"value\":{}},{\"key\":\"0\",\"value\":null},{\"key\":\"none\"},"
        "{\"value\":{\"stringValue\":\"v\"},\"key\":\"turned\"},{\"key\":\"last\",\"value\":{"
        "\"stringValue\":\"x\",\"intValue\":7}},"
        "{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":1},null,{"
        "\"arrayValue\":{}}]}}},"
        "{\"key\":\"m\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{"
        "\"intValue\":\"5\"}}]}}},"
        "{\"key\":\"twice\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":1},{\"intValue\":"
        "2}],\"values\":[{\"intValue\":3}]}}}]",
        KIS_OK);
    kis_value_view item;
    CHECK_STR("ü", attr_of(b, "s").str, "text");
    CHECK(attr_of(b, "i").integer == INT64_MIN, "the smallest integer");
    CHECK_INT(42, attr_of(b, "n").integer, "a bare number");
    CHECK(attr_of(b, "t").boolean && !attr_of(b, "f").boolean, "booleans");
    CHECK(attr_of(b, "d").number == 0.1, "a double");
    CHECK(attr_of(b, "inf").number < -1.7976931348623157e308, "infinity");
    CHECK_BYTES("\x00\x01\xff", 3, attr_of(b, "b").bytes, "bytes");
    CHECK_INT(KIS_VALUE_NONE, attr_of(b, "e").kind, "an empty value");
    CHECK_INT(KIS_VALUE_NONE, attr_of(b, "0").kind, "null");
    CHECK_INT(KIS_VALUE_NONE, attr_of(b, "none").kind, "no value");
    CHECK_STR("v", attr_of(b, "turned").str, "value before key");
    CHECK_INT(7, attr_of(b, "last").integer, "the last of a oneof");
    kis_cursor c = kis_cursor_of(attr_of(b, "a").values);
    CHECK(kis_array_next(&c, &item) && item.integer == 1, "first");
    CHECK(kis_array_next(&c, &item) && item.kind == KIS_VALUE_NONE, "null in an array");
    CHECK(kis_array_next(&c, &item) && item.kind == KIS_VALUE_ARRAY, "array in an array");
    CHECK(kis_attrs_find(attr_of(b, "m").members, KIS_STR("k"), &item) && item.integer == 5,
          "a list");
    c = kis_cursor_of(attr_of(b, "twice").values);
    CHECK(kis_array_next(&c, &item) && item.integer == 3 && !kis_array_next(&c, &item),
          "the last of two lists");
    kis_batch_unref(b);
}

TEST(json_keys_that_stand_twice_count_once)
{
    kis_batch *b = decode_span(
        "\"attributes\":[{\"key\":\"gone\"}],\"events\":[{\"name\":\"gone\"}],\"links\":[{}],"
        "\"name\":\"n\",\"attributes\":[{\"key\":\"a\"},{\"key\":\"b\"}],"
        "\"events\":[{\"name\":\"e\"}],\"attributes\":[{\"key\":\"c\"}]",
        KIS_OK);
    kis_value_view value;
    kis_event_view event;
    kis_cursor c = kis_cursor_of(b->spans[0].events);
    CHECK_INT(1, b->spans[0].attr_count, "attributes of the last one");
    CHECK(kis_attrs_find(b->spans[0].attrs, KIS_STR("c"), &value), "c");
    CHECK_INT(1, b->spans[0].event_count, "events of the last one");
    CHECK(kis_event_next(&c, &event), "an event");
    CHECK_STR("e", event.name, "e");
    CHECK_INT(1, b->spans[0].link_count, "links are as they were");
    CHECK_STR("n", b->spans[0].name, "and so is the name");
    kis_batch_unref(b);
}

TEST(json_spans_with_wrong_ids_are_rejected)
{
    static const struct {
        const char *why, *trace, *span, *parent, *reason;
    } rows[] = {
        { "base64", "CvdlGRbNQ92ESOshHIAxnA==", "b7ad6b7169203331", "",
          "span 0: trace_id: want 32 hex digits, at byte 54" },
        { "an odd number of digits", "0af7651916cd43dd8448eb211c80319", "b7ad6b7169203331", "",
          "span 0: trace_id: want 32 hex digits, at byte 54" },
        { "not hex", "0af7651916cd43dd8448eb211c80319g", "b7ad6b7169203331", "",
          "span 0: trace_id: want 32 hex digits, at byte 54" },
        { "too short", "b7ad6b7169203331", "b7ad6b7169203331", "",
          "span 0: trace_id: want 32 hex digits, at byte 54" },
        { "empty", "", "b7ad6b7169203331", "", "span 0: trace_id: want 32 hex digits, at byte 54" },
        { "zeros", "00000000000000000000000000000000", "b7ad6b7169203331", "",
          "span 0: trace_id: none, or all zero" },
        { "span id not hex", "0af7651916cd43dd8448eb211c80319c", "b7ad6b716920333x", "",
          "span 0: span_id: want 16 hex digits, at byte 98" },
        { "parent not hex", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "x",
          "span 0: parent_span_id: want 16 hex digits, at byte 132" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[600];
        int len = snprintf(text, sizeof text,
                           "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"%s\","
                           "\"spanId\":\"%s\",\"parentSpanId\":\"%s\"},{" IDS "}]}]}]}",
                           rows[i].trace, rows[i].span, rows[i].parent);
        kis_batch *b = decode(kis_bytes_of(text, (size_t)len), KIS_OK, rows[i].why);
        CHECK_INT(1, b->span_count, rows[i].why);
        CHECK_INT(1, b->rejected_spans, rows[i].why);
        CHECK_STR(rows[i].reason, b->reject_reason, rows[i].why);
        kis_batch_unref(b);
    }
}

TEST(json_that_means_nothing_is_refused_and_said_where)
{
    static const struct {
        const char *members, *text;
    } rows[] = {
        { "\"name\":5", "span 0: name: want a string, at byte 124" },
        { "\"startTimeUnixNano\":\"soon\"",
          "span 0: startTimeUnixNano: want an integer without sign, of 64 bits, at byte 137" },
        { "\"startTimeUnixNano\":-1",
          "span 0: startTimeUnixNano: want an integer without sign, of 64 bits, at byte 137" },
        { "\"flags\":4294967296", "span 0: flags: want an integer of 32 bits, at byte 135" },
        { "\"kind\":\"SPAN_KIND_SURFER\"",
          "span 0: kind: want an integer without sign, of 64 bits, at byte 124" },
        { "\"attributes\":{}", "span 0: attributes: want an array, at byte 130" },
        { "\"attributes\":[5]", "span 0: attributes: want an object, at byte 131" },
        { "\"attributes\":[{\"key\":\"k\",\"value\":{\"bytesValue\":\"*\"}}]",
          "span 0: attributes: want base64, at byte 164" },
        { "\"attributes\":[{\"key\":\"k\",\"value\":{\"intValue\":1.5}}]",
          "span 0: attributes: want an integer of 64 bits, at byte 162" },
        { "\"name\":\"a\nb\"",
          "span 0: name: a string that does not end, or a control character in it, at byte 124" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_batch *b = decode_span(rows[i].members, KIS_ERR_SYNTAX);
        CHECK_STR(rows[i].text, kis_str_from_c(diag.text), rows[i].members);
        kis_batch_unref(b);
    }
    static const char *const texts[] = { "", "[]", "{", "{\"resourceSpans\":5}", "{} {}", "null" };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        kis_batch_unref(decode(kis_bytes_of(texts[i], strlen(texts[i])), KIS_ERR_SYNTAX, texts[i]));
    kis_batch *b = decode(kis_bytes_of("{}", 2), KIS_OK, "an empty request");
    CHECK_INT(0, b->span_count, "has no spans");
    kis_batch_unref(b);
}

TEST(json_nested_too_deep_is_refused_without_recursion)
{
    static char members[300000];
    size_t len = (size_t)sprintf(members, "\"unknown\":");
    memset(members + len, '[', 50000);
    kis_batch_unref(decode_span(members, KIS_ERR_SYNTAX));
    len = (size_t)sprintf(members, "\"attributes\":[{\"key\":\"k\",\"value\":");
    for (int i = 0; i < 5000; i++)
        len += (size_t)sprintf(members + len, "{\"arrayValue\":{\"values\":[");
    kis_batch_unref(decode_span(members, KIS_ERR_SYNTAX));
    /* deeper than values may be, not deeper than JSON may be */
    len = (size_t)sprintf(members, "\"attributes\":[{\"key\":\"k\",\"value\":");
    for (int i = 0; i < 35; i++)
        len += (size_t)sprintf(members + len, "{\"arrayValue\":{\"values\":[");
    len += (size_t)sprintf(members + len, "{\"intValue\":1}");
    for (int i = 0; i < 35; i++)
        len += (size_t)sprintf(members + len, "]}}");
    sprintf(members + len, "}]");
    kis_batch *b = decode_span(members, KIS_OK);
    CHECK_INT(1, b->cut_values, "cut as in protobuf");
    kis_batch_unref(b);
}

TEST(json_text_that_is_not_utf8_is_repaired_and_written_valid)
{
    kis_batch *b = decode_span("\"name\":\"a\xff\\u0000\",\"attributes\":[{\"key\":\"k\xc0\xaf\","
                               "\"value\":{\"stringValue\":\"\xed\xa0\x80\"}}]",
                               KIS_OK);
    kis_buf text;
    CHECK(kis_str_eq(KIS_STR("a\xef\xbf\xbd\0"), b->spans[0].name), "repaired, NUL kept");
    kis_buf_init(&text, test_alloc, 1 << 20);
    kis_otlp_json_encode(b, &text);
    CHECK(kis_utf8_is_valid(kis_buf_str(&text)), "valid UTF-8");
    kis_json j;
    kis_json_begin(&j, kis_buf_bytes(&text), NULL);
    CHECK(kis_json_skip(&j) && kis_json_end(&j), "valid JSON");
    kis_buf_done(&text);
    kis_batch_unref(b);
}

/* Bytes that never went through a decoder: from a disk, say. */
TEST(json_of_damaged_bytes_is_valid_all_the_same)
{
    uint64_t random = 7;
    kis_batch *batch = test_spans_generate(
        test_alloc,
        &(test_spans_spec){ .seed = 2, .traces = 4, .spans_per_trace = 5, .start_unix_ns = START });
    for (int round = 0; round < 3000; round++) {
        kis_buf text;
        kis_json j;
        uint32_t i = (uint32_t)(test_random(&random) % batch->span_count);
        kis_span_view span = batch->spans[i];
        uint8_t *copy = malloc(span.bytes.len);
        memcpy(copy, span.bytes.ptr, span.bytes.len);
        for (int n = 0; n < 5; n++)
            copy[test_random(&random) % span.bytes.len] = (uint8_t)test_random(&random);
        span.attrs.ptr = copy + (span.attrs.ptr - span.bytes.ptr);
        span.name.ptr = (char *)copy + ((const uint8_t *)span.name.ptr - span.bytes.ptr);
        if (span.events.len)
            span.events.ptr = copy + (span.events.ptr - span.bytes.ptr);
        kis_buf_init(&text, test_alloc, 1 << 20);
        kis_otlp_json_encode_span(&span, &text);
        kis_json_begin(&j, kis_buf_bytes(&text), NULL);
        CHECK(kis_json_skip(&j) && kis_json_end(&j), "valid JSON");
        CHECK(kis_utf8_is_valid(kis_buf_str(&text)), "valid UTF-8");
        kis_buf_done(&text);
        free(copy);
    }
    kis_batch_unref(batch);
}

TEST(json_decoding_survives_each_allocation_failing_and_each_byte_changing)
{
    static const char text[] =
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
        "\"stringValue\":\"\\u00fc\"}}]},\"scopeSpans\":[{\"spans\":[{" IDS ",\"name\":\"bad "
        "\xff\",\"attributes\":[{\"key\":\"a\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":"
        "\"k\",\"value\":{\"bytesValue\":\"AAAA\"}}]}}}]}]}]}]}";
    for (long n = 0;; n++) {
        test_alloc_reset(n);
        kis_batch *batch = kis_batch_new(test_alloc, 1 << 20);
        kis_err err = KIS_ERR_NOMEM;
        if (batch) {
            batch->body = kis_bytes_of(text, sizeof text - 1);
            err = kis_otlp_json_decode(batch, &diag);
        }
        kis_batch_unref(batch);
        CHECK_INT(0, test_alloc_live(), "nothing is left over");
        if (!test_alloc_failed()) {
            CHECK_ERR(KIS_OK, err, "with memory it works");
            break;
        }
        CHECK(err == KIS_OK || err == KIS_ERR_NOMEM, "no memory is said to be no memory");
    }
    test_alloc_reset(-1);
    for (size_t at = 0; at < sizeof text - 1; at++) {
        for (int byte = 0; byte < 256; byte += 3) {
            uint8_t *copy = malloc(sizeof text - 1);
            memcpy(copy, text, sizeof text - 1);
            copy[at] = (uint8_t)byte;
            kis_batch *batch = kis_batch_new(test_alloc, 1 << 20);
            batch->body = kis_bytes_of(copy, sizeof text - 1);
            if (kis_otlp_json_decode(batch, &diag) == KIS_OK)
                views_check_batch(batch);
            kis_batch_unref(batch);
            free(copy);
        }
    }
}

TEST_MAIN(RUN(json_encoded_decodes_to_the_same), RUN(json_stream_groups_neighbours),
          RUN(json_written_differently_means_the_same), RUN(json_values_of_every_kind_are_read),
          RUN(json_keys_that_stand_twice_count_once), RUN(json_spans_with_wrong_ids_are_rejected),
          RUN(json_that_means_nothing_is_refused_and_said_where),
          RUN(json_nested_too_deep_is_refused_without_recursion),
          RUN(json_text_that_is_not_utf8_is_repaired_and_written_valid),
          RUN(json_of_damaged_bytes_is_valid_all_the_same),
          RUN(json_decoding_survives_each_allocation_failing_and_each_byte_changing))
