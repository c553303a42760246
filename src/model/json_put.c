/* json_put.c - JSON's scalars, written.
 *
 * Text goes out in runs: as many bytes as need no escape and are valid UTF-8 in one copy, then what
 * is special.
 */
#include "model/json_put.h"

#include "base/cursor.h"
#include "base/num.h"

#define ONES 0x0101010101010101u
#define HIGH 0x8080808080808080u

/* Length of the prefix that can be copied as it stands, 8 bytes a step; non-ASCII ends it. */
static size_t json_plain_run(const uint8_t *at, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, at + i, 8);
        uint64_t quote = word ^ (ONES * '"'), slash = word ^ (ONES * '\\');
        uint64_t special = ((word - ONES * 0x20) | (quote - ONES) | (slash - ONES) | word) & HIGH;
        if (special)
            break; /* borrows may flag a byte too many: the loop below decides */
    }
    for (; i < len && at[i] >= 0x20 && at[i] < 0x7f && at[i] != '"' && at[i] != '\\'; i++)
        ;
    return i;
}

static size_t json_utf8_size(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

size_t kis_utf8_bad_piece(kis_str s)
{
    const uint8_t *at = (const uint8_t *)s.ptr;
    uint8_t lead = at[0];
    if (lead < 0xc2 || lead > 0xf4)
        return 1;
    /* what the second byte may be: overlong forms, surrogates, > U+10FFFF are out */
    uint8_t low = 0x80, high = 0xbf;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    size_t want = json_utf8_size(lead);
    size_t i = 1;
    for (; i < want && i < s.len; i++, low = 0x80, high = 0xbf)
        if (at[i] < low || at[i] > high)
            break;
    return i;
}

/* Length of the valid character at the front, 0 when it is not one. */
static size_t json_valid_char(const uint8_t *at, size_t len)
{
    size_t size = json_utf8_size(at[0]);
    if (size > len || at[0] >= 0xf5 || (at[0] >= 0x80 && at[0] < 0xc2))
        return 0;
    return size == 1 || kis_utf8_bad_piece((kis_str){ (const char *)at, len }) == size ? size : 0;
}

static void json_put_special(kis_buf *out, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    static const char names[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
    };
    char text[6] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };
    if (c == '"' || c == '\\' || (c < 0x20 && names[c])) {
        text[1] = c < 0x20 ? names[c] : (char)c;
        kis_buf_add(out, text, 2);
    } else {
        kis_buf_add(out, text, 6);
    }
}

void kis_json_put_escaped(kis_buf *out, kis_str s)
{
    kis_cursor text = kis_cursor_of(kis_bytes_of_str(s));
    const uint8_t *at = text.at, *end = text.end;
    const uint8_t *run = at; /* [run, at) waits to be copied */
    while (at < end) {
        at += json_plain_run(at, (size_t)(end - at));
        if (at == end)
            break;
        if (*at >= 0x80) {
            size_t size = json_valid_char(at, (size_t)(end - at));
            if (size) {
                at += size;
                continue;
            }
            kis_buf_add(out, run, (size_t)(at - run));
            kis_buf_add(out, "\xef\xbf\xbd", 3);
            at += kis_utf8_bad_piece((kis_str){ (const char *)at, (size_t)(end - at) });
        } else {
            kis_buf_add(out, run, (size_t)(at - run));
            json_put_special(out, *at++);
        }
        run = at;
    }
    kis_buf_add(out, run, (size_t)(end - run));
}

void kis_json_put_str(kis_buf *out, kis_str s)
{
    uint8_t *to = s.len < SIZE_MAX - 2 ? kis_buf_reserve(out, s.len + 2) : NULL;
    if (to && json_plain_run((const uint8_t *)s.ptr, s.len) == s.len) { /* most texts */
        to[0] = '"';
        if (s.len)
            memcpy(to + 1, s.ptr, s.len);
        to[s.len + 1] = '"';
        out->len += s.len + 2;
        return;
    }
    kis_buf_add_byte(out, '"');
    kis_json_put_escaped(out, s);
    kis_buf_add_byte(out, '"');
}

void kis_json_put_f64(kis_buf *out, double value)
{
    char text[KIS_NUM_TEXT_MAX];
    size_t len = kis_f64_format(value, text);
    bool is_word = !(value - value == 0); /* NaN and the infinities */
    if (is_word)
        kis_buf_add_byte(out, '"');
    kis_buf_add(out, text, len);
    if (len == 2 && text[0] == '-' && text[1] == '0')
        kis_buf_add(out, ".0", 2); /* readers that see an integer lose its sign */
    if (is_word)
        kis_buf_add_byte(out, '"');
}

void kis_json_put_hex(kis_buf *out, const uint8_t *bytes, size_t size)
{
    uint8_t *to = kis_buf_reserve(out, size * 2 + 2);
    if (!to)
        return;
    to[0] = '"';
    kis_hex_format(bytes, size, (char *)to + 1);
    to[size * 2 + 1] = '"';
    out->len += size * 2 + 2;
}

void kis_json_put_base64(kis_buf *out, kis_bytes bytes)
{
    size_t size = kis_base64_size(bytes.len);
    uint8_t *to = kis_buf_reserve(out, size);
    if (!to)
        return;
    kis_base64_format(bytes, (char *)to);
    out->len += size;
}

void kis_utf8_put_repaired(kis_buf *out, kis_str s)
{
    while (s.len) {
        size_t good = kis_utf8_valid_prefix(s);
        kis_buf_add(out, s.ptr, good);
        if (good == s.len)
            return;
        s.ptr += good;
        s.len -= good;
        size_t bad = kis_utf8_bad_piece(s);
        kis_buf_add(out, "\xef\xbf\xbd", 3);
        s.ptr += bad;
        s.len -= bad;
    }
}
