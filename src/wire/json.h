/* json.h - reading JSON by pulling what one expects; no tree, no recursion. (Writing:
 * model/json_put.h.)
 *
 *     kis_json j;
 *     kis_json_begin(&j, bytes, arena);
 *     for (kis_json_object(&j); kis_json_member(&j, &key);) {
 *         if (kis_str_eq(key, KIS_STR("name"))) kis_json_str(&j, &name);
 *         else kis_json_skip(&j);
 *     }
 *     if (!kis_json_end(&j)) … j.err, j.what, kis_json_offset(&j)
 *
 * Every call says whether it could; after a failure all others fail too, so a reader looks once, at
 * the end. A member's or item's value must be consumed (read or skipped) before the next is asked
 * for.
 */
#ifndef KIS_WIRE_JSON_H
#define KIS_WIRE_JSON_H

#include "base/arena.h"
#include "base/cursor.h"
#include "model/json_put.h"
#include "model/limits.h"

typedef enum kis_json_kind {
    KIS_JSON_NONE, /* the end, or nothing that begins a value */
    KIS_JSON_NULL,
    KIS_JSON_BOOL,
    KIS_JSON_NUMBER,
    KIS_JSON_STRING,
    KIS_JSON_ARRAY,
    KIS_JSON_OBJECT,
} kis_json_kind;

typedef struct kis_json {
    const uint8_t *at, *end, *start;
    kis_arena *arena; /* for texts that contain escapes; others borrow from the input */
    const char *what; /* what was wrong, or wanted */
    /* SYNTAX, RANGE (a number that does not fit), LIMIT (nesting, arena), NOMEM */
    kis_err err;
    uint32_t depth; /* open objects and arrays; at most KIS_JSON_DEPTH_MAX */
    bool is_first;  /* the innermost container was just opened: no comma is due */
    uint64_t is_array[(KIS_JSON_DEPTH_MAX + 63) / 64]; /* a bit a level */
} kis_json;

void kis_json_begin(kis_json *j, kis_bytes text, kis_arena *arena);
/** True when everything was read and only white space is left. */
bool kis_json_end(kis_json *j);
static inline size_t kis_json_offset(const kis_json *j)
{
    return (size_t)(j->at - j->start);
}
/** Sets the error, unless there is one; answers false. */
bool kis_json_fail(kis_json *j, kis_err err, const char *what);

kis_json_kind kis_json_peek(kis_json *j);
bool kis_json_object(kis_json *j);
/** The next member's key, its value to be consumed; false at the closing brace (consumed) and after
 * an error. */
bool kis_json_member(kis_json *j, kis_str *key);
/** The two halves of kis_json_member, for a reader who compares keys where they stand: is there
 * another member (then j->at is its key's quote), and its key, which ends behind the colon. */
bool kis_json_has_member(kis_json *j);
bool kis_json_key(kis_json *j, kis_str *key);
bool kis_json_array(kis_json *j);
/** True when another item waits to be consumed; false at the closing bracket (consumed) and after
 * an error. */
bool kis_json_item(kis_json *j);
bool kis_json_null_slowly(kis_json *j);
/** True and consumed when it is null; else false, and no error. */
static inline bool kis_json_null(kis_json *j)
{
    if (KIS_LIKELY(j->at<j->end && * j->at> ' ' && *j->at != 'n'))
        return false;
    return kis_json_null_slowly(j);
}
bool kis_json_bool(kis_json *j, bool *out);
/** Bytes of a string with escapes undone; a lone surrogate is U+FFFD. Whether the rest is UTF-8 is
 * not looked at. */
bool kis_json_str(kis_json *j, kis_str *out);
/** The digits of a number as they stand. */
bool kis_json_number(kis_json *j, kis_str *out);
/** A number, or a string that holds one (proto3 JSON); 1e3 and 5.0 are integers, 0.5 is not. Exact
 * over all 64 bits. */
bool kis_json_u64(kis_json *j, uint64_t *out);
bool kis_json_i64(kis_json *j, int64_t *out);
/** Also the strings "NaN", "Infinity", "-Infinity". A number beyond a double is RANGE. */
bool kis_json_f64(kis_json *j, double *out);
bool kis_json_skip(kis_json *j); /* any value */

/** Where a string's inside that begins at `p` has its first quote, backslash or control character;
 * `end` when there is none. */
const uint8_t *kis_json_end_of_plain(const uint8_t *p, const uint8_t *end);

#endif
