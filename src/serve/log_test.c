/* log_test.c - the log never blocks, never floods, never lets a message forge a line. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/test.h"

#include "serve/log.h"

static kis_log log_;
static int ends[2];
static char text[1 << 16];

static void begin_log(kis_log_level level, bool is_json)
{
    CHECK(pipe2(ends, O_CLOEXEC) == 0, "a pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    kis_log_init(&log_, ends[1], level, is_json);
}

static void read_log(void)
{
    ssize_t got = read(ends[0], text, sizeof(text) - 1);
    text[got < 0 ? 0 : got] = '\0';
}

static void end_log(void)
{
    close(ends[0]);
    close(ends[1]);
    kis_log_done(&log_);
}

static size_t count_lines(void)
{
    size_t lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    return lines;
}

TEST(a_line_has_time_level_and_text)
{
    begin_log(KIS_LOG_INFO, false);
    kis_log_write(&log_, KIS_LOG_WARN, "port %d is taken", 4317);
    kis_log_write(&log_, KIS_LOG_DEBUG, "not shown at this level");
    read_log();
    CHECK_INT(1, count_lines(), "one line");
    CHECK(strlen(text) > 25 && text[4] == '-' && text[10] == 'T' && text[19] == '.' &&
              text[23] == 'Z',
          text);
    CHECK(strstr(text, "Z WARN  port 4317 is taken\n"), text);
    end_log();
}

TEST(json_lines_are_json)
{
    begin_log(KIS_LOG_INFO, true);
    kis_log_write(&log_, KIS_LOG_ERROR, "file '%s'", "a\"b\n");
    read_log();
    CHECK(strstr(text, "\"level\":\"error\",\"msg\":\"file 'a\\\"b\\n'\"}\n"), text);
    CHECK(text[0] == '{' && count_lines() == 1, "one object a line");
    end_log();
}

TEST(a_message_cannot_forge_a_line_or_move_a_cursor)
{
    begin_log(KIS_LOG_INFO, false);
    kis_log_write(&log_, KIS_LOG_INFO, "name '%s'", "x\n2026 ERROR forged\x1b[2J\r\x07");
    read_log();
    CHECK_INT(1, count_lines(), "one line");
    CHECK(!strchr(text, '\x1b') && !strchr(text, '\r') && !strchr(text, '\x07'), text);
    end_log();
}

TEST(one_kind_of_message_does_not_flood)
{
    begin_log(KIS_LOG_INFO, false);
    for (int i = 0; i < 1000; i++)
        kis_log_write(&log_, KIS_LOG_WARN, "request %d of '%s' is malformed", i, i % 2 ? "a" : "b");
    kis_log_write(&log_, KIS_LOG_WARN, "something else");
    kis_log_always(&log_, KIS_LOG_INFO, "request 7 of 'x' is malformed, said always");
    read_log();
    CHECK_INT(KIS_LOG_BURST + 2, count_lines(),
              "a burst of it, the other kind, and what is never limited");
    log_.kinds[0].window_start_ns = 1; /* long ago: the window has ended */
    kis_log_write(&log_, KIS_LOG_WARN, "request 1000 of 'a' is malformed");
    read_log();
    CHECK(strstr(text, "(990 like it were not shown)"), text);
    end_log();
}

TEST(words_of_strangers_make_no_kinds_of_their_own)
{
    begin_log(KIS_LOG_INFO, false);
    for (int i = 0; i < 1000; i++)
        kis_log_write_kind(&log_, KIS_LOG_WARN, KIS_STR("404"), "%c'%c: unknown path", 'a' + i % 26,
                           'a' + i / 26 % 26);
    kis_log_write_kind(&log_, KIS_LOG_WARN, KIS_STR("415"), "another kind");
    read_log();
    CHECK_INT(KIS_LOG_BURST + 1, count_lines(), "a burst of the one, and the other");
    end_log();
}

TEST(a_reader_that_stopped_reading_costs_lines_and_no_time)
{
    begin_log(KIS_LOG_INFO, false);
    for (int i = 0; i < 3000; i++) /* a pipe holds 64 KiB; blocking would hang the test */
        kis_log_always(&log_, KIS_LOG_INFO, "%064d", i);
    CHECK(log_.lost_lines > 0, "some were lost, and counted");
    end_log();
}

TEST(a_descriptor_that_is_closed_is_survived)
{
    kis_log_init(&log_, -1, KIS_LOG_INFO, false);
    kis_log_write(&log_, KIS_LOG_INFO, "into nothing");
    CHECK_INT(1, log_.lost_lines, "counted");
    kis_log_done(&log_);
}

TEST_MAIN(RUN(a_line_has_time_level_and_text), RUN(words_of_strangers_make_no_kinds_of_their_own),
          RUN(json_lines_are_json), RUN(a_message_cannot_forge_a_line_or_move_a_cursor),
          RUN(one_kind_of_message_does_not_flood),
          RUN(a_reader_that_stopped_reading_costs_lines_and_no_time),
          RUN(a_descriptor_that_is_closed_is_survived))
