/* keys.c - remembering idempotency keys in bounded memory. */
#include "store/keys.h"

#include "base/check.h"
#include "store/bounds.h"

#define KEYS_CAP_MIN 1024u
#define KEYS_CAP_MAX (1u << 20)
_Static_assert(KIS_KEYS_MAX <= KEYS_CAP_MAX, "the ring holds them all");

kis_key kis_key_of(kis_str tenant, kis_str key, uint32_t time_s)
{
    uint64_t tenant_hash = kis_hash_str(tenant, 11);
    return (kis_key){ .a = kis_hash_str(key, tenant_hash),
                      .b = (uint32_t)kis_hash_str(key, ~tenant_hash),
                      .time_s = time_s };
}

void kis_keys_init(kis_keys *k, const kis_alloc *alloc)
{
    *k = (kis_keys){ .alloc = alloc };
}

static void give_back(kis_keys *k)
{
    if (!k->cap)
        return;
    k->alloc->give_back(k->alloc->user, k->ring, sizeof *k->ring * k->cap);
    k->alloc->give_back(k->alloc->user, k->slots, sizeof *k->slots * 2 * k->cap);
}

void kis_keys_done(kis_keys *k)
{
    give_back(k);
    *k = (kis_keys){ .alloc = k->alloc };
}

static uint32_t home_slot(const kis_keys *k, kis_key key)
{
    return (uint32_t)key.a & (2 * k->cap - 1);
}

/* The slot with this key, or the empty one where it would be. */
static uint32_t find_slot(const kis_keys *k, kis_key key)
{
    uint32_t at = home_slot(k, key);
    while (k->slots[at] && !kis_key_eq(k->ring[k->slots[at] - 1], key))
        at = (at + 1) & (2 * k->cap - 1);
    return at;
}

/* Takes a slot out and moves later ones of its run up, so that no search is cut short. */
static void empty_slot(kis_keys *k, uint32_t hole)
{
    uint32_t mask = 2 * k->cap - 1;
    for (uint32_t at = (hole + 1) & mask; k->slots[at]; at = (at + 1) & mask) {
        uint32_t home = home_slot(k, k->ring[k->slots[at] - 1]);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* its home lies behind the hole */
        k->slots[hole] = k->slots[at];
        hole = at;
    }
    k->slots[hole] = 0;
}

static void forget_oldest(kis_keys *k)
{
    empty_slot(k, find_slot(k, k->ring[k->first]));
    k->first = (k->first + 1) & (k->cap - 1);
    k->count--;
}

static bool enlarge(kis_keys *k)
{
    kis_keys bigger = { .alloc = k->alloc, .cap = k->cap ? k->cap * 2 : KEYS_CAP_MIN };

    bigger.ring = k->alloc->take(k->alloc->user, sizeof *k->ring * bigger.cap);
    if (!bigger.ring)
        return false;
    bigger.slots = k->alloc->take(k->alloc->user, sizeof *k->slots * 2 * bigger.cap);
    if (!bigger.slots) {
        k->alloc->give_back(k->alloc->user, bigger.ring, sizeof *k->ring * bigger.cap);
        return false;
    }
    memset(bigger.slots, 0, sizeof *k->slots * 2 * bigger.cap);
    for (uint32_t i = 0; i < k->count; i++)
        kis_keys_add(&bigger, k->ring[(k->first + i) & (k->cap - 1)]);
    give_back(k);
    *k = bigger;
    return true;
}

bool kis_keys_reserve(kis_keys *k, uint32_t more)
{
    while (k->count && k->count + more > KIS_KEYS_MAX)
        forget_oldest(k);
    while (k->cap - k->count < more) {
        if (k->cap < KEYS_CAP_MAX && enlarge(k))
            continue;
        if (!k->count)
            return false;
        forget_oldest(k);
    }
    return true;
}

void kis_keys_add(kis_keys *k, kis_key key)
{
    KIS_ASSERT(k->count < k->cap);
    uint32_t slot = find_slot(k, key), place = (k->first + k->count) & (k->cap - 1);
    if (k->slots[slot])
        return;
    k->ring[place] = key;
    k->slots[slot] = place + 1;
    k->count++;
}

bool kis_keys_has(const kis_keys *k, kis_key key)
{
    return k->count && k->slots[find_slot(k, key)];
}

void kis_keys_expire(kis_keys *k, uint32_t time_s)
{
    while (k->count && k->ring[k->first].time_s < time_s)
        forget_oldest(k);
}

size_t kis_keys_bytes(const kis_keys *k)
{
    return (sizeof *k->ring + 2 * sizeof *k->slots) * k->cap;
}
