/* tree.h - the spans of one trace as a tree: 32 bytes a span, whatever the spans carry.
 *
 *     get ─> kis_tree_add, one row a span ─> kis_tree_link ─> parents, children, roots, oddities
 *
 * An answer that is streamed reads the trace twice: once into this index, once to write it out
 * (kis_tree_find says what the index knows about the span at hand). Nothing here recurses: a chain
 * of any depth is a loop.
 */
#ifndef KIS_QUERY_TREE_H
#define KIS_QUERY_TREE_H

#include "base/arena.h"
#include "model/reader.h"

/* 32 MiB of rows. Larger traces are answered without the tree's warnings, and say so. */
#define KIS_TREE_ROWS_MAX   (1u << 20)
#define KIS_TREE_CHUNK_ROWS 2048u /* taken at once, so that growing copies nothing */
#define KIS_TREE_NONE       UINT32_MAX

/* what is odd about a row */
/* its parent is not in the trace: drawn as a root, with a warning */
#define KIS_TREE_ORPHAN     0x1u
#define KIS_TREE_OWN_PARENT 0x2u /* names itself as its parent: a root */
/* its parents lead back to it; the cycle was opened here: a root */
#define KIS_TREE_CYCLE     0x4u
#define KIS_TREE_DUPLICATE 0x8u  /* another span has its id, and is not its shared other half */
#define KIS_TREE_ERROR     0x10u /* status ERROR */

typedef struct kis_tree_row {
    kis_span_id span_id, parent_id;
    uint32_t parent; /* row, KIS_TREE_NONE for a root; the fields from here on are set by link */
    uint32_t first_child, next_sibling;         /* in the order of adding, which is by start */
    uint32_t kind : 3, flags : 5, service : 24; /* service: the caller's number */
} kis_tree_row;
_Static_assert(sizeof(kis_tree_row) == 32, "32 bytes a span is the promise");

typedef struct kis_tree {
    kis_arena *arena;
    kis_tree_row *chunks[KIS_TREE_ROWS_MAX / KIS_TREE_CHUNK_ROWS];
    uint32_t row_count;
    uint32_t first_root; /* roots are siblings of each other */
    uint32_t orphan_count, cycle_count;
    uint32_t *by_id; /* open addressing over (span id, kind), at most 4/5 full: row + 1, 0 is empty;
                        of equal ones only the first is there */
    uint32_t by_id_slots;
    bool is_cut;           /* the trace has more than KIS_TREE_ROWS_MAX spans */
    bool is_out_of_memory; /* a row could not be added: link says so */
} kis_tree;

static inline kis_tree_row *kis_tree_at(const kis_tree *tree, uint32_t row)
{
    return &tree->chunks[row / KIS_TREE_CHUNK_ROWS][row % KIS_TREE_CHUNK_ROWS];
}

void kis_tree_init(kis_tree *tree, kis_arena *arena);
/** False: no more rows (is_cut), or no memory (link answers NOMEM). Rows come in the order in which
 * siblings shall stand. */
bool kis_tree_add(kis_tree *tree, const kis_span_view *span, uint32_t service);
/** Finds parents, opens cycles, links children. Once, after the last add. NOMEM, also of an
 * add. */
kis_err kis_tree_link(kis_tree *tree, kis_diag *diag) KIS_CHECKED;
/** Reads a whole trace into a linked tree (service 0 for all). NOT_FOUND: there is no such trace;
 * NOMEM. */
kis_err kis_tree_read(kis_tree *tree, kis_reader *reader, const kis_request *request,
                      const kis_trace_id *id, kis_answer *answer, kis_diag *diag) KIS_CHECKED;
/** The row of a span that comes by again. `hint` starts at 0 and follows a second reading in the
 * same order, which makes this a comparison; else by id and kind. KIS_TREE_NONE: the span came
 * after the index was made. */
uint32_t kis_tree_find(const kis_tree *tree, const kis_span_view *span, uint32_t *hint);

/** Rows in the order of drawing, parents before children: begin with at = KIS_TREE_NONE; false when
 * done. Constant memory. */
typedef struct kis_tree_walk {
    uint32_t at;
    uint32_t depth; /* of `at`; roots are 0 */
} kis_tree_walk;
bool kis_tree_next(const kis_tree *tree, kis_tree_walk *walk);

/** The warning of a row as Jaeger words it, or an empty text. Borrows from `buffer`. */
#define KIS_TREE_WARNING_MAX 128
kis_str kis_tree_warning(const kis_tree *tree, uint32_t row, char buffer[KIS_TREE_WARNING_MAX]);
/** The warning of the whole trace, or an empty text. Static. */
kis_str kis_tree_trace_warning(const kis_tree *tree);

#endif
