/* sdk.c - an SDK's entry: opened, halted, closed; what forking leaves of it.
 *
 *     free --open--> made --publish--> recording --halt--> halted, its open spans ended
 *
 *     halted --close--> free   memory given back
 *        |----retire--> free, slots kept for the next open with the same host's allocator
 *        |              (reclaim: given back after all, if nobody has opened it by then)
 *        '----resign--> taken, but not global: somebody does not come back; retired when he does
 *
 * The entries are one static array. A program may keep a span for an hour: so slots, thread records
 * and bags stay until kis_sdk_close, whose caller promises that nobody uses a span any more. A
 * plain stop retires the entry instead, once nobody is inside (inside.c). Then nothing points into
 * it but handles to those three, and the next open makes all else anew: what an entry holds is
 * what its largest SDK needed, however many there were.
 * Not here: clocks, threads and environment (the host; native/sdk_start.c),
 * what a record does (span.c).
 */
#include "sdk/sdk.h"

#include "base/check.h"
#include "base/diag.h"
#include "base/fmt.h"
#include "sdk/attr_short.h"
#include "sdk/attr_write.h"
#include "sdk/sampler.h"

uint16_t kis_recorder_epoch = 1;

static kis_sdk entries[KIS_SDKS_MAX];
static _Atomic uint32_t registry_lock; /* guards is_taken of the entries, and opening */
static uint32_t generations, lives;    /* given out so far; guarded by the registry's lock */
_Atomic(kis_sdk *) kis_recorder_global;

static void lock(_Atomic uint32_t *word)
{
    while (atomic_exchange_explicit(word, 1, memory_order_acquire))
        while (atomic_load_explicit(word, memory_order_relaxed))
            ;
}
static void unlock(_Atomic uint32_t *word)
{
    atomic_store_explicit(word, 0, memory_order_release);
}

void kis_sdk_lock(kis_sdk *sdk)
{
    lock(&sdk->lock);
}
void kis_sdk_unlock(kis_sdk *sdk)
{
    unlock(&sdk->lock);
}

kis_sdk *kis_sdk_entry(uint32_t index)
{
    return index < KIS_SDKS_MAX &&
                   atomic_load_explicit(&entries[index].generation, memory_order_acquire)
               ? &entries[index]
               : NULL;
}

void kis_sdk_log(const kis_sdk *sdk, kis_log_level level, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!sdk->host.log)
        return;
    va_start(args, format);
    kis_fmt_v(text, sizeof(text), format, args);
    va_end(args);
    sdk->host.log(sdk->host.user, level, text);
}

/* ---- open ---- */

static bool is_same_memory(const kis_sdk *sdk, const kis_sdk_setup *setup)
{
    const kis_alloc *a = &sdk->alloc, *b = setup->host->alloc;

    return a->take == b->take && a->give_back == b->give_back && a->user == b->user;
}

/* The next number that is not 0. The registry's lock is held. */
static uint32_t next_of(uint32_t *numbers)
{
    ++*numbers;
    return *numbers ? *numbers : ++*numbers;
}

/* Memory of a retired entry that the new one cannot use stays where it is: handles of it may be
 * about. It is listed, so that it is not lost. */
static kis_slot_chunk *abandoned_chunks;
static kis_recorder_thread *abandoned_threads;

static void abandon_memory(kis_sdk *sdk)
{
    kis_recorder_thread *threads = atomic_load_explicit(&sdk->threads, memory_order_relaxed);

    for (kis_recorder_thread *t = threads; t; t = t->next)
        atomic_store_explicit(&t->is_abandoned, true, memory_order_relaxed);
    for (kis_slot_chunk *chunk = sdk->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        chunk->next = abandoned_chunks;
        abandoned_chunks = chunk;
    }
    if (threads) {
        kis_recorder_thread *last = threads;
        while (last->next)
            last = last->next;
        last->next = abandoned_threads;
        abandoned_threads = threads;
    }
    sdk->chunks = NULL;
    atomic_store_explicit(&sdk->threads, NULL, memory_order_relaxed);
    atomic_store_explicit(&sdk->slot_count, 0, memory_order_relaxed);
    atomic_store_explicit(&sdk->block_bytes, 0, memory_order_relaxed);
}

