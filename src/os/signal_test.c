/* signal_test.c - signals come out of the pipe as they were sent; the second request to stop ends
 * at once. */
#include "tests/test.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/signal.h"

#define WAIT_MS 20000

static int wait_for_signal(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    return poll(&poll_fd, 1, WAIT_MS) == 1 ? kis_signal_take() : -1;
}

/* What a child process exits with; -1: it did not exit by itself. */
static int run_child(int (*run)(void))
{
    pid_t child = fork();
    if (child == 0)
        _exit(run());
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int takes_in_order(void)
{
    kis_diag diag;
    if (kis_signal_take() != 0)
        return 1; /* nothing before it is open */
    int fd = kis_signal_open(&diag);
    if (fd < 0 || kis_signal_take() != 0)
        return 2;
    raise(SIGHUP);
    raise(SIGHUP);
    raise(SIGTERM);
    if (wait_for_signal(fd) != SIGHUP || wait_for_signal(fd) != SIGHUP ||
        wait_for_signal(fd) != SIGTERM)
        return 3;
    return kis_signal_take() == 0 ? 0 : 4;
}

static int second_stop(void)
{
    kis_diag diag;
    kis_signal_open(&diag);
    raise(SIGTERM);
    raise(SIGHUP); /* not a request to stop */
    raise(SIGINT);
    return 1; /* not reached */
}

static int broken_pipe(void)
{
    kis_diag diag;
    int ends[2];
    kis_signal_open(&diag);
    if (pipe(ends) != 0)
        return 1;
    close(ends[0]);
    return write(ends[1], "x", 1) == -1 ? 0 : 2; /* EPIPE, and alive */
}

static int many_signals(void)
{
    kis_diag diag;
    kis_signal_open(&diag);
    for (int i = 0; i < 100000; i++) /* more than a pipe holds: never blocks */
        raise(SIGHUP);
    return kis_signal_take() == SIGHUP ? 0 : 1;
}

TEST(signals_come_out_in_order)
{
    CHECK_INT(0, run_child(takes_in_order), "HUP, HUP, TERM");
}
TEST(a_second_request_to_stop_ends_the_process)
{
    CHECK_INT(128 + SIGINT, run_child(second_stop), "exit status");
}
TEST(a_closed_pipe_is_an_error_not_a_death)
{
    CHECK_INT(0, run_child(broken_pipe), "SIGPIPE is ignored");
}
TEST(a_flood_of_signals_does_not_block)
{
    CHECK_INT(0, run_child(many_signals), "the pipe is full, the handler goes on");
}

TEST_MAIN(RUN(signals_come_out_in_order), RUN(a_second_request_to_stop_ends_the_process),
          RUN(a_closed_pipe_is_an_error_not_a_death), RUN(a_flood_of_signals_does_not_block))
