/* url.c - absolute URLs, query strings, percent-coding (RFC 3986, as far as senders and queries
 * need it). */
#include "http/url.h"

#include "base/diag.h"
#include "base/num.h"

#define URL_BYTES_MAX  8192u /* as a request target */
#define HOST_BYTES_MAX 255u  /* RFC 1035, 2.3.4 */

static const struct {
    kis_str name;
    uint16_t port;
    bool is_tls;
} url_schemes[] = {
    { KIS_STR_INIT("http"), 80, false },   { KIS_STR_INIT("https"), 443, true },
    { KIS_STR_INIT("grpc"), 4317, false }, { KIS_STR_INIT("grpcs"), 4317, true },
    { KIS_STR_INIT("unix"), 0, false },
};

static kis_err url_wrong(kis_diag *diag, kis_str text, const char *what)
{
    return kis_diag_set(diag, KIS_ERR_SYNTAX, "'" KIS_FMT "' %s", KIS_ARG(text), what);
}

static bool has_only_url_characters(kis_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' || c == '^' ||
            c == '`' || c == '{' || c == '|' || c == '}')
            return false;
    }
    return true;
}

static kis_err parse_port(kis_str text, kis_str port, uint16_t *out, kis_diag *diag)
{
    uint64_t value;
    if (port.len > 5 || kis_u64_parse(port, &value) != KIS_OK || value == 0 || value > 65535)
        return url_wrong(diag, text, "has a port that is not a number from 1 to 65535");
    *out = (uint16_t)value;
    return KIS_OK;
}

/* The characters of an address, and behind '%' those of an interface's name. */
static bool is_v6_text(kis_str text)
{
    bool is_zone = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        bool is_name = (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '-' || c == '_';
        if (!is_hex && c != ':' && c != '.' && c != '%' && !(is_zone && is_name))
            return false;
        is_zone |= c == '%';
    }
    return true;
}

/* host, host:port, [v6], [v6]:port */
static kis_err parse_authority(kis_str text, kis_str authority, kis_url *out, kis_diag *diag)
{
    kis_str port = KIS_STR_NONE;
    if (kis_str_find_char(authority, '@') != KIS_STR_NPOS)
        return url_wrong(diag, text, "holds a user name: put credentials into headers");
    if (authority.len && authority.ptr[0] == '[') {
        size_t end = kis_str_find_char(authority, ']');
        if (end == KIS_STR_NPOS)
            return url_wrong(diag, text, "opens '[' without ']'");
        out->host = kis_str_slice(authority, 1, end - 1);
        port = kis_str_slice(authority, end + 1, authority.len);
        if (port.len && port.ptr[0] != ':')
            return url_wrong(diag, text, "has something between ']' and the port");
        if (!is_v6_text(out->host))
            return url_wrong(diag, text, "has no IPv6 address between the brackets");
    } else {
        size_t colon = kis_str_find_char(authority, ':');
        out->host = kis_str_slice(authority, 0, colon == KIS_STR_NPOS ? authority.len : colon);
        port =
            colon == KIS_STR_NPOS ? KIS_STR_NONE : kis_str_slice(authority, colon, authority.len);
        if (kis_str_find_char(kis_str_slice(port, 1, port.len), ':') != KIS_STR_NPOS)
            return url_wrong(diag, text, "has two colons: write an IPv6 address as [::1]:4318");
    }
    if (out->host.len == 0 || out->host.len > HOST_BYTES_MAX)
        return url_wrong(diag, text, "has no host");
    return port.len ? parse_port(text, kis_str_slice(port, 1, port.len), &out->port, diag) : KIS_OK;
}

static kis_err parse_scheme(kis_str text, kis_url *out, kis_str *rest, kis_diag *diag)
{
    size_t colon = kis_str_find_char(text, ':');
    out->scheme = kis_str_slice(text, 0, colon == KIS_STR_NPOS ? 0 : colon);
    for (size_t i = 0; i < KIS_COUNT_OF(url_schemes); i++) {
        if (!kis_str_eq_nocase(out->scheme, url_schemes[i].name))
            continue;
        out->port = url_schemes[i].port;
        out->is_tls = url_schemes[i].is_tls;
        *rest = kis_str_slice(text, colon + 1, text.len);
        return KIS_OK;
    }
    return url_wrong(diag, text,
                     "has no scheme we know; want http, https, grpc, grpcs or unix, as in "
                     "http://localhost:4318/v1/traces");
}

