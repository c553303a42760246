/* str_test.c - text against plain models of itself, UTF-8 against the table of the standard. */
#include "tests/test.h"

#include <string.h>

#include "base/str.h"

TEST(from_c_takes_null_as_empty)
{
    CHECK_INT(0, kis_str_from_c(NULL).len, "NULL");
    CHECK_STR("abc", kis_str_from_c("abc"), "plain");
}

TEST(comparing_is_by_bytes_and_then_by_length)
{
    static const struct {
        const char *why, *a, *b;
        int want;
    } rows[] = {
        { "both empty", "", "", 0 },
        { "equal", "abc", "abc", 0 },
        { "a prefix is less", "ab", "abc", -1 },
        { "longer is more", "abc", "ab", 1 },
        { "high bytes are not negative", "\xff", "a", 1 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int got = kis_str_compare(kis_str_from_c(rows[i].a), kis_str_from_c(rows[i].b));
        CHECK_INT(rows[i].want, (got > 0) - (got < 0), rows[i].why);
        CHECK_INT(rows[i].want == 0,
                  kis_str_eq(kis_str_from_c(rows[i].a), kis_str_from_c(rows[i].b)), rows[i].why);
    }
}

TEST(case_is_ignored_for_ascii_letters_only)
{
    CHECK(kis_str_eq_nocase(KIS_STR("Content-TYPE"), KIS_STR("content-type")), "letters");
    CHECK(!kis_str_eq_nocase(KIS_STR("@[`{"), KIS_STR("`{@[")),
          "neighbours of the letters differ by 0x20 too");
    CHECK(!kis_str_eq_nocase(KIS_STR("\xc3\x84"), KIS_STR("\xc3\xa4")),
          "other alphabets are compared as bytes");
    CHECK(!kis_str_eq_nocase(KIS_STR("a"), KIS_STR("ab")), "length");
}

TEST(starts_and_ends)
{
    CHECK(kis_str_starts(KIS_STR("abc"), KIS_STR("")), "the empty prefix");
    CHECK(kis_str_starts(KIS_STR("abc"), KIS_STR("abc")), "all of it");
    CHECK(!kis_str_starts(KIS_STR("ab"), KIS_STR("abc")), "longer than the text");
    CHECK(kis_str_ends(KIS_STR("abc"), KIS_STR("bc")), "a suffix");
    CHECK(!kis_str_ends(KIS_STR("abc"), KIS_STR("ab")), "a prefix is no suffix");
    CHECK(kis_str_ends(KIS_STR_NONE, KIS_STR_NONE), "nothing ends with nothing");
}

TEST(find_char_agrees_with_a_plain_loop_at_every_place)
{
    char text[40];
    for (size_t len = 0; len <= sizeof(text); len++) {
        for (size_t at = 0; at <= len; at++) {
            memset(text, 'a', sizeof(text));
            if (at < len)
                text[at] = (char)0x80;
            if (at + 1 < len)
                text[at + 1] = (char)0x80; /* the first of two */
            size_t want = at < len ? at : KIS_STR_NPOS;
            CHECK(kis_str_find_char(kis_str_of(text, len), (char)0x80) == want,
                  "place of the byte");
            CHECK(kis_str_find_char(kis_str_of(text, len), 'z') == KIS_STR_NPOS, "absent");
        }
    }
    CHECK(kis_str_find_char(KIS_STR("a\x01\0b"), '\0') == 2,
          "0x01 before 0x00 is not taken for it");
}

TEST(find_agrees_with_memmem)
{
    static const char *const needles[] = { "",     "a", "ab",       "aab",     "abb",
                                           "aaaa", "b", "bbbbbbbb", "abababab" };
    char text[24];
    for (unsigned bits = 0; bits < 1u << 14; bits += 3) {
        size_t len = 14 + bits % 7;
        for (size_t i = 0; i < len; i++)
            text[i] = bits >> (i % 14) & 1 ? 'b' : 'a';
        for (size_t n = 0; n < COUNT_OF(needles); n++) {
            const char *want = memmem(text, len, needles[n], strlen(needles[n]));
            size_t got = kis_str_find(kis_str_of(text, len), kis_str_from_c(needles[n]));
            CHECK(got == (want ? (size_t)(want - text) : KIS_STR_NPOS), needles[n]);
        }
    }
}

TEST(slices_are_clamped)
{
    kis_str s = KIS_STR("abcdef");
    CHECK_STR("cd", kis_str_slice(s, 2, 2), "inside");
    CHECK_STR("ef", kis_str_slice(s, 4, 99), "too long");
    CHECK_STR("", kis_str_slice(s, 99, 1), "behind the end");
    CHECK_STR("f", kis_str_slice(s, 5, SIZE_MAX), "no overflow");
    CHECK_INT(0, kis_str_slice(KIS_STR_NONE, 3, 3).len, "of nothing");
}

TEST(trim_takes_blanks_and_tabs_only)
{
    CHECK_STR("a b", kis_str_trim(KIS_STR(" \t a b\t ")), "both ends");
    CHECK_STR("", kis_str_trim(KIS_STR(" \t ")), "nothing left");
    CHECK_STR("\na\r", kis_str_trim(KIS_STR("\na\r")),
              "line ends are not blanks: HTTP refuses them");
}

TEST(cut_yields_every_part_and_then_a_null_rest)
{
    kis_str rest = KIS_STR("a,,b");
    CHECK_STR("a", kis_str_cut(&rest, ','), "first");
    CHECK_STR("", kis_str_cut(&rest, ','), "empty middle");
    CHECK_STR("b", kis_str_cut(&rest, ','), "last");
    CHECK(rest.ptr == NULL && rest.len == 0, "nothing behind the last");
    rest = KIS_STR("a,");
    (void)kis_str_cut(&rest, ',');
    CHECK(rest.ptr != NULL && rest.len == 0,
          "a separator at the end leaves an empty part, not none");
}

TEST(to_c_says_when_it_was_cut_or_holds_a_nul)
{
    char to[4];
    CHECK(kis_str_to_c(KIS_STR("abc"), to, sizeof(to)), "fits");
    assert_string_equal("abc", to);
    CHECK(!kis_str_to_c(KIS_STR("abcd"), to, sizeof(to)), "cut");
    assert_string_equal("abc", to);
    CHECK(!kis_str_to_c(KIS_STR("a\0b"), to, sizeof(to)), "a NUL inside would hide what follows");
    CHECK(kis_str_to_c(KIS_STR_NONE, to, 1), "nothing needs one byte");
    CHECK(!kis_str_to_c(KIS_STR_NONE, to, 0), "no room for the NUL");
}

/* ---- UTF-8 ---- */

static const struct {
    const char *why;
    kis_str bytes;
    size_t prefix; /* valid bytes in front */
} utf8_rows[] = {
    { "nothing", KIS_STR_INIT(""), 0 },
    { "ASCII", KIS_STR_INIT("hello, world of text"), 20 },
    { "NUL is a character", KIS_STR_INIT("a\0b"), 3 },
    { "two bytes", KIS_STR_INIT("\xc2\x80\xdf\xbf"), 4 },
    { "three bytes", KIS_STR_INIT("\xe0\xa0\x80\xef\xbf\xbf"), 6 },
    { "around the surrogates", KIS_STR_INIT("\xed\x9f\xbf\xee\x80\x80"), 6 },
    { "four bytes", KIS_STR_INIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), 8 },
    { "a continuation byte alone", KIS_STR_INIT("ab\x80"), 2 },
    { "overlong slash", KIS_STR_INIT("a\xc0\xaf"), 1 },
    { "overlong in two bytes", KIS_STR_INIT("\xc1\xbf"), 0 },
    { "overlong in three bytes", KIS_STR_INIT("\xe0\x9f\xbf"), 0 },
    { "overlong in four bytes", KIS_STR_INIT("\xf0\x8f\xbf\xbf"), 0 },
    { "first surrogate", KIS_STR_INIT("\xed\xa0\x80"), 0 },
    { "last surrogate", KIS_STR_INIT("\xed\xbf\xbf"), 0 },
    { "beyond U+10FFFF", KIS_STR_INIT("\xf4\x90\x80\x80"), 0 },
    { "lead f5", KIS_STR_INIT("\xf5\x80\x80\x80"), 0 },
    { "lead ff", KIS_STR_INIT("abcdefgh\xff"), 8 },
    { "two bytes cut", KIS_STR_INIT("abcdefghijklmnop\xc3"), 16 },
    { "three bytes cut", KIS_STR_INIT("\xe2\x82"), 0 },
    { "four bytes cut", KIS_STR_INIT("x\xf0\x9f\x98"), 1 },
    { "wrong second byte",
      KIS_STR_INIT("\xe2"
                   "a\xac"),
      0 },
    { "wrong last byte",
      KIS_STR_INIT("\xf0\x9f\x98"
                   "a"),
      0 },
};

