/* compress_test.c - whole messages come back; cut, damaged, lying and exploding ones are told
 * apart. */
#include "compress/compress.h"

#include <zlib.h>
#include <zstd.h>

#include "tests/test.h"

static const kis_coding codings[] = { KIS_CODING_NONE, KIS_CODING_GZIP, KIS_CODING_ZSTD,
                                      KIS_CODING_DEFLATE };

static void fill_with_words(uint8_t *to, size_t size)
{
    uint32_t x = 99;
    for (size_t i = 0; i < size; i++) {
        x = x * 1103515245u + 12345u;
        to[i] = (uint8_t)("http.request.method GET 200 /x"[(x >> 16) % 30]);
    }
}

/* gzip by zlib, an unrelated encoder; appended at `to`. */
static size_t put_gzip(uint8_t *to, size_t room, const void *from, size_t size)
{
    z_stream z = { 0 };
    deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)(uintptr_t)from;
    z.avail_in = (uInt)size;
    z.next_out = to;
    z.avail_out = (uInt)room;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        fail_msg("room of the test is too small");
    deflateEnd(&z);
    return room - z.avail_out;
}

TEST(coding_names_are_read_as_http_writes_them)
{
    test_alloc_reset(-1);
    static const struct {
        const char *why;
        kis_str name;
        bool is_ours;
        kis_coding want;
    } rows[] = {
        { "nothing", KIS_STR_INIT(""), true, KIS_CODING_NONE },
        { "identity", KIS_STR_INIT("identity"), true, KIS_CODING_NONE },
        { "gzip in capitals", KIS_STR_INIT("GZip"), true, KIS_CODING_GZIP },
        { "the old name", KIS_STR_INIT("x-gzip"), true, KIS_CODING_GZIP },
        { "spaces around", KIS_STR_INIT(" zstd "), true, KIS_CODING_ZSTD },
        { "deflate", KIS_STR_INIT("deflate"), true, KIS_CODING_DEFLATE },
        { "two codings", KIS_STR_INIT("gzip, gzip"), false, KIS_CODING_NONE },
        { "unknown", KIS_STR_INIT("br"), false, KIS_CODING_NONE },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_coding got = KIS_CODING_NONE;
        CHECK_INT(rows[i].is_ours, kis_coding_parse(rows[i].name, &got), rows[i].why);
        CHECK_INT(rows[i].want, got, rows[i].why);
    }
    CHECK_STR("gzip", kis_coding_name(KIS_CODING_GZIP), "the name that is sent");
}

TEST(message_comes_back_as_it_was)
{
    test_alloc_reset(-1);
    static const size_t sizes[] = { 0, 1, 100, 65536, 65537, 3000000 };
    kis_codecs *codecs = kis_codecs_new(test_alloc);
    kis_diag diag;
    for (size_t c = 0; c < COUNT_OF(codings); c++) {
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            uint8_t *in = malloc(sizes[i] + 1);
            kis_buf packed, back;
            fill_with_words(in, sizes[i]);
            kis_buf_init(&packed, test_alloc, 1u << 24);
            kis_buf_init(&back, test_alloc, sizes[i] + 3); /* the bound is exact */
            kis_buf_add(&back, "abc", 3);
            CHECK_ERR(KIS_OK,
                      kis_compress(codecs, codings[c], (int)i, kis_bytes_of(in, sizes[i]), &packed,
                                   &diag),
                      "compresses");
            CHECK_ERR(KIS_OK,
                      kis_decompress(codecs, codings[c], kis_buf_bytes(&packed), &back, &diag),
                      diag.text);
            CHECK_BYTES(in, sizes[i], kis_bytes_of(back.ptr + 3, back.len - 3), "round trip");
            kis_buf_done(&packed);
            kis_buf_done(&back);
            free(in);
        }
    }
    kis_codecs_free(codecs);
}

TEST(every_cut_is_more_and_leaves_nothing)
{
    test_alloc_reset(-1);
    uint8_t in[3000];
    kis_codecs *codecs = kis_codecs_new(test_alloc);
    kis_diag diag;
    fill_with_words(in, sizeof(in));
    for (size_t c = 1; c < COUNT_OF(codings); c++) {
        kis_buf packed, back;
        kis_buf_init(&packed, test_alloc, 1u << 20);
        kis_buf_init(&back, test_alloc, 1u << 20);
        CHECK_ERR(KIS_OK,
                  kis_compress(codecs, codings[c], 0, kis_bytes_of(in, sizeof(in)), &packed, &diag),
                  "compresses");
        for (size_t len = 0; len < packed.len; len++) {
            CHECK_ERR(
                KIS_ERR_MORE,
                kis_decompress(codecs, codings[c], kis_bytes_of(packed.ptr, len), &back, &diag),
                diag.text);
            CHECK_INT(0, back.len, "half a message is not left behind");
            kis_buf_clear(&back);
        }
        kis_buf_add(&packed, "junk", 4);
        CHECK_ERR(KIS_ERR_SYNTAX,
                  kis_decompress(codecs, codings[c], kis_buf_bytes(&packed), &back, &diag),
                  "junk behind the end");
        kis_buf_done(&packed);
        kis_buf_done(&back);
    }
    kis_codecs_free(codecs);
}

