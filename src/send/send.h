/* send.h - step 4: batches leave the process. Every sender is a kis_sink.
 *
 * otlp: encode, compress, send, judge the answer, try again with back-off and Retry-After, give up
 * at the deadline. It runs its own loop thread, so that push never waits; a bounded number of
 * batches wait (`queue_batches`), one more is answered FULL.
 */
#ifndef KIS_SEND_SEND_H
#define KIS_SEND_SEND_H

#include "compress/compress.h"
#include "model/sink.h"
#include "net/client.h"

typedef enum kis_otlp_protocol {
    KIS_OTLP_HTTP_PROTOBUF,
    KIS_OTLP_HTTP_JSON,
    KIS_OTLP_GRPC
} kis_otlp_protocol;

enum { KIS_SEND_WARNING = 2, KIS_SEND_ERROR = 3 }; /* levels of a sender's log */

typedef struct kis_send_options {
    kis_otlp_protocol protocol;
    kis_str endpoint; /* whole URL; for HTTP used as it stands (the caller has added /v1/traces),
                         for gRPC http://host:port or host:port; for both unix:/path */
    kis_coding compression;
    const kis_header *headers; /* names in lower case */
    size_t header_count;
    kis_tls_client_options tls; /* for https */
    bool insecure;              /* gRPC without a scheme: no TLS */
    uint32_t timeout_ms;        /* of one attempt; 0: 10 s */
    uint32_t retry_initial_ms, retry_max_ms,
        retry_elapsed_max_ms; /* 0: 1 s, 30 s, 5 min; multiplier 1.5, jitter 0.5 */
    uint32_t queue_batches;   /* 0: 64 */
    uint32_t in_flight;       /* 0: 4 */
    kis_str user_agent;       /* empty: "kiseki/VERSION" */
    void (*log)(void *user, int level, const char *text); /* level: KIS_SEND_*; loop's thread */
    void *log_user;
} kis_send_options;

typedef struct kis_send_stats {
    uint64_t sent_spans, failed_spans, rejected_spans, retries, attempts;
    uint64_t waiting_batches; /* gauge */
} kis_send_stats;

kis_err kis_send_otlp_open(const kis_send_options *options, const kis_alloc *alloc, kis_sink **out,
                           kis_diag *diag) KIS_CHECKED;
kis_send_stats kis_send_get_stats(const kis_sink *sender); /* of a sink from kis_send_otlp_open */

typedef enum kis_console_form { KIS_CONSOLE_PRETTY, KIS_CONSOLE_LINE } kis_console_form;
/** Writes spans to a file descriptor as they come. Promise NONE. */
kis_err kis_send_console_open(int fd, kis_console_form form, const kis_alloc *alloc,
                              kis_sink **out) KIS_CHECKED;
/** OTLP/JSON, one request a line, appended; several processes may append to one file, each through
 * a sink of its own. Promise MEMORY (not synced). */
kis_err kis_send_file_open(kis_os *os, kis_str path, const kis_alloc *alloc, kis_sink **out,
                           kis_diag *diag) KIS_CHECKED;
/** Keeps every batch: for tests. `kis_send_memory_batches` answers how many; `at` borrows. */
kis_err kis_send_memory_open(const kis_alloc *alloc, uint32_t max_batches,
                             kis_sink **out) KIS_CHECKED;
uint32_t kis_send_memory_count(const kis_sink *memory);
const kis_batch *kis_send_memory_at(const kis_sink *memory, uint32_t index);
void kis_send_memory_clear(kis_sink *memory);

#endif
