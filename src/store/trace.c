/* trace.c - one trace: all of its rows, each once, in order.
 *
 * What is kept of a trace is 32 bytes a span; spans themselves are decoded block by block while
 * they are handed out, so the memory of a call does not grow with the size of spans and hardly
 * with their number.
 */
#include "base/diag.h"
#include "store/lookup.h"
#include "store/row.h"
#include "store/sort.h"

#define CHECK_EVERY 1024u
/* as a rule a trace is in one block of one segment or two;
 * many whole ones would push each other out of the cache */
#define WHOLE_BLOCKS 4u

/* ---- gathering ------------------------------------------------------------------------------- */

static bool add_trace_row(kis_lookup *l, kis_trace_rows *rows, const kis_trace_row *row)
{
    if (rows->count == rows->cap) {
        uint32_t cap = rows->cap ? KIS_MIN(rows->cap + rows->cap / 2, KIS_TRACE_SPANS_MAX) : 64;
        kis_trace_row *grown = NULL;
        if (cap > rows->cap)
            grown = kis_alloc_grow(l->store->alloc, rows->at, rows->cap * sizeof *grown,
                                   cap * sizeof *grown);
        if (!grown) {
            l->why = "the trace has more spans than one answer may hold";
            return false;
        }
        rows->at = grown;
        rows->cap = cap;
    }
    rows->at[rows->count++] = *row;
    return true;
}

void kis_trace_rows_done(kis_lookup *l, kis_trace_rows *rows)
{
    l->store->alloc->give_back(l->store->alloc->user, rows->at, rows->cap * sizeof *rows->at);
    *rows = (kis_trace_rows){ 0 };
}

static bool gather_head(kis_lookup *l, uint32_t source, const kis_trace_id *id,
                        kis_trace_rows *rows)
{
    const kis_head *head = l->snapshot.heads[source];
    uint32_t next;

    for (uint32_t at = kis_head_find_trace(head, l->request->tenant, id, l->snapshot.rows[source]);
         at; at = next) {
        const kis_head_row *row = kis_head_row_at(head, at - 1);
        next = row->previous;
        if (!kis_head_row_is_of(head, row, l->request->tenant))
            continue;
        kis_trace_row found = { .start = row->start_unix_ns,
                                .span_id = *kis_row_span_id(row->row),
                                .source = source,
                                .row = at - 1,
                                .kind = kis_row_kind(row->row) };
        if (!add_trace_row(l, rows, &found))
            return false;
    }
    return true;
}

static kis_err gather_block(kis_lookup *l, uint32_t segment, const kis_seg_index *index,
                            uint32_t block, const kis_trace_id *id, kis_trace_rows *rows,
                            bool *out_fits, kis_diag *diag)
{
    kis_segment *from = l->snapshot.segments->at[segment];
    kis_err err = KIS_ERR_CORRUPT;
    kis_seg_block *b;
    uint32_t first, end;

    if (l->whole_blocks) {
        l->whole_blocks--;
        err = kis_block_cache_get(&l->store->cache, from, &index->blocks[block], block,
                                  KIS_NEED_ALL, &b, diag);
    }
    /* that is enough to know the rows; attributes that are damaged are
     * told when they are handed out */
    if (err)
        err = kis_block_cache_get(&l->store->cache, from, &index->blocks[block], block,
                                  KIS_NEED_IDS, &b, diag);
    if (err)
        return err;
    if (kis_seg_block_find_trace(b, id, &first, &end)) {
        for (uint32_t row = first; row < end && *out_fits; row++) {
            kis_trace_row found = { .start = b->start[row],
                                    .span_id = b->span_ids[row],
                                    .source = l->snapshot.head_count + segment,
                                    .block = block,
                                    .row = row,
                                    .kind = b->sigs[b->row_sig[row]].kind };
            *out_fits = add_trace_row(l, rows, &found);
        }
        l->rows_looked_at += end - first;
    }
    kis_seg_block_unref(b);
    return KIS_OK;
}

