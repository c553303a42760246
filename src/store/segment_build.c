/* segment_build.c - rows to blocks, blocks to a file. */
#include "store/segment_build.h"

#include "base/crc.h"
#include "base/diag.h"
#include "store/frame.h"
#include "store/row.h"

#define OUT_BYTES    ((size_t)512 << 10) /* written in pieces of about this */
#define COMPRESS_MIN 64u                 /* shorter columns stay as they are */
#define LEVEL        1

static kis_err no_memory_to_build(kis_diag *diag)
{
    return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to build a segment");
}

static void put_varint(kis_buf *to, uint64_t value)
{
    uint8_t *at = kis_buf_reserve(to, 10);
    if (at)
        to->len += kis_varint_put(at, value);
}

static void add_u32(kis_buf *to, uint32_t value)
{
    kis_buf_add(to, &value, 4);
}

static uint64_t zigzag(uint64_t difference)
{
    return difference << 1 ^ (0 - (difference >> 63));
}

/* ---- start and end of the object ------------------------------------------------------------- */

static void init_memory(kis_seg_builder *b)
{
    kis_buf_init(&b->out, b->alloc, KIS_SEG_COLUMN_BYTES_MAX * 2);
    kis_buf_init(&b->names, b->alloc, KIS_SEG_META_BYTES_MAX);
    kis_buf_init(&b->name_text, b->alloc, KIS_SEG_COLUMN_BYTES_MAX);
    for (unsigned i = 0; i < KIS_SEG_COLUMNS; i++)
        kis_buf_init(&b->columns[i], b->alloc, KIS_SEG_COLUMN_BYTES_MAX);
    kis_map_init(&b->name_map, b->alloc);
    kis_map_init(&b->scope_map, b->alloc);
    kis_map_init(&b->block_name_map, b->alloc);
    kis_map_init(&b->sig_map, b->alloc);
}

static void begin_block(kis_seg_builder *b)
{
    b->block = (kis_seg_block_info){ .start_min = UINT64_MAX };
    for (unsigned i = 0; i < KIS_SEG_COLUMNS; i++)
        kis_buf_clear(&b->columns[i]);
    kis_buf_clear(&b->name_text);
    b->scopes.len = b->resources.len = b->block_names.len = b->sigs.len = b->trace_rows.len = 0;
    kis_map_done(&b->scope_map);
    kis_map_done(&b->block_name_map);
    kis_map_done(&b->sig_map);
    b->dict_bytes = 0;
    b->previous_start = 0;
    b->trace_first = 0;
}

kis_err kis_seg_build_start(kis_seg_builder *b, kis_os *os, const kis_alloc *alloc,
                            kis_arena *arena, kis_block_codec *codec, kis_str dir,
                            const kis_seg_info *info, kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_str name = { path, kis_segment_path(path, sizeof path, dir, "tmp-", info->generation,
                                            info->part) };

    *b = (kis_seg_builder){ .os = os,
                            .alloc = alloc,
                            .arena = arena,
                            .codec = codec,
                            .info = *info,
                            .out_offset = KIS_SEG_LEAD_BYTES };
    b->info.flags |= KIS_SEG_HAS_LEAD;
    b->salt = kis_wal_new_salt(os, info->generation ^ (uint64_t)info->part << 48);
    b->info.start_min = b->info.received_min = UINT64_MAX;
    init_memory(b);
    begin_block(b);
    if (!kis_arena_copy(arena, name, &b->path))
        return no_memory_to_build(diag);
    kis_err err = os->ops->open(os, b->path, KIS_OPEN_CREATE_OR_WRITE, &b->file, diag);
    return err ? err : os->ops->truncate(os, b->file, 0, diag); /* of an earlier try */
}

