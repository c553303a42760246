/* Random operations on a store and on a list of batches that is asked the slow way:
 * every answer is compared. */
#include <string.h>

#include "store/store_fixture.h"
#include "tests/test.h"

#define BATCHES_MAX 400
#define TRACES_MAX  4000

typedef struct naive {
    kis_batch *batches[BATCHES_MAX];
    uint32_t count;
    uint64_t traces; /* numbers given out so far */
    uint64_t base_ns;
    uint64_t random;
} naive;

static uint64_t dice(naive *n, uint64_t sides)
{
    return test_random(&n->random) % sides;
}

/* ---- asking the list ------------------------------------------------------------------------- */

typedef bool each_span_fn(void *user, const kis_found_span *found);

static void naive_each(const naive *n, each_span_fn *each, void *user)
{
    for (uint32_t b = 0; b < n->count; b++)
        for (uint32_t s = 0; s < n->batches[b]->scope_count; s++) {
            const kis_scope_view *scope = &n->batches[b]->scopes[s];
            for (uint32_t i = 0; i < scope->span_count; i++) {
                kis_found_span found = { &n->batches[b]->spans[scope->first_span + i],
                                         kis_batch_resource(n->batches[b], scope), scope };
                if (!each(user, &found))
                    return;
            }
        }
}

typedef struct naive_find {
    const kis_find *find;
    kis_found all[TRACES_MAX];
    uint32_t count;
} naive_find;

static bool naive_match(void *user, const kis_found_span *found)
{
    naive_find *f = user;
    const kis_span_view *span = found->span;
    if (span->start_unix_ns < f->find->start_min_unix_ns ||
        (f->find->start_max_unix_ns && span->start_unix_ns >= f->find->start_max_unix_ns))
        return true;
    if (f->find->filter &&
        !kis_filter_matches(f->find->filter, span, found->resource, found->scope))
        return true;
    for (uint32_t i = 0; i < f->count; i++)
        if (kis_trace_id_eq(&f->all[i].trace_id, &span->trace_id)) {
            f->all[i].newest_unix_ns = KIS_MAX(f->all[i].newest_unix_ns, span->start_unix_ns);
            return true;
        }
    f->all[f->count++] = (kis_found){ span->trace_id, span->start_unix_ns };
    return true;
}

static int found_order(const void *a, const void *b)
{
    const kis_found *x = a, *y = b;
    if (x->newest_unix_ns != y->newest_unix_ns)
        return x->newest_unix_ns > y->newest_unix_ns ? -1 : 1;
    return -memcmp(&x->trace_id, &y->trace_id, 16);
}

typedef struct page {
    const kis_found *want;
    uint32_t left, got;
    kis_token end;
    const char *wrong;
} page;

static bool compare_found(void *user, const kis_found *found)
{
    page *p = user;
    if (!p->left) {
        p->wrong = "more traces than there are";
        return false;
    }
    if (!kis_trace_id_eq(&p->want->trace_id, &found->trace_id))
        p->wrong = "another trace";
    else if (p->want->newest_unix_ns != found->newest_unix_ns)
        p->wrong = "another newest time";
    p->end = (kis_token){ found->newest_unix_ns, found->trace_id };
    p->want++;
    p->left--;
    p->got++;
    return !p->wrong;
}

/* All pages of one search. */
static void check_find(store_fixture *f, naive *n, kis_find *find)
{
    static naive_find expected;
    kis_reader *reader = kis_store_reader(f->store);
    kis_answer answer;
    kis_diag diag = { 0 };

    expected.find = find;
    expected.count = 0;
    naive_each(n, naive_match, &expected);
    qsort(expected.all, expected.count, sizeof *expected.all, found_order);
    page p = { .want = expected.all, .left = expected.count };
    for (int pages = 0;; pages++) {
        p.got = 0;
        CHECK_ERR(KIS_OK, reader->ops->find(reader, find, compare_found, &p, &answer, &diag),
                  diag.text);
        CHECK(!p.wrong, p.wrong);
        CHECK(!answer.is_partial, "nothing was damaged");
        if (p.got < find->limit || pages == 40)
            break;
        find->after = p.end;
    }
    if (p.got < find->limit)
        CHECK_INT(0, p.left, "traces that were not found");
}

typedef struct trace_sum {
    kis_trace_id id;
    uint64_t hash; /* order does not matter */
    uint32_t count;
    uint64_t seen[64 * 1024];
} trace_sum;

static bool add_span_once(void *user, const kis_found_span *found)
{
    trace_sum *t = user;
    if (!kis_trace_id_eq(&t->id, &found->span->trace_id))
        return true;
    uint64_t key;
    memcpy(&key, &found->span->span_id, 8);
    key = kis_hash_u64(key ^ kis_hash_u64(found->span->start_unix_ns ^ found->span->kind));
    for (uint32_t i = 0; i < t->count; i++)
        if (t->seen[i] == key)
            return true;
    t->seen[t->count++] = key;
    t->hash += fixture_span_hash(found);
    return true;
}

static void check_get(store_fixture *f, naive *n, uint64_t trace)
{
    static trace_sum want, got;
    kis_reader *reader = kis_store_reader(f->store);
    kis_request request = { 0 };
    kis_answer answer;

    want.id = got.id = test_trace_id(trace);
    want.hash = got.hash = want.count = got.count = 0;
    naive_each(n, add_span_once, &want);
    kis_err err = reader->ops->get(reader, &request, &want.id, add_span_once, &got, &answer, NULL);
    CHECK_ERR(want.count ? KIS_OK : KIS_ERR_NOT_FOUND, err, "a trace");
    CHECK_INT(want.count, got.count, "spans of the trace");
    CHECK(want.hash == got.hash, "the same spans");
    if (want.count)
        CHECK_INT(want.count, fixture_summarize(f, trace).span_count, "spans in the summary");
}

