/* os_sim_test.c - the contract in memory; then: a cut takes what was not synced, and nothing else.
 */
#include "tests/test.h"

#include "os/os_sim.h"

static kis_sim *contract_sim;

#include "os/os_contract.h"

static kis_os *contract_open(char dir[256])
{
    test_alloc_reset(-1);
    CHECK_ERR(KIS_OK, kis_sim_new(test_alloc, 1, &contract_sim), "made");
    snprintf(dir, 256, "/d");
    kis_os *os = kis_sim_os(contract_sim);
    CHECK_ERR(KIS_OK, os->ops->make_dir(os, KIS_STR("/d"), NULL), "folder");
    return os;
}

static void contract_close(kis_os *os, const char *dir)
{
    (void)os;
    (void)dir;
    kis_sim_free(contract_sim);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

static void contract_limit(uint64_t bytes)
{
    kis_sim_set_disk_bytes(contract_sim, bytes ? bytes : UINT64_MAX);
}

/* A machine with the folder /d, synced. */
static contract begin_with_seed(uint64_t seed)
{
    contract c = { .os = NULL };
    test_alloc_reset(-1);
    CHECK_ERR(KIS_OK, kis_sim_new(test_alloc, seed, &contract_sim), "made");
    c.os = kis_sim_os(contract_sim);
    c.ops = c.os->ops;
    snprintf(c.dir, sizeof(c.dir), "/d");
    CHECK_ERR(KIS_OK, c.ops->make_dir(c.os, KIS_STR("/d"), &c.diag), c.diag.text);
    CHECK_ERR(KIS_OK, c.ops->sync_dir(c.os, KIS_STR("/"), &c.diag), c.diag.text);
    return c;
}

static void sync_it(contract *c, kis_file file)
{
    CHECK_ERR(KIS_OK, c->ops->sync(c->os, file, &c->diag), c->diag.text);
}
static void sync_folder(contract *c)
{
    CHECK_ERR(KIS_OK, c->ops->sync_dir(c->os, kis_str_from_c(c->dir), &c->diag), c->diag.text);
}

static void cut_and_go_on(void)
{
    kis_sim_cut_power(contract_sim);
    CHECK(kis_sim_is_off(contract_sim), "off");
    kis_sim_power_on(contract_sim);
    CHECK(!kis_sim_is_off(contract_sim), "on");
}

#define SEEDS 300

TEST(what_was_synced_survives_every_cut)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        contract c = begin_with_seed(seed);
        kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
        static char bytes[20000];
        memset(bytes, 's', sizeof(bytes));
        CHECK_ERR(KIS_OK, c.ops->write_at(c.os, file, 0, bytes, sizeof(bytes), &c.diag),
                  c.diag.text);
        sync_it(&c, file);
        sync_folder(&c);
        write_it(&c, file, 20000, "behind, not synced");
        cut_and_go_on();
        file = open_it(&c, "f", KIS_OPEN_READ);
        static char got[20000];
        CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 0, got, sizeof(got), &c.diag), c.diag.text);
        CHECK(memcmp(bytes, got, sizeof(got)) == 0, "synced bytes");
        contract_end(&c);
    }
}

