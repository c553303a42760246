/* api_jaeger_v1.c - Jaeger query v1: the UI's own model in an envelope.
 *
 *     {"data":…,"total":n,"limit":0,"offset":0,"errors":null}
 *     {"data":null,…,"errors":[{"code":404,"msg":"trace not found"}]}, a line end, text/plain
 *
 *     GET /api/services                   names
 *     GET /api/services/{s}/operations    names
 *     GET /api/operations?service=        {"name","spanKind"}
 *     GET /api/traces?service=            traces; or ?traceID=, then errors names the missing
 *     GET /api/traces/{id}                one trace
 *     GET /api/dependencies               {"parent","child","callCount"} of the newest traces
 *     GET /api/metrics/…                  501: there is no metrics store
 *
 * Not here: traces and their search (api_jaeger_v1_traces.c).
 */
#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "model/json_put.h"
#include "query/depend.h"
#include "serve/api_jaeger_v1.h"

/* ---- the envelope ---- */

void kis_v1_error(kis_answer_writer *out, int status, kis_str message)
{
    out->status = status;
    out->content_type = KIS_STR("text/plain; charset=utf-8");
    kis_buf_add_fmt(
        &out->buf,
        "{\"data\":null,\"total\":0,\"limit\":0,\"offset\":0,\"errors\":[{\"code\":%d,\"msg\":",
        status);
    kis_json_put_str(&out->buf, message);
    kis_buf_add_str(&out->buf, KIS_STR("}]}\n"));
    kis_answer_finish(out);
}

void kis_v1_begin_data(kis_api_call *call)
{
    kis_buf_add_str(&call->out->buf, KIS_STR("{\"data\":["));
}

void kis_v1_end_data(kis_api_call *call, uint64_t total)
{
    kis_buf_add_fmt(&call->out->buf, "],\"total\":%llu,\"limit\":0,\"offset\":0,\"errors\":null}",
                    (unsigned long long)total);
    kis_answer_finish(call->out);
}

void kis_v1_fail(kis_api_call *call, kis_err err, const char *text)
{
    kis_diag diag;
    kis_diag_set(&diag, err, "%s", text);
    kis_api_fail(call, kis_v1_error, err, &diag);
}

/* ---- names ---- */

typedef struct v1_names {
    kis_api_call *call;
    kis_answer answer; /* what the reader says of the whole list: before the first name */
    uint64_t count;
    int kind;          /* only this one, or KIS_QUERY_KIND_ANY */
    kis_str last_name; /* operations come by name and then kind: the names alone are the first of
                          each */
    char last_room[512];
} v1_names;

static bool put_v1_name(v1_names *names, kis_str name)
{
    kis_api_note_partial(names->call, &names->answer);
    if (names->count++)
        kis_buf_add_byte(&names->call->out->buf, ',');
    kis_json_put_str(&names->call->out->buf, name);
    return kis_answer_flush(names->call->out);
}

static void end_v1_names(v1_names *names, kis_err err, const kis_diag *diag)
{
    kis_api_note_partial(names->call, &names->answer);
    if (err)
        kis_api_fail(names->call, kis_v1_error, err, diag);
    else
        kis_v1_end_data(names->call, names->count);
}

static bool put_v1_service(void *user, kis_str name, uint8_t kind)
{
    (void)kind;
    return put_v1_name(user, name);
}

void kis_v1_services(kis_api_call *call)
{
    v1_names names = { .call = call };
    kis_request request = kis_api_streaming(call);
    kis_diag diag = { 0 };

    kis_v1_begin_data(call);
    kis_err err = call->reader->ops->services(call->reader, &request, put_v1_service, &names,
                                              &names.answer, &diag);
    end_v1_names(&names, err, &diag);
}

/* A name that is too long to remember is shown once a kind. */
static bool put_operation_name(void *user, kis_str name, uint8_t kind)
{
    v1_names *names = user;

    (void)kind;
    if (names->count && names->last_name.ptr && kis_str_eq(names->last_name, name))
        return true;
    names->last_name = KIS_STR_NONE;
    if (name.len <= sizeof(names->last_room)) {
        memcpy(names->last_room, name.ptr, name.len);
        names->last_name = kis_str_of(names->last_room, name.len);
    }
    return put_v1_name(names, name);
}

void kis_v1_service_operations(kis_api_call *call)
{
    v1_names names = { .call = call };
    kis_request request = kis_api_streaming(call);
    kis_diag diag = { 0 };

    kis_v1_begin_data(call);
    kis_err err = call->reader->ops->operations(call->reader, &request, call->captures[0],
                                                put_operation_name, &names, &names.answer, &diag);
    end_v1_names(&names, err, &diag);
}

