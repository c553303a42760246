/* header.h - one header field, and the bounds on heads that both versions of HTTP share. */
#ifndef KIS_HTTP_HEADER_H
#define KIS_HTTP_HEADER_H

#include "base/str.h"

#define KIS_HTTP_TARGET_BYTES_MAX 8192u       /* RFC 9112, 3: 8000 at least; longer is 414 */
#define KIS_HTTP_HEADER_BYTES_MAX (16u << 10) /* all fields together; more is 431 */
#define KIS_HTTP_HEADERS_MAX      100u        /* more is 431 */

typedef struct kis_header {
    kis_str name, value; /* names in lower case */
} kis_header;

/** The first value of that lower-case name, or an empty text with a NULL pointer. */
kis_str kis_header_find(const kis_header *headers, size_t count, kis_str name);

/** Bytes of all names and values together. */
size_t kis_headers_bytes(const kis_header *headers, size_t count);
/** Copies `count` fields into `to`, their texts to *at (kis_headers_bytes),
 * and moves *at behind. */
void kis_headers_put(kis_header *to, uint8_t **at, const kis_header *headers, size_t count);

/** The words of a status: "Not Found"; "Status" for one that nobody knows. */
kis_str kis_http_status_text(int status);

/** Whether `text` is a non-empty token (RFC 9110, 5.6.2): methods, field names. */
bool kis_http_is_token(kis_str text);
/** Whether `text` may be a field value: no control character but tab. What we send is held to it,
 * too. */
bool kis_http_is_value(kis_str text);

#endif