void kis_seg_build_done(kis_seg_builder *b, bool keep_file)
{
    if (!b->os)
        return;
    b->os->ops->close(b->os, b->file);
    b->file = (kis_file){ 0 };
    if (!keep_file && b->path.len)
        (void)b->os->ops->remove(b->os, b->path, NULL);
    kis_buf_done(&b->out);
    kis_buf_done(&b->names);
    kis_buf_done(&b->name_text);
    for (unsigned i = 0; i < KIS_SEG_COLUMNS; i++)
        kis_buf_done(&b->columns[i]);
    kis_map_done(&b->name_map);
    kis_map_done(&b->scope_map);
    kis_map_done(&b->block_name_map);
    kis_map_done(&b->sig_map);
    KIS_VEC_DONE(&b->blocks, b->alloc);
    KIS_VEC_DONE(&b->index, b->alloc);
    KIS_VEC_DONE(&b->trace_hashes, b->alloc);
    KIS_VEC_DONE(&b->name_offsets, b->alloc);
    KIS_VEC_DONE(&b->scopes, b->alloc);
    KIS_VEC_DONE(&b->resources, b->alloc);
    KIS_VEC_DONE(&b->block_names, b->alloc);
    KIS_VEC_DONE(&b->sigs, b->alloc);
    KIS_VEC_DONE(&b->trace_rows, b->alloc);
    *b = (kis_seg_builder){ 0 };
}

/* ---- writing --------------------------------------------------------------------------------- */

static kis_err write_out(kis_seg_builder *b, kis_diag *diag)
{
    if (b->out.err)
        return no_memory_to_build(diag);
    if (!b->out.len)
        return KIS_OK;
    kis_err err = b->os->ops->write_at(b->os, b->file, b->out_offset, b->out.ptr, b->out.len, diag);
    if (err)
        return err;
    b->out_offset += b->out.len;
    kis_buf_clear(&b->out);
    return KIS_OK;
}

static uint64_t out_at(const kis_seg_builder *b)
{
    return b->out_offset + b->out.len;
}

typedef struct column_entry {
    uint32_t stored, unpacked, crc;
} column_entry;

/* Appends one column, compressed where that makes it shorter. */
static column_entry put_column(kis_seg_builder *b, kis_bytes column, bool may_compress)
{
    size_t before = b->out.len;

    if (may_compress && column.len >= COMPRESS_MIN) {
        kis_err err = kis_block_compress(b->codec, LEVEL, column, &b->out);
        if (err || b->out.len - before >= column.len) {
            if (err && !b->out.err)
                b->out.err = err;
            b->out.len = before;
            kis_buf_add_bytes(&b->out, column);
        }
    } else {
        kis_buf_add_bytes(&b->out, column);
    }
    if (b->out.err)
        return (column_entry){ 0 };
    size_t stored = b->out.len - before;
    return (column_entry){ (uint32_t)stored, (uint32_t)column.len,
                           kis_crc32c(0, kis_bytes_of(b->out.ptr + before, stored)) };
}

static void fill_traces(kis_seg_builder *b)
{
    for (uint32_t i = 0; i < b->trace_rows.len; i++) /* the ids stand there already */
        put_varint(&b->columns[KIS_SEG_TRACES], b->trace_rows.at[i]);
}

static void fill_dict(kis_seg_builder *b)
{
    kis_buf *to = &b->columns[KIS_SEG_DICT];

    put_varint(to, b->resources.len);
    for (uint32_t i = 0; i < b->resources.len; i++) {
        const kis_resource_view *r = &b->resources.at[i]->view;
        uint8_t *at = kis_buf_reserve(to, kis_frame_resource_size(r));
        if (at)
            to->len = (size_t)(kis_frame_resource_put(r, at) - to->ptr);
    }
    put_varint(to, b->scopes.len);
    for (uint32_t i = 0; i < b->scopes.len; i++) {
        kis_scope_view scope = b->scopes.at[i]->view;
        scope.resource = 0;
        while (b->resources.at[scope.resource] != b->scopes.at[i]->resource)
            scope.resource++;
        uint8_t *at = kis_buf_reserve(to, kis_frame_scope_size(&scope));
        if (at)
            to->len = (size_t)(kis_frame_scope_put(&scope, at) - to->ptr);
    }
    put_varint(to, b->block_names.len);
    for (uint32_t i = 0; i < b->block_names.len; i++) {
        size_t offset = (size_t)(b->block_names.at[i] >> 32), len = (uint32_t)b->block_names.at[i];
        put_varint(to, len);
        kis_buf_add(to, b->name_text.ptr + offset, len);
    }
    put_varint(to, b->sigs.len);
    for (uint32_t i = 0; i < b->sigs.len; i++) {
        const kis_seg_sig *sig = &b->sigs.at[i];
        put_varint(to, sig->scope);
        put_varint(to, sig->name);
        kis_buf_add_byte(to, (uint8_t)(sig->kind | sig->status << 3));
        kis_buf_add_byte(to, sig->parts);
        put_varint(to, sig->flags);
    }
}

