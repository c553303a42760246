/* server.c - listeners, accepting, spreading connections over loops, starting and stopping.
 *
 *     listener (first loop) ─ accept ─> the home with fewest connections ─ post ─> kis_conn_adopt
 *
 * One descriptor is held in reserve: when the process has no more, it is closed to accept one
 * connection, which is closed at once, so that a full process refuses instead of spinning on a
 * listener that stays readable.
 *
 * Always true: the sum of conn_count over the homes is the number of connections accepted and not
 * yet buried.
 */
#include "net/server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/fmt.h"
#include "net/server_in.h"
#include "os/mem.h"

#define ACCEPTS_A_TURN      64
#define ACCEPT_RETRY_NS     100000000u /* after there was no descriptor or memory for one more */
#define CONNECTIONS_DEFAULT 20000u
/* of those the process may have: for the store's files, listeners, loops; of a very small limit
 * half */
#define DESCRIPTORS_KEPT 256u

struct kis_server {
    const kis_alloc *alloc;
    kis_home *homes;
    size_t home_count;
    kis_listener *listeners; /* made before start, then the first loop's */
    int reserve_fd;          /* the first loop's */
    kis_lock lock;           /* for `changed` alone */
    kis_cond changed;        /* a connection was buried, a command was carried out */
    atomic_uint commands_open;
    atomic_bool is_stopped;
};

/* ---- the date of answers ---- */

/* Days since 1970 to year, month, day: the civil calendar turned so that a year begins in March. */
static void date_of_days(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468, era = z / 146097, of_era = z - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
    *month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

const char *kis_home_date(kis_home *home)
{
    static const char days[] = "ThuFriSatSunMonTueWed",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t second = kis_now_unix_ns() / 1000000000u;
    if (second != home->date_second || !home->date[0]) {
        int year, month, day;
        unsigned of_day = (unsigned)(second % 86400);
        date_of_days((int64_t)(second / 86400), &year, &month, &day);
        kis_fmt(home->date, sizeof(home->date), "%.*s, %02d %.*s %d %02u:%02u:%02u GMT", 3,
                days + 3 * (second / 86400 % 7), day, 3, months + 3 * (month - 1), year,
                of_day / 3600, of_day / 60 % 60, of_day % 60);
        home->date_second = second;
    }
    return home->date;
}

/* ---- making and freeing ---- */

static void home_done(kis_home *home, const kis_alloc *alloc)
{
    alloc->give_back(alloc->user, home->scratch, KIS_READ_BYTES + KIS_PIECE_BYTES);
    alloc->give_back(alloc->user, home->cork.ptr, KIS_CORK_BYTES);
}

static bool home_init(kis_home *home, kis_server *server, kis_loop *loop)
{
    const kis_alloc *alloc = server->alloc;
    home->server = server;
    home->loop = loop;
    home->scratch = alloc->take(alloc->user, KIS_READ_BYTES + KIS_PIECE_BYTES);
    uint8_t *cork = alloc->take(alloc->user, KIS_CORK_BYTES);
    kis_buf_init_fixed(&home->cork, cork, KIS_CORK_BYTES);
    return home->scratch && cork;
}

kis_err kis_server_new(kis_loop *const *loops, size_t loop_count, const kis_alloc *alloc,
                       kis_server **out, kis_diag *diag)
{
    KIS_ASSERT(loop_count > 0);
    kis_server *server = alloc->take(alloc->user, sizeof(*server));
    if (!server)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "a server: out of memory");
    memset(server, 0, sizeof(*server));
    server->alloc = alloc;
    server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    kis_lock_init(&server->lock, KIS_RANK_LOOP);
    kis_cond_init(&server->changed);
    server->homes = alloc->take(alloc->user, loop_count * sizeof(*server->homes));
    bool is_whole = server->homes != NULL;
    if (is_whole)
        memset(server->homes, 0, loop_count * sizeof(*server->homes));
    for (size_t i = 0; is_whole && i < loop_count; i++) {
        server->home_count = i + 1;
        is_whole = home_init(&server->homes[i], server, loops[i]);
    }
    if (!is_whole) {
        for (size_t i = server->home_count; i < loop_count && server->homes; i++)
            server->homes[i] = (kis_home){ 0 };
        if (server->homes)
            server->home_count = loop_count;
        kis_server_free(server);
        return kis_diag_set(diag, KIS_ERR_NOMEM, "a server: out of memory");
    }
    *out = server;
    return KIS_OK;
}

