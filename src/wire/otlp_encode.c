/* otlp_encode.c - a batch becomes an ExportTraceServiceRequest: mostly copying, because attributes,
 * events and links are in their wire form already.
 *
 *     verbatim batch          its body, as it came
 *     span with its bytes     one copy
 *     other spans             the small fields written, the stretches copied run by run without
 *                             what has another tag
 *
 * Neighbouring scopes of one resource share one ResourceSpans.
 */
#include "wire/otlp.h"
#include "wire/otlp_span.h"

#define SPANS_LOOKED_AT 16 /* of a scope, to guess its size */

/* Fields of `tag` in [p, end), copied with tag `want`; runs of them in one piece when the tags are
 * the same. */
static void copy_tagged(kis_buf *out, const uint8_t *p, const uint8_t *end, uint32_t tag,
                        uint32_t want)
{
    const uint8_t *run = p; /* [run, p) waits to be copied */
    while (p < end) {
        size_t len;
        if (KIS_LIKELY(*p == tag && tag == want)) {
            const uint8_t *bytes = kis_otlp_length(p + 1, end, &len);
            if (KIS_UNLIKELY(!bytes))
                break;
            p = bytes + len;
            continue;
        }
        kis_cursor c = { p, end };
        kis_pb_field field;
        kis_buf_add(out, run, (size_t)(p - run));
        run = p;
        if (kis_pb_next(&c, &field) != KIS_OK)
            break;
        if (field.tag == tag)
            kis_pb_put_bytes(out, want >> 3, field.bytes);
        run = p = c.at;
    }
    kis_buf_add(out, run, (size_t)(p - run));
}

static void copy_attrs(kis_buf *out, kis_attrs attrs, uint32_t want)
{
    if (attrs.len)
        copy_tagged(out, attrs.ptr, attrs.ptr + attrs.len, attrs.tag, want);
}

static void copy_messages(kis_buf *out, kis_bytes stretch, uint32_t tag)
{
    if (stretch.len)
        copy_tagged(out, stretch.ptr, stretch.ptr + stretch.len, tag, tag);
}

static void encode_text(kis_buf *out, uint32_t field, kis_str s)
{
    if (s.len)
        kis_pb_put_str(out, field, s);
}

static void put_count(kis_buf *out, uint32_t field, uint64_t count)
{
    if (count)
        kis_pb_put_varint(out, field, count);
}

static uint8_t *write_fix64(uint8_t *at, uint32_t field, uint64_t value)
{
    *at = (uint8_t)KIS_PB_TAG(field, KIS_PB_FIX64);
    memcpy(at + 1, &value, 8);
    return at + 9;
}

static uint8_t *write_id(uint8_t *at, uint32_t field, const void *id, uint8_t size)
{
    at[0] = (uint8_t)KIS_PB_TAG(field, KIS_PB_BYTES);
    at[1] = size;
    memcpy(at + 2, id, size);
    return at + 2 + size;
}

/* What every span has, in one piece: 18 + 10 + 10 + 2 + 9 + 9 bytes. */
static void put_span_head(kis_buf *out, const kis_span_view *span)
{
    uint8_t *start = kis_buf_reserve(out, 64), *at = start;
    if (!at)
        return;
    at = write_id(at, 1, span->trace_id.bytes, 16);
    at = write_id(at, 2, span->span_id.bytes, 8);
    if (kis_span_id_is_valid(&span->parent_id))
        at = write_id(at, 4, span->parent_id.bytes, 8);
    if (span->kind) {
        *at++ = KIS_PB_TAG(6, KIS_PB_VARINT);
        *at++ = span->kind;
    }
    if (span->start_unix_ns)
        at = write_fix64(at, 7, span->start_unix_ns);
    if (span->end_unix_ns)
        at = write_fix64(at, 8, span->end_unix_ns);
    out->len += (size_t)(at - start);
}

static void encode_status(kis_buf *out, const kis_span_view *span)
{
    if (span->status == KIS_STATUS_UNSET && span->status_message.len == 0)
        return;
    size_t begun = kis_pb_begin_about(out, 15, span->status_message.len + 4);
    encode_text(out, 2, span->status_message);
    put_count(out, 3, span->status);
    kis_pb_end(out, begun);
}

void kis_otlp_encode_span(const kis_span_view *span, kis_buf *out)
{
    put_span_head(out, span);
    encode_text(out, 3, span->trace_state);
    encode_text(out, 5, span->name);
    copy_attrs(out, span->attrs, KIS_TAG_SPAN_ATTRS);
    put_count(out, 10, span->dropped_attrs);
    copy_messages(out, span->events, KIS_TAG_SPAN_EVENTS);
    put_count(out, 12, span->dropped_events);
    copy_messages(out, span->links, KIS_TAG_SPAN_LINKS);
    put_count(out, 14, span->dropped_links);
    encode_status(out, span);
    if (span->flags)
        kis_pb_put_fix32(out, 16, span->flags);
}

