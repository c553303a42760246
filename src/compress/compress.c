/* compress.c - gzip, deflate (zlib's form of it) and zstd of whole messages.
 *
 *     gzip in --> libdeflate, one go into as much room as the last four bytes promise --> done,
 *                     | room too small, another member, damage                            nearly
 *                     v                                                                   always
 *                 zlib, step by step: knows "ends too early" from "damaged",
 *                 follows members, stops at the bound
 *
 * The promise (ISIZE) is the sender's word: it is clamped to the bound and to what deflate can make
 * of so many bytes at all, so a lie costs no memory. zstd's promise (the content size) is treated
 * the same way.
 *
 * Always true: (1) out->len <= out->max, (2) no more than out->max bytes are taken for output;
 * besides them a decoder holds its window, at most ZSTD_WINDOW_LOG_MAX for zstd and 32 KiB for
 * deflate, (3) a decoder is reset before each use.
 */
#include "compress/compress.h"

#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/diag.h"

#define GZIP_LEVEL_DEFAULT  1
#define ZSTD_LEVEL_DEFAULT  1
#define DEFLATE_RATIO_MAX   1032 /* RFC 1951: 258 bytes for two bits at best */
#define ZSTD_TRUSTED_RATIO  64   /* a larger promise is believed as its bytes appear */
#define ZSTD_WINDOW_LOG_MAX 23   /* 8 MiB: RFC 9659 for Content-Encoding: zstd */
#define STEP_BYTES          ((size_t)64 << 10)
/* header 10, an empty block 2 (rounded down), CRC 4, ISIZE 4: less is cut */
#define GZIP_BYTES_MIN 18u

struct kis_codecs {
    const kis_alloc *alloc;
    struct libdeflate_decompressor *deflate_in; /* each NULL until first used */
    struct libdeflate_compressor *deflate_out;
    int deflate_out_level;
    ZSTD_DCtx *zstd_in;
    ZSTD_CCtx *zstd_out;
    z_stream zlib_in;
    bool has_zlib_in;
};

kis_codecs *kis_codecs_new(const kis_alloc *alloc)
{
    kis_codecs *codecs = alloc->take(alloc->user, sizeof(*codecs));
    if (codecs)
        *codecs = (kis_codecs){ .alloc = alloc };
    return codecs;
}

void kis_codecs_free(kis_codecs *codecs)
{
    if (!codecs)
        return;
    if (codecs->deflate_in)
        libdeflate_free_decompressor(codecs->deflate_in);
    if (codecs->deflate_out)
        libdeflate_free_compressor(codecs->deflate_out);
    ZSTD_freeDCtx(codecs->zstd_in);
    ZSTD_freeCCtx(codecs->zstd_out);
    if (codecs->has_zlib_in)
        inflateEnd(&codecs->zlib_in);
    codecs->alloc->give_back(codecs->alloc->user, codecs, sizeof(*codecs));
}

/* ---- names ---- */

static const struct {
    kis_str name;
    kis_coding coding;
} coding_names[] = {
    { KIS_STR_INIT("identity"), KIS_CODING_NONE }, { KIS_STR_INIT("gzip"), KIS_CODING_GZIP },
    { KIS_STR_INIT("zstd"), KIS_CODING_ZSTD },     { KIS_STR_INIT("deflate"), KIS_CODING_DEFLATE },
    { KIS_STR_INIT("x-gzip"), KIS_CODING_GZIP }, /* RFC 9110, 8.4.1.3 */
    { KIS_STR_INIT(""), KIS_CODING_NONE },
};

bool kis_coding_parse(kis_str name, kis_coding *out)
{
    kis_str word = kis_str_trim(name);
    for (size_t i = 0; i < KIS_COUNT_OF(coding_names); i++) {
        if (kis_str_eq_nocase(word, coding_names[i].name)) {
            *out = coding_names[i].coding;
            return true;
        }
    }
    return false;
}

kis_str kis_coding_name(kis_coding coding)
{
    for (size_t i = 0; i < KIS_COUNT_OF(coding_names); i++) {
        if (coding_names[i].coding == coding)
            return coding_names[i].name;
    }
    return KIS_STR_NONE;
}

/* ---- errors, in one voice ---- */

static kis_err coding_ends_early(kis_diag *diag, kis_coding coding, kis_bytes in)
{
    return kis_diag_set(diag, KIS_ERR_MORE, KIS_FMT ": ends too early, after %zu bytes",
                        KIS_ARG(kis_coding_name(coding)), in.len);
}

