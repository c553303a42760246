/* Encoding of OTLP protobuf: decode(encode(x)) is x, whichever way the batch came about. */
#include "wire/otlp.h"

#include "model/test_spans.h"
#include "tests/test.h"
#include "wire/test_views.h"

#define START 1700000000000000000ull

static kis_batch *generate(uint64_t seed)
{
    return test_spans_generate(
        test_alloc, &(test_spans_spec){
                        .seed = seed, .traces = 20, .spans_per_trace = 6, .start_unix_ns = START });
}

/* Encodes, decodes, compares; answers the encoded bytes in `out`. */
static void check_round_trip(kis_batch *batch, kis_buf *out, const char *why)
{
    kis_batch *again = kis_batch_new(test_alloc, 1 << 20);
    kis_diag diag;
    kis_buf_clear(out);
    kis_otlp_encode(batch, out);
    CHECK_ERR(KIS_OK, out->err, why);
    again->body = kis_buf_bytes(out);
    CHECK_ERR(KIS_OK, kis_otlp_decode(again, &diag), why);
    views_check_batch(again);
    CHECK(views_same_batch(batch, again), why);
    CHECK(again->is_verbatim, why);
    kis_batch_unref(again);
}

TEST(encoding_what_was_decoded_gives_the_same_spans)
{
    kis_buf out;
    test_alloc_reset(-1);
    kis_buf_init(&out, test_alloc, 8 << 20);
    for (uint64_t seed = 1; seed <= 10; seed++) {
        kis_batch *batch = generate(seed);
        check_round_trip(batch, &out, "verbatim");
        CHECK_BYTES(batch->body.ptr, batch->body.len, kis_buf_bytes(&out),
                    "a verbatim batch is copied");
        batch->is_verbatim = false;
        check_round_trip(batch, &out, "spans with their bytes");
        CHECK_BYTES(batch->body.ptr, batch->body.len, kis_buf_bytes(&out),
                    "which is what the builder writes");
        for (uint32_t i = 0; i < batch->span_count; i++)
            batch->spans[i].bytes = KIS_BYTES_NONE;
        check_round_trip(batch, &out, "spans from their views");
        kis_batch_unref(batch);
    }
    kis_buf_done(&out);
    CHECK_INT(0, test_alloc_live(), "nothing is left over");
}

TEST(encoding_leaves_out_what_lies_between_attributes)
{
    uint8_t memory[512], out_memory[512];
    kis_buf fields, out;
    kis_buf_init_fixed(&fields, memory, sizeof memory);
    kis_attr_put_str(&fields, KIS_TAG_SPAN_ATTRS, KIS_STR("a"), KIS_STR("1"));
    kis_pb_put_str(&fields, 5, KIS_STR("another name"));
    kis_pb_put_varint(&fields, 4000, 1);
    kis_attr_put_int(&fields, KIS_TAG_SPAN_ATTRS, KIS_STR("b"), -1);
    kis_attr_put_bool(&fields, KIS_TAG_SPAN_ATTRS, KIS_STR("c"), true);
    kis_span_view span = { .trace_id = test_trace_id(1),
                           .span_id = test_span_id(2),
                           .name = KIS_STR("name"),
                           .attrs = { fields.ptr, (uint32_t)fields.len, KIS_TAG_SPAN_ATTRS },
                           .attr_count = 3 };
    kis_buf_init_fixed(&out, out_memory, sizeof out_memory);
    kis_otlp_encode_span(&span, &out);
    kis_span_view again = test_span_view(kis_buf_bytes(&out));
    CHECK(views_same_span(&span, &again), "the same span");
    kis_cursor c = kis_cursor_of(kis_buf_bytes(&out));
    kis_pb_field field;
    while (kis_pb_next(&c, &field) == KIS_OK)
        CHECK(field.tag >> 3 != 4000, "only attributes are copied");
}

TEST(encoding_attributes_of_another_tag_gives_them_the_right_one)
{
    uint8_t memory[128], out_memory[128];
    kis_buf fields, out;
    kis_buf_init_fixed(&fields, memory, sizeof memory);
    kis_attr_put_str(&fields, KIS_TAG_KVLIST_VALUES, KIS_STR("k"), KIS_STR("v"));
    kis_span_view span = { .trace_id = test_trace_id(1),
                           .span_id = test_span_id(2),
                           .attr_count = 1,
                           .attrs = { fields.ptr, (uint32_t)fields.len, KIS_TAG_KVLIST_VALUES } };
    kis_buf_init_fixed(&out, out_memory, sizeof out_memory);
    kis_otlp_encode_span(&span, &out);
    kis_span_view again = test_span_view(kis_buf_bytes(&out));
    CHECK_STR("v", kis_attrs_text(again.attrs, KIS_STR("k")), "an attribute of the span");
}

