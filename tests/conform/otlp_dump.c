/* otlp_dump.c - decodes one OTLP trace request from standard input and prints what kiseki makes of
 * it, for comparison with decoders that
 * have nothing to do with ours: `kiseki-otlp-dump [protobuf | json]` (or --json).
 *
 * Standard output: the batch as OTLP/JSON, one line. Standard error:
 * "spans=… rejected=… cut=… verbatim=… reason=…".
 * Exit 1: refused, the text on standard error. The input is held in a piece of just its size, so
 * that a sanitizer sees a byte too many.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/mem.h"
#include "wire/otlp.h"

static uint8_t *read_input(size_t *len)
{
    size_t cap = 1 << 16;
    uint8_t *bytes = malloc(cap);
    *len = 0;
    for (size_t got; bytes && (got = fread(bytes + *len, 1, cap - *len, stdin)) > 0;) {
        *len += got;
        if (*len == cap)
            bytes = realloc(bytes, cap *= 2);
    }
    return bytes && *len ? realloc(bytes, *len) : bytes;
}

int main(int argc, char **argv)
{
    bool is_json = argc > 1 && (strcmp(argv[1], "json") == 0 || strcmp(argv[1], "--json") == 0);
    size_t len;
    uint8_t *bytes = read_input(&len);
    kis_batch *batch = kis_batch_new(&kis_mem, (size_t)1 << 30);
    kis_diag diag = { 0 };
    kis_buf out;

    if (!bytes || !batch) {
        fprintf(stderr, "no memory\n");
        return 2;
    }
    batch->body = (kis_bytes){ bytes, len };
    kis_err err = is_json ? kis_otlp_json_decode(batch, &diag) : kis_otlp_decode(batch, &diag);
    if (err) {
        fprintf(stderr, "%s: %s\n", kis_err_text(err), diag.text);
    } else {
        kis_buf_init(&out, &kis_mem, (size_t)1 << 30);
        kis_otlp_json_encode(batch, &out);
        fwrite(out.ptr, 1, out.len, stdout);
        putchar('\n');
        fprintf(stderr, "spans=%u rejected=%u cut=%u verbatim=%d reason=%.*s\n", batch->span_count,
                batch->rejected_spans, batch->cut_values, batch->is_verbatim,
                (int)batch->reject_reason.len, batch->reject_reason.ptr);
        kis_buf_done(&out);
    }
    kis_batch_unref(batch);
    free(bytes);
    return err ? 1 : 0;
}
