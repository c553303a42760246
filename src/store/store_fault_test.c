/* The store on a machine that fails: each call in turn, the power at each write, bits on the disk.
 * What was answered OK must be there. */
#include <string.h>

#include "os/os_sim.h"
#include "store/bounds.h"
#include "store/store_fixture.h"
#include "tests/test.h"

#define PUSHES 10u

static uint64_t step_or(uint64_t fallback) /* every n-th point; `full` runs set 1 */
{
    const char *step = getenv("STORE_FAULT_STEP");
    return step ? strtoull(step, NULL, 10) : fallback;
}

typedef struct life {
    store_fixture f;
    kis_sim *sim;
    bool is_acked[PUSHES + 1]; /* by trace number */
    uint32_t acked;
    uint64_t head_bytes; /* 0: the smallest */
} life;

static void print_point(const char *what, uint64_t nth, uint64_t seed)
{
    if (getenv("STORE_FAULT_LOG"))
        fprintf(stderr, "%s at %llu, seed %llu\n", what, (unsigned long long)nth,
                (unsigned long long)seed);
}

static void show_log(void *user, int level, const char *text)
{
    (void)user;
    if (getenv("STORE_FAULT_LOG"))
        fprintf(stderr, "  log %d: %s\n", level, text);
}

static kis_err life_open(life *l, kis_diag *diag)
{
    l->f.options = (kis_store_options){ .os = kis_sim_os(l->sim),
                                        .alloc = &kis_mem,
                                        .dir = KIS_STR("/data"),
                                        .head_bytes = l->head_bytes ? l->head_bytes : 1,
                                        .keep_bytes = (uint64_t)1 << 32,
                                        .log = show_log };
    return kis_store_open(&l->f.options, &l->f.store, diag);
}

static kis_batch *one_trace(uint64_t trace)
{
    test_spans_spec spec = { .seed = trace,
                             .first_trace = trace,
                             .traces = 1,
                             .spans_per_trace = 60,
                             .start_unix_ns = 1767225600000000000u + trace * 1000000,
                             .trace_step_ns = 1 };
    return test_spans_generate(&kis_mem, &spec);
}

/* Pushes, flushes in the middle. Whatever fails is passed over. */
static void live(life *l, uint32_t pushes)
{
    for (uint64_t trace = 1; trace <= pushes; trace++) {
        if (fixture_push(&l->f, one_trace(trace)) == KIS_OK) {
            l->is_acked[trace] = true;
            l->acked++;
        }
        if (trace % 4 == 0)
            (void)!kis_store_flush(l->f.store, kis_now_ns() + 3000000000u, NULL);
    }
}

static void check_acked(life *l, const char *why)
{
    for (uint64_t trace = 1; trace <= PUSHES; trace++) {
        fixture_answer a = fixture_get(&l->f, trace);
        if (l->is_acked[trace])
            CHECK_INT(60, a.count, why);
        else
            CHECK(a.count == 0 || a.count == 60, "a batch is there whole or not at all");
    }
}

static uint64_t count_calls(unsigned kinds)
{
    life l = { 0 };
    kis_diag diag;
    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 1, &l.sim), "a machine");
    CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
    live(&l, PUSHES);
    kis_store_close(l.f.store);
    uint64_t calls = kis_sim_calls(l.sim, kinds);
    kis_sim_free(l.sim);
    CHECK_INT(PUSHES, l.acked, "without faults everything is stored");
    return calls;
}

/* One life in which the n-th call fails; then the disk is fine again, and so must the store be,
 * without a restart. */
static void live_with_failure(unsigned kinds, uint64_t nth, uint64_t times, kis_err err)
{
    life l = { 0 };
    kis_diag diag = { 0 };

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, nth, &l.sim), "a machine");
    kis_sim_fail_at(l.sim, kinds, nth, times, err);
    kis_err opened = life_open(&l, &diag);
    if (opened) {
        CHECK(diag.text[0] != 0, "a refusal to start says why");
        kis_sim_fail_at(l.sim, kinds, 0, 0, KIS_OK);
        CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
    }
    live(&l, PUSHES);
    kis_sim_fail_at(l.sim, kinds, 0, 0, KIS_OK);
    check_acked(&l, "answered spans are shown after a failing call");
    for (uint64_t trace = 1; trace <= PUSHES; trace++) { /* senders try again */
        kis_err again = KIS_ERR_FULL;
        for (int i = 0; i < 50 && again == KIS_ERR_FULL && !l.is_acked[trace]; i++) {
            again = fixture_push(&l.f, one_trace(trace));
            if (again == KIS_ERR_FULL) { /* until the next try of the flush */
                kis_sim_advance(l.sim, 1000000000);
                usleep(20000);
            }
        }
        l.is_acked[trace] |= again == KIS_OK;
        CHECK(l.is_acked[trace], "recovers without a restart");
    }
    check_acked(&l, "all are there");
    kis_sim_cut_power(l.sim); /* harder than a clean end: only what was synced stays */
    kis_store_close(l.f.store);
    kis_sim_power_on(l.sim);
    CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
    check_acked(&l, "answered spans are there after a failing call and a power cut");
    kis_store_close(l.f.store);
    kis_sim_free(l.sim);
}

