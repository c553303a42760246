/* protobuf fields: what is read, what is refused, what is written. */
#include "model/pb.h"

#include <string.h>

#include "model/limits.h"
#include "tests/test.h"

TEST(pb_reads_fields_of_every_wire_type)
{
    static const char bytes[] = "\x08\x96\x01"
                                "\x11"
                                "12345678"
                                "\x1a\x03"
                                "abc"
                                "\x25"
                                "1234"
                                "\x2b\x08\x01\x33\x34\x2c"
                                "\xf8\xff\xff\xff\x0f\x01";
    static const struct {
        uint32_t tag;
        uint64_t number;
        const char *bytes;
        size_t len;
    } rows[] = {
        { KIS_PB_TAG(1, KIS_PB_VARINT), 150, "", 0 },
        { KIS_PB_TAG(2, KIS_PB_FIX64), 0x3837363534333231u, "", 0 },
        { KIS_PB_TAG(3, KIS_PB_BYTES), 3, "abc", 3 },
        { KIS_PB_TAG(4, KIS_PB_FIX32), 0x34333231u, "", 0 },
        { KIS_PB_TAG(5, KIS_PB_GROUP), 0, "\x08\x01\x33\x34", 4 },
        { KIS_PB_TAG(536870911, KIS_PB_VARINT), 1, "", 0 },
    };
    kis_cursor c = kis_cursor_of(kis_bytes_of(bytes, sizeof bytes - 1));
    kis_pb_field field;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_ERR(KIS_OK, kis_pb_next(&c, &field), "a field");
        CHECK_INT(rows[i].tag, field.tag, "tag");
        CHECK(rows[i].number == field.number, "number");
        CHECK_BYTES(rows[i].bytes, rows[i].len, field.bytes, "bytes");
    }
    CHECK_ERR(KIS_ERR_NOT_FOUND, kis_pb_next(&c, &field), "the end");
}

TEST(pb_refuses_what_is_no_field_and_stays_there)
{
    static const struct {
        const char *why, *bytes;
        size_t len;
        kis_err want;
    } rows[] = {
        { "field 0", "\x00\x01", 2, KIS_ERR_SYNTAX },
        { "wire type 6", "\x0e", 1, KIS_ERR_SYNTAX },
        { "wire type 7", "\x0f", 1, KIS_ERR_SYNTAX },
        { "a tag without end", "\xff", 1, KIS_ERR_SYNTAX },
        { "a tag of 33 bits", "\x88\x80\x80\x80\x10\x00", 6, KIS_ERR_SYNTAX },
        { "a varint without end", "\x08\xff", 2, KIS_ERR_SYNTAX },
        { "a varint of 11 bytes", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12,
          KIS_ERR_SYNTAX },
        { "half a fixed64",
          "\x09"
          "1234",
          5, KIS_ERR_MORE },
        { "half a fixed32",
          "\x0d"
          "12",
          3, KIS_ERR_MORE },
        { "a length too long",
          "\x0a\x05"
          "abcd",
          6, KIS_ERR_MORE },
        { "a length of 2^64 - 1", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11,
          KIS_ERR_MORE },
        { "a stray end group", "\x0c", 1, KIS_ERR_SYNTAX },
        { "a group without end", "\x0b\x08\x01", 3, KIS_ERR_SYNTAX },
        { "a group that ends as another", "\x0b\x14", 2, KIS_ERR_SYNTAX },
        { "rubbish in a group", "\x0b\x0a\x09\x0c", 4, KIS_ERR_MORE },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *copy = malloc(rows[i].len); /* of just that size */
        memcpy(copy, rows[i].bytes, rows[i].len);
        kis_cursor c = { copy, copy + rows[i].len };
        kis_pb_field field = { .tag = 77 };
        CHECK_ERR(rows[i].want, kis_pb_next(&c, &field), rows[i].why);
        CHECK(c.at == copy && field.tag == 77, "nothing is moved or written");
        free(copy);
    }
}

TEST(pb_groups_are_bounded)
{
    uint8_t bytes[2 * (KIS_PB_GROUP_DEPTH_MAX + 1)];
    for (size_t depth = KIS_PB_GROUP_DEPTH_MAX; depth <= KIS_PB_GROUP_DEPTH_MAX + 1; depth++) {
        memset(bytes, 0x0b, depth);
        memset(bytes + depth, 0x0c, depth);
        kis_cursor c = { bytes, bytes + 2 * depth };
        kis_pb_field field;
        CHECK_ERR(depth > KIS_PB_GROUP_DEPTH_MAX ? KIS_ERR_SYNTAX : KIS_OK, kis_pb_next(&c, &field),
                  "as deep as may be, and deeper");
    }
}

TEST(pb_written_fields_read_back)
{
    static const size_t sizes[] = { 0, 1, 127, 128, 16383, 16384, 100000 };
    static uint8_t filler[100000];
    test_alloc_reset(-1);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (int guess = 0; guess < 3; guess++) {
            kis_buf out;
            kis_buf_init(&out, test_alloc, 1 << 20);
            memset(filler, 'x', sizeof filler);
            kis_pb_put_varint(&out, 1, UINT64_MAX);
            size_t begun = guess == 0
                               ? kis_pb_begin(&out, 200)
                               : kis_pb_begin_about(&out, 200, guess == 1 ? sizes[i] : 1u << 30);
            kis_buf_add(&out, filler, sizes[i]);
            kis_pb_end(&out, begun);
            kis_pb_put_fix32(&out, 2, 5);
            kis_pb_put_fix64(&out, 3, 6);
            kis_cursor c = kis_cursor_of(kis_buf_bytes(&out));
            kis_pb_field field;
            CHECK(kis_pb_next(&c, &field) == KIS_OK && field.number == UINT64_MAX, "a varint");
            CHECK(kis_pb_next(&c, &field) == KIS_OK && field.tag == KIS_PB_TAG(200, KIS_PB_BYTES),
                  "a message");
            CHECK_BYTES(filler, sizes[i], field.bytes, "its body, whatever the guess");
            CHECK(field.bytes.ptr[-1] < 0x80 && (sizes[i] < 128 || field.bytes.ptr[-2] >= 0x80),
                  "its length in the shortest form");
            CHECK(kis_pb_next(&c, &field) == KIS_OK && field.number == 5, "32 bits");
            CHECK(kis_pb_next(&c, &field) == KIS_OK && field.number == 6, "64 bits");
            kis_buf_done(&out);
        }
    }
}

TEST_MAIN(RUN(pb_reads_fields_of_every_wire_type), RUN(pb_refuses_what_is_no_field_and_stays_there),
          RUN(pb_groups_are_bounded), RUN(pb_written_fields_read_back))
