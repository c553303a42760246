/* fmt.c - a printf without a C library, and escaping for people's eyes.
 *
 * The output is a window that is cut at its end, never overrun. A conversion that is not known ends
 * the formatting: the rest of the format is written as it stands, because the arguments behind it
 * can no longer be told apart.
 */
#include "base/fmt.h"

#include "base/num.h"

#define FIXED_DIGITS_MAX 9u /* behind the point, for %f */

typedef struct fmt_out {
    char *to;
    size_t room, len; /* room without the NUL */
} fmt_out;

/* One conversion: %[-0][width][.precision][length]kind */
typedef struct fmt_spec {
    bool is_left, has_zeros, has_precision;
    size_t width, precision;
    char length; /* 'H' is hh, 'L' is ll */
    char kind;
} fmt_spec;

static void fmt_put(fmt_out *out, const char *text, size_t len)
{
    size_t fits = KIS_MIN(len, out->room - out->len);
    if (fits > 0)
        memcpy(out->to + out->len, text, fits);
    out->len += fits;
}

static void fmt_pad(fmt_out *out, char c, size_t len, size_t width)
{
    for (size_t i = len; i < width && out->len < out->room; i++)
        out->to[out->len++] = c;
}

static void fmt_put_padded(fmt_out *out, const fmt_spec *spec, kis_str s)
{
    if (!spec->is_left)
        fmt_pad(out, ' ', s.len, spec->width);
    fmt_put(out, s.ptr, s.len);
    if (spec->is_left)
        fmt_pad(out, ' ', s.len, spec->width);
}

/* Sign or "0x" first, then zeros, then digits. */
static void fmt_put_number(fmt_out *out, const fmt_spec *spec, kis_str prefix, kis_str digits)
{
    size_t len = prefix.len + digits.len;

    if (!spec->is_left && !spec->has_zeros)
        fmt_pad(out, ' ', len, spec->width);
    fmt_put(out, prefix.ptr, prefix.len);
    if (!spec->is_left && spec->has_zeros)
        fmt_pad(out, '0', len, spec->width);
    fmt_put(out, digits.ptr, digits.len);
    if (spec->is_left)
        fmt_pad(out, ' ', len, spec->width);
}

static size_t fmt_hex_digits(uint64_t value, bool is_upper, char out[16])
{
    const char *digits = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t len = value ? (size_t)(67 - __builtin_clzll(value)) / 4 : 1;

    for (size_t i = len; i-- > 0; value >>= 4)
        out[i] = digits[value & 15];
    return len;
}

static void fmt_put_hex(fmt_out *out, const fmt_spec *spec, kis_str prefix, uint64_t value)
{
    char digits[16];
    size_t len = fmt_hex_digits(value, spec->kind == 'X', digits);
    fmt_put_number(out, spec, prefix, kis_str_of(digits, len));
}

static void fmt_put_decimal(fmt_out *out, const fmt_spec *spec, bool is_negative, uint64_t size)
{
    char digits[KIS_NUM_TEXT_MAX];
    size_t len = kis_u64_format(size, digits);
    fmt_put_number(out, spec, is_negative ? KIS_STR("-") : KIS_STR(""), kis_str_of(digits, len));
}

/* %g: the shortest text. %.3f: rounded to the nearest of those digits, for percentages and the
 * like; a number too large for that is written as %g does. */
static void fmt_put_double(fmt_out *out, const fmt_spec *spec, double value)
{
    char text[KIS_NUM_TEXT_MAX + FIXED_DIGITS_MAX];
    size_t digits = spec->has_precision ? KIS_MIN(spec->precision, FIXED_DIGITS_MAX) : 6;
    double scale = 1, size = value < 0 ? -value : value;

    for (size_t i = 0; i < digits; i++)
        scale *= 10;
    if (spec->kind == 'g' || !(size * scale < 9e15)) {
        fmt_put_number(out, spec, KIS_STR(""), kis_str_of(text, kis_f64_format(value, text)));
        return;
    }
    uint64_t scaled = (uint64_t)(size * scale + 0.5), one = (uint64_t)scale;
    size_t len = kis_u64_format(scaled / one, text);
    if (digits > 0) {
        text[len] = '.';
        uint64_t rest = scaled % one;
        for (size_t i = digits; i > 0; i--, rest /= 10)
            text[len + i] = (char)('0' + rest % 10);
        len += 1 + digits;
    }
    bool is_negative = value < 0 && scaled > 0;
    fmt_put_number(out, spec, is_negative ? KIS_STR("-") : KIS_STR(""), kis_str_of(text, len));
}

