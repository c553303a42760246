/* sdk_test.c - the library as a program uses it: start, options, propagation, processors,
 * exporters, stop. Through public headers alone. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/test.h"

#include <kiseki/kiseki.h>

KIS_TRACER(tracer, "test", "1.0")

static char log_text[8192];
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static void keep_log(void *user, kis_log_level level, const char *text)
{
    (void)user, (void)level;
    pthread_mutex_lock(&log_lock);
    strncat(log_text, text, sizeof(log_text) - strlen(log_text) - 2);
    strcat(log_text, "\n");
    pthread_mutex_unlock(&log_lock);
}

static const char *const variables[] = { "OTEL_SERVICE_NAME",
                                         "OTEL_RESOURCE_ATTRIBUTES",
                                         "OTEL_TRACES_SAMPLER",
                                         "OTEL_TRACES_SAMPLER_ARG",
                                         "OTEL_TRACES_EXPORTER",
                                         "OTEL_PROPAGATORS",
                                         "OTEL_SDK_DISABLED",
                                         "OTEL_BSP_MAX_QUEUE_SIZE",
                                         "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
                                         "OTEL_EXPORTER_OTLP_HEADERS",
                                         "OTEL_EXPORTER_OTLP_TRACES_HEADERS" };
static void clear_environment(void)
{
    for (size_t i = 0; i < COUNT_OF(variables); i++)
        unsetenv(variables[i]);
    log_text[0] = 0;
}

static kis_sdk *start_with(kis_sdk_options options)
{
    kis_diag diag;
    options.on_log = keep_log;
    if (!options.exporter.len)
        options.exporter = KIS_STR("memory");
    kis_sdk *sdk = kis_sdk_start(&options, &diag);
    CHECK(sdk, sdk ? "" : diag.text);
    return sdk;
}
static kis_sdk *start(void)
{
    return start_with((kis_sdk_options){ .service_name = KIS_STR("test") });
}
static void end(kis_sdk *sdk)
{
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 5000), "stop");
    kis_sdk_free(sdk);
}

static kis_span_data only(kis_sdk *sdk)
{
    kis_span_data data;
    CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 5000), "flush");
    CHECK_INT(1, kis_sdk_memory_count(sdk), "one span");
    CHECK(kis_sdk_memory_at(sdk, 0, &data), "it can be read");
    return data;
}

typedef struct headers {
    struct {
        char name[32], value[600];
    } at[8];
    size_t count;
} headers;
static bool header_get(void *user, const char *name, size_t index, kis_str *out)
{
    headers *h = user;
    for (size_t i = 0; i < h->count; i++)
        if (!strcmp(h->at[i].name, name) && index-- == 0) {
            *out = (kis_str){ h->at[i].value, strlen(h->at[i].value) };
            return true;
        }
    return false;
}
static void header_set(void *user, const char *name, kis_str value)
{
    headers *h = user;
    snprintf(h->at[h->count].name, sizeof(h->at[0].name), "%s", name);
    snprintf(h->at[h->count++].value, sizeof(h->at[0].value), "%.*s", (int)value.len, value.ptr);
}
static kis_carrier carrier(headers *h)
{
    return (kis_carrier){ .get_all = header_get, .set = header_set, .user = h };
}
static const char *header(const headers *h, const char *name)
{
    for (size_t i = 0; i < h->count; i++)
        if (!strcmp(h->at[i].name, name))
            return h->at[i].value;
    return "";
}

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

TEST(a_span_goes_all_the_way)
{
    clear_environment();
    kis_sdk *sdk = start();
    {
        KIS_SPAN(span, tracer(), "work", .kind = KIS_SPAN_KIND_CLIENT,
                 .attrs = KIS_ATTRS(KIS_KV("a", 1)));
        kis_span_set(span, KIS_KV("b", "text"));
        kis_span_event(span, "event", KIS_KV("c", 2));
    }
    kis_span_data data = only(sdk);
    kis_attr_value value;
    kis_event_data event;
    size_t at = 0;
    CHECK_STR("work", data.name, "name");
    CHECK_INT(KIS_SPAN_KIND_CLIENT, data.kind, "kind in the API's numbers");
    CHECK_STR("test", data.scope_name, "scope (T26)");
    CHECK(kis_attr_data_find(&data.attrs, KIS_STR("b"), &value) && value.type == KIS_ATTR_TEXT,
          "attribute");
    CHECK_STR("text", value.text, "its text");
    CHECK(kis_span_data_next_event(&data, &at, &event), "event");
    CHECK_STR("event", event.name, "its name");
    CHECK(kis_attr_data_find(&data.resource, KIS_STR("process.pid"), &value) &&
              value.integer == getpid(),
          "process.pid");
    CHECK(kis_attr_data_find(&data.resource, KIS_STR("telemetry.sdk.language"), &value),
          "telemetry.sdk.*");
    CHECK(kis_sdk_global() == sdk, "the global one");
    end(sdk);
    CHECK(!kis_sdk_global(), "none any more");
    CHECK(!kis_tracer_enabled(tracer()), "tracers do nothing after stop (M13)");
    CHECK_ERR(KIS_OK, kis_sdk_stop(NULL, 0), "stopping nothing is fine");
}

TEST(service_name_has_its_order)
{
    static const struct {
        const char *why, *code, *attr, *name, *resource, *want;
    } rows[] = {
        { "nothing said", NULL, NULL, NULL, NULL, "unknown_service:native_sdk_test" },
        { "resource attributes of the environment", NULL, NULL, NULL, "service.name=from%20env,x=1",
          "from env" },
        { "OTEL_SERVICE_NAME is stronger", NULL, NULL, "name", "service.name=env", "name" },
        { "code is stronger (M31)", NULL, "attr", "name", "service.name=env", "attr" },
        { "service_name is strongest", "code", "attr", "name", "service.name=env", "code" },
        { "an error discards the variable (M31)", NULL, NULL, NULL, "service.name=env,broken",
          "unknown_service:native_sdk_test" },
        { "a broken percent too", NULL, NULL, NULL, "service.name=%zz",
          "unknown_service:native_sdk_test" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        clear_environment();
        if (rows[i].name)
            setenv("OTEL_SERVICE_NAME", rows[i].name, 1);
        if (rows[i].resource)
            setenv("OTEL_RESOURCE_ATTRIBUTES", rows[i].resource, 1);
        kis_sdk_options options = { .service_name = { rows[i].code,
                                                      rows[i].code ? strlen(rows[i].code) : 0 } };
        kis_attr attr = kis_attr_text("service.name", rows[i].attr);
        if (rows[i].attr)
            options.resource = (kis_attr_list){ &attr, 1 };
        kis_sdk *sdk = start_with(options);
        kis_attr_data resource = kis_sdk_resource(sdk);
        kis_attr_value value;
        CHECK(kis_attr_data_find(&resource, KIS_STR("service.name"), &value), rows[i].why);
        CHECK_STR(rows[i].want, value.text, rows[i].why);
        end(sdk);
    }
}

TEST(the_environment_is_read_as_the_specification_says)
{
    static const struct {
        const char *why, *name, *value;
        int max_attrs;
        const char *log;
    } rows[] = {
        { "a number", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2", 2, "" },
        { "empty is not set", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "", 5, "" },
        { "not a number: warned and ignored (M32)", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "two", 5,
          "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" },
        { "negative: the same", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1", 5,
          "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" },
        { "zero is a limit", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0", 0, "" },
        { "an unknown sampler: warned, the default is used", "OTEL_TRACES_SAMPLER", "sometimes", 5,
          "sometimes" },
        { "an unknown propagator: warned", "OTEL_PROPAGATORS", "pigeon,tracecontext,tracecontext",
          5, "pigeon" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        clear_environment();
        setenv(rows[i].name, rows[i].value, 1);
        kis_sdk *sdk = start();
        kis_span span =
            kis_span_start(tracer(), "x",
                           .attrs = KIS_ATTRS(KIS_KV("a", 1), KIS_KV("b", 2), KIS_KV("c", 3),
                                              KIS_KV("d", 4), KIS_KV("e", 5)));
        kis_span_end(span);
        kis_span_data data = only(sdk);
        CHECK_INT(rows[i].max_attrs, data.attrs.count, rows[i].why);
        CHECK(strstr(log_text, rows[i].log), rows[i].why);
        end(sdk);
    }
    clear_environment();
}

TEST(wrong_options_in_the_code_are_told)
{
    static const struct {
        const char *why;
        kis_sdk_options options;
        const char *text;
    } rows[] = {
        { "exporter", { .exporter = KIS_STR_INIT("fax") }, "fax" },
        { "sampler",
          { .exporter = KIS_STR_INIT("none"), .sampler_name = KIS_STR_INIT("maybe") },
          "maybe" },
        { "ratio",
          { .exporter = KIS_STR_INIT("none"),
            .sampler_name = KIS_STR_INIT("traceidratio"),
            .sampler_arg = KIS_STR_INIT("2") },
          "2" },
        { "processor",
          { .exporter = KIS_STR_INIT("none"), .processor = KIS_STR_INIT("slow") },
          "slow" },
        { "batch", { .exporter = KIS_STR_INIT("none"), .batch_spans = 100000 }, "batch-spans" },
        { "protocol", { .otlp_protocol = KIS_STR_INIT("http/xml") }, "http/xml" },
        { "headers", { .otlp_headers = KIS_STR_INIT("a=b,novalue") }, "pair 2: not name=value" },
        { "a header with a line end",
          { .otlp_headers = KIS_STR_INIT("a=x%0d%0aHost: evil") },
          "pair 1: the value has a character" },
        { "a header that is two words",
          { .otlp_headers = KIS_STR_INIT("a b=x") },
          "pair 1: the name has a character" },
        { "compression", { .otlp_compression = KIS_STR_INIT("rar") }, "rar" },
    };
    clear_environment();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_diag diag = { 0 };
        CHECK(!kis_sdk_start(&rows[i].options, &diag), rows[i].why);
        CHECK(strstr(diag.text, rows[i].text), diag.text);
    }
    kis_sdk *sdk = start();
    kis_diag diag;
    CHECK(!kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("none") }, &diag),
          "a second global one");
    CHECK(strstr(diag.text, "is_local"), diag.text);
    end(sdk);
}

/* Starts with one variable set; it is said, in the log and in `diag`, and context goes on
 * travelling while no span is kept. */
