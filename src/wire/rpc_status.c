/* rpc_status.c - google.rpc.Status, the body of every refusal of OTLP and the inside of
 * grpc-status-details-bin.
 *
 *     Status { code (1), message (2), details (3) [ Any { type_url (1), value (2) } ] }
 *     BadRequest { field_violations (1) [ { field (1), description (2) } ] }
 *         for the sender to mend
 *     RetryInfo { retry_delay (1) { seconds (1), nanos (2) } }
 *         come again after that
 */
#include "wire/json.h"
#include "wire/otlp.h"

#define RPC_BAD_REQUEST "type.googleapis.com/google.rpc.BadRequest"
#define RPC_RETRY_INFO  "type.googleapis.com/google.rpc.RetryInfo"
#define RPC_NS_PER_MS   1000000u

/* ---- out ---- */

static void rpc_bad_request_pb(kis_str field, kis_str description, kis_buf *out)
{
    size_t any = kis_pb_begin(out, 3);
    kis_pb_put_str(out, 1, KIS_STR(RPC_BAD_REQUEST));
    size_t value = kis_pb_begin(out, 2);
    size_t violation = kis_pb_begin(out, 1);
    kis_pb_put_str(out, 1, field);
    kis_pb_put_str(out, 2, description);
    kis_pb_end(out, violation);
    kis_pb_end(out, value);
    kis_pb_end(out, any);
}

static void rpc_retry_info_pb(uint64_t retry_ms, kis_buf *out)
{
    size_t any = kis_pb_begin(out, 3);
    kis_pb_put_str(out, 1, KIS_STR(RPC_RETRY_INFO));
    size_t value = kis_pb_begin(out, 2);
    size_t delay = kis_pb_begin(out, 1);
    if (retry_ms / 1000)
        kis_pb_put_varint(out, 1, retry_ms / 1000);
    if (retry_ms % 1000)
        kis_pb_put_varint(out, 2, retry_ms % 1000 * RPC_NS_PER_MS);
    kis_pb_end(out, delay);
    kis_pb_end(out, value);
    kis_pb_end(out, any);
}

static void rpc_status_json(int code, kis_str message, kis_str field, uint64_t retry_ms,
                            kis_buf *out)
{
    kis_buf_add_str(out, KIS_STR("{\"code\":"));
    kis_buf_add_i64(out, code);
    kis_buf_add_str(out, KIS_STR(",\"message\":"));
    kis_json_put_str(out, message);
    if (field.len || retry_ms)
        kis_buf_add_str(out, KIS_STR(",\"details\":["));
    if (field.len) {
        kis_buf_add_str(
            out, KIS_STR("{\"@type\":\"" RPC_BAD_REQUEST "\",\"fieldViolations\":[{\"field\":"));
        kis_json_put_str(out, field);
        kis_buf_add_str(out, KIS_STR(",\"description\":"));
        kis_json_put_str(out, message);
        kis_buf_add_str(out, KIS_STR("}]}"));
    }
    if (retry_ms) {
        if (field.len)
            kis_buf_add_byte(out, ',');
        kis_buf_add_str(out, KIS_STR("{\"@type\":\"" RPC_RETRY_INFO "\",\"retryDelay\":\""));
        kis_buf_add_u64(out, retry_ms / 1000);
        if (retry_ms % 1000)
            kis_buf_add_fmt(out, ".%03u", (unsigned)(retry_ms % 1000));
        kis_buf_add_str(out, KIS_STR("s\"}"));
    }
    kis_buf_add_str(out, field.len || retry_ms ? KIS_STR("]}") : KIS_STR("}"));
}

void kis_rpc_status_encode(int code, kis_str message, kis_str field, uint64_t retry_ms, bool json,
                           kis_buf *out)
{
    message.len = kis_utf8_cut_bytes(message, KIS_ERROR_TEXT_MAX);
    if (json) {
        rpc_status_json(code, message, field, retry_ms, out);
        return;
    }
    if (code)
        kis_pb_put_varint(out, 1, (uint64_t)(int64_t)code);
    if (message.len)
        kis_pb_put_str(out, 2, message);
    if (field.len)
        rpc_bad_request_pb(field, message, out);
    if (retry_ms)
        rpc_retry_info_pb(retry_ms, out);
}

/* ---- in ---- */

#define RETRY_SECONDS_MAX (10u * 365 * 86400) /* a longer delay is this one */

static uint64_t retry_ms_of(int64_t seconds, int64_t nanos)
{
    if (seconds < 0 || nanos < 0)
        return 0;
    uint64_t whole = KIS_MIN((uint64_t)seconds, (uint64_t)RETRY_SECONDS_MAX);
    uint64_t part = KIS_MIN((uint64_t)nanos, (uint64_t)999999999);
    uint64_t ms = whole * 1000 + (part + RPC_NS_PER_MS - 1) / RPC_NS_PER_MS;
    return ms ? ms : 1; /* "at once" is an answer too: zero would mean that there was none */
}

