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
#include "base/fmt.h"
#include "base/num.h"
#include "base/vec.h"

#define FAR_AWAY_NS      (UINT64_MAX / 2)
#define AT_ONCE_NS       1u
#define BRAKE_NS         1000000u
#define BODY_FIRST_BYTES ((size_t)1 << 20) /* of a declared length this much is taken on trust */

/* ---- the end of a call ---- */

static void call_free(kis_call *call)
{
    const kis_alloc *alloc = call->client->alloc;
    kis_call_forget_answer(call);
    if (call->diag)
        alloc->give_back(alloc->user, call->diag, sizeof(*call->diag));
    alloc->give_back(alloc->user, call, call->block_size);
}

void kis_call_forget_answer(kis_call *call)
{
    const kis_alloc *alloc = call->client->alloc;
    if (call->answer_block)
        alloc->give_back(alloc->user, call->answer_block, call->answer_block_size);
    if (call->trailer_block)
        alloc->give_back(alloc->user, call->trailer_block, call->trailer_block_size);
    kis_buf_done(&call->answer_body);
    call->answer_block = call->trailer_block = NULL;
    call->answer_headers = call->trailers = NULL;
    call->answer_header_count = call->trailer_count = 0;
    call->status = 0;
}

void kis_call_end(kis_call *call, kis_err err, const kis_diag *diag)
{
    kis_client *client = call->client;
    KIS_ASSERT(!call->is_queued && !call->line);
    kis_loop_clear_timer(client->loop, &call->timer);
    call->err = err;
    call->body = KIS_BYTES_NONE;
    if (err) {
        kis_call_forget_answer(call);
        call->diag = diag ? client->alloc->take(client->alloc->user, sizeof(*diag)) : NULL;
        if (call->diag)
            *call->diag = *diag;
    }
    call->next = NULL;
    *client->ended_end = call;
    client->ended_end = &call->next;
}

void kis_call_say(kis_call *call, kis_err err, const char *what)
{
    kis_diag diag;
    kis_diag_set(&diag, err, KIS_FMT ": %s", KIS_ARG(call->client->label), what);
    kis_call_end(call, err, &diag);
}

static void call_deliver(kis_call *call)
{
    kis_client_answer answer = {
        .err = call->err,
        .was_sent = call->was_sent,
        .status = call->status,
        .headers = call->answer_headers,
        .header_count = call->answer_header_count,
        .trailers = call->trailers,
        .trailer_count = call->trailer_count,
        .body = call->err ? KIS_BYTES_NONE : kis_buf_bytes(&call->answer_body),
    };
    if (call->diag)
        answer.diag = *call->diag;
    else if (call->err)
        kis_diag_set(&answer.diag, call->err, KIS_FMT ": %s", KIS_ARG(call->client->label),
                     kis_err_text(call->err));
    call->done(call->user, &answer);
    call_free(call);
}

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
        call_deliver(call);
    }
}

/* ---- what an answer is made of ---- */

