/* client_test.c - requests out, against our own server: what comes back, how many at once, when
 * they are given up, and that each is answered exactly once, whatever happens.
 *
 * What one protocol has alone: client_h1_test.c, client_h2_test.c; connections: client_line_test.c;
 * TLS: client_tls_test.c.
 */
#include "net/test_client.h"

/* ---- answers ---- */

static void check_answers(bool http2)
{
    test_server s;
    test_client tc;
    ask a;
    test_server_start(&s, 1, NULL);
    client_start_to(&tc, s.port, http2);

    ask_now(&a, &tc, "POST", "/echo", "hello", 5);
    CHECK_ERR(KIS_OK, a.err, a.diag);
    CHECK_INT(200, a.status, "status");
    CHECK_STR("hello", kis_str_of(a.body, a.body_len), "body");
    CHECK(strstr(a.headers, "content-type: text/plain\n"), a.headers);
    CHECK(a.was_sent, "it was");
    ask_done(&a);

    const kis_header headers[] = { { KIS_STR("X-Upper"), KIS_STR("1") },
                                   { KIS_STR("host"), KIS_STR("evil") },
                                   { KIS_STR("content-length"), KIS_STR("99") } };
    ask_init(&a, &tc, "GET", "/describe?q=1", NULL, 0);
    a.request.headers = headers;
    a.request.header_count = 3;
    ask_start(&a);
    ask_wait(&a);
    char want[200];
    snprintf(want, sizeof(want),
             "GET path=/describe query=q=1 authority=127.0.0.1:%d headers=%d body=0\n", s.port,
             http2 ? 2 : 3);
    CHECK_STR(want, kis_str_of(a.body, a.body_len), "own headers are the client's, others pass");
    ask_done(&a);

    ask_now(&a, &tc, "HEAD", "/echo", NULL, 0);
    CHECK_ERR(KIS_OK, a.err, a.diag);
    CHECK_INT(0, a.body_len, "HEAD has no body");
    ask_done(&a);

    size_t size = 5 << 20;
    char *large = malloc(size);
    for (size_t i = 0; i < size; i++)
        large[i] = (char)(i * 2654435761u >> 24);
    ask_now(&a, &tc, "POST", "/describe", large, size);
    CHECK(a.err == KIS_OK && strstr(a.body, "body=5242880"), "a large request");
    ask_done(&a);
    ask_now(&a, &tc, "POST", "/echo", large, 3 << 20);
    CHECK_ERR(KIS_OK, a.err, a.diag);
    CHECK_BYTES(large, 3 << 20, kis_bytes_of(a.body, a.body_len), "a large answer");
    ask_done(&a);
    ask_now(&a, &tc, "POST", "/echo", large, size);
    CHECK_ERR(KIS_ERR_LIMIT, a.err, "5 MiB do not pass a bound of 4");
    CHECK_INT(0, a.body_len, "and nothing of it is handed out");
    ask_done(&a);
    free(large);

    get(&a, &tc, "/stream");
    CHECK_ERR(KIS_OK, a.err, a.diag);
    CHECK_INT(1000000, a.body_len, "a streamed answer");
    ask_done(&a);
    get(&a, &tc, "/stream?cut");
    CHECK_ERR(KIS_ERR_IO, a.err, "a stream that was cut is no answer");
    ask_done(&a);
    get(&a, &tc, "/refuse");
    CHECK_INT(403, a.status, "a refusal is an answer");
    ask_done(&a);
    client_stop(&tc);
    test_server_stop(&s, 1000);
}

TEST(http1_requests_are_answered)
{
    check_answers(false);
}
TEST(http2_requests_are_answered)
{
    check_answers(true);
}

/* ---- bounds and time ---- */

static void release_held(test_server *s, int want)
{
    kis_lock_take(&s->lock);
    while (s->held_count < want)
        kis_cond_wait(&s->changed, &s->lock);
    CHECK_INT(want, s->held_count, "so many at a time");
    while (s->held_count > 0) {
        kis_exchange *held = s->held[--s->held_count];
        test_answer(held, 200, "text/plain", kis_bytes_of("late", 4));
        kis_exchange_unref(held);
    }
    kis_lock_give(&s->lock);
}

