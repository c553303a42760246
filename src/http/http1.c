/* http1.c - the strict reader of HTTP/1.1 heads, and of chunked bodies.
 *
 *     "POST /v1/traces HTTP/1.1" CR LF          method, target, version, one space between
 *     "content-type: application/json" CR LF    fields: token, colon, value; nothing folded
 *     CR LF
 *
 * Always true: (1) every line of a head ends in CR LF, and neither stands anywhere else, (2) at
 * most one of Content-Length and Transfer-Encoding is there, at most once, (3) nothing outside
 * `text` is read.
 */
#include "http/http1.h"

#include "base/diag.h"
#include "base/num.h"

/* ---- where a head ends ---- */

static kis_err head_refused(int *out_status, int status, kis_diag *diag, kis_err err,
                            const char *what)
{
    *out_status = status;
    return kis_diag_set(diag, err, "%s", what);
}

/* An empty line before the head is skipped; a byte that can begin no head is refused before the
 * rest of it comes. */
static kis_err scan_first_bytes(kis_http1_scan *scan, kis_bytes in, int *out_status, kis_diag *diag)
{
    if (scan->start == 0 && in.len >= 1 && in.ptr[0] == '\r') {
        if (in.len < 2)
            return KIS_ERR_MORE;
        if (in.ptr[1] == '\n')
            scan->start = 2;
    }
    if (in.len <= scan->start)
        return KIS_ERR_MORE;
    uint8_t first = in.ptr[scan->start];
    if (first <= 0x20 || first >= 0x7f) {
        *out_status = 400;
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "a request cannot begin with byte 0x%02x%s",
                            first, first == 0x16 ? " (TLS on a port without it?)" : "");
    }
    scan->at = KIS_MAX(scan->at, scan->start);
    return KIS_OK;
}

kis_err kis_http1_scan_head(kis_http1_scan *scan, kis_bytes in, int *out_status, kis_diag *diag)
{
    if (scan->at == 0) {
        kis_err err = scan_first_bytes(scan, in, out_status, diag);
        if (err)
            return err;
    }
    while (scan->at < in.len) {
        const uint8_t *line_end = __builtin_memchr(in.ptr + scan->at, '\n', in.len - scan->at);
        if (!line_end) {
            scan->at = in.len;
            break;
        }
        size_t at = (size_t)(line_end - in.ptr) + 1;
        scan->at = at;
        scan->lines++;
        if (!scan->first_line)
            scan->first_line = at - scan->start;
        /* An empty line, and with a bare LF too: the parser refuses that one. */
        if (at - scan->start >= 2 &&
            (in.ptr[at - 2] == '\n' ||
             (at - scan->start >= 3 && in.ptr[at - 2] == '\r' && in.ptr[at - 3] == '\n'))) {
            scan->end = at;
            break;
        }
    }
    size_t first = scan->first_line ? scan->first_line : scan->at - scan->start;
    if (first > KIS_HTTP_TARGET_BYTES_MAX + KIS_HTTP1_LINE_EXTRA_BYTES)
        return head_refused(out_status, 414, diag, KIS_ERR_LIMIT,
                            "the request target is longer than 8192 bytes");
    if (scan->first_line && scan->at - scan->start - first > KIS_HTTP_HEADER_BYTES_MAX)
        return head_refused(out_status, 431, diag, KIS_ERR_LIMIT,
                            "the header is larger than 16384 bytes");
    if (scan->lines > KIS_HTTP_HEADERS_MAX + 2)
        return head_refused(out_status, 431, diag, KIS_ERR_LIMIT, "more than 100 header fields");
    return scan->end ? KIS_OK : KIS_ERR_MORE;
}

/* ---- lines ---- */

typedef struct head_reader {
    const uint8_t *at, *end;
    uint32_t line; /* from 1, for messages */
    kis_diag *diag;
    int status; /* to answer on error */
} head_reader;

static kis_err head_wrong(head_reader *r, int status, const char *what)
{
    r->status = status;
    return kis_diag_set(r->diag, status == 414 || status == 431 ? KIS_ERR_LIMIT : KIS_ERR_SYNTAX,
                        "line %u: %s", r->line, what);
}

/* The next line without its end. A CR or LF anywhere else, and NUL, are refused here, for all that
 * follows. */
