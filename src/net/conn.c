/* conn.c - one connection: reading, sending, the clock, and its end. What the bytes mean is in
 * conn_h1.c and conn_h2.c.
 *
 *     socket ready ─> enter ─> read ─> protocol's input ─> answers into the cork
 *                                           ─> leave: one write, watches, timer
 *
 * The timer is lazy: it is set for the earliest deadline and, when it fires too early because the
 * deadline has moved, set again. So a request costs no work in the heap.
 */
#include "net/conn.h"

#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "net/server_in.h"
#include "net/tls_stream.h"
#include "os/os.h"

#define READS_A_TURN 8 /* then others get their turn; the loop will call again */
#define NS_PER_MS    1000000u

static const char h2_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define H2_PREFACE_BYTES (sizeof(h2_preface) - 1)

static void conn_settle(kis_conn *conn);
static bool conn_wants_read(const kis_conn *conn);
static void conn_read(kis_conn *conn);

uint32_t kis_listener_ms(uint32_t given, uint32_t otherwise)
{
    return given ? given : otherwise;
}

void kis_conn_note(const kis_conn *conn, const char *what)
{
    const kis_listener_options *options = &conn->listener->options;
    if (options->on_note)
        options->on_note(options->note_user, kis_str_from_c(conn->peer), what);
}

/* ---- idle connections, the oldest first ---- */

static void conn_list_idle(kis_conn *conn, bool is_listed)
{
    kis_home *home = conn->home;
    if (conn->is_listed == is_listed)
        return;
    conn->is_listed = is_listed;
    if (is_listed) {
        conn->idle_prev = home->idle_newest;
        conn->idle_next = NULL;
        *(home->idle_newest ? &home->idle_newest->idle_next : &home->idle_oldest) = conn;
        home->idle_newest = conn;
        atomic_fetch_add_explicit(&home->idle_count, 1, memory_order_relaxed);
    } else {
        *(conn->idle_prev ? &conn->idle_prev->idle_next : &home->idle_oldest) = conn->idle_next;
        *(conn->idle_next ? &conn->idle_next->idle_prev : &home->idle_newest) = conn->idle_prev;
        atomic_fetch_sub_explicit(&home->idle_count, 1, memory_order_relaxed);
    }
}

void kis_conn_set_idle(kis_conn *conn, bool is_idle)
{
    conn->is_idle = is_idle;
    if (!is_idle)
        conn_list_idle(conn, false); /* into the list only when all is sent: conn_settle */
}

void kis_conn_set_phase(kis_conn *conn, uint64_t timeout_ms)
{
    conn->phase_deadline_ns =
        timeout_ms ? kis_loop_now_ns(conn->home->loop) + timeout_ms * NS_PER_MS : 0;
}

/* ---- the end ---- */

static void conn_bury(kis_post *post)
{
    kis_conn *conn = KIS_CONTAINER(post, kis_conn, post);
    kis_home *home = conn->home;
    const kis_alloc *alloc = kis_loop_alloc(home->loop);
    kis_buf_done(&conn->in);
    kis_buf_done(&conn->out);
    alloc->give_back(alloc->user, conn, sizeof(*conn));
    kis_server_conn_gone(home);
}

void kis_conn_close(kis_conn *conn, bool is_reset)
{
    kis_home *home = conn->home;
    if (conn->is_dead)
        return;
    conn->is_dead = true;
    kis_conn_set_idle(conn, false);
    kis_loop_unwatch(home->loop, &conn->watch);
    kis_loop_clear_timer(home->loop, &conn->timer);
    kis_stream_close(&conn->io, is_reset);
    *(conn->prev ? &conn->prev->next : &home->conns) = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    if (home->corked == conn)
        kis_buf_clear(&home->cork);
    kis_h1_gone(conn);
    kis_h2_gone(conn);
    conn->post.run = conn_bury;
    if (kis_loop_post(home->loop, &conn->post))
        return;
    /* a loop that has stopped: nobody else can be looking */
    if (conn->depth > 0)
        conn->is_unburied = true;
    else
        conn_bury(&conn->post);
}

void kis_conn_close_after_sending(kis_conn *conn, bool lingers)
{
    conn->closes_when_sent = true;
    conn->lingers |= lingers;
}

