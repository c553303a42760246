/* sdk_bench.c - what a span costs, from the API call to OTLP bytes.
 *
 *     sdk_bench            the table
 *     valgrind --tool=callgrind --toggle-collect=counted_pairs sdk_bench count
 *                          instructions of 5,120 pairs, once warm, where the machine has no counter
 *                          of its own; `count-run-time`, `count-lists`, `count-recording` likewise
 *
 * "pair": two spans interleaved, each started, given six attributes (five texts, one integer,
 * one call each) and ended; batches of 512 are made and encoded as OTLP protobuf by the same
 * thread, and counted in. "run-time": the same, with values that the compiler does not know.
 * Instructions are those of user mode (perf_event_open), so the vDSO's clock reads are in them.
 * "two threads": each records a batch's worth into its own ring while the batcher stands still,
 * and empties the ring itself between two bursts, outside the clock: nothing is dropped, and
 * what is measured is recording alone. "beside": the batcher takes and encodes meanwhile, and
 * what does not fit is dropped.
 * Thread CPU time, the best of 15 rounds, so that other work on the machine counts little.
 */
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <kiseki/kiseki.h>

#include "sdk/sampler.h"
#include "sdk/sdk.h"
#include "wire/otlp.h"

KIS_TRACER(tracer, "bench", "1.0.0")

/* ---- host ---- */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static uint64_t host_now(void *user)
{
    (void)user;
    return clock_ns(CLOCK_MONOTONIC);
}
static uint64_t host_now_unix(void *user)
{
    (void)user;
    return clock_ns(CLOCK_REALTIME);
}
static void host_random(void *user, void *to, size_t size)
{
    (void)user;
    if (getentropy(to, size))
        abort();
}
static _Atomic uint64_t allocations;
static void *take(void *user, size_t size)
{
    (void)user;
    allocations++;
    return malloc(size);
}
static void give_back(void *user, void *ptr, size_t size)
{
    (void)user, (void)size;
    free(ptr);
}
static const kis_alloc bench_alloc = { take, give_back, NULL };
static const kis_host bench_host = {
    .now_ns = host_now, .now_unix_ns = host_now_unix, .random = host_random, .alloc = &bench_alloc
};

/* ---- a sink that encodes ---- */

static kis_buf encoded;
static uint64_t encoded_bytes, encoded_spans;
static bool is_encoding = true;
static void encode_push(kis_sink *sink, kis_batch *batch, kis_done done)
{
    (void)sink;
    if (is_encoding) {
        kis_buf_clear(&encoded);
        kis_otlp_encode(batch, &encoded);
        encoded_bytes += encoded.len;
    }
    encoded_spans += batch->span_count;
    done.call(done.user, &(kis_sink_result){ .err = KIS_OK });
}
static kis_err no_flush(kis_sink *sink, uint64_t deadline_ns)
{
    (void)sink, (void)deadline_ns;
    return KIS_OK;
}
static void no_close(kis_sink *sink)
{
    (void)sink;
}
static const kis_sink_ops encode_ops = { "encode", KIS_PROMISE_NONE, encode_push, no_flush,
                                         no_close };
static kis_sink encode_sink = { &encode_ops };

static kis_sampler samplers[2];
static kis_sdk *start(bool is_sampled)
{
    kis_sdk *sdk;
    kis_diag diag;
    samplers[0] = is_sampled ? kis_sampler_always_on() : kis_sampler_always_off();
    samplers[1] = kis_sampler_parent_based(&samplers[0], NULL, NULL, NULL, NULL);
    kis_sdk_setup setup = {
        .host = &bench_host,
        .limits = { 128, 128, 128, 128, 128, 65536, 31 },
        .sampler = &samplers[1],
        .resource = KIS_ATTRS(KIS_KV("service.name", "bench")),
        .batcher = { .batch_spans = 512, .delay_ms = 5000 },
        .has_exporter = true,
        .max_spans = 16384,
        .queue_spans = 2048,
    };
    if (kis_sdk_open(&setup, &sdk, &diag)) {
        fprintf(stderr, "%s\n", diag.text);
        exit(1);
    }
    kis_batcher_set_sinks(&sdk->batcher, (kis_sink *[]){ &encode_sink }, 1);
    kis_sdk_publish(sdk);
    return sdk;
}

