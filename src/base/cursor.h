/* cursor.h - reading bytes forward with bounds. Every read says whether it could; none reads past
 * `end`. */
#ifndef KIS_BASE_CURSOR_H
#define KIS_BASE_CURSOR_H

#include "base/str.h"

typedef struct kis_cursor {
    const uint8_t *at, *end;
} kis_cursor;

static inline kis_cursor kis_cursor_of(kis_bytes b)
{
    return (kis_cursor){ b.ptr, b.len ? b.ptr + b.len : b.ptr };
}
static inline size_t kis_cursor_left(const kis_cursor *c)
{
    return (size_t)(c->end - c->at);
}

/** Protobuf's varint: at most 10 bytes, the tenth at most 1. False: the cursor stays where it
 * was. */
bool kis_cursor_varint_slow(kis_cursor *c, uint64_t *out);
static inline bool kis_cursor_varint(kis_cursor *c, uint64_t *out)
{
    if (KIS_LIKELY(c->at < c->end && *c->at < 0x80)) {
        *out = *c->at++;
        return true;
    }
    return kis_cursor_varint_slow(c, out);
}
static inline bool kis_cursor_bytes(kis_cursor *c, uint64_t size, kis_bytes *out)
{
    if (size > (uint64_t)(c->end - c->at))
        return false;
    *out = (kis_bytes){ c->at, (size_t)size };
    c->at += size;
    return true;
}
/** Little-endian words. */
static inline bool kis_cursor_u8(kis_cursor *c, uint8_t *out)
{
    if (c->at >= c->end)
        return false;
    *out = *c->at++;
    return true;
}
static inline bool kis_cursor_u32(kis_cursor *c, uint32_t *out)
{
    if (c->end - c->at < 4)
        return false;
    memcpy(out, c->at, 4); /* all supported machines are little-endian; asserted in cursor.c */
    c->at += 4;
    return true;
}
static inline bool kis_cursor_u64(kis_cursor *c, uint64_t *out)
{
    if (c->end - c->at < 8)
        return false;
    memcpy(out, c->at, 8);
    c->at += 8;
    return true;
}
/** Writes a varint; answers its length, 1 to 10. */
size_t kis_varint_put(uint8_t *out, uint64_t value);
static inline size_t kis_varint_size(uint64_t value)
{
    return (size_t)(9 * (63 - __builtin_clzll(value | 1)) + 73) / 64;
}

#endif