/* ---- sending ---- */

size_t kis_conn_unsent(const kis_conn *conn)
{
    return conn->out.len - conn->out_at + (conn->home->corked == conn ? conn->home->cork.len : 0);
}

static void conn_note_sent(kis_conn *conn, size_t size)
{
    kis_count_add(&conn->home->stats.bytes_out, size);
    conn->write_deadline_ns = 0; /* progress; leave sets it anew when something is left */
}

/* Keeps what could not be sent. Without memory for it the answer cannot be kept whole: the peer
 * must see that. */
static void conn_keep(kis_conn *conn, kis_bytes piece)
{
    if (conn->out_at == conn->out.len)
        kis_buf_clear(&conn->out), conn->out_at = 0;
    kis_buf_add_bytes(&conn->out, piece);
    if (conn->out.err)
        kis_conn_close(conn, true);
}

static kis_bytes bytes_behind(kis_bytes piece, size_t *skip)
{
    size_t here = KIS_MIN(*skip, piece.len);
    *skip -= here;
    return kis_bytes_of(piece.ptr + here, piece.len - here);
}

/* Sends both pieces as far as the socket takes them and keeps the rest. */
static void conn_send_now(kis_conn *conn, kis_bytes first, kis_bytes second)
{
    while (!conn->is_dead && first.len + second.len && conn->out_at == conn->out.len) {
        ptrdiff_t put = kis_stream_write(&conn->io, first, second);
        if (put == KIS_IO_AGAIN)
            break;
        if (put < 0) {
            kis_conn_close(conn, false);
            return;
        }
        size_t skip = (size_t)put;
        conn_note_sent(conn, skip);
        first = bytes_behind(first, &skip);
        second = bytes_behind(second, &skip);
    }
    if (!conn->is_dead && first.len)
        conn_keep(conn, first);
    if (!conn->is_dead && second.len)
        conn_keep(conn, second);
}

void kis_conn_uncork(kis_conn *conn)
{
    kis_buf *cork = &conn->home->cork;
    if (conn->home->corked != conn || cork->len == 0)
        return;
    kis_bytes all = kis_buf_bytes(cork);
    cork->len = 0; /* the bytes stay where they are until they are sent or kept */
    conn_send_now(conn, all, KIS_BYTES_NONE);
}

void kis_conn_write(kis_conn *conn, kis_bytes first, kis_bytes second)
{
    kis_buf *cork = &conn->home->cork;
    if (conn->is_dead)
        return;
    if (conn->home->corked != conn) {
        conn_send_now(conn, first, second);
        return;
    }
    if (first.len + second.len > cork->max - cork->len)
        kis_conn_uncork(conn);
    if (conn->is_dead)
        return;
    if (first.len + second.len > cork->max) {
        conn_send_now(conn, first, second);
        return;
    }
    kis_buf_add_bytes(cork, first);
    kis_buf_add_bytes(cork, second);
}

static void conn_flush_kept(kis_conn *conn)
{
    while (!conn->is_dead && conn->out_at < conn->out.len) {
        ptrdiff_t put = kis_stream_write(
            &conn->io, kis_bytes_of(conn->out.ptr + conn->out_at, conn->out.len - conn->out_at),
            KIS_BYTES_NONE);
        if (put == KIS_IO_AGAIN)
            return;
        if (put < 0) {
            kis_conn_close(conn, false);
            return;
        }
        conn_note_sent(conn, (size_t)put);
        conn->out_at += (size_t)put;
    }
    if (!conn->is_dead && conn->out.ptr) { /* an idle connection holds no buffer */
        kis_buf_done(&conn->out);
        conn->out_at = 0;
    }
}

/* The peer takes bytes again: more of what waits behind them. */
static void conn_send_more(kis_conn *conn)
{
    conn_flush_kept(conn);
    if (conn->is_dead || conn->out_at < conn->out.len)
        return;
    if (conn->protocol == KIS_CONN_HTTP2)
        kis_h2_fill(conn);
    else if (conn->protocol == KIS_CONN_HTTP1 && conn->h1.exchange &&
             conn->h1.exchange->loop_stream)
        kis_h1_pull(conn->h1.exchange);
}

