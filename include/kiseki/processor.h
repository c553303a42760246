/* processor.h - a table to fill in: who hears of spans as they start and end.
 * And a span as it is seen at its end.
 *
 * Processors are called for recorded spans only, in the order in which they were added, on the
 * thread that starts or ends the span:
 *
 *     on_start    the span may be written (kis_span_set, ...); `parent` is its parent's context
 *     on_ending   its end time is fixed; it may still be written, by this call alone
 *     on_end      read-only. `data` lives for the call: copy what is kept
 *     force_flush until `deadline_ns` of the monotonic clock; OK when nothing is left inside
 *     shutdown    once; nothing is called after it
 *
 * Any of them may be NULL. They must be quick, must not wait, and must not end the span.
 * The built-in ones are named by kis_sdk_options: batch (default) and simple.
 */
#ifndef KISEKI_PROCESSOR_H
#define KISEKI_PROCESSOR_H

#include <kiseki/span.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Attributes as they were recorded: read with kis_attr_data_next. Borrowed. */
typedef struct kis_attr_data {
    const uint8_t *_bytes;
    uint32_t _size;
    uint32_t _tag;
    uint32_t count;
} kis_attr_data;

/** A finished span. Everything in it is borrowed. */
typedef struct kis_span_data {
    kis_span_context context;
    kis_span_id parent_id; /* zeros: a root */
    bool is_parent_remote;
    kis_str name;
    kis_span_kind kind;
    uint64_t start_unix_ns, end_unix_ns;
    kis_status_code status;
    kis_str status_message;
    kis_attr_data attrs;
    uint32_t event_count, link_count;
    uint32_t dropped_attrs, dropped_events, dropped_links;
    kis_str scope_name, scope_version, scope_schema_url;
    kis_attr_data scope_attrs;
    kis_attr_data resource;
    const void *_view; /* for the functions below */
} kis_span_data;

/** One attribute of a finished span. Text and bytes in `text`;
 * of an array or map, `text` is its OTLP AnyValue message. */
typedef struct kis_attr_value {
    kis_str key;
    kis_attr_type type;
    int64_t integer;
    double number;
    bool boolean;
    kis_str text;
} kis_attr_value;

/** for (size_t at = 0; kis_attr_data_next(&data->attrs, &at, &value);) ...
 * in the order in which they were set. */
KIS_API bool kis_attr_data_next(const kis_attr_data *attrs, size_t *at, kis_attr_value *out);
/** The attribute of that key; false when there is none. */
KIS_API bool kis_attr_data_find(const kis_attr_data *attrs, kis_str key, kis_attr_value *out);

typedef struct kis_event_data {
    uint64_t time_unix_ns;
    kis_str name;
    kis_attr_data attrs;
    uint32_t dropped_attrs;
} kis_event_data;
typedef struct kis_link_data {
    kis_span_context to;
    kis_attr_data attrs;
    uint32_t dropped_attrs;
} kis_link_data;
/** The same loop for events and links. */
KIS_API bool kis_span_data_next_event(const kis_span_data *span, size_t *at, kis_event_data *out);
KIS_API bool kis_span_data_next_link(const kis_span_data *span, size_t *at, kis_link_data *out);

#define KIS_PROCESSORS_MAX 8

typedef struct kis_processor {
    void (*on_start)(void *user, kis_span span, const kis_context *parent);
    void (*on_ending)(void *user, kis_span span);
    void (*on_end)(void *user, const kis_span_data *data);
    kis_err (*force_flush)(void *user, uint64_t deadline_ns);
    kis_err (*shutdown)(void *user, uint64_t deadline_ns);
    void *user;
} kis_processor;

#ifdef __cplusplus
}
#endif
#endif
