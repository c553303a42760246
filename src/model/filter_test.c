/* The meaning of filters. */
#include <math.h>
#include <string.h>

#include "model/limits.h"
#include "model/reader.h"
#include "model/test_spans.h"
#include "tests/test.h"

static kis_batch *batch;

static void make_span(void)
{
    test_spans t;
    test_alloc_reset(-1);
    test_spans_begin(&t, test_alloc);
    test_spans_resource(&t, "shop");
    test_spans_resource_str(&t, "host", "h1");
    test_spans_scope(&t, "lib", "2");
    test_spans_add(&t, &(test_span){ .trace = 1,
                                     .span = 2,
                                     .parent = 3,
                                     .name = "op",
                                     .kind = 2,
                                     .status = 2,
                                     .status_message = "no",
                                     .trace_state = "a=b",
                                     .start_ns = 100,
                                     .end_ns = 350 });
    test_spans_int(&t, "i", 9007199254740993);
    test_spans_double(&t, "d", 2.5);
    test_spans_double(&t, "nan", NAN);
    test_spans_bool(&t, "b", true);
    test_spans_str(&t, "s", "m");
    test_spans_str(&t, "twice", "1");
    test_spans_str(&t, "twice", "2");
    test_spans_array(&t, "list", "x", "y");
    test_spans_bytes(&t, "bytes", kis_bytes_of("\x01\x02", 2));
    test_spans_event(&t, "boom", 200, "e", "1");
    test_spans_link(&t, 9, 8, "l", "1");
    batch = test_spans_end(&t);
}

static bool matches(kis_filter_on on, kis_compare compare, const char *key, kis_value_view value)
{
    kis_filter f = { .op = KIS_FILTER_COMPARE,
                     .on = on,
                     .compare = compare,
                     .key = kis_str_from_c(key),
                     .value = value };
    return kis_filter_matches(&f, &batch->spans[0], &batch->resources[0], &batch->scopes[0]);
}

static kis_value_view text(const char *s)
{
    return (kis_value_view){ .kind = KIS_VALUE_STR, .str = kis_str_from_c(s) };
}
static kis_value_view integer(int64_t n)
{
    return (kis_value_view){ .kind = KIS_VALUE_INT, .integer = n };
}
static kis_value_view real(double n)
{
    return (kis_value_view){ .kind = KIS_VALUE_DOUBLE, .number = n };
}
static kis_value_view boolean(bool b)
{
    return (kis_value_view){ .kind = KIS_VALUE_BOOL, .boolean = b };
}

TEST(comparisons_mean_what_the_header_says)
{
    make_span();
    const int64_t i = 9007199254740993;
    const struct {
        const char *why;
        bool want;
        kis_filter_on on;
        kis_compare compare;
        const char *key;
        kis_value_view value;
    } rows[] = {
        { "equal integers", true, KIS_ON_SPAN_ATTR, KIS_EQ, "i", integer(i) },
        { "one more", false, KIS_ON_SPAN_ATTR, KIS_EQ, "i", integer(i + 1) },
        { "2^53 + 1 is not the double 2^53", false, KIS_ON_SPAN_ATTR, KIS_EQ, "i",
          real(9007199254740992.0) },
        { "but greater than it", true, KIS_ON_SPAN_ATTR, KIS_GT, "i", real(9007199254740992.0) },
        { "less than 2^63", true, KIS_ON_SPAN_ATTR, KIS_LT, "i", real(9223372036854775808.0) },
        { "greater than minus infinity", true, KIS_ON_SPAN_ATTR, KIS_GT, "i", real(-INFINITY) },
        { "a double against an integer below", true, KIS_ON_SPAN_ATTR, KIS_GT, "d", integer(2) },
        { "a double against an integer above", true, KIS_ON_SPAN_ATTR, KIS_LE, "d", integer(3) },
        { "equal doubles", true, KIS_ON_SPAN_ATTR, KIS_EQ, "d", real(2.5) },
        { "NaN equals nothing", false, KIS_ON_SPAN_ATTR, KIS_EQ, "nan", real(NAN) },
        { "NaN is unequal to itself", true, KIS_ON_SPAN_ATTR, KIS_NE, "nan", real(NAN) },
        { "NaN is in no order", false, KIS_ON_SPAN_ATTR, KIS_LE, "nan", real(NAN) },
        { "equal booleans", true, KIS_ON_SPAN_ATTR, KIS_EQ, "b", boolean(true) },
        { "booleans are in no order", false, KIS_ON_SPAN_ATTR, KIS_GT, "b", boolean(false) },
        { "text in byte order", true, KIS_ON_SPAN_ATTR, KIS_LT, "s", text("n") },
        { "other kinds are unequal", true, KIS_ON_SPAN_ATTR, KIS_NE, "s", integer(1) },
        { "and in no order", false, KIS_ON_SPAN_ATTR, KIS_GT, "s", integer(1) },
        { "one occurrence is enough", true, KIS_ON_SPAN_ATTR, KIS_EQ, "twice", text("2") },
        { "text form of an integer", true, KIS_ON_SPAN_ATTR, KIS_TEXT_EQ, "i",
          text("9007199254740993") },
        { "text form of a list", true, KIS_ON_SPAN_ATTR, KIS_TEXT_EQ, "list",
          text("[\"x\",\"y\"]") },
        { "text form of bytes", true, KIS_ON_SPAN_ATTR, KIS_TEXT_EQ, "bytes", text("AQI=") },
        { "missing: not equal", false, KIS_ON_SPAN_ATTR, KIS_EQ, "x", integer(1) },
        { "missing: not unequal either", false, KIS_ON_SPAN_ATTR, KIS_NE, "x", integer(1) },
        { "missing", false, KIS_ON_SPAN_ATTR, KIS_EXISTS, "x", integer(1) },
        { "there", true, KIS_ON_SPAN_ATTR, KIS_EXISTS, "nan", integer(1) },
        { "of the resource", true, KIS_ON_RESOURCE_ATTR, KIS_EQ, "host", text("h1") },
        { "not of the span", false, KIS_ON_SPAN_ATTR, KIS_EQ, "host", text("h1") },
        { "of an event", true, KIS_ON_EVENT_ATTR, KIS_EQ, "e", text("1") },
        { "of a link", true, KIS_ON_LINK_ATTR, KIS_EQ, "l", text("1") },
        { "any: of the resource", true, KIS_ON_ANY_ATTR, KIS_EQ, "host", text("h1") },
        { "any: of an event", true, KIS_ON_ANY_ATTR, KIS_EQ, "e", text("1") },
        { "any: not of a link", false, KIS_ON_ANY_ATTR, KIS_EQ, "l", text("1") },
        { "of the scope", false, KIS_ON_SCOPE_ATTR, KIS_EXISTS, "x", text("") },
        { "service", true, KIS_ON_SERVICE, KIS_EQ, "", text("shop") },
        { "name", true, KIS_ON_NAME, KIS_EQ, "", text("op") },
        { "kind", true, KIS_ON_KIND, KIS_EQ, "", integer(2) },
        { "status", true, KIS_ON_STATUS, KIS_EQ, "", integer(2) },
        { "status message", true, KIS_ON_STATUS_MESSAGE, KIS_EQ, "", text("no") },
        { "duration", true, KIS_ON_DURATION, KIS_EQ, "", integer(250) },
        { "duration, against a double", true, KIS_ON_DURATION, KIS_GT, "", real(249.5) },
        { "scope name", true, KIS_ON_SCOPE_NAME, KIS_EQ, "", text("lib") },
        { "scope version", true, KIS_ON_SCOPE_VERSION, KIS_EQ, "", text("2") },
        { "event name", true, KIS_ON_EVENT_NAME, KIS_EQ, "", text("boom") },
        { "trace state", true, KIS_ON_TRACE_STATE, KIS_EQ, "", text("a=b") },
        { "has a parent", true, KIS_ON_PARENT, KIS_EXISTS, "", integer(0) },
        { "a parent compares with nothing", false, KIS_ON_PARENT, KIS_EQ, "", integer(3) },
    };
    for (size_t n = 0; n < COUNT_OF(rows); n++)
        CHECK_INT(rows[n].want, matches(rows[n].on, rows[n].compare, rows[n].key, rows[n].value),
                  rows[n].why);
    kis_batch_unref(batch);
    CHECK_INT(0, test_alloc_live(), "nothing is left over");
}

