/* traceparent.c - the header that names the parent.
 *
 *     0         3                                   36               53
 *     00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *
 * A version above 00 may go on behind position 55, after a dash; what it says there is not ours to
 * know.
 */
#include "propagate/traceparent.h"

#include "base/num.h"
#include "model/span.h"

#define TRACE_ID_AT 3
#define SPAN_ID_AT  36
#define FLAGS_AT    53
#define KNOWN_FLAGS (KIS_FLAG_SAMPLED | KIS_FLAG_RANDOM)

kis_err kis_traceparent_parse(kis_str header, kis_span_context *out)
{
    kis_span_context context = { .is_remote = true };
    uint8_t version;

    header = kis_str_trim(header);
    if (header.len < KIS_TRACEPARENT_LEN)
        return KIS_ERR_SYNTAX;
    const char *h = header.ptr;
    if (h[2] != '-' || h[SPAN_ID_AT - 1] != '-' || h[FLAGS_AT - 1] != '-')
        return KIS_ERR_SYNTAX;
    if (kis_hex_parse(kis_str_of(h, 2), false, &version, 1) || version == 0xff)
        return KIS_ERR_SYNTAX;
    if (header.len > KIS_TRACEPARENT_LEN && (version == 0 || h[KIS_TRACEPARENT_LEN] != '-'))
        return KIS_ERR_SYNTAX;
    if (kis_hex_parse(kis_str_of(h + TRACE_ID_AT, 32), false, context.trace_id.bytes, 16) ||
        kis_hex_parse(kis_str_of(h + SPAN_ID_AT, 16), false, context.span_id.bytes, 8) ||
        kis_hex_parse(kis_str_of(h + FLAGS_AT, 2), false, &context.flags, 1))
        return KIS_ERR_SYNTAX;
    if (!kis_trace_id_is_valid(&context.trace_id) || !kis_span_id_is_valid(&context.span_id))
        return KIS_ERR_RANGE;
    context.flags &= KNOWN_FLAGS;
    *out = context;
    return KIS_OK;
}

void kis_traceparent_format(const kis_span_context *context, char out[KIS_TRACEPARENT_LEN])
{
    uint8_t flags = context->flags & KNOWN_FLAGS;
    out[0] = out[1] = '0';
    out[2] = out[SPAN_ID_AT - 1] = out[FLAGS_AT - 1] = '-';
    kis_hex_format(context->trace_id.bytes, 16, out + TRACE_ID_AT);
    kis_hex_format(context->span_id.bytes, 8, out + SPAN_ID_AT);
    kis_hex_format(&flags, 1, out + FLAGS_AT);
}
