/* params.c - see params.h. */
#include "serve/params.h"

#include "base/diag.h"
#include "base/num.h"
#include "http/url.h"
#include "wire/json.h"

kis_err kis_params_parse(kis_str query, kis_arena *arena, kis_params *out, kis_diag *diag)
{
    kis_str name, value;

    out->count = 0;
    for (kis_str rest = query; kis_query_next(&rest, &name, &value);) {
        if (name.len == 0 && value.len == 0)
            continue;
        if (out->count == KIS_PARAMS_MAX)
            return kis_diag_set(diag, KIS_ERR_LIMIT, "more than %u parameters", KIS_PARAMS_MAX);
        kis_param *p = &out->at[out->count];
        kis_err err = kis_url_decode(name, true, arena, &p->name);
        if (!err)
            err = kis_url_decode(value, true, arena, &p->value);
        if (err == KIS_ERR_NOMEM)
            return kis_diag_set(diag, err, "no memory for the parameters");
        if (err)
            return kis_diag_set(diag, err,
                                "parameter '" KIS_FMT "' is not percent-encoded as it should be",
                                KIS_ARG(kis_str_slice(name, 0, 64)));
        if (!kis_utf8_is_valid(p->name) || !kis_utf8_is_valid(p->value))
            return kis_diag_set(diag, KIS_ERR_SYNTAX, "parameter '" KIS_FMT "' is not UTF-8",
                                KIS_ARG(kis_str_slice(name, 0, 64)));
        out->count++;
    }
    return KIS_OK;
}

bool kis_params_next(const kis_params *params, kis_str name, uint32_t *at, kis_str *value)
{
    for (; *at < params->count; (*at)++)
        if (kis_str_eq(params->at[*at].name, name)) {
            *value = params->at[(*at)++].value;
            return true;
        }
    return false;
}

kis_str kis_params_get(const kis_params *params, kis_str name)
{
    uint32_t at = 0;
    kis_str value = KIS_STR_NONE;

    kis_params_next(params, name, &at, &value);
    return value;
}

kis_err kis_param_epoch(kis_str text, uint64_t unit_ns, uint64_t *out_unix_ns)
{
    int64_t number;
    kis_err err = kis_i64_parse(text, &number);

    if (err)
        return err;
    if (number <= 0)
        *out_unix_ns = 0;
    else
        *out_unix_ns =
            (uint64_t)number > UINT64_MAX / unit_ns ? UINT64_MAX : (uint64_t)number * unit_ns;
    return KIS_OK;
}

kis_err kis_param_bool(kis_str text, bool *out)
{
    static const char *const words[2][6] = { { "0", "f", "F", "FALSE", "false", "False" },
                                             { "1", "t", "T", "TRUE", "true", "True" } };

    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 6; i++)
            if (kis_str_eq(text, kis_str_from_c(words[value][i]))) {
                *out = value;
                return KIS_OK;
            }
    return KIS_ERR_SYNTAX;
}

kis_err kis_param_trace_id(kis_str text, kis_trace_id *out, kis_diag *diag)
{
    char digits[32];
    kis_trace_id id;
    size_t len = 0;

    if (text.len >= 1 && text.len <= 32) {
        memset(digits, '0', sizeof(digits));
        memcpy(digits + 32 - text.len, text.ptr, text.len);
        if (kis_hex_parse(kis_str_of(digits, 32), true, id.bytes, 16) == KIS_OK) {
            *out = id;
            return KIS_OK;
        }
        if (kis_base64_parse(text, id.bytes, 16, &len) == KIS_OK && len == 16) {
            *out = id;
            return KIS_OK;
        }
    }
    return kis_diag_set(diag, KIS_ERR_SYNTAX,
                        "'" KIS_FMT "' is not a trace id: want at most 32 hex digits",
                        KIS_ARG(kis_str_slice(text, 0, 64)));
}

/* ---- tags ---- */

kis_err kis_tags_put(kis_tag_list *list, kis_str key, kis_str value, kis_diag *diag)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (kis_str_eq(list->at[i].key, key)) {
            list->at[i].value = value;
            return KIS_OK;
        }
    if (list->count == KIS_QUERY_TAGS_MAX)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "more than %u tags", KIS_QUERY_TAGS_MAX);
    list->at[list->count++] = (kis_tag){ key, value };
    return KIS_OK;
}

/* A number or a boolean counts as its text: people write {"http.status_code":500}. */
static bool take_value_text(kis_json *j, kis_str *out)
{
    bool truth;

    switch (kis_json_peek(j)) {
    case KIS_JSON_STRING:
        return kis_json_str(j, out);
    case KIS_JSON_NUMBER:
        return kis_json_number(j, out);
    case KIS_JSON_BOOL:
        if (!kis_json_bool(j, &truth))
            return false;
        *out = truth ? KIS_STR("true") : KIS_STR("false");
        return true;
    default:
        return kis_json_fail(j, KIS_ERR_SYNTAX, "want a text");
    }
}

kis_err kis_tags_put_json(kis_tag_list *list, kis_str json, kis_arena *arena, kis_diag *diag)
{
    kis_json j;
    kis_str key, value;

    kis_json_begin(&j, kis_bytes_of_str(json), arena);
    for (kis_json_object(&j); kis_json_member(&j, &key);) {
        if (!take_value_text(&j, &value))
            break;
        kis_err err = kis_tags_put(list, key, value, diag);
        if (err)
            return err;
    }
    if (kis_json_end(&j))
        return KIS_OK;
    if (j.err == KIS_ERR_NOMEM)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the tags");
    return kis_diag_set(diag, KIS_ERR_SYNTAX, "want a JSON object of texts; at byte %u: %s",
                        (unsigned)kis_json_offset(&j), j.what ? j.what : "malformed");
}