static kis_err gather_segment(kis_lookup *l, uint32_t segment, const kis_trace_id *id,
                              uint64_t start_min, kis_trace_rows *rows, bool *fits, kis_diag *diag)
{
    kis_segment *s = l->snapshot.segments->at[segment];
    uint32_t *blocks, count;
    kis_diag why;
    kis_err err;

    if (s->is_unknown || !kis_str_eq(s->info.tenant, l->request->tenant) ||
        s->info.start_max < start_min)
        return KIS_OK;
    const kis_seg_index *index = kis_lookup_index(l, segment, &err, diag);
    if (!index)
        return err;
    err = kis_segment_find_trace(s, index, kis_trace_id_hash(id), &l->arena, &blocks, &count, &why);
    /* a damaged page of the trace index: no block is ruled out */
    if (err && kis_lookup_go_without(l, err, &why)) {
        err = KIS_OK;
        blocks = NULL;
        count = s->info.block_count;
    }
    for (uint32_t i = 0; !err && i < count && *fits; i++) {
        uint32_t block = blocks ? blocks[i] : i;
        if (index->blocks[block].start_max < start_min)
            continue;
        err = kis_lookup_check(l, diag);
        if (err)
            return err;
        err = gather_block(l, segment, index, block, id, rows, fits, &why);
        if (err && kis_lookup_skip(l, err, &why))
            err = KIS_OK;
    }
    if (err && kis_lookup_skip(l, err, &why))
        err = KIS_OK;
    return err ? kis_diag_set(diag, err, "%s", why.text) : KIS_OK;
}

/* A segment whose blocks are partly lost may have had more of the trace: where its time touches
 * that of the spans that were found, or none were. */
static void note_lost(kis_lookup *l, const kis_trace_rows *rows)
{
    uint64_t first = rows->count ? UINT64_MAX : 0, last = rows->count ? 0 : UINT64_MAX;

    for (uint32_t i = 0; i < rows->count; i++) {
        first = KIS_MIN(first, rows->at[i].start);
        last = KIS_MAX(last, rows->at[i].start);
    }
    for (uint32_t i = 0; i < l->snapshot.segments->count; i++)
        kis_lookup_note_lost(l, l->snapshot.segments->at[i], first, last);
}

kis_err kis_trace_gather(kis_lookup *l, const kis_trace_id *id, uint64_t start_min,
                         kis_trace_rows *out, kis_diag *diag)
{
    bool fits = true;
    kis_err err = KIS_OK;

    *out = (kis_trace_rows){ 0 };
    for (uint32_t i = 0; i < l->snapshot.head_count && fits; i++)
        fits = gather_head(l, i, id, out);
    for (uint32_t i = 0; i < l->snapshot.segments->count && fits && !err; i++)
        err = gather_segment(l, i, id, start_min, out, &fits, diag);
    if (l->has_lost)
        note_lost(l, out);
    return err;
}

/* ---- reading rows ---------------------------------------------------------------------------- */

static kis_err hold_block(kis_row_reader *r, const kis_trace_row *row, kis_diag *diag)
{
    kis_lookup *l = r->lookup;
    uint32_t segment = row->source - l->snapshot.head_count;
    kis_err err;
    kis_diag why;

    if (r->block && r->block_source == row->source && r->block_number == row->block)
        return KIS_OK;
    kis_row_reader_done(r);
    const kis_seg_index *index = kis_lookup_index(l, segment, &err, diag);
    if (!index)
        return err ? err : KIS_ERR_NOT_FOUND;
    err = kis_block_cache_get(&l->store->cache, l->snapshot.segments->at[segment],
                              &index->blocks[row->block], row->block, r->needs, &r->block, &why);
    if (err) {
        r->block = NULL;
        return kis_lookup_skip(l, err, &why) ? KIS_ERR_NOT_FOUND
                                             : kis_diag_set(diag, err, "%s", why.text);
    }
    r->block_source = row->source;
    r->block_number = row->block;
    return KIS_OK;
}

