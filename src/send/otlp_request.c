/* otlp_request.c - see otlp_request.h.
 *
 *     http/protobuf, http/json   the endpoint's path   content-encoding    body: the request
 *     grpc                       the method's path     grpc-encoding, te   body: a prefix, then it
 */
#include "send/otlp_request.h"

#include "base/diag.h"
#include "http/grpc.h"
#include "wire/otlp.h"

#define HEADER_BYTES_MAX (16u << 10)
#define OWN_HEADERS_MAX  4 /* what make_own_headers adds at most */
#define GRPC_PATH        "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

/* ---- where to, and with which headers ---- */

static void push_header(kis_otlp_request *r, const char *name, kis_str value)
{
    r->headers[r->header_count++] = (kis_header){ kis_str_from_c(name), value };
}

static void make_own_headers(kis_otlp_request *r)
{
    kis_str coding = kis_coding_name(r->compression);
    bool is_compressed = r->compression != KIS_CODING_NONE;

    switch (r->protocol) {
    case KIS_OTLP_GRPC:
        push_header(r, "content-type", KIS_STR("application/grpc"));
        push_header(r, "te", KIS_STR("trailers"));
        if (is_compressed)
            push_header(r, "grpc-encoding", coding);
        return;
    case KIS_OTLP_HTTP_JSON:
        push_header(r, "content-type", KIS_STR("application/json"));
        break;
    case KIS_OTLP_HTTP_PROTOBUF:
        push_header(r, "content-type", KIS_STR("application/x-protobuf"));
        break;
    }
    if (is_compressed)
        push_header(r, "content-encoding", coding);
}

/* Copies what the options borrow, so that they may go. */
static kis_err copy_texts(kis_otlp_request *r, const kis_send_options *o, kis_diag *diag)
{
    if (o->header_count + OWN_HEADERS_MAX > KIS_SEND_HEADERS_MAX)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "headers: want at most %d, got %zu",
                            KIS_SEND_HEADERS_MAX - OWN_HEADERS_MAX, o->header_count);
    make_own_headers(r);
    for (size_t i = 0; i < o->header_count; i++) {
        kis_header *h = &r->headers[r->header_count++];
        if (!kis_arena_copy(&r->texts, o->headers[i].name, &h->name) ||
            !kis_arena_copy(&r->texts, o->headers[i].value, &h->value))
            return kis_diag_set(diag, KIS_ERR_LIMIT, "headers: want at most %u bytes",
                                HEADER_BYTES_MAX);
    }
    if (!kis_arena_copy(&r->texts, o->endpoint, &r->endpoint) ||
        !kis_arena_copy(&r->texts, o->user_agent, &r->user_agent))
        return kis_diag_set(diag, KIS_ERR_LIMIT, "endpoint: too long");
    return KIS_OK;
}

/* "collector:4317" is meant by many who choose gRPC; it has no scheme and gets one. */
static kis_err add_scheme(kis_otlp_request *r, bool is_insecure, kis_diag *diag)
{
    kis_buf text;
    kis_alloc in_arena = kis_arena_as_alloc(&r->texts);

    kis_buf_init(&text, &in_arena, HEADER_BYTES_MAX);
    kis_buf_add_str(&text, is_insecure ? KIS_STR("http://") : KIS_STR("https://"));
    kis_buf_add_str(&text, r->endpoint);
    if (text.err)
        return kis_diag_set(diag, text.err, "endpoint: no memory");
    r->endpoint = kis_buf_str(&text);
    return KIS_OK;
}

static kis_err parse_endpoint(kis_otlp_request *r, bool is_insecure, kis_diag *diag)
{
    bool is_grpc = r->protocol == KIS_OTLP_GRPC;
    bool is_socket = kis_str_starts(r->endpoint, KIS_STR("unix:"));
    kis_err err = KIS_OK;

    if (is_grpc && kis_str_find(r->endpoint, KIS_STR("://")) == KIS_STR_NPOS && !is_socket)
        err = add_scheme(r, is_insecure, diag);
    if (err)
        return err;
    err = kis_url_parse(r->endpoint, &r->url, diag);
    if (err)
        return kis_diag_in(diag, err, "endpoint '" KIS_FMT "'", KIS_ARG(r->endpoint));
    r->path = is_grpc           ? KIS_STR(GRPC_PATH)
              : is_socket       ? KIS_STR("/v1/traces")
              : r->url.path.len ? r->url.path
                                : KIS_STR("/");
    if (!is_grpc && r->url.query.len) /* path and query are neighbours in the endpoint */
        r->path =
            kis_str_of(r->path.ptr, (size_t)(r->url.query.ptr + r->url.query.len - r->path.ptr));
    return KIS_OK;
}

kis_err kis_otlp_request_init(kis_otlp_request *r, const kis_send_options *options,
                              const kis_alloc *alloc, kis_diag *diag)
{
    *r = (kis_otlp_request){ .protocol = options->protocol, .compression = options->compression };
    kis_arena_init(&r->texts, alloc, HEADER_BYTES_MAX * 2);
    kis_err err = copy_texts(r, options, diag);
    if (!err)
        err = parse_endpoint(r, options->insecure, diag);
    if (err)
        return err;
    r->codecs = kis_codecs_new(alloc);
    return r->codecs ? KIS_OK : kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a sender");
}

void kis_otlp_request_done(kis_otlp_request *r)
{
    kis_codecs_free(r->codecs);
    kis_arena_done(&r->texts);
}

/* ---- the body ---- */

static void encode_plain(const kis_otlp_request *r, const kis_batch *batch, kis_buf *out)
{
    if (r->protocol == KIS_OTLP_HTTP_JSON)
        kis_otlp_json_encode(batch, out);
    else
        kis_otlp_encode(batch, out);
}

kis_err kis_otlp_request_encode(kis_otlp_request *r, const kis_batch *batch, const kis_alloc *alloc,
                                kis_buf *body, kis_diag *diag)
{
    bool is_grpc = r->protocol == KIS_OTLP_GRPC;
    bool is_compressed = r->compression != KIS_CODING_NONE;
    kis_buf plain;
    kis_err err = KIS_OK;

    kis_buf_init(body, alloc, KIS_REQUEST_BYTES_MAX);
    kis_buf_init(&plain, alloc, KIS_REQUEST_BYTES_MAX);
    if (is_grpc)
        kis_grpc_put_prefix(body, is_compressed, 0);
    encode_plain(r, batch, is_compressed ? &plain : body);
    if (is_compressed) {
        err = plain.err
                  ? plain.err
                  : kis_compress(r->codecs, r->compression, 0, kis_buf_bytes(&plain), body, diag);
        kis_buf_done(&plain);
    }
    if (!err)
        err = body->err;
    if (err)
        return kis_diag_in(diag, err, "encoding %u spans", batch->span_count);
    if (is_grpc) { /* the length is known now */
        kis_buf prefix;
        kis_buf_init_fixed(&prefix, body->ptr, KIS_GRPC_PREFIX_BYTES);
        kis_grpc_put_prefix(&prefix, is_compressed, (uint32_t)(body->len - KIS_GRPC_PREFIX_BYTES));
    }
    return KIS_OK;
}
