/* depend.c - dependencies by reading traces, newest first, up to a bound.
 *
 * One trace at a time: its tree in an arena of its own (cleared for the next), services as
 * numbers, edges in a map from (parent << 16 | child). Memory is that of the largest single
 * trace's index plus names and edges.
 * Not here: counting at ingest, which makes the answer exact and instant (a reader with
 * KIS_READER_CAN_DEPENDENCIES).
 .
 */
#include "query/depend.h"

#include "base/diag.h"
#include "base/map.h"
#include "base/vec.h"
#include "query/tree.h"

#define TREE_BYTES_MAX ((size_t)64 << 20) /* KIS_TREE_ROWS_MAX rows and their table */

typedef struct edge_count {
    uint32_t pair; /* parent << 16 | child */
    uint64_t calls;
} edge_count;

typedef struct depend_scan {
    kis_arena *arena; /* names */
    const kis_alloc *alloc;
    kis_map service_map, edge_map;
    KIS_VEC(kis_str) services;
    KIS_VEC(edge_count) edges;
    kis_arena tree_arena;
    kis_tree tree;
    bool is_partial;
    const char *why;
} depend_scan;
_Static_assert(KIS_DEPEND_SERVICES_MAX <= 1u << 16, "two services fit a word");

/* The number of a service; KIS_TREE_NONE when there are too many. */
static uint32_t number_of_service(depend_scan *s, kis_str name)
{
    uint64_t hash = kis_hash_str(name, 0);
    kis_str copy;

    for (kis_map_probe p = kis_map_begin(&s->service_map, hash); kis_map_next(&s->service_map, &p);)
        if (kis_str_eq(s->services.at[p.value], name))
            return p.value;
    if (s->services.len == KIS_DEPEND_SERVICES_MAX || !kis_arena_copy(s->arena, name, &copy) ||
        !KIS_VEC_PUSH(&s->services, s->alloc, copy) ||
        !kis_map_add(&s->service_map, hash, s->services.len - 1))
        return KIS_TREE_NONE;
    return s->services.len - 1;
}

static void count_call(depend_scan *s, uint32_t pair)
{
    uint64_t hash = kis_hash_u64((uint64_t)pair + 1);

    for (kis_map_probe p = kis_map_begin(&s->edge_map, hash); kis_map_next(&s->edge_map, &p);)
        if (s->edges.at[p.value].pair == pair) {
            s->edges.at[p.value].calls++;
            return;
        }
    edge_count edge = { pair, 1 };
    if (s->edges.len == KIS_DEPEND_EDGES_MAX || !KIS_VEC_PUSH(&s->edges, s->alloc, edge) ||
        !kis_map_add(&s->edge_map, hash, s->edges.len - 1))
        s->is_partial = true;
}

static bool add_span_of_service(void *user, const kis_found_span *found)
{
    depend_scan *s = user;
    uint32_t service = number_of_service(s, found->resource->service_name);

    if (service == KIS_TREE_NONE || !kis_tree_add(&s->tree, found->span, service)) {
        s->is_partial = true;
        return false;
    }
    return true;
}

static kis_err scan_trace(depend_scan *s, kis_reader *reader, const kis_request *request,
                          const kis_trace_id *id, kis_diag *diag)
{
    kis_answer answer = { 0 };

    kis_arena_clear(&s->tree_arena);
    kis_tree_init(&s->tree, &s->tree_arena);
    kis_err err = reader->ops->get(reader, request, id, add_span_of_service, s, &answer, diag);
    if (err == KIS_ERR_NOT_FOUND) /* retention was faster */
        return KIS_OK;
    if (!err)
        err = kis_tree_link(&s->tree, diag);
    if (err)
        return err;
    s->is_partial |= answer.is_partial;
    s->why = answer.why ? answer.why : s->why;
    for (uint32_t row = 0; row < s->tree.row_count; row++) {
        const kis_tree_row *child = kis_tree_at(&s->tree, row);
        if (child->parent == KIS_TREE_NONE)
            continue;
        uint32_t parent = kis_tree_at(&s->tree, child->parent)->service;
        if (parent != child->service)
            count_call(s, parent << 16 | child->service);
    }
    return KIS_OK;
}

static int compare_dependencies(const kis_dependency *a, const kis_dependency *b)
{
    int by_parent = kis_str_compare(a->parent, b->parent);
    return by_parent ? by_parent : kis_str_compare(a->child, b->child);
}

static void sift_down(kis_dependency *at, uint32_t from, uint32_t count)
{
    for (uint32_t child; (child = 2 * from + 1) < count; from = child) {
        if (child + 1 < count && compare_dependencies(&at[child], &at[child + 1]) < 0)
            child++;
        if (compare_dependencies(&at[from], &at[child]) >= 0)
            return;
        kis_dependency swap = at[from];
        at[from] = at[child];
        at[child] = swap;
    }
}

static void sort_dependencies(kis_dependency *at, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(at, i, count);
    for (uint32_t end = count; end-- > 1;) {
        kis_dependency swap = at[0];
        at[0] = at[end];
        at[end] = swap;
        sift_down(at, 0, end);
    }
}

static kis_err give_out(depend_scan *s, kis_dependencies *out)
{
    kis_dependency *at = KIS_NEW_ARRAY(s->arena, kis_dependency, s->edges.len ? s->edges.len : 1);

    if (!at)
        return KIS_ERR_NOMEM;
    for (uint32_t i = 0; i < s->edges.len; i++)
        at[i] =
            (kis_dependency){ s->services.at[s->edges.at[i].pair >> 16],
                              s->services.at[s->edges.at[i].pair & 0xffff], s->edges.at[i].calls };
    sort_dependencies(at, s->edges.len);
    out->at = at;
    out->count = s->edges.len;
    out->is_partial = s->is_partial;
    out->why = s->why;
    return KIS_OK;
}

kis_err kis_query_dependencies(kis_reader *reader, const kis_request *request,
                               uint64_t start_min_unix_ns, uint64_t start_max_unix_ns,
                               kis_arena *arena, const kis_alloc *alloc, kis_dependencies *out,
                               kis_diag *diag)
{
    kis_query query = { .request = *request,
                        .terms = KIS_QUERY_TERMS_NONE,
                        .start_min_unix_ns = start_min_unix_ns,
                        .start_max_unix_ns = start_max_unix_ns,
                        .limit = KIS_DEPEND_TRACES_MAX };
    kis_query_result found;
    depend_scan scan = { .arena = arena, .alloc = alloc };

    kis_err err = kis_query_find(reader, &query, arena, &found, diag);
    if (err)
        return err;
    kis_map_init(&scan.service_map, alloc);
    kis_map_init(&scan.edge_map, alloc);
    kis_arena_init(&scan.tree_arena, alloc, TREE_BYTES_MAX);
    scan.is_partial = found.has_more || found.answer.is_partial;
    scan.why = found.answer.why;
    for (uint32_t i = 0; i < found.count && !err; i++)
        err = scan_trace(&scan, reader, request, &found.traces[i].trace_id, diag);
    if (!err) {
        *out = (kis_dependencies){ .traces_looked_at = found.count };
        err = give_out(&scan, out);
    }
    kis_arena_done(&scan.tree_arena);
    KIS_VEC_DONE(&scan.services, alloc);
    KIS_VEC_DONE(&scan.edges, alloc);
    kis_map_done(&scan.service_map);
    kis_map_done(&scan.edge_map);
    return err;
}
