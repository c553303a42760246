/* Decoding of OTLP protobuf: what is taken, what is rejected, repaired, refused, and in which
 * words. */
#include "wire/otlp.h"

#include "model/test_spans.h"
#include "tests/test.h"
#include "wire/test_views.h"

#define START 1700000000000000000ull

/* ---- requests, field by field ---- */

static uint8_t memory[24 << 20];
static kis_buf request; /* the request being written */
static size_t in_resource, in_scope, in_span;

static void put_ids(void)
{
    kis_trace_id trace = test_trace_id(1);
    kis_span_id span = test_span_id(2);
    kis_pb_put_bytes(&request, 1, (kis_bytes){ trace.bytes, 16 });
    kis_pb_put_bytes(&request, 2, (kis_bytes){ span.bytes, 8 });
}

/* Opens request, resource_spans, scope_spans and one span; its fields follow. */
static void begin_bare_span(void)
{
    kis_buf_init_fixed(&request, memory, sizeof memory);
    in_resource = kis_pb_begin(&request, 1);
    in_scope = kis_pb_begin(&request, 2);
    in_span = kis_pb_begin(&request, 2);
}
static void begin_span(void)
{
    begin_bare_span();
    put_ids();
}
static void end_request(void)
{
    kis_pb_end(&request, in_span);
    kis_pb_end(&request, in_scope);
    kis_pb_end(&request, in_resource);
    CHECK(request.err == KIS_OK, "the request fits");
}
/* A second span that is fine, behind the first. */
static void end_request_with_good_span(void)
{
    kis_pb_end(&request, in_span);
    in_span = kis_pb_begin(&request, 2);
    put_ids();
    kis_pb_put_str(&request, 5, KIS_STR("good"));
    end_request();
}

static kis_diag diag;

static kis_batch *decode_bytes(const void *bytes, size_t len, kis_err want, const char *why)
{
    kis_batch *batch = kis_batch_new(test_alloc, (size_t)256 << 20);
    /* of just that size, so that the sanitizer sees a byte too many */
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    test_alloc_live_++;
    kis_batch_adopt_body(batch, copy, len, len, test_alloc);
    diag.text[0] = 0;
    CHECK_ERR(want, kis_otlp_decode(batch, &diag), why);
    if (want == KIS_OK)
        views_check_batch(batch);
    else
        CHECK(!batch->is_verbatim, "a refused request is not passed on");
    return batch;
}
static kis_batch *decode(kis_err want, const char *why)
{
    return decode_bytes(request.ptr, request.len, want, why);
}

/* ---- what is taken ---- */

TEST(decoding_finds_what_the_builder_wrote)
{
    test_alloc_reset(-1);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        kis_batch *built =
            test_spans_generate(test_alloc, &(test_spans_spec){ .seed = seed,
                                                                .traces = 20,
                                                                .spans_per_trace = 7,
                                                                .start_unix_ns = START,
                                                                .trace_step_ns = 1000 });
        kis_batch *decoded =
            decode_bytes(built->body.ptr, built->body.len, KIS_OK, "a generated request");
        CHECK_INT(built->span_count, decoded->span_count, "every span");
        CHECK_INT(10, decoded->resource_count, "a resource a service");
        CHECK(views_same_batch(built, decoded), "equal views");
        CHECK(decoded->is_verbatim, "nothing was changed");
        for (uint32_t i = 0; i < decoded->span_count; i++)
            CHECK_BYTES(built->spans[i].bytes.ptr, built->spans[i].bytes.len,
                        decoded->spans[i].bytes, "a span keeps its bytes");
        kis_batch_unref(built);
        kis_batch_unref(decoded);
    }
    CHECK_INT(0, test_alloc_live(), "nothing is left over");
}

TEST(decoding_an_empty_request_gives_an_empty_batch)
{
    kis_batch *batch = decode_bytes("", 0, KIS_OK, "no bytes");
    CHECK_INT(0, batch->span_count, "no spans");
    kis_batch_unref(batch);
    batch = decode_bytes("\x0a\x00\x0a\x02\x12\x00", 6, KIS_OK, "empty envelopes");
    CHECK_INT(0, batch->resource_count, "envelopes without spans are left out");
    kis_batch_unref(batch);
}

TEST(decoding_reads_every_field_of_a_span)
{
    static const uint8_t parent[8] = { 9, 8, 7, 6, 5, 4, 3, 2 };
    begin_span();
    kis_pb_put_str(&request, 3, KIS_STR("a=b"));
    kis_pb_put_bytes(&request, 4, (kis_bytes){ parent, 8 });
    kis_pb_put_str(&request, 5, KIS_STR("SELECT"));
    kis_pb_put_varint(&request, 6, 3);
    kis_pb_put_fix64(&request, 7, 1ull << 63);
    kis_pb_put_fix64(&request, 8, UINT64_MAX);
    kis_attr_put_int(&request, KIS_TAG_SPAN_ATTRS, KIS_STR("min"), INT64_MIN);
    kis_pb_put_varint(&request, 10, 300);
    kis_pb_put_varint(&request, 12, 1ull << 40);
    kis_pb_put_varint(&request, 14, 7);
    size_t status = kis_pb_begin(&request, 15);
    kis_pb_put_str(&request, 2, KIS_STR("no such table"));
    kis_pb_put_varint(&request, 3, 2);
    kis_pb_end(&request, status);
    kis_pb_put_fix32(&request, 16, 0x80000301u);
    end_request();
    kis_batch *batch = decode(KIS_OK, "all fields");
    const kis_span_view *s = &batch->spans[0];
    CHECK_STR("a=b", s->trace_state, "trace_state");
    CHECK(memcmp(s->parent_id.bytes, parent, 8) == 0, "parent_span_id");
    CHECK_STR("SELECT", s->name, "name");
    CHECK_INT(KIS_OTLP_KIND_CLIENT, s->kind, "kind");
    CHECK(s->start_unix_ns == 1ull << 63 && s->end_unix_ns == UINT64_MAX, "any time is taken");
    CHECK_INT(300, s->dropped_attrs, "dropped attributes");
    CHECK_INT(UINT32_MAX, s->dropped_events, "a count beyond 32 bits stays large");
    CHECK_INT(7, s->dropped_links, "dropped links");
    CHECK_STR("no such table", s->status_message, "status message");
    CHECK_INT(KIS_STATUS_ERROR, s->status, "status code");
    CHECK_INT(0x80000301u, s->flags, "flags, unknown bits too");
    kis_value_view value;
    CHECK(kis_attrs_find(s->attrs, KIS_STR("min"), &value) && value.integer == INT64_MIN,
          "the smallest integer");
    kis_batch_unref(batch);
}

