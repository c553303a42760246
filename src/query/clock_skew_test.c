/* clock_skew_test.c - what lies outside of its parent, by whose clock, and what is said of it. */
#include "tests/test.h"

#include "model/attr.h"
#include "os/mem.h"
#include "query/clock_skew.h"
#include "query/test_reader.h"

#define MS   UINT64_C(1000000)
#define T0   (UINT64_C(1700000000) * 1000 * MS)
#define DAYS (UINT64_C(86400) * 1000 * MS)

static kis_arena arena;
static kis_tree tree;
static kis_clocks clocks;

/* The attribute of a resource that names its host; `key` NULL: none. */
static kis_attrs host_attrs(const char *key, const char *host, kis_buf *room)
{
    kis_buf_clear(room);
    if (key)
        kis_attr_put_str(room, KIS_TAG_RESOURCE_ATTRS, kis_str_from_c(key), kis_str_from_c(host));
    return (kis_attrs){ room->ptr, (uint32_t)room->len, KIS_TAG_RESOURCE_ATTRS };
}

typedef struct clocked {
    uint64_t id, parent;
    uint8_t kind;
    uint64_t start_ns, end_ns;
    const char *service, *host_key, *host;
} clocked;

static void add(const clocked *c)
{
    uint8_t memory[256];
    kis_buf room;
    kis_buf_init_fixed(&room, memory, sizeof(memory));
    kis_span_view span = { .span_id = test_span_id(c->id),
                           .parent_id = test_span_id(c->parent),
                           .kind = c->kind,
                           .start_unix_ns = c->start_ns,
                           .end_unix_ns = c->end_ns };
    kis_resource_view resource = { .attrs = host_attrs(c->host_key, c->host, &room),
                                   .service_name = kis_str_from_c(c->service) };
    kis_found_span found = { .span = &span, .resource = &resource };
    CHECK(kis_clocks_add(&clocks, tree.row_count, &found) && kis_tree_add(&tree, &span, 0), "room");
}

/* What is said of a child below its parent. The caller ends the arena. */
static kis_str warning_of(const clocked *parent, const clocked *child,
                          char buffer[KIS_TREE_WARNING_MAX], const char *why)
{
    kis_diag diag;

    kis_arena_init(&arena, &kis_mem, 1 << 20);
    kis_tree_init(&tree, &arena);
    kis_clocks_init(&clocks, &arena);
    add(parent);
    add(child);
    CHECK_ERR(KIS_OK, kis_tree_link(&tree, &diag), why);
    return kis_clocks_warning(&clocks, &tree, 1, buffer);
}

