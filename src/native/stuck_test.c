/* stuck_test.c - an exporter that does not return, or does not answer: stop comes back, says what
 * was given up, and the next SDK works. What comes out later, after the stop, does no harm.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/test.h"

#include <kiseki/kiseki.h>

KIS_TRACER(tracer, "stuck", "1.0")

/* Children start threads. ThreadSanitizer promises nothing there, but it need not end them, unless
 * their parent had threads, too. */
const char *__tsan_default_options(void);
__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

/* ---- an exporter that does what a test wants ---- */

typedef struct stubborn {
    bool answers_first, hangs,
        answers_after; /* what export_spans does, in this order; not answering keeps `done` */
    sem_t go_on;
    atomic_int entered, left, other_calls;
    kis_export_done *_Atomic done;
} stubborn;

static void on_export(void *user, const kis_export_batch *batch, kis_export_done *done)
{
    stubborn *s = user;
    (void)batch;
    s->done = done;
    s->entered++;
    if (s->answers_first)
        done->call(done, KIS_OK);
    if (s->hangs)
        while (sem_wait(&s->go_on))
            ;
    if (s->answers_after)
        done->call(done, KIS_OK);
    s->left++;
}

static kis_err on_other(void *user, uint64_t deadline_ns)
{
    (void)deadline_ns;
    ((stubborn *)user)->other_calls++;
    return KIS_OK;
}

static kis_exporter exporter_of(stubborn *s)
{
    sem_init(&s->go_on, 0, 0);
    return (kis_exporter){ on_export, on_other, on_other, s };
}

/* ---- what was said, and how long it took ---- */

static char log_text[4096];
static atomic_int log_lines;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static void keep_log(void *user, kis_log_level level, const char *text)
{
    (void)user, (void)level;
    pthread_mutex_lock(&log_lock);
    snprintf(log_text, sizeof(log_text), "%s", text);
    pthread_mutex_unlock(&log_lock);
    log_lines++;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#define WAIT_UNTIL(what, why)                                  \
    do {                                                       \
        for (uint64_t end = now_ms() + 10000; !(what);)        \
            if (nap(), now_ms() > end)                         \
                fail_msg("%s: not in 10 s: %s", (why), #what); \
    } while (0)
static void nap(void)
{
    struct timespec pause = { .tv_nsec = 1000000 };
    nanosleep(&pause, NULL);
}

static kis_sdk *start_with(kis_sdk_options options)
{
    kis_diag diag;
    options.on_log = keep_log;
    options.delay_ms = 100;
    kis_sdk *sdk = kis_sdk_start(&options, &diag);
    CHECK(sdk, sdk ? "" : diag.text);
    return sdk;
}

static void record(int count)
{
    for (int i = 0; i < count; i++)
        kis_span_end(kis_span_start(tracer(), "span"));
}

static void stop_gives_up(kis_sdk *sdk, const char *says)
{
    uint64_t start_ms = now_ms();
    log_lines = 0;
    CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_stop(sdk, 50), "it was not in time");
    CHECK(now_ms() - start_ms < 5000, "but it came back");
    CHECK_INT(1, log_lines, "one line");
    CHECK(strstr(log_text, says), log_text);
    CHECK(!kis_sdk_global(), "tracing is over");
    CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_stop(sdk, 50), "a second stop: it is still inside");
}

/* The next SDK has nothing of the one before, whatever that one's exporter does meanwhile. */
static void next_works(stubborn *meanwhile)
{
    kis_sdk_stats stats;
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("memory") });
    record(30);
    if (meanwhile) {
        for (int i = 0; i < 8; i++)
            sem_post(&meanwhile->go_on);
        if (!meanwhile->answers_first && !meanwhile->answers_after) {
            kis_export_done *done = meanwhile->done;
            done->call(done, KIS_OK);
        }
        WAIT_UNTIL(meanwhile->left == meanwhile->entered, "it comes out");
    }
    CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 5000), "flush");
    CHECK_INT(30, kis_sdk_memory_count(sdk), "its spans, and no others");
    kis_sdk_get_stats(sdk, &stats);
    CHECK(stats.exported == 30 && stats.in_flight == 0 && stats.queued == 0 &&
              stats.dropped_export == 0,
          "its counters, and no others");
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 5000), "stop");
    kis_sdk_free(sdk);
}

