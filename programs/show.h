/* show.h - answers of the query API as text for people: one name a line, tables, a tree. */
#ifndef KIS_PROGRAMS_SHOW_H
#define KIS_PROGRAMS_SHOW_H

#include "base/arena.h"
#include "base/buf.h"

/** Each reads the JSON of one v3 answer (dependencies: v1) and appends text. SYNTAX: not that
 * answer. NOT_FOUND: it is empty. */
kis_err kis_show_services(kis_bytes json, kis_arena *arena, kis_buf *out) KIS_CHECKED;
kis_err kis_show_operations(kis_bytes json, kis_arena *arena, kis_buf *out) KIS_CHECKED;
kis_err kis_show_summaries(kis_bytes json, kis_arena *arena, kis_buf *out) KIS_CHECKED;
kis_err kis_show_dependencies(kis_bytes json, kis_arena *arena, kis_buf *out) KIS_CHECKED;
/** The spans as a tree: offset, duration, service, name; below each, where asked for, its
 * attributes, events, links and status, and those of its resource where it is met first. */
kis_err kis_show_trace(kis_bytes json, bool with_attributes, kis_buf *out,
                       kis_diag *diag) KIS_CHECKED;
/** What an error answer says, v1's or v3's; empty: nothing that can be read. */
kis_str kis_show_error(kis_bytes json, kis_arena *arena);

#endif
