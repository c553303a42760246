/* base.h - the words every other header is written in: text, bytes, errors, and where an error
 * happened.
 *
 * Nothing here allocates. Any thread, unless a function says otherwise.
 */
#ifndef KISEKI_BASE_H
#define KISEKI_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIS_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KIS_API                 __attribute__((visibility("default")))
#define KIS_CHECKED             __attribute__((warn_unused_result))
#define KIS_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define KIS_API
#define KIS_CHECKED
#define KIS_PRINTF(format, first)
#endif

/** Borrowed text: UTF-8 unless said otherwise, no NUL at its end. All zeros is the empty text. */
typedef struct kis_str {
    const char *ptr;
    size_t len;
} kis_str;

/** Borrowed bytes. All zeros is no bytes. */
typedef struct kis_bytes {
    const uint8_t *ptr;
    size_t len;
} kis_bytes;

/** Text from a literal: as a value, and as an initialiser of static data. */
#define KIS_STR(literal) ((kis_str){ "" literal "", sizeof(literal) - 1 })
#define KIS_STR_INIT(literal)              \
    {                                      \
        "" literal "", sizeof(literal) - 1 \
    }

/** For printf-like formats: "" KIS_FMT "" takes KIS_ARG(str). */
#define KIS_FMT      "%.*s"
#define KIS_ARG(str) (int)(str).len, (str).ptr

/**
 * Every error there is, sorted by what the caller can do about it.
 * The rows are: name, value, HTTP status, gRPC status, text. Enum, text and answers come from here.
 *
 *   change the input   SYNTAX   malformed: reject it, the same bytes never pass
 *                      RANGE    well formed, but a value that may not be
 *                      LIMIT    larger than a bound that has a name (limits.h)
 *   wait               FULL     no room now: try again later
 *                      MORE     the input ends too early: bring more bytes
 *   look elsewhere     NOT_FOUND
 *   give up            NOMEM IO CORRUPT TIMEOUT CLOSED UNSUPPORTED
 */
#define KIS_ERR_LIST(X)                                  \
    X(OK, 0, 200, 0, "no error")                         \
    X(ERR_SYNTAX, 1, 400, 3, "malformed")                \
    X(ERR_RANGE, 2, 400, 3, "value out of range")        \
    X(ERR_LIMIT, 3, 413, 8, "limit exceeded")            \
    X(ERR_FULL, 4, 503, 14, "no room now")               \
    X(ERR_MORE, 5, 400, 3, "ends too early")             \
    X(ERR_NOT_FOUND, 6, 404, 5, "not found")             \
    X(ERR_NOMEM, 7, 503, 14, "out of memory")            \
    X(ERR_IO, 8, 503, 14, "input or output failed")      \
    X(ERR_CORRUPT, 9, 500, 15, "stored data is damaged") \
    X(ERR_TIMEOUT, 10, 504, 4, "time is up")             \
    X(ERR_CLOSED, 11, 503, 14, "closed")                 \
    X(ERR_UNSUPPORTED, 12, 501, 12, "not supported")

typedef enum kis_err {
#define KIS_ERR_ENUM(name, value, http, grpc, text) KIS_##name = value,
    KIS_ERR_LIST(KIS_ERR_ENUM)
#undef KIS_ERR_ENUM
} kis_err;

/** The text of an error, never NULL. An unknown value gives "unknown error". */
KIS_API const char *kis_err_text(kis_err err);

#define KIS_DIAG_TEXT_MAX 256

/**
 * Where and what: filled by the function that fails, owned by the caller, who may pass NULL
 * instead. Each level that passes an error on puts its words in front: "segment 'a.seg': 3 bytes, a
 * header has 64". The text ends in NUL and is cut, never overrun; control characters are escaped.
 */
typedef struct kis_diag {
    kis_err err;
    char text[KIS_DIAG_TEXT_MAX];
} kis_diag;

/** The version of the library that runs, "0.1.0"; KIS_VERSION is the one that was compiled against.
 */
KIS_API const char *kis_version(void);

#ifdef __cplusplus
}
#endif
#endif
