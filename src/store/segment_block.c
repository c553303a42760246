/* segment_block.c - one block from its bytes. Checksums first, then decoding that trusts nothing:
 * every length, count and index is checked before it is used, because a file is foreign once it has
 * left our hands.
 */
#include "base/crc.h"
#include "base/diag.h"
#include "store/frame.h"
#include "store/le.h"
#include "store/row.h"
#include "store/segment.h"

typedef struct block_source {
    kis_bytes bytes;
    kis_arena *arena;
    kis_block_codec *codec;
    /* where each begins; NULL: behind the end of `bytes` */
    const uint8_t *columns[KIS_SEG_COLUMNS];
    uint32_t stored[KIS_SEG_COLUMNS], unpacked[KIS_SEG_COLUMNS], crc[KIS_SEG_COLUMNS];
} block_source;

static kis_err damaged(kis_diag *diag, const char *what)
{
    return kis_diag_set(diag, KIS_ERR_CORRUPT, "a block is damaged: %s", what);
}

static kis_err no_memory_to_read(kis_diag *diag)
{
    return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to read a block");
}

#define SALT_OFFSET           12u
#define COLUMN_ENTRIES_OFFSET 16u

static bool block_header_reads(const uint8_t header[KIS_SEG_BLOCK_HEADER_BYTES])
{
    return memcmp(header, "KSB1", 4) == 0 &&
           kis_crc32c(0, kis_bytes_of(header, KIS_SEG_BLOCK_HEADER_BYTES - 4)) ==
               kis_le_get_u32(header + KIS_SEG_BLOCK_HEADER_BYTES - 4);
}

static kis_err read_block_header(block_source *source, kis_seg_block *b, kis_diag *diag)
{
    const uint8_t *header = source->bytes.ptr;
    uint64_t at = KIS_SEG_BLOCK_HEADER_BYTES;

    if (source->bytes.len < KIS_SEG_BLOCK_HEADER_BYTES || !block_header_reads(header))
        return damaged(diag, "its header");
    b->rows = kis_le_get_u32(header + 4);
    b->traces = kis_le_get_u32(header + 8);
    if (!b->rows || b->rows > KIS_SEG_BLOCK_ROWS_MAX || !b->traces || b->traces > b->rows)
        return damaged(diag, "its counts");
    for (unsigned i = 0; i < KIS_SEG_COLUMNS; i++) {
        const uint8_t *entry = header + COLUMN_ENTRIES_OFFSET + 12 * i;
        source->stored[i] = kis_le_get_u32(entry);
        source->unpacked[i] = kis_le_get_u32(entry + 4);
        source->crc[i] = kis_le_get_u32(entry + 8);
        if (source->unpacked[i] > KIS_SEG_COLUMN_BYTES_MAX ||
            source->stored[i] > source->unpacked[i])
            return damaged(diag, "a column's length");
        source->columns[i] = at + source->stored[i] <= source->bytes.len ? header + at : NULL;
        at += source->stored[i];
    }
    return KIS_OK;
}

bool kis_seg_block_measure_header(const uint8_t header[KIS_SEG_BLOCK_HEADER_BYTES],
                                  kis_seg_block_measure *out)
{
    block_source source = { .bytes = { header, KIS_SEG_BLOCK_HEADER_BYTES } };
    kis_seg_block b = { .rows = 0 };
    kis_seg_block_measure m = { .size = KIS_SEG_BLOCK_HEADER_BYTES };

    if (read_block_header(&source, &b, NULL))
        return false;
    for (unsigned i = 0; i < KIS_SEG_COLUMNS; i++) { /* nine columns of at most 64 MiB: fits */
        m.size += source.stored[i];
        m.core_size = i == KIS_SEG_TIMES ? (uint32_t)m.size : m.core_size;
        m.ids_size = i == KIS_SEG_PARENTS ? (uint32_t)m.size : m.ids_size;
    }
    m.rows = b.rows;
    m.traces = b.traces;
    m.salt = kis_le_get_u32(header + SALT_OFFSET);
    *out = m;
    return true;
}

/* One column, unpacked into the arena, or where it stands (copied:
 * the bytes may go before the block does). */
static kis_err read_column(block_source *source, kis_seg_column column, kis_bytes *out,
                           kis_diag *diag)
{
    if (!source->columns[column])
        return damaged(diag, "it ends too early");
    kis_bytes stored = { source->columns[column], source->stored[column] };
    size_t size = source->unpacked[column];
    if (kis_crc32c(0, stored) != source->crc[column])
        return damaged(diag, "a column's checksum is wrong");
    uint8_t *to = kis_arena_take(source->arena, size + 1, 8);
    if (!to)
        return no_memory_to_read(diag);
    if (stored.len == size) {
        memcpy(to, stored.ptr, size);
    } else {
        kis_err err = kis_block_decompress(source->codec, stored, to, size);
        if (err)
            return err == KIS_ERR_NOMEM ? no_memory_to_read(diag)
                                        : damaged(diag, "a column does not unpack");
    }
    *out = (kis_bytes){ to, size };
    return KIS_OK;
}

