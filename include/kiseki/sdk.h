/* sdk.h - start and stop the SDK; its options; what it has counted.
 *
 *     kis_diag diag;
 *     kis_sdk *sdk = kis_sdk_start(NULL, &diag);
 *     if (!sdk)
 *         fprintf(stderr, "tracing is off: %s\n", diag.text);
 *     ...
 *     kis_sdk_stop(sdk, 2000);
 *
 * Until it is started nothing is recorded, nothing is sent, and nothing is said: a program that
 * links libkiseki and never starts it is silent.
 *
 * Where an option is given in the code it counts; else the variable of the environment; else the
 * default. A variable that cannot be understood is named in a warning and is as if it were not set:
 * then the next one named beside the option counts, if there is one. Of headers the pairs that are
 * well formed are kept. The empty text is not set.
 * Some variables must not be passed over like that, because spans would then go elsewhere, or
 * without the protection that was asked for: an endpoint that is no URL
 * (OTEL_EXPORTER_OTLP[_TRACES]_ENDPOINT), a certificate or key that cannot be read
 * (..._CERTIFICATE, ..._CLIENT_CERTIFICATE, ..._CLIENT_KEY), a file that cannot be written
 * (OTEL_KISEKI_FILE). The SDK then starts without that exporter and says so: context and baggage
 * travel, and its spans go nowhere. The same mistake in the code makes kis_sdk_start answer NULL.
 *
 * What a program that uses this never has to do: handle SIGPIPE (none is raised), block signals
 * (the SDK's threads block all), call stop before exit() (what is recorded is sent within
 * `exit_flush_ms`), or do anything around fork() (the child records with ids and a sender of its
 * own, and never sends what its parent recorded).
 */
#ifndef KISEKI_SDK_H
#define KISEKI_SDK_H

#include <kiseki/exporter.h>
#include <kiseki/host.h>
#include <kiseki/id_generator.h>
#include <kiseki/processor.h>
#include <kiseki/propagator.h>
#include <kiseki/sampler.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kis_sdk kis_sdk;

#define KIS_SDKS_MAX 8 /* running at once in one process */

typedef enum kis_drive {
    KIS_DRIVE_THREAD = 0, /* a thread of the SDK's own, started with the first span that ends */
    KIS_DRIVE_TICK,       /* the program calls kis_sdk_tick */
} kis_drive;

/**
 * How the SDK runs. All zeros is a good start: every field that is zero (NULL, empty) is taken from
 * the environment, else from the default in brackets. Texts are borrowed for the call of
 * kis_sdk_start; tables (sampler, processors, ...) until kis_sdk_stop has answered OK.
 */
