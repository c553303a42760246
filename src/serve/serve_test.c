/* serve_test.c - the whole server in one process, through real sockets: OTLP in, Jaeger's API out,
 * and a stop that loses nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/test.h"

#include "base/num.h"
#include "model/test_spans.h"
#include "os/mem.h"
#include "serve/serve.h"

static const kis_static_file page_files[] = {
    { "/assets/a-1f.js", "text/javascript; charset=utf-8", "\"a1\"",
      (const unsigned char *)"let a;", 6, (const unsigned char *)"\x1f\x8b", 2 },
    { "/index.html", "text/html; charset=utf-8", "\"i1\"", (const unsigned char *)"<html>", 6, NULL,
      0 },
};

static kis_serve_options options;
static kis_log server_log;
static kis_serve *server;

static void default_options(void)
{
    kis_diag diag;
    CHECK_ERR(KIS_OK,
              kis_options_default(kis_serve_option_rows, kis_serve_option_count, &options, &diag),
              "the rows' defaults are within their bounds");
    options.memory = true;
    options.cores = 2;
    options.otlp_grpc = options.otlp_http = options.query = options.health = options.metrics =
        KIS_STR("127.0.0.1:0");
}

static kis_err start_logging_to(int fd, kis_diag *diag)
{
    kis_serve_setup setup = { .options = &options,
                              .os = kis_os_real(),
                              .alloc = &kis_mem,
                              .ui = { page_files, COUNT_OF(page_files) },
                              .log = &server_log };
    kis_log_init(&server_log, fd, KIS_LOG_INFO, false);
    return kis_serve_start(&setup, &server, diag);
}

static kis_err start(kis_diag *diag)
{
    return start_logging_to(-1, diag);
}

static void start_with_log(int fd)
{
    kis_diag diag = { 0 };
    if (start_logging_to(fd, &diag) != KIS_OK)
        fail_msg("start: %s", diag.text);
}

static void start_well(void)
{
    start_with_log(-1);
}

/* Answers how much did not finish. */
static uint64_t stop(void)
{
    kis_serve_rest rest = { 0 };
    kis_serve_stop(server, kis_now_ns() + 5000000000u, &rest);
    kis_log_done(&server_log);
    return rest.requests_cut + rest.queries_cut + rest.bytes_unanswered;
}

/* ---- a client as plain as can be ---- */

static int dial(kis_listener_name name)
{
    kis_str address = kis_str_from_c(kis_serve_address(server, name));
    kis_str port = address;
    uint64_t number = 0;
    struct sockaddr_in to = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    kis_str_cut(&port, ':');
    CHECK_ERR(KIS_OK, kis_u64_parse(port, &number), "a bound port");
    to.sin_port = htons((uint16_t)number);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
    return fd;
}

static void send_all(int fd, const void *bytes, size_t len)
{
    for (const char *at = bytes; len;) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        CHECK(sent > 0, "send");
        at += sent;
        len -= (size_t)sent;
    }
}

typedef struct http_answer {
    int status;
    char *text;       /* head and body, as it came; ended by NUL */
    const char *body; /* in it */
    size_t len;       /* of the body */
} http_answer;

/* Takes the frames of a chunked body away, in place: a word may lie across two of them. */
static size_t unchunk(char *body)
{
    size_t len = 0;
    char *at = body;
    for (unsigned long size; (size = strtoul(at, &at, 16)) > 0; at += size + 2) {
        at += 2; /* the line's end */
        memmove(body + len, at, size);
        len += size;
    }
    body[len] = '\0';
    return len;
}

/* Reads to the end of the connection (requests say Connection: close). */
static http_answer read_answer(int fd)
{
    static char room[64 << 20];
    http_answer answer = { .text = room };
    size_t len = 0;

    for (ssize_t got; (got = recv(fd, room + len, sizeof(room) - 1 - len, 0)) > 0;)
        len += (size_t)got;
    close(fd);
    room[len] = '\0';
    char *end = strstr(room, "\r\n\r\n");
    CHECK(end != NULL && strncmp(room, "HTTP/1.1 ", 9) == 0, "an HTTP answer");
    answer.status = atoi(room + 9);
    answer.body = end + 4;
    answer.len = len - (size_t)(answer.body - room);
    const char *coding = strstr(room, "transfer-encoding: chunked\r\n");
    if (coding && coding < end)
        answer.len = unchunk(end + 4);
    return answer;
}

static http_answer get_with(kis_listener_name name, const char *path, const char *headers)
{
    char request[4096];
    int fd = dial(name);
    int len = snprintf(request, sizeof(request),
                       "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", path,
                       headers);

    send_all(fd, request, (size_t)len);
    return read_answer(fd);
}

static http_answer get(const char *path)
{
    return get_with(KIS_LISTENER_QUERY, path, "");
}

