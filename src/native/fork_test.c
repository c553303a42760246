/* fork_test.c - fork and exit: who sends what, with which ids, and that nothing hangs.
 * Spans go to one file, read afterwards.
 *
 *     KISEKI_TEST_FULL=1    1,000 children instead of 50
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/test.h"

#include <kiseki/kiseki.h>

KIS_TRACER(tracer, "fork", "1.0")

/* A child leaves alone what its parent's threads held, so a leak checker that runs in the child
 * finds that, rightly and to no use. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static char path[64];
static const char *text_end; /* of what was read last */
static void *take(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}
static void give_back(void *user, void *ptr, size_t size)
{
    (void)user, (void)size;
    free(ptr);
}

/* An exporter that appends to one file from any process: one write for each batch. */
static void append(void *user, const kis_export_batch *batch, kis_export_done *done)
{
    static const kis_alloc memory = { take, give_back, NULL };
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    kis_bytes json;
    size_t size;
    kis_err err = kis_otlp_format(batch, KIS_OTLP_JSON, &memory, &json, &size);

    (void)user;
    if (!err) {
        err = write(fd, json.ptr, json.len) == (ssize_t)json.len ? KIS_OK : KIS_ERR_IO;
        free((void *)json.ptr);
    }
    close(fd);
    done->call(done, err);
}
static const kis_exporter exporter = { .export_spans = append };

/* True when every other thread of the process sleeps. */
static bool are_others_asleep(void)
{
    DIR *tasks = opendir("/proc/self/task");
    bool are_asleep = tasks != NULL;
    for (struct dirent *task; tasks && (task = readdir(tasks)) != NULL;) {
        char name[64], text[256] = { 0 };
        if (task->d_name[0] == '.' || atoi(task->d_name) == (int)syscall(SYS_gettid))
            continue;
        snprintf(name, sizeof(name), "/proc/self/task/%.20s/stat", task->d_name);
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        const char *end =
            fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? strrchr(text, ')') : NULL;
        are_asleep &= end && end[1] == ' ' && end[2] == 'S';
        if (fd >= 0)
            close(fd);
    }
    if (tasks)
        closedir(tasks);
    return are_asleep;
}

/* AddressSanitizer's allocator has locks of its own that fork does not know: a child of a process
 * whose other threads allocate, or are just being started, may wait for ever. So the parent is at
 * rest while it forks, which is what a look or two shows, each a moment after the other. */
static pid_t fork_at_rest(void)
{
    struct timespec pause = { .tv_nsec = 2000000 };
    for (int looks = 0, quiet = 0; looks < 5000 && quiet < 3; looks++) {
        quiet = are_others_asleep() ? quiet + 1 : 0;
        nanosleep(&pause, NULL);
    }
    return fork();
}

static kis_sdk *start(void)
{
    kis_diag diag;
    kis_sdk_options options = { .service_name = KIS_STR("fork"),
                                .exporter = KIS_STR("none"),
                                .user_exporter = &exporter,
                                .delay_ms = 50,
                                .exit_flush_ms = 10000 };
    kis_sdk *sdk = kis_sdk_start(&options, &diag);
    CHECK(sdk, sdk ? "" : diag.text);
    return sdk;
}

static void begin(void)
{
    snprintf(path, sizeof(path), "/tmp/kiseki-fork-test-%d.jsonl", (int)getpid());
    unlink(path);
}

static char *read_spans(void)
{
    FILE *file = fopen(path, "r");
    size_t size = 64 << 20, len;
    char *text = malloc(size);
    CHECK(file && text, "the file is there");
    len = fread(text, 1, size - 1, file);
    text[len] = 0;
    text_end = text + len;
    fclose(file);
    unlink(path);
    return text;
}
/* strstr, without the length of all that follows being counted each time, as sanitizers do. */
static const char *find(const char *at, const char *what)
{
    return memmem(at, (size_t)(text_end - at), what, strlen(what));
}
static int count_of(const char *text, const char *what)
{
    int count = 0;
    for (const char *at = text; (at = find(at, what)) != NULL; at++)
        count++;
    return count;
}
static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}
/* All values of a key, sorted; answers how many are there, and how many different ones. */
static int values_of(const char *text, const char *key, int *different)
{
    static char found[100000][40];
    int count = 0;
    for (const char *at = text; (at = find(at, key)) != NULL && count < 100000;) {
        at += strlen(key);
        size_t len = (size_t)((const char *)memchr(at, '"', (size_t)(text_end - at)) - at);
        snprintf(found[count++], sizeof(found[0]), "%.*s", (int)len, at);
    }
    qsort(found, (size_t)count, sizeof(found[0]), compare);
    *different = count ? 1 : 0;
    for (int i = 1; i < count; i++)
        *different += strcmp(found[i - 1], found[i]) != 0;
    return count;
}