TEST(what_does_not_fit_is_told_by_how_much)
{
    enum { CLIENT = KIS_OTLP_KIND_CLIENT, SERVER = KIS_OTLP_KIND_SERVER };
    static const clocked parent = { 1, 0, CLIENT, T0, T0 + 100 * MS, "a", NULL, NULL };
    static const struct {
        const char *why;
        clocked child;
        const char *want;
    } rows[] = {
        { "it fits", { 2, 1, SERVER, T0 + 10 * MS, T0 + 90 * MS, "b", NULL, NULL }, "" },
        { "it fits exactly", { 2, 1, SERVER, T0, T0 + 100 * MS, "b", NULL, NULL }, "" },
        { "too early: the middle of the parent is where it belongs",
          { 2, 1, SERVER, T0 - 10 * MS, T0 + 50 * MS, "b", NULL, NULL },
          "30ms" },
        { "too late", { 2, 1, SERVER, T0 + 50 * MS, T0 + 110 * MS, "b", NULL, NULL }, "-30ms" },
        { "two days behind",
          { 2, 1, SERVER, T0 - 2 * DAYS, T0 - 2 * DAYS + 100 * MS, "b", NULL, NULL },
          "48h" },
        { "two days ahead",
          { 2, 1, SERVER, T0 + 2 * DAYS, T0 + 2 * DAYS + 100 * MS, "b", NULL, NULL },
          "-48h" },
        { "the same service: the same clock",
          { 2, 1, SERVER, T0 - 10 * MS, T0, "a", NULL, NULL },
          "" },
        { "it lasts longer than its parent, which gave up",
          { 2, 1, SERVER, T0 + 10 * MS, T0 + 500 * MS, "b", NULL, NULL },
          "" },
        { "but it cannot have begun before",
          { 2, 1, SERVER, T0 - 10 * MS, T0 + 500 * MS, "b", NULL, NULL },
          "10ms" },
        { "a message is taken when there is time for it",
          { 2, 1, KIS_OTLP_KIND_CONSUMER, T0 + 900 * MS, T0 + 910 * MS, "b", NULL, NULL },
          "" },
        { "but not before it was sent",
          { 2, 1, KIS_OTLP_KIND_CONSUMER, T0 - 5 * MS, T0 - 4 * MS, "b", NULL, NULL },
          "5ms" },
        { "no parent", { 2, 0, SERVER, T0 - 10 * MS, T0, "b", NULL, NULL }, "" },
        { "an end before its start is no length",
          { 2, 1, SERVER, T0 + 10 * MS, T0 + 5 * MS, "b", NULL, NULL },
          "" },
        { "times beyond all bounds",
          { 2, 1, SERVER, UINT64_MAX, UINT64_MAX, "b", NULL, NULL },
          NULL },
        { "and before all", { 2, 1, SERVER, 0, UINT64_MAX, "b", NULL, NULL }, NULL },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char buffer[KIS_TREE_WARNING_MAX], want[KIS_TREE_WARNING_MAX];
        kis_str got = warning_of(&parent, &rows[i].child, buffer, rows[i].why);
        CHECK_STR("", kis_clocks_warning(&clocks, &tree, 0, want), "a root has no parent");
        if (rows[i].want) {
            snprintf(want, sizeof(want),
                     "clock skew adjustment disabled; not applying calculated delta of %s",
                     rows[i].want);
            CHECK_STR(*rows[i].want ? want : "", got, rows[i].why);
        }
        kis_arena_done(&arena);
    }
}

