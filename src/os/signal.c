/* signal.c - signals as bytes in a pipe, so that a loop sees them like everything else.
 *
 * The handler writes one byte and keeps errno. The pipe does not block: when it is full, enough has
 * been said.
 */
#include "os/signal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"

static int signal_pipe[2] = { -1, -1 };
static volatile sig_atomic_t stop_signals; /* SIGINT and SIGTERM so far */

static void signal_handler(int number)
{
    int before = errno;
    uint8_t byte = (uint8_t)number;

    if (number != SIGHUP && stop_signals++ > 0)
        _exit(128 + number);
    ssize_t put = write(signal_pipe[1], &byte, 1);
    (void)put;
    errno = before;
}

int kis_signal_open(kis_diag *diag)
{
    static const int routed[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    sigemptyset(&action.sa_mask);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    if (signal_pipe[0] < 0 && pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        kis_diag_set(diag, KIS_ERR_IO, "cannot make a pipe for signals: %s", strerror(errno));
        return -1;
    }
    action.sa_handler = signal_handler;
    action.sa_flags = SA_RESTART;
    for (size_t i = 0; i < KIS_COUNT_OF(routed); i++)
        sigaction(routed[i], &action, NULL);
    return signal_pipe[0];
}

int kis_signal_take(void)
{
    uint8_t byte;
    ssize_t got;

    if (signal_pipe[0] < 0)
        return 0;
    do
        got = read(signal_pipe[0], &byte, 1);
    while (got < 0 && errno == EINTR);
    return got == 1 ? byte : 0;
}
