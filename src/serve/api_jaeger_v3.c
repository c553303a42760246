/* api_jaeger_v3.c - Jaeger query v3 over HTTP: OTLP/JSON for traces, one object for the rest.
 *
 *     GET /api/v3/services           {"services":[…]}
 *     GET /api/v3/operations         {"operations":[{"name","spanKind"}]}
 *     GET /api/v3/traces             {"result":{"resourceSpans":[…]}}, all in one; none: 404
 *     GET /api/v3/traces/{id}        the same for one
 *     GET /api/v3/trace-summaries    {"summaries":[…]}; none: 200
 *     errors                         {"error":{"httpCode":404,"message":"…"}}, a line end
 *
 * Written as proto3 JSON's readers take it, with zeros and empty lists where Jaeger leaves them
 * out; errors are text/plain. Parameters have two spellings, query.startTimeMin and
 * query.start_time_min. Beyond Jaeger: nextPageToken in summaries, query.pageToken to go on there.
 */
#include "base/diag.h"
#include "base/num.h"
#include "model/json_put.h"
#include "serve/api.h"
#include "wire/otlp.h"

void kis_v3_error(kis_answer_writer *out, int status, kis_str message)
{
    out->status = status;
    out->content_type = KIS_STR("text/plain; charset=utf-8");
    kis_buf_add_fmt(&out->buf, "{\"error\":{\"httpCode\":%d,\"message\":", status);
    kis_json_put_str(&out->buf, message);
    kis_buf_add_str(&out->buf, KIS_STR("}}\n"));
    kis_answer_finish(out);
}

/* ---- names ---- */

typedef struct name_list {
    kis_api_call *call;
    kis_answer answer; /* of names: what the reader says of the whole list, before the first */
    bool is_first;
    int kind; /* of operations: only this one, or KIS_QUERY_KIND_ANY */
} name_list;

static bool put_service(void *user, kis_str name, uint8_t kind)
{
    name_list *list = user;
    kis_buf *out = &list->call->out->buf;

    (void)kind;
    kis_api_note_partial(list->call, &list->answer);
    if (!list->is_first)
        kis_buf_add_byte(out, ',');
    list->is_first = false;
    kis_json_put_str(out, name);
    return kis_answer_flush(list->call->out);
}

static void end_names(name_list *list, kis_err err, const kis_diag *diag)
{
    kis_api_note_partial(list->call, &list->answer);
    if (err) {
        kis_api_fail(list->call, kis_v3_error, err, diag);
        return;
    }
    kis_buf_add_str(&list->call->out->buf, KIS_STR("]}"));
    kis_answer_finish(list->call->out);
}

void kis_v3_services(kis_api_call *call)
{
    name_list list = { .call = call, .is_first = true };
    kis_request request = kis_api_streaming(call);
    kis_diag diag = { 0 };

    kis_buf_add_str(&call->out->buf, KIS_STR("{\"services\":["));
    kis_err err = call->reader->ops->services(call->reader, &request, put_service, &list,
                                              &list.answer, &diag);
    end_names(&list, err, &diag);
}

static bool put_operation(void *user, kis_str name, uint8_t kind)
{
    name_list *list = user;
    kis_buf *out = &list->call->out->buf;
    uint8_t shown = kind == KIS_OTLP_KIND_UNSPECIFIED ? KIS_OTLP_KIND_INTERNAL : kind;

    if (list->kind != KIS_QUERY_KIND_ANY && list->kind != shown)
        return true;
    kis_api_note_partial(list->call, &list->answer);
    if (!list->is_first)
        kis_buf_add_byte(out, ',');
    list->is_first = false;
    kis_buf_add_str(out, KIS_STR("{\"name\":"));
    kis_json_put_str(out, name);
    kis_buf_add_fmt(out, ",\"spanKind\":\"" KIS_FMT "\"}", KIS_ARG(kis_kind_name(shown)));
    return kis_answer_flush(list->call->out);
}

/* The value of a parameter in either spelling. */
static kis_str either(const kis_params *params, kis_str camel, kis_str snake)
{
    kis_str value = kis_params_get(params, camel);
    return value.len ? value : kis_params_get(params, snake);
}

