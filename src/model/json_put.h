/* json_put.h - JSON's scalars, written. What is written is always valid JSON in valid UTF-8,
 * whatever the bytes were.
 *
 * Here and not in wire/, because the text form of an attribute (kis_value_text) contains JSON;
 * wire/json.h adds the rest.
 */
#ifndef KIS_MODEL_JSON_PUT_H
#define KIS_MODEL_JSON_PUT_H

#include "base/buf.h"

/** A string with its quotes: control characters, quote and backslash escaped, invalid UTF-8 as
 * U+FFFD. */
void kis_json_put_str(kis_buf *out, kis_str s);
/** The same without quotes. */
void kis_json_put_escaped(kis_buf *out, kis_str s);
/** Shortest number that reads back; "NaN", "Infinity", "-Infinity" as strings (proto3 JSON). */
void kis_json_put_f64(kis_buf *out, double value);
/** Lower-case hex with quotes: ids. */
void kis_json_put_hex(kis_buf *out, const uint8_t *bytes, size_t size);
/** Base64 without quotes. */
void kis_json_put_base64(kis_buf *out, kis_bytes bytes);
/** Copies text, replacing each maximal invalid piece by U+FFFD (the practice of Unicode 3.9,
 * "substitution of maximal subparts"). */
void kis_utf8_put_repaired(kis_buf *out, kis_str s);
/** Length of the ill-formed piece that begins `s`, which does not begin with a valid character: one
 * U+FFFD stands for it. At least 1. */
size_t kis_utf8_bad_piece(kis_str s);

#endif