static kis_err end_block(kis_seg_builder *b, kis_diag *diag)
{
    static const bool may_compress[KIS_SEG_COLUMNS] = { false, true, true, true, false,
                                                        true,  true, true, true };
    uint8_t header[KIS_SEG_BLOCK_HEADER_BYTES] = { 'K', 'S', 'B', '1' };
    uint32_t words[2] = { b->block.rows, b->trace_rows.len };

    if (!b->block.rows)
        return KIS_OK;
    fill_traces(b);
    fill_dict(b);
    b->block.offset = out_at(b);
    size_t begin = b->out.len;
    kis_buf_add(&b->out, header, sizeof header);
    memcpy(header + 4, words, 8);
    memcpy(header + 12, &b->salt, 4);
    for (unsigned i = 0; i < KIS_SEG_COLUMNS; i++) {
        if (b->columns[i].err)
            return no_memory_to_build(diag);
        column_entry entry = put_column(b, kis_buf_bytes(&b->columns[i]), may_compress[i]);
        memcpy(header + 16 + 12 * i, &entry, 12);
        if (i == KIS_SEG_TIMES)
            b->block.core_size = (uint32_t)(b->out.len - begin);
        if (i == KIS_SEG_PARENTS)
            b->block.ids_size = (uint32_t)(b->out.len - begin);
    }
    if (b->out.err)
        return no_memory_to_build(diag);
    uint32_t crc = kis_crc32c(0, kis_bytes_of(header, sizeof header - 4));
    memcpy(header + sizeof header - 4, &crc, 4);
    memcpy(b->out.ptr + begin, header, sizeof header);
    b->block.size = (uint32_t)(b->out.len - begin);
    if (!KIS_VEC_PUSH(&b->blocks, b->alloc, b->block))
        return no_memory_to_build(diag);
    begin_block(b);
    return b->out.len >= OUT_BYTES ? write_out(b, diag) : KIS_OK;
}

/* ---- one row --------------------------------------------------------------------------------- */

static bool find_scope(kis_seg_builder *b, const kis_head_scope *scope, uint16_t *out)
{
    uint64_t hash = kis_hash_u64((uint64_t)(uintptr_t)scope);
    for (kis_map_probe p = kis_map_begin(&b->scope_map, hash); kis_map_next(&b->scope_map, &p);)
        if (b->scopes.at[p.value] == scope) {
            *out = (uint16_t)p.value;
            return true;
        }
    uint32_t resource = 0;
    while (resource < b->resources.len && b->resources.at[resource] != scope->resource)
        resource++;
    if (resource == b->resources.len) {
        if (!KIS_VEC_PUSH(&b->resources, b->alloc, scope->resource))
            return false;
        b->dict_bytes += kis_frame_resource_size(&scope->resource->view);
    }
    b->dict_bytes += kis_frame_scope_size(&scope->view);
    if (!KIS_VEC_PUSH(&b->scopes, b->alloc, scope) ||
        !kis_map_add(&b->scope_map, hash, b->scopes.len - 1))
        return false;
    *out = (uint16_t)(b->scopes.len - 1);
    return true;
}

