/* map.h - an open-addressing hash map from 64-bit hashes to 32-bit values.
 *
 * Keys live with the caller, who compares: the map stores (hash, value) pairs, and a value is
 * usually an index into the caller's array. Linear probing, at most 3/4 full, a power of two slots.
 * No deletion: the maps of a span store and of a query only grow and are then dropped whole.
 *
 *     for (kis_map_probe p = kis_map_begin(&map, hash); kis_map_next(&map, &p);)
 *         if (same(names[p.value], name)) return p.value;
 */
#ifndef KIS_BASE_MAP_H
#define KIS_BASE_MAP_H

#include "base/mem.h"

typedef struct kis_map_slot {
    uint64_t hash; /* 0 is an empty slot; a hash of 0 is stored as 1 */
    uint32_t value;
} kis_map_slot;

typedef struct kis_map {
    kis_map_slot *slots;
    uint32_t slot_count, used; /* slot_count is 0 or a power of two */
    const kis_alloc *alloc;
} kis_map;

typedef struct kis_map_probe {
    uint64_t hash;
    uint32_t at, value;
} kis_map_probe;

void kis_map_init(kis_map *map, const kis_alloc *alloc); /* takes no memory yet */
void kis_map_done(kis_map *map);
bool kis_map_add(kis_map *map, uint64_t hash, uint32_t value); /* false: no memory, map unchanged */
kis_map_probe kis_map_begin(const kis_map *map, uint64_t hash);
bool kis_map_next(const kis_map *map, kis_map_probe *probe);
size_t kis_map_bytes(const kis_map *map); /* memory held */

#endif
