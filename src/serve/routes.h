/* routes.h - the query API's paths, as a table. */
#ifndef KIS_SERVE_ROUTES_H
#define KIS_SERVE_ROUTES_H

#include "serve/api.h"

typedef struct kis_route {
    const char *pattern; /* a star stands for one part of the path that is not empty; at most two */
    kis_api_fn *call;
    kis_api_error_fn *error; /* how this API words an error */
} kis_route;

/** The route of a raw path; the parts that stars stand for, still encoded, go to `captures`. NULL:
 * none. */
const kis_route *kis_route_find(kis_str path, kis_str captures[2]);
/** True for paths under /api/: they never fall back to the page. */
bool kis_route_is_api(kis_str path);

/**
 * Runs a call from its raw path and query: decodes captures and parameters, then the route's
 * function. Any failure is answered in the route's form. `call` has reader, alloc, arena, request,
 * now and out set.
 */
void kis_route_run(const kis_route *route, kis_api_call *call, const kis_str raw_captures[2],
                   kis_str raw_query);

#endif
