/* os.h - the machine, as a parameter: files, directories, clocks. Seam three.
 *
 * Whoever needs the machine (store, programs) is given one of these tables. os_real.c is Linux;
 * os_sim.c keeps files in memory and loses, on command, what was not synced: pages, directory
 * entries, half a sector. A simulated run is replayed by its seed.
 *
 * Paths are relative to nothing: callers give whole paths. A kis_file is a value; closing zeros is
 * fine. Every failure fills diag with the operation, the path and the system's words: "cannot write
 * '/d/x.wal': no space left on device". Errors: IO; FULL for no space left; NOT_FOUND; RANGE for
 * "exists already" (create) and "locked by another process" (lock). EINTR and short transfers are
 * handled below this table.
 */
#ifndef KIS_OS_OS_H
#define KIS_OS_OS_H

#include "base/str.h"

typedef struct kis_file {
    int64_t handle; /* 0: none; the real one keeps fd + 1 */
} kis_file;

typedef enum kis_open_mode {
    KIS_OPEN_READ,
    KIS_OPEN_WRITE /* exists */,
    KIS_OPEN_CREATE /* must not exist */,
    KIS_OPEN_CREATE_OR_WRITE,
    KIS_OPEN_APPEND /* created if need be; read and appended to, no write_at */
} kis_open_mode;

typedef struct kis_os kis_os;

typedef struct kis_os_ops {
    kis_err (*open)(kis_os *, kis_str path, kis_open_mode, kis_file *out, kis_diag *);
    void (*close)(kis_os *, kis_file);
    kis_err (*size)(kis_os *, kis_file, uint64_t *out, kis_diag *);
    /** All of `size` bytes or an error; MORE when the file ends before. */
    kis_err (*read_at)(kis_os *, kis_file, uint64_t offset, void *to, size_t size, kis_diag *);
    kis_err (*write_at)(kis_os *, kis_file, uint64_t offset, const void *from, size_t size,
                        kis_diag *);
    /** All of `size` bytes behind the end of the file, in one piece: what others append, in this
     * process or another, comes before or after it. After an error nothing of it is there and all
     * of what others appended is: while it appends, others who append here wait. Through one
     * kis_file one caller at a time. A process that dies in between leaves the part that fitted;
     * so does a file system that has no locks.
     * TIMEOUT: another process has been at it for seconds, stopped perhaps. */
    kis_err (*append)(kis_os *, kis_file, const void *from, size_t size, kis_diag *);
    kis_err (*truncate)(kis_os *, kis_file, uint64_t size, kis_diag *);
    /** Reserves room, so that later writes inside it need no new metadata; the size grows, new
     * bytes are zero. */
    kis_err (*preallocate)(kis_os *, kis_file, uint64_t size, kis_diag *);
    /* fdatasync. After an error the file's unsynced bytes are lost: never call it again on it */
    kis_err (*sync)(kis_os *, kis_file, kis_diag *);
    /** Hints: the range will be read soon / will not be read again (drops it from the page cache
     * once clean). */
    void (*advise)(kis_os *, kis_file, uint64_t offset, uint64_t size, bool will_need);

    /* replaces; durable after sync_dir of the folder */
    kis_err (*rename)(kis_os *, kis_str from, kis_str to, kis_diag *);
    kis_err (*remove)(kis_os *, kis_str path, kis_diag *);
    /* with parents, mode 0700; fine when it exists */
    kis_err (*make_dir)(kis_os *, kis_str path, kis_diag *);
    kis_err (*sync_dir)(kis_os *, kis_str path, kis_diag *);
    /** Calls `each` for every name in the folder but . and .., in no order. */
    kis_err (*list_dir)(kis_os *, kis_str path, void (*each)(void *user, kis_str name), void *user,
                        kis_diag *);
    /** Takes the exclusive lock on a file made for it; held until close or the process's end.
     * RANGE: somebody else has it. */
    kis_err (*lock)(kis_os *, kis_str path, kis_file *out, kis_diag *);
    kis_err (*disk_free)(kis_os *, kis_str path, uint64_t *out_free_bytes,
                         uint64_t *out_total_bytes, kis_diag *);

    uint64_t (*now_ns)(kis_os *);      /* monotonic */
    uint64_t (*now_unix_ns)(kis_os *); /* wall clock */
} kis_os_ops;

struct kis_os {
    const kis_os_ops *ops;
};

/** The machine itself. Lives for ever; any thread. */
kis_os *kis_os_real(void);

/** Monotonic and wall clock of the real machine, for those who are not simulated (net, programs).
 */
uint64_t kis_now_ns(void);
uint64_t kis_now_unix_ns(void);

/** Random bytes from the kernel; fills all or traps (there is no sane way on). */
void kis_random_bytes(void *to, size_t size);

#endif
