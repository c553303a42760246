/* faults.c - makes a server's disk fail on command, without root: loaded before it with LD_PRELOAD.
 *
 * KIS_FAULTS names a file. While it exists, its one line says what fails: `CALL FAULT EVERY`
 *
 *     write ENOSPC 1     each write to a regular file finds no room
 *     write EIO 3        every third one fails
 *     write SHORT 1      each writes half of what it was given
 *     write EINTR 2      every second one is interrupted
 *     sync EIO 1         fsync, fdatasync and sync_file_range fail
 *     sync HANG 1        they do not return
 *     disk LEFT 4        statvfs says that 4 % are free
 *
 * `write` covers what needs new room: write, writev, pwrite, pwritev, ftruncate, fallocate.
 * Sockets and pipes never fail here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FAULT_NONE, FAULT_SHORT = -1 };

static _Atomic unsigned calls;

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* The file's line, when it is about this call: what fails, and the number behind it. */
static bool script_for(const char *call, char fault[32], unsigned *number)
{
    const char *path = getenv("KIS_FAULTS");
    if (!path || access(path, F_OK) != 0)
        return false;
    char line[128] = "", want[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, line, sizeof line - 1);
    close(fd);
    return len > 0 && sscanf(line, "%31s %31s %u", want, fault, number) == 3 &&
           strcmp(want, call) == 0;
}

/* The fault that hits this call: an errno, FAULT_SHORT, or FAULT_NONE. */
static int fault_for(const char *call)
{
    char fault[32];
    unsigned every;
    if (!script_for(call, fault, &every))
        return FAULT_NONE;
    if (every > 1 && atomic_fetch_add(&calls, 1) % every != 0)
        return FAULT_NONE;
    static const struct {
        const char *name;
        int fault;
    } names[] = {
        { "ENOSPC", ENOSPC },
        { "EIO", EIO },
        { "EINTR", EINTR },
        { "SHORT", FAULT_SHORT },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].name, fault) == 0)
            return names[i].fault;
    return FAULT_NONE;
}

static bool is_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* What a write to `fd` shall do: true when it has failed already, and then errno is set.
 * `*size` may shrink. */
static bool write_fails(int fd, size_t *size)
{
    int fault = is_file(fd) ? fault_for("write") : FAULT_NONE;
    if (fault == FAULT_SHORT && *size > 1)
        *size /= 2;
    if (fault <= FAULT_NONE)
        return false;
    errno = fault;
    return true;
}

static bool sync_hangs(void)
{
    char fault[32];
    unsigned ignored;
    return script_for("sync", fault, &ignored) && strcmp(fault, "HANG") == 0;
}

static bool sync_fails(void)
{
    while (sync_hangs())
        usleep(10000);
    int fault = fault_for("sync");
    if (fault <= FAULT_NONE)
        return false;
    errno = fault;
    return true;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return write_fails(fd, &size)
               ? -1
               : ((ssize_t(*)(int, const void *, size_t))real("write"))(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return write_fails(fd, &size) ? -1
                                  : ((ssize_t(*)(int, const void *, size_t, off_t))real("pwrite"))(
                                        fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    return pwrite(fd, bytes, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    size_t size = 2;
    if (write_fails(fd, &size))
        return -1;
    if (size == 1 && count > 0) /* short: the first part alone */
        return write(fd, parts[0].iov_base, parts[0].iov_len);
    return ((ssize_t(*)(int, const struct iovec *, int))real("writev"))(fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    size_t size = 2;
    if (write_fails(fd, &size))
        return -1;
    if (size == 1 && count > 0)
        return pwrite(fd, parts[0].iov_base, parts[0].iov_len, at);
    return ((ssize_t(*)(int, const struct iovec *, int, off_t))real("pwritev"))(fd, parts, count,
                                                                                at);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at)
{
    return pwritev(fd, parts, count, at);
}

int ftruncate(int fd, off_t size)
{
    size_t ignored = 0;
    return write_fails(fd, &ignored) ? -1 : ((int (*)(int, off_t))real("ftruncate"))(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    size_t ignored = 0;
    return write_fails(fd, &ignored)
               ? -1
               : ((int (*)(int, int, off_t, off_t))real("fallocate"))(fd, mode, at, size);
}

int fallocate64(int fd, int mode, off64_t at, off64_t size)
{
    return fallocate(fd, mode, at, size);
}

int posix_fallocate(int fd, off_t at, off_t size)
{
    size_t ignored = 0; /* this one answers its error */
    return write_fails(fd, &ignored)
               ? errno
               : ((int (*)(int, off_t, off_t))real("posix_fallocate"))(fd, at, size);
}

int posix_fallocate64(int fd, off64_t at, off64_t size)
{
    return posix_fallocate(fd, at, size);
}

int fsync(int fd)
{
    return sync_fails() ? -1 : ((int (*)(int))real("fsync"))(fd);
}
int fdatasync(int fd)
{
    return sync_fails() ? -1 : ((int (*)(int))real("fdatasync"))(fd);
}

/* So many percent of the disk are left, when the script says so. */
static void fill_disk(struct statvfs *disk)
{
    char word[32];
    unsigned percent;
    if (script_for("disk", word, &percent))
        disk->f_bfree = disk->f_bavail = disk->f_blocks / 100 * percent;
}

int statvfs(const char *path, struct statvfs *out)
{
    int result = ((int (*)(const char *, struct statvfs *))real("statvfs"))(path, out);
    if (result == 0)
        fill_disk(out);
    return result;
}

int fstatvfs(int fd, struct statvfs *out)
{
    int result = ((int (*)(int, struct statvfs *))real("fstatvfs"))(fd, out);
    if (result == 0)
        fill_disk(out);
    return result;
}