static void check_left_out(const char *name, const char *value, const char *exporter,
                           const char *text)
{
    headers in = { .at = { { "traceparent", PARENT }, { "baggage", "k=v" } }, .count = 2 },
            out = { .count = 0 };
    kis_carrier from = carrier(&in), to = carrier(&out);
    kis_sdk_stats stats;
    kis_diag diag;
    setenv(name, value, 1);
    setenv("OTEL_TRACES_EXPORTER", exporter, 1);
    kis_sdk *sdk = kis_sdk_start(&(kis_sdk_options){ .on_log = keep_log }, &diag);
    CHECK(sdk, value);
    CHECK_ERR(KIS_OK, diag.err, value);
    if (!strstr(diag.text, text) || !strstr(log_text, text) || strchr(log_text, '\n')[1])
        fail_msg("%s=%s: '%s', '%s'", name, value, diag.text, log_text);
    {
        KIS_SPAN(span, tracer(), "x", .parent = kis_context_extract(kis_context_none(), &from));
        CHECK(!kis_span_wants(span), "nobody wants it");
        kis_context_inject(kis_context_current(), &to);
    }
    CHECK(!strncmp(header(&out, "traceparent"), PARENT, 36), "the trace goes on");
    CHECK(!strcmp(header(&out, "baggage"), "k=v"), "baggage too");
    kis_sdk_get_stats(sdk, &stats);
    CHECK_INT(0, stats.started, "as with exporter none");
    end(sdk);
    unsetenv(name);
    clear_environment();
}