/* A RetryInfo message; other details are not looked into. */
static kis_err retry_from_pb(kis_bytes retry_info, uint64_t *retry_ms)
{
    kis_cursor c = kis_cursor_of(retry_info);
    kis_pb_field field, part;
    int64_t seconds = 0, nanos = 0;
    kis_err err;
    while ((err = kis_pb_next(&c, &field)) == KIS_OK) {
        if (field.tag != KIS_PB_TAG(1, KIS_PB_BYTES))
            continue;
        kis_cursor in = kis_cursor_of(field.bytes);
        while ((err = kis_pb_next(&in, &part)) == KIS_OK) {
            if (part.tag == KIS_PB_TAG(1, KIS_PB_VARINT))
                seconds = (int64_t)part.number;
            else if (part.tag == KIS_PB_TAG(2, KIS_PB_VARINT))
                nanos = (int64_t)part.number;
        }
        if (err != KIS_ERR_NOT_FOUND)
            return err;
    }
    *retry_ms = retry_ms_of(seconds, nanos);
    return err == KIS_ERR_NOT_FOUND ? KIS_OK : err;
}

static kis_err rpc_detail_from_pb(kis_bytes any, uint64_t *retry_ms)
{
    kis_cursor c = kis_cursor_of(any);
    kis_pb_field field;
    kis_str type = KIS_STR_NONE;
    kis_bytes value = KIS_BYTES_NONE;
    kis_err err;
    while ((err = kis_pb_next(&c, &field)) == KIS_OK) {
        if (field.tag == KIS_PB_TAG(1, KIS_PB_BYTES))
            type = kis_str_of_bytes(field.bytes);
        else if (field.tag == KIS_PB_TAG(2, KIS_PB_BYTES))
            value = field.bytes;
    }
    if (err != KIS_ERR_NOT_FOUND)
        return err;
    return kis_str_ends(type, KIS_STR("/google.rpc.RetryInfo")) ? retry_from_pb(value, retry_ms)
                                                                : KIS_OK;
}

static kis_err rpc_status_from_pb(kis_bytes body, int *code, kis_str *message, uint64_t *retry_ms)
{
    kis_cursor c = kis_cursor_of(body);
    kis_pb_field field;
    kis_err err;
    while ((err = kis_pb_next(&c, &field)) == KIS_OK) {
        if (field.tag == KIS_PB_TAG(1, KIS_PB_VARINT))
            *code = (int)(int32_t)(uint32_t)field.number;
        else if (field.tag == KIS_PB_TAG(2, KIS_PB_BYTES))
            *message = kis_str_of_bytes(field.bytes);
        else if (field.tag == KIS_PB_TAG(3, KIS_PB_BYTES) &&
                 (err = rpc_detail_from_pb(field.bytes, retry_ms)) != KIS_OK)
            return err;
    }
    return err == KIS_ERR_NOT_FOUND ? KIS_OK : err;
}

/* "1.5s" as proto3 JSON writes a Duration. */
static bool delay_from_json(kis_json *j, uint64_t *retry_ms)
{
    kis_str text;
    if (!kis_json_str(j, &text))
        return false;
    uint64_t seconds = 0, nanos = 0, unit = 1000000000;
    size_t i = 0;
    for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        seconds =
            KIS_MIN(seconds * 10 + (uint64_t)(text.ptr[i] - '0'), (uint64_t)RETRY_SECONDS_MAX);
    if (i > 0 && i < text.len && text.ptr[i] == '.')
        for (i++; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
            nanos += (uint64_t)(text.ptr[i] - '0') * (unit /= 10);
    if (i + 1 == text.len && text.ptr[i] == 's' && i > 0)
        *retry_ms = retry_ms_of((int64_t)seconds, (int64_t)nanos);
    return true;
}

static bool rpc_detail_from_json(kis_json *j, uint64_t *retry_ms)
{
    kis_str key;
    if (!kis_json_object(j))
        return false;
    while (kis_json_member(j, &key)) /* only a RetryInfo has this key */
        if (kis_str_eq(key, KIS_STR("retryDelay")) && kis_json_peek(j) == KIS_JSON_STRING)
            delay_from_json(j, retry_ms);
        else
            kis_json_skip(j);
    return j->err == KIS_OK;
}

static kis_err rpc_status_from_json(kis_bytes body, kis_arena *arena, int *code, kis_str *message,
                                    uint64_t *retry_ms)
{
    kis_json j;
    kis_str key;
    int64_t number;
    kis_json_begin(&j, body, arena);
    for (kis_json_object(&j); kis_json_member(&j, &key);) {
        if (kis_json_null(&j))
            continue;
        if (kis_str_eq(key, KIS_STR("code"))) {
            if (kis_json_i64(&j, &number))
                *code = (int)(int32_t)number;
        } else if (kis_str_eq(key, KIS_STR("message"))) {
            kis_json_str(&j, message);
        } else if (kis_str_eq(key, KIS_STR("details")) && kis_json_peek(&j) == KIS_JSON_ARRAY) {
            for (kis_json_array(&j); kis_json_item(&j);)
                (void)(kis_json_peek(&j) == KIS_JSON_OBJECT ? rpc_detail_from_json(&j, retry_ms)
                                                            : kis_json_skip(&j));
        } else {
            kis_json_skip(&j);
        }
    }
    return kis_json_end(&j) ? KIS_OK : j.err;
}

kis_err kis_rpc_status_decode(kis_bytes body, bool json, kis_arena *arena, int *code,
                              kis_str *message, uint64_t *retry_ms)
{
    int number = 0;
    kis_str text = KIS_STR_NONE;
    uint64_t retry = 0;
    kis_err err = json ? rpc_status_from_json(body, arena, &number, &text, &retry)
                       : rpc_status_from_pb(body, &number, &text, &retry);
    if (err)
        return err;
    *code = number;
    *message = text;
    *retry_ms = retry;
    return KIS_OK;
}
