/* query.c - `kiseki query`: the query API's answers on the command line. */
#include <unistd.h>

#include "ask.h"
#include "nothing.h"
#include "program.h"
#include "show.h"
#include "when.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "http/url.h"
#include "model/json_put.h"
#include "os/mem.h"
#include "os/os.h"
#include "serve/params.h"

static const char usage[] =
    "kiseki query - services, operations, traces, one trace, dependencies\n\n"
    "    kiseki query services\n    kiseki query operations SERVICE\n"
    "    kiseki query traces [--service S] [--operation O] [--tag KEY=VALUE ...] [--min 1s] [--max "
    "2s] [--from -1h] [--to now] [--any-time] [--limit 20]\n"
    "    kiseki query trace ID [--attributes]\n    kiseki query dependencies [--from -24h] [--to "
    "now] [--any-time]\n\n"
    "Asks a server, or with --data reads a directory that no server has open. Text that finds "
    "nothing is exit code 1; --json is what the API says.\n\n"
    "  --tag KEY=VALUE           A tag that one span must have; may be given several times.\n";

typedef struct query_options {
    kis_str server, data, ca, service, operation, min, max, from, to;
    uint32_t limit;
    bool json, attributes, any_time;
    int64_t timeout_ns;
} query_options;

#define ROW(flag, kind, field, fallback, min, max, choices, help)                                \
    {                                                                                            \
        flag, NULL, KIS_OPT_##kind, offsetof(query_options, field), fallback, min, max, choices, \
            help                                                                                 \
    }

static const kis_option rows[] = {
    { "server", "KISEKI_SERVER", KIS_OPT_TEXT, offsetof(query_options, server),
      "http://127.0.0.1:16686", NULL, NULL, "URL",
      "The server that is asked; unix:/PATH for a socket." },
    ROW("ca", TEXT, ca, NULL, NULL, NULL, "FILE",
        "Certificates (PEM) that an https server is believed by. Default: the system's."),
    ROW("data", TEXT, data, NULL, NULL, NULL, "DIR",
        "Read this data directory instead of asking a server."),
    ROW("service", TEXT, service, NULL, NULL, NULL, "NAME", "A span of this service."),
    ROW("operation", TEXT, operation, NULL, NULL, NULL, "NAME", "A span of this name."),
    ROW("min", TEXT, min, NULL, NULL, NULL, "TIME", "The span took at least this long."),
    ROW("max", TEXT, max, NULL, NULL, NULL, "TIME", "The span took at most this long."),
    ROW("from", TEXT, from, NULL, NULL, NULL, "WHEN",
        "The span started then or later: RFC 3339, a date (midnight, UTC), or -1h. Default: -48h, "
        "for dependencies -24h."),
    ROW("to", TEXT, to, "now", NULL, NULL, "WHEN", "The span started before; +1h is in an hour."),
    ROW("any-time", BOOL, any_time, NULL, NULL, NULL, NULL,
        "Whenever it started, also when its sender's clock is ahead."),
    ROW("limit", U32, limit, "20", "1", "10000", "N", "At most so many traces, the newest."),
    ROW("json", BOOL, json, NULL, NULL, NULL, NULL,
        "Print the answer as JSON, as the API gives it."),
    ROW("attributes", BOOL, attributes, NULL, NULL, NULL, NULL,
        "List attributes, events, links and status below each span of a trace, and those of its "
        "resource where it is met first."),
    ROW("timeout", DURATION, timeout_ns, "60s", "1ms", "1h", "TIME",
        "How long the answer may take."),
};

#define ANY_TIME_END_UNIX_NS (UINT64_C(7258118400) * 1000000000) /* 2200, as the page has it */
#define TAGS_MAX             64
#define HINT_BYTES_MAX       ((size_t)4 << 20) /* of a list of names that is asked for a hint */

