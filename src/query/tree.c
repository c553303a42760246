/* tree.c - parents, children and oddities of one trace.
 *
 *     rows    [ id parent | parent row, first child, next sibling | kind, flags, service ]
 *     by_id   id -> row, 4 bytes a slot, at most 4/5 full
 *
 * Always true after link:
 *   (1) following `parent` from any row ends at a root: cycles were opened at their earliest row
 *   (2) every row is reached exactly once by kis_tree_next
 *   (3) a parent that is not there is an oddity of the row, never an error: it may still arrive
 *
 * Shared ids: Zipkin's clients and servers put one id on both halves of a call. Such a server span
 * is the child of the client span with its own id, and those who name that id as their parent
 * belong to the server half.
 * Not here: reading spans (the reader), what a span looks like in an answer (wire/).
 */
#include "query/tree.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"

void kis_tree_init(kis_tree *tree, kis_arena *arena)
{
    *tree = (kis_tree){ .arena = arena, .first_root = KIS_TREE_NONE };
}

static bool add_chunk(kis_tree *tree)
{
    kis_tree_row *chunk = KIS_NEW_ARRAY(tree->arena, kis_tree_row, KIS_TREE_CHUNK_ROWS);

    tree->chunks[tree->row_count / KIS_TREE_CHUNK_ROWS] = chunk;
    tree->is_out_of_memory = !chunk;
    return chunk != NULL;
}

bool kis_tree_add(kis_tree *tree, const kis_span_view *span, uint32_t service)
{
    if (tree->row_count == KIS_TREE_ROWS_MAX) {
        tree->is_cut = true;
        return false;
    }
    if (tree->row_count % KIS_TREE_CHUNK_ROWS == 0 && !add_chunk(tree))
        return false;
    *kis_tree_at(tree, tree->row_count++) = (kis_tree_row){
        .span_id = span->span_id,
        .parent_id = span->parent_id,
        .parent = KIS_TREE_NONE,
        .first_child = KIS_TREE_NONE,
        .next_sibling = KIS_TREE_NONE,
        .kind = span->kind & 7u,
        .flags = span->status == KIS_STATUS_ERROR ? KIS_TREE_ERROR : 0,
        .service = service & 0xffffffu,
    };
    return true;
}

/* ---- finding by id ---- */

static uint64_t hash_of_id(const kis_span_id *id)
{
    uint64_t word;
    memcpy(&word, id->bytes, 8);
    return kis_hash_u64(word);
}

/* Walks the rows with this id: *slot starts at UINT32_MAX. */
static uint32_t next_with_id(const kis_tree *tree, const kis_span_id *id, uint32_t *slot)
{
    uint32_t mask = tree->by_id_slots - 1;

    if (!tree->by_id_slots)
        return KIS_TREE_NONE;
    uint32_t at = *slot == UINT32_MAX ? (uint32_t)hash_of_id(id) & mask : (*slot + 1) & mask;
    for (; tree->by_id[at]; at = (at + 1) & mask) {
        uint32_t row = tree->by_id[at] - 1;
        if (kis_span_id_eq(&kis_tree_at(tree, row)->span_id, id)) {
            *slot = at;
            return row;
        }
    }
    return KIS_TREE_NONE;
}

static bool are_halves(const kis_tree_row *a, const kis_tree_row *b)
{
    return (a->kind == KIS_OTLP_KIND_CLIENT && b->kind == KIS_OTLP_KIND_SERVER) ||
           (a->kind == KIS_OTLP_KIND_SERVER && b->kind == KIS_OTLP_KIND_CLIENT);
}

/* One row a kind and id stays in the table, so that a trace of one id only is no worse than
 * another. */
static void index_row(kis_tree *tree, uint32_t row)
{
    kis_tree_row *r = kis_tree_at(tree, row);
    uint32_t mask = tree->by_id_slots - 1, at = (uint32_t)hash_of_id(&r->span_id) & mask;
    bool is_known = false;

    for (; tree->by_id[at]; at = (at + 1) & mask) {
        kis_tree_row *other = kis_tree_at(tree, tree->by_id[at] - 1);
        if (!kis_span_id_eq(&other->span_id, &r->span_id) || are_halves(other, r))
            continue;
        other->flags |= KIS_TREE_DUPLICATE;
        r->flags |= KIS_TREE_DUPLICATE;
        is_known |= other->kind == r->kind;
        if (is_known)
            return;
    }
    tree->by_id[at] = row + 1;
}

