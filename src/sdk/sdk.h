/* sdk.h - the recorder's parts and how they hang together.
 * Inside of src/sdk, and for who wires it (native, web).
 *
 *     kis_sdk ── limits, sampler, ids, processors, propagators, resource
 *        ├─ scopes[]      one for each tracer name, version, schema and attributes
 *        ├─ threads ──    one record for each thread that records: free slots, ring of ended spans,
 *        │                random words, counters
 *        ├─ bags          trace state and baggage of contexts
 *        └─ batcher ──    rings → batches → sinks
 *
 * At most KIS_SDKS_MAX of these exist, in one static array, so that a handle kept too long never
 * points nowhere. An entry serves one SDK after the other. Records, slots and bags stay with it,
 * for handles that were kept; all else is made anew for each, when nobody is inside any more
 * (inside.c).
 */
#ifndef KIS_SDK_SDK_H
#define KIS_SDK_SDK_H

#include <stdatomic.h>

#include <kiseki/sdk.h>

#include "base/arena.h"
#include "model/sink.h"
#include "propagate/trace_context.h"
#include "sdk/bag.h"
#include "sdk/batcher.h"
#include "sdk/rng.h"
#include "sdk/slot.h"
#include "sdk/span_ring.h"

#define KIS_SLOTS_AT_ONCE 64 /* slots that a thread takes from the common number at a time */
#define KIS_SCOPES_MAX    1024
/* of blocks larger than a slot's own, together */
#define KIS_SDK_BLOCK_BYTES_MAX ((size_t)64 << 20)

typedef struct kis_span_limits {
    uint32_t attr_count, event_count, link_count, event_attr_count, link_attr_count;
    uint32_t value_length; /* characters or bytes */
    uint32_t value_depth;
    uint32_t short_text;    /* kis_sdk_open fills it in: texts up to this are surely not too long */
    size_t uncounted_bytes; /* and it: a block of this size cannot hold one attribute too many */
} kis_span_limits;

typedef struct kis_scope {
    kis_str name, version, schema_url;
    kis_bytes attrs; /* fields of KIS_TAG_SCOPE_ATTRS */
    uint32_t attr_count;
    uint32_t mark; /* the batcher's: index into the batch being made; batcher thread alone */
    uint32_t mark_batch;
} kis_scope;

/* Counters of one thread; that thread alone writes, anybody reads. */
typedef struct kis_thread_counts {
    _Atomic uint64_t started, unsampled, ended, dropped_memory, dropped_attrs, dropped_events,
        dropped_links, repaired_texts;
} kis_thread_counts;

typedef struct kis_recorder_thread {
    kis_span_ring ring;
    kis_slot *free; /* owner thread */
    kis_rng rng;    /* owner thread */
    kis_thread_counts counts;
    struct kis_sdk *sdk;
    void *memory;                     /* as the allocator gave it: records begin on a cache line */
    struct kis_recorder_thread *next; /* in sdk->threads; never changes once in */
    uint32_t flush_head;              /* the ring's head when a flush began; the stepper's */
    _Atomic bool is_taken;            /* a thread has it */
    /* the entry goes on with other records: nothing is charged to it, given back to it, or sent */
    _Atomic bool is_abandoned;
    /* slots on their way back; any thread pushes, the owner takes all */
    _Alignas(64) _Atomic(kis_slot *) returned;
} kis_recorder_thread;

/* A chunk of slots; listed, to be given back at close. */
typedef struct kis_slot_chunk {
    struct kis_slot_chunk *next;
    void *memory; /* KIS_SLOT_CHUNK_BYTES */
} kis_slot_chunk;
#define KIS_SLOT_CHUNK_BYTES (KIS_SLOTS_AT_ONCE * KIS_SLOT_BYTES + 64)
kis_slot *kis_slot_in(const kis_slot_chunk *chunk, uint32_t i);

typedef enum kis_sampler_short {
    KIS_SAMPLER_ASK,
    KIS_SAMPLER_ALL,
    KIS_SAMPLER_PARENT_OR_ALL
} kis_sampler_short;

