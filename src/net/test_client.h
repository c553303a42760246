/* test_client.h - a client on a thread of its own, and peers that do what a script says. For the
 * tests of the client. */
#ifndef KIS_NET_TEST_CLIENT_H
#define KIS_NET_TEST_CLIENT_H

#include "net/client.h"
#include "net/test_server.h"

/* ---- a client on a thread of its own ---- */

typedef struct test_client {
    kis_loop *loop;
    kis_thread thread;
    kis_client *client;
    kis_client_options options;
    kis_post make, drop;
    atomic_bool is_made, is_dropped;
} test_client;

/* One request and what became of it; the strings are copies. */
typedef struct ask {
    kis_post post;
    test_client *tc;
    kis_client_request request;
    struct ask *then;  /* sent from inside `done` */
    bool frees_client; /* from inside `done` */
    bool is_sending;
    atomic_int answers; /* calls of done */
    kis_err err;
    char diag[KIS_DIAG_TEXT_MAX];
    bool was_sent, was_refused, was_inside, was_elsewhere;
    int status;
    char *body;
    size_t body_len;
    char headers[4096], trailers[1024]; /* "name: value\n" */
} ask;

static inline void make_on_loop(kis_post *post)
{
    test_client *tc = KIS_CONTAINER(post, test_client, make);
    kis_diag diag = { 0 };
    CHECK_ERR(KIS_OK, kis_client_new(tc->loop, &tc->options, &tc->client, &diag), diag.text);
    atomic_store(&tc->is_made, true);
}

static inline void drop_on_loop(kis_post *post)
{
    test_client *tc = KIS_CONTAINER(post, test_client, drop);
    kis_client_free(tc->client);
    tc->client = NULL;
    atomic_store(&tc->is_dropped, true);
}

static inline void client_start(test_client *tc, const kis_client_options *options)
{
    kis_diag diag = { 0 };
    memset(tc, 0, sizeof(*tc));
    tc->options = *options;
    tc->make.run = make_on_loop;
    tc->drop.run = drop_on_loop;
    CHECK_ERR(KIS_OK, kis_loop_new(&kis_mem, &tc->loop, &diag), diag.text);
    CHECK(kis_loop_post(tc->loop, &tc->make), "posted");
    CHECK_ERR(KIS_OK, kis_thread_start(&tc->thread, "client", test_loop_run, tc->loop, &diag),
              diag.text);
    WAIT_FOR(atomic_load(&tc->is_made), "the client is made");
}

static inline kis_client_options to_port(uint16_t port, bool http2)
{
    return (kis_client_options){
        .host = KIS_STR("127.0.0.1"), .port = port, .http2 = http2, .user_agent = KIS_STR("test/1")
    };
}

/* The usual options. */
static inline void client_start_to(test_client *tc, uint16_t port, bool http2)
{
    kis_client_options options = to_port(port, http2);
    client_start(tc, &options);
}

static inline void client_drop(test_client *tc)
{
    if (!atomic_load(&tc->is_dropped) && kis_loop_post(tc->loop, &tc->drop))
        WAIT_FOR(atomic_load(&tc->is_dropped), "the client is freed");
}

static inline void client_stop(test_client *tc)
{
    client_drop(tc);
    kis_loop_stop(tc->loop);
    kis_thread_join(&tc->thread);
    kis_loop_free(tc->loop);
}

static inline void flatten(const kis_header *headers, size_t count, char *to, size_t size)
{
    kis_buf out;
    kis_buf_init_fixed(&out, to, size - 1);
    for (size_t i = 0; i < count; i++)
        kis_buf_add_fmt(&out, KIS_FMT ": " KIS_FMT "\n", KIS_ARG(headers[i].name),
                        KIS_ARG(headers[i].value));
    to[out.len] = 0;
}

static inline void ask_send(ask *a);

static inline void on_done(void *user, const kis_client_answer *answer)
{
    ask *a = user;
    a->err = answer->err;
    snprintf(a->diag, sizeof(a->diag), "%s", answer->diag.text);
    a->was_sent = answer->was_sent;
    a->was_refused = answer->was_refused;
    a->was_inside |= a->is_sending;
    a->was_elsewhere |= !kis_loop_is_mine(a->tc->loop);
    a->status = answer->status;
    a->body_len = answer->body.len;
    a->body = malloc(answer->body.len + 1);
    if (answer->body.len)
        memcpy(a->body, answer->body.ptr, answer->body.len);
    a->body[answer->body.len] = 0;
    flatten(answer->headers, answer->header_count, a->headers, sizeof(a->headers));
    flatten(answer->trailers, answer->trailer_count, a->trailers, sizeof(a->trailers));
    if (a->then)
        ask_send(a->then);
    if (a->frees_client) {
        kis_client_free(a->tc->client);
        a->tc->client = NULL;
        atomic_store(&a->tc->is_dropped, true);
    }
    atomic_fetch_add(&a->answers, 1);
}

