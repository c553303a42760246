/* tcp.c - the socket calls, in one place.
 *
 * Writing never raises SIGPIPE (MSG_NOSIGNAL, also below OpenSSL:
 * tls.c), descriptors never pass to children.
 */
#include "net/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "net/tls_stream.h"

#define LISTEN_BACKLOG    1024
#define KEEPALIVE_IDLE_S  60
#define KEEPALIVE_EVERY_S 10
#define KEEPALIVE_PROBES  3

/* ---- addresses ---- */

bool kis_address_of_number(kis_str host, uint16_t port, kis_address *out)
{
    char name[256], service[KIS_NUM_TEXT_MAX];
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                              .ai_socktype = SOCK_STREAM },
                    *found = NULL;
    service[kis_u64_format(port, service)] = 0;
    if (host.len == 0 || !kis_str_to_c(host, name, sizeof(name)) ||
        getaddrinfo(name, service, &hints, &found) != 0)
        return false;
    memset(out, 0, sizeof(*out));
    memcpy(&out->at, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

bool kis_address_of_unix(kis_str path, kis_address *out)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    if (path.len == 0 || !kis_str_to_c(path, un.sun_path, sizeof(un.sun_path)))
        return false;
    memset(out, 0, sizeof(*out));
    memcpy(&out->at, &un, sizeof(un));
    out->len = sizeof(un);
    return true;
}

static kis_err resolve_blocking(kis_str host, kis_str port, kis_address *out, kis_diag *diag)
{
    char name[256], service[8];
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM },
                    *found = NULL;
    uint64_t number;
    if (kis_u64_parse(port, &number) != KIS_OK || number > 65535 ||
        !kis_str_to_c(port, service, sizeof(service)) || !kis_str_to_c(host, name, sizeof(name)))
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "the port is not a number from 0 to 65535");
    int failed = getaddrinfo(host.len ? name : NULL, service, &hints, &found);
    if (failed)
        return kis_diag_set(diag, KIS_ERR_NOT_FOUND, "%s", gai_strerror(failed));
    /* for "all", IPv6 takes IPv4 too; for a name the first, IPv4 before IPv6 (localhost) */
    const struct addrinfo *pick = found;
    for (const struct addrinfo *at = found; at; at = at->ai_next) {
        if (at->ai_family == (host.len ? AF_INET : AF_INET6)) {
            pick = at;
            break;
        }
    }
    memset(out, 0, sizeof(*out));
    memcpy(&out->at, pick->ai_addr, pick->ai_addrlen);
    out->len = pick->ai_addrlen;
    freeaddrinfo(found);
    return KIS_OK;
}

kis_err kis_address_parse(kis_str text, kis_address *out, kis_diag *diag)
{
    kis_err err;
    if (kis_str_starts(text, KIS_STR("unix:"))) {
        kis_str path = kis_str_slice(text, 5, text.len);
        if (kis_str_starts(path, KIS_STR("//")))
            path = kis_str_slice(path, 2, path.len);
        if (kis_address_of_unix(path, out))
            return KIS_OK;
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "'" KIS_FMT "': the path of a socket has 1 to 107 bytes",
                            KIS_ARG(text));
    }
    size_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "'" KIS_FMT "': want host:port", KIS_ARG(text));
    kis_str host = kis_str_slice(text, 0, colon - 1);
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = kis_str_slice(host, 1, host.len - 2);
    else if (kis_str_find_char(host, ':') != KIS_STR_NPOS)
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "'" KIS_FMT "': write an IPv6 address as [::1]:4317", KIS_ARG(text));
    err = resolve_blocking(host, kis_str_slice(text, colon, text.len), out, diag);
    return err ? kis_diag_in(diag, err, "address '" KIS_FMT "'", KIS_ARG(text)) : KIS_OK;
}

