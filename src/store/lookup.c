/* lookup.c - the reader's table, snapshots, and what all calls share. */
#include "store/lookup.h"

#include "base/diag.h"

#define STACK_DEPTH 64u

#define PARTIAL_BY_DAMAGE  "some stored spans are damaged and were left out"
#define PARTIAL_BY_UNKNOWN "a damaged file of stored spans was left out as a whole"

void kis_snapshot_take(kis_store *s, kis_snapshot *out)
{
    kis_lock_take(&s->lock);
    out->head_count = 0;
    for (uint32_t i = 0; i <= s->frozen_count; i++) {
        kis_head *head = i < s->frozen_count ? s->frozen[i] : s->active;
        out->heads[out->head_count] = kis_head_ref(head);
        out->rows[out->head_count++] = kis_head_published(head);
    }
    out->segments = s->segments;
    atomic_fetch_add_explicit(&out->segments->refs, 1, memory_order_relaxed);
    kis_lock_give(&s->lock);
}

void kis_snapshot_give(kis_snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->head_count; i++)
        kis_head_unref(snapshot->heads[i]);
    kis_segment_set_unref(snapshot->segments);
    *snapshot = (kis_snapshot){ 0 };
}

kis_err kis_lookup_begin(kis_lookup *l, kis_store *store, const kis_request *request,
                         kis_diag *diag)
{
    *l = (kis_lookup){ .store = store, .request = request };
    kis_arena_init(&l->arena, store->alloc, KIS_QUERY_BYTES_MAX);
    kis_snapshot_take(store, &l->snapshot);
    size_t bytes = (l->snapshot.segments->count + 1) * sizeof *l->index;
    l->index = kis_arena_take(&l->arena, bytes, 8);
    if (!l->index) {
        kis_lookup_end(l, NULL);
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to search in");
    }
    memset(l->index, 0, bytes);
    for (uint32_t i = 0; i < l->snapshot.segments->count; i++) {
        l->has_lost |= l->snapshot.segments->at[i]->lost_blocks > 0;
        if (l->snapshot.segments->at[i]->is_unknown) /* it may have had any span of anybody */
            l->why = PARTIAL_BY_UNKNOWN;
    }
    return KIS_OK;
}

void kis_lookup_end(kis_lookup *l, kis_answer *answer)
{
    if (answer)
        *answer = (kis_answer){ .is_partial = l->why != NULL,
                                .why = l->why,
                                .rows_looked_at = l->rows_looked_at };
    kis_snapshot_give(&l->snapshot);
    kis_arena_done(&l->arena);
}

kis_err kis_request_check(kis_store *store, const kis_request *request, kis_diag *diag)
{
    if (request->is_cancelled && atomic_load_explicit(request->is_cancelled, memory_order_relaxed))
        return kis_diag_set(diag, KIS_ERR_CLOSED, "the search was cancelled");
    if (request->deadline_ns && store->os->ops->now_ns(store->os) > request->deadline_ns)
        return kis_diag_set(diag, KIS_ERR_TIMEOUT, "the search took longer than it may");
    return KIS_OK;
}

kis_err kis_lookup_check(const kis_lookup *l, kis_diag *diag)
{
    return kis_request_check(l->store, l->request, diag);
}

static bool is_damage(kis_err err)
{
    return err == KIS_ERR_CORRUPT || err == KIS_ERR_IO || err == KIS_ERR_NOT_FOUND;
}

bool kis_lookup_skip(kis_lookup *l, kis_err err, const kis_diag *why)
{
    if (!is_damage(err))
        return false;
    kis_store_counter_add(&l->store->count.damaged_blocks, 1);
    kis_store_log(l->store, 3, "stored spans are left out of an answer: %s", why->text);
    l->why = PARTIAL_BY_DAMAGE;
    return true;
}

bool kis_lookup_go_without(kis_lookup *l, kis_err err, const kis_diag *why)
{
    if (!is_damage(err))
        return false;
    kis_store_counter_add(&l->store->count.damaged_blocks, 1);
    kis_store_log(l->store, 3,
                  "an index is damaged, the blocks themselves are searched instead: %s", why->text);
    return true;
}

void kis_lookup_note_lost(kis_lookup *l, const kis_segment *segment, uint64_t first, uint64_t last)
{
    if (segment->lost_blocks && kis_str_eq(segment->info.tenant, l->request->tenant) &&
        segment->info.start_min <= last && segment->info.start_max >= first)
        l->why = PARTIAL_BY_DAMAGE;
}

