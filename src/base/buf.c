/* buf.c - output that grows by doubling, up to a bound.
 *
 * Always true: len <= cap <= max; once err is set, nothing is added any more.
 */
#include "base/buf.h"

#include "base/arena.h"
#include "base/fmt.h"
#include "base/num.h"

#define FIRST_BYTES   256u
#define FMT_BYTES_MAX 512u /* one kis_buf_add_fmt */

void kis_buf_init(kis_buf *buf, const kis_alloc *alloc, size_t max_bytes)
{
    *buf = (kis_buf){ .alloc = alloc, .max = max_bytes };
}

void kis_buf_init_fixed(kis_buf *buf, void *memory, size_t size)
{
    *buf = (kis_buf){ .ptr = memory, .cap = size, .max = size };
}

void kis_buf_done(kis_buf *buf)
{
    if (buf->alloc && buf->ptr)
        buf->alloc->give_back(buf->alloc->user, buf->ptr, buf->cap);
    *buf = (kis_buf){ .alloc = buf->alloc, .max = buf->alloc ? buf->max : 0 };
}

void kis_buf_clear(kis_buf *buf)
{
    buf->len = 0;
    buf->err = KIS_OK;
}

static uint8_t *buf_refuse(kis_buf *buf, kis_err err)
{
    buf->err = err;
    return NULL;
}

uint8_t *kis_buf_grow(kis_buf *buf, size_t more)
{
    if (buf->err)
        return NULL;
    if (buf->max < buf->len || more > buf->max - buf->len || !buf->alloc)
        return buf_refuse(buf, KIS_ERR_LIMIT);
    size_t doubled = buf->cap > buf->max / 2 ? buf->max : buf->cap * 2;
    size_t want = KIS_MAX(KIS_MAX(doubled, buf->len + more), KIS_MIN(FIRST_BYTES, buf->max));
    uint8_t *grown = kis_alloc_grow(buf->alloc, buf->ptr, buf->cap, want);
    if (!grown)
        return buf_refuse(buf, KIS_ERR_NOMEM);
    buf->ptr = grown;
    buf->cap = want;
    return grown + buf->len;
}

void kis_buf_add_fmt(kis_buf *buf, const char *format, ...)
{
    char text[FMT_BYTES_MAX + 1];
    va_list args;
    va_start(args, format);
    size_t len = kis_fmt_v(text, sizeof(text), format, args);
    va_end(args);
    kis_buf_add(buf, text, len);
}

void kis_buf_add_u64(kis_buf *buf, uint64_t value)
{
    char text[KIS_NUM_TEXT_MAX];
    kis_buf_add(buf, text, kis_u64_format(value, text));
}

void kis_buf_add_i64(kis_buf *buf, int64_t value)
{
    char text[KIS_NUM_TEXT_MAX];
    kis_buf_add(buf, text, kis_i64_format(value, text));
}

void kis_buf_drop_front(kis_buf *buf, size_t size)
{
    size = KIS_MIN(size, buf->len);
    if (size == 0)
        return;
    buf->len -= size;
    memmove(buf->ptr, buf->ptr + size, buf->len);
}
