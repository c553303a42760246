/* load_verify.h - is every acknowledged span found again? Asked through the query API, trace by
 * trace. */
#ifndef KIS_PROGRAMS_LOAD_VERIFY_H
#define KIS_PROGRAMS_LOAD_VERIFY_H

#include "load_make.h"

typedef struct kis_load_verify {
    const kis_load_maker *maker;
    const uint64_t *seeds; /* of the acknowledged requests */
    uint32_t seed_count;
    kis_str server; /* "http://127.0.0.1:16686" */
    kis_str ca;     /* for https; empty: the system's */
    uint32_t connections;
    bool shows_progress;
} kis_load_verify;

typedef struct kis_load_verdict {
    uint64_t traces, spans, missing_traces, missing_spans, failed_answers;
    char first_failure[256];
} kis_load_verdict;

kis_err kis_load_verify_run(const kis_load_verify *verify, kis_load_verdict *out,
                            kis_diag *diag) KIS_CHECKED;

#endif
