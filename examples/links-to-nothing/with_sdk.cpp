// with_sdk.cpp - kiseki.hpp as C++17: a span for a scope, attributes of several types.
#include <cstdio>

#include <kiseki/kiseki.hpp>

static kiseki::tracer shop{ "libshop++", "1.0.0" };

int main()
{
    kis_sdk_options options = {};
    options.exporter = { "memory", 6 };
    kis_sdk *sdk = kis_sdk_start(&options, nullptr);
    bool was_current = false;
    {
        kiseki::span span(shop, "price", KIS_SPAN_KIND_CLIENT);
        span.set("article", 21).set("is.new", true).set("share", 0.5).set("name", std::string("spoon"));
        was_current = kis_span_current()._slot == span.get()._slot && kis_span_is_recording(span.get());
    }
    kis_sdk_stats stats;
    kis_sdk_get_stats(sdk, &stats);
    kis_sdk_stop(sdk, 1000);
    if (was_current && stats.started == 1 && stats.ended == 1 && stats.dropped_attrs == 0)
        return 0;
    std::fprintf(stderr, "current: %d, started %llu, ended %llu\n", was_current, static_cast<unsigned long long>(stats.started), static_cast<unsigned long long>(stats.ended));
    return 1;
}
