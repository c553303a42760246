/* test_frames.h - frames of HTTP/2 by hand, for the tests of both its ends. */
#ifndef KIS_HTTP_TEST_FRAMES_H
#define KIS_HTTP_TEST_FRAMES_H

#include <stdint.h>
#include <string.h>

/* One frame into `to`, which has room for 9 bytes more than the payload; the payload may stand at
 * its place already. Answers how many bytes that are. */
static inline size_t put_frame(uint8_t *to, uint8_t type, uint8_t flags, uint32_t id,
                               const void *payload, size_t size)
{
    const uint8_t head[9] = {
        (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size,      type,       flags,
        (uint8_t)(id >> 24),   (uint8_t)(id >> 16),  (uint8_t)(id >> 8), (uint8_t)id
    };
    memcpy(to, head, 9);
    if (size)
        memmove(to + 9, payload, size);
    return 9 + size;
}

#endif
