/* exporters.c - from options to sinks: which senders, with which endpoint, headers and limits.
 *
 * The endpoint (specification, protocol/exporter.md): OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, and
 * what the program says, are used as they stand; to OTEL_EXPORTER_OTLP_ENDPOINT "v1/traces" is
 * added, but not for gRPC. Opened at start, so that a wrong name is told at once, and again in
 * a forked child.
 */
#include "native/native.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fmt.h"
#include "http/url.h"
#include "os/mem.h"

#define HEADERS_MAX       32
#define HEADERS_BYTES_MAX (KIS_HTTP_HEADER_BYTES_MAX - 1024) /* the rest is for the client's own */

typedef enum exporter_kind {
    EXPORT_NONE,
    EXPORT_OTLP,
    EXPORT_CONSOLE,
    EXPORT_MEMORY,
    EXPORT_FILE
} exporter_kind;

static bool exporter_named(kis_str name, exporter_kind *out)
{
    static const struct {
        const char *name;
        exporter_kind kind;
    } names[] = {
        { "none", EXPORT_NONE },       { "otlp", EXPORT_OTLP },     { "console", EXPORT_CONSOLE },
        { "logging", EXPORT_CONSOLE }, { "memory", EXPORT_MEMORY }, { "file", EXPORT_FILE },
    };
    for (size_t i = 0; i < KIS_COUNT_OF(names); i++)
        if (kis_str_eq(name, kis_str_from_c(names[i].name))) {
            *out = names[i].kind;
            return true;
        }
    return false;
}

bool kis_native_has_exporter(const kis_native *native)
{
    kis_str rest = native->options.exporter;
    exporter_kind kind;

    if (native->options.user_exporter)
        return true;
    while (rest.len)
        if (exporter_named(kis_str_trim(kis_str_cut(&rest, ',')), &kind) && kind != EXPORT_NONE)
            return true;
    return false;
}

/* ---- OTLP ---- */

/* The variable that a text comes from which has two; NULL: the code. */
static const char *source_of(const kis_native *native, kis_str given, const char *own,
                             const char *common)
{
    return given.len ? NULL : kis_sdk_option_env(own, &native->host).len ? own : common;
}

static bool is_grpc(const kis_native *native)
{
    return kis_str_eq(native->options.otlp_protocol, KIS_STR("grpc"));
}

#define TRACES_ENDPOINT "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
#define COMMON_ENDPOINT "OTEL_EXPORTER_OTLP_ENDPOINT"

/* Why an exporter could not be made, where that is the environment's doing. */
typedef struct culprit {
    const char *variable; /* NULL: something else, or the code */
    const char *wanted;   /* "; want ..." */
} culprit;

#define ENDPOINT_BYTES_MAX 2000 /* what is added to it not counted */

typedef struct endpoint {
    const char *variable; /* NULL: the code */
    kis_str text;         /* as it was written, without blanks around it; empty: the default */
} endpoint;

static endpoint endpoint_given(const kis_native *native)
{
    kis_str given = kis_str_trim(native->options.otlp_endpoint);
    const char *variable = source_of(native, given, TRACES_ENDPOINT, COMMON_ENDPOINT);

    return (endpoint){ variable, variable ? kis_sdk_option_env(variable, &native->host) : given };
}

static bool has_scheme(kis_str text)
{
    return kis_str_find(text, KIS_STR("://")) != KIS_STR_NPOS ||
           kis_str_starts(text, KIS_STR("unix:"));
}

static bool is_secure(const kis_native *native, kis_str endpoint)
{
    kis_url url;

    if (!has_scheme(endpoint))
        return !native->options.otlp_insecure;
    return kis_url_parse(endpoint, &url, NULL) == KIS_OK && url.is_tls;
}

/* What was written, before anything is added to it, is what an error quotes; not a password.
 * gRPC may go without a scheme. */
