/* span.c - step 1: a thread starts, fills and ends a span.
 *
 *     kis_span_start   thread's record → slot → parent → trace id → sampler → span id → name, attributes, links → on_start
 *     kis_span_set ..  busy bit → write → busy bit
 *     kis_span_end     times fixed → on_ending → on_end → the thread's ring (or at once, with the simple processor)
 *
 * The order of the first line is the specification's (trace/sdk.md, "SDK Span creation"). Every call checks the handle with one compare-and-swap; a stale one does nothing and
 * is counted. Here nothing allocates, locks or waits, but for: the first span of a thread, the 65th open one of it, and a span that outgrows its slot.
 * Not here: how a value is written (attr_write.c), rings and batches (span_ring.c, batcher.c), context (context.c).
 */
#include "sdk/span.h"

#include "sdk/attr_short.h"
#include "sdk/attr_write.h"
#include "sdk/sampler.h"

static inline bool is_zero16(const void *id)
{
    uint64_t halves[2];
    memcpy(halves, id, 16);
    return (halves[0] | halves[1]) == 0;
}
static inline bool is_zero8(const void *id)
{
    uint64_t word;
    memcpy(&word, id, 8);
    return word == 0;
}

static kis_slot *slot_of(kis_span span)
{
    return span._slot;
}

static void count_late(kis_slot *slot)
{
    atomic_fetch_add_explicit(&slot->home->sdk->late_calls, 1, memory_order_relaxed);
}

/* The slot of a handle, busy; NULL: the span has ended, or it was its parent process's. */
static inline kis_slot *enter(kis_span span)
{
    kis_slot *slot = span._slot;

    if (KIS_LIKELY(slot && span._epoch == kis_recorder_epoch &&
                   kis_slot_enter(slot, span._generation))) {
        if (KIS_LIKELY(slot->is_recording &&
                       atomic_load_explicit(&slot->sdk->is_recording, memory_order_relaxed)))
            return slot;
        kis_slot_leave(slot);
        return NULL;
    }
    if (slot && span._epoch == kis_recorder_epoch)
        count_late(slot);
    return NULL;
}

/* ---- start ---- */

static void make_trace_id(const kis_sdk *sdk, kis_rng *rng, kis_slot *slot)
{
    uint64_t words[2];

    if (KIS_UNLIKELY(sdk->ids && sdk->ids->trace_id)) {
        slot->view.trace_id = sdk->ids->trace_id(sdk->ids->user);
        slot->view.flags = sdk->ids->is_random ? KIS_FLAG_RANDOM : 0;
        if (!is_zero16(&slot->view.trace_id))
            return;
    }
    do {
        words[0] = kis_rng_next(rng);
        words[1] = kis_rng_next(rng);
    } while (KIS_UNLIKELY((words[0] | words[1]) == 0));
    memcpy(&slot->view.trace_id, words, 16);
    slot->view.flags = KIS_FLAG_RANDOM;
}

static void make_span_id(const kis_sdk *sdk, kis_rng *rng, kis_slot *slot)
{
    uint64_t word;

    if (KIS_UNLIKELY(sdk->ids && sdk->ids->span_id)) {
        slot->view.span_id = sdk->ids->span_id(sdk->ids->user);
        if (!is_zero8(&slot->view.span_id))
            return;
    }
    do
        word = kis_rng_next(rng);
    while (KIS_UNLIKELY(word == 0));
    memcpy(&slot->view.span_id, &word, 8);
}

/* The wall clock as the monotonic one tells it, so that spans of one process fit together. Looked up again every few seconds by the batcher. */
static uint64_t wall_offset(const kis_sdk *sdk)
{
    return atomic_load_explicit(&sdk->wall_offset_ns, memory_order_relaxed);
}

