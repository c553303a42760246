/* grpc.h - gRPC over HTTP/2 without I/O: message framing, status words, time-outs.
 *
 *     body = flag byte (1: compressed) | 4 bytes big-endian length | message
 *
 * A unary call has one message.
 */
#ifndef KIS_HTTP_GRPC_H
#define KIS_HTTP_GRPC_H

#include "base/buf.h"

#define KIS_GRPC_PREFIX_BYTES 5

enum {
    KIS_GRPC_OK = 0,
    KIS_GRPC_CANCELLED = 1,
    KIS_GRPC_UNKNOWN = 2,
    KIS_GRPC_INVALID_ARGUMENT = 3,
    KIS_GRPC_DEADLINE_EXCEEDED = 4,
    KIS_GRPC_NOT_FOUND = 5,
    KIS_GRPC_PERMISSION_DENIED = 7,
    KIS_GRPC_RESOURCE_EXHAUSTED = 8,
    KIS_GRPC_FAILED_PRECONDITION = 9,
    KIS_GRPC_ABORTED = 10,
    KIS_GRPC_OUT_OF_RANGE = 11,
    KIS_GRPC_UNIMPLEMENTED = 12,
    KIS_GRPC_INTERNAL = 13,
    KIS_GRPC_UNAVAILABLE = 14,
    KIS_GRPC_DATA_LOSS = 15,
    KIS_GRPC_UNAUTHENTICATED = 16
};

/** The one message of a unary body. MORE: the body ends before it (no prefix at all, or cut).
 * SYNTAX: a flag other than 0 and 1, or a second message. LIMIT: longer than max. */
kis_err kis_grpc_message(kis_bytes body, size_t max_bytes, bool *out_is_compressed,
                         kis_bytes *out_message, kis_diag *diag) KIS_CHECKED;
void kis_grpc_put_prefix(kis_buf *out, bool is_compressed, uint32_t length);
/** grpc-message is percent-coded: printable ASCII but % passes. */
void kis_grpc_message_escape(kis_str text, kis_buf *out);
void kis_grpc_message_unescape(kis_str text, kis_buf *out);
/** grpc-timeout: up to 8 digits and one of H M S m u n. */
kis_err kis_grpc_timeout_parse(kis_str text, uint64_t *out_ns) KIS_CHECKED;
size_t kis_grpc_timeout_format(uint64_t ns, char out[16]);

#endif
