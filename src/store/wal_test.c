/* Log files as bytes: torn ends, damage, versions, names. */
#include <string.h>
#include <time.h>

#include "base/crc.h"
#include "os/mem.h"
#include "os/os_sim.h"
#include "store/wal.h"
#include "tests/test.h"

#define RECORDS 6u
#define SALT    0x5a17c0deu

typedef struct log_file {
    uint8_t bytes[4096];
    size_t len, starts[RECORDS + 1];
} log_file;

/* Written through the real functions on a simulated disk, read back as bytes. */
static void make_log(log_file *log)
{
    kis_sim *sim;
    kis_wal wal;
    kis_wal_header header = { .generation = 42,
                              .previous_generation = 41,
                              .previous_length = 1000,
                              .created_unix_ns = 5,
                              .salt = SALT };
    uint8_t record[KIS_WAL_RECORD_HEADER_BYTES + 100];

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 1, &sim), "a machine");
    kis_os *os = kis_sim_os(sim);
    CHECK_ERR(KIS_OK, os->ops->make_dir(os, KIS_STR("/d"), NULL), "a folder");
    CHECK_ERR(KIS_OK, kis_wal_create(&wal, os, KIS_STR("/d"), &header, NULL), "a log");
    for (uint32_t i = 0; i < RECORDS; i++) {
        log->starts[i] = (size_t)wal.written;
        memset(record, 'a' + i, sizeof record);
        kis_wal_seal_record(record, 50 + i, i + 1, wal.synced, SALT);
        CHECK_ERR(KIS_OK, kis_wal_write(&wal, record, KIS_WAL_RECORD_HEADER_BYTES + 50 + i, NULL),
                  "written");
        CHECK_ERR(KIS_OK, kis_wal_sync(&wal, NULL), "synced");
    }
    log->len = log->starts[RECORDS] = (size_t)wal.synced;
    CHECK_ERR(KIS_OK, os->ops->read_at(os, wal.file, 0, log->bytes, sizeof log->bytes, NULL),
              "read");
    kis_wal_close(&wal);
    kis_sim_free(sim);
}

static kis_err count_record(void *user, kis_bytes body, uint64_t offset, kis_diag *diag)
{
    (void)offset, (void)diag;
    uint32_t *count = user;
    for (size_t i = 0; i < body.len; i++)
        CHECK_INT('a' + *count, body.ptr[i], "the record's own bytes");
    ++*count;
    return KIS_OK;
}

static kis_err read_log(const log_file *log, size_t len, uint64_t known, uint32_t *records,
                        kis_wal_scan *scan, kis_diag *diag)
{
    uint8_t *copy = malloc(len + 1); /* so that the sanitizer sees its end */
    memcpy(copy, log->bytes, len);
    *records = 0;
    kis_err err = kis_wal_read(kis_bytes_of(copy, len), known, count_record, records, scan, diag);
    free(copy);
    return err;
}

TEST(a_file_cut_anywhere_reads_to_its_last_whole_record)
{
    log_file log;
    kis_wal_scan scan;
    uint32_t records, whole = 0;

    make_log(&log);
    for (size_t len = KIS_WAL_HEADER_BYTES; len <= log.len; len++) {
        whole += len == log.starts[whole + 1];
        CHECK_ERR(KIS_OK, read_log(&log, len, 0, &records, &scan, NULL), "a torn end is no error");
        CHECK_INT(whole, records, "whole records");
        CHECK_INT(log.starts[whole], scan.good_length, "up to here");
        CHECK_INT(len - log.starts[whole], scan.cut_bytes, "and the rest is counted");
    }
    CHECK_ERR(KIS_OK, read_log(&log, sizeof log.bytes, 0, &records, &scan, NULL),
              "reserved zeros behind it are a clean end");
    CHECK_INT(0, scan.cut_bytes, "nothing is cut");
    CHECK_INT(42, scan.header.generation, "the header");
}

