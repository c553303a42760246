/* tracestate.h - what vendors say of a trace: a list of keys and values, the newest first. W3C
 * Trace Context, level 2, section 3.3. */
#ifndef KIS_PROPAGATE_TRACESTATE_H
#define KIS_PROPAGATE_TRACESTATE_H

#include "base/str.h"
#include "model/limits.h"

#define KIS_TRACESTATE_PART_MAX 256u /* of a key, and of a value */

typedef struct kis_tracestate_member {
    kis_str key, value;
} kis_tracestate_member;

/** Borrows from what was parsed and set. All zeros is the empty list. */
typedef struct kis_tracestate {
    kis_tracestate_member members[KIS_TRACESTATE_MEMBERS_MAX];
    uint32_t count;
} kis_tracestate;

/**
 * Reads the value of `tracestate`; several headers are first joined with commas, in their order.
 * Empty members are skipped; of a key that stands twice the first is kept.
 *
 * KIS_ERR_SYNTAX  a member is not what the grammar allows:
 *                 all are discarded (the traceparent stays)
 * KIS_ERR_LIMIT   more than KIS_TRACESTATE_MEMBERS_MAX members: the same
 * `out` is written only on KIS_OK. Allocates nothing. Any thread.
 */
kis_err kis_tracestate_parse(kis_str header, kis_tracestate *out) KIS_CHECKED;
/** Sets a key, at the front; when there are too many, the last one goes.
 * SYNTAX: not a key or not a value, nothing is changed. */
kis_err kis_tracestate_set(kis_tracestate *state, kis_str key, kis_str value) KIS_CHECKED;
bool kis_tracestate_remove(kis_tracestate *state, kis_str key); /* false: it was not there */
bool kis_tracestate_get(const kis_tracestate *state, kis_str key, kis_str *out);
/** Writes "a=1,b=2", no NUL; whole members from the front as far as `size` goes.
 * Answers the length. */
size_t kis_tracestate_format(const kis_tracestate *state, char *out, size_t size);

bool kis_tracestate_key_is_valid(kis_str key);
bool kis_tracestate_value_is_valid(kis_str value);

#endif