kis_err kis_row_read(kis_row_reader *r, const kis_trace_row *row, kis_span_view *span,
                     kis_found_span *out, kis_diag *diag)
{
    kis_lookup *l = r->lookup;

    if (row->source < l->snapshot.head_count) {
        const kis_head_row *at = kis_head_row_at(l->snapshot.heads[row->source], row->row);
        kis_cursor c = { at->row, at->row + kis_row_bytes(at->row) };
        if (!kis_row_decode(&c, span))
            return KIS_ERR_NOT_FOUND; /* cannot be: it was decoded when it came */
        *out = (kis_found_span){ span, &at->scope->resource->view, &at->scope->view };
        return KIS_OK;
    }
    kis_err err = hold_block(r, row, diag);
    if (err)
        return err;
    if (row->row >= r->block->rows || !kis_seg_block_row(r->block, row->row, span))
        return kis_lookup_skip(l, KIS_ERR_CORRUPT, &(kis_diag){ .text = "a row does not read" })
                   ? KIS_ERR_NOT_FOUND
                   : KIS_ERR_CORRUPT;
    *out = (kis_found_span){ span, kis_seg_block_resource(r->block, row->row),
                             kis_seg_block_scope(r->block, row->row) };
    return KIS_OK;
}

void kis_row_reader_done(kis_row_reader *r)
{
    kis_seg_block_unref(r->block);
    r->block = NULL;
}

/* ---- get ------------------------------------------------------------------------------------- */

static bool trace_row_before(const void *a, const void *b)
{
    const kis_trace_row *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start;
    int order = memcmp(&x->span_id, &y->span_id, 8);
    return order < 0 || (order == 0 && x->kind < y->kind);
}

/* By start, span id, kind; equal ones are one. */
static void sort_and_merge(kis_trace_rows *rows)
{
    uint32_t kept = 0;

    kis_sort_in_place(rows->at, rows->count, sizeof *rows->at, trace_row_before);
    for (uint32_t i = 0; i < rows->count; i++)
        if (!kept || trace_row_before(&rows->at[kept - 1], &rows->at[i]))
            rows->at[kept++] = rows->at[i];
    rows->count = kept;
}

static kis_err gather_sorted(kis_lookup *l, const kis_trace_id *id, kis_trace_rows *rows,
                             kis_diag *diag)
{
    kis_err err = kis_trace_gather(l, id, 0, rows, diag);
    if (!err)
        sort_and_merge(rows);
    return err;
}

static kis_err hand_out(kis_lookup *l, const kis_trace_rows *rows, uint32_t needs,
                        kis_span_fn *each, void *user, kis_diag *diag)
{
    kis_row_reader reader = { .lookup = l, .needs = needs };
    kis_err err = KIS_OK;

    for (uint32_t i = 0; i < rows->count; i++) {
        kis_span_view span;
        kis_found_span found;
        if (i % CHECK_EVERY == 0 && i)
            err = kis_lookup_check(l, diag);
        if (!err)
            err = kis_row_read(&reader, &rows->at[i], &span, &found, diag);
        if (err == KIS_ERR_NOT_FOUND) {
            err = KIS_OK;
            continue;
        }
        if (err || !each(user, &found))
            break;
    }
    kis_row_reader_done(&reader);
    return err;
}

kis_err kis_store_get(kis_reader *reader, const kis_request *request, const kis_trace_id *id,
                      kis_span_fn *each, void *user, kis_answer *answer, kis_diag *diag)
{
    kis_lookup l;
    kis_trace_rows rows = { 0 };

    *answer = (kis_answer){ 0 };
    kis_err err = kis_lookup_begin(&l, KIS_CONTAINER(reader, kis_store, reader), request, diag);
    if (err)
        return err;
    l.whole_blocks = WHOLE_BLOCKS;
    err = kis_lookup_check(&l, diag);
    if (!err)
        err = gather_sorted(&l, id, &rows, diag);
    if (!err && !rows.count)
        err = kis_diag_set(diag, KIS_ERR_NOT_FOUND, "no such trace");
    if (!err)
        err = hand_out(&l, &rows, KIS_NEED_ALL, each, user, diag);
    kis_trace_rows_done(&l, &rows);
    kis_lookup_end(&l, answer);
    return err;
}

