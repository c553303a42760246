/* judge.h - what an answer to an export means: taken, try again after so long, or never. No I/O. */
#ifndef KIS_SEND_JUDGE_H
#define KIS_SEND_JUDGE_H

#include "send/send.h"

typedef enum kis_verdict {
    KIS_VERDICT_TAKEN,     /* perhaps with rejected spans */
    KIS_VERDICT_TRY_AGAIN, /* after `wait_ms`, or after the sender's own back-off when that is
                              longer */
    KIS_VERDICT_NEVER,     /* the same bytes will not pass */
} kis_verdict;

typedef struct kis_judgement {
    kis_verdict verdict;
    kis_err err;      /* why, unless TAKEN */
    uint64_t wait_ms; /* asked for by Retry-After or RetryInfo; 0: nothing was asked */
    uint64_t rejected_spans;
    char text[KIS_DIAG_TEXT_MAX]; /* for a log line; empty when there is nothing to say */
} kis_judgement;

/** Judges by OTLP 1.11: HTTP 429, 502, 503, 504 and lost connections are tried again; of gRPC's
 * codes CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS, and
 * RESOURCE_EXHAUSTED when RetryInfo comes with it. `now_unix_ns` is for Retry-After as a date. */
void kis_judge_answer(kis_otlp_protocol protocol, const kis_client_answer *answer,
                      uint64_t now_unix_ns, const kis_alloc *alloc, kis_judgement *out);

/** Retry-After: seconds or an HTTP date; what is negative, past or nonsense is 0; capped at
 * KIS_RETRY_AFTER_MS_MAX. */
#define KIS_RETRY_AFTER_MS_MAX 300000u
uint64_t kis_retry_after_parse(kis_str value, uint64_t now_unix_ns);

/** The n-th wait (n from 0): initial * 1.5^n, at most max, times a factor in [0.5, 1.5) from
 * `random`. */
uint64_t kis_backoff_ms(uint32_t n, uint32_t initial_ms, uint32_t max_ms, uint64_t random);

#endif
