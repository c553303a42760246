/* segment.c - opening segment files, their index, their end. */
#include "store/segment.h"

#include "base/check.h"
#include "base/crc.h"
#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "store/le.h"

static const uint8_t segment_magic[8] = { 'K', 'I', 'S', 'S', 'E', 'G', '\r', '\n' };
static const uint8_t lead_magic[8] = { 'K', 'I', 'S', 'L', 'E', 'A', 'D', '\n' };

/* what the footer has from byte 16 to 55 stands before it, in the same places */
#define LEAD_INFO_OFFSET 56u
#define LEAD_INFO_BYTES  152u

/* ---- names ----------------------------------------------------------------------------------- */

size_t kis_segment_path(char *to, size_t size, kis_str dir, const char *prefix, uint64_t generation,
                        uint32_t part)
{
    return kis_fmt(to, size, KIS_FMT "/%s%016llx-%04x.kseg", KIS_ARG(dir), prefix,
                   (unsigned long long)generation, (unsigned)part);
}

static bool segment_hex_number(kis_str text, uint64_t *out)
{
    uint8_t bytes[8] = { 0 };
    *out = 0;
    if (kis_hex_parse(text, false, bytes, text.len / 2) != KIS_OK)
        return false;
    for (size_t i = 0; i < text.len / 2; i++)
        *out = *out << 8 | bytes[i];
    return true;
}

bool kis_segment_parse_name(kis_str name, uint64_t *out_generation, uint32_t *out_part)
{
    uint64_t generation, part;
    if (name.len != 30 || !kis_str_starts(name, KIS_STR("seg-")) ||
        !kis_str_ends(name, KIS_STR(".kseg")) || name.ptr[20] != '-' ||
        !segment_hex_number(kis_str_slice(name, 4, 16), &generation) ||
        !segment_hex_number(kis_str_slice(name, 21, 4), &part))
        return false;
    *out_generation = generation;
    *out_part = (uint32_t)part;
    return true;
}

/* ---- footer and pinned data ------------------------------------------------------------------ */

/* Where things are: bytes 16 to 55, in footer and lead alike. */
static void encode_places(const kis_seg_footer *f, uint8_t *to)
{
    kis_le_put_u64(to + 16, f->file_bytes);
    kis_le_put_u64(to + 24, f->start_offset);
    kis_le_put_u32(to + 32, f->start_bytes);
    kis_le_put_u32(to + 36, f->start_crc);
    kis_le_put_u64(to + 40, f->pinned_offset);
    kis_le_put_u32(to + 48, f->pinned_bytes);
    kis_le_put_u32(to + 52, f->pinned_crc);
}

static kis_err decode_places(const uint8_t *from, const char *what, kis_seg_footer *out,
                             kis_diag *diag)
{
    kis_seg_footer f = { 0 };

    if (kis_le_get_u32(from + 8) > KIS_STORE_VERSION)
        return kis_diag_set(diag, KIS_ERR_UNSUPPORTED,
                            "written by a newer kiseki (format %u, this one reads up to %u)",
                            kis_le_get_u32(from + 8), KIS_STORE_VERSION);
    f.file_bytes = kis_le_get_u64(from + 16);
    f.start_offset = kis_le_get_u64(from + 24);
    f.start_bytes = kis_le_get_u32(from + 32);
    f.start_crc = kis_le_get_u32(from + 36);
    f.pinned_offset = kis_le_get_u64(from + 40);
    f.pinned_bytes = kis_le_get_u32(from + 48);
    f.pinned_crc = kis_le_get_u32(from + 52);
    if (f.file_bytes > INT64_MAX || f.pinned_offset > f.file_bytes ||
        f.start_offset > f.pinned_offset || f.start_bytes > f.pinned_offset - f.start_offset ||
        f.pinned_bytes > f.file_bytes - f.pinned_offset ||
        f.pinned_bytes > KIS_SEG_META_BYTES_MAX || f.start_bytes > KIS_SEG_META_BYTES_MAX)
        return kis_diag_set(diag, KIS_ERR_CORRUPT, "the segment's %s contradicts itself", what);
    *out = f;
    return KIS_OK;
}

