/* segment.h - an immutable file of spans, a trace's rows together. FORMAT.md, "Segment file".
 *
 *     seg-<generation>-<part>.kseg   [ lead 256 ][ block ][ block ] … [ trace index ]
 *                                    [ start data ][ pinned data ][ footer 96 ]
 *
 * The lead says again what the end says of the whole file, so that a damaged end costs no block
 * (segment_rebuild.h). Rows are ordered by the first start of their trace, so both a trace and a
 * stretch of time lie in few blocks. A block reads by itself: its dictionary is in it. Pinned data
 * (block summaries, filters, index directory) stays in memory as long as there is room and is read
 * again from the file where there is not.
 *
 * A segment is reference-counted; the last reference of a deleted one removes the file. Files are
 * opened for each read: a store may have more segments than a process has descriptors.
 */
#ifndef KIS_STORE_SEGMENT_H
#define KIS_STORE_SEGMENT_H

#include <stdatomic.h>

#include "compress/block.h"
#include "model/span.h"
#include "os/os.h"
#include "store/bloom.h"
#include "store/bounds.h"
#include "store/keys.h"
#include "store/wal.h"

#define KIS_SEG_LEAD_BYTES         256u
#define KIS_SEG_FOOTER_BYTES       96u
#define KIS_SEG_INFO_BYTES_MAX     152u /* with a tenant of 64 */
#define KIS_SEG_BLOCK_HEADER_BYTES 128u

/* in the order of the file, so that a search reads only the beginning of a block */
typedef enum kis_seg_column {
    KIS_SEG_TRACES, /* trace ids, rows of each */
    KIS_SEG_DICT,   /* resources, scopes, names, signatures */
    KIS_SEG_SIGS,   /* a row's signature */
    KIS_SEG_TIMES,
    KIS_SEG_SPAN_IDS,
    KIS_SEG_PARENTS,
    KIS_SEG_ATTR_LENS,
    KIS_SEG_ATTRS,
    /* trace state, status message, dropped counts, events, links */
    KIS_SEG_REST,
    KIS_SEG_COLUMNS,
} kis_seg_column;

/* What a reader wants of a block; the core is always there. */
#define KIS_NEED_IDS   0x1u
#define KIS_NEED_ATTRS 0x2u
#define KIS_NEED_REST  0x4u
#define KIS_NEED_ALL   0x7u

#define KIS_SEG_IS_FAR    0x1u /* starts far from the time of receiving */
#define KIS_SEG_NAMES_CUT 0x2u /* more names than the list holds */
#define KIS_SEG_HAS_LEAD  0x4u /* begins with a lead; earlier files do not */

typedef struct kis_seg_info {
    uint64_t generation;
    uint32_t part, parts; /* files that this generation became */
    uint32_t flags;
    uint32_t block_count, trace_count;
    uint64_t row_count;
    uint64_t start_min, start_max;       /* unix ns, of the spans' starts */
    uint64_t received_min, received_max; /* unix ns */
    uint64_t index_offset;               /* of the trace index */
    uint32_t index_count;                /* its entries */
    uint32_t index_pages;
    kis_str tenant; /* points into the pinned data */
} kis_seg_info;

typedef struct kis_seg_block_info { /* 192 bytes in the file and in memory */
    uint64_t offset;
    uint32_t size, core_size,
        ids_size; /* whole; up to the end of TIMES; up to the end of PARENTS */
    uint32_t rows;
    uint64_t start_min, start_max;
    uint64_t duration_max;
    uint64_t reserved[2];
    uint8_t names[KIS_NAME_FILTER_BYTES];
} kis_seg_block_info;
_Static_assert(sizeof(kis_seg_block_info) == 192, "written as it stands");

typedef struct kis_seg_index_page {
    uint32_t first_hash, crc;
} kis_seg_index_page;

typedef struct kis_seg_index_entry {
    uint32_t hash, block;
} kis_seg_index_entry;

/** The pinned data of one segment, where it points to. */
typedef struct kis_seg_index {
    const kis_seg_block_info *blocks;
    const uint8_t *filter;
    size_t filter_bytes;
    const kis_seg_index_page *pages;
} kis_seg_index;

