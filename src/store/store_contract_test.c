/* The batteries of the two seams, for the store on a disk (answers from memory, and from segments)
 * and for the one in memory. */
#include "model/reader_contract.h"
#include "model/sink_contract.h"
#include "store/store_fixture.h"

static kis_sink *open_sink(void *user)
{
    store_fixture *f = user;
    fixture_open(f, NULL);
    return kis_store_sink(f->store);
}

static kis_sink *open_memory_sink(void *user)
{
    store_fixture *f = user;
    fixture_open_memory(f, 64 << 20);
    return kis_store_sink(f->store);
}

static void close_sink(void *user, kis_sink *sink)
{
    (void)sink;
    fixture_done(user);
}

static void open_both(void *user, kis_sink **sink, kis_reader **reader)
{
    store_fixture *f = user;
    fixture_open(f, NULL);
    *sink = kis_store_sink(f->store);
    *reader = kis_store_reader(f->store);
}

static void open_both_in_memory(void *user, kis_sink **sink, kis_reader **reader)
{
    store_fixture *f = user;
    fixture_open_memory(f, 64 << 20);
    *sink = kis_store_sink(f->store);
    *reader = kis_store_reader(f->store);
}

static void flush_it(void *user)
{
    store_fixture *f = user;
    CHECK_ERR(KIS_OK, kis_store_flush(f->store, UINT64_MAX, NULL), "flushed");
}

static void close_both(void *user)
{
    fixture_done(user);
}

TEST(the_store_is_a_sink)
{
    store_fixture f;
    sink_contract_run(&(sink_contract){ .open = open_sink, .close = close_sink, .user = &f });
}

TEST(the_store_in_memory_is_a_sink)
{
    store_fixture f;
    sink_contract_run(
        &(sink_contract){ .open = open_memory_sink, .close = close_sink, .user = &f });
}

TEST(the_store_is_a_reader_of_what_is_in_memory)
{
    store_fixture f;
    reader_contract_run(&(reader_contract){ .open = open_both, .close = close_both, .user = &f });
}

TEST(the_store_is_a_reader_of_its_segments)
{
    store_fixture f;
    reader_contract_run(&(reader_contract){
        .open = open_both, .settle = flush_it, .close = close_both, .user = &f });
}

TEST(the_store_in_memory_is_a_reader)
{
    store_fixture f;
    reader_contract_run(
        &(reader_contract){ .open = open_both_in_memory, .close = close_both, .user = &f });
}

TEST_MAIN(RUN(the_store_is_a_sink), RUN(the_store_in_memory_is_a_sink),
          RUN(the_store_is_a_reader_of_what_is_in_memory),
          RUN(the_store_is_a_reader_of_its_segments), RUN(the_store_in_memory_is_a_reader))
