/* Records: bytes as FORMAT.md has them, a round trip, and what is not a record. */
#include <string.h>

#include "model/test_spans.h"
#include "os/mem.h"
#include "store/catalog.h"
#include "store/frame.h"
#include "store/head.h"
#include "store/row.h"
#include "tests/test.h"

static kis_bytes encode(const kis_batch *batch, uint64_t received)
{
    size_t size = kis_frame_size(batch);
    uint8_t *bytes = malloc(size);
    kis_frame_encode(batch, received, bytes, size);
    return kis_bytes_of(bytes, size);
}

TEST(the_example_of_the_format_is_what_is_written)
{
    static const uint8_t want[] = {
        0x07, 0,    0,    0,    0,    0,    0,    0, /* received */
        0x00, 0x00, 0x01, 0x01, 0x01,                /* tenant, key, counts */
        0x01, 's',  0x00, 0x00, 0x15, 0x0a, 0x13, 0x0a, 0x0c, 's',  'e',  'r',  'v',
        'i',  'c',  'e',  '.', /* resource */
        'n',  'a',  'm',  'e',  0x12, 0x03, 0x0a, 0x01, 's',  0x00, 0x00, 0x00, 0x00,
        0x00, 0x01, 0x00,                               /* scope */
        0x47, 0,    0,    0,    0x02, 0x00, 0x01, 0x00, /* row: size 71, SERVER, no parts,
                                                         * one attribute */
        0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
        0x11, 0x11, 0x11, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0,    0,
        0,    0,    0,    0,    0,    0,    0x05, 0,    0,    0,    0,    0,    0,
        0,    0x09, 0,    0,    0,    0,    0,    0,    0,    0x03, 'G',  'E',  'T',
        0x0a, 0x4a, 0x08, 0x0a, 0x01, 'a',  0x12, 0x03, 0x0a, 0x01, 'b',
    };
    test_spans t;
    test_spans_begin(&t, &kis_mem);
    test_spans_resource(&t, "s");
    test_spans_scope(&t, "", "");
    test_spans_add(&t, &(test_span){ .trace = 1,
                                     .span = 1,
                                     .name = "GET",
                                     .start_ns = 5,
                                     .end_ns = 9,
                                     .kind = KIS_OTLP_KIND_SERVER });
    test_spans_str(&t, "a", "b");
    kis_batch *batch = test_spans_end(&t);
    memset(&batch->spans[0].trace_id, 0x11, 16);
    memset(&batch->spans[0].span_id, 0x22, 8);
    kis_bytes got = encode(batch, 7);
    for (size_t i = 0; i < got.len && (got.len != sizeof want || memcmp(got.ptr, want, got.len));
         i++)
        printf("%02x%s", got.ptr[i], i % 16 == 15 || i + 1 == got.len ? "\n" : " ");
    CHECK_BYTES(want, sizeof want, got, "FORMAT.md, Example");
    free((void *)got.ptr);
    kis_batch_unref(batch);
}

static bool spans_equal(const kis_span_view *a, const kis_span_view *b)
{
    return kis_trace_id_eq(&a->trace_id, &b->trace_id) &&
           kis_span_id_eq(&a->span_id, &b->span_id) &&
           kis_span_id_eq(&a->parent_id, &b->parent_id) && a->start_unix_ns == b->start_unix_ns &&
           a->end_unix_ns == b->end_unix_ns && kis_str_eq(a->name, b->name) &&
           kis_str_eq(a->trace_state, b->trace_state) &&
           kis_str_eq(a->status_message, b->status_message) && a->flags == b->flags &&
           a->attr_count == b->attr_count && a->event_count == b->event_count &&
           a->link_count == b->link_count && a->dropped_attrs == b->dropped_attrs &&
           a->dropped_events == b->dropped_events && a->dropped_links == b->dropped_links &&
           a->kind == b->kind && a->status == b->status;
}

TEST(a_row_says_all_that_a_span_says)
{
    test_spans t;
    test_spans_begin(&t, &kis_mem);
    test_spans_add(&t, &(test_span){ .trace = 1,
                                     .span = 2,
                                     .parent = 3,
                                     .name = "n",
                                     .status_message = "m",
                                     .trace_state = "a=b",
                                     .start_ns = 9,
                                     .end_ns = 5,
                                     .kind = 5,
                                     .status = 2,
                                     .flags = 0x301,
                                     .dropped_attrs = 1,
                                     .dropped_events = 2,
                                     .dropped_links = 300 });
    test_spans_str(&t, "k", "v");
    /* between the attributes: the stretch holds more than attributes */
    test_spans_event(&t, "e", 5, "k", "v");
    test_spans_int(&t, "i", -1);
    test_spans_link(&t, 7, 8, "k", "v");
    test_spans_event(&t, "f", 6, NULL, NULL);
    kis_batch *batch = test_spans_end(&t);
    const kis_span_view *span = &batch->spans[0];
    size_t size = kis_row_size(span);
    uint8_t *row = malloc(size);
    CHECK(kis_row_encode(span, row) == row + size, "the size was right");
    kis_cursor c = { row, row + size };
    kis_span_view read;
    CHECK(kis_row_decode(&c, &read), "reads");
    CHECK(c.at == c.end, "to its end");
    CHECK(spans_equal(span, &read), "every field");
    CHECK_INT(2, kis_attrs_count(read.attrs), "only the attributes");
    CHECK_INT(read.attrs.len, kis_fields_size(read.attrs.ptr, read.attrs.len, KIS_TAG_SPAN_ATTRS),
              "nothing between them");
    kis_event_view event;
    uint32_t events = 0;
    for (kis_cursor e = kis_cursor_of(read.events); kis_event_next(&e, &event);)
        events++;
    CHECK_INT(2, events, "events");
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *shorter = malloc(cut + 1);
        memcpy(shorter, row, cut);
        kis_cursor s = { shorter, shorter + cut };
        CHECK(!kis_row_decode(&s, &read), "a row that is cut short does not read");
        free(shorter);
    }
    free(row);
    kis_batch_unref(batch);
}