static kis_err head_line(head_reader *r, kis_str *out)
{
    r->line++;
    const uint8_t *lf = __builtin_memchr(r->at, '\n', (size_t)(r->end - r->at));
    if (!lf)
        return head_wrong(r, 400, "the head ends in the middle of a line");
    if (lf == r->at || lf[-1] != '\r')
        return head_wrong(r, 400, "a line ends in LF without CR");
    kis_str line = kis_str_of((const char *)r->at, (size_t)(lf - r->at) - 1);
    if (__builtin_memchr(line.ptr, '\r', line.len))
        return head_wrong(r, 400, "CR in the middle of a line");
    if (__builtin_memchr(line.ptr, 0, line.len))
        return head_wrong(r, 400, "a NUL byte");
    r->at = lf + 1;
    *out = line;
    return KIS_OK;
}

/* ---- the first line of a request ---- */

static kis_err parse_version(head_reader *r, kis_str text, uint8_t *out_minor)
{
    if (text.len != 8 || !kis_str_starts(text, KIS_STR("HTTP/")) || text.ptr[6] != '.' ||
        text.ptr[5] < '0' || text.ptr[5] > '9' || text.ptr[7] < '0' || text.ptr[7] > '9')
        return head_wrong(r, 400, "the first line does not end in HTTP/1.1");
    if (text.ptr[5] != '1' || text.ptr[7] > '1')
        return head_wrong(r, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    *out_minor = (uint8_t)(text.ptr[7] - '0');
    return KIS_OK;
}

/* host, host:port, [v6]:port; empty is allowed. */
static bool is_authority(kis_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && kis_str_find_char(KIS_STR("-._~:[]!$&'()*+,;=%"), c) == KIS_STR_NPOS)
            return false;
    }
    return true;
}

static kis_err parse_absolute_target(head_reader *r, kis_http1_head *out)
{
    kis_str rest = out->target;
    size_t scheme = kis_str_find(rest, KIS_STR("://"));
    kis_str name = kis_str_slice(rest, 0, scheme == KIS_STR_NPOS ? 0 : scheme);
    if (!kis_str_eq_nocase(name, KIS_STR("http")) && !kis_str_eq_nocase(name, KIS_STR("https")))
        return head_wrong(r, 400, "the request target is neither a path nor an http URL");
    rest = kis_str_slice(rest, scheme + 3, rest.len);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    out->authority = kis_str_slice(rest, 0, end);
    out->path = kis_str_slice(rest, end, rest.len);
    if (out->authority.len == 0 || !is_authority(out->authority))
        return head_wrong(r, 400, "the request target has no host");
    return KIS_OK;
}

static kis_err parse_target(head_reader *r, kis_http1_head *out)
{
    kis_str target = out->target;
    if (target.len == 0)
        return head_wrong(r, 400, "no request target");
    if (target.len > KIS_HTTP_TARGET_BYTES_MAX)
        return head_wrong(r, 414, "the request target is longer than 8192 bytes");
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '#')
            return head_wrong(r, 400,
                              "the request target has a character that belongs coded as %XX");
    }
    if (kis_str_eq(out->method, KIS_STR("CONNECT")))
        return head_wrong(r, 405, "CONNECT: this is no proxy");
    if (target.ptr[0] == '/') {
        out->path = target;
    } else if (kis_str_eq(target, KIS_STR("*")) && kis_str_eq(out->method, KIS_STR("OPTIONS"))) {
        out->path = target;
    } else {
        kis_err err = parse_absolute_target(r, out);
        if (err)
            return err;
    }
    size_t question = kis_str_find_char(out->path, '?');
    if (question != KIS_STR_NPOS) {
        out->query = kis_str_slice(out->path, question + 1, out->path.len);
        out->path = kis_str_slice(out->path, 0, question);
    }
    if (out->path.len == 0)
        out->path = KIS_STR("/"); /* http://host and http://host?x */
    return KIS_OK;
}

static kis_err parse_request_line(head_reader *r, kis_http1_head *out)
{
    kis_str line, rest;
    kis_err err = head_line(r, &line);
    if (err)
        return err;
    rest = line;
    out->method = kis_str_cut(&rest, ' ');
    out->target = kis_str_cut(&rest, ' ');
    if (!kis_http_is_token(out->method) || out->method.len > KIS_HTTP1_METHOD_BYTES_MAX)
        return head_wrong(r, 400, "the method is not a word");
    err = parse_version(r, rest, &out->minor);
    if (err)
        return err;
    return parse_target(r, out);
}

/* ---- fields ---- */

/* What a field name's characters are in lower case; 0: not a character of a token (RFC 9110,
 * 5.6.2). */