static bool find_name(kis_seg_builder *b, kis_str name, uint64_t hash, uint16_t *out)
{
    for (kis_map_probe p = kis_map_begin(&b->block_name_map, hash);
         kis_map_next(&b->block_name_map, &p);) {
        uint64_t at = b->block_names.at[p.value];
        if ((uint32_t)at == name.len &&
            memcmp(b->name_text.ptr + (at >> 32), name.ptr, name.len) == 0) {
            *out = (uint16_t)p.value;
            return true;
        }
    }
    uint64_t at = (uint64_t)b->name_text.len << 32 | name.len;
    if (!b->name_text.ptr && !kis_buf_reserve(&b->name_text, 4096))
        return false;
    kis_buf_add_str(&b->name_text, name);
    if (b->name_text.err || !KIS_VEC_PUSH(&b->block_names, b->alloc, at) ||
        !kis_map_add(&b->block_name_map, hash, b->block_names.len - 1))
        return false;
    *out = (uint16_t)(b->block_names.len - 1);
    return true;
}

/* The list of names for the catalogue of a later start:
 * (service, name, kind), each once, as long as there is room. */
static bool list_name(kis_seg_builder *b, kis_str service, kis_str name, uint8_t kind,
                      uint64_t hash)
{
    for (kis_map_probe p = kis_map_begin(&b->name_map, hash); kis_map_next(&b->name_map, &p);) {
        kis_cursor c = { b->names.ptr + b->name_offsets.at[p.value], b->names.ptr + b->names.len };
        uint64_t len;
        kis_bytes text;
        if (kis_cursor_varint(&c, &len) && kis_cursor_bytes(&c, len, &text) &&
            kis_str_eq(kis_str_of_bytes(text), service) && kis_cursor_varint(&c, &len) &&
            kis_cursor_bytes(&c, len, &text) && kis_str_eq(kis_str_of_bytes(text), name) &&
            c.at < c.end && *c.at == kind)
            return true;
    }
    if (b->name_offsets.len == KIS_SEG_NAMES_MAX ||
        b->names.len + service.len + name.len > KIS_SEG_NAMES_BYTES_MAX) {
        b->info.flags |= KIS_SEG_NAMES_CUT;
        return true;
    }
    uint32_t offset = (uint32_t)b->names.len;
    put_varint(&b->names, service.len);
    kis_buf_add_str(&b->names, service);
    put_varint(&b->names, name.len);
    kis_buf_add_str(&b->names, name);
    kis_buf_add_byte(&b->names, kind);
    return !b->names.err && KIS_VEC_PUSH(&b->name_offsets, b->alloc, offset) &&
           kis_map_add(&b->name_map, hash, b->name_offsets.len - 1);
}

/* The signature of a row; everything that is done once for each kind of row is done here. */
static bool find_sig(kis_seg_builder *b, const kis_span_view *span, const kis_head_scope *scope,
                     uint8_t parts, uint16_t *out)
{
    kis_seg_sig sig = {
        .kind = span->kind, .status = span->status, .parts = parts, .flags = span->flags
    };
    uint64_t name_hash = kis_name_hash_operation(span->name);

    if (!find_scope(b, scope, &sig.scope) || !find_name(b, span->name, name_hash, &sig.name))
        return false;
    uint64_t hash = kis_hash_u64((uint64_t)sig.scope << 48 | (uint64_t)sig.name << 32 | sig.flags) ^
                    kis_hash_u64((uint64_t)sig.kind | (uint64_t)sig.status << 8 |
                                 (uint64_t)sig.parts << 16 | 1u << 24);
    for (kis_map_probe p = kis_map_begin(&b->sig_map, hash); kis_map_next(&b->sig_map, &p);) {
        const kis_seg_sig *known = &b->sigs.at[p.value];
        if (known->scope == sig.scope && known->name == sig.name && known->kind == sig.kind &&
            known->status == sig.status && known->parts == sig.parts && known->flags == sig.flags) {
            *out = (uint16_t)p.value;
            return true;
        }
    }
    if (!KIS_VEC_PUSH(&b->sigs, b->alloc, sig) || !kis_map_add(&b->sig_map, hash, b->sigs.len - 1))
        return false;
    *out = (uint16_t)(b->sigs.len - 1);
    uint64_t service_hash = kis_name_hash_service(scope->resource->view.service_name);
    uint64_t both_hash = kis_name_hash_both(service_hash, span->name);
    kis_name_filter_add(b->block.names, service_hash);
    kis_name_filter_add(b->block.names, name_hash);
    kis_name_filter_add(b->block.names, both_hash);
    return list_name(b, scope->resource->view.service_name, span->name, span->kind,
                     both_hash ^ span->kind);
}

