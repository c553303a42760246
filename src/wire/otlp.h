/* otlp.h - OTLP trace requests and answers, protobuf and JSON, both directions. */
#ifndef KIS_WIRE_OTLP_H
#define KIS_WIRE_OTLP_H

#include "model/batch.h"
#include "model/reader.h"

/**
 * Decodes batch->body, an ExportTraceServiceRequest in protobuf, into batch->spans, scopes,
 * resources. One bounded walk: views point into the body, arrays and repairs into the batch's
 * arena.
 *
 * Bad spans (ids of a wrong length or all zero, a Span message over its bound) are counted in
 * rejected_spans with the first reason; values beyond the limits are cut and counted in cut_values;
 * invalid UTF-8 becomes U+FFFD. Each of these clears is_verbatim.
 *
 * SYNTAX, MORE not protobuf (or groups nested too deep): diag says which span and field and at
 * which byte, spans counted from 0 over the
 *               whole request; the batch is unusable
 * LIMIT         more spans than the arena's bound allows
 * NOMEM         the machine has no more
 */
kis_err kis_otlp_decode(kis_batch *batch, kis_diag *diag) KIS_CHECKED;
/** The same for OTLP/JSON: ids in hex of any case, 64-bit numbers as text or number, enums as
 * number (or name), lowerCamelCase (or snake_case) keys, unknown keys skipped, null is absent. */
kis_err kis_otlp_json_decode(kis_batch *batch, kis_diag *diag) KIS_CHECKED;

/** Appends the batch as an ExportTraceServiceRequest. A verbatim batch is copied. */
void kis_otlp_encode(const kis_batch *batch, kis_buf *out);
void kis_otlp_json_encode(const kis_batch *batch, kis_buf *out);

/** One Span message / JSON object from a view; what `bytes` holds is not looked at. */
void kis_otlp_encode_span(const kis_span_view *span, kis_buf *out);
void kis_otlp_json_encode_span(const kis_span_view *span, kis_buf *out);
/* {"attributes":…} */
void kis_otlp_json_encode_resource(const kis_resource_view *resource, kis_buf *out);
void kis_otlp_json_encode_scope(const kis_scope_view *scope, kis_buf *out);

/** 128 bits over a resource or scope: neighbours with equal ones share an envelope. */
typedef struct kis_otlp_json_identity {
    uint64_t a, b;
} kis_otlp_json_identity;
kis_otlp_json_identity kis_otlp_json_identity_of_resource(const kis_resource_view *resource);

/** A spans-come-one-by-one writer of {"resourceSpans":[…]} that groups neighbours with the same
 * resource and scope. Keeps nothing that it was given, so `out` may be emptied between calls. */
typedef struct kis_otlp_json_stream {
    kis_buf *out;
    kis_otlp_json_identity resource, scope; /* of the span before */
    bool has_any;
} kis_otlp_json_stream;
/* writes {"resourceSpans":[ */
void kis_otlp_json_stream_begin(kis_otlp_json_stream *s, kis_buf *out);
void kis_otlp_json_stream_span(kis_otlp_json_stream *s, const kis_found_span *span);
void kis_otlp_json_stream_end(kis_otlp_json_stream *s); /* ]} */

/** ExportTraceServiceResponse. Nothing rejected and no message: zero bytes in protobuf,
 * {"partialSuccess":{}} in JSON. */
void kis_otlp_response_encode(uint64_t rejected_spans, kis_str message, bool json, kis_buf *out);
/** What a sender reads of an answer; unknown fields are skipped; `message` borrows from `body`. */
kis_err kis_otlp_response_decode(kis_bytes body, bool json, kis_arena *arena,
                                 uint64_t *rejected_spans, kis_str *message) KIS_CHECKED;

/** google.rpc.Status{code, message, details}: with BadRequest{field, description} when `field` is
 * not empty, with RetryInfo when retry_ms > 0. */
void kis_rpc_status_encode(int code, kis_str message, kis_str field, uint64_t retry_ms, bool json,
                           kis_buf *out);
kis_err kis_rpc_status_decode(kis_bytes body, bool json, kis_arena *arena, int *code,
                              kis_str *message, uint64_t *retry_ms) KIS_CHECKED;

#endif