/* The slot gets a bag of its own: trace state replaced, baggage and values kept. */
static void replace_trace_state(kis_sdk *sdk, kis_slot *slot, kis_str trace_state)
{
    kis_bag_content content = { 0 };
    kis_context context = { 0 };
    kis_bag *old = slot->bag;

    if (old)
        kis_bag_read(old, &content);
    content.trace_state = trace_state;
    kis_bags_fill(&sdk->bags, &content, &context);
    slot->bag =
        context._bag && kis_bag_hold(context._bag, context._bag_generation) ? context._bag : NULL;
    slot->bag_generation = context._bag_generation;
    if (old)
        kis_bag_drop(old);
}

/* Asks a sampler that is not one of the two common ones. */
static kis_sampling_decision ask_sampler(kis_sdk *sdk, kis_slot *slot, const kis_context *parent,
                                         bool has_parent, const kis_span_options *o, kis_str name,
                                         kis_attr_list *more)
{
    kis_sampling_result result = { 0 };
    kis_sampling_input input = {
        .parent = parent,
        .trace_id = slot->view.trace_id,
        .trace_flags = (uint8_t)slot->view.flags,
        .name = name,
        .kind = o->kind,
        .attrs = o->attrs,
        .links = o->links,
    };

    if (has_parent)
        input.parent_span = (kis_span_context){ parent->_trace_id, parent->_span_id, parent->_flags,
                                                parent->_is_remote != 0, KIS_STR_NONE };
    sdk->sampler->should_sample(sdk->sampler, &input, &result);
    if (result.has_trace_state && result.trace_state.len <= KIS_TRACE_STATE_BYTES_MAX)
        replace_trace_state(sdk, slot, result.trace_state);
    *more = result.attrs;
    return result.decision;
}

static inline kis_sampling_decision sample(kis_sdk *sdk, kis_slot *slot, const kis_context *parent,
                                           bool has_parent, const kis_span_options *o, kis_str name,
                                           kis_attr_list *more)
{
    if (KIS_LIKELY(sdk->sampler_short != KIS_SAMPLER_ASK))
        return sdk->sampler_short == KIS_SAMPLER_PARENT_OR_ALL && has_parent &&
                       !(parent->_flags & KIS_FLAG_SAMPLED)
                   ? KIS_SAMPLING_DROP
                   : KIS_SAMPLING_RECORD_AND_SAMPLE;
    return ask_sampler(sdk, slot, parent, has_parent, o, name, more);
}

static bool is_empty_link(const kis_link *link)
{
    return is_zero16(&link->to.trace_id) && is_zero8(&link->to.span_id) && link->attrs.count == 0 &&
           link->to.trace_state.len == 0;
}

static uint8_t *put_field(uint8_t *to, uint8_t tag, const void *bytes, size_t size)
{
    *to++ = tag;
    to += kis_varint_put(to, size);
    memcpy(to, bytes, size);
    return to + size;
}

static void drop_link(kis_slot *slot)
{
    kis_thread_counts *counts = kis_counts_here(slot->sdk);

    slot->view.dropped_links++;
    if (counts)
        kis_count(&counts->dropped_links, 1);
}

/* Link: 1 trace id, 2 span id, 3 trace state, 4 attributes, 5 dropped, 6 flags (fixed 32). */
static void add_link(kis_sdk *sdk, kis_slot *slot, const kis_link *link)
{
    uint8_t head[18 + 10 + 5 + 4 + KIS_TRACE_STATE_BYTES_MAX], *to = head;
    kis_span_context none = { 0 };
    const kis_span_context *c = &link->to;
    uint32_t flags;

    if (is_empty_link(link))
        return;
    if (slot->view.link_count >= sdk->limits.link_count) {
        drop_link(slot);
        return;
    }
    if (c->trace_state.len > KIS_TRACE_STATE_BYTES_MAX || !kis_utf8_is_valid(c->trace_state)) {
        none = *c;
        none.trace_state = KIS_STR_NONE;
        c = &none;
    }
    flags = c->flags | KIS_OTLP_FLAG_HAS_IS_REMOTE | (c->is_remote ? KIS_OTLP_FLAG_IS_REMOTE : 0);
    to = put_field(to, 0x0a, c->trace_id.bytes, 16);
    to = put_field(to, 0x12, c->span_id.bytes, 8);
    if (c->trace_state.len)
        to = put_field(to, 0x1a, c->trace_state.ptr, c->trace_state.len);
    *to++ = 0x35;
    memcpy(to, &flags, 4);
    to += 4;
    if (kis_slot_add_item(slot, KIS_TAG_SPAN_LINKS, kis_bytes_of(head, (size_t)(to - head)),
                          KIS_TAG_LINK_ATTRS, link->attrs, (kis_attr_list){ 0 },
                          sdk->limits.link_attr_count, &sdk->limits))
        slot->view.link_count++;
    else
        drop_link(slot);
}