static bool begin_trace(kis_seg_builder *b, const kis_span_view *span)
{
    uint64_t hash = kis_trace_id_hash(&span->trace_id);
    kis_seg_index_entry entry = { (uint32_t)(hash >> 32), b->blocks.len };
    /* goes on from the block before */
    bool is_known = b->info.row_count && kis_trace_id_eq(&b->trace_id, &span->trace_id);

    kis_buf_add(&b->columns[KIS_SEG_TRACES], &span->trace_id, 16);
    b->trace_id = span->trace_id;
    b->trace_first = b->block.rows;
    if (!is_known) {
        b->info.trace_count++;
        if (!KIS_VEC_PUSH(&b->trace_hashes, b->alloc, hash))
            return false;
    }
    return KIS_VEC_PUSH(&b->trace_rows, b->alloc, 0u) && KIS_VEC_PUSH(&b->index, b->alloc, entry);
}

/* A parent that stands in the same trace and block is its place there plus two. Only the
 * last few hundred rows are looked at: a longer search would be quadratic, and eight bytes
 * are no loss then. */
static void put_parent(kis_seg_builder *b, const kis_span_view *span)
{
    const uint8_t *ids = b->columns[KIS_SEG_SPAN_IDS].ptr;
    kis_buf *to = &b->columns[KIS_SEG_PARENTS];

    if (!kis_span_id_is_valid(&span->parent_id)) {
        kis_buf_add_byte(to, 0);
        return;
    }
    uint32_t first = b->trace_first, row = b->block.rows;
    for (uint32_t i = row; i > first && row - i < 256; i--)
        if (memcmp(ids + 8 * (size_t)(i - 1), &span->parent_id, 8) == 0) {
            put_varint(to, (uint64_t)(i - 1 - first) + 2);
            return;
        }
    kis_buf_add_byte(to, 1);
    kis_buf_add(to, &span->parent_id, 8);
}

static kis_err put_row(kis_seg_builder *b, const kis_span_view *span, uint16_t sig, uint8_t parts,
                       size_t rest_size)
{
    kis_buf *columns = b->columns;

    put_varint(&columns[KIS_SEG_SIGS], sig);
    put_varint(&columns[KIS_SEG_TIMES], zigzag(span->start_unix_ns - b->previous_start));
    put_varint(&columns[KIS_SEG_TIMES], zigzag(span->end_unix_ns - span->start_unix_ns));
    b->previous_start = span->start_unix_ns;
    put_parent(b, span); /* before its own id is there: no span is its own parent by place */
    kis_buf_add(&columns[KIS_SEG_SPAN_IDS], &span->span_id, 8);
    put_varint(&columns[KIS_SEG_ATTR_LENS], span->attrs.len);
    put_varint(&columns[KIS_SEG_ATTR_LENS], span->attr_count);
    kis_buf_add(&columns[KIS_SEG_ATTRS], span->attrs.ptr, span->attrs.len);
    put_varint(&columns[KIS_SEG_ATTR_LENS], rest_size);
    uint8_t *rest = kis_buf_reserve(&columns[KIS_SEG_REST], rest_size + 1);
    if (rest) {
        kis_row_rest_encode(span, parts, rest);
        columns[KIS_SEG_REST].len += rest_size;
    }
    for (unsigned i = 0; i < KIS_SEG_COLUMNS; i++)
        if (columns[i].err)
            return KIS_ERR_NOMEM;
    return KIS_OK;
}

