/* How pushes become groups, on a simulated machine: how large they are, who is answered when,
 * and the log that is made ahead. */
#include <string.h>

#include "os/os_sim.h"
#include "store/bounds.h"
#include "store/store_fixture.h"
#include "tests/test.h"

typedef struct machine {
    store_fixture f;
    kis_sim *sim;
} machine;

static void machine_open(machine *m)
{
    kis_diag diag = { 0 };
    CHECK_ERR(KIS_OK, kis_store_open(&m->f.options, &m->f.store, &diag), diag.text);
}

static void machine_start(machine *m, uint64_t head_bytes)
{
    *m = (machine){ 0 };
    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 1, &m->sim), "a machine");
    m->f.options = (kis_store_options){ .os = kis_sim_os(m->sim),
                                        .alloc = &kis_mem,
                                        .dir = KIS_STR("/data"),
                                        .head_bytes = head_bytes,
                                        .keep_bytes = (uint64_t)8 << 30 };
    machine_open(m);
}

static void machine_done(machine *m)
{
    kis_store_close(m->f.store);
    kis_sim_free(m->sim);
}

/* ---- holding the writer, so that pushes gather ----------------------------------------------- */

typedef struct gate { /* the writer stands in the `done` of one push until the gate opens */
    kis_lock lock;
    kis_cond changed;
    bool is_held, is_open;
} gate;

static void stand_at_gate(void *user, const kis_sink_result *result)
{
    gate *g = user;
    (void)result;
    kis_lock_take(&g->lock);
    g->is_held = true;
    kis_cond_broadcast(&g->changed);
    while (!g->is_open)
        kis_cond_wait(&g->changed, &g->lock);
    kis_lock_give(&g->lock);
}

static void push(machine *m, kis_batch *batch, kis_done done)
{
    kis_sink_push(kis_store_sink(m->f.store), batch, done);
    kis_batch_unref(batch);
}

static void gate_hold(gate *g, machine *m, uint64_t trace)
{
    *g = (gate){ 0 };
    kis_lock_init(&g->lock, KIS_RANK_LOG);
    kis_cond_init(&g->changed);
    push(m, fixture_batch(trace, 1, 1), (kis_done){ stand_at_gate, g });
    kis_lock_take(&g->lock);
    while (!g->is_held)
        kis_cond_wait(&g->changed, &g->lock);
    kis_lock_give(&g->lock);
}

static void gate_open(gate *g)
{
    kis_lock_take(&g->lock);
    g->is_open = true;
    kis_cond_broadcast(&g->changed);
    kis_lock_give(&g->lock);
}

static void gate_done(gate *g)
{
    kis_cond_done(&g->changed);
    kis_lock_done(&g->lock);
}

/* ---- groups ---------------------------------------------------------------------------------- */

TEST(a_group_is_entered_in_about_the_time_of_a_sync)
{
    static const struct {
        const char *why;
        uint64_t sync_ns, group_bytes;
    } rows[] = {
        { "a quick disk: small groups, so that answers flow", 100000, KIS_GROUP_BYTES_MIN },
        { "in between", 8000000, 8000000 * KIS_GROUP_BYTES_A_NS },
        { "a slow disk: large ones, so that the rate stays", 300000000, KIS_GROUP_BYTES_MAX },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        machine m;
        gate g;
        fixture_pushes many;

        machine_start(&m, KIS_HEAD_BYTES_MAX);
        kis_sim_set_latency(m.sim, 0, rows[i].sync_ns);
        for (uint64_t trace = 1; trace <= 20; trace++) /* it gets to know the disk */
            CHECK_ERR(KIS_OK, fixture_push_generated(&m.f, trace, 1, 1), "pushed");
        gate_hold(&g, &m, 21);
        fixture_pushes_init(&many, 0);
        uint64_t gathered = 0;
        for (; gathered < (uint64_t)40 << 20; many.wanted++) {
            push(&m, fixture_batch(100 + many.wanted * 100, 100, 10),
                 (kis_done){ fixture_answered, &many });
            gathered = kis_store_get_stats(m.f.store).pending_bytes;
        }
        uint64_t before = kis_store_get_stats(m.f.store).syncs, wanted = many.wanted;
        gate_open(&g);
        fixture_wait(&many);
        uint64_t groups = kis_store_get_stats(m.f.store).syncs - before,
                 fewest = gathered / rows[i].group_bytes;
        CHECK_INT(wanted, many.ok, "all are stored");
        CHECK(groups >= fewest && groups <= fewest + fewest / 4 + 2, rows[i].why);
        gate_done(&g);
        machine_done(&m);
    }
}

typedef struct ordered_answer {
    machine *m;
    fixture_pushes *all;
    uint64_t syncs; /* that there had been when it came */
} ordered_answer;

static void note_answer(void *user, const kis_sink_result *result)
{
    ordered_answer *a = user;
    a->syncs = kis_store_get_stats(a->m->f.store).syncs;
    fixture_answered(a->all, result);
}

