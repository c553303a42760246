/* catalog.c - services and operations in memory. */
#include "store/catalog.h"

#include "base/diag.h"
#include "store/bounds.h"
#include "store/sort.h"

static uint64_t service_hash(kis_str tenant, kis_str name)
{
    return kis_hash_str(name, kis_hash_str(tenant, 1));
}

static uint64_t operation_hash(uint32_t service, kis_str name, uint8_t kind)
{
    return kis_hash_str(name, (uint64_t)service << 8 | kind);
}

void kis_catalog_init(kis_catalog *c, const kis_alloc *alloc)
{
    *c = (kis_catalog){ .alloc = alloc };
    kis_lock_init(&c->lock, KIS_RANK_STORE_HEAD);
    kis_arena_init(&c->texts, alloc, KIS_CATALOG_BYTES_MAX);
    kis_map_init(&c->service_map, alloc);
    kis_map_init(&c->operation_map, alloc);
}

static void release(kis_catalog *c)
{
    kis_arena_done(&c->texts);
    kis_map_done(&c->service_map);
    kis_map_done(&c->operation_map);
    c->alloc->give_back(c->alloc->user, c->services, sizeof *c->services * c->service_cap);
    c->alloc->give_back(c->alloc->user, c->operations, sizeof *c->operations * c->operation_cap);
}

void kis_catalog_done(kis_catalog *c)
{
    if (!c->alloc)
        return;
    release(c);
    kis_lock_done(&c->lock);
    *c = (kis_catalog){ 0 };
}

static bool make_room(const kis_alloc *alloc, void **at, uint32_t *cap, uint32_t count, size_t item,
                      uint32_t max)
{
    if (count < *cap)
        return true;
    if (count >= max)
        return false;
    uint32_t want = *cap ? *cap * 2 : 64;
    void *grown = kis_alloc_grow(alloc, *at, item * *cap, item * want);
    if (!grown)
        return false;
    *at = grown;
    *cap = want;
    return true;
}

static uint32_t find_service(const kis_catalog *c, kis_str tenant, kis_str name, uint64_t hash)
{
    for (kis_map_probe p = kis_map_begin(&c->service_map, hash); kis_map_next(&c->service_map, &p);)
        if (kis_str_eq(c->services[p.value].name, name) &&
            kis_str_eq(c->services[p.value].tenant, tenant))
            return p.value;
    return KIS_CATALOG_NONE;
}

static uint32_t add_service(kis_catalog *c, kis_str tenant, kis_str name, uint64_t hash,
                            uint64_t generation)
{
    kis_str tenant_copy, name_copy;
    uint32_t index = c->service_count;

    if (!make_room(c->alloc, (void **)&c->services, &c->service_cap, c->service_count,
                   sizeof *c->services, KIS_CATALOG_SERVICES_MAX) ||
        !kis_arena_copy(&c->texts, tenant, &tenant_copy) ||
        !kis_arena_copy(&c->texts, name, &name_copy) || !kis_map_add(&c->service_map, hash, index))
        return KIS_CATALOG_NONE;
    c->services[index] = (kis_catalog_service){ .tenant = tenant_copy, .name = name_copy };
    atomic_store_explicit(&c->services[index].last_generation, generation, memory_order_relaxed);
    c->service_count++;
    return index;
}

static bool add_operation(kis_catalog *c, uint32_t service, kis_str name, uint8_t kind,
                          uint64_t hash, uint64_t generation)
{
    kis_str copy;
    uint32_t index = c->operation_count;

    if (c->services[service].operation_count == KIS_CATALOG_OF_SERVICE_MAX ||
        !make_room(c->alloc, (void **)&c->operations, &c->operation_cap, c->operation_count,
                   sizeof *c->operations, KIS_CATALOG_ENTRIES_MAX) ||
        !kis_arena_copy(&c->texts, name, &copy) || !kis_map_add(&c->operation_map, hash, index))
        return false;
    c->operations[index] =
        (kis_catalog_operation){ .name = copy, .service = service, .kind = kind };
    atomic_store_explicit(&c->operations[index].last_generation, generation, memory_order_relaxed);
    c->operation_count++;
    c->services[service].operation_count++;
    return true;
}

static uint64_t generation_of(const _Atomic uint64_t *last)
{
    return atomic_load_explicit(last, memory_order_relaxed);
}

static bool is_deleted(const kis_catalog *c, const _Atomic uint64_t *last)
{
    return generation_of(last) < c->oldest_generation;
}

static void leave_out(kis_catalog_left_out *left_out, uint64_t generation)
{
    left_out->count++;
    left_out->last_generation = KIS_MAX(left_out->last_generation, generation);
}

/* Spans of names that were left out are still there. */
static bool has_left_out(const kis_catalog *c, const kis_catalog_left_out *left_out)
{
    return left_out->count && left_out->last_generation >= c->oldest_generation;
}

