/* load_make_test.c - made requests are OTLP, realistic, different each time, and give back the ids
 * they were promised. */
#include <string.h>

#include "tests/test.h"

#include "base/str.h"
#include "load_make.h"
#include "model/batch.h"
#include "os/mem.h"
#include "wire/otlp.h"

static kis_load_maker maker;

static void begin_maker(kis_load_mix mix)
{
    kis_diag diag = { 0 };
    CHECK_ERR(KIS_OK, kis_load_maker_init(&maker, &mix, &kis_mem, &diag), "templates");
}

/* A made request, decoded; its body belongs to the batch. */
static kis_batch *make(uint64_t seed, uint64_t begin_unix_ns)
{
    size_t len = kis_load_template_of(&maker, seed)->body.len;
    uint8_t *body = kis_mem.take(kis_mem.user, len);
    kis_batch *batch = kis_batch_new(&kis_mem, (size_t)64 << 20);
    kis_diag diag = { 0 };

    kis_load_make(&maker, seed, begin_unix_ns, body);
    kis_batch_adopt_body(batch, body, len, len, &kis_mem);
    kis_err err =
        maker.is_json ? kis_otlp_json_decode(batch, &diag) : kis_otlp_decode(batch, &diag);
    if (err)
        fail_msg("decode: %s", diag.text);
    return batch;
}

static const kis_span_view *find_span(const kis_batch *batch, kis_span_id id)
{
    for (uint32_t i = 0; i < batch->span_count; i++)
        if (kis_span_id_eq(&batch->spans[i].span_id, &id))
            return &batch->spans[i];
    return NULL;
}

TEST(requests_are_otlp_with_the_promised_ids_and_times)
{
    static const struct {
        const char *why;
        kis_load_mix mix;
    } rows[] = {
        { "protobuf", { .spans_per_request = 512, .services = 10, .seed = 1 } },
        { "JSON", { .spans_per_request = 512, .services = 10, .seed = 1, .is_json = true } },
        { "harsh", { .spans_per_request = 512, .services = 10, .seed = 1, .is_harsh = true } },
        { "harsh JSON",
          { .spans_per_request = 64,
            .services = 3,
            .seed = 1,
            .is_harsh = true,
            .is_json = true } },
        { "one span", { .spans_per_request = 1, .services = 1, .seed = 1 } },
        { "many services", { .spans_per_request = 100, .services = 200, .seed = 1 } },
    };
    const uint64_t begin_ns = 1790000000000000000u;

    for (size_t r = 0; r < COUNT_OF(rows); r++) {
        begin_maker(rows[r].mix);
        for (uint64_t seed = 100; seed < 103; seed++) {
            kis_batch *batch = make(seed, begin_ns);
            const kis_load_template *t = kis_load_template_of(&maker, seed);
            CHECK_INT(rows[r].mix.spans_per_request, batch->span_count, rows[r].why);
            CHECK_INT(0, batch->rejected_spans + batch->cut_values, rows[r].why);
            for (uint32_t i = 0; i < t->span_count; i++) {
                const kis_span_view *span = find_span(batch, kis_load_span_id(seed, i));
                kis_trace_id trace_id = kis_load_trace_id(seed, t->trace_of_span[i]);
                CHECK(span != NULL, rows[r].why);
                CHECK(kis_trace_id_eq(&trace_id, &span->trace_id), "in its trace");
                CHECK(span->start_unix_ns >= begin_ns && span->end_unix_ns > span->start_unix_ns &&
                          span->end_unix_ns < begin_ns + 1000000000u,
                      "within a second");
                CHECK(!kis_span_id_is_valid(&span->parent_id) || find_span(batch, span->parent_id),
                      "a parent is in the request");
            }
            kis_batch_unref(batch);
        }
        kis_load_maker_done(&maker);
    }
}