kis_err kis_seg_build_row(kis_seg_builder *b, const kis_span_view *span,
                          const kis_head_scope *scope, uint64_t received, kis_diag *diag)
{
    kis_span_view without_flags = *span;
    uint8_t parts;
    uint16_t sig;

    without_flags.flags = 0;
    size_t rest_size = kis_row_rest_size(&without_flags, &parts);
    size_t held = b->columns[KIS_SEG_ATTRS].len + b->columns[KIS_SEG_REST].len;
    if (b->block.rows == KIS_SEG_BLOCK_ROWS_MAX || b->dict_bytes > KIS_SEG_DICT_BYTES_MAX ||
        (b->block.rows && held + span->attrs.len + rest_size > KIS_SEG_BLOCK_BYTES_MAX)) {
        kis_err err = end_block(b, diag);
        if (err)
            return err;
    }
    if (!b->trace_rows.len || !kis_trace_id_eq(&b->trace_id, &span->trace_id))
        if (!begin_trace(b, span))
            return no_memory_to_build(diag);
    if (!find_sig(b, span, scope, parts, &sig) || put_row(b, &without_flags, sig, parts, rest_size))
        return no_memory_to_build(diag);
    b->trace_rows.at[b->trace_rows.len - 1]++;
    b->block.rows++;
    b->block.start_min = KIS_MIN(b->block.start_min, span->start_unix_ns);
    b->block.start_max = KIS_MAX(b->block.start_max, span->start_unix_ns);
    b->block.duration_max = KIS_MAX(b->block.duration_max, kis_span_duration_ns(span));
    b->info.start_min = KIS_MIN(b->info.start_min, span->start_unix_ns);
    b->info.start_max = KIS_MAX(b->info.start_max, span->start_unix_ns);
    b->info.received_min = KIS_MIN(b->info.received_min, received);
    b->info.received_max = KIS_MAX(b->info.received_max, received);
    b->info.row_count++;
    return KIS_OK;
}

/* ---- the end of the file --------------------------------------------------------------------- */

/* Sorted by hash, in pages of KIS_SEG_INDEX_PAGE entries; the directory goes to the pinned data. */
static kis_err put_trace_index(kis_seg_builder *b, kis_buf *directory, kis_diag *diag)
{
    uint32_t count = b->index.len;
    kis_sort_key *keys = KIS_NEW_ARRAY(b->arena, kis_sort_key, (size_t)count * 2 + 1);

    if (!keys)
        return no_memory_to_build(diag);
    for (uint32_t i = 0; i < count; i++)
        keys[i] = (kis_sort_key){ (uint64_t)b->index.at[i].hash << 32 | b->index.at[i].block, i };
    kis_sort_keys(keys, keys + count, count);
    b->info.index_offset = out_at(b);
    b->info.index_count = count;
    b->info.index_pages = (count + KIS_SEG_INDEX_PAGE - 1) / KIS_SEG_INDEX_PAGE;
    for (uint32_t i = 0; i < count; i += KIS_SEG_INDEX_PAGE) {
        uint32_t in_page = KIS_MIN(KIS_SEG_INDEX_PAGE, count - i);
        size_t begin = b->out.len;
        for (uint32_t j = i; j < i + in_page; j++) {
            add_u32(&b->out, (uint32_t)(keys[j].key >> 32));
            add_u32(&b->out, (uint32_t)keys[j].key);
        }
        if (b->out.err)
            return no_memory_to_build(diag);
        add_u32(directory, (uint32_t)(keys[i].key >> 32));
        add_u32(directory, kis_crc32c(0, kis_bytes_of(b->out.ptr + begin, b->out.len - begin)));
    }
    return write_out(b, diag);
}

static void put_start_data(kis_seg_builder *b, const kis_key *keys, uint32_t key_count)
{
    add_u32(&b->out, b->name_offsets.len);
    add_u32(&b->out, key_count);
    kis_buf_add(&b->out, b->names.ptr, b->names.len);
    if (key_count)
        kis_buf_add(&b->out, keys, key_count * sizeof *keys);
}

