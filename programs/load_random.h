/* load_random.h - random numbers of `kiseki load`: one stream a request, made from its seed. */
#ifndef KIS_PROGRAMS_LOAD_RANDOM_H
#define KIS_PROGRAMS_LOAD_RANDOM_H

#include "base/hash.h"

/** One word of two; the same two make the same one. */
static inline uint64_t kis_load_mix_words(uint64_t a, uint64_t b)
{
    return kis_hash_u64(a * 0x9e3779b97f4a7c15u + b + 0x2545f4914f6cdd1du);
}

/** The next number of a stream; `state` is never 0 (xorshift64*). */
static inline uint64_t kis_load_next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1du;
}

#endif
