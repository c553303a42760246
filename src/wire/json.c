/* json.c - reading JSON by pulling.
 *
 * Always true:
 *   (1) what is accepted is JSON by RFC 8259 to the letter, except that bytes inside strings need
 *       not be UTF-8 (whoever stores them repairs them) and that a byte order mark in front is
 *       skipped
 *   (2) nesting is counted, never recursed into; a bit a level remembers whether it is an array
 *   (3) every call either consumes something or fails, so a loop over calls ends
 */
#include "wire/json.h"

#include "base/num.h"

void kis_json_begin(kis_json *j, kis_bytes text, kis_arena *arena)
{
    kis_cursor c = kis_cursor_of(text);
    *j = (kis_json){ .at = c.at, .end = c.end, .start = c.at, .arena = arena };
    if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
        j->at += 3;
}

bool kis_json_fail(kis_json *j, kis_err err, const char *what)
{
    if (j->err == KIS_OK) {
        j->err = err;
        j->what = what;
    }
    return false;
}

static inline bool is_json_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* To the next byte that is no white space; 0 at the end and after an error. (A NUL in the text is
 * no token either.) */
static inline uint8_t next_byte(kis_json *j)
{
    while (j->at < j->end && is_json_space(*j->at))
        j->at++;
    return KIS_LIKELY(j->at < j->end && j->err == KIS_OK) ? *j->at : 0;
}

bool kis_json_end(kis_json *j)
{
    if (j->err)
        return false;
    next_byte(j);
    if (j->depth > 0)
        return kis_json_fail(j, KIS_ERR_SYNTAX, "the text ends too early");
    return j->at == j->end || kis_json_fail(j, KIS_ERR_SYNTAX, "something behind the end");
}

kis_json_kind kis_json_peek(kis_json *j)
{
    uint8_t c = next_byte(j);
    switch (c) {
    case 'n':
        return KIS_JSON_NULL;
    case 't':
    case 'f':
        return KIS_JSON_BOOL;
    case '"':
        return KIS_JSON_STRING;
    case '[':
        return KIS_JSON_ARRAY;
    case '{':
        return KIS_JSON_OBJECT;
    default:
        return c == '-' || (c >= '0' && c <= '9') ? KIS_JSON_NUMBER : KIS_JSON_NONE;
    }
}

/* ---- containers ---- */

static inline bool open_container(kis_json *j, uint8_t c, bool is_array, const char *want)
{
    if (KIS_UNLIKELY(next_byte(j) != c))
        return kis_json_fail(j, KIS_ERR_SYNTAX, want);
    if (KIS_UNLIKELY(j->depth == KIS_JSON_DEPTH_MAX))
        return kis_json_fail(j, KIS_ERR_SYNTAX, "nested too deep");
    uint64_t bit = (uint64_t)1 << (j->depth % 64);
    uint64_t *word = &j->is_array[j->depth / 64];
    *word = is_array ? *word | bit : *word & ~bit;
    j->depth++;
    j->at++;
    j->is_first = true;
    return true;
}

bool kis_json_object(kis_json *j)
{
    return open_container(j, '{', false, "want an object");
}

bool kis_json_array(kis_json *j)
{
    return open_container(j, '[', true, "want an array");
}

static inline bool in_array(const kis_json *j)
{
    return j->depth > 0 && (j->is_array[(j->depth - 1) / 64] >> ((j->depth - 1) % 64) & 1);
}

/* Before a member or item: its comma, or the end of the container. */
static inline bool next_in_container(kis_json *j, uint8_t close)
{
    uint8_t c = next_byte(j);
    if (c == close) {
        j->at++;
        j->depth--;
        j->is_first = false;
        return false;
    }
    if (!j->is_first) {
        if (KIS_UNLIKELY(c != ','))
            return kis_json_fail(j, KIS_ERR_SYNTAX,
                                 c ? "want a comma or the end of the object or array"
                                   : "the text ends too early");
        j->at++;
        if (KIS_UNLIKELY(next_byte(j) == close))
            return kis_json_fail(j, KIS_ERR_SYNTAX, "a comma before the end of an object or array");
    }
    j->is_first = false;
    return true;
}

bool kis_json_item(kis_json *j)
{
    if (j->err || !in_array(j))
        return kis_json_fail(j, KIS_ERR_SYNTAX, "want an array");
    return next_in_container(j, ']');
}

