// protobuf C++ parsing of one OTLP request into an arena, again and again: protobuf_decode FILE.pb [LOOPS]
// The peer of wire_otlp_decode_bench: parse, touch the last span, destroy.
#include <google/protobuf/arena.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

using Request = opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;

static double cpu_seconds()
{
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) + double(t.tv_nsec) / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    std::ifstream file(argv[1], std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    const long loops = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 100;
    unsigned long long spans = 0, check = 0;
    const double start = cpu_seconds();
    for (long i = 0; i < loops; i++) {
        google::protobuf::Arena arena;
        auto *request = google::protobuf::Arena::CreateMessage<Request>(&arena);
        if (!request->ParseFromString(bytes))
            return 1;
        for (const auto &resource : request->resource_spans())
            for (const auto &scope : resource.scope_spans()) {
                spans += scope.spans_size();
                check += scope.spans(scope.spans_size() - 1).attributes_size();
            }
    }
    const double seconds = cpu_seconds() - start;
    std::printf("peer=protobuf-cpp version=%d spans=%llu loops=%ld ns_per_span=%.1f check=%llu\n", GOOGLE_PROTOBUF_VERSION, spans, loops,
                seconds * 1e9 / double(spans), check);
}
