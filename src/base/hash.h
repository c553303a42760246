/* hash.h - fast hashing of bytes. Not for use against an attacker who sees the seed. */
#ifndef KIS_BASE_HASH_H
#define KIS_BASE_HASH_H

#include "base/str.h"

/** 64 bits over `bytes`; stable across versions and machines for one seed, because files contain it
 * (store/FORMAT.md). */
uint64_t kis_hash(kis_bytes bytes, uint64_t seed);
static inline uint64_t kis_hash_str(kis_str s, uint64_t seed)
{
    return kis_hash(kis_bytes_of_str(s), seed);
}
/** Mixes one word: for ids, which are random already, and for combining. */
static inline uint64_t kis_hash_u64(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

#endif
