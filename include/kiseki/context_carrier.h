/* context_carrier.h - context crossing from one process to the next:
 * inject on one side, extract on the other.
 *
 * A carrier is whatever holds names and values on the way: HTTP headers, gRPC metadata, message
 * properties, an environment. You supply two or three functions over your own type:
 *
 *     static bool header_get(void *user, const char *name, size_t index, kis_str *out);
 *                                                             index-th header of that name
 *     static void header_set(void *user, const char *name, kis_str value);
 *
 *     kis_context in = kis_context_extract(kis_context_none(),
 *                                          &(kis_carrier){ .get_all = header_get,
 *                                                          .user = request });
 *     kis_context_inject(context, &(kis_carrier){ .set = header_set, .user = request });
 *
 * What is carried is up to the SDK's propagators: W3C trace context and baggage unless
 * OTEL_PROPAGATORS says otherwise. Without an SDK nothing is injected, and extracting answers the
 * context it was given.
 *
 * Nothing here fails: what cannot be read is as if it were not there. Any thread.
 * Source: OpenTelemetry specification, context/api-propagators.md.
 */
#ifndef KISEKI_CONTEXT_CARRIER_H
#define KISEKI_CONTEXT_CARRIER_H

#include <kiseki/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kis_carrier {
    /** The `index`-th value (from 0) of a name, in the order of the message; false when there are
     * no more. Names are compared without regard to case where the format has it so (HTTP).
     * `name` is in lower case. The text lives until the next call. Two values of `traceparent`
     * must be seen as two. */
    bool (*get_all)(void *user, const char *name, size_t index, kis_str *out);
    /** Sets the one value of a name. Both live for the call. */
    void (*set)(void *user, const char *name, kis_str value);
    /** The `index`-th name there is, for propagators that look for a prefix; may be NULL. */
    bool (*key)(void *user, size_t index, kis_str *out);
    void *user;
} kis_carrier;

/** Writes the context's span, trace state and baggage into the carrier.
 * An invalid context injects no trace. */
static inline void kis_context_inject(kis_context context, const kis_carrier *carrier)
{
    const kis_api *api = kis_api_here();
    if (api && carrier->set)
        api->context_inject(&context, carrier);
}

/** `context` with what the carrier holds. What is missing or malformed leaves
 * the context as it was given. */
static inline kis_context kis_context_extract(kis_context context, const kis_carrier *carrier)
{
    const kis_api *api = kis_api_here();
    if (api && carrier->get_all)
        api->context_extract(&context, carrier);
    return context;
}

/** The names that kis_context_inject may set ("traceparent", "tracestate", "baggage"), to clear or
 * allow them; answers how many there are, and writes at most `max`. */
static inline size_t kis_context_fields(const char **out, size_t max)
{
    const kis_api *api = kis_api_here();
    return api ? api->context_fields(out, max) : 0;
}

#ifdef __cplusplus
}
#endif
#endif
