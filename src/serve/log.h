/* log.h - the server's log: one line a message to a file descriptor, text or JSON, never blocking,
 * never flooding.
 *
 *     2026-11-21T07:49:21.123Z INFO  ready
 *     {"time":"2026-11-21T07:49:21.123Z","level":"info","msg":"ready"}
 *
 * A reader that stops reading (a full pipe) or goes away costs lines, which are counted, never
 * time. Messages that say the same but for numbers are one kind; a kind that comes more than
 * KIS_LOG_BURST times in KIS_LOG_WINDOW_NS is shown no more until the window ends, and then with
 * the number that was left out.
 */
#ifndef KIS_SERVE_LOG_H
#define KIS_SERVE_LOG_H

#include "os/thread.h"

typedef enum kis_log_level {
    KIS_LOG_DEBUG,
    KIS_LOG_INFO,
    KIS_LOG_WARN,
    KIS_LOG_ERROR
} kis_log_level;

#define KIS_LOG_LINE_MAX  4096 /* PIPE_BUF: one write of it is never mixed with another's */
#define KIS_LOG_KINDS     64
#define KIS_LOG_BURST     10
#define KIS_LOG_WINDOW_NS ((uint64_t)10 * 1000000000)

typedef struct kis_log {
    int fd;
    kis_log_level level;
    bool is_json;
    kis_lock lock; /* KIS_RANK_LOG; guards all below */
    struct kis_log_kind {
        uint64_t hash, window_start_ns;
        uint32_t count, left_out;
    } kinds[KIS_LOG_KINDS];
    uint64_t lost_lines; /* the reader was not there or not reading */
} kis_log;

void kis_log_init(kis_log *log, int fd, kis_log_level level, bool is_json);
void kis_log_done(kis_log *log);
/** Any thread. The text is escaped: control characters, line ends and broken UTF-8 cannot forge a
 * line or move a cursor. */
void kis_log_write(kis_log *log, kis_log_level level, const char *format, ...) KIS_PRINTF(3, 4);
/** The same where the text holds a sender's words, which could make each line a kind of its own:
 * lines of one `kind` are counted together, whatever they say. */
void kis_log_write_kind(kis_log *log, kis_log_level level, kis_str kind, const char *format, ...)
    KIS_PRINTF(4, 5);
/** The same as kis_log_write, never limited: for lines that come once, like the last one. */
void kis_log_always(kis_log *log, kis_log_level level, const char *format, ...) KIS_PRINTF(3, 4);

/** Writes without ever blocking; false: the reader is gone or full. For lines on stdout. */
bool kis_write_line(int fd, kis_str line);

#endif
