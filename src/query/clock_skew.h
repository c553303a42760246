/* clock_skew.h - which spans of a trace were timed by a clock that disagrees with their parent's.
 *
 *     parent, host a    |--------------------|
 *     child, host b  |-------|                    it cannot have begun before: delta +
 *
 * A duration of more than nine minutes is kept in units of 1024 ns: such spans are given the
 * benefit of one unit, and what is said of them is rounded to microseconds.
 *
 * 16 bytes a span beside the tree's row. Nothing is moved: times are shown as they were sent, and
 * what does not fit is said, with the delta that would make it fit.
 */
#ifndef KIS_QUERY_CLOCK_SKEW_H
#define KIS_QUERY_CLOCK_SKEW_H

#include "query/tree.h"

typedef struct kis_clock_row {
    uint64_t start_unix_ns;
    uint64_t duration : 39; /* in ns; is_coarse: in units of 1024, longer than 156 h is as long */
    uint64_t is_coarse : 1; /* longer than 9 minutes */
    uint64_t host : 24;     /* a hash of who keeps the clock */
} kis_clock_row;
_Static_assert(sizeof(kis_clock_row) == 16, "16 bytes a span is the promise");

typedef struct kis_clocks {
    kis_arena *arena;
    kis_clock_row *chunks[KIS_TREE_ROWS_MAX / KIS_TREE_CHUNK_ROWS];
    bool is_out_of_memory; /* an add has failed */
} kis_clocks;

void kis_clocks_init(kis_clocks *clocks, kis_arena *arena);
/** Before kis_tree_add, with the row that it is to make: so no row is without its clock. False: no
 * memory. Of a row that a tree cannot have nothing is kept. */
bool kis_clocks_add(kis_clocks *clocks, uint32_t row, const kis_found_span *found);
/**
 * What would have to be added to the span's times so that it fits into its parent; 0: it fits, it
 * has no parent, the same host timed both, or it may well lie outside: a child that lasts longer,
 * and one across a message queue, have only begun too early.
 */
int64_t kis_clocks_delta_ns(const kis_clocks *clocks, const kis_tree *tree, uint32_t row);
/** The same as Jaeger words it, or an empty text. Borrows from `buffer`. */
kis_str kis_clocks_warning(const kis_clocks *clocks, const kis_tree *tree, uint32_t row,
                           char buffer[KIS_TREE_WARNING_MAX]);

#endif