/* ---- what is measured ---- */

static void set_six(kis_span a)
{
    kis_span_set(a, KIS_KV("http.request.method", "GET"));
    kis_span_set(a, KIS_KV("url.path", "/api/users/42"));
    kis_span_set(a, KIS_KV("server.address", "shop.example.com"));
    kis_span_set(a, KIS_KV("http.route", "/api/users/:id"));
    kis_span_set(a, KIS_KV("user_agent.original", "Mozilla/5.0 (X11; Linux)"));
    kis_span_set(a, KIS_KV("http.response.status_code", 200));
}
static void pair(void)
{
    kis_span a = kis_span_start(tracer(), "GET /api/users/:id", .kind = KIS_SPAN_KIND_SERVER);
    kis_span b = kis_span_start(tracer(), "SELECT users", .kind = KIS_SPAN_KIND_CLIENT);
    set_six(a);
    set_six(b);
    kis_span_end(b);
    kis_span_end(a);
}
/* Values as a program has them: read from elsewhere, as C texts. */
static const char *volatile run_time_texts[] = { "GET", "/api/users/42", "shop.example.com",
                                                 "/api/users/:id", "Mozilla/5.0 (X11; Linux)" };
static volatile int run_time_status = 200;
static void set_six_of_run_time(kis_span a)
{
    kis_span_set(a, KIS_KV("http.request.method", run_time_texts[0]));
    kis_span_set(a, KIS_KV("url.path", run_time_texts[1]));
    kis_span_set(a, KIS_KV("server.address", run_time_texts[2]));
    kis_span_set(a, KIS_KV("http.route", run_time_texts[3]));
    kis_span_set(a, KIS_KV("user_agent.original", run_time_texts[4]));
    kis_span_set(a, KIS_KV("http.response.status_code", run_time_status));
}
static void pair_of_run_time(void)
{
    kis_span a = kis_span_start(tracer(), "GET /api/users/:id", .kind = KIS_SPAN_KIND_SERVER);
    kis_span b = kis_span_start(tracer(), "SELECT users", .kind = KIS_SPAN_KIND_CLIENT);
    set_six_of_run_time(a);
    set_six_of_run_time(b);
    kis_span_end(b);
    kis_span_end(a);
}
/* The same with the attributes of each span in one list. */
static void pair_in_lists(void)
{
    kis_span a =
        kis_span_start(tracer(), "GET /api/users/:id", .kind = KIS_SPAN_KIND_SERVER,
                       .attrs = KIS_ATTRS(KIS_KV("http.request.method", "GET"),
                                          KIS_KV("url.path", "/api/users/42"),
                                          KIS_KV("server.address", "shop.example.com"),
                                          KIS_KV("http.route", "/api/users/:id"),
                                          KIS_KV("user_agent.original", "Mozilla/5.0 (X11; Linux)"),
                                          KIS_KV("http.response.status_code", 200)));
    kis_span b =
        kis_span_start(tracer(), "SELECT users", .kind = KIS_SPAN_KIND_CLIENT,
                       .attrs = KIS_ATTRS(KIS_KV("http.request.method", "GET"),
                                          KIS_KV("url.path", "/api/users/42"),
                                          KIS_KV("server.address", "shop.example.com"),
                                          KIS_KV("http.route", "/api/users/:id"),
                                          KIS_KV("user_agent.original", "Mozilla/5.0 (X11; Linux)"),
                                          KIS_KV("http.response.status_code", 200)));
    kis_span_end(b);
    kis_span_end(a);
}
static void scoped(void)
{
    KIS_SPAN(span, tracer(), "GET /api/users/:id", .kind = KIS_SPAN_KIND_SERVER);
    set_six(span);
}
static void noop(void)
{
    KIS_SPAN(span, tracer(), "GET /api/users/:id", .kind = KIS_SPAN_KIND_SERVER);
    kis_span_set(span, KIS_KV("http.request.method", "GET"), KIS_KV("url.path", "/api/users/42"),
                 KIS_KV("http.response.status_code", 200));
}