static void check_in_flight(bool http2)
{
    test_server s;
    test_client tc;
    ask a[6], last;
    test_server_start(&s, 1, NULL);
    kis_client_options options = to_port(s.port, http2);
    options.max_in_flight = 2;
    client_start(&tc, &options);
    for (int i = 0; i < 6; i++) {
        ask_init(&a[i], &tc, "GET", "/hold", NULL, 0);
        ask_start(&a[i]);
    }
    WAIT_FOR(atomic_load(&s.bodies) == 2, "as many are held, the others wait");
    ask_init(&last, &tc, "GET", "/hold", NULL, 0);
    last.request.deadline_ns = kis_now_ns() + 30000000;
    ask_start(&last);
    ask_wait(&last);
    CHECK_ERR(KIS_ERR_TIMEOUT, last.err, last.diag);
    CHECK(!last.was_sent, "it waited");
    CHECK(strstr(last.diag, "others were before it"), last.diag);
    ask_done(&last);
    for (int i = 0; i < 6; i++) {
        if (i % 2 == 0) {
            WAIT_FOR(atomic_load(&s.bodies) >= i + 2, "the next two");
            CHECK_INT(i + 2, atomic_load(&s.bodies), "two at a time");
            CHECK_INT(http2 ? 1 : 2, kis_server_get_stats(s.server).connections_accepted,
                      "so many connections");
            release_held(&s, 2);
        }
        ask_wait(&a[i]);
        CHECK_STR("late", kis_str_of(a[i].body, a[i].body_len), "first in, first out");
        ask_done(&a[i]);
    }
    client_stop(&tc);
    test_server_stop(&s, 1000);
}

TEST(http1_opens_so_many_connections_and_no_more)
{
    check_in_flight(false);
}
TEST(http2_opens_so_many_streams_and_no_more)
{
    check_in_flight(true);
}

static void check_deadline(bool http2)
{
    test_server s;
    test_client tc;
    ask a, b;
    size_t size = 20 << 20;
    void *large = calloc(1, size);
    test_server_start(&s, 1, NULL);
    client_start_to(&tc, s.port, http2);
    bool is_sent = false;
    for (uint64_t time_ns = 60000000; !is_sent;
         time_ns *= 2) { /* it may be over sooner than sent */
        uint64_t start_ns = kis_now_ns();
        ask_init(&a, &tc, "GET", "/hold", NULL, 0);
        a.request.deadline_ns = start_ns + time_ns;
        ask_start(&a);
        ask_wait(&a);
        CHECK_ERR(KIS_ERR_TIMEOUT, a.err, a.diag);
        CHECK(kis_now_ns() - start_ns >= time_ns, "at its time");
        is_sent = a.was_sent;
        CHECK(!is_sent || strstr(a.diag, "no answer in time"), a.diag);
        ask_done(&a);
    }
    if (http2)
        WAIT_FOR(atomic_load(&s.gone) == 1, "the server hears that nobody waits");
    /* in the middle of a body, which is freed afterwards */
    ask_init(&b, &tc, "POST", "/echo", large, size);
    b.request.deadline_ns = kis_now_ns() + 2000000;
    ask_start(&b);
    ask_wait(&b);
    CHECK(b.err == KIS_ERR_TIMEOUT || b.err == KIS_ERR_LIMIT, b.diag);
    ask_done(&b);
    memset(large, 0xee, size);
    free(large);
    get(&a, &tc, "/describe");
    CHECK_ERR(KIS_OK, a.err, "the client lives on");
    ask_done(&a);
    client_stop(&tc);
    test_server_stop(&s, 1000);
}

TEST(http1_deadlines_hold)
{
    check_deadline(false);
}
TEST(http2_deadlines_hold)
{
    check_deadline(true);
}

