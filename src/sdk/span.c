/* span.c - step 1: a thread starts, fills and ends a span.
 *
 *     kis_span_start   thread's record → slot → parent → trace id → sampler → span id
 *                      → name, attributes, links → on_start
 *     kis_span_set ..  busy bit → write → busy bit
 *     kis_span_end     times fixed → on_ending → on_end
 *                      → the thread's ring (or at once, with the simple processor)
 *
 * The order of the first line is the specification's (trace/sdk.md, "SDK Span creation"). Every
 * call checks the handle with one compare-and-swap; a stale one does nothing and is counted. Here
 * nothing allocates, locks or waits, but for: the first span of a thread, the 65th open one of it,
 * and a span that outgrows its slot.
 * What an SDK has is read with the busy bit held, or inside of it (inside.c): it may be stopped.
 * Not here: how a value is written (attr_write.c), rings and batches (span_ring.c, batcher.c),
 * context (context.c).
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

static inline bool is_of_this_process(kis_span span)
{
    return KIS_LIKELY((uint16_t)(span._word >> 16) == kis_recorder_epoch);
}

static void count_late(kis_slot *slot)
{
    atomic_fetch_add_explicit(&slot->home->sdk->late_calls, 1, memory_order_relaxed);
}

/* The slot of a handle, busy; NULL: the span has ended, its SDK was stopped, or it was its parent
 * process's. */
static inline kis_slot *enter(kis_span span)
{
    kis_slot *slot = span._slot;

    if (!slot || !is_of_this_process(span))
        return NULL;
    if (KIS_LIKELY(kis_slot_enter(slot, span._word)))
        return slot;
    count_late(slot);
    return NULL;
}

static inline bool enter_at_once(kis_span span)
{
    kis_slot *slot = span._slot;
    uint64_t open = span._word;

    return KIS_LIKELY(
        atomic_compare_exchange_strong_explicit(&slot->word, &open, span._word | KIS_SLOT_BUSY,
                                                memory_order_acquire, memory_order_relaxed));
}
static inline void leave_open(kis_span span)
{
    kis_slot *slot = span._slot;

    atomic_store_explicit(&slot->word, span._word, memory_order_release);
}

/* ---- start ---- */

/* Ids of the user's generator; zeros are no answer. */
__attribute__((noinline)) static bool ask_trace_id(const kis_id_generator *ids, uint8_t *head,
                                                   uint32_t *flags)
{
    kis_trace_id id = ids->trace_id ? ids->trace_id(ids->user) : (kis_trace_id){ { 0 } };
    uint64_t words[2];

    memcpy(words, id.bytes, 16);
    kis_head_put_trace_id(head, words[0], words[1]);
    *flags = ids->is_random ? KIS_FLAG_RANDOM : 0;
    return !is_zero16(&id);
}
__attribute__((noinline)) static bool ask_span_id(const kis_id_generator *ids, uint8_t *head)
{
    kis_span_id id = ids->span_id ? ids->span_id(ids->user) : (kis_span_id){ { 0 } };
    uint64_t word;

    memcpy(&word, id.bytes, 8);
    kis_head_put_span_id(head, word);
    return word != 0;
}

/* Answers the flags that go with it. */
static inline uint32_t make_trace_id(const kis_sdk *sdk, kis_rng *rng, uint8_t *head)
{
    uint64_t first, second;
    uint32_t flags;

    if (KIS_UNLIKELY(sdk->ids != NULL) && ask_trace_id(sdk->ids, head, &flags))
        return flags;
    do {
        first = kis_rng_next(rng);
        second = kis_rng_next(rng);
    } while (KIS_UNLIKELY((first | second) == 0));
    kis_head_put_trace_id(head, first, second);
    return KIS_FLAG_RANDOM;
}

static inline void make_span_id(const kis_sdk *sdk, kis_rng *rng, uint8_t *head)
{
    uint64_t id;

    if (KIS_UNLIKELY(sdk->ids != NULL) && ask_span_id(sdk->ids, head))
        return;
    do
        id = kis_rng_next(rng);
    while (KIS_UNLIKELY(id == 0));
    kis_head_put_span_id(head, id);
}