static int post_spans(kis_bytes body)
{
    char head[512];
    int fd = dial(KIS_LISTENER_OTLP_HTTP);
    int len = snprintf(head, sizeof(head),
                       "POST /v1/traces HTTP/1.1\r\nHost: any-name\r\nConnection: "
                       "close\r\nContent-Type: application/x-protobuf\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       body.len);
    send_all(fd, head, (size_t)len);
    send_all(fd, body.ptr, body.len);
    return read_answer(fd).status;
}

/* Two services, one error, one orphan; trace number 7. */
static void post_one_trace(void)
{
    test_spans t;
    uint64_t now_ns = kis_now_unix_ns();

    test_spans_begin(&t, &kis_mem);
    test_spans_resource(&t, "shop");
    test_spans_add(&t, &(test_span){ .trace = 7,
                                     .span = 1,
                                     .name = "GET /",
                                     .kind = 2,
                                     .start_ns = now_ns - 5000000,
                                     .end_ns = now_ns });
    test_spans_str(&t, "http.method", "GET");
    test_spans_resource(&t, "pay");
    test_spans_add(&t, &(test_span){ .trace = 7,
                                     .span = 2,
                                     .parent = 1,
                                     .name = "charge",
                                     .kind = 3,
                                     .start_ns = now_ns - 4000000,
                                     .end_ns = now_ns - 1000000,
                                     .status = KIS_STATUS_ERROR });
    test_spans_add(&t, &(test_span){ .trace = 7,
                                     .span = 3,
                                     .parent = 99,
                                     .name = "lost",
                                     .start_ns = now_ns - 3000000,
                                     .end_ns = now_ns - 2000000 });
    kis_batch *batch = test_spans_end(&t);
    CHECK_INT(200, post_spans(batch->body), "OTLP is taken");
    kis_batch_unref(batch);
}

static const char *trace_hex(char room[33])
{
    kis_trace_id id = test_trace_id(7);
    kis_hex_format(id.bytes, 16, room);
    room[32] = '\0';
    return room;
}

/* ---- tests ---- */

TEST(a_trace_goes_in_by_otlp_and_comes_out_by_both_apis)
{
    char path[128], hex[33];

    default_options();
    start_well();
    post_one_trace();
    snprintf(path, sizeof(path), "/api/v3/traces/%s", trace_hex(hex));
    http_answer answer = get(path);
    CHECK_INT(200, answer.status, answer.text);
    CHECK(strstr(answer.body, "\"name\":\"charge\"") && strstr(answer.body, hex), answer.body);
    snprintf(path, sizeof(path), "/api/traces/%s", hex);
    answer = get(path);
    CHECK_INT(200, answer.status, answer.text);
    CHECK(strstr(answer.body, "\"operationName\":\"charge\""), answer.body);
    CHECK(strstr(answer.body, "parent span ID=0000000000000063 is not in the trace"),
          "the orphan has its warning");
    answer = get("/api/services");
    CHECK(
        strcmp(
            answer.body,
            "{\"data\":[\"pay\",\"shop\"],\"total\":2,\"limit\":0,\"offset\":0,\"errors\":null}") ==
            0,
        answer.body);
    answer = get("/api/v3/services");
    CHECK(strcmp(answer.body, "{\"services\":[\"pay\",\"shop\"]}") == 0, answer.body);
    answer = get("/api/traces?service=shop");
    CHECK(answer.status == 200 && strstr(answer.body, "\"operationName\":\"GET /\""), answer.body);
    answer = get("/api/dependencies");
    CHECK(strstr(answer.body, "{\"parent\":\"shop\",\"child\":\"pay\",\"callCount\":1}"),
          answer.body);
    answer = get("/api/traces/ffff");
    CHECK_INT(404, answer.status, "a trace that is not there");
    CHECK_INT(0, stop(), "nothing is left behind");
}

TEST(the_page_is_served_with_its_policy)
{
    default_options();
    start_well();
    http_answer answer = get("/");
    CHECK(answer.status == 200 && strcmp(answer.body, "<html>") == 0, answer.text);
    CHECK(strstr(answer.text, "content-security-policy: default-src 'self'"), "a policy");
    CHECK(strstr(answer.text, "x-content-type-options: nosniff"), "no sniffing");
    CHECK(strstr(answer.text, "cache-control: no-cache"), "asked for again");
    answer = get("/trace/0af7.example");
    CHECK(strcmp(answer.body, "<html>") == 0, "the page's own paths fall back to it");
    answer = get_with(KIS_LISTENER_QUERY, "/", "If-None-Match: \"x\", W/\"i1\"\r\n");
    CHECK(answer.status == 304 && answer.len == 0, answer.text);
    answer = get("/assets/a-1f.js");
    CHECK(strstr(answer.text, "immutable") && answer.len == 6, "hashed names are kept for ever");
    answer = get_with(KIS_LISTENER_QUERY, "/assets/a-1f.js", "Accept-Encoding: gzip\r\n");
    CHECK(strstr(answer.text, "content-encoding: gzip") && answer.len == 2,
          "gzipped where asked for");
    answer = get("/assets/gone.js");
    CHECK_INT(404, answer.status, "a missing asset is not the page");
    answer = get("/api/nothing");
    CHECK_INT(404, answer.status, "nor is a missing API path");
    stop();
}

TEST(strange_names_methods_and_origins_are_refused)
{
    static const struct {
        const char *why, *request;
        int want;
    } rows[] = {
        { "a rebound name",
          "GET /api/services HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403 },
        { "the page under a rebound name",
          "GET / HTTP/1.1\r\nHost: evil.example:16686\r\nConnection: close\r\n\r\n", 403 },
        { "another page's origin",
          "GET /api/services HTTP/1.1\r\nHost: localhost\r\nOrigin: "
          "http://evil.example\r\nConnection: close\r\n\r\n",
          403 },
        { "writing",
          "POST /api/services HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: "
          "close\r\n\r\n",
          405 },
        { "fine", "GET /api/services HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
          200 },
        { "allowed by option",
          "GET /api/services HTTP/1.1\r\nHost: jaeger:16686\r\nConnection: close\r\n\r\n", 200 },
        { "allowed origin",
          "GET /api/services HTTP/1.1\r\nHost: localhost\r\nOrigin: "
          "https://grafana.example\r\nConnection: close\r\n\r\n",
          200 },
    };
    default_options();
    options.allow_host = KIS_STR("jaeger");
    options.allow_origin = KIS_STR("https://grafana.example");
    start_well();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int fd = dial(KIS_LISTENER_QUERY);
        send_all(fd, rows[i].request, strlen(rows[i].request));
        http_answer answer = read_answer(fd);
        CHECK_INT(rows[i].want, answer.status, rows[i].why);
        bool is_handed_over =
            strstr(answer.text, "access-control-allow-origin: https://grafana.example\r\n");
        CHECK_INT(strstr(rows[i].request, "grafana") != NULL, is_handed_over,
                  "the browser lets its page read the answer");
    }
    stop();
}

TEST(every_listener_refuses_pages_of_strange_origins)
{
    static const struct {
        const char *why, *origin;
        bool is_refused;
    } rows[] = {
        { "another site", "http://evil.example", true },
        { "a page without one: a file, a sandbox", "null", true },
        { "a name that only begins like ours", "http://localhost.evil.example", true },
        { "allowed by option", "https://grafana.example", false },
    };
    default_options();
    options.allow_origin = KIS_STR("https://grafana.example");
    start_well();
    for (int name = 0; name < KIS_LISTENERS; name++) {
        bool is_ingest = name == KIS_LISTENER_OTLP_GRPC || name == KIS_LISTENER_OTLP_HTTP;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            char request[512];
            int fd = dial((kis_listener_name)name);
            snprintf(request, sizeof(request),
                     "%s %s HTTP/1.1\r\nHost: localhost\r\nOrigin: %s\r\nContent-Type: "
                     "application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
                     is_ingest ? "POST" : "GET",
                     is_ingest                      ? "/v1/traces"
                     : name == KIS_LISTENER_METRICS ? "/metrics"
                     : name == KIS_LISTENER_QUERY   ? "/api/services"
                                                    : "/",
                     rows[i].origin, is_ingest ? 2 : 0, is_ingest ? "{}" : "");
            send_all(fd, request, strlen(request));
            http_answer answer = read_answer(fd);
            CHECK_INT(rows[i].is_refused ? 403 : 200, answer.status, rows[i].why);
            if (rows[i].is_refused)
                CHECK(strstr(answer.body, "--allow-origin"), answer.text);
        }
    }
    stop();
}

