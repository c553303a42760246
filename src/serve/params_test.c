/* params_test.c - URLs from strangers: what they ask is read exactly, or refused with words. */
#include "tests/test.h"

#include "os/mem.h"
#include "serve/params.h"

static kis_arena arena;
static kis_params params;

static kis_err parse(const char *query)
{
    kis_diag diag;
    kis_arena_done(&arena);
    kis_arena_init(&arena, &kis_mem, 1 << 20);
    return kis_params_parse(kis_str_from_c(query), &arena, &params, &diag);
}

TEST(names_and_values_are_decoded)
{
    static const struct {
        const char *why, *query, *name, *want;
    } rows[] = {
        { "plain", "a=1&b=2", "b", "2" },
        { "a plus is a space", "service=my+shop", "service", "my shop" },
        { "percent", "tags=%7B%22a%22%3A%22b%22%7D", "tags", "{\"a\":\"b\"}" },
        { "an encoded name", "%73ervice=x", "service", "x" },
        { "the first of two", "a=1&a=2", "a", "1" },
        { "no value", "raw&x=1", "raw", "" },
        { "absent", "a=1", "b", "" },
        { "equals signs in a value", "tag=a:b=c", "tag", "a:b=c" },
        { "empty pieces are skipped", "&&a=1&&", "a", "1" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_ERR(KIS_OK, parse(rows[i].query), rows[i].why);
        CHECK_STR(rows[i].want, kis_params_get(&params, kis_str_from_c(rows[i].name)), rows[i].why);
    }
    kis_arena_done(&arena);
}

TEST(queries_that_cannot_be_read_are_refused)
{
    static char many[4096];
    for (size_t i = 0; i <= KIS_PARAMS_MAX; i++)
        memcpy(many + 4 * i, "a=1&", 4);
    static const struct {
        const char *why, *query;
        kis_err want;
    } rows[] = {
        { "a percent sign alone", "a=%", KIS_ERR_SYNTAX },
        { "one digit", "a=%4", KIS_ERR_SYNTAX },
        { "no hex", "a=%zz", KIS_ERR_SYNTAX },
        { "not UTF-8", "a=%ff", KIS_ERR_SYNTAX },
        { "a name that is not UTF-8", "%c0%80=1", KIS_ERR_SYNTAX },
        { "too many", many, KIS_ERR_LIMIT },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_ERR(rows[i].want, parse(rows[i].query), rows[i].why);
    kis_arena_done(&arena);
}

TEST(trace_ids_are_hex_or_base64)
{
    static const struct {
        const char *why, *text;
        kis_err want;
        uint8_t first, last;
    } rows[] = {
        { "32 digits", "0af7651916cd43dd8448eb211c80319c", KIS_OK, 0x0a, 0x9c },
        { "upper case", "0AF7651916CD43DD8448EB211C80319C", KIS_OK, 0x0a, 0x9c },
        { "16 digits have zeros in front", "8448eb211c80319c", KIS_OK, 0, 0x9c },
        { "leading zeros left out by an old client", "9c", KIS_OK, 0, 0x9c },
        { "base64 with padding", "CvdlGRbNQ92ESOshHIAxnA==", KIS_OK, 0x0a, 0x9c },
        { "base64 without", "CvdlGRbNQ92ESOshHIAxnA", KIS_OK, 0x0a, 0x9c },
        { "nothing", "", KIS_ERR_SYNTAX, 0, 0 },
        { "33 digits", "00af7651916cd43dd8448eb211c80319c", KIS_ERR_SYNTAX, 0, 0 },
        { "no digit", "xyz!", KIS_ERR_SYNTAX, 0, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_trace_id id = { { 0x55 } };
        kis_diag diag;
        CHECK_ERR(rows[i].want, kis_param_trace_id(kis_str_from_c(rows[i].text), &id, &diag),
                  rows[i].why);
        CHECK_INT(rows[i].want ? 0x55 : rows[i].first, id.bytes[0], rows[i].why);
        CHECK(rows[i].want || id.bytes[15] == rows[i].last, rows[i].why);
    }
}

TEST(epochs_and_booleans)
{
    static const struct {
        const char *why, *text;
        kis_err want;
        uint64_t ns;
    } rows[] = {
        { "microseconds", "1700000000000000", KIS_OK, 1700000000000000000u },
        { "before 1970", "-5", KIS_OK, 0 },
        { "beyond the clock", "9223372036854775807", KIS_OK, UINT64_MAX },
        { "a word", "abc", KIS_ERR_SYNTAX, 7 },
        { "a fraction", "1.5", KIS_ERR_SYNTAX, 7 },
        { "nothing", "", KIS_ERR_SYNTAX, 7 },
    };
    static const char *const truths[] = { "1", "t", "T", "TRUE", "true", "True" }, *const lies[] = {
        "0", "f", "F", "FALSE", "false", "False"
    };
    bool truth = false;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t ns = 7;
        CHECK_ERR(rows[i].want, kis_param_epoch(kis_str_from_c(rows[i].text), 1000, &ns),
                  rows[i].why);
        CHECK(ns == rows[i].ns, rows[i].why);
    }
    for (size_t i = 0; i < COUNT_OF(truths); i++)
        CHECK(kis_param_bool(kis_str_from_c(truths[i]), &truth) == KIS_OK && truth, truths[i]);
    for (size_t i = 0; i < COUNT_OF(lies); i++)
        CHECK(kis_param_bool(kis_str_from_c(lies[i]), &truth) == KIS_OK && !truth, lies[i]);
    CHECK_ERR(KIS_ERR_SYNTAX, kis_param_bool(KIS_STR("yes"), &truth), "Go does not take it either");
}

TEST(tags_are_a_flat_json_object)
{
    static const struct {
        const char *why, *json;
        kis_err want;
        uint32_t count;
        const char *last;
    } rows[] = {
        { "none", "{}", KIS_OK, 0, "" },
        { "two", "{\"a\":\"b\", \"c\" : \"d\"}", KIS_OK, 2, "d" },
        { "escapes", "{\"a\":\"x\\n\\u00e9\\ud83d\\ude00\\\"\"}", KIS_OK, 1,
          "x\n\xc3\xa9\xf0\x9f\x98\x80\"" },
        { "a number is its text", "{\"http.status_code\":500}", KIS_OK, 1, "500" },
        { "so is a boolean", "{\"error\":true}", KIS_OK, 1, "true" },
        { "a key that comes again replaces", "{\"a\":\"1\",\"a\":\"2\"}", KIS_OK, 1, "2" },
        { "not closed", "{\"a\":\"b\"", KIS_ERR_SYNTAX, 0, "" },
        { "a list", "[\"a\"]", KIS_ERR_SYNTAX, 0, "" },
        { "an object in it", "{\"a\":{}}", KIS_ERR_SYNTAX, 0, "" },
        { "null", "{\"a\":null}", KIS_ERR_SYNTAX, 0, "" },
        { "junk behind", "{} x", KIS_ERR_SYNTAX, 0, "" },
        { "a word", "bad", KIS_ERR_SYNTAX, 0, "" },
        { "nothing", "", KIS_ERR_SYNTAX, 0, "" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_tag_list list = { .count = 0 };
        kis_diag diag;
        kis_arena_init(&arena, &kis_mem, 1 << 20);
        CHECK_ERR(rows[i].want,
                  kis_tags_put_json(&list, kis_str_from_c(rows[i].json), &arena, &diag),
                  rows[i].why);
        if (rows[i].want == KIS_OK) {
            CHECK_INT(rows[i].count, list.count, rows[i].why);
            if (list.count)
                CHECK_STR(rows[i].last, list.at[list.count - 1].value, rows[i].why);
        }
        kis_arena_done(&arena);
    }
}

TEST(tags_are_bounded)
{
    kis_tag_list list = { .count = 0 };
    char keys[KIS_QUERY_TAGS_MAX + 1][8];
    kis_diag diag;

    for (size_t i = 0; i <= KIS_QUERY_TAGS_MAX; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        CHECK_ERR(i < KIS_QUERY_TAGS_MAX ? KIS_OK : KIS_ERR_LIMIT,
                  kis_tags_put(&list, kis_str_from_c(keys[i]), KIS_STR("v"), &diag), keys[i]);
    }
}

TEST_MAIN(RUN(names_and_values_are_decoded), RUN(queries_that_cannot_be_read_are_refused),
          RUN(trace_ids_are_hex_or_base64), RUN(epochs_and_booleans),
          RUN(tags_are_a_flat_json_object), RUN(tags_are_bounded))