TEST(wal_reports_damage_in_an_older_file)
{
    log_file log;
    kis_wal_scan scan;
    kis_diag diag;
    uint32_t records;
    static const struct {
        const char *why;
        uint32_t record;
        uint64_t known;
        kis_err want;
    } rows[] = {
        { "the last record of the newest file: torn", RECORDS - 1, 0, KIS_OK },
        { "the first of the newest: later ones say that it was synced", 0, 0, KIS_ERR_CORRUPT },
        { "the last of an older file", RECORDS - 1, 1, KIS_ERR_CORRUPT },
        { "the middle of an older file", 2, 1, KIS_ERR_CORRUPT },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t byte = 0; byte < KIS_WAL_RECORD_HEADER_BYTES + 50; byte++) {
            make_log(&log);
            log.bytes[log.starts[rows[i].record] + byte] ^= 4;
            CHECK_ERR(rows[i].want,
                      read_log(&log, sizeof log.bytes, rows[i].known ? log.len : 0, &records, &scan,
                               &diag),
                      rows[i].why);
            if (rows[i].want) {
                char offset[32];
                snprintf(offset, sizeof offset, "offset %zu", log.starts[rows[i].record]);
                CHECK(strstr(diag.text, offset), "names the offset");
            }
        }
    make_log(&log);
    CHECK_ERR(KIS_ERR_CORRUPT, read_log(&log, log.starts[3], log.len, &records, &scan, NULL),
              "an older file that is too short");
    CHECK_ERR(KIS_OK, read_log(&log, sizeof log.bytes, log.starts[3], &records, &scan, NULL),
              "it may be longer than was known");
    CHECK_INT(RECORDS, records, "and all of it counts");
}

/* A sender's attribute may hold anything, also what would be a record that says all
 * before it had been synced. */
TEST(a_body_cannot_hold_a_record)
{
    log_file log;
    kis_wal_scan scan;
    uint32_t records;
    static const struct {
        const char *why;
        uint32_t salt;
        uint64_t synced, sequence;
        kis_err want;
    } rows[] = {
        { "without the salt it is bytes like others", 0, 1, 99, KIS_OK },
        { "with another file's, too", SALT + 1, 1, 99, KIS_OK },
        { "with it, it is a record: the test can fail", SALT, 1, 99, KIS_ERR_CORRUPT },
        { "one that had been synced behind itself is none", SALT, 4000, 99, KIS_OK },
        { "nor one that came before", SALT, 1, 1, KIS_OK },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        make_log(&log);
        size_t last = log.starts[RECORDS - 1];
        kis_wal_seal_record(log.bytes + last + KIS_WAL_RECORD_HEADER_BYTES + 3, 8, rows[i].sequence,
                            last + rows[i].synced, rows[i].salt);
        CHECK_ERR(rows[i].want, read_log(&log, sizeof log.bytes, 0, &records, &scan, NULL),
                  rows[i].why);
        CHECK_INT(RECORDS - 1, records, "the torn record itself does not count");
    }
}

TEST(bytes_that_look_like_many_records_are_looked_at_once)
{
    enum { SIZE = 8 << 20 };
    uint8_t *bytes = calloc(1, SIZE), *record = bytes + KIS_WAL_HEADER_BYTES;
    log_file log;
    kis_wal_scan scan;
    uint32_t records = 0;

    CHECK(bytes != NULL, "memory");
    make_log(&log);
    memcpy(bytes, log.bytes, KIS_WAL_HEADER_BYTES);
    /* each says that it reaches to the end */
    for (; record + 64 <= bytes + SIZE; record += KIS_WAL_RECORD_HEADER_BYTES) {
        kis_wal_seal_record(record, 0, 1 << 20, 70, 0);
        uint32_t to_end = (uint32_t)(bytes + SIZE - record) - KIS_WAL_RECORD_HEADER_BYTES;
        memcpy(record + 4, &to_end, 4);
    }
    clock_t before = clock();
    CHECK_ERR(KIS_OK,
              kis_wal_read(kis_bytes_of(bytes, SIZE), 0, count_record, &records, &scan, NULL),
              "a torn end");
    CHECK_INT(0, records, "no record in it");
    CHECK(clock() - before < 10 * CLOCKS_PER_SEC,
          "a quarter of a million checksums of 4 MiB would take minutes");
    free(bytes);
}

TEST(a_file_without_its_header_has_records_when_anything_stands_behind_it)
{
    log_file log;

    make_log(&log);
    memset(log.bytes, 0, KIS_WAL_HEADER_BYTES);
    CHECK(kis_wal_has_records(kis_bytes_of(log.bytes, sizeof log.bytes)),
          "records, and a lost header");
    memset(log.bytes + KIS_WAL_HEADER_BYTES, 0, sizeof log.bytes - KIS_WAL_HEADER_BYTES);
    log.bytes[9] = 1;
    CHECK(!kis_wal_has_records(kis_bytes_of(log.bytes, sizeof log.bytes)),
          "a torn header and reserved zeros: being made");
    CHECK(!kis_wal_has_records(kis_bytes_of(log.bytes, 10)), "shorter than a header");
}