TEST(an_exporter_that_does_not_come_back_is_given_up)
{
    static const struct {
        const char *why;
        bool answers_first, hangs, answers_after;
        int batch;
        const char *says;
    } rows[] = {
        { "it never returns", false, true, true, 0,
          "8 spans were lost: 0 found the queue full, 0 found no memory, 0 were not delivered, 8 "
          "were given up" },
        { "one span a batch: some wait in the queue", false, true, true, 1, "8 were given up" },
        { "it returns, but does not answer", false, false, false, 0, "8 were given up" },
        { "it answers, but does not return", true, true, false, 1, "7 were given up" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        stubborn s = { .answers_first = rows[i].answers_first,
                       .hangs = rows[i].hangs,
                       .answers_after = rows[i].answers_after };
        kis_exporter exporter = exporter_of(&s);
        kis_sdk_stats stats;
        kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("none"),
                                                     .user_exporter = &exporter,
                                                     .batch_spans = (uint32_t)rows[i].batch });
        record(8);
        WAIT_UNTIL(s.entered == 1, rows[i].why);
        stop_gives_up(sdk, rows[i].says);
        kis_sdk_get_stats(sdk, &stats);
        CHECK_INT(8, stats.queued + stats.in_flight + stats.exported,
                  "every span is in one of the counters");
        CHECK_INT(0, s.other_calls, "neither flushed nor shut down");
        kis_sdk_free(sdk); /* its memory stays: somebody is in it */
        next_works(NULL);
        next_works(&s);
        CHECK_INT(1, s.entered, "nothing of it is called after the stop");
        CHECK_INT(0, s.other_calls, "not even at the end");
        next_works(NULL);
        sem_destroy(&s.go_on);
    }
}

/* ---- threads of the program that are in an exporter ---- */

static void *end_one_span(void *unused)
{
    (void)unused;
    record(1);
    return NULL;
}

TEST(threads_that_export_by_themselves_are_let_go)
{
    enum { THREADS = 4 };
    stubborn s = { .hangs = true, .answers_after = true };
    kis_exporter exporter = exporter_of(&s);
    pthread_t threads[THREADS];
    kis_sdk_stats stats = { 0 };
    kis_sdk *sdk = start_with((kis_sdk_options){
        .exporter = KIS_STR("none"), .user_exporter = &exporter, .processor = KIS_STR("simple") });
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, end_one_span, NULL);
    WAIT_UNTIL((kis_sdk_get_stats(sdk, &stats), stats.in_flight == THREADS),
               "one is in it, the others wait for their turn");
    CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_stop(sdk, 50), "it was not in time");
    WAIT_UNTIL((kis_sdk_get_stats(sdk, &stats), stats.in_flight == 1),
               "those who waited need not any more");
    CHECK_INT(1, s.entered, "and did not come in");
    next_works(&s);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    next_works(NULL);
}

/* ---- threads of the program that are on their way into an exporter ---- */

/* A world whose memory keeps a thread waiting: at its `slow_take`-th request from now. */
static _Thread_local int slow_take;
static sem_t take_goes_on;
static atomic_int takes_waiting;
static void *take(void *user, size_t size)
{
    (void)user;
    if (slow_take && !--slow_take) {
        takes_waiting++;
        while (sem_wait(&take_goes_on))
            ;
    }
    return malloc(size);
}
static void give_back(void *user, void *ptr, size_t size)
{
    (void)user, (void)size;
    free(ptr);
}
static uint64_t now_ns(void *user)
{
    (void)user;
    return now_ms() * 1000000u;
}
static void fill(void *user, void *to, size_t size)
{
    (void)user;
    memset(to, 7, size);
}
static void *end_one_span_slowly(void *unused)
{
    kis_span span = kis_span_start(tracer(), "slow");
    (void)unused;
    slow_take = 2; /* of the batch: the first is the list of its spans */
    kis_span_end(span);
    return NULL;
}

