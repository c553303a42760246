/* log.c - see log.h. */
#include "serve/log.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/hash.h"
#include "base/num.h"
#include "model/json_put.h"
#include "os/os.h"

#define MILLISECONDS_END (sizeof("2026-11-21T07:49:21.123") - 1)

static const struct level_name {
    const char *text, *json;
} level_names[] = {
    { "DEBUG", "debug" }, { "INFO ", "info" }, { "WARN ", "warn" }, { "ERROR", "error" }
};

void kis_log_init(kis_log *log, int fd, kis_log_level level, bool is_json)
{
    *log = (kis_log){ .fd = fd, .level = level, .is_json = is_json };
    kis_lock_init(&log->lock, KIS_RANK_LOG);
}

void kis_log_done(kis_log *log)
{
    kis_lock_done(&log->lock);
}

bool kis_write_line(int fd, kis_str line)
{
    struct pollfd ready = { .fd = fd, .events = POLLOUT };

    if (fd < 0 || poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
        return false;
    ssize_t written;
    do
        written = write(fd, line.ptr, line.len);
    while (written < 0 && errno == EINTR);
    return written == (ssize_t)line.len;
}

/* Messages are of one kind when they differ only in digits and in what is quoted. */
static uint64_t kind_of(kis_str text)
{
    char kept[128];
    size_t len = 0;
    bool is_quoted = false;

    for (size_t i = 0; i < text.len && len < sizeof(kept); i++) {
        char c = text.ptr[i];
        if (c == '\'')
            is_quoted = !is_quoted;
        else if (!is_quoted && (c < '0' || c > '9'))
            kept[len++] = c;
    }
    uint64_t hash = kis_hash_str(kis_str_of(kept, len), 1);
    return hash ? hash : 1;
}

/* The slot of a kind: its own, an empty one, or the one that has been quiet for longest. */
static struct kis_log_kind *find_kind(kis_log *log, uint64_t hash)
{
    struct kis_log_kind *oldest = &log->kinds[0];

    for (size_t i = 0; i < KIS_LOG_KINDS; i++) {
        if (log->kinds[i].hash == hash)
            return &log->kinds[i];
        if (log->kinds[i].window_start_ns < oldest->window_start_ns)
            oldest = &log->kinds[i];
    }
    *oldest = (struct kis_log_kind){ .hash = hash };
    return oldest;
}

/* True: show it, and say that `left_out` more were not shown before. */
static bool may_show(kis_log *log, uint64_t hash, uint32_t *left_out)
{
    struct kis_log_kind *kind = find_kind(log, hash);
    uint64_t now_ns = kis_now_ns();

    if (kind->window_start_ns == 0 || now_ns - kind->window_start_ns > KIS_LOG_WINDOW_NS) {
        *left_out = kind->left_out;
        kind->window_start_ns = now_ns;
        kind->count = 0;
        kind->left_out = 0;
    }
    if (kind->count < KIS_LOG_BURST) {
        kind->count++;
        return true;
    }
    kind->left_out++;
    return false;
}

static void put_text_line(kis_buf *out, kis_log_level level, kis_str time, kis_str text,
                          uint32_t left_out)
{
    char escaped[KIS_LOG_LINE_MAX - 128];
    size_t len = kis_fmt_escape(escaped, sizeof(escaped), text);

    kis_buf_add_fmt(out, KIS_FMT " %s ", KIS_ARG(time), level_names[level].text);
    kis_buf_add(out, escaped, len);
    if (left_out)
        kis_buf_add_fmt(out, " (%u like it %s not shown)", left_out,
                        left_out == 1 ? "was" : "were");
}

static void put_json_line(kis_buf *out, kis_log_level level, kis_str time, kis_str text,
                          uint32_t left_out)
{
    kis_buf_add_fmt(out, "{\"time\":\"" KIS_FMT "\",\"level\":\"%s\",\"msg\":", KIS_ARG(time),
                    level_names[level].json);
    kis_json_put_str(out, kis_str_slice(text, 0, 600)); /* six bytes a character at worst */
    if (left_out)
        kis_buf_add_fmt(out, ",\"not_shown\":%u", left_out);
    kis_buf_add_byte(out, '}');
}

static void put_line(kis_log *log, kis_log_level level, kis_str text, uint32_t left_out)
{
    char line[KIS_LOG_LINE_MAX], time[KIS_NUM_TEXT_MAX];
    kis_buf out;
    kis_str when = { time, kis_time_format(kis_now_unix_ns(), time) };

    time[MILLISECONDS_END] = 'Z'; /* nobody reads nanoseconds in a log */
    when.len = MILLISECONDS_END + 1;
    kis_buf_init_fixed(&out, line, sizeof(line) - 1);
    (log->is_json ? put_json_line : put_text_line)(&out, level, when, text, left_out);
    line[out.len++] = '\n';
    if (!kis_write_line(log->fd, kis_buf_str(&out)))
        log->lost_lines++;
}

enum { UNLIMITED, BY_TEXT }; /* what write_v counts a line by; any other value is a kind's hash */

static void write_v(kis_log *log, kis_log_level level, uint64_t kind, const char *format,
                    va_list args)
{
    char text[1024];
    uint32_t left_out = 0;

    if (level < log->level)
        return;
    kis_str message = { text, kis_fmt_v(text, sizeof(text), format, args) };
    kis_lock_take(&log->lock);
    if (kind == BY_TEXT)
        kind = kind_of(message);
    if (kind == UNLIMITED || may_show(log, kind, &left_out))
        put_line(log, level, message, left_out);
    kis_lock_give(&log->lock);
}

void kis_log_write(kis_log *log, kis_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_v(log, level, BY_TEXT, format, args);
    va_end(args);
}

void kis_log_write_kind(kis_log *log, kis_log_level level, kis_str kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_v(log, level, kis_hash_str(kind, 2) | 2, format, args); /* neither of the two words */
    va_end(args);
}

void kis_log_always(kis_log *log, kis_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_v(log, level, UNLIMITED, format, args);
    va_end(args);
}
