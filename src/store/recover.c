/* recover.c - from a folder to a running store: what a start does, whatever the end before it was.
 *
 *     segments of a generation without a log       are there
 *     segments of a generation with its log        all parts there: the log goes; some missing:
 *                                                  the log is replayed, then they go
 *     logs of several attempts of one generation   the highest wins: it took its name only when
 *                                                  it was whole
 *     tmp-…                                        was never finished: goes
 *     a segment without a log that does not open   is opened by what of it reads
 *                                                  (segment_rebuild.h), or left out; not deleted
 *
 * The newest log's head is written on; older ones are frozen and flushed in the background,
 * so starting waits for no flush.
 */
#include "base/diag.h"
#include "base/fmt.h"
#include "store/folder.h"
#include "store/segment_rebuild.h"
#include "store/state.h"

#define RECOVER_BYTES_MAX ((size_t)256 << 20)
#define SECOND_NS         1000000000u

typedef struct recovery {
    kis_store *store;
    kis_arena arena;
    kis_folder folder;
    uint64_t newest_generation; /* of anything */
    uint64_t pinned_bytes, rebuilt_bytes;
    kis_head *head;       /* being replayed */
    kis_segment *segment; /* whose names are being read */
    uint32_t keys_from_s;
    KIS_VEC(kis_folder_file) unfinished; /* parts of flushes that were not finished */
    kis_alloc alloc;                     /* of the arena */
} recovery;

/* ---- segments -------------------------------------------------------------------------------- */

static void remove_leftovers(recovery *r)
{
    char path[KIS_STORE_PATH_MAX];
    kis_store *s = r->store;

    for (uint32_t i = 0; i < r->folder.leftovers.len; i++) {
        size_t len = kis_fmt(path, sizeof path, KIS_FMT "/" KIS_FMT, KIS_ARG(s->options.dir),
                             KIS_ARG(r->folder.leftovers.at[i]));
        (void)s->os->ops->remove(s->os, kis_str_of(path, len), NULL);
    }
}

static bool has_log(const recovery *r, uint64_t generation)
{
    for (uint32_t i = 0; i < r->folder.logs.len; i++)
        if (r->folder.logs.at[i].generation == generation)
            return true;
    return false;
}

/* How many files the generation's flush made, told by any of them; 0: none opens. */
static uint32_t parts_wanted(kis_segment **open, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (open[i])
            return open[i]->info.parts;
    return 0;
}

/* The log has it all, if it reads: until that is known the parts stay, for they may be all that is
 * left. */
static kis_err set_parts_aside(recovery *r, kis_segment **open, uint32_t first, uint32_t end,
                               kis_diag *diag)
{
    for (uint32_t i = first; i < end; i++) {
        kis_segment_unref(open[i]);
        open[i] = NULL;
        if (!KIS_VEC_PUSH(&r->unfinished, &r->alloc, r->folder.segments.at[i]))
            return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to open %u segments", end - first);
    }
    return KIS_OK;
}

static bool has_head(const kis_store *s, uint64_t generation)
{
    for (uint32_t i = 0; i < s->frozen_count; i++)
        if (s->frozen[i]->generation == generation)
            return true;
    return s->active && s->active->generation == generation;
}

/* Once all logs were read. Parts whose log held nothing after all stay for the next start, which
 * finds them without one. */
static void delete_unfinished(recovery *r)
{
    char path[KIS_STORE_PATH_MAX];
    kis_store *s = r->store;

    for (uint32_t i = 0; i < r->unfinished.len; i++) {
        kis_folder_file file = r->unfinished.at[i];
        size_t len = kis_segment_path(path, sizeof path, s->options.dir, "seg-", file.generation,
                                      file.number);
        if (has_head(s, file.generation))
            (void)s->os->ops->remove(s->os, kis_str_of(path, len), NULL);
    }
}

