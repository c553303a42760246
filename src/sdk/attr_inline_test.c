/* attr_inline_test.c - an attribute that is written where it is set is, byte for byte,
 * the one that the library writes. */
#include <pthread.h>

#include "sdk/test_host.h"

#include <kiseki/kiseki.h>

KIS_TRACER(shop, "shop", "1.2.3")

static test_sdk t;

#ifdef KIS_HAS_INLINE_ATTRS_
#define IS_INLINE(attr) kis_attr_is_inline_(&(attr))
#else
#error "this test is built with optimisation, for GCC or Clang"
#endif

/* The fields of two spans' attributes, the first set in place, the second by a list. */
static void check_same(const char *why)
{
    test_sdk_flush(&t);
    const kis_span_view *a = test_sink_find(&t.sink, "in place"),
                        *b = test_sink_find(&t.sink, "by list");
    CHECK(a && b, why);
    CHECK_INT(b->attr_count, a->attr_count, why);
    CHECK_INT(b->attrs.len, a->attrs.len, why);
    CHECK(memcmp(a->attrs.ptr, b->attrs.ptr, a->attrs.len) == 0, why);
    test_sink_clear(&t.sink);
}

/* One span takes the attribute alone, the other as a list. */
#define CHECK_ROW(why, ...)                                      \
    do {                                                         \
        kis_span in_place_ = kis_span_start(shop(), "in place"); \
        kis_span by_list_ = kis_span_start(shop(), "by list");   \
        kis_span_set(in_place_, __VA_ARGS__);                    \
        kis_span_set_attrs(by_list_, KIS_ATTRS(__VA_ARGS__));    \
        kis_span_end(in_place_);                                 \
        kis_span_end(by_list_);                                  \
        check_same(why);                                         \
    } while (0)

#define SEVEN  "seven77"
#define FIFTY6 SEVEN SEVEN SEVEN SEVEN SEVEN SEVEN SEVEN SEVEN

TEST(texts_are_the_same)
{
    test_sdk_begin(&t);
    CHECK_ROW("the empty text", KIS_KV("key", ""));
    CHECK_ROW("one character", KIS_KV("k", "v"));
    CHECK_ROW("three", KIS_KV("http.request.method", "GET"));
    CHECK_ROW("eight", KIS_KV("eight", "12345678"));
    CHECK_ROW("sixteen", KIS_KV("exactly.sixteen.", "0123456789abcdef"));
    CHECK_ROW("56, the longest", KIS_KV("text", FIFTY6));
    CHECK_ROW("57, too long", KIS_KV("text", FIFTY6 "x"));
    CHECK_ROW("a key of 60", KIS_KV(FIFTY6 "keys", FIFTY6));
    CHECK_ROW("a key of 61", KIS_KV(FIFTY6 "keys!", FIFTY6));
    CHECK_ROW("not ASCII", KIS_KV("text", "caf\xc3\xa9"));
    CHECK_ROW("not UTF-8", KIS_KV("text", "caf\xe9"));
    CHECK_ROW("a key that is not ASCII", KIS_KV("caf\xc3\xa9", "yes"));
    test_sdk_end(&t);
}

TEST(numbers_are_the_same)
{
    static const int64_t rows[] = { 0,      1,         127,       128,   200,
                                    255,    256,       16383,     16384, 65535,
                                    100000, INT32_MAX, INT64_MAX, -1,    INT64_MIN };
    test_sdk_begin(&t);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_ROW("an integer that the compiler does not know", KIS_KV("number", rows[i]));
    CHECK_ROW("one that it knows", KIS_KV("http.response.status_code", 404));
    CHECK_ROW("unsigned beyond", KIS_KV("number", UINT64_MAX));
    CHECK_ROW("true", KIS_BOOL("cache.hit", true));
    CHECK_ROW("false", KIS_BOOL("cache.hit", false));
    CHECK_ROW("double", KIS_KV("ratio", 0.5));
    CHECK_ROW("minus zero", KIS_KV("ratio", -0.0));
    CHECK_ROW("null", KIS_NULL("nothing"));
    test_sdk_end(&t);
}