TEST(each_failing_call_loses_nothing)
{
    static const struct {
        const char *why;
        unsigned kinds;
        uint64_t times;
        kis_err err;
    } rows[] = {
        { "one write fails", KIS_SIM_WRITE, 1, KIS_ERR_IO },
        { "the disk is full for three writes", KIS_SIM_WRITE | KIS_SIM_PREALLOCATE, 3,
          KIS_ERR_FULL },
        { "one sync fails", KIS_SIM_SYNC, 1, KIS_ERR_IO },
        { "two syncs fail", KIS_SIM_SYNC, 2, KIS_ERR_IO },
        { "names cannot be made", KIS_SIM_CREATE | KIS_SIM_RENAME | KIS_SIM_REMOVE, 1, KIS_ERR_IO },
        { "the folder is not synced", KIS_SIM_SYNC_DIR, 1, KIS_ERR_IO },
        { "reading fails", KIS_SIM_READ | KIS_SIM_OPEN | KIS_SIM_SIZE, 1, KIS_ERR_IO },
        { "anything fails", KIS_SIM_ANY, 2, KIS_ERR_IO },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t calls = count_calls(rows[i].kinds), step = step_or(9);
        for (uint64_t nth = 1; nth <= calls; nth += step)
            print_point(rows[i].why, nth, 0),
                live_with_failure(rows[i].kinds, nth, rows[i].times, rows[i].err);
    }
}

static void live_with_power_cut(uint64_t nth, uint64_t seed)
{
    life l = { 0 };
    kis_diag diag = { 0 };

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, seed, &l.sim), "a machine");
    kis_sim_cut_power_at(l.sim, KIS_SIM_CHANGES, nth);
    if (life_open(&l, &diag) == KIS_OK) {
        for (uint64_t trace = 1; trace <= PUSHES && !kis_sim_is_off(l.sim); trace++) {
            l.is_acked[trace] = fixture_push(&l.f, one_trace(trace)) == KIS_OK;
            if (trace % 4 == 0)
                (void)!kis_store_flush(l.f.store, kis_now_ns() + 3000000000u, NULL);
        }
        kis_store_close(l.f.store);
    }
    if (!kis_sim_is_off(l.sim))
        kis_sim_cut_power(l.sim);
    kis_sim_power_on(l.sim);
    CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
    check_acked(&l, "answered spans are there after a power cut");
    CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(77)), "and the store goes on");
    CHECK_ERR(KIS_OK, kis_store_flush(l.f.store, UINT64_MAX, &diag), diag.text);
    check_acked(&l, "also after a flush");
    kis_store_close(l.f.store);
    kis_sim_free(l.sim);
}

/* What is left in the folder, in any combination, is not taken for somebody else's. */
TEST(a_first_start_that_is_cut_off_anywhere_starts_again)
{
    bool is_cut = true;
    for (uint64_t nth = 1; is_cut; nth++)
        for (uint64_t seed = 1; seed <= 8; seed++) {
            life l = { 0 };
            kis_diag diag = { 0 };
            CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, seed, &l.sim), "a machine");
            kis_sim_cut_power_at(l.sim, KIS_SIM_CHANGES | KIS_SIM_LOCK, nth);
            if (life_open(&l, &diag) == KIS_OK)
                kis_store_close(l.f.store);
            is_cut = kis_sim_is_off(l.sim);
            kis_sim_cut_power_at(l.sim, KIS_SIM_CHANGES | KIS_SIM_LOCK, 0);
            kis_sim_cut_power(l.sim);
            kis_sim_power_on(l.sim);
            CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
            kis_store_close(l.f.store);
            kis_sim_free(l.sim);
        }
}

TEST(a_power_cut_at_each_write_loses_nothing_that_was_answered)
{
    uint64_t calls = count_calls(KIS_SIM_CHANGES), step = step_or(6);
    for (uint64_t nth = 1; nth <= calls + 1; nth += step)
        for (uint64_t seed = 1; seed <= 3; seed++)
            print_point("power cut", nth, seed), live_with_power_cut(nth, nth * 31 + seed);
}

TEST(a_full_disk_is_told_and_got_over)
{
    life l = { 0 };
    kis_diag diag = { 0 };
    fixture_pushes many;

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 5, &l.sim), "a machine");
    kis_sim_set_disk_bytes(l.sim, (uint64_t)64 << 20);
    CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
    live(&l, 3);
    CHECK_INT(3, l.acked, "while there is room");
    kis_sim_set_disk_bytes(l.sim, (uint64_t)6 << 20);
    kis_sim_advance(l.sim, 2000000000);
    fixture_push_many(&l.f, &many, 1);
    fixture_wait(&many);
    CHECK_INT(1, many.full, "the last twentieth is not used");
    CHECK(many.retry_after_ms > 0, "and the sender is told when to come again");
    CHECK(kis_store_get_stats(l.f.store).is_disk_full, "and the page shows it");
    CHECK_INT(1, kis_store_get_stats(l.f.store).refused_disk, "and it is counted");
    check_acked(&l, "what was there is still shown");
    kis_sim_set_disk_bytes(l.sim, (uint64_t)1 << 30);
    kis_sim_advance(l.sim, 2000000000);
    CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(9)), "goes on by itself when there is room");
    CHECK(!kis_store_get_stats(l.f.store).is_disk_full, "and says so");
    kis_store_close(l.f.store);
    kis_sim_free(l.sim);
}