typedef struct kis_segment {
    _Atomic uint32_t refs;
    _Atomic bool is_deleted; /* the last reference removes the file */
    kis_os *os;
    const kis_alloc *alloc;
    _Atomic uint64_t *dir_bytes; /* lessened when the file is gone */
    kis_str dir;
    uint64_t file_bytes;
    uint64_t pinned_offset, start_offset;
    uint32_t pinned_bytes, start_bytes, pinned_crc, start_crc;
    kis_seg_info info;
    char tenant[64];
    uint8_t *pinned;     /* NULL: read when asked */
    kis_seg_index index; /* of `pinned` */

    /* of a damaged file alone */
    bool is_footer_lost; /* opened by its lead */
    /* the trace index, rebuilt: in `pinned`, `index.pages` is NULL then */
    const kis_seg_index_entry *entries;
    uint32_t lost_blocks; /* that are not in `info` any more, but for start_min to received_max */
    uint64_t lost_rows;
    bool is_left_out; /* as a whole: `info` and index have no block */
    /* and of what tenant and time it was cannot be told: received_max is a bound, the rest of
     * `info` nothing. It is there for its bytes, and to be told of */
    bool is_unknown;
} kis_segment;

typedef struct kis_segment_set { /* in the order of generation and part */
    _Atomic uint32_t refs;
    const kis_alloc *alloc;
    uint32_t count;
    kis_segment *at[];
} kis_segment_set;

size_t kis_segment_path(char *to, size_t size, kis_str dir, const char *prefix, uint64_t generation,
                        uint32_t part);
bool kis_segment_parse_name(kis_str name, uint64_t *out_generation, uint32_t *out_part) KIS_CHECKED;

/**
 * Opens a file by its footer. The pinned data is checked; it stays in memory when `pin`.
 * CORRUPT, UNSUPPORTED (newer version), IO, NOMEM.
 */
kis_err kis_segment_open(kis_os *os, const kis_alloc *alloc, kis_str dir, uint64_t generation,
                         uint32_t part, bool pin, kis_segment **out, kis_diag *diag) KIS_CHECKED;
/** The same for a file whose footer does not read, by its lead. `*out_has_index` false: the pinned
 * data does not read either, and the segment cannot be asked before it has an index
 * (segment_rebuild.h). */
struct kis_seg_lead;
kis_err kis_segment_open_by_lead(kis_os *os, const kis_alloc *alloc, kis_str dir,
                                 uint64_t generation, uint32_t part, bool pin, kis_segment **out,
                                 struct kis_seg_lead *out_lead, bool *out_has_index,
                                 kis_diag *diag) KIS_CHECKED;
/** The place of a file of which nothing reads: `is_unknown`. Its size, as far as that can be asked.
 * NOMEM. */
kis_err kis_segment_leave_out(kis_os *os, const kis_alloc *alloc, kis_str dir, uint64_t generation,
                              uint32_t part, kis_segment **out, kis_diag *diag) KIS_CHECKED;
kis_segment *kis_segment_ref(kis_segment *segment);
void kis_segment_unref(kis_segment *segment);

/* `at` is to be filled with references */
kis_segment_set *kis_segment_set_new(const kis_alloc *alloc, uint32_t count);
void kis_segment_set_unref(kis_segment_set *set); /* gives back the references it holds */

/** The index, from memory, or read into `scratch`, which must live as long as it is used. */
kis_err kis_segment_index(kis_segment *segment, kis_arena *scratch, kis_seg_index *out,
                          kis_diag *diag) KIS_CHECKED;
/** Blocks that may have the trace, ascending. */
kis_err kis_segment_find_trace(kis_segment *segment, const kis_seg_index *index,
                               uint64_t trace_hash, kis_arena *scratch, uint32_t **out_blocks,
                               uint32_t *out_count, kis_diag *diag) KIS_CHECKED;

/** Bytes of the file. CORRUPT: it ends before. */
kis_err kis_segment_read_range(const kis_segment *segment, uint64_t offset, void *to, size_t size,
                               kis_diag *diag) KIS_CHECKED;

/** What a start needs once: names for the catalogue, keys. */
typedef bool kis_seg_name_fn(void *user, kis_str service, kis_str name, uint8_t kind);
typedef void kis_seg_key_fn(void *user, kis_key key);
kis_err kis_segment_read_start_data(kis_segment *segment, kis_arena *scratch,
                                    kis_seg_name_fn *each_name, kis_seg_key_fn *each_key,
                                    void *user, kis_diag *diag) KIS_CHECKED;

/* ---- the parts of a file as plain bytes: what the functions above use, and fuzzing ----------- */

