/* guest_test.c - how the SDK behaves in somebody else's process: what it prints and when, what it
 * does to signals, that exit and the ends of threads are safe. Each scene is a process of its own,
 * because stderr, signals and exit are a process's.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/test.h"

#include <kiseki/kiseki.h>

KIS_TRACER(tracer, "guest", "1.0")

/* Scenes start threads. ThreadSanitizer knows none behind a fork, but the tests themselves have
 * none. A leak checker has nothing to do in a scene that ends by _exit. */
const char *__tsan_default_options(void);
__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

/* ---- scenes ---- */

typedef struct seen {
    char said[8192]; /* on stderr */
    int lines;
} seen;

/* Runs `scene` in a child, with stderr into `out`; it must return, and exit must end it with 0. */
static void play(void (*scene)(void), seen *out, const char *why)
{
    int ends[2], status;
    size_t len = 0;
    ssize_t got;
    CHECK(pipe(ends) == 0, why);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        scene();
        exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], out->said + len, sizeof(out->said) - 1 - len)) > 0)
        len += (size_t)got;
    out->said[len] = 0;
    out->lines = 0;
    for (const char *at = out->said; (at = strchr(at, '\n')) != NULL; at++)
        out->lines++;
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child, why);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        fail_msg("%s: status %x: %s", why, (unsigned)status, out->said);
}

#define MUST(what)                                             \
    do {                                                       \
        if (!(what)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #what); \
            _exit(9);                                          \
        }                                                      \
    } while (0)

static void record(int count)
{
    for (int i = 0; i < count; i++)
        kis_span_end(kis_span_start(tracer(), "span"));
}

static void refuse(void *user, const kis_export_batch *batch, kis_export_done *done)
{
    (void)user, (void)batch;
    done->call(done, KIS_ERR_IO);
}
static const kis_exporter refusing = { .export_spans = refuse };

static kis_sdk *start_refusing(bool is_quiet)
{
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("none"),
                                                     .user_exporter = &refusing,
                                                     .batch_spans = 1,
                                                     .is_quiet = is_quiet },
                                 NULL);
    MUST(sdk);
    return sdk;
}

/* ---- what is said ---- */

static void twenty_failures(void)
{
    kis_sdk *sdk = start_refusing(false);
    record(20);
    MUST(kis_sdk_flush(sdk, 5000) == KIS_ERR_IO);
    MUST(kis_sdk_stop(sdk, 5000) == KIS_OK);
}

TEST(the_first_failed_export_and_what_is_lost_at_stop_are_one_line_each)
{
    seen s;
    play(twenty_failures, &s, "twenty failures");
    CHECK_INT(2, s.lines, s.said);
    CHECK(!strncmp(s.said, "kiseki: 1 span was not delivered: ", 34), s.said);
    CHECK(strstr(s.said, "\nkiseki: 20 spans were lost: "), s.said);
}

/* A clock that the scene moves. */
static uint64_t clock_ns = 1000000000;
static uint64_t scene_now(void *user)
{
    (void)user;
    return clock_ns;
}
static void scene_random(void *user, void *to, size_t size)
{
    (void)user;
    memset(to, 7, size);
}
static void *scene_take(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}
static void scene_give_back(void *user, void *ptr, size_t size)
{
    (void)user, (void)size;
    free(ptr);
}

static void failures_for_three_minutes(void)
{
    static const kis_alloc memory = { scene_take, scene_give_back, NULL };
    static const kis_host host = {
        .now_ns = scene_now, .now_unix_ns = scene_now, .random = scene_random, .alloc = &memory
    };
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("none"),
                                                     .user_exporter = &refusing,
                                                     .batch_spans = 1,
                                                     .host = &host },
                                 NULL);
    MUST(sdk);
    for (int second = 0; second < 180; second++) {
        record(1);
        kis_sdk_tick(sdk);
        clock_ns += 1000000000;
    }
    kis_sdk_free(sdk);
}

TEST(further_failures_are_said_once_a_minute)
{
    seen s;
    play(failures_for_three_minutes, &s, "three minutes");
    CHECK_INT(4, s.lines, s.said); /* at 0, 60 and 120 seconds, and the end */
    CHECK(strstr(s.said, "(further failures are said once a minute)\n"), s.said);
    CHECK(strstr(s.said, "(and 59 batches before, since the last such line)\n"), s.said);
}

