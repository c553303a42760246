/* folder.c - listing and versions. */
#include "store/folder.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "store/bounds.h"
#include "store/segment.h"
#include "store/sort.h"

#define VERSION_PREFIX "kiseki store "

static void note_name(void *user, kis_str name)
{
    kis_folder *f = user;
    kis_folder_file file;
    kis_str copy;
    bool fits = true;

    if (kis_wal_parse_name(name, &file.generation, &file.number))
        fits = KIS_VEC_PUSH(&f->logs, &f->alloc, file);
    else if (kis_segment_parse_name(name, &file.generation, &file.number))
        fits = KIS_VEC_PUSH(&f->segments, &f->alloc, file);
    else if (kis_str_starts(name, KIS_STR("tmp-")))
        fits =
            kis_arena_copy(f->arena, name, &copy) && KIS_VEC_PUSH(&f->leftovers, &f->alloc, copy);
    f->is_short_of_memory |= !fits;
}

static bool file_before(const void *a, const void *b)
{
    const kis_folder_file *x = a, *y = b;
    return x->generation != y->generation ? x->generation < y->generation : x->number < y->number;
}

kis_err kis_folder_list(kis_folder *f, kis_os *os, kis_str dir, kis_arena *arena, kis_diag *diag)
{
    *f = (kis_folder){ .arena = arena, .alloc = kis_arena_as_alloc(arena) };
    kis_err err = os->ops->list_dir(os, dir, note_name, f, diag);
    if (err)
        return err;
    if (f->is_short_of_memory ||
        !kis_sort(arena, f->logs.at, f->logs.len, sizeof *f->logs.at, file_before) ||
        !kis_sort(arena, f->segments.at, f->segments.len, sizeof *f->segments.at, file_before))
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to list '" KIS_FMT "'", KIS_ARG(dir));
    return KIS_OK;
}

/* "/data/" and "/data" are one folder, and a path in it has one slash. */
static kis_str without_last_slash(kis_str dir)
{
    while (dir.len > 1 && dir.ptr[dir.len - 1] == '/')
        dir.len--;
    return dir;
}

static size_t version_path(char *to, size_t size, kis_str dir, const char *name)
{
    dir = without_last_slash(dir);
    return kis_fmt(to, size, KIS_FMT "/%s", KIS_ARG(dir), name);
}

static void ignore_name(void *user, kis_str name)
{
    (void)user;
    (void)name;
}

static kis_err explain_no_version(kis_os *os, kis_str dir, kis_diag *diag)
{
    kis_diag ignored;
    bool is_there = os->ops->list_dir(os, dir, ignore_name, NULL, &ignored) != KIS_ERR_NOT_FOUND;

    return kis_diag_set(diag, KIS_ERR_NOT_FOUND,
                        is_there ? "'" KIS_FMT "' is not a kiseki data directory"
                                 : "there is no directory '" KIS_FMT "'",
                        KIS_ARG(without_last_slash(dir)));
}

kis_err kis_folder_read_version(kis_os *os, kis_str dir, kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX], text[64] = { 0 };
    kis_str name = { path, version_path(path, sizeof path, dir, "version") }, rest;
    kis_file file;
    uint64_t size, version;

    kis_err err = os->ops->open(os, name, KIS_OPEN_READ, &file, diag);
    if (err == KIS_ERR_NOT_FOUND)
        return explain_no_version(os, dir, diag);
    if (err)
        return err;
    err = os->ops->size(os, file, &size, diag);
    if (!err)
        err = os->ops->read_at(os, file, 0, text, (size_t)KIS_MIN(size, sizeof text), diag);
    os->ops->close(os, file);
    if (err)
        return err;
    rest = kis_str_of(text, (size_t)KIS_MIN(size, sizeof text));
    if (!kis_str_starts(rest, KIS_STR(VERSION_PREFIX)))
        return kis_diag_set(diag, KIS_ERR_CORRUPT,
                            "'" KIS_FMT "' is not the version of a kiseki store", KIS_ARG(name));
    rest = kis_str_slice(rest, sizeof VERSION_PREFIX - 1, SIZE_MAX);
    if (kis_u64_parse(kis_str_cut(&rest, '\n'), &version) != KIS_OK || version == 0)
        return kis_diag_set(diag, KIS_ERR_CORRUPT, "'" KIS_FMT "' names no version", KIS_ARG(name));
    if (version > KIS_STORE_VERSION)
        return kis_diag_set(diag, KIS_ERR_UNSUPPORTED,
                            "'" KIS_FMT "' was written by a newer kiseki (format %llu, this one "
                            "reads up to %u); nothing was touched",
                            KIS_ARG(dir), (unsigned long long)version, KIS_STORE_VERSION);
    return KIS_OK;
}

