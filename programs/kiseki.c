/* kiseki.c - the program: finds the sub-verb and hands over. */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "program.h"

#include "base/diag.h"

static const kis_verb verbs[] = {
    { "serve", "receive, store and show spans: OTLP in, Jaeger's query API and a page out",
      kis_verb_serve },
    { "query",
      "services, operations, traces, one trace, dependencies: the same on the command line",
      kis_verb_query },
    { "load", "send realistic spans at a rate and measure the answers", kis_verb_load },
    { "check", "read every byte of a data directory and say what is damaged", kis_verb_check },
};

static void print_usage(int fd)
{
    char text[2048];
    kis_buf out;

    kis_buf_init_fixed(&out, text, sizeof(text));
    kis_buf_add_str(&out,
                    KIS_STR("kiseki " KIS_VERSION
                            " - a distributed-tracing system\n\n    kiseki VERB [OPTION ...]\n\n"));
    for (size_t i = 0; i < KIS_COUNT_OF(verbs); i++)
        kis_buf_add_fmt(&out, "  %-8s %s\n", verbs[i].name, verbs[i].summary);
    kis_buf_add_str(
        &out, KIS_STR("\n  --version, --help; kiseki VERB --help lists the options of a verb\n"
                      "\nExit codes: 0 fine, 1 failed (stderr says why), 2 wrong usage.\n"));
    kis_program_print(fd, kis_buf_str(&out));
}

/* The verb nearest to what was typed: verbs as flags of option rows, so that one distance serves
 * both. */
static const char *nearest_verb(kis_str typed)
{
    kis_option rows[KIS_COUNT_OF(verbs)];

    for (size_t i = 0; i < KIS_COUNT_OF(verbs); i++)
        rows[i] = (kis_option){ .flag = verbs[i].name };
    const kis_option *near = kis_option_nearest(rows, KIS_COUNT_OF(verbs), typed);
    return near ? near->flag : NULL;
}

/* A program started with closed standard descriptors would give their numbers to its files, and
 * then print into them. */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(KIS_EXIT_FAILED);
}

int main(int argc, char **argv)
{
    static char help[] = "--help";

    open_standard_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error of a write, not the end */
    if (argc < 2) {
        print_usage(STDERR_FILENO);
        return KIS_EXIT_USAGE;
    }
    kis_str verb = kis_str_from_c(argv[1]);
    /* kiseki help VERB is kiseki VERB --help */
    if (kis_str_eq(verb, KIS_STR("help")) && argc == 3) {
        verb = kis_str_from_c(argv[2]);
        argv[1] = argv[2];
        argv[2] = help;
    }
    for (size_t i = 0; i < KIS_COUNT_OF(verbs); i++)
        if (kis_str_eq(verb, kis_str_from_c(verbs[i].name)))
            return verbs[i].run(argc - 1, argv + 1);
    if (kis_str_eq(verb, KIS_STR("--version")) || kis_str_eq(verb, KIS_STR("-V")) ||
        kis_str_eq(verb, KIS_STR("-v")) || kis_str_eq(verb, KIS_STR("version"))) {
        kis_program_print(STDOUT_FILENO, KIS_STR("kiseki " KIS_VERSION "\n"));
        return KIS_EXIT_OK;
    }
    if (kis_str_eq(verb, KIS_STR("--help")) || kis_str_eq(verb, KIS_STR("-h")) ||
        kis_str_eq(verb, KIS_STR("help"))) {
        print_usage(STDOUT_FILENO);
        return KIS_EXIT_OK;
    }
    const char *near = nearest_verb(verb);
    if (near)
        kis_program_fail("there is no verb '" KIS_FMT "'; did you mean '%s'?", KIS_ARG(verb), near);
    else
        kis_program_fail("there is no verb '" KIS_FMT "'; kiseki --help lists them", KIS_ARG(verb));
    return KIS_EXIT_USAGE;
}
