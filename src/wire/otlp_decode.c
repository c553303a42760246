/* otlp_decode.c - an ExportTraceServiceRequest becomes a batch of views: the walk down to the
 * spans.
 *
 *     request ─ resource_spans ─┬─ resource
 *                               └─ scope_spans ─┬─ scope
 *                                               └─ spans ──> kis_otlp_read_span, and only when
 *                                                            that declines: repair_message, then
 *                                                            read what it made
 *
 * Two passes: the first counts what can become a view and finds lengths that lie, the second fills
 * arrays of just that size. A span of less than SPAN_BYTES_MIN bytes cannot have both ids, so
 * memory is bounded by the request's size.
 *
 * What is wrong with one span (ids, size) rejects that span; what is not protobuf refuses the whole
 * request, because after it nobody knows where anything begins. "span 17" is the eighteenth of the
 * request.
 */
#include "base/check.h"
#include "base/diag.h"
#include "wire/otlp.h"
#include "wire/otlp_repair.h"
#include "wire/otlp_span.h"

#define TAG_RESOURCE_SPANS KIS_PB_TAG(1, KIS_PB_BYTES)
#define TAG_RESOURCE       KIS_PB_TAG(1, KIS_PB_BYTES)
#define TAG_SCOPE_SPANS    KIS_PB_TAG(2, KIS_PB_BYTES)
#define TAG_SCOPE          KIS_PB_TAG(1, KIS_PB_BYTES)
#define TAG_SPAN           KIS_PB_TAG(2, KIS_PB_BYTES)
#define TAG_SCHEMA_URL     KIS_PB_TAG(3, KIS_PB_BYTES)
#define SPAN_BYTES_MIN     28 /* two ids: 2 + 16 and 2 + 8 */

typedef struct decode_walk {
    kis_batch *batch;
    const uint8_t *limit; /* end of the request's memory */
    const uint8_t *offset_base;
    kis_diag *diag;
    uint32_t resource_cap, scope_cap, span_cap;
    uint32_t resource_number, scope_number, span_number; /* as they stand in the request */
} decode_walk;

/* A field at the upper levels: mostly messages with a one-byte tag. */
static inline kis_err next_upper_field(kis_cursor *c, kis_pb_field *out)
{
    if (KIS_LIKELY(c->at < c->end && (c->at[0] & 0x87) == KIS_PB_BYTES && c->at[0] >= 8)) {
        size_t len;
        const uint8_t *bytes = kis_otlp_length(c->at + 1, c->end, &len);
        if (KIS_LIKELY(bytes)) {
            out->tag = c->at[0];
            out->bytes = (kis_bytes){ bytes, len };
            c->at = bytes + len;
            return KIS_OK;
        }
    }
    return kis_pb_next(c, out);
}

/* ---- first pass ---- */

static const char *name_at_level(int level, kis_cursor at)
{
    static const char *const names[3][4] = {
        { NULL, "resource_spans", NULL, NULL },
        { NULL, "resource", "scope_spans", "schema_url" },
        { NULL, "scope", "spans", "schema_url" },
    };
    uint64_t tag = 0;
    return kis_cursor_varint(&at, &tag) && tag >> 3 < 4 ? names[level][tag >> 3] : NULL;
}

static kis_err refuse_field(decode_walk *w, int level, kis_cursor at, kis_err err)
{
    kis_otlp_explain_field(at, err, w->offset_base, w->diag);
    const char *name = name_at_level(level, at);
    if (name)
        kis_diag_in(w->diag, err, "%s", name);
    if (level == 2)
        kis_diag_in(w->diag, err, "scope_spans %u", w->scope_number);
    if (level >= 1)
        kis_diag_in(w->diag, err, "resource_spans %u", w->resource_number);
    return err;
}

static kis_err count_spans(decode_walk *w, kis_bytes scope_spans, uint32_t *count)
{
    kis_cursor c = kis_cursor_of(scope_spans);
    kis_pb_field field;
    kis_err err;
    while ((err = next_upper_field(&c, &field)) == KIS_OK)
        *count += field.tag == TAG_SPAN && field.bytes.len >= SPAN_BYTES_MIN &&
                  field.bytes.len <= KIS_SPAN_BYTES_MAX;
    return err == KIS_ERR_NOT_FOUND ? KIS_OK : refuse_field(w, 2, c, err);
}

