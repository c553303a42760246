/* sdk_bench.c - what a span costs, from the API call to OTLP bytes.
 *
 *     sdk_bench            the table
 *     valgrind --tool=callgrind --toggle-collect=counted_pairs sdk_bench count
 *                          instructions of 5,120 pairs, once warm, where the machine has no counter of its own; `count-lists`, `count-recording` likewise
 *
 * "pair": two spans interleaved, each started, given six attributes (five texts, one integer, one call each) and ended; batches of 512 are made and encoded as
 * OTLP protobuf by the same thread, and counted in. Instructions are those of user mode (perf_event_open), so the vDSO's clock reads are in them.
 * "two threads": each records into its own ring while the batcher stands still; thread CPU time, so that other work on the machine does not count.
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
static uint64_t host_now(void *user) { (void)user; return clock_ns(CLOCK_MONOTONIC); }
static uint64_t host_now_unix(void *user) { (void)user; return clock_ns(CLOCK_REALTIME); }
static void host_random(void *user, void *to, size_t size)
{
    (void)user;
    if (getentropy(to, size))
        abort();
}
static _Atomic uint64_t allocations;
static void *take(void *user, size_t size) { (void)user; allocations++; return malloc(size); }
static void give_back(void *user, void *ptr, size_t size) { (void)user, (void)size; free(ptr); }
static const kis_alloc bench_alloc = { take, give_back, NULL };
static const kis_host bench_host = { .now_ns = host_now, .now_unix_ns = host_now_unix, .random = host_random, .alloc = &bench_alloc };

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
static kis_err no_flush(kis_sink *sink, uint64_t deadline_ns) { (void)sink, (void)deadline_ns; return KIS_OK; }
static void no_close(kis_sink *sink) { (void)sink; }
static const kis_sink_ops encode_ops = { "encode", KIS_PROMISE_NONE, encode_push, no_flush, no_close };
static kis_sink encode_sink = { &encode_ops };

static kis_sampler samplers[2];
static kis_sdk *start(bool is_sampled)
{
    kis_sdk *sdk;
    kis_diag diag;
    samplers[0] = is_sampled ? kis_sampler_always_on() : kis_sampler_always_off();
    samplers[1] = kis_sampler_parent_based(&samplers[0], NULL, NULL, NULL, NULL);
    kis_sdk_setup setup = {
        .host = &bench_host, .limits = { 128, 128, 128, 128, 128, 65536, 64 }, .sampler = &samplers[1],
        .resource = KIS_ATTRS(KIS_KV("service.name", "bench")), .batcher = { .batch_spans = 512, .delay_ms = 5000 }, .has_exporter = true,
        .max_spans = 16384, .queue_spans = 2048,
    };
    if (kis_sdk_open(&setup, &sdk, &diag)) {
        fprintf(stderr, "%s\n", diag.text);
        exit(1);
    }
    kis_batcher_add_sink(&sdk->batcher, &encode_sink);
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
/* The same with the attributes of each span in one list. */
static void pair_in_lists(void)
{
    kis_span a = kis_span_start(tracer(), "GET /api/users/:id", .kind = KIS_SPAN_KIND_SERVER,
                                .attrs = KIS_ATTRS(KIS_KV("http.request.method", "GET"), KIS_KV("url.path", "/api/users/42"), KIS_KV("server.address", "shop.example.com"),
                                                   KIS_KV("http.route", "/api/users/:id"), KIS_KV("user_agent.original", "Mozilla/5.0 (X11; Linux)"),
                                                   KIS_KV("http.response.status_code", 200)));
    kis_span b = kis_span_start(tracer(), "SELECT users", .kind = KIS_SPAN_KIND_CLIENT,
                                .attrs = KIS_ATTRS(KIS_KV("http.request.method", "GET"), KIS_KV("url.path", "/api/users/42"), KIS_KV("server.address", "shop.example.com"),
                                                   KIS_KV("http.route", "/api/users/:id"), KIS_KV("user_agent.original", "Mozilla/5.0 (X11; Linux)"),
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
    kis_span_set(span, KIS_KV("http.request.method", "GET"), KIS_KV("url.path", "/api/users/42"), KIS_KV("http.response.status_code", 200));
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
    struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE, .size = sizeof(attr), .config = PERF_COUNT_HW_INSTRUCTIONS, .exclude_kernel = 1, .exclude_hv = 1 };
    counter = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static void measure(const char *what, kis_sdk *sdk, void (*run)(void), int spans_a_run, int runs)
{
    uint64_t best_ns = UINT64_MAX, best_instructions = UINT64_MAX, took = 0;
    for (int round = 0; round < 11; round++) {
        uint64_t before_allocations = allocations, i0 = instructions(), t0 = clock_ns(CLOCK_THREAD_CPUTIME_ID);
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
    printf("%-46s %8.1f instr a run %8.1f a span %8.1f ns a span %7.4f allocations a span\n", what, (double)best_instructions / runs,
           (double)best_instructions / runs / spans_a_run, (double)best_ns / runs / spans_a_run, (double)took / runs / spans_a_run);
}

/* ---- two threads ---- */

enum { THREAD_SPANS = 400000 };
static pthread_barrier_t gate;
static void *record(void *out)
{
    for (int i = 0; i < 64; i++)
        kis_span_end(kis_span_start(tracer(), "warm"));
    pthread_barrier_wait(&gate);
    uint64_t t0 = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < THREAD_SPANS; i++) {
        kis_span span = kis_span_start(tracer(), "GET /api/users/:id", .kind = KIS_SPAN_KIND_SERVER);
        set_six(span);
        kis_span_end(span);
    }
    *(uint64_t *)out = clock_ns(CLOCK_THREAD_CPUTIME_ID) - t0;
    return NULL;
}
static double spans_per_cpu_second(int threads)
{
    pthread_t handles[8];
    uint64_t ns[8];
    double rate = 0;
    pthread_barrier_init(&gate, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++)
        pthread_create(&handles[i], NULL, record, &ns[i]);
    for (int i = 0; i < threads; i++)
        pthread_join(handles[i], NULL);
    for (int i = 0; i < threads; i++)
        rate += THREAD_SPANS * 1e9 / (double)ns[i];
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
static void measure_threads(kis_sdk *sdk, const char *what)
{
    double one = 0, two = 0;
    for (int i = 0; i < 5; i++) {
        double rate = spans_per_cpu_second(1);
        one = rate > one ? rate : one;
        rate = spans_per_cpu_second(2);
        two = rate > two ? rate : two;
    }
    printf("%-46s one %.2f M spans/s, two %.2f M spans/s: %.2f times (thread CPU time)\n", what, one / 1e6, two / 1e6, two / one);
    (void)sdk;
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
    void (*run)(void) = strcmp(what, "count-lists") ? pair : pair_in_lists;
    for (int i = 0; i < 2048; i++) {
        run();
        if ((i + 1) % 256 == 0)
            kis_batcher_step(&sdk->batcher, host_now(NULL));
    }
    uint64_t before = allocations;
    counted_pairs(sdk, run);
    printf("%d pairs, %.4f allocations a pair (of the batcher)\n", COUNTED, (double)(allocations - before) / COUNTED);
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
        printf("no instruction counter on this machine: run under valgrind --tool=callgrind instead\n");
    kis_buf_init(&encoded, &bench_alloc, 64u << 20);
    measure("no SDK: KIS_SPAN and 3 attributes", NULL, noop, 1, 1000000);
    kis_sdk *sdk = start(true);
    measure("pair: 2 x (start, 6 x set, end), OTLP bytes", sdk, pair, 2, 51200);
    measure("pair, attributes in one list, OTLP bytes", sdk, pair_in_lists, 2, 51200);
    measure("KIS_SPAN, 6 x set, OTLP bytes", sdk, scoped, 1, 51200);
    printf("%-46s %.1f\n", "bytes a span", (double)encoded_bytes / (double)encoded_spans);
    is_encoding = false;
    measure("pair, recorded and batched, not encoded", sdk, pair, 2, 51200);
    kis_batcher_drop_queued(&sdk->batcher);
    measure_threads(sdk, "batcher stopped (rings full)");
    pthread_t driver;
    is_driving = is_encoding = true;
    pthread_create(&driver, NULL, drive, sdk);
    measure_threads(sdk, "batcher running beside");
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
