/* options.c - the options of an SDK, each declared once: field, variable, default, bounds, help.
 *
 * Rules of the environment (specification, configuration/sdk-environment-variables.md): the empty
 * text is "not set"; only "true", in any case, is true; a number that cannot be read, or is out of
 * bounds, or a word that is not known, is warned about and ignored: then the next variable of the
 * same option counts. Zero is a value: of a delay, and as a timeout it is none.
 */
#include "sdk/options.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "model/limits.h"
#include "sdk/sampler.h"

#define AT(field) offsetof(kis_sdk_options, field)
#define TEXT(flag, env, field, fallback, placeholder, help, ...)                                \
    {                                                                                           \
        .row = { flag, env, KIS_OPT_TEXT, AT(field), fallback, NULL, NULL, placeholder, help }, \
        .more_env = {                                                                           \
            __VA_ARGS__                                                                         \
        }                                                                                       \
    }
/* A text that knows only some words, "a|b|c"; with commas: several of them. */
#define WORDS(flag, env, field, fallback, all, commas, placeholder, help, ...)                  \
    {                                                                                           \
        .row = { flag, env, KIS_OPT_TEXT, AT(field), fallback, NULL, NULL, placeholder, help }, \
        .more_env = { __VA_ARGS__ }, .words = all, .is_list = commas                            \
    }
#define NUMBER(flag, env, kind, field, fallback, min, max, help, ...)                        \
    {                                                                                        \
        .row = { flag, env, kind, AT(field), fallback, min, max, NULL, help }, .more_env = { \
            __VA_ARGS__                                                                      \
        }                                                                                    \
    }
