/* trace_context.c - W3C headers from and to a carrier; the composite. */
#include "propagate/trace_context.h"

#include "model/span.h"

#define BAGGAGE_HEADERS_MAX    64u /* of one message; more are not looked at */
#define TRACESTATE_HEADERS_MAX 64u

/* All `tracestate` headers, joined with commas. False: there is no room for them all. */
static bool join_tracestate(const kis_carrier *carrier, char *to, size_t size, size_t *out_len)
{
    kis_str value;
    size_t len = 0;
    for (size_t i = 0; carrier->get_all(carrier->user, "tracestate", i, &value); i++) {
        if (i == TRACESTATE_HEADERS_MAX || value.len + 1 > size - len)
            return false;
        if (len > 0)
            to[len++] = ',';
        if (value.len)
            memcpy(to + len, value.ptr, value.len);
        len += value.len;
    }
    *out_len = len;
    return true;
}

kis_err kis_trace_context_extract(const kis_carrier *carrier, char state[KIS_TRACE_STATE_BYTES_MAX],
                                  kis_span_context *out)
{
    kis_str parent, second;
    kis_span_context context;
    kis_tracestate members;
    size_t len;

    if (!carrier->get_all(carrier->user, "traceparent", 0, &parent))
        return KIS_ERR_NOT_FOUND;
    /* before the next call, until which the text lives */
    kis_err err = kis_traceparent_parse(parent, &context);
    if (carrier->get_all(carrier->user, "traceparent", 1, &second))
        return KIS_ERR_SYNTAX;
    if (err)
        return err;
    if (join_tracestate(carrier, state, KIS_TRACE_STATE_BYTES_MAX, &len)) {
        kis_str joined = { state, len };
        if (kis_tracestate_parse(joined, &members) == KIS_OK && members.count > 0)
            context.trace_state = kis_str_trim(joined);
    }
    *out = context;
    return KIS_OK;
}

void kis_trace_context_inject(const kis_span_context *context, const kis_carrier *carrier)
{
    char text[KIS_TRACEPARENT_LEN];
    if (!kis_trace_id_is_valid(&context->trace_id) || !kis_span_id_is_valid(&context->span_id))
        return;
    kis_traceparent_format(context, text);
    carrier->set(carrier->user, "traceparent", kis_str_of(text, sizeof text));
    if (context->trace_state.len)
        carrier->set(carrier->user, "tracestate", context->trace_state);
}

kis_err kis_baggage_extract(const kis_carrier *carrier, kis_baggage *out)
{
    kis_str header;
    kis_err first = KIS_OK;
    size_t i = 0;

    out->count = out->header_bytes = out->text_len = 0;
    for (; i < BAGGAGE_HEADERS_MAX && carrier->get_all(carrier->user, "baggage", i, &header); i++) {
        kis_err err = kis_baggage_parse(out, header);
        first = first ? first : err;
    }
    return i == 0 ? KIS_ERR_NOT_FOUND : first;
}

void kis_baggage_inject(const kis_baggage *baggage, const kis_carrier *carrier)
{
    char text[KIS_BAGGAGE_BYTES_MAX];
    size_t len = kis_baggage_format(baggage, text, sizeof text);
    if (len)
        carrier->set(carrier->user, "baggage", kis_str_of(text, len));
}

/* ---- several as one -------------------------------------------------------------------------- */

void kis_propagators_inject(const kis_propagator_list *list, kis_context context,
                            const kis_carrier *carrier)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i]->inject)
            list->items[i]->inject(list->items[i]->user, context, carrier);
}

kis_context kis_propagators_extract(const kis_propagator_list *list, kis_context context,
                                    const kis_carrier *carrier)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i]->extract)
            context = list->items[i]->extract(list->items[i]->user, context, carrier);
    return context;
}

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (kis_str_eq(kis_str_from_c(names[i]), kis_str_from_c(name)))
            return true;
    return false;
}

size_t kis_propagators_fields(const kis_propagator_list *list, const char **out, size_t max)
{
    const char *all[KIS_PROPAGATORS_MAX * KIS_PROPAGATOR_FIELDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const char *const *names = list->items[i]->fields;
        for (size_t n = 0; names && names[n] && n < KIS_PROPAGATOR_FIELDS_MAX; n++)
            if (!is_among(all, count, names[n]))
                all[count++] = names[n];
    }
    for (size_t i = 0; i < count && i < max; i++)
        out[i] = all[i];
    return count;
}
