/* os_sim_script.c - what a test says to the simulated machine: fail, forget, fill up, let time
 * pass. */
#include "os/os_sim_state.h"

void kis_sim_lose_power(kis_sim *sim)
{
    for (size_t i = 0; i < KIS_SIM_OPEN_FILES_MAX; i++) {
        if (sim->handles[i].node)
            sim->handles[i] = (kis_sim_handle){ .generation = sim->handles[i].generation + 1 };
    }
    kis_sim_disk_cut(&sim->disk);
    sim->is_off = true;
}

void kis_sim_pass_time(kis_sim *sim, uint64_t ns)
{
    sim->now_ns += ns;
    sim->now_unix_ns += ns;
}

kis_os *kis_sim_os(kis_sim *sim)
{
    return &sim->os;
}

uint64_t kis_sim_calls(kis_sim *sim, unsigned kinds)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&sim->mutex);
    for (unsigned i = 0; i < KIS_SIM_KIND_COUNT; i++)
        sum += kinds >> i & 1 ? sim->calls[i] : 0;
    pthread_mutex_unlock(&sim->mutex);
    return sum;
}

void kis_sim_fail_at(kis_sim *sim, unsigned kinds, uint64_t nth, uint64_t times, kis_err err)
{
    pthread_mutex_lock(&sim->mutex);
    sim->fail_kinds = kinds;
    sim->fail_in = nth;
    sim->fail_times = times;
    sim->fail_err = err;
    pthread_mutex_unlock(&sim->mutex);
}

void kis_sim_cut_power_at(kis_sim *sim, unsigned kinds, uint64_t nth)
{
    pthread_mutex_lock(&sim->mutex);
    sim->cut_kinds = kinds;
    sim->cut_in = nth;
    pthread_mutex_unlock(&sim->mutex);
}

void kis_sim_cut_power(kis_sim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    if (!sim->is_off)
        kis_sim_lose_power(sim);
    pthread_mutex_unlock(&sim->mutex);
}

void kis_sim_power_on(kis_sim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    sim->is_off = false;
    sim->cut_in = 0;
    pthread_mutex_unlock(&sim->mutex);
}

bool kis_sim_is_off(kis_sim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    bool is_off = sim->is_off;
    pthread_mutex_unlock(&sim->mutex);
    return is_off;
}

void kis_sim_set_disk_bytes(kis_sim *sim, uint64_t bytes)
{
    pthread_mutex_lock(&sim->mutex);
    sim->disk.max_pages = bytes / KIS_SIM_PAGE_BYTES;
    pthread_mutex_unlock(&sim->mutex);
}

kis_err kis_sim_damage(kis_sim *sim, kis_str path, uint64_t offset, uint8_t bits)
{
    pthread_mutex_lock(&sim->mutex);
    kis_sim_node *node = kis_sim_disk_find(&sim->disk, kis_sim_disk_path(&sim->disk, path));
    uint64_t index = offset / KIS_SIM_PAGE_BYTES;
    kis_err err = KIS_ERR_NOT_FOUND;
    if (node && offset < node->size && index < node->pages.len) {
        kis_sim_page *page = &node->pages.at[index];
        size_t inside = (size_t)(offset % KIS_SIM_PAGE_BYTES);
        if (page->now)
            page->now[inside] ^= bits;
        if (page->disk)
            page->disk[inside] ^= bits;
        err = page->now || page->disk ? KIS_OK : KIS_ERR_NOT_FOUND;
    }
    pthread_mutex_unlock(&sim->mutex);
    return err;
}

void kis_sim_advance(kis_sim *sim, uint64_t ns)
{
    pthread_mutex_lock(&sim->mutex);
    kis_sim_pass_time(sim, ns);
    pthread_mutex_unlock(&sim->mutex);
}

void kis_sim_set_latency(kis_sim *sim, uint64_t op_ns, uint64_t sync_ns)
{
    pthread_mutex_lock(&sim->mutex);
    sim->op_ns = op_ns;
    sim->sync_ns = sync_ns;
    pthread_mutex_unlock(&sim->mutex);
}

void kis_sim_set_unix_ns(kis_sim *sim, uint64_t unix_ns)
{
    pthread_mutex_lock(&sim->mutex);
    sim->now_unix_ns = unix_ns;
    pthread_mutex_unlock(&sim->mutex);
}
