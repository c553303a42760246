/* nothing.c - see nothing.h. The hint is the first that fits: the service is written otherwise or
 * unknown, the operation is, or it is the time. */
#include "nothing.h"

#include "base/num.h"
#include "base/option.h"
#include "wire/json.h"

#define NAMES_MAX       4096u /* compared with what was typed */
#define TRACE_ID_DIGITS 32u

typedef struct names {
    kis_str *at;
    size_t count;
    bool is_known; /* false: the answer is not there or does not read */
} names;

/* An item is a name, or an object that has one. */
static bool read_name(kis_json *j, kis_str *out)
{
    kis_str key;

    if (kis_json_peek(j) == KIS_JSON_STRING)
        return kis_json_str(j, out);
    for (kis_json_object(j); kis_json_member(j, &key);)
        if (kis_str_eq(key, KIS_STR("name")))
            kis_json_str(j, out);
        else
            kis_json_skip(j);
    return !j->err;
}

static names read_names(kis_bytes json, kis_str array, kis_arena *arena)
{
    names out = { .at = KIS_NEW_ARRAY(arena, kis_str, NAMES_MAX) };
    kis_json j;
    kis_str key;

    if (!out.at || json.len == 0)
        return out;
    kis_json_begin(&j, json, arena);
    for (kis_json_object(&j); kis_json_member(&j, &key);) {
        if (!kis_str_eq(key, array)) {
            kis_json_skip(&j);
            continue;
        }
        for (kis_json_array(&j); kis_json_item(&j);) {
            kis_str name = KIS_STR_NONE;
            if (read_name(&j, &name) && out.count < NAMES_MAX)
                out.at[out.count++] = name;
        }
        out.is_known = !j.err;
    }
    return out;
}

static bool has_name(const names *n, kis_str typed)
{
    for (size_t i = 0; i < n->count; i++)
        if (kis_str_eq(n->at[i], typed))
            return true;
    return false;
}

static const char *in_small_letters(kis_str name, kis_arena *arena)
{
    char *copy = KIS_NEW_ARRAY(arena, char, name.len + 1);

    if (!copy)
        return NULL;
    for (size_t i = 0; i < name.len; i++)
        copy[i] = (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] + 32 : name.ptr[i]);
    copy[name.len] = '\0';
    return copy;
}

/* Names as flags of option rows, so that one distance serves all; case is no distance. */
static kis_str nearest_name(const names *n, kis_str typed, kis_arena *arena)
{
    kis_option *rows = KIS_NEW_ARRAY(arena, kis_option, n->count + 1);
    const char *small = in_small_letters(typed, arena);

    if (!rows || !small)
        return KIS_STR_NONE;
    for (size_t i = 0; i < n->count; i++) {
        rows[i] = (kis_option){ .flag = in_small_letters(n->at[i], arena) };
        if (!rows[i].flag)
            return KIS_STR_NONE;
    }
    const kis_option *near = kis_option_nearest(rows, n->count, kis_str_from_c(small));
    return near ? n->at[near - rows] : KIS_STR_NONE;
}

static void put_quoted(kis_buf *out, const char *before, kis_str name)
{
    kis_buf_add_fmt(out, "%s'" KIS_FMT "'", before,
                    KIS_ARG(kis_str_slice(name, 0, kis_utf8_cut_chars(name, 100))));
}

static void put_service_hint(const names *services, kis_str typed, kis_arena *arena, kis_buf *out)
{
    kis_str near = nearest_name(services, typed, arena);

    if (near.len)
        put_quoted(out, "; there is a ", near);
    else
        kis_buf_add_str(out, KIS_STR("; there is no such service (kiseki query services)"));
}

static void put_operation_hint(const names *operations, const kis_nothing *n, kis_arena *arena,
                               kis_buf *out)
{
    kis_str near = nearest_name(operations, n->operation, arena);

    put_quoted(out, "; ", n->service);
    if (near.len)
        put_quoted(out, " has a ", near);
    else
        kis_buf_add_str(out, KIS_STR(" has no such operation (kiseki query operations)"));
}

static void put_hint(const kis_nothing *n, kis_arena *arena, kis_buf *out)
{
    names services = read_names(n->services, KIS_STR("services"), arena),
          operations = read_names(n->operations, KIS_STR("operations"), arena);

    if (services.is_known && services.count == 0)
        kis_buf_add_str(out, KIS_STR("; nothing is stored yet"));
    else if (services.is_known && n->service.len && !has_name(&services, n->service))
        put_service_hint(&services, n->service, arena, out);
    else if (operations.is_known && n->operation.len && !has_name(&operations, n->operation))
        put_operation_hint(&operations, n, arena, out);
    else if (n->from_unix_ns)
        kis_buf_add_str(out, KIS_STR("; --any-time looks further"));
}

static void put_terms(const kis_nothing *n, kis_buf *out)
{
    const char *tags = n->tag_count > 1 ? "these tags" : n->tag_count ? "this tag" : "";

    if (n->tag_count || n->has_durations)
        kis_buf_add_fmt(out, ", with %s%s%s,", tags, *tags && n->has_durations ? " and " : "",
                        n->has_durations ? "such a duration" : "");
}

void kis_nothing_say(const kis_nothing *n, kis_arena *arena, kis_buf *out)
{
    char time[KIS_NUM_TEXT_MAX];

    kis_buf_add_fmt(out, "no %s", n->what);
    if (n->service.len)
        put_quoted(out, " of service ", n->service);
    if (n->operation.len)
        put_quoted(out, n->service.len ? ", operation " : " of operation ", n->operation);
    put_terms(n, out);
    if (n->from_unix_ns) {
        kis_time_format(n->from_unix_ns, time);
        kis_buf_add_fmt(out, " since %.*sZ", (int)sizeof("2026-11-21T07:49:21") - 1, time);
    }
    put_hint(n, arena, out);
}

void kis_nothing_say_id(kis_str id, kis_buf *out)
{
    kis_buf_add_fmt(out, "no trace " KIS_FMT, KIS_ARG(kis_str_slice(id, 0, 64)));
    if (id.len < TRACE_ID_DIGITS)
        kis_buf_add_fmt(out, "; a trace id has %u digits, this one has %zu", TRACE_ID_DIGITS,
                        id.len);
    else
        kis_buf_add_str(out, KIS_STR("; it has not come, or is older than what is kept"));
}