TEST(what_the_compiler_knows_is_set_in_place)
{
    kis_attr text = KIS_KV("http.request.method", "GET"), number = KIS_KV("status", 200),
             map = KIS_MAP("map", KIS_KV("k", "v"));
    CHECK(IS_INLINE(text) && IS_INLINE(number), "both");
    CHECK(!IS_INLINE(map), "a map is not");
    test_sdk_begin(&t);
    kis_span span = kis_span_start(shop(), "x");
    CHECK(span._word & KIS_SPAN_INLINE_, "the SDK allows it");
    kis_span_end(span);
    test_sdk_end(&t);

    test_sdk_prepare(&t);
    t.setup.limits.value_length = 2;
    test_sdk_open(&t);
    span = kis_span_start(shop(), "x");
    CHECK(!(span._word & KIS_SPAN_INLINE_), "not when a short text may be too long");
    kis_span_set(span, KIS_KV("method", "GET"));
    kis_span_end(span);
    test_sdk_flush(&t);
    CHECK_STR("GE", test_attr_text(test_sink_at(&t.sink, 0), "method"), "which is then cut");
    test_sdk_end(&t);
}

TEST(a_key_again_takes_the_new_value_in_place_too)
{
    test_sdk_begin(&t);
    kis_span span = kis_span_start(shop(), "x");
    kis_span_set(span, KIS_KV("method", "GET"));
    kis_span_set(span, KIS_KV("method", "PUT"));
    kis_span_set(span, KIS_KV("method", "DELETE"));
    kis_span_set(span, KIS_KV("method", 7));
    kis_span_end(span);
    test_sdk_flush(&t);
    const kis_span_view *v = test_sink_at(&t.sink, 0);
    CHECK_INT(1, v->attr_count, "one key");
    CHECK_INT(1, kis_attrs_count(v->attrs), "and one field");
    CHECK_INT(7, test_attr(v->attrs, "method").integer, "the last value");
    test_sdk_end(&t);
}

TEST(the_bound_on_keys_holds_in_place_too)
{
    test_sdk_prepare(&t);
    t.setup.limits.attr_count = 2;
    test_sdk_open(&t);
    kis_span span = kis_span_start(shop(), "x");
    kis_span_set(span, KIS_KV("a", 1));
    kis_span_set(span, KIS_KV("b", 2));
    kis_span_set(span, KIS_KV("c", 3));
    kis_span_set(span, KIS_KV("a", 4));
    kis_span_end(span);
    test_sdk_flush(&t);
    const kis_span_view *v = test_sink_at(&t.sink, 0);
    CHECK_INT(2, v->attr_count, "two are kept");
    CHECK_INT(1, v->dropped_attrs, "the third is counted");
    CHECK_INT(4, test_attr(v->attrs, "a").integer, "an old key takes a new value");
    test_sdk_end(&t);
}

TEST(an_ended_span_takes_nothing_in_place)
{
    kis_sdk_stats stats;
    test_sdk_begin(&t);
    kis_span span = kis_span_start(shop(), "x");
    kis_span_end(span);
    kis_span_set(span, KIS_KV("method", "GET"));
    kis_span other = kis_span_start(shop(), "y"); /* perhaps in the same slot */
    kis_span_set(span, KIS_KV("method", "GET"));
    kis_span_end(other);
    kis_sdk_get_stats(t.sdk, &stats);
    CHECK_INT(2, stats.late_calls, "both were late, and counted");
    test_sdk_flush(&t);
    CHECK_INT(0, test_sink_find(&t.sink, "x")->attr_count, "nothing in the first");
    CHECK_INT(0, test_sink_find(&t.sink, "y")->attr_count, "nor in the second");
    test_sdk_end(&t);
}