void kis_v3_operations(kis_api_call *call)
{
    name_list list = { .call = call, .is_first = true, .kind = KIS_QUERY_KIND_ANY };
    kis_request request = kis_api_streaming(call);
    kis_str kind_text = either(call->params, KIS_STR("spanKind"), KIS_STR("span_kind"));
    kis_diag diag = { 0 };
    uint8_t kind;

    if (kind_text.len && !kis_kind_parse(kind_text, &kind)) {
        kis_diag_set(&diag, KIS_ERR_SYNTAX,
                     "malformed parameter spanKind: '" KIS_FMT "' is not a span kind",
                     KIS_ARG(kis_str_slice(kind_text, 0, 64)));
        kis_api_fail(call, kis_v3_error, KIS_ERR_SYNTAX, &diag);
        return;
    }
    if (kind_text.len)
        list.kind = kind;
    kis_buf_add_str(&call->out->buf, KIS_STR("{\"operations\":["));
    kis_err err = call->reader->ops->operations(call->reader, &request,
                                                kis_params_get(call->params, KIS_STR("service")),
                                                put_operation, &list, &list.answer, &diag);
    end_names(&list, err, &diag);
}

/* ---- what a search asks ---- */

static kis_err wrong_param(kis_diag *diag, const char *name, kis_str value, const char *want)
{
    return kis_diag_set(diag, KIS_ERR_SYNTAX,
                        "malformed parameter query.%s: '" KIS_FMT "' is not %s", name,
                        KIS_ARG(kis_str_slice(value, 0, 64)), want);
}

static kis_err read_duration(const kis_params *params, kis_str camel, kis_str snake,
                             const char *name, uint64_t *out, kis_diag *diag)
{
    kis_str text = either(params, camel, snake);
    int64_t ns;

    if (text.len == 0)
        return KIS_OK;
    if (kis_duration_parse(text, &ns) || ns < 0)
        return wrong_param(diag, name, text, "a duration such as 1.5s or 300ms");
    *out = (uint64_t)ns;
    return KIS_OK;
}

static kis_err read_times(const kis_params *params, kis_query *query, kis_diag *diag)
{
    kis_str min = either(params, KIS_STR("query.startTimeMin"), KIS_STR("query.start_time_min"));
    kis_str max = either(params, KIS_STR("query.startTimeMax"), KIS_STR("query.start_time_max"));

    if (min.len == 0 || max.len == 0)
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "query.startTimeMin and query.startTimeMax are required");
    if (kis_time_parse(min, &query->start_min_unix_ns))
        return wrong_param(diag, "startTimeMin", min, "a time as 2026-11-21T07:49:21Z");
    if (kis_time_parse(max, &query->start_max_unix_ns))
        return wrong_param(diag, "startTimeMax", max, "a time as 2026-11-21T07:49:21Z");
    if (query->start_min_unix_ns >= query->start_max_unix_ns)
        return kis_diag_set(diag, KIS_ERR_RANGE,
                            "query.startTimeMin must be before query.startTimeMax");
    return KIS_OK;
}

static kis_err read_limit(const kis_params *params, kis_query *query, kis_diag *diag)
{
    kis_str text = either(params, KIS_STR("query.searchDepth"), KIS_STR("query.search_depth"));
    uint64_t limit;

    if (text.len == 0)
        text = either(params, KIS_STR("query.numTraces"), KIS_STR("query.num_traces"));
    if (text.len == 0)
        return KIS_OK;
    if (kis_u64_parse(text, &limit) || limit == 0 || limit > KIS_QUERY_LIMIT_MAX)
        return kis_diag_set(diag, KIS_ERR_RANGE,
                            "malformed parameter query.searchDepth: '" KIS_FMT "', want 1 to %u",
                            KIS_ARG(kis_str_slice(text, 0, 32)), KIS_QUERY_LIMIT_MAX);
    query->limit = (uint32_t)limit;
    return KIS_OK;
}

