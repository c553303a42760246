/* wal.c - writing and reading log files. */
#include "store/wal.h"

#include "base/crc.h"
#include "base/cursor.h"
#include "base/diag.h"
#include "base/fmt.h"
#include "base/hash.h"
#include "base/num.h"
#include "store/bounds.h"
#include "store/le.h"

#define RECORD_MAGIC 0x3152574bu /* "KWR1" */
static const uint8_t wal_magic[8] = { 'K', 'I', 'S', 'W', 'A', 'L', '\r', '\n' };

/* ---- names ----------------------------------------------------------------------------------- */

size_t kis_wal_path(char *to, size_t size, kis_str dir, const char *prefix, uint64_t generation,
                    uint32_t attempt)
{
    return kis_fmt(to, size, KIS_FMT "/%s%016llx-%04x.wal", KIS_ARG(dir), prefix,
                   (unsigned long long)generation, (unsigned)attempt);
}

static bool wal_hex_number(kis_str text, uint64_t *out)
{
    uint8_t bytes[8] = { 0 };
    uint64_t value = 0;
    if (text.len % 2 || text.len > 16 || kis_hex_parse(text, false, bytes, text.len / 2) != KIS_OK)
        return false;
    for (size_t i = 0; i < text.len / 2; i++)
        value = value << 8 | bytes[i];
    *out = value;
    return true;
}

