/* restart_test.c - SDKs started and stopped one after the other while threads record: nothing is
 * lost without being counted, memory does not grow, and what the program hung into a stopped one is
 * called no more. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "tests/test.h"

#include <kiseki/kiseki.h>

#include "os/mem.h"

KIS_TRACER(tracer, "restart", "1.0")

static kis_sdk *start_with(kis_sdk_options options)
{
    kis_diag diag;
    options.is_quiet = true;
    kis_sdk *sdk = kis_sdk_start(&options, &diag);
    CHECK(sdk, sdk ? "" : diag.text);
    return sdk;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void answer(void *user, const kis_export_batch *batch, kis_export_done *done)
{
    (void)user, (void)batch;
    done->call(done, KIS_OK);
}
static const kis_exporter quick = { .export_spans = answer };

/* ---- threads that record all the while ---- */

enum { RECORDERS = 3 };
static pthread_t recorders[RECORDERS + 1];
static atomic_bool is_over;

static void set_header(void *user, const char *name, kis_str value)
{
    (void)user, (void)name, (void)value;
}

static void *record_on(void *unused)
{
    static const kis_carrier carrier = { .set = set_header };

    while (!is_over) {
        kis_span span = kis_span_start(tracer(), "x", .kind = KIS_SPAN_KIND_SERVER);
        kis_context context = kis_context_with_span(kis_context_none(), span);
        kis_span_set(span, KIS_KV("k", 7), KIS_KV("text", "text"));
        context = kis_baggage_set(context, KIS_STR("a"), KIS_STR("b"), KIS_STR(""));
        kis_context_inject(context, &carrier);
        kis_span_end(span);
        if (!span._slot)
            sched_yield(); /* between two SDKs: whoever starts the next one has something to do */
    }
    return unused;
}

static void *flush_on(void *unused)
{
    while (!is_over) {
        kis_sdk_flush(kis_sdk_global(), 60000);
        sched_yield();
    }
    return unused;
}

static void begin_recorders(void)
{
    is_over = false;
    for (int i = 0; i < RECORDERS; i++)
        pthread_create(&recorders[i], NULL, record_on, NULL);
    pthread_create(&recorders[RECORDERS], NULL, flush_on, NULL);
}
static void end_recorders(void)
{
    is_over = true;
    for (int i = 0; i <= RECORDERS; i++)
        pthread_join(recorders[i], NULL);
}

TEST(nothing_is_lost_uncounted_by_threads_that_record_through_starts_and_stops)
{
    static const kis_str processors[] = { KIS_STR_INIT("simple"), KIS_STR_INIT("batch") };

    begin_recorders();
    for (int i = 0; i < 100; i++) {
        struct timespec pause = { .tv_nsec = 100000 * (i % 7) };
        kis_sdk_stats stats;
        kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("memory"),
                                                     .user_exporter = i % 4 < 2 ? &quick : NULL,
                                                     .max_spans = 1000,
                                                     .queue_spans = 128u << i % 3,
                                                     .processor = processors[i % 2] });
        nanosleep(&pause, NULL);
        CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 10000), "stop");
        kis_sdk_get_stats(sdk, &stats);
        CHECK_INT(stats.ended, stats.exported + stats.dropped_export + stats.dropped_queue,
                  "each that ended is in one of the counters");
        CHECK_INT(0, stats.queued + stats.in_flight, "and none is left behind");
    }
    end_recorders();
}

/* ---- memory ---- */

TEST(ten_thousand_starts_and_stops_hold_no_more_than_a_few)
{
    uint64_t held = 0;

    for (int i = 0; i < 10000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%05d", i);
        kis_sdk *sdk = start_with((kis_sdk_options){ .service_name = { name, 5 },
                                                     .exporter = KIS_STR("none"),
                                                     .user_exporter = &quick,
                                                     .drive = KIS_DRIVE_TICK });
        kis_span_start(tracer(), "left open");
        kis_span_end(kis_span_start(tracer(), "ended"));
        CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 10000), "stop");
        if (i < 10)
            held = kis_mem_get_stats().held_bytes;
        CHECK_INT(held, kis_mem_get_stats().held_bytes, "bytes");
    }
}