TEST(a_block_grows_under_attributes_in_place)
{
#define TEN(n)                                     \
    kis_span_set(span, KIS_KV("k" n "0", FIFTY6)); \
    kis_span_set(span, KIS_KV("k" n "1", FIFTY6)); \
    kis_span_set(span, KIS_KV("k" n "2", FIFTY6)); \
    kis_span_set(span, KIS_KV("k" n "3", FIFTY6)); \
    kis_span_set(span, KIS_KV("k" n "4", FIFTY6)); \
    kis_span_set(span, KIS_KV("k" n "5", FIFTY6)); \
    kis_span_set(span, KIS_KV("k" n "6", FIFTY6)); \
    kis_span_set(span, KIS_KV("k" n "7", FIFTY6)); \
    kis_span_set(span, KIS_KV("k" n "8", FIFTY6)); \
    kis_span_set(span, KIS_KV("k" n "9", FIFTY6))
    test_sdk_begin(&t);
    for (int round = 0; round < 3; round++) { /* the second has the block of the first */
        kis_span span = kis_span_start(shop(), "x");
        TEN("a");
        TEN("b");
        TEN("c");
        TEN("d");
        TEN("e");
        TEN("f");
        kis_span_end(span);
        test_sdk_flush(&t);
        const kis_span_view *v = test_sink_at(&t.sink, 0);
        CHECK_INT(60, v->attr_count, "all of them");
        CHECK_INT(60, kis_attrs_count(v->attrs), "and readable");
        CHECK_STR(FIFTY6, test_attr_text(v, "kf9"), "the last");
        test_sink_clear(&t.sink);
    }
    test_sdk_end(&t);
}

/* ---- one span, several threads ---- */

enum { WRITERS = 4, SPANS = 500 };
static pthread_barrier_t gate;
static kis_span shared;

static void *write_mine(void *number)
{
    for (int i = 0; i < SPANS; i++) {
        pthread_barrier_wait(&gate); /* there is a span */
        switch ((int)(intptr_t)number) {
        case 0:
            kis_span_set(shared, KIS_KV("a0", "0"));
            kis_span_set(shared, KIS_KV("a1", 1));
            kis_span_set(shared, KIS_BOOL("a2", true));
            break;
        case 1:
            kis_span_set(shared, KIS_KV("b0", "0"));
            kis_span_set(shared, KIS_KV("b1", 1));
            kis_span_set(shared, KIS_BOOL("b2", true));
            break;
        case 2:
            kis_span_set(shared, KIS_KV("c0", "0"));
            kis_span_set(shared, KIS_KV("c1", 1));
            kis_span_set(shared, KIS_BOOL("c2", true));
            break;
        default:
            kis_span_set(shared, KIS_KV("d0", "0"));
            kis_span_set(shared, KIS_KV("d1", 1));
            kis_span_set(shared, KIS_BOOL("d2", true));
            break;
        }
        pthread_barrier_wait(&gate); /* it may end */
    }
    return NULL;
}

TEST(several_threads_set_one_span_in_place)
{
    pthread_t writers[WRITERS];

    test_sdk_begin(&t);
    pthread_barrier_init(&gate, NULL, WRITERS + 1);
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&writers[i], NULL, write_mine, (void *)(intptr_t)i);
    for (int i = 0; i < SPANS; i++) {
        shared = kis_span_start(shop(), "shared");
        pthread_barrier_wait(&gate);
        pthread_barrier_wait(&gate);
        kis_span_end(shared);
        test_sdk_flush(&t);
        const kis_span_view *v = test_sink_at(&t.sink, 0);
        CHECK_INT(3 * WRITERS, v->attr_count, "each has set its own");
        CHECK_INT(3 * WRITERS, kis_attrs_count(v->attrs), "and none has written over another's");
        test_sink_clear(&t.sink);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    pthread_barrier_destroy(&gate);
    test_sdk_end(&t);
}

/* ---- a start that the compiler knows to be plain ---- */

static void note_input(const kis_sampler *sampler, const kis_sampling_input *input,
                       kis_sampling_result *out)
{
    static kis_attr added[1];
    kis_sampling_input *seen = sampler->user;

    *seen = *input;
    seen->parent = NULL; /* it is the start's own */
    added[0] = kis_attr_text("sampler", "was here");
    *out = (kis_sampling_result){ .decision = KIS_SAMPLING_RECORD_AND_SAMPLE,
                                  .attrs = { added, COUNT_OF(added) } };
}

