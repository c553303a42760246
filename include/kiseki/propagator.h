/* propagator.h - a table to fill in: how context is written into a carrier and read back.
 *
 * The built-in ones are found by name: "tracecontext", "baggage". kis_sdk_options.propagators takes
 * your own. inject and extract are called on any thread, also at once, and hold no state. extract
 * answers the context it was given when it finds nothing or something malformed.
 */
#ifndef KISEKI_PROPAGATOR_H
#define KISEKI_PROPAGATOR_H

#include <kiseki/context_carrier.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KIS_PROPAGATORS_MAX       8
#define KIS_PROPAGATOR_FIELDS_MAX 16

typedef struct kis_propagator {
    void (*inject)(void *user, kis_context context, const kis_carrier *carrier);
    kis_context (*extract)(void *user, kis_context context, const kis_carrier *carrier);
    const char *const *fields; /* names that inject may set, lower case, NULL at the end */
    void *user;
} kis_propagator;

/** A built-in propagator by its name in OTEL_PROPAGATORS, or NULL. Lives for ever. */
KIS_API const kis_propagator *kis_propagator_named(const char *name);

#ifdef __cplusplus
}
#endif
#endif