void kis_address_format(const kis_address *address, char out[KIS_ADDRESS_TEXT_MAX])
{
    char host[64], port[8];
    if (address->len && address->at.ss_family == AF_UNIX) {
        struct sockaddr_un un;
        memcpy(&un, &address->at, sizeof(un));
        un.sun_path[sizeof(un.sun_path) - 1] = 0;
        kis_fmt(out, KIS_ADDRESS_TEXT_MAX, "unix:%s", un.sun_path);
    } else if (address->len &&
               getnameinfo((const struct sockaddr *)&address->at, address->len, host, sizeof(host),
                           port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        kis_fmt(out, KIS_ADDRESS_TEXT_MAX, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    } else {
        kis_fmt(out, KIS_ADDRESS_TEXT_MAX, "unknown");
    }
}

/* ---- listening and connecting ---- */

/* A socket file that nobody listens on is left over from a process that was killed: it may go.
 * EEXIST: something else is there. */
static int make_way_for_unix_socket(const kis_address *address)
{
    struct sockaddr_un un;
    struct stat st;
    memcpy(&un, &address->at, sizeof(un));
    if (lstat(un.sun_path, &st) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return 0;
    if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) < 0 && errno == ECONNREFUSED)
        unlink(un.sun_path);
    close(fd);
    return 0;
}

static kis_err listen_failed(int fd, kis_diag *diag)
{
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (why == EADDRINUSE)
        return kis_diag_set(diag, KIS_ERR_RANGE, "address in use");
    if (why == EEXIST)
        return kis_diag_set(diag, KIS_ERR_IO,
                            "cannot listen: something that is no socket is there already");
    return kis_diag_set(diag, KIS_ERR_IO, "cannot listen: %s", strerror(why));
}

kis_err kis_tcp_listen(const kis_address *address, int *out_fd, kis_address *out_bound,
                       kis_diag *diag)
{
    int on = 1, off = 0, family = address->at.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return listen_failed(fd, diag);
    if (family == AF_UNIX && (errno = make_way_for_unix_socket(address)) != 0)
        return listen_failed(fd, diag);
    /* a restart need not wait for old connections to time out;
     * a second server still fails, because nobody sets SO_REUSEPORT */
    if (family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, (const struct sockaddr *)&address->at, address->len) < 0 ||
        listen(fd, LISTEN_BACKLOG) < 0)
        return listen_failed(fd, diag);
    *out_bound = *address;
    if (family != AF_UNIX) {
        out_bound->len = sizeof(out_bound->at);
        if (getsockname(fd, (struct sockaddr *)&out_bound->at, &out_bound->len) < 0)
            return listen_failed(fd, diag);
    }
    *out_fd = fd;
    return KIS_OK;
}

void kis_tcp_tune(int fd, bool is_unix)
{
    int on = 1, idle = KEEPALIVE_IDLE_S, every = KEEPALIVE_EVERY_S, probes = KEEPALIVE_PROBES;
    if (is_unix)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

int kis_tcp_connect(const kis_address *address)
{
    int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    kis_tcp_tune(fd, address->at.ss_family == AF_UNIX);
    if (connect(fd, (const struct sockaddr *)&address->at, address->len) < 0 &&
        errno != EINPROGRESS) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

int kis_tcp_connected(int fd)
{
    int why = 0;
    socklen_t size = sizeof(why);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) < 0 ? errno : why;
}

/* ---- streams ---- */

void kis_stream_init(kis_stream *stream, int fd)
{
    *stream = (kis_stream){ .fd = fd };
}

ptrdiff_t kis_stream_read(kis_stream *stream, void *to, size_t size)
{
    if (stream->ssl)
        return kis_tls_stream_read(stream, to, size);
    for (;;) {
        ssize_t got = recv(stream->fd, to, size, 0);
        if (got > 0)
            return got;
        if (got == 0)
            return KIS_IO_END;
        if (errno != EINTR)
            return errno == EAGAIN || errno == EWOULDBLOCK ? KIS_IO_AGAIN : KIS_IO_FAILED;
    }
}

ptrdiff_t kis_stream_write(kis_stream *stream, kis_bytes first, kis_bytes second)
{
    if (stream->ssl)
        return kis_tls_stream_write(stream, first.len ? first : second);
    struct iovec pieces[2] = { { (void *)(uintptr_t)first.ptr, first.len },
                               { (void *)(uintptr_t)second.ptr, second.len } };
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };
    for (;;) {
        ssize_t put = sendmsg(stream->fd, &message, MSG_NOSIGNAL);
        if (put >= 0)
            return put;
        if (errno != EINTR)
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? KIS_IO_AGAIN
                                                                               : KIS_IO_FAILED;
    }
}

bool kis_stream_has_pending(const kis_stream *stream)
{
    return stream->ssl && kis_tls_stream_has_pending(stream);
}

void kis_stream_shut_write(kis_stream *stream)
{
    if (stream->ssl)
        kis_tls_stream_shut(stream);
    shutdown(stream->fd, SHUT_WR);
}

void kis_stream_close(kis_stream *stream, bool is_reset)
{
    if (stream->fd < 0)
        return;
    if (stream->ssl)
        kis_tls_stream_done(stream);
    if (is_reset) { /* the peer must not take a cut answer for a whole one */
        struct linger none = { .l_onoff = 1, .l_linger = 0 };
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
    close(stream->fd);
    *stream = (kis_stream){ .fd = -1 };
}
