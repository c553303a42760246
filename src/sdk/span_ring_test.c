/* span_ring_test.c - the three rules of span_ring.c. */
#include <pthread.h>

#include "tests/test.h"

#include "sdk/span_ring.h"

static struct kis_slot *slot_numbered(uintptr_t n)
{
    return (struct kis_slot *)(n * 16 + 16);
}

static kis_span_ring ring;

static void begin(uint32_t limit)
{
    test_alloc_reset(-1);
    CHECK(kis_span_ring_init(&ring, limit, test_alloc), "memory");
}
static void end(void)
{
    kis_span_ring_done(&ring, test_alloc);
    CHECK_INT(0, test_alloc_live(), "given back");
}

TEST(ring_gives_spans_in_the_order_they_ended)
{
    struct kis_slot *out[8];
    begin(5);
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(kis_span_ring_push(&ring, slot_numbered(i)), "fits");
    CHECK_INT(3, kis_span_ring_take(&ring, out, 3), "as many as asked for");
    for (uintptr_t i = 0; i < 3; i++)
        CHECK(out[i] == slot_numbered(i), "oldest first");
    CHECK_INT(1, kis_span_ring_take(&ring, out, 8), "the rest");
    CHECK(out[0] == slot_numbered(3), "the last");
    CHECK_INT(0, kis_span_ring_take(&ring, out, 8), "empty");
    end();
}

TEST(ring_refuses_the_newest_when_full_and_counts_it)
{
    struct kis_slot *out[8];
    begin(5); /* eight places, five used */
    for (uintptr_t i = 0; i < 5; i++)
        CHECK(kis_span_ring_push(&ring, slot_numbered(i)), "fits");
    CHECK(!kis_span_ring_push(&ring, slot_numbered(5)), "one more than the limit");
    CHECK(!kis_span_ring_push(&ring, slot_numbered(6)), "and another");
    CHECK_INT(2, ring.dropped, "both counted");
    CHECK_INT(1, kis_span_ring_take(&ring, out, 1), "room for one");
    CHECK(kis_span_ring_push(&ring, slot_numbered(7)), "which is filled");
    CHECK_INT(5, kis_span_ring_take(&ring, out, 8), "five again");
    CHECK(out[0] == slot_numbered(1) && out[3] == slot_numbered(4) && out[4] == slot_numbered(7),
          "nothing that was refused");
    end();
}

TEST(ring_goes_on_when_its_counters_wrap)
{
    struct kis_slot *out[4];
    begin(4);
    atomic_store(&ring.head, UINT32_MAX - 1);
    atomic_store(&ring.tail, UINT32_MAX - 1);
    ring.seen_tail = UINT32_MAX - 1;
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(kis_span_ring_push(&ring, slot_numbered(i)), "over the edge");
    CHECK(!kis_span_ring_push(&ring, slot_numbered(9)), "full behind the edge");
    CHECK_INT(4, kis_span_ring_count(&ring), "counted over the edge");
    CHECK_INT(4, kis_span_ring_take(&ring, out, 4), "all");
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(out[i] == slot_numbered(i), "in order");
    end();
}

enum { MANY = 200000 };
static void *writer(void *unused)
{
    (void)unused;
    for (uintptr_t i = 0; i < MANY; i++)
        while (!kis_span_ring_push(&ring, slot_numbered(i)))
            sched_yield();
    return NULL;
}

TEST(ring_loses_nothing_between_two_threads)
{
    struct kis_slot *out[64];
    uintptr_t next = 0;
    pthread_t thread;

    begin(100);
    pthread_create(&thread, NULL, writer, NULL);
    while (next < MANY) {
        uint32_t count = kis_span_ring_take(&ring, out, COUNT_OF(out));
        for (uint32_t i = 0; i < count; i++)
            CHECK(out[i] == slot_numbered(next++), "each once, in order");
        if (!count)
            sched_yield();
    }
    pthread_join(thread, NULL);
    CHECK_INT(0, kis_span_ring_count(&ring), "empty");
    end();
}

TEST_MAIN(RUN(ring_gives_spans_in_the_order_they_ended),
          RUN(ring_refuses_the_newest_when_full_and_counts_it),
          RUN(ring_goes_on_when_its_counters_wrap), RUN(ring_loses_nothing_between_two_threads))
