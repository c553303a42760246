/* when.h - a moment as people type it. */
#ifndef KIS_PROGRAMS_WHEN_H
#define KIS_PROGRAMS_WHEN_H

#include "base/str.h"

#define KIS_WHEN_WANTED "now, -1h, +1h, 2026-11-21 or 2026-11-21T07:49:21Z"

/** "now"; "-1h" and "+1h", counted from now; RFC 3339; a date alone, which is its midnight in UTC.
 * False: it is none of them, or a time that cannot be written in nanoseconds. What lies before 1970
 * is 1970. */
bool kis_when_read(kis_str text, uint64_t now_unix_ns, uint64_t *out_unix_ns);

#endif
