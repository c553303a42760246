/* fd_test.c - all of the bytes go out, however slowly they are taken. */
#include "tests/test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/thread.h"

#define SIZE 1000000u /* more than any pipe holds */

typedef struct reader {
    int fd;
    size_t got;
    bool is_right;
} reader;

static void read_slowly(void *user)
{
    reader *r = user;
    uint8_t bytes[777];
    ssize_t got;
    r->is_right = true;
    while ((got = read(r->fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < got; i++)
            r->is_right &= bytes[i] == (uint8_t)((r->got + (size_t)i) * 7);
        r->got += (size_t)got;
    }
}

static void write_through_a_pipe(int flags)
{
    int ends[2];
    kis_thread thread = { .is_started = false };
    uint8_t *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 7);
    assert_int_equal(0, pipe(ends));
    fcntl(ends[1], F_SETFL, flags);
    reader r = { .fd = ends[0] };
    CHECK_ERR(KIS_OK, kis_thread_start(&thread, "reader", read_slowly, &r, NULL), "started");
    CHECK_ERR(KIS_OK, kis_fd_write(ends[1], kis_bytes_of(bytes, SIZE)), "written");
    close(ends[1]);
    kis_thread_join(&thread);
    CHECK_INT(SIZE, r.got, "all of it");
    CHECK(r.is_right, "in order");
    close(ends[0]);
    free(bytes);
}

TEST(everything_is_written_to_a_slow_reader)
{
    write_through_a_pipe(0);
    write_through_a_pipe(O_NONBLOCK);
}

TEST(who_does_not_read_any_more_is_told_apart)
{
    int ends[2];
    signal(SIGPIPE, SIG_DFL); /* would end this process */
    assert_int_equal(0, pipe(ends));
    close(ends[0]);
    CHECK_ERR(KIS_ERR_CLOSED, kis_fd_write(ends[1], kis_bytes_of("x", 1)), "nobody reads");
    CHECK_ERR(KIS_OK, kis_fd_write(ends[1], KIS_BYTES_NONE), "nothing needs nobody");
    close(ends[1]);
    CHECK_ERR(KIS_ERR_IO, kis_fd_write(-1, kis_bytes_of("x", 1)), "no descriptor");
}

static volatile sig_atomic_t signals;
static void count_signal(int number)
{
    (void)number;
    signals++;
}

TEST(a_broken_pipe_changes_nothing_about_signals)
{
    int ends[2];
    sigset_t mask, set;
    signal(SIGPIPE, count_signal);
    assert_int_equal(0, pipe(ends));
    close(ends[0]);
    CHECK_ERR(KIS_ERR_CLOSED, kis_fd_write(ends[1], kis_bytes_of("x", 1)), "nobody reads");
    CHECK_INT(0, signals, "no signal");
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    CHECK(!sigismember(&mask, SIGPIPE), "it is not blocked afterwards");

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE); /* the program's own, which waits */
    CHECK_ERR(KIS_ERR_CLOSED, kis_fd_write(ends[1], kis_bytes_of("x", 1)), "nobody reads");
    CHECK_INT(0, signals, "it still waits");
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    CHECK_INT(1, signals, "and was not taken away");
    signal(SIGPIPE, SIG_DFL);
    close(ends[1]);
}

TEST_MAIN(RUN(a_broken_pipe_changes_nothing_about_signals),
          RUN(everything_is_written_to_a_slow_reader),
          RUN(who_does_not_read_any_more_is_told_apart))