static void tell_started(kis_sdk *sdk, kis_span span, const kis_context *parent)
{
    uint32_t count = atomic_load_explicit(&sdk->processor_count, memory_order_acquire);

    for (uint32_t i = 0; i < count; i++)
        if (sdk->processors[i].on_start)
            sdk->processors[i].on_start(sdk->processors[i].user, span, parent);
}

/* Ids, parent, bag, sampler's word. Answers the decision. */
static kis_sampling_decision begin_slot(kis_sdk *sdk, kis_recorder_thread *thread, kis_slot *slot,
                                        const kis_context *parent, const kis_span_options *o,
                                        kis_str name, kis_attr_list *more)
{
    bool has_parent = !o->is_root && !is_zero16(&parent->_trace_id) && !is_zero8(&parent->_span_id);
    kis_sampling_decision decision;

    if (has_parent) {
        slot->view.trace_id = parent->_trace_id;
        slot->view.parent_id = parent->_span_id;
        slot->view.flags = (parent->_flags & KIS_FLAG_RANDOM) | KIS_OTLP_FLAG_HAS_IS_REMOTE |
                           (parent->_is_remote ? KIS_OTLP_FLAG_IS_REMOTE : 0);
    } else {
        make_trace_id(sdk, &thread->rng, slot);
        slot->view.flags |= KIS_OTLP_FLAG_HAS_IS_REMOTE;
    }
    slot->bag = NULL;
    if (KIS_UNLIKELY(parent->_bag) && kis_bag_hold(parent->_bag, parent->_bag_generation)) {
        slot->bag = parent->_bag;
        slot->bag_generation = parent->_bag_generation;
        if (!has_parent && slot->bag->trace_state_len)
            replace_trace_state(sdk, slot, KIS_STR_NONE); /* a new trace keeps the baggage alone */
    }
    decision = sample(sdk, slot, parent, has_parent, o, name, more);
    make_span_id(sdk, &thread->rng, slot);
    return decision;
}

static inline const kis_scope *scope_of(kis_sdk *sdk, kis_tracer *tracer)
{
    uint32_t generation = atomic_load_explicit(&sdk->generation, memory_order_relaxed);

    if (KIS_LIKELY(__atomic_load_n(&tracer->_generation, __ATOMIC_ACQUIRE) == generation))
        return __atomic_load_n(&tracer->_scope, __ATOMIC_RELAXED);
    return kis_scope_get(sdk, tracer);
}

