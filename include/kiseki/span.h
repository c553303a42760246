/* span.h - tracers and spans: start, set, event, link, status, end.
 *
 *     KIS_TRACER(shop, "libshop", "2.1.0")
 *
 *     static int load_orders(int user)
 *     {
 *         KIS_SPAN(span, shop(), "SELECT orders", .kind = KIS_SPAN_KIND_CLIENT,
 *                  .attrs = KIS_ATTRS(KIS_KV("db.system.name", "postgresql"),
 *                                     KIS_KV("user.id", user)));
 *         int rows = db_query(user);
 *         if (rows < 0)
 *             return kis_span_fail(span, "query failed"), rows;
 *         kis_span_set(span, KIS_KV("db.response.returned_rows", rows));
 *         return rows;
 *     }
 *
 * Nothing here fails, blocks or does input and output: what cannot be recorded is dropped and
 * counted (kis_sdk_stats). Once a thread has recorded a few spans, recording neither allocates nor
 * locks nor enters the kernel. All texts are borrowed for the call and copied.
 * Every function may be called from any thread, also for one span from several.
 * None may be called from a signal handler.
 *
 * Functions that take attributes by `...` are macros over a plain function of the name in brackets.
 * Their attributes are not evaluated when nobody listens or the span is not recorded, so do not put
 * side effects there; `span` and `tracer` are evaluated twice: pass a variable. The parent of a
 * start is always evaluated.
 *
 * Source: OpenTelemetry specification, trace/api.md and trace/sdk.md.
 */
#ifndef KISEKI_SPAN_H
#define KISEKI_SPAN_H

#include <kiseki/attr_inline.h>
#include <kiseki/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Who records: a library, with its version. Made by KIS_TRACER, or zeroed with its first fields
 * set; lives as long as it is used. */
typedef struct kis_tracer {
    const char *name;    /* of the library, not of the service; empty is allowed, and logged once */
    const char *version; /* or NULL */
    const char *schema_url; /* or NULL */
    kis_attr_list attrs;    /* of the scope; what they point to lives as long as the tracer */
    struct kis_sdk *sdk;    /* NULL: the global one */
    void *_scope;
    uint32_t _generation;
    uint32_t _reserved;
} kis_tracer;

/**
 * Defines a function `ident()` that answers the tracer of this file: kis_tracer *. No semicolon
 * behind it. It may be called before an SDK is started, and follows the SDK that is the global
 * one at each call.
 */
#ifndef __cplusplus
#define KIS_TRACER(ident, name_, version_)                                     \
    KIS_MAYBE_UNUSED_ static kis_tracer *ident(void)                           \
    {                                                                          \
        static kis_tracer tracer = { .name = (name_), .version = (version_) }; \
        return &tracer;                                                        \
    }
#endif

#if defined(__GNUC__)
#define KIS_MAYBE_UNUSED_ __attribute__((unused))
#else
#define KIS_MAYBE_UNUSED_
#endif

/** True while spans of this tracer may be recorded: ask before preparing what only a span needs.
 * Answers anew each time; do not keep the answer. */
static inline bool kis_tracer_enabled(kis_tracer *tracer)
{
    const kis_api *api = kis_api_here();
    return kis_api_is_listening_(api) && api->tracer_enabled(tracer);
}

typedef struct kis_link {
    kis_span_context to; /* of all zeros: recorded only with attributes or a trace state */
    kis_attr_list attrs;
} kis_link;

typedef struct kis_link_list {
    const kis_link *at;
    size_t count;
} kis_link_list;

/** How a span starts. All but the name may stay zero. */
typedef struct kis_span_options {
    const char *name;
    kis_span_kind kind;
    bool is_root; /* a new trace, whatever the parent; baggage stays */
    /* zeros: the thread's current context. A parent is always a context, never a bare span */
    kis_context parent;
    /* prefer these to kis_span_set: a sampler sees only what is there at the start */
    kis_attr_list attrs;
    kis_link_list links;
    uint64_t start_unix_ns; /* 0: now */
    kis_str name_str;       /* instead of `name`, for a name that does not end in NUL */
} kis_span_options;

static inline kis_span kis_span_none(void)
{
    kis_span span = KIS_ZERO_;
    return span;
}

/** True when attributes given now would be recorded: one load, no call.
 * A span that was ended may still say yes. */
