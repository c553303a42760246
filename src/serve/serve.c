/* serve.c - building the server and taking it down.
 *
 * Threads: one a loop, the query threads, the store's own. A part that was not started is zero,
 * and stopping zeros is fine: so a failed start and an ordinary stop are one path.
 * Not here: what each listener answers (receive/, query_service.c, health.c, metrics.c).
 */
#include "serve/serve.h"

#include <sched.h>

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "os/mem.h"
#include "receive/receive.h"
#include "serve/health.h"
#include "serve/metrics.h"
#include "serve/ports.h"
#include "serve/query_service.h"
#include "store/folder.h"
#include "store/store.h"

#define MEMORY_STORE_BYTES ((uint64_t)256 << 20)
/* for the sink, when requests have used up the deadline */
#define STOP_FLUSH_MIN_NS (KIS_SERVE_STOP_MORE_NS / 2)

typedef struct loop_thread {
    kis_loop *loop;
    kis_thread thread;
} loop_thread;

/* Whose notes these are: one a listener, its `on_note`'s user. */
typedef struct listener_notes {
    kis_log *log;
    const char *label;
} listener_notes;

struct kis_serve {
    kis_serve_setup setup;
    listener_notes notes[KIS_LISTENERS];
    kis_store *store;
    kis_budget budget;
    loop_thread loops[KIS_RECEIVE_LOOPS_MAX];
    size_t loop_count;
    kis_receiver *receiver;
    kis_tls_server *tls;
    kis_server *server;
    kis_query_service queries;
    kis_health health;
    kis_metrics_source metrics;
    kis_str origins[KIS_HOST_NAMES_MAX];
    size_t origin_count;
    kis_port ports[KIS_LISTENERS]; /* what is wanted; addresses: what it became */
    char wanted[KIS_LISTENERS][128];
    char addresses[KIS_LISTENERS][80];
    kis_server_facts facts;
    char page[128]; /* the page's URL, for who looks for it elsewhere; empty: it is off */
    bool is_accepting;
};

_Static_assert(KIS_LISTENERS <= KIS_API_LISTENERS_MAX, "each listener can be told");

/* ---- listeners, as a table ---- */

static const struct listener_row {
    const char *label, *flag, *port;
    size_t option;  /* of a kis_str in kis_serve_options */
    bool is_needed; /* an address in use ends the start */
    bool has_tls, is_url;
    const char *path;
} listener_rows[KIS_LISTENERS] = {
    [KIS_LISTENER_QUERY] = { "page and query", "query", "16686", offsetof(kis_serve_options, query),
                             true, true, true, "" },
    [KIS_LISTENER_OTLP_GRPC] = { "OTLP/gRPC", "otlp-grpc", "4317",
                                 offsetof(kis_serve_options, otlp_grpc), true, true, false, "" },
    [KIS_LISTENER_OTLP_HTTP] = { "OTLP/HTTP", "otlp-http", "4318",
                                 offsetof(kis_serve_options, otlp_http), true, true, true, "" },
    [KIS_LISTENER_HEALTH] = { "health", "health", "13133", offsetof(kis_serve_options, health),
                              false, false, true, "" },
    [KIS_LISTENER_METRICS] = { "metrics", "metrics", "8888", offsetof(kis_serve_options, metrics),
                               false, false, true, "/metrics" },
};

static kis_str listener_option(const kis_serve *s, kis_listener_name name)
{
    kis_str text;
    memcpy(&text, (const char *)s->setup.options + listener_rows[name].option, sizeof(text));
    return text;
}

/* "ADDR:PORT" of a listener from its option, --listen and the usual port. ":PORT" and "PORT" name
 * no address: whoever only moves a port must not open it to other machines. */
static kis_str wanted_address(const kis_serve *s, kis_listener_name name, char room[128])
{
    kis_str option = listener_option(s, name), host = s->setup.options->listen;
    bool is_ipv6 = host.len && host.ptr[0] != '[' && kis_str_find_char(host, ':') != KIS_STR_NPOS;
    uint64_t number;
    bool is_port = kis_u64_parse(option, &number) == KIS_OK;

    if (option.len && option.ptr[0] != ':' && !is_port)
        return option;
    kis_str port = option.len ? kis_str_slice(option, !is_port, option.len)
                              : kis_str_from_c(listener_rows[name].port);
    return kis_str_of(room,
                      kis_fmt(room, 128, is_ipv6 ? "[" KIS_FMT "]:" KIS_FMT : KIS_FMT ":" KIS_FMT,
                              KIS_ARG(host), KIS_ARG(port)));
}

