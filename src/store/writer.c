/* writer.c - from push to `done`: group commit.
 *
 *     take what has gathered ─> encode into the head's slabs ─> enter rows, unpublished ─> write
 *          ─> one sync ─> publish ─> answer all
 *
 * Entering comes before writing, so that after the sync nothing can fail any more;
 * what fails before leaves dead rows.
 * While one group is being synced the next gathers, so the rate does not depend on the disk's sync
 * time, only the answer time does.
 *
 * Between two answers lies about one group: it is as large as what is entered in the time of a
 * sync, but at least KIS_GROUP_BYTES_MIN and at most _MAX, and it ends where the active head does.
 * So many senders at once are answered in a stream and not in a row, a slow disk still gets large
 * writes, and nobody who is on the disk waits for the flush that makes room for the next.
 *
 * A repeat of a key that is in the same group waits for the first one's answer; one that comes
 * later finds the key remembered, or, when the first one failed, is stored like a new one.
 */
#include "base/check.h"
#include "base/diag.h"
#include "base/fmt.h"
#include "store/state.h"

#define SECOND_NS 1000000000u

/* ---- answering ------------------------------------------------------------------------------- */

static void answer(kis_done done, kis_err err, uint64_t retry_after_ms, const char *reason)
{
    kis_sink_result result = { .err = err,
                               .retry_after_ms = retry_after_ms,
                               .reason = kis_str_from_c(reason) };
    done.call(done.user, &result);
}

static void answer_group(kis_store *s, kis_push *group)
{
    uint64_t bytes = 0, count = 0;

    for (kis_push *p = group, *next; p; p = next) {
        const kis_push *as = p->same_as ? p->same_as : p;
        next = p->next;
        answer(p->done, as->err, as->retry_after_ms, as->err ? as->reason : NULL);
        kis_batch_unref(p->batch);
        p->batch = NULL;
        bytes += p->bytes;
        count++;
    }
    /* only now: `same_as` may point to any of them */
    for (kis_push *p = group, *next; p; p = next) {
        next = p->next;
        s->alloc->give_back(s->alloc->user, p, sizeof *p);
    }
    kis_lock_take(&s->queue_lock);
    s->pending_bytes -= bytes;
    s->answered += count;
    kis_cond_broadcast(&s->queue_answered);
    kis_lock_give(&s->queue_lock);
}

static void refuse(kis_push *p, kis_err err, uint64_t retry_after_ms, const char *reason)
{
    p->err = err;
    p->retry_after_ms = retry_after_ms;
    p->reason = reason;
}

/* ---- pushing: any thread --------------------------------------------------------------------- */

static uint64_t batch_bytes(const kis_batch *batch)
{
    return sizeof *batch + batch->arena.held_bytes + KIS_MAX(batch->body_cap, batch->body.len);
}

static void store_push(kis_sink *sink, kis_batch *batch, kis_done done)
{
    kis_store *s = KIS_CONTAINER(sink, kis_store, sink);
    uint64_t bytes = batch_bytes(batch);

    kis_push *push = s->alloc->take(s->alloc->user, sizeof *push);
    if (!push) {
        answer(done, KIS_ERR_NOMEM, 0, "no memory to queue the batch");
        return;
    }
    *push = (kis_push){ .batch = kis_batch_ref(batch), .done = done, .bytes = bytes };
    kis_lock_take(&s->queue_lock);
    bool is_closed = s->is_closed,
         is_full = s->pending_bytes && s->pending_bytes + bytes > s->options.pending_bytes;
    if (!is_closed && !is_full) {
        s->pending_bytes += bytes;
        s->pushed++;
        if (s->queue_last)
            s->queue_last->next = push;
        else
            s->queue_first = push;
        s->queue_last = push;
        kis_cond_signal(&s->queue_filled);
    }
    kis_lock_give(&s->queue_lock);
    if (!is_closed && !is_full)
        return;
    kis_batch_unref(batch);
    s->alloc->give_back(s->alloc->user, push, sizeof *push);
    kis_store_counter_add(&s->count.refused_full, is_full);
    if (is_closed)
        answer(done, KIS_ERR_CLOSED, 0, "the store is closed");
    else
        answer(done, KIS_ERR_FULL, 200, "more is waiting to be written than the store holds");
}