kis_err kis_url_parse(kis_str text, kis_url *out, kis_diag *diag)
{
    kis_url url = { 0 };
    kis_str rest;

    if (text.len == 0 || text.len > URL_BYTES_MAX)
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            text.len ? "a URL of more than 8192 bytes"
                                     : "an empty URL; want one like http://localhost:4318");
    if (!has_only_url_characters(text))
        return url_wrong(diag, text, "has a character that belongs coded as %XX");
    if (kis_str_find_char(text, '#') != KIS_STR_NPOS)
        return url_wrong(diag, text, "has a fragment ('#'), which is never sent");
    kis_err err = parse_scheme(text, &url, &rest, diag);
    if (err)
        return err;
    if (kis_str_eq(url.scheme, KIS_STR("unix"))) { /* unix:/path, unix:///path */
        kis_str path =
            kis_str_starts(rest, KIS_STR("//")) ? kis_str_slice(rest, 2, rest.len) : rest;
        if (path.len < 2 || path.ptr[0] != '/')
            return url_wrong(diag, text, "has no absolute path; want unix:/run/kiseki.sock");
        url.host = text;
        *out = url;
        return KIS_OK;
    }
    if (!kis_str_starts(rest, KIS_STR("//")))
        return url_wrong(diag, text, "has no '//' behind the scheme");
    rest = kis_str_slice(rest, 2, rest.len);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    err = parse_authority(text, kis_str_slice(rest, 0, end), &url, diag);
    if (err)
        return err;
    rest = kis_str_slice(rest, end, rest.len);
    size_t question = kis_str_find_char(rest, '?');
    url.path = kis_str_slice(rest, 0, question == KIS_STR_NPOS ? rest.len : question);
    url.query =
        question == KIS_STR_NPOS ? KIS_STR_NONE : kis_str_slice(rest, question + 1, rest.len);
    *out = url;
    return KIS_OK;
}

bool kis_query_next(kis_str *rest, kis_str *name, kis_str *value)
{
    while (rest->len) {
        kis_str pair = kis_str_cut(rest, '&');
        if (pair.len == 0)
            continue;
        *value = pair;
        *name = kis_str_cut(value, '=');
        return true;
    }
    return false;
}

kis_err kis_url_decode(kis_str coded, bool is_query, kis_arena *arena, kis_str *out)
{
    if (kis_str_find_char(coded, '%') == KIS_STR_NPOS &&
        (!is_query || kis_str_find_char(coded, '+') == KIS_STR_NPOS)) {
        *out = coded;
        return KIS_OK;
    }
    char *to = KIS_NEW_ARRAY(arena, char, coded.len);
    size_t len = 0;
    if (!to)
        return KIS_ERR_NOMEM;
    for (size_t i = 0; i < coded.len; i++) {
        char c = coded.ptr[i];
        if (c == '+' && is_query) {
            c = ' ';
        } else if (c == '%') {
            int high = coded.len - i > 2 ? kis_hex_digit(coded.ptr[i + 1]) : -1;
            int low = coded.len - i > 2 ? kis_hex_digit(coded.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return KIS_ERR_SYNTAX;
            c = (char)(high << 4 | low);
            i += 2;
        }
        to[len++] = c;
    }
    *out = kis_str_of(to, len);
    return KIS_OK;
}

void kis_url_encode(kis_str plain, kis_buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < plain.len; i++) {
        unsigned char c = (unsigned char)plain.ptr[i];
        bool is_unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (is_unreserved) {
            kis_buf_add_byte(out, c);
        } else {
            const char coded[3] = { '%', digits[c >> 4], digits[c & 15] };
            kis_buf_add(out, coded, 3);
        }
    }
}
