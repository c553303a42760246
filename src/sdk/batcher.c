/* batcher.c - step 2: one thread takes ended spans out of the rings, makes batches,
 * pushes them into the sinks.
 *
 *     rings of all threads --> [ step: 512 at once, or what there is after 5 s ] --> kis_batch
 *                                                                                      |   |
 *              counters, flush <-- answer <-- sinks <----------------------------------'   |
 *              slots go home <-- last reference of the batch <-----------------------------'
 *
 * A batch points into the slots; nothing is copied. Its `body` is our list of the slots (a
 * kis_flight), and the allocator that the body is given back to is us: so the slots are free again
 * when the last reference of the batch is gone, wherever that happens.
 *
 * A step function: it never waits and looks at no clock, so it runs on a thread, on a tick, and
 * under a scripted clock. At most KIS_BATCHES_IN_FLIGHT batches are unanswered; the rest stays in
 * the rings, which refuse and count when they are full.
 *
 * A flush draws a line: it notes the head of every ring, sends all that is before it, and then
 * waits for the batches that were made before the line. New batches count on the other side
 * (`parity`), so that a flush ends though others go on recording.
 *
 * Waking: a driver that is asleep is woken by the thread whose ring holds a full batch; that is one
 * call into the kernel. Once full batches come in a row, the driver looks by itself every WATCH_NS,
 * and recording threads never enter the kernel.
 * Not here: which thread drives (native/sdk_start.c), how spans are sent (send/).
 */
#include "sdk/batcher.h"

#include "base/check.h"
#include "sdk/sdk.h"

#define WATCH_NS     2000000u    /* between two looks while full batches come */
#define WATCH_FOR_NS 1000000000u /* after the last full one */
/* all batches in flight: an answer wakes the driver; this is for safety */
#define SATURATED_NS   50000000u
#define CLOCK_CHECK_NS 1000000000u /* between two looks at the wall clock */
#define CLOCK_STEP_NS  500000u     /* smaller differences are the reading's own */

/* A batch on its way, and the list of its slots. */
typedef struct kis_flight {
    kis_batcher *batcher;
    kis_batch *batch; /* our reference, until the last sink has answered */
    uint32_t span_count, parity;
    _Atomic uint32_t pending; /* sinks that have not answered */
    _Atomic uint32_t err;     /* the first error of them */
    uint32_t epoch;           /* of the process that sends it */
    kis_slot *slots[];
} kis_flight;

static void release_flight(void *user, void *memory, size_t size)
{
    kis_batcher *batcher = user;
    kis_flight *flight = memory;

    kis_slots_release(flight->slots, flight->span_count);
    batcher->sdk->alloc.give_back(batcher->sdk->alloc.user, flight, size);
}

kis_err kis_batcher_init(kis_batcher *batcher, kis_sdk *sdk, const kis_batcher_options *options)
{
    if (options->batch_spans < 1 || options->batch_spans > KIS_BATCH_SPANS_MAX)
        return KIS_ERR_RANGE;
    /* scopes that stay in a child remember the numbers of the parent */
    uint32_t number = batcher->batch_number;
    memset((uint8_t *)batcher + offsetof(kis_batcher, sdk), 0,
           sizeof(*batcher) - offsetof(kis_batcher, sdk));
    batcher->batch_number = number;
    batcher->sdk = sdk;
    batcher->options = *options;
    batcher->body_alloc = (kis_alloc){ NULL, release_flight, batcher };
    return KIS_OK;
}

void kis_batcher_set_sinks(kis_batcher *batcher, kis_sink *const *sinks, uint32_t count)
{
    KIS_ASSERT(count <= KIS_SINKS_MAX);
    for (uint32_t i = 0; i < count; i++)
        batcher->sinks[i] = sinks[i];
    atomic_store_explicit(&batcher->sink_count, count, memory_order_release);
    atomic_store_explicit(&batcher->intake,
                          !count                       ? KIS_INTAKE_NONE
                          : batcher->options.is_simple ? KIS_INTAKE_NOW
                                                       : KIS_INTAKE_RING,
                          memory_order_release);
}