static kis_err coding_damaged(kis_diag *diag, kis_coding coding, size_t at, const char *what)
{
    return kis_diag_set(diag, KIS_ERR_SYNTAX, KIS_FMT ": %s, near byte %zu",
                        KIS_ARG(kis_coding_name(coding)), what ? what : "damaged", at);
}

static kis_err coding_too_large(kis_diag *diag, kis_coding coding, const kis_buf *out)
{
    return kis_diag_set(diag, KIS_ERR_LIMIT, KIS_FMT ": more than %zu bytes when decompressed",
                        KIS_ARG(kis_coding_name(coding)), out->max);
}

static kis_err coding_no_memory(kis_diag *diag, kis_coding coding)
{
    return kis_diag_set(diag, KIS_ERR_NOMEM, KIS_FMT ": out of memory",
                        KIS_ARG(kis_coding_name(coding)));
}

/* ---- where a decoder writes ----
 *
 * The buffer's room, and one byte beside it that shows that there would be more.
 */

typedef struct decode_room {
    kis_buf *out;
    uint8_t beyond; /* written only when `out` is full to its bound */
    bool is_full;
    uint8_t *at;
    size_t size;
} decode_room;

static bool decode_room_next(decode_room *room)
{
    size_t left = room->out->max - room->out->len;
    room->is_full = left == 0;
    room->at =
        room->is_full ? &room->beyond : kis_buf_reserve(room->out, KIS_MIN(left, STEP_BYTES));
    room->size = room->is_full ? 1 : KIS_MIN(left, STEP_BYTES);
    return room->at != NULL;
}

/* False: the decoder wrote past the bound. */
static bool decode_room_wrote(decode_room *room, size_t size)
{
    if (room->is_full)
        return size == 0;
    room->out->len += size;
    return true;
}

/* ---- gzip and deflate by zlib, step by step ---- */

static kis_err zlib_in_reset(kis_codecs *codecs, kis_coding coding)
{
    int bits = coding == KIS_CODING_GZIP ? MAX_WBITS + 16 : MAX_WBITS;
    int result = codecs->has_zlib_in ? inflateReset2(&codecs->zlib_in, bits)
                                     : inflateInit2(&codecs->zlib_in, bits);
    codecs->has_zlib_in |= result == Z_OK;
    return result == Z_OK ? KIS_OK : KIS_ERR_NOMEM;
}

static kis_err inflate_steps(kis_codecs *codecs, kis_coding coding, kis_bytes in, kis_buf *out,
                             kis_diag *diag)
{
    z_stream *z = &codecs->zlib_in;
    decode_room room = { .out = out };
    size_t used = 0;
    bool is_member_done = false;

    if (zlib_in_reset(codecs, coding))
        return coding_no_memory(diag, coding);
    while (used < in.len || !is_member_done) {
        if (is_member_done) { /* more bytes: another member, or junk */
            if (coding != KIS_CODING_GZIP)
                return coding_damaged(diag, coding, used, "junk behind the end");
            if (inflateReset(z) != Z_OK)
                return coding_no_memory(diag, coding);
            is_member_done = false;
        }
        if (!decode_room_next(&room))
            return out->err == KIS_ERR_LIMIT ? coding_too_large(diag, coding, out)
                                             : coding_no_memory(diag, coding);
        size_t step = KIS_MIN(in.len - used, (size_t)1 << 30);
        z->next_in = (Bytef *)(uintptr_t)(in.ptr + used);
        z->avail_in = (uInt)step;
        z->next_out = room.at;
        z->avail_out = (uInt)room.size;
        int result = inflate(z, Z_NO_FLUSH);
        size_t took = step - z->avail_in, made = room.size - z->avail_out;
        used += took;
        if (!decode_room_wrote(&room, made))
            return coding_too_large(diag, coding, out);
        if (result == Z_STREAM_END)
            is_member_done = true;
        else if (result == Z_MEM_ERROR)
            return coding_no_memory(diag, coding);
        else if (result != Z_OK && result != Z_BUF_ERROR)
            return coding_damaged(diag, coding, used, z->msg);
        else if (took == 0 && made == 0) /* wants bytes that are not there */
            return coding_ends_early(diag, coding, in);
    }
    return KIS_OK;
}

/* ---- gzip by libdeflate ---- */

