/* num_test.c - whole numbers, hex and base64; what is written reads back, what is wrong is refused.
 */
#include "tests/test.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"

TEST(whole_numbers_are_written_as_the_c_library_writes_them)
{
    char want[32], got[KIS_NUM_TEXT_MAX];
    for (unsigned bit = 0; bit <= 64; bit++) {
        for (int around = -12; around <= 12; around++) {
            uint64_t value = (bit < 64 ? (uint64_t)1 << bit : 0) + (uint64_t)around, back;
            snprintf(want, sizeof(want), "%" PRIu64, value);
            kis_str text = kis_str_of(got, kis_u64_format(value, got));
            CHECK_STR(want, text, "u64");
            CHECK(kis_u64_parse(text, &back) == KIS_OK && back == value, "reads back");
            int64_t signed_back;
            snprintf(want, sizeof(want), "%" PRId64, (int64_t)value);
            text = kis_str_of(got, kis_i64_format((int64_t)value, got));
            CHECK_STR(want, text, "i64");
            CHECK(kis_i64_parse(text, &signed_back) == KIS_OK && signed_back == (int64_t)value,
                  "reads back");
        }
    }
    for (uint64_t power = 1, i = 0; i < 20; i++, power *= 10) {
        snprintf(want, sizeof(want), "%" PRIu64, power - 1);
        CHECK_STR(want, kis_str_of(got, kis_u64_format(power - 1, got)), "nines");
        snprintf(want, sizeof(want), "%" PRIu64, power);
        CHECK_STR(want, kis_str_of(got, kis_u64_format(power, got)), "a power of ten");
    }
}

TEST(what_is_no_whole_number_is_refused)
{
    static const struct {
        const char *why, *text;
        kis_err u64, i64;
    } rows[] = {
        { "nothing", "", KIS_ERR_SYNTAX, KIS_ERR_SYNTAX },
        { "zero", "0", KIS_OK, KIS_OK },
        { "minus zero", "-0", KIS_ERR_SYNTAX, KIS_OK },
        { "zeros in front", "0007", KIS_OK, KIS_OK },
        { "a sign only", "-", KIS_ERR_SYNTAX, KIS_ERR_SYNTAX },
        { "plus", "+1", KIS_ERR_SYNTAX, KIS_ERR_SYNTAX },
        { "blank", " 1", KIS_ERR_SYNTAX, KIS_ERR_SYNTAX },
        { "a tail", "1x", KIS_ERR_SYNTAX, KIS_ERR_SYNTAX },
        { "two signs", "--1", KIS_ERR_SYNTAX, KIS_ERR_SYNTAX },
        { "characters next to digits", "/:", KIS_ERR_SYNTAX, KIS_ERR_SYNTAX },
        { "i64 max", "9223372036854775807", KIS_OK, KIS_OK },
        { "i64 max + 1", "9223372036854775808", KIS_OK, KIS_ERR_RANGE },
        { "i64 min", "-9223372036854775808", KIS_ERR_SYNTAX, KIS_OK },
        { "i64 min - 1", "-9223372036854775809", KIS_ERR_SYNTAX, KIS_ERR_RANGE },
        { "u64 max", "18446744073709551615", KIS_OK, KIS_ERR_RANGE },
        { "u64 max + 1", "18446744073709551616", KIS_ERR_RANGE, KIS_ERR_RANGE },
        { "many digits", "99999999999999999999999999", KIS_ERR_RANGE, KIS_ERR_RANGE },
        { "many digits and a tail", "99999999999999999999999999x", KIS_ERR_SYNTAX, KIS_ERR_SYNTAX },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t unsigned_value = 77;
        int64_t signed_value = 77;
        CHECK_ERR(rows[i].u64, kis_u64_parse(kis_str_from_c(rows[i].text), &unsigned_value),
                  rows[i].why);
        CHECK_ERR(rows[i].i64, kis_i64_parse(kis_str_from_c(rows[i].text), &signed_value),
                  rows[i].why);
        CHECK(rows[i].u64 == KIS_OK || unsigned_value == 77, "a refused text leaves `out` alone");
        CHECK(rows[i].i64 == KIS_OK || signed_value == 77, "a refused text leaves `out` alone");
    }
}

TEST(a_hex_digit_is_one_of_22_characters)
{
    static const char digits[] = "0123456789abcdef", upper[] = "ABCDEF";
    for (int c = 0; c < 256; c++) {
        const char *at = c ? strchr(digits, c) : NULL, *upper_at = c ? strchr(upper, c) : NULL;
        CHECK_INT(at         ? at - digits
                  : upper_at ? upper_at - upper + 10
                             : -1,
                  kis_hex_digit((char)c), "each byte");
    }
}

