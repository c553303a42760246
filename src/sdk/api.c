/* api.c - the table that instrumented code finds by one weak symbol (kiseki/api.h). */
#include "sdk/context.h"
#include "sdk/span.h"

static bool tracer_enabled(kis_tracer *tracer)
{
    kis_sdk *sdk = kis_sdk_of_tracer(tracer);

    return kis_sdk_life(sdk) && atomic_load_explicit(&sdk->has_listeners, memory_order_relaxed);
}

static kis_api table = {
    .size = sizeof(kis_api),
    .span_start = kis_recorder_span_start,
    .tracer_enabled = tracer_enabled,
    .span_set = kis_recorder_span_set,
    .span_event = kis_recorder_span_event,
    .span_link = kis_recorder_span_link,
    .span_status = kis_recorder_span_status,
    .span_record_error = kis_recorder_span_record_error,
    .span_update_name = kis_recorder_span_update_name,
    .span_end = kis_recorder_span_end,
    .span_is_recording = kis_recorder_span_is_recording,
    .span_get_context = kis_recorder_span_get_context,
    .context_current = kis_recorder_context_current,
    .context_enter = kis_recorder_context_enter,
    .context_leave = kis_recorder_context_leave,
    .context_enter_span = kis_recorder_context_enter_span,
    .context_with_span = kis_recorder_context_with_span,
    .context_with_span_context = kis_recorder_context_with_span_context,
    .context_get_span_context = kis_recorder_context_get_span_context,
    .context_set = kis_recorder_context_set,
    .context_get = kis_recorder_context_get,
    .baggage_set = kis_recorder_baggage_set,
    .baggage_remove = kis_recorder_baggage_remove,
    .baggage_clear = kis_recorder_baggage_clear,
    .baggage_get = kis_recorder_baggage_get,
    .baggage_each = kis_recorder_baggage_each,
    .context_inject = kis_recorder_context_inject,
    .context_extract = kis_recorder_context_extract,
    .context_fields = kis_recorder_context_fields,
    .span_set_text = kis_recorder_span_set_text,
    .span_set_plain = kis_recorder_span_set_plain,
    .span_start_plain = kis_recorder_span_start_plain,
};

KIS_API const kis_api *kis_api_get(void)
{
    return &table;
}

void kis_api_set_listening(bool is_listening)
{
    __atomic_store_n(&table.is_listening, is_listening, __ATOMIC_RELAXED);
}
