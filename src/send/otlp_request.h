/* otlp_request.h - what a request of the sender looks like, in each of the three protocols: where
 * it goes, with which headers and which body. Inside of src/send.
 */
#ifndef KIS_SEND_OTLP_REQUEST_H
#define KIS_SEND_OTLP_REQUEST_H

#include "base/arena.h"
#include "http/url.h"
#include "send/send.h"

#define KIS_SEND_HEADERS_MAX 64 /* of a request, ours included */

typedef struct kis_otlp_request {
    kis_otlp_protocol protocol;
    kis_coding compression;
    kis_arena texts; /* copies of what the options borrowed: headers and what follows */
    kis_header headers[KIS_SEND_HEADERS_MAX];
    size_t header_count;
    kis_str endpoint, user_agent;
    kis_url url;        /* into `endpoint` */
    kis_str path;       /* with its query */
    kis_codecs *codecs; /* one thread at a time encodes */
} kis_otlp_request;

/** After an error `done` is due, too. SYNTAX, LIMIT: an option. */
kis_err kis_otlp_request_init(kis_otlp_request *request, const kis_send_options *options,
                              const kis_alloc *alloc, kis_diag *diag) KIS_CHECKED;
void kis_otlp_request_done(kis_otlp_request *request);
/** `body` is initialised here, and given back by the caller, also after an error. */
kis_err kis_otlp_request_encode(kis_otlp_request *request, const kis_batch *batch,
                                const kis_alloc *alloc, kis_buf *body, kis_diag *diag) KIS_CHECKED;

#endif
