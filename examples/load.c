/* load.c - customers for the three services: places and looks at orders, steadily.
 *
 *     kiseki-example-load [--gateway http://localhost:8081] [--rate 5] [--count 0]
 *
 * `rate` requests a second; `count` in all, 0: until SIGINT. Not traced itself: a trace begins at
 * the gateway.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "http.h"

static volatile sig_atomic_t is_ended;
static void end(int signal)
{
    (void)signal;
    is_ended = 1;
}

static void wait_until(struct timespec *next, long every_ns)
{
    next->tv_nsec += every_ns % 1000000000L;
    next->tv_sec += every_ns / 1000000000L + next->tv_nsec / 1000000000L;
    next->tv_nsec %= 1000000000L;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

static const char usage[] =
    "kiseki-example-load [--gateway http://localhost:8081] [--rate 5] [--count 0]\n"
    "Places and looks at orders, --rate a second; --count in all, 0: until SIGINT.";

int main(int argc, char **argv)
{
    const char *gateway = option(argc, argv, "gateway", "http://localhost:8081");
    double rate = atof(option(argc, argv, "rate", "5"));
    long count = atol(option(argc, argv, "count", "0")), done = 0, failed = 0;
    static http_message request, response;
    struct sigaction action = { .sa_handler = end };
    struct timespec next;

    if (asks_for_help(argc, argv, usage))
        return 0;
    if (rate <= 0) {
        fprintf(stderr, "load: --rate wants a number above 0\n");
        return 2;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (long i = 0; !is_ended && (count == 0 || i < count); i++) {
        snprintf(request.method, sizeof(request.method), "%s", i % 3 == 0 ? "GET" : "POST");
        snprintf(request.path, sizeof(request.path), "/orders/%ld", 1000 + i);
        request.header_count = 0;
        done++;
        failed += !http_call(gateway, &request, &response) || response.status >= 500;
        wait_until(&next, (long)(1e9 / rate));
    }
    printf("load: %ld requests, %ld of them failed\n", done, failed);
    return 0;
}
