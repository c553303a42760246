/* otlp_repair.h - a message that kis_otlp_read_* would not have: says why, or makes one that they
 * take. Inside wire/ only. */
#ifndef KIS_WIRE_OTLP_REPAIR_H
#define KIS_WIRE_OTLP_REPAIR_H

#include "model/batch.h"

typedef enum kis_otlp_message { KIS_OTLP_SPAN, KIS_OTLP_RESOURCE, KIS_OTLP_SCOPE } kis_otlp_message;

typedef struct kis_otlp_repair {
    const uint8_t *body; /* offsets in texts count from here; NULL: they are left out */
    kis_bytes clean;     /* the message made anew: passes kis_otlp_read_*; in the arena */
    /* values, names, attributes, events, links that were shortened or dropped */
    uint32_t cut_values;
    /* err is not OK: the message is well formed, but not to be taken; says why */
    kis_diag reject;
} kis_otlp_repair;

/**
 * Copies `message` into the arena with invalid UTF-8 as U+FFFD, texts cut at their bounds, values
 * below KIS_VALUE_DEPTH_MAX emptied, and attributes, events and links beyond their counts dropped
 * and added to the dropped_* counts.
 *
 * SYNTAX, MORE  not protobuf: diag says which field and at which byte
 * LIMIT, NOMEM  no room in the arena
 */
kis_err kis_otlp_repair_message(kis_otlp_message type, kis_bytes message, kis_arena *arena,
                                kis_otlp_repair *repair, kis_diag *diag) KIS_CHECKED;

/** Sets diag for a field at `at` that kis_pb_next refused with `err`: "wire type 6, at byte 17".
 * Answers err. */
kis_err kis_otlp_explain_field(kis_cursor at, kis_err err, const uint8_t *body, kis_diag *diag);
/** The error of an arena that had no room for `size` bytes: LIMIT at its bound, NOMEM when the
 * machine has no more. */
kis_err kis_otlp_no_room(const kis_arena *arena, size_t size, kis_diag *diag);
/** A text as the limits allow: repaired, at most `max` bytes, in the arena. */
kis_err kis_otlp_repair_text(kis_bytes text, size_t max, kis_arena *arena, kis_str *out,
                             uint32_t *cut_values) KIS_CHECKED;

#endif
