/* check.c - `kiseki check`: every byte of a folder read, every damage named. Changes nothing, but
 * for kis_store_repair_log: a log that stops the start is written anew without what does not read,
 * and the damaged file stays beside it under another name.
 */
#include <stdarg.h>

#include "base/crc.h"
#include "base/diag.h"
#include "base/fmt.h"
#include "store/bounds.h"
#include "store/folder.h"
#include "store/frame.h"
#include "store/row.h"
#include "store/segment_rebuild.h"
#include "store/store.h"

#define CHECK_BYTES_MAX ((size_t)256 << 20)
#define LINE_MAX_BYTES  512

typedef struct checking {
    kis_os *os;
    const kis_alloc *alloc;
    kis_str dir;
    void (*line)(void *user, const char *text);
    void *user;
    kis_arena arena, scratch;
    kis_folder folder;
    kis_block_codec *codec;
    uint64_t damages, spans_in_segments, spans_in_logs, blocks;
    bool is_log_cut; /* a log's damage ended the count of its spans */
} checking;

static void say(checking *c, const char *format, ...) KIS_PRINTF(2, 3);
static void say(checking *c, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;

    va_start(args, format);
    kis_fmt_v(text, sizeof text, format, args);
    va_end(args);
    c->line(c->user, text);
}

static void say_damage(checking *c, const char *what, kis_folder_file file, const kis_diag *diag)
{
    c->damages++;
    say(c, "damaged: %s-%016llx-%04x: %s", what, (unsigned long long)file.generation,
        (unsigned)file.number, diag->text);
}

/* ---- segments -------------------------------------------------------------------------------- */

static kis_err check_rows(checking *c, const kis_seg_block *b, kis_diag *diag)
{
    for (uint32_t row = 0; row < b->rows; row++) {
        kis_span_view span;
        if (!kis_seg_block_row(b, row, &span))
            return kis_diag_set(diag, KIS_ERR_CORRUPT, "row %u does not read", row);
    }
    c->blocks++;
    return KIS_OK;
}

static kis_err check_block(checking *c, kis_segment *segment, const kis_seg_block_info *info,
                           kis_diag *diag)
{
    kis_seg_block *b;

    kis_arena_clear(&c->scratch);
    uint8_t *bytes = kis_arena_take(&c->scratch, info->size, 8);
    if (!bytes)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a block");
    kis_err err = kis_segment_read_range(segment, info->offset, bytes, info->size, diag);
    if (!err)
        err = kis_seg_block_decode(kis_bytes_of(bytes, info->size), KIS_NEED_ALL, c->alloc,
                                   c->codec, &b, diag);
    if (!err) {
        err = b->rows == info->rows
                  ? check_rows(c, b, diag)
                  : kis_diag_set(diag, KIS_ERR_CORRUPT, "other rows than the index says");
        kis_seg_block_unref(b);
    }
    return err ? kis_diag_in(diag, err, "block at offset %llu", (unsigned long long)info->offset)
               : KIS_OK;
}

static kis_err check_index_pages(checking *c, kis_segment *segment, kis_diag *diag)
{
    uint8_t page[KIS_SEG_INDEX_PAGE * sizeof(kis_seg_index_entry)];

    (void)c;
    for (uint32_t i = 0; i < segment->info.index_pages; i++) {
        uint32_t first = i * KIS_SEG_INDEX_PAGE,
                 count = KIS_MIN(KIS_SEG_INDEX_PAGE, segment->info.index_count - first);
        uint64_t offset =
            segment->info.index_offset + (uint64_t)first * sizeof(kis_seg_index_entry);
        kis_err err = kis_segment_read_range(segment, offset, page,
                                             count * sizeof(kis_seg_index_entry), diag);
        if (err)
            return err;
        if (kis_crc32c(0, kis_bytes_of(page, count * sizeof(kis_seg_index_entry))) !=
            segment->index.pages[i].crc)
            return kis_diag_set(diag, KIS_ERR_CORRUPT,
                                "trace index at offset %llu: its checksum is wrong",
                                (unsigned long long)offset);
    }
    return KIS_OK;
}

