/* ask.c - see ask.h. */
#include "ask.h"

#include <stdatomic.h>

#include "program.h"

#include "base/diag.h"
#include "net/client.h"
#include "os/mem.h"
#include "serve/routes.h"
#include "store/folder.h"
#include "store/store.h"

/* ---- over HTTP ---- */

typedef struct http_question {
    kis_loop *loop;
    kis_buf *body;
    int status;
    kis_err err;
    kis_diag *diag;
} http_question;

static void take_answer(void *user, const kis_client_answer *answer)
{
    http_question *q = user;

    q->err = answer->err;
    q->status = answer->status;
    if (answer->err)
        *q->diag = answer->diag;
    else
        kis_buf_add_bytes(q->body, answer->body);
    kis_loop_stop(q->loop);
}

static kis_err ask_url(const kis_ask *ask, const kis_url *url, kis_str path, http_question *q,
                       kis_diag *diag)
{
    kis_client *client;
    kis_tls_client *tls = NULL;
    kis_tls_client_options tls_options = { .ca_file = ask->ca };

    if (url->is_tls) {
        kis_err err = kis_tls_client_new(&tls_options, &tls, diag);
        if (err)
            return err;
    }
    kis_client_options options = { .host = url->host,
                                   .port = url->port,
                                   .tls = tls,
                                   .user_agent = KIS_STR("kiseki-query/" KIS_VERSION),
                                   .max_in_flight = 1,
                                   .max_answer_bytes = KIS_ASK_ANSWER_MAX };
    kis_err err = kis_client_new(q->loop, &options, &client, diag);
    if (!err) {
        kis_client_request request = { .method = KIS_STR("GET"),
                                       .path = path,
                                       .deadline_ns = kis_now_ns() + ask->timeout_ns };
        kis_client_send(client, &request, take_answer, q);
        kis_loop_run(q->loop);
        kis_client_free(client);
        err = q->err ? q->err : q->body->err;
    }
    kis_tls_client_free(tls);
    return err;
}

/* What --server says, as a URL; whatever is wrong with it, the sentence shows a right one. */
static kis_err read_server(const kis_ask *ask, char room[KIS_PROGRAM_URL_MAX], kis_url *out,
                           kis_diag *diag)
{
    kis_err err = kis_program_read_url(ask->server, KIS_ASK_PORT, room, out, diag);
    bool is_http = !err && (kis_str_eq_nocase(out->scheme, KIS_STR("http")) ||
                            kis_str_eq_nocase(out->scheme, KIS_STR("https")) ||
                            kis_str_eq(out->scheme, KIS_STR("unix")));

    return is_http ? KIS_OK
                   : kis_diag_set(diag, KIS_ERR_SYNTAX,
                                  "--%s: '" KIS_FMT
                                  "' is not a server's address; want http://127.0.0.1:16686",
                                  ask->flag, KIS_ARG(ask->server));
}

static kis_err explain_no_server(const kis_ask *ask, kis_err err, kis_diag *diag)
{
    kis_diag why = *diag;

    if (kis_tls_is_untrusted(kis_str_from_c(why.text)))
        return kis_diag_set(diag, err, "%s; trust its authority with --ca FILE", why.text);
    if (!kis_str_ends(kis_str_from_c(why.text), KIS_STR("connection refused")))
        return err;
    return kis_diag_set(diag, err, "%s; is kiseki serve running there? (--%s)", why.text,
                        ask->flag);
}

static kis_err ask_server(const kis_ask *ask, kis_str path, int *out_status, kis_buf *out_body,
                          kis_diag *diag)
{
    http_question q = { .body = out_body, .diag = diag };
    kis_url url;
    char room[2048], url_room[KIS_PROGRAM_URL_MAX];
    kis_buf whole;

    kis_err err = read_server(ask, url_room, &url, diag);
    if (err)
        return err;
    kis_buf_init_fixed(&whole, room, sizeof(room));
    if (url.path.len > 1) /* a server behind a prefix */
        kis_buf_add_str(
            &whole,
            kis_str_slice(url.path, 0, url.path.len - (url.path.ptr[url.path.len - 1] == '/')));
    kis_buf_add_str(&whole, path);
    if (whole.err)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "the question is too long for a URL");
    err = kis_loop_new(&kis_mem, &q.loop, diag);
    if (err)
        return err;
    err = ask_url(ask, &url, kis_buf_str(&whole), &q, diag);
    kis_loop_free(q.loop);
    *out_status = q.status;
    return err ? explain_no_server(ask, err, diag) : KIS_OK;
}

