/* client_line.c - a connection of the client from nothing to open, and its end.
 *
 *     RESOLVING ─> CONNECTING ─> SHAKING ─> OPEN ─> DEAD        names: resolve.c; SHAKING: TLS only
 *                   │      ^
 *                   └──────┘ the next address; each has its share of the time
 *
 * One lookup, all addresses in the order they came (RFC 6724 has sorted them), one after the other:
 * a host that listens on one of its two families refuses the other at once. The whole of it has
 * connect_timeout_ms.
 */
#include "net/client_in.h"

#include <errno.h>
#include <string.h>

#include "base/diag.h"
#include "base/fmt.h"
#include "net/tls_stream.h"
#include "os/fork.h"

static void dial_next_address(kis_line *line);

/* ---- the end ---- */

static void dial_free(kis_line *line)
{
    kis_client *client = line->client;
    if (!line->dial)
        return;
    if (line->dial->lookup)
        kis_lookup_cancel(line->dial->lookup);
    client->alloc->give_back(client->alloc->user, line->dial, sizeof(*line->dial));
    line->dial = NULL;
    client->opening_count--;
    kis_loop_clear_timer(client->loop, &line->timer);
}

static void line_close_socket(kis_line *line)
{
    if (line->io.ssl)
        kis_tls_stream_done(&line->io); /* it gives memory back: not while forks are held */
    kis_fork_hold();
    kis_loop_unwatch(line->client->loop, &line->watch);
    kis_stream_close(&line->io, false);
    kis_fork_allow();
}

void kis_line_kill(kis_line *line)
{
    kis_client *client = line->client;
    if (line->state == KIS_LINE_DEAD)
        return;
    if (line->state == KIS_LINE_OPEN) {
        if (client->is_http2)
            kis_h2_line_done(line);
        else
            kis_h1_line_done(line);
        if (line->io.ssl)
            kis_tls_stream_shut(&line->io);
    }
    dial_free(line);
    line_close_socket(line);
    *(line->prev ? &line->prev->next : &client->lines) = line->next;
    if (line->next)
        line->next->prev = line->prev;
    client->line_count--;
    line->state = KIS_LINE_DEAD;
    line->next = client->dead;
    client->dead = line;
}

/* The queue waited for this line. Other lines of HTTP/1.1 may still work on it; nothing new is
 * tried for a while then. */
static void open_failed(kis_client *client, const kis_diag *diag)
{
    if (client->is_http2 || client->line_count == 0)
        kis_client_fail_queue(client, diag->err, diag);
    else
        client->no_open_before_ns =
            kis_loop_now_ns(client->loop) + KIS_CLIENT_REOPEN_MS * (uint64_t)1000000u;
}

void kis_line_connect_failed(kis_line *line, kis_err err, const char *what)
{
    kis_client *client = line->client;
    kis_diag diag;
    kis_diag_set(&diag, err, "connect to " KIS_FMT ": %s", KIS_ARG(client->label), what);
    kis_line_kill(line);
    open_failed(client, &diag);
}

/* ---- open ---- */

static void line_is_open(kis_line *line)
{
    line->state = KIS_LINE_OPEN;
    dial_free(line);
    line->last_read_ns = kis_loop_now_ns(line->client->loop);
    if (!line->client->is_http2)
        kis_h1_line_ready(line);
    else if (!kis_h2_line_ready(line))
        kis_line_connect_failed(line, KIS_ERR_NOMEM, "out of memory");
}

static void line_shake(kis_line *line)
{
    kis_diag diag = { 0 };
    ptrdiff_t result = kis_tls_stream_shake(&line->io, &diag);
    if (result == KIS_IO_AGAIN)
        kis_loop_rewatch(line->client->loop, &line->watch,
                         line->io.read_wants_write ? KIS_LOOP_WRITE : KIS_LOOP_READ);
    else if (result < 0)
        kis_line_connect_failed(line, KIS_ERR_IO, diag.text);
    else if (line->client->is_http2 && !kis_tls_stream_is_h2(&line->io))
        kis_line_connect_failed(
            line, KIS_ERR_SYNTAX,
            "the peer does not speak HTTP/2 (gRPC): it did not choose h2 in the TLS handshake");
    else
        line_is_open(line);
}

