/* num_big.h - whole numbers of up to 4352 bits, on the stack: what exact doubles need, and no more.
 *
 * Bounds are proved by the callers (num_f64_parse.c, num_f64_format.c) and asserted here.
 */
#ifndef KIS_BASE_NUM_BIG_H
#define KIS_BASE_NUM_BIG_H

#include "base/str.h"

/* of 32 bits: the largest is 10^1125 (3738 bits) and some room to shift */
#define KIS_BIG_WORDS 136

typedef struct kis_big {
    uint32_t len;               /* words in use; the last of them is not zero */
    uint32_t at[KIS_BIG_WORDS]; /* little words first */
} kis_big;

void kis_big_set(kis_big *n, uint64_t value);
void kis_big_mul_small(kis_big *n, uint32_t factor, uint32_t plus); /* n * factor + plus */
void kis_big_mul_pow10(kis_big *n, unsigned power);
void kis_big_shift(kis_big *n, unsigned bits); /* n * 2^bits */

int kis_big_compare(const kis_big *a, const kis_big *b);
/** a + b compared with c. */
int kis_big_compare_sum(const kis_big *a, const kis_big *b, const kis_big *c);

unsigned kis_big_bits(const kis_big *n); /* 0 has 0 */
/** The 64 bits of n from bit `from` on. */
uint64_t kis_big_bits_from(const kis_big *n, unsigned from);
bool kis_big_is_zero_below(const kis_big *n, unsigned bits);

/** a = a mod b, answers a / b, which must be below 2^28. */
uint32_t kis_big_div_small(kis_big *a, const kis_big *b);

#endif