static uint32_t count_deleted(const kis_catalog *c)
{
    uint32_t gone = 0;
    for (uint32_t i = 0; i < c->operation_count; i++)
        gone += is_deleted(c, &c->operations[i].last_generation);
    for (uint32_t i = 0; i < c->service_count; i++)
        gone += is_deleted(c, &c->services[i].last_generation);
    return gone;
}

static void keep_services(kis_catalog *c, const kis_catalog *old)
{
    for (uint32_t i = 0; i < old->service_count; i++) {
        const kis_catalog_service *of = &old->services[i];
        uint64_t last = generation_of(&of->last_generation);
        if (is_deleted(c, &of->last_generation))
            continue;
        uint32_t service =
            add_service(c, of->tenant, of->name, service_hash(of->tenant, of->name), last);
        if (service == KIS_CATALOG_NONE)
            leave_out(&c->services_left_out, last);
        else if (has_left_out(c, &of->operations_left_out))
            c->services[service].operations_left_out = of->operations_left_out;
    }
}

/* An operation is never seen in a later generation than its service. */
static void keep_operations(kis_catalog *c, const kis_catalog *old)
{
    for (uint32_t i = 0; i < old->operation_count; i++) {
        const kis_catalog_operation *op = &old->operations[i];
        const kis_catalog_service *of = &old->services[op->service];
        uint64_t last = generation_of(&op->last_generation);
        if (is_deleted(c, &op->last_generation))
            continue;
        uint32_t service =
            find_service(c, of->tenant, of->name, service_hash(of->tenant, of->name));
        if (service == KIS_CATALOG_NONE)
            continue; /* no memory: the service is left out */
        if (!add_operation(c, service, op->name, op->kind,
                           operation_hash(service, op->name, op->kind), last))
            leave_out(&c->services[service].operations_left_out, last);
    }
}

/* Makes everything anew from what is still there. True: something went. */
static bool drop_deleted(kis_catalog *c)
{
    if (c->looked_generation == c->oldest_generation)
        return false;
    c->looked_generation = c->oldest_generation;
    if (count_deleted(c) * 8 < c->operation_count + c->service_count) /* not worth it */
        return false;
    kis_catalog old = *c;
    kis_arena_init(&c->texts, c->alloc, KIS_CATALOG_BYTES_MAX);
    kis_map_init(&c->service_map, c->alloc);
    kis_map_init(&c->operation_map, c->alloc);
    c->services = NULL;
    c->operations = NULL;
    c->service_count = c->service_cap = c->operation_count = c->operation_cap = 0;
    c->epoch++;
    keep_services(c, &old);
    keep_operations(c, &old);
    release(&old);
    return true;
}

uint32_t kis_catalog_see_service(kis_catalog *c, kis_str tenant, kis_str service,
                                 uint64_t generation)
{
    uint64_t hash = service_hash(tenant, service);
    uint32_t index = find_service(c, tenant, service, hash);

    if (index == KIS_CATALOG_NONE) {
        kis_lock_take(&c->lock);
        index = add_service(c, tenant, service, hash, generation);
        if (index == KIS_CATALOG_NONE && drop_deleted(c))
            index = add_service(c, tenant, service, hash, generation);
        if (index == KIS_CATALOG_NONE)
            leave_out(&c->services_left_out, generation);
        kis_lock_give(&c->lock);
    } else if (generation_of(&c->services[index].last_generation) < generation) {
        atomic_store_explicit(&c->services[index].last_generation, generation,
                              memory_order_relaxed);
    }
    return index;
}

void kis_catalog_see_operation(kis_catalog *c, uint32_t service, kis_str name, uint8_t kind,
                               uint64_t generation)
{
    uint64_t hash = operation_hash(service, name, kind);

    for (kis_map_probe p = kis_map_begin(&c->operation_map, hash);
         kis_map_next(&c->operation_map, &p);) {
        kis_catalog_operation *op = &c->operations[p.value];
        if (op->service != service || op->kind != kind || !kis_str_eq(op->name, name))
            continue;
        if (generation_of(&op->last_generation) < generation)
            atomic_store_explicit(&op->last_generation, generation, memory_order_relaxed);
        return;
    }
    kis_lock_take(&c->lock);
    if (!add_operation(c, service, name, kind, hash, generation) && !drop_deleted(c))
        /* after drop_deleted the caller's index is stale: the name comes in next time */
        leave_out(&c->services[service].operations_left_out, generation);
    kis_lock_give(&c->lock);
}

void kis_catalog_leave_out_services(kis_catalog *c, uint64_t generation)
{
    kis_lock_take(&c->lock);
    leave_out(&c->services_left_out, generation);
    kis_lock_give(&c->lock);
}