kis_span kis_recorder_span_start(kis_sdk *sdk, kis_tracer *tracer, const kis_span_options *o)
{
    kis_here *here = kis_here_get();
    kis_recorder_thread *thread = kis_recorder_thread_here(sdk, here);
    const kis_context *parent = o->parent._is_set ? &o->parent : &here->current;
    kis_str name = o->name ? kis_str_of(o->name, __builtin_strlen(o->name)) : o->name_str;
    kis_attr_list more = { 0 };
    kis_sampling_decision decision;
    kis_span span = { 0 };
    kis_slot *slot;
    uint64_t now;

    if (KIS_UNLIKELY(!thread))
        return span;
    now = kis_sdk_now_ns(sdk); /* the time of the call, not of its end */
    slot = kis_slot_take(thread);
    if (KIS_UNLIKELY(!slot)) {
        kis_count(&thread->counts.dropped_memory, 1);
        return span;
    }
    decision = begin_slot(sdk, thread, slot, parent, o, name, &more);
    slot->sdk = sdk;
    span._slot = slot;
    span._generation = (uint32_t)(atomic_load_explicit(&slot->word, memory_order_relaxed) >> 32);
    span._epoch = kis_recorder_epoch;
    slot->is_sampled = decision == KIS_SAMPLING_RECORD_AND_SAMPLE;
    slot->is_recording = decision != KIS_SAMPLING_DROP && sdk->has_listeners;
    slot->view.flags |= slot->is_sampled ? KIS_FLAG_SAMPLED : 0;
    if (KIS_UNLIKELY(!slot->is_recording)) {
        kis_count(&thread->counts.unsampled, 1);
        kis_slot_leave(slot);
        return span;
    }
    kis_count(&thread->counts.started, 1);
    slot->scope = scope_of(sdk, tracer);
    slot->start_ns = now;
    slot->view.start_unix_ns = o->start_unix_ns ? o->start_unix_ns : now + wall_offset(sdk);
    kis_slot_begin(
        slot,
        (uint8_t)((unsigned)o->kind <= KIS_SPAN_KIND_CONSUMER ? o->kind : KIS_SPAN_KIND_INTERNAL));
    if (KIS_UNLIKELY(!kis_slot_put_short_name(slot, name)))
        kis_slot_set_text(slot, KIS_SLOT_NAME, name, KIS_SPAN_NAME_BYTES_MAX, &slot->view.name);
    slot->attrs_at = (uint32_t)(slot->at - slot->block);
    slot->short_text = sdk->limits.short_text;
    slot->short_end = slot->end - KIS_SHORT_ATTR_MAX;
    if (KIS_UNLIKELY((size_t)(slot->end - slot->block) > sdk->limits.uncounted_bytes))
        kis_slot_limit_short(slot);
    if (o->attrs.count)
        kis_slot_set_attrs(slot, &sdk->limits, o->attrs);
    if (KIS_UNLIKELY(more.count))
        kis_slot_set_attrs(slot, &sdk->limits, more);
    for (size_t i = 0; i < o->links.count; i++)
        add_link(sdk, slot, &o->links.at[i]);
    kis_slot_leave(slot);
    span._flags = KIS_SPAN_FLAG_RECORDING_;
    if (KIS_UNLIKELY(atomic_load_explicit(&sdk->processor_count, memory_order_relaxed)))
        tell_started(sdk, span, parent);
    return span;
}

/* ---- while it runs ---- */

/* The long way of kis_recorder_span_set: busy bit held. */
__attribute__((noinline)) static void set_and_leave(kis_slot *slot, kis_attr_list attrs)
{
    kis_slot_set_attrs(slot, &slot->sdk->limits, attrs);
    kis_slot_leave(slot);
}

void kis_recorder_span_set(kis_span span, kis_attr_list attrs)
{
    kis_slot *slot = span._slot;

    if (KIS_UNLIKELY(span._epoch != kis_recorder_epoch))
        return;
    if (KIS_UNLIKELY(!kis_slot_enter(slot, span._generation)))
        count_late(slot);
    else if (KIS_LIKELY(attrs.count == 1 && kis_slot_set_short(slot, &slot->sdk->limits, attrs.at)))
        kis_slot_leave(slot);
    else
        set_and_leave(slot, attrs);
}

