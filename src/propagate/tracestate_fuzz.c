/* Any bytes as a tracestate: refused, or what is written reads back with the same members. */
#include "propagate/tracestate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static char text[KIS_TRACESTATE_MEMBERS_MAX * (2 * KIS_TRACESTATE_PART_MAX + 2)];
    kis_tracestate state, again;
    if (kis_tracestate_parse(kis_str_of((const char *)bytes, len), &state) != KIS_OK)
        return 0;
    size_t written = kis_tracestate_format(&state, text, sizeof text);
    if (written > len || kis_tracestate_parse(kis_str_of(text, written), &again) != KIS_OK ||
        again.count != state.count)
        __builtin_trap();
    for (uint32_t i = 0; i < state.count; i++)
        if (!kis_str_eq(state.members[i].key, again.members[i].key) ||
            !kis_str_eq(state.members[i].value, again.members[i].value))
            __builtin_trap();
    return 0;
}