TEST(bad_requests_are_refused_without_being_sent)
{
    static const kis_header bad_name = { KIS_STR_INIT("a b"), KIS_STR_INIT("c") },
                            bad_value = { KIS_STR_INIT("a"), KIS_STR_INIT("b\r\nevil: c") };
    static char long_path[9000];
    static const struct {
        const char *why, *method, *path;
        const kis_header *header;
        kis_err want;
    } rows[] = {
        { "a method of two words", "GET /evil", "/", NULL, KIS_ERR_SYNTAX },
        { "no method", "", "/", NULL, KIS_ERR_SYNTAX },
        { "no path", "GET", "", NULL, KIS_ERR_SYNTAX },
        { "a path that is none", "GET", "evil", NULL, KIS_ERR_SYNTAX },
        { "a space in it", "GET", "/a b", NULL, KIS_ERR_SYNTAX },
        { "a line end in it", "GET", "/a\r\nb", NULL, KIS_ERR_SYNTAX },
        { "too long", "GET", long_path, NULL, KIS_ERR_LIMIT },
        { "a header name", "GET", "/", &bad_name, KIS_ERR_SYNTAX },
        { "a header value with a line end", "GET", "/", &bad_value, KIS_ERR_SYNTAX },
    };
    test_server s;
    test_client tc;
    ask a;
    memset(long_path, '/', sizeof(long_path) - 1);
    test_server_start(&s, 1, NULL);
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        client_start_to(&tc, s.port, i % 2);
        ask_init(&a, &tc, rows[i / 2].method, rows[i / 2].path, NULL, 0);
        a.request.headers = rows[i / 2].header;
        a.request.header_count = rows[i / 2].header ? 1 : 0;
        ask_start(&a);
        ask_wait(&a);
        CHECK_ERR(rows[i / 2].want, a.err, rows[i / 2].why);
        CHECK(!a.was_sent && a.was_refused, rows[i / 2].why);
        ask_done(&a);
        client_stop(&tc);
    }
    CHECK_INT(0, atomic_load(&s.heads), "the server saw nothing");
    test_server_stop(&s, 1000);
}

TEST(bad_options_are_refused)
{
    static const struct {
        const char *why;
        kis_client_options options;
        kis_err want;
    } rows[] = {
        { "no host", { .port = 1 }, KIS_ERR_SYNTAX },
        { "port 0", { .host = KIS_STR_INIT("a") }, KIS_ERR_RANGE },
        { "a space in the host", { .host = KIS_STR_INIT("a b"), .port = 1 }, KIS_ERR_SYNTAX },
        { "no path of a socket", { .host = KIS_STR_INIT("unix:") }, KIS_ERR_LIMIT },
        { "a user agent with a line end",
          { .host = KIS_STR_INIT("a"), .port = 1, .user_agent = KIS_STR_INIT("a\r\nb: c") },
          KIS_ERR_SYNTAX },
    };
    kis_loop *loop;
    CHECK_ERR(KIS_OK, kis_loop_new(&kis_mem, &loop, NULL), "a loop");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_client *client = NULL;
        kis_diag diag = { 0 };
        CHECK_ERR(rows[i].want, kis_client_new(loop, &rows[i].options, &client, &diag),
                  rows[i].why);
        CHECK(!client && diag.text[0], rows[i].why);
    }
    kis_client_free(NULL);
    kis_loop_free(loop);
}

/* ---- the end ---- */

static void check_free(bool http2)
{
    test_server s;
    test_client tc;
    ask a[8];
    size_t size = 8 << 20;
    void *large = calloc(1, size);
    test_server_start(&s, 1, NULL);
    kis_client_options options = to_port(s.port, http2);
    options.max_in_flight = 3;
    client_start(&tc, &options);
    for (int i = 0; i < 8; i++) { /* in flight with and without a body, and queued */
        ask_init(&a[i], &tc, "POST", "/hold", large, i == 1 ? size : 0);
        ask_start(&a[i]);
    }
    WAIT_FOR(atomic_load(&s.bodies) >= 2, "some have arrived");
    client_drop(&tc);
    for (int i = 0; i < 8; i++) {
        ask_check(&a[i]);
        CHECK_ERR(KIS_ERR_CLOSED, a[i].err, a[i].diag);
        CHECK(strstr(a[i].diag, "the client was closed"), a[i].diag);
        CHECK(a[i].was_sent == (i < 3), "it says which were sent");
        ask_done(&a[i]);
    }
    free(large);
    client_stop(&tc);
    test_server_stop(&s, 1000);
}

TEST(http1_free_answers_all_that_is_open)
{
    check_free(false);
}
TEST(http2_free_answers_all_that_is_open)
{
    check_free(true);
}

