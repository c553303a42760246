/* sdk_start.c - kis_sdk_start and what belongs to it: options become parts, parts are joined,
 * and taken apart again.
 *
 *     start   options → sampler, propagators, resource → kis_sdk_open → sinks → kis_sdk_publish
 *             any failure undoes what stands before it
 *     stop    halt: open spans end → flush until the deadline → worker ends → threads of the
 *             program leave → what is left in the rings is dropped, counted, said → sinks closed
 *                          └─ not in time: given up
 *
 * Given up: the worker, or a thread of the program that ends spans or ticks, is in an exporter and
 * does not come back, or one is in a sampler or processor, or an answer is missing, or the worker
 * lives though everything is closed, because nobody let it run. The stop is over then: none of the
 * program's functions is called any more, another SDK may start. But who is inside may come out,
 * so the entry, its memory and its sinks stay until he has; the next start, a kis_sdk_free or
 * exit() looks (kis_native_clear). Who never comes out keeps one of the KIS_SDKS_MAX entries.
 *
 * Not here: how an option is found (sdk/options.c), threads and fork (host_native.c).
 */
#include "native/native.h"

#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fmt.h"
#include "os/mem.h"
#include "os/os.h"
#include "sdk/data.h"
#include "sdk/sampler.h"

#define LINE_EVERY_NS 60000000000u /* between two lines about spans that do not arrive */
/* after a stop's time: for threads that need nothing but the processor */
#define OURS_NS 100000000u
/* before the flush: for a thread that is just ending a span, which then is sent with the others */
#define LAST_SPANS_NS 10000000u
/* before the shutdown of processors: for a thread that is just calling one */
#define LAST_HOOKS_NS 1000000u

/* ---- start ---- */

/* Copies of texts that the caller, or setenv, may change. */
static bool keep_texts(kis_native *native)
{
    size_t count;
    const kis_sdk_option *rows = kis_sdk_option_rows(&count);

    for (size_t i = 0; i < count; i++) {
        kis_str *text = (kis_str *)(void *)((uint8_t *)&native->options + rows[i].row.offset);
        if (rows[i].row.kind == KIS_OPT_TEXT && !kis_arena_copy(&native->texts, *text, text))
            return false;
    }
    return true;
}

/* The sampler that the options name. An argument of the environment that is no ratio is told, and
 * leaves traceidratio with its 1 (specification, configuration/sdk-environment-variables.md,
 * "General SDK Configuration"). */
static kis_err choose_sampler(kis_native *native, const kis_sampler **out, kis_diag *diag)
{
    const kis_sdk_options *o = &native->options;
    char text[256];
    kis_err err;

    *out = o->sampler;
    if (*out)
        return KIS_OK;
    err = kis_sampler_named(o->sampler_name, o->sampler_arg, native->samplers, out);
    if (err == KIS_ERR_RANGE && !native->given.sampler_arg.len) {
        kis_fmt(text, sizeof(text),
                "OTEL_TRACES_SAMPLER_ARG: '" KIS_FMT "' is not a ratio from 0 to 1; it is ignored",
                KIS_ARG(o->sampler_arg));
        kis_native_say(native, KIS_LOG_WARN, text);
        err = kis_sampler_named(o->sampler_name, KIS_STR_NONE, native->samplers, out);
    }
    if (err == KIS_ERR_RANGE)
        return kis_diag_set(
            diag, err, "argument '" KIS_FMT "' of sampler '" KIS_FMT "': want a ratio from 0 to 1",
            KIS_ARG(o->sampler_arg), KIS_ARG(o->sampler_name));
    return err ? kis_diag_set(diag, err, "sampler '" KIS_FMT "' is not one of %s",
                              KIS_ARG(o->sampler_name), KIS_SAMPLER_NAMES)
               : KIS_OK;
}

typedef struct propagator_choice {
    const kis_propagator **at;
    size_t count;
    bool is_none; /* that was said */
} propagator_choice;