static void line_is_connected(kis_line *line)
{
    kis_client *client = line->client;
    if (!client->tls) {
        line_is_open(line);
        return;
    }
    line->state = KIS_LINE_SHAKING;
    if (kis_tls_stream_connect(&line->io, client->tls,
                               client->is_unix ? client->authority : client->host,
                               client->is_http2) != KIS_OK) {
        kis_line_connect_failed(line, KIS_ERR_NOMEM, "TLS cannot begin");
        return;
    }
    /* the handshake has all the time that is left */
    kis_err err = kis_loop_set_timer(client->loop, &line->timer, line->dial->deadline_ns);
    if (err)
        kis_line_connect_failed(line, err, "out of memory");
    else
        line_shake(line);
}

/* ---- addresses in turn ---- */

static void dial_note_errno(kis_line *line, int number)
{
    char text[96];
    kis_fmt(text, sizeof(text), "%s", strerror(number));
    if (text[0] >= 'A' && text[0] <= 'Z')
        text[0] = (char)(text[0] | 0x20);
    kis_diag_set(&line->dial->diag, KIS_ERR_IO, "%s", text);
}

static void line_try_result(kis_line *line)
{
    int failed = kis_tcp_connected(line->io.fd);
    if (!failed) {
        line_is_connected(line);
        return;
    }
    dial_note_errno(line, failed);
    line_close_socket(line);
    dial_next_address(line);
}

static void line_ready(kis_watch *watch, uint32_t events)
{
    kis_line *line = KIS_CONTAINER(watch, kis_line, watch);
    kis_client *client = line->client;
    kis_client_enter(client);
    if (line->state == KIS_LINE_CONNECTING)
        line_try_result(line);
    else if (line->state == KIS_LINE_SHAKING)
        line_shake(line);
    else if (client->is_http2)
        kis_h2_line_event(line, events);
    else
        kis_h1_line_event(line, events);
    kis_client_leave(client);
}

/* A socket that is on its way to `address`, and watched. Forks are held. */
static bool dial_socket(kis_line *line, const kis_address *address)
{
    int fd = kis_tcp_connect(address);
    if (fd < 0) {
        dial_note_errno(line, errno);
        return false;
    }
    kis_stream_init(&line->io, fd);
    if (kis_loop_watch(line->client->loop, &line->watch, fd, KIS_LOOP_WRITE, &line->dial->diag) ==
        KIS_OK)
        return true;
    kis_stream_close(&line->io, false);
    return false;
}

/* False: this address is not to be had, dial->diag says why. */
static bool dial_begin(kis_line *line, const kis_address *address)
{
    kis_client *client = line->client;
    kis_fork_hold();
    bool is_begun = dial_socket(line, address);
    kis_fork_allow();
    if (!is_begun)
        return false;
    uint64_t now = kis_loop_now_ns(client->loop);
    uint64_t left = line->dial->deadline_ns > now ? line->dial->deadline_ns - now : 0;
    uint64_t share = left / (line->dial->count - line->dial->at + 1);
    if (kis_loop_set_timer(client->loop, &line->timer, now + share) != KIS_OK) {
        kis_diag_set(&line->dial->diag, KIS_ERR_NOMEM, "out of memory");
        line_close_socket(line);
        return false;
    }
    line->state = KIS_LINE_CONNECTING;
    return true;
}

static void dial_next_address(kis_line *line)
{
    kis_dial *dial = line->dial;
    while (dial->at < dial->count) {
        if (dial_begin(line, &dial->addresses[dial->at++]))
            return;
    }
    kis_diag why = dial->diag;
    kis_line_connect_failed(line, why.err, why.text);
}

static void dial_timeout(kis_timer *timer)
{
    kis_line *line = KIS_CONTAINER(timer, kis_line, timer);
    kis_client *client = line->client;
    kis_client_enter(client);
    if (line->state == KIS_LINE_CONNECTING) {
        kis_diag_set(&line->dial->diag, KIS_ERR_TIMEOUT, "no answer within %u ms",
                     (unsigned)(client->connect_timeout_ns / 1000000u));
        line_close_socket(line);
        dial_next_address(line);
    } else {
        kis_line_connect_failed(line, KIS_ERR_TIMEOUT,
                                line->state == KIS_LINE_SHAKING
                                    ? "TLS handshake: no answer in time"
                                    : "the name server does not answer in time");
    }
    kis_client_leave(client);
}

