/* tree_test.c - parents, orphans, cycles, depth, size: what any set of spans becomes is a forest,
 * and it says what was odd. */
#include "tests/test.h"

#include "base/num.h"
#include "os/mem.h"
#include "query/test_reader.h"
#include "query/tree.h"

static kis_arena arena;
static kis_tree tree;

static void begin_tree(void)
{
    kis_arena_init(&arena, &kis_mem, (size_t)256 << 20);
    kis_tree_init(&tree, &arena);
}

static void add(uint64_t id, uint64_t parent, uint8_t kind)
{
    kis_span_view span = { .span_id = test_span_id(id),
                           .parent_id = test_span_id(parent),
                           .kind = kind };
    CHECK(kis_tree_add(&tree, &span, 0), "there is room for a row");
}

static void link_tree(void)
{
    kis_diag diag;
    CHECK_ERR(KIS_OK, kis_tree_link(&tree, &diag), "linking");
}

/* The order of drawing as text: "1 .2 ..3 .4", dots for depth, row ids by their last byte. */
static kis_str drawn(char room[1024])
{
    kis_buf out;
    kis_buf_init_fixed(&out, room, 1024);
    for (kis_tree_walk w = { .at = KIS_TREE_NONE }; kis_tree_next(&tree, &w);) {
        if (out.len)
            kis_buf_add_byte(&out, ' ');
        for (uint32_t i = 0; i < w.depth; i++)
            kis_buf_add_byte(&out, '.');
        kis_buf_add_u64(&out, kis_tree_at(&tree, w.at)->span_id.bytes[7]);
    }
    return kis_buf_str(&out);
}

TEST(spans_become_a_forest)
{
    static const struct {
        const char *why;
        struct {
            uint64_t id, parent;
            uint8_t kind;
        } spans[8];
        const char *want;
        uint32_t orphans, cycles;
    } rows[] = {
        { "no span", { { 0 } }, "", 0, 0 },
        { "one root", { { 1, 0, 1 } }, "1", 0, 0 },
        { "children stand in the order of adding",
          { { 1, 0, 1 }, { 2, 1, 1 }, { 3, 1, 1 }, { 4, 2, 1 } },
          "1 .2 ..4 .3",
          0,
          0 },
        { "a child before its parent", { { 2, 1, 1 }, { 1, 0, 1 } }, "1 .2", 0, 0 },
        { "a parent that is not there", { { 2, 9, 1 }, { 3, 2, 1 } }, "2 .3", 1, 0 },
        { "its own parent", { { 1, 1, 1 }, { 2, 1, 1 } }, "1 .2", 0, 0 },
        { "two that name each other are opened at the first",
          { { 1, 2, 1 }, { 2, 1, 1 } },
          "1 .2",
          0,
          1 },
        { "three in a circle with a tail",
          { { 5, 4, 1 }, { 1, 3, 1 }, { 2, 1, 1 }, { 3, 2, 1 }, { 4, 3, 1 } },
          "1 .2 ..3 ...4 ....5",
          0,
          1 },
        { "two circles",
          { { 1, 2, 1 }, { 2, 1, 1 }, { 3, 4, 1 }, { 4, 3, 1 } },
          "1 .2 3 .4",
          0,
          2 },
        { "two roots", { { 1, 0, 1 }, { 2, 0, 1 }, { 3, 1, 1 } }, "1 .3 2", 0, 0 },
        { "a shared id: the server half below the client half, children below the server",
          { { 1, 0, 1 }, { 2, 1, 3 }, { 2, 1, 2 }, { 3, 2, 1 } },
          "1 .2 ..2 ...3",
          0,
          0 },
        { "a duplicate is a sibling, its children go to the first",
          { { 1, 0, 1 }, { 2, 1, 1 }, { 2, 1, 1 }, { 3, 2, 1 } },
          "1 .2 ..3 .2",
          0,
          0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char room[1024];
        begin_tree();
        for (size_t k = 0; k < 8 && rows[i].spans[k].id; k++)
            add(rows[i].spans[k].id, rows[i].spans[k].parent, rows[i].spans[k].kind);
        link_tree();
        CHECK_STR(rows[i].want, drawn(room), rows[i].why);
        CHECK_INT(rows[i].orphans, tree.orphan_count, rows[i].why);
        CHECK_INT(rows[i].cycles, tree.cycle_count, rows[i].why);
        kis_arena_done(&arena);
    }
}

TEST(warnings_are_worded_as_jaeger_words_them)
{
    static const struct {
        const char *why;
        uint64_t id, parent;
        const char *want;
    } rows[] = {
        { "a root", 1, 0, "" },
        { "a parent that is there", 2, 1, "" },
        { "a parent that is not there", 3, 0xabcdef,
          "parent span ID=0000000000abcdef is not in the trace; skipping clock skew adjustment" },
        { "itself", 4, 4, "the span names itself as its parent; shown as a root" },
        { "a circle", 5, 6, "the parents of this span lead back to it; shown as a root" },
        { "the rest of that circle", 6, 5, "" },
        { "an id that comes twice", 7, 1, "duplicate span IDs; skipping clock skew adjustment" },
        { "the second of them", 7, 1, "duplicate span IDs; skipping clock skew adjustment" },
    };
    begin_tree();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        add(rows[i].id, rows[i].parent, KIS_OTLP_KIND_INTERNAL);
    link_tree();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char room[KIS_TREE_WARNING_MAX];
        CHECK_STR(rows[i].want, kis_tree_warning(&tree, (uint32_t)i, room), rows[i].why);
    }
    CHECK_STR("", kis_tree_trace_warning(&tree),
              "a trace within the bound has no warning of its own");
    kis_arena_done(&arena);
}