/* FORMAT.md, "Pinned data": sections of type, length and bytes padded to eight;
 * unknown types are skipped by readers. */
static void put_section(kis_buf *to, uint32_t type, const void *bytes, size_t size)
{
    static const uint8_t zeros[8] = { 0 };
    add_u32(to, type);
    add_u32(to, (uint32_t)size);
    kis_buf_add(to, bytes, size);
    kis_buf_add(to, zeros, (8 - size % 8) % 8);
}

static void put_info(kis_buf *to, const kis_seg_info *info)
{
    uint8_t body[KIS_SEG_INFO_BYTES_MAX];
    put_section(to, 1, body, kis_seg_info_encode(info, body));
}

static kis_err put_pinned(kis_seg_builder *b, const kis_buf *directory, kis_diag *diag)
{
    size_t filter_bytes = kis_bloom_bytes(b->info.trace_count);
    uint8_t *filter = KIS_NEW_ARRAY(b->arena, uint8_t, filter_bytes);

    if (!filter)
        return no_memory_to_build(diag);
    memset(filter, 0, filter_bytes);
    for (uint32_t i = 0; i < b->trace_hashes.len; i++)
        kis_bloom_add(filter, filter_bytes, b->trace_hashes.at[i]);
    b->info.block_count = b->blocks.len;
    put_info(&b->out, &b->info);
    put_section(&b->out, 2, b->blocks.at, sizeof *b->blocks.at * b->blocks.len);
    put_section(&b->out, 3, filter, filter_bytes);
    put_section(&b->out, 4, directory->ptr, directory->len);
    return b->out.err ? no_memory_to_build(diag) : KIS_OK;
}

/* Last, for it says what the rest has become; the file has no name before it is synced. */
static kis_err write_lead(kis_seg_builder *b, const kis_seg_footer *footer, kis_diag *diag)
{
    kis_seg_lead lead = { .footer = *footer, .salt = b->salt, .info = b->info };
    uint8_t bytes[KIS_SEG_LEAD_BYTES];

    kis_seg_lead_encode(&lead, bytes);
    return b->os->ops->write_at(b->os, b->file, 0, bytes, sizeof bytes, diag);
}

kis_err kis_seg_build_finish(kis_seg_builder *b, uint32_t parts, const kis_key *keys,
                             uint32_t key_count, kis_diag *diag)
{
    kis_seg_footer footer = { 0 };
    uint8_t footer_bytes[KIS_SEG_FOOTER_BYTES];
    kis_buf directory;

    b->info.parts = parts;
    kis_buf_init(&directory, b->alloc, KIS_SEG_META_BYTES_MAX);
    kis_err err = end_block(b, diag);
    if (!err)
        err = write_out(b, diag);
    if (!err)
        err = put_trace_index(b, &directory, diag);
    if (err)
        goto done;
    footer.start_offset = b->out_offset;
    put_start_data(b, keys, key_count);
    footer.start_bytes = (uint32_t)b->out.len;
    footer.start_crc = kis_crc32c(0, kis_buf_bytes(&b->out));
    err = write_out(b, diag);
    if (err)
        goto done;
    footer.pinned_offset = b->out_offset;
    err = put_pinned(b, &directory, diag);
    if (err)
        goto done;
    footer.pinned_bytes = (uint32_t)b->out.len;
    footer.pinned_crc = kis_crc32c(0, kis_buf_bytes(&b->out));
    footer.file_bytes = out_at(b) + KIS_SEG_FOOTER_BYTES;
    kis_seg_footer_encode(&footer, footer_bytes);
    kis_buf_add(&b->out, footer_bytes, sizeof footer_bytes);
    err = write_out(b, diag);
    if (!err)
        err = write_lead(b, &footer, diag);
    if (!err)
        err = b->os->ops->sync(b->os, b->file, diag);
done:
    kis_buf_done(&directory);
    return err;
}