static kis_sdk *free_entry(const kis_sdk_setup *setup)
{
    kis_sdk *found = NULL;

    for (uint32_t i = 0; i < KIS_SDKS_MAX; i++) {
        kis_sdk *sdk = &entries[i];
        if (sdk->is_taken)
            continue;
        if (atomic_load_explicit(&sdk->generation, memory_order_relaxed) &&
            is_same_memory(sdk, setup)) {
            found = sdk; /* with records and slots that are warm */
            break;
        }
        if (!found)
            found = sdk;
    }
    return found;
}

/* False: no memory. */
static bool reset_record(kis_recorder_thread *t, uint32_t queue_spans, const kis_alloc *alloc)
{
    memset(&t->counts, 0, sizeof(t->counts));
    atomic_store_explicit(&t->ring.dropped, 0, memory_order_relaxed);
    t->ring.until_look = 1;
    if (t->ring.limit == queue_spans)
        return true;
    kis_span_ring_done(&t->ring, alloc);
    return kis_span_ring_init(&t->ring, queue_spans, alloc);
}

/* Everything that an earlier SDK in the entry has left, but for records, slots and bags when their
 * memory can be used on. Nobody is inside. */
static kis_err reset_entry(kis_sdk *sdk, const kis_sdk_setup *setup)
{
    bool is_reused = atomic_load_explicit(&sdk->generation, memory_order_relaxed) != 0 &&
                     is_same_memory(sdk, setup);
    bool has_memory = true;

    if (is_reused) {
        kis_arena_clear(&sdk->arena);
    } else {
        kis_arena_done(&sdk->arena);
        abandon_memory(sdk);
        sdk->alloc = *setup->host->alloc;
        kis_arena_init(&sdk->arena, &sdk->alloc, (size_t)64 << 20);
        kis_bags_init(&sdk->bags, &sdk->alloc);
        atomic_store_explicit(&sdk->generation, next_of(&generations), memory_order_relaxed);
    }
    for (kis_recorder_thread *t = atomic_load_explicit(&sdk->threads, memory_order_relaxed); t;
         t = t->next)
        has_memory &= reset_record(t, setup->queue_spans, &sdk->alloc);
    sdk->life = next_of(&lives);
    sdk->scope_count = 0;
    atomic_store_explicit(&sdk->late_calls, 0, memory_order_relaxed);
    atomic_store_explicit(&sdk->lost_threads, 0, memory_order_relaxed);
    atomic_store_explicit(&sdk->processor_count, 0, memory_order_relaxed);
    atomic_store_explicit(&sdk->is_shut, false, memory_order_relaxed);
    atomic_store_explicit(&sdk->has_on_ending, false, memory_order_relaxed);
    sdk->propagators.count = 0;
    return has_memory ? KIS_OK : KIS_ERR_NOMEM;
}

static kis_err write_resource(kis_sdk *sdk, const kis_sdk_setup *setup, kis_diag *diag)
{
    kis_span_limits none = { .value_length = UINT32_MAX, .value_depth = KIS_RECORD_DEPTH_MAX };
    kis_bytes attrs;
    kis_str url;
    kis_err err = kis_attrs_write(&sdk->arena, KIS_TAG_RESOURCE_ATTRS, setup->resource, &none,
                                  &attrs, &sdk->resource_attr_count);

    if (err)
        return kis_diag_set(diag, err, "resource attributes: %s", kis_err_text(err));
    if (!kis_arena_copy(&sdk->arena, setup->resource_schema_url, &url))
        return kis_diag_set(diag, KIS_ERR_NOMEM, "resource: out of memory");
    sdk->resource =
        (kis_resource_view){ .attrs = { attrs.ptr, (uint32_t)attrs.len, KIS_TAG_RESOURCE_ATTRS },
                             .schema_url = url };
    sdk->resource.service_name = kis_attrs_text(sdk->resource.attrs, KIS_STR("service.name"));
    if (!sdk->resource.service_name.len)
        sdk->resource.service_name = KIS_STR("unknown_service");
    return KIS_OK;
}

