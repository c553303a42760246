/* The battery itself: a right sink passes it. (That wrong ones fail is seen when one is written.)
 * Also: sharing of batches. */
#include "model/sink_contract.h"

typedef struct plain_sink {
    kis_sink sink;
    _Atomic uint64_t spans;
} plain_sink;

static void plain_push(kis_sink *sink, kis_batch *batch, kis_done done)
{
    plain_sink *p = (plain_sink *)sink;
    kis_batch_ref(batch);
    atomic_fetch_add(&p->spans, batch->span_count);
    kis_batch_unref(batch);
    done.call(done.user, &(kis_sink_result){ .err = KIS_OK });
}
static kis_err plain_flush(kis_sink *sink, uint64_t deadline_ns)
{
    (void)sink;
    (void)deadline_ns;
    return KIS_OK;
}
static void plain_close(kis_sink *sink)
{
    free(sink);
}
static const kis_sink_ops plain_ops = { "plain", KIS_PROMISE_NONE, plain_push, plain_flush,
                                        plain_close };

static kis_sink *plain_open(void *user)
{
    (void)user;
    plain_sink *p = calloc(1, sizeof *p);
    p->sink.ops = &plain_ops;
    return &p->sink;
}

TEST(the_battery_passes_a_plain_sink)
{
    sink_contract_run(&(sink_contract){ .open = plain_open });
}

TEST_MAIN(RUN(the_battery_passes_a_plain_sink))
