/* otlp_json_bench.c - decoding of one OTLP/JSON request, again and again: `wire_otlp_json_bench
 * FILE.json [LOOPS]`.
 *
 * Count with `perf stat -e instructions:u` or `valgrind --tool=callgrind`, once with LOOPS and once
 * with LOOPS * 2: the difference is decoding alone.
 */
#include "wire/test_decoding.h"

int main(int argc, char **argv)
{
    return bench_decoding(argc, argv, "json", kis_otlp_json_decode);
}