/* ---- enter and leave ---- */

void kis_conn_enter(kis_conn *conn)
{
    if (conn->depth++ == 0 && !conn->home->corked)
        conn->home->corked = conn;
}

void kis_conn_leave(kis_conn *conn)
{
    if (conn->depth > 1) {
        conn->depth--;
        return;
    }
    if (!conn->is_dead && kis_stream_has_pending(&conn->io) && conn_wants_read(conn))
        conn_read(conn); /* decrypted already: no event will announce it */
    if (!conn->is_dead && conn->protocol == KIS_CONN_HTTP2)
        kis_h2_fill(conn);
    if (!conn->is_dead)
        kis_conn_uncork(conn);
    if (conn->home->corked == conn)
        conn->home->corked = NULL;
    conn->depth--;
    if (!conn->is_dead)
        conn_settle(conn);
    else if (conn->is_unburied)
        conn_bury(&conn->post);
}

/* ---- what the connection waits for ---- */

static bool conn_wants_read(const kis_conn *conn)
{
    if (conn->protocol == KIS_CONN_LINGER)
        return true;
    if (conn->closes_when_sent || kis_conn_unsent(conn) > KIS_OUT_BYTES_PAUSE)
        return false;
    return conn->protocol != KIS_CONN_HTTP1 || conn->h1.state != KIS_H1_WAIT;
}

static void conn_begin_linger(kis_conn *conn)
{
    kis_stream_shut_write(&conn->io);
    conn->protocol = KIS_CONN_LINGER;
    conn->closes_when_sent = false;
    kis_h1_gone(conn); /* who has not answered yet cannot any more */
    kis_h2_gone(conn);
    kis_conn_set_idle(conn, false);
    kis_conn_set_phase(conn, conn->home->is_draining ? KIS_LINGER_DRAIN_MS : KIS_LINGER_MS);
}

static void conn_set_timer(kis_conn *conn)
{
    uint64_t at = conn->phase_deadline_ns;
    if (conn->write_deadline_ns && (!at || conn->write_deadline_ns < at))
        at = conn->write_deadline_ns;
    if (at && (!conn->timer.at_ns || conn->timer.at_ns > at) &&
        kis_loop_set_timer(conn->home->loop, &conn->timer, at) != KIS_OK)
        kis_conn_close(conn, true); /* a connection without a clock could stay for ever */
}

static void conn_settle(kis_conn *conn)
{
    bool is_unsent = conn->out_at < conn->out.len;
    conn_list_idle(conn, conn->is_idle && !is_unsent);
    if (!is_unsent && conn->closes_when_sent) {
        if (!conn->lingers) {
            kis_stream_shut_write(&conn->io);
            kis_conn_close(conn, false);
            return;
        }
        conn_begin_linger(conn);
    }
    if (is_unsent && !conn->write_deadline_ns)
        conn->write_deadline_ns =
            kis_loop_now_ns(conn->home->loop) + (uint64_t)KIS_WRITE_STALL_MS * NS_PER_MS;
    /* taken away only when an event came that was not wanted */
    uint32_t wanted = conn->watch.wanted & KIS_LOOP_READ;
    if (conn_wants_read(conn))
        wanted = conn->io.read_wants_write ? KIS_LOOP_READ | KIS_LOOP_WRITE : KIS_LOOP_READ;
    else if (conn->ignored_read)
        wanted = 0;
    if (is_unsent)
        wanted |= conn->io.write_wants_read ? KIS_LOOP_READ : KIS_LOOP_WRITE;
    kis_loop_rewatch(conn->home->loop, &conn->watch, wanted);
    conn_set_timer(conn);
}

/* ---- reading ---- */

static void conn_keep_input(kis_conn *conn, kis_bytes rest)
{
    if (conn->is_dead || rest.len == 0)
        return;
    kis_buf_add_bytes(&conn->in, rest);
    if (conn->in.err)
        kis_conn_close(conn, true);
}