typedef struct query_call {
    query_options options;
    kis_str tags[TAGS_MAX];
    uint32_t tag_count;
    kis_str argument; /* SERVICE or ID */
    uint64_t from_unix_ns, to_unix_ns;
    kis_buf path;
} query_call;

/* ---- words of the command line ---- */

/* Takes every --tag out of argv, for an option row holds one value. False: one without a value, or
 * too many. */
static bool take_tags(query_call *call, int *argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < *argc; i++) {
        kis_str word = kis_str_from_c(argv[i]);
        bool is_tag = kis_str_eq(word, KIS_STR("--tag")),
             is_joined = kis_str_starts(word, KIS_STR("--tag="));
        if (!is_tag && !is_joined) {
            argv[kept++] = argv[i];
            continue;
        }
        if (call->tag_count == TAGS_MAX || (is_tag && i + 1 == *argc))
            return false;
        kis_str tag = is_tag ? kis_str_from_c(argv[++i]) : kis_str_slice(word, 6, word.len);
        if (kis_str_find_char(tag, '=') == KIS_STR_NPOS)
            return false;
        call->tags[call->tag_count++] = tag;
    }
    *argc = kept;
    return true;
}

/* ---- questions ---- */

static void put_param(kis_buf *path, const char *name, kis_str value)
{
    if (!value.len)
        return;
    kis_buf_add_byte(path, kis_str_find_char(kis_buf_str(path), '?') == KIS_STR_NPOS ? '?' : '&');
    kis_buf_add_str(path, kis_str_from_c(name));
    kis_buf_add_byte(path, '=');
    kis_url_encode(value, path);
}

static void ask_services(query_call *call)
{
    kis_buf_add_str(&call->path, KIS_STR("/api/v3/services"));
}

/* What stands in the address bar of the page is an id, too: "http://HOST/trace/ID?...". */
static kis_str id_of_argument(const char *argument)
{
    kis_str text = kis_str_from_c(argument), mark = KIS_STR("/trace/");
    size_t at = kis_str_find(text, mark), len = 0;

    if (at == KIS_STR_NPOS)
        return text;
    kis_str id = kis_str_slice(text, at + mark.len, text.len);
    while (len < id.len && id.ptr[len] != '?' && id.ptr[len] != '#' && id.ptr[len] != '/')
        len++;
    return kis_str_slice(id, 0, len);
}

static void put_operations_path(kis_buf *path, kis_str service)
{
    kis_buf_add_str(path, KIS_STR("/api/v3/operations"));
    put_param(path, "service", service);
}

static void ask_operations(query_call *call)
{
    put_operations_path(&call->path, call->argument);
}

static void ask_trace(query_call *call)
{
    kis_buf_add_str(&call->path, KIS_STR("/api/v3/traces/"));
    kis_url_encode(call->argument, &call->path);
}

static void put_tags(const query_call *call, kis_buf *path, const char *name)
{
    char room[8192];
    kis_buf json;

    kis_buf_init_fixed(&json, room, sizeof(room));
    for (uint32_t i = 0; i < call->tag_count; i++) {
        kis_str value = call->tags[i], key = kis_str_cut(&value, '=');
        kis_buf_add_byte(&json, i ? ',' : '{');
        kis_json_put_str(&json, key);
        kis_buf_add_byte(&json, ':');
        kis_json_put_str(&json, value);
    }
    kis_buf_add_byte(&json, '}');
    if (call->tag_count)
        put_param(path, name, kis_buf_str(&json));
    if (json.err)
        path->err = json.err;
}

