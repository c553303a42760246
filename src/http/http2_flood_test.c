/* http2_flood_test.c - a burst passes, time refills, and kinds do not share. */
#include "tests/test.h"

#include "base/str.h"
#include "http/http2_flood.h"

#define SECOND_NS 1000000000u

/* How many frames of `kind` pass at that time before one is too many. */
static uint32_t passes(kis_flood_meters *meters, kis_flood_kind kind, uint64_t now_ns)
{
    uint32_t count = 0;
    while (kis_flood_note(meters, kind, now_ns))
        count++;
    return count;
}

TEST(a_burst_passes_and_then_what_time_gives_back)
{
    static const struct {
        const char *why;
        kis_flood_kind kind;
        uint32_t burst, rate;
    } rows[] = {
        { "settings", KIS_FLOOD_SETTINGS, 100, 10 },
        { "empty DATA", KIS_FLOOD_EMPTY_DATA, 200, 50 },
        { "resets of ours", KIS_FLOOD_RESET_BY_US, 1000, 100 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kis_flood_meters meters = { 0 };
        uint64_t now_ns = 77 * (uint64_t)SECOND_NS;
        CHECK_INT(rows[i].burst, passes(&meters, rows[i].kind, now_ns), rows[i].why);
        /* the one that was too many has to be paid, too */
        CHECK_INT(rows[i].rate - 1, passes(&meters, rows[i].kind, now_ns + SECOND_NS), rows[i].why);
        CHECK_INT(rows[i].burst, passes(&meters, rows[i].kind, now_ns + 1000ull * SECOND_NS),
                  "a long pause fills the bucket, and no more than that");
    }
}

TEST(the_first_flood_is_the_one_that_is_told)
{
    kis_flood_meters meters = { 0 };
    CHECK(meters.what == NULL, "no flood yet");
    CHECK_INT(100, passes(&meters, KIS_FLOOD_SETTINGS, SECOND_NS), "settings");
    CHECK_INT(1000, passes(&meters, KIS_FLOOD_PING, SECOND_NS), "pings have their own bucket");
    CHECK_STR("SETTINGS frames", kis_str_from_c(meters.what), "the first");
}

TEST_MAIN(RUN(a_burst_passes_and_then_what_time_gives_back),
          RUN(the_first_flood_is_the_one_that_is_told))
