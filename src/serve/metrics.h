/* metrics.h - the server's own counts in Prometheus' text form, under the Collector's names so that
 * its dashboards and alerts work. */
#ifndef KIS_SERVE_METRICS_H
#define KIS_SERVE_METRICS_H

#include "model/budget.h"
#include "net/server.h"
#include "os/mem.h"
#include "receive/receive.h"
#include "serve/host_check.h"
#include "store/store.h"

typedef struct kis_process_stats {
    uint64_t cpu_ns, rss_bytes, open_files, threads;
} kis_process_stats;

/** Of this process, from /proc/self; what cannot be read is 0. */
kis_process_stats kis_process_get_stats(void);

/** Everything one answer says; collected first, so that writing it is a function of it alone. */
typedef struct kis_metrics {
    kis_receive_stats http, grpc;
    kis_store_stats store;
    kis_server_stats server;
    kis_process_stats process;
    kis_mem_stats memory;
    uint64_t uptime_ns;
    uint64_t budget_max_bytes, budget_used_bytes, budget_refusals;
    uint64_t queries, queries_refused, queries_running;
    uint64_t log_lines_lost;
} kis_metrics;

void kis_metrics_text(const kis_metrics *m, kis_buf *out);

/** GET /metrics; `collect` fills the figures, on a loop's thread: it may take locks, not wait. */
typedef struct kis_metrics_source {
    void (*collect)(void *user, kis_metrics *out);
    void *user;
    const kis_alloc *alloc;
    const kis_host_rules *rules; /* whose pages may ask */
} kis_metrics_source;
kis_handler kis_metrics_handler(kis_metrics_source *source);

#endif