/* Each once. An unknown name is a warning. */
static void add_named(kis_native *native, kis_str names, propagator_choice *out)
{
    char name[64], text[256];

    while (names.len && out->count < KIS_PROPAGATORS_MAX) {
        kis_str one = kis_str_trim(kis_str_cut(&names, ','));
        const kis_propagator *found =
            kis_str_to_c(one, name, sizeof(name)) ? kis_propagator_named(name) : NULL;
        bool is_there = false;
        for (size_t i = 0; i < out->count; i++)
            is_there |= out->at[i] == found;
        if (found && !is_there) {
            out->at[out->count++] = found;
        } else if (kis_str_eq(one, KIS_STR("none"))) {
            out->is_none = true;
        } else if (!found && one.len) {
            kis_fmt(text, sizeof(text),
                    "%s: '" KIS_FMT "' is not one of tracecontext|baggage|none; it is ignored",
                    native->given.propagators.len ? "propagators" : "OTEL_PROPAGATORS",
                    KIS_ARG(one));
            kis_native_say(native, KIS_LOG_WARN, text);
        }
    }
}

/* The named ones, then the program's. Where no name is known it is as if none were set: a slip does
 * not cut the traces of others. */
static void choose_propagators(kis_native *native, const kis_propagator **out, size_t *out_count)
{
    propagator_choice choice = { .at = out };

    add_named(native, native->options.propagators, &choice);
    if (!choice.count && !choice.is_none)
        add_named(native, KIS_STR("tracecontext,baggage"), &choice);
    for (size_t i = 0;
         i < native->options.user_propagator_count && choice.count < KIS_PROPAGATORS_MAX; i++)
        out[choice.count++] = &native->options.user_propagators[i];
    *out_count = choice.count;
}

/* Of the environment of the process, not of a host that the program brings. */
static void warn_unknown_variables(kis_native *native)
{
    size_t count;
    const kis_sdk_option *rows = kis_sdk_option_rows(&count);
    char text[256];

    for (char **at = environ; !native->given.host && at && *at; at++) {
        kis_str rest = kis_str_from_c(*at), name = kis_str_cut(&rest, '=');
        bool is_known = !kis_str_starts(name, KIS_STR("OTEL_KISEKI_"));
        for (size_t i = 0; i < count && !is_known; i++) /* none of ours has a second name */
            is_known = kis_str_eq(name, kis_str_from_c(rows[i].row.env));
        if (is_known)
            continue;
        kis_fmt(text, sizeof(text), "%.*s is no variable of kiseki; it is ignored",
                (int)KIS_MIN(name.len, 100u), name.ptr);
        kis_native_say(native, KIS_LOG_WARN, text);
    }
}

/* One line when spans do not arrive, then at most one a minute. Any thread. */
static void heard_answer(void *user, const kis_sink_result *result, uint32_t span_count)
{
    kis_native *native = user;
    uint64_t now = kis_sdk_now_ns(native->sdk), last = atomic_load(&native->last_line_ns);
    char text[512], more[96] = " (further failures are said once a minute)";
    uint32_t quiet;

    if (!result->err && !(result->rejected_spans && result->reason.len))
        return;
    if ((last && now - last < LINE_EVERY_NS) ||
        !atomic_compare_exchange_strong(&native->last_line_ns, &last, now)) {
        atomic_fetch_add(&native->quiet_lines, 1);
        return;
    }
    quiet = atomic_exchange(&native->quiet_lines, 0);
    if (quiet)
        kis_fmt(more, sizeof(more), " (and %u batches before, since the last such line)", quiet);
    kis_fmt(
        text, sizeof(text),
        !result->err      ? "of %u spans some were refused: " KIS_FMT "%s"
        : span_count == 1 ? "%u span was not delivered: " KIS_FMT "%s"
                          : "%u spans were not delivered: " KIS_FMT "%s",
        span_count,
        KIS_ARG(result->reason.len ? result->reason : kis_str_from_c(kis_err_text(result->err))),
        more);
    kis_native_say(native, KIS_LOG_ERROR, text);
}

