/* flush.c - a frozen head becomes segment files.
 *
 *     rows ─> groups (one trace of one part) ─> by first start ─> blocks ─> tmp-… files, synced
 *          ─> renamed, folder synced
 *          ─> readers see segments instead of the head ─> log file removed
 *
 * A part is one file: a tenant's common spans, or those whose starts lie far from their receiving.
 * The log goes only when all parts are there under their names; a start that finds some of them
 * with the log still there deletes them and replays the log.
 */
#include "base/check.h"
#include "base/diag.h"
#include "store/row.h"
#include "store/segment_build.h"
#include "store/sort.h"
#include "store/state.h"

#define PARTS_MAX (KIS_HEAD_TENANTS_MAX * 2)
/* of bookkeeping: about 60 bytes a row of a head that is bounded itself */
#define FLUSH_BYTES_MAX ((size_t)1 << 30)
#define TICK_NS         ((uint64_t)250000000)

typedef struct row_group { /* rows of one trace in one part */
    uint64_t start;
    uint32_t first, count; /* in flush->rows */
    uint32_t part;
} row_group;

typedef struct flush_job {
    kis_store *store;
    kis_head *head;
    kis_block_codec *codec;
    kis_arena arena, scratch;
    uint32_t *rows;
    row_group *groups;
    uint32_t row_count, group_count, group_cap;
    kis_sort_key *order;         /* groups by start */
    uint32_t part_of[PARTS_MAX]; /* tenant * 2 + far -> part number, plus one */
    uint32_t part_keys[PARTS_MAX];
    uint32_t part_count;
    uint64_t duplicates, written_bytes;
    uint32_t done_rows;
} flush_job;

static kis_err no_memory_to_flush(kis_diag *diag)
{
    return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to write the spans out");
}

/* ---- in which order -------------------------------------------------------------------------- */

static bool is_far(const kis_head_row *row)
{
    uint64_t received = (uint64_t)row->received_s * 1000000000u;
    return (row->start_unix_ns > received ? row->start_unix_ns - received
                                          : received - row->start_unix_ns) > KIS_SEG_FAR_NS;
}

static uint32_t part_of_row(flush_job *job, const kis_head_row *row)
{
    uint32_t key = row->scope->resource->tenant * 2 + is_far(row);
    if (!job->part_of[key]) {
        job->part_keys[job->part_count] = key;
        job->part_of[key] = ++job->part_count;
    }
    return job->part_of[key] - 1;
}

static bool add_to_group(flush_job *job, uint32_t first_group, uint32_t part, uint64_t start)
{
    for (uint32_t g = first_group; g < job->group_count; g++)
        if (job->groups[g].part == part) {
            job->groups[g].start = KIS_MIN(job->groups[g].start, start);
            job->groups[g].count++;
            return true;
        }
    if (job->group_count == job->group_cap) {
        uint32_t cap = job->group_cap ? job->group_cap * 2 : 4096;
        row_group *grown = kis_arena_grow(&job->arena, job->groups, job->group_cap * sizeof *grown,
                                          cap * sizeof *grown, 8);
        if (!grown)
            return false;
        job->groups = grown;
        job->group_cap = cap;
    }
    job->groups[job->group_count++] = (row_group){ .start = start, .count = 1, .part = part };
    return true;
}

/* The rows of one trace: counted into groups by part, then laid out group by group. */
static bool gather_trace(flush_job *job, uint32_t newest)
{
    uint32_t first_group = job->group_count;

    for (uint32_t at = newest; at;) {
        const kis_head_row *row = kis_head_row_at(job->head, at - 1);
        if (row->scope &&
            !add_to_group(job, first_group, part_of_row(job, row), row->start_unix_ns))
            return false;
        at = row->previous;
    }
    for (uint32_t g = first_group; g < job->group_count; g++) {
        job->groups[g].first = job->row_count;
        for (uint32_t at = newest; at;) {
            const kis_head_row *row = kis_head_row_at(job->head, at - 1);
            if (row->scope && part_of_row(job, row) == job->groups[g].part)
                job->rows[job->row_count++] = at - 1;
            at = row->previous;
        }
    }
    return true;
}

static kis_err gather(flush_job *job, kis_diag *diag)
{
    const kis_head_table *table = atomic_load(&job->head->table);

    job->rows = KIS_NEW_ARRAY(&job->arena, uint32_t, (size_t)job->head->rows + 1);
    if (!job->rows)
        return no_memory_to_flush(diag);
    for (uint32_t i = 0; i < table->slot_count; i++) {
        uint64_t slot = atomic_load_explicit(&table->slots[i], memory_order_relaxed);
        if (slot && !gather_trace(job, (uint32_t)slot))
            return no_memory_to_flush(diag);
    }
    job->order = KIS_NEW_ARRAY(&job->arena, kis_sort_key, (size_t)job->group_count * 2 + 1);
    if (!job->order)
        return no_memory_to_flush(diag);
    for (uint32_t i = 0; i < job->group_count; i++)
        job->order[i] = (kis_sort_key){ job->groups[i].start, i };
    kis_sort_keys(job->order, job->order + job->group_count, job->group_count);
    return KIS_OK;
}