static kis_err check_endpoint(const kis_native *native, endpoint e, kis_diag *diag)
{
    char room[ENDPOINT_BYTES_MAX + 16];
    kis_str text = e.text;
    kis_err err = KIS_OK;
    kis_url url;

    if (text.len > ENDPOINT_BYTES_MAX)
        err = kis_diag_set(diag, KIS_ERR_LIMIT, "a URL of more than %d bytes", ENDPOINT_BYTES_MAX);
    else if (text.len && !has_scheme(text) && !is_grpc(native))
        err = kis_diag_set(diag, KIS_ERR_SYNTAX,
                           "'" KIS_FMT "' has no scheme; did you mean http://" KIS_FMT "?",
                           KIS_ARG(text), KIS_ARG(text));
    else if (text.len && !has_scheme(text))
        err = kis_url_parse(
            kis_str_of(room, kis_fmt(room, sizeof(room), "http://" KIS_FMT, KIS_ARG(text))), &url,
            diag);
    else if (text.len)
        err = kis_url_parse(text, &url, diag);
    if (err && kis_str_find_char(text, '@') != KIS_STR_NPOS)
        err = kis_diag_set(diag, err,
                           "a URL (not shown: it may hold a password) that cannot be used; put "
                           "credentials into headers");
    return err ? kis_diag_in(diag, err, "%s", e.variable ? e.variable : "otlp_endpoint") : KIS_OK;
}

static kis_str endpoint_of(const kis_native *native, endpoint e, char *room, size_t size)
{
    bool has_slash;

    if (!e.text.len)
        return is_grpc(native) ? KIS_STR("http://localhost:4317")
                               : KIS_STR("http://localhost:4318/v1/traces");
    if (is_grpc(native) || !e.variable || strcmp(e.variable, COMMON_ENDPOINT) != 0 ||
        kis_str_starts(e.text, KIS_STR("unix:"))) /* whose path is the socket's */
        return e.text;
    has_slash = e.text.ptr[e.text.len - 1] == '/';
    return kis_str_of(
        room, kis_fmt(room, size, KIS_FMT "%sv1/traces", KIS_ARG(e.text), has_slash ? "" : "/"));
}

/* Who gives a certificate of its own wants to be known by it, and without TLS nobody is. */
static void warn_unused_identity(kis_native *native, bool is_tls)
{
    const kis_sdk_options *o = &native->options;
    bool is_cert = o->otlp_cert_file.len != 0;
    kis_str file = is_cert ? o->otlp_cert_file : o->otlp_key_file;
    const char *variable = is_cert ? source_of(native, native->given.otlp_cert_file,
                                               "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
                                               "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
                                   : source_of(native, native->given.otlp_key_file,
                                               "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
                                               "OTEL_EXPORTER_OTLP_CLIENT_KEY");
    char text[512];

    if (is_tls || !file.len || native->is_child)
        return;
    kis_fmt(text, sizeof(text), "%s: '" KIS_FMT "' is not used, the endpoint goes without TLS",
            variable  ? variable
            : is_cert ? "otlp_cert_file"
                      : "otlp_key_file",
            KIS_ARG(file));
    kis_native_say(native, KIS_LOG_WARN, text);
}

/* The variable of the file that TLS could not use; NULL: it was something else, or the code. */
static const char *tls_culprit(const kis_native *native, const kis_diag *diag)
{
    const kis_sdk_options *given = &native->given;
    const struct {
        kis_str says, given;
        const char *own, *common;
    } files[] = {
        { KIS_STR("TLS CA"), given->otlp_ca_file, "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
          "OTEL_EXPORTER_OTLP_CERTIFICATE" },
        { KIS_STR("TLS certificate"), given->otlp_cert_file,
          "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE" },
        { KIS_STR("TLS key"), given->otlp_key_file, "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
          "OTEL_EXPORTER_OTLP_CLIENT_KEY" },
    };
    for (size_t i = 0; i < KIS_COUNT_OF(files); i++)
        if (kis_str_starts(kis_str_from_c(diag->text), files[i].says))
            return source_of(native, files[i].given, files[i].own, files[i].common);
    return NULL;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* Percent-decodes in place. */
static size_t decode_value(char *text, size_t len)
{
    size_t to = 0;

    for (size_t i = 0; i < len; i++)
        if (text[i] == '%' && i + 2 < len && hex_value(text[i + 1]) >= 0 &&
            hex_value(text[i + 2]) >= 0) {
            text[to++] = (char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
            i += 2;
        } else {
            text[to++] = text[i];
        }
    return to;
}

typedef struct header_list {
    kis_header at[HEADERS_MAX];
    size_t count, bytes;
} header_list;

/* One "name=value", the name in lower case; texts in `arena`. Errors do not quote it:
 * mostly it is a key to something. */
static kis_err add_header(header_list *list, kis_str pair, kis_arena *arena, kis_diag *diag)
{
    size_t equals = kis_str_find_char(pair, '=');
    kis_str name = kis_str_trim(kis_str_slice(pair, 0, equals)), value;
    char *copy;

    if (equals == KIS_STR_NPOS || !name.len)
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "not name=value");
    value = kis_str_trim(kis_str_slice(pair, equals + 1, pair.len));
    copy = kis_arena_take(arena, name.len + value.len + 1, 1);
    if (!copy)
        return kis_diag_set(diag, KIS_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < name.len; i++)
        copy[i] = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i];
    if (value.len)
        memcpy(copy + name.len, value.ptr, value.len);
    name = kis_str_of(copy, name.len);
    value = kis_str_of(copy + name.len, decode_value(copy + name.len, value.len));
    if (!kis_http_is_token(name) || !kis_http_is_value(value))
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "the %s has a character that HTTP does not allow",
                            kis_http_is_token(name) ? "value" : "name");
    if (list->count == HEADERS_MAX || list->bytes + name.len + value.len > HEADERS_BYTES_MAX)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "more than %d headers, or %u bytes", HEADERS_MAX,
                            HEADERS_BYTES_MAX);
    list->at[list->count++] = (kis_header){ name, value };
    list->bytes += name.len + value.len;
    return KIS_OK;
}

