/* client_call.c - one call: made of a request, given its answer, ended, delivered.
 *
 *     kis_call | head as text (HTTP/1.1), or views and text (HTTP/2)       one piece of memory
 *
 * The body stays where it is. What would not pass as HTTP is refused before anything is made of it;
 * names become lower case; the client's own fields (host, content-length, user-agent and what
 * belongs to the connection) replace the caller's.
 */
#include "net/client_in.h"

#include "base/check.h"
#include "base/diag.h"
#include "base/num.h"

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
    kis_buf_init(&call->answer_body, alloc, call->client->max_answer_bytes);
    call->answer_block = call->trailer_block = NULL;
    call->answer_headers = call->trailers = NULL;
    call->answer_header_count = call->trailer_count = 0;
    call->status = 0;
}

/* Why it fails. Without memory for the words, those of `err` will do. */
static void call_note(kis_call *call, kis_err err, const kis_diag *diag)
{
    const kis_alloc *alloc = call->client->alloc;
    call->err = err;
    if (!call->diag)
        call->diag = alloc->take(alloc->user, sizeof(*diag));
    if (call->diag)
        *call->diag = *diag;
}

void kis_call_end(kis_call *call, kis_err err, const kis_diag *diag)
{
    kis_client *client = call->client;
    KIS_ASSERT(!call->is_queued && !call->line);
    kis_loop_clear_timer(client->loop, &call->timer);
    call->body = KIS_BYTES_NONE;
    call->err = err;
    if (err)
        kis_call_forget_answer(call);
    if (err && diag)
        call_note(call, err, diag);
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

void kis_call_deliver(kis_call *call)
{
    kis_client_answer answer = {
        .err = call->err,
        .was_sent = call->was_sent,
        .was_refused = call->was_refused,
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

/* ---- what an answer is made of ---- */

kis_err kis_call_set_headers(kis_call *call, const kis_header *headers, size_t count,
                             bool is_trailer)
{
    const kis_alloc *alloc = call->client->alloc;
    size_t size = count * sizeof(*headers) + kis_headers_bytes(headers, count);
    if (size == 0 || (is_trailer ? call->trailer_block : call->answer_block))
        return KIS_OK;
    kis_header *copies = alloc->take(alloc->user, size);
    if (!copies)
        return KIS_ERR_NOMEM;
    uint8_t *at = (uint8_t *)(copies + count);
    kis_headers_put(copies, &at, headers, count);
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
/* ---- new calls ---- */

static bool is_header_of_client(const kis_client *client, kis_str name)
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

static bool is_call_target(kis_str path)
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
static kis_err call_check(const kis_client *client, const kis_client_request *request,
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
    if (!is_call_target(request->path))
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

static kis_str call_copy_lower(uint8_t **at, kis_str name)
{
    kis_str copy = kis_str_put(at, name);
    for (uint8_t *c = *at - name.len; c < *at; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c |= 0x20;
    }
    return copy;
}

static bool call_sends_length(const kis_client_request *request)
{
    return request->body.len || kis_str_eq(request->method, KIS_STR("POST")) ||
           kis_str_eq(request->method, KIS_STR("PUT")) ||
           kis_str_eq(request->method, KIS_STR("PATCH"));
}

/* Room for either form: the parts of HTTP/2 are views and text, the head of HTTP/1.1 is text with
 * some bytes between. */
static size_t call_bytes(const kis_client *client, const kis_client_request *request)
{
    size_t size = request->method.len + request->path.len + client->authority.len +
                  client->user_agent.len + KIS_NUM_TEXT_MAX + 128 + 4 * request->header_count +
                  kis_headers_bytes(request->headers, request->header_count);
    return client->is_http2 ? size + (request->header_count + 2) * sizeof(kis_header) : size;
}

static void call_fill_h1(kis_call *call, const kis_client_request *request, uint8_t *at)
{
    const kis_client *client = call->client;
    const uint8_t *start = at;
    char length[KIS_NUM_TEXT_MAX];
    kis_str_put(&at, request->method);
    kis_str_put(&at, KIS_STR(" "));
    kis_str_put(&at, request->path);
    kis_str_put(&at, KIS_STR(" HTTP/1.1\r\nhost: "));
    kis_str_put(&at, client->authority);
    if (client->user_agent.len) {
        kis_str_put(&at, KIS_STR("\r\nuser-agent: "));
        kis_str_put(&at, client->user_agent);
    }
    for (size_t i = 0; i < request->header_count; i++) {
        if (is_header_of_client(client, request->headers[i].name))
            continue;
        kis_str_put(&at, KIS_STR("\r\n"));
        call_copy_lower(&at, request->headers[i].name);
        kis_str_put(&at, KIS_STR(": "));
        kis_str_put(&at, request->headers[i].value);
    }
    if (call_sends_length(request)) {
        kis_str_put(&at, KIS_STR("\r\ncontent-length: "));
        kis_str_put(&at, kis_str_of(length, kis_u64_format(request->body.len, length)));
    }
    kis_str_put(&at, KIS_STR("\r\n\r\n"));
    call->head = kis_bytes_of(start, (size_t)(at - start));
}

static void call_fill_h2(kis_call *call, const kis_client_request *request, uint8_t *room)
{
    const kis_client *client = call->client;
    kis_header *headers = (kis_header *)(void *)room;
    uint8_t *at = (uint8_t *)(headers + request->header_count + 2);
    char length[KIS_NUM_TEXT_MAX];
    size_t count = 0;
    call->method = kis_str_put(&at, request->method);
    call->path = kis_str_put(&at, request->path);
    if (client->user_agent.len)
        headers[count++] = (kis_header){ KIS_STR("user-agent"), client->user_agent };
    for (size_t i = 0; i < request->header_count; i++) {
        if (is_header_of_client(client, request->headers[i].name))
            continue;
        kis_str name = call_copy_lower(&at, request->headers[i].name);
        headers[count++] = (kis_header){ name, kis_str_put(&at, request->headers[i].value) };
    }
    if (call_sends_length(request)) {
        kis_str digits =
            kis_str_put(&at, kis_str_of(length, kis_u64_format(request->body.len, length)));
        headers[count++] = (kis_header){ KIS_STR("content-length"), digits };
    }
    call->headers = headers;
    call->header_count = count;
}

kis_call *kis_call_new(kis_client *client, const kis_client_request *request, kis_err *out_err)
{
    kis_diag diag;
    kis_err err = call_check(client, request, &diag);
    size_t size = sizeof(kis_call) + (err ? 0 : call_bytes(client, request));
    kis_call *call = client->alloc->take(client->alloc->user, size);
    if (!call)
        return NULL;
    *call = (kis_call){ .client = client, .block_size = size };
    kis_buf_init(&call->answer_body, client->alloc, client->max_answer_bytes);
    *out_err = err;
    if (err) {
        call->was_refused = true;
        call_note(call, err, &diag);
        return call;
    }
    call->is_head_method = kis_str_eq(request->method, KIS_STR("HEAD"));
    call->body = request->body;
    if (client->is_http2)
        call_fill_h2(call, request, (uint8_t *)(call + 1));
    else
        call_fill_h1(call, request, (uint8_t *)(call + 1));
    return call;
}
