/* context.h - what the table of api.h calls for contexts. See context.c. */
#ifndef KIS_SDK_CONTEXT_H
#define KIS_SDK_CONTEXT_H

#include "sdk/sdk.h"

void kis_recorder_context_current(kis_context *out);
void kis_recorder_context_enter(kis_context_scope *scope, const kis_context *context);
void kis_recorder_context_leave(kis_context_scope *scope);
void kis_recorder_context_enter_span(kis_context_scope *scope, kis_span span);
void kis_recorder_context_with_span(kis_context *context, kis_span span);
void kis_recorder_context_with_span_context(kis_context *context, const kis_span_context *parent);
bool kis_recorder_context_get_span_context(const kis_context *context, kis_span_context *out,
                                           char *buffer, size_t buffer_size);
void kis_recorder_context_set(kis_context *context, const struct kis_context_key *key, void *value);
void *kis_recorder_context_get(const kis_context *context, const struct kis_context_key *key);
void kis_recorder_baggage_set(kis_context *context, kis_str name, kis_str value, kis_str metadata);
void kis_recorder_baggage_remove(kis_context *context, kis_str name);
void kis_recorder_baggage_clear(kis_context *context);
bool kis_recorder_baggage_get(const kis_context *context, kis_str name, char *buffer,
                              size_t buffer_size, kis_str *out);
size_t kis_recorder_baggage_each(const kis_context *context, kis_baggage_member_fn *call,
                                 void *user);

/** All baggage at once, in the form of bag.h. */
void kis_recorder_baggage_replace(kis_context *context, kis_bytes baggage, uint32_t member_count);
/** Calls `read` with what the context's bag holds (nothing, when there is none),
 * which lives for the call. */
void kis_recorder_context_read(const kis_context *context,
                               void (*read)(void *user, const kis_bag_content *content),
                               void *user);

void kis_recorder_context_inject(const kis_context *context, const struct kis_carrier *carrier);
void kis_recorder_context_extract(kis_context *context, const struct kis_carrier *carrier);
size_t kis_recorder_context_fields(const char **out, size_t max);

#endif
