/* http1.h - HTTP/1.1 heads and chunked bodies, read strictly, without I/O (RFC 9112).
 *
 *     bytes --> kis_http1_scan_head      where does the head end? (again with each read,
 *                                        from where it stopped)
 *           --> kis_http1_parse_request  what does it say? (views into the text; names made
 *                                        lower-case in place)
 *           --> body: none, a length, or kis_http1_chunks_take
 *
 * Strict means: what two readers could take for two things is refused, because between a proxy and
 * us the difference is a smuggled request.
 */
#ifndef KIS_HTTP_HTTP1_H
#define KIS_HTTP_HTTP1_H

#include "http/header.h"

/* Method, version, spaces and line ends of the first line. */
#define KIS_HTTP1_LINE_EXTRA_BYTES 64u
#define KIS_HTTP1_HEAD_BYTES_MAX \
    (KIS_HTTP_TARGET_BYTES_MAX + KIS_HTTP_HEADER_BYTES_MAX + KIS_HTTP1_LINE_EXTRA_BYTES)
#define KIS_HTTP1_METHOD_BYTES_MAX     24u
#define KIS_HTTP1_CHUNK_LINE_BYTES_MAX 256u  /* size and extensions of one chunk */
#define KIS_HTTP1_TRAILER_BYTES_MAX    4096u /* read and thrown away */

/** A search for the end of a head; zeros at first. */
typedef struct kis_http1_scan {
    size_t start; /* where the head begins: an empty line before it is skipped (RFC 9112, 2.2) */
    size_t at;    /* looked at so far */
    size_t end;   /* behind the empty line; set on OK */
    size_t first_line; /* length of the first line with its end; 0: not there yet */
    uint32_t lines;
} kis_http1_scan;

/**
 * Goes on in `in`, which begins where it began last time and has only grown.
 * MORE: not there yet. SYNTAX, LIMIT: refuse with *out_status (400, 414, 431) and close.
 */
kis_err kis_http1_scan_head(kis_http1_scan *scan, kis_bytes in, int *out_status,
                            kis_diag *diag) KIS_CHECKED;

typedef enum kis_http1_framing {
    KIS_HTTP1_NO_BODY,
    KIS_HTTP1_LENGTH,
    KIS_HTTP1_CHUNKED,
    KIS_HTTP1_UNTIL_CLOSE, /* answers only */
} kis_http1_framing;

typedef struct kis_http1_head {
    kis_str method, target; /* requests */
    kis_str path, query;    /* cut from target; path is "*" for OPTIONS * */
    kis_str authority;      /* of an absolute target, else Host */
    int status;             /* answers */
    uint8_t minor;          /* HTTP/1.minor: 0 or 1 */
    kis_http1_framing framing;
    uint64_t content_length; /* for LENGTH */
    bool keeps_alive;
    bool expects_continue;
    size_t header_count;
} kis_http1_head;

/**
 * Reads the request head that is exactly `text` (start to end of the scan); names in it become
 * lower-case. `headers` has room for KIS_HTTP_HEADERS_MAX, or for scan.lines if that is less.
 * Everything in `out` borrows from `text`. Errors: *out_status is what to answer (400, 405, 414,
 * 417, 431, 501, 505); then close.
 */
kis_err kis_http1_parse_request(kis_bytes text, kis_header *headers, kis_http1_head *out,
                                int *out_status, kis_diag *diag) KIS_CHECKED;
/** The same for an answer to a request of that method. 1xx answers have no body and are followed by
 * another head. */
kis_err kis_http1_parse_answer(kis_bytes text, bool is_to_head_method, kis_header *headers,
                               kis_http1_head *out, kis_diag *diag) KIS_CHECKED;

/** A chunked body; zeros at first. */
typedef struct kis_http1_chunks {
    uint64_t left; /* of the chunk's data */
    uint32_t line_bytes;
    uint8_t state;
    uint8_t digits;
    bool is_done; /* the last chunk and its trailers have been read */
} kis_http1_chunks;

/** Takes bytes from the front of *in until data turns up or *in is empty. `out_data`: the data,
 * perhaps none. Nothing behind the body is taken. */
kis_err kis_http1_chunks_take(kis_http1_chunks *chunks, kis_bytes *in, kis_bytes *out_data,
                              kis_diag *diag) KIS_CHECKED;
/** How many bytes of data come next and may be read elsewhere, without passing through `take`;
 * `skip` says that they were. */
uint64_t kis_http1_chunks_data_left(const kis_http1_chunks *chunks);
void kis_http1_chunks_skip(kis_http1_chunks *chunks, uint64_t size);

#endif
