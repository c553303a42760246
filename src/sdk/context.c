/* context.c - the current context of a thread; contexts with a span, a parent, baggage, values.
 *
 * A context is ids by value and a bag by generation (bag.c), so it says who the parent is also long
 * after that parent has ended. Zeros stand for the thread's current context: every function here
 * looks that up first.
 */
#include "sdk/context.h"

#include "base/check.h"
#include "model/limits.h"
#include "propagate/baggage.h"
#include "propagate/trace_context.h"

_Static_assert(KIS_TRACE_STATE_MAX == KIS_TRACE_STATE_BYTES_MAX, "what the header promises");

static const kis_context *or_current(const kis_context *context)
{
    return context->_is_set ? context : &kis_here_get()->current;
}

/* Makes a copy in place of what `context` stands for. */
static void settle(kis_context *context)
{
    if (!context->_is_set)
        *context = kis_here_get()->current;
    context->_is_set = 1;
}

/* The bag of a context, held; NULL: none any more. */
static kis_bag *hold_bag(const kis_context *context)
{
    kis_bag *bag = context->_bag;

    return bag && kis_bag_hold(bag, context->_bag_generation) ? bag : NULL;
}

/* Content of the context's bag, as long as `bag` is held. */
static kis_bag *read_bag(const kis_context *context, kis_bag_content *out)
{
    kis_bag *bag = hold_bag(context);

    *out = (kis_bag_content){ 0 };
    if (bag)
        kis_bag_read(bag, out);
    return bag;
}

/* Gives the context a new bag; `old`, which the content may point into, is let go afterwards.
 * False: it has the old one still, because there is no SDK to make another. */
static bool replace_bag(kis_context *context, const kis_bag_content *content, kis_bag *old)
{
    kis_sdk *sdk = kis_sdk_enter_global();

    if (sdk) {
        kis_bags_fill(&sdk->bags, content, context);
        kis_sdk_leave(sdk);
    }
    if (old)
        kis_bag_drop(old);
    return sdk != NULL;
}

/* ---- current ---- */

void kis_recorder_context_current(kis_context *out)
{
    *out = kis_here_get()->current;
}

void kis_recorder_context_enter(kis_context_scope *scope, const kis_context *context)
{
    kis_here *here = kis_here_get();

    scope->_previous = here->current;
    if (context->_is_set)
        here->current = *context;
}
void kis_recorder_context_leave(kis_context_scope *scope)
{
    kis_here_get()->current = scope->_previous;
}

/* The ids of a span, and its bag, into a context. False: the span is gone. */
static bool put_span(kis_context *context, kis_span span)
{
    kis_slot *slot = span._slot;

    if (!kis_slot_enter_to_read(slot, span._word))
        return false;
    context->_trace_id = kis_slot_trace_id(slot);
    context->_span_id = kis_slot_span_id(slot);
    context->_flags = kis_slot_flags(slot);
    context->_is_remote = 0;
    context->_is_set = 1;
    context->_span = span;
    context->_bag = slot->bag;
    context->_bag_generation = slot->bag_generation;
    kis_slot_leave(slot);
    return true;
}

void kis_recorder_context_enter_span(kis_context_scope *scope, kis_span span)
{
    kis_here *here = kis_here_get();

    scope->_is_entered = 1;
    scope->_previous = here->current;
    put_span(&here->current, span);
}

/* The span's trace state goes with it; baggage and values stay those of the context. Mostly one of
 * the two has a bag, or both the same. */
void kis_recorder_context_with_span(kis_context *context, kis_span span)
{
    kis_bag_content mine, its;
    kis_context with;
    kis_bag *my_bag, *its_bag;

    settle(context);
    with = *context;
    if (!put_span(&with, span))
        return;
    if (with._bag == context->_bag && with._bag_generation == context->_bag_generation) {
        *context = with;
        return;
    }
    my_bag = read_bag(context, &mine);
    its_bag = read_bag(&with, &its);
    if (my_bag) { /* a context that says nothing about baggage takes the span's */
        its.baggage = mine.baggage;
        its.member_count = mine.member_count;
        its.value_count = mine.value_count;
        memcpy(its.values, mine.values, sizeof(its.values));
        replace_bag(&with, &its, its_bag);
        kis_bag_drop(my_bag);
    } else if (its_bag) {
        kis_bag_drop(its_bag);
    }
    *context = with;
}