/* Each thing that can happen to unsynced bytes does happen, for some seed. */
TEST(what_was_not_synced_is_kept_lost_or_torn)
{
    unsigned kept = 0, lost = 0, mixed_pages = 0, mixed_sectors = 0, half_sectors = 0,
             other_sizes = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        contract c = begin_with_seed(seed);
        static char old[4 * 4096], new[4 * 4096], got[4 * 4096];
        memset(old, 'o', sizeof(old));
        memset(new, 'n', sizeof(new));
        kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
        CHECK_ERR(KIS_OK, c.ops->write_at(c.os, file, 0, old, sizeof(old), &c.diag), c.diag.text);
        sync_it(&c, file);
        sync_folder(&c);
        CHECK_ERR(KIS_OK, c.ops->write_at(c.os, file, 0, new, sizeof(new), &c.diag), c.diag.text);
        write_it(&c, file, 30000, "longer");
        cut_and_go_on();
        file = open_it(&c, "f", KIS_OPEN_READ);
        uint64_t size;
        CHECK_ERR(KIS_OK, c.ops->size(c.os, file, &size, &c.diag), c.diag.text);
        CHECK(size >= sizeof(old) && size <= 30006, "between the two sizes");
        other_sizes += size != sizeof(old) && size != 30006;
        CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 0, got, sizeof(got), &c.diag), c.diag.text);
        bool all_new = memcmp(got, new, sizeof(got)) == 0,
             all_old = memcmp(got, old, sizeof(got)) == 0;
        kept += all_new;
        lost += all_old;
        bool has_mixed_page = false, has_mixed_sector = false;
        for (size_t sector = 0; sector < sizeof(got); sector += 512) {
            for (size_t i = sector; i < sector + 512; i++) {
                CHECK(got[i] == 'o' || got[i] == 'n', "old or new, nothing else");
                has_mixed_sector |= got[i] != got[sector];
                has_mixed_page |= got[i] != got[sector / 4096 * 4096];
            }
        }
        half_sectors += has_mixed_sector;
        mixed_sectors += has_mixed_page;
        mixed_pages += !all_new && !all_old && !has_mixed_page;
        contract_end(&c);
    }
    CHECK(kept > 30 && lost > 30, "all kept, all lost");
    CHECK(mixed_pages > 0 && mixed_sectors > 30 && half_sectors > 10, "in part");
    CHECK(other_sizes > 5, "a size in between");
}

TEST(names_are_lost_until_their_folder_is_synced)
{
    unsigned with = 0, without = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        contract c = begin_with_seed(seed);
        kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
        write_it(&c, file, 0, "synced content");
        sync_it(&c, file); /* the file, but not its name */
        cut_and_go_on();
        kis_err err = c.ops->open(c.os, at(&c, "f"), KIS_OPEN_READ, &file, &c.diag);
        CHECK(err == KIS_OK || err == KIS_ERR_NOT_FOUND, c.diag.text);
        with += err == KIS_OK;
        without += err != KIS_OK;
        if (!err)
            check_content(&c, file, "synced content", 14,
                          "if the name is there, so is what was synced");
        contract_end(&c);
    }
    CHECK(with > 50 && without > 50, "both happen");
}

TEST(a_rename_leaves_the_old_or_the_new_and_once_synced_the_new)
{
    unsigned old = 0, new = 0;
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        bool is_synced = seed % 2 == 1;
        contract c = begin_with_seed(seed);
        kis_file file = open_it(&c, "target", KIS_OPEN_CREATE);
        write_it(&c, file, 0, "old");
        sync_it(&c, file);
        c.ops->close(c.os, file);
        sync_folder(&c);
        file = open_it(&c, "target.tmp", KIS_OPEN_CREATE);
        write_it(&c, file, 0, "new");
        sync_it(&c, file);
        c.ops->close(c.os, file);
        CHECK_ERR(KIS_OK, c.ops->rename(c.os, at(&c, "target.tmp"), at(&c, "target"), &c.diag),
                  c.diag.text);
        if (is_synced)
            sync_folder(&c);
        cut_and_go_on();
        char got[3] = "";
        file = open_it(&c, "target", KIS_OPEN_READ);
        CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 0, got, 3, &c.diag), c.diag.text);
        bool is_new = memcmp(got, "new", 3) == 0;
        CHECK(is_new || (memcmp(got, "old", 3) == 0 && !is_synced), "one of the two, whole");
        new += is_new;
        old += !is_new;
        contract_end(&c);
    }
    CHECK(old > 50 && new > SEEDS + 50, "both happen");
}

