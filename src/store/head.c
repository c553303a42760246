/* head.c - filling and reading a head. */
#include "store/head.h"

#include "base/check.h"
#include "base/diag.h"
#include "store/row.h"

#define CHUNKS_MAX      (KIS_HEAD_ROWS_MAX / KIS_HEAD_CHUNK_ROWS)
#define TABLE_SLOTS_MIN 8192u

/* ---- memory ---------------------------------------------------------------------------------- */

static void charge(kis_head *h, size_t bytes)
{
    atomic_fetch_add_explicit(&h->bytes, bytes, memory_order_relaxed);
}

static size_t table_bytes(uint32_t slots)
{
    return sizeof(kis_head_table) + slots * sizeof(uint64_t);
}

static kis_head_table *table_new(const kis_alloc *alloc, uint32_t slots)
{
    kis_head_table *table = alloc->take(alloc->user, table_bytes(slots));
    if (!table)
        return NULL;
    memset(table, 0, table_bytes(slots));
    table->slot_count = slots;
    return table;
}

kis_head *kis_head_new(const kis_alloc *alloc, uint64_t generation)
{
    kis_head *h = alloc->take(alloc->user, sizeof *h);
    if (!h)
        return NULL;
    *h = (kis_head){
        .refs = 1, .alloc = alloc, .generation = generation, .received_min_unix_ns = UINT64_MAX
    };
    h->chunks = alloc->take(alloc->user, CHUNKS_MAX * sizeof *h->chunks);
    kis_head_table *table = h->chunks ? table_new(alloc, TABLE_SLOTS_MIN) : NULL;
    if (!table) {
        alloc->give_back(alloc->user, h->chunks, CHUNKS_MAX * sizeof *h->chunks);
        alloc->give_back(alloc->user, h, sizeof *h);
        return NULL;
    }
    memset(h->chunks, 0, CHUNKS_MAX * sizeof *h->chunks);
    atomic_store_explicit(&h->table, table, memory_order_relaxed);
    kis_arena_init(&h->arena, alloc, SIZE_MAX);
    kis_map_init(&h->resource_map, alloc);
    kis_map_init(&h->scope_map, alloc);
    charge(h, CHUNKS_MAX * sizeof *h->chunks + table_bytes(TABLE_SLOTS_MIN));
    return h;
}

