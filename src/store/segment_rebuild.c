/* segment_rebuild.c - the index of a damaged segment, made from its blocks.
 *
 *     lead ─> block? yes ─> its core reads? yes ─> entries of the index ─> the next one begins
 *                │                  │                                      where it ends
 *                │                  └─ no: lost, its header still says where the next one begins
 *                └─ no: look on, byte by byte, for a header with the file's salt
 */
#include "store/segment_rebuild.h"

#include "base/diag.h"
#include "base/vec.h"
#include "store/le.h"
#include "store/sort.h"

#define WINDOW_BYTES ((size_t)64 << 10) /* read at once when a header is looked for */
#define BLOCK_MAGIC  0x3142534bu        /* "KSB1" */

typedef struct rebuilding {
    kis_segment *segment;
    const kis_seg_lead *lead;
    kis_block_codec *codec;
    uint64_t end; /* of the blocks, or of the file */
    uint8_t *window;
    KIS_VEC(kis_seg_block_info) blocks;
    KIS_VEC(kis_sort_key) entries; /* high half of the hash and block, as in the trace index */
    KIS_VEC(uint64_t) hashes;      /* of the entries, whole, for the filter */
    uint64_t rows;
    uint32_t traces;
    kis_trace_id last_trace;
} rebuilding;

static kis_err no_memory_to_rebuild(kis_diag *diag)
{
    return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to make a segment's index anew");
}

/* ---- one block ------------------------------------------------------------------------------- */

static bool block_stands_at(const rebuilding *r, const uint8_t *header, uint64_t at,
                            kis_seg_block_measure *out)
{
    return kis_seg_block_measure_header(header, out) && out->salt == r->lead->salt &&
           out->size <= r->end - at;
}

static void add_names(kis_seg_block_info *info, const kis_seg_block *b)
{
    for (uint32_t i = 0; i < b->sig_count; i++) {
        uint64_t service_hash =
            kis_name_hash_service(b->resources[b->scopes[b->sigs[i].scope].resource].service_name);
        kis_str name = b->names[b->sigs[i].name];
        kis_name_filter_add(info->names, service_hash);
        kis_name_filter_add(info->names, kis_name_hash_operation(name));
        kis_name_filter_add(info->names, kis_name_hash_both(service_hash, name));
    }
}

static bool enter_block(rebuilding *r, uint64_t at, const kis_seg_block_measure *m,
                        const kis_seg_block *b)
{
    const kis_alloc *alloc = r->segment->alloc;
    kis_seg_block_info info = { .offset = at,
                                .size = (uint32_t)m->size,
                                .core_size = m->core_size,
                                .ids_size = m->ids_size,
                                .rows = b->rows,
                                .start_min = UINT64_MAX };

    for (uint32_t i = 0; i < b->rows; i++) {
        kis_span_view times = { .start_unix_ns = b->start[i], .end_unix_ns = b->end[i] };
        info.start_min = KIS_MIN(info.start_min, b->start[i]);
        info.start_max = KIS_MAX(info.start_max, b->start[i]);
        info.duration_max = KIS_MAX(info.duration_max, kis_span_duration_ns(&times));
    }
    add_names(&info, b);
    for (uint32_t i = 0; i < b->traces; i++) {
        uint64_t hash = kis_trace_id_hash(&b->trace_ids[i]);
        kis_sort_key entry = { (hash >> 32) << 32 | r->blocks.len, r->entries.len };
        /* else it goes on from the block before */
        r->traces += !r->entries.len || !kis_trace_id_eq(&b->trace_ids[i], &r->last_trace);
        r->last_trace = b->trace_ids[i];
        if (!KIS_VEC_PUSH(&r->entries, alloc, entry) || !KIS_VEC_PUSH(&r->hashes, alloc, hash))
            return false;
    }
    r->rows += b->rows;
    return KIS_VEC_PUSH(&r->blocks, alloc, info);
}

/* A block whose core does not read is passed over: it cannot be searched, nor asked for a trace. */
static kis_err take_block(rebuilding *r, uint64_t at, const kis_seg_block_measure *m,
                          kis_diag *diag)
{
    const kis_alloc *alloc = r->segment->alloc;
    kis_seg_block *b;
    kis_diag ignored;

    uint8_t *bytes = alloc->take(alloc->user, m->core_size);
    if (!bytes)
        return no_memory_to_rebuild(diag);
    kis_err err = kis_segment_read_range(r->segment, at, bytes, m->core_size, &ignored);
    if (!err)
        err = kis_seg_block_decode(kis_bytes_of(bytes, m->core_size), 0, alloc, r->codec, &b,
                                   &ignored);
    alloc->give_back(alloc->user, bytes, m->core_size);
    if (err)
        return err == KIS_ERR_NOMEM ? no_memory_to_rebuild(diag) : KIS_OK;
    bool fits = enter_block(r, at, m, b);
    kis_seg_block_unref(b);
    return fits ? KIS_OK : no_memory_to_rebuild(diag);
}