static void fmt_put_c_text(fmt_out *out, const fmt_spec *spec, const char *text)
{
    kis_str s = KIS_STR("(null)");

    if (text && spec->has_precision) { /* need not end in NUL */
        size_t len = 0;
        while (len < spec->precision && text[len] != '\0')
            len++;
        s = kis_str_of(text, len);
    } else if (text) {
        s = kis_str_from_c(text);
    } else if (spec->has_precision) {
        s = KIS_STR_NONE; /* an empty kis_str may have a NULL pointer */
    }
    fmt_put_padded(out, spec, s);
}

/* A va_list that can be passed on by reference, also where it is an array. */
typedef struct fmt_args {
    va_list list;
} fmt_args;

static int64_t fmt_take_signed(fmt_args *args, char length)
{
    switch (length) {
    case 'H':
        return (signed char)va_arg(args->list, int);
    case 'h':
        return (short)va_arg(args->list, int);
    case 'l':
        return va_arg(args->list, long);
    case 'L':
        return va_arg(args->list, long long);
    case 'j':
        return va_arg(args->list, intmax_t);
    case 'z':
    case 't':
        return va_arg(args->list, ptrdiff_t);
    default:
        return va_arg(args->list, int);
    }
}

static uint64_t fmt_take_unsigned(fmt_args *args, char length)
{
    switch (length) {
    case 'H':
        return (unsigned char)va_arg(args->list, unsigned);
    case 'h':
        return (unsigned short)va_arg(args->list, unsigned);
    case 'l':
        return va_arg(args->list, unsigned long);
    case 'L':
        return va_arg(args->list, unsigned long long);
    case 'j':
        return va_arg(args->list, uintmax_t);
    case 'z':
    case 't':
        return va_arg(args->list, size_t);
    default:
        return va_arg(args->list, unsigned);
    }
}

/* Digits or '*'. A negative '*' width means left. */
static const char *fmt_read_count(const char *p, fmt_args *args, bool *is_negative, size_t *out)
{
    *is_negative = false;
    *out = 0;
    if (*p == '*') {
        int count = va_arg(args->list, int);
        *is_negative = count < 0;
        *out = count < 0 ? 0 - (size_t)count : (size_t)count;
        return p + 1;
    }
    for (; *p >= '0' && *p <= '9'; p++)
        *out = KIS_MIN(*out * 10 + (size_t)(*p - '0'), (size_t)INT32_MAX);
    return p;
}

/* Reads what is between '%' and the kind, and the kind. */
static const char *fmt_read_spec(const char *p, fmt_args *args, fmt_spec *spec)
{
    bool is_negative;

    *spec = (fmt_spec){ 0 };
    for (; *p == '-' || *p == '0'; p++) {
        spec->is_left |= *p == '-';
        spec->has_zeros |= *p == '0';
    }
    p = fmt_read_count(p, args, &is_negative, &spec->width);
    spec->is_left |= is_negative;
    if (*p == '.') {
        p = fmt_read_count(p + 1, args, &is_negative, &spec->precision);
        spec->has_precision = !is_negative;
    }
    if (*p == 'h' || *p == 'l' || *p == 'z' || *p == 'j' || *p == 't') {
        spec->length = *p++;
        if ((*p == 'h' || *p == 'l') && *p == spec->length)
            spec->length = *p++ == 'h' ? 'H' : 'L';
    }
    spec->kind = *p;
    return *p ? p + 1 : p;
}

