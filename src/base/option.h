/* option.h - an option is one row: flag, environment, range, default, help all come from it.
 *
 *     static const kis_option rows[] = {
 *         { "keep", NULL, KIS_OPT_DURATION, offsetof(kis_serve_options, keep_ns),
 *           "72h", "1m", "3650d", NULL, "How long spans are kept." },
 *
 * The field at `offset` has the type of the kind. Defaults and bounds are text in the option's own
 * form, so that help prints them as the user would write them.
 */
#ifndef KIS_BASE_OPTION_H
#define KIS_BASE_OPTION_H

#include "base/buf.h"

typedef enum kis_opt_kind {
    KIS_OPT_TEXT,     /* kis_str */
    KIS_OPT_BOOL,     /* bool; on the command line the bare flag means true */
    KIS_OPT_U32,      /* uint32_t */
    KIS_OPT_U64,      /* uint64_t */
    KIS_OPT_F64,      /* double */
    KIS_OPT_DURATION, /* int64_t ns; "72h" */
    KIS_OPT_MS,       /* uint32_t milliseconds; a bare number, as OTEL_* has it */
    KIS_OPT_SIZE,     /* uint64_t bytes; "10GiB" */
    KIS_OPT_CHOICE,   /* int; `choices` is "a|b|c", the value is the index */
} kis_opt_kind;

typedef struct kis_option {
    const char *flag; /* "keep-bytes", without dashes; NULL: environment only */
    const char *env;  /* NULL: no environment variable */
    kis_opt_kind kind;
    size_t offset;
    const char *fallback;  /* default, as text; NULL leaves the field zero */
    const char *min, *max; /* bounds as text, or NULL */
    /* for KIS_OPT_CHOICE; for others the placeholder in help ("DIR"), or NULL */
    const char *choices;
    const char *help;
} kis_option;

/** Sets every field to its default. RANGE or SYNTAX means a wrong row: our own mistake. */
kis_err kis_options_default(const kis_option *rows, size_t count, void *into,
                            kis_diag *diag) KIS_CHECKED;
/** Parses one value into its field: "keep: '72x' is not a duration; want a number and ns us ms s m
 * h d". */
kis_err kis_option_set(const kis_option *row, kis_str value, void *into,
                       kis_diag *diag) KIS_CHECKED;
/** The same for a value of the row's environment variable, which errors then name. */
kis_err kis_option_set_env(const kis_option *row, kis_str value, void *into,
                           kis_diag *diag) KIS_CHECKED;
const kis_option *kis_option_find(const kis_option *rows, size_t count, kis_str flag);
/** The flag nearest to what was typed, for "did you mean", or NULL when nothing is near. */
const kis_option *kis_option_nearest(const kis_option *rows, size_t count, kis_str flag);
/** Errors name the flag with its dashes. Reads argv[first..]: --flag=value, --flag value, --flag.
 * Stops at "--" or the first word without dashes; `out_next` is its index. */
kis_err kis_options_parse_args(const kis_option *rows, size_t count, int argc, char **argv,
                               int first, void *into, int *out_next, kis_diag *diag) KIS_CHECKED;
/** Help lines, two columns, for all rows with a flag. */
void kis_options_help(const kis_option *rows, size_t count, kis_buf *out);

#endif