static void seal(uint8_t *bytes, size_t size, const uint8_t magic[8])
{
    memcpy(bytes, magic, 8);
    kis_le_put_u32(bytes + 8, KIS_STORE_VERSION);
    kis_le_put_u32(bytes + size - 4, kis_crc32c(0, kis_bytes_of(bytes, size - 4)));
}

static bool is_sealed(const uint8_t *bytes, size_t size, const uint8_t magic[8])
{
    return memcmp(bytes, magic, 8) == 0 &&
           kis_crc32c(0, kis_bytes_of(bytes, size - 4)) == kis_le_get_u32(bytes + size - 4);
}

void kis_seg_footer_encode(const kis_seg_footer *f, uint8_t to[KIS_SEG_FOOTER_BYTES])
{
    memset(to, 0, KIS_SEG_FOOTER_BYTES);
    encode_places(f, to);
    seal(to, KIS_SEG_FOOTER_BYTES, segment_magic);
}

kis_err kis_seg_footer_decode(const uint8_t from[KIS_SEG_FOOTER_BYTES], kis_seg_footer *out,
                              kis_diag *diag)
{
    if (!is_sealed(from, KIS_SEG_FOOTER_BYTES, segment_magic))
        return kis_diag_set(diag, KIS_ERR_CORRUPT, "the segment's footer does not read");
    return decode_places(from, "footer", out, diag);
}

size_t kis_seg_info_encode(const kis_seg_info *info, uint8_t to[KIS_SEG_INFO_BYTES_MAX])
{
    KIS_ASSERT(info->tenant.len <= 64);
    kis_le_put_u64(to, info->generation);
    kis_le_put_u32(to + 8, info->part);
    kis_le_put_u32(to + 12, info->parts);
    kis_le_put_u32(to + 16, info->flags);
    kis_le_put_u32(to + 20, info->block_count);
    kis_le_put_u32(to + 24, info->trace_count);
    kis_le_put_u32(to + 28, info->index_count);
    kis_le_put_u64(to + 32, info->row_count);
    kis_le_put_u64(to + 40, info->start_min);
    kis_le_put_u64(to + 48, info->start_max);
    kis_le_put_u64(to + 56, info->received_min);
    kis_le_put_u64(to + 64, info->received_max);
    kis_le_put_u64(to + 72, info->index_offset);
    kis_le_put_u32(to + 80, info->index_pages);
    kis_le_put_u32(to + 84, (uint32_t)info->tenant.len);
    if (info->tenant.len)
        memcpy(to + 88, info->tenant.ptr, info->tenant.len);
    return 88 + info->tenant.len;
}

static bool decode_info(kis_bytes body, kis_seg_info *out)
{
    if (body.len < 88 || kis_le_get_u32(body.ptr + 84) > 64 ||
        kis_le_get_u32(body.ptr + 84) > body.len - 88)
        return false;
    *out =
        (kis_seg_info){ .generation = kis_le_get_u64(body.ptr),
                        .part = kis_le_get_u32(body.ptr + 8),
                        .parts = kis_le_get_u32(body.ptr + 12),
                        .flags = kis_le_get_u32(body.ptr + 16),
                        .block_count = kis_le_get_u32(body.ptr + 20),
                        .trace_count = kis_le_get_u32(body.ptr + 24),
                        .index_count = kis_le_get_u32(body.ptr + 28),
                        .row_count = kis_le_get_u64(body.ptr + 32),
                        .start_min = kis_le_get_u64(body.ptr + 40),
                        .start_max = kis_le_get_u64(body.ptr + 48),
                        .received_min = kis_le_get_u64(body.ptr + 56),
                        .received_max = kis_le_get_u64(body.ptr + 64),
                        .index_offset = kis_le_get_u64(body.ptr + 72),
                        .index_pages = kis_le_get_u32(body.ptr + 80),
                        .tenant = { (const char *)body.ptr + 88, kis_le_get_u32(body.ptr + 84) } };
    return true;
}

