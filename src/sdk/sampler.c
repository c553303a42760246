/* sampler.c - always on, always off, by ratio, as the parent was, and recording what another drops.
 *
 * parent-based asks one of five:
 *
 *     no parent                    delegates[0]  root
 *     remote parent, sampled       delegates[1]  NULL: on
 *     remote parent, not sampled   delegates[2]  NULL: off
 *     local parent, sampled        delegates[3]  NULL: on
 *     local parent, not sampled    delegates[4]  NULL: off
 *
 * ratio takes the low 56 bits of the trace id as a number and samples when it lies below
 * ratio * 2^56: what W3C level 2 calls the random part, so that services of one trace agree, and
 * those of ids made by level 2 sample as many as they say.
 * Descriptions are the specification's, to the letter (trace/sdk.md).
 */
#include "sdk/sampler.h"

#include "base/fmt.h"
#include "base/num.h"

static size_t describe_text(char *to, size_t size, kis_str text)
{
    size_t len = KIS_MIN(text.len, size);

    if (len)
        memcpy(to, text.ptr, len);
    return len;
}

static void sample_all(const kis_sampler *sampler, const kis_sampling_input *input,
                       kis_sampling_result *out)
{
    (void)sampler, (void)input;
    out->decision = KIS_SAMPLING_RECORD_AND_SAMPLE;
}
static size_t describe_all(const kis_sampler *sampler, char *to, size_t size)
{
    (void)sampler;
    return describe_text(to, size, KIS_STR("AlwaysOnSampler"));
}

static void sample_none(const kis_sampler *sampler, const kis_sampling_input *input,
                        kis_sampling_result *out)
{
    (void)sampler, (void)input;
    out->decision = KIS_SAMPLING_DROP;
}
static size_t describe_none(const kis_sampler *sampler, char *to, size_t size)
{
    (void)sampler;
    return describe_text(to, size, KIS_STR("AlwaysOffSampler"));
}

static const kis_sampler always_on = { .should_sample = sample_all, .describe = describe_all };
static const kis_sampler always_off = { .should_sample = sample_none, .describe = describe_none };

kis_sampler kis_sampler_always_on(void)
{
    return always_on;
}
kis_sampler kis_sampler_always_off(void)
{
    return always_off;
}

static void sample_ratio(const kis_sampler *sampler, const kis_sampling_input *input,
                         kis_sampling_result *out)
{
    uint64_t low = 0;

    for (int i = 9; i < 16; i++)
        low = low << 8 | input->trace_id.bytes[i];
    out->decision = low < sampler->threshold ? KIS_SAMPLING_RECORD_AND_SAMPLE : KIS_SAMPLING_DROP;
}
/* "TraceIdRatioBased{0.000100}": six digits after the point. */
static size_t describe_ratio(const kis_sampler *sampler, char *to, size_t size)
{
    char text[64];
    uint32_t millionths = (uint32_t)(sampler->ratio * 1e6 + 0.5);
    size_t len = kis_fmt(text, sizeof(text), "TraceIdRatioBased{%u.%06u}", millionths / 1000000,
                         millionths % 1000000);

    return describe_text(to, size, kis_str_of(text, len));
}
kis_sampler kis_sampler_ratio(double ratio)
{
    kis_sampler sampler = { .should_sample = sample_ratio, .describe = describe_ratio };

    sampler.ratio = ratio > 0 ? (ratio < 1 ? ratio : 1) : 0;             /* not a number is 0 */
    sampler.threshold = (uint64_t)(sampler.ratio * 72057594037927936.0); /* 2^56 */
    return sampler;
}

