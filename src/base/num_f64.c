/* num_f64.c - doubles as text and back, both exact.
 *
 *     parse    digits and exponent --> 1. exact in a double        (Clinger's case: most numbers)
 *                                      2. exact in 128 bits        (19 digits, |exponent| <= 19)
 *                                      3. exact in a big number    (all others)
 *     format   1. a whole number below 2^53
 *              2. at most 15 digits: m / 10^k is exactly the double (what people write)
 *              3. the same in 128 bits: 17 digits and the two ends of what reads back the same,
 *                 then digits are taken away while one number in between is left (1e-4 to 1e17)
 *              4. Steele and White's free-format algorithm with big numbers (all others)
 *
 * The first paths are not approximations with a check behind: where they answer, their answer is
 * proved, and where they do not apply, the big numbers decide. A double has at most 767 significant
 * decimal digits, so digits behind the 800th only say "a little more".
 *
 * Written as ECMAScript writes numbers (plain from 1e-6 up to 1e21), but "-0" keeps its sign.
 */
#include "base/num.h"

#include "base/check.h"

#define DIGITS_MAX    800 /* significant digits of a text that are kept; 768 decide */
#define WORDS         136 /* of 32 bits: the largest is 10^1125 (3738 bits) and some room to shift */
#define EXPONENT_MAX  100000000000000000 /* larger ones in a text count as this */
#define MANTISSA_BITS 53
#define EXPONENT_MIN  (-1074) /* of the last bit of a subnormal */

static const double exact_powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
#define EXACT_POWER_MAX 22

/* ---- big numbers: little words first, `len` words, the last one not zero ---- */

typedef struct big {
    uint32_t len;
    uint32_t at[WORDS];
} big;

static void big_set(big *n, uint64_t value)
{
    n->at[0] = (uint32_t)value;
    n->at[1] = (uint32_t)(value >> 32);
    n->len = value == 0 ? 0 : value >> 32 ? 2 : 1;
}

/* n = n * factor + plus */
static void big_mul_small(big *n, uint32_t factor, uint32_t plus)
{
    uint64_t carry = plus;
    for (uint32_t i = 0; i < n->len; i++) {
        carry += (uint64_t)n->at[i] * factor;
        n->at[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) {
        KIS_ASSERT(n->len < WORDS);
        n->at[n->len++] = (uint32_t)carry;
    }
}

static void big_shift(big *n, unsigned bits)
{
    unsigned words = bits / 32;

    bits %= 32;
    if (n->len == 0)
        return;
    KIS_ASSERT(n->len + words < WORDS);
    for (uint32_t i = n->len; i-- > 0;)
        n->at[i + words] = n->at[i];
    memset(n->at, 0, words * sizeof(n->at[0]));
    n->len += words;
    if (bits > 0)
        big_mul_small(n, (uint32_t)1 << bits, 0);
}

static void big_mul_pow10(big *n, unsigned power)
{
    for (unsigned left = power; left > 0;) { /* by 5, thirteen at a time; the twos by shifting */
        static const uint32_t fives[] = { 1,       5,        25,        125,       625,
                                          3125,    15625,    78125,     390625,    1953125,
                                          9765625, 48828125, 244140625, 1220703125 };
        unsigned now = KIS_MIN(left, 13u);
        big_mul_small(n, fives[now], 0);
        left -= now;
    }
    big_shift(n, power);
}

static int big_compare(const big *a, const big *b)
{
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    for (uint32_t i = a->len; i-- > 0;) {
        if (a->at[i] != b->at[i])
            return a->at[i] < b->at[i] ? -1 : 1;
    }
    return 0;
}

/* a + b compared with c, without making the sum */
static int big_compare_sum(const big *a, const big *b, const big *c)
{
    big sum;
    uint64_t carry = 0;
    uint32_t len = KIS_MAX(a->len, b->len);

    for (uint32_t i = 0; i < len; i++) {
        carry += (uint64_t)(i < a->len ? a->at[i] : 0) + (i < b->len ? b->at[i] : 0);
        sum.at[i] = (uint32_t)carry;
        carry >>= 32;
    }
    sum.len = len;
    if (carry) {
        KIS_ASSERT(len < WORDS);
        sum.at[sum.len++] = (uint32_t)carry;
    }
    return big_compare(&sum, c);
}

/* a -= b * factor; the caller knows that it does not fall below zero */
static void big_sub_mul(big *a, const big *b, uint32_t factor)
{
    uint64_t carry = 0, borrow = 0;

    for (uint32_t i = 0; i < a->len; i++) {
        carry += i < b->len ? (uint64_t)b->at[i] * factor : 0;
        uint64_t less = (uint64_t)a->at[i] - (uint32_t)carry - borrow;
        a->at[i] = (uint32_t)less;
        borrow = less >> 63;
        carry >>= 32;
    }
    while (a->len > 0 && a->at[a->len - 1] == 0)
        a->len--;
}

static unsigned big_bits(const big *n)
{
    return n->len == 0 ? 0 : 32 * n->len - (unsigned)__builtin_clz(n->at[n->len - 1]);
}

/* The 64 bits of n from bit `from` on. */
static uint64_t big_bits_from(const big *n, unsigned from)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 3; i++) {
        uint32_t at = from / 32 + i;
        uint64_t word = at < n->len ? n->at[at] : 0;
        int shift = (int)(32 * i) - (int)(from % 32);
        if (shift < 64)
            value |= shift >= 0 ? word << shift : word >> -shift;
    }
    return value;
}