TEST(a_thread_that_is_about_to_export_finds_no_closed_exporter)
{
    static const kis_alloc memory = { take, give_back, NULL };
    static const kis_host host = {
        .now_ns = now_ns, .now_unix_ns = now_ns, .random = fill, .alloc = &memory
    };
    stubborn s = { .answers_first = true };
    kis_exporter exporter = exporter_of(&s);
    pthread_t thread;
    kis_sdk_stats stats;
    sem_init(&take_goes_on, 0, 0);
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("memory"),
                                                 .user_exporter = &exporter,
                                                 .processor = KIS_STR("simple"),
                                                 .host = &host });
    pthread_create(&thread, NULL, end_one_span_slowly, NULL);
    WAIT_UNTIL(takes_waiting == 1, "it makes a batch");
    CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_stop(sdk, 50), "it was not in time");
    CHECK(!kis_sdk_global(), "tracing is over");
    sem_post(&take_goes_on);
    pthread_join(thread, NULL);
    CHECK_INT(0, s.entered, "no function of the exporter is called after the stop");
    kis_sdk_get_stats(sdk, &stats);
    CHECK_INT(1, stats.ended, "the span");
    CHECK_INT(1, stats.dropped_export, "is lost, and counted");
    for (int i = 0; i < 3; i++)
        next_works(NULL);
}

static void *tick(void *user)
{
    kis_sdk_flush(user, 10000); /* with ticks, the thread that flushes exports */
    return NULL;
}

TEST(a_tick_that_does_not_come_back_is_given_up)
{
    stubborn s = { .answers_first = true, .hangs = true };
    kis_exporter exporter = exporter_of(&s);
    pthread_t thread;
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("none"),
                                                 .user_exporter = &exporter,
                                                 .batch_spans = 1,
                                                 .drive = KIS_DRIVE_TICK });
    record(3);
    pthread_create(&thread, NULL, tick, sdk);
    WAIT_UNTIL(s.entered == 1, "it is in the exporter");
    stop_gives_up(sdk, "2 were given up");
    next_works(&s);
    pthread_join(thread, NULL);
    CHECK_INT(1, s.entered, "nothing is exported after the stop");
    next_works(NULL);
}

static void *let_go_soon(void *user)
{
    struct timespec pause = { .tv_nsec = 200000000 };
    nanosleep(&pause, NULL);
    sem_post(&((stubborn *)user)->go_on);
    return NULL;
}

TEST(a_stop_waits_for_a_tick_as_long_as_it_has_time)
{
    stubborn s = { .answers_first = true, .hangs = true };
    kis_exporter exporter = exporter_of(&s);
    pthread_t ticking, letting;
    kis_sdk *sdk = start_with((kis_sdk_options){
        .exporter = KIS_STR("none"), .user_exporter = &exporter, .drive = KIS_DRIVE_TICK });
    record(3);
    pthread_create(&ticking, NULL, tick, sdk);
    WAIT_UNTIL(s.entered == 1, "it is in the exporter, and all has been answered");
    pthread_create(&letting, NULL, let_go_soon, &s);
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 10000), "in time");
    CHECK(s.left == 1, "it was waited for");
    CHECK(s.other_calls > 0, "and the exporter was shut down");
    pthread_join(ticking, NULL);
    pthread_join(letting, NULL);
    next_works(NULL);
}

/* ---- a worker that gets no processor time ---- */

static atomic_bool comes_late;     /* the next thread begins late */
static atomic_bool waits_at_start; /* who starts the next thread waits */
static atomic_int late_threads;
static sem_t late_goes_on;
static struct {
    void *(*run)(void *);
    void *user;
} late;
static void *begin_late(void *unused)
{
    (void)unused;
    while (sem_wait(&late_goes_on))
        ;
    void *answer = late.run(late.user);
    late_threads--;
    return answer;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *user)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real)
        *(void **)(void *)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (atomic_exchange(&waits_at_start, false)) {
        late_threads++;
        while (sem_wait(&late_goes_on))
            ;
    }
    if (!atomic_exchange(&comes_late, false))
        return real(thread, attributes, run, user);
    late.run = run;
    late.user = user;
    late_threads++;
    return real(thread, attributes, begin_late, NULL);
}

