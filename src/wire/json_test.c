/* Reading JSON: what the grammar takes and refuses, strings, numbers, nesting. */
#include "wire/json.h"

#include <math.h>
#include <string.h>

#include "tests/test.h"

static kis_arena arena;

/* A copy of just that size, so that the sanitizer sees a byte too many. */
static kis_json begin(const char *text, size_t len)
{
    kis_json j;
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    kis_arena_done(&arena);
    kis_arena_init(&arena, test_alloc, 1 << 20);
    kis_json_begin(&j, kis_bytes_of(copy, len), &arena);
    return j;
}
static void end(kis_json *j)
{
    free((void *)j->start);
    kis_arena_done(&arena);
}

TEST(json_takes_and_refuses_what_the_grammar_does)
{
    static const struct {
        const char *why;
        kis_str text;
        bool is_json;
    } rows[] = {
        { "null", KIS_STR_INIT("null"), true },
        { "true", KIS_STR_INIT(" true "), true },
        { "false", KIS_STR_INIT("\tfalse\r\n"), true },
        { "zero", KIS_STR_INIT("0"), true },
        { "minus zero", KIS_STR_INIT("-0"), true },
        { "an exponent", KIS_STR_INIT("-12.5e+10"), true },
        { "a huge exponent", KIS_STR_INIT("1E400"), true },
        { "many digits", KIS_STR_INIT("123456789012345678901234567890"), true },
        { "an empty string", KIS_STR_INIT("\"\""), true },
        { "all escapes", KIS_STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\""), true },
        { "an empty object", KIS_STR_INIT("{ }"), true },
        { "an empty array", KIS_STR_INIT("[ ]"), true },
        { "nested", KIS_STR_INIT("{\"a\":[1,{\"b\":[]},null],\"c\":{}}"), true },
        { "blanks everywhere", KIS_STR_INIT(" [ 1 , { \"a\" : 2 } ] "), true },
        { "a byte order mark", KIS_STR_INIT("\xef\xbb\xbf[]"), true },
        { "bytes that are no UTF-8", KIS_STR_INIT("\"\xff\""), true },
        { "delete is no control character", KIS_STR_INIT("\"\x7f\""), true },
        { "nothing", KIS_STR_INIT(""), false },
        { "blanks", KIS_STR_INIT("  "), false },
        { "nul", KIS_STR_INIT("nul"), false },
        { "True", KIS_STR_INIT("True"), false },
        { "nullnull", KIS_STR_INIT("nullnull"), false },
        { "plus", KIS_STR_INIT("+1"), false },
        { "a leading zero", KIS_STR_INIT("01"), false },
        { "no digit before the dot", KIS_STR_INIT(".5"), false },
        { "no digit behind the dot", KIS_STR_INIT("5."), false },
        { "no digit in the exponent", KIS_STR_INIT("5e"), false },
        { "only a sign", KIS_STR_INIT("-"), false },
        { "hex", KIS_STR_INIT("0x10"), false },
        { "NaN", KIS_STR_INIT("NaN"), false },
        { "Infinity", KIS_STR_INIT("-Infinity"), false },
        { "single quotes", KIS_STR_INIT("'a'"), false },
        { "no end quote", KIS_STR_INIT("\"a"), false },
        { "an escaped end quote", KIS_STR_INIT("\"a\\\""), false },
        { "a control character", KIS_STR_INIT("\"a\nb\""), false },
        { "a NUL inside", KIS_STR_INIT("\"a\0b\""), false },
        { "an escape that is none", KIS_STR_INIT("\"\\x41\""), false },
        { "three digits", KIS_STR_INIT("\"\\u12\""), false },
        { "no hex digits", KIS_STR_INIT("\"\\u12g4\""), false },
        { "an open array", KIS_STR_INIT("[1"), false },
        { "an open object", KIS_STR_INIT("{\"a\":1"), false },
        { "a trailing comma", KIS_STR_INIT("[1,]"), false },
        { "a trailing comma in an object", KIS_STR_INIT("{\"a\":1,}"), false },
        { "only a comma", KIS_STR_INIT("[,]"), false },
        { "two commas", KIS_STR_INIT("[1,,2]"), false },
        { "no comma", KIS_STR_INIT("[1 2]"), false },
        { "no colon", KIS_STR_INIT("{\"a\" 1}"), false },
        { "no value", KIS_STR_INIT("{\"a\":}"), false },
        { "no key", KIS_STR_INIT("{:1}"), false },
        { "a key without quotes", KIS_STR_INIT("{a:1}"), false },
        { "wrong end", KIS_STR_INIT("[1}"), false },
        { "other wrong end", KIS_STR_INIT("{\"a\":1]"), false },
        { "a comment", KIS_STR_INIT("[1/*2*/]"), false },
        { "two values", KIS_STR_INIT("1 2"), false },
        { "an end too many", KIS_STR_INIT("[]]"), false },
        { "only an end", KIS_STR_INIT("]"), false },
        { "a NUL behind the end", KIS_STR_INIT("1\0"), false },
    };
    test_alloc_reset(-1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_json j = begin(rows[i].text.ptr, rows[i].text.len);
        kis_json_skip(&j);
        CHECK_INT(rows[i].is_json, kis_json_end(&j), rows[i].why);
        CHECK(rows[i].is_json ||
                  (j.err == KIS_ERR_SYNTAX && j.what && kis_json_offset(&j) <= rows[i].text.len),
              rows[i].why);
        end(&j);
    }
}

