/* span_context.h - the part of a span that travels: who it is,
 * and what was decided about its trace. */
#ifndef KISEKI_SPAN_CONTEXT_H
#define KISEKI_SPAN_CONTEXT_H

#include <kiseki/id.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A value; all zeros is "no span". It is valid when both ids have a bit set. */
typedef struct kis_span_context {
    kis_trace_id trace_id;
    kis_span_id span_id;
    uint8_t flags;       /* KIS_FLAG_SAMPLED, KIS_FLAG_RANDOM */
    bool is_remote;      /* came from another process */
    kis_str trace_state; /* the value of `tracestate` as it travels; borrowed, empty: none */
} kis_span_context;

#ifdef __cplusplus
}
#endif
#endif
