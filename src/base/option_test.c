/* option_test.c - one row serves default, flag, range, error and help. */
#include "tests/test.h"

#include <string.h>

#include "base/option.h"

typedef struct settings {
    kis_str data;
    bool memory;
    uint32_t spans;
    uint64_t big;
    double ratio;
    int64_t keep_ns;
    uint32_t flush_ms;
    uint64_t keep_bytes;
    int level;
} settings;

static const kis_option rows[] = {
    { "data", "KIS_DATA", KIS_OPT_TEXT, offsetof(settings, data), NULL, NULL, NULL, "DIR",
      "Where spans stay." },
    { "memory", NULL, KIS_OPT_BOOL, offsetof(settings, memory), "false", NULL, NULL, NULL,
      "Keep nothing on disk." },
    { "queue-spans", "OTEL_BSP_MAX_QUEUE_SIZE", KIS_OPT_U32, offsetof(settings, spans), "2048", "1",
      "1048576", NULL,
      "Ended spans kept while waiting to be sent; one more is dropped and counted." },
    { "big", NULL, KIS_OPT_U64, offsetof(settings, big), "7", NULL, NULL, NULL, "A big number." },
    { "ratio", NULL, KIS_OPT_F64, offsetof(settings, ratio), "0.5", "0", "1", NULL, "A ratio." },
    { "keep", NULL, KIS_OPT_DURATION, offsetof(settings, keep_ns), "72h", "1m", NULL, NULL,
      "How long spans are kept." },
    { "flush-ms", "OTEL_BSP_SCHEDULE_DELAY", KIS_OPT_MS, offsetof(settings, flush_ms), "5000", "1",
      "600000", NULL, "Longest wait before ended spans are sent." },
    { "keep-bytes", NULL, KIS_OPT_SIZE, offsetof(settings, keep_bytes), "10GiB", NULL, "1TiB", NULL,
      "Bound of the data." },
    { "log-level", NULL, KIS_OPT_CHOICE, offsetof(settings, level), "info", NULL, NULL,
      "debug|info|warning|error", "What is logged." },
    { NULL, "KIS_HIDDEN", KIS_OPT_U32, offsetof(settings, spans), NULL, NULL, NULL, NULL,
      "From the environment only." },
};
#define ROWS rows, COUNT_OF(rows)

static settings defaults(void)
{
    settings s;
    kis_diag diag = { 0 };
    memset(&s, 0xa5, sizeof(s));
    CHECK_ERR(KIS_OK, kis_options_default(rows, COUNT_OF(rows) - 1, &s, &diag), diag.text);
    return s;
}

static kis_err parse(settings *s, int *next, kis_diag *diag, char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    return kis_options_parse_args(ROWS, argc, argv, 1, s, next, diag);
}
#define ARGS(...) ((char *[]){ "kiseki", __VA_ARGS__, NULL })

TEST(defaults_come_from_the_rows)
{
    settings s = defaults();
    CHECK(s.data.len == 0 && !s.memory && s.spans == 2048 && s.big == 7 && s.ratio == 0.5,
          "plain kinds");
    CHECK_INT(72 * 3600, s.keep_ns / 1000000000, "duration");
    CHECK(s.flush_ms == 5000 && s.keep_bytes == (uint64_t)10 << 30 && s.level == 1,
          "units and choice");
}

TEST(flags_are_read_in_every_form)
{
    settings s = defaults();
    kis_diag diag = { 0 };
    int next = 0;
    CHECK_ERR(KIS_OK,
              parse(&s, &next, &diag,
                    ARGS("--data", "/d", "--memory", "--queue-spans=17", "--ratio=0.25", "--keep",
                         "1h30m", "--flush-ms", "20", "--keep-bytes=512MB", "--log-level",
                         "WARNING", "--big", "18446744073709551615", "trace", "--memory")),
              diag.text);
    CHECK_INT(15, next, "stops at the first word without dashes");
    CHECK_STR("/d", s.data, "text");
    CHECK(s.memory && s.spans == 17 && s.ratio == 0.25 && s.keep_ns == 5400000000000 &&
              s.flush_ms == 20,
          "values");
    CHECK(s.keep_bytes == 512000000 && s.level == 2 && s.big == UINT64_MAX, "values");
    CHECK_ERR(KIS_OK, parse(&s, &next, &diag, ARGS("--memory=no", "--", "--data")), diag.text);
    CHECK(!s.memory && next == 3, "-- ends the options and is skipped");
    CHECK_ERR(KIS_OK, parse(&s, &next, &diag, ARGS("-")), diag.text);
    CHECK_INT(1, next, "a lone dash is a word");
    CHECK_ERR(KIS_OK, parse(&s, &next, &diag, ARGS("--data=", "--data=a=b")), diag.text);
    CHECK_STR("a=b", s.data, "only the first = separates");
}