static inline bool kis_span_wants(kis_span span)
{
    return (span._word & KIS_SPAN_RECORDING_) != 0;
}

/* Nobody records. A span that is given a parent is that parent again, where an SDK has a place for
 * it. One that is not does nothing, and so stands for the current context. */
KIS_INLINE_ kis_span kis_span_start_off_(kis_tracer *tracer, kis_context parent)
{
    if (parent._is_set && kis_api_here()) {
        kis_span_options options = KIS_ZERO_;
        options.parent = parent;
        return kis_api_here()->span_start(tracer, &options);
    }
    return kis_span_none();
}

/** The function behind kis_span_start. */
static inline kis_span kis_span_start_with(kis_tracer *tracer, const kis_span_options *options)
{
    const kis_api *api = kis_api_here();
    return kis_api_is_listening_(api) ? api->span_start(tracer, options)
                                      : kis_span_start_off_(tracer, options->parent);
}

/* Known to the compiler: nothing is said but name, kind and attributes, as most starts are. */
KIS_INLINE_ bool kis_start_is_plain_(const kis_span_options *o)
{
#if defined(__GNUC__)
    bool is_plain = !o->is_root && !o->parent._is_set && !o->links.count && !o->start_unix_ns;
    return __builtin_constant_p(is_plain) && is_plain;
#else
    (void)o;
    return false;
#endif
}

/* The same for options that are the caller's own: the length of a literal name is known here, and
 * options that need not be looked at are not even made. */
KIS_INLINE_ kis_span kis_span_start_now_(kis_tracer *tracer, kis_span_options *options)
{
    if (options->name) {
        options->name_str.ptr = options->name;
        options->name_str.len = KIS_TEXT_LEN_(options->name);
        options->name = NULL;
    }
    if (kis_start_is_plain_(options))
        return kis_api_here()->span_start_plain(tracer, options->name_str.ptr,
                                                options->name_str.len, options->kind,
                                                options->attrs.at, options->attrs.count);
    return kis_api_here()->span_start(tracer, options);
}

#ifndef __cplusplus
/* The parent that a start names, and nothing else of it: no attribute is made. */
#if defined(__GNUC__)
#define KIS_PARENT_OF_(...)                                 \
    (__extension__({                                        \
        struct kis_attrs_are_wanted_ {                      \
            char is_not[1];                                 \
        };                                                  \
        ((kis_span_options){ .name = __VA_ARGS__ }).parent; \
    }))
#else
#define KIS_PARENT_OF_(...) (((kis_span_options){ .name = __VA_ARGS__ }).parent)
#endif

/**
 * Starts a span [kis_span_start_with]:
 *
 *     kis_span span = kis_span_start(shop(), "GET /orders/{id}", .kind = KIS_SPAN_KIND_SERVER,
 *                                    .parent = in);
 *
 * The rest are fields of kis_span_options. The span is not made current: kis_context_enter does
 * that. The time is that of the call. Answers a span that does nothing when nobody listens, or when
 * the memory for spans is used up (counted). With a disabled SDK a span that is given a parent has
 * the parent's ids.
 */
#define kis_span_start(tracer, ...)                                                  \
    (kis_api_is_listening_(kis_api_here())                                           \
         ? kis_span_start_now_((tracer), &(kis_span_options){ .name = __VA_ARGS__ }) \
         : kis_span_start_off_((tracer), KIS_PARENT_OF_(__VA_ARGS__)))
#endif

/** True until the span is ended, when the sampler wants it recorded. */
static inline bool kis_span_is_recording(kis_span span)
{
    const kis_api *api = kis_api_here();
    return span._slot && api && api->span_is_recording(span);
}

/** Ids, flags and trace state. False, with `out` all zeros, for the span that does nothing, and
 * some time after the span was ended, by the program or by kis_sdk_stop. The trace state borrows
 * from the span and is not there any more when it has ended. Keep a kis_context
 * (kis_context_with_span) to use the ids later. */
static inline bool kis_span_get_context(kis_span span, kis_span_context *out)
{
    const kis_api *api = kis_api_here();
    kis_span_context none = KIS_ZERO_;
    *out = none;
    return span._slot && api && api->span_get_context(span, out);
}

/** The thread's current span; the one that does nothing when there is none in this process. */
static inline kis_span kis_span_current(void)
{
    return kis_context_current()._span;
}