bool kis_wal_parse_name(kis_str name, uint64_t *out_generation, uint32_t *out_attempt)
{
    uint64_t generation, attempt;
    if (name.len != 29 || !kis_str_starts(name, KIS_STR("log-")) ||
        !kis_str_ends(name, KIS_STR(".wal")) || name.ptr[20] != '-' ||
        !wal_hex_number(kis_str_slice(name, 4, 16), &generation) ||
        !wal_hex_number(kis_str_slice(name, 21, 4), &attempt))
        return false;
    *out_generation = generation;
    *out_attempt = (uint32_t)attempt;
    return true;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void encode_header(const kis_wal_header *header, uint8_t to[KIS_WAL_HEADER_BYTES])
{
    memset(to, 0, KIS_WAL_HEADER_BYTES);
    memcpy(to, wal_magic, 8);
    kis_le_put_u32(to + 8, KIS_STORE_VERSION);
    kis_le_put_u64(to + 16, header->generation);
    kis_le_put_u64(to + 24, header->previous_generation);
    kis_le_put_u64(to + 32, header->previous_length);
    kis_le_put_u64(to + 40, header->created_unix_ns);
    kis_le_put_u32(to + 48, header->attempt);
    kis_le_put_u32(to + 52, header->salt);
    /* over the field as zero */
    kis_le_put_u32(to + 12, kis_crc32c(0, kis_bytes_of(to, KIS_WAL_HEADER_BYTES)));
}

uint32_t kis_wal_new_salt(kis_os *os, uint64_t generation)
{
    uint64_t salt = kis_hash_u64(os->ops->now_unix_ns(os) ^ kis_hash_u64(generation));

    if (os == kis_os_real()) /* a simulated machine does the same each time */
        kis_random_bytes(&salt, sizeof salt);
    return (uint32_t)salt;
}

/* A new file with its first room, and `bytes` where the header has its place. */
static kis_err make_file(kis_wal *wal, kis_str path, const uint8_t bytes[KIS_WAL_HEADER_BYTES],
                         kis_diag *diag)
{
    kis_os *os = wal->os;

    (void)os->ops->remove(os, path, NULL); /* of an earlier try */
    kis_err err = os->ops->open(os, path, KIS_OPEN_CREATE, &wal->file, diag);
    if (err)
        return err;
    wal->reserved = KIS_WAL_STEP_BYTES;
    err = os->ops->preallocate(os, wal->file, wal->reserved, diag);
    if (!err)
        err = os->ops->write_at(os, wal->file, 0, bytes, KIS_WAL_HEADER_BYTES, diag);
    if (!err) {
        wal->written = wal->synced = KIS_WAL_HEADER_BYTES;
        return KIS_OK;
    }
    kis_wal_close(wal);
    (void)os->ops->remove(os, path, NULL);
    return err;
}

static void start(kis_wal *wal, kis_os *os, kis_str dir, const kis_wal_header *header)
{
    *wal = (kis_wal){
        .os = os, .dir = dir, .generation = header->generation, .attempt = header->attempt
    };
}

static kis_err create(kis_wal *wal, const uint8_t bytes[KIS_WAL_HEADER_BYTES], kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_os *os = wal->os;
    kis_str name = { path, kis_wal_path(path, sizeof path, wal->dir, "log-", wal->generation,
                                        wal->attempt) };

    kis_err err = make_file(wal, name, bytes, diag);
    if (err)
        return err;
    err = os->ops->sync(os, wal->file, diag);
    if (!err)
        err = os->ops->sync_dir(os, wal->dir, diag);
    if (err)
        kis_wal_drop(wal);
    return err;
}

kis_err kis_wal_create(kis_wal *wal, kis_os *os, kis_str dir, const kis_wal_header *header,
                       kis_diag *diag)
{
    uint8_t bytes[KIS_WAL_HEADER_BYTES];

    start(wal, os, dir, header);
    encode_header(header, bytes);
    return create(wal, bytes, diag);
}

kis_err kis_wal_prepare(kis_wal *wal, kis_os *os, kis_str dir, uint64_t generation, kis_diag *diag)
{
    /* written, so that the header itself needs no new metadata */
    static const uint8_t zeros[KIS_WAL_HEADER_BYTES];

    start(wal, os, dir, &(kis_wal_header){ .generation = generation });
    return create(wal, zeros, diag);
}

kis_err kis_wal_begin(kis_wal *wal, const kis_wal_header *header, kis_diag *diag)
{
    uint8_t bytes[KIS_WAL_HEADER_BYTES];

    encode_header(header, bytes);
    kis_err err = wal->os->ops->write_at(wal->os, wal->file, 0, bytes, sizeof bytes, diag);
    if (!err)
        err = wal->os->ops->sync(wal->os, wal->file, diag);
    if (err)
        kis_wal_drop(wal);
    return err;
}

kis_err kis_wal_create_temporary(kis_wal *wal, kis_os *os, kis_str dir,
                                 const kis_wal_header *header, kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_str name = { path, kis_wal_path(path, sizeof path, dir, "tmp-", header->generation,
                                        header->attempt) };
    uint8_t bytes[KIS_WAL_HEADER_BYTES];

    start(wal, os, dir, header);
    encode_header(header, bytes);
    return make_file(wal, name, bytes, diag);
}

kis_err kis_wal_finish_temporary(kis_wal *wal, kis_diag *diag)
{
    char from[KIS_STORE_PATH_MAX], to[KIS_STORE_PATH_MAX];
    kis_str from_name = { from, kis_wal_path(from, sizeof from, wal->dir, "tmp-", wal->generation,
                                             wal->attempt) };
    kis_str to_name = { to, kis_wal_path(to, sizeof to, wal->dir, "log-", wal->generation,
                                         wal->attempt) };

    kis_err err = wal->os->ops->rename(wal->os, from_name, to_name, diag);
    return err ? err : wal->os->ops->sync_dir(wal->os, wal->dir, diag);
}

kis_err kis_wal_reopen(kis_wal *wal, kis_os *os, kis_str dir, const kis_wal_header *header,
                       uint64_t good_length, kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    kis_str name = { path, kis_wal_path(path, sizeof path, dir, "log-", header->generation,
                                        header->attempt) };

    start(wal, os, dir, header);
    kis_err err = os->ops->open(os, name, KIS_OPEN_WRITE, &wal->file, diag);
    if (err)
        return err;
    /* cut, so that nothing behind the last good record can be taken for one later;
     * then room again */
    err = os->ops->truncate(os, wal->file, good_length, diag);
    if (err)
        goto undo;
    wal->reserved = (good_length / KIS_WAL_STEP_BYTES + 1) * KIS_WAL_STEP_BYTES;
    err = os->ops->preallocate(os, wal->file, wal->reserved, diag);
    /* a full disk is no reason not to start: room is asked for again by the next write */
    if (err == KIS_ERR_FULL) {
        wal->reserved = good_length;
        err = KIS_OK;
    }
    if (err)
        goto undo;
    err = os->ops->sync(os, wal->file, diag);
    if (err)
        goto undo;
    wal->written = wal->synced = good_length;
    return KIS_OK;
undo:
    kis_wal_close(wal);
    return err;
}

void kis_wal_close(kis_wal *wal)
{
    if (wal->os)
        wal->os->ops->close(wal->os, wal->file);
    wal->file = (kis_file){ 0 };
}

void kis_wal_drop(kis_wal *wal)
{
    if (!wal->os)
        return;
    kis_wal_close(wal);
    (void)kis_wal_remove(wal->os, wal->dir, wal->generation, wal->attempt, NULL);
    *wal = (kis_wal){ 0 };
}

kis_err kis_wal_remove(kis_os *os, kis_str dir, uint64_t generation, uint32_t attempt,
                       kis_diag *diag)
{
    char path[KIS_STORE_PATH_MAX];
    size_t len = kis_wal_path(path, sizeof path, dir, "log-", generation, attempt);
    return os->ops->remove(os, kis_str_of(path, len), diag);
}

kis_err kis_wal_remove_attempts(kis_os *os, kis_str dir, uint64_t generation, uint32_t first,
                                uint32_t last, kis_diag *diag)
{
    for (uint32_t attempt = first; attempt <= last; attempt++) {
        kis_err err = attempt == last && last > first ? os->ops->sync_dir(os, dir, diag) : KIS_OK;
        if (!err)
            err = kis_wal_remove(os, dir, generation, attempt, diag);
        if (err && err != KIS_ERR_NOT_FOUND)
            return err;
    }
    return os->ops->sync_dir(os, dir, diag);
}

/* Both begin at the file's salt: who sends a body does not know it,
 * and so cannot put a record into it. */
static uint32_t record_header_crc(const uint8_t *record, uint32_t salt)
{
    return kis_crc32c(salt, kis_bytes_of(record, 24));
}

static uint32_t record_body_crc(const uint8_t *record, size_t body_size, uint32_t salt)
{
    return kis_crc32c(salt, kis_bytes_of(record + KIS_WAL_RECORD_HEADER_BYTES, body_size));
}

void kis_wal_seal_record(uint8_t *record, size_t body_size, uint64_t sequence, uint64_t synced,
                         uint32_t salt)
{
    kis_le_put_u32(record, RECORD_MAGIC);
    kis_le_put_u32(record + 4, (uint32_t)body_size);
    kis_le_put_u64(record + 8, sequence);
    kis_le_put_u64(record + 16, synced);
    kis_le_put_u32(record + 24, record_header_crc(record, salt));
    kis_le_put_u32(record + 28, record_body_crc(record, body_size, salt));
}

kis_err kis_wal_write(kis_wal *wal, const uint8_t *bytes, size_t size, kis_diag *diag)
{
    if (wal->is_suspect)
        return kis_diag_set(diag, KIS_ERR_IO, "the log file is suspect since its sync failed");
    if (wal->written + size > wal->reserved) {
        uint64_t want = ((wal->written + size) / KIS_WAL_STEP_BYTES + 1) * KIS_WAL_STEP_BYTES;
        kis_err err = wal->os->ops->preallocate(wal->os, wal->file, want, diag);
        if (err)
            return err;
        wal->reserved = want;
    }
    kis_err err = wal->os->ops->write_at(wal->os, wal->file, wal->written, bytes, size, diag);
    if (!err)
        wal->written += size;
    return err;
}

kis_err kis_wal_sync(kis_wal *wal, kis_diag *diag)
{
    if (wal->is_suspect)
        return kis_diag_set(diag, KIS_ERR_IO, "the log file is suspect since its sync failed");
    kis_err err = wal->os->ops->sync(wal->os, wal->file, diag);
    if (err)
        wal->is_suspect = true;
    else
        wal->synced = wal->written;
    return err;
}

/* ---- reading --------------------------------------------------------------------------------- */

kis_err kis_wal_read_header(kis_bytes file, kis_wal_header *out, kis_diag *diag)
{
    uint8_t copy[KIS_WAL_HEADER_BYTES];

    if (file.len < KIS_WAL_HEADER_BYTES)
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "%zu bytes, a log's header has %u", file.len,
                            KIS_WAL_HEADER_BYTES);
    memcpy(copy, file.ptr, sizeof copy);
    kis_le_put_u32(copy + 12, 0);
    if (memcmp(copy, wal_magic, 8) != 0 ||
        kis_crc32c(0, kis_bytes_of(copy, sizeof copy)) != kis_le_get_u32(file.ptr + 12))
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "the log's header does not read");
    if (kis_le_get_u32(copy + 8) > KIS_STORE_VERSION)
        return kis_diag_set(diag, KIS_ERR_UNSUPPORTED,
                            "written by a newer kiseki (format %u, this one reads up to %u)",
                            kis_le_get_u32(copy + 8), KIS_STORE_VERSION);
    *out = (kis_wal_header){ .generation = kis_le_get_u64(copy + 16),
                             .previous_generation = kis_le_get_u64(copy + 24),
                             .previous_length = kis_le_get_u64(copy + 32),
                             .created_unix_ns = kis_le_get_u64(copy + 40),
                             .attempt = kis_le_get_u32(copy + 48),
                             .salt = kis_le_get_u32(copy + 52) };
    return KIS_OK;
}

