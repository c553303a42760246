/* http1_test.c - heads and chunked bodies: what passes, what is refused, and that pieces of any
 * size make no difference. */
#include "http/http1.h"

#include <string.h>

#include "tests/test.h"

/* Scans and parses `text` from a piece of memory of its own, so that reading past it is seen. */
static kis_err parse(const char *text, size_t len, kis_http1_head *head, kis_header *headers,
                     int *status, kis_diag *diag, uint8_t **out_copy)
{
    uint8_t *copy = malloc(len ? len : 1);
    kis_http1_scan scan = { 0 };
    memcpy(copy, text, len);
    *out_copy = copy;
    *status = 0;
    kis_err err = kis_http1_scan_head(&scan, kis_bytes_of(copy, len), status, diag);
    if (err)
        return err;
    return kis_http1_parse_request(kis_bytes_of(copy + scan.start, scan.end - scan.start), headers,
                                   head, status, diag);
}

#define HOST "Host: a\r\n"
#define END  "\r\n"

TEST(good_requests_are_understood)
{
    static const struct {
        const char *why, *text, *method, *path, *query, *authority;
        kis_http1_framing framing;
        uint64_t length;
        bool keeps_alive;
    } rows[] = {
        { "the least there is", "GET / HTTP/1.1\r\n" HOST END, "GET", "/", "", "a",
          KIS_HTTP1_NO_BODY, 0, true },
        { "an empty line before it", "\r\nGET / HTTP/1.1\r\n" HOST END, "GET", "/", "", "a",
          KIS_HTTP1_NO_BODY, 0, true },
        { "a query", "GET /a/b?c=d&e=f?g HTTP/1.1\r\n" HOST END, "GET", "/a/b", "c=d&e=f?g", "a",
          KIS_HTTP1_NO_BODY, 0, true },
        { "coded characters stay coded", "GET /%2e%2E/%00 HTTP/1.1\r\n" HOST END, "GET",
          "/%2e%2E/%00", "", "a", KIS_HTTP1_NO_BODY, 0, true },
        { "1.0 without Host", "GET / HTTP/1.0\r\n" END, "GET", "/", "", "", KIS_HTTP1_NO_BODY, 0,
          false },
        { "1.0 that wants to stay", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" END, "GET", "/",
          "", "", KIS_HTTP1_NO_BODY, 0, true },
        { "1.1 that wants to go", "GET / HTTP/1.1\r\n" HOST "Connection: x, CLOSE\r\n" END, "GET",
          "/", "", "a", KIS_HTTP1_NO_BODY, 0, false },
        { "a length", "POST /v1/traces HTTP/1.1\r\n" HOST "content-length: 17\r\n" END, "POST",
          "/v1/traces", "", "a", KIS_HTTP1_LENGTH, 17, true },
        { "length 0", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n" END, "POST", "/", "", "a",
          KIS_HTTP1_NO_BODY, 0, true },
        { "leading zeros", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0005\r\n" END, "POST", "/",
          "", "a", KIS_HTTP1_LENGTH, 5, true },
        { "chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n" END, "POST", "/",
          "", "a", KIS_HTTP1_CHUNKED, 0, true },
        { "whole URL; its host counts", "GET http://real:8080/p?q HTTP/1.1\r\nHost: other\r\n" END,
          "GET", "/p", "q", "real:8080", KIS_HTTP1_NO_BODY, 0, true },
        { "whole URL without a path", "GET HTTP://real HTTP/1.1\r\nHost: other\r\n" END, "GET", "/",
          "", "real", KIS_HTTP1_NO_BODY, 0, true },
        { "asterisk", "OPTIONS * HTTP/1.1\r\n" HOST END, "OPTIONS", "*", "", "a", KIS_HTTP1_NO_BODY,
          0, true },
        { "Upgrade is left alone",
          "GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n" END,
          "GET", "/", "", "a", KIS_HTTP1_NO_BODY, 0, true },
        { "IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:4318\r\n" END, "GET", "/", "", "[::1]:4318",
          KIS_HTTP1_NO_BODY, 0, true },
        { "empty Host", "GET / HTTP/1.1\r\nHost:\r\n" END, "GET", "/", "", "", KIS_HTTP1_NO_BODY, 0,
          true },
        { "a method of our own", "M-SEARCH / HTTP/1.1\r\n" HOST END, "M-SEARCH", "/", "", "a",
          KIS_HTTP1_NO_BODY, 0, true },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_http1_head head;
        kis_header headers[KIS_HTTP_HEADERS_MAX];
        kis_diag diag = { 0 };
        uint8_t *copy;
        int status;
        CHECK_ERR(KIS_OK,
                  parse(rows[i].text, strlen(rows[i].text), &head, headers, &status, &diag, &copy),
                  rows[i].why);
        CHECK_STR(rows[i].method, head.method, rows[i].why);
        CHECK_STR(rows[i].path, head.path, rows[i].why);
        CHECK_STR(rows[i].query, head.query, rows[i].why);
        CHECK_STR(rows[i].authority, head.authority, rows[i].why);
        CHECK_INT(rows[i].framing, head.framing, rows[i].why);
        CHECK_INT(rows[i].length, head.content_length, rows[i].why);
        CHECK_INT(rows[i].keeps_alive, head.keeps_alive, rows[i].why);
        free(copy);
    }
}

