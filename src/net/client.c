/* client.c - requests out: the queue, the deadlines, and the end of every call. client_in.h has the
 * drawing.
 *
 * `done` is called from one place, kis_client_leave, when no line is being worked on; a send
 * outside of that wakes the client by a timer that is due. A call that fails in the moment it is
 * started waits for the next round, and behind a wake-up for a millisecond: who sends again at once
 * from `done` must not hold up the loop.
 *
 * When there is no memory even for a call, its `done` is noted in the client itself. Only when
 * KIS_CLIENT_REFUSALS of these wait, too, `done` is called inside kis_client_send.
 */
#include "net/client_in.h"

#include "base/check.h"
#include "base/diag.h"

#define FAR_AWAY_NS (UINT64_MAX / 2)
#define AT_ONCE_NS  1u
#define BRAKE_NS    1000000u

/* ---- answers ---- */

static void deliver_refusals(kis_client *client)
{
    kis_client_answer answer = { .err = KIS_ERR_NOMEM };
    kis_diag_set(&answer.diag, KIS_ERR_NOMEM, "no memory for a request");
    for (uint32_t count = client->refusal_count; count > 0 && client->refusal_count > 0; count--) {
        kis_refusal refusal = client->refusals[--client->refusal_count];
        refusal.done(refusal.user, &answer);
    }
}

/* What has ended until now. What ends meanwhile comes next time, unless the client is freed
 * meanwhile: then it came from there. */
static void client_deliver(kis_client *client)
{
    kis_call **last = client->ended_end;
    if (client->refusal_count)
        deliver_refusals(client);
    for (bool is_last = !client->ended; !is_last && client->ended;) {
        kis_call *call = client->ended;
        is_last = last == &call->next;
        client->ended = call->next;
        if (!client->ended)
            client->ended_end = &client->ended;
        kis_call_deliver(call);
    }
}
/* ---- the queue ---- */

static void queue_append(kis_client *client, kis_call *call)
{
    call->next = NULL;
    call->is_queued = true;
    *client->queue_end = call;
    client->queue_end = &call->next;
    client->queue_count++;
}

static void queue_remove(kis_client *client, kis_call *call)
{
    /* deadlines mostly come in the order of the queue: a short walk */
    kis_call **at = &client->queue;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (client->queue_end == &call->next)
        client->queue_end = at;
    client->queue_count--;
    call->is_queued = false;
}

void kis_call_again(kis_call *call)
{
    kis_client *client = call->client;
    kis_call_forget_answer(call);
    call->is_second = true;
    call->is_queued = true;
    call->next = client->queue;
    if (!client->queue)
        client->queue_end = &call->next;
    client->queue = call;
    client->queue_count++;
}

void kis_client_fail_queue(kis_client *client, kis_err err, const kis_diag *diag)
{
    while (client->queue) {
        kis_call *call = client->queue;
        queue_remove(client, call);
        kis_call_end(call, err, diag);
    }
}

static void call_deadline(kis_timer *timer)
{
    kis_call *call = KIS_CONTAINER(timer, kis_call, timer);
    kis_client *client = call->client;
    kis_line *line = call->line;
    kis_client_enter(client);
    if (call->is_queued) {
        queue_remove(client, call);
        kis_call_say(call, KIS_ERR_TIMEOUT,
                     client->opening_count ? "not connected in time"
                                           : "not sent in time, others were before it");
    } else {
        if (client->is_http2)
            kis_h2_line_abandon(line, call);
        else
            kis_h1_line_abandon(line);
        kis_call_say(call, KIS_ERR_TIMEOUT, "no answer in time");
    }
    kis_client_leave(client);
}

/* ---- calls onto lines ---- */

static kis_line *find_idle_line(const kis_client *client)
{
    kis_line *line = client->lines;
    while (line && (line->state != KIS_LINE_OPEN || line->h1.call))
        line = line->next;
    return line;
}

static void pump_h1(kis_client *client)
{
    kis_line *line;
    while (client->queue && (line = find_idle_line(client)) != NULL) {
        kis_call *call = client->queue;
        queue_remove(client, call);
        kis_h1_line_start(line, call);
    }
    while (client->opening_count < client->queue_count &&
           client->line_count < client->max_in_flight) {
        if (client->line_count && kis_loop_now_ns(client->loop) < client->no_open_before_ns)
            break;
        kis_line_open(client);
    }
}

static kis_line *find_h2_line(const kis_client *client)
{
    kis_line *line = client->lines;
    while (line && (line->state != KIS_LINE_OPEN || line->is_leaving))
        line = line->next;
    return line;
}