TEST(an_address_that_cannot_be_had_is_blamed_on_who_named_it)
{
    static const struct {
        const char *why, *listen, *query, *want;
    } rows[] = {
        { "not this machine's", "127.0.0.1", "192.0.2.1:0",
          "--query: 192.0.2.1:0: cannot listen: " },
        { "not this machine's, for all", "192.0.2.1", "",
          "--listen: 192.0.2.1:16686: cannot listen: " },
        { "a name without address", "127.0.0.1", "no.such.host.invalid:0",
          "--query: address 'no.such.host.invalid:0': " },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_diag diag = { 0 };
        default_options();
        options.listen = kis_str_from_c(rows[i].listen);
        options.query = kis_str_from_c(rows[i].query);
        CHECK(start(&diag) != KIS_OK, rows[i].why);
        CHECK(strncmp(diag.text, rows[i].want, strlen(rows[i].want)) == 0, diag.text);
        kis_log_done(&server_log);
    }
}

TEST(health_and_metrics_answer)
{
    default_options();
    start_well();
    post_one_trace();
    http_answer answer = get_with(KIS_LISTENER_HEALTH, "/", "");
    CHECK(answer.status == 200 &&
              strncmp(answer.body, "{\"status\":\"Server available\",\"upSince\":\"20", 41) == 0,
          answer.text);
    answer = get_with(KIS_LISTENER_METRICS, "/metrics", "");
    CHECK(strstr(answer.text, "content-type: text/plain"), "Prometheus' type");
    CHECK(
        strstr(answer.body,
               "\notelcol_receiver_accepted_spans_total{receiver=\"otlp\",transport=\"http\"} 3\n"),
        answer.body);
    CHECK(strstr(answer.body, "\nkiseki_store_spans_stored_total 3\n"), answer.body);
    answer = get_with(KIS_LISTENER_METRICS, "/", "");
    CHECK_INT(404, answer.status, "only /metrics");
    stop();
}

