/* serve.h - the server: options become running parts, and stop again in order.
 *
 *     start   addresses tried, store (locks the directory), loops, receiver, query threads,
 *             listeners, accept
 *     stop    listeners, requests in flight, queries, the sink's answers, store, loops
 *
 * A stop has one deadline for all of it, but for a disk that hangs. Nothing listens before the
 * store is open, and a start that is refused for an address has made no directory. Two servers on
 * one directory meet at its lock.
 */
#ifndef KIS_SERVE_SERVE_H
#define KIS_SERVE_SERVE_H

#include <stdatomic.h>

#include "os/os.h"
#include "serve/log.h"
#include "serve/options.h"
#include "serve/static_ui.h"

typedef struct kis_serve kis_serve;

typedef enum kis_listener_name {
    KIS_LISTENER_QUERY,
    KIS_LISTENER_OTLP_GRPC,
    KIS_LISTENER_OTLP_HTTP,
    KIS_LISTENER_HEALTH,
    KIS_LISTENER_METRICS,
    KIS_LISTENERS
} kis_listener_name;

typedef struct kis_serve_setup {
    const kis_serve_options *options; /* checked; its texts live as long as the server */
    kis_os *os;
    const kis_alloc *alloc;
    kis_static_ui ui;
    kis_log *log; /* lives longer than the server */
} kis_serve_setup;

/**
 * RANGE  an address of OTLP or of the page is taken ("address in use: …") or wanted twice, or
 * another process has the data directory and what store, TLS and net say. On failure nothing is
 * left running.
 */
kis_err kis_serve_start(const kis_serve_setup *setup, kis_serve **out, kis_diag *diag) KIS_CHECKED;
/** "127.0.0.1:4317", port 0 resolved; empty when the listener is off. */
const char *kis_serve_address(const kis_serve *serve, kis_listener_name name);
/** The lines that scripts wait for: version, a line a listener, the data, "ready". */
void kis_serve_ready_lines(const kis_serve *serve, kis_buf *out);

/** What did not finish in time. Any thread may look while the stop goes on. */
typedef struct kis_serve_rest {
    _Atomic uint64_t requests_cut, queries_cut;
    _Atomic uint64_t bytes_unanswered; /* pushed into the store, not answered */
} kis_serve_rest;

/* A stop that is not over so long after its deadline waits for a disk that does not answer. */
#define KIS_SERVE_STOP_MORE_NS ((uint64_t)2000000000)

/**
 * Stops and frees. `deadline_ns` is monotonic; `rest` is zeros at first.
 *
 * Returns when the last thread has ended, which it may not do while a disk hangs. What was
 * acknowledged is synced by then: who will not wait may end the process, and loses nothing.
 */
void kis_serve_stop(kis_serve *serve, uint64_t deadline_ns, kis_serve_rest *rest);

#endif