TEST(utf8_is_valid_exactly_where_the_standard_says)
{
    char padded[96];
    for (size_t i = 0; i < COUNT_OF(utf8_rows); i++) {
        kis_str s = utf8_rows[i].bytes;
        CHECK_INT(utf8_rows[i].prefix, kis_utf8_valid_prefix(s), utf8_rows[i].why);
        CHECK_INT(utf8_rows[i].prefix == s.len, kis_utf8_is_valid(s), utf8_rows[i].why);
        /* at every place of the eight-byte steps */
        for (size_t before = 1; before < 40; before++) {
            memset(padded, 'p', sizeof(padded));
            memcpy(padded + before, s.ptr, s.len);
            kis_str longer = kis_str_of(padded, before + s.len);
            CHECK_INT(before + utf8_rows[i].prefix, kis_utf8_valid_prefix(longer),
                      utf8_rows[i].why);
            CHECK_INT(utf8_rows[i].prefix == s.len, kis_utf8_is_valid(longer), utf8_rows[i].why);
        }
    }
}

/* The definition, read backwards: every code point has exactly one form. */
TEST(utf8_knows_all_code_points_and_nothing_else_of_up_to_three_bytes)
{
    static uint8_t is_form[1 << 24];
    char form[4];
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        if (code >= 0xd800 && code < 0xe000)
            continue;
        size_t len = kis_utf8_put(code, form);
        CHECK_INT(code < 0x80      ? 1
                  : code < 0x800   ? 2
                  : code < 0x10000 ? 3
                                   : 4,
                  len, "length of the form");
        CHECK(kis_utf8_is_valid(kis_str_of(form, len)), "the form is valid");
        if (len == 3)
            is_form[(uint8_t)form[0] << 16 | (uint8_t)form[1] << 8 | (uint8_t)form[2]] = 1;
    }
    for (uint32_t bytes = 0xe00000; bytes < 0xf00000; bytes++) {
        char text[3] = { (char)(bytes >> 16), (char)(bytes >> 8), (char)bytes };
        if (kis_utf8_is_valid(kis_str_of(text, 3)) != is_form[bytes])
            fail_msg("%06x: want %d", bytes, is_form[bytes]);
    }
}

