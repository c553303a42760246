/* options.h - what `kiseki serve` can be told, as rows: flags, KISEKI_* environment, bounds, help.
 */
#ifndef KIS_SERVE_OPTIONS_H
#define KIS_SERVE_OPTIONS_H

#include "base/option.h"

typedef struct kis_serve_options {
    kis_str data;
    bool memory;
    kis_str listen; /* the host of every listener that names none itself */
    kis_str otlp_grpc, otlp_http, query, health,
        metrics; /* "ADDR:PORT", ":PORT", "PORT", "off"; empty: `listen` and the usual port */
    int64_t keep_ns, flush_after_ns;
    uint64_t keep_bytes, head_bytes, memory_limit, max_request_bytes;
    kis_str allow_host, allow_origin; /* lists with commas */
    kis_str tls_cert, tls_key, tls_client_ca;
    int log_level, log_format; /* kis_log_level; 0 text 1 json */
    int64_t stop_timeout_ns;
    uint32_t cores, query_threads;
} kis_serve_options;

extern const kis_option kis_serve_option_rows[];
extern const size_t kis_serve_option_count;

/** Relations between options that no row can say: --tls-key without --tls-cert and the like. RANGE.
 */
kis_err kis_serve_options_check(const kis_serve_options *options, kis_diag *diag) KIS_CHECKED;

#endif
