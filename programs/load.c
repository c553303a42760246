/* load.c - `kiseki load`: realistic spans at a rate, answers measured, and every acknowledged span
 * found again.
 *
 *     slot: make a request ─> send ─> answer ─> next
 *
 * One slot a connection (times --in-flight), one loop, one thread. A slot sends its next request
 * when its last was answered and, with --rate, not before its turn. A refusal (503, 429) is waited
 * out as the server asked. Only what was acknowledged is counted as sent.
 *
 * Not here: how requests look (load_make.c), the looking for spans (load_verify.c), the report
 * (load_report.c).
 */
#include <signal.h>
#include <unistd.h>

#include "ask.h"
#include "load_make.h"
#include "load_report.h"
#include "load_verify.h"
#include "program.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "base/vec.h"
#include "compress/compress.h"
#include "http/grpc.h"
#include "http/url.h"
#include "model/limits.h"
#include "net/client.h"
#include "os/mem.h"
#include "os/signal.h"
#include "wire/otlp.h"

static const char usage[] =
    "kiseki load - send realistic spans and measure the answers\n\n    kiseki load [--to "
    "ADDR:PORT] [OPTION ...]\n\n"
    "Requests are like those of ten services that talk to each other: about 460 bytes and 9 "
    "attributes a span, random ids, times and values.\nOne thread. "
    "Ends after --duration, or when --count spans are acknowledged; exit code 1 when nothing was, "
    "or when --verify misses a span.\n\n";

typedef enum load_protocol { LOAD_GRPC, LOAD_HTTP, LOAD_JSON } load_protocol;

typedef struct load_options {
    kis_str to, query, ca;
    int protocol, compression, report;
    uint32_t connections, in_flight, spans_per_request, services;
    uint64_t rate, count, seed;
    int64_t duration_ns, timeout_ns;
    bool harsh, verify;
} load_options;

#define ROW(flag, kind, field, fallback, min, max, choices, help)                               \
    {                                                                                           \
        flag, NULL, KIS_OPT_##kind, offsetof(load_options, field), fallback, min, max, choices, \
            help                                                                                \
    }

static const kis_option rows[] = {
    ROW("to", TEXT, to, NULL, NULL, NULL, "ADDR:PORT",
        "Where to; https://ADDR:PORT for TLS, unix:/PATH for a socket. Default: 127.0.0.1:4317 for "
        "grpc, 127.0.0.1:4318 for http and json."),
    ROW("ca", TEXT, ca, NULL, NULL, NULL, "FILE",
        "Certificates (PEM) that a TLS server is believed by. Default: the system's."),
    ROW("protocol", CHOICE, protocol, "grpc", NULL, NULL, "grpc|http|json",
        "OTLP over gRPC, HTTP with protobuf, HTTP with JSON."),
    ROW("compression", CHOICE, compression, "none", NULL, NULL, "none|gzip|zstd",
        "Of the requests."),
    ROW("connections", U32, connections, "8", "1", "1024", "N", "Connections."),
    ROW("in-flight", U32, in_flight, "1", "1", "64", "N",
        "Requests in flight a connection (more than one: grpc only)."),
    ROW("spans-per-request", U32, spans_per_request, "512", "1", "8192", "N",
        "Spans of one request."),
    ROW("services", U32, services, "10", "1", "200", "N", "Services that the spans come from."),
    ROW("rate", U64, rate, "0", NULL, NULL, "N",
        "Spans a second, all connections together. 0: as fast as answers come."),
    ROW("count", U64, count, "0", NULL, NULL, "N",
        "End when so many spans are acknowledged. 0: by --duration."),
    ROW("duration", DURATION, duration_ns, "10s", "1ms", "30d", "TIME",
        "How long, when --count does not say how many."),
    ROW("timeout", DURATION, timeout_ns, "30s", "10ms", "1h", "TIME",
        "An answer that takes longer is a failure."),
    ROW("harsh", BOOL, harsh, NULL, NULL, NULL, NULL, "15 attributes a span and much random text."),
    ROW("verify", BOOL, verify, NULL, NULL, NULL, NULL,
        "Afterwards look for every acknowledged span through the query API."),
    ROW("query", TEXT, query, "http://127.0.0.1:16686", NULL, NULL, "URL",
        "The query API, for --verify."),
    ROW("seed", U64, seed, "0", NULL, NULL, "N",
        "Of ids and values, to send the same again. 0: random."),
    ROW("report", CHOICE, report, "text", NULL, NULL, "text|json", "Form of the report on stdout."),
};

