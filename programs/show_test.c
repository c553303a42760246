/* show_test.c - answers as text: tables line up, trees are trees, names cannot move a cursor. */
#include <string.h>

#include "tests/test.h"

#include "os/mem.h"
#include "show.h"

static kis_arena arena;
static kis_buf out;

static void begin_show(void)
{
    kis_arena_init(&arena, &kis_mem, 1 << 20);
    kis_buf_init(&out, &kis_mem, 1 << 20);
}

static void end_show(void)
{
    kis_arena_done(&arena);
    kis_buf_done(&out);
}

static kis_bytes bytes_of(const char *text)
{
    return kis_bytes_of(text, strlen(text));
}

TEST(names_are_a_line_each)
{
    begin_show();
    CHECK_ERR(KIS_OK,
              kis_show_services(bytes_of("{\"services\":[\"a\",\"b\\u001b[31m\"]}"), &arena, &out),
              "services");
    CHECK_STR("a\nb\\x1b[31m\n", kis_buf_str(&out), "escaped");
    kis_buf_clear(&out);
    CHECK_ERR(
        KIS_OK,
        kis_show_operations(
            bytes_of(
                "{\"operations\":[{\"spanKind\":\"server\",\"name\":\"GET /\",\"more\":[1]}]}"),
            &arena, &out),
        "operations");
    CHECK_STR("server      GET /\n", kis_buf_str(&out), "kind and name");
    end_show();
}

TEST(empty_and_foreign_answers_are_told_apart)
{
    static const struct {
        const char *why, *json;
        kis_err want;
    } rows[] = {
        { "empty", "{\"services\":[]}", KIS_ERR_NOT_FOUND },
        { "another object", "{\"operations\":[]}", KIS_ERR_SYNTAX },
        { "not JSON", "<html>", KIS_ERR_SYNTAX },
        { "cut", "{\"services\":[\"a\"", KIS_ERR_SYNTAX },
        { "nothing", "", KIS_ERR_SYNTAX },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_show();
        CHECK_ERR(rows[i].want, kis_show_services(bytes_of(rows[i].json), &arena, &out),
                  rows[i].why);
        end_show();
    }
}

TEST(summaries_are_a_table)
{
    begin_show();
    CHECK_ERR(KIS_OK,
              kis_show_summaries(
                  bytes_of("{\"summaries\":[{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\","
                           "\"rootServiceName\":\"shop\",\"rootOperationName\":"
                           "\"GET "
                           "/\",\"minStartTimeUnixNano\":\"1700000000000000000\","
                           "\"maxEndTimeUnixNano\":\"1700000000012345678\",\"spanCount\":12}]}"),
                  &arena, &out),
              "one row; what proto3 JSON leaves out is zero");
    kis_str text = kis_buf_str(&out), head = kis_str_cut(&text, '\n'),
            row = kis_str_cut(&text, '\n');
    CHECK_STR("TRACE                             START (UTC)               DURATION   SPANS  "
              "ERRORS  ROOT",
              head, "the head");
    CHECK_STR("0af7651916cd43dd8448eb211c80319c  2023-11-14T22:13:20.000     12.3ms      12       "
              "0  shop: GET /",
              row, "the row");
    end_show();
}

TEST(a_trace_is_a_tree)
{
    static const char json[] =
        "{\"result\":{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
        "\"value\":{\"stringValue\":\"shop\"}}]},\"scopeSpans\":[{\"spans\":["
        "{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"00000000000000a2\","
        "\"parentSpanId\":\"00000000000000a1\",\"name\":\"inner\\u0007\",\"kind\":3,"
        "\"startTimeUnixNano\":\"1700000000001000000\",\"endTimeUnixNano\":\"1700000000002000000\","
        "\"status\":{\"code\":2,\"message\":\"bad\"}},"
        "{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"00000000000000a1\","
        "\"name\":\"outer\",\"kind\":2,"
        "\"startTimeUnixNano\":\"1700000000000000000\",\"endTimeUnixNano\":\"1700000000005000000\"}"
        ","
        "{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"00000000000000a3\","
        "\"parentSpanId\":\"00000000000000ff\",\"name\":\"lost\","
        "\"startTimeUnixNano\":\"1700000000003000000\",\"endTimeUnixNano\":\"1700000000003000500\"}"
        "]}]}]}}";
    kis_diag diag = { 0 };

    begin_show();
    CHECK_ERR(KIS_OK, kis_show_trace(bytes_of(json), false, &out, &diag), diag.text);
    CHECK_STR("     AFTER  DURATION  SPAN\n"
              "       0ns    5.00ms  shop: outer [server]\n"
              "    1.00ms    1.00ms    shop: inner\\a [client] ERROR bad\n"
              "    3.00ms     500ns  shop: lost (parent span ID=00000000000000ff is not in the "
              "trace; skipping clock skew adjustment)\n",
              kis_buf_str(&out), "children below their parent, by start");
    end_show();
}