/* The page has it from these: what fails now, and not what once failed. */
TEST(a_store_that_cannot_write_says_so_until_it_can)
{
    static const struct {
        const char *why;
        unsigned kinds;
        kis_err err;
    } rows[] = {
        { "the disk is full", KIS_SIM_WRITE | KIS_SIM_PREALLOCATE, KIS_ERR_FULL },
        { "writes fail", KIS_SIM_WRITE, KIS_ERR_IO },
        { "syncs fail", KIS_SIM_SYNC, KIS_ERR_IO },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        life l = { .head_bytes = (uint64_t)1 << 20 };
        kis_diag diag = { 0 };

        CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 5, &l.sim), "a machine");
        CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
        CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(1)), "stored");
        CHECK(!kis_store_get_stats(l.f.store).is_write_failing, "nothing to say");
        kis_sim_fail_at(l.sim, rows[i].kinds, 1, 1000000, rows[i].err);
        CHECK_ERR(rows[i].err, fixture_push(&l.f, one_trace(2)), rows[i].why);
        kis_store_stats stats = kis_store_get_stats(l.f.store);
        CHECK(stats.is_write_failing && !stats.is_flush_failing, rows[i].why);
        CHECK_ERR(rows[i].err, stats.write_err, "which of them");
        kis_sim_fail_at(l.sim, rows[i].kinds, 0, 0, KIS_OK);
        CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(3)), "stored again");
        CHECK(!kis_store_get_stats(l.f.store).is_write_failing, "nothing to say any more");
        kis_sim_fail_at(l.sim, KIS_SIM_RENAME, 1, 1000000, rows[i].err);
        CHECK_ERR(KIS_ERR_IO, kis_store_flush(l.f.store, UINT64_MAX, &diag), "no names");
        stats = kis_store_get_stats(l.f.store);
        CHECK(!stats.is_write_failing && stats.is_flush_failing, "the flush alone fails");
        kis_sim_fail_at(l.sim, KIS_SIM_RENAME, 0, 0, KIS_OK);
        for (int again = 0; again < 8000 && kis_store_get_stats(l.f.store).is_flush_failing;
             again++)
            usleep(1000);
        CHECK(!kis_store_get_stats(l.f.store).is_flush_failing, "and is got over");
        kis_store_close(l.f.store);
        kis_sim_free(l.sim);
    }
}

typedef struct sim_names {
    char seg[8][64];
    uint32_t seg_count, attempts; /* attempts: log files of generation 1 */
    uint32_t second, set_aside;   /* log files of generation 2, damaged ones that were set aside */
} sim_names;

static void note_sim_name(void *user, kis_str name)
{
    sim_names *n = user;
    if (kis_str_starts(name, KIS_STR("seg-0000000000000001-")) && n->seg_count < 8)
        snprintf(n->seg[n->seg_count++], sizeof n->seg[0], "/data/%.*s", (int)name.len, name.ptr);
    n->attempts += kis_str_starts(name, KIS_STR("log-0000000000000001-"));
    n->second += kis_str_starts(name, KIS_STR("log-0000000000000002-"));
    n->set_aside += kis_str_starts(name, KIS_STR("damaged-"));
}

static sim_names list_sim(life *l)
{
    sim_names names = { 0 };
    kis_os *os = kis_sim_os(l->sim);
    CHECK_ERR(KIS_OK, os->ops->list_dir(os, KIS_STR("/data"), note_sim_name, &names, NULL),
              "the folder");
    return names;
}

static void flip_sim(life *l, const char *path, uint64_t at)
{
    kis_os *os = kis_sim_os(l->sim);
    kis_file file;
    uint8_t byte;

    CHECK_ERR(KIS_OK, os->ops->open(os, kis_str_from_c(path), KIS_OPEN_WRITE, &file, NULL), path);
    CHECK_ERR(KIS_OK, os->ops->read_at(os, file, at, &byte, 1, NULL), "the byte");
    byte ^= 0x20;
    CHECK_ERR(KIS_OK, os->ops->write_at(os, file, at, &byte, 1, NULL), "flipped");
    CHECK_ERR(KIS_OK, os->ops->sync(os, file, NULL), "for good");
    os->ops->close(os, file);
}

/* A rewrite whose file takes its name and whose folder sync then fails: the file is whole, is not
 * used, and must go with its generation. */