static void nobody_listens(void)
{
    kis_diag diag;
    kis_sdk *sdk =
        kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("otlp"),
                                          .otlp_endpoint = KIS_STR("http://127.0.0.1:9/v1/traces"),
                                          .export_timeout_ms = 1 },
                      &diag);
    MUST(sdk);
    record(3);
    MUST(kis_sdk_flush(sdk, 5000) == KIS_ERR_IO);
    MUST(kis_sdk_stop(sdk, 5000) == KIS_OK);
}

TEST(a_collector_that_is_not_there_is_told_with_its_address)
{
    seen s;
    play(nobody_listens, &s, "nobody listens");
    CHECK_INT(2, s.lines, s.said);
    CHECK(strstr(s.said, "3 spans were not delivered: connect to 127.0.0.1:9: connection refused"),
          s.said);
    CHECK(strstr(s.said, "3 spans were lost"), s.said);
}

static void a_full_queue(void)
{
    static const kis_exporter silent = { .export_spans = refuse };
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("none"),
                                                     .user_exporter = &silent,
                                                     .queue_spans = 1,
                                                     .drive = KIS_DRIVE_TICK },
                                 NULL);
    MUST(sdk);
    record(5);
    kis_sdk_stop(sdk, 1000);
}

TEST(a_drop_is_said_at_stop)
{
    seen s;
    play(a_full_queue, &s, "a full queue");
    CHECK(strstr(
              s.said,
              "5 spans were lost: 4 found the queue full, 0 found no memory, 1 were not delivered"),
          s.said);
}

static void quiet_by_option(void)
{
    kis_sdk *sdk = start_refusing(true);
    record(20);
    kis_sdk_stop(sdk, 5000);
}
static void quiet_by_environment(void)
{
    setenv("OTEL_KISEKI_QUIET", "true", 1);
    kis_sdk *sdk = start_refusing(false);
    record(20);
    kis_sdk_stop(sdk, 5000);
}
static void never_started(void)
{
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9", 1);
    record(100);
    MUST(!kis_sdk_global());
}
static int threads(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}
static void disabled(void)
{
    int before = threads();
    setenv("OTEL_SDK_DISABLED", "true", 1);
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9", 1);
    kis_sdk *sdk = kis_sdk_start(NULL, NULL);
    MUST(sdk);
    record(100);
    MUST(threads() == before);
    MUST(kis_sdk_stop(sdk, 1000) == KIS_OK);
}
static void sampled_out(void)
{
    kis_sdk *sdk = kis_sdk_start(
        &(kis_sdk_options){ .sampler_name = KIS_STR("always_off"),
                            .otlp_endpoint = KIS_STR("http://127.0.0.1:9/v1/traces") },
        NULL);
    MUST(sdk);
    record(100);
    MUST(kis_sdk_stop(sdk, 1000) == KIS_OK);
}
static void started_and_never_used(void)
{
    MUST(kis_sdk_start(
        &(kis_sdk_options){ .otlp_endpoint = KIS_STR("http://127.0.0.1:9/v1/traces") }, NULL));
}

TEST(it_is_silent_when_it_has_nothing_to_say)
{
    static const struct {
        const char *why;
        void (*scene)(void);
    } rows[] = {
        { "off by option", quiet_by_option },
        { "off by the environment", quiet_by_environment },
        { "never started", never_started },
        { "disabled: not even a thread", disabled },
        { "nothing was sampled", sampled_out },
        { "started, never used, exit", started_and_never_used },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        seen s;
        play(rows[i].scene, &s, rows[i].why);
        CHECK_STR("", ((kis_str){ s.said, strlen(s.said) }), rows[i].why);
    }
}

/* ---- what the environment says wrong ---- */

static const char *wrong_name, *wrong_value;
static void start_with_wrong_variable(void)
{
    setenv("OTEL_TRACES_EXPORTER", "none", 1);
    if (strstr(wrong_name, "OTLP"))
        setenv("OTEL_TRACES_EXPORTER", "otlp", 1);
    setenv(wrong_name, wrong_value, 1);
    kis_sdk *sdk = kis_sdk_start(NULL, NULL);
    record(1);
    if (!sdk)
        exit(3);
    _exit(0);
}