TEST(attributes_events_and_status_stand_below_their_span)
{
    static const char json[] =
        "{\"result\":{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":["
        "{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"00000000000000a1\","
        "\"name\":\"outer\",\"startTimeUnixNano\":\"1700000000000000000\","
        "\"endTimeUnixNano\":\"1700000000005000000\",\"attributes\":["
        "{\"key\":\"rows\",\"value\":{\"intValue\":\"7\"}},"
        "{\"key\":\"sql\",\"value\":{\"stringValue\":\"a\\u001b[2J\"}}],"
        "\"events\":[{\"timeUnixNano\":\"1700000000001000000\",\"name\":\"exception\","
        "\"attributes\":[{\"key\":\"fatal\",\"value\":{\"boolValue\":true}}]},"
        "{\"timeUnixNano\":\"1699999999999000000\",\"name\":\"queued\"}],"
        "\"status\":{\"code\":2,\"message\":\"bad\"}}]}]}]}}";
    kis_diag diag = { 0 };

    begin_show();
    CHECK_ERR(KIS_OK, kis_show_trace(bytes_of(json), true, &out, &diag), diag.text);
    CHECK_STR("     AFTER  DURATION  SPAN\n"
              "       0ns    5.00ms  unknown_service: outer ERROR bad\n"
              "                          rows = 7\n"
              "                          sql = a\\x1b[2J\n"
              "                          event +1.00ms exception\n"
              "                            fatal = true\n"
              "                          event -1.00ms queued\n"
              "                          status error: bad\n",
              kis_buf_str(&out), "escaped, as all of it");
    end_show();
}

TEST(links_and_a_resource_that_is_new_are_shown)
{
    static const char json[] =
        "{\"result\":{\"resourceSpans\":["
        "{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"
        "\"a\"}},{\"key\":\"host.name\",\"value\":{\"stringValue\":\"h1\"}}]},\"scopeSpans\":"
        "[{\"spans\":[{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":"
        "\"00000000000000a1\",\"name\":\"outer\",\"startTimeUnixNano\":\"1700000000000000000\","
        "\"endTimeUnixNano\":\"1700000000005000000\",\"links\":[{\"traceId\":"
        "\"00000000000000000000000000000b0b\",\"spanId\":\"0000000000000b0c\",\"attributes\":["
        "{\"key\":\"why\",\"value\":{\"stringValue\":\"batch\"}}]}]}]}]},"
        "{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"
        "\"b\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\","
        "\"spanId\":\"00000000000000a2\",\"parentSpanId\":\"00000000000000a1\",\"name\":\"inner\","
        "\"startTimeUnixNano\":\"1700000000001000000\",\"endTimeUnixNano\":"
        "\"1700000000002000000\"}]}]},"
        "{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"
        "\"a\"}},{\"key\":\"host.name\",\"value\":{\"stringValue\":\"h1\"}}]},\"scopeSpans\":"
        "[{\"spans\":[{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":"
        "\"00000000000000a3\",\"parentSpanId\":\"00000000000000a1\",\"name\":\"again\","
        "\"startTimeUnixNano\":\"1700000000003000000\",\"endTimeUnixNano\":"
        "\"1700000000004000000\"}]}]}]}}";
    kis_diag diag = { 0 };

    begin_show();
    CHECK_ERR(KIS_OK, kis_show_trace(bytes_of(json), true, &out, &diag), diag.text);
    CHECK_STR("     AFTER  DURATION  SPAN\n"
              "       0ns    5.00ms  a: outer\n"
              "                          link to span 0000000000000b0c of trace "
              "00000000000000000000000000000b0b\n"
              "                            why = batch\n"
              "                          resource.service.name = a\n"
              "                          resource.host.name = h1\n"
              "    1.00ms    1.00ms    b: inner\n"
              "                            resource.service.name = b\n"
              "    3.00ms    1.00ms    a: again\n",
              kis_buf_str(&out), "a resource that comes again is not repeated");
    end_show();
}

TEST(errors_of_both_versions_are_read)
{
    static const struct {
        const char *json, *want;
    } rows[] = {
        { "{\"error\":{\"httpCode\":404,\"message\":\"No traces found\"}}\n", "No traces found" },
        { "{\"data\":null,\"total\":0,\"limit\":0,\"offset\":0,\"errors\":[{\"code\":404,\"msg\":"
          "\"trace not found\"}]}\n",
          "trace not found" },
        { "404 page not found\n", "" },
        { "", "" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_show();
        CHECK_STR(rows[i].want, kis_show_error(bytes_of(rows[i].json), &arena), rows[i].json);
        end_show();
    }
}

TEST_MAIN(RUN(names_are_a_line_each), RUN(empty_and_foreign_answers_are_told_apart),
          RUN(summaries_are_a_table), RUN(a_trace_is_a_tree),
          RUN(attributes_events_and_status_stand_below_their_span),
          RUN(links_and_a_resource_that_is_new_are_shown), RUN(errors_of_both_versions_are_read))
