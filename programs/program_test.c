/* program_test.c - addresses as people type them. */
#include "program.h"

#include <stdlib.h>

#include "tests/test.h"

TEST(addresses_are_read_as_people_type_them)
{
    static const struct {
        const char *text, *host;
        int port;
        bool is_tls;
        const char *why;
    } rows[] = {
        { "http://127.0.0.1:16686", "127.0.0.1", 16686, false, "a URL" },
        { "https://kiseki.example/x", "kiseki.example", 443, true, "a URL has its own usual port" },
        { "127.0.0.1:16686", "127.0.0.1", 16686, false, "no scheme: http" },
        { "localhost", "localhost", 4317, false, "no port: the usual one, never 80" },
        { "localhost/", "localhost", 4317, false, "nor before a path" },
        { "[::1]:80", "::1", 80, false, "IPv6 and a port" },
        { "[::1]", "::1", 4317, false, "the colons of IPv6 are no port" },
        { "nope:abc", NULL, 0, false, "a port that is none" },
        { "::1", NULL, 0, false, "IPv6 wants brackets" },
        { "ftp://x", NULL, 0, false, "no scheme of ours" },
        { "", NULL, 0, false, "nothing" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char room[KIS_PROGRAM_URL_MAX];
        kis_diag diag = { 0 };
        kis_url url = { 0 };
        kis_err err = kis_program_read_url(kis_str_from_c(rows[i].text), 4317, room, &url, &diag);
        CHECK((err == KIS_OK) == (rows[i].host != NULL), rows[i].why);
        CHECK(err == KIS_OK || diag.text[0], rows[i].why);
        if (err)
            continue;
        CHECK_STR(rows[i].host, url.host, rows[i].why);
        CHECK_INT(rows[i].port, url.port, rows[i].why);
        CHECK(url.is_tls == rows[i].is_tls, rows[i].why);
    }
}

TEST(the_data_directory_follows_xdg)
{
    static const struct {
        const char *data_home, *home, *want, *why;
    } rows[] = {
        { "/x", "/h", "/x/kiseki", "XDG_DATA_HOME first" },
        { "x", "/h", "/h/.local/share/kiseki", "which counts only as an absolute path" },
        { "", "/h", "/h/.local/share/kiseki", "and not empty" },
        { "", "h", NULL, "HOME neither" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char room[KIS_PROGRAM_DIR_MAX];
        kis_str dir;
        setenv("XDG_DATA_HOME", rows[i].data_home, 1);
        setenv("HOME", rows[i].home, 1);
        CHECK(kis_program_data_dir(room, &dir) == (rows[i].want != NULL), rows[i].why);
        if (rows[i].want)
            CHECK_STR(rows[i].want, dir, rows[i].why);
    }
}

TEST_MAIN(RUN(addresses_are_read_as_people_type_them), RUN(the_data_directory_follows_xdg))