/* ---- hooks ---- */

typedef struct slow_hook {
    sem_t is_in, go_on;
    kis_sdk *sdk; /* the hook stops it */
    kis_err stopped;
    uint64_t took_ms;
    atomic_int shutdowns, late, flushes;
} slow_hook;

static void wait_in_hook(void *user, const kis_span_data *data)
{
    slow_hook *h = user;

    (void)data;
    sem_post(&h->is_in);
    while (sem_wait(&h->go_on))
        ;
    h->late += h->shutdowns;
}
static kis_err hear_shutdown(void *user, uint64_t deadline_ns)
{
    (void)deadline_ns;
    ((slow_hook *)user)->shutdowns++;
    return KIS_OK;
}
static void stop_in_hook(void *user, const kis_span_data *data)
{
    slow_hook *h = user;
    uint64_t start_ms = now_ms();

    (void)data;
    h->stopped = kis_sdk_stop(h->sdk, 60000);
    h->took_ms = now_ms() - start_ms;
}

static void *end_one(void *unused)
{
    kis_span_end(kis_span_start(tracer(), "x"));
    return unused;
}

static kis_sdk *start_with_hook(const kis_processor *processor)
{
    return start_with((kis_sdk_options){
        .exporter = KIS_STR("memory"), .processors = processor, .processor_count = 1 });
}

static void next_works(void)
{
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("memory") });

    end_one(NULL);
    CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 5000), "flush");
    CHECK_INT(1, kis_sdk_memory_count(sdk), "its span, and no other");
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 5000), "stop");
}

TEST(a_thread_in_a_processor_is_waited_for_as_long_as_there_is_time)
{
    for (int is_late = 0; is_late < 2; is_late++) {
        slow_hook h = { 0 };
        kis_processor processor = { .on_end = wait_in_hook, .shutdown = hear_shutdown, .user = &h };
        pthread_t thread;
        sem_init(&h.is_in, 0, 0);
        sem_init(&h.go_on, 0, 0);
        kis_sdk *sdk = start_with_hook(&processor);
        pthread_create(&thread, NULL, end_one, NULL);
        while (sem_wait(&h.is_in))
            ;
        if (is_late) {
            CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_stop(sdk, 20), "it does not come out");
            next_works();
            sem_post(&h.go_on);
            pthread_join(thread, NULL);
        } else {
            sem_post(&h.go_on); /* while the stop waits, or just before */
            CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 10000), "it comes out");
            CHECK_INT(0, h.late, "its shutdown is the last that it hears");
            pthread_join(thread, NULL);
        }
        for (int i = 0; i < KIS_SDKS_MAX + 1; i++)
            next_works();
    }
}

TEST(a_processor_that_stops_its_own_sdk_is_not_waited_for)
{
    slow_hook h = { 0 };
    kis_processor processor = { .on_end = stop_in_hook, .user = &h };

    h.sdk = start_with_hook(&processor);
    end_one(NULL);
    CHECK_ERR(KIS_ERR_TIMEOUT, h.stopped, "it is still inside");
    CHECK(h.took_ms < 30000, "and does not wait for itself");
    for (int i = 0; i < KIS_SDKS_MAX + 1; i++)
        next_works();
}

static kis_err stopped;
static void *stop_with_time(void *sdk)
{
    stopped = kis_sdk_stop(sdk, 60000);
    return NULL;
}

