/* block.c - zstd of whole blocks, both ways in one call, contexts kept.
 *
 * zstd's own allocation is behind its contexts; they are made once a thread and reset before each
 * use, so that a block that failed leaves nothing for the next one.
 */
#include "compress/block.h"

#include <zstd.h>
#include <zstd_errors.h>

#define BLOCK_LEVEL_DEFAULT 1

struct kis_block_codec {
    const kis_alloc *alloc;
    ZSTD_CCtx *pack;   /* NULL until first used */
    ZSTD_DCtx *unpack; /* NULL until first used */
};

kis_block_codec *kis_block_codec_new(const kis_alloc *alloc)
{
    kis_block_codec *codec = alloc->take(alloc->user, sizeof(*codec));
    if (codec)
        *codec = (kis_block_codec){ .alloc = alloc };
    return codec;
}

void kis_block_codec_free(kis_block_codec *codec)
{
    if (!codec)
        return;
    ZSTD_freeCCtx(codec->pack);
    ZSTD_freeDCtx(codec->unpack);
    codec->alloc->give_back(codec->alloc->user, codec, sizeof(*codec));
}

size_t kis_block_bound(size_t size)
{
    return ZSTD_compressBound(size);
}

kis_err kis_block_compress(kis_block_codec *codec, int level, kis_bytes in, kis_buf *out)
{
    if (!codec->pack && !(codec->pack = ZSTD_createCCtx()))
        return KIS_ERR_NOMEM;
    size_t bound = ZSTD_compressBound(in.len);
    uint8_t *to = kis_buf_reserve(out, bound);
    if (!to)
        return out->err;
    size_t size = ZSTD_compressCCtx(codec->pack, to, bound, in.ptr, in.len,
                                    level ? level : BLOCK_LEVEL_DEFAULT);
    if (ZSTD_isError(size)) /* the room suffices, so it is zstd that has no memory */
        return KIS_ERR_NOMEM;
    out->len += size;
    return KIS_OK;
}

kis_err kis_block_decompress(kis_block_codec *codec, kis_bytes in, void *out, size_t exact_size)
{
    if (!codec->unpack && !(codec->unpack = ZSTD_createDCtx()))
        return KIS_ERR_NOMEM;
    if (ZSTD_getFrameContentSize(in.ptr, in.len) != exact_size ||
        ZSTD_findFrameCompressedSize(in.ptr, in.len) != in.len)
        return KIS_ERR_CORRUPT;
    uint8_t nothing; /* zstd wants a place even for an empty block */
    size_t size =
        ZSTD_decompressDCtx(codec->unpack, exact_size ? out : &nothing, exact_size, in.ptr, in.len);
    if (ZSTD_isError(size))
        return ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation ? KIS_ERR_NOMEM
                                                                       : KIS_ERR_CORRUPT;
    return size == exact_size ? KIS_OK : KIS_ERR_CORRUPT;
}
