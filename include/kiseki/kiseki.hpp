/* kiseki.hpp - the library for C++17: what the macros of C do, with a scope for each span. Header only; everything else is as in kiseki.h.
 *
 *     static kiseki::tracer shop{"libshop", "2.1.0"};
 *
 *     void load_orders(int user)
 *     {
 *         kiseki::span span(shop, "SELECT orders", KIS_SPAN_KIND_CLIENT);   ended, and no longer current, when the scope ends
 *         span.set("user.id", user).set("cache.hit", false);
 *     }
 */
#ifndef KISEKI_KISEKI_HPP
#define KISEKI_KISEKI_HPP

#include <string>
#include <string_view>
#include <type_traits>

#include <kiseki/kiseki.h>

namespace kiseki {

/** An attribute of any C++ type that has one: text, bool, integer, floating point. Borrows for the call. */
template <typename T> kis_attr attr(const char *key, const T &value)
{
    if constexpr (std::is_same_v<T, bool>)
        return kis_attr_bool(key, value);
    else if constexpr (std::is_floating_point_v<T>)
        return kis_attr_double(key, static_cast<double>(value));
    else if constexpr (std::is_unsigned_v<T>)
        return kis_attr_uint(key, value);
    else if constexpr (std::is_integral_v<T>)
        return kis_attr_int(key, value);
    else {
        std::string_view text(value);
        kis_str str = { text.data(), text.size() };
        return kis_attr_str(key, str);
    }
}

/** A tracer; lives as long as it is used. */
class tracer {
  public:
    explicit tracer(const char *name, const char *version = nullptr) : tracer_() { tracer_.name = name, tracer_.version = version; }
    tracer(const tracer &) = delete;
    kis_tracer *get() { return &tracer_; }

  private:
    kis_tracer tracer_;
};

/** A span that is current until its scope ends, and is ended there. */
class span {
  public:
    span(tracer &t, const char *name, kis_span_kind kind = KIS_SPAN_KIND_INTERNAL, const kis_context *parent = nullptr)
    {
        kis_span_options options = {};
        options.name = name;
        options.kind = kind;
        if (parent)
            options.parent = *parent;
        kis_span_scope_begin(&scope_, kis_span_start_with(t.get(), &options));
    }
    ~span() { kis_span_scope_end(&scope_); }
    span(const span &) = delete;
    span &operator=(const span &) = delete;

    template <typename T> span &set(const char *key, const T &value)
    {
        if (kis_span_wants(scope_.span)) {
            kis_attr one = attr(key, value);
            kis_attr_list list = { &one, 1 };
            kis_span_set_attrs(scope_.span, list);
        }
        return *this;
    }
    span &event(const char *name)
    {
        kis_attr_list none = {};
        kis_span_add_event(scope_.span, name, 0, none);
        return *this;
    }
    span &fail(const char *message = nullptr)
    {
        kis_span_fail(scope_.span, message);
        return *this;
    }
    kis_span get() const { return scope_.span; }

  private:
    kis_span_scope scope_ = {};
};

} // namespace kiseki

#endif