void kis_seg_lead_encode(const kis_seg_lead *lead, uint8_t to[KIS_SEG_LEAD_BYTES])
{
    memset(to, 0, KIS_SEG_LEAD_BYTES);
    encode_places(&lead->footer, to);
    kis_le_put_u32(to + 12, lead->salt);
    kis_seg_info_encode(&lead->info, to + LEAD_INFO_OFFSET);
    seal(to, KIS_SEG_LEAD_BYTES, lead_magic);
}

kis_err kis_seg_lead_decode(const uint8_t from[KIS_SEG_LEAD_BYTES], kis_seg_lead *out,
                            kis_diag *diag)
{
    kis_seg_lead lead = { .salt = kis_le_get_u32(from + 12) };

    if (memcmp(from, "KSB1", 4) == 0) /* a block: where files without a lead begin */
        return kis_diag_set(diag, KIS_ERR_CORRUPT,
                            "an earlier version wrote it, without the lead that would say again "
                            "whose spans these are");
    if (!is_sealed(from, KIS_SEG_LEAD_BYTES, lead_magic))
        return kis_diag_set(diag, KIS_ERR_CORRUPT, "the segment's lead does not read");
    kis_err err = decode_places(from, "lead", &lead.footer, diag);
    if (err)
        return err;
    if (!decode_info(kis_bytes_of(from + LEAD_INFO_OFFSET, LEAD_INFO_BYTES), &lead.info))
        return kis_diag_set(diag, KIS_ERR_CORRUPT, "the segment's lead contradicts itself");
    *out = lead;
    return KIS_OK;
}

static bool blocks_are_sane(const kis_seg_info *info, const kis_seg_block_info *blocks,
                            uint64_t file_bytes)
{
    for (uint32_t i = 0; i < info->block_count; i++)
        if (blocks[i].offset > file_bytes || blocks[i].size > file_bytes - blocks[i].offset ||
            blocks[i].core_size > blocks[i].ids_size || blocks[i].ids_size > blocks[i].size ||
            blocks[i].core_size < KIS_SEG_BLOCK_HEADER_BYTES)
            return false;
    return true;
}

kis_err kis_seg_pinned_decode(kis_bytes bytes, uint64_t file_bytes, kis_seg_info *out_info,
                              kis_seg_index *out_index, kis_diag *diag)
{
    kis_seg_info info = { 0 };
    kis_seg_index index = { 0 };
    kis_cursor c = kis_cursor_of(bytes);
    size_t blocks_bytes = 0, pages_bytes = 0;
    uint32_t type, len;
    kis_bytes body, padding;

    while (kis_cursor_left(&c)) {
        if (!kis_cursor_u32(&c, &type) || !kis_cursor_u32(&c, &len) ||
            !kis_cursor_bytes(&c, len, &body) || !kis_cursor_bytes(&c, (8 - len % 8) % 8, &padding))
            goto damaged;
        switch (type) {
        case 1:
            if (!decode_info(body, &info))
                goto damaged;
            break;
        case 2:
            index.blocks = (const kis_seg_block_info *)(const void *)body.ptr;
            blocks_bytes = body.len;
            break;
        case 3:
            index.filter = body.ptr;
            index.filter_bytes = body.len;
            break;
        case 4:
            index.pages = (const kis_seg_index_page *)(const void *)body.ptr;
            pages_bytes = body.len;
            break;
        default:
            break; /* of a later minor format */
        }
    }
    if (!info.block_count || blocks_bytes != (size_t)info.block_count * sizeof *index.blocks ||
        pages_bytes != (size_t)info.index_pages * sizeof *index.pages || !index.filter_bytes ||
        index.filter_bytes % KIS_BLOOM_LINE ||
        info.index_pages !=
            ((uint64_t)info.index_count + KIS_SEG_INDEX_PAGE - 1) / KIS_SEG_INDEX_PAGE ||
        info.index_offset > file_bytes ||
        (uint64_t)info.index_count * 8 > file_bytes - info.index_offset ||
        !blocks_are_sane(&info, index.blocks, file_bytes))
        goto damaged;
    *out_info = info;
    *out_index = index;
    return KIS_OK;
damaged:
    return kis_diag_set(diag, KIS_ERR_CORRUPT, "the segment's index contradicts itself");
}

