/* client_h2_test.c - what is HTTP/2's own in the client: trailers, GOAWAY, streams, the wrong
 * peer. */
#include <pthread.h>
#include <sys/un.h>

#include "net/test_client.h"

/* ---- HTTP/2 alone ---- */

TEST(grpc_trailers_come_with_the_answer)
{
    test_server s;
    test_client tc;
    ask a;
    const kis_header headers[] = { { KIS_STR("content-type"), KIS_STR("application/grpc") },
                                   { KIS_STR("te"), KIS_STR("trailers") } };
    test_server_start(&s, 1, NULL);
    client_start_to(&tc, s.port, true);
    ask_init(&a, &tc, "POST", "/package.Service/Call", "\0\0\0\0\2hi", 7);
    a.request.headers = headers;
    a.request.header_count = 2;
    ask_start(&a);
    ask_wait(&a);
    CHECK_ERR(KIS_OK, a.err, a.diag);
    CHECK_BYTES("\0\0\0\0\2hi", 7, kis_bytes_of(a.body, a.body_len), "the message");
    CHECK(strstr(a.trailers, "grpc-status: 0\n"), a.trailers);
    CHECK(strstr(a.headers, "content-type: application/grpc\n"), a.headers);
    ask_done(&a);
    s.max_body = 3; /* LIMIT: gRPC's refusal is trailers alone */
    ask_init(&a, &tc, "POST", "/package.Service/Call", "\0\0\0\0\2hi", 7);
    a.request.headers = headers;
    a.request.header_count = 2;
    ask_start(&a);
    ask_wait(&a);
    CHECK_ERR(KIS_OK, a.err, a.diag);
    CHECK(strstr(a.headers, "grpc-status: 8\n"), a.headers);
    CHECK_STR("", kis_str_from_c(a.trailers), "trailers-only are the headers");
    ask_done(&a);
    client_stop(&tc);
    test_server_stop(&s, 1000);
}

