/* num_unit.c - numbers that people write with a unit: durations, sizes, times.
 *
 * A decimal in front of a unit is read exactly, as whole and fraction of 10^18, never through a
 * double: "0.1s" is 100000000 ns. What is finer than the smallest unit is cut off.
 */
#include "base/num.h"

#define FRACTION_DIGITS 18
#define FRACTION_ONE    1000000000000000000u

/* 12.5 is whole 12 and fraction 5 * 10^17. */
typedef struct unit_number {
    uint64_t whole, fraction;
} unit_number;

/* False when the product fits. In halves: for 64 bits the compiler's builtin may want a function of
 * its run-time library, and WebAssembly has none here. */
static bool unit_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t a_low = (uint32_t)a, a_high = a >> 32, b_low = (uint32_t)b, b_high = b >> 32;
    /* one of the two is 0, or it does not fit anyway */
    uint64_t cross = a_high * b_low + a_low * b_high;

    *out = a * b;
    return (a_high && b_high) || cross >> 32 ||
           __builtin_add_overflow(a_low * b_low, cross << 32, out);
}

static bool unit_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes a decimal off the front of `text`: "12", "12.5", ".5", "12.". */
static kis_err unit_number_take(kis_str *text, unit_number *out)
{
    size_t i = 0, digits = 0;
    uint64_t scale = FRACTION_ONE;
    bool is_too_big = false;

    *out = (unit_number){ 0 };
    for (; i < text->len && unit_is_digit(text->ptr[i]); i++, digits++) {
        is_too_big |= unit_mul(out->whole, (uint64_t)10, &out->whole);
        is_too_big |=
            __builtin_add_overflow(out->whole, (uint64_t)(text->ptr[i] - '0'), &out->whole);
    }
    if (i < text->len && text->ptr[i] == '.') {
        for (i++; i < text->len && unit_is_digit(text->ptr[i]); i++, digits++) {
            scale /= 10; /* 0 behind the 18th digit */
            out->fraction += scale * (uint64_t)(text->ptr[i] - '0');
        }
    }
    if (digits == 0)
        return KIS_ERR_SYNTAX;
    *text = kis_str_slice(*text, i, text->len);
    return is_too_big ? KIS_ERR_RANGE : KIS_OK;
}

/* fraction / 10^18 * unit, cut off; digit by digit from the last one, because the product of the
 * two would not fit. Cutting off at each step loses nothing: what is added is whole. */
static uint64_t unit_fraction(uint64_t fraction, uint64_t unit)
{
    uint64_t result = 0;
    for (int i = 0; i < FRACTION_DIGITS; i++) {
        result = (fraction % 10 * unit + result) / 10; /* unit <= 2^60, so this fits */
        fraction /= 10;
    }
    return result;
}

/* sum += number * unit */
static kis_err unit_add(uint64_t *sum, unit_number number, uint64_t unit)
{
    uint64_t product;
    if (unit_mul(number.whole, unit, &product) ||
        __builtin_add_overflow(product, unit_fraction(number.fraction, unit), &product) ||
        __builtin_add_overflow(*sum, product, sum))
        return KIS_ERR_RANGE;
    return KIS_OK;
}

/* ---- durations ---- */

static const struct {
    kis_str name;
    uint64_t ns;
} duration_units[] = {
    /* the longer name first where one starts with the other */
    { KIS_STR_INIT("ns"), 1 },
    { KIS_STR_INIT("us"), 1000 },
    { KIS_STR_INIT("\xc2\xb5s"), 1000 }, /* the micro sign */
    { KIS_STR_INIT("\xce\xbcs"), 1000 }, /* the Greek letter */
    { KIS_STR_INIT("ms"), 1000000 },
    { KIS_STR_INIT("s"), 1000000000 },
    { KIS_STR_INIT("m"), 60000000000 },
    { KIS_STR_INIT("h"), 3600000000000 },
    { KIS_STR_INIT("d"), 86400000000000 },
};

static uint64_t duration_unit_take(kis_str *text)
{
    for (size_t i = 0; i < KIS_COUNT_OF(duration_units); i++) {
        kis_str name = duration_units[i].name;
        if (kis_str_starts(*text, name)) {
            *text = kis_str_slice(*text, name.len, text->len);
            return duration_units[i].ns;
        }
    }
    return 0;
}

