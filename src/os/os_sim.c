/* os_sim.c - the simulated machine behind a kis_os: every call counts, may fail, may be the last.
 *
 *     call ─> sim_enter: is it off? count; does a rule say fail? does the power go? ─> the disk
 *
 * One mutex around all of it: what is simulated is the disk's forgetting, not its speed.
 * Not here: pages and names (os_sim_disk.c), what the test says (os_sim_script.c).
 */
#include "os/os_sim.h"

#include "base/check.h"
#include "base/diag.h"
#include "os/os_sim_state.h"

#define START_NS        1000000000u
#define START_UNIX_NS   1767225600000000000u /* 2026-01-01 */
#define UNBOUNDED_BYTES ((uint64_t)1 << 40)  /* what disk_free says of a disk without bound */

/* What becomes of a call. */
typedef enum sim_fate { SIM_GOES_ON, SIM_FAILS, SIM_LOSES_POWER } sim_fate;

static kis_sim *sim_of(kis_os *os)
{
    return KIS_CONTAINER(os, kis_sim, os);
}

static kis_err sim_refuse(kis_diag *diag, kis_err err, const char *verb, kis_str path,
                          const char *why)
{
    return kis_diag_set(diag, err, "cannot %s '" KIS_FMT "': %s", verb, KIS_ARG(path), why);
}

/* Counts the call and decides what becomes of it. The mutex is held afterwards. */
static sim_fate sim_enter(kis_sim *sim, unsigned kind)
{
    pthread_mutex_lock(&sim->mutex);
    sim->calls[__builtin_ctz(kind)]++;
    kis_sim_pass_time(sim, kind & (KIS_SIM_SYNC | KIS_SIM_SYNC_DIR) ? sim->sync_ns : sim->op_ns);
    if (sim->is_off)
        return SIM_FAILS;
    if ((kind & sim->cut_kinds) && sim->cut_in > 0 && --sim->cut_in == 0)
        return SIM_LOSES_POWER;
    if (!(kind & sim->fail_kinds) || sim->fail_times == 0)
        return SIM_GOES_ON;
    if (sim->fail_in > 1) {
        sim->fail_in--;
        return SIM_GOES_ON;
    }
    sim->fail_times--;
    return SIM_FAILS;
}

/* Ends a call that did not go on, with the error and its words. */
static kis_err sim_leave(kis_sim *sim, sim_fate fate, const char *verb, kis_str path,
                         kis_diag *diag)
{
    if (fate == SIM_LOSES_POWER)
        kis_sim_lose_power(sim);
    bool is_off = sim->is_off;
    kis_err err = is_off ? KIS_ERR_IO : sim->fail_err;
    pthread_mutex_unlock(&sim->mutex);
    return sim_refuse(diag, err, verb, path, is_off ? "the power is off" : kis_err_text(err));
}

static kis_err sim_end(kis_sim *sim, kis_err err, const char *verb, kis_str path, kis_diag *diag)
{
    static const char *const words[] = { [KIS_ERR_NOT_FOUND] = "no such file or directory",
                                         [KIS_ERR_RANGE] = "file exists",
                                         [KIS_ERR_FULL] = "no space left on device",
                                         [KIS_ERR_NOMEM] = "out of memory",
                                         [KIS_ERR_IO] = "not a file of that kind" };

    pthread_mutex_unlock(&sim->mutex);
    if (err == KIS_OK)
        return KIS_OK;
    KIS_ASSERT((size_t)err < KIS_COUNT_OF(words) && words[err]);
    return sim_refuse(diag, err, verb, path, words[err]);
}

/* ---- open files ---- */

static kis_err sim_handle_new(kis_sim *sim, uint32_t path, kis_sim_node *node, bool is_read_only,
                              kis_file *out)
{
    for (uint32_t i = 0; i < KIS_SIM_OPEN_FILES_MAX; i++) {
        kis_sim_handle *handle = &sim->handles[i];
        if (handle->node)
            continue;
        uint32_t generation = handle->generation + 1;
        *handle = (kis_sim_handle){ node, generation, path, is_read_only, false };
        node->open_count++;
        *out = (kis_file){ (int64_t)((uint64_t)generation << 16 | (i + 1)) };
        return KIS_OK;
    }
    return KIS_ERR_FULL;
}

