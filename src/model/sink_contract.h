/* sink_contract.h - what every sink does, as a battery that each implementation's test runs.
 *
 *     static kis_sink *open_mine(void *user) { … }
 *     TEST(my_sink_keeps_the_contract)
 *     {
 *         sink_contract_run(&(sink_contract){ .open = open_mine, .user = &fixture });
 *     }
 *
 * An implementation lists in `cannot` what it cannot do; the empty list runs everything.
 */
#ifndef KIS_MODEL_SINK_CONTRACT_H
#define KIS_MODEL_SINK_CONTRACT_H

#include <pthread.h>
#include <time.h>

#include "model/sink.h"
#include "model/test_spans.h"
#include "os/mem.h"
#include "tests/test.h"

#define SINK_CANNOT_TAKE_EMPTY_BATCHES 0x1u /* answers them with an error */
#define SINK_CANNOT_TAKE_TWO_THREADS   0x2u
/* somebody else owns it: close does nothing, so nothing is tested after it */
#define SINK_CANNOT_CLOSE 0x4u

typedef struct sink_contract {
    kis_sink *(*open)(void *user);             /* a fresh one, that takes everything */
    void (*close)(void *user, kis_sink *sink); /* NULL: kis_sink_close */
    void *user;
    unsigned cannot;
} sink_contract;

typedef struct sink_answer {
    _Atomic int calls;
    kis_err err;
    uint64_t rejected_spans;
} sink_answer;

static inline void sink_contract_done(void *user, const kis_sink_result *result)
{
    sink_answer *a = user;
    a->err = result->err;
    a->rejected_spans = result->rejected_spans;
    atomic_fetch_add(&a->calls, 1);
}
static inline kis_done sink_contract_done_of(sink_answer *a)
{
    return (kis_done){ sink_contract_done, a };
}

static inline uint64_t sink_contract_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
/* 20 s: only a hang gets there */
static inline uint64_t sink_contract_soon(void)
{
    return sink_contract_now_ns() + 20000000000u;
}

static inline void sink_contract_close(const sink_contract *c, kis_sink *sink)
{
    if (c->close)
        c->close(c->user, sink);
    else
        kis_sink_close(sink);
}

static inline kis_batch *sink_contract_batch(uint64_t number, uint32_t traces)
{
    return test_spans_generate(&kis_mem,
                               &(test_spans_spec){ .seed = number,
                                                   .first_trace = number * 1000 + 1,
                                                   .traces = traces,
                                                   .spans_per_trace = 3,
                                                   .start_unix_ns = 1700000000000000000u });
}

static inline void sink_contract_answers_each_push_once(const sink_contract *c)
{
    enum { PUSHES = 50 };
    static sink_answer answers[PUSHES];
    kis_batch *batches[PUSHES];
    uint64_t hashes[PUSHES];
    kis_sink *sink = c->open(c->user);
    CHECK(sink != NULL, "a sink");
    for (uint64_t i = 0; i < PUSHES; i++) {
        answers[i] = (sink_answer){ .calls = 0 };
        batches[i] = sink_contract_batch(i, 1 + (uint32_t)i % 4);
        hashes[i] = kis_hash(batches[i]->body, 1);
        kis_sink_push(sink, batches[i], sink_contract_done_of(&answers[i]));
    }
    CHECK_ERR(KIS_OK, kis_sink_flush(sink, sink_contract_soon()),
              "flush waits for what was pushed before");
    for (int i = 0; i < PUSHES; i++) {
        CHECK_INT(1, atomic_load(&answers[i].calls), "each push is answered, and once");
        CHECK_ERR(KIS_OK, answers[i].err, "a sink that takes everything says OK");
        CHECK_INT(0, answers[i].rejected_spans, "and rejects nothing");
        CHECK(hashes[i] == kis_hash(batches[i]->body, 1), "a batch is not changed");
    }
    sink_contract_close(c, sink);
    for (int i = 0; i < PUSHES; i++) {
        CHECK_INT(1, atomic_load(&answers[i].calls), "closing answers nothing twice");
        if (!(c->cannot & SINK_CANNOT_CLOSE))
            CHECK_INT(1, atomic_load(&batches[i]->refs), "a closed sink holds no batch");
        kis_batch_unref(batches[i]);
    }
}

static inline void sink_contract_answers_before_close_returns(const sink_contract *c)
{
    sink_answer answer = { .calls = 0 };
    kis_sink *sink = c->open(c->user);
    kis_batch *batch = sink_contract_batch(77, 3);
    kis_sink_push(sink, batch, sink_contract_done_of(&answer));
    kis_batch_unref(batch); /* the sink's own reference must do */
    if (c->cannot & SINK_CANNOT_CLOSE)
        CHECK_ERR(KIS_OK, kis_sink_flush(sink, sink_contract_soon()), "flushed");
    sink_contract_close(c, sink);
    CHECK_INT(1, atomic_load(&answer.calls), "close returns after the last answer");
}