void kis_recorder_context_with_span_context(kis_context *context, const kis_span_context *parent)
{
    kis_bag_content content;
    bool is_of_another; /* the trace state that is there */
    kis_bag *old;

    settle(context);
    if (!kis_trace_id_is_valid(&parent->trace_id) || !kis_span_id_is_valid(&parent->span_id))
        return;
    context->_trace_id = parent->trace_id;
    context->_span_id = parent->span_id;
    context->_flags = parent->flags;
    context->_is_remote = parent->is_remote;
    context->_span = (kis_span){ 0 };
    if (!parent->trace_state.len && !context->_bag)
        return;
    old = read_bag(context, &content);
    is_of_another = content.trace_state.len != 0;
    content.trace_state =
        parent->trace_state.len <= KIS_TRACE_STATE_BYTES_MAX ? parent->trace_state : KIS_STR_NONE;
    if (!replace_bag(context, &content, old) && is_of_another) {
        context->_bag = NULL;
        context->_bag_generation = 0;
    }
}

bool kis_recorder_context_get_span_context(const kis_context *context, kis_span_context *out,
                                           char *buffer, size_t buffer_size)
{
    kis_bag *bag;

    context = or_current(context);
    *out = (kis_span_context){ 0 };
    if (!kis_trace_id_is_valid(&context->_trace_id) || !kis_span_id_is_valid(&context->_span_id))
        return false;
    *out = (kis_span_context){ context->_trace_id, context->_span_id, context->_flags,
                               context->_is_remote != 0, KIS_STR_NONE };
    bag = buffer ? hold_bag(context) : NULL;
    if (bag && bag->trace_state_len && bag->trace_state_len <= buffer_size) {
        memcpy(buffer, bag->memory, bag->trace_state_len);
        out->trace_state = kis_str_of(buffer, bag->trace_state_len);
    }
    if (bag)
        kis_bag_drop(bag);
    return true;
}

/* ---- values ---- */

void kis_recorder_context_set(kis_context *context, const struct kis_context_key *key, void *value)
{
    kis_bag_content content;
    kis_bag *old;
    uint32_t i = 0;

    settle(context);
    old = read_bag(context, &content);
    while (i < content.value_count && content.values[i].key != key)
        i++;
    if (i < KIS_CONTEXT_VALUES) {
        content.values[i] = (kis_bag_value){ key, value };
        content.value_count = KIS_MAX(content.value_count, i + 1);
        replace_bag(context, &content, old);
    } else if (old) {
        kis_bag_drop(old);
    }
}

void *kis_recorder_context_get(const kis_context *context, const struct kis_context_key *key)
{
    kis_bag *bag = hold_bag(or_current(context));
    void *value = NULL;

    if (!bag)
        return NULL;
    for (uint32_t i = 0; i < bag->value_count; i++)
        if (bag->values[i].key == key)
            value = bag->values[i].value;
    kis_bag_drop(bag);
    return value;
}

/* ---- baggage ---- */

/* Room for all members of a bag: decoding makes nothing longer, and each has its lengths. */
#define BAGGAGE_ROOM (KIS_BAGGAGE_BYTES_MAX + 6 * KIS_BAGGAGE_MEMBERS_MAX)

/* How long it is as it travels. 0: it may not. */
static size_t coded_size(const kis_bag_member *member)
{
    kis_baggage_member coded = { member->name, member->value, member->metadata };

    return kis_baggage_member_size(&coded);
}

/* Baggage of `context` with the member put (NULL: none) or without that name, into `memory`.
 * False: it would not fit, as it travels; what is kept shall arrive. */
static bool change_baggage(kis_bag_content *content, const kis_bag_member *put, kis_str name,
                           uint8_t memory[BAGGAGE_ROOM])
{
    kis_bytes rest = content->baggage;
    kis_bag_member member;
    uint8_t *to = memory;
    size_t coded = 0;
    uint32_t count = 0;
    bool is_there = false, is_last = false;

    while (!is_last) { /* the last round is for a member that was not there */
        is_last = !kis_bag_member_next(&rest, &member);
        if (is_last || kis_str_eq(member.name, name)) {
            if (!put || is_there)
                continue;
            is_there = true;
            member = *put;
        }
        coded += (count > 0) + coded_size(&member);
        if (put && (count == KIS_BAGGAGE_MEMBERS_MAX || coded > KIS_BAGGAGE_BYTES_MAX))
            return false;
        KIS_ASSERT(kis_bag_member_size(&member) <= (size_t)(memory + BAGGAGE_ROOM - to));
        to = kis_bag_member_put(to, &member);
        count++;
    }
    content->baggage = kis_bytes_of(memory, (size_t)(to - memory));
    content->member_count = count;
    return true;
}

