/* data.h - batches and spans as a user's processor or exporter sees them. See data.c. */
#ifndef KIS_SDK_DATA_H
#define KIS_SDK_DATA_H

#include <kiseki/otlp.h>

#include "sdk/sdk.h"

struct kis_export_batch {
    const kis_batch *batch;
};

/** The `index`-th span of a batch; false: there are fewer. Borrows from the batch. */
bool kis_batch_span_data(const kis_batch *batch, size_t index, kis_span_data *out);

#endif
