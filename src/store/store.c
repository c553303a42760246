/* store.c - opening, closing, counting. */
#include "store/store.h"

#include <stdarg.h>

#include "base/diag.h"
#include "base/fmt.h"
#include "store/folder.h"
#include "store/state.h"

#define LOG_LINE_MAX 512

void kis_store_log(kis_store *s, int level, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list args;

    if (!s->options.log)
        return;
    va_start(args, format);
    kis_fmt_v(line, sizeof line, format, args);
    va_end(args);
    s->options.log(s->options.log_user, level, line);
}

/* ---- opening --------------------------------------------------------------------------------- */

static kis_store *store_new(const kis_store_options *options)
{
    kis_store *s = options->alloc->take(options->alloc->user, sizeof *s);
    if (!s)
        return NULL;
    *s = (kis_store){ .options = *options, .os = options->os, .alloc = options->alloc };
    s->reader.ops = &kis_store_reader_ops;
    kis_lock_init(&s->lock, KIS_RANK_STORE);
    kis_lock_init(&s->queue_lock, KIS_RANK_STORE_WAL);
    kis_cond_init(&s->changed);
    kis_cond_init(&s->queue_filled);
    kis_cond_init(&s->queue_answered);
    kis_catalog_init(&s->catalog, s->alloc);
    kis_block_cache_init(&s->cache, s->alloc, KIS_BLOCK_CACHE_BYTES);
    kis_keys_init(&s->keys, s->alloc);
    return s;
}

static void store_free(kis_store *s)
{
    const kis_alloc *alloc = s->alloc;

    kis_head_unref(s->active);
    for (uint32_t i = 0; i < s->frozen_count; i++)
        kis_head_unref(s->frozen[i]);
    kis_segment_set_unref(s->segments);
    kis_wal_drop(&s->next_log); /* nothing is in it */
    kis_keys_done(&s->keys);
    kis_block_cache_done(&s->cache);
    kis_catalog_done(&s->catalog);
    if (s->lock_file.handle)
        s->os->ops->close(s->os, s->lock_file);
    kis_cond_done(&s->changed);
    kis_cond_done(&s->queue_filled);
    kis_cond_done(&s->queue_answered);
    kis_lock_done(&s->lock);
    kis_lock_done(&s->queue_lock);
    alloc->give_back(alloc->user, s, sizeof *s);
}

static void fill_in_options(kis_store_options *o)
{
    o->head_bytes = o->head_bytes ? o->head_bytes : KIS_HEAD_BYTES_DEFAULT;
    o->head_bytes = KIS_MAX(KIS_MIN(o->head_bytes, KIS_HEAD_BYTES_MAX), KIS_HEAD_BYTES_MIN);
    o->pending_bytes = o->pending_bytes ? o->pending_bytes : KIS_PENDING_BYTES_DEFAULT;
    o->flush_after_ns = o->flush_after_ns > 0 ? o->flush_after_ns : KIS_FLUSH_AFTER_NS_DEFAULT;
}

/* The bytes to keep within, and a head small enough that its log and
 * segment leave room for others. */
static void settle_disk(kis_store *s)
{
    uint64_t free_bytes, total_bytes;

    s->keep_bytes = s->options.keep_bytes;
    if (!s->keep_bytes) {
        s->keep_bytes = KIS_KEEP_BYTES_DEFAULT;
        if (s->os->ops->disk_free(s->os, s->options.dir, &free_bytes, &total_bytes, NULL) == KIS_OK)
            s->keep_bytes =
                KIS_MAX(KIS_MIN(s->keep_bytes, (free_bytes + atomic_load(&s->segment_bytes)) / 5),
                        KIS_STORE_KEEP_BYTES_MIN);
    }
    s->options.head_bytes =
        KIS_MAX(KIS_MIN(s->options.head_bytes, s->keep_bytes / 6), KIS_HEAD_BYTES_MIN);
}

static void ignore_name(void *user, kis_str name)
{
    (void)user;
    (void)name;
}

/* A new folder lasts only when the folders above it know of it. One that may not even be listed is
 * somebody else's, and older than ours. */
static kis_err sync_folders_above(kis_store *s, kis_diag *diag)
{
    const kis_os_ops *ops = s->os->ops;
    kis_diag ignored;

    for (size_t len = s->options.dir.len; len-- > 0;) {
        kis_str above = kis_str_slice(s->options.dir, 0, len ? len : 1);
        if (s->options.dir.ptr[len] != '/' ||
            ops->list_dir(s->os, above, ignore_name, NULL, &ignored) != KIS_OK)
            continue;
        kis_err err = ops->sync_dir(s->os, above, diag);
        if (err)
            return err;
    }
    return KIS_OK;
}