static void ask_traces(query_call *call)
{
    const query_options *o = &call->options;
    char from_text[KIS_NUM_TEXT_MAX], to_text[KIS_NUM_TEXT_MAX], limit[KIS_NUM_TEXT_MAX];

    kis_buf_add_str(&call->path, KIS_STR("/api/v3/trace-summaries"));
    put_param(&call->path, "query.serviceName", o->service);
    put_param(&call->path, "query.operationName", o->operation);
    put_param(&call->path, "query.startTimeMin",
              kis_str_of(from_text, kis_time_format(call->from_unix_ns, from_text)));
    put_param(&call->path, "query.startTimeMax",
              kis_str_of(to_text, kis_time_format(call->to_unix_ns, to_text)));
    put_param(&call->path, "query.durationMin", o->min);
    put_param(&call->path, "query.durationMax", o->max);
    put_param(&call->path, "query.searchDepth", kis_str_of(limit, kis_u64_format(o->limit, limit)));
    put_tags(call, &call->path, "query.attributes");
}

static void ask_dependencies(query_call *call)
{
    char end[KIS_NUM_TEXT_MAX], lookback[KIS_NUM_TEXT_MAX];
    uint64_t to = call->to_unix_ns, from = call->from_unix_ns;

    kis_buf_add_str(&call->path, KIS_STR("/api/dependencies"));
    put_param(&call->path, "endTs", kis_str_of(end, kis_u64_format(to / 1000000, end)));
    put_param(
        &call->path, "lookback",
        kis_str_of(lookback, kis_u64_format(to > from ? (to - from) / 1000000 : 0, lookback)));
}

/* ---- answers ---- */

#define COMMON     " server ca data json timeout "
#define TIMES      "from to any-time "
#define CONDITIONS "service operation tag min max limit "

static const struct question {
    const char *name, *argument; /* NULL: takes none */
    void (*ask)(query_call *);
    kis_err (*show)(kis_bytes json, kis_arena *, kis_buf *out); /* NULL: a trace */
    const char *one;                                            /* of what it finds */
    const char *from;    /* the usual --from; NULL: time is nothing to it */
    const char *options; /* that it takes, between spaces */
} questions[] = {
    { "services", NULL, ask_services, kis_show_services, "service", NULL, COMMON },
    { "operations", "SERVICE", ask_operations, kis_show_operations, "operation", NULL, COMMON },
    { "traces", NULL, ask_traces, kis_show_summaries, "trace", "-48h", COMMON TIMES CONDITIONS },
    { "trace", "ID", ask_trace, NULL, "trace", NULL, COMMON "attributes " },
    { "dependencies", NULL, ask_dependencies, kis_show_dependencies, "call between services",
      "-24h", COMMON TIMES },
};

static bool takes_option(const struct question *q, kis_str flag)
{
    char word[64];

    return kis_str_find(kis_str_from_c(q->options),
                        kis_str_of(word, kis_fmt(word, sizeof(word), " " KIS_FMT " ",
                                                 KIS_ARG(flag)))) != KIS_STR_NPOS;
}

/* An option that changes nothing would be taken for one that found everything. */
static bool judge_option(const struct question *q, kis_str flag, kis_diag *diag)
{
    char takers[64];
    kis_buf names;

    if (takes_option(q, flag))
        return true;
    kis_buf_init_fixed(&names, takers, sizeof(takers));
    for (size_t i = 0; i < KIS_COUNT_OF(questions); i++)
        if (takes_option(&questions[i], flag))
            kis_buf_add_fmt(&names, "%s%s", names.len ? " and " : "", questions[i].name);
    (void)kis_diag_set(diag, KIS_ERR_SYNTAX, "%s takes no --" KIS_FMT "; " KIS_FMT " do%s", q->name,
                       KIS_ARG(flag), KIS_ARG(kis_buf_str(&names)),
                       kis_str_find_char(kis_buf_str(&names), ' ') == KIS_STR_NPOS ? "es" : "");
    return false;
}

/* The words of a command line that has been read without an error: each option is one of the rows.
 * What the environment says is not meant for one question. */
