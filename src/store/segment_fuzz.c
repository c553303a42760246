/* Blocks, footers and pinned data with any bytes. The checksums are made right first,
 * else nothing would get past them. */
#include "base/crc.h"
#include "os/mem.h"
#include "store/segment.h"

static void mend_block(uint8_t *bytes, size_t size)
{
    uint64_t at = KIS_SEG_BLOCK_HEADER_BYTES;
    memcpy(bytes, "KSB1", 4);
    for (unsigned i = 0; i < KIS_SEG_COLUMNS; i++) {
        uint32_t stored, crc = 0;
        memcpy(&stored, bytes + 16 + 12 * i, 4);
        if (at + stored <= size)
            crc = kis_crc32c(0, kis_bytes_of(bytes + at, stored));
        memcpy(bytes + 24 + 12 * i, &crc, 4);
        at += stored;
    }
    uint32_t crc = kis_crc32c(0, kis_bytes_of(bytes, KIS_SEG_BLOCK_HEADER_BYTES - 4));
    memcpy(bytes + KIS_SEG_BLOCK_HEADER_BYTES - 4, &crc, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kis_seg_footer footer;
    kis_seg_lead lead;
    kis_seg_block_measure measure;
    kis_seg_info info;
    kis_seg_index index;
    kis_seg_block *block;
    kis_diag diag;
    uint8_t *copy = kis_mem.take(kis_mem.user, size + 1);

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    if (size >= KIS_SEG_FOOTER_BYTES)
        (void)!kis_seg_footer_decode(copy, &footer, &diag);
    if (size >= KIS_SEG_LEAD_BYTES) {
        memcpy(copy, "KISLEAD\n", 8);
        uint32_t crc = kis_crc32c(0, kis_bytes_of(copy, KIS_SEG_LEAD_BYTES - 4));
        memcpy(copy + KIS_SEG_LEAD_BYTES - 4, &crc, 4);
        (void)!kis_seg_lead_decode(copy, &lead, &diag);
        memcpy(copy, data, size);
    }
    (void)!kis_seg_pinned_decode(kis_bytes_of(copy, size), (uint64_t)1 << 30, &info, &index, &diag);
    if (size >= KIS_SEG_BLOCK_HEADER_BYTES) {
        kis_block_codec *codec = kis_block_codec_new(&kis_mem);
        mend_block(copy, size);
        (void)!kis_seg_block_measure_header(copy, &measure);
        if (codec && kis_seg_block_decode(kis_bytes_of(copy, size), KIS_NEED_ALL, &kis_mem, codec,
                                          &block, &diag) == KIS_OK) {
            kis_span_view span;
            for (uint32_t row = 0; row < block->rows; row++)
                (void)!kis_seg_block_row(block, row, &span);
            kis_seg_block_unref(block);
        }
        kis_block_codec_free(codec);
    }
    kis_mem.give_back(kis_mem.user, copy, size + 1);
    return 0;
}
