/* http2_flood.c - how many frames of a kind a peer may send.
 *
 * Resets count only while the request was unanswered: gRPC clients (libcurl does) reset every call
 * that they have finished with, and nghttp2's own limit would end their connection at the 1001st.
 *
 * Not here: what is answered to a flood (http2.c: GOAWAY ENHANCE_YOUR_CALM).
 */
#include "http/http2_flood.h"

#include <stddef.h>

#define FLOOD_SECOND_NS 1000000000u

/* burst: so many at once; rate: so many a second for ever. Honest peers stay far below: clients
 * that cancel half their calls, BDP pings of gRPC, one window update a frame. */
static const struct {
    const char *what;
    uint32_t burst, rate;
} flood_bounds[KIS_FLOOD_KINDS] = {
    [KIS_FLOOD_RESET_BY_PEER] = { "resets of unanswered requests", 1000, 200 },
    [KIS_FLOOD_RESET_BY_US] = { "requests that had to be reset", 1000, 100 }, /* CVE-2025-8671 */
    [KIS_FLOOD_EMPTY_DATA] = { "empty DATA frames", 200, 50 },                /* CVE-2019-9518 */
    [KIS_FLOOD_PRIORITY] = { "PRIORITY frames", 1000, 100 },                  /* CVE-2019-9513 */
    [KIS_FLOOD_SETTINGS] = { "SETTINGS frames", 100, 10 },                    /* CVE-2019-9515 */
    [KIS_FLOOD_PING] = { "PING frames", 1000, 100 },                          /* CVE-2019-9512 */
    [KIS_FLOOD_WINDOW_UPDATE] = { "WINDOW_UPDATE frames", 20000, 20000 },
};

bool kis_flood_note(kis_flood_meters *meters, kis_flood_kind kind, uint64_t now_ns)
{
    uint32_t *used = &meters->at[kind].used;
    uint64_t *since_ns = &meters->at[kind].since_ns;
    uint64_t earned = (now_ns - *since_ns) / (FLOOD_SECOND_NS / flood_bounds[kind].rate);
    if (earned) {
        *used = earned >= *used ? 0 : *used - (uint32_t)earned;
        *since_ns = now_ns;
    }
    if (++*used <= flood_bounds[kind].burst)
        return true;
    if (!meters->what)
        meters->what = flood_bounds[kind].what;
    return false;
}