const kis_seg_index *kis_lookup_index(kis_lookup *l, uint32_t segment, kis_err *err, kis_diag *diag)
{
    kis_seg_index *index = &l->index[segment];
    kis_diag why;

    *err = KIS_OK;
    if (index->blocks)
        return index;
    *err = kis_segment_index(l->snapshot.segments->at[segment], &l->arena, index, &why);
    if (!*err)
        return index;
    if (kis_lookup_skip(l, *err, &why))
        *err = KIS_OK;
    else
        kis_diag_set(diag, *err, "%s", why.text);
    return NULL;
}

static uint32_t needs_of(kis_filter_on on)
{
    switch (on) {
    case KIS_ON_ANY_ATTR:
        return KIS_NEED_ATTRS | KIS_NEED_REST;
    case KIS_ON_SPAN_ATTR:
        return KIS_NEED_ATTRS;
    case KIS_ON_EVENT_ATTR:
    case KIS_ON_LINK_ATTR:
    case KIS_ON_STATUS_MESSAGE:
    case KIS_ON_EVENT_NAME:
    case KIS_ON_TRACE_STATE:
        return KIS_NEED_REST;
    case KIS_ON_PARENT:
        return KIS_NEED_IDS;
    case KIS_ON_RESOURCE_ATTR:
    case KIS_ON_SCOPE_ATTR:
    case KIS_ON_SERVICE:
    case KIS_ON_NAME:
    case KIS_ON_KIND:
    case KIS_ON_STATUS:
    case KIS_ON_DURATION:
    case KIS_ON_SCOPE_NAME:
    case KIS_ON_SCOPE_VERSION:
        return 0;
    }
    return KIS_NEED_ALL;
}

/* A walk without recursion: a filter comes from a request.
 * Too deep or too wide for the stack here: everything is needed. */
uint32_t kis_filter_needs(const kis_filter *filter)
{
    const kis_filter *stack[STACK_DEPTH];
    uint32_t depth = 0, needs = 0;

    if (filter)
        stack[depth++] = filter;
    while (depth) {
        const kis_filter *f = stack[--depth];
        if (f->op == KIS_FILTER_COMPARE) {
            needs |= needs_of(f->on);
            continue;
        }
        if (f->part_count > STACK_DEPTH - depth)
            return KIS_NEED_ALL;
        for (uint32_t i = 0; i < f->part_count; i++)
            stack[depth++] = f->parts[i];
    }
    return needs;
}

/* Of segments that are known the catalogue has the names, or says that some are missing. */
static bool has_unknown(kis_store *s)
{
    bool found = false;

    kis_lock_take(&s->lock);
    for (uint32_t i = 0; i < s->segments->count && !found; i++)
        found = s->segments->at[i]->is_unknown;
    kis_lock_give(&s->lock);
    return found;
}

static kis_err list_names(kis_reader *reader, const kis_request *request, bool is_services,
                          kis_str service, kis_name_fn *each, void *user, kis_answer *answer,
                          kis_diag *diag)
{
    kis_store *s = KIS_CONTAINER(reader, kis_store, reader);
    kis_arena arena;

    *answer = (kis_answer){ 0 };
    kis_err err = kis_request_check(s, request, diag);
    if (err)
        return err;
    if (has_unknown(s))
        *answer = (kis_answer){ .is_partial = true, .why = PARTIAL_BY_UNKNOWN };
    kis_arena_init(&arena, s->alloc, KIS_QUERY_BYTES_MAX);
    err = is_services
              ? kis_catalog_list_services(&s->catalog, request->tenant, &arena, each, user, diag)
              : kis_catalog_list_operations(&s->catalog, request->tenant, service, &arena, each,
                                            user, diag);
    kis_arena_done(&arena);
    return err;
}

static kis_err store_services(kis_reader *reader, const kis_request *request, kis_name_fn *each,
                              void *user, kis_answer *answer, kis_diag *diag)
{
    return list_names(reader, request, true, KIS_STR_NONE, each, user, answer, diag);
}

static kis_err store_operations(kis_reader *reader, const kis_request *request, kis_str service,
                                kis_name_fn *each, void *user, kis_answer *answer, kis_diag *diag)
{
    return list_names(reader, request, false, service, each, user, answer, diag);
}

const kis_reader_ops kis_store_reader_ops = {
    .name = "store",
    .capabilities = 0,
    .find = kis_store_find,
    .get = kis_store_get,
    .summaries = kis_store_summaries,
    .services = store_services,
    .operations = store_operations,
};