static bool judge_options(const struct question *q, const query_call *call, int argc, char **argv,
                          kis_diag *diag)
{
    bool has_server = false, has_data = false, has_times = false, is_any_time = false;

    if (call->tag_count && !judge_option(q, KIS_STR("tag"), diag))
        return false;
    for (int i = 1; i < argc; i++) {
        kis_str value = kis_str_from_c(argv[i]), flag = kis_str_cut(&value, '=');
        if (!kis_str_starts(flag, KIS_STR("--")) || flag.len == 2)
            continue;
        flag = kis_str_slice(flag, 2, flag.len);
        const kis_option *row = kis_option_find(rows, KIS_COUNT_OF(rows), flag);
        if (!row)
            continue;
        if (!judge_option(q, flag, diag))
            return false;
        has_server |= kis_str_eq(flag, KIS_STR("server"));
        has_data |= kis_str_eq(flag, KIS_STR("data"));
        is_any_time |= kis_str_eq(flag, KIS_STR("any-time"));
        has_times |= kis_str_eq(flag, KIS_STR("from")) || kis_str_eq(flag, KIS_STR("to"));
        i += row->kind != KIS_OPT_BOOL && !value.ptr; /* its value */
    }
    if (has_server && has_data)
        (void)kis_diag_set(diag, KIS_ERR_RANGE, "--server and --data exclude each other");
    else if (is_any_time && has_times)
        (void)kis_diag_set(diag, KIS_ERR_RANGE, "--any-time goes without --from and --to");
    return !diag->text[0];
}

/* ---- what is wrong with the words is said before anybody is asked ---- */

/* The duration of an option; UINT64_MAX: it is not given. */
static bool read_took(const char *flag, kis_str text, uint64_t *out, kis_diag *diag)
{
    int64_t ns = 0;

    *out = UINT64_MAX;
    if (!text.len)
        return true;
    if (kis_duration_parse(text, &ns) != KIS_OK || ns < 0) {
        (void)kis_diag_set(diag, KIS_ERR_SYNTAX,
                           "--%s wants a time such as 300ms or 1.5s, not '" KIS_FMT "'", flag,
                           KIS_ARG(text));
        return false;
    }
    *out = (uint64_t)ns;
    return true;
}

static bool read_durations(const query_options *o, kis_diag *diag)
{
    uint64_t min, max;

    if (!read_took("min", o->min, &min, diag) || !read_took("max", o->max, &max, diag))
        return false;
    if (o->min.len && min > max) {
        (void)kis_diag_set(diag, KIS_ERR_RANGE, "--min " KIS_FMT " is more than --max " KIS_FMT,
                           KIS_ARG(o->min), KIS_ARG(o->max));
        return false;
    }
    return true;
}

static bool read_range(const struct question *q, query_call *call, kis_diag *diag)
{
    const query_options *o = &call->options;
    kis_str from = o->from.len ? o->from : kis_str_from_c(q->from ? q->from : "-48h");
    uint64_t now_unix_ns = kis_now_unix_ns();

    if (o->any_time) {
        call->from_unix_ns = 0;
        call->to_unix_ns = ANY_TIME_END_UNIX_NS;
        return true;
    }
    if (!kis_when_read(from, now_unix_ns, &call->from_unix_ns) ||
        !kis_when_read(o->to, now_unix_ns, &call->to_unix_ns)) {
        (void)kis_diag_set(diag, KIS_ERR_SYNTAX, "--from and --to want " KIS_WHEN_WANTED);
        return false;
    }
    if (q->from && call->from_unix_ns >= call->to_unix_ns) {
        (void)kis_diag_set(diag, KIS_ERR_RANGE, "--from " KIS_FMT " is not before --to " KIS_FMT,
                           KIS_ARG(from), KIS_ARG(o->to));
        return false;
    }
    return true;
}

static bool judge_words(const struct question *q, query_call *call, kis_diag *diag)
{
    kis_trace_id id;

    if (q->argument && !call->argument.len) {
        (void)kis_diag_set(diag, KIS_ERR_SYNTAX, "%s wants one %s, and '' is none", q->name,
                           q->argument);
        return false;
    }
    if (q->ask == ask_trace && kis_param_trace_id(call->argument, &id, diag) != KIS_OK)
        return false;
    return read_durations(&call->options, diag) && read_range(q, call, diag);
}

