/* Damage anywhere in a segment file: what is told, what is still found,
 * and that nothing is shown which was not stored. */
#include <string.h>

#include "base/crc.h"
#include "os/os_sim.h"
#include "store/le.h"
#include "store/segment_rebuild.h"
#include "store/store_fixture.h"
#include "tests/test.h"

#define TRACES     500u
#define SPANS      20u
#define SEGMENT    "seg-0000000000000001-0000.kseg"
#define BLOCKS_MAX 64u

/* `full` runs set STORE_FAULT_STEP to 1 */
static uint64_t points_or(uint64_t sampled, uint64_t full)
{
    const char *step = getenv("STORE_FAULT_STEP");
    return step && strtoull(step, NULL, 10) == 1 ? full : sampled;
}

/* one flushed segment and everything that it answers; on a simulated disk,
 * for it is opened hundreds of times */
typedef struct whole {
    store_fixture f;
    kis_sim *sim;
    uint8_t *bytes, *harmed;
    size_t size;
    kis_seg_lead lead;
    uint64_t block_begin[BLOCKS_MAX], block_end[BLOCKS_MAX];
    uint32_t blocks;
    uint32_t first_block[TRACES + 1], last_block[TRACES + 1];
    uint64_t hash[TRACES + 1], newest_ns[TRACES + 1];
    int services;
    int logged[4];
    char said[1024]; /* the last line of level 2 or 3 */
} whole;

static void take_line(void *user, int level, const char *text)
{
    whole *w = user;
    w->logged[level]++;
    if (level >= 2)
        snprintf(w->said, sizeof w->said, "%s", text);
}

static void count_line(void *user, const char *text)
{
    *(int *)user += strncmp(text, "damaged:", 8) == 0;
}

static kis_file open_segment(whole *w)
{
    char path[512];
    kis_file file = { 0 };
    kis_os *os = kis_sim_os(w->sim);

    snprintf(path, sizeof path, "%s/%s", w->f.dir, SEGMENT);
    CHECK_ERR(KIS_OK, os->ops->open(os, kis_str_from_c(path), KIS_OPEN_WRITE, &file, NULL),
              "the segment");
    return file;
}

static void read_segment(whole *w)
{
    kis_os *os = kis_sim_os(w->sim);
    kis_file file = open_segment(w);
    uint64_t size;

    CHECK_ERR(KIS_OK, os->ops->size(os, file, &size, NULL), "its size");
    w->size = (size_t)size;
    w->bytes = malloc(w->size);
    w->harmed = malloc(w->size);
    CHECK_ERR(KIS_OK, os->ops->read_at(os, file, 0, w->bytes, w->size, NULL), "its bytes");
    os->ops->close(os, file);
}

static void write_segment(whole *w, size_t size)
{
    kis_os *os = kis_sim_os(w->sim);
    kis_file file = open_segment(w);

    CHECK_ERR(KIS_OK, os->ops->truncate(os, file, size, NULL), "cut");
    if (size)
        CHECK_ERR(KIS_OK, os->ops->write_at(os, file, 0, w->harmed, size, NULL), "written");
    os->ops->close(os, file);
}

/* Which block has which trace: read from the file's own beginning, not from its index. */
static void map_blocks(whole *w)
{
    kis_block_codec *codec = kis_block_codec_new(&kis_mem);
    kis_seg_block_measure m;
    uint64_t at = KIS_SEG_LEAD_BYTES;

    CHECK_ERR(KIS_OK, kis_seg_lead_decode(w->bytes, &w->lead, NULL), "the lead");
    for (; at < w->lead.info.index_offset; at += m.size) {
        kis_seg_block *b;
        uint32_t first, end;
        CHECK(kis_seg_block_measure_header(w->bytes + at, &m), "a block");
        CHECK_ERR(KIS_OK,
                  kis_seg_block_decode(kis_bytes_of(w->bytes + at, m.size), KIS_NEED_ALL, &kis_mem,
                                       codec, &b, NULL),
                  "that reads");
        for (uint32_t trace = 1; trace <= TRACES; trace++) {
            kis_trace_id id = test_trace_id(trace);
            if (!kis_seg_block_find_trace(b, &id, &first, &end))
                continue;
            if (w->first_block[trace] == UINT32_MAX)
                w->first_block[trace] = w->blocks;
            w->last_block[trace] = w->blocks;
        }
        kis_seg_block_unref(b);
        w->block_begin[w->blocks] = at;
        w->block_end[w->blocks++] = at + m.size;
    }
    kis_block_codec_free(codec);
    CHECK_INT(w->lead.info.block_count, w->blocks, "as many as the lead says");
    CHECK(w->blocks >= 4, "several");
}

