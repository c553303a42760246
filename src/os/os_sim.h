/* os_sim.h - a machine in memory that loses, on command, what was not synced.
 *
 *     kis_sim *sim;
 *     kis_sim_new(alloc, seed, &sim);
 *     run(kis_sim_os(sim));                     the program under test
 *     kis_sim_cut_power(sim);                   or, before: kis_sim_cut_power_at(sim, n)
 *     kis_sim_power_on(sim);
 *     check(kis_sim_os(sim));                   what is found must be what was promised
 *
 * What a cut takes, each by the seed's choice: pages of 4096 bytes that were written and not
 * synced, sectors of 512 bytes of such a page, the second half of one sector; sizes of files; names
 * that were made, renamed or removed and whose folder was not synced, in any combination. What was
 * synced stays. Every third cut or so takes all or nothing instead.
 *
 * After a sync that failed, the pages count as clean: they are read back until the power goes, and
 * a later sync says OK without writing them, as Linux does.
 *
 * Any thread may call; one thread's calls come in an order that the seed replays.
 */
#ifndef KIS_OS_OS_SIM_H
#define KIS_OS_OS_SIM_H

#include "os/os.h"

typedef struct kis_sim kis_sim;

/** Calls of the table, as bits. */
enum {
    KIS_SIM_OPEN = 1 << 0, /* opening what exists */
    KIS_SIM_CREATE = 1 << 1,
    KIS_SIM_SIZE = 1 << 2,
    KIS_SIM_READ = 1 << 3,
    KIS_SIM_WRITE = 1 << 4,
    KIS_SIM_TRUNCATE = 1 << 5,
    KIS_SIM_PREALLOCATE = 1 << 6,
    KIS_SIM_SYNC = 1 << 7,
    KIS_SIM_RENAME = 1 << 8,
    KIS_SIM_REMOVE = 1 << 9,
    KIS_SIM_MAKE_DIR = 1 << 10,
    KIS_SIM_SYNC_DIR = 1 << 11,
    KIS_SIM_LIST_DIR = 1 << 12,
    KIS_SIM_LOCK = 1 << 13,
    KIS_SIM_DISK_FREE = 1 << 14,
    KIS_SIM_ANY = (1 << 15) - 1,
    /** What changes the disk or makes a change last: the points where a power cut is worth trying.
     */
    KIS_SIM_CHANGES = KIS_SIM_CREATE | KIS_SIM_WRITE | KIS_SIM_TRUNCATE | KIS_SIM_PREALLOCATE |
                      KIS_SIM_SYNC | KIS_SIM_RENAME | KIS_SIM_REMOVE | KIS_SIM_MAKE_DIR |
                      KIS_SIM_SYNC_DIR,
};

/** An empty disk without bound; the clocks stand at one second and at 2026-01-01. */
kis_err kis_sim_new(const kis_alloc *alloc, uint64_t seed, kis_sim **out) KIS_CHECKED;
void kis_sim_free(kis_sim *sim);
kis_os *kis_sim_os(kis_sim *sim);

/** How many calls of these kinds there were since kis_sim_new. */
uint64_t kis_sim_calls(kis_sim *sim, unsigned kinds);

/** The `nth` call (1 is the next) of these kinds fails with `err`, and the `times` - 1 after it
 * too. A failing write has written a part, a failing append nothing; a failing sync has synced a
 * part. `times` 0 ends the failing. */
void kis_sim_fail_at(kis_sim *sim, unsigned kinds, uint64_t nth, uint64_t times, kis_err err);

/** The power goes during the `nth` call (1 is the next) of these kinds; a write may have happened
 * in part. From then on every call fails with IO. 0: never. */
void kis_sim_cut_power_at(kis_sim *sim, unsigned kinds, uint64_t nth);
void kis_sim_cut_power(kis_sim *sim); /* now */
/** Files that were open are no more; locks are free. */
void kis_sim_power_on(kis_sim *sim);
bool kis_sim_is_off(kis_sim *sim);

/** Room on the disk, in bytes; writes beyond it fail with FULL after what fits. */
void kis_sim_set_disk_bytes(kis_sim *sim, uint64_t bytes);
/** Flips bits of a stored byte, as ageing disks do. NOT_FOUND: no such file or byte. */
kis_err kis_sim_damage(kis_sim *sim, kis_str path, uint64_t offset, uint8_t bits) KIS_CHECKED;

/** Time passes only here, and by `op_ns` and `sync_ns` at each call. */
void kis_sim_advance(kis_sim *sim, uint64_t ns);
void kis_sim_set_latency(kis_sim *sim, uint64_t op_ns, uint64_t sync_ns);
void kis_sim_set_unix_ns(kis_sim *sim, uint64_t unix_ns); /* the wall clock jumps; backwards too */

#endif
