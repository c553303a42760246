/* segment_rebuild.h - a segment whose end is damaged or gone:
 * what its lead and its blocks still tell.
 *
 *     footer does not read       the lead has the same places: the index is read, nothing is lost
 *     nor does the pinned data   the index is made anew, in memory, from the blocks that read
 *     nor does the lead          the file is left out: nobody knows whose spans these are
 *     no memory for an index     it is left out, but whose spans these are, and of when, is known
 *
 * The file itself is not touched: what does not read today may do so tomorrow, on another
 * machine. So all this is done again at each start as long as the file is there; files without
 * damage cost nothing.
 *
 * Always true:
 *   (1) a block counts only when its header has the file's salt:
 *       who sends spans cannot put one into an attribute
 *   (2) a block in the index has a core that reads; its other columns are looked at when
 *       they are asked for, as always
 *   (3) the lead says how many blocks and rows there were, so what is lost is known as a number
 */
#ifndef KIS_STORE_SEGMENT_REBUILD_H
#define KIS_STORE_SEGMENT_REBUILD_H

#include "store/segment.h"

/**
 * Opens a file that kis_segment_open calls CORRUPT.
 *
 * max_bytes  of memory for an index made anew: it cannot be read again from the file, and so stays.
 *            A segment whose index would take more is opened without its blocks, `is_left_out`:
 *            what it says of its tenant, times and names stays true
 *
 * CORRUPT  there is no lead, or it does not read: nobody knows whose spans these are
 * IO, NOMEM
 */
kis_err kis_segment_rebuild(kis_os *os, const kis_alloc *alloc, kis_str dir, uint64_t generation,
                            uint32_t part, bool pin, uint64_t max_bytes, kis_block_codec *codec,
                            kis_segment **out, kis_diag *diag) KIS_CHECKED;

/** In words what was done and what is lost, for the log and for checking. */
void kis_segment_rebuilt_text(const kis_segment *segment, kis_diag *out);

/** The names in the blocks that read, many of them often: for a file whose list of names is lost.
 * False: some may be missing. */
bool kis_segment_each_block_name(kis_segment *segment, kis_block_codec *codec, kis_arena *scratch,
                                 kis_seg_name_fn *each_name, void *user) KIS_CHECKED;

#endif
