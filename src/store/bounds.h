/* bounds.h - every bound of the store, with its reason.
 * Bounds of spans and requests are in model/limits.h. */
#ifndef KIS_STORE_BOUNDS_H
#define KIS_STORE_BOUNDS_H

#define KIS_STORE_VERSION 1u /* of everything on disk; FORMAT.md */

/* Memory. Two heads, one flush, one answer's index and the pinned indexes fit 256 MiB
 * beside what is being received. */
#define KIS_HEAD_BYTES_DEFAULT ((uint64_t)48 << 20)
#define KIS_HEAD_BYTES_MIN     ((uint64_t)256 << 10)
#define KIS_HEAD_BYTES_MAX     ((uint64_t)1 << 30)
/* log records are gathered in pieces of this size; a longer record has its own */
#define KIS_HEAD_SLAB_BYTES       ((size_t)2 << 20)
#define KIS_HEAD_ROWS_MAX         (1u << 22)
#define KIS_HEAD_CHUNK_ROWS       4096u
#define KIS_HEAD_TENANTS_MAX      64u /* each becomes a file or two */
#define KIS_PENDING_BYTES_DEFAULT ((uint64_t)64 << 20)
/* one commit: entered in 3 ms, in 10 when three threads share a core */
#define KIS_GROUP_BYTES_MIN ((uint64_t)4 << 20)
/* where syncs are slow: still well below a tenth of a second */
#define KIS_GROUP_BYTES_MAX  ((uint64_t)16 << 20)
#define KIS_GROUP_BYTES_A_NS 1u /* of batches that are entered in a nanosecond, about */
#define KIS_GROUP_PUSHES_MAX 1024u
/* indexes of segments in memory; older ones are read when they are asked */
#define KIS_INDEX_PINNED_BYTES_MAX ((uint64_t)48 << 20)
/* indexes of damaged segments, which cannot be read again; with more their files are left out */
#define KIS_SEG_REBUILT_BYTES_MAX ((uint64_t)32 << 20)
#define KIS_BLOCK_CACHE_BYTES     ((uint64_t)16 << 20)
/* what one call of the reader may take; more makes its answer partial */
#define KIS_QUERY_BYTES_MAX ((size_t)64 << 20)
/* spans of one trace in one answer, at 32 bytes each while it is made */
#define KIS_TRACE_SPANS_MAX (3u << 19)
/* services that a trace's summary lists, the entry for the rest among them: traces of whole
 * companies have some hundreds, and an answer has many summaries */
#define KIS_TRACE_SERVICES_MAX 512u
/* of their names: one may have 64 KiB */
#define KIS_TRACE_SERVICES_BYTES_MAX ((size_t)256 << 10)
/* operations in memory; the rest are one entry, counted */
#define KIS_CATALOG_ENTRIES_MAX 32768u
/* of them of one service, so that one does not push out the others */
#define KIS_CATALOG_OF_SERVICE_MAX 8192u
#define KIS_CATALOG_BYTES_MAX      ((size_t)8 << 20)
#define KIS_CATALOG_SERVICES_MAX   8192u
/* what does not fit a list of names is one entry of this name */
#define KIS_STORE_OVERFLOW_NAME "(other)"

/* Idempotency keys: 24 bytes each in memory. */
#define KIS_KEYS_MAX   1000000u
#define KIS_KEYS_AGE_S (24u * 3600u)

/* The log. */
#define KIS_WAL_STEP_BYTES ((uint64_t)4 << 20) /* room is reserved in steps of this */
/* the next log is made ahead where its room is no more than this part of what is kept */
#define KIS_NEXT_LOG_KEEP_FACTOR 32u
#define KIS_WAL_RECORD_BYTES_MAX ((uint64_t)512 << 20)

/* Segments. */
#define KIS_SEG_BLOCK_ROWS_MAX 2048u
/* of attributes and rest, before compression; one larger span is alone */
#define KIS_SEG_BLOCK_BYTES_MAX   ((size_t)512 << 10)
#define KIS_SEG_COLUMN_BYTES_MAX  ((size_t)64 << 20)  /* one column of one block when unpacked */
#define KIS_SEG_DECODED_BYTES_MAX ((size_t)160 << 20) /* one block in memory */
#define KIS_SEG_META_BYTES_MAX    ((size_t)64 << 20)
#define KIS_SEG_INDEX_PAGE        512u /* entries of the trace index that share a checksum */
/* resources and scopes of one block; more begin the next one */
#define KIS_SEG_DICT_BYTES_MAX ((size_t)16 << 20)
/* services and operations listed in a segment; more set a flag */
#define KIS_SEG_NAMES_MAX 4096u
/* the same, as bytes: a service's name may have 64 KiB and stands with each operation */
#define KIS_SEG_NAMES_BYTES_MAX ((size_t)8 << 20)
/* a start this far from its receiving is not in the common files */
#define KIS_SEG_FAR_NS ((uint64_t)24 * 3600 * 1000000000u)

/* Time. */
#define KIS_FLUSH_AFTER_NS_DEFAULT ((int64_t)300 * 1000000000)
#define KIS_RETRY_NS_MIN           ((uint64_t)50000000) /* after a failed flush; doubles up to */
#define KIS_RETRY_NS_MAX           ((uint64_t)5000000000)
/* between two lines on what retention removed */
#define KIS_RETAIN_SAY_NS ((uint64_t)600 * 1000000000)
#define KIS_PACE_NS       ((uint64_t)10000000) /* one wait of a writer that is ahead of the flush */
/* thousandths of a head that fill before the flush must have written anything */
#define KIS_PACE_FREE 350u
/* and that more when it has written all rows; the rest is for its syncs */
#define KIS_PACE_FLUSHED 450u

/* Disk. */
#define KIS_KEEP_BYTES_DEFAULT   ((uint64_t)10 << 30)
#define KIS_DISK_RESERVE_DIVISOR 20u /* the last twentieth of a disk is not ours */

#endif
