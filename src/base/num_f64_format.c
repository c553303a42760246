/* num_f64_format.c - double to text, the shortest that reads back the same.
 *
 *     1. a whole number below 2^53
 *     2. at most 15 digits: m / 10^k is exactly the double (what people write)
 *     3. 17 digits in 128 bits, and the two ends of what reads back the same; then digits are taken
 *        away while one number in between is left (1e-4 to 1e17)
 *     4. Steele and White's free-format algorithm with big numbers (all others)
 *
 * Written as ECMAScript writes numbers (plain from 1e-6 up to 1e21), but "-0" keeps its sign. Of
 * two shortest texts the nearer one, of two as near the even one.
 */
#include "base/num_f64.h"

#include "base/num_big.h"

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
    int k = KIS_MIN(15 - point, KIS_F64_EXACT_POWER_MAX);
    if (k < 1)
        return false;
    double scaled = value * kis_f64_exact_powers[k];
    if (scaled >= 1e15)
        scaled = value * kis_f64_exact_powers[--k];
    uint64_t digits = (uint64_t)(scaled + 0.5);
    if ((double)digits / kis_f64_exact_powers[k] != value)
        return false;
    shortest_from_u64(s, digits, k);
    return true;
}

#ifdef KIS_F64_HAS_WIDE
#define WIDE_POWER_MAX 21 /* 10^21 and a mantissa with two more bits fit 128 bits */

/* Path 3. In units of 10^-k, where the value has 17 digits: it lies in `middle` and a fraction, and
 * every number from `low` to `high` reads back to it. There is one, because 17 digits always do. */
static bool f64_format_wide(uint64_t mantissa, int exponent, int point, shortest *s)
{
    int k = 17 - point, shift = 2 - exponent;
    if (k < 1 || k > WIDE_POWER_MAX || shift < 1 || shift > 127)
        return false;
    kis_f64_wide power = 1;
    for (int i = 0; i < k; i++)
        power *= 10;
    bool is_power = mantissa == (uint64_t)1 << (KIS_F64_MANTISSA_BITS - 1);
    uint64_t is_odd = mantissa & 1; /* then the midpoints belong to the neighbours */
    kis_f64_wide one = (kis_f64_wide)1 << shift, value = (kis_f64_wide)(mantissa * 4) * power;
    kis_f64_wide below = value - (is_power ? power : 2 * power), above = value + 2 * power;
    uint64_t low = (uint64_t)((below + is_odd + one - 1) >> shift);
    uint64_t high = (uint64_t)((above - is_odd) >> shift);
    uint64_t middle = (uint64_t)(value >> shift);
    kis_f64_wide fraction = value & (one - 1);

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
    kis_f64_wide rest = ((kis_f64_wide)(middle % scale) << shift) + fraction,
                 whole = (kis_f64_wide)scale << shift;
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
    kis_big r, s, m_low, m_high;
    bool is_even; /* then the midpoints themselves read back to this double */
} interval;

static void interval_of(interval *v, uint64_t mantissa, int exponent)
{
    bool is_power =
        mantissa == (uint64_t)1 << (KIS_F64_MANTISSA_BITS - 1) && exponent > KIS_F64_EXPONENT_MIN;
    unsigned up = exponent > 0 ? (unsigned)exponent : 0,
             down = exponent < 0 ? (unsigned)-exponent : 0;

    kis_big_set(&v->r, mantissa);
    kis_big_shift(&v->r, up + 1 + is_power);
    kis_big_set(&v->s, 1);
    kis_big_shift(&v->s, down + 1 + is_power);
    kis_big_set(&v->m_low, 1);
    kis_big_shift(&v->m_low, up);
    kis_big_set(&v->m_high, 1);
    /* below a power of two the doubles are twice as dense */
    kis_big_shift(&v->m_high, up + is_power);
    v->is_even = (mantissa & 1) == 0;
}

static bool interval_is_low(const interval *v)
{
    int order = kis_big_compare(&v->r, &v->m_low);
    return order < 0 || (order == 0 && v->is_even);
}

static bool interval_is_high(const interval *v)
{
    int order = kis_big_compare_sum(&v->r, &v->m_high, &v->s);
    return order > 0 || (order == 0 && v->is_even);
}

static void interval_times_ten(interval *v)
{
    kis_big_mul_small(&v->r, 10, 0);
    kis_big_mul_small(&v->m_low, 10, 0);
    kis_big_mul_small(&v->m_high, 10, 0);
}

/* Path 4. */
static void f64_format_big(uint64_t mantissa, int exponent, int point, shortest *out)
{
    interval v;
    interval_of(&v, mantissa, exponent);

    if (point > 0) {
        kis_big_mul_pow10(&v.s, (unsigned)point);
    } else {
        kis_big_mul_pow10(&v.r, (unsigned)-point);
        kis_big_mul_pow10(&v.m_low, (unsigned)-point);
        kis_big_mul_pow10(&v.m_high, (unsigned)-point);
    }
    while (interval_is_high(&v)) {
        kis_big_mul_small(&v.s, 10, 0);
        point++;
    }

    bool is_low, is_high;
    out->count = 0;
    out->point = point;
    do {
        interval_times_ten(&v);
        uint32_t digit = kis_big_div_small(&v.r, &v.s);
        is_low = interval_is_low(&v);
        is_high = interval_is_high(&v);
        int half = is_low && is_high ? kis_big_compare_sum(&v.r, &v.r, &v.s) : 0;
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
    uint64_t mantissa = bits & (((uint64_t)1 << (KIS_F64_MANTISSA_BITS - 1)) - 1);
    int biased = (int)(bits >> (KIS_F64_MANTISSA_BITS - 1) & 0x7ff);
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
        mantissa |= (uint64_t)1 << (KIS_F64_MANTISSA_BITS - 1);
    int exponent = KIS_MAX(biased, 1) - 1 + KIS_F64_EXPONENT_MIN;
    int value_bits = 64 - __builtin_clzll(mantissa) + exponent;
    shortest s;
    int point = decimal_point_of(value_bits);
    if (!f64_format_short(value, point, &s) && !f64_format_wide(mantissa, exponent, point, &s))
        f64_format_big(mantissa, exponent, point, &s);
    return sign + shortest_write(&s, out);
}
