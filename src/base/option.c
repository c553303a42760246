/* option.c - rows that declare options: reading values, the command line, help.
 *
 * A value comes in as text, whatever its source, and goes through one door: kis_option_set.
 * Defaults and bounds are texts of the same form, so a row cannot say something that a user could
 * not.
 */
#include "base/option.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"

#define NAME_MAX_BYTES 64u /* longest flag that is compared for "did you mean" */
#define HELP_COLUMN    28u /* where the second column of help begins */
#define HELP_WIDTH     100u

/* What an error says was wanted. By kind. */
static const char *const option_wants[] = {
    [KIS_OPT_TEXT] = "text",
    [KIS_OPT_BOOL] = "true or false",
    [KIS_OPT_U32] = "a whole number",
    [KIS_OPT_U64] = "a whole number",
    [KIS_OPT_F64] = "a number",
    [KIS_OPT_DURATION] = "a number and one of ns us ms s m h d",
    [KIS_OPT_MS] = "a whole number of milliseconds",
    [KIS_OPT_SIZE] = "a number and one of B KB MB GB TB KiB MiB GiB TiB",
    [KIS_OPT_CHOICE] = "one of",
};

/* What the value is not. By kind. */
static const char *const option_nouns[] = {
    [KIS_OPT_TEXT] = "text",
    [KIS_OPT_BOOL] = "true or false",
    [KIS_OPT_U32] = "a number",
    [KIS_OPT_U64] = "a number",
    [KIS_OPT_F64] = "a number",
    [KIS_OPT_DURATION] = "a duration",
    [KIS_OPT_MS] = "a number",
    [KIS_OPT_SIZE] = "a size",
    [KIS_OPT_CHOICE] = "a known value",
};

/* What help writes behind the flag. By kind; a row may say otherwise. */
static const char *const option_placeholders[] = {
    [KIS_OPT_TEXT] = "TEXT", [KIS_OPT_BOOL] = "",      [KIS_OPT_U32] = "N",
    [KIS_OPT_U64] = "N",     [KIS_OPT_F64] = "NUMBER", [KIS_OPT_DURATION] = "DURATION",
    [KIS_OPT_MS] = "MS",     [KIS_OPT_SIZE] = "SIZE",  [KIS_OPT_CHOICE] = "",
};

/* A value of any kind, between text and field. Kinds compare by the member that orders them. */
typedef union option_value {
    kis_str text;
    bool flag;
    uint64_t number; /* U32, U64, MS, SIZE */
    int64_t ns;
    double real;
    int choice;
} option_value;

static kis_err option_parse_bool(kis_str text, bool *out)
{
    static const kis_str words[] = { KIS_STR_INIT("false"), KIS_STR_INIT("true"),
                                     KIS_STR_INIT("no"),    KIS_STR_INIT("yes"),
                                     KIS_STR_INIT("off"),   KIS_STR_INIT("on"),
                                     KIS_STR_INIT("0"),     KIS_STR_INIT("1") };
    for (size_t i = 0; i < KIS_COUNT_OF(words); i++) {
        if (kis_str_eq_nocase(text, words[i])) {
            *out = i % 2 == 1;
            return KIS_OK;
        }
    }
    return KIS_ERR_SYNTAX;
}

static kis_err option_parse_choice(const char *choices, kis_str text, int *out)
{
    kis_str rest = kis_str_from_c(choices);
    for (int i = 0; rest.len > 0; i++) {
        if (kis_str_eq_nocase(kis_str_cut(&rest, '|'), text)) {
            *out = i;
            return KIS_OK;
        }
    }
    return KIS_ERR_SYNTAX;
}

static kis_err option_parse_value(const kis_option *row, kis_str text, option_value *out)
{
    switch (row->kind) {
    case KIS_OPT_TEXT:
        out->text = text;
        return KIS_OK;
    case KIS_OPT_BOOL:
        return option_parse_bool(text, &out->flag);
    case KIS_OPT_U32:
    case KIS_OPT_MS: {
        kis_err err = kis_u64_parse(text, &out->number);
        return err ? err : out->number > UINT32_MAX ? KIS_ERR_RANGE : KIS_OK;
    }
    case KIS_OPT_U64:
        return kis_u64_parse(text, &out->number);
    case KIS_OPT_F64:
        return kis_f64_parse(text, &out->real);
    case KIS_OPT_DURATION:
        return kis_duration_parse(text, &out->ns);
    case KIS_OPT_SIZE:
        return kis_size_parse(text, &out->number);
    case KIS_OPT_CHOICE:
        return option_parse_choice(row->choices, text, &out->choice);
    }
    return KIS_ERR_UNSUPPORTED;
}

