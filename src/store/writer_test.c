/* How pushes become groups, on a simulated machine: how large they are, and who is answered when. */
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
    m->f.options = (kis_store_options){ .os = kis_sim_os(m->sim), .alloc = &kis_mem, .dir = KIS_STR("/data"), .head_bytes = head_bytes,
                                        .keep_bytes = (uint64_t)8 << 30 };
    machine_open(m);
}

static void machine_done(machine *m)
{
    kis_store_close(m->f.store);
    kis_sim_free(m->sim);
}

/* ---- holding the writer, so that pushes gather ------------------------------------------------------------------------------- */

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

/* ---- groups --------------------------------------------------------------------------------------------------------------------- */

TEST(a_group_is_entered_in_about_the_time_of_a_sync)
{
    static const struct { const char *why; uint64_t sync_ns, group_bytes; } rows[] = {
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
            push(&m, fixture_batch(100 + many.wanted * 100, 100, 10), (kis_done){ fixture_answered, &many });
            gathered = kis_store_get_stats(m.f.store).pending_bytes;
        }
        uint64_t before = kis_store_get_stats(m.f.store).syncs, wanted = many.wanted;
        gate_open(&g);
        fixture_wait(&many);
        uint64_t groups = kis_store_get_stats(m.f.store).syncs - before, fewest = gathered / rows[i].group_bytes;
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

TEST_MAIN(RUN(a_group_is_entered_in_about_the_time_of_a_sync), RUN(who_is_on_the_disk_is_answered_before_room_is_made_for_the_next))
