/* crc_test.c - published values, and both ways of computing agree at every length and place. */
#include "tests/test.h"

#include <string.h>

#include "base/crc.h"

static uint32_t crc_by_bits(uint32_t crc, const uint8_t *p, size_t len)
{
    crc = ~crc;
    while (len-- > 0) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* RFC 3720, B.4. */
TEST(published_values_come_out)
{
    uint8_t bytes[32];
    CHECK_INT(0xe3069283, kis_crc32c(0, kis_bytes_of("123456789", 9)), "the check value");
    memset(bytes, 0, sizeof(bytes));
    CHECK_INT(0x8a9136aa, kis_crc32c(0, kis_bytes_of(bytes, 32)), "zeros");
    memset(bytes, 0xff, sizeof(bytes));
    CHECK_INT(0x62a8ab43, kis_crc32c(0, kis_bytes_of(bytes, 32)), "ones");
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    CHECK_INT(0x46dd794e, kis_crc32c(0, kis_bytes_of(bytes, 32)), "rising");
    CHECK_INT(7, kis_crc32c(7, KIS_BYTES_NONE), "nothing changes nothing");
}

TEST(both_ways_agree_with_the_definition)
{
    static uint8_t bytes[5000];
    uint64_t seed = 42;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(seed >> 56);
    }
    for (size_t len = 0; len < sizeof(bytes) - 8; len += len < 900 ? 1 : 97) {
        kis_bytes part = kis_bytes_of(bytes + len % 8, len);
        uint32_t start = (uint32_t)len * 0x9e3779b9u;
        uint32_t want = crc_by_bits(start, part.ptr, part.len);
        CHECK_INT(want, kis_crc32c_table(start, part), "tables");
        CHECK_INT(want, kis_crc32c(start, part), "by hand");
    }
}

TEST(a_sum_can_be_continued)
{
    static uint8_t bytes[4000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * i >> 3);
    uint32_t whole = kis_crc32c(0, kis_bytes_of(bytes, sizeof(bytes)));
    for (size_t cut = 0; cut <= sizeof(bytes); cut += 333) {
        uint32_t crc = kis_crc32c(0, kis_bytes_of(bytes, cut));
        CHECK_INT(whole, kis_crc32c(crc, kis_bytes_of(bytes + cut, sizeof(bytes) - cut)),
                  "in two parts");
    }
}

TEST_MAIN(RUN(published_values_come_out), RUN(both_ways_agree_with_the_definition),
          RUN(a_sum_can_be_continued))