TEST(a_slip_in_a_variable_leaves_its_exporter_out)
{
    static const struct {
        const char *name, *value, *exporter, *text;
    } rows[] = {
        { "OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "otlp",
          "OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' has no scheme; did you mean "
          "http://localhost:4318?" },
        { "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "c/v1/traces", "otlp",
          "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'c/v1/traces' has no scheme; did you mean "
          "http://c/v1/traces?" },
        { "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:no", "otlp",
          "OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:no' has a port" },
        { "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:99999", "otlp",
          "OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:99999' has a port" },
        { "OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://c", "otlp",
          "OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://c' has no scheme we know; want http" },
        { "OTEL_EXPORTER_OTLP_ENDPOINT", "me:secret@c:4318", "otlp",
          "OTEL_EXPORTER_OTLP_ENDPOINT: a URL (not shown: it may hold a password)" },
        { "OTEL_KISEKI_FILE", "/nowhere/at.all", "file", "OTEL_KISEKI_FILE: " },
    };
    clear_environment();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_left_out(rows[i].name, rows[i].value, rows[i].exporter, rows[i].text);
    setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", 1);
    check_left_out("OTEL_EXPORTER_OTLP_ENDPOINT", "c:99999", "otlp", "has a port");
    unsetenv("OTEL_EXPORTER_OTLP_PROTOCOL");
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:9", 1);
    check_left_out("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/at.all", "otlp",
                   "OTEL_EXPORTER_OTLP_CERTIFICATE: TLS CA '/nowhere/at.all': No such file");
    check_left_out("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "/nowhere/at.all", "otlp",
                   "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: TLS certificate '/nowhere");
    unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT");
}

TEST(other_exporters_go_on_without_the_one_that_is_left_out)
{
    clear_environment();
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", 1);
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("otlp,memory") });
    kis_span_end(kis_span_start(tracer(), "x"));
    only(sdk);
    end(sdk);
    unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT");
}

TEST(blanks_around_an_endpoint_do_no_harm)
{
    kis_diag diag;
    clear_environment();
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", " http://127.0.0.1:9\t", 1);
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("otlp"), .is_quiet = true });
    CHECK_INT(0, strlen(log_text), log_text);
    end(sdk);
    unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT");
    sdk = kis_sdk_start(&(kis_sdk_options){ .exporter = KIS_STR("otlp"),
                                            .otlp_endpoint = KIS_STR(" http://127.0.0.1:9 ") },
                        &diag);
    CHECK(sdk, diag.text);
    CHECK(!diag.text[0], "a good start has nothing to say");
    end(sdk);
}

TEST(a_certificate_of_our_own_that_is_not_used_is_told)
{
    clear_environment();
    setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/nowhere/at.all", 1);
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("otlp"),
                                                 .otlp_endpoint = KIS_STR("http://127.0.0.1:9") });
    CHECK(strstr(log_text, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: '/nowhere/at.all' is not used"),
          log_text);
    end(sdk);
    unsetenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE");
}

TEST(unknown_propagators_do_not_cut_the_trace)
{
    static const struct {
        const char *value;
        size_t fields; /* traceparent, tracestate, baggage */
        const char *says;
    } rows[] = {
        { "b3", 3, "OTEL_PROPAGATORS: 'b3' is not one of tracecontext|baggage|none" },
        { "b3,baggage", 1, "OTEL_PROPAGATORS: 'b3'" },
        { "none", 0, NULL },
        { "tracecontext", 2, NULL },
    };
    const char *fields[4];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        clear_environment();
        setenv("OTEL_PROPAGATORS", rows[i].value, 1);
        kis_sdk *sdk = start();
        CHECK_INT(rows[i].fields, kis_context_fields(fields, 4), rows[i].value);
        CHECK(rows[i].says ? strstr(log_text, rows[i].says) != NULL : !log_text[0], log_text);
        end(sdk);
    }
    clear_environment();
}

TEST(the_same_slip_in_the_code_stops_the_start)
{
    static const struct {
        kis_sdk_options options;
        const char *text;
    } rows[] = {
        { { .exporter = KIS_STR_INIT("otlp"), .otlp_endpoint = KIS_STR_INIT("c:4318") },
          "otlp_endpoint: 'c:4318' has no scheme; did you mean http://c:4318?" },
        { { .exporter = KIS_STR_INIT("otlp"),
            .otlp_endpoint = KIS_STR_INIT("https://c:4318"),
            .otlp_ca_file = KIS_STR_INIT("/nowhere/at.all") },
          "/nowhere/at.all" },
        { { .exporter = KIS_STR_INIT("file"), .file_path = KIS_STR_INIT("/nowhere/at.all") },
          "/nowhere/at.all" },
    };
    clear_environment();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_diag diag = { 0 };
        CHECK(!kis_sdk_start(&rows[i].options, &diag), rows[i].text);
        CHECK(strstr(diag.text, rows[i].text), diag.text);
    }
}

TEST(a_wrong_sampler_argument_is_as_if_it_were_not_set)
{
    static const struct {
        const char *why, *name, *arg, *want;
    } rows[] = {
        { "more than all", "traceidratio", "1.5", "TraceIdRatioBased{1.000000}" },
        { "less than none", "traceidratio", "-1", "TraceIdRatioBased{1.000000}" },
        { "no number", "parentbased_traceidratio", "half",
          "ParentBased{root:TraceIdRatioBased{1.000000}," },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[512] = "";
        clear_environment();
        setenv("OTEL_TRACES_SAMPLER", rows[i].name, 1);
        setenv("OTEL_TRACES_SAMPLER_ARG", rows[i].arg, 1);
        kis_sdk *sdk = start();
        kis_sdk_describe_sampler(sdk, text, sizeof(text) - 1);
        CHECK(!strncmp(text, rows[i].want, strlen(rows[i].want)), text);
        CHECK(strstr(log_text, "OTEL_TRACES_SAMPLER_ARG: '"), log_text);
        CHECK(strstr(log_text, rows[i].arg), rows[i].why);
        end(sdk);
    }
    clear_environment();
}