/* The less common ways have the parameters of the common one, so that it need not move them. Busy bit held. */
__attribute__((noinline)) static void set_plain_long(kis_span span, const char *key, uint64_t word,
                                                     kis_attr_payload_ value, size_t count)
{
    kis_attr attr = {
        key,   (uint8_t)word, (uint8_t)(word >> 8), (uint16_t)(word >> 16), (uint32_t)(word >> 32),
        value, count
    };

    set_and_leave(span._slot, (kis_attr_list){ &attr, 1 });
}
__attribute__((noinline)) static void set_plain_number(kis_span span, const char *key,
                                                       uint64_t word, kis_attr_payload_ value,
                                                       size_t count)
{
    if (KIS_LIKELY(kis_slot_put_plain_number(span._slot, key, word, value)))
        kis_slot_leave(span._slot);
    else
        set_plain_long(span, key, word, value, count);
}
/* Not held: somebody else is busy with the span, it is being ended, or it has ended. */
__attribute__((noinline)) static void set_plain_later(kis_span span, const char *key, uint64_t word,
                                                      kis_attr_payload_ value, size_t count)
{
    if (kis_slot_enter(span._slot, span._generation))
        set_plain_long(span, key, word, value, count);
    else
        count_late(span._slot);
}

/* The common call. What is less common is called last, so that nothing need be kept for afterwards. */
void kis_recorder_span_set_plain(kis_span span, const char *key, uint64_t word,
                                 kis_attr_payload_ value, size_t count)
{
    kis_slot *slot = span._slot;
    uint64_t found = (uint64_t)span._generation << 32 | KIS_SLOT_OPEN;

    if (KIS_UNLIKELY(span._epoch != kis_recorder_epoch))
        return;
    if (KIS_UNLIKELY(
            !atomic_compare_exchange_strong_explicit(&slot->word, &found, found | KIS_SLOT_BUSY,
                                                     memory_order_acquire, memory_order_relaxed)))
        set_plain_later(span, key, word, value, count);
    else if (KIS_UNLIKELY(!kis_slot_begin_plain(slot, word)))
        set_plain_long(span, key, word, value, count);
    else if (!(word & (uint64_t)KIS_ATTR_PLAIN_TEXT_ << 16))
        set_plain_number(span, key, word, value, count);
    else if (KIS_LIKELY(kis_slot_put_plain_text(slot, key, word, value.items, count)))
        atomic_store_explicit(&slot->word, (uint64_t)span._generation << 32 | KIS_SLOT_OPEN,
                              memory_order_release);
    else
        set_plain_long(span, key, word, value, count);
}

static void drop_event(kis_slot *slot)
{
    kis_thread_counts *counts = kis_counts_here(slot->sdk);

    slot->view.dropped_events++;
    if (counts)
        kis_count(&counts->dropped_events, 1);
}

/* Event: 1 time (fixed 64), 2 name, 3 attributes, 4 dropped. */
static void add_event(kis_slot *slot, kis_str name, uint64_t time_unix_ns, kis_attr_list attrs,
                      kis_attr_list more)
{
    kis_sdk *sdk = slot->sdk;
    uint8_t head[9 + 4 + KIS_SPAN_NAME_BYTES_MAX], *to = head;
    uint64_t now = kis_sdk_now_ns(sdk);
    bool is_plain;
    size_t size;

    if (slot->view.event_count >= sdk->limits.event_count) {
        drop_event(slot);
        return;
    }
    if (!time_unix_ns)
        time_unix_ns = slot->view.start_unix_ns + (now - slot->start_ns);
    *to++ = 0x09;
    memcpy(to, &time_unix_ns, 8);
    to += 8;
    if (name.len > KIS_SPAN_NAME_BYTES_MAX / 3) /* room for the worst repair */
        name.len = kis_utf8_cut_bytes(name, KIS_SPAN_NAME_BYTES_MAX / 3);
    size = kis_text_size(&name, UINT32_MAX, &is_plain);
    *to++ = 0x12;
    to += kis_varint_put(to, size);
    to = kis_text_put(to, name, is_plain);
    if (kis_slot_add_item(slot, KIS_TAG_SPAN_EVENTS, kis_bytes_of(head, (size_t)(to - head)),
                          KIS_TAG_EVENT_ATTRS, attrs, more, sdk->limits.event_attr_count,
                          &sdk->limits))
        slot->view.event_count++;
    else
        drop_event(slot);
}

