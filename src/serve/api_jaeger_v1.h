/* api_jaeger_v1.h - what the two files of Jaeger's v1 share: the envelope, and times since the
 * epoch. */
#ifndef KIS_SERVE_API_JAEGER_V1_H
#define KIS_SERVE_API_JAEGER_V1_H

#include "serve/api.h"

#define KIS_V1_DAY_NS ((uint64_t)24 * 3600 * 1000000000)

void kis_v1_begin_data(kis_api_call *call);
/** Ends `data` and the answer. */
void kis_v1_end_data(kis_api_call *call, uint64_t total);
void kis_v1_fail(kis_api_call *call, kis_err err, const char *text);
/** A whole number of units since the epoch; absent leaves `out`. */
kis_err kis_v1_read_epoch(const kis_params *params, kis_str name, uint64_t unit_ns, uint64_t *out,
                          kis_diag *diag) KIS_CHECKED;

#endif