static void delete_logs_of(recovery *r, uint64_t generation)
{
    kis_folder_file *logs = r->folder.logs.at;
    uint32_t kept = 0;
    kis_diag ignored;

    for (uint32_t i = 0; i < r->folder.logs.len; i++) {
        if (logs[i].generation != generation)
            logs[kept++] = logs[i];
        else
            (void)kis_wal_remove(r->store->os, r->store->options.dir, generation, logs[i].number,
                                 &ignored);
    }
    r->folder.logs.len = kept;
}

static kis_err open_part(recovery *r, kis_folder_file file, kis_segment **out, kis_diag *diag)
{
    kis_store *s = r->store;
    bool pin = r->pinned_bytes < KIS_INDEX_PINNED_BYTES_MAX;

    kis_err err = kis_segment_open(s->os, s->alloc, s->options.dir, file.generation, file.number,
                                   pin, out, diag);
    if (!err && pin)
        r->pinned_bytes += (*out)->pinned_bytes;
    return err;
}

/* `why` names the file, as kis_segment_open says it. */
static void say_left_out(recovery *r, const kis_diag *why, const kis_diag *also)
{
    kis_store_counter_add(&r->store->count.damaged_blocks, 1);
    kis_store_log(r->store, 3,
                  "damaged and left out as a whole: %s, and %s; kiseki check says more", why->text,
                  also->text);
}

static void say_rebuilt(recovery *r, const kis_segment *segment, const kis_diag *why)
{
    kis_diag done;

    kis_segment_rebuilt_text(segment, &done);
    kis_store_counter_add(&r->store->count.damaged_blocks, KIS_MAX(segment->lost_blocks, 1u));
    kis_store_log(r->store, segment->lost_blocks ? 3 : 2, "damaged: %s; %s; kiseki check says more",
                  why->text, done.text);
}

/* A part that does not open, of a generation whose log is gone: what of it reads. */
static kis_err open_damaged(recovery *r, kis_folder_file file, kis_segment **out,
                            const kis_diag *why, kis_diag *diag)
{
    kis_store *s = r->store;
    uint64_t room =
        KIS_SEG_REBUILT_BYTES_MAX - KIS_MIN(KIS_SEG_REBUILT_BYTES_MAX, r->rebuilt_bytes);
    bool pin = r->pinned_bytes < KIS_INDEX_PINNED_BYTES_MAX;
    kis_diag also;

    kis_block_codec *codec = kis_block_codec_new(s->alloc);
    if (!codec)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to open a damaged segment");
    kis_err err = kis_segment_rebuild(s->os, s->alloc, s->options.dir, file.generation, file.number,
                                      pin, room, codec, out, &also);
    kis_block_codec_free(codec);
    if (err == KIS_ERR_NOMEM || err == KIS_ERR_UNSUPPORTED)
        return kis_diag_set(diag, err, "%s", also.text);
    if (err) {
        say_left_out(r, why, &also);
        return kis_segment_leave_out(s->os, s->alloc, s->options.dir, file.generation, file.number,
                                     out, diag);
    }
    if ((*out)->entries)
        r->rebuilt_bytes += (*out)->pinned_bytes;
    else if (pin)
        r->pinned_bytes += (*out)->pinned_bytes;
    say_rebuilt(r, *out, why);
    return KIS_OK;
}

/* The parts of one generation, files `first` to `end`. */
static kis_err open_generation(recovery *r, kis_segment **open, uint32_t first, uint32_t end,
                               kis_diag *diag)
{
    const kis_folder_file *files = r->folder.segments.at;
    uint64_t generation = files[first].generation;
    kis_diag *why = KIS_NEW_ARRAY(&r->arena, kis_diag, end - first);
    uint32_t damaged = 0;
    kis_err err = KIS_OK;

    if (!why)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to open %u segments", end - first);
    for (uint32_t i = end; i-- > first;) {
        err = open_part(r, files[i], &open[i], &why[i - first]);
        if (err == KIS_ERR_UNSUPPORTED || err == KIS_ERR_NOMEM)
            return kis_diag_set(diag, err, "%s", why[i - first].text);
        damaged += err != KIS_OK;
    }
    if (has_log(r, generation) &&
        (damaged || parts_wanted(open + first, end - first) != end - first))
        return set_parts_aside(r, open, first, end, diag);
    if (has_log(r, generation))
        delete_logs_of(r, generation);
    err = KIS_OK;
    for (uint32_t i = end; i-- > first && !err;)
        if (!open[i])
            err = open_damaged(r, files[i], &open[i], &why[i - first], diag);
    return err;
}

