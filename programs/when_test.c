/* when_test.c - moments as people type them. */
#include "when.h"

#include "tests/test.h"

#define S   UINT64_C(1000000000)
#define NOW (UINT64_C(1795737600) * S) /* 2026-11-27T00:00:00Z */

TEST(moments_are_read_as_people_type_them)
{
    static const struct {
        const char *text;
        bool is_read;
        uint64_t want;
        const char *why;
    } rows[] = {
        { "now", true, NOW, "now" },
        { "-1h", true, NOW - 3600 * S, "before now" },
        { "+1h", true, NOW + 3600 * S, "after now: a sender whose clock is ahead" },
        { "+1h30m", true, NOW + 5400 * S, "of two units" },
        { "-30000d", true, 0, "before 1970 is 1970" },
        { "2026-11-27", true, NOW, "a date alone is its midnight, UTC" },
        { "2026-11-27T00:00:01Z", true, NOW + S, "RFC 3339" },
        { "2026-11-27T01:00:00+01:00", true, NOW, "of another zone" },
        { "2026-02-30", false, 0, "no such day" },
        { "2026-11-2", false, 0, "not a whole date" },
        { "yesterday", false, 0, "a word" },
        { "++1h", false, 0, "two signs" },
        { "+-1h", false, 0, "two that disagree" },
        { "+", false, 0, "a sign alone" },
        { "", false, 0, "nothing" },
        { "1h", false, 0, "before or after?" },
        { "+292y", false, 0, "no unit of ours" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t got = 0;
        CHECK(kis_when_read(kis_str_from_c(rows[i].text), NOW, &got) == rows[i].is_read,
              rows[i].why);
        CHECK(!rows[i].is_read || got == rows[i].want, rows[i].why);
    }
}

TEST_MAIN(RUN(moments_are_read_as_people_type_them))