TEST(every_wrong_variable_is_named)
{
    static const struct {
        const char *name, *value;
    } rows[] = {
        { "OTEL_BSP_MAX_QUEUE_SIZE", "many" },
        { "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0x10" },
        { "OTEL_BSP_SCHEDULE_DELAY", "5s" },
        { "OTEL_BSP_EXPORT_TIMEOUT", "-1" },
        { "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "99999999999" },
        { "OTEL_ATTRIBUTE_COUNT_LIMIT", "x" },
        { "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1e3" },
        { "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "x" },
        { "OTEL_SPAN_EVENT_COUNT_LIMIT", "x" },
        { "OTEL_SPAN_LINK_COUNT_LIMIT", "x" },
        { "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "x" },
        { "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "x" },
        { "OTEL_KISEKI_MAX_SPANS", "0" },
        { "OTEL_KISEKI_EXIT_FLUSH", "x" },
        { "OTEL_EXPORTER_OTLP_TIMEOUT", "x" },
        { "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-5" },
        { "OTEL_EXPORTER_OTLP_HEADERS", "secret" },
        { "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=x%0d%0aHost: evil" },
        { "OTEL_SDK_DISABLED", "maybe" },
        { "OTEL_KISEKI_QUIET", "perhaps" },
        { "OTEL_EXPORTER_OTLP_INSECURE", "1" },
        { "OTEL_TRACES_SAMPLER", "sometimes" },
        { "OTEL_PROPAGATORS", "pigeon" },
        { "OTEL_RESOURCE_ATTRIBUTES", "novalue" },
        { "OTEL_TRACES_EXPORTER", "fax" },
        { "OTEL_KISEKI_PROCESSOR", "slow" },
        { "OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml" },
        { "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "smoke" },
        { "OTEL_EXPORTER_OTLP_COMPRESSION", "rar" },
        { "OTEL_KISEKI_CONSOLE", "wide" },
        { "OTEL_KISEKI_CONSOLE_STREAM", "stdlog" },
        { "OTEL_KISEKI_EXIT_FLUHS", "5" },
        { "OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318" },
        { "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:no" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        seen s;
        wrong_name = rows[i].name;
        wrong_value = rows[i].value;
        play(start_with_wrong_variable, &s, wrong_name);
        bool is_named = strstr(s.said, wrong_name) != NULL;
        /* may be long, and private */
        bool is_private =
            strstr(wrong_name, "HEADERS") || !strcmp(wrong_name, "OTEL_RESOURCE_ATTRIBUTES");
        bool is_unknown = strstr(wrong_name, "FLUHS");
        bool is_quoted = is_unknown   ? true
                         : is_private ? !strstr(s.said, wrong_value)
                                      : strstr(s.said, wrong_value) != NULL;
        if (s.lines != 1 || strncmp(s.said, "kiseki: ", 8) || !is_named || !is_quoted)
            fail_msg("%s=%s: %s", wrong_name, wrong_value, s.said);
    }
}

static void start_wrong_in_code(void)
{
    MUST(!kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("fax") }, NULL));
}
TEST(a_start_that_fails_says_so_when_nobody_asked_why)
{
    seen s;
    play(start_wrong_in_code, &s, "a wrong option");
    CHECK_INT(1, s.lines, s.said);
    CHECK(strstr(s.said, "tracing is off: exporter 'fax'"), s.said);
}

/* ---- signals ---- */

static void take_all_actions(struct sigaction actions[65])
{
    memset(actions, 0, 65 * sizeof(*actions));
    for (int i = 1; i < 65; i++)
        sigaction(i, NULL, &actions[i]);
}

static void all_of_it(void (*while_it_runs)(void))
{
    kis_diag diag;
    kis_sdk *sdk =
        kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("otlp"),
                                          .otlp_endpoint = KIS_STR("http://localhost:9/v1/traces"),
                                          .export_timeout_ms = 300,
                                          .is_quiet = true },
                      &diag);
    MUST(sdk);
    record(3);
    kis_sdk_flush(sdk, 100); /* the worker, the sender and the resolver were at work */
    if (while_it_runs)
        while_it_runs();
    kis_sdk_stop(sdk, 1000);
}

static void signals_before_and_after(void)
{
    static struct sigaction before[65], after[65];
    sigset_t mask_before, mask_after;
    take_all_actions(before);
    sigprocmask(SIG_BLOCK, NULL, &mask_before);
    all_of_it(NULL);
    take_all_actions(after);
    sigprocmask(SIG_BLOCK, NULL, &mask_after);
    for (int i = 1; i < 65; i++) {
        MUST(before[i].sa_handler == after[i].sa_handler);
        MUST(before[i].sa_flags == after[i].sa_flags);
        MUST(sigismember(&mask_before, i) == sigismember(&mask_after, i));
    }
}

TEST(no_signal_handler_is_installed_and_no_mask_changed)
{
    seen s;
    play(signals_before_and_after, &s, "signals");
}

/* Every thread but this one: the names, and whether a signal could reach it. */
static void check_masks(void)
{
    static const int faults[] = { SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS };
    char names[256] = "";
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[300], line[256], name[32] = "";
        unsigned long long blocked = 0, all = ~0ull;
        if (atoi(e->d_name) == (int)getpid() || e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof(line), file)) {
            sscanf(line, "Name: %31s", name);
            sscanf(line, "SigBlk: %llx", &blocked);
        }
        if (file)
            fclose(file);
        if (strncmp(name, "kiseki", 6)) /* a sanitizer's */
            continue;
        /* 32 and 33 are the C library's own */
        all &= ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | 3ull << 31);
        /* of the thread itself: blocked, they would hide where it happened */
        for (size_t i = 0; i < COUNT_OF(faults); i++)
            all &= ~(1ull << (faults[i] - 1));
        if ((blocked & all) != all)
            fprintf(stderr, "%s blocks %llx only\n", name, blocked), _exit(9);
        strcat(strcat(names, name), " ");
    }
    closedir(dir);
    MUST(strstr(names, "kiseki "));
    MUST(strstr(names, "kiseki-send "));
}
static void masks_of_threads(void)
{
    all_of_it(check_masks);
}

