/* serve.c - `kiseki serve`: options, the ready lines, signals, the end. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "program.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "os/mem.h"
#include "os/signal.h"
#include "serve/serve.h"

static const char usage[] = "kiseki serve - receive, store and show spans\n\n    kiseki serve "
                            "[--data DIR | --memory] [OPTION ...]\n\n"
                            "Takes OTLP by gRPC and HTTP, answers Jaeger's query API (v1 and v3) "
                            "and shows its page. Prints `ready` on stdout when all listeners "
                            "are\nopen; logs go to stderr. SIGTERM or SIGINT ends it with nothing "
                            "acknowledged lost, a second one at once.\n\n";

/* A server of many connections needs many descriptors; the soft bound is 1024 by tradition only. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* $XDG_DATA_HOME/kiseki, else ~/.local/share/kiseki (XDG base directory specification: only
 * absolute paths count). */
static bool default_data_dir(char room[1024], kis_str *out)
{
    const char *data_home = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (data_home && data_home[0] == '/')
        *out = kis_str_of(room, kis_fmt(room, 1024, "%s/kiseki", data_home));
    else if (home && home[0] == '/')
        *out = kis_str_of(room, kis_fmt(room, 1024, "%s/.local/share/kiseki", home));
    else
        return false;
    return out->len < 1023;
}

static void print_ready_lines(const kis_serve *serve)
{
    char room[8192];
    kis_buf lines;

    kis_buf_init_fixed(&lines, room, sizeof(room));
    kis_serve_ready_lines(serve, &lines);
    kis_write_line(STDOUT_FILENO, kis_buf_str(&lines)); /* nobody need be reading */
}

/* Until SIGINT or SIGTERM; SIGHUP is a terminal that went away, or a rotation: neither ends a
 * server. */
static int wait_for_signal(int fd)
{
    for (;;) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        poll(&ready, 1, -1);
        int number = kis_signal_take();
        if (number == SIGINT || number == SIGTERM)
            return number;
    }
}

static void log_the_end(kis_log *log, const kis_serve_rest *rest, uint64_t took_ns)
{
    bool is_clean = !rest->requests_cut && !rest->queries_cut && !rest->bytes_unanswered;
    unsigned took_ms = (unsigned)(took_ns / 1000000);

    if (is_clean)
        kis_log_always(log, KIS_LOG_INFO, "stopped in %u ms, nothing left behind", took_ms);
    else
        kis_log_always(log, KIS_LOG_WARN,
                       "stopped in %u ms; not finished in time: %llu requests, %llu queries, %llu "
                       "bytes of spans that were not acknowledged",
                       took_ms, (unsigned long long)rest->requests_cut,
                       (unsigned long long)rest->queries_cut,
                       (unsigned long long)rest->bytes_unanswered);
}

static int run_server(const kis_serve_options *options, kis_log *log)
{
    kis_diag diag = { 0 };
    kis_serve *serve;
    int signals = kis_signal_open(&diag);

    if (signals < 0)
        return kis_program_fail("%s", diag.text);
    raise_file_limit();
    kis_serve_setup setup = {
        .options = options,
        .os = kis_os_real(),
        .alloc = &kis_mem,
        .ui = { kis_static_files, kis_static_file_count },
        .log = log,
    };
    if (kis_serve_start(&setup, &serve, &diag) != KIS_OK)
        return kis_program_fail("%s", diag.text);
    print_ready_lines(serve);
    int number = wait_for_signal(signals);
    uint64_t begin_ns = kis_now_ns();
    kis_log_always(log, KIS_LOG_INFO, "%s: stopping", number == SIGINT ? "SIGINT" : "SIGTERM");
    kis_serve_rest rest = kis_serve_stop(serve, begin_ns + (uint64_t)options->stop_timeout_ns);
    log_the_end(log, &rest, kis_now_ns() - begin_ns);
    return KIS_EXIT_OK;
}

int kis_verb_serve(int argc, char **argv)
{
    kis_serve_options options;
    kis_program_options read = { "serve", usage, kis_serve_option_rows, kis_serve_option_count,
                                 &options };
    char data_room[1024];
    kis_diag diag = { 0 };
    kis_log log;
    int next, exit_code;

    if (!kis_program_read_options(&read, argc, argv, &next, &exit_code))
        return exit_code;
    if (next < argc)
        return kis_program_misuse("serve", "'%s' is not an option", argv[next]);
    if (kis_serve_options_check(&options, &diag) != KIS_OK)
        return kis_program_misuse("serve", "%s", diag.text);
    if (!options.memory && !options.data.len && !default_data_dir(data_room, &options.data))
        return kis_program_misuse(
            "serve", "neither XDG_DATA_HOME nor HOME says where to keep spans; use --data DIR");
    kis_log_init(&log, STDERR_FILENO, (kis_log_level)options.log_level, options.log_format == 1);
    exit_code = run_server(&options, &log);
    kis_log_done(&log);
    return exit_code;
}