typedef struct sorted_row {
    uint64_t start;
    kis_span_id span_id;
    uint32_t row;
    uint8_t kind;
} sorted_row;

static bool row_before(const void *a, const void *b)
{
    const sorted_row *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start;
    int order = memcmp(&x->span_id, &y->span_id, 8);
    return order < 0 || (order == 0 && x->kind < y->kind);
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool must_stop(kis_store *s)
{
    kis_lock_take(&s->lock);
    bool stop = s->is_stopping;
    kis_lock_give(&s->lock);
    return stop;
}

/* Rows of a trace lie far apart in the slabs: they are on their way to the cache while
 * the group before is written. */
static void prefetch_group(const flush_job *job, const row_group *group)
{
    for (uint32_t i = 0; i < group->count && i < 64; i++) {
        const uint8_t *row = kis_head_row_at(job->head, job->rows[group->first + i])->row;
        for (size_t line = 0; line < 384; line += 64)
            __builtin_prefetch(row + line);
    }
}

static kis_err write_group(flush_job *job, kis_seg_builder *builder, const row_group *group,
                           kis_diag *diag)
{
    const kis_head *head = job->head;

    kis_arena_clear(&job->scratch);
    sorted_row *sorted = KIS_NEW_ARRAY(&job->scratch, sorted_row, group->count);
    if (!sorted)
        return no_memory_to_flush(diag);
    for (uint32_t i = 0; i < group->count; i++) {
        uint32_t at = job->rows[group->first + i];
        const kis_head_row *row = kis_head_row_at(head, at);
        sorted[i] = (sorted_row){ row->start_unix_ns, *kis_row_span_id(row->row), at,
                                  kis_row_kind(row->row) };
    }
    if (!kis_sort(&job->scratch, sorted, group->count, sizeof *sorted, row_before))
        return no_memory_to_flush(diag);
    for (uint32_t i = 0; i < group->count; i++) {
        const kis_head_row *row = kis_head_row_at(head, sorted[i].row);
        kis_cursor c = { row->row, row->row + kis_row_bytes(row->row) };
        kis_span_view span;
        /* equal in trace, span, kind and start: a resend */
        if (i && !row_before(&sorted[i - 1], &sorted[i])) {
            job->duplicates++;
            continue;
        }
        if (!kis_row_decode(&c, &span))
            return kis_diag_set(diag, KIS_ERR_CORRUPT, "a row in memory does not read");
        kis_err err = kis_seg_build_row(builder, &span, row->scope,
                                        (uint64_t)row->received_s * 1000000000u, diag);
        if (err)
            return err;
    }
    job->done_rows += group->count;
    return KIS_OK;
}

static kis_err write_part(flush_job *job, uint32_t part, kis_diag *diag)
{
    kis_store *s = job->store;
    kis_head *head = job->head;
    kis_seg_builder builder;
    kis_seg_info info = { .generation = head->generation,
                          .part = part,
                          .flags = job->part_keys[part] & 1 ? KIS_SEG_IS_FAR : 0,
                          .tenant = head->tenants[job->part_keys[part] / 2] };
    uint32_t told = job->done_rows;

    kis_err err = kis_seg_build_start(&builder, s->os, s->alloc, &job->arena, job->codec,
                                      s->options.dir, &info, diag);
    for (uint32_t i = 0; !err && i < job->group_count; i++) {
        const row_group *group = &job->groups[job->order[i].value];
        if (group->part != part)
            continue;
        if (i + 1 < job->group_count)
            prefetch_group(job, &job->groups[job->order[i + 1].value]);
        err = write_group(job, &builder, group, diag);
        if (job->done_rows - told < 2048)
            continue;
        told = job->done_rows;
        atomic_store_explicit(&head->flushed, told, memory_order_relaxed);
        kis_lock_take(&s->lock);
        kis_cond_broadcast(&s->changed); /* the writer may go on a little */
        kis_lock_give(&s->lock);
        if (!err && must_stop(s))
            err = kis_diag_set(diag, KIS_ERR_CLOSED, "the store is being closed");
    }
    if (!err) /* the keys of all batches go with the first part */
        err = kis_seg_build_finish(&builder, job->part_count, head->keys.at,
                                   part == 0 ? head->keys.len : 0, diag);
    kis_seg_build_done(&builder, err == KIS_OK);
    return err;
}

/* ---- the next log ---------------------------------------------------------------------------- */

/* Making a file waits for the disk more than once, and would do so while senders wait for the
 * writer. So it is made when the active head is half full. */
static void prepare_next_log(kis_store *s)
{
    kis_wal log = { 0 };
    kis_diag ignored; /* the writer makes its own then, and says what is wrong */

    kis_lock_take(&s->lock);
    bool must = s->wants_next_log && !s->next_log.os && !s->is_next_log_claimed;
    uint64_t generation = s->active->generation + 1;
    s->wants_next_log = false;
    s->is_next_log_claimed |= must;
    kis_lock_give(&s->lock);
    if (!must)
        return;
    kis_err err = kis_wal_prepare(&log, s->os, s->options.dir, generation, &ignored);
    kis_lock_take(&s->lock);
    s->is_next_log_claimed = false;
    if (!err) {
        s->next_log = log;
        kis_store_counter_add(&s->log_bytes, log.reserved);
    }
    kis_cond_broadcast(&s->changed);
    kis_lock_give(&s->lock);
}

/* ---- from head to segments ------------------------------------------------------------------- */

static kis_err rename_parts(flush_job *job, kis_diag *diag)
{
    char from[KIS_STORE_PATH_MAX], to[KIS_STORE_PATH_MAX];
    kis_os *os = job->store->os;
    kis_str dir = job->store->options.dir;

    for (uint32_t part = 0; part < job->part_count; part++) {
        kis_str from_name = { from, kis_segment_path(from, sizeof from, dir, "tmp-",
                                                     job->head->generation, part) };
        kis_str to_name = { to, kis_segment_path(to, sizeof to, dir, "seg-", job->head->generation,
                                                 part) };
        kis_err err = os->ops->rename(os, from_name, to_name, diag);
        if (err)
            return err;
    }
    return os->ops->sync_dir(os, dir, diag);
}

static uint64_t pinned_bytes(const kis_segment_set *set)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < set->count; i++)
        bytes += set->at[i]->pinned ? set->at[i]->pinned_bytes : 0;
    return bytes;
}