/* One span is started in registers, one by options that say the same. */
static void check_starts(kis_str name, kis_span_kind kind, kis_attr_list attrs, const char *why)
{
    const kis_span_view *a, *b;
    kis_span one, two;

    one = kis_api_here()->span_start_plain(shop(), name.ptr, name.len, kind, attrs.at, attrs.count);
    two = kis_span_start_with(
        shop(), &(kis_span_options){ .name_str = name, .kind = kind, .attrs = attrs });
    kis_span_end(one);
    kis_span_end(two);
    test_sdk_flush(&t);
    CHECK_INT(2, test_sink_spans(&t.sink), why);
    a = test_sink_at(&t.sink, 0);
    b = test_sink_at(&t.sink, 1);
    CHECK(kis_str_eq(a->name, b->name) && a->kind == b->kind && a->flags == b->flags, why);
    CHECK(kis_span_id_eq(&a->parent_id, &b->parent_id), why);
    CHECK_INT(b->attr_count, a->attr_count, why);
    CHECK_INT(b->attrs.len, a->attrs.len, why);
    CHECK(memcmp(a->attrs.ptr, b->attrs.ptr, a->attrs.len) == 0, why);
    test_sink_clear(&t.sink);
}

static void check_all_starts(void)
{
    kis_attr_list none = { 0 }, some = KIS_ATTRS(KIS_KV("a", 1), KIS_KV("b", FIFTY6 "x"));

    check_starts(KIS_STR("GET /"), KIS_SPAN_KIND_SERVER, none, "what most say");
    check_starts(KIS_STR("q"), KIS_SPAN_KIND_CONSUMER, some, "attributes");
    check_starts(KIS_STR(""), (kis_span_kind)77, none, "no name, a kind that is none");
    check_starts((kis_str){ NULL, 0 }, KIS_SPAN_KIND_INTERNAL, none, "not even a pointer");
    check_starts(KIS_STR("caf\xc3\xa9"), KIS_SPAN_KIND_CLIENT, some, "not ASCII");
    check_starts(KIS_STR("caf\xe9"), KIS_SPAN_KIND_CLIENT, none, "not UTF-8");
    check_starts(KIS_STR(FIFTY6 FIFTY6), KIS_SPAN_KIND_PRODUCER, some, "a long name");
}

TEST(a_start_in_registers_is_one_with_options)
{
    kis_sampling_input seen = { 0 };
    kis_sampler asked = { .should_sample = note_input, .user = &seen };
    kis_context_scope scope;

    test_sdk_begin(&t);
    CHECK(!kis_api_here()->span_start_plain(NULL, "x", 1, 0, NULL, 0)._slot, "no tracer, no span");
    check_all_starts();
    kis_span parent = kis_span_start(shop(), "parent");
    kis_context_enter(&scope, kis_context_with_span(kis_context_none(), parent));
    check_all_starts();
    kis_context_leave(&scope);
    kis_span_end(parent);
    test_sdk_flush(&t);
    test_sink_clear(&t.sink);
    t.sdk->sampler = &asked;
    t.sdk->sampler_short = KIS_SAMPLER_ASK;
    check_all_starts();
    check_starts(KIS_STR("asked"), KIS_SPAN_KIND_CLIENT, KIS_ATTRS(KIS_KV("a", 1)), "a sampler");
    CHECK(seen.attrs.count == 1 && seen.kind == KIS_SPAN_KIND_CLIENT &&
              kis_str_eq(seen.name, KIS_STR("asked")),
          "sees what was said");
    test_sdk_end(&t);
}

TEST_MAIN(RUN(a_start_in_registers_is_one_with_options), RUN(several_threads_set_one_span_in_place),
          RUN(texts_are_the_same), RUN(numbers_are_the_same),
          RUN(what_the_compiler_knows_is_set_in_place),
          RUN(a_key_again_takes_the_new_value_in_place_too),
          RUN(the_bound_on_keys_holds_in_place_too), RUN(an_ended_span_takes_nothing_in_place),
          RUN(a_block_grows_under_attributes_in_place))
