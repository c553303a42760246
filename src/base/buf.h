/* buf.h - output that grows up to a bound.
 *
 * A buffer never fails in the middle of a sentence: once an append did not fit, `err` is set,
 * further appends do nothing, and the writer looks once, at the end. So encoders read like the
 * format they write.
 */
#ifndef KIS_BASE_BUF_H
#define KIS_BASE_BUF_H

#include "base/str.h"

typedef struct kis_buf {
    uint8_t *ptr;
    size_t len, cap;
    size_t max;             /* bound in bytes; growing past it sets err to LIMIT */
    const kis_alloc *alloc; /* NULL: fixed memory of `cap` bytes, never grows */
    kis_err err;            /* first error, or OK */
} kis_buf;

void kis_buf_init(kis_buf *buf, const kis_alloc *alloc, size_t max_bytes); /* takes no memory yet */
void kis_buf_init_fixed(kis_buf *buf, void *memory, size_t size);
void kis_buf_done(kis_buf *buf);  /* gives the memory back; fine on zeros */
void kis_buf_clear(kis_buf *buf); /* len 0, err OK, memory kept */

/* what kis_buf_reserve does when there is no room */
uint8_t *kis_buf_grow(kis_buf *buf, size_t more);
/** Room for `more` bytes behind len, or NULL with err set. Write there, then add to len. */
static inline uint8_t *kis_buf_reserve(kis_buf *buf, size_t more)
{
    if (KIS_LIKELY(more <= buf->cap - buf->len && buf->ptr && !buf->err))
        return buf->ptr + buf->len;
    return kis_buf_grow(buf, more);
}

static inline void kis_buf_add(kis_buf *buf, const void *bytes, size_t size)
{
    uint8_t *to = size > 0 ? kis_buf_reserve(buf, size) : NULL;
    if (!to)
        return;
    memcpy(to, bytes, size);
    buf->len += size;
}
static inline void kis_buf_add_str(kis_buf *buf, kis_str s)
{
    kis_buf_add(buf, s.ptr, s.len);
}
static inline void kis_buf_add_bytes(kis_buf *buf, kis_bytes b)
{
    kis_buf_add(buf, b.ptr, b.len);
}
static inline void kis_buf_add_byte(kis_buf *buf, uint8_t byte)
{
    uint8_t *to = kis_buf_reserve(buf, 1);
    if (!to)
        return;
    *to = byte;
    buf->len++;
}
/* pieces of at most 512 bytes */
void kis_buf_add_fmt(kis_buf *buf, const char *format, ...) KIS_PRINTF(2, 3);
void kis_buf_add_u64(kis_buf *buf, uint64_t value); /* decimal text */
void kis_buf_add_i64(kis_buf *buf, int64_t value);
/** Removes the first `size` bytes (already sent) by moving the rest down. */
void kis_buf_drop_front(kis_buf *buf, size_t size);

static inline kis_bytes kis_buf_bytes(const kis_buf *buf)
{
    return (kis_bytes){ buf->ptr, buf->len };
}
static inline kis_str kis_buf_str(const kis_buf *buf)
{
    return (kis_str){ (const char *)buf->ptr, buf->len };
}

#endif
