/* client_h1_test.c - what is HTTP/1.1's own in the client: every form of an answer, and answers
 * that are none. The peers misbehave by script. */
#include "net/test_client.h"

static const struct answer_row {
    const char *why, *method;
    kis_str says;
    kis_err err;
    int status;
    const char *body; /* or what the diag says */
} answer_rows[] = {
    { "a length", "GET", KIS_STR_INIT(OK_HEAD "Content-Length: 2\r\n\r\nok"), KIS_OK, 200, "ok" },
    { "no reason phrase", "GET", KIS_STR_INIT("HTTP/1.1 503 \r\ncontent-length: 1\r\n\r\nx"),
      KIS_OK, 503, "x" },
    { "chunked, with trailers", "GET",
      KIS_STR_INIT(
          OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n"),
      KIS_OK, 200, "abcde" },
    { "until the connection ends", "GET", KIS_STR_INIT(OK_HEAD "\r\nall of this"), KIS_OK, 200,
      "all of this" },
    { "HTTP/1.0", "GET", KIS_STR_INIT("HTTP/1.0 200 OK\r\n\r\nold"), KIS_OK, 200, "old" },
    { "1xx first", "GET",
      KIS_STR_INIT(
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" OK_HEAD
          "Content-Length: 2\r\n\r\nok"),
      KIS_OK, 200, "ok" },
    { "204 has no body", "GET", KIS_STR_INIT("HTTP/1.1 204 No Content\r\n\r\n"), KIS_OK, 204, "" },
    { "304 has none whatever its length", "GET",
      KIS_STR_INIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), KIS_OK, 304, "" },
    { "HEAD neither", "HEAD", KIS_STR_INIT(OK_HEAD "Content-Length: 9\r\n\r\n"), KIS_OK, 200, "" },
    { "length 0", "GET",
      KIS_STR_INIT("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), KIS_OK,
      400, "" },
    { "HTTP/2 settings", "GET", KIS_STR_INIT("\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64"), KIS_ERR_SYNTAX, 0,
      "speaks HTTP/2, not HTTP/1.1" },
    { "a TLS alert", "GET", KIS_STR_INIT("\x15\3\1\0\2\2\x46"), KIS_ERR_SYNTAX, 0,
      "speaks TLS: want https://" },
    { "something else", "GET", KIS_STR_INIT("SSH-2.0-OpenSSH\r\n\r\n"), KIS_ERR_SYNTAX, 0,
      "the head of the answer: line 1" },
    { "binary", "GET", KIS_STR_INIT("\x80\x81\x82"), KIS_ERR_SYNTAX, 0, "does not speak HTTP/1.1" },
    { "HTTP/2.0 in words", "GET", KIS_STR_INIT("HTTP/2.0 200 OK\r\n\r\n"), KIS_ERR_SYNTAX, 0,
      "only HTTP/1.1" },
    { "two lengths", "GET",
      KIS_STR_INIT(OK_HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"), KIS_ERR_SYNTAX, 0,
      "Content-Length twice" },
    { "a length that is none", "GET", KIS_STR_INIT(OK_HEAD "Content-Length: two\r\n\r\nok"),
      KIS_ERR_SYNTAX, 0, "not a number" },
    { "length and chunked", "GET",
      KIS_STR_INIT(OK_HEAD "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      KIS_ERR_SYNTAX, 0, "together" },
    { "a bad chunk", "GET", KIS_STR_INIT(OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
      KIS_ERR_SYNTAX, 0, "chunked body" },
    { "101", "GET", KIS_STR_INIT("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
      KIS_ERR_SYNTAX, 0, "nobody asked for" },
    { "cut in the head", "GET", KIS_STR_INIT("HTTP/1.1 200 O"), KIS_ERR_IO, 0,
      "middle of the answer" },
    { "cut in the body", "GET", KIS_STR_INIT(OK_HEAD "Content-Length: 9\r\n\r\nhalf"), KIS_ERR_IO,
      0, "middle of the answer" },
    { "cut in a chunk", "GET", KIS_STR_INIT(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n9\r\nhalf"),
      KIS_ERR_IO, 0, "middle of the answer" },
    { "cut before the last chunk", "GET",
      KIS_STR_INIT(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), KIS_ERR_IO, 0,
      "middle of the answer" },
    { "no answer", "GET", KIS_STR_INIT(""), KIS_ERR_IO, 0,
      "before an answer came; does it speak TLS? https://" },
    { "a length above the bound", "GET", KIS_STR_INIT(OK_HEAD "Content-Length: 101\r\n\r\n"),
      KIS_ERR_LIMIT, 0, "larger than the limit" },
    { "an absurd length", "GET", KIS_STR_INIT(OK_HEAD "Content-Length: 999999999999999999\r\n\r\n"),
      KIS_ERR_LIMIT, 0, "larger than the limit" },
    { "chunks above the bound", "GET",
      KIS_STR_INIT(
          OK_HEAD
          "Transfer-Encoding: "
          "chunked\r\n\r\n40\r\n0123456789012345678901234567890123456789012345678901234567890123\r"
          "\n40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n0\r\n\r\n"),
      KIS_ERR_LIMIT, 0, "larger than the limit" },
    { "a chunk of 2^60 bytes", "GET",
      KIS_STR_INIT(OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
      KIS_ERR_SYNTAX, 0, "chunked body" },
};

TEST(every_form_of_answer_is_read_as_it_is_meant)
{
    for (size_t i = 0; i < 2 * COUNT_OF(answer_rows); i++) {
        const struct answer_row *row = &answer_rows[i / 2];
        peer p;
        test_client tc;
        ask a;
        peer_start(&p, i % 2 ? script_bytewise : script_once, &row->says);
        kis_client_options options = to_port(p.port, false);
        options.max_answer_bytes = 100;
        client_start(&tc, &options);
        ask_now(&a, &tc, row->method, "/", NULL, 0);
        if (a.err != row->err)
            fail_msg("%s: %s", row->why, a.diag);
        CHECK_INT(row->status, a.status, row->why);
        CHECK(a.was_sent && !a.was_refused, row->why);
        if (a.err)
            CHECK(strstr(a.diag, row->body) && strstr(a.diag, "127.0.0.1:"), a.diag);
        else
            CHECK_STR(row->body, kis_str_of(a.body, a.body_len), row->why);
        CHECK_INT(1, atomic_load(&p.accepted), "on one connection");
        ask_done(&a);
        client_stop(&tc);
        peer_stop(&p);
    }
}

static void script_large_head(peer *p)
{
    int fd = peer_accept(p);
    peer_read_request(p, fd);
    test_send_text(fd, OK_HEAD);
    for (int i = 0;
         i < 400 &&
         test_send_text(
             fd, "x-padding: "
                 "0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
         i++)
        ;
    CHECK(test_is_closed(fd), "the client gives up");
    close(fd);
}

static void script_interim_flood(peer *p)
{
    int fd = peer_accept(p);
    peer_read_request(p, fd);
    for (int i = 0; i < 100 && test_send_text(fd, "HTTP/1.1 102 Processing\r\n\r\n"); i++)
        ;
    CHECK(test_is_closed(fd), "the client gives up");
    close(fd);
}

TEST(heads_without_end_are_given_up)
{
    void (*const scripts[])(peer *) = { script_large_head, script_interim_flood };
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        peer p;
        test_client tc;
        ask a;
        peer_start(&p, scripts[i], NULL);
        client_start_to(&tc, p.port, false);
        get(&a, &tc, "/");
        CHECK_ERR(KIS_ERR_LIMIT, a.err, a.diag);
        ask_done(&a);
        client_stop(&tc);
        peer_stop(&p);
    }
}

TEST_MAIN(RUN(every_form_of_answer_is_read_as_it_is_meant), RUN(heads_without_end_are_given_up))