TEST(hex_round_trips_and_is_strict)
{
    uint8_t bytes[256], back[256];
    char text[512];
    for (unsigned i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    kis_hex_format(bytes, 256, text);
    CHECK_STR("00010203", kis_str_of(text, 8), "lower case, high half first");
    CHECK_ERR(KIS_OK, kis_hex_parse(kis_str_of(text, 512), false, back, 256), "reads back");
    CHECK_BYTES(bytes, 256, kis_bytes_of(back, 256), "the same");
    CHECK_ERR(KIS_ERR_SYNTAX, kis_hex_parse(KIS_STR("AB"), false, back, 1), "upper case");
    CHECK_ERR(KIS_OK, kis_hex_parse(KIS_STR("aBCd"), true, back, 2),
              "upper case where it is allowed");
    CHECK_BYTES("\xab\xcd", 2, kis_bytes_of(back, 2), "value");
    CHECK_ERR(KIS_ERR_SYNTAX, kis_hex_parse(KIS_STR("abc"), false, back, 1), "odd");
    CHECK_ERR(KIS_ERR_SYNTAX, kis_hex_parse(KIS_STR("abcd"), false, back, 1), "too long");
    CHECK_ERR(KIS_ERR_SYNTAX, kis_hex_parse(KIS_STR("ab"), false, back, 2), "too short");
    for (unsigned c = 0; c < 256; c++) {
        char digits[2] = { '0', (char)c };
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        back[0] = 0xaa;
        CHECK_ERR(is_digit ? KIS_OK : KIS_ERR_SYNTAX,
                  kis_hex_parse(kis_str_of(digits, 2), false, back, 1), "each byte");
        CHECK(is_digit || back[0] == 0xaa, "a refused text leaves `out` alone");
    }
}

/* RFC 4648, section 10, and what the two alphabets and missing padding add. */
TEST(base64_is_that_of_the_rfc)
{
    static const struct {
        const char *plain, *coded;
    } rows[] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
        { "\xfb\xff\xbf", "+/+/" },
    };
    char coded[16];
    uint8_t plain[16];
    size_t len;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_str want = kis_str_from_c(rows[i].plain), text = kis_str_from_c(rows[i].coded);
        kis_base64_format(kis_bytes_of_str(want), coded);
        CHECK_STR(rows[i].coded, kis_str_of(coded, kis_base64_size(want.len)), "coded");
        CHECK_ERR(KIS_OK, kis_base64_parse(text, plain, want.len, &len), rows[i].coded);
        CHECK_STR(rows[i].plain, kis_str_of((char *)plain, len), "decoded");
        while (kis_str_ends(text, KIS_STR("=")))
            text.len--;
        CHECK_ERR(KIS_OK, kis_base64_parse(text, plain, sizeof(plain), &len), "without padding");
        CHECK_STR(rows[i].plain, kis_str_of((char *)plain, len), "decoded");
    }
    CHECK_ERR(KIS_OK, kis_base64_parse(KIS_STR("-_-_"), plain, sizeof(plain), &len),
              "the URL alphabet");
    CHECK_BYTES("\xfb\xff\xbf", 3, kis_bytes_of(plain, len), "decoded");
}

TEST(what_is_no_base64_is_refused)
{
    static const struct {
        const char *why, *text;
        kis_err want;
    } rows[] = {
        { "one digit", "A", KIS_ERR_SYNTAX },
        { "one digit and padding", "A===", KIS_ERR_SYNTAX },
        { "padding only", "====", KIS_ERR_SYNTAX },
        { "too little padding", "Zg=", KIS_ERR_SYNTAX },
        { "padding where none belongs", "Zm9v=", KIS_ERR_SYNTAX },
        { "padding in the middle", "Zg==Zg==", KIS_ERR_SYNTAX },
        { "blank", "Zm 9", KIS_ERR_SYNTAX },
        { "another character", "Zm9*", KIS_ERR_SYNTAX },
        { "five bytes into four", "Zm9vYmE=", KIS_ERR_LIMIT },
    };
    uint8_t plain[4];
    size_t len = 9;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_ERR(rows[i].want,
                  kis_base64_parse(kis_str_from_c(rows[i].text), plain, sizeof(plain), &len),
                  rows[i].why);
        CHECK_INT(9, len, "a refused text leaves the length alone");
    }
}

TEST_MAIN(RUN(whole_numbers_are_written_as_the_c_library_writes_them),
          RUN(what_is_no_whole_number_is_refused), RUN(a_hex_digit_is_one_of_22_characters),
          RUN(hex_round_trips_and_is_strict), RUN(base64_is_that_of_the_rfc),
          RUN(what_is_no_base64_is_refused))
