/* fd.h - whole writes to a descriptor that somebody else opened: standard output, a pipe. */
#ifndef KIS_OS_FD_H
#define KIS_OS_FD_H

#include "base/str.h"

/** Writes all of `bytes`, waiting as long as the other side takes. CLOSED: nobody reads any more;
 * IO: anything else. Raises no SIGPIPE, whatever the process has said about that. */
kis_err kis_fd_write(int fd, kis_bytes bytes);
/** One write(2): what it answers, and errno. No SIGPIPE either. */
ptrdiff_t kis_fd_write_some(int fd, kis_bytes bytes);

#endif
