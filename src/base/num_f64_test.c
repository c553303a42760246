/* num_f64_test.c - doubles against the C library's strtod and %.17g, at random and where it hurts.
 */
#include "tests/test.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/num.h"

static uint64_t random_state = 88172645463325252u;
static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x9e3779b97f4a7c15u;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

static void check_parse(const char *text)
{
    double got = 77, want = strtod(text, NULL);
    kis_err err = kis_f64_parse(kis_str_from_c(text), &got);
    if (isinf(want)) {
        CHECK_ERR(KIS_ERR_RANGE, err, text);
        CHECK(got == 77, "a refused text leaves `out` alone");
        return;
    }
    CHECK_ERR(KIS_OK, err, text);
    if (bits_of(want) != bits_of(got))
        fail_msg("%.60s: want %.17g, got %.17g", text, want, got);
}

/* Significant digits of a text in any of the notations. */
static int digit_count(const char *text)
{
    int count = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && count == 0))
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        count++;
    }
    return count - zeros;
}

static void check_format(double value)
{
    char text[KIS_NUM_TEXT_MAX + 1], shorter[64];
    size_t len = kis_f64_format(value, text);
    CHECK(len <= KIS_NUM_TEXT_MAX, "fits");
    text[len] = '\0';
    double libc = strtod(text, NULL), own = 0;
    if (bits_of(libc) != bits_of(value))
        fail_msg("%.17g is written as %s", value, text);
    CHECK_ERR(KIS_OK, kis_f64_parse(kis_str_of(text, len), &own), text);
    CHECK(bits_of(own) == bits_of(value), text);
    for (int digits = 1; digits <= 17; digits++) { /* the shortest that the C library can make */
        snprintf(shorter, sizeof(shorter), "%.*e", digits - 1, value);
        if (strtod(shorter, NULL) != value)
            continue;
        if (digit_count(text) > digits)
            fail_msg("%s is longer than %s", text, shorter);
        break;
    }
}

TEST(random_doubles_round_trip_and_are_shortest)
{
    for (int i = 0; i < 60000; i++) {
        double value = from_bits(random_bits());
        if (isfinite(value))
            check_format(value);
        check_format((double)(random_bits() >> 11) / 9007199254740992.0); /* [0, 1) */
        /* what people write */
        check_format((double)(int64_t)(random_bits() % 2000001 - 1000000) / 1000.0);
        check_format(from_bits(random_bits() & 0x800fffffffffffffu)); /* subnormal */
    }
}

TEST(hard_doubles_round_trip_and_are_shortest)
{
    static const double hard[] = {
        5e-324,
        DBL_MIN,
        DBL_MAX,
        2.2250738585072011e-308,
        1.7976931348623155e308,
        9007199254740991.0,
        9007199254740992.0,
        9007199254740994.0,
        9.5e-323,
        1e23,
        9.999999999999999e22,
        4.35,
        0.1,
        0.3,
        2e-323,
        123456789012345680.0,
        1e15,
        999999999999999.9,
        1e21,
        1e22,
        1.5e300,
        5e-7,
        4.9e-6,
        2.98023223876953125e-8,
        1.0 / 3,
        100000000000000.02,
        9223372036854775808.0,
    };
    for (size_t i = 0; i < COUNT_OF(hard); i++) {
        check_format(hard[i]);
        check_format(-hard[i]);
        check_format(nextafter(hard[i], 0));
        check_format(nextafter(hard[i], DBL_MAX));
    }
    for (int exponent = -1074; exponent <= 1023; exponent++) { /* uneven neighbours */
        check_format(ldexp(1, exponent));
        check_format(nextafter(ldexp(1, exponent), 0));
        check_format(nextafter(ldexp(1, exponent), DBL_MAX));
    }
    for (int exponent = -323; exponent <= 308; exponent++) {
        char text[16];
        snprintf(text, sizeof(text), "1e%d", exponent);
        check_parse(text);
        check_format(strtod(text, NULL));
    }
}

