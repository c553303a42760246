/* crc.c - CRC-32C, twice: with the processor's instruction, and with tables.
 *
 *     by hand   [ 256 bytes | 256 bytes | 256 bytes ] [ again ] ... [ the rest, 8 bytes a step ]
 *                 crc a       crc b       crc c
 *
 * The instruction takes 3 cycles and another one may start at each, hence three runs side by side.
 * They are joined by shifting: a * x^(8 * 512) + b * x^(8 * 256) + c modulo the polynomial. One
 * carry-less multiply by the constant x^(n - 33) and one crc of the product do that: in reflected
 * bit order the product is one bit off, and the crc itself multiplies by x^32.
 *
 * The tables (eight, one a byte of a step) are sums of the entries for single bits, because the
 * checksum is linear; so 64 numbers stand here instead of 2048.
 */
#include "base/crc.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#include <wmmintrin.h>
#define CRC_BY_HAND 1
#endif

/* The entry for byte i from the entries for its bits. */
#define CRC_ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7)                                 \
    (((i)&1 ? b0 : 0u) ^ ((i)&2 ? b1 : 0u) ^ ((i)&4 ? b2 : 0u) ^ ((i)&8 ? b3 : 0u) ^ \
     ((i)&16 ? b4 : 0u) ^ ((i)&32 ? b5 : 0u) ^ ((i)&64 ? b6 : 0u) ^ ((i)&128 ? b7 : 0u))
#define CRC_TABLE_0(i)                                                                         \
    CRC_ENTRY(i, 0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu, \
              0x417b1dbcu, 0x82f63b78u)
#define CRC_TABLE_1(i)                                                                         \
    CRC_ENTRY(i, 0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u, \
              0xff17c604u, 0xfbc3faf9u)
#define CRC_TABLE_2(i)                                                                         \
    CRC_ENTRY(i, 0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u, \
              0xc76580d9u, 0x8b277743u)
#define CRC_TABLE_3(i)                                                                         \
    CRC_ENTRY(i, 0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu, \
              0xaba65fe7u, 0x52a0c93fu)
#define CRC_TABLE_4(i)                                                                         \
    CRC_ENTRY(i, 0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u, \
              0x37516aaeu, 0x6ea2d55cu)
#define CRC_TABLE_5(i)                                                                         \
    CRC_ENTRY(i, 0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du, \
              0x0e045bebu, 0x1c08b7d6u)
#define CRC_TABLE_6(i)                                                                         \
    CRC_ENTRY(i, 0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu, \
              0x7ab7077au, 0xf56e0ef4u)
#define CRC_TABLE_7(i)                                                                         \
    CRC_ENTRY(i, 0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u, \
              0x1a00cb32u, 0x34019664u)
#define CRC_4(table, i) table(i), table((i) + 1), table((i) + 2), table((i) + 3)
#define CRC_16(table, i) \
    CRC_4(table, i), CRC_4(table, (i) + 4), CRC_4(table, (i) + 8), CRC_4(table, (i) + 12)
#define CRC_64(table, i) \
    CRC_16(table, i), CRC_16(table, (i) + 16), CRC_16(table, (i) + 32), CRC_16(table, (i) + 48)
#define CRC_256(table) CRC_64(table, 0), CRC_64(table, 64), CRC_64(table, 128), CRC_64(table, 192)

static const uint32_t crc_tables[8][256] = {
    { CRC_256(CRC_TABLE_0) }, { CRC_256(CRC_TABLE_1) }, { CRC_256(CRC_TABLE_2) },
    { CRC_256(CRC_TABLE_3) }, { CRC_256(CRC_TABLE_4) }, { CRC_256(CRC_TABLE_5) },
    { CRC_256(CRC_TABLE_6) }, { CRC_256(CRC_TABLE_7) },
};

static uint64_t crc_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

uint32_t kis_crc32c_table(uint32_t crc, kis_bytes bytes)
{
    const uint8_t *p = bytes.ptr;
    size_t left = bytes.len;

    crc = ~crc;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word = crc_word(p) ^ crc;
        uint32_t next = 0;
        for (unsigned byte = 0; byte < 8; byte++)
            next ^= crc_tables[7 - byte][(word >> (8 * byte)) & 0xff];
        crc = next;
    }
    for (; left > 0; left--)
        crc = crc_tables[0][(crc ^ *p++) & 0xff] ^ (crc >> 8);
    return ~crc;
}

#ifdef CRC_BY_HAND

#define LANE_BYTES      256u
#define SHIFT_ONE_LANE  0xb9e02b86u /* x^(8 * 256 - 33) mod P, bits reflected */
#define SHIFT_TWO_LANES 0xdd7e3b0cu /* x^(8 * 512 - 33) mod P */

__attribute__((target("sse4.2,pclmul"))) static uint64_t crc_shifted(uint64_t crc, uint32_t by)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128((int64_t)by), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc_by_hand(uint32_t start,
                                                                     kis_bytes bytes)
{
    const uint8_t *p = bytes.ptr;
    size_t left = bytes.len;
    uint64_t crc = ~start;

    for (; left >= 3 * LANE_BYTES; left -= 3 * LANE_BYTES, p += 3 * LANE_BYTES) {
        uint64_t b = 0, c = 0;
        for (size_t i = 0; i < LANE_BYTES; i += 8) {
            crc = _mm_crc32_u64(crc, crc_word(p + i));
            b = _mm_crc32_u64(b, crc_word(p + LANE_BYTES + i));
            c = _mm_crc32_u64(c, crc_word(p + 2 * LANE_BYTES + i));
        }
        crc = crc_shifted(crc, SHIFT_TWO_LANES) ^ crc_shifted(b, SHIFT_ONE_LANE) ^ c;
    }
    for (; left >= 8; left -= 8, p += 8)
        crc = _mm_crc32_u64(crc, crc_word(p));
    for (; left > 0; left--)
        crc = _mm_crc32_u8((uint32_t)crc, *p++);
    return ~(uint32_t)crc;
}

static bool crc_cpu_can(void)
{
    /* 0 not asked yet, 1 no, 2 yes; several threads may ask, all hear the same */
    static _Atomic int known;
    int answer = known;
    if (answer == 0) {
        unsigned a, b, c, d;
        bool can = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) && (c & bit_PCLMUL);
        known = answer = can ? 2 : 1;
    }
    return answer == 2;
}

uint32_t kis_crc32c(uint32_t crc, kis_bytes bytes)
{
    return crc_cpu_can() ? crc_by_hand(crc, bytes) : kis_crc32c_table(crc, bytes);
}

#else

uint32_t kis_crc32c(uint32_t crc, kis_bytes bytes)
{
    return kis_crc32c_table(crc, bytes);
}

#endif