static size_t gzip_promised_size(kis_bytes in, size_t room)
{
    const uint8_t *tail = in.ptr + in.len - 4;
    size_t isize =
        (size_t)tail[0] | (size_t)tail[1] << 8 | (size_t)tail[2] << 16 | (size_t)tail[3] << 24;
    size_t possible = in.len < SIZE_MAX / DEFLATE_RATIO_MAX ? in.len * DEFLATE_RATIO_MAX : SIZE_MAX;
    return KIS_MIN(KIS_MIN(isize, possible), room);
}

static kis_err gunzip(kis_codecs *codecs, kis_bytes in, kis_buf *out, kis_diag *diag)
{
    if (in.len < GZIP_BYTES_MIN)
        return inflate_steps(codecs, KIS_CODING_GZIP, in, out, diag);
    if (!codecs->deflate_in && !(codecs->deflate_in = libdeflate_alloc_decompressor()))
        return coding_no_memory(diag, KIS_CODING_GZIP);
    size_t promised = gzip_promised_size(in, out->max - out->len), took = 0, made = 0;
    uint8_t nothing;
    uint8_t *to = promised ? kis_buf_reserve(out, promised) : &nothing;
    if (!to)
        return coding_no_memory(diag, KIS_CODING_GZIP);
    enum libdeflate_result result = libdeflate_gzip_decompress_ex(
        codecs->deflate_in, in.ptr, in.len, to, promised, &took, &made);
    if (result == LIBDEFLATE_SUCCESS && took == in.len) {
        out->len += made;
        return KIS_OK;
    }
    return inflate_steps(codecs, KIS_CODING_GZIP, in, out, diag);
}

/* ---- zstd ---- */

static kis_err zstd_failed(kis_diag *diag, size_t code, size_t at, const kis_buf *out)
{
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return coding_no_memory(diag, KIS_CODING_ZSTD);
    case ZSTD_error_frameParameter_windowTooLarge:
        return kis_diag_set(diag, KIS_ERR_LIMIT, "zstd: a window of more than %u bytes",
                            1u << ZSTD_WINDOW_LOG_MAX);
    case ZSTD_error_dstSize_tooSmall:
        return coding_too_large(diag, KIS_CODING_ZSTD, out);
    default:
        return coding_damaged(diag, KIS_CODING_ZSTD, at, ZSTD_getErrorName(code));
    }
}

static kis_err unzstd_steps(kis_codecs *codecs, kis_bytes in, kis_buf *out, kis_diag *diag)
{
    ZSTD_inBuffer from = { in.ptr, in.len, 0 };
    decode_room room = { .out = out };
    size_t left = 1; /* 0 at the end of a frame */

    while (from.pos < from.size || left != 0) {
        if (!decode_room_next(&room))
            return out->err == KIS_ERR_LIMIT ? coding_too_large(diag, KIS_CODING_ZSTD, out)
                                             : coding_no_memory(diag, KIS_CODING_ZSTD);
        ZSTD_outBuffer to = { room.at, room.size, 0 };
        left = ZSTD_decompressStream(codecs->zstd_in, &to, &from);
        if (ZSTD_isError(left))
            return zstd_failed(diag, left, from.pos, out);
        if (!decode_room_wrote(&room, to.pos))
            return coding_too_large(diag, KIS_CODING_ZSTD, out);
        /* nothing left to flush: it wants bytes that are not there */
        if (left != 0 && from.pos == from.size && to.pos < to.size)
            return coding_ends_early(diag, KIS_CODING_ZSTD, in);
    }
    return KIS_OK;
}