TEST(encoding_groups_scopes_of_one_resource_and_keeps_schema_urls)
{
    test_spans t;
    kis_buf out;
    test_spans_begin(&t, test_alloc);
    for (int resource = 0; resource < 2; resource++) {
        test_spans_resource(&t, resource ? "b" : "a");
        for (int scope = 0; scope < 2; scope++) {
            test_spans_scope(&t, scope ? "y" : "x", "1");
            test_spans_add(
                &t, &(test_span){ .trace = 1, .span = 2 + 2 * resource + scope, .name = "n" });
        }
    }
    kis_batch *batch = test_spans_end(&t);
    batch->is_verbatim = false;
    batch->resources[1].schema_url = KIS_STR("https://example.test/1");
    batch->resources[1].dropped_attrs = 4;
    batch->scopes[2].schema_url = KIS_STR("https://example.test/2");
    batch->scopes[2].dropped_attrs = 3;
    kis_buf_init(&out, test_alloc, 1 << 20);
    check_round_trip(batch, &out, "two resources with two scopes each");
    kis_cursor c = kis_cursor_of(kis_buf_bytes(&out));
    kis_pb_field field;
    int resources = 0;
    while (kis_pb_next(&c, &field) == KIS_OK)
        resources++;
    CHECK_INT(2, resources, "one resource_spans a resource");
    kis_buf_done(&out);
    kis_batch_unref(batch);
}

/* One scope; each span whose number is a multiple of `step` has a name of `looked_at` bytes, the
 * others one of `other`. */
static kis_batch *batch_of_sizes(int spans, int step, size_t looked_at, size_t other)
{
    static char names[2][2048];
    test_spans t;
    size_t sizes[] = { looked_at, other };
    for (int i = 0; i < 2; i++) {
        memset(names[i], 'a' + i, sizes[i]);
        names[i][sizes[i]] = '\0';
    }
    test_spans_begin(&t, test_alloc);
    test_spans_resource(&t, "a");
    test_spans_scope(&t, "x", "1");
    for (int i = 0; i < spans; i++)
        test_spans_add(
            &t, &(test_span){ .trace = 1, .span = 1 + (uint64_t)i, .name = names[i % step != 0] });
    kis_batch *batch = test_spans_end(&t);
    batch->is_verbatim = false;
    return batch;
}

TEST(encoding_a_scope_whose_size_is_guessed_wrong_moves_it)
{
    static const struct {
        const char *why;
        int spans, step;
        size_t looked_at, other;
    } rows[] = {
        { "guessed right", 100, 7, 100, 100 },
        { "two bytes of length guessed, three needed", 100, 7, 1, 1000 },
        { "three guessed, two needed", 50, 4, 1000, 1 },
        { "one span", 1, 1, 10, 10 },
        { "as many as are looked at, and one more", 17, 2, 10, 2000 },
    };
    kis_buf out;
    kis_buf_init(&out, test_alloc, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_batch *batch =
            batch_of_sizes(rows[i].spans, rows[i].step, rows[i].looked_at, rows[i].other);
        check_round_trip(batch, &out, rows[i].why);
        CHECK_BYTES(batch->body.ptr, batch->body.len, kis_buf_bytes(&out), rows[i].why);
        kis_batch_unref(batch);
    }
    kis_buf_done(&out);
    CHECK_INT(0, test_alloc_live(), "nothing is left over");
}

TEST(encoding_without_room_says_so)
{
    kis_batch *batch = generate(1);
    kis_buf out;
    batch->is_verbatim = false;
    for (size_t size = 0; size < 2000; size += 7) {
        kis_buf_init(&out, test_alloc, size);
        kis_otlp_encode(batch, &out);
        CHECK_ERR(KIS_ERR_LIMIT, out.err, "less than it needs");
        kis_buf_done(&out);
    }
    kis_batch_unref(batch);
}

TEST_MAIN(RUN(encoding_what_was_decoded_gives_the_same_spans),
          RUN(encoding_leaves_out_what_lies_between_attributes),
          RUN(encoding_attributes_of_another_tag_gives_them_the_right_one),
          RUN(encoding_groups_scopes_of_one_resource_and_keeps_schema_urls),
          RUN(encoding_a_scope_whose_size_is_guessed_wrong_moves_it),
          RUN(encoding_without_room_says_so))
