/* nothing.h - what `kiseki query` says when nothing was found: what was looked for, and what to
 * do. */
#ifndef KIS_PROGRAMS_NOTHING_H
#define KIS_PROGRAMS_NOTHING_H

#include "base/arena.h"
#include "base/buf.h"

typedef struct kis_nothing {
    const char *what;           /* "trace", "operation", "call between services" */
    kis_str service, operation; /* as typed; empty: not asked for */
    uint32_t tag_count;         /* so many tags were asked for, too */
    bool has_durations;         /* or durations */
    uint64_t from_unix_ns;      /* 0: no time was asked for */
    kis_bytes services;         /* of the API: {"services":[…]}; empty: it could not be asked */
    kis_bytes operations;       /* of that service: {"operations":[…]}; empty: likewise */
} kis_nothing;

/** "no trace of service 'SHOP' since 2026-11-27T07:49:21Z; there is a 'shop'". Memory for names is
 * the arena's; without it there is no hint. */
void kis_nothing_say(const kis_nothing *nothing, kis_arena *arena, kis_buf *out);
/** "no trace 12ab; a trace id has 32 digits, this one has 4". */
void kis_nothing_say_id(kis_str id, kis_buf *out);

#endif
