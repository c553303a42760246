/* health.h - what 13133 answers: the Collector's JSON, for probes of orchestrators. */
#ifndef KIS_SERVE_HEALTH_H
#define KIS_SERVE_HEALTH_H

#include <stdatomic.h>

#include "base/buf.h"
#include "net/server.h"
#include "serve/host_check.h"

typedef struct kis_health {
    uint64_t up_since_unix_ns, up_since_ns;
    _Atomic bool is_available;   /* between "ready" and the begin of the stop */
    const kis_host_rules *rules; /* whose pages may ask */
} kis_health;

/** {"status":"Server available","upSince":"2026-…Z","uptime":"1h2m3s"}; not available: the
 * Collector's zero time and an empty uptime. */
void kis_health_json(const kis_health *health, uint64_t now_ns, kis_buf *out);
/** GET / and /status (Jaeger's path): 200 or 503. */
kis_handler kis_health_handler(kis_health *health);

#endif
