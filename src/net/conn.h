/* conn.h - inside the server: homes, connections, exchanges. Nobody outside net includes this.
 *
 *     kis_server ── kis_listener ...                 sockets that accept, all on the first loop
 *         └─ kis_home (one a loop) ── kis_conn ...   connections, and all they own; touched by
 *                                        │           that loop's thread only
 *                                        └─ kis_exchange ...   counted; other threads may hold it
 *
 * conn.c reads and writes bytes and watches the clock; conn_h1.c and conn_h2.c make requests of
 * bytes and bytes of answers; exchange.c carries answers from any thread to the loop.
 *
 * A connection that ends is dead at once (`is_dead`: socket closed, exchanges detached) and freed
 * by a post of its own, so that whoever called may still look at it; on a loop that has stopped, by
 * the last kis_conn_leave.
 */
#ifndef KIS_NET_CONN_H
#define KIS_NET_CONN_H

#include <stdatomic.h>

#include "http/http1.h"
#include "net/server.h"
#include "net/tcp.h"

#define KIS_READ_BYTES ((size_t)64 << 10) /* one read of what is not body */
/* a body with less than this to come is read so, too, with what is behind it */
#define KIS_DIRECT_BYTES (KIS_READ_BYTES / 4)
/* Behind the end of a request nothing decrypted is left: kis_conn_leave, when it is answered in the
 * middle of another connection's input, would read it into the scratch where that input lies. */
#define KIS_TLS_RECORD_BYTES 16384u /* RFC 8446, 5.1 */
_Static_assert(KIS_DIRECT_BYTES >= KIS_TLS_RECORD_BYTES, "the last read takes a record whole");
#define KIS_PIECE_BYTES ((size_t)32 << 10) /* of a streamed answer at a time */
/* small answers gather here and leave in one write */
#define KIS_CORK_BYTES      ((size_t)64 << 10)
#define KIS_OUT_BYTES_PAUSE ((size_t)256 << 10) /* more unsent: no further request is read */
/* answers that a peer does not take, over all streams of a connection; one more is reset */
#define KIS_H2_QUEUED_BYTES_MAX ((size_t)32 << 20)
/* of a declared length this much is taken on trust; more as bytes come */
#define KIS_BODY_FIRST_BYTES   ((size_t)1 << 20)
#define KIS_BODY_UNKNOWN_BYTES ((size_t)4 << 10) /* the same when no length is declared */
/* times of kis_listener_options that were left at 0 */
#define KIS_HEADER_TIMEOUT_MS 10000u
#define KIS_BODY_PROGRESS_MS  30000u
#define KIS_IDLE_TIMEOUT_MS   60000u
/* fewer bytes of a body in a whole progress time: it is not getting on */
#define KIS_BODY_PROGRESS_BYTES 1024u
/* a body that gets on, but is not there after so long, is refused: it pins budget */
#define KIS_BODY_WHOLE_MS 300000u
/* an unwanted body up to this is read away to keep the connection */
#define KIS_BODY_DISCARD_BYTES ((size_t)64 << 10)
/* not a byte taken by the peer for so long: it is gone */
#define KIS_WRITE_STALL_MS 30000u
/* after a refusal or a goodbye, time for the peer to read it */
#define KIS_LINGER_MS       2000u
#define KIS_LINGER_DRAIN_MS 500u /* the same when the server is stopping */

typedef struct kis_conn kis_conn;
typedef struct kis_listener kis_listener;
typedef struct kis_home kis_home;
typedef struct kis_conn_h2 kis_conn_h2;