TEST(a_second_stop_is_ok_when_nobody_is_in_a_processor_any_more)
{
    static const struct {
        const char *why;
        bool is_first_waiting;
    } rows[] = { { "after the first one has given up", false }, { "while the first waits", true } };

    CHECK_ERR(KIS_OK, kis_sdk_stop(NULL, 10000), "no SDK at all");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct timespec pause = { .tv_nsec = 20000000 };
        slow_hook h = { 0 };
        kis_processor processor = { .on_end = wait_in_hook, .user = &h };
        pthread_t thread, first;
        sem_init(&h.is_in, 0, 0);
        sem_init(&h.go_on, 0, 0);
        kis_sdk *sdk = start_with_hook(&processor);
        pthread_create(&thread, NULL, end_one, NULL);
        while (sem_wait(&h.is_in))
            ;
        if (rows[i].is_first_waiting) {
            pthread_create(&first, NULL, stop_with_time, sdk);
            nanosleep(&pause, NULL); /* mostly enough; if not, what follows is the first */
        } else {
            CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_stop(sdk, 20), rows[i].why);
        }
        CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_stop(sdk, 20), rows[i].why);
        sem_post(&h.go_on);
        CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 60000), "it comes out, and is waited for");
        CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 0), "nothing is left to do");
        if (rows[i].is_first_waiting) {
            pthread_join(first, NULL);
            CHECK_ERR(KIS_OK, stopped, "and so says the first");
        }
        pthread_join(thread, NULL);
        next_works();
    }
}

/* Two processors: a thread stays in a call of the first one until after the stop. */
static void wait_in_start(void *user, kis_span span, const kis_context *parent)
{
    (void)span, (void)parent;
    wait_in_hook(user, NULL);
}
static void wait_in_ending(void *user, kis_span span)
{
    (void)span;
    wait_in_hook(user, NULL);
}
static kis_err wait_in_flush(void *user, uint64_t deadline_ns)
{
    slow_hook *h = user;
    (void)deadline_ns;
    if (!h->flushes++) /* the stop flushes, too */
        wait_in_hook(user, NULL);
    return KIS_OK;
}
static void hear_start(void *user, kis_span span, const kis_context *parent)
{
    (void)span, (void)parent;
    ((slow_hook *)user)->late += ((slow_hook *)user)->shutdowns;
}
static void hear_ending(void *user, kis_span span)
{
    hear_start(user, span, NULL);
}
static void hear_end(void *user, const kis_span_data *data)
{
    (void)data;
    hear_start(user, (kis_span){ 0 }, NULL);
}
static kis_err hear_flush(void *user, uint64_t deadline_ns)
{
    (void)deadline_ns;
    hear_start(user, (kis_span){ 0 }, NULL);
    return KIS_OK;
}
static void *flush_now(void *unused)
{
    (void)!kis_sdk_flush(kis_sdk_global(), 10000);
    return unused;
}

TEST(a_processor_hears_nothing_after_its_shutdown)
{
    static const struct {
        const char *why;
        kis_processor first;
        void *(*run)(void *);
    } rows[] = {
        { "on_start", { .on_start = wait_in_start }, end_one },
        { "on_ending", { .on_ending = wait_in_ending }, end_one },
        { "on_end", { .on_end = wait_in_hook }, end_one },
        { "force_flush", { .force_flush = wait_in_flush }, flush_now },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        slow_hook first = { 0 }, second = { 0 };
        kis_processor processors[] = { rows[i].first,
                                       { .on_start = hear_start,
                                         .on_ending = hear_ending,
                                         .on_end = hear_end,
                                         .force_flush = hear_flush,
                                         .shutdown = hear_shutdown,
                                         .user = &second } };
        pthread_t thread;
        processors[0].user = &first;
        sem_init(&first.is_in, 0, 0);
        sem_init(&first.go_on, 0, 0);
        kis_sdk *sdk = start_with((kis_sdk_options){
            .exporter = KIS_STR("memory"), .processors = processors, .processor_count = 2 });
        pthread_create(&thread, NULL, rows[i].run, NULL);
        while (sem_wait(&first.is_in))
            ;
        CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_stop(sdk, 20), rows[i].why);
        CHECK_INT(1, second.shutdowns, rows[i].why);
        sem_post(&first.go_on);
        pthread_join(thread, NULL);
        CHECK_INT(0, second.late, rows[i].why);
        next_works();
    }
}

