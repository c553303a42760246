/* lookup.h - what the calls of the reader share. One call is one kis_lookup:
 * a snapshot, bounded memory, a deadline. */
#ifndef KIS_STORE_LOOKUP_H
#define KIS_STORE_LOOKUP_H

#include "store/state.h"

typedef struct kis_lookup {
    kis_store *store;
    const kis_request *request;
    kis_snapshot snapshot;
    kis_arena arena;      /* KIS_QUERY_BYTES_MAX; freed with the call */
    kis_seg_index *index; /* of each segment, once it was needed; blocks == NULL: not yet */
    uint64_t rows_looked_at;
    bool has_lost; /* a segment of the snapshot has lost blocks */
    /* of those that gathering meets are read whole: their spans will be handed out next */
    uint32_t whole_blocks;
    const char *why; /* the answer is partial because */
} kis_lookup;

kis_err kis_lookup_begin(kis_lookup *l, kis_store *store, const kis_request *request,
                         kis_diag *diag) KIS_CHECKED;
void kis_lookup_end(kis_lookup *l, kis_answer *answer);

/** TIMEOUT, CLOSED (cancelled), or OK. To be asked now and then. */
kis_err kis_lookup_check(const kis_lookup *l, kis_diag *diag) KIS_CHECKED;
kis_err kis_request_check(kis_store *store, const kis_request *request, kis_diag *diag) KIS_CHECKED;

/** Damage is skipped, counted and told in the answer: true then. False: `err` ends the call. */
bool kis_lookup_skip(kis_lookup *l, kis_err err, const kis_diag *why);

/** The same damage, got over: counted and logged, and no span is missing for it. */
bool kis_lookup_go_without(kis_lookup *l, kis_err err, const kis_diag *why);

/** The answer is partial when blocks of this segment are lost that may have had spans of the tenant
 * that start from `first` to `last`. */
void kis_lookup_note_lost(kis_lookup *l, const kis_segment *segment, uint64_t first, uint64_t last);

/** A segment's index, or NULL when it is damaged (skipped) or *err says why the call ends. */
const kis_seg_index *kis_lookup_index(kis_lookup *l, uint32_t segment, kis_err *err,
                                      kis_diag *diag);

/** What of a block a filter looks at beside the core. */
uint32_t kis_filter_needs(const kis_filter *filter);

/* find.c, trace.c */
kis_err kis_store_find(kis_reader *reader, const kis_find *find, kis_found_fn *each, void *user,
                       kis_answer *answer, kis_diag *diag);
kis_err kis_store_get(kis_reader *reader, const kis_request *request, const kis_trace_id *id,
                      kis_span_fn *each, void *user, kis_answer *answer, kis_diag *diag);
kis_err kis_store_summaries(kis_reader *reader, const kis_request *request, const kis_trace_id *ids,
                            uint32_t count, kis_summary_fn *each, void *user, kis_answer *answer,
                            kis_diag *diag);

/* One trace's rows wherever they lie. The array is the call's own,
 * at most KIS_TRACE_SPANS_MAX long. */
typedef struct kis_trace_row { /* 32 bytes a span: what `get` keeps of a trace */
    uint64_t start;
    kis_span_id span_id;
    uint32_t source; /* head, or head_count + segment */
    uint32_t block;  /* of a segment */
    uint32_t row;    /* of the head, or in the block */
    uint8_t kind;
} kis_trace_row;

typedef struct kis_trace_rows {
    kis_trace_row *at;
    uint32_t count, cap;
} kis_trace_rows;

/**
 * Gathers the rows of a trace. `start_min`: blocks whose starts all lie below it may be left out.
 * More than KIS_TRACE_SPANS_MAX: that many, and the answer is partial. After an error, too, `out`
 * is to be given back.
 */
kis_err kis_trace_gather(kis_lookup *l, const kis_trace_id *id, uint64_t start_min,
                         kis_trace_rows *out, kis_diag *diag) KIS_CHECKED;

void kis_trace_rows_done(kis_lookup *l, kis_trace_rows *rows);

/** The spans of gathered rows, one after the other; keeps the last block it used. */
typedef struct kis_row_reader {
    kis_lookup *lookup;
    uint32_t needs;
    kis_seg_block *block;
    uint32_t block_source, block_number;
} kis_row_reader;
/** NOT_FOUND: the row's block is damaged and was skipped. `out` borrows until the next call. */
kis_err kis_row_read(kis_row_reader *r, const kis_trace_row *row, kis_span_view *span,
                     kis_found_span *out, kis_diag *diag) KIS_CHECKED;
void kis_row_reader_done(kis_row_reader *r);

#endif
