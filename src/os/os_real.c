/* os_real.c - the machine: Linux (and what is POSIX of it).
 *
 * Each operation is one system call with a loop around it for EINTR and short transfers, and one
 * place where errno becomes a kis_err and a sentence. A file is its descriptor + 1, so that zeros
 * are no file; the path for the sentence comes from /proc, because only failures need it.
 */
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* rename, remove */
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fmt.h"

#define PATH_BYTES_MAX 4096
#define FILE_MODE      0600
#define DIR_MODE       0700
#define APPEND_WAIT_NS ((uint64_t)5000000000) /* for others who append; one takes microseconds */
#define APPEND_ASK_NS  200000                 /* between two looks whether they are done */
#define ZEROS_BYTES    65536 /* a write of zeros, where the file system cannot preallocate */

static int real_fd(kis_file file)
{
    return (int)(file.handle - 1);
}

static kis_err real_err(int number)
{
    switch (number) {
    case ENOENT:
        return KIS_ERR_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return KIS_ERR_FULL;
    case EEXIST:
        return KIS_ERR_RANGE;
    case ENOMEM:
        return KIS_ERR_NOMEM;
    default:
        return KIS_ERR_IO;
    }
}

/* "cannot open '/d/x': no such file or directory" */
static kis_err real_fail(kis_diag *diag, const char *verb, kis_str path, int number)
{
    char words[128];

    kis_str_to_c(kis_str_from_c(strerror(number)), words, sizeof(words));
    if (words[0] >= 'A' && words[0] <= 'Z' && words[1] >= 'a') /* "No space", but not "RPC" */
        words[0] = (char)(words[0] | 0x20);
    return kis_diag_set(diag, real_err(number), "cannot %s '" KIS_FMT "': %s", verb, KIS_ARG(path),
                        words);
}

/* The path of an open file, as the kernel knows it. */
static kis_str real_path_of(kis_file file, char out[PATH_BYTES_MAX])
{
    char link[64];

    kis_fmt(link, sizeof(link), "/proc/self/fd/%d", real_fd(file));
    ssize_t len = readlink(link, out, PATH_BYTES_MAX);
    return len > 0 ? kis_str_of(out, (size_t)len) : KIS_STR("an open file");
}

static kis_err real_fail_fd(kis_diag *diag, const char *verb, kis_file file, int number)
{
    char path[PATH_BYTES_MAX];

    if (!diag)
        return real_err(number);
    return real_fail(diag, verb, real_path_of(file, path), number);
}

static kis_err real_ends_early(kis_diag *diag, kis_file file, uint64_t offset, size_t missing)
{
    char path[PATH_BYTES_MAX];

    if (!diag)
        return KIS_ERR_MORE;
    return kis_diag_set(diag, KIS_ERR_MORE, "'" KIS_FMT "' ends at byte %llu, %zu bytes early",
                        KIS_ARG(real_path_of(file, path)), (unsigned long long)offset, missing);
}

/* The path with its NUL; false and diag set when it is too long or holds a NUL. */
static kis_err real_path(kis_str path, char out[PATH_BYTES_MAX], kis_diag *diag)
{
    if (kis_str_to_c(path, out, PATH_BYTES_MAX))
        return KIS_OK;
    bool is_long = path.len >= PATH_BYTES_MAX;
    return kis_diag_set(diag, KIS_ERR_IO, "path '" KIS_FMT "...' %s",
                        (int)KIS_MIN(path.len, (size_t)64), path.ptr,
                        is_long ? "is too long" : "holds a NUL");
}

