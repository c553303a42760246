/* folder.h - what lies in a store's folder: the version file, and the names of logs and segments,
 * sorted. */
#ifndef KIS_STORE_FOLDER_H
#define KIS_STORE_FOLDER_H

#include "base/arena.h"
#include "base/vec.h"
#include "os/os.h"
#include "store/wal.h"

typedef struct kis_folder_file {
    uint64_t generation;
    uint32_t number; /* a log's attempt, a segment's part */
} kis_folder_file;

typedef struct kis_folder {
    kis_arena *arena;
    KIS_VEC(kis_folder_file) logs, segments; /* sorted */
    KIS_VEC(kis_str) leftovers;              /* tmp-… */
    bool is_short_of_memory;
    kis_alloc alloc;
} kis_folder;

/** Lists the folder; everything is in the arena. */
kis_err kis_folder_list(kis_folder *folder, kis_os *os, kis_str dir, kis_arena *arena,
                        kis_diag *diag) KIS_CHECKED;

/** NOT_FOUND: no version file; the diag says whether there is a folder at all. UNSUPPORTED: a newer
 * version's. CORRUPT: not one of ours. Reads only. */
kis_err kis_folder_read_version(kis_os *os, kis_str dir, kis_diag *diag) KIS_CHECKED;
/** Of a folder without a version file: whether a store may be made in it. NOT_FOUND: it is not
 * there yet. RANGE: something lies in it that is not ours. What a first start leaves that was cut
 * off before its version file is ours. Reads only. */
kis_err kis_folder_judge_new(kis_os *os, kis_str dir, kis_diag *diag) KIS_CHECKED;
kis_err kis_folder_write_version(kis_os *os, kis_str dir, kis_diag *diag) KIS_CHECKED;

/** A whole file. `*out_cap` is what was taken from `alloc`. */
kis_err kis_folder_read_file(kis_os *os, const kis_alloc *alloc, kis_str path, kis_bytes *out,
                             size_t *out_cap, kis_diag *diag) KIS_CHECKED;

#endif