TEST(the_workload_is_as_it_is_described)
{
    uint64_t attrs = 0, events = 0, errors = 0, spans = 0, bytes = 0, roots = 0;
    kis_batch *batch;

    begin_maker((kis_load_mix){ .spans_per_request = 512, .services = 10, .seed = 1 });
    for (uint64_t seed = 0; seed < KIS_LOAD_TEMPLATES; seed++) {
        batch = make(seed, 1790000000000000000u);
        for (uint32_t i = 0; i < batch->span_count; i++) {
            attrs += batch->spans[i].attr_count;
            events += batch->spans[i].event_count;
            errors += batch->spans[i].status == KIS_STATUS_ERROR;
            roots += !kis_span_id_is_valid(&batch->spans[i].parent_id);
        }
        spans += batch->span_count;
        bytes += batch->body.len;
        CHECK_INT(10, batch->resource_count, "ten services");
        kis_batch_unref(batch);
    }
    printf("%.1f bytes, %.2f attributes, %.2f events a span; %.1f spans a trace; %.2f %% errors\n",
           (double)bytes / (double)spans, (double)attrs / (double)spans,
           (double)events / (double)spans, (double)spans / (double)roots,
           100.0 * (double)errors / (double)spans);
    CHECK(bytes / spans >= 440 && bytes / spans <= 480, "about 460 bytes a span");
    CHECK(attrs * 10 >= spans * 85 && attrs * 10 <= spans * 95, "about 9 attributes");
    CHECK(events * 100 >= spans * 20 && events * 100 <= spans * 35, "an event on every fourth");
    CHECK(spans / roots >= 8 && spans / roots <= 12, "traces of about ten");
    CHECK(errors > 0 && errors * 20 < spans, "an error now and then");
    kis_load_maker_done(&maker);

    begin_maker(
        (kis_load_mix){ .spans_per_request = 512, .services = 10, .seed = 1, .is_harsh = true });
    batch = make(1, 1790000000000000000u);
    for (attrs = 0, spans = 0; spans < batch->span_count; spans++)
        attrs += batch->spans[spans].attr_count;
    CHECK(attrs >= 14 * spans && attrs <= 16 * spans, "harsh: about 15 attributes");
    kis_batch_unref(batch);
    kis_load_maker_done(&maker);
}

TEST(each_request_is_new_and_the_same_seed_is_the_same)
{
    uint8_t *a, *b, *c;

    begin_maker((kis_load_mix){ .spans_per_request = 64, .services = 10, .seed = 1 });
    size_t len = kis_load_body_max(&maker);
    a = kis_mem.take(kis_mem.user, len);
    b = kis_mem.take(kis_mem.user, len);
    c = kis_mem.take(kis_mem.user, len);
    size_t body = kis_load_template_of(&maker, 5)->body.len;
    kis_load_make(&maker, 5, 1, a);
    kis_load_make(&maker, 5, 1, b);
    kis_load_make(&maker, 5 + KIS_LOAD_TEMPLATES, 1, c);
    CHECK(memcmp(a, b, body) == 0, "the same again");
    size_t differ = 0;
    for (size_t i = 0; i < body; i++)
        differ += a[i] != c[i];
    CHECK(differ > body / 12,
          "another request of the same template has its own ids, times and values");
    kis_str text = kis_str_of((const char *)a, body);
    CHECK(kis_str_find(text, KIS_STR("~~~~")) == KIS_STR_NPOS &&
              kis_str_find(text, KIS_STR("````")) == KIS_STR_NPOS,
          "no placeholder is left");
    kis_mem.give_back(kis_mem.user, a, len);
    kis_mem.give_back(kis_mem.user, b, len);
    kis_mem.give_back(kis_mem.user, c, len);
    kis_load_maker_done(&maker);
}

TEST(making_templates_survives_every_allocation_failure)
{
    kis_load_mix mix = { .spans_per_request = 4, .services = 2, .seed = 1 };

    for (long n = 0; n < 400; n += 7) {
        kis_diag diag;
        test_alloc_reset(n);
        kis_err err = kis_load_maker_init(&maker, &mix, test_alloc, &diag);
        if (err == KIS_OK)
            kis_load_maker_done(&maker);
        CHECK_INT(0, test_alloc_live(), "no leak");
        if (!test_alloc_failed())
            break;
    }
}

TEST_MAIN(RUN(requests_are_otlp_with_the_promised_ids_and_times),
          RUN(the_workload_is_as_it_is_described),
          RUN(each_request_is_new_and_the_same_seed_is_the_same),
          RUN(making_templates_survives_every_allocation_failure))