/** The function behind kis_span_set: sets attributes. A key that is there takes the new value. At
 * most 128 keys (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT). */
static inline void kis_span_set_attrs(kis_span span, kis_attr_list attrs)
{
    if (kis_span_wants(span))
        kis_api_here()->span_set(span, attrs);
}

/* The same for one attribute: what has a plain key, as most have, goes in registers. */
KIS_INLINE_ void kis_span_set_one_(kis_span span, kis_attr attr)
{
    const kis_api *api;

#ifdef KIS_HAS_INLINE_ATTRS_
    if (kis_attr_is_inline_(&attr) && (span._word & KIS_SPAN_INLINE_) &&
        kis_span_set_inline_(span, &attr))
        return;
#endif
    if (!kis_span_wants(span))
        return;
    api = kis_api_here();
    if (attr._flags & KIS_ATTR_PLAIN_TEXT_) {
        api->span_set_text(span, attr.key, kis_attr_word_(&attr), (const char *)attr.value.items,
                           attr.count);
    } else if (attr._flags & KIS_ATTR_PLAIN_KEY_) {
        api->span_set_plain(span, attr.key, kis_attr_word_(&attr), attr.value, attr.count);
    } else {
        kis_attr in_memory = attr; /* a copy, so that the other way is not made to have one */
        kis_attr_list list;
        list.at = &in_memory;
        list.count = 1;
        api->span_set(span, list);
    }
}

/** The function behind kis_span_event; time 0 is now. */
static inline void kis_span_add_event(kis_span span, const char *name, uint64_t time_unix_ns,
                                      kis_attr_list attrs)
{
    if (kis_span_wants(span))
        kis_api_here()->span_event(span, name, time_unix_ns, attrs);
}

/** The function behind kis_span_link: adds a link to another span.
 * Links given at the start are better: a sampler sees them. */
static inline void kis_span_add_link(kis_span span, const kis_span_context *to, kis_attr_list attrs)
{
    if (kis_span_wants(span))
        kis_api_here()->span_link(span, to, attrs);
}

#ifndef __cplusplus
/** Sets attributes: kis_span_set(span, KIS_KV("user.id", 7), KIS_BOOL("cache.hit", hit))
 * [kis_span_set_attrs]. */
#define kis_span_set(span, ...)                                              \
    (!kis_span_wants(span) ? (void)0                                         \
     : sizeof((const kis_attr[]){ __VA_ARGS__ }) == sizeof(kis_attr)         \
         ? kis_span_set_one_((span), ((const kis_attr[]){ __VA_ARGS__ })[0]) \
         : kis_span_set_attrs((span), KIS_ATTRS(__VA_ARGS__)))
/** Adds an event of this moment: kis_span_event(span, "cache miss", KIS_KV("key", key))
 * [kis_span_add_event]. At least one attribute; for none, or for a time of its own,
 * call the function. */
#define kis_span_event(span, name, ...) \
    (kis_span_wants(span) ? kis_span_add_event((span), (name), 0, KIS_ATTRS(__VA_ARGS__)) : (void)0)
/** Adds a link with attributes [kis_span_add_link]. */
#define kis_span_link(span, to, ...) \
    (kis_span_wants(span) ? kis_span_add_link((span), (to), KIS_ATTRS(__VA_ARGS__)) : (void)0)
#endif

/** Sets the status. OK is final; UNSET is ignored; the message is kept with ERROR alone,
 * and may be NULL. */
static inline void kis_span_set_status(kis_span span, kis_status_code code, const char *message)
{
    if (kis_span_wants(span))
        kis_api_here()->span_status(span, code, message);
}

/** The span failed: status ERROR with this message, which may be NULL. Does not end it. */
static inline void kis_span_fail(kis_span span, const char *message)
{
    kis_span_set_status(span, KIS_STATUS_ERROR, message);
}

/** An error as other languages have exceptions; every field may be NULL. */
typedef struct kis_error {
    const char *name;    /* exception.type: "timeout", "EPIPE" */
    const char *message; /* exception.message */
    const char *stack;   /* exception.stacktrace */
} kis_error;

/** Adds the event "exception" for an error; `more` is added to it, and wins over the fields of the
 * same names. The status is not touched: kis_span_fail does that. */