/* Whatever bytes stand in a record: it is entered or refused,
 * and nothing outside is read (the sanitizer looks). */
TEST(damaged_records_are_refused_or_read_within_their_bounds)
{
    test_spans_spec spec = { .seed = 3,
                             .first_trace = 1,
                             .traces = 3,
                             .spans_per_trace = 4,
                             .start_unix_ns = 1,
                             .trace_step_ns = 1 };
    kis_batch *batch = test_spans_generate(&kis_mem, &spec);
    kis_bytes good = encode(batch, 7);
    kis_catalog catalog;
    uint32_t refused = 0;
    kis_catalog_init(&catalog, &kis_mem);
    for (size_t at = 0; at < good.len; at++) {
        uint8_t *bad = malloc(good.len);
        memcpy(bad, good.ptr, good.len);
        bad[at] ^= (uint8_t)(1u << at % 8);
        kis_head *head = kis_head_new(&kis_mem, 1);
        kis_frame_head frame;
        kis_err err = kis_head_add(head, kis_bytes_of(bad, good.len), &catalog, &frame, NULL);
        kis_head_publish(head);
        CHECK(err == KIS_OK || err == KIS_ERR_CORRUPT, "entered or refused");
        if (err)
            CHECK_INT(head->rows, head->dead, "what had been entered is dead");
        refused += err != KIS_OK;
        kis_head_unref(head);
        free(bad);
    }
    CHECK(refused > 50, "lengths and counts are checked");
    kis_catalog_done(&catalog);
    free((void *)good.ptr);
    kis_batch_unref(batch);
}

TEST(a_head_keeps_the_keys_of_what_was_entered)
{
    enum { RECORDS = 40 };
    kis_bytes bodies[RECORDS];
    kis_head *head = kis_head_new(&kis_mem, 1);
    kis_catalog catalog;
    kis_frame_head frame;
    char key[16];

    kis_catalog_init(&catalog, &kis_mem);
    for (uint32_t i = 0; i < RECORDS; i++) {
        test_spans_spec spec = { .seed = 3, .first_trace = i, .traces = 1, .spans_per_trace = 1 };
        kis_batch *batch = test_spans_generate(&kis_mem, &spec);
        snprintf(key, sizeof key, "key-%u", i);
        batch->origin.tenant = KIS_STR("t");
        batch->origin.idempotency_key = i % 4 ? kis_str_from_c(key) : KIS_STR_NONE;
        bodies[i] = encode(batch, 7000000000u + i);
        kis_batch_unref(batch);
        size_t cut = i % 8 == 1; /* a byte is missing */
        kis_err err = kis_head_add(head, kis_bytes_of(bodies[i].ptr, bodies[i].len - cut), &catalog,
                                   &frame, NULL);
        CHECK_ERR(cut ? KIS_ERR_CORRUPT : KIS_OK, err, key);
    }
    CHECK_INT(RECORDS - 10 - 5, head->keys.len, "not those of refused records");
    for (uint32_t i = 0, at = 0; i < RECORDS; i++) {
        snprintf(key, sizeof key, "key-%u", i);
        kis_key want = kis_key_of(KIS_STR("t"), kis_str_from_c(key), 7);
        if (i % 4 == 0 || i % 8 == 1)
            continue;
        CHECK(kis_key_eq(want, head->keys.at[at]), key);
        CHECK_INT(7, head->keys.at[at++].time_s, "the time of receiving");
    }
    kis_head_publish(head);
    kis_head_unref(head);
    for (uint32_t i = 0; i < RECORDS; i++)
        free((void *)bodies[i].ptr);
    kis_catalog_done(&catalog);
}

TEST_MAIN(RUN(the_example_of_the_format_is_what_is_written), RUN(a_row_says_all_that_a_span_says),
          RUN(a_head_keeps_the_keys_of_what_was_entered),
          RUN(damaged_records_are_refused_or_read_within_their_bounds))