/* ---- opening --------------------------------------------------------------------------------- */

static kis_str own_path(const kis_segment *s, char room[KIS_STORE_PATH_MAX])
{
    return kis_str_of(room, kis_segment_path(room, KIS_STORE_PATH_MAX, s->dir, "seg-",
                                             s->info.generation, s->info.part));
}

kis_err kis_segment_read_range(const kis_segment *s, uint64_t offset, void *to, size_t size,
                               kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_str name = own_path(s, path);
    kis_file file;

    kis_err err = s->os->ops->open(s->os, name, KIS_OPEN_READ, &file, diag);
    if (err)
        return err;
    err = s->os->ops->read_at(s->os, file, offset, to, size, diag);
    s->os->ops->close(s->os, file);
    return err == KIS_ERR_MORE
               ? kis_diag_set(diag, KIS_ERR_CORRUPT, "'" KIS_FMT "' ends too early", KIS_ARG(name))
               : err;
}

static kis_err read_checked(const kis_segment *s, uint64_t offset, uint32_t size, uint32_t crc,
                            uint8_t *to, kis_diag *diag)
{
    kis_err err = kis_segment_read_range(s, offset, to, size, diag);
    if (err)
        return err;
    if (kis_crc32c(0, kis_bytes_of(to, size)) != crc)
        return kis_diag_set(diag, KIS_ERR_CORRUPT,
                            "segment file 'seg-%016llx-%04x.kseg' at %llu: a checksum is wrong",
                            (unsigned long long)s->info.generation, (unsigned)s->info.part,
                            (unsigned long long)offset);
    return KIS_OK;
}

static void take_places(kis_segment *s, const kis_seg_footer *footer)
{
    s->pinned_offset = footer->pinned_offset;
    s->pinned_bytes = footer->pinned_bytes;
    s->pinned_crc = footer->pinned_crc;
    s->start_offset = footer->start_offset;
    s->start_bytes = footer->start_bytes;
    s->start_crc = footer->start_crc;
}

static void take_info(kis_segment *s, const kis_seg_info *info)
{
    s->info = *info;
    if (info->tenant.len)
        memcpy(s->tenant, info->tenant.ptr, info->tenant.len);
    s->info.tenant.ptr = s->tenant;
}

static void drop_pinned(kis_segment *s)
{
    s->alloc->give_back(s->alloc->user, s->pinned, s->pinned_bytes);
    s->pinned = NULL;
    s->index = (kis_seg_index){ 0 };
}

static kis_err open_footer(kis_segment *s, kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_str name = own_path(s, path);
    uint8_t bytes[KIS_SEG_FOOTER_BYTES];
    kis_seg_footer footer;
    kis_file file;

    kis_err err = s->os->ops->open(s->os, name, KIS_OPEN_READ, &file, diag);
    if (err)
        return err;
    err = s->os->ops->size(s->os, file, &s->file_bytes, diag);
    if (!err && s->file_bytes < KIS_SEG_FOOTER_BYTES)
        err = kis_diag_set(diag, KIS_ERR_CORRUPT, "%llu bytes, a segment's footer alone has %u",
                           (unsigned long long)s->file_bytes, KIS_SEG_FOOTER_BYTES);
    if (!err)
        err = s->os->ops->read_at(s->os, file, s->file_bytes - KIS_SEG_FOOTER_BYTES, bytes,
                                  sizeof bytes, diag);
    if (!err)
        err = kis_seg_footer_decode(bytes, &footer, diag);
    if (!err && footer.file_bytes != s->file_bytes)
        err =
            kis_diag_set(diag, KIS_ERR_CORRUPT, "%llu bytes, its footer says %llu",
                         (unsigned long long)s->file_bytes, (unsigned long long)footer.file_bytes);
    s->os->ops->close(s->os, file);
    if (err)
        return err;
    take_places(s, &footer);
    return KIS_OK;
}

