/* diag.h - filling a kis_diag: what went wrong, and each caller's "where" in front of it. */
#ifndef KIS_BASE_DIAG_H
#define KIS_BASE_DIAG_H

#include "base/str.h"

/** Sets text and error and returns the error, so that `return kis_diag_set(diag, KIS_ERR_SYNTAX,
 * "…")` is one line. The format is that of base/fmt.h. `diag` may be NULL. */
kis_err kis_diag_set(kis_diag *diag, kis_err err, const char *format, ...) KIS_PRINTF(3, 4);

/** Puts words and ": " in front of what is there, and returns `err`. What does not fit any more is
 * cut at the end: the outermost words say where to look, and the innermost cause usually fits. */
kis_err kis_diag_in(kis_diag *diag, kis_err err, const char *format, ...) KIS_PRINTF(3, 4);

/** HTTP and gRPC status for an error, from KIS_ERR_LIST. */
int kis_err_http_status(kis_err err);
int kis_err_grpc_status(kis_err err);

#endif