static kis_ask ask_of(const query_options *o)
{
    return (kis_ask){ o->server, o->data, o->ca, (uint64_t)o->timeout_ns, "server" };
}

/* An answer that the query API does not give: to its own errors belongs a message. The listener
 * before it refuses in one line of text, a proxy in a page of markup. */
static int fail_without_message(const query_call *call, int status, kis_bytes body)
{
    const query_options *o = &call->options;
    kis_str text = kis_str_of_bytes(kis_bytes_of(body.ptr, KIS_MIN(body.len, (size_t)400)));
    kis_str line = kis_str_trim(kis_str_cut(&text, '\n'));

    if (!o->data.len && (status == 404 || status == 405 || status == 415))
        return kis_program_fail(KIS_FMT " has no query API (%d); kiseki serve prints its 'page and "
                                        "query' address",
                                KIS_ARG(o->server), status);
    if (line.len && line.ptr[0] != '<' && line.ptr[0] != '{')
        return kis_program_fail("the server answered %d: " KIS_FMT, status, KIS_ARG(line));
    return kis_program_fail("the server answered %d", status);
}

/* The body of an answer to one more question; empty when it cannot be had: it is for a hint. */
static kis_bytes ask_more(const query_call *call, kis_str path, kis_arena *arena)
{
    kis_buf body;
    kis_diag nothing;
    int status = 0;
    uint8_t *copy = NULL;
    size_t len = 0;

    kis_buf_init(&body, &kis_mem, HINT_BYTES_MAX);
    kis_ask ask = ask_of(&call->options);
    if (kis_ask_get(&ask, path, &status, &body, &nothing) == KIS_OK && status == 200) {
        copy = kis_arena_take(arena, body.len, 1);
        len = copy ? body.len : 0;
        if (len)
            memcpy(copy, body.ptr, len);
    }
    kis_buf_done(&body);
    return kis_bytes_of(copy, len);
}

/* More questions, to say which of the words nobody knows. */
static void say_nothing_found(const struct question *q, const query_call *call, kis_buf *out)
{
    const query_options *o = &call->options;
    char path_room[4096];
    kis_buf path;
    kis_arena arena;
    bool is_search = q->ask == ask_traces;

    kis_arena_init(&arena, &kis_mem, KIS_ASK_ANSWER_MAX);
    kis_nothing nothing = {
        .what = q->one,
        .service = is_search     ? o->service
                   : q->argument ? call->argument
                                 : KIS_STR_NONE,
        .operation = is_search ? o->operation : KIS_STR_NONE,
        .tag_count = is_search ? call->tag_count : 0,
        .has_durations = is_search && (o->min.len || o->max.len),
        .from_unix_ns = q->from ? call->from_unix_ns : 0,
        .services = ask_more(call, KIS_STR("/api/v3/services"), &arena),
    };
    kis_buf_init_fixed(&path, path_room, sizeof(path_room));
    put_operations_path(&path, nothing.service);
    if (nothing.service.len && nothing.operation.len && !path.err)
        nothing.operations = ask_more(call, kis_buf_str(&path), &arena);
    kis_nothing_say(&nothing, &arena, out);
    kis_arena_done(&arena);
}

static int fail_with_nothing(const struct question *q, const query_call *call)
{
    char text[900];
    kis_buf out;

    kis_buf_init_fixed(&out, text, sizeof(text));
    if (q->ask == ask_trace)
        kis_nothing_say_id(call->argument, &out);
    else
        say_nothing_found(q, call, &out);
    return kis_program_fail(KIS_FMT, KIS_ARG(kis_buf_str(&out)));
}