static kis_err read_query(kis_api_call *call, kis_query *query, kis_diag *diag)
{
    const kis_params *params = call->params;
    kis_str attributes = kis_params_get(params, KIS_STR("query.attributes"));
    kis_str token = either(params, KIS_STR("query.pageToken"), KIS_STR("query.page_token"));
    kis_tag_list *tags = KIS_NEW(call->arena, kis_tag_list);

    if (!tags)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the search");
    tags->count = 0;
    *query = (kis_query){ .request = call->request, .terms = KIS_QUERY_TERMS_NONE };
    query->terms.service =
        either(params, KIS_STR("query.serviceName"), KIS_STR("query.service_name"));
    query->terms.operation =
        either(params, KIS_STR("query.operationName"), KIS_STR("query.operation_name"));
    kis_err err = read_times(params, query, diag);
    if (!err)
        err = read_limit(params, query, diag);
    if (!err)
        err = read_duration(params, KIS_STR("query.durationMin"), KIS_STR("query.duration_min"),
                            "durationMin", &query->terms.duration_min_ns, diag);
    if (!err)
        err = read_duration(params, KIS_STR("query.durationMax"), KIS_STR("query.duration_max"),
                            "durationMax", &query->terms.duration_max_ns, diag);
    if (!err && attributes.len) {
        err = kis_tags_put_json(tags, attributes, call->arena, diag);
        if (err && err != KIS_ERR_NOMEM)
            kis_diag_in(diag, err, "malformed parameter query.attributes");
    }
    if (!err && token.len && kis_token_parse(token, &query->after))
        err = wrong_param(diag, "pageToken", token, "a page token of this server");
    query->terms.tags = tags->at;
    query->terms.tag_count = tags->count;
    return err;
}

/* ---- traces ---- */

typedef struct trace_stream {
    kis_api_call *call;
    kis_otlp_json_stream json;
    uint64_t span_count;
} trace_stream;

static bool put_trace_span(void *user, const kis_found_span *found)
{
    trace_stream *s = user;

    if (s->span_count++ == 0) {
        kis_buf_add_str(&s->call->out->buf, KIS_STR("{\"result\":"));
        kis_otlp_json_stream_begin(&s->json, &s->call->out->buf);
    }
    kis_otlp_json_stream_span(&s->json, found);
    return kis_answer_flush(s->call->out);
}

/* Writes the spans of one trace. NOT_FOUND leaves the answer as it was. */
static kis_err put_trace(trace_stream *s, const kis_trace_id *id, kis_diag *diag)
{
    kis_answer answer = { 0 };
    kis_request request = kis_api_streaming(s->call);
    kis_err err =
        s->call->reader->ops->get(s->call->reader, &request, id, put_trace_span, s, &answer, diag);

    if (!err && s->call->out->err)
        err = s->call->out->err;
    kis_api_note_partial(s->call, &answer);
    return err;
}

static void end_traces(trace_stream *s, kis_err err, const kis_diag *diag)
{
    if (err) {
        kis_api_fail(s->call, kis_v3_error, err, diag);
        return;
    }
    if (s->span_count == 0) {
        kis_v3_error(s->call->out, 404, KIS_STR("No traces found"));
        return;
    }
    kis_otlp_json_stream_end(&s->json);
    kis_buf_add_byte(&s->call->out->buf, '}');
    kis_answer_finish(s->call->out);
}

void kis_v3_search(kis_api_call *call)
{
    trace_stream stream = { .call = call };
    kis_query_result found = { 0 };
    kis_query query;
    kis_diag diag = { 0 };

    kis_err err = read_query(call, &query, &diag);
    if (!err)
        err = kis_query_find(call->reader, &query, call->arena, &found, &diag);
    kis_api_note_partial(call, &found.answer);
    for (uint32_t i = 0; i < found.count && !err; i++) {
        err = put_trace(&stream, &found.traces[i].trace_id, &diag);
        if (err == KIS_ERR_NOT_FOUND) /* retention was faster */
            err = KIS_OK;
    }
    end_traces(&stream, err, &diag);
}

void kis_v3_trace(kis_api_call *call)
{
    trace_stream stream = { .call = call };
    kis_trace_id id;
    kis_diag diag = { 0 };

    kis_err err = kis_param_trace_id(call->captures[0], &id, &diag);
    if (err)
        kis_diag_in(&diag, err, "malformed parameter trace_id");
    else
        err = put_trace(&stream, &id, &diag);
    if (!err && stream.span_count == 0)
        err = KIS_ERR_NOT_FOUND;
    err = kis_api_judge_absence(call, err, &diag);
    end_traces(&stream, err == KIS_ERR_NOT_FOUND ? KIS_OK : err, &diag);
}

