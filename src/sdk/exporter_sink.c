/* exporter_sink.c - a user's exporter (kiseki/exporter.h) as one of our sinks.
 *
 * export_spans is called by one thread at a time, as the specification promises it; several
 * threads come here only with the simple processor, and then they wait for each other. Each
 * batch is held until the user has called `done`, which he may do on any thread, and after
 * export_spans has returned.
 *
 * Always true: as long as the user is in export_spans, or owes a `done`, `pending` is not 0 and the
 * sink is there. Once it was given up, none of his functions is called, what is pushed is answered
 * CLOSED, and who waits for his turn is let go.
 */
#include "sdk/data.h"

typedef struct exporter_sink {
    kis_sink sink;
    kis_exporter exporter;
    kis_alloc alloc;
    kis_host host;
    _Atomic uint32_t export_lock;
    _Atomic uint32_t pending; /* calls of export_spans under way, and answers due */
    _Atomic bool is_given_up;
    uint64_t deadline_ns; /* of shutdown; 0: none was given */
} exporter_sink;

typedef struct user_export {
    kis_export_done head; /* first: what the user holds */
    kis_export_batch spans;
    kis_batch *batch;
    kis_done done;
    exporter_sink *sink;
} user_export;

static void give_way(exporter_sink *sink)
{
    if (sink->host.yield)
        sink->host.yield(sink->host.user);
}

static void user_is_done(kis_export_done *done, kis_err result)
{
    user_export *e = (user_export *)(void *)done;
    exporter_sink *sink = e->sink;
    kis_sink_result answer = { .err = result,
                               .reason =
                                   result ? kis_str_from_c(kis_err_text(result)) : KIS_STR_NONE };

    e->done.call(e->done.user, &answer);
    kis_batch_unref(e->batch);
    sink->alloc.give_back(sink->alloc.user, e, sizeof(*e));
    atomic_fetch_sub_explicit(&sink->pending, 1, memory_order_release);
}

/* False: it was given up, perhaps while we waited. */
static bool take_turn(exporter_sink *sink)
{
    while (atomic_exchange_explicit(&sink->export_lock, 1, memory_order_acquire)) {
        if (atomic_load_explicit(&sink->is_given_up, memory_order_acquire))
            return false;
        give_way(sink);
    }
    if (!atomic_load_explicit(&sink->is_given_up, memory_order_acquire))
        return true;
    atomic_store_explicit(&sink->export_lock, 0, memory_order_release);
    return false;
}

static void exporter_push(kis_sink *base, kis_batch *batch, kis_done done)
{
    exporter_sink *sink = (exporter_sink *)(void *)base;
    user_export *e = sink->alloc.take(sink->alloc.user, sizeof(*e));

    if (!e) {
        done.call(done.user,
                  &(kis_sink_result){ .err = KIS_ERR_NOMEM, .reason = KIS_STR("out of memory") });
        return;
    }
    *e = (user_export){ { user_is_done }, { batch }, kis_batch_ref(batch), done, sink };
    /* the call, and its answer */
    atomic_fetch_add_explicit(&sink->pending, 2, memory_order_relaxed);
    if (take_turn(sink)) {
        sink->exporter.export_spans(sink->exporter.user, &e->spans, &e->head);
        atomic_store_explicit(&sink->export_lock, 0, memory_order_release);
    } else {
        user_is_done(&e->head, KIS_ERR_CLOSED);
    }
    /* the sink may be gone from here on */
    atomic_fetch_sub_explicit(&sink->pending, 1, memory_order_release);
}

static kis_err exporter_flush(kis_sink *base, uint64_t deadline_ns)
{
    exporter_sink *sink = (exporter_sink *)(void *)base;

    return sink->exporter.force_flush &&
                   !atomic_load_explicit(&sink->is_given_up, memory_order_acquire)
               ? sink->exporter.force_flush(sink->exporter.user, deadline_ns)
               : KIS_OK;
}

static void exporter_close(kis_sink *base)
{
    exporter_sink *sink = (exporter_sink *)(void *)base;
    kis_alloc alloc = sink->alloc;

    while (!kis_exporter_sink_is_idle(base)) /* after this call `sink` is gone */
        give_way(sink);
    if (sink->exporter.shutdown && !atomic_load_explicit(&sink->is_given_up, memory_order_acquire))
        sink->exporter.shutdown(sink->exporter.user, sink->deadline_ns);
    alloc.give_back(alloc.user, sink, sizeof(*sink));
}

static const kis_sink_ops exporter_ops = { "exporter", KIS_PROMISE_NONE, exporter_push,
                                           exporter_flush, exporter_close };

kis_err kis_exporter_sink_open(const kis_exporter *exporter, const kis_host *host, kis_sink **out)
{
    exporter_sink *sink = host->alloc->take(host->alloc->user, sizeof(*sink));

    if (!sink)
        return KIS_ERR_NOMEM;
    memset(sink, 0, sizeof(*sink));
    sink->sink.ops = &exporter_ops;
    sink->exporter = *exporter;
    sink->alloc = *host->alloc;
    sink->host = *host;
    *out = &sink->sink;
    return KIS_OK;
}

void kis_exporter_sink_set_deadline(kis_sink *base, uint64_t deadline_ns)
{
    ((exporter_sink *)(void *)base)->deadline_ns = deadline_ns;
}

bool kis_exporter_sink_is_idle(const kis_sink *base)
{
    return atomic_load_explicit(&((const exporter_sink *)(const void *)base)->pending,
                                memory_order_acquire) == 0;
}

void kis_exporter_sink_give_up(kis_sink *base)
{
    atomic_store_explicit(&((exporter_sink *)(void *)base)->is_given_up, true,
                          memory_order_release);
}