void kis_batcher_lose_sinks(kis_batcher *batcher)
{
    if (atomic_load_explicit(&batcher->intake, memory_order_relaxed) != KIS_INTAKE_NONE)
        atomic_store_explicit(&batcher->intake, KIS_INTAKE_LOST, memory_order_relaxed);
    atomic_store_explicit(&batcher->sink_count, 0, memory_order_seq_cst);
}

/* Either the count that is read here is 0 already, or who set it to 0 sees us inside:
 * so all three are in one order. */
uint32_t kis_batcher_enter(kis_batcher *batcher)
{
    kis_here_get()->sending[batcher->sdk->index]++;
    atomic_fetch_add_explicit(&batcher->inside, 1, memory_order_seq_cst);
    return atomic_load_explicit(&batcher->sink_count, memory_order_seq_cst);
}

void kis_batcher_leave(kis_batcher *batcher)
{
    kis_here_get()->sending[batcher->sdk->index]--;
    atomic_fetch_sub_explicit(&batcher->inside, 1, memory_order_release);
}

bool kis_batcher_is_left(const kis_batcher *batcher)
{
    return atomic_load_explicit(&batcher->inside, memory_order_seq_cst) == 0;
}

void kis_batcher_after_fork(kis_batcher *batcher)
{
    kis_sdk *sdk = batcher->sdk;
    kis_batcher_options options = batcher->options;
    void (*on_result)(void *, const kis_sink_result *, uint32_t) = batcher->on_result;
    void *user = batcher->on_result_user;
    void (*open_sinks)(void *) = batcher->open_sinks;
    void *open_sinks_user = batcher->open_sinks_user;
    uint32_t intake = atomic_load_explicit(&batcher->intake, memory_order_relaxed);
    uint32_t asked = atomic_load_explicit(&batcher->flush_asked, memory_order_relaxed);

    KIS_ASSERT(kis_batcher_init(batcher, sdk, &options) == KIS_OK);
    /* the others are not here; the thread that forks may be in an exporter */
    atomic_store_explicit(&batcher->inside, kis_here_get()->sending[sdk->index],
                          memory_order_relaxed);
    atomic_store_explicit(&batcher->flush_asked, asked, memory_order_relaxed);
    atomic_store_explicit(&batcher->flush_served, asked, memory_order_relaxed);
    batcher->on_result = on_result;
    batcher->on_result_user = user;
    batcher->open_sinks = open_sinks;
    batcher->open_sinks_user = open_sinks_user;
    batcher->needs_sinks = intake == KIS_INTAKE_RING || intake == KIS_INTAKE_NOW;
    atomic_store_explicit(&batcher->intake, batcher->needs_sinks ? KIS_INTAKE_RING : intake,
                          memory_order_relaxed);
}

uint64_t kis_batcher_queued(const kis_batcher *batcher)
{
    uint64_t queued = 0;

    for (kis_recorder_thread *t =
             atomic_load_explicit(&batcher->sdk->threads, memory_order_seq_cst);
         t; t = t->next)
        queued += kis_span_ring_count(&t->ring);
    return queued;
}

/* ---- answers ---- */

static void wake_driver(kis_batcher *batcher)
{
    const kis_host *host = &batcher->sdk->host;

    if (host->wake)
        host->wake(host->user);
}

static void count_failure(kis_batcher *batcher, uint32_t err)
{
    atomic_store_explicit(&batcher->last_error, err, memory_order_relaxed);
    atomic_fetch_add_explicit(&batcher->failed_batches, 1, memory_order_relaxed);
}

/* What the parent process sends, it sends. An exporter that forks before it answers does so in the
 * child, too, where nobody waits for that answer: batch and slots are the parent's pages. */
static bool is_parents(const kis_flight *flight)
{
    return flight->epoch != kis_recorder_epoch;
}

/* The other half of ask_for_answer. Not until the count has gone down is it asked whether anybody
 * waits, and both in the one order of all seq_cst operations. */