static void pump_h2_queue(kis_client *client)
{
    while (client->queue && client->in_flight < client->max_in_flight) {
        kis_line *line = find_h2_line(client);
        kis_call *call = client->queue;
        if (!line && client->opening_count)
            return;
        if (!line) {
            kis_line_open(client); /* when it fails at once, it takes the queue with it */
            continue;
        }
        kis_err err = kis_h2_line_start(line, call);
        if (err == KIS_ERR_FULL)
            return;
        if (err == KIS_ERR_CLOSED) {
            line->is_leaving = true;
            continue;
        }
        queue_remove(client, call);
        if (err)
            kis_call_end(call, err, NULL);
    }
}

/* Twice, because sending can make room: a stream that was reset ends when that has been said, and a
 * line that turns out to be dead gives its calls back. */
static void pump_h2(kis_client *client)
{
    for (int round = 0; round < 2 && (round == 0 || client->queue); round++) {
        pump_h2_queue(client);
        for (kis_line *line = client->lines, *next; line; line = next) {
            next = line->next;
            if (line->state == KIS_LINE_OPEN)
                kis_h2_line_flush(line);
        }
    }
}

/* ---- rounds ---- */

static void client_arm(kis_client *client)
{
    uint64_t at = client->is_in_wake ? kis_loop_now_ns(client->loop) + BRAKE_NS : AT_ONCE_NS;
    if (client->wake.at_ns <= at)
        return;
    kis_err err = kis_loop_set_timer(client->loop, &client->wake, at);
    KIS_ASSERT(err == KIS_OK); /* it is in the heap: nothing grows */
}

static void client_wakes(kis_timer *timer)
{
    kis_client *client = KIS_CONTAINER(timer, kis_client, wake);
    kis_err err = kis_loop_set_timer(client->loop, &client->wake, FAR_AWAY_NS);
    KIS_ASSERT(err == KIS_OK); /* its place in the heap has just become free */
    client->is_in_wake = true;
    kis_client_enter(client);
    kis_client_leave(client);
}

static void client_destroy(kis_client *client)
{
    kis_loop_clear_timer(client->loop, &client->wake);
    client->alloc->give_back(client->alloc->user, client, client->block_size);
}

static void free_dead_lines(kis_client *client)
{
    while (client->dead) {
        kis_line *line = client->dead;
        client->dead = line->next;
        client->alloc->give_back(client->alloc->user, line, sizeof(*line));
    }
}

void kis_client_enter(kis_client *client)
{
    client->depth++;
}

void kis_client_leave(kis_client *client)
{
    if (client->depth == 1) {
        client_deliver(client);
        if (!client->is_freed && client->is_http2)
            pump_h2(client);
        else if (!client->is_freed)
            pump_h1(client);
        if (!client->is_freed && (client->ended || client->refusal_count))
            client_arm(client);
        client->is_in_wake = false;
        free_dead_lines(client);
    }
    if (--client->depth == 0 && client->is_freed)
        client_destroy(client);
}
/* ---- new calls ---- */

/* `done` may have freed the client. */
static void refuse_without_memory(kis_client *client, kis_client_done_fn *done, void *user)
{
    if (client->refusal_count < KIS_CLIENT_REFUSALS) {
        client->refusals[client->refusal_count++] = (kis_refusal){ done, user };
        if (client->depth == 0)
            client_arm(client);
        return;
    }
    kis_client_answer answer = { .err = KIS_ERR_NOMEM };
    kis_diag_set(&answer.diag, KIS_ERR_NOMEM, "no memory for a request");
    done(user, &answer);
}

void kis_client_send(kis_client *client, const kis_client_request *request,
                     kis_client_done_fn *done, void *user)
{
    kis_err err;
    kis_call *call = kis_call_new(client, request, &err);
    if (!call) {
        refuse_without_memory(client, done, user);
        return;
    }
    call->done = done;
    call->user = user;
    call->timer.fire = call_deadline;
    if (!err && request->deadline_ns)
        err = kis_loop_set_timer(client->loop, &call->timer, request->deadline_ns);
    if (err)
        kis_call_end(call, err, NULL);
    else
        queue_append(client, call);
    if (client->depth == 0)
        client_arm(client);
}

/* ---- a client's life ---- */

/* "unix:/path", "unix:///path" */
static kis_str socket_path(kis_str host)
{
    return kis_str_slice(host, 5 + 2 * kis_str_starts(host, KIS_STR("unix://")), host.len);
}

static kis_err check_options(const kis_client_options *options, bool is_unix, kis_diag *diag)
{
    kis_address address;
    kis_str path = socket_path(options->host);
    if (options->host.len == 0)
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "a client without a host to connect to");
    if (is_unix)
        return kis_address_of_unix(path, &address)
                   ? KIS_OK
                   : kis_diag_set(diag, KIS_ERR_LIMIT,
                                  "'" KIS_FMT "': the path of a socket has 1 to 107 bytes",
                                  KIS_ARG(options->host));
    if (options->host.len >= KIS_LOOKUP_HOST_BYTES)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "the name of a host has at most %u bytes",
                            KIS_LOOKUP_HOST_BYTES - 1);
    for (size_t i = 0; i < options->host.len; i++) {
        if ((unsigned char)options->host.ptr[i] <= 0x20 || options->host.ptr[i] == 0x7f)
            return kis_diag_set(diag, KIS_ERR_SYNTAX,
                                "the name of a host has a character that may not be in it");
    }
    if (options->port == 0)
        return kis_diag_set(diag, KIS_ERR_RANGE, "port 0 cannot be connected to");
    return kis_http_is_value(options->user_agent)
               ? KIS_OK
               : kis_diag_set(diag, KIS_ERR_SYNTAX, "a user agent that HTTP does not allow");
}

