/* server_bench.c - one loop and a handler that does nothing: what the server itself costs. Load
 * comes from h2load and wrk:
 *
 *     net_server_bench 127.0.0.1:4317 [cert.pem key.pem] &
 *     h2load -n 1000000 -c 8 -m 100 -d body -H 'content-type: application/grpc' \
 *         http://127.0.0.1:4317/x
 *     h2load --h1 ..., wrk -t1 -c64 http://127.0.0.1:4317/
 *
 * It prints, when its standard input ends, requests, CPU seconds and microseconds a request, and
 * peak memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/server.h"
#include "os/mem.h"

static bool bench_head(void *user, kis_exchange *exchange, uint64_t *max_body)
{
    (void)user;
    (void)exchange;
    *max_body = 64u << 20;
    return true;
}

static void bench_body(void *user, kis_exchange *exchange, uint8_t *body, size_t len, size_t cap)
{
    static const kis_header grpc[] = { { KIS_STR_INIT("content-type"),
                                         KIS_STR_INIT("application/grpc") } };
    static const kis_header status[] = { { KIS_STR_INIT("grpc-status"), KIS_STR_INIT("0") } };
    static const kis_header plain[] = { { KIS_STR_INIT("content-type"),
                                          KIS_STR_INIT("application/x-protobuf") } };
    (void)user;
    (void)len;
    if (kis_str_starts(kis_request_header(kis_exchange_head(exchange), "content-type"),
                       KIS_STR("application/grpc")))
        kis_exchange_answer(exchange,
                            &(kis_answer_head){ .status = 200,
                                                .headers = grpc,
                                                .header_count = 1,
                                                .trailers = status,
                                                .trailer_count = 1 },
                            kis_bytes_of("\0\0\0\0", 5));
    else
        kis_exchange_answer(
            exchange, &(kis_answer_head){ .status = 200, .headers = plain, .header_count = 1 },
            KIS_BYTES_NONE);
    if (body)
        kis_body_alloc->give_back(kis_body_alloc->user, body, cap);
}

static void bench_loop(void *user)
{
    kis_loop_run(user);
}

int main(int argc, char **argv)
{
    kis_diag diag = { 0 };
    kis_loop *loop;
    kis_server *server;
    kis_thread thread = { 0 };
    char address[80];
    kis_tls_server *tls = NULL;
    if (argc > 3) {
        const kis_tls_server_options files = { .cert_file = kis_str_from_c(argv[2]),
                                               .key_file = kis_str_from_c(argv[3]) };
        if (kis_tls_server_new(&files, &tls, &diag) != KIS_OK) {
            fprintf(stderr, "%s\n", diag.text);
            return EXIT_FAILURE;
        }
    }
    const kis_listener_options options = {
        .address = kis_str_from_c(argc > 1 ? argv[1] : "127.0.0.1:0"),
        .handler = { .on_head = bench_head, .on_body = bench_body },
        .tls = tls,
        .allow_http1 = true,
        .allow_http2 = true
    };
    if (kis_loop_new(&kis_mem, &loop, &diag) != KIS_OK ||
        kis_server_new(&loop, 1, &kis_mem, &server, &diag) != KIS_OK ||
        kis_server_listen(server, &options, address, &diag) != KIS_OK ||
        kis_thread_start(&thread, "loop", bench_loop, loop, &diag) != KIS_OK) {
        fprintf(stderr, "%s\n", diag.text);
        return EXIT_FAILURE;
    }
    kis_server_start(server);
    printf("%s\n", address);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    kis_server_stats stats = kis_server_get_stats(server);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("%llu requests, %.2f s CPU, %.2f us a request, %llu MiB in, peak %ld KiB, %llu "
           "connections open\n",
           (unsigned long long)stats.requests, cpu,
           stats.requests ? cpu * 1e6 / (double)stats.requests : 0,
           (unsigned long long)(stats.bytes_in >> 20), usage.ru_maxrss,
           (unsigned long long)stats.connections_open);
    kis_server_stop(server, kis_now_ns() + 1000000000u);
    kis_loop_stop(loop);
    kis_thread_join(&thread);
    kis_server_free(server);
    kis_loop_free(loop);
    kis_tls_server_free(tls);
    return EXIT_SUCCESS;
}