/* The first bytes say what is spoken: 0 not known yet. */
static bool conn_choose_protocol(kis_conn *conn, kis_bytes in)
{
    const kis_listener_options *options = &conn->listener->options;
    size_t size = KIS_MIN(in.len, H2_PREFACE_BYTES);
    bool may_be_h2 = options->allow_http2 && memcmp(in.ptr, h2_preface, size) == 0;
    if (may_be_h2 && in.len < H2_PREFACE_BYTES)
        return false;
    /* not the preface on a port for HTTP/2 alone: nghttp2 says what is wrong */
    if (may_be_h2 || !options->allow_http1) {
        if (!kis_h2_open(conn))
            kis_conn_close(conn, true);
        return true;
    }
    conn->protocol = KIS_CONN_HTTP1;
    return true;
}

static size_t conn_input(kis_conn *conn, kis_bytes in)
{
    if (conn->protocol == KIS_CONN_UNKNOWN && !conn_choose_protocol(conn, in))
        return 0;
    switch (conn->is_dead ? KIS_CONN_LINGER : conn->protocol) {
    case KIS_CONN_HTTP1:
        return kis_h1_input(conn, in);
    case KIS_CONN_HTTP2:
        kis_h2_input(conn, in);
        return in.len;
    default:
        return in.len; /* nobody listens any more */
    }
}

void kis_conn_process(kis_conn *conn)
{
    if (conn->is_dead || conn->in.len == 0 || conn->is_in_input)
        return;
    conn->is_in_input = true;
    size_t used = conn_input(conn, kis_buf_bytes(&conn->in));
    conn->is_in_input = false;
    if (conn->is_dead)
        return;
    kis_buf_drop_front(&conn->in, used);
    if (conn->in.len == 0)
        kis_buf_done(&conn->in);
}

static void conn_took(kis_conn *conn, kis_bytes in)
{
    if (conn->in.len) {
        conn_keep_input(conn, in);
        kis_conn_process(conn);
        return;
    }
    conn->is_in_input = true;
    size_t used = conn_input(conn, in);
    conn->is_in_input = false;
    conn_keep_input(conn, kis_bytes_of(in.ptr + used, in.len - used));
}

/* One read: true when there may be more at once. */
static bool conn_read_once(kis_conn *conn)
{
    size_t room = KIS_READ_BYTES;
    uint8_t *to = conn->protocol == KIS_CONN_HTTP1 && conn->in.len == 0
                      ? kis_h1_body_room(conn, &room)
                      : NULL;
    bool is_direct = to != NULL;
    if (conn->is_dead)
        return false;
    if (!is_direct) {
        to = conn->home->scratch;
        room = KIS_READ_BYTES;
    }
    ptrdiff_t got = kis_stream_read(&conn->io, to, room);
    if (got == KIS_IO_AGAIN)
        return false;
    /* it has closed its side only: it still hears */
    if (got == KIS_IO_END && kis_conn_unsent(conn)) {
        kis_conn_close_after_sending(conn, false);
        return false;
    }
    if (got <= 0) {
        kis_conn_close(conn, false);
        return false;
    }
    kis_count_add(&conn->home->stats.bytes_in, (uint64_t)got);
    if (is_direct)
        kis_h1_body_read(conn, (size_t)got);
    else
        conn_took(conn, kis_bytes_of(to, (size_t)got));
    return !conn->is_dead && ((size_t)got == room || kis_stream_has_pending(&conn->io)) &&
           conn_wants_read(conn);
}

static void conn_read(kis_conn *conn)
{
    for (int i = 0; conn_read_once(conn); i++) {
        if (i >= READS_A_TURN && !kis_stream_has_pending(&conn->io))
            break;
    }
}

/* ---- events ---- */

/* What the peer speaks it also reads: it is told, without TLS, and what it still sends is thrown
 * away. */
static void conn_answer_plain_http(kis_conn *conn)
{
    kis_tls_stream_done(&conn->io);
    kis_conn_set_idle(conn, false);
    kis_h1_refuse(conn, 400,
                  "This listener speaks TLS, and the request came as plain HTTP: use https://.");
}

