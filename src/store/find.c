/* find.c - newest traces first, exactly, looking at as little as possible.
 *
 *     places (a block of a segment, a chunk of a head) that time and names do not rule out, by
 *     their newest start, newest first
 *         ─> rows of each ─> filter ─> the best `limit` so far
 *     until the next place's newest start is older than the worst of a full list:
 *     nothing behind it can change the answer
 *
 * A trace is found at the start of its newest matching span. With a token, a trace whose newest
 * matching span lies at or before the token's place (that is, newer) was on an earlier page and
 * must not come again because of an older span: before a trace enters the list, its spans from the
 * token on are looked at, through the trace index.
 */
#include "base/diag.h"
#include "model/limits.h"
#include "store/lookup.h"
#include "store/row.h"
#include "store/sort.h"

#define FIND_LIMIT_MAX 100000u /* traces of one call: 24 bytes each, three times */
#define CHECK_EVERY    8u      /* places */

typedef struct find_place {
    uint64_t start_max, start_min;
    uint32_t source; /* as in kis_trace_row */
    uint32_t block;  /* of a segment; chunk of a head */
} find_place;

typedef struct find_trace {
    kis_found found;
    bool is_out; /* was on an earlier page */
} find_trace;

typedef struct finding {
    kis_lookup lookup;
    const kis_find *find;
    uint32_t needs;
    uint64_t start_last;   /* inclusive */
    kis_str service, name; /* that every match must have; ptr NULL: any */
    uint64_t service_hash, name_hash;

    find_place *heap;
    uint32_t place_count, place_cap;

    find_trace *traces; /* up to twice the limit, then the worse half goes */
    uint32_t trace_count, trace_cap, limit;
    kis_map map;     /* trace id -> index */
    bool is_changed; /* since shorten_list: sorting again would tell something new */
    bool has_threshold;
    kis_found threshold; /* the worst of a full list: better must come to enter */
} finding;

/* ---- order ----------------------------------------------------------------------------------- */

/* Newest first, then by trace id, larger first: as the token's SQL in reader.h has it. */
static bool comes_before(const kis_found *a, const kis_found *b)
{
    if (a->newest_unix_ns != b->newest_unix_ns)
        return a->newest_unix_ns > b->newest_unix_ns;
    return memcmp(&a->trace_id, &b->trace_id, 16) > 0;
}

static bool find_trace_before(const void *a, const void *b)
{
    const find_trace *x = a, *y = b;
    if (x->is_out != y->is_out)
        return !x->is_out;
    return comes_before(&x->found, &y->found);
}

static bool has_token(const kis_find *find)
{
    return find->after.newest_unix_ns != 0 || kis_trace_id_is_valid(&find->after.trace_id);
}

/* Whether (start, trace) is not behind the token: such a span shows its
 * trace on an earlier page. */
static bool is_before_token(const finding *f, uint64_t start, const kis_trace_id *id)
{
    kis_found here = { *id, start },
              token = { f->find->after.trace_id, f->find->after.newest_unix_ns };
    return !comes_before(&token, &here);
}

/* ---- what every match must have -------------------------------------------------------------- */

static void note_condition(finding *f, const kis_filter *filter)
{
    if (filter->op != KIS_FILTER_COMPARE || filter->compare != KIS_EQ ||
        filter->value.kind != KIS_VALUE_STR)
        return;
    if (filter->on == KIS_ON_SERVICE)
        f->service =
            kis_str_of(filter->value.str.ptr ? filter->value.str.ptr : "", filter->value.str.len);
    if (filter->on == KIS_ON_NAME)
        f->name =
            kis_str_of(filter->value.str.ptr ? filter->value.str.ptr : "", filter->value.str.len);
}

/* Equalities of service and name at the top of the tree; the rest is left to the filter. */
static void note_conditions(finding *f)
{
    const kis_filter *filter = f->find->filter;

    if (!filter)
        return;
    note_condition(f, filter);
    for (uint32_t i = 0; filter->op == KIS_FILTER_AND && i < filter->part_count; i++)
        note_condition(f, filter->parts[i]);
    f->service_hash = kis_name_hash_service(f->service);
    f->name_hash = f->service.ptr && f->name.ptr ? kis_name_hash_both(f->service_hash, f->name)
                                                 : kis_name_hash_operation(f->name);
}