static void whole_open(whole *w)
{
    memset(w, 0, sizeof *w);
    CHECK_ERR(KIS_OK, kis_sim_new(&kis_mem, 1, &w->sim), "a machine");
    kis_store_options options = { .os = kis_sim_os(w->sim), .log = take_line, .log_user = w };
    memset(w->first_block, 0xff, sizeof w->first_block);
    fixture_open(&w->f, &options);
    CHECK_ERR(KIS_OK, fixture_push_generated(&w->f, 1, TRACES, SPANS), "pushed");
    CHECK_ERR(KIS_OK, fixture_push_key(&w->f, TRACES + 1, "once"), "with a key");
    CHECK_ERR(KIS_OK, kis_store_flush(w->f.store, UINT64_MAX, NULL), "flushed");
    for (uint32_t trace = 1; trace <= TRACES; trace++) {
        fixture_answer a = fixture_get(&w->f, trace);
        w->hash[trace] = a.hash;
        w->newest_ns[trace] = a.last;
    }
    w->services = fixture_names(&w->f, true, "");
    fixture_close(&w->f);
    read_segment(w);
    map_blocks(w);
}

static void whole_done(whole *w)
{
    rmdir(w->f.dir); /* only its name was used */
    kis_sim_free(w->sim);
    free(w->bytes);
    free(w->harmed);
}

static bool is_touched(const whole *w, uint32_t trace, uint64_t harm_begin, uint64_t harm_end)
{
    return w->block_begin[w->first_block[trace]] < harm_end &&
           w->block_end[w->last_block[trace]] > harm_begin;
}

static fixture_answer find_at(whole *w, uint64_t start_unix_ns, const kis_filter *filter)
{
    fixture_answer a = { .is_ordered = true };
    kis_reader *reader = kis_store_reader(w->f.store);
    kis_find find = { .request = { .tenant = w->f.tenant },
                      .filter = filter,
                      .start_min_unix_ns = start_unix_ns,
                      .start_max_unix_ns = start_unix_ns + 1,
                      .limit = 1000 };
    kis_answer answer;
    a.err = reader->ops->find(reader, &find, fixture_take_found, &a, &answer, NULL);
    a.is_partial = answer.is_partial;
    return a;
}

static bool take_root(void *user, const kis_found_span *found)
{
    char(*texts)[128] = user;
    snprintf(texts[0], 128, "%.*s", (int)found->resource->service_name.len,
             found->resource->service_name.ptr);
    snprintf(texts[1], 128, "%.*s", (int)found->span->name.len, found->span->name.ptr);
    return true; /* the last span's: newest_ns is its start */
}

/* By service, operation and time: the newest span of a trace in a whole block is found,
 * and so is its service in the list. */