TEST(fields_are_lower_case_and_trimmed)
{
    static const char text[] = "GET / HTTP/1.1\r\nHOST:a\r\nX-Empty:\r\nX-Odd!#$%&'*+.^_`|~: \t v "
                               "w \t\r\nx-latin: caf\xe9\r\nExpect: 100-Continue\r\n\r\n";
    kis_http1_head head;
    kis_header headers[KIS_HTTP_HEADERS_MAX];
    kis_diag diag = { 0 };
    uint8_t *copy;
    int status;
    CHECK_ERR(KIS_OK, parse(text, sizeof(text) - 1, &head, headers, &status, &diag, &copy),
              diag.text);
    CHECK_INT(5, head.header_count, "fields");
    CHECK_STR("host", headers[0].name, "names");
    CHECK_STR("", headers[1].value, "empty values");
    CHECK_STR("x-odd!#$%&'*+.^_`|~", headers[2].name, "all characters of a token");
    CHECK_STR("v w", headers[2].value, "trimmed");
    CHECK_STR("caf\xe9", headers[3].value, "obs-text passes as it is");
    CHECK(head.expects_continue, "100-continue in any case");
    CHECK_STR("v w", kis_header_find(headers, head.header_count, KIS_STR("x-odd!#$%&'*+.^_`|~")),
              "found");
    CHECK(kis_header_find(headers, head.header_count, KIS_STR("x-none")).ptr == NULL,
          "absent is NULL");
    free(copy);
}