struct kis_sdk {
    /* of the records in this entry: changes when they are others; 0: never used */
    _Atomic uint32_t generation;
    uint32_t life; /* of this SDK: no other one of the process has it */
    /* its life while spans may be started, else 0. One that is disabled starts those that pass
     * their parent on */
    _Atomic uint32_t recording;
    _Atomic uint32_t inside; /* calls that hold no slot, see inside.c; of all lives */
    bool is_taken;           /* entry is in use; guarded by the registry's lock */
    bool is_published;       /* guarded by the registry's lock, as is_global */
    /* it is kis_recorder_global, or will be when it is published; guarded by the registry's lock */
    bool is_global;
    bool is_local, is_disabled;
    _Atomic bool has_listeners, has_on_ending;
    uint32_t index; /* never changes */
    kis_host host;
    kis_alloc alloc;
    kis_span_limits limits;
    const kis_sampler *sampler;
    kis_sampler_short sampler_short; /* the answer is known without asking */
    uint32_t inline_state;           /* of a slot: INLINE unless limits forbid it */
    const kis_id_generator *ids;     /* NULL: our own */
    kis_processor processors[KIS_PROCESSORS_MAX];
    _Atomic uint32_t processor_count;
    _Atomic bool
        is_shut; /* processors have heard their shutdown, or do so now: the last that they hear */
    kis_propagator_list propagators;
    kis_resource_view resource; /* points into `arena` */
    uint32_t resource_attr_count;
    _Atomic uint64_t wall_offset_ns; /* wall clock minus monotonic, looked up now and again */
    uint64_t wall_checked_ns;

    _Atomic uint32_t lock; /* guards scopes, arena, chunks; never held over a call out */
    kis_arena arena;
    kis_scope *scopes[KIS_SCOPES_MAX];
    uint32_t scope_count;
    kis_slot_chunk *chunks;
    _Atomic(kis_recorder_thread *) threads;

    uint32_t max_spans, queue_spans;
    _Atomic uint32_t slot_count;
    _Atomic uint64_t block_bytes; /* of blocks larger than a slot's own */
    _Atomic uint64_t late_calls, lost_threads;
    kis_bags bags;
    kis_batcher batcher;
};

/* A variable of the library's own: found without asking a table for its address. */
#define KIS_OURS __attribute__((visibility("hidden")))

/* What a thread has of its own. */
typedef struct kis_here {
    kis_context current;
    kis_slot *ending;
    /* for each SDK by its index: the thread's record, good for this generation of the records, and
     * the thread's part of the entry's `inside`, and of its batcher's */
    kis_recorder_thread *records[KIS_SDKS_MAX];
    uint32_t generations[KIS_SDKS_MAX], inside[KIS_SDKS_MAX], sending[KIS_SDKS_MAX];
} kis_here;

/** What kis_sdk_open needs beyond options that are complete (no zero left to look up). */
typedef struct kis_sdk_setup {
    const kis_host *host;
    kis_span_limits limits;
    const kis_sampler *sampler;
    const kis_id_generator *ids;
    const kis_processor *processors;
    size_t processor_count;
    const kis_propagator *const *propagators;
    size_t propagator_count;
    kis_attr_list resource; /* complete, service.name in it; the last of a key counts */
    kis_str resource_schema_url;
    kis_batcher_options batcher;
    bool has_exporter; /* sinks are given with kis_batcher_set_sinks before it is published */
    uint32_t max_spans, queue_spans;
    bool is_local, is_disabled;
} kis_sdk_setup;

/**
 * Makes an SDK in a free entry. Nobody records in it until it is published. Everything in `setup`
 * but the host's table, sampler, ids, processors' and propagators' own state is copied.
 * FULL: KIS_SDKS_MAX run, or a global one does. NOMEM. RANGE, LIMIT: an option.
 */
kis_err kis_sdk_open(const kis_sdk_setup *setup, kis_sdk **out, kis_diag *diag) KIS_CHECKED;
/** Starts recording, and makes it the global one unless it is local:
 * once it has its sinks, and who drives it can be woken. */
void kis_sdk_publish(kis_sdk *sdk);
/** Nothing is recorded from now on: spans that are open end here, unsent. What has ended stays in
 * the rings for the batcher. */