TEST(all_its_threads_block_all_signals)
{
    seen s;
    play(masks_of_threads, &s, "masks");
}

/* A peer that takes connections and drops them, at once or in the middle of a request. */
static uint16_t drop_port;
static pid_t start_dropper(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listen_fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listen_fd, 16) == 0 &&
              getsockname(listen_fd, (struct sockaddr *)&at, &len) == 0,
          "listen");
    drop_port = ntohs(at.sin_port);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 0;; i++) {
            char bytes[1000];
            struct linger reset = { .l_onoff = i % 2, .l_linger = 0 };
            int fd = accept(listen_fd, NULL, NULL);
            if (i % 3)
                (void)!recv(fd, bytes, sizeof(bytes), 0);
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            close(fd);
        }
    }
    close(listen_fd);
    return child;
}

static kis_str drop_protocol;
static void send_to_dropper(void)
{
    char endpoint[64], text[30000];
    kis_diag diag;
    snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d/v1/traces", drop_port);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    signal(SIGPIPE, SIG_DFL);
    kis_sdk *sdk =
        kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("otlp"),
                                          .otlp_endpoint = { endpoint, strlen(endpoint) },
                                          .otlp_protocol = drop_protocol,
                                          .export_timeout_ms = 50,
                                          .is_quiet = true },
                      &diag);
    MUST(sdk);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 100; i++) { /* more than a socket takes at once */
            kis_span span = kis_span_start(tracer(), "large");
            kis_span_set(span, KIS_KV("text", text));
            kis_span_end(span);
        }
        kis_sdk_flush(sdk, 10000);
    }
    kis_sdk_stop(sdk, 1000);
}

TEST(a_closed_socket_raises_no_sigpipe)
{
    static const char *const protocols[] = { "http/protobuf", "http/json", "grpc" };
    pid_t dropper = start_dropper();
    for (size_t i = 0; i < COUNT_OF(protocols); i++) {
        seen s;
        drop_protocol = (kis_str){ protocols[i], strlen(protocols[i]) };
        play(send_to_dropper, &s, protocols[i]);
    }
    kill(dropper, SIGKILL);
    waitpid(dropper, NULL, 0);
}

/* Nor does a closed stderr or stdout, on whatever thread. */
static void closed_output(void)
{
    int ends[2];
    signal(SIGPIPE, SIG_DFL);
    MUST(pipe(ends) == 0);
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    kis_sdk *sdk = kis_sdk_start(
        &(kis_sdk_options){ .exporter = KIS_STR("console"), .processor = KIS_STR("simple") }, NULL);
    if (!sdk)
        _exit(9);
    record(3);
    kis_sdk_stop(sdk, 1000);
}

TEST(a_closed_stderr_raises_no_sigpipe)
{
    seen s;
    play(closed_output, &s, "closed stderr and stdout");
}

/* ---- exit, and the ends of threads: spans go to a file, read afterwards ---- */

