/* answer.h - an answer that is written as it is made: small ones leave whole, large ones stream.
 *
 *     buf fills   kis_answer_flush: a piece leaves once KIS_ANSWER_PIECE_BYTES are there
 *     finish      never begun: one piece with its length, gzipped when the asker takes that
 *                 begun: the rest, and the end
 *
 * Where it goes is a table: an exchange of net's, a test's buffer, a program's stdout. An answer
 * that fails before its first piece left becomes an error answer; one that fails later is cut so
 * that the reader sees it.
 */
#ifndef KIS_SERVE_ANSWER_H
#define KIS_SERVE_ANSWER_H

#include "base/buf.h"
#include "compress/compress.h"
#include "net/server.h"
#include "serve/pretty.h"

#define KIS_ANSWER_PIECE_BYTES ((size_t)64 << 10)
/* one span of 4 MiB, each byte of it escaped, and room */
#define KIS_ANSWER_BUF_MAX     ((size_t)64 << 20)
#define KIS_ANSWER_GZIP_MIN    ((size_t)1 << 10) /* smaller bodies are not worth it */
#define KIS_ANSWER_HEADERS_MAX 8

typedef struct kis_answer_to {
    void (*answer)(void *user, const kis_answer_head *head, kis_bytes body);
    void (*begin)(void *user, const kis_answer_head *head);
    kis_err (*write)(void *user, kis_bytes bytes, uint64_t deadline_ns);
    void (*end)(void *user, bool is_complete);
    void *user;
} kis_answer_to;

typedef struct kis_answer_writer {
    kis_buf buf; /* write here; look at kis_answer_flush now and then */
    kis_answer_to to;
    kis_codecs *codecs; /* NULL: never gzipped */
    bool accepts_gzip;
    kis_pretty pretty;                          /* is_on: what leaves is indented */
    int status;                                 /* 200 unless changed before the first piece */
    kis_str content_type;                       /* application/json unless changed; borrowed */
    kis_header headers[KIS_ANSWER_HEADERS_MAX]; /* more of them; borrowed until the first piece */
    size_t header_count;
    uint64_t deadline_ns; /* of the whole answer */
    bool has_begun, is_over;
    kis_err err; /* first failure of writing: CLOSED, TIMEOUT, LIMIT, NOMEM */
} kis_answer_writer;

void kis_answer_init(kis_answer_writer *w, const kis_answer_to *to, const kis_alloc *alloc);
void kis_answer_done(kis_answer_writer *w); /* gives the memory back; the answer must be over */
/* beyond the bound: left out */
void kis_answer_add_header(kis_answer_writer *w, kis_str name, kis_str value);
/** False: the answer cannot go on (err says why), stop making it. */
bool kis_answer_flush(kis_answer_writer *w);
void kis_answer_finish(kis_answer_writer *w);
/** Throws away what was written and has not left. False: something has left already, and the answer
 * is now cut and over. */
bool kis_answer_restart(kis_answer_writer *w);

/** The writer's end for an exchange; `user` is the exchange, referenced by the caller. */
kis_answer_to kis_answer_to_exchange(kis_exchange *exchange);

/** True when an Accept-Encoding header allows gzip (a q of 0 forbids). */
bool kis_accepts_gzip(kis_str accept_encoding);

#endif
