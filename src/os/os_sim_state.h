/* os_sim_state.h - what the table and the script of the simulated machine share. Not for others. */
#ifndef KIS_OS_OS_SIM_STATE_H
#define KIS_OS_OS_SIM_STATE_H

#include <pthread.h>

#include "os/os_sim.h"
#include "os/os_sim_disk.h"

#define KIS_SIM_KIND_COUNT     15u
#define KIS_SIM_OPEN_FILES_MAX 4096u

typedef struct kis_sim_handle {
    kis_sim_node *node; /* NULL: free */
    uint32_t generation;
    uint32_t path;
    bool is_read_only, is_lock;
} kis_sim_handle;

struct kis_sim {
    kis_os os; /* first: the table is given a kis_os and means this */
    const kis_alloc *alloc;
    pthread_mutex_t mutex; /* guards all below */
    kis_sim_disk disk;
    kis_sim_handle handles[KIS_SIM_OPEN_FILES_MAX];
    uint64_t calls[KIS_SIM_KIND_COUNT];
    unsigned fail_kinds, cut_kinds;
    uint64_t fail_in, fail_times, cut_in; /* calls to go, 0: none */
    kis_err fail_err;
    bool is_off;
    uint64_t now_ns, now_unix_ns, op_ns, sync_ns;
};

/** These want the mutex held. */
void kis_sim_lose_power(kis_sim *sim);
void kis_sim_pass_time(kis_sim *sim, uint64_t ns);

#endif
