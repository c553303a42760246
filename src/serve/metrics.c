/* metrics.c - a row a metric: name, kind, help, and where its value stands.
 *
 * Prometheus' text format 0.0.4. Counters end in _total, sizes in _bytes, times in _seconds, as the
 * Collector's exporter writes them.
 */
#include "serve/metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/num.h"
#include "serve/plain.h"

typedef enum metric_form { METRIC_COUNT, METRIC_NS, METRIC_FLAG } metric_form;

typedef struct metric_row {
    const char *name, *help;
    size_t offset; /* of a uint64_t (a bool for FLAG) in kis_metrics */
    bool is_counter;
    metric_form form;
} metric_row;

#define AT(field) offsetof(kis_metrics, field)
#define COUNTER(name, field, help)                         \
    {                                                      \
        name "_total", help, AT(field), true, METRIC_COUNT \
    }
#define COUNTER_NS(name, field, help)                           \
    {                                                           \
        name "_seconds_total", help, AT(field), true, METRIC_NS \
    }
#define GAUGE(name, field, help)                   \
    {                                              \
        name, help, AT(field), false, METRIC_COUNT \
    }
#define GAUGE_NS(name, field, help)                        \
    {                                                      \
        name "_seconds", help, AT(field), false, METRIC_NS \
    }

static const metric_row plain_rows[] = {
    COUNTER_NS("otelcol_process_uptime", uptime_ns, "Uptime of the process."),
    COUNTER_NS("otelcol_process_cpu", process.cpu_ns, "Total CPU user and system time."),
    GAUGE("otelcol_process_memory_rss_bytes", process.rss_bytes,
          "Total physical memory (resident set size)."),
    GAUGE("kiseki_process_open_files", process.open_files, "Open file descriptors."),
    GAUGE("kiseki_process_threads", process.threads, "Threads of the process."),
    GAUGE("kiseki_memory_held_bytes", memory.held_bytes,
          "Memory taken from the allocator and not given back."),
    GAUGE("kiseki_memory_cached_bytes", memory.cached_bytes,
          "Large pieces of memory kept for reuse."),
    GAUGE("kiseki_request_memory_bytes", budget_used_bytes,
          "Memory of requests and batches at work."),
    GAUGE("kiseki_request_memory_limit_bytes", budget_max_bytes,
          "Bound of the memory of requests and batches (--memory-limit)."),
    COUNTER("kiseki_request_memory_refusals", budget_refusals,
            "Requests that found no room under the bound."),

    COUNTER("kiseki_store_spans_stored", store.spans_stored, "Spans stored."),
    COUNTER("kiseki_store_spans_duplicate", store.spans_duplicate,
            "Spans that were there already and are shown once."),
    COUNTER("kiseki_store_batches_stored", store.batches_stored, "Batches stored."),
    COUNTER("kiseki_store_batches_repeated", store.batches_repeated,
            "Batches with an idempotency key that was known: answered, not stored again."),
    COUNTER("kiseki_store_logged_bytes", store.bytes_logged,
            "Bytes written to the write-ahead log."),
    COUNTER("kiseki_store_syncs", store.syncs, "Syncs of the write-ahead log."),
    COUNTER_NS("kiseki_store_sync", store.sync_ns_total,
               "Time spent in syncs of the write-ahead log."),
    GAUGE_NS("kiseki_store_sync_max", store.sync_ns_max, "Longest sync of the write-ahead log."),
    COUNTER("kiseki_store_flushes", store.flushes, "Heads written out as segments."),
    COUNTER_NS("kiseki_store_flush", store.flush_ns_total, "Time spent writing segments."),
    COUNTER("kiseki_store_flush_failures", store.flush_failures,
            "Heads that could not be written out and will be tried again."),
    COUNTER("kiseki_store_segments_deleted", store.segments_deleted,
            "Segments deleted by retention."),
    COUNTER("kiseki_store_spans_deleted", store.spans_deleted, "Spans deleted by retention."),
    COUNTER("kiseki_store_refused_full", store.refused_full,
            "Batches refused because too much was waiting."),
    COUNTER("kiseki_store_refused_disk", store.refused_disk,
            "Batches refused because the disk is nearly full."),
    COUNTER("kiseki_store_write_errors", store.write_errors, "Writes that failed."),
    COUNTER("kiseki_store_sync_errors", store.sync_errors, "Syncs that failed."),
    COUNTER("kiseki_store_damaged_blocks", store.damaged_blocks,
            "Blocks skipped because their checksum is wrong."),
    GAUGE("kiseki_store_head_bytes", store.head_bytes,
          "Memory of the newest spans, not yet in a segment."),
    GAUGE("kiseki_store_head_spans", store.head_spans, "Newest spans, not yet in a segment."),
    GAUGE("kiseki_store_pending_bytes", store.pending_bytes, "Bytes pushed and not yet answered."),
    GAUGE("kiseki_store_segments", store.segment_count, "Segment files."),
    GAUGE("kiseki_store_segments_left_out", store.segments_left_out,
          "Segment files that are damaged and left out as a whole."),
    GAUGE("kiseki_store_segment_spans", store.segment_spans, "Spans in segment files."),
    GAUGE("kiseki_store_disk_bytes", store.disk_bytes, "Bytes of the data directory."),
    GAUGE("kiseki_store_disk_limit_bytes", store.disk_limit_bytes,
          "Bound of the data directory (--keep-bytes)."),
    GAUGE("kiseki_store_index_bytes", store.index_bytes, "Memory of indexes and dictionaries."),
    GAUGE("kiseki_store_replayed_spans", store.replayed_spans,
          "Spans read back from the log at start."),
    GAUGE_NS("kiseki_store_replay", store.replay_ns, "Time the log's replay took at start."),
    { "kiseki_store_disk_full", "1 while spans are refused because the disk is nearly full.",
      AT(store.is_disk_full), false, METRIC_FLAG },
    { "kiseki_store_write_failing", "1 while spans are refused because the log cannot be written.",
      AT(store.is_write_failing), false, METRIC_FLAG },
    { "kiseki_store_flush_failing", "1 while spans in memory cannot be written out as segments.",
      AT(store.is_flush_failing), false, METRIC_FLAG },

    COUNTER("kiseki_server_connections_accepted", server.connections_accepted,
            "Connections accepted."),
    GAUGE("kiseki_server_connections_open", server.connections_open, "Connections open."),
    COUNTER("kiseki_server_connections_refused", server.connections_refused,
            "Connections refused or closed for want of room."),
    COUNTER("kiseki_server_requests", server.requests, "Requests read."),
    COUNTER("kiseki_server_requests_malformed", server.requests_malformed,
            "Requests that were not HTTP."),
    COUNTER("kiseki_server_streams_reset", server.streams_reset,
            "HTTP/2 streams reset by the peer."),
    COUNTER("kiseki_server_goaways", server.goaways,
            "HTTP/2 connections ended for the peer's conduct."),
    COUNTER("kiseki_server_tls_failures", server.tls_failures, "TLS handshakes that failed."),
    COUNTER("kiseki_server_timeouts", server.timeouts, "Connections closed for being slow."),
    COUNTER("kiseki_server_received_bytes", server.bytes_in, "Bytes read from connections."),
    COUNTER("kiseki_server_sent_bytes", server.bytes_out, "Bytes written to connections."),

    COUNTER("kiseki_queries", queries, "Queries taken on."),
    COUNTER("kiseki_queries_refused", queries_refused,
            "Queries refused because too many were waiting."),
    GAUGE("kiseki_queries_running", queries_running, "Queries waiting or at work."),
    COUNTER("kiseki_log_lines_lost", log_lines_lost, "Log lines that nobody was there to read."),
};

