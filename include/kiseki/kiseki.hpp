/* kiseki.hpp - the library for C++17: what the macros of C do, with a scope for each span. Header
 * only; everything else is as in kiseki.h.
 *
 *     static kiseki::tracer shop{ "libshop", "2.1.0" };
 *
 *     void load_orders(int user, const kis_span_context &cause)
 *     {
 *         // current until the scope ends, and ended there; a sampler sees what is given here
 *         kiseki::span span(shop, "SELECT orders", KIS_SPAN_KIND_CLIENT,
 *                           { kiseki::attr("user.id", user) }, { kiseki::link(cause) });
 *         span.set("cache.hit", false).event("connected");
 *         span.end(); // earlier than the scope, where that is wanted
 *     }
 */
#ifndef KISEKI_KISEKI_HPP
#define KISEKI_KISEKI_HPP

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include <kiseki/kiseki.h>

namespace kiseki {

/** An attribute of any C++ type that has one: text, bool, integer, floating point, kis_str,
 * kis_bytes. A null char pointer, and nullptr, is the null value, as in C. Borrows for the call. */
template <typename T> kis_attr attr(const char *key, const T &value)
{
    if constexpr (std::is_same_v<T, bool>)
        return kis_attr_bool(key, value);
    else if constexpr (std::is_same_v<T, std::nullptr_t>)
        return kis_attr_null(key);
    else if constexpr (std::is_floating_point_v<T>)
        return kis_attr_double(key, static_cast<double>(value));
    else if constexpr (std::is_integral_v<T> && std::is_unsigned_v<T>)
        return kis_attr_uint(key, value);
    else if constexpr (std::is_integral_v<T>)
        return kis_attr_int(key, value);
    else if constexpr (std::is_same_v<T, kis_str>)
        return kis_attr_str(key, value);
    else if constexpr (std::is_same_v<T, kis_bytes>)
        return kis_attr_bytes(key, value);
    else if constexpr (std::is_convertible_v<const T &, const char *>)
        return kis_attr_text(key, value);
    else {
        std::string_view text(value);
        kis_str str = { text.data(), text.size() };
        return kis_attr_str(key, str);
    }
}

/** A link to another span, for the start of a span. */
inline kis_link link(const kis_span_context &to)
{
    kis_link one = {};
    one.to = to;
    return one;
}

/** A tracer; lives as long as it is used. */
class tracer {
  public:
    explicit tracer(const char *name, const char *version = nullptr) : tracer_()
    {
        tracer_.name = name, tracer_.version = version;
    }
    tracer(const tracer &) = delete;
    tracer &operator=(const tracer &) = delete;
    kis_tracer *get() { return &tracer_; }

  private:
    kis_tracer tracer_;
};

/** A span that is current until its scope ends, and is ended there unless end() came before. */
class span {
  public:
    span(tracer &t, const char *name, kis_span_kind kind = KIS_SPAN_KIND_INTERNAL,
         const kis_context *parent = nullptr)
        : span(t, name, kind, {}, {}, parent)
    {
    }
    /** Attributes and links here, rather than later, where a sampler should see them. */
    span(tracer &t, const char *name, kis_span_kind kind, std::initializer_list<kis_attr> attrs,
         std::initializer_list<kis_link> links = {}, const kis_context *parent = nullptr)
    {
        kis_span_options options = {};
        options.name = name;
        options.kind = kind;
        options.attrs = { attrs.begin(), attrs.size() };
        options.links = { links.begin(), links.size() };
        if (parent)
            options.parent = *parent;
        begin(t, options);
    }
    /** Whatever else a span can start with: a root, a start time, a name without NUL. */
    span(tracer &t, const kis_span_options &options) { begin(t, options); }
    ~span() { end(); }
    span(const span &) = delete;
    span &operator=(const span &) = delete;

    /** Ends it before its scope does, and leaves its context; what comes later does nothing. Spans
     * that began after it in this thread should have ended. */
    void end()
    {
        if (!is_over_)
            kis_span_scope_end(&scope_);
        is_over_ = true;
    }

    template <typename T> span &set(const char *key, const T &value)
    {
        if (kis_span_wants(scope_.span)) {
            kis_attr one = attr(key, value);
            kis_attr_list list = { &one, 1 };
            kis_span_set_attrs(scope_.span, list);
        }
        return *this;
    }
    span &event(const char *name, std::initializer_list<kis_attr> attrs = {})
    {
        kis_attr_list list = { attrs.begin(), attrs.size() };
        kis_span_add_event(scope_.span, name, 0, list);
        return *this;
    }
    span &fail(const char *message = nullptr)
    {
        kis_span_fail(scope_.span, message);
        return *this;
    }
    kis_span get() const { return scope_.span; }

  private:
    void begin(tracer &t, const kis_span_options &options)
    {
        kis_span_scope_begin_below(&scope_, kis_span_start_with(t.get(), &options), options.parent);
    }

    kis_span_scope scope_ = {};
    bool is_over_ = false;
};

} // namespace kiseki

#endif
