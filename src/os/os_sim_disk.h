/* os_sim_disk.h - the disk of the simulated machine: what is seen, what is safe, what a cut leaves.
 *
 *     path ── now  ──> node    what programs see
 *          └─ disk ──> node    what survives a cut for sure
 *     node ── pages: now (NULL: as on the disk), disk (NULL: zeros)
 *     changes: of names, oldest first, not yet safe
 *
 * Owned by os_sim.c, which locks. Not for others.
 */
#ifndef KIS_OS_OS_SIM_DISK_H
#define KIS_OS_OS_SIM_DISK_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"

#define KIS_SIM_PAGE_BYTES   ((size_t)4096)
#define KIS_SIM_SECTOR_BYTES ((size_t)512)
#define KIS_SIM_NO_PATH      UINT32_MAX

typedef struct kis_sim_page {
    uint8_t *now, *disk;
    bool is_dirty;   /* now is not safe, and the next sync makes it so */
    bool is_counted; /* takes room on the disk */
} kis_sim_page;

typedef struct kis_sim_node {
    bool is_dir, is_used; /* used: by the sweep */
    uint32_t open_count;
    uint64_t size, disk_size;
    uint64_t dirty_from, dirty_to; /* pages [from, to) hold all that are dirty */
    KIS_VEC(kis_sim_page) pages;
} kis_sim_node;

typedef struct kis_sim_path {
    kis_str text;
    uint32_t parent; /* KIS_SIM_NO_PATH for the root */
    kis_sim_node *now, *disk;
} kis_sim_path;

/** Path `from` stops meaning `node`, path `to` starts to; either may be KIS_SIM_NO_PATH. */
typedef struct kis_sim_change {
    uint32_t from, to;
    kis_sim_node *node;
} kis_sim_change;

typedef struct kis_sim_disk {
    const kis_alloc *alloc;
    kis_arena texts;
    kis_map path_map;
    KIS_VEC(kis_sim_path) paths;
    KIS_VEC(kis_sim_node *) nodes;
    KIS_VEC(kis_sim_change) changes;
    uint64_t random, used_pages, max_pages;
} kis_sim_disk;

void kis_sim_disk_init(kis_sim_disk *disk, const kis_alloc *alloc, uint64_t seed);
void kis_sim_disk_done(kis_sim_disk *disk);

uint64_t kis_sim_disk_random(kis_sim_disk *disk, uint64_t below);

/** The number of a path, made when it is new; KIS_SIM_NO_PATH when there is no memory. A path
 * without a slash and the empty one lie in the root. Slashes at the end do not count. */
uint32_t kis_sim_disk_path(kis_sim_disk *disk, kis_str path);
kis_sim_node *kis_sim_disk_find(kis_sim_disk *disk, uint32_t path);

/** Makes a file or folder under a path that means nothing yet and whose folder exists. NULL: no
 * memory. */
kis_sim_node *kis_sim_disk_make(kis_sim_disk *disk, uint32_t path, bool is_dir);
/** `from` means nothing any more and its node is under `to`, unless that is KIS_SIM_NO_PATH. */
kis_err kis_sim_disk_move(kis_sim_disk *disk, uint32_t from, uint32_t to);
void kis_sim_disk_sync_dir(kis_sim_disk *disk, uint32_t dir);

void kis_sim_node_read(const kis_sim_node *node, uint64_t offset, void *to, size_t size);
/** FULL: the disk holds no more; what fitted is written. */
kis_err kis_sim_node_write(kis_sim_disk *disk, kis_sim_node *node, uint64_t offset,
                           const void *from, size_t size);
/** Also larger: the new bytes are zeros; `reserve` takes the room for them. */
kis_err kis_sim_node_resize(kis_sim_disk *disk, kis_sim_node *node, uint64_t size, bool reserve);
void kis_sim_node_sync(kis_sim_node *node, const kis_alloc *alloc);
/** Some pages become safe, none is dirty any more. */
void kis_sim_node_sync_badly(kis_sim_disk *disk, kis_sim_node *node);

/** The power goes: what is not safe is kept, lost or torn by chance; nothing is open. */
void kis_sim_disk_cut(kis_sim_disk *disk);
/** Frees the nodes that neither a path, a change nor an open file means. */
void kis_sim_disk_sweep(kis_sim_disk *disk);

#endif
