/* num_f64_parse.c - text to double, correctly rounded.
 *
 *     digits and exponent --> 1. exact in a double      (Clinger's case: most numbers)
 *                             2. exact in 128 bits      (19 digits, |exponent| <= 19)
 *                             3. exact in a big number  (all others)
 *
 * The first paths are not approximations with a check behind: where they answer, their answer is
 * proved, and where they do not apply, the big numbers decide. A double has at most 767 significant
 * decimal digits, so digits behind the 800th only say "a little more".
 */
#include "base/num_f64.h"

#include "base/num_big.h"

#define DIGITS_MAX   800                /* significant digits of a text that are kept; 768 decide */
#define EXPONENT_MAX 100000000000000000 /* larger ones in a text count as this */

const double kis_f64_exact_powers[KIS_F64_EXACT_POWER_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
};

typedef struct decimal {
    bool is_negative, is_cut; /* cut: digits behind the last kept one are not all zero */
    uint32_t count;           /* significant digits kept, no zeros in front */
    int64_t exponent;         /* value = digits * 10^exponent */
    uint64_t first;           /* the first 19 digits */
    /* where they start in the text, and where they end; a point may be between */
    const char *digits;
    const char *end;
} decimal;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One run of digits into d; answers behind it. `point` is 1 behind the decimal point. */
static const char *decimal_run(decimal *d, const char *p, const char *end, int point)
{
    for (; p < end && is_digit(*p); p++) {
        if (d->count == 0 && *p == '0') {
            d->exponent -= point;
            continue;
        }
        if (d->count == 0)
            d->digits = p;
        if (d->count < DIGITS_MAX) {
            d->first = d->count < 19 ? d->first * 10 + (uint64_t)(*p - '0') : d->first;
            d->count++;
            d->exponent -= point;
        } else {
            d->is_cut |= *p != '0';
            d->exponent += 1 - point;
        }
    }
    d->end = p;
    return p;
}

/* "e-5"; answers behind it, or NULL. */
static const char *decimal_exponent(decimal *d, const char *p, const char *end)
{
    bool is_negative = p < end && *p == '-';
    int64_t exponent = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end || !is_digit(*p))
        return NULL;
    for (; p < end && is_digit(*p); p++)
        exponent = KIS_MIN(exponent * 10 + (*p - '0'), EXPONENT_MAX);
    d->exponent += is_negative ? -exponent : exponent;
    return p;
}

/* JSON's grammar: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static bool decimal_read(kis_str text, decimal *d)
{
    const char *p = text.ptr, *end = text.len ? text.ptr + text.len : text.ptr;

    *d = (decimal){ 0 };
    d->is_negative = p < end && *p == '-';
    p += d->is_negative;
    if (p == end || !is_digit(*p) || (*p == '0' && end - p > 1 && is_digit(p[1])))
        return false;
    p = decimal_run(d, p, end, 0);
    if (p < end && *p == '.') {
        const char *fraction = p + 1;
        p = decimal_run(d, fraction, end, 1);
        if (p == fraction)
            return false;
    }
    if (p < end && (*p == 'e' || *p == 'E'))
        p = decimal_exponent(d, p + 1, end);
    return p == end;
}

static double f64_from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

/* The double nearest to (bits + a little if `has_more`) * 2^exponent, ties to even; `bits` has its
 * top bit set. False when that would be infinite. */
static bool f64_round(uint64_t bits, int exponent, bool has_more, double *out)
{
    /* weight of the last bit kept */
    int last = KIS_MAX(exponent + 64 - KIS_F64_MANTISSA_BITS, KIS_F64_EXPONENT_MIN);
    int cut = last - exponent;

    if (cut > 64) {
        *out = 0;
        return true;
    }
    uint64_t kept = cut == 64 ? 0 : bits >> cut;
    uint64_t half = (uint64_t)1 << (cut - 1);
    uint64_t rest = cut == 64 ? bits : bits & (((uint64_t)1 << cut) - 1);
    if (rest > half || (rest == half && (has_more || (kept & 1))))
        kept++;
    if (kept >> KIS_F64_MANTISSA_BITS) {
        kept >>= 1;
        last++;
    }
    if (last > 971)
        return false;
    uint64_t hidden = (uint64_t)1 << (KIS_F64_MANTISSA_BITS - 1);
    uint64_t biased = kept & hidden ? (uint64_t)(last - KIS_F64_EXPONENT_MIN + 1) : 0;
    *out = f64_from_bits(biased << (KIS_F64_MANTISSA_BITS - 1) | (kept & (hidden - 1)));
    return true;
}

/* Path 1. Both factors are exact, so the one operation rounds once. */
static bool f64_parse_exact(const decimal *d, double *out)
{
    if (d->count > 19 || d->first >> KIS_F64_MANTISSA_BITS ||
        d->exponent < -KIS_F64_EXACT_POWER_MAX || d->exponent > KIS_F64_EXACT_POWER_MAX)
        return false;
    double digits = (double)d->first;
    *out = d->exponent < 0 ? digits / kis_f64_exact_powers[-d->exponent]
                           : digits * kis_f64_exact_powers[d->exponent];
    return true;
}