static kis_err open_sdk(kis_native *native, const kis_sdk_options *given, kis_diag *diag)
{
    const kis_sdk_options *o = &native->options;
    kis_attr attrs[KIS_RESOURCE_ATTRS_MAX];
    size_t attr_count = 0;
    kis_arena detected;
    kis_sdk *sdk;
    kis_err err;
    kis_sdk_setup setup = {
        .host = &native->host,
        .limits = { .attr_count = o->attr_count,
                    .event_count = o->event_count,
                    .link_count = o->link_count,
                    .event_attr_count = o->event_attr_count,
                    .link_attr_count = o->link_attr_count,
                    .value_length = o->attr_value_length,
                    .value_depth = o->value_depth },
        .ids = o->ids,
        .processors = o->processors,
        .processor_count = o->processor_count,
        .propagators = native->propagators,
        .resource_schema_url = o->resource_schema_url,
        .batcher = { o->batch_spans, o->delay_ms, kis_str_eq(o->processor, KIS_STR("simple")) },
        .has_exporter = kis_native_has_exporter(native),
        .max_spans = o->max_spans,
        .queue_spans = o->queue_spans,
        .is_local = o->is_local,
        .is_disabled = o->is_disabled,
    };

    err = choose_sampler(native, &setup.sampler, diag);
    if (err)
        return err;
    if (!setup.batcher.is_simple && !kis_str_eq(o->processor, KIS_STR("batch")))
        return kis_diag_set(diag, KIS_ERR_SYNTAX, "processor '" KIS_FMT "': want batch or simple",
                            KIS_ARG(o->processor));
    choose_propagators(native, native->propagators, &native->propagator_count);
    setup.propagator_count = native->propagator_count;
    kis_instance_id(native->instance_id);
    kis_arena_init(&detected, &kis_mem, 1 << 20);
    err = kis_resource_detect(given, &native->host, native->instance_id, &detected, attrs,
                              &attr_count, diag);
    if (!err) {
        setup.resource = (kis_attr_list){ attrs, attr_count };
        err = kis_sdk_open(&setup, &sdk, diag);
    }
    if (!err)
        kis_native_own(native, sdk);
    kis_arena_done(&detected);
    return err;
}

/* One that is left out listens no more than one that is not named. */
static kis_err open_exporters(kis_native *native, kis_diag *diag)
{
    kis_err err = native->options.is_disabled ? KIS_OK : kis_native_open_sinks(native, diag);
    bool is_heard = native->sink_count || native->options.processor_count;

    if (!err && !native->options.is_disabled)
        atomic_store_explicit(&native->sdk->has_listeners, is_heard, memory_order_relaxed);
    return err;
}

static void say_why_not(kis_native *native, const kis_diag *diag)
{
    char text[KIS_DIAG_TEXT_MAX + 32];

    kis_fmt(text, sizeof(text), "tracing is off: %s", diag->text);
    kis_native_say(native, KIS_LOG_ERROR, text);
}

/* In this order: a start in between finds no two entries with one SDK, and who finds an entry here
 * finds one for its SDK, too. */
static void let_go(kis_native *native, bool is_freed)
{
    kis_sdk *sdk = native->sdk;

    kis_native_own(native, NULL);
    if (is_freed) /* the place is not another's before the memory is gone */
        kis_sdk_close(sdk);
    else
        kis_sdk_retire(sdk);
    kis_native_drop(native);
}