static kis_err open_pinned(kis_segment *s, bool pin, kis_diag *diag)
{
    kis_seg_info info;

    s->pinned = s->alloc->take(s->alloc->user, s->pinned_bytes);
    if (!s->pinned)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a segment's index");
    kis_err err =
        read_checked(s, s->pinned_offset, s->pinned_bytes, s->pinned_crc, s->pinned, diag);
    if (!err)
        err = kis_seg_pinned_decode(kis_bytes_of(s->pinned, s->pinned_bytes), s->file_bytes, &info,
                                    &s->index, diag);
    if (!err && (s->info.generation != info.generation || s->info.part != info.part))
        err = kis_diag_set(diag, KIS_ERR_CORRUPT, "the segment belongs to another generation");
    if (!err)
        take_info(s, &info);
    if (err || !pin)
        drop_pinned(s);
    return err;
}

static kis_segment *segment_new(kis_os *os, const kis_alloc *alloc, kis_str dir,
                                uint64_t generation, uint32_t part)
{
    kis_segment *s = alloc->take(alloc->user, sizeof *s);
    if (s)
        *s = (kis_segment){ .refs = 1,
                            .os = os,
                            .alloc = alloc,
                            .dir = dir,
                            .info = { .generation = generation, .part = part } };
    return s;
}

kis_err kis_segment_open(kis_os *os, const kis_alloc *alloc, kis_str dir, uint64_t generation,
                         uint32_t part, bool pin, kis_segment **out, kis_diag *diag)
{
    kis_segment *s = segment_new(os, alloc, dir, generation, part);
    if (!s)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a segment");
    kis_err err = open_footer(s, diag);
    if (!err)
        err = open_pinned(s, pin, diag);
    if (err) {
        kis_segment_unref(s);
        return kis_diag_in(diag, err, "segment file 'seg-%016llx-%04x.kseg'",
                           (unsigned long long)generation, (unsigned)part);
    }
    *out = s;
    return KIS_OK;
}

static kis_err read_lead(kis_segment *s, uint8_t to[KIS_SEG_LEAD_BYTES], kis_seg_lead *out,
                         kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_str name = own_path(s, path);
    kis_file file;

    kis_err err = s->os->ops->open(s->os, name, KIS_OPEN_READ, &file, diag);
    if (err)
        return err;
    err = s->os->ops->size(s->os, file, &s->file_bytes, diag);
    if (!err)
        err = s->os->ops->read_at(s->os, file, 0, to, KIS_SEG_LEAD_BYTES, diag);
    s->os->ops->close(s->os, file);
    if (err == KIS_ERR_MORE)
        return kis_diag_set(diag, KIS_ERR_CORRUPT, "%llu bytes, a segment's lead alone has %u",
                            (unsigned long long)s->file_bytes, KIS_SEG_LEAD_BYTES);
    if (!err)
        err = kis_seg_lead_decode(to, out, diag);
    if (!err && (out->info.generation != s->info.generation || out->info.part != s->info.part))
        err = kis_diag_set(diag, KIS_ERR_CORRUPT, "the segment's lead is another file's");
    return err;
}

kis_err kis_segment_open_by_lead(kis_os *os, const kis_alloc *alloc, kis_str dir,
                                 uint64_t generation, uint32_t part, bool pin, kis_segment **out,
                                 kis_seg_lead *out_lead, bool *out_has_index, kis_diag *diag)
{
    uint8_t bytes[KIS_SEG_LEAD_BYTES];
    kis_diag ignored;

    kis_segment *s = segment_new(os, alloc, dir, generation, part);
    if (!s)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a segment");
    kis_err err = read_lead(s, bytes, out_lead, diag);
    if (err) {
        kis_segment_unref(s);
        return err;
    }
    s->is_footer_lost = true;
    take_places(s, &out_lead->footer);
    take_info(s, &out_lead->info);
    out_lead->info.tenant = s->info.tenant;
    kis_err pinned_err = open_pinned(s, pin, &ignored);
    if (pinned_err == KIS_ERR_NOMEM) {
        kis_segment_unref(s);
        return kis_diag_set(diag, pinned_err, "%s", ignored.text);
    }
    *out_has_index = !pinned_err;
    *out = s;
    return KIS_OK;
}

