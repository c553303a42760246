/* fd.c - see fd.h.
 *
 * Only sockets can be told not to raise SIGPIPE. Here the thread blocks it, writes, takes back the
 * one that it has caused, and blocks what it blocked before. One that was waiting already stays.
 */
#include "os/fd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

ptrdiff_t kis_fd_write_some(int fd, kis_bytes bytes)
{
    static const struct timespec no_time = { .tv_nsec = 0 };
    sigset_t pipe_signal, before, waiting;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigemptyset(&waiting);
    sigpending(&waiting);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t put = write(fd, bytes.ptr, bytes.len);
    int number = errno;
    if (put < 0 && number == EPIPE && !sigismember(&waiting, SIGPIPE))
        while (sigtimedwait(&pipe_signal, NULL, &no_time) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = number;
    return put;
}

kis_err kis_fd_write(int fd, kis_bytes bytes)
{
    while (bytes.len > 0) {
        ptrdiff_t written = kis_fd_write_some(fd, bytes);
        if (written > 0) {
            bytes.ptr += written;
            bytes.len -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd until = { .fd = fd, .events = POLLOUT };
            (void)poll(&until, 1, -1);
        } else if (written < 0 && errno != EINTR) {
            return errno == EPIPE ? KIS_ERR_CLOSED : KIS_ERR_IO;
        }
    }
    return KIS_OK;
}
