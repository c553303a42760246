/* limits.h - every bound on spans and requests, in one place, with its reason.
 *
 * "cut" means shortened and counted, "refused" means an error to the sender. Bounds of files are in
 * store/, of HTTP in http/.
 */
#ifndef KIS_MODEL_LIMITS_H
#define KIS_MODEL_LIMITS_H

/* One request. OTLP 1.11 "Request size limits" recommends 64 MiB, before and after
 * decompression. */
#define KIS_REQUEST_BYTES_MAX    (64u << 20)
#define KIS_RESPONSE_BYTES_MAX   (4u << 20)  /* OTLP 1.11; what a sender reads of an answer */
#define KIS_ERROR_BODY_BYTES_MAX (64u << 10) /* what a sender reads of an error's body */
#define KIS_ERROR_TEXT_MAX       1024u       /* what a receiver writes in an error message */

/* One span, as received. More attributes, events or links are dropped and added to the dropped_*
 * counts. */
#define KIS_SPAN_ATTRS_MAX        1024u
#define KIS_SPAN_EVENTS_MAX       1024u
#define KIS_SPAN_LINKS_MAX        1024u
#define KIS_ITEM_ATTRS_MAX        256u        /* of one event or link */
#define KIS_SPAN_NAME_BYTES_MAX   4096u       /* cut at a character */
#define KIS_KEY_BYTES_MAX         1024u       /* cut */
#define KIS_VALUE_BYTES_MAX       (64u << 10) /* text or bytes of one value; cut at a character */
#define KIS_TRACE_STATE_BYTES_MAX 4096u /* W3C asks for 512 at least; longer is dropped whole */
#define KIS_SPAN_BYTES_MAX        (4u << 20) /* one Span message; larger is rejected */
/* one Resource message; larger: its spans are rejected */
#define KIS_RESOURCE_BYTES_MAX (1u << 20)

/* Nesting. protobuf C++ stops at 100; a sender that needs 32 levels of values has another
 * problem. */
/* deeper values are replaced by an empty one and counted */
#define KIS_VALUE_DEPTH_MAX 32
/* Lists and maps that a recorder nests: what stands in the innermost is one level more. So nothing
 * that is recorded is too deep for a receiver, or for another form. */
#define KIS_RECORD_DEPTH_MAX   (KIS_VALUE_DEPTH_MAX - 1)
#define KIS_PB_GROUP_DEPTH_MAX 32  /* unknown groups; deeper is refused */
#define KIS_JSON_DEPTH_MAX     128 /* deeper is refused */

#define KIS_FILTER_DEPTH_MAX 16 /* of a filter tree (reader.h); deeper is refused */

/* The recorder's defaults (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT and friends, specification
 * common/README.md). */
#define KIS_RECORD_ATTRS_DEFAULT  128u
#define KIS_RECORD_EVENTS_DEFAULT 128u
#define KIS_RECORD_LINKS_DEFAULT  128u

/* Propagation. */
#define KIS_TRACESTATE_MEMBERS_MAX 32u /* W3C trace context 3.3.1.1 */
/* W3C baggage 3.3.2 asks for 64 at least; 180 is the old maximum */
#define KIS_BAGGAGE_MEMBERS_MAX 180u
#define KIS_BAGGAGE_BYTES_MAX   8192u /* over all headers together */

/* One batch on its way. */
#define KIS_IDEMPOTENCY_KEY_BYTES_MAX 64u
#define KIS_TENANT_BYTES_MAX          64u

#endif
