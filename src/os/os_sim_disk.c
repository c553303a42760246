/* os_sim_disk.c - names and pages in two states, and what remains of the difference after a cut.
 *
 * Always true:
 *   (1) a page whose `now` is NULL is what is on the disk
 *   (2) a path's folder has a smaller number than the path
 *   (3) used_pages is the number of pages that are counted
 */
#include "os/os_sim_disk.h"

#include "base/hash.h"

#define TEXTS_BYTES_MAX ((size_t)64 << 20)
#define PAGES_UNBOUNDED (UINT64_MAX / KIS_SIM_PAGE_BYTES)

/* How a cut treats what is not safe. */
typedef enum cut_mood { CUT_LOSES_ALL, CUT_KEEPS_ALL, CUT_MIXES } cut_mood;

/* ---- chance ---- */

uint64_t kis_sim_disk_random(kis_sim_disk *disk, uint64_t below)
{
    disk->random += 0x9e3779b97f4a7c15u;
    return below > 0 ? kis_hash_u64(disk->random) % below : 0;
}

static bool coin(kis_sim_disk *disk, cut_mood mood)
{
    return mood == CUT_KEEPS_ALL || (mood == CUT_MIXES && kis_sim_disk_random(disk, 2) == 0);
}

/* ---- pages ---- */

static uint8_t *page_new(kis_sim_disk *disk, const uint8_t *from)
{
    uint8_t *bytes = disk->alloc->take(disk->alloc->user, KIS_SIM_PAGE_BYTES);
    if (bytes && from)
        memcpy(bytes, from, KIS_SIM_PAGE_BYTES);
    else if (bytes)
        memset(bytes, 0, KIS_SIM_PAGE_BYTES);
    return bytes;
}

static void page_free(const kis_alloc *alloc, uint8_t **bytes)
{
    if (*bytes)
        alloc->give_back(alloc->user, *bytes, KIS_SIM_PAGE_BYTES);
    *bytes = NULL;
}

static void page_uncount(kis_sim_disk *disk, kis_sim_page *page)
{
    disk->used_pages -= page->is_counted;
    page->is_counted = false;
}

/* What is seen becomes what is safe. */
static void page_keep(const kis_alloc *alloc, kis_sim_page *page)
{
    page->is_dirty = false;
    if (!page->now)
        return;
    page_free(alloc, &page->disk);
    page->disk = page->now;
    page->now = NULL;
}

static void page_lose(const kis_alloc *alloc, kis_sim_page *page)
{
    page->is_dirty = false;
    page_free(alloc, &page->now);
}

/* Some sectors are written, some not, and one perhaps in its first half only. */
static void page_tear(kis_sim_disk *disk, kis_sim_page *page)
{
    uint8_t *torn = page->disk;
    if (!torn)
        torn = page->disk = page_new(disk, NULL);
    for (size_t at = 0; torn && page->now && at < KIS_SIM_PAGE_BYTES; at += KIS_SIM_SECTOR_BYTES) {
        uint64_t fate = kis_sim_disk_random(disk, 8);
        size_t size = fate == 0 ? kis_sim_disk_random(disk, KIS_SIM_SECTOR_BYTES)
                                : (fate % 2) * KIS_SIM_SECTOR_BYTES;
        memcpy(torn + at, page->now + at, size);
    }
    page_lose(disk->alloc, page);
}

/* The page at `index`, with memory for what is seen of it; NULL: no memory or, with `err` FULL, no
 * room. */
static kis_sim_page *page_to_write(kis_sim_disk *disk, kis_sim_node *node, uint64_t index,
                                   kis_err *err)
{
    *err = KIS_ERR_NOMEM;
    if (index >= UINT32_MAX / 4 || !KIS_VEC_RESERVE(&node->pages, disk->alloc, index + 1))
        return NULL;
    while (node->pages.len <= index)
        node->pages.at[node->pages.len++] = (kis_sim_page){ 0 };
    kis_sim_page *page = &node->pages.at[index];
    if (!page->is_counted && disk->used_pages >= disk->max_pages) {
        *err = KIS_ERR_FULL;
        return NULL;
    }
    if (!page->now)
        page->now = page_new(disk, page->disk);
    if (!page->now)
        return NULL;
    disk->used_pages += !page->is_counted;
    page->is_counted = page->is_dirty = true;
    if (node->dirty_from == node->dirty_to)
        node->dirty_from = node->dirty_to = index;
    node->dirty_from = KIS_MIN(node->dirty_from, index);
    node->dirty_to = KIS_MAX(node->dirty_to, index + 1);
    return page;
}

