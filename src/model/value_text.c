/* value_text.c - the text form of an attribute's value: what Jaeger shows and matches by.
 *
 *     text as it is | true | -17 | 0.1 | base64 of bytes | [1,"two"] | {"key":3}
 *
 * One walk for two uses: written into a buffer, or compared with a text piece by piece, which needs
 * no memory however long the value is. Nesting is walked with a stack of KIS_VALUE_DEPTH_MAX
 * levels; what is deeper (only damage makes it) is `null`.
 */
#include "model/attr.h"

#include "base/num.h"
#include "model/json_put.h"
#include "model/limits.h"
#include "model/value_text.h"

#define PIECE_BYTES 96 /* of text or bytes at a time; a multiple of 3 for base64 */

typedef struct text_target {
    kis_buf *out;   /* NULL: compare */
    kis_str expect; /* what is still to be met */
    bool is_equal;
} text_target;

typedef struct text_level {
    kis_member_cursor members;
    bool has_any;
} text_level;

static void target_add(text_target *t, const void *ptr, size_t len)
{
    if (t->out) {
        kis_buf_add(t->out, ptr, len);
    } else if (t->is_equal && len) {
        t->is_equal = len <= t->expect.len && memcmp(ptr, t->expect.ptr, len) == 0;
        if (t->is_equal)
            t->expect = (kis_str){ t->expect.ptr + len, t->expect.len - len };
    }
}

static void target_add_json_str(text_target *t, kis_str s)
{
    uint8_t memory[PIECE_BYTES * 6];
    target_add(t, "\"", 1);
    while (s.len && t->is_equal) {
        size_t size = s.len <= PIECE_BYTES ? s.len : kis_utf8_cut_bytes(s, PIECE_BYTES);
        if (size == 0 || size > PIECE_BYTES)
            size = PIECE_BYTES; /* not UTF-8: damage; any cut will do */
        kis_buf piece;
        kis_buf_init_fixed(&piece, memory, sizeof memory);
        kis_json_put_escaped(&piece, (kis_str){ s.ptr, size });
        target_add(t, piece.ptr, piece.len);
        s = (kis_str){ s.ptr + size, s.len - size };
    }
    target_add(t, "\"", 1);
}

static void target_add_base64(text_target *t, kis_bytes b)
{
    char text[PIECE_BYTES / 3 * 4];
    while (b.len && t->is_equal) {
        size_t size = KIS_MIN(b.len, (size_t)PIECE_BYTES);
        kis_base64_format((kis_bytes){ b.ptr, size }, text);
        target_add(t, text, kis_base64_size(size));
        b = (kis_bytes){ b.ptr + size, b.len - size };
    }
}

/* Everything that is not a container; `is_json`: inside one, where texts and bytes have quotes. */
static void target_add_scalar(text_target *t, const kis_value_view *value, bool is_json)
{
    char text[KIS_NUM_TEXT_MAX];
    bool is_word = false;
    switch (value->kind) {
    case KIS_VALUE_STR:
        if (is_json)
            target_add_json_str(t, value->str);
        else
            target_add(t, value->str.ptr, value->str.len);
        break;
    case KIS_VALUE_BOOL:
        target_add(t, value->boolean ? "true" : "false", value->boolean ? 4 : 5);
        break;
    case KIS_VALUE_INT:
        target_add(t, text, kis_i64_format(value->integer, text));
        break;
    case KIS_VALUE_DOUBLE:
        is_word = is_json && !(value->number - value->number == 0);
        target_add(t, "\"", is_word);
        target_add(t, text, kis_f64_format(value->number, text));
        target_add(t, "\"", is_word);
        break;
    case KIS_VALUE_BYTES:
        target_add(t, "\"", is_json);
        target_add_base64(t, value->bytes);
        target_add(t, "\"", is_json);
        break;
    default:
        if (is_json)
            target_add(t, "null", 4);
    }
}

static text_level text_open_level(text_target *t, const kis_value_view *value)
{
    text_level level = { kis_members_begin(value), false };
    target_add(t, level.members.has_keys ? "{" : "[", 1);
    return level;
}

/* The next value of a level, its comma and key written; false at the end. */
static bool text_next_member(text_target *t, text_level *level, kis_value_view *out)
{
    kis_str key;
    if (!kis_members_next(&level->members, &key, out))
        return false;
    target_add(t, ",", level->has_any);
    level->has_any = true;
    if (level->members.has_keys) {
        target_add_json_str(t, key);
        target_add(t, ":", 1);
    }
    return true;
}

static void target_add_container(text_target *t, const kis_value_view *value)
{
    text_level stack[KIS_VALUE_DEPTH_MAX + 1];
    size_t depth = 0;

    stack[depth++] = text_open_level(t, value);
    while (depth > 0 && t->is_equal) {
        text_level *level = &stack[depth - 1];
        kis_value_view member;
        if (!text_next_member(t, level, &member)) {
            target_add(t, level->members.has_keys ? "}" : "]", 1);
            depth--;
        } else if (!kis_value_is_container(&member)) {
            target_add_scalar(t, &member, true);
        } else if (depth == KIS_COUNT_OF(stack)) {
            target_add(t, "null", 4);
        } else {
            stack[depth++] = text_open_level(t, &member);
        }
    }
}

void kis_value_text(kis_value_view value, kis_buf *out)
{
    text_target target = { .out = out, .is_equal = true };
    if (kis_value_is_container(&value))
        target_add_container(&target, &value);
    else
        target_add_scalar(&target, &value, false);
}

bool kis_value_text_is(kis_value_view value, kis_str text)
{
    text_target target = { .expect = text, .is_equal = true };
    if (value.kind == KIS_VALUE_STR)
        return kis_str_eq(value.str, text);
    if (kis_value_is_container(&value))
        target_add_container(&target, &value);
    else
        target_add_scalar(&target, &value, false);
    return target.is_equal && target.expect.len == 0;
}