static void check_search(whole *w, uint32_t trace)
{
    char texts[2][128];
    kis_trace_id id = test_trace_id(trace);
    kis_reader *reader = kis_store_reader(w->f.store);
    kis_request request = { .tenant = KIS_STR_NONE };
    kis_answer answer;

    CHECK_ERR(KIS_OK, reader->ops->get(reader, &request, &id, take_root, texts, &answer, NULL),
              "its spans");
    kis_filter service = { .op = KIS_FILTER_COMPARE,
                           .on = KIS_ON_SERVICE,
                           .compare = KIS_EQ,
                           .value = { .kind = KIS_VALUE_STR, .str = test_text(texts[0]) } };
    kis_filter name = { .op = KIS_FILTER_COMPARE,
                        .on = KIS_ON_NAME,
                        .compare = KIS_EQ,
                        .value = { .kind = KIS_VALUE_STR, .str = test_text(texts[1]) } };
    const kis_filter *parts[] = { &service, &name };
    kis_filter both = { .op = KIS_FILTER_AND, .parts = parts, .part_count = 2 };
    CHECK(find_at(w, w->newest_ns[trace], &service).count >= 1, "by service and time");
    CHECK(find_at(w, w->newest_ns[trace], &name).count >= 1, "by operation and time");
    CHECK(find_at(w, w->newest_ns[trace], &both).count >= 1, "by all three");
    CHECK(fixture_names(&w->f, false, texts[0]) > 0, "its operations are listed");
}

/* Opens what is harmed from `begin` to `end` and asks for everything.
 * Answers how many traces were whole. */
static uint32_t check_harmed(whole *w, uint64_t begin, uint64_t end, size_t size, const char *why)
{
    uint32_t good = 0, searched = 0;

    write_segment(w, size);
    memset(w->logged, 0, sizeof w->logged);
    fixture_start(&w->f);
    for (uint32_t trace = 1; trace <= TRACES; trace += 7) {
        fixture_answer a = fixture_get(&w->f, trace);
        if (!is_touched(w, trace, begin, end))
            CHECK(a.hash == w->hash[trace], why);
        if (a.hash != w->hash[trace]) {
            CHECK(a.is_partial, "what is not whole is said not to be");
            CHECK(kis_store_get_stats(w->f.store).damaged_blocks > 0 &&
                      w->logged[2] + w->logged[3] > 0,
                  "counted and logged");
            continue;
        }
        good++;
        if (searched++ % 16 == 0)
            check_search(w, trace);
    }
    CHECK(fixture_find(&w->f, NULL, 2 * TRACES).count >= good, "searching finds them, too");
    int services = fixture_names(&w->f, true, "");
    if (good) /* where blocks and the list are lost, one more that says that some may be missing */
        CHECK(services == w->services || services == w->services + 1, "all services are listed");
    fixture_close(&w->f);
    return good;
}

static void flip_and_check(whole *w, uint64_t at, unsigned bit)
{
    int lines = 0;
    kis_diag diag;

    memcpy(w->harmed, w->bytes, w->size);
    w->harmed[at] ^= (uint8_t)(1u << bit);
    check_harmed(w, at, at + 1, w->size, "a trace that has no row in the damaged block is whole");
    CHECK_ERR(
        KIS_ERR_CORRUPT,
        kis_store_check(w->f.options.os, &kis_mem, w->f.options.dir, count_line, &lines, &diag),
        "check finds it");
    CHECK(lines > 0, "and names the place");
}

TEST(a_flipped_bit_costs_at_most_the_block_that_it_is_in)
{
    whole w;

    whole_open(&w);
    uint64_t tail = w.size - w.lead.info.index_offset, points = points_or(40, 600),
             tail_points = points_or(40, 600);
    for (uint64_t i = 0; i < points; i++)
        flip_and_check(&w, w.lead.info.index_offset * i / points, i % 8);
    /* index, names, pinned data: denser, for they are a small part of the file */
    for (uint64_t i = 0; i < tail_points; i++)
        flip_and_check(&w, w.lead.info.index_offset + tail * i / tail_points, i % 8);
    for (uint64_t i = 0; i < KIS_SEG_FOOTER_BYTES; i += points_or(9, 1))
        flip_and_check(&w, w.size - KIS_SEG_FOOTER_BYTES + i, i % 8);
    for (uint64_t i = 0; i < KIS_SEG_LEAD_BYTES; i += points_or(32, 1))
        flip_and_check(&w, i, i % 8);
    whole_done(&w);
}