static kis_err real_open(kis_os *os, kis_str path, kis_open_mode mode, kis_file *out,
                         kis_diag *diag)
{
    static const int flags[] = {
        [KIS_OPEN_READ] = O_RDONLY,
        [KIS_OPEN_WRITE] = O_RDWR,
        [KIS_OPEN_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [KIS_OPEN_CREATE_OR_WRITE] = O_RDWR | O_CREAT,
        [KIS_OPEN_APPEND] = O_RDWR | O_CREAT | O_APPEND,
    };
    char name[PATH_BYTES_MAX];
    (void)os;

    kis_err err = real_path(path, name, diag);
    if (err)
        return err;
    int fd;
    do
        fd = open(name, flags[mode] | O_CLOEXEC, FILE_MODE);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return real_fail(diag, flags[mode] & O_CREAT ? "create" : "open", path, errno);
    *out = (kis_file){ fd + 1 };
    return KIS_OK;
}

static void real_close(kis_os *os, kis_file file)
{
    (void)os;
    if (file.handle != 0)
        close(real_fd(file)); /* what was synced is safe, what was not was never promised */
}

static kis_err real_size(kis_os *os, kis_file file, uint64_t *out, kis_diag *diag)
{
    struct stat status;
    (void)os;

    if (fstat(real_fd(file), &status) != 0)
        return real_fail_fd(diag, "ask the size of", file, errno);
    *out = (uint64_t)status.st_size;
    return KIS_OK;
}

static kis_err real_read_at(kis_os *os, kis_file file, uint64_t offset, void *to, size_t size,
                            kis_diag *diag)
{
    uint8_t *at = to;
    (void)os;

    while (size > 0) {
        ssize_t got = pread(real_fd(file), at, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return real_fail_fd(diag, "read", file, errno);
        if (got == 0)
            return real_ends_early(diag, file, offset, size);
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return KIS_OK;
}

static kis_err real_write_at(kis_os *os, kis_file file, uint64_t offset, const void *from,
                             size_t size, kis_diag *diag)
{
    const uint8_t *at = from;
    (void)os;

    while (size > 0) {
        ssize_t put = pwrite(real_fd(file), at, size, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return real_fail_fd(diag, "write", file, put < 0 ? errno : EIO);
        at += put;
        offset += (uint64_t)put;
        size -= (size_t)put;
    }
    return KIS_OK;
}

/* False: somebody else holds it. Where there are no locks nobody does. */
static bool real_try_lock(int fd, bool *out_is_locked)
{
    int failed;

    do
        failed = flock(fd, LOCK_EX | LOCK_NB);
    while (failed && errno == EINTR);
    *out_is_locked = !failed;
    return !failed || errno != EWOULDBLOCK;
}

/* Asks again and again instead of waiting: a process that was stopped with the lock must not stop
 * others. */
static bool real_lock_for_append(int fd, bool *out_is_locked)
{
    uint64_t until = 0;

    while (!real_try_lock(fd, out_is_locked)) {
        uint64_t now = kis_now_ns();
        until = until ? until : now + APPEND_WAIT_NS;
        if (now >= until)
            return false;
        nanosleep(&(struct timespec){ .tv_nsec = APPEND_ASK_NS }, NULL);
    }
    return true;
}

/* The part that fitted is cut off again, if it is still the end of the file. With the lock held:
 * else somebody could append between the look and the cut. */
static void real_cut_part(int fd, ssize_t part)
{
    struct stat status;
    off_t end = lseek(fd, 0, SEEK_CUR); /* behind the part, wherever that was */

    if (part > 0 && end >= part && fstat(fd, &status) == 0 && status.st_size == end)
        (void)!ftruncate(fd, end - part);
}

/* One write, because O_APPEND makes that one whole, also among others who do not lock, and no more
 * than one. */
static kis_err real_append(kis_os *os, kis_file file, const void *from, size_t size, kis_diag *diag)
{
    int fd = real_fd(file);
    char path[PATH_BYTES_MAX];
    bool is_locked;
    ssize_t put;
    (void)os;

    if (!real_lock_for_append(fd, &is_locked))
        return kis_diag_set(diag, KIS_ERR_TIMEOUT,
                            "cannot append to '" KIS_FMT "': another process does not let it go",
                            KIS_ARG(real_path_of(file, path)));
    do
        put = write(fd, from, size);
    while (put < 0 && errno == EINTR);
    int number = put < 0 ? errno : ENOSPC; /* a regular file takes less only when it is full */
    bool is_whole = put == (ssize_t)size;
    if (!is_whole && is_locked)
        real_cut_part(fd, put);
    if (is_locked)
        (void)flock(fd, LOCK_UN);
    return is_whole ? KIS_OK : real_fail_fd(diag, "append to", file, number);
}

static kis_err real_truncate(kis_os *os, kis_file file, uint64_t size, kis_diag *diag)
{
    int failed;
    (void)os;

    do
        failed = ftruncate(real_fd(file), (off_t)size);
    while (failed && errno == EINTR);
    return failed ? real_fail_fd(diag, "truncate", file, errno) : KIS_OK;
}

static kis_err real_write_zeros(kis_os *os, kis_file file, uint64_t size, kis_diag *diag)
{
    static const uint8_t zeros[ZEROS_BYTES];
    uint64_t at = 0;

    kis_err err = real_size(os, file, &at, diag);
    for (; !err && at < size; at += KIS_MIN(size - at, (uint64_t)ZEROS_BYTES))
        err = real_write_at(os, file, at, zeros, (size_t)KIS_MIN(size - at, (uint64_t)ZEROS_BYTES),
                            diag);
    return err;
}

static kis_err real_preallocate(kis_os *os, kis_file file, uint64_t size, kis_diag *diag)
{
    int failed;

    if (size == 0)
        return KIS_OK;
    do
        failed = fallocate(real_fd(file), 0, 0, (off_t)size);
    while (failed && errno == EINTR);
    if (failed && (errno == EOPNOTSUPP || errno == ENOSYS))
        return real_write_zeros(os, file, size, diag);
    return failed ? real_fail_fd(diag, "reserve room for", file, errno) : KIS_OK;
}

static kis_err real_sync(kis_os *os, kis_file file, kis_diag *diag)
{
    int failed;
    (void)os;

    do
        failed = fdatasync(real_fd(file));
    while (failed && errno == EINTR);
    return failed ? real_fail_fd(diag, "sync", file, errno) : KIS_OK;
}

static void real_advise(kis_os *os, kis_file file, uint64_t offset, uint64_t size, bool will_need)
{
    (void)os;
    posix_fadvise(real_fd(file), (off_t)offset, (off_t)size,
                  will_need ? POSIX_FADV_WILLNEED : POSIX_FADV_DONTNEED); /* a hint: may fail */
}

static kis_err real_rename(kis_os *os, kis_str from, kis_str to, kis_diag *diag)
{
    char from_name[PATH_BYTES_MAX], to_name[PATH_BYTES_MAX];
    (void)os;

    kis_err err = real_path(from, from_name, diag);
    err = err ? err : real_path(to, to_name, diag);
    if (err)
        return err;
    return rename(from_name, to_name) != 0 ? real_fail(diag, "rename", from, errno) : KIS_OK;
}

static kis_err real_remove(kis_os *os, kis_str path, kis_diag *diag)
{
    char name[PATH_BYTES_MAX];
    (void)os;

    kis_err err = real_path(path, name, diag);
    if (err)
        return err;
    return remove(name) != 0 ? real_fail(diag, "remove", path, errno) : KIS_OK;
}

/* One folder; fine when it is there. */
static kis_err real_make_one_dir(const char *name, kis_diag *diag)
{
    struct stat status;

    if (mkdir(name, DIR_MODE) == 0)
        return KIS_OK;
    int number = errno;
    if (number == EEXIST && stat(name, &status) == 0)
        number = S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
    return number ? real_fail(diag, "make folder", kis_str_from_c(name), number) : KIS_OK;
}

static kis_err real_make_dir(kis_os *os, kis_str path, kis_diag *diag)
{
    char name[PATH_BYTES_MAX];
    struct stat status;
    (void)os;

    kis_err err = real_path(path, name, diag);
    if (err)
        return err;
    for (size_t i = 1; i < path.len; i++) { /* parents that exist need not be writable: ask first */
        if (name[i] != '/' || name[i - 1] == '/')
            continue;
        name[i] = '\0';
        err = stat(name, &status) == 0 && S_ISDIR(status.st_mode) ? KIS_OK
                                                                  : real_make_one_dir(name, diag);
        name[i] = '/';
        if (err)
            return err;
    }
    return real_make_one_dir(name, diag);
}

static kis_err real_sync_dir(kis_os *os, kis_str path, kis_diag *diag)
{
    char name[PATH_BYTES_MAX];
    int failed;
    (void)os;

    kis_err err = real_path(path, name, diag);
    if (err)
        return err;
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return real_fail(diag, "open folder", path, errno);
    do
        failed = fsync(fd);
    while (failed && errno == EINTR);
    if (failed)
        err = real_fail(diag, "sync folder", path, errno);
    close(fd);
    return err;
}

static kis_err real_list_dir(kis_os *os, kis_str path, void (*each)(void *user, kis_str name),
                             void *user, kis_diag *diag)
{
    char name[PATH_BYTES_MAX];
    (void)os;

    kis_err err = real_path(path, name, diag);
    if (err)
        return err;
    DIR *dir = opendir(name);
    if (!dir)
        return real_fail(diag, "list folder", path, errno);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            break;
        kis_str entry_name = kis_str_from_c(entry->d_name);
        if (!kis_str_eq(entry_name, KIS_STR(".")) && !kis_str_eq(entry_name, KIS_STR("..")))
            each(user, entry_name);
    }
    if (errno != 0)
        err = real_fail(diag, "list folder", path, errno);
    closedir(dir);
    return err;
}

static kis_err real_lock(kis_os *os, kis_str path, kis_file *out, kis_diag *diag)
{
    kis_file file;
    int failed;

    kis_err err = real_open(os, path, KIS_OPEN_CREATE_OR_WRITE, &file, diag);
    if (err)
        return err;
    do
        failed = flock(real_fd(file), LOCK_EX | LOCK_NB);
    while (failed && errno == EINTR);
    if (!failed) {
        *out = file;
        return KIS_OK;
    }
    err = errno == EWOULDBLOCK
              ? kis_diag_set(diag, KIS_ERR_RANGE, "'" KIS_FMT "' is locked by another process",
                             KIS_ARG(path))
              : real_fail(diag, "lock", path, errno);
    real_close(os, file);
    return err;
}

static kis_err real_disk_free(kis_os *os, kis_str path, uint64_t *out_free_bytes,
                              uint64_t *out_total_bytes, kis_diag *diag)
{
    char name[PATH_BYTES_MAX];
    struct statvfs status;
    (void)os;

    kis_err err = real_path(path, name, diag);
    if (err)
        return err;
    if (statvfs(name, &status) != 0)
        return real_fail(diag, "ask the free room of", path, errno);
    *out_free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    *out_total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
    return KIS_OK;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t kis_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t kis_now_unix_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

static uint64_t real_now_ns(kis_os *os)
{
    (void)os;
    return kis_now_ns();
}

static uint64_t real_now_unix_ns(kis_os *os)
{
    (void)os;
    return kis_now_unix_ns();
}

kis_os *kis_os_real(void)
{
    static const kis_os_ops ops = {
        .open = real_open,
        .close = real_close,
        .size = real_size,
        .read_at = real_read_at,
        .write_at = real_write_at,
        .append = real_append,
        .truncate = real_truncate,
        .preallocate = real_preallocate,
        .sync = real_sync,
        .advise = real_advise,
        .rename = real_rename,
        .remove = real_remove,
        .make_dir = real_make_dir,
        .sync_dir = real_sync_dir,
        .list_dir = real_list_dir,
        .lock = real_lock,
        .disk_free = real_disk_free,
        .now_ns = real_now_ns,
        .now_unix_ns = real_now_unix_ns,
    };
    static kis_os os = { &ops };
    return &os;
}

void kis_random_bytes(void *to, size_t size)
{
    uint8_t *at = to;

    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            __builtin_trap();
        at += got;
        size -= (size_t)got;
    }
}
