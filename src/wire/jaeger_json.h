/* jaeger_json.h - traces in the JSON of Jaeger's query API, version 1 (the "UI model").
 *
 *     kis_jaeger_json_trace t;
 *     kis_jaeger_json_trace_begin(&t, out, alloc, &trace_id);   {"traceID":"…","spans":[
 *     for each span, in any order:
 *         kis_jaeger_json_trace_span(&t, &found, warnings, n);  {…,"processID":"p1",…},
 *     kis_jaeger_json_trace_end(&t, warnings, n);               ],"processes":{"p1":{…}},
 *                                                               "warnings":null}
 *
 * Spans go out as they come and are not kept; kept are the processes, one for each different
 * resource. So a trace of any size is written in the memory of its resources, and `out` may be
 * emptied between calls. Errors (no memory) are in out->err.
 */
#ifndef KIS_WIRE_JAEGER_JSON_H
#define KIS_WIRE_JAEGER_JSON_H

#include "base/map.h"
#include "base/vec.h"
#include "model/reader.h"
#include "wire/otlp.h"

/* of one trace's processes; resources beyond it are shown as the last one that fitted, with a
 * warning */
#define KIS_JAEGER_PROCESS_BYTES_MAX (16u << 20)

typedef struct kis_jaeger_json_trace {
    kis_buf *out;
    const kis_alloc *alloc;
    kis_buf processes;   /* "p1":{…},"p2":{…} */
    kis_map by_identity; /* of resources, to their index */
    KIS_VEC(kis_otlp_json_identity) identities;
    bool has_span, is_short_of_processes;
} kis_jaeger_json_trace;

void kis_jaeger_json_trace_begin(kis_jaeger_json_trace *t, kis_buf *out, const kis_alloc *alloc,
                                 const kis_trace_id *trace_id);
void kis_jaeger_json_trace_span(kis_jaeger_json_trace *t, const kis_found_span *span,
                                const kis_str *warnings, size_t warning_count);
/** Ends the text and gives the memory back. */
void kis_jaeger_json_trace_end(kis_jaeger_json_trace *t, const kis_str *warnings,
                               size_t warning_count);
/** Gives the memory back without ending the text: for a trace that is broken off. Fine after
 * end. */
void kis_jaeger_json_trace_done(kis_jaeger_json_trace *t);

/* ---- parts ---- */

/** One span object; `process` is the number behind the p, from 1. `out` has an allocator (arrays
 * and maps are text first). */
void kis_jaeger_json_span(const kis_span_view *span, const kis_scope_view *scope, uint32_t process,
                          const kis_str *warnings, size_t warning_count, kis_buf *out);
void kis_jaeger_json_process(const kis_resource_view *resource, kis_buf *out);
/** 16 hex digits when the upper half is zero, else 32; with quotes. */
void kis_jaeger_json_trace_id(const kis_trace_id *id, kis_buf *out);
/** The span.kind tag's text for OTLP's number; empty for unspecified and unknown. And back: 0 for
 * what is no kind. */
kis_str kis_jaeger_kind_text(uint8_t kind);
uint8_t kis_jaeger_kind_number(kis_str text);

#endif