static bool conn_shake(kis_conn *conn)
{
    if (!conn->io.ssl || conn->io.is_shaken)
        return true;
    kis_diag diag = { .err = KIS_OK };
    ptrdiff_t shaken = kis_tls_stream_shake(&conn->io, &diag);
    if (shaken == KIS_IO_AGAIN)
        return false;
    if (shaken < 0) {
        kis_count_add(&conn->home->stats.tls_failures, 1);
        if (diag.err != KIS_ERR_CLOSED)
            kis_conn_note(conn, diag.text);
        if (diag.err == KIS_ERR_SYNTAX)
            conn_answer_plain_http(conn);
        else
            kis_conn_close(conn, false);
        return false;
    }
    if (kis_tls_stream_is_h2(&conn->io) && !kis_h2_open(conn))
        kis_conn_close(conn, true);
    return !conn->is_dead;
}

static void conn_ready(kis_watch *watch, uint32_t events)
{
    kis_conn *conn = KIS_CONTAINER(watch, kis_conn, watch);
    kis_conn_enter(conn);
    if (conn_shake(conn)) {
        if (events & KIS_LOOP_WRITE || conn->io.write_wants_read)
            conn_send_more(conn);
        if (!conn->closes_when_sent)
            kis_conn_process(conn); /* requests that lay waiting while too much was unsent */
        bool wants = !conn->is_dead && conn_wants_read(conn);
        if (wants && (events || conn->io.read_wants_write))
            conn_read(conn);
        else if (!conn->is_dead && (events & KIS_LOOP_HANGUP))
            kis_conn_close(conn, false);
        conn->ignored_read = !wants && (events & KIS_LOOP_READ);
    }
    kis_conn_leave(conn);
}

static void conn_fire(kis_timer *timer)
{
    kis_conn *conn = KIS_CONTAINER(timer, kis_conn, timer);
    uint64_t now = kis_loop_now_ns(conn->home->loop);
    kis_conn_enter(conn);
    if (conn->write_deadline_ns && conn->write_deadline_ns <= now) {
        kis_count_add(&conn->home->stats.timeouts, 1);
        kis_conn_close(conn, true);
    } else if (conn->phase_deadline_ns && conn->phase_deadline_ns <= now) {
        conn->phase_deadline_ns = 0;
        if (conn->protocol == KIS_CONN_LINGER) {
            kis_conn_close(conn, false);
        } else if (conn->protocol == KIS_CONN_HTTP2) {
            kis_h2_timeout(conn);
        } else {
            kis_h1_timeout(conn);
        }
    }
    kis_conn_leave(conn);
}

void kis_conn_adopt(kis_conn *conn)
{
    kis_home *home = conn->home;
    conn->watch.ready = conn_ready;
    conn->timer.fire = conn_fire;
    conn->next = home->conns;
    if (home->conns)
        home->conns->prev = conn;
    home->conns = conn;
    const kis_listener_options *options = &conn->listener->options;
    bool is_ready = !home->is_draining && kis_loop_watch(home->loop, &conn->watch, conn->io.fd,
                                                         KIS_LOOP_READ, NULL) == KIS_OK;
    if (is_ready && options->tls)
        is_ready = kis_tls_stream_accept(&conn->io, options->tls, options->allow_http1,
                                         options->allow_http2) == KIS_OK;
    if (!is_ready) {
        kis_conn_close(conn, true);
        return;
    }
    kis_conn_enter(conn);
    kis_conn_set_phase(conn, kis_listener_ms(options->header_timeout_ms, 10000));
    kis_conn_set_idle(conn, true); /* until it asks for something */
    conn->ignored_read = false;
    kis_conn_leave(conn);
}

/* ---- stopping ---- */

uint32_t kis_conn_open_exchanges(const kis_conn *conn)
{
    return conn->protocol == KIS_CONN_HTTP2 ? kis_h2_open_exchanges(conn)
                                            : conn->h1.exchange != NULL;
}

void kis_conn_drain(kis_conn *conn)
{
    kis_conn_enter(conn);
    if (conn->protocol == KIS_CONN_HTTP2)
        kis_h2_drain(conn);
    else if (conn->protocol != KIS_CONN_LINGER && !conn->h1.exchange)
        kis_conn_close_after_sending(conn, false);
    else
        conn->h1.keeps_alive = false; /* the answer under way says so */
    kis_conn_leave(conn);
}