static kis_err index_ids(kis_tree *tree)
{
    uint32_t slots = 16;

    while (slots < tree->row_count + tree->row_count / 4)
        slots *= 2;
    tree->by_id = KIS_NEW_ARRAY(tree->arena, uint32_t, slots);
    if (!tree->by_id)
        return KIS_ERR_NOMEM;
    memset(tree->by_id, 0, sizeof(uint32_t) * slots);
    tree->by_id_slots = slots;
    for (uint32_t row = 0; row < tree->row_count; row++)
        index_row(tree, row);
    return KIS_OK;
}

uint32_t kis_tree_find(const kis_tree *tree, const kis_span_view *span, uint32_t *hint)
{
    uint32_t slot = UINT32_MAX, first = KIS_TREE_NONE;

    if (*hint < tree->row_count) {
        const kis_tree_row *next = kis_tree_at(tree, *hint);
        if (kis_span_id_eq(&next->span_id, &span->span_id) &&
            kis_span_id_eq(&next->parent_id, &span->parent_id) && next->kind == span->kind)
            return (*hint)++;
    }
    for (uint32_t row; (row = next_with_id(tree, &span->span_id, &slot)) != KIS_TREE_NONE;) {
        if (kis_tree_at(tree, row)->kind == span->kind) {
            *hint = row + 1;
            return row;
        }
        if (first == KIS_TREE_NONE)
            first = row;
    }
    return first;
}

/* ---- parents ---- */

/* The client half of a shared id, for its server half; KIS_TREE_NONE when there is none. */
static uint32_t other_half(const kis_tree *tree, uint32_t child)
{
    const kis_tree_row *c = kis_tree_at(tree, child);
    uint32_t slot = UINT32_MAX;

    if (c->kind != KIS_OTLP_KIND_SERVER)
        return KIS_TREE_NONE;
    for (uint32_t row; (row = next_with_id(tree, &c->span_id, &slot)) != KIS_TREE_NONE;)
        if (kis_tree_at(tree, row)->kind == KIS_OTLP_KIND_CLIENT)
            return row;
    return KIS_TREE_NONE;
}

static uint32_t parent_of(const kis_tree *tree, uint32_t child)
{
    const kis_tree_row *c = kis_tree_at(tree, child);
    uint32_t slot = UINT32_MAX, first = KIS_TREE_NONE;

    for (uint32_t row; (row = next_with_id(tree, &c->parent_id, &slot)) != KIS_TREE_NONE;) {
        if (row == child)
            continue;
        if (kis_tree_at(tree, row)->kind == KIS_OTLP_KIND_SERVER)
            return row;
        if (first == KIS_TREE_NONE)
            first = row;
    }
    return first;
}

static void find_parent(kis_tree *tree, uint32_t row)
{
    kis_tree_row *r = kis_tree_at(tree, row);
    uint32_t half = other_half(tree, row);

    if (half != KIS_TREE_NONE) {
        r->parent = half;
        return;
    }
    if (!kis_span_id_is_valid(&r->parent_id))
        return;
    if (kis_span_id_eq(&r->parent_id, &r->span_id)) {
        r->flags |= KIS_TREE_OWN_PARENT;
        return;
    }
    r->parent = parent_of(tree, row);
    if (r->parent == KIS_TREE_NONE) {
        r->flags |= KIS_TREE_ORPHAN;
        tree->orphan_count++;
    }
}

/* ---- cycles ---- */

/* Cuts the cycle that contains `row` at its earliest row. */
static void open_cycle(kis_tree *tree, uint32_t row)
{
    uint32_t earliest = row;

    for (uint32_t at = kis_tree_at(tree, row)->parent; at != row;
         at = kis_tree_at(tree, at)->parent)
        earliest = KIS_MIN(earliest, at);
    kis_tree_at(tree, earliest)->parent = KIS_TREE_NONE;
    kis_tree_at(tree, earliest)->flags |= KIS_TREE_CYCLE;
    tree->cycle_count++;
}

/* Colours each row by the walk that reached it first: meeting one's own colour is a cycle,
 * another's is known ground. `next_sibling` is free until children are linked and holds the colour.
 */
