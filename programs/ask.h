/* ask.h - one question to the query API: over HTTP to a server, or answered here from a data
 * directory by the same code that serves it. */
#ifndef KIS_PROGRAMS_ASK_H
#define KIS_PROGRAMS_ASK_H

#include "base/buf.h"

typedef struct kis_ask {
    kis_str server; /* "http://127.0.0.1:16686", or */
    kis_str data;   /* a data directory; wins when not empty */
    kis_str ca;     /* for https; empty: the system's */
    uint64_t timeout_ns;
    const char *flag; /* that said where the server is: "server" */
} kis_ask;

#define KIS_ASK_PORT       16686
#define KIS_ASK_ANSWER_MAX ((size_t)1 << 30)

/** GET `path` ("/api/v3/services?…"). OK: there is an answer, whatever its status. */
kis_err kis_ask_get(const kis_ask *ask, kis_str path, int *out_status, kis_buf *out_body,
                    kis_diag *diag) KIS_CHECKED;

#endif