TEST(a_removal_that_was_not_synced_may_come_undone)
{
    unsigned back = 0, gone = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        contract c = begin_with_seed(seed);
        kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
        write_it(&c, file, 0, "here");
        sync_it(&c, file);
        c.ops->close(c.os, file);
        sync_folder(&c);
        CHECK_ERR(KIS_OK, c.ops->remove(c.os, at(&c, "f"), &c.diag), c.diag.text);
        cut_and_go_on();
        kis_err err = c.ops->open(c.os, at(&c, "f"), KIS_OPEN_READ, &file, &c.diag);
        if (!err)
            check_content(&c, file, "here", 4, "with its content");
        back += err == KIS_OK;
        gone += err == KIS_ERR_NOT_FOUND;
        contract_end(&c);
    }
    CHECK_INT(SEEDS, back + gone, "nothing else");
    CHECK(back > 50 && gone > 50, "both happen");
}

TEST(after_a_failed_sync_a_later_one_does_not_bring_the_bytes_back)
{
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        contract c = begin_with_seed(seed);
        kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
        write_it(&c, file, 0, "old");
        sync_it(&c, file);
        sync_folder(&c);
        write_it(&c, file, 0, "new");
        kis_sim_fail_at(contract_sim, KIS_SIM_SYNC, 1, 1, KIS_ERR_IO);
        check_words(&c, KIS_ERR_IO, c.ops->sync(c.os, file, &c.diag), "/d/f",
                    "the scripted failure");
        sync_it(&c, file); /* says OK, like Linux */
        check_content(&c, file, "new", 3, "still read");
        cut_and_go_on();
        file = open_it(&c, "f", KIS_OPEN_READ);
        char got[3] = "";
        CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 0, got, 3, &c.diag), c.diag.text);
        lost += memcmp(got, "old", 3) == 0;
        contract_end(&c);
    }
    CHECK(lost > 50 && lost < SEEDS, "gone for some seeds though a sync said OK");
}

TEST(the_script_fails_the_call_it_names)
{
    contract c = begin_with_seed(7);
    kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
    static char bytes[10000];
    kis_sim_fail_at(contract_sim, KIS_SIM_WRITE | KIS_SIM_READ, 3, 2, KIS_ERR_IO);
    write_it(&c, file, 0, "first");
    sync_it(&c, file); /* of another kind: not counted */
    write_it(&c, file, 5, "second");
    CHECK_ERR(KIS_ERR_IO, c.ops->write_at(c.os, file, 11, bytes, sizeof(bytes), &c.diag),
              "the third");
    assert_string_equal("cannot write '/d/f': input or output failed", c.diag.text);
    CHECK_ERR(KIS_ERR_IO, c.ops->read_at(c.os, file, 0, bytes, 1, &c.diag), "and the fourth");
    CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 0, bytes, 1, &c.diag), "not the fifth");
    uint64_t size;
    CHECK_ERR(KIS_OK, c.ops->size(c.os, file, &size, &c.diag), c.diag.text);
    CHECK(size >= 11 && size < 11 + sizeof(bytes), "a failing write may have written a part");
    CHECK_INT(3, kis_sim_calls(contract_sim, KIS_SIM_WRITE), "calls are counted");
    static const unsigned kinds[] = { KIS_SIM_OPEN,     KIS_SIM_CREATE,      KIS_SIM_SIZE,
                                      KIS_SIM_TRUNCATE, KIS_SIM_PREALLOCATE, KIS_SIM_RENAME,
                                      KIS_SIM_REMOVE,   KIS_SIM_MAKE_DIR,    KIS_SIM_SYNC_DIR,
                                      KIS_SIM_LIST_DIR, KIS_SIM_LOCK,        KIS_SIM_DISK_FREE };
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        kis_file other = { 0 };
        uint64_t free_bytes, total;
        kis_sim_fail_at(contract_sim, kinds[i], 1, 1, KIS_ERR_FULL);
        kis_err errs[] = {
            c.ops->open(c.os, at(&c, "f"), KIS_OPEN_READ, &other, NULL),
            c.ops->open(c.os, at(&c, "g"), KIS_OPEN_CREATE_OR_WRITE, &other, NULL),
            c.ops->size(c.os, file, &size, NULL),
            c.ops->truncate(c.os, file, 3, NULL),
            c.ops->preallocate(c.os, file, 30, NULL),
            c.ops->rename(c.os, at(&c, "f"), at(&c, "f"), NULL),
            kinds[i] == KIS_SIM_REMOVE ? c.ops->remove(c.os, at(&c, "f"), NULL) : KIS_OK,
            c.ops->make_dir(c.os, at(&c, "sub"), NULL),
            c.ops->sync_dir(c.os, KIS_STR("/d"), NULL),
            c.ops->list_dir(c.os, KIS_STR("/d"), add_name, &(name_list){ .count = 0 }, NULL),
            c.ops->lock(c.os, at(&c, "LOCK"), &other, NULL),
            c.ops->disk_free(c.os, KIS_STR("/d"), &free_bytes, &total, NULL),
        };
        c.ops->close(c.os, other);
        for (size_t j = 0; j < COUNT_OF(errs); j++)
            CHECK_ERR(i == j ? KIS_ERR_FULL : KIS_OK, errs[j], "only the kind that was named");
    }
    contract_end(&c);
}