/* ---- nodes ---- */

void kis_sim_node_read(const kis_sim_node *node, uint64_t offset, void *to, size_t size)
{
    uint8_t *at = to;
    while (size > 0) {
        uint64_t index = offset / KIS_SIM_PAGE_BYTES;
        size_t inside = (size_t)(offset % KIS_SIM_PAGE_BYTES);
        size_t part = KIS_MIN(size, KIS_SIM_PAGE_BYTES - inside);
        const kis_sim_page *page = index < node->pages.len ? &node->pages.at[index] : NULL;
        const uint8_t *bytes = !page ? NULL : page->now ? page->now : page->disk;
        if (bytes)
            memcpy(at, bytes + inside, part);
        else
            memset(at, 0, part);
        at += part;
        offset += part;
        size -= part;
    }
}

kis_err kis_sim_node_write(kis_sim_disk *disk, kis_sim_node *node, uint64_t offset,
                           const void *from, size_t size)
{
    const uint8_t *at = from;
    while (size > 0) {
        size_t inside = (size_t)(offset % KIS_SIM_PAGE_BYTES);
        size_t part = KIS_MIN(size, KIS_SIM_PAGE_BYTES - inside);
        kis_err err;
        kis_sim_page *page = page_to_write(disk, node, offset / KIS_SIM_PAGE_BYTES, &err);
        if (!page)
            return err;
        memcpy(page->now + inside, at, part);
        at += part;
        offset += part;
        size -= part;
        node->size = KIS_MAX(node->size, offset);
    }
    return KIS_OK;
}

/* Bytes from `size` on are zeros, in what is seen. */
static kis_err node_cut(kis_sim_disk *disk, kis_sim_node *node, uint64_t size)
{
    for (uint64_t i = size / KIS_SIM_PAGE_BYTES; i < node->pages.len; i++) {
        kis_sim_page *page = &node->pages.at[i];
        size_t keep = i == size / KIS_SIM_PAGE_BYTES ? (size_t)(size % KIS_SIM_PAGE_BYTES) : 0;
        kis_err err;
        if ((page->now || page->disk) && !page_to_write(disk, node, i, &err))
            return err;
        if (page->now)
            memset(page->now + keep, 0, KIS_SIM_PAGE_BYTES - keep);
        if (keep == 0)
            page_uncount(disk, page);
    }
    node->size = size;
    return KIS_OK;
}

kis_err kis_sim_node_resize(kis_sim_disk *disk, kis_sim_node *node, uint64_t size, bool reserve)
{
    if (size < node->size)
        return node_cut(disk, node, size);
    for (uint64_t i = 0; reserve && i * KIS_SIM_PAGE_BYTES < size; i++) {
        kis_err err;
        if (i < node->pages.len && node->pages.at[i].is_counted)
            continue;
        if (!page_to_write(disk, node, i, &err))
            return err;
    }
    node->size = size;
    return KIS_OK;
}

void kis_sim_node_sync(kis_sim_node *node, const kis_alloc *alloc)
{
    for (uint64_t i = node->dirty_from; i < node->dirty_to; i++) {
        if (node->pages.at[i].is_dirty)
            page_keep(alloc, &node->pages.at[i]);
    }
    node->dirty_from = node->dirty_to = 0;
    node->disk_size = node->size;
}

void kis_sim_node_sync_badly(kis_sim_disk *disk, kis_sim_node *node)
{
    for (uint64_t i = node->dirty_from; i < node->dirty_to; i++) {
        kis_sim_page *page = &node->pages.at[i];
        if (page->is_dirty && coin(disk, CUT_MIXES))
            page_keep(disk->alloc, page);
        page->is_dirty = false;
    }
    node->dirty_from = node->dirty_to = 0;
    if (coin(disk, CUT_MIXES))
        node->disk_size = node->size;
}

static void node_free(kis_sim_disk *disk, kis_sim_node *node)
{
    for (uint32_t i = 0; i < node->pages.len; i++) {
        page_uncount(disk, &node->pages.at[i]);
        page_lose(disk->alloc, &node->pages.at[i]);
        page_free(disk->alloc, &node->pages.at[i].disk);
    }
    KIS_VEC_DONE(&node->pages, disk->alloc);
    disk->alloc->give_back(disk->alloc->user, node, sizeof(*node));
}