static kis_err fill_entry(kis_sdk *sdk, const kis_sdk_setup *setup, kis_diag *diag)
{
    kis_err err = reset_entry(sdk, setup);

    if (err)
        return kis_diag_set(diag, err, "queues: out of memory");
    sdk->host = *setup->host;
    sdk->limits = setup->limits;
    sdk->limits.short_text = KIS_MIN(setup->limits.value_length, KIS_SHORT_TEXT_MAX);
    sdk->inline_state = sdk->limits.short_text == KIS_SHORT_TEXT_MAX ? KIS_SLOT_INLINE : 0;
    sdk->limits.uncounted_bytes =
        (size_t)(setup->limits.attr_count ? setup->limits.attr_count - 1 : 0) * KIS_SHORT_ATTR_MIN;
    sdk->sampler = setup->sampler;
    /* one that is disabled asks nobody */
    sdk->sampler_short = setup->is_disabled ? KIS_SAMPLER_ALL : kis_sampler_shorten(setup->sampler);
    sdk->ids = setup->is_disabled ? NULL : setup->ids;
    sdk->max_spans = setup->max_spans;
    sdk->queue_spans = setup->queue_spans;
    sdk->is_local = setup->is_local;
    sdk->is_disabled = setup->is_disabled;
    atomic_store_explicit(&sdk->has_listeners,
                          !setup->is_disabled && (setup->has_exporter || setup->processor_count),
                          memory_order_relaxed);
    if (setup->processor_count > KIS_PROCESSORS_MAX)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "%zu processors, at most %d",
                            setup->processor_count, KIS_PROCESSORS_MAX);
    for (uint32_t i = 0; i < setup->processor_count; i++) {
        sdk->processors[i] = setup->processors[i];
        if (setup->processors[i].on_ending)
            atomic_store_explicit(&sdk->has_on_ending, true, memory_order_relaxed);
    }
    atomic_store_explicit(&sdk->processor_count, (uint32_t)setup->processor_count,
                          memory_order_relaxed);
    if (setup->propagator_count > KIS_PROPAGATORS_MAX)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "%zu propagators, at most %d",
                            setup->propagator_count, KIS_PROPAGATORS_MAX);
    for (uint32_t i = 0; i < setup->propagator_count; i++)
        sdk->propagators.items[sdk->propagators.count++] = setup->propagators[i];
    if (setup->queue_spans < 1 || setup->queue_spans > KIS_SPAN_RING_MAX)
        return kis_diag_set(diag, KIS_ERR_RANGE, "queue of %u spans, want 1 to %u",
                            setup->queue_spans, KIS_SPAN_RING_MAX);
    err = kis_batcher_init(&sdk->batcher, sdk, &setup->batcher);
    if (err)
        return kis_diag_set(diag, err, "batch of %u spans, want 1 to %u",
                            setup->batcher.batch_spans, KIS_BATCH_SPANS_MAX);
    err = write_resource(sdk, setup, diag);
    if (err)
        return err;
    atomic_store_explicit(&sdk->wall_offset_ns,
                          sdk->host.now_unix_ns(sdk->host.user) - kis_sdk_now_ns(sdk),
                          memory_order_relaxed);
    sdk->wall_checked_ns = kis_sdk_now_ns(sdk);
    return KIS_OK;
}