TEST(who_is_on_the_disk_is_answered_before_room_is_made_for_the_next)
{
    machine m;
    gate g;
    fixture_pushes all;
    ordered_answer answers[12];

    machine_start(&m, 1);
    fixture_pushes_init(&all, COUNT_OF(answers));
    gate_hold(&g, &m, 1);
    for (uint32_t i = 0; i < COUNT_OF(answers); i++) { /* together more than a head holds */
        answers[i] = (ordered_answer){ &m, &all, 0 };
        push(&m, fixture_batch(10 + i * 10, 10, 20), (kis_done){ note_answer, &answers[i] });
    }
    uint64_t before = kis_store_get_stats(m.f.store).syncs;
    gate_open(&g);
    fixture_wait(&all);
    CHECK_INT(COUNT_OF(answers), all.ok, "all are stored");
    CHECK_INT(before + 1, answers[0].syncs, "the first part is answered by its own sync");
    CHECK(answers[COUNT_OF(answers) - 1].syncs > before + 1, "there was a second part");
    CHECK_ERR(KIS_OK, kis_store_flush(m.f.store, UINT64_MAX, NULL), "flushed");
    for (uint32_t i = 0; i < COUNT_OF(answers); i++)
        CHECK_INT(20, fixture_get(&m.f, 10 + i * 10).count, "and found");
    gate_done(&g);
    machine_done(&m);
}

/* ---- keys of a group ------------------------------------------------------------------------- */

enum { KEYED = 40 };

static void push_keyed(machine *m, fixture_pushes *all)
{
    static char keys[KEYED][16]; /* borrowed by the batches */

    fixture_pushes_init(all, KEYED);
    for (uint32_t i = 0; i < KEYED; i++) {
        kis_batch *batch = fixture_batch(100 + i, 1, 1);
        snprintf(keys[i], sizeof keys[i], "key-%u", i);
        batch->origin.idempotency_key = kis_str_from_c(keys[i]);
        push(m, batch, (kis_done){ fixture_answered, all });
    }
}

static void push_keyed_as_one_group(machine *m, fixture_pushes *all)
{
    gate g;

    gate_hold(&g, m, 1);
    push_keyed(m, all);
    gate_open(&g);
    fixture_wait(all);
    gate_done(&g);
}

static void check_all_are_known(machine *m, const char *why)
{
    fixture_pushes again;
    uint64_t before = kis_store_get_stats(m->f.store).batches_repeated;

    push_keyed(m, &again);
    fixture_wait(&again);
    CHECK_INT(KEYED, again.ok, why);
    CHECK_INT(before + KEYED, kis_store_get_stats(m->f.store).batches_repeated, why);
}

