/* test_host.h - for the tests: a host whose clock is set by hand, a sink that keeps what it gets,
 * an SDK on both. */
#ifndef KIS_SDK_TEST_HOST_H
#define KIS_SDK_TEST_HOST_H

#include <string.h>

#include "tests/test.h"

#include "base/diag.h"
#include "sdk/sampler.h"
#include "sdk/sdk.h"

#define TEST_WALL_NS UINT64_C(1700000000000000000)

/* ---- memory: as test_alloc of tests/test.h, but for several threads ---- */

static _Atomic long test_live_, test_live_bytes_, test_until_failure_ = -1; /* none fails */
static inline void *test_take(void *user, size_t size)
{
    (void)user;
    if (atomic_load(&test_until_failure_) >= 0 && atomic_fetch_sub(&test_until_failure_, 1) == 0)
        return NULL;
    atomic_fetch_add(&test_live_, 1);
    atomic_fetch_add(&test_live_bytes_, (long)size);
    return malloc(size ? size : 1);
}
static inline void test_give_back(void *user, void *ptr, size_t size)
{
    (void)user;
    if (ptr) {
        atomic_fetch_sub(&test_live_, 1);
        atomic_fetch_sub(&test_live_bytes_, (long)size);
    }
    free(ptr);
}
static const kis_alloc test_memory = { test_take, test_give_back, NULL };

/* ---- host ---- */

typedef struct test_world {
    _Atomic uint64_t now_ns;
    uint64_t wall_ns; /* at now_ns == 0 */
    uint64_t seed;
    _Atomic uint32_t wakes;
    char log[4096];
    kis_host host;
} test_world;

static inline uint64_t test_now(void *user)
{
    return atomic_load(&((test_world *)user)->now_ns);
}
static inline uint64_t test_now_unix(void *user)
{
    return ((test_world *)user)->wall_ns + test_now(user);
}
static inline void test_random(void *user, void *to, size_t size)
{
    static _Atomic uint64_t calls;
    uint8_t *at = to;
    uint64_t x =
        ((test_world *)user)->seed + 0x9e3779b97f4a7c15u * (atomic_fetch_add(&calls, 1) + 1);
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        at[i] = (uint8_t)(x >> 32);
    }
}
static inline void test_wake(void *user)
{
    atomic_fetch_add(&((test_world *)user)->wakes, 1);
}
static inline void test_log(void *user, kis_log_level level, const char *text)
{
    test_world *w = user;
    (void)level;
    strncat(w->log, text, sizeof(w->log) - strlen(w->log) - 2);
    strcat(w->log, "\n");
}

static inline void test_world_init(test_world *w)
{
    memset(w, 0, sizeof(*w));
    w->now_ns = 1000;
    w->wall_ns = TEST_WALL_NS;
    w->seed = 42;
    w->host = (kis_host){ .user = w,
                          .now_ns = test_now,
                          .now_unix_ns = test_now_unix,
                          .random = test_random,
                          .alloc = &test_memory,
                          .wake = test_wake,
                          .log = test_log };
}

/* ---- sink ---- */

#define TEST_SINK_BATCHES 4096

typedef struct test_sink {
    kis_sink sink;
    kis_batch *batches[TEST_SINK_BATCHES];
    kis_done waiting[TEST_SINK_BATCHES];
    uint32_t batch_count, answered;
    bool is_slow; /* answers only at test_sink_answer */
    bool drops;   /* answers OK and keeps nothing */
    kis_err answer;
} test_sink;

static inline void test_sink_answer(test_sink *s)
{
    for (; s->answered < s->batch_count; s->answered++)
        s->waiting[s->answered].call(s->waiting[s->answered].user,
                                     &(kis_sink_result){ .err = s->answer });
}
static inline void test_sink_push(kis_sink *base, kis_batch *batch, kis_done done)
{
    test_sink *s = (test_sink *)base;
    if (s->drops) {
        done.call(done.user, &(kis_sink_result){ .err = s->answer });
        return;
    }
    s->batches[s->batch_count] = kis_batch_ref(batch);
    s->waiting[s->batch_count++] = done;
    if (!s->is_slow)
        test_sink_answer(s);
}
static inline kis_err test_sink_flush(kis_sink *base, uint64_t deadline_ns)
{
    (void)base, (void)deadline_ns;
    return KIS_OK;
}
static inline void test_sink_close(kis_sink *base)
{
    (void)base;
}
static const kis_sink_ops test_sink_ops = { "test", KIS_PROMISE_MEMORY, test_sink_push,
                                            test_sink_flush, test_sink_close };