static kis_err store_flush_pushes(kis_sink *sink, uint64_t deadline_ns)
{
    kis_store *s = KIS_CONTAINER(sink, kis_store, sink);
    bool in_time = true;

    kis_lock_take(&s->queue_lock);
    uint64_t want = s->pushed;
    while (s->answered < want && in_time)
        in_time = kis_cond_wait_until(&s->queue_answered, &s->queue_lock, deadline_ns);
    bool is_done = s->answered >= want;
    kis_lock_give(&s->queue_lock);
    return is_done ? KIS_OK : KIS_ERR_TIMEOUT;
}

/* Closing the sink means: no push after it, and every `done` has come.
 * The store itself goes with kis_store_close. */
static void store_sink_close(kis_sink *sink)
{
    (void)store_flush_pushes(sink, UINT64_MAX);
}

const kis_sink_ops kis_store_sink_ops = { "store", KIS_PROMISE_DURABLE, store_push,
                                          store_flush_pushes, store_sink_close };
const kis_sink_ops kis_memory_sink_ops = { "memory", KIS_PROMISE_MEMORY, store_push,
                                           store_flush_pushes, store_sink_close };

/* ---- the log --------------------------------------------------------------------------------- */

static void mark_dead(uint8_t *record)
{
    memset(record, 0, 4); /* its magic; the length stays, to walk over it */
}

static bool is_dead(const uint8_t *record)
{
    uint32_t magic;
    memcpy(&magic, record, 4);
    return magic == 0;
}

static size_t record_size(const uint8_t *record)
{
    uint32_t body;
    memcpy(&body, record + 4, 4);
    return KIS_WAL_RECORD_HEADER_BYTES + (size_t)body;
}

typedef struct slab_mark { /* a place in a head's slabs */
    uint32_t slab;
    size_t offset;
} slab_mark;

static slab_mark mark_of(const kis_head *head)
{
    if (!head->slabs.len)
        return (slab_mark){ 0, 0 };
    return (slab_mark){ head->slabs.len - 1, head->slabs.at[head->slabs.len - 1].len };
}

typedef struct group_start { /* where the active head stood; a group that fails leaves it so */
    slab_mark records;
    uint32_t rows, keys;
} group_start;

static group_start start_at(const kis_head *head)
{
    return (group_start){ mark_of(head), head->rows, head->keys.len };
}

/* Writes the live records from `from` on, neighbours in one call. */
static kis_err write_records(kis_wal *wal, const kis_head *head, slab_mark from, kis_diag *diag)
{
    for (uint32_t i = from.slab; i < head->slabs.len; i++) {
        const kis_head_slab *slab = &head->slabs.at[i];
        size_t at = i == from.slab ? KIS_MAX(from.offset, slab->first) : slab->first, begin = at;
        while (at < slab->len) {
            size_t size = record_size(slab->ptr + at);
            if (is_dead(slab->ptr + at)) {
                kis_err err =
                    at > begin ? kis_wal_write(wal, slab->ptr + begin, at - begin, diag) : KIS_OK;
                if (err)
                    return err;
                begin = at + size;
            }
            at += size;
        }
        kis_err err = at > begin ? kis_wal_write(wal, slab->ptr + begin, at - begin, diag) : KIS_OK;
        if (err)
            return err;
    }
    return KIS_OK;
}

static void mark_records_dead(const kis_head *head, slab_mark from)
{
    for (uint32_t i = from.slab; i < head->slabs.len; i++) {
        const kis_head_slab *slab = &head->slabs.at[i];
        size_t at = i == from.slab ? KIS_MAX(from.offset, slab->first) : slab->first;
        for (; at < slab->len; at += record_size(slab->ptr + at))
            mark_dead(slab->ptr + at);
    }
}