TEST(a_log_of_a_failed_rewrite_does_not_outlive_its_generation)
{
    /* flushed from the suspect file, or after one more rewrite */
    for (int with_third = 0; with_third < 2; with_third++) {
        life l = { 0 };
        kis_diag diag = { 0 };

        CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 5, &l.sim), "a machine");
        l.f.options = (kis_store_options){ .os = kis_sim_os(l.sim),
                                           .alloc = &kis_mem,
                                           .dir = KIS_STR("/data"),
                                           .keep_bytes = (uint64_t)1 << 32 };
        CHECK_ERR(KIS_OK, kis_store_open(&l.f.options, &l.f.store, &diag), diag.text);
        CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(1)), "stored");
        kis_sim_fail_at(l.sim, KIS_SIM_SYNC, 1, 2, KIS_ERR_IO);
        CHECK_ERR(KIS_ERR_IO, fixture_push(&l.f, one_trace(2)),
                  "the log and its rewrite fail: the file is suspect");
        kis_sim_fail_at(l.sim, KIS_SIM_SYNC_DIR, 1, 1, KIS_ERR_IO);
        CHECK_ERR(KIS_ERR_IO, fixture_push(&l.f, one_trace(3)),
                  "the rewrite's file is named, and its name not synced");
        CHECK_INT(2, list_sim(&l).attempts, "the suspect file and the one that is not used");
        if (with_third) {
            CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(4)), "the next rewrite does it");
            CHECK_INT(1, list_sim(&l).attempts, "those before it go");
        }
        CHECK_ERR(KIS_OK, kis_store_flush(l.f.store, UINT64_MAX, &diag), diag.text);
        sim_names left = list_sim(&l);
        CHECK_INT(0, left.attempts, "no attempt is left behind the segments");
        CHECK(left.seg_count > 0, "they are there");
        kis_store_close(l.f.store);
        for (uint32_t i = 0; i < left.seg_count; i++) /* as retention does */
            CHECK_ERR(KIS_OK,
                      kis_sim_os(l.sim)->ops->remove(kis_sim_os(l.sim), kis_str_from_c(left.seg[i]),
                                                     NULL),
                      "deleted");
        CHECK_ERR(KIS_OK, kis_store_open(&l.f.options, &l.f.store, &diag), diag.text);
        for (uint64_t trace = 1; trace <= 4; trace++)
            CHECK_INT(0, fixture_get(&l.f, trace).count, "what retention took does not come back");
        kis_store_close(l.f.store);
        kis_sim_free(l.sim);
    }
}

static void take_age_line(void *user, int level, const char *text)
{
    if (strstr(text, "removed by age (kept for 1h): 1 file with 60 spans, received up to 1h1m"))
        *(int *)user = 10 + level;
}

TEST(age_deletes_by_the_time_of_receiving)
{
    life l = { 0 };
    int said = 0;
    kis_diag diag = { 0 };

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 5, &l.sim), "a machine");
    l.f.options = (kis_store_options){ .os = kis_sim_os(l.sim),
                                       .alloc = &kis_mem,
                                       .dir = KIS_STR("/data"),
                                       .keep_ns = 3600000000000,
                                       .keep_bytes = (uint64_t)1 << 32,
                                       .log = take_age_line,
                                       .log_user = &said };
    CHECK_ERR(KIS_OK, kis_store_open(&l.f.options, &l.f.store, &diag), diag.text);
    CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(1)), "pushed");
    CHECK_ERR(KIS_OK, kis_store_flush(l.f.store, UINT64_MAX, &diag), diag.text);
    kis_sim_advance(l.sim, 3500000000000);
    CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(2)), "pushed much later");
    CHECK_ERR(KIS_OK, kis_store_flush(l.f.store, UINT64_MAX, &diag), diag.text);
    CHECK_INT(60, fixture_get(&l.f, 1).count, "not an hour old yet");
    CHECK_INT(2, kis_store_get_stats(l.f.store).segment_count, "two files");
    kis_sim_advance(l.sim, 200000000000);
    for (int i = 0; i < 60000 && kis_store_get_stats(l.f.store).segment_count == 2; i++)
        usleep(1000); /* the flush thread looks four times a second */
    CHECK_INT(1, kis_store_get_stats(l.f.store).segment_count, "an hour has passed for the first");
    CHECK_INT(0, fixture_get(&l.f, 1).count, "gone");
    CHECK_INT(60, fixture_get(&l.f, 2).count, "stays");
    kis_store_close(l.f.store);
    CHECK_INT(11, said, "told as an information");
    kis_sim_free(l.sim);
}

static kis_batch *services_in_one_trace(uint64_t trace, const char *prefix, uint32_t count)
{
    test_spans t;
    char name[32];

    test_spans_begin(&t, &kis_mem);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s-%u", prefix, i);
        test_spans_resource(&t, name);
        test_spans_add(&t, &(test_span){ .trace = trace,
                                         .span = i + 1,
                                         .name = "op",
                                         .start_ns = 1767225600000000000u + i,
                                         .end_ns = 1767225600000000001u + i });
    }
    return test_spans_end(&t);
}

static uint32_t count_traces_of(life *l, const char *service)
{
    kis_filter of_service = { .op = KIS_FILTER_COMPARE,
                              .on = KIS_ON_SERVICE,
                              .compare = KIS_EQ,
                              .value = { .kind = KIS_VALUE_STR, .str = test_text(service) } };
    return fixture_find(&l->f, &of_service, 10).count;
}