static void wait_for(pid_t child)
{
    int status;
    CHECK_INT(child, waitpid(child, &status, 0), "the child ends");
    CHECK(WIFEXITED(status), "by itself");
    CHECK_INT(0, WEXITSTATUS(status), "well");
}

static void record(const char *name, int count)
{
    for (int i = 0; i < count; i++)
        kis_span_end(kis_span_start(tracer(), name));
}

TEST(a_child_records_and_sends_its_own_and_nothing_else)
{
    begin();
    kis_sdk *sdk = start();
    kis_span open = kis_span_start(tracer(), "open-at-fork");
    kis_context_scope scope;
    kis_context_enter(&scope, kis_context_with_span(kis_context_none(), open));
    record("parent-first", 1); /* its worker has begun: see LOADERS */
    CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 5000), "flush");
    record("parent-before", 3); /* still in the ring */
    pid_t child = fork_at_rest();
    if (child == 0) {
        kis_span_set(open, KIS_KV("from.child", true));
        kis_span_end(open); /* not ours: does nothing */
        record("child", 2);
        kis_err err = kis_sdk_stop(sdk, 5000);
        _exit(err);
    }
    wait_for(child);
    record("parent-after", 2);
    kis_context_leave(&scope);
    kis_span_end(open);
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 5000), "stop");
    kis_sdk_free(sdk);
    char *text = read_spans();
    int different;
    CHECK_INT(3, count_of(text, "\"parent-before\""),
              "what was recorded before the fork is sent once, by the parent");
    CHECK_INT(1, count_of(text, "\"open-at-fork\""), "the open span too");
    CHECK_INT(0, count_of(text, "from.child"), "and the child did not write to it");
    CHECK_INT(2, count_of(text, "\"child\""), "the child's own");
    CHECK_INT(2, count_of(text, "\"parent-after\""), "the parent goes on");
    CHECK_INT(9, values_of(text, "\"spanId\":\"", &different), "nine spans");
    CHECK_INT(9, different, "nine ids");
    values_of(text, "\"traceId\":\"", &different);
    CHECK_INT(1, different,
              "one trace: the child's spans are children of the span that was current");
    values_of(text, "\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"", &different);
    CHECK_INT(2, different, "two instances");
    values_of(text, "\"key\":\"process.pid\",\"value\":{\"intValue\":\"", &different);
    CHECK_INT(2, different, "two processes");
    free(text);
}

/* Threads cannot be started any more, as on a machine that has too many;
 * or who starts the next one waits. */
static _Atomic bool has_no_threads, waits_at_start;
static sem_t goes_on;
static _Atomic int waiting;
static void wait_here(void)
{
    waiting++;
    while (sem_wait(&goes_on))
        ;
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *user)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real)
        *(void **)(void *)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (atomic_exchange(&waits_at_start, false))
        wait_here();
    return has_no_threads ? EAGAIN : real(thread, attributes, run, user);
}

