/* http2_block.c - fields gather in one text and become a head. */
#include "http/http2_block.h"

#include "base/num.h"

#define BLOCK_KEEP_BYTES 2048u /* of a block's text between two requests */

void kis_http2_block_init(kis_http2_block *block, const kis_alloc *alloc)
{
    *block = (kis_http2_block){ .alloc = alloc };
    kis_buf_init(&block->text, alloc, KIS_HTTP_HEADER_BYTES_MAX + KIS_HTTP_TARGET_BYTES_MAX);
}

void kis_http2_block_done(kis_http2_block *block)
{
    kis_buf_done(&block->text);
    KIS_VEC_DONE(&block->fields, block->alloc);
    if (block->views)
        block->alloc->give_back(block->alloc->user, block->views,
                                block->views_cap * sizeof(kis_header));
    block->views = NULL;
    block->views_cap = 0;
}

void kis_http2_block_trim(kis_http2_block *block)
{
    if (block->text.cap > BLOCK_KEEP_BYTES)
        kis_http2_block_done(block);
}

void kis_http2_block_begin(kis_http2_block *block, int32_t stream_id)
{
    block->stream_id = stream_id;
    block->fields.len = 0;
    block->list_bytes = 0;
    block->is_open = true;
    block->is_too_large = false;
    kis_buf_clear(&block->text);
}

bool kis_http2_block_add(kis_http2_block *block, kis_str name, kis_str value)
{
    block->list_bytes += name.len + value.len + 32;
    if (block->fields.len >= KIS_HTTP_HEADERS_MAX + 4 ||
        block->list_bytes > KIS_HTTP_HEADER_BYTES_MAX + KIS_HTTP_TARGET_BYTES_MAX ||
        block->text.len + name.len + value.len > block->text.max) {
        block->is_too_large = true;
        return true;
    }
    kis_http2_field field = { (uint32_t)block->text.len, (uint32_t)name.len,
                              (uint32_t)(block->text.len + name.len), (uint32_t)value.len };
    kis_buf_add_str(&block->text, name);
    kis_buf_add_str(&block->text, value);
    return block->text.err == KIS_OK && KIS_VEC_PUSH(&block->fields, block->alloc, field);
}

static bool block_make_views(kis_http2_block *block)
{
    const kis_alloc *alloc = block->alloc;
    if (block->views_cap < block->fields.len) {
        kis_header *views = alloc->take(alloc->user, block->fields.cap * sizeof(*views));
        if (!views)
            return false;
        if (block->views)
            alloc->give_back(alloc->user, block->views, block->views_cap * sizeof(*views));
        block->views = views;
        block->views_cap = block->fields.cap;
    }
    for (uint32_t i = 0; i < block->fields.len; i++) {
        const kis_http2_field *field = &block->fields.at[i];
        const char *text = (const char *)block->text.ptr;
        block->views[i] = (kis_header){ kis_str_of(text + field->name_at, field->name_len),
                                        kis_str_of(text + field->value_at, field->value_len) };
    }
    return true;
}

static void head_take_pseudo(kis_http2_head *head, const kis_header *field)
{
    static const struct {
        kis_str name;
        size_t offset;
    } places[] = {
        { KIS_STR_INIT(":method"), offsetof(kis_http2_head, method) },
        { KIS_STR_INIT(":path"), offsetof(kis_http2_head, path) },
        { KIS_STR_INIT(":scheme"), offsetof(kis_http2_head, scheme) },
        { KIS_STR_INIT(":authority"), offsetof(kis_http2_head, authority) },
    };
    uint64_t status;
    for (size_t i = 0; i < KIS_COUNT_OF(places); i++) {
        if (kis_str_eq(field->name, places[i].name))
            memcpy((char *)head + places[i].offset, &field->value, sizeof(kis_str));
    }
    if (kis_str_eq(field->name, KIS_STR(":status")) &&
        kis_u64_parse(field->value, &status) == KIS_OK && status <= 999)
        head->status = (int)status;
}

/* Pseudo-headers come first (nghttp2 sees to it). */
bool kis_http2_block_end(kis_http2_block *block, kis_http2_head *out)
{
    block->is_open = false;
    if (!block_make_views(block))
        return false;
    *out = (kis_http2_head){ .headers = block->views,
                             .header_count = block->fields.len,
                             .is_too_large = block->is_too_large };
    while (out->header_count && out->headers[0].name.len && out->headers[0].name.ptr[0] == ':') {
        head_take_pseudo(out, out->headers);
        out->headers++;
        out->header_count--;
    }
    if (out->header_count > KIS_HTTP_HEADERS_MAX)
        out->is_too_large = true;
    return true;
}