kis_err kis_segment_leave_out(kis_os *os, const kis_alloc *alloc, kis_str dir, uint64_t generation,
                              uint32_t part, kis_segment **out, kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_str name = { path, kis_segment_path(path, sizeof path, dir, "seg-", generation, part) };
    kis_file file;

    kis_segment *s = segment_new(os, alloc, dir, generation, part);
    if (!s)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a segment");
    s->is_left_out = s->is_unknown = true;
    if (os->ops->open(os, name, KIS_OPEN_READ, &file, NULL) == KIS_OK) {
        if (os->ops->size(os, file, &s->file_bytes, NULL) != KIS_OK)
            s->file_bytes = 0;
        os->ops->close(os, file);
    }
    *out = s;
    return KIS_OK;
}

kis_segment *kis_segment_ref(kis_segment *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void kis_segment_unref(kis_segment *s)
{
    char path[KIS_STORE_PATH_MAX];

    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (atomic_load(&s->is_deleted)) {
        kis_diag ignored; /* what stays is found and deleted at the next start */
        (void)s->os->ops->remove(s->os, own_path(s, path), &ignored);
        if (s->dir_bytes)
            atomic_fetch_sub_explicit(s->dir_bytes, s->file_bytes, memory_order_relaxed);
    }
    s->alloc->give_back(s->alloc->user, s->pinned, s->pinned_bytes);
    s->alloc->give_back(s->alloc->user, s, sizeof *s);
}

static size_t set_bytes(uint32_t count)
{
    return sizeof(kis_segment_set) + count * sizeof(kis_segment *);
}

kis_segment_set *kis_segment_set_new(const kis_alloc *alloc, uint32_t count)
{
    kis_segment_set *set = alloc->take(alloc->user, set_bytes(count));
    if (!set)
        return NULL;
    memset(set, 0, set_bytes(count));
    atomic_store_explicit(&set->refs, 1, memory_order_relaxed);
    set->alloc = alloc;
    set->count = count;
    return set;
}

void kis_segment_set_unref(kis_segment_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < set->count; i++)
        kis_segment_unref(set->at[i]);
    set->alloc->give_back(set->alloc->user, set, set_bytes(set->count));
}

/* ---- the index ------------------------------------------------------------------------------- */

kis_err kis_segment_index(kis_segment *s, kis_arena *scratch, kis_seg_index *out, kis_diag *diag)
{
    kis_seg_info info;

    if (s->pinned) {
        *out = s->index;
        return KIS_OK;
    }
    uint8_t *bytes = kis_arena_take(scratch, s->pinned_bytes, 8);
    if (!bytes)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to read a segment's index");
    kis_err err = read_checked(s, s->pinned_offset, s->pinned_bytes, s->pinned_crc, bytes, diag);
    return err ? err
               : kis_seg_pinned_decode(kis_bytes_of(bytes, s->pinned_bytes), s->file_bytes, &info,
                                       out, diag);
}

/* The first page that may hold `hash`: equal hashes may begin at the end of the page before
 * the one that starts with it. */
static uint32_t first_page(const kis_segment *s, const kis_seg_index *index, uint32_t hash)
{
    uint32_t low = 0, high = s->info.index_pages;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->pages[middle].first_hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : 0;
}

typedef struct block_list {
    uint32_t *at, count, cap;
} block_list;

/* The blocks of the entries with this hash. */
static bool list_blocks(const kis_seg_index_entry *entries, uint32_t entry_count, uint32_t hash,
                        uint32_t block_count, kis_arena *scratch, block_list *out)
{
    for (uint32_t i = 0; i < entry_count; i++) {
        if (entries[i].hash != hash || entries[i].block >= block_count)
            continue;
        if (out->count == out->cap) {
            uint32_t *grown = kis_arena_grow(scratch, out->at, out->cap * 4u,
                                             (out->cap ? out->cap * 2 : 8) * 4u, 4);
            if (!grown)
                return false;
            out->at = grown;
            out->cap = out->cap ? out->cap * 2 : 8;
        }
        out->at[out->count++] = entries[i].block;
    }
    return true;
}

