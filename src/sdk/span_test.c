/* span_test.c - what a span records, and what it never does. Rows M* and T* are those of the
 * specification's checklist in docs/api-map.md. */
#include "sdk/test_host.h"

#include <kiseki/kiseki.h>

KIS_TRACER(shop, "shop", "1.2.3")

static test_sdk t;

static const kis_span_view *only_span(void)
{
    test_sdk_flush(&t);
    CHECK_INT(1, test_sink_spans(&t.sink), "one span arrives");
    return test_sink_at(&t.sink, 0);
}

TEST(a_span_arrives_as_it_was_recorded)
{
    test_sdk_begin(&t);
    kis_span span = kis_span_start(
        shop(), "GET /orders/{id}", .kind = KIS_SPAN_KIND_SERVER,
        .attrs = KIS_ATTRS(KIS_KV("http.request.method", "GET"), KIS_KV("user.id", 7)));
    t.world.now_ns += 500;
    kis_span_set(span, KIS_KV("ratio", 0.5), KIS_BOOL("cache.hit", 1 > 0),
                 KIS_KV("big", -5000000000), KIS_KV("str", KIS_STR("abc")));
    t.world.now_ns += 500;
    kis_span_end(span);
    const kis_span_view *v = only_span();
    CHECK_STR("GET /orders/{id}", v->name, "name");
    CHECK_INT(KIS_OTLP_KIND_SERVER, v->kind, "kind, in OTLP's numbers");
    CHECK_INT(TEST_WALL_NS + 1000, v->start_unix_ns, "start is the time of the call (M11)");
    CHECK_INT(TEST_WALL_NS + 2000, v->end_unix_ns, "end too");
    CHECK(kis_trace_id_is_valid(&v->trace_id) && kis_span_id_is_valid(&v->span_id) &&
              !kis_span_id_is_valid(&v->parent_id),
          "a root with ids");
    CHECK_INT(KIS_FLAG_SAMPLED | KIS_FLAG_RANDOM | KIS_OTLP_FLAG_HAS_IS_REMOTE, v->flags,
              "sampled, random (T8), parent not remote (M37)");
    CHECK_INT(6, v->attr_count, "attributes");
    CHECK_STR("GET", test_attr_text(v, "http.request.method"), "text");
    CHECK_INT(7, test_attr(v->attrs, "user.id").integer, "integer");
    CHECK(test_attr(v->attrs, "ratio").number == 0.5, "double");
    CHECK(test_attr(v->attrs, "cache.hit").kind == KIS_VALUE_BOOL &&
              test_attr(v->attrs, "cache.hit").boolean,
          "bool");
    CHECK_INT(-5000000000, test_attr(v->attrs, "big").integer, "negative");
    CHECK_STR("abc", test_attr_text(v, "str"), "kis_str");
    CHECK_STR("shop", t.sink.batches[0]->scopes[0].name, "scope name");
    CHECK_STR("1.2.3", t.sink.batches[0]->scopes[0].version, "scope version");
    test_sdk_end(&t);
}

