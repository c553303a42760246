/* pb.h - protobuf's wire format: fields forward, fields out. No schema, no recursion.
 *
 *     tag = field number << 3 | wire type:  0 varint   1 64 bit   2 bytes   3, 4 group   5 32 bit
 */
#ifndef KIS_MODEL_PB_H
#define KIS_MODEL_PB_H

#include "base/buf.h"
#include "base/cursor.h"

typedef enum kis_pb_wire {
    KIS_PB_VARINT = 0,
    KIS_PB_FIX64 = 1,
    KIS_PB_BYTES = 2,
    KIS_PB_GROUP = 3,
    KIS_PB_GROUP_END = 4,
    KIS_PB_FIX32 = 5
} kis_pb_wire;

#define KIS_PB_TAG(field, wire) ((uint32_t)(field) << 3 | (uint32_t)(wire))

typedef struct kis_pb_field {
    uint32_t tag;    /* field << 3 | wire */
    uint64_t number; /* of VARINT, FIX64, FIX32 */
    kis_bytes bytes; /* of BYTES; of GROUP: what is between start and end */
} kis_pb_field;

/** The next field. NOT_FOUND: the end. SYNTAX: field 0, wire type 6 or 7, a stray or missing end
 * group, a varint that does not end, groups deeper than KIS_PB_GROUP_DEPTH_MAX. MORE: a length
 * reaches past the end. */
kis_err kis_pb_next(kis_cursor *c, kis_pb_field *out);
/** The next field of that tag (KIS_PB_TAG, length-delimited), others are stepped over. False at the
 * end, and where the bytes are not protobuf: the cursor is at its end then. */
static inline bool kis_pb_next_tagged(kis_cursor *c, uint32_t tag, kis_bytes *out)
{
    kis_pb_field field;
    while (kis_pb_next(c, &field) == KIS_OK) {
        if (field.tag != tag)
            continue;
        *out = field.bytes;
        return true;
    }
    c->at = c->end;
    return false;
}

void kis_pb_put_varint(kis_buf *out, uint32_t field, uint64_t value);
void kis_pb_put_fix64(kis_buf *out, uint32_t field, uint64_t value);
void kis_pb_put_fix32(kis_buf *out, uint32_t field, uint32_t value);
void kis_pb_put_bytes(kis_buf *out, uint32_t field, kis_bytes value);
static inline void kis_pb_put_str(kis_buf *out, uint32_t field, kis_str s)
{
    kis_pb_put_bytes(out, field, kis_bytes_of_str(s));
}
/** A message of unknown length: begin leaves room for its length, end writes it (in minimal form,
 * moving the body down). */
size_t kis_pb_begin(kis_buf *out, uint32_t field);
/** The same when the length is roughly known: nothing is moved at the end when the guess has as
 * many digits. */
size_t kis_pb_begin_about(kis_buf *out, uint32_t field, uint64_t expected_size);
void kis_pb_end(kis_buf *out, size_t begun);

#endif
