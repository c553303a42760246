/* http1_fuzz.c - any bytes, whole and byte by byte: the same verdict, and nothing read outside. */
#include "http/http1.h"

#include <stdlib.h>

#include "base/check.h"

static kis_err fuzz_head(const uint8_t *data, size_t size, size_t step, size_t *out_end)
{
    kis_http1_scan scan = { 0 };
    kis_err err = KIS_ERR_MORE;
    int status = 0;
    for (size_t len = step; err == KIS_ERR_MORE; len += step) {
        err = kis_http1_scan_head(&scan, kis_bytes_of(data, KIS_MIN(len, size)), &status, NULL);
        if (len >= size)
            break;
    }
    KIS_ASSERT(err == KIS_OK || err == KIS_ERR_MORE || status >= 400);
    *out_end = scan.end;
    if (err)
        return err;
    uint8_t *copy = malloc(scan.end - scan.start);
    memcpy(copy, data + scan.start, scan.end - scan.start);
    kis_header headers[KIS_HTTP_HEADERS_MAX];
    kis_http1_head head;
    err = kis_http1_parse_request(kis_bytes_of(copy, scan.end - scan.start), headers, &head,
                                  &status, NULL);
    KIS_ASSERT(err == KIS_OK || status >= 400);
    for (size_t i = 0; !err && i < head.header_count; i++)
        KIS_ASSERT(kis_http_is_token(headers[i].name) && kis_http_is_value(headers[i].value));
    memcpy(copy, data + scan.start, scan.end - scan.start);
    (void)!kis_http1_parse_answer(kis_bytes_of(copy, scan.end - scan.start), size & 1, headers,
                                  &head, NULL);
    free(copy);
    return err;
}

static kis_err fuzz_chunks(kis_bytes in, size_t step, size_t *out_data)
{
    kis_http1_chunks chunks = { 0 };
    kis_err err = KIS_OK;
    *out_data = 0;
    for (size_t at = 0; at < in.len && !chunks.is_done && !err;) {
        kis_bytes piece = kis_bytes_of(in.ptr + at, KIS_MIN(step, in.len - at)), data;
        size_t given = piece.len;
        while (piece.len && !chunks.is_done && !err) {
            err = kis_http1_chunks_take(&chunks, &piece, &data, NULL);
            *out_data += data.len;
        }
        at += given - piece.len;
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t end, end_by_bytes, bytes, bytes_by_bytes;
    kis_err whole = fuzz_head(data, size, size ? size : 1, &end),
            by_bytes = fuzz_head(data, size, 1, &end_by_bytes);
    KIS_ASSERT(whole != KIS_OK || (by_bytes == KIS_OK && end == end_by_bytes));
    kis_bytes body = kis_bytes_of(data, size);
    whole = fuzz_chunks(body, size ? size : 1, &bytes);
    by_bytes = fuzz_chunks(body, 1, &bytes_by_bytes);
    KIS_ASSERT(whole == by_bytes && bytes == bytes_by_bytes && bytes <= size);
    return 0;
}
