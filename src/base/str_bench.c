/* str_bench.c - UTF-8 validation by length and kind of text: it runs on every attribute of every
 * span. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"

static char text[1 << 16];
static volatile uint64_t sink;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void bench(const char *name, const char *piece, size_t len)
{
    size_t piece_len = strlen(piece), rounds = (64u << 20) / (len + 64), valid = 0;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = piece[i % piece_len];
    len -= len % piece_len;
    double start = now_ns();
    for (size_t i = 0; i < rounds; i++)
        valid += kis_utf8_is_valid(kis_str_of(text + i % 4 * piece_len, len));
    double ns = (now_ns() - start) / (double)rounds;
    sink += valid;
    printf("%-18s %6zu bytes %9.1f ns %7.2f bytes/ns\n", name, len, ns, (double)len / ns);
}

int main(void)
{
    static const size_t lens[] = { 3, 6, 12, 20, 36, 60, 200, 1000, 60000 };
    for (size_t i = 0; i < KIS_COUNT_OF(lens); i++)
        bench("ASCII", "a", lens[i]);
    bench("two-byte letters", "\xc3\xa4", 200);
    bench("German",
          "Stra\xc3\x9f"
          "en in der N\xc3\xa4he ",
          200);
    bench("three-byte letters", "\xe2\x82\xac", 201);
    return 0;
}
