/* load_script.h - what ten services do in one request, and the same as OTLP with placeholders.
 *
 * A placeholder is a value that nothing else in the body has, and is filled in for each sending
 * (load_make.c): ids that begin with a magic, times just above a fixed instant, runs of '~' (hex
 * digits to come) and '`' (decimal digits to come).
 */
#ifndef KIS_PROGRAMS_LOAD_SCRIPT_H
#define KIS_PROGRAMS_LOAD_SCRIPT_H

#include "base/buf.h"

/* 12 bytes, then the trace's number, big-endian */
#define KIS_LOAD_TRACE_MAGIC "\xd1\x5e\xa5\xed\xb0\xa7\xca\xfe\xf0\x0d\xba\xbe"
/* 4 bytes, then the span's number */
#define KIS_LOAD_SPAN_MAGIC "\xfa\xce\xb0\x0c"
/* The number is what is above it: twice the span's for its start, one more for its end. */
#define KIS_LOAD_TIME_BASE    1700000000000000000u
#define KIS_LOAD_TIME_NUMBERS 1000000u
/* No text that begins with a run is 96 or 126 bytes long: its length would look like part of it. */
#define KIS_LOAD_TEXT_RUN_MIN 4

typedef enum kis_load_step_kind {
    KIS_LOAD_HTTP,
    KIS_LOAD_GRPC,
    KIS_LOAD_SQL,
    KIS_LOAD_CACHE,
    KIS_LOAD_MESSAGE,
    KIS_LOAD_STEP_KINDS
} kis_load_step_kind;

/** One span. */
typedef struct kis_load_step {
    uint32_t trace, service, parent; /* parent: a span number, or its own number for a root */
    kis_load_step_kind kind;
    uint8_t otlp_kind;
    bool is_error, has_event;
    uint32_t variant;
    uint32_t start_us, end_us; /* after the request's begin */
} kis_load_step;

typedef struct kis_load_script {
    kis_load_step *steps; /* the caller's, room for `count` */
    uint32_t count, services;
    uint64_t random; /* not 0 */
    uint32_t traces; /* how many it came to be */
} kis_load_script;

/** Fills the steps: traces of about ten. The same count, services and random give the same. */
void kis_load_script_write(kis_load_script *script);
/** The script as an ExportTraceServiceRequest in protobuf, with placeholders. Errors are in
 * out->err. harsh: 15 attributes a span and much random text. */
void kis_load_script_put(const kis_load_script *script, bool is_harsh, kis_buf *out);

#endif
