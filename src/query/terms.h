/* terms.h - what people search for (service, operation, tags as text, duration) as the filter tree
 * that readers understand.
 *
 *     tags {error=true, http.method=GET, resource.k8s.pod=x}
 *        ─> AND( OR(status = ERROR, any attribute error ~ "true"),
 *                any attribute http.method ~ "GET",
 *                OR(resource attribute k8s.pod ~ "x", any attribute resource.k8s.pod ~ "x") )
 *
 * Tags are text on the wire of every query API, so values compare by their text form. A few keys
 * are not attributes but the names under which Jaeger shows fields of a span; the table in terms.c
 * has them.
 */
#ifndef KIS_QUERY_TERMS_H
#define KIS_QUERY_TERMS_H

#include "base/arena.h"
#include "model/reader.h"

#define KIS_QUERY_TAGS_MAX 64u /* of one search; a page's form has a handful */

typedef struct kis_tag {
    kis_str key, value;
} kis_tag;

typedef struct kis_query_terms {
    kis_str service, operation; /* empty: any */
    int kind; /* OTLP's number; KIS_QUERY_KIND_ANY: any; INTERNAL takes the unspecified too */
    const kis_tag *tags; /* all of them must hold, on one span */
    uint32_t tag_count;
    uint64_t duration_min_ns, duration_max_ns; /* both inclusive; max 0: no bound */
} kis_query_terms;

#define KIS_QUERY_KIND_ANY   (-1)
#define KIS_QUERY_TERMS_NONE ((kis_query_terms){ .kind = KIS_QUERY_KIND_ANY })

/**
 * The filter of `terms`, in `arena`, borrowing the terms' texts. NULL in `out` when there is
 * nothing to ask.
 *
 * LIMIT  more than KIS_QUERY_TAGS_MAX tags
 * RANGE  the largest duration is below the smallest
 * NOMEM
 */
kis_err kis_query_filter(const kis_query_terms *terms, kis_arena *arena, const kis_filter **out,
                         kis_diag *diag) KIS_CHECKED;

/** "server", "SERVER", "SPAN_KIND_SERVER" and the like to OTLP's number; false: no such kind. */
bool kis_kind_parse(kis_str text, uint8_t *out);
/** Lower case; "unspecified" for 0 and for what is not a kind. */
kis_str kis_kind_name(uint8_t kind);
/** Case-insensitive "unset", "ok", "error", with or without STATUS_CODE_. */
bool kis_status_parse(kis_str text, uint8_t *out);

#endif