kis_err kis_duration_parse(kis_str text, int64_t *out_ns)
{
    bool is_negative = kis_str_starts(text, KIS_STR("-"));
    uint64_t sum = 0;
    kis_err range = KIS_OK; /* reported only when the rest is well formed */

    if (is_negative || kis_str_starts(text, KIS_STR("+")))
        text = kis_str_slice(text, 1, text.len);
    if (text.len == 0)
        return KIS_ERR_SYNTAX;
    bool is_zero = kis_str_eq(text, KIS_STR("0")); /* the one number that needs no unit */
    while (text.len > 0 && !is_zero) {
        unit_number number;
        kis_err err = unit_number_take(&text, &number);
        if (err == KIS_ERR_SYNTAX)
            return err;
        uint64_t unit = duration_unit_take(&text);
        if (unit == 0)
            return KIS_ERR_SYNTAX;
        range = range ? range : err ? err : unit_add(&sum, number, unit);
    }
    if (range || sum > (uint64_t)INT64_MAX + is_negative)
        return KIS_ERR_RANGE;
    *out_ns = is_negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return KIS_OK;
}

/* "12.5": value / unit, with as many digits as it takes; unit is a power of ten. */
static size_t unit_decimal_format(uint64_t value, uint64_t unit, char *out)
{
    size_t len = kis_u64_format(value / unit, out);
    uint64_t rest = value % unit;
    if (rest > 0)
        out[len++] = '.';
    while (rest > 0) {
        unit /= 10;
        out[len++] = (char)('0' + rest / unit);
        rest %= unit;
    }
    return len;
}

static size_t unit_put(char *out, uint64_t value, uint64_t unit, kis_str name)
{
    size_t len = unit_decimal_format(value, unit, out);
    memcpy(out + len, name.ptr, name.len);
    return len + name.len;
}

size_t kis_duration_format(int64_t ns, char out[KIS_NUM_TEXT_MAX])
{
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    size_t len = 0;

    if (left == 0)
        return unit_put(out, 0, 1, KIS_STR("s"));
    if (ns < 0)
        out[len++] = '-';
    if (left < 1000)
        return len + unit_put(out + len, left, 1, KIS_STR("ns"));
    if (left < 1000000)
        return len + unit_put(out + len, left, 1000, KIS_STR("us"));
    if (left < 1000000000)
        return len + unit_put(out + len, left, 1000000, KIS_STR("ms"));
    if (left >= 3600000000000u)
        len += unit_put(out + len, left / 3600000000000u, 1, KIS_STR("h"));
    left %= 3600000000000u;
    if (left >= 60000000000u)
        len += unit_put(out + len, left / 60000000000u, 1, KIS_STR("m"));
    left %= 60000000000u;
    return left > 0 ? len + unit_put(out + len, left, 1000000000, KIS_STR("s")) : len;
}

/* ---- sizes ---- */

static const char size_letters[] = "KMGTPE";

/* The bytes of "", "B", "K", "KB", "KiB", "Ki", ... in any case, or 0. */
static uint64_t size_unit(kis_str name)
{
    if (name.len > 0 && (name.ptr[name.len - 1] | 0x20) == 'b')
        name.len--;
    if (name.len == 0)
        return 1;
    bool is_binary = name.len == 2 && (name.ptr[1] | 0x20) == 'i';
    if (name.len > 2 || (name.len == 2 && !is_binary))
        return 0;
    uint64_t bytes = 1;
    for (const char *letter = size_letters; *letter; letter++) {
        bytes *= is_binary ? 1024 : 1000;
        if ((name.ptr[0] | 0x20) == (*letter | 0x20))
            return bytes;
    }
    return 0;
}

kis_err kis_size_parse(kis_str text, uint64_t *out_bytes)
{
    unit_number number;
    uint64_t bytes = 0;

    kis_err range = unit_number_take(&text, &number);
    if (range == KIS_ERR_SYNTAX)
        return range;
    if (kis_str_starts(text, KIS_STR(" ")) && text.len > 1)
        text = kis_str_slice(text, 1, text.len);
    uint64_t unit = size_unit(text);
    if (unit == 0)
        return KIS_ERR_SYNTAX;
    kis_err err = range ? range : unit_add(&bytes, number, unit);
    if (err)
        return err;
    *out_bytes = bytes;
    return KIS_OK;
}

size_t kis_size_format(uint64_t bytes, char out[KIS_NUM_TEXT_MAX])
{
    if (bytes < 1024)
        return unit_put(out, bytes, 1, KIS_STR(" B"));
    const char *letter = size_letters;
    uint64_t unit = 1024, tenths;
    for (;;) {
        tenths = bytes / unit * 10 + (bytes % unit * 10 + unit / 2) / unit;
        if (tenths < 10240 || !letter[1]) /* 1023.95 KiB would be written as 1024.0 */
            break;
        unit *= 1024;
        letter++;
    }
    size_t len = kis_u64_format(tenths / 10, out);
    memcpy(out + len, ".0 KiB", 6);
    out[len + 1] = (char)('0' + tenths % 10);
    out[len + 3] = *letter;
    return len + 6;
}

