/* What the public headers do alone: nothing of libkiseki is in this program, because nothing here
 * asks the linker for it. */
#include "tests/test.h"

#include <kiseki/kiseki.h>

static const kis_span_context parent = {
    .trace_id = { { 1 } }, .span_id = { { 2 } }, .flags = KIS_FLAG_SAMPLED, .is_remote = true
};

static kis_context with_parent(void)
{
    return kis_context_with_span_context(kis_context_none(), &parent);
}

static bool has_parent(kis_context context)
{
    kis_span_context got;
    return kis_context_get_span_context(context, &got, NULL, 0) && got.trace_id.bytes[0] == 1 &&
           got.span_id.bytes[0] == 2 && got.flags == KIS_FLAG_SAMPLED && got.is_remote;
}

TEST(ids_of_zeros_change_nothing)
{
    static const struct {
        const char *why;
        kis_span_context ids;
    } rows[] = {
        { "none at all", { .flags = 1 } },
        { "a trace without a span", { .trace_id = { { 7 } } } },
        { "a span without a trace", { .span_id = { { 7 } } } },
    };
    CHECK(!kis_api_here(), "no SDK");
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK(has_parent(kis_context_with_span_context(with_parent(), &rows[i].ids)), rows[i].why);
}

TEST(a_context_that_was_never_set_is_the_current_one)
{
    const kis_span_context zeros = { .flags = 0 };
    const kis_context unset = { ._is_set = 0 };
    kis_context_scope outer, inner;

    CHECK(!has_parent(kis_context_current()), "nothing was entered");
    kis_context_enter(&outer, with_parent());
    CHECK(has_parent(kis_context_current()), "entered");
    CHECK(has_parent(kis_context_with_span_context(unset, &zeros)), "it stands for the current");
    kis_context_enter(&inner, unset);
    CHECK(has_parent(kis_context_current()), "entering it keeps the current one");
    kis_context_leave(&inner);
    CHECK(has_parent(kis_context_current()), "and so does leaving it");
    kis_context_enter(&inner, kis_context_none());
    CHECK(!has_parent(kis_context_current()), "the empty context is another matter");
    kis_context_leave(&inner);
    kis_context_leave(&outer);
    CHECK(!has_parent(kis_context_current()), "nothing is left behind");
}

KIS_TRACER(tracer, "test", "1.0")

TEST(a_parent_is_current_below_a_span_that_nobody_records)
{
    int calls = 0;
    {
        KIS_SPAN(outer, tracer(), "outer", .parent = with_parent(),
                 .attrs = KIS_ATTRS(KIS_KV("a", ++calls)));
        CHECK(has_parent(kis_context_current()), "the parent");
        CHECK(!kis_span_wants(outer), "nobody records");
        KIS_SPAN(inner, tracer(), "inner", .kind = KIS_SPAN_KIND_CLIENT);
        kis_span_set(inner, KIS_KV("a", ++calls));
        CHECK(has_parent(kis_context_current()), "it passes through a span that names none");
        {
            KIS_SPAN(other, tracer(), "other", .parent = kis_context_none());
            CHECK(!has_parent(kis_context_current()), "of another trace");
        }
        CHECK(has_parent(kis_context_current()), "it is back");
    }
    CHECK(!has_parent(kis_context_current()), "nothing is left behind");
    kis_span span = kis_span_start(tracer(), "by hand", .parent = with_parent());
    CHECK(has_parent(kis_context_with_span(with_parent(), span)), "by hand");
    kis_span_end(span);
    CHECK_INT(0, calls, "attributes are not evaluated");
}

TEST_MAIN(RUN(a_parent_is_current_below_a_span_that_nobody_records),
          RUN(ids_of_zeros_change_nothing), RUN(a_context_that_was_never_set_is_the_current_one))