TEST(a_child_sends_with_every_processor_and_every_drive)
{
    static const struct {
        const char *why;
        kis_str processor;
        kis_drive drive;
        bool has_no_threads;
        int parent_spans; /* before the fork, and flushed */
    } rows[] = {
        { "batch, a worker", KIS_STR_INIT("batch"), KIS_DRIVE_THREAD, false, 1 },
        { "batch, ticks", KIS_STR_INIT("batch"), KIS_DRIVE_TICK, false, 1 },
        { "batch, the worker cannot be started", KIS_STR_INIT("batch"), KIS_DRIVE_THREAD, true, 1 },
        { "simple, a worker", KIS_STR_INIT("simple"), KIS_DRIVE_THREAD, false, 1 },
        { "simple, ticks", KIS_STR_INIT("simple"), KIS_DRIVE_TICK, false, 1 },
        { "simple, the worker cannot be started", KIS_STR_INIT("simple"), KIS_DRIVE_THREAD, true,
          1 },
        { "simple, and the parent sent nothing", KIS_STR_INIT("simple"), KIS_DRIVE_THREAD, false,
          0 },
        { "batch, ticks, and the parent sent nothing", KIS_STR_INIT("batch"), KIS_DRIVE_TICK, false,
          0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_sdk_options options = { .exporter = KIS_STR("none"),
                                    .user_exporter = &exporter,
                                    .processor = rows[i].processor,
                                    .drive = rows[i].drive,
                                    .is_quiet = true };
        kis_sdk_stats stats;
        kis_diag diag;
        int status = 0;
        begin();
        kis_sdk *sdk = kis_sdk_start(&options, &diag);
        CHECK(sdk, sdk ? "" : diag.text);
        record("parent", rows[i].parent_spans);
        CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 5000), rows[i].why);
        pid_t child = fork_at_rest();
        if (child == 0) {
            has_no_threads = rows[i].has_no_threads;
            record("child", 2);
            kis_sdk_tick(sdk);
            bool is_sent = kis_sdk_flush(sdk, 10000) == KIS_OK;
            record("child", 3);
            is_sent = is_sent && kis_sdk_stop(sdk, 10000) == KIS_OK;
            kis_sdk_get_stats(sdk, &stats);
            _exit(is_sent && stats.exported == 5 ? 7 : 1);
        }
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status), rows[i].why);
        CHECK_INT(7, WEXITSTATUS(status), rows[i].why);
        record("parent", 1);
        CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 5000), rows[i].why);
        kis_sdk_free(sdk);
        char *text = read_spans();
        CHECK_INT(5, count_of(text, "\"name\":\"child\""), rows[i].why);
        CHECK_INT(1 + rows[i].parent_spans, count_of(text, "\"name\":\"parent\""), rows[i].why);
        free(text);
    }
}

TEST(a_child_that_cannot_open_its_exporter_loses_its_spans_and_says_so)
{
    static const kis_str processors[] = { KIS_STR_INIT("batch"), KIS_STR_INIT("simple") };
    for (size_t i = 0; i < COUNT_OF(processors); i++) {
        char directory[] = "/tmp/kiseki-fork-test-XXXXXX", file[64];
        kis_sdk_stats stats;
        kis_diag diag;
        int status = 0;
        CHECK(mkdtemp(directory), "a directory");
        snprintf(file, sizeof(file), "%s/spans.jsonl", directory);
        kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("file"),
                                                         .file_path = { file, strlen(file) },
                                                         .processor = processors[i],
                                                         .delay_ms = 600000,
                                                         .is_quiet = true },
                                     &diag);
        CHECK(sdk, sdk ? "" : diag.text);
        unlink(file);
        rmdir(directory);
        pid_t child = fork_at_rest();
        if (child == 0) {
            record("child", 3);
            kis_err err = kis_sdk_flush(sdk, 10000); /* TIMEOUT: nobody answers for them */
            bool is_simple = i == 1;                 /* then the worker may have lost them before */
            if (err != KIS_ERR_CLOSED && !(is_simple && err == KIS_OK))
                _exit(1);
            kis_sdk_get_stats(sdk, &stats);
            if (stats.dropped_export != 3 || stats.in_flight || stats.queued)
                _exit(2);
            record("child", 4);
            kis_sdk_get_stats(sdk, &stats);
            if (stats.ended != 7 || stats.dropped_export != 7)
                _exit(3);
            if (kis_sdk_stop(sdk, 10000) != KIS_OK)
                _exit(4);
            _exit(7);
        }
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status), "it ends by itself");
        CHECK_INT(7, WEXITSTATUS(status), "and counts what it loses");
        CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 5000), "the parent");
        kis_sdk_free(sdk);
    }
}

/* ---- while another thread starts or stops one ---- */