static char path[64];
static kis_sdk *start_file(void)
{
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("file"),
                                                     .file_path = { path, strlen(path) },
                                                     .exit_flush_ms = 10000 },
                                 NULL);
    MUST(sdk);
    return sdk;
}
static int count_in_file(const char *what)
{
    static char text[4 << 20];
    FILE *file = fopen(path, "r");
    int count = 0;
    CHECK(file, "the file is there");
    text[fread(text, 1, sizeof(text) - 1, file)] = 0;
    fclose(file);
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

static kis_span kept;
static void end_before_hook(void)
{
    kis_span_end(kis_span_start(tracer(), "early"));
    kis_span_end(kept);
}
static void end_after_hook(void)
{
    kis_span_end(kis_span_start(tracer(), "late"));
    kis_span_set(kept, KIS_KV("late", true));
    kis_span_end(kept);
    MUST(!kis_sdk_global());
}
static void exit_with_handlers(void)
{
    atexit(end_after_hook); /* registered before the SDK's own: called after it */
    start_file();
    atexit(end_before_hook);
    kept = kis_span_start(tracer(), "kept");
}

TEST(spans_end_in_atexit_handlers)
{
    seen s;
    snprintf(path, sizeof(path), "/tmp/kiseki-guest-test-%d.jsonl", (int)getpid());
    unlink(path);
    play(exit_with_handlers, &s, "handlers of exit");
    CHECK_INT(1, count_in_file("\"name\":\"early\""), "before the SDK's own handler: sent");
    CHECK_INT(1, count_in_file("\"name\":\"kept\""), "one that was open");
    CHECK_INT(0, count_in_file("\"name\":\"late\""), "after it: nothing, and no harm");
    CHECK_STR("", ((kis_str){ s.said, strlen(s.said) }), "no word");
    unlink(path);
}

static pthread_key_t first_key, last_key;
static void end_in_destructor(void *value)
{
    kis_span_end(kis_span_start(tracer(), value));
}
static void *thread_with_destructors(void *unused)
{
    (void)unused;
    pthread_setspecific(first_key, "first");
    pthread_setspecific(last_key, "last");
    record(1);
    return NULL;
}
static void end_many_threads(void)
{
    enum { THREADS = 50 };
    kis_sdk_stats before, after;
    pthread_key_create(&first_key, end_in_destructor);
    kis_sdk *sdk = start_file();
    record(1); /* the SDK's key is made */
    pthread_key_create(&last_key, end_in_destructor);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        MUST(pthread_create(&thread, NULL, thread_with_destructors, NULL) == 0);
        pthread_join(thread, NULL);
        MUST(kis_sdk_flush(sdk, 10000) == KIS_OK);
        if (i == 0)
            kis_sdk_get_stats(sdk, &before);
    }
    kis_sdk_get_stats(sdk, &after);
    MUST(after.ended == 1 + 3 * THREADS);
    /* each thread takes over what the one before it had */
    MUST(after.held_bytes == before.held_bytes);
    MUST(kis_sdk_stop(sdk, 10000) == KIS_OK);
    pthread_t late;
    /* after the stop: nothing, and no harm */
    MUST(pthread_create(&late, NULL, thread_with_destructors, NULL) == 0);
    pthread_join(late, NULL);
    kis_sdk_free(sdk);
}

TEST(spans_end_in_destructors_of_threads)
{
    seen s;
    snprintf(path, sizeof(path), "/tmp/kiseki-guest-test-%d.jsonl", (int)getpid());
    unlink(path);
    play(end_many_threads, &s, "ends of threads");
    CHECK_INT(50, count_in_file("\"name\":\"first\""), "before the SDK's own destructor");
    CHECK_INT(50, count_in_file("\"name\":\"last\""), "and after it");
    unlink(path);
}

static void quick_exit_now(void)
{
    start_file();
    record(5);
    _exit(0);
}
static void abort_now(void)
{
    start_file();
    record(5);
    pid_t child = fork(); /* the abort is a process's of its own */
    if (child == 0) {
        record(5);
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    int status;
    MUST(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    _exit(0);
}

TEST(ends_that_run_no_handlers_hang_nowhere)
{
    seen s;
    play(quick_exit_now, &s, "_exit");
    play(abort_now, &s, "abort, in a child");
    unlink(path);
}

TEST_MAIN(RUN(the_first_failed_export_and_what_is_lost_at_stop_are_one_line_each),
          RUN(further_failures_are_said_once_a_minute),
          RUN(a_collector_that_is_not_there_is_told_with_its_address), RUN(a_drop_is_said_at_stop),
          RUN(it_is_silent_when_it_has_nothing_to_say), RUN(every_wrong_variable_is_named),
          RUN(a_start_that_fails_says_so_when_nobody_asked_why),
          RUN(no_signal_handler_is_installed_and_no_mask_changed),
          RUN(all_its_threads_block_all_signals), RUN(a_closed_socket_raises_no_sigpipe),
          RUN(a_closed_stderr_raises_no_sigpipe), RUN(spans_end_in_atexit_handlers),
          RUN(spans_end_in_destructors_of_threads), RUN(ends_that_run_no_handlers_hang_nowhere))
