/* baggage.h - names and values that travel with a request. W3C Baggage;
 * OpenTelemetry baggage/api.md. */
#ifndef KIS_PROPAGATE_BAGGAGE_H
#define KIS_PROPAGATE_BAGGAGE_H

#include "base/str.h"
#include "model/limits.h"

/** Name and value as the program sees them (percent coding undone, valid UTF-8); metadata
 * ("properties") is opaque, as it travels. */
typedef struct kis_baggage_member {
    kis_str name, value, metadata;
} kis_baggage_member;

/** A set of members; their texts point into `text` or at what the caller set. All zeros is empty.
 * About 17 KiB. */
typedef struct kis_baggage {
    kis_baggage_member members[KIS_BAGGAGE_MEMBERS_MAX];
    uint32_t count;
    uint32_t header_bytes; /* of the headers read so far; bounded over all of them together */
    uint32_t text_len;
    char text[KIS_BAGGAGE_BYTES_MAX];
} kis_baggage;

/**
 * Adds the members of one `baggage` header; call it for each in their order. A member that is
 * malformed is left out, the others are kept. Of a name that stands twice the last one counts.
 *
 * KIS_ERR_SYNTAX  at least one member was left out
 * KIS_ERR_LIMIT   KIS_BAGGAGE_BYTES_MAX over all headers, or KIS_BAGGAGE_MEMBERS_MAX, was reached:
 *                 what was read before stands
 */
kis_err kis_baggage_parse(kis_baggage *baggage, kis_str header) KIS_CHECKED;

/** Sets one name; borrows all three. SYNTAX: an empty name, one that is no token, or metadata that
 * may not travel. LIMIT: too many members. */
kis_err kis_baggage_put(kis_baggage *baggage, kis_str name, kis_str value,
                        kis_str metadata) KIS_CHECKED;
bool kis_baggage_take_out(kis_baggage *baggage, kis_str name); /* false: it was not there */
/* NULL: not there */
const kis_baggage_member *kis_baggage_find(const kis_baggage *baggage, kis_str name);
/** Writes the header's value, no NUL: members that fit whole, from the first. Answers the length;
 * at most KIS_BAGGAGE_BYTES_MAX. */
size_t kis_baggage_format(const kis_baggage *baggage, char *out, size_t size);

/* ---- one member, for those who keep baggage in a form of their own --------------------------- */

/** The next well-formed member of a header; moves `rest` behind it. The decoded value goes to
 * `memory`, which has room for rest->len bytes. False: no more. `*malformed` is increased for each
 * member that was left out. */
bool kis_baggage_next(kis_str *rest, char *memory, kis_baggage_member *out, uint32_t *malformed);
/** How long kis_baggage_member_format makes it. 0: it may not travel, see there. */
size_t kis_baggage_member_size(const kis_baggage_member *member);
/** "name=value;metadata" with percent coding, no comma, no NUL. 0: does not fit, or the name is no
 * token, or the metadata may not travel. */
size_t kis_baggage_member_format(const kis_baggage_member *member, char *out, size_t size);

#endif