static kis_err count_scopes(decode_walk *w, kis_bytes resource_spans, uint32_t *count)
{
    kis_cursor c = kis_cursor_of(resource_spans);
    kis_pb_field field;
    kis_err err;
    for (w->scope_number = 0; (err = next_upper_field(&c, &field)) == KIS_OK;) {
        uint32_t spans = 0;
        if (field.tag != TAG_SCOPE_SPANS)
            continue;
        err = count_spans(w, field.bytes, &spans);
        if (err)
            return err;
        *count += spans > 0;
        w->span_cap += spans;
        w->scope_number++;
    }
    return err == KIS_ERR_NOT_FOUND ? KIS_OK : refuse_field(w, 1, c, err);
}

static kis_err count_request(decode_walk *w, kis_bytes request)
{
    kis_cursor c = kis_cursor_of(request);
    kis_pb_field field;
    kis_err err;
    while ((err = next_upper_field(&c, &field)) == KIS_OK) {
        uint32_t scopes = 0;
        if (field.tag != TAG_RESOURCE_SPANS)
            continue;
        err = count_scopes(w, field.bytes, &scopes);
        if (err)
            return err;
        w->scope_cap += scopes;
        w->resource_cap += scopes > 0;
        w->resource_number++;
    }
    return err == KIS_ERR_NOT_FOUND ? KIS_OK : refuse_field(w, 0, c, err);
}

static kis_err take_arrays(decode_walk *w)
{
    kis_batch *b = w->batch;
    if (w->span_cap == 0)
        return KIS_OK;
    b->resources = KIS_NEW_ARRAY(&b->arena, kis_resource_view, w->resource_cap);
    b->scopes = b->resources ? KIS_NEW_ARRAY(&b->arena, kis_scope_view, w->scope_cap) : NULL;
    b->spans = b->scopes ? KIS_NEW_ARRAY(&b->arena, kis_span_view, w->span_cap) : NULL;
    if (b->spans)
        return KIS_OK;
    return kis_otlp_no_room(&b->arena, w->span_cap * sizeof(kis_span_view), w->diag);
}

/* ---- what is not as it should be ---- */

static void reject_spans(decode_walk *w, uint32_t count, const char *where, uint32_t number,
                         const char *why)
{
    kis_batch *b = w->batch;
    if (count == 0)
        return;
    b->is_verbatim = false;
    if (b->rejected_spans == 0) {
        kis_diag text;
        kis_diag_set(&text, KIS_ERR_RANGE, "%s %u: %s", where, number, why);
        kis_str reason = kis_str_from_c(text.text);
        if (!kis_arena_copy(&b->arena, reason, &b->reject_reason))
            b->reject_reason = KIS_STR("invalid spans");
    }
    b->rejected_spans += count;
}

/* Makes `message` anew; *out_rejected says that it cannot be. */
static kis_err repair(decode_walk *w, kis_otlp_message type, kis_bytes *message, kis_otlp_repair *r)
{
    r->body = w->offset_base;
    kis_err err = kis_otlp_repair_message(type, *message, &w->batch->arena, r, w->diag);
    if (err)
        return err;
    w->batch->is_verbatim = false;
    w->batch->cut_values += r->cut_values;
    *message = r->clean;
    return KIS_OK;
}

static kis_err read_schema_url(decode_walk *w, kis_bytes text, kis_str *out)
{
    if (kis_otlp_text_is_clean(text, KIS_SPAN_NAME_BYTES_MAX)) {
        *out = kis_str_of_bytes(text);
        return KIS_OK;
    }
    w->batch->is_verbatim = false;
    kis_err err = kis_otlp_repair_text(text, KIS_SPAN_NAME_BYTES_MAX, &w->batch->arena, out,
                                       &w->batch->cut_values);
    return err ? kis_diag_set(w->diag, err, "schema_url: no memory") : KIS_OK;
}

/* ---- second pass ---- */

static kis_err decode_odd_span(decode_walk *w, kis_bytes message, kis_span_view *out,
                               bool *is_taken)
{
    kis_otlp_repair r;
    *is_taken = false;
    if (message.len > KIS_SPAN_BYTES_MAX) {
        kis_diag_set(&r.reject, KIS_ERR_LIMIT, "%zu bytes, at most %u are taken", message.len,
                     KIS_SPAN_BYTES_MAX);
        reject_spans(w, 1, "span", w->span_number, r.reject.text);
        return KIS_OK;
    }
    kis_err err = repair(w, KIS_OTLP_SPAN, &message, &r);
    if (err == KIS_ERR_SYNTAX || err == KIS_ERR_MORE)
        return kis_diag_in(w->diag, err, "span %u", w->span_number);
    if (err)
        return err;
    if (r.reject.err) {
        reject_spans(w, 1, "span", w->span_number, r.reject.text);
        return KIS_OK;
    }
    *is_taken = kis_otlp_read_span(message, message.ptr + message.len, out);
    if (*is_taken)
        out->bytes = KIS_BYTES_NONE;
    else
        /* otlp_repair.c (1): does not happen */
        reject_spans(w, 1, "span", w->span_number, "cannot be repaired");
    return KIS_OK;
}