/* The list of services is full when one comes that stays, and room is made when another comes. */
TEST(a_service_that_no_list_holds_is_found_while_its_spans_are_kept)
{
    life l = { 0 };
    kis_diag diag = { 0 };
    enum { OLD = KIS_CATALOG_SERVICES_MAX / 4, NEW = KIS_CATALOG_SERVICES_MAX - OLD };

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 5, &l.sim), "a machine");
    l.f.options = (kis_store_options){ .os = kis_sim_os(l.sim),
                                       .alloc = &kis_mem,
                                       .dir = KIS_STR("/data"),
                                       .keep_ns = 3600000000000,
                                       .keep_bytes = (uint64_t)1 << 32 };
    CHECK_ERR(KIS_OK, kis_store_open(&l.f.options, &l.f.store, &diag), diag.text);
    CHECK_ERR(KIS_OK, fixture_push(&l.f, services_in_one_trace(1, "old", OLD)), "pushed");
    CHECK_ERR(KIS_OK, kis_store_flush(l.f.store, UINT64_MAX, &diag), diag.text);
    kis_sim_advance(l.sim, 3500000000000);
    CHECK_ERR(KIS_OK, fixture_push(&l.f, services_in_one_trace(2, "new", NEW)), "pushed");
    CHECK_ERR(KIS_OK, fixture_push(&l.f, services_in_one_trace(3, "lost", 1)), "one too many");
    CHECK_ERR(KIS_OK, kis_store_flush(l.f.store, UINT64_MAX, &diag), diag.text);
    CHECK_INT(1, count_traces_of(&l, "lost-0"), "found though it is not listed");
    kis_sim_advance(l.sim, 200000000000);
    for (int i = 0; i < 60000 && kis_store_get_stats(l.f.store).segment_count == 2; i++)
        usleep(1000); /* the flush thread looks four times a second */
    CHECK_INT(1, kis_store_get_stats(l.f.store).segment_count, "the old ones are gone");
    CHECK_ERR(KIS_OK, fixture_push(&l.f, services_in_one_trace(4, "late", 1)), "makes room");
    CHECK_INT(1, count_traces_of(&l, "late-0"), "found");
    CHECK_INT(1, count_traces_of(&l, "lost-0"), "still found");
    kis_store_close(l.f.store);
    kis_sim_free(l.sim);
}

/* Nothing of the oldest file reads. It goes with what came after it, and until then it counts. */
TEST(a_file_of_which_nothing_reads_goes_when_its_turn_comes)
{
    static const char path[] = "/data/seg-0000000000000001-0000.kseg";
    life l = { 0 };
    kis_diag diag = { 0 };
    kis_os *os;
    kis_file file;
    uint64_t size;

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 5, &l.sim), "a machine");
    os = kis_sim_os(l.sim);
    l.f.options = (kis_store_options){ .os = os,
                                       .alloc = &kis_mem,
                                       .dir = KIS_STR("/data"),
                                       .keep_ns = 3600000000000,
                                       .keep_bytes = (uint64_t)1 << 32 };
    CHECK_ERR(KIS_OK, kis_store_open(&l.f.options, &l.f.store, &diag), diag.text);
    for (uint64_t trace = 1; trace <= 3; trace++) { /* at 0, 1500 and 3000 seconds */
        CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(trace)), "pushed");
        CHECK_ERR(KIS_OK, kis_store_flush(l.f.store, UINT64_MAX, &diag), diag.text);
        kis_sim_advance(l.sim, trace < 3 ? 1500000000000 : 0);
    }
    kis_store_close(l.f.store);
    CHECK_ERR(KIS_OK, os->ops->open(os, kis_str_from_c(path), KIS_OPEN_READ, &file, NULL), path);
    CHECK_ERR(KIS_OK, os->ops->size(os, file, &size, NULL), "its size");
    os->ops->close(os, file);
    flip_sim(&l, path, 20);
    flip_sim(&l, path, size - 10);
    CHECK_ERR(KIS_OK, kis_store_open(&l.f.options, &l.f.store, &diag), diag.text);
    kis_sim_advance(l.sim, 700000000000);
    usleep(600000); /* the flush thread looks four times a second */
    kis_store_stats stats = kis_store_get_stats(l.f.store);
    CHECK(stats.segment_count == 3 && stats.segments_left_out == 1,
          "nobody knows that it is an hour old: the one after it is not");
    CHECK(stats.disk_bytes >= ((uint64_t)4 << 20) + 3 * size / 2, "it counts with its bytes");
    CHECK(fixture_get(&l.f, 3).is_partial, "and may have had more of any trace");
    kis_sim_advance(l.sim, 1500000000000);
    for (int i = 0; i < 3000 && kis_store_get_stats(l.f.store).segment_count > 1; i++)
        usleep(1000);
    stats = kis_store_get_stats(l.f.store);
    CHECK(stats.segment_count == 1 && stats.segments_left_out == 0, "both are gone");
    fixture_answer a = fixture_get(&l.f, 3);
    CHECK(a.count == 60 && !a.is_partial, "what is there is whole");
    CHECK_INT(0, list_sim(&l).seg_count, "the file, too");
    kis_store_close(l.f.store);
    kis_sim_free(l.sim);
}

/* ---- damage on a real disk ------------------------------------------------------------------- */

typedef struct damage_target {
    char path[512];
    const char *suffix;
    off_t size;
} damage_target;

static void pick_file(void *user, const char *path, const char *name)
{
    damage_target *t = user;
    struct stat st;
    if (strstr(name, t->suffix) && stat(path, &st) == 0 && st.st_size > t->size) {
        snprintf(t->path, sizeof t->path, "%s", path);
        t->size = st.st_size;
    }
}

static void flip(const char *path, off_t at, uint8_t bits)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0 && pread(fd, &byte, 1, at) == 1, "reads the byte");
    byte ^= bits;
    CHECK(pwrite(fd, &byte, 1, at) == 1, "writes the byte");
    close(fd);
}

