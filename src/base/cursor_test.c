/* cursor_test.c - every read stays inside, and varints are what protobuf says. */
#include "tests/test.h"

#include <string.h>

#include "base/cursor.h"

TEST(varints_round_trip_in_the_size_foretold)
{
    for (unsigned bit = 0; bit <= 64; bit++) {
        for (int around = -1; around <= 1; around++) {
            uint64_t value = (bit < 64 ? (uint64_t)1 << bit : 0) + (uint64_t)around, got = 0;
            uint8_t bytes[10];
            size_t len = kis_varint_put(bytes, value);
            CHECK_INT(kis_varint_size(value), len, "size");
            kis_cursor c = kis_cursor_of(kis_bytes_of(bytes, len));
            CHECK(kis_cursor_varint(&c, &got) && got == value, "value");
            CHECK_INT(0, kis_cursor_left(&c), "all of it");
            for (size_t cut = 0; cut < len; cut++) {
                c = kis_cursor_of(kis_bytes_of(bytes, cut));
                CHECK(!kis_cursor_varint(&c, &got), "cut short");
                CHECK_INT(cut, kis_cursor_left(&c), "the cursor stays");
            }
        }
    }
}

TEST(varints_that_no_word_can_hold_are_refused)
{
    static const struct {
        const char *why;
        uint8_t bytes[11];
        size_t len;
        bool want;
    } rows[] = {
        { "the largest", { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 }, 10, true },
        { "bit 64", { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2 }, 10, false },
        { "bits beyond",
          { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f },
          10,
          false },
        { "eleven bytes",
          { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0 },
          11,
          false },
        { "longer than needed is fine", { 0x81, 0x80, 0x00 }, 3, true },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_cursor c = kis_cursor_of(kis_bytes_of(rows[i].bytes, rows[i].len));
        uint64_t got;
        CHECK_INT(rows[i].want, kis_cursor_varint(&c, &got), rows[i].why);
        CHECK_INT(rows[i].want ? 0 : rows[i].len, kis_cursor_left(&c), rows[i].why);
    }
}

TEST(words_and_bytes_are_taken_whole_or_not_at_all)
{
    static const uint8_t bytes[13] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 };
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        kis_cursor c = kis_cursor_of(kis_bytes_of(bytes, len));
        uint64_t wide = 0;
        uint32_t narrow = 0;
        uint8_t one = 0;
        CHECK_INT(len >= 8, kis_cursor_u64(&c, &wide), "u64");
        CHECK_INT(len % 8 >= 4, kis_cursor_u32(&c, &narrow), "u32");
        CHECK_INT(len % 4 > 0, kis_cursor_u8(&c, &one), "u8");
        if (len == 13)
            CHECK(wide == 0x0807060504030201u && narrow == 0x0c0b0a09 && one == 13,
                  "little-endian");
    }
    kis_cursor c = kis_cursor_of(kis_bytes_of(bytes, 5));
    kis_bytes got;
    CHECK(!kis_cursor_bytes(&c, 6, &got), "one too many");
    CHECK(!kis_cursor_bytes(&c, UINT64_MAX, &got), "no overflow");
    CHECK(kis_cursor_bytes(&c, 5, &got) && got.ptr == bytes && got.len == 5, "all");
    CHECK(kis_cursor_bytes(&c, 0, &got) && got.len == 0, "none at the end");
    c = kis_cursor_of(KIS_BYTES_NONE);
    CHECK(!kis_cursor_u8(&c, &(uint8_t){ 0 }) && kis_cursor_left(&c) == 0, "of nothing");
}

TEST_MAIN(RUN(varints_round_trip_in_the_size_foretold),
          RUN(varints_that_no_word_can_hold_are_refused),
          RUN(words_and_bytes_are_taken_whole_or_not_at_all))