static kis_err decode_spans(decode_walk *w, kis_bytes scope_spans)
{
    kis_batch *b = w->batch;
    kis_cursor c = kis_cursor_of(scope_spans);
    kis_pb_field field;
    while (next_upper_field(&c, &field) == KIS_OK) {
        if (KIS_UNLIKELY(field.tag != TAG_SPAN))
            continue;
        bool is_taken = true;
        kis_span_view odd;
        if (KIS_UNLIKELY(field.bytes.len < SPAN_BYTES_MIN ||
                         field.bytes.len > KIS_SPAN_BYTES_MAX)) {
            kis_err err = decode_odd_span(w, field.bytes, &odd, &is_taken);
            if (err)
                return err;
            is_taken = false; /* there is no room for it, and it cannot have been */
        } else if (KIS_UNLIKELY(
                       !kis_otlp_read_span(field.bytes, w->limit, &b->spans[b->span_count]))) {
            kis_err err = decode_odd_span(w, field.bytes, &b->spans[b->span_count], &is_taken);
            if (err)
                return err;
        }
        b->span_count += is_taken;
        w->span_number++;
    }
    return KIS_OK;
}

static uint32_t spans_of_scope(kis_bytes scope_spans)
{
    kis_cursor c = kis_cursor_of(scope_spans);
    kis_pb_field field;
    uint32_t count = 0;
    while (next_upper_field(&c, &field) == KIS_OK)
        count += field.tag == TAG_SPAN;
    return count;
}

static kis_err read_scope(decode_walk *w, kis_bytes message, kis_scope_view *scope,
                          kis_diag *reject)
{
    if (KIS_LIKELY(message.len <= KIS_RESOURCE_BYTES_MAX &&
                   kis_otlp_read_scope(message, w->limit, scope)))
        return KIS_OK;
    if (message.len > KIS_RESOURCE_BYTES_MAX) {
        kis_diag_set(reject, KIS_ERR_LIMIT, "scope: %zu bytes, at most %u are taken", message.len,
                     KIS_RESOURCE_BYTES_MAX);
        return KIS_OK;
    }
    kis_otlp_repair r;
    kis_err err = repair(w, KIS_OTLP_SCOPE, &message, &r);
    if (err)
        return kis_diag_in(w->diag, err, "resource_spans %u: scope_spans %u: scope",
                           w->resource_number, w->scope_number);
    if (!kis_otlp_read_scope(message, message.ptr + message.len, scope))
        kis_diag_set(reject, KIS_ERR_LIMIT, "scope: cannot be repaired");
    return KIS_OK;
}

static kis_err decode_scope_spans(decode_walk *w, kis_bytes message)
{
    kis_batch *b = w->batch;
    kis_scope_view scope = { .attrs.tag = KIS_TAG_SCOPE_ATTRS };
    kis_str schema_url = KIS_STR_NONE;
    kis_diag reject = { .err = KIS_OK };
    kis_cursor c = kis_cursor_of(message);
    kis_pb_field field;

    while (next_upper_field(&c, &field) == KIS_OK) { /* the scope may stand behind its spans */
        kis_err err = field.tag == TAG_SCOPE        ? read_scope(w, field.bytes, &scope, &reject)
                      : field.tag == TAG_SCHEMA_URL ? read_schema_url(w, field.bytes, &schema_url)
                                                    : KIS_OK;
        if (err)
            return err;
    }
    if (reject.err) {
        uint32_t count = spans_of_scope(message);
        reject_spans(w, count, "scope_spans", w->scope_number, reject.text);
        w->span_number += count;
        return KIS_OK;
    }
    scope.schema_url = schema_url;
    scope.resource = b->resource_count;
    scope.first_span = b->span_count;
    kis_err err = decode_spans(w, message);
    scope.span_count = b->span_count - scope.first_span;
    if (err || scope.span_count == 0)
        return err;
    KIS_ASSERT(b->scope_count < w->scope_cap && b->span_count <= w->span_cap);
    b->scopes[b->scope_count++] = scope;
    return KIS_OK;
}