TEST(decoding_takes_the_last_of_a_repeated_field)
{
    static const uint8_t parent[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    begin_span();
    kis_pb_put_str(&request, 5, KIS_STR("first"));
    kis_pb_put_varint(&request, 6, 2);
    kis_pb_put_bytes(&request, 4, (kis_bytes){ parent, 8 });
    kis_pb_put_str(&request, 5, KIS_STR("last"));
    kis_pb_put_varint(&request, 6, 77);
    kis_pb_put_bytes(&request, 4, KIS_BYTES_NONE);
    end_request();
    kis_batch *batch = decode(KIS_OK, "repeated fields");
    CHECK_STR("last", batch->spans[0].name, "the last name");
    CHECK_INT(KIS_OTLP_KIND_UNSPECIFIED, batch->spans[0].kind, "a kind that nobody knows");
    CHECK(!kis_span_id_is_valid(&batch->spans[0].parent_id), "an empty parent is none");
    kis_batch_unref(batch);
}

TEST(decoding_keeps_attributes_that_lie_between_other_fields_in_order)
{
    begin_span();
    kis_attr_put_str(&request, KIS_TAG_SPAN_ATTRS, KIS_STR("a"), KIS_STR("1"));
    kis_pb_put_str(&request, 5, KIS_STR("between"));
    size_t event = kis_pb_begin(&request, 11);
    kis_attr_put_str(&request, KIS_TAG_EVENT_ATTRS, KIS_STR("not of the span"), KIS_STR("x"));
    kis_pb_end(&request, event);
    kis_attr_put_bool(&request, KIS_TAG_SPAN_ATTRS, KIS_STR("b"), true);
    kis_pb_put_varint(&request, 3000, 9);
    event = kis_pb_begin(&request, 11);
    kis_pb_put_str(&request, 2, KIS_STR("second"));
    kis_pb_end(&request, event);
    kis_attr_put_double(&request, KIS_TAG_SPAN_ATTRS, KIS_STR("c"), 0.5);
    end_request();
    kis_batch *batch = decode(KIS_OK, "interleaved");
    static const char *const keys[] = { "a", "b", "c" };
    kis_attr_view attr;
    size_t i = 0;
    for (kis_attr_cursor c = kis_attrs_begin(batch->spans[0].attrs); kis_attrs_next(&c, &attr); i++)
        CHECK_STR(keys[i], attr.key, "the order of the wire");
    CHECK_INT(3, i, "three attributes");
    CHECK_INT(2, batch->spans[0].event_count, "two events");
    CHECK(batch->is_verbatim, "nothing was changed");
    kis_batch_unref(batch);
}

TEST(decoding_takes_what_protobuf_allows_though_nobody_writes_it)
{
    static const struct {
        const char *why;
        const char *bytes;
        size_t len;
        const char *key;
        const char *text;
    } rows[] = {
        { "value before key", "\x4a\x08\x12\x03\x0a\x01v\x0a\x01k", 10, "k", "v" },
        { "no value", "\x4a\x03\x0a\x01k", 5, "k", "" },
        { "an empty value", "\x4a\x05\x0a\x01k\x12\x00", 7, "k", "" },
        { "no key", "\x4a\x05\x12\x03\x0a\x01v", 7, "", "v" },
        { "nothing at all", "\x4a\x00", 2, "", "" },
        { "two keys: the last", "\x4a\x0b\x0a\x01x\x12\x03\x0a\x01v\x0a\x01k", 13, "k", "v" },
        { "two values: the last", "\x4a\x0d\x0a\x01k\x12\x03\x0a\x01x\x12\x03\x0a\x01v", 15, "k",
          "v" },
        { "a oneof set twice: the last", "\x4a\x0a\x0a\x01k\x12\x05\x18\x07\x0a\x01v", 12, "k",
          "v" },
        { "lengths with a byte too many", "\x4a\x8b\x00\x0a\x81\x00k\x12\x84\x00\x0a\x81\x00v", 14,
          "k", "v" },
        { "an unknown field inside", "\x4a\x0b\x0a\x01k\x12\x03\x0a\x01v\xa0\x06\x01", 13, "k",
          "v" },
        { "a key with the wrong wire type is unknown", "\x4a\x0a\x08\x05\x0a\x01k\x12\x03\x0a\x01v",
          12, "k", "v" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_span();
        kis_buf_add(&request, rows[i].bytes, rows[i].len);
        end_request();
        kis_batch *batch = decode(KIS_OK, rows[i].why);
        CHECK_INT(1, batch->span_count, rows[i].why);
        kis_attr_cursor c = kis_attrs_begin(batch->spans[0].attrs);
        kis_attr_view attr;
        CHECK(kis_attrs_next(&c, &attr), rows[i].why);
        CHECK_STR(rows[i].key, attr.key, rows[i].why);
        kis_value_view v = kis_value_read(attr.value_bytes);
        CHECK_STR(rows[i].text, v.kind == KIS_VALUE_STR ? v.str : KIS_STR_NONE, rows[i].why);
        kis_batch_unref(batch);
    }
}

TEST(decoding_stores_spans_with_unknown_fields_of_every_kind)
{
    static const struct {
        const char *why;
        const char *bytes;
        size_t len;
    } rows[] = {
        { "varint", "\xa0\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12 },
        { "64 bit",
          "\xa1\x06"
          "12345678",
          10 },
        { "bytes",
          "\xa2\x06\x03"
          "abc",
          6 },
        { "32 bit",
          "\xa5\x06"
          "1234",
          6 },
        { "group", "\xa3\x06\x08\x01\xa4\x06", 6 },
        { "group in group", "\xa3\x06\x0b\x08\x01\x0c\xa4\x06", 8 },
        { "largest field number", "\xf8\xff\xff\xff\x0f\x01", 6 },
        { "name as a number", "\x28\x05", 2 },
        { "kind as bytes", "\x32\x01x", 3 },
        { "times as varints", "\x38\x05\x40\x06", 4 },
        { "the old status code", "\x7a\x02\x08\x02", 4 },
        { "a string table index (profiles)", "\x4a\x07\x0a\x01k\x12\x02\x40\x05", 9 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_span();
        kis_pb_put_str(&request, 5, KIS_STR("kept"));
        kis_buf_add(&request, rows[i].bytes, rows[i].len);
        end_request();
        kis_batch *batch = decode(KIS_OK, rows[i].why);
        CHECK_INT(1, batch->span_count, rows[i].why);
        CHECK_STR("kept", batch->spans[0].name, rows[i].why);
        CHECK(batch->is_verbatim, rows[i].why);
        kis_batch_unref(batch);
    }
}

TEST(decoding_reads_a_known_field_whose_tag_is_too_long)
{
    begin_span();
    kis_buf_add(&request, "\xaa\x80\x00\x04long", 8); /* field 5, a name, with a three-byte tag */
    kis_buf_add(&request, "\xca\x00\x08\x0a\x01k\x12\x03\x0a\x01\xff", 11);
    end_request();
    kis_batch *batch = decode(KIS_OK, "tags of more bytes than needed");
    CHECK_STR("long", batch->spans[0].name, "a name all the same");
    CHECK_STR("\xef\xbf\xbd", kis_attrs_text(batch->spans[0].attrs, KIS_STR("k")),
              "checked all the same");
    kis_batch_unref(batch);
}

/* ---- what is rejected: one span, not the request ---- */

TEST(decoding_rejects_spans_with_wrong_ids_and_keeps_the_others)
{
    static const uint8_t ones[17] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 },
                         zeros[16] = { 0 };
    static const struct {
        const char *why;
        uint32_t field;
        const uint8_t *id;
        size_t len;
        const char *reason;
    } rows[] = {
        { "trace id of 15", 1, ones, 15, "span 0: trace_id: want 16 bytes, got 15, at byte 9" },
        { "trace id of 17", 1, ones, 17, "span 0: trace_id: want 16 bytes, got 17, at byte 9" },
        { "trace id of 0", 1, ones, 0, "span 0: trace_id: want 16 bytes, got 0, at byte 9" },
        { "trace id of zeros", 1, zeros, 16, "span 0: trace_id: none, or all zero, at byte 9" },
        { "span id of 7", 2, ones, 7, "span 0: span_id: want 8 bytes, got 7, at byte 27" },
        { "span id of 9", 2, ones, 9, "span 0: span_id: want 8 bytes, got 9, at byte 27" },
        { "span id of zeros", 2, zeros, 8, "span 0: span_id: none, or all zero, at byte 9" },
        { "parent id of 7", 4, ones, 7, "span 0: parent_span_id: want 8 bytes, got 7, at byte 37" },
        { "parent id of 16", 4, ones, 16,
          "span 0: parent_span_id: want 8 bytes, got 16, at byte 37" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_bare_span();
        for (uint32_t field = 1; field <= 4; field++)
            if (field == rows[i].field)
                kis_pb_put_bytes(&request, field, (kis_bytes){ rows[i].id, rows[i].len });
            else if (field != 3)
                kis_pb_put_bytes(&request, field, (kis_bytes){ ones, field == 1 ? 16 : 8 });
        kis_pb_put_str(
            &request, 5,
            KIS_STR(
                "a name that makes the span and the messages around it two length bytes long, "
                "so that offsets are the same in every row, however long the id is, is this one"));
        end_request_with_good_span();
        kis_batch *batch = decode(KIS_OK, rows[i].why);
        CHECK_INT(1, batch->span_count, rows[i].why);
        CHECK_STR("good", batch->spans[0].name, rows[i].why);
        CHECK_INT(1, batch->rejected_spans, rows[i].why);
        CHECK(!batch->is_verbatim, rows[i].why);
        CHECK_STR(rows[i].reason, batch->reject_reason, rows[i].why);
        kis_batch_unref(batch);
    }
}

TEST(decoding_rejects_a_span_without_ids_and_one_without_anything)
{
    begin_bare_span();
    end_request_with_good_span();
    kis_batch *batch = decode(KIS_OK, "an empty span");
    CHECK_INT(1, batch->span_count, "the other one is there");
    CHECK_INT(1, batch->rejected_spans, "the empty one is rejected");
    CHECK_STR("span 0: trace_id: none, or all zero, at byte 6", batch->reject_reason,
              "and said why");
    kis_batch_unref(batch);
}

TEST(decoding_takes_a_parent_of_zeros_as_none)
{
    static const uint8_t zeros[8] = { 0 };
    begin_span();
    kis_pb_put_bytes(&request, 4, (kis_bytes){ zeros, 8 });
    end_request();
    kis_batch *batch = decode(KIS_OK, "parent of zeros");
    CHECK_INT(1, batch->span_count, "it is a root");
    CHECK(batch->is_verbatim, "and nothing is wrong with it");
    kis_batch_unref(batch);
}

static uint8_t big[6 << 20];

TEST(decoding_rejects_what_is_too_large_and_keeps_the_others)
{
    memset(big, 'x', sizeof big);
    begin_span();
    kis_pb_put_bytes(&request, 900, (kis_bytes){ big, KIS_SPAN_BYTES_MAX });
    end_request_with_good_span();
    kis_batch *batch = decode(KIS_OK, "a span of more than its bound");
    CHECK_INT(1, batch->span_count, "the other one");
    CHECK_INT(1, batch->rejected_spans, "the large one");
    CHECK(kis_str_ends(batch->reject_reason, KIS_STR("at most 4194304 are taken")),
          "the bound is told");
    kis_batch_unref(batch);

    begin_span();
    kis_pb_end(&request, in_span);
    kis_pb_end(&request, in_scope);
    size_t resource = kis_pb_begin(&request, 1); /* behind its spans */
    kis_pb_put_bytes(&request, 900, (kis_bytes){ big, KIS_RESOURCE_BYTES_MAX });
    kis_pb_end(&request, resource);
    kis_pb_end(&request, in_resource);
    batch = decode(KIS_OK, "a resource of more than its bound");
    CHECK_INT(0, batch->span_count, "its spans go with it");
    CHECK_INT(1, batch->rejected_spans, "and are counted");
    CHECK(kis_str_starts(batch->reject_reason, KIS_STR("resource_spans 0: resource: ")),
          "and the reason told");
    kis_batch_unref(batch);

    begin_span();
    kis_pb_end(&request, in_span);
    size_t scope = kis_pb_begin(&request, 1);
    kis_pb_put_bytes(&request, 900, (kis_bytes){ big, KIS_RESOURCE_BYTES_MAX });
    kis_pb_end(&request, scope);
    kis_pb_end(&request, in_scope);
    kis_pb_end(&request, in_resource);
    batch = decode(KIS_OK, "a scope of more than its bound");
    CHECK_INT(1, batch->rejected_spans, "its spans go with it");
    kis_batch_unref(batch);
}

/* ---- what is refused ---- */

TEST(decoding_refuses_what_is_not_protobuf_and_says_where)
{
    static const struct {
        const char *why;
        const char *bytes;
        size_t len;
        kis_err want;
        const char *text;
    } rows[] = {
        { "length 2^31", "\x2a\x80\x80\x80\x80\x08", 6, KIS_ERR_MORE,
          "span 0: name: length 2147483648, but 0 bytes are left, at byte 34" },
        { "length 2^32 + 2", "\x2a\x82\x80\x80\x80\x10zz", 8, KIS_ERR_MORE,
          "span 0: name: length 4294967298, but 2 bytes are left, at byte 34" },
        { "length 2^63", "\x2a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, KIS_ERR_MORE,
          "span 0: name: length 9223372036854775808, but 0 bytes are left, at byte 34" },
        { "length 2^64 - 1", "\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, KIS_ERR_MORE,
          "span 0: name: length 18446744073709551615, but 0 bytes are left, at byte 34" },
        { "varint of 11 bytes", "\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12,
          KIS_ERR_SYNTAX,
          "span 0: kind: a varint that does not end or has more than 64 bits, at byte 34" },
        { "varint without end", "\x30\xff", 2, KIS_ERR_SYNTAX,
          "span 0: kind: a varint that does not end or has more than 64 bits, at byte 34" },
        { "length without end", "\x2a\xff", 2, KIS_ERR_SYNTAX,
          "span 0: name: a length that does not end or has more than 64 bits, at byte 34" },
        { "tag without end", "\xff", 1, KIS_ERR_SYNTAX,
          "span 0: a tag that is no 32-bit varint, at byte 34" },
        { "tag of 36 bits", "\xff\xff\xff\xff\xff\x01", 6, KIS_ERR_SYNTAX,
          "span 0: a tag that is no 32-bit varint, at byte 34" },
        { "wire type 6", "\x2e\x00", 2, KIS_ERR_SYNTAX, "span 0: name: wire type 6, at byte 34" },
        { "wire type 7", "\x2f\x00", 2, KIS_ERR_SYNTAX, "span 0: name: wire type 7, at byte 34" },
        { "field 0", "\x02\x00", 2, KIS_ERR_SYNTAX, "span 0: field number 0, at byte 34" },
        { "stray end group", "\x2c", 1, KIS_ERR_SYNTAX,
          "span 0: name: an end group without its start, at byte 34" },
        { "group without end", "\xa3\x06\x08\x01", 4, KIS_ERR_SYNTAX,
          "span 0: a group that does not end, ends wrongly or is nested too deep, at byte 34" },
        { "group that ends as another", "\xa3\x06\xac\x06", 4, KIS_ERR_SYNTAX,
          "span 0: a group that does not end, ends wrongly or is nested too deep, at byte 34" },
        { "half a time", "\x39zzzz", 5, KIS_ERR_MORE,
          "span 0: start_time_unix_nano: want 8 bytes, 4 are left, at byte 34" },
        { "half of the flags", "\x85\x01zz", 4, KIS_ERR_MORE,
          "span 0: flags: want 4 bytes, 2 are left, at byte 34" },
        { "an attribute's key", "\x4a\x02\x0a\x05", 4, KIS_ERR_MORE,
          "span 0: attributes: key: length 5, but 0 bytes are left, at byte 36" },
        { "a value", "\x4a\x07\x0a\x01k\x12\x02\x0a\x09", 9, KIS_ERR_MORE,
          "span 0: attributes: value: string_value: length 9, but 0 bytes are left, at byte 41" },
        { "a value in an array", "\x4a\x0b\x0a\x01k\x12\x06\x2a\x04\x0a\x02\x0a\x09", 13,
          KIS_ERR_MORE,
          "span 0: attributes: value: array_value: values: string_value: length 9, but 0 bytes are "
          "left, at byte 45" },
        { "an event's name", "\x5a\x02\x12\x05", 4, KIS_ERR_MORE,
          "span 0: events: name: length 5, but 0 bytes are left, at byte 36" },
        { "a status", "\x7a\x01\x18", 3, KIS_ERR_SYNTAX,
          "span 0: status: code: a varint that does not end or has more than 64 bits, at byte 36" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_span();
        kis_buf_add(&request, rows[i].bytes, rows[i].len);
        end_request();
        kis_batch *batch = decode(rows[i].want, rows[i].why);
        CHECK_STR(rows[i].text, kis_str_from_c(diag.text), rows[i].why);
        kis_batch_unref(batch);
    }
}

TEST(decoding_refuses_broken_envelopes_and_says_where)
{
    static const struct {
        const char *why;
        const char *bytes;
        size_t len;
        kis_err want;
        const char *text;
    } rows[] = {
        { "not protobuf at all", "hello", 5, KIS_ERR_SYNTAX, "" },
        { "resource_spans too long", "\x0a\x05", 2, KIS_ERR_MORE,
          "resource_spans: length 5, but 0 bytes are left, at byte 0" },
        { "scope_spans too long", "\x0a\x02\x12\x05", 4, KIS_ERR_MORE,
          "resource_spans 0: scope_spans: length 5, but 0 bytes are left, at byte 2" },
        { "span too long", "\x0a\x00\x0a\x06\x12\x00\x12\x02\x12\x05", 10, KIS_ERR_MORE,
          "resource_spans 1: scope_spans 1: spans: length 5, but 0 bytes are left, at byte 8" },
        { "resource broken", "\x0a\x05\x0a\x03\x0a\x01\x2e", 7, KIS_ERR_SYNTAX,
          "resource_spans 0: resource: attributes: wire type 6, at byte 6" },
        { "scope broken", "\x0a\x05\x12\x03\x0a\x01\x2e", 7, KIS_ERR_SYNTAX,
          "resource_spans 0: scope_spans 0: scope: wire type 6, at byte 6" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_batch *batch = decode_bytes(rows[i].bytes, rows[i].len, rows[i].want, rows[i].why);
        if (rows[i].text[0])
            CHECK_STR(rows[i].text, kis_str_from_c(diag.text), rows[i].why);
        kis_batch_unref(batch);
    }
}

TEST(decoding_refuses_a_request_cut_anywhere_but_between_its_envelopes)
{
    kis_batch *built = test_spans_generate(
        test_alloc,
        &(test_spans_spec){ .seed = 3, .traces = 2, .spans_per_trace = 4, .start_unix_ns = START });
    size_t boundary = 0, boundaries = 0;
    for (size_t len = 0; len < built->body.len; len++) {
        kis_cursor c = { built->body.ptr + boundary, built->body.ptr + built->body.len };
        kis_pb_field field;
        bool is_boundary = len == boundary;
        if (is_boundary && kis_pb_next(&c, &field) == KIS_OK)
            boundary = (size_t)(c.at - built->body.ptr);
        boundaries += is_boundary;
        uint8_t *copy = malloc(len ? len : 1);
        memcpy(copy, built->body.ptr, len);
        kis_batch *batch = kis_batch_new(test_alloc, 1 << 20);
        batch->body = (kis_bytes){ copy, len };
        kis_err err = kis_otlp_decode(batch, &diag);
        CHECK((err == KIS_OK) == is_boundary, "an error, except between envelopes");
        CHECK(err == KIS_OK || err == KIS_ERR_MORE || err == KIS_ERR_SYNTAX,
              "malformed or too short");
        kis_batch_unref(batch);
        free(copy);
    }
    CHECK(boundaries > 2, "there were several envelopes");
    kis_batch_unref(built);
}

/* ---- what is repaired and cut ---- */

#define FFFD "\xef\xbf\xbd"

TEST(decoding_repairs_text_that_is_not_utf8)
{
    static const struct {
        const char *why;
        kis_str bytes;
        const char *want;
    } rows[] = {
        { "a lone byte",
          KIS_STR_INIT("a\xff"
                       "b"),
          "a" FFFD "b" },
        { "a lone continuation", KIS_STR_INIT("\x80"), FFFD },
        { "a character cut short", KIS_STR_INIT("\xe2\x82"), FFFD },
        { "cut short, then a letter", KIS_STR_INIT("\xe2\x82x"), FFFD "x" },
        { "an overlong slash", KIS_STR_INIT("\xc0\xaf"), FFFD FFFD },
        { "an overlong of three", KIS_STR_INIT("\xe0\x80\xaf"), FFFD FFFD FFFD },
        { "a surrogate", KIS_STR_INIT("\xed\xa0\x80"), FFFD FFFD FFFD },
        { "beyond U+10FFFF", KIS_STR_INIT("\xf4\x90\x80\x80"), FFFD FFFD FFFD FFFD },
        { "Latin-1",
          KIS_STR_INIT("Gr\xfc\xdf"
                       "e"),
          "Gr" FFFD FFFD "e" },
        { "good and bad mixed", KIS_STR_INIT("\xe6\x9d\xb1\xff\xe4\xba\xac"),
          "\xe6\x9d\xb1" FFFD "\xe4\xba\xac" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_span();
        kis_pb_put_str(&request, 3, rows[i].bytes);
        kis_pb_put_str(&request, 5, rows[i].bytes);
        kis_attr_put_str(&request, KIS_TAG_SPAN_ATTRS, rows[i].bytes, rows[i].bytes);
        size_t event = kis_pb_begin(&request, 11);
        kis_pb_put_str(&request, 2, rows[i].bytes);
        kis_pb_end(&request, event);
        size_t status = kis_pb_begin(&request, 15);
        kis_pb_put_str(&request, 2, rows[i].bytes);
        kis_pb_end(&request, status);
        kis_pb_end(&request, in_span);
        size_t scope = kis_pb_begin(&request, 1);
        kis_pb_put_str(&request, 1, rows[i].bytes);
        kis_pb_end(&request, scope);
        kis_pb_put_str(&request, 3, rows[i].bytes);
        kis_pb_end(&request, in_scope);
        size_t resource = kis_pb_begin(&request, 1);
        kis_attr_put_str(&request, KIS_TAG_RESOURCE_ATTRS, KIS_STR("service.name"), rows[i].bytes);
        kis_pb_end(&request, resource);
        kis_pb_put_str(&request, 3, rows[i].bytes);
        kis_pb_end(&request, in_resource);
        kis_batch *batch = decode(KIS_OK, rows[i].why);
        const kis_span_view *s = &batch->spans[0];
        kis_event_view event_view;
        kis_cursor c = kis_cursor_of(s->events);
        kis_value_view value;
        CHECK_STR(rows[i].want, s->trace_state, rows[i].why);
        CHECK_STR(rows[i].want, s->name, rows[i].why);
        CHECK_STR(rows[i].want, s->status_message, rows[i].why);
        CHECK(kis_attrs_find(s->attrs, kis_str_from_c(rows[i].want), &value), rows[i].why);
        CHECK_STR(rows[i].want, value.str, rows[i].why);
        CHECK(kis_event_next(&c, &event_view), rows[i].why);
        CHECK_STR(rows[i].want, event_view.name, rows[i].why);
        CHECK_STR(rows[i].want, batch->scopes[0].name, rows[i].why);
        CHECK_STR(rows[i].want, batch->scopes[0].schema_url, rows[i].why);
        CHECK_STR(rows[i].want, batch->resources[0].service_name, rows[i].why);
        CHECK_STR(rows[i].want, batch->resources[0].schema_url, rows[i].why);
        CHECK(!batch->is_verbatim && s->bytes.len == 0,
              "what was repaired is not passed on as it came");
        CHECK_INT(0, batch->cut_values, "and nothing was cut");
        kis_batch_unref(batch);
    }
}

TEST(decoding_leaves_good_text_alone)
{
    static const char *const texts[] = { "",
                                         "\0 NUL",
                                         "Grüße",
                                         "東京都",
                                         "\xf0\x9f\x98\x80",
                                         "\xef\xbf\xbf",
                                         "a much longer text with an umlaut at its very end: ü" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        kis_str text = i == 1 ? KIS_STR("nul\0inside") : kis_str_from_c(texts[i]);
        begin_span();
        kis_pb_put_str(&request, 5, text);
        kis_attr_put_str(&request, KIS_TAG_SPAN_ATTRS, text, text);
        end_request();
        kis_batch *batch = decode(KIS_OK, "good text");
        CHECK(kis_str_eq(text, batch->spans[0].name), "the same text");
        CHECK(batch->is_verbatim, "nothing was changed");
        kis_batch_unref(batch);
    }
}

/* A text of `bytes` bytes: `filler`, with the two-byte character é across the border at
 * `border`. */
static kis_str text_across(size_t bytes, size_t border)
{
    memset(big, 'x', bytes);
    memcpy(big + border - 1, "\xc3\xa9", 2);
    return (kis_str){ (const char *)big, bytes };
}

TEST(decoding_cuts_texts_at_their_bounds_and_at_a_character)
{
    static const struct {
        const char *why;
        uint32_t bound;
    } rows[] = {
        { "name", KIS_SPAN_NAME_BYTES_MAX },          { "key", KIS_KEY_BYTES_MAX },
        { "text value", KIS_VALUE_BYTES_MAX },        { "bytes value", KIS_VALUE_BYTES_MAX },
        { "status message", KIS_VALUE_BYTES_MAX },    { "2 MiB text", KIS_VALUE_BYTES_MAX },
        { "trace_state", KIS_TRACE_STATE_BYTES_MAX },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (uint32_t over = 0; over <= 1; over++) {
            size_t len = i == 5 && over ? 2u << 20 : rows[i].bound + over;
            kis_str text =
                text_across(len < rows[i].bound + 1 ? rows[i].bound + 1 : len, rows[i].bound);
            if (!over)
                memset(big, 'x', rows[i].bound + 1);
            text.len = len;
            begin_span();
            size_t status;
            switch (i) {
            case 0:
                kis_pb_put_str(&request, 5, text);
                break;
            case 1:
                kis_attr_put_str(&request, KIS_TAG_SPAN_ATTRS, text, KIS_STR("v"));
                break;
            case 3:
                kis_attr_put_bytes(&request, KIS_TAG_SPAN_ATTRS, KIS_STR("k"),
                                   kis_bytes_of_str(text));
                break;
            case 4:
                status = kis_pb_begin(&request, 15);
                kis_pb_put_str(&request, 2, text);
                kis_pb_end(&request, status);
                break;
            case 6:
                kis_pb_put_str(&request, 3, text);
                break;
            default:
                kis_attr_put_str(&request, KIS_TAG_SPAN_ATTRS, KIS_STR("k"), text);
            }
            end_request();
            kis_batch *batch = decode(KIS_OK, rows[i].why);
            const kis_span_view *s = &batch->spans[0];
            kis_attr_view attr = { 0 };
            kis_value_view value = { 0 };
            kis_attr_cursor c = kis_attrs_begin(s->attrs);
            if (kis_attrs_next(&c, &attr))
                value = kis_value_read(attr.value_bytes);
            size_t got = i == 0   ? s->name.len
                         : i == 1 ? attr.key.len
                         : i == 3 ? value.bytes.len
                         : i == 4 ? s->status_message.len
                         : i == 6 ? s->trace_state.len
                                  : value.str.len;
            size_t want = !over    ? rows[i].bound
                          : i == 3 ? rows[i].bound
                          : i == 6 ? 0
                                   : rows[i].bound - 1;
            CHECK_INT(want, got, rows[i].why);
            CHECK_INT(over, batch->cut_values, rows[i].why);
            CHECK_INT(!over, batch->is_verbatim, rows[i].why);
            kis_batch_unref(batch);
        }
    }
}

TEST(decoding_repairs_first_and_cuts_then)
{
    memset(big, 0xff, KIS_VALUE_BYTES_MAX); /* fits as it is, three times too long once repaired */
    begin_span();
    kis_attr_put_str(&request, KIS_TAG_SPAN_ATTRS, KIS_STR("k"),
                     (kis_str){ (const char *)big, KIS_VALUE_BYTES_MAX });
    end_request();
    kis_batch *batch = decode(KIS_OK, "64 KiB of 0xff");
    CHECK_INT(KIS_VALUE_BYTES_MAX / 3 * 3, kis_attrs_text(batch->spans[0].attrs, KIS_STR("k")).len,
              "as many U+FFFD as fit");
    CHECK_INT(1, batch->cut_values, "and the rest is cut");
    kis_batch_unref(batch);
}

static void put_link(const void *trace, size_t trace_len, uint32_t attrs)
{
    static const uint8_t span[8] = { 1 };
    size_t link = kis_pb_begin(&request, 13);
    kis_pb_put_bytes(&request, 1, (kis_bytes){ trace, trace_len });
    kis_pb_put_bytes(&request, 2, (kis_bytes){ span, 8 });
    for (uint32_t i = 0; i < attrs; i++)
        kis_attr_put_int(&request, KIS_TAG_LINK_ATTRS, KIS_STR("k"), i);
    kis_pb_end(&request, link);
}

TEST(decoding_drops_and_counts_what_is_too_many)
{
    static const uint8_t trace[16] = { 1 };
    for (uint32_t over = 0; over <= 3; over += 3) {
        begin_span();
        kis_pb_put_varint(&request, 10, 5); /* the sender had dropped some already */
        for (uint32_t i = 0; i < KIS_SPAN_ATTRS_MAX + over; i++)
            kis_attr_put_int(&request, KIS_TAG_SPAN_ATTRS, KIS_STR("k"), i);
        for (uint32_t i = 0; i < KIS_SPAN_EVENTS_MAX + over; i++) {
            size_t event = kis_pb_begin(&request, 11);
            for (uint32_t j = 0; i == 0 && j < KIS_ITEM_ATTRS_MAX + over; j++)
                kis_attr_put_int(&request, KIS_TAG_EVENT_ATTRS, KIS_STR("k"), j);
            kis_pb_end(&request, event);
        }
        for (uint32_t i = 0; i < KIS_SPAN_LINKS_MAX + over; i++)
            put_link(trace, 16, i == 1 ? KIS_ITEM_ATTRS_MAX + over : 0);
        kis_pb_put_varint(&request, 12, 9); /* behind what it counts */
        end_request();
        kis_batch *batch = decode(KIS_OK, "at and over the bounds");
        const kis_span_view *s = &batch->spans[0];
        kis_event_view event;
        kis_link_view link;
        kis_cursor events = kis_cursor_of(s->events), links = kis_cursor_of(s->links);
        CHECK(kis_event_next(&events, &event) && kis_link_next(&links, &link) &&
                  kis_link_next(&links, &link),
              "two links, one event");
        CHECK_INT(KIS_SPAN_ATTRS_MAX, s->attr_count, "attributes");
        CHECK_INT(KIS_SPAN_EVENTS_MAX, s->event_count, "events");
        CHECK_INT(KIS_SPAN_LINKS_MAX, s->link_count, "links");
        CHECK_INT(5 + over, s->dropped_attrs, "attributes: the sender's count and ours");
        CHECK_INT(9 + over, s->dropped_events, "events: the sender's count and ours");
        CHECK_INT(over, s->dropped_links, "links");
        CHECK_INT(over, event.dropped_attrs, "attributes of an event");
        CHECK_INT(KIS_ITEM_ATTRS_MAX, kis_attrs_count(event.attrs), "attributes of an event");
        CHECK_INT(over, link.dropped_attrs, "attributes of a link");
        CHECK_INT(over * 5, batch->cut_values, "each is counted");
        CHECK_INT(over == 0, batch->is_verbatim, "verbatim only without a cut");
        kis_value_view last;
        CHECK(kis_attrs_find(s->attrs, KIS_STR("k"), &last) && last.integer == 0,
              "the first are kept");
        kis_batch_unref(batch);
    }
}

TEST(decoding_drops_links_with_wrong_ids)
{
    static const uint8_t trace[17] = { 1 };
    begin_span();
    put_link(trace, 16, 1);
    put_link(trace, 15, 1);
    put_link(trace, 17, 0);
    put_link(trace, 0, 0);
    end_request();
    kis_batch *batch = decode(KIS_OK, "links");
    CHECK_INT(2, batch->spans[0].link_count, "the right one, and the one without an id");
    CHECK_INT(2, batch->spans[0].dropped_links, "the wrong ones are counted");
    CHECK_INT(0, batch->rejected_spans, "the span itself is fine");
    kis_batch_unref(batch);
}

/* A value nested `depth` deep (1: just a number), in lists when `list`. Written from the inside
 * out. */
static kis_bytes nested_value(size_t depth, bool list)
{
    uint8_t *at = big + sizeof big;
    size_t len = 2;
    at -= 2;
    memcpy(at, "\x18\x07", 2);
    for (size_t level = 1; level < depth; level++) {
        /* KeyValue.value or none, values, kvlist_value or array_value */
        for (int message = 0; message < (list ? 3 : 2); message++) {
            uint8_t head[11];
            head[0] = message == (list ? 2 : 1) ? (list ? 0x32 : 0x2a)
                      : list && message == 0    ? 0x12
                                                : 0x0a;
            size_t size = 1 + kis_varint_put(head + 1, len);
            at -= size;
            memcpy(at, head, size);
            len += size;
        }
    }
    return (kis_bytes){ at, len };
}

static size_t depth_of(kis_value_view value, bool *has_number)
{
    size_t depth = 1;
    for (; value.kind == KIS_VALUE_ARRAY || value.kind == KIS_VALUE_KVLIST; depth++) {
        kis_cursor c = kis_cursor_of(value.values);
        kis_attr_cursor a = kis_attrs_begin(value.members);
        kis_attr_view attr;
        if (value.kind == KIS_VALUE_KVLIST ? !kis_attrs_next(&a, &attr)
                                           : !kis_array_next(&c, &value))
            break;
        if (value.kind == KIS_VALUE_KVLIST && attr.key.ptr == NULL)
            value = kis_value_read(attr.value_bytes);
    }
    *has_number = value.kind == KIS_VALUE_INT;
    return depth;
}

TEST(decoding_cuts_values_that_are_nested_too_deep)
{
    static const struct {
        const char *why;
        size_t depth, want;
    } rows[] = {
        { "a number", 1, 1 },
        { "as deep as may be", KIS_VALUE_DEPTH_MAX, KIS_VALUE_DEPTH_MAX },
        { "one too deep", KIS_VALUE_DEPTH_MAX + 1, KIS_VALUE_DEPTH_MAX + 1 },
        { "20,000", 20000, KIS_VALUE_DEPTH_MAX + 1 },
    };
    for (size_t i = 0; i < COUNT_OF(rows) * 2; i++) {
        const char *why = rows[i / 2].why;
        bool has_number;
        begin_span();
        kis_attr_put_any(&request, KIS_TAG_SPAN_ATTRS, KIS_STR("deep"),
                         nested_value(rows[i / 2].depth, i % 2));
        end_request();
        kis_batch *batch = decode(KIS_OK, why);
        kis_value_view value;
        CHECK(kis_attrs_find(batch->spans[0].attrs, KIS_STR("deep"), &value), why);
        bool is_cut = rows[i / 2].depth > KIS_VALUE_DEPTH_MAX;
        CHECK_INT(rows[i / 2].want, depth_of(value, &has_number), why);
        CHECK_INT(!is_cut, has_number, "the innermost number is there unless it was too deep");
        CHECK_INT(is_cut, batch->cut_values, why);
        kis_batch_unref(batch);
    }
}

TEST(decoding_refuses_groups_that_are_nested_too_deep)
{
    for (size_t depth = KIS_PB_GROUP_DEPTH_MAX; depth <= 10000;
         depth += 10000 - KIS_PB_GROUP_DEPTH_MAX) {
        begin_span();
        for (size_t i = 0; i < depth; i++)
            kis_buf_add(&request, "\xa3\x06", 2);
        for (size_t i = 0; i < depth; i++)
            kis_buf_add(&request, "\xa4\x06", 2);
        end_request();
        kis_batch_unref(decode(depth > KIS_PB_GROUP_DEPTH_MAX ? KIS_ERR_SYNTAX : KIS_OK, "groups"));
    }
}

TEST(decoding_a_list_of_50000_entries_is_quick_and_whole)
{
    begin_span();
    static uint8_t list_memory[1 << 20];
    kis_buf list;
    kis_buf_init_fixed(&list, list_memory, sizeof list_memory);
    for (int i = 0; i < 50000; i++)
        kis_attr_put_int(&list, KIS_TAG_KVLIST_VALUES, KIS_STR("key"), i % 100);
    size_t attr = kis_pb_begin(&request, 9);
    kis_pb_put_str(&request, 1, KIS_STR("list\xff")); /* through the slow path too */
    size_t any = kis_pb_begin(&request, 2);
    kis_pb_put_bytes(&request, 6, kis_buf_bytes(&list));
    kis_pb_end(&request, any);
    kis_pb_end(&request, attr);
    end_request();
    kis_batch *batch = decode(KIS_OK, "a long list");
    kis_value_view value;
    CHECK(kis_attrs_find(batch->spans[0].attrs, KIS_STR("list" FFFD), &value), "it is there");
    CHECK_INT(50000, kis_attrs_count(value.members), "with all entries");
    kis_batch_unref(batch);
}

/* ---- memory ---- */

TEST(decoding_answers_limit_when_the_batch_may_not_grow)
{
    kis_batch *built = test_spans_generate(
        test_alloc, &(test_spans_spec){
                        .seed = 5, .traces = 50, .spans_per_trace = 10, .start_unix_ns = START });
    kis_batch *batch = kis_batch_new(test_alloc, 10000);
    batch->body = built->body;
    CHECK_ERR(KIS_ERR_LIMIT, kis_otlp_decode(batch, &diag), "500 views do not fit into 10 kB");
    CHECK_STR("decoding needs more than 10000 bytes of memory", kis_str_from_c(diag.text),
              "and it is said");
    kis_batch_unref(batch);
    kis_batch_unref(built);
}

/* Needs repair, so that every allocation of both paths is met. */
static void write_odd_request(void)
{
    memset(big, 0xff, 10000);
    begin_span();
    kis_pb_put_str(&request, 5, KIS_STR("bad \xff name"));
    kis_attr_put_str(&request, KIS_TAG_SPAN_ATTRS, KIS_STR("k"),
                     (kis_str){ (const char *)big, 10000 });
    kis_pb_end(&request, in_span);
    in_span = kis_pb_begin(&request, 2);
    kis_pb_put_bytes(&request, 1, (kis_bytes){ big, 15 });
    kis_pb_end(&request, in_span);
    kis_pb_put_str(&request, 3, KIS_STR("bad \xff url"));
    kis_pb_end(&request, in_scope);
    kis_pb_end(&request, in_resource);
}

TEST(decoding_survives_each_allocation_failing)
{
    write_odd_request();
    for (long n = 0;; n++) {
        test_alloc_reset(n);
        kis_batch *batch = kis_batch_new(test_alloc, 1 << 20);
        kis_err err = KIS_ERR_NOMEM;
        if (batch) {
            batch->body = kis_buf_bytes(&request);
            err = kis_otlp_decode(batch, &diag);
            if (err == KIS_OK)
                views_check_batch(batch);
        }
        kis_batch_unref(batch);
        CHECK_INT(0, test_alloc_live(), "nothing is left over");
        if (!test_alloc_failed()) {
            CHECK_ERR(KIS_OK, err, "with memory it works");
            CHECK(n > 2, "there was something to fail");
            break;
        }
        CHECK(err == KIS_OK || err == KIS_ERR_NOMEM, "no memory is said to be no memory");
    }
    test_alloc_reset(-1);
}

/* ---- mutations ---- */

TEST(decoding_damaged_requests_is_orderly)
{
    kis_batch *built = test_spans_generate(
        test_alloc,
        &(test_spans_spec){ .seed = 9, .traces = 3, .spans_per_trace = 5, .start_unix_ns = START });
    uint64_t random = 4711;
    unsigned taken = 0, refused = 0;
    for (int round = 0; round < 20000; round++) {
        size_t len = built->body.len;
        uint8_t *copy = malloc(len);
        memcpy(copy, built->body.ptr, len);
        for (uint64_t changes = 1 + test_random(&random) % 4; changes; changes--) {
            size_t at = test_random(&random) % len;
            copy[at] = test_random(&random) % 2
                           ? (uint8_t)(copy[at] ^ 1 << test_random(&random) % 8)
                           : (uint8_t)test_random(&random);
        }
        kis_batch *batch = kis_batch_new(test_alloc, 1 << 20),
                  *again = kis_batch_new(test_alloc, 1 << 20);
        batch->body = (kis_bytes){ copy, len };
        if (kis_otlp_decode(batch, &diag) == KIS_OK) {
            kis_buf out;
            views_check_batch(batch);
            kis_buf_init(&out, test_alloc, 1 << 20);
            batch->is_verbatim = false;
            for (uint32_t i = 0; i < batch->span_count; i++)
                batch->spans[i].bytes = KIS_BYTES_NONE;
            kis_otlp_encode(batch, &out);
            again->body = kis_buf_bytes(&out);
            CHECK_ERR(KIS_OK, kis_otlp_decode(again, &diag), "what was encoded from views decodes");
            CHECK(views_same_batch(batch, again), "to the same");
            CHECK(again->is_verbatim, "and needs no repair");
            kis_buf_done(&out);
            taken++;
        } else {
            CHECK(diag.text[0] != 0, "an error has words");
            refused++;
        }
        kis_batch_unref(batch);
        kis_batch_unref(again);
        free(copy);
    }
    CHECK(taken > 1000 && refused > 1000, "both happen");
    kis_batch_unref(built);
    CHECK_INT(0, test_alloc_live(), "nothing is left over");
}

TEST_MAIN(RUN(decoding_finds_what_the_builder_wrote),
          RUN(decoding_an_empty_request_gives_an_empty_batch),
          RUN(decoding_reads_every_field_of_a_span),
          RUN(decoding_takes_the_last_of_a_repeated_field),
          RUN(decoding_keeps_attributes_that_lie_between_other_fields_in_order),
          RUN(decoding_takes_what_protobuf_allows_though_nobody_writes_it),
          RUN(decoding_stores_spans_with_unknown_fields_of_every_kind),
          RUN(decoding_reads_a_known_field_whose_tag_is_too_long),
          RUN(decoding_rejects_spans_with_wrong_ids_and_keeps_the_others),
          RUN(decoding_rejects_a_span_without_ids_and_one_without_anything),
          RUN(decoding_takes_a_parent_of_zeros_as_none),
          RUN(decoding_rejects_what_is_too_large_and_keeps_the_others),
          RUN(decoding_refuses_what_is_not_protobuf_and_says_where),
          RUN(decoding_refuses_broken_envelopes_and_says_where),
          RUN(decoding_refuses_a_request_cut_anywhere_but_between_its_envelopes),
          RUN(decoding_repairs_text_that_is_not_utf8), RUN(decoding_leaves_good_text_alone),
          RUN(decoding_cuts_texts_at_their_bounds_and_at_a_character),
          RUN(decoding_repairs_first_and_cuts_then),
          RUN(decoding_drops_and_counts_what_is_too_many), RUN(decoding_drops_links_with_wrong_ids),
          RUN(decoding_cuts_values_that_are_nested_too_deep),
          RUN(decoding_refuses_groups_that_are_nested_too_deep),
          RUN(decoding_a_list_of_50000_entries_is_quick_and_whole),
          RUN(decoding_answers_limit_when_the_batch_may_not_grow),
          RUN(decoding_survives_each_allocation_failing), RUN(decoding_damaged_requests_is_orderly))
