/* load_report.h - what a load measured, and how it is told: a few lines, or one JSON object. */
#ifndef KIS_PROGRAMS_LOAD_REPORT_H
#define KIS_PROGRAMS_LOAD_REPORT_H

#include "load_verify.h"

#define KIS_LOAD_LATENCY_CELLS (64u * 32u) /* 32 steps an octave, under 3.2 % error */

/** All of one run. Zeros at first; times are monotonic. */
typedef struct kis_load_result {
    uint32_t connections;
    uint64_t begin_ns, end_ns;
    uint64_t last_answer_ns, largest_gap_ns; /* between two answers that acknowledge */
    uint64_t requests_sent, requests_acknowledged, requests_refused, requests_failed;
    uint64_t spans_acknowledged, spans_rejected, bytes_acknowledged;
    uint64_t latencies[KIS_LOAD_LATENCY_CELLS]; /* of acknowledged requests */
    uint64_t latency_ns_max;
    char first_failure[256]; /* fit for a terminal; empty: none */
} kis_load_result;

/** One acknowledged request, asked at `sent_ns` and answered at `now_ns`. */
void kis_load_result_add(kis_load_result *result, uint64_t sent_ns, uint64_t now_ns);
/** The report. verdict: of --verify; NULL: was not asked for. Errors are in out->err. */
void kis_load_report_text(const kis_load_result *result, const kis_load_verdict *verdict,
                          kis_buf *out);
void kis_load_report_json(const kis_load_result *result, const kis_load_verdict *verdict,
                          kis_buf *out);

#endif
