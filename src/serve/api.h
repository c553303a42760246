/* api.h - one call of the query API: what was asked, where it is answered from, where the answer
 * goes.
 *
 * Handlers run on a query thread (or in a program, or in a test): they read through kis_reader,
 * write through kis_answer_writer, and know neither sockets nor the store. Each finishes its
 * answer.
 */
#ifndef KIS_SERVE_API_H
#define KIS_SERVE_API_H

#include "query/find.h"
#include "serve/answer.h"
#include "serve/params.h"

#define KIS_API_ARENA_MAX ((size_t)96 << 20) /* of one call: mostly the tree of one trace */
/* A reader's deadline: searches that take longer are given up. */
#define KIS_API_READ_NS ((uint64_t)30 * 1000000000)
/* Of a streamed answer as a whole: a slow peer holds a query thread no longer. */
#define KIS_API_ANSWER_NS ((uint64_t)120 * 1000000000)

#define KIS_API_LISTENERS_MAX 8

/* What the server says of itself: the ready lines, for those who did not see them. */
typedef struct kis_server_facts {
    struct {
        const char *label; /* "OTLP/HTTP" */
        char address[96];  /* as printed at the start: "http://127.0.0.1:4318", "127.0.0.1:4317" */
        bool has_tls;
    } listeners[KIS_API_LISTENERS_MAX]; /* those that are open */
    size_t listener_count;
    char promise[96]; /* "keeps 72h or 10.0 GiB; OTLP answers are durable" */
} kis_server_facts;

typedef struct kis_api_call {
    kis_reader *reader;
    const kis_server_facts *server; /* NULL: nobody listens */
    const kis_alloc *alloc;
    kis_arena *arena;
    kis_request request; /* tenant, deadline, cancel */
    const kis_params *params;
    kis_str captures[2]; /* of the path, decoded */
    uint64_t now_unix_ns;
    kis_answer_writer *out;
    char notice[160];  /* x-kiseki-notice of this answer, when not empty */
    char failure[160]; /* why it failed, for the log */
} kis_api_call;

typedef void kis_api_fn(kis_api_call *call);

/* Jaeger query v1 */
kis_api_fn kis_v1_services, kis_v1_service_operations, kis_v1_operations, kis_v1_search,
    kis_v1_trace, kis_v1_dependencies, kis_v1_unsupported;
void kis_v1_error(kis_answer_writer *out, int status, kis_str message);
/* Jaeger query v3 */
kis_api_fn kis_v3_services, kis_v3_operations, kis_v3_search, kis_v3_trace, kis_v3_summaries;
void kis_v3_error(kis_answer_writer *out, int status, kis_str message);
/* kiseki's own; errors as in v3 */
kis_api_fn kis_api_server;

/* ---- shared by the versions ---- */

typedef void kis_api_error_fn(kis_answer_writer *out, int status, kis_str message);
/** Ends the call with an error answer in the version's form; cuts the answer when it has begun.
 * NOT_FOUND and FULL keep their status; SYNTAX, RANGE and LIMIT are the asker's (400); TIMEOUT is
 * 504. */
void kis_api_fail(kis_api_call *call, kis_api_error_fn *form, kis_err err, const kis_diag *diag);
/** An answer that is partial says so: the first time in the call's notice, and in a header while no
 * piece has left. Call it as soon as it is known. */
void kis_api_note_partial(kis_api_call *call, const kis_answer *answer);
/** The request of a call that writes as it reads: its deadline is the whole answer's, for a slow
 * peer is not a slow reader. */
kis_request kis_api_streaming(const kis_api_call *call);
/** Of a trace that was not found: when not all that is stored could be looked at, nobody knows that
 * it is not there, and NOT_FOUND becomes CORRUPT, said in `diag`. */
kis_err kis_api_judge_absence(const kis_api_call *call, kis_err err, kis_diag *diag);

#endif