TEST(what_could_be_read_in_two_ways_is_refused)
{
#define LINE "POST / HTTP/1.1\r\n" HOST
    static const struct {
        const char *why, *text;
        size_t len;
        int status;
    } rows[] = {
#define ROW(why, text, status) { why, text, sizeof(text) - 1, status }
        ROW("two lengths, equal", LINE "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
        ROW("two lengths, different", LINE "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        ROW("two lengths in one", LINE "Content-Length: 5, 5\r\n\r\n", 400),
        ROW("length with a sign", LINE "Content-Length: +5\r\n\r\n", 400),
        ROW("negative length", LINE "Content-Length: -1\r\n\r\n", 400),
        ROW("hex length", LINE "Content-Length: 0x5\r\n\r\n", 400),
        ROW("length with a space inside", LINE "Content-Length: 5 0\r\n\r\n", 400),
        ROW("empty length", LINE "Content-Length:\r\n\r\n", 400),
        ROW("length 2^64 + 5", LINE "Content-Length: 18446744073709551621\r\n\r\n", 400),
        ROW("length and chunked", LINE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            400),
        ROW("chunked and length", LINE "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            400),
        ROW("chunked twice",
            LINE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ROW("gzip, chunked", LINE "Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ROW("chunked, identity", LINE "Transfer-Encoding: chunked, identity\r\n\r\n", 501),
        ROW("xchunked", LINE "Transfer-Encoding: xchunked\r\n\r\n", 501),
        ROW("chunked behind a vertical tab", LINE "Transfer-Encoding: \vchunked\r\n\r\n", 400),
        ROW("empty transfer coding", LINE "Transfer-Encoding:\r\n\r\n", 400),
        ROW("chunked in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ROW("space before the colon", LINE "Content-Length : 5\r\n\r\n", 400),
        ROW("tab before the colon", LINE "Content-Length\t: 5\r\n\r\n", 400),
        ROW("space before the name", LINE " Content-Length: 5\r\n\r\n", 400),
        ROW("folded", LINE "X: a\r\n b\r\n\r\n", 400),
        ROW("folded with a tab", LINE "X: a\r\n\tb\r\n\r\n", 400),
        ROW("folded first field", "POST / HTTP/1.1\r\n X: a\r\n" HOST "\r\n", 400),
        ROW("no colon", LINE "X\r\n\r\n", 400),
        ROW("no name", LINE ": x\r\n\r\n", 400),
        ROW("name with a quote", LINE "\"x\": x\r\n\r\n", 400),
        ROW("name not ASCII", LINE "x\xc3\xa9: x\r\n\r\n", 400),
        ROW("LF alone", "GET / HTTP/1.1\nHost: a\n\n", 400),
        ROW("LF alone in the middle", LINE "X: a\nY: b\r\n\r\n", 400),
        ROW("CR in a value", LINE "X: a\rY: b\r\n\r\n", 400),
        ROW("CR CR LF", LINE "X: a\r\r\n\r\n", 400),
        ROW("NUL in a value", LINE "X: a\0b\r\n\r\n", 400),
        ROW("NUL in the target", "GET /\0 HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("DEL in a value", LINE "X: a\x7f\r\n\r\n", 400),
        ROW("escape in a value", LINE "X: \x1b[31m\r\n\r\n", 400),
        ROW("no Host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", 400),
        ROW("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ROW("Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ROW("Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ROW("two spaces", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("a tab", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("a word too many", "GET / HTTP/1.1 x\r\n" HOST "\r\n", 400),
        ROW("space behind the version", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400),
        ROW("HTTP/0.9", "GET /\r\n\r\n", 400),
        ROW("no target", "GET HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("lower-case http", "GET / http/1.1\r\n" HOST "\r\n", 400),
        ROW("HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", 400),
        ROW("HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 505),
        ROW("HTTP/3.9", "GET / HTTP/3.9\r\n" HOST "\r\n", 505),
        ROW("HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505),
        ROW("method with a slash", "GE/T / HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("method without end", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" HOST "\r\n",
            400),
        ROW("fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("target not ASCII", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("relative target", "GET a HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("asterisk for GET", "GET * HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("file URL", "GET file:///etc/passwd HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("metadata address through a proxy",
            "CONNECT 169.254.169.254:80 HTTP/1.1\r\n" HOST "\r\n", 405),
        ROW("URL without a host", "GET http:///x HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("URL with a user", "GET http://u@h/x HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("Expect something else", LINE "Expect: 200-ok\r\n\r\n", 417),
        ROW("TLS hello", "\x16\x03\x01\x00\xa5\x01\x00", 400),
        ROW("empty lines without end", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400),
        ROW("space first", " GET / HTTP/1.1\r\n" HOST "\r\n", 400),
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_http1_head head = { .status = 77 };
        kis_header headers[KIS_HTTP_HEADERS_MAX];
        kis_diag diag = { 0 };
        uint8_t *copy;
        int status;
        CHECK_ERR(KIS_ERR_SYNTAX,
                  parse(rows[i].text, rows[i].len, &head, headers, &status, &diag, &copy),
                  rows[i].why);
        CHECK_INT(rows[i].status, status, rows[i].why);
        CHECK(diag.text[0] != 0, rows[i].why);
        CHECK_INT(77, head.status, "a refused head leaves `out` alone");
        free(copy);
    }
}

TEST(heads_have_bounds)
{
    static char text[80000];
    kis_http1_head head;
    kis_header headers[KIS_HTTP_HEADERS_MAX];
    kis_diag diag;
    int status;
    static const struct {
        const char *why;
        size_t target, value;
        int fields;
        int status;
    } rows[] = {
        { "target of 8192", 8192, 0, 0, 0 },
        { "target of 8193", 8193, 0, 0, 414 },
        { "target of 64 KiB", 65536, 0, 0, 414 },
        { "header of 16,000", 1, 16000, 0, 0 },
        { "header of 16,500", 1, 16500, 0, 431 },
        { "64 KiB", 1, 65536, 0, 431 },
        { "100 fields", 1, 0, 98, 0 },
        { "101 fields", 1, 0, 99, 431 },
        { "2,000 fields", 1, 0, 2000, 431 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *copy;
        char *at = text;
        at += sprintf(at, "GET /");
        memset(at, 'a', rows[i].target - 1);
        at += rows[i].target - 1;
        at += sprintf(at, " HTTP/1.1\r\nHost: a\r\nX: ");
        memset(at, 'v', rows[i].value);
        at += rows[i].value;
        at += sprintf(at, "\r\n");
        for (int f = 0; f < rows[i].fields; f++)
            at += sprintf(at, "F: 1\r\n");
        at += sprintf(at, "\r\n");
        kis_err err = parse(text, (size_t)(at - text), &head, headers, &status, &diag, &copy);
        CHECK_ERR(rows[i].status ? KIS_ERR_LIMIT : KIS_OK, err, rows[i].why);
        CHECK_INT(rows[i].status, status, rows[i].why);
        free(copy);
        /* and without an end: refused as soon as it is too long, not when memory is full */
        kis_http1_scan scan = { 0 };
        size_t len = 0;
        for (err = KIS_ERR_MORE; err == KIS_ERR_MORE && len + 3 < (size_t)(at - text); len++)
            err = kis_http1_scan_head(&scan, kis_bytes_of(text, len), &status, &diag);
        if (rows[i].status && (size_t)(at - text) > KIS_HTTP1_HEAD_BYTES_MAX / 2)
            CHECK(err == KIS_ERR_LIMIT && len <= KIS_HTTP1_HEAD_BYTES_MAX + 8, rows[i].why);
    }
}

TEST(a_head_in_pieces_is_found_where_it_ends)
{
    static const char text[] =
        "\r\nPOST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n";
    size_t want = (size_t)(strstr(text, "abc") - text);
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        kis_http1_scan scan = { 0 };
        kis_diag diag;
        int status;
        kis_err err = KIS_ERR_MORE;
        size_t len = 0;
        while (err == KIS_ERR_MORE && len < sizeof(text) - 1) {
            CHECK(len < want, "more only before the end");
            len = KIS_MIN(len + piece, sizeof(text) - 1);
            err = kis_http1_scan_head(&scan, kis_bytes_of(text, len), &status, &diag);
        }
        CHECK_ERR(KIS_OK, err, "found");
        CHECK_INT(want, scan.end, "where it ends");
        CHECK_INT(2, scan.start, "where it begins");
    }
}

TEST(answers_are_understood_and_framed)
{
    static const struct {
        const char *why, *text;
        bool is_head;
        kis_err want;
        int status;
        kis_http1_framing framing;
        uint64_t length;
        bool keeps_alive;
    } rows[] = {
        { "plain", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, KIS_OK, 200,
          KIS_HTTP1_LENGTH, 5, true },
        { "no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false, KIS_OK, 200,
          KIS_HTTP1_NO_BODY, 0, true },
        { "not even its space", "HTTP/1.1 204\r\n\r\n", false, KIS_OK, 204, KIS_HTTP1_NO_BODY, 0,
          true },
        { "chunked", "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n", false, KIS_OK, 503,
          KIS_HTTP1_CHUNKED, 0, true },
        { "until the end", "HTTP/1.1 200 OK\r\n\r\n", false, KIS_OK, 200, KIS_HTTP1_UNTIL_CLOSE, 0,
          false },
        { "to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, KIS_OK, 200,
          KIS_HTTP1_NO_BODY, 5, true },
        { "304 with a length", "HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n", false, KIS_OK, 304,
          KIS_HTTP1_NO_BODY, 5, true },
        { "100", "HTTP/1.1 100 Continue\r\n\r\n", false, KIS_OK, 100, KIS_HTTP1_NO_BODY, 0, true },
        { "1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, KIS_OK, 200,
          KIS_HTTP1_LENGTH, 5, false },
        { "two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", false,
          KIS_ERR_SYNTAX, 0, 0, 0, false },
        { "status 99", "HTTP/1.1 099 OK\r\n\r\n", false, KIS_ERR_SYNTAX, 0, 0, 0, false },
        { "status 600", "HTTP/1.1 600 OK\r\n\r\n", false, KIS_ERR_SYNTAX, 0, 0, 0, false },
        { "status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", false, KIS_ERR_SYNTAX, 0, 0, 0,
          false },
        { "no answer", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, KIS_ERR_SYNTAX, 0, 0, 0, false },
        { "folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", false, KIS_ERR_SYNTAX, 0, 0, 0,
          false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char copy[200];
        kis_http1_head head = { 0 };
        kis_header headers[KIS_HTTP_HEADERS_MAX];
        kis_diag diag;
        strcpy(copy, rows[i].text);
        CHECK_ERR(rows[i].want,
                  kis_http1_parse_answer(kis_bytes_of(copy, strlen(copy)), rows[i].is_head, headers,
                                         &head, &diag),
                  rows[i].why);
        if (rows[i].want)
            continue;
        CHECK_INT(rows[i].status, head.status, rows[i].why);
        CHECK_INT(rows[i].framing, head.framing, rows[i].why);
        CHECK_INT(rows[i].length, head.content_length, rows[i].why);
        CHECK_INT(rows[i].keeps_alive, head.keeps_alive, rows[i].why);
    }
}

/* The data of a chunked body given in pieces; *out_left: bytes behind it. */
static kis_err unchunk(const char *text, size_t len, size_t piece, char *to, size_t *out_len,
                       size_t *out_left, bool *out_done)
{
    kis_http1_chunks chunks = { 0 };
    kis_diag diag;
    size_t at = 0;
    *out_len = 0;
    kis_err err = KIS_OK;
    while (at < len && !chunks.is_done && !err) {
        kis_bytes in = kis_bytes_of(text + at, KIS_MIN(piece, len - at)), data;
        size_t given = in.len;
        while (in.len && !chunks.is_done && !err) {
            err = kis_http1_chunks_take(&chunks, &in, &data, &diag);
            if (!err && data.len)
                memcpy(to + *out_len, data.ptr, data.len);
            *out_len += err ? 0 : data.len;
        }
        at += given - in.len;
    }
    *out_left = len - at;
    *out_done = chunks.is_done;
    return err;
}

TEST(chunked_bodies_are_joined_or_refused)
{
    static const struct {
        const char *why, *text;
        kis_err want;
        const char *data;
        size_t left;
        bool is_done;
    } rows[] = {
        { "nothing", "0\r\n\r\n", KIS_OK, "", 0, true },
        { "two chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", KIS_OK, "abcde", 0, true },
        { "what follows stays", "1\r\na\r\n0\r\n\r\nGET /", KIS_OK, "a", 5, true },
        { "upper and lower hex", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", KIS_OK,
          "01234567890123456789", 0, true },
        { "extensions", "3;a=b;c=\"d\"\r\nabc\r\n0;x\r\n\r\n", KIS_OK, "abc", 0, true },
        { "trailers", "0\r\nA: b\r\nC: d\r\n\r\n", KIS_OK, "", 0, true },
        { "leading zeros", "003\r\nabc\r\n000\r\n\r\n", KIS_OK, "abc", 0, true },
        { "cut", "3\r\nab", KIS_OK, "ab", 0, false },
        { "size of 16 digits", "1111111111111111\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "size that overflows", "ffffffffffffffffff\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "zeros without end", "0000000000000000000000001\r\na\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "no size", "\r\nabc\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "negative", "-1\r\na\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "0x", "0x3\r\nabc\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "space before the size", " 3\r\nabc\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "space behind the size", "3 \r\nabc\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "LF alone behind the size", "3\nabc\r\n0\r\n\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "CR alone", "3\rabc\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "LF alone behind the data", "3\r\nabc\n0\r\n\r\n", KIS_ERR_SYNTAX, "abc", 0, false },
        { "data longer than its size", "3\r\nabcd\r\n0\r\n\r\n", KIS_ERR_SYNTAX, "abc", 0, false },
        { "LF in an extension", "3;a\nb\r\nabc\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "folded trailer", "0\r\nA: b\r\n c\r\n\r\n", KIS_ERR_SYNTAX, "", 0, false },
        { "LF alone at the end", "0\r\n\n", KIS_ERR_SYNTAX, "", 0, false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = strlen(rows[i].text);
        for (size_t piece = 1; piece <= len; piece++) {
            char data[100];
            size_t data_len, left;
            bool is_done;
            CHECK_ERR(rows[i].want,
                      unchunk(rows[i].text, len, piece, data, &data_len, &left, &is_done),
                      rows[i].why);
            CHECK_BYTES(rows[i].data, strlen(rows[i].data), kis_bytes_of(data, data_len),
                        rows[i].why);
            if (rows[i].want == KIS_OK)
                CHECK(left == rows[i].left && is_done == rows[i].is_done, rows[i].why);
        }
    }
}

TEST(chunk_lines_and_trailers_have_bounds)
{
    static char text[20000], data[10];
    size_t data_len, left;
    bool is_done;
    strcpy(text, "1;");
    memset(text + 2, 'x', 300);
    CHECK_ERR(KIS_ERR_LIMIT, unchunk(text, 302, 50, data, &data_len, &left, &is_done),
              "an extension of 300 bytes");
    size_t len = (size_t)sprintf(text, "0\r\n");
    while (len < 6000)
        len += (size_t)sprintf(text + len, "T: 1\r\n");
    CHECK_ERR(KIS_ERR_LIMIT, unchunk(text, len, 5000, data, &data_len, &left, &is_done),
              "6,000 bytes of trailers");
    /* reading data elsewhere */
    kis_http1_chunks chunks = { 0 };
    kis_bytes in = kis_bytes_of("64\r\n", 4), piece;
    CHECK_ERR(KIS_OK, kis_http1_chunks_take(&chunks, &in, &piece, NULL), "size");
    CHECK_INT(100, kis_http1_chunks_data_left(&chunks), "a hundred bytes");
    kis_http1_chunks_skip(&chunks, 60);
    CHECK_INT(40, kis_http1_chunks_data_left(&chunks), "40 left");
    kis_http1_chunks_skip(&chunks, 40);
    CHECK_INT(0, kis_http1_chunks_data_left(&chunks), "none left");
    in = kis_bytes_of("\r\n0\r\n\r\n", 7);
    CHECK_ERR(KIS_OK, kis_http1_chunks_take(&chunks, &in, &piece, NULL), "the end");
    CHECK(chunks.is_done, "done");
}

TEST_MAIN(RUN(good_requests_are_understood), RUN(fields_are_lower_case_and_trimmed),
          RUN(what_could_be_read_in_two_ways_is_refused), RUN(heads_have_bounds),
          RUN(a_head_in_pieces_is_found_where_it_ends), RUN(answers_are_understood_and_framed),
          RUN(chunked_bodies_are_joined_or_refused), RUN(chunk_lines_and_trailers_have_bounds))
