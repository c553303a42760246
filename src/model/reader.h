/* reader.h - the second seam: spans come from here.
 *
 * One filter tree, typed, over span, resource, scope, event and link. Answers stream through a
 * callback that returns false to stop; everything borrowed is good until the callback returns.
 * Calls block, so they run on a query thread and never on a loop. Each call has a deadline
 * (TIMEOUT) and may be cancelled (CLOSED); an answer that had to leave something out says so in
 * kis_answer. `query/` supplies what a reader cannot do itself.
 *
 * What the calls are in SQL, which is how a store of another make would answer (ClickHouse, table
 * spans):
 *     find       SELECT trace_id, max(start) AS newest FROM spans
 *                WHERE tenant = … AND start >= … AND start < … AND <filter>
 *                GROUP BY trace_id HAVING (newest, trace_id) < <token>
 *                ORDER BY newest DESC, trace_id DESC LIMIT n
 *     get        SELECT * FROM spans WHERE tenant = … AND trace_id IN (…)
 *                ORDER BY trace_id, start, span_id LIMIT 1 BY trace_id, span_id, kind, start
 *     aggregate  SELECT <group by>, toStartOfInterval(start, step), count(), countIf(status = 2),
 *                quantiles(0.5, 0.95)(duration) FROM spans WHERE … GROUP BY 1, 2
 * so: a filter has no callback in it, a continuation token is (newest, trace id) and not a
 * position, and rows leave in an order that both can keep.
 */
#ifndef KIS_MODEL_READER_H
#define KIS_MODEL_READER_H

#include <stdatomic.h>

#include "model/span.h"

/* ---- what is looked for ---- */

typedef enum kis_filter_op {
    KIS_FILTER_AND,
    KIS_FILTER_OR,
    KIS_FILTER_NOT,
    KIS_FILTER_COMPARE
} kis_filter_op;

/** Whose field or attribute. */
typedef enum kis_filter_on {
    KIS_ON_ANY_ATTR, /* attribute of span, resource or event: Jaeger's "tags" */
    KIS_ON_SPAN_ATTR,
    KIS_ON_RESOURCE_ATTR,
    KIS_ON_SCOPE_ATTR,
    KIS_ON_EVENT_ATTR,
    KIS_ON_LINK_ATTR,
    KIS_ON_SERVICE,
    KIS_ON_NAME,
    KIS_ON_KIND, /* OTLP's number */
    KIS_ON_STATUS,
    KIS_ON_STATUS_MESSAGE,
    KIS_ON_DURATION, /* ns */
    KIS_ON_SCOPE_NAME,
    KIS_ON_SCOPE_VERSION,
    KIS_ON_EVENT_NAME,
    KIS_ON_TRACE_STATE,
    KIS_ON_PARENT, /* EXISTS: is not a root */
} kis_filter_on;

typedef enum kis_compare {
    KIS_EQ,
    KIS_NE,
    KIS_LT,
    KIS_LE,
    KIS_GT,
    KIS_GE,
    KIS_EXISTS,
    /* the value's text form (kis_value_text) equals: what Jaeger's string-only tags mean */
    KIS_TEXT_EQ,
} kis_compare;

typedef struct kis_filter {
    kis_filter_op op;
    const struct kis_filter *const *parts; /* AND, OR; NOT has one */
    uint32_t part_count;
    kis_filter_on on; /* from here: COMPARE */
    kis_compare compare;
    kis_str key;
    kis_value_view value;
} kis_filter;

/** Numbers compare as numbers (int against double too), texts by bytes; different kinds are unequal
 * and in no order. A missing attribute makes every comparison false, KIS_NE too. One span must
 * satisfy the whole tree (with NULL: any span does); then its trace is found. */
bool kis_filter_matches(const kis_filter *filter, const kis_span_view *span,
                        const kis_resource_view *resource, const kis_scope_view *scope);

/** False when the tree is deeper than KIS_FILTER_DEPTH_MAX; such a filter matches nothing, so a
 * reader answers LIMIT. */
bool kis_filter_is_shallow(const kis_filter *filter);