static kis_str call_copy_text(uint8_t **at, kis_str text)
{
    kis_str copy = kis_str_of((const char *)*at, text.len);
    if (text.len)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

kis_err kis_call_set_headers(kis_call *call, const kis_header *headers, size_t count,
                             bool is_trailer)
{
    const kis_alloc *alloc = call->client->alloc;
    size_t size = count * sizeof(*headers);
    for (size_t i = 0; i < count; i++)
        size += headers[i].name.len + headers[i].value.len;
    if (size == 0 || (is_trailer ? call->trailer_block : call->answer_block))
        return KIS_OK;
    kis_header *copies = alloc->take(alloc->user, size);
    if (!copies)
        return KIS_ERR_NOMEM;
    uint8_t *at = (uint8_t *)(copies + count);
    for (size_t i = 0; i < count; i++) {
        copies[i].name = call_copy_text(&at, headers[i].name);
        copies[i].value = call_copy_text(&at, headers[i].value);
    }
    *(is_trailer ? &call->trailer_block : &call->answer_block) = copies;
    *(is_trailer ? &call->trailer_block_size : &call->answer_block_size) = size;
    *(is_trailer ? &call->trailers : &call->answer_headers) = copies;
    *(is_trailer ? &call->trailer_count : &call->answer_header_count) = count;
    return KIS_OK;
}

kis_err kis_call_expect_body(kis_call *call, uint64_t size)
{
    if (size > call->client->max_answer_bytes)
        return KIS_ERR_LIMIT;
    return kis_buf_reserve(&call->answer_body, KIS_MIN((size_t)size, BODY_FIRST_BYTES))
               ? KIS_OK
               : KIS_ERR_NOMEM;
}

kis_err kis_call_add_body(kis_call *call, kis_bytes piece)
{
    kis_buf_add_bytes(&call->answer_body, piece);
    return call->answer_body.err;
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
    kis_call **at =
        &client->queue; /* deadlines mostly come in the order of the queue: a short walk */
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
    kis_buf_init(&call->answer_body, client->alloc, client->max_answer_bytes);
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

static void pump_h2(kis_client *client)
{
    pump_h2_queue(client);
    for (kis_line *line = client->lines, *next; line; line = next) {
        next = line->next;
        if (line->state == KIS_LINE_OPEN)
            kis_h2_line_flush(line);
    }
    if (client->queue && client->in_flight < client->max_in_flight && !client->opening_count &&
        !find_h2_line(client))
        pump_h2_queue(client); /* the line turned out to be dead */
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

static bool is_own_header(const kis_client *client, kis_str name)
{
    static const kis_str names[] = { KIS_STR_INIT("host"),
                                     KIS_STR_INIT("content-length"),
                                     KIS_STR_INIT("transfer-encoding"),
                                     KIS_STR_INIT("connection"),
                                     KIS_STR_INIT("expect"),
                                     KIS_STR_INIT("upgrade") };
    if (client->user_agent.len && kis_str_eq_nocase(name, KIS_STR("user-agent")))
        return true;
    for (size_t i = 0; i < KIS_COUNT_OF(names); i++) {
        if (kis_str_eq_nocase(name, names[i]))
            return true;
    }
    return false;
}

static bool is_target(kis_str path)
{
    if (path.len == 0 || (path.ptr[0] != '/' && !kis_str_eq(path, KIS_STR("*"))))
        return false;
    for (size_t i = 0; i < path.len; i++) {
        if ((unsigned char)path.ptr[i] <= 0x20 || (unsigned char)path.ptr[i] >= 0x7f)
            return false;
    }
    return true;
}

/* What would not pass as HTTP is refused here, before anybody can be misled by it. */
static kis_err check_request(const kis_client *client, const kis_client_request *request,
                             kis_diag *diag)
{
    size_t bytes = 0;
    if (client->is_freed)
        return kis_diag_set(diag, KIS_ERR_CLOSED, KIS_FMT ": the client is closed",
                            KIS_ARG(client->label));
    if (client->queue_count >= KIS_CLIENT_QUEUE_MAX)
        return kis_diag_set(diag, KIS_ERR_FULL, KIS_FMT ": %u requests wait already",
                            KIS_ARG(client->label), KIS_CLIENT_QUEUE_MAX);
    if (!kis_http_is_token(request->method) || request->method.len > KIS_HTTP1_METHOD_BYTES_MAX)
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "the method of a request is not a word");
    if (request->path.len > KIS_HTTP_TARGET_BYTES_MAX)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "the path of a request is longer than %u bytes",
                            KIS_HTTP_TARGET_BYTES_MAX);
    if (!is_target(request->path))
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "the path of a request does not begin with '/', or has a character "
                            "that belongs coded as %%XX");
    for (size_t i = 0; i < request->header_count; i++) {
        const kis_header *header = &request->headers[i];
        bytes += header->name.len + header->value.len;
        if (!kis_http_is_token(header->name) || !kis_http_is_value(header->value))
            return kis_diag_set(diag, KIS_ERR_SYNTAX,
                                "header %zu of a request: a name or value that HTTP does not allow",
                                i);
    }
    if (bytes > KIS_HTTP_HEADER_BYTES_MAX || request->header_count > KIS_HTTP_HEADERS_MAX - 4)
        return kis_diag_set(diag, KIS_ERR_LIMIT,
                            "the headers of a request: at most %u, together %u bytes",
                            KIS_HTTP_HEADERS_MAX - 4, KIS_HTTP_HEADER_BYTES_MAX);
    return KIS_OK;
}

static void put_text(uint8_t **at, kis_str text)
{
    (void)call_copy_text(at, text);
}

static kis_str copy_lower(uint8_t **at, kis_str name)
{
    kis_str copy = call_copy_text(at, name);
    for (uint8_t *c = *at - name.len; c < *at; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c |= 0x20;
    }
    return copy;
}

static bool sends_length(const kis_client_request *request)
{
    return request->body.len || kis_str_eq(request->method, KIS_STR("POST")) ||
           kis_str_eq(request->method, KIS_STR("PUT")) ||
           kis_str_eq(request->method, KIS_STR("PATCH"));
}

/* Room for either form: the parts of HTTP/2 are views and text, the head of HTTP/1.1 is text with
 * some bytes between. */
static size_t request_bytes(const kis_client *client, const kis_client_request *request)
{
    size_t size = request->method.len + request->path.len + client->authority.len +
                  client->user_agent.len + KIS_NUM_TEXT_MAX + 128;
    for (size_t i = 0; i < request->header_count; i++)
        size += request->headers[i].name.len + request->headers[i].value.len + 4;
    return client->is_http2 ? size + (request->header_count + 2) * sizeof(kis_header) : size;
}