/* The next group is to be entered in about the time of a sync;
 * one slow sync among quick ones changes little. */
static void fit_group_to_sync(kis_store *s, uint64_t took_ns)
{
    uint64_t fitting =
        KIS_MAX(KIS_GROUP_BYTES_MIN, KIS_MIN(took_ns * KIS_GROUP_BYTES_A_NS, KIS_GROUP_BYTES_MAX));
    s->group_bytes = (s->group_bytes * 3 + fitting) / 4;
}

static kis_err timed_sync(kis_store *s, kis_wal *wal, kis_diag *diag)
{
    uint64_t before = s->os->ops->now_ns(s->os);
    kis_err err = kis_wal_sync(wal, diag);
    uint64_t took = s->os->ops->now_ns(s->os) - before;

    kis_store_counter_add(&s->count.syncs, 1);
    kis_store_counter_add(&s->count.sync_ns_total, took);
    if (took > atomic_load_explicit(&s->count.sync_ns_max, memory_order_relaxed))
        atomic_store_explicit(&s->count.sync_ns_max, took, memory_order_relaxed);
    if (err)
        kis_store_counter_add(&s->count.sync_errors, 1);
    fit_group_to_sync(s, took);
    return err;
}

kis_err kis_store_rewrite_log(kis_store *s, kis_head *head, kis_diag *diag)
{
    kis_wal fresh;
    kis_wal_header header = head->wal_header;

    header.attempt++;
    kis_err err = kis_wal_create_temporary(&fresh, s->os, s->options.dir, &header, diag);
    if (err)
        return err;
    err = write_records(&fresh, head, (slab_mark){ 0, 0 }, diag);
    if (!err)
        err = timed_sync(s, &fresh, diag);
    if (!err) {
        /* from here that name may exist, and is whole: never make it again */
        head->wal_header.attempt = header.attempt;
        err = kis_wal_finish_temporary(&fresh, diag);
    }
    if (err) {
        kis_wal_close(&fresh);
        return err;
    }
    uint32_t old_attempt = head->wal.attempt;
    kis_store_counter_add(&s->log_bytes, fresh.reserved - head->wal.reserved);
    kis_wal_close(&head->wal);
    head->wal = fresh;
    /* what is left of the old file loses against the new one's number at the next start */
    kis_diag ignored;
    /* those between took their name, and then failed */
    for (uint32_t attempt = old_attempt; attempt < header.attempt; attempt++)
        (void)kis_wal_remove(s->os, s->options.dir, header.generation, attempt, &ignored);
    kis_store_log(s, 2, "the log was written anew as attempt %u after its file failed",
                  header.attempt);
    return KIS_OK;
}

/* Puts everything from `from` on onto the disk, or nothing. */
static kis_err make_durable(kis_store *s, kis_head *head, slab_mark from, kis_diag *diag)
{
    kis_wal *wal = &head->wal;
    uint64_t reserved = wal->reserved, synced = wal->synced;

    if (!wal->is_suspect) {
        kis_err err = write_records(wal, head, from, diag);
        kis_store_counter_add(&s->log_bytes, wal->reserved - reserved);
        if (!err) {
            err = timed_sync(s, wal, diag);
            if (!err) {
                kis_store_counter_add(&s->count.bytes_logged, wal->synced - synced);
                s->disk_written += wal->synced - synced;
                return KIS_OK;
            }
        } else {
            kis_store_counter_add(&s->count.write_errors, 1);
            kis_wal_roll_back(wal);
            if (err == KIS_ERR_FULL)
                return err;
            wal->is_suspect = true;
        }
        kis_store_log(s, 3, "the log failed, its file is not used again: %s", diag->text);
    }
    return kis_store_rewrite_log(s, head, diag);
}

/* What the page shows, until the next attempt. */
static void note_write(kis_store *s, kis_err err)
{
    atomic_store_explicit(&s->write_err, err, memory_order_relaxed);
}

/* ---- heads ----------------------------------------------------------------------------------- */

