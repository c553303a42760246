/* context.h - what travels beside the work: the span that is current, the context of a parent in
 * another process, baggage, values of the program's own.
 *
 * A context is a value of a few words: copy it, keep it in a struct, hand it to another thread.
 * Nothing is freed. Setting something makes a new context; the old one stays as it was. Explicit
 * first: every function takes the context it works on. Second, each thread has a current one, which
 * kis_span_start takes as parent where no other is given:
 *
 *     kis_context_scope scope;
 *     kis_context_enter(&scope, job->context);        on the thread that does the work
 *     ...
 *     kis_context_leave(&scope);                      in reverse order, on the same thread
 *
 * All zeros, as in a struct that was never set, stands for "the thread's current context";
 * kis_context_none() is the empty one.
 * Trace state, baggage and values live in a bounded store of the SDK. They stay as long as a span
 * that has them is not ended and sent, and at least until KIS_CONTEXT_BAGS newer ones were made;
 * after that a kept context still has its ids, but an empty trace state and baggage. Without an SDK
 * nothing but ids and flags is carried.
 *
 * Any thread, but a scope is left by the thread that entered it. Nothing here fails.
 */
#ifndef KISEKI_CONTEXT_H
#define KISEKI_CONTEXT_H

#include <kiseki/attr.h>
#include <kiseki/span_context.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KIS_CONTEXT_BAGS    1024
#define KIS_TRACE_STATE_MAX 4096 /* bytes of a trace state */

/**
 * A span while it is recorded: a value, not a pointer. All zeros is the span that does nothing. A
 * copy is the same span. After kis_span_end every copy does nothing, and using it is counted
 * (kis_sdk_stats, late_calls).
 */
typedef struct kis_span {
    void *_slot;
    uint64_t _word; /* as the slot has it while the span is open: generation, process, state */
} kis_span;

/* In the word: */
#define KIS_SPAN_BUSY_      0x1u  /* never in a handle's */
#define KIS_SPAN_RECORDING_ 0x2u  /* attributes would be kept */
#define KIS_SPAN_INLINE_    0x10u /* and may be written where they are set (attr_inline.h) */

typedef struct kis_context {
    kis_trace_id _trace_id;
    kis_span_id _span_id;
    uint8_t _flags; /* W3C's */
    uint8_t _is_remote;
    uint8_t _is_set; /* 0: stands for the current context */
    uint8_t _reserved;
    uint32_t _bag_generation;
    void *_bag;     /* trace state, baggage, values; NULL: none */
    kis_span _span; /* when the span is recorded in this process */
} kis_context;

typedef struct kis_context_scope {
    kis_context _previous;
    uint32_t _is_entered;
} kis_context_scope;

#ifdef __cplusplus
}
#endif

#include <kiseki/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The empty context: no parent, no baggage. As parent of a span it makes a new trace. */
static inline kis_context kis_context_none(void)
{
    kis_context context = KIS_ZERO_;
    context._is_set = 1;
    return context;
}

/** The thread's current context; the empty one when nothing was entered. */
static inline kis_context kis_context_current(void)
{
    const kis_api *api = kis_api_here();
    kis_context context;
    if (api)
        api->context_current(&context);
    else
        context = kis_no_sdk_current_;
    context._is_set = 1;
    return context;
}

/** Makes `context` the thread's current one until kis_context_leave(scope). `scope` is the
 * caller's, usually on the stack. */
static inline void kis_context_enter(kis_context_scope *scope, kis_context context)
{
    const kis_api *api = kis_api_here();
    scope->_is_entered = 1;
    if (api) {
        api->context_enter(scope, &context);
    } else {
        scope->_previous = kis_no_sdk_current_;
        if (context._is_set)
            kis_no_sdk_current_ = context;
    }
}

/** Puts back what was current before. Leaving twice does nothing. */
static inline void kis_context_leave(kis_context_scope *scope)
{
    const kis_api *api = kis_api_here();
    if (!scope->_is_entered)
        return;
    scope->_is_entered = 0;
    if (api)
        api->context_leave(scope);
    else
        kis_no_sdk_current_ = scope->_previous;
}

/** `context` with `span` as its span. The span that does nothing changes nothing, so that a parent
 * passes through where nobody records. */
static inline kis_context kis_context_with_span(kis_context context, kis_span span)
{
    const kis_api *api = kis_api_here();
    if (api && span._slot)
        api->context_with_span(&context, span);
    return context;
}