TEST(a_cut_at_the_nth_call_ends_everything)
{
    for (uint64_t nth = 1; nth <= 12; nth++) {
        contract c = begin_with_seed(nth);
        kis_sim_cut_power_at(contract_sim, KIS_SIM_CHANGES, nth);
        uint64_t before = kis_sim_calls(contract_sim, KIS_SIM_CHANGES), done = 0;
        kis_file file = { 0 };
        kis_err err = c.ops->open(c.os, at(&c, "log"), KIS_OPEN_CREATE, &file, &c.diag);
        err = err ? err : c.ops->sync_dir(c.os, KIS_STR("/d"), &c.diag);
        while (!err && done < 20) { /* done: what was promised */
            err = c.ops->write_at(c.os, file, done * 8, "12345678", 8, &c.diag);
            err = err ? err : c.ops->sync(c.os, file, &c.diag);
            done += !err;
        }
        CHECK_ERR(KIS_ERR_IO, err, "the power went");
        CHECK(strstr(c.diag.text, "the power is off") != NULL, c.diag.text);
        CHECK_INT(nth, kis_sim_calls(contract_sim, KIS_SIM_CHANGES) - before, "at this call");
        uint64_t size;
        CHECK_ERR(KIS_ERR_IO, c.ops->size(c.os, file, &size, &c.diag), "and stays off");
        kis_sim_power_on(contract_sim);
        CHECK_ERR(KIS_ERR_IO, c.ops->size(c.os, file, &size, &c.diag),
                  "what was open is not open any more");
        c.ops->close(c.os, file);
        if (nth > 2) {
            file = open_it(&c, "log", KIS_OPEN_READ);
            char got[160];
            CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 0, got, done * 8, &c.diag), c.diag.text);
            for (size_t i = 0; i < done * 8; i++)
                CHECK_INT('1' + i % 8, got[i], "each record whose sync said OK");
            c.ops->close(c.os, file);
        }
        contract_end(&c);
    }
}

TEST(locks_are_free_after_a_cut)
{
    contract c = begin_with_seed(3);
    kis_file file;
    CHECK_ERR(KIS_OK, c.ops->lock(c.os, at(&c, "LOCK"), &file, &c.diag), c.diag.text);
    cut_and_go_on();
    CHECK_ERR(KIS_OK, c.ops->lock(c.os, at(&c, "LOCK"), &file, &c.diag), c.diag.text);
    contract_end(&c);
}

