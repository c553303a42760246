/* otlp_encode_bench.c - writing of one batch as protobuf and as JSON, again and again:
 * `wire_otlp_encode_bench FILE.pb [LOOPS] [views | bytes | json]`.
 *
 *     views   spans from their views alone, as the recorder hands them over (default)
 *     bytes   spans that keep their bytes: what a collector passes on
 *     json    OTLP/JSON
 *
 * Count with `perf stat -e instructions:u` or `valgrind --tool=callgrind`, once with LOOPS and once
 * with LOOPS * 2: the difference is encoding alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/mem.h"
#include "wire/otlp.h"

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static uint8_t bytes[64 << 20];
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    long loops = argc > 2 ? strtol(argv[2], NULL, 10) : 100;
    const char *what = argc > 3 ? argv[3] : "views";
    kis_batch *batch = kis_batch_new(&kis_mem, 256u << 20);
    kis_buf out;
    kis_diag diag;

    if (!f) {
        fprintf(stderr, "usage: %s FILE.pb [LOOPS] [views | bytes | json]\n", argv[0]);
        return 2;
    }
    batch->body = (kis_bytes){ bytes, fread(bytes, 1, sizeof bytes, f) };
    fclose(f);
    if (kis_otlp_decode(batch, &diag) != KIS_OK) {
        fprintf(stderr, "%s\n", diag.text);
        return 1;
    }
    batch->is_verbatim = false;
    for (uint32_t i = 0; i < batch->span_count && strcmp(what, "bytes") != 0; i++)
        batch->spans[i].bytes = KIS_BYTES_NONE;
    kis_buf_init(&out, &kis_mem, 256u << 20);
    double start = cpu_seconds();
    for (long i = 0; i < loops; i++) {
        kis_buf_clear(&out);
        if (strcmp(what, "json") == 0)
            kis_otlp_json_encode(batch, &out);
        else
            kis_otlp_encode(batch, &out);
    }
    double seconds = cpu_seconds() - start, spans = (double)batch->span_count * (double)loops;
    printf("what=%s spans=%.0f loops=%ld ns_per_span=%.1f bytes_per_span=%.1f\n", what, spans,
           loops, seconds * 1e9 / spans, (double)out.len / (double)batch->span_count);
    kis_batch_unref(batch);
    kis_buf_done(&out);
    return 0;
}