static void listener_free(kis_server *server, kis_listener *listener)
{
    if (listener->fd >= 0)
        close(listener->fd);
    if (listener->fd >= 0 && listener->is_unix)
        unlink(listener->address + 5); /* behind "unix:" */
    server->alloc->give_back(server->alloc->user, listener, sizeof(*listener));
}

void kis_server_free(kis_server *server)
{
    if (!server)
        return;
    while (server->listeners) {
        kis_listener *next = server->listeners->next;
        listener_free(server, server->listeners);
        server->listeners = next;
    }
    for (size_t i = 0; i < server->home_count; i++)
        home_done(&server->homes[i], server->alloc);
    if (server->homes)
        server->alloc->give_back(server->alloc->user, server->homes,
                                 server->home_count * sizeof(*server->homes));
    if (server->reserve_fd >= 0)
        close(server->reserve_fd);
    kis_cond_done(&server->changed);
    kis_lock_done(&server->lock);
    server->alloc->give_back(server->alloc->user, server, sizeof(*server));
}

void kis_server_conn_gone(kis_home *home)
{
    kis_server *server = home->server;
    if (!home->is_draining) {
        atomic_fetch_sub(&home->conn_count, 1);
        return;
    }
    /* who waits looks at the count under it, and may free the server the moment it is zero */
    kis_lock_take(&server->lock);
    atomic_fetch_sub(&home->conn_count, 1);
    kis_cond_broadcast(&server->changed);
    kis_lock_give(&server->lock);
}

/* ---- accepting ---- */

static unsigned server_conn_count(const kis_server *server)
{
    unsigned count = 0;
    for (size_t i = 0; i < server->home_count; i++)
        count += atomic_load_explicit(&server->homes[i].conn_count, memory_order_relaxed);
    return count;
}

static void command_done(kis_server *server)
{
    kis_lock_take(&server->lock);
    atomic_fetch_sub(&server->commands_open, 1);
    kis_cond_broadcast(&server->changed);
    kis_lock_give(&server->lock);
}

static void close_oldest_idle(kis_post *post)
{
    kis_home *home = KIS_CONTAINER(post, kis_home, close_idle);
    atomic_store(&home->close_asked, false);
    if (home->idle_oldest)
        kis_conn_close(home->idle_oldest, false);
    command_done(home->server);
}

/* At the bound: room for a new connection by closing the one that has been idle longest. Only the
 * first loop posts to itself at will; another one is asked, at most one question at a time. */
static bool server_make_room(kis_server *server, kis_home *accepting)
{
    if (accepting->idle_oldest) {
        kis_conn_close(accepting->idle_oldest, false);
        return true;
    }
    for (size_t i = 0; i < server->home_count; i++) {
        kis_home *home = &server->homes[i];
        if (home != accepting && atomic_load_explicit(&home->idle_count, memory_order_relaxed) &&
            atomic_exchange(&home->close_asked, true) == false) {
            home->close_idle.run = close_oldest_idle;
            atomic_fetch_add(&server->commands_open, 1); /* a stop waits for it, too */
            bool is_posted = kis_loop_post(home->loop, &home->close_idle);
            if (!is_posted)
                command_done(server);
            return is_posted;
        }
    }
    return false;
}

static kis_home *least_busy_home(kis_server *server)
{
    kis_home *best = &server->homes[0];
    for (size_t i = 1; i < server->home_count; i++) {
        if (atomic_load_explicit(&server->homes[i].conn_count, memory_order_relaxed) <
            atomic_load_explicit(&best->conn_count, memory_order_relaxed))
            best = &server->homes[i];
    }
    return best;
}

static void adopt_run(kis_post *post)
{
    kis_conn_adopt(KIS_CONTAINER(post, kis_conn, post));
}

static kis_conn *conn_new(kis_listener *listener, kis_home *home, int fd, const kis_address *peer)
{
    const kis_alloc *alloc = kis_loop_alloc(home->loop);
    kis_conn *conn = alloc->take(alloc->user, sizeof(*conn));
    if (!conn)
        return NULL;
    memset(conn, 0, sizeof(*conn));
    conn->home = home;
    conn->listener = listener;
    conn->watch.fd = -1;
    conn->h1.keeps_alive = true;
    kis_stream_init(&conn->io, fd);
    kis_buf_init(&conn->in, alloc, KIS_HTTP1_HEAD_BYTES_MAX + 2 * KIS_READ_BYTES);
    /* bounded by the answers that one connection may have under way */
    kis_buf_init(&conn->out, alloc, SIZE_MAX / 2);
    kis_address_format(peer, conn->peer);
    return conn;
}

