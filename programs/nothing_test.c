/* nothing_test.c - who finds nothing hears what was looked for and what to do. */
#include "nothing.h"

#include "tests/test.h"

#include "os/mem.h"

#define SERVICES   "{\"services\":[\"pay\",\"shop\"]}"
#define OPERATIONS "{\"operations\":[{\"name\":\"GET /basket\",\"spanKind\":\"server\"}]}"

TEST(what_was_looked_for_is_said_and_the_nearest_name)
{
    static const struct {
        const char *why, *service, *operation, *services, *operations, *want;
        uint32_t tag_count;
        bool has_durations;
    } rows[] = {
        { "wrong case", "SHOP", "", SERVICES, "",
          "no trace of service 'SHOP' since 2026-11-27T00:00:00Z; there is a 'shop'", 0, false },
        { "a letter too many", "shopp", "", SERVICES, "",
          "no trace of service 'shopp' since 2026-11-27T00:00:00Z; there is a 'shop'", 0, false },
        { "nothing like it", "warehouse", "", SERVICES, "",
          "no trace of service 'warehouse' since 2026-11-27T00:00:00Z; there is no such service "
          "(kiseki query services)",
          0, false },
        { "an operation in the wrong case", "shop", "get /basket", SERVICES, OPERATIONS,
          "no trace of service 'shop', operation 'get /basket' since 2026-11-27T00:00:00Z; 'shop' "
          "has a 'GET /basket'",
          0, false },
        { "no such operation", "shop", "refund", SERVICES, OPERATIONS,
          "no trace of service 'shop', operation 'refund' since 2026-11-27T00:00:00Z; 'shop' has "
          "no such operation (kiseki query operations)",
          0, false },
        { "all is known: too old", "shop", "GET /basket", SERVICES, OPERATIONS,
          "no trace of service 'shop', operation 'GET /basket' since 2026-11-27T00:00:00Z; --any-"
          "time looks further",
          0, false },
        { "tags", "shop", "", SERVICES, "",
          "no trace of service 'shop', with these tags, since 2026-11-27T00:00:00Z; "
          "--any-time looks further",
          2, false },
        { "a tag and a duration", "shop", "", SERVICES, "",
          "no trace of service 'shop', with this tag and such a duration, since "
          "2026-11-27T00:00:00Z; --any-time looks further",
          1, true },
        { "a duration", "", "", SERVICES, "",
          "no trace, with such a duration, since 2026-11-27T00:00:00Z; --any-time looks further", 0,
          true },
        { "an empty store", "", "", "{\"services\":[]}", "",
          "no trace since 2026-11-27T00:00:00Z; nothing is stored yet", 0, false },
        { "the services could not be asked", "SHOP", "", "", "",
          "no trace of service 'SHOP' since 2026-11-27T00:00:00Z; --any-time looks further", 0,
          false },
        { "their answer does not read", "SHOP", "", "<html>", "",
          "no trace of service 'SHOP' since 2026-11-27T00:00:00Z; --any-time looks further", 0,
          false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_nothing nothing = { .what = "trace",
                                .service = kis_str_from_c(rows[i].service),
                                .operation = kis_str_from_c(rows[i].operation),
                                .tag_count = rows[i].tag_count,
                                .has_durations = rows[i].has_durations,
                                .from_unix_ns = 1795737600000000000u,
                                .services = kis_bytes_of_str(kis_str_from_c(rows[i].services)),
                                .operations =
                                    kis_bytes_of_str(kis_str_from_c(rows[i].operations)) };
        char room[512];
        kis_buf out;
        kis_arena arena;
        kis_arena_init(&arena, &kis_mem, 1 << 20);
        kis_buf_init_fixed(&out, room, sizeof(room));
        kis_nothing_say(&nothing, &arena, &out);
        CHECK_STR(rows[i].want, kis_buf_str(&out), rows[i].why);
        kis_arena_done(&arena);
    }
}

TEST(a_short_trace_id_is_told_from_an_unknown_one)
{
    static const struct {
        const char *id, *want;
    } rows[] = {
        { "12ab", "no trace 12ab; a trace id has 32 digits, this one has 4" },
        { "0123456789abcdef0123456789abcdef",
          "no trace 0123456789abcdef0123456789abcdef; it has not come, or is older than what is "
          "kept" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char room[512];
        kis_buf out;
        kis_buf_init_fixed(&out, room, sizeof(room));
        kis_nothing_say_id(kis_str_from_c(rows[i].id), &out);
        CHECK_STR(rows[i].want, kis_buf_str(&out), rows[i].id);
    }
}

TEST_MAIN(RUN(what_was_looked_for_is_said_and_the_nearest_name),
          RUN(a_short_trace_id_is_told_from_an_unknown_one))