static kis_err wait_in_hook(void *user, uint64_t deadline_ns)
{
    (void)user, (void)deadline_ns;
    wait_here();
    return KIS_OK;
}
static const kis_processor waits_in_flush = { .force_flush = wait_in_hook };
static const kis_processor waits_in_shutdown = { .shutdown = wait_in_hook };

static void *start_and_stop(void *user)
{
    const kis_processor *processor = user;
    kis_sdk *sdk;
    waits_at_start = !processor; /* that of the thread that sends */
    sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("otlp"),
                                            .otlp_endpoint = KIS_STR("http://127.0.0.1:1"),
                                            .processors = processor,
                                            .processor_count = processor ? 1 : 0,
                                            .is_quiet = true },
                        NULL);
    kis_sdk_stop(sdk, 100);
    return sdk;
}

/* Answers 7 when every place is free and a new global SDK works. */
static int use_every_place(void)
{
    kis_sdk *all[KIS_SDKS_MAX];
    kis_sdk_stats stats;
    if (kis_sdk_global())
        return 1;
    for (int i = 0; i < KIS_SDKS_MAX; i++)
        if (!(all[i] = kis_sdk_start(
                  &(kis_sdk_options){ .exporter = KIS_STR("memory"), .is_local = i > 0 }, NULL)))
            return 2;
    record("child", 5);
    if (kis_sdk_flush(all[0], 10000) != KIS_OK)
        return 3;
    kis_sdk_get_stats(all[0], &stats);
    if (stats.exported != 5)
        return 4;
    for (int i = 0; i < KIS_SDKS_MAX; i++)
        if (kis_sdk_stop(all[i], 10000) != KIS_OK)
            return 5;
    return 7;
}

/* Comes first: the row of the start is the first start of the process. */
TEST(a_child_has_nothing_of_an_sdk_that_another_thread_starts_or_stops)
{
    static const struct {
        const char *why;
        const kis_processor *processor;
    } rows[] = {
        { "the exporters are being opened", NULL },
        { "what has ended is being sent", &waits_in_flush },
        { "processors are being shut down", &waits_in_shutdown },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct timespec pause = { .tv_nsec = 1000000 };
        pthread_t thread;
        void *sdk;
        int status = 0;
        waiting = 0;
        sem_init(&goes_on, 0, 0);
        pthread_create(&thread, NULL, start_and_stop, (void *)(uintptr_t)rows[i].processor);
        for (int ms = 0; ms < 10000 && !waiting; ms++)
            nanosleep(&pause, NULL);
        CHECK_INT(1, waiting, rows[i].why);
        pid_t child = fork_at_rest();
        if (child == 0)
            _exit(use_every_place());
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status), rows[i].why);
        CHECK_INT(7, WEXITSTATUS(status), rows[i].why);
        sem_post(&goes_on);
        pthread_join(thread, &sdk);
        kis_sdk_free(sdk);
        CHECK_INT(7, use_every_place(), "nor has the parent, afterwards");
    }
}

static kis_err fork_in_hook(void *user, uint64_t deadline_ns)
{
    pid_t *child = user;
    (void)deadline_ns;
    *child = fork();
    return KIS_OK;
}

TEST(a_child_of_the_thread_that_stops_goes_on_with_the_stop)
{
    pid_t child = -1;
    kis_processor processor = { .shutdown = fork_in_hook, .user = &child };
    int status = 0;
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("memory"),
                                                     .processors = &processor,
                                                     .processor_count = 1 },
                                 NULL);
    record("parent", 3);
    kis_err err = kis_sdk_stop(sdk, 10000);
    if (child == 0)
        _exit(err ? 1 : use_every_place());
    CHECK_ERR(KIS_OK, err, "the parent");
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status), "the child");
    CHECK_INT(7, WEXITSTATUS(status), "it came out, and starts others");
    kis_sdk_free(sdk);
}

static pid_t child_of_exporter;
static int exported_here;
static void fork_and_answer(void *user, const kis_export_batch *batch, kis_export_done *done)
{
    (void)user;
    exported_here += (int)kis_export_batch_count(batch);
    if (child_of_exporter < 0) {
        child_of_exporter = fork();
        exported_here *= child_of_exporter != 0;
    }
    done->call(done, KIS_OK);
}