static int counter = -1;
static uint64_t instructions(void)
{
    uint64_t value = 0;
    if (counter >= 0 && read(counter, &value, sizeof(value)) != sizeof(value))
        value = 0;
    return value;
}
static void open_counter(void)
{
    struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
                                    .size = sizeof(attr),
                                    .config = PERF_COUNT_HW_INSTRUCTIONS,
                                    .exclude_kernel = 1,
                                    .exclude_hv = 1 };
    counter = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static void measure(const char *what, kis_sdk *sdk, void (*run)(void), int spans_a_run, int runs)
{
    uint64_t best_ns = UINT64_MAX, best_instructions = UINT64_MAX, took = 0;
    for (int round = 0; round < 11; round++) {
        uint64_t before_allocations = allocations, i0 = instructions(),
                 t0 = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < runs; i++) {
            run();
            if (sdk && (i + 1) * spans_a_run % 512 == 0)
                kis_batcher_step(&sdk->batcher, host_now(NULL));
        }
        uint64_t t1 = clock_ns(CLOCK_THREAD_CPUTIME_ID), i1 = instructions();
        best_ns = t1 - t0 < best_ns ? t1 - t0 : best_ns;
        best_instructions = i1 - i0 < best_instructions ? i1 - i0 : best_instructions;
        took = allocations - before_allocations;
    }
    printf("%-46s %8.1f instr a run %8.1f a span %8.1f ns a span %7.4f allocations a span\n", what,
           (double)best_instructions / runs, (double)best_instructions / runs / spans_a_run,
           (double)best_ns / runs / spans_a_run, (double)took / runs / spans_a_run);
}

/* ---- two threads ---- */

enum { BURST = 512, BURSTS = 400, WARM_BURSTS = 4 };
static pthread_barrier_t gate;

/* What this thread has recorded goes back to its own free slots,
 * as if its batch had been answered. */
static void drain_own(kis_sdk *sdk)
{
    kis_recorder_thread *here = kis_recorder_thread_here(sdk, kis_here_get());
    kis_slot *ended[BURST];
    uint32_t count = kis_span_ring_take(&here->ring, ended, BURST);

    for (uint32_t i = 0; i < count; i++)
        kis_slot_release(ended[i], ended[i]->word, here);
}

typedef struct recording {
    pthread_t thread;
    kis_sdk *sdk; /* NULL: somebody else drains */
    uint64_t ns;  /* thread CPU time of the bursts alone */
} recording;

static void *record(void *user)
{
    recording *mine = user;
    uint64_t ns = 0;

    for (int burst = 0; burst < WARM_BURSTS + BURSTS; burst++) {
        if (burst == WARM_BURSTS) {
            pthread_barrier_wait(&gate);
            ns = 0;
        }
        uint64_t t0 = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < BURST; i++) {
            kis_span span =
                kis_span_start(tracer(), "GET /api/users/:id", .kind = KIS_SPAN_KIND_SERVER);
            set_six(span);
            kis_span_end(span);
        }
        ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - t0;
        if (mine->sdk)
            drain_own(mine->sdk);
    }
    mine->ns = ns;
    kis_recorder_thread_done(); /* its slots and its ring go to the thread that begins next */
    return NULL;
}
static double spans_per_cpu_second(int threads, kis_sdk *drained)
{
    static struct {
        _Alignas(128) recording of;
    } each[8];
    double rate = 0;

    pthread_barrier_init(&gate, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        each[i].of.sdk = drained;
        pthread_create(&each[i].of.thread, NULL, record, &each[i].of);
    }
    for (int i = 0; i < threads; i++)
        pthread_join(each[i].of.thread, NULL);
    for (int i = 0; i < threads; i++)
        rate += (double)BURST * BURSTS * 1e9 / (double)each[i].of.ns;
    pthread_barrier_destroy(&gate);
    return rate;
}

