/* block.h - zstd of one block at a time, for the columns of a store: the size of the result is
 * known beforehand, because the file says it. No I/O.
 *
 * A codec is the pair of contexts of one thread: one owner at a time. A block is one zstd frame
 * with a content size, no dictionary, no checksum (records in files carry their own).
 */
#ifndef KIS_COMPRESS_BLOCK_H
#define KIS_COMPRESS_BLOCK_H

#include "base/buf.h"

typedef struct kis_block_codec kis_block_codec;

/* NULL: no memory. Contexts themselves are made at first use */
kis_block_codec *kis_block_codec_new(const kis_alloc *alloc);
void kis_block_codec_free(kis_block_codec *codec);

/** The most bytes that `size` bytes can become. */
size_t kis_block_bound(size_t size);
/** Appends the block to `out`. level 0: 1, the fast one. LIMIT: out's max; NOMEM. */
kis_err kis_block_compress(kis_block_codec *codec, int level, kis_bytes in,
                           kis_buf *out) KIS_CHECKED;
/** Writes exactly `exact_size` bytes. CORRUPT: not such a block, damaged, or of another size; what
 * `out` holds is then undefined. NOMEM. */
kis_err kis_block_decompress(kis_block_codec *codec, kis_bytes in, void *out,
                             size_t exact_size) KIS_CHECKED;

#endif
