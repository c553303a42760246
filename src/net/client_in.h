/* client_in.h - inside the client: calls, lines, and who may touch what. Nobody outside net
 * includes this.
 *
 *     kis_client_send ─> call ─ queue ─> a line (connection) ─ its answer ─> ended ─> done, freed
 *                                 ^          │ stale line, stream refused: once more
 *                                 └──────────┘
 *
 * client.c       the queue, deadlines, rounds; calls onto lines
 * client_call.c  one call: made, given its answer, ended
 * client_line.c  connecting: names, addresses in turn, TLS; reading; closing
 * client_h1.c    one call at a time on a line
 * client_h2.c    many on one line
 *
 * Everything runs on the loop's thread. Whatever comes from the loop (an event, a timer, a lookup)
 * is worked on between kis_client_enter and kis_client_leave, and only the last leave calls `done`:
 * so no line is in the middle of anything when the user sends, or frees the client.
 *
 * Always true:
 *   (1) a call is in one place: the queue, a line (h1: line->call; h2: stream->user), or `ended`
 *   (2) a call in `ended` has no timer, and nothing reads its body any more
 *   (3) a dead line has no socket and no calls; it is freed by the last leave
 */
#ifndef KIS_NET_CLIENT_IN_H
#define KIS_NET_CLIENT_IN_H

#include "http/http1.h"
#include "http/http2.h"
#include "net/client.h"
#include "net/resolve.h"
#include "net/tcp.h"

#define KIS_CLIENT_CONNECT_MS 10000u
#define KIS_CLIENT_STREAMS    32u /* in flight over HTTP/2, unless told */
#define KIS_CLIENT_LINES      4u  /* connections of HTTP/1.1, unless told */
/* KIS_RESPONSE_BYTES_MAX of the model, which net may not see */
#define KIS_CLIENT_ANSWER_BYTES (4u << 20)
#define KIS_CLIENT_QUEUE_MAX    65536u /* waiting; one more is answered FULL */
#define KIS_CLIENT_INTERIM_MAX  16u    /* 1xx answers before the answer */
#define KIS_CLIENT_REOPEN_MS    1000u  /* after a failed connect, while other lines work */
#define KIS_CLIENT_READ_BYTES   ((size_t)32 << 10) /* at a time, on the stack */
#define KIS_CLIENT_WRITE_BYTES  ((size_t)64 << 10) /* frames of HTTP/2 at a time, on the stack */
#define KIS_CLIENT_READS_MAX    16u /* of one line in one round, so that others get their turn */
#define KIS_CLIENT_REFUSALS     32u /* calls that there is no memory for and whose `done` waits */

typedef struct kis_call kis_call;
typedef struct kis_line kis_line;

struct kis_call {
    kis_call *next; /* in the queue, or in `ended` */
    kis_client *client;
    kis_line *line;           /* NULL: not on one */
    kis_http2_stream *stream; /* HTTP/2, while on a line */
    kis_client_done_fn *done;
    void *user;
    kis_timer timer;   /* the deadline */
    uint64_t start_ns; /* put on its line */
    bool is_queued, was_sent, is_head_method;
    bool was_refused; /* when it was made */
    bool is_second;   /* it has been on a line that was stale */
    kis_bytes body;   /* the caller's */
    /* the request, behind this struct: HTTP/1.1 has its head as text, HTTP/2 the parts */
    size_t block_size;
    kis_bytes head;
    kis_str method, path;
    const kis_header *headers;
    size_t header_count;
    /* the answer */
    kis_err err;
    kis_diag *diag; /* NULL: the words of err will do */
    int status;
    void *answer_block, *trailer_block; /* headers and their text */
    size_t answer_block_size, trailer_block_size;
    kis_header *answer_headers, *trailers;
    size_t answer_header_count, trailer_count;
    kis_buf answer_body;
};

typedef enum kis_line_state {
    KIS_LINE_RESOLVING,
    KIS_LINE_CONNECTING,
    KIS_LINE_SHAKING,
    KIS_LINE_OPEN,
    KIS_LINE_DEAD
} kis_line_state;

/** Where a line that is not open yet may go. */
typedef struct kis_dial {
    kis_address addresses[KIS_LOOKUP_ADDRESSES_MAX];
    uint32_t count, at;
    uint64_t deadline_ns;
    kis_lookup *lookup;
    kis_diag diag; /* why the last address failed */
} kis_dial;

struct kis_line {
    kis_watch watch;
    kis_timer timer; /* of connecting */
    kis_client *client;
    kis_line *prev, *next;
    kis_stream io;
    kis_line_state state;
    bool was_used;   /* has carried a whole exchange: the peer may have given it up since */
    bool is_leaving; /* takes no more calls (HTTP/2) */
    kis_dial *dial;  /* until it is open */
    uint64_t last_read_ns;
    union {
        struct {
            kis_call *call; /* NULL: idle */
            size_t sent_head, sent_body;
            bool has_write_failed, has_answer_begun, has_head, keeps_alive;
            uint32_t interim_count;
            kis_buf in; /* the beginning of a head */
            kis_http1_scan scan;
            kis_http1_framing framing;
            kis_http1_chunks chunks;
            uint64_t body_left;
        } h1;
        struct {
            kis_http2 *session;
            bool is_broken;     /* may not make frames any more */
            bool is_failing;    /* what came was wrong: it says so once, and dies */
            bool is_known_peer; /* its first bytes have been looked at */
            uint8_t first_bytes[8];
            uint8_t first_count;
            kis_buf out; /* frames that the socket did not take, from out_at on */
            size_t out_at;
        } h2;
    };
};

