/* judge.c - what a request's head alone decides: path, method, type, coding, origin, size.
 *
 * Refusing here costs no byte of the body. Each refusal says what came and what was wanted, in
 * words that fit on one line of a sender's log.
 *
 * Not here: what is in the body (receive.c), how an answer looks (answer.c).
 */
#include "receive/receive_int.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "http/grpc.h"

static const kis_str http_path = KIS_STR_INIT("/v1/traces");
static const kis_str grpc_path =
    KIS_STR_INIT("/opentelemetry.proto.collector.trace.v1.TraceService/Export");

#define PATH_SHOWN_MAX 64u /* bytes of a wrong path in a refusal */

#define CODINGS "gzip, zstd, deflate, identity"

/* "application/json; charset=utf-8" -> "application/json" */
static kis_str media_type(kis_str content_type)
{
    return kis_str_trim(kis_str_cut(&content_type, ';'));
}

static bool is_protobuf(kis_str content_type)
{
    return kis_str_eq_nocase(media_type(content_type), KIS_STR("application/x-protobuf"));
}

static bool refuse_head(kis_refusal *refusal, int http, int grpc, kis_str message)
{
    *refusal = (kis_refusal){ .http_status = http, .grpc_status = grpc, .message = message };
    return false;
}

/* A page may send when its origin is named in the options, or when it is served from this very
 * machine. */
bool kis_receive_is_origin_allowed(const kis_receiver *r, kis_str origin)
{
    static const kis_str local[] = {
        KIS_STR_INIT("http://localhost"),  KIS_STR_INIT("http://127.0.0.1"),
        KIS_STR_INIT("http://[::1]"),      KIS_STR_INIT("https://localhost"),
        KIS_STR_INIT("https://127.0.0.1"), KIS_STR_INIT("https://[::1]")
    };
    for (size_t i = 0; i < KIS_COUNT_OF(local); i++) {
        kis_str rest = kis_str_slice(origin, local[i].len, SIZE_MAX);
        if (kis_str_starts(origin, local[i]) && (rest.len == 0 || rest.ptr[0] == ':'))
            return true;
    }
    for (size_t i = 0; i < r->options.allowed_origin_count; i++) {
        kis_str allowed = r->options.allowed_origins[i];
        size_t star = kis_str_find(allowed, KIS_STR("*"));
        if (star == KIS_STR_NPOS
                ? kis_str_eq(allowed, origin)
                : origin.len >= allowed.len - 1 &&
                      kis_str_starts(origin, kis_str_slice(allowed, 0, star)) &&
                      kis_str_ends(origin, kis_str_slice(allowed, star + 1, SIZE_MAX)))
            return true;
    }
    return false;
}

static bool judge_grpc_head(const kis_request_head *head, kis_request_form *form,
                            kis_refusal *refusal)
{
    kis_str type = media_type(kis_request_header(head, "content-type"));
    kis_str coding = kis_request_header(head, "grpc-encoding");
    uint64_t timeout_ns;

    if (!head->is_http2)
        return refuse_head(refusal, 415, KIS_GRPC_INTERNAL,
                           KIS_STR("gRPC needs HTTP/2, and this request came over HTTP/1.1"));
    if (!kis_str_eq(head->path, grpc_path))
        return refuse_head(refusal, 404, KIS_GRPC_UNIMPLEMENTED,
                           KIS_STR("unknown method: this server takes "
                                   "opentelemetry.proto.collector.trace.v1.TraceService/Export"));
    if (!kis_str_eq_nocase(type, KIS_STR("application/grpc")) &&
        !kis_str_eq_nocase(type, KIS_STR("application/grpc+proto")))
        return refuse_head(refusal, 415, KIS_GRPC_UNIMPLEMENTED,
                           KIS_STR("content-type: want application/grpc"));
    kis_str timeout = kis_request_header(head, "grpc-timeout");
    if (timeout.ptr && kis_grpc_timeout_parse(timeout, &timeout_ns) != KIS_OK)
        return refuse_head(refusal, 400, KIS_GRPC_INVALID_ARGUMENT,
                           KIS_STR("grpc-timeout: want 1 to 8 digits and one of H M S m u n"));
    if (!kis_coding_parse(coding, &form->coding)) {
        refuse_head(refusal, 415, KIS_GRPC_UNIMPLEMENTED, KIS_STR("grpc-encoding: want " CODINGS));
        refusal->accept_encoding = CODINGS;
        return false;
    }
    return true;
}

/* What was asked, and, of the mistakes that are made with an endpoint, the way out. */
static bool refuse_path(const kis_request_head *head, kis_refusal *refusal)
{
    char path[4 * PATH_SHOWN_MAX + 1];
    bool is_other_signal = kis_str_eq(head->path, KIS_STR("/v1/metrics")) ||
                           kis_str_eq(head->path, KIS_STR("/v1/logs"));
    bool is_doubled = kis_str_ends(head->path, KIS_STR("/v1/traces/v1/traces"));
    bool is_bare = kis_str_eq(head->path, KIS_STR("/"));
    kis_str shown = kis_str_slice(head->path, 0, PATH_SHOWN_MAX);

    refuse_head(refusal, 404, KIS_GRPC_NOT_FOUND, KIS_STR_NONE);
    kis_fmt_escape(path, sizeof(path), shown);
    size_t len = kis_fmt(
        refusal->room, sizeof(refusal->room),
        is_other_signal
            ? "POST %s%s: this server keeps traces only: metrics and logs have no place here"
        : is_doubled ? "unknown path %s%s: leave /v1/traces out of OTEL_EXPORTER_OTLP_ENDPOINT: "
                       "it is added"
        : is_bare    ? "unknown path %s%s: set OTEL_EXPORTER_OTLP_ENDPOINT, or add /v1/traces to "
                       "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
                     : "unknown path %s%s: POST traces to /v1/traces",
        path, shown.len < head->path.len ? "..." : "");
    refusal->message = kis_str_of(refusal->room, len);
    return false;
}