TEST(a_file_cut_anywhere_answers_from_the_blocks_before)
{
    whole w;
    uint32_t whole_somewhere = 0;

    whole_open(&w);
    memcpy(w.harmed, w.bytes, w.size);
    uint64_t points = points_or(40, 400);
    for (uint64_t i = 0; i < points; i++) {
        size_t cut = (size_t)(w.size * i / points);
        whole_somewhere += check_harmed(&w, cut, UINT64_MAX, cut,
                                        "a trace of the blocks before the cut is whole") > 0;
    }
    for (uint32_t b = 0; b < w.blocks; b++)
        for (int step = -1; step <= 1; step++) { /* where a block ends */
            size_t cut = (size_t)(w.block_end[b] + (uint64_t)(int64_t)step);
            check_harmed(&w, cut, UINT64_MAX, cut, "to the byte");
        }
    CHECK(whole_somewhere > points / 2, "most of it is found again most of the time");
    whole_done(&w);
}

/* Row by row: where the damage is, what is said, what is lost. */
TEST(damage_of_several_parts_is_told_in_numbers)
{
    whole w;
    kis_store_stats stats;

    whole_open(&w);
    uint64_t footer = w.size - KIS_SEG_FOOTER_BYTES, index = w.lead.info.index_offset;
    const struct {
        const char *why;
        uint64_t at[3];
        uint32_t lost_blocks;
        const char *said;
    } rows[] = {
        { "the footer",
          { footer + 9 },
          0,
          "the copy of its footer at its beginning is used, no span is lost" },
        { "the pinned data",
          { w.lead.footer.pinned_offset + 100 },
          0,
          "its index was made anew from its" },
        { "footer and pinned data",
          { footer, w.lead.footer.pinned_offset + 1 },
          0,
          "no span is lost" },
        { "a block's header, too",
          { footer, w.lead.footer.pinned_offset + 1, w.block_begin[1] + 20 },
          1,
          "are lost" },
        { "the first block's",
          { footer, w.lead.footer.pinned_offset + 1, w.block_begin[0] + 5 },
          1,
          "are lost" },
        { "the core of the last block",
          { footer, w.lead.footer.pinned_offset + 1, w.block_begin[w.blocks - 1] + 140 },
          1,
          "are lost" },
        { "the names",
          { w.lead.footer.start_offset + 10 },
          0,
          "its names were read from its blocks, its idempotency keys are lost" },
        { "the trace index", { index + 4 }, 0, NULL },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memcpy(w.harmed, w.bytes, w.size);
        for (unsigned j = 0; j < 3 && rows[i].at[j]; j++)
            w.harmed[rows[i].at[j]] ^= 0x40;
        write_segment(&w, w.size);
        w.said[0] = '\0';
        fixture_start(&w.f);
        stats = kis_store_get_stats(w.f.store);
        CHECK_INT(rows[i].said != NULL, stats.damaged_blocks, rows[i].why);
        if (rows[i].said)
            CHECK(strstr(w.said, SEGMENT) && strstr(w.said, rows[i].said) &&
                      strstr(w.said, "kiseki check"),
                  w.said);
        uint64_t lost_rows = rows[i].lost_blocks ? w.lead.info.row_count - stats.segment_spans : 0;
        CHECK_INT(w.lead.info.row_count - lost_rows, stats.segment_spans, "the rest is there");
        CHECK(rows[i].lost_blocks ? lost_rows > 0 && lost_rows <= KIS_SEG_BLOCK_ROWS_MAX
                                  : lost_rows == 0,
              "one block at most");
        fixture_answer all = fixture_find(&w.f, NULL, 2 * TRACES);
        CHECK(all.err == KIS_OK && all.is_partial == (rows[i].lost_blocks > 0),
              "a search says when something is missing, and only then");
        fixture_close(&w.f);
    }
    whole_done(&w);
}

/* What stands in an attribute, or lay on the disk before, may look like a block:
 * it is none without the file's salt. */