kis_sdk *kis_sdk_start(const kis_sdk_options *options, kis_diag *diag)
{
    kis_diag nobody, *d = diag ? diag : &nobody;
    kis_native *native;
    kis_err err;

    *d = (kis_diag){ .err = KIS_OK };
    kis_native_hooks();
    for (size_t i = 0; (native = kis_native_at(i)) != NULL; i++)
        kis_native_clear(native);
    native = kis_native_new(options, d);
    if (!native)
        return NULL;
    err = kis_sdk_options_resolve(options, &native->host, &native->options, d);
    if (!err)
        err = kis_native_check_headers(native, options, d);
    if (!err)
        warn_unknown_variables(native);
    if (!err && options && options->host)
        native->options.drive = KIS_DRIVE_TICK;
    if (!err && !keep_texts(native))
        err = kis_diag_set(d, KIS_ERR_NOMEM, "options: out of memory");
    if (!err)
        err = open_sdk(native, options, d);
    if (err)
        goto fail;
    native->sdk->batcher.on_result = heard_answer;
    native->sdk->batcher.on_result_user = native;
    native->sdk->batcher.open_sinks = kis_native_open_child_sinks;
    native->sdk->batcher.open_sinks_user = native;
    err = open_exporters(native, d);
    if (err)
        goto fail;
    kis_lock_take(&native->lock);
    native->is_live = true;
    kis_lock_give(&native->lock);
    kis_sdk_publish(native->sdk);
    return native->sdk;

fail:
    if (!diag) /* who does not ask why must not have to wonder */
        say_why_not(native, d);
    if (native->sdk) /* not closed: if its entry served before, others may be in its memory */
        let_go(native, false);
    else
        kis_native_drop(native);
    return NULL;
}

kis_sdk *kis_sdk_global(void)
{
    kis_sdk *sdk = kis_sdk_of_context();

    return kis_native_of(sdk) ? sdk : NULL;
}

/* ---- flush ---- */

static kis_err worse(kis_err a, kis_err b)
{
    return a ? a : b;
}

/* Steps by hand where no worker does: with ticks, and when none could be started. */
static bool drives_itself(const kis_native *native)
{
    return native->worker != KIS_WORKER_RUNS;
}

/* A stop that has done with its own flush ends others that are still waiting. */
static bool wait_for_flush(kis_native *native, uint32_t ticket, uint64_t deadline_ns)
{
    kis_batcher *batcher = &native->sdk->batcher;

    kis_lock_take(&native->lock);
    while (!kis_batcher_is_flushed(batcher, ticket) && native->is_live &&
           kis_now_ns() < deadline_ns) {
        uint64_t until = KIS_MIN(deadline_ns, kis_now_ns() + 1000000u);
        if (drives_itself(native)) {
            kis_lock_give(&native->lock);
            kis_batcher_step(batcher, kis_sdk_now_ns(native->sdk));
            kis_lock_take(&native->lock);
            if (kis_batcher_is_flushed(batcher, ticket))
                break;
        } else {
            until = deadline_ns;
        }
        kis_cond_wait_until(&native->changed, &native->lock, until);
    }
    kis_lock_give(&native->lock);
    return kis_batcher_is_flushed(batcher, ticket);
}

static kis_err flush_processors(kis_sdk *sdk, uint64_t deadline_ns)
{
    uint32_t count = atomic_load_explicit(&sdk->processor_count, memory_order_acquire);
    kis_err err = KIS_OK;

    for (uint32_t i = 0; i < count && !kis_sdk_is_shut(sdk); i++)
        if (sdk->processors[i].force_flush)
            err = worse(err, sdk->processors[i].force_flush(sdk->processors[i].user, deadline_ns));
    return err;
}

static bool has_nothing_to_send(const kis_batcher *batcher)
{
    return kis_batcher_queued(batcher) == 0 && kis_batcher_in_flight(batcher) == 0;
}

static kis_err flush_until(kis_native *native, uint64_t deadline_ns)
{
    kis_batcher *batcher = &native->sdk->batcher;
    kis_err err = flush_processors(native->sdk, deadline_ns);
    uint64_t failed = atomic_load(&batcher->failed_batches);

    if (has_nothing_to_send(batcher))
        return err; /* and no worker is started for it */
    if (!wait_for_flush(native, kis_batcher_flush(batcher), deadline_ns))
        return KIS_ERR_TIMEOUT;
    for (uint32_t i = 0, sinks = kis_batcher_enter(batcher);
         i < sinks && i < atomic_load(&batcher->sink_count); i++) /* fewer when one of them forks */
        err = worse(err, kis_sink_flush(batcher->sinks[i], deadline_ns));
    kis_batcher_leave(batcher);
    if (!err && atomic_load(&batcher->failed_batches) != failed)
        err = (kis_err)atomic_load(&batcher->last_error);
    return err;
}