static bool names_may_match(const finding *f, const uint8_t *filter)
{
    return (!f->service.ptr || kis_name_filter_may_have(filter, f->service_hash)) &&
           (!f->name.ptr || kis_name_filter_may_have(filter, f->name_hash));
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool add_place(finding *f, const find_place *place)
{
    uint32_t count = f->place_count;

    if (count == f->place_cap) {
        uint32_t cap = count ? count * 2 : 1024;
        find_place *grown = kis_arena_grow(&f->lookup.arena, f->heap, count * sizeof *grown,
                                           cap * sizeof *grown, 8);
        if (!grown)
            return false;
        f->heap = grown;
        f->place_cap = cap;
    }
    f->heap[f->place_count++] = *place;
    return true;
}

static bool time_may_match(const finding *f, uint64_t start_min, uint64_t start_max)
{
    return start_max >= f->find->start_min_unix_ns && start_min <= f->start_last;
}

static bool add_head_places(finding *f, uint32_t source)
{
    const kis_head *head = f->lookup.snapshot.heads[source];
    uint32_t rows = f->lookup.snapshot.rows[source];

    for (uint32_t chunk = 0; chunk * KIS_HEAD_CHUNK_ROWS < rows; chunk++) {
        /* else its bounds still change */
        bool is_whole = (chunk + 1) * KIS_HEAD_CHUNK_ROWS <= rows;
        find_place place = { .start_max = is_whole ? head->chunks[chunk]->start_max : UINT64_MAX,
                             .start_min = is_whole ? head->chunks[chunk]->start_min : 0,
                             .source = source,
                             .block = chunk };
        if (time_may_match(f, place.start_min, place.start_max) && !add_place(f, &place))
            return false;
    }
    return true;
}

static kis_err add_segment_places(finding *f, uint32_t segment, kis_diag *diag)
{
    kis_lookup *l = &f->lookup;
    const kis_segment *s = l->snapshot.segments->at[segment];
    kis_err err;

    if (s->is_unknown || !kis_str_eq(s->info.tenant, l->request->tenant) ||
        !time_may_match(f, s->info.start_min, s->info.start_max))
        return KIS_OK;
    kis_lookup_note_lost(l, s, s->info.start_min, s->info.start_max);
    const kis_seg_index *index = kis_lookup_index(l, segment, &err, diag);
    if (!index)
        return err;
    for (uint32_t i = 0; i < s->info.block_count; i++) {
        const kis_seg_block_info *block = &index->blocks[i];
        find_place place = { block->start_max, block->start_min, l->snapshot.head_count + segment,
                             i };
        if (time_may_match(f, block->start_min, block->start_max) &&
            names_may_match(f, block->names) && !add_place(f, &place))
            return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the places to search");
    }
    return KIS_OK;
}

static void place_sink(finding *f, uint32_t at)
{
    find_place held = f->heap[at];
    for (uint32_t below; (below = 2 * at + 1) < f->place_count; at = below) {
        if (below + 1 < f->place_count && f->heap[below + 1].start_max > f->heap[below].start_max)
            below++;
        if (f->heap[below].start_max <= held.start_max)
            break;
        f->heap[at] = f->heap[below];
    }
    f->heap[at] = held;
}

static kis_err gather_places(finding *f, kis_diag *diag)
{
    kis_err err = KIS_OK;

    for (uint32_t i = 0; i < f->lookup.snapshot.head_count; i++)
        if (!add_head_places(f, i))
            return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the places to search");
    for (uint32_t i = 0; i < f->lookup.snapshot.segments->count && !err; i++)
        err = add_segment_places(f, i, diag);
    for (uint32_t i = f->place_count / 2; i-- > 0;)
        place_sink(f, i);
    return err;
}

static find_place take_place(finding *f)
{
    find_place newest = f->heap[0];
    f->heap[0] = f->heap[--f->place_count];
    if (f->place_count)
        place_sink(f, 0);
    return newest;
}

/* ---- the list -------------------------------------------------------------------------------- */

static find_trace *find_listed(finding *f, const kis_trace_id *id)
{
    uint64_t hash = kis_trace_id_hash(id);
    for (kis_map_probe p = kis_map_begin(&f->map, hash); kis_map_next(&f->map, &p);)
        if (kis_trace_id_eq(&f->traces[p.value].found.trace_id, id))
            return &f->traces[p.value];
    return NULL;
}

/* Keeps the best `limit` once there are so many, and says from where on a new one is worth its
 * place. While there are fewer, those known to be out are kept too, as long as there is room: that
 * saves looking at them again. */
static bool shorten_list(finding *f)
{
    uint32_t good = 0;

    kis_sort_in_place(f->traces, f->trace_count, sizeof *f->traces, find_trace_before);
    while (good < f->trace_count && !f->traces[good].is_out)
        good++;
    if (good >= f->limit) {
        f->threshold = f->traces[f->limit - 1].found;
        f->has_threshold = true;
        /* the others, and who is out, are looked at again should they come: no harm */
        f->trace_count = f->limit;
    } else if (f->trace_count == f->trace_cap) {
        f->trace_count = good + (f->trace_count - good) / 2;
    }
    kis_map_done(&f->map);
    kis_map_init(&f->map, f->lookup.store->alloc);
    for (uint32_t i = 0; i < f->trace_count; i++)
        if (!kis_map_add(&f->map, kis_trace_id_hash(&f->traces[i].found.trace_id), i))
            return false;
    f->is_changed = false;
    return true;
}

static bool matches(const finding *f, const kis_found_span *found)
{
    const kis_span_view *span = found->span;
    return span->start_unix_ns >= f->find->start_min_unix_ns &&
           span->start_unix_ns <= f->start_last &&
           (!f->find->filter ||
            kis_filter_matches(f->find->filter, span, found->resource, found->scope));
}

/* Whether the trace has a matching span at or before the token. */
static kis_err was_on_earlier_page(finding *f, const kis_trace_id *id, bool *out, kis_diag *diag)
{
    kis_trace_rows rows;
    kis_row_reader reader = { .lookup = &f->lookup, .needs = f->needs };

    *out = false;
    kis_err err = kis_trace_gather(&f->lookup, id, f->find->after.newest_unix_ns, &rows, diag);
    for (uint32_t i = 0; i < rows.count && !err && !*out; i++) {
        kis_span_view span;
        kis_found_span found;
        if (!is_before_token(f, rows.at[i].start, id))
            continue;
        err = kis_row_read(&reader, &rows.at[i], &span, &found, diag);
        *out = !err && matches(f, &found);
        err = err == KIS_ERR_NOT_FOUND ? KIS_OK : err;
    }
    kis_row_reader_done(&reader);
    kis_trace_rows_done(&f->lookup, &rows);
    return err;
}

/* A matching span. */
static kis_err offer(finding *f, const kis_trace_id *id, uint64_t start, kis_diag *diag)
{
    kis_found found = { *id, start };
    bool is_out = false;

    find_trace *listed = find_listed(f, id);
    if (listed) {
        f->is_changed |= start > listed->found.newest_unix_ns;
        listed->found.newest_unix_ns = KIS_MAX(listed->found.newest_unix_ns, start);
        return KIS_OK;
    }
    if (has_token(f->find)) {
        is_out = is_before_token(f, start, id);
        kis_err err = is_out ? KIS_OK : was_on_earlier_page(f, id, &is_out, diag);
        if (err)
            return err;
    }
    if (f->trace_count == f->trace_cap && !shorten_list(f))
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for what was found");
    if (!kis_map_add(&f->map, kis_trace_id_hash(id), f->trace_count))
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for what was found");
    f->traces[f->trace_count++] = (find_trace){ found, is_out };
    f->is_changed = true;
    return KIS_OK;
}

/* Cheap refusals before the filter. */
static bool is_worth_a_look(const finding *f, uint64_t start, const kis_trace_id *id)
{
    kis_found here = { *id, start };
    if (start < f->find->start_min_unix_ns || start > f->start_last)
        return false;
    return !f->has_threshold || comes_before(&here, &f->threshold);
}

/* ---- searching one place --------------------------------------------------------------------- */

static kis_err search_chunk(finding *f, const find_place *place, kis_diag *diag)
{
    kis_lookup *l = &f->lookup;
    const kis_head *head = l->snapshot.heads[place->source];
    uint32_t first = place->block * KIS_HEAD_CHUNK_ROWS,
             end = KIS_MIN(first + KIS_HEAD_CHUNK_ROWS, l->snapshot.rows[place->source]);

    l->rows_looked_at += end - first;
    for (uint32_t i = end; i-- > first;) {
        const kis_head_row *row = kis_head_row_at(head, i);
        kis_cursor c = { row->row, row->row + kis_row_bytes(row->row) };
        kis_span_view span;
        if (!is_worth_a_look(f, row->start_unix_ns, kis_row_trace_id(row->row)) ||
            !kis_head_row_is_of(head, row, l->request->tenant))
            continue;
        if (f->service.ptr && !kis_str_eq(f->service, row->scope->resource->view.service_name))
            continue;
        if (f->find->filter &&
            (!kis_row_decode(&c, &span) ||
             !kis_filter_matches(f->find->filter, &span, &row->scope->resource->view,
                                 &row->scope->view)))
            continue;
        kis_err err = offer(f, kis_row_trace_id(row->row), row->start_unix_ns, diag);
        if (err)
            return err;
    }
    return KIS_OK;
}

/* Which signatures of a block can match at all: service and name are compared once each,
 * not once a row. */
static bool mark_signatures(const finding *f, const kis_seg_block *b, uint8_t *may)
{
    bool any = false;
    for (uint32_t i = 0; i < b->sig_count; i++) {
        const kis_seg_sig *sig = &b->sigs[i];
        may[i] =
            (!f->service.ptr ||
             kis_str_eq(f->service, b->resources[b->scopes[sig->scope].resource].service_name)) &&
            (!f->name.ptr || kis_str_eq(f->name, b->names[sig->name]));
        any |= may[i];
    }
    return any;
}

static kis_err search_rows(finding *f, const kis_seg_block *b, kis_diag *diag)
{
    uint8_t may[KIS_SEG_BLOCK_ROWS_MAX];

    if (!mark_signatures(f, b, may))
        return KIS_OK;
    for (uint32_t i = b->rows; i-- > 0;) {
        const kis_trace_id *id = &b->trace_ids[b->row_trace[i]];
        kis_span_view span;
        if (!may[b->row_sig[i]] || !is_worth_a_look(f, b->start[i], id))
            continue;
        if (f->find->filter &&
            (!kis_seg_block_row(b, i, &span) ||
             !kis_filter_matches(f->find->filter, &span, kis_seg_block_resource(b, i),
                                 kis_seg_block_scope(b, i))))
            continue;
        kis_err err = offer(f, id, b->start[i], diag);
        if (err)
            return err;
    }
    return KIS_OK;
}

static kis_err search_block(finding *f, const find_place *place, kis_diag *diag)
{
    kis_lookup *l = &f->lookup;
    uint32_t segment = place->source - l->snapshot.head_count;
    kis_seg_block *b;
    kis_diag why;

    kis_err err = kis_block_cache_get(&l->store->cache, l->snapshot.segments->at[segment],
                                      &l->index[segment].blocks[place->block], place->block,
                                      f->needs, &b, &why);
    if (err)
        return kis_lookup_skip(l, err, &why) ? KIS_OK : kis_diag_set(diag, err, "%s", why.text);
    l->rows_looked_at += b->rows;
    err = search_rows(f, b, diag);
    kis_seg_block_unref(b);
    return err;
}

/* True: nothing from here on can change the answer. */
static bool is_finished(finding *f, uint64_t newest_left)
{
    if (f->trace_count < f->limit)
        return false;
    if (newest_left == UINT64_MAX || (f->is_changed && !shorten_list(f)))
        return false;
    return f->has_threshold && newest_left < f->threshold.newest_unix_ns;
}

static kis_err search(finding *f, kis_diag *diag)
{
    kis_err err = KIS_OK;

    for (uint32_t i = 0; f->place_count && !err; i++) {
        if (is_finished(f, f->heap[0].start_max))
            break;
        find_place place = take_place(f);
        if (i % CHECK_EVERY == 0)
            err = kis_lookup_check(&f->lookup, diag);
        if (!err)
            err = place.source < f->lookup.snapshot.head_count ? search_chunk(f, &place, diag)
                                                               : search_block(f, &place, diag);
    }
    return err;
}

static void hand_out_found(finding *f, kis_found_fn *each, void *user)
{
    kis_sort_in_place(f->traces, f->trace_count, sizeof *f->traces, find_trace_before);
    for (uint32_t i = 0; i < f->trace_count && i < f->limit && !f->traces[i].is_out; i++)
        if (!each(user, &f->traces[i].found))
            return;
}

static kis_err run(finding *f, kis_diag *diag)
{
    kis_lookup *l = &f->lookup;

    if (f->service.ptr && !kis_catalog_may_have(&l->store->catalog, l->request->tenant, f->service))
        return KIS_OK;
    f->trace_cap = f->limit * 2 + 64;
    f->traces = KIS_NEW_ARRAY(&l->arena, find_trace, f->trace_cap);
    if (!f->traces)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for %u traces", f->limit);
    kis_err err = gather_places(f, diag);
    return err ? err : search(f, diag);
}

kis_err kis_store_find(kis_reader *reader, const kis_find *find, kis_found_fn *each, void *user,
                       kis_answer *answer, kis_diag *diag)
{
    finding f = { .find = find,
                  .needs = kis_filter_needs(find->filter),
                  .start_last = find->start_max_unix_ns ? find->start_max_unix_ns - 1 : UINT64_MAX,
                  .limit = KIS_MAX(KIS_MIN(find->limit, FIND_LIMIT_MAX), 1u) };

    *answer = (kis_answer){ 0 };
    kis_err err =
        kis_lookup_begin(&f.lookup, KIS_CONTAINER(reader, kis_store, reader), &find->request, diag);
    if (err)
        return err;
    kis_map_init(&f.map, f.lookup.store->alloc);
    note_conditions(&f);
    err = kis_lookup_check(&f.lookup, diag);
    if (!err)
        err = run(&f, diag);
    if (!err)
        hand_out_found(&f, each, user);
    kis_map_done(&f.map);
    kis_lookup_end(&f.lookup, answer);
    return err;
}
