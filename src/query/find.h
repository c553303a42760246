/* find.h - step 9: which traces answer a search, newest first, and where the next page begins. */
#ifndef KIS_QUERY_FIND_H
#define KIS_QUERY_FIND_H

#include "query/terms.h"

#define KIS_QUERY_LIMIT_DEFAULT 100u   /* Jaeger's, v1 and v3 */
#define KIS_QUERY_LIMIT_MAX     10000u /* 24 bytes each; Jaeger's page asks for at most 1500 */

typedef struct kis_query {
    kis_request request;
    kis_query_terms terms;
    uint64_t start_min_unix_ns,
        start_max_unix_ns; /* a matching span's start is in [min, max); max 0: no bound */
    uint32_t limit;        /* traces; 0: the default */
    kis_token after;
} kis_query;

typedef struct kis_query_result {
    const kis_found *traces; /* newest matching span first, then trace id; in the arena */
    uint32_t count;
    bool has_more;  /* there is at least one trace behind these */
    kis_token next; /* where to go on when has_more */
    kis_answer answer;
} kis_query_result;

/**
 * LIMIT  more traces or tags than one answer may have
 * RANGE  start behind end, or durations the wrong way round
 * and whatever the reader says (TIMEOUT, CLOSED, IO, …). Finding nothing is OK with a count of 0.
 */
kis_err kis_query_find(kis_reader *reader, const kis_query *query, kis_arena *arena,
                       kis_query_result *out, kis_diag *diag) KIS_CHECKED;

/** A token as 48 hex digits and back, for URLs. SYNTAX: not one. */
#define KIS_TOKEN_TEXT_LEN 48
void kis_token_format(kis_token token, char out[KIS_TOKEN_TEXT_LEN]);
kis_err kis_token_parse(kis_str text, kis_token *out) KIS_CHECKED;

#endif