static _Atomic bool is_driving;
static void *drive(void *user)
{
    kis_sdk *sdk = user;
    while (is_driving) {
        kis_batcher_step(&sdk->batcher, host_now(NULL));
        usleep(1000);
    }
    return NULL;
}
static uint64_t dropped(const kis_sdk *sdk)
{
    kis_sdk_stats stats;

    kis_sdk_get_stats(sdk, &stats);
    return stats.dropped_queue + stats.dropped_memory;
}
static void measure_threads(kis_sdk *sdk, kis_sdk *drained, const char *what)
{
    uint64_t dropped_before = dropped(sdk);
    double one = 0, two = 0;

    for (int i = 0; i < 15; i++) {
        double rate = spans_per_cpu_second(1, drained);
        one = rate > one ? rate : one;
        rate = spans_per_cpu_second(2, drained);
        two = rate > two ? rate : two;
    }
    if (drained && dropped(sdk) != dropped_before) {
        fprintf(stderr, "%s: spans were dropped, so this is not what recording costs\n", what);
        exit(1);
    }
    printf("%-46s one %.2f M spans/s, two %.2f M spans/s: %.2f times (thread CPU time)\n", what,
           one / 1e6, two / 1e6, two / one);
}

enum { COUNTED = 5120 };
__attribute__((noinline)) static void counted_pairs(kis_sdk *sdk, void (*run)(void))
{
    for (int i = 0; i < COUNTED; i++) {
        run();
        if ((i + 1) % 256 == 0)
            kis_batcher_step(&sdk->batcher, host_now(NULL));
    }
}
static int count(const char *what)
{
    kis_buf_init(&encoded, &bench_alloc, 64u << 20);
    kis_sdk *sdk = start(true);
    is_encoding = strcmp(what, "count-recording") != 0;
    void (*run)(void) = !strcmp(what, "count-lists")      ? pair_in_lists
                        : !strcmp(what, "count-run-time") ? pair_of_run_time
                                                          : pair;
    for (int i = 0; i < 2048; i++) {
        run();
        if ((i + 1) % 256 == 0)
            kis_batcher_step(&sdk->batcher, host_now(NULL));
    }
    uint64_t before = allocations;
    counted_pairs(sdk, run);
    printf("%d pairs, %.4f allocations a pair (of the batcher)\n", COUNTED,
           (double)(allocations - before) / COUNTED);
    kis_sdk_close(sdk);
    kis_buf_done(&encoded);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return count(argv[1]);
    open_counter();
    if (counter < 0)
        printf("no instruction counter on this machine: run under valgrind --tool=callgrind "
               "instead\n");
    kis_buf_init(&encoded, &bench_alloc, 64u << 20);
    measure("no SDK: KIS_SPAN and 3 attributes", NULL, noop, 1, 1000000);
    kis_sdk *sdk = start(true);
    measure("pair: 2 x (start, 6 x set, end), OTLP bytes", sdk, pair, 2, 51200);
    measure("pair, values of run time, OTLP bytes", sdk, pair_of_run_time, 2, 51200);
    measure("pair, attributes in one list, OTLP bytes", sdk, pair_in_lists, 2, 51200);
    measure("KIS_SPAN, 6 x set, OTLP bytes", sdk, scoped, 1, 51200);
    printf("%-46s %.1f\n", "bytes a span", (double)encoded_bytes / (double)encoded_spans);
    is_encoding = false;
    measure("pair, recorded and batched, not encoded", sdk, pair, 2, 51200);
    kis_batcher_drop_queued(&sdk->batcher);
    measure_threads(sdk, sdk, "batcher stopped, bursts that fit the ring");
    pthread_t driver;
    is_driving = is_encoding = true;
    pthread_create(&driver, NULL, drive, sdk);
    measure_threads(sdk, NULL, "batcher running beside");
    is_driving = false;
    pthread_join(driver, NULL);
    kis_batcher_drop_queued(&sdk->batcher);
    kis_sdk_close(sdk);
    sdk = start(false);
    measure("sampler says no: KIS_SPAN, 6 x set", sdk, scoped, 1, 512000);
    kis_sdk_close(sdk);
    kis_buf_done(&encoded);
    return 0;
}