static bool budget_take(void *user, uint64_t bytes)
{
    return kis_budget_take(user, bytes);
}
static void budget_give_back(void *user, uint64_t bytes)
{
    kis_budget_give_back(user, bytes);
}

static kis_handler handler_of(kis_serve *s, kis_listener_name name)
{
    switch (name) {
    case KIS_LISTENER_QUERY:
        return kis_query_service_handler(&s->queries);
    case KIS_LISTENER_HEALTH:
        return kis_health_handler(&s->health);
    case KIS_LISTENER_METRICS:
        return kis_metrics_handler(&s->metrics);
    default:
        return kis_receiver_handler(s->receiver);
    }
}

/* The peer is quoted: lines that differ in it alone are of one kind to the log's limit. */
static void log_note(void *user, kis_str peer, const char *what)
{
    const listener_notes *notes = user;
    kis_log_write(notes->log, KIS_LOG_WARN, "%s: '" KIS_FMT "' was refused: %s", notes->label,
                  KIS_ARG(peer), what);
}

/* One kind for each status, whatever the sender's words are: they are a stranger's. */
static void log_refusal(void *user, bool is_grpc, int http_status, kis_str peer, kis_str what)
{
    kis_serve *s = user;
    kis_listener_name name = is_grpc ? KIS_LISTENER_OTLP_GRPC : KIS_LISTENER_OTLP_HTTP;
    const char *label = listener_rows[name].label;
    char kind[32];
    size_t len = kis_fmt(kind, sizeof(kind), "%s %d", label, http_status);

    kis_log_write_kind(s->setup.log, KIS_LOG_WARN, kis_str_of(kind, len),
                       http_status == 200 ? "%s: '" KIS_FMT "': " KIS_FMT
                                          : "%s: '" KIS_FMT "' was refused: " KIS_FMT,
                       label, KIS_ARG(peer), KIS_ARG(what));
}

static bool is_open_to_others(const kis_serve *s, kis_listener_name name)
{
    kis_str address = kis_str_from_c(s->addresses[name]);
    bool asks_certificates = listener_rows[name].has_tls && s->setup.options->tls_client_ca.len;

    return address.len && !kis_str_starts(address, KIS_STR("unix:")) &&
           !kis_host_is_loopback(kis_host_of_address(address)) && !asks_certificates;
}

/* One line for all of them: five say no more than one. */
static void warn_of_open_listeners(kis_serve *s)
{
    char room[512];
    kis_buf names;
    bool may_ask = false;

    kis_buf_init_fixed(&names, room, sizeof(room) - 1);
    for (int i = 0; i < KIS_LISTENERS; i++)
        if (is_open_to_others(s, (kis_listener_name)i)) {
            kis_buf_add_fmt(&names, "%s%s %s", names.len ? ", " : "", listener_rows[i].label,
                            s->addresses[i]);
            may_ask |= listener_rows[i].has_tls;
        }
    room[names.len] = '\0';
    if (names.len)
        kis_log_always(s->setup.log, KIS_LOG_WARN,
                       "open to other machines, and nobody is asked who they are: %s%s", room,
                       may_ask ? " (--tls-client-ca asks for certificates)" : "");
}

static kis_err try_ports(kis_serve *s, kis_diag *diag)
{
    for (int i = 0; i < KIS_LISTENERS; i++) {
        kis_listener_name name = (kis_listener_name)i;
        s->ports[i] = (kis_port){ .label = listener_rows[i].label,
                                  .flag = listener_rows[i].flag,
                                  .address = wanted_address(s, name, s->wanted[i]),
                                  .is_told = listener_option(s, name).len > 0,
                                  .is_needed = listener_rows[i].is_needed };
    }
    return kis_ports_try(s->ports, KIS_LISTENERS, diag);
}

