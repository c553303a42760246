/* otlp_span.h - one Span, Resource or InstrumentationScope message, checked and seen in place. Inside wire/ only. */
#ifndef KIS_WIRE_OTLP_SPAN_H
#define KIS_WIRE_OTLP_SPAN_H

#include "model/batch.h"

/**
 * These answer true when the message is well formed, within every limit of model/limits.h, valid UTF-8 throughout, and (a span)
 * has ids of the right length that are not zero; then `out` is written. False says nothing about why: otlp_repair.h finds
 * out, and makes a message that passes here.
 *
 * limit   bytes up to here may be read though they lie behind `message`: the end of the memory that holds it
 */
bool kis_otlp_read_span(kis_bytes message, const uint8_t *limit, kis_span_view *out);
bool kis_otlp_read_resource(kis_bytes message, const uint8_t *limit, kis_resource_view *out);
bool kis_otlp_read_scope(kis_bytes message, const uint8_t *limit, kis_scope_view *out);
/** The walk of kis_otlp_decode over any bytes that live as long as the batch. offset_base: where offsets in texts count from; NULL: none are told. */
kis_err kis_otlp_decode_request(kis_batch *batch, kis_bytes request, const uint8_t *offset_base, kis_diag *diag) KIS_CHECKED;
/** Valid UTF-8 of at most `max` bytes. */
bool kis_otlp_text_is_clean(kis_bytes text, size_t max);

#endif