/* Whether a whole record with a right checksum stands at `at`. */
static bool record_reads(kis_bytes file, uint64_t at, uint64_t sequence_min, uint32_t salt,
                         const char **why)
{
    if (file.len - at < KIS_WAL_RECORD_HEADER_BYTES) {
        *why = "ends inside a record's header";
        return false;
    }
    const uint8_t *record = file.ptr + at;
    if (kis_le_get_u32(record) != RECORD_MAGIC) {
        *why = "no record begins here";
        return false;
    }
    if (record_header_crc(record, salt) != kis_le_get_u32(record + 24)) {
        *why = "a record header's checksum is wrong";
        return false;
    }
    if (kis_le_get_u32(record + 4) > file.len - at - KIS_WAL_RECORD_HEADER_BYTES) {
        *why = "ends inside a record";
        return false;
    }
    if (record_body_crc(record, kis_le_get_u32(record + 4), salt) != kis_le_get_u32(record + 28)) {
        *why = "a record's checksum is wrong";
        return false;
    }
    if (kis_le_get_u64(record + 8) < sequence_min) {
        *why = "a record of an earlier time";
        return false;
    }
    return true;
}

static bool all_zero(kis_bytes file, uint64_t from)
{
    for (uint64_t i = from; i < file.len; i++)
        if (file.ptr[i])
            return false;
    return true;
}