TEST(a_worker_that_begins_after_the_stop_does_not_serve_the_next_sdk)
{
    for (int is_freed = 0; is_freed < 2; is_freed++) {
        stubborn s = { .answers_first = true };
        kis_exporter exporter = exporter_of(&s);
        kis_sdk_stats stats;
        sem_init(&late_goes_on, 0, 0);
        kis_sdk *sdk = start_with(
            (kis_sdk_options){ .exporter = KIS_STR("none"), .user_exporter = &exporter });
        comes_late = true;
        record(3);
        CHECK_INT(1, late_threads, "it has been started");
        CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_stop(sdk, 50), "it was not in time");
        CHECK(strstr(log_text, "3 were not delivered"), log_text);
        CHECK_INT(1, s.other_calls, "the exporter is shut down");
        kis_sdk_get_stats(sdk, &stats);
        CHECK_INT(3, stats.dropped_export, "counted");
        CHECK(!kis_sdk_global(), "tracing is over");
        if (is_freed)
            kis_sdk_free(sdk); /* its memory stays */
        next_works(NULL);
        sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("memory") });
        sem_post(&late_goes_on);
        WAIT_UNTIL(late_threads == 0, "it ends at once");
        record(5);
        CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 5000), "another serves");
        CHECK_INT(5, kis_sdk_memory_count(sdk), "its spans");
        CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 5000), "stop");
        kis_sdk_free(sdk);
        CHECK_INT(0, s.entered, "nothing is exported after the stop");
        next_works(NULL);
    }
}

/* ---- an exporter that is opened slowly ---- */

static void *start_slowly(void *user)
{
    kis_sdk **out = user;
    waits_at_start = true; /* that of the thread that sends */
    *out = start_with((kis_sdk_options){ .exporter = KIS_STR("otlp"),
                                         .otlp_endpoint = KIS_STR("http://127.0.0.1:1"),
                                         .export_timeout_ms = 1 });
    return NULL;
}

TEST(nothing_is_recorded_before_the_exporter_is_open)
{
    kis_sdk *sdk = NULL;
    kis_sdk_stats stats;
    kis_diag diag;
    pthread_t thread;
    late_threads = 0;
    sem_init(&late_goes_on, 0, 0);
    pthread_create(&thread, NULL, start_slowly, &sdk);
    WAIT_UNTIL(late_threads == 1, "it is being opened");
    record(5);
    CHECK(!kis_tracer_enabled(tracer()) && !kis_sdk_global(), "nobody records");
    CHECK(!kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("none") }, &diag),
          "but its place is taken");
    CHECK(strstr(diag.text, "a global SDK runs already"), diag.text);
    sem_post(&late_goes_on);
    pthread_join(thread, NULL);
    CHECK(kis_sdk_global() == sdk, "now it runs");
    record(2);
    kis_sdk_flush(sdk, 10000); /* nobody answers at that address */
    kis_sdk_get_stats(sdk, &stats);
    CHECK_INT(2, stats.ended, "what was recorded");
    CHECK_INT(2, stats.exported + stats.dropped_export + stats.queued + stats.in_flight,
              "is somewhere");
    kis_sdk_stop(sdk, 5000);
    kis_sdk_free(sdk);
    late_threads = 0;
    next_works(NULL);
}

/* ---- bounds, fork, exit ---- */