TEST(the_same_key_again_takes_the_new_value)
{
    static const struct {
        const char *why, *first, *second;
    } rows[] = {
        { "same size: in its place", "one", "two" },
        { "longer: a hole and a new one", "one", "seventeen hundred" },
        { "shorter", "seventeen hundred", "1" },
        { "to a very long one", "x",
          "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
          "890123456789012345678901234567890123456789" },
        { "empty is a value (M22)", "x", "" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_sdk_begin(&t);
        kis_span span = kis_span_start(
            shop(), "x",
            .attrs = KIS_ATTRS(KIS_KV("a", 1), KIS_KV("key", rows[i].first), KIS_KV("z", 2)));
        kis_span_set(span, KIS_KV("key", rows[i].second));
        kis_span_end(span);
        const kis_span_view *v = only_span();
        CHECK_INT(3, v->attr_count, rows[i].why);
        CHECK_INT(3, kis_attrs_count(v->attrs), "holes are not attributes");
        CHECK_STR(rows[i].second, test_attr_text(v, "key"), rows[i].why);
        CHECK_INT(1, test_attr(v->attrs, "a").integer, "its neighbours stay");
        CHECK_INT(2, test_attr(v->attrs, "z").integer, "on both sides");
        test_sdk_end(&t);
    }
}

TEST(a_key_set_ten_thousand_times_stays_small)
{
    char text[200];
    test_sdk_begin(&t);
    kis_span span = kis_span_start(shop(), "loop", .attrs = KIS_ATTRS(KIS_KV("first", "stays")));
    kis_span_fail(span, "a message among the holes");
    for (int i = 0; i < 10000; i++) {
        snprintf(text, sizeof(text), "%0*d", 1 + i % 150, i);
        kis_span_set(span, KIS_KV("progress", text), KIS_KV("step", i));
    }
    kis_span_update_name(span, "renamed");
    kis_span_end(span);
    const kis_span_view *v = only_span();
    CHECK(v->attrs.len < 2 * KIS_SLOT_BYTES, "holes are closed before the block grows");
    CHECK_INT(3, kis_attrs_count(v->attrs), "three keys");
    CHECK_STR("stays", test_attr_text(v, "first"), "moved, not lost");
    CHECK_STR(text, test_attr_text(v, "progress"), "the last value");
    CHECK_INT(9999, test_attr(v->attrs, "step").integer, "the last value");
    CHECK_STR("renamed", v->name, "name after moves");
    CHECK_STR("a message among the holes", v->status_message, "message after moves");
    test_sdk_end(&t);
}

TEST(values_of_every_type_arrive)
{
    test_sdk_begin(&t);
    kis_span span = kis_span_start(shop(), "types");
    kis_span_set(span, KIS_TEXTS("texts", "a", "", "c"), KIS_INTS("ints", 1, -2),
                 KIS_DOUBLES("doubles", 0.25), KIS_BOOLS("bools", true, false),
                 KIS_BYTES("bytes", "\0\xff", 2), KIS_NULL("null"),
                 KIS_KV("nulltext", (char *)NULL), kis_attr_ints("none", NULL, 0),
                 KIS_MAP("map", KIS_KV("k", "v"), KIS_MAP("inner", KIS_KV("n", 1))),
                 KIS_LIST("list", KIS_KV("", "x"), KIS_KV("", 5)),
                 KIS_KV("unsigned", (uint64_t)UINT64_MAX), KIS_KV("float", 1.5f),
                 KIS_KV("bool", (bool)true), KIS_KV("char", 'c'));
    kis_span_end(span);
    const kis_span_view *v = only_span();
    kis_value_view value = test_attr(v->attrs, "texts"), item;
    CHECK_INT(KIS_VALUE_ARRAY, value.kind, "array of texts");
    kis_cursor c = kis_cursor_of(value.values);
    CHECK(kis_array_next(&c, &item), "first");
    CHECK_STR("a", item.str, "first");
    CHECK(kis_array_next(&c, &item) && item.kind == KIS_VALUE_STR && item.str.len == 0,
          "the empty text is an item");
    CHECK(kis_array_next(&c, &item) && !kis_array_next(&c, &item), "three in all");
    value = test_attr(v->attrs, "ints");
    c = kis_cursor_of(value.values);
    CHECK(kis_array_next(&c, &item) && item.integer == 1 && kis_array_next(&c, &item) &&
              item.integer == -2,
          "integers");
    value = test_attr(v->attrs, "doubles");
    c = kis_cursor_of(value.values);
    CHECK(kis_array_next(&c, &item) && item.number == 0.25, "doubles");
    value = test_attr(v->attrs, "bools");
    c = kis_cursor_of(value.values);
    CHECK(kis_array_next(&c, &item) && item.boolean && kis_array_next(&c, &item) &&
              item.kind == KIS_VALUE_BOOL && !item.boolean,
          "bools");
    CHECK_BYTES("\0\xff", 2, test_attr(v->attrs, "bytes").bytes, "bytes");
    CHECK_INT(KIS_VALUE_NONE, test_attr(v->attrs, "null").kind, "null is kept (T16)");
    CHECK_INT(KIS_VALUE_NONE, test_attr(v->attrs, "nulltext").kind, "a NULL text is null");
    value = test_attr(v->attrs, "none");
    CHECK(value.kind == KIS_VALUE_ARRAY && value.values.len == 0,
          "the empty array is a value (M22)");
    value = test_attr(v->attrs, "map");
    CHECK_STR("v", kis_attrs_text(value.members, KIS_STR("k")), "map");
    CHECK_INT(1, test_attr(test_attr(value.members, "inner").members, "n").integer, "map in a map");
    value = test_attr(v->attrs, "list");
    c = kis_cursor_of(value.values);
    CHECK(kis_array_next(&c, &item) && item.kind == KIS_VALUE_STR && kis_array_next(&c, &item) &&
              item.integer == 5,
          "mixed list");
    CHECK_INT(INT64_MAX, test_attr(v->attrs, "unsigned").integer,
              "too large for an integer: the largest");
    CHECK(test_attr(v->attrs, "float").number == 1.5, "float");
    CHECK(test_attr(v->attrs, "bool").kind == KIS_VALUE_BOOL, "a real bool");
    CHECK_INT('c', test_attr(v->attrs, "char").integer, "a char is a number");
    CHECK_INT(14, v->attr_count, "all of them");
    test_sdk_end(&t);
}

TEST(limits_drop_and_count)
{
    char key[16];
    test_sdk_prepare(&t);
    t.setup.limits = (kis_span_limits){ .attr_count = 4,
                                        .event_count = 2,
                                        .link_count = 1,
                                        .event_attr_count = 1,
                                        .link_attr_count = 1,
                                        .value_length = 3,
                                        .value_depth = 2 };
    test_sdk_open(&t);
    kis_span_context other = { .trace_id = { { 1 } }, .span_id = { { 2 } }, .flags = 1 };
    kis_span span = kis_span_start(shop(), "limits");
    for (int i = 0; i < 6; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        kis_span_set(span, KIS_KV(key, "abcdef"));
        kis_span_event(span, "e", KIS_KV("a", i), KIS_KV("b", 2));
        kis_span_link(span, &other, KIS_KV("a", 1), KIS_KV("b", 2));
    }
    /* four characters in eight bytes */
    kis_span_set(span, KIS_KV("k0", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f"));
    kis_span_set(span, KIS_BYTES("k1", "12345", 5),
                 KIS_MAP("k2", KIS_MAP("a", KIS_MAP("b", KIS_KV("c", 1)))),
                 KIS_TEXTS("k3", "abcd", "e"));
    kis_span_set(span, KIS_KV("", "no key"));
    kis_span_end(span);
    const kis_span_view *v = only_span();
    CHECK_INT(4, v->attr_count, "four keys");
    CHECK_INT(3, v->dropped_attrs, "two keys too many and one without a key");
    CHECK_STR("\xc3\xa4\xc3\xb6\xc3\xbc", test_attr_text(v, "k0"),
              "the length counts characters (M23)");
    CHECK_BYTES("123", 3, test_attr(v->attrs, "k1").bytes, "of bytes it counts bytes");
    kis_value_view deep = test_attr(test_attr(test_attr(v->attrs, "k2").members, "a").members, "b");
    CHECK(deep.kind == KIS_VALUE_KVLIST && deep.members.len == 0, "too deep: empty (M23)");
    kis_value_view texts = test_attr(v->attrs, "k3"), item;
    kis_cursor c = kis_cursor_of(texts.values);
    CHECK(kis_array_next(&c, &item) && item.str.len == 3, "the length holds inside arrays");
    CHECK_INT(2, v->event_count, "two events");
    CHECK_INT(4, v->dropped_events, "four too many");
    CHECK_INT(1, v->link_count, "one link");
    CHECK_INT(5, v->dropped_links, "five too many");
    kis_event_view event;
    c = kis_cursor_of(v->events);
    CHECK(kis_event_next(&c, &event), "an event");
    CHECK_INT(1, kis_attrs_count(event.attrs), "with one attribute");
    CHECK_INT(1, event.dropped_attrs, "and one dropped");
    kis_link_view link;
    c = kis_cursor_of(v->links);
    CHECK(kis_link_next(&c, &link), "a link");
    CHECK(kis_attrs_count(link.attrs) == 1 && link.dropped_attrs == 1, "the same");
    test_sdk_end(&t);
}

TEST(text_that_is_not_utf8_is_repaired)
{
    static const struct {
        const char *why, *text, *want;
    } rows[] = {
        { "a lone byte",
          "a\xff"
          "b",
          "a\xef\xbf\xbd"
          "b" },
        { "cut in the middle", "abc\xe2\x82", "abc\xef\xbf\xbd\xef\xbf\xbd" },
        { "overlong slash", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "a surrogate", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "valid stays", "\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_sdk_begin(&t);
        kis_span span = kis_span_start(shop(), rows[i].text);
        kis_span_set(span, KIS_KV("k", rows[i].text), KIS_KV(rows[i].text, 1));
        kis_span_set(span, KIS_KV(rows[i].text, 2));
        kis_span_event(span, rows[i].text, KIS_KV("k", rows[i].text));
        kis_span_fail(span, rows[i].text);
        kis_span_end(span);
        const kis_span_view *v = only_span();
        CHECK_STR(rows[i].want, v->name, rows[i].why);
        CHECK_STR(rows[i].want, test_attr_text(v, "k"), rows[i].why);
        CHECK_INT(2, test_attr(v->attrs, rows[i].want).integer,
                  "keys too, and they are unique as they are written");
        CHECK_INT(2, v->attr_count, "two keys");
        CHECK_STR(rows[i].want, v->status_message, rows[i].why);
        kis_event_view event;
        kis_cursor c = kis_cursor_of(v->events);
        CHECK(kis_event_next(&c, &event), "event");
        CHECK_STR(rows[i].want, event.name, rows[i].why);
        CHECK_STR(rows[i].want, kis_attrs_text(event.attrs, KIS_STR("k")), rows[i].why);
        test_sdk_end(&t);
    }
}

TEST(status_keeps_its_order)
{
    static const struct {
        const char *why;
        kis_status_code codes[3];
        const char *messages[3];
        int want;
        const char *message;
    } rows[] = {
        { "nothing said", { 0, 0, 0 }, { 0 }, KIS_STATUS_UNSET, "" },
        { "error with its message", { KIS_STATUS_ERROR, 0, 0 }, { "no" }, KIS_STATUS_ERROR, "no" },
        { "unset changes nothing",
          { KIS_STATUS_ERROR, KIS_STATUS_UNSET, 0 },
          { "no", "x" },
          KIS_STATUS_ERROR,
          "no" },
        { "the last error counts",
          { KIS_STATUS_ERROR, KIS_STATUS_ERROR, 0 },
          { "no", "never" },
          KIS_STATUS_ERROR,
          "never" },
        { "OK beats error and has no message",
          { KIS_STATUS_ERROR, KIS_STATUS_OK, 0 },
          { "no", "fine" },
          KIS_STATUS_OK,
          "" },
        { "OK is final", { KIS_STATUS_OK, KIS_STATUS_ERROR, 0 }, { 0, "no" }, KIS_STATUS_OK, "" },
        { "error without a message takes the old one away",
          { KIS_STATUS_ERROR, KIS_STATUS_ERROR, 0 },
          { "no", 0 },
          KIS_STATUS_ERROR,
          "" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_sdk_begin(&t);
        kis_span span = kis_span_start(shop(), "s");
        for (int k = 0; k < 3; k++)
            kis_span_set_status(span, rows[i].codes[k], rows[i].messages[k]);
        kis_span_end(span);
        const kis_span_view *v = only_span();
        CHECK_INT(rows[i].want, v->status, rows[i].why);
        CHECK_STR(rows[i].message, v->status_message, rows[i].why);
        test_sdk_end(&t);
    }
}

TEST(a_status_arrives_where_the_block_has_no_room_for_it)
{
    enum { AROUND = 12 }; /* tags, lengths and key around a text of 128 bytes and more */
    static char text[KIS_SLOT_BYTES];

    memset(text, 'x', sizeof(text));
    for (size_t left = 0; left < 8; left++) {
        test_sdk_begin(&t);
        kis_span span = kis_span_start(shop(), "full");
        kis_slot *slot = span._slot;
        size_t room = (size_t)(slot->end - slot->at);
        kis_span_set(span, KIS_KV("k", kis_str_of(text, room - AROUND - left)));
        CHECK_INT(left, slot->end - slot->at, "full but for so many bytes");
        kis_span_fail(span, NULL);
        kis_span_end(span);
        const kis_span_view *v = only_span();
        CHECK_INT(KIS_STATUS_ERROR, v->status, "the status is there");
        CHECK_INT(left >= 4, v->bytes.len > 0, "in the message, if it fits");
        CHECK_INT(1, kis_attrs_count(v->attrs), "and the attribute");
        test_sdk_end(&t);
    }
}

TEST(an_ended_span_does_nothing_and_is_counted)
{
    test_sdk_prepare(&t);
    t.setup.max_spans = 1; /* so that the next span takes the same slot */
    test_sdk_open(&t);
    kis_span span = kis_span_start(shop(), "once"), copy = span;
    CHECK(kis_span_is_recording(span), "recording before the end (T12)");
    kis_span_end(span);
    CHECK(!kis_span_is_recording(span), "not after it");
    kis_span_end(copy);
    kis_span_set(copy, KIS_KV("late", 1));
    kis_span_event(copy, "late", KIS_KV("late", 1));
    kis_span_update_name(copy, "late");
    kis_span_fail(copy, "late");
    CHECK_INT(5, t.sdk->late_calls, "each late call is counted");
    const kis_span_view *v = only_span();
    CHECK_STR("once", v->name, "nothing changed");
    CHECK_INT(0, v->attr_count + v->event_count + v->status, "nothing added");
    test_sink_clear(&t.sink);
    kis_span next = kis_span_start(shop(), "next"); /* takes the slot again */
    CHECK(next._slot == span._slot, "the slot is used again");
    kis_span_set(span, KIS_KV("stale", 1));
    kis_span_end(span);
    CHECK(kis_span_is_recording(next), "a stale handle does not end its successor");
    kis_span_end(next);
    v = only_span();
    CHECK_INT(0, v->attr_count, "nor write to it");
    test_sdk_end(&t);
}

TEST(the_zero_span_does_nothing)
{
    test_sdk_begin(&t);
    kis_span span = { 0 };
    kis_span_context context;
    kis_span_set(span, KIS_KV("a", 1));
    kis_span_event(span, "a", KIS_KV("a", 1));
    kis_span_fail(span, "a");
    kis_span_end(span);
    CHECK(!kis_span_is_recording(span) && !kis_span_get_context(span, &context), "nothing there");
    CHECK_INT(0, t.sdk->late_calls, "and that is no mistake");
    test_sdk_end(&t);
}

/* What a program passes when something of its own is missing. */
TEST(what_is_null_is_dropped_and_ends_nothing)
{
    const char *volatile nothing = NULL;
    kis_error no_error = { 0 };

    test_sdk_begin(&t);
    kis_span none = kis_span_start(NULL, "without a tracer");
    CHECK(!none._slot && !kis_tracer_enabled(NULL), "no tracer, no span");
    kis_span span = kis_span_start(shop(), nothing, .attrs = KIS_ATTRS(KIS_KV(nothing, "text")));
    kis_span_set(span, KIS_KV(nothing, "text"));
    kis_span_set(span, KIS_KV(nothing, 7), KIS_KV("value", nothing));
    kis_span_event(span, nothing, KIS_KV(nothing, 1));
    kis_span_record_error_with(span, &no_error, KIS_ATTRS(KIS_KV(nothing, 1)));
    kis_span_update_name(span, nothing);
    kis_span_fail(span, nothing);
    kis_span_end(span);
    const kis_span_view *v = only_span();
    CHECK_INT(1, v->attr_count, "the one with a key");
    CHECK_INT(3, v->dropped_attrs, "those without are counted");
    CHECK_INT(2, v->event_count, "events need no name");
    CHECK_INT(KIS_STATUS_ERROR, v->status, "nor does a status need words");
    test_sdk_end(&t);
}

TEST(arguments_are_not_evaluated_when_nobody_listens)
{
    int calls = 0;
    kis_span span = kis_span_start(shop(), "x", .attrs = KIS_ATTRS(KIS_KV("a", ++calls)));
    kis_span_set(span, KIS_KV("a", ++calls));
    kis_span_event(span, "e", KIS_KV("a", ++calls));
    kis_span_end(span);
    CHECK_INT(0, calls, "no SDK");
    CHECK(!kis_tracer_enabled(shop()), "and the tracer says so");
    test_sdk_prepare(&t);
    t.samplers[0] = kis_sampler_always_off();
    t.setup.sampler = &t.samplers[0];
    test_sdk_open(&t);
    CHECK(kis_tracer_enabled(shop()), "an SDK runs");
    span = kis_span_start(shop(), "x");
    kis_span_set(span, KIS_KV("a", ++calls));
    kis_span_end(span);
    CHECK_INT(0, calls, "a span that the sampler dropped");
    test_sdk_end(&t);
}

TEST(a_parent_is_current_below_a_span_that_finds_no_room)
{
    const kis_span_context ids = { .trace_id = { { 1 } }, .span_id = { { 2 } } };
    kis_span_context got;
    test_sdk_prepare(&t);
    t.setup.max_spans = 1;
    test_sdk_open(&t);
    kis_span only = kis_span_start(shop(), "only");
    {
        KIS_SPAN(span, shop(), "one more",
                 .parent = kis_context_with_span_context(kis_context_none(), &ids));
        CHECK(only._slot && !span._slot, "no room for the second");
        CHECK(kis_context_get_span_context(kis_context_current(), &got, NULL, 0) &&
                  got.span_id.bytes[0] == 2,
              "its parent passes through");
    }
    CHECK(!kis_context_get_span_context(kis_context_current(), &got, NULL, 0), "and is left");
    kis_span_end(only);
    test_sdk_end(&t);
}

TEST(children_know_their_parent)
{
    kis_span_context root_context, context;
    test_sdk_begin(&t);
    {
        KIS_SPAN(root, shop(), "root");
        CHECK(kis_span_get_context(root, &root_context), "ids can be read");
        {
            KIS_SPAN(child, shop(), "child");
            CHECK(kis_span_current()._slot == child._slot, "current inside its scope (T4)");
            kis_span other = kis_span_start(shop(), "not current");
            CHECK(kis_span_current()._slot == child._slot,
                  "starting alone makes nothing current (M1)");
            kis_span_end(other);
            kis_span fresh = kis_span_start(shop(), "fresh", .is_root = true);
            kis_span_end(fresh);
            kis_span none = kis_span_start(shop(), "none", .parent = kis_context_none());
            kis_span_end(none);
        }
        CHECK(kis_span_current()._slot == root._slot, "the one before is back");
    }
    CHECK(!kis_context_get_span_context(kis_context_current(), &context, NULL, 0),
          "nothing is current at the end");
    test_sdk_flush(&t);
    const kis_span_view *root = test_sink_find(&t.sink, "root"),
                        *child = test_sink_find(&t.sink, "child"),
                        *other = test_sink_find(&t.sink, "not current");
    CHECK(root && child && other, "all arrive");
    CHECK(kis_trace_id_eq(&root->trace_id, &child->trace_id) &&
              kis_span_id_eq(&root->span_id, &child->parent_id),
          "child of the root (T10)");
    CHECK(kis_span_id_eq(&child->span_id, &other->parent_id), "child of the child");
    CHECK(kis_span_id_eq(&root->span_id, &root_context.span_id), "the ids that were read");
    for (int i = 0; i < 2; i++) {
        const kis_span_view *fresh = test_sink_find(&t.sink, i ? "none" : "fresh");
        CHECK(!kis_trace_id_eq(&root->trace_id, &fresh->trace_id) &&
                  !kis_span_id_is_valid(&fresh->parent_id),
              "forced roots (T9)");
    }
    test_sdk_end(&t);
}

TEST(an_ended_span_is_still_a_parent)
{
    test_sdk_begin(&t);
    kis_span parent = kis_span_start(shop(), "parent");
    kis_context kept = kis_context_with_span(kis_context_none(), parent);
    kis_span_end(parent);
    kis_span child = kis_span_start(shop(), "child",
                                    .parent = kis_context_with_span(kis_context_none(), parent));
    kis_span_end(child);
    test_sdk_flush(&t);
    const kis_span_view *first = test_sink_find(&t.sink, "parent");
    kis_span_id id = first->span_id;
    CHECK(kis_span_id_eq(&id, &test_sink_find(&t.sink, "child")->parent_id),
          "by its handle, while the slot is not used again (M7)");
    test_sink_clear(&t.sink);
    for (int i = 0; i < 100; i++)
        kis_span_end(kis_span_start(shop(), "other"));
    test_sdk_flush(&t);
    test_sink_clear(&t.sink);
    kis_span late = kis_span_start(shop(), "late", .parent = kept);
    kis_span_end(late);
    test_sdk_flush(&t);
    CHECK(kis_span_id_eq(&id, &test_sink_find(&t.sink, "late")->parent_id),
          "by its context, always");
    test_sdk_end(&t);
}

TEST(remote_parents_are_said_to_be_remote)
{
    kis_span_context remote = { .trace_id = { { 1, 2, 3 } },
                                .span_id = { { 4 } },
                                .flags = KIS_FLAG_SAMPLED,
                                .is_remote = true,
                                .trace_state = KIS_STR("a=1,b=2") };
    test_sdk_begin(&t);
    kis_span span = kis_span_start(
        shop(), "server", .parent = kis_context_with_span_context(kis_context_none(), &remote));
    kis_span child =
        kis_span_start(shop(), "child", .parent = kis_context_with_span(kis_context_none(), span));
    kis_span_end(child);
    kis_span_end(span);
    test_sdk_flush(&t);
    const kis_span_view *v = test_sink_find(&t.sink, "server"),
                        *c = test_sink_find(&t.sink, "child");
    CHECK(kis_trace_id_eq(&remote.trace_id, &v->trace_id) &&
              kis_span_id_eq(&remote.span_id, &v->parent_id),
          "its child");
    CHECK_INT(KIS_FLAG_SAMPLED | KIS_OTLP_FLAG_HAS_IS_REMOTE | KIS_OTLP_FLAG_IS_REMOTE, v->flags,
              "remote; not random, because the trace is not (M27, M37)");
    CHECK_STR("a=1,b=2", v->trace_state, "trace state is inherited (M10)");
    CHECK_STR("a=1,b=2", c->trace_state, "by grandchildren too");
    CHECK_INT(KIS_FLAG_SAMPLED | KIS_OTLP_FLAG_HAS_IS_REMOTE, c->flags,
              "the child's parent is ours");
    test_sdk_end(&t);
}

TEST(links_and_events_keep_order_and_content)
{
    kis_span_context a = { .trace_id = { { 1 } },
                           .span_id = { { 1 } },
                           .flags = 1,
                           .is_remote = true,
                           .trace_state = KIS_STR("v=1") },
                     none = { 0 };
    kis_link links[] = { { .to = a, .attrs = KIS_ATTRS(KIS_KV("n", 1)) },
                         { .to = none },
                         { .to = none, .attrs = KIS_ATTRS(KIS_KV("n", 2)) } };
    test_sdk_begin(&t);
    kis_span span = kis_span_start(shop(), "x", .links = { links, 3 });
    kis_span_link(span, &a, KIS_KV("n", 3));
    t.world.now_ns += 10;
    kis_span_event(span, "first", KIS_KV("a", 1), KIS_KV("a", 2));
    kis_span_add_event(span, "second", 77, (kis_attr_list){ 0 });
    kis_span_record_error_with(span, &(kis_error){ "timeout", "took too long", "at f" },
                               KIS_ATTRS(KIS_KV("exception.message", "mine")));
    kis_span_end(span);
    const kis_span_view *v = only_span();
    kis_link_view link;
    kis_cursor c = kis_cursor_of(v->links);
    for (int i = 1; i <= 3; i++) {
        CHECK(kis_link_next(&c, &link),
              "three links; the one with neither ids nor attributes is none (M6)");
        CHECK_INT(i, test_attr(link.attrs, "n").integer, "in order (T17)");
        CHECK_STR(i == 2 ? "" : "v=1", link.trace_state, "trace state of the link");
        CHECK_INT(i == 2 ? 0x100 : 0x301, link.flags, "flags of the link (M37)");
    }
    CHECK(!kis_link_next(&c, &link), "no more");
    kis_event_view event;
    c = kis_cursor_of(v->events);
    CHECK(kis_event_next(&c, &event), "first");
    CHECK_STR("first", event.name, "in order (T18)");
    CHECK_INT(TEST_WALL_NS + 1010, event.time_unix_ns, "time of the call");
    CHECK(kis_attrs_count(event.attrs) == 1 && test_attr(event.attrs, "a").integer == 2,
          "the last of a key counts, here too");
    CHECK(kis_event_next(&c, &event) && event.time_unix_ns == 77, "its own time");
    CHECK(kis_event_next(&c, &event), "exception");
    CHECK_STR("exception", event.name, "the name of the convention (T19)");
    CHECK_STR("mine", kis_attrs_text(event.attrs, KIS_STR("exception.message")),
              "the caller's attribute wins");
    CHECK_STR("timeout", kis_attrs_text(event.attrs, KIS_STR("exception.type")), "type");
    CHECK_STR("at f", kis_attrs_text(event.attrs, KIS_STR("exception.stacktrace")), "stack");
    test_sdk_end(&t);
}

TEST(names_are_cut_late_and_counted)
{
    static char text[5001];
    static const struct {
        const char *why;
        char letter;
        uint32_t count, want; /* bytes; of an event's name */
        uint32_t repaired;
    } rows[] = {
        { "short", 'n', 20, 20, 0 },
        { "long", 'n', 3000, 3000, 0 },
        { "as long as may be", 'n', 4096, 4096, 0 },
        { "too long", 'n', 4097, 4096, 2 },
        { "much too long", 'n', 5000, 4096, 2 },
        { "not UTF-8, but there is room for what it becomes", '\xff', 1300, 3900, 2 },
        { "not UTF-8, and becomes too long", '\xff', 3000, 4095, 2 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_sdk_stats stats;
        kis_event_view event;
        memset(text, rows[i].letter, rows[i].count);
        text[rows[i].count] = 0;
        test_sdk_begin(&t);
        kis_span span = kis_span_start(shop(), "x");
        kis_span_update_name(span, text);
        kis_span_event(span, text);
        kis_span_end(span);
        const kis_span_view *v = only_span();
        kis_cursor c = kis_cursor_of(v->events);
        CHECK(kis_event_next(&c, &event), "an event");
        CHECK_INT(rows[i].want, event.name.len, rows[i].why);
        if (rows[i].letter == 'n')
            CHECK_INT(rows[i].want, v->name.len, "a span's name the same");
        kis_sdk_get_stats(t.sdk, &stats);
        CHECK_INT(rows[i].repaired, stats.repaired_texts, rows[i].why);
        test_sdk_end(&t);
    }
}

TEST(times_of_ones_own_are_taken)
{
    test_sdk_begin(&t);
    kis_span span = kis_span_start(shop(), "x", .start_unix_ns = 1000000);
    kis_span_end_at(span, 2000000);
    const kis_span_view *v = only_span();
    CHECK_INT(1000000, v->start_unix_ns, "start");
    CHECK_INT(2000000, v->end_unix_ns, "end");
    test_sink_clear(&t.sink);
    span = kis_span_start(shop(), "x", .start_unix_ns = 1000000);
    t.world.now_ns += 55;
    kis_span_end(span);
    v = only_span();
    CHECK_INT(1000055, v->end_unix_ns, "an end of the clock's keeps the duration true");
    test_sdk_end(&t);
}

TEST(many_open_spans_are_bounded_and_counted)
{
    static kis_span spans[300];
    test_sdk_prepare(&t);
    t.setup.max_spans = 256;
    test_sdk_open(&t);
    for (size_t i = 0; i < COUNT_OF(spans); i++)
        spans[i] = kis_span_start(shop(), "open");
    kis_sdk_stats stats;
    kis_sdk_get_stats(t.sdk, &stats);
    CHECK_INT(44, stats.dropped_memory, "what did not fit");
    CHECK_INT(256, stats.open, "open");
    CHECK(!spans[299]._slot, "such a span does nothing");
    for (size_t i = 0; i < COUNT_OF(spans); i++)
        kis_span_end(spans[i]);
    test_sdk_flush(&t);
    CHECK_INT(256, test_sink_spans(&t.sink), "the others arrive");
    kis_sdk_get_stats(t.sdk, &stats);
    CHECK_INT(256, stats.exported, "and are counted");
    CHECK_INT(0, stats.open, "none is open");
    test_sdk_end(&t);
}

TEST(a_span_may_be_large_and_is_bounded)
{
    static char text[70000];
    char key[16];
    memset(text, 'x', sizeof(text) - 1);
    test_sdk_begin(&t);
    kis_span span = kis_span_start(shop(), "large");
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        kis_span_set(span, KIS_KV(key, text));
    }
    kis_span_end(span);
    const kis_span_view *v = only_span();
    CHECK_INT(15, v->attr_count, "as many as fit into KIS_SLOT_BLOCK_MAX");
    CHECK_INT(5, v->dropped_attrs, "the others are counted");
    CHECK_INT(KIS_VALUE_BYTES_MAX, test_attr_text(v, "k0").len, "a value is cut");
    test_sink_clear(&t.sink);
    CHECK_INT(0, t.sdk->block_bytes, "a large block is not kept");
    test_sdk_end(&t);
}

TEST_MAIN(RUN(a_span_arrives_as_it_was_recorded), RUN(the_same_key_again_takes_the_new_value),
          RUN(a_key_set_ten_thousand_times_stays_small), RUN(values_of_every_type_arrive),
          RUN(limits_drop_and_count), RUN(text_that_is_not_utf8_is_repaired),
          RUN(status_keeps_its_order), RUN(a_status_arrives_where_the_block_has_no_room_for_it),
          RUN(an_ended_span_does_nothing_and_is_counted), RUN(the_zero_span_does_nothing),
          RUN(arguments_are_not_evaluated_when_nobody_listens),
          RUN(a_parent_is_current_below_a_span_that_finds_no_room),
          RUN(what_is_null_is_dropped_and_ends_nothing), RUN(children_know_their_parent),
          RUN(an_ended_span_is_still_a_parent), RUN(remote_parents_are_said_to_be_remote),
          RUN(links_and_events_keep_order_and_content), RUN(names_are_cut_late_and_counted),
          RUN(times_of_ones_own_are_taken), RUN(many_open_spans_are_bounded_and_counted),
          RUN(a_span_may_be_large_and_is_bounded))