TEST(wrong_headers_of_the_environment_are_left_out)
{
    static const struct {
        const char *why, *own, *common;
        const char *says, *keeps_quiet; /* in the log; not there */
    } rows[] = {
        { "good ones are no news", "a=b", "c=d", "", "OTEL" },
        { "no pair", "secret", NULL, "OTEL_EXPORTER_OTLP_TRACES_HEADERS: pair 1: not name=value",
          "secret" },
        { "a line end in a value", NULL, "a=b,c=x%0d%0aHost: evil",
          "OTEL_EXPORTER_OTLP_HEADERS: pair 2: the value has a character", "evil" },
        { "a name of two words", NULL, "a b=c",
          "OTEL_EXPORTER_OTLP_HEADERS: pair 1: the name has a character", "a b" },
        { "with none left of the specific one the general one counts", "secret", "hidden",
          "OTEL_EXPORTER_OTLP_HEADERS: pair 1", "hidden" },
        { "with one left it does not", "secret,a=b", "hidden", "TRACES_HEADERS: pair 1",
          "OTEL_EXPORTER_OTLP_HEADERS" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        clear_environment();
        if (rows[i].own)
            setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", rows[i].own, 1);
        if (rows[i].common)
            setenv("OTEL_EXPORTER_OTLP_HEADERS", rows[i].common, 1);
        kis_sdk *sdk = start_with((kis_sdk_options){
            .exporter = KIS_STR("otlp"), .otlp_endpoint = KIS_STR("http://127.0.0.1:9") });
        CHECK(strstr(log_text, rows[i].says), rows[i].why);
        CHECK(!strstr(log_text, rows[i].keeps_quiet), log_text);
        end(sdk);
    }
    clear_environment();
}

TEST(too_many_headers_of_the_environment_are_left_out)
{
    char text[40 * 8] = "";
    for (int i = 0; i < 33; i++)
        sprintf(text + strlen(text), "h%d=v,", i);
    clear_environment();
    setenv("OTEL_EXPORTER_OTLP_HEADERS", text, 1);
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("otlp"),
                                                 .otlp_endpoint = KIS_STR("http://127.0.0.1:9") });
    CHECK(strstr(log_text, "OTEL_EXPORTER_OTLP_HEADERS: pair 33: more than 32"), log_text);
    end(sdk);
    clear_environment();
}

TEST(too_many_resource_attributes_of_the_environment_are_ignored)
{
    static char text[300 * 8];
    kis_attr mine[200];
    kis_attr_value value;
    text[0] = 0;
    for (int i = 0; i < 60; i++)
        sprintf(text + strlen(text), "k%d=v,", i);
    for (size_t i = 0; i < COUNT_OF(mine); i++)
        mine[i] = kis_attr_int("mine", (int64_t)i);
    for (int round = 0; round < 2; round++) {
        clear_environment();
        setenv("OTEL_RESOURCE_ATTRIBUTES", text, 1);
        kis_sdk *sdk = start_with((kis_sdk_options){
            .service_name = KIS_STR("test"), .resource = { mine, round ? COUNT_OF(mine) : 0 } });
        kis_attr_data resource = kis_sdk_resource(sdk);
        CHECK_INT(!round, kis_attr_data_find(&resource, KIS_STR("k0"), &value),
                  "all of it, or nothing");
        CHECK(kis_attr_data_find(&resource, KIS_STR("process.pid"), &value), "ours are there");
        CHECK_INT(round, strstr(log_text, "OTEL_RESOURCE_ATTRIBUTES: more than 46") != NULL,
                  log_text);
        end(sdk);
    }
    clear_environment();
}

TEST(samplers_have_their_exact_descriptions)
{
    static const struct {
        const char *name, *arg, *want;
    } rows[] = {
        { "always_on", "", "AlwaysOnSampler" },
        { "always_off", "", "AlwaysOffSampler" },
        { "traceidratio", "0.0001", "TraceIdRatioBased{0.000100}" },
        { "traceidratio", "", "TraceIdRatioBased{1.000000}" },
        { "parentbased_always_on", "",
          "ParentBased{root:AlwaysOnSampler,remoteParentSampled:AlwaysOnSampler,"
          "remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,"
          "localParentNotSampled:AlwaysOffSampler}" },
        { "parentbased_traceidratio", "0.5",
          "ParentBased{root:TraceIdRatioBased{0.500000},remoteParentSampled:AlwaysOnSampler,"
          "remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,"
          "localParentNotSampled:AlwaysOffSampler}" },
    };
    clear_environment();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[KIS_SAMPLER_TEXT_MAX];
        kis_sdk *sdk =
            start_with((kis_sdk_options){ .sampler_name = { rows[i].name, strlen(rows[i].name) },
                                          .sampler_arg = { rows[i].arg, strlen(rows[i].arg) } });
        size_t len = kis_sdk_describe_sampler(sdk, text, sizeof(text));
        CHECK_STR(rows[i].want, ((kis_str){ text, len }), rows[i].name);
        end(sdk);
    }
}

/* ---- propagation ---- */

TEST(context_crosses_processes)
{
    clear_environment();
    kis_sdk *sdk = start();
    headers in = { .at = { { "traceparent", PARENT },
                           { "tracestate", "a=1" },
                           { "tracestate", "b=2" },
                           { "baggage", "user=alice%20b;p=1,tier=gold" } },
                   .count = 4 };
    headers out = { .count = 0 };
    kis_carrier from = carrier(&in), to = carrier(&out);
    kis_context caller = kis_context_extract(kis_context_none(), &from);
    char buffer[64];
    kis_str value;
    CHECK(kis_baggage_get(caller, KIS_STR("user"), buffer, sizeof(buffer), &value), "baggage");
    CHECK_STR("alice b", value, "decoded");
    {
        KIS_SPAN(span, tracer(), "server", .kind = KIS_SPAN_KIND_SERVER, .parent = caller);
        CHECK(
            kis_baggage_get(kis_context_current(), KIS_STR("tier"), buffer, sizeof(buffer), &value),
            "the span's context has it");
        kis_context_inject(
            kis_baggage_set(kis_context_current(), KIS_STR("tier"), KIS_STR("silver"), KIS_STR("")),
            &to);
    }
    kis_span_data data = only(sdk);
    CHECK(data.is_parent_remote, "the parent is remote (T7)");
    CHECK_STR("a=1,b=2", data.context.trace_state, "both headers, joined");
    CHECK(!strncmp(header(&out, "traceparent"), "00-0af7651916cd43dd8448eb211c80319c-", 36),
          "same trace");
    CHECK(strncmp(header(&out, "traceparent") + 36, "b7ad6b7169203331", 16), "another span");
    CHECK_STR("a=1,b=2",
              ((kis_str){ header(&out, "tracestate"), strlen(header(&out, "tracestate")) }),
              "trace state goes on (M10)");
    CHECK(strstr(header(&out, "baggage"), "tier=silver") &&
              strstr(header(&out, "baggage"), "alice%20b"),
          "baggage goes on, changed");
    const char *fields[4];
    CHECK_INT(3, kis_context_fields(fields, 4), "traceparent, tracestate, baggage");
    end(sdk);
}

