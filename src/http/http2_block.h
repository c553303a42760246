/* http2_block.h - the header block that is coming in, with bounds. Inside http/ only.
 *
 *     begin ──> add, add, … ──> end: a head of views into the block ──> trim, or begin again
 *
 * HTTP/2 never interleaves two header blocks, so a connection needs one.
 */
#ifndef KIS_HTTP_HTTP2_BLOCK_H
#define KIS_HTTP_HTTP2_BLOCK_H

#include "base/vec.h"
#include "http/http2.h"

typedef struct kis_http2_field {
    uint32_t name_at, name_len, value_at, value_len; /* in the text */
} kis_http2_field;

typedef struct kis_http2_block {
    const kis_alloc *alloc;
    kis_buf text; /* at most KIS_HTTP_HEADER_BYTES_MAX + KIS_HTTP_TARGET_BYTES_MAX */
    KIS_VEC(kis_http2_field) fields;
    kis_header *views; /* made of fields when the block is whole; as large as views_cap */
    uint32_t views_cap;
    size_t list_bytes; /* as RFC 9113, 10.5.1 counts: name, value and 32 */
    int32_t stream_id;
    bool is_open, is_too_large;
} kis_http2_block;

void kis_http2_block_init(kis_http2_block *block, const kis_alloc *alloc); /* takes nothing yet */
void kis_http2_block_done(kis_http2_block *block); /* gives all back; may be begun again */
/** Between two requests: gives back what an unusually large block took. */
void kis_http2_block_trim(kis_http2_block *block);

void kis_http2_block_begin(kis_http2_block *block, int32_t stream_id);
/** One more field. What is over a bound is left out, and the head will say so. False: no memory. */
bool kis_http2_block_add(kis_http2_block *block, kis_str name, kis_str value);
/** The block is whole. The head points into it, until trim, done or the next begin. False: no
 * memory. */
bool kis_http2_block_end(kis_http2_block *block, kis_http2_head *out);

#endif
