/* JSON's scalars: whatever goes in, valid JSON in valid UTF-8 comes out. */
#include "model/json_put.h"

#include <math.h>
#include <string.h>

#include "model/test_spans.h"
#include "tests/test.h"

static uint8_t memory[8192];
static kis_buf out;

TEST(strings_are_escaped_and_repaired)
{
    static const struct {
        const char *why;
        kis_str in;
        const char *want;
    } rows[] = {
        { "plain", KIS_STR_INIT("abc"), "\"abc\"" },
        { "nothing", KIS_STR_INIT(""), "\"\"" },
        { "quote and backslash", KIS_STR_INIT("a\"b\\c/"), "\"a\\\"b\\\\c/\"" },
        { "named controls", KIS_STR_INIT("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"" },
        { "other controls", KIS_STR_INIT("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\\u007f\"" },
        { "a special byte at each place of a block", KIS_STR_INIT("0123456\"89abcde\n01234567"),
          "\"0123456\\\"89abcde\\n01234567\"" },
        { "UTF-8 stays", KIS_STR_INIT("Grüße 東京 \xf0\x9f\x98\x80"),
          "\"Grüße 東京 \xf0\x9f\x98\x80\"" },
        { "bad bytes", KIS_STR_INIT("a\xff\xc3(\xe2\x82"),
          "\"a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\"" },
        { "a surrogate", KIS_STR_INIT("\xed\xa0\x80x"),
          "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\"" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_buf_init_fixed(&out, memory, sizeof memory);
        kis_json_put_str(&out, rows[i].in);
        CHECK_STR(rows[i].want, kis_buf_str(&out), rows[i].why);
    }
}

TEST(repair_is_the_same_wherever_it_is_done)
{
    uint64_t random = 11;
    for (int round = 0; round < 50000; round++) {
        char bytes[24], repaired_memory[128];
        kis_buf repaired;
        size_t len = test_random(&random) % sizeof bytes;
        for (size_t i = 0; i < len; i++) {
            static const uint8_t usual[] = { 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98,
                                             0x80, 0xc3, 0xed, 0xa0, 'a',  'b' };
            bytes[i] = (char)usual[test_random(&random) % sizeof usual];
        }
        kis_buf_init_fixed(&repaired, repaired_memory, sizeof repaired_memory);
        kis_buf_init_fixed(&out, memory, sizeof memory);
        kis_utf8_put_repaired(&repaired, kis_str_of(bytes, len));
        kis_json_put_escaped(&out, kis_str_of(bytes, len));
        CHECK_BYTES(out.ptr, out.len, kis_buf_bytes(&repaired), "both repair alike");
        CHECK(kis_utf8_is_valid(kis_buf_str(&repaired)), "and well");
        CHECK(repaired.len <= 3 * len, "at most three times as long");
        if (kis_utf8_is_valid(kis_str_of(bytes, len)))
            CHECK_BYTES(bytes, len, kis_buf_bytes(&repaired), "good text is left alone");
    }
}

TEST(doubles_are_json)
{
    static const struct {
        double in;
        const char *want;
    } rows[] = {
        { 0.1, "0.1" },
        { -0.0, "-0.0" },
        { 0, "0" },
        { 1e21, "1e21" },
        { 5e-324, "5e-324" },
        { NAN, "\"NaN\"" },
        { INFINITY, "\"Infinity\"" },
        { -INFINITY, "\"-Infinity\"" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_buf_init_fixed(&out, memory, sizeof memory);
        kis_json_put_f64(&out, rows[i].in);
        CHECK_STR(rows[i].want, kis_buf_str(&out), rows[i].want);
    }
}

TEST_MAIN(RUN(strings_are_escaped_and_repaired), RUN(repair_is_the_same_wherever_it_is_done),
          RUN(doubles_are_json))