/* A port that somebody else has; answers the socket that holds it. */
static int take_port(char address[32])
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(taken, (struct sockaddr *)&at, len) == 0 && listen(taken, 1) == 0 &&
              getsockname(taken, (struct sockaddr *)&at, &len) == 0,
          "a port");
    snprintf(address, 32, "127.0.0.1:%d", ntohs(at.sin_port));
    return taken;
}

TEST(a_taken_port_ends_the_start_or_is_a_warning)
{
    static const struct {
        const char *why, *flag;
        size_t option;
        bool ends;
    } rows[] = {
        { "the page", "--query", offsetof(kis_serve_options, query), true },
        { "OTLP/gRPC", "--otlp-grpc", offsetof(kis_serve_options, otlp_grpc), true },
        { "OTLP/HTTP", "--otlp-http", offsetof(kis_serve_options, otlp_http), true },
        { "health", "--health", offsetof(kis_serve_options, health), false },
        { "metrics", "--metrics", offsetof(kis_serve_options, metrics), false },
    };
    char address[32];
    int taken = take_port(address);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_diag diag = { 0 };
        default_options();
        *(kis_str *)((char *)&options + rows[i].option) = kis_str_from_c(address);
        kis_err err = start(&diag);
        CHECK_ERR(rows[i].ends ? KIS_ERR_RANGE : KIS_OK, err, rows[i].why);
        if (err) {
            CHECK(strstr(diag.text, "address in use: ") && strstr(diag.text, address) &&
                      strstr(diag.text, rows[i].flag),
                  diag.text);
            kis_log_done(&server_log);
        } else {
            stop();
        }
    }
    close(taken);
}

TEST(all_taken_ports_are_named_at_once_and_no_directory_is_made)
{
    char first[32], second[32], dir[] = "/tmp/kis_serve_ports_XXXXXX", data[64], want[256];
    int sockets[] = { take_port(first), take_port(second) };
    kis_diag diag = { 0 };

    CHECK(mkdtemp(dir), "a folder");
    snprintf(data, sizeof(data), "%s/data", dir);
    default_options();
    options.memory = false;
    options.data = kis_str_from_c(data);
    options.query = kis_str_from_c(first);
    options.otlp_http = kis_str_from_c(second);
    CHECK_ERR(KIS_ERR_RANGE, start(&diag), "taken");
    kis_log_done(&server_log);
    snprintf(want, sizeof(want),
             "address in use: %s (page and query), %s (OTLP/HTTP): other programs listen there; "
             "choose others with --query, --otlp-http",
             first, second);
    CHECK(strcmp(want, diag.text) == 0, diag.text);
    CHECK(rmdir(dir) == 0, "nothing was made in it");
    close(sockets[0]), close(sockets[1]);
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return is_there;
}

