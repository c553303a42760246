/* life_test.c - handles that outlive what they were made for: a span over the stop of its SDK, the
 * ids of a span that has ended, hooks that ask for them. */
#include <pthread.h>

#include "sdk/test_host.h"

#include <kiseki/kiseki.h>

KIS_TRACER(shop, "shop", "1.2.3")

static test_sdk t;

/* Stopped as `native` does it, with the entry going to whoever starts next. */
static void stop_and_start(void)
{
    test_sdk_flush(&t);
    kis_sdk_halt(t.sdk);
    CHECK(kis_sdk_is_left(t.sdk), "nobody is in a call");
    kis_sdk_retire(t.sdk);
    test_sink_clear(&t.sink);
    test_sdk_open(&t);
}

TEST(a_span_that_is_open_over_a_stop_is_nobodys)
{
    kis_sdk_stats stats;

    test_sdk_begin(&t);
    kis_span old = kis_span_start(shop(), "old life");
    kis_span other = kis_span_start(shop(), "old life, too");
    stop_and_start();
    CHECK(!kis_span_is_recording(old), "it is not recorded any more");
    kis_span_event(old, "late", KIS_KV("k", 1));
    kis_span_end(old);
    kis_span young = kis_span_start(shop(), "new life");
    kis_span_end(young);
    kis_span_end(other);
    kis_sdk_get_stats(t.sdk, &stats);
    CHECK_INT(3, stats.late_calls, "an event and two ends came too late");
    test_sdk_flush(&t);
    CHECK_INT(1, test_sink_spans(&t.sink), "one span is sent");
    CHECK_STR("new life", test_sink_at(&t.sink, 0)->name, "that of the SDK that sends");
    test_sdk_end(&t);
}

TEST(calls_after_a_stop_are_counted)
{
    kis_sdk_stats stats;

    test_sdk_begin(&t);
    kis_span span = kis_span_start(shop(), "x");
    kis_sdk_halt(t.sdk);
    kis_span_event(span, "late", KIS_KV("k", 1));
    kis_span_fail(span, "late");
    kis_span_end(span);
    kis_sdk_get_stats(t.sdk, &stats);
    CHECK_INT(3, stats.late_calls, "each of them");
    test_sdk_end(&t);
}

TEST(another_parent_has_no_trace_state_of_the_first_when_no_sdk_runs)
{
    kis_span_context first = { .trace_id = { { 1 } },
                               .span_id = { { 2 } },
                               .trace_state = KIS_STR("vendor=something") };
    kis_span_context second = { .trace_id = { { 3 } }, .span_id = { { 4 } } }, got;
    char text[64];

    test_sdk_begin(&t);
    kis_context context = kis_context_with_span_context(kis_context_none(), &first);
    kis_sdk_halt(t.sdk);
    CHECK(kis_sdk_is_left(t.sdk), "it is stopped");
    CHECK(kis_context_get_span_context(context, &got, text, sizeof(text)), "the first");
    CHECK_STR("vendor=something", got.trace_state, "has its own");
    context = kis_context_with_span_context(context, &second);
    CHECK(kis_context_get_span_context(context, &got, text, sizeof(text)), "the second");
    CHECK_INT(3, got.trace_id.bytes[0], "is there");
    CHECK_STR("", got.trace_state, "and has none");
    test_sdk_end(&t);
}

TEST(a_large_span_of_an_earlier_life_takes_nothing_from_the_next)
{
    static char text[6000];

    memset(text, 'x', sizeof(text) - 1);
    test_sdk_begin(&t);
    kis_span old = kis_span_start(shop(), "old life");
    kis_span_set(old, KIS_KV("large", text)); /* its block is charged to that life */
    t.setup.queue_spans = 1024; /* so that the next one cannot go on with its records */
    stop_and_start();
    kis_span_set(old, KIS_KV("larger", text));
    kis_span_end(old);
    for (int i = 0; i < 20; i++) {
        kis_span span = kis_span_start(shop(), "new life");
        kis_span_set(span, KIS_KV("large", text));
        kis_span_end(span);
    }
    test_sdk_flush(&t);
    CHECK_INT(20, test_sink_spans(&t.sink), "the new ones alone");
    for (uint32_t i = 0; i < 20; i++)
        CHECK_INT(sizeof(text) - 1, test_attr_text(test_sink_at(&t.sink, i), "large").len,
                  "whole, because there is room");
    test_sink_clear(&t.sink);
    kis_batcher_drop_queued(&t.sdk->batcher);
    kis_sdk_close(t.sdk); /* what the first life had stays where it is: its handles may be about */
}