/* One value a transport; `offset` is into kis_receive_stats. */
static const struct receiver_row {
    const char *name, *help;
    size_t offset;
} receiver_rows[] = {
    { "otelcol_receiver_accepted_spans_total",
      "Number of spans successfully pushed into the pipeline.",
      offsetof(kis_receive_stats, accepted_spans) },
    { "otelcol_receiver_refused_spans_total",
      "Number of spans that could not be pushed into the pipeline.",
      offsetof(kis_receive_stats, refused_spans) },
    { "otelcol_receiver_failed_spans_total", "Number of spans that failed to be processed.",
      offsetof(kis_receive_stats, failed_spans) },
    { "kiseki_receiver_rejected_spans_total",
      "Spans that can never be stored (a wrong id, say), told to the sender by partial_success.",
      offsetof(kis_receive_stats, rejected_spans) },
    { "kiseki_receiver_cut_values_total", "Values shortened or repaired to fit the limits.",
      offsetof(kis_receive_stats, cut_values) },
    { "kiseki_receiver_requests_total", "Requests.", offsetof(kis_receive_stats, requests) },
    { "kiseki_receiver_requests_malformed_total",
      "Requests refused because they could not be read.",
      offsetof(kis_receive_stats, requests_malformed) },
    { "kiseki_receiver_requests_too_large_total", "Requests refused because of their size.",
      offsetof(kis_receive_stats, requests_too_large) },
    { "kiseki_receiver_requests_no_room_total",
      "Requests refused for want of room; the sender was told to try again.",
      offsetof(kis_receive_stats, requests_no_room) },
    { "kiseki_receiver_requests_wrong_type_total",
      "Requests refused for their path, method, type or origin.",
      offsetof(kis_receive_stats, requests_wrong_type) },
};

static void put_head(kis_buf *out, const char *name, const char *help, bool is_counter)
{
    kis_buf_add_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
                    is_counter ? "counter" : "gauge");
}

