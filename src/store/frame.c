/* frame.c - record bodies: batches to bytes and back. */
#include "store/frame.h"

#include "base/check.h"
#include "store/bounds.h"
#include "store/row.h"

static size_t text_size(kis_str s)
{
    return kis_varint_size(s.len) + s.len;
}

static uint8_t *text_put(uint8_t *to, kis_str s)
{
    to += kis_varint_put(to, s.len);
    if (s.len)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

static bool text_read(kis_cursor *c, kis_str *out)
{
    uint64_t len;
    kis_bytes bytes;
    if (!kis_cursor_varint(c, &len) || !kis_cursor_bytes(c, len, &bytes))
        return false;
    *out = kis_str_of_bytes(bytes);
    return true;
}

static size_t attrs_size(kis_attrs a)
{
    return a.len ? kis_fields_size(a.ptr, a.len, a.tag) : 0;
}

/* A resource's or scope's own tag may differ from where it was read;
 * it is written with the tag of its kind. */
static uint8_t *attrs_put(uint8_t *to, kis_attrs a)
{
    size_t size = attrs_size(a);
    to += kis_varint_put(to, size);
    return size ? kis_fields_copy(a.ptr, a.len, a.tag, size, to) : to;
}

size_t kis_frame_resource_size(const kis_resource_view *r)
{
    size_t attrs = attrs_size(r->attrs);
    return text_size(r->service_name) + text_size(r->schema_url) +
           kis_varint_size(r->dropped_attrs) + kis_varint_size(attrs) + attrs;
}

uint8_t *kis_frame_resource_put(const kis_resource_view *r, uint8_t *to)
{
    to = text_put(to, r->service_name);
    to = text_put(to, r->schema_url);
    to += kis_varint_put(to, r->dropped_attrs);
    return attrs_put(to, r->attrs);
}

size_t kis_frame_scope_size(const kis_scope_view *s)
{
    size_t attrs = attrs_size(s->attrs);
    return text_size(s->name) + text_size(s->version) + text_size(s->schema_url) +
           kis_varint_size(s->dropped_attrs) + kis_varint_size(s->resource) +
           kis_varint_size(s->span_count) + kis_varint_size(attrs) + attrs;
}

uint8_t *kis_frame_scope_put(const kis_scope_view *s, uint8_t *to)
{
    to = text_put(to, s->name);
    to = text_put(to, s->version);
    to = text_put(to, s->schema_url);
    to += kis_varint_put(to, s->dropped_attrs);
    to += kis_varint_put(to, s->resource);
    to += kis_varint_put(to, s->span_count);
    return attrs_put(to, s->attrs);
}

static bool u32_read(kis_cursor *c, uint32_t *out)
{
    uint64_t value;
    if (!kis_cursor_varint(c, &value) || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool attrs_read(kis_cursor *c, uint32_t tag, kis_attrs *out)
{
    kis_str bytes;
    if (!text_read(c, &bytes) || bytes.len > UINT32_MAX)
        return false;
    *out = (kis_attrs){ (const uint8_t *)bytes.ptr, (uint32_t)bytes.len, tag };
    return true;
}

bool kis_frame_read_resource(kis_cursor *c, kis_resource_view *out)
{
    *out = (kis_resource_view){ 0 };
    return text_read(c, &out->service_name) && text_read(c, &out->schema_url) &&
           u32_read(c, &out->dropped_attrs) && attrs_read(c, KIS_TAG_RESOURCE_ATTRS, &out->attrs);
}

bool kis_frame_read_scope(kis_cursor *c, kis_scope_view *out)
{
    *out = (kis_scope_view){ 0 };
    return text_read(c, &out->name) && text_read(c, &out->version) &&
           text_read(c, &out->schema_url) && u32_read(c, &out->dropped_attrs) &&
           u32_read(c, &out->resource) && u32_read(c, &out->span_count) &&
           attrs_read(c, KIS_TAG_SCOPE_ATTRS, &out->attrs);
}

size_t kis_frame_size(const kis_batch *b)
{
    size_t size = 8 + text_size(b->origin.tenant) + text_size(b->origin.idempotency_key) +
                  kis_varint_size(b->resource_count) + kis_varint_size(b->scope_count) +
                  kis_varint_size(b->span_count);

    for (uint32_t i = 0; i < b->resource_count; i++)
        size += kis_frame_resource_size(&b->resources[i]);
    for (uint32_t i = 0; i < b->scope_count; i++)
        size += kis_frame_scope_size(&b->scopes[i]);
    for (uint32_t i = 0; i < b->scope_count; i++)
        for (uint32_t j = 0; j < b->scopes[i].span_count; j++)
            size += kis_row_size(&b->spans[b->scopes[i].first_span + j]);
    return size <= KIS_WAL_RECORD_BYTES_MAX ? size : 0;
}

void kis_frame_encode(const kis_batch *b, uint64_t received_unix_ns, uint8_t *to, size_t size)
{
    uint8_t *end = to + size;

    memcpy(to, &received_unix_ns, 8);
    to = text_put(to + 8, b->origin.tenant);
    to = text_put(to, b->origin.idempotency_key);
    to += kis_varint_put(to, b->resource_count);
    to += kis_varint_put(to, b->scope_count);
    to += kis_varint_put(to, b->span_count);
    for (uint32_t i = 0; i < b->resource_count; i++)
        to = kis_frame_resource_put(&b->resources[i], to);
    for (uint32_t i = 0; i < b->scope_count; i++)
        to = kis_frame_scope_put(&b->scopes[i], to);
    for (uint32_t i = 0; i < b->scope_count; i++) {
        const kis_scope_view *scope = &b->scopes[i];
        for (uint32_t j = 0; j < scope->span_count; j++)
            to = kis_row_encode(&b->spans[scope->first_span + j], to);
    }
    KIS_ASSERT(to == end); /* every span of a batch is in exactly one scope */
}

bool kis_frame_read_head(kis_cursor *c, kis_frame_head *out)
{
    return kis_cursor_u64(c, &out->received_unix_ns) && text_read(c, &out->tenant) &&
           text_read(c, &out->key) && out->tenant.len <= KIS_TENANT_BYTES_MAX &&
           out->key.len <= KIS_IDEMPOTENCY_KEY_BYTES_MAX && u32_read(c, &out->resource_count) &&
           u32_read(c, &out->scope_count) && u32_read(c, &out->span_count);
}