TEST(bytes_that_look_like_a_block_are_none)
{
    whole w;
    store_fixture other;
    char path[512];
    static uint8_t forged[65536];
    kis_seg_block_measure m;

    fixture_open(&other, NULL);
    CHECK_ERR(KIS_OK, fixture_push_generated(&other, 9000, 1, 3), "a span of somebody else");
    CHECK_ERR(KIS_OK, kis_store_flush(other.store, UINT64_MAX, NULL), "in a file of its own");
    snprintf(path, sizeof path, "%s/%s", other.dir, SEGMENT);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && pread(fd, forged, sizeof forged, KIS_SEG_LEAD_BYTES) >=
                         (ssize_t)KIS_SEG_BLOCK_HEADER_BYTES,
          "its block");
    close(fd);
    CHECK(kis_seg_block_measure_header(forged, &m) && m.size < sizeof forged, "small enough");
    fixture_done(&other);

    whole_open(&w);
    for (int with_salt = 0; with_salt < 2; with_salt++) {
        memcpy(w.harmed, w.bytes, w.size);
        w.harmed[w.size - 1] ^= 1;
        w.harmed[w.lead.footer.pinned_offset] ^= 1;
        w.harmed[w.block_begin[1]] ^= 1;
        if (with_salt) {
            kis_le_put_u32(forged + 12, w.lead.salt);
            kis_le_put_u32(forged + KIS_SEG_BLOCK_HEADER_BYTES - 4,
                           kis_crc32c(0, kis_bytes_of(forged, KIS_SEG_BLOCK_HEADER_BYTES - 4)));
        }
        memcpy(w.harmed + w.block_begin[1] + 3000, forged, m.size);
        write_segment(&w, w.size);
        fixture_start(&w.f);
        CHECK_INT(with_salt ? 3 : 0, fixture_get(&w.f, 9000).count,
                  with_salt ? "with the salt it is one: the test can fail" : "not shown");
        CHECK(fixture_get(&w.f, TRACES).hash == w.hash[TRACES], "what comes behind is");
        fixture_close(&w.f);
    }
    whole_done(&w);
}

TEST(a_tenants_file_stays_his)
{
    store_fixture f;
    struct stat st;
    char path[512];

    fixture_open(&f, NULL);
    f.tenant = KIS_STR("a");
    CHECK_ERR(KIS_OK, fixture_push_generated(&f, 1, 10, 5), "a's");
    CHECK_ERR(KIS_OK, kis_store_flush(f.store, UINT64_MAX, NULL), "flushed");
    fixture_close(&f);
    snprintf(path, sizeof path, "%s/%s", f.dir, SEGMENT);
    CHECK(stat(path, &st) == 0 && truncate(path, st.st_size - 200) == 0, "cut");
    fixture_start(&f);
    CHECK_INT(5, fixture_get(&f, 3).count, "a finds it");
    CHECK_INT(5, kis_store_get_stats(f.store).segment_spans / 10, "rebuilt");
    f.tenant = KIS_STR_NONE;
    CHECK_INT(0, fixture_get(&f, 3).count, "nobody else does");
    fixture_done(&f);
}

/* The same file as it was written before there were leads:
 * everything 256 bytes further to the front. */
static size_t without_lead(const whole *w, uint8_t *to)
{
    size_t size = w->size - KIS_SEG_LEAD_BYTES;
    kis_seg_footer footer = w->lead.footer;

    memcpy(to, w->bytes + KIS_SEG_LEAD_BYTES, size);
    footer.file_bytes -= KIS_SEG_LEAD_BYTES;
    footer.start_offset -= KIS_SEG_LEAD_BYTES;
    footer.pinned_offset -= KIS_SEG_LEAD_BYTES;
    for (uint8_t *at = to + footer.pinned_offset;
         at < to + footer.pinned_offset + footer.pinned_bytes;) {
        uint32_t type = kis_le_get_u32(at), len = kis_le_get_u32(at + 4);
        uint8_t *body = at + 8;
        if (type == 1) {
            kis_le_put_u32(body + 16, kis_le_get_u32(body + 16) & ~KIS_SEG_HAS_LEAD);
            kis_le_put_u64(body + 72, kis_le_get_u64(body + 72) - KIS_SEG_LEAD_BYTES);
        }
        for (uint32_t i = 0; type == 2 && i < len / 192; i++)
            kis_le_put_u64(body + 192u * i, kis_le_get_u64(body + 192u * i) - KIS_SEG_LEAD_BYTES);
        at = body + (len + 7) / 8 * 8;
    }
    footer.pinned_crc = kis_crc32c(0, kis_bytes_of(to + footer.pinned_offset, footer.pinned_bytes));
    kis_seg_footer_encode(&footer, to + size - KIS_SEG_FOOTER_BYTES);
    return size;
}