bool kis_json_has_member(kis_json *j)
{
    if (KIS_UNLIKELY(j->err || j->depth == 0 || in_array(j)))
        return kis_json_fail(j, KIS_ERR_SYNTAX, "want an object");
    if (!next_in_container(j, '}'))
        return false;
    return KIS_LIKELY(next_byte(j) == '"') || kis_json_fail(j, KIS_ERR_SYNTAX, "want a key");
}

bool kis_json_key(kis_json *j, kis_str *key)
{
    if (!kis_json_str(j, key))
        return false;
    if (KIS_UNLIKELY(next_byte(j) != ':'))
        return kis_json_fail(j, KIS_ERR_SYNTAX, "want a colon");
    j->at++;
    return true;
}

bool kis_json_member(kis_json *j, kis_str *key)
{
    return kis_json_has_member(j) && kis_json_key(j, key);
}

/* ---- strings ---- */

#if defined(__SSE2__)
typedef unsigned char json_block __attribute__((vector_size(16)));
typedef char json_mask __attribute__((vector_size(16)));

/* To the first quote, backslash or control character at or behind `p`. */
static inline const uint8_t *end_of_plain(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 16) {
        json_block block;
        memcpy(&block, p, 16);
        json_mask special =
            (json_mask)(block == '"') | (json_mask)(block == '\\') | (json_mask)(block < 0x20);
        int bits = __builtin_ia32_pmovmskb128(special);
        if (bits)
            return p + __builtin_ctz((unsigned)bits);
        p += 16;
    }
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20)
        p++;
    return p;
}
#else
static inline const uint8_t *end_of_plain(const uint8_t *p, const uint8_t *end)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        uint64_t special =
            ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
        if (special & high)
            break; /* in this word, though a borrow may have marked a byte too many */
        p += 8;
    }
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20)
        p++;
    return p;
}
#endif

const uint8_t *kis_json_end_of_plain(const uint8_t *p, const uint8_t *end)
{
    return end_of_plain(p, end);
}

static bool read_hex4(const uint8_t *p, const uint8_t *end, uint32_t *out)
{
    uint8_t bytes[2];
    if (end - p < 4 || kis_hex_parse((kis_str){ (const char *)p, 4 }, true, bytes, 2) != KIS_OK)
        return false;
    *out = (uint32_t)bytes[0] << 8 | bytes[1];
    return true;
}

