/* propagators.c - the built-in propagators: W3C's formats (propagate/) joined to our contexts.
 *
 * Extraction never spoils what was there: a broken traceparent leaves the context as it was given,
 * a broken member of the baggage leaves the others.
 */
#include "propagate/trace_context.h"
#include "sdk/context.h"

static void trace_context_inject(void *user, kis_context context, const kis_carrier *carrier)
{
    char state[KIS_TRACE_STATE_BYTES_MAX];
    kis_span_context span;

    (void)user;
    if (kis_recorder_context_get_span_context(&context, &span, state, sizeof(state)))
        kis_trace_context_inject(&span, carrier);
}

static kis_context trace_context_extract(void *user, kis_context context,
                                         const kis_carrier *carrier)
{
    char state[KIS_TRACE_STATE_BYTES_MAX];
    kis_span_context span;

    (void)user;
    if (kis_trace_context_extract(carrier, state, &span) == KIS_OK)
        kis_recorder_context_with_span_context(&context, &span);
    return context;
}

static bool put_member(void *user, kis_str name, kis_str value, kis_str metadata)
{
    kis_err err = kis_baggage_put(user, name, value, metadata);

    return err != KIS_ERR_LIMIT;
}

static void put_into_carrier(void *user, const kis_bag_content *content)
{
    kis_baggage baggage;
    kis_bytes rest = content->baggage;
    kis_bag_member member;

    baggage.count = baggage.header_bytes = baggage.text_len = 0;
    while (kis_bag_member_next(&rest, &member))
        if (!put_member(&baggage, member.name, member.value, member.metadata))
            break;
    kis_baggage_inject(&baggage, user);
}

static void baggage_inject(void *user, kis_context context, const kis_carrier *carrier)
{
    kis_carrier copy = *carrier;

    (void)user;
    kis_recorder_context_read(&context, put_into_carrier, &copy);
}

static kis_context baggage_extract(void *user, kis_context context, const kis_carrier *carrier)
{
    uint8_t members[KIS_BAGGAGE_BYTES_MAX + KIS_BAGGAGE_MEMBERS_MAX * 6], *to = members;
    kis_baggage baggage;
    /* with an error, what could be read is there */
    kis_err err = kis_baggage_extract(carrier, &baggage);

    (void)user;
    if (err == KIS_ERR_NOT_FOUND || baggage.count == 0)
        return context;
    for (uint32_t i = 0; i < baggage.count; i++) {
        kis_bag_member member = { baggage.members[i].name, baggage.members[i].value,
                                  baggage.members[i].metadata };
        if (kis_bag_member_size(&member) > (size_t)(members + sizeof(members) - to))
            break;
        to = kis_bag_member_put(to, &member);
    }
    kis_recorder_baggage_replace(&context, kis_bytes_of(members, (size_t)(to - members)),
                                 baggage.count);
    return context;
}

static const char *const trace_context_fields[] = { "traceparent", "tracestate", NULL };
static const char *const baggage_fields[] = { "baggage", NULL };
static const kis_propagator trace_context = { trace_context_inject, trace_context_extract,
                                              trace_context_fields, NULL };
static const kis_propagator baggage = { baggage_inject, baggage_extract, baggage_fields, NULL };

const kis_propagator *kis_propagator_named(const char *name)
{
    kis_str wanted = kis_str_from_c(name);

    if (kis_str_eq(wanted, KIS_STR("tracecontext")))
        return &trace_context;
    return kis_str_eq(wanted, KIS_STR("baggage")) ? &baggage : NULL;
}