static kis_err listen_one(kis_serve *s, kis_listener_name name, kis_diag *diag)
{
    kis_str address = s->ports[name].address;
    bool is_ingest = name == KIS_LISTENER_OTLP_GRPC || name == KIS_LISTENER_OTLP_HTTP;

    s->notes[name] = (listener_notes){ s->setup.log, listener_rows[name].label };
    kis_listener_options options = {
        .address = address,
        .handler = handler_of(s, name),
        .tls = listener_rows[name].has_tls ? s->tls : NULL,
        .allow_http1 = true,
        .allow_http2 = true,
        .on_note = log_note,
        .note_user = &s->notes[name],
    };

    if (kis_str_eq(address, KIS_STR("off")))
        return KIS_OK;
    if (is_ingest)
        options.budget = (kis_net_budget){ budget_take, budget_give_back, &s->budget };
    kis_err err = kis_server_listen(s->server, &options, s->addresses[name], diag);
    if (!err) {
        if (name == KIS_LISTENER_QUERY)
            s->queries.hosts.listen_host = kis_host_of_address(kis_str_from_c(s->addresses[name]));
        return KIS_OK;
    }
    s->addresses[name][0] = '\0';
    err = kis_port_explain(&s->ports[name], err, diag);
    if (listener_rows[name].is_needed)
        return err;
    kis_log_always(s->setup.log, KIS_LOG_WARN, "%s; going on without it", diag->text);
    return KIS_OK;
}

/* ---- parts ---- */

static void store_log(void *user, int level, const char *text)
{
    kis_log_write(user, (kis_log_level)KIS_MAX(0, KIS_MIN(level, 3)), "store: %s", text);
}

/* Spans that a start finds in the log were not lost by the end before it: good to read after a
 * crash, and what a long start was about. */
static void log_replay(const kis_serve *s)
{
    unsigned long long spans = kis_store_get_stats(s->store).replayed_spans;

    if (spans)
        kis_log_always(s->setup.log, KIS_LOG_INFO, "%llu span%s read back from the log", spans,
                       KIS_PLURAL(spans));
}

static kis_err open_store(kis_serve *s, kis_diag *diag)
{
    const kis_serve_options *o = s->setup.options;
    kis_store_options options = {
        .os = s->setup.os,
        .alloc = s->setup.alloc,
        .dir = o->data,
        .keep_ns = o->keep_ns,
        .keep_bytes = o->keep_bytes,
        .head_bytes = o->head_bytes,
        .flush_after_ns = o->flush_after_ns,
        .log = store_log,
        .log_user = s->setup.log,
    };

    if (o->memory)
        return kis_store_open_memory(s->setup.alloc, s->setup.os,
                                     o->keep_bytes ? o->keep_bytes : MEMORY_STORE_BYTES, &s->store,
                                     diag);
    kis_err err = kis_store_open(&options, &s->store, diag);
    if (!err)
        log_replay(s);
    return err;
}

/* A start that the ports end makes no directory. One that is there already is opened all the same,
 * to learn whether another server has it: with both taken it is the directory that is named, for
 * who only moves the ports would learn of it next. */
static kis_err open_store_for_ports(kis_serve *s, kis_diag *diag)
{
    const kis_serve_options *o = s->setup.options;
    kis_diag of_ports = { 0 }, nothing;

    kis_err err = try_ports(s, &of_ports);
    if (err && (o->memory || kis_folder_read_version(s->setup.os, o->data, &nothing) != KIS_OK)) {
        *diag = of_ports;
        return err;
    }
    kis_err of_store = open_store(s, diag);
    if (err && !of_store)
        *diag = of_ports;
    return of_store ? of_store : err;
}

static void run_loop(void *user)
{
    kis_loop_run(((loop_thread *)user)->loop);
}

static kis_err start_loops(kis_serve *s, kis_diag *diag)
{
    size_t wanted = s->setup.options->cores ? s->setup.options->cores : kis_cpu_count();

    for (wanted = KIS_MIN(wanted, (size_t)KIS_RECEIVE_LOOPS_MAX); s->loop_count < wanted;
         s->loop_count++) {
        loop_thread *t = &s->loops[s->loop_count];
        char name[16];
        kis_err err = kis_loop_new(s->setup.alloc, &t->loop, diag);
        if (err)
            return err;
        kis_fmt(name, sizeof(name), "kis-loop-%u", (unsigned)s->loop_count);
        err = kis_thread_start(&t->thread, name, run_loop, t, diag);
        if (err) {
            kis_loop_free(t->loop);
            return err;
        }
        /* a loop that does not run is taken for the caller's own to touch */
        while (!kis_loop_is_running(t->loop))
            sched_yield();
    }
    return KIS_OK;
}

