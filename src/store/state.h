/* state.h - what a store is, for the files of this folder.
 *
 *     push ─> queue ─> writer thread ──────────> active head ── full ─> frozen heads
 *               │        log, sync, publish         │                    │       │
 *             FULL       then `done`                │                    │       └─> flush thread
 *                                                   │                    │           ─> segments
 *                                                   │                    │               │
 *                                                   └ snapshot (references) for readers ─┘
 *
 * Locks, in this order: `lock` (which heads and segments there are), `queue_lock` (what waits to
 * be written). No file is touched and no callback is called under either. The writer thread
 * alone changes `active`; the flush thread alone takes from `frozen` and changes `segments`;
 * both do it under `lock`.
 */
#ifndef KIS_STORE_STATE_H
#define KIS_STORE_STATE_H

#include "os/thread.h"
#include "store/cache.h"
#include "store/catalog.h"
#include "store/head.h"
#include "store/keys.h"
#include "store/segment.h"
#include "store/store.h"

/* two in steady state; more only while a start catches up, and in memory */
#define KIS_FROZEN_MAX 16u

typedef struct kis_push { /* one batch on its way through the writer */
    struct kis_push *next;
    kis_batch *batch;
    kis_done done;
    uint64_t bytes;
    /* an earlier one of the group with the same key: its answer is ours */
    struct kis_push *same_as;
    kis_key key;
    bool has_key, is_repeat, is_entered;
    kis_err err;
    uint64_t retry_after_ms;
    const char *reason;
} kis_push;

typedef struct kis_store_counters {
    _Atomic uint64_t spans_stored, spans_duplicate, batches_stored, batches_repeated, bytes_logged,
        syncs, sync_ns_total, sync_ns_max, flushes, flush_ns_total, flush_failures,
        segments_deleted, spans_deleted, refused_full, refused_disk, write_errors, sync_errors,
        damaged_blocks, replayed_spans, replay_ns;
} kis_store_counters;

typedef struct kis_removed {               /* by retention, and not yet said */
    uint64_t files, spans, newest_unix_ns; /* newest: when the last of them was received */
    uint64_t said_files, said_spans;       /* with all lines until now */
    uint64_t said_ns;                      /* of the last line; 0: none yet */
} kis_removed;

struct kis_store {
    kis_sink sink;
    kis_reader reader;
    kis_store_options options; /* with defaults filled in; `dir` points into dir_text */
    char dir_text[KIS_STORE_PATH_MAX];
    kis_os *os;
    const kis_alloc *alloc;
    bool is_memory;
    uint64_t memory_max_bytes;
    kis_file lock_file;

    kis_lock lock;
    kis_cond changed; /* a head was frozen or has become segments, or a flush failed; with `lock` */
    kis_head *active;
    kis_head *frozen[KIS_FROZEN_MAX]; /* oldest first */
    uint32_t frozen_count;
    kis_segment_set *segments;   /* replaced, never changed in place */
    uint64_t flushed_generation; /* every head up to this one is in segments */
    bool is_flush_failing, is_stopping;
    /* the file of the head after `active`, made ahead by the flush thread; zeros: none */
    kis_wal next_log;
    /* claimed: one of the two threads makes or takes it, and `active` stays until that is done */
    bool wants_next_log, is_next_log_claimed;

    kis_lock queue_lock;
    kis_cond queue_filled, queue_answered; /* with queue_lock */
    kis_push *queue_first, *queue_last;
    uint64_t pending_bytes, pushed, answered; /* of pushes that were queued */
    /* generation that shall be frozen if it is still the active one and has rows */
    uint64_t rotate_wanted;
    bool is_closed; /* no more pushes */

    kis_catalog catalog;
    kis_block_cache cache;
    kis_keys keys;        /* writer thread */
    uint64_t group_bytes; /* writer thread: bound of the next group */
    /* writer thread: the generation at whose half the next log was asked for */
    uint64_t log_asked_for;
    uint64_t disk_looked_ns; /* writer thread: when the free room was last asked for */
    uint64_t disk_written;   /* and what was written since */
    _Atomic bool is_disk_full;
    _Atomic kis_err
        write_err; /* how the last attempt to store something ended; the writer alone writes it */
    _Atomic uint64_t segment_bytes; /* of all segment files, those being deleted included */
    _Atomic uint64_t log_bytes;     /* of log files of heads, reserved room included */
    uint64_t keep_bytes;
    kis_removed removed_by_age, removed_for_room; /* flush thread */

    kis_thread writer, flusher;
    kis_store_counters count;
};

/** Adds to a counter that several threads share. */
static inline void kis_store_counter_add(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}
void kis_store_log(kis_store *s, int level, const char *format, ...) KIS_PRINTF(3, 4);

/* writer.c */
void kis_writer_run(void *store);
extern const kis_sink_ops kis_store_sink_ops, kis_memory_sink_ops;
/** Writes a head's records into a new file and takes that in place of the old one.
 * Its owner thread. */
kis_err kis_store_rewrite_log(kis_store *s, kis_head *head, kis_diag *diag) KIS_CHECKED;

/* flush.c */
void kis_flusher_run(void *store);

/* recover.c */
kis_err kis_store_recover(kis_store *s, kis_diag *diag) KIS_CHECKED;

/* retain.c: flush thread */
/** Deletes whole segments until age and bytes fit, `more_bytes` being about to be written. */
void kis_store_retain(kis_store *s, uint64_t more_bytes);
/** At the end: what was removed and not yet said. */
void kis_store_retain_end(kis_store *s);

/* lookup.c */
extern const kis_reader_ops kis_store_reader_ops;

/** What a reader sees: references, taken at one moment. */
typedef struct kis_snapshot {
    kis_head *heads[KIS_FROZEN_MAX + 1];
    uint32_t rows[KIS_FROZEN_MAX + 1]; /* published then */
    uint32_t head_count;
    kis_segment_set *segments;
} kis_snapshot;
void kis_snapshot_take(kis_store *s, kis_snapshot *out);
void kis_snapshot_give(kis_snapshot *snapshot);

#endif
