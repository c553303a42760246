/* clock_skew.c - see clock_skew.h. The rule is that of Jaeger's clock skew adjuster, whose default
 * is to tell and not to adjust. */
#include "query/clock_skew.h"

#include "base/fmt.h"
#include "base/num.h"

#define DURATION_MAX ((UINT64_C(1) << 39) - 1)
#define COARSE_SHIFT 10
#define COARSE_NS    (INT64_C(1) << COARSE_SHIFT)

void kis_clocks_init(kis_clocks *clocks, kis_arena *arena)
{
    *clocks = (kis_clocks){ .arena = arena };
}

/* Who keeps the clock of a resource: its host, by the names that it may go by. Where none is given
 * each service is taken for a host of its own. */
static uint32_t host_of(const kis_resource_view *resource)
{
    static const kis_str names[] = { KIS_STR_INIT("host.id"), KIS_STR_INIT("host.ip"),
                                     KIS_STR_INIT("host.name") };
    kis_str host = resource->service_name;
    kis_value_view value;

    for (size_t i = KIS_COUNT_OF(names); i-- > 0;) /* the first one wins */
        if (kis_attrs_find(resource->attrs, names[i], &value) && value.kind == KIS_VALUE_STR)
            host = value.str;
    return (uint32_t)kis_hash(kis_bytes_of_str(host), 0);
}

bool kis_clocks_add(kis_clocks *clocks, uint32_t row, const kis_found_span *found)
{
    uint64_t duration = kis_span_duration_ns(found->span);
    bool is_coarse = duration > DURATION_MAX;

    if (row >= KIS_TREE_ROWS_MAX)
        return true;
    kis_clock_row **chunk = &clocks->chunks[row / KIS_TREE_CHUNK_ROWS];
    if (!*chunk)
        *chunk = KIS_NEW_ARRAY(clocks->arena, kis_clock_row, KIS_TREE_CHUNK_ROWS);
    if (!*chunk) {
        clocks->is_out_of_memory = true;
        return false;
    }
    (*chunk)[row % KIS_TREE_CHUNK_ROWS] = (kis_clock_row){
        .start_unix_ns = found->span->start_unix_ns,
        .duration =
            KIS_MIN(is_coarse ? duration >> COARSE_SHIFT : duration, DURATION_MAX) & DURATION_MAX,
        .is_coarse = is_coarse,
        .host = host_of(found->resource) & 0xffffffu
    };
    return true;
}

static const kis_clock_row *clock_at(const kis_clocks *clocks, uint32_t row)
{
    return &clocks->chunks[row / KIS_TREE_CHUNK_ROWS][row % KIS_TREE_CHUNK_ROWS];
}

static uint64_t duration_of(const kis_clock_row *clock)
{
    return clock->is_coarse ? (uint64_t)clock->duration << COARSE_SHIFT : clock->duration;
}

/* To microseconds: more is not known of what has a coarse part. */
static int64_t round_to_us(int64_t ns)
{
    int64_t rest = ns % 1000;
    return ns - rest + (rest >= 500 ? 1000 : rest <= -500 ? -1000 : 0);
}

int64_t kis_clocks_delta_ns(const kis_clocks *clocks, const kis_tree *tree, uint32_t row)
{
    const kis_tree_row *r = kis_tree_at(tree, row);
    if (r->parent == KIS_TREE_NONE || r->flags & KIS_TREE_DUPLICATE)
        return 0;
    const kis_clock_row *child = clock_at(clocks, row), *parent = clock_at(clocks, r->parent);
    if (child->host == parent->host)
        return 0;

    bool is_early = child->start_unix_ns < parent->start_unix_ns;
    bool is_coarse = child->is_coarse || parent->is_coarse;
    uint64_t child_ns = duration_of(child), parent_ns = duration_of(parent);
    bool may_outlast = child_ns > parent_ns || r->kind == KIS_OTLP_KIND_CONSUMER ||
                       kis_tree_at(tree, r->parent)->kind == KIS_OTLP_KIND_PRODUCER;
    if (may_outlast)
        return is_early ? (int64_t)(parent->start_unix_ns - child->start_unix_ns) : 0;
    uint64_t room_ns = parent_ns - child_ns;
    if (!is_early &&
        child->start_unix_ns - parent->start_unix_ns <= room_ns + (is_coarse ? COARSE_NS : 0))
        return 0;
    /* what the child does not take is the way there and back, half each */
    int64_t delta = (int64_t)(parent->start_unix_ns + room_ns / 2 - child->start_unix_ns);
    return is_coarse ? round_to_us(delta) : delta;
}

kis_str kis_clocks_warning(const kis_clocks *clocks, const kis_tree *tree, uint32_t row,
                           char buffer[KIS_TREE_WARNING_MAX])
{
    int64_t delta = kis_clocks_delta_ns(clocks, tree, row);
    char text[KIS_NUM_TEXT_MAX];

    if (!delta)
        return KIS_STR_NONE;
    size_t len = kis_duration_format(delta, text);
    return kis_str_of(buffer, kis_fmt(buffer, KIS_TREE_WARNING_MAX,
                                      "clock skew adjustment disabled; not applying calculated "
                                      "delta of " KIS_FMT,
                                      KIS_ARG(kis_str_of(text, len))));
}