void kis_sdk_halt(kis_sdk *sdk);
/** Gives the memory back and frees the entry, in this order. No thread is in a call with one of its
 * spans, every batch was answered for. */
void kis_sdk_close(kis_sdk *sdk);
/** The same after kis_sdk_retire. Nothing when another SDK has the entry by now. */
void kis_sdk_reclaim(kis_sdk *sdk);
/** The entry may be used again: kis_sdk_is_left, and nothing is queued or on its way. Records,
 * slots and bags stay for handles that were kept. */
void kis_sdk_retire(kis_sdk *sdk);
/** It is not the global one any more, so that another may start;
 * its entry stays taken, because somebody is inside. */
void kis_sdk_resign(kis_sdk *sdk);
/** In the child, before anything else: what the parent recorded is not ours.
 * The batcher has no sinks then. */
void kis_sdk_after_fork(kis_sdk *sdk);
/** These attributes instead of what the resource says for their keys; no other thread records. What
 * cannot be done is left as it was. */
void kis_sdk_renew_resource(kis_sdk *sdk, kis_attr_list attrs);
/** In the child: somebody in the parent was starting or stopping it, and nobody goes on with it
 * here. Nothing when it is free. */
void kis_sdk_forget(kis_sdk *sdk);
/** No SDK is half open or half closed while the process forks. */
void kis_recorder_before_fork(void);
void kis_recorder_after_fork_in_parent(void);
/** Once for the process, in the child: handles of the parent do nothing from now on. */
void kis_recorder_after_fork(void);
extern KIS_OURS uint16_t kis_recorder_epoch;
/** The calling thread ends: its records go to the next one that begins. */
void kis_recorder_thread_done(void);
/** Entries by index, for those who must see all; NULL where none was ever used. */
kis_sdk *kis_sdk_entry(uint32_t index);
/* recording or disabled; NULL: none */
extern KIS_OURS _Atomic(kis_sdk *) kis_recorder_global;
static inline kis_sdk *kis_sdk_of_context(void)
{
    return atomic_load_explicit(&kis_recorder_global, memory_order_acquire);
}
/** The SDK that is to record for this tracer; NULL: none, or no tracer. */
static inline kis_sdk *kis_sdk_of_tracer(const kis_tracer *tracer)
{
    if (KIS_UNLIKELY(!tracer))
        return NULL;
    return KIS_UNLIKELY(tracer->sdk) ? tracer->sdk : kis_sdk_of_context();
}
/** Its life while it does, else 0. */
static inline uint32_t kis_sdk_life(const kis_sdk *sdk)
{
    return sdk ? atomic_load_explicit(&sdk->recording, memory_order_acquire) : 0;
}

extern KIS_OURS KIS_THREAD_LOCAL_ kis_here kis_here_of_thread;
static inline kis_here *kis_here_get(void)
{
    return &kis_here_of_thread;
}

/* inside.c: who is in a call with an SDK. */

/** The calling thread is inside until it leaves, though it holds no slot. It is inside already: it
 * holds one, or entered before. */
void kis_sdk_enter(kis_sdk *sdk);
void kis_sdk_leave(kis_sdk *sdk);
/** The same, from outside. False: it does not record; the caller stays outside. */
bool kis_sdk_enter_recording(kis_sdk *sdk);
/** The same, with the global one; NULL: there is none. */
kis_sdk *kis_sdk_enter_global(void);
/** After kis_sdk_halt. False: another thread is busy with a span of it this moment. */
bool kis_sdk_has_ended(kis_sdk *sdk);
/** After kis_sdk_halt: contexts do nothing with it from now on, either. True: no thread is in a
 * call with it, none comes any more, and nothing more gets into the rings. */
bool kis_sdk_is_left(kis_sdk *sdk);
/** The calling thread itself is inside: a hook that stops its SDK. */
bool kis_sdk_is_entered_here(const kis_sdk *sdk);
/** For who waits for a slot in whatever state its SDK is. */
void kis_sdk_yield(kis_sdk *sdk);