/* "name=value,name=value". */
static kis_err parse_headers(kis_str text, kis_arena *arena, header_list *list, kis_diag *diag)
{
    for (unsigned number = 1; text.len; number++) {
        kis_str pair = kis_str_trim(kis_str_cut(&text, ','));
        kis_err err = pair.len ? add_header(list, pair, arena, diag) : KIS_OK;
        if (err)
            return kis_diag_in(diag, err, "OTLP headers: pair %u", number);
    }
    return KIS_OK;
}

/* The good ones of a variable's pairs, with commas, in `room` (of text.len); each other one is a
 * warning. */
static kis_str keep_good_headers(kis_native *native, const char *env, kis_str text, char *room,
                                 kis_arena *arena)
{
    header_list list = { .count = 0 };
    char line[256];
    size_t len = 0;
    kis_diag diag;

    for (unsigned number = 1; text.len; number++) {
        kis_str pair = kis_str_trim(kis_str_cut(&text, ','));
        if (!pair.len)
            continue;
        if (add_header(&list, pair, arena, &diag) != KIS_OK) {
            kis_fmt(line, sizeof(line), "%s: pair %u: %s; it is left out", env, number, diag.text);
            kis_native_say(native, KIS_LOG_WARN, line);
            continue;
        }
        if (len)
            room[len++] = ',';
        memcpy(room + len, pair.ptr, pair.len);
        len += pair.len;
    }
    return kis_str_of(room, len);
}

