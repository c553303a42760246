/* cache.h - the blocks that were decoded last, and the contexts to decode with. Bounded in bytes.
 * Any thread.
 *
 * A search that finds twenty traces in one block and then asks for each of
 * them decodes that block once.
 */
#ifndef KIS_STORE_CACHE_H
#define KIS_STORE_CACHE_H

#include "os/thread.h"
#include "store/segment.h"

#define KIS_CACHE_BLOCKS_MAX 64u
#define KIS_CACHE_CODECS_MAX 8u

typedef struct kis_cached_block {
    uint64_t generation;
    uint32_t part, block;
    uint64_t used; /* the tick of its last use */
    kis_seg_block *content;
} kis_cached_block;

typedef struct kis_block_cache {
    kis_lock lock;
    const kis_alloc *alloc;
    uint64_t bytes, max_bytes, tick;
    kis_cached_block blocks[KIS_CACHE_BLOCKS_MAX];
    kis_block_codec *codecs[KIS_CACHE_CODECS_MAX]; /* idle ones */
    uint32_t codec_count;
    _Atomic uint64_t hits, misses;
} kis_block_cache;

void kis_block_cache_init(kis_block_cache *cache, const kis_alloc *alloc, uint64_t max_bytes);
void kis_block_cache_done(kis_block_cache *cache);
void kis_block_cache_clear(kis_block_cache *cache);

/** One decoded block, with a reference for the caller, from the cache or from the file.
 * CORRUPT, IO, NOMEM, NOT_FOUND. */
kis_err kis_block_cache_get(kis_block_cache *cache, kis_segment *segment,
                            const kis_seg_block_info *info, uint32_t block, uint32_t needs,
                            kis_seg_block **out, kis_diag *diag) KIS_CHECKED;

kis_block_codec *kis_block_cache_take_codec(kis_block_cache *cache); /* NULL: no memory */
void kis_block_cache_give_codec(kis_block_cache *cache, kis_block_codec *codec);

#endif