void kis_sdk_renew_resource(kis_sdk *sdk, kis_attr_list attrs)
{
    kis_span_limits none = { .value_length = UINT32_MAX, .value_depth = KIS_RECORD_DEPTH_MAX };
    kis_attr_view attr;
    kis_bytes fresh;
    uint32_t count = 0;
    kis_buf buf;
    kis_alloc alloc = kis_arena_as_alloc(&sdk->arena);

    if (kis_attrs_write(&sdk->arena, KIS_TAG_RESOURCE_ATTRS, attrs, &none, &fresh, &count) !=
        KIS_OK)
        return;
    kis_buf_init(&buf, &alloc, KIS_RESOURCE_BYTES_MAX);
    for (kis_attr_cursor c = kis_attrs_begin(sdk->resource.attrs); kis_attrs_next(&c, &attr);) {
        bool is_replaced = false;
        for (size_t i = 0; i < attrs.count; i++)
            is_replaced |= kis_str_eq(attr.key, kis_str_of(attrs.at[i].key, attrs.at[i].key_len));
        if (!is_replaced) {
            kis_pb_put_bytes(&buf, KIS_TAG_RESOURCE_ATTRS >> 3, attr.bytes);
            count++;
        }
    }
    kis_buf_add_bytes(&buf, fresh);
    if (buf.err)
        return;
    sdk->resource.attrs = (kis_attrs){ buf.ptr, (uint32_t)buf.len, KIS_TAG_RESOURCE_ATTRS };
    sdk->resource.service_name = kis_attrs_text(sdk->resource.attrs, KIS_STR("service.name"));
    sdk->resource_attr_count = count;
}

/* One that is not published yet counts, too. The registry's lock is held. */
static bool has_global(void)
{
    for (uint32_t i = 0; i < KIS_SDKS_MAX; i++)
        if (entries[i].is_global)
            return true;
    return false;
}

kis_err kis_sdk_open(const kis_sdk_setup *setup, kis_sdk **out, kis_diag *diag)
{
    kis_err err = KIS_ERR_FULL;
    kis_sdk *sdk;

    lock(&registry_lock);
    sdk = free_entry(setup);
    if (!sdk) {
        kis_diag_set(diag, err, "%d SDKs run already", KIS_SDKS_MAX);
    } else if (!setup->is_local && has_global()) {
        kis_diag_set(diag, err, "a global SDK runs already; stop it first, or set is_local");
    } else {
        uint32_t index = (uint32_t)(sdk - entries);
        if (sdk->index != index) /* the first time; threads read it from outside */
            sdk->index = index;
        err = fill_entry(sdk, setup, diag);
        if (err && !atomic_load_explicit(&sdk->threads, memory_order_relaxed)) {
            kis_arena_done(&sdk->arena); /* nobody has seen it */
            atomic_store_explicit(&sdk->generation, 0, memory_order_relaxed);
        }
    }
    if (!err) {
        sdk->is_taken = true;
        sdk->is_published = false;
        sdk->is_global = !sdk->is_local;
        *out = sdk;
    }
    unlock(&registry_lock);
    return err;
}

/* The registry's lock is held. */
static void refresh_listening(void)
{
    bool any = false;

    for (uint32_t i = 0; i < KIS_SDKS_MAX; i++)
        any |= atomic_load_explicit(&entries[i].recording, memory_order_relaxed) &&
               !entries[i].is_disabled;
    kis_api_set_listening(any);
}

void kis_sdk_publish(kis_sdk *sdk)
{
    lock(&registry_lock);
    sdk->is_published = true;
    if (sdk->is_global)
        atomic_store_explicit(&kis_recorder_global, sdk, memory_order_release);
    atomic_store_explicit(&sdk->recording, sdk->life, memory_order_release);
    refresh_listening();
    unlock(&registry_lock);
}

/* ---- halt, retire, close ---- */

void kis_sdk_halt(kis_sdk *sdk)
{
    lock(&registry_lock);
    kis_sdk_lock(sdk); /* kis_scope_get asks */
    atomic_store_explicit(&sdk->recording, 0, memory_order_seq_cst);
    kis_sdk_unlock(sdk);
    refresh_listening();
    unlock(&registry_lock);
    kis_sdk_has_ended(sdk);
}

void kis_sdk_resign(kis_sdk *sdk)
{
    kis_sdk *expected = sdk;

    lock(&registry_lock);
    sdk->is_global = false;
    atomic_compare_exchange_strong_explicit(&kis_recorder_global, &expected, NULL,
                                            memory_order_release, memory_order_relaxed);
    unlock(&registry_lock);
}