/* The wall clock as the monotonic one tells it, so that spans of one process fit together. Looked
 * up again every few seconds by the batcher. */
static uint64_t wall_offset(const kis_sdk *sdk)
{
    return atomic_load_explicit(&sdk->wall_offset_ns, memory_order_relaxed);
}

/* A trace state is no field of the block. */
static void note_trace_state(kis_slot *slot)
{
    slot->tally.is_patched = slot->bag && slot->bag->trace_state_len;
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
    note_trace_state(slot);
}

/* What a start says. What takes one is inline, so that what is not said costs nothing. */
typedef struct start_spec {
    kis_str name;
    kis_span_kind kind;
    const kis_attr *attrs;
    size_t attr_count;
    kis_link_list links;
    const kis_context *parent; /* NULL: the current one */
    bool is_root;
    uint64_t start_unix_ns;
} start_spec;

/* Asks a sampler that is not one of the two common ones. `input` lacks the ids. */
__attribute__((noinline)) static kis_sampling_decision ask_sampler(kis_sdk *sdk, kis_slot *slot,
                                                                   kis_sampling_input *input,
                                                                   bool has_parent,
                                                                   kis_attr_list *more)
{
    const kis_context *parent = input->parent;
    kis_sampling_result result = { 0 };

    memcpy(input->trace_id.bytes, slot->block + KIS_SLOT_AT_TRACE, 16);
    if (has_parent)
        input->parent_span =
            (kis_span_context){ parent->_trace_id, parent->_span_id, parent->_flags,
                                parent->_is_remote != 0, KIS_STR_NONE };
    sdk->sampler->should_sample(sdk->sampler, input, &result);
    if (result.has_trace_state && result.trace_state.len <= KIS_TRACE_STATE_BYTES_MAX)
        replace_trace_state(sdk, slot, result.trace_state);
    *more = result.attrs;
    return result.decision;
}