/* Writes one conversion; false when it is not one that is known here. */
static bool fmt_convert(fmt_out *out, const fmt_spec *spec, fmt_args *args)
{
    switch (spec->kind) {
    case '%':
        fmt_put(out, "%", 1);
        return true;
    case 'c': {
        char c = (char)va_arg(args->list, int);
        fmt_put_padded(out, spec, kis_str_of(&c, 1));
        return true;
    }
    case 's':
        fmt_put_c_text(out, spec, va_arg(args->list, const char *));
        return true;
    case 'd':
    case 'i': {
        int64_t value = fmt_take_signed(args, spec->length);
        fmt_put_decimal(out, spec, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
        return true;
    }
    case 'u':
        fmt_put_decimal(out, spec, false, fmt_take_unsigned(args, spec->length));
        return true;
    case 'x':
    case 'X':
        fmt_put_hex(out, spec, KIS_STR(""), fmt_take_unsigned(args, spec->length));
        return true;
    case 'p':
        fmt_put_hex(out, spec, KIS_STR("0x"), (uintptr_t)va_arg(args->list, void *));
        return true;
    case 'g':
    case 'f':
        fmt_put_double(out, spec, va_arg(args->list, double));
        return true;
    default:
        return false;
    }
}

size_t kis_fmt_v(char *to, size_t size, const char *format, va_list list)
{
    if (size == 0)
        return 0;
    fmt_out out = { .to = to, .room = size - 1 };
    fmt_args args;
    va_copy(args.list, list);
    while (*format) {
        size_t plain = 0;
        while (format[plain] != '\0' && format[plain] != '%')
            plain++;
        fmt_put(&out, format, plain);
        format += plain;
        if (*format == '\0')
            break;
        fmt_spec spec;
        const char *behind = fmt_read_spec(format + 1, &args, &spec);
        if (!fmt_convert(&out, &spec, &args)) {
            kis_str rest = kis_str_from_c(format);
            fmt_put(&out, rest.ptr, rest.len);
            break;
        }
        format = behind;
    }
    va_end(args.list);
    to[out.len] = '\0';
    return out.len;
}

size_t kis_fmt(char *to, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t len = kis_fmt_v(to, size, format, args);
    va_end(args);
    return len;
}

/* How a byte that is no part of a character, or a control character below 0x80, is written. */
static size_t fmt_escape_byte(uint8_t byte, char out[4])
{
    static const char short_names[] = "\a\b\t\n\v\f\r", letters[] = "abtnvfr";

    out[0] = '\\';
    for (size_t i = 0; i < sizeof(short_names) - 1; i++) {
        if (byte == (uint8_t)short_names[i]) {
            out[1] = letters[i];
            return 2;
        }
    }
    out[1] = 'x';
    kis_hex_format(&byte, 1, out + 2);
    return 4;
}

/* Characters that steer a terminal or turn the order of a line around although they are well
 * formed: U+0080 to U+009F, U+2028 to U+202E and U+2066 to U+2069. Answers the code or 0. */
static uint32_t fmt_steering_char(const uint8_t *p, size_t len)
{
    uint32_t code = 0;
    if (len == 2)
        code = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    else if (len == 3)
        code = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    bool is_steering = (code >= 0x80 && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
                       (code >= 0x2066 && code <= 0x2069);
    return is_steering ? code : 0;
}

/* The length of the first character, 0 when there is none. */
static size_t fmt_char_len(kis_str s)
{
    kis_str first = kis_str_slice(s, 0, 4);
    size_t len = KIS_MIN(kis_utf8_cut_chars(first, 1), first.len);
    return kis_utf8_is_valid(kis_str_of(first.ptr, len)) ? len : 0;
}

size_t kis_fmt_escape(char *to, size_t size, kis_str s)
{
    if (size == 0)
        return 0;
    size_t at = 0;
    while (s.len > 0) {
        char escaped[8];
        const char *piece = s.ptr;
        size_t char_len = fmt_char_len(s), len = char_len;
        uint8_t first = (uint8_t)s.ptr[0];
        uint32_t code = fmt_steering_char((const uint8_t *)s.ptr, char_len);
        if (char_len == 0 || first < 0x20 || first == 0x7f) {
            len = fmt_escape_byte(first, escaped);
            piece = escaped;
        } else if (code) {
            len = kis_fmt(escaped, sizeof(escaped), "\\u%04x", (unsigned)code);
            piece = escaped;
        }
        if (len > size - 1 - at)
            break; /* no half character, no half escape */
        memcpy(to + at, piece, len);
        at += len;
        s = kis_str_slice(s, char_len ? char_len : 1, s.len);
    }
    to[at] = '\0';
    return at;
}