/* "Another program" would send the reader looking for one. */
TEST(two_listeners_of_ours_with_one_address_are_both_named)
{
    static const struct {
        const char *why, *query, *otlp_grpc, *metrics;
        bool ends;
        const char *want;
    } rows[] = {
        { "the same", "127.0.0.1:PORT", "127.0.0.1:PORT", "off", true,
          " is wanted twice: by page and query (--query) and by OTLP/gRPC (--otlp-grpc)" },
        { "by another name", "127.0.0.1:PORT", "localhost:PORT", "off", true, "--otlp-grpc" },
        { "on every address", "0.0.0.0:PORT", "127.0.0.1:PORT", "off", true, "--otlp-grpc" },
        { "on every address of both families", "[::]:PORT", "127.0.0.1:PORT", "off", true,
          "--otlp-grpc" },
        { "a socket's path", "unix:/tmp/kis_PORT", "unix:/tmp/kis_PORT", "off", true,
          "--otlp-grpc" },
        { "one that is not needed", "127.0.0.1:PORT", "off", "127.0.0.1:PORT", false,
          " (--query) and by metrics (--metrics); choose another for one of them; going on" },
        { "of two families", "0.0.0.0:PORT", "[::1]:PORT", "off", false, "" },
        { "the kernel chooses", "127.0.0.1:0", "127.0.0.1:0", "off", false, "" },
    };
    char free_port[32];
    close(take_port(free_port));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].query[0] == '[' || rows[i].otlp_grpc[0] == '[')
            if (!has_ipv6())
                continue;
        char rooms[3][64], log[2000] = "";
        const char *forms[] = { rows[i].query, rows[i].otlp_grpc, rows[i].metrics };
        kis_str *fields[] = { &options.query, &options.otlp_grpc, &options.metrics };
        kis_diag diag = { 0 };
        int ends[2];
        CHECK(pipe(ends) == 0, "a pipe");
        default_options();
        for (int k = 0; k < 3; k++) {
            const char *at = strstr(forms[k], "PORT");
            snprintf(rooms[k], 64, "%.*s%s", at ? (int)(at - forms[k]) : 64, forms[k],
                     at ? strchr(free_port, ':') + 1 : "");
            *fields[k] = kis_str_from_c(rooms[k]);
        }
        kis_err err = start_logging_to(ends[1], &diag);
        CHECK_ERR(rows[i].ends ? KIS_ERR_RANGE : KIS_OK, err, rows[i].why);
        if (err)
            kis_log_done(&server_log);
        else
            stop();
        close(ends[1]);
        ssize_t got = read(ends[0], log, sizeof(log) - 1);
        log[KIS_MAX(got, 0)] = '\0';
        close(ends[0]);
        CHECK(strstr(err ? diag.text : log, rows[i].want), err ? diag.text : log);
    }
}

TEST(a_listener_that_others_can_reach_is_warned_about)
{
    int ends[2];
    char text[8192] = "";
    kis_diag diag = { 0 };

    CHECK(pipe2(ends, O_CLOEXEC) == 0, "a pipe for the log");
    default_options();
    options.otlp_grpc = KIS_STR("0.0.0.0:0");
    options.query = KIS_STR(":0"); /* a port alone is on --listen's address */
    options.health = KIS_STR("0"); /* with or without its colon */
    kis_serve_setup setup = {
        .options = &options, .os = kis_os_real(), .alloc = &kis_mem, .log = &server_log
    };
    kis_log_init(&server_log, ends[1], KIS_LOG_INFO, false);
    CHECK_ERR(KIS_OK, kis_serve_start(&setup, &server, &diag), diag.text);
    CHECK(kis_str_starts(kis_str_from_c(kis_serve_address(server, KIS_LISTENER_QUERY)),
                         KIS_STR("127.0.0.1:")),
          kis_serve_address(server, KIS_LISTENER_QUERY));
    CHECK(kis_str_starts(kis_str_from_c(kis_serve_address(server, KIS_LISTENER_HEALTH)),
                         KIS_STR("127.0.0.1:")),
          kis_serve_address(server, KIS_LISTENER_HEALTH));
    stop();
    close(ends[1]);
    CHECK(read(ends[0], text, sizeof(text) - 1) > 0, "the log has lines");
    CHECK(strstr(text, "WARN  open to other machines, and nobody is asked who they are: OTLP/gRPC "
                       "0.0.0.0:") &&
              strstr(text, " (--tls-client-ca asks for certificates)"),
          text);
    CHECK(!strstr(text, "page and query"), "the others are on loopback");
    close(ends[0]);
}

/* The page is told the same addresses, by the same labels, as the ready lines have. */
static void check_facts(const char *lines)
{
    http_answer answer = get("/api/kiseki/server");
    const char *at = answer.body;
    int count = 0;

    CHECK_INT(200, answer.status, answer.body);
    CHECK(strstr(at, "\"version\":\"" KIS_VERSION "\""), at);
    CHECK(strstr(at, "\"promise\":\"keeps 256.0 MiB; spans end with the program\""), at);
    for (; (at = strstr(at, "\"label\":\"")); at++, count++) {
        char label[64], address[128], line[256];
        CHECK_INT(2, sscanf(at, "\"label\":\"%63[^\"]\",\"address\":\"%127[^\"]\"", label, address),
                  at);
        snprintf(line, sizeof(line), "\n  %-16s %s\n", label, address);
        CHECK(strstr(lines, line), line);
    }
    CHECK_INT(4, count, "page, OTLP twice, health; metrics is off");
}