TEST(a_chain_of_any_depth_is_walked_without_recursion)
{
    enum { DEPTH = 10000 };
    uint32_t deepest = 0, seen = 0;

    begin_tree();
    for (uint64_t i = 1; i <= DEPTH; i++)
        add(i, i - 1, KIS_OTLP_KIND_INTERNAL);
    link_tree();
    for (kis_tree_walk w = { .at = KIS_TREE_NONE }; kis_tree_next(&tree, &w); seen++)
        deepest = KIS_MAX(deepest, w.depth);
    CHECK_INT(DEPTH, seen, "every span once");
    CHECK_INT(DEPTH - 1, deepest, "each below the one before");
    kis_arena_done(&arena);
}

TEST(a_circle_of_10000_is_opened_once)
{
    enum { LENGTH = 10000 };
    uint32_t seen = 0;

    begin_tree();
    for (uint64_t i = 1; i <= LENGTH; i++)
        add(i, i == 1 ? LENGTH : i - 1, KIS_OTLP_KIND_INTERNAL);
    link_tree();
    for (kis_tree_walk w = { .at = KIS_TREE_NONE }; kis_tree_next(&tree, &w);)
        seen++;
    CHECK_INT(LENGTH, seen, "every span once");
    CHECK_INT(1, tree.cycle_count, "one circle");
    CHECK(kis_tree_at(&tree, 0)->flags & KIS_TREE_CYCLE, "opened at the earliest span");
    kis_arena_done(&arena);
}

TEST(a_trace_of_100000_spans_costs_about_32_bytes_a_span)
{
    enum { SPANS = 100000 };
    uint32_t hint = 0;

    begin_tree();
    for (uint64_t i = 1; i <= SPANS; i++)
        add(i, i / 3, KIS_OTLP_KIND_INTERNAL);
    link_tree();
    CHECK(arena.held_bytes <= (size_t)SPANS * 50,
          "32 of a row, 5 of the table, the rest is the arena's rounding");
    for (uint64_t i = 1; i <= SPANS; i++) {
        kis_span_view span = { .span_id = test_span_id(i),
                               .parent_id = test_span_id(i / 3),
                               .kind = KIS_OTLP_KIND_INTERNAL };
        CHECK_INT(i - 1, kis_tree_find(&tree, &span, &hint), "a second reading finds each row");
    }
    kis_arena_done(&arena);
}

TEST(a_hundred_thousand_spans_of_one_id_are_no_trap)
{
    begin_tree();
    for (uint64_t i = 0; i < 100000; i++)
        add(7, 7, KIS_OTLP_KIND_INTERNAL); /* quadratic would be 10^10 steps: the test's time-out */
    link_tree();
    CHECK(kis_tree_at(&tree, 99999)->flags & KIS_TREE_DUPLICATE, "said of the last");
    kis_arena_done(&arena);
}