typedef struct kis_sdk_options {
    /* who we are */
    kis_str service_name;        /* OTEL_SERVICE_NAME [unknown_service:PROGRAM] */
    kis_attr_list resource;      /* OTEL_RESOURCE_ATTRIBUTES gives what is not given here */
    kis_str resource_schema_url; /* [none] */

    /* which spans */

    /* OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG [parentbased_always_on] */
    const kis_sampler *sampler;
    const kis_id_generator *ids; /* [random] */
    kis_str sampler_name;        /* the name and its argument as the environment would give them */
    kis_str sampler_arg;

    /* where to */

    /* OTEL_TRACES_EXPORTER [otlp]: otlp, console (or logging), none, memory, file, or several with
     * commas */
    kis_str exporter;
    const kis_exporter *user_exporter; /* beside or, with exporter "none", instead */
    const kis_processor *processors;   /* called before the exporter's */
    size_t processor_count;
    kis_str processor;   /* OTEL_KISEKI_PROCESSOR [batch]: batch, or simple (each span at once) */
    kis_str propagators; /* OTEL_PROPAGATORS [tracecontext,baggage] */
    const kis_propagator *user_propagators; /* after those named */
    size_t user_propagator_count;

    /* OTLP */

    /* OTEL_EXPORTER_OTLP_TRACES_ENDPOINT as it stands, or OTEL_EXPORTER_OTLP_ENDPOINT with
     * /v1/traces added [http://localhost:4318, gRPC :4317]; unix:/run/kiseki.sock is a socket */
    kis_str otlp_endpoint;
    /* OTEL_EXPORTER_OTLP[_TRACES]_PROTOCOL [http/protobuf]: grpc, http/protobuf, http/json */
    kis_str otlp_protocol;
    /* OTEL_EXPORTER_OTLP[_TRACES]_HEADERS "name=value,name=value", percent-coded */
    kis_str otlp_headers;
    kis_str otlp_compression; /* OTEL_EXPORTER_OTLP[_TRACES]_COMPRESSION [none]: gzip, zstd, none */
    /* OTEL_EXPORTER_OTLP[_TRACES]_TIMEOUT [10000] of one attempt; no limit: UINT32_MAX,
     * in the environment 0 */
    uint32_t otlp_timeout_ms;
    kis_str otlp_ca_file;   /* OTEL_EXPORTER_OTLP[_TRACES]_CERTIFICATE [the system's] */
    kis_str otlp_cert_file; /* OTEL_EXPORTER_OTLP[_TRACES]_CLIENT_CERTIFICATE */
    kis_str otlp_key_file;  /* OTEL_EXPORTER_OTLP[_TRACES]_CLIENT_KEY */
    /* OTEL_EXPORTER_OTLP[_TRACES]_INSECURE: gRPC without a scheme in the
     * endpoint goes without TLS */
    bool otlp_insecure;
    kis_str file_path;      /* OTEL_KISEKI_FILE: of exporter file [kiseki-spans.jsonl] */
    kis_str console_form;   /* OTEL_KISEKI_CONSOLE [pretty]: pretty, line */
    kis_str console_stream; /* OTEL_KISEKI_CONSOLE_STREAM [stdout]: stdout, stderr */

    /* batches */

    /* OTEL_BSP_MAX_QUEUE_SIZE [2048] of each recording thread; one more is dropped and counted */
    uint32_t queue_spans;
    uint32_t batch_spans; /* OTEL_BSP_MAX_EXPORT_BATCH_SIZE [512] */
    /* OTEL_BSP_SCHEDULE_DELAY [5000]: longest wait of an ended span; 1 is as soon as can be, in the
     * environment 0 too */
    uint32_t delay_ms;
    /* OTEL_BSP_EXPORT_TIMEOUT [30000]: of a batch with all its retries; no limit: UINT32_MAX,
     * in the environment 0 */
    uint32_t export_timeout_ms;

    /* bounds of one span; values in characters of text, bytes of bytes */
    uint32_t attr_count; /* OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_ATTRIBUTE_COUNT_LIMIT [128] */
    /* OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT, OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT [65536 bytes,
     * KIS_VALUE_BYTES_MAX] */
    uint32_t attr_value_length;
    uint32_t event_count;      /* OTEL_SPAN_EVENT_COUNT_LIMIT [128] */
    uint32_t link_count;       /* OTEL_SPAN_LINK_COUNT_LIMIT [128] */
    uint32_t event_attr_count; /* OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT [128] */
    uint32_t link_attr_count;  /* OTEL_LINK_ATTRIBUTE_COUNT_LIMIT [128] */
    uint32_t value_depth;      /* [31], the most: deeper lists and maps become empty */

    /* memory and life */

    /* OTEL_KISEKI_MAX_SPANS [16384]: open, waiting and on their way, in the process;
     * about 1 KiB each */
    uint32_t max_spans;
    kis_drive drive;
    const kis_host *host; /* [the machine] */
    bool is_local;        /* not the global one: only tracers whose `sdk` names it use it */
    bool is_disabled; /* OTEL_SDK_DISABLED=true: context still propagates, nothing is recorded */
    bool is_quiet; /* OTEL_KISEKI_QUIET: no line on stderr for a failed export or a drop at stop */
    /* OTEL_KISEKI_EXIT_FLUSH [2000]: what exit() may wait for the last spans */
    uint32_t exit_flush_ms;
    /* instead of stderr; any thread */
    void (*on_log)(void *user, kis_log_level level, const char *text);
    void *log_user;
} kis_sdk_options;

/**
 * Starts an SDK, which becomes the global one unless `is_local` is set.
 *
 * options  NULL: everything from the environment
 * diag     says what was wrong; NULL: that is a line on stderr. With an SDK its `err` is KIS_OK; a
 *          text says then which exporter was left out, and why
 *
 * NULL  an option in the code was wrong; memory ran out, KIS_SDKS_MAX run already, or a global one
 *       does (kis_sdk_global finds it). The program goes on without tracing. An exporter that
 *       cannot be reached is no reason: spans wait, and are dropped and counted when they have
 *       waited too long.
 *
 * Any thread. Threads of the SDK's own: one for batches, one for sending. Starts and stops may
 * follow each other in any number: an SDK that was stopped leaves its memory to the next.
 */
KIS_API kis_sdk *kis_sdk_start(const kis_sdk_options *options, kis_diag *diag);

/** The global SDK, or NULL. */
KIS_API kis_sdk *kis_sdk_global(void);

/**
 * Sends what has ended so far. OK: all of it was answered for. TIMEOUT: not in time; it stays
 * queued, or the SDK was stopped meanwhile. IO and others: an export failed, and those spans are
 * lost and counted. At most timeout_ms. Any thread.
 */
KIS_API kis_err kis_sdk_flush(kis_sdk *sdk, uint32_t timeout_ms);