static int post_to(const char *path, const char *type, const char *body)
{
    char request[2048];
    int fd = dial(KIS_LISTENER_OTLP_HTTP);
    int len = snprintf(request, sizeof(request),
                       "POST %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Type: "
                       "%s\r\nContent-Length: %zu\r\n\r\n%s",
                       path, type, strlen(body), body);
    send_all(fd, request, (size_t)len);
    return read_answer(fd).status;
}

TEST(who_looks_for_the_page_at_another_port_is_told_where_it_is)
{
    char want[256], log[4096];
    int ends[2];

    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "a pipe for the log");
    default_options();
    start_with_log(ends[1]);
    http_answer answer = get_with(KIS_LISTENER_OTLP_HTTP, "/", "Accept: text/html\r\n");
    CHECK_INT(404, answer.status, answer.text);
    CHECK(strstr(answer.text, "content-type: text/plain; charset=utf-8\r\n"), answer.text);
    snprintf(want, sizeof(want), "; the page is at http://%s\n",
             kis_serve_address(server, KIS_LISTENER_QUERY));
    CHECK(strstr(answer.body, want), answer.body);
    stop();
    CHECK(read(ends[0], log, sizeof(log)) < 0, "probes and browsers are no lines of the log");
    close(ends[0]);
    close(ends[1]);
}

