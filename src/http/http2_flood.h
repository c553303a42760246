/* http2_flood.h - meters for what a peer does that costs us and not it. Inside http/ only.
 *
 * Each kind of frame has a bucket that refills with time: a burst at once, a rate for ever. Zeros
 * are full buckets.
 */
#ifndef KIS_HTTP_HTTP2_FLOOD_H
#define KIS_HTTP_HTTP2_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

typedef enum kis_flood_kind {
    KIS_FLOOD_RESET_BY_PEER, /* of a request that was not answered yet */
    KIS_FLOOD_RESET_BY_US,
    KIS_FLOOD_EMPTY_DATA,
    KIS_FLOOD_PRIORITY,
    KIS_FLOOD_SETTINGS,
    KIS_FLOOD_PING,
    KIS_FLOOD_WINDOW_UPDATE,
    KIS_FLOOD_KINDS
} kis_flood_kind;

/** Of one connection. */
typedef struct kis_flood_meters {
    struct {
        uint32_t used;
        uint64_t since_ns; /* up to here the bucket was refilled */
    } at[KIS_FLOOD_KINDS];
    const char *what; /* overflowed first, as words for a sentence; NULL: nothing did */
} kis_flood_meters;

/** One more of `kind`, at a monotonic time. False: that is too many. */
bool kis_flood_note(kis_flood_meters *meters, kis_flood_kind kind, uint64_t now_ns);

#endif