/* What the lead says against what the end says: each stands for the other when it is damaged. */
static kis_err check_lead(kis_segment *segment, kis_diag *diag)
{
    uint8_t bytes[KIS_SEG_LEAD_BYTES], want[KIS_SEG_LEAD_BYTES];
    kis_seg_lead lead;

    if (!(segment->info.flags & KIS_SEG_HAS_LEAD))
        return KIS_OK;
    kis_err err = kis_segment_read_range(segment, 0, bytes, sizeof bytes, diag);
    if (!err)
        err = kis_seg_lead_decode(bytes, &lead, diag);
    if (err)
        return err;
    kis_seg_lead_encode(&(kis_seg_lead){ .salt = lead.salt,
                                         .info = segment->info,
                                         .footer = { .file_bytes = segment->file_bytes,
                                                     .start_offset = segment->start_offset,
                                                     .start_bytes = segment->start_bytes,
                                                     .start_crc = segment->start_crc,
                                                     .pinned_offset = segment->pinned_offset,
                                                     .pinned_bytes = segment->pinned_bytes,
                                                     .pinned_crc = segment->pinned_crc } },
                        want);
    return memcmp(bytes, want, sizeof bytes) == 0
               ? KIS_OK
               : kis_diag_set(diag, KIS_ERR_CORRUPT, "the lead says other things than the footer");
}

/* A segment that does not open: what a start makes of it. */
static kis_err open_rebuilt(checking *c, kis_folder_file file, kis_segment **out)
{
    kis_diag diag;

    kis_err err = kis_segment_rebuild(c->os, c->alloc, c->dir, file.generation, file.number, true,
                                      KIS_SEG_REBUILT_BYTES_MAX, c->codec, out, &diag);
    if (!err)
        kis_segment_rebuilt_text(*out, &diag);
    say(c,
        err || (*out)->is_left_out ? "  seg-%016llx-%04x is left out as a whole: %s"
                                   : "  seg-%016llx-%04x is used as far as it reads: %s",
        (unsigned long long)file.generation, (unsigned)file.number, diag.text);
    return err;
}

static kis_err check_segment(checking *c, kis_folder_file file)
{
    kis_segment *segment;
    kis_diag diag;

    kis_err err = kis_segment_open(c->os, c->alloc, c->dir, file.generation, file.number, true,
                                   &segment, &diag);
    if (err) {
        say_damage(c, "seg", file, &diag);
        if (err != KIS_ERR_UNSUPPORTED && err != KIS_ERR_NOMEM)
            err = open_rebuilt(c, file, &segment);
        if (err)
            return err == KIS_ERR_NOMEM ? err : KIS_OK;
    }
    kis_arena_clear(&c->scratch);
    if (!segment->is_footer_lost && check_lead(segment, &diag))
        say_damage(c, "seg", file, &diag);
    if (kis_segment_read_start_data(segment, &c->scratch, NULL, NULL, NULL, &diag))
        say_damage(c, "seg", file, &diag);
    if (!segment->entries && check_index_pages(c, segment, &diag))
        say_damage(c, "seg", file, &diag);
    for (uint32_t i = 0; i < segment->info.block_count; i++)
        if (check_block(c, segment, &segment->index.blocks[i], &diag))
            say_damage(c, "seg", file, &diag);
    c->damages += segment->lost_blocks;
    c->spans_in_segments += segment->info.row_count;
    kis_segment_unref(segment);
    return KIS_OK;
}

/* ---- logs ------------------------------------------------------------------------------------ */