static kis_err prepare_folder(kis_store *s, kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_str dir = s->options.dir;

    /* the version before anything is made or locked: a newer folder is not touched */
    kis_err err = kis_folder_read_version(s->os, dir, diag);
    if (err == KIS_ERR_NOT_FOUND) /* nor is somebody else's */
        err = kis_folder_judge_new(s->os, dir, diag);
    if (err && err != KIS_ERR_NOT_FOUND)
        return err;
    err = s->os->ops->make_dir(s->os, dir, diag);
    if (err)
        return err;
    size_t len = kis_fmt(path, sizeof path, KIS_FMT "/lock", KIS_ARG(dir));
    err = s->os->ops->lock(s->os, kis_str_of(path, len), &s->lock_file, diag);
    if (err == KIS_ERR_RANGE)
        return kis_diag_set(diag, err, "another process has it open; ask that server, or stop it");
    if (err)
        return err;
    err = kis_folder_read_version(s->os, dir, diag);
    if (err != KIS_ERR_NOT_FOUND)
        return err;
    err = sync_folders_above(s, diag);
    return err ? err : kis_folder_write_version(s->os, dir, diag);
}

static kis_err start_threads(kis_store *s, kis_diag *diag)
{
    kis_err err = kis_thread_start(&s->writer, "kis-store-write", kis_writer_run, s, diag);
    if (!err && !s->is_memory)
        err = kis_thread_start(&s->flusher, "kis-store-flush", kis_flusher_run, s, diag);
    return err;
}

static void stop_threads(kis_store *s)
{
    kis_lock_take(&s->queue_lock);
    s->is_closed = true;
    kis_cond_broadcast(&s->queue_filled);
    kis_lock_give(&s->queue_lock);
    if (s->writer.is_started)
        kis_thread_join(&s->writer); /* answers everything that was pushed */
    kis_lock_take(&s->lock);
    s->is_stopping = true;
    kis_cond_broadcast(&s->changed);
    kis_lock_give(&s->lock);
    if (s->flusher.is_started)
        kis_thread_join(&s->flusher);
}

kis_err kis_store_open(const kis_store_options *options, kis_store **out, kis_diag *diag)
{
    kis_store *s;

    if (!options->dir.len || options->dir.len >= KIS_STORE_PATH_MAX - 64)
        return kis_diag_set(diag, KIS_ERR_RANGE,
                            "the data directory's name has %zu bytes, want 1 to %u",
                            options->dir.len, KIS_STORE_PATH_MAX - 65);
    if (options->keep_bytes && options->keep_bytes < KIS_STORE_KEEP_BYTES_MIN)
        return kis_diag_set(diag, KIS_ERR_RANGE, "keep_bytes is %llu, want at least %llu",
                            (unsigned long long)options->keep_bytes,
                            (unsigned long long)KIS_STORE_KEEP_BYTES_MIN);
    s = store_new(options);
    if (!s)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a store");
    s->sink.ops = &kis_store_sink_ops;
    memcpy(s->dir_text, options->dir.ptr, options->dir.len);
    s->options.dir = kis_str_of(s->dir_text, options->dir.len);
    fill_in_options(&s->options);
    kis_err err = prepare_folder(s, diag);
    if (!err)
        err = kis_store_recover(s, diag);
    if (!err) {
        settle_disk(s);
        err = start_threads(s, diag);
    }
    if (err) {
        stop_threads(s);
        store_free(s);
        return kis_diag_in(diag, err, "store '" KIS_FMT "'", KIS_ARG(options->dir));
    }
    *out = s;
    return KIS_OK;
}

kis_err kis_store_open_memory(const kis_alloc *alloc, kis_os *os, uint64_t max_bytes,
                              kis_store **out, kis_diag *diag)
{
    kis_store_options options = { .os = os, .alloc = alloc };
    kis_store *s = store_new(&options);

    if (!s)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a store");
    s->sink.ops = &kis_memory_sink_ops;
    s->is_memory = true;
    s->memory_max_bytes = max_bytes;
    fill_in_options(&s->options);
    /* so an eighth is forgotten at a time */
    s->options.head_bytes = KIS_MAX(max_bytes / 8, KIS_HEAD_BYTES_MIN);
    s->segments = kis_segment_set_new(alloc, 0);
    s->active = s->segments ? kis_head_new(alloc, 1) : NULL;
    kis_err err = s->active ? start_threads(s, diag)
                            : kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a store");
    if (err) {
        stop_threads(s);
        store_free(s);
        return err;
    }
    *out = s;
    return KIS_OK;
}

void kis_store_close(kis_store *s)
{
    if (!s)
        return;
    stop_threads(s);
    store_free(s);
}

/* ---- asking ---------------------------------------------------------------------------------- */

kis_sink *kis_store_sink(kis_store *s)
{
    return &s->sink;
}

kis_reader *kis_store_reader(kis_store *s)
{
    return &s->reader;
}