TEST(free_while_connecting_answers_and_waits_for_nobody)
{
    static const char *const hosts[] = { "localhost", "no.such.name.invalid", "127.0.0.1" };
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        test_client tc;
        ask a;
        kis_client_options options = to_port(closed_port(), false);
        options.host = kis_str_from_c(hosts[i]);
        client_start(&tc, &options);
        ask_init(&a, &tc, "GET", "/", NULL, 0);
        ask_start(&a);
        client_drop(&tc); /* posted behind it: the lookup has only just begun */
        ask_check(&a);
        CHECK(a.err == KIS_ERR_CLOSED || a.err == KIS_ERR_IO, a.diag);
        ask_done(&a);
        client_stop(&tc); /* frees the loop, with the lookup perhaps still under way */
    }
}

static void check_reentry(bool http2)
{
    test_server s;
    test_client tc;
    ask first, second, third, waiting;
    test_server_start(&s, 1, NULL);
    client_start_to(&tc, s.port, http2);
    ask_init(&first, &tc, "POST", "/echo", "1", 1);
    ask_init(&second, &tc, "POST", "/echo", "2", 1);
    ask_init(&third, &tc, "POST", "/echo", "3", 1);
    ask_init(&waiting, &tc, "GET", "/hold", NULL, 0);
    first.then = &second;
    second.then = &third;
    third.frees_client = true;
    ask_start(&waiting);
    WAIT_FOR(atomic_load(&s.bodies) == 1, "one waits");
    ask_start(&first);
    ask_wait(&third);
    ask_wait(&first);
    ask_wait(&second);
    ask_check(&waiting);
    CHECK_STR("1", kis_str_of(first.body, first.body_len), first.diag);
    CHECK_STR("2", kis_str_of(second.body, second.body_len), second.diag);
    CHECK_STR("3", kis_str_of(third.body, third.body_len), third.diag);
    CHECK_ERR(KIS_ERR_CLOSED, waiting.err, "freed by the third's answer");
    ask_done(&first);
    ask_done(&second);
    ask_done(&third);
    ask_done(&waiting);
    client_stop(&tc);
    test_server_stop(&s, 1000);
}

TEST(http1_answers_may_send_and_free)
{
    check_reentry(false);
}
TEST(http2_answers_may_send_and_free)
{
    check_reentry(true);
}

static void send_again(void *user, const kis_client_answer *answer)
{
    ask *a = user;
    (void)answer;
    if (atomic_fetch_add(&a->answers, 1) < 100)
        kis_client_send(a->tc->client, &a->request, send_again, a);
}

static void send_again_on_loop(kis_post *post)
{
    ask *a = KIS_CONTAINER(post, ask, post);
    kis_client_send(a->tc->client, &a->request, send_again, a);
}

TEST(who_sends_again_at_once_does_not_hold_up_the_loop)
{
    test_client tc;
    ask a, b;
    /* fails in the moment it is tried */
    kis_client_options options = { .host = KIS_STR("unix:/nonexistent/socket") };
    client_start(&tc, &options);
    ask_init(&a, &tc, "GET", "/", NULL, 0);
    a.post.run = send_again_on_loop;
    uint64_t start_ns = kis_now_ns();
    ask_start(&a);
    get(&b, &tc, "/"); /* others get their turn meanwhile */
    ask_done(&b);
    WAIT_FOR(atomic_load(&a.answers) > 100, "all of them");
    CHECK(kis_now_ns() - start_ns > 50000000, "with a brake");
    client_stop(&tc);
}

/* ---- no memory ---- */

typedef struct sweep {
    kis_loop *loop;
    kis_client *client;
    int answers, sends;
    bool is_inside;
} sweep;

static void sweep_done(void *user, const kis_client_answer *answer)
{
    sweep *w = user;
    (void)answer;
    CHECK(!w->is_inside, "never inside send");
    if (++w->answers == w->sends)
        kis_loop_stop(w->loop);
}

typedef struct sweep_form {
    bool http2;
    const char *host, *path;
    size_t size;
} sweep_form;
static uint8_t sweep_body[2 << 20];

/* Each request for memory of the client's fails once; whatever happens, every call is answered once
 * and nothing is left behind. */
