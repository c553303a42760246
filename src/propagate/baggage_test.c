/* W3C Baggage: what is read, left out, bounded, and written. */
#include "propagate/baggage.h"

#include <string.h>

#include "tests/test.h"

#define FFFD "\xef\xbf\xbd"

TEST(baggage_reads_what_may_travel)
{
    static const struct {
        const char *why;
        const char *header;
        kis_err want;
        uint32_t count;
        const char *name, *value, *metadata;
    } rows[] = {
        { "one", "a=1", KIS_OK, 1, "a", "1", "" },
        { "blanks everywhere", " a \t= 1 ; p = q ;r , b=2", KIS_OK, 2, "a", "1", "p = q ;r" },
        { "percent coding", "user=J%C3%BCrgen%20%2C%3B%3D", KIS_OK, 1, "user", "Jürgen ,;=", "" },
        { "lower-case codes", "a=%c3%bc", KIS_OK, 1, "a", "ü", "" },
        { "an equals sign", "a=b=c", KIS_OK, 1, "a", "b=c", "" },
        { "an empty value", "a=", KIS_OK, 1, "a", "", "" },
        { "all other octets", "a=!#$&'()*+-./09:<=>?@AZ[]^_`az{|}~", KIS_OK, 1, "a",
          "!#$&'()*+-./09:<=>?@AZ[]^_`az{|}~", "" },
        { "names keep their case", "Ab=1,aB=2", KIS_OK, 2, "Ab", "1", "" },
        { "the last of a name", "a=1,b=2,a=3", KIS_OK, 2, "a", "3", "" },
        { "empty members", ",,a=1,", KIS_OK, 1, "a", "1", "" },
        { "a percent sign alone", "a=100%", KIS_OK, 1, "a", "100%", "" },
        { "a code cut short", "a=%4", KIS_OK, 1, "a", "%4", "" },
        { "a code that is none", "a=%zz", KIS_OK, 1, "a", "%zz", "" },
        { "codes that are no UTF-8", "a=x%FF%C3y", KIS_OK, 1, "a", "x" FFFD FFFD "y", "" },
        { "only bad codes", "a=%FF%FF%FF", KIS_OK, 1, "a", FFFD FFFD FFFD, "" },
        { "metadata without value", "a=1;secret", KIS_OK, 1, "a", "1", "secret" },
        { "no equals sign", "a,b=2", KIS_ERR_SYNTAX, 1, "b", "2", "" },
        { "no name", "=1,b=2", KIS_ERR_SYNTAX, 1, "b", "2", "" },
        { "a name that is no token", "a(=1,b=2", KIS_ERR_SYNTAX, 1, "b", "2", "" },
        { "a quote in a value", "a=\"1\",b=2", KIS_ERR_SYNTAX, 1, "b", "2", "" },
        { "a blank in a value", "a=1 2,b=2", KIS_ERR_SYNTAX, 1, "b", "2", "" },
        { "raw UTF-8", "a=\xc3\xbc,b=2", KIS_ERR_SYNTAX, 1, "b", "2", "" },
        { "a control in metadata", "a=1;\x01,b=2", KIS_ERR_SYNTAX, 1, "b", "2", "" },
        { "nothing", "", KIS_OK, 0, NULL, NULL, NULL },
    };
    static kis_baggage baggage;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(&baggage, 0, sizeof baggage);
        CHECK_ERR(rows[i].want, kis_baggage_parse(&baggage, kis_str_from_c(rows[i].header)),
                  rows[i].why);
        CHECK_INT(rows[i].count, baggage.count, rows[i].why);
        if (!rows[i].name)
            continue;
        const kis_baggage_member *m = kis_baggage_find(&baggage, kis_str_from_c(rows[i].name));
        CHECK(m != NULL, rows[i].why);
        CHECK_STR(rows[i].value, m->value, rows[i].why);
        CHECK_STR(rows[i].metadata, m->metadata, rows[i].why);
    }
}

static char text[3 * KIS_BAGGAGE_BYTES_MAX];