/* ---- summaries ---- */

static void put_hex_id(kis_buf *out, const kis_trace_id *id)
{
    char hex[32];
    kis_hex_format(id->bytes, 16, hex);
    kis_buf_add(out, hex, sizeof(hex));
}

static bool put_summary(void *user, const kis_trace_summary *summary)
{
    name_list *list = user;
    kis_buf *out = &list->call->out->buf;

    kis_buf_add_str(out, list->is_first ? KIS_STR("{\"traceId\":\"") : KIS_STR(",{\"traceId\":\""));
    list->is_first = false;
    put_hex_id(out, &summary->trace_id);
    kis_buf_add_str(out, KIS_STR("\",\"rootServiceName\":"));
    kis_json_put_str(out, summary->root_service);
    kis_buf_add_str(out, KIS_STR(",\"rootOperationName\":"));
    kis_json_put_str(out, summary->root_name);
    kis_buf_add_fmt(out, ",\"minStartTimeUnixNano\":\"%llu\",\"maxEndTimeUnixNano\":\"%llu\"",
                    (unsigned long long)summary->start_unix_ns,
                    (unsigned long long)summary->end_unix_ns);
    kis_buf_add_fmt(
        out, ",\"spanCount\":%llu,\"errorSpanCount\":%llu,\"orphanSpanCount\":%llu,\"services\":[",
        (unsigned long long)summary->span_count, (unsigned long long)summary->error_count,
        (unsigned long long)summary->orphan_count);
    for (uint32_t i = 0; i < summary->service_count; i++) {
        const kis_trace_service *service = &summary->services[i];
        kis_buf_add_str(out, i ? KIS_STR(",{\"name\":") : KIS_STR("{\"name\":"));
        kis_json_put_str(out, service->name);
        kis_buf_add_fmt(out, ",\"spanCount\":%u,\"errorSpanCount\":%u}", service->span_count,
                        service->error_count);
    }
    kis_buf_add_str(out, KIS_STR("]}"));
    return kis_answer_flush(list->call->out);
}

static kis_err put_summaries(kis_api_call *call, const kis_query_result *found, kis_answer *answer,
                             kis_diag *diag)
{
    name_list list = { .call = call, .is_first = true };
    kis_request request = kis_api_streaming(call);
    kis_trace_id *ids = KIS_NEW_ARRAY(call->arena, kis_trace_id, found->count ? found->count : 1);

    if (!ids)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for %u ids", found->count);
    for (uint32_t i = 0; i < found->count; i++)
        ids[i] = found->traces[i].trace_id;
    kis_buf_add_str(&call->out->buf, KIS_STR("{\"summaries\":["));
    if (found->count == 0)
        return KIS_OK;
    kis_err err = call->reader->ops->summaries(call->reader, &request, ids, found->count,
                                               put_summary, &list, answer, diag);
    return err ? err : call->out->err;
}

void kis_v3_summaries(kis_api_call *call)
{
    kis_query_result found = { 0 };
    kis_answer answer = { 0 };
    kis_query query;
    kis_diag diag = { 0 };
    char token[KIS_TOKEN_TEXT_LEN];

    kis_err err = read_query(call, &query, &diag);
    if (!err)
        err = kis_query_find(call->reader, &query, call->arena, &found, &diag);
    if (!err)
        err = put_summaries(call, &found, &answer, &diag);
    if (err) {
        kis_api_fail(call, kis_v3_error, err, &diag);
        return;
    }
    kis_buf_add_byte(&call->out->buf, ']');
    if (found.has_more) {
        kis_token_format(found.next, token);
        kis_buf_add_str(&call->out->buf, KIS_STR(",\"nextPageToken\":\""));
        kis_buf_add(&call->out->buf, token, sizeof(token));
        kis_buf_add_byte(&call->out->buf, '"');
    }
    kis_buf_add_byte(&call->out->buf, '}');
    kis_api_note_partial(call, &found.answer);
    kis_api_note_partial(call, &answer);
    kis_answer_finish(call->out);
}