TEST(json_strings_have_their_escapes_undone)
{
    static const struct {
        const char *why;
        kis_str text, want;
    } rows[] = {
        { "plain", KIS_STR_INIT("\"abc\""), KIS_STR_INIT("abc") },
        { "longer than a block", KIS_STR_INIT("\"0123456789abcdef0123456789abcdef\\n\""),
          KIS_STR_INIT("0123456789abcdef0123456789abcdef\n") },
        { "short escapes", KIS_STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
          KIS_STR_INIT("\"\\/\b\f\n\r\t") },
        { "two bytes", KIS_STR_INIT("\"\\u00e9\\u00E9\""), KIS_STR_INIT("éé") },
        { "three bytes", KIS_STR_INIT("\"\\u6771x\""), KIS_STR_INIT("東x") },
        { "a pair", KIS_STR_INIT("\"\\ud83d\\ude00!\""), KIS_STR_INIT("\xf0\x9f\x98\x80!") },
        { "NUL is kept", KIS_STR_INIT("\"a\\u0000b\""), KIS_STR_INIT("a\0b") },
        { "a lone first half", KIS_STR_INIT("\"\\ud83d!\""), KIS_STR_INIT("\xef\xbf\xbd!") },
        { "a lone second half", KIS_STR_INIT("\"\\ude00\""), KIS_STR_INIT("\xef\xbf\xbd") },
        { "two first halves", KIS_STR_INIT("\"\\ud83d\\ud83d\\ude00\""),
          KIS_STR_INIT("\xef\xbf\xbd\xf0\x9f\x98\x80") },
        { "a half at the end", KIS_STR_INIT("\"\\ud83d\\\\\""), KIS_STR_INIT("\xef\xbf\xbd\\") },
        { "raw bytes stay", KIS_STR_INIT("\"\xff\\n\""), KIS_STR_INIT("\xff\n") },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_json j = begin(rows[i].text.ptr, rows[i].text.len);
        kis_str got;
        CHECK(kis_json_str(&j, &got) && kis_json_end(&j), rows[i].why);
        CHECK(kis_str_eq(rows[i].want, got), rows[i].why);
        end(&j);
    }
}