/* The same walk as replaying, without keeping anything. */
static kis_err check_record(void *user, kis_bytes body, uint64_t offset, kis_diag *diag)
{
    checking *c = user;
    kis_cursor at = kis_cursor_of(body);
    kis_frame_head head;
    bool reads = kis_frame_read_head(&at, &head);
    uint64_t spans = 0;

    for (uint32_t i = 0; reads && i < head.resource_count; i++) {
        kis_resource_view resource;
        reads = kis_frame_read_resource(&at, &resource);
    }
    for (uint32_t i = 0; reads && i < head.scope_count; i++) {
        kis_scope_view scope;
        reads = kis_frame_read_scope(&at, &scope) && scope.resource < head.resource_count;
        spans += scope.span_count;
    }
    for (uint32_t i = 0; reads && i < head.span_count; i++) {
        kis_span_view span;
        reads = kis_row_decode(&at, &span);
    }
    if (!reads || at.at != at.end || spans != head.span_count)
        return kis_diag_set(diag, KIS_ERR_CORRUPT,
                            "at offset %llu: a record does not read though its checksum is right",
                            (unsigned long long)offset);
    c->spans_in_logs += head.span_count;
    return KIS_OK;
}

static kis_err load(checking *c, uint32_t log, kis_bytes *out, size_t *cap, kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_folder_file file = c->folder.logs.at[log];
    size_t len = kis_wal_path(path, sizeof path, c->dir, "log-", file.generation, file.number);
    return kis_folder_read_file(c->os, c->alloc, kis_str_of(path, len), out, cap, diag);
}

/* What the next log says about this one's length; 0: nothing. */
static uint64_t length_told(checking *c, uint32_t log)
{
    kis_bytes next;
    size_t cap;
    kis_wal_header header;
    uint64_t length = 0;

    if (log + 1 == c->folder.logs.len || load(c, log + 1, &next, &cap, NULL) != KIS_OK)
        return 0;
    if (kis_wal_read_header(next, &header, NULL) == KIS_OK &&
        header.previous_generation == c->folder.logs.at[log].generation)
        length = header.previous_length;
    c->alloc->give_back(c->alloc->user, (void *)next.ptr, cap);
    return length;
}

static void check_log(checking *c, uint32_t log)
{
    kis_folder_file file = c->folder.logs.at[log];
    kis_wal_scan scan;
    kis_bytes bytes;
    size_t cap;
    kis_diag diag;

    if (load(c, log, &bytes, &cap, &diag)) {
        say_damage(c, "log", file, &diag);
        return;
    }
    kis_err err = kis_wal_read(bytes, length_told(c, log), check_record, c, &scan, &diag);
    if (err == KIS_ERR_SYNTAX && log + 1 == c->folder.logs.len && !kis_wal_has_records(bytes))
        say(c, "log-%016llx-%04x was being made when the machine stopped; nothing is in it",
            (unsigned long long)file.generation, (unsigned)file.number);
    else if (err) {
        say_damage(c, "log", file, &diag);
        c->is_log_cut = true;
    } else if (scan.cut_bytes)
        say(c,
            "log-%016llx-%04x has a torn end: %llu bytes behind offset %llu were never answered "
            "(%s)",
            (unsigned long long)file.generation, (unsigned)file.number,
            (unsigned long long)scan.cut_bytes, (unsigned long long)scan.good_length, scan.why);
    c->alloc->give_back(c->alloc->user, (void *)bytes.ptr, cap);
}

