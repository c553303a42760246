/* client_fork_test.c - a child of fork() has none of a client's descriptors, and neither the peer
 * nor the parent notices that there was a child. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "net/test_client.h"
#include "net/test_tls.h"

/* ---- descriptors: without memory, because a child of a process with threads asks ---- */

/* Sockets, epoll sets and eventfds of this process. */
static int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        char link[64], kind[64] = "";
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link, kind, sizeof(kind) - 1);
        count += len > 0 && (!strncmp(kind, "socket:", 7) || !strncmp(kind, "anon_inode:", 11));
    }
    return count;
}

/* ---- a peer in a process of its own: it says 'r' for a request and 'e' for the end of a
 * connection ---- */

typedef struct outside {
    pid_t pid;
    uint16_t port;
    int says[2];
} outside;

static void outside_say(const outside *p, char what)
{
    if (write(p->says[1], &what, 1) != 1)
        _exit(1);
}

static void outside_serve(const outside *p, int fd, const char *answer)
{
    char in[4096];
    size_t len = 0;
    ssize_t got;
    while ((got = recv(fd, in + len, sizeof(in) - 1 - len, 0)) > 0) {
        len += (size_t)got;
        in[len] = 0;
        if (!strstr(in, "\r\n\r\n"))
            continue;
        len = 0;
        outside_say(p, 'r');
        if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0 || strstr(answer, "close"))
            return;
    }
    outside_say(p, got == 0 ? 'e' : 'x');
}

static void outside_start(outside *p, const char *answer)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listen_fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listen_fd, 8) == 0 &&
              getsockname(listen_fd, (struct sockaddr *)&at, &len) == 0 && pipe(p->says) == 0,
          strerror(errno));
    p->port = ntohs(at.sin_port);
    p->pid = fork();
    if (p->pid == 0)
        for (prctl(PR_SET_PDEATHSIG, SIGKILL);;) { /* also when the test fails */
            int fd = accept(listen_fd, NULL, NULL);
            outside_serve(p, fd, answer);
            close(fd);
        }
    close(listen_fd);
    close(p->says[1]);
}

static char outside_says(const outside *p)
{
    struct pollfd ready = { p->says[0], POLLIN, 0 };
    char what = '-';
    if (poll(&ready, 1, 5000) == 1 && read(p->says[0], &what, 1) != 1)
        what = '?';
    return what;
}

static void outside_stop(outside *p)
{
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    close(p->says[0]);
}

/* ---- a child that lives until it is let go ---- */

typedef struct child {
    pid_t pid;
    int gate[2];
} child;

static void child_start(child *c, int want)
{
    char byte;
    CHECK(pipe(c->gate) == 0, strerror(errno));
    c->pid = fork();
    if (c->pid != 0) {
        close(c->gate[0]);
        return;
    }
    close(c->gate[1]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int count = count_descriptors();
    (void)!read(c->gate[0], &byte, 1);
    _exit(count - want);
}

static void child_stop(child *c)
{
    int status;
    close(c->gate[1]);
    CHECK(waitpid(c->pid, &status, 0) == c->pid && WIFEXITED(status), "the child ends by itself");
    CHECK_INT(0, WEXITSTATUS(status), "descriptors that it has too many");
}

static void check_get(test_client *tc)
{
    ask a;
    get(&a, tc, "/describe");
    CHECK_ERR(KIS_OK, a.err, a.diag);
    ask_done(&a);
}

#define KEEP_ANSWER  "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
#define CLOSE_ANSWER "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

TEST(the_peer_sees_the_end_while_a_child_lives_on)
{
    outside p;
    child c;
    test_client tc;
    int before = count_descriptors();
    outside_start(&p, KEEP_ANSWER);
    kis_client_options options = to_port(p.port, false);
    client_start(&tc, &options);
    check_get(&tc);
    CHECK_INT(before + 3, count_descriptors(), "a socket, an epoll set, an eventfd");
    child_start(&c, before);
    check_get(&tc);
    CHECK(outside_says(&p) == 'r' && outside_says(&p) == 'r', "the same connection goes on");
    client_stop(&tc);
    CHECK_INT('e', outside_says(&p), "the parent closed it, and nobody else had it");
    child_stop(&c);
    outside_stop(&p);
}

/* TLS and HTTP/2 would say goodbye if they were told of the end. */
static void check_unnoticed(bool http2, kis_tls_client *tls, uint16_t port, int before)
{
    child c;
    test_client tc;
    kis_client_options options = to_port(port, http2);
    options.tls = tls;
    client_start(&tc, &options);
    check_get(&tc);
    int count = count_descriptors();
    for (int i = 0; i < 3; i++) {
        child_start(&c, before); /* of the server in this process, it has none either */
        check_get(&tc);
        child_stop(&c);
        check_get(&tc);
        CHECK_INT(count, count_descriptors(), "the same connection");
    }
    client_stop(&tc);
}

TEST(a_connection_goes_on_over_forks)
{
    test_server s;
    int before = count_descriptors();
    test_server_start(&s, 1, NULL);
    check_unnoticed(false, NULL, s.port, before);
    check_unnoticed(true, NULL, s.port, before);
    test_server_stop(&s, 1000);
}

TEST(a_connection_under_tls_goes_on_over_forks)
{
    test_server s;
    test_tls t;
    int before = count_descriptors();
    tls_start(&t, "DNS:localhost,IP:127.0.0.1");
    for (int http2 = 0; http2 < 2; http2++) {
        tls_listen(&s, &t, http2);
        check_unnoticed(http2, t.client, s.port, before);
        test_server_stop(&s, 1000);
    }
    tls_stop(&t);
}

static atomic_bool is_asking;

static void keep_asking(void *user)
{
    while (atomic_load(&is_asking))
        check_get(user);
}

TEST(forks_while_connections_come_and_go_leave_nothing)
{
    outside p;
    test_client tc;
    kis_thread thread;
    int before = count_descriptors();
    outside_start(&p, CLOSE_ANSWER);
    kis_client_options options = to_port(p.port, false);
    client_start(&tc, &options);
    atomic_store(&is_asking, true);
    CHECK_ERR(KIS_OK, kis_thread_start(&thread, "asks", keep_asking, &tc, NULL), "a thread");
    for (int i = 0; i < 200; i++) {
        child c;
        child_start(&c, before);
        child_stop(&c);
    }
    atomic_store(&is_asking, false);
    kis_thread_join(&thread);
    client_stop(&tc);
    CHECK_INT(before, count_descriptors(), "and here neither");
    outside_stop(&p);
}

TEST_MAIN(RUN(the_peer_sees_the_end_while_a_child_lives_on), RUN(a_connection_goes_on_over_forks),
          RUN(a_connection_under_tls_goes_on_over_forks),
          RUN(forks_while_connections_come_and_go_leave_nothing))
