/* store.h - where spans stay: a sink that is durable when it says OK,
 * and a reader over everything it holds.
 *
 *     push ─> writer thread: log record, one fdatasync for all that gathered, then `done`
 *          ─> head (memory, searched at once)
 *               └─ full ─> background flush ─> segment file
 *     reader = head ∪ head being flushed ∪ segments
 *
 * A batch whose idempotency key is known is answered and not stored again. A key is known for
 * 24 hours, as one of the newest million, and over a start only as long as the segment that
 * holds it is kept.
 *
 * FORMAT.md has every byte on disk. Tenants are kept apart in all of it.
 */
#ifndef KIS_STORE_STORE_H
#define KIS_STORE_STORE_H

#include "model/reader.h"
#include "model/sink.h"
#include "os/os.h"

/* Two log files with their reserved room, and as much again for segments.
 * With less, what is flushed is removed at once. */
#define KIS_STORE_KEEP_BYTES_MIN ((uint64_t)12 << 20)
/* In memory: eight heads, of which the oldest goes. */
#define KIS_STORE_MEMORY_BYTES_MIN ((uint64_t)2 << 20)

typedef struct kis_store_options {
    kis_os *os;
    const kis_alloc *alloc;
    kis_str dir;
    int64_t keep_ns; /* age by receive time after which segments are deleted; 0: for ever */
    /* of the whole directory, log and temporary files included, at least KIS_STORE_KEEP_BYTES_MIN;
     * 0: the smaller of 10 GiB and a fifth of the free disk */
    uint64_t keep_bytes;
    uint64_t head_bytes; /* memory of one head before it is flushed; 0: the default (48 MiB) */
    /* pushed and not yet answered; more is refused with FULL; 0: the default (64 MiB) */
    uint64_t pending_bytes;
    /* a head older than this is flushed though not full; 0: the default (5 min) */
    int64_t flush_after_ns;
    /* how long the writer gathers before it syncs; 0: only what came during the last sync */
    uint32_t commit_delay_us;
    /* level 0 debug 1 info 2 warning 3 error; rate-limited by the caller; may be NULL */
    void (*log)(void *user, int level, const char *text);
    void *log_user;
} kis_store_options;

/* since open, unless said otherwise; all only grow but the gauges */
typedef struct kis_store_stats {
    uint64_t spans_stored, spans_duplicate, batches_stored,
        batches_repeated; /* repeated: same idempotency key, answered and not stored again */
    uint64_t bytes_logged, syncs, sync_ns_total, sync_ns_max;
    uint64_t flushes, flush_ns_total, flush_failures, segments_deleted, spans_deleted;
    uint64_t refused_full, refused_disk, write_errors, sync_errors;
    /* blocks and indexes that did not read, at the start and each time they were asked for */
    uint64_t damaged_blocks;
    uint64_t head_bytes, head_spans, pending_bytes, segment_count, disk_bytes,
        disk_limit_bytes;   /* gauges */
    uint64_t segment_spans; /* gauge: spans in segments */
    /* gauge: of segment_count, damaged and left out as a whole: answers that may lack something are
     * partial */
    uint64_t segments_left_out;
    uint64_t index_bytes; /* gauge: memory of indexes and dictionaries */
    uint64_t replayed_spans, replay_ns;
    /* gauge: the last 5 % of the disk are reached, pushes are refused until there is room */
    bool is_disk_full;
    /* gauge: the last attempt to store something failed, as `write_err` says, and it was refused */
    bool is_write_failing;
    /* gauge: spans cannot be written out as segments; they are safe in the log, but new ones are
     * refused once memory is full */
    bool is_flush_failing;
    kis_err write_err;
} kis_store_stats;

typedef struct kis_store kis_store;

/**
 * Locks the directory, reads what is there, replays the log, starts the threads.
 *
 * RANGE    another process has the directory, it has files that are not a store's and no version
 *          file (nothing was touched), or keep_bytes is less than KIS_STORE_KEEP_BYTES_MIN
 * UNSUPPORTED  the directory was written by a newer version: nothing was touched
 * CORRUPT  a log file is damaged in its middle: diag names file, offset and
 *          `kiseki check --repair-log`; nothing was changed
 * IO       read-only, not a directory, wrong owner, no space: a plain sentence
 */
kis_err kis_store_open(const kis_store_options *options, kis_store **out,
                       kis_diag *diag) KIS_CHECKED;

/** In memory only: same seams, bounded by `max_bytes` (the oldest go first), promise MEMORY. */
kis_err kis_store_open_memory(const kis_alloc *alloc, kis_os *os, uint64_t max_bytes,
                              kis_store **out, kis_diag *diag) KIS_CHECKED;

kis_sink *kis_store_sink(kis_store *store); /* lives as long as the store; its close does nothing */
kis_reader *kis_store_reader(kis_store *store); /* any thread, any number at once */
kis_store_stats kis_store_get_stats(kis_store *store);

/** Writes the head out as a segment and waits for it. Any thread. */
kis_err kis_store_flush(kis_store *store, uint64_t deadline_ns, kis_diag *diag);

/** Answers everything pushed, stops the threads; the head stays in the log
 * (so that closing is quick) . */
void kis_store_close(kis_store *store);

/** Reads every byte of a closed (or, with the lock taken by somebody else: refused) directory and
 * reports each damage: file, offset, what.
 *  OK: no damage. CORRUPT: some. `line` is one finding or one summary line. */
kis_err kis_store_check(kis_os *os, const kis_alloc *alloc, kis_str dir,
                        void (*line)(void *user, const char *text), void *user, kis_diag *diag);

/** Writes each log file that stops a start anew, with the records of it that read; the damaged file
 * stays as damaged-log-….wal, which no start looks at. Logs that do not stop a start are left
 * alone. `line` says what was kept and what was lost. OK: nothing stops a start now. */
kis_err kis_store_repair_log(kis_os *os, const kis_alloc *alloc, kis_str dir,
                             void (*line)(void *user, const char *text), void *user,
                             kis_diag *diag);

#endif