kis_err kis_native_check_headers(kis_native *native, const kis_sdk_options *given, kis_diag *diag)
{
    static const char *const names[] = { "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                                         "OTEL_EXPORTER_OTLP_HEADERS" };
    kis_str *headers = &native->options.otlp_headers;
    kis_arena decoded;

    if (given && given->otlp_headers.len)
        return KIS_OK; /* what the code says wrong is an error when the sender is opened */
    *headers = KIS_STR_NONE;
    kis_arena_init(&decoded, &kis_mem, 1 << 20);
    for (size_t i = 0; !headers->len && i < KIS_COUNT_OF(names); i++) {
        kis_str text = kis_sdk_option_env(names[i], &native->host);
        char *room = text.len ? kis_arena_take(&native->texts, text.len, 1) : NULL;
        if (text.len && !room) {
            kis_arena_done(&decoded);
            return kis_diag_set(diag, KIS_ERR_NOMEM, "%s: out of memory", names[i]);
        }
        if (room)
            *headers = keep_good_headers(native, names[i], text, room, &decoded);
    }
    kis_arena_done(&decoded);
    return KIS_OK;
}

static kis_err open_otlp(kis_native *native, kis_sink **out, culprit *out_culprit, kis_diag *diag)
{
    const kis_sdk_options *o = &native->options;
    endpoint endpoint = endpoint_given(native);
    char room[ENDPOINT_BYTES_MAX + 16];
    header_list headers = { .count = 0 };
    kis_arena texts;
    kis_send_options send = {
        .endpoint = endpoint_of(native, endpoint, room, sizeof(room)),
        .headers = headers.at,
        .tls = { .ca_file = o->otlp_ca_file,
                 .cert_file = o->otlp_cert_file,
                 .key_file = o->otlp_key_file },
        .insecure = o->otlp_insecure,
        .timeout_ms = o->otlp_timeout_ms,
        .retry_elapsed_max_ms = o->export_timeout_ms,
        .queue_batches = 2 * KIS_BATCHES_IN_FLIGHT,
    };
    kis_err err;

    if (kis_str_eq(o->otlp_protocol, KIS_STR("grpc")))
        send.protocol = KIS_OTLP_GRPC;
    else if (kis_str_eq(o->otlp_protocol, KIS_STR("http/json")))
        send.protocol = KIS_OTLP_HTTP_JSON;
    else if (kis_str_eq(o->otlp_protocol, KIS_STR("http/protobuf")))
        send.protocol = KIS_OTLP_HTTP_PROTOBUF;
    else
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "OTLP protocol '" KIS_FMT "': want grpc, http/protobuf or http/json",
                            KIS_ARG(o->otlp_protocol));
    if (kis_str_eq(o->otlp_compression, KIS_STR("none")))
        send.compression = KIS_CODING_NONE;
    else if (!kis_coding_parse(o->otlp_compression, &send.compression))
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "OTLP compression '" KIS_FMT "': want gzip, zstd or none",
                            KIS_ARG(o->otlp_compression));
    err = check_endpoint(native, endpoint, diag);
    if (err) {
        *out_culprit = (culprit){ endpoint.variable, "" };
        return err;
    }
    warn_unused_identity(native, is_secure(native, send.endpoint));
    kis_arena_init(&texts, &kis_mem, 1 << 20);
    err = parse_headers(o->otlp_headers, &texts, &headers, diag);
    send.header_count = headers.count;
    if (!err)
        err = kis_send_otlp_open(&send, &kis_mem, out, diag);
    kis_arena_done(&texts);
    if (err)
        *out_culprit = (culprit){ tls_culprit(native, diag), "; want a PEM file that can be read" };
    return out_culprit->variable ? kis_diag_in(diag, err, "%s", out_culprit->variable) : err;
}

/* ---- all of them ---- */

/* A path of the default's is the environment's too: it says nothing else. */
static kis_err open_file(kis_native *native, kis_sink **out, culprit *out_culprit, kis_diag *diag)
{
    kis_err err = kis_send_file_open(kis_os_real(), native->options.file_path, &kis_mem, out, diag);

    if (!err || err == KIS_ERR_NOMEM || native->given.file_path.len)
        return err;
    *out_culprit = (culprit){ "OTEL_KISEKI_FILE", "; want a file that can be written" };
    return kis_diag_in(diag, err, "%s", out_culprit->variable);
}

static kis_err open_one(kis_native *native, exporter_kind kind, kis_sink **out,
                        culprit *out_culprit, kis_diag *diag)
{
    const kis_sdk_options *o = &native->options;
    kis_err err = KIS_OK;

    switch (kind) {
    case EXPORT_OTLP:
        return open_otlp(native, out, out_culprit, diag);
    case EXPORT_CONSOLE:
        err = kis_send_console_open(
            kis_str_eq(o->console_stream, KIS_STR("stderr")) ? STDERR_FILENO : STDOUT_FILENO,
            kis_str_eq(o->console_form, KIS_STR("line")) ? KIS_CONSOLE_LINE : KIS_CONSOLE_PRETTY,
            &kis_mem, out);
        break;
    case EXPORT_MEMORY:
        err = kis_send_memory_open(&kis_mem, o->max_spans, out);
        native->memory = err ? NULL : *out;
        break;
    case EXPORT_FILE:
        return open_file(native, out, out_culprit, diag);
    case EXPORT_NONE:
        break;
    }
    return err ? kis_diag_set(diag, err, "%s", kis_err_text(err)) : KIS_OK;
}

/* A slip of the environment stops nobody: without this exporter contexts go on travelling, and
 * nothing goes to where it was not meant to. Said once, not in each forked child. */
