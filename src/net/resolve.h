/* resolve.h - names to addresses, off the loop: one helper thread for the process, started when
 * there is a question, gone when there is none.
 *
 *     loop                                         the thread
 *     kis_lookup_start ──> questions (bounded) ──> getaddrinfo ──> post ──> done, on the loop
 *     kis_lookup_cancel: from then on the answer goes nowhere; never waits for the thread
 */
#ifndef KIS_NET_RESOLVE_H
#define KIS_NET_RESOLVE_H

#include "net/loop.h"
#include "net/tcp.h"

#define KIS_LOOKUP_ADDRESSES_MAX 8u
#define KIS_LOOKUPS_MAX          256u /* waiting for the thread, all clients together */
#define KIS_LOOKUP_HOST_BYTES    256u /* RFC 1035: 253 and less */

typedef struct kis_lookup kis_lookup;

/** What became of it. Lives until the function has returned. `count` is 0 when `diag` says why. */
typedef struct kis_lookup_answer {
    const kis_address *addresses;
    uint32_t count;
    kis_diag diag;
} kis_lookup_answer;
typedef void kis_lookup_done_fn(void *user, const kis_lookup_answer *answer); /* loop thread */

/** Loop thread. `done` comes once, later, unless it is cancelled or the loop ends before. FULL,
 * NOMEM, IO (no thread). */
kis_err kis_lookup_start(kis_loop *loop, kis_str host, uint16_t port, kis_lookup_done_fn *done,
                         void *user, kis_lookup **out, kis_diag *diag) KIS_CHECKED;
/** Loop thread, before `done` has come; afterwards the loop may be freed. */
void kis_lookup_cancel(kis_lookup *lookup);

#endif
