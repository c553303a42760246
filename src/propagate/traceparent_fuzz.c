/* Any bytes as a traceparent: refused, or it reads back from what is written. */
#include "propagate/traceparent.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    kis_span_context context, again;
    char text[KIS_TRACEPARENT_LEN];
    if (kis_traceparent_parse(kis_str_of((const char *)bytes, len), &context) != KIS_OK)
        return 0;
    kis_traceparent_format(&context, text);
    if (kis_traceparent_parse(kis_str_of(text, sizeof text), &again) != KIS_OK ||
        again.flags != context.flags || memcmp(&again.trace_id, &context.trace_id, 16) != 0 ||
        memcmp(&again.span_id, &context.span_id, 8) != 0)
        __builtin_trap();
    return 0;
}