static void leave_out(kis_native *native, exporter_kind kind, kis_str name, const char *wanted,
                      kis_diag *diag)
{
    char text[KIS_DIAG_TEXT_MAX + 128];

    native->left_out |= 1u << kind;
    kis_fmt(text, sizeof(text), "%s%s (no exporter '" KIS_FMT "': its spans go nowhere)",
            diag->text, wanted, KIS_ARG(name));
    kis_native_say(native, KIS_LOG_ERROR, text);
    diag->err = KIS_OK;
}

/* Adds one to `sinks`, or says why it is left out. */
static kis_err add_one(kis_native *native, kis_str name, uint32_t *count, kis_diag *diag)
{
    exporter_kind kind;
    culprit culprit = { NULL, NULL };
    kis_err err;

    if (!exporter_named(name, &kind))
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "exporter '" KIS_FMT
                            "': want otlp, console, logging, none, memory or file",
                            KIS_ARG(name));
    if (kind == EXPORT_NONE || *count == KIS_SINKS_MAX - 1 || native->left_out & 1u << kind)
        return KIS_OK;
    err = open_one(native, kind, &native->sinks[*count], &culprit, diag);
    if (!err)
        ++*count;
    else if (culprit.variable)
        leave_out(native, kind, name, culprit.wanted, diag);
    else
        return kis_diag_in(diag, err, "exporter '" KIS_FMT "'", KIS_ARG(name));
    return KIS_OK;
}

kis_err kis_native_open_sinks(kis_native *native, kis_diag *diag)
{
    kis_str rest = native->options.exporter;
    kis_sink **sinks = native->sinks;
    uint32_t count = 0;
    kis_err err = KIS_OK;

    while (rest.len && !err) {
        kis_str name = kis_str_trim(kis_str_cut(&rest, ','));
        if (name.len)
            err = add_one(native, name, &count, diag);
    }
    if (!err && native->options.user_exporter) {
        err = kis_exporter_sink_open(native->options.user_exporter, &native->host, &sinks[count]);
        if (!err)
            native->user_sink = sinks[count++];
        else
            kis_diag_set(diag, err, "exporter: out of memory");
    }
    if (err) {
        while (count > 0)
            kis_sink_close(sinks[--count]);
        native->memory = NULL;
        native->user_sink = NULL;
        return err;
    }
    native->sink_count = count;
    kis_batcher_set_sinks(&native->sdk->batcher, sinks, count);
    return KIS_OK;
}

void kis_native_open_child_sinks(void *user)
{
    kis_native *native = user;
    kis_diag diag;

    native->is_child = true;
    if (kis_native_open_sinks(native, &diag) != KIS_OK) {
        char text[KIS_DIAG_TEXT_MAX + 64];
        kis_fmt(text, sizeof(text), "after fork: %s; spans of this process are lost", diag.text);
        kis_native_say(native, KIS_LOG_ERROR, text);
        kis_batcher_lose_sinks(&native->sdk->batcher);
    }
}

bool kis_native_is_by(bool (*holds)(void *), void *what, uint64_t deadline_ns)
{
    static const struct timespec pause = { .tv_nsec = 1000000 };

    while (!holds(what)) {
        if (kis_now_ns() >= deadline_ns)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static bool is_left(void *batcher)
{
    return kis_batcher_is_left(batcher);
}
static bool is_idle(void *user_sink)
{
    return kis_exporter_sink_is_idle(user_sink);
}

static bool give_up(kis_native *native)
{
    if (native->user_sink)
        kis_exporter_sink_give_up(native->user_sink);
    return false;
}

bool kis_native_close_sinks(kis_native *native, uint64_t deadline_ns, uint64_t ours_ns)
{
    kis_batcher *batcher = &native->sdk->batcher;

    kis_batcher_lose_sinks(batcher);
    if (!kis_native_is_by(is_left, batcher, ours_ns))
        return give_up(native);
    for (uint32_t i = 0; i < native->sink_count; i++)
        if (native->sinks[i] != native->user_sink)
            kis_sink_close(native->sinks[i]);
    native->sink_count = 0;
    native->memory = NULL;
    if (!native->user_sink)
        return true;
    if (!kis_native_is_by(is_idle, native->user_sink, deadline_ns))
        return give_up(native);
    kis_exporter_sink_set_deadline(native->user_sink, deadline_ns);
    kis_sink_close(native->user_sink);
    native->user_sink = NULL;
    return true;
}