static uint64_t unzigzag(uint64_t value)
{
    return value >> 1 ^ (0 - (value & 1));
}

static kis_err read_traces(block_source *source, kis_seg_block *b, kis_diag *diag)
{
    kis_bytes column, ids;
    uint64_t rows, row = 0;

    kis_err err = read_column(source, KIS_SEG_TRACES, &column, diag);
    if (err)
        return err;
    kis_cursor c = kis_cursor_of(column);
    b->trace_first = KIS_NEW_ARRAY(&b->arena, uint32_t, b->traces + 1);
    b->row_trace = KIS_NEW_ARRAY(&b->arena, uint16_t, b->rows);
    if (!b->trace_first || !b->row_trace)
        return no_memory_to_read(diag);
    if (!kis_cursor_bytes(&c, (uint64_t)b->traces * 16, &ids))
        return damaged(diag, "the traces");
    b->trace_ids = (const kis_trace_id *)(const void *)ids.ptr;
    for (uint32_t i = 0; i < b->traces; i++) {
        b->trace_first[i] = (uint32_t)row;
        if (!kis_cursor_varint(&c, &rows) || !rows || rows > b->rows - row)
            return damaged(diag, "the traces' rows");
        for (uint64_t end = row + rows; row < end; row++)
            b->row_trace[row] = (uint16_t)i;
    }
    b->trace_first[b->traces] = (uint32_t)row;
    return row == b->rows && c.at == c.end ? KIS_OK : damaged(diag, "the traces' rows");
}

/* A count of things of which each takes at least one byte. */
static bool read_count(kis_cursor *c, uint32_t *out)
{
    uint64_t count;
    if (!kis_cursor_varint(c, &count) || count > kis_cursor_left(c) ||
        count > KIS_SEG_BLOCK_ROWS_MAX)
        return false;
    *out = (uint32_t)count;
    return true;
}

static kis_err read_sigs(kis_cursor *c, kis_seg_block *b, kis_diag *diag)
{
    if (!read_count(c, &b->sig_count) || !b->sig_count)
        return damaged(diag, "the signatures");
    b->sigs = KIS_NEW_ARRAY(&b->arena, kis_seg_sig, b->sig_count);
    if (!b->sigs)
        return no_memory_to_read(diag);
    for (uint32_t i = 0; i < b->sig_count; i++) {
        uint64_t scope, name, flags;
        uint8_t kind_status, parts;
        if (!kis_cursor_varint(c, &scope) || scope >= b->scope_count ||
            !kis_cursor_varint(c, &name) || name >= b->name_count ||
            !kis_cursor_u8(c, &kind_status) || !kis_cursor_u8(c, &parts) ||
            !kis_cursor_varint(c, &flags) || flags > UINT32_MAX)
            return damaged(diag, "a signature");
        b->sigs[i] = (kis_seg_sig){ (uint16_t)scope,      (uint16_t)name, kind_status & 7,
                                    kind_status >> 3 & 3, parts,          (uint32_t)flags };
    }
    return KIS_OK;
}

static kis_err read_dict(block_source *source, kis_seg_block *b, kis_diag *diag)
{
    kis_bytes column;

    kis_err err = read_column(source, KIS_SEG_DICT, &column, diag);
    if (err)
        return err;
    kis_cursor c = kis_cursor_of(column);
    if (!read_count(&c, &b->resource_count))
        return damaged(diag, "the resources");
    b->resources = KIS_NEW_ARRAY(&b->arena, kis_resource_view, b->resource_count + 1);
    if (!b->resources)
        return no_memory_to_read(diag);
    for (uint32_t i = 0; i < b->resource_count; i++)
        if (!kis_frame_read_resource(&c, &b->resources[i]))
            return damaged(diag, "a resource");
    if (!read_count(&c, &b->scope_count))
        return damaged(diag, "the scopes");
    b->scopes = KIS_NEW_ARRAY(&b->arena, kis_scope_view, b->scope_count + 1);
    if (!b->scopes)
        return no_memory_to_read(diag);
    for (uint32_t i = 0; i < b->scope_count; i++) {
        if (!kis_frame_read_scope(&c, &b->scopes[i]) || b->scopes[i].resource >= b->resource_count)
            return damaged(diag, "a scope");
        b->scopes[i].span_count = 0;
    }
    if (!read_count(&c, &b->name_count))
        return damaged(diag, "the names");
    b->names = KIS_NEW_ARRAY(&b->arena, kis_str, b->name_count + 1);
    if (!b->names)
        return no_memory_to_read(diag);
    for (uint32_t i = 0; i < b->name_count; i++) {
        uint64_t len;
        kis_bytes text;
        if (!kis_cursor_varint(&c, &len) || !kis_cursor_bytes(&c, len, &text))
            return damaged(diag, "a name");
        b->names[i] = kis_str_of_bytes(text);
    }
    err = read_sigs(&c, b, diag);
    return err ? err : c.at == c.end ? KIS_OK : damaged(diag, "the dictionary's end");
}

