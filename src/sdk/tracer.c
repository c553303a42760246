/* tracer.c - tracers: who records, interned once in each SDK.
 *
 * A kis_tracer lies in the instrumented library and caches the scope that it got; the SDK's life
 * says whether the cache is good. Two tracers with the same name, version, schema URL and
 * attributes are one scope.
 */
#include "sdk/sdk.h"

#include "sdk/attr_write.h"

static bool is_scope(const kis_scope *scope, kis_str name, kis_str version, kis_str schema_url,
                     kis_bytes attrs)
{
    return kis_str_eq(scope->name, name) && kis_str_eq(scope->version, version) &&
           kis_str_eq(scope->schema_url, schema_url) &&
           kis_str_eq(kis_str_of_bytes(scope->attrs), kis_str_of_bytes(attrs));
}

/* The texts of a scope go out as they are, so they must be UTF-8. */
static kis_str scope_text(const char *text)
{
    kis_str s = kis_str_from_c(text);

    s.len = kis_utf8_valid_prefix(s);
    return s.len > KIS_SPAN_NAME_BYTES_MAX
               ? kis_str_of(s.ptr, kis_utf8_cut_bytes(s, KIS_SPAN_NAME_BYTES_MAX))
               : s;
}

/* Lock held. NULL: full, or no memory. */
static kis_scope *find_or_add(kis_sdk *sdk, const kis_tracer *tracer)
{
    kis_span_limits limits = { .value_length = UINT32_MAX, .value_depth = sdk->limits.value_depth };
    kis_str name = scope_text(tracer->name), version = scope_text(tracer->version),
            url = scope_text(tracer->schema_url);
    kis_bytes attrs = { 0 };
    uint32_t attr_count = 0;
    kis_scope *scope;

    if (tracer->attrs.count && kis_attrs_write(&sdk->arena, KIS_TAG_SCOPE_ATTRS, tracer->attrs,
                                               &limits, &attrs, &attr_count) != KIS_OK)
        return NULL;
    for (uint32_t i = 0; i < sdk->scope_count; i++)
        if (is_scope(sdk->scopes[i], name, version, url, attrs))
            return sdk->scopes[i];
    if (sdk->scope_count == KIS_SCOPES_MAX)
        return NULL;
    scope = KIS_NEW(&sdk->arena, kis_scope);
    if (!scope)
        return NULL;
    *scope = (kis_scope){ .attrs = attrs, .attr_count = attr_count };
    if (!kis_arena_copy(&sdk->arena, name, &scope->name) ||
        !kis_arena_copy(&sdk->arena, version, &scope->version) ||
        !kis_arena_copy(&sdk->arena, url, &scope->schema_url))
        return NULL;
    sdk->scopes[sdk->scope_count++] = scope;
    return scope;
}

const kis_scope *kis_scope_get(kis_sdk *sdk, kis_tracer *tracer)
{
    /* when there is no room for one more: spans go on without a name for who made them */
    static kis_scope nobody;
    kis_scope *scope;
    bool is_new;

    kis_sdk_lock(sdk);
    uint32_t before = sdk->scope_count;
    scope = find_or_add(sdk, tracer);
    is_new = sdk->scope_count != before;
    if (atomic_load_explicit(&sdk->recording,
                             memory_order_relaxed)) { /* else it may be another's */
        __atomic_store_n(&tracer->_scope, scope ? scope : &nobody, __ATOMIC_RELAXED);
        __atomic_store_n(&tracer->_generation, sdk->life, __ATOMIC_RELEASE);
    }
    kis_sdk_unlock(sdk);
    if (is_new && (!tracer->name || !*tracer->name))
        kis_sdk_log(sdk, KIS_LOG_WARN,
                    "a tracer has no name; its spans say nothing about who made them");
    if (!scope)
        kis_sdk_log(sdk, KIS_LOG_WARN,
                    "more than %d tracers, or no memory for one; spans of '%s' go without it",
                    KIS_SCOPES_MAX, tracer->name ? tracer->name : "");
    return scope ? scope : &nobody;
}
