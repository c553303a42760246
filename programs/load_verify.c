/* load_verify.c - see load_verify.h.
 *
 * A few requests in flight, each for one trace: GET /api/v3/traces/{id}, decoded by the OTLP/JSON
 * decoder, its span ids held against those that were sent. An answer that does not come is counted
 * and not asked again: the verdict says so.
 */
#include "load_verify.h"

#include <unistd.h>

#include "ask.h"
#include "program.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "http/url.h"
#include "model/batch.h"
#include "net/client.h"
#include "os/mem.h"
#include "wire/otlp.h"

#define ANSWER_BYTES_MAX  ((size_t)256 << 20)
#define IN_FLIGHT_MAX     16u
#define ANSWER_TIMEOUT_NS ((uint64_t)30 * 1000000000)

typedef struct verify_run verify_run;

typedef struct verify_slot {
    verify_run *run;
    uint64_t seed;
    uint32_t trace;
} verify_slot;

struct verify_run {
    const kis_load_verify *what;
    kis_load_verdict *verdict;
    kis_loop *loop;
    kis_client *client;
    verify_slot slots[IN_FLIGHT_MAX];
    uint32_t next_seed, next_trace; /* the next trace to ask for */
    uint32_t in_flight;
    uint64_t shown_ns;
};

static bool batch_has_span(const kis_batch *batch, const kis_span_id *id, uint32_t *hint)
{
    /* answers come in order of start, mostly that of numbers */
    for (uint32_t n = 0; n < batch->span_count; n++) {
        uint32_t at = (*hint + n) % batch->span_count;
        if (kis_span_id_eq(&batch->spans[at].span_id, id)) {
            *hint = at + 1;
            return true;
        }
    }
    return false;
}

/* Counts the spans of one trace that `batch` (NULL: nothing) does not have. */
static void hold_against(verify_slot *slot, const kis_batch *batch)
{
    kis_load_verdict *v = slot->run->verdict;
    const kis_load_template *t = kis_load_template_of(slot->run->what->maker, slot->seed);
    uint32_t hint = 0, missing = 0;

    for (uint32_t i = 0; i < t->span_count; i++) {
        if (t->trace_of_span[i] != slot->trace)
            continue;
        kis_span_id id = kis_load_span_id(slot->seed, i);
        v->spans++;
        missing += !batch || !batch_has_span(batch, &id, &hint);
    }
    v->traces++;
    v->missing_spans += missing;
    v->missing_traces += missing > 0;
}

static void note_failure(kis_load_verdict *v, const char *text)
{
    v->failed_answers++;
    if (!v->first_failure[0])
        kis_fmt(v->first_failure, sizeof(v->first_failure), "%s", text);
}

/* {"result":{"resourceSpans":[…]}} without its wrapping is an OTLP request. */
static kis_bytes unwrap_result(kis_bytes body)
{
    static const char head[] = "{\"result\":";
    size_t head_len = sizeof(head) - 1;
    bool fits = body.len > head_len + 1 && memcmp(body.ptr, head, head_len) == 0;
    return fits ? kis_bytes_of(body.ptr + head_len, body.len - head_len - 1) : body;
}

static void judge_answer(verify_slot *slot, const kis_client_answer *answer)
{
    kis_load_verdict *v = slot->run->verdict;
    kis_diag diag = { 0 };

    if (answer->err || (answer->status != 200 && answer->status != 404)) {
        char text[64];
        kis_fmt(text, sizeof(text), "status %d", answer->status);
        note_failure(v, answer->err ? answer->diag.text : text);
        hold_against(slot, NULL);
        return;
    }
    if (answer->status == 404) {
        hold_against(slot, NULL);
        return;
    }
    kis_batch *batch = kis_batch_new(&kis_mem, ANSWER_BYTES_MAX);
    if (!batch)
        return note_failure(v, "no memory");
    batch->body = unwrap_result(answer->body);
    if (kis_otlp_json_decode(batch, &diag) != KIS_OK) {
        note_failure(v, diag.text);
        hold_against(slot, NULL);
    } else {
        hold_against(slot, batch);
    }
    kis_batch_unref(batch);
}