TEST(what_is_refused_is_in_the_log_and_a_flood_of_it_is_not)
{
    static const char json[] = "application/json";
    int ends[2];
    static char text[1 << 16];
    size_t lines = 0;

    CHECK(pipe2(ends, O_CLOEXEC) == 0, "a pipe for the log");
    default_options();
    start_with_log(ends[1]);
    CHECK_INT(415, post_to("/v1/traces", "text/plain", "a"), "a wrong type");
    CHECK_INT(400, post_to("/v1/traces", json, "{"), "broken JSON");
    CHECK_INT(200,
              post_to("/v1/traces", json,
                      "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":["
                      "{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"b7ad\"},"
                      "{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\","
                      "\"spanId\":\"b7ad6b7169203331\"}]}]}]}"),
              "one of two spans");
    for (int i = 0; i < 3 * KIS_LOG_BURST; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/%c'%c", 'a' + i % 26, 'z' - i % 26);
        CHECK_INT(404, post_to(path, json, "{}"), "a path of its own each time");
    }
    stop();
    close(ends[1]);
    CHECK(read(ends[0], text, sizeof(text) - 1) > 0, "the log has lines");
    close(ends[0]);
    CHECK(strstr(text, "WARN  OTLP/HTTP: '127.0.0.1"), text);
    CHECK(strstr(text, "' was refused: content-type: want application/x-protobuf or"), text);
    CHECK(strstr(text, "' was refused: ") && strstr(text, "at byte"), text);
    CHECK(strstr(text, "': 1 of 2 spans was rejected: "), text);
    for (const char *at = text; (at = strstr(at, "unknown path")); at++)
        lines++;
    CHECK_INT(KIS_LOG_BURST, lines, "a burst, and no more");
}

TEST(ready_lines_are_what_scripts_wait_for)
{
    char room[4096];
    kis_buf lines;

    default_options();
    options.metrics = KIS_STR("off");
    start_well();
    kis_buf_init_fixed(&lines, room, sizeof(room) - 1);
    kis_serve_ready_lines(server, &lines);
    room[lines.len] = '\0';
    CHECK(strncmp(room, "kiseki " KIS_VERSION "\n  page and query   http://127.0.0.1:",
                  13 + strlen(KIS_VERSION)) == 0,
          room);
    CHECK(strstr(room, "\n  OTLP/gRPC        127.0.0.1:"), room);
    CHECK(strstr(room, "\n  OTLP/HTTP        http://127.0.0.1:"), room);
    CHECK(strstr(room, "\n  health           http://127.0.0.1:"), room);
    CHECK(!strstr(room, "metrics"), "a listener that is off has no line");
    CHECK(strstr(room, "\n  data             memory  (keeps 256.0 MiB; "), room);
    CHECK(strcmp(room + lines.len - 7, "\nready\n") == 0, room);
    check_facts(room);
    stop();
}

TEST(the_page_on_every_address_has_a_line_to_click_and_one_warning)
{
    static const char *const hosts[] = { "0.0.0.0", "::" };
    for (size_t i = 0; i < (has_ipv6() ? 2 : 1); i++) {
        int ends[2];
        char room[4096] = "", text[8192] = "";
        kis_buf lines;
        kis_diag diag = { 0 };

        CHECK(pipe2(ends, O_CLOEXEC) == 0, "a pipe for the log");
        default_options();
        options.listen = kis_str_from_c(hosts[i]);
        options.query = options.otlp_http = options.otlp_grpc = KIS_STR(":0");
        options.health = options.metrics = KIS_STR("off");
        kis_serve_setup setup = {
            .options = &options, .os = kis_os_real(), .alloc = &kis_mem, .log = &server_log
        };
        kis_log_init(&server_log, ends[1], KIS_LOG_INFO, false);
        CHECK_ERR(KIS_OK, kis_serve_start(&setup, &server, &diag), diag.text);
        kis_buf_init_fixed(&lines, room, sizeof(room) - 1);
        kis_serve_ready_lines(server, &lines);
        stop();
        close(ends[1]);
        char *page = strstr(room, "  page and query   http://127.0.0.1:");
        CHECK(page && strstr(page, "  (and on this machine's other addresses)\n"), room);
        CHECK(strstr(room, i ? "OTLP/gRPC        [::]:" : "OTLP/gRPC        0.0.0.0:"), room);
        CHECK(read(ends[0], text, sizeof(text) - 1) > 0, "the log has lines");
        char *first = strstr(text, "nobody is asked");
        CHECK(first && !strstr(first + 1, "nobody is asked"), "one line for all listeners");
        CHECK(strstr(text, "page and query") && strstr(text, "OTLP/HTTP"), text);
        close(ends[0]);
    }
}

TEST(what_was_acknowledged_is_there_after_a_stop)
{
    char dir[] = "/tmp/kiseki-serve-test-XXXXXX", data[64], path[128], hex[33], log[4096];
    int ends[2];

    CHECK(mkdtemp(dir) != NULL && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "a folder, a pipe");
    snprintf(data, sizeof(data), "%s/data", dir);
    for (int run = 0; run < 2; run++) {
        default_options();
        options.memory = false;
        options.data = kis_str_from_c(data);
        start_with_log(ends[1]);
        if (run == 0)
            post_one_trace();
        snprintf(path, sizeof(path), "/api/v3/traces/%s", trace_hex(hex));
        CHECK_INT(200, get(path).status, run ? "after the restart" : "before it");
        ssize_t got = read(ends[0], log, sizeof(log) - 1);
        log[got < 0 ? 0 : got] = '\0';
        CHECK(run ? strstr(log, "INFO  3 spans read back from the log\n") != NULL : log[0] == '\0',
              log);
        if (run == 0) {
            kis_serve *first = server;
            kis_diag diag = { 0 };
            CHECK(start(&diag) != KIS_OK && strstr(diag.text, data),
                  "a second server on the same data refuses and names it");
            kis_log_done(&server_log);
            server = first;
        }
        stop();
    }
    close(ends[0]);
    close(ends[1]);
    snprintf(path, sizeof(path), "rm -rf '%s'", dir);
    CHECK(system(path) == 0, "cleaned up");
}

static void *stop_on_a_thread(void *user)
{
    *(uint64_t *)user = stop();
    return NULL;
}

TEST(a_stop_waits_for_a_request_in_flight)
{
    test_spans t;
    char head[256];

    default_options();
    start_well();
    test_spans_begin(&t, &kis_mem);
    test_spans_add(
        &t, &(test_span){ .trace = 1, .span = 1, .name = "late", .start_ns = 1, .end_ns = 2 });
    kis_batch *batch = test_spans_end(&t);
    int fd = dial(KIS_LISTENER_OTLP_HTTP);
    int len = snprintf(head, sizeof(head),
                       "POST /v1/traces HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: "
                       "application/x-protobuf\r\nExpect: 100-continue\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       batch->body.len);
    send_all(fd, head, (size_t)len);
    char go_on[64];
    CHECK(recv(fd, go_on, sizeof(go_on), 0) > 0, "the server has read the head, and says go on");
    pthread_t stopper;
    uint64_t rest = 7;
    CHECK(pthread_create(&stopper, NULL, stop_on_a_thread, &rest) == 0,
          "a thread that stops the server");
    send_all(fd, batch->body.ptr, batch->body.len);
    CHECK_INT(200, read_answer(fd).status, "it is answered");
    pthread_join(stopper, NULL);
    CHECK_INT(0, rest, "nothing was cut");
    kis_batch_unref(batch);
}

/* Trace 7 with so many spans that no buffer on the way holds its answer. */
static void post_a_large_trace(uint64_t spans)
{
    test_spans t;
    uint64_t now_ns = kis_now_unix_ns();

    test_spans_begin(&t, &kis_mem);
    for (uint64_t i = 1; i <= spans; i++) {
        test_spans_add(&t, &(test_span){ .trace = 7,
                                         .span = i,
                                         .parent = i / 10,
                                         .name = "step",
                                         .start_ns = now_ns + i,
                                         .end_ns = now_ns + i + 5 });
        test_spans_str(&t, "text",
                       "some text, as programs write it, so that the answer is larger than any "
                       "buffer on the way");
    }
    kis_batch *batch = test_spans_end(&t);
    CHECK_INT(200, post_spans(batch->body), "stored");
    kis_batch_unref(batch);
}

TEST(a_large_trace_streams)
{
    enum { SPANS = 20000 };
    char path[128], hex[33];

    default_options();
    start_well();
    post_a_large_trace(SPANS);
    trace_hex(hex);
    for (int version = 0; version < 2; version++) {
        snprintf(path, sizeof(path), version ? "/api/v3/traces/%s" : "/api/traces/%s", hex);
        http_answer answer = get(path);
        size_t spans = 0;
        for (kis_str rest = kis_str_of(answer.body, answer.len);
             kis_str_find(rest, KIS_STR("some text")) != KIS_STR_NPOS; spans++)
            rest = kis_str_slice(rest, kis_str_find(rest, KIS_STR("some text")) + 1, rest.len);
        CHECK_INT(200, answer.status, path);
        CHECK_INT(SPANS, spans, "every span");
    }
    stop();
}

/* The status of an answer that is there or comes in time; 0: none. */
static int peek_status(int fd, int timeout_ms)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    char line[64] = "";

    if (poll(&ready, 1, timeout_ms) != 1 || recv(fd, line, sizeof(line) - 1, MSG_PEEK) < 12)
        return 0;
    return atoi(line + 9);
}

TEST(too_many_queries_are_told_to_come_back_and_a_slow_reader_holds_only_its_own)
{
    enum { ASKERS = 80 };
    static const char ask_services[] =
        "GET /api/services HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char request[256], hex[33];
    int askers[ASKERS], busy = 0, waiting = 0;

    default_options();
    options.query_threads = 1;
    start_well();
    post_a_large_trace(40000);
    int slow = dial(KIS_LISTENER_QUERY);
    int len = snprintf(request, sizeof(request),
                       "GET /api/traces/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", trace_hex(hex));
    send_all(slow, request, (size_t)len);
    CHECK_INT(200, peek_status(slow, 20000),
              "it streams, and nobody reads on: the only query thread waits");
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = dial(KIS_LISTENER_QUERY);
        send_all(askers[i], ask_services, sizeof(ask_services) - 1);
    }
    CHECK_INT(200, get_with(KIS_LISTENER_HEALTH, "/", "").status, "the loops are not held up");
    CHECK_INT(200, get("/").status, "nor is the page");
    for (int i = 0; i < ASKERS; i++) {
        int status = peek_status(askers[i], i == 0 ? 500 : 50);
        busy += status == 503;
        waiting += status == 0;
    }
    CHECK(busy >= ASKERS - 64 - 1, "those who find the queue full hear it at once");
    CHECK(waiting > 0, "the others wait");
    close(slow);
    for (int i = 0; i < ASKERS; i++) {
        int status = read_answer(askers[i]).status;
        CHECK(status == 200 || status == 503, "everyone is answered in the end");
    }
    stop();
}

