/* judge.c - the table of answers. See judge.h for the rules and their source. */
#include "send/judge.h"

#include "base/fmt.h"
#include "base/num.h"
#include "http/grpc.h"
#include "http/header.h"
#include "wire/otlp.h"

#define STATUS_BYTES_MAX (8u << 10) /* of grpc-status-details-bin; more is not read */
#define ARENA_BYTES_MAX  (256u << 10)

/* gRPC's own fields stand in the trailers, or in the headers of an answer without a body. */
static kis_str find_grpc(const kis_client_answer *answer, const char *name)
{
    kis_str wanted = kis_str_from_c(name);
    kis_str value = kis_header_find(answer->trailers, answer->trailer_count, wanted);
    return value.ptr ? value : kis_header_find(answer->headers, answer->header_count, wanted);
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* "Sun, 06 Nov 1994 08:49:37 GMT" -> "1994-11-06T08:49:37Z" (RFC 9110, 5.6.7, the preferred form)
 */
static bool parse_http_date(kis_str text, uint64_t *out_unix_ns)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char rfc3339[32];

    if (text.len != 29 || text.ptr[3] != ',' || text.ptr[16] != ' ')
        return false;
    for (unsigned month = 0; month < 12; month++) {
        if (memcmp(text.ptr + 8, months + 3 * month, 3) != 0)
            continue;
        size_t len = kis_fmt(rfc3339, sizeof(rfc3339), "%.*s-%02u-%.*sT%.*sZ", 4, text.ptr + 12,
                             month + 1, 2, text.ptr + 5, 8, text.ptr + 17);
        return kis_time_parse(kis_str_of(rfc3339, len), out_unix_ns) == KIS_OK;
    }
    return false;
}

uint64_t kis_retry_after_parse(kis_str value, uint64_t now_unix_ns)
{
    uint64_t seconds, at_unix_ns, ms = 0;

    if (kis_u64_parse(value, &seconds) == KIS_OK)
        ms = seconds > KIS_RETRY_AFTER_MS_MAX ? KIS_RETRY_AFTER_MS_MAX : seconds * 1000;
    else if (parse_http_date(value, &at_unix_ns) && at_unix_ns > now_unix_ns)
        ms = (at_unix_ns - now_unix_ns + 999999) / 1000000;
    return KIS_MIN(ms, KIS_RETRY_AFTER_MS_MAX);
}

