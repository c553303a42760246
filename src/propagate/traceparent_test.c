/* traceparent, to the letter of W3C Trace Context level 2. */
#include "propagate/traceparent.h"

#include <string.h>

#include "tests/test.h"

#define ID16   "0af7651916cd43dd8448eb211c80319c"
#define ID8    "b7ad6b7169203331"
#define ZERO16 "00000000000000000000000000000000"
#define ZERO8  "0000000000000000"

TEST(traceparent_takes_and_refuses_what_the_specification_does)
{
    static const struct {
        const char *why;
        kis_str header;
        kis_err want;
        uint8_t flags;
    } rows[] = {
        { "the example", KIS_STR_INIT("00-" ID16 "-" ID8 "-01"), KIS_OK, 1 },
        { "not sampled", KIS_STR_INIT("00-" ID16 "-" ID8 "-00"), KIS_OK, 0 },
        { "random", KIS_STR_INIT("00-" ID16 "-" ID8 "-02"), KIS_OK, 2 },
        { "sampled and random", KIS_STR_INIT("00-" ID16 "-" ID8 "-03"), KIS_OK, 3 },
        { "flags nobody knows", KIS_STR_INIT("00-" ID16 "-" ID8 "-ff"), KIS_OK, 3 },
        { "blanks around", KIS_STR_INIT(" \t00-" ID16 "-" ID8 "-01 \t"), KIS_OK, 1 },
        { "version cc", KIS_STR_INIT("cc-" ID16 "-" ID8 "-01"), KIS_OK, 1 },
        { "tail on version cc", KIS_STR_INIT("cc-" ID16 "-" ID8 "-01-what-the-future-will-be-like"),
          KIS_OK, 1 },
        { "version fe", KIS_STR_INIT("fe-" ID16 "-" ID8 "-01-"), KIS_OK, 1 },
        { "nothing at all", KIS_STR_INIT(""), KIS_ERR_SYNTAX, 0 },
        { "one digit missing", KIS_STR_INIT("00-" ID16 "-" ID8 "-0"), KIS_ERR_SYNTAX, 0 },
        { "one digit too many", KIS_STR_INIT("00-" ID16 "-" ID8 "-011"), KIS_ERR_SYNTAX, 0 },
        { "upper-case span id", KIS_STR_INIT("00-" ID16 "-B7AD6B7169203331-01"), KIS_ERR_SYNTAX,
          0 },
        { "upper-case trace id", KIS_STR_INIT("00-0AF7651916CD43DD8448EB211C80319C-" ID8 "-01"),
          KIS_ERR_SYNTAX, 0 },
        { "upper-case flags", KIS_STR_INIT("00-" ID16 "-" ID8 "-0A"), KIS_ERR_SYNTAX, 0 },
        { "upper-case version", KIS_STR_INIT("CC-" ID16 "-" ID8 "-01"), KIS_ERR_SYNTAX, 0 },
        { "version ff", KIS_STR_INIT("ff-" ID16 "-" ID8 "-01"), KIS_ERR_SYNTAX, 0 },
        { "version is no hex", KIS_STR_INIT(".0-" ID16 "-" ID8 "-01"), KIS_ERR_SYNTAX, 0 },
        { "tail on version 00", KIS_STR_INIT("00-" ID16 "-" ID8 "-01-x"), KIS_ERR_SYNTAX, 0 },
        { "dot behind version cc", KIS_STR_INIT("cc-" ID16 "-" ID8 "-01.x"), KIS_ERR_SYNTAX, 0 },
        { "trace id all zeros", KIS_STR_INIT("00-" ZERO16 "-" ID8 "-01"), KIS_ERR_RANGE, 0 },
        { "span id all zeros", KIS_STR_INIT("00-" ID16 "-" ZERO8 "-01"), KIS_ERR_RANGE, 0 },
        { "wrong separators", KIS_STR_INIT("00_" ID16 "_" ID8 "_01"), KIS_ERR_SYNTAX, 0 },
        { "a dash moved", KIS_STR_INIT("00-" ID16 ID8 "--01"), KIS_ERR_SYNTAX, 0 },
        { "trace id is no hex", KIS_STR_INIT("00-.af7651916cd43dd8448eb211c80319c-" ID8 "-01"),
          KIS_ERR_SYNTAX, 0 },
        { "blank inside", KIS_STR_INIT("00-" ID16 "- 7ad6b7169203331-01"), KIS_ERR_SYNTAX, 0 },
        { "two, joined by a comma", KIS_STR_INIT("00-" ID16 "-" ID8 "-01,00-" ID16 "-" ID8 "-01"),
          KIS_ERR_SYNTAX, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_span_context ctx = { .flags = 0x5a };
        CHECK_ERR(rows[i].want, kis_traceparent_parse(rows[i].header, &ctx), rows[i].why);
        if (rows[i].want != KIS_OK) {
            CHECK_INT(0x5a, ctx.flags, "a refused header leaves `out` alone");
            continue;
        }
        CHECK_INT(rows[i].flags, ctx.flags, rows[i].why);
        CHECK(ctx.is_remote, "it came from elsewhere");
        CHECK_INT(0x0a, ctx.trace_id.bytes[0], rows[i].why);
        CHECK_INT(0x9c, ctx.trace_id.bytes[15], rows[i].why);
        CHECK_INT(0xb7, ctx.span_id.bytes[0], rows[i].why);
        CHECK_INT(0x31, ctx.span_id.bytes[7], rows[i].why);
    }
}

TEST(traceparent_cut_anywhere_is_refused)
{
    static const char header[] = "00-" ID16 "-" ID8 "-01";
    for (size_t len = 0; len < sizeof header - 1; len++) {
        char *copy = malloc(len ? len : 1); /* of just that size, for the sanitizer */
        kis_span_context ctx;
        memcpy(copy, header, len);
        CHECK_ERR(KIS_ERR_SYNTAX, kis_traceparent_parse(kis_str_of(copy, len), &ctx), "too short");
        free(copy);
    }
}

TEST(traceparent_written_reads_back)
{
    kis_span_context ctx, again;
    char text[KIS_TRACEPARENT_LEN];
    for (unsigned flags = 0; flags < 256; flags++) {
        CHECK_ERR(KIS_OK, kis_traceparent_parse(KIS_STR("cc-" ID16 "-" ID8 "-00-tail"), &ctx),
                  "a later version");
        ctx.flags = (uint8_t)flags;
        kis_traceparent_format(&ctx, text);
        CHECK_ERR(KIS_OK, kis_traceparent_parse(kis_str_of(text, sizeof text), &again),
                  "reads back");
        CHECK(memcmp(text, "00-" ID16 "-" ID8 "-0", 54) == 0, "as version 00");
        CHECK_INT(flags & 3, again.flags, "sampled and random travel, the other bits are zero");
    }
}

TEST_MAIN(RUN(traceparent_takes_and_refuses_what_the_specification_does),
          RUN(traceparent_cut_anywhere_is_refused), RUN(traceparent_written_reads_back))