static bool big_is_zero_below(const big *n, unsigned bits)
{
    for (unsigned i = 0; i < bits / 32 && i < n->len; i++) {
        if (n->at[i] != 0)
            return false;
    }
    return bits / 32 >= n->len || (n->at[bits / 32] & (((uint32_t)1 << bits % 32) - 1)) == 0;
}

/* a = a mod b, answers a / b, which the caller knows to be less than 2^32 / 10 (a digit, or a few
 * bits). The estimate from the leading 64 bits is never too large and short by one at most now and
 * then. */
static uint32_t big_div_small(big *a, const big *b)
{
    unsigned bits = big_bits(b);
    unsigned from = bits > 31 ? bits - 31 : 0;
    uint64_t top = big_bits_from(a, from), under = big_bits_from(b, from);
    uint32_t quotient = (uint32_t)(top / (under + (from > 0)));

    if (quotient > 0)
        big_sub_mul(a, b, quotient);
    while (big_compare(a, b) >= 0) {
        big_sub_mul(a, b, 1);
        quotient++;
    }
    return quotient;
}

/* ---- text to double ---- */

typedef struct decimal {
    bool is_negative, is_cut; /* cut: digits behind the last kept one are not all zero */
    uint32_t count;           /* significant digits kept, no zeros in front */
    int64_t exponent;         /* value = digits * 10^exponent */
    uint64_t first;           /* the first 19 digits */
    const char
        *digits; /* where they start in the text, and where they end; a point may be between */
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
    int last =
        KIS_MAX(exponent + 64 - MANTISSA_BITS, EXPONENT_MIN); /* weight of the last bit kept */
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
    if (kept >> MANTISSA_BITS) {
        kept >>= 1;
        last++;
    }
    if (last > 971)
        return false;
    uint64_t hidden = (uint64_t)1 << (MANTISSA_BITS - 1);
    uint64_t biased = kept & hidden ? (uint64_t)(last - EXPONENT_MIN + 1) : 0;
    *out = f64_from_bits(biased << (MANTISSA_BITS - 1) | (kept & (hidden - 1)));
    return true;
}