/* A bound that is half of another is not seen by who gives one of them. */
static void warn_of_small_memory(const kis_serve *s)
{
    const kis_serve_options *o = s->setup.options;
    uint64_t max_bytes = kis_receiver_request_bytes_max(s->receiver);
    char limit[KIS_NUM_TEXT_MAX], asked[KIS_NUM_TEXT_MAX], got[KIS_NUM_TEXT_MAX];

    if (max_bytes >= o->max_request_bytes)
        return;
    kis_str limit_text = { limit, kis_size_format(o->memory_limit, limit) },
            asked_text = { asked, kis_size_format(o->max_request_bytes, asked) },
            got_text = { got, kis_size_format(max_bytes, got) };
    kis_log_always(s->setup.log, KIS_LOG_WARN,
                   "--memory-limit: " KIS_FMT " has room for requests of " KIS_FMT
                   ", not of " KIS_FMT " (--max-request-bytes): larger ones are refused",
                   KIS_ARG(limit_text), KIS_ARG(got_text), KIS_ARG(asked_text));
}

static kis_err start_receiver(kis_serve *s, kis_diag *diag)
{
    const kis_serve_options *o = s->setup.options;

    s->budget.max_bytes = o->memory_limit;
    if (!kis_host_names_split(o->allow_origin, s->origins, &s->origin_count))
        return kis_diag_set(diag, KIS_ERR_LIMIT, "--allow-origin: too many origins");
    kis_receive_options options = {
        .sink = kis_store_sink(s->store),
        .budget = &s->budget,
        .max_request_bytes = o->max_request_bytes,
        .allowed_origins = s->origins,
        .allowed_origin_count = s->origin_count,
        .page = s->page,
        .on_refusal = log_refusal,
        .refusal_user = s,
        .os = s->setup.os,
        .alloc = s->setup.alloc,
    };
    kis_err err = kis_receiver_new(&options, &s->receiver);
    if (err)
        return kis_diag_set(diag, err, "the receiver: %s", kis_err_text(err));
    warn_of_small_memory(s);
    return KIS_OK;
}

static kis_err start_tls(kis_serve *s, kis_diag *diag)
{
    const kis_serve_options *o = s->setup.options;
    kis_tls_server_options options = { o->tls_cert, o->tls_key, o->tls_client_ca };

    return o->tls_cert.len ? kis_tls_server_new(&options, &s->tls, diag) : KIS_OK;
}

static kis_str store_notice(void *user)
{
    kis_serve *s = user;
    kis_store_stats stats = kis_store_get_stats(s->store);

    if (stats.is_disk_full)
        return KIS_STR("The disk is nearly full: new spans are refused until there is room "
                       "(senders are told to try again).");
    if (stats.is_write_failing && stats.write_err == KIS_ERR_FULL)
        return KIS_STR("No space is left on the disk: new spans are refused until there is room "
                       "(senders are told to try again).");
    if (stats.is_write_failing)
        return KIS_STR("The log cannot be written: new spans are refused until it can (senders are "
                       "told to try again). The server's own log says why.");
    if (stats.is_flush_failing)
        return KIS_STR("Spans in memory cannot be written out: they are safe in the log, but new "
                       "ones are refused once memory is full. The server's own log says why.");
    return KIS_STR_NONE;
}

static kis_err start_queries(kis_serve *s, kis_diag *diag)
{
    kis_query_service *q = &s->queries;

    q->reader = kis_store_reader(s->store);
    q->facts = &s->facts;
    q->alloc = s->setup.alloc;
    q->ui = s->setup.ui;
    q->log = s->setup.log;
    q->notice = store_notice;
    q->notice_user = s;
    if (!kis_host_names_split(s->setup.options->allow_host, q->hosts.hosts, &q->hosts.host_count))
        return kis_diag_set(diag, KIS_ERR_LIMIT, "--allow-host: too many names");
    memcpy(q->hosts.origins, s->origins, sizeof(s->origins));
    q->hosts.origin_count = s->origin_count;
    return kis_query_service_start(
        q, s->setup.options->query_threads ? s->setup.options->query_threads : 4, diag);
}

static void collect_metrics(void *user, kis_metrics *out)
{
    kis_serve *s = user;

    out->http = kis_receiver_get_stats(s->receiver, false);
    out->grpc = kis_receiver_get_stats(s->receiver, true);
    out->store = kis_store_get_stats(s->store);
    out->server = kis_server_get_stats(s->server);
    out->process = kis_process_get_stats();
    out->memory = kis_mem_get_stats();
    out->uptime_ns = kis_now_ns() - s->health.up_since_ns;
    out->budget_max_bytes = s->budget.max_bytes;
    out->budget_used_bytes = atomic_load(&s->budget.used_bytes);
    out->budget_refusals = atomic_load(&s->budget.refusals);
    out->queries = atomic_load(&s->queries.queries);
    out->queries_refused = atomic_load(&s->queries.refused);
    out->queries_running = atomic_load(&s->queries.running);
    kis_lock_take(&s->setup.log->lock);
    out->log_lines_lost = s->setup.log->lost_lines;
    kis_lock_give(&s->setup.log->lock);
}