TEST(each_that_stays_away_keeps_one_place)
{
    static stubborn s[KIS_SDKS_MAX];
    kis_exporter exporters[KIS_SDKS_MAX];
    kis_diag diag;
    for (int i = 0; i < KIS_SDKS_MAX; i++) {
        s[i] = (stubborn){ .hangs = true, .answers_after = true };
        exporters[i] = exporter_of(&s[i]);
        kis_sdk *sdk = start_with(
            (kis_sdk_options){ .exporter = KIS_STR("none"), .user_exporter = &exporters[i] });
        record(1);
        WAIT_UNTIL(s[i].entered == 1, "it hangs");
        stop_gives_up(sdk, "1 were given up");
    }
    CHECK(!kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("none") }, &diag),
          "there is no place");
    CHECK(strstr(diag.text, "8 SDKs"), diag.text);
    record(1); /* and no harm */
    sem_post(&s[3].go_on);
    WAIT_UNTIL(s[3].left == 1, "it comes out");
    kis_sdk *sdk = NULL;
    WAIT_UNTIL((sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("none") }, &diag)) !=
                   NULL,
               "its place is free");
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 1000), "stop");
    for (int i = 0; i < KIS_SDKS_MAX; i++)
        sem_post(&s[i].go_on);
    for (int i = 0; i < KIS_SDKS_MAX; i++)
        WAIT_UNTIL(s[i].left == 1, "all come out");
    for (int i = 0; i < 3; i++)
        next_works(NULL);
}

static void wait_for(pid_t child, const char *why)
{
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status), why);
    CHECK_INT(0, WEXITSTATUS(status), why);
}

TEST(a_child_of_a_process_with_one_that_was_given_up_traces)
{
#if defined(__SANITIZE_THREAD__)
    skip();
#endif
    stubborn s = { .hangs = true, .answers_after = true };
    kis_exporter exporter = exporter_of(&s);
    kis_sdk *sdk =
        start_with((kis_sdk_options){ .exporter = KIS_STR("none"), .user_exporter = &exporter });
    record(1);
    WAIT_UNTIL(s.entered == 1, "it hangs");
    stop_gives_up(sdk, "1 were given up");
    pid_t child = fork();
    if (child == 0) {
        kis_sdk *all[KIS_SDKS_MAX];
        for (int i = 0; i < KIS_SDKS_MAX; i++) /* every place is free there */
            if (!(all[i] = kis_sdk_start(
                      &(kis_sdk_options){ .exporter = KIS_STR("memory"), .is_local = i > 0 },
                      NULL)))
                _exit(1);
        record(5);
        bool is_well = kis_sdk_flush(all[0], 5000) == KIS_OK && kis_sdk_memory_count(all[0]) == 5;
        for (int i = 0; i < KIS_SDKS_MAX; i++)
            is_well &= kis_sdk_stop(all[i], 5000) == KIS_OK;
        _exit(is_well ? 0 : 2);
    }
    wait_for(child, "the child traces");
    next_works(&s);
    next_works(NULL);
}

TEST(exit_does_not_wait_for_one_that_does_not_come_back)
{
    for (int is_stopped = 0; is_stopped < 2; is_stopped++) {
        uint64_t start_ms = now_ms();
        pid_t child = fork();
        if (child == 0) {
            static stubborn s = { .hangs = true };
            static kis_exporter exporter;
            exporter = exporter_of(&s);
            kis_sdk *sdk = start_with((kis_sdk_options){
                .exporter = KIS_STR("none"), .user_exporter = &exporter, .exit_flush_ms = 100 });
            record(3);
            WAIT_UNTIL(s.entered == 1, "it hangs");
            if (is_stopped)
                kis_sdk_stop(sdk, 50);
            exit(0);
        }
        wait_for(child, "it ends");
        CHECK(now_ms() - start_ms < 10000, "soon");
    }
}

TEST_MAIN(RUN(an_exporter_that_does_not_come_back_is_given_up),
          RUN(threads_that_export_by_themselves_are_let_go),
          RUN(a_thread_that_is_about_to_export_finds_no_closed_exporter),
          RUN(a_tick_that_does_not_come_back_is_given_up),
          RUN(a_stop_waits_for_a_tick_as_long_as_it_has_time),
          RUN(a_worker_that_begins_after_the_stop_does_not_serve_the_next_sdk),
          RUN(nothing_is_recorded_before_the_exporter_is_open),
          RUN(each_that_stays_away_keeps_one_place),
          RUN(a_child_of_a_process_with_one_that_was_given_up_traces),
          RUN(exit_does_not_wait_for_one_that_does_not_come_back))