TEST(all_keys_of_one_group_are_remembered)
{
    static const struct {
        const char *why;
        uint32_t known;
    } rows[] = {
        { "the first keys of a store", 0 },
        { "where the room for keys has to grow", 1020 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        machine m;
        fixture_pushes all;
        char key[24];

        machine_start(&m, KIS_HEAD_BYTES_MAX);
        for (uint32_t k = 0; k < rows[i].known; k++) {
            snprintf(key, sizeof key, "before-%u", k);
            CHECK_ERR(KIS_OK, fixture_push_key(&m.f, 1000 + k, key), rows[i].why);
        }
        push_keyed_as_one_group(&m, &all);
        CHECK_INT(KEYED, all.ok, rows[i].why);
        CHECK_INT(rows[i].known + 1 + KEYED, kis_store_get_stats(m.f.store).batches_stored,
                  rows[i].why);
        check_all_are_known(&m, "in memory");
        kis_store_close(m.f.store);
        machine_open(&m);
        check_all_are_known(&m, "from the log");
        CHECK_ERR(KIS_OK, kis_store_flush(m.f.store, UINT64_MAX, NULL), "flushed");
        kis_store_close(m.f.store);
        machine_open(&m);
        check_all_are_known(&m, "from the segment");
        machine_done(&m);
    }
}

TEST(a_group_that_fails_leaves_no_key)
{
    machine m;
    gate g;
    fixture_pushes all;

    machine_start(&m, KIS_HEAD_BYTES_MAX);
    CHECK_ERR(KIS_OK, fixture_push_key(&m.f, 50, "before"), "stored");
    gate_hold(&g, &m, 1);
    push_keyed(&m, &all);
    kis_sim_fail_at(m.sim, KIS_SIM_WRITE, 1, 1000000, KIS_ERR_IO);
    gate_open(&g);
    fixture_wait(&all);
    gate_done(&g);
    CHECK_INT(KEYED, all.other, "none is stored");
    kis_sim_fail_at(m.sim, KIS_SIM_WRITE, 0, 0, KIS_OK);
    CHECK_ERR(KIS_OK, fixture_push_key(&m.f, 51, "after"), "the disk is well again");
    CHECK_ERR(KIS_OK, kis_store_flush(m.f.store, UINT64_MAX, NULL), "flushed");
    kis_store_close(m.f.store);
    machine_open(&m); /* it knows what the segment says */
    push_keyed(&m, &all);
    fixture_wait(&all);
    CHECK_INT(KEYED, all.ok, "sent again, and stored");
    CHECK_INT(KEYED, kis_store_get_stats(m.f.store).batches_stored, "all of them");
    CHECK_INT(0, kis_store_get_stats(m.f.store).batches_repeated,
              "no key of a lost batch is known");
    CHECK_ERR(KIS_OK, fixture_push_key(&m.f, 50, "before"), "of a batch before it");
    CHECK_ERR(KIS_OK, fixture_push_key(&m.f, 51, "after"), "and after it");
    CHECK_INT(2, kis_store_get_stats(m.f.store).batches_repeated, "both are known");
    machine_done(&m);
}

/* ---- the log that is made ahead -------------------------------------------------------------- */

typedef struct log_names {
    uint32_t first, second;
} log_names;

static void note_log(void *user, kis_str name)
{
    log_names *names = user;
    names->first += kis_str_starts(name, KIS_STR("log-0000000000000001-"));
    names->second += kis_str_starts(name, KIS_STR("log-0000000000000002-"));
}

static log_names list_logs(machine *m)
{
    log_names names = { 0 };
    kis_os *os = kis_sim_os(m->sim);
    CHECK_ERR(KIS_OK, os->ops->list_dir(os, KIS_STR("/data"), note_log, &names, NULL),
              "the folder");
    return names;
}

/* Pushes until the head of 1 MiB is half full and waits for the second log;
 * the traces are 1 to what it answers. */
static uint64_t fill_until_next_log(machine *m)
{
    uint64_t trace = 0;
    while (kis_store_get_stats(m->f.store).head_bytes < (uint64_t)512 << 10)
        CHECK_ERR(KIS_OK, fixture_push_generated(&m->f, ++trace, 1, 200), "pushed");
    for (int i = 0; i < 5000 && !list_logs(m).second; i++)
        usleep(2000);
    CHECK_INT(1, list_logs(m).second, "made when the head is half full");
    usleep(20000); /* its name is synced after it appears */
    return trace;
}

TEST(a_head_begins_with_the_log_that_was_made_ahead)
{
    machine m;
    machine_start(&m, 1 << 20);
    CHECK_INT(0, list_logs(&m).second, "not before it is needed");
    uint64_t traces = fill_until_next_log(&m);
    kis_sim_fail_at(m.sim, KIS_SIM_CREATE, 1, 1000000, KIS_ERR_IO);
    /* of the first head: it is frozen */
    for (; kis_store_get_stats(m.f.store).flush_failures == 0 && traces < 200; usleep(2000))
        CHECK_ERR(KIS_OK, fixture_push_generated(&m.f, ++traces, 1, 200),
                  "no file has to be made for it");
    CHECK(traces < 200, "the head was full");
    kis_sim_fail_at(m.sim, KIS_SIM_CREATE, 0, 0, KIS_OK);
    kis_sim_cut_power(m.sim);
    kis_store_close(m.f.store);
    kis_sim_power_on(m.sim);
    machine_open(&m);
    for (uint64_t trace = 1; trace <= traces; trace++)
        CHECK_INT(200, fixture_get(&m.f, trace).count, "all that was answered is in the two logs");
    machine_done(&m);
}

TEST(a_log_made_ahead_and_not_used_leaves_nothing)
{
    for (int with_power_cut = 0; with_power_cut < 2; with_power_cut++) {
        machine m;
        machine_start(&m, 1 << 20);
        uint64_t traces = fill_until_next_log(&m);
        if (with_power_cut)
            kis_sim_cut_power(m.sim);
        kis_store_close(m.f.store);
        kis_sim_power_on(m.sim);
        if (!with_power_cut)
            CHECK_INT(0, list_logs(&m).second, "gone when the store is closed");
        machine_open(&m);
        CHECK_INT(1, list_logs(&m).first, "the log of the head");
        CHECK_INT(0, kis_store_get_stats(m.f.store).damaged_blocks, "nothing is damaged");
        for (uint64_t trace = 1; trace <= traces; trace++)
            CHECK_INT(200, fixture_get(&m.f, trace).count, "its spans");
        kis_store_stats stats = kis_store_get_stats(m.f.store);
        CHECK_INT(traces * 200, stats.head_spans, "it is filled further");
        CHECK_ERR(KIS_OK, kis_store_flush(m.f.store, UINT64_MAX, NULL), "and flushed");
        CHECK_INT(traces * 200, kis_store_get_stats(m.f.store).segment_spans, "once");
        machine_done(&m);
    }
}

TEST_MAIN(RUN(a_group_is_entered_in_about_the_time_of_a_sync),
          RUN(who_is_on_the_disk_is_answered_before_room_is_made_for_the_next),
          RUN(all_keys_of_one_group_are_remembered), RUN(a_group_that_fails_leaves_no_key),
          RUN(a_head_begins_with_the_log_that_was_made_ahead),
          RUN(a_log_made_ahead_and_not_used_leaves_nothing))
