/* options.c - see options.h. */
#include "serve/options.h"

#include <stdlib.h>

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "receive/receive.h"
#include "serve/host_check.h"
#include "store/store.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number)  TEXT_OF_(number)

#define ROW(flag, env, kind, field, fallback, min, max, choices, help)                          \
    {                                                                                           \
        flag, "KISEKI_" env, KIS_OPT_##kind, offsetof(kis_serve_options, field), fallback, min, \
            max, choices, help                                                                  \
    }

const kis_option kis_serve_option_rows[] = {
    ROW("data", "DATA", TEXT, data, NULL, NULL, NULL, "DIR",
        "Where spans are kept. Default: $XDG_DATA_HOME/kiseki, or ~/.local/share/kiseki."),
    ROW("memory", "MEMORY", BOOL, memory, NULL, NULL, NULL, NULL,
        "Keep spans in memory only; --keep-bytes bounds it (256 MiB unless said)."),
    ROW("listen", "LISTEN", TEXT, listen, "127.0.0.1", NULL, NULL, "ADDR",
        "The address of all listeners that name none; 0.0.0.0 opens them to other machines."),
    ROW("otlp-grpc", "OTLP_GRPC", TEXT, otlp_grpc, NULL, NULL, NULL, "ADDR:PORT",
        "OTLP over gRPC; unix:/PATH for a socket, here and below, or off. Default: port 4317."),
    ROW("otlp-http", "OTLP_HTTP", TEXT, otlp_http, NULL, NULL, NULL, "ADDR:PORT",
        "OTLP over HTTP, or off. Default: port 4318."),
    ROW("query", "QUERY", TEXT, query, NULL, NULL, NULL, "ADDR:PORT",
        "Page and query API, or off. Default: port 16686."),
    ROW("health", "HEALTH", TEXT, health, NULL, NULL, NULL, "ADDR:PORT",
        "Health for probes, or off. Default: port 13133."),
    ROW("metrics", "METRICS", TEXT, metrics, NULL, NULL, NULL, "ADDR:PORT",
        "Own metrics for Prometheus, or off. Default: port 8888."),
    ROW("keep", "KEEP", DURATION, keep_ns, "72h", "1m", "3650d", "TIME",
        "How long spans are kept, counted from their arrival."),
    ROW("keep-bytes", "KEEP_BYTES", SIZE, keep_bytes, "0", NULL, NULL, "SIZE",
        "Bound of the data directory, at least 12 MiB; the oldest spans go first. 0: the smaller "
        "of 10 GiB and a fifth of the free disk."),
    ROW("head-bytes", "HEAD_BYTES", SIZE, head_bytes, "0", NULL, "4GiB", "SIZE",
        "Memory of the newest spans before they are written to a file. 0: 48 MiB."),
    ROW("flush-after", "FLUSH_AFTER", DURATION, flush_after_ns, "5m", "1s", "24h", "TIME",
        "Spans that have been in memory (and in the log) so long are written to a file though it "
        "is not full."),
    ROW("memory-limit", "MEMORY_LIMIT", SIZE, memory_limit, "144MiB", "1MiB", "64GiB", "SIZE",
        "Memory of all requests at work together; more is answered 503 / UNAVAILABLE, and a "
        "request "
        "that has no room alone 413 / RESOURCE_EXHAUSTED (its body may have half)."),
    ROW("max-request-bytes", "MAX_REQUEST_BYTES", SIZE, max_request_bytes, "64MiB", "1KiB", "1GiB",
        "SIZE", "Largest request, before and after decompression; a larger one is answered 413."),
    ROW("allow-host", "ALLOW_HOST", TEXT, allow_host, NULL, NULL, NULL, "NAME,...",
        "Names under which the page may be asked, beside localhost and addresses; .example.com "
        "allows all below, * any."),
    ROW("allow-origin", "ALLOW_ORIGIN", TEXT, allow_origin, NULL, NULL, NULL, "ORIGIN,...",
        "Origins whose pages may send spans and ask; https://*.example.com, or *."),
    ROW("tls-cert", "TLS_CERT", TEXT, tls_cert, NULL, NULL, NULL, "FILE",
        "Certificate chain (PEM) of the OTLP and query listeners: they speak TLS then."),
    ROW("tls-key", "TLS_KEY", TEXT, tls_key, NULL, NULL, NULL, "FILE",
        "Private key (PEM) of --tls-cert."),
    ROW("tls-client-ca", "TLS_CLIENT_CA", TEXT, tls_client_ca, NULL, NULL, NULL, "FILE",
        "Clients must show a certificate of this authority (PEM)."),
    ROW("log-level", "LOG_LEVEL", CHOICE, log_level, "info", NULL, NULL, "debug|info|warn|error",
        "What is logged to stderr."),
    ROW("log-format", "LOG_FORMAT", CHOICE, log_format, "text", NULL, NULL, "text|json",
        "How it is logged."),
    ROW("stop-timeout", "STOP_TIMEOUT", DURATION, stop_timeout_ns, "10s", "0s", "1h", "TIME",
        "After SIGTERM: how long requests at work and spans not yet stored may take."),
    ROW("cores", "CORES", U32, cores, "0", NULL, TEXT_OF(KIS_RECEIVE_LOOPS_MAX), "N",
        "Threads that read and decode. 0: one a core."),
    ROW("query-threads", "QUERY_THREADS", U32, query_threads, "4", "1", "16", "N",
        "Queries answered at once; further ones wait, too many are answered 503."),
};
const size_t kis_serve_option_count = KIS_COUNT_OF(kis_serve_option_rows);