/* ---- all blocks ------------------------------------------------------------------------------ */

/* The first header at or behind `from`; false: there is none.
 * Where the disk itself does not read, none is seen. */
static bool find_header(rebuilding *r, uint64_t from, uint64_t *out_at, kis_seg_block_measure *out)
{
    kis_diag ignored;

    while (from + KIS_SEG_BLOCK_HEADER_BYTES <= r->end) {
        size_t size = (size_t)KIS_MIN(WINDOW_BYTES, r->end - from);
        if (kis_segment_read_range(r->segment, from, r->window, size, &ignored))
            memset(r->window, 0, size);
        for (size_t i = 0; i + KIS_SEG_BLOCK_HEADER_BYTES <= size; i++)
            if (kis_le_get_u32(r->window + i) == BLOCK_MAGIC &&
                block_stands_at(r, r->window + i, from + i, out)) {
                *out_at = from + i;
                return true;
            }
        /* a header may lie over the end of the window */
        from += size - KIS_SEG_BLOCK_HEADER_BYTES + 1;
    }
    return false;
}

static kis_err walk_blocks(rebuilding *r, kis_diag *diag)
{
    uint8_t header[KIS_SEG_BLOCK_HEADER_BYTES];
    kis_diag ignored;
    kis_seg_block_measure m;
    kis_err err = KIS_OK;

    for (uint64_t at = KIS_SEG_LEAD_BYTES; !err && at + sizeof header <= r->end; at += m.size) {
        bool is_here =
            kis_segment_read_range(r->segment, at, header, sizeof header, &ignored) == KIS_OK &&
            block_stands_at(r, header, at, &m);
        if (!is_here && !find_header(r, at + 1, &at, &m))
            break;
        err = take_block(r, at, &m, diag);
    }
    return err;
}

/* ---- the index ------------------------------------------------------------------------------- */

static uint64_t index_bytes(uint64_t blocks, uint64_t entries, uint32_t traces)
{
    return blocks * sizeof(kis_seg_block_info) + entries * sizeof(kis_seg_index_entry) +
           kis_bloom_bytes(traces);
}

/* In one piece, as the pinned data is: blocks, entries, filter. */
static kis_err make_index(rebuilding *r, kis_diag *diag)
{
    kis_segment *s = r->segment;
    uint32_t count = r->entries.len;
    size_t bytes = (size_t)index_bytes(r->blocks.len, count, r->traces),
           blocks_bytes = r->blocks.len * sizeof(kis_seg_block_info);

    kis_sort_key *scratch = s->alloc->take(s->alloc->user, (count + 1) * sizeof *scratch);
    uint8_t *index = scratch ? s->alloc->take(s->alloc->user, bytes) : NULL;
    if (index) {
        uint8_t *entries = index + blocks_bytes,
                *filter = entries + count * sizeof(kis_seg_index_entry);
        size_t filter_bytes = kis_bloom_bytes(r->traces);
        kis_sort_keys(r->entries.at, scratch, count);
        if (blocks_bytes)
            memcpy(index, r->blocks.at, blocks_bytes);
        for (uint32_t i = 0; i < count; i++) {
            kis_seg_index_entry entry = { (uint32_t)(r->entries.at[i].key >> 32),
                                          (uint32_t)r->entries.at[i].key };
            memcpy(entries + i * sizeof entry, &entry, sizeof entry);
        }
        memset(filter, 0, filter_bytes);
        for (uint32_t i = 0; i < r->hashes.len; i++)
            kis_bloom_add(filter, filter_bytes, r->hashes.at[i]);
        s->pinned = index;
        s->pinned_bytes = (uint32_t)bytes;
        s->entries = (const kis_seg_index_entry *)(const void *)entries;
        s->index = (kis_seg_index){ .blocks = (const kis_seg_block_info *)(const void *)index,
                                    .filter = filter,
                                    .filter_bytes = filter_bytes };
    }
    s->alloc->give_back(s->alloc->user, scratch, (count + 1) * sizeof *scratch);
    return index ? KIS_OK : no_memory_to_rebuild(diag);
}

/* What there is takes the place of what there was; times stay those of the whole file, for
 * retention and for saying that an answer may miss what is lost. */
static void set_info(rebuilding *r)
{
    kis_segment *s = r->segment;
    const kis_seg_info *whole = &r->lead->info;

    s->lost_blocks = whole->block_count - KIS_MIN(whole->block_count, r->blocks.len);
    s->lost_rows = whole->row_count - KIS_MIN(whole->row_count, r->rows);
    s->info.block_count = r->blocks.len;
    s->info.trace_count = r->traces;
    s->info.row_count = r->rows;
    s->info.index_count = r->entries.len;
    s->info.index_pages = 0;
}