/* The old set and the new parts. */
static kis_err extend_set(flush_job *job, kis_segment_set **out, kis_diag *diag)
{
    kis_store *s = job->store;
    const kis_segment_set *old = s->segments;
    bool pin = pinned_bytes(old) < KIS_INDEX_PINNED_BYTES_MAX;
    kis_segment_set *set = kis_segment_set_new(s->alloc, old->count + job->part_count);

    if (!set)
        return no_memory_to_flush(diag);
    for (uint32_t part = 0; part < job->part_count; part++) {
        kis_err err = kis_segment_open(s->os, s->alloc, s->options.dir, job->head->generation, part,
                                       pin, &set->at[old->count + part], diag);
        if (err) {
            kis_segment_set_unref(set);
            return err;
        }
        set->at[old->count + part]->dir_bytes = &s->segment_bytes;
        job->written_bytes += set->at[old->count + part]->file_bytes;
    }
    for (uint32_t i = 0; i < old->count; i++)
        set->at[i] = kis_segment_ref(old->at[i]);
    *out = set;
    return KIS_OK;
}

/* Readers see the segments from here on, and not the head. */
static void exchange(flush_job *job, kis_segment_set *set)
{
    kis_store *s = job->store;

    kis_lock_take(&s->lock);
    kis_segment_set *old = s->segments;
    KIS_ASSERT(s->frozen[0] == job->head);
    s->segments = set;
    s->frozen_count--;
    memmove(&s->frozen[0], &s->frozen[1], s->frozen_count * sizeof s->frozen[0]);
    s->is_flush_failing = false;
    kis_cond_broadcast(&s->changed);
    kis_lock_give(&s->lock);
    kis_segment_set_unref(old);
}

static void remove_log(kis_store *s, kis_head *head)
{
    kis_diag diag;

    atomic_fetch_sub_explicit(&s->log_bytes, head->wal.reserved, memory_order_relaxed);
    kis_wal_close(&head->wal);
    /* a rewrite that failed at its end has left a file, too: alone, it would be replayed when
     * retention has taken the segments */
    if (kis_wal_remove_attempts(s->os, s->options.dir, head->generation, 0,
                                head->wal_header.attempt, &diag))
        /* the next start removes it */
        kis_store_log(s, 2, "a log file that is not needed any more stays: %s", diag.text);
}