static size_t span_size_about(const kis_span_view *s)
{
    if (s->bytes.len)
        return s->bytes.len;
    return 100 + s->name.len + s->trace_state.len + s->status_message.len + s->attrs.len +
           s->events.len + s->links.len;
}

static void encode_one_span(kis_buf *out, const kis_span_view *span)
{
    size_t len = span->bytes.len;
    if (KIS_LIKELY(len - 1 < 0x3fff)) { /* its length takes one byte, or two */
        uint8_t *to = kis_buf_reserve(out, len + 3);
        if (!to)
            return;
        size_t head = 2 + (size_t)(len >= 0x80);
        to[0] = KIS_PB_TAG(2, KIS_PB_BYTES);
        to[1] = (uint8_t)(len | (size_t)(len >= 0x80) << 7);
        to[2] = (uint8_t)(len >> 7);
        out->len += head + len;
        memcpy(to + head, span->bytes.ptr, len);
        return;
    }
    if (len) {
        kis_pb_put_bytes(out, 2, span->bytes);
        return;
    }
    size_t begun = kis_pb_begin_about(out, 2, span_size_about(span));
    kis_otlp_encode_span(span, out);
    kis_pb_end(out, begun);
}

/* By a few of its spans: all that counts is how many bytes the length will have, and to be wrong
 * means to move the scope once. */
static size_t scope_size_about(const kis_batch *batch, const kis_scope_view *scope)
{
    const kis_span_view *spans = batch->spans + scope->first_span;
    size_t size =
        32 + scope->name.len + scope->version.len + scope->attrs.len + scope->schema_url.len;
    uint32_t step = scope->span_count / SPANS_LOOKED_AT + 1;
    for (uint32_t i = 0; i < scope->span_count; i += step)
        size += (span_size_about(&spans[i]) + 4) * KIS_MIN(step, scope->span_count - i);
    return size;
}

static void encode_scope(kis_buf *out, const kis_scope_view *scope)
{
    size_t begun =
        kis_pb_begin_about(out, 1, scope->name.len + scope->version.len + scope->attrs.len + 6);
    encode_text(out, 1, scope->name);
    encode_text(out, 2, scope->version);
    copy_attrs(out, scope->attrs, KIS_TAG_SCOPE_ATTRS);
    put_count(out, 4, scope->dropped_attrs);
    kis_pb_end(out, begun);
}

static void put_scope_spans(const kis_batch *batch, const kis_scope_view *scope, size_t size,
                            kis_buf *out)
{
    size_t begun = kis_pb_begin_about(out, 2, size);
    const kis_span_view *span = batch->spans + scope->first_span, *end = span + scope->span_count;
    encode_scope(out, scope);
    for (; span < end; span++)
        encode_one_span(out, span);
    encode_text(out, 3, scope->schema_url);
    kis_pb_end(out, begun);
}

static void put_resource(kis_buf *out, const kis_resource_view *resource)
{
    size_t begun = kis_pb_begin_about(out, 1, resource->attrs.len);
    copy_attrs(out, resource->attrs, KIS_TAG_RESOURCE_ATTRS);
    put_count(out, 2, resource->dropped_attrs);
    kis_pb_end(out, begun);
}

/* The scopes from `first` on that share a resource; answers the first one that does not. */
static uint32_t put_resource_spans(const kis_batch *batch, uint32_t first, kis_buf *out)
{
    const kis_resource_view *resource = kis_batch_resource(batch, &batch->scopes[first]);
    size_t size = resource->attrs.len + resource->schema_url.len + 16, last = 0;
    uint32_t end = first;
    for (; end < batch->scope_count && batch->scopes[end].resource == batch->scopes[first].resource;
         end++) {
        last = scope_size_about(batch, &batch->scopes[end]);
        size += last + 4;
    }
    size_t begun = kis_pb_begin_about(out, 1, size);
    put_resource(out, resource);
    for (uint32_t i = first; i < end; i++)
        put_scope_spans(batch, &batch->scopes[i],
                        i + 1 == end ? last : scope_size_about(batch, &batch->scopes[i]), out);
    encode_text(out, 3, resource->schema_url);
    kis_pb_end(out, begun);
    return end;
}

void kis_otlp_encode(const kis_batch *batch, kis_buf *out)
{
    if (batch->is_verbatim) {
        kis_buf_add_bytes(out, batch->body);
        return;
    }
    for (uint32_t scope = 0; scope < batch->scope_count;)
        scope = put_resource_spans(batch, scope, out);
}