uint64_t kis_backoff_ms(uint32_t n, uint32_t initial_ms, uint32_t max_ms, uint64_t random)
{
    uint64_t wait = initial_ms;

    for (uint32_t i = 0; i < n && wait < max_ms; i++)
        wait += wait / 2 + 1;
    wait = KIS_MIN(wait, (uint64_t)max_ms);
    return wait / 2 + (wait * (random & 0xffff)) / 0x10000;
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static void judge_taken(kis_otlp_protocol protocol, kis_bytes body, kis_arena *arena,
                        kis_judgement *out)
{
    kis_str message = KIS_STR_NONE;
    bool json = protocol == KIS_OTLP_HTTP_JSON;

    *out = (kis_judgement){ .verdict = KIS_VERDICT_TAKEN };
    if (kis_otlp_response_decode(body, json, arena, &out->rejected_spans, &message) != KIS_OK)
        return; /* the status said yes; an answer that cannot be read changes nothing */
    if (message.len > 0 || out->rejected_spans > 0) {
        char safe[160];
        kis_fmt_escape(safe, sizeof(safe), message);
        kis_fmt(out->text, sizeof(out->text), "the receiver rejected %llu spans: %s",
                (unsigned long long)out->rejected_spans, safe);
    }
}

/* What servers answer to plain HTTP on their port for TLS: ours, Go's, nginx, Apache. */
static bool says_tls(kis_bytes body)
{
    static const char *const words[] = { "speaks TLS", "HTTPS server", "HTTPS port",
                                         "SSL-enabled server" };
    for (size_t i = 0; i < KIS_COUNT_OF(words); i++)
        if (kis_str_find(kis_str_of_bytes(body), kis_str_from_c(words[i])) != KIS_STR_NPOS)
            return true;
    return false;
}

static void judge_http(kis_otlp_protocol protocol, const kis_client_answer *answer,
                       uint64_t now_unix_ns, kis_arena *arena, kis_judgement *out)
{
    int code = 0;
    kis_str message = KIS_STR_NONE;
    uint64_t retry_ms = 0;
    char safe[160];

    if (answer->status >= 200 && answer->status < 300) {
        judge_taken(protocol, answer->body, arena, out);
        return;
    }
    bool may_try_again = answer->status == 429 || answer->status == 502 || answer->status == 503 ||
                         answer->status == 504;
    *out = (kis_judgement){ .verdict = may_try_again ? KIS_VERDICT_TRY_AGAIN : KIS_VERDICT_NEVER,
                            .err = may_try_again           ? KIS_ERR_FULL
                                   : answer->status == 413 ? KIS_ERR_LIMIT
                                                           : KIS_ERR_SYNTAX };
    kis_str after = kis_header_find(answer->headers, answer->header_count, KIS_STR("retry-after"));
    if (kis_rpc_status_decode(answer->body, protocol == KIS_OTLP_HTTP_JSON, arena, &code, &message,
                              &retry_ms) != KIS_OK)
        message = KIS_STR_NONE;
    out->wait_ms = after.ptr ? kis_retry_after_parse(after, now_unix_ns) : retry_ms;
    kis_fmt_escape(safe, sizeof(safe), message);
    kis_fmt(out->text, sizeof(out->text), "HTTP %d%s%s%s", answer->status, safe[0] ? ": " : "",
            safe,
            answer->status == 404 || answer->status == 405
                ? " (OTLP/HTTP goes to port 4318, path /v1/traces)"
            : answer->status == 400 && says_tls(answer->body)
                ? ": it speaks TLS; write https:// instead of http:// in the endpoint"
                : "");
}

/* ---- gRPC ------------------------------------------------------------------------------------ */

static uint64_t retry_info_ms(kis_str details_bin, kis_arena *arena)
{
    int code;
    kis_str message;
    uint64_t retry_ms = 0;
    size_t len = 0;

    if (details_bin.len == 0 || details_bin.len > STATUS_BYTES_MAX)
        return 0;
    uint8_t *details = KIS_NEW_ARRAY(arena, uint8_t, details_bin.len);
    if (!details || kis_base64_parse(details_bin, details, details_bin.len, &len) != KIS_OK)
        return 0;
    if (kis_rpc_status_decode(kis_bytes_of(details, len), false, arena, &code, &message,
                              &retry_ms) != KIS_OK)
        return 0;
    return retry_ms;
}

static void judge_grpc(const kis_client_answer *answer, kis_arena *arena, kis_judgement *out)
{
    uint64_t code = KIS_GRPC_UNKNOWN;
    kis_str status = find_grpc(answer, "grpc-status");
    kis_str message = find_grpc(answer, "grpc-message");
    char text_memory[KIS_DIAG_TEXT_MAX], safe[160];
    kis_buf text;

    if (!status.ptr) { /* not gRPC at all: a proxy, or a plain HTTP server */
        *out = (kis_judgement){ .verdict = answer->status >= 500 || answer->status == 429
                                               ? KIS_VERDICT_TRY_AGAIN
                                               : KIS_VERDICT_NEVER,
                                .err = KIS_ERR_SYNTAX };
        kis_fmt(out->text, sizeof(out->text),
                "HTTP %d without a grpc-status: the endpoint does not speak gRPC; set "
                "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
                answer->status);
        return;
    }
    if (kis_u64_parse(status, &code) == KIS_OK && code == KIS_GRPC_OK) {
        bool is_compressed;
        kis_bytes body = KIS_BYTES_NONE;
        kis_diag diag;
        if (kis_grpc_message(answer->body, answer->body.len, &is_compressed, &body, &diag) !=
            KIS_OK)
            body = KIS_BYTES_NONE;
        judge_taken(KIS_OTLP_GRPC, body, arena, out);
        return;
    }
    uint64_t retry_ms = retry_info_ms(find_grpc(answer, "grpc-status-details-bin"), arena);
    bool may_try_again = code == KIS_GRPC_CANCELLED || code == KIS_GRPC_DEADLINE_EXCEEDED ||
                         code == KIS_GRPC_ABORTED || code == KIS_GRPC_OUT_OF_RANGE ||
                         code == KIS_GRPC_UNAVAILABLE || code == KIS_GRPC_DATA_LOSS ||
                         (code == KIS_GRPC_RESOURCE_EXHAUSTED && retry_ms > 0);
    *out = (kis_judgement){ .verdict = may_try_again ? KIS_VERDICT_TRY_AGAIN : KIS_VERDICT_NEVER,
                            .err = may_try_again                         ? KIS_ERR_FULL
                                   : code == KIS_GRPC_RESOURCE_EXHAUSTED ? KIS_ERR_LIMIT
                                                                         : KIS_ERR_SYNTAX,
                            .wait_ms = KIS_MIN(retry_ms, KIS_RETRY_AFTER_MS_MAX) };
    kis_buf_init_fixed(&text, text_memory, sizeof(text_memory));
    kis_grpc_message_unescape(message, &text);
    kis_fmt_escape(safe, sizeof(safe), kis_buf_str(&text));
    kis_fmt(out->text, sizeof(out->text), "gRPC status %llu%s%s", (unsigned long long)code,
            safe[0] ? ": " : "", safe);
}

/* ---- both ------------------------------------------------------------------------------------ */

/* What to do about a connection that failed, where it can be known from how it did. */
static const char *connection_hint(kis_otlp_protocol protocol, const kis_client_answer *answer)
{
    kis_str why = kis_str_from_c(answer->diag.text);

    if (answer->was_refused)
        return "";
    if (answer->err == KIS_ERR_SYNTAX) /* what came was not the protocol */
        return protocol == KIS_OTLP_GRPC
                   ? "; the endpoint does not speak gRPC: set "
                     "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
                   : "; if the endpoint speaks gRPC: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc";
    if (kis_str_find(why, KIS_STR("TLS handshake: what came is not TLS")) != KIS_STR_NPOS)
        return protocol == KIS_OTLP_GRPC
                   ? " Write http:// before the endpoint, or set OTEL_EXPORTER_OTLP_INSECURE=true"
                   : " Write http:// instead of https:// in the endpoint";
    if (kis_tls_is_untrusted(why))
        return "; trust its authority with OTEL_EXPORTER_OTLP_CERTIFICATE=FILE";
    return kis_str_ends(why, KIS_STR("connection refused")) ? "; is the collector running there?"
                                                            : "";
}

/* No answer: the connection is to blame, or the other side speaks another language. */
static void judge_failure(kis_otlp_protocol protocol, const kis_client_answer *answer,
                          kis_judgement *out)
{
    bool may_try_again = answer->err == KIS_ERR_IO || answer->err == KIS_ERR_TIMEOUT ||
                         answer->err == KIS_ERR_FULL || answer->err == KIS_ERR_NOMEM;

    *out = (kis_judgement){ .verdict = may_try_again ? KIS_VERDICT_TRY_AGAIN : KIS_VERDICT_NEVER,
                            .err = answer->err };
    kis_fmt(out->text, sizeof(out->text), "%s%s", answer->diag.text,
            connection_hint(protocol, answer));
}

void kis_judge_answer(kis_otlp_protocol protocol, const kis_client_answer *answer,
                      uint64_t now_unix_ns, const kis_alloc *alloc, kis_judgement *out)
{
    kis_arena arena;

    if (answer->err) {
        judge_failure(protocol, answer, out);
        return;
    }
    kis_arena_init(&arena, alloc, ARENA_BYTES_MAX);
    if (protocol == KIS_OTLP_GRPC)
        judge_grpc(answer, &arena, out);
    else
        judge_http(protocol, answer, now_unix_ns, &arena, out);
    kis_arena_done(&arena);
}
