/* api_jaeger_v1_traces.c - Jaeger query v1: a trace, some traces by id, a search.
 *
 *     get   index of parents (query/tree.h) and clocks (query/clock_skew.h): 48 bytes a span
 *     get   each span with its warning, in the UI's model, as it is read
 *
 * Reading twice costs time and saves memory: nothing of a span is held between the two but its
 * row of the index. A span that came between them has no row and gets no warning. A trace that went
 * between them is as one that never was: what was begun of it is taken back.
 */
#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "model/json_put.h"
#include "query/clock_skew.h"
#include "query/tree.h"
#include "serve/api_jaeger_v1.h"
#include "wire/jaeger_json.h"

#define TRACE_IDS_MAX 1000u /* ?traceID= of one request; a URL is not much longer */

/* ---- one trace ---- */

typedef struct v1_trace {
    kis_api_call *call;
    kis_arena arena; /* the tree of one trace */
    kis_tree tree;
    kis_clocks clocks;
    kis_jaeger_json_trace json;
    uint32_t hint;
    uint64_t spans;  /* of this trace, written so far */
    uint64_t traces; /* written so far */
} v1_trace;

static bool add_to_tree(void *user, const kis_found_span *found)
{
    v1_trace *t = user;
    return kis_clocks_add(&t->clocks, t->tree.row_count, found) &&
           kis_tree_add(&t->tree, found->span, 0);
}

static bool put_v1_span(void *user, const kis_found_span *found)
{
    v1_trace *t = user;
    char room[KIS_TREE_WARNING_MAX];
    uint32_t row = kis_tree_find(&t->tree, found->span, &t->hint);
    kis_str warning = KIS_STR_NONE;

    if (row != KIS_TREE_NONE)
        warning = kis_tree_warning(&t->tree, row, room);
    if (row != KIS_TREE_NONE && !warning.len)
        warning = kis_clocks_warning(&t->clocks, &t->tree, row, room);
    kis_jaeger_json_trace_span(&t->json, found, &warning, warning.len > 0);
    t->spans++;
    return kis_answer_flush(t->call->out);
}

/* Reads the index. NOT_FOUND: there is no such trace. */
static kis_err index_trace(v1_trace *t, const kis_trace_id *id, kis_diag *diag)
{
    kis_answer answer = { 0 };
    kis_reader *reader = t->call->reader;
    kis_request request = kis_api_streaming(t->call); /* others were sent before this one */

    kis_arena_clear(&t->arena);
    kis_tree_init(&t->tree, &t->arena);
    kis_clocks_init(&t->clocks, &t->arena);
    t->hint = 0;
    kis_err err = reader->ops->get(reader, &request, id, add_to_tree, t, &answer, diag);
    if (!err && (t->clocks.is_out_of_memory || t->tree.is_out_of_memory))
        err = kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the index of the trace");
    if (!err && t->tree.row_count == 0)
        err = kis_diag_set(diag, KIS_ERR_NOT_FOUND, "trace not found");
    if (!err)
        err = kis_tree_link(&t->tree, diag);
    kis_api_note_partial(t->call, &answer);
    return err;
}

/* The second reading. A piece leaves with a span and not before: without one, all that stands of
 * the trace is still in the buffer. */
static kis_err write_spans(v1_trace *t, const kis_trace_id *id, kis_diag *diag)
{
    kis_answer answer = { 0 };
    kis_reader *reader = t->call->reader;
    kis_request request = kis_api_streaming(t->call);

    t->spans = 0;
    kis_err err = reader->ops->get(reader, &request, id, put_v1_span, t, &answer, diag);
    if (!err && t->call->out->err)
        err = t->call->out->err;
    if (!err && t->spans == 0)
        err = kis_diag_set(diag, KIS_ERR_NOT_FOUND, "trace not found");
    kis_api_note_partial(t->call, &answer);
    return err;
}

/* NOT_FOUND, retention was faster: leaves the answer as it was. */
static kis_err write_trace(v1_trace *t, const kis_trace_id *id, kis_diag *diag)
{
    kis_buf *out = &t->call->out->buf;
    kis_str warning = kis_tree_trace_warning(&t->tree);
    size_t before = out->len;

    if (t->traces > 0)
        kis_buf_add_byte(out, ',');
    kis_jaeger_json_trace_begin(&t->json, out, t->call->alloc, id);
    kis_err err = write_spans(t, id, diag);
    if (!err)
        kis_jaeger_json_trace_end(&t->json, &warning, warning.len > 0);
    else if (t->spans == 0)
        out->len = before;
    kis_jaeger_json_trace_done(&t->json);
    if (err)
        return err;
    t->traces++;
    return kis_answer_flush(t->call->out) ? KIS_OK : t->call->out->err;
}

/* The trace, when it is there: NOT_FOUND leaves the answer as it was. */
static kis_err put_v1_trace(v1_trace *t, const kis_trace_id *id, kis_diag *diag)
{
    kis_err err = index_trace(t, id, diag);
    return err ? err : write_trace(t, id, diag);
}

