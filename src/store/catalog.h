/* catalog.h - which services and operations there are, in memory, for instant answers.
 *
 * The writer thread alone adds (what it only reads it reads without the lock); readers take the
 * lock and copy out. An entry knows the last generation it was seen in: once retention has deleted
 * that one, it is not shown any more, and goes when room is needed.
 * Bounded: what does not fit is counted and shown as one entry, KIS_STORE_OVERFLOW_NAME.
 */
#ifndef KIS_STORE_CATALOG_H
#define KIS_STORE_CATALOG_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/reader.h"
#include "os/thread.h"

#define KIS_CATALOG_NONE UINT32_MAX

/* Names that found no room. A list is whole again when all generations that had one of them are
 * deleted: which had which is not known. */
typedef struct kis_catalog_left_out {
    uint64_t count, last_generation;
} kis_catalog_left_out;

typedef struct kis_catalog_service {
    kis_str tenant, name;
    _Atomic uint64_t last_generation;
    uint32_t operation_count; /* of its own in `operations` */
    kis_catalog_left_out operations_left_out;
} kis_catalog_service;

typedef struct kis_catalog_operation {
    kis_str name;
    uint32_t service;
    uint8_t kind;
    _Atomic uint64_t last_generation;
} kis_catalog_operation;

typedef struct kis_catalog {
    kis_lock lock; /* guards changes of everything below; the writer thread reads without it */
    const kis_alloc *alloc;
    kis_arena texts;
    kis_map service_map, operation_map;
    kis_catalog_service *services;
    kis_catalog_operation *operations;
    uint32_t service_count, service_cap, operation_count, operation_cap;
    kis_catalog_left_out services_left_out;
    uint64_t oldest_generation; /* set by set_oldest */
    /* oldest_generation when drop_deleted found too little: no use to look again before it moves */
    uint64_t looked_generation;
    uint32_t epoch; /* changes when indexes do */
} kis_catalog;

void kis_catalog_init(kis_catalog *c, const kis_alloc *alloc);
void kis_catalog_done(kis_catalog *c);

/** Writer thread. The index of a service, good until `epoch` changes;
 * KIS_CATALOG_NONE: no room, counted. */
uint32_t kis_catalog_see_service(kis_catalog *c, kis_str tenant, kis_str service,
                                 uint64_t generation);
/** Writer thread. */
void kis_catalog_see_operation(kis_catalog *c, uint32_t service, kis_str name, uint8_t kind,
                               uint64_t generation);

/** Writer thread. That generation has services whose names are not known. */
void kis_catalog_leave_out_services(kis_catalog *c, uint64_t generation);

/* Any thread. */
void kis_catalog_set_oldest(kis_catalog *c, uint64_t generation);
size_t kis_catalog_bytes(kis_catalog *c);
/** False: surely no spans of such a service (none were left out either). */
bool kis_catalog_may_have(kis_catalog *c, kis_str tenant, kis_str service);
/** By name. Texts are copied into `arena` first, so that `each` runs without the lock. */
kis_err kis_catalog_list_services(kis_catalog *c, kis_str tenant, kis_arena *arena,
                                  kis_name_fn *each, void *user, kis_diag *diag) KIS_CHECKED;
kis_err kis_catalog_list_operations(kis_catalog *c, kis_str tenant, kis_str service,
                                    kis_arena *arena, kis_name_fn *each, void *user,
                                    kis_diag *diag) KIS_CHECKED;

#endif