/* "ADDR:PORT", "[ADDR]:PORT", ":PORT", "PORT", "unix:/PATH" or "off". What ADDR names is found
 * out when it is bound. An empty text is a script's variable that was not set; only none at all
 * is the default. */
static bool is_address(kis_str text)
{
    uint64_t port;
    size_t colon = text.len;

    if (!text.ptr || kis_str_eq(text, KIS_STR("off")) ||
        (kis_str_starts(text, KIS_STR("unix:")) && text.len > 5))
        return true;
    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    if (kis_u64_parse(kis_str_slice(text, colon, text.len), &port) || port > 65535)
        return false;
    if (colon == 0)
        return true;
    kis_str host = kis_str_slice(text, 0, colon - 1);
    bool has_bracket = host.len && host.ptr[0] == '[';
    if (has_bracket != (kis_str_find_char(host, ':') != KIS_STR_NPOS) ||
        has_bracket != kis_str_ends(host, KIS_STR("]")))
        return false;
    return kis_str_find_char(host, ' ') == KIS_STR_NPOS &&
           kis_str_find_char(host, '/') == KIS_STR_NPOS;
}

/* A host alone: a name, an IPv4 address, an IPv6 address with or without brackets. */
static bool is_host(kis_str text)
{
    size_t colon = kis_str_find_char(text, ':');
    bool is_ipv6 = colon != KIS_STR_NPOS &&
                   kis_str_find_char(kis_str_slice(text, colon + 1, text.len), ':') != KIS_STR_NPOS;
    return kis_str_find_char(text, ' ') == KIS_STR_NPOS && (colon == KIS_STR_NPOS || is_ipv6);
}

/* "--query" or "KISEKI_QUERY": a text that came from the environment still lies there. */
static const char *source_of(const char *flag, kis_str value, char room[32])
{
    const kis_option *row =
        kis_option_find(kis_serve_option_rows, kis_serve_option_count, kis_str_from_c(flag));

    if (row && getenv(row->env) == value.ptr)
        return row->env;
    kis_fmt(room, 32, "--%s", flag);
    return room;
}

