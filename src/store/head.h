/* head.h - the newest spans, in memory: the very bytes of their log records,
 * with a table over them.
 *
 *     slabs    [record][record][record] …             as in the log file, and where a rewrite of
 *                                                     that file comes from
 *     rows     row -> bytes, scope, start, previous   in chunks that never move
 *              row of the same trace
 *     traces   hash -> newest row of that trace
 *
 * One writer, any number of readers, no lock between them: a row is filled in, chained, and
 * only then published by raising `published`; a reader takes that number once and looks at
 * nothing above it.
 *
 * Always true:
 *   (1) rows below `published` never change
 *   (2) a row whose record did not become durable is published dead (no scope) and its record's
 *       bytes are marked dead too: chains stay whole
 *   (3) a trace table that was outgrown stays until the head goes,
 *       because a reader may still look at it
 */
#ifndef KIS_STORE_HEAD_H
#define KIS_STORE_HEAD_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "store/bounds.h"
#include "store/catalog.h"
#include "store/frame.h"
#include "store/keys.h"
#include "store/wal.h"

typedef struct kis_head_resource {
    kis_resource_view view;
    kis_bytes body; /* as in the record: equal bytes are equal resources */
    uint32_t tenant;
} kis_head_resource;

typedef struct kis_head_scope {
    kis_scope_view view;
    const kis_head_resource *resource;
    uint32_t catalog_service, catalog_epoch; /* writer thread */
} kis_head_scope;

typedef struct kis_head_frame_scope {
    const kis_head_scope *scope;
    uint32_t span_count;
} kis_head_frame_scope;

typedef struct kis_head_row {
    const uint8_t *row;          /* row.h */
    const kis_head_scope *scope; /* NULL: dead */
    uint64_t start_unix_ns;
    uint32_t previous;   /* of the same trace, plus one; 0: none */
    uint32_t received_s; /* unix seconds */
} kis_head_row;

typedef struct kis_head_chunk {
    kis_head_row rows[KIS_HEAD_CHUNK_ROWS];
    uint64_t start_min, start_max; /* of its rows; may be read once all of them are published */
} kis_head_chunk;

typedef struct kis_head_slab {
    uint8_t *ptr;
    size_t len, cap;
    /* offset of the first record: behind a file's header when the slab is
     * a file that was replayed */
    size_t first;
} kis_head_slab;

typedef struct kis_head_table {
    struct kis_head_table *outgrown;
    uint32_t slot_count, used;
    _Atomic uint64_t slots[]; /* hash's high half << 32 | row + 1 */
} kis_head_table;

typedef struct kis_head {
    _Atomic uint32_t refs;
    _Atomic uint32_t published; /* rows readers may see */
    _Atomic uint64_t bytes;     /* memory held; the writer thread writes */
    /* of a frozen head: rows already in files; the flush thread writes, for pacing */
    _Atomic uint32_t flushed;
    const kis_alloc *alloc;
    uint64_t generation;
    _Atomic uint64_t opened_ns; /* monotonic, of the first row; 0: none yet */
    kis_wal wal;                /* its log file; zeros in a store without files */
    kis_wal_header wal_header;

    /* the writer thread's, until the head is frozen */
    KIS_VEC(kis_head_slab) slabs;
    kis_head_chunk **chunks; /* KIS_HEAD_ROWS_MAX / KIS_HEAD_CHUNK_ROWS pointers */
    uint32_t rows;           /* filled in, published or not */
    uint32_t dead;
    uint64_t sequence; /* of the last record */
    uint64_t received_min_unix_ns, received_max_unix_ns;
    kis_arena arena; /* resources, scopes, tenants */
    kis_map resource_map, scope_map;
    kis_str tenants[KIS_HEAD_TENANTS_MAX];
    uint32_t tenant_count;
    KIS_VEC(kis_key) keys; /* of its batches, as they are entered; kept in the segment */
    KIS_VEC(const kis_head_resource *) resources; /* what the maps' values mean */
    KIS_VEC(const kis_head_scope *) scopes;
    KIS_VEC(const kis_head_resource *) frame_resources; /* scratch of one record */
    KIS_VEC(kis_head_frame_scope) frame_scopes;
    kis_head_table *_Atomic table;
} kis_head;

/* one reference; NULL: no memory */
kis_head *kis_head_new(const kis_alloc *alloc, uint64_t generation);
kis_head *kis_head_ref(kis_head *head); /* any thread */
void kis_head_unref(kis_head *head);    /* any thread; NULL is fine */

/* ---- writer thread --------------------------------------------------------------------------- */

/** Whether a record of that size and so many spans still belongs in here.
 * A head without rows takes any. */
bool kis_head_has_room(const kis_head *head, uint64_t head_bytes, size_t record_size,
                       uint32_t spans, kis_str tenant);
/** Room for a whole record; NULL: no memory. Not kept until kis_head_keep_record. */
uint8_t *kis_head_reserve_record(kis_head *head, size_t size);
void kis_head_keep_record(kis_head *head, size_t size);
/** Takes over `slab`'s memory (replay). */
bool kis_head_adopt_slab(kis_head *head, kis_head_slab slab);
/** Enters the spans and the key of a record body that stays where it is.
 * NOMEM, CORRUPT, LIMIT: what had been entered is dead already. */
kis_err kis_head_add(kis_head *head, kis_bytes body, kis_catalog *catalog, kis_frame_head *out,
                     kis_diag *diag) KIS_CHECKED;
void kis_head_kill_rows(kis_head *head, uint32_t first); /* all unpublished ones from there */
void kis_head_publish(kis_head *head);

/* ---- any thread with a reference ------------------------------------------------------------- */

static inline uint32_t kis_head_published(const kis_head *head)
{
    return atomic_load_explicit(&head->published, memory_order_acquire);
}
static inline const kis_head_row *kis_head_row_at(const kis_head *head, uint32_t row)
{
    return &head->chunks[row / KIS_HEAD_CHUNK_ROWS]->rows[row % KIS_HEAD_CHUNK_ROWS];
}
/** The newest row of a trace below `count`, plus one; 0: none. Follow `previous`;
 * rows of another tenant may be among them. */
uint32_t kis_head_find_trace(const kis_head *head, kis_str tenant, const kis_trace_id *id,
                             uint32_t count);
static inline bool kis_head_row_is_of(const kis_head *head, const kis_head_row *row, kis_str tenant)
{
    return row->scope && kis_str_eq(head->tenants[row->scope->resource->tenant], tenant);
}

#endif