static uint64_t deadline_in(uint32_t ms)
{
    return kis_now_ns() + (uint64_t)ms * 1000000u;
}

kis_err kis_sdk_flush(kis_sdk *sdk, uint32_t timeout_ms)
{
    kis_native *native = kis_native_enter(sdk);
    kis_err err = native && native->is_live ? flush_until(native, deadline_in(timeout_ms)) : KIS_OK;

    kis_native_leave(native);
    return err;
}

uint32_t kis_sdk_tick(kis_sdk *sdk)
{
    kis_native *native = kis_native_enter(sdk);
    uint64_t wait_ms = UINT32_MAX;

    if (native && native->is_live) {
        uint64_t now = kis_sdk_now_ns(sdk), next = kis_batcher_step(&sdk->batcher, now);
        wait_ms = next > now ? (next - now + 999999u) / 1000000u : 0;
    }
    kis_native_leave(native);
    return (uint32_t)KIS_MIN(wait_ms, (uint64_t)UINT32_MAX);
}

/* ---- stop ---- */

/* False: it is stuck in an exporter, or got no processor time. */
static bool end_worker(kis_native *native, uint64_t deadline_ns)
{
    bool has_ended;

    kis_lock_take(&native->lock);
    native->wants_end = true;
    kis_cond_broadcast(&native->changed);
    while (native->worker == KIS_WORKER_RUNS &&
           kis_cond_wait_until(&native->changed, &native->lock, deadline_ns))
        ;
    has_ended = native->worker != KIS_WORKER_RUNS;
    kis_lock_give(&native->lock);
    if (has_ended)
        kis_thread_join(&native->thread);
    return has_ended;
}

/* With `is_given_up` what is queued or on its way counts, too: nobody waits for it any more. */
static void say_what_was_lost(kis_native *native, bool is_given_up)
{
    kis_sdk_stats stats;
    char text[320];
    uint64_t lost, left;
    size_t len;

    kis_sdk_get_stats(native->sdk, &stats);
    left = is_given_up ? stats.queued + stats.in_flight : 0;
    lost = stats.dropped_queue + stats.dropped_memory + stats.dropped_export + left;
    if (!lost)
        return;
    len = kis_fmt(text, sizeof(text),
                  "%llu %s lost: %llu found the queue full, %llu found no memory, %llu were "
                  "not delivered",
                  (unsigned long long)lost, lost == 1 ? "span was" : "spans were",
                  (unsigned long long)stats.dropped_queue, (unsigned long long)stats.dropped_memory,
                  (unsigned long long)stats.dropped_export);
    if (left)
        kis_fmt(text + len, sizeof(text) - len,
                ", %llu were given up, because an exporter does not answer",
                (unsigned long long)left);
    kis_native_say(native, KIS_LOG_ERROR, text);
}

static kis_err shutdown_processors(kis_sdk *sdk, uint64_t deadline_ns)
{
    uint32_t count = atomic_load_explicit(&sdk->processor_count, memory_order_acquire);
    kis_err err = KIS_OK;

    for (uint32_t i = 0; i < count; i++)
        if (sdk->processors[i].shutdown)
            err = worse(err, sdk->processors[i].shutdown(sdk->processors[i].user, deadline_ns));
    return err;
}

/* From here on nobody takes spans out of the rings. False:
 * somebody is doing it, or hangs in a sink while he does. */
static bool take_step(void *user)
{
    kis_native *native = user;
    uint32_t unlocked = 0;

    native->has_step = native->has_step || atomic_compare_exchange_strong(
                                               &native->sdk->batcher.step_lock, &unlocked, 1);
    return native->has_step;
}

