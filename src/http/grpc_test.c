/* grpc_test.c - prefixes, percent-coded messages, time-outs. */
#include "http/grpc.h"

#include <string.h>

#include "tests/test.h"

TEST(one_message_and_no_other_is_taken)
{
    static const struct {
        const char *why, *body;
        size_t len;
        kis_err want;
        size_t message;
        bool is_compressed;
    } rows[] = {
        { "none", "", 0, KIS_ERR_MORE, 0, false },
        { "half a prefix", "\0\0\0\0", 4, KIS_ERR_MORE, 0, false },
        { "empty message", "\0\0\0\0\0", 5, KIS_OK, 0, false },
        { "three bytes", "\0\0\0\0\3abc", 8, KIS_OK, 3, false },
        { "compressed", "\1\0\0\0\3abc", 8, KIS_OK, 3, true },
        { "cut", "\0\0\0\0\3ab", 7, KIS_ERR_MORE, 0, false },
        { "flag 2", "\2\0\0\0\0", 5, KIS_ERR_SYNTAX, 0, false },
        { "two messages", "\0\0\0\0\1a\0\0\0\0\0", 11, KIS_ERR_SYNTAX, 0, false },
        { "4 GiB", "\0\xff\xff\xff\xff", 5, KIS_ERR_LIMIT, 0, false },
        { "one more than the limit", "\0\0\0\0\x65", 5, KIS_ERR_LIMIT, 0, false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_compressed = true;
        kis_bytes message;
        kis_diag diag;
        CHECK_ERR(rows[i].want,
                  kis_grpc_message(kis_bytes_of(rows[i].body, rows[i].len), 100, &is_compressed,
                                   &message, &diag),
                  rows[i].why);
        if (rows[i].want == KIS_OK)
            CHECK(message.len == rows[i].message && is_compressed == rows[i].is_compressed,
                  rows[i].why);
    }
    uint8_t room[10];
    kis_buf out;
    kis_buf_init_fixed(&out, room, sizeof(room));
    kis_grpc_put_prefix(&out, true, 0x01020304);
    CHECK_BYTES("\1\1\2\3\4", 5, kis_buf_bytes(&out), "big-endian");
}

TEST(messages_are_coded_and_broken_codes_pass)
{
    static const struct {
        const char *why, *plain, *coded;
    } rows[] = {
        { "plain", "all is well", "all is well" },
        { "percent", "5%", "5%25" },
        { "line ends", "a\r\nb", "a%0D%0Ab" },
        { "UTF-8", "caf\xc3\xa9", "caf%C3%A9" },
        { "DEL", "\x7f", "%7F" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t room[100], room2[100];
        kis_buf coded, back;
        kis_buf_init_fixed(&coded, room, sizeof(room));
        kis_buf_init_fixed(&back, room2, sizeof(room2));
        kis_grpc_message_escape(kis_str_from_c(rows[i].plain), &coded);
        CHECK_STR(rows[i].coded, kis_buf_str(&coded), rows[i].why);
        kis_grpc_message_unescape(kis_buf_str(&coded), &back);
        CHECK_STR(rows[i].plain, kis_buf_str(&back), rows[i].why);
    }
    static const char *const broken[] = { "%", "%4", "a%zz", "%%41" };
    static const char *const passes[] = { "%", "%4", "a%zz", "%A" };
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        uint8_t room[100];
        kis_buf back;
        kis_buf_init_fixed(&back, room, sizeof(room));
        kis_grpc_message_unescape(kis_str_from_c(broken[i]), &back);
        CHECK_STR(passes[i], kis_buf_str(&back), "a broken code passes as it stands");
    }
}

TEST(timeouts_are_read_and_written)
{
    static const struct {
        const char *text;
        kis_err want;
        uint64_t ns;
    } rows[] = {
        { "1S", KIS_OK, 1000000000 },
        { "10m", KIS_OK, 10000000 },
        { "5u", KIS_OK, 5000 },
        { "7n", KIS_OK, 7 },
        { "2M", KIS_OK, 120000000000 },
        { "1H", KIS_OK, 3600000000000 },
        { "99999999H", KIS_OK, UINT64_MAX / 2 },
        { "00000001S", KIS_OK, 1000000000 },
        { "0S", KIS_OK, 0 },
        { "", KIS_ERR_SYNTAX, 0 },
        { "S", KIS_ERR_SYNTAX, 0 },
        { "1", KIS_ERR_SYNTAX, 0 },
        { "1s", KIS_ERR_SYNTAX, 0 },
        { "-1S", KIS_ERR_SYNTAX, 0 },
        { "123456789S", KIS_ERR_SYNTAX, 0 },
        { "1 S", KIS_ERR_SYNTAX, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t ns = 42;
        CHECK_ERR(rows[i].want, kis_grpc_timeout_parse(kis_str_from_c(rows[i].text), &ns),
                  rows[i].text);
        CHECK_INT(rows[i].want ? 42 : rows[i].ns, ns, rows[i].text);
    }
    static const uint64_t values[] = {
        0, 1, 99999999, 100000000, 5000000000, 10000000000000, 36000000000000000, UINT64_MAX / 2
    };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        char text[16];
        uint64_t back;
        size_t len = kis_grpc_timeout_format(values[i], text);
        CHECK_ERR(KIS_OK, kis_grpc_timeout_parse(kis_str_of(text, len), &back),
                  "reads what it writes");
        CHECK(back <= values[i] && values[i] - back <= values[i] / 1000, "near, and never later");
    }
}

TEST_MAIN(RUN(one_message_and_no_other_is_taken), RUN(messages_are_coded_and_broken_codes_pass),
          RUN(timeouts_are_read_and_written))
