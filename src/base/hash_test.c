/* hash_test.c - golden values (files contain hashes), avalanche, and collisions as rare as chance.
 */
#include "tests/test.h"

#include <string.h>

#include "base/hash.h"

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static size_t collisions(uint64_t *hashes, size_t count)
{
    size_t equal = 0;
    qsort(hashes, count, sizeof(*hashes), compare_u64);
    for (size_t i = 1; i < count; i++)
        equal += hashes[i] == hashes[i - 1];
    return equal;
}

/* These values are on disk (store/FORMAT.md). If this test fails, the hash has to be changed back,
 * or the format's version goes up. */
TEST(values_never_change)
{
    static const struct {
        size_t len;
        uint64_t seed, want;
    } rows[] = {
        { 0, 0x0, 0xcb8c69fb18b5e8c4u },
        { 1, 0x1, 0x15e0a82032b767dau },
        { 2, 0x123456789abcdef, 0xf48f881ac9ff4ff5u },
        { 3, 0x0, 0xd1398a1366c600d2u },
        { 4, 0x1, 0x8097dbe94365d164u },
        { 7, 0x123456789abcdef, 0x6728421b8749574eu },
        { 8, 0x0, 0x716f79b9a837e441u },
        { 9, 0x1, 0x226de9dcb3cf656bu },
        { 15, 0x123456789abcdef, 0x6bc083cc4b14561au },
        { 16, 0x0, 0x8cba058ed3363b97u },
        { 17, 0x1, 0x1971023300fc07e3u },
        { 31, 0x123456789abcdef, 0xc5da70f1dc767cd9u },
        { 32, 0x0, 0xc77ca3e7ff90fc14u },
        { 33, 0x1, 0x3b2a10473f64cf41u },
        { 48, 0x123456789abcdef, 0xf64a24b63ff3f712u },
        { 63, 0x0, 0x063035313c1de47eu },
        { 64, 0x1, 0x0b7a2169a197d94bu },
        { 65, 0x123456789abcdef, 0xfc77f201d62d7014u },
        { 80, 0x0, 0x771e54d7113aa2e1u },
        { 127, 0x1, 0x1fd7170b962136dau },
        { 128, 0x123456789abcdef, 0x11451e3d68baca98u },
        { 129, 0x0, 0x347eca876229a18eu },
        { 200, 0x1, 0xafe7e169f285f333u },
        { 256, 0x123456789abcdef, 0x1024b6eb97543b33u },
    };
    uint8_t bytes[256];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 151 + 43);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t got = kis_hash(kis_bytes_of(bytes, rows[i].len), rows[i].seed);
        if (got != rows[i].want)
            fail_msg("%zu bytes, seed %llx: want 0x%016llx, got 0x%016llx", rows[i].len,
                     (unsigned long long)rows[i].seed, (unsigned long long)rows[i].want,
                     (unsigned long long)got);
    }
}

TEST(the_place_of_the_bytes_does_not_matter)
{
    static uint8_t bytes[400];
    for (size_t len = 0; len < 300; len++) {
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(i * 7 + len);
        uint64_t want = kis_hash(kis_bytes_of(bytes, len), 1);
        memmove(bytes + 3, bytes, len);
        CHECK(want == kis_hash(kis_bytes_of(bytes + 3, len), 1), "unaligned");
    }
}

/* One flipped bit of input or seed changes each bit of output about half of the time. */
TEST(every_input_bit_reaches_every_output_bit)
{
    static const size_t lens[] = { 1, 3, 4, 7, 8, 12, 16, 17, 31, 32, 33, 64, 65, 80, 129 };
    enum { ROUNDS = 400 };
    for (size_t l = 0; l < COUNT_OF(lens); l++) {
        size_t len = lens[l];
        uint8_t bytes[160];
        for (size_t bit = 0; bit < 8 * len; bit += 1 + len / 16) {
            unsigned flips[64] = { 0 };
            uint64_t seed = bit * 0x9e3779b97f4a7c15u + len;
            for (int round = 0; round < ROUNDS; round++) {
                for (size_t i = 0; i < len; i++) {
                    seed = seed * 6364136223846793005u + 1442695040888963407u;
                    bytes[i] = (uint8_t)(seed >> 56);
                }
                uint64_t before = kis_hash(kis_bytes_of(bytes, len), 0);
                bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
                uint64_t changed = before ^ kis_hash(kis_bytes_of(bytes, len), 0);
                for (int out = 0; out < 64; out++)
                    flips[out] += changed >> out & 1;
            }
            for (int out = 0; out < 64; out++) { /* 200 expected, standard deviation 10 */
                if (len > 1 && (flips[out] < 130 || flips[out] > 270))
                    fail_msg("length %zu, input bit %zu, output bit %d: %u of %d", len, bit, out,
                             flips[out], ROUNDS);
            }
        }
    }
}

TEST(small_differences_do_not_collide)
{
    enum { COUNT = 300000 };
    uint64_t *hashes = malloc(COUNT * sizeof(*hashes));
    char text[64];
    for (size_t i = 0; i < COUNT; i++)
        hashes[i] =
            kis_hash(kis_bytes_of(text, (size_t)snprintf(text, sizeof(text), "user-%zu", i)), 0);
    CHECK_INT(0, collisions(hashes, COUNT), "numbered names");
    for (size_t i = 0; i < COUNT; i++)
        hashes[i] = kis_hash(KIS_BYTES_NONE, i);
    CHECK_INT(0, collisions(hashes, COUNT), "seeds of the empty text");
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t word[2] = { i, 0 };
        hashes[i] = kis_hash(kis_bytes_of(word, 16), 0);
    }
    CHECK_INT(0, collisions(hashes, COUNT), "small numbers in 16 bytes");
    size_t at = 0;
    uint8_t zeros[300] = { 0 };
    for (size_t len = 0; len <= 256; len++)
        hashes[at++] = kis_hash(kis_bytes_of(zeros, len), 0);
    for (size_t a = 0; a < 200; a++) { /* two bits in 200 zero bytes */
        for (size_t b = a; b < 200; b++) {
            zeros[a] ^= 1;
            zeros[b] ^= 0x80;
            hashes[at++] = kis_hash(kis_bytes_of(zeros, 200), 0);
            zeros[a] = zeros[b] = 0;
        }
    }
    CHECK_INT(0, collisions(hashes, at), "zeros of each length, and few bits in many zeros");
    for (size_t i = 0; i < COUNT; i++)
        hashes[i] = kis_hash_u64(i << 20) & 0xffffffffffff;
    CHECK(collisions(hashes, COUNT) <= 2, "kis_hash_u64 keeps numbers apart");
    free(hashes);
}

/* The low bits alone place keys in tables: 2^16 names in 2^16 buckets, chance gives 24,109 empty
 * ones. */
TEST(low_bits_are_spread_evenly)
{
    static uint8_t used[1 << 16];
    char text[32];
    size_t empty = 0;
    for (unsigned i = 0; i < 1 << 16; i++)
        used[kis_hash(kis_bytes_of(text, (size_t)snprintf(text, sizeof(text), "k%u", i)), 0) &
             0xffff] = 1;
    for (unsigned i = 0; i < 1 << 16; i++)
        empty += !used[i];
    CHECK(empty > 23500 && empty < 24700, "as chance has it");
}

TEST_MAIN(RUN(values_never_change), RUN(the_place_of_the_bytes_does_not_matter),
          RUN(every_input_bit_reaches_every_output_bit), RUN(small_differences_do_not_collide),
          RUN(low_bits_are_spread_evenly))