/* The open file, or NULL: closed, or open before the power went. */
static kis_sim_handle *sim_handle_of(kis_sim *sim, kis_file file)
{
    uint64_t index = ((uint64_t)file.handle & 0xffff) - 1;
    if (index >= KIS_SIM_OPEN_FILES_MAX)
        return NULL;
    kis_sim_handle *handle = &sim->handles[index];
    bool is_it = handle->node && handle->generation == (uint32_t)((uint64_t)file.handle >> 16);
    return is_it ? handle : NULL;
}

static kis_str sim_path_of(kis_sim *sim, const kis_sim_handle *handle)
{
    return handle ? sim->disk.paths.at[handle->path].text : KIS_STR("a closed file");
}

/* Begins a call on an open file: takes the mutex; *out_handle is NULL when the call is already over
 * with the error that is answered. */
static kis_err sim_begin(kis_sim *sim, kis_file file, unsigned kind, const char *verb,
                         kis_sim_handle **out_handle, sim_fate *out_fate, kis_diag *diag)
{
    *out_fate = sim_enter(sim, kind);
    kis_sim_handle *handle = sim_handle_of(sim, file);
    *out_handle = handle;
    if (!handle && *out_fate == SIM_GOES_ON)
        return sim_end(sim, KIS_ERR_IO, verb, KIS_STR("a closed file"), diag);
    if (!handle)
        return sim_leave(sim, *out_fate, verb, KIS_STR("a closed file"), diag);
    return KIS_OK;
}

static kis_err sim_open(kis_os *os, kis_str path, kis_open_mode mode, kis_file *out, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    bool may_create = mode != KIS_OPEN_READ && mode != KIS_OPEN_WRITE;
    const char *verb = may_create ? "create" : "open";

    sim_fate fate = sim_enter(sim, may_create ? KIS_SIM_CREATE : KIS_SIM_OPEN);
    if (fate == SIM_FAILS)
        return sim_leave(sim, fate, verb, path, diag);
    kis_sim_disk *disk = &sim->disk;
    uint32_t number = kis_sim_disk_path(disk, path);
    kis_sim_node *node = kis_sim_disk_find(disk, number);
    kis_err err = KIS_OK;
    if (number == KIS_SIM_NO_PATH) {
        err = KIS_ERR_NOMEM;
    } else if (node) {
        err = mode == KIS_OPEN_CREATE ? KIS_ERR_RANGE : node->is_dir ? KIS_ERR_IO : KIS_OK;
    } else if (!may_create) {
        err = KIS_ERR_NOT_FOUND;
    } else {
        kis_sim_node *folder = kis_sim_disk_find(disk, disk->paths.at[number].parent);
        err = !folder ? KIS_ERR_NOT_FOUND : !folder->is_dir ? KIS_ERR_IO : KIS_OK;
        node = err ? NULL : kis_sim_disk_make(disk, number, false);
        err = err ? err : node ? KIS_OK : KIS_ERR_NOMEM;
    }
    if (fate == SIM_LOSES_POWER)
        return sim_leave(sim, fate, verb, path, diag);
    if (!err)
        err = sim_handle_new(sim, number, node, mode == KIS_OPEN_READ, out);
    return sim_end(sim, err, verb, path, diag);
}

static void sim_close(kis_os *os, kis_file file)
{
    kis_sim *sim = sim_of(os);

    pthread_mutex_lock(&sim->mutex);
    kis_sim_handle *handle = sim_handle_of(sim, file);
    if (handle) {
        handle->node->open_count--;
        *handle = (kis_sim_handle){ .generation = handle->generation };
        kis_sim_disk_sweep(&sim->disk);
    }
    pthread_mutex_unlock(&sim->mutex);
}

static kis_err sim_size(kis_os *os, kis_file file, uint64_t *out, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    kis_sim_handle *handle;
    sim_fate fate;

    kis_err err = sim_begin(sim, file, KIS_SIM_SIZE, "ask the size of", &handle, &fate, diag);
    if (!handle)
        return err;
    if (fate != SIM_GOES_ON)
        return sim_leave(sim, fate, "ask the size of", sim_path_of(sim, handle), diag);
    *out = handle->node->size;
    return sim_end(sim, KIS_OK, "", KIS_STR_NONE, diag);
}