TEST(json_integers_are_exact_over_64_bits)
{
    static const struct {
        const char *text;
        bool is_u64;
        uint64_t u64;
        bool is_i64;
        int64_t i64;
    } rows[] = {
        { "0", true, 0, true, 0 },
        { "\"17\"", true, 17, true, 17 },
        { "-1", false, 0, true, -1 },
        { "9007199254740993", true, 9007199254740993u, true, 9007199254740993 },
        { "9223372036854775807", true, INT64_MAX, true, INT64_MAX },
        { "\"9223372036854775808\"", true, 1ull << 63, false, 0 },
        { "-9223372036854775808", false, 0, true, INT64_MIN },
        { "-9223372036854775809", false, 0, false, 0 },
        { "18446744073709551615", true, UINT64_MAX, false, 0 },
        { "18446744073709551616", false, 0, false, 0 },
        { "1e3", true, 1000, true, 1000 },
        { "5.0", true, 5, true, 5 },
        { "-5.0e1", false, 0, true, -50 },
        { "0.5", false, 0, false, 0 },
        { "1e30", false, 0, false, 0 },
        { "\"\"", false, 0, false, 0 },
        { "\"x\"", false, 0, false, 0 },
        { "true", false, 0, false, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t u64 = 0;
        int64_t i64 = 0;
        kis_json j = begin(rows[i].text, strlen(rows[i].text));
        CHECK_INT(rows[i].is_u64, kis_json_u64(&j, &u64), rows[i].text);
        CHECK(!rows[i].is_u64 || u64 == rows[i].u64, rows[i].text);
        end(&j);
        j = begin(rows[i].text, strlen(rows[i].text));
        CHECK_INT(rows[i].is_i64, kis_json_i64(&j, &i64), rows[i].text);
        CHECK(!rows[i].is_i64 || i64 == rows[i].i64, rows[i].text);
        end(&j);
    }
}

TEST(json_doubles_have_words_for_what_is_no_number)
{
    static const struct {
        const char *text;
        bool is_good;
        double want;
    } rows[] = {
        { "1.5", true, 1.5 },
        { "\"1.5\"", true, 1.5 },
        { "-0", true, -0.0 },
        { "5e-324", true, 5e-324 },
        { "1e400", false, 0 },
        { "\"NaN\"", true, NAN },
        { "\"Infinity\"", true, INFINITY },
        { "\"-Infinity\"", true, -INFINITY },
        { "\"nan\"", false, 0 },
        { "NaN", false, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double got = 77;
        kis_json j = begin(rows[i].text, strlen(rows[i].text));
        CHECK_INT(rows[i].is_good, kis_json_f64(&j, &got), rows[i].text);
        CHECK(!rows[i].is_good ||
                  (isnan(rows[i].want) ? isnan(got) : memcmp(&got, &rows[i].want, 8) == 0),
              rows[i].text);
        end(&j);
    }
}

static char deep[200001];

TEST(json_nesting_is_bounded)
{
    for (size_t depth = KIS_JSON_DEPTH_MAX; depth <= 100000; depth += 100000 - KIS_JSON_DEPTH_MAX) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        kis_json j = begin(deep, 2 * depth);
        CHECK_INT(depth == KIS_JSON_DEPTH_MAX, kis_json_skip(&j) && kis_json_end(&j),
                  "as deep as may be, and deeper");
        end(&j);
    }
}

TEST(json_members_are_pulled_in_order)
{
    static const char text[] =
        "{\"a\":1,\"skip\":{\"a\":[2]},\"list\":[true,\"x\",null],\"z\":\"\\n\"}";
    kis_json j = begin(text, sizeof text - 1);
    kis_str key, got = KIS_STR_NONE;
    int64_t a = 0;
    bool truth = false;
    int items = 0;
    for (kis_json_object(&j); kis_json_member(&j, &key);) {
        if (kis_str_eq(key, KIS_STR("a"))) {
            kis_json_i64(&j, &a);
        } else if (kis_str_eq(key, KIS_STR("list"))) {
            for (kis_json_array(&j); kis_json_item(&j); items++)
                (void)(items == 0   ? kis_json_bool(&j, &truth)
                       : items == 1 ? kis_json_str(&j, &got)
                                    : kis_json_null(&j));
        } else {
            kis_json_skip(&j);
        }
    }
    CHECK(kis_json_end(&j), "all of it");
    CHECK_INT(1, a, "not the inner one");
    CHECK_INT(3, items, "items");
    CHECK(truth, "true");
    CHECK_STR("x", got, "a text");
    end(&j);
}

TEST(json_without_memory_says_so)
{
    kis_json j;
    kis_str got;
    kis_arena small;
    test_alloc_reset(0);
    kis_arena_init(&small, test_alloc, 1 << 20);
    kis_json_begin(&j, kis_bytes_of("\"\\n\"", 4), &small);
    CHECK(!kis_json_str(&j, &got) && j.err == KIS_ERR_NOMEM, "no memory");
    test_alloc_reset(-1);
    kis_arena_done(&small);
}

TEST_MAIN(RUN(json_takes_and_refuses_what_the_grammar_does),
          RUN(json_strings_have_their_escapes_undone), RUN(json_integers_are_exact_over_64_bits),
          RUN(json_doubles_have_words_for_what_is_no_number), RUN(json_nesting_is_bounded),
          RUN(json_members_are_pulled_in_order), RUN(json_without_memory_says_so))