/* The file that was made ahead, or zeros. Until the claim is given back nobody else makes one. */
static kis_wal claim_next_log(kis_store *s)
{
    kis_lock_take(&s->lock);
    while (s->is_next_log_claimed)
        kis_cond_wait(&s->changed, &s->lock);
    s->is_next_log_claimed = true;
    kis_wal log = s->next_log;
    s->next_log = (kis_wal){ 0 };
    kis_lock_give(&s->lock);
    return log;
}

static kis_err begin_log(kis_store *s, kis_head *fresh, kis_diag *diag)
{
    fresh->wal = claim_next_log(s);
    KIS_ASSERT(!fresh->wal.os || fresh->wal.generation == fresh->generation);
    uint64_t ahead = fresh->wal.reserved; /* counted already */
    kis_err err = fresh->wal.os ? kis_wal_begin(&fresh->wal, &fresh->wal_header, diag)
                                : kis_wal_create(&fresh->wal, s->os, s->options.dir,
                                                 &fresh->wal_header, diag);
    kis_store_counter_add(&s->log_bytes, (err ? 0 : fresh->wal.reserved) - ahead);
    return err;
}

/* Freezes the active head and puts an empty one in its place. */
static kis_err rotate(kis_store *s, kis_diag *diag)
{
    kis_head *old = s->active;
    kis_head *fresh = kis_head_new(s->alloc, old->generation + 1);
    kis_err err = KIS_OK;

    if (!fresh)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a new head");
    if (!s->is_memory) {
        fresh->wal_header = (kis_wal_header){ .generation = fresh->generation,
                                              .previous_generation = old->generation,
                                              .previous_length = old->wal.synced,
                                              .created_unix_ns = s->os->ops->now_unix_ns(s->os),
                                              .salt = kis_wal_new_salt(s->os, fresh->generation) };
        err = begin_log(s, fresh, diag);
    }
    kis_lock_take(&s->lock);
    if (!err) {
        s->frozen[s->frozen_count++] = old;
        s->active = fresh;
    }
    s->is_next_log_claimed = false;
    kis_cond_broadcast(&s->changed);
    kis_lock_give(&s->lock);
    if (err)
        kis_head_unref(fresh);
    return err;
}

static uint64_t heads_bytes(const kis_store *s)
{
    uint64_t bytes = atomic_load_explicit(&s->active->bytes, memory_order_relaxed);
    for (uint32_t i = 0; i < s->frozen_count; i++)
        bytes += atomic_load_explicit(&s->frozen[i]->bytes, memory_order_relaxed);
    return bytes;
}

/* A store in memory forgets its oldest heads instead of writing them. */
static void forget_oldest_heads(kis_store *s)
{
    uint64_t spans = 0;
    for (;;) {
        kis_lock_take(&s->lock);
        bool must =
            s->frozen_count && (s->frozen_count == KIS_FROZEN_MAX ||
                                heads_bytes(s) + s->options.head_bytes > s->memory_max_bytes);
        kis_head *oldest = must ? s->frozen[0] : NULL;
        if (must) {
            memmove(&s->frozen[0], &s->frozen[1], (s->frozen_count - 1) * sizeof s->frozen[0]);
            s->frozen_count--;
        }
        uint64_t oldest_left = s->frozen_count ? s->frozen[0]->generation : s->active->generation;
        kis_lock_give(&s->lock);
        if (!must)
            return;
        spans = oldest->rows - oldest->dead;
        kis_store_counter_add(&s->count.spans_deleted, spans);
        kis_store_counter_add(&s->count.segments_deleted, 1);
        kis_catalog_set_oldest(&s->catalog, oldest_left);
        kis_head_unref(oldest);
    }
}

/* Waits until the flush thread has taken the frozen head. FULL: it cannot. */
static kis_err wait_for_flush(kis_store *s)
{
    kis_lock_take(&s->lock);
    while (s->frozen_count && !s->is_flush_failing && !s->is_stopping)
        kis_cond_wait(&s->changed, &s->lock);
    bool is_free = s->frozen_count == 0;
    kis_lock_give(&s->lock);
    return is_free ? KIS_OK : KIS_ERR_FULL;
}

