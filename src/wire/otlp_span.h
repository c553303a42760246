/* otlp_span.h - one Span, Resource or InstrumentationScope message, checked and seen in place.
 * Inside wire/ only. */
#ifndef KIS_WIRE_OTLP_SPAN_H
#define KIS_WIRE_OTLP_SPAN_H

#include "model/batch.h"

/**
 * These answer true when the message is well formed, within every limit of model/limits.h, valid
 * UTF-8 throughout, and (a span) has ids of the right length that are not zero; then `out` is
 * written. False says nothing about why: otlp_repair.h finds out, and makes a message that passes
 * here.
 *
 * limit   bytes up to here may be read though they lie behind `message`: the end of the memory
 *         that holds it
 */
bool kis_otlp_read_span(kis_bytes message, const uint8_t *limit, kis_span_view *out);
bool kis_otlp_read_resource(kis_bytes message, const uint8_t *limit, kis_resource_view *out);
bool kis_otlp_read_scope(kis_bytes message, const uint8_t *limit, kis_scope_view *out);
/** The walk of kis_otlp_decode over any bytes that live as long as the batch. offset_base: where
 * offsets in texts count from; NULL: none are told. */
kis_err kis_otlp_decode_request(kis_batch *batch, kis_bytes request, const uint8_t *offset_base,
                                kis_diag *diag) KIS_CHECKED;
/** Valid UTF-8 of at most `max` bytes. */
bool kis_otlp_text_is_clean(kis_bytes text, size_t max);

/** Reads a length at `p` of a field inside [p, end): answers where its bytes begin, NULL when they
 * do not all lie inside. */
static inline const uint8_t *kis_otlp_length(const uint8_t *p, const uint8_t *end, size_t *out_len)
{
    if (KIS_LIKELY(end - p >= 1 && p[0] < 0x80)) {
        *out_len = p[0];
        p += 1;
    } else if (KIS_LIKELY(end - p >= 2 && p[1] < 0x80)) {
        *out_len = (size_t)(p[0] & 0x7f) | (size_t)p[1] << 7;
        p += 2;
    } else {
        kis_cursor c = { p, end };
        uint64_t len;
        if (!kis_cursor_varint(&c, &len) || len > UINT32_MAX)
            return NULL;
        *out_len = (size_t)len;
        p = c.at;
    }
    return *out_len <= (size_t)(end - p) ? p : NULL;
}

#endif
