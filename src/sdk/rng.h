/* rng.h - xoroshiro128++: a thread's own random words, seeded by the host.
 * Ids need to be unlike each other, not secret. */
#ifndef KIS_SDK_RNG_H
#define KIS_SDK_RNG_H

#include "base/mem.h"

typedef struct kis_rng {
    uint64_t s[2]; /* not both zero */
} kis_rng;

static inline uint64_t kis_rng_rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

/** Source: Blackman, Vigna, "Scrambled linear pseudorandom number generators" (2021). */
static inline uint64_t kis_rng_next(kis_rng *rng)
{
    uint64_t s0 = rng->s[0], s1 = rng->s[1], result = kis_rng_rotate(s0 + s1, 17) + s0;

    s1 ^= s0;
    rng->s[0] = kis_rng_rotate(s0, 49) ^ s1 ^ s1 << 21;
    rng->s[1] = kis_rng_rotate(s1, 28);
    return result;
}

#endif
