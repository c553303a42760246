/* fork.h - moments in which this process does not fork.
 *
 * Who opens a descriptor and notes it, or forgets one and closes it, does both between hold and
 * allow. So in a child of fork() the notes say exactly what it has inherited.
 */
#ifndef KIS_OS_FORK_H
#define KIS_OS_FORK_H

/**
 * fork(), in any thread, waits until all holds were allowed again. May nest. Only system calls that
 * do not wait belong in between: no lock, no memory, no call of a user.
 */
void kis_fork_hold(void);
void kis_fork_allow(void);

#endif