#ifdef KIS_F64_HAS_WIDE
/* Path 2. first * 10^19 and first * 2^64 / 10^19 both fit 128 bits; a quotient has more than 64
 * bits. */
static bool f64_parse_wide(const decimal *d, double *out)
{
    if (d->count > 19 || d->exponent < -19 || d->exponent > 19)
        return false;
    uint64_t power = 1;
    for (int64_t i = d->exponent < 0 ? -d->exponent : d->exponent; i > 0; i--)
        power *= 10;
    int exponent = 0;
    bool has_more = false;
    kis_f64_wide value = (kis_f64_wide)d->first * power;
    if (d->exponent < 0) {
        unsigned shift = (unsigned)__builtin_clzll(d->first) + 64;
        kis_f64_wide dividend = (kis_f64_wide)d->first << shift;
        value = dividend / power;
        has_more = value * power != dividend;
        exponent = -(int)shift;
    }
    uint64_t high = (uint64_t)(value >> 64);
    unsigned up =
        high ? (unsigned)__builtin_clzll(high) : 64 + (unsigned)__builtin_clzll((uint64_t)value);
    value <<= up;
    has_more |= (uint64_t)value != 0;
    return f64_round((uint64_t)(value >> 64), exponent - (int)up + 64, has_more, out);
}
#else
static bool f64_parse_wide(const decimal *d, double *out)
{
    (void)d;
    (void)out;
    return false;
}
#endif

static void big_from_decimal(kis_big *n, const decimal *d)
{
    uint32_t left = d->count, group = 0, scale = 1;

    kis_big_set(n, 0);
    for (const char *p = d->digits; left > 0; p++) {
        if (*p == '.')
            continue;
        group = group * 10 + (uint32_t)(*p - '0');
        scale *= 10;
        left--;
        if (scale == 1000000000 || left == 0) {
            kis_big_mul_small(n, scale, group);
            group = 0;
            scale = 1;
        }
    }
}

/* Path 3, exponent >= 0: the leading 64 bits of a whole number. */
static bool f64_parse_big_whole(kis_big *n, unsigned power, bool has_more, double *out)
{
    kis_big_mul_pow10(n, power);
    unsigned bits = kis_big_bits(n);
    if (bits <= 64) {
        uint64_t value = kis_big_bits_from(n, 0);
        return f64_round(value << (64 - bits), (int)bits - 64, has_more, out);
    }
    has_more |= !kis_big_is_zero_below(n, bits - 64);
    return f64_round(kis_big_bits_from(n, bits - 64), (int)bits - 64, has_more, out);
}

/* Path 3, exponent < 0: long division until 64 bits of the quotient are there. */
static bool f64_parse_big_fraction(kis_big *n, unsigned power, bool has_more, double *out)
{
    kis_big under;
    kis_big_set(&under, 1);
    kis_big_mul_pow10(&under, power);

    int exponent = 0;
    /* quotient in [2^(lead-1), 2^(lead+1)) */
    int lead = (int)kis_big_bits(n) - (int)kis_big_bits(&under);
    if (lead > 0)
        kis_big_shift(&under, (unsigned)lead);
    else
        kis_big_shift(n, (unsigned)-lead);
    exponent = lead;
    if (kis_big_compare(n, &under) < 0) {
        kis_big_shift(n, 1);
        exponent--;
    }
    uint64_t quotient = kis_big_div_small(n, &under); /* 1 */
    for (int got = 1; got < 64;) {
        int now = KIS_MIN(64 - got, 24);
        kis_big_shift(n, (unsigned)now);
        quotient = quotient << now | kis_big_div_small(n, &under);
        got += now;
    }
    return f64_round(quotient, exponent - 63, has_more || n->len > 0, out);
}

static bool f64_parse_big(const decimal *d, double *out)
{
    int64_t magnitude = d->exponent + d->count; /* value in [10^(m-1), 10^m) */
    if (magnitude > 310)
        return false;
    if (magnitude < -325) {
        *out = 0;
        return true;
    }
    kis_big n;
    big_from_decimal(&n, d);
    return d->exponent >= 0 ? f64_parse_big_whole(&n, (unsigned)d->exponent, d->is_cut, out)
                            : f64_parse_big_fraction(&n, (unsigned)-d->exponent, d->is_cut, out);
}

kis_err kis_f64_parse(kis_str text, double *out)
{
    decimal d;
    double value = 0;

    if (!decimal_read(text, &d))
        return KIS_ERR_SYNTAX;
    if (d.count > 0 && !f64_parse_exact(&d, &value) && !f64_parse_wide(&d, &value) &&
        !f64_parse_big(&d, &value))
        return KIS_ERR_RANGE;
    *out = d.is_negative ? -value : value;
    return KIS_OK;
}