void kis_recorder_span_event(kis_span span, const char *name, uint64_t time_unix_ns,
                             kis_attr_list attrs)
{
    kis_slot *slot = enter(span);

    if (!slot)
        return;
    add_event(slot, kis_str_from_c(name), time_unix_ns, attrs, (kis_attr_list){ 0 });
    kis_slot_leave(slot);
}

void kis_recorder_span_record_error(kis_span span, const kis_error *error, kis_attr_list more)
{
    kis_attr attrs[3];
    size_t count = 0;
    kis_slot *slot = enter(span);

    if (!slot)
        return;
    if (error->name)
        attrs[count++] = kis_attr_text("exception.type", error->name);
    if (error->message)
        attrs[count++] = kis_attr_text("exception.message", error->message);
    if (error->stack)
        attrs[count++] = kis_attr_text("exception.stacktrace", error->stack);
    add_event(slot, KIS_STR("exception"), 0, (kis_attr_list){ attrs, count }, more);
    kis_slot_leave(slot);
}

void kis_recorder_span_link(kis_span span, const kis_span_context *to, kis_attr_list attrs)
{
    kis_slot *slot = enter(span);

    if (!slot)
        return;
    add_link(slot->sdk, slot, &(kis_link){ *to, attrs });
    kis_slot_leave(slot);
}

/* OK is final, UNSET is nothing, ERROR may be said again. trace/api.md, "Set Status". */
void kis_recorder_span_status(kis_span span, kis_status_code code, const char *message)
{
    kis_slot *slot = enter(span);

    if (!slot)
        return;
    if (slot->view.status != KIS_STATUS_OK && (code == KIS_STATUS_OK || code == KIS_STATUS_ERROR)) {
        slot->view.status = (uint8_t)code;
        if (code == KIS_STATUS_ERROR && message && *message)
            kis_slot_set_text(slot, KIS_SLOT_MESSAGE, kis_str_from_c(message), KIS_VALUE_BYTES_MAX,
                              &slot->view.status_message);
        else
            kis_slot_drop_text(slot, &slot->view.status_message);
    }
    kis_slot_leave(slot);
}

void kis_recorder_span_update_name(kis_span span, kis_str name)
{
    kis_slot *slot = enter(span);

    if (!slot)
        return;
    kis_slot_set_text(slot, KIS_SLOT_NAME, name, KIS_SPAN_NAME_BYTES_MAX, &slot->view.name);
    kis_slot_leave(slot);
}

bool kis_recorder_span_is_recording(kis_span span)
{
    kis_slot *slot = slot_of(span);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

    return span._flags & KIS_SPAN_FLAG_RECORDING_ && span._epoch == kis_recorder_epoch &&
           word >> 32 == span._generation && word & (KIS_SLOT_OPEN | KIS_SLOT_ENDING) &&
           atomic_load_explicit(&slot->home->sdk->is_recording, memory_order_relaxed);
}

bool kis_recorder_span_get_context(kis_span span, kis_span_context *out)
{
    kis_slot *slot = slot_of(span);

    if (!kis_slot_enter_to_read(slot, span._generation))
        return false;
    *out = (kis_span_context){ slot->view.trace_id, slot->view.span_id, (uint8_t)slot->view.flags,
                               false, slot->bag ? kis_bag_trace_state(slot->bag) : KIS_STR_NONE };
    kis_slot_leave(slot);
    return true;
}

/* ---- end ---- */