/* Nothing is said that was not measured: neither a nanosecond more, nor a clock that is right. */
TEST(a_delta_is_as_exact_as_what_is_kept)
{
    enum { SERVER = KIS_OTLP_KIND_SERVER };
    const uint64_t s = 1000 * MS, hour = 3600 * s;
    const struct {
        const char *why;
        uint64_t parent_ns;
        clocked child;
        const char *want;
    } rows[] = {
        { "a minute late",
          50 * MS,
          { 2, 1, SERVER, T0 - 60 * s, T0 - 60 * s, "b", NULL, NULL },
          "1m0.025s" },
        { "to the nanosecond", 100, { 2, 1, SERVER, T0 - 1, T0 + 98, "b", NULL, NULL }, "1ns" },
        { "it ends a nanosecond late",
          1000,
          { 2, 1, SERVER, T0 + 1, T0 + 1001, "b", NULL, NULL },
          "-1ns" },
        { "it fits exactly", 1000, { 2, 1, SERVER, T0 + 1, T0 + 1000, "b", NULL, NULL }, "" },
        { "hours, and it fits exactly",
          hour + 1023,
          { 2, 1, SERVER, T0 + 3, T0 + hour + 1023, "b", NULL, NULL },
          "" },
        { "a short one at the end of hours",
          hour + 1023,
          { 2, 1, SERVER, T0 + hour, T0 + hour + 1023, "b", NULL, NULL },
          "" },
        { "hours late",
          3 * hour + 777,
          { 2, 1, SERVER, T0 + hour, T0 + 3 * hour + 2 * MS, "b", NULL, NULL },
          "-30m0.001s" },
        { "days are compared as days",
          100 * hour,
          { 2, 1, SERVER, T0 + 10 * hour, T0 + 100 * hour, "b", NULL, NULL },
          "" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char buffer[KIS_TREE_WARNING_MAX];
        clocked parent = {
            1, 0, KIS_OTLP_KIND_CLIENT, T0, T0 + rows[i].parent_ns, "a", NULL, NULL
        };
        kis_str got = warning_of(&parent, &rows[i].child, buffer, rows[i].why);
        while (kis_str_find_char(got, ' ') != KIS_STR_NPOS)
            kis_str_cut(&got, ' ');
        CHECK_STR(rows[i].want, got, rows[i].why);
        kis_arena_done(&arena);
    }
}

TEST(a_clock_belongs_to_a_host)
{
    static const struct {
        const char *why, *key_a, *host_a, *key_b, *host_b;
        bool is_told;
    } rows[] = {
        { "two services of one host", "host.name", "h1", "host.name", "h1", false },
        { "of two hosts", "host.name", "h1", "host.name", "h2", true },
        { "one does not say", "host.name", "h1", NULL, NULL, true },
        { "the id counts as well", "host.id", "x", "host.id", "x", false },
        { "and the address", "host.ip", "10.0.0.1", "host.ip", "10.0.0.2", true },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_diag diag;
        clocked a = { 1, 0, 3, T0, T0 + 10 * MS, "a", rows[i].key_a, rows[i].host_a };
        clocked b = { 2, 1, 2, T0 - MS, T0 + 5 * MS, "b", rows[i].key_b, rows[i].host_b };
        kis_arena_init(&arena, &kis_mem, 1 << 20);
        kis_tree_init(&tree, &arena);
        kis_clocks_init(&clocks, &arena);
        add(&b); /* the child begins first, so it comes first */
        add(&a);
        CHECK_ERR(KIS_OK, kis_tree_link(&tree, &diag), rows[i].why);
        CHECK_INT(rows[i].is_told, kis_clocks_delta_ns(&clocks, &tree, 0) != 0, rows[i].why);
        kis_arena_done(&arena);
    }
}

TEST(an_id_that_comes_twice_is_not_judged)
{
    kis_diag diag;
    clocked rows[] = { { 1, 0, 3, T0, T0 + 10 * MS, "a", NULL, NULL },
                       { 2, 1, 2, T0 + 20 * MS, T0 + 21 * MS, "b", NULL, NULL },
                       { 2, 1, 2, T0 + 22 * MS, T0 + 23 * MS, "b", NULL, NULL } };
    kis_arena_init(&arena, &kis_mem, 1 << 20);
    kis_tree_init(&tree, &arena);
    kis_clocks_init(&clocks, &arena);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        add(&rows[i]);
    CHECK_ERR(KIS_OK, kis_tree_link(&tree, &diag), "linking");
    CHECK_INT(0, kis_clocks_delta_ns(&clocks, &tree, 1), "which of the two is meant is not known");
    kis_arena_done(&arena);
}

TEST(a_clock_without_memory_or_beyond_the_last_row_is_told_apart)
{
    kis_span_view span = { .start_unix_ns = T0, .end_unix_ns = T0 + MS };
    kis_resource_view resource = { .service_name = KIS_STR("a") };
    kis_found_span found = { .span = &span, .resource = &resource };

    kis_arena_init(&arena, &kis_mem, 1024); /* a chunk has 32 KiB */
    kis_clocks_init(&clocks, &arena);
    CHECK(kis_clocks_add(&clocks, KIS_TREE_ROWS_MAX, &found) && !clocks.is_out_of_memory,
          "the tree refuses that row, and says why");
    CHECK(!kis_clocks_add(&clocks, 0, &found) && clocks.is_out_of_memory, "no memory");
    kis_arena_done(&arena);
}

TEST_MAIN(RUN(what_does_not_fit_is_told_by_how_much), RUN(a_delta_is_as_exact_as_what_is_kept),
          RUN(a_clock_belongs_to_a_host), RUN(an_id_that_comes_twice_is_not_judged),
          RUN(a_clock_without_memory_or_beyond_the_last_row_is_told_apart))
