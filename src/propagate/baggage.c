/* baggage.c - names and values that travel with a request.
 *
 *     list   = member *( OWS "," OWS member )
 *     member = token OWS "=" OWS *octet *( OWS ";" OWS property )
 *     octet  = 0x21-0x7e but  "  ,  ;  \        everything else as %xx of its UTF-8
 *
 * Percent signs that begin no code stand for themselves; bytes that are no UTF-8 once decoded
 * become U+FFFD (W3C Baggage 3.3.1.1). Decoding never makes a value longer: three characters become
 * one byte, and that byte at most three.
 */
#include "propagate/baggage.h"

#include "base/num.h"
#include "model/json_put.h"

static bool is_token_char(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c && kis_str_find_char(KIS_STR("!#$%&'*+-.^_`|~"), c) != KIS_STR_NPOS;
}

static bool is_baggage_token(kis_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char(s.ptr[i]))
            return false;
    return s.len > 0;
}

static bool is_octet(char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

/* Visible characters, spaces and tabs, without the comma that would end the member. */
static bool is_metadata(kis_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.ptr[i] < 0x20 && s.ptr[i] != '\t') || s.ptr[i] >= 0x7f || s.ptr[i] == ',')
            return false;
    return true;
}

/* Undoes percent coding in `memory`, which holds text.len bytes. False: a character that may not
 * stand in a value. */
static bool baggage_decode_value(kis_str text, char *memory, kis_str *out)
{
    size_t len = 0;
    bool has_codes = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!is_octet(c))
            return false;
        if (c == '%' && text.len - i > 2 && kis_hex_digit(text.ptr[i + 1]) >= 0 &&
            kis_hex_digit(text.ptr[i + 2]) >= 0) {
            c = (char)(kis_hex_digit(text.ptr[i + 1]) << 4 | kis_hex_digit(text.ptr[i + 2]));
            i += 2;
            has_codes = true;
        }
        memory[len++] = c;
    }
    *out = has_codes ? (kis_str){ memory, len } : text;
    if (!has_codes || kis_utf8_is_valid(*out))
        return true;
    /* Repaired in place: what was decoded moves to the end of the room and is written from the
     * front. A byte that is bad was three characters, and becomes three bytes: writing never
     * overtakes reading. */
    memmove(memory + text.len - len, memory, len);
    kis_str rest = { memory + text.len - len, len };
    for (len = 0; rest.len;) {
        size_t good = kis_utf8_valid_prefix(rest);
        memmove(memory + len, rest.ptr, good);
        len += good;
        rest = (kis_str){ rest.ptr + good, rest.len - good };
        if (rest.len == 0)
            break;
        size_t bad = kis_utf8_bad_piece(rest);
        rest = (kis_str){ rest.ptr + bad, rest.len - bad };
        memcpy(memory + len, "\xef\xbf\xbd", 3);
        len += 3;
    }
    *out = (kis_str){ memory, len };
    return true;
}

static bool read_member(kis_str text, char *memory, kis_baggage_member *out)
{
    kis_str rest = text;
    kis_str pair = kis_str_cut(&rest, ';');
    if (kis_str_find_char(pair, '=') == KIS_STR_NPOS)
        return false;
    out->name = kis_str_trim(kis_str_cut(&pair, '='));
    out->metadata = kis_str_trim(rest);
    return is_baggage_token(out->name) && is_metadata(out->metadata) &&
           baggage_decode_value(kis_str_trim(pair), memory, &out->value);
}

bool kis_baggage_next(kis_str *rest, char *memory, kis_baggage_member *out, uint32_t *malformed)
{
    while (rest->ptr && rest->len) {
        kis_str text = kis_str_trim(kis_str_cut(rest, ','));
        if (text.len == 0)
            continue;
        if (read_member(text, memory, out))
            return true;
        ++*malformed;
    }
    return false;
}

/* ---- a set ----------------------------------------------------------------------------------- */

static uint32_t baggage_position(const kis_baggage *b, kis_str name)
{
    uint32_t i = 0;
    while (i < b->count && !kis_str_eq(b->members[i].name, name))
        i++;
    return i;
}

static bool baggage_place(kis_baggage *b, const kis_baggage_member *member)
{
    uint32_t at = baggage_position(b, member->name);
    if (at == KIS_BAGGAGE_MEMBERS_MAX)
        return false;
    b->members[at] = *member;
    b->count += at == b->count;
    return true;
}