static bool option_is_below(kis_opt_kind kind, const option_value *a, const option_value *b)
{
    switch (kind) {
    case KIS_OPT_U32:
    case KIS_OPT_MS:
    case KIS_OPT_U64:
    case KIS_OPT_SIZE:
        return a->number < b->number;
    case KIS_OPT_DURATION:
        return a->ns < b->ns;
    case KIS_OPT_F64:
        return a->real < b->real;
    default:
        return false;
    }
}

static void option_store(const kis_option *row, const option_value *value, void *into)
{
    void *field = (char *)into + row->offset;

    switch (row->kind) {
    case KIS_OPT_TEXT:
        *(kis_str *)field = value->text;
        break;
    case KIS_OPT_BOOL:
        *(bool *)field = value->flag;
        break;
    case KIS_OPT_U32:
    case KIS_OPT_MS:
        *(uint32_t *)field = (uint32_t)value->number;
        break;
    case KIS_OPT_U64:
    case KIS_OPT_SIZE:
        *(uint64_t *)field = value->number;
        break;
    case KIS_OPT_F64:
        *(double *)field = value->real;
        break;
    case KIS_OPT_DURATION:
        *(int64_t *)field = value->ns;
        break;
    case KIS_OPT_CHOICE:
        *(int *)field = value->choice;
        break;
    }
}

/* How an error calls the option: "--keep" on the command line, "KISEKI_KEEP" in the environment. */
typedef struct option_source {
    const char *dashes, *name;
} option_source;

static option_source option_source_of(const kis_option *row)
{
    return (option_source){ "", row->flag ? row->flag : row->env ? row->env : "option" };
}

static kis_err option_refuse_syntax(const kis_option *row, option_source from, kis_str value,
                                    kis_err err, kis_diag *diag)
{
    bool is_choice = row->kind == KIS_OPT_CHOICE;
    if (value.len == 0)
        return kis_diag_set(diag, err, "%s%s: no value; want %s%s%s", from.dashes, from.name,
                            option_wants[row->kind], is_choice ? " " : "",
                            is_choice ? row->choices : "");
    return kis_diag_set(diag, err, "%s%s: '" KIS_FMT "' is not %s; want %s%s%s", from.dashes,
                        from.name, KIS_ARG(value), option_nouns[row->kind], option_wants[row->kind],
                        is_choice ? " " : "", is_choice ? row->choices : "");
}

/* Kinds without a sign: the row need not say that they begin at 0. */
static bool option_is_unsigned(kis_opt_kind kind)
{
    return kind == KIS_OPT_U32 || kind == KIS_OPT_U64 || kind == KIS_OPT_MS || kind == KIS_OPT_SIZE;
}

static bool option_is_negative(const kis_option *row, kis_str value)
{
    return option_is_unsigned(row->kind) && value.len > 1 && value.ptr[0] == '-' &&
           value.ptr[1] >= '0' && value.ptr[1] <= '9';
}

static kis_err option_refuse_range(const kis_option *row, option_source from, kis_str value,
                                   kis_diag *diag)
{
    bool is_negative = option_is_negative(row, value);
    const char *min = row->min ? row->min : is_negative ? "0" : NULL;

    if (min && row->max)
        return kis_diag_set(diag, KIS_ERR_RANGE,
                            "%s%s: '" KIS_FMT "' is out of range; want %s to %s", from.dashes,
                            from.name, KIS_ARG(value), min, row->max);
    if (is_negative)
        return kis_diag_set(diag, KIS_ERR_RANGE,
                            "%s%s: '" KIS_FMT "' is out of range; want %s or more", from.dashes,
                            from.name, KIS_ARG(value), min);
    if (min || row->max)
        return kis_diag_set(
            diag, KIS_ERR_RANGE, "%s%s: '" KIS_FMT "' is out of range; want at %s %s", from.dashes,
            from.name, KIS_ARG(value), min ? "least" : "most", min ? min : row->max);
    return kis_diag_set(diag, KIS_ERR_RANGE, "%s%s: '" KIS_FMT "' is too large", from.dashes,
                        from.name, KIS_ARG(value));
}

