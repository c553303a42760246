/* batcher_test.c - when batches are made, what a flush waits for, what is counted;
 * under a clock set by hand. */
#include <pthread.h>

#include "sdk/test_host.h"

#include <kiseki/kiseki.h>

#include "wire/otlp.h"

KIS_TRACER(shop, "shop", "1")
KIS_TRACER(other, "other", "2")

static test_sdk t;

static void record(int count)
{
    for (int i = 0; i < count; i++)
        kis_span_end(kis_span_start(shop(), "s"));
}
static uint64_t step(void)
{
    return kis_batcher_step(&t.sdk->batcher, test_now(&t.world));
}
static void pass_ms(uint64_t ms)
{
    t.world.now_ns += ms * 1000000u;
}
static kis_sdk_stats stats(void)
{
    kis_sdk_stats s;
    kis_sdk_get_stats(t.sdk, &s);
    return s;
}

TEST(a_batch_is_made_when_full_or_after_the_delay)
{
    test_sdk_begin(&t);
    uint64_t next = step();
    CHECK_INT(test_now(&t.world) + 5000000000u, next, "nothing to do: come back after the delay");
    record(511);
    step();
    CHECK_INT(0, t.sink.batch_count, "not full, not late");
    record(1);
    step();
    CHECK_INT(1, t.sink.batch_count, "full (M20)");
    CHECK_INT(512, t.sink.batches[0]->span_count, "512 spans");
    record(10);
    pass_ms(4999);
    step();
    CHECK_INT(1, t.sink.batch_count, "one millisecond too early");
    pass_ms(1);
    step();
    CHECK_INT(2, t.sink.batch_count, "after the delay");
    CHECK_INT(10, t.sink.batches[1]->span_count, "what there was");
    test_sdk_end(&t);
}

TEST(a_full_queue_drops_the_newest_and_counts)
{
    test_sdk_prepare(&t);
    t.setup.queue_spans = 100;
    t.setup.batcher.batch_spans = 50;
    test_sdk_open(&t);
    record(130);
    CHECK_INT(30, stats().dropped_queue, "30 found it full");
    CHECK_INT(100, stats().queued, "100 wait");
    test_sdk_flush(&t);
    CHECK_INT(100, test_sink_spans(&t.sink), "and arrive");
    record(5);
    test_sdk_flush(&t);
    CHECK_INT(105, test_sink_spans(&t.sink), "there is room again");
    CHECK_INT(105, stats().exported, "all counted");
    test_sdk_end(&t);
}

TEST(batches_in_flight_are_bounded)
{
    test_sdk_prepare(&t);
    t.setup.batcher.batch_spans = 10;
    test_sdk_open(&t);
    t.sink.is_slow = true;
    record(100);
    step();
    CHECK_INT(KIS_BATCHES_IN_FLIGHT, t.sink.batch_count, "no more than that without an answer");
    CHECK_INT(60, stats().queued, "the rest waits in the rings");
    CHECK_INT(40, stats().in_flight, "gauge");
    uint32_t wakes = t.world.wakes;
    test_sink_answer(&t.sink);
    CHECK(t.world.wakes > wakes, "an answer wakes the driver");
    step();
    CHECK_INT(2 * KIS_BATCHES_IN_FLIGHT, t.sink.batch_count, "and it goes on");
    t.sink.is_slow = false;
    test_sink_answer(&t.sink);
    test_sdk_flush(&t);
    test_sdk_end(&t);
}

TEST(a_flush_waits_for_answers_but_not_for_what_comes_later)
{
    test_sdk_begin(&t);
    t.sink.is_slow = true;
    record(3);
    uint32_t ticket = kis_batcher_flush(&t.sdk->batcher);
    step();
    CHECK_INT(1, t.sink.batch_count, "sent at once");
    CHECK(!kis_batcher_is_flushed(&t.sdk->batcher, ticket), "but not answered");
    record(2000);
    step();
    CHECK(t.sink.batch_count > 1, "others go on");
    t.sink.waiting[0].call(t.sink.waiting[0].user, &(kis_sink_result){ .err = KIS_OK });
    t.sink.answered = 1;
    step();
    CHECK(kis_batcher_is_flushed(&t.sdk->batcher, ticket), "what was before the line is answered");
    uint32_t second = kis_batcher_flush(&t.sdk->batcher);
    step();
    CHECK(!kis_batcher_is_flushed(&t.sdk->batcher, second), "the second waits for the others");
    test_sink_answer(&t.sink);
    for (int i = 0; i < 10; i++, test_sink_answer(&t.sink))
        step();
    CHECK(kis_batcher_is_flushed(&t.sdk->batcher, second), "and ends");
    test_sdk_end(&t);
}

