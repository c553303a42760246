/* pretty_test.c - readable JSON, cut into pieces anywhere. */
#include <string.h>

#include "tests/test.h"

#include "os/mem.h"
#include "serve/pretty.h"

static const struct {
    const char *why, *json, *want;
} rows[] = {
    { "an object", "{\"a\":1,\"b\":null}", "{\n    \"a\": 1,\n    \"b\": null\n}" },
    { "lists in it", "{\"a\":[1,2]}", "{\n    \"a\": [\n        1,\n        2\n    ]\n}" },
    { "empty containers stay on their line", "{\"a\":[],\"b\":{}}",
      "{\n    \"a\": [],\n    \"b\": {}\n}" },
    { "what looks like JSON in a string is text", "[\"{,:[\\\"}\\\\\"]",
      "[\n    \"{,:[\\\"}\\\\\"\n]" },
    { "objects in a list", "[{\"a\":1},{\"b\":2}]",
      "[\n    {\n        \"a\": 1\n    },\n    {\n        \"b\": 2\n    }\n]" },
    { "a line end behind it", "{\"a\":1}\n", "{\n    \"a\": 1\n}\n" },
    { "nothing", "", "" },
};

TEST(json_is_indented_by_four)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_pretty pretty = { 0 };
        kis_buf out;
        kis_buf_init(&out, &kis_mem, 1 << 16);
        kis_pretty_put(&pretty, kis_str_from_c(rows[i].json), &out);
        CHECK_STR(rows[i].want, kis_buf_str(&out), rows[i].why);
        kis_buf_done(&out);
    }
}

TEST(pieces_may_be_cut_anywhere)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t cut = 0; cut <= strlen(rows[i].json); cut++) {
            kis_pretty pretty = { 0 };
            kis_str json = kis_str_from_c(rows[i].json);
            kis_buf out;
            kis_buf_init(&out, &kis_mem, 1 << 16);
            kis_pretty_put(&pretty, kis_str_slice(json, 0, cut), &out);
            kis_pretty_put(&pretty, kis_str_slice(json, cut, json.len), &out);
            CHECK_STR(rows[i].want, kis_buf_str(&out), rows[i].why);
            kis_buf_done(&out);
        }
}

TEST_MAIN(RUN(json_is_indented_by_four), RUN(pieces_may_be_cut_anywhere))