/* ---- the run ---- */

typedef struct load_run load_run;

typedef struct load_slot {
    load_run *run;
    kis_client *client;
    kis_timer timer;
    uint64_t seed, sent_ns;
    uint8_t *body; /* room for any request, with gRPC's prefix */
    kis_buf packed;
} load_slot;

struct load_run {
    load_options options;
    kis_load_maker maker;
    kis_loop *loop;
    kis_codecs *codecs;
    kis_client **clients;
    kis_tls_client *tls; /* NULL: plain */
    load_slot *slots;
    uint32_t slot_count, in_flight;
    size_t body_max;
    kis_watch signals;
    kis_timer tick;
    bool is_stopping, is_unreachable, shows_progress;
    uint64_t next_seed, next_turn_ns;
    uint64_t spans_asked; /* in flight */
    kis_load_result result;
    KIS_VEC(uint64_t) seeds; /* acknowledged requests, with --verify */
};

static void send_next(load_slot *slot);

static bool is_over(const load_run *run)
{
    if (run->is_stopping)
        return true;
    if (run->options.count)
        return run->result.spans_acknowledged + run->spans_asked >= run->options.count;
    return kis_now_ns() - run->result.begin_ns >= (uint64_t)run->options.duration_ns;
}

static void stop_if_idle(load_run *run)
{
    if (run->in_flight)
        return;
    bool has_all = !run->options.count || run->result.spans_acknowledged >= run->options.count;
    if (run->is_stopping || has_all) {
        run->result.end_ns = kis_now_ns();
        kis_loop_stop(run->loop);
    }
}

static void send_later(load_slot *slot, uint64_t wait_ns)
{
    if (kis_loop_set_timer(slot->run->loop, &slot->timer, kis_now_ns() + wait_ns) != KIS_OK)
        slot->run->is_stopping = true;
}

static void on_timer(kis_timer *timer)
{
    send_next(KIS_CONTAINER(timer, load_slot, timer));
}

/* ---- answers ---- */

/* 0 when the answer is an OK; else what the server said, as gRPC's or HTTP's status. */
static int status_of_answer(const load_run *run, const kis_client_answer *answer)
{
    if (run->options.protocol != LOAD_GRPC || answer->status != 200)
        return answer->status == 200 ? 0 : answer->status;
    kis_str status =
        kis_header_find(answer->trailers, answer->trailer_count, KIS_STR("grpc-status"));
    uint64_t number = KIS_GRPC_UNKNOWN;
    if (!status.len)
        status = kis_header_find(answer->headers, answer->header_count, KIS_STR("grpc-status"));
    if (kis_u64_parse(status, &number) != KIS_OK)
        return KIS_GRPC_UNKNOWN;
    return (int)number;
}

static bool is_refusal(const load_run *run, int status)
{
    if (run->options.protocol == LOAD_GRPC)
        return status == KIS_GRPC_UNAVAILABLE || status == KIS_GRPC_RESOURCE_EXHAUSTED ||
               status == 503;
    return status == 429 || status == 503;
}

static uint64_t rejected_in(const load_run *run, kis_bytes body)
{
    uint64_t rejected = 0;
    kis_str message;
    kis_arena arena;
    bool is_compressed;

    if (run->options.protocol == LOAD_GRPC &&
        kis_grpc_message(body, KIS_RESPONSE_BYTES_MAX, &is_compressed, &body, NULL) != KIS_OK)
        return 0;
    kis_arena_init(&arena, &kis_mem, 1 << 20);
    if (kis_otlp_response_decode(body, run->options.protocol == LOAD_JSON, &arena, &rejected,
                                 &message) != KIS_OK)
        rejected = 0;
    kis_arena_done(&arena);
    return rejected;
}