static void listener_took(kis_listener *listener, int fd, const kis_address *peer)
{
    kis_server *server = listener->server;
    kis_home *accepting = &server->homes[0], *home = least_busy_home(server);
    kis_conn *conn = NULL;
    if (server_conn_count(server) < listener->options.max_connections ||
        server_make_room(server, accepting))
        conn = conn_new(listener, home, fd, peer);
    if (!conn) {
        kis_count_add(&accepting->stats.refused, 1);
        close(fd);
        return;
    }
    kis_tcp_tune(fd, listener->is_unix);
    kis_count_add(&accepting->stats.accepted, 1);
    atomic_fetch_add(&home->conn_count, 1);
    if (home == accepting) {
        kis_conn_adopt(conn);
        return;
    }
    conn->post.run = adopt_run;
    if (!kis_loop_post(home->loop, &conn->post)) {
        close(fd);
        atomic_fetch_sub(&home->conn_count, 1);
        kis_loop_alloc(home->loop)
            ->give_back(kis_loop_alloc(home->loop)->user, conn, sizeof(*conn));
    }
}

/* No descriptor for one more: spend the reserve to refuse it. Without a reserve wait a little. */
static void listener_out_of_descriptors(kis_listener *listener)
{
    kis_server *server = listener->server;
    kis_home *home = &server->homes[0];
    if (server->reserve_fd >= 0) {
        close(server->reserve_fd);
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            kis_count_add(&home->stats.refused, 1);
            close(fd);
        }
        server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (server->reserve_fd >= 0)
            return;
    }
    if (kis_loop_set_timer(home->loop, &listener->retry,
                           kis_loop_now_ns(home->loop) + ACCEPT_RETRY_NS) == KIS_OK)
        kis_loop_rewatch(home->loop, &listener->watch, 0);
}

