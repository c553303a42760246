/* num_unit_test.c - durations, sizes and times as people write them. */
#include "tests/test.h"

#include <string.h>
#include <time.h>

#include "base/num.h"

TEST(durations_are_read_as_go_reads_them_and_days)
{
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        { "0", 0 },
        { "-0", 0 },
        { "+5s", 5000000000 },
        { "5s", 5000000000 },
        { "1.5s", 1500000000 },
        { ".5s", 500000000 },
        { "1.s", 1000000000 },
        { "300ms", 300000000 },
        { "100us", 100000 },
        { "100\xc2\xb5s", 100000 },
        { "100\xce\xbcs", 100000 },
        { "7ns", 7 },
        { "1h2m", 3720000000000 },
        { "1h15m30.918273645s", 4530918273645 },
        { "-1h", -3600000000000 },
        { "7d", 604800000000000 },
        { "1d12h", 129600000000000 },
        { "0.1s", 100000000 },
        { "0.000000001s", 1 },
        { "0.9ns", 0 },
        { "0.3333333333333333333h", 1200000000000 - 1 },
        { "9223372036854775807ns", INT64_MAX },
        { "9223372036s854775807ns", INT64_MAX },
        { "-9223372036854775808ns", INT64_MIN },
        { "0.100000000000000000000h", 360000000000 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t got = 77;
        CHECK_ERR(KIS_OK, kis_duration_parse(kis_str_from_c(rows[i].text), &got), rows[i].text);
        CHECK_INT(rows[i].want, got, rows[i].text);
    }
}

TEST(what_is_no_duration_is_refused)
{
    static const struct {
        const char *text;
        kis_err want;
    } rows[] = {
        { "", KIS_ERR_SYNTAX },
        { "3", KIS_ERR_SYNTAX },
        { "-", KIS_ERR_SYNTAX },
        { "s", KIS_ERR_SYNTAX },
        { ".", KIS_ERR_SYNTAX },
        { ".s", KIS_ERR_SYNTAX },
        { "+.s", KIS_ERR_SYNTAX },
        { "72x", KIS_ERR_SYNTAX },
        { "1h 2m", KIS_ERR_SYNTAX },
        { "--1s", KIS_ERR_SYNTAX },
        { "1h-2m", KIS_ERR_SYNTAX },
        { "00", KIS_ERR_SYNTAX },
        { "1S", KIS_ERR_SYNTAX },
        { "9223372036854775808ns", KIS_ERR_RANGE },
        { "106752d", KIS_ERR_RANGE },
        { "99999999999999999999999h", KIS_ERR_RANGE },
        { "99999999999999999999999x", KIS_ERR_SYNTAX },
        { "9223372036s854775808ns", KIS_ERR_RANGE },
        { "-9223372036854775809ns", KIS_ERR_RANGE },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t got = 77;
        CHECK_ERR(rows[i].want, kis_duration_parse(kis_str_from_c(rows[i].text), &got),
                  rows[i].text);
        CHECK_INT(77, got, "a refused text leaves `out` alone");
    }
}

TEST(durations_are_written_short_and_exact)
{
    static const struct {
        int64_t ns;
        const char *want;
    } rows[] = {
        { 0, "0s" },
        { 1, "1ns" },
        { 999, "999ns" },
        { 1500, "1.5us" },
        { 300000000, "300ms" },
        { 1500000000, "1.5s" },
        { 259200000000000, "72h" },
        { 3720000000000, "1h2m" },
        { 90061000000001, "25h1m1.000000001s" },
        { -60000000000, "-1m" },
        { INT64_MAX, "2562047h47m16.854775807s" },
        { INT64_MIN, "-2562047h47m16.854775808s" },
    };
    char text[KIS_NUM_TEXT_MAX];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_STR(rows[i].want, kis_str_of(text, kis_duration_format(rows[i].ns, text)),
                  rows[i].want);
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int64_t ns = (int64_t)seed >> seed % 64, back;
        CHECK_ERR(KIS_OK,
                  kis_duration_parse(kis_str_of(text, kis_duration_format(ns, text)), &back),
                  "own text");
        CHECK_INT(ns, back, "reads back");
    }
}