static kis_err sim_read_at(kis_os *os, kis_file file, uint64_t offset, void *to, size_t size,
                           kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    kis_sim_handle *handle;
    sim_fate fate;

    kis_err err = sim_begin(sim, file, KIS_SIM_READ, "read", &handle, &fate, diag);
    if (!handle)
        return err;
    if (fate != SIM_GOES_ON)
        return sim_leave(sim, fate, "read", sim_path_of(sim, handle), diag);
    uint64_t left = handle->node->size - KIS_MIN(handle->node->size, offset);
    size_t part = (size_t)KIS_MIN((uint64_t)size, left);
    kis_str path = sim_path_of(sim, handle);
    kis_sim_node_read(handle->node, offset, to, part);
    pthread_mutex_unlock(&sim->mutex);
    if (part == size)
        return KIS_OK;
    return kis_diag_set(diag, KIS_ERR_MORE, "'" KIS_FMT "' ends at byte %llu, %zu bytes early",
                        KIS_ARG(path), (unsigned long long)(offset + part), size - part);
}

static kis_err sim_write_at(kis_os *os, kis_file file, uint64_t offset, const void *from,
                            size_t size, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    kis_sim_handle *handle;
    sim_fate fate;

    kis_err err = sim_begin(sim, file, KIS_SIM_WRITE, "write", &handle, &fate, diag);
    if (!handle)
        return err;
    kis_str path = sim_path_of(sim, handle);
    if (handle->is_read_only)
        return sim_end(sim, KIS_ERR_IO, "write", path, diag);
    if (fate == SIM_GOES_ON)
        return sim_end(sim, kis_sim_node_write(&sim->disk, handle->node, offset, from, size),
                       "write", path, diag);
    size_t part = (size_t)kis_sim_disk_random(&sim->disk, (uint64_t)size + 1);
    err = kis_sim_node_write(&sim->disk, handle->node, offset, from, part);
    (void)err; /* the call fails anyway */
    return sim_leave(sim, fate, "write", path, diag);
}

/* Whole or not at all, as the table promises it; power that goes leaves a part. */
static kis_err sim_append(kis_os *os, kis_file file, const void *from, size_t size, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    kis_sim_handle *handle;
    sim_fate fate;

    kis_err err = sim_begin(sim, file, KIS_SIM_WRITE, "append to", &handle, &fate, diag);
    if (!handle)
        return err;
    kis_str path = sim_path_of(sim, handle);
    if (fate == SIM_FAILS)
        return sim_leave(sim, fate, "append to", path, diag);
    if (handle->is_read_only)
        return sim_end(sim, KIS_ERR_IO, "append to", path, diag);
    if (fate == SIM_LOSES_POWER)
        size = (size_t)kis_sim_disk_random(&sim->disk, (uint64_t)size + 1);
    uint64_t end = handle->node->size;
    err = kis_sim_node_write(&sim->disk, handle->node, end, from, size);
    if (err) {
        kis_err cut = kis_sim_node_resize(&sim->disk, handle->node, end, false);
        KIS_ASSERT(!cut); /* getting smaller needs nothing */
    }
    if (fate == SIM_LOSES_POWER)
        return sim_leave(sim, fate, "append to", path, diag);
    return sim_end(sim, err, "append to", path, diag);
}

static kis_err sim_resize(kis_os *os, kis_file file, uint64_t size, unsigned kind, const char *verb,
                          kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    kis_sim_handle *handle;
    sim_fate fate;

    kis_err err = sim_begin(sim, file, kind, verb, &handle, &fate, diag);
    if (!handle)
        return err;
    bool reserve = kind == KIS_SIM_PREALLOCATE;
    kis_str path = sim_path_of(sim, handle);
    if (fate == SIM_FAILS)
        return sim_leave(sim, fate, verb, path, diag);
    if (handle->is_read_only)
        return sim_end(sim, KIS_ERR_IO, verb, path, diag);
    if (reserve)
        size = KIS_MAX(size, handle->node->size);
    err = kis_sim_node_resize(&sim->disk, handle->node, size, reserve);
    return fate == SIM_GOES_ON ? sim_end(sim, err, verb, path, diag)
                               : sim_leave(sim, fate, verb, path, diag);
}

static kis_err sim_truncate(kis_os *os, kis_file file, uint64_t size, kis_diag *diag)
{
    return sim_resize(os, file, size, KIS_SIM_TRUNCATE, "truncate", diag);
}