static inline void kis_span_record_error_with(kis_span span, const kis_error *error,
                                              kis_attr_list more)
{
    if (kis_span_wants(span))
        kis_api_here()->span_record_error(span, error, more);
}
static inline void kis_span_record_error(kis_span span, const char *name, const char *message)
{
    kis_error error = KIS_ZERO_;
    kis_attr_list none = KIS_ZERO_;
    error.name = name;
    error.message = message;
    kis_span_record_error_with(span, &error, none);
}

/** Renames the span. Samplers have seen the first name. */
static inline void kis_span_update_name(kis_span span, const char *name)
{
    kis_str text;
    text.ptr = name;
    text.len = name ? KIS_TEXT_LEN_(name) : 0;
    if (kis_span_wants(span))
        kis_api_here()->span_update_name(span, text);
}

/** Ends the span now. It is not left where it is current, its children are not touched, and ending
 * it again does nothing (counted). Never waits. */
static inline void kis_span_end(kis_span span)
{
    if (span._slot)
        kis_api_here()->span_end(span, 0);
}
/** Ends the span at a time of your own. */
static inline void kis_span_end_at(kis_span span, uint64_t end_unix_ns)
{
    if (span._slot)
        kis_api_here()->span_end(span, end_unix_ns);
}

/* A span that is current for a scope: what KIS_SPAN makes. */
typedef struct kis_span_scope {
    kis_span span;
    kis_context_scope _scope;
} kis_span_scope;

/** Makes `span` current and remembers it; the span that does nothing leaves the current context as
 * it is. Answers the span. */
KIS_INLINE_ kis_span kis_span_scope_begin(kis_span_scope *scope, kis_span span)
{
    scope->span = span;
    if (span._slot)
        kis_api_here()->context_enter_span(&scope->_scope, span);
    else
        scope->_scope._is_entered = 0;
    return span;
}
/** The same with the parent that the span was started with: that is current where the span does
 * nothing, so that a trace passes through where nobody records. Zeros: as above. */
KIS_INLINE_ kis_span kis_span_scope_begin_below(kis_span_scope *scope, kis_span span,
                                                kis_context parent)
{
    kis_span_scope_begin(scope, span);
    if (!span._slot && parent._is_set)
        kis_context_enter(&scope->_scope, parent);
    return span;
}
/** Leaves it and ends the span. */
static inline void kis_span_scope_end(kis_span_scope *scope)
{
    if (scope->span._slot) {
        const kis_api *api = kis_api_here();
        api->context_leave(&scope->_scope);
        api->span_end(scope->span, 0);
    } else if (scope->_scope._is_entered) {
        kis_context_leave(&scope->_scope);
    }
}

#ifndef __cplusplus
KIS_INLINE_ kis_span kis_span_scope_start_(kis_span_scope *scope, kis_tracer *tracer,
                                           kis_span_options *options)
{
    return kis_span_scope_begin_below(scope, kis_span_start_now_(tracer, options), options->parent);
}
KIS_INLINE_ kis_span kis_span_scope_start_off_(kis_span_scope *scope, kis_tracer *tracer,
                                               kis_context parent)
{
    return kis_span_scope_begin_below(scope, kis_span_start_off_(tracer, parent), parent);
}
#endif

#if defined(__GNUC__) && !defined(__cplusplus)
/**
 * Declares `var`, a started span that is current until the enclosing scope ends,
 * and is ended there, on every way out:
 *
 *     KIS_SPAN(span, shop(), "SELECT orders", .kind = KIS_SPAN_KIND_CLIENT);
 *
 * Where nobody records, its parent is current instead: the trace of others passes through.
 * Not for a function that gives control away in the middle (a coroutine, setjmp):
 * there, start and end by hand.
 * Needs __attribute__((cleanup)): GCC and Clang. Elsewhere use
 * kis_span_scope_begin and kis_span_scope_end.
 */
#define KIS_SPAN(var, tracer, ...)                                              \
    __attribute__((cleanup(kis_span_scope_end))) kis_span_scope var##_scope_;   \
    KIS_MAYBE_UNUSED_ const kis_span var =                                      \
        kis_api_is_listening_(kis_api_here())                                   \
            ? kis_span_scope_start_(&var##_scope_, (tracer),                    \
                                    &(kis_span_options){ .name = __VA_ARGS__ }) \
            : kis_span_scope_start_off_(&var##_scope_, (tracer), KIS_PARENT_OF_(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif
#endif