/* The entries with this hash of a rebuilt index. */
static const kis_seg_index_entry *find_entries(const kis_segment *s, uint32_t hash,
                                               uint32_t *out_count)
{
    uint32_t low = 0, high = s->info.index_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->entries[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (high = low; high < s->info.index_count && s->entries[high].hash == hash;)
        high++;
    *out_count = high - low;
    return s->entries + low;
}

kis_err kis_segment_find_trace(kis_segment *s, const kis_seg_index *index, uint64_t trace_hash,
                               kis_arena *scratch, uint32_t **out_blocks, uint32_t *out_count,
                               kis_diag *diag)
{
    uint32_t hash = (uint32_t)(trace_hash >> 32), in_page;
    kis_seg_index_entry page[KIS_SEG_INDEX_PAGE];
    block_list blocks = { 0 };
    bool fits = true;

    *out_count = 0;
    *out_blocks = NULL;
    if (!kis_bloom_may_have(index->filter, index->filter_bytes, trace_hash))
        return KIS_OK;
    if (s->entries) {
        const kis_seg_index_entry *entries = find_entries(s, hash, &in_page);
        fits = list_blocks(entries, in_page, hash, s->info.block_count, scratch, &blocks);
    }
    for (uint32_t p = s->entries ? s->info.index_pages : first_page(s, index, hash);
         fits && p < s->info.index_pages && index->pages[p].first_hash <= hash; p++) {
        uint32_t first = p * KIS_SEG_INDEX_PAGE;
        in_page = KIS_MIN(KIS_SEG_INDEX_PAGE, s->info.index_count - first);
        kis_err err = read_checked(s, s->info.index_offset + (uint64_t)first * 8, in_page * 8,
                                   index->pages[p].crc, (uint8_t *)page, diag);
        if (err)
            return err;
        fits = list_blocks(page, in_page, hash, s->info.block_count, scratch, &blocks);
    }
    if (!fits)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the blocks of a trace");
    *out_blocks = blocks.at;
    *out_count = blocks.count;
    return KIS_OK;
}

/* ---- start data ------------------------------------------------------------------------------ */

static bool read_text(kis_cursor *c, kis_str *out)
{
    uint64_t len;
    kis_bytes bytes;
    if (!kis_cursor_varint(c, &len) || !kis_cursor_bytes(c, len, &bytes))
        return false;
    *out = kis_str_of_bytes(bytes);
    return true;
}

kis_err kis_segment_read_start_data(kis_segment *s, kis_arena *scratch, kis_seg_name_fn *each_name,
                                    kis_seg_key_fn *each_key, void *user, kis_diag *diag)
{
    uint32_t names, keys;
    uint8_t *bytes = kis_arena_take(scratch, s->start_bytes, 8);

    if (!bytes)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a segment's names");
    kis_err err = read_checked(s, s->start_offset, s->start_bytes, s->start_crc, bytes, diag);
    if (err)
        return err;
    kis_cursor c = { bytes, bytes + s->start_bytes };
    if (!kis_cursor_u32(&c, &names) || !kis_cursor_u32(&c, &keys))
        goto damaged;
    for (uint32_t i = 0; i < names; i++) {
        kis_str service, name;
        uint8_t kind;
        if (!read_text(&c, &service) || !read_text(&c, &name) || !kis_cursor_u8(&c, &kind))
            goto damaged;
        if (each_name && !each_name(user, service, name, kind))
            return KIS_OK;
    }
    if ((uint64_t)keys * sizeof(kis_key) != kis_cursor_left(&c))
        goto damaged;
    for (uint32_t i = 0; i < keys && each_key; i++, c.at += sizeof(kis_key)) {
        kis_key key;
        memcpy(&key, c.at, sizeof key);
        each_key(user, key);
    }
    return KIS_OK;
damaged:
    return kis_diag_set(diag, KIS_ERR_CORRUPT,
                        "segment file 'seg-%016llx-%04x.kseg': its names do not read",
                        (unsigned long long)s->info.generation, (unsigned)s->info.part);
}