/* One escape at the backslash `p`; answers what is behind it, NULL when it is none. */
static const uint8_t *read_escape(const uint8_t *p, const uint8_t *end, uint32_t *code)
{
    static const char letters[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
    uint32_t low;
    if (end - p < 2)
        return NULL;
    for (size_t i = 0; i < sizeof letters - 1; i++) {
        if (p[1] == letters[i]) {
            *code = (uint8_t)codes[i];
            return p + 2;
        }
    }
    if (p[1] != 'u' || !read_hex4(p + 2, end, code))
        return NULL;
    p += 6;
    if (*code < 0xd800 || *code > 0xdfff)
        return p;
    if (*code < 0xdc00 && end - p >= 2 && p[0] == '\\' && p[1] == 'u' &&
        read_hex4(p + 2, end, &low) && low >= 0xdc00 && low <= 0xdfff) {
        *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
        return p + 6;
    }
    *code = 0xfffd;
    return p;
}

/* To the quote that ends the string whose inside begins at `p`; NULL: there is none. */
static const uint8_t *closing_quote(const uint8_t *p, const uint8_t *end)
{
    for (;;) {
        p = end_of_plain(p, end);
        if (p == end || *p < 0x20)
            return NULL;
        if (*p == '"')
            return p;
        p += 2;
        if (p > end)
            return NULL;
    }
}

/* A string with escapes: undone in the arena; never longer than it was. */
static bool read_escaped_str(kis_json *j, const uint8_t *start, kis_str *out)
{
    const uint8_t *close = closing_quote(start, j->end);
    if (!close)
        return kis_json_fail(j, KIS_ERR_SYNTAX,
                             "a string that does not end, or a control character in it");
    size_t size = (size_t)(close - start);
    char *copy = j->arena ? kis_arena_take(j->arena, size + 1, 1) : NULL;
    if (!copy)
        return kis_json_fail(j, j->arena ? KIS_ERR_NOMEM : KIS_ERR_LIMIT, "no memory");
    char *to = copy;
    for (const uint8_t *p = start; p < close;) {
        const uint8_t *plain = end_of_plain(p, close);
        memcpy(to, p, (size_t)(plain - p));
        to += plain - p;
        p = plain;
        if (p == close)
            break;
        uint32_t code;
        const uint8_t *behind = read_escape(p, close, &code);
        if (!behind) {
            j->at = p;
            return kis_json_fail(j, KIS_ERR_SYNTAX, "an escape that is none");
        }
        p = behind;
        to += kis_utf8_put(code, to);
    }
    *out = (kis_str){ copy, (size_t)(to - copy) };
    j->at = close + 1;
    return true;
}

bool kis_json_str(kis_json *j, kis_str *out)
{
    if (KIS_UNLIKELY(next_byte(j) != '"'))
        return kis_json_fail(j, KIS_ERR_SYNTAX, "want a string");
    const uint8_t *start = j->at + 1;
    const uint8_t *p = end_of_plain(start, j->end);
    if (KIS_LIKELY(p < j->end && *p == '"')) {
        *out = (kis_str){ (const char *)start, (size_t)(p - start) };
        j->at = p + 1;
        return true;
    }
    return read_escaped_str(j, start, out);
}

/* ---- numbers and words ---- */

static const uint8_t *digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

bool kis_json_number(kis_json *j, kis_str *out)
{
    next_byte(j);
    const uint8_t *p = j->at, *end = j->end, *from;
    if (j->err)
        return false;
    if (p < end && *p == '-')
        p++;
    from = p;
    p = digits(p, end);
    bool is_good = p > from && (p - from == 1 || *from != '0');
    if (is_good && p < end && *p == '.') {
        from = p + 1;
        p = digits(from, end);
        is_good = p > from;
    }
    if (is_good && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        from = p;
        p = digits(p, end);
        is_good = p > from;
    }
    if (!is_good)
        return kis_json_fail(j, KIS_ERR_SYNTAX, "want a number");
    *out = (kis_str){ (const char *)j->at, (size_t)(p - j->at) };
    j->at = p;
    return true;
}

static bool read_word(kis_json *j, const char *word, size_t len)
{
    next_byte(j);
    if (j->err || (size_t)(j->end - j->at) < len || memcmp(j->at, word, len) != 0)
        return false;
    j->at += len;
    return true;
}

bool kis_json_null_slowly(kis_json *j)
{
    return next_byte(j) == 'n' &&
           (read_word(j, "null", 4) || kis_json_fail(j, KIS_ERR_SYNTAX, "want null"));
}

bool kis_json_bool(kis_json *j, bool *out)
{
    bool is_true = next_byte(j) == 't';
    if (!read_word(j, is_true ? "true" : "false", is_true ? 4 : 5))
        return kis_json_fail(j, KIS_ERR_SYNTAX, "want true or false");
    *out = is_true;
    return true;
}

/* The text of a number that may stand in quotes. */
static bool read_number_text(kis_json *j, kis_str *out)
{
    if (next_byte(j) == '"')
        return kis_json_str(j, out);
    return kis_json_number(j, out);
}

/* any number of so many digits fits into 64 bits, of one less into 63 */
#define SHORT_DIGITS_MAX 19

/* Digits alone, so few that nothing can overflow: nearly every number there is. */
static inline bool read_short_u64(kis_str text, uint64_t *out)
{
    uint64_t value = 0;
    unsigned bad = text.len == 0;
    if (text.len > SHORT_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(uint8_t)text.ptr[i] - '0';
        bad |= digit > 9;
        value = value * 10 + digit;
    }
    *out = value;
    return !bad;
}

#define TWO_TO_63 9223372036854775808.0

bool kis_json_u64(kis_json *j, uint64_t *out)
{
    kis_str text;
    double number;
    const uint8_t *start = j->at;
    if (!read_number_text(j, &text))
        return false;
    if (KIS_LIKELY(read_short_u64(text, out)))
        return true;
    kis_err err = kis_u64_parse(text, out);
    if (err == KIS_OK)
        return true;
    if (kis_f64_parse(text, &number) == KIS_OK && number >= 0 && number < 2 * TWO_TO_63) {
        *out = (uint64_t)number;
        if ((double)*out == number && err != KIS_ERR_RANGE)
            return true;
    }
    j->at = start;
    return kis_json_fail(j, KIS_ERR_SYNTAX, "want an integer without sign, of 64 bits");
}

bool kis_json_i64(kis_json *j, int64_t *out)
{
    kis_str text;
    double number;
    const uint8_t *start = j->at;
    if (!read_number_text(j, &text))
        return false;
    uint64_t positive;
    if (KIS_LIKELY(text.len < SHORT_DIGITS_MAX && read_short_u64(text, &positive))) {
        *out = (int64_t)positive;
        return true;
    }
    kis_err err = kis_i64_parse(text, out);
    if (err == KIS_OK)
        return true;
    if (kis_f64_parse(text, &number) == KIS_OK && number >= -TWO_TO_63 && number < TWO_TO_63) {
        *out = (int64_t)number;
        if ((double)*out == number && err != KIS_ERR_RANGE)
            return true;
    }
    j->at = start;
    return kis_json_fail(j, KIS_ERR_SYNTAX, "want an integer of 64 bits");
}

bool kis_json_f64(kis_json *j, double *out)
{
    static const struct {
        kis_str word;
        uint64_t bits;
    } words[] = {
        { KIS_STR_INIT("NaN"), 0x7ff8000000000000u },
        { KIS_STR_INIT("Infinity"), 0x7ff0000000000000u },
        { KIS_STR_INIT("-Infinity"), 0xfff0000000000000u },
    };
    kis_str text;
    const uint8_t *start = j->at;
    bool is_quoted = next_byte(j) == '"';
    if (!read_number_text(j, &text))
        return false;
    for (size_t i = 0; is_quoted && i < KIS_COUNT_OF(words); i++) {
        if (kis_str_eq(text, words[i].word)) {
            memcpy(out, &words[i].bits, 8);
            return true;
        }
    }
    kis_err err = kis_f64_parse(text, out);
    if (err == KIS_OK)
        return true;
    j->at = start;
    return kis_json_fail(j, KIS_ERR_SYNTAX,
                         err == KIS_ERR_RANGE ? "a number larger than a double" : "want a number");
}

/* ---- skipping ---- */

static bool skip_str(kis_json *j)
{
    const uint8_t *p = end_of_plain(j->at + 1, j->end);
    uint32_t code;
    while (p < j->end && *p == '\\') { /* escapes must be right here too */
        const uint8_t *behind = read_escape(p, j->end, &code);
        if (!behind) {
            j->at = p;
            return kis_json_fail(j, KIS_ERR_SYNTAX, "an escape that is none");
        }
        p = end_of_plain(behind, j->end);
    }
    if (p < j->end && *p == '"') {
        j->at = p + 1;
        return true;
    }
    j->at = p;
    return kis_json_fail(j, KIS_ERR_SYNTAX,
                         "a string that does not end, or a control character in it");
}

/* A value that is no container, or the opening of one. */
static bool skip_scalar_or_open(kis_json *j)
{
    kis_str text;
    bool truth;
    switch (kis_json_peek(j)) {
    case KIS_JSON_NULL:
        return kis_json_null(j);
    case KIS_JSON_BOOL:
        return kis_json_bool(j, &truth);
    case KIS_JSON_NUMBER:
        return kis_json_number(j, &text);
    case KIS_JSON_STRING:
        return skip_str(j);
    case KIS_JSON_ARRAY:
        return kis_json_array(j);
    case KIS_JSON_OBJECT:
        return kis_json_object(j);
    default:
        return kis_json_fail(j, KIS_ERR_SYNTAX,
                             j->at == j->end ? "the text ends too early" : "want a value");
    }
}

/* In an object: the key and its colon. */
static bool skip_key(kis_json *j)
{
    if (next_byte(j) != '"')
        return kis_json_fail(j, KIS_ERR_SYNTAX, "want a key");
    if (!skip_str(j))
        return false;
    if (next_byte(j) != ':')
        return kis_json_fail(j, KIS_ERR_SYNTAX, "want a colon");
    j->at++;
    return true;
}

bool kis_json_skip(kis_json *j)
{
    uint32_t outside = j->depth;
    if (!skip_scalar_or_open(j))
        return false;
    while (j->depth > outside) {
        bool is_array = in_array(j);
        if (!next_in_container(j, is_array ? ']' : '}')) {
            if (j->err)
                return false;
            continue; /* a container has ended */
        }
        if ((!is_array && !skip_key(j)) || !skip_scalar_or_open(j))
            return false;
    }
    return true;
}
