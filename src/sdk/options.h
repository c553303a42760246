/* options.h - the options of an SDK, looked up: code, then environment, then default.
 * See options.c. */
#ifndef KIS_SDK_OPTIONS_H
#define KIS_SDK_OPTIONS_H

#include "base/option.h"
#include "sdk/sdk.h"

/** One option: where it is in kis_sdk_options, its default and bounds, and the variables that name
 * it, the first that is set and understood counts. */
typedef struct kis_sdk_option {
    kis_option row; /* row.env is the first variable */
    const char *more_env[2];
    /* of a text that knows only some, "a|b|c", several with commas where is_list says so; NULL:
     * any. For the environment; what the code says is checked where it is used. */
    const char *words;
    bool is_list;
} kis_sdk_option;

#define KIS_SDK_NO_LIMIT UINT32_MAX /* milliseconds: 49 days */

const kis_sdk_option *kis_sdk_option_rows(size_t *count);

/**
 * Fills `out` with what `given` (NULL: nothing) says, else the environment of `host`, else the
 * default. A variable that cannot be understood is a warning in the host's log and counts as not
 * set. A timeout of 0 in the environment is KIS_SDK_NO_LIMIT. Texts from the environment borrow
 * from it.
 * RANGE: a number in `given` is out of bounds; diag names it.
 */
kis_err kis_sdk_options_resolve(const kis_sdk_options *given, const kis_host *host,
                                kis_sdk_options *out, kis_diag *diag) KIS_CHECKED;

/** The variable without blanks around it; empty: not set. Borrows from the environment. */
kis_str kis_sdk_option_env(const char *env, const kis_host *host);

#endif
