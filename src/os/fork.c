/* fork.c - see fork.h.
 *
 * One lock for the process. It is held by who works with descriptors, for a few system calls, and
 * by who forks, from before the fork until after it. Nothing else is locked under it, so it does
 * not matter in which order the handlers of pthread_atfork take this lock and others.
 */
#include "os/fork.h"

#include <pthread.h>

#include "base/check.h"

static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local unsigned hold_depth; /* of this thread: a recursive mutex would not survive in
                                             the child, where its owner has another number */

static void lock_before_fork(void)
{
    KIS_ASSERT(hold_depth == 0);
    pthread_mutex_lock(&fork_lock);
}

static void unlock_after_fork(void)
{
    pthread_mutex_unlock(&fork_lock);
}

static void install_handlers(void)
{
    int failed = pthread_atfork(lock_before_fork, unlock_after_fork, unlock_after_fork);
    KIS_ASSERT(!failed);
}

void kis_fork_hold(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    if (hold_depth++ > 0)
        return;
    pthread_once(&once, install_handlers);
    pthread_mutex_lock(&fork_lock);
}

void kis_fork_allow(void)
{
    KIS_ASSERT(hold_depth > 0);
    if (--hold_depth == 0)
        pthread_mutex_unlock(&fork_lock);
}