TEST(trees_combine_and_are_bounded)
{
    make_span();
    const kis_span_view *s = &batch->spans[0];
    kis_filter yes = { .op = KIS_FILTER_COMPARE, .on = KIS_ON_NAME, .compare = KIS_EXISTS },
               no = { .op = KIS_FILTER_NOT, .part_count = 1 };
    const kis_filter *no_parts[] = { &yes };
    no.parts = no_parts;
    const kis_filter *mixed[] = { &no, &yes };
    kis_filter and_both = { .op = KIS_FILTER_AND, .parts = mixed, .part_count = 2 },
               or_both = { .op = KIS_FILTER_OR, .parts = mixed, .part_count = 2 };
    kis_filter and_none = { .op = KIS_FILTER_AND }, or_none = { .op = KIS_FILTER_OR },
               not_none = { .op = KIS_FILTER_NOT };
    const struct {
        const char *why;
        const kis_filter *f;
        bool want;
    } rows[] = {
        { "no filter", NULL, true },
        { "yes", &yes, true },
        { "not yes", &no, false },
        { "and", &and_both, false },
        { "or", &or_both, true },
        { "and of nothing", &and_none, true },
        { "or of nothing", &or_none, false },
        { "not of nothing", &not_none, false },
    };
    for (size_t n = 0; n < COUNT_OF(rows); n++)
        CHECK_INT(rows[n].want,
                  kis_filter_matches(rows[n].f, s, &batch->resources[0], &batch->scopes[0]),
                  rows[n].why);
    kis_filter chain[KIS_FILTER_DEPTH_MAX + 2];
    const kis_filter *parts[KIS_FILTER_DEPTH_MAX + 2];
    chain[0] = yes;
    for (size_t n = 1; n < COUNT_OF(chain); n++) {
        parts[n] = &chain[n - 1];
        chain[n] = (kis_filter){ .op = KIS_FILTER_AND, .parts = &parts[n], .part_count = 1 };
    }
    CHECK(kis_filter_is_shallow(&chain[KIS_FILTER_DEPTH_MAX]), "as deep as may be");
    CHECK(kis_filter_matches(&chain[KIS_FILTER_DEPTH_MAX], s, &batch->resources[0],
                             &batch->scopes[0]),
          "and it matches");
    CHECK(!kis_filter_is_shallow(&chain[KIS_FILTER_DEPTH_MAX + 1]), "one deeper");
    CHECK(!kis_filter_matches(&chain[KIS_FILTER_DEPTH_MAX + 1], s, &batch->resources[0],
                              &batch->scopes[0]),
          "matches nothing");
    kis_batch_unref(batch);
}

TEST_MAIN(RUN(comparisons_mean_what_the_header_says), RUN(trees_combine_and_are_bounded))