/* Files of a store, and what a new file system has in it. */
static bool is_ours(kis_str name)
{
    uint64_t generation;
    uint32_t number;
    bool is_temporary =
        kis_str_starts(name, KIS_STR("tmp-")) &&
        (kis_str_ends(name, KIS_STR(".wal")) || kis_str_ends(name, KIS_STR(".kseg")) ||
         kis_str_eq(name, KIS_STR("tmp-version")));

    return is_temporary || kis_str_eq(name, KIS_STR("lock")) ||
           kis_str_eq(name, KIS_STR("lost+found")) ||
           kis_str_starts(name, KIS_STR("damaged-log-")) ||
           kis_wal_parse_name(name, &generation, &number) ||
           kis_segment_parse_name(name, &generation, &number);
}

static void note_foreign(void *user, kis_str name)
{
    bool *has_foreign = user;
    *has_foreign |= !is_ours(name);
}

kis_err kis_folder_judge_new(kis_os *os, kis_str dir, kis_diag *diag)
{
    bool has_foreign = false;

    kis_err err = os->ops->list_dir(os, dir, note_foreign, &has_foreign, diag);
    if (err || !has_foreign)
        return err;
    return kis_diag_set(
        diag, KIS_ERR_RANGE,
        "the directory is not empty and not a kiseki data directory; choose another");
}

kis_err kis_folder_write_version(kis_os *os, kis_str dir, kis_diag *diag)
{
    char from[KIS_STORE_PATH_MAX], to[KIS_STORE_PATH_MAX], text[64];
    kis_str from_name = { from, version_path(from, sizeof from, dir, "tmp-version") };
    kis_str to_name = { to, version_path(to, sizeof to, dir, "version") };
    size_t len = kis_fmt(text, sizeof text, VERSION_PREFIX "%u\n", KIS_STORE_VERSION);
    kis_file file;

    kis_err err = os->ops->open(os, from_name, KIS_OPEN_CREATE_OR_WRITE, &file, diag);
    if (err)
        return err;
    err = os->ops->write_at(os, file, 0, text, len, diag);
    if (!err)
        err = os->ops->truncate(os, file, len, diag);
    if (!err)
        err = os->ops->sync(os, file, diag);
    os->ops->close(os, file);
    if (!err)
        err = os->ops->rename(os, from_name, to_name, diag);
    return err ? err : os->ops->sync_dir(os, dir, diag);
}

kis_err kis_folder_read_file(kis_os *os, const kis_alloc *alloc, kis_str path, kis_bytes *out,
                             size_t *out_cap, kis_diag *diag)
{
    kis_file file;
    uint64_t size;

    kis_err err = os->ops->open(os, path, KIS_OPEN_READ, &file, diag);
    if (err)
        return err;
    err = os->ops->size(os, file, &size, diag);
    if (err)
        goto close_file;
    uint8_t *bytes = alloc->take(alloc->user, (size_t)size + 1);
    if (!bytes) {
        err = kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to read '" KIS_FMT "'", KIS_ARG(path));
        goto close_file;
    }
    os->ops->advise(os, file, 0, size, true);
    err = size ? os->ops->read_at(os, file, 0, bytes, (size_t)size, diag) : KIS_OK;
    if (err) {
        alloc->give_back(alloc->user, bytes, (size_t)size + 1);
        goto close_file;
    }
    *out = (kis_bytes){ bytes, (size_t)size };
    *out_cap = (size_t)size + 1;
close_file:
    os->ops->close(os, file);
    return err;
}
