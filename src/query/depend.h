/* depend.h - which service calls which: parents and children in different services, counted over
 * the newest traces of a time range. */
#ifndef KIS_QUERY_DEPEND_H
#define KIS_QUERY_DEPEND_H

#include "query/find.h"

/* looked at for one answer: it is a scan, and says so when there were more */
#define KIS_DEPEND_TRACES_MAX   2000u
#define KIS_DEPEND_SERVICES_MAX 4096u
#define KIS_DEPEND_EDGES_MAX    65536u

typedef struct kis_dependency {
    kis_str parent, child;
    uint64_t call_count;
} kis_dependency;

typedef struct kis_dependencies {
    const kis_dependency *at; /* by parent, then child; in the arena */
    uint32_t count;
    uint32_t traces_looked_at;
    bool is_partial; /* there were more traces, services or edges than the bounds above, or
                        something could not be read */
    const char *why; /* what could not be read; NULL: all could, or nobody knows */
} kis_dependencies;

/** Over traces with a span that starts in [min, max). */
kis_err kis_query_dependencies(kis_reader *reader, const kis_request *request,
                               uint64_t start_min_unix_ns, uint64_t start_max_unix_ns,
                               kis_arena *arena, const kis_alloc *alloc, kis_dependencies *out,
                               kis_diag *diag) KIS_CHECKED;

#endif
