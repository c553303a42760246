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
#include "os/thread.h"
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

static void log_the_end(kis_log *log, const kis_serve_rest *rest, uint64_t took_ns, bool is_over)
{
    bool is_clean = is_over && !rest->requests_cut && !rest->queries_cut && !rest->bytes_unanswered;
    unsigned took_ms = (unsigned)(took_ns / 1000000);

    if (is_clean)
        kis_log_always(log, KIS_LOG_INFO, "stopped in %u ms, nothing left behind", took_ms);
    else
        kis_log_always(log, KIS_LOG_WARN,
                       "stopped in %u ms; not finished in time: %llu request%s, %llu quer%s, %llu "
                       "bytes of spans that were not acknowledged%s",
                       took_ms, (unsigned long long)rest->requests_cut,
                       KIS_PLURAL(rest->requests_cut), (unsigned long long)rest->queries_cut,
                       rest->queries_cut == 1 ? "y" : "ies",
                       (unsigned long long)rest->bytes_unanswered,
                       is_over ? "" : "; the store is not closed: does the disk answer?");
}

/* The stop goes on a thread of its own, for a disk may hang, and --stop-timeout shall hold. */
typedef struct stopping {
    kis_serve *serve;
    uint64_t deadline_ns;
    kis_serve_rest rest;
    kis_lock lock;
    kis_cond changed;
    bool is_over; /* guarded by lock */
} stopping;

static void run_stop(void *user)
{
    stopping *s = user;

    kis_serve_stop(s->serve, s->deadline_ns, &s->rest);
    kis_lock_take(&s->lock);
    s->is_over = true;
    kis_cond_signal(&s->changed);
    kis_lock_give(&s->lock);
}

/* False: it hangs. */
static bool stop_in_time(stopping *s)
{
    kis_thread thread = { 0 };
    bool is_in_time = true;

    if (kis_thread_start(&thread, "kis-stop", run_stop, s, NULL) != KIS_OK)
        run_stop(s);
    kis_lock_take(&s->lock);
    while (!s->is_over && is_in_time)
        is_in_time =
            kis_cond_wait_until(&s->changed, &s->lock, s->deadline_ns + KIS_SERVE_STOP_MORE_NS);
    bool is_over = s->is_over;
    kis_lock_give(&s->lock);
    if (is_over)
        kis_thread_join(&thread);
    return is_over;
}

/* Nothing acknowledged is lost by an end in the middle of a stop: the log is synced before a
 * request is answered, and read at the next start. */
static void stop_server(kis_serve *serve, uint64_t stop_timeout_ns, kis_log *log)
{
    uint64_t begin_ns = kis_now_ns();
    stopping s = { .serve = serve, .deadline_ns = begin_ns + stop_timeout_ns };

    kis_lock_init(&s.lock, KIS_RANK_SERVE);
    kis_cond_init(&s.changed);
    bool is_over = stop_in_time(&s);
    log_the_end(log, &s.rest, kis_now_ns() - begin_ns, is_over);
    if (!is_over)
        _exit(KIS_EXIT_OK);
    kis_cond_done(&s.changed);
    kis_lock_done(&s.lock);
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
    kis_log_always(log, KIS_LOG_INFO, "%s: stopping", number == SIGINT ? "SIGINT" : "SIGTERM");
    stop_server(serve, (uint64_t)options->stop_timeout_ns, log);
    return KIS_EXIT_OK;
}

/* Variables that are ours though serve does not read them, or that Kubernetes sets for a service
 * called kiseki. */
static bool is_known_elsewhere(kis_str name)
{
    return kis_str_eq(name, KIS_STR("KISEKI_SERVER")) || kis_str_eq(name, KIS_STR("KISEKI_PORT")) ||
           kis_str_starts(name, KIS_STR("KISEKI_PORT_")) ||
           kis_str_starts(name, KIS_STR("KISEKI_SERVICE_"));
}

/* A mistyped flag ends the start; a mistyped variable would be silence. */
static void warn_of_unknown_variables(kis_log *log)
{
    for (char **at = environ; *at; at++) {
        kis_str rest = kis_str_from_c(*at), name = kis_str_cut(&rest, '=');
        char flag[64];
        size_t len = 0;
        if (!kis_str_starts(name, KIS_STR("KISEKI_")) || is_known_elsewhere(name))
            continue;
        for (size_t i = 7; i < name.len && len < sizeof(flag); i++) {
            char c = name.ptr[i];
            flag[len++] = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
        const kis_option *near = kis_option_nearest(kis_serve_option_rows, kis_serve_option_count,
                                                    kis_str_of(flag, len));
        if (near && kis_str_eq(name, kis_str_from_c(near->env)))
            continue;
        kis_log_always(log, KIS_LOG_WARN, KIS_FMT ": no such variable%s%s%s",
                       KIS_ARG(kis_str_slice(name, 0, 64)), near ? "; did you mean " : "",
                       near ? near->env : "", near ? "?" : "");
    }
}

int kis_verb_serve(int argc, char **argv)
{
    kis_serve_options options;
    kis_program_options read = { "serve", usage, kis_serve_option_rows, kis_serve_option_count,
                                 &options };
    char data_room[KIS_PROGRAM_DIR_MAX];
    kis_diag diag = { 0 };
    kis_log log;
    int next, exit_code;

    if (!kis_program_read_options(&read, argc, argv, &next, &exit_code))
        return exit_code;
    if (next < argc)
        return kis_program_misuse("serve", "'%s' is not an option", argv[next]);
    if (kis_serve_options_check(&options, &diag) != KIS_OK)
        return kis_program_misuse("serve", "%s", diag.text);
    if (!options.memory && !options.data.len && !kis_program_data_dir(data_room, &options.data))
        return kis_program_misuse(
            "serve", "neither XDG_DATA_HOME nor HOME says where to keep spans; use --data DIR");
    kis_log_init(&log, STDERR_FILENO, (kis_log_level)options.log_level, options.log_format == 1);
    warn_of_unknown_variables(&log);
    exit_code = run_server(&options, &log);
    kis_log_done(&log);
    return exit_code;
}
