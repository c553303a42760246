/* local_test.c - sinks that stay on this machine, and one file that several processes append to. */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"
#include "model/sink_contract.h"
#include "os/os_sim.h"
#include "send/send.h"
#include "wire/otlp.h"

/* ---- the seam ---- */

static kis_sink *open_console(void *user)
{
    kis_sink *sink;
    CHECK_ERR(KIS_OK, kis_send_console_open(*(int *)user, KIS_CONSOLE_LINE, &kis_mem, &sink), "");
    return sink;
}

static kis_sink *open_file(void *user)
{
    kis_sink *sink;
    kis_diag diag = { 0 };
    CHECK_ERR(KIS_OK,
              kis_send_file_open(kis_os_real(), kis_str_from_c(user), &kis_mem, &sink, &diag),
              diag.text);
    return sink;
}

static kis_sink *open_memory(void *user)
{
    kis_sink *sink;
    (void)user;
    CHECK_ERR(KIS_OK, kis_send_memory_open(&kis_mem, 100000, &sink), "");
    return sink;
}

TEST(local_sinks_keep_the_contract_of_sinks)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    sink_contract_run(&(sink_contract){ .open = open_console, .user = &fd });
    sink_contract_run(&(sink_contract){ .open = open_file, .user = "/dev/null" });
    sink_contract_run(&(sink_contract){ .open = open_memory });
    close(fd);
}

/* ---- a file ---- */

static char path[64];

static void begin(void)
{
    snprintf(path, sizeof(path), "/tmp/kiseki-local-test-%d.jsonl", (int)getpid());
    unlink(path);
}

static void push(kis_sink *sink, uint64_t seed, uint32_t traces)
{
    sink_answer answer = { .calls = 0 };
    kis_batch *batch = test_spans_generate(
        &kis_mem, &(test_spans_spec){
                      .seed = seed, .traces = traces, .spans_per_trace = 5, .start_unix_ns = 1 });
    kis_sink_push(sink, batch, sink_contract_done_of(&answer));
    kis_batch_unref(batch);
    CHECK_INT(1, atomic_load(&answer.calls), "answered");
    CHECK_ERR(KIS_OK, answer.err, "written");
}

static uint32_t spans_of_line(const char *line, size_t len)
{
    kis_diag diag = { 0 };
    kis_batch *batch = kis_batch_new(&kis_mem, 64u << 20);
    uint8_t *body = kis_mem.take(kis_mem.user, len);
    memcpy(body, line, len);
    kis_batch_adopt_body(batch, body, len, len, &kis_mem);
    CHECK_ERR(KIS_OK, kis_otlp_json_decode(batch, &diag), diag.text);
    uint32_t count = batch->span_count;
    kis_batch_unref(batch);
    return count;
}

/* Every line must be a request. */
static void read_back(int *lines, uint64_t *spans)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    CHECK(file, path);
    for (*lines = 0, *spans = 0; (len = getline(&line, &size, file)) > 0; ++*lines) {
        CHECK_INT('\n', line[len - 1], "a whole line");
        *spans += spans_of_line(line, (size_t)len - 1);
    }
    free(line);
    fclose(file);
    unlink(path);
}

static void write_batches(kis_sink *sink, int seed, int count)
{
    for (int i = 0; i < count; i++) /* from half a page to some hundred */
        push(sink, (uint64_t)(seed * 1000 + i + 1), (uint32_t)(1 + (i * 37 + seed * 11) % 100));
}

static uint64_t spans_written(int seed, int count)
{
    uint64_t spans = 0;
    for (int i = 0; i < count; i++)
        spans += 5 * (uint64_t)(1 + (i * 37 + seed * 11) % 100);
    return spans;
}

TEST(lines_of_several_processes_are_whole_and_none_is_lost)
{
    enum { CHILDREN = 6, BATCHES = 20 };
    pid_t children[CHILDREN];
    uint64_t want = spans_written(0, BATCHES), spans;
    int lines, status;
    begin();
    kis_sink *sink = open_file(path);
    for (int i = 0; i < CHILDREN; i++) {
        want += spans_written(i + 1, BATCHES);
        children[i] = fork();
        if (children[i] == 0) {
            write_batches(open_file(path), i + 1, BATCHES);
            _exit(0);
        }
    }
    write_batches(sink, 0, BATCHES);
    for (int i = 0; i < CHILDREN; i++) {
        CHECK(waitpid(children[i], &status, 0) == children[i], "a child");
        CHECK_INT(0, status, "it ends well");
    }
    kis_sink_close(sink);
    read_back(&lines, &spans);
    CHECK_INT((CHILDREN + 1) * BATCHES, lines, "a line for each batch");
    CHECK_INT(want, spans, "and all spans in them");
}

TEST(a_file_goes_on_where_it_was)
{
    int lines;
    uint64_t spans;
    begin();
    for (int i = 0; i < 3; i++) {
        kis_sink *sink = open_file(path);
        push(sink, 7, 2);
        kis_sink_close(sink);
    }
    read_back(&lines, &spans);
    CHECK_INT(3, lines, "three lives, three lines");
    CHECK_INT(30, spans, "and all spans in them");
}

TEST(a_disk_that_fails_is_told_and_leaves_no_part_of_a_line)
{
    kis_sim *sim;
    kis_sink *sink;
    kis_diag diag = { 0 };
    sink_answer answer = { .calls = 0 };
    uint64_t before = 0, after = 0;
    kis_file file;
    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 1, &sim), "a machine");
    kis_os *os = kis_sim_os(sim);
    CHECK_ERR(KIS_OK, kis_send_file_open(os, KIS_STR("/f"), &kis_mem, &sink, &diag), diag.text);
    CHECK_ERR(KIS_OK, os->ops->open(os, KIS_STR("/f"), KIS_OPEN_READ, &file, &diag), diag.text);
    push(sink, 7, 2);
    CHECK_ERR(KIS_OK, os->ops->size(os, file, &before, &diag), diag.text);
    kis_sim_fail_at(sim, KIS_SIM_WRITE, 1, 1, KIS_ERR_FULL);
    kis_batch *batch = test_spans_generate(
        &kis_mem, &(test_spans_spec){ .seed = 8, .traces = 2, .spans_per_trace = 5 });
    kis_sink_push(sink, batch, sink_contract_done_of(&answer));
    kis_batch_unref(batch);
    CHECK_ERR(KIS_ERR_FULL, answer.err, "told");
    CHECK_ERR(KIS_OK, os->ops->size(os, file, &after, &diag), diag.text);
    CHECK_INT(before, after, "nothing of it");
    push(sink, 9, 2);
    os->ops->close(os, file);
    kis_sink_close(sink);
    kis_sim_free(sim);
}

TEST_MAIN(RUN(local_sinks_keep_the_contract_of_sinks),
          RUN(lines_of_several_processes_are_whole_and_none_is_lost),
          RUN(a_file_goes_on_where_it_was),
          RUN(a_disk_that_fails_is_told_and_leaves_no_part_of_a_line))