static void finish_flight(kis_flight *flight)
{
    kis_batcher *b = flight->batcher;
    uint32_t err = atomic_load_explicit(&flight->err, memory_order_relaxed),
             parity = flight->parity;
    uint32_t spans = flight->span_count;

    if (err) {
        count_failure(b, err);
        atomic_fetch_add_explicit(&b->dropped_export, spans, memory_order_relaxed);
    } else {
        atomic_fetch_add_explicit(&b->exported, spans, memory_order_relaxed);
    }
    kis_batch_unref(flight->batch); /* the flight may be gone from here on */
    atomic_fetch_sub_explicit(&b->in_flight_spans, spans, memory_order_relaxed);
    atomic_fetch_sub_explicit(&b->unanswered[parity], 1, memory_order_seq_cst);
    if (atomic_exchange_explicit(&b->wants_answer, false, memory_order_seq_cst))
        wake_driver(b);
}

static void sink_answered(void *user, const kis_sink_result *result)
{
    kis_flight *flight = user;
    kis_batcher *b = flight->batcher;
    uint32_t none = 0;

    if (is_parents(flight))
        return;
    if (result->err)
        atomic_compare_exchange_strong_explicit(&flight->err, &none, result->err,
                                                memory_order_relaxed, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&b->rejected, result->rejected_spans, memory_order_relaxed);
    if (b->on_result)
        b->on_result(b->on_result_user, result, flight->span_count);
    if (atomic_fetch_sub_explicit(&flight->pending, 1, memory_order_acq_rel) == 1)
        finish_flight(flight);
}

/* ---- batches ---- */

static size_t flight_size(uint32_t spans)
{
    return sizeof(kis_flight) + spans * sizeof(kis_slot *);
}

static void drop_slots(kis_batcher *batcher, kis_slot **slots, uint32_t count)
{
    kis_slots_release(slots, count);
    atomic_fetch_add_explicit(&batcher->dropped_export, count, memory_order_relaxed);
}

static void view_scope(const kis_scope *scope, uint32_t first, uint32_t count, kis_scope_view *out)
{
    *out = (kis_scope_view){ .name = scope->name,
                             .version = scope->version,
                             .schema_url = scope->schema_url,
                             .attrs = { scope->attrs.ptr, (uint32_t)scope->attrs.len,
                                        KIS_TAG_SCOPE_ATTRS },
                             .first_span = first,
                             .span_count = count };
}

/* The spans of one scope must be neighbours: count them, lay out their places, fill.
 * Stepper alone, because of the marks: who pushes one span does not come here. */
static bool group_by_scope(kis_batcher *batcher, kis_batch *batch, kis_flight *flight)
{
    uint32_t number = ++batcher->batch_number, scopes = 0, at = 0;
    uint32_t *next = KIS_NEW_ARRAY(&batch->arena, uint32_t, flight->span_count);
    const kis_scope **seen = KIS_NEW_ARRAY(&batch->arena, const kis_scope *, flight->span_count);

    if (!next || !seen)
        return false;
    for (uint32_t i = 0; i < flight->span_count; i++) {
        kis_scope *scope = (kis_scope *)flight->slots[i]->scope;
        if (KIS_UNLIKELY(scope->mark_batch != number)) {
            scope->mark_batch = number;
            scope->mark = scopes;
            next[scopes] = 0;
            seen[scopes++] = scope;
        }
        next[scope->mark]++;
    }
    batch->scopes = KIS_NEW_ARRAY(&batch->arena, kis_scope_view, scopes);
    if (!batch->scopes)
        return false;
    batch->scope_count = scopes;
    for (uint32_t i = 0; i < scopes; i++) {
        view_scope(seen[i], at, next[i], &batch->scopes[i]);
        at += next[i];
        next[i] = batch->scopes[i].first_span;
    }
    for (uint32_t i = 0; i < flight->span_count; i++)
        kis_slot_view(flight->slots[i], &batch->spans[next[flight->slots[i]->scope->mark]++]);
    return true;
}

/* Most batches are of one scope, and one span alone always is: they are neighbours as they come. */
static bool has_one_scope(const kis_flight *flight)
{
    const kis_scope *scope = flight->slots[0]->scope;

    for (uint32_t i = 1; i < flight->span_count; i++)
        if (flight->slots[i]->scope != scope)
            return false;
    return true;
}