static void count_answer(load_run *run, load_slot *slot, const kis_client_answer *answer,
                         uint32_t spans)
{
    uint64_t now_ns = kis_now_ns();
    uint64_t rejected = rejected_in(run, answer->body);

    kis_load_result_add(&run->result, slot->sent_ns, now_ns);
    run->result.spans_acknowledged += spans - KIS_MIN(rejected, spans);
    run->result.spans_rejected += rejected;
    run->result.bytes_acknowledged += kis_load_template_of(&run->maker, slot->seed)->body.len;
    if (run->options.verify && !KIS_VEC_PUSH(&run->seeds, &kis_mem, slot->seed))
        run->is_stopping = true;
}

/* What a refusal says: gRPC's message, the message of a google.rpc.Status, or text as it came. */
static kis_str words_of(const load_run *run, const kis_client_answer *answer, kis_arena *arena)
{
    bool has_trailers = answer->trailer_count > 0;
    kis_str message;
    uint64_t retry_ms;
    int code;

    if (answer->err)
        return kis_str_from_c(answer->diag.text);
    if (run->options.protocol == LOAD_GRPC && answer->status == 200)
        return kis_header_find(has_trailers ? answer->trailers : answer->headers,
                               has_trailers ? answer->trailer_count : answer->header_count,
                               KIS_STR("grpc-message"));
    kis_str type = kis_header_find(answer->headers, answer->header_count, KIS_STR("content-type"));
    bool is_status = kis_str_starts(type, KIS_STR("application/"));
    bool is_json = kis_str_starts(type, KIS_STR("application/json"));
    if (is_status &&
        kis_rpc_status_decode(answer->body, is_json, arena, &code, &message, &retry_ms) == KIS_OK)
        return message;
    kis_str text = kis_str_of_bytes(kis_bytes_of(answer->body.ptr, KIS_MIN(answer->body.len, 160)));
    return kis_str_trim(kis_str_cut(&text, '\n'));
}

static void note_failure(load_run *run, const kis_client_answer *answer, int status)
{
    kis_arena arena;
    char escaped[192];

    if (run->result.first_failure[0])
        return;
    kis_arena_init(&arena, &kis_mem, 1 << 20);
    kis_fmt_escape(escaped, sizeof(escaped), words_of(run, answer, &arena));
    kis_arena_done(&arena);
    if (answer->err)
        kis_fmt(run->result.first_failure, sizeof(run->result.first_failure), "%s%s", escaped,
                kis_tls_is_untrusted(kis_str_from_c(escaped))
                    ? "; trust its authority with --ca FILE"
                    : "");
    else
        kis_fmt(run->result.first_failure, sizeof(run->result.first_failure), "status %d: %s",
                status, escaped);
}

#define FAILURE_WAIT_NS ((uint64_t)50000000)

static uint64_t wait_after(const kis_client_answer *answer)
{
    uint64_t seconds = 0;

    if (!answer->err && kis_u64_parse(kis_header_find(answer->headers, answer->header_count,
                                                      KIS_STR("retry-after")),
                                      &seconds) == KIS_OK)
        return KIS_MIN(seconds, 60) * 1000000000u;
    return FAILURE_WAIT_NS;
}

/* A server that restarts is waited for; one that was never there, or is no OTLP receiver,
 * is not. */
static bool is_hopeless(const load_run *run, const kis_client_answer *answer, int status)
{
    kis_str why = kis_str_from_c(answer->diag.text);

    if (run->result.requests_acknowledged || run->result.requests_refused)
        return false;
    if (answer->err)
        return kis_str_ends(why, KIS_STR("connection refused")) ||
               kis_str_ends(why, KIS_STR("no such name")) ||
               (kis_str_find(why, KIS_STR(": TLS handshake: ")) != KIS_STR_NPOS &&
                !kis_str_ends(why, KIS_STR("the peer closed it")));
    bool is_unwanted = answer->status >= 400 && answer->status < 500;
    return (is_unwanted && answer->status != 408 && answer->status != 429) ||
           (answer->status == 200 && status == KIS_GRPC_UNIMPLEMENTED);
}