void kis_catalog_set_oldest(kis_catalog *c, uint64_t generation)
{
    kis_lock_take(&c->lock);
    c->oldest_generation = generation;
    kis_lock_give(&c->lock);
}

size_t kis_catalog_bytes(kis_catalog *c)
{
    kis_lock_take(&c->lock);
    size_t bytes = c->texts.held_bytes + kis_map_bytes(&c->service_map) +
                   kis_map_bytes(&c->operation_map) + sizeof *c->services * c->service_cap +
                   sizeof *c->operations * c->operation_cap;
    kis_lock_give(&c->lock);
    return bytes;
}

bool kis_catalog_may_have(kis_catalog *c, kis_str tenant, kis_str service)
{
    kis_lock_take(&c->lock);
    bool may = has_left_out(c, &c->services_left_out) ||
               find_service(c, tenant, service, service_hash(tenant, service)) != KIS_CATALOG_NONE;
    kis_lock_give(&c->lock);
    return may;
}

/* ---- listing --------------------------------------------------------------------------------- */

typedef struct listed_name {
    kis_str name;
    uint8_t kind;
} listed_name;

static bool listed_before(const void *a, const void *b)
{
    const listed_name *x = a, *y = b;
    int order = kis_str_compare(x->name, y->name);
    return order < 0 || (order == 0 && x->kind < y->kind);
}

static bool list_add(kis_arena *arena, listed_name *names, uint32_t *count, kis_str name,
                     uint8_t kind)
{
    if (!kis_arena_copy(arena, name, &names[*count].name))
        return false;
    names[(*count)++].kind = kind;
    return true;
}

static kis_err list_out(kis_arena *arena, listed_name *names, uint32_t count, kis_name_fn *each,
                        void *user, kis_diag *diag)
{
    if (!kis_sort(arena, names, count, sizeof *names, listed_before))
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to sort %u names", count);
    for (uint32_t i = 0; i < count; i++) {
        if (i && !listed_before(&names[i - 1], &names[i]))
            continue; /* the same operation of another service */
        if (!each(user, names[i].name, names[i].kind))
            return KIS_OK;
    }
    return KIS_OK;
}

kis_err kis_catalog_list_services(kis_catalog *c, kis_str tenant, kis_arena *arena,
                                  kis_name_fn *each, void *user, kis_diag *diag)
{
    kis_lock_take(&c->lock);
    listed_name *names = KIS_NEW_ARRAY(arena, listed_name, (size_t)c->service_count + 1);
    uint32_t count = 0;
    bool fits = names != NULL;
    for (uint32_t i = 0; fits && i < c->service_count; i++)
        if (!is_deleted(c, &c->services[i].last_generation) &&
            kis_str_eq(c->services[i].tenant, tenant))
            fits = list_add(arena, names, &count, c->services[i].name, 0);
    if (fits && has_left_out(c, &c->services_left_out))
        fits = list_add(arena, names, &count, KIS_STR(KIS_STORE_OVERFLOW_NAME), 0);
    kis_lock_give(&c->lock);
    return fits ? list_out(arena, names, count, each, user, diag)
                : kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to list the services");
}

static bool belongs(const kis_catalog *c, const kis_catalog_service *of, kis_str tenant,
                    kis_str service)
{
    return !is_deleted(c, &of->last_generation) && kis_str_eq(of->tenant, tenant) &&
           (!service.len || kis_str_eq(of->name, service));
}

kis_err kis_catalog_list_operations(kis_catalog *c, kis_str tenant, kis_str service,
                                    kis_arena *arena, kis_name_fn *each, void *user, kis_diag *diag)
{
    kis_lock_take(&c->lock);
    listed_name *names = KIS_NEW_ARRAY(arena, listed_name, (size_t)c->operation_count + 1);
    uint8_t *wanted = KIS_NEW_ARRAY(arena, uint8_t, (size_t)c->service_count + 1);
    uint32_t count = 0;
    bool fits = names && wanted, is_short = false;
    for (uint32_t i = 0; fits && i < c->service_count; i++) {
        wanted[i] = belongs(c, &c->services[i], tenant, service);
        is_short |= wanted[i] && has_left_out(c, &c->services[i].operations_left_out);
    }
    for (uint32_t i = 0; fits && i < c->operation_count; i++)
        if (wanted[c->operations[i].service] && !is_deleted(c, &c->operations[i].last_generation))
            fits = list_add(arena, names, &count, c->operations[i].name, c->operations[i].kind);
    if (fits && is_short)
        fits = list_add(arena, names, &count, KIS_STR(KIS_STORE_OVERFLOW_NAME), 0);
    kis_lock_give(&c->lock);
    return fits ? list_out(arena, names, count, each, user, diag)
                : kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to list the operations");
}
