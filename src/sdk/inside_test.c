/* inside_test.c - SDKs one after the other in one entry, while threads record: each span goes out
 * through the SDK that it was started in or not at all, nobody is in a stopped one, memory stays.
 */
#include <pthread.h>
#include <sched.h>

#include "sdk/test_host.h"

#include <kiseki/kiseki.h>

KIS_TRACER(shop, "shop", "1.2.3")

static test_sdk t;

static void stop(void)
{
    kis_sdk_halt(t.sdk);
    while (!kis_sdk_is_left(t.sdk))
        sched_yield();
}

/* ---- threads that record through all of it ---- */

enum { RECORDERS = 3, LIVES = 100 };
#define TEXT "0123456789abcdef"

/* One SDK: all that it uses beside the entry. */
typedef struct test_life {
    int number;
    atomic_bool is_over; /* nobody is inside any more */
    atomic_int late;     /* calls of its sampler and processor after that */
    atomic_uint sent;
    kis_sampler sampler;
    kis_processor processor;
    kis_sink sink;
} test_life;

static test_life lives[LIVES];
static atomic_int current; /* the life in which spans are started; it goes up before it begins */
static atomic_bool is_over;
static atomic_int wrong_lives, wrong_texts;

static void look_at(test_life *life)
{
    life->late += life->is_over;
}
static void hear_start(void *user, kis_span span, const kis_context *parent)
{
    (void)parent;
    look_at(user);
    kis_span_set(span, KIS_KV("heard", true));
}
static void hear_ending(void *user, kis_span span)
{
    look_at(user);
    kis_span_set(span, KIS_KV("ending", true));
}
static void hear_end(void *user, const kis_span_data *data)
{
    (void)data;
    sched_yield();
    look_at(user);
}
static void sample(const kis_sampler *sampler, const kis_sampling_input *input,
                   kis_sampling_result *out)
{
    (void)input;
    sched_yield();
    look_at(sampler->user);
    out->decision = KIS_SAMPLING_RECORD_AND_SAMPLE;
}
static size_t describe(const kis_sampler *sampler, char *to, size_t size)
{
    (void)sampler, (void)to, (void)size;
    return 0;
}

static int64_t number_of(const kis_span_view *v, const char *key)
{
    kis_value_view value = test_attr(v->attrs, key);

    return value.kind == KIS_VALUE_INT ? value.integer : -1;
}

/* A span says in which lives it may have been started. */
static void check_push(kis_sink *base, kis_batch *batch, kis_done done)
{
    test_life *life = (test_life *)(void *)((char *)base - offsetof(test_life, sink));
    bool is_cut = life->number % 2;

    for (uint32_t i = 0; i < batch->span_count; i++) {
        const kis_span_view *v = &batch->spans[i];
        wrong_lives += number_of(v, "from") > life->number || number_of(v, "to") < life->number;
        wrong_texts += test_attr_text(v, "text").len != (is_cut ? 8 : sizeof(TEXT) - 1);
    }
    life->sent += batch->span_count;
    done.call(done.user, &(kis_sink_result){ 0 });
}
static const kis_sink_ops check_ops = { "check", KIS_PROMISE_NONE, check_push, test_sink_flush,
                                        test_sink_close };

static kis_span start_marked(const char *text, kis_context parent)
{
    int from = current;
    kis_span span = kis_span_start(shop(), "x", .parent = parent);
    int to = current;

    kis_span_set(span, KIS_KV("to", to), KIS_KV("text", text));
    kis_span_set(span, KIS_KV("from", from));
    return span;
}

static void record_two(const char *text)
{
    kis_span span = start_marked(text, kis_context_none());
    kis_span_context ids;

    kis_span_event(span, "event", KIS_KV("k", 1));
    kis_context context = kis_baggage_set(kis_context_with_span(kis_context_none(), span),
                                          KIS_STR("shop"), KIS_STR("7"), KIS_STR_NONE);
    kis_span child = start_marked(text, context);
    if (kis_span_get_context(span, &ids))
        kis_span_link(child, &ids, KIS_KV("k", 1));
    kis_span_end(child);
    kis_span_fail(span, "it failed");
    kis_span_end(span);
    if (!child._slot)
        sched_yield(); /* between two SDKs: whoever starts the next one has something to do */
}

/* Some spans are kept for a long time, perhaps over several stops. */
static void *record_on(void *unused)
{
    char text[] = TEXT; /* not for the compiler to know */
    kis_span kept = { 0 };

    for (int i = 0; !is_over; i++) {
        record_two(text);
        if (i % 32)
            continue;
        kis_span_event(kept, "late", KIS_KV("k", 1));
        kis_span_end(kept);
        kept = start_marked(text, kis_context_none());
    }
    kis_recorder_thread_done();
    return unused;
}