static kis_err start_server(kis_serve *s, kis_diag *diag)
{
    kis_loop *loops[KIS_RECEIVE_LOOPS_MAX];

    for (size_t i = 0; i < s->loop_count; i++)
        loops[i] = s->loops[i].loop;
    kis_err err = kis_server_new(loops, s->loop_count, s->setup.alloc, &s->server, diag);
    s->metrics = (kis_metrics_source){ collect_metrics, s, s->setup.alloc, &s->queries.hosts };
    for (int name = 0; name < KIS_LISTENERS && !err; name++)
        err = listen_one(s, (kis_listener_name)name, diag);
    if (!err)
        warn_of_open_listeners(s);
    return err;
}

/* ---- words ---- */

const char *kis_serve_address(const kis_serve *serve, kis_listener_name name)
{
    return serve->addresses[name];
}

static void put_promise(const kis_serve *s, kis_buf *out)
{
    const kis_serve_options *o = s->setup.options;
    char keep[KIS_NUM_TEXT_MAX], bytes[KIS_NUM_TEXT_MAX];

    if (o->memory) {
        kis_str size = { bytes, kis_size_format(o->keep_bytes ? o->keep_bytes : MEMORY_STORE_BYTES,
                                                bytes) };
        kis_buf_add_fmt(out, "keeps " KIS_FMT "; spans end with the program", KIS_ARG(size));
        return;
    }
    uint64_t limit = kis_store_get_stats(s->store).disk_limit_bytes;
    kis_str age = { keep, kis_duration_format(o->keep_ns, keep) },
            size = { bytes, kis_size_format(limit, bytes) };
    kis_buf_add_fmt(out, "keeps " KIS_FMT " or " KIS_FMT "; OTLP answers are durable", KIS_ARG(age),
                    KIS_ARG(size));
}

static bool is_on_every_address(kis_str host)
{
    return kis_str_eq(host, KIS_STR("0.0.0.0")) || kis_str_eq(host, KIS_STR("::"));
}

/* As it is printed. The page's is clicked: 0.0.0.0 and [::] are addresses to listen on, not to go
 * to. */
static void put_address(const kis_serve *s, kis_listener_name name, kis_buf *out)
{
    const struct listener_row *row = &listener_rows[name];
    kis_str address = kis_str_from_c(s->addresses[name]), host = kis_host_of_address(address);
    size_t port = host.len + (address.ptr[0] == '[' ? 2 : 0);

    if (kis_str_starts(address, KIS_STR("unix:"))) { /* no URL says more */
        kis_buf_add_str(out, address);
        return;
    }
    if (row->is_url)
        kis_buf_add_str(out, row->has_tls && s->tls ? KIS_STR("https://") : KIS_STR("http://"));
    if (name == KIS_LISTENER_QUERY && is_on_every_address(host)) {
        kis_buf_add_str(out, KIS_STR("127.0.0.1"));
        address = kis_str_slice(address, port, address.len);
    }
    kis_buf_add_str(out, address);
    kis_buf_add_str(out, kis_str_from_c(row->path));
}

static void collect_facts(kis_serve *s)
{
    kis_server_facts *facts = &s->facts;
    kis_buf text;

    for (int i = 0; i < KIS_LISTENERS; i++) {
        if (!s->addresses[i][0])
            continue;
        size_t at = facts->listener_count++;
        facts->listeners[at].label = listener_rows[i].label;
        facts->listeners[at].has_tls = listener_rows[i].has_tls && s->tls;
        kis_buf_init_fixed(&text, facts->listeners[at].address,
                           sizeof(facts->listeners[at].address) - 1); /* the NUL is there */
        put_address(s, (kis_listener_name)i, &text);
        if (i == KIS_LISTENER_QUERY)
            kis_fmt(s->page, sizeof(s->page), "%s", facts->listeners[at].address);
    }
    kis_buf_init_fixed(&text, facts->promise, sizeof(facts->promise) - 1);
    put_promise(s, &text);
}