TEST(failures_are_counted_as_lost)
{
    test_sdk_begin(&t);
    t.sink.answer = KIS_ERR_IO;
    record(7);
    test_sdk_flush(&t);
    CHECK_INT(7, stats().dropped_export, "lost");
    CHECK_INT(0, stats().exported, "none arrived");
    CHECK_INT(1, stats().failed_batches, "one batch");
    CHECK_INT(KIS_ERR_IO, t.sdk->batcher.last_error, "and why");
    test_sdk_end(&t);
}

TEST(spans_of_one_tracer_are_neighbours)
{
    test_sdk_begin(&t);
    for (int i = 0; i < 10; i++)
        kis_span_end(kis_span_start(i % 2 ? shop() : other(), i % 2 ? "shop" : "other"));
    test_sdk_flush(&t);
    const kis_batch *batch = t.sink.batches[0];
    CHECK_INT(2, batch->scope_count, "two scopes");
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t k = 0; k < batch->scopes[i].span_count; k++)
            CHECK(kis_str_eq(batch->scopes[i].name,
                             batch->spans[batch->scopes[i].first_span + k].name),
                  "each with its own");
    test_sdk_end(&t);
}

TEST(the_simple_processor_sends_each_span_at_once)
{
    test_sdk_prepare(&t);
    t.setup.batcher.is_simple = true;
    test_sdk_open(&t);
    record(3);
    CHECK_INT(3, t.sink.batch_count, "three batches, no step");
    CHECK_INT(3, stats().exported, "counted");
    test_sdk_end(&t);
}

TEST(the_driver_is_woken_for_the_first_span_and_for_full_batches)
{
    test_sdk_prepare(&t);
    t.setup.batcher.batch_spans = 10;
    test_sdk_open(&t);
    record(1);
    CHECK_INT(1, t.world.wakes, "the first span: a driver is wanted");
    step();
    record(8);
    CHECK_INT(1, t.world.wakes, "nine wait");
    record(1);
    CHECK_INT(2, t.world.wakes, "ten wait: a batch");
    step();
    CHECK_INT(1, t.sink.batch_count, "taken");
    record(100);
    CHECK_INT(2, t.world.wakes, "he looks by himself now: no thread pays for waking him");
    step();
    pass_ms(1500);
    step();
    record(10);
    CHECK_INT(3, t.world.wakes, "he went to sleep again");
    test_sdk_end(&t);
}

TEST(wall_time_follows_a_clock_that_was_set)
{
    test_sdk_begin(&t);
    t.world.wall_ns += 3600000000000u;
    pass_ms(2000);
    step();
    kis_span_end(kis_span_start(shop(), "later"));
    test_sdk_flush(&t);
    CHECK_INT(t.world.wall_ns + test_now(&t.world), test_sink_at(&t.sink, 0)->start_unix_ns,
              "an hour later");
    test_sdk_end(&t);
}

