/* check.c - `kiseki check`: reads every byte of a data directory and says what is damaged. */
#include <unistd.h>

#include "program.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "os/mem.h"
#include "store/store.h"

static const char usage[] = "kiseki check - read every byte of a data directory and say what is "
                            "damaged\n\n    kiseki check [--data DIR] [--repair-log]\n\n"
                            "Changes nothing without --repair-log. A directory that a server has "
                            "open is refused. Exit code 0: sound, 1: damaged or not readable.\n\n";

typedef struct check_options {
    kis_str data;
    bool repair_log;
} check_options;

static const kis_option rows[] = {
    { "data", "KISEKI_DATA", KIS_OPT_TEXT, offsetof(check_options, data), NULL, NULL, NULL, "DIR",
      "The data directory. Default: that of kiseki serve, $XDG_DATA_HOME/kiseki or "
      "~/.local/share/kiseki." },
    { "repair-log", NULL, KIS_OPT_BOOL, offsetof(check_options, repair_log), NULL, NULL, NULL, NULL,
      "First write each log file whose damage stops a start anew, with what reads of it. The "
      "damaged file stays as damaged-log-….wal." },
};

static void print_finding(void *user, const char *text)
{
    char escaped[1024];
    size_t len = kis_fmt_escape(escaped, sizeof(escaped) - 1, kis_str_from_c(text));

    (void)user;
    escaped[len++] = '\n';
    kis_program_print(STDOUT_FILENO, kis_str_of(escaped, len));
}

int kis_verb_check(int argc, char **argv)
{
    check_options options;
    kis_program_options read = { "check", usage, rows, KIS_COUNT_OF(rows), &options };
    char data_room[KIS_PROGRAM_DIR_MAX];
    kis_diag diag = { 0 };
    int next, exit_code;

    if (!kis_program_read_options(&read, argc, argv, &next, &exit_code))
        return exit_code;
    if (next < argc)
        return kis_program_misuse("check", "'%s' is not an option", argv[next]);
    if (!options.data.len && !kis_program_data_dir(data_room, &options.data))
        return kis_program_misuse(
            "check", "neither XDG_DATA_HOME nor HOME says where spans are kept; use --data DIR");
    kis_err err = KIS_OK;
    if (options.repair_log)
        err =
            kis_store_repair_log(kis_os_real(), &kis_mem, options.data, print_finding, NULL, &diag);
    if (err == KIS_OK)
        err = kis_store_check(kis_os_real(), &kis_mem, options.data, print_finding, NULL, &diag);
    if (err == KIS_OK)
        return KIS_EXIT_OK;
    return kis_program_fail("%s", diag.text[0] ? diag.text : kis_err_text(err));
}