static bool names_are_whole(store_fixture *f, bool is_services)
{
    int count = 0;
    kis_reader *reader = kis_store_reader(f->store);
    kis_request request = { .tenant = f->tenant };
    kis_answer answer;

    CHECK_ERR(KIS_OK,
              is_services ? reader->ops->services(reader, &request, fixture_count_name, &count,
                                                  &answer, NULL)
                          : reader->ops->operations(reader, &request, KIS_STR_NONE,
                                                    fixture_count_name, &count, &answer, NULL),
              "listed");
    CHECK(answer.is_partial == (answer.why != NULL), "and why not");
    return !answer.is_partial;
}

static bool summary_is_whole(store_fixture *f, uint32_t trace)
{
    fixture_summary taken;
    kis_trace_id id = test_trace_id(trace);
    kis_reader *reader = kis_store_reader(f->store);
    kis_request request = { .tenant = f->tenant };
    kis_answer answer;

    CHECK_ERR(KIS_OK,
              reader->ops->summaries(reader, &request, &id, 1, fixture_take_summary, &taken,
                                     &answer, NULL),
              "summed up");
    return !answer.is_partial;
}

/* Of a file of which nothing reads nobody knows what it had: no answer to anybody is whole. */
static void check_left_out(whole *w, size_t size)
{
    static const char *const tenants[] = { "", "somebody else" };
    kis_store_stats stats = kis_store_get_stats(w->f.store);
    kis_filter service = { .op = KIS_FILTER_COMPARE,
                           .on = KIS_ON_SERVICE,
                           .compare = KIS_EQ,
                           .value = { .kind = KIS_VALUE_STR, .str = KIS_STR("no service") } };

    CHECK(stats.segment_count == 1 && stats.segments_left_out == 1 && stats.segment_spans == 0,
          "counted as left out");
    CHECK(stats.disk_bytes > size, "with its bytes");
    for (size_t i = 0; i < COUNT_OF(tenants); i++) {
        w->f.tenant = kis_str_from_c(tenants[i]);
        fixture_answer a = fixture_get(&w->f, 1);
        CHECK(a.err == KIS_ERR_NOT_FOUND && a.is_partial, "a trace may have been in it");
        CHECK(find_at(w, 1, NULL).is_partial, "at any time");
        CHECK(find_at(w, 1, &service).is_partial, "of any service");
        CHECK(!summary_is_whole(&w->f, 1), "a summary");
        CHECK(!names_are_whole(&w->f, true) && !names_are_whole(&w->f, false), "and any name");
    }
    w->f.tenant = KIS_STR_NONE;
    CHECK_ERR(KIS_OK, fixture_push_generated(&w->f, 9000, 1, 3), "storing goes on");
    fixture_answer a = fixture_get(&w->f, 9000);
    CHECK(a.count == 3 && a.is_partial, "of a trace that is there, too, more may be missing");
}