static void begin_life(test_life *life, int number)
{
    kis_attr attrs[] = { kis_attr_int("life", number) };
    kis_diag diag;

    life->number = number;
    life->sampler = (kis_sampler){ .should_sample = sample, .describe = describe, .user = life };
    life->processor = (kis_processor){
        .on_start = hear_start, .on_ending = hear_ending, .on_end = hear_end, .user = life
    };
    life->sink.ops = &check_ops;
    t.setup.sampler = number % 3 == 0 ? &life->sampler : &t.samplers[1];
    t.setup.processors = number % 5 == 0 ? &life->processor : NULL;
    t.setup.processor_count = number % 5 == 0;
    t.setup.batcher.is_simple = number % 7 == 0;
    t.setup.limits.value_length = number % 2 ? 8 : UINT32_MAX;
    t.setup.queue_spans = 64u << number % 3;
    t.setup.resource = (kis_attr_list){ attrs, 1 };
    CHECK_ERR(KIS_OK, kis_sdk_open(&t.setup, &t.sdk, &diag), "open");
    kis_batcher_set_sinks(&t.sdk->batcher, (kis_sink *[]){ &life->sink }, 1);
    current = number;
    kis_sdk_publish(t.sdk);
}

static void run_life(int steps)
{
    kis_sdk_stats stats;

    do {
        sched_yield();
        kis_batcher_step(&t.sdk->batcher, test_now(&t.world));
        kis_sdk_get_stats(t.sdk, &stats);
    } while (--steps > 0 || !stats.ended);
}

static void end_life(test_life *life)
{
    uint32_t ticket;
    kis_sdk_stats stats;

    stop();
    life->is_over = true;
    ticket = kis_batcher_flush(&t.sdk->batcher);
    while (!kis_batcher_is_flushed(&t.sdk->batcher, ticket)) {
        kis_batcher_step(&t.sdk->batcher, test_now(&t.world));
        sched_yield(); /* a thread may be in the sink */
    }
    kis_batcher_lose_sinks(&t.sdk->batcher);
    while (!kis_batcher_is_left(&t.sdk->batcher))
        sched_yield();
    kis_sdk_get_stats(t.sdk, &stats);
    CHECK_INT(stats.ended, life->sent + stats.dropped_queue + stats.dropped_export,
              "each that ended was sent, or dropped and counted");
    kis_sdk_retire(t.sdk);
}

TEST(threads_record_through_many_sdks_and_no_span_is_anothers)
{
    pthread_t threads[RECORDERS];
    unsigned sent = 0;

    test_sdk_prepare(&t);
    for (int i = 0; i < RECORDERS; i++)
        pthread_create(&threads[i], NULL, record_on, NULL);
    for (int i = 0; i < LIVES; i++) {
        begin_life(&lives[i], i + 1);
        run_life(1 + i % 5);
        end_life(&lives[i]);
    }
    is_over = true;
    for (int i = 0; i < RECORDERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < LIVES; i++) {
        CHECK_INT(0, lives[i].late, "no sampler or processor is called after its SDK was left");
        sent += lives[i].sent;
    }
    CHECK(sent >= LIVES, "they did record");
    CHECK_INT(0, wrong_lives, "no span of another SDK");
    CHECK_INT(0, wrong_texts, "and the limits are those of its own");
    kis_sdk_close(t.sdk);
    CHECK_INT(0, test_live_, "all memory was given back");
}

/* ---- memory ---- */

static void one_small_life(int number)
{
    char name[32];
    kis_attr attrs[] = { kis_attr_int("life", number), kis_attr_text("service.name", "shop") };
    kis_tracer tracer = { .name = name, .version = "1" }; /* each SDK has a scope of its own */

    snprintf(name, sizeof(name), "tracer %d", number % 100);
    t.setup.resource = (kis_attr_list){ attrs, 2 };
    t.setup.queue_spans = number % 2 ? 64 : 128;
    test_sdk_open(&t);
    for (int i = 0; i < 3; i++) {
        kis_span span = kis_span_start(&tracer, "left open");
        kis_span_set(span, KIS_KV("k", number));
    }
    kis_span_end(kis_span_start(&tracer, "ended"));
    kis_span_end(kis_span_start(shop(), "ended"));
    stop();
    CHECK_INT(2, kis_batcher_drop_queued(&t.sdk->batcher), "what ended is in the ring");
    kis_sdk_retire(t.sdk);
}

TEST(ten_thousand_sdks_hold_no_more_than_two)
{
    long held[2];

    test_sdk_prepare(&t);
    t.setup.max_spans = 64;
    for (int i = 0; i < 10000; i++) {
        one_small_life(i);
        if (i < 2)
            held[i] = test_live_bytes_;
        CHECK_INT(held[i % 2], test_live_bytes_, "memory of the host");
    }
    kis_sdk_close(t.sdk);
    CHECK_INT(0, test_live_, "all memory was given back");
}