kis_head *kis_head_ref(kis_head *h)
{
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

void kis_head_unref(kis_head *h)
{
    if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    const kis_alloc *alloc = h->alloc;
    for (uint32_t i = 0; i < h->slabs.len; i++)
        alloc->give_back(alloc->user, h->slabs.at[i].ptr, h->slabs.at[i].cap);
    for (uint32_t i = 0; i < CHUNKS_MAX && h->chunks[i]; i++)
        alloc->give_back(alloc->user, h->chunks[i], sizeof **h->chunks);
    for (kis_head_table *t = atomic_load(&h->table), *next; t; t = next) {
        next = t->outgrown;
        alloc->give_back(alloc->user, t, table_bytes(t->slot_count));
    }
    KIS_VEC_DONE(&h->slabs, alloc);
    KIS_VEC_DONE(&h->keys, alloc);
    KIS_VEC_DONE(&h->resources, alloc);
    KIS_VEC_DONE(&h->scopes, alloc);
    KIS_VEC_DONE(&h->frame_resources, alloc);
    KIS_VEC_DONE(&h->frame_scopes, alloc);
    kis_map_done(&h->resource_map);
    kis_map_done(&h->scope_map);
    kis_arena_done(&h->arena);
    kis_wal_close(&h->wal);
    alloc->give_back(alloc->user, h->chunks, CHUNKS_MAX * sizeof *h->chunks);
    alloc->give_back(alloc->user, h, sizeof *h);
}

static bool has_tenant(const kis_head *h, kis_str tenant)
{
    for (uint32_t i = 0; i < h->tenant_count; i++)
        if (kis_str_eq(h->tenants[i], tenant))
            return true;
    return false;
}

bool kis_head_has_room(const kis_head *h, uint64_t head_bytes, size_t record_size, uint32_t spans,
                       kis_str tenant)
{
    if (h->rows == 0)
        return true;
    if (h->tenant_count == KIS_HEAD_TENANTS_MAX && !has_tenant(h, tenant))
        return false;
    uint64_t more = record_size + (uint64_t)spans * (sizeof(kis_head_row) + 8);
    return atomic_load_explicit(&h->bytes, memory_order_relaxed) + more <= head_bytes &&
           (uint64_t)h->rows + spans <= KIS_HEAD_ROWS_MAX;
}

uint8_t *kis_head_reserve_record(kis_head *h, size_t size)
{
    kis_head_slab *last = h->slabs.len ? &h->slabs.at[h->slabs.len - 1] : NULL;

    if (last && size <= last->cap - last->len)
        return last->ptr + last->len;
    size_t cap = KIS_MAX(size, KIS_HEAD_SLAB_BYTES);
    kis_head_slab slab = { .ptr = h->alloc->take(h->alloc->user, cap), .cap = cap };
    if (!slab.ptr)
        return NULL;
    if (!KIS_VEC_PUSH(&h->slabs, h->alloc, slab)) {
        h->alloc->give_back(h->alloc->user, slab.ptr, cap);
        return NULL;
    }
    return slab.ptr;
}

void kis_head_keep_record(kis_head *h, size_t size)
{
    h->slabs.at[h->slabs.len - 1].len += size;
    charge(h, size);
}

bool kis_head_adopt_slab(kis_head *h, kis_head_slab slab)
{
    if (!KIS_VEC_PUSH(&h->slabs, h->alloc, slab))
        return false;
    charge(h, slab.len);
    return true;
}

/* ---- the trace table ------------------------------------------------------------------------- */

static uint64_t trace_hash(kis_str tenant, const kis_trace_id *id)
{
    return kis_hash_u64(kis_trace_id_hash(id) ^ (tenant.len ? kis_hash_str(tenant, 7) : 0));
}

/* The slot of a trace, or the empty one where it would be. */
static uint32_t table_find(const kis_head *h, const kis_head_table *t, uint64_t hash,
                           const kis_trace_id *id, uint64_t *out_slot)
{
    uint32_t at = (uint32_t)hash & (t->slot_count - 1);
    for (;; at = (at + 1) & (t->slot_count - 1)) {
        uint64_t slot = atomic_load_explicit(&t->slots[at], memory_order_acquire);
        *out_slot = slot;
        if (!slot ||
            (slot >> 32 == hash >> 32 &&
             kis_trace_id_eq(kis_row_trace_id(kis_head_row_at(h, (uint32_t)slot - 1)->row), id)))
            return at;
    }
}

static bool table_enlarge(kis_head *h)
{
    kis_head_table *old = atomic_load_explicit(&h->table, memory_order_relaxed);
    uint32_t mask = old->slot_count * 2 - 1;
    kis_head_table *bigger = table_new(h->alloc, old->slot_count * 2);
    if (!bigger)
        return false;
    for (uint32_t i = 0; i < old->slot_count; i++) {
        uint64_t slot = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        if (!slot)
            continue;
        const kis_head_row *row = kis_head_row_at(h, (uint32_t)slot - 1);
        const kis_head_scope *scope = row->scope;
        uint32_t next = (uint32_t)slot;
        while (!scope && next) { /* dead rows have no tenant: ask an older one of the chain */
            next = kis_head_row_at(h, next - 1)->previous;
            scope = next ? kis_head_row_at(h, next - 1)->scope : NULL;
        }
        if (!scope)
            continue; /* nothing alive in this trace */
        uint32_t at =
            (uint32_t)trace_hash(h->tenants[scope->resource->tenant], kis_row_trace_id(row->row)) &
            mask;
        while (atomic_load_explicit(&bigger->slots[at], memory_order_relaxed))
            at = (at + 1) & mask;
        atomic_store_explicit(&bigger->slots[at], slot, memory_order_relaxed);
        bigger->used++;
    }
    bigger->outgrown = old;
    atomic_store_explicit(&h->table, bigger, memory_order_release);
    charge(h, table_bytes(bigger->slot_count));
    return true;
}

uint32_t kis_head_find_trace(const kis_head *h, kis_str tenant, const kis_trace_id *id,
                             uint32_t count)
{
    uint64_t slot;
    const kis_head_table *table = atomic_load_explicit(&h->table, memory_order_acquire);
    table_find(h, table, trace_hash(tenant, id), id, &slot);
    uint32_t row = (uint32_t)slot;
    while (row > count)
        row = kis_head_row_at(h, row - 1)->previous;
    return row;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static kis_err intern_tenant(kis_head *h, kis_str tenant, uint32_t *out)
{
    for (uint32_t i = 0; i < h->tenant_count; i++)
        if (kis_str_eq(h->tenants[i], tenant)) {
            *out = i;
            return KIS_OK;
        }
    if (h->tenant_count == KIS_HEAD_TENANTS_MAX)
        return KIS_ERR_LIMIT;
    if (!kis_arena_copy(&h->arena, tenant, &h->tenants[h->tenant_count]))
        return KIS_ERR_NOMEM;
    *out = h->tenant_count++;
    return KIS_OK;
}

static const kis_head_resource *intern_resource(kis_head *h, kis_bytes body,
                                                const kis_resource_view *view, uint32_t tenant)
{
    uint64_t hash = kis_hash(body, tenant);
    for (kis_map_probe p = kis_map_begin(&h->resource_map, hash);
         kis_map_next(&h->resource_map, &p);) {
        const kis_head_resource *known = h->resources.at[p.value];
        if (known->tenant == tenant && known->body.len == body.len &&
            memcmp(known->body.ptr, body.ptr, body.len) == 0)
            return known;
    }
    size_t held = h->arena.held_bytes;
    kis_head_resource *added = KIS_NEW(&h->arena, kis_head_resource);
    if (!added || !KIS_VEC_PUSH(&h->resources, h->alloc, added) ||
        !kis_map_add(&h->resource_map, hash, h->resources.len - 1))
        return NULL;
    *added = (kis_head_resource){ *view, body, tenant };
    charge(h, h->arena.held_bytes - held + 32);
    return added;
}

static bool attrs_eq(kis_attrs a, kis_attrs b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static const kis_head_scope *intern_scope(kis_head *h, const kis_scope_view *view,
                                          const kis_head_resource *resource)
{
    uint64_t hash = kis_hash_str(view->name, (uint64_t)(uintptr_t)resource) ^
                    kis_hash(kis_bytes_of(view->attrs.ptr, view->attrs.len), view->version.len);
    for (kis_map_probe p = kis_map_begin(&h->scope_map, hash); kis_map_next(&h->scope_map, &p);) {
        const kis_head_scope *known = h->scopes.at[p.value];
        if (known->resource == resource && kis_str_eq(known->view.name, view->name) &&
            kis_str_eq(known->view.version, view->version) &&
            kis_str_eq(known->view.schema_url, view->schema_url) &&
            known->view.dropped_attrs == view->dropped_attrs &&
            attrs_eq(known->view.attrs, view->attrs))
            return known;
    }
    size_t held = h->arena.held_bytes;
    kis_head_scope *added = KIS_NEW(&h->arena, kis_head_scope);
    if (!added || !KIS_VEC_PUSH(&h->scopes, h->alloc, added) ||
        !kis_map_add(&h->scope_map, hash, h->scopes.len - 1))
        return NULL;
    *added = (kis_head_scope){ .view = *view,
                               .resource = resource,
                               .catalog_service = KIS_CATALOG_NONE };
    added->view.resource = added->view.first_span = added->view.span_count = 0;
    charge(h, h->arena.held_bytes - held + 32);
    return added;
}

static void list_operation(const kis_head *h, kis_catalog *catalog, kis_head_scope *scope,
                           const kis_span_view *span)
{
    if (scope->catalog_service == KIS_CATALOG_NONE || scope->catalog_epoch != catalog->epoch) {
        const kis_head_resource *resource = scope->resource;
        scope->catalog_service = kis_catalog_see_service(
            catalog, h->tenants[resource->tenant], resource->view.service_name, h->generation);
        scope->catalog_epoch = catalog->epoch;
    }
    if (scope->catalog_service != KIS_CATALOG_NONE)
        kis_catalog_see_operation(catalog, scope->catalog_service, span->name, span->kind,
                                  h->generation);
}

static kis_err add_row(kis_head *h, const uint8_t *row, const kis_span_view *span,
                       const kis_head_scope *scope, uint32_t received_s)
{
    kis_head_table *table = atomic_load_explicit(&h->table, memory_order_relaxed);
    uint32_t at = h->rows, chunk = at / KIS_HEAD_CHUNK_ROWS;
    uint64_t slot;

    if (at == KIS_HEAD_ROWS_MAX)
        return KIS_ERR_LIMIT;
    if (table->used >= table->slot_count / 2) {
        if (!table_enlarge(h))
            return KIS_ERR_NOMEM;
        table = atomic_load_explicit(&h->table, memory_order_relaxed);
    }
    if (!h->chunks[chunk]) {
        h->chunks[chunk] = h->alloc->take(h->alloc->user, sizeof **h->chunks);
        if (!h->chunks[chunk])
            return KIS_ERR_NOMEM;
        h->chunks[chunk]->start_min = UINT64_MAX;
        h->chunks[chunk]->start_max = 0;
        charge(h, sizeof **h->chunks);
    }
    uint64_t hash = trace_hash(h->tenants[scope->resource->tenant], &span->trace_id);
    uint32_t place = table_find(h, table, hash, &span->trace_id, &slot);
    kis_head_chunk *in = h->chunks[chunk];
    in->rows[at % KIS_HEAD_CHUNK_ROWS] =
        (kis_head_row){ row, scope, span->start_unix_ns, (uint32_t)slot, received_s };
    in->start_min = KIS_MIN(in->start_min, span->start_unix_ns);
    in->start_max = KIS_MAX(in->start_max, span->start_unix_ns);
    atomic_store_explicit(&table->slots[place], (hash >> 32 << 32) | (at + 1),
                          memory_order_release);
    table->used += slot == 0;
    h->rows++;
    return KIS_OK;
}

static kis_err read_resources_and_scopes(kis_head *h, kis_cursor *c, const kis_frame_head *frame,
                                         uint32_t tenant)
{
    h->frame_resources.len = h->frame_scopes.len = 0;
    for (uint32_t i = 0; i < frame->resource_count; i++) {
        kis_resource_view view;
        const uint8_t *from = c->at;
        if (!kis_frame_read_resource(c, &view))
            return KIS_ERR_CORRUPT;
        const kis_head_resource *resource =
            intern_resource(h, kis_bytes_of(from, (size_t)(c->at - from)), &view, tenant);
        if (!resource || !KIS_VEC_PUSH(&h->frame_resources, h->alloc, resource))
            return KIS_ERR_NOMEM;
    }
    for (uint32_t i = 0; i < frame->scope_count; i++) {
        kis_scope_view view;
        if (!kis_frame_read_scope(c, &view) || view.resource >= h->frame_resources.len)
            return KIS_ERR_CORRUPT;
        const kis_head_scope *scope = intern_scope(h, &view, h->frame_resources.at[view.resource]);
        if (!scope || !KIS_VEC_PUSH(&h->frame_scopes, h->alloc,
                                    ((kis_head_frame_scope){ scope, view.span_count })))
            return KIS_ERR_NOMEM;
    }
    return KIS_OK;
}

static kis_err read_rows(kis_head *h, kis_cursor *c, kis_catalog *catalog, uint32_t received_s,
                         uint32_t span_count)
{
    uint32_t seen = 0;

    for (uint32_t i = 0; i < h->frame_scopes.len; i++) {
        const kis_head_scope *scope = h->frame_scopes.at[i].scope;
        for (uint32_t j = 0; j < h->frame_scopes.at[i].span_count; j++, seen++) {
            kis_span_view span;
            const uint8_t *row = c->at;
            if (!kis_row_decode(c, &span))
                return KIS_ERR_CORRUPT;
            kis_err err = add_row(h, row, &span, scope, received_s);
            if (err)
                return err;
            list_operation(h, catalog, (kis_head_scope *)scope, &span);
        }
    }
    return seen == span_count && c->at == c->end ? KIS_OK : KIS_ERR_CORRUPT;
}

kis_err kis_head_add(kis_head *h, kis_bytes body, kis_catalog *catalog, kis_frame_head *out,
                     kis_diag *diag)
{
    kis_cursor c = kis_cursor_of(body);
    kis_frame_head frame;
    uint32_t first = h->rows, tenant;

    if (!kis_frame_read_head(&c, &frame))
        return kis_diag_set(diag, KIS_ERR_CORRUPT, "a record's head does not read");
    kis_err err = intern_tenant(h, frame.tenant, &tenant);
    if (err)
        return kis_diag_set(diag, err, "more tenants than one head holds");
    uint32_t received_s = (uint32_t)(frame.received_unix_ns / 1000000000u);
    err = read_resources_and_scopes(h, &c, &frame, tenant);
    if (!err)
        err = read_rows(h, &c, catalog, received_s, frame.span_count);
    if (!err && frame.key.len &&
        !KIS_VEC_PUSH(&h->keys, h->alloc, kis_key_of(frame.tenant, frame.key, received_s)))
        err = KIS_ERR_NOMEM;
    if (err) {
        kis_head_kill_rows(h, first);
        return kis_diag_set(diag, err, "a record's spans cannot be entered: %s", kis_err_text(err));
    }
    h->received_min_unix_ns = KIS_MIN(h->received_min_unix_ns, frame.received_unix_ns);
    h->received_max_unix_ns = KIS_MAX(h->received_max_unix_ns, frame.received_unix_ns);
    *out = frame;
    return KIS_OK;
}

void kis_head_kill_rows(kis_head *h, uint32_t first)
{
    KIS_ASSERT(first >= atomic_load_explicit(&h->published, memory_order_relaxed));
    for (uint32_t i = first; i < h->rows; i++) {
        kis_head_row *row = &h->chunks[i / KIS_HEAD_CHUNK_ROWS]->rows[i % KIS_HEAD_CHUNK_ROWS];
        h->dead += row->scope != NULL;
        row->scope = NULL;
    }
}

void kis_head_publish(kis_head *h)
{
    atomic_store_explicit(&h->published, h->rows, memory_order_release);
}
