/* options_test.c - the rows of `kiseki serve`: defaults, environment names, relations. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

#include "serve/options.h"

static kis_serve_options options;

TEST(defaults_are_what_the_manual_says)
{
    kis_diag diag;
    CHECK_ERR(KIS_OK,
              kis_options_default(kis_serve_option_rows, kis_serve_option_count, &options, &diag),
              "every default is legal");
    CHECK_STR("127.0.0.1", options.listen, "loopback only");
    CHECK(options.keep_ns == (int64_t)72 * 3600 * 1000000000, "72 hours");
    CHECK(options.max_request_bytes == 64u << 20, "64 MiB, as OTLP recommends");
    CHECK(options.memory_limit >= 2 * options.max_request_bytes,
          "room for one largest request, packed and unpacked");
    CHECK(options.stop_timeout_ns == (int64_t)10 * 1000000000, "10 s");
    CHECK_INT(1, options.log_level, "info");
    CHECK(!options.memory && !options.data.len, "a directory, the usual one");
    CHECK_ERR(KIS_OK, kis_serve_options_check(&options, &diag), "and they go together");
}

TEST(every_row_has_its_environment_variable_and_help)
{
    for (size_t i = 0; i < kis_serve_option_count; i++) {
        const kis_option *row = &kis_serve_option_rows[i];
        char want[64] = "KISEKI_";
        for (size_t k = 0; row->flag[k]; k++)
            want[7 + k] = row->flag[k] == '-' ? '_' : (char)toupper(row->flag[k]);
        CHECK(row->env && strcmp(row->env, want) == 0, row->flag);
        CHECK(row->help && strlen(row->help) > 10 && row->help[strlen(row->help) - 1] == '.',
              row->flag);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(row->flag, kis_serve_option_rows[k].flag) &&
                      row->offset != kis_serve_option_rows[k].offset,
                  row->flag);
    }
}

TEST(command_lines_are_read)
{
    char *words[] = { "serve",    "--keep",       "1h",   "--keep-bytes=2GiB", "--otlp-grpc", "off",
                      "--memory", "--log-format", "json", "--cores=3" };
    kis_diag diag;
    int next;

    CHECK_ERR(KIS_OK,
              kis_options_default(kis_serve_option_rows, kis_serve_option_count, &options, &diag),
              "defaults");
    CHECK_ERR(KIS_OK,
              kis_options_parse_args(kis_serve_option_rows, kis_serve_option_count, COUNT_OF(words),
                                     words, 1, &options, &next, &diag),
              "read");
    CHECK(options.keep_ns == (int64_t)3600 * 1000000000 &&
              options.keep_bytes == (uint64_t)2 << 30 && options.memory &&
              options.log_format == 1 && options.cores == 3,
          "as said");
    CHECK_STR("off", options.otlp_grpc, "a listener that is off");
}

TEST(relations_between_options_are_checked)
{
    static const struct {
        const char *why, *flag1, *value1, *flag2, *value2;
        kis_err want;
    } rows[] = {
        { "nothing said", NULL, NULL, NULL, NULL, KIS_OK },
        { "memory and a directory", "memory", "true", "data", "/x", KIS_ERR_RANGE },
        { "a certificate without its key", "tls-cert", "c", NULL, NULL, KIS_ERR_RANGE },
        { "a key without its certificate", "tls-key", "k", NULL, NULL, KIS_ERR_RANGE },
        { "client certificates without TLS", "tls-client-ca", "a", NULL, NULL, KIS_ERR_RANGE },
        { "certificate and key", "tls-cert", "c", "tls-key", "k", KIS_OK },
        { "no name of a directory", "data", "", NULL, NULL, KIS_ERR_SYNTAX },
        { "no address", "query", "", NULL, NULL, KIS_ERR_SYNTAX },
        { "an address", "query", "127.0.0.1:80", "health", ":13133", KIS_OK },
        { "IPv6, a name, a path", "query", "[::1]:80", "otlp-http", "unix:/run/k.sock", KIS_OK },
        { "off", "query", "off", "metrics", "off", KIS_OK },
        { "no port", "query", "127.0.0.1", NULL, NULL, KIS_ERR_SYNTAX },
        { "a port alone", "query", "16690", NULL, NULL, KIS_OK },
        { "a port alone that is none", "query", "99999", NULL, NULL, KIS_ERR_SYNTAX },
        { "words", "query", "not an address", NULL, NULL, KIS_ERR_SYNTAX },
        { "a port that is none", "otlp-grpc", "127.0.0.1:99999", NULL, NULL, KIS_ERR_SYNTAX },
        { "a port with letters", "metrics", "127.0.0.1:80a", NULL, NULL, KIS_ERR_SYNTAX },
        { "an open bracket", "query", "[::1:80", NULL, NULL, KIS_ERR_SYNTAX },
        { "--listen takes no port", "listen", "0.0.0.0:80", NULL, NULL, KIS_ERR_SYNTAX },
        { "--listen takes IPv6 with or without brackets", "listen", "::", NULL, NULL, KIS_OK },
        { "with", "listen", "[::1]", NULL, NULL, KIS_OK },
        { "room for nothing", "keep-bytes", "11MiB", NULL, NULL, KIS_ERR_RANGE },
        { "the least room", "keep-bytes", "12MiB", NULL, NULL, KIS_OK },
        { "the default", "keep-bytes", "0", NULL, NULL, KIS_OK },
        { "memory needs less", "keep-bytes", "2MiB", "memory", "true", KIS_OK },
        { "but some", "keep-bytes", "1MiB", "memory", "true", KIS_ERR_RANGE },
        { "names", "allow-host", "jaeger, .example.com,*", NULL, NULL, KIS_OK },
        { "a URL is no name", "allow-host", "a, http://foo.com", NULL, NULL, KIS_ERR_SYNTAX },
        { "nor has one a port", "allow-host", "foo.com:80", NULL, NULL, KIS_ERR_SYNTAX },
        { "a star that is no dot", "allow-host", "*.foo.com", NULL, NULL, KIS_ERR_SYNTAX },
        { "origins", "allow-origin", "https://a.example, http://a:81,https://*.b.c,*", NULL, NULL,
          KIS_OK },
        { "a name is no origin", "allow-origin", "foo", NULL, NULL, KIS_ERR_SYNTAX },
        { "nor is a page", "allow-origin", "https://foo.com/", NULL, NULL, KIS_ERR_SYNTAX },
        { "a port that is no number", "allow-origin", "https://foo.com:x", NULL, NULL,
          KIS_ERR_SYNTAX },
        { "IPv6", "allow-origin", "http://[::1]:80", "allow-host", "::1", KIS_OK },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_diag diag = { 0 };
        CHECK_ERR(
            KIS_OK,
            kis_options_default(kis_serve_option_rows, kis_serve_option_count, &options, &diag),
            "defaults");
        const char *pairs[2][2] = { { rows[i].flag1, rows[i].value1 },
                                    { rows[i].flag2, rows[i].value2 } };
        for (int k = 0; k < 2; k++)
            if (pairs[k][0])
                CHECK_ERR(
                    KIS_OK,
                    kis_option_set(kis_option_find(kis_serve_option_rows, kis_serve_option_count,
                                                   kis_str_from_c(pairs[k][0])),
                                   kis_str_from_c(pairs[k][1]), &options, &diag),
                    rows[i].why);
        CHECK_ERR(rows[i].want, kis_serve_options_check(&options, &diag), rows[i].why);
        CHECK(rows[i].want == KIS_OK || diag.text[0], "a refusal has words");
    }
}

TEST(a_server_that_would_listen_nowhere_is_refused)
{
    kis_diag diag = { 0 };
    kis_str off = KIS_STR("off");

    CHECK_ERR(KIS_OK,
              kis_options_default(kis_serve_option_rows, kis_serve_option_count, &options, &diag),
              "defaults");
    options.query = options.otlp_grpc = options.otlp_http = options.health = off;
    CHECK_ERR(KIS_OK, kis_serve_options_check(&options, &diag), "metrics are left");
    options.metrics = off;
    CHECK_ERR(KIS_ERR_RANGE, kis_serve_options_check(&options, &diag), "nothing is");
}

TEST(a_wrong_address_is_blamed_on_where_it_came_from)
{
    kis_diag diag = { 0 };

    CHECK(setenv("KISEKI_QUERY", "no port", 1) == 0, "a variable");
    for (int is_env = 0; is_env < 2; is_env++) {
        CHECK_ERR(
            KIS_OK,
            kis_options_default(kis_serve_option_rows, kis_serve_option_count, &options, &diag),
            "defaults");
        options.query = is_env ? kis_str_from_c(getenv("KISEKI_QUERY")) : KIS_STR("no port");
        CHECK_ERR(KIS_ERR_SYNTAX, kis_serve_options_check(&options, &diag), "refused");
        CHECK(kis_str_starts(kis_str_from_c(diag.text), is_env ? KIS_STR("KISEKI_QUERY: 'no port'")
                                                               : KIS_STR("--query: 'no port'")),
              diag.text);
    }
    unsetenv("KISEKI_QUERY");
}

TEST_MAIN(RUN(defaults_are_what_the_manual_says),
          RUN(every_row_has_its_environment_variable_and_help), RUN(command_lines_are_read),
          RUN(relations_between_options_are_checked),
          RUN(a_server_that_would_listen_nowhere_is_refused),
          RUN(a_wrong_address_is_blamed_on_where_it_came_from))
