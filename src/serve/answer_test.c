/* answer_test.c - small answers leave whole, large ones in pieces; what fails is cut where the
 * reader sees it. */
#include "tests/test.h"

#include "os/mem.h"
#include "serve/test_answer.h"

static test_answer got;
static kis_answer_writer out;

static void begin_answer(void)
{
    test_answer_init(&got);
    kis_answer_init(&out, &got.to, &kis_mem);
}

static void end_answer(void)
{
    kis_answer_done(&out);
    test_answer_done(&got);
}

TEST(a_small_answer_leaves_whole_with_its_head)
{
    begin_answer();
    kis_buf_add_str(&out.buf, KIS_STR("{}"));
    CHECK(kis_answer_flush(&out), "nothing leaves yet");
    CHECK_INT(0, got.pieces, "nothing has left");
    kis_answer_add_header(&out, KIS_STR("x-a"), KIS_STR("b"));
    kis_answer_finish(&out);
    kis_answer_finish(&out);
    CHECK_STR("{}", kis_buf_str(&got.body), "the body");
    CHECK_INT(1, got.answers, "once");
    CHECK(!got.has_begun, "not streamed");
    CHECK_STR("application/json", test_answer_header(&got, "content-type"), "what it is");
    CHECK_STR("b", test_answer_header(&got, "x-a"), "a header of one's own");
    end_answer();
}

TEST(a_large_answer_streams_and_ends_complete)
{
    enum { WRITES = 3000 };
    char piece[100];

    memset(piece, 'x', sizeof(piece));
    begin_answer();
    for (int i = 0; i < WRITES; i++) {
        kis_buf_add(&out.buf, piece, sizeof(piece));
        CHECK(kis_answer_flush(&out), "goes on");
        CHECK(out.buf.len < KIS_ANSWER_PIECE_BYTES + sizeof(piece), "memory is bounded by a piece");
    }
    kis_answer_finish(&out);
    CHECK(got.has_begun && got.is_complete, "streamed to its end");
    CHECK_INT(WRITES * sizeof(piece), got.body.len, "every byte");
    CHECK(got.pieces >= 4, "in pieces");
    end_answer();
}

TEST(a_reader_that_goes_away_stops_the_writing)
{
    begin_answer();
    got.fail_after = 1;
    bool goes_on = true;
    for (int i = 0; i < 10000 && goes_on; i++) {
        kis_buf_add_fmt(&out.buf, "%064d", i);
        goes_on = kis_answer_flush(&out);
    }
    CHECK(!goes_on, "the writer is told");
    CHECK_ERR(KIS_ERR_CLOSED, out.err, "why");
    kis_answer_finish(&out);
    CHECK(!got.is_complete, "the end is marked as a cut");
    end_answer();
}

TEST(an_answer_can_turn_into_an_error_until_its_first_piece_has_left)
{
    begin_answer();
    kis_buf_add_str(&out.buf, KIS_STR("half of it"));
    CHECK(kis_answer_restart(&out), "nothing has left");
    out.status = 500;
    kis_buf_add_str(&out.buf, KIS_STR("sorry"));
    kis_answer_finish(&out);
    CHECK_INT(500, got.status, "the error's status");
    CHECK_STR("sorry", kis_buf_str(&got.body), "the error's words alone");
    end_answer();

    begin_answer();
    for (int i = 0; i < 2000; i++) {
        kis_buf_add_fmt(&out.buf, "%064d", i);
        kis_answer_flush(&out);
    }
    CHECK(got.has_begun, "a piece has left");
    CHECK(!kis_answer_restart(&out), "too late");
    CHECK(!got.is_complete, "cut");
    kis_answer_finish(&out);
    CHECK_INT(1, got.ends, "and ended once");
    end_answer();
}

TEST(gzip_is_for_those_who_take_it_and_bodies_that_are_worth_it)
{
    static const struct {
        const char *why;
        bool accepts;
        size_t len;
        bool want;
    } rows[] = { { "asked for", true, 5000, true },
                 { "not asked for", false, 5000, false },
                 { "too small", true, 100, false } };
    kis_codecs *codecs = kis_codecs_new(&kis_mem);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_answer();
        out.codecs = codecs;
        out.accepts_gzip = rows[i].accepts;
        for (size_t n = 0; n < rows[i].len; n++)
            kis_buf_add_byte(&out.buf, 'a');
        kis_answer_finish(&out);
        CHECK_INT(rows[i].want,
                  kis_str_eq(test_answer_header(&got, "content-encoding"), KIS_STR("gzip")),
                  rows[i].why);
        if (rows[i].want) {
            kis_buf plain;
            kis_buf_init(&plain, &kis_mem, 1 << 20);
            CHECK_ERR(
                KIS_OK,
                kis_decompress(codecs, KIS_CODING_GZIP, kis_buf_bytes(&got.body), &plain, NULL),
                "it is gzip");
            CHECK_INT(rows[i].len, plain.len, "of the whole body");
            kis_buf_done(&plain);
        }
        end_answer();
    }
    kis_codecs_free(codecs);
}

TEST(accept_encoding_is_read)
{
    static const struct {
        const char *header;
        bool want;
    } rows[] = { { "gzip", true },           { "", false },
                 { "br, gzip;q=0.8", true }, { "GZIP", true },
                 { "gzip;q=0", false },      { "*", true },
                 { "*;q=0", false },         { "deflate, br", false },
                 { "gzip; q=0.0", false },   { "*, gzip;q=0", false },
                 { "x-gzip", true } };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_INT(rows[i].want, kis_accepts_gzip(kis_str_from_c(rows[i].header)), rows[i].header);
}

TEST_MAIN(RUN(a_small_answer_leaves_whole_with_its_head),
          RUN(a_large_answer_streams_and_ends_complete),
          RUN(a_reader_that_goes_away_stops_the_writing),
          RUN(an_answer_can_turn_into_an_error_until_its_first_piece_has_left),
          RUN(gzip_is_for_those_who_take_it_and_bodies_that_are_worth_it),
          RUN(accept_encoding_is_read))
