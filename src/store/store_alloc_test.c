/* Every request for memory fails in turn: refused or stored, never a crash, a leak,
 * or something answered and lost. */
#include <string.h>

#include "os/os_sim.h"
#include "store/store_fixture.h"
#include "tests/test.h"

/* The harness's allocator is not for several threads: this one counts under a lock. */
static kis_lock alloc_lock;
static long alloc_left, alloc_live, alloc_taken;
static bool alloc_failed;

static void *counted_take(void *user, size_t size)
{
    (void)user;
    kis_lock_take(&alloc_lock);
    bool fails = alloc_left >= 0 && alloc_left-- == 0;
    alloc_failed |= fails;
    alloc_live += !fails;
    alloc_taken++;
    kis_lock_give(&alloc_lock);
    void *ptr = fails ? NULL : malloc(size ? size : 1);
    return ptr;
}

static void counted_give_back(void *user, void *ptr, size_t size)
{
    (void)user, (void)size;
    kis_lock_take(&alloc_lock);
    alloc_live -= ptr != NULL;
    kis_lock_give(&alloc_lock);
    free(ptr);
}

static const kis_alloc counted_alloc = { counted_take, counted_give_back, NULL };

static kis_batch *one_batch(uint64_t trace)
{
    test_spans_spec spec = { .seed = trace,
                             .first_trace = trace,
                             .traces = 2,
                             .spans_per_trace = 6,
                             .start_unix_ns = 1767225600000000000u,
                             .trace_step_ns = 1 };
    kis_batch *batch = test_spans_generate(&kis_mem, &spec);
    batch->origin.idempotency_key = trace == 1 ? KIS_STR("key") : KIS_STR_NONE;
    return batch;
}

static void run_with_failure(long fail_at, bool *out_failed)
{
    store_fixture f = { 0 };
    kis_sim *sim;
    kis_diag diag = { 0 };
    bool is_acked[4] = { false };

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 1, &sim), "a machine");
    f.options = (kis_store_options){ .os = kis_sim_os(sim),
                                     .alloc = &counted_alloc,
                                     .dir = KIS_STR("/d"),
                                     .head_bytes = 1,
                                     .keep_bytes = 1 << 30 };
    alloc_left = fail_at;
    alloc_failed = false;
    kis_err opened = kis_store_open(&f.options, &f.store, &diag);
    CHECK(opened == KIS_OK || opened == KIS_ERR_NOMEM, "opened or no memory");
    if (!opened) {
        for (uint64_t trace = 1; trace <= 3; trace++) {
            is_acked[trace] = fixture_push(&f, one_batch(trace * 2 - 1)) == KIS_OK;
            kis_err flushed =
                trace == 2 ? kis_store_flush(f.store, kis_now_ns() + 3000000000u, &diag) : KIS_OK;
            CHECK(flushed == KIS_OK || alloc_failed, "only missing memory stops a flush");
            fixture_answer a = fixture_get(&f, trace * 2 - 1);
            CHECK(a.err != KIS_OK || a.is_partial || a.count == 6 || !is_acked[trace],
                  "shown whole or told");
            (void)fixture_find(&f, NULL, 10);
            (void)fixture_summarize(&f, 1);
            (void)fixture_names(&f, false, "");
        }
        kis_store_close(f.store);
    }
    *out_failed = alloc_failed;
    alloc_left = -1;
    CHECK_INT(0, alloc_live, "no leak");
    CHECK_ERR(KIS_OK, kis_store_open(&f.options, &f.store, &diag), "starts with memory");
    for (uint64_t trace = 1; trace <= 3; trace++)
        if (is_acked[trace])
            CHECK_INT(6, fixture_get(&f, trace * 2 - 1).count, "what was answered is there");
    kis_store_close(f.store);
    CHECK_INT(0, alloc_live, "no leak");
    kis_sim_free(sim);
}

TEST(each_missing_piece_of_memory_is_survived)
{
    const char *step_text = getenv("STORE_FAULT_STEP");
    long step = step_text ? atol(step_text) : 2, fail_at = 0;
    bool failed = true;

    kis_lock_init(&alloc_lock, KIS_RANK_MEM);
    for (; failed; fail_at += step)
        run_with_failure(fail_at, &failed);
    CHECK(fail_at > 60, "there were many");
    kis_lock_done(&alloc_lock);
}

/* A full list is brought in order, and its map built anew, for what came in; not for each place
 * that is looked at. Seen by the map's memory. */
TEST(a_full_list_is_not_sorted_for_places_that_change_nothing)
{
    enum { BATCHES = 180, TRACES = 1000, CHUNKS = BATCHES * TRACES / 4096 };
    store_fixture f = { 0 };
    kis_diag diag = { 0 };
    long taken;

    kis_lock_init(&alloc_lock, KIS_RANK_MEM);
    alloc_left = -1;
    CHECK_ERR(
        KIS_OK,
        kis_store_open_memory(&counted_alloc, kis_os_real(), (uint64_t)512 << 20, &f.store, &diag),
        diag.text);
    for (uint64_t i = 0; i < BATCHES; i++) { /* all start at once: time rules no place out */
        test_spans_spec spec = { .seed = 7,
                                 .first_trace = 1 + i * TRACES,
                                 .traces = TRACES,
                                 .spans_per_trace = 1,
                                 .start_unix_ns = 1767225600000000000u };
        CHECK_ERR(KIS_OK, fixture_push(&f, test_spans_generate(&kis_mem, &spec)), "pushed");
    }
    taken = alloc_taken;
    CHECK_INT(1, fixture_find(&f, NULL, 1).count, "the largest id");
    taken = alloc_taken - taken;
    if (getenv("STORE_FIND_LOG"))
        fprintf(stderr, "%ld takes for %d places\n", taken, CHUNKS);
    CHECK(taken < CHUNKS * 2 / 3, "a few improvements, not one a place");
    kis_store_close(f.store);
    CHECK_INT(0, alloc_live, "no leak");
    kis_lock_done(&alloc_lock);
}

TEST_MAIN(RUN(each_missing_piece_of_memory_is_survived),
          RUN(a_full_list_is_not_sorted_for_places_that_change_nothing))