static void listener_ready(kis_watch *watch, uint32_t events)
{
    kis_listener *listener = KIS_CONTAINER(watch, kis_listener, watch);
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        kis_address peer = { .len = sizeof(peer.at) };
        int fd = accept4(listener->fd, (struct sockaddr *)&peer.at, &peer.len,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            if (listener->is_unix)
                peer.at.ss_family = AF_UNIX;
            listener_took(listener, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            listener_out_of_descriptors(listener);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void listener_retry(kis_timer *timer)
{
    kis_listener *listener = KIS_CONTAINER(timer, kis_listener, retry);
    kis_server *server = listener->server;
    if (server->reserve_fd < 0)
        server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    kis_loop_rewatch(server->homes[0].loop, &listener->watch, KIS_LOOP_READ);
}

/* Connections may not take the last descriptors: whoever stores spans needs some to open files. */
static uint32_t connections_max(uint32_t asked)
{
    struct rlimit files;
    uint32_t max = asked ? asked : CONNECTIONS_DEFAULT;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return max;
    rlim_t left = files.rlim_cur - KIS_MIN((rlim_t)DESCRIPTORS_KEPT, files.rlim_cur / 2);
    return left < max ? (uint32_t)left : max;
}

kis_err kis_server_listen(kis_server *server, const kis_listener_options *options,
                          char out_address[80], kis_diag *diag)
{
    kis_address address, bound;
    kis_listener *listener = server->alloc->take(server->alloc->user, sizeof(*listener));
    if (!listener)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "a listener: out of memory");
    memset(listener, 0, sizeof(*listener));
    listener->fd = listener->watch.fd = -1;
    listener->server = server;
    listener->options = *options;
    listener->options.address = KIS_STR_NONE; /* the caller's text need not live on */
    listener->options.max_connections = connections_max(options->max_connections);
    listener->watch.ready = listener_ready;
    listener->retry.fire = listener_retry;
    kis_err err = kis_address_parse(options->address, &address, diag);
    if (!err) {
        err = kis_tcp_listen(&address, &listener->fd, &bound, diag);
        if (err)
            kis_diag_in(diag, err, KIS_FMT, KIS_ARG(options->address));
    }
    if (err) {
        listener_free(server, listener);
        return err;
    }
    listener->is_unix = bound.at.ss_family == AF_UNIX;
    kis_address_format(&bound, listener->address);
    if (out_address)
        memcpy(out_address, listener->address, KIS_ADDRESS_TEXT_MAX);
    listener->next = server->listeners;
    server->listeners = listener;
    return KIS_OK;
}

/* ---- commands to loops ---- */

static void home_start(kis_post *post)
{
    kis_home *home = KIS_CONTAINER(post, kis_home, start);
    for (kis_listener *listener = home->server->listeners; listener; listener = listener->next) {
        if (listener->watch.fd < 0 && kis_loop_watch(home->loop, &listener->watch, listener->fd,
                                                     KIS_LOOP_READ, NULL) != KIS_OK)
            listener->watch.fd = -1;
    }
}

void kis_server_start(kis_server *server)
{
    kis_home *first = &server->homes[0];
    first->start.run = home_start;
    if (!kis_loop_is_running(first->loop)) /* nobody else looks at it yet */
        home_start(&first->start);
    else if (!kis_loop_post(first->loop, &first->start))
        return;
}

static void close_listeners(kis_server *server)
{
    kis_loop *loop = server->homes[0].loop;
    for (kis_listener *listener = server->listeners; listener; listener = listener->next) {
        kis_loop_unwatch(loop, &listener->watch);
        kis_loop_clear_timer(loop, &listener->retry);
        if (listener->fd >= 0)
            close(listener->fd);
        if (listener->fd >= 0 && listener->is_unix)
            unlink(listener->address + 5);
        listener->fd = -1;
    }
}

static void home_drain(kis_post *post)
{
    kis_home *home = KIS_CONTAINER(post, kis_home, drain);
    home->is_draining = true;
    if (home == &home->server->homes[0])
        close_listeners(home->server);
    for (kis_conn *conn = home->conns, *next; conn; conn = next) {
        next = conn->next;
        kis_conn_drain(conn);
    }
    command_done(home->server);
}

static void home_cut(kis_post *post)
{
    kis_home *home = KIS_CONTAINER(post, kis_home, cut);
    while (home->conns) {
        home->cut_count += kis_conn_open_exchanges(home->conns);
        kis_conn_close(home->conns, true);
    }
    command_done(home->server);
}

static void command_homes(kis_server *server, size_t post_offset, void (*run)(kis_post *post))
{
    for (size_t i = 0; i < server->home_count; i++) {
        kis_home *home = &server->homes[i];
        kis_post *post = (kis_post *)(void *)((char *)home + post_offset);
        post->run = run;
        atomic_fetch_add(&server->commands_open, 1);
        if (!kis_loop_is_running(home->loop) || kis_loop_is_mine(home->loop) ||
            !kis_loop_post(home->loop, post))
            run(post); /* no thread of its own is on it */
    }
}

static bool wait_for_quiet(kis_server *server, uint64_t deadline_ns)
{
    bool is_quiet;
    kis_lock_take(&server->lock);
    do
        is_quiet = atomic_load(&server->commands_open) == 0 && server_conn_count(server) == 0;
    while (!is_quiet && kis_cond_wait_until(&server->changed, &server->lock, deadline_ns));
    kis_lock_give(&server->lock);
    return is_quiet;
}

/* Connections that are dead on a loop that does not run have their burial in its queue; they are no
 * reason to wait. */
static bool all_loops_run(const kis_server *server)
{
    for (size_t i = 0; i < server->home_count; i++) {
        if (!kis_loop_is_running(server->homes[i].loop) || kis_loop_is_mine(server->homes[i].loop))
            return false;
    }
    return true;
}

uint64_t kis_server_stop(kis_server *server, uint64_t deadline_ns)
{
    uint64_t cut = 0;
    if (atomic_exchange(&server->is_stopped, true))
        return 0;
    command_homes(server, offsetof(kis_home, drain), home_drain);
    if (all_loops_run(server) && wait_for_quiet(server, deadline_ns))
        return 0;
    command_homes(server, offsetof(kis_home, cut), home_cut);
    if (all_loops_run(server))
        wait_for_quiet(server, UINT64_MAX);
    for (size_t i = 0; i < server->home_count; i++)
        cut += server->homes[i].cut_count;
    return cut;
}

kis_server_stats kis_server_get_stats(kis_server *server)
{
    kis_server_stats stats = { .connections_open = server_conn_count(server) };
    for (size_t i = 0; i < server->home_count; i++) {
        const kis_home *home = &server->homes[i];
        stats.connections_accepted += kis_count_get(&home->stats.accepted);
        stats.connections_refused += kis_count_get(&home->stats.refused);
        stats.requests += kis_count_get(&home->stats.requests);
        stats.requests_malformed += kis_count_get(&home->stats.malformed);
        stats.streams_reset += kis_count_get(&home->stats.streams_reset);
        stats.tls_failures += kis_count_get(&home->stats.tls_failures);
        stats.timeouts += kis_count_get(&home->stats.timeouts);
        stats.goaways += kis_count_get(&home->stats.goaways);
        stats.bytes_in += kis_count_get(&home->stats.bytes_in);
        stats.bytes_out += kis_count_get(&home->stats.bytes_out);
    }
    return stats;
}