static kis_err make_room_by_rotating(kis_store *s, kis_diag *diag)
{
    if (s->is_memory) {
        kis_err err = rotate(s, diag);
        forget_oldest_heads(s);
        return err;
    }
    kis_err err = wait_for_flush(s);
    if (err)
        return kis_diag_set(diag, err, "the spans in memory cannot be written out now");
    err = rotate(s, diag);
    note_write(s, err);
    return err;
}

/* While a flush runs, the active head must not fill faster than the frozen one empties: otherwise
 * it would be full in the middle of the flush and nobody would be answered until its end. Short
 * waits now instead of a long one then. */
static void pace(kis_store *s)
{
    if (s->is_memory)
        return;
    uint64_t until = kis_now_ns() + KIS_PACE_NS;
    kis_lock_take(&s->lock);
    while (s->frozen_count && !s->is_flush_failing && !s->is_stopping) {
        const kis_head *frozen = s->frozen[0];
        uint64_t filled = atomic_load_explicit(&s->active->bytes, memory_order_relaxed) * 1000 /
                          s->options.head_bytes;
        uint64_t flushed = (uint64_t)atomic_load_explicit(&frozen->flushed, memory_order_relaxed) *
                           KIS_PACE_FLUSHED / KIS_MAX(frozen->rows, 1u);
        if (filled < KIS_PACE_FREE + flushed || !kis_cond_wait_until(&s->changed, &s->lock, until))
            break;
    }
    kis_lock_give(&s->lock);
}

static void ask_for_next_log(kis_store *s)
{
    uint64_t bytes = atomic_load_explicit(&s->active->bytes, memory_order_relaxed);

    if (s->is_memory || s->log_asked_for == s->active->generation ||
        bytes < s->options.head_bytes / 2 ||
        s->keep_bytes < KIS_WAL_STEP_BYTES * KIS_NEXT_LOG_KEEP_FACTOR)
        return;
    s->log_asked_for = s->active->generation;
    kis_lock_take(&s->lock);
    s->wants_next_log = true;
    kis_cond_broadcast(&s->changed);
    kis_lock_give(&s->lock);
}

/* ---- one group ------------------------------------------------------------------------------- */

/* The last twentieth of the disk is not ours. Asked for after some writing or some time,
 * not before each group. */
static bool disk_has_room(kis_store *s)
{
    uint64_t free_bytes, total_bytes, now = s->os->ops->now_ns(s->os);

    if (s->is_memory)
        return true;
    bool is_full = atomic_load_explicit(&s->is_disk_full, memory_order_relaxed);
    if (s->disk_looked_ns && s->disk_written < KIS_WAL_STEP_BYTES &&
        now - s->disk_looked_ns < (is_full ? SECOND_NS / 4 : SECOND_NS))
        return !is_full;
    s->disk_looked_ns = now;
    s->disk_written = 0;
    if (s->os->ops->disk_free(s->os, s->options.dir, &free_bytes, &total_bytes, NULL) != KIS_OK)
        return !is_full;
    bool is_full_now = free_bytes < total_bytes / KIS_DISK_RESERVE_DIVISOR + KIS_GROUP_BYTES_MAX;
    if (is_full_now != is_full) {
        atomic_store_explicit(&s->is_disk_full, is_full_now, memory_order_relaxed);
        kis_store_log(s, is_full_now ? 3 : 1,
                      is_full_now ? "the disk is nearly full: spans are refused until there is room"
                                  : "the disk has room again: spans are taken again");
    }
    return !is_full_now;
}