static long sweep_once(uint16_t port, const sweep_form *form, long fail_at)
{
    sweep w = { 0 };
    const kis_header header = { KIS_STR("content-type"), KIS_STR("application/grpc") };
    test_alloc_reset(-1);
    CHECK_ERR(KIS_OK, kis_loop_new(test_alloc, &w.loop, NULL), "a loop");
    test_alloc_left_ = fail_at;
    kis_client_options options = to_port(port, form->http2);
    options.max_in_flight = 2;
    options.host = kis_str_from_c(form->host);
    if (kis_client_new(w.loop, &options, &w.client, NULL) == KIS_OK) {
        w.is_inside = true;
        for (; w.sends < 4; w.sends++)
            kis_client_send(w.client,
                            &(kis_client_request){ .method = KIS_STR("POST"),
                                                   .path = kis_str_from_c(form->path),
                                                   .headers = &header,
                                                   .header_count = form->http2,
                                                   .body = { sweep_body, form->size },
                                                   .deadline_ns = kis_now_ns() + 5000000000u },
                            sweep_done, &w);
        w.is_inside = false;
        kis_loop_run(w.loop);
        CHECK_INT(4, w.answers, "each is answered once");
        kis_client_free(w.client);
        CHECK_INT(4, w.answers, "and not again");
    }
    kis_loop_free(w.loop);
    CHECK_INT(0, test_alloc_live(), "nothing is left behind");
    return test_alloc_failed();
}

TEST(without_memory_every_call_is_still_answered_once)
{
    static const sweep_form forms[] = {
        { false, "127.0.0.1", "/echo", 5 },
        { true, "127.0.0.1", "/echo", 5 },
        { false, "localhost", "/echo", 5 },
        { false, "127.0.0.1", "/refuse", sizeof(sweep_body) },
        { true, "127.0.0.1", "/refuse", sizeof(sweep_body) }, /* answered before the body is out */
    };
    test_server s;
    test_server_start(&s, 1, NULL);
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        long n = 0;
        while (sweep_once(s.port, &forms[i], n))
            n++;
        CHECK(n > 10, "the sweep reached the end");
    }
    test_server_stop(&s, 1000);
}

typedef struct drought {
    kis_client *client;
    int answers;
} drought;

static void drought_done(void *user, const kis_client_answer *answer)
{
    drought *d = user;
    CHECK_ERR(KIS_ERR_NOMEM, answer->err, "that is why");
    d->answers++;
    kis_client_free(d->client);
    d->client = NULL;
}

/* More calls than can be noted: the last one is answered inside of send, and frees the client. */
TEST(without_memory_answers_may_free_the_client_inside_send)
{
    kis_loop *loop;
    drought d = { 0 };
    test_alloc_reset(-1);
    CHECK_ERR(KIS_OK, kis_loop_new(test_alloc, &loop, NULL), "a loop");
    kis_client_options options = to_port(1, false);
    CHECK_ERR(KIS_OK, kis_client_new(loop, &options, &d.client, NULL), "a client");
    for (int i = 0; d.client; i++) {
        CHECK_INT(0, d.answers, "not yet");
        test_alloc_left_ = 0; /* each of them finds none */
        kis_client_send(d.client,
                        &(kis_client_request){ .method = KIS_STR("GET"), .path = KIS_STR("/") },
                        drought_done, &d);
    }
    CHECK(d.answers > 1, "those that were noted, too");
    kis_loop_free(loop);
    CHECK_INT(0, test_alloc_live(), "nothing is left behind");
    test_alloc_reset(-1);
}

TEST_MAIN(RUN(http1_requests_are_answered), RUN(http2_requests_are_answered),
          RUN(http1_opens_so_many_connections_and_no_more),
          RUN(http2_opens_so_many_streams_and_no_more), RUN(http1_deadlines_hold),
          RUN(http2_deadlines_hold), RUN(bad_requests_are_refused_without_being_sent),
          RUN(bad_options_are_refused), RUN(http1_free_answers_all_that_is_open),
          RUN(http2_free_answers_all_that_is_open),
          RUN(free_while_connecting_answers_and_waits_for_nobody),
          RUN(http1_answers_may_send_and_free), RUN(http2_answers_may_send_and_free),
          RUN(who_sends_again_at_once_does_not_hold_up_the_loop),
          RUN(without_memory_every_call_is_still_answered_once),
          RUN(without_memory_answers_may_free_the_client_inside_send))