TEST(a_segment_that_does_not_read_at_all_makes_every_answer_partial)
{
    whole w;

    whole_open(&w);
    memcpy(w.harmed, w.bytes, w.size);
    w.harmed[20] ^= 1;
    w.harmed[w.size - 10] ^= 1;
    write_segment(&w, w.size);
    fixture_start(&w.f);
    CHECK(strstr(w.said, SEGMENT) && strstr(w.said, "left out as a whole"), w.said);
    check_left_out(&w, w.size);
    fixture_close(&w.f);
    memcpy(w.harmed, w.bytes, w.size);
    write_segment(&w, w.size);
    kis_sim_fail_at(w.sim, KIS_SIM_READ, 3, 2, KIS_ERR_IO); /* the version twice, footer, lead */
    fixture_start(&w.f);
    check_left_out(&w, w.size);
    fixture_close(&w.f);
    fixture_start(&w.f);
    fixture_answer a = fixture_get(&w.f, 1);
    CHECK(a.hash == w.hash[1] && !a.is_partial, "a disk that reads again has it back");
    CHECK(names_are_whole(&w.f, true) && names_are_whole(&w.f, false), "and its names");
    CHECK_INT(0, kis_store_get_stats(w.f.store).segments_left_out, "nothing is left out");
    fixture_close(&w.f);
    whole_done(&w);
}

/* Its lead reads, and says that its index would take too much memory: then it is known which
 * answers lack something. */
TEST(a_segment_without_room_for_its_index_makes_its_own_answers_partial)
{
    whole w;
    kis_filter service = { .op = KIS_FILTER_COMPARE,
                           .on = KIS_ON_SERVICE,
                           .compare = KIS_EQ,
                           .value = { .kind = KIS_VALUE_STR, .str = KIS_STR("no service") } };

    whole_open(&w);
    memcpy(w.harmed, w.bytes, w.size);
    kis_seg_lead lead = w.lead;
    lead.info.index_count = (uint32_t)(KIS_SEG_REBUILT_BYTES_MAX / sizeof(kis_seg_index_entry));
    kis_seg_lead_encode(&lead, w.harmed);
    w.harmed[w.size - 10] ^= 1;
    w.harmed[w.lead.footer.pinned_offset] ^= 1;
    write_segment(&w, w.size);
    fixture_start(&w.f);
    CHECK(strstr(w.said, SEGMENT) && strstr(w.said, "its 10001 spans are left out"), w.said);
    kis_store_stats stats = kis_store_get_stats(w.f.store);
    CHECK(stats.segments_left_out == 1 && stats.segment_spans == 0 && stats.disk_bytes > w.size,
          "counted as left out, with its bytes");
    fixture_answer a = fixture_get(&w.f, 1);
    CHECK(a.err == KIS_ERR_NOT_FOUND && a.is_partial, "a trace of this tenant");
    CHECK(!summary_is_whole(&w.f, 1), "its summary");
    CHECK(find_at(&w, w.newest_ns[1], NULL).is_partial, "a search in its time");
    CHECK(!find_at(&w, 1, NULL).is_partial, "not one of another");
    CHECK(!find_at(&w, w.newest_ns[1], &service).is_partial, "nor for a service that it has not");
    CHECK_INT(w.services, fixture_names(&w.f, true, ""), "its names are there");
    CHECK(names_are_whole(&w.f, true) && names_are_whole(&w.f, false), "all of them");
    CHECK_INT(0, fixture_push_key(&w.f, TRACES + 1, "once"), "and its keys:");
    CHECK_INT(1, kis_store_get_stats(w.f.store).batches_repeated, "nothing is stored twice");
    w.f.tenant = KIS_STR("somebody else");
    a = fixture_get(&w.f, 1);
    CHECK(a.err == KIS_ERR_NOT_FOUND && !a.is_partial, "another tenant misses nothing");
    CHECK(!find_at(&w, w.newest_ns[1], NULL).is_partial, "nor does his search");
    fixture_close(&w.f);
    whole_done(&w);
}