static kis_err write_head(flush_job *job, kis_diag *diag)
{
    kis_segment_set *set = NULL;

    kis_err err = gather(job, diag);
    for (uint32_t part = 0; !err && part < job->part_count; part++)
        err = write_part(job, part, diag);
    if (!err)
        /* the writer may be waiting for this flush only to go on with it */
        prepare_next_log(job->store);
    if (!err && job->part_count)
        err = rename_parts(job, diag);
    if (!err)
        err = extend_set(job, &set, diag);
    if (!err)
        exchange(job, set);
    return err;
}

static void count_flush(flush_job *job, uint64_t began_ns)
{
    kis_store *s = job->store;
    kis_store_counter_add(&s->count.flushes, 1);
    kis_store_counter_add(&s->count.flush_ns_total, s->os->ops->now_ns(s->os) - began_ns);
    kis_store_counter_add(&s->count.spans_duplicate, job->duplicates);
    kis_store_counter_add(&s->segment_bytes, job->written_bytes);
}

static void flush_failed(kis_store *s, const kis_diag *diag)
{
    kis_store_counter_add(&s->count.flush_failures, 1);
    kis_store_log(s, 3,
                  "the spans in memory could not be written out (they are safe in the log): %s",
                  diag->text);
    kis_lock_take(&s->lock);
    s->is_flush_failing = true;
    kis_cond_broadcast(&s->changed);
    kis_lock_give(&s->lock);
}

static void flush_head(kis_store *s, kis_head *head)
{
    flush_job job = { .store = s, .head = head };
    uint64_t began_ns = s->os->ops->now_ns(s->os);
    kis_diag diag;

    kis_arena_init(&job.arena, s->alloc, FLUSH_BYTES_MAX);
    kis_arena_init(&job.scratch, s->alloc, FLUSH_BYTES_MAX);
    job.codec = kis_block_codec_new(s->alloc);
    /* kept before the flush, not after */
    kis_store_retain(s, atomic_load_explicit(&head->bytes, memory_order_relaxed) / 4);
    kis_err err = job.codec ? write_head(&job, &diag) : no_memory_to_flush(&diag);
    kis_block_codec_free(job.codec);
    kis_arena_done(&job.arena);
    kis_arena_done(&job.scratch);
    if (err == KIS_ERR_CLOSED)
        return;
    if (err) {
        flush_failed(s, &diag);
        return;
    }
    count_flush(&job, began_ns);
    remove_log(s, head);
    kis_lock_take(&s->lock);
    /* what kis_store_flush waits for: counted, and the log gone */
    s->flushed_generation = head->generation;
    kis_cond_broadcast(&s->changed);
    kis_lock_give(&s->lock);
    kis_head_unref(head);
    kis_store_retain(s, 0);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void ask_for_rotation_by_age(kis_store *s)
{
    uint64_t now = s->os->ops->now_ns(s->os);

    kis_lock_take(&s->lock);
    uint64_t generation = s->active->generation,
             opened = atomic_load_explicit(&s->active->opened_ns, memory_order_relaxed);
    kis_lock_give(&s->lock);
    if (!opened || now < opened || now - opened < (uint64_t)s->options.flush_after_ns)
        return;
    kis_lock_take(&s->queue_lock);
    s->rotate_wanted = KIS_MAX(s->rotate_wanted, generation);
    kis_cond_signal(&s->queue_filled);
    kis_lock_give(&s->queue_lock);
}

void kis_flusher_run(void *user)
{
    kis_store *s = user;
    uint64_t retry_ns = 0,
             wait_ns = KIS_RETRY_NS_MIN; /* after a failure: when, and how long the next time */

    for (;;) {
        kis_lock_take(&s->lock);
        uint64_t until = retry_ns ? retry_ns : kis_now_ns() + TICK_NS;
        while (!s->is_stopping && !s->wants_next_log && (!s->frozen_count || retry_ns) &&
               kis_cond_wait_until(&s->changed, &s->lock, until)) {
        }
        kis_head *head = s->frozen_count && kis_now_ns() >= retry_ns ? s->frozen[0] : NULL;
        bool stop = s->is_stopping;
        kis_lock_give(&s->lock);
        if (stop)
            break;
        prepare_next_log(s);
        if (head) {
            flush_head(s, head);
            kis_lock_take(&s->lock);
            retry_ns = s->is_flush_failing ? kis_now_ns() + wait_ns : 0;
            wait_ns =
                s->is_flush_failing ? KIS_MIN(wait_ns * 2, KIS_RETRY_NS_MAX) : KIS_RETRY_NS_MIN;
            kis_lock_give(&s->lock);
        } else {
            kis_store_retain(s, 0);
            ask_for_rotation_by_age(s);
        }
    }
    kis_store_retain_end(s);
}
