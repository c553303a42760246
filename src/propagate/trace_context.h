/* trace_context.h - W3C trace context and baggage from and to a carrier,
 * and several propagators as one. */
#ifndef KIS_PROPAGATE_TRACE_CONTEXT_H
#define KIS_PROPAGATE_TRACE_CONTEXT_H

#include <kiseki/propagator.h>
#include <kiseki/span_context.h>

#include "propagate/baggage.h"
#include "propagate/traceparent.h"
#include "propagate/tracestate.h"

/**
 * Reads `traceparent` and all `tracestate` headers.
 *
 * state  room for the trace state, which `out` then borrows;
 *        longer or malformed ones are discarded, the ids stay
 *
 * NOT_FOUND  no traceparent
 * SYNTAX     malformed, or there are two: whom to believe?
 * RANGE      an id of zeros
 */
kis_err kis_trace_context_extract(const kis_carrier *carrier, char state[KIS_TRACE_STATE_BYTES_MAX],
                                  kis_span_context *out) KIS_CHECKED;
/** Sets `traceparent`, and `tracestate` when there is one. Invalid ids: sets nothing. */
void kis_trace_context_inject(const kis_span_context *context, const kis_carrier *carrier);

/** All `baggage` headers into a set (emptied first). NOT_FOUND: none. SYNTAX, LIMIT: as
 * kis_baggage_parse, and what could be read is there. */
kis_err kis_baggage_extract(const kis_carrier *carrier, kis_baggage *out) KIS_CHECKED;
/** Sets `baggage`, unless there is nothing to say. */
void kis_baggage_inject(const kis_baggage *baggage, const kis_carrier *carrier);

/** Several as one: inject in their order; extract in their order,
 * each getting what the one before answered. */
typedef struct kis_propagator_list {
    const kis_propagator *items[KIS_PROPAGATORS_MAX];
    size_t count;
} kis_propagator_list;

void kis_propagators_inject(const kis_propagator_list *list, kis_context context,
                            const kis_carrier *carrier);
kis_context kis_propagators_extract(const kis_propagator_list *list, kis_context context,
                                    const kis_carrier *carrier);
/** The names of all, each once; answers how many, writes at most `max`. */
size_t kis_propagators_fields(const kis_propagator_list *list, const char **out, size_t max);

#endif
