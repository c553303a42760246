/* Attributes: writing and reading back, the text form, damage. */
#include "model/attr.h"

#include <math.h>
#include <string.h>

#include "model/test_spans.h"
#include "model/value_text.h"
#include "tests/test.h"

static uint8_t memory[1 << 20];
static kis_buf out;

static kis_attrs attrs_of(uint32_t tag)
{
    return (kis_attrs){ out.ptr, (uint32_t)out.len, tag };
}

TEST(attributes_written_read_back)
{
    const uint32_t tag = KIS_TAG_SPAN_ATTRS;
    kis_value_view v;
    kis_buf_init_fixed(&out, memory, sizeof memory);
    kis_attr_put_str(&out, tag, KIS_STR("s"), KIS_STR("text"));
    kis_pb_put_str(&out, 5, KIS_STR("not an attribute"));
    kis_attr_put_bool(&out, tag, KIS_STR("t"), true);
    kis_attr_put_int(&out, tag, KIS_STR("i"), INT64_MIN);
    kis_attr_put_double(&out, tag, KIS_STR("d"), -0.0);
    kis_attr_put_bytes(&out, tag, KIS_STR("b"), kis_bytes_of("\0\xff", 2));
    kis_attr_put_any(&out, tag, KIS_STR("none"), KIS_BYTES_NONE);
    kis_attr_put_str(&out, tag, KIS_STR("s"), KIS_STR("second"));
    kis_attrs a = attrs_of(tag);
    CHECK_INT(7, kis_attrs_count(a), "only attributes are counted");
    CHECK_STR("text", kis_attrs_text(a, KIS_STR("s")), "the first of a key");
    CHECK(kis_attrs_find(a, KIS_STR("t"), &v) && v.kind == KIS_VALUE_BOOL && v.boolean,
          "a boolean");
    CHECK(kis_attrs_find(a, KIS_STR("i"), &v) && v.kind == KIS_VALUE_INT && v.integer == INT64_MIN,
          "an integer");
    CHECK(kis_attrs_find(a, KIS_STR("d"), &v) && v.kind == KIS_VALUE_DOUBLE && signbit(v.number),
          "a double, its sign too");
    CHECK(kis_attrs_find(a, KIS_STR("b"), &v) && v.kind == KIS_VALUE_BYTES && v.bytes.len == 2,
          "bytes");
    CHECK(kis_attrs_find(a, KIS_STR("none"), &v) && v.kind == KIS_VALUE_NONE, "no value");
    CHECK(!kis_attrs_find(a, KIS_STR("x"), &v), "a key that is not there");
    CHECK_INT(0, kis_attrs_text(a, KIS_STR("i")).len, "a number is no text");
    kis_attr_view attr;
    for (kis_attr_cursor c = kis_attrs_begin(a); kis_attrs_next(&c, &attr);) {
        kis_buf copy;
        uint8_t copy_memory[64];
        kis_buf_init_fixed(&copy, copy_memory, sizeof copy_memory);
        v = kis_value_read(attr.value_bytes);
        kis_value_put(&copy, &v);
        CHECK_BYTES(attr.value_bytes.ptr, attr.value_bytes.len, kis_buf_bytes(&copy),
                    "a value read and written is the same bytes");
    }
}

TEST(attributes_of_any_length_read_back)
{
    static char text[300000];
    static const size_t sizes[] = { 0, 1, 100, 120, 123, 127, 128, 16000, 16384, 300000 };
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        kis_buf_init_fixed(&out, memory, sizeof memory);
        kis_attr_put_str(&out, KIS_TAG_SPAN_ATTRS, KIS_STR("key"), kis_str_of(text, sizes[i]));
        kis_attr_put_int(&out, KIS_TAG_SPAN_ATTRS, KIS_STR("behind"), 1);
        CHECK_INT(sizes[i], kis_attrs_text(attrs_of(KIS_TAG_SPAN_ATTRS), KIS_STR("key")).len,
                  "its length");
        CHECK_INT(2, kis_attrs_count(attrs_of(KIS_TAG_SPAN_ATTRS)), "and the next one");
    }
    kis_buf_init_fixed(&out, memory, 10);
    kis_attr_put_str(&out, KIS_TAG_SPAN_ATTRS, KIS_STR("key"), KIS_STR("does not fit"));
    CHECK_ERR(KIS_ERR_LIMIT, out.err, "no room");
}

