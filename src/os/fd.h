/* fd.h - whole writes to a descriptor that somebody else opened: standard output, a pipe. */
#ifndef KIS_OS_FD_H
#define KIS_OS_FD_H

#include "base/str.h"

/** Writes all of `bytes`, waiting as long as the other side takes. CLOSED: nobody reads any more
 * (the process must ignore SIGPIPE, or it ends here); IO: anything else. */
kis_err kis_fd_write(int fd, kis_bytes bytes);

#endif
