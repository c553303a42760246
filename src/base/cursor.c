/* cursor.c - varints of more than one byte. */
#include "base/cursor.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read with memcpy");

bool kis_cursor_varint_slow(kis_cursor *c, uint64_t *out)
{
    const uint8_t *at = c->at;
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (at >= c->end)
            return false;
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return false; /* the tenth byte holds one bit, and nothing follows it */
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            c->at = at;
            *out = value;
            return true;
        }
    }
    return false;
}

size_t kis_varint_put(uint8_t *out, uint64_t value)
{
    size_t len = 0;
    while (value >= 0x80) {
        out[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (uint8_t)value;
    return len;
}