/* ---- free ---- */

static atomic_int wrong_counts;
static void *start_and_free_on(void *unused)
{
    for (int i = 0; i < 1500; i++) {
        kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("memory"),
                                                         .is_local = true,
                                                         .is_quiet = true,
                                                         .drive = KIS_DRIVE_TICK },
                                     NULL);
        kis_tracer own = { .name = "own", .sdk = sdk };
        for (int k = 0; sdk && k < 3; k++)
            kis_span_end(kis_span_start(&own, "x"));
        wrong_counts +=
            !sdk || kis_sdk_flush(sdk, 10000) != KIS_OK || kis_sdk_memory_count(sdk) != 3;
        kis_sdk_free(sdk);
    }
    return unused;
}

static atomic_bool has_ended;
static void *end_one_and_leave(void *sdk)
{
    kis_tracer own = { .name = "own", .sdk = sdk };

    kis_span_end(kis_span_start(&own, "x"));
    has_ended = true; /* nothing more; but the thread has still to end */
    return NULL;
}

/* Under ThreadSanitizer: it writes nothing into memory that is being given back. */
TEST(a_thread_ends_while_its_sdk_is_freed)
{
    for (int i = 0; i < 300; i++) {
        pthread_t thread;
        kis_sdk *sdk = start_with((kis_sdk_options){
            .exporter = KIS_STR("memory"), .is_local = true, .drive = KIS_DRIVE_TICK });
        has_ended = false;
        pthread_create(&thread, NULL, end_one_and_leave, sdk);
        while (!has_ended)
            ;
        kis_sdk_free(sdk);
        pthread_join(thread, NULL);
    }
}

TEST(a_free_takes_nothing_from_an_sdk_that_another_thread_starts)
{
    pthread_t threads[4];

    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_create(&threads[i], NULL, start_and_free_on, NULL);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(0, wrong_counts, "each had its own spans, and all of them");
}

/* ---- flushes ---- */

static kis_export_done *_Atomic unanswered;
static void keep_waiting(void *user, const kis_export_batch *batch, kis_export_done *done)
{
    (void)user, (void)batch;
    unanswered = done;
}
static kis_err flushed;
static void *flush_long(void *sdk)
{
    flushed = kis_sdk_flush(sdk, 600000);
    return NULL;
}

TEST(a_stop_ends_a_flush_that_waits)
{
    static const kis_exporter exporter = { .export_spans = keep_waiting };
    uint64_t start_ms = now_ms();
    pthread_t thread;
    kis_sdk *sdk =
        start_with((kis_sdk_options){ .exporter = KIS_STR("none"), .user_exporter = &exporter });

    end_one(NULL);
    pthread_create(&thread, NULL, flush_long, sdk);
    while (!unanswered)
        sched_yield();
    CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_stop(sdk, 20), "nobody answers");
    pthread_join(thread, NULL);
    CHECK_ERR(KIS_ERR_TIMEOUT, flushed, "it was not sent");
    CHECK(now_ms() - start_ms < 300000, "long before its time");
    next_works();
    unanswered->call(unanswered, KIS_OK);
    for (int i = 0; i < KIS_SDKS_MAX + 1; i++)
        next_works();
}

TEST_MAIN(RUN(nothing_is_lost_uncounted_by_threads_that_record_through_starts_and_stops),
          RUN(ten_thousand_starts_and_stops_hold_no_more_than_a_few),
          RUN(a_thread_in_a_processor_is_waited_for_as_long_as_there_is_time),
          RUN(a_processor_that_stops_its_own_sdk_is_not_waited_for),
          RUN(a_second_stop_is_ok_when_nobody_is_in_a_processor_any_more),
          RUN(a_processor_hears_nothing_after_its_shutdown),
          RUN(a_thread_ends_while_its_sdk_is_freed),
          RUN(a_free_takes_nothing_from_an_sdk_that_another_thread_starts),
          RUN(a_stop_ends_a_flush_that_waits))