static bool known_key(kis_store *s, kis_push *group, kis_push *push)
{
    const kis_origin *origin = &push->batch->origin;

    if (!origin->idempotency_key.len)
        return false;
    push->key = kis_key_of(origin->tenant, origin->idempotency_key,
                           (uint32_t)(s->os->ops->now_unix_ns(s->os) / SECOND_NS));
    push->has_key = true;
    push->is_repeat = kis_keys_has(&s->keys, push->key);
    for (kis_push *p = group; p != push && !push->is_repeat; p = p->next)
        if (p->has_key && !p->same_as && kis_key_eq(p->key, push->key)) {
            push->same_as = p;
            push->is_repeat = true;
        }
    if (push->is_repeat)
        kis_store_counter_add(&s->count.batches_repeated, 1);
    return push->is_repeat;
}

/* Encodes one batch into the active head and enters its rows. Its key is known to others only once
 * the group is durable, but the room for all of the group's keys is made here: nothing may fail
 * then. */
static kis_err enter(kis_store *s, kis_push *push, size_t size, const group_start *start,
                     kis_diag *diag)
{
    kis_head *head = s->active;
    kis_frame_head frame;
    uint32_t keys_entered = head->keys.len - start->keys;
    uint64_t received = push->batch->origin.received_unix_ns ? push->batch->origin.received_unix_ns
                                                             : s->os->ops->now_unix_ns(s->os);

    if (push->has_key && !kis_keys_reserve(&s->keys, keys_entered + 1))
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a key");
    uint8_t *record = kis_head_reserve_record(head, KIS_WAL_RECORD_HEADER_BYTES + size);
    if (!record)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the batch");
    kis_frame_encode(push->batch, received, record + KIS_WAL_RECORD_HEADER_BYTES, size);
    kis_wal_seal_record(record, size, ++head->sequence, head->wal.synced, head->wal_header.salt);
    kis_head_keep_record(head, KIS_WAL_RECORD_HEADER_BYTES + size);
    if (!atomic_load_explicit(&head->opened_ns, memory_order_relaxed))
        atomic_store_explicit(&head->opened_ns, s->os->ops->now_ns(s->os), memory_order_relaxed);
    kis_err err = kis_head_add(head, kis_bytes_of(record + KIS_WAL_RECORD_HEADER_BYTES, size),
                               &s->catalog, &frame, diag);
    if (err)
        mark_dead(record);
    return err;
}

static void forget_entered(kis_head *head, const group_start *start)
{
    kis_head_kill_rows(head, start->rows);
    mark_records_dead(head, start->records);
    head->keys.len = start->keys;
}

static void commit_entered(kis_store *s, kis_push *group, const group_start *start)
{
    kis_head *head = s->active;
    kis_diag diag;
    uint64_t spans = 0, batches = 0;

    if (head->rows == start->rows)
        return;
    kis_err err = s->is_memory ? KIS_OK : make_durable(s, head, start->records, &diag);
    note_write(s, err);
    if (err) {
        forget_entered(head, start);
        kis_store_log(s, 3, "spans could not be stored: %s", diag.text);
    }
    kis_head_publish(head);
    for (kis_push *p = group; p; p = p->next) {
        if (!p->is_entered)
            continue;
        p->is_entered = false;
        if (err) {
            refuse(p, err, 1000,
                   err == KIS_ERR_FULL ? "no space left on the disk" : "the log cannot be written");
            continue;
        }
        spans += p->batch->span_count;
        batches++;
        if (p->has_key)
            kis_keys_add(&s->keys, p->key);
    }
    kis_store_counter_add(&s->count.spans_stored, spans);
    kis_store_counter_add(&s->count.batches_stored, batches);
}

/* Commits the group as far as the active head has room, and returns those behind: making room may
 * take long, and who is on the disk is answered before. Only a first one makes room. */