kis_err kis_baggage_parse(kis_baggage *b, kis_str header)
{
    uint32_t malformed = 0;
    kis_baggage_member member;

    bool is_too_long = header.len > KIS_BAGGAGE_BYTES_MAX - b->header_bytes;
    if (is_too_long) { /* up to the last comma that is within bounds */
        header.len = KIS_BAGGAGE_BYTES_MAX - b->header_bytes;
        while (header.len && header.ptr[header.len - 1] != ',')
            header.len--;
    }
    b->header_bytes = is_too_long ? KIS_BAGGAGE_BYTES_MAX : b->header_bytes + (uint32_t)header.len;
    /* a copy of the header: names, metadata and uncoded values point into it, decoded values take
     * their own text's place */
    char *copy = b->text + b->text_len;
    if (header.len)
        memcpy(copy, header.ptr, header.len);
    b->text_len += (uint32_t)header.len;
    kis_str rest = { copy, header.len };
    char decoded[KIS_BAGGAGE_BYTES_MAX];
    while (kis_baggage_next(&rest, decoded, &member, &malformed)) {
        if (member.value.ptr == decoded) {
            /* behind the name at least '=' and the coded value */
            char *place = (char *)member.name.ptr + member.name.len + 1;
            memcpy(place, decoded, member.value.len);
            member.value.ptr = place;
        }
        if (!baggage_place(b, &member))
            return KIS_ERR_LIMIT;
    }
    return is_too_long ? KIS_ERR_LIMIT : malformed ? KIS_ERR_SYNTAX : KIS_OK;
}

kis_err kis_baggage_put(kis_baggage *b, kis_str name, kis_str value, kis_str metadata)
{
    if (!is_baggage_token(name) || !is_metadata(metadata))
        return KIS_ERR_SYNTAX;
    return baggage_place(b, &(kis_baggage_member){ name, value, kis_str_trim(metadata) })
               ? KIS_OK
               : KIS_ERR_LIMIT;
}

bool kis_baggage_take_out(kis_baggage *b, kis_str name)
{
    uint32_t at = baggage_position(b, name);
    if (at == b->count)
        return false;
    b->count--;
    memmove(&b->members[at], &b->members[at + 1], (b->count - at) * sizeof b->members[0]);
    return true;
}

const kis_baggage_member *kis_baggage_find(const kis_baggage *b, kis_str name)
{
    uint32_t at = baggage_position(b, name);
    return at < b->count ? &b->members[at] : NULL;
}

/* ---- out ------------------------------------------------------------------------------------- */

static bool travels_plain(char c)
{
    return is_octet(c) && c != '%';
}

static char *encode_value(kis_str value, char *to)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (travels_plain(c)) {
            *to++ = c;
            continue;
        }
        *to++ = '%';
        *to++ = digits[(uint8_t)c >> 4];
        *to++ = digits[(uint8_t)c & 15];
    }
    return to;
}

size_t kis_baggage_member_size(const kis_baggage_member *member)
{
    size_t size = member->name.len + 1 + member->value.len;

    if (!is_baggage_token(member->name) || !is_metadata(member->metadata))
        return 0;
    for (size_t i = 0; i < member->value.len; i++)
        size += travels_plain(member->value.ptr[i]) ? 0 : 2;
    return member->metadata.len ? size + 1 + member->metadata.len : size;
}

size_t kis_baggage_member_format(const kis_baggage_member *member, char *out, size_t size)
{
    size_t len = kis_baggage_member_size(member);
    char *to = out;

    if (len == 0 || len > size)
        return 0;
    memcpy(to, member->name.ptr, member->name.len);
    to += member->name.len;
    *to++ = '=';
    to = encode_value(member->value, to);
    if (member->metadata.len) {
        *to++ = ';';
        memcpy(to, member->metadata.ptr, member->metadata.len);
    }
    return len;
}

size_t kis_baggage_format(const kis_baggage *b, char *out, size_t size)
{
    size_t len = 0;
    size = KIS_MIN(size, (size_t)KIS_BAGGAGE_BYTES_MAX);
    for (uint32_t i = 0; i < b->count; i++) {
        size_t comma = len > 0;
        if (size - len <= comma)
            break;
        size_t member =
            kis_baggage_member_format(&b->members[i], out + len + comma, size - len - comma);
        if (member == 0)
            continue;
        if (comma)
            out[len] = ',';
        len += comma + member;
    }
    return len;
}
