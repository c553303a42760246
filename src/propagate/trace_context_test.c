/* W3C headers through a carrier, and several propagators as one. */
#include "propagate/trace_context.h"

#include <string.h>

#include "tests/test.h"

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

typedef struct headers {
    struct {
        char name[32];
        char value[600];
    } rows[80];
    size_t count;
} headers;

static bool get_all(void *user, const char *name, size_t index, kis_str *out)
{
    headers *h = user;
    for (size_t i = 0; i < h->count; i++) {
        if (strcmp(h->rows[i].name, name) != 0 || index-- > 0)
            continue;
        *out = kis_str_from_c(h->rows[i].value);
        return true;
    }
    return false;
}
static void set(void *user, const char *name, kis_str value)
{
    headers *h = user;
    snprintf(h->rows[h->count].name, sizeof h->rows[0].name, "%s", name);
    snprintf(h->rows[h->count++].value, sizeof h->rows[0].value, "%.*s", (int)value.len, value.ptr);
}

static headers in;
static const kis_carrier carrier = { .get_all = get_all, .set = set, .user = &in };
static char state[KIS_TRACE_STATE_BYTES_MAX];

TEST(trace_context_is_extracted_from_headers)
{
    static const struct {
        const char *why;
        const char *parents[2];
        const char *states[3];
        kis_err want;
        const char *state;
    } rows[] = {
        { "no headers", { NULL }, { NULL }, KIS_ERR_NOT_FOUND, "" },
        { "tracestate alone", { NULL }, { "a=1" }, KIS_ERR_NOT_FOUND, "" },
        { "traceparent alone", { PARENT }, { NULL }, KIS_OK, "" },
        { "both", { PARENT }, { "a=1,b=2" }, KIS_OK, "a=1,b=2" },
        { "two traceparents, equal", { PARENT, PARENT }, { "a=1" }, KIS_ERR_SYNTAX, "" },
        { "several tracestates in order",
          { PARENT },
          { "a=1", "b=2,c=3", "d=4" },
          KIS_OK,
          "a=1,b=2,c=3,d=4" },
        { "an empty one among them", { PARENT }, { "a=1", "", "d=4" }, KIS_OK, "a=1,,d=4" },
        { "a bad one among them", { PARENT }, { "a=1", "B=2" }, KIS_OK, "" },
        { "a bad traceparent", { "00-xyz" }, { "a=1" }, KIS_ERR_SYNTAX, "" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_span_context out = { .flags = 9 };
        in.count = 0;
        for (size_t n = 0; n < 2 && rows[i].parents[n]; n++)
            set(&in, "traceparent", kis_str_from_c(rows[i].parents[n]));
        for (size_t n = 0; n < 3 && rows[i].states[n]; n++)
            set(&in, "tracestate", kis_str_from_c(rows[i].states[n]));
        CHECK_ERR(rows[i].want, kis_trace_context_extract(&carrier, state, &out), rows[i].why);
        CHECK_STR(rows[i].state, out.trace_state, rows[i].why);
        CHECK_INT(rows[i].want ? 9 : 1, out.flags, rows[i].why);
    }
}

TEST(trace_context_with_too_much_state_keeps_the_ids)
{
    kis_span_context out;
    in.count = 0;
    set(&in, "traceparent", KIS_STR(PARENT));
    for (int i = 0; i < 17; i++) {
        char value[260];
        int len = sprintf(value, "k%d=%0240d", i, i);
        set(&in, "tracestate", kis_str_of(value, (size_t)len));
    }
    CHECK_ERR(KIS_OK, kis_trace_context_extract(&carrier, state, &out), "the ids are fine");
    CHECK_INT(0, out.trace_state.len, "more than 4096 bytes are discarded");
}

TEST(trace_context_injected_is_extracted_the_same)
{
    kis_span_context context = { .flags = 0xff, .trace_state = KIS_STR("a=1") }, out;
    in.count = 0;
    kis_trace_context_inject(&context, &carrier);
    CHECK_INT(0, in.count, "without ids nothing is set");
    memset(context.trace_id.bytes, 0xab, 16);
    memset(context.span_id.bytes, 0xcd, 8);
    kis_trace_context_inject(&context, &carrier);
    CHECK_INT(2, in.count, "two headers");
    CHECK_ERR(KIS_OK, kis_trace_context_extract(&carrier, state, &out), "reads back");
    CHECK(memcmp(&context.trace_id, &out.trace_id, 16) == 0 &&
              memcmp(&context.span_id, &out.span_id, 8) == 0,
          "the ids");
    CHECK_STR("a=1", out.trace_state, "the trace state");
    CHECK_INT(3, out.flags, "the flags that travel");
}

TEST(baggage_travels_through_headers)
{
    static kis_baggage baggage, out;
    in.count = 0;
    CHECK_ERR(KIS_ERR_NOT_FOUND, kis_baggage_extract(&carrier, &out), "no header");
    kis_baggage_inject(&baggage, &carrier);
    CHECK_INT(0, in.count, "nothing to say");
    CHECK_ERR(KIS_OK, kis_baggage_put(&baggage, KIS_STR("user"), KIS_STR("ü"), KIS_STR("")), "one");
    kis_baggage_inject(&baggage, &carrier);
    set(&in, "baggage", KIS_STR("more=1,user=2"));
    CHECK_ERR(KIS_OK, kis_baggage_extract(&carrier, &out), "two headers");
    CHECK_INT(2, out.count, "two names");
    CHECK_STR("2", kis_baggage_find(&out, KIS_STR("user"))->value, "the last one counts");
    in.count = 0;
    for (int i = 0; i < 64; i++) {
        char value[200];
        int len = sprintf(value, "k%d=%0150d", i, i);
        set(&in, "baggage", kis_str_of(value, (size_t)len));
    }
    CHECK_ERR(KIS_ERR_LIMIT, kis_baggage_extract(&carrier, &out),
              "many headers do not get around the bound");
    CHECK(out.header_bytes <= KIS_BAGGAGE_BYTES_MAX && out.count > 40, "what came first is there");
}

static int calls;
static void inject_name(void *user, kis_context context, const kis_carrier *to)
{
    (void)context;
    calls = calls * 10 + *(int *)user;
    to->set(to->user, "x-name", KIS_STR("1"));
}
static kis_context extract_flag(void *user, kis_context context, const kis_carrier *from)
{
    (void)from;
    context._flags = (uint8_t)(context._flags * 10 + *(int *)user);
    return context;
}

TEST(a_composite_asks_each_in_order)
{
    static const char *const first_fields[] = { "traceparent", "tracestate", NULL },
                             *const second_fields[] = { "x-name", "traceparent", NULL };
    int one = 1, two = 2;
    kis_propagator first = { inject_name, extract_flag, first_fields, &one },
                   second = { inject_name, extract_flag, second_fields, &two };
    kis_propagator deaf = { NULL, NULL, NULL, NULL };
    kis_propagator_list list = { { &first, &deaf, &second }, 3 };
    const char *names[2];
    in.count = 0;
    kis_propagators_inject(&list, kis_context_none(), &carrier);
    CHECK_INT(12, calls, "inject in order");
    CHECK_INT(2, in.count, "both wrote");
    CHECK_INT(12, kis_propagators_extract(&list, kis_context_none(), &carrier)._flags,
              "extract gets what the one before answered");
    CHECK_INT(3, kis_propagators_fields(&list, names, 2), "each name once");
    CHECK(strcmp(names[0], "traceparent") == 0 && strcmp(names[1], "tracestate") == 0,
          "as many as there is room for");
}

TEST_MAIN(RUN(trace_context_is_extracted_from_headers),
          RUN(trace_context_with_too_much_state_keeps_the_ids),
          RUN(trace_context_injected_is_extracted_the_same), RUN(baggage_travels_through_headers),
          RUN(a_composite_asks_each_in_order))