typedef struct kis_seg_footer {
    uint64_t start_offset, pinned_offset;
    uint32_t start_bytes, start_crc, pinned_bytes, pinned_crc;
    uint64_t file_bytes;
} kis_seg_footer;
void kis_seg_footer_encode(const kis_seg_footer *footer, uint8_t to[KIS_SEG_FOOTER_BYTES]);
kis_err kis_seg_footer_decode(const uint8_t from[KIS_SEG_FOOTER_BYTES], kis_seg_footer *out,
                              kis_diag *diag) KIS_CHECKED;

typedef struct kis_seg_lead {
    kis_seg_footer footer;
    uint32_t salt; /* of the headers of its blocks */
    kis_seg_info info;
} kis_seg_lead;
void kis_seg_lead_encode(const kis_seg_lead *lead, uint8_t to[KIS_SEG_LEAD_BYTES]);
/** The tenant points into `from`. */
kis_err kis_seg_lead_decode(const uint8_t from[KIS_SEG_LEAD_BYTES], kis_seg_lead *out,
                            kis_diag *diag) KIS_CHECKED;
/** Section 1 of the pinned data; answers its length. */
size_t kis_seg_info_encode(const kis_seg_info *info, uint8_t to[KIS_SEG_INFO_BYTES_MAX]);
/** `bytes` must be aligned to 8. */
kis_err kis_seg_pinned_decode(kis_bytes bytes, uint64_t file_bytes, kis_seg_info *out_info,
                              kis_seg_index *out_index, kis_diag *diag) KIS_CHECKED;

/* ---- one block ------------------------------------------------------------------------------- */

typedef struct kis_seg_sig {
    uint16_t scope, name;
    uint8_t kind, status, parts; /* parts: row.h, without flags, which stand here */
    uint32_t flags;
} kis_seg_sig;

typedef struct kis_seg_block { /* decoded; immutable, reference-counted */
    _Atomic uint32_t refs;
    uint32_t needs; /* what was decoded beside the core */
    kis_arena arena;
    uint32_t rows, traces, resource_count, scope_count, name_count, sig_count;
    const kis_trace_id *trace_ids;
    uint32_t *trace_first; /* traces + 1 */
    uint16_t *row_trace;
    uint16_t *row_sig;
    uint64_t *start, *end;
    kis_resource_view *resources;
    kis_scope_view *scopes; /* `resource` is an index into resources */
    kis_str *names;
    kis_seg_sig *sigs;
    const kis_span_id *span_ids; /* IDS */
    kis_span_id *parents;
    const uint8_t *attrs; /* ATTRS */
    uint32_t *attr_first; /* rows + 1 */
    uint16_t *attr_count;
    const uint8_t *rest;  /* REST */
    uint32_t *rest_first; /* rows + 1 */
} kis_seg_block;

/**
 * Decodes a block from its bytes in the file: all of them,
 * or as many from the beginning as `needs` asks for.
 * CORRUPT: a checksum is wrong or the content is not a block. Never reads outside `bytes`.
 */
kis_err kis_seg_block_decode(kis_bytes bytes, uint32_t needs, const kis_alloc *alloc,
                             kis_block_codec *codec, kis_seg_block **out,
                             kis_diag *diag) KIS_CHECKED;
kis_seg_block *kis_seg_block_ref(kis_seg_block *block);
void kis_seg_block_unref(kis_seg_block *block);

/** What a block's header says of its block. */
typedef struct kis_seg_block_measure {
    uint32_t rows, traces, salt;
    uint32_t core_size, ids_size;
    uint64_t size;
} kis_seg_block_measure;
/** False: not the header of a block. */
bool kis_seg_block_measure_header(const uint8_t header[KIS_SEG_BLOCK_HEADER_BYTES],
                                  kis_seg_block_measure *out) KIS_CHECKED;

/** The view of one row, as far as it was decoded. False: its rest does not read. */
bool kis_seg_block_row(const kis_seg_block *block, uint32_t row, kis_span_view *out) KIS_CHECKED;
static inline const kis_scope_view *kis_seg_block_scope(const kis_seg_block *b, uint32_t row)
{
    return &b->scopes[b->sigs[b->row_sig[row]].scope];
}
static inline const kis_resource_view *kis_seg_block_resource(const kis_seg_block *b, uint32_t row)
{
    return &b->resources[kis_seg_block_scope(b, row)->resource];
}
/** The trace's place in the block; false: not here. */
bool kis_seg_block_find_trace(const kis_seg_block *block, const kis_trace_id *id,
                              uint32_t *out_first, uint32_t *out_end) KIS_CHECKED;

#endif
