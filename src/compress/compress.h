/* compress.h - gzip and zstd of whole messages, with a bound on what comes out. No I/O.
 *
 * Contexts are reused per thread through kis_codecs: one owner at a time, reset and checked before
 * each use.
 */
#ifndef KIS_COMPRESS_COMPRESS_H
#define KIS_COMPRESS_COMPRESS_H

#include "base/buf.h"

typedef enum kis_coding {
    KIS_CODING_NONE,
    KIS_CODING_GZIP,
    KIS_CODING_ZSTD,
    KIS_CODING_DEFLATE
} kis_coding;

typedef struct kis_codecs kis_codecs; /* the contexts of one thread */
/* NULL: no memory. Contexts themselves are made at first use */
kis_codecs *kis_codecs_new(const kis_alloc *alloc);
void kis_codecs_free(kis_codecs *codecs);

/** Content-Encoding's words: identity (or nothing), gzip, x-gzip, zstd, deflate. False: not ours.
 * Case-insensitive. */
bool kis_coding_parse(kis_str name, kis_coding *out);
kis_str kis_coding_name(kis_coding coding);

/**
 * Appends what `in` holds to `out`, whose max bounds it: LIMIT is reached while inflating, before
 * the memory is taken. gzip: every member of the file; CRC and size are checked. Junk behind the
 * last member is SYNTAX. MORE: ends in the middle. SYNTAX: not this coding, or a checksum is wrong.
 * LIMIT, NOMEM.
 */
kis_err kis_decompress(kis_codecs *codecs, kis_coding coding, kis_bytes in, kis_buf *out,
                       kis_diag *diag) KIS_CHECKED;
/** level 0: the fast default of the coding. */
kis_err kis_compress(kis_codecs *codecs, kis_coding coding, int level, kis_bytes in, kis_buf *out,
                     kis_diag *diag) KIS_CHECKED;

#endif
