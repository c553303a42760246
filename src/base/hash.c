/* hash.c - 64-bit hash by 64 x 64 -> 128 bit multiplies.
 *
 *     up to 16 bytes   two overlapping words, two multiplies: most names and all ids
 *     up to 64 bytes   16 bytes a multiply, the last 16 overlapping
 *     longer           four lanes of 16 bytes, so that the multiplies overlap in time
 *
 * A step is mix(a, b) = low(a * b) ^ high(a * b) of words that were xored with the state and with
 * odd constants; both words with the state, because a word that meets a fixed constant would make
 * the product zero and with it everything before it forgotten. The length goes in at the end, so
 * that zero bytes of different length differ. The constants and the order of the steps are part of
 * the file formats: golden values in hash_test.c.
 */
#include "base/hash.h"

/* Digits of pi behind the point, made odd: nothing up the sleeve. */
#define K0 0x243f6a8885a308d3u
#define K1 0x13198a2e03707345u
#define K2 0xa4093822299f31d1u
#define K3 0x082efa98ec4e6c89u
#define K4 0x452821e638d01377u
#define K5 0xbe5466cf34e90c6du

static inline uint64_t hash_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

static inline uint64_t hash_half(const uint8_t *p)
{
    uint32_t half;
    memcpy(&half, p, 4);
    return half;
}

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
#if defined(__SIZEOF_INT128__) && !defined(__wasm__)
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t a_low = (uint32_t)a, a_high = a >> 32, b_low = (uint32_t)b, b_high = b >> 32;
    uint64_t low = a_low * b_low, cross = a_high * b_low, other = a_low * b_high;
    uint64_t middle = (low >> 32) + (uint32_t)cross + (uint32_t)other;
    uint64_t high = a_high * b_high + (cross >> 32) + (other >> 32) + (middle >> 32);
    return ((middle << 32) | (uint32_t)low) ^ high;
#endif
}

/* 16 bytes into the state; `key` differs by place, so that blocks cannot trade places. */
static inline uint64_t hash_step(uint64_t state, const uint8_t *p, uint64_t key)
{
    return hash_mix(hash_word(p) ^ (state + key), hash_word(p + 8) ^ state);
}

/* The last step: spreads what the lanes hold over all bits. */
static inline uint64_t hash_end(uint64_t a, uint64_t b, uint64_t state, uint64_t len)
{
    uint64_t once = hash_mix(a ^ (state + K1), b ^ state);
    return hash_mix(once ^ K4, state ^ len ^ K5) ^ once;
}

static uint64_t hash_long(const uint8_t *p, size_t len, uint64_t state)
{
    uint64_t lane0 = state, lane1 = state ^ K1, lane2 = state ^ K2, lane3 = state ^ K3;
    size_t left = len;

    for (; left > 64; left -= 64, p += 64) {
        lane0 = hash_step(lane0, p, K2);
        lane1 = hash_step(lane1, p + 16, K3);
        lane2 = hash_step(lane2, p + 32, K4);
        lane3 = hash_step(lane3, p + 48, K5);
    }
    state = hash_mix(lane0 ^ K0, lane1) ^ hash_mix(lane2 ^ K1, lane3);
    for (; left > 16; left -= 16, p += 16)
        state = hash_step(state, p, K3);
    return hash_end(hash_word(p + left - 16), hash_word(p + left - 8), state, len);
}

uint64_t kis_hash(kis_bytes bytes, uint64_t seed)
{
    const uint8_t *p = bytes.ptr;
    size_t len = bytes.len;
    uint64_t state = hash_mix(seed ^ K0, K2) ^ seed, a = 0, b = 0;

    if (len > 64)
        return hash_long(p, len, state);
    if (len > 16) {
        size_t left = len;
        for (; left > 16; left -= 16, p += 16)
            state = hash_step(state, p, K3);
        a = hash_word(p + left - 16);
        b = hash_word(p + left - 8);
    } else if (len >= 8) {
        a = hash_word(p);
        b = hash_word(p + len - 8);
    } else if (len >= 4) {
        a = hash_half(p);
        b = hash_half(p + len - 4);
    } else if (len > 0) {
        a = ((uint64_t)p[0] << 16) | ((uint64_t)p[len / 2] << 8) | p[len - 1];
    }
    return hash_end(a, b, state, len);
}
