/* Any bytes as baggage headers (cut at NUL): values are valid UTF-8, and what is written reads
 * back. */
#include "propagate/baggage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static kis_baggage baggage, again;
    static char text[KIS_BAGGAGE_BYTES_MAX];
    kis_str rest = kis_str_of((const char *)bytes, len);
    baggage.count = baggage.header_bytes = baggage.text_len = 0;
    again = baggage;
    while (rest.ptr && rest.len)
        (void)!kis_baggage_parse(&baggage, kis_str_cut(&rest, '\0'));
    for (uint32_t i = 0; i < baggage.count; i++)
        if (!kis_utf8_is_valid(baggage.members[i].value) || baggage.members[i].name.len == 0)
            __builtin_trap();
    size_t written = kis_baggage_format(&baggage, text, sizeof text);
    if (kis_baggage_parse(&again, kis_str_of(text, written)) != KIS_OK ||
        again.count > baggage.count)
        __builtin_trap();
    for (uint32_t i = 0; i < again.count; i++) {
        const kis_baggage_member *m = kis_baggage_find(&baggage, again.members[i].name);
        if (!m || !kis_str_eq(m->value, again.members[i].value) ||
            !kis_str_eq(m->metadata, again.members[i].metadata))
            __builtin_trap();
    }
    return 0;
}
