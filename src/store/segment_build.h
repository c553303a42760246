/* segment_build.h - writing one segment file. Rows come in the file's order:
 * grouped by trace, within a trace by start.
 *
 * The file is made under a temporary name and synced; renaming is the caller's, who renames all
 * files of a generation together.
 */
#ifndef KIS_STORE_SEGMENT_BUILD_H
#define KIS_STORE_SEGMENT_BUILD_H

#include "base/map.h"
#include "base/vec.h"
#include "store/head.h"
#include "store/segment.h"
#include "store/sort.h"

typedef struct kis_seg_builder {
    kis_os *os;
    const kis_alloc *alloc;
    kis_arena *arena; /* of the whole flush */
    kis_block_codec *codec;
    kis_file file;
    kis_str path; /* temporary; in arena */
    kis_seg_info info;
    uint32_t salt;       /* of the blocks' headers */
    kis_buf out;         /* not yet written */
    uint64_t out_offset; /* where it goes */
    KIS_VEC(kis_seg_block_info) blocks;
    KIS_VEC(kis_seg_index_entry) index;
    KIS_VEC(uint64_t) trace_hashes; /* distinct traces, for the filter */
    kis_buf names;                  /* section of the start data */
    kis_map name_map;
    KIS_VEC(uint32_t) name_offsets; /* into names */

    /* the block being filled */
    kis_arena block_arena; /* cleared with each block */
    kis_seg_block_info block;
    kis_buf columns[KIS_SEG_COLUMNS];
    KIS_VEC(const kis_head_scope *) scopes;
    KIS_VEC(const kis_head_resource *) resources;
    size_t dict_bytes;             /* of both */
    KIS_VEC(uint64_t) block_names; /* offset << 32 | length, into name_text */
    KIS_VEC(kis_seg_sig) sigs;
    kis_buf name_text;
    kis_map scope_map, block_name_map, sig_map;
    KIS_VEC(uint32_t) trace_rows; /* rows of each trace of the block */
    kis_trace_id trace_id;        /* of the last row */
    uint32_t trace_first;         /* its first row in the block */
    uint64_t previous_start;
} kis_seg_builder;

kis_err kis_seg_build_start(kis_seg_builder *b, kis_os *os, const kis_alloc *alloc,
                            kis_arena *arena, kis_block_codec *codec, kis_str dir,
                            const kis_seg_info *info, kis_diag *diag) KIS_CHECKED;
kis_err kis_seg_build_row(kis_seg_builder *b, const kis_span_view *span,
                          const kis_head_scope *scope, uint64_t received_unix_ns,
                          kis_diag *diag) KIS_CHECKED;
/** Writes what is left, index, footer; syncs; closes. */
kis_err kis_seg_build_finish(kis_seg_builder *b, uint32_t parts, const kis_key *keys,
                             uint32_t key_count, kis_diag *diag) KIS_CHECKED;
/** Gives everything back; removes the file unless it was finished. Fine on zeros. */
void kis_seg_build_done(kis_seg_builder *b, bool keep_file);

#endif
