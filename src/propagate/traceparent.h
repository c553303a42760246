/* traceparent.h - the header that names the parent: version, trace id, span id, flags.
 * W3C Trace Context, level 2. */
#ifndef KIS_PROPAGATE_TRACEPARENT_H
#define KIS_PROPAGATE_TRACEPARENT_H

#include <kiseki/span_context.h>

#include "base/str.h"

#define KIS_TRACEPARENT_LEN 55

/**
 * Reads the value of one `traceparent` header:
 *
 *     00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *     version  trace id, 32 hex           span id, 16 hex  flags
 *
 * header  the value alone; spaces and tabs around it are no part of it
 * out     written only on KIS_OK: is_remote is true, trace_state empty,
 *         flags of sampled and random only
 *
 * KIS_ERR_SYNTAX  wrong length, separator or digit, upper-case hex, version ff
 * KIS_ERR_RANGE   well formed, but an id is all zeros: start a new trace instead
 *
 * Allocates nothing. Any thread.
 * Source: W3C Trace Context, section 3.2 (a later version is read as far as 00 goes).
 */
kis_err kis_traceparent_parse(kis_str header, kis_span_context *out) KIS_CHECKED;

/** Writes version 00; of the flags only sampled and random. No NUL. */
void kis_traceparent_format(const kis_span_context *context, char out[KIS_TRACEPARENT_LEN]);

#endif