static kis_push *commit_group(kis_store *s, kis_push *group)
{
    kis_diag diag;
    kis_push *before = NULL, *rest = NULL;
    group_start start = start_at(s->active);
    bool has_room = disk_has_room(s);

    for (kis_push *p = group; p; before = p, p = p->next) {
        if (known_key(s, group, p) || p->batch->span_count == 0)
            continue;
        if (!has_room) {
            kis_store_counter_add(&s->count.refused_disk, 1);
            refuse(p, KIS_ERR_FULL, 5000, "the disk is nearly full");
            continue;
        }
        size_t size = kis_frame_size(p->batch);
        if (!size) {
            refuse(p, KIS_ERR_LIMIT, 0, "the batch is larger than a log record may be");
            continue;
        }
        if (!kis_head_has_room(s->active, s->options.head_bytes, size + KIS_WAL_RECORD_HEADER_BYTES,
                               p->batch->span_count, p->batch->origin.tenant)) {
            if (before) {
                before->next = NULL;
                rest = p;
                break;
            }
            kis_err err = make_room_by_rotating(s, &diag);
            start = start_at(s->active);
            if (err) {
                kis_store_counter_add(&s->count.refused_full, 1);
                refuse(p, err == KIS_ERR_IO || err == KIS_ERR_NOMEM ? err : KIS_ERR_FULL, 1000,
                       "the spans in memory cannot be written out now");
                continue;
            }
        }
        kis_err err = enter(s, p, size, &start, &diag);
        p->is_entered = !err;
        if (err)
            refuse(p, err, 0, "the batch cannot be entered");
    }
    commit_entered(s, group, &start);
    return rest;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static kis_push *take_group(kis_store *s, bool *out_rotate, bool *out_stop)
{
    uint64_t bytes = 0;
    uint32_t count = 0;

    kis_lock_take(&s->queue_lock);
    while (!s->queue_first && !s->is_closed && s->rotate_wanted < s->active->generation)
        kis_cond_wait(&s->queue_filled, &s->queue_lock);
    if (s->queue_first && s->options.commit_delay_us && !s->is_closed) {
        uint64_t until = kis_now_ns() + (uint64_t)s->options.commit_delay_us * 1000;
        while (!s->is_closed && kis_cond_wait_until(&s->queue_filled, &s->queue_lock, until)) {
        }
    }
    kis_push *first = s->queue_first, *last = NULL;
    for (kis_push *p = first;
         p && (!last || bytes + p->bytes <= s->group_bytes) && count < KIS_GROUP_PUSHES_MAX;
         p = p->next, count++) {
        bytes += p->bytes;
        last = p;
    }
    if (last) {
        s->queue_first = last->next;
        if (!s->queue_first)
            s->queue_last = NULL;
        last->next = NULL;
    }
    *out_rotate = s->rotate_wanted >= s->active->generation;
    *out_stop = s->is_closed && !first;
    kis_lock_give(&s->queue_lock);
    return first;
}

/* Asked for by kis_store_flush and by age. A head without rows stays. */
static void rotate_if_wanted(kis_store *s)
{
    kis_diag diag;
    kis_err err = KIS_OK;

    if (s->active->rows)
        err = make_room_by_rotating(s, &diag);
    if (err) {
        kis_store_counter_add(&s->count.flush_failures, 1);
        kis_store_log(s, 2, "the spans in memory are not written out: %s", diag.text);
    }
    kis_lock_take(&s->queue_lock);
    s->rotate_wanted = 0;
    kis_lock_give(&s->queue_lock);
    kis_lock_take(&s->lock);
    kis_cond_broadcast(&s->changed);
    kis_lock_give(&s->lock);
}

void kis_writer_run(void *user)
{
    kis_store *s = user;
    bool must_rotate, must_stop;

    s->group_bytes = KIS_GROUP_BYTES_MIN;
    for (;;) {
        kis_push *group = take_group(s, &must_rotate, &must_stop);
        if (must_stop)
            return;
        if (group)
            kis_keys_expire(&s->keys, (uint32_t)(s->os->ops->now_unix_ns(s->os) / SECOND_NS) -
                                          KIS_KEYS_AGE_S);
        while (group) {
            pace(s);
            kis_push *rest = commit_group(s, group);
            answer_group(s, group);
            ask_for_next_log(s);
            group = rest;
        }
        if (must_rotate)
            rotate_if_wanted(s);
    }
}