static bool one_scope(kis_batch *batch, kis_flight *flight)
{
    batch->scopes = KIS_NEW(&batch->arena, kis_scope_view);
    if (!batch->scopes)
        return false;
    batch->scope_count = 1;
    view_scope(flight->slots[0]->scope, 0, flight->span_count, batch->scopes);
    kis_slots_view(flight->slots, flight->span_count, batch->spans);
    return true;
}

/* The batch of a flight; NULL: no memory. The flight belongs to the batch. */
static kis_batch *make_batch(kis_batcher *batcher, kis_flight *flight)
{
    size_t bytes =
        flight->span_count * (sizeof(kis_span_view) + sizeof(kis_scope_view) + 32) + 4096;
    kis_batch *batch = kis_batch_new(&batcher->sdk->alloc, bytes * 2);

    if (!batch)
        return NULL;
    batch->spans = KIS_NEW_ARRAY(&batch->arena, kis_span_view, flight->span_count);
    batch->resources = KIS_NEW(&batch->arena, kis_resource_view);
    if (!batch->spans || !batch->resources ||
        !(has_one_scope(flight) ? one_scope(batch, flight)
                                : group_by_scope(batcher, batch, flight))) {
        kis_batch_unref(batch);
        return NULL;
    }
    batch->span_count = flight->span_count;
    batch->resources[0] = batcher->sdk->resource;
    batch->resource_count = 1;
    kis_batch_adopt_body(batch, (uint8_t *)flight, 0, flight_size(flight->span_count),
                         &batcher->body_alloc);
    return batch;
}

static void push_flight(kis_batcher *b, kis_flight *flight, uint32_t sinks)
{
    flight->batcher = b;
    flight->epoch = kis_recorder_epoch;
    flight->batch = sinks ? make_batch(b, flight) : NULL;
    if (!flight->batch) {
        count_failure(b, sinks ? KIS_ERR_NOMEM : KIS_ERR_CLOSED);
        drop_slots(b, flight->slots, flight->span_count);
        b->sdk->alloc.give_back(b->sdk->alloc.user, flight, flight_size(flight->span_count));
        return;
    }
    flight->parity = atomic_load_explicit(&b->parity, memory_order_relaxed);
    atomic_store_explicit(&flight->pending, sinks, memory_order_relaxed);
    atomic_store_explicit(&flight->err, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->unanswered[flight->parity], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->in_flight_spans, flight->span_count, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->batches, 1, memory_order_relaxed);
    kis_batch *batch = kis_batch_ref(flight->batch); /* for the time of the pushes */
    for (uint32_t i = 0; i < sinks && !is_parents(flight); i++)
        kis_sink_push(b->sinks[i], batch, (kis_done){ sink_answered, flight });
    kis_batch_unref(batch);
}

/* Takes up to a batch from the rings, each in turn. Answers how many spans it had; 0: nothing
 * there, or no memory (then they wait on). */
static uint32_t send_one(kis_batcher *b, uint64_t queued)
{
    uint64_t most = b->options.is_simple ? 1 : b->options.batch_spans;
    uint32_t want = (uint32_t)KIS_MIN(queued, most), got = 0;
    kis_flight *flight;

    if (!want)
        return 0;
    flight = b->sdk->alloc.take(b->sdk->alloc.user, flight_size(want));
    if (!flight)
        return 0;
    for (kis_recorder_thread *t = atomic_load_explicit(&b->sdk->threads, memory_order_acquire);
         t && got < want; t = t->next)
        got += kis_span_ring_take(&t->ring, flight->slots + got, want - got);
    KIS_ASSERT(got == want); /* rings only fill while we look */
    flight->span_count = got;
    push_flight(b, flight, atomic_load_explicit(&b->sink_count, memory_order_relaxed));
    return got;
}

void kis_batcher_push_one(kis_batcher *b, kis_slot *slot, uint64_t word)
{
    uint32_t sinks = kis_batcher_enter(b); /* before the slot is left: see inside.c */
    kis_flight *flight = b->sdk->alloc.take(b->sdk->alloc.user, flight_size(1));

    kis_slot_leave_as(slot, word, KIS_SLOT_ENDED);
    if (flight) {
        flight->span_count = 1;
        flight->slots[0] = slot;
        push_flight(b, flight, sinks);
    } else {
        drop_slots(b, &slot, 1);
    }
    kis_batcher_leave(b);
}