static kis_err check_addresses(const kis_serve_options *o, kis_diag *diag)
{
    const struct {
        const char *flag;
        kis_str address;
    } rows[] = { { "otlp-grpc", o->otlp_grpc },
                 { "otlp-http", o->otlp_http },
                 { "query", o->query },
                 { "health", o->health },
                 { "metrics", o->metrics } };
    char room[32];

    if (!is_host(o->listen))
        return kis_diag_set(
            diag, KIS_ERR_SYNTAX,
            "%s: '" KIS_FMT "' is not an address; want one without a port, such as 0.0.0.0",
            source_of("listen", o->listen, room), KIS_ARG(kis_str_slice(o->listen, 0, 64)));
    for (size_t i = 0; i < KIS_COUNT_OF(rows); i++)
        if (!is_address(rows[i].address))
            return kis_diag_set(diag, KIS_ERR_SYNTAX,
                                "%s: '" KIS_FMT
                                "' is not an address; want ADDR:PORT, :PORT, [ADDR]:PORT, "
                                "unix:/PATH or off",
                                source_of(rows[i].flag, rows[i].address, room),
                                KIS_ARG(kis_str_slice(rows[i].address, 0, 64)));
    return KIS_OK;
}

/* With less than that nothing stays: each file would be removed as soon as it is written. */
static kis_err check_keep_bytes(const kis_serve_options *o, kis_diag *diag)
{
    uint64_t least = o->memory ? KIS_STORE_MEMORY_BYTES_MIN : KIS_STORE_KEEP_BYTES_MIN;
    char got[KIS_NUM_TEXT_MAX], want[KIS_NUM_TEXT_MAX];

    if (!o->keep_bytes || o->keep_bytes >= least)
        return KIS_OK;
    kis_str got_text = { got, kis_size_format(o->keep_bytes, got) },
            want_text = { want, kis_size_format(least, want) };
    return kis_diag_set(diag, KIS_ERR_RANGE,
                        "--keep-bytes: " KIS_FMT " is too little for anything to stay; want at "
                        "least " KIS_FMT ", or 0 for the default",
                        KIS_ARG(got_text), KIS_ARG(want_text));
}

/* A rule that no request can fit is a mistake that is noticed only by what does not work. */
static kis_err check_rules(const char *flag, kis_str list, bool (*is_usable)(kis_str),
                           const char *want, kis_diag *diag)
{
    kis_str rules[KIS_HOST_NAMES_MAX];
    size_t count;
    char room[32];

    if (!kis_host_names_split(list, rules, &count))
        return kis_diag_set(diag, KIS_ERR_LIMIT, "%s: more than %d of them",
                            source_of(flag, list, room), KIS_HOST_NAMES_MAX);
    for (size_t i = 0; i < count; i++)
        if (!is_usable(rules[i]))
            return kis_diag_set(diag, KIS_ERR_SYNTAX, "%s: '" KIS_FMT "' can never fit; want %s",
                                source_of(flag, list, room),
                                KIS_ARG(kis_str_slice(rules[i], 0, 64)), want);
    return KIS_OK;
}

static bool is_off(kis_str address)
{
    return kis_str_eq(address, KIS_STR("off"));
}

kis_err kis_serve_options_check(const kis_serve_options *o, kis_diag *diag)
{
    kis_err err = check_addresses(o, diag);
    if (err)
        return err;
    if (is_off(o->query) && is_off(o->otlp_grpc) && is_off(o->otlp_http) && is_off(o->health) &&
        is_off(o->metrics))
        return kis_diag_set(diag, KIS_ERR_RANGE,
                            "every listener is off: nobody could send spans or ask for them");
    if (o->data.ptr && !o->data.len)
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "--data: the name of the directory is empty");
    err = check_keep_bytes(o, diag);
    if (err)
        return err;
    if (o->memory && o->data.len)
        return kis_diag_set(diag, KIS_ERR_RANGE, "--memory and --data exclude each other");
    if ((o->tls_cert.len == 0) != (o->tls_key.len == 0))
        return kis_diag_set(diag, KIS_ERR_RANGE, "--tls-cert and --tls-key go together");
    if (o->tls_client_ca.len && !o->tls_cert.len)
        return kis_diag_set(diag, KIS_ERR_RANGE, "--tls-client-ca needs --tls-cert and --tls-key");
    err = check_rules("allow-host", o->allow_host, kis_host_rule_is_usable,
                      "a name such as example.com, .example.com for all below it, or *", diag);
    if (err)
        return err;
    return check_rules("allow-origin", o->allow_origin, kis_origin_rule_is_usable,
                       "scheme and name, such as https://example.com, https://*.example.com or *",
                       diag);
}
