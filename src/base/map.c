/* map.c - open addressing, linear probing, doubling at three quarters.
 *
 * Always true: slot_count is 0 or a power of two, and at least a quarter of the slots is empty, so
 * that every probe ends.
 */
#include "base/map.h"

#define FIRST_SLOTS 16u
#define SLOTS_MAX   (1u << 30)

void kis_map_init(kis_map *map, const kis_alloc *alloc)
{
    *map = (kis_map){ .alloc = alloc };
}

size_t kis_map_bytes(const kis_map *map)
{
    return (size_t)map->slot_count * sizeof(kis_map_slot);
}

void kis_map_done(kis_map *map)
{
    if (map->slots)
        map->alloc->give_back(map->alloc->user, map->slots, kis_map_bytes(map));
    *map = (kis_map){ .alloc = map->alloc };
}

/* Puts a pair into the first empty slot of its chain; there is one. */
static void map_place(kis_map_slot *slots, uint32_t mask, uint64_t hash, uint32_t value)
{
    uint32_t at = (uint32_t)hash & mask;
    while (slots[at].hash != 0)
        at = (at + 1) & mask;
    slots[at] = (kis_map_slot){ .hash = hash, .value = value };
}

static bool map_grow(kis_map *map)
{
    uint32_t count = map->slot_count ? map->slot_count * 2 : FIRST_SLOTS;
    size_t size = (size_t)count * sizeof(kis_map_slot);
    if (count > SLOTS_MAX || size / sizeof(kis_map_slot) != count)
        return false;
    kis_map_slot *slots = map->alloc->take(map->alloc->user, size);
    if (!slots)
        return false;
    memset(slots, 0, size);
    for (uint32_t i = 0; i < map->slot_count; i++) {
        if (map->slots[i].hash != 0)
            map_place(slots, count - 1, map->slots[i].hash, map->slots[i].value);
    }
    if (map->slots)
        map->alloc->give_back(map->alloc->user, map->slots, kis_map_bytes(map));
    map->slots = slots;
    map->slot_count = count;
    return true;
}

bool kis_map_add(kis_map *map, uint64_t hash, uint32_t value)
{
    if (map->used >= map->slot_count / 4 * 3 && !map_grow(map))
        return false;
    map_place(map->slots, map->slot_count - 1, hash ? hash : 1, value);
    map->used++;
    return true;
}

kis_map_probe kis_map_begin(const kis_map *map, uint64_t hash)
{
    hash = hash ? hash : 1;
    return (kis_map_probe){ .hash = hash,
                            .at = map->slot_count ? (uint32_t)hash & (map->slot_count - 1) : 0 };
}

bool kis_map_next(const kis_map *map, kis_map_probe *probe)
{
    if (map->slot_count == 0)
        return false;
    for (;;) {
        const kis_map_slot *slot = &map->slots[probe->at];
        if (slot->hash == 0)
            return false;
        probe->at = (probe->at + 1) & (map->slot_count - 1);
        if (slot->hash == probe->hash) {
            probe->value = slot->value;
            return true;
        }
    }
}
