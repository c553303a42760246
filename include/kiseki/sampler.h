/* sampler.h - a table to fill in: which spans are recorded, and which of those are sent.
 *
 *     DROP               neither; the span has ids, so that its children know their trace
 *     RECORD_ONLY        processors see it, exporters do not, the sampled flag is 0
 *     RECORD_AND_SAMPLE  processors and exporters see it, the sampled flag is 1
 *
 * The SDK makes the trace id first, then asks, then makes the span id. should_sample is called on
 * the thread that starts the span, on any thread, also at once; it must be quick and hold no lock.
 *
 * Default: parent-based over always-on. Source: OpenTelemetry specification,
 * trace/sdk.md "Sampling".
 */
#ifndef KISEKI_SAMPLER_H
#define KISEKI_SAMPLER_H

#include <kiseki/span.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kis_sampling_decision {
    KIS_SAMPLING_DROP = 0,
    KIS_SAMPLING_RECORD_ONLY = 1,
    KIS_SAMPLING_RECORD_AND_SAMPLE = 2,
} kis_sampling_decision;

/** What a sampler may look at. Borrowed for the call. */
typedef struct kis_sampling_input {
    const kis_context *parent; /* the whole parent context; kis_context_get_span_context reads it */
    kis_span_context parent_span; /* its span context, all zeros for a root; no trace state here */
    kis_trace_id trace_id;        /* of the span to be */
    uint8_t trace_flags;          /* of it, without the sampled bit */
    kis_str name;
    kis_span_kind kind;
    kis_attr_list attrs;
    kis_link_list links;
} kis_sampling_input;

/** What it answers; zeros is DROP. Attributes and trace state live until the
 * next call on the same thread. */
typedef struct kis_sampling_result {
    kis_sampling_decision decision;
    bool has_trace_state; /* `trace_state` replaces the parent's, also when it is empty */
    kis_str trace_state;
    kis_attr_list attrs; /* added to the span */
} kis_sampling_result;

typedef struct kis_sampler kis_sampler;
struct kis_sampler {
    void (*should_sample)(const kis_sampler *sampler, const kis_sampling_input *input,
                          kis_sampling_result *out);
    /** The sampler's name with its settings, "TraceIdRatioBased{0.000100}", without a NUL;
     * answers its length, at most `size`. */
    size_t (*describe)(const kis_sampler *sampler, char *to, size_t size);
    void *user;
    /* of parent-based: root, remote sampled, remote not, local sampled, local not */
    const kis_sampler *delegates[5];
    uint64_t threshold; /* of ratio */
    double ratio;
};

#define KIS_SAMPLER_TEXT_MAX 512

/* The built-in ones, as values: keep them where they outlive the SDK. */

/** "AlwaysOnSampler", "AlwaysOffSampler". */
KIS_API kis_sampler kis_sampler_always_on(void);
KIS_API kis_sampler kis_sampler_always_off(void);
/** "TraceIdRatioBased{0.250000}": decides by the low 56 bits of the trace id, so that services
 * agree. Below 0 is 0, above 1 is 1. */
KIS_API kis_sampler kis_sampler_ratio(double ratio);
/**
 * As the parent was, root spans by `root`. The four others may be NULL: always-on where the parent
 * is sampled, always-off where not.
 * The delegates are borrowed.
 */
KIS_API kis_sampler kis_sampler_parent_based(const kis_sampler *root,
                                             const kis_sampler *remote_sampled,
                                             const kis_sampler *remote_not_sampled,
                                             const kis_sampler *local_sampled,
                                             const kis_sampler *local_not_sampled);
/** "AlwaysRecordSampler{...}": what `inner` drops is recorded, but not sent. */
KIS_API kis_sampler kis_sampler_always_record(const kis_sampler *inner);

#ifdef __cplusplus
}
#endif
#endif
