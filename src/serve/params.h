/* params.h - what a URL's query asks: names and values decoded, then read as times, durations, ids,
 * tags.
 *
 * Readers of one parameter answer OK and leave `out` alone when it is absent; a wrong one is SYNTAX
 * or RANGE with a diag that quotes it.
 */
#ifndef KIS_SERVE_PARAMS_H
#define KIS_SERVE_PARAMS_H

#include "query/terms.h"

#define KIS_PARAMS_MAX 128u /* of one URL; more is refused */

typedef struct kis_param {
    kis_str name, value;
} kis_param;

typedef struct kis_params {
    kis_param at[KIS_PARAMS_MAX];
    uint32_t count;
} kis_params;

/** Decodes a raw query ("a=1&b=%20"). Texts borrow from it or from the arena. */
kis_err kis_params_parse(kis_str query, kis_arena *arena, kis_params *out,
                         kis_diag *diag) KIS_CHECKED;
/** The first value of that name, or an empty text. */
kis_str kis_params_get(const kis_params *params, kis_str name);
/** for (uint32_t at = 0; kis_params_next(params, name, &at, &value);) */
bool kis_params_next(const kis_params *params, kis_str name, uint32_t *at, kis_str *value);

/** Epoch time in units of `unit_ns`; negative is 0. */
kis_err kis_param_epoch(kis_str text, uint64_t unit_ns, uint64_t *out_unix_ns) KIS_CHECKED;
/** strconv.ParseBool's words: 1 t T TRUE true True 0 f F FALSE false False. */
kis_err kis_param_bool(kis_str text, bool *out);
/** 1 to 32 hex digits of any case (zeros are added in front), or 16 bytes in base64 of any variant.
 */
kis_err kis_param_trace_id(kis_str text, kis_trace_id *out, kis_diag *diag) KIS_CHECKED;

typedef struct kis_tag_list {
    kis_tag at[KIS_QUERY_TAGS_MAX];
    uint32_t count;
} kis_tag_list;

/** Adds, or replaces the value of a key that is there. */
kis_err kis_tags_put(kis_tag_list *list, kis_str key, kis_str value, kis_diag *diag) KIS_CHECKED;
/** Adds the members of a JSON object of texts. Numbers and booleans are taken as their text. */
kis_err kis_tags_put_json(kis_tag_list *list, kis_str json, kis_arena *arena,
                          kis_diag *diag) KIS_CHECKED;

#endif
