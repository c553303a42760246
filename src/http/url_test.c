/* url_test.c - URLs, queries, percent-coding. */
#include "http/url.h"

#include <string.h>

#include "tests/test.h"

TEST(good_urls_are_taken_apart)
{
    static const struct {
        const char *url, *host;
        int port;
        bool is_tls;
        const char *path, *query;
    } rows[] = {
        { "http://localhost:4318/v1/traces", "localhost", 4318, false, "/v1/traces", "" },
        { "https://a.example", "a.example", 443, true, "", "" },
        { "HTTP://a", "a", 80, false, "", "" },
        { "http://a/", "a", 80, false, "/", "" },
        { "http://a?x=1", "a", 80, false, "", "x=1" },
        { "http://[::1]:4318/x?y", "::1", 4318, false, "/x", "y" },
        { "http://[fe80::1%eth0]/", "fe80::1%eth0", 80, false, "/", "" },
        { "grpc://collector", "collector", 4317, false, "", "" },
        { "grpcs://collector:55678", "collector", 55678, true, "", "" },
        { "unix:///run/k.sock", "unix:///run/k.sock", 0, false, "", "" },
        { "unix:/run/k.sock", "unix:/run/k.sock", 0, false, "", "" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_url url;
        kis_diag diag = { 0 };
        CHECK_ERR(KIS_OK, kis_url_parse(kis_str_from_c(rows[i].url), &url, &diag), rows[i].url);
        CHECK_STR(rows[i].host, url.host, rows[i].url);
        CHECK_INT(rows[i].port, url.port, rows[i].url);
        CHECK_INT(rows[i].is_tls, url.is_tls, rows[i].url);
        CHECK_STR(rows[i].path, url.path, rows[i].url);
        CHECK_STR(rows[i].query, url.query, rows[i].url);
    }
}

TEST(bad_urls_are_refused_with_what_is_wrong)
{
    static const struct {
        const char *url, *says;
    } rows[] = {
        { "", "empty" },
        { "localhost:4318", "no scheme" },
        { "/v1/traces", "no scheme" },
        { "ftp://a", "no scheme" },
        { "http:/a", "'//'" },
        { "http://", "no host" },
        { "http://:80", "no host" },
        { "http:///x", "no host" },
        { "http://a:", "port" },
        { "http://a:0", "port" },
        { "http://a:65536", "port" },
        { "http://a:x", "port" },
        { "http://a:99999999999999999999", "port" },
        { "http://u:p@a", "user name" },
        { "http://[::1", "without ']'" },
        { "http://[::1]x", "between ']'" },
        { "http://[]:1", "no host" },
        { "http://[zz]:1", "no IPv6" },
        { "http://::1", "two colons" },
        { "http://a#f", "fragment" },
        { "http://a/ b", "%XX" },
        { "http://a/\x01", "%XX" },
        { "http://\xc3\xa9/", "%XX" },
        { "unix:relative", "absolute path" },
        { "unix://", "absolute path" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_url url = { .port = 7 };
        kis_diag diag = { 0 };
        CHECK_ERR(KIS_ERR_SYNTAX, kis_url_parse(kis_str_from_c(rows[i].url), &url, &diag),
                  rows[i].url);
        CHECK(strstr(diag.text, rows[i].says), diag.text);
        CHECK_INT(7, url.port, "a refused URL leaves `out` alone");
    }
}

TEST(queries_are_walked)
{
    char text[200] = "";
    kis_str rest = KIS_STR("a=1&&b=x=y&c&=d&e="), name, value;
    while (kis_query_next(&rest, &name, &value))
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%.*s:%.*s]", (int)name.len,
                 name.ptr, (int)value.len, value.ptr ? value.ptr : "");
    CHECK(strcmp(text, "[a:1][b:x=y][c:][:d][e:]") == 0, text);
}

TEST(coding_goes_round_and_refuses_halves)
{
    static const struct {
        const char *why, *coded;
        bool is_query;
        kis_err want;
        const char *plain;
        size_t len;
    } rows[] = {
        { "nothing coded", "abc", true, KIS_OK, "abc", 3 },
        { "plus in a query", "a+b", true, KIS_OK, "a b", 3 },
        { "plus in a path", "a+b", false, KIS_OK, "a+b", 3 },
        { "hex in both cases", "%2f%2F", false, KIS_OK, "//", 2 },
        { "NUL", "%00", false, KIS_OK, "\0", 1 },
        { "at the very end", "a%20", false, KIS_OK, "a ", 2 },
        { "cut after %", "a%", false, KIS_ERR_SYNTAX, "", 0 },
        { "cut after a digit", "a%2", false, KIS_ERR_SYNTAX, "", 0 },
        { "not hex", "%zz", false, KIS_ERR_SYNTAX, "", 0 },
        { "second not hex", "%2z", false, KIS_ERR_SYNTAX, "", 0 },
        { "percent percent", "%%20", false, KIS_ERR_SYNTAX, "", 0 },
    };
    test_alloc_reset(-1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_arena arena;
        kis_str out = KIS_STR_NONE;
        kis_arena_init(&arena, test_alloc, 1u << 20);
        CHECK_ERR(rows[i].want,
                  kis_url_decode(kis_str_from_c(rows[i].coded), rows[i].is_query, &arena, &out),
                  rows[i].why);
        if (rows[i].want == KIS_OK)
            CHECK_BYTES(rows[i].plain, rows[i].len, kis_bytes_of_str(out), rows[i].why);
        kis_arena_done(&arena);
    }
    char all[256];
    for (int c = 0; c < 256; c++)
        all[c] = (char)c;
    kis_buf coded;
    kis_arena arena;
    kis_str back;
    kis_buf_init(&coded, test_alloc, 10000);
    kis_arena_init(&arena, test_alloc, 1u << 20);
    kis_url_encode(kis_str_of(all, 256), &coded);
    CHECK_ERR(KIS_OK, kis_url_decode(kis_buf_str(&coded), true, &arena, &back),
              "decodes what it encodes");
    CHECK_BYTES(all, 256, kis_bytes_of_str(back), "round trip of every byte");
    kis_buf_done(&coded);
    kis_arena_done(&arena);
    CHECK_INT(0, test_alloc_live(), "no leak");
}

TEST_MAIN(RUN(good_urls_are_taken_apart), RUN(bad_urls_are_refused_with_what_is_wrong),
          RUN(queries_are_walked), RUN(coding_goes_round_and_refuses_halves))