TEST(a_small_disk_is_full_and_empties_again)
{
    contract c = begin_with_seed(5);
    static char bytes[100 * 4096];
    uint64_t free_bytes, total, size;
    kis_sim_set_disk_bytes(contract_sim, 64 * 4096);
    kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
    check_words(&c, KIS_ERR_FULL, c.ops->write_at(c.os, file, 0, bytes, sizeof(bytes), &c.diag),
                "/d/f", "too much");
    CHECK_ERR(KIS_OK, c.ops->size(c.os, file, &size, &c.diag), c.diag.text);
    CHECK_INT(64 * 4096, size, "what fitted is there");
    CHECK_ERR(KIS_OK, c.ops->disk_free(c.os, KIS_STR("/d"), &free_bytes, &total, &c.diag),
              c.diag.text);
    CHECK(free_bytes == 0 && total == 64 * 4096, "nothing is free");
    CHECK_ERR(KIS_OK, c.ops->write_at(c.os, file, 0, "over", 4, &c.diag),
              "overwriting needs no room");
    CHECK_ERR(KIS_OK, c.ops->truncate(c.os, file, 10 * 4096, &c.diag), c.diag.text);
    CHECK_ERR(KIS_OK, c.ops->disk_free(c.os, KIS_STR("/d"), &free_bytes, &total, &c.diag),
              c.diag.text);
    CHECK_INT(54 * 4096, free_bytes, "truncating gives room back");
    CHECK_ERR(KIS_ERR_FULL, c.ops->preallocate(c.os, file, 65 * 4096, &c.diag),
              "reserving takes room");
    c.ops->close(c.os, file);
    CHECK_ERR(KIS_OK, c.ops->remove(c.os, at(&c, "f"), &c.diag), c.diag.text);
    sync_folder(&c);
    CHECK_ERR(KIS_OK, c.ops->disk_free(c.os, KIS_STR("/d"), &free_bytes, &total, &c.diag),
              c.diag.text);
    CHECK_INT(64 * 4096, free_bytes, "removing gives all back");
    contract_end(&c);
}

TEST(the_same_seed_gives_the_same_remains)
{
    static char first[30000], again[30000];
    for (int round = 0; round < 2; round++) {
        contract c = begin_with_seed(99);
        kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
        sync_folder(&c);
        static char bytes[30000];
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)(i >> 3);
        CHECK_ERR(KIS_OK, c.ops->preallocate(c.os, file, sizeof(bytes), &c.diag), c.diag.text);
        sync_it(&c, file);
        CHECK_ERR(KIS_OK, c.ops->write_at(c.os, file, 0, bytes, sizeof(bytes), &c.diag),
                  c.diag.text);
        cut_and_go_on();
        file = open_it(&c, "f", KIS_OPEN_READ);
        CHECK_ERR(KIS_OK,
                  c.ops->read_at(c.os, file, 0, round ? again : first, sizeof(first), &c.diag),
                  c.diag.text);
        contract_end(&c);
    }
    CHECK(memcmp(first, again, sizeof(first)) == 0, "replayed");
}

TEST(damage_flips_what_is_stored)
{
    contract c = begin_with_seed(1);
    kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
    write_it(&c, file, 0, "abc");
    sync_it(&c, file);
    CHECK_ERR(KIS_OK, kis_sim_damage(contract_sim, at(&c, "f"), 1, 0x20), "flipped");
    check_content(&c, file, "aBc", 3, "seen");
    CHECK_ERR(KIS_ERR_NOT_FOUND, kis_sim_damage(contract_sim, at(&c, "f"), 3, 1), "behind the end");
    CHECK_ERR(KIS_ERR_NOT_FOUND, kis_sim_damage(contract_sim, at(&c, "g"), 0, 1), "no such file");
    contract_end(&c);
}

TEST(time_passes_as_the_script_says)
{
    contract c = begin_with_seed(1);
    uint64_t start = c.ops->now_ns(c.os), unix_start = c.ops->now_unix_ns(c.os);
    CHECK(c.ops->now_ns(c.os) == start, "it stands");
    kis_sim_advance(contract_sim, 5000);
    CHECK(c.ops->now_ns(c.os) == start + 5000 && c.ops->now_unix_ns(c.os) == unix_start + 5000,
          "both clocks");
    kis_sim_set_latency(contract_sim, 10, 1000);
    kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
    sync_it(&c, file);
    CHECK_INT(start + 5000 + 10 + 1000, c.ops->now_ns(c.os), "calls take their time");
    kis_sim_set_unix_ns(contract_sim, 1700000000000000001u);
    CHECK_INT(1700000000000000001, c.ops->now_unix_ns(c.os), "the wall clock jumps back");
    CHECK_INT(start + 6010, c.ops->now_ns(c.os), "the other one does not");
    contract_end(&c);
}