/* ---- summaries ------------------------------------------------------------------------------- */

#define NOT_LISTED UINT32_MAX

typedef struct summing {
    kis_lookup *lookup;
    kis_alloc alloc; /* the lookup's arena */
    kis_trace_summary summary;
    KIS_VEC(kis_trace_service) services; /* in the order of coming, then sorted */
    kis_map service_map;                 /* by name */
    size_t service_bytes;                /* of their names */
    kis_span_id *ids;                    /* of all spans, for orphans */
    kis_span_id *parents;                /* of those that have one */
    uint32_t id_count, parent_count;
    bool has_root, is_first_seen, is_short_of_memory;
} summing;

static void summing_init(summing *sum, kis_lookup *lookup, const kis_trace_id *id)
{
    *sum = (summing){ .lookup = lookup,
                      .alloc = kis_arena_as_alloc(&lookup->arena),
                      .summary = { .trace_id = *id } };
    kis_map_init(&sum->service_map, &sum->alloc);
}

static uint32_t find_summed(const summing *sum, kis_str name)
{
    uint64_t hash = kis_hash_str(name, 0);

    for (kis_map_probe p = kis_map_begin(&sum->service_map, hash);
         kis_map_next(&sum->service_map, &p);)
        if (kis_str_eq(sum->services.at[p.value].name, name))
            return p.value;
    return NOT_LISTED;
}

/* One place is kept for those that are not listed. */
static bool has_room_for_service(const summing *sum, kis_str name)
{
    return sum->services.len < KIS_TRACE_SERVICES_MAX - 1 &&
           sum->service_bytes + name.len <= KIS_TRACE_SERVICES_BYTES_MAX;
}

static uint32_t list_service(summing *sum, kis_str name)
{
    kis_trace_service service = { 0 };
    uint32_t at = sum->services.len;

    if (!kis_arena_copy(&sum->lookup->arena, name, &service.name) ||
        !KIS_VEC_PUSH(&sum->services, &sum->alloc, service) ||
        !kis_map_add(&sum->service_map, kis_hash_str(name, 0), at))
        return NOT_LISTED;
    sum->service_bytes += name.len;
    return at;
}

static bool count_in_service(summing *sum, kis_str name, bool is_error)
{
    uint32_t at = find_summed(sum, name);

    if (at == NOT_LISTED && !has_room_for_service(sum, name)) {
        name = KIS_STR(KIS_STORE_OVERFLOW_NAME);
        at = find_summed(sum, name);
    }
    if (at == NOT_LISTED)
        at = list_service(sum, name);
    if (at == NOT_LISTED)
        return false;
    sum->services.at[at].span_count++;
    sum->services.at[at].error_count += is_error;
    return true;
}

static bool set_root(summing *sum, const kis_found_span *found)
{
    return kis_arena_copy(&sum->lookup->arena, found->resource->service_name,
                          &sum->summary.root_service) &&
           kis_arena_copy(&sum->lookup->arena, found->span->name, &sum->summary.root_name);
}

/* Spans come by start, so the first root is the earliest one,
 * and the first span the earliest of all. */
static bool sum_span(void *user, const kis_found_span *found)
{
    summing *sum = user;
    const kis_span_view *span = found->span;
    kis_trace_summary *out = &sum->summary;
    bool is_root = !kis_span_id_is_valid(&span->parent_id),
         is_error = span->status == KIS_STATUS_ERROR, fits = true;

    if (!sum->is_first_seen) {
        out->start_unix_ns = span->start_unix_ns;
        fits = set_root(sum, found);
        sum->is_first_seen = true;
    } else if (is_root && !sum->has_root) {
        fits = set_root(sum, found);
    }
    sum->has_root |= is_root;
    out->end_unix_ns = KIS_MAX(out->end_unix_ns, KIS_MAX(span->end_unix_ns, span->start_unix_ns));
    out->span_count++;
    out->error_count += is_error;
    sum->ids[sum->id_count++] = span->span_id;
    if (!is_root)
        sum->parents[sum->parent_count++] = span->parent_id;
    fits = fits && count_in_service(sum, found->resource->service_name, is_error);
    sum->is_short_of_memory |= !fits;
    return fits;
}