/* Opens the segments, newest first so that the newest are pinned;
 * settles which generations count. */
static kis_err open_segments(recovery *r, kis_diag *diag)
{
    kis_store *s = r->store;
    uint32_t total = r->folder.segments.len, good = 0;
    kis_segment **open = KIS_NEW_ARRAY(&r->arena, kis_segment *, (size_t)total + 1);
    kis_err err = KIS_OK;

    if (!open)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to open %u segments", total);
    memset(open, 0, sizeof *open * (total + 1));
    for (uint32_t end = total, first; end > 0 && !err; end = first) {
        uint64_t generation = r->folder.segments.at[end - 1].generation;
        for (first = end - 1;
             first > 0 && r->folder.segments.at[first - 1].generation == generation;)
            first--;
        err = open_generation(r, open, first, end, diag);
        r->newest_generation = KIS_MAX(r->newest_generation, generation);
    }
    for (uint32_t i = 0; i < total; i++)
        if (open[i])
            open[good++] = open[i];
    kis_segment_set *set = err ? NULL : kis_segment_set_new(s->alloc, good);
    if (!set) {
        for (uint32_t i = 0; i < good; i++)
            kis_segment_unref(open[i]);
        return err ? err : kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to open %u segments", good);
    }
    for (uint32_t i = 0; i < good; i++) {
        set->at[i] = open[i];
        set->at[i]->dir_bytes = &s->segment_bytes;
        atomic_fetch_add_explicit(&s->segment_bytes, open[i]->file_bytes, memory_order_relaxed);
    }
    s->segments = set;
    return KIS_OK;
}

/* Retention takes a file of which nothing reads when what came after it is old enough: a head is
 * frozen before the next one takes spans, so nothing in it was received later than the first span
 * of the next generation. */
static void bound_unknown_times(kis_store *s)
{
    const kis_head *first = s->frozen_count ? s->frozen[0] : s->active;
    uint64_t later_ns = first->wal_header.created_unix_ns, generation = first->generation,
             earliest_ns = later_ns; /* of this generation */

    for (uint32_t i = s->segments->count; i-- > 0;) {
        kis_seg_info *info = &s->segments->at[i]->info;
        if (info->generation != generation) {
            generation = info->generation;
            later_ns = earliest_ns;
        }
        if (s->segments->at[i]->is_unknown)
            info->received_max = later_ns;
        else
            earliest_ns = KIS_MIN(earliest_ns, info->received_min);
    }
}

static bool note_segment_name(void *user, kis_str service, kis_str name, uint8_t kind)
{
    recovery *r = user;
    kis_catalog *catalog = &r->store->catalog;
    const kis_seg_info *info = &r->segment->info;
    uint32_t index = kis_catalog_see_service(catalog, info->tenant, service, info->generation);
    if (index != KIS_CATALOG_NONE)
        kis_catalog_see_operation(catalog, index, name, kind, info->generation);
    return true;
}

static void note_key(void *user, kis_key key)
{
    recovery *r = user;
    if (key.time_s >= r->keys_from_s && kis_keys_reserve(&r->store->keys, 1))
        kis_keys_add(&r->store->keys, key);
}

