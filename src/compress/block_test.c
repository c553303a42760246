/* block_test.c - blocks come back as they were, and damage is never taken for data. */
#include "compress/block.h"

#include "tests/test.h"

static void fill_with_text(uint8_t *to, size_t size)
{
    uint32_t x = 7;
    for (size_t i = 0; i < size; i++) {
        x = x * 1103515245u + 12345u;
        to[i] = (uint8_t)("service.name GET /orders {id} "[(x >> 16) % 30]);
    }
}

TEST(block_comes_back_as_it_was)
{
    test_alloc_reset(-1);
    static const size_t sizes[] = { 0, 1, 15, 4096, 65536, 1000001 };
    kis_block_codec *codec = kis_block_codec_new(test_alloc);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        uint8_t *in = malloc(sizes[i] + 1), *back = malloc(sizes[i] + 1);
        kis_buf out;
        kis_buf_init(&out, test_alloc, 1u << 24);
        kis_buf_add(&out, "head", 4);
        fill_with_text(in, sizes[i]);
        CHECK_ERR(KIS_OK,
                  kis_block_compress(codec, i % 2 ? 3 : 0, kis_bytes_of(in, sizes[i]), &out),
                  "compresses");
        CHECK(out.len - 4 <= kis_block_bound(sizes[i]), "within the bound");
        CHECK_ERR(
            KIS_OK,
            kis_block_decompress(codec, kis_bytes_of(out.ptr + 4, out.len - 4), back, sizes[i]),
            "decompresses");
        CHECK_BYTES(in, sizes[i], kis_bytes_of(back, sizes[i]), "round trip");
        kis_buf_done(&out);
        free(in);
        free(back);
    }
    kis_block_codec_free(codec);
    kis_block_codec_free(NULL);
}

TEST(block_refuses_damage_and_other_sizes)
{
    test_alloc_reset(-1);
    uint8_t in[5000], back[6000];
    kis_buf out;
    kis_block_codec *codec = kis_block_codec_new(test_alloc);
    kis_buf_init(&out, test_alloc, 1u << 20);
    fill_with_text(in, sizeof(in));
    CHECK_ERR(KIS_OK, kis_block_compress(codec, 0, kis_bytes_of(in, sizeof(in)), &out),
              "compresses");
    for (size_t len = 0; len < out.len; len += 7)
        CHECK_ERR(KIS_ERR_CORRUPT,
                  kis_block_decompress(codec, kis_bytes_of(out.ptr, len), back, sizeof(in)),
                  "cut short");
    CHECK_ERR(KIS_ERR_CORRUPT,
              kis_block_decompress(codec, kis_buf_bytes(&out), back, sizeof(in) - 1),
              "one byte less is wanted");
    CHECK_ERR(KIS_ERR_CORRUPT,
              kis_block_decompress(codec, kis_buf_bytes(&out), back, sizeof(in) + 1),
              "one byte more is wanted");
    out.ptr[out.len / 2] ^= 0x40;
    /* no checksum: it may pass, but never with another size */
    kis_err err = kis_block_decompress(codec, kis_buf_bytes(&out), back, sizeof(in));
    CHECK(err == KIS_OK || err == KIS_ERR_CORRUPT, "a flipped bit");
    out.ptr[out.len / 2] ^= 0x40;
    CHECK_ERR(KIS_OK, kis_block_decompress(codec, kis_buf_bytes(&out), back, sizeof(in)),
              "the codec is as good as new after damage");
    kis_buf_add_byte(&out, 0);
    CHECK_ERR(KIS_ERR_CORRUPT, kis_block_decompress(codec, kis_buf_bytes(&out), back, sizeof(in)),
              "junk behind");
    kis_buf_done(&out);
    kis_block_codec_free(codec);
}

TEST(block_without_room_says_so)
{
    test_alloc_reset(-1);
    uint8_t in[5000];
    kis_buf out;
    kis_block_codec *codec = kis_block_codec_new(test_alloc);
    fill_with_text(in, sizeof(in));
    kis_buf_init(&out, test_alloc, 100);
    CHECK_ERR(KIS_ERR_LIMIT, kis_block_compress(codec, 0, kis_bytes_of(in, sizeof(in)), &out),
              "the buffer's bound");
    kis_buf_done(&out);
    kis_block_codec_free(codec);
    test_alloc_reset(0);
    CHECK(kis_block_codec_new(test_alloc) == NULL, "no memory, no codec");
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST_MAIN(RUN(block_comes_back_as_it_was), RUN(block_refuses_damage_and_other_sizes),
          RUN(block_without_room_says_so))