/* Reads a bound of the row; one that cannot be read is our own mistake. */
static kis_err option_bound(const kis_option *row, const char *text, option_value *out,
                            kis_diag *diag)
{
    kis_err err = option_parse_value(row, kis_str_from_c(text), out);
    return err ? kis_diag_set(diag, err, "%s: the row's bound '%s' is wrong",
                              option_source_of(row).name, text)
               : KIS_OK;
}

static kis_err option_set_from(const kis_option *row, option_source from, kis_str value, void *into,
                               kis_diag *diag)
{
    option_value parsed, bound;
    kis_err err = option_parse_value(row, value, &parsed);

    if (err == KIS_ERR_RANGE || (err && option_is_negative(row, value)))
        return option_refuse_range(row, from, value, diag);
    if (err)
        return option_refuse_syntax(row, from, value, err, diag);
    if (row->min) {
        err = option_bound(row, row->min, &bound, diag);
        if (err)
            return err;
        if (option_is_below(row->kind, &parsed, &bound))
            return option_refuse_range(row, from, value, diag);
    }
    if (row->max) {
        err = option_bound(row, row->max, &bound, diag);
        if (err)
            return err;
        if (option_is_below(row->kind, &bound, &parsed))
            return option_refuse_range(row, from, value, diag);
    }
    option_store(row, &parsed, into);
    return KIS_OK;
}

kis_err kis_option_set(const kis_option *row, kis_str value, void *into, kis_diag *diag)
{
    return option_set_from(row, option_source_of(row), value, into, diag);
}

kis_err kis_option_set_env(const kis_option *row, kis_str value, void *into, kis_diag *diag)
{
    return option_set_from(row, (option_source){ "", row->env }, value, into, diag);
}

kis_err kis_options_default(const kis_option *rows, size_t count, void *into, kis_diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        option_value zero;
        memset(&zero, 0, sizeof(zero));
        option_store(&rows[i], &zero, into);
        if (!rows[i].fallback)
            continue;
        kis_err err = kis_option_set(&rows[i], kis_str_from_c(rows[i].fallback), into, diag);
        if (err)
            return kis_diag_in(diag, err, "default of");
    }
    return KIS_OK;
}

const kis_option *kis_option_find(const kis_option *rows, size_t count, kis_str flag)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].flag && kis_str_eq(kis_str_from_c(rows[i].flag), flag))
            return &rows[i];
    }
    return NULL;
}

/* Levenshtein distance; texts longer than NAME_MAX_BYTES count as far apart. */
static size_t option_distance(kis_str a, kis_str b)
{
    uint8_t row[NAME_MAX_BYTES + 1];

    if (a.len > NAME_MAX_BYTES || b.len > NAME_MAX_BYTES)
        return NAME_MAX_BYTES;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = (uint8_t)j;
    for (size_t i = 0; i < a.len; i++) {
        uint8_t diagonal = row[0];
        row[0] = (uint8_t)(i + 1);
        for (size_t j = 0; j < b.len; j++) {
            uint8_t swap = (uint8_t)(diagonal + (a.ptr[i] != b.ptr[j]));
            diagonal = row[j + 1];
            uint8_t drop = (uint8_t)(KIS_MIN(row[j], row[j + 1]) + 1);
            row[j + 1] = KIS_MIN(swap, drop);
        }
    }
    return row[b.len];
}

const kis_option *kis_option_nearest(const kis_option *rows, size_t count, kis_str flag)
{
    const kis_option *nearest = NULL;
    size_t best = flag.len / 3 + 2; /* further than this is another word */

    for (size_t i = 0; i < count; i++) {
        if (!rows[i].flag)
            continue;
        kis_str name = kis_str_from_c(rows[i].flag);
        size_t distance = option_distance(flag, name);
        if (flag.len >= 3 && kis_str_starts(name, flag)) /* "keep-b": the beginning was typed */
            distance = 1;
        if (distance < best) {
            best = distance;
            nearest = &rows[i];
        }
    }
    return nearest;
}