/* ---- from a directory ---- */

typedef struct captured_answer {
    kis_buf *body;
    int status;
} captured_answer;

static void capture_begin(void *user, const kis_answer_head *head)
{
    ((captured_answer *)user)->status = head->status;
}
static kis_err capture_write(void *user, kis_bytes bytes, uint64_t deadline_ns)
{
    captured_answer *c = user;

    (void)deadline_ns;
    kis_buf_add_bytes(c->body, bytes);
    return c->body->err;
}
static void capture_end(void *user, bool is_complete)
{
    if (!is_complete)
        ((captured_answer *)user)->status = 500;
}
static void capture_answer(void *user, const kis_answer_head *head, kis_bytes body)
{
    capture_begin(user, head);
    kis_buf_add_bytes(((captured_answer *)user)->body, body);
}

static kis_err run_call(const kis_ask *ask, kis_reader *reader, kis_str path,
                        captured_answer *captured, kis_diag *diag)
{
    kis_answer_to to = { capture_answer, capture_begin, capture_write, capture_end, captured };
    kis_answer_writer out;
    kis_arena arena;
    kis_str query = path, captures[2] = { KIS_STR_NONE, KIS_STR_NONE };
    kis_str bare = kis_str_cut(&query, '?');
    const kis_route *route = kis_route_find(bare, captures);

    if (!route)
        return kis_diag_set(diag, KIS_ERR_NOT_FOUND, "no such question: " KIS_FMT, KIS_ARG(bare));
    kis_arena_init(&arena, &kis_mem, KIS_API_ARENA_MAX);
    kis_answer_init(&out, &to, &kis_mem);
    kis_api_call call = { .reader = reader,
                          .alloc = &kis_mem,
                          .arena = &arena,
                          .request = { .deadline_ns = kis_now_ns() + ask->timeout_ns },
                          .now_unix_ns = kis_now_unix_ns(),
                          .out = &out };
    kis_route_run(route, &call, captures, query);
    kis_answer_done(&out);
    kis_arena_done(&arena);
    return captured->body->err;
}

#define STORE_LINES_MAX 5u /* each damaged block would be one */

/* The store's own threads speak here, too. */
static void warn_of_store(void *user, int level, const char *text)
{
    _Atomic unsigned *lines = user;

    if (level >= 2 && atomic_fetch_add(lines, 1) < STORE_LINES_MAX)
        kis_program_warn("%s", text);
}

static void sum_up_damage(const kis_ask *ask, kis_store *store, unsigned lines)
{
    if (kis_store_get_stats(store).damaged_blocks == 0)
        return;
    kis_program_warn("part of the store is damaged; what of it does not read is missing in the "
                     "answer; kiseki check --data " KIS_FMT " says more%s",
                     KIS_ARG(ask->data),
                     lines > STORE_LINES_MAX ? " (there were more lines like these)" : "");
}

static kis_err ask_directory(const kis_ask *ask, kis_str path, int *out_status, kis_buf *out_body,
                             kis_diag *diag)
{
    captured_answer captured = { .body = out_body };
    _Atomic unsigned lines = 0;
    /* Asking deletes nothing: neither age nor size ends a file here. */
    kis_store_options options = { .os = kis_os_real(),
                                  .alloc = &kis_mem,
                                  .dir = ask->data,
                                  .keep_bytes = UINT64_MAX,
                                  .log = warn_of_store,
                                  .log_user = &lines };
    kis_store *store;
    /* opening would make one */
    kis_err err = kis_folder_read_version(options.os, ask->data, diag);

    if (!err)
        err = kis_store_open(&options, &store, diag);
    if (err)
        return err;
    err = run_call(ask, kis_store_reader(store), path, &captured, diag);
    sum_up_damage(ask, store, atomic_load(&lines));
    kis_store_close(store);
    *out_status = captured.status;
    return err;
}

kis_err kis_ask_get(const kis_ask *ask, kis_str path, int *out_status, kis_buf *out_body,
                    kis_diag *diag)
{
    return ask->data.len ? ask_directory(ask, path, out_status, out_body, diag)
                         : ask_server(ask, path, out_status, out_body, diag);
}