TEST(a_bad_header_leaves_the_context_as_it_was)
{
    static const struct {
        const char *why;
        headers in;
        bool has_parent;
    } rows[] = {
        { "good", { .at = { { "traceparent", PARENT } }, .count = 1 }, true },
        { "two of them: whom to believe?",
          { .at = { { "traceparent", PARENT }, { "traceparent", PARENT } }, .count = 2 },
          false },
        { "upper-case hex",
          { .at = { { "traceparent", "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" } },
            .count = 1 },
          false },
        { "bad trace state keeps the parent",
          { .at = { { "traceparent", PARENT }, { "tracestate", "A=1" } }, .count = 2 },
          true },
        { "nothing", { .count = 0 }, false },
    };
    clear_environment();
    kis_sdk *sdk = start();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        headers in = rows[i].in, out = { .count = 0 };
        kis_carrier from = carrier(&in), to = carrier(&out);
        kis_span_context context;
        kis_context got = kis_context_extract(kis_context_none(), &from);
        CHECK_INT(rows[i].has_parent, kis_context_get_span_context(got, &context, NULL, 0),
                  rows[i].why);
        kis_context_inject(got, &to);
        CHECK_INT(rows[i].has_parent, out.count, "an invalid context injects nothing");
    }
    end(sdk);
}

TEST(a_disabled_sdk_passes_context_through)
{
    clear_environment();
    setenv("OTEL_SDK_DISABLED", "TRUE", 1);
    kis_sdk *sdk = start();
    headers in = { .at = { { "traceparent", PARENT }, { "baggage", "k=v" } }, .count = 2 },
            out = { .count = 0 };
    kis_carrier from = carrier(&in), to = carrier(&out);
    kis_context_scope scope;
    kis_context_enter(&scope, kis_context_extract(kis_context_none(), &from));
    {
        KIS_SPAN(span, tracer(), "not recorded");
        CHECK(!span._slot, "no span");
        kis_context_inject(kis_context_current(), &to);
    }
    kis_context_leave(&scope);
    CHECK_STR(PARENT,
              ((kis_str){ header(&out, "traceparent"), strlen(header(&out, "traceparent")) }),
              "the parent passes through (M8, E1)");
    CHECK_STR("k=v", ((kis_str){ header(&out, "baggage"), strlen(header(&out, "baggage")) }),
              "baggage too");
    end(sdk);
    clear_environment();
}

/* What the current context hands on is what came in. */
static void check_passes(const char *why)
{
    headers out = { .count = 0 };
    kis_carrier to = carrier(&out);
    kis_context_inject(kis_context_current(), &to);
    if (strcmp(header(&out, "traceparent"), PARENT) || strcmp(header(&out, "tracestate"), "a=1") ||
        strcmp(header(&out, "baggage"), "k=v"))
        fail_msg("%s: '%s', '%s', '%s'", why, header(&out, "traceparent"),
                 header(&out, "tracestate"), header(&out, "baggage"));
}

static void pass_through(kis_context caller)
{
    kis_span_context ids;
    int calls = 0;
    {
        KIS_SPAN(server, tracer(), "server", .parent = caller,
                 .attrs = KIS_ATTRS(KIS_KV("a", ++calls)));
        check_passes("a span with a parent");
        CHECK(!kis_span_is_recording(server) && !kis_span_wants(server), "it is not recorded");
        CHECK(kis_span_get_context(server, &ids) && ids.flags == KIS_FLAG_SAMPLED, "its ids");
        CHECK_STR("a=1", ids.trace_state, "its trace state");
        KIS_SPAN(client, tracer(), "client");
        kis_span_set(client, KIS_KV("a", ++calls));
        check_passes("a span below");
    }
    CHECK_INT(0, calls, "attributes are not made");
    CHECK(!kis_context_get_span_context(kis_context_current(), &ids, NULL, 0), "all is left");
    {
        kis_span_scope scope;
        kis_span span = kis_span_scope_begin(
            &scope, kis_span_start(tracer(), "by hand", .parent = caller, .start_unix_ns = 1));
        kis_span_fail(span, "no");
        check_passes("begun by hand");
        kis_span_scope_end(&scope);
    }
}

TEST(a_span_of_a_disabled_sdk_is_its_parent_again)
{
    headers in = {
        .at = { { "traceparent", PARENT }, { "tracestate", "a=1" }, { "baggage", "k=v" } },
        .count = 3
    };
    kis_carrier from = carrier(&in);
    kis_span_context ids;
    kis_sdk_stats stats;
    clear_environment();
    setenv("OTEL_SDK_DISABLED", "true", 1);
    kis_sdk *sdk = start();
    kis_context caller = kis_context_extract(kis_context_none(), &from);
    for (int i = 0; i < 200; i++)
        pass_through(caller);
    kis_span none = kis_span_start(tracer(), "root", .parent = kis_context_none());
    CHECK(!none._slot, "a parent of nothing leaves nothing to pass on");
    kis_sdk *other = start_with((kis_sdk_options){ .is_local = true });
    pass_through(caller);
    end(other);
    kis_span open = kis_span_start(tracer(), "open", .parent = caller);
    kis_sdk_get_stats(sdk, &stats);
    CHECK_INT(0, stats.started + stats.unsampled + stats.late_calls + stats.dropped_memory,
              "nothing is counted");
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 5000), "stop");
    kis_span_end(open);
    CHECK(!kis_span_get_context(kis_span_start(tracer(), "x", .parent = caller), &ids), "over");
    kis_sdk_free(sdk);
    clear_environment();
}