static void node_cut_power(kis_sim_disk *disk, kis_sim_node *node, cut_mood mood)
{
    for (uint32_t i = 0; i < node->pages.len; i++) {
        kis_sim_page *page = &node->pages.at[i];
        if (!page->is_dirty)
            page_lose(disk->alloc, page); /* a sync that failed took it for written */
        else if (coin(disk, mood))
            page_keep(disk->alloc, page);
        else if (mood == CUT_MIXES && coin(disk, mood))
            page_tear(disk, page);
        else
            page_lose(disk->alloc, page);
    }
    uint64_t low = KIS_MIN(node->size, node->disk_size),
             high = KIS_MAX(node->size, node->disk_size);
    uint64_t size = coin(disk, mood) ? node->size : node->disk_size;
    if (mood == CUT_MIXES && kis_sim_disk_random(disk, 4) == 0)
        size = low + kis_sim_disk_random(disk, high - low + 1);

    node->dirty_from = node->dirty_to = 0;
    node->open_count = 0;
    node->size = node->disk_size = size;
    for (uint64_t i = size / KIS_SIM_PAGE_BYTES; i < node->pages.len; i++) {
        kis_sim_page *page = &node->pages.at[i];
        size_t keep = i == size / KIS_SIM_PAGE_BYTES ? (size_t)(size % KIS_SIM_PAGE_BYTES) : 0;
        if (page->disk && keep > 0)
            memset(page->disk + keep, 0, KIS_SIM_PAGE_BYTES - keep);
        else if (keep == 0)
            page_free(disk->alloc, &page->disk);
    }
    for (uint32_t i = 0; i < node->pages.len; i++) {
        kis_sim_page *page = &node->pages.at[i];
        page_uncount(disk, page);
        page->is_counted = page->disk != NULL;
        disk->used_pages += page->is_counted;
    }
}

/* ---- names ---- */

static kis_str path_trimmed(kis_str path)
{
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    return path;
}

static kis_str path_folder(kis_str path)
{
    while (path.len > 0 && path.ptr[path.len - 1] != '/')
        path.len--;
    return path_trimmed(path);
}

uint32_t kis_sim_disk_path(kis_sim_disk *disk, kis_str path)
{
    path = path_trimmed(path);
    uint64_t hash = kis_hash_str(path, 0);
    for (kis_map_probe p = kis_map_begin(&disk->path_map, hash);
         kis_map_next(&disk->path_map, &p);) {
        if (kis_str_eq(disk->paths.at[p.value].text, path))
            return p.value;
    }
    kis_sim_path made = { .parent = KIS_SIM_NO_PATH };
    if (path.len > 0) {
        made.parent = kis_sim_disk_path(disk, path_folder(path));
        if (made.parent == KIS_SIM_NO_PATH)
            return KIS_SIM_NO_PATH;
    }
    if (!kis_arena_copy(&disk->texts, path, &made.text) ||
        !KIS_VEC_RESERVE(&disk->paths, disk->alloc, (size_t)disk->paths.len + 1) ||
        !kis_map_add(&disk->path_map, hash, disk->paths.len))
        return KIS_SIM_NO_PATH;
    disk->paths.at[disk->paths.len] = made;
    return disk->paths.len++;
}

kis_sim_node *kis_sim_disk_find(kis_sim_disk *disk, uint32_t path)
{
    return path == KIS_SIM_NO_PATH ? NULL : disk->paths.at[path].now;
}

kis_sim_node *kis_sim_disk_make(kis_sim_disk *disk, uint32_t path, bool is_dir)
{
    kis_sim_node *node = disk->alloc->take(disk->alloc->user, sizeof(*node));
    if (!node)
        return NULL;
    *node = (kis_sim_node){ .is_dir = is_dir };
    if (!KIS_VEC_RESERVE(&disk->nodes, disk->alloc, (size_t)disk->nodes.len + 1) ||
        !KIS_VEC_PUSH(&disk->changes, disk->alloc,
                      ((kis_sim_change){ KIS_SIM_NO_PATH, path, node }))) {
        disk->alloc->give_back(disk->alloc->user, node, sizeof(*node));
        return NULL;
    }
    disk->nodes.at[disk->nodes.len++] = node;
    disk->paths.at[path].now = node;
    return node;
}