static kis_err sim_preallocate(kis_os *os, kis_file file, uint64_t size, kis_diag *diag)
{
    return sim_resize(os, file, size, KIS_SIM_PREALLOCATE, "reserve room for", diag);
}

static kis_err sim_sync(kis_os *os, kis_file file, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    kis_sim_handle *handle;
    sim_fate fate;

    kis_err err = sim_begin(sim, file, KIS_SIM_SYNC, "sync", &handle, &fate, diag);
    if (!handle)
        return err;
    if (fate == SIM_GOES_ON)
        kis_sim_node_sync(handle->node, sim->alloc);
    else if (fate == SIM_FAILS)
        kis_sim_node_sync_badly(&sim->disk, handle->node);
    kis_str path = sim_path_of(sim, handle);
    return fate == SIM_GOES_ON ? sim_end(sim, KIS_OK, "sync", path, diag)
                               : sim_leave(sim, fate, "sync", path, diag);
}

static void sim_advise(kis_os *os, kis_file file, uint64_t offset, uint64_t size, bool will_need)
{
    (void)os;
    (void)file;
    (void)offset;
    (void)size;
    (void)will_need;
}

/* ---- names ---- */

static kis_err sim_rename_now(kis_sim *sim, kis_str from, kis_str to)
{
    kis_sim_disk *disk = &sim->disk;
    uint32_t from_path = kis_sim_disk_path(disk, from), to_path = kis_sim_disk_path(disk, to);
    if (from_path == KIS_SIM_NO_PATH || to_path == KIS_SIM_NO_PATH)
        return KIS_ERR_NOMEM;
    kis_sim_node *node = kis_sim_disk_find(disk, from_path);
    kis_sim_node *target = kis_sim_disk_find(disk, to_path);
    kis_sim_node *folder = kis_sim_disk_find(disk, disk->paths.at[to_path].parent);
    if (!node || !folder)
        return KIS_ERR_NOT_FOUND;
    if (node->is_dir || !folder->is_dir || (target && target->is_dir))
        return KIS_ERR_IO; /* folders are not moved here: nobody needs it */
    return from_path == to_path ? KIS_OK : kis_sim_disk_move(disk, from_path, to_path);
}

static kis_err sim_rename(kis_os *os, kis_str from, kis_str to, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    sim_fate fate = sim_enter(sim, KIS_SIM_RENAME);
    if (fate == SIM_FAILS)
        return sim_leave(sim, fate, "rename", from, diag);
    kis_err err = sim_rename_now(sim, from, to);
    return fate == SIM_GOES_ON ? sim_end(sim, err, "rename", from, diag)
                               : sim_leave(sim, fate, "rename", from, diag);
}

static bool sim_is_empty(kis_sim *sim, uint32_t dir)
{
    for (uint32_t i = 0; i < sim->disk.paths.len; i++) {
        if (sim->disk.paths.at[i].parent == dir && sim->disk.paths.at[i].now)
            return false;
    }
    return true;
}

static kis_err sim_remove(kis_os *os, kis_str path, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    sim_fate fate = sim_enter(sim, KIS_SIM_REMOVE);
    if (fate == SIM_FAILS)
        return sim_leave(sim, fate, "remove", path, diag);
    uint32_t number = kis_sim_disk_path(&sim->disk, path);
    kis_sim_node *node = kis_sim_disk_find(&sim->disk, number);
    kis_err err = number == KIS_SIM_NO_PATH ? KIS_ERR_NOMEM : node ? KIS_OK : KIS_ERR_NOT_FOUND;
    if (!err && node->is_dir && !sim_is_empty(sim, number))
        err = KIS_ERR_IO;
    if (!err)
        err = kis_sim_disk_move(&sim->disk, number, KIS_SIM_NO_PATH);
    return fate == SIM_GOES_ON ? sim_end(sim, err, "remove", path, diag)
                               : sim_leave(sim, fate, "remove", path, diag);
}