static void fill_h1(kis_call *call, const kis_client_request *request, uint8_t *at)
{
    const kis_client *client = call->client;
    const uint8_t *start = at;
    char length[KIS_NUM_TEXT_MAX];
    put_text(&at, request->method);
    put_text(&at, KIS_STR(" "));
    put_text(&at, request->path);
    put_text(&at, KIS_STR(" HTTP/1.1\r\nhost: "));
    put_text(&at, client->authority);
    if (client->user_agent.len) {
        put_text(&at, KIS_STR("\r\nuser-agent: "));
        put_text(&at, client->user_agent);
    }
    for (size_t i = 0; i < request->header_count; i++) {
        if (is_own_header(client, request->headers[i].name))
            continue;
        put_text(&at, KIS_STR("\r\n"));
        (void)copy_lower(&at, request->headers[i].name);
        put_text(&at, KIS_STR(": "));
        put_text(&at, request->headers[i].value);
    }
    if (sends_length(request)) {
        put_text(&at, KIS_STR("\r\ncontent-length: "));
        put_text(&at, kis_str_of(length, kis_u64_format(request->body.len, length)));
    }
    put_text(&at, KIS_STR("\r\n\r\n"));
    call->head = kis_bytes_of(start, (size_t)(at - start));
}

static void fill_h2(kis_call *call, const kis_client_request *request, uint8_t *room)
{
    const kis_client *client = call->client;
    kis_header *headers = (kis_header *)(void *)room;
    uint8_t *at = (uint8_t *)(headers + request->header_count + 2);
    char length[KIS_NUM_TEXT_MAX];
    size_t count = 0;
    call->method = call_copy_text(&at, request->method);
    call->path = call_copy_text(&at, request->path);
    if (client->user_agent.len)
        headers[count++] = (kis_header){ KIS_STR("user-agent"), client->user_agent };
    for (size_t i = 0; i < request->header_count; i++) {
        if (is_own_header(client, request->headers[i].name))
            continue;
        kis_str name = copy_lower(&at, request->headers[i].name);
        headers[count++] = (kis_header){ name, call_copy_text(&at, request->headers[i].value) };
    }
    if (sends_length(request)) {
        kis_str digits =
            call_copy_text(&at, kis_str_of(length, kis_u64_format(request->body.len, length)));
        headers[count++] = (kis_header){ KIS_STR("content-length"), digits };
    }
    call->headers = headers;
    call->header_count = count;
}

static void refuse_without_memory(kis_client *client, kis_client_done_fn *done, void *user)
{
    if (client->refusal_count < KIS_CLIENT_REFUSALS) {
        client->refusals[client->refusal_count++] = (kis_refusal){ done, user };
        return;
    }
    kis_client_answer answer = { .err = KIS_ERR_NOMEM };
    kis_diag_set(&answer.diag, KIS_ERR_NOMEM, "no memory for a request");
    done(user, &answer);
}

static void call_begin(kis_call *call, const kis_client_request *request)
{
    kis_client *client = call->client;
    uint8_t *room = (uint8_t *)(call + 1);
    call->is_head_method = kis_str_eq(request->method, KIS_STR("HEAD"));
    call->body = request->body;
    if (client->is_http2)
        fill_h2(call, request, room);
    else
        fill_h1(call, request, room);
    if (request->deadline_ns &&
        kis_loop_set_timer(client->loop, &call->timer, request->deadline_ns) != KIS_OK)
        kis_call_end(call, KIS_ERR_NOMEM, NULL);
    else
        queue_append(client, call);
}

void kis_client_send(kis_client *client, const kis_client_request *request,
                     kis_client_done_fn *done, void *user)
{
    kis_diag diag;
    kis_err err = check_request(client, request, &diag);
    size_t size = sizeof(kis_call) + (err ? 0 : request_bytes(client, request));
    kis_call *call = client->alloc->take(client->alloc->user, size);
    if (call) {
        *call = (kis_call){ .client = client,
                            .done = done,
                            .user = user,
                            .timer.fire = call_deadline,
                            .block_size = size };
        kis_buf_init(&call->answer_body, client->alloc, client->max_answer_bytes);
        if (err)
            kis_call_end(call, err, &diag);
        else
            call_begin(call, request);
    } else {
        refuse_without_memory(client, done, user);
    }
    if (client->depth == 0)
        client_arm(client);
}

/* ---- a client's life ---- */

static kis_err check_options(const kis_client_options *options, bool is_unix, kis_diag *diag)
{
    kis_address address;
    kis_str path = kis_str_slice(options->host, 5, options->host.len);
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
        client->host = kis_str_slice(client->label, 5, host.len);
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