TEST(a_file_without_a_lead_reads_and_is_left_out_when_its_end_is_damaged)
{
    whole w;
    int lines = 0;
    kis_diag diag;

    whole_open(&w);
    size_t size = without_lead(&w, w.harmed);
    write_segment(&w, size);
    CHECK_ERR(KIS_OK,
              kis_store_check(w.f.options.os, &kis_mem, w.f.options.dir, count_line, &lines, &diag),
              "sound");
    fixture_start(&w.f);
    for (uint32_t trace = 1; trace <= TRACES; trace += 50)
        CHECK(fixture_get(&w.f, trace).hash == w.hash[trace], "all is there");
    fixture_close(&w.f);
    w.harmed[size - 1] ^= 1;
    write_segment(&w, size);
    fixture_start(&w.f);
    CHECK_INT(0, fixture_get(&w.f, 1).count, "whose spans these are stands in the lost part");
    check_left_out(&w, size);
    CHECK(strstr(w.said, SEGMENT) && strstr(w.said, "left out as a whole") &&
              strstr(w.said, "an earlier version wrote it"),
          w.said);
    CHECK_INT(1, kis_store_get_stats(w.f.store).damaged_blocks, "counted");
    fixture_close(&w.f);
    whole_done(&w);
}

typedef struct failing { /* the `left`-th piece is not given */
    long left, live;
    bool has_failed;
} failing;

static void *failing_take(void *user, size_t size)
{
    failing *f = user;
    if (f->left-- == 0) {
        f->has_failed = true;
        return NULL;
    }
    f->live++;
    return malloc(size ? size : 1);
}

static void failing_give_back(void *user, void *ptr, size_t size)
{
    (void)size;
    ((failing *)user)->live -= ptr != NULL;
    free(ptr);
}

TEST(missing_memory_is_told_and_nothing_leaks)
{
    whole w;
    failing f = { .has_failed = true };
    kis_alloc alloc = { failing_take, failing_give_back, &f };
    long at = 0;

    whole_open(&w);
    memcpy(w.harmed, w.bytes, w.size);
    write_segment(&w, w.size - 1000);
    for (; f.has_failed; at++) {
        kis_segment *segment = NULL;
        kis_diag diag = { 0 };
        f = (failing){ .left = at };
        kis_block_codec *codec = kis_block_codec_new(&alloc);
        kis_err err = !codec
                          ? KIS_ERR_NOMEM
                          : kis_segment_rebuild(kis_sim_os(w.sim), &alloc, kis_str_from_c(w.f.dir),
                                                1, 0, true, 1 << 30, codec, &segment, &diag);
        CHECK_ERR(f.has_failed ? KIS_ERR_NOMEM : KIS_OK, err, "no memory, and not damage");
        CHECK(err == KIS_OK || !codec || diag.text[0], "says so");
        kis_segment_unref(err ? NULL : segment);
        kis_block_codec_free(codec);
        CHECK_INT(0, f.live, "no leak");
    }
    CHECK(at > 20, "there were many");
    kis_segment *segment;
    kis_block_codec *codec = kis_block_codec_new(&kis_mem);
    kis_diag diag;
    CHECK_ERR(KIS_OK,
              kis_segment_rebuild(kis_sim_os(w.sim), &kis_mem, kis_str_from_c(w.f.dir), 1, 0, true,
                                  1000, codec, &segment, &diag),
              "too large");
    CHECK(segment->is_left_out && segment->lost_rows == w.lead.info.row_count &&
              segment->pinned_bytes < 1000,
          "without its blocks");
    kis_segment_unref(segment);
    kis_block_codec_free(codec);
    whole_done(&w);
}

TEST_MAIN(RUN(missing_memory_is_told_and_nothing_leaks),
          RUN(a_flipped_bit_costs_at_most_the_block_that_it_is_in),
          RUN(a_file_cut_anywhere_answers_from_the_blocks_before),
          RUN(damage_of_several_parts_is_told_in_numbers),
          RUN(a_segment_that_does_not_read_at_all_makes_every_answer_partial),
          RUN(a_segment_without_room_for_its_index_makes_its_own_answers_partial),
          RUN(bytes_that_look_like_a_block_are_none), RUN(a_tenants_file_stays_his),
          RUN(a_file_without_a_lead_reads_and_is_left_out_when_its_end_is_damaged))
