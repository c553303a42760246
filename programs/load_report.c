/* load_report.c - see load_report.h. */
#include "load_report.h"

#include "base/fmt.h"
#include "base/num.h"
#include "model/json_put.h"

/* ---- latencies ---- */

#define HISTOGRAM_STEPS 32u /* an octave */
_Static_assert(KIS_LOAD_LATENCY_CELLS == 64u * HISTOGRAM_STEPS, "a cell for every latency");

static uint32_t cell_of(uint64_t ns)
{
    if (ns < HISTOGRAM_STEPS)
        return (uint32_t)ns;
    uint32_t octave = 63u - (uint32_t)__builtin_clzll(ns);
    return (octave - 4) * HISTOGRAM_STEPS + (uint32_t)(ns >> (octave - 5)) % HISTOGRAM_STEPS;
}

static uint64_t value_of_cell(uint32_t cell)
{
    if (cell < 2 * HISTOGRAM_STEPS)
        return cell;
    uint32_t octave = cell / HISTOGRAM_STEPS + 4;
    return ((uint64_t)HISTOGRAM_STEPS + cell % HISTOGRAM_STEPS) << (octave - 5);
}

void kis_load_result_add(kis_load_result *result, uint64_t sent_ns, uint64_t now_ns)
{
    if (result->last_answer_ns)
        result->largest_gap_ns = KIS_MAX(result->largest_gap_ns, now_ns - result->last_answer_ns);
    result->last_answer_ns = now_ns;
    result->latencies[cell_of(now_ns - sent_ns)]++;
    result->latency_ns_max = KIS_MAX(result->latency_ns_max, now_ns - sent_ns);
    result->requests_acknowledged++;
}

static double percentile_ms(const kis_load_result *result, double share)
{
    uint64_t wanted = (uint64_t)((double)result->requests_acknowledged * share), seen = 0;

    for (uint32_t cell = 0; cell < KIS_LOAD_LATENCY_CELLS; cell++) {
        seen += result->latencies[cell];
        if (seen > wanted)
            return (double)KIS_MIN(value_of_cell(cell), result->latency_ns_max) / 1e6;
    }
    return (double)result->latency_ns_max / 1e6;
}

/* ---- the report ---- */

/* Of the whole run; never 0, for rates are made with it. */
static double seconds_of(const kis_load_result *result)
{
    double seconds = (double)(result->end_ns - result->begin_ns) / 1e9;
    return seconds > 1e-9 ? seconds : 1e-9;
}

static void put_fixed(kis_buf *out, double value, unsigned digits)
{
    uint64_t scale = digits == 3 ? 1000 : 10, scaled = (uint64_t)(value * (double)scale + 0.5);

    kis_buf_add_u64(out, scaled / scale);
    kis_buf_add_fmt(out, digits == 3 ? ".%03u" : ".%01u", (unsigned)(scaled % scale));
}

static void put_number(kis_buf *out, const char *name, uint64_t value)
{
    kis_buf_add_fmt(out, ",\"%s\":%llu", name, (unsigned long long)value);
}
static void put_ms(kis_buf *out, const char *name, double value)
{
    kis_buf_add_fmt(out, "\"%s\":", name);
    put_fixed(out, value, 3);
}