typedef struct kis_request {
    kis_str tenant;
    uint64_t deadline_ns;             /* monotonic; 0: none */
    const _Atomic bool *is_cancelled; /* NULL: never */
} kis_request;

/** How an answer ended when the call returned OK. */
typedef struct kis_answer {
    bool is_partial; /* something was damaged, too much, or too late */
    const char *why; /* static text, or NULL */
    uint64_t rows_looked_at;
} kis_answer;

/* ---- find ---- */

/** Position behind a found trace; survives flush and retention because it is a value, not a place.
 * All zeros: from the start. */
typedef struct kis_token {
    uint64_t newest_unix_ns;
    kis_trace_id trace_id;
} kis_token;

typedef struct kis_find {
    kis_request request;
    /* a matching span's start is in [min, max); max 0: no bound */
    uint64_t start_min_unix_ns, start_max_unix_ns;
    const kis_filter *filter; /* NULL: every span */
    uint32_t limit;           /* traces; at least 1 */
    kis_token after;
} kis_find;

/** A found trace. The order is newest matching span first, then trace id. */
typedef struct kis_found {
    kis_trace_id trace_id;
    uint64_t newest_unix_ns; /* start of its newest matching span */
} kis_found;

/* ---- get and summaries ---- */

typedef struct kis_found_span {
    const kis_span_view *span;
    const kis_resource_view *resource;
    const kis_scope_view *scope;
} kis_found_span;

typedef struct kis_trace_service {
    kis_str name;
    uint32_t span_count, error_count;
} kis_trace_service;

typedef struct kis_trace_summary {
    kis_trace_id trace_id;
    /* of the span without a parent; of the earliest span when there is none; several: the
     * earliest */
    kis_str root_service, root_name;
    uint64_t start_unix_ns, end_unix_ns;
    /* orphan: has a parent id that is not in the trace */
    uint64_t span_count, error_count, orphan_count;
    /* by name; of very many a reader lists some, and counts the spans of the rest as one service
     * "(other)" */
    const kis_trace_service *services;
    uint32_t service_count;
} kis_trace_summary;

/* ---- the table ---- */

#define KIS_READER_CAN_AGGREGATE      0x1u
#define KIS_READER_CAN_SCAN           0x2u
#define KIS_READER_CAN_ATTRIBUTE_KEYS 0x4u
#define KIS_READER_CAN_DEPENDENCIES   0x8u

typedef bool kis_found_fn(void *user, const kis_found *found);
typedef bool kis_span_fn(void *user, const kis_found_span *span);
typedef bool kis_summary_fn(void *user, const kis_trace_summary *summary);
/* kind: OTLP's number; 0 where it has no meaning */
typedef bool kis_name_fn(void *user, kis_str name, uint8_t kind);

typedef struct kis_reader kis_reader;

typedef struct kis_reader_ops {
    const char *name;
    /* of KIS_READER_CAN_*; a call that is not there is NULL and answers UNSUPPORTED */
    uint32_t capabilities;
    kis_err (*find)(kis_reader *, const kis_find *, kis_found_fn *, void *user, kis_answer *,
                    kis_diag *);
    /** The spans of one trace, each once ((span, kind, start) equal is one), by start then span id.
     * NOT_FOUND: none. */
    kis_err (*get)(kis_reader *, const kis_request *, const kis_trace_id *, kis_span_fn *,
                   void *user, kis_answer *, kis_diag *);
    /** Summaries of these traces in this order; ids that are not there are left out. */
    kis_err (*summaries)(kis_reader *, const kis_request *, const kis_trace_id *ids, uint32_t count,
                         kis_summary_fn *, void *user, kis_answer *, kis_diag *);
    /** By name. Whether the list is whole stands in the answer before the first name. */
    kis_err (*services)(kis_reader *, const kis_request *, kis_name_fn *, void *user, kis_answer *,
                        kis_diag *);
    /** Operations of a service, by name then kind; empty service: of all. */
    kis_err (*operations)(kis_reader *, const kis_request *, kis_str service, kis_name_fn *,
                          void *user, kis_answer *, kis_diag *);
} kis_reader_ops;

struct kis_reader {
    const kis_reader_ops *ops;
};

#endif
