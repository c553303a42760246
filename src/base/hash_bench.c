/* hash_bench.c - hash and checksum, by length: nanoseconds each and bytes a nanosecond. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/crc.h"
#include "base/hash.h"

static uint8_t bytes[1 << 16];
static volatile uint64_t sink;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t run_hash(kis_bytes part, uint64_t seed)
{
    return kis_hash(part, seed);
}

static uint64_t run_crc(kis_bytes part, uint64_t seed)
{
    return kis_crc32c((uint32_t)seed, part);
}

static uint64_t run_crc_table(kis_bytes part, uint64_t seed)
{
    return kis_crc32c_table((uint32_t)seed, part);
}

static void bench(const char *name, uint64_t (*run)(kis_bytes, uint64_t), size_t len)
{
    size_t rounds = (64u << 20) / (len + 64);
    uint64_t value = 0;
    double start = now_ns();
    for (size_t i = 0; i < rounds; i++)
        /* each waits for the one before */
        value = run(kis_bytes_of(bytes + (value & 7), len), value);
    double ns = (now_ns() - start) / (double)rounds;
    sink += value;
    printf("%-14s %6zu bytes %9.1f ns %7.2f bytes/ns\n", name, len, ns, (double)len / ns);
}

int main(void)
{
    static const size_t lens[] = { 4, 8, 16, 24, 32, 64, 128, 460, 4096, 65000 };
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * i >> 3);
    for (size_t i = 0; i < KIS_COUNT_OF(lens); i++)
        bench("kis_hash", run_hash, lens[i]);
    for (size_t i = 0; i < KIS_COUNT_OF(lens); i++)
        bench("crc32c", run_crc, lens[i]);
    bench("crc32c tables", run_crc_table, 4096);
    return 0;
}