uint64_t kis_batcher_drop_queued(kis_batcher *b)
{
    kis_slot *slots[64];
    uint64_t dropped = 0;
    uint32_t count;

    for (kis_recorder_thread *t = atomic_load_explicit(&b->sdk->threads, memory_order_acquire); t;
         t = t->next)
        while ((count = kis_span_ring_take(&t->ring, slots, KIS_COUNT_OF(slots))) > 0) {
            drop_slots(b, slots, count);
            dropped += count;
        }
    return dropped;
}

/* From here on the next answer wakes the driver. The caller looks at `unanswered` afterwards, and
 * sleeps when it does not like what it sees:
 *
 *     driver            wants_answer = true      look at unanswered
 *     finish_flight     unanswered - 1           look at (and clear) wants_answer
 *
 * One of the two must see what the other wrote; if neither does, nobody wakes the driver, and a
 * flush waits for its timeout though all is answered. Release and acquire do not forbid that: a
 * processor may read before its own earlier write is out (x86 does: 8 times in 275,000 rounds of
 * these four operations alone). So all four are seq_cst. No test: the whole cannot be made to do
 * it. */
static void ask_for_answer(kis_batcher *b)
{
    atomic_store_explicit(&b->wants_answer, true, memory_order_seq_cst);
}

/* ---- flush ---- */

uint32_t kis_batcher_flush(kis_batcher *b)
{
    uint32_t ticket = atomic_fetch_add_explicit(&b->flush_asked, 1, memory_order_acq_rel) + 1;

    wake_driver(b);
    return ticket;
}

bool kis_batcher_is_flushed(const kis_batcher *b, uint32_t ticket)
{
    return (int32_t)(atomic_load_explicit(&b->flush_served, memory_order_acquire) - ticket) >= 0;
}

/* Draws the line: what is in the rings now is before it. */
static void begin_flush(kis_batcher *b)
{
    b->flush_run = atomic_load_explicit(&b->flush_asked, memory_order_acquire);
    b->is_flush_taking = true;
    for (kis_recorder_thread *t = atomic_load_explicit(&b->sdk->threads, memory_order_acquire); t;
         t = t->next)
        t->flush_head = atomic_load_explicit(&t->ring.head, memory_order_acquire);
}

static bool is_past_line(const kis_batcher *b)
{
    for (kis_recorder_thread *t = atomic_load_explicit(&b->sdk->threads, memory_order_acquire); t;
         t = t->next)
        if ((int32_t)(atomic_load_explicit(&t->ring.tail, memory_order_relaxed) - t->flush_head) <
            0)
            return false;
    return true;
}

/* Moves a flush on as far as it goes. */
static void advance_flush(kis_batcher *b)
{
    uint32_t before = atomic_load_explicit(&b->parity, memory_order_relaxed);

    if (b->is_flush_taking && is_past_line(b)) {
        b->is_flush_taking = false;
        b->is_flush_waiting = true;
        before ^= 1;
        atomic_store_explicit(&b->parity, before, memory_order_release);
    }
    if (!b->is_flush_waiting)
        return;
    ask_for_answer(b);
    if (atomic_load_explicit(&b->unanswered[before ^ 1], memory_order_seq_cst) == 0) {
        b->is_flush_waiting = false;
        atomic_store_explicit(&b->flush_served, b->flush_run, memory_order_release);
    }
}

/* ---- the step ---- */

/* Clocks are set and machines sleep: wall time is looked up again now and then. */
static void check_clock(kis_sdk *sdk, uint64_t now_ns)
{
    uint64_t offset, old = atomic_load_explicit(&sdk->wall_offset_ns, memory_order_relaxed);

    if (now_ns - sdk->wall_checked_ns < CLOCK_CHECK_NS)
        return;
    sdk->wall_checked_ns = now_ns;
    offset = sdk->host.now_unix_ns(sdk->host.user) - kis_sdk_now_ns(sdk);
    if (offset - old + CLOCK_STEP_NS > 2 * CLOCK_STEP_NS)
        atomic_store_explicit(&sdk->wall_offset_ns, offset, memory_order_relaxed);
}