/** The thread's record, found or made. NULL: no memory. The caller is inside. */
kis_recorder_thread *kis_recorder_thread_begin(kis_sdk *sdk, kis_here *here);
/** The same from outside. NULL also: it does not record. */
kis_recorder_thread *kis_recorder_thread_begin_outside(kis_sdk *sdk, kis_here *here);
/** The record that here->records has is the thread's; else it has none yet. */
static inline bool kis_recorder_thread_is_known(const kis_sdk *sdk, const kis_here *here)
{
    return KIS_LIKELY(here->generations[sdk->index] ==
                      atomic_load_explicit(&sdk->generation, memory_order_relaxed));
}
static inline kis_recorder_thread *kis_recorder_thread_here(kis_sdk *sdk, kis_here *here)
{
    if (KIS_LIKELY(kis_recorder_thread_is_known(sdk, here)))
        return here->records[sdk->index];
    return kis_recorder_thread_begin(sdk, here);
}

/** The counters of this thread; NULL: it has none. The caller is inside. */
kis_thread_counts *kis_counts_here(kis_sdk *sdk);

/** Free slots for a thread that has none left. False: max_spans are in use, or no memory (counted),
 * or its SDK does not record. */
bool kis_slot_find_free(kis_recorder_thread *thread);
/** A slot for a new span: open and busy, its generation new, its tally zero; its handle.
 * No slot in it: as above. Owner thread. */
static inline kis_span kis_slot_take(kis_recorder_thread *thread)
{
    kis_slot *slot;

    if (KIS_UNLIKELY(!thread->free && !kis_slot_find_free(thread)))
        return (kis_span){ 0 };
    slot = thread->free;
    thread->free = slot->next;
    return (kis_span){ slot,
                       kis_slot_open(slot, (uint32_t)kis_recorder_epoch << 16 | KIS_SLOT_OPEN) };
}
/** Ended, and back to its home. Busy bit held; `word` is the slot's. Any thread; `here` is the
 * caller's own record of the same SDK, or NULL. */
void kis_slot_release(kis_slot *slot, uint64_t word, kis_recorder_thread *here);
/** Many that have ended, of whatever homes; one at least. Any thread. */
void kis_slots_release(kis_slot *const *slots, uint32_t count);

/** The scope of a tracer in this SDK, never NULL; the tracer remembers it. The caller is inside. */
const kis_scope *kis_scope_get(kis_sdk *sdk, kis_tracer *tracer);

void kis_api_set_listening(bool is_listening); /* api.c: the word that callers test */
void kis_sdk_lock(kis_sdk *sdk);
void kis_sdk_unlock(kis_sdk *sdk);
void kis_sdk_log(const kis_sdk *sdk, kis_log_level level, const char *format, ...) KIS_PRINTF(3, 4);

/** Asked before each call of a processor: a thread may have been in another one for long. */
static inline bool kis_sdk_is_shut(const kis_sdk *sdk)
{
    return KIS_UNLIKELY(atomic_load_explicit(&sdk->is_shut, memory_order_seq_cst));
}

static inline uint64_t kis_sdk_now_ns(const kis_sdk *sdk)
{
    return sdk->host.now_ns(sdk->host.user);
}

/* One more in a counter that this thread alone writes: no locked instruction. */
static inline void kis_count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/** A finished span in the public form; borrows from view, scope and resource. */
void kis_span_data_of(const kis_span_view *view, const kis_scope_view *scope,
                      const kis_resource_view *resource, uint32_t resource_attr_count,
                      kis_span_data *out);

/** A user's exporter as a sink. The other three are for such sinks alone. */
kis_err kis_exporter_sink_open(const kis_exporter *exporter, const kis_host *host,
                               kis_sink **out) KIS_CHECKED;
/** Until when its shutdown may take: before it is closed. */
void kis_exporter_sink_set_deadline(kis_sink *sink, uint64_t deadline_ns);
/** The user is in no call and owes no answer: closing it will not wait. Any thread. */
bool kis_exporter_sink_is_idle(const kis_sink *sink);
/** From now on none of the user's functions is called. The one that he is in goes on.
 * Any thread. */
void kis_exporter_sink_give_up(kis_sink *sink);

#endif
