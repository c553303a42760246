/* diag.c - the names of errors, and filling a kis_diag.
 *
 *     innermost   kis_diag_set  "3 bytes, a header has 64"
 *     its caller  kis_diag_in   "segment 'a.seg': 3 bytes, a header has 64"
 *
 * Always true: text ends in NUL, holds no control character and no broken UTF-8, whatever was
 * formatted into it, so that it can go to a terminal or into a JSON answer as it is.
 */
#include "base/diag.h"

#include "base/fmt.h"

#define WORDS_MAX (2 * KIS_DIAG_TEXT_MAX) /* one level's words before they are escaped and cut */

const char *kis_version(void)
{
    return KIS_VERSION;
}

const char *kis_err_text(kis_err err)
{
    switch (err) {
#define KIS_ERR_CASE(name, value, http, grpc, text) \
    case KIS_##name:                                \
        return text;
        KIS_ERR_LIST(KIS_ERR_CASE)
#undef KIS_ERR_CASE
    }
    return "unknown error";
}

int kis_err_http_status(kis_err err)
{
    switch (err) {
#define KIS_ERR_CASE(name, value, http, grpc, text) \
    case KIS_##name:                                \
        return http;
        KIS_ERR_LIST(KIS_ERR_CASE)
#undef KIS_ERR_CASE
    }
    return 500;
}

int kis_err_grpc_status(kis_err err)
{
    switch (err) {
#define KIS_ERR_CASE(name, value, http, grpc, text) \
    case KIS_##name:                                \
        return grpc;
        KIS_ERR_LIST(KIS_ERR_CASE)
#undef KIS_ERR_CASE
    }
    return 2; /* UNKNOWN */
}

/* Formats one level's words, escaped, into `to`; answers the length. */
static size_t diag_words(char *to, size_t size, const char *format, va_list args)
{
    char words[WORDS_MAX];
    size_t len = kis_fmt_v(words, sizeof(words), format, args);

    return kis_fmt_escape(to, size, kis_str_of(words, len));
}

kis_err kis_diag_set(kis_diag *diag, kis_err err, const char *format, ...)
{
    if (!diag)
        return err;
    va_list args;
    va_start(args, format);
    diag_words(diag->text, sizeof(diag->text), format, args);
    va_end(args);
    diag->err = err;
    return err;
}

kis_err kis_diag_in(kis_diag *diag, kis_err err, const char *format, ...)
{
    if (!diag)
        return err;
    char whole[2 * KIS_DIAG_TEXT_MAX + 2];
    va_list args;
    va_start(args, format);
    size_t len = diag_words(whole, KIS_DIAG_TEXT_MAX, format, args);
    va_end(args);

    kis_str inner = kis_str_from_c(diag->text);
    if (len > 0 && inner.len > 0) {
        memcpy(whole + len, ": ", 2);
        len += 2;
    }
    memcpy(whole + len, inner.ptr, inner.len);
    len = kis_utf8_cut_bytes(kis_str_of(whole, len + inner.len), KIS_DIAG_TEXT_MAX - 1);
    memcpy(diag->text, whole, len);
    diag->text[len] = '\0';
    diag->err = err;
    return err;
}