/* The server's address as a browser takes it. */
static void put_page(const query_options *o, kis_buf *out)
{
    char room[KIS_PROGRAM_URL_MAX];
    kis_url url;
    kis_str typed = o->server;

    if (kis_program_read_url(typed, KIS_ASK_PORT, room, &url, NULL) != KIS_OK)
        return;
    while (kis_str_ends(typed, KIS_STR("/")))
        typed.len--;
    bool is_url = kis_str_find(typed, KIS_STR("://")) != KIS_STR_NPOS;
    bool is_ipv6 = kis_str_find_char(url.host, ':') != KIS_STR_NPOS;
    if (is_url)
        kis_buf_add_str(out, typed);
    else
        kis_buf_add_fmt(out, is_ipv6 ? "http://[" KIS_FMT "]:%u" : "http://" KIS_FMT ":%u",
                        KIS_ARG(url.host), (unsigned)url.port);
}

static void put_search_link(const query_call *call, kis_buf *link)
{
    const query_options *o = &call->options;
    char start[KIS_NUM_TEXT_MAX], end[KIS_NUM_TEXT_MAX], limit[KIS_NUM_TEXT_MAX];

    kis_buf_add_str(link, KIS_STR("/search"));
    put_param(link, "service", o->service);
    put_param(link, "operation", o->operation);
    put_tags(call, link, "tags");
    put_param(link, "minDuration", o->min);
    put_param(link, "maxDuration", o->max);
    if (o->any_time)
        put_param(link, "lookback", KIS_STR("all"));
    put_param(link, "start", kis_str_of(start, kis_u64_format(call->from_unix_ns / 1000, start)));
    put_param(link, "end", kis_str_of(end, kis_u64_format(call->to_unix_ns / 1000, end)));
    put_param(link, "limit", kis_str_of(limit, kis_u64_format(o->limit, limit)));
}

/* Traces are looked at further on the page. */
static void print_with_page(const struct question *q, const query_call *call, kis_buf *text)
{
    char room[20 << 10];
    kis_buf link;

    kis_buf_init_fixed(&link, room, sizeof(room));
    bool is_socket = kis_str_starts(call->options.server, KIS_STR("unix:")); /* not for browsers */
    if (!call->options.data.len && !is_socket && (q->ask == ask_trace || q->ask == ask_traces)) {
        kis_buf_add_byte(&link, '\n');
        put_page(&call->options, &link);
        if (q->ask == ask_traces) {
            put_search_link(call, &link);
        } else {
            kis_buf_add_str(&link, KIS_STR("/trace/"));
            kis_url_encode(call->argument, &link);
        }
        kis_buf_add_byte(&link, '\n');
    }
    kis_program_print(STDOUT_FILENO, kis_buf_str(text));
    if (!link.err)
        kis_program_print(STDOUT_FILENO, kis_buf_str(&link));
}

static int print_answer(const struct question *q, const query_call *call, int status,
                        kis_bytes body)
{
    kis_arena arena;
    kis_buf text;
    int exit_code = KIS_EXIT_OK;

    kis_arena_init(&arena, &kis_mem, KIS_ASK_ANSWER_MAX);
    kis_buf_init(&text, &kis_mem, KIS_ASK_ANSWER_MAX);
    if (status != 200) {
        kis_str message = kis_show_error(body, &arena);
        exit_code = !message.len ? fail_without_message(call, status, body)
                    : status == 404 && q->ask == ask_trace
                        ? fail_with_nothing(q, call)
                        : kis_program_fail(KIS_FMT, KIS_ARG(message));
    } else if (call->options.json) {
        kis_program_print(STDOUT_FILENO, kis_str_of_bytes(body));
        kis_program_print(STDOUT_FILENO, KIS_STR("\n"));
    } else {
        kis_err err = q->show ? q->show(body, &arena, &text)
                              : kis_show_trace(body, call->options.attributes, &text, NULL);
        if (err == KIS_ERR_NOT_FOUND)
            exit_code = fail_with_nothing(q, call);
        else if (err || text.err)
            exit_code = kis_program_fail(
                "the answer is not what was asked for (--json prints it as it is)");
        else
            print_with_page(q, call, &text);
    }
    kis_buf_done(&text);
    kis_arena_done(&arena);
    return exit_code;
}