/* ---- the operations -------------------------------------------------------------------------- */

static void push_new(store_fixture *f, naive *n)
{
    test_spans_spec spec = { .seed = test_random(&n->random),
                             .traces = (uint32_t)(1 + dice(n, 12)),
                             .spans_per_trace = (uint32_t)(1 + dice(n, 20)),
                             .start_unix_ns = n->base_ns + dice(n, 1000) * 10000000,
                             .trace_step_ns = dice(n, 3) * 1000000 };
    if (n->traces + spec.traces >= TRACES_MAX)
        return;
    bool again = n->traces && dice(n, 4) == 0; /* more spans of traces there are */
    spec.first_trace = again ? 1 + dice(n, n->traces) : n->traces + 1;
    if (dice(n, 15) == 0)
        spec.start_unix_ns = dice(n, 2) ? dice(n, 1000) : 4102444800000000000u;
    kis_batch *batch = test_spans_generate(&kis_mem, &spec);
    /* other span ids: equal keys with other content would leave open which one is shown */
    if (again)
        for (uint32_t i = 0; i < batch->span_count; i++)
            batch->spans[i].span_id.bytes[0] ^= (uint8_t)(1 + n->count % 250);
    n->traces = KIS_MAX(n->traces, spec.first_trace + spec.traces - 1);
    n->batches[n->count++] = kis_batch_ref(batch);
    CHECK_ERR(KIS_OK, fixture_push(f, batch), "pushed");
}

static void push_again(store_fixture *f, naive *n)
{
    if (n->count)
        CHECK_ERR(KIS_OK, fixture_push(f, kis_batch_ref(n->batches[dice(n, n->count)])),
                  "pushed again");
}

static void find_something(store_fixture *f, naive *n)
{
    static const char *const names[] = { "GET /cart", "POST /pay", "GET /health", "nothing" };
    kis_filter parts[5] = {
        { .op = KIS_FILTER_COMPARE,
          .on = KIS_ON_SERVICE,
          .compare = KIS_EQ,
          .value = { .kind = KIS_VALUE_STR, .str = test_text(test_service_names[dice(n, 10)]) } },
        { .op = KIS_FILTER_COMPARE,
          .on = KIS_ON_NAME,
          .compare = KIS_EQ,
          .value = { .kind = KIS_VALUE_STR, .str = test_text(names[dice(n, 4)]) } },
        { .op = KIS_FILTER_COMPARE,
          .on = KIS_ON_DURATION,
          .compare = KIS_GE,
          .value = { .kind = KIS_VALUE_INT, .integer = (int64_t)dice(n, 5000000) } },
        { .op = KIS_FILTER_COMPARE,
          .on = KIS_ON_ANY_ATTR,
          .compare = KIS_EQ,
          .key = KIS_STR("http.response.status_code"),
          .value = { .kind = KIS_VALUE_INT, .integer = 500 } },
        { .op = KIS_FILTER_COMPARE, .on = KIS_ON_PARENT, .compare = KIS_EXISTS },
    };
    const kis_filter *chosen[5];
    kis_filter tree = { .op = dice(n, 4) ? KIS_FILTER_AND : KIS_FILTER_OR, .parts = chosen };
    for (int i = 0; i < 5; i++)
        if (dice(n, 3) == 0)
            chosen[tree.part_count++] = &parts[i];
    kis_find find = { .filter = tree.part_count ? &tree : NULL,
                      .limit = (uint32_t)(1 + dice(n, 30)) };
    if (dice(n, 2)) {
        find.start_min_unix_ns = n->base_ns + dice(n, 1000) * 10000000;
        find.start_max_unix_ns = find.start_min_unix_ns + dice(n, 1000) * 10000000;
    }
    check_find(f, n, &find);
}

static void run_seed(uint64_t seed, uint32_t operations)
{
    store_fixture f;
    kis_store_options small = { .head_bytes = 1 };
    static naive n;

    n = (naive){ .random = seed, .base_ns = kis_now_unix_ns() };
    fixture_open(&f, &small);
    for (uint32_t i = 0; i < operations && n.count < BATCHES_MAX; i++) {
        switch (dice(&n, 12)) {
        case 0:
            CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
            break;
        case 1:
            if (dice(&n, 3) == 0)
                fixture_reopen(&f);
            break;
        case 2:
            push_again(&f, &n);
            break;
        case 3:
        case 4:
        case 5:
            find_something(&f, &n);
            break;
        case 6:
        case 7:
            check_get(&f, &n, 1 + dice(&n, n.traces + 2));
            break;
        default:
            push_new(&f, &n);
        }
    }
    for (uint64_t trace = 1; trace <= n.traces; trace += 7)
        check_get(&f, &n, trace);
    fixture_done(&f);
    for (uint32_t i = 0; i < n.count; i++)
        kis_batch_unref(n.batches[i]);
}

TEST(every_answer_is_that_of_a_plain_list)
{
    const char *seeds = getenv("STORE_MODEL_SEEDS");
    uint64_t count = seeds ? strtoull(seeds, NULL, 10) : 6;
    for (uint64_t seed = 1; seed <= count; seed++)
        run_seed(seed * 7919, 260);
}

TEST_MAIN(RUN(every_answer_is_that_of_a_plain_list))
