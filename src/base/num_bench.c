/* num_bench.c - nanoseconds a number, against the C library where it has the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"

#define COUNT 100000

static double doubles[COUNT];
static char texts[COUNT][32];
static size_t lens[COUNT];
static volatile uint64_t sink;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void bench_formats(const char *name)
{
    char text[64];
    double start = now_ns();
    for (int i = 0; i < COUNT; i++)
        sink += kis_f64_format(doubles[i], text);
    double own = now_ns() - start;
    start = now_ns();
    for (int i = 0; i < COUNT; i++)
        sink += (uint64_t)snprintf(text, sizeof(text), "%.17g", doubles[i]);
    double libc = now_ns() - start;
    for (int i = 0; i < COUNT; i++) {
        lens[i] = kis_f64_format(doubles[i], texts[i]);
        texts[i][lens[i]] = '\0';
    }
    double value, sum = 0;
    start = now_ns();
    for (int i = 0; i < COUNT; i++) {
        if (kis_f64_parse(kis_str_of(texts[i], lens[i]), &value) == KIS_OK)
            sum += value;
    }
    double own_parse = now_ns() - start;
    start = now_ns();
    for (int i = 0; i < COUNT; i++)
        sum += strtod(texts[i], NULL);
    double libc_parse = now_ns() - start;
    sink += (uint64_t)(sum != 0);
    printf("%-28s format %7.1f ns (printf %%.17g %7.1f)   parse %7.1f ns (strtod %7.1f)\n", name,
           own / COUNT, libc / COUNT, own_parse / COUNT, libc_parse / COUNT);
}

int main(void)
{
    uint64_t seed = 1;
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        doubles[i] = (double)(seed >> 44) / 1000.0;
    }
    bench_formats("three digits behind a point");
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        doubles[i] = (double)(seed >> 11) / 9007199254740992.0;
    }
    bench_formats("random in [0, 1)");
    for (int i = 0; i < COUNT; i++) {
        do {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            memcpy(&doubles[i], &seed, 8);
        } while (doubles[i] - doubles[i] != 0);
    }
    bench_formats("random bits");

    char text[KIS_NUM_TEXT_MAX];
    double start = now_ns();
    for (int i = 0; i < COUNT; i++)
        sink += kis_u64_format((uint64_t)i * 0x9e3779b97f4a7c15u, text);
    printf("%-28s format %7.1f ns\n", "u64", (now_ns() - start) / COUNT);
    return 0;
}
