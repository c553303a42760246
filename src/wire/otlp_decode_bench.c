/* otlp_decode_bench.c - decoding of one protobuf request, again and again: `wire_otlp_decode_bench
 * FILE.pb [LOOPS]`.
 *
 * Count with `perf stat -e instructions:u` or `valgrind --tool=callgrind`, once with LOOPS and once
 * with LOOPS * 2: the difference is decoding alone.
 */
#include "wire/test_decoding.h"

int main(int argc, char **argv)
{
    return bench_decoding(argc, argv, "pb", kis_otlp_decode);
}
