/* load_make.h - realistic OTLP requests, made once as templates and given fresh ids, times and
 * values for each sending.
 *
 * Workload T: about 460 bytes and 9 attributes a span in protobuf, 10 services, HTTP, gRPC,
 * database, cache and messaging spans in traces of about ten, an event on every fourth, an error
 * now and then. Harsh: 15 attributes and much random text. What is random per request is really
 * random, so that a store's compression is judged by what it meets in life: ids, times, durations,
 * users, sessions, addresses, sizes.
 */
#ifndef KIS_PROGRAMS_LOAD_MAKE_H
#define KIS_PROGRAMS_LOAD_MAKE_H

#include <kiseki/id.h>

#include "base/buf.h"

#define KIS_LOAD_TEMPLATES 16
#define KIS_LOAD_SPANS_MAX 8192u /* of one request */

typedef enum kis_load_patch_kind {
    KIS_PATCH_TRACE,
    KIS_PATCH_SPAN,
    KIS_PATCH_TIME,
    KIS_PATCH_HEX,
    KIS_PATCH_DECIMAL
} kis_load_patch_kind;

typedef struct kis_load_patch {
    uint32_t at;
    uint32_t number; /* which trace, span or time; for texts: how many characters */
    kis_load_patch_kind kind;
} kis_load_patch;

typedef struct kis_load_template {
    kis_bytes body;
    kis_load_patch *patches;
    uint32_t patch_count, span_count, trace_count, time_count;
    uint32_t *trace_of_span;   /* by span number */
    uint32_t *time_offsets_us; /* by time number: after the request's begin; even numbers are
                                  starts, odd ones ends */
} kis_load_template;

typedef struct kis_load_maker {
    kis_load_template templates[KIS_LOAD_TEMPLATES];
    bool is_json;
    const kis_alloc *alloc;
} kis_load_maker;

typedef struct kis_load_mix {
    uint32_t spans_per_request, services;
    bool is_json, is_harsh;
    uint64_t seed;
} kis_load_mix;

kis_err kis_load_maker_init(kis_load_maker *maker, const kis_load_mix *mix, const kis_alloc *alloc,
                            kis_diag *diag) KIS_CHECKED;
void kis_load_maker_done(kis_load_maker *maker);

/** Writes the request number `seed` into `to` (template->body.len bytes): the same seed makes the
 * same ids again. */
void kis_load_make(const kis_load_maker *maker, uint64_t seed, uint64_t begin_unix_ns, uint8_t *to);
const kis_load_template *kis_load_template_of(const kis_load_maker *maker, uint64_t seed);
size_t kis_load_body_max(const kis_load_maker *maker);
/** The ids that kis_load_make gives. */
kis_trace_id kis_load_trace_id(uint64_t seed, uint32_t trace);
kis_span_id kis_load_span_id(uint64_t seed, uint32_t span);

#endif