TEST(what_is_encoded_says_what_the_views_say)
{
    kis_span_context remote = { .trace_id = { { 9 } },
                                .span_id = { { 8 } },
                                .flags = 1,
                                .is_remote = true,
                                .trace_state = KIS_STR("k=v") };
    test_sdk_begin(&t);
    for (int i = 0; i < 64; i++) { /* each bit is something that a plain copy has or has not */
        kis_context parent =
            i & 1 ? kis_context_with_span_context(kis_context_none(), &remote) : kis_context_none();
        kis_span span =
            kis_span_start(shop(), "first", .kind = (kis_span_kind)(i % 5), .parent = parent,
                           .attrs = KIS_ATTRS(KIS_KV("a", 1), KIS_KV("b", "two")));
        if (i & 2)
            kis_span_set(span, KIS_KV("b", "a longer text"));
        if (i & 4)
            kis_span_set_status(span, i & 8 ? KIS_STATUS_OK : KIS_STATUS_ERROR,
                                i & 16 ? "why" : NULL);
        if (i & 8)
            kis_span_event(span, "e", KIS_KV("x", i));
        if (i & 16)
            kis_span_link(span, &remote, KIS_KV("y", i));
        if (i & 32)
            kis_span_update_name(span, "second");
        kis_span_end(span);
    }
    test_sdk_flush(&t);
    kis_buf buf;
    kis_buf_init(&buf, &test_memory, 1 << 20);
    kis_otlp_encode(t.sink.batches[0], &buf);
    CHECK_ERR(KIS_OK, buf.err, "encoded");
    kis_batch *decoded = kis_batch_new(&test_memory, 1 << 22);
    decoded->body = kis_buf_bytes(&buf);
    kis_diag diag;
    CHECK_ERR(KIS_OK, kis_otlp_decode(decoded, &diag), diag.text);
    CHECK_INT(64, decoded->span_count, "all spans");
    CHECK_INT(0, decoded->cut_values + decoded->rejected_spans, "none refused or cut");
    for (uint32_t i = 0; i < 64; i++) {
        const kis_span_view *a = &t.sink.batches[0]->spans[i], *b = &decoded->spans[i];
        char why[32];
        snprintf(why, sizeof(why), "span %u", i);
        CHECK(kis_trace_id_eq(&a->trace_id, &b->trace_id) &&
                  kis_span_id_eq(&a->span_id, &b->span_id) &&
                  kis_span_id_eq(&a->parent_id, &b->parent_id),
              why);
        CHECK(a->start_unix_ns == b->start_unix_ns && a->end_unix_ns == b->end_unix_ns &&
                  a->kind == b->kind && a->status == b->status && a->flags == b->flags,
              why);
        CHECK(kis_str_eq(a->name, b->name) && kis_str_eq(a->trace_state, b->trace_state) &&
                  kis_str_eq(a->status_message, b->status_message),
              why);
        CHECK_INT(kis_attrs_count(a->attrs), kis_attrs_count(b->attrs), why);
        CHECK(kis_str_eq(test_attr_text(a, "b"), test_attr_text(b, "b")), why);
        CHECK(a->event_count == b->event_count && a->link_count == b->link_count, why);
        CHECK_STR(i & 32 ? "second" : "first", b->name, why);
        CHECK_STR(i & 4 && i & 16 && !(i & 8) ? "why" : "", b->status_message, why);
    }
    kis_batch_unref(decoded);
    kis_buf_done(&buf);
    test_sdk_end(&t);
}

/* ---- several threads ---- */

enum { THREADS = 8, EACH = 5000 };
static kis_span shared;
static void *many(void *user)
{
    for (int i = 0; i < EACH; i++) {
        KIS_SPAN(span, shop(), "outer", .attrs = KIS_ATTRS(KIS_KV("i", i)));
        KIS_SPAN(inner, other(), "inner");
        kis_span_set(inner, KIS_KV("thread", (int)(intptr_t)user), KIS_KV("text", "some text"));
        kis_span_set(shared, KIS_KV("from", i), KIS_KV("by", (int)(intptr_t)user));
        kis_span_event(shared, "tick", KIS_KV("i", i));
    }
    kis_recorder_thread_done();
    return NULL;
}
static _Atomic bool is_driving;
static void *drive(void *user)
{
    (void)user;
    while (is_driving)
        step();
    return NULL;
}

static size_t count_of(kis_str text, const char *word)
{
    size_t count = 0;
    for (size_t at; (at = kis_str_find(text, kis_str_from_c(word))) != KIS_STR_NPOS; count++)
        text = kis_str_slice(text, at + 1, text.len);
    return count;
}

/* The innermost of `levels` lists holds a text. */
static void record_nested(kis_attr attrs[], int levels)
{
    attrs[levels] = kis_attr_text("x", "innermost");
    for (int i = levels; i > 0; i--)
        attrs[i - 1] = kis_attr_list_of("x", (kis_attr_list){ &attrs[i], 1 });
    kis_span span = kis_span_start(shop(), "nested");
    kis_span_set_attrs(span, (kis_attr_list){ attrs, 1 });
    kis_span_end(span);
}

