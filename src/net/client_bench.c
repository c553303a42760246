/* client_bench.c - what the client costs: one loop asks, another answers with next to nothing.
 *
 *     net_client_bench [SECONDS]
 *
 * A row: protocol, bytes of a body, calls in flight; calls a second, and the CPU time that the
 * asking thread alone spends on a call. The figures mean something when two cores are free.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "net/client.h"
#include "os/mem.h"

static bool bench_on_head(void *user, kis_exchange *exchange, uint64_t *max_body)
{
    (void)user;
    (void)exchange;
    *max_body = 64u << 20;
    return true;
}

static void bench_on_body(void *user, kis_exchange *exchange, uint8_t *body, size_t len, size_t cap)
{
    static const kis_header type[] = { { KIS_STR_INIT("content-type"),
                                         KIS_STR_INIT("application/grpc") } };
    static const kis_header status[] = { { KIS_STR_INIT("grpc-status"), KIS_STR_INIT("0") } };
    (void)user;
    (void)len;
    kis_exchange_answer(exchange,
                        &(kis_answer_head){ .status = 200,
                                            .headers = type,
                                            .header_count = 1,
                                            .trailers = status,
                                            .trailer_count = 1 },
                        kis_bytes_of("\0\0\0\0", 5));
    if (body)
        kis_body_alloc->give_back(kis_body_alloc->user, body, cap);
}

static void bench_run_loop(void *user)
{
    kis_loop_run(user);
}

typedef struct bench {
    kis_loop *loop;
    kis_client *client;
    kis_client_request request;
    uint64_t calls, failed, end_ns;
    uint32_t in_flight;
} bench;

static void bench_done(void *user, const kis_client_answer *answer)
{
    bench *b = user;
    b->calls++;
    if (answer->err || answer->status != 200)
        b->failed++;
    if (kis_loop_now_ns(b->loop) < b->end_ns)
        kis_client_send(b->client, &b->request, bench_done, b);
    else if (--b->in_flight == 0)
        kis_loop_stop(b->loop);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void must(kis_err err, const kis_diag *diag)
{
    if (!err)
        return;
    fprintf(stderr, "client_bench: %s\n", diag->text);
    exit(EXIT_FAILURE);
}

static void bench_row(kis_str port_text, bool http2, size_t size, uint32_t in_flight,
                      double seconds)
{
    static const kis_header headers[] = {
        { KIS_STR_INIT("content-type"), KIS_STR_INIT("application/grpc") },
        { KIS_STR_INIT("te"), KIS_STR_INIT("trailers") },
    };
    bench b = { .in_flight = in_flight };
    kis_diag diag;
    uint8_t *body = calloc(1, size);
    kis_client_options options = { .host = KIS_STR("127.0.0.1"),
                                   .port = (uint16_t)atoi(port_text.ptr),
                                   .http2 = http2,
                                   .user_agent = KIS_STR("client_bench/1"),
                                   .max_in_flight = in_flight };
    must(kis_loop_new(&kis_mem, &b.loop, &diag), &diag);
    must(kis_client_new(b.loop, &options, &b.client, &diag), &diag);
    b.request = (kis_client_request){
        .method = KIS_STR("POST"),
        .path = KIS_STR("/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
        .headers = headers,
        .header_count = 2,
        .body = kis_bytes_of(body, size),
    };
    double cpu = cpu_seconds();
    uint64_t start_ns = kis_now_ns();
    b.end_ns = start_ns + (uint64_t)(seconds * 1e9);
    b.request.deadline_ns = b.end_ns + 10000000000u;
    for (uint32_t i = 0; i < in_flight; i++)
        kis_client_send(b.client, &b.request, bench_done, &b);
    kis_loop_run(b.loop);
    double took = (double)(kis_now_ns() - start_ns) / 1e9;
    cpu = cpu_seconds() - cpu;
    printf("%-8s %7zu bytes %3u in flight %9.0f calls/s %8.2f us CPU a call %6.0f MB/s%s\n",
           http2 ? "HTTP/2" : "HTTP/1.1", size, in_flight, (double)b.calls / took,
           cpu * 1e6 / (double)b.calls, (double)b.calls * (double)size / took / 1e6,
           b.failed ? "  FAILED" : "");
    fflush(stdout);
    kis_client_free(b.client);
    kis_loop_free(b.loop);
    free(body);
}

int main(int argc, char **argv)
{
    kis_diag diag = { 0 };
    kis_loop *loop;
    kis_server *server;
    kis_thread thread = { 0 };
    char address[80];
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    const kis_listener_options options = { .address = KIS_STR("127.0.0.1:0"),
                                           .handler = { .on_head = bench_on_head,
                                                        .on_body = bench_on_body },
                                           .allow_http1 = true,
                                           .allow_http2 = true };
    must(kis_loop_new(&kis_mem, &loop, &diag), &diag);
    must(kis_server_new(&loop, 1, &kis_mem, &server, &diag), &diag);
    must(kis_server_listen(server, &options, address, &diag), &diag);
    must(kis_thread_start(&thread, "loop", bench_run_loop, loop, &diag), &diag);
    kis_server_start(server);

    kis_str port = kis_str_from_c(address);
    (void)kis_str_cut(&port, ':');
    bench_row(port, false, 100, 1, seconds);
    bench_row(port, false, 100, 8, seconds);
    bench_row(port, false, 261000, 8, seconds);
    bench_row(port, true, 100, 1, seconds);
    bench_row(port, true, 100, 32, seconds);
    bench_row(port, true, 4700, 32, seconds);
    bench_row(port, true, 261000, 8, seconds);

    kis_server_stop(server, kis_now_ns() + 1000000000u);
    kis_loop_stop(loop);
    kis_thread_join(&thread);
    kis_server_free(server);
    kis_loop_free(loop);
    return EXIT_SUCCESS;
}