/* The simple processor has something in the rings only when there was no sink yet:
 * it waits for nothing. */
static bool is_time_to_send(const kis_batcher *b, uint64_t queued)
{
    return queued >= b->options.batch_spans ||
           (queued && (b->is_draining || b->is_flush_taking || b->options.is_simple));
}

static uint64_t step_locked(kis_batcher *b, uint64_t now)
{
    uint64_t queued = kis_batcher_queued(b), delay_ns = (uint64_t)b->options.delay_ms * 1000000u;
    bool is_saturated = false;
    uint32_t epoch = kis_recorder_epoch;

    if (KIS_UNLIKELY(b->needs_sinks && queued)) {
        b->needs_sinks = false;
        b->open_sinks(b->open_sinks_user);
    }
    check_clock(b->sdk, now);
    if (!b->due_ns)
        b->due_ns = now + delay_ns;
    if (!b->is_flush_taking && !b->is_flush_waiting &&
        atomic_load_explicit(&b->flush_asked, memory_order_acquire) !=
            atomic_load_explicit(&b->flush_served, memory_order_relaxed))
        begin_flush(b);
    b->is_draining |= now >= b->due_ns;
    while (is_time_to_send(b, queued)) {
        uint32_t sent;
        is_saturated = kis_batcher_in_flight(b) >= KIS_BATCHES_IN_FLIGHT;
        if (is_saturated) {
            ask_for_answer(b);
            is_saturated = kis_batcher_in_flight(b) >= KIS_BATCHES_IN_FLIGHT;
        }
        sent = is_saturated ? 0 : send_one(b, queued);
        if (epoch !=
            kis_recorder_epoch) /* an exporter has forked: what was queued is the parent's */
            return now;
        if (!sent)
            break;
        if (sent == b->options.batch_spans)
            b->last_full_ns = now;
        queued -= sent;
        if (b->is_flush_taking && is_past_line(b))
            break;
    }
    if (!queued && b->is_draining)
        b->is_draining = false;
    if (now >= b->due_ns && !b->is_draining)
        b->due_ns = now + delay_ns;
    advance_flush(b);
    if (is_saturated)
        return now + SATURATED_NS;
    if (b->last_full_ns && now - b->last_full_ns < WATCH_FOR_NS) {
        atomic_store_explicit(&b->driver, KIS_DRIVER_WATCHING, memory_order_relaxed);
        return KIS_MIN(b->due_ns, now + WATCH_NS);
    }
    atomic_store_explicit(&b->driver, KIS_DRIVER_ASLEEP, memory_order_seq_cst);
    /* what came before "asleep" was seen */
    return b->is_draining || kis_batcher_queued(b) >= b->options.batch_spans ? now + WATCH_NS
                                                                             : b->due_ns;
}

uint64_t kis_batcher_step(kis_batcher *b, uint64_t now_ns)
{
    uint32_t unlocked = 0;
    uint64_t next;

    if (!atomic_compare_exchange_strong_explicit(&b->step_lock, &unlocked, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return now_ns + WATCH_NS;
    next = step_locked(b, now_ns);
    atomic_store_explicit(&b->step_lock, 0, memory_order_release);
    return next;
}

/* The other half of a driver that goes to sleep:
 *
 *     driver            driver = asleep          look at the heads of the rings
 *     kis_batcher_look  head (written again)     look at driver
 *
 * As in ask_for_answer one of the two must see what the other wrote, or a full batch waits for its
 * delay: so all four are seq_cst, and those that list a ring. The push itself, of every span, stays
 * a plain release. No test, as there. */
void kis_batcher_look(kis_batcher *b, kis_span_ring *ring)
{
    atomic_fetch_add_explicit(&ring->head, 0, memory_order_seq_cst);
    uint32_t driver = atomic_load_explicit(&b->driver, memory_order_seq_cst),
             batch = b->options.batch_spans;
    uint32_t waiting = kis_span_ring_count(ring);

    ring->until_look = waiting < batch ? batch - waiting : batch;
    if (driver == KIS_DRIVER_NONE || (driver == KIS_DRIVER_ASLEEP && waiting >= batch))
        wake_driver(b);
}
