/* str_fuzz.c - UTF-8 against a decoder written the slow way; what is escaped is harmless. */
#include <stdlib.h>

#include "base/fmt.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* The length of the first character by decoding it and looking whether its one proper form is this.
 */
static size_t slow_char(const uint8_t *p, size_t left)
{
    for (size_t len = 1; len <= 4 && len <= left; len++) {
        uint32_t code = len == 1 ? p[0] : p[0] & (0x7fu >> len);
        for (size_t i = 1; i < len; i++)
            code = code << 6 | (p[i] & 0x3f);
        char form[4];
        if (code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) &&
            kis_utf8_put(code, form) == len && memcmp(form, p, len) == 0)
            return len;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t prefix = 0, len;
    while (prefix < size && (len = slow_char(bytes + prefix, size - prefix)) > 0)
        prefix += len;
    kis_str s = kis_str_of((const char *)bytes, size);
    check(kis_utf8_valid_prefix(s) == prefix);
    check(kis_utf8_is_valid(s) == (prefix == size));
    for (size_t max = 0; max <= size && max < 20; max++) {
        size_t cut = kis_utf8_cut_bytes(s, max);
        check(cut <= max && cut + 3 >= max);
        check(prefix < size || kis_utf8_is_valid(kis_str_of(s.ptr, cut)));
    }

    char text[300];
    size_t room = size % sizeof(text) + 1;
    len = kis_fmt_escape(text, room, s);
    check(len < room && text[len] == '\0' && kis_utf8_is_valid(kis_str_of(text, len)));
    for (size_t i = 0; i < len; i++)
        check((uint8_t)text[i] >= 0x20 && text[i] != 0x7f);
    return 0;
}
