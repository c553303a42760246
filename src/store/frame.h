/* frame.h - one batch as bytes: what a log record carries. FORMAT.md, "Record".
 *
 *     received  tenant  key  resources[]  scopes[]  rows in the order of the scopes
 *
 * A record is the unit of truth: key and spans are in it together or not at all.
 */
#ifndef KIS_STORE_FRAME_H
#define KIS_STORE_FRAME_H

#include "model/batch.h"

typedef struct kis_frame_head {
    uint64_t received_unix_ns;
    kis_str tenant, key;
    uint32_t resource_count, scope_count, span_count;
} kis_frame_head;

/** The exact size of a batch's record body; 0: more than a record may hold. */
size_t kis_frame_size(const kis_batch *batch);
void kis_frame_encode(const kis_batch *batch, uint64_t received_unix_ns, uint8_t *to, size_t size);

/* Reading is a walk in the order of the bytes; each step is false when the bytes
 * are not what they must be. */
bool kis_frame_read_head(kis_cursor *c, kis_frame_head *out) KIS_CHECKED;
bool kis_frame_read_resource(kis_cursor *c, kis_resource_view *out) KIS_CHECKED;
/* `resource` and `span_count` are not compared with anything */
bool kis_frame_read_scope(kis_cursor *c, kis_scope_view *out) KIS_CHECKED;

/* Resource and scope bodies, the same in records and in blocks. */
size_t kis_frame_resource_size(const kis_resource_view *resource);
uint8_t *kis_frame_resource_put(const kis_resource_view *resource, uint8_t *to);
size_t kis_frame_scope_size(const kis_scope_view *scope);
uint8_t *kis_frame_scope_put(const kis_scope_view *scope, uint8_t *to);

#endif