kis_err kis_sim_disk_move(kis_sim_disk *disk, uint32_t from, uint32_t to)
{
    kis_sim_node *node = disk->paths.at[from].now;
    if (!KIS_VEC_PUSH(&disk->changes, disk->alloc, ((kis_sim_change){ from, to, node })))
        return KIS_ERR_NOMEM;
    disk->paths.at[from].now = NULL;
    if (to != KIS_SIM_NO_PATH)
        disk->paths.at[to].now = node;
    kis_sim_disk_sweep(disk);
    return KIS_OK;
}

static void change_keep(kis_sim_disk *disk, const kis_sim_change *change)
{
    if (change->from != KIS_SIM_NO_PATH && disk->paths.at[change->from].disk == change->node)
        disk->paths.at[change->from].disk = NULL;
    if (change->to != KIS_SIM_NO_PATH)
        disk->paths.at[change->to].disk = change->node;
}

static bool change_is_in(const kis_sim_disk *disk, const kis_sim_change *change, uint32_t dir)
{
    return (change->from != KIS_SIM_NO_PATH && disk->paths.at[change->from].parent == dir) ||
           (change->to != KIS_SIM_NO_PATH && disk->paths.at[change->to].parent == dir);
}

void kis_sim_disk_sync_dir(kis_sim_disk *disk, uint32_t dir)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < disk->changes.len; i++) {
        if (change_is_in(disk, &disk->changes.at[i], dir))
            change_keep(disk, &disk->changes.at[i]);
        else
            disk->changes.at[left++] = disk->changes.at[i];
    }
    disk->changes.len = left;
    kis_sim_disk_sweep(disk);
}

void kis_sim_disk_cut(kis_sim_disk *disk)
{
    uint64_t chance = kis_sim_disk_random(disk, 6);
    cut_mood mood = chance == 0 ? CUT_LOSES_ALL : chance == 1 ? CUT_KEEPS_ALL : CUT_MIXES;

    for (uint32_t i = 0; i < disk->changes.len; i++) {
        if (coin(disk, mood))
            change_keep(disk, &disk->changes.at[i]);
    }
    disk->changes.len = 0;
    for (uint32_t i = 0; i < disk->paths.len; i++) {
        kis_sim_path *path = &disk->paths.at[i];
        if (path->parent != KIS_SIM_NO_PATH && !disk->paths.at[path->parent].disk)
            path->disk = NULL; /* its folder is gone */
        path->now = path->disk;
    }
    for (uint32_t i = 0; i < disk->nodes.len; i++)
        node_cut_power(disk, disk->nodes.at[i], mood);
    kis_sim_disk_sweep(disk);
}

void kis_sim_disk_sweep(kis_sim_disk *disk)
{
    for (uint32_t i = 0; i < disk->nodes.len; i++)
        disk->nodes.at[i]->is_used = disk->nodes.at[i]->open_count > 0;
    for (uint32_t i = 0; i < disk->changes.len; i++)
        disk->changes.at[i].node->is_used = true;
    for (uint32_t i = 0; i < disk->paths.len; i++) {
        if (disk->paths.at[i].now)
            disk->paths.at[i].now->is_used = true;
        if (disk->paths.at[i].disk)
            disk->paths.at[i].disk->is_used = true;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < disk->nodes.len; i++) {
        if (disk->nodes.at[i]->is_used)
            disk->nodes.at[left++] = disk->nodes.at[i];
        else
            node_free(disk, disk->nodes.at[i]);
    }
    disk->nodes.len = left;
}

/* ---- the whole ---- */

void kis_sim_disk_init(kis_sim_disk *disk, const kis_alloc *alloc, uint64_t seed)
{
    *disk = (kis_sim_disk){ .alloc = alloc, .random = seed, .max_pages = PAGES_UNBOUNDED };
    kis_arena_init(&disk->texts, alloc, TEXTS_BYTES_MAX);
    kis_map_init(&disk->path_map, alloc);
}

void kis_sim_disk_done(kis_sim_disk *disk)
{
    for (uint32_t i = 0; i < disk->nodes.len; i++)
        node_free(disk, disk->nodes.at[i]);
    KIS_VEC_DONE(&disk->nodes, disk->alloc);
    KIS_VEC_DONE(&disk->changes, disk->alloc);
    KIS_VEC_DONE(&disk->paths, disk->alloc);
    kis_map_done(&disk->path_map);
    kis_arena_done(&disk->texts);
}