/* A list of names that does not read is made anew from the blocks. Keys stand nowhere else. */
static void read_names_of_blocks(recovery *r, kis_segment *segment, kis_arena *scratch,
                                 const kis_diag *why)
{
    kis_store *s = r->store;
    kis_block_codec *codec = kis_block_codec_new(s->alloc);

    kis_arena_clear(scratch);
    bool is_whole =
        codec && kis_segment_each_block_name(segment, codec, scratch, note_segment_name, r);
    kis_block_codec_free(codec);
    /* some may be missing: searches must not trust the list */
    if (!is_whole)
        kis_catalog_leave_out_services(&s->catalog, segment->info.generation);
    kis_store_counter_add(&s->count.damaged_blocks, 1);
    kis_store_log(s, 3,
                  "damaged: %s; its names were read from its blocks%s%s; kiseki check says more",
                  why->text, is_whole ? "" : ", as far as those read",
                  segment->info.part == 0 ? ", its idempotency keys are lost: batches of that time "
                                            "may be stored twice when they are sent again"
                                          : "");
}

/* Oldest first: so keys come in the order of time, and the catalogue keeps the
 * newest generation of each name. */
static void read_names_and_keys(recovery *r)
{
    kis_store *s = r->store;
    kis_arena scratch;
    kis_diag why;

    kis_arena_init(&scratch, s->alloc, KIS_SEG_META_BYTES_MAX * 2);
    for (uint32_t i = 0; i < s->segments->count; i++) {
        kis_segment *segment = s->segments->at[i];
        if (segment->is_unknown)
            continue;
        kis_arena_clear(&scratch);
        r->segment = segment;
        if (segment->info.flags & KIS_SEG_NAMES_CUT)
            kis_catalog_leave_out_services(&s->catalog, segment->info.generation);
        if (kis_segment_read_start_data(segment, &scratch, note_segment_name, note_key, r, &why))
            read_names_of_blocks(r, segment, &scratch, &why);
    }
    kis_arena_done(&scratch);
}

/* ---- logs ------------------------------------------------------------------------------------ */

static void drop_older_attempts(recovery *r)
{
    kis_folder_file *logs = r->folder.logs.at;
    uint32_t kept = 0;
    kis_diag ignored;

    for (uint32_t i = 0; i < r->folder.logs.len; i++) {
        if (i + 1 < r->folder.logs.len && logs[i + 1].generation == logs[i].generation)
            (void)kis_wal_remove(r->store->os, r->store->options.dir, logs[i].generation,
                                 logs[i].number, &ignored);
        else
            logs[kept++] = logs[i];
    }
    r->folder.logs.len = kept;
}

static kis_err replay_record(void *user, kis_bytes body, uint64_t offset, kis_diag *diag)
{
    recovery *r = user;
    kis_store *s = r->store;
    kis_frame_head frame;

    kis_err err = kis_head_add(r->head, body, &s->catalog, &frame, diag);
    if (err)
        return kis_diag_in(diag, err, "at offset %llu", (unsigned long long)offset);
    kis_store_counter_add(&s->count.replayed_spans, frame.span_count);
    if (frame.key.len)
        note_key(r, r->head->keys.at[r->head->keys.len - 1]);
    return KIS_OK;
}

/* Where, what, and, of damage, what to do: nothing was changed, and no start will do it by itself,
 * for it loses spans. */
static kis_err explain_log(const recovery *r, kis_diag *diag, kis_err err, kis_folder_file file)
{
    kis_diag why = { 0 };

    if (diag)
        why = *diag;
    err = kis_diag_set(diag, err, "log file 'log-%016llx-%04x.wal': %s",
                       (unsigned long long)file.generation, (unsigned)file.number, why.text);
    if (err == KIS_ERR_CORRUPT && diag) {
        why = *diag;
        err = kis_diag_set(diag, err,
                           "%s; kiseki check --data '" KIS_FMT "' --repair-log keeps what reads "
                           "of it",
                           why.text, KIS_ARG(r->store->options.dir));
    }
    return err;
}

typedef struct loaded_log {
    kis_bytes bytes;
    size_t cap;
    kis_wal_header header;
    bool has_header;
} loaded_log;