static void put_seconds(kis_buf *out, uint64_t ns)
{
    char text[KIS_NUM_TEXT_MAX];
    kis_buf_add(out, text, kis_f64_format((double)ns / 1e9, text));
}

static void put_plain(kis_buf *out, const metric_row *row, const kis_metrics *m)
{
    const char *at = (const char *)m + row->offset;
    uint64_t number = 0;

    put_head(out, row->name, row->help, row->is_counter);
    kis_buf_add_fmt(out, "%s ", row->name);
    if (row->form == METRIC_FLAG)
        number = *(const bool *)at;
    else
        memcpy(&number, at, sizeof(number));
    if (row->form == METRIC_NS)
        put_seconds(out, number);
    else
        kis_buf_add_u64(out, number);
    kis_buf_add_byte(out, '\n');
}

static void put_received(kis_buf *out, const struct receiver_row *row,
                         const kis_receive_stats *stats, const char *transport)
{
    uint64_t number;

    memcpy(&number, (const char *)stats + row->offset, sizeof(number));
    kis_buf_add_fmt(out, "%s{receiver=\"otlp\",transport=\"%s\"} ", row->name, transport);
    kis_buf_add_u64(out, number);
    kis_buf_add_byte(out, '\n');
}

void kis_metrics_text(const kis_metrics *m, kis_buf *out)
{
    for (size_t i = 0; i < KIS_COUNT_OF(receiver_rows); i++) {
        put_head(out, receiver_rows[i].name, receiver_rows[i].help, true);
        put_received(out, &receiver_rows[i], &m->grpc, "grpc");
        put_received(out, &receiver_rows[i], &m->http, "http");
    }
    for (size_t i = 0; i < KIS_COUNT_OF(plain_rows); i++)
        put_plain(out, &plain_rows[i], m);
    kis_buf_add_fmt(out,
                    "# HELP kiseki_build_info The version that runs.\n# TYPE kiseki_build_info "
                    "gauge\nkiseki_build_info{version=\"%s\"} 1\n",
                    KIS_VERSION);
}

/* ---- the process ---- */

static kis_str read_small_file(const char *path, char *room, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, room, size);

    if (fd >= 0)
        close(fd);
    return got < 0 ? KIS_STR_NONE : kis_str_of(room, (size_t)got);
}

static uint64_t count_open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count - 1; /* the folder itself was open */
}

/* The field behind `name` in /proc/self/status: "Threads:\t5\n". */
static uint64_t status_field(kis_str status, kis_str name)
{
    size_t at = kis_str_find(status, name);
    uint64_t number = 0;

    if (at == KIS_STR_NPOS)
        return 0;
    for (at += name.len; at < status.len && (status.ptr[at] == '\t' || status.ptr[at] == ' '); at++)
        ;
    for (; at < status.len && status.ptr[at] >= '0' && status.ptr[at] <= '9'; at++)
        number = number * 10 + (uint64_t)(status.ptr[at] - '0');
    return number;
}

kis_process_stats kis_process_get_stats(void)
{
    struct rusage usage = { 0 };
    char room[8192];

    getrusage(RUSAGE_SELF, &usage);
    kis_str status = read_small_file("/proc/self/status", room, sizeof(room));
    uint64_t us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                  (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return (kis_process_stats){
        .cpu_ns = us * 1000,
        .rss_bytes = status_field(status, KIS_STR("\nVmRSS:")) * 1024,
        .threads = status_field(status, KIS_STR("\nThreads:")),
        .open_files = count_open_files(),
    };
}

/* ---- the listener ---- */

#define METRICS_TEXT_MAX ((size_t)64 << 10)

static bool metrics_on_head(void *user, kis_exchange *exchange, uint64_t *max_body_bytes)
{
    kis_metrics_source *source = user;
    kis_str path = kis_exchange_head(exchange)->path;
    const kis_header headers[] = { { KIS_STR("content-type"),
                                     KIS_STR("text/plain; version=0.0.4; charset=utf-8") } };
    kis_answer_head head = { .status = 200,
                             .headers = headers,
                             .header_count = KIS_COUNT_OF(headers) };
    kis_metrics metrics = { 0 };
    kis_buf text;

    (void)max_body_bytes;
    if (kis_refuse_strange_origin(exchange, source->rules))
        return false;
    kis_buf_init(&text, source->alloc, METRICS_TEXT_MAX);
    if (kis_str_eq(path, KIS_STR("/metrics"))) {
        source->collect(source->user, &metrics);
        kis_metrics_text(&metrics, &text);
    } else {
        head.status = 404;
        kis_buf_add_str(&text, KIS_STR("404 page not found; the metrics are at /metrics\n"));
    }
    if (text.err)
        head.status = 503;
    kis_exchange_answer(exchange, &head, kis_buf_bytes(&text));
    kis_buf_done(&text);
    return false;
}

kis_handler kis_metrics_handler(kis_metrics_source *source)
{
    return (kis_handler){ .on_head = metrics_on_head, .user = source };
}
