/* span.h - what the table of api.h calls once it has found the SDK. See span.c. */
#ifndef KIS_SDK_SPAN_H
#define KIS_SDK_SPAN_H

#include "sdk/sdk.h"

kis_span kis_recorder_span_start(kis_tracer *tracer, const kis_span_options *options);
kis_span kis_recorder_span_start_plain(kis_tracer *tracer, const char *name, size_t name_len,
                                       kis_span_kind kind, const kis_attr *attrs,
                                       size_t attr_count);
void kis_recorder_span_set(kis_span span, kis_attr_list attrs);
void kis_recorder_span_set_text(kis_span span, const char *key, uint64_t word, const char *text,
                                size_t text_len);
void kis_recorder_span_set_plain(kis_span span, const char *key, uint64_t word,
                                 kis_attr_payload_ value, size_t count);
void kis_recorder_span_event(kis_span span, const char *name, uint64_t time_unix_ns,
                             kis_attr_list attrs);
void kis_recorder_span_record_error(kis_span span, const kis_error *error, kis_attr_list more);
void kis_recorder_span_link(kis_span span, const kis_span_context *to, kis_attr_list attrs);
void kis_recorder_span_status(kis_span span, kis_status_code code, const char *message);
void kis_recorder_span_update_name(kis_span span, kis_str name);
bool kis_recorder_span_is_recording(kis_span span);
bool kis_recorder_span_get_context(kis_span span, kis_span_context *out);
void kis_recorder_span_end(kis_span span, uint64_t end_unix_ns);

#endif