/* ---- times ---- */

#define SECOND_NS 1000000000u

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years count from March, so that a leap
 * day is a year's last. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = year / 400; /* years are positive here */
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = days / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153; /* 0 is March */
    *day = (unsigned)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (unsigned)(year_of_era + era * 400 + (*month <= 2));
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static void digits_put(char *out, unsigned value, unsigned count)
{
    while (count-- > 0) {
        out[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

size_t kis_time_format(uint64_t unix_ns, char out[KIS_NUM_TEXT_MAX])
{
    uint64_t seconds = unix_ns / SECOND_NS;
    unsigned second = (unsigned)(seconds % 86400), year, month, day;

    date_from_days((int64_t)(seconds / 86400), &year, &month, &day);
    memcpy(out, "0000-00-00T00:00:00.000000000Z", 30);
    digits_put(out, year, 4);
    digits_put(out + 5, month, 2);
    digits_put(out + 8, day, 2);
    digits_put(out + 11, second / 3600, 2);
    digits_put(out + 14, second / 60 % 60, 2);
    digits_put(out + 17, second % 60, 2);
    digits_put(out + 20, (unsigned)(unix_ns % SECOND_NS), 9);
    return 30;
}

/* Exactly `count` digits off the front. */
static bool digits_take(kis_str *text, unsigned count, unsigned *out)
{
    unsigned value = 0;
    if (text->len < count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (!unit_is_digit(text->ptr[i]))
            return false;
        value = value * 10 + (unsigned)(text->ptr[i] - '0');
    }
    *text = kis_str_slice(*text, count, text->len);
    *out = value;
    return true;
}

/* One of the characters of `any` off the front; '\0' when there is none. */
static char char_take(kis_str *text, const char *any)
{
    if (text->len == 0 || kis_str_find_char(kis_str_from_c(any), text->ptr[0]) == KIS_STR_NPOS)
        return '\0';
    char c = text->ptr[0];
    *text = kis_str_slice(*text, 1, text->len);
    return c;
}

/* ".123": up to nine digits as nanoseconds. */
static bool time_fraction_take(kis_str *text, unsigned *out_ns)
{
    unsigned digits = 0, scale = SECOND_NS, digit;

    *out_ns = 0;
    if (!char_take(text, "."))
        return true;
    for (; digits < 9 && digits_take(text, 1, &digit); digits++) {
        scale /= 10;
        *out_ns += digit * scale;
    }
    return digits > 0;
}

/* "Z" or "+02:00". */
static bool time_zone_take(kis_str *text, int64_t *out_seconds, bool *in_range)
{
    unsigned hours, minutes;
    char sign = char_take(text, "Zz+-");

    *out_seconds = 0;
    if (sign == 'Z' || sign == 'z')
        return true;
    if (!sign || !digits_take(text, 2, &hours) || !char_take(text, ":") ||
        !digits_take(text, 2, &minutes))
        return false;
    *in_range &= hours <= 23 && minutes <= 59;
    *out_seconds = (int64_t)(hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
    return true;
}

kis_err kis_time_parse(kis_str text, uint64_t *out_unix_ns)
{
    unsigned year, month, day, hour, minute, second, ns;
    int64_t zone;
    bool in_range = true;

    if (!digits_take(&text, 4, &year) || !char_take(&text, "-") || !digits_take(&text, 2, &month) ||
        !char_take(&text, "-") || !digits_take(&text, 2, &day) || !char_take(&text, "Tt ") ||
        !digits_take(&text, 2, &hour) || !char_take(&text, ":") ||
        !digits_take(&text, 2, &minute) || !char_take(&text, ":") ||
        !digits_take(&text, 2, &second) || !time_fraction_take(&text, &ns) ||
        !time_zone_take(&text, &zone, &in_range) || text.len > 0)
        return KIS_ERR_SYNTAX;
    if (!in_range || year < 1 || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 59)
        return KIS_ERR_RANGE;

    int64_t seconds = days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    uint64_t unix_ns;
    seconds -= zone;
    if (seconds < 0 || unit_mul((uint64_t)seconds, (uint64_t)SECOND_NS, &unix_ns) ||
        __builtin_add_overflow(unix_ns, (uint64_t)ns, &unix_ns))
        return KIS_ERR_RANGE;
    *out_unix_ns = unix_ns;
    return KIS_OK;
}