#define FRAME(length, type, flags, stream) "\0\0" length type flags "\0\0\0" stream
#define SETTINGS                           FRAME("\0", "\4", "\0", "\0")
static const struct h2_row {
    const char *why;
    kis_str says; /* behind our request */
    kis_err err;
    int status;
    const char *text; /* of the diag */
} h2_rows[] = {
    { "headers alone", KIS_STR_INIT(SETTINGS FRAME("\1", "\1", "\5", "\1") "\x88"), KIS_OK, 200,
      "" },
    { "headers, end by empty data",
      KIS_STR_INIT(SETTINGS FRAME("\1", "\1", "\4", "\1") "\x88" FRAME("\0", "\0", "\1", "\1")),
      KIS_OK, 200, "" },
    { "100 first",
      KIS_STR_INIT(
          SETTINGS FRAME("\5", "\1", "\4", "\1") "\x08\x03"
                                                 "100" FRAME("\1", "\1", "\5", "\1") "\x88"),
      KIS_OK, 200, "" },
    { "HTTP/1.1", KIS_STR_INIT("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
      KIS_ERR_SYNTAX, 0, "speaks HTTP/1.1, not HTTP/2" },
    { "HTTP/1.0", KIS_STR_INIT("HTTP/1.0 400 Bad Request\r\n\r\n"), KIS_ERR_SYNTAX, 0,
      "speaks HTTP/1.1, not HTTP/2" },
    { "TLS", KIS_STR_INIT("\x15\3\1\0\2\2\x46"), KIS_ERR_SYNTAX, 0, "speaks TLS" },
    { "something else", KIS_STR_INIT("SSH-2.0-OpenSSH\r\n and more of it"), KIS_ERR_SYNTAX, 0,
      "does not speak HTTP/2" },
    { "no settings first", KIS_STR_INIT(FRAME("\1", "\1", "\5", "\1") "\x88"), KIS_ERR_SYNTAX, 0,
      "does not speak HTTP/2" },
    { "closed before anything", KIS_STR_INIT(""), KIS_ERR_IO, 0,
      "before an answer came; does it speak TLS? https://" },
    { "closed behind the settings", KIS_STR_INIT(SETTINGS), KIS_ERR_IO, 0,
      "before an answer came" },
    { "closed in the middle", KIS_STR_INIT(SETTINGS FRAME("\1", "\1", "\4", "\1") "\x88"),
      KIS_ERR_IO, 0, "before an answer came" },
    { "reset", KIS_STR_INIT(SETTINGS FRAME("\4", "\3", "\0", "\1") "\0\0\0\2"), KIS_ERR_IO, 0,
      "the peer reset the request (HTTP/2 error 2)" },
    { "an answer without a status",
      KIS_STR_INIT(SETTINGS FRAME("\5", "\1", "\5", "\1") "\x00\x01"
                                                          "a"
                                                          "\x01"
                                                          "b"),
      KIS_ERR_IO, 0, "reset the request" },
};

static void script_h2_once(peer *p)
{
    char text[4096];
    const struct h2_row *row = p->what;
    int fd = peer_accept(p);
    test_read_until(fd, text, sizeof(text), "trailing-mark");
    test_send(fd, row->says.ptr, row->says.len);
    shutdown(fd, SHUT_WR);
    while (recv(fd, text, sizeof(text), 0) > 0)
        ;
    close(fd);
}

TEST(http2_answers_are_read_as_they_are_meant)
{
    for (size_t i = 0; i < COUNT_OF(h2_rows); i++) {
        const struct h2_row *row = &h2_rows[i];
        peer p;
        test_client tc;
        ask a;
        peer_start(&p, script_h2_once, row);
        client_start_to(&tc, p.port, true);
        ask_now(&a, &tc, "POST", "/", "trailing-mark", 13);
        if (a.err != row->err)
            fail_msg("%s: %s", row->why, a.diag);
        CHECK_INT(row->status, a.status, row->why);
        CHECK(strstr(a.diag, row->text), a.diag);
        CHECK(a.was_sent, row->why);
        ask_done(&a);
        client_stop(&tc);
        peer_stop(&p);
    }
}

/* GOAWAY with last stream 1: the first request is answered, the second goes to a new connection */
static void script_goodbye(peer *p)
{
    char text[4096];
    int fd = peer_accept(p);
    test_read_until(fd, text, sizeof(text), "second-body");
    static const char bye[] = SETTINGS FRAME("\x08", "\7", "\0", "\0") "\0\0\0\1\0\0\0\0";
    test_send(fd, bye, sizeof(bye) - 1);
    int next = peer_accept(p);
    test_read_until(next, text, sizeof(text), "second-body");
    static const char answer[] = SETTINGS FRAME("\1", "\1", "\5", "\1") "\x88";
    test_send(next, answer, sizeof(answer) - 1);
    test_send(fd, FRAME("\1", "\1", "\5", "\1") "\x89", 10); /* 204 */
    CHECK(test_is_closed(fd), "a line that said goodbye is left when it is empty");
    close(fd);
    test_is_closed(next);
    close(next);
}

TEST(http2_goodbye_sends_what_was_not_begun_to_a_new_connection)
{
    peer p;
    test_client tc;
    ask a, b;
    peer_start(&p, script_goodbye, NULL);
    client_start_to(&tc, p.port, true);
    ask_init(&a, &tc, "POST", "/", "first-body", 10);
    ask_init(&b, &tc, "POST", "/", "second-body", 11);
    ask_start(&a);
    ask_start(&b);
    ask_wait(&a);
    ask_wait(&b);
    CHECK_ERR(KIS_OK, a.err, a.diag);
    CHECK_ERR(KIS_OK, b.err, b.diag);
    CHECK_INT(204, a.status, "by the old connection");
    CHECK_INT(200, b.status, "by the new one");
    CHECK_INT(2, atomic_load(&p.accepted), "connections");
    ask_done(&a);
    ask_done(&b);
    client_stop(&tc);
    peer_stop(&p);
}

static void script_h2_stale(peer *p)
{
    char text[4096];
    int fd = peer_accept(p);
    static const char first[] = SETTINGS FRAME("\1", "\1", "\5", "\1") "\x88";
    test_read_until(fd, text, sizeof(text), "body-1");
    test_send(fd, first, sizeof(first) - 1);
    test_read_until(fd, text, sizeof(text), "body-2");
    close(fd);
    fd = peer_accept(p);
    test_read_until(fd, text, sizeof(text), "body-2");
    test_send(fd, first, sizeof(first) - 1);
    test_is_closed(fd);
    close(fd);
}

TEST(http2_stale_connections_are_tried_again)
{
    peer p;
    test_client tc;
    ask a;
    peer_start(&p, script_h2_stale, NULL);
    client_start_to(&tc, p.port, true);
    for (int i = 1; i <= 2; i++) {
        ask_now(&a, &tc, "POST", "/", i == 1 ? "body-1" : "body-2", 6);
        CHECK_ERR(KIS_OK, a.err, a.diag);
        CHECK_INT(i, atomic_load(&p.accepted), "connections");
        ask_done(&a);
    }
    client_stop(&tc);
    peer_stop(&p);
}

static const char one_stream_settings[] = FRAME("\6", "\4", "\0", "\0") "\0\3\0\0\0\1";
static const char sign_of_life[] = FRAME("\4", "\x08", "\0", "\0") "\0\0\0\1";

/* Allows one stream. Answers the first request, lets the second wait (and says that it is there),
 * answers the third: on the same connection when it has given a sign of life meanwhile, else on
 * another. */
static void script_one_stream(peer *p)
{
    char text[4096];
    static const char first[] = FRAME("\1", "\1", "\5", "\1") "\x88";
    static const char third[] = FRAME("\1", "\1", "\5", "\5") "\x88";
    bool lives = *(const bool *)p->what;
    int fd = peer_accept(p);
    test_send(fd, one_stream_settings, sizeof(one_stream_settings) - 1);
    test_read_until(fd, text, sizeof(text), "body-1");
    test_send(fd, first, sizeof(first) - 1);
    test_read_until(fd, text, sizeof(text), "body-2");
    atomic_store(&p->go_on, true);
    if (lives) {
        test_send(fd, sign_of_life, sizeof(sign_of_life) - 1);
        test_read_until(fd, text, sizeof(text), "body-3");
        test_send(fd, third, sizeof(third) - 1);
    } else {
        int next = peer_accept(p);
        test_send(next, one_stream_settings, sizeof(one_stream_settings) - 1);
        test_read_until(next, text, sizeof(text), "body-3");
        test_send(next, first, sizeof(first) - 1);
        test_is_closed(next);
        close(next);
    }
    test_is_closed(fd);
    close(fd);
}

/* Sends it with so little time that it runs out: but not before it has been sent. */
static void send_in_vain(ask *a, test_client *tc, peer *p)
{
    bool is_sent = false;

    for (uint64_t time_ns = 50000000; !is_sent; time_ns *= 2) {
        ask_init(a, tc, "POST", "/", "body-2", 6);
        a->request.deadline_ns = kis_now_ns() + time_ns;
        ask_start(a);
        WAIT_FOR(atomic_load(&p->go_on) || atomic_load(&a->answers) > 0, "sent, or too late");
        is_sent = atomic_load(&p->go_on) || a->was_sent;
        if (!is_sent)
            ask_done(a);
    }
}

static void check_one_stream(bool lives)
{
    peer p;
    test_client tc;
    ask a[3];
    peer_start(&p, script_one_stream, &lives);
    client_start_to(&tc, p.port, true);
    ask_now(&a[0], &tc, "POST", "/", "body-1", 6); /* the client learns: one stream is allowed */
    send_in_vain(&a[1], &tc, &p);
    ask_init(&a[2], &tc, "POST", "/", "body-3", 6);
    ask_start(&a[2]);
    for (int i = 0; i < 3; i++) {
        ask_wait(&a[i]);
        CHECK_ERR(i == 1 ? KIS_ERR_TIMEOUT : KIS_OK, a[i].err, a[i].diag);
        ask_done(&a[i]);
    }
    CHECK_INT(lives ? 1 : 2, atomic_load(&p.accepted), "connections");
    client_stop(&tc);
    peer_stop(&p);
}

TEST(http2_a_stream_that_times_out_makes_room_for_the_next)
{
    check_one_stream(true);
}

TEST(http2_a_peer_without_a_sign_of_life_is_left)
{
    check_one_stream(false);
}

/* ---- a flood, and the peer is gone ---- */

#define FLOOD_STACK_BYTES  ((size_t)384 << 10) /* a few reads deep, and not as deep as the flood */
#define FLOOD_SOCKET_BYTES (4 << 20)           /* asked for; what the system allows will do */

typedef struct flood {
    char path[64];
    atomic_bool is_held, is_over; /* the client is busy; the peer has flooded and is gone */
} flood;
static flood deluge;

static void script_flood(peer *p)
{
    static const char answer[] = SETTINGS FRAME("\1", "\1", "\5", "\1") "\x88";
    static const char priority[] = FRAME("\5", "\2", "\0", "\3") "\0\0\0\0\1";
    static char frames[(sizeof(priority) - 1) * 1000];
    char text[4096];
    int fd = peer_accept(p), room = FLOOD_SOCKET_BYTES;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    for (size_t at = 0; at < sizeof(frames); at += sizeof(priority) - 1)
        memcpy(frames + at, priority, sizeof(priority) - 1);
    test_read_until(fd, text, sizeof(text), "trailing-mark");
    test_send(fd, answer, sizeof(answer) - 1);
    WAIT_FOR(atomic_load(&deluge.is_held), "the client is busy");
    while (send(fd, frames, sizeof(frames), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        ;
    close(fd);
    atomic_store(&deluge.is_over, true);
}

static void done_behind_the_flood(void *user, const kis_client_answer *answer)
{
    ask *a = user;
    a->err = answer->err;
    atomic_store(&deluge.is_held, true);
    WAIT_FOR(atomic_load(&deluge.is_over), "the peer is gone");
    atomic_fetch_add(&a->answers, 1);
}

static void send_before_the_flood(kis_post *post)
{
    ask *a = KIS_CONTAINER(post, ask, post);
    kis_client_send(a->tc->client, &a->request, done_behind_the_flood, a);
}

static void *run_on_small_stack(void *loop)
{
    kis_loop_run(loop);
    return NULL;
}

/* What the client writes next fails, so it reads what the peer said before: a flood, which it
 * wants to answer, which fails, so it reads ... This must not go deeper with every read. */
TEST(http2_a_flood_of_a_peer_that_is_gone_is_not_read_deeper_and_deeper)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    kis_client_options options = { .http2 = true };
    pthread_attr_t attributes;
    pthread_t thread;
    test_client tc = { .make.run = make_on_loop, .drop.run = drop_on_loop };
    peer p = { .script = script_flood };
    ask a;
    snprintf(deluge.path, sizeof(deluge.path), "unix:/tmp/kis_flood_%d", (int)getpid());
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", deluge.path + 5);
    unlink(at.sun_path);
    p.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(p.listen_fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(p.listen_fd, 1) == 0,
          "listens");
    CHECK_ERR(KIS_OK, kis_thread_start(&p.thread, "peer", peer_run, &p, NULL), "a peer");
    options.host = kis_str_from_c(deluge.path);
    tc.options = options;
    CHECK_ERR(KIS_OK, kis_loop_new(&kis_mem, &tc.loop, NULL), "a loop");
    ask_init(&a, &tc, "POST", "/", "trailing-mark", 13);
    a.post.run = send_before_the_flood;
    CHECK(kis_loop_post(tc.loop, &tc.make) && kis_loop_post(tc.loop, &a.post), "posted");
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstacksize(&attributes, FLOOD_STACK_BYTES) == 0 &&
              pthread_create(&thread, &attributes, run_on_small_stack, tc.loop) == 0,
          "a thread");
    WAIT_FOR(atomic_load(&a.answers), "an answer");
    CHECK_ERR(KIS_OK, a.err, "it came before the flood");
    client_drop(&tc); /* comes back when the flood has been read */
    ask_done(&a);
    kis_loop_stop(tc.loop);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    kis_loop_free(tc.loop);
    peer_stop(&p);
    unlink(at.sun_path);
}

TEST_MAIN(RUN(grpc_trailers_come_with_the_answer), RUN(http2_answers_are_read_as_they_are_meant),
          RUN(http2_goodbye_sends_what_was_not_begun_to_a_new_connection),
          RUN(http2_stale_connections_are_tried_again),

          RUN(http2_a_stream_that_times_out_makes_room_for_the_next),
          RUN(http2_a_peer_without_a_sign_of_life_is_left),
          RUN(http2_a_flood_of_a_peer_that_is_gone_is_not_read_deeper_and_deeper))