static bool put_v1_operation(void *user, kis_str name, uint8_t kind)
{
    v1_names *names = user;
    kis_buf *out = &names->call->out->buf;
    uint8_t shown = kind == KIS_OTLP_KIND_UNSPECIFIED ? KIS_OTLP_KIND_INTERNAL : kind;

    if (names->kind != KIS_QUERY_KIND_ANY && names->kind != shown)
        return true;
    kis_api_note_partial(names->call, &names->answer);
    kis_buf_add_str(out, names->count++ ? KIS_STR(",{\"name\":") : KIS_STR("{\"name\":"));
    kis_json_put_str(out, name);
    kis_buf_add_fmt(out, ",\"spanKind\":\"" KIS_FMT "\"}", KIS_ARG(kis_kind_name(shown)));
    return kis_answer_flush(names->call->out);
}

void kis_v1_operations(kis_api_call *call)
{
    v1_names names = { .call = call, .kind = KIS_QUERY_KIND_ANY };
    kis_request request = kis_api_streaming(call);
    kis_str service = kis_params_get(call->params, KIS_STR("service")),
            kind_text = kis_params_get(call->params, KIS_STR("spanKind"));
    kis_diag diag = { 0 };
    uint8_t kind;

    if (!service.len) {
        kis_v1_fail(call, KIS_ERR_SYNTAX, "parameter 'service' is required");
        return;
    }
    if (kind_text.len && !kis_kind_parse(kind_text, &kind)) {
        kis_v1_fail(call, KIS_ERR_SYNTAX, "unable to parse param 'spanKind': not a span kind");
        return;
    }
    if (kind_text.len)
        names.kind = kind;
    kis_v1_begin_data(call);
    kis_err err = call->reader->ops->operations(call->reader, &request, service, put_v1_operation,
                                                &names, &names.answer, &diag);
    end_v1_names(&names, err, &diag);
}

kis_err kis_v1_read_epoch(const kis_params *params, kis_str name, uint64_t unit_ns, uint64_t *out,
                          kis_diag *diag)
{
    kis_str text = kis_params_get(params, name);

    if (text.len == 0)
        return KIS_OK;
    if (kis_param_epoch(text, unit_ns, out))
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "unable to parse param '" KIS_FMT "': '" KIS_FMT
                            "' is not a whole number",
                            KIS_ARG(name), KIS_ARG(kis_str_slice(text, 0, 64)));
    return KIS_OK;
}

/* ---- dependencies ---- */

static void note_partial_dependencies(kis_api_call *call, const kis_dependencies *found)
{
    if (found->why) {
        kis_api_note_partial(call, &(kis_answer){ .is_partial = true, .why = found->why });
        return;
    }
    kis_fmt(call->notice, sizeof(call->notice),
            "calls of the newest %u traces of this time range only: there are more",
            found->traces_looked_at);
    kis_answer_add_header(call->out, KIS_STR("x-kiseki-notice"), kis_str_from_c(call->notice));
}

void kis_v1_dependencies(kis_api_call *call)
{
    uint64_t end_unix_ns = call->now_unix_ns, lookback_ns = KIS_V1_DAY_NS;
    kis_str service = kis_params_get(call->params, KIS_STR("service"));
    kis_dependencies found = { 0 };
    kis_diag diag = { 0 };
    uint64_t total = 0;

    kis_err err = kis_v1_read_epoch(call->params, KIS_STR("endTs"), 1000000, &end_unix_ns, &diag);
    if (!err)
        err = kis_v1_read_epoch(call->params, KIS_STR("lookback"), 1000000, &lookback_ns, &diag);
    if (!err)
        err = kis_query_dependencies(call->reader, &call->request,
                                     end_unix_ns - KIS_MIN(end_unix_ns, lookback_ns), end_unix_ns,
                                     call->arena, call->alloc, &found, &diag);
    if (err) {
        kis_api_fail(call, kis_v1_error, err, &diag);
        return;
    }
    if (found.is_partial)
        note_partial_dependencies(call, &found);
    kis_v1_begin_data(call);
    for (uint32_t i = 0; i < found.count; i++) {
        const kis_dependency *d = &found.at[i];
        if (service.len && !kis_str_eq(d->parent, service) && !kis_str_eq(d->child, service))
            continue;
        kis_buf_add_str(&call->out->buf,
                        total++ ? KIS_STR(",{\"parent\":") : KIS_STR("{\"parent\":"));
        kis_json_put_str(&call->out->buf, d->parent);
        kis_buf_add_str(&call->out->buf, KIS_STR(",\"child\":"));
        kis_json_put_str(&call->out->buf, d->child);
        kis_buf_add_fmt(&call->out->buf, ",\"callCount\":%llu}", (unsigned long long)d->call_count);
    }
    kis_v1_end_data(call, 0);
}

void kis_v1_unsupported(kis_api_call *call)
{
    if (kis_answer_restart(call->out))
        kis_v1_error(
            call->out, 501,
            KIS_STR("metrics querying is currently disabled: this server keeps no metrics store"));
}