/* "localhost:4318", "[::1]:4318"; in Host the scheme's own port is left out. */
static void client_make_texts(kis_client *client, const kis_client_options *options, uint8_t *at,
                              size_t size)
{
    kis_str host = options->host;
    kis_buf text;
    bool has_colon = kis_str_find_char(host, ':') != KIS_STR_NPOS;
    kis_buf_init_fixed(&text, at, size);
    kis_buf_add_str(&text, options->user_agent);
    client->user_agent = kis_buf_str(&text);
    size_t label = text.len;
    if (client->is_unix) {
        kis_buf_add_str(&text, host);
        client->label = kis_str_of((const char *)at + label, host.len);
        client->host = socket_path(client->label);
        client->authority = KIS_STR("localhost");
        return;
    }
    kis_buf_add_str(&text, has_colon ? KIS_STR("[") : KIS_STR_NONE);
    client->host = kis_str_of((const char *)at + text.len, host.len);
    kis_buf_add_str(&text, host);
    kis_buf_add_str(&text, has_colon ? KIS_STR("]") : KIS_STR_NONE);
    client->authority = kis_str_of((const char *)at + label, text.len - label);
    kis_buf_add_str(&text, KIS_STR(":"));
    kis_buf_add_u64(&text, client->port);
    client->label = kis_str_of((const char *)at + label, text.len - label);
    if (client->port != (client->tls ? 443 : 80))
        client->authority = client->label;
}

kis_err kis_client_new(kis_loop *loop, const kis_client_options *options, kis_client **out,
                       kis_diag *diag)
{
    const kis_alloc *alloc = kis_loop_alloc(loop);
    bool is_unix = kis_str_starts(options->host, KIS_STR("unix:"));
    size_t text_bytes = options->host.len + options->user_agent.len + 16;
    kis_err err = check_options(options, is_unix, diag);
    if (err)
        return err;
    kis_client *client = alloc->take(alloc->user, sizeof(*client) + text_bytes);
    if (!client)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a client");
    *client = (kis_client){ .loop = loop,
                            .alloc = alloc,
                            .tls = options->tls,
                            .is_http2 = options->http2,
                            .is_unix = is_unix,
                            .port = options->port };
    client->block_size = sizeof(*client) + text_bytes;
    client->connect_timeout_ns =
        (uint64_t)(options->connect_timeout_ms ? options->connect_timeout_ms
                                               : KIS_CLIENT_CONNECT_MS) *
        1000000u;
    client->max_in_flight = options->max_in_flight ? options->max_in_flight
                            : options->http2       ? KIS_CLIENT_STREAMS
                                                   : KIS_CLIENT_LINES;
    client->max_answer_bytes =
        options->max_answer_bytes ? options->max_answer_bytes : KIS_CLIENT_ANSWER_BYTES;
    client->queue_end = &client->queue;
    client->ended_end = &client->ended;
    client->wake.fire = client_wakes;
    client_make_texts(client, options, (uint8_t *)(client + 1), text_bytes);
    if (kis_loop_set_timer(loop, &client->wake, FAR_AWAY_NS) != KIS_OK) {
        alloc->give_back(alloc->user, client, client->block_size);
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for a client");
    }
    *out = client;
    return KIS_OK;
}

static void close_line(kis_line *line, const kis_diag *diag)
{
    kis_call *call;
    if (line->state == KIS_LINE_OPEN && line->client->is_http2) {
        while ((call = kis_h2_line_take(line)) != NULL)
            kis_call_end(call, diag->err, diag);
    } else if (line->state == KIS_LINE_OPEN && (call = kis_h1_line_take(line)) != NULL) {
        kis_call_end(call, diag->err, diag);
    }
    kis_line_kill(line);
}

void kis_client_free(kis_client *client)
{
    kis_diag diag;
    if (!client || client->is_freed)
        return;
    kis_client_enter(client);
    client->is_freed = true;
    kis_diag_set(&diag, KIS_ERR_CLOSED, KIS_FMT ": the client was closed", KIS_ARG(client->label));
    while (client->lines)
        close_line(client->lines, &diag);
    kis_client_fail_queue(client, KIS_ERR_CLOSED, &diag);
    while (client->ended || client->refusal_count)
        client_deliver(client);
    kis_client_leave(client);
}