static inline void test_sink_clear(test_sink *s)
{
    test_sink_answer(s);
    for (uint32_t i = 0; i < s->batch_count; i++)
        kis_batch_unref(s->batches[i]);
    s->batch_count = s->answered = 0;
}
static inline uint32_t test_sink_spans(const test_sink *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->batch_count; i++)
        count += s->batches[i]->span_count;
    return count;
}
/* The index-th span over all batches. */
static inline const kis_span_view *test_sink_at(const test_sink *s, uint32_t index)
{
    for (uint32_t i = 0; i < s->batch_count; index -= s->batches[i++]->span_count)
        if (index < s->batches[i]->span_count)
            return &s->batches[i]->spans[index];
    return NULL;
}
static inline const kis_span_view *test_sink_find(const test_sink *s, const char *name)
{
    const kis_span_view *v;
    for (uint32_t i = 0; (v = test_sink_at(s, i)) != NULL; i++)
        if (kis_str_eq(v->name, kis_str_from_c(name)))
            return v;
    return NULL;
}

/* ---- SDK ---- */

typedef struct test_sdk {
    test_world world;
    test_sink sink;
    kis_sampler samplers[2];
    kis_sdk_setup setup;
    kis_sdk *sdk;
} test_sdk;

static inline void test_sdk_prepare(test_sdk *t)
{
    memset(t, 0, sizeof(*t));
    test_live_ = test_live_bytes_ = 0;
    test_until_failure_ = -1;
    test_world_init(&t->world);
    t->sink.sink.ops = &test_sink_ops;
    t->samplers[0] = kis_sampler_always_on();
    t->samplers[1] = kis_sampler_parent_based(&t->samplers[0], NULL, NULL, NULL, NULL);
    t->setup = (kis_sdk_setup){
        .host = &t->world.host,
        .limits = { 128, 128, 128, 128, 128, UINT32_MAX, KIS_RECORD_DEPTH_MAX },
        .sampler = &t->samplers[1],
        .batcher = { .batch_spans = 512, .delay_ms = 5000 },
        .has_exporter = true,
        .max_spans = 16384,
        .queue_spans = 2048,
    };
}
static inline void test_sdk_open(test_sdk *t)
{
    kis_diag diag;
    CHECK_ERR(KIS_OK, kis_sdk_open(&t->setup, &t->sdk, &diag), "open");
    if (t->setup.has_exporter)
        kis_batcher_set_sinks(&t->sdk->batcher, (kis_sink *[]){ &t->sink.sink }, 1);
    kis_sdk_publish(t->sdk);
}
static inline void test_sdk_begin(test_sdk *t)
{
    test_sdk_prepare(t);
    test_sdk_open(t);
}
/* Everything that has ended is in the sink afterwards. */
static inline void test_sdk_flush(test_sdk *t)
{
    uint32_t ticket = kis_batcher_flush(&t->sdk->batcher);
    for (int i = 0; i < 1000 && !kis_batcher_is_flushed(&t->sdk->batcher, ticket); i++)
        kis_batcher_step(&t->sdk->batcher, test_now(&t->world));
    CHECK(kis_batcher_is_flushed(&t->sdk->batcher, ticket), "flush ends");
}
static inline void test_sdk_end(test_sdk *t)
{
    kis_sdk_halt(t->sdk);
    test_sink_clear(&t->sink);
    kis_batcher_drop_queued(&t->sdk->batcher);
    kis_sdk_close(t->sdk);
    CHECK_INT(0, test_live_, "all memory was given back");
}

static inline kis_str test_attr_text(const kis_span_view *v, const char *key)
{
    return v ? kis_attrs_text(v->attrs, kis_str_from_c(key)) : KIS_STR_NONE;
}
static inline kis_value_view test_attr(kis_attrs attrs, const char *key)
{
    kis_value_view value = { .kind = KIS_VALUE_NONE };
    if (!kis_attrs_find(attrs, kis_str_from_c(key), &value))
        value.kind = (kis_value_kind)-1;
    return value;
}

#endif