static kis_err load_log(recovery *r, kis_folder_file file, loaded_log *out, kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_store *s = r->store;
    size_t len =
        kis_wal_path(path, sizeof path, s->options.dir, "log-", file.generation, file.number);

    kis_err err =
        kis_folder_read_file(s->os, s->alloc, kis_str_of(path, len), &out->bytes, &out->cap, diag);
    if (err)
        return err;
    err = kis_wal_read_header(out->bytes, &out->header, diag);
    out->has_header = !err;
    if (!err && (out->header.generation != file.generation || out->header.attempt != file.number))
        return explain_log(
            r, diag, kis_diag_set(diag, KIS_ERR_CORRUPT, "its header is another file's"), file);
    return err == KIS_ERR_SYNTAX ? KIS_OK : err;
}

/* A newest file without a header was being made when the machine stopped:
 * nothing in it was ever answered. */
static bool is_unborn(const loaded_log *log)
{
    return !log->has_header && !kis_wal_has_records(log->bytes);
}

static kis_err replay(recovery *r, kis_folder_file file, loaded_log *log, uint64_t length_known,
                      kis_wal_scan *scan, kis_diag *diag)
{
    kis_store *s = r->store;

    kis_head *head = kis_head_new(s->alloc, file.generation);
    if (!head)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the spans of the log");
    r->head = head;
    kis_err err = kis_wal_read(log->bytes, length_known, replay_record, r, scan, diag);
    if (err)
        goto fail;
    kis_head_slab slab = { .ptr = (uint8_t *)log->bytes.ptr,
                           .len = (size_t)scan->good_length,
                           .cap = log->cap,
                           .first = KIS_WAL_HEADER_BYTES };
    if (!kis_head_adopt_slab(head, slab)) {
        err = kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the spans of the log");
        goto fail;
    }
    *log = (loaded_log){ 0 }; /* the head's now */
    head->sequence = scan->last_sequence;
    head->wal_header = scan->header;
    if (head->rows)
        atomic_store_explicit(&head->opened_ns, s->os->ops->now_ns(s->os), memory_order_relaxed);
    kis_head_publish(head);
    if (scan->cut_bytes)
        kis_store_log(s, 2,
                      "the end of the log was torn: %llu bytes behind offset %llu were never "
                      "answered and are cut off (%s)",
                      (unsigned long long)scan->cut_bytes, (unsigned long long)scan->good_length,
                      scan->why);
    return KIS_OK;
fail:
    r->head = NULL;
    kis_head_unref(head);
    /* an older file without its header is damaged, not torn */
    err = err == KIS_ERR_SYNTAX ? KIS_ERR_CORRUPT : err;
    return explain_log(r, diag, err, file);
}

static kis_err take_head(recovery *r, kis_folder_file file, bool is_newest,
                         const kis_wal_scan *scan, kis_diag *diag)
{
    kis_store *s = r->store;
    kis_head *head = r->head;

    r->head = NULL;
    if (is_newest) {
        s->active = head;
        return kis_wal_reopen(&head->wal, s->os, s->options.dir, &head->wal_header,
                              scan->good_length, diag);
    }
    if (s->frozen_count == KIS_FROZEN_MAX) {
        kis_head_unref(head);
        return kis_diag_set(diag, KIS_ERR_RANGE, "more than %u log files", KIS_FROZEN_MAX);
    }
    head->wal = (kis_wal){ .os = s->os,
                           .dir = s->options.dir,
                           .generation = file.generation,
                           .attempt = file.number,
                           .synced = scan->good_length,
                           .reserved = head->slabs.at[0].cap };
    s->frozen[s->frozen_count++] = head;
    return KIS_OK;
}

static void free_log(recovery *r, loaded_log *log)
{
    r->store->alloc->give_back(r->store->alloc->user, (void *)log->bytes.ptr, log->cap);
    *log = (loaded_log){ 0 };
}