static kis_err option_refuse_flag(const kis_option *rows, size_t count, kis_str flag,
                                  kis_diag *diag)
{
    const kis_option *near = kis_option_nearest(rows, count, flag);
    if (near)
        return kis_diag_set(diag, KIS_ERR_NOT_FOUND,
                            "unknown option --" KIS_FMT "; did you mean --%s?", KIS_ARG(flag),
                            near->flag);
    return kis_diag_set(diag, KIS_ERR_NOT_FOUND, "unknown option --" KIS_FMT, KIS_ARG(flag));
}

/* `choices` are the words of a choice, of any other kind what help calls the value. */
static kis_err option_refuse_no_value(const kis_option *row, kis_diag *diag)
{
    if (row->kind == KIS_OPT_TEXT && row->choices)
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "--%s needs a value: %s", row->flag,
                            row->choices);
    return kis_diag_set(diag, KIS_ERR_SYNTAX, "--%s needs a value: %s%s%s", row->flag,
                        option_wants[row->kind], row->kind == KIS_OPT_CHOICE ? " " : "",
                        row->kind == KIS_OPT_CHOICE ? row->choices : "");
}

kis_err kis_options_parse_args(const kis_option *rows, size_t count, int argc, char **argv,
                               int first, void *into, int *out_next, kis_diag *diag)
{
    int i = first;

    for (; i < argc; i++) {
        kis_str word = kis_str_from_c(argv[i]);
        if (kis_str_eq(word, KIS_STR("--"))) {
            i++;
            break;
        }
        if (!kis_str_starts(word, KIS_STR("--")))
            break;
        kis_str value = kis_str_slice(word, 2, word.len);
        kis_str flag = kis_str_cut(&value, '=');
        const kis_option *row = kis_option_find(rows, count, flag);
        if (!row)
            return option_refuse_flag(rows, count, flag, diag);
        bool has_value = value.ptr != NULL;
        if (!has_value && row->kind == KIS_OPT_BOOL)
            value = KIS_STR("true");
        else if (!has_value && i + 1 < argc)
            value = kis_str_from_c(argv[++i]);
        else if (!has_value)
            return option_refuse_no_value(row, diag);
        kis_err err = option_set_from(row, (option_source){ "--", row->flag }, value, into, diag);
        if (err)
            return err;
    }
    *out_next = i;
    return KIS_OK;
}

/* "--keep DURATION"; answers the length. */
static size_t option_help_flag(const kis_option *row, kis_buf *out)
{
    size_t start = out->len;
    const char *value = row->choices ? row->choices : option_placeholders[row->kind];

    kis_buf_add_fmt(out, "  --%s", row->flag);
    if (value[0])
        kis_buf_add_fmt(out, " %s", value);
    return out->len - start;
}

static void option_help_spaces(kis_buf *out, size_t count)
{
    while (count-- > 0)
        kis_buf_add_byte(out, ' ');
}

/* Words of `text` from column HELP_COLUMN on, broken before HELP_WIDTH; answers the column. */
static size_t option_help_words(kis_buf *out, kis_str text, size_t column)
{
    while (text.len > 0) {
        kis_str word = kis_str_cut(&text, ' ');
        if (column > HELP_COLUMN && column + 1 + word.len > HELP_WIDTH) {
            kis_buf_add_byte(out, '\n');
            option_help_spaces(out, HELP_COLUMN);
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            kis_buf_add_byte(out, ' ');
            column++;
        }
        kis_buf_add_str(out, word);
        column += word.len;
    }
    return column;
}

void kis_options_help(const kis_option *rows, size_t count, kis_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const kis_option *row = &rows[i];
        if (!row->flag)
            continue;
        size_t column = option_help_flag(row, out);
        if (column + 2 > HELP_COLUMN) {
            kis_buf_add_byte(out, '\n');
            column = 0;
        }
        option_help_spaces(out, HELP_COLUMN - column);
        column = option_help_words(out, kis_str_from_c(row->help), HELP_COLUMN);
        char note[160];
        bool has_default = row->fallback && row->fallback[0] && row->kind != KIS_OPT_BOOL;
        if (has_default) {
            size_t len = kis_fmt(note, sizeof(note), "[%s]", row->fallback);
            column = option_help_words(out, kis_str_of(note, len), column);
        }
        if (row->env) {
            size_t len = kis_fmt(note, sizeof(note), "(%s)", row->env);
            option_help_words(out, kis_str_of(note, len), column);
        }
        kis_buf_add_byte(out, '\n');
    }
}