KIS_ALWAYS_INLINE kis_sampling_decision sample(kis_sdk *sdk, kis_slot *slot,
                                               const kis_context *parent, bool has_parent,
                                               uint32_t flags, start_spec s, kis_attr_list *more)
{
    if (KIS_LIKELY(sdk->sampler_short != KIS_SAMPLER_ASK))
        return sdk->sampler_short == KIS_SAMPLER_PARENT_OR_ALL && has_parent &&
                       !(parent->_flags & KIS_FLAG_SAMPLED)
                   ? KIS_SAMPLING_DROP
                   : KIS_SAMPLING_RECORD_AND_SAMPLE;
    return ask_sampler(sdk, slot,
                       &(kis_sampling_input){ .parent = parent,
                                              .trace_flags = (uint8_t)flags,
                                              .name = s.name,
                                              .kind = s.kind,
                                              .attrs = { s.attrs, s.attr_count },
                                              .links = s.links },
                       has_parent, more);
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

    slot->tally.dropped_links++;
    slot->tally.is_patched = true;
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
    if (slot->tally.link_count >= sdk->limits.link_count) {
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
        slot->tally.link_count++;
    else
        drop_link(slot);
}

/* on_start: the span is there for everybody. Busy bit held before, not after. */
__attribute__((noinline)) static void leave_and_tell_started(kis_sdk *sdk, kis_span span,
                                                             const kis_context *parent)
{
    uint32_t count = atomic_load_explicit(&sdk->processor_count, memory_order_acquire);

    kis_sdk_enter(sdk);
    leave_open(span);
    for (uint32_t i = 0; i < count && !kis_sdk_is_shut(sdk); i++)
        if (sdk->processors[i].on_start)
            sdk->processors[i].on_start(sdk->processors[i].user, span, parent);
    kis_sdk_leave(sdk);
}

/* Trace and parent. Answers the flags, without whether it is sampled. */
static inline uint32_t put_trace(const kis_sdk *sdk, kis_rng *rng, uint8_t *head,
                                 const kis_context *parent, bool has_parent)
{
    uint64_t words[3] = { 0 };

    if (!has_parent) {
        kis_head_put_parent_id(head, 0);
        return make_trace_id(sdk, rng, head) | KIS_OTLP_FLAG_HAS_IS_REMOTE;
    }
    memcpy(words, parent->_trace_id.bytes, 16);
    memcpy(words + 2, parent->_span_id.bytes, 8);
    kis_head_put_trace_id(head, words[0], words[1]);
    kis_head_put_parent_id(head, words[2]);
    return (parent->_flags & KIS_FLAG_RANDOM) | KIS_OTLP_FLAG_HAS_IS_REMOTE |
           (parent->_is_remote ? KIS_OTLP_FLAG_IS_REMOTE : 0);
}

/* What travels with the parent. */
static inline void hold_bag(kis_sdk *sdk, kis_slot *slot, const kis_context *parent,
                            bool has_parent)
{
    slot->bag = NULL;
    if (KIS_LIKELY(!parent->_bag) || !kis_bag_hold(parent->_bag, parent->_bag_generation))
        return;
    slot->bag = parent->_bag;
    slot->bag_generation = parent->_bag_generation;
    if (!has_parent && slot->bag->trace_state_len)
        replace_trace_state(sdk, slot, KIS_STR_NONE); /* a new trace keeps the baggage alone */
    note_trace_state(slot);
}

/* The name. From here on attributes may be set. */
KIS_ALWAYS_INLINE void open_block(const kis_sdk *sdk, kis_slot *slot, uint8_t *head, kis_str name)
{
    uint8_t *to = head + KIS_SLOT_HEAD_BYTES;
    size_t size = kis_put_short_text(to, KIS_SLOT_NAME, name);

    if (KIS_LIKELY(size)) {
        slot->name = (kis_slot_text){ KIS_SLOT_HEAD_BYTES + 2, (uint32_t)name.len };
        slot->at = to + size;
        slot->attrs_at = KIS_SLOT_HEAD_BYTES + (uint32_t)size;
    } else {
        slot->name = (kis_slot_text){ 0 };
        slot->at = to;
        kis_slot_set_text(slot, KIS_SLOT_NAME, name, KIS_SPAN_NAME_BYTES_MAX, &slot->name);
        head = slot->block; /* it may have grown */
        slot->attrs_at = (uint32_t)(slot->at - head);
    }
    slot->short_text = sdk->limits.short_text;
    slot->short_end = slot->end - KIS_SHORT_ATTR_MAX;
    if (KIS_UNLIKELY((size_t)(slot->end - head) > sdk->limits.uncounted_bytes))
        kis_slot_limit_short(slot);
}

static inline const kis_scope *scope_of(kis_sdk *sdk, kis_tracer *tracer, uint32_t life)
{
    if (KIS_LIKELY(__atomic_load_n(&tracer->_generation, __ATOMIC_ACQUIRE) == life))
        return __atomic_load_n(&tracer->_scope, __ATOMIC_RELAXED);
    return kis_scope_get(sdk, tracer);
}

/* The sampler said no: the span has ids, for its children. */
static kis_span not_recorded(kis_recorder_thread *thread, kis_span span)
{
    kis_count(&thread->counts.unsampled, 1);
    kis_slot_leave_as(span._slot, span._word, KIS_SLOT_OPEN);
    span._word &= ~KIS_SLOT_STATES;
    return span;
}

/* The SDK was stopped since it was asked whether it records. Busy bit held. */
__attribute__((noinline)) static kis_span not_started(kis_recorder_thread *thread, kis_span span)
{
    kis_slot *slot = span._slot;

    kis_slot_leave_as(slot, span._word, KIS_SLOT_ENDED);
    slot->next = thread->free;
    thread->free = slot;
    return (kis_span){ 0 };
}

/* The SDK is disabled: the span is its parent again, so that the trace passes through
 * (specification, trace/api.md, "Behavior of the API in the absence of an installed SDK"). */
static kis_span pass_on(kis_recorder_thread *thread, kis_span span, const kis_context *parent,
                        bool has_parent)
{
    kis_slot *slot = span._slot;
    uint64_t id;

    if (!has_parent) {
        kis_slot_release(slot, span._word, thread);
        return (kis_span){ 0 };
    }
    memcpy(&id, parent->_span_id.bytes, 8);
    kis_head_put_span_id(slot->first_block, id);
    slot->first_block[KIS_SLOT_AT_FLAGS] = parent->_flags;
    kis_slot_leave_as(slot, span._word, KIS_SLOT_OPEN);
    span._word &= ~KIS_SLOT_STATES;
    return span;
}

/* Nobody wants it recorded. */
__attribute__((noinline)) static kis_span not_wanted(kis_recorder_thread *thread, kis_span span,
                                                     const kis_context *parent, bool has_parent)
{
    return thread->sdk->is_disabled ? pass_on(thread, span, parent, has_parent)
                                    : not_recorded(thread, span);
}

/* What the block has from the start. */
KIS_ALWAYS_INLINE void fill_block(kis_sdk *sdk, kis_slot *slot, uint8_t *head, start_spec s,
                                  const kis_attr_list *of_sampler)
{
    open_block(sdk, slot, head, s.name);
    if (s.attr_count)
        kis_slot_set_attrs(slot, &sdk->limits, (kis_attr_list){ s.attrs, s.attr_count });
    if (KIS_UNLIKELY(of_sampler->count))
        kis_slot_set_attrs(slot, &sdk->limits, *of_sampler);
    for (size_t i = 0; i < s.links.count; i++)
        add_link(sdk, slot, &s.links.at[i]);
}

static inline uint8_t kind_number(kis_span_kind kind)
{
    return (unsigned)kind <= KIS_SPAN_KIND_CONSUMER ? (uint8_t)(kind + 1) : KIS_OTLP_KIND_INTERNAL;
}

KIS_ALWAYS_INLINE kis_span start(kis_tracer *tracer, start_spec s)
{
    kis_sdk *sdk = kis_sdk_of_tracer(tracer);
    uint32_t life = kis_sdk_life(sdk);
    kis_here *here = kis_here_get();
    const kis_context *parent = s.parent ? s.parent : &here->current;
    bool has_parent = !s.is_root && !is_zero16(&parent->_trace_id) && !is_zero8(&parent->_span_id);
    kis_attr_list more = { 0 };
    kis_sampling_decision decision;
    kis_recorder_thread *thread;
    kis_span span = { 0 };
    kis_slot *slot;
    uint8_t *head;
    uint64_t now, start_unix_ns;
    uint32_t flags;

    if (KIS_UNLIKELY(!life))
        return span;
    thread = here->records[sdk->index];
    if (KIS_UNLIKELY(!kis_recorder_thread_is_known(sdk, here))) {
        thread = kis_recorder_thread_begin_outside(sdk, here);
        if (!thread)
            return span;
    }
    span = kis_slot_take(thread);
    slot = span._slot;
    if (KIS_UNLIKELY(!slot))
        return span;
    if (KIS_UNLIKELY(atomic_load_explicit(&sdk->recording, memory_order_seq_cst) != life))
        return not_started(thread, span);
    now = kis_sdk_now_ns(sdk); /* the time of the call, not of its end */
    span._word |= sdk->inline_state;
    head = slot->block;
    flags = put_trace(sdk, &thread->rng, head, parent, has_parent);
    hold_bag(sdk, slot, parent, has_parent);
    decision = sample(sdk, slot, parent, has_parent, flags, s, &more);
    make_span_id(sdk, &thread->rng, head);
    start_unix_ns = s.start_unix_ns ? s.start_unix_ns : now + wall_offset(sdk);
    if (KIS_LIKELY(decision == KIS_SAMPLING_RECORD_AND_SAMPLE)) {
        flags |= KIS_FLAG_SAMPLED;
        span._word |= KIS_SLOT_SAMPLED;
    }
    kis_slot_put_head(slot, head, kind_number(s.kind), start_unix_ns, flags);
    if (KIS_UNLIKELY(decision == KIS_SAMPLING_DROP ||
                     !atomic_load_explicit(&sdk->has_listeners, memory_order_relaxed)))
        return not_wanted(thread, span, parent, has_parent);
    kis_count(&thread->counts.started, 1);
    slot->scope = scope_of(sdk, tracer, life);
    slot->to_unix_ns = start_unix_ns - now;
    fill_block(sdk, slot, head, s, &more);
    if (KIS_LIKELY(!atomic_load_explicit(&sdk->processor_count, memory_order_relaxed)))
        leave_open(span);
    else
        leave_and_tell_started(sdk, span, parent);
    return span;
}

kis_span kis_recorder_span_start(kis_tracer *tracer, const kis_span_options *o)
{
    return start(tracer, (start_spec){
                             .name = o->name ? kis_str_from_c(o->name) : o->name_str,
                             .kind = o->kind,
                             .attrs = o->attrs.at,
                             .attr_count = o->attrs.count,
                             .links = o->links,
                             .parent = o->parent._is_set ? &o->parent : NULL,
                             .is_root = o->is_root,
                             .start_unix_ns = o->start_unix_ns,
                         });
}

kis_span kis_recorder_span_start_plain(kis_tracer *tracer, const char *name, size_t name_len,
                                       kis_span_kind kind, const kis_attr *attrs, size_t attr_count)
{
    return start(tracer, (start_spec){ .name = { name, name_len },
                                       .kind = kind,
                                       .attrs = attrs,
                                       .attr_count = attr_count });
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

    if (KIS_UNLIKELY(!is_of_this_process(span)))
        return;
    if (KIS_UNLIKELY(!kis_slot_enter(slot, span._word)))
        count_late(slot);
    else if (KIS_LIKELY(attrs.count == 1 && kis_slot_set_short(slot, &slot->sdk->limits, attrs.at)))
        kis_slot_leave(slot);
    else
        set_and_leave(slot, attrs);
}

/* One attribute in registers. What is less common is called last and has the same parameters, so
 * that nothing need be moved or kept for afterwards.
 * The process is not asked for: a handle of the parent's writes to a slot that the child has as a
 * copy and that nobody reads. */

static kis_attr plain_attr(const char *key, uint64_t word, kis_attr_payload_ value, size_t count)
{
    return (kis_attr){ .key = key,
                       ._key_bit = (uint8_t)word,
                       .type = (uint8_t)(word >> 8),
                       .key_len = (uint32_t)(word >> 56),
                       .value = value,
                       .count = count };
}
/* Busy bit held. */
__attribute__((noinline)) static void set_plain_long(kis_span span, const char *key, uint64_t word,
                                                     kis_attr_payload_ value, size_t count)
{
    kis_attr attr = plain_attr(key, word, value, count);

    set_and_leave(span._slot, (kis_attr_list){ &attr, 1 });
}
__attribute__((noinline)) static void set_text_long(kis_span span, const char *key, uint64_t word,
                                                    const char *text, size_t count)
{
    set_plain_long(span, key, word, (kis_attr_payload_){ .items = text }, count);
}
/* Not held: somebody else is busy with the span, it is being ended, or it has ended. */
__attribute__((noinline)) static void set_plain_later(kis_span span, const char *key, uint64_t word,
                                                      kis_attr_payload_ value, size_t count)
{
    kis_attr attr = plain_attr(key, word, value, count);

    kis_recorder_span_set(span, (kis_attr_list){ &attr, 1 });
}
__attribute__((noinline)) static void set_text_later(kis_span span, const char *key, uint64_t word,
                                                     const char *text, size_t count)
{
    set_plain_later(span, key, word, (kis_attr_payload_){ .items = text }, count);
}

void kis_recorder_span_set_text(kis_span span, const char *key, uint64_t word, const char *text,
                                size_t text_len)
{
    kis_slot *slot = span._slot;

    if (KIS_UNLIKELY(!enter_at_once(span)))
        set_text_later(span, key, word, text, text_len);
    else if (KIS_LIKELY(kis_slot_begin_plain(slot, (uint8_t)word) &&
                        kis_slot_put_plain_text(slot, key, (uint32_t)(word >> 32), text, text_len)))
        leave_open(span);
    else
        set_text_long(span, key, word, text, text_len);
}

void kis_recorder_span_set_plain(kis_span span, const char *key, uint64_t word,
                                 kis_attr_payload_ value, size_t count)
{
    kis_slot *slot = span._slot;

    if (KIS_UNLIKELY(!enter_at_once(span)))
        set_plain_later(span, key, word, value, count);
    else if (KIS_LIKELY(kis_slot_begin_plain(slot, (uint8_t)word) &&
                        kis_slot_put_plain_number(slot, key, (uint32_t)(word >> 32),
                                                  (uint8_t)(word >> 8), value)))
        leave_open(span);
    else
        set_plain_long(span, key, word, value, count);
}

static void drop_event(kis_slot *slot)
{
    kis_thread_counts *counts = kis_counts_here(slot->sdk);

    slot->tally.dropped_events++;
    slot->tally.is_patched = true;
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
    size_t size, given = name.len;
    bool is_plain;

    if (slot->tally.event_count >= sdk->limits.event_count) {
        drop_event(slot);
        return;
    }
    if (!time_unix_ns)
        time_unix_ns = now + slot->to_unix_ns;
    *to++ = 0x09;
    memcpy(to, &time_unix_ns, 8);
    to += 8;
    if (name.len > KIS_SPAN_NAME_BYTES_MAX)
        name.len = kis_utf8_cut_bytes(name, KIS_SPAN_NAME_BYTES_MAX);
    size = kis_text_size(&name, UINT32_MAX, &is_plain);
    if (size > KIS_SPAN_NAME_BYTES_MAX) { /* by repair, which makes three bytes of one at worst */
        name.len = kis_utf8_cut_bytes(name, KIS_SPAN_NAME_BYTES_MAX / 3);
        size = kis_text_size(&name, UINT32_MAX, &is_plain);
    }
    if (KIS_UNLIKELY(!is_plain || name.len < given))
        kis_slot_count_repair(slot);
    *to++ = 0x12;
    to += kis_varint_put(to, size);
    to = kis_text_put(to, name, is_plain);
    if (kis_slot_add_item(slot, KIS_TAG_SPAN_EVENTS, kis_bytes_of(head, (size_t)(to - head)),
                          KIS_TAG_EVENT_ATTRS, attrs, more, sdk->limits.event_attr_count,
                          &sdk->limits))
        slot->tally.event_count++;
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
    if (slot->tally.status != KIS_STATUS_OK &&
        (code == KIS_STATUS_OK || code == KIS_STATUS_ERROR)) {
        slot->tally.status = (uint8_t)code;
        if (code == KIS_STATUS_ERROR && message && *message)
            slot->tally.is_patched |=
                kis_slot_set_text(slot, KIS_SLOT_MESSAGE, kis_str_from_c(message),
                                  KIS_VALUE_BYTES_MAX, &slot->tally.message);
        else
            kis_slot_drop_text(slot, &slot->tally.message);
    }
    kis_slot_leave(slot);
}

void kis_recorder_span_update_name(kis_span span, kis_str name)
{
    kis_slot *slot = enter(span);

    if (!slot)
        return;
    kis_slot_set_text(slot, KIS_SLOT_NAME, name, KIS_SPAN_NAME_BYTES_MAX, &slot->name);
    kis_slot_leave(slot);
}

bool kis_recorder_span_is_recording(kis_span span)
{
    kis_slot *slot = span._slot;
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

    return span._word & KIS_SPAN_RECORDING_ && is_of_this_process(span) &&
           !((word ^ span._word) & ~KIS_SLOT_STATES) && word & (KIS_SLOT_OPEN | KIS_SLOT_ENDING);
}

bool kis_recorder_span_get_context(kis_span span, kis_span_context *out)
{
    kis_slot *slot = span._slot;

    if (!kis_slot_enter_to_read(slot, span._word))
        return false;
    bool has_ended = atomic_load_explicit(&slot->word, memory_order_relaxed) & KIS_SLOT_ENDED;
    *out = (kis_span_context){ kis_slot_trace_id(slot), kis_slot_span_id(slot),
                               kis_slot_flags(slot), false,
                               slot->bag && !has_ended ? kis_bag_trace_state(slot->bag)
                                                       : KIS_STR_NONE };
    kis_slot_leave(slot);
    return true;
}

/* ---- end ---- */

/* on_ending: the end is fixed, the hooks alone may write. Busy bit held before and after. */
static void tell_ending(kis_sdk *sdk, kis_slot *slot, kis_span span, uint32_t count)
{
    kis_here *here = kis_here_get();
    uint64_t ending = (span._word & ~KIS_SLOT_STATES) | KIS_SLOT_ENDING;
    kis_slot *outer = here->ending;

    here->ending = slot;
    kis_slot_leave_as(slot, span._word, KIS_SLOT_ENDING);
    for (uint32_t i = 0; i < count && !kis_sdk_is_shut(sdk); i++)
        if (sdk->processors[i].on_ending)
            sdk->processors[i].on_ending(sdk->processors[i].user, span);
    here->ending = outer;
    while (!atomic_compare_exchange_weak_explicit(&slot->word, &ending, ending | KIS_SLOT_BUSY,
                                                  memory_order_acquire, memory_order_relaxed))
        ending &= ~(uint64_t)KIS_SLOT_BUSY; /* somebody reads the ids this moment */
}

/* on_end: nobody writes any more, everybody may read. */
static void tell_ended(kis_sdk *sdk, kis_slot *slot, uint32_t count)
{
    kis_scope_view scope = { .name = slot->scope->name,
                             .version = slot->scope->version,
                             .schema_url = slot->scope->schema_url,
                             .attrs = { slot->scope->attrs.ptr, (uint32_t)slot->scope->attrs.len,
                                        KIS_TAG_SCOPE_ATTRS } };
    kis_span_view view;
    kis_span_data data;

    kis_slot_view(slot, &view);
    kis_span_data_of(&view, &scope, &sdk->resource, sdk->resource_attr_count, &data);
    for (uint32_t i = 0; i < count && !kis_sdk_is_shut(sdk); i++)
        if (sdk->processors[i].on_end)
            sdk->processors[i].on_end(sdk->processors[i].user, &data);
}

/* An ended span that does not go into a ring. Busy bit held before, not after, as below. */
__attribute__((noinline)) static void hand_over_elsewhere(kis_sdk *sdk, kis_recorder_thread *thread,
                                                          kis_span span, uint32_t intake)
{
    if (!(span._word & KIS_SLOT_SAMPLED) || intake == KIS_INTAKE_NONE)
        kis_slot_release(span._slot, span._word, thread);
    else
        kis_batcher_push_one(&sdk->batcher, span._slot, span._word);
}

/* Wakes the batcher's driver when that is needed, without the slot: the driver may want it. */
__attribute__((noinline)) static void leave_and_look(kis_sdk *sdk, kis_recorder_thread *thread,
                                                     kis_span span)
{
    kis_sdk_enter(sdk);
    kis_slot_leave_as(span._slot, span._word, KIS_SLOT_ENDED);
    kis_batcher_look(&sdk->batcher, &thread->ring);
    kis_sdk_leave(sdk);
}

/* Where an ended span goes: mostly into its thread's ring. Busy bit held before, not after: who
 * stops the SDK sees it busy until it is where it belongs. */
KIS_ALWAYS_INLINE void hand_over(kis_sdk *sdk, kis_recorder_thread *thread, kis_span span)
{
    kis_slot *slot = span._slot;
    uint32_t intake = atomic_load_explicit(&sdk->batcher.intake, memory_order_relaxed);

    if (KIS_UNLIKELY(!(span._word & KIS_SLOT_SAMPLED) || intake != KIS_INTAKE_RING))
        hand_over_elsewhere(sdk, thread, span, intake);
    else if (KIS_UNLIKELY(!kis_span_ring_push(&thread->ring, slot)))
        kis_slot_release(slot, span._word, thread);
    else if (kis_batcher_wants_look(&thread->ring))
        leave_and_look(sdk, thread, span);
    else
        kis_slot_leave_as(slot, span._word, KIS_SLOT_ENDED);
}

/* The same end where processors listen. Busy bit held before, not after; the thread is inside until
 * the span is where it belongs, because the bit is not held all the while. */
__attribute__((noinline)) static void end_with_processors(kis_sdk *sdk, kis_recorder_thread *thread,
                                                          kis_span span, uint32_t processors)
{
    kis_slot *slot = span._slot;

    kis_sdk_enter(sdk);
    if (atomic_load_explicit(&sdk->has_on_ending, memory_order_relaxed))
        tell_ending(sdk, slot, span, processors);
    if (slot->tally.status)
        kis_slot_put_status(slot);
    /* hooks and others may ask for its ids from here on */
    kis_slot_leave_as(slot, span._word, KIS_SLOT_ENDED);
    tell_ended(sdk, slot, processors);
    kis_slot_take_busy(slot);
    hand_over(sdk, thread, span);
    kis_sdk_leave(sdk);
}

/* The end of a span that nobody sees. Busy bit held. */
static void let_go(kis_span span)
{
    kis_slot *slot = span._slot;

    kis_slot_release(slot, span._word, kis_recorder_thread_here(slot->sdk, kis_here_get()));
}
__attribute__((noinline)) static void end_unrecorded(kis_span span)
{
    if (kis_slot_enter(span._slot, span._word))
        let_go(span);
    else
        count_late(span._slot);
}
/* No memory for the thread that ends it. Busy bit held. */
__attribute__((noinline)) static void end_lost(kis_span span)
{
    count_late(span._slot);
    let_go(span);
}

/* Somebody else is busy with the span, it is being ended, or it has ended.
 * True: it is ours to end, busy bit held. */
__attribute__((noinline)) static bool enter_to_end_later(kis_span span)
{
    kis_slot *slot = span._slot;

    if (kis_slot_enter(slot, span._word)) {
        if (kis_slot_ending_here() != slot)
            return true;
        kis_slot_leave(slot); /* a hook tries to end the span that is being ended */
    }
    count_late(slot);
    return false;
}

void kis_recorder_span_end(kis_span span, uint64_t end_unix_ns)
{
    kis_slot *slot = span._slot;
    kis_sdk *sdk = slot->sdk;
    kis_recorder_thread *thread;
    uint64_t now;
    uint32_t processors;

    if (KIS_UNLIKELY(!is_of_this_process(span)))
        return;
    if (KIS_UNLIKELY(!(span._word & KIS_SPAN_RECORDING_))) {
        end_unrecorded(span);
        return;
    }
    if (KIS_UNLIKELY(!enter_at_once(span) && !enter_to_end_later(span)))
        return;
    now = kis_sdk_now_ns(sdk);
    thread = kis_recorder_thread_here(sdk, kis_here_get());
    if (KIS_UNLIKELY(!thread)) {
        end_lost(span);
        return;
    }
    kis_slot_set_end(slot, KIS_UNLIKELY(end_unix_ns) ? end_unix_ns : now + slot->to_unix_ns);
    kis_count(&thread->counts.ended, 1);
    processors = atomic_load_explicit(&sdk->processor_count, memory_order_acquire);
    if (KIS_UNLIKELY(processors)) {
        end_with_processors(sdk, thread, span, processors);
        return;
    }
    if (KIS_UNLIKELY(slot->tally.status))
        kis_slot_put_status(slot);
    hand_over(sdk, thread, span);
}
