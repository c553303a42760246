/* signal.h - SIGINT, SIGTERM and SIGHUP as readable bytes, for programs (never for the library). */
#ifndef KIS_OS_SIGNAL_H
#define KIS_OS_SIGNAL_H

#include "base/str.h"

/** Ignores SIGPIPE and routes SIGINT, SIGTERM, SIGHUP to a pipe; answers its read end, -1 on
 * failure. A second SIGINT or SIGTERM ends the process at once (exit status 128 + signal). Call
 * once, before any thread. */
int kis_signal_open(kis_diag *diag);
/** The signal that came, 0 when none is waiting. */
int kis_signal_take(void);

#endif
