/* rng.h - xoshiro256++: a thread's own random words, seeded by the host. Ids need to be unlike each other, not secret. */
#ifndef KIS_SDK_RNG_H
#define KIS_SDK_RNG_H

#include "base/mem.h"

typedef struct kis_rng {
    uint64_t s[4];
} kis_rng;

static inline uint64_t kis_rng_rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

/** Source: Blackman, Vigna, "Scrambled linear pseudorandom number generators" (2021). */
static inline uint64_t kis_rng_next(kis_rng *rng)
{
    uint64_t *s = rng->s, result = kis_rng_rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = kis_rng_rotate(s[3], 45);
    return result;
}

#endif