static kis_err read_row_sigs(block_source *source, kis_seg_block *b, kis_diag *diag)
{
    kis_bytes column;
    uint64_t sig;

    kis_err err = read_column(source, KIS_SEG_SIGS, &column, diag);
    if (err)
        return err;
    kis_cursor c = kis_cursor_of(column);
    b->row_sig = KIS_NEW_ARRAY(&b->arena, uint16_t, b->rows);
    if (!b->row_sig)
        return no_memory_to_read(diag);
    for (uint32_t i = 0; i < b->rows; i++) {
        if (!kis_cursor_varint(&c, &sig) || sig >= b->sig_count)
            return damaged(diag, "a row's signature");
        b->row_sig[i] = (uint16_t)sig;
    }
    return KIS_OK;
}

static kis_err read_times(block_source *source, kis_seg_block *b, kis_diag *diag)
{
    kis_bytes column;
    uint64_t step, length, start = 0;

    kis_err err = read_column(source, KIS_SEG_TIMES, &column, diag);
    if (err)
        return err;
    kis_cursor c = kis_cursor_of(column);
    b->start = KIS_NEW_ARRAY(&b->arena, uint64_t, b->rows);
    b->end = KIS_NEW_ARRAY(&b->arena, uint64_t, b->rows);
    if (!b->start || !b->end)
        return no_memory_to_read(diag);
    for (uint32_t i = 0; i < b->rows; i++) {
        if (!kis_cursor_varint(&c, &step) || !kis_cursor_varint(&c, &length))
            return damaged(diag, "a row's times");
        start += unzigzag(step);
        b->start[i] = start;
        b->end[i] = start + unzigzag(length);
    }
    return KIS_OK;
}

static kis_err read_ids(block_source *source, kis_seg_block *b, kis_diag *diag)
{
    kis_bytes ids, parents;

    kis_err err = read_column(source, KIS_SEG_SPAN_IDS, &ids, diag);
    if (!err)
        err = read_column(source, KIS_SEG_PARENTS, &parents, diag);
    if (err)
        return err;
    if (ids.len != (size_t)b->rows * 8)
        return damaged(diag, "the span ids");
    b->span_ids = (const kis_span_id *)(const void *)ids.ptr;
    b->parents = KIS_NEW_ARRAY(&b->arena, kis_span_id, b->rows);
    if (!b->parents)
        return no_memory_to_read(diag);
    kis_cursor c = kis_cursor_of(parents);
    for (uint32_t i = 0; i < b->rows; i++) {
        uint32_t first = b->trace_first[b->row_trace[i]], end = b->trace_first[b->row_trace[i] + 1];
        uint64_t place;
        kis_bytes raw;
        b->parents[i] = (kis_span_id){ { 0 } };
        if (!kis_cursor_varint(&c, &place))
            return damaged(diag, "a parent");
        if (place == 1) {
            if (!kis_cursor_bytes(&c, 8, &raw))
                return damaged(diag, "a parent");
            memcpy(&b->parents[i], raw.ptr, 8);
        } else if (place > 1) {
            if (place - 2 >= end - first)
                return damaged(diag, "a parent's place");
            b->parents[i] = b->span_ids[first + place - 2];
        }
    }
    return KIS_OK;
}