/** The span of a context; the one that does nothing when its span is another process's, or none. */
static inline kis_span kis_context_span(kis_context context)
{
    if (!context._is_set)
        context = kis_context_current();
    return context._span;
}

/** `context` with a parent known by its ids alone (from a queue message, say). Its trace state is
 * copied. Ids of zeros change nothing. */
static inline kis_context kis_context_with_span_context(kis_context context,
                                                        const kis_span_context *parent)
{
    const kis_api *api = kis_api_here();
    kis_context with = KIS_ZERO_;
    if (api) {
        api->context_with_span_context(&context, parent);
        return context;
    }
    with._trace_id = parent->trace_id;
    with._span_id = parent->span_id;
    with._flags = parent->flags;
    with._is_remote = parent->is_remote;
    with._is_set = 1;
    return kis_has_ids_(&with) ? with : context._is_set ? context : kis_context_current();
}

/** The ids, flags and trace state of a context's span. False, with `out` all zeros, when it has
 * none. The trace state borrows `buffer` (KIS_TRACE_STATE_MAX bytes; a longer one is left out);
 * NULL leaves it out. */
static inline bool kis_context_get_span_context(kis_context context, kis_span_context *out,
                                                char *buffer, size_t buffer_size)
{
    const kis_api *api = kis_api_here();
    kis_span_context none = KIS_ZERO_;
    *out = none;
    if (!context._is_set)
        context = kis_context_current();
    if (api)
        return api->context_get_span_context(&context, out, buffer, buffer_size);
    out->trace_id = context._trace_id;
    out->span_id = context._span_id;
    out->flags = context._flags;
    out->is_remote = context._is_remote;
    return kis_has_ids_(&context);
}

/**
 * Baggage: names and values that travel with the work, for every service behind this one.
 * Values are any UTF-8; names are case-sensitive tokens (RFC 9110); at most 180 members and
 * 8192 bytes in all, counted as they travel: name=value;metadata with commas between, where a
 * blank, one of " % , ; \ and a byte beyond ASCII in a value are three each ("%20").
 *
 * set     a new context; a name that is there already takes the new value. `metadata` is the part
 *         behind ';', usually empty; it travels as it is, so it is ASCII without control characters
 *         and commas. A member that does not fit, or is not as said here, changes nothing.
 * get     the value into `buffer`, cut at its end; false when there is none
 * remove  without that name; clear: without any
 * each    calls `call` for every member in order until it answers false.
 *         The texts live for the call.
 *
 * Does nothing without an SDK. Source: OpenTelemetry baggage/api.md, W3C Baggage.
 */
static inline kis_context kis_baggage_set(kis_context context, kis_str name, kis_str value,
                                          kis_str metadata)
{
    const kis_api *api = kis_api_here();
    if (api)
        api->baggage_set(&context, name, value, metadata);
    return context;
}
static inline kis_context kis_baggage_remove(kis_context context, kis_str name)
{
    const kis_api *api = kis_api_here();
    if (api)
        api->baggage_remove(&context, name);
    return context;
}
static inline kis_context kis_baggage_clear(kis_context context)
{
    const kis_api *api = kis_api_here();
    if (api)
        api->baggage_clear(&context);
    return context;
}
static inline bool kis_baggage_get(kis_context context, kis_str name, char *buffer,
                                   size_t buffer_size, kis_str *out)
{
    const kis_api *api = kis_api_here();
    return api && api->baggage_get(&context, name, buffer, buffer_size, out);
}
static inline size_t kis_baggage_each(kis_context context, kis_baggage_member_fn *call, void *user)
{
    const kis_api *api = kis_api_here();
    return api ? api->baggage_each(&context, call, user) : 0;
}

/**
 * Values of the program's own in a context. A key is the address of a kis_context_key, so that two
 * libraries never share one; at most KIS_CONTEXT_VALUES of them. What the value points to must
 * outlive the context. Lost without an SDK.
 */
#define KIS_CONTEXT_VALUES 8
typedef struct kis_context_key {
    const char *name; /* for people */
} kis_context_key;
static inline kis_context kis_context_set(kis_context context, const kis_context_key *key,
                                          void *value)
{
    const kis_api *api = kis_api_here();
    if (api)
        api->context_set(&context, key, value);
    return context;
}
/** NULL when the key was never set. */
static inline void *kis_context_get(kis_context context, const kis_context_key *key)
{
    const kis_api *api = kis_api_here();
    return api ? api->context_get(&context, key) : NULL;
}

#ifdef __cplusplus
}
#endif
#endif