static const uint8_t field_lower[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
    ['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',   ['|'] = '|',
    ['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',   ['5'] = '5',
    ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b',   ['c'] = 'c',
    ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',   ['j'] = 'j',
    ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p',   ['q'] = 'q',
    ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w',   ['x'] = 'x',
    ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',   ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',   ['L'] = 'l',
    ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',   ['S'] = 's',
    ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',   ['Z'] = 'z',
};

static kis_err parse_field(head_reader *r, kis_str line, kis_header *out)
{
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return head_wrong(r, 400, "a folded header line");
    /* the text is the caller's to change, see the header */
    uint8_t *name = (uint8_t *)(uintptr_t)line.ptr;
    size_t len = 0;
    while (len < line.len && name[len] != ':') {
        uint8_t lower = field_lower[name[len]];
        if (!lower)
            return head_wrong(r, 400,
                              name[len] == ' '
                                  ? "a space in a header name, or before its colon"
                                  : "a header name with a character that may not be in it");
        name[len++] = lower;
    }
    if (len == line.len)
        return head_wrong(r, 400, "a header line without a colon");
    if (len == 0)
        return head_wrong(r, 400, "a header line without a name");
    kis_str value = kis_str_trim(kis_str_slice(line, len + 1, line.len));
    if (!kis_http_is_value(value))
        return head_wrong(r, 400, "a control character in a header value");
    *out = (kis_header){ kis_str_slice(line, 0, len), value };
    return KIS_OK;
}

/* ---- what the fields say about the message ---- */

typedef struct head_facts {
    bool has_length, has_chunked, has_host, has_expect, says_close, says_keep_alive;
    uint64_t length;
} head_facts;

static kis_err note_length(head_reader *r, kis_str value, head_facts *facts)
{
    if (facts->has_length)
        return head_wrong(r, 400, "Content-Length twice");
    facts->has_length = true;
    if (value.len == 0 || value.len > 18) /* 18 digits cannot overflow */
        return head_wrong(r, 400, "Content-Length is not a number we can take");
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return head_wrong(r, 400, "Content-Length is not a number");
        facts->length = facts->length * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    return KIS_OK;
}

static kis_err note_transfer_encoding(head_reader *r, kis_str value, head_facts *facts)
{
    if (facts->has_chunked)
        return head_wrong(r, 400, "Transfer-Encoding twice");
    if (value.len == 0)
        return head_wrong(r, 400, "Transfer-Encoding is empty");
    if (!kis_str_eq_nocase(value, KIS_STR("chunked")))
        return head_wrong(r, 501, "a Transfer-Encoding other than chunked");
    facts->has_chunked = true;
    return KIS_OK;
}

static kis_err note_host(head_reader *r, kis_str value, kis_http1_head *out, head_facts *facts)
{
    if (facts->has_host)
        return head_wrong(r, 400, "Host twice");
    facts->has_host = true;
    if (!is_authority(value))
        return head_wrong(r, 400, "Host is not a host");
    if (out->authority.len == 0) /* an absolute target goes before (RFC 9112, 3.2.2) */
        out->authority = value;
    return KIS_OK;
}

static kis_err note_expect(head_reader *r, kis_str value, head_facts *facts)
{
    if (!kis_str_eq_nocase(value, KIS_STR("100-continue")))
        return head_wrong(r, 417, "an Expect other than 100-continue");
    facts->has_expect = true;
    return KIS_OK;
}

static void note_connection(kis_str value, head_facts *facts)
{
    while (value.ptr) {
        kis_str word = kis_str_trim(kis_str_cut(&value, ','));
        facts->says_close |= kis_str_eq_nocase(word, KIS_STR("close"));
        facts->says_keep_alive |= kis_str_eq_nocase(word, KIS_STR("keep-alive"));
    }
}

static kis_err note_field(head_reader *r, const kis_header *field, bool is_request,
                          kis_http1_head *out, head_facts *facts)
{
    switch (field->name.len) {
    case 4:
        return is_request && kis_str_eq(field->name, KIS_STR("host"))
                   ? note_host(r, field->value, out, facts)
                   : KIS_OK;
    case 6:
        return is_request && kis_str_eq(field->name, KIS_STR("expect"))
                   ? note_expect(r, field->value, facts)
                   : KIS_OK;
    case 10:
        if (kis_str_eq(field->name, KIS_STR("connection")))
            note_connection(field->value, facts);
        return KIS_OK;
    case 14:
        return kis_str_eq(field->name, KIS_STR("content-length"))
                   ? note_length(r, field->value, facts)
                   : KIS_OK;
    case 17:
        return kis_str_eq(field->name, KIS_STR("transfer-encoding"))
                   ? note_transfer_encoding(r, field->value, facts)
                   : KIS_OK;
    default:
        return KIS_OK;
    }
}

static kis_err parse_fields(head_reader *r, bool is_request, kis_header *headers,
                            kis_http1_head *out, head_facts *facts)
{
    for (;;) {
        kis_str line;
        kis_err err = head_line(r, &line);
        if (err)
            return err;
        if (line.len == 0)
            break;
        if (out->header_count == KIS_HTTP_HEADERS_MAX)
            return head_wrong(r, 431, "more than 100 header fields");
        kis_header *field = &headers[out->header_count];
        err = parse_field(r, line, field);
        if (err)
            return err;
        out->header_count++;
        err = note_field(r, field, is_request, out, facts);
        if (err)
            return err;
    }
    if (r->at != r->end)
        return head_wrong(r, 400, "bytes behind the head");
    if (facts->has_length && facts->has_chunked)
        return head_wrong(r, 400, "Content-Length and Transfer-Encoding together");
    if (facts->has_chunked && out->minor == 0)
        return head_wrong(r, 400, "Transfer-Encoding in HTTP/1.0");
    out->keeps_alive = !facts->says_close && (out->minor == 1 || facts->says_keep_alive);
    return KIS_OK;
}

static void head_set_framing(kis_http1_head *out, const head_facts *facts,
                             kis_http1_framing otherwise)
{
    out->framing = facts->has_chunked  ? KIS_HTTP1_CHUNKED
                   : facts->has_length ? KIS_HTTP1_LENGTH
                                       : otherwise;
    out->content_length = facts->has_length ? facts->length : 0;
    if (out->framing == KIS_HTTP1_LENGTH && out->content_length == 0)
        out->framing = KIS_HTTP1_NO_BODY;
}

kis_err kis_http1_parse_request(kis_bytes text, kis_header *headers, kis_http1_head *out,
                                int *out_status, kis_diag *diag)
{
    head_reader r = { text.ptr, text.ptr + text.len, 0, diag, 400 };
    head_facts facts = { 0 };
    kis_http1_head head = { 0 };

    kis_err err = parse_request_line(&r, &head);
    if (!err)
        err = parse_fields(&r, true, headers, &head, &facts);
    if (!err && !facts.has_host && head.minor == 1)
        err = head_wrong(&r, 400, "no Host");
    if (err) {
        *out_status = r.status;
        return err;
    }
    head_set_framing(&head, &facts, KIS_HTTP1_NO_BODY);
    head.expects_continue = facts.has_expect && head.minor == 1;
    *out = head;
    return KIS_OK;
}

/* ---- answers ---- */

static kis_err parse_status_line(head_reader *r, kis_http1_head *out)
{
    kis_str line;
    kis_err err = head_line(r, &line);
    if (err)
        return err;
    if (line.len < 12 || line.ptr[8] != ' ' || (line.len > 12 && line.ptr[12] != ' '))
        return head_wrong(r, 400, "not the first line of an answer");
    err = parse_version(r, kis_str_slice(line, 0, 8), &out->minor);
    if (err)
        return err;
    for (size_t i = 9; i < 12; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9')
            return head_wrong(r, 400, "the status is not a number");
        out->status = out->status * 10 + (line.ptr[i] - '0');
    }
    return out->status < 100 || out->status > 599
               ? head_wrong(r, 400, "a status outside 100 to 599")
               : KIS_OK;
}

kis_err kis_http1_parse_answer(kis_bytes text, bool is_to_head_method, kis_header *headers,
                               kis_http1_head *out, kis_diag *diag)
{
    head_reader r = { text.ptr, text.ptr + text.len, 0, diag, 400 };
    head_facts facts = { 0 };
    kis_http1_head head = { 0 };

    kis_err err = parse_status_line(&r, &head);
    if (!err)
        err = parse_fields(&r, false, headers, &head, &facts);
    if (err)
        return err;
    head_set_framing(&head, &facts, KIS_HTTP1_UNTIL_CLOSE);
    if (is_to_head_method || head.status < 200 || head.status == 204 || head.status == 304)
        head.framing = KIS_HTTP1_NO_BODY;
    if (head.framing == KIS_HTTP1_UNTIL_CLOSE)
        head.keeps_alive = false;
    *out = head;
    return KIS_OK;
}

/* ---- chunked bodies: size [ ;extension ] CR LF data CR LF ... 0 CR LF trailers CR LF ---- */

enum {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER,
    CHUNK_TRAILER_LINE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF
};

static kis_err chunk_wrong(kis_diag *diag, const char *what)
{
    return kis_diag_set(diag, KIS_ERR_SYNTAX, "chunked body: %s", what);
}

static kis_err chunk_size_byte(kis_http1_chunks *c, uint8_t byte, kis_diag *diag)
{
    int digit = kis_hex_digit((char)byte);
    if (digit >= 0) {
        if (c->digits++ == 15) /* 15 hex digits stay below 2^60 */
            return chunk_wrong(diag, "the size is too large");
        c->left = c->left << 4 | (uint64_t)digit;
        return KIS_OK;
    }
    if (c->digits == 0)
        return chunk_wrong(diag, "a chunk without a size");
    if (byte == '\r')
        c->state = CHUNK_SIZE_LF;
    else if (byte == ';')
        c->state = CHUNK_EXTENSION;
    else
        return chunk_wrong(diag, "the size is not a hex number");
    return KIS_OK;
}

static kis_err chunk_text_byte(kis_http1_chunks *c, uint8_t byte, uint8_t at_cr, kis_diag *diag)
{
    if (byte == '\r')
        c->state = at_cr;
    else if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
        return chunk_wrong(diag, "a control character in an extension or trailer");
    return KIS_OK;
}

static kis_err chunk_expect(kis_http1_chunks *c, uint8_t byte, uint8_t want, uint8_t then,
                            kis_diag *diag)
{
    c->state = then;
    return byte == want ? KIS_OK : chunk_wrong(diag, "CR LF is missing");
}

/* One byte that is not data. */
static kis_err chunk_byte(kis_http1_chunks *c, uint8_t byte, kis_diag *diag)
{
    bool is_trailer = c->state >= CHUNK_TRAILER;
    if (++c->line_bytes >
        (is_trailer ? KIS_HTTP1_TRAILER_BYTES_MAX : KIS_HTTP1_CHUNK_LINE_BYTES_MAX))
        return kis_diag_set(diag, KIS_ERR_LIMIT, "chunked body: the %s too long",
                            is_trailer ? "trailers are" : "line of a chunk is");
    switch (c->state) {
    case CHUNK_SIZE:
        return chunk_size_byte(c, byte, diag);
    case CHUNK_EXTENSION:
        return chunk_text_byte(c, byte, CHUNK_SIZE_LF, diag);
    case CHUNK_SIZE_LF:
        c->line_bytes = 0;
        return chunk_expect(c, byte, '\n', c->left ? CHUNK_DATA : CHUNK_TRAILER, diag);
    case CHUNK_DATA_CR:
        return chunk_expect(c, byte, '\r', CHUNK_DATA_LF, diag);
    case CHUNK_DATA_LF:
        c->line_bytes = c->digits = 0;
        return chunk_expect(c, byte, '\n', CHUNK_SIZE, diag);
    case CHUNK_TRAILER: /* at the start of a line */
        c->state = CHUNK_TRAILER_LINE;
        if (byte == ' ' || byte == '\t' || byte == ':')
            return chunk_wrong(diag, "a trailer without a name");
        return chunk_text_byte(c, byte, CHUNK_END_LF, diag);
    case CHUNK_TRAILER_LINE:
        return chunk_text_byte(c, byte, CHUNK_TRAILER_LF, diag);
    case CHUNK_TRAILER_LF:
        return chunk_expect(c, byte, '\n', CHUNK_TRAILER, diag);
    default:
        c->is_done = true;
        return chunk_expect(c, byte, '\n', CHUNK_END_LF, diag);
    }
}

uint64_t kis_http1_chunks_data_left(const kis_http1_chunks *chunks)
{
    return chunks->state == CHUNK_DATA ? chunks->left : 0;
}

void kis_http1_chunks_skip(kis_http1_chunks *chunks, uint64_t size)
{
    chunks->left -= size;
    if (chunks->left == 0) {
        chunks->state = CHUNK_DATA_CR;
        chunks->line_bytes = 0;
    }
}

kis_err kis_http1_chunks_take(kis_http1_chunks *chunks, kis_bytes *in, kis_bytes *out_data,
                              kis_diag *diag)
{
    *out_data = KIS_BYTES_NONE;
    while (in->len && !chunks->is_done) {
        if (chunks->state == CHUNK_DATA) {
            size_t size = chunks->left < in->len ? (size_t)chunks->left : in->len;
            *out_data = kis_bytes_of(in->ptr, size);
            *in = kis_bytes_of(in->ptr + size, in->len - size);
            kis_http1_chunks_skip(chunks, size);
            return KIS_OK;
        }
        uint8_t byte = in->ptr[0];
        *in = kis_bytes_of(in->ptr + 1, in->len - 1);
        kis_err err = chunk_byte(chunks, byte, diag);
        if (err)
            return err;
    }
    return KIS_OK;
}