static kis_err replay_logs(recovery *r, kis_diag *diag)
{
    kis_store *s = r->store;
    loaded_log log = { 0 }, next = { 0 };
    kis_folder_file *files = r->folder.logs.at;
    kis_err err = KIS_OK;

    if (r->folder.logs.len)
        err = load_log(r, files[0], &log, diag);
    for (uint32_t i = 0; i < r->folder.logs.len && !err; i++) {
        bool is_newest = i + 1 == r->folder.logs.len;
        kis_wal_scan scan;
        if (!is_newest) {
            err = load_log(r, files[i + 1], &next, diag);
            if (err)
                break;
            if (i + 2 == r->folder.logs.len && is_unborn(&next)) {
                kis_diag ignored;
                (void)kis_wal_remove(s->os, s->options.dir, files[i + 1].generation,
                                     files[i + 1].number, &ignored);
                r->folder.logs.len--;
                is_newest = true;
            }
        } else if (is_unborn(&log)) {
            kis_diag ignored;
            (void)kis_wal_remove(s->os, s->options.dir, files[i].generation, files[i].number,
                                 &ignored);
            break;
        }
        bool is_told =
            !is_newest && next.has_header && next.header.previous_generation == files[i].generation;
        err = replay(r, files[i], &log, is_told ? next.header.previous_length : 0, &scan, diag);
        if (!err)
            err = take_head(r, files[i], is_newest, &scan, diag);
        if (!err)
            atomic_fetch_add_explicit(&s->log_bytes,
                                      is_newest ? s->active->wal.reserved
                                                : s->frozen[s->frozen_count - 1]->wal.reserved,
                                      memory_order_relaxed);
        r->newest_generation = KIS_MAX(r->newest_generation, files[i].generation);
        free_log(r, &log);
        log = next;
        next = (loaded_log){ 0 };
    }
    free_log(r, &log);
    free_log(r, &next);
    return err;
}

static kis_err first_head(recovery *r, kis_diag *diag)
{
    kis_store *s = r->store;
    kis_head *head = kis_head_new(s->alloc, r->newest_generation + 1);

    if (!head)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a head");
    head->wal_header = (kis_wal_header){ .generation = head->generation,
                                         .created_unix_ns = s->os->ops->now_unix_ns(s->os),
                                         .salt = kis_wal_new_salt(s->os, head->generation) };
    kis_err err = kis_wal_create(&head->wal, s->os, s->options.dir, &head->wal_header, diag);
    if (err) {
        kis_head_unref(head);
        return err;
    }
    atomic_fetch_add_explicit(&s->log_bytes, head->wal.reserved, memory_order_relaxed);
    s->active = head;
    return KIS_OK;
}

/* What has failed leaves what it had made in the store; kis_store_open takes it down. */
kis_err kis_store_recover(kis_store *s, kis_diag *diag)
{
    uint64_t began_ns = s->os->ops->now_ns(s->os),
             now_s = s->os->ops->now_unix_ns(s->os) / SECOND_NS;
    recovery r = { .store = s,
                   .keys_from_s = (uint32_t)(now_s > KIS_KEYS_AGE_S ? now_s - KIS_KEYS_AGE_S : 0) };

    kis_arena_init(&r.arena, s->alloc, RECOVER_BYTES_MAX);
    r.alloc = kis_arena_as_alloc(&r.arena);
    kis_err err = kis_folder_list(&r.folder, s->os, s->options.dir, &r.arena, diag);
    if (err)
        goto done;
    remove_leftovers(&r);
    drop_older_attempts(&r);
    err = open_segments(&r, diag);
    if (err)
        goto done;
    read_names_and_keys(&r);
    err = replay_logs(&r, diag);
    if (!err && !s->active)
        err = first_head(&r, diag);
    if (!err) {
        delete_unfinished(&r);
        bound_unknown_times(s);
        kis_catalog_set_oldest(&s->catalog, s->segments->count ? s->segments->at[0]->info.generation
                                            : s->frozen_count  ? s->frozen[0]->generation
                                                               : s->active->generation);
        kis_store_counter_add(&s->count.replay_ns, s->os->ops->now_ns(s->os) - began_ns);
    }
done:
    kis_arena_done(&r.arena);
    return err;
}