static void count_line(void *user, const char *text)
{
    *(int *)user += strncmp(text, "damaged", 7) == 0;
}

static bool hash_is_known(const uint64_t *known, uint32_t count, uint64_t hash)
{
    for (uint32_t i = 0; i < count; i++)
        if (known[i] == hash)
            return true;
    return false;
}

TEST(a_flipped_bit_anywhere_in_a_segment_is_told_and_the_rest_is_shown)
{
    enum { TRACES = 120 };
    store_fixture f;
    damage_target target = { .suffix = ".kseg" };
    static uint64_t known[TRACES + 1];
    int lines;
    kis_diag diag;

    fixture_open(&f, NULL);
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1, TRACES, 50), "pushed");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    for (uint64_t i = 1; i <= TRACES; i++)
        known[i] = fixture_get(&f, i).hash;
    fixture_close(&f);
    fixture_each_file(f.dir, pick_file, &target);
    CHECK(target.size > 10000, "a segment with several blocks");
    uint64_t points = step_or(3) == 1 ? 2000 : 120, with_whole_traces = 0;
    for (uint64_t i = 0; i <= points; i++) {
        off_t at = (off_t)((uint64_t)(target.size - 1) * i / points);
        flip(target.path, at, (uint8_t)(1u << i % 8));
        lines = 0;
        CHECK_ERR(KIS_ERR_CORRUPT,
                  kis_store_check(f.options.os, &kis_mem, f.options.dir, count_line, &lines, &diag),
                  "check finds each flipped bit");
        CHECK(lines >= 1, "and says where");
        fixture_start(&f);
        uint32_t whole = 0, lost = 0;
        for (uint64_t trace = 1; trace <= TRACES; trace++) {
            fixture_answer a = fixture_get(&f, trace);
            CHECK(a.count == 0 || hash_is_known(known, TRACES + 1, a.hash) || a.is_partial,
                  "never shown wrong");
            whole += a.hash == known[trace];
            lost += a.hash != known[trace];
        }
        fixture_answer all = fixture_find(&f, NULL, 1000);
        CHECK(all.err == KIS_OK, "searching goes on");
        if (lost)
            CHECK(kis_store_get_stats(f.store).damaged_blocks > 0, "counted");
        with_whole_traces += whole > 0;
        fixture_close(&f);
        flip(target.path, at, (uint8_t)(1u << i % 8));
    }
    CHECK(with_whole_traces > points / 2, "most damage takes one block, not all");
    CHECK_ERR(KIS_OK,
              kis_store_check(f.options.os, &kis_mem, f.options.dir, count_line, &lines, &diag),
              "whole again");
    fixture_start(&f);
    fixture_done(&f);
}

TEST(a_flipped_bit_in_a_log_is_refused_or_was_never_answered)
{
    store_fixture f;
    damage_target target = { .suffix = ".wal" };
    kis_diag diag;

    fixture_open(&f, NULL);
    for (uint64_t i = 1; i <= 10; i++)
        CHECK_ERR(KIS_OK, fixture_push_generated(&f, i, 1, 20), "pushed");
    fixture_close(&f);
    fixture_each_file(f.dir, pick_file, &target);
    for (off_t at = 64; at < 60000; at += 997) {
        flip(target.path, at, 0x10);
        uint64_t before = fixture_folder_hash(&f);
        kis_err err = kis_store_open(&f.options, &f.store, &diag);
        if (err) {
            f.store = NULL;
            CHECK_ERR(KIS_ERR_CORRUPT, err,
                      "damage in front of what was synced later is no torn end");
            CHECK(strstr(diag.text, "offset") && strstr(diag.text, "log-"),
                  "names file and offset");
            CHECK(strstr(diag.text, "; kiseki check --data '") &&
                      strstr(diag.text, "' --repair-log keeps what reads of it"),
                  "and what to do");
            CHECK(before == fixture_folder_hash(&f), "and nothing was changed");
            flip(target.path, at, 0x10);
            continue;
        }
        /* only the last record may go like this: nothing behind it says that it had been synced */
        CHECK_INT(20, fixture_get(&f, 9).count, "all but the last");
        CHECK_INT(0, fixture_get(&f, 10).count, "the last");
        fixture_close(&f);
        break;
    }
    fixture_start(&f);
    fixture_done(&f);
}

/* ---- repairing a log ------------------------------------------------------------------------- */

typedef struct repair_lines {
    int count;
    char last[512];
} repair_lines;

static void take_repair_line(void *user, const char *text)
{
    repair_lines *lines = user;
    lines->count++;
    snprintf(lines->last, sizeof lines->last, "%s", text);
}

/* A life whose flush never succeeds: the oldest log has some traces,
 * and a later one says how long it is at least. */
static uint32_t live_into_two_logs(life *l)
{
    kis_diag diag = { 0 };
    uint32_t traces = 0;

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 3, &l->sim), "a machine");
    l->head_bytes = (uint64_t)1 << 20;
    CHECK_ERR(KIS_OK, life_open(l, &diag), diag.text);
    kis_sim_fail_at(l->sim, KIS_SIM_RENAME, 1, 1000000, KIS_ERR_IO);
    for (; list_sim(l).second == 0 && traces < 200; traces++)
        CHECK_ERR(KIS_OK, fixture_push(&l->f, one_trace(traces + 1)), "stored");
    kis_store_close(l->f.store);
    kis_sim_fail_at(l->sim, KIS_SIM_RENAME, 0, 0, KIS_OK);
    CHECK(traces > 4, "several in the first");
    return traces;
}

