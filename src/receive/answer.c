/* answer.c - what a receiver says: success, partial success, refusal, in the request's own
 * encoding.
 *
 *              OTLP/HTTP                           OTLP/gRPC
 *     success  200, ExportTraceServiceResponse     200, one message, trailer grpc-status 0
 *     refusal  4xx or 5xx, google.rpc.Status;      200, headers only: grpc-status, grpc-message,
 *              Retry-After when it may be tried    grpc-status-details-bin with the same Status
 *              again
 *
 * Who sent neither protobuf nor JSON, or asked with GET, gets the message as text.
 *
 * Source: OTLP specification 1.11, "OTLP/HTTP Response" and "OTLP/gRPC Response"; gRPC over HTTP/2.
 */
#include "receive/receive_int.h"

#include "base/num.h"
#include "http/grpc.h"

#define ANSWER_BYTES_MAX (16u << 10)
#define HEADERS_MAX      8

typedef struct answer_headers {
    kis_header rows[HEADERS_MAX];
    size_t count;
} answer_headers;

static void add_header(answer_headers *h, const char *name, kis_str value)
{
    h->rows[h->count++] = (kis_header){ kis_str_from_c(name), value };
}

static void add_cors_headers(answer_headers *h, kis_str origin)
{
    if (origin.len == 0)
        return;
    add_header(h, "access-control-allow-origin", origin);
    add_header(h, "vary", KIS_STR("origin"));
}

static kis_str type_of_answer(const kis_request_form *form)
{
    return form->is_grpc   ? KIS_STR("application/grpc")
           : form->is_json ? KIS_STR("application/json")
                           : KIS_STR("application/x-protobuf");
}

static void send_answer(kis_exchange *exchange, int status, const answer_headers *h, kis_bytes body)
{
    kis_answer_head head = { .status = status, .headers = h->rows, .header_count = h->count };
    kis_exchange_answer(exchange, &head, body);
}

void kis_receive_accept(kis_exchange *exchange, const kis_request_form *form, uint64_t rejected,
                        kis_str message)
{
    uint8_t memory[KIS_ERROR_TEXT_MAX + 256];
    kis_buf body;
    answer_headers h = { .count = 0 };
    kis_header trailer = { KIS_STR_INIT("grpc-status"), KIS_STR_INIT("0") };

    kis_buf_init_fixed(&body, memory, sizeof(memory));
    if (form->is_grpc)
        kis_grpc_put_prefix(&body, false, 0);
    kis_otlp_response_encode(
        rejected, kis_str_slice(message, 0, kis_utf8_cut_bytes(message, KIS_ERROR_TEXT_MAX)),
        form->is_json, &body);
    if (form->is_grpc) {
        uint32_t length = (uint32_t)(body.len - KIS_GRPC_PREFIX_BYTES);
        kis_buf prefix;
        kis_buf_init_fixed(&prefix, memory, KIS_GRPC_PREFIX_BYTES);
        kis_grpc_put_prefix(&prefix, false, length);
    }
    add_header(&h, "content-type", type_of_answer(form));
    add_cors_headers(&h, form->origin);
    kis_answer_head head = { .status = 200,
                             .headers = h.rows,
                             .header_count = h.count,
                             .trailers = &trailer,
                             .trailer_count = form->is_grpc ? 1 : 0 };
    kis_exchange_answer(exchange, &head, kis_buf_bytes(&body));
}