/* One writer, the loop; readers on any thread. */
typedef struct kis_counter {
    _Atomic uint64_t value;
} kis_counter;
static inline void kis_count_add(kis_counter *counter, uint64_t by)
{
    atomic_store_explicit(&counter->value,
                          atomic_load_explicit(&counter->value, memory_order_relaxed) + by,
                          memory_order_relaxed);
}
static inline uint64_t kis_count_get(const kis_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

struct kis_home {
    kis_server *server;
    kis_loop *loop;
    kis_conn *conns; /* all of them */
    /* between requests, and nothing unsent: may be closed to make room */
    kis_conn *idle_oldest, *idle_newest;
    /* added to by the accepting loop, before the connection arrives */
    atomic_uint conn_count;
    atomic_uint idle_count;  /* written by this loop */
    atomic_bool close_asked; /* `close_idle` is under way from the accepting loop */
    bool is_draining;
    /* KIS_READ_BYTES for reading, behind them KIS_PIECE_BYTES for streamed answers */
    uint8_t *scratch;
    kis_buf cork; /* of `corked`, while its input is being worked on */
    kis_conn *corked;
    uint64_t date_second;
    char date[32]; /* "Sat, 21 Nov 2026 07:49:21 GMT" */
    kis_post start, drain, cut, close_idle;
    uint64_t cut_count;
    struct {
        kis_counter accepted, refused, requests, malformed, streams_reset, tls_failures, timeouts,
            goaways, bytes_in, bytes_out;
    } stats;
};

struct kis_listener {
    kis_watch watch;
    kis_timer retry; /* after EMFILE without a descriptor to spare */
    kis_server *server;
    kis_listener_options options;
    kis_listener *next;
    int fd;
    bool is_unix;
    char address[KIS_ADDRESS_TEXT_MAX];
};

typedef enum kis_conn_protocol {
    KIS_CONN_UNKNOWN,
    KIS_CONN_HTTP1,
    KIS_CONN_HTTP2,
    KIS_CONN_LINGER
} kis_conn_protocol;
typedef enum kis_h1_state {
    KIS_H1_HEAD,
    KIS_H1_BODY,
    KIS_H1_WAIT /* for the answer */
} kis_h1_state;

struct kis_conn {
    kis_watch watch;
    kis_timer timer;
    kis_post post; /* to its home, and later to its grave */
    kis_home *home;
    kis_listener *listener;
    kis_conn *prev, *next, *idle_prev, *idle_next;
    kis_stream io;
    kis_conn_protocol protocol;
    uint32_t depth; /* how many kis_conn_enter are open */
    bool is_dead, is_idle, is_listed, closes_when_sent, lingers, ignored_read, is_in_input;
    bool is_unburied;           /* dead, and its loop takes no posts: the last leave buries it */
    uint64_t phase_deadline_ns; /* of head, body, idleness; 0: none */
    uint64_t write_deadline_ns; /* while something is unsent */
    kis_buf in;                 /* read, not yet understood */
    kis_buf out;                /* unsent from out_at on */
    size_t out_at;
    struct {
        kis_h1_state state;
        kis_http1_scan scan;
        kis_http1_framing framing;
        kis_http1_chunks chunks;
        uint64_t body_left;      /* of a body with a length */
        uint64_t progress_bytes; /* of the body since the progress timer was set */
        uint64_t discarded_bytes;
        kis_exchange *exchange; /* the one request of HTTP/1.1, from its head to its answer */
        bool keeps_alive, is_discarding, is_http10, awaits_continue, is_chunking;
    } h1;
    kis_conn_h2 *h2;
    char peer[KIS_ADDRESS_TEXT_MAX];
};

/* An answer on its way to the loop: one block with all texts behind it. */
typedef struct kis_answer_copy {
    size_t size; /* of the block */
    kis_answer_head head;
    kis_bytes body;
} kis_answer_copy;

/* The part of an exchange that streams. Made by kis_exchange_begin. */
typedef struct kis_answer_stream {
    kis_lock lock;
    kis_cond room;
    kis_buf pending; /* guarded by lock: written, not yet taken by the loop */
    bool is_ended, is_complete, is_gone, is_posted; /* guarded by lock */
} kis_answer_stream;

struct kis_exchange {
    atomic_uint refs;
    atomic_bool is_claimed; /* somebody answers or has answered */
    atomic_bool is_gone;    /* the peer is: answering does nothing */
    const kis_alloc *alloc;
    size_t size; /* of this block: headers, memo and texts included */
    void *memo;  /* handler.memo_bytes; the handler's */
    kis_loop *loop;
    kis_conn *conn; /* loop thread; NULL when it has gone or the answer is out */
    kis_request_head head;
    bool is_head_method, is_grpc, close_after;
    int32_t stream_id; /* HTTP/2 */
    struct kis_http2_stream *h2_stream;
    uint64_t swept_in, swept_out; /* bytes moved at the last look for stuck streams */
    bool is_swept;
    kis_listener *listener;
    kis_handler handler;
    kis_net_budget budget;
    uint64_t max_body_bytes;
    uint64_t expected_bytes;   /* of the body as it was declared; 0: unknown */
    uint64_t body_deadline_ns; /* of the whole body; looked at every progress time */
    uint8_t *body;
    size_t body_len, body_cap; /* cap is what is charged */
    kis_post deliver, pull;
    kis_answer_copy *copy;          /* set before `deliver` is posted */
    kis_answer_stream *stream;      /* the streaming thread's; set before `deliver` is posted */
    kis_answer_stream *loop_stream; /* the same, once the loop has it */
};

/* ---- conn.c ---- */
void kis_conn_adopt(kis_conn *conn); /* loop thread: begins to serve an accepted socket */
/* around everything that may write or change state; they nest */
void kis_conn_enter(kis_conn *conn);
void kis_conn_leave(kis_conn *conn); /* the last one sends, and sets watches and timers right */
/* sends or keeps; on failure the connection is dead */
void kis_conn_write(kis_conn *conn, kis_bytes first, kis_bytes second);
void kis_conn_uncork(kis_conn *conn); /* sends or keeps what is in the cork */
size_t kis_conn_unsent(const kis_conn *conn);
void kis_conn_close(kis_conn *conn, bool is_reset); /* dead from here on */
void kis_conn_close_after_sending(kis_conn *conn, bool lingers);
void kis_conn_set_idle(kis_conn *conn, bool is_idle);
void kis_conn_set_phase(kis_conn *conn, uint64_t timeout_ms); /* 0: no time limit */
void kis_conn_drain(kis_conn *conn);
uint32_t kis_conn_open_exchanges(const kis_conn *conn);
void kis_conn_process(kis_conn *conn);                      /* works on what lies in `in` */
void kis_conn_note(const kis_conn *conn, const char *what); /* for the operator: on_note */
uint32_t kis_listener_ms(uint32_t given, uint32_t otherwise);
const char *kis_home_date(kis_home *home);

/* ---- conn_h1.c ---- */
size_t kis_h1_input(kis_conn *conn, kis_bytes in); /* answers how many bytes it has understood */
/** Where the next bytes of a body may be read to directly, with *out_size; NULL: nowhere. */
uint8_t *kis_h1_body_room(kis_conn *conn, size_t *out_size);
void kis_h1_body_read(kis_conn *conn, size_t size);
void kis_h1_timeout(kis_conn *conn);
/* an answer of words alone; the connection ends with it */
void kis_h1_refuse(kis_conn *conn, int status, const char *text);
void kis_h1_answer(kis_exchange *exchange, const kis_answer_head *head, kis_bytes body);
void kis_h1_begin(kis_exchange *exchange, const kis_answer_head *head);
void kis_h1_pull(kis_exchange *exchange);
void kis_h1_gone(kis_conn *conn);

/* ---- conn_h2.c ---- */
bool kis_h2_open(kis_conn *conn); /* false: no memory */
void kis_h2_input(kis_conn *conn, kis_bytes in);
/* makes bytes of what waits to be sent, as far as there is room */
void kis_h2_fill(kis_conn *conn);
void kis_h2_timeout(kis_conn *conn);
void kis_h2_answer(kis_exchange *exchange, const kis_answer_head *head, kis_bytes body);
void kis_h2_begin(kis_exchange *exchange, const kis_answer_head *head);
void kis_h2_pull(kis_exchange *exchange);
void kis_h2_drain(kis_conn *conn);
void kis_h2_gone(kis_conn *conn);
uint32_t kis_h2_open_exchanges(const kis_conn *conn);

/* ---- exchange.c ---- */
/** Room for `text_bytes` and `header_count` headers in the same block, whose places come back.
 * Holds one reference, the server's. NULL: no memory. */
kis_exchange *kis_exchange_new(kis_conn *conn, size_t text_bytes, size_t header_count,
                               uint8_t **out_text, kis_header **out_headers);
/** Room for `more` bytes of body: OK, LIMIT, FULL, NOMEM. */
kis_err kis_exchange_body_reserve(kis_exchange *exchange, size_t more);
void kis_exchange_drop_body(kis_exchange *exchange);
/* on_head; the caller looks at is_claimed afterwards */
void kis_exchange_start(kis_exchange *exchange, uint64_t *out_max_body);
void kis_exchange_finish_body(kis_exchange *exchange); /* on_body */
/* on_refuse, else the server's own words */
void kis_exchange_refuse(kis_exchange *exchange, kis_err why, const kis_diag *diag);
/* the connection lets go: answered (false) or gone (true) */
void kis_exchange_detach(kis_exchange *exchange, bool is_gone);
/** A plain answer of the server's own, in the protocol's manner. */
void kis_exchange_say(kis_exchange *exchange, int status, int grpc_status, const char *text);
/** Takes what is streamed and unsent, at most `max` bytes, to the end of `to`. *out_ended: this was
 * the last. */
size_t kis_exchange_take_stream(kis_exchange *exchange, kis_buf *to, size_t max, bool *out_ended,
                                bool *out_complete);

#endif