static bool spans_have_ended(void *sdk)
{
    return kis_sdk_has_ended(sdk);
}
static bool sdk_is_left(void *sdk)
{
    return kis_sdk_is_left(sdk);
}

/* Neither a thread is in a call with the SDK, nor a call of the program in the entry. A hook that
 * stops its own SDK need not be waited for: it waits for us. */
static bool is_left_by(kis_native *native, uint64_t deadline_ns)
{
    kis_sdk *sdk = native->sdk;

    return kis_native_is_by(sdk_is_left, sdk, kis_sdk_is_entered_here(sdk) ? 0 : deadline_ns) &&
           kis_native_is_by(kis_native_is_left, native, deadline_ns);
}

/* Nobody is inside when it answers true; `false` may be asked again. */
static bool close_all(kis_native *native, uint64_t deadline_ns, uint64_t ours_ns)
{
    kis_sdk *sdk = native->sdk;
    bool is_alone;

    if (!kis_native_is_by(take_step, native, ours_ns)) {
        if (native->user_sink)
            kis_exporter_sink_give_up(native->user_sink);
        return false;
    }
    is_alone = is_left_by(native, ours_ns);
    kis_batcher_drop_queued(&sdk->batcher);
    return kis_native_close_sinks(native, deadline_ns, ours_ns) && is_alone &&
           kis_batcher_in_flight(&sdk->batcher) == 0;
}

/* No processor is called after its shutdown. Who does not come out of one in time calls no other
 * when he does. */
static void end_hooks(kis_native *native, uint64_t ours_ns)
{
    kis_sdk *sdk = native->sdk;
    bool is_alone = is_left_by(native, ours_ns);

    atomic_store_explicit(&sdk->is_shut, true, memory_order_seq_cst);
    if (!is_alone) /* who asked just before is in his call by then */
        kis_native_is_by(sdk_is_left, sdk, kis_now_ns() + LAST_HOOKS_NS);
}

static kis_err stop_native(kis_native *native, uint32_t timeout_ms, bool is_freed)
{
    kis_sdk *sdk = native->sdk;
    uint64_t deadline_ns = deadline_in(timeout_ms), ours_ns;
    kis_err err;
    bool is_idle, is_closed;

    kis_sdk_halt(sdk);
    kis_native_is_by(spans_have_ended, sdk, KIS_MIN(deadline_ns, kis_now_ns() + LAST_SPANS_NS));
    err = flush_until(native, deadline_ns);
    kis_lock_take(&native->lock);
    native->is_live = false; /* no worker is started any more */
    kis_lock_give(&native->lock);
    ours_ns = KIS_MAX(deadline_ns, kis_now_ns() + OURS_NS);
    is_idle = end_worker(native, ours_ns);
    end_hooks(native, ours_ns);
    err = worse(err, shutdown_processors(sdk, deadline_ns));
    is_closed = close_all(native, deadline_ns, ours_ns);
    say_what_was_lost(native, !is_closed);
    if (is_closed && is_idle) {
        let_go(native, is_freed);
        return err;
    }
    kis_sdk_resign(sdk);
    native->is_given_up = true;
    return worse(err, KIS_ERR_TIMEOUT);
}

static bool clear(kis_native *native, bool is_freed)
{
    bool is_clear;

    if (!native->is_given_up || atomic_exchange(&native->is_being_cleared, true))
        return false;
    is_clear = native->is_given_up && end_worker(native, 0) && close_all(native, 0, 0);
    if (is_clear)
        let_go(native, is_freed);
    native->is_being_cleared = false;
    return is_clear;
}

bool kis_native_clear(kis_native *native)
{
    return clear(native, false);
}

/* A call to stop, and what it finds. */
typedef struct stop_call {
    kis_native *native; /* NULL: it was stopped, and nobody is inside */
    uint32_t served;
    bool is_first;
    bool is_inside; /* what it would wait for waits for it */
    bool is_freed;
} stop_call;