static uint32_t lost_traces(life *l, uint32_t traces)
{
    uint32_t lost = 0;
    for (uint64_t trace = 1; trace <= traces; trace++) {
        fixture_answer a = fixture_get(&l->f, trace);
        CHECK(a.count == 60 || a.count == 0, "whole or not at all");
        lost += a.count == 0;
    }
    return lost;
}

TEST(a_log_that_stops_the_start_is_repaired_to_all_but_what_does_not_read)
{
    static const struct {
        const char *why;
        uint64_t at[2];
        uint32_t lost_min, lost_max;
    } rows[] = {
        { "a bit of the first record", { 64 + 5 }, 1, 1 },
        { "a bit in the middle of the file", { 50000 }, 1, 1 },
        { "two of them", { 30000, 150000 }, 2, 2 },
        { "the header: its salt is found by the first record", { 9 }, 0, 0 },
        { "the salt itself", { 54 }, 0, 0 },
        { "header and first record: nobody knows what is a record", { 20, 64 + 9 }, 5, 200 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        life l = { 0 };
        kis_diag diag = { 0 };
        repair_lines lines = { 0 };
        uint32_t traces = live_into_two_logs(&l);
        kis_os *os = kis_sim_os(l.sim);

        for (unsigned j = 0; j < 2 && rows[i].at[j]; j++)
            flip_sim(&l, "/data/log-0000000000000001-0000.wal", rows[i].at[j]);
        CHECK_ERR(KIS_ERR_CORRUPT, life_open(&l, &diag), rows[i].why);
        CHECK(strstr(diag.text, "log-0000000000000001-0000.wal") &&
                  strstr(diag.text, "; kiseki check --data '/data' --repair-log keeps"),
              diag.text);
        CHECK_ERR(
            KIS_OK,
            kis_store_repair_log(os, &kis_mem, KIS_STR("/data"), take_repair_line, &lines, &diag),
            diag.text);
        CHECK_INT(1, lines.count, "one file is written anew");
        CHECK(strstr(lines.last, "repaired: log-0000000000000001-0000.wal") &&
                  strstr(lines.last, "damaged-log-0000000000000001-0000.wal"),
              lines.last);
        CHECK_INT(1, list_sim(&l).set_aside, "the damaged one is kept");
        CHECK_ERR(KIS_OK,
                  kis_store_check(os, &kis_mem, KIS_STR("/data"), take_repair_line, &lines, &diag),
                  "sound now");
        lines.count = 0;
        CHECK_ERR(
            KIS_OK,
            kis_store_repair_log(os, &kis_mem, KIS_STR("/data"), take_repair_line, &lines, &diag),
            "again");
        CHECK_INT(0, lines.count, "there is nothing to repair");
        CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
        uint32_t lost = lost_traces(&l, traces);
        CHECK(lost >= rows[i].lost_min && lost <= rows[i].lost_max, rows[i].why);
        CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(1000)), "and it goes on");
        CHECK_ERR(KIS_OK, kis_store_flush(l.f.store, UINT64_MAX, &diag), diag.text);
        CHECK_INT(lost, lost_traces(&l, traces), "the same in segments");
        kis_store_close(l.f.store);
        CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
        CHECK_INT(lost, lost_traces(&l, traces), "and after another start");
        CHECK_INT(1, list_sim(&l).set_aside, "the damaged file is still there");
        kis_store_close(l.f.store);
        kis_sim_free(l.sim);
    }
}

/* A flush that was cut between the renames of its two parts: as long as the log is not read, the
 * first part may be all that is left. */
TEST(a_part_of_an_unfinished_flush_goes_only_when_the_log_was_read)
{
    static const char log[] = "/data/log-0000000000000001-0000.wal";
    life l = { .head_bytes = (uint64_t)1 << 20 };
    kis_diag diag = { 0 };

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 3, &l.sim), "a machine");
    CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
    for (uint64_t trace = 1; trace <= 4; trace++) {
        l.f.tenant = trace % 2 ? KIS_STR_NONE : KIS_STR("b");
        CHECK_ERR(KIS_OK, fixture_push(&l.f, one_trace(trace)), "two tenants, two parts");
    }
    kis_sim_fail_at(l.sim, KIS_SIM_RENAME, 2, 1000000, KIS_ERR_IO);
    CHECK_ERR(KIS_ERR_IO, kis_store_flush(l.f.store, UINT64_MAX, &diag), "the second rename fails");
    kis_store_close(l.f.store);
    kis_sim_fail_at(l.sim, KIS_SIM_RENAME, 0, 0, KIS_OK);
    CHECK_INT(1, list_sim(&l).seg_count, "one part");
    CHECK_INT(1, list_sim(&l).attempts, "and the log");
    for (int times = 0; times < 2; times++) {
        flip_sim(&l, log, 64 + 5);
        CHECK_ERR(KIS_ERR_CORRUPT, life_open(&l, &diag), "the log does not read");
        CHECK(strstr(diag.text, log + sizeof "/data"), diag.text);
        CHECK_INT(1, list_sim(&l).seg_count, "the part is still there");
        flip_sim(&l, log, 64 + 5);
    }
    kis_sim_fail_at(l.sim, KIS_SIM_RENAME, 1, 1000000, KIS_ERR_IO);
    CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
    CHECK_INT(0, list_sim(&l).seg_count, "the log reads: it has it all, and the part goes");
    kis_sim_fail_at(l.sim, KIS_SIM_RENAME, 0, 0, KIS_OK);
    for (uint64_t trace = 1; trace <= 4; trace++) {
        l.f.tenant = trace % 2 ? KIS_STR_NONE : KIS_STR("b");
        CHECK_INT(60, fixture_get(&l.f, trace).count, "once, and whole");
    }
    kis_store_close(l.f.store);
    kis_sim_free(l.sim);
}