TEST(doubles_are_written_as_javascript_does)
{
    static const struct {
        double value;
        const char *want;
    } rows[] = {
        { 0.0, "0" },
        { -0.0, "-0" },
        { 1, "1" },
        { -1.5, "-1.5" },
        { 0.1, "0.1" },
        { 1e21, "1e21" },
        { 1e20, "100000000000000000000" },
        { 123456789012345680000.0, "123456789012345680000" },
        { 0.000001, "0.000001" },
        { 0.0000001, "1e-7" },
        { 1.5e-7, "1.5e-7" },
        { 5e-324, "5e-324" },
        { 1.7976931348623157e308, "1.7976931348623157e308" },
        { 9007199254740993.0, "9007199254740992" },
        { 123.456, "123.456" },
        { 1e23, "1e23" },
        { -1.25e-9, "-1.25e-9" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { INFINITY, "Infinity" },
        { -INFINITY, "-Infinity" },
        { NAN, "NaN" },
        { 100, "100" },
        { 4294967296.5, "4294967296.5" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[KIS_NUM_TEXT_MAX];
        CHECK_STR(rows[i].want, kis_str_of(text, kis_f64_format(rows[i].value, text)), "notation");
    }
}

TEST(random_texts_are_read_as_the_c_library_reads_them)
{
    char text[1100];
    for (int i = 0; i < 60000; i++) {
        double value = from_bits(random_bits());
        if (!isfinite(value))
            continue;
        snprintf(text, sizeof(text), "%.*e", (int)(random_bits() % 40), value);
        check_parse(text);
        snprintf(text, sizeof(text), "%llu.%llue%d",
                 (unsigned long long)(random_bits() >> random_bits() % 64),
                 (unsigned long long)(random_bits() >> random_bits() % 64),
                 (int)(random_bits() % 60) - 30);
        check_parse(text);
        snprintf(text, sizeof(text), "%llue%d",
                 (unsigned long long)(random_bits() >> random_bits() % 64),
                 (int)(random_bits() % 700) - 350);
        check_parse(text);
    }
}

/* The exact middle between two doubles, and the middle and a little more or less, with all its
 * digits. */
TEST(halfway_cases_are_rounded_to_even_and_a_little_more_up)
{
    char text[1400];
    for (int i = 0; i < 3000; i++) {
        uint64_t bits = random_bits() & 0x7fffffffffffffffu;
        if (i % 3 == 0)
            bits &= 0x000fffffffffffffu; /* between subnormals */
        else if (i % 3 == 1)
            bits = (bits & 0x000fffffffffffffu) | (uint64_t)(1000 + bits % 60) << 52;
        double low = from_bits(bits), high = from_bits(bits + 1);
        if (!isfinite(high))
            continue;
        /* exact: 64 bits of mantissa */
        long double middle = ((long double)low + (long double)high) / 2;
        int len = snprintf(text, sizeof(text), "%.1100Le", middle);
        char *exponent = strchr(text, 'e');
        CHECK(len > 1100 && exponent, "all digits are there");
        check_parse(text);
        char tail[16];
        snprintf(tail, sizeof(tail), "%s", exponent);
        /* a little more */
        snprintf(exponent, sizeof(text) - (size_t)(exponent - text), "000000001%s", tail);
        check_parse(text);
        exponent[8] = '0'; /* the middle again, longer */
        check_parse(text);
        for (char *p = exponent - 1; p > text; p--) { /* a little less */
            if (*p == '.')
                continue;
            if (*p != '0') {
                --*p;
                break;
            }
            *p = '9';
        }
        check_parse(text);
    }
}

TEST(hard_texts_are_read_as_the_c_library_reads_them)
{
    static const char *const hard[] = {
        "0",
        "-0",
        "0.0",
        "-0.0e5",
        "0e999999999999",
        "0.000e-99999",
        "1e-99999999999999999999",
        "1e99999999999999999999",
        "5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.47032822920623272e-324",
        "4.9406564584124654e-324",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1.797693134862315807e308",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017"
        "977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273"
        "854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704"
        "342711559699508093042880",
        "179769313486231570814527423731704356798070567525844996598917476803157260780028538760589558"
        "632766878171540458953514382464234321326889464182768467546703537516986049910576551282076245"
        "490090389328944075868508455133942304583236903222948165808559332123347747978",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "2.2250738585072014e-308",
        "9007199254740993",
        "9007199254740992.999999999999999999999999",
        "9007199254740993.000000000000000000000001",
        "6929495644600919.5",
        "3.7455744005952583e15",
        "123456789012345678901234567890",
        "0.1e1",
        "10e-1",
        "1E+5",
        "1e-0005",
        "7."
        "410984687618698162648531893023320585475897039214871466383785237510132609053131277979497545"
        "424539885696948470431685765963899850655339096945981621940161728171894510697854671067917687"
        "257517734731555330779540854980960845750095811137303474765809687100959097544227100475730780"
        "971111893578483867565399878350301522805593404659373979179073872386829939581848166016912201"
        "945649993128979841136206248449867871357218035220901702390328579173252022052897402080290685"
        "402160661237554998340267130003581248647904138574340187552090159017259254714629617513415977"
        "493871857473787096164563890871811984127167305601704549300470526959016576377688490826798697"
        "257336652176556794107250876433756084600398490497214911746308553955635418864151316847843631"
        "3080237596295773983001708984375e-324",
    };
    for (size_t i = 0; i < COUNT_OF(hard); i++)
        check_parse(hard[i]);
    static char zeros[120000];
    memset(zeros, '0', sizeof(zeros));
    memcpy(zeros, "0.", 2);
    memcpy(zeros + 110000, "15e109999", 10);
    check_parse(zeros); /* as many zeros as the exponent takes away */
    memset(zeros, '0', sizeof(zeros));
    memcpy(zeros, "1", 1);
    memcpy(zeros + 110000, ".5e-110000", 11);
    check_parse(zeros);
}

TEST(what_is_no_json_number_is_refused)
{
    static const char *const wrong[] = {
        "",      "-",   "+1",   "01",  "-01", "00",   ".5",    "1.",       "1.e5",
        "1e",    "1e+", "1e5x", " 1",  "1 ",  "0x10", "NaN",   "Infinity", "inf",
        "1e5.5", "--1", "1..2", "1,5", "e5",  "-.5",  "1_000",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        double value = 77;
        CHECK_ERR(KIS_ERR_SYNTAX, kis_f64_parse(kis_str_from_c(wrong[i]), &value), wrong[i]);
        CHECK(value == 77, "a refused text leaves `out` alone");
    }
    double value = 77;
    CHECK_ERR(KIS_ERR_SYNTAX, kis_f64_parse(KIS_STR_NONE, &value), "no text at all");
    CHECK_ERR(KIS_ERR_RANGE, kis_f64_parse(KIS_STR("-1e309"), &value), "would be infinite");
}

TEST_MAIN(RUN(random_doubles_round_trip_and_are_shortest),
          RUN(hard_doubles_round_trip_and_are_shortest),
          RUN(doubles_are_written_as_javascript_does),
          RUN(random_texts_are_read_as_the_c_library_reads_them),
          RUN(halfway_cases_are_rounded_to_even_and_a_little_more_up),
          RUN(hard_texts_are_read_as_the_c_library_reads_them),
          RUN(what_is_no_json_number_is_refused))
