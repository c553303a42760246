/* Writers, flushes, readers and retention at once; and a process that is killed in the middle.
 * Worth running under ThreadSanitizer. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "store/store_fixture.h"
#include "tests/test.h"

#define WRITERS 3u
#define READERS 2u
#define BATCHES 60u

typedef struct crew {
    store_fixture *f;
    uint64_t first_trace;
    _Atomic uint64_t *newest; /* highest trace number of this writer that was answered */
    _Atomic bool *is_done;
    uint64_t failures, asked;
} crew;

static void write_some(void *user)
{
    crew *c = user;
    store_fixture own = *c->f;
    for (uint64_t i = 0; i < BATCHES; i++) {
        uint64_t trace = c->first_trace + i * 5;
        c->failures += fixture_push_generated(&own, trace, 5, 8) != KIS_OK;
        atomic_store(c->newest, trace + 4);
    }
}

static void read_some(void *user)
{
    crew *c = user;
    while (!atomic_load(c->is_done)) {
        uint64_t newest = atomic_load(c->newest);
        for (uint64_t trace = c->first_trace; trace <= newest; trace += 1 + newest / 16) {
            c->failures += fixture_get(c->f, trace).count != 8;
            c->asked++;
        }
        c->failures += fixture_find(c->f, NULL, 20).err != KIS_OK;
        c->failures += fixture_names(c->f, false, "") < 0;
        (void)kis_store_get_stats(c->f->store);
    }
}

TEST(readers_see_everything_that_was_answered_while_heads_are_flushed)
{
    store_fixture f;
    kis_store_options small = { .head_bytes = 1 };
    crew writers[WRITERS], readers[READERS];
    kis_thread threads[WRITERS + READERS] = { 0 };
    _Atomic uint64_t newest[WRITERS] = { 0 };
    _Atomic bool is_done = false;

    fixture_open(&f, &small);
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] = (crew){ &f, 1 + i * 100000, &newest[i], &is_done, 0, 0 };
        CHECK_ERR(KIS_OK, kis_thread_start(&threads[i], "writer", write_some, &writers[i], NULL),
                  "a thread");
    }
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i] = (crew){ &f, 1 + i * 100000, &newest[i], &is_done, 0, 0 };
        CHECK_ERR(KIS_OK,
                  kis_thread_start(&threads[WRITERS + i], "reader", read_some, &readers[i], NULL),
                  "a thread");
    }
    for (uint32_t i = 0; i < WRITERS; i++)
        kis_thread_join(&threads[i]);
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    atomic_store(&is_done, true);
    for (uint32_t i = 0; i < READERS; i++)
        kis_thread_join(&threads[WRITERS + i]);
    for (uint32_t i = 0; i < WRITERS; i++)
        CHECK_INT(0, writers[i].failures, "every batch was stored");
    for (uint32_t i = 0; i < READERS; i++) {
        CHECK_INT(0, readers[i].failures, "every answered trace was shown whole");
        CHECK(readers[i].asked > 0, "and was asked for");
    }
    CHECK(kis_store_get_stats(f.store).flushes >= 2, "there were flushes meanwhile");
    fixture_done(&f);
}

TEST(readers_are_not_disturbed_by_deletion)
{
    store_fixture f;
    kis_store_options small = { .head_bytes = 1, .keep_bytes = 13 << 20 };
    crew writer, reader;
    kis_thread threads[2] = { 0 };
    _Atomic uint64_t newest = 0, none = 0;
    _Atomic bool is_done = false;

    fixture_open(&f, &small);
    writer = (crew){ &f, 1, &newest, &is_done, 0, 0 };
    reader = (crew){ &f, 1, &none, &is_done, 0, 0 };
    CHECK_ERR(KIS_OK, kis_thread_start(&threads[0], "reader", read_some, &reader, NULL),
              "a thread");
    CHECK_ERR(KIS_OK, kis_thread_start(&threads[1], "writer", write_some, &writer, NULL),
              "a thread");
    kis_thread_join(&threads[1]);
    for (uint64_t i = 0; i < 60; i++)
        CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1000 + i * 100, 100, 20), "pushed");
    atomic_store(&is_done, true);
    kis_thread_join(&threads[0]);
    CHECK_INT(0, reader.failures, "no search failed");
    CHECK_INT(0, kis_store_get_stats(f.store).damaged_blocks, "none met a file that was gone");
    fixture_done(&f);
}

/* ---- kill -9 --------------------------------------------------------------------------------- */

/* The child stores traces 1, 2, 3, … and writes each number to the pipe after its answer. */
static void child_stores(store_fixture *f, int pipe_end, uint64_t first)
{
    fixture_start(f);
    for (uint64_t trace = first;; trace++) {
        if (fixture_push_generated(f, trace, 1, 30) != KIS_OK)
            _exit(1);
        if (write(pipe_end, &trace, sizeof trace) != sizeof trace)
            _exit(1);
    }
}

TEST(what_was_answered_survives_kill_9)
{
    const char *rounds_text = getenv("STORE_KILL_ROUNDS");
    unsigned rounds = rounds_text ? (unsigned)atoi(rounds_text) : 10;
    store_fixture f;
    kis_store_options small = { .head_bytes = 1 };
    static bool is_answered[100000];
    uint64_t last = 0, random = 42;

    fixture_open(&f, &small);
    fixture_close(&f); /* no thread of ours may be alive when the process forks */
    for (unsigned round = 0; round < rounds; round++) {
        int ends[2];
        CHECK(pipe(ends) == 0, "a pipe");
        pid_t child = fork();
        if (child == 0)
            child_stores(&f, ends[1], last + 1);
        close(ends[1]);
        uint64_t wanted = 20 + test_random(&random) % 200, seen = 0, trace;
        while (seen < wanted && read(ends[0], &trace, sizeof trace) == sizeof trace) {
            is_answered[last = trace] = true;
            seen++;
        }
        kill(child, SIGKILL);
        while (read(ends[0], &trace, sizeof trace) == sizeof trace)
            is_answered[last = trace] = true; /* answered before the end */
        close(ends[0]);
        waitpid(child, NULL, 0);
        CHECK_INT(wanted, seen, "the child stored until it was killed");
        clock_t began = clock();
        fixture_start(&f);
        CHECK(clock() - began < 2 * CLOCKS_PER_SEC, "starts with two seconds of processor at most");
        for (uint64_t i = 1; i <= last; i++)
            if (is_answered[i])
                CHECK_INT(30, fixture_get(&f, i).count, "an answered trace");
        fixture_close(&f);
        last++; /* one more may be there without its answer; its number is not used again */
    }
    fixture_start(&f);
    fixture_done(&f);
}

TEST_MAIN(RUN(what_was_answered_survives_kill_9),
          RUN(readers_see_everything_that_was_answered_while_heads_are_flushed),
          RUN(readers_are_not_disturbed_by_deletion))
