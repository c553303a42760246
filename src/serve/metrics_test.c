/* metrics_test.c - Prometheus' text, the Collector's names, the health's JSON. */
#include "tests/test.h"

#include "os/mem.h"
#include "os/os.h"
#include "serve/health.h"
#include "serve/metrics.h"

static kis_buf text;

static bool has_line(const char *line)
{
    for (kis_str rest = kis_buf_str(&text); rest.ptr;)
        if (kis_str_eq(kis_str_cut(&rest, '\n'), kis_str_from_c(line)))
            return true;
    return false;
}

TEST(the_collectors_names_and_labels_are_there)
{
    kis_metrics m = {
        .http = { .accepted_spans = 10, .refused_spans = 2 },
        .grpc = { .accepted_spans = 30, .failed_spans = 1 },
        .store = { .spans_stored = 40,
                   .sync_ns_total = 1500000000,
                   .is_disk_full = true,
                   .disk_bytes = 12345 },
        .process = { .cpu_ns = 2500000000, .rss_bytes = 1048576 },
        .uptime_ns = 60000000000,
    };
    static const char *const wanted[] = {
        "otelcol_receiver_accepted_spans_total{receiver=\"otlp\",transport=\"http\"} 10",
        "otelcol_receiver_accepted_spans_total{receiver=\"otlp\",transport=\"grpc\"} 30",
        "otelcol_receiver_refused_spans_total{receiver=\"otlp\",transport=\"http\"} 2",
        "otelcol_receiver_failed_spans_total{receiver=\"otlp\",transport=\"grpc\"} 1",
        "# TYPE otelcol_receiver_accepted_spans_total counter",
        "otelcol_process_uptime_seconds_total 60",
        "otelcol_process_cpu_seconds_total 2.5",
        "otelcol_process_memory_rss_bytes 1048576",
        "# TYPE otelcol_process_memory_rss_bytes gauge",
        "kiseki_store_spans_stored_total 40",
        "kiseki_store_sync_seconds_total 1.5",
        "kiseki_store_disk_full 1",
        "kiseki_store_disk_bytes 12345",
        "kiseki_build_info{version=\"" KIS_VERSION "\"} 1",
    };
    kis_buf_init(&text, &kis_mem, 1 << 20);
    kis_metrics_text(&m, &text);
    CHECK_ERR(KIS_OK, text.err, "it fits");
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        CHECK(has_line(wanted[i]), wanted[i]);
    kis_buf_done(&text);
}

TEST(every_line_is_a_comment_or_a_sample_and_no_metric_comes_twice)
{
    kis_metrics m = { 0 };
    char seen[256][80];
    size_t count = 0;

    kis_buf_init(&text, &kis_mem, 1 << 20);
    kis_metrics_text(&m, &text);
    for (kis_str rest = kis_buf_str(&text), line; (line = kis_str_cut(&rest, '\n')).len;) {
        if (kis_str_starts(line, KIS_STR("# TYPE "))) {
            kis_str words = kis_str_slice(line, 7, line.len), name = kis_str_cut(&words, ' ');
            CHECK(name.len < 80 && count < 256, "room for the test");
            for (size_t i = 0; i < count; i++)
                CHECK(!kis_str_eq(name, kis_str_from_c(seen[i])), seen[i]);
            kis_str_to_c(name, seen[count++], 80);
            CHECK(kis_str_eq(words, KIS_STR("counter")) == kis_str_ends(name, KIS_STR("_total")),
                  seen[count - 1]);
        } else if (line.ptr[0] != '#') {
            size_t space = line.len;
            while (space > 0 && line.ptr[space - 1] != ' ')
                space--;
            CHECK(space > 1 && space < line.len && line.ptr[0] >= 'a' && line.ptr[0] <= 'z',
                  "name, space, number");
        }
    }
    CHECK(count > 50, "the table is there");
    kis_buf_done(&text);
}

TEST(this_process_has_memory_threads_and_files)
{
    kis_process_stats stats = kis_process_get_stats();
    CHECK(stats.rss_bytes > 100000 && stats.rss_bytes < (uint64_t)1 << 40, "resident memory");
    CHECK(stats.threads >= 1 && stats.open_files >= 3, "threads and files");
}

TEST(health_says_what_the_collector_says)
{
    kis_health health = { .up_since_unix_ns = 1700000000000000000u, .up_since_ns = 5000000000 };
    char room[256];

    kis_buf_init_fixed(&text, room, sizeof(room));
    kis_health_json(&health, 0, &text);
    CHECK_STR("{\"status\":\"Server not "
              "available\",\"upSince\":\"0001-01-01T00:00:00Z\",\"uptime\":\"\"}",
              kis_buf_str(&text), "before it is ready");
    atomic_store(&health.is_available, true);
    kis_buf_clear(&text);
    kis_health_json(&health, 3605000000000, &text);
    CHECK_STR("{\"status\":\"Server "
              "available\",\"upSince\":\"2023-11-14T22:13:20.000000000Z\",\"uptime\":\"1h\"}",
              kis_buf_str(&text), "an hour later");
}

TEST_MAIN(RUN(the_collectors_names_and_labels_are_there),
          RUN(every_line_is_a_comment_or_a_sample_and_no_metric_comes_twice),
          RUN(this_process_has_memory_threads_and_files), RUN(health_says_what_the_collector_says))