TEST(contexts_carry_values_and_are_immutable)
{
    static const kis_context_key first = { "first" }, second = { "second" };
    int a = 1, b = 2;
    clear_environment();
    kis_sdk *sdk = start();
    kis_context none = kis_context_none(), one = kis_context_set(none, &first, &a),
                two = kis_context_set(one, &second, &b), three = kis_context_set(two, &first, &b);
    CHECK(!kis_context_get(none, &first), "nothing in the empty one");
    CHECK(kis_context_get(one, &first) == &a && !kis_context_get(one, &second), "one");
    CHECK(kis_context_get(two, &first) == &a && kis_context_get(two, &second) == &b, "both");
    CHECK(kis_context_get(three, &first) == &b && kis_context_get(two, &first) == &a,
          "the old one stays as it was (C1)");
    kis_span span = kis_span_start(tracer(), "x", .parent = two);
    CHECK(kis_context_get(kis_context_with_span(two, span), &second) == &b, "with a span");
    for (int i = 0; i < 3000; i++)
        kis_context_set(none, &first, &a);
    CHECK(kis_context_get(kis_context_with_span(two, span), &second) == &b,
          "an open span keeps its context's values");
    CHECK(!kis_context_get(three, &first),
          "one that nobody holds is forgotten after many newer ones, not mixed up");
    kis_span_end(span);
    end(sdk);
}

/* ---- processors and exporters ---- */

static struct {
    int started, ending, ended, flushed, stopped, exported, batches;
    kis_export_done *waiting;
    bool is_slow;
    char names[256];
    kis_sdk *sdk;
} seen;

static void on_start(void *user, kis_span span, const kis_context *parent)
{
    (void)parent;
    seen.started++;
    kis_span_set(span, KIS_KV("processor", (int)(intptr_t)user));
}
static void on_ending(void *user, kis_span span)
{
    (void)user;
    seen.ending++;
    kis_span_set(span, KIS_KV("on.ending", true));
    kis_span_end(span); /* not allowed, and harmless */
}
static void on_end(void *user, const kis_span_data *data)
{
    kis_attr_value value;
    (void)user;
    seen.ended++;
    CHECK(kis_attr_data_find(&data->attrs, KIS_STR("on.ending"), &value),
          "written while it was ending (T14)");
    CHECK(data->end_unix_ns >= data->start_unix_ns, "with its end");
}
static kis_err on_flush(void *user, uint64_t deadline)
{
    (void)user, (void)deadline;
    seen.flushed++;
    return KIS_OK;
}
static kis_err on_stop(void *user, uint64_t deadline)
{
    (void)user, (void)deadline;
    seen.stopped++;
    return KIS_OK;
}
static void on_export(void *user, const kis_export_batch *batch, kis_export_done *done)
{
    kis_span_data data;
    (void)user;
    seen.batches++;
    for (size_t at = 0; kis_export_batch_next(batch, &at, &data);) {
        seen.exported++;
        if (strlen(seen.names) + data.name.len < sizeof(seen.names))
            strncat(seen.names, data.name.ptr, data.name.len);
    }
    if (seen.is_slow)
        seen.waiting = done;
    else
        done->call(done, KIS_OK);
}
static const kis_processor processor = {
    on_start, on_ending, on_end, on_flush, on_stop, (void *)7
};
static const kis_exporter exporter = { on_export, on_flush, on_stop, NULL };

static char carried[16384];
static void keep_baggage(void *user, const char *name, kis_str value)
{
    (void)user;
    CHECK(value.len < sizeof(carried), "room");
    if (!strcmp(name, "baggage"))
        memcpy(carried, value.ptr, value.len);
    carried[value.len] = 0;
}
static size_t inject_baggage(kis_context context)
{
    kis_carrier to = { .set = keep_baggage };
    carried[0] = 0;
    kis_context_inject(context, &to);
    return strlen(carried);
}

TEST(baggage_that_is_kept_can_travel)
{
    static char letters[8192], blanks[3000];
    const struct {
        const char *why;
        kis_str value, metadata;
        size_t carried; /* 0: it changes nothing */
    } rows[] = {
        { "as long as may be", { letters, 8190 }, KIS_STR(""), 8192 },
        { "a byte longer", { letters, 8191 }, KIS_STR(""), 0 },
        { "blanks are three bytes each", { blanks, 2730 }, KIS_STR(""), 2 + 3 * 2730 },
        { "and do not fit then", { blanks, 2731 }, KIS_STR(""), 0 },
        { "metadata", KIS_STR("v"), KIS_STR(" p=1;q "), sizeof("a=v;p=1;q") - 1 },
        { "with a comma it would be another member", KIS_STR("v"), KIS_STR("p=1,q=2"), 0 },
        { "with a line end it would be another header", KIS_STR("v"), KIS_STR("p\r\nX: y"), 0 },
        { "beyond ASCII", KIS_STR("v"), KIS_STR("p=\xc3\xa4"), 0 },
        { "a value that is no text", KIS_STR("\xff"), KIS_STR(""), 0 },
    };
    clear_environment();
    kis_sdk *sdk = start();
    memset(letters, 'v', sizeof(letters));
    memset(blanks, ' ', sizeof(blanks));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_context c =
            kis_baggage_set(kis_context_none(), KIS_STR("a"), rows[i].value, rows[i].metadata);
        CHECK_INT(rows[i].carried > 0, kis_baggage_each(c, NULL, NULL), rows[i].why);
        CHECK_INT(rows[i].carried, inject_baggage(c), rows[i].why);
    }
    end(sdk);
}