TEST(gzip_members_sums_and_promises)
{
    test_alloc_reset(-1);
    uint8_t in[9000], packed[30000];
    kis_codecs *codecs = kis_codecs_new(test_alloc);
    kis_diag diag;
    fill_with_words(in, sizeof(in));
    size_t first = put_gzip(packed, sizeof(packed), in, 5000);
    size_t second = put_gzip(packed + first, sizeof(packed) - first, in + 5000, 4000);
    size_t all = first + second;
    static const struct {
        const char *why;
        size_t flip_from_end;
        uint8_t with;
        kis_err want;
    } rows[] = {
        { "two members are one message", 0, 0, KIS_OK },
        { "wrong CRC", 8, 0xff, KIS_ERR_SYNTAX },
        { "ISIZE too small", 4, 0xff, KIS_ERR_SYNTAX },
        { "ISIZE of 3 GiB", 1, 0xc0, KIS_ERR_SYNTAX },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_buf back;
        kis_buf_init(&back, test_alloc, sizeof(in));
        packed[all - rows[i].flip_from_end] ^= rows[i].with;
        CHECK_ERR(rows[i].want,
                  kis_decompress(codecs, KIS_CODING_GZIP, kis_bytes_of(packed, all), &back, &diag),
                  rows[i].why);
        packed[all - rows[i].flip_from_end] ^= rows[i].with;
        if (rows[i].want == KIS_OK)
            CHECK_BYTES(in, sizeof(in), kis_buf_bytes(&back), rows[i].why);
        kis_buf_done(&back);
    }
    /* the first member's damage, too */
    kis_buf back;
    kis_buf_init(&back, test_alloc, sizeof(in));
    packed[first - 6] ^= 1;
    CHECK_ERR(KIS_ERR_SYNTAX,
              kis_decompress(codecs, KIS_CODING_GZIP, kis_bytes_of(packed, all), &back, &diag),
              "CRC of the first member");
    packed[first - 6] ^= 1;
    kis_buf_done(&back);
    kis_buf_init(&back, test_alloc, sizeof(in) - 1);
    CHECK_ERR(KIS_ERR_LIMIT,
              kis_decompress(codecs, KIS_CODING_GZIP, kis_bytes_of(packed, all), &back, &diag),
              "one byte more than the bound");
    kis_buf_done(&back);
    kis_codecs_free(codecs);
}

static size_t largest_take;
static void *take_and_note(void *user, size_t size)
{
    (void)user;
    largest_take = size > largest_take ? size : largest_take;
    return malloc(size);
}
static void give_back_noted(void *user, void *ptr, size_t size)
{
    (void)user;
    (void)size;
    free(ptr);
}

TEST(bombs_stop_at_the_bound)
{
    test_alloc_reset(-1);
    static const kis_alloc noting = { take_and_note, give_back_noted, NULL };
    size_t raw = 80u << 20, bound = 1u << 20;
    uint8_t *zeros = calloc(1, raw);
    kis_codecs *codecs = kis_codecs_new(test_alloc);
    kis_diag diag;
    for (size_t c = 1; c < COUNT_OF(codings); c++) {
        kis_buf packed, back;
        kis_buf_init(&packed, test_alloc, 1u << 28);
        CHECK_ERR(KIS_OK,
                  kis_compress(codecs, codings[c], 0, kis_bytes_of(zeros, raw), &packed, &diag),
                  "compresses");
        largest_take = 0;
        kis_buf_init(&back, &noting, bound);
        CHECK_ERR(KIS_ERR_LIMIT,
                  kis_decompress(codecs, codings[c], kis_buf_bytes(&packed), &back, &diag),
                  "80 MiB against 1 MiB");
        CHECK(largest_take <= bound, "never more memory than the bound");
        kis_buf_done(&back);
        kis_buf_done(&packed);
    }
    free(zeros);
    /* gzip that promises 4 GiB in 30 bytes takes no more than 30 bytes can become */
    uint8_t small[64];
    size_t len = put_gzip(small, sizeof(small), "hello", 5);
    memset(small + len - 4, 0xff, 4);
    kis_buf back;
    largest_take = 0;
    kis_buf_init(&back, &noting, 1u << 30);
    CHECK_ERR(KIS_ERR_SYNTAX,
              kis_decompress(codecs, KIS_CODING_GZIP, kis_bytes_of(small, len), &back, &diag),
              "the size lies");
    CHECK(largest_take <= 128u << 10, "a promise costs no memory");
    kis_buf_done(&back);
    kis_codecs_free(codecs);
}