/* The power goes at each write of a repair: then it is done, or can be done again. */
TEST(check_counts_a_damaged_log_to_its_damage)
{
    life l = { 0 };
    kis_diag diag = { 0 };
    repair_lines lines = { 0 };

    live_into_two_logs(&l);
    flip_sim(&l, "/data/log-0000000000000001-0000.wal", 50000);
    CHECK_ERR(KIS_ERR_CORRUPT,
              kis_store_check(kis_sim_os(l.sim), &kis_mem, KIS_STR("/data"), take_repair_line,
                              &lines, &diag),
              "damaged");
    CHECK(strstr(lines.last, " spans before the damage; damaged places: 1"), lines.last);
    kis_sim_free(l.sim);
}

TEST(a_repair_that_is_cut_off_loses_nothing_more)
{
    uint64_t nth = 0;

    for (bool was_cut = true; was_cut; nth++) {
        life l = { 0 };
        kis_diag diag = { 0 };
        repair_lines lines = { 0 };
        uint32_t traces = live_into_two_logs(&l);

        flip_sim(&l, "/data/log-0000000000000001-0000.wal", 50000);
        kis_sim_cut_power_at(l.sim, KIS_SIM_CHANGES, nth + 1);
        kis_err err = kis_store_repair_log(kis_sim_os(l.sim), &kis_mem, KIS_STR("/data"),
                                           take_repair_line, &lines, &diag);
        was_cut = kis_sim_is_off(l.sim);
        if (!was_cut)
            CHECK_ERR(KIS_OK, err, diag.text);
        if (!was_cut)
            kis_sim_cut_power(l.sim);
        kis_sim_power_on(l.sim);
        if (life_open(&l, &diag)) {
            CHECK(was_cut, "what was repaired stays so");
            CHECK_ERR(KIS_OK,
                      kis_store_repair_log(kis_sim_os(l.sim), &kis_mem, KIS_STR("/data"),
                                           take_repair_line, &lines, &diag),
                      diag.text);
            CHECK_ERR(KIS_OK, life_open(&l, &diag), diag.text);
        }
        CHECK(lost_traces(&l, traces) <= 1, "what was damaged, and no more");
        kis_store_close(l.f.store);
        kis_sim_free(l.sim);
    }
    CHECK(nth > 4, "there were several");
}

TEST(a_segment_that_vanishes_under_way_is_an_error_and_no_crash)
{
    store_fixture f;
    damage_target target = { .suffix = ".kseg" };

    fixture_open(&f, NULL);
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1, 40, 10), "pushed");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    fixture_each_file(f.dir, pick_file, &target);
    CHECK(truncate(target.path, 3000) == 0, "cut short");
    fixture_answer a = fixture_find(&f, NULL, 100);
    CHECK(a.err == KIS_OK && a.is_partial, "told");
    CHECK(unlink(target.path) == 0, "deleted");
    CHECK_INT(0, fixture_get(&f, 5).count, "not shown");
    CHECK(kis_store_get_stats(f.store).damaged_blocks > 0, "counted");
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 100, 1, 10), "storing goes on");
    fixture_done(&f);
}

TEST_MAIN(RUN(a_log_that_stops_the_start_is_repaired_to_all_but_what_does_not_read),
          RUN(a_repair_that_is_cut_off_loses_nothing_more),
          RUN(a_part_of_an_unfinished_flush_goes_only_when_the_log_was_read),
          RUN(check_counts_a_damaged_log_to_its_damage),
          RUN(a_first_start_that_is_cut_off_anywhere_starts_again),
          RUN(each_failing_call_loses_nothing),
          RUN(a_power_cut_at_each_write_loses_nothing_that_was_answered),
          RUN(a_full_disk_is_told_and_got_over),
          RUN(a_store_that_cannot_write_says_so_until_it_can),
          RUN(a_log_of_a_failed_rewrite_does_not_outlive_its_generation),
          RUN(age_deletes_by_the_time_of_receiving),
          RUN(a_service_that_no_list_holds_is_found_while_its_spans_are_kept),
          RUN(a_file_of_which_nothing_reads_goes_when_its_turn_comes),
          RUN(a_flipped_bit_anywhere_in_a_segment_is_told_and_the_rest_is_shown),
          RUN(a_flipped_bit_in_a_log_is_refused_or_was_never_answered),
          RUN(a_segment_that_vanishes_under_way_is_an_error_and_no_crash))
