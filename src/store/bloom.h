/* bloom.h - two small filters: which traces a segment may have, which names a block may have.
 * Never "no" for what is there.
 *
 * Trace filter: 64-byte lines, one a trace, 6 bits in it;
 * 12 bits a trace make about one false answer in a hundred.
 * Name filter: 128 bytes a block; services, operations, and both together.
 */
#ifndef KIS_STORE_BLOOM_H
#define KIS_STORE_BLOOM_H

#include "base/hash.h"

#define KIS_BLOOM_LINE        64u
#define KIS_NAME_FILTER_BYTES 128u

static inline size_t kis_bloom_bytes(uint32_t traces)
{
    return ((size_t)traces * 12 / 8 / KIS_BLOOM_LINE + 1) * KIS_BLOOM_LINE;
}

static inline size_t kis_bloom_line(size_t bytes, uint64_t hash)
{
    return (size_t)((hash >> 32) * (bytes / KIS_BLOOM_LINE) >> 32) * KIS_BLOOM_LINE;
}

static inline void kis_bloom_add(uint8_t *filter, size_t bytes, uint64_t hash)
{
    uint8_t *line = filter + kis_bloom_line(bytes, hash);
    uint64_t bits = kis_hash_u64(hash);
    for (unsigned i = 0; i < 6; i++, bits >>= 9)
        line[bits >> 3 & 63] |= (uint8_t)(1u << (bits & 7));
}

static inline bool kis_bloom_may_have(const uint8_t *filter, size_t bytes, uint64_t hash)
{
    const uint8_t *line = filter + kis_bloom_line(bytes, hash);
    uint64_t bits = kis_hash_u64(hash);
    for (unsigned i = 0; i < 6; i++, bits >>= 9)
        if (!(line[bits >> 3 & 63] & 1u << (bits & 7)))
            return false;
    return true;
}

static inline uint64_t kis_name_hash_service(kis_str service)
{
    return kis_hash_str(service, 3);
}
static inline uint64_t kis_name_hash_operation(kis_str name)
{
    return kis_hash_str(name, 5);
}
static inline uint64_t kis_name_hash_both(uint64_t service_hash, kis_str name)
{
    return kis_hash_str(name, service_hash);
}

static inline void kis_name_filter_add(uint8_t filter[KIS_NAME_FILTER_BYTES], uint64_t hash)
{
    filter[hash >> 3 & 127] |= (uint8_t)(1u << (hash & 7));
    filter[hash >> 35 & 127] |= (uint8_t)(1u << (hash >> 32 & 7));
}

static inline bool kis_name_filter_may_have(const uint8_t filter[KIS_NAME_FILTER_BYTES],
                                            uint64_t hash)
{
    return (filter[hash >> 3 & 127] & 1u << (hash & 7)) &&
           (filter[hash >> 35 & 127] & 1u << (hash >> 32 & 7));
}

#endif
