/* otlp_response.c - ExportTraceServiceResponse, both forms, both directions.
 *
 *     partial_success (1) { rejected_spans (1) int64, error_message (2) }
 *     {"partialSuccess":{"rejectedSpans":"3","errorMessage":"…"}}
 */
#include "wire/json.h"
#include "wire/otlp.h"

void kis_otlp_response_encode(uint64_t rejected_spans, kis_str message, bool json, kis_buf *out)
{
    bool is_plain = rejected_spans == 0 && message.len == 0;
    message.len = kis_utf8_cut_bytes(message, KIS_ERROR_TEXT_MAX);
    if (json) {
        kis_buf_add_str(out, KIS_STR("{\"partialSuccess\":{"));
        if (!is_plain) {
            kis_buf_add_str(out, KIS_STR("\"rejectedSpans\":\""));
            kis_buf_add_u64(out, rejected_spans);
            kis_buf_add_str(out, KIS_STR("\",\"errorMessage\":"));
            kis_json_put_str(out, message);
        }
        kis_buf_add_str(out, KIS_STR("}}"));
        return;
    }
    if (is_plain)
        return;
    size_t begun = kis_pb_begin_about(out, 1, message.len + 8);
    if (rejected_spans)
        kis_pb_put_varint(out, 1, rejected_spans);
    kis_pb_put_str(out, 2, message);
    kis_pb_end(out, begun);
}

static kis_err response_from_pb(kis_bytes body, uint64_t *rejected_spans, kis_str *message)
{
    kis_cursor c = kis_cursor_of(body);
    kis_pb_field field, inner;
    kis_err err;
    while ((err = kis_pb_next(&c, &field)) == KIS_OK) {
        if (field.tag != KIS_PB_TAG(1, KIS_PB_BYTES))
            continue;
        kis_cursor in = kis_cursor_of(field.bytes);
        while ((err = kis_pb_next(&in, &inner)) == KIS_OK) {
            if (inner.tag == KIS_PB_TAG(1, KIS_PB_VARINT))
                *rejected_spans = (int64_t)inner.number > 0 ? inner.number : 0;
            else if (inner.tag == KIS_PB_TAG(2, KIS_PB_BYTES))
                *message = kis_str_of_bytes(inner.bytes);
        }
        if (err != KIS_ERR_NOT_FOUND)
            return err;
    }
    return err == KIS_ERR_NOT_FOUND ? KIS_OK : err;
}

static bool partial_success_from_json(kis_json *j, uint64_t *rejected_spans, kis_str *message)
{
    kis_str key;
    int64_t count;
    if (!kis_json_object(j))
        return false;
    while (kis_json_member(j, &key)) {
        if (kis_json_null(j))
            continue;
        if (kis_str_eq(key, KIS_STR("rejectedSpans")) ||
            kis_str_eq(key, KIS_STR("rejected_spans"))) {
            if (kis_json_i64(j, &count))
                *rejected_spans = count > 0 ? (uint64_t)count : 0;
        } else if (kis_str_eq(key, KIS_STR("errorMessage")) ||
                   kis_str_eq(key, KIS_STR("error_message"))) {
            kis_json_str(j, message);
        } else {
            kis_json_skip(j);
        }
    }
    return j->err == KIS_OK;
}

static kis_err response_from_json(kis_bytes body, kis_arena *arena, uint64_t *rejected_spans,
                                  kis_str *message)
{
    kis_json j;
    kis_str key;
    kis_json_begin(&j, body, arena);
    for (kis_json_object(&j); kis_json_member(&j, &key);) {
        if (kis_str_eq(key, KIS_STR("partialSuccess")) ||
            kis_str_eq(key, KIS_STR("partial_success")))
            (void)(kis_json_null(&j) || partial_success_from_json(&j, rejected_spans, message));
        else
            kis_json_skip(&j);
    }
    return kis_json_end(&j) ? KIS_OK : j.err;
}

kis_err kis_otlp_response_decode(kis_bytes body, bool json, kis_arena *arena,
                                 uint64_t *rejected_spans, kis_str *message)
{
    uint64_t rejected = 0;
    kis_str text = KIS_STR_NONE;
    kis_err err = KIS_OK;
    if (body.len > 0) /* zero bytes: all went well, in JSON too with some servers */
        err = json ? response_from_json(body, arena, &rejected, &text)
                   : response_from_pb(body, &rejected, &text);
    if (err)
        return err;
    *rejected_spans = rejected;
    *message = text;
    return KIS_OK;
}