TEST(cutting_never_splits_a_character)
{
    kis_str s = KIS_STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"); /* 1 2 3 4 1 bytes */
    static const size_t want[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };
    for (size_t max = 0; max < COUNT_OF(want); max++)
        CHECK_INT(want[max], kis_utf8_cut_bytes(s, max), "bytes");
    static const size_t chars[] = { 0, 1, 3, 6, 10, 11, 11 };
    for (size_t max = 0; max < COUNT_OF(chars); max++)
        CHECK_INT(chars[max], kis_utf8_cut_chars(s, max), "characters");
    CHECK_INT(3, kis_utf8_cut_bytes(KIS_STR("\x80\x80\x80\x80\x80"), 3),
              "what is no character may be cut");
    CHECK_INT(2, kis_utf8_cut_chars(KIS_STR("\xff\xff\xff"), 2),
              "a stray byte counts as one character");
}

TEST_MAIN(RUN(from_c_takes_null_as_empty), RUN(comparing_is_by_bytes_and_then_by_length),
          RUN(case_is_ignored_for_ascii_letters_only), RUN(starts_and_ends),
          RUN(find_char_agrees_with_a_plain_loop_at_every_place), RUN(find_agrees_with_memmem),
          RUN(slices_are_clamped), RUN(trim_takes_blanks_and_tabs_only),
          RUN(cut_yields_every_part_and_then_a_null_rest),
          RUN(to_c_says_when_it_was_cut_or_holds_a_nul),
          RUN(utf8_is_valid_exactly_where_the_standard_says),
          RUN(utf8_knows_all_code_points_and_nothing_else_of_up_to_three_bytes),
          RUN(cutting_never_splits_a_character))
