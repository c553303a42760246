/* fd.c - see fd.h. */
#include "os/fd.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

kis_err kis_fd_write(int fd, kis_bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
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