TEST(baggage_bounds_hold_over_all_headers)
{
    static kis_baggage baggage;
    memset(&baggage, 0, sizeof baggage);
    for (int i = 0; i < 100; i++) {
        int len = sprintf(text, "name%d=%0100d", i, i); /* 106 or 107 bytes */
        kis_err err = kis_baggage_parse(&baggage, kis_str_of(text, (size_t)len));
        CHECK_ERR(i < 76 ? KIS_OK : KIS_ERR_LIMIT, err, "8192 bytes over all headers");
    }
    CHECK_INT(76, baggage.count, "what fitted is there");

    memset(&baggage, 0, sizeof baggage);
    size_t len = 0;
    for (int i = 0; i < 200; i++)
        len += (size_t)sprintf(text + len, "%sn%d=1", i ? "," : "", i);
    CHECK_ERR(KIS_ERR_LIMIT, kis_baggage_parse(&baggage, kis_str_of(text, len)),
              "more members than there may be");
    CHECK_INT(KIS_BAGGAGE_MEMBERS_MAX, baggage.count, "the first are kept");

    memset(&baggage, 0, sizeof baggage);
    memset(text, 'x', sizeof text);
    memcpy(text, "a=1,b=", 6);
    CHECK_ERR(KIS_ERR_LIMIT, kis_baggage_parse(&baggage, kis_str_of(text, sizeof text)),
              "one member over the bound");
    CHECK_INT(1, baggage.count, "is left out whole, the one before is kept");
}

TEST(baggage_of_64_members_and_8192_bytes_passes)
{
    static kis_baggage baggage, again;
    static char out[KIS_BAGGAGE_BYTES_MAX];
    memset(&baggage, 0, sizeof baggage);
    size_t len = 0;
    for (int i = 0; i < 64; i++)
        len += (size_t)sprintf(text + len, "%skey%02d=%0*d", i ? "," : "", i, i == 0 ? 122 : 121,
                               i); /* 64 times 128, less a comma: 8192 */
    CHECK_INT(8192, len, "just as many as must pass");
    CHECK_ERR(KIS_OK, kis_baggage_parse(&baggage, kis_str_of(text, len)), "taken");
    CHECK_INT(64, baggage.count, "all members");
    size_t written = kis_baggage_format(&baggage, out, sizeof out);
    CHECK_BYTES(text, len, kis_bytes_of(out, written), "written as it came");
    memset(&again, 0, sizeof again);
    CHECK_ERR(KIS_OK, kis_baggage_parse(&again, kis_str_of(out, written)), "and read again");
}

TEST(baggage_written_reads_back)
{
    static kis_baggage baggage, again;
    char out[256];
    memset(&baggage, 0, sizeof baggage);
    memset(&again, 0, sizeof again);
    CHECK_ERR(KIS_OK,
              kis_baggage_put(&baggage, KIS_STR("user"), KIS_STR("Jürgen, 100% \"sure\";\\"),
                              KIS_STR("p=1;q")),
              "any value");
    CHECK_ERR(KIS_OK, kis_baggage_put(&baggage, KIS_STR("b"), KIS_STR(""), KIS_STR("")),
              "an empty one");
    CHECK_ERR(KIS_ERR_SYNTAX,
              kis_baggage_put(&baggage, KIS_STR("no token"), KIS_STR("1"), KIS_STR("")),
              "a name that cannot travel");
    CHECK_ERR(KIS_ERR_SYNTAX, kis_baggage_put(&baggage, KIS_STR(""), KIS_STR("1"), KIS_STR("")),
              "no name");
    CHECK_ERR(KIS_ERR_SYNTAX,
              kis_baggage_put(&baggage, KIS_STR("c"), KIS_STR("1"), KIS_STR("a,b=2")),
              "metadata that would be a member");
    size_t len = kis_baggage_format(&baggage, out, sizeof out);
    CHECK_STR("user=J%C3%BCrgen%2C%20100%25%20%22sure%22%3B%5C;p=1;q,b=", kis_str_of(out, len),
              "percent coding");
    CHECK_ERR(KIS_OK, kis_baggage_parse(&again, kis_str_of(out, len)), "reads back");
    CHECK_STR("Jürgen, 100% \"sure\";\\", kis_baggage_find(&again, KIS_STR("user"))->value,
              "the same value");
    CHECK_STR("p=1;q", kis_baggage_find(&again, KIS_STR("user"))->metadata, "the same metadata");
    CHECK(kis_baggage_take_out(&again, KIS_STR("user")), "taken out");
    CHECK(!kis_baggage_take_out(&again, KIS_STR("user")), "once");
    CHECK_INT(1, again.count, "the other one stays");
    for (size_t size = 0; size < len; size++) {
        size_t got = kis_baggage_format(&baggage, out, size);
        CHECK(got == 0 || got == 2 || got == len - 3, "whole members only");
    }
}

TEST_MAIN(RUN(baggage_reads_what_may_travel), RUN(baggage_bounds_hold_over_all_headers),
          RUN(baggage_of_64_members_and_8192_bytes_passes), RUN(baggage_written_reads_back))
