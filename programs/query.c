/* query.c - `kiseki query`: the query API's answers on the command line. */
#include <unistd.h>

#include "ask.h"
#include "program.h"
#include "show.h"

#include "base/diag.h"
#include "base/fmt.h"
#include "base/num.h"
#include "http/url.h"
#include "model/json_put.h"
#include "os/mem.h"
#include "os/os.h"

static const char usage[] =
    "kiseki query - services, operations, traces, one trace, dependencies\n\n"
    "    kiseki query services\n    kiseki query operations SERVICE\n"
    "    kiseki query traces [--service S] [--operation O] [--tag KEY=VALUE ...] [--min 1s] [--max "
    "2s] [--from -1h] [--to now] [--limit 20]\n"
    "    kiseki query trace ID\n    kiseki query dependencies [--from -24h] [--to now]\n\n"
    "Asks a server, or with --data reads a directory that no server has open. Text that finds "
    "nothing is exit code 1; --json is what the API says.\n\n"
    "  --tag KEY=VALUE            A tag that one span must have; may be given several times.\n";

typedef struct query_options {
    kis_str server, data, ca, service, operation, min, max, from, to;
    uint32_t limit;
    bool json;
    int64_t timeout_ns;
} query_options;

#define ROW(flag, kind, field, fallback, min, max, choices, help)                                \
    {                                                                                            \
        flag, NULL, KIS_OPT_##kind, offsetof(query_options, field), fallback, min, max, choices, \
            help                                                                                 \
    }

static const kis_option rows[] = {
    { "server", "KISEKI_SERVER", KIS_OPT_TEXT, offsetof(query_options, server),
      "http://127.0.0.1:16686", NULL, NULL, "URL", "The server that is asked." },
    ROW("ca", TEXT, ca, NULL, NULL, NULL, "FILE",
        "Certificates (PEM) that an https server is believed by. Default: the system's."),
    ROW("data", TEXT, data, NULL, NULL, NULL, "DIR",
        "Read this data directory instead of asking a server."),
    ROW("service", TEXT, service, NULL, NULL, NULL, "NAME", "A span of this service."),
    ROW("operation", TEXT, operation, NULL, NULL, NULL, "NAME", "A span of this name."),
    ROW("min", TEXT, min, NULL, NULL, NULL, "TIME", "The span took at least this long."),
    ROW("max", TEXT, max, NULL, NULL, NULL, "TIME", "The span took at most this long."),
    ROW("from", TEXT, from, NULL, NULL, NULL, "WHEN",
        "The span started then or later: RFC 3339, or -1h. Default: -48h, for dependencies -24h."),
    ROW("to", TEXT, to, "now", NULL, NULL, "WHEN", "The span started before."),
    ROW("limit", U32, limit, "20", "1", "10000", "N", "At most so many traces, the newest."),
    ROW("json", BOOL, json, NULL, NULL, NULL, NULL,
        "Print the answer as JSON, as the API gives it."),
    ROW("timeout", DURATION, timeout_ns, "60s", "1ms", "1h", "TIME",
        "How long the answer may take."),
};

#define TAGS_MAX 64