static v1_trace *new_v1_trace(kis_api_call *call)
{
    v1_trace *t = KIS_NEW(call->arena, v1_trace);

    if (!t) {
        kis_v1_fail(call, KIS_ERR_NOMEM, "no memory for the answer");
        return NULL;
    }
    memset(t, 0, sizeof(*t));
    t->call = call;
    kis_arena_init(&t->arena, call->alloc, KIS_API_ARENA_MAX);
    return t;
}

void kis_v1_trace(kis_api_call *call)
{
    v1_trace *t = new_v1_trace(call);
    kis_trace_id id;
    kis_diag diag = { 0 };

    if (!t)
        return;
    kis_err err = kis_param_trace_id(call->captures[0], &id, &diag);
    if (!err) {
        kis_v1_begin_data(call);
        err = kis_api_judge_absence(call, put_v1_trace(t, &id, &diag), &diag);
    }
    if (err == KIS_ERR_NOT_FOUND)
        kis_v1_fail(call, err, "trace not found");
    else if (err)
        kis_api_fail(call, kis_v1_error, err, &diag);
    else
        kis_v1_end_data(call, 0);
    kis_arena_done(&t->arena);
}

/* ---- search ---- */

static kis_err read_v1_duration(const kis_params *params, kis_str name, uint64_t *out,
                                kis_diag *diag)
{
    kis_str text = kis_params_get(params, name);
    int64_t ns;

    if (text.len == 0)
        return KIS_OK;
    if (kis_duration_parse(text, &ns) || ns < 0)
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "unable to parse param '" KIS_FMT "': '" KIS_FMT
                            "' is not a duration such as 1.5s or 300ms",
                            KIS_ARG(name), KIS_ARG(kis_str_slice(text, 0, 64)));
    *out = (uint64_t)ns;
    return KIS_OK;
}

static kis_err read_v1_limit(const kis_params *params, uint32_t *out, kis_diag *diag)
{
    kis_str text = kis_params_get(params, KIS_STR("limit"));
    int64_t limit;

    if (text.len == 0)
        return KIS_OK;
    if (kis_i64_parse(text, &limit))
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "unable to parse param 'limit': '" KIS_FMT "' is not a whole number",
                            KIS_ARG(kis_str_slice(text, 0, 32)));
    if (limit <= 0)
        return kis_diag_set(diag, KIS_ERR_RANGE, "invalid parameter: limit must be greater than 0");
    if (limit > KIS_QUERY_LIMIT_MAX)
        return kis_diag_set(diag, KIS_ERR_RANGE, "invalid parameter: limit must be at most %u",
                            KIS_QUERY_LIMIT_MAX);
    *out = (uint32_t)limit;
    return KIS_OK;
}

static kis_err read_v1_tags(kis_api_call *call, kis_tag_list *tags, kis_diag *diag)
{
    kis_str text;
    kis_err err = KIS_OK;

    for (uint32_t at = 0; !err && kis_params_next(call->params, KIS_STR("tag"), &at, &text);) {
        kis_str value = text, key = kis_str_cut(&value, ':');
        if (!value.ptr)
            return kis_diag_set(
                diag, KIS_ERR_SYNTAX,
                "malformed 'tag' parameter, expecting key:value, received: " KIS_FMT,
                KIS_ARG(kis_str_slice(text, 0, 64)));
        err = kis_tags_put(tags, key, value, diag);
    }
    for (uint32_t at = 0; !err && kis_params_next(call->params, KIS_STR("tags"), &at, &text);) {
        err = kis_tags_put_json(tags, text, call->arena, diag);
        if (err && err != KIS_ERR_NOMEM)
            kis_diag_in(diag, err, "malformed 'tags' parameter, cannot unmarshal JSON");
    }
    return err;
}

/* Spans are always as they were sent, so `raw` changes nothing; it is read because a wrong one is
 * an error to Jaeger. */
static kis_err read_v1_raw(const kis_params *params, kis_diag *diag)
{
    kis_str text = kis_params_get(params, KIS_STR("raw"));
    bool raw;

    if (text.len && kis_param_bool(text, &raw))
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "unable to parse param 'raw': '" KIS_FMT "' is not true or false",
                            KIS_ARG(kis_str_slice(text, 0, 32)));
    return KIS_OK;
}

static kis_err check_v1_query(const kis_query *query, kis_diag *diag)
{
    if (!query->terms.service.len)
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "parameter 'service' is required");
    if (query->start_min_unix_ns > query->start_max_unix_ns)
        return kis_diag_set(diag, KIS_ERR_RANGE,
                            "invalid parameter: start time must be before end time");
    if (query->terms.duration_max_ns && query->terms.duration_max_ns < query->terms.duration_min_ns)
        return kis_diag_set(diag, KIS_ERR_RANGE,
                            "'maxDuration' should be greater than 'minDuration'");
    return KIS_OK;
}

