/* id.h - trace ids, span ids, and the part of a span that travels. Values;
 * all zeros means "none". */
#ifndef KISEKI_ID_H
#define KISEKI_ID_H

#include <kiseki/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kis_trace_id {
    uint8_t bytes[16];
} kis_trace_id;

typedef struct kis_span_id {
    uint8_t bytes[8];
} kis_span_id;

/** W3C trace flags. */
#define KIS_FLAG_SAMPLED 0x01u
#define KIS_FLAG_RANDOM  0x02u /* level 2: the low 56 bits of the trace id are random */

/* OTLP's numbers less one, so that the default is zero; see model/span.h */
typedef enum kis_span_kind {
    KIS_SPAN_KIND_INTERNAL = 0,
    KIS_SPAN_KIND_SERVER = 1,
    KIS_SPAN_KIND_CLIENT = 2,
    KIS_SPAN_KIND_PRODUCER = 3,
    KIS_SPAN_KIND_CONSUMER = 4,
} kis_span_kind;

/* OTLP's numbers */
typedef enum kis_status_code {
    KIS_STATUS_UNSET = 0,
    KIS_STATUS_OK = 1,
    KIS_STATUS_ERROR = 2,
} kis_status_code;

#ifdef __cplusplus
}
#endif
#endif