/**
 * Stops recording at once, sends what has ended, closes the exporters. At most about timeout_ms;
 * what could not be sent by then is dropped, counted, and said in one line on stderr. A second call
 * waits as long for what the first has not finished, and answers the same way: OK or TIMEOUT. After
 * an OK, and with NULL, it does nothing and answers OK. Any thread, and others may go on recording.
 * Afterwards `sdk` may still be asked for its stats, until the next start.
 *
 * A span goes out through the SDK that it was started in, or not at all. One that has ended when
 * its SDK is stopped is sent, or dropped and counted. One that is still open is ended by the stop
 * and sent by nobody, whatever is started before the program ends it, too. Its handle is from then
 * on that of an ended span: calls with it do nothing and are counted, kis_span_get_context answers
 * for some time yet, without trace state, and a context that has the span keeps its ids.
 *
 * OK: no thread is in a sampler, id generator, processor, propagator or exporter of this SDK any
 * more, and none will be: their tables may go.
 *
 * TIMEOUT: not all was answered for in time, or a thread was still in one of those tables, which
 * then must stay; a processor or propagator that stops its own SDK is such a thread, and is not
 * waited for. Another SDK may be started all the same. An exporter of the program that has not
 * returned, or has not answered, is given up: its functions are not called any more. It may return,
 * and answer, at any time later; its `queued` and `in_flight` spans are those that were given up.
 * One that never does keeps one of the KIS_SDKS_MAX places. Force_flush and shutdown of exporters
 * and processors run on the calling thread: it waits for them.
 */
KIS_API kis_err kis_sdk_stop(kis_sdk *sdk, uint32_t timeout_ms);

/** Stops it if need be, and gives all its memory back, unless somebody is still in an exporter of
 * it (TIMEOUT above). The caller promises that no thread uses a span of it any more, and no
 * context of it: a kept one, or one that is still the current one of some thread. One that was
 * stopped before is freed until the next start, as its stats. Before dlclose, and in tests. */
KIS_API void kis_sdk_free(kis_sdk *sdk);

/** With KIS_DRIVE_TICK: does what is due, and answers in how many milliseconds to call again at the
 * latest. Never waits for the network. One thread at a time. */
KIS_API uint32_t kis_sdk_tick(kis_sdk *sdk);

/** Adds a processor while running; it hears of spans that start from now on.
 * LIMIT: KIS_PROCESSORS_MAX are there. */
KIS_API KIS_CHECKED kis_err kis_sdk_add_processor(kis_sdk *sdk, const kis_processor *processor);

/** What was counted since the start; gauges are marked. */
typedef struct kis_sdk_stats {
    uint64_t started;   /* spans that are recorded */
    uint64_t unsampled; /* spans that a sampler dropped */
    uint64_t ended;
    uint64_t open;           /* gauge: started, not ended; a stop leaves none */
    uint64_t dropped_queue;  /* ended, but the queue was full */
    uint64_t dropped_memory; /* not recorded: max_spans were in use, or no memory */
    uint64_t dropped_export; /* given up by the exporter, or left over at stop */
    uint64_t exported;       /* answered OK by the exporter */
    uint64_t rejected;       /* of these, refused by the receiver (partial success) */
    uint64_t queued;         /* gauge: ended, not taken into a batch */
    uint64_t in_flight;      /* gauge: given to the exporter, not answered */
    uint64_t batches;
    uint64_t failed_batches;
    uint64_t dropped_attrs, dropped_events, dropped_links; /* over a limit */
    uint64_t repaired_texts;                               /* not UTF-8, or cut */
    uint64_t late_calls; /* of a span that was ended, or of a stopped SDK */
    uint64_t held_bytes; /* gauge: memory for spans */
} kis_sdk_stats;

KIS_API void kis_sdk_get_stats(const kis_sdk *sdk, kis_sdk_stats *out);

/** The description of the sampler in force, "ParentBased{root:AlwaysOnSampler,...}";
 * answers its length, without a NUL. */
KIS_API size_t kis_sdk_describe_sampler(const kis_sdk *sdk, char *to, size_t size);

/** The resource of all its spans. Borrowed until stop. */
KIS_API kis_attr_data kis_sdk_resource(const kis_sdk *sdk);

/** With exporter "memory": how many spans were exported, and the `index`-th of them, borrowed until
 * kis_sdk_memory_clear or stop. For tests. */
KIS_API size_t kis_sdk_memory_count(kis_sdk *sdk);
KIS_API bool kis_sdk_memory_at(kis_sdk *sdk, size_t index, kis_span_data *out);
KIS_API void kis_sdk_memory_clear(kis_sdk *sdk);

#ifdef __cplusplus
}
#endif
#endif
