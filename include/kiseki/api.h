/* api.h - how an instrumented library finds the SDK: one weak symbol,
 * and behind it one table of functions.
 *
 *     your library (this header alone)           libkiseki, in the program or preloaded
 *     kis_span_start(...) --> kis_api_here() --> kis_api_get() --> kis_api { size,
 *                                                                  is_listening, ... }
 *
 * So a library that records spans links to nothing. Where no SDK is in the process, kis_api_here()
 * is NULL, and everything costs a load and a test.
 * From 0.1 on the table only grows at its end. `size` says how much of it there is: a header that
 * calls what was added later asks first (api->size > offsetof(kis_api, that)), and does without it
 * where the library is older.
 *
 * One thing to know: a library opened with RTLD_LOCAL while libkiseki is linked *statically* into
 * the program does not see the symbol. Link the program with
 * -Wl,--export-dynamic-symbol=kis_api_get, or hand the table over with kis_api_bind(). A libkiseki
 * that is opened later than your library is found only by kis_api_bind().
 */
#ifndef KISEKI_CONTEXT_H
#include <kiseki/context.h> /* whose types the table is made of; it includes this file after them */
#endif

#ifndef KISEKI_API_H
#define KISEKI_API_H

#ifdef __cplusplus
#define KIS_ZERO_ \
    {             \
    }
#else
#define KIS_ZERO_ \
    {             \
        0         \
    }
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct kis_tracer;
struct kis_span_options;
struct kis_carrier;
struct kis_context_key;
struct kis_error;

#if defined(__wasm__) && !defined(__wasm_atomics__) /* no threads */
#define KIS_THREAD_LOCAL_
#elif defined(__GNUC__)
#define KIS_THREAD_LOCAL_ __thread
#else
#define KIS_THREAD_LOCAL_ _Thread_local
#endif

typedef bool kis_baggage_member_fn(void *user, kis_str name, kis_str value, kis_str metadata);

typedef struct kis_api {
    uint32_t size;         /* of this table in bytes */
    uint32_t is_listening; /* atomic: 1 while some SDK records */

    kis_span (*span_start)(struct kis_tracer *tracer, const struct kis_span_options *options);
    bool (*tracer_enabled)(struct kis_tracer *tracer);
    void (*span_set)(kis_span span, kis_attr_list attrs);
    void (*span_event)(kis_span span, const char *name, uint64_t time_unix_ns, kis_attr_list attrs);
    void (*span_link)(kis_span span, const kis_span_context *to, kis_attr_list attrs);
    void (*span_status)(kis_span span, kis_status_code code, const char *message);
    void (*span_record_error)(kis_span span, const struct kis_error *error, kis_attr_list attrs);
    void (*span_update_name)(kis_span span, kis_str name);
    void (*span_end)(kis_span span, uint64_t end_unix_ns);
    bool (*span_is_recording)(kis_span span);
    bool (*span_get_context)(kis_span span, kis_span_context *out);

    void (*context_current)(kis_context *out);
    void (*context_enter)(kis_context_scope *scope, const kis_context *context);
    void (*context_leave)(kis_context_scope *scope);
    void (*context_enter_span)(kis_context_scope *scope, kis_span span);
    void (*context_with_span)(kis_context *context, kis_span span);
    void (*context_with_span_context)(kis_context *context, const kis_span_context *parent);
    bool (*context_get_span_context)(const kis_context *context, kis_span_context *out,
                                     char *buffer, size_t buffer_size);
    void (*context_set)(kis_context *context, const struct kis_context_key *key, void *value);
    void *(*context_get)(const kis_context *context, const struct kis_context_key *key);

    void (*baggage_set)(kis_context *context, kis_str name, kis_str value, kis_str metadata);
    void (*baggage_remove)(kis_context *context, kis_str name);
    void (*baggage_clear)(kis_context *context);
    bool (*baggage_get)(const kis_context *context, kis_str name, char *buffer, size_t buffer_size,
                        kis_str *out);
    size_t (*baggage_each)(const kis_context *context, kis_baggage_member_fn *call, void *user);

    void (*context_inject)(const kis_context *context, const struct kis_carrier *carrier);
    void (*context_extract)(kis_context *context, const struct kis_carrier *carrier);
    size_t (*context_fields)(const char **out, size_t max);

    /* One attribute with a plain key, in registers: a text, or another value;
     * `word` is kis_attr_word_. */
    void (*span_set_text)(kis_span span, const char *key, uint64_t word, const char *text,
                          size_t text_len);
    void (*span_set_plain)(kis_span span, const char *key, uint64_t word, kis_attr_payload_ value,
                           size_t count);
    /* A start of which all else is zero (kis_span_options), in registers likewise. */
    kis_span (*span_start_plain)(struct kis_tracer *tracer, const char *name, size_t name_len,
                                 kis_span_kind kind, const kis_attr *attrs, size_t attr_count);
} kis_api;

#if defined(__GNUC__)

/* One pointer and one context for each program or shared library, shared by all its files: weak, so
 * that the definitions merge, and hidden, so that they stay inside. */
__attribute__((weak, visibility("hidden"))) const kis_api *kis_api_bound_;
__attribute__((weak, visibility("hidden"))) KIS_THREAD_LOCAL_ kis_context kis_no_sdk_current_;

/** The table; never NULL when it is there. Weak here: absent means no SDK in the process.
 * Defined by libkiseki. */
__attribute__((weak, visibility("default"))) const kis_api *kis_api_get(void);

/** The table, or NULL without an SDK. A load and a test after the first call. */
static inline const kis_api *kis_api_here(void)
{
    const kis_api *api = __atomic_load_n(&kis_api_bound_, __ATOMIC_RELAXED);
    if (__builtin_expect(api != NULL, 1))
        return api;
    if (!kis_api_get)
        return NULL;
    api = kis_api_get();
    __atomic_store_n(&kis_api_bound_, api, __ATOMIC_RELAXED);
    return api;
}

/** Hands the table to a library that cannot find it (see above);
 * called inside that library, with kis_api_get() of the program. */
static inline void kis_api_bind(const kis_api *api)
{
    __atomic_store_n(&kis_api_bound_, api, __ATOMIC_RELAXED);
}

static inline bool kis_api_is_listening_(const kis_api *api)
{
    return api && __atomic_load_n(&api->is_listening, __ATOMIC_RELAXED) != 0;
}

#else /* no weak symbols: the library links to libkiseki */

static KIS_THREAD_LOCAL_ kis_context kis_no_sdk_current_;
const kis_api *kis_api_get(void);
static inline const kis_api *kis_api_here(void)
{
    return kis_api_get();
}
static inline void kis_api_bind(const kis_api *api)
{
    (void)api;
}
static inline bool kis_api_is_listening_(const kis_api *api)
{
    return *(const volatile uint32_t *)&api->is_listening != 0;
}

#endif

static inline bool kis_has_ids_(const kis_context *context)
{
    unsigned trace = 0, span = 0;
    for (int i = 0; i < 16; i++)
        trace |= context->_trace_id.bytes[i];
    for (int i = 0; i < 8; i++)
        span |= context->_span_id.bytes[i];
    return trace && span;
}

#ifdef __cplusplus
}
#endif
#endif