static void refuse_grpc(kis_exchange *exchange, const kis_refusal *refusal, kis_str message)
{
    uint8_t details_memory[KIS_ERROR_TEXT_MAX * 2], text_memory[KIS_ERROR_TEXT_MAX * 3];
    char details_text[KIS_ERROR_TEXT_MAX * 3], code[KIS_NUM_TEXT_MAX];
    kis_buf details, text;
    answer_headers h = { .count = 0 };

    kis_buf_init_fixed(&details, details_memory, sizeof(details_memory));
    kis_rpc_status_encode(refusal->grpc_status, message, refusal->field, refusal->retry_ms, false,
                          &details);
    kis_buf_init_fixed(&text, text_memory, sizeof(text_memory));
    kis_grpc_message_escape(message, &text);
    size_t code_len = kis_u64_format((uint64_t)refusal->grpc_status, code);

    add_header(&h, "content-type", KIS_STR("application/grpc"));
    add_header(&h, "grpc-status", kis_str_of(code, code_len));
    add_header(&h, "grpc-message", kis_buf_str(&text));
    if (details.err == KIS_OK && kis_base64_size(details.len) <= sizeof(details_text)) {
        size_t len = kis_base64_size(details.len);
        kis_base64_format(kis_buf_bytes(&details), details_text);
        while (len > 0 && details_text[len - 1] == '=') /* gRPC's -bin headers are unpadded */
            len--;
        add_header(&h, "grpc-status-details-bin", kis_str_of(details_text, len));
    }
    if (refusal->accept_encoding)
        add_header(&h, "grpc-accept-encoding", kis_str_from_c(refusal->accept_encoding));
    send_answer(exchange, 200, &h, KIS_BYTES_NONE);
}

void kis_receive_refuse(kis_exchange *exchange, const kis_request_form *form,
                        const kis_refusal *refusal)
{
    kis_str message = kis_str_slice(refusal->message, 0,
                                    kis_utf8_cut_bytes(refusal->message, KIS_ERROR_TEXT_MAX));

    if (form->is_grpc && kis_exchange_head(exchange)->is_http2) {
        refuse_grpc(exchange, refusal, message);
        return;
    }
    uint8_t memory[ANSWER_BYTES_MAX];
    char seconds[KIS_NUM_TEXT_MAX];
    kis_buf body;
    answer_headers h = { .count = 0 };

    kis_buf_init_fixed(&body, memory, sizeof(memory));
    if (form->is_text) {
        kis_buf_add_str(&body, message);
        kis_buf_add_byte(&body, '\n');
    } else {
        kis_rpc_status_encode(refusal->grpc_status, message, refusal->field, refusal->retry_ms,
                              form->is_json, &body);
    }
    add_header(&h, "content-type",
               form->is_text   ? KIS_STR("text/plain; charset=utf-8")
               : form->is_json ? KIS_STR("application/json")
                               : KIS_STR("application/x-protobuf"));
    if (form->is_text)
        add_header(&h, "x-content-type-options", KIS_STR("nosniff"));
    if (refusal->retry_ms > 0)
        add_header(&h, "retry-after",
                   kis_str_of(seconds, kis_u64_format((refusal->retry_ms + 999) / 1000, seconds)));
    if (refusal->allow)
        add_header(&h, "allow", kis_str_from_c(refusal->allow));
    if (refusal->accept_encoding)
        add_header(&h, "accept-encoding", kis_str_from_c(refusal->accept_encoding));
    add_cors_headers(&h, form->origin);
    if (refusal->http_status == 413)
        kis_exchange_close_after(exchange); /* the body is on its way and nobody will read it */
    send_answer(exchange, refusal->http_status, &h, kis_buf_bytes(&body));
}

void kis_receive_preflight(kis_exchange *exchange, kis_str origin)
{
    const kis_request_head *head = kis_exchange_head(exchange);
    kis_str wanted = kis_request_header(head, "access-control-request-headers");
    answer_headers h = { .count = 0 };

    add_cors_headers(&h, origin);
    add_header(&h, "access-control-allow-methods", KIS_STR("POST"));
    add_header(&h, "access-control-allow-headers",
               wanted.len > 0 ? wanted : KIS_STR("content-type, content-encoding"));
    add_header(&h, "access-control-max-age", KIS_STR("7200"));
    send_answer(exchange, 204, &h, KIS_BYTES_NONE);
}