static inline void sink_contract_takes_one_batch_twice_and_an_empty_one(const sink_contract *c)
{
    sink_answer first = { .calls = 0 }, second = { .calls = 0 }, none = { .calls = 0 };
    kis_sink *sink = c->open(c->user);
    kis_batch *batch = sink_contract_batch(5, 2), *empty = kis_batch_new(&kis_mem, 4096);
    kis_sink_push(sink, batch, sink_contract_done_of(&first));
    kis_sink_push(sink, batch, sink_contract_done_of(&second));
    if (!(c->cannot & SINK_CANNOT_TAKE_EMPTY_BATCHES))
        kis_sink_push(sink, empty, sink_contract_done_of(&none));
    kis_batch_unref(batch);
    kis_batch_unref(empty);
    CHECK_ERR(KIS_OK, kis_sink_flush(sink, sink_contract_soon()), "flushed");
    CHECK_INT(2, atomic_load(&first.calls) + atomic_load(&second.calls), "fan-out shares a batch");
    CHECK_ERR(KIS_OK, first.err, "first time");
    CHECK_ERR(KIS_OK, second.err, "second time");
    if (!(c->cannot & SINK_CANNOT_TAKE_EMPTY_BATCHES)) {
        CHECK_INT(1, atomic_load(&none.calls), "an empty batch is answered too");
        CHECK_ERR(KIS_OK, none.err, "and is fine");
    }
    sink_contract_close(c, sink);
}

static inline void sink_contract_flush_ends_in_time(const sink_contract *c)
{
    sink_answer answer = { .calls = 0 };
    kis_sink *sink = c->open(c->user);
    CHECK_ERR(KIS_OK, kis_sink_flush(sink, sink_contract_soon()), "nothing to wait for");
    kis_batch *batch = sink_contract_batch(6, 20);
    kis_sink_push(sink, batch, sink_contract_done_of(&answer));
    uint64_t start = sink_contract_now_ns();
    kis_err err = kis_sink_flush(sink, start); /* that is now */
    CHECK(err == KIS_OK || err == KIS_ERR_TIMEOUT, "done, or not yet");
    CHECK(err == KIS_ERR_TIMEOUT || atomic_load(&answer.calls) == 1, "OK means answered");
    CHECK(sink_contract_now_ns() - start < 5000000000u,
          "a deadline that has passed is not waited for");
    kis_batch_unref(batch);
    sink_contract_close(c, sink);
}

typedef struct sink_contract_pusher {
    kis_sink *sink;
    uint64_t number;
    sink_answer answers[40];
} sink_contract_pusher;

static inline void *sink_contract_push_many(void *user)
{
    sink_contract_pusher *p = user;
    for (uint64_t i = 0; i < 40; i++) {
        kis_batch *batch = test_spans_generate(
            &kis_mem, &(test_spans_spec){ .seed = i,
                                          .first_trace = p->number * 100000 + i * 10 + 1,
                                          .traces = 2,
                                          .spans_per_trace = 3,
                                          .start_unix_ns = 1700000000000000000u });
        kis_sink_push(p->sink, batch, sink_contract_done_of(&p->answers[i]));
        kis_batch_unref(batch);
    }
    return NULL;
}

static inline void sink_contract_takes_pushes_of_two_threads(const sink_contract *c)
{
    static sink_contract_pusher pushers[2];
    pthread_t threads[2];
    kis_sink *sink = c->open(c->user);
    for (uint64_t i = 0; i < 2; i++) {
        memset(&pushers[i], 0, sizeof pushers[i]);
        pushers[i].sink = sink;
        pushers[i].number = 50 + i;
        CHECK_INT(0, pthread_create(&threads[i], NULL, sink_contract_push_many, &pushers[i]),
                  "a thread");
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_ERR(KIS_OK, kis_sink_flush(sink, sink_contract_soon()), "flushed");
    for (int i = 0; i < 80; i++)
        CHECK_INT(1, atomic_load(&pushers[i / 40].answers[i % 40].calls),
                  "each push is answered, and once");
    sink_contract_close(c, sink);
}

static inline void sink_contract_run(const sink_contract *c)
{
    sink_contract_answers_each_push_once(c);
    sink_contract_answers_before_close_returns(c);
    sink_contract_takes_one_batch_twice_and_an_empty_one(c);
    sink_contract_flush_ends_in_time(c);
    if (!(c->cannot & SINK_CANNOT_TAKE_TWO_THREADS))
        sink_contract_takes_pushes_of_two_threads(c);
}

#endif
