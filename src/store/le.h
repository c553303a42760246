/* le.h - the numbers of our files, little-endian, at any address. Every machine we run on is
 * little-endian, so a copy is all it takes. */
#ifndef KIS_STORE_LE_H
#define KIS_STORE_LE_H

#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the store's files are read and written as little-endian memory"
#endif

static inline uint32_t kis_le_get_u32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, 4);
    return value;
}

static inline uint64_t kis_le_get_u64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, 8);
    return value;
}

static inline void kis_le_put_u32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, 4);
}
static inline void kis_le_put_u64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, 8);
}

#endif