static void show_progress(verify_run *run)
{
    char line[128];

    if (!run->what->shows_progress || kis_now_ns() - run->shown_ns < 200000000)
        return;
    run->shown_ns = kis_now_ns();
    kis_program_print(
        STDERR_FILENO,
        kis_str_of(line, kis_fmt(line, sizeof(line),
                                 "\rlooking for %u of %u requests' spans, %llu missing ",
                                 run->next_seed, run->what->seed_count,
                                 (unsigned long long)run->verdict->missing_spans)));
}

static void ask_next(verify_slot *slot);

static void on_answer(void *user, const kis_client_answer *answer)
{
    verify_slot *slot = user;

    slot->run->in_flight--;
    judge_answer(slot, answer);
    show_progress(slot->run);
    ask_next(slot);
}

static void ask_next(verify_slot *slot)
{
    verify_run *run = slot->run;
    char path[64], hex[32];

    if (run->next_seed == run->what->seed_count) {
        if (run->in_flight == 0)
            kis_loop_stop(run->loop);
        return;
    }
    slot->seed = run->what->seeds[run->next_seed];
    slot->trace = run->next_trace++;
    if (run->next_trace == kis_load_template_of(run->what->maker, slot->seed)->trace_count) {
        run->next_trace = 0;
        run->next_seed++;
    }
    kis_trace_id id = kis_load_trace_id(slot->seed, slot->trace);
    kis_hex_format(id.bytes, 16, hex);
    kis_client_request request = { .method = KIS_STR("GET"),
                                   .deadline_ns = kis_now_ns() + ANSWER_TIMEOUT_NS };
    request.path = kis_str_of(path, kis_fmt(path, sizeof(path), "/api/v3/traces/%.*s", 32, hex));
    run->in_flight++;
    kis_client_send(run->client, &request, on_answer, slot);
}

static kis_err make_tls(const kis_load_verify *verify, const kis_url *url, kis_tls_client **out,
                        kis_diag *diag)
{
    kis_tls_client_options options = { .ca_file = verify->ca };
    return url->is_tls ? kis_tls_client_new(&options, out, diag) : KIS_OK;
}

kis_err kis_load_verify_run(const kis_load_verify *verify, kis_load_verdict *out, kis_diag *diag)
{
    verify_run run = { .what = verify, .verdict = out };
    kis_tls_client *tls = NULL;
    kis_url url;
    char room[KIS_PROGRAM_URL_MAX];

    *out = (kis_load_verdict){ 0 };
    if (verify->seed_count == 0)
        return KIS_OK;
    kis_err err = kis_program_read_url(verify->server, KIS_ASK_PORT, room, &url, diag);
    if (err)
        return kis_diag_in(diag, err, "--query");
    err = make_tls(verify, &url, &tls, diag);
    if (!err)
        err = kis_loop_new(&kis_mem, &run.loop, diag);
    if (err) {
        kis_tls_client_free(tls);
        return err;
    }
    kis_client_options options = { .host = url.host,
                                   .port = url.port,
                                   .tls = tls,
                                   .user_agent = KIS_STR("kiseki-load/" KIS_VERSION),
                                   .max_in_flight =
                                       KIS_MIN(KIS_MAX(verify->connections, 1), IN_FLIGHT_MAX),
                                   .max_answer_bytes = ANSWER_BYTES_MAX };
    err = kis_client_new(run.loop, &options, &run.client, diag);
    if (!err) {
        for (uint32_t i = 0; i < options.max_in_flight; i++) {
            run.slots[i].run = &run;
            ask_next(&run.slots[i]);
        }
        kis_loop_run(run.loop);
        kis_client_free(run.client);
        if (verify->shows_progress)
            kis_program_print(STDERR_FILENO, KIS_STR("\n"));
    }
    kis_loop_free(run.loop);
    kis_tls_client_free(tls);
    return err;
}
