/* fmt.h - formatting without a C library.
 *
 * Understands %s %.*s %c %d %i %u %x %X %p %% with the lengths hh h l ll z j t, the flags 0 and -
 * and a width; for doubles %g (shortest text that reads back the same) and %.3f (up to nine digits
 * behind the point). Anything else is written as it stands, with all that follows it. Output is
 * cut, never overrun, and always ends in NUL when size > 0.
 */
#ifndef KIS_BASE_FMT_H
#define KIS_BASE_FMT_H

#include <stdarg.h>

#include "base/str.h"

/** "%llu span%s": the s of more than one. */
#define KIS_PLURAL(count) ((count) == 1 ? "" : "s")

/** Answers the length that was written (not the length wanted), without the NUL. */
size_t kis_fmt(char *to, size_t size, const char *format, ...) KIS_PRINTF(3, 4);
size_t kis_fmt_v(char *to, size_t size, const char *format, va_list args);

/** Copies `s` into `to` with control characters, DEL, and invalid UTF-8 written as \n, \x1b, …:
 * safe for logs and terminals. Answers the length written; ends in NUL when size > 0. */
size_t kis_fmt_escape(char *to, size_t size, kis_str s);

#endif