/* Path 1. Both factors are exact, so the one operation rounds once. */
static bool f64_parse_exact(const decimal *d, double *out)
{
    if (d->count > 19 || d->first >> MANTISSA_BITS || d->exponent < -EXACT_POWER_MAX ||
        d->exponent > EXACT_POWER_MAX)
        return false;
    double digits = (double)d->first;
    *out =
        d->exponent < 0 ? digits / exact_powers[-d->exponent] : digits * exact_powers[d->exponent];
    return true;
}

#if defined(__SIZEOF_INT128__) && !defined(__wasm__)
__extension__ typedef unsigned __int128 wide;

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
    wide value = (wide)d->first * power;
    if (d->exponent < 0) {
        unsigned shift = (unsigned)__builtin_clzll(d->first) + 64;
        wide dividend = (wide)d->first << shift;
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

static void big_from_decimal(big *n, const decimal *d)
{
    uint32_t left = d->count, group = 0, scale = 1;

    big_set(n, 0);
    for (const char *p = d->digits; left > 0; p++) {
        if (*p == '.')
            continue;
        group = group * 10 + (uint32_t)(*p - '0');
        scale *= 10;
        left--;
        if (scale == 1000000000 || left == 0) {
            big_mul_small(n, scale, group);
            group = 0;
            scale = 1;
        }
    }
}

/* Path 3, exponent >= 0: the leading 64 bits of a whole number. */
static bool f64_parse_big_whole(big *n, unsigned power, bool has_more, double *out)
{
    big_mul_pow10(n, power);
    unsigned bits = big_bits(n);
    if (bits <= 64) {
        uint64_t value = big_bits_from(n, 0);
        return f64_round(value << (64 - bits), (int)bits - 64, has_more, out);
    }
    has_more |= !big_is_zero_below(n, bits - 64);
    return f64_round(big_bits_from(n, bits - 64), (int)bits - 64, has_more, out);
}

/* Path 3, exponent < 0: long division until 64 bits of the quotient are there. */
static bool f64_parse_big_fraction(big *n, unsigned power, bool has_more, double *out)
{
    big under;
    big_set(&under, 1);
    big_mul_pow10(&under, power);

    int exponent = 0;
    int lead = (int)big_bits(n) - (int)big_bits(&under); /* quotient in [2^(lead-1), 2^(lead+1)) */
    if (lead > 0)
        big_shift(&under, (unsigned)lead);
    else
        big_shift(n, (unsigned)-lead);
    exponent = lead;
    if (big_compare(n, &under) < 0) {
        big_shift(n, 1);
        exponent--;
    }
    uint64_t quotient = big_div_small(n, &under); /* 1 */
    for (int got = 1; got < 64;) {
        int now = KIS_MIN(64 - got, 24);
        big_shift(n, (unsigned)now);
        quotient = quotient << now | big_div_small(n, &under);
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
    big n;
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

/* ---- double to text ---- */

/* digits * 10^(point - count): "digits" with the point behind the first `point` of them. */
typedef struct shortest {
    char digits[20];
    int count, point;
} shortest;

static void shortest_from_u64(shortest *s, uint64_t digits, int point_from_end)
{
    char text[KIS_NUM_TEXT_MAX];
    size_t len = kis_u64_format(digits, text);

    s->point = (int)len - point_from_end;
    while (len > 1 && text[len - 1] == '0')
        len--;
    memcpy(s->digits, text, len);
    s->count = (int)len;
}

/* A k with value < 10^k; at most one too small, never too large. `bits`: value in [2^(bits-1),
 * 2^bits). */
static int decimal_point_of(int bits)
{
    return (int)((int64_t)(bits - 1) * 30103 / 100000) + (bits > 0);
}

/* Path 2. Two decimals of up to 15 digits never round to the same double, so if the one with 15
 * digits divides to exactly this value, it is the shortest (its last zeros go). */
static bool f64_format_short(double value, int point, shortest *s)
{
    int k = KIS_MIN(15 - point, EXACT_POWER_MAX);
    if (k < 1)
        return false;
    double scaled = value * exact_powers[k];
    if (scaled >= 1e15)
        scaled = value * exact_powers[--k];
    uint64_t digits = (uint64_t)(scaled + 0.5);
    if ((double)digits / exact_powers[k] != value)
        return false;
    shortest_from_u64(s, digits, k);
    return true;
}

#if defined(__SIZEOF_INT128__) && !defined(__wasm__)
#define WIDE_POWER_MAX 21 /* 10^21 and a mantissa with two more bits fit 128 bits */

/* Path 3. In units of 10^-k, where the value has 17 digits: it lies in `middle` and a fraction, and
 * every number from `low` to `high` reads back to it. There is one, because 17 digits always do. */
static bool f64_format_wide(uint64_t mantissa, int exponent, int point, shortest *s)
{
    int k = 17 - point, shift = 2 - exponent;
    if (k < 1 || k > WIDE_POWER_MAX || shift < 1 || shift > 127)
        return false;
    wide power = 1;
    for (int i = 0; i < k; i++)
        power *= 10;
    bool is_power = mantissa == (uint64_t)1 << (MANTISSA_BITS - 1);
    uint64_t is_odd = mantissa & 1; /* then the midpoints belong to the neighbours */
    wide one = (wide)1 << shift, value = (wide)(mantissa * 4) * power;
    wide below = value - (is_power ? power : 2 * power), above = value + 2 * power;
    uint64_t low = (uint64_t)((below + is_odd + one - 1) >> shift);
    uint64_t high = (uint64_t)((above - is_odd) >> shift);
    uint64_t middle = (uint64_t)(value >> shift);
    wide fraction = value & (one - 1);

    uint64_t scale = 1;
    int dropped = 0;
    while ((low + 9) / 10 <= high / 10) {
        low = (low + 9) / 10;
        high /= 10;
        scale *= 10;
        dropped++;
    }
    /* the nearest of those that are left; of two as near the even one */
    uint64_t digits = middle / scale;
    wide rest = ((wide)(middle % scale) << shift) + fraction, whole = (wide)scale << shift;
    if (rest > whole - rest || (rest == whole - rest && (digits & 1)))
        digits++;
    digits = KIS_MIN(KIS_MAX(digits, low), high);
    shortest_from_u64(s, digits, k - dropped);
    return true;
}
#else
static bool f64_format_wide(uint64_t mantissa, int exponent, int point, shortest *s)
{
    (void)mantissa;
    (void)exponent;
    (void)point;
    (void)s;
    return false;
}
#endif

/* How Steele and White see a double: value = r / s, and the neighbours' midpoints are m_low below
 * and m_high above. */
typedef struct interval {
    big r, s, m_low, m_high;
    bool is_even; /* then the midpoints themselves read back to this double */
} interval;

static void interval_of(interval *v, uint64_t mantissa, int exponent)
{
    bool is_power = mantissa == (uint64_t)1 << (MANTISSA_BITS - 1) && exponent > EXPONENT_MIN;
    unsigned up = exponent > 0 ? (unsigned)exponent : 0,
             down = exponent < 0 ? (unsigned)-exponent : 0;

    big_set(&v->r, mantissa);
    big_shift(&v->r, up + 1 + is_power);
    big_set(&v->s, 1);
    big_shift(&v->s, down + 1 + is_power);
    big_set(&v->m_low, 1);
    big_shift(&v->m_low, up);
    big_set(&v->m_high, 1);
    big_shift(&v->m_high, up + is_power); /* below a power of two the doubles are twice as dense */
    v->is_even = (mantissa & 1) == 0;
}

static bool interval_is_low(const interval *v)
{
    int order = big_compare(&v->r, &v->m_low);
    return order < 0 || (order == 0 && v->is_even);
}

static bool interval_is_high(const interval *v)
{
    int order = big_compare_sum(&v->r, &v->m_high, &v->s);
    return order > 0 || (order == 0 && v->is_even);
}

static void interval_times_ten(interval *v)
{
    big_mul_small(&v->r, 10, 0);
    big_mul_small(&v->m_low, 10, 0);
    big_mul_small(&v->m_high, 10, 0);
}

/* Path 4. */
static void f64_format_big(uint64_t mantissa, int exponent, int point, shortest *out)
{
    interval v;
    interval_of(&v, mantissa, exponent);

    if (point > 0) {
        big_mul_pow10(&v.s, (unsigned)point);
    } else {
        big_mul_pow10(&v.r, (unsigned)-point);
        big_mul_pow10(&v.m_low, (unsigned)-point);
        big_mul_pow10(&v.m_high, (unsigned)-point);
    }
    while (interval_is_high(&v)) {
        big_mul_small(&v.s, 10, 0);
        point++;
    }

    bool is_low, is_high;
    out->count = 0;
    out->point = point;
    do {
        interval_times_ten(&v);
        uint32_t digit = big_div_small(&v.r, &v.s);
        is_low = interval_is_low(&v);
        is_high = interval_is_high(&v);
        int half = is_low && is_high ? big_compare_sum(&v.r, &v.r, &v.s) : 0;
        if (is_high && (!is_low || half > 0 || (half == 0 && (digit & 1))))
            digit++;
        out->digits[out->count++] = (char)('0' + digit);
    } while (!is_low && !is_high);
}

static size_t put_zeros(char *out, int count)
{
    for (int i = 0; i < count; i++)
        out[i] = '0';
    return (size_t)KIS_MAX(count, 0);
}

/* ECMAScript, Number::toString, step 6 and on. */
static size_t shortest_write(const shortest *s, char *out)
{
    size_t len = 0, count = (size_t)s->count;

    if (s->point > 21 || s->point < -5) {
        out[len++] = s->digits[0];
        if (count > 1) {
            out[len++] = '.';
            memcpy(out + len, s->digits + 1, count - 1);
            len += count - 1;
        }
        out[len++] = 'e';
        return len + kis_i64_format(s->point - 1, out + len);
    }
    if (s->point <= 0) {
        memcpy(out, "0.", 2);
        len = 2 + put_zeros(out + 2, -s->point);
        memcpy(out + len, s->digits, count);
        return len + count;
    }
    size_t whole = KIS_MIN(count, (size_t)s->point);
    memcpy(out, s->digits, whole);
    len = whole + put_zeros(out + whole, s->point - s->count);
    if (count > whole) {
        out[len++] = '.';
        memcpy(out + len, s->digits + whole, count - whole);
        len += count - whole;
    }
    return len;
}

size_t kis_f64_format(double value, char out[KIS_NUM_TEXT_MAX])
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    uint64_t mantissa = bits & (((uint64_t)1 << (MANTISSA_BITS - 1)) - 1);
    int biased = (int)(bits >> (MANTISSA_BITS - 1) & 0x7ff);
    size_t sign = bits >> 63;

    if (biased == 0x7ff) {
        kis_str word = mantissa ? KIS_STR("NaN")
                       : sign   ? KIS_STR("-Infinity")
                                : KIS_STR("Infinity");
        memcpy(out, word.ptr, word.len);
        return word.len;
    }
    if (sign) {
        *out++ = '-';
        value = -value;
    }
    if (value < 9007199254740992.0 && (double)(uint64_t)value == value)
        return sign + kis_u64_format((uint64_t)value, out);

    if (biased > 0)
        mantissa |= (uint64_t)1 << (MANTISSA_BITS - 1);
    int exponent = KIS_MAX(biased, 1) - 1 + EXPONENT_MIN;
    int value_bits = 64 - __builtin_clzll(mantissa) + exponent;
    shortest s;
    int point = decimal_point_of(value_bits);
    if (!f64_format_short(value, point, &s) && !f64_format_wide(mantissa, exponent, point, &s))
        f64_format_big(mantissa, exponent, point, &s);
    return sign + shortest_write(&s, out);
}