TEST(baggage_that_does_not_fit_changes_nothing)
{
    static char letters[6000];
    char buffer[8192], name[16];
    kis_str half = { letters, 4000 }, more = { letters, 6000 }, value;
    clear_environment();
    kis_sdk *sdk = start();
    memset(letters, 'v', sizeof(letters));
    kis_context c = kis_baggage_set(kis_context_none(), KIS_STR("a"), half, KIS_STR(""));
    c = kis_baggage_set(c, KIS_STR("b"), half, KIS_STR(""));
    CHECK_INT(2, kis_baggage_each(c, NULL, NULL), "both fit");
    c = kis_baggage_set(c, KIS_STR("c"), half, KIS_STR(""));
    CHECK_INT(2, kis_baggage_each(c, NULL, NULL), "8192 bytes in all: not a third");
    c = kis_baggage_set(c, KIS_STR("a"), more, KIS_STR(""));
    CHECK(kis_baggage_get(c, KIS_STR("a"), buffer, sizeof(buffer), &value), "still there");
    CHECK_INT(4000, value.len, "with the value it had");
    CHECK_INT(2 + 4000 + 1 + 2 + 4000, inject_baggage(c), "and all of it travels");
    c = kis_baggage_remove(c, KIS_STR("b"));
    c = kis_baggage_set(c, KIS_STR("a"), more, KIS_STR(""));
    CHECK_INT(2 + 6000, inject_baggage(c), "now there is room");

    c = kis_context_none();
    for (int i = 0; i < 181; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        c = kis_baggage_set(c, (kis_str){ name, strlen(name) }, KIS_STR("v"), KIS_STR(""));
    }
    CHECK_INT(180, kis_baggage_each(c, NULL, NULL), "180 members");
    c = kis_baggage_set(c, KIS_STR("n7"), KIS_STR("w"), KIS_STR(""));
    CHECK(inject_baggage(c) && strstr(carried, "n7=w,"), "one that is there may change");
    end(sdk);
}

TEST(processors_and_exporters_of_the_program_are_called)
{
    clear_environment();
    memset(&seen, 0, sizeof(seen));
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("none"),
                                                 .user_exporter = &exporter,
                                                 .processors = &processor,
                                                 .processor_count = 1 });
    kis_span_end(kis_span_start(tracer(), "a"));
    kis_span_end(kis_span_start(tracer(), "b"));
    CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 5000), "flush");
    CHECK_INT(2, seen.started, "on_start");
    CHECK_INT(2, seen.ending, "on_ending");
    CHECK_INT(2, seen.ended, "on_end");
    CHECK_INT(2, seen.exported, "exported");
    CHECK(!strcmp(seen.names, "ab"), "in order");
    CHECK_INT(2, seen.flushed, "force_flush of both");
    CHECK_ERR(KIS_OK, kis_sdk_add_processor(sdk, &processor), "another one while running (M12)");
    kis_span_end(kis_span_start(tracer(), "c"));
    CHECK_INT(4, seen.started, "both hear of it");
    end(sdk);
    CHECK_INT(3, seen.stopped, "shutdown, once each");
    CHECK_INT(3, seen.exported, "what was left was exported at stop");
}

static void record_only(const kis_sampler *s, const kis_sampling_input *in,
                        kis_sampling_result *out)
{
    (void)s, (void)in;
    out->decision = KIS_SAMPLING_RECORD_ONLY;
    out->has_trace_state = true;
    out->trace_state = KIS_STR("s=1");
    static const kis_attr attr = { .key = "sampler", .key_len = 7, .type = KIS_ATTR_BOOL };
    out->attrs = (kis_attr_list){ &attr, 1 };
}
static size_t no_description(const kis_sampler *s, char *to, size_t size)
{
    (void)s, (void)to, (void)size;
    return 0;
}

TEST(recorded_but_not_sampled_goes_to_processors_alone)
{
    kis_sampler sampler = { .should_sample = record_only, .describe = no_description };
    kis_span_context context;
    clear_environment();
    memset(&seen, 0, sizeof(seen));
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("none"),
                                                 .user_exporter = &exporter,
                                                 .processors = &processor,
                                                 .processor_count = 1,
                                                 .sampler = &sampler });
    kis_span span = kis_span_start(tracer(), "a");
    CHECK(kis_span_is_recording(span), "recorded");
    CHECK(kis_span_get_context(span, &context) && !(context.flags & KIS_FLAG_SAMPLED),
          "not sampled");
    CHECK_STR("s=1", context.trace_state, "the sampler wrote the trace state (T20)");
    kis_span_end(span);
    kis_sdk_flush(sdk, 1000);
    CHECK(seen.ended == 1 && seen.exported == 0, "processors see it, exporters do not (M14)");
    end(sdk);
}

TEST(the_simple_processor_exports_at_once)
{
    clear_environment();
    memset(&seen, 0, sizeof(seen));
    kis_sdk *sdk = start_with((kis_sdk_options){
        .exporter = KIS_STR("none"), .user_exporter = &exporter, .processor = KIS_STR("simple") });
    kis_span_end(kis_span_start(tracer(), "a"));
    CHECK_INT(1, seen.exported, "before end returned");
    end(sdk);
}

TEST(stop_is_bounded_and_says_what_was_lost)
{
    struct timespec before, after;
    clear_environment();
    memset(&seen, 0, sizeof(seen));
    seen.is_slow = true;
    kis_sdk *sdk = start_with((kis_sdk_options){ .exporter = KIS_STR("none"),
                                                 .user_exporter = &exporter,
                                                 .queue_spans = 10,
                                                 .batch_spans = 10,
                                                 .delay_ms = 600000 });
    for (int i = 0; i < 5; i++)
        kis_span_end(kis_span_start(tracer(), "a"));
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_ERR(KIS_ERR_TIMEOUT, kis_sdk_flush(sdk, 50), "the exporter does not answer");
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 5000,
          "and flush comes back");
    kis_sdk_stats stats;
    kis_sdk_get_stats(sdk, &stats);
    CHECK_INT(5, stats.in_flight, "five wait for the answer");
    seen.is_slow = false;
    seen.waiting->call(seen.waiting, KIS_ERR_IO);
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 1000), "nothing is left");
    CHECK(strstr(log_text, "5 spans were lost"), log_text);
    CHECK(strstr(log_text, "5 spans were not delivered"),
          "and the failure was said when it happened");
    kis_sdk_free(sdk);
}