/* The example in FORMAT.md. */
TEST(a_record_header_is_as_documented)
{
    static const uint8_t want[KIS_WAL_RECORD_HEADER_BYTES] = {
        0x4b, 0x57, 0x52, 0x31, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x30, 0xec, 0x2f, 0x3f, 0xe7, 0xfa, 0xda, 0xf9
    };
    uint8_t record[KIS_WAL_RECORD_HEADER_BYTES + 2] = { 0 };

    record[32] = 'h';
    record[33] = 'i';
    kis_wal_seal_record(record, 2, 1, 64, SALT);
    for (size_t i = 0; i < sizeof want; i++)
        CHECK_INT(want[i], record[i], "as in FORMAT.md");
}

TEST(headers_of_other_versions_and_other_files_are_refused)
{
    log_file log;
    kis_wal_scan scan;
    uint32_t records, version = 2, crc = 0;

    make_log(&log);
    log.bytes[20] ^= 1;
    CHECK_ERR(KIS_ERR_SYNTAX, read_log(&log, log.len, 0, &records, &scan, NULL),
              "a flipped bit in the header");
    make_log(&log);
    CHECK_ERR(KIS_ERR_SYNTAX, read_log(&log, 63, 0, &records, &scan, NULL),
              "shorter than a header");
    memcpy(log.bytes + 8, &version, 4);
    memcpy(log.bytes + 12, &crc, 4);
    crc = kis_crc32c(0, kis_bytes_of(log.bytes, KIS_WAL_HEADER_BYTES));
    memcpy(log.bytes + 12, &crc, 4);
    CHECK_ERR(KIS_ERR_UNSUPPORTED, read_log(&log, log.len, 0, &records, &scan, NULL),
              "a newer version");
}

TEST(a_suspect_file_is_not_synced_again)
{
    kis_sim *sim;
    kis_wal wal;
    kis_wal_header header = { .generation = 1 };
    uint8_t record[KIS_WAL_RECORD_HEADER_BYTES] = { 0 };

    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 1, &sim), "a machine");
    kis_os *os = kis_sim_os(sim);
    CHECK_ERR(KIS_OK, os->ops->make_dir(os, KIS_STR("/d"), NULL), "a folder");
    CHECK_ERR(KIS_OK, kis_wal_create(&wal, os, KIS_STR("/d"), &header, NULL), "a log");
    kis_sim_fail_at(sim, KIS_SIM_SYNC, 1, 1, KIS_ERR_IO);
    kis_wal_seal_record(record, 0, 1, wal.synced, 0);
    CHECK_ERR(KIS_OK, kis_wal_write(&wal, record, sizeof record, NULL), "written");
    CHECK_ERR(KIS_ERR_IO, kis_wal_sync(&wal, NULL), "the sync fails");
    uint64_t syncs = kis_sim_calls(sim, KIS_SIM_SYNC | KIS_SIM_WRITE);
    CHECK_ERR(KIS_ERR_IO, kis_wal_sync(&wal, NULL), "and is not tried again");
    CHECK_ERR(KIS_ERR_IO, kis_wal_write(&wal, record, sizeof record, NULL),
              "nor is the file written");
    CHECK_INT(syncs, kis_sim_calls(sim, KIS_SIM_SYNC | KIS_SIM_WRITE), "the disk was not asked");
    kis_wal_close(&wal);
    kis_sim_free(sim);
}

TEST(names_round_trip_and_others_are_not_taken)
{
    char path[KIS_STORE_PATH_MAX];
    uint64_t generation;
    uint32_t attempt;
    static const char *const bad[] = { "log-",
                                       "log-000000000000002a-0001.wal.old",
                                       "log-000000000000002A-0001.wal",
                                       "seg-000000000000002a-0001.wal",
                                       "log-000000000000002a_0001.wal",
                                       "log-000000000000002a-00g1.wal" };
    size_t len = kis_wal_path(path, sizeof path, KIS_STR("/d"), "log-", 42, 1);
    CHECK_STR("/d/log-000000000000002a-0001.wal", kis_str_of(path, len), "as FORMAT.md has it");
    CHECK(kis_wal_parse_name(kis_str_of(path + 3, len - 3), &generation, &attempt), "reads");
    CHECK_INT(42, generation, "generation");
    CHECK_INT(1, attempt, "attempt");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(!kis_wal_parse_name(kis_str_from_c(bad[i]), &generation, &attempt), bad[i]);
}

TEST_MAIN(RUN(a_file_cut_anywhere_reads_to_its_last_whole_record),
          RUN(wal_reports_damage_in_an_older_file), RUN(a_body_cannot_hold_a_record),
          RUN(bytes_that_look_like_many_records_are_looked_at_once),
          RUN(a_file_without_its_header_has_records_when_anything_stands_behind_it),
          RUN(a_record_header_is_as_documented),
          RUN(headers_of_other_versions_and_other_files_are_refused),
          RUN(a_suspect_file_is_not_synced_again), RUN(names_round_trip_and_others_are_not_taken))