kis_err kis_store_flush(kis_store *s, uint64_t deadline_ns, kis_diag *diag)
{
    if (s->is_memory)
        return KIS_OK;
    kis_lock_take(&s->lock);
    uint64_t target = kis_head_published(s->active) ? s->active->generation
                      : s->frozen_count             ? s->frozen[s->frozen_count - 1]->generation
                                                    : 0;
    bool must_rotate = target == s->active->generation;
    uint64_t failures = atomic_load(&s->count.flush_failures);
    kis_lock_give(&s->lock);
    if (must_rotate) {
        kis_lock_take(&s->queue_lock);
        s->rotate_wanted = KIS_MAX(s->rotate_wanted, target);
        kis_cond_signal(&s->queue_filled);
        kis_lock_give(&s->queue_lock);
    }
    kis_lock_take(&s->lock);
    bool in_time = true;
    while (s->flushed_generation < target && in_time &&
           atomic_load(&s->count.flush_failures) == failures && !s->is_stopping)
        in_time = kis_cond_wait_until(&s->changed, &s->lock, deadline_ns);
    bool is_done = s->flushed_generation >= target;
    kis_lock_give(&s->lock);
    if (is_done)
        return KIS_OK;
    return in_time
               ? kis_diag_set(
                     diag, KIS_ERR_IO,
                     "the spans in memory could not be written out; they are safe in the log")
               : kis_diag_set(diag, KIS_ERR_TIMEOUT, "the spans in memory are not written out yet");
}

static void fill_counters(const kis_store_counters *c, kis_store_stats *out)
{
#define KIS_STORE_COPY_COUNT(name) out->name = atomic_load_explicit(&c->name, memory_order_relaxed)
    KIS_STORE_COPY_COUNT(spans_stored);
    KIS_STORE_COPY_COUNT(spans_duplicate);
    KIS_STORE_COPY_COUNT(batches_stored);
    KIS_STORE_COPY_COUNT(batches_repeated);
    KIS_STORE_COPY_COUNT(bytes_logged);
    KIS_STORE_COPY_COUNT(syncs);
    KIS_STORE_COPY_COUNT(sync_ns_total);
    KIS_STORE_COPY_COUNT(sync_ns_max);
    KIS_STORE_COPY_COUNT(flushes);
    KIS_STORE_COPY_COUNT(flush_ns_total);
    KIS_STORE_COPY_COUNT(flush_failures);
    KIS_STORE_COPY_COUNT(segments_deleted);
    KIS_STORE_COPY_COUNT(spans_deleted);
    KIS_STORE_COPY_COUNT(refused_full);
    KIS_STORE_COPY_COUNT(refused_disk);
    KIS_STORE_COPY_COUNT(write_errors);
    KIS_STORE_COPY_COUNT(sync_errors);
    KIS_STORE_COPY_COUNT(damaged_blocks);
    KIS_STORE_COPY_COUNT(replayed_spans);
    KIS_STORE_COPY_COUNT(replay_ns);
#undef KIS_STORE_COPY_COUNT
}

kis_store_stats kis_store_get_stats(kis_store *s)
{
    kis_store_stats out = { 0 };

    fill_counters(&s->count, &out);
    kis_lock_take(&s->lock);
    out.is_flush_failing = s->is_flush_failing;
    for (uint32_t i = 0; i <= s->frozen_count; i++) {
        const kis_head *head = i < s->frozen_count ? s->frozen[i] : s->active;
        out.head_bytes += atomic_load_explicit(&head->bytes, memory_order_relaxed);
        out.head_spans += kis_head_published(head);
    }
    out.segment_count = s->segments->count;
    for (uint32_t i = 0; i < s->segments->count; i++) {
        out.segments_left_out += s->segments->at[i]->is_left_out;
        out.segment_spans += s->segments->at[i]->info.row_count;
        out.index_bytes += sizeof **s->segments->at +
                           (s->segments->at[i]->pinned ? s->segments->at[i]->pinned_bytes : 0);
    }
    kis_lock_give(&s->lock);
    kis_lock_take(&s->queue_lock);
    out.pending_bytes = s->pending_bytes;
    kis_lock_give(&s->queue_lock);
    out.index_bytes += kis_catalog_bytes(&s->catalog);
    out.disk_bytes = atomic_load_explicit(&s->segment_bytes, memory_order_relaxed) +
                     atomic_load_explicit(&s->log_bytes, memory_order_relaxed);
    out.disk_limit_bytes = s->keep_bytes;
    out.write_err = atomic_load_explicit(&s->write_err, memory_order_relaxed);
    out.is_write_failing = out.write_err != KIS_OK;
    out.is_disk_full = atomic_load_explicit(&s->is_disk_full, memory_order_relaxed);
    return out;
}
