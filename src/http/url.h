/* url.h - absolute URLs and query strings. No I/O, nothing allocated but by who asks for
 * decoding. */
#ifndef KIS_HTTP_URL_H
#define KIS_HTTP_URL_H

#include "base/arena.h"
#include "base/buf.h"

typedef struct kis_url {
    kis_str scheme; /* as written */
    kis_str host;   /* without brackets; of a socket the whole, "unix:/path" */
    uint16_t port;  /* the scheme's default when absent */
    bool is_tls;    /* https, grpcs */
    kis_str path;   /* begins with '/', or is empty; of a socket empty */
    kis_str query;  /* behind '?', or empty */
} kis_url;

/** http, https, grpc, grpcs, unix; no user info, no fragment. SYNTAX: diag says what is wrong and
 * what is wanted. */
kis_err kis_url_parse(kis_str text, kis_url *out, kis_diag *diag) KIS_CHECKED;

/** for (kis_str rest = query, name, value; kis_query_next(&rest, &name, &value);) names and values
 * still encoded. */
bool kis_query_next(kis_str *rest, kis_str *name, kis_str *value);
/** Percent-decoding; '+' becomes a space only in queries. SYNTAX: a '%' without two hex digits. The
 * result is in the arena, or the input itself when nothing was coded. */
kis_err kis_url_decode(kis_str coded, bool is_query, kis_arena *arena, kis_str *out) KIS_CHECKED;
void kis_url_encode(kis_str plain, kis_buf *out); /* unreserved characters pass */

#endif
