/* host_contract.h - what every host does for the recorder, as a battery that each one's test runs.
 *
 *     TEST(my_host_keeps_the_contract)
 *     {
 *         host_contract_run(&(host_contract){ .host = &mine });
 *     }
 *
 * A host lists in `cannot` what it cannot do; the empty list runs everything. A function that may
 * be NULL (kiseki/host.h) is tested where it is there.
 */
#ifndef KIS_SDK_HOST_CONTRACT_H
#define KIS_SDK_HOST_CONTRACT_H

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <kiseki/host.h>

#include "tests/test.h"

#define HOST_CANNOT_MOVE_TIME 0x1u /* its clock stands until the test moves it */

typedef struct host_contract {
    const kis_host *host;
    unsigned cannot;
} host_contract;

enum { HOST_CONTRACT_THREADS = 4, HOST_CONTRACT_ROUNDS = 2000 };

static inline void host_contract_clocks(const host_contract *c)
{
    const kis_host *h = c->host;
    uint64_t first = h->now_ns(h->user), before = first, wall = h->now_unix_ns(h->user);

    for (int i = 0; i < HOST_CONTRACT_ROUNDS; i++) {
        uint64_t now = h->now_ns(h->user);
        CHECK(now >= before, "the monotonic clock never goes back");
        before = now;
    }
    CHECK(wall > UINT64_C(1500000000000000000) && wall < UINT64_C(7000000000000000000),
          "the wall clock counts nanoseconds since 1970");
    if (c->cannot & HOST_CANNOT_MOVE_TIME)
        return;
    while (h->now_ns(h->user) == first)
        sched_yield(); /* it moves, or this test never ends */
    CHECK(h->now_unix_ns(h->user) + 60000000000u > wall, "nor is the wall clock set by looking");
}

static inline void host_contract_random(const host_contract *c)
{
    static uint8_t drawn[HOST_CONTRACT_ROUNDS][32];
    uint8_t none = 0x5a, seen[256] = { 0 };
    const kis_host *h = c->host;
    int values = 0;

    h->random(h->user, &none, 0);
    CHECK_INT(0x5a, none, "no bytes are no bytes");
    for (int i = 0; i < HOST_CONTRACT_ROUNDS; i++) {
        h->random(h->user, drawn[i], sizeof(drawn[i]));
        for (size_t k = 0; k < sizeof(drawn[i]); k++)
            seen[drawn[i][k]] = 1;
        for (int k = 0; k < i; k += 7)
            CHECK(memcmp(drawn[i], drawn[k], sizeof(drawn[i])), "nothing comes twice");
    }
    for (int i = 0; i < 256; i++)
        values += seen[i];
    CHECK_INT(256, values, "every byte has every value now and then");
}

static inline void host_contract_memory(const host_contract *c)
{
    const kis_alloc *alloc = c->host->alloc;
    uint8_t *blocks[64];

    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        size_t size = 1 + i * i * 37;
        blocks[i] = alloc->take(alloc->user, size);
        CHECK(blocks[i] && (uintptr_t)blocks[i] % _Alignof(max_align_t) == 0, "room for anything");
        memset(blocks[i], (int)i, size);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        size_t size = 1 + i * i * 37;
        CHECK(blocks[i][0] == i && blocks[i][size - 1] == i, "and for nobody else");
        alloc->give_back(alloc->user, blocks[i], size);
    }
    alloc->give_back(alloc->user, NULL, 0); /* what was never taken */
}

static inline void *host_contract_use(void *user)
{
    const kis_host *h = user;
    uint64_t before = h->now_ns(h->user);
    uint8_t bytes[16];

    if (h->thread_began)
        h->thread_began(h->user);
    for (int i = 0; i < HOST_CONTRACT_ROUNDS / 10; i++) {
        uint64_t now = h->now_ns(h->user);
        void *memory = h->alloc->take(h->alloc->user, 100);
        if (now < before || !memory)
            return NULL;
        before = now;
        h->random(h->user, bytes, sizeof(bytes));
        h->alloc->give_back(h->alloc->user, memory, 100);
        if (h->wake)
            h->wake(h->user);
        if (h->yield)
            h->yield(h->user);
    }
    return user;
}

static inline void host_contract_threads(const host_contract *c)
{
    pthread_t threads[HOST_CONTRACT_THREADS];
    void *result;

    for (int i = 0; i < HOST_CONTRACT_THREADS; i++)
        pthread_create(&threads[i], NULL, host_contract_use, (void *)(uintptr_t)c->host);
    for (int i = 0; i < HOST_CONTRACT_THREADS; i++) {
        pthread_join(threads[i], &result);
        CHECK(result, "all of it on any thread, several at once");
    }
}

static inline void host_contract_words(const host_contract *c)
{
    const kis_host *h = c->host;
    char long_line[2000];

    memset(long_line, 'x', sizeof(long_line) - 1);
    long_line[sizeof(long_line) - 1] = '\0';
    if (h->log) {
        h->log(h->user, KIS_LOG_DEBUG, "100 %s of %n this is no format");
        h->log(h->user, KIS_LOG_DEBUG, "");
        h->log(h->user, KIS_LOG_DEBUG, long_line);
    }
    if (h->getenv)
        CHECK(!h->getenv(h->user, "KISEKI_NOBODY_SETS_THIS"), "what is not set is not there");
}

static inline void host_contract_run(const host_contract *c)
{
    CHECK(c->host->now_ns && c->host->now_unix_ns && c->host->random && c->host->alloc,
          "what every host has");
    host_contract_clocks(c);
    host_contract_random(c);
    host_contract_memory(c);
    host_contract_threads(c);
    host_contract_words(c);
}

#endif