static kis_err read_v1_query(kis_api_call *call, kis_query *query, kis_diag *diag)
{
    kis_tag_list *tags = KIS_NEW(call->arena, kis_tag_list);

    if (!tags)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the search");
    tags->count = 0;
    *query = (kis_query){ .request = call->request, .terms = KIS_QUERY_TERMS_NONE };
    query->start_min_unix_ns = call->now_unix_ns - KIS_MIN(call->now_unix_ns, 2 * KIS_V1_DAY_NS);
    query->start_max_unix_ns = call->now_unix_ns;
    query->terms.service = kis_params_get(call->params, KIS_STR("service"));
    query->terms.operation = kis_params_get(call->params, KIS_STR("operation"));
    kis_err err =
        kis_v1_read_epoch(call->params, KIS_STR("start"), 1000, &query->start_min_unix_ns, diag);
    if (!err)
        err =
            kis_v1_read_epoch(call->params, KIS_STR("end"), 1000, &query->start_max_unix_ns, diag);
    if (!err)
        err = read_v1_limit(call->params, &query->limit, diag);
    if (!err)
        err = read_v1_duration(call->params, KIS_STR("minDuration"), &query->terms.duration_min_ns,
                               diag);
    if (!err)
        err = read_v1_duration(call->params, KIS_STR("maxDuration"), &query->terms.duration_max_ns,
                               diag);
    if (!err)
        err = read_v1_raw(call->params, diag);
    if (!err)
        err = read_v1_tags(call, tags, diag);
    query->terms.tags = tags->at;
    query->terms.tag_count = tags->count;
    return err ? err : check_v1_query(query, diag);
}

/* Traces by ?traceID=: those that are missing are named in `errors`, and the rest is answered. */
static kis_err read_trace_ids(const kis_params *params, kis_trace_id *ids, uint32_t *count,
                              kis_diag *diag)
{
    kis_str text;

    for (uint32_t at = 0; kis_params_next(params, KIS_STR("traceID"), &at, &text);) {
        if (*count == TRACE_IDS_MAX)
            return kis_diag_set(diag, KIS_ERR_LIMIT, "more than %u traceID params", TRACE_IDS_MAX);
        kis_err err = kis_param_trace_id(text, &ids[*count], diag);
        if (err)
            return kis_diag_in(diag, err, "cannot parse traceID param");
        (*count)++;
    }
    return KIS_OK;
}

static void put_missing(kis_api_call *call, const kis_trace_id *missing, uint32_t count)
{
    kis_buf *out = &call->out->buf;
    kis_diag why;
    bool is_known = kis_api_judge_absence(call, KIS_ERR_NOT_FOUND, &why) == KIS_ERR_NOT_FOUND;

    kis_buf_add_str(out, KIS_STR("],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":"));
    for (uint32_t i = 0; i < count; i++) {
        char hex[32];
        kis_hex_format(missing[i].bytes, 16, hex);
        kis_buf_add_str(out, i ? KIS_STR(",") : KIS_STR("["));
        kis_buf_add_fmt(out, "{\"code\":%d,\"msg\":", is_known ? 404 : 500);
        kis_json_put_str(out, is_known ? KIS_STR("trace not found") : kis_str_from_c(why.text));
        kis_buf_add_fmt(out, ",\"traceID\":\"%.*s\"}", 32, hex);
    }
    kis_buf_add_str(out, count ? KIS_STR("]}") : KIS_STR("null}"));
    kis_answer_finish(call->out);
}

static kis_err put_traces_by_id(v1_trace *t, kis_trace_id *ids, uint32_t count, kis_diag *diag)
{
    uint32_t missing = 0;

    kis_v1_begin_data(t->call);
    for (uint32_t i = 0; i < count; i++) {
        kis_err err = put_v1_trace(t, &ids[i], diag);
        if (err == KIS_ERR_NOT_FOUND)
            ids[missing++] = ids[i];
        else if (err)
            return err;
    }
    put_missing(t->call, ids, missing);
    return KIS_OK;
}

static kis_err put_found_traces(v1_trace *t, kis_diag *diag)
{
    kis_query_result found = { 0 };
    kis_query query;

    kis_err err = read_v1_query(t->call, &query, diag);
    if (!err)
        err = kis_query_find(t->call->reader, &query, t->call->arena, &found, diag);
    if (err)
        return err;
    kis_api_note_partial(t->call, &found.answer);
    kis_v1_begin_data(t->call);
    for (uint32_t i = 0; i < found.count && !err; i++) {
        err = put_v1_trace(t, &found.traces[i].trace_id, diag);
        if (err == KIS_ERR_NOT_FOUND) /* retention was faster */
            err = KIS_OK;
    }
    if (!err)
        kis_v1_end_data(t->call, 0);
    return err;
}

void kis_v1_search(kis_api_call *call)
{
    v1_trace *t = new_v1_trace(call);
    kis_trace_id *ids = KIS_NEW_ARRAY(call->arena, kis_trace_id, TRACE_IDS_MAX);
    uint32_t count = 0;
    kis_diag diag = { 0 };

    if (!t)
        return;
    kis_err err = ids ? read_trace_ids(call->params, ids, &count, &diag) : KIS_ERR_NOMEM;
    if (!err)
        err = count ? put_traces_by_id(t, ids, count, &diag) : put_found_traces(t, &diag);
    if (err)
        kis_api_fail(call, kis_v1_error, err, &diag);
    kis_arena_done(&t->arena);
}