static void on_answer(void *user, const kis_client_answer *answer)
{
    load_slot *slot = user;
    load_run *run = slot->run;
    uint32_t spans = kis_load_template_of(&run->maker, slot->seed)->span_count;
    int status = answer->err ? -1 : status_of_answer(run, answer);

    run->in_flight--;
    run->spans_asked -= spans;
    if (status == 0) {
        count_answer(run, slot, answer, spans);
        send_next(slot);
        return;
    }
    bool is_refused = status > 0 && is_refusal(run, status);
    run->result.requests_refused += is_refused;
    run->result.requests_failed += !is_refused;
    note_failure(run, answer, status);
    if (is_hopeless(run, answer, status))
        run->is_stopping = run->is_unreachable = true;
    if (run->is_stopping)
        stop_if_idle(run);
    else
        send_later(slot, wait_after(answer));
}

/* ---- requests ---- */

static const kis_header grpc_headers[] = {
    { KIS_STR_INIT("content-type"), KIS_STR_INIT("application/grpc") },
    { KIS_STR_INIT("te"), KIS_STR_INIT("trailers") },
    { KIS_STR_INIT("grpc-encoding"), KIS_STR_INIT("gzip") }
};

/* The request's bytes in the slot's room, compressed where asked for; empty: no memory. */
static kis_bytes make_body(load_slot *slot)
{
    load_run *run = slot->run;
    bool is_grpc = run->options.protocol == LOAD_GRPC;
    size_t len = kis_load_template_of(&run->maker, slot->seed)->body.len;
    kis_bytes plain = { slot->body + KIS_GRPC_PREFIX_BYTES, len };
    kis_buf prefix;
    /* none, gzip, zstd: the order of both */
    kis_coding coding = (kis_coding)run->options.compression;

    /* Spans are sent when they have ended: the script of a request takes less than the second that
     * is taken off. */
    kis_load_make(&run->maker, slot->seed, kis_now_unix_ns() - 1000000000u,
                  slot->body + KIS_GRPC_PREFIX_BYTES);
    if (coding == KIS_CODING_NONE) {
        kis_buf_init_fixed(&prefix, slot->body, KIS_GRPC_PREFIX_BYTES);
        kis_grpc_put_prefix(&prefix, false, (uint32_t)len);
        return is_grpc ? kis_bytes_of(slot->body, len + KIS_GRPC_PREFIX_BYTES) : plain;
    }
    kis_buf_clear(&slot->packed);
    if (is_grpc)
        kis_buf_add(&slot->packed, "\0\0\0\0\0", KIS_GRPC_PREFIX_BYTES);
    if (kis_compress(run->codecs, coding, 0, plain, &slot->packed, NULL) != KIS_OK)
        return KIS_BYTES_NONE;
    if (is_grpc) {
        kis_buf_init_fixed(&prefix, slot->packed.ptr, KIS_GRPC_PREFIX_BYTES);
        kis_grpc_put_prefix(&prefix, true, (uint32_t)(slot->packed.len - KIS_GRPC_PREFIX_BYTES));
    }
    return kis_buf_bytes(&slot->packed);
}