static stop_call enter_stop(const kis_sdk *sdk, bool is_freed)
{
    stop_call call = { .native = kis_native_enter(sdk), .is_freed = is_freed };
    kis_native *native = call.native;

    if (!native)
        return call;
    kis_lock_take(&native->lock);
    call.served = native->served;
    call.is_first = native->is_live && !native->is_stopping;
    call.is_inside = kis_sdk_is_entered_here(sdk) || (native->is_stopping && !native->is_given_up &&
                                                      pthread_equal(native->by, pthread_self()));
    if (call.is_first) {
        native->is_stopping = true;
        native->by = pthread_self();
    } else if (!native->is_stopping) {
        call.native = NULL; /* it is being started: the caller means the one before */
    }
    kis_lock_give(&native->lock);
    kis_native_leave(native);
    return call;
}

static bool is_over(void *user)
{
    stop_call *call = user;

    return call->native->served != call->served || clear(call->native, call->is_freed);
}

static kis_err stop(kis_sdk *sdk, uint32_t timeout_ms, bool is_freed)
{
    stop_call call = enter_stop(sdk, is_freed);

    if (call.is_first)
        return stop_native(call.native, timeout_ms, is_freed);
    if (call.native &&
        !kis_native_is_by(is_over, &call, call.is_inside ? 0 : deadline_in(timeout_ms)))
        return KIS_ERR_TIMEOUT;
    if (is_freed && sdk) /* by that time it may have been retired */
        kis_sdk_reclaim(sdk);
    return KIS_OK;
}

kis_err kis_sdk_stop(kis_sdk *sdk, uint32_t timeout_ms)
{
    return stop(sdk, timeout_ms, false);
}

void kis_sdk_free(kis_sdk *sdk)
{
    stop(sdk, 2000, true); /* not in time: somebody is inside, and better leaked than gone */
}

/* ---- processors, memory ---- */

kis_err kis_sdk_add_processor(kis_sdk *sdk, const kis_processor *processor)
{
    uint32_t count;
    kis_err err = KIS_ERR_LIMIT;

    kis_sdk_lock(sdk);
    count = atomic_load_explicit(&sdk->processor_count, memory_order_relaxed);
    if (count < KIS_PROCESSORS_MAX) {
        sdk->processors[count] = *processor;
        if (processor->on_ending)
            atomic_store_explicit(&sdk->has_on_ending, true, memory_order_relaxed);
        atomic_store_explicit(&sdk->has_listeners, !sdk->is_disabled, memory_order_relaxed);
        atomic_store_explicit(&sdk->processor_count, count + 1, memory_order_release);
        err = KIS_OK;
    }
    kis_sdk_unlock(sdk);
    return err;
}

/* Of one that was entered: until it is left no stop that begins now closes the exporter. */
static bool has_memory(const kis_native *native)
{
    return native && native->is_live && native->memory;
}

size_t kis_sdk_memory_count(kis_sdk *sdk)
{
    kis_native *native = kis_native_enter(sdk);
    size_t spans = 0;

    for (uint32_t i = 0; has_memory(native) && i < kis_send_memory_count(native->memory); i++)
        spans += kis_send_memory_at(native->memory, i)->span_count;
    kis_native_leave(native);
    return spans;
}

bool kis_sdk_memory_at(kis_sdk *sdk, size_t index, kis_span_data *out)
{
    kis_native *native = kis_native_enter(sdk);
    bool is_found = false;

    for (uint32_t i = 0;
         has_memory(native) && !is_found && i < kis_send_memory_count(native->memory); i++) {
        const kis_batch *batch = kis_send_memory_at(native->memory, i);
        if (index < batch->span_count)
            is_found = kis_batch_span_data(batch, index, out);
        index -= batch->span_count;
    }
    kis_native_leave(native);
    return is_found;
}

void kis_sdk_memory_clear(kis_sdk *sdk)
{
    kis_native *native = kis_native_enter(sdk);

    if (has_memory(native))
        kis_send_memory_clear(native->memory);
    kis_native_leave(native);
}