/* Somebody looks what is here: a browser, curl. */
static bool refuse_reading(const kis_receiver *r, const kis_request_head *head,
                           kis_request_form *form, kis_refusal *refusal)
{
    const char *page = r->options.page;
    kis_str accept = kis_request_header(head, "accept");

    form->is_json = kis_str_find(accept, KIS_STR("application/json")) != KIS_STR_NPOS;
    form->is_text =
        !form->is_json && kis_str_find(accept, KIS_STR("application/x-protobuf")) == KIS_STR_NPOS;
    bool is_ours = kis_str_eq(head->path, http_path);
    refuse_head(refusal, is_ours ? 405 : 404, is_ours ? KIS_GRPC_UNIMPLEMENTED : KIS_GRPC_NOT_FOUND,
                KIS_STR_NONE);
    refusal->allow = is_ours ? "POST" : NULL;
    size_t len = kis_fmt(refusal->room, sizeof(refusal->room),
                         "nothing to read here: POST spans to /v1/traces%s%s",
                         page && *page ? "; the page is at " : "", page ? page : "");
    refusal->message = kis_str_of(refusal->room, len);
    return false;
}

static bool judge_http_head(const kis_receiver *r, const kis_request_head *head,
                            kis_request_form *form, kis_refusal *refusal)
{
    kis_str type = kis_request_header(head, "content-type");

    if (kis_str_eq(head->path, grpc_path))
        return refuse_head(refusal, 415, KIS_GRPC_INVALID_ARGUMENT,
                           KIS_STR("content-type: this path is gRPC's: want application/grpc"));
    if (kis_str_eq(head->method, KIS_STR("GET")) || kis_str_eq(head->method, KIS_STR("HEAD")))
        return refuse_reading(r, head, form, refusal);
    if (!kis_str_eq(head->path, http_path))
        return refuse_path(head, refusal);
    if (!kis_str_eq(head->method, KIS_STR("POST"))) {
        refuse_head(refusal, 405, KIS_GRPC_UNIMPLEMENTED, KIS_STR("method: want POST"));
        refusal->allow = "POST";
        return false;
    }
    if (!form->is_json && !is_protobuf(type))
        return refuse_head(
            refusal, 415, KIS_GRPC_INVALID_ARGUMENT,
            KIS_STR("content-type: want application/x-protobuf or application/json"));
    if (!kis_coding_parse(kis_request_header(head, "content-encoding"), &form->coding)) {
        refuse_head(refusal, 415, KIS_GRPC_UNIMPLEMENTED,
                    KIS_STR("content-encoding: want one of " CODINGS));
        refusal->accept_encoding = CODINGS;
        return false;
    }
    return true;
}

kis_str kis_receive_too_large(const kis_receiver *r)
{
    return r->is_bound_by_budget
               ? KIS_STR("the request is larger than this server has memory for (half of "
                         "--memory-limit): send smaller batches")
               : KIS_STR("the request is larger than this server takes (--max-request-bytes): "
                         "send smaller batches");
}

bool kis_receive_judge_head(const kis_receiver *r, const kis_request_head *head,
                            kis_request_form *form, kis_refusal *refusal)
{
    kis_str type = kis_request_header(head, "content-type");

    /* the type first: a refusal is answered in the request's own encoding */
    *form = (kis_request_form){ .is_grpc = kis_str_starts(type, KIS_STR("application/grpc")) };
    form->is_json = kis_str_eq_nocase(media_type(type), KIS_STR("application/json"));
    form->is_text = !form->is_grpc && !form->is_json && !is_protobuf(type);
    kis_str origin = kis_request_header(head, "origin");
    if (origin.len > 0) {
        if (!kis_receive_is_origin_allowed(r, origin))
            return refuse_head(
                refusal, 403, KIS_GRPC_PERMISSION_DENIED,
                KIS_STR("origin: pages of this origin may not send here; allow it with "
                        "--allow-origin"));
        form->origin = origin;
    }
    bool passed = form->is_grpc ? judge_grpc_head(head, form, refusal)
                                : judge_http_head(r, head, form, refusal);
    if (!passed)
        return false;
    if (kis_request_header(head, "idempotency-key").len > KIS_IDEMPOTENCY_KEY_BYTES_MAX)
        return refuse_head(refusal, 400, KIS_GRPC_INVALID_ARGUMENT,
                           KIS_STR("idempotency-key: want at most 64 bytes"));
    uint64_t max_bytes = r->options.max_request_bytes + (form->is_grpc ? KIS_GRPC_PREFIX_BYTES : 0);
    if (head->content_length != UINT64_MAX && head->content_length > max_bytes)
        return refuse_head(refusal, 413, KIS_GRPC_RESOURCE_EXHAUSTED, kis_receive_too_large(r));
    return true;
}