/* The header is on the disk before the first record, so a file without a header and with something
 * behind its place has lost it. */
bool kis_wal_has_records(kis_bytes file)
{
    return !all_zero(file, KIS_WAL_HEADER_BYTES);
}

/* A later record that was written when the bytes at `damaged` had been synced: then they are not
 * torn but damaged. Its header is enough to know; bodies are not read, so that bytes which look
 * like many records cost no more than others. */
static bool was_synced(kis_bytes file, uint64_t damaged, uint64_t sequence_min, uint32_t salt)
{
    for (uint64_t at = damaged + 1; at + KIS_WAL_RECORD_HEADER_BYTES <= file.len; at++) {
        const uint8_t *record = file.ptr + at;
        if (kis_le_get_u32(record) == RECORD_MAGIC && kis_le_get_u64(record + 16) > damaged &&
            kis_le_get_u64(record + 16) <= at && kis_le_get_u64(record + 8) >= sequence_min &&
            record_header_crc(record, salt) == kis_le_get_u32(record + 24))
            return true;
    }
    return false;
}

kis_err kis_wal_read(kis_bytes file, uint64_t length_known, kis_wal_record_fn *each, void *user,
                     kis_wal_scan *out, kis_diag *diag)
{
    kis_wal_scan scan = { 0 };
    uint64_t at = KIS_WAL_HEADER_BYTES;

    kis_err err = kis_wal_read_header(file, &scan.header, diag);
    if (err)
        return err;
    if (length_known > file.len)
        return kis_diag_set(diag, KIS_ERR_CORRUPT,
                            "at offset %llu: the file ends, it had %llu bytes",
                            (unsigned long long)file.len, (unsigned long long)length_known);
    while (at < file.len &&
           record_reads(file, at, scan.last_sequence + 1, scan.header.salt, &scan.why)) {
        uint32_t size = kis_le_get_u32(file.ptr + at + 4);
        err = each ? each(user, kis_bytes_of(file.ptr + at + KIS_WAL_RECORD_HEADER_BYTES, size), at,
                          diag)
                   : KIS_OK;
        if (err)
            return err;
        scan.last_sequence = kis_le_get_u64(file.ptr + at + 8);
        scan.records++;
        at += KIS_WAL_RECORD_HEADER_BYTES + size;
    }
    scan.good_length = at;
    if (at < length_known || was_synced(file, at, scan.last_sequence + 1, scan.header.salt))
        return kis_diag_set(diag, KIS_ERR_CORRUPT, "damaged at offset %llu: %s",
                            (unsigned long long)at, scan.why);
    if (at == file.len || all_zero(file, at))
        scan.why = NULL;
    else
        scan.cut_bytes = file.len - at;
    *out = scan;
    return KIS_OK;
}

/* ---- damage ---------------------------------------------------------------------------------- */