TEST(sizes_are_read_in_both_kinds_of_units)
{
    static const struct {
        const char *text;
        kis_err err;
        uint64_t want;
    } rows[] = {
        { "4096", KIS_OK, 4096 },
        { "0", KIS_OK, 0 },
        { "10GiB", KIS_OK, (uint64_t)10 << 30 },
        { "512MB", KIS_OK, 512000000 },
        { "1K", KIS_OK, 1000 },
        { "1Ki", KIS_OK, 1024 },
        { "1kib", KIS_OK, 1024 },
        { "1 TiB", KIS_OK, (uint64_t)1 << 40 },
        { "7B", KIS_OK, 7 },
        { "1.5KiB", KIS_OK, 1536 },
        { "0.1GB", KIS_OK, 100000000 },
        { "1.0009765625Ki", KIS_OK, 1025 },
        { "15EiB", KIS_OK, (uint64_t)15 << 60 },
        { "16EiB", KIS_ERR_RANGE, 0 },
        { "18446744073709551615", KIS_OK, UINT64_MAX },
        { "18446744073709551616", KIS_ERR_RANGE, 0 },
        { "18447PB", KIS_ERR_RANGE, 0 },
        { "", KIS_ERR_SYNTAX, 0 },
        { "B", KIS_ERR_SYNTAX, 0 },
        { "GiB", KIS_ERR_SYNTAX, 0 },
        { "1x", KIS_ERR_SYNTAX, 0 },
        { "-1", KIS_ERR_SYNTAX, 0 },
        { "1iB", KIS_ERR_SYNTAX, 0 },
        { "1GGB", KIS_ERR_SYNTAX, 0 },
        { "1GiBB", KIS_ERR_SYNTAX, 0 },
        { "1 ", KIS_ERR_SYNTAX, 0 },
        { "1  GB", KIS_ERR_SYNTAX, 0 },
        { "1GiB ", KIS_ERR_SYNTAX, 0 },
        { "1e3", KIS_ERR_SYNTAX, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t got = 77;
        CHECK_ERR(rows[i].err, kis_size_parse(kis_str_from_c(rows[i].text), &got), rows[i].text);
        CHECK_INT(rows[i].err ? 77 : rows[i].want, got, rows[i].text);
    }
}

TEST(sizes_are_written_with_one_digit_behind_the_point)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } rows[] = {
        { 0, "0 B" },
        { 1023, "1023 B" },
        { 1024, "1.0 KiB" },
        { 1536, "1.5 KiB" },
        { (uint64_t)10 << 30, "10.0 GiB" },
        { 1048575, "1.0 MiB" },
        { 1048524, "1023.9 KiB" },
        { 1048525, "1.0 MiB" },
        { UINT64_MAX, "16.0 EiB" },
        { 1126, "1.1 KiB" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[KIS_NUM_TEXT_MAX];
        CHECK_STR(rows[i].want, kis_str_of(text, kis_size_format(rows[i].bytes, text)),
                  rows[i].want);
    }
}

