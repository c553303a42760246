/* when.c - see when.h. */
#include "when.h"

#include "base/fmt.h"
#include "base/num.h"

#define DATE_LEN (sizeof("2026-11-21") - 1)

static bool read_distance(kis_str text, uint64_t now_unix_ns, uint64_t *out)
{
    bool is_before = text.ptr[0] == '-';
    int64_t ns;

    if (text.ptr[1] == '-' || text.ptr[1] == '+' || /* a duration may have a sign of its own */
        kis_duration_parse(kis_str_slice(text, 1, text.len), &ns) != KIS_OK)
        return false;
    if (is_before)
        *out = (uint64_t)ns > now_unix_ns ? 0 : now_unix_ns - (uint64_t)ns;
    return is_before || !__builtin_add_overflow(now_unix_ns, (uint64_t)ns, out);
}

bool kis_when_read(kis_str text, uint64_t now_unix_ns, uint64_t *out_unix_ns)
{
    char midnight[DATE_LEN + sizeof("T00:00:00Z")];

    if (kis_str_eq(text, KIS_STR("now"))) {
        *out_unix_ns = now_unix_ns;
        return true;
    }
    if (text.len > 1 && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        return read_distance(text, now_unix_ns, out_unix_ns);
    if (text.len == DATE_LEN)
        text = kis_str_of(midnight,
                          kis_fmt(midnight, sizeof(midnight), KIS_FMT "T00:00:00Z", KIS_ARG(text)));
    return kis_time_parse(text, out_unix_ns) == KIS_OK;
}
