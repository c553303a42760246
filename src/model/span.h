/* span.h - a span, seen in place: the views that decoding makes and everything after reads.
 *
 * A view owns nothing. Its texts and stretches point into the request's bytes or into the batch's
 * arena, and live as long as the batch (or, from a reader, until the callback returns).
 */
#ifndef KIS_MODEL_SPAN_H
#define KIS_MODEL_SPAN_H

#include <kiseki/id.h>

#include "base/hash.h"
#include "model/attr.h"

/** OTLP's kind numbers: 0 unspecified, 1 internal … 5 consumer. The model keeps OTLP's; the API's
 * start at INTERNAL = 0. */
#define KIS_OTLP_KIND_UNSPECIFIED 0
#define KIS_OTLP_KIND_INTERNAL    1
#define KIS_OTLP_KIND_SERVER      2
#define KIS_OTLP_KIND_CLIENT      3
#define KIS_OTLP_KIND_PRODUCER    4
#define KIS_OTLP_KIND_CONSUMER    5

/** The flags field of OTLP: the low 8 bits are W3C's, then two bits about the parent's (or link's)
 * remoteness. */
#define KIS_OTLP_FLAG_HAS_IS_REMOTE 0x100u
#define KIS_OTLP_FLAG_IS_REMOTE     0x200u

typedef struct kis_span_view {
    kis_trace_id trace_id;
    kis_span_id span_id;
    kis_span_id parent_id; /* zeros: a root */
    uint64_t start_unix_ns, end_unix_ns;
    kis_str name;
    kis_str trace_state;
    kis_str status_message;
    kis_attrs attrs;
    kis_bytes events; /* stretch of fields whose tag is KIS_TAG_SPAN_EVENTS; others are skipped */
    kis_bytes links;  /* the same with KIS_TAG_SPAN_LINKS */
    uint32_t flags;
    uint32_t attr_count, event_count, link_count;
    uint32_t dropped_attrs, dropped_events, dropped_links;
    uint8_t kind;   /* OTLP's number, 0 to 5 */
    uint8_t status; /* kis_status_code */
    /* the Span message as received, or none when it was repaired, cut or recorded here */
    kis_bytes bytes;
} kis_span_view;

#define KIS_TAG_SPAN_EVENTS KIS_PB_TAG(11, KIS_PB_BYTES)
#define KIS_TAG_SPAN_LINKS  KIS_PB_TAG(13, KIS_PB_BYTES)

typedef struct kis_event_view {
    uint64_t time_unix_ns;
    kis_str name;
    kis_attrs attrs;
    uint32_t dropped_attrs;
} kis_event_view;

typedef struct kis_link_view {
    kis_trace_id trace_id;
    kis_span_id span_id;
    kis_str trace_state;
    kis_attrs attrs;
    uint32_t dropped_attrs, flags;
} kis_link_view;

/** for (kis_cursor c = kis_cursor_of(span->events); kis_event_next(&c, &event);) … */
bool kis_event_next(kis_cursor *c, kis_event_view *out);
bool kis_link_next(kis_cursor *c, kis_link_view *out);

typedef struct kis_resource_view {
    kis_attrs attrs;      /* tag KIS_TAG_RESOURCE_ATTRS */
    kis_str service_name; /* of attribute service.name, or "unknown_service" */
    kis_str schema_url;   /* of the ResourceSpans */
    uint32_t dropped_attrs;
} kis_resource_view;

typedef struct kis_scope_view {
    kis_str name, version, schema_url;
    kis_attrs attrs; /* tag KIS_TAG_SCOPE_ATTRS */
    uint32_t dropped_attrs;
    uint32_t resource;               /* index into the batch's resources */
    uint32_t first_span, span_count; /* its spans, contiguous in the batch's spans */
} kis_scope_view;

static inline bool kis_trace_id_is_valid(const kis_trace_id *id)
{
    uint64_t halves[2];
    memcpy(halves, id->bytes, 16);
    return (halves[0] | halves[1]) != 0;
}
static inline bool kis_span_id_is_valid(const kis_span_id *id)
{
    uint64_t word;
    memcpy(&word, id->bytes, 8);
    return word != 0;
}
static inline bool kis_trace_id_eq(const kis_trace_id *a, const kis_trace_id *b)
{
    return memcmp(a, b, 16) == 0;
}
static inline bool kis_span_id_eq(const kis_span_id *a, const kis_span_id *b)
{
    return memcmp(a, b, 8) == 0;
}
static inline uint64_t kis_trace_id_hash(const kis_trace_id *id)
{
    uint64_t halves[2];
    memcpy(halves, id->bytes, 16);
    return kis_hash_u64(halves[0] ^ (halves[1] * 0x9e3779b97f4a7c15u));
}

/** end - start, or 0 when the end lies before the start. */
static inline uint64_t kis_span_duration_ns(const kis_span_view *s)
{
    return s->end_unix_ns > s->start_unix_ns ? s->end_unix_ns - s->start_unix_ns : 0;
}

#endif
