/* ports.h - whether the addresses that a start wants can be had: found out before it makes
 * anything.
 *
 * A start that is refused for a taken port leaves no directory behind. Each address is bound and
 * let go again: nobody is served, and nothing waits at a listener for a store that is still being
 * read.
 */
#ifndef KIS_SERVE_PORTS_H
#define KIS_SERVE_PORTS_H

#include "base/str.h"

typedef struct kis_port {
    const char *label, *flag; /* "page and query", "query" */
    kis_str address;          /* "127.0.0.1:16686", or "off" */
    bool is_told;             /* by its own flag; else by --listen */
    bool is_needed;           /* without it there is no start */
    /* of kis_ports_try: the one before it that has the same address; NULL: none of ours */
    const struct kis_port *rival;
    int fd; /* kis_ports_try's own */
} kis_port;

/**
 * Tries all of them. RANGE: some that are needed are taken, and the diag names all those; else what
 * is wrong with the first that is needed and cannot be had. One that is not needed is no error.
 */
kis_err kis_ports_try(kis_port *ports, size_t count, kis_diag *diag) KIS_CHECKED;
/** The diag of one that could not be bound, as people should read it: it names the address
 * already, and here comes where that was said. */
kis_err kis_port_explain(const kis_port *port, kis_err err, kis_diag *diag);

#endif