/* Folders from the root down to `path`. */
static kis_err sim_make_dirs(kis_sim *sim, uint32_t path)
{
    kis_sim_disk *disk = &sim->disk;
    if (path == KIS_SIM_NO_PATH)
        return KIS_ERR_NOMEM;
    kis_sim_node *node = kis_sim_disk_find(disk, path);
    if (node)
        return node->is_dir ? KIS_OK : KIS_ERR_IO;
    /* as deep as the path has slashes */
    kis_err err = sim_make_dirs(sim, disk->paths.at[path].parent);
    if (err)
        return err;
    return kis_sim_disk_make(disk, path, true) ? KIS_OK : KIS_ERR_NOMEM;
}

static kis_err sim_make_dir(kis_os *os, kis_str path, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    sim_fate fate = sim_enter(sim, KIS_SIM_MAKE_DIR);
    if (fate == SIM_FAILS)
        return sim_leave(sim, fate, "make folder", path, diag);
    kis_err err = sim_make_dirs(sim, kis_sim_disk_path(&sim->disk, path));
    return fate == SIM_GOES_ON ? sim_end(sim, err, "make folder", path, diag)
                               : sim_leave(sim, fate, "make folder", path, diag);
}

/* The number of a folder that exists. */
static kis_err sim_find_dir(kis_sim *sim, kis_str path, uint32_t *out)
{
    uint32_t number = kis_sim_disk_path(&sim->disk, path);
    kis_sim_node *node = kis_sim_disk_find(&sim->disk, number);
    if (number == KIS_SIM_NO_PATH)
        return KIS_ERR_NOMEM;
    *out = number;
    return !node ? KIS_ERR_NOT_FOUND : node->is_dir ? KIS_OK : KIS_ERR_IO;
}

static kis_err sim_sync_dir(kis_os *os, kis_str path, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    uint32_t dir;
    sim_fate fate = sim_enter(sim, KIS_SIM_SYNC_DIR);
    if (fate != SIM_GOES_ON)
        return sim_leave(sim, fate, "sync folder", path, diag);
    kis_err err = sim_find_dir(sim, path, &dir);
    if (!err)
        kis_sim_disk_sync_dir(&sim->disk, dir);
    return sim_end(sim, err, "sync folder", path, diag);
}

static kis_err sim_list_dir(kis_os *os, kis_str path, void (*each)(void *user, kis_str name),
                            void *user, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    KIS_VEC(kis_str) names = { 0 };
    uint32_t dir;

    sim_fate fate = sim_enter(sim, KIS_SIM_LIST_DIR);
    if (fate != SIM_GOES_ON)
        return sim_leave(sim, fate, "list folder", path, diag);
    kis_sim_disk *disk = &sim->disk;
    kis_err err = sim_find_dir(sim, path, &dir);
    for (uint32_t i = 0; !err && i < disk->paths.len; i++) {
        const kis_sim_path *entry = &disk->paths.at[i];
        if (entry->parent != dir || !entry->now)
            continue;
        kis_str name =
            kis_str_slice(entry->text, disk->paths.at[dir].text.len + 1, entry->text.len);
        if (dir == 0)
            name = entry->text.ptr[0] == '/' ? kis_str_slice(entry->text, 1, entry->text.len)
                                             : entry->text;
        if (!KIS_VEC_PUSH(&names, sim->alloc, name))
            err = KIS_ERR_NOMEM;
    }
    for (uint32_t i = names.len; i > 1; i--) { /* in no order */
        uint32_t other = (uint32_t)kis_sim_disk_random(disk, i);
        kis_str last = names.at[i - 1];
        names.at[i - 1] = names.at[other];
        names.at[other] = last;
    }
    err = sim_end(sim, err, "list folder", path, diag);
    for (uint32_t i = 0; !err && i < names.len; i++)
        each(user, names.at[i]); /* without the mutex: it may call the table; the texts live on */
    KIS_VEC_DONE(&names, sim->alloc);
    return err;
}

static kis_err sim_lock(kis_os *os, kis_str path, kis_file *out, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    kis_file file;

    sim_fate fate = sim_enter(sim, KIS_SIM_LOCK);
    if (fate != SIM_GOES_ON)
        return sim_leave(sim, fate, "lock", path, diag);
    pthread_mutex_unlock(&sim->mutex);
    kis_err err = sim_open(os, path, KIS_OPEN_CREATE_OR_WRITE, &file, diag);
    if (err)
        return err;
    pthread_mutex_lock(&sim->mutex);
    kis_sim_handle *handle = sim_handle_of(sim, file);
    bool is_locked = false;
    for (size_t i = 0; handle && i < KIS_SIM_OPEN_FILES_MAX; i++)
        is_locked |= sim->handles[i].node == handle->node && sim->handles[i].is_lock;
    if (handle && !is_locked)
        handle->is_lock = true;
    pthread_mutex_unlock(&sim->mutex);
    if (handle && !is_locked) {
        *out = file;
        return KIS_OK;
    }
    sim_close(os, file);
    return kis_diag_set(diag, KIS_ERR_RANGE, "'" KIS_FMT "' is locked by another process",
                        KIS_ARG(path));
}

