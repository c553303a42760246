/* keys.h - the idempotency keys of the last day, at most a million:
 * a ring in the order of coming with a hash table over it.
 *
 * A start reads them from the segments and logs that are there: a key whose segment retention has
 * taken is not known any more after it.
 *
 * A key is remembered as 96 bits of hash over tenant and key. One owner: the writer thread.
 */
#ifndef KIS_STORE_KEYS_H
#define KIS_STORE_KEYS_H

#include "base/hash.h"

typedef struct kis_key {
    uint64_t a;
    uint32_t b;
    uint32_t time_s; /* unix seconds of receiving */
} kis_key;

typedef struct kis_keys {
    const kis_alloc *alloc;
    kis_key *ring;              /* cap entries, a power of two */
    uint32_t *slots;            /* 2 * cap; place in the ring plus one */
    uint32_t cap, count, first; /* first: place of the oldest */
} kis_keys;

kis_key kis_key_of(kis_str tenant, kis_str key, uint32_t time_s);
static inline bool kis_key_eq(kis_key x, kis_key y)
{
    return x.a == y.a && x.b == y.b;
}

void kis_keys_init(kis_keys *keys, const kis_alloc *alloc);
void kis_keys_done(kis_keys *keys);
/** Makes room for so many more, at most KIS_KEYS_MAX; the oldest go when there is no more to be
 * had. False: not enough memory. */
bool kis_keys_reserve(kis_keys *keys, uint32_t more) KIS_CHECKED;
/** Remembers, in room that was made; what is known already stays as it is. */
void kis_keys_add(kis_keys *keys, kis_key key);
bool kis_keys_has(const kis_keys *keys, kis_key key);
/** Forgets what came before `time_s`. */
void kis_keys_expire(kis_keys *keys, uint32_t time_s);
size_t kis_keys_bytes(const kis_keys *keys);

#endif