typedef struct query_call {
    query_options options;
    kis_str tags[TAGS_MAX];
    uint32_t tag_count;
    const char *argument; /* SERVICE or ID */
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

/* "now", "-1h", RFC 3339. */
static bool read_when(kis_str text, uint64_t now_unix_ns, uint64_t *out)
{
    int64_t ns;

    if (kis_str_eq(text, KIS_STR("now"))) {
        *out = now_unix_ns;
        return true;
    }
    if (text.len > 1 && text.ptr[0] == '-' &&
        kis_duration_parse(kis_str_slice(text, 1, text.len), &ns) == KIS_OK && ns >= 0) {
        *out = (uint64_t)ns > now_unix_ns ? 0 : now_unix_ns - (uint64_t)ns;
        return true;
    }
    return kis_time_parse(text, out) == KIS_OK;
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

static bool read_range(const query_call *call, const char *default_from, uint64_t *from,
                       uint64_t *to)
{
    kis_str from_text = call->options.from.len ? call->options.from : kis_str_from_c(default_from);
    uint64_t now_unix_ns = kis_now_unix_ns();

    return read_when(from_text, now_unix_ns, from) && read_when(call->options.to, now_unix_ns, to);
}

static bool ask_services(query_call *call)
{
    kis_buf_add_str(&call->path, KIS_STR("/api/v3/services"));
    return true;
}

static bool ask_operations(query_call *call)
{
    kis_buf_add_str(&call->path, KIS_STR("/api/v3/operations"));
    put_param(&call->path, "service", kis_str_from_c(call->argument));
    return true;
}

static bool ask_trace(query_call *call)
{
    kis_buf_add_str(&call->path, KIS_STR("/api/v3/traces/"));
    kis_url_encode(kis_str_from_c(call->argument), &call->path);
    return true;
}

static void put_tags(query_call *call)
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
        put_param(&call->path, "query.attributes", kis_buf_str(&json));
    if (json.err)
        call->path.err = json.err;
}

static bool ask_traces(query_call *call)
{
    const query_options *o = &call->options;
    char from_text[KIS_NUM_TEXT_MAX], to_text[KIS_NUM_TEXT_MAX], limit[KIS_NUM_TEXT_MAX];
    uint64_t from, to;

    if (!read_range(call, "-48h", &from, &to))
        return false;
    kis_buf_add_str(&call->path, KIS_STR("/api/v3/trace-summaries"));
    put_param(&call->path, "query.serviceName", o->service);
    put_param(&call->path, "query.operationName", o->operation);
    put_param(&call->path, "query.startTimeMin",
              kis_str_of(from_text, kis_time_format(from, from_text)));
    put_param(&call->path, "query.startTimeMax", kis_str_of(to_text, kis_time_format(to, to_text)));
    put_param(&call->path, "query.durationMin", o->min);
    put_param(&call->path, "query.durationMax", o->max);
    put_param(&call->path, "query.searchDepth", kis_str_of(limit, kis_u64_format(o->limit, limit)));
    put_tags(call);
    return true;
}

static bool ask_dependencies(query_call *call)
{
    char end[KIS_NUM_TEXT_MAX], lookback[KIS_NUM_TEXT_MAX];
    uint64_t from, to;

    if (!read_range(call, "-24h", &from, &to))
        return false;
    kis_buf_add_str(&call->path, KIS_STR("/api/dependencies"));
    put_param(&call->path, "endTs", kis_str_of(end, kis_u64_format(to / 1000000, end)));
    put_param(
        &call->path, "lookback",
        kis_str_of(lookback, kis_u64_format(to > from ? (to - from) / 1000000 : 0, lookback)));
    return true;
}

/* ---- answers ---- */

static kis_err show_trace_answer(kis_bytes json, kis_arena *arena, kis_buf *out)
{
    (void)arena;
    return kis_show_trace(json, out, NULL);
}

static const struct question {
    const char *name, *argument; /* NULL: takes none */
    bool (*ask)(query_call *);
    kis_err (*show)(kis_bytes json, kis_arena *, kis_buf *out);
} questions[] = {
    { "services", NULL, ask_services, kis_show_services },
    { "operations", "SERVICE", ask_operations, kis_show_operations },
    { "traces", NULL, ask_traces, kis_show_summaries },
    { "trace", "ID", ask_trace, show_trace_answer },
    { "dependencies", NULL, ask_dependencies, kis_show_dependencies },
};

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
        exit_code = message.len ? kis_program_fail(KIS_FMT, KIS_ARG(message))
                                : fail_without_message(call, status, body);
    } else if (call->options.json) {
        kis_program_print(STDOUT_FILENO, kis_str_of_bytes(body));
        kis_program_print(STDOUT_FILENO, KIS_STR("\n"));
    } else {
        kis_err err = q->show(body, &arena, &text);
        if (err == KIS_ERR_NOT_FOUND)
            exit_code = kis_program_fail("No %s found", q->name);
        else if (err || text.err)
            exit_code = kis_program_fail(
                "the answer is not what was asked for (--json prints it as it is)");
        else
            kis_program_print(STDOUT_FILENO, kis_buf_str(&text));
    }
    kis_buf_done(&text);
    kis_arena_done(&arena);
    return exit_code;
}

static int run_question(const struct question *q, query_call *call)
{
    kis_ask ask = { call->options.server, call->options.data, call->options.ca,
                    (uint64_t)call->options.timeout_ns };
    kis_diag diag = { 0 };
    kis_buf body;
    int status = 0, exit_code;

    if (!q->ask(call))
        return kis_program_misuse("query", "--from and --to want now, -1h or 2026-11-21T07:49:21Z");
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
    if (word_count != (q->argument ? 2 : 1))
        return kis_program_misuse("query",
                                  q->argument ? "%s wants one %s" : "%s takes no argument%s",
                                  q->name, q->argument ? q->argument : "");
    call.argument = words[1];
    kis_buf_init_fixed(&call.path, path_room, sizeof(path_room));
    return run_question(q, &call);
}