static kis_err unzstd(kis_codecs *codecs, kis_bytes in, kis_buf *out, kis_diag *diag)
{
    if (!codecs->zstd_in) {
        if (!(codecs->zstd_in = ZSTD_createDCtx()))
            return coding_no_memory(diag, KIS_CODING_ZSTD);
        (void)ZSTD_DCtx_setParameter(codecs->zstd_in, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    }
    (void)ZSTD_DCtx_reset(codecs->zstd_in, ZSTD_reset_session_only);
    unsigned long long promised = ZSTD_getFrameContentSize(in.ptr, in.len);
    bool is_known = promised != ZSTD_CONTENTSIZE_UNKNOWN && promised != ZSTD_CONTENTSIZE_ERROR;
    if (is_known && promised > out->max - out->len)
        return coding_too_large(diag, KIS_CODING_ZSTD, out);
    if (!is_known || promised == 0 || promised / ZSTD_TRUSTED_RATIO > in.len ||
        ZSTD_findFrameCompressedSize(in.ptr, in.len) != in.len)
        return unzstd_steps(codecs, in, out, diag);
    uint8_t *to = kis_buf_reserve(out, (size_t)promised);
    if (!to)
        return coding_no_memory(diag, KIS_CODING_ZSTD);
    size_t made = ZSTD_decompressDCtx(codecs->zstd_in, to, (size_t)promised, in.ptr, in.len);
    if (ZSTD_isError(made))
        return zstd_failed(diag, made, in.len, out);
    out->len += made;
    return KIS_OK;
}

/* ---- both ways ---- */

kis_err kis_decompress(kis_codecs *codecs, kis_coding coding, kis_bytes in, kis_buf *out,
                       kis_diag *diag)
{
    if (out->err)
        return out->err;
    size_t before = out->len;
    kis_err err = KIS_OK;
    switch (coding) {
    case KIS_CODING_NONE:
        if (in.len > out->max - out->len)
            return kis_diag_set(diag, KIS_ERR_LIMIT, "more than %zu bytes", out->max);
        kis_buf_add_bytes(out, in);
        return out->err;
    case KIS_CODING_GZIP:
        err = gunzip(codecs, in, out, diag);
        break;
    case KIS_CODING_DEFLATE:
        err = inflate_steps(codecs, coding, in, out, diag);
        break;
    case KIS_CODING_ZSTD:
        err = unzstd(codecs, in, out, diag);
        break;
    }
    if (err)
        out->len = before; /* nobody reads half a message by mistake */
    return err;
}

static size_t gzip_pack(kis_codecs *codecs, kis_coding coding, int level, kis_bytes in,
                        kis_buf *out)
{
    if (codecs->deflate_out && codecs->deflate_out_level != level) {
        libdeflate_free_compressor(codecs->deflate_out);
        codecs->deflate_out = NULL;
    }
    if (!codecs->deflate_out && !(codecs->deflate_out = libdeflate_alloc_compressor(level)))
        return 0;
    codecs->deflate_out_level = level;
    bool is_gzip = coding == KIS_CODING_GZIP;
    size_t bound = is_gzip ? libdeflate_gzip_compress_bound(codecs->deflate_out, in.len)
                           : libdeflate_zlib_compress_bound(codecs->deflate_out, in.len);
    uint8_t *to = kis_buf_reserve(out, bound);
    if (!to)
        return 0;
    return is_gzip ? libdeflate_gzip_compress(codecs->deflate_out, in.ptr, in.len, to, bound)
                   : libdeflate_zlib_compress(codecs->deflate_out, in.ptr, in.len, to, bound);
}

static size_t zstd_pack(kis_codecs *codecs, int level, kis_bytes in, kis_buf *out)
{
    if (!codecs->zstd_out && !(codecs->zstd_out = ZSTD_createCCtx()))
        return 0;
    size_t bound = ZSTD_compressBound(in.len);
    uint8_t *to = kis_buf_reserve(out, bound);
    if (!to)
        return 0;
    size_t made = ZSTD_compressCCtx(codecs->zstd_out, to, bound, in.ptr, in.len, level);
    return ZSTD_isError(made) ? 0 : made;
}

kis_err kis_compress(kis_codecs *codecs, kis_coding coding, int level, kis_bytes in, kis_buf *out,
                     kis_diag *diag)
{
    size_t made = 0;
    if (out->err)
        return out->err;
    switch (coding) {
    case KIS_CODING_NONE:
        kis_buf_add_bytes(out, in);
        return out->err;
    case KIS_CODING_GZIP:
    case KIS_CODING_DEFLATE:
        made = gzip_pack(codecs, coding, level ? KIS_MIN(level, 12) : GZIP_LEVEL_DEFAULT, in, out);
        break;
    case KIS_CODING_ZSTD:
        made = zstd_pack(codecs, level ? level : ZSTD_LEVEL_DEFAULT, in, out);
        break;
    }
    if (made == 0 && out->err == KIS_ERR_LIMIT)
        return kis_diag_set(diag, KIS_ERR_LIMIT, KIS_FMT ": more than %zu bytes when compressed",
                            KIS_ARG(kis_coding_name(coding)), out->max);
    if (made == 0) /* every coding makes at least a header */
        return coding_no_memory(diag, coding);
    out->len += made;
    return KIS_OK;
}