TEST(errors_name_the_flag_the_text_and_what_was_wanted)
{
    static const struct {
        const char *arg, *value;
        kis_err err;
        const char *want;
    } cases[] = {
        { "--keep", "72x", KIS_ERR_SYNTAX,
          "--keep: '72x' is not a duration; want a number and one of ns us ms s m h d" },
        { "--keep=1s", NULL, KIS_ERR_RANGE, "--keep: '1s' is out of range; want at least 1m" },
        { "--keep-bytes=2TiB", NULL, KIS_ERR_RANGE,
          "--keep-bytes: '2TiB' is out of range; want at most 1TiB" },
        { "--queue-spans=0", NULL, KIS_ERR_RANGE,
          "--queue-spans: '0' is out of range; want 1 to 1048576" },
        { "--queue-spans=99999999999", NULL, KIS_ERR_RANGE,
          "--queue-spans: '99999999999' is out of range; want 1 to 1048576" },
        { "--queue-spans=many", NULL, KIS_ERR_SYNTAX,
          "--queue-spans: 'many' is not a number; want a whole number" },
        { "--big=99999999999999999999", NULL, KIS_ERR_RANGE,
          "--big: '99999999999999999999' is too large" },
        { "--big=-3", NULL, KIS_ERR_RANGE, "--big: '-3' is out of range; want 0 or more" },
        { "--keep-bytes=-3", NULL, KIS_ERR_RANGE,
          "--keep-bytes: '-3' is out of range; want 0 to 1TiB" },
        { "--queue-spans", "-3", KIS_ERR_RANGE,
          "--queue-spans: '-3' is out of range; want 1 to 1048576" },
        { "--big=-x", NULL, KIS_ERR_SYNTAX, "--big: '-x' is not a number; want a whole number" },
        { "--ratio=1.5", NULL, KIS_ERR_RANGE, "--ratio: '1.5' is out of range; want 0 to 1" },
        { "--ratio=", NULL, KIS_ERR_SYNTAX, "--ratio: no value; want a number" },
        { "--memory=maybe", NULL, KIS_ERR_SYNTAX,
          "--memory: 'maybe' is not true or false; want true or false" },
        { "--log-level=loud", NULL, KIS_ERR_SYNTAX,
          "--log-level: 'loud' is not a known value; want one of debug|info|warning|error" },
        { "--flush-ms=5s", NULL, KIS_ERR_SYNTAX,
          "--flush-ms: '5s' is not a number; want a whole number of milliseconds" },
        { "--keep", NULL, KIS_ERR_SYNTAX,
          "--keep needs a value: a number and one of ns us ms s m h d" },
        { "--data", NULL, KIS_ERR_SYNTAX, "--data needs a value: DIR" },
        { "--log-level", NULL, KIS_ERR_SYNTAX,
          "--log-level needs a value: one of debug|info|warning|error" },
        { "--kep-bytes=1", NULL, KIS_ERR_NOT_FOUND,
          "unknown option --kep-bytes; did you mean --keep-bytes?" },
        { "--queue=1", NULL, KIS_ERR_NOT_FOUND,
          "unknown option --queue; did you mean --queue-spans?" },
        { "--frobnicate", NULL, KIS_ERR_NOT_FOUND, "unknown option --frobnicate" },
        { "--keep=\x1b[2J", NULL, KIS_ERR_SYNTAX,
          "--keep: '\\x1b[2J' is not a duration; want a number and one of ns us ms s m h d" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        settings s = defaults(), before = s;
        kis_diag diag = { 0 };
        int next = 77;
        char *argv[] = { "kiseki", (char *)(uintptr_t)cases[i].arg,
                         (char *)(uintptr_t)cases[i].value, NULL };
        CHECK_ERR(cases[i].err, parse(&s, &next, &diag, argv), cases[i].want);
        assert_string_equal(cases[i].want, diag.text);
        CHECK(memcmp(&s, &before, sizeof(s)) == 0, "a refused value leaves the field alone");
        CHECK_INT(77, next, "and the index");
    }
}

TEST(errors_of_the_environment_name_the_variable)
{
    settings s = defaults();
    kis_diag diag = { 0 };
    CHECK_ERR(KIS_ERR_SYNTAX, kis_option_set_env(&rows[2], KIS_STR("many"), &s, &diag), "refused");
    assert_string_equal("OTEL_BSP_MAX_QUEUE_SIZE: 'many' is not a number; want a whole number",
                        diag.text);
    CHECK_ERR(KIS_OK, kis_option_set_env(&rows[2], KIS_STR("17"), &s, &diag), diag.text);
    CHECK_INT(17, s.spans, "read");
}

TEST(near_flags_are_found_and_far_ones_are_not)
{
    static const struct {
        const char *typed, *want;
    } cases[] = {
        { "keep", "keep" },
        { "kepe", "keep" },
        { "log_level", "log-level" },
        { "loglevel", "log-level" },
        { "dat", "data" },
        { "flush", "flush-ms" },
        { "keep-b", "keep-bytes" },
        { "x", NULL },
        { "", NULL },
        { "something-else-entirely", NULL },
        { "a-flag-that-is-much-longer-than-any-flag-anyone-would-ever-want-to-type-in", NULL },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const kis_option *near = kis_option_nearest(ROWS, kis_str_from_c(cases[i].typed));
        assert_string_equal(cases[i].want ? cases[i].want : "none", near ? near->flag : "none");
    }
    CHECK(kis_option_find(ROWS, KIS_STR("keep")) == &rows[5], "find is exact");
    CHECK(kis_option_find(ROWS, KIS_STR("kee")) == NULL, "find is exact");
}

TEST(help_has_a_line_for_each_flag)
{
    char text[4096];
    kis_buf out;
    kis_buf_init_fixed(&out, text, sizeof(text));
    kis_options_help(ROWS, &out);
    CHECK_ERR(KIS_OK, out.err, "fits");
    kis_str help = kis_buf_str(&out);
    static const char *const parts[] = {
        "  --data DIR                Where spans stay. (KIS_DATA)\n",
        "  --memory                  Keep nothing on disk.\n",
        ("  --queue-spans N           Ended spans kept while waiting to be sent; one more is "
         "dropped and\n"
         "                            counted. [2048] (OTEL_BSP_MAX_QUEUE_SIZE)\n"),
        "  --keep DURATION           How long spans are kept. [72h]\n",
        ("  --log-level debug|info|warning|error\n"
         "                            What is logged. [info]\n"),
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (kis_str_find(help, kis_str_from_c(parts[i])) == KIS_STR_NPOS)
            fail_msg("missing:\n%s\nin:\n%.*s", parts[i], KIS_ARG(help));
    }
    CHECK(kis_str_find(help, KIS_STR("HIDDEN")) == KIS_STR_NPOS, "no flag, no line");
    kis_str rest = help;
    while (rest.len > 0)
        CHECK(kis_str_cut(&rest, '\n').len <= 100, "no line is longer than 100");
}

TEST(a_wrong_row_is_told)
{
    static const kis_option wrong[] = {
        { "a", NULL, KIS_OPT_U32, 0, "many", NULL, NULL, NULL, "" },
        { "b", NULL, KIS_OPT_U32, 0, "5", "low", NULL, NULL, "" },
        { "c", NULL, KIS_OPT_U32, 0, "5", "6", NULL, NULL, "" },
    };
    uint32_t into;
    kis_diag diag;
    CHECK_ERR(KIS_ERR_SYNTAX, kis_options_default(&wrong[0], 1, &into, &diag), "default");
    assert_string_equal("default of: a: 'many' is not a number; want a whole number", diag.text);
    CHECK_ERR(KIS_ERR_SYNTAX, kis_options_default(&wrong[1], 1, &into, &diag), "bound");
    assert_string_equal("default of: b: the row's bound 'low' is wrong", diag.text);
    CHECK_ERR(KIS_ERR_RANGE, kis_options_default(&wrong[2], 1, &into, &diag),
              "default out of range");
}

TEST_MAIN(RUN(defaults_come_from_the_rows), RUN(flags_are_read_in_every_form),
          RUN(errors_name_the_flag_the_text_and_what_was_wanted),
          RUN(errors_of_the_environment_name_the_variable),
          RUN(near_flags_are_found_and_far_ones_are_not), RUN(help_has_a_line_for_each_flag),
          RUN(a_wrong_row_is_told))