typedef struct kis_refusal {
    kis_client_done_fn *done;
    void *user;
} kis_refusal;

struct kis_client {
    kis_loop *loop;
    const kis_alloc *alloc;
    kis_tls_client *tls;
    bool is_http2, is_unix;
    uint16_t port;
    uint64_t connect_timeout_ns;
    uint32_t max_in_flight;
    size_t max_answer_bytes;
    kis_str host;      /* or the path of a socket */
    kis_str label;     /* "localhost:4318", for messages */
    kis_str authority; /* Host and :authority */
    kis_str user_agent;
    size_t block_size; /* of this struct with its texts */

    kis_timer wake; /* always in the loop's heap, mostly far away: moving it cannot fail */
    uint32_t depth; /* kis_client_enter */
    bool is_in_wake, is_freed;
    kis_call *queue, **queue_end;
    uint32_t queue_count;
    kis_call *ended, **ended_end;
    kis_line *lines, *dead; /* living and dead, each in a list */
    uint32_t line_count, opening_count;
    uint32_t in_flight; /* HTTP/2: on all lines */
    uint64_t no_open_before_ns;
    kis_refusal refusals[KIS_CLIENT_REFUSALS];
    uint32_t refusal_count;
};

/* ---- client.c ---- */
void kis_client_enter(kis_client *client);
void kis_client_leave(kis_client *client);
void kis_call_again(kis_call *call); /* back to the front of the queue: its line was stale */
void kis_client_fail_queue(kis_client *client, kis_err err, const kis_diag *diag);

/* ---- client_call.c ---- */
/** NULL: no memory. With *out_err the request may not be sent: end the call with it. */
kis_call *kis_call_new(kis_client *client, const kis_client_request *request, kis_err *out_err);
/** The call has left its place; `diag` is copied, NULL: what was noted before, or err's words. */
void kis_call_end(kis_call *call, kis_err err, const kis_diag *diag);
void kis_call_say(kis_call *call, kis_err err, const char *what); /* with "label: what" */
void kis_call_deliver(kis_call *call);                            /* calls `done`, frees the call */
kis_err kis_call_set_headers(kis_call *call, const kis_header *headers, size_t count,
                             bool is_trailer) KIS_CHECKED;               /* NOMEM; copies */
kis_err kis_call_expect_body(kis_call *call, uint64_t size) KIS_CHECKED; /* LIMIT, NOMEM */
kis_err kis_call_add_body(kis_call *call, kis_bytes piece) KIS_CHECKED;  /* LIMIT, NOMEM */
void kis_call_forget_answer(kis_call *call);                             /* ready for another */

/* ---- client_line.c ---- */
void kis_line_open(kis_client *client); /* begins; if it fails, also at once, the queue fails with
                                           it unless other lines work on it */
/* before it carries calls: dies */
void kis_line_connect_failed(kis_line *line, kis_err err, const char *what);
void kis_line_kill(kis_line *line); /* its calls have been taken from it */
void kis_line_want(kis_line *line, bool writes);
/** What to say when the peer has gone without an answer; `was_silent`: it has never sent a byte on
 * this line. */
const char *kis_line_loss(const kis_line *line, bool is_in_order, bool was_silent);
/** One read into `to`, with the line's clock set: bytes, or KIS_IO_*. */
ptrdiff_t kis_line_read(kis_line *line, void *to, size_t size);
/* whether to read on at once */
bool kis_line_has_more(const kis_line *line, size_t asked, ptrdiff_t got, uint32_t reads);

/* ---- client_h1.c ---- */
void kis_h1_line_ready(kis_line *line);
void kis_h1_line_event(kis_line *line, uint32_t events);
void kis_h1_line_start(kis_line *line, kis_call *call); /* on an idle line */
void kis_h1_line_abandon(kis_line *line);   /* the call is taken from it: the line dies */
kis_call *kis_h1_line_take(kis_line *line); /* its call, from now on the caller's; NULL: none */
void kis_h1_line_done(kis_line *line);      /* gives memory back */

/* ---- client_h2.c ---- */
bool kis_h2_line_ready(kis_line *line); /* false: no memory */
void kis_h2_line_event(kis_line *line, uint32_t events);
/** OK, FULL (later), CLOSED (not on this line), NOMEM. */
kis_err kis_h2_line_start(kis_line *line, kis_call *call) KIS_CHECKED;
void kis_h2_line_flush(kis_line *line);
/* the call is taken from it: its stream is reset */
void kis_h2_line_abandon(kis_line *line, kis_call *call);
/* one of its calls, from now on the caller's; NULL: none */
kis_call *kis_h2_line_take(kis_line *line);
void kis_h2_line_done(kis_line *line);

#endif
