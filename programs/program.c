/* program.c - see program.h. */
#include "program.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fmt.h"
#include "os/mem.h"

#define HELP_BYTES_MAX ((size_t)64 << 10)

/* for a reader that has stopped reading: the sentence is not worth hanging for */
#define STDERR_WAIT_MS 1000

bool kis_program_print(int fd, kis_str text)
{
    struct pollfd has_room = { .fd = fd, .events = POLLOUT };

    if (fd == STDERR_FILENO && poll(&has_room, 1, STDERR_WAIT_MS) == 0)
        return false;
    while (text.len) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno == EAGAIN) {
            struct pollfd ready = { .fd = fd, .events = POLLOUT };
            poll(&ready, 1, -1);
        } else if (written < 0 && errno != EINTR) {
            return false;
        } else if (written > 0) {
            text = kis_str_slice(text, (size_t)written, text.len);
        }
    }
    return true;
}

static void print_sentence(const char *format, va_list args, kis_str tail)
{
    char text[1024], line[2048];
    kis_str message = { text, kis_fmt_v(text, sizeof(text), format, args) };
    char escaped[1024];
    size_t len = kis_fmt_escape(escaped, sizeof(escaped), message);

    kis_str whole = { line, kis_fmt(line, sizeof(line), "kiseki: " KIS_FMT KIS_FMT "\n", (int)len,
                                    escaped, KIS_ARG(tail)) };
    kis_program_print(STDERR_FILENO, whole);
}

int kis_program_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_sentence(format, args, KIS_STR_NONE);
    va_end(args);
    return KIS_EXIT_FAILED;
}

void kis_program_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_sentence(format, args, KIS_STR_NONE);
    va_end(args);
}

int kis_program_misuse(const char *verb, const char *format, ...)
{
    char tail[96];
    va_list args;

    va_start(args, format);
    print_sentence(
        format, args,
        kis_str_of(tail, kis_fmt(tail, sizeof(tail), " (kiseki %s --help says more)", verb)));
    va_end(args);
    return KIS_EXIT_USAGE;
}

static void print_help(const kis_program_options *options)
{
    kis_buf help;

    kis_buf_init(&help, &kis_mem, HELP_BYTES_MAX);
    kis_buf_add_str(&help, kis_str_from_c(options->usage));
    kis_options_help(options->rows, options->count, &help);
    kis_buf_add_str(&help, KIS_STR("\nSizes are 512MB or 10GiB, times 300ms, 1.5s, 72h. A name in "
                                   "brackets is the environment variable that says the same.\n"));
    kis_program_print(STDOUT_FILENO, kis_buf_str(&help));
    kis_buf_done(&help);
}

static bool read_environment(const kis_program_options *options, kis_diag *diag)
{
    for (size_t i = 0; i < options->count; i++) {
        const char *value = options->rows[i].env ? getenv(options->rows[i].env) : NULL;
        if (!value || !*value)
            continue;
        if (kis_option_set_env(&options->rows[i], kis_str_from_c(value), options->into, diag))
            return false;
    }
    return true;
}

bool kis_program_read_options(const kis_program_options *options, int argc, char **argv, int *next,
                              int *exit_code)
{
    kis_diag diag = { 0 };

    for (int i = 1; i < argc; i++) {
        kis_str word = kis_str_from_c(argv[i]);
        if (kis_str_eq(word, KIS_STR("--")))
            break;
        if (kis_str_eq(word, KIS_STR("--help")) || kis_str_eq(word, KIS_STR("-h"))) {
            print_help(options);
            *exit_code = KIS_EXIT_OK;
            return false;
        }
        if (kis_str_eq(word, KIS_STR("--version")) || kis_str_eq(word, KIS_STR("-V")) ||
            kis_str_eq(word, KIS_STR("-v"))) {
            kis_program_print(STDOUT_FILENO, KIS_STR("kiseki " KIS_VERSION "\n"));
            *exit_code = KIS_EXIT_OK;
            return false;
        }
    }
    if (kis_options_default(options->rows, options->count, options->into, &diag) ||
        !read_environment(options, &diag) ||
        kis_options_parse_args(options->rows, options->count, argc, argv, 1, options->into, next,
                               &diag)) {
        *exit_code = kis_program_misuse(options->verb, "%s", diag.text);
        return false;
    }
    return true;
}

kis_err kis_program_read_url(kis_str text, uint16_t usual_port, char room[KIS_PROGRAM_URL_MAX],
                             kis_url *out, kis_diag *diag)
{
    kis_str rest = text, authority = kis_str_cut(&rest, '/'), after_bracket = authority;

    if (kis_str_find(text, KIS_STR("://")) != KIS_STR_NPOS || text.len == 0 ||
        kis_str_starts(text, KIS_STR("unix:")))
        return kis_url_parse(text, out, diag);
    if (text.len > KIS_PROGRAM_URL_MAX - 16)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "too long for an address");
    if (kis_str_find_char(authority, ']') != KIS_STR_NPOS)
        kis_str_cut(&after_bracket, ']');
    bool has_port = kis_str_find_char(after_bracket, ':') != KIS_STR_NPOS;
    kis_err err = kis_url_parse(
        kis_str_of(room, kis_fmt(room, KIS_PROGRAM_URL_MAX, "http://" KIS_FMT, KIS_ARG(text))), out,
        diag);
    if (!err && !has_port)
        out->port = usual_port;
    return err;
}

/* XDG base directory specification: only absolute paths count. */
bool kis_program_data_dir(char room[KIS_PROGRAM_DIR_MAX], kis_str *out)
{
    const char *data_home = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (data_home && data_home[0] == '/')
        *out = kis_str_of(room, kis_fmt(room, KIS_PROGRAM_DIR_MAX, "%s/kiseki", data_home));
    else if (home && home[0] == '/')
        *out = kis_str_of(room, kis_fmt(room, KIS_PROGRAM_DIR_MAX, "%s/.local/share/kiseki", home));
    else
        return false;
    return out->len < KIS_PROGRAM_DIR_MAX - 1;
}
