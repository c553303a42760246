/* diag_test.c - errors have names and answers; words go in front and never break the text. */
#include "tests/test.h"

#include <string.h>

#include "base/diag.h"

TEST(every_error_has_a_text_and_answers)
{
#define ROW(name, value, http, grpc, text)                  \
    assert_string_equal(text, kis_err_text(KIS_##name));    \
    CHECK_INT(http, kis_err_http_status(KIS_##name), text); \
    CHECK_INT(grpc, kis_err_grpc_status(KIS_##name), text);
    KIS_ERR_LIST(ROW)
#undef ROW
    assert_string_equal("unknown error", kis_err_text((kis_err)99));
    CHECK_INT(500, kis_err_http_status((kis_err)99), "unknown");
    CHECK_INT(2, kis_err_grpc_status((kis_err)99), "unknown");
    assert_string_equal(KIS_VERSION, kis_version());
}

TEST(words_of_callers_go_in_front)
{
    kis_diag diag;
    CHECK_ERR(KIS_ERR_SYNTAX, kis_diag_set(&diag, KIS_ERR_SYNTAX, "want %d bytes, got %d", 16, 15),
              "set");
    CHECK_ERR(KIS_ERR_SYNTAX, kis_diag_in(&diag, KIS_ERR_SYNTAX, "trace_id"), "first caller");
    CHECK_ERR(KIS_ERR_RANGE, kis_diag_in(&diag, KIS_ERR_RANGE, "span %u", 17u), "second caller");
    assert_string_equal("span 17: trace_id: want 16 bytes, got 15", diag.text);
    CHECK_ERR(KIS_ERR_RANGE, diag.err, "the outermost caller's word counts");
}

TEST(a_caller_may_not_care)
{
    CHECK_ERR(KIS_ERR_IO, kis_diag_set(NULL, KIS_ERR_IO, "x"), "set");
    CHECK_ERR(KIS_ERR_IO, kis_diag_in(NULL, KIS_ERR_IO, "x"), "in");
}

TEST(foreign_text_cannot_steer_a_terminal)
{
    kis_diag diag;
    kis_str foreign = KIS_STR("a\x1b[31m\n\xff\0b");
    kis_diag_set(&diag, KIS_ERR_SYNTAX, "'" KIS_FMT "'", KIS_ARG(foreign));
    assert_string_equal("'a\\x1b[31m\\n\\xff'", diag.text); /* %.*s ends at a NUL */
    kis_diag_set(&diag, KIS_ERR_SYNTAX, "inner");
    kis_diag_in(&diag, KIS_ERR_SYNTAX, "at '\r'");
    assert_string_equal("at '\\r': inner", diag.text);
}

TEST(what_does_not_fit_is_cut_between_characters)
{
    kis_diag diag;
    char words[2000];
    for (size_t len = 1; len < 400; len++) {
        for (size_t i = 0; i + 1 < len; i += 2)
            memcpy(words + i, "\xc3\xa4", 2);
        kis_str s = kis_str_of(words, len & ~(size_t)1);
        kis_diag_set(&diag, KIS_ERR_IO, KIS_FMT, KIS_ARG(s));
        kis_diag_in(&diag, KIS_ERR_IO, "x");
        kis_diag_in(&diag, KIS_ERR_IO, KIS_FMT, KIS_ARG(s));
        size_t got = strlen(diag.text);
        CHECK(got < KIS_DIAG_TEXT_MAX, "ends in NUL");
        CHECK(kis_utf8_is_valid(kis_str_of(diag.text, got)), "no half character");
        CHECK(s.len < 100 || got >= KIS_DIAG_TEXT_MAX - 5 || got == 2 * s.len + 5,
              "and no more is cut than needed");
    }
}

TEST_MAIN(RUN(every_error_has_a_text_and_answers), RUN(words_of_callers_go_in_front),
          RUN(a_caller_may_not_care), RUN(foreign_text_cannot_steer_a_terminal),
          RUN(what_does_not_fit_is_cut_between_characters))
