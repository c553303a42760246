/* num.c - whole numbers, hex and base64 as text.
 *
 * Not here: doubles (num_f64_parse.c, num_f64_format.c), durations, sizes and times (num_unit.c).
 */
#include "base/num.h"

static const char digit_pairs[201] = "00010203040506070809"
                                     "10111213141516171819"
                                     "20212223242526272829"
                                     "30313233343536373839"
                                     "40414243444546474849"
                                     "50515253545556575859"
                                     "60616263646566676869"
                                     "70717273747576777879"
                                     "80818283848586878889"
                                     "90919293949596979899";

size_t kis_u64_format(uint64_t value, char out[KIS_NUM_TEXT_MAX])
{
    char text[20]; /* filled from the end */
    size_t at = sizeof(text);

    while (value >= 100) {
        at -= 2;
        memcpy(text + at, digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(text + at, digit_pairs + 2 * value, 2);
    } else {
        text[--at] = (char)('0' + value);
    }
    memcpy(out, text + at, sizeof(text) - at);
    return sizeof(text) - at;
}

size_t kis_i64_format(int64_t value, char out[KIS_NUM_TEXT_MAX])
{
    if (value >= 0)
        return kis_u64_format((uint64_t)value, out);
    char digits[KIS_NUM_TEXT_MAX];
    size_t len = kis_u64_format(0 - (uint64_t)value, digits);
    out[0] = '-';
    memcpy(out + 1, digits, len);
    return len + 1;
}

kis_err kis_u64_parse(kis_str text, uint64_t *out)
{
    uint64_t value = 0;
    bool is_too_big = false;

    if (text.len == 0)
        return KIS_ERR_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(uint8_t)text.ptr[i] - '0';
        if (digit > 9)
            return KIS_ERR_SYNTAX;
        is_too_big |= value > (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (is_too_big)
        return KIS_ERR_RANGE;
    *out = value;
    return KIS_OK;
}

kis_err kis_i64_parse(kis_str text, int64_t *out)
{
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t size;

    kis_err err = kis_u64_parse(is_negative ? kis_str_slice(text, 1, text.len) : text, &size);
    if (err)
        return err;
    if (size > (uint64_t)INT64_MAX + is_negative)
        return KIS_ERR_RANGE;
    *out = is_negative ? (int64_t)(0 - size) : (int64_t)size;
    return KIS_OK;
}

void kis_hex_format(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

int kis_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

kis_err kis_hex_parse(kis_str text, bool any_case, uint8_t *out, size_t size)
{
    if (text.len % 2 != 0 || text.len / 2 != size)
        return KIS_ERR_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (kis_hex_digit(c) < 0 || (!any_case && c >= 'A' && c <= 'F'))
            return KIS_ERR_SYNTAX;
    }
    for (size_t i = 0; i < size; i++) {
        const char *pair = text.ptr + 2 * i;
        out[i] = (uint8_t)(kis_hex_digit(pair[0]) << 4 | kis_hex_digit(pair[1]));
    }
    return KIS_OK;
}

size_t kis_base64_size(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

void kis_base64_format(kis_bytes bytes, char *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.ptr[i] << 16;
        group |= left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0;
        group |= left > 2 ? bytes.ptr[i + 2] : 0;
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *out++ = left > 2 ? alphabet[group & 63] : '=';
    }
}

/* The value of a digit of either alphabet, or 64. */
static unsigned base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0' + 52);
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : 64;
}

/* The digits without padding; SYNTAX when the padding is neither complete nor absent. */
static kis_err base64_unpadded(kis_str text, kis_str *out)
{
    size_t pads = 0;
    while (text.len > 0 && text.ptr[text.len - 1] == '=' && pads < 3) {
        text.len--;
        pads++;
    }
    size_t rest = text.len % 4;
    if (rest == 1 || (pads > 0 && (rest == 0 || pads != 4 - rest)))
        return KIS_ERR_SYNTAX;
    *out = text;
    return KIS_OK;
}

kis_err kis_base64_parse(kis_str text, uint8_t *out, size_t size, size_t *out_len)
{
    kis_str digits;
    kis_err err = base64_unpadded(text, &digits);
    if (err)
        return err;
    size_t len = digits.len / 4 * 3 + (digits.len % 4 ? digits.len % 4 - 1 : 0);
    if (len > size)
        return KIS_ERR_LIMIT;

    uint32_t bits = 0;
    size_t at = 0;
    for (size_t i = 0; i < digits.len; i++) {
        unsigned digit = base64_digit(digits.ptr[i]);
        if (digit > 63)
            return KIS_ERR_SYNTAX;
        bits = bits << 6 | digit;
        if (i % 4 != 0) /* each digit but the first of four completes a byte */
            out[at++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *out_len = len;
    return KIS_OK;
}