/* Random operations against a plain model of one file; without a cut the two always agree. */
TEST(random_operations_agree_with_a_plain_model)
{
    static char model[40000], got[40000], bytes[9000];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        contract c = begin_with_seed(seed);
        kis_file file = open_it(&c, "f", KIS_OPEN_CREATE);
        size_t size = 0;
        uint64_t random = seed * 7919;
        memset(model, 0, sizeof(model));
        for (int step = 0; step < 400; step++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t offset = (random >> 20) % 30000, len = (random >> 40) % sizeof(bytes);
            switch (random >> 60) {
            case 0:
                sync_it(&c, file);
                break;
            case 1:
                CHECK_ERR(KIS_OK, c.ops->truncate(c.os, file, offset, &c.diag), c.diag.text);
                memset(model + KIS_MIN(offset, size), 0, sizeof(model) - KIS_MIN(offset, size));
                size = offset;
                break;
            case 2:
                CHECK_ERR(KIS_OK, c.ops->preallocate(c.os, file, offset, &c.diag), c.diag.text);
                size = KIS_MAX(size, offset);
                break;
            default:
                memset(bytes, (int)(random >> 8), len);
                CHECK_ERR(KIS_OK, c.ops->write_at(c.os, file, offset, bytes, len, &c.diag),
                          c.diag.text);
                memcpy(model + offset, bytes, len);
                size = len > 0 ? KIS_MAX(size, offset + len) : size;
            }
            uint64_t got_size;
            CHECK_ERR(KIS_OK, c.ops->size(c.os, file, &got_size, &c.diag), c.diag.text);
            CHECK_INT(size, got_size, "size");
            CHECK_ERR(KIS_OK, c.ops->read_at(c.os, file, 0, got, size, &c.diag), c.diag.text);
            CHECK(memcmp(model, got, size) == 0, "content");
        }
        contract_end(&c);
    }
}

TEST(no_failed_allocation_is_fatal)
{
    for (long n = 0;; n++) {
        kis_sim *sim;
        kis_diag diag;
        test_alloc_reset(n);
        if (kis_sim_new(test_alloc, 1, &sim) == KIS_OK) {
            kis_os *os = kis_sim_os(sim);
            kis_file file = { 0 };
            kis_err err = os->ops->make_dir(os, KIS_STR("/a/b"), &diag);
            err = err ? err : os->ops->open(os, KIS_STR("/a/b/f"), KIS_OPEN_CREATE, &file, &diag);
            err = err ? err : os->ops->write_at(os, file, 0, "x", 1, &diag);
            err = err ? err : os->ops->sync(os, file, &diag);
            err = err ? err : os->ops->rename(os, KIS_STR("/a/b/f"), KIS_STR("/a/b/g"), &diag);
            name_list list = { .count = 0 };
            err = err ? err : os->ops->list_dir(os, KIS_STR("/a/b"), add_name, &list, &diag);
            CHECK(err == KIS_OK || (err == KIS_ERR_NOMEM && test_alloc_failed()), "reported");
            os->ops->close(os, file);
            kis_sim_free(sim);
        }
        bool failed = test_alloc_failed();
        CHECK_INT(0, test_alloc_live(), "no leak");
        if (!failed)
            break;
    }
}

TEST_MAIN(OS_CONTRACT, RUN(what_was_synced_survives_every_cut),
          RUN(what_was_not_synced_is_kept_lost_or_torn),
          RUN(names_are_lost_until_their_folder_is_synced),
          RUN(a_rename_leaves_the_old_or_the_new_and_once_synced_the_new),
          RUN(a_removal_that_was_not_synced_may_come_undone),
          RUN(after_a_failed_sync_a_later_one_does_not_bring_the_bytes_back),
          RUN(the_script_fails_the_call_it_names), RUN(a_cut_at_the_nth_call_ends_everything),
          RUN(locks_are_free_after_a_cut), RUN(a_small_disk_is_full_and_empties_again),
          RUN(the_same_seed_gives_the_same_remains), RUN(damage_flips_what_is_stored),
          RUN(time_passes_as_the_script_says), RUN(random_operations_agree_with_a_plain_model),
          RUN(no_failed_allocation_is_fatal))
