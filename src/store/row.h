/* row.h - one span as bytes, in the log and in memory. FORMAT.md, "Row".
 *
 *     fixed 56 bytes: size kind status parts  trace id  span id  parent  start  end
 *     then            name  attributes  [flags] [dropped counts] [trace state] [status message]
 *                     [events] [links]
 *
 * Attributes, events and links are OTLP fields, only those of their own tag. A row says all
 * that a kis_span_view says but `bytes`; resource and scope belong to the record the row
 * stands in (frame.h).
 */
#ifndef KIS_STORE_ROW_H
#define KIS_STORE_ROW_H

#include "model/span.h"

#define KIS_ROW_FIXED 56u

#define KIS_ROW_HAS_FLAGS   0x01u
#define KIS_ROW_HAS_DROPPED 0x02u
#define KIS_ROW_HAS_STATE   0x04u
#define KIS_ROW_HAS_MESSAGE 0x08u
#define KIS_ROW_HAS_EVENTS  0x10u
#define KIS_ROW_HAS_LINKS   0x20u

/** The exact size that kis_row_encode will write. */
size_t kis_row_size(const kis_span_view *span);
/** Writes one row; answers its end. */
uint8_t *kis_row_encode(const kis_span_view *span, uint8_t *to);
/** Reads one row and moves behind it; views point into the bytes. False: not a row. */
bool kis_row_decode(kis_cursor *c, kis_span_view *out) KIS_CHECKED;

/* The fixed part of a row whose bytes have been decoded once, without decoding the rest. */
static inline const kis_trace_id *kis_row_trace_id(const uint8_t *row)
{
    return (const kis_trace_id *)(const void *)(row + 8);
}
static inline const kis_span_id *kis_row_span_id(const uint8_t *row)
{
    return (const kis_span_id *)(const void *)(row + 24);
}
static inline uint64_t kis_row_start(const uint8_t *row)
{
    uint64_t start;
    memcpy(&start, row + 40, 8);
    return start;
}
static inline uint32_t kis_row_bytes(const uint8_t *row)
{
    uint32_t size;
    memcpy(&size, row, 4);
    return size;
}
static inline uint8_t kis_row_kind(const uint8_t *row)
{
    return row[4] & 7;
}

/** The part of the row after the fixed one that is neither name nor attributes:
 * written and read alike in rows and in blocks. */
size_t kis_row_rest_size(const kis_span_view *span, uint8_t *out_parts);
uint8_t *kis_row_rest_encode(const kis_span_view *span, uint8_t parts, uint8_t *to);
bool kis_row_rest_decode(kis_cursor *c, uint8_t parts, kis_span_view *out) KIS_CHECKED;

/** Bytes of the fields of one tag in a stretch; all of it when nothing else is in there. */
size_t kis_fields_size(const uint8_t *ptr, size_t len, uint32_t tag);
uint8_t *kis_fields_copy(const uint8_t *ptr, size_t len, uint32_t tag, size_t size, uint8_t *to);

#endif
