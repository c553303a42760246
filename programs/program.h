/* program.h - what the sub-verbs of `kiseki` share: how they are named, how they fail, how they
 * read options. */
#ifndef KIS_PROGRAMS_PROGRAM_H
#define KIS_PROGRAMS_PROGRAM_H

#include "base/option.h"
#include "http/url.h"

/* Exit codes. */
enum { KIS_EXIT_OK = 0, KIS_EXIT_FAILED = 1, KIS_EXIT_USAGE = 2 };

typedef struct kis_verb {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
} kis_verb;

int kis_verb_serve(int argc, char **argv);
int kis_verb_query(int argc, char **argv);
int kis_verb_load(int argc, char **argv);
int kis_verb_check(int argc, char **argv);

/** One sentence on stderr, "kiseki: …"; answers KIS_EXIT_FAILED. */
int kis_program_fail(const char *format, ...) KIS_PRINTF(1, 2);
/** The same where the program goes on. */
void kis_program_warn(const char *format, ...) KIS_PRINTF(1, 2);
/** A failure with "kiseki VERB --help says more"; answers KIS_EXIT_USAGE. */
int kis_program_misuse(const char *verb, const char *format, ...) KIS_PRINTF(2, 3);

typedef struct kis_program_options {
    const char *verb, *usage; /* usage: what stands above the options in --help */
    const kis_option *rows;
    size_t count;
    void *into;
} kis_program_options;

/** Defaults, then the environment, then argv[1..]. True: go on, `next` is the first word that is no
 * option. False: end with `exit_code`
 *  (--help or --version was asked for, or something was wrong and has been said). */
bool kis_program_read_options(const kis_program_options *options, int argc, char **argv, int *next,
                              int *exit_code);

#define KIS_PROGRAM_DIR_MAX 1024

/** Where spans are kept when nobody says: $XDG_DATA_HOME/kiseki, else ~/.local/share/kiseki. False:
 * neither variable says. */
bool kis_program_data_dir(char room[KIS_PROGRAM_DIR_MAX], kis_str *out);

#define KIS_PROGRAM_URL_MAX 2048

/** An address as people type it: a URL, or ADDR[:PORT], which is http and, when it names no port,
 * `usual_port`. The URL borrows from `text` and `room`. */
kis_err kis_program_read_url(kis_str text, uint16_t usual_port, char room[KIS_PROGRAM_URL_MAX],
                             kis_url *out, kis_diag *diag) KIS_CHECKED;

/** All of `text` to a descriptor, waiting where need be; false: it cannot be written. */
bool kis_program_print(int fd, kis_str text);

#endif