static void put_data_line(const kis_serve *s, kis_buf *out)
{
    kis_buf_add_fmt(out, "  %-16s ", "data");
    kis_buf_add_str(out, s->setup.options->memory ? KIS_STR("memory") : s->setup.options->data);
    kis_buf_add_fmt(out, "  (%s)\n", s->facts.promise);
}

static void put_listener_line(const kis_serve *s, size_t at, kis_buf *out)
{
    kis_str page = kis_str_from_c(s->addresses[KIS_LISTENER_QUERY]);
    const char *label = s->facts.listeners[at].label;
    bool is_page = label == listener_rows[KIS_LISTENER_QUERY].label;

    kis_buf_add_fmt(out, "  %-16s %s%s\n", label, s->facts.listeners[at].address,
                    is_page && is_on_every_address(kis_host_of_address(page))
                        ? "  (and on this machine's other addresses)"
                        : "");
}

void kis_serve_ready_lines(const kis_serve *s, kis_buf *out)
{
    kis_buf_add_fmt(out, "kiseki %s\n", KIS_VERSION);
    for (size_t i = 0; i < s->facts.listener_count; i++)
        put_listener_line(s, i, out);
    put_data_line(s, out);
    kis_buf_add_str(out, KIS_STR("ready\n"));
}

/* ---- the start ---- */

kis_err kis_serve_start(const kis_serve_setup *setup, kis_serve **out, kis_diag *diag)
{
    kis_diag own;
    kis_serve *s = setup->alloc->take(setup->alloc->user, sizeof(*s));

    if (!diag)
        diag = &own;
    if (!s)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for the server");
    memset(s, 0, sizeof(*s));
    s->setup = *setup;
    s->health.rules = &s->queries.hosts;
    s->health.up_since_ns = kis_now_ns();
    s->health.up_since_unix_ns = kis_now_unix_ns();
    kis_err err = start_tls(s, diag);
    if (!err)
        err = open_store_for_ports(s, diag);
    if (!err)
        err = start_loops(s, diag);
    if (!err)
        err = start_receiver(s, diag);
    if (!err)
        err = start_queries(s, diag);
    if (!err)
        err = start_server(s, diag);
    if (err) {
        kis_serve_stop(s, kis_now_ns(), &(kis_serve_rest){ 0 });
        return err;
    }
    s->is_accepting = true;
    collect_facts(s);
    kis_server_start(s->server);
    atomic_store(&s->health.is_available, true);
    *out = s;
    return KIS_OK;
}

/* ---- the end ---- */

static void stop_loops(kis_serve *s)
{
    for (size_t i = 0; i < s->loop_count; i++)
        kis_loop_stop(s->loops[i].loop);
    for (size_t i = 0; i < s->loop_count; i++)
        kis_thread_join(&s->loops[i].thread);
}

/* What is cut when its time is over counts as cut until it has ended. */
static void stop_queries(kis_serve *s, kis_serve_rest *rest)
{
    rest->queries_cut = atomic_load(&s->queries.running);
    rest->queries_cut = kis_query_service_stop(&s->queries);
}

static void flush_store(kis_serve *s, uint64_t deadline_ns, kis_serve_rest *rest)
{
    uint64_t flush_deadline_ns = KIS_MAX(deadline_ns, kis_now_ns() + STOP_FLUSH_MIN_NS);

    if (kis_sink_flush(kis_store_sink(s->store), flush_deadline_ns) != KIS_OK)
        rest->bytes_unanswered = kis_store_get_stats(s->store).pending_bytes;
}

void kis_serve_stop(kis_serve *s, uint64_t deadline_ns, kis_serve_rest *rest)
{
    atomic_store(&s->health.is_available, false);
    if (s->server && s->is_accepting)
        rest->requests_cut = kis_server_stop(s->server, deadline_ns);
    stop_queries(s, rest);
    if (s->receiver && s->is_accepting)
        flush_store(s, deadline_ns, rest);
    if (s->store)
        kis_store_close(s->store); /* after it no `done` comes any more */
    kis_receiver_free(s->receiver);
    stop_loops(s);
    kis_server_free(s->server);
    for (size_t i = 0; i < s->loop_count; i++)
        kis_loop_free(s->loops[i].loop);
    kis_tls_server_free(s->tls);
    s->setup.alloc->give_back(s->setup.alloc->user, s, sizeof(*s));
}