static void open_cycles(kis_tree *tree)
{
    for (uint32_t start = 0; start < tree->row_count; start++) {
        uint32_t at = start;
        while (at != KIS_TREE_NONE && kis_tree_at(tree, at)->next_sibling == KIS_TREE_NONE) {
            kis_tree_at(tree, at)->next_sibling = start;
            at = kis_tree_at(tree, at)->parent;
        }
        if (at != KIS_TREE_NONE && kis_tree_at(tree, at)->next_sibling == start)
            open_cycle(tree, at);
    }
    for (uint32_t row = 0; row < tree->row_count; row++)
        kis_tree_at(tree, row)->next_sibling = KIS_TREE_NONE;
}

/* ---- children ---- */

/* From the last row to the first, each put in front of its siblings: so they stand in order without
 * a tail pointer. */
static void link_children(kis_tree *tree)
{
    for (uint32_t row = tree->row_count; row-- > 0;) {
        kis_tree_row *r = kis_tree_at(tree, row);
        uint32_t *first = r->parent == KIS_TREE_NONE ? &tree->first_root
                                                     : &kis_tree_at(tree, r->parent)->first_child;
        r->next_sibling = *first;
        *first = row;
    }
}

kis_err kis_tree_link(kis_tree *tree, kis_diag *diag)
{
    if (tree->is_out_of_memory || index_ids(tree) != KIS_OK)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the index of %u spans",
                            tree->row_count);
    for (uint32_t row = 0; row < tree->row_count; row++)
        find_parent(tree, row);
    open_cycles(tree);
    link_children(tree);
    return KIS_OK;
}

static bool add_found_span(void *user, const kis_found_span *found)
{
    return kis_tree_add(user, found->span, 0);
}

kis_err kis_tree_read(kis_tree *tree, kis_reader *reader, const kis_request *request,
                      const kis_trace_id *id, kis_answer *answer, kis_diag *diag)
{
    kis_err err = reader->ops->get(reader, request, id, add_found_span, tree, answer, diag);
    if (!err && tree->row_count == 0 && !tree->is_out_of_memory)
        err = kis_diag_set(diag, KIS_ERR_NOT_FOUND, "trace not found");
    return err ? err : kis_tree_link(tree, diag);
}

/* ---- walking ---- */

bool kis_tree_next(const kis_tree *tree, kis_tree_walk *walk)
{
    if (walk->at == KIS_TREE_NONE) {
        walk->at = tree->first_root;
        walk->depth = 0;
        return walk->at != KIS_TREE_NONE;
    }
    if (kis_tree_at(tree, walk->at)->first_child != KIS_TREE_NONE) {
        walk->at = kis_tree_at(tree, walk->at)->first_child;
        walk->depth++;
        return true;
    }
    uint32_t at = walk->at;
    while (at != KIS_TREE_NONE && kis_tree_at(tree, at)->next_sibling == KIS_TREE_NONE) {
        at = kis_tree_at(tree, at)->parent;
        if (at != KIS_TREE_NONE)
            walk->depth--;
    }
    if (at == KIS_TREE_NONE)
        return false;
    walk->at = kis_tree_at(tree, at)->next_sibling;
    return true;
}

/* ---- words ---- */

kis_str kis_tree_warning(const kis_tree *tree, uint32_t row, char buffer[KIS_TREE_WARNING_MAX])
{
    const kis_tree_row *r = kis_tree_at(tree, row);
    char id[17] = { 0 };
    size_t len = 0;

    kis_hex_format(r->parent_id.bytes, 8, id);
    if (r->flags & KIS_TREE_ORPHAN && !tree->is_cut)
        len = kis_fmt(buffer, KIS_TREE_WARNING_MAX,
                      "parent span ID=%s is not in the trace; skipping clock skew adjustment", id);
    else if (r->flags & KIS_TREE_OWN_PARENT)
        len = kis_fmt(buffer, KIS_TREE_WARNING_MAX,
                      "the span names itself as its parent; shown as a root");
    else if (r->flags & KIS_TREE_CYCLE)
        len = kis_fmt(buffer, KIS_TREE_WARNING_MAX,
                      "the parents of this span lead back to it; shown as a root");
    else if (r->flags & KIS_TREE_DUPLICATE)
        len = kis_fmt(buffer, KIS_TREE_WARNING_MAX,
                      "duplicate span IDs; skipping clock skew adjustment");
    return kis_str_of(buffer, len);
}

kis_str kis_tree_trace_warning(const kis_tree *tree)
{
    return tree->is_cut ? KIS_STR("the trace has more than 1048576 spans; parents were not checked")
                        : KIS_STR_NONE;
}