static inline void ask_send(ask *a)
{
    a->is_sending = true;
    kis_client_send(a->tc->client, &a->request, on_done, a);
    a->is_sending = false;
}

static inline void ask_on_loop(kis_post *post)
{
    ask_send(KIS_CONTAINER(post, ask, post));
}

static inline void ask_init(ask *a, test_client *tc, const char *method, const char *path,
                            const void *body, size_t len)
{
    memset(a, 0, sizeof(*a));
    a->tc = tc;
    a->post.run = ask_on_loop;
    a->request = (kis_client_request){ .method = kis_str_from_c(method),
                                       .path = kis_str_from_c(path),
                                       .body = kis_bytes_of(body, len) };
}

static inline void ask_start(ask *a)
{
    CHECK(kis_loop_post(a->tc->loop, &a->post), "posted");
}

static inline void ask_check(const ask *a)
{
    CHECK_INT(1, atomic_load(&a->answers), "done is called once");
    CHECK(!a->was_inside, "done is never called inside send");
    CHECK(!a->was_elsewhere, "done is called on the loop's thread");
}

static inline void ask_wait(ask *a)
{
    WAIT_FOR(atomic_load(&a->answers) > 0, "an answer");
    ask_check(a);
}

static inline void ask_done(ask *a)
{
    free(a->body);
    a->body = NULL;
}

/* Asks and waits. */
static inline void ask_now(ask *a, test_client *tc, const char *method, const char *path,
                           const void *body, size_t len)
{
    ask_init(a, tc, method, path, body, len);
    ask_start(a);
    ask_wait(a);
}

static inline void get(ask *a, test_client *tc, const char *path)
{
    ask_now(a, tc, "GET", path, NULL, 0);
}

/* ---- peers by script ---- */

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

typedef struct peer {
    int listen_fd;
    uint16_t port;
    kis_thread thread;
    void (*script)(struct peer *peer);
    const void *what; /* the script's own */
    atomic_int accepted, requests;
    atomic_bool go_on;
} peer;

static inline void peer_run(void *user)
{
    ((peer *)user)->script(user);
}

static inline void peer_listen(peer *p)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(p->listen_fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        listen(p->listen_fd, 16) < 0 || getsockname(p->listen_fd, (struct sockaddr *)&at, &len) < 0)
        fail_msg("listen: %s", strerror(errno));
    p->port = ntohs(at.sin_port);
}

/* A port that refuses: one that was listened on a moment ago. */
static inline uint16_t closed_port(void)
{
    peer p = { 0 };
    peer_listen(&p);
    close(p.listen_fd);
    return p.port;
}

static inline void peer_start(peer *p, void (*script)(peer *), const void *what)
{
    memset(p, 0, sizeof(*p));
    p->script = script;
    p->what = what;
    peer_listen(p);
    CHECK_ERR(KIS_OK, kis_thread_start(&p->thread, "peer", peer_run, p, NULL), "a peer");
}

static inline void peer_stop(peer *p)
{
    kis_thread_join(&p->thread);
    close(p->listen_fd);
}

static inline int peer_accept(peer *p)
{
    struct pollfd ready = { p->listen_fd, POLLIN, 0 };
    if (poll(&ready, 1, 10000) <= 0)
        return -1;
    atomic_fetch_add(&p->accepted, 1);
    return accept(p->listen_fd, NULL, NULL);
}

/* Reads one request without a body, or with one that says "end". */
static inline bool peer_read_request(peer *p, int fd)
{
    char text[4096];
    size_t len = test_read_until(fd, text, sizeof(text), "\r\n\r\n");
    if (len)
        atomic_fetch_add(&p->requests, 1);
    return len > 0;
}

static inline void script_once(peer *p) /* one connection, one request, the bytes, close */
{
    const kis_str *says = p->what;
    int fd = peer_accept(p);
    peer_read_request(p, fd);
    test_send(fd, says->ptr, says->len);
    close(fd);
}

static inline void script_bytewise(peer *p)
{
    const kis_str *says = p->what;
    int fd = peer_accept(p);
    peer_read_request(p, fd);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
    for (size_t i = 0; i < says->len; i++) {
        test_send(fd, says->ptr + i, 1);
        if (i % 8 == 0)
            poll(NULL, 0, 1);
    }
    close(fd);
}

#endif