/* on_ending: the end is fixed, the hooks alone may write; on_end: everybody may read. */
static void tell_ended(kis_sdk *sdk, kis_slot *slot, kis_span span, uint32_t count, kis_here *here)
{
    uint64_t ending = (uint64_t)span._generation << 32 | KIS_SLOT_ENDING;
    kis_slot *outer = here->ending;
    kis_span_data data;

    if (sdk->has_on_ending) {
        here->ending = slot;
        atomic_store_explicit(&slot->word, ending, memory_order_release);
        for (uint32_t i = 0; i < count; i++)
            if (sdk->processors[i].on_ending)
                sdk->processors[i].on_ending(sdk->processors[i].user, span);
        here->ending = outer;
        while (!atomic_compare_exchange_weak_explicit(&slot->word, &ending, ending | KIS_SLOT_BUSY,
                                                      memory_order_acquire, memory_order_relaxed))
            ending &= ~(uint64_t)KIS_SLOT_BUSY; /* somebody reads the ids this moment */
    }
    kis_slot_finish(slot, slot->view.end_unix_ns);
    kis_scope_view scope = { .name = slot->scope->name,
                             .version = slot->scope->version,
                             .schema_url = slot->scope->schema_url,
                             .attrs = { slot->scope->attrs.ptr, (uint32_t)slot->scope->attrs.len,
                                        KIS_TAG_SCOPE_ATTRS } };
    kis_span_data_of(&slot->view, &scope, &sdk->resource, sdk->resource_attr_count, &data);
    for (uint32_t i = 0; i < count; i++)
        if (sdk->processors[i].on_end)
            sdk->processors[i].on_end(sdk->processors[i].user, &data);
}

/* Busy bit held: the last write is done, readers of ids may come. */
static inline void mark_ended(kis_slot *slot, uint32_t generation)
{
    atomic_store_explicit(&slot->word, (uint64_t)generation << 32 | KIS_SLOT_ENDED,
                          memory_order_release);
}

void kis_recorder_span_end(kis_span span, uint64_t end_unix_ns)
{
    kis_slot *slot = span._slot;
    kis_here *here;
    kis_recorder_thread *thread;
    kis_sdk *sdk;
    uint32_t processors;

    if (KIS_UNLIKELY(span._epoch != kis_recorder_epoch))
        return;
    here = kis_here_get();
    if (KIS_UNLIKELY(!kis_slot_enter(slot, span._generation) || here->ending == slot)) {
        if (here->ending == slot)
            kis_slot_leave(slot); /* a hook tried to end the span that is being ended */
        count_late(slot);
        return;
    }
    sdk = slot->sdk;
    thread = kis_recorder_thread_here(sdk, here);
    if (KIS_UNLIKELY(!thread || !slot->is_recording ||
                     !atomic_load_explicit(&sdk->is_recording, memory_order_relaxed))) {
        mark_ended(slot, span._generation);
        kis_slot_release(slot, thread);
        return;
    }
    kis_slot_finish(slot, end_unix_ns
                              ? end_unix_ns
                              : slot->view.start_unix_ns + (kis_sdk_now_ns(sdk) - slot->start_ns));
    kis_count(&thread->counts.ended, 1);
    processors = atomic_load_explicit(&sdk->processor_count, memory_order_acquire);
    if (KIS_UNLIKELY(processors))
        tell_ended(sdk, slot, span, processors, here);
    mark_ended(slot, span._generation);
    if (KIS_UNLIKELY(!slot->is_sampled ||
                     atomic_load_explicit(&sdk->batcher.sink_count, memory_order_relaxed) == 0)) {
        kis_slot_release(slot, thread);
    } else if (KIS_UNLIKELY(sdk->batcher.options.is_simple)) {
        kis_batcher_push_one(&sdk->batcher, slot);
    } else if (KIS_LIKELY(kis_span_ring_push(&thread->ring, slot))) {
        kis_batcher_saw_span(&sdk->batcher, &thread->ring);
    } else {
        kis_slot_release(slot, thread);
    }
}