void kis_load_report_json(const kis_load_result *result, const kis_load_verdict *verdict,
                          kis_buf *out)
{
    double seconds = seconds_of(result);
    kis_buf_add_str(out, KIS_STR("{"));
    put_ms(out, "seconds", seconds);
    put_number(out, "spansAcknowledged", result->spans_acknowledged);
    put_number(out, "spansPerSecond", (uint64_t)((double)result->spans_acknowledged / seconds));
    put_number(out, "spansRejected", result->spans_rejected);
    put_number(out, "requestsSent", result->requests_sent);
    put_number(out, "requestsAcknowledged", result->requests_acknowledged);
    put_number(out, "requestsRefused", result->requests_refused);
    put_number(out, "requestsFailed", result->requests_failed);
    put_number(out, "bytesAcknowledged", result->bytes_acknowledged);
    put_number(out, "connections", result->connections);
    kis_buf_add_str(out, KIS_STR(",\"latencyMs\":{"));
    put_ms(out, "p50", percentile_ms(result, 0.50));
    kis_buf_add_byte(out, ',');
    put_ms(out, "p90", percentile_ms(result, 0.90));
    kis_buf_add_byte(out, ',');
    put_ms(out, "p99", percentile_ms(result, 0.99));
    kis_buf_add_byte(out, ',');
    put_ms(out, "max", (double)result->latency_ns_max / 1e6);
    kis_buf_add_str(out, KIS_STR("},"));
    put_ms(out, "largestGapMs", (double)result->largest_gap_ns / 1e6);
    kis_buf_add_str(out, KIS_STR(",\"firstFailure\":"));
    kis_json_put_str(out, kis_str_from_c(result->first_failure));
    if (verdict)
        kis_buf_add_fmt(out,
                        ",\"verified\":{\"traces\":%llu,\"spans\":%llu,\"missingTraces\":%llu,"
                        "\"missingSpans\":%llu,\"failedAnswers\":%llu}",
                        (unsigned long long)verdict->traces, (unsigned long long)verdict->spans,
                        (unsigned long long)verdict->missing_traces,
                        (unsigned long long)verdict->missing_spans,
                        (unsigned long long)verdict->failed_answers);
    kis_buf_add_str(out, KIS_STR("}\n"));
}

void kis_load_report_text(const kis_load_result *result, const kis_load_verdict *verdict,
                          kis_buf *out)
{
    double seconds = seconds_of(result);
    kis_buf_add_fmt(out, "%llu span%s acknowledged in ",
                    (unsigned long long)result->spans_acknowledged,
                    KIS_PLURAL(result->spans_acknowledged));
    put_fixed(out, seconds, 3);
    kis_buf_add_fmt(out, " s: %llu spans/s, ",
                    (unsigned long long)((double)result->spans_acknowledged / seconds));
    put_fixed(out, (double)result->bytes_acknowledged / seconds / 1e6, 1);
    kis_buf_add_str(out, KIS_STR(" MB/s\nanswers    p50 "));
    put_fixed(out, percentile_ms(result, 0.50), 3);
    kis_buf_add_str(out, KIS_STR("  p90 "));
    put_fixed(out, percentile_ms(result, 0.90), 3);
    kis_buf_add_str(out, KIS_STR("  p99 "));
    put_fixed(out, percentile_ms(result, 0.99), 3);
    kis_buf_add_str(out, KIS_STR("  max "));
    put_fixed(out, (double)result->latency_ns_max / 1e6, 3);
    kis_buf_add_str(out, KIS_STR(" ms; largest gap between two "));
    put_fixed(out, (double)result->largest_gap_ns / 1e6, 3);
    kis_buf_add_fmt(
        out, " ms\nrequests   %llu acknowledged, %llu refused, %llu failed; %llu span%s rejected\n",
        (unsigned long long)result->requests_acknowledged,
        (unsigned long long)result->requests_refused, (unsigned long long)result->requests_failed,
        (unsigned long long)result->spans_rejected, KIS_PLURAL(result->spans_rejected));
    if (result->first_failure[0])
        kis_buf_add_fmt(out, "first failure: %s\n", result->first_failure);
    if (verdict)
        kis_buf_add_fmt(
            out, "verified   %llu span%s of %llu trace%s: %llu missing, %llu answer%s failed\n",
            (unsigned long long)verdict->spans, KIS_PLURAL(verdict->spans),
            (unsigned long long)verdict->traces, KIS_PLURAL(verdict->traces),
            (unsigned long long)verdict->missing_spans, (unsigned long long)verdict->failed_answers,
            KIS_PLURAL(verdict->failed_answers));
}