/* ---- hooks at the end ---- */

static kis_span_context asked;
static bool was_answered;

static void ask_for_ids(void *user, const kis_span_data *data)
{
    (void)data;
    was_answered = kis_span_get_context(*(kis_span *)user, &asked);
    kis_span_set(*(kis_span *)user, KIS_KV("late", true)); /* nor does this wait */
}

TEST(a_hook_at_the_end_may_ask_for_the_ids)
{
    kis_span span;
    kis_processor processor = { .user = &span, .on_end = ask_for_ids };

    test_sdk_prepare(&t);
    t.setup.processors = &processor;
    t.setup.processor_count = 1;
    test_sdk_open(&t);
    span = kis_span_start(shop(), "x");
    kis_span_end(span);
    CHECK(was_answered, "the ids are still there");
    test_sdk_flush(&t);
    const kis_span_view *v = test_sink_at(&t.sink, 0);
    CHECK(kis_trace_id_eq(&v->trace_id, &asked.trace_id) &&
              kis_span_id_eq(&v->span_id, &asked.span_id),
          "and they are the span's");
    CHECK_INT(0, v->attr_count, "nothing was written");
    test_sdk_end(&t);
}

/* ---- ids of a span that has ended, asked for while its slot goes back and is used again ---- */

static pthread_mutex_t span_lock = PTHREAD_MUTEX_INITIALIZER;
static kis_span latest;
static _Atomic bool is_over;

static void *ask_on(void *user)
{
    (void)user;
    while (!atomic_load(&is_over)) {
        kis_span_context context;
        pthread_mutex_lock(&span_lock);
        kis_span span = latest;
        pthread_mutex_unlock(&span_lock);
        if (kis_span_get_context(span, &context) && context.trace_id.bytes[0] != 0x0a)
            return NULL; /* another trace's id under this handle */
    }
    return user;
}

TEST(ids_of_an_ended_span_are_its_own_or_not_there)
{
    kis_span_context remote = { .trace_id = { { 0x0a, 1 } },
                                .span_id = { { 2 } },
                                .flags = KIS_FLAG_SAMPLED,
                                .is_remote = true,
                                .trace_state = KIS_STR("vendor=something") };
    pthread_t asker;
    void *result;

    test_sdk_begin(&t);
    kis_context parent = kis_context_with_span_context(kis_context_none(), &remote);
    pthread_create(&asker, NULL, ask_on, &is_over);
    for (int i = 0; i < 3000; i++) {
        kis_span span = kis_span_start(shop(), "x", .parent = parent);
        pthread_mutex_lock(&span_lock);
        latest = span;
        pthread_mutex_unlock(&span_lock);
        kis_span_end(span);
        if (i % 64 == 0) {
            test_sdk_flush(&t);
            test_sink_clear(&t.sink); /* the slots go home, and with them the trace states */
        }
    }
    atomic_store(&is_over, true);
    pthread_join(asker, &result);
    CHECK(result, "never those of another");
    test_sdk_end(&t);
}

TEST_MAIN(RUN(a_span_that_is_open_over_a_stop_is_nobodys), RUN(calls_after_a_stop_are_counted),
          RUN(another_parent_has_no_trace_state_of_the_first_when_no_sdk_runs),
          RUN(a_large_span_of_an_earlier_life_takes_nothing_from_the_next),
          RUN(a_hook_at_the_end_may_ask_for_the_ids),
          RUN(ids_of_an_ended_span_are_its_own_or_not_there))
