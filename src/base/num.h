/* num.h - numbers to text and back, exactly. No locale, no C library. */
#ifndef KIS_BASE_NUM_H
#define KIS_BASE_NUM_H

#include "base/str.h"

#define KIS_NUM_TEXT_MAX 32 /* every number of this header fits with room to spare */

size_t kis_u64_format(uint64_t value, char out[KIS_NUM_TEXT_MAX]); /* answers the length, no NUL */
size_t kis_i64_format(int64_t value, char out[KIS_NUM_TEXT_MAX]);
/** Shortest text that reads back to the same double, JSON-legal ("1e21", "0.1", "-0"); NaN,
 * Infinity, -Infinity as these words. */
size_t kis_f64_format(double value, char out[KIS_NUM_TEXT_MAX]);

/** The whole text must be the number. SYNTAX: not one. RANGE: does not fit. `out` untouched on
 * error. */
kis_err kis_u64_parse(kis_str text, uint64_t *out) KIS_CHECKED;
kis_err kis_i64_parse(kis_str text, int64_t *out) KIS_CHECKED;
/** JSON's number grammar, correctly rounded. RANGE: would be infinite. */
kis_err kis_f64_parse(kis_str text, double *out) KIS_CHECKED;

/** The value of a hex digit of either case, 0 to 15; -1: none. */
int kis_hex_digit(char c);
/** Lower-case hex of `size` bytes into 2 * size characters, no NUL. */
void kis_hex_format(const uint8_t *bytes, size_t size, char *out);
/** Exactly 2 * size digits. SYNTAX otherwise. Upper case passes only where `any_case` says so. */
kis_err kis_hex_parse(kis_str text, bool any_case, uint8_t *out, size_t size) KIS_CHECKED;

/** "1.5s", "300ms", "100us", "1h2m", "7d": units ns us µs ms s m h d. Go's grammar and days. */
kis_err kis_duration_parse(kis_str text, int64_t *out_ns) KIS_CHECKED;
size_t kis_duration_format(int64_t ns, char out[KIS_NUM_TEXT_MAX]); /* "72h", "1.5s", "300ms" */
/** "10GiB", "512MB", "4096": K M G T with i (1024) or without (1000), B optional. */
kis_err kis_size_parse(kis_str text, uint64_t *out_bytes) KIS_CHECKED;
size_t kis_size_format(uint64_t bytes, char out[KIS_NUM_TEXT_MAX]); /* "10.0 GiB" */

/** RFC 3339 in UTC with up to nine digits: "2026-11-21T07:49:21.123456789Z". Reads any offset.
 * Years 1970 to 2554. */
kis_err kis_time_parse(kis_str text, uint64_t *out_unix_ns) KIS_CHECKED;
size_t kis_time_format(uint64_t unix_ns, char out[KIS_NUM_TEXT_MAX]);

/** Base64 (standard alphabet); decoding takes standard and URL alphabet, padded or not. */
size_t kis_base64_size(size_t bytes);
void kis_base64_format(kis_bytes bytes, char *out);
kis_err kis_base64_parse(kis_str text, uint8_t *out, size_t size, size_t *out_len) KIS_CHECKED;

#endif
