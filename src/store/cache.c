/* cache.c - decoded blocks, least recently used ones going first. */
#include "store/cache.h"

#include "base/diag.h"

void kis_block_cache_init(kis_block_cache *c, const kis_alloc *alloc, uint64_t max_bytes)
{
    *c = (kis_block_cache){ .alloc = alloc, .max_bytes = max_bytes };
    kis_lock_init(&c->lock, KIS_RANK_STORE_HEAD);
}

static uint64_t content_bytes(const kis_seg_block *block)
{
    return block->arena.held_bytes + sizeof *block;
}

static kis_seg_block *take_out(kis_block_cache *c, kis_cached_block *at)
{
    kis_seg_block *content = at->content;
    c->bytes -= content_bytes(content);
    *at = (kis_cached_block){ 0 };
    return content;
}

void kis_block_cache_clear(kis_block_cache *c)
{
    for (uint32_t i = 0; i < KIS_CACHE_BLOCKS_MAX; i++) {
        kis_lock_take(&c->lock);
        kis_seg_block *old = c->blocks[i].content ? take_out(c, &c->blocks[i]) : NULL;
        kis_lock_give(&c->lock);
        kis_seg_block_unref(old);
    }
}

void kis_block_cache_done(kis_block_cache *c)
{
    if (!c->alloc)
        return;
    kis_block_cache_clear(c);
    for (uint32_t i = 0; i < c->codec_count; i++)
        kis_block_codec_free(c->codecs[i]);
    kis_lock_done(&c->lock);
    *c = (kis_block_cache){ 0 };
}

kis_block_codec *kis_block_cache_take_codec(kis_block_cache *c)
{
    kis_lock_take(&c->lock);
    kis_block_codec *codec = c->codec_count ? c->codecs[--c->codec_count] : NULL;
    kis_lock_give(&c->lock);
    return codec ? codec : kis_block_codec_new(c->alloc);
}

void kis_block_cache_give_codec(kis_block_cache *c, kis_block_codec *codec)
{
    kis_lock_take(&c->lock);
    bool is_kept = c->codec_count < KIS_CACHE_CODECS_MAX;
    if (is_kept)
        c->codecs[c->codec_count++] = codec;
    kis_lock_give(&c->lock);
    if (!is_kept)
        kis_block_codec_free(codec);
}

static kis_cached_block *find_cached(kis_block_cache *c, const kis_segment *segment, uint32_t block)
{
    for (uint32_t i = 0; i < KIS_CACHE_BLOCKS_MAX; i++) {
        kis_cached_block *at = &c->blocks[i];
        if (at->content && at->generation == segment->info.generation &&
            at->part == segment->info.part && at->block == block)
            return at;
    }
    return NULL;
}

/* The place to use next: an empty one, or the one that was not used for the longest time. */
static kis_cached_block *oldest_place(kis_block_cache *c)
{
    kis_cached_block *oldest = &c->blocks[0];
    for (uint32_t i = 1; i < KIS_CACHE_BLOCKS_MAX && oldest->content; i++)
        if (!c->blocks[i].content || c->blocks[i].used < oldest->used)
            oldest = &c->blocks[i];
    return oldest;
}

static kis_cached_block *oldest_filled(kis_block_cache *c)
{
    kis_cached_block *oldest = NULL;
    for (uint32_t i = 0; i < KIS_CACHE_BLOCKS_MAX; i++)
        if (c->blocks[i].content && (!oldest || c->blocks[i].used < oldest->used))
            oldest = &c->blocks[i];
    return oldest;
}

static void keep(kis_block_cache *c, const kis_segment *segment, uint32_t block,
                 kis_seg_block *content)
{
    kis_seg_block *gone[KIS_CACHE_BLOCKS_MAX];
    uint32_t gone_count = 0;
    uint64_t bytes = content_bytes(content);

    if (bytes > c->max_bytes / 2)
        return;
    kis_lock_take(&c->lock);
    kis_cached_block *at = find_cached(c, segment, block);
    if (!at)
        at = oldest_place(c);
    if (at->content)
        gone[gone_count++] = take_out(c, at);
    while (c->bytes + bytes > c->max_bytes && c->bytes && gone_count < KIS_CACHE_BLOCKS_MAX)
        gone[gone_count++] = take_out(c, oldest_filled(c));
    *at = (kis_cached_block){ segment->info.generation, segment->info.part, block, ++c->tick,
                              kis_seg_block_ref(content) };
    c->bytes += bytes;
    kis_lock_give(&c->lock);
    for (uint32_t i = 0; i < gone_count; i++)
        kis_seg_block_unref(gone[i]);
}

static kis_err read_block(kis_block_cache *c, kis_segment *segment, const kis_seg_block_info *info,
                          uint32_t needs, kis_seg_block **out, kis_diag *diag)
{
    size_t size = needs & (KIS_NEED_ATTRS | KIS_NEED_REST) ? info->size
                  : needs & KIS_NEED_IDS                   ? info->ids_size
                                                           : info->core_size;
    uint8_t *bytes = c->alloc->take(c->alloc->user, size);
    kis_block_codec *codec = bytes ? kis_block_cache_take_codec(c) : NULL;

    if (!codec) {
        c->alloc->give_back(c->alloc->user, bytes, size);
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to read a block");
    }
    kis_err err = kis_segment_read_range(segment, info->offset, bytes, size, diag);
    if (!err)
        err = kis_seg_block_decode(kis_bytes_of(bytes, size), needs, c->alloc, codec, out, diag);
    if (!err && (*out)->rows != info->rows) {
        kis_seg_block_unref(*out);
        err = kis_diag_set(diag, KIS_ERR_CORRUPT,
                           "a block is damaged: it has other rows than the index says");
    }
    kis_block_cache_give_codec(c, codec);
    c->alloc->give_back(c->alloc->user, bytes, size);
    return err ? kis_diag_in(diag, err, "segment file 'seg-%016llx-%04x.kseg' at %llu",
                             (unsigned long long)segment->info.generation,
                             (unsigned)segment->info.part, (unsigned long long)info->offset)
               : KIS_OK;
}

kis_err kis_block_cache_get(kis_block_cache *c, kis_segment *segment,
                            const kis_seg_block_info *info, uint32_t block, uint32_t needs,
                            kis_seg_block **out, kis_diag *diag)
{
    kis_lock_take(&c->lock);
    kis_cached_block *at = find_cached(c, segment, block);
    kis_seg_block *content =
        at && (at->content->needs & needs) == needs ? kis_seg_block_ref(at->content) : NULL;
    uint32_t had = at && !content ? at->content->needs : 0;
    if (content)
        at->used = ++c->tick;
    kis_lock_give(&c->lock);
    atomic_fetch_add_explicit(content ? &c->hits : &c->misses, 1, memory_order_relaxed);
    if (content) {
        *out = content;
        return KIS_OK;
    }
    kis_err err = read_block(c, segment, info, needs | had, out, diag);
    if (!err)
        keep(c, segment, block, *out);
    return err;
}
