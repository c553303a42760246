/* header.c - fields and statuses: finding, naming, and which characters may be where. */
#include "http/header.h"

kis_str kis_header_find(const kis_header *headers, size_t count, kis_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (kis_str_eq(headers[i].name, name))
            return headers[i].value;
    }
    return KIS_STR_NONE;
}

size_t kis_headers_bytes(const kis_header *headers, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += headers[i].name.len + headers[i].value.len;
    return bytes;
}

void kis_headers_put(kis_header *to, uint8_t **at, const kis_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i].name = kis_str_put(at, headers[i].name);
        to[i].value = kis_str_put(at, headers[i].value);
    }
}

static const struct {
    int status;
    kis_str text;
} status_texts[] = {
    { 100, KIS_STR_INIT("Continue") },
    { 200, KIS_STR_INIT("OK") },
    { 201, KIS_STR_INIT("Created") },
    { 202, KIS_STR_INIT("Accepted") },
    { 204, KIS_STR_INIT("No Content") },
    { 206, KIS_STR_INIT("Partial Content") },
    { 301, KIS_STR_INIT("Moved Permanently") },
    { 302, KIS_STR_INIT("Found") },
    { 303, KIS_STR_INIT("See Other") },
    { 304, KIS_STR_INIT("Not Modified") },
    { 307, KIS_STR_INIT("Temporary Redirect") },
    { 308, KIS_STR_INIT("Permanent Redirect") },
    { 400, KIS_STR_INIT("Bad Request") },
    { 401, KIS_STR_INIT("Unauthorized") },
    { 403, KIS_STR_INIT("Forbidden") },
    { 404, KIS_STR_INIT("Not Found") },
    { 405, KIS_STR_INIT("Method Not Allowed") },
    { 406, KIS_STR_INIT("Not Acceptable") },
    { 408, KIS_STR_INIT("Request Timeout") },
    { 409, KIS_STR_INIT("Conflict") },
    { 411, KIS_STR_INIT("Length Required") },
    { 413, KIS_STR_INIT("Content Too Large") },
    { 414, KIS_STR_INIT("URI Too Long") },
    { 415, KIS_STR_INIT("Unsupported Media Type") },
    { 417, KIS_STR_INIT("Expectation Failed") },
    { 421, KIS_STR_INIT("Misdirected Request") },
    { 422, KIS_STR_INIT("Unprocessable Content") },
    { 429, KIS_STR_INIT("Too Many Requests") },
    { 431, KIS_STR_INIT("Request Header Fields Too Large") },
    { 500, KIS_STR_INIT("Internal Server Error") },
    { 501, KIS_STR_INIT("Not Implemented") },
    { 502, KIS_STR_INIT("Bad Gateway") },
    { 503, KIS_STR_INIT("Service Unavailable") },
    { 504, KIS_STR_INIT("Gateway Timeout") },
    { 505, KIS_STR_INIT("HTTP Version Not Supported") },
    { 507, KIS_STR_INIT("Insufficient Storage") },
};

kis_str kis_http_status_text(int status)
{
    for (size_t i = 0; i < KIS_COUNT_OF(status_texts); i++) {
        if (status_texts[i].status == status)
            return status_texts[i].text;
    }
    return KIS_STR("Status");
}

static bool is_tchar(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c > 0x20 && c < 0x7f &&
           kis_str_find_char(KIS_STR("!#$%&'*+-.^_`|~"), (char)c) != KIS_STR_NPOS;
}

bool kis_http_is_token(kis_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_tchar((unsigned char)text.ptr[i]))
            return false;
    }
    return text.len > 0;
}

bool kis_http_is_value(kis_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}
