/* mem.h - the only door to malloc.
 *
 * kis_mem is the allocator of the process. Large pieces (64 KiB and more: bodies, arena blocks,
 * inflate buffers) are kept in a bounded cache by power-of-two class when given back, so that a
 * server under load neither maps nor unmaps memory for each request.
 */
#ifndef KIS_OS_MEM_H
#define KIS_OS_MEM_H

#include "base/mem.h"

extern const kis_alloc kis_mem; /* any thread */

typedef struct kis_mem_stats {
    uint64_t held_bytes;   /* taken and not given back */
    uint64_t cached_bytes; /* in the cache of large pieces */
} kis_mem_stats;

kis_mem_stats kis_mem_get_stats(void);
/** Around fork(), so that no other thread is in the middle of the cache:
 * before in the parent, after in both. */
void kis_mem_before_fork(void);
void kis_mem_after_fork(void);
void kis_mem_trim(void); /* gives the cache back to the system */

#endif
