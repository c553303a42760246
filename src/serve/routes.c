/* routes.c - see routes.h. */
#include "serve/routes.h"

#include "base/diag.h"
#include "http/url.h"

static const kis_route routes[] = {
    { "/api/services", kis_v1_services, kis_v1_error },
    { "/api/services/*/operations", kis_v1_service_operations, kis_v1_error },
    { "/api/operations", kis_v1_operations, kis_v1_error },
    { "/api/traces", kis_v1_search, kis_v1_error },
    { "/api/traces/*", kis_v1_trace, kis_v1_error },
    { "/api/dependencies", kis_v1_dependencies, kis_v1_error },
    { "/api/metrics/*", kis_v1_unsupported, kis_v1_error },
    { "/api/v3/services", kis_v3_services, kis_v3_error },
    { "/api/v3/operations", kis_v3_operations, kis_v3_error },
    { "/api/v3/traces", kis_v3_search, kis_v3_error },
    { "/api/v3/traces/*", kis_v3_trace, kis_v3_error },
    { "/api/v3/trace-summaries", kis_v3_summaries, kis_v3_error },
    { "/api/kiseki/server", kis_api_server, kis_v3_error },
};

static bool path_matches(kis_str pattern, kis_str path, kis_str captures[2])
{
    size_t count = 0;

    while (pattern.ptr && path.ptr) {
        kis_str want = kis_str_cut(&pattern, '/'), have = kis_str_cut(&path, '/');
        if (!kis_str_eq(want, KIS_STR("*"))) {
            if (!kis_str_eq(want, have))
                return false;
        } else if (have.len == 0) {
            return false;
        } else {
            captures[count++] = have;
        }
    }
    return !pattern.ptr && !path.ptr;
}

const kis_route *kis_route_find(kis_str path, kis_str captures[2])
{
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    for (size_t i = 0; i < KIS_COUNT_OF(routes); i++)
        if (path_matches(kis_str_from_c(routes[i].pattern), path, captures))
            return &routes[i];
    return NULL;
}

bool kis_route_is_api(kis_str path)
{
    return kis_str_starts(path, KIS_STR("/api/")) || kis_str_eq(path, KIS_STR("/api"));
}

void kis_route_run(const kis_route *route, kis_api_call *call, const kis_str raw_captures[2],
                   kis_str raw_query)
{
    kis_diag diag;
    kis_params *params = KIS_NEW(call->arena, kis_params);
    kis_err err = params ? kis_params_parse(raw_query, call->arena, params, &diag)
                         : kis_diag_set(&diag, KIS_ERR_NOMEM, "no memory for the parameters");

    for (int i = 0; i < 2 && !err; i++) {
        call->captures[i] = KIS_STR_NONE;
        if (raw_captures[i].len)
            err = kis_url_decode(raw_captures[i], false, call->arena, &call->captures[i]);
        if (err)
            kis_diag_set(&diag, err, "%s",
                         err == KIS_ERR_NOMEM ? "no memory for the path"
                                              : "the path is not percent-encoded as it should be");
    }
    call->params = params;
    if (!err)
        kis_param_bool(kis_params_get(params, KIS_STR("prettyPrint")), &call->out->pretty.is_on);
    if (err)
        kis_api_fail(call, route->error, err, &diag);
    else
        route->call(call);
}