TEST(spans_that_nobody_ends_take_no_slot_from_the_next_sdk)
{
    kis_sdk_stats stats;

    test_sdk_prepare(&t);
    t.setup.max_spans = 64;
    for (int life = 0; life < 10; life++) {
        test_sdk_open(&t);
        for (int i = 0; i < 64; i++)
            kis_span_start(shop(), "left open");
        kis_sdk_get_stats(t.sdk, &stats);
        CHECK_INT(0, stats.dropped_memory, "all slots are there");
        CHECK_INT(64, stats.open, "and used");
        stop();
        kis_sdk_get_stats(t.sdk, &stats);
        CHECK_INT(0, stats.open, "the stop has ended them");
        kis_sdk_retire(t.sdk);
    }
    kis_sdk_close(t.sdk);
    CHECK_INT(0, test_live_, "all memory was given back");
}

TEST(a_start_without_memory_for_its_queues_fails_and_the_next_works)
{
    kis_diag diag;

    test_sdk_begin(&t);
    kis_span_end(kis_span_start(shop(), "x"));
    stop();
    kis_batcher_drop_queued(&t.sdk->batcher);
    kis_sdk_retire(t.sdk);
    t.setup.queue_spans = 4096; /* the thread's queue is made anew */
    test_until_failure_ = 0;
    CHECK_ERR(KIS_ERR_NOMEM, kis_sdk_open(&t.setup, &t.sdk, &diag), "no memory");
    test_until_failure_ = -1;
    test_sdk_open(&t);
    kis_span_end(kis_span_start(shop(), "y"));
    test_sdk_flush(&t);
    CHECK_STR("y", test_sink_at(&t.sink, 0)->name, "the span");
    test_sdk_end(&t);
}

/* ---- handles ---- */

TEST(a_stop_ends_a_span_but_not_its_ids)
{
    kis_span_context before, after;

    test_sdk_begin(&t);
    kis_span span = kis_span_start(shop(), "open");
    CHECK(kis_span_get_context(span, &before), "ids");
    stop();
    CHECK(!kis_span_is_recording(span), "it is over");
    CHECK(kis_span_get_context(span, &after), "its ids may still be asked for");
    CHECK(kis_span_id_eq(&before.span_id, &after.span_id), "and are the same");
    kis_context context = kis_context_with_span(kis_context_none(), span);
    kis_sdk_retire(t.sdk);
    test_sdk_open(&t);
    kis_span child = kis_span_start(shop(), "child", .parent = context);
    kis_span_end(span);
    kis_span_end(child);
    test_sdk_flush(&t);
    CHECK_INT(1, test_sink_spans(&t.sink), "the child alone");
    CHECK(kis_span_id_eq(&before.span_id, &test_sink_at(&t.sink, 0)->parent_id),
          "whose parent it is all the same");
    test_sdk_end(&t);
}

/* ---- who is inside ---- */

static pthread_barrier_t at_hook;
static void wait_in_hook(void *user, kis_span span, const kis_context *parent)
{
    (void)user, (void)span, (void)parent;
    pthread_barrier_wait(&at_hook); /* it is there */
    pthread_barrier_wait(&at_hook); /* it may go on */
}
static void wait_in_sampler(const kis_sampler *sampler, const kis_sampling_input *input,
                            kis_sampling_result *out)
{
    (void)sampler, (void)input;
    wait_in_hook(NULL, (kis_span){ 0 }, NULL);
    out->decision = KIS_SAMPLING_RECORD_AND_SAMPLE;
}
static void *one_span(void *unused)
{
    kis_span_end(kis_span_start(shop(), "x"));
    kis_recorder_thread_done();
    return unused;
}

static void stop_meets_a_thread(const char *where)
{
    pthread_t thread;

    pthread_barrier_init(&at_hook, NULL, 2);
    test_sdk_open(&t);
    pthread_create(&thread, NULL, one_span, NULL);
    pthread_barrier_wait(&at_hook);
    kis_sdk_halt(t.sdk);
    CHECK(!kis_sdk_is_left(t.sdk), where);
    pthread_barrier_wait(&at_hook);
    pthread_join(thread, NULL);
    CHECK(kis_sdk_is_left(t.sdk), "once it has come out");
    test_sdk_end(&t);
}

TEST(a_thread_in_a_sampler_or_processor_is_inside)
{
    static const kis_sampler sampler = { .should_sample = wait_in_sampler, .describe = describe };
    static const kis_processor processor = { .on_start = wait_in_hook };

    test_sdk_prepare(&t);
    t.setup.sampler = &sampler;
    stop_meets_a_thread("in a sampler");
    test_sdk_prepare(&t);
    t.setup.processors = &processor;
    t.setup.processor_count = 1;
    stop_meets_a_thread("in a processor");
}

TEST_MAIN(RUN(threads_record_through_many_sdks_and_no_span_is_anothers),
          RUN(ten_thousand_sdks_hold_no_more_than_two),
          RUN(spans_that_nobody_ends_take_no_slot_from_the_next_sdk),
          RUN(a_start_without_memory_for_its_queues_fails_and_the_next_works),
          RUN(a_stop_ends_a_span_but_not_its_ids),
          RUN(a_thread_in_a_sampler_or_processor_is_inside))