static kis_err rebuild_index(kis_segment *s, const kis_seg_lead *lead, uint64_t max_bytes,
                             kis_block_codec *codec, kis_diag *diag)
{
    rebuilding r = { .segment = s,
                     .lead = lead,
                     .codec = codec,
                     .end = KIS_MIN(lead->info.index_offset, s->file_bytes) };
    kis_err err = KIS_OK;

    s->is_left_out = index_bytes(lead->info.block_count, lead->info.index_count,
                                 lead->info.trace_count) > KIS_MIN(max_bytes, UINT32_MAX);
    s->pinned_bytes = 0; /* of the data that did not read */
    r.window = s->alloc->take(s->alloc->user, WINDOW_BYTES);
    if (!r.window)
        return no_memory_to_rebuild(diag);
    err = s->is_left_out ? KIS_OK : walk_blocks(&r, diag);
    /* of no block, too: then it says at least what is missing, and retention takes it away */
    if (!err)
        err = make_index(&r, diag);
    if (!err)
        set_info(&r);
    s->alloc->give_back(s->alloc->user, r.window, WINDOW_BYTES);
    KIS_VEC_DONE(&r.blocks, s->alloc);
    KIS_VEC_DONE(&r.entries, s->alloc);
    KIS_VEC_DONE(&r.hashes, s->alloc);
    return err;
}

kis_err kis_segment_rebuild(kis_os *os, const kis_alloc *alloc, kis_str dir, uint64_t generation,
                            uint32_t part, bool pin, uint64_t max_bytes, kis_block_codec *codec,
                            kis_segment **out, kis_diag *diag)
{
    kis_segment *s;
    kis_seg_lead lead;
    bool has_index;

    kis_err err = kis_segment_open_by_lead(os, alloc, dir, generation, part, pin, &s, &lead,
                                           &has_index, diag);
    if (err)
        return err;
    if (!has_index)
        err = rebuild_index(s, &lead, max_bytes, codec, diag);
    if (err) {
        kis_segment_unref(s);
        return err;
    }
    *out = s;
    return KIS_OK;
}

void kis_segment_rebuilt_text(const kis_segment *s, kis_diag *out)
{
    if (!s->entries)
        (void)kis_diag_set(out, KIS_ERR_CORRUPT,
                           "the copy of its footer at its beginning is used, no span is lost");
    else if (s->is_left_out)
        (void)kis_diag_set(out, KIS_ERR_CORRUPT,
                           "its index cannot be made anew, for those of damaged files already take "
                           "all the memory they may: its %llu spans are left out",
                           (unsigned long long)s->lost_rows);
    else if (!s->lost_blocks)
        (void)kis_diag_set(out, KIS_ERR_CORRUPT,
                           "its index was made anew from its %u blocks, no span is lost",
                           s->info.block_count);
    else
        (void)kis_diag_set(out, KIS_ERR_CORRUPT,
                           "its index was made anew from the %u of %u blocks that read: %llu spans "
                           "are there, %llu are lost",
                           s->info.block_count, s->info.block_count + s->lost_blocks,
                           (unsigned long long)s->info.row_count, (unsigned long long)s->lost_rows);
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool tell_names(const kis_seg_block *b, kis_seg_name_fn *each_name, void *user)
{
    for (uint32_t i = 0; i < b->sig_count; i++)
        if (!each_name(user, b->resources[b->scopes[b->sigs[i].scope].resource].service_name,
                       b->names[b->sigs[i].name], b->sigs[i].kind))
            return false;
    return true;
}

bool kis_segment_each_block_name(kis_segment *s, kis_block_codec *codec, kis_arena *scratch,
                                 kis_seg_name_fn *each_name, void *user)
{
    bool is_whole = s->lost_blocks == 0, wants_more = true;
    kis_seg_index index;
    kis_seg_block *b;
    kis_diag ignored;

    if (kis_segment_index(s, scratch, &index, &ignored))
        return false;
    for (uint32_t i = 0; i < s->info.block_count && wants_more; i++) {
        const kis_seg_block_info *info = &index.blocks[i];
        uint8_t *bytes = s->alloc->take(s->alloc->user, info->core_size);
        bool reads =
            bytes &&
            kis_segment_read_range(s, info->offset, bytes, info->core_size, &ignored) == KIS_OK &&
            kis_seg_block_decode(kis_bytes_of(bytes, info->core_size), 0, s->alloc, codec, &b,
                                 &ignored) == KIS_OK;
        s->alloc->give_back(s->alloc->user, bytes, info->core_size);
        is_whole &= reads;
        if (reads) {
            wants_more = tell_names(b, each_name, user);
            kis_seg_block_unref(b);
        }
    }
    return is_whole;
}
