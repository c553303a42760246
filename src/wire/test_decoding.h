/* test_decoding.h - the loop of the decoding benches: what a receiver does, a batch made, decoded
 * and freed each time. */
#ifndef KIS_WIRE_TEST_DECODING_H
#define KIS_WIRE_TEST_DECODING_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "os/mem.h"
#include "wire/otlp.h"

static uint8_t *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    size_t cap = 1 << 16;
    uint8_t *bytes = malloc(cap);
    *len = 0;
    for (size_t got; bytes && (got = fread(bytes + *len, 1, cap - *len, f)) > 0;) {
        *len += got;
        if (*len == cap)
            bytes = realloc(bytes, cap *= 2);
    }
    fclose(f);
    return bytes;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Decodes the file again and again; the exit status of the bench. */
static int bench_decoding(int argc, char **argv, const char *form,
                          kis_err (*decode)(kis_batch *, kis_diag *))
{
    size_t len = 0;
    uint8_t *bytes = argc > 1 ? read_file(argv[1], &len) : NULL;
    long loops = argc > 2 ? strtol(argv[2], NULL, 10) : 100;
    uint64_t spans = 0, touched = 0;

    if (!bytes) {
        fprintf(stderr, "usage: %s FILE.%s [LOOPS]\n", argv[0], form);
        return 2;
    }
    double start = cpu_seconds();
    for (long i = 0; i < loops; i++) {
        kis_diag diag;
        kis_batch *batch = kis_batch_new(&kis_mem, 64u << 20);
        batch->body = (kis_bytes){ bytes, len };
        kis_err err = decode(batch, &diag);
        if (err) {
            fprintf(stderr, "%s\n", diag.text);
            return 1;
        }
        spans += batch->span_count;
        touched += batch->span_count ? batch->spans[batch->span_count - 1].attr_count : 0;
        kis_batch_unref(batch);
    }
    double seconds = cpu_seconds() - start;
    printf("spans=%llu loops=%ld ns_per_span=%.1f bytes_per_span=%.1f check=%llu\n",
           (unsigned long long)spans, loops, seconds * 1e9 / (double)spans,
           (double)len * (double)loops / (double)spans, (unsigned long long)touched);
    free(bytes);
    return 0;
}

#endif