TEST(a_child_of_a_thread_in_an_exporter_sends_its_own_and_stops)
{
    static const struct {
        const char *why;
        kis_str processor;
        kis_drive drive;
    } rows[] = {
        { "simple", KIS_STR_INIT("simple"), KIS_DRIVE_THREAD },
        { "batch, a tick", KIS_STR_INIT("batch"), KIS_DRIVE_TICK },
    };
    static const kis_exporter forking = { .export_spans = fork_and_answer };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_sdk_stats stats;
        int status = 0;
        child_of_exporter = -1;
        exported_here = 0;
        kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("memory"),
                                                         .user_exporter = &forking,
                                                         .processor = rows[i].processor,
                                                         .drive = rows[i].drive,
                                                         .batch_spans = 2 },
                                     NULL);
        record("parent", 3);
        kis_err err = kis_sdk_flush(sdk, 10000);
        if (child_of_exporter == 0) { /* it may have recorded two of these three */
            int sent = exported_here;
            record("child", 5);
            if (err || kis_sdk_flush(sdk, 10000) != KIS_OK || exported_here != sent + 5)
                _exit(1);
            err = kis_sdk_stop(sdk, 10000);
            kis_sdk_get_stats(sdk, &stats);
            _exit(err ? 2 : stats.in_flight ? 3 : stats.exported != stats.ended ? 4 : 7);
        }
        CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 10000), rows[i].why);
        CHECK(waitpid(child_of_exporter, &status, 0) == child_of_exporter && WIFEXITED(status),
              rows[i].why);
        CHECK_INT(7, WEXITSTATUS(status), rows[i].why);
        CHECK_INT(3, exported_here, "the parent's");
        kis_sdk_free(sdk);
    }
}

