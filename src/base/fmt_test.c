/* fmt_test.c - formatting against the C library's, cutting, and escaping for terminals. */
#include "tests/test.h"

#include <limits.h>
#include <string.h>

#include "base/fmt.h"

/* The same arguments to both. */
#define SAME(...)                                                          \
    do {                                                                   \
        char want[200], got[200];                                          \
        int want_len = snprintf(want, sizeof(want), __VA_ARGS__);          \
        CHECK_INT(want_len, kis_fmt(got, sizeof(got), __VA_ARGS__), want); \
        assert_string_equal(want, got);                                    \
    } while (0)

TEST(known_conversions_agree_with_the_c_library)
{
    SAME("plain %% percent");
    SAME("%s|%5s|%-5s|%.2s|%.*s|%5.1s", "abc", "abc", "abc", "abc", 1, "abc", "abc");
    SAME("%c|%3c|%-3c|", 'a', 'b', 'c');
    SAME("%d|%i|%5d|%-5d|%05d|%*d", -42, 42, -42, -42, -42, 6, 7);
    SAME("%hhd|%hd|%ld|%lld|%zd|%td|%jd", (signed char)-1, (short)-2, LONG_MIN, LLONG_MIN,
         (ssize_t)-3, (ptrdiff_t)-4, (intmax_t)-5);
    SAME("%hhu|%hu|%u|%lu|%llu|%zu|%ju", (unsigned char)255, (unsigned short)65535, UINT_MAX,
         ULONG_MAX, ULLONG_MAX, SIZE_MAX, UINTMAX_MAX);
    SAME("%x|%X|%08x|%4x|%llx|%hhx|%x", 0xbeefu, 0xBEEFu, 0xbeefu, 1u, 0x0123456789abcdefull,
         (unsigned char)0xff, 0u);
    SAME("%p", (void *)0x7fff1234);
    SAME("%-*d|", 6, 7);
    SAME("%*d|", -6, 7);
    SAME("%.2f|%.0f|%8.3f|%f|%-8.1f|%08.2f", 3.14159, 2.6, -1.5, 0.25, 9.96, -3.126);
    SAME("%d %s %u %c %llx %s", 1, "two", 3u, '4', 5ull, "six");
}

TEST(doubles_are_written_shortest)
{
    char got[64];
    kis_fmt(got, sizeof(got), "%g %g %g|%6g", 0.1, 1e300, -2.0, 0.5);
    assert_string_equal("0.1 1e300 -2|   0.5", got);
    kis_fmt(got, sizeof(got), "%.2f %.1f", 1e300, -0.04);
    assert_string_equal("1e300 0.0", got); /* no minus before nothing */
}

TEST(a_text_without_end_is_read_only_as_far_as_said)
{
    char *exact = malloc(3); /* ASan sees a byte too many */
    memcpy(exact, "abc", 3);
    char got[16];
    kis_fmt(got, sizeof(got), "%.*s", 3, exact);
    assert_string_equal("abc", got);
    free(exact);
    kis_str none = kis_str_slice(KIS_STR_NONE, 0, 0); /* NULL, as an empty kis_str may be */
    kis_fmt(got, sizeof(got), "[" KIS_FMT "]", KIS_ARG(none));
    assert_string_equal("[]", got);
}

TEST(output_is_cut_and_always_ends)
{
    char got[12];
    for (size_t size = 0; size < sizeof(got); size++) {
        memset(got, 'x', sizeof(got));
        size_t len = kis_fmt(got, size, "%s-%08d", "ab", 123);
        CHECK_INT(size == 0 ? 0 : KIS_MIN(size - 1, (size_t)11), len, "length written");
        CHECK(size == 0 || got[len] == '\0', "ends in NUL");
        CHECK(memcmp(got, "ab-00000123", len) == 0, "what fits");
        for (size_t i = size; i < sizeof(got); i++)
            CHECK(got[i] == 'x', "nothing behind the end");
    }
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
TEST(an_unknown_conversion_ends_the_formatting)
{
    char got[64];
    kis_fmt(got, sizeof(got), "%d %q %d", 1, 2, 3);
    assert_string_equal("1 %q %d", got);
    kis_fmt(got, sizeof(got), "a%");
    assert_string_equal("a%", got);
    kis_fmt(got, sizeof(got), "a%5");
    assert_string_equal("a%5", got);
}
#pragma GCC diagnostic pop

TEST(escaping_makes_text_harmless)
{
    static const struct {
        const char *why;
        kis_str text;
        const char *want;
    } rows[] = {
        { "plain", KIS_STR_INIT("hello \\ \"you\""), "hello \\ \"you\"" },
        { "named controls", KIS_STR_INIT("\a\b\t\n\v\f\r"), "\\a\\b\\t\\n\\v\\f\\r" },
        { "escape and NUL", KIS_STR_INIT("\x1b[0m\0"), "\\x1b[0m\\x00" },
        { "DEL", KIS_STR_INIT("\x7f"), "\\x7f" },
        { "good UTF-8", KIS_STR_INIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
          "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "bad UTF-8",
          KIS_STR_INIT("a\xff\xc3"
                       "b"),
          "a\\xff\\xc3b" },
        { "a character that is cut", KIS_STR_INIT("\xe2\x82"), "\\xe2\\x82" },
        { "C1 control",
          KIS_STR_INIT("\xc2\x9b"
                       "31m"),
          "\\u009b31m" },
        { "right-to-left override", KIS_STR_INIT("\xe2\x80\xae"), "\\u202e" },
        { "line separator", KIS_STR_INIT("\xe2\x80\xa8"), "\\u2028" },
        { "isolate", KIS_STR_INIT("\xe2\x81\xa6"), "\\u2066" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char got[100];
        size_t len = kis_fmt_escape(got, sizeof(got), rows[i].text);
        CHECK_STR(rows[i].want, kis_str_of(got, len), rows[i].why);
        CHECK(got[len] == '\0', "ends in NUL");
    }
}

TEST(escaping_cuts_between_characters_and_escapes)
{
    static const size_t want[] = { 0, 0, 1, 1, 3, 3, 3, 3, 7, 8 };
    char got[16];
    for (size_t size = 0; size < COUNT_OF(want); size++) {
        size_t len = kis_fmt_escape(got, size, KIS_STR("a\xc3\xa4\x1bz"));
        CHECK_INT(want[size], len, "a, then 2 bytes, then 4, then z");
    }
}

TEST_MAIN(RUN(known_conversions_agree_with_the_c_library), RUN(doubles_are_written_shortest),
          RUN(a_text_without_end_is_read_only_as_far_as_said), RUN(output_is_cut_and_always_ends),
          RUN(an_unknown_conversion_ends_the_formatting), RUN(escaping_makes_text_harmless),
          RUN(escaping_cuts_between_characters_and_escapes))