static const kis_sampler *delegate_of(const kis_sampler *sampler, int i)
{
    const kis_sampler *delegate = sampler->delegates[i];

    return delegate ? delegate : i == 0 || i == 1 || i == 3 ? &always_on : &always_off;
}
static void sample_as_parent(const kis_sampler *sampler, const kis_sampling_input *input,
                             kis_sampling_result *out)
{
    bool has_parent = kis_trace_id_is_valid(&input->parent_span.trace_id) &&
                      kis_span_id_is_valid(&input->parent_span.span_id);
    int which = !has_parent ? 0
                            : (input->parent_span.is_remote ? 1 : 3) +
                                  (input->parent_span.flags & KIS_FLAG_SAMPLED ? 0 : 1);
    const kis_sampler *delegate = delegate_of(sampler, which);

    delegate->should_sample(delegate, input, out);
}
static size_t describe_as_parent(const kis_sampler *sampler, char *to, size_t size)
{
    static const char *const names[] = { "ParentBased{root:", ",remoteParentSampled:",
                                         ",remoteParentNotSampled:", ",localParentSampled:",
                                         ",localParentNotSampled:" };
    size_t len = 0;

    for (int i = 0; i < 5; i++) {
        const kis_sampler *delegate = delegate_of(sampler, i);
        len += describe_text(to + len, size - len, kis_str_from_c(names[i]));
        len += delegate->describe(delegate, to + len, size - len);
    }
    return len + describe_text(to + len, size - len, KIS_STR("}"));
}
kis_sampler kis_sampler_parent_based(const kis_sampler *root, const kis_sampler *remote_sampled,
                                     const kis_sampler *remote_not_sampled,
                                     const kis_sampler *local_sampled,
                                     const kis_sampler *local_not_sampled)
{
    return (kis_sampler){ .should_sample = sample_as_parent,
                          .describe = describe_as_parent,
                          .delegates = { root, remote_sampled, remote_not_sampled, local_sampled,
                                         local_not_sampled } };
}

static void sample_and_record(const kis_sampler *sampler, const kis_sampling_input *input,
                              kis_sampling_result *out)
{
    sampler->delegates[0]->should_sample(sampler->delegates[0], input, out);
    if (out->decision == KIS_SAMPLING_DROP)
        out->decision = KIS_SAMPLING_RECORD_ONLY;
}
static size_t describe_and_record(const kis_sampler *sampler, char *to, size_t size)
{
    size_t len = describe_text(to, size, KIS_STR("AlwaysRecordSampler{"));

    len += sampler->delegates[0]->describe(sampler->delegates[0], to + len, size - len);
    return len + describe_text(to + len, size - len, KIS_STR("}"));
}
kis_sampler kis_sampler_always_record(const kis_sampler *inner)
{
    return (kis_sampler){ .should_sample = sample_and_record,
                          .describe = describe_and_record,
                          .delegates = { inner ? inner : &always_off } };
}

kis_sampler_short kis_sampler_shorten(const kis_sampler *sampler)
{
    if (sampler->should_sample == sample_all)
        return KIS_SAMPLER_ALL;
    if (sampler->should_sample == sample_as_parent &&
        delegate_of(sampler, 0)->should_sample == sample_all &&
        delegate_of(sampler, 1)->should_sample == sample_all &&
        delegate_of(sampler, 2)->should_sample == sample_none &&
        delegate_of(sampler, 3)->should_sample == sample_all &&
        delegate_of(sampler, 4)->should_sample == sample_none)
        return KIS_SAMPLER_PARENT_OR_ALL;
    return KIS_SAMPLER_ASK;
}

kis_err kis_sampler_named(kis_str name, kis_str arg, kis_sampler storage[2],
                          const kis_sampler **out)
{
    bool is_parent_based = kis_str_starts(name, KIS_STR("parentbased_"));
    kis_str base =
        is_parent_based ? kis_str_slice(name, sizeof("parentbased_") - 1, name.len) : name;
    double ratio = 1;

    if (kis_str_eq(base, KIS_STR("always_on"))) {
        storage[0] = always_on;
    } else if (kis_str_eq(base, KIS_STR("always_off"))) {
        storage[0] = always_off;
    } else if (kis_str_eq(base, KIS_STR("traceidratio"))) {
        if (arg.len && (kis_f64_parse(arg, &ratio) != KIS_OK || !(ratio >= 0 && ratio <= 1)))
            return KIS_ERR_RANGE;
        storage[0] = kis_sampler_ratio(ratio);
    } else {
        return KIS_ERR_SYNTAX;
    }
    *out = &storage[0];
    if (is_parent_based) {
        storage[1] = kis_sampler_parent_based(&storage[0], NULL, NULL, NULL, NULL);
        *out = &storage[1];
    }
    return KIS_OK;
}