static _Atomic bool is_loading;
static void *load(void *unused)
{
    struct timespec pause = { .tv_nsec = 1000000 };
    (void)unused;
    while (is_loading) {
        record("load", 10);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* AddressSanitizer: see fork_at_rest. Other builds (release, ThreadSanitizer) fork under load. */
#if defined(__SANITIZE_ADDRESS__)
#define LOADERS 0
#else
#define LOADERS 2
#endif

TEST(many_children_forked_while_spans_are_sent_never_share_ids)
{
    int children = getenv("KISEKI_TEST_FULL") ? 1000 : 50;
    pthread_t threads[2];
    int loaders = LOADERS;
    begin();
    kis_sdk *sdk = start();
    is_loading = true;
    for (int i = 0; i < loaders; i++)
        pthread_create(&threads[i], NULL, load, NULL);
    for (int i = 0; i < children; i++) {
        pid_t child = LOADERS ? fork() : fork_at_rest();
        if (child == 0) {
            record("child", 4);
            kis_err err = kis_sdk_stop(sdk, 10000);
            _exit(err);
        }
        wait_for(child);
        struct timespec pause = { .tv_nsec = 1000000 };
        nanosleep(&pause, NULL);
    }
    is_loading = false;
    for (int i = 0; i < loaders; i++)
        pthread_join(threads[i], NULL);
    kis_sdk_stop(sdk, 10000);
    kis_sdk_free(sdk);
    char *text = read_spans();
    int different, all = values_of(text, "\"spanId\":\"", &different);
    CHECK_INT(children * 4, count_of(text, "\"child\""), "every child's spans, once");
    CHECK_INT(all, different, "no id twice");
    free(text);
}

TEST(a_grandchild_and_a_child_that_never_traces)
{
    begin();
    kis_sdk *sdk = start();
    pid_t quiet = fork_at_rest();
    if (quiet == 0)
        exit(0); /* runs atexit: nothing to flush, nothing to wait for */
    wait_for(quiet);
    pid_t child = fork_at_rest();
    if (child == 0) {
        record("child", 1);
        pid_t grandchild = fork();
        if (grandchild == 0) {
            record("grandchild", 1);
            exit(0); /* flushed by atexit */
        }
        int status;
        waitpid(grandchild, &status, 0);
        exit(status ? 1 : 0);
    }
    wait_for(child);
    kis_sdk_stop(sdk, 5000);
    kis_sdk_free(sdk);
    char *text = read_spans();
    CHECK_INT(1, count_of(text, "\"child\""), "once");
    CHECK_INT(1, count_of(text, "\"grandchild\""), "once");
    free(text);
}

TEST(exit_without_stop_sends_what_there_is)
{
    begin();
    pid_t child = fork_at_rest();
    if (child == 0) {
        start();
        record("last words", 5);
        exit(0);
    }
    wait_for(child);
    char *text = read_spans();
    CHECK_INT(5, count_of(text, "\"last words\""), "all of them");
    free(text);
}

/* The file exporter: parent and children append to one file,
 * each through a descriptor of its own. */
TEST(a_file_has_the_lines_of_parent_and_children_whole)
{
    enum { CHILDREN = 8, ROUNDS = 20 };
    pid_t children[CHILDREN];
    kis_diag diag;
    begin();
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("file"),
                                                     .file_path = { path, strlen(path) },
                                                     .delay_ms = 1,
                                                     .exit_flush_ms = 10000 },
                                 &diag);
    CHECK(sdk, sdk ? "" : diag.text);
    record("parent", 10); /* the parent's file is open and has been written to */
    CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 5000), "flush");
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            for (int round = 0; round < ROUNDS; round++) {
                record("child", 1 + round * 10);
                if (kis_sdk_flush(sdk, 10000) != KIS_OK)
                    _exit(1);
            }
            _exit(kis_sdk_stop(sdk, 10000));
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        record("parent", 1 + round * 10);
        CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 10000), "flush");
    }
    for (int i = 0; i < CHILDREN; i++)
        wait_for(children[i]);
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 10000), "stop");
    kis_sdk_free(sdk);
    char *text = read_spans();
    int of_one = ROUNDS + 10 * (ROUNDS - 1) * ROUNDS / 2, different, lines = 0;
    CHECK_INT(10 + of_one, count_of(text, "\"name\":\"parent\""), "the parent's, once");
    CHECK_INT(CHILDREN * of_one, count_of(text, "\"name\":\"child\""), "each child's, once");
    CHECK_INT(10 + (CHILDREN + 1) * of_one, values_of(text, "\"spanId\":\"", &different),
              "no more, no fewer");
    for (const char *line = text, *end; line < text_end; line = end + 1, lines++) {
        end = memchr(line, '\n', (size_t)(text_end - line));
        CHECK(end && !strncmp(line, "{\"resourceSpans\":", 17) && end[-1] == '}', "a whole line");
    }
    CHECK(lines > (CHILDREN + 1) * ROUNDS, "many lines");
    free(text);
}

/* ---- connections ---- */

/* Sockets, epoll sets and eventfds. No memory: a child asks. */
static int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        char link[64], kind[64] = "";
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link, kind, sizeof(kind) - 1);
        count += len > 0 && (!strncmp(kind, "socket:", 7) || !strncmp(kind, "anon_inode:", 11));
    }
    return count;
}

/* A collector in a process of its own, for one connection at a time.
 * It tells how each ends: e in order, x otherwise. */
static void collect(int listen_fd, int tell_fd)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        char in[65536], end;
        ssize_t got;
        int fd = accept(listen_fd, NULL, NULL);
        /* a request comes in one piece, or in two and the answer is early:
         * the client does not mind */
        while ((got = recv(fd, in, sizeof(in), 0)) > 0)
            if (memmem(in, (size_t)got, "POST ", 5))
                (void)!send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
        end = got == 0 ? 'e' : 'x';
        (void)!write(tell_fd, &end, 1);
        close(fd);
    }
}