TEST(what_is_recorded_is_too_deep_for_nobody)
{
    static const int depths[] = { 1, 30, 31, 32, 33, 34, 60 };
    kis_attr attrs[64];
    for (size_t i = 0; i < COUNT_OF(depths); i++) {
        kis_buf buf, json, json_again;
        kis_diag diag;
        test_sdk_begin(&t);
        record_nested(attrs, depths[i]);
        test_sdk_flush(&t);
        kis_buf_init(&buf, &test_memory, 1 << 20);
        kis_buf_init(&json, &test_memory, 1 << 20);
        kis_buf_init(&json_again, &test_memory, 1 << 20);
        kis_otlp_encode(t.sink.batches[0], &buf);
        kis_otlp_json_encode(t.sink.batches[0], &json);
        kis_batch *decoded = kis_batch_new(&test_memory, 1 << 22);
        decoded->body = kis_buf_bytes(&buf);
        CHECK_ERR(KIS_OK, kis_otlp_decode(decoded, &diag), diag.text);
        CHECK_INT(0, decoded->cut_values, "a receiver has nothing to cut");
        kis_otlp_json_encode(decoded, &json_again);
        CHECK(kis_str_eq(kis_buf_str(&json), kis_buf_str(&json_again)), "all forms agree");
        CHECK_INT(KIS_MIN(depths[i], KIS_RECORD_DEPTH_MAX) + (depths[i] > KIS_RECORD_DEPTH_MAX),
                  count_of(kis_buf_str(&json), "arrayValue"), "levels, the last one empty");
        CHECK_INT(depths[i] <= KIS_RECORD_DEPTH_MAX, count_of(kis_buf_str(&json), "innermost"),
                  "what stands in the innermost");
        kis_batch_unref(decoded);
        kis_buf_done(&buf);
        kis_buf_done(&json);
        kis_buf_done(&json_again);
        test_sdk_end(&t);
    }
}

TEST(eight_threads_lose_nothing_that_is_not_counted)
{
    pthread_t threads[THREADS], driver;
    test_sdk_prepare(&t);
    t.sink.drops = true;
    test_sdk_open(&t);
    shared = kis_span_start(shop(), "shared");
    is_driving = true;
    pthread_create(&driver, NULL, drive, NULL);
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, many, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    kis_span_end(shared);
    is_driving = false;
    pthread_join(driver, NULL);
    test_sdk_flush(&t);
    kis_sdk_stats s = stats();
    CHECK_INT(THREADS * EACH * 2 + 1, s.started + s.dropped_memory, "every start is counted");
    CHECK_INT(s.started, s.ended, "and every end");
    CHECK_INT(s.ended, s.exported + s.dropped_queue, "sent or counted as dropped");
    CHECK(s.dropped_events >= THREADS * EACH - 128 - 1, "events over the limit too");
    test_sdk_end(&t);
}

TEST(a_record_goes_from_a_thread_that_ended_to_the_next)
{
    test_sdk_begin(&t);
    t.sink.drops = true;
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        shared = kis_span_none();
        pthread_create(&thread, NULL, many, (void *)(intptr_t)i);
        pthread_join(thread, NULL);
        step();
        if (i == 0)
            i = 45;
    }
    uint32_t records = 0;
    for (kis_recorder_thread *r = t.sdk->threads; r; r = r->next)
        records++;
    CHECK_INT(1, records, "one record for all of them");
    test_sdk_end(&t);
}

TEST_MAIN(RUN(a_batch_is_made_when_full_or_after_the_delay),
          RUN(a_full_queue_drops_the_newest_and_counts), RUN(batches_in_flight_are_bounded),
          RUN(a_flush_waits_for_answers_but_not_for_what_comes_later),
          RUN(failures_are_counted_as_lost), RUN(spans_of_one_tracer_are_neighbours),
          RUN(the_simple_processor_sends_each_span_at_once),
          RUN(the_driver_is_woken_for_the_first_span_and_for_full_batches),
          RUN(wall_time_follows_a_clock_that_was_set), RUN(what_is_encoded_says_what_the_views_say),
          RUN(what_is_recorded_is_too_deep_for_nobody),
          RUN(eight_threads_lose_nothing_that_is_not_counted),
          RUN(a_record_goes_from_a_thread_that_ended_to_the_next))
