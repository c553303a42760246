/* tracestate, to the letter of W3C Trace Context level 2. */
#include "propagate/tracestate.h"

#include <string.h>

#include "tests/test.h"

static char many[8192];

static kis_str repeat(char c, size_t count, const char *tail)
{
    memset(many, c, count);
    strcpy(many + count, tail);
    return kis_str_from_c(many);
}

/* "k0=1,k1=1,…" */
static kis_str members(int count)
{
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += (size_t)sprintf(many + len, "%sk%d=1", i ? "," : "", i);
    return kis_str_of(many, len);
}

TEST(tracestate_takes_and_refuses_what_the_specification_does)
{
    static const struct {
        const char *why;
        const char *header;
        kis_err want;
        const char *formatted;
    } rows[] = {
        { "one", "foo=1", KIS_OK, "foo=1" },
        { "two keep their order", "foo=1,bar=2", KIS_OK, "foo=1,bar=2" },
        { "blanks around members", "foo=1 \t , \t bar=2, \t baz=3 ", KIS_OK, "foo=1,bar=2,baz=3" },
        { "empty members", ",foo=1,,\t,bar=2,", KIS_OK, "foo=1,bar=2" },
        { "nothing", "", KIS_OK, "" },
        { "only blanks", " \t ", KIS_OK, "" },
        { "the first of a repeated key", "foo=1,bar=2,foo=3", KIS_OK, "foo=1,bar=2" },
        { "key begins with a digit", "0foo=1", KIS_OK, "0foo=1" },
        { "all characters of a key", "a0_-*/@b@c=1", KIS_OK, "a0_-*/@b@c=1" },
        { "all printable of a value", "foo= !\"#$%&'()*+-./0:;<>?@AZ[\\]^_`az{|}~", KIS_OK,
          "foo= !\"#$%&'()*+-./0:;<>?@AZ[\\]^_`az{|}~" },
        { "blank before the value", "foo= 1", KIS_OK, "foo= 1" },
        { "no key", "=1", KIS_ERR_SYNTAX, NULL },
        { "no value", "foo=", KIS_ERR_SYNTAX, NULL },
        { "no equals sign", "foo", KIS_ERR_SYNTAX, NULL },
        { "two equals signs", "foo=bar=baz", KIS_ERR_SYNTAX, NULL },
        { "upper-case key", "FOO=1", KIS_ERR_SYNTAX, NULL },
        { "dot in a key", "foo.bar=1", KIS_ERR_SYNTAX, NULL },
        { "key begins with @", "@foo=1", KIS_ERR_SYNTAX, NULL },
        { "blank behind the key", "foo =1", KIS_ERR_SYNTAX, NULL },
        { "blank in the key", "foo bar=1", KIS_ERR_SYNTAX, NULL },
        { "tab in a value", "foo=1\t2", KIS_ERR_SYNTAX, NULL },
        { "non-ASCII value", "foo=\xc3\xa9", KIS_ERR_SYNTAX, NULL },
        { "delete in a value", "foo=\x7f", KIS_ERR_SYNTAX, NULL },
        { "one bad member discards all", "foo=1,B=2,baz=3", KIS_ERR_SYNTAX, NULL },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_tracestate state = { .count = 77 };
        char text[512];
        CHECK_ERR(rows[i].want, kis_tracestate_parse(kis_str_from_c(rows[i].header), &state),
                  rows[i].why);
        if (rows[i].want != KIS_OK)
            CHECK_INT(77, state.count, "a refused header leaves `out` alone");
        else
            CHECK_STR(rows[i].formatted,
                      kis_str_of(text, kis_tracestate_format(&state, text, sizeof text)),
                      rows[i].why);
    }
}

TEST(tracestate_holds_to_its_bounds)
{
    kis_tracestate state;
    CHECK_ERR(KIS_OK, kis_tracestate_parse(repeat('a', 256, "=1"), &state), "a key of 256");
    CHECK_ERR(KIS_ERR_SYNTAX, kis_tracestate_parse(repeat('a', 257, "=1"), &state), "a key of 257");
    kis_str value = repeat('v', 256, "");
    CHECK(kis_tracestate_value_is_valid(value), "a value of 256");
    CHECK(!kis_tracestate_value_is_valid(repeat('v', 257, "")), "a value of 257");
    CHECK_ERR(KIS_OK, kis_tracestate_parse(members(32), &state), "32 members");
    CHECK_INT(32, state.count, "all of them");
    CHECK_ERR(KIS_ERR_LIMIT, kis_tracestate_parse(members(33), &state), "33 members");
}

TEST(tracestate_changes_move_to_the_front)
{
    kis_tracestate state;
    kis_str value;
    char text[512];
    CHECK_ERR(KIS_OK, kis_tracestate_parse(KIS_STR("a=1,b=2,c=3"), &state), "three");
    CHECK_ERR(KIS_OK, kis_tracestate_set(&state, KIS_STR("c"), KIS_STR("4")), "changed");
    CHECK_STR("c=4,a=1,b=2", kis_str_of(text, kis_tracestate_format(&state, text, sizeof text)),
              "to the front");
    CHECK_ERR(KIS_OK, kis_tracestate_set(&state, KIS_STR("d"), KIS_STR("5")), "new");
    CHECK_STR("d=5,c=4,a=1,b=2", kis_str_of(text, kis_tracestate_format(&state, text, sizeof text)),
              "to the front");
    CHECK_ERR(KIS_ERR_SYNTAX, kis_tracestate_set(&state, KIS_STR("A"), KIS_STR("5")), "not a key");
    CHECK_ERR(KIS_ERR_SYNTAX, kis_tracestate_set(&state, KIS_STR("a"), KIS_STR("x,y")),
              "not a value");
    CHECK(kis_tracestate_remove(&state, KIS_STR("a")), "it was there");
    CHECK(!kis_tracestate_remove(&state, KIS_STR("a")), "it is gone");
    CHECK_STR("d=5,c=4,b=2", kis_str_of(text, kis_tracestate_format(&state, text, sizeof text)),
              "the others stay");
    CHECK(kis_tracestate_get(&state, KIS_STR("b"), &value), "found");
    CHECK_STR("2", value, "its value");
    CHECK(!kis_tracestate_get(&state, KIS_STR("a"), &value), "not found");
    CHECK_ERR(KIS_OK, kis_tracestate_parse(members(32), &state), "full");
    CHECK_ERR(KIS_OK, kis_tracestate_set(&state, KIS_STR("new"), KIS_STR("1")), "one more");
    CHECK_INT(32, state.count, "the last one went");
    CHECK(!kis_tracestate_get(&state, KIS_STR("k31"), &value), "it was the oldest");
}

TEST(tracestate_is_written_in_whole_members)
{
    kis_tracestate state;
    char text[16];
    static const size_t want[] = { 0, 0, 0, 3, 3, 3, 3, 7, 7, 7, 7, 11, 11 };
    CHECK_ERR(KIS_OK, kis_tracestate_parse(KIS_STR("a=1,b=2,c=3"), &state), "three");
    for (size_t size = 0; size < COUNT_OF(want); size++)
        CHECK_INT(want[size], kis_tracestate_format(&state, text, size), "no half member");
}

TEST_MAIN(RUN(tracestate_takes_and_refuses_what_the_specification_does),
          RUN(tracestate_holds_to_its_bounds), RUN(tracestate_changes_move_to_the_front),
          RUN(tracestate_is_written_in_whole_members))