TEST(zstd_without_a_size_and_with_a_huge_window)
{
    test_alloc_reset(-1);
    uint8_t in[200000], packed[300000];
    kis_codecs *codecs = kis_codecs_new(test_alloc);
    kis_diag diag;
    kis_buf back;
    fill_with_words(in, sizeof(in));
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0);
    size_t len = ZSTD_compress2(z, packed, sizeof(packed), in, sizeof(in));
    kis_buf_init(&back, test_alloc, 1u << 20);
    CHECK_ERR(KIS_OK,
              kis_decompress(codecs, KIS_CODING_ZSTD, kis_bytes_of(packed, len), &back, &diag),
              "no content size");
    CHECK_BYTES(in, sizeof(in), kis_buf_bytes(&back), "no content size");
    kis_buf_clear(&back);
    size_t more = ZSTD_compress2(z, packed + len, sizeof(packed) - len, in, 1000);
    CHECK_ERR(
        KIS_OK,
        kis_decompress(codecs, KIS_CODING_ZSTD, kis_bytes_of(packed, len + more), &back, &diag),
        "two frames");
    CHECK_INT(sizeof(in) + 1000, back.len, "two frames");
    kis_buf_clear(&back);
    ZSTD_freeCCtx(z);

    z = ZSTD_createCCtx(); /* streamed, so that the frame keeps its window */
    ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, 27);
    ZSTD_inBuffer from = { in, 1000, 0 };
    ZSTD_outBuffer to = { packed, sizeof(packed), 0 };
    ZSTD_compressStream2(z, &to, &from, ZSTD_e_flush);
    ZSTD_compressStream2(z, &to, &from, ZSTD_e_end);
    CHECK_ERR(KIS_ERR_LIMIT,
              kis_decompress(codecs, KIS_CODING_ZSTD, kis_bytes_of(packed, to.pos), &back, &diag),
              "a window of 128 MiB");
    ZSTD_freeCCtx(z);
    kis_buf_done(&back);
    kis_codecs_free(codecs);
}

TEST(damage_leaves_the_codecs_as_good_as_new)
{
    test_alloc_reset(-1);
    uint8_t in[4000];
    kis_codecs *codecs = kis_codecs_new(test_alloc);
    kis_diag diag;
    fill_with_words(in, sizeof(in));
    for (size_t c = 1; c < COUNT_OF(codings); c++) {
        kis_buf packed, back;
        kis_buf_init(&packed, test_alloc, 1u << 20);
        kis_buf_init(&back, test_alloc, 1u << 20);
        CHECK_ERR(KIS_OK,
                  kis_compress(codecs, codings[c], 0, kis_bytes_of(in, sizeof(in)), &packed, &diag),
                  "compresses");
        for (size_t i = 0; i < packed.len; i += 3) {
            packed.ptr[i] ^= 0x55;
            if (kis_decompress(codecs, codings[c], kis_buf_bytes(&packed), &back, &diag) ==
                    KIS_OK &&
                codings[c] != KIS_CODING_ZSTD && i > 9)
                CHECK_BYTES(in, sizeof(in), kis_buf_bytes(&back),
                            "what passes the checksum is the message");
            packed.ptr[i] ^= 0x55;
            kis_buf_clear(&back);
            CHECK_ERR(KIS_OK,
                      kis_decompress(codecs, codings[c], kis_buf_bytes(&packed), &back, &diag),
                      "good again");
            kis_buf_clear(&back);
        }
        kis_buf_done(&packed);
        kis_buf_done(&back);
    }
    kis_codecs_free(codecs);
}

TEST(no_memory_at_each_place_is_said_and_leaks_nothing)
{
    test_alloc_reset(-1);
    uint8_t in[200000];
    fill_with_words(in, sizeof(in));
    for (size_t c = 0; c < COUNT_OF(codings); c++) {
        for (long n = 0;; n++) {
            kis_diag diag;
            kis_buf packed, back;
            test_alloc_reset(n);
            kis_codecs *codecs = kis_codecs_new(test_alloc);
            kis_buf_init(&packed, test_alloc, 1u << 24);
            kis_buf_init(&back, test_alloc, 1u << 24);
            if (codecs) {
                kis_err err = kis_compress(codecs, codings[c], 0, kis_bytes_of(in, sizeof(in)),
                                           &packed, &diag);
                if (err == KIS_OK)
                    err = kis_decompress(codecs, codings[c], kis_buf_bytes(&packed), &back, &diag);
                CHECK_ERR(test_alloc_failed() ? KIS_ERR_NOMEM : KIS_OK, err, "says so");
            }
            kis_buf_done(&packed);
            kis_buf_done(&back);
            kis_codecs_free(codecs);
            CHECK_INT(0, test_alloc_live(), "no leak");
            if (!test_alloc_failed())
                break;
        }
    }
    test_alloc_reset(-1);
}

TEST_MAIN(RUN(coding_names_are_read_as_http_writes_them), RUN(message_comes_back_as_it_was),
          RUN(every_cut_is_more_and_leaves_nothing), RUN(gzip_members_sums_and_promises),
          RUN(bombs_stop_at_the_bound), RUN(zstd_without_a_size_and_with_a_huge_window),
          RUN(damage_leaves_the_codecs_as_good_as_new),
          RUN(no_memory_at_each_place_is_said_and_leaks_nothing))
