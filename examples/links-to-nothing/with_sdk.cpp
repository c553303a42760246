// with_sdk.cpp - kiseki.hpp as C++17: a span for a scope, attributes of several types, what a
// sampler sees of it, and an end before the scope's.
#include <cstdio>
#include <cstring>
#include <string>

#include <kiseki/kiseki.hpp>

// The example of kiseki.hpp, as it stands there.
static kiseki::tracer shop{ "libshop", "2.1.0" };

void load_orders(int user, const kis_span_context &cause)
{
    // current until the scope ends, and ended there; a sampler sees what is given here
    kiseki::span span(shop, "SELECT orders", KIS_SPAN_KIND_CLIENT,
                      { kiseki::attr("user.id", user) }, { kiseki::link(cause) });
    span.set("cache.hit", false).event("connected");
    span.end(); // earlier than the scope, where that is wanted
}

static size_t attrs_at_start, links_at_start;

static void note_start(const kis_sampler *, const kis_sampling_input *input,
                       kis_sampling_result *out)
{
    attrs_at_start = input->attrs.count;
    links_at_start = input->links.count;
    out->decision = KIS_SAMPLING_RECORD_AND_SAMPLE;
}
static size_t describe(const kis_sampler *, char *, size_t)
{
    return 0;
}

static int failures;
static void check(bool is_true, const char *what)
{
    if (!is_true)
        std::fprintf(stderr, "not so: %s\n", what);
    failures += !is_true;
}

static kis_attr_value attr_of(const kis_span_data &span, const char *key)
{
    kis_attr_value value = {};
    kis_str name = { key, std::strlen(key) };
    value.type = KIS_ATTR_BOOL;
    if (!kis_attr_data_find(&span.attrs, name, &value))
        check(false, key);
    return value;
}

static bool is_text(const kis_attr_value &value, const char *want)
{
    return value.type == KIS_ATTR_TEXT && std::string(value.text.ptr, value.text.len) == want;
}

static void check_values(kis_sdk *sdk)
{
    const char *none = nullptr, *some = "fork";
    kis_span_data data;

    {
        kiseki::span span(shop, "price", KIS_SPAN_KIND_CLIENT);
        span.set("article", 21).set("is.new", true).set("share", 0.5);
        span.set("name", std::string("spoon")).set("other", some).set("literal", "knife");
        span.set("view", std::string_view("cup")).set("nothing", none).set("null", nullptr);
        span.set("large", 18446744073709551615ull).event("sold", { kiseki::attr("at", 7) });
        check(kis_span_current()._slot == span.get()._slot, "a span is current in its scope");
    }
    check(kis_sdk_flush(sdk, 5000) == KIS_OK && kis_sdk_memory_count(sdk) == 1, "one span");
    check(kis_sdk_memory_at(sdk, 0, &data), "it can be read");
    check(attr_of(data, "article").integer == 21 && attr_of(data, "is.new").boolean, "int, bool");
    check(attr_of(data, "share").number == 0.5, "double");
    check(is_text(attr_of(data, "name"), "spoon"), "std::string");
    check(is_text(attr_of(data, "other"), "fork"), "char *");
    check(is_text(attr_of(data, "literal"), "knife"), "a literal");
    check(is_text(attr_of(data, "view"), "cup"), "std::string_view");
    check(attr_of(data, "nothing").type == KIS_ATTR_NULL, "a null char * is the null value");
    check(attr_of(data, "null").type == KIS_ATTR_NULL, "nullptr is the null value");
    check(attr_of(data, "large").integer == INT64_MAX, "unsigned");
    check(data.event_count == 1 && data.dropped_attrs == 0, "an event");
    kis_sdk_memory_clear(sdk);
}

static void check_start_and_end(kis_sdk *sdk)
{
    kis_span_context cause = {};
    kis_span_data data;

    {
        kiseki::span outer(shop, "outer");
        check(kis_span_get_context(outer.get(), &cause), "it has ids");
        load_orders(7, cause);
        check(attrs_at_start == 1 && links_at_start == 1, "a sampler sees attributes and links");
        kiseki::span early(shop, "early");
        early.end();
        check(kis_span_current()._slot == outer.get()._slot, "after end() the outer is current");
        early.set("late", 1).fail();
        early.end();
    }
    check(kis_sdk_flush(sdk, 5000) == KIS_OK && kis_sdk_memory_count(sdk) == 3, "three spans");
    check(kis_sdk_memory_at(sdk, 0, &data) && data.link_count == 1 && data.attrs.count == 2 &&
              data.event_count == 1,
          "the span of load_orders");
    check(kis_sdk_memory_at(sdk, 1, &data) && data.attrs.count == 0 &&
              data.status == KIS_STATUS_UNSET,
          "nothing is added after the end");
}

int main()
{
    kis_sampler sampler = {};
    sampler.should_sample = note_start;
    sampler.describe = describe;
    kis_sdk_options options = {};
    options.exporter = { "memory", 6 };
    options.sampler = &sampler;
    kis_sdk *sdk = kis_sdk_start(&options, nullptr);

    check(sdk, "the SDK starts");
    check_values(sdk);
    check_start_and_end(sdk);
    kis_sdk_stats stats;
    kis_sdk_get_stats(sdk, &stats);
    kis_sdk_stop(sdk, 1000);
    check(stats.started == 4 && stats.ended == 4, "each span has ended once");
    return failures != 0;
}