/* Values for the text form, as AnyValue bytes in hex of their parts. */
TEST(values_have_the_text_that_jaeger_shows)
{
    static const struct {
        const char *why, *any;
        size_t len;
        const char *text;
    } rows[] = {
        { "text",
          "\x0a\x03"
          "a\"b",
          5, "a\"b" },
        { "true", "\x10\x01", 2, "true" },
        { "false", "\x10\x00", 2, "false" },
        { "an integer", "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "-1" },
        { "a double", "\x21\x9a\x99\x99\x99\x99\x99\xb9\x3f", 9, "0.1" },
        { "a whole double", "\x21\x00\x00\x00\x00\x00\x00\x08\x40", 9, "3" },
        { "NaN", "\x21\x00\x00\x00\x00\x00\x00\xf8\x7f", 9, "NaN" },
        { "bytes", "\x3a\x03\x00\x01\xff", 5, "AAH/" },
        { "nothing", "", 0, "" },
        { "an empty array", "\x2a\x00", 2, "[]" },
        { "an empty list", "\x32\x00", 2, "{}" },
        { "an array",
          "\x2a\x14\x0a\x02\x18\x01\x0a\x05\x0a\x03"
          "a\"b\x0a\x02\x10\x01\x0a\x00\x0a\x01\x2a",
          22, "[1,\"a\\\"b\",true,null,null]" },
        { "a list", "\x32\x09\x0a\x07\x0a\x01k\x12\x02\x18\x05", 11, "{\"k\":5}" },
        { "a list in an array", "\x2a\x0d\x0a\x0b\x32\x09\x0a\x07\x0a\x01k\x12\x02\x18\x05", 15,
          "[{\"k\":5}]" },
        { "NaN in an array", "\x2a\x0b\x0a\x09\x21\x00\x00\x00\x00\x00\x00\xf8\x7f", 13,
          "[\"NaN\"]" },
        { "bytes in an array", "\x2a\x07\x0a\x05\x3a\x03\x00\x01\xff", 9, "[\"AAH/\"]" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_value_view v = kis_value_read(kis_bytes_of(rows[i].any, rows[i].len));
        kis_buf_init_fixed(&out, memory, sizeof memory);
        kis_value_text(v, &out);
        CHECK_STR(rows[i].text, kis_buf_str(&out), rows[i].why);
        CHECK(kis_value_text_is(v, kis_str_from_c(rows[i].text)), "compared without being written");
        CHECK(!kis_value_text_is(
                  v, kis_str_of(rows[i].text, rows[i].text[0] ? strlen(rows[i].text) - 1 : 0)) ||
                  !rows[i].text[0],
              "one less");
        char longer[64];
        snprintf(longer, sizeof longer, "%sx", rows[i].text);
        CHECK(!kis_value_text_is(v, kis_str_from_c(longer)), "one more");
    }
}

TEST(long_values_compare_as_they_are_written)
{
    static char text[50000];
    static uint8_t any_memory[200000];
    kis_buf any, values;
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        /* characters and escapes at every place of a piece */
        memcpy(text + i, i % 7 ? "\xc3\xa9" : "\"\n", 2);
    kis_buf_init_fixed(&values, any_memory, 100000);
    kis_buf_init_fixed(&any, any_memory + 100000, 100000);
    size_t item = kis_pb_begin(&values, 1);
    kis_pb_put_str(&values, 1, kis_str_of(text, sizeof text - 2));
    kis_pb_end(&values, item);
    item = kis_pb_begin(&values, 1);
    kis_pb_put_bytes(&values, 7, kis_bytes_of(text, 1000));
    kis_pb_end(&values, item);
    kis_pb_put_bytes(&any, 5, kis_buf_bytes(&values));
    kis_value_view v = kis_value_read(kis_buf_bytes(&any));
    kis_buf_init_fixed(&out, memory, sizeof memory);
    kis_value_text(v, &out);
    CHECK_ERR(KIS_OK, out.err, "written");
    CHECK(out.len > 55000, "all of it");
    CHECK(kis_value_text_is(v, kis_buf_str(&out)), "equal");
    out.ptr[out.len - 5] ^= 1;
    CHECK(!kis_value_text_is(v, kis_buf_str(&out)), "one bit differs near the end");
}

TEST(damaged_attributes_are_read_in_bounds)
{
    uint64_t random = 3;
    for (int round = 0; round < 20000; round++) {
        size_t len = test_random(&random) % 60;
        uint8_t *bytes = malloc(len ? len : 1);
        for (size_t i = 0; i < len; i++) {
            static const uint8_t usual[] = { 0x4a, 0x0a, 0x12, 0x2a, 0x32, 0x01, 0x05, 0x08, 0x20 };
            bytes[i] = test_random(&random) % 2 ? usual[test_random(&random) % sizeof usual]
                                                : (uint8_t)test_random(&random);
        }
        kis_attrs a = { bytes, (uint32_t)len, KIS_TAG_SPAN_ATTRS };
        kis_attr_view attr;
        uint32_t count = 0;
        for (kis_attr_cursor c = kis_attrs_begin(a); kis_attrs_next(&c, &attr); count++) {
            kis_buf_init_fixed(&out, memory, sizeof memory);
            kis_value_text(kis_value_read(attr.value_bytes), &out);
        }
        CHECK_INT(count, kis_attrs_count(a), "both see the same");
        free(bytes);
    }
}

TEST_MAIN(RUN(attributes_written_read_back), RUN(attributes_of_any_length_read_back),
          RUN(values_have_the_text_that_jaeger_shows), RUN(long_values_compare_as_they_are_written),
          RUN(damaged_attributes_are_read_in_bounds))