TEST(readers_that_go_away_are_survived)
{
    char request[256], hex[33];

    default_options();
    options.query_threads = 1;
    start_well();
    post_one_trace();
    int len = snprintf(request, sizeof(request),
                       "GET /api/traces/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", trace_hex(hex));
    for (int i = 0; i < 50; i++) {
        struct linger at_once = { 1, 0 };
        int fd = dial(KIS_LISTENER_QUERY);
        send_all(fd, request, (size_t)len);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(fd);
    }
    CHECK_INT(200, get("/api/services").status, "others are answered");
    stop();
}

TEST_MAIN(RUN(a_trace_goes_in_by_otlp_and_comes_out_by_both_apis),
          RUN(the_page_is_served_with_its_policy),
          RUN(strange_names_methods_and_origins_are_refused),
          RUN(every_listener_refuses_pages_of_strange_origins),
          RUN(an_address_that_cannot_be_had_is_blamed_on_who_named_it),
          RUN(health_and_metrics_answer), RUN(a_taken_port_ends_the_start_or_is_a_warning),
          RUN(all_taken_ports_are_named_at_once_and_no_directory_is_made),
          RUN(two_listeners_of_ours_with_one_address_are_both_named),
          RUN(a_listener_that_others_can_reach_is_warned_about),
          RUN(ready_lines_are_what_scripts_wait_for),
          RUN(who_looks_for_the_page_at_another_port_is_told_where_it_is),
          RUN(what_is_refused_is_in_the_log_and_a_flood_of_it_is_not),
          RUN(the_page_on_every_address_has_a_line_to_click_and_one_warning),
          RUN(what_was_acknowledged_is_there_after_a_stop),
          RUN(a_stop_waits_for_a_request_in_flight), RUN(a_large_trace_streams),
          RUN(too_many_queries_are_told_to_come_back_and_a_slow_reader_holds_only_its_own),
          RUN(readers_that_go_away_are_survived))