static void send_request(load_slot *slot)
{
    load_run *run = slot->run;
    bool is_grpc = run->options.protocol == LOAD_GRPC;
    kis_str coding = kis_coding_name((kis_coding)run->options.compression);
    kis_header http_headers[] = { { KIS_STR("content-type"),
                                    run->options.protocol == LOAD_JSON
                                        ? KIS_STR("application/json")
                                        : KIS_STR("application/x-protobuf") },
                                  { KIS_STR("content-encoding"), coding } };
    kis_header own_grpc[3] = { grpc_headers[0], grpc_headers[1], { grpc_headers[2].name, coding } };
    size_t coded = run->options.compression != KIS_CODING_NONE;

    slot->seed = run->next_seed++;
    kis_client_request request = {
        .method = KIS_STR("POST"),
        .path = is_grpc ? KIS_STR("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
                        : KIS_STR("/v1/traces"),
        .headers = is_grpc ? own_grpc : http_headers,
        .header_count = (is_grpc ? 2 : 1) + coded,
        .body = make_body(slot),
    };
    slot->sent_ns = kis_now_ns();
    request.deadline_ns = slot->sent_ns + (uint64_t)run->options.timeout_ns;
    run->in_flight++;
    run->result.requests_sent++;
    run->spans_asked += kis_load_template_of(&run->maker, slot->seed)->span_count;
    kis_client_send(slot->client, &request, on_answer, slot);
}

static void send_next(load_slot *slot)
{
    load_run *run = slot->run;

    if (is_over(run)) {
        if (run->options.count && !run->is_stopping &&
            run->result.spans_acknowledged < run->options.count && run->in_flight)
            /* others are at the last ones; if they fail there is more to do */
            send_later(slot, FAILURE_WAIT_NS);
        else
            stop_if_idle(run);
        return;
    }
    if (run->options.rate) {
        uint64_t now_ns = kis_now_ns(), step_ns = (uint64_t)run->options.spans_per_request *
                                                  1000000000u / run->options.rate;
        if (run->next_turn_ns > now_ns) {
            send_later(slot, run->next_turn_ns - now_ns);
            return;
        }
        /* Late turns are caught up with, but not for ever: a server that stood still is not flooded
         * afterwards. */
        run->next_turn_ns =
            KIS_MAX(run->next_turn_ns + step_ns, now_ns > 1000000000 ? now_ns - 1000000000 : 0);
    }
    send_request(slot);
}

/* ---- progress, signals ---- */

static void on_tick(kis_timer *timer)
{
    load_run *run = KIS_CONTAINER(timer, load_run, tick);
    double seconds = (double)(kis_now_ns() - run->result.begin_ns) / 1e9;
    char line[160];

    if (run->shows_progress)
        kis_program_print(
            STDERR_FILENO,
            kis_str_of(line, kis_fmt(line, sizeof(line),
                                     "\r%u s  %llu spans  %llu/s  %llu refused  %llu failed ",
                                     (unsigned)seconds,
                                     (unsigned long long)run->result.spans_acknowledged,
                                     (unsigned long long)((double)run->result.spans_acknowledged /
                                                          (seconds > 0.001 ? seconds : 0.001)),
                                     (unsigned long long)run->result.requests_refused,
                                     (unsigned long long)run->result.requests_failed)));
    /* With --count the end is an answer's work; a server that is gone must not make it endless. */
    if (kis_now_ns() - KIS_MAX(run->result.last_answer_ns, run->result.begin_ns) >
            (uint64_t)run->options.timeout_ns &&
        run->options.count)
        run->is_stopping = true;
    if (is_over(run))
        stop_if_idle(run);
    if (kis_loop_set_timer(run->loop, timer, kis_now_ns() + 200000000) != KIS_OK)
        run->is_stopping = true;
}

static void on_signal(kis_watch *watch, uint32_t events)
{
    load_run *run = KIS_CONTAINER(watch, load_run, signals);

    (void)events;
    while (kis_signal_take())
        run->is_stopping = true;
    stop_if_idle(run);
}

/* ---- the report ---- */

static void print_report(const load_run *run, const kis_load_verdict *verdict)
{
    kis_buf out;

    kis_buf_init(&out, &kis_mem, 1 << 16);
    (run->options.report == 1 ? kis_load_report_json : kis_load_report_text)(&run->result, verdict,
                                                                             &out);
    kis_program_print(STDOUT_FILENO, kis_buf_str(&out));
    kis_buf_done(&out);
}

/* ---- start and end ---- */

static kis_err make_clients(load_run *run, kis_diag *diag)
{
    kis_url url;
    char room[KIS_PROGRAM_URL_MAX];
    uint16_t usual_port = run->options.protocol == LOAD_GRPC ? 4317 : 4318;
    kis_str to = run->options.to.len ? run->options.to : KIS_STR("127.0.0.1");

    kis_err err = kis_program_read_url(to, usual_port, room, &url, diag);
    if (err)
        return kis_diag_in(diag, err, "--to");
    if (url.is_tls) {
        kis_tls_client_options tls = { .ca_file = run->options.ca };
        err = kis_tls_client_new(&tls, &run->tls, diag);
        if (err)
            return err;
    }
    kis_client_options options = { .host = url.host,
                                   .port = url.port,
                                   .tls = run->tls,
                                   .http2 = run->options.protocol == LOAD_GRPC,
                                   .user_agent = KIS_STR("kiseki-load/" KIS_VERSION),
                                   .max_in_flight = run->options.protocol == LOAD_GRPC
                                                        ? run->options.in_flight
                                                        : 1 };
    for (uint32_t i = 0; i < run->options.connections && !err; i++)
        err = kis_client_new(run->loop, &options, &run->clients[i], diag);
    return err;
}

static kis_err make_slots(load_run *run, kis_diag *diag)
{
    uint32_t per_connection = run->options.protocol == LOAD_GRPC ? run->options.in_flight : 1;

    run->body_max = kis_load_body_max(&run->maker) + KIS_GRPC_PREFIX_BYTES;
    for (uint32_t i = 0; i < run->options.connections * per_connection; i++) {
        load_slot *slot = &run->slots[i];
        slot->run = run;
        slot->client = run->clients[i / per_connection];
        slot->timer.fire = on_timer;
        slot->body = kis_mem.take(kis_mem.user, run->body_max);
        kis_buf_init(&slot->packed, &kis_mem, run->body_max * 2);
        if (!slot->body)
            return kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for %u requests at once", i + 1);
        run->slot_count++;
    }
    return KIS_OK;
}

static kis_err prepare(load_run *run, kis_diag *diag)
{
    kis_load_mix mix = { .spans_per_request = run->options.spans_per_request,
                         .services = run->options.services,
                         .is_json = run->options.protocol == LOAD_JSON,
                         .is_harsh = run->options.harsh,
                         .seed = 1 };
    kis_err err = kis_load_maker_init(&run->maker, &mix, &kis_mem, diag);

    if (!err)
        err = kis_loop_new(&kis_mem, &run->loop, diag);
    run->codecs = kis_codecs_new(&kis_mem);
    run->clients = kis_mem.take(kis_mem.user, sizeof(*run->clients) * run->options.connections);
    run->slots = kis_mem.take(kis_mem.user, sizeof(*run->slots) * run->options.connections *
                                                run->options.in_flight);
    if (!err && (!run->codecs || !run->clients || !run->slots))
        err = kis_diag_set(diag, KIS_ERR_NOMEM, "no memory for %u connections",
                           run->options.connections);
    if (err)
        return err;
    memset(run->clients, 0, sizeof(*run->clients) * run->options.connections);
    memset(run->slots, 0, sizeof(*run->slots) * run->options.connections * run->options.in_flight);
    err = make_clients(run, diag);
    return err ? err : make_slots(run, diag);
}

static void tear_down(load_run *run)
{
    for (uint32_t i = 0; run->clients && i < run->options.connections; i++)
        if (run->clients[i])
            kis_client_free(run->clients[i]);
    for (uint32_t i = 0; i < run->slot_count; i++) {
        kis_mem.give_back(kis_mem.user, run->slots[i].body, run->body_max);
        kis_buf_done(&run->slots[i].packed);
    }
    kis_mem.give_back(kis_mem.user, run->slots,
                      sizeof(*run->slots) * run->options.connections * run->options.in_flight);
    kis_mem.give_back(kis_mem.user, run->clients, sizeof(*run->clients) * run->options.connections);
    kis_tls_client_free(run->tls);
    kis_codecs_free(run->codecs);
    if (run->loop)
        kis_loop_free(run->loop);
    KIS_VEC_DONE(&run->seeds, &kis_mem);
    kis_load_maker_done(&run->maker);
}

static kis_err run_load(load_run *run, int signals, kis_diag *diag)
{
    run->signals.ready = on_signal;
    kis_err err = kis_loop_watch(run->loop, &run->signals, signals, KIS_LOOP_READ, diag);
    if (err)
        return err;
    run->tick.fire = on_tick;
    run->result.begin_ns = run->next_turn_ns = kis_now_ns();
    on_tick(&run->tick);
    for (uint32_t i = 0; i < run->slot_count; i++)
        send_next(&run->slots[i]);
    kis_loop_run(run->loop);
    kis_loop_clear_timer(run->loop, &run->tick);
    for (uint32_t i = 0; i < run->slot_count; i++)
        kis_loop_clear_timer(run->loop, &run->slots[i].timer);
    kis_loop_unwatch(run->loop, &run->signals);
    if (run->shows_progress)
        kis_program_print(STDERR_FILENO, KIS_STR("\n"));
    return KIS_OK;
}

static int judge_run(load_run *run)
{
    kis_load_verdict verdict = { 0 };
    kis_diag diag = { 0 };

    if (run->options.verify) {
        kis_load_verify verify = { .maker = &run->maker,
                                   .seeds = run->seeds.at,
                                   .seed_count = run->seeds.len,
                                   .server = run->options.query,
                                   .ca = run->options.ca,
                                   .connections = 8,
                                   .shows_progress = run->shows_progress };
        if (kis_load_verify_run(&verify, &verdict, &diag) != KIS_OK)
            return kis_program_fail("--verify: %s", diag.text);
    }
    /* a text of zeros tells nobody anything */
    if (!run->is_unreachable || run->options.report == 1)
        print_report(run, run->options.verify ? &verdict : NULL);
    if (run->result.requests_acknowledged == 0)
        return kis_program_fail("nothing was acknowledged: %s", run->result.first_failure[0]
                                                                    ? run->result.first_failure
                                                                    : "no answer came");
    if (verdict.missing_spans || verdict.failed_answers)
        return kis_program_fail(
            "%llu of %llu acknowledged span%s %s not found again%s%s",
            (unsigned long long)verdict.missing_spans, (unsigned long long)verdict.spans,
            KIS_PLURAL(verdict.spans), verdict.missing_spans == 1 ? "was" : "were",
            verdict.first_failure[0] ? "; first failed answer: " : "", verdict.first_failure);
    return KIS_EXIT_OK;
}

/* The whole run for nothing: who looks for the spans afterwards should know where. */
static kis_err ask_query_api(const load_options *o, kis_diag *diag)
{
    kis_ask ask = {
        .server = o->query, .ca = o->ca, .timeout_ns = (uint64_t)o->timeout_ns, .flag = "query"
    };
    kis_buf body;
    int status = 0;

    kis_buf_init(&body, &kis_mem, KIS_ASK_ANSWER_MAX);
    kis_err err = kis_ask_get(&ask, KIS_STR("/api/v3/services"), &status, &body, diag);
    kis_buf_done(&body);
    if (!err && status != 200)
        err = kis_diag_set(diag, KIS_ERR_NOT_FOUND,
                           KIS_FMT " has no query API (%d); kiseki serve prints its 'page and "
                                   "query' address (--query)",
                           KIS_ARG(o->query), status);
    return err ? kis_diag_in(diag, err, "--verify") : KIS_OK;
}

int kis_verb_load(int argc, char **argv)
{
    static load_run run; /* a histogram is large for a stack */
    kis_program_options read = { "load", usage, rows, KIS_COUNT_OF(rows), &run.options };
    kis_diag diag = { 0 };
    int next, exit_code;

    if (!kis_program_read_options(&read, argc, argv, &next, &exit_code))
        return exit_code;
    if (next < argc)
        return kis_program_misuse("load", "'%s' is not an option", argv[next]);
    if (run.options.in_flight > 1 && run.options.protocol != LOAD_GRPC)
        return kis_program_misuse("load", "--in-flight: more than one a connection is for grpc "
                                          "only; --connections N sends more at once");
    if (run.options.verify && ask_query_api(&run.options, &diag) != KIS_OK)
        return kis_program_fail("%s", diag.text);
    int signals = kis_signal_open(&diag);
    if (signals < 0)
        return kis_program_fail("%s", diag.text);
    run.shows_progress = isatty(STDERR_FILENO);
    run.result.connections = run.options.connections;
    run.next_seed = run.options.seed ? run.options.seed : kis_now_unix_ns() * 2654435761u;
    kis_err err = prepare(&run, &diag);
    if (!err)
        err = run_load(&run, signals, &diag);
    exit_code = err ? kis_program_fail("%s", diag.text) : judge_run(&run);
    tear_down(&run);
    return exit_code;
}
