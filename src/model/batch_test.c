/* Batches: references, adopted bodies, the budget; and the generator that tests are made with. */
#include "model/batch.h"

#include "model/test_spans.h"
#include "tests/test.h"

TEST(the_last_reference_gives_everything_back)
{
    kis_budget budget = { .max_bytes = 1000 };
    test_alloc_reset(-1);
    kis_batch *batch = kis_batch_new(test_alloc, 4096);
    uint8_t *body = test_alloc->take(NULL, 100);
    kis_batch_adopt_body(batch, body, 10, 100, test_alloc);
    CHECK(KIS_NEW_ARRAY(&batch->arena, uint64_t, 10) != NULL, "arena memory");
    CHECK(kis_budget_take(&budget, 600), "there is room");
    CHECK(!kis_budget_take(&budget, 401), "there is not so much");
    CHECK_INT(1, atomic_load(&budget.refusals), "which is counted");
    batch->budget = &budget;
    batch->charged_bytes = 600;
    CHECK(kis_batch_ref(batch) == batch, "a second reference");
    kis_batch_unref(batch);
    CHECK_INT(600, atomic_load(&budget.used_bytes), "one is left");
    CHECK(test_alloc_live() > 0, "and everything with it");
    kis_batch_unref(batch);
    CHECK_INT(0, atomic_load(&budget.used_bytes), "the budget has its bytes back");
    CHECK_INT(0, test_alloc_live(), "and the machine its memory");
    kis_batch_unref(NULL);
}

TEST(a_batch_without_memory_is_none)
{
    test_alloc_reset(0);
    CHECK(kis_batch_new(test_alloc, 4096) == NULL, "no memory");
    test_alloc_reset(-1);
}

TEST(adopting_a_second_body_gives_the_first_back)
{
    kis_batch *batch = kis_batch_new(test_alloc, 4096);
    kis_batch_adopt_body(batch, test_alloc->take(NULL, 8), 8, 8, test_alloc);
    kis_batch_adopt_body(batch, test_alloc->take(NULL, 9), 9, 9, test_alloc);
    CHECK_INT(2, test_alloc_live(), "the batch and one body");
    kis_batch_unref(batch);
    CHECK_INT(0, test_alloc_live(), "nothing");
}

TEST(generated_batches_are_the_same_for_the_same_seed)
{
    test_spans_spec spec = { .seed = 7, .traces = 10, .spans_per_trace = 5, .start_unix_ns = 1000 };
    kis_batch *a = test_spans_generate(test_alloc, &spec),
              *b = test_spans_generate(test_alloc, &spec);
    CHECK_INT(50, a->span_count, "traces times spans");
    CHECK_BYTES(a->body.ptr, a->body.len, b->body, "equal");
    spec.seed = 8;
    kis_batch *c = test_spans_generate(test_alloc, &spec);
    CHECK(a->body.len != c->body.len || memcmp(a->body.ptr, c->body.ptr, a->body.len) != 0,
          "another seed, other spans");
    kis_batch_unref(a);
    kis_batch_unref(b);
    kis_batch_unref(c);
    CHECK_INT(0, test_alloc_live(), "nothing is left over");
}

TEST_MAIN(RUN(the_last_reference_gives_everything_back), RUN(a_batch_without_memory_is_none),
          RUN(adopting_a_second_body_gives_the_first_back),
          RUN(generated_batches_are_the_same_for_the_same_seed))