static kis_err read_resource(decode_walk *w, kis_bytes message, kis_resource_view *resource,
                             kis_diag *reject)
{
    if (message.len > KIS_RESOURCE_BYTES_MAX) {
        kis_diag_set(reject, KIS_ERR_LIMIT, "resource: %zu bytes, at most %u are taken",
                     message.len, KIS_RESOURCE_BYTES_MAX);
        return KIS_OK;
    }
    if (KIS_LIKELY(kis_otlp_read_resource(message, w->limit, resource)))
        return KIS_OK;
    kis_otlp_repair r;
    kis_err err = repair(w, KIS_OTLP_RESOURCE, &message, &r);
    if (err)
        return kis_diag_in(w->diag, err, "resource_spans %u: resource", w->resource_number);
    if (!kis_otlp_read_resource(message, message.ptr + message.len, resource))
        kis_diag_set(reject, KIS_ERR_LIMIT, "resource: cannot be repaired");
    return KIS_OK;
}

static void reject_resource_spans(decode_walk *w, kis_bytes message, const char *why)
{
    kis_cursor c = kis_cursor_of(message);
    kis_pb_field field;
    while (next_upper_field(&c, &field) == KIS_OK) {
        if (field.tag != TAG_SCOPE_SPANS)
            continue;
        uint32_t count = spans_of_scope(field.bytes);
        reject_spans(w, count, "resource_spans", w->resource_number, why);
        w->span_number += count;
    }
}

static kis_err decode_resource_spans(decode_walk *w, kis_bytes message)
{
    kis_batch *b = w->batch;
    kis_resource_view resource = { .attrs.tag = KIS_TAG_RESOURCE_ATTRS,
                                   .service_name = KIS_STR("unknown_service") };
    kis_str schema_url = KIS_STR_NONE;
    kis_diag reject = { .err = KIS_OK };
    uint32_t scopes_before = b->scope_count;
    kis_cursor c = kis_cursor_of(message);
    kis_pb_field field;

    while (next_upper_field(&c, &field) == KIS_OK) {
        kis_err err = field.tag == TAG_RESOURCE ? read_resource(w, field.bytes, &resource, &reject)
                      : field.tag == TAG_SCHEMA_URL ? read_schema_url(w, field.bytes, &schema_url)
                                                    : KIS_OK;
        if (err)
            return err;
    }
    if (reject.err) {
        reject_resource_spans(w, message, reject.text);
        return KIS_OK;
    }
    w->scope_number = 0;
    for (c = kis_cursor_of(message); next_upper_field(&c, &field) == KIS_OK;) {
        if (field.tag != TAG_SCOPE_SPANS)
            continue;
        kis_err err = decode_scope_spans(w, field.bytes);
        if (err)
            return err;
        w->scope_number++;
    }
    if (b->scope_count == scopes_before)
        return KIS_OK; /* an envelope without spans */
    KIS_ASSERT(b->resource_count < w->resource_cap);
    resource.schema_url = schema_url;
    b->resources[b->resource_count++] = resource;
    return KIS_OK;
}

kis_err kis_otlp_decode_request(kis_batch *batch, kis_bytes request, const uint8_t *offset_base,
                                kis_diag *diag)
{
    decode_walk w = { .batch = batch,
                      .limit = kis_cursor_of(request).end,
                      .offset_base = offset_base,
                      .diag = diag };
    kis_cursor c = kis_cursor_of(request);
    kis_pb_field field;

    batch->resource_count = batch->scope_count = batch->span_count = 0;
    batch->rejected_spans = batch->cut_values = 0;
    batch->reject_reason = KIS_STR_NONE;
    batch->is_verbatim = true;
    kis_err err = count_request(&w, request);
    if (!err)
        err = take_arrays(&w);
    w.resource_number = 0;
    while (!err && next_upper_field(&c, &field) == KIS_OK) {
        if (field.tag != TAG_RESOURCE_SPANS)
            continue;
        err = decode_resource_spans(&w, field.bytes);
        w.resource_number++;
    }
    if (err)
        batch->is_verbatim = false;
    return err;
}

kis_err kis_otlp_decode(kis_batch *batch, kis_diag *diag)
{
    return kis_otlp_decode_request(batch, batch->body, batch->body.ptr, diag);
}