TEST(a_span_that_came_later_is_not_in_the_index)
{
    uint32_t hint = 0;
    kis_span_view late = { .span_id = test_span_id(99), .kind = KIS_OTLP_KIND_SERVER };
    kis_span_view second = { .span_id = test_span_id(2),
                             .parent_id = test_span_id(1),
                             .kind = KIS_OTLP_KIND_INTERNAL };

    begin_tree();
    add(1, 0, KIS_OTLP_KIND_INTERNAL);
    add(2, 1, KIS_OTLP_KIND_INTERNAL);
    link_tree();
    CHECK_INT(KIS_TREE_NONE, kis_tree_find(&tree, &late, &hint), "not there");
    CHECK_INT(1, kis_tree_find(&tree, &second, &hint), "found by id where the order does not help");
    kis_arena_done(&arena);
}

TEST(more_rows_than_the_bound_are_refused_and_said)
{
    kis_span_view span = { .kind = KIS_OTLP_KIND_INTERNAL };

    begin_tree();
    for (uint64_t i = 1; i <= KIS_TREE_ROWS_MAX; i++)
        add(i, 0, KIS_OTLP_KIND_INTERNAL);
    span.span_id = test_span_id(KIS_TREE_ROWS_MAX + 1);
    CHECK(!kis_tree_add(&tree, &span, 0), "one more");
    link_tree();
    CHECK(kis_tree_trace_warning(&tree).len > 0, "the trace says so");
    kis_arena_done(&arena);
}

TEST(a_trace_is_read_through_the_reader)
{
    test_spans t;
    test_reader reader;
    kis_answer answer = { 0 };
    kis_request request = { 0 };
    kis_trace_id known = test_trace_id(1), unknown = test_trace_id(2);
    kis_diag diag;

    test_spans_begin(&t, &kis_mem);
    test_spans_add(&t,
                   &(test_span){ .trace = 1, .span = 2, .parent = 1, .name = "b", .start_ns = 20 });
    test_spans_add(
        &t, &(test_span){
                .trace = 1, .span = 1, .name = "a", .start_ns = 10, .status = KIS_STATUS_ERROR });
    test_reader_init(&reader, test_spans_end(&t));
    begin_tree();
    CHECK_ERR(KIS_OK, kis_tree_read(&tree, &reader.reader, &request, &known, &answer, &diag),
              "a trace");
    CHECK_INT(2, tree.row_count, "both spans");
    CHECK(kis_tree_at(&tree, 0)->flags & KIS_TREE_ERROR, "the error is marked");
    kis_tree_init(&tree, &arena);
    CHECK_ERR(KIS_ERR_NOT_FOUND,
              kis_tree_read(&tree, &reader.reader, &request, &unknown, &answer, &diag),
              "no such trace");
    kis_arena_done(&arena);
    test_reader_done(&reader);
}

TEST(linking_survives_every_allocation_failure)
{
    for (long n = 0;; n++) {
        kis_diag diag;
        test_alloc_reset(n);
        kis_arena_init(&arena, test_alloc, (size_t)64 << 20);
        kis_tree_init(&tree, &arena);
        bool is_whole = true;
        for (uint64_t i = 1; i <= 5000 && is_whole; i++) {
            kis_span_view span = { .span_id = test_span_id(i),
                                   .parent_id = test_span_id(i - 1),
                                   .kind = 1 };
            is_whole = kis_tree_add(&tree, &span, 0);
        }
        kis_err err = kis_tree_link(&tree, &diag);
        CHECK(err == KIS_ERR_NOMEM || (is_whole && err == KIS_OK), "said, or whole");
        CHECK(!tree.is_cut, "that is for a trace with too many spans");
        CHECK(test_alloc_failed() || (is_whole && err == KIS_OK), "without a failure it is whole");
        kis_arena_done(&arena);
        CHECK_INT(0, test_alloc_live(), "no leak");
        if (!test_alloc_failed())
            break;
    }
}

TEST_MAIN(RUN(spans_become_a_forest), RUN(warnings_are_worded_as_jaeger_words_them),
          RUN(a_chain_of_any_depth_is_walked_without_recursion),
          RUN(a_circle_of_10000_is_opened_once),
          RUN(a_trace_of_100000_spans_costs_about_32_bytes_a_span),
          RUN(a_hundred_thousand_spans_of_one_id_are_no_trap),
          RUN(a_span_that_came_later_is_not_in_the_index),
          RUN(more_rows_than_the_bound_are_refused_and_said),
          RUN(a_trace_is_read_through_the_reader), RUN(linking_survives_every_allocation_failure))