static bool id_before(const void *a, const void *b)
{
    return memcmp(a, b, 8) < 0;
}

static bool service_before(const void *a, const void *b)
{
    return kis_str_compare(((const kis_trace_service *)a)->name,
                           ((const kis_trace_service *)b)->name) < 0;
}

/* Two sorted lists, walked side by side. */
static bool count_orphans(summing *sum)
{
    uint32_t at = 0;

    if (!kis_sort(&sum->lookup->arena, sum->ids, sum->id_count, 8, id_before) ||
        !kis_sort(&sum->lookup->arena, sum->parents, sum->parent_count, 8, id_before))
        return false;
    for (uint32_t i = 0; i < sum->parent_count; i++) {
        while (at < sum->id_count && id_before(&sum->ids[at], &sum->parents[i]))
            at++;
        sum->summary.orphan_count +=
            at == sum->id_count || !kis_span_id_eq(&sum->ids[at], &sum->parents[i]);
    }
    return true;
}

static kis_err sum_rows(kis_lookup *l, const kis_trace_rows *rows, summing *sum, kis_diag *diag)
{
    sum->ids = KIS_NEW_ARRAY(&l->arena, kis_span_id, rows->count);
    sum->parents = KIS_NEW_ARRAY(&l->arena, kis_span_id, rows->count);
    if (!sum->ids || !sum->parents)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to sum a trace up");
    return hand_out(l, rows, KIS_NEED_IDS, sum_span, sum, diag);
}

static kis_err sum_up(kis_lookup *l, const kis_trace_id *id, summing *sum, kis_diag *diag)
{
    kis_trace_rows rows = { 0 };

    summing_init(sum, l, id);
    kis_err err = gather_sorted(l, id, &rows, diag);
    if (!err)
        err = rows.count ? sum_rows(l, &rows, sum, diag) : KIS_ERR_NOT_FOUND;
    kis_trace_rows_done(l, &rows);
    if (err)
        return err;
    if (sum->is_short_of_memory || !count_orphans(sum) ||
        !kis_sort(&l->arena, sum->services.at, sum->services.len, sizeof *sum->services.at,
                  service_before))
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory to sum a trace up");
    sum->summary.services = sum->services.at;
    sum->summary.service_count = sum->services.len;
    return sum->summary.span_count ? KIS_OK : KIS_ERR_NOT_FOUND;
}

/* Each trace is a lookup of its own, so that the memory of many does not add up. */
kis_err kis_store_summaries(kis_reader *reader, const kis_request *request, const kis_trace_id *ids,
                            uint32_t count, kis_summary_fn *each, void *user, kis_answer *answer,
                            kis_diag *diag)
{
    kis_answer all = { 0 };
    kis_err err = KIS_OK;
    bool goes_on = true;

    *answer = all;
    for (uint32_t i = 0; i < count && !err && goes_on; i++) {
        kis_lookup l;
        kis_answer one;
        summing sum;
        err = kis_lookup_begin(&l, KIS_CONTAINER(reader, kis_store, reader), request, diag);
        if (err)
            break;
        err = kis_lookup_check(&l, diag);
        if (!err)
            err = sum_up(&l, &ids[i], &sum, diag);
        if (!err)
            goes_on = each(user, &sum.summary);
        err = err == KIS_ERR_NOT_FOUND ? KIS_OK : err;
        kis_lookup_end(&l, &one);
        all.is_partial |= one.is_partial;
        all.why = one.why ? one.why : all.why;
        all.rows_looked_at += one.rows_looked_at;
    }
    *answer = all;
    return err;
}
