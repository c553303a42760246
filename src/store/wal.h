/* wal.h - the log: what a push waits for. FORMAT.md, "Log file".
 *
 *     log-<generation>-<attempt>.wal    [ header 64 ][ record ][ record ] … [ reserved zeros ]
 *                                                              ^ synced      ^ written
 *
 * One file a head: written while the head fills, removed when the head has become segments.
 *
 * Always true:
 *   (1) bytes before `synced` are on the disk; a record is answered only
 *       when it ends at or before it
 *   (2) a file whose sync failed is suspect: it is neither written nor synced again. Its head is
 *       written anew from memory under the next attempt number, and the higher attempt of a
 *       generation wins at open
 *   (3) the file of the next generation names the length that the one before has at least, so a
 *       short older file is told from a torn newest one
 */
#ifndef KIS_STORE_WAL_H
#define KIS_STORE_WAL_H

#include "base/buf.h"
#include "os/os.h"

#define KIS_WAL_HEADER_BYTES        64u
#define KIS_WAL_RECORD_HEADER_BYTES 32u
#define KIS_STORE_PATH_MAX          1024u

typedef struct kis_wal {
    kis_os *os;
    kis_str dir;
    kis_file file;
    uint64_t generation;
    uint32_t attempt;
    uint64_t synced, written, reserved; /* file offsets */
    bool is_suspect;
} kis_wal;

typedef struct kis_wal_header {
    uint64_t generation, previous_generation, previous_length, created_unix_ns;
    uint32_t attempt;
    /* where the checksums of the file's records begin; all attempts of a
     * generation have the same */
    uint32_t salt;
} kis_wal_header;

/** For a new generation's header: nobody who sends spans can know it. */
uint32_t kis_wal_new_salt(kis_os *os, uint64_t generation);

/** Makes an empty file, synced, with its name in the folder synced. */
kis_err kis_wal_create(kis_wal *wal, kis_os *os, kis_str dir, const kis_wal_header *header,
                       kis_diag *diag) KIS_CHECKED;
/** The same ahead of its time: its header is zeros, so that whoever opens the folder takes it
 * for one that was being made. */
kis_err kis_wal_prepare(kis_wal *wal, kis_os *os, kis_str dir, uint64_t generation,
                        kis_diag *diag) KIS_CHECKED;
/** Gives a prepared file its header, synced: from here on records may follow.
 * After an error the file is gone. */
kis_err kis_wal_begin(kis_wal *wal, const kis_wal_header *header, kis_diag *diag) KIS_CHECKED;
/** The same in two steps for a rewrite: a temporary file that takes its name only in `finish`,
 * after its records are synced. */
kis_err kis_wal_create_temporary(kis_wal *wal, kis_os *os, kis_str dir,
                                 const kis_wal_header *header, kis_diag *diag) KIS_CHECKED;
kis_err kis_wal_finish_temporary(kis_wal *wal, kis_diag *diag) KIS_CHECKED;
/** Opens an existing file to go on behind `good_length`: the rest is cut off. */
kis_err kis_wal_reopen(kis_wal *wal, kis_os *os, kis_str dir, const kis_wal_header *header,
                       uint64_t good_length, kis_diag *diag) KIS_CHECKED;
void kis_wal_close(kis_wal *wal); /* fine on zeros */
void kis_wal_drop(kis_wal *wal);  /* closes and removes it, as far as that goes; fine on zeros */
kis_err kis_wal_remove(kis_os *os, kis_str dir, uint64_t generation, uint32_t attempt,
                       kis_diag *diag); /* may be ignored */
/** Removes the attempts `first` to `last`, those that are there, and makes it last. The highest
 * goes after the others are surely gone, and stays when one of them does: it alone is complete. */
kis_err kis_wal_remove_attempts(kis_os *os, kis_str dir, uint64_t generation, uint32_t first,
                                uint32_t last, kis_diag *diag) KIS_CHECKED;

/** Fills the 32 bytes in front of a body of `size` bytes that stands right behind them. */
void kis_wal_seal_record(uint8_t *record, size_t body_size, uint64_t sequence, uint64_t synced,
                         uint32_t salt);
kis_err kis_wal_write(kis_wal *wal, const uint8_t *bytes, size_t size, kis_diag *diag) KIS_CHECKED;
/* an error makes the file suspect */
kis_err kis_wal_sync(kis_wal *wal, kis_diag *diag) KIS_CHECKED;
static inline void kis_wal_roll_back(kis_wal *wal)
{
    wal->written = wal->synced;
}

/** "log-000000000000002a-0001.wal" in `dir`; answers the path's length. */
size_t kis_wal_path(char *to, size_t size, kis_str dir, const char *prefix, uint64_t generation,
                    uint32_t attempt);
bool kis_wal_parse_name(kis_str name, uint64_t *out_generation, uint32_t *out_attempt) KIS_CHECKED;

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct kis_wal_scan {
    kis_wal_header header;
    uint64_t good_length, last_sequence, records;
    uint64_t cut_bytes; /* behind good_length, not zero */
    const char *why;    /* what ended it, or NULL for a clean end */
} kis_wal_scan;

/** Of a file whose header does not read: whether anything was written behind it. */
bool kis_wal_has_records(kis_bytes file);

typedef kis_err kis_wal_record_fn(void *user, kis_bytes body, uint64_t offset, kis_diag *diag);

/** Reads the header alone. SYNTAX: not a header (a torn one, too).
 * UNSUPPORTED: a newer version's. */
kis_err kis_wal_read_header(kis_bytes file, kis_wal_header *out, kis_diag *diag) KIS_CHECKED;

/**
 * Walks the records of one file's bytes.
 *
 * length_known  what the next generation's file says that this one had at least; 0: this is the
 *               newest file. It may have more: a next file whose making failed may come back after
 *               a power cut, when this one had long been written on
 *
 * CORRUPT  a record before length_known does not read; or one does not read although a later record
 *          says that it had been synced. diag names the offset.
 * Anything else that does not read is a torn tail: OK, with `cut_bytes` and `why`.
 */
kis_err kis_wal_read(kis_bytes file, uint64_t length_known, kis_wal_record_fn *each, void *user,
                     kis_wal_scan *out, kis_diag *diag) KIS_CHECKED;

/* ---- damage ---------------------------------------------------------------------------------- */

typedef struct kis_wal_salvaged {
    kis_wal_header header; /* for the new file: the next attempt */
    uint64_t records, lost_bytes;
    /* its salt was found by the first record; what it said of the file before is lost */
    bool is_header_lost;
} kis_wal_salvaged;

/**
 * Gathers the records that read from a file in which others do not, before and behind the damage,
 * as the records of a new file. The salt tells which bytes are a record.
 *
 * name          the file's generation and attempt, for a header that does not read
 * length_known  as for kis_wal_read: what is shorter is filled with empty batches, because the next
 *               file will go on naming that length
 * each          a record for which it does not say OK is lost, too
 *
 * CORRUPT  neither the header nor the first record reads: nothing can be told from anything. NOMEM.
 */
kis_err kis_wal_salvage(kis_bytes file, const kis_wal_header *name, uint64_t length_known,
                        kis_wal_record_fn *each, void *user, kis_buf *records,
                        kis_wal_salvaged *out, kis_diag *diag) KIS_CHECKED;

#endif