static void dial_found(void *user, const kis_lookup_answer *answer)
{
    kis_line *line = user;
    kis_client *client = line->client;
    kis_client_enter(client);
    line->dial->lookup = NULL;
    if (answer->count) {
        memcpy(line->dial->addresses, answer->addresses, answer->count * sizeof(kis_address));
        line->dial->count = answer->count;
        dial_next_address(line);
    } else {
        kis_line_connect_failed(line, answer->diag.err, answer->diag.text);
    }
    kis_client_leave(client);
}

static void dial_start(kis_line *line)
{
    kis_client *client = line->client;
    kis_dial *dial = line->dial;
    bool is_known = client->is_unix
                        ? kis_address_of_unix(client->host, dial->addresses)
                        : kis_address_of_number(client->host, client->port, dial->addresses);
    if (is_known) {
        dial->count = 1;
        dial_next_address(line);
        return;
    }
    line->state = KIS_LINE_RESOLVING;
    kis_err err = kis_loop_set_timer(client->loop, &line->timer, dial->deadline_ns);
    if (!err)
        err = kis_lookup_start(client->loop, client->host, client->port, dial_found, line,
                               &dial->lookup, &dial->diag);
    if (err) {
        kis_diag why = dial->diag;
        kis_line_connect_failed(line, err, why.text[0] ? why.text : kis_err_text(err));
    }
}

void kis_line_open(kis_client *client)
{
    const kis_alloc *alloc = client->alloc;
    kis_line *line = alloc->take(alloc->user, sizeof(*line));
    kis_dial *dial = line ? alloc->take(alloc->user, sizeof(*dial)) : NULL;
    if (!dial) {
        kis_diag diag;
        if (line)
            alloc->give_back(alloc->user, line, sizeof(*line));
        kis_diag_set(&diag, KIS_ERR_NOMEM, "connect to " KIS_FMT ": out of memory",
                     KIS_ARG(client->label));
        open_failed(client, &diag);
        return;
    }
    memset(line, 0, sizeof(*line));
    memset(dial, 0, sizeof(*dial));
    line->client = client;
    line->watch = (kis_watch){ .fd = -1, .ready = line_ready };
    line->timer.fire = dial_timeout;
    line->io.fd = -1;
    line->dial = dial;
    dial->deadline_ns = kis_loop_now_ns(client->loop) + client->connect_timeout_ns;
    line->next = client->lines;
    if (client->lines)
        client->lines->prev = line;
    client->lines = line;
    client->line_count++;
    client->opening_count++;
    dial_start(line);
}

/* ---- bytes ---- */

/* A listener for TLS often just goes away when what comes is none. */
const char *kis_line_loss(const kis_line *line, bool is_in_order, bool was_silent)
{
    static const char *const texts[2][2] = {
        { "the connection broke before an answer came",
          "the connection broke before an answer came; does it speak TLS? https://" },
        { "the connection was closed before an answer came",
          "the connection was closed before an answer came; does it speak TLS? https://" },
    };
    return texts[is_in_order][was_silent && !line->client->tls && !line->client->is_unix];
}

void kis_line_want(kis_line *line, bool writes)
{
    uint32_t wanted = KIS_LOOP_READ;
    if (line->io.read_wants_write || (writes && !line->io.write_wants_read))
        wanted |= KIS_LOOP_WRITE;
    if (line->state == KIS_LINE_OPEN)
        kis_loop_rewatch(line->client->loop, &line->watch, wanted);
}

ptrdiff_t kis_line_read(kis_line *line, void *to, size_t size)
{
    ptrdiff_t got = kis_stream_read(&line->io, to, size);
    if (got > 0)
        line->last_read_ns = kis_loop_now_ns(line->client->loop);
    return got;
}

bool kis_line_has_more(const kis_line *line, size_t asked, ptrdiff_t got, uint32_t reads)
{
    if (line->state != KIS_LINE_OPEN)
        return false;
    return kis_stream_has_pending(&line->io) ||
           ((size_t)got == asked && reads < KIS_CLIENT_READS_MAX);
}