static kis_err sim_disk_free(kis_os *os, kis_str path, uint64_t *out_free_bytes,
                             uint64_t *out_total_bytes, kis_diag *diag)
{
    kis_sim *sim = sim_of(os);
    sim_fate fate = sim_enter(sim, KIS_SIM_DISK_FREE);
    if (fate != SIM_GOES_ON)
        return sim_leave(sim, fate, "ask the free room of", path, diag);
    uint64_t total = KIS_MIN(sim->disk.max_pages, UNBOUNDED_BYTES / KIS_SIM_PAGE_BYTES);
    uint64_t used = KIS_MIN(total, sim->disk.used_pages);
    kis_sim_node *node = kis_sim_disk_find(&sim->disk, kis_sim_disk_path(&sim->disk, path));
    if (node) {
        *out_free_bytes = (total - used) * KIS_SIM_PAGE_BYTES;
        *out_total_bytes = total * KIS_SIM_PAGE_BYTES;
    }
    return sim_end(sim, node ? KIS_OK : KIS_ERR_NOT_FOUND, "ask the free room of", path, diag);
}

static uint64_t sim_now_ns(kis_os *os)
{
    kis_sim *sim = sim_of(os);
    pthread_mutex_lock(&sim->mutex);
    uint64_t now = sim->now_ns;
    pthread_mutex_unlock(&sim->mutex);
    return now;
}

static uint64_t sim_now_unix_ns(kis_os *os)
{
    kis_sim *sim = sim_of(os);
    pthread_mutex_lock(&sim->mutex);
    uint64_t now = sim->now_unix_ns;
    pthread_mutex_unlock(&sim->mutex);
    return now;
}

static const kis_os_ops sim_ops = {
    .open = sim_open,
    .close = sim_close,
    .size = sim_size,
    .read_at = sim_read_at,
    .write_at = sim_write_at,
    .append = sim_append,
    .truncate = sim_truncate,
    .preallocate = sim_preallocate,
    .sync = sim_sync,
    .advise = sim_advise,
    .rename = sim_rename,
    .remove = sim_remove,
    .make_dir = sim_make_dir,
    .sync_dir = sim_sync_dir,
    .list_dir = sim_list_dir,
    .lock = sim_lock,
    .disk_free = sim_disk_free,
    .now_ns = sim_now_ns,
    .now_unix_ns = sim_now_unix_ns,
};

kis_err kis_sim_new(const kis_alloc *alloc, uint64_t seed, kis_sim **out)
{
    kis_sim *sim = alloc->take(alloc->user, sizeof(*sim));
    if (!sim)
        return KIS_ERR_NOMEM;
    memset(sim, 0, sizeof(*sim));
    sim->os.ops = &sim_ops;
    sim->alloc = alloc;
    sim->now_ns = START_NS;
    sim->now_unix_ns = START_UNIX_NS;
    pthread_mutex_init(&sim->mutex, NULL);
    kis_sim_disk_init(&sim->disk, alloc, seed);
    uint32_t root = kis_sim_disk_path(&sim->disk, KIS_STR_NONE);
    if (root == KIS_SIM_NO_PATH || !kis_sim_disk_make(&sim->disk, root, true)) {
        kis_sim_free(sim);
        return KIS_ERR_NOMEM;
    }
    kis_sim_disk_sync_dir(&sim->disk, KIS_SIM_NO_PATH); /* the root is always there */
    *out = sim;
    return KIS_OK;
}

void kis_sim_free(kis_sim *sim)
{
    if (!sim)
        return;
    kis_sim_disk_done(&sim->disk);
    pthread_mutex_destroy(&sim->mutex);
    sim->alloc->give_back(sim->alloc->user, sim, sizeof(*sim));
}