static kis_err read_lengths(block_source *source, kis_seg_block *b, kis_diag *diag)
{
    kis_bytes column;
    uint64_t attrs = 0, rest = 0, len, count, rest_len;

    kis_err err = read_column(source, KIS_SEG_ATTR_LENS, &column, diag);
    if (err)
        return err;
    kis_cursor c = kis_cursor_of(column);
    b->attr_first = KIS_NEW_ARRAY(&b->arena, uint32_t, b->rows + 1);
    b->attr_count = KIS_NEW_ARRAY(&b->arena, uint16_t, b->rows);
    b->rest_first = KIS_NEW_ARRAY(&b->arena, uint32_t, b->rows + 1);
    if (!b->attr_first || !b->attr_count || !b->rest_first)
        return no_memory_to_read(diag);
    for (uint32_t i = 0; i < b->rows; i++) {
        b->attr_first[i] = (uint32_t)attrs;
        b->rest_first[i] = (uint32_t)rest;
        if (!kis_cursor_varint(&c, &len) || !kis_cursor_varint(&c, &count) ||
            !kis_cursor_varint(&c, &rest_len) || len > source->unpacked[KIS_SEG_ATTRS] - attrs ||
            rest_len > source->unpacked[KIS_SEG_REST] - rest)
            return damaged(diag, "a row's lengths");
        b->attr_count[i] = (uint16_t)KIS_MIN(count, 0xffffu);
        attrs += len;
        rest += rest_len;
    }
    b->attr_first[b->rows] = (uint32_t)attrs;
    b->rest_first[b->rows] = (uint32_t)rest;
    return KIS_OK;
}

static kis_err decode(block_source *source, kis_seg_block *b, uint32_t needs, kis_diag *diag)
{
    kis_bytes column;

    kis_err err = read_block_header(source, b, diag);
    if (!err)
        err = read_traces(source, b, diag);
    if (!err)
        err = read_dict(source, b, diag);
    if (!err)
        err = read_row_sigs(source, b, diag);
    if (!err)
        err = read_times(source, b, diag);
    if (!err && (needs & KIS_NEED_IDS))
        err = read_ids(source, b, diag);
    if (!err && (needs & (KIS_NEED_ATTRS | KIS_NEED_REST)))
        err = read_lengths(source, b, diag);
    if (!err && (needs & KIS_NEED_ATTRS)) {
        err = read_column(source, KIS_SEG_ATTRS, &column, diag);
        b->attrs = err ? NULL : column.ptr;
    }
    if (!err && (needs & KIS_NEED_REST)) {
        err = read_column(source, KIS_SEG_REST, &column, diag);
        b->rest = err ? NULL : column.ptr;
    }
    return err;
}

kis_err kis_seg_block_decode(kis_bytes bytes, uint32_t needs, const kis_alloc *alloc,
                             kis_block_codec *codec, kis_seg_block **out, kis_diag *diag)
{
    kis_seg_block *b = alloc->take(alloc->user, sizeof *b);
    if (!b)
        return no_memory_to_read(diag);
    *b = (kis_seg_block){ .refs = 1, .needs = needs };
    kis_arena_init(&b->arena, alloc, KIS_SEG_DECODED_BYTES_MAX);
    block_source source = { .bytes = bytes, .arena = &b->arena, .codec = codec };
    kis_err err = decode(&source, b, needs, diag);
    if (err) {
        kis_seg_block_unref(b);
        return err;
    }
    *out = b;
    return KIS_OK;
}

kis_seg_block *kis_seg_block_ref(kis_seg_block *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void kis_seg_block_unref(kis_seg_block *b)
{
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    const kis_alloc *alloc = b->arena.alloc;
    kis_arena_done(&b->arena);
    alloc->give_back(alloc->user, b, sizeof *b);
}

bool kis_seg_block_row(const kis_seg_block *b, uint32_t row, kis_span_view *out)
{
    const kis_seg_sig *sig = &b->sigs[b->row_sig[row]];

    *out = (kis_span_view){ .trace_id = b->trace_ids[b->row_trace[row]],
                            .start_unix_ns = b->start[row],
                            .end_unix_ns = b->end[row],
                            .name = b->names[sig->name],
                            .kind = sig->kind,
                            .status = sig->status,
                            .flags = sig->flags };
    if (b->needs & KIS_NEED_IDS) {
        out->span_id = b->span_ids[row];
        out->parent_id = b->parents[row];
    }
    if (b->needs & KIS_NEED_ATTRS) {
        out->attrs = (kis_attrs){ b->attrs + b->attr_first[row],
                                  b->attr_first[row + 1] - b->attr_first[row], KIS_TAG_SPAN_ATTRS };
        out->attr_count = b->attr_count[row];
    }
    if (b->needs & KIS_NEED_REST) {
        kis_cursor rest = { b->rest + b->rest_first[row], b->rest + b->rest_first[row + 1] };
        uint32_t flags = out->flags;
        bool reads = kis_row_rest_decode(&rest, sig->parts, out);
        out->flags = flags;
        return reads;
    }
    return true;
}

bool kis_seg_block_find_trace(const kis_seg_block *b, const kis_trace_id *id, uint32_t *out_first,
                              uint32_t *out_end)
{
    for (uint32_t i = 0; i < b->traces; i++)
        if (kis_trace_id_eq(&b->trace_ids[i], id)) {
            *out_first = b->trace_first[i];
            *out_end = b->trace_first[i + 1];
            return true;
        }
    return false;
}