static bool is_superseded(const checking *c, uint32_t log)
{
    return log + 1 < c->folder.logs.len &&
           c->folder.logs.at[log + 1].generation == c->folder.logs.at[log].generation;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void say_sum(checking *c)
{
    say(c, "%u segment%s, %llu block%s, %llu span%s; %u log%s, %llu span%s%s; damaged places: %llu",
        c->folder.segments.len, plural(c->folder.segments.len), (unsigned long long)c->blocks,
        plural(c->blocks), (unsigned long long)c->spans_in_segments, plural(c->spans_in_segments),
        c->folder.logs.len, plural(c->folder.logs.len), (unsigned long long)c->spans_in_logs,
        plural(c->spans_in_logs), c->is_log_cut ? " before the damage" : "",
        (unsigned long long)c->damages);
}

static kis_err check_all(checking *c, kis_diag *diag)
{
    kis_err err = kis_folder_read_version(c->os, c->dir, diag);
    if (err)
        return err;
    err = kis_folder_list(&c->folder, c->os, c->dir, &c->arena, diag);
    for (uint32_t i = 0; i < c->folder.segments.len && !err; i++)
        err = check_segment(c, c->folder.segments.at[i]);
    for (uint32_t i = 0; i < c->folder.logs.len && !err; i++)
        if (!is_superseded(c, i))
            check_log(c, i);
    if (err)
        return err;
    say_sum(c);
    return c->damages ? kis_diag_set(diag, KIS_ERR_CORRUPT, "damaged places: %llu",
                                     (unsigned long long)c->damages)
                      : KIS_OK;
}

/* ---- repairing a log ------------------------------------------------------------------------- */

static kis_err write_salvaged(checking *c, const kis_wal_salvaged *what, kis_bytes records,
                              kis_diag *diag)
{
    kis_wal wal;

    kis_err err = kis_wal_create_temporary(&wal, c->os, c->dir, &what->header, diag);
    if (err)
        return err;
    err = records.len ? kis_wal_write(&wal, records.ptr, records.len, diag) : KIS_OK;
    if (!err)
        err = kis_wal_sync(&wal, diag);
    if (!err)
        err = kis_wal_finish_temporary(&wal, diag);
    kis_wal_close(&wal);
    return err;
}

/* Under a name that no start looks at. */
static kis_err set_aside(checking *c, kis_folder_file file, kis_diag *diag)
{
    char from[KIS_STORE_PATH_MAX], to[KIS_STORE_PATH_MAX];
    kis_str from_name = { from, kis_wal_path(from, sizeof from, c->dir, "log-", file.generation,
                                             file.number) };
    kis_str to_name = { to, kis_wal_path(to, sizeof to, c->dir, "damaged-log-", file.generation,
                                         file.number) };

    kis_err err = c->os->ops->rename(c->os, from_name, to_name, diag);
    return err ? err : c->os->ops->sync_dir(c->os, c->dir, diag);
}

/* The new file first, under the next attempt's number, which wins; then the damaged one's other
 * name. A machine that stops in between has both, and starts with the new one. */
static kis_err repair_log(checking *c, uint32_t log, kis_bytes bytes, const kis_diag *why,
                          kis_diag *diag)
{
    kis_folder_file file = c->folder.logs.at[log];
    kis_wal_header name = { .generation = file.generation,
                            .attempt = file.number,
                            .created_unix_ns = c->os->ops->now_unix_ns(c->os) };
    kis_wal_salvaged what = { .records = 0 };
    kis_buf records;
    kis_diag nothing;

    kis_buf_init(&records, c->alloc, bytes.len + length_told(c, log) + 64);
    c->spans_in_logs = 0;
    kis_err err = kis_wal_salvage(bytes, &name, length_told(c, log), check_record, c, &records,
                                  &what, &nothing);
    if (!err)
        err = write_salvaged(c, &what, kis_buf_bytes(&records), diag);
    else if (err != KIS_ERR_CORRUPT)
        (void)kis_diag_set(diag, err, "%s", nothing.text);
    kis_buf_done(&records);
    if (err && err != KIS_ERR_CORRUPT)
        return err;
    bool is_all_lost = err == KIS_ERR_CORRUPT;
    err = set_aside(c, file, diag);
    if (err)
        return err;
    if (is_all_lost)
        say(c,
            "repaired: log-%016llx-%04x.wal (%s): %s, none of its spans is kept; the file is now "
            "damaged-log-%016llx-%04x.wal",
            (unsigned long long)file.generation, (unsigned)file.number, why->text, nothing.text,
            (unsigned long long)file.generation, (unsigned)file.number);
    else
        say(c,
            "repaired: log-%016llx-%04x.wal (%s): %llu spans are kept, %llu bytes do not read; the "
            "file is now damaged-log-%016llx-%04x.wal",
            (unsigned long long)file.generation, (unsigned)file.number, why->text,
            (unsigned long long)c->spans_in_logs, (unsigned long long)what.lost_bytes,
            (unsigned long long)file.generation, (unsigned)file.number);
    return KIS_OK;
}

/* What stops a start: damage before what is known to have been on the disk, a lost header,
 * a record that does not read. */
static kis_err repair_log_if_damaged(checking *c, uint32_t log, kis_diag *diag)
{
    kis_folder_file file = c->folder.logs.at[log];
    bool is_newest = log + 1 == c->folder.logs.len;
    kis_wal_scan scan;
    kis_bytes bytes;
    size_t cap;
    kis_diag why;

    kis_err err = load(c, log, &bytes, &cap, diag);
    if (err)
        return err;
    kis_err damage = kis_wal_read(bytes, length_told(c, log), check_record, c, &scan, &why);
    if (!damage &&
        (scan.header.generation != file.generation || scan.header.attempt != file.number))
        damage = kis_diag_set(&why, KIS_ERR_CORRUPT, "its header is another file's");
    if (damage == KIS_ERR_CORRUPT ||
        (damage == KIS_ERR_SYNTAX && !(is_newest && !kis_wal_has_records(bytes))))
        err = repair_log(c, log, bytes, &why, diag);
    else if (damage && damage != KIS_ERR_SYNTAX)
        err = kis_diag_set(diag, damage, "%s", why.text);
    c->alloc->give_back(c->alloc->user, (void *)bytes.ptr, cap);
    return err;
}

static kis_err repair_logs(checking *c, kis_diag *diag)
{
    kis_err err = kis_folder_list(&c->folder, c->os, c->dir, &c->arena, diag);

    for (uint32_t i = 0; i < c->folder.logs.len && !err; i++)
        if (!is_superseded(c, i))
            err = repair_log_if_damaged(c, i, diag);
    return err;
}

/* ---- both ------------------------------------------------------------------------------------ */

static kis_err with_folder(kis_err (*work)(checking *c, kis_diag *diag), kis_os *os,
                           const kis_alloc *alloc, kis_str dir,
                           void (*line)(void *user, const char *text), void *user, kis_diag *diag)
{
    checking c = { .os = os, .alloc = alloc, .dir = dir, .line = line, .user = user };
    char path[KIS_STORE_PATH_MAX];
    kis_file lock;

    /* only a folder that exists is locked: checking makes nothing but the lock
     * file that is there already */
    kis_err err = kis_folder_read_version(os, dir, diag);
    if (err)
        return err;
    size_t len = kis_fmt(path, sizeof path, KIS_FMT "/lock", KIS_ARG(dir));
    err = os->ops->lock(os, kis_str_of(path, len), &lock, diag);
    if (err == KIS_ERR_RANGE)
        return kis_diag_set(
            diag, err, "store '" KIS_FMT "': another process has it open; stop that server first",
            KIS_ARG(dir));
    if (err)
        return err;
    kis_arena_init(&c.arena, alloc, CHECK_BYTES_MAX);
    kis_arena_init(&c.scratch, alloc, CHECK_BYTES_MAX);
    c.codec = kis_block_codec_new(alloc);
    err = c.codec ? work(&c, diag) : kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to check with");
    kis_block_codec_free(c.codec);
    kis_arena_done(&c.arena);
    kis_arena_done(&c.scratch);
    os->ops->close(os, lock);
    return err;
}

kis_err kis_store_check(kis_os *os, const kis_alloc *alloc, kis_str dir,
                        void (*line)(void *user, const char *text), void *user, kis_diag *diag)
{
    return with_folder(check_all, os, alloc, dir, line, user, diag);
}

kis_err kis_store_repair_log(kis_os *os, const kis_alloc *alloc, kis_str dir,
                             void (*line)(void *user, const char *text), void *user, kis_diag *diag)
{
    return with_folder(repair_logs, os, alloc, dir, line, user, diag);
}