#define FLAG(flag, env, field, help, ...)                                                          \
    {                                                                                              \
        .row = { flag, env, KIS_OPT_BOOL, AT(field), NULL, NULL, NULL, NULL, help }, .more_env = { \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

_Static_assert(KIS_RECORD_DEPTH_MAX == 31, "value-depth below says it in words");
static const kis_sdk_option rows[] = {
    TEXT("service-name", "OTEL_SERVICE_NAME", service_name, NULL, "NAME",
         "Name of this service; else service.name of OTEL_RESOURCE_ATTRIBUTES, else "
         "unknown_service:PROGRAM.",
         NULL),
    WORDS("sampler", "OTEL_TRACES_SAMPLER", sampler_name, "parentbased_always_on",
          KIS_SAMPLER_NAMES, false, "NAME",
          "always_on, always_off, traceidratio, or parentbased_ and one of these.", NULL),
    TEXT("sampler-arg", "OTEL_TRACES_SAMPLER_ARG", sampler_arg, NULL, "RATIO",
         "The ratio of traceidratio, 0 to 1; 1 when not given.", NULL),
    WORDS("exporter", "OTEL_TRACES_EXPORTER", exporter, "otlp",
          "otlp|console|logging|none|memory|file", true, "NAMES",
          "Where spans go: otlp, console, none, memory, file, or several with commas.", NULL),
    WORDS("processor", "OTEL_KISEKI_PROCESSOR", processor, "batch", "batch|simple", false, "NAME",
          "batch, or simple: each span at once.", NULL),
    TEXT("propagators", "OTEL_PROPAGATORS", propagators, "tracecontext,baggage", "NAMES",
         "How context travels: tracecontext, baggage, none.", NULL),
    TEXT("otlp-endpoint", NULL, otlp_endpoint, NULL, "URL",
         "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT as it stands, or OTEL_EXPORTER_OTLP_ENDPOINT with "
         "/v1/traces added.",
         NULL),
    WORDS("otlp-protocol", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", otlp_protocol, "http/protobuf",
          "grpc|http/protobuf|http/json", false, "NAME", "grpc, http/protobuf or http/json.",
          "OTEL_EXPORTER_OTLP_PROTOCOL"),
    TEXT("otlp-headers", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", otlp_headers, NULL, "NAME=VALUE,...",
         "Headers of every request; values percent-coded.", "OTEL_EXPORTER_OTLP_HEADERS"),
    WORDS("otlp-compression", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", otlp_compression, "none",
          "none|gzip|zstd", false, "NAME", "gzip, zstd or none.", "OTEL_EXPORTER_OTLP_COMPRESSION"),
    NUMBER("otlp-timeout", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", KIS_OPT_MS, otlp_timeout_ms,
           "10000", "0", "4294967295", "Time of one attempt, in milliseconds; 0: no limit.",
           "OTEL_EXPORTER_OTLP_TIMEOUT"),
    TEXT("otlp-ca", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", otlp_ca_file, NULL, "FILE",
         "Certificates to trust, PEM; else the system's.", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    TEXT("otlp-cert", "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", otlp_cert_file, NULL, "FILE",
         "Our certificate, PEM.", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
    TEXT("otlp-key", "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", otlp_key_file, NULL, "FILE",
         "Its key, PEM.", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
    FLAG("otlp-insecure", "OTEL_EXPORTER_OTLP_TRACES_INSECURE", otlp_insecure,
         "gRPC to an endpoint without a scheme goes without TLS.", "OTEL_EXPORTER_OTLP_INSECURE"),
    TEXT("file", "OTEL_KISEKI_FILE", file_path, "kiseki-spans.jsonl", "FILE",
         "Where the exporter `file` appends, OTLP/JSON, a batch a line.", NULL),
    WORDS("console-form", "OTEL_KISEKI_CONSOLE", console_form, "pretty", "pretty|line", false,
          "NAME", "pretty, or line: OTLP/JSON, a span a line.", NULL),
    WORDS("console-stream", "OTEL_KISEKI_CONSOLE_STREAM", console_stream, "stdout", "stdout|stderr",
          false, "NAME", "stdout or stderr.", NULL),
    NUMBER(
        "queue-spans", "OTEL_BSP_MAX_QUEUE_SIZE", KIS_OPT_U32, queue_spans, "2048", "1", "1048576",
        "Ended spans that wait, of each recording thread; one more is dropped and counted.", NULL),
    NUMBER("batch-spans", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", KIS_OPT_U32, batch_spans, "512", "1",
           "8192", "Spans of one batch; not more than queue-spans.", NULL),
    NUMBER("delay", "OTEL_BSP_SCHEDULE_DELAY", KIS_OPT_MS, delay_ms, "5000", "0", "600000",
           "Longest wait of an ended span, in milliseconds.", NULL),
    NUMBER("export-timeout", "OTEL_BSP_EXPORT_TIMEOUT", KIS_OPT_MS, export_timeout_ms, "30000", "0",
           "4294967295", "Time of a batch with all its attempts, in milliseconds; 0: no limit.",
           NULL),
    NUMBER("attrs", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", KIS_OPT_U32, attr_count, "128", "0", "65535",
           "Attributes of a span.", "OTEL_ATTRIBUTE_COUNT_LIMIT"),
    NUMBER("value-length", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", KIS_OPT_U32, attr_value_length,
           "65536", "0", "65536", "Characters of a text, bytes of bytes.",
           "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    NUMBER("events", "OTEL_SPAN_EVENT_COUNT_LIMIT", KIS_OPT_U32, event_count, "128", "0", "65535",
           "Events of a span.", NULL),
    NUMBER("links", "OTEL_SPAN_LINK_COUNT_LIMIT", KIS_OPT_U32, link_count, "128", "0", "65535",
           "Links of a span.", NULL),
    NUMBER("event-attrs", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", KIS_OPT_U32, event_attr_count, "128",
           "0", "65535", "Attributes of an event.", NULL),
    NUMBER("link-attrs", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", KIS_OPT_U32, link_attr_count, "128",
           "0", "65535", "Attributes of a link.", NULL),
    NUMBER("value-depth", NULL, KIS_OPT_U32, value_depth, "31", "1", "31",
           "Levels of lists and maps in a value; deeper ones become empty.", NULL),
    NUMBER("max-spans", "OTEL_KISEKI_MAX_SPANS", KIS_OPT_U32, max_spans, "16384", "1", "1048576",
           "Spans in memory, open, waiting or on their way: about 1 KiB each.", NULL),
    FLAG("disabled", "OTEL_SDK_DISABLED", is_disabled, "Record nothing; context still travels.",
         NULL),
    FLAG("quiet", "OTEL_KISEKI_QUIET", is_quiet,
         "No line on stderr about spans that do not arrive.", NULL),
    NUMBER("exit-flush", "OTEL_KISEKI_EXIT_FLUSH", KIS_OPT_MS, exit_flush_ms, "2000", "0", "600000",
           "What exit() waits for the last spans, in milliseconds.", NULL),
};

const kis_sdk_option *kis_sdk_option_rows(size_t *count)
{
    *count = KIS_COUNT_OF(rows);
    return rows;
}

/* "OTEL_X: 'maybe' is neither true nor false; it is taken as false" */
static void warn(const kis_host *host, const char *text, const char *then)
{
    char line[512];

    kis_fmt(line, sizeof(line), "%s; it is %s", text, then);
    if (host->log)
        host->log(host->user, KIS_LOG_WARN, line);
}

static bool is_given(const kis_option *row, const void *options)
{
    const uint8_t *field = (const uint8_t *)options + row->offset;

    switch (row->kind) {
    case KIS_OPT_TEXT:
        return ((const kis_str *)(const void *)field)->len > 0;
    case KIS_OPT_BOOL:
        return *(const bool *)field;
    default:
        return *(const uint32_t *)(const void *)field != 0;
    }
}

/* A number in the code is held to the bounds of its row. */
static kis_err check_number(const kis_option *row, const void *options, void *out, kis_diag *diag)
{
    char text[16];
    uint32_t number = *(const uint32_t *)(const void *)((const uint8_t *)options + row->offset);
    size_t len = kis_fmt(text, sizeof(text), "%u", number);

    return kis_option_set(row, kis_str_of(text, len), out, diag);
}

static bool is_word(kis_str text, const char *words)
{
    kis_str rest = kis_str_from_c(words);

    while (rest.len)
        if (kis_str_eq(kis_str_cut(&rest, '|'), text))
            return true;
    return false;
}

static bool are_words(kis_str text, const kis_sdk_option *option)
{
    if (!option->words)
        return true;
    if (!option->is_list)
        return is_word(text, option->words);
    while (text.len) {
        kis_str word = kis_str_trim(kis_str_cut(&text, ','));
        if (word.len && !is_word(word, option->words))
            return false;
    }
    return true;
}

/* What is not "true" is false, whatever it is: so it is never ignored. */
static void take_bool(const kis_sdk_option *option, const char *env, kis_str text,
                      const kis_host *host, void *out)
{
    bool *field = (bool *)((uint8_t *)out + option->row.offset);
    kis_diag diag;

    *field = kis_str_eq_nocase(text, KIS_STR("true"));
    if (*field || kis_str_eq_nocase(text, KIS_STR("false")))
        return;
    kis_diag_set(&diag, KIS_ERR_SYNTAX, "%s: '" KIS_FMT "' is neither true nor false", env,
                 KIS_ARG(text));
    warn(host, diag.text, "taken as false");
}

kis_str kis_sdk_option_env(const char *env, const kis_host *host)
{
    const char *value = env && host->getenv ? host->getenv(host->user, env) : NULL;

    return kis_str_trim(kis_str_from_c(value));
}

/* False: not set, or not understood, which is a warning. */
static bool take_from_environment(const kis_sdk_option *option, const char *env,
                                  const kis_host *host, void *out)
{
    kis_str text = kis_sdk_option_env(env, host);
    kis_option row = option->row;
    kis_diag diag;

    if (!text.len)
        return false;
    if (option->row.kind == KIS_OPT_BOOL) {
        take_bool(option, env, text, host, out);
        return true;
    }
    row.env = env;
    if (!are_words(text, option))
        kis_diag_set(&diag, KIS_ERR_SYNTAX, "%s: '" KIS_FMT "' is not one of %s", env,
                     KIS_ARG(text), option->words);
    else if (kis_option_set_env(&row, text, out, &diag) == KIS_OK)
        return true;
    warn(host, diag.text, "ignored");
    return false;
}

/* Zeros of the environment, as those who read the options want them. A delay of none would have the
 * worker run round and round; a millisecond is as soon as anybody can tell. */
static void settle_zeros(kis_sdk_options *out)
{
    uint32_t *timeouts[] = { &out->otlp_timeout_ms, &out->export_timeout_ms };

    out->delay_ms = KIS_MAX(out->delay_ms, 1u);
    for (size_t i = 0; i < KIS_COUNT_OF(timeouts); i++)
        if (!*timeouts[i])
            *timeouts[i] = KIS_SDK_NO_LIMIT;
}

kis_err kis_sdk_options_resolve(const kis_sdk_options *given, const kis_host *host,
                                kis_sdk_options *out, kis_diag *diag)
{
    static const kis_sdk_options nothing;

    *out = given ? *given : nothing;
    for (size_t i = 0; i < KIS_COUNT_OF(rows); i++) {
        const kis_sdk_option *option = &rows[i];
        const char *names[3] = { option->row.env, option->more_env[0], option->more_env[1] };
        kis_err err;
        if (given && is_given(&option->row, given)) {
            err = option->row.kind == KIS_OPT_U32 || option->row.kind == KIS_OPT_MS
                      ? check_number(&option->row, given, out, diag)
                      : KIS_OK;
            if (err)
                return err;
            continue;
        }
        err = kis_options_default(&option->row, 1, out, diag);
        if (err)
            return err;
        for (int k = 0; k < 3; k++)
            if (take_from_environment(option, names[k], host, out))
                break;
    }
    settle_zeros(out);
    out->batch_spans = KIS_MIN(out->batch_spans, out->queue_spans);
    return KIS_OK;
}