static int run_question(const struct question *q, query_call *call)
{
    kis_ask ask = ask_of(&call->options);
    kis_diag diag = { 0 };
    kis_buf body;
    int status = 0, exit_code;

    if (!judge_words(q, call, &diag))
        return kis_program_misuse("query", "%s", diag.text);
    q->ask(call);
    if (call->path.err)
        return kis_program_misuse("query", "the question is too long");
    kis_buf_init(&body, &kis_mem, KIS_ASK_ANSWER_MAX);
    kis_err err = kis_ask_get(&ask, kis_buf_str(&call->path), &status, &body, &diag);
    exit_code = err ? kis_program_fail("%s", diag.text[0] ? diag.text : kis_err_text(err))
                    : print_answer(q, call, status, kis_buf_bytes(&body));
    kis_buf_done(&body);
    return exit_code;
}

static const struct question *find_question(const char *name)
{
    for (size_t i = 0; i < KIS_COUNT_OF(questions); i++)
        if (kis_str_eq(kis_str_from_c(questions[i].name), kis_str_from_c(name)))
            return &questions[i];
    return NULL;
}

/* Words without dashes may stand before and between options: gathers them. */
static bool gather_words(const kis_program_options *read, int argc, char **argv,
                         const char *words[2], int *word_count, int *exit_code)
{
    int next = 1;

    *word_count = 0;
    for (int from = 1; from < argc && argv[from][0] != '-'; from++) {
        if (*word_count < 2)
            words[*word_count] = argv[from];
        (*word_count)++;
    }
    int skip = *word_count;
    argv[skip] = argv[0];
    if (!kis_program_read_options(read, argc - skip, argv + skip, &next, exit_code))
        return false;
    for (next += skip; next < argc; next++) {
        if (*word_count < 2)
            words[*word_count] = argv[next];
        (*word_count)++;
    }
    return true;
}

int kis_verb_query(int argc, char **argv)
{
    query_call call = { .tag_count = 0 };
    kis_program_options read = { "query", usage, rows, KIS_COUNT_OF(rows), &call.options };
    const char *words[2] = { NULL, NULL };
    char path_room[16384];
    kis_diag diag = { 0 };
    int word_count, exit_code;

    if (!take_tags(&call, &argc, argv))
        return kis_program_misuse("query", "--tag wants KEY=VALUE, at most %d times", TAGS_MAX);
    if (!gather_words(&read, argc, argv, words, &word_count, &exit_code))
        return exit_code;
    if (word_count == 0)
        return kis_program_misuse("query",
                                  "what? services, operations, traces, trace or dependencies");
    const struct question *q = find_question(words[0]);
    if (!q)
        return kis_program_misuse(
            "query", "'%s' is none of services, operations, traces, trace, dependencies", words[0]);
    if (word_count == 2 && q->ask == ask_traces)
        return kis_program_misuse("query", "traces takes no argument; did you mean --service %s?",
                                  words[1]);
    if (word_count != (q->argument ? 2 : 1))
        return kis_program_misuse("query",
                                  q->argument ? "%s wants one %s" : "%s takes no argument%s",
                                  q->name, q->argument ? q->argument : "");
    if (!judge_options(q, &call, argc, argv, &diag))
        return kis_program_misuse("query", "%s", diag.text);
    call.argument = words[1] ? kis_str_from_c(words[1]) : KIS_STR_NONE;
    if (q->ask == ask_trace)
        call.argument = id_of_argument(words[1]);
    kis_buf_init_fixed(&call.path, path_room, sizeof(path_room));
    return run_question(q, &call);
}