void kis_sdk_retire(kis_sdk *sdk)
{
    KIS_ASSERT(kis_batcher_queued(&sdk->batcher) == 0);
    kis_sdk_resign(sdk);
    lock(&registry_lock);
    sdk->is_taken = false;
    unlock(&registry_lock);
}

static void give_memory_back(kis_sdk *sdk)
{
    for (kis_slot_chunk *chunk = sdk->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        for (uint32_t i = 0; i < KIS_SLOTS_AT_ONCE; i++)
            kis_slot_shrink(kis_slot_in(chunk, i));
        sdk->alloc.give_back(sdk->alloc.user, chunk->memory, KIS_SLOT_CHUNK_BYTES);
        sdk->alloc.give_back(sdk->alloc.user, chunk, sizeof(*chunk));
    }
    for (kis_recorder_thread *t = atomic_load_explicit(&sdk->threads, memory_order_relaxed), *next;
         t; t = next) {
        next = t->next;
        kis_span_ring_done(&t->ring, &sdk->alloc);
        sdk->alloc.give_back(sdk->alloc.user, t->memory, sizeof(*t) + 64);
    }
    sdk->chunks = NULL;
    atomic_store_explicit(&sdk->threads, NULL, memory_order_relaxed);
    atomic_store_explicit(&sdk->slot_count, 0, memory_order_relaxed);
    kis_bags_done(&sdk->bags);
    kis_arena_done(&sdk->arena);
}

/* The registry's lock is held. */
static void close_entry(kis_sdk *sdk)
{
    kis_here *here = kis_here_get();

    /* a thread that ends looks at it while it counts, see kis_recorder_thread_done */
    atomic_store_explicit(&sdk->generation, 0, memory_order_seq_cst);
    while (atomic_load_explicit(&sdk->inside, memory_order_seq_cst) != here->inside[sdk->index])
        if (sdk->host.yield)
            sdk->host.yield(sdk->host.user);
    give_memory_back(sdk);
    here->current = (kis_context){ 0 }; /* it may have a bag of this SDK */
    sdk->is_taken = false;
}

void kis_sdk_close(kis_sdk *sdk)
{
    KIS_ASSERT(kis_batcher_in_flight(&sdk->batcher) == 0);
    kis_sdk_halt(sdk);
    kis_batcher_drop_queued(&sdk->batcher);
    kis_sdk_resign(sdk);
    lock(&registry_lock);
    close_entry(sdk);
    unlock(&registry_lock);
}

void kis_sdk_reclaim(kis_sdk *sdk)
{
    lock(&registry_lock);
    if (!sdk->is_taken)
        close_entry(sdk);
    unlock(&registry_lock);
}

/* ---- fork ---- */

void kis_recorder_before_fork(void)
{
    lock(&registry_lock);
}

void kis_recorder_after_fork_in_parent(void)
{
    unlock(&registry_lock);
}

void kis_recorder_after_fork(void)
{
    kis_recorder_epoch++;
    if (kis_recorder_epoch == 0) /* that of the span that does nothing */
        kis_recorder_epoch = 1;
    atomic_store_explicit(&registry_lock, 0, memory_order_relaxed);
}

/* The records and slots of the parent are left alone: other threads of it may have been in the
 * middle of them. They are the parent's pages, and cost nothing as long as nobody writes them. */
void kis_sdk_after_fork(kis_sdk *sdk)
{
    kis_here *here = kis_here_get();

    atomic_store_explicit(&sdk->lock, 0, memory_order_relaxed);
    abandon_memory(sdk);
    here->generations[sdk->index] = 0;
    here->records[sdk->index] = NULL;
    here->ending = NULL;
    atomic_store_explicit(&sdk->inside, here->inside[sdk->index], memory_order_relaxed);
    atomic_store_explicit(&sdk->late_calls, 0, memory_order_relaxed);
    kis_bags_after_fork(&sdk->bags);
    kis_batcher_after_fork(&sdk->batcher);
}

void kis_sdk_forget(kis_sdk *sdk)
{
    if (!sdk->is_taken)
        return;
    kis_sdk_after_fork(sdk);
    kis_sdk_halt(sdk);
    kis_sdk_retire(sdk);
}
