/* batcher.h - step 2: ended spans become batches and go to the sinks. See batcher.c. */
#ifndef KIS_SDK_BATCHER_H
#define KIS_SDK_BATCHER_H

#include <stdatomic.h>

#include <kiseki/base.h>

#include "model/sink.h"
#include "sdk/span_ring.h"

struct kis_sdk;
struct kis_slot;

#define KIS_SINKS_MAX         8
#define KIS_BATCHES_IN_FLIGHT 4 /* pushed and not answered; more wait in the rings */
#define KIS_BATCH_SPANS_MAX   8192

typedef struct kis_batcher_options {
    uint32_t batch_spans; /* 1 to KIS_BATCH_SPANS_MAX */
    uint32_t delay_ms;    /* longest wait of an ended span */
    bool is_simple;       /* each span is a batch, pushed by the thread that ends it */
} kis_batcher_options;

/** Who calls kis_batcher_step, and whether he must be woken. */
typedef enum kis_driver {
    KIS_DRIVER_NONE,   /* nobody yet: the first span that ends wakes the host */
    KIS_DRIVER_ASLEEP, /* until the next step's time: a full batch wakes him */
    /* he comes every few milliseconds by himself: spans come fast,
     * and no thread shall pay for waking him */
    KIS_DRIVER_WATCHING,
} kis_driver;

/** Where a sampled span goes when it ends. */
typedef enum kis_intake {
    KIS_INTAKE_NONE, /* nowhere: there is no exporter */
    KIS_INTAKE_RING, /* into its thread's ring, for the next steps */
    KIS_INTAKE_NOW,  /* at once into the sinks: the simple processor */
    KIS_INTAKE_LOST, /* nowhere, and counted as not delivered: there are no sinks any more */
} kis_intake;

typedef struct kis_batcher {
    /* threads that use `sinks` without being the stepper; stays when another SDK begins */
    _Atomic uint32_t inside;
    struct kis_sdk *sdk;
    kis_batcher_options options;
    kis_alloc body_alloc;           /* gives the slots of a batch back, see batcher.c */
    _Atomic uint32_t intake;        /* kis_intake: recording threads ask */
    kis_sink *sinks[KIS_SINKS_MAX]; /* borrowed */
    _Atomic uint32_t sink_count;
    _Atomic uint32_t driver;    /* kis_driver */
    _Atomic uint32_t step_lock; /* one stepper at a time */
    /* the stepper's: */
    uint64_t due_ns;       /* when what is there has waited long enough */
    uint64_t last_full_ns; /* a full batch was taken */
    uint32_t batch_number; /* for marks in scopes */
    bool is_draining;      /* due or flushing: partial batches too */
    bool needs_sinks;      /* in a child: the first step that has something to send opens them */
    bool is_flush_taking, is_flush_waiting;
    uint32_t flush_run; /* the ticket that the flush under way serves */
    /* anybody's: */
    _Atomic uint32_t parity; /* which of `unanswered` new batches count in */
    /* batches pushed and not answered, before and after a flush's line */
    _Atomic uint32_t unanswered[2];
    _Atomic uint32_t flush_asked, flush_served;
    _Atomic bool wants_answer; /* wake the driver at the next answer */
    _Atomic uint64_t in_flight_spans, batches, failed_batches, exported, rejected, dropped_export;
    _Atomic uint32_t last_error; /* kis_err of the last batch that failed */
    /** Hears of every answer; set before the first span, on any thread. */
    void (*on_result)(void *user, const kis_sink_result *result, uint32_t span_count);
    void *on_result_user;
    /** In a child: opens its own sinks and gives them to kis_batcher_set_sinks.
     * By whoever steps, and nobody else steps meanwhile. */
    void (*open_sinks)(void *user);
    void *open_sinks_user;
} kis_batcher;

kis_err kis_batcher_init(kis_batcher *batcher, struct kis_sdk *sdk,
                         const kis_batcher_options *options) KIS_CHECKED;
/** Where batches go: before the first span, or in `open_sinks` while other threads end spans.
 * Each batch goes to all, and is answered when all have. */
void kis_batcher_set_sinks(kis_batcher *batcher, kis_sink *const *sinks, uint32_t count);
/** No sinks from now on. What ends, and what a step finds in the rings, is dropped and counted.
 * As above, or when nobody steps any more. */
void kis_batcher_lose_sinks(kis_batcher *batcher);
/** In the child: the parent's sinks are forgotten. What ends waits in the rings
 * until the first step, which opens others. */
void kis_batcher_after_fork(kis_batcher *batcher);

/**
 * Does what is due at `now` (monotonic) and answers when to be called again at the latest. One
 * thread at a time; a second one that comes in between answers at once. Takes no time beyond making
 * batches: sinks do not wait.
 */
uint64_t kis_batcher_step(kis_batcher *batcher, uint64_t now_ns);

/** Asks for everything that has ended to be sent; the next steps do it, and kis_batcher_is_flushed
 * says when all of it was answered. Any thread. */
uint32_t kis_batcher_flush(kis_batcher *batcher);
bool kis_batcher_is_flushed(const kis_batcher *batcher, uint32_t ticket);
uint64_t kis_batcher_queued(const kis_batcher *batcher);
/* seq_cst: see ask_for_answer in batcher.c */
static inline uint32_t kis_batcher_in_flight(const kis_batcher *batcher)
{
    return atomic_load_explicit(&batcher->unanswered[0], memory_order_seq_cst) +
           atomic_load_explicit(&batcher->unanswered[1], memory_order_seq_cst);
}

/**
 * For everybody but the stepper: how many of `sinks` are there until kis_batcher_leave. Who takes
 * them away (kis_batcher_lose_sinks) closes them only when kis_batcher_is_left says so.
 */
uint32_t kis_batcher_enter(kis_batcher *batcher);
void kis_batcher_leave(kis_batcher *batcher);
bool kis_batcher_is_left(const kis_batcher *batcher);

/** The simple processor: one span, now; without sinks it is lost. Takes over the slot, whose busy
 * bit the caller holds, and whose word this is. Any thread. */
void kis_batcher_push_one(kis_batcher *batcher, struct kis_slot *slot, uint64_t word);
/** Gives up what is queued, counts it as dropped, and answers how much it was.
 * For the end of a stop; no step runs. */
uint64_t kis_batcher_drop_queued(kis_batcher *batcher);

/** After a push into `ring`, by its owner: true now and then, and then he looks. */
static inline bool kis_batcher_wants_look(kis_span_ring *ring)
{
    return KIS_UNLIKELY(--ring->until_look == 0);
}
/** Wakes the driver when that is needed. */
void kis_batcher_look(kis_batcher *batcher, kis_span_ring *ring);

#endif