TEST(a_collector_sees_the_parent_go_while_a_child_lives_on)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), tell[2], gate[2], status;
    char endpoint[64], byte = '-';
    kis_diag diag;
    CHECK(bind(listen_fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listen_fd, 8) == 0 &&
              getsockname(listen_fd, (struct sockaddr *)&at, &len) == 0 && pipe(tell) == 0 &&
              pipe(gate) == 0,
          "a collector");
    pid_t collector = fork();
    if (collector == 0)
        collect(listen_fd, tell[1]);
    close(listen_fd);
    int before = count_descriptors();
    snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d/v1/traces", ntohs(at.sin_port));
    kis_sdk *sdk =
        kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("otlp"),
                                          .otlp_endpoint = { endpoint, strlen(endpoint) } },
                      &diag);
    CHECK(sdk, sdk ? "" : diag.text);
    record("parent", 1);
    CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 5000), "sent");
    CHECK_INT(before + 3, count_descriptors(), "a socket, an epoll set, an eventfd");
    pid_t child = fork_at_rest();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int count = count_descriptors();
        (void)!read(gate[0], &byte, 1);
        _exit(count - before);
    }
    close(gate[0]);
    record("parent", 1);
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 5000), "the parent's connection is as it was");
    struct pollfd told = { tell[0], POLLIN, 0 };
    CHECK(poll(&told, 1, 5000) == 1 && read(tell[0], &byte, 1) == 1, "the collector saw it go");
    CHECK_INT('e', byte, "in order");
    CHECK_INT(0, waitpid(child, &status, WNOHANG), "while the child lived");
    CHECK_INT(1, write(gate[1], "x", 1), "let go");
    close(gate[1]);
    wait_for(child);
    kis_sdk_free(sdk);
    kill(collector, SIGKILL);
    waitpid(collector, &status, 0);
    close(tell[0]), close(tell[1]);
}

static void never(void *user, const kis_export_batch *batch, kis_export_done *done)
{
    (void)user, (void)batch, (void)done;
}

TEST(exit_is_bounded_when_nobody_answers)
{
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    pid_t child = fork_at_rest();
    if (child == 0) {
        static const kis_exporter silent = { .export_spans = never };
        kis_sdk_options options = { .exporter = KIS_STR("none"),
                                    .user_exporter = &silent,
                                    .exit_flush_ms = 200,
                                    .is_quiet = true };
        if (!kis_sdk_start(&options, NULL))
            _exit(1);
        record("unheard", 5);
        exit(0);
    }
    wait_for(child);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK(after.tv_sec - before.tv_sec < 10, "it did not wait for ever");
}

TEST(a_fork_with_two_sdks_holds_the_locks_of_both)
{
    kis_diag diag;
    kis_sdk_options local = { .exporter = KIS_STR("none"),
                              .user_exporter = &exporter,
                              .is_local = true };
    int status = 0;

    begin();
    kis_sdk *one = start(), *two = kis_sdk_start(&local, &diag);
    CHECK(two, two ? "" : diag.text);
    pid_t child = fork_at_rest();
    if (!child) {
        record("child", 3);
        _exit(kis_sdk_flush(one, 10000) == KIS_OK ? 7 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status), "it ended by itself");
    CHECK_INT(7, WEXITSTATUS(status), "and sent its spans");
    CHECK_ERR(KIS_OK, kis_sdk_stop(two, 1000), "stopped");
    CHECK_ERR(KIS_OK, kis_sdk_stop(one, 1000), "stopped");
    char *text = read_spans();
    CHECK_INT(3, count_of(text, "\"name\":\"child\""), "of the child");
    free(text);
}

TEST_MAIN(RUN(a_child_has_nothing_of_an_sdk_that_another_thread_starts_or_stops),
          RUN(a_child_of_a_thread_in_an_exporter_sends_its_own_and_stops),
          RUN(a_child_of_the_thread_that_stops_goes_on_with_the_stop),
          RUN(a_fork_with_two_sdks_holds_the_locks_of_both),
          RUN(a_child_records_and_sends_its_own_and_nothing_else),
          RUN(a_child_sends_with_every_processor_and_every_drive),
          RUN(a_child_that_cannot_open_its_exporter_loses_its_spans_and_says_so),
          RUN(many_children_forked_while_spans_are_sent_never_share_ids),
          RUN(a_grandchild_and_a_child_that_never_traces),
          RUN(a_file_has_the_lines_of_parent_and_children_whole),
          RUN(a_collector_sees_the_parent_go_while_a_child_lives_on),
          RUN(exit_without_stop_sends_what_there_is), RUN(exit_is_bounded_when_nobody_answers))
