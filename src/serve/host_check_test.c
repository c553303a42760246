/* host_check_test.c - a name that DNS could rebind reads nothing. */
#include "tests/test.h"

#include "serve/host_check.h"

TEST(hosts_that_may_ask)
{
    static const kis_host_rules rules = { .listen_host = KIS_STR_INIT("myhost"),
                                          .hosts = { KIS_STR_INIT("jaeger"),
                                                     KIS_STR_INIT(".example.com") },
                                          .host_count = 2 };
    static const struct {
        const char *why, *host;
        bool want;
    } rows[] = {
        { "loopback with a port", "127.0.0.1:16686", true },
        { "all of 127/8", "127.9.9.9", true },
        { "IPv6 loopback", "[::1]:16686", true },
        { "localhost in any case", "LocalHost:1", true },
        { "below localhost (RFC 6761)", "x.localhost", true },
        { "with the root's dot", "localhost.:80", true },
        { "an address is no name to rebind", "192.168.1.5:16686", true },
        { "an IPv6 address", "[fd00::1]:16686", true },
        { "the listener's own name", "myhost:16686", true },
        { "allowed by name", "jaeger:16686", true },
        { "below an allowed domain", "a.b.example.com", true },
        { "the domain itself was not said", "example.com", false },
        { "ends alike but is another", "badexample.com", false },
        { "a stranger", "evil.example", false },
        { "begins like an address", "127.0.0.1.evil.example", false },
        { "a label too many", "127.0.0.1.1", false },
        { "looks like localhost", "localhost.evil.example", false },
        { "not an address", "300.1.1.1", false },
        { "an open bracket", "[::1", false },
        { "no Host at all: no browser", "", true },
        { "a port alone", ":80", false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_INT(rows[i].want, kis_host_is_allowed(&rules, kis_str_from_c(rows[i].host)),
                  rows[i].why);
}

TEST(a_star_allows_any_host)
{
    static const kis_host_rules rules = { .hosts = { KIS_STR_INIT("*") }, .host_count = 1 };
    CHECK(kis_host_is_allowed(&rules, KIS_STR("anything.example")), "it was asked for");
}

TEST(origins_that_may_ask)
{
    static const kis_host_rules rules = { .origins = { KIS_STR_INIT("https://a.example"),
                                                       KIS_STR_INIT("https://*.b.example:8443") },
                                          .origin_count = 2 };
    static const struct {
        const char *why, *origin;
        bool want;
    } rows[] = {
        { "none", "", true },
        { "its own", "http://localhost:16686", true },
        { "its own over TLS", "https://localhost:16686", true },
        { "another port of the same host", "http://localhost:8080", false },
        { "allowed", "https://a.example", true },
        { "allowed, another scheme", "http://a.example", false },
        { "below an allowed one", "https://x.b.example:8443", true },
        { "below it on another port", "https://x.b.example", false },
        { "the star is at least one label", "https://.b.example:8443", false },
        { "a stranger", "http://evil.example", false },
        { "null, of a sandboxed frame", "null", false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_INT(rows[i].want,
                  kis_origin_is_allowed(&rules, kis_str_from_c(rows[i].origin),
                                        KIS_STR("localhost:16686")),
                  rows[i].why);
}

TEST(hosts_are_cut_out_of_addresses)
{
    static const struct {
        const char *address, *want;
    } rows[] = { { "127.0.0.1:80", "127.0.0.1" },
                 { "[::1]:80", "::1" },
                 { "::1", "::1" },
                 { ":80", "" },
                 { "host", "host" },
                 { "", "" } };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_STR(rows[i].want, kis_host_of_address(kis_str_from_c(rows[i].address)),
                  rows[i].address);
}

TEST(lists_of_names_are_bounded)
{
    kis_str names[KIS_HOST_NAMES_MAX];
    static char many[2 * KIS_HOST_NAMES_MAX + 4];
    size_t count = 99;

    CHECK(kis_host_names_split(KIS_STR(" a, b,,c "), names, &count), "a list");
    CHECK_INT(3, count, "three names");
    CHECK_STR("c", names[2], "trimmed");
    CHECK(kis_host_names_split(KIS_STR_NONE, names, &count) && count == 0, "none");
    for (size_t i = 0; i <= KIS_HOST_NAMES_MAX; i++)
        memcpy(many + 2 * i, "a,", 2);
    CHECK(!kis_host_names_split(kis_str_from_c(many), names, &count), "one too many");
}

TEST_MAIN(RUN(hosts_that_may_ask), RUN(a_star_allows_any_host), RUN(origins_that_may_ask),
          RUN(hosts_are_cut_out_of_addresses), RUN(lists_of_names_are_bounded))
