/* sampler.h - the built-in samplers, seen from inside. See sampler.c. */
#ifndef KIS_SDK_SAMPLER_H
#define KIS_SDK_SAMPLER_H

#include "sdk/sdk.h"

/** Whether the answer of this sampler is known without asking it. */
kis_sampler_short kis_sampler_shorten(const kis_sampler *sampler);

#define KIS_SAMPLER_NAMES                                                                         \
    "always_on|always_off|traceidratio|parentbased_always_on|parentbased_always_off|parentbased_" \
    "traceidratio"

/**
 * A sampler by its name in OTEL_TRACES_SAMPLER: always_on, always_off, traceidratio, and
 * parentbased_ with each. `arg` is the ratio, 1 when empty. `storage` has room for two and keeps
 * what is made. SYNTAX: no such name. RANGE: not a ratio from 0 to 1.
 */
kis_err kis_sampler_named(kis_str name, kis_str arg, kis_sampler storage[2],
                          const kis_sampler **out) KIS_CHECKED;

#endif
