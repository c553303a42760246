/* terms.c - search terms to a filter tree.
 *
 * Always true: every term becomes one part of one AND, so that all of them hold on the same span;
 * nothing is looked up, the tree is a value that any reader can turn into its own language. Not
 * here: how a filter is decided on a span (model/filter.c), limits and order of a search (find.c).
 */
#include "query/terms.h"

#include "base/diag.h"

/* ---- words ---- */

static const kis_str kind_names[] = { KIS_STR_INIT("unspecified"), KIS_STR_INIT("internal"),
                                      KIS_STR_INIT("server"),      KIS_STR_INIT("client"),
                                      KIS_STR_INIT("producer"),    KIS_STR_INIT("consumer") };
static const kis_str status_names[] = { KIS_STR_INIT("unset"), KIS_STR_INIT("ok"),
                                        KIS_STR_INIT("error") };

static bool find_word(const kis_str *names, size_t count, kis_str prefix, kis_str text,
                      uint8_t *out)
{
    if (text.len > prefix.len && kis_str_eq_nocase(kis_str_slice(text, 0, prefix.len), prefix))
        text = kis_str_slice(text, prefix.len, text.len);
    for (size_t i = 0; i < count; i++)
        if (kis_str_eq_nocase(names[i], text)) {
            *out = (uint8_t)i;
            return true;
        }
    return false;
}

bool kis_kind_parse(kis_str text, uint8_t *out)
{
    return find_word(kind_names, KIS_COUNT_OF(kind_names), KIS_STR("SPAN_KIND_"), text, out);
}

kis_str kis_kind_name(uint8_t kind)
{
    return kind_names[kind < KIS_COUNT_OF(kind_names) ? kind : 0];
}

bool kis_status_parse(kis_str text, uint8_t *out)
{
    return find_word(status_names, KIS_COUNT_OF(status_names), KIS_STR("STATUS_CODE_"), text, out);
}

/* ---- the tree, piece by piece ---- */

/* Builds in the arena; the first failure is kept in `has_room` and everything after it is skipped.
 */
typedef struct filter_builder {
    kis_arena *arena;
    bool has_room;
} filter_builder;

static kis_filter *new_filter(filter_builder *b, kis_filter_op op)
{
    kis_filter *f = b->has_room ? KIS_NEW(b->arena, kis_filter) : NULL;
    if (!f) {
        b->has_room = false;
        return NULL;
    }
    *f = (kis_filter){ .op = op };
    return f;
}

static const kis_filter *compare(filter_builder *b, kis_filter_on on, kis_str key, kis_compare how,
                                 kis_value_view value)
{
    kis_filter *f = new_filter(b, KIS_FILTER_COMPARE);
    if (f) {
        f->on = on;
        f->key = key;
        f->compare = how;
        f->value = value;
    }
    return f;
}

static const kis_filter *join(filter_builder *b, kis_filter_op op, const kis_filter *const *parts,
                              uint32_t count)
{
    kis_filter *f = new_filter(b, op);
    const kis_filter **copy = f ? KIS_NEW_ARRAY(b->arena, const kis_filter *, count) : NULL;

    if (!copy) {
        b->has_room = false;
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++)
        copy[i] = parts[i];
    f->parts = copy;
    f->part_count = count;
    return f;
}

static kis_value_view text_value(kis_str text)
{
    return (kis_value_view){ .kind = KIS_VALUE_STR, .str = text };
}

static kis_value_view int_value(uint64_t number)
{
    return (kis_value_view){ .kind = KIS_VALUE_INT,
                             .integer = number > INT64_MAX ? INT64_MAX : (int64_t)number };
}

static const kis_filter *text_equals(filter_builder *b, kis_filter_on on, kis_str key, kis_str text)
{
    return compare(b, on, key, KIS_TEXT_EQ, text_value(text));
}

static const kis_filter *kind_is(filter_builder *b, uint8_t kind)
{
    if (kind != KIS_OTLP_KIND_INTERNAL)
        return compare(b, KIS_ON_KIND, KIS_STR_NONE, KIS_EQ, int_value(kind));
    /* a kind that was not said is read as internal */
    return compare(b, KIS_ON_KIND, KIS_STR_NONE, KIS_LE, int_value(kind));
}

static const kis_filter *status_is(filter_builder *b, uint8_t status)
{
    return compare(b, KIS_ON_STATUS, KIS_STR_NONE, KIS_EQ, int_value(status));
}

/* ---- keys that are not attributes ---- */

/* Each answers NULL when the value is none that it knows: then the tag is an attribute like any
 * other. */

static const kis_filter *error_tag(filter_builder *b, kis_str value)
{
    bool wants_error = kis_str_eq(value, KIS_STR("true"));

    if (!wants_error && !kis_str_eq(value, KIS_STR("false")))
        return NULL;
    /* Old clients say it by an attribute, new ones by the status. */
    const kis_filter *either[] = { status_is(b, KIS_STATUS_ERROR),
                                   text_equals(b, KIS_ON_ANY_ATTR, KIS_STR("error"),
                                               KIS_STR("true")) };
    const kis_filter *is_error = join(b, KIS_FILTER_OR, either, 2);
    return wants_error ? is_error : join(b, KIS_FILTER_NOT, &is_error, 1);
}