#define CRC32C_REVERSED   0x82f63b78u
#define EMPTY_BATCH_BYTES 13u /* received; no tenant, key, resources, scopes, spans */

/* What a checksum over `size` bytes began with, from what it ended with:
 * each step of a CRC can be taken back. */
static uint32_t crc_begun_at(uint32_t crc, const uint8_t *bytes, size_t size)
{
    uint32_t state = ~crc;

    for (size_t i = size; i-- > 0;) {
        for (unsigned bit = 0; bit < 8; bit++)
            state = state >> 31 ? (state ^ CRC32C_REVERSED) << 1 | 1 : state << 1;
        state ^= bytes[i];
    }
    return ~state;
}

/* The salt by the first record: its header's checksum gives one,
 * and its body's is right with that one alone. */
static bool find_salt(kis_bytes file, uint32_t *out)
{
    const char *why;

    if (file.len < KIS_WAL_HEADER_BYTES + KIS_WAL_RECORD_HEADER_BYTES)
        return false;
    const uint8_t *first = file.ptr + KIS_WAL_HEADER_BYTES;
    *out = crc_begun_at(kis_le_get_u32(first + 24), first, 24);
    return kis_le_get_u32(first + 4) > 0 && record_reads(file, KIS_WAL_HEADER_BYTES, 1, *out, &why);
}

static kis_err add_salvaged(kis_buf *records, kis_bytes body, uint64_t sequence, uint32_t salt)
{
    /* where it will stand; the new file is synced whole before it has a name */
    uint64_t at = KIS_WAL_HEADER_BYTES + records->len;
    uint8_t *to = kis_buf_reserve(records, KIS_WAL_RECORD_HEADER_BYTES + body.len);

    if (!to)
        return KIS_ERR_NOMEM;
    memcpy(to + KIS_WAL_RECORD_HEADER_BYTES, body.ptr, body.len);
    kis_wal_seal_record(to, body.len, sequence, at, salt);
    records->len += KIS_WAL_RECORD_HEADER_BYTES + body.len;
    return KIS_OK;
}

/* Bytes up to the last one that is not zero: what is behind was reserved and not written. */
static uint64_t written_length(kis_bytes file)
{
    uint64_t len = file.len;
    while (len > KIS_WAL_HEADER_BYTES && !file.ptr[len - 1])
        len--;
    return len;
}

kis_err kis_wal_salvage(kis_bytes file, const kis_wal_header *name, uint64_t length_known,
                        kis_wal_record_fn *each, void *user, kis_buf *records,
                        kis_wal_salvaged *out, kis_diag *diag)
{
    kis_wal_salvaged s = { .header = *name };
    uint64_t sequence = 0, at = KIS_WAL_HEADER_BYTES, end = written_length(file);
    uint8_t empty[EMPTY_BATCH_BYTES] = { 0 };
    const char *why;
    kis_err err = kis_wal_read_header(file, &s.header, diag);

    s.is_header_lost =
        err == KIS_ERR_SYNTAX ||
        (!err && (s.header.generation != name->generation || s.header.attempt != name->attempt));
    if (err && !s.is_header_lost)
        return err;
    if (s.is_header_lost) {
        s.header = *name;
        if (!find_salt(file, &s.header.salt))
            return kis_diag_set(diag, KIS_ERR_CORRUPT,
                                "neither its header nor its first record reads");
    }
    err = KIS_OK;
    while (!err && at < end) {
        if (!record_reads(file, at, sequence + 1, s.header.salt, &why)) {
            at++;
            s.lost_bytes++;
            continue;
        }
        kis_bytes body = { file.ptr + at + KIS_WAL_RECORD_HEADER_BYTES,
                           kis_le_get_u32(file.ptr + at + 4) };
        if (each && each(user, body, at, NULL)) {
            s.lost_bytes += KIS_WAL_RECORD_HEADER_BYTES + body.len;
        } else {
            sequence = kis_le_get_u64(file.ptr + at + 8);
            err = add_salvaged(records, body, sequence, s.header.salt);
            s.records++;
        }
        at += KIS_WAL_RECORD_HEADER_BYTES + body.len;
    }
    kis_le_put_u64(empty, s.header.created_unix_ns);
    while (!err && KIS_WAL_HEADER_BYTES + records->len < length_known)
        err = add_salvaged(records, kis_bytes_of(empty, sizeof empty), ++sequence, s.header.salt);
    if (err)
        return kis_diag_set(diag, err, "no memory to gather what reads");
    s.header.attempt++;
    *out = s;
    return KIS_OK;
}