TEST(times_are_read_with_any_offset)
{
    static const struct {
        const char *text;
        kis_err err;
        uint64_t want;
    } rows[] = {
        { "1970-01-01T00:00:00Z", KIS_OK, 0 },
        { "2026-11-21T07:49:21.123456789Z", KIS_OK, 1795247361123456789u },
        { "2026-11-21t07:49:21.1z", KIS_OK, 1795247361100000000u },
        { "2026-11-21 07:49:21Z", KIS_OK, 1795247361000000000u },
        { "2026-11-21T09:49:21+02:00", KIS_OK, 1795247361000000000u },
        { "2026-11-20T21:19:21-10:30", KIS_OK, 1795247361000000000u },
        { "2000-02-29T23:59:59.999999999Z", KIS_OK, 951868799999999999u },
        { "1969-12-31T23:30:00-01:00", KIS_OK, 1800000000000u },
        { "2554-07-21T23:34:33.709551615Z", KIS_OK, UINT64_MAX },
        { "2554-07-21T23:34:33.709551616Z", KIS_ERR_RANGE, 0 },
        { "9999-12-31T23:59:59Z", KIS_ERR_RANGE, 0 },
        { "1969-12-31T23:59:59Z", KIS_ERR_RANGE, 0 },
        { "0000-01-01T00:00:00Z", KIS_ERR_RANGE, 0 },
        { "2001-02-29T00:00:00Z", KIS_ERR_RANGE, 0 },
        { "2100-02-29T00:00:00Z", KIS_ERR_RANGE, 0 },
        { "2026-13-01T00:00:00Z", KIS_ERR_RANGE, 0 },
        { "2026-00-01T00:00:00Z", KIS_ERR_RANGE, 0 },
        { "2026-04-31T00:00:00Z", KIS_ERR_RANGE, 0 },
        { "2026-04-00T00:00:00Z", KIS_ERR_RANGE, 0 },
        { "2026-04-01T24:00:00Z", KIS_ERR_RANGE, 0 },
        { "2026-04-01T00:60:00Z", KIS_ERR_RANGE, 0 },
        { "2026-04-01T00:00:60Z", KIS_ERR_RANGE, 0 },
        { "2026-04-01T00:00:00+24:00", KIS_ERR_RANGE, 0 },
        { "", KIS_ERR_SYNTAX, 0 },
        { "2026-11-21", KIS_ERR_SYNTAX, 0 },
        { "2026-11-21T07:49:21", KIS_ERR_SYNTAX, 0 },
        { "2026-11-21T07:49:21.Z", KIS_ERR_SYNTAX, 0 },
        { "2026-11-21T07:49:21.1234567890Z", KIS_ERR_SYNTAX, 0 },
        { "2026-11-21T07:49:21Zx", KIS_ERR_SYNTAX, 0 },
        { "2026-11-21T07:49:21+0200", KIS_ERR_SYNTAX, 0 },
        { "26-11-21T07:49:21Z", KIS_ERR_SYNTAX, 0 },
        { "2026/11/21T07:49:21Z", KIS_ERR_SYNTAX, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t got = 77;
        CHECK_ERR(rows[i].err, kis_time_parse(kis_str_from_c(rows[i].text), &got), rows[i].text);
        CHECK_INT(rows[i].err ? 77 : rows[i].want, got, rows[i].text);
    }
}

TEST(times_agree_with_the_c_library_on_every_day)
{
    char got[KIS_NUM_TEXT_MAX], want[40];
    for (uint64_t day = 0; day < 213503; day++) {
        time_t seconds = (time_t)(day * 86400 + day * 7919 % 86400);
        struct tm parts;
        gmtime_r(&seconds, &parts);
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000000007Z", &parts);
        uint64_t ns = (uint64_t)seconds * 1000000000u + 7, back;
        kis_str text = kis_str_of(got, kis_time_format(ns, got));
        CHECK_STR(want, text, "written");
        CHECK_ERR(KIS_OK, kis_time_parse(text, &back), want);
        CHECK_INT(ns, back, "reads back");
    }
}

TEST_MAIN(RUN(durations_are_read_as_go_reads_them_and_days), RUN(what_is_no_duration_is_refused),
          RUN(durations_are_written_short_and_exact), RUN(sizes_are_read_in_both_kinds_of_units),
          RUN(sizes_are_written_with_one_digit_behind_the_point),
          RUN(times_are_read_with_any_offset), RUN(times_agree_with_the_c_library_on_every_day))