static const kis_filter *kind_tag(filter_builder *b, kis_str value)
{
    uint8_t kind;
    return kis_kind_parse(value, &kind) ? kind_is(b, kind) : NULL;
}

static const kis_filter *status_tag(filter_builder *b, kis_str value)
{
    uint8_t status;
    return kis_status_parse(value, &status) ? status_is(b, status) : NULL;
}

static const kis_filter *status_message_tag(filter_builder *b, kis_str value)
{
    return text_equals(b, KIS_ON_STATUS_MESSAGE, KIS_STR_NONE, value);
}
static const kis_filter *scope_name_tag(filter_builder *b, kis_str value)
{
    return text_equals(b, KIS_ON_SCOPE_NAME, KIS_STR_NONE, value);
}
static const kis_filter *scope_version_tag(filter_builder *b, kis_str value)
{
    return text_equals(b, KIS_ON_SCOPE_VERSION, KIS_STR_NONE, value);
}
static const kis_filter *trace_state_tag(filter_builder *b, kis_str value)
{
    return text_equals(b, KIS_ON_TRACE_STATE, KIS_STR_NONE, value);
}

/* Jaeger's memory store knows the first five; the others are how its page shows the same fields,
 * and people search for what they see. */
static const struct pseudo_tag {
    kis_str key;
    const kis_filter *(*make)(filter_builder *, kis_str value);
} pseudo_tags[] = {
    { KIS_STR_INIT("error"), error_tag },
    { KIS_STR_INIT("span.status"), status_tag },
    { KIS_STR_INIT("span.kind"), kind_tag },
    { KIS_STR_INIT("scope.name"), scope_name_tag },
    { KIS_STR_INIT("scope.version"), scope_version_tag },
    { KIS_STR_INIT("otel.status_code"), status_tag },
    { KIS_STR_INIT("otel.status_description"), status_message_tag },
    { KIS_STR_INIT("otel.scope.name"), scope_name_tag },
    { KIS_STR_INIT("otel.scope.version"), scope_version_tag },
    { KIS_STR_INIT("w3c.tracestate"), trace_state_tag },
};

static const kis_filter *prefixed(filter_builder *b, kis_str prefix, kis_filter_on on,
                                  const kis_tag *tag)
{
    if (tag->key.len <= prefix.len || !kis_str_starts(tag->key, prefix))
        return NULL;
    /* An attribute may really be called resource.something. */
    const kis_filter *either[] = {
        text_equals(b, on, kis_str_slice(tag->key, prefix.len, tag->key.len), tag->value),
        text_equals(b, KIS_ON_ANY_ATTR, tag->key, tag->value)
    };
    return join(b, KIS_FILTER_OR, either, 2);
}

static const kis_filter *tag_filter(filter_builder *b, const kis_tag *tag)
{
    const kis_filter *found = NULL;

    for (size_t i = 0; i < KIS_COUNT_OF(pseudo_tags); i++)
        if (kis_str_eq(pseudo_tags[i].key, tag->key)) {
            found = pseudo_tags[i].make(b, tag->value);
            break;
        }
    if (!found)
        found = prefixed(b, KIS_STR("resource."), KIS_ON_RESOURCE_ATTR, tag);
    if (!found)
        found = prefixed(b, KIS_STR("scope."), KIS_ON_SCOPE_ATTR, tag);
    return found ? found : text_equals(b, KIS_ON_ANY_ATTR, tag->key, tag->value);
}

/* ---- all terms ---- */

#define PARTS_MAX (KIS_QUERY_TAGS_MAX + 5)

kis_err kis_query_filter(const kis_query_terms *terms, kis_arena *arena, const kis_filter **out,
                         kis_diag *diag)
{
    filter_builder b = { arena, true };
    const kis_filter *parts[PARTS_MAX];
    uint32_t count = 0;

    if (terms->tag_count > KIS_QUERY_TAGS_MAX)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "%u tags, at most %u are allowed",
                            terms->tag_count, KIS_QUERY_TAGS_MAX);
    if (terms->duration_max_ns && terms->duration_max_ns < terms->duration_min_ns)
        return kis_diag_set(diag, KIS_ERR_RANGE, "the largest duration is below the smallest");

    if (terms->service.len)
        parts[count++] =
            compare(&b, KIS_ON_SERVICE, KIS_STR_NONE, KIS_EQ, text_value(terms->service));
    if (terms->operation.len)
        parts[count++] =
            compare(&b, KIS_ON_NAME, KIS_STR_NONE, KIS_EQ, text_value(terms->operation));
    if (terms->kind != KIS_QUERY_KIND_ANY)
        parts[count++] = kind_is(&b, (uint8_t)terms->kind);
    if (terms->duration_min_ns)
        parts[count++] =
            compare(&b, KIS_ON_DURATION, KIS_STR_NONE, KIS_GE, int_value(terms->duration_min_ns));
    if (terms->duration_max_ns)
        parts[count++] =
            compare(&b, KIS_ON_DURATION, KIS_STR_NONE, KIS_LE, int_value(terms->duration_max_ns));
    for (uint32_t i = 0; i < terms->tag_count; i++)
        parts[count++] = tag_filter(&b, &terms->tags[i]);

    const kis_filter *whole = count == 0   ? NULL
                              : count == 1 ? parts[0]
                                           : join(&b, KIS_FILTER_AND, parts, count);
    if (!b.has_room)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the search's filter");
    *out = whole;
    return KIS_OK;
}
