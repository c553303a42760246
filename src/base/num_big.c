/* num_big.c - the arithmetic of num_big.h, by words. */
#include "base/num_big.h"

#include "base/check.h"

void kis_big_set(kis_big *n, uint64_t value)
{
    n->at[0] = (uint32_t)value;
    n->at[1] = (uint32_t)(value >> 32);
    n->len = value == 0 ? 0 : value >> 32 ? 2 : 1;
}

/* n = n * factor + plus */
void kis_big_mul_small(kis_big *n, uint32_t factor, uint32_t plus)
{
    uint64_t carry = plus;
    for (uint32_t i = 0; i < n->len; i++) {
        carry += (uint64_t)n->at[i] * factor;
        n->at[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) {
        KIS_ASSERT(n->len < KIS_BIG_WORDS);
        n->at[n->len++] = (uint32_t)carry;
    }
}

void kis_big_shift(kis_big *n, unsigned bits)
{
    unsigned words = bits / 32;

    bits %= 32;
    if (n->len == 0)
        return;
    KIS_ASSERT(n->len + words < KIS_BIG_WORDS);
    for (uint32_t i = n->len; i-- > 0;)
        n->at[i + words] = n->at[i];
    memset(n->at, 0, words * sizeof(n->at[0]));
    n->len += words;
    if (bits > 0)
        kis_big_mul_small(n, (uint32_t)1 << bits, 0);
}

void kis_big_mul_pow10(kis_big *n, unsigned power)
{
    for (unsigned left = power; left > 0;) { /* by 5, thirteen at a time; the twos by shifting */
        static const uint32_t fives[] = { 1,       5,        25,        125,       625,
                                          3125,    15625,    78125,     390625,    1953125,
                                          9765625, 48828125, 244140625, 1220703125 };
        unsigned now = KIS_MIN(left, 13u);
        kis_big_mul_small(n, fives[now], 0);
        left -= now;
    }
    kis_big_shift(n, power);
}

int kis_big_compare(const kis_big *a, const kis_big *b)
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
int kis_big_compare_sum(const kis_big *a, const kis_big *b, const kis_big *c)
{
    kis_big sum;
    uint64_t carry = 0;
    uint32_t len = KIS_MAX(a->len, b->len);

    for (uint32_t i = 0; i < len; i++) {
        carry += (uint64_t)(i < a->len ? a->at[i] : 0) + (i < b->len ? b->at[i] : 0);
        sum.at[i] = (uint32_t)carry;
        carry >>= 32;
    }
    sum.len = len;
    if (carry) {
        KIS_ASSERT(len < KIS_BIG_WORDS);
        sum.at[sum.len++] = (uint32_t)carry;
    }
    return kis_big_compare(&sum, c);
}

/* a -= b * factor; the caller knows that it does not fall below zero */
static void big_sub_mul(kis_big *a, const kis_big *b, uint32_t factor)
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

unsigned kis_big_bits(const kis_big *n)
{
    return n->len == 0 ? 0 : 32 * n->len - (unsigned)__builtin_clz(n->at[n->len - 1]);
}

/* The 64 bits of n from bit `from` on. */
uint64_t kis_big_bits_from(const kis_big *n, unsigned from)
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

bool kis_big_is_zero_below(const kis_big *n, unsigned bits)
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
uint32_t kis_big_div_small(kis_big *a, const kis_big *b)
{
    unsigned bits = kis_big_bits(b);
    unsigned from = bits > 31 ? bits - 31 : 0;
    uint64_t top = kis_big_bits_from(a, from), under = kis_big_bits_from(b, from);
    uint32_t quotient = (uint32_t)(top / (under + (from > 0)));

    if (quotient > 0)
        big_sub_mul(a, b, quotient);
    while (kis_big_compare(a, b) >= 0) {
        big_sub_mul(a, b, 1);
        quotient++;
    }
    return quotient;
}
