/* http2_fuzz.c - any bytes behind the preface, in pieces that the first byte sizes; every request
 * is answered. */
#include "http/http2.h"

#include "base/check.h"
#include "os/mem.h"

static int heads, closes;

static void on_head(void *user, kis_http2_stream *stream, const kis_http2_head *head)
{
    (void)user;
    heads++;
    KIS_ASSERT(head->header_count <= KIS_HTTP_HEADERS_MAX || head->is_too_large);
    if (stream->id % 4 == 1)
        (void)!kis_http2_answer(stream, 413, head->headers, head->header_count,
                                &(kis_http2_body){ .bytes = { (const uint8_t *)"no", 2 } }, NULL,
                                0);
}
static bool on_data(void *user, kis_http2_stream *stream, kis_bytes piece)
{
    (void)user;
    return (stream->id + (int32_t)piece.len) % 3 != 0;
}
static void on_end(void *user, kis_http2_stream *stream)
{
    static const kis_header status = { KIS_STR_INIT("grpc-status"), KIS_STR_INIT("0") };
    (void)user;
    if (!stream->is_begun)
        (void)!kis_http2_answer(stream, 200, NULL, 0,
                                &(kis_http2_body){ .bytes = { (const uint8_t *)"yes", 3 } },
                                &status, 1);
}
static void on_close(void *user, kis_http2_stream *stream, uint32_t error)
{
    (void)user;
    (void)stream;
    (void)error;
    closes++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t opening[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    const kis_http2_events events = { NULL, on_head, on_data, NULL, on_end, on_close, NULL };
    kis_buf out;
    if (size < 1)
        return 0;
    heads = closes = 0;
    kis_http2 *h2 = kis_http2_new(true, &events, &kis_mem);
    kis_buf_init(&out, &kis_mem, 4u << 20);
    kis_err err = kis_http2_receive(h2, 1, kis_bytes_of(opening, sizeof(opening) - 1), NULL);
    for (size_t at = 1, step = data[0] + 1u; at < size && !err && !kis_http2_is_over(h2);
         at += step) {
        err = kis_http2_receive(h2, at, kis_bytes_of(data + at, KIS_MIN(step, size - at)), NULL);
        kis_buf_clear(&out);
        kis_err filled = kis_http2_fill(h2, &out, 64u << 10);
        KIS_ASSERT(filled == KIS_OK);
    }
    KIS_ASSERT((uint32_t)heads >= kis_http2_stream_count(h2) ||
               kis_http2_stream_count(h2) <= KIS_HTTP2_STREAMS_MAX + 1);
    kis_http2_free(h2);
    kis_buf_done(&out);
    return 0;
}