TEST(two_sdks_side_by_side)
{
    clear_environment();
    kis_sdk *global = start(),
            *local =
                start_with((kis_sdk_options){ .is_local = true, .service_name = KIS_STR("local") });
    kis_tracer mine = { .name = "mine", .sdk = local };
    kis_tracer *m = &mine;
    kis_span_end(kis_span_start(tracer(), "global"));
    kis_span_end(kis_span_start(m, "local"));
    CHECK_STR("global", only(global).name, "each has its own");
    CHECK_STR("local", only(local).name, "each has its own");
    end(local);
    kis_span_end(kis_span_start(m, "late"));
    kis_span_end(kis_span_start(tracer(), "still"));
    kis_sdk_flush(global, 1000);
    CHECK_INT(2, kis_sdk_memory_count(global), "the global one goes on");
    end(global);
}

TEST(start_and_stop_many_times)
{
    clear_environment();
    for (int i = 0; i < 50; i++) {
        kis_sdk *sdk = start();
        kis_span_end(kis_span_start(tracer(), "x"));
        CHECK_ERR(KIS_OK, kis_sdk_flush(sdk, 1000), "flush");
        CHECK_INT(1, kis_sdk_memory_count(sdk), "each time one");
        CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 1000), "stop");
        if (i % 2)
            kis_sdk_free(sdk);
    }
}

/* ---- threads, kernel ---- */

TEST(the_worker_blocks_every_signal)
{
    bool is_found = false;
    clear_environment();
    kis_sdk *sdk = start();
    kis_span_end(kis_span_start(tracer(), "x"));
    kis_sdk_flush(sdk, 1000);
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[300], line[256], name[32] = "";
        unsigned long long blocked = 0;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof(line), file)) {
            sscanf(line, "Name: %31s", name);
            sscanf(line, "SigBlk: %llx", &blocked);
        }
        if (file)
            fclose(file);
        if (!strcmp(name, "kiseki")) {
            is_found = true;
            CHECK(blocked >> (SIGTERM - 1) & 1 && blocked >> (SIGPIPE - 1) & 1 &&
                      blocked >> (SIGUSR1 - 1) & 1,
                  "its signals are blocked");
        }
    }
    closedir(dir);
    CHECK(is_found, "the worker was seen");
    end(sdk);
}

/* This thread may call exit_group from now on and nothing else. (Strict mode would forbid reading
 * the time stamp counter, which the clock does.) */
static int allow_only_exit(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = { COUNT_OF(filter), filter };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

TEST(recording_makes_no_system_call_once_warm)
{
    clear_environment();
    pid_t child = fork();
    if (child == 0) {
        kis_sdk_options options = { .exporter = KIS_STR("none"),
                                    .user_exporter = &exporter,
                                    .batch_spans = 512,
                                    .delay_ms = 600000 };
        kis_sdk *sdk = kis_sdk_start(&options, NULL);
        for (int i = 0; i < 64; i++) { /* slots, record, worker */
            KIS_SPAN(span, tracer(), "warm");
            kis_span_set(span, KIS_KV("a", 1));
            kis_span_event(span, "event", KIS_KV("c", 1));
        }
        for (int round = 0; round < 3; round++) {
            kis_sdk_flush(sdk, 1000);
            for (int i = 0; i < 400; i++)
                kis_span_end(kis_span_start(tracer(), "warm"));
        }
        kis_sdk_flush(sdk, 1000);
        if (allow_only_exit())
            _exit(77);
        for (int i = 0; i < 300; i++) { /* anything but exit ends the process now */
            KIS_SPAN(span, tracer(), "quiet", .kind = KIS_SPAN_KIND_SERVER);
            kis_span_set(span, KIS_KV("a", i), KIS_KV("b", "text"));
            kis_span_event(span, "event", KIS_KV("c", 1));
        }
        syscall(SYS_exit_group, 0); /* not _exit: sanitizers do something there */
    }
    int status;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status), "no system call was made: the kernel did not end the process");
    if (WEXITSTATUS(status) == 77)
        skip();
    CHECK_INT(0, WEXITSTATUS(status), "all were recorded");
}

TEST_MAIN(RUN(a_span_goes_all_the_way), RUN(service_name_has_its_order),
          RUN(the_environment_is_read_as_the_specification_says),
          RUN(a_slip_in_a_variable_leaves_its_exporter_out),
          RUN(other_exporters_go_on_without_the_one_that_is_left_out),
          RUN(blanks_around_an_endpoint_do_no_harm),
          RUN(a_certificate_of_our_own_that_is_not_used_is_told),
          RUN(unknown_propagators_do_not_cut_the_trace), RUN(wrong_options_in_the_code_are_told),
          RUN(samplers_have_their_exact_descriptions),
          RUN(the_same_slip_in_the_code_stops_the_start),
          RUN(a_wrong_sampler_argument_is_as_if_it_were_not_set),
          RUN(wrong_headers_of_the_environment_are_left_out),
          RUN(too_many_headers_of_the_environment_are_left_out),
          RUN(too_many_resource_attributes_of_the_environment_are_ignored),
          RUN(context_crosses_processes), RUN(a_bad_header_leaves_the_context_as_it_was),
          RUN(a_disabled_sdk_passes_context_through),
          RUN(a_span_of_a_disabled_sdk_is_its_parent_again),
          RUN(contexts_carry_values_and_are_immutable), RUN(baggage_that_is_kept_can_travel),
          RUN(baggage_that_does_not_fit_changes_nothing),
          RUN(processors_and_exporters_of_the_program_are_called),
          RUN(recorded_but_not_sampled_goes_to_processors_alone),
          RUN(the_simple_processor_exports_at_once), RUN(stop_is_bounded_and_says_what_was_lost),
          RUN(two_sdks_side_by_side), RUN(start_and_stop_many_times),
          RUN(the_worker_blocks_every_signal), RUN(recording_makes_no_system_call_once_warm))