static void set_or_remove(kis_context *context, kis_str name, const kis_bag_member *put)
{
    uint8_t memory[BAGGAGE_ROOM];
    kis_bag_content content;
    kis_bag *old;

    settle(context);
    old = read_bag(context, &content);
    if (change_baggage(&content, put, name, memory))
        replace_bag(context, &content, old);
    else if (old)
        kis_bag_drop(old);
}

void kis_recorder_baggage_set(kis_context *context, kis_str name, kis_str value, kis_str metadata)
{
    kis_bag_member member = { name, value, kis_str_trim(metadata) };

    settle(context);
    if (coded_size(&member) && kis_utf8_is_valid(value))
        set_or_remove(context, name, &member);
}
void kis_recorder_baggage_remove(kis_context *context, kis_str name)
{
    set_or_remove(context, name, NULL);
}

void kis_recorder_baggage_clear(kis_context *context)
{
    kis_bag_content content;
    kis_bag *old;

    settle(context);
    old = read_bag(context, &content);
    content.baggage = KIS_BYTES_NONE;
    content.member_count = 0;
    replace_bag(context, &content, old);
}

bool kis_recorder_baggage_get(const kis_context *context, kis_str name, char *buffer,
                              size_t buffer_size, kis_str *out)
{
    kis_bag_content content;
    kis_bag *bag = read_bag(or_current(context), &content);
    kis_bag_member member;
    bool is_found = false;

    while (!is_found && kis_bag_member_next(&content.baggage, &member))
        is_found = kis_str_eq(member.name, name);
    if (is_found) {
        size_t len = kis_utf8_cut_bytes(member.value, KIS_MIN(member.value.len, buffer_size));
        if (len)
            memcpy(buffer, member.value.ptr, len);
        *out = kis_str_of(buffer, len);
    }
    if (bag)
        kis_bag_drop(bag);
    return is_found;
}

size_t kis_recorder_baggage_each(const kis_context *context, kis_baggage_member_fn *call,
                                 void *user)
{
    kis_bag_content content;
    kis_bag *bag = read_bag(or_current(context), &content);
    kis_bag_member member;
    size_t count = content.member_count;

    while (call && kis_bag_member_next(&content.baggage, &member))
        if (!call(user, member.name, member.value, member.metadata))
            break;
    if (bag)
        kis_bag_drop(bag);
    return count;
}

void kis_recorder_baggage_replace(kis_context *context, kis_bytes baggage, uint32_t member_count)
{
    kis_bag_content content;
    kis_bag *old;

    settle(context);
    old = read_bag(context, &content);
    content.baggage = baggage;
    content.member_count = member_count;
    replace_bag(context, &content, old);
}

void kis_recorder_context_read(const kis_context *context,
                               void (*read)(void *user, const kis_bag_content *content), void *user)
{
    kis_bag_content content;
    kis_bag *bag = read_bag(or_current(context), &content);

    read(user, &content);
    if (bag)
        kis_bag_drop(bag);
}

/* ---- carriers ---- */

void kis_recorder_context_inject(const kis_context *context, const struct kis_carrier *carrier)
{
    kis_sdk *sdk = kis_sdk_enter_global();
    kis_context settled = *or_current(context);

    settled._is_set = 1;
    if (!sdk)
        return;
    kis_propagators_inject(&sdk->propagators, settled, carrier);
    kis_sdk_leave(sdk);
}

void kis_recorder_context_extract(kis_context *context, const struct kis_carrier *carrier)
{
    kis_sdk *sdk = kis_sdk_enter_global();

    settle(context);
    if (!sdk)
        return;
    *context = kis_propagators_extract(&sdk->propagators, *context, carrier);
    kis_sdk_leave(sdk);
}

size_t kis_recorder_context_fields(const char **out, size_t max)
{
    kis_sdk *sdk = kis_sdk_enter_global();
    size_t count;

    if (!sdk)
        return 0;
    count = kis_propagators_fields(&sdk->propagators, out, max);
    kis_sdk_leave(sdk);
    return count;
}
