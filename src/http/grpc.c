/* grpc.c - what gRPC adds to HTTP/2: a prefix before each message, percent-coded status texts,
 * time-outs (gRPC over HTTP/2, "Requests"). */
#include "http/grpc.h"

#include "base/diag.h"
#include "base/num.h"

static uint32_t prefix_length(const uint8_t *at)
{
    return (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
}

kis_err kis_grpc_message(kis_bytes body, size_t max_bytes, bool *out_is_compressed,
                         kis_bytes *out_message, kis_diag *diag)
{
    if (body.len < KIS_GRPC_PREFIX_BYTES)
        return kis_diag_set(diag, KIS_ERR_MORE, "gRPC: %zu bytes, the prefix of a message has 5",
                            body.len);
    if (body.ptr[0] > 1)
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "gRPC: the flag of the message is %u, want 0 or 1", body.ptr[0]);
    size_t length = prefix_length(body.ptr), there = body.len - KIS_GRPC_PREFIX_BYTES;
    if (length > max_bytes)
        return kis_diag_set(diag, KIS_ERR_LIMIT, "gRPC: a message of %zu bytes, the limit is %zu",
                            length, max_bytes);
    if (there < length)
        return kis_diag_set(diag, KIS_ERR_MORE, "gRPC: a message of %zu bytes ends after %zu",
                            length, there);
    if (there > length)
        return kis_diag_set(diag, KIS_ERR_SYNTAX,
                            "gRPC: a second message in a unary call, at byte %zu",
                            KIS_GRPC_PREFIX_BYTES + length);
    *out_is_compressed = body.ptr[0] == 1;
    *out_message = kis_bytes_of(body.ptr + KIS_GRPC_PREFIX_BYTES, length);
    return KIS_OK;
}

void kis_grpc_put_prefix(kis_buf *out, bool is_compressed, uint32_t length)
{
    const uint8_t prefix[KIS_GRPC_PREFIX_BYTES] = { is_compressed, (uint8_t)(length >> 24),
                                                    (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                                                    (uint8_t)length };
    kis_buf_add(out, prefix, sizeof(prefix));
}

void kis_grpc_message_escape(kis_str text, kis_buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c <= 0x7e && c != '%') {
            kis_buf_add_byte(out, c);
        } else {
            const char coded[3] = { '%', digits[c >> 4], digits[c & 15] };
            kis_buf_add(out, coded, 3);
        }
    }
}

/* "Decoders must not fail on a broken escape": it passes as it stands. */
void kis_grpc_message_unescape(kis_str text, kis_buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        int high = text.ptr[i] == '%' && text.len - i > 2 ? kis_hex_digit(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? kis_hex_digit(text.ptr[i + 2]) : -1;
        if (low < 0) {
            kis_buf_add_byte(out, (uint8_t)text.ptr[i]);
            continue;
        }
        kis_buf_add_byte(out, (uint8_t)(high << 4 | low));
        i += 2;
    }
}

static const struct {
    char unit;
    uint64_t ns;
} timeout_units[] = {
    /* finest first */
    { 'n', 1 },          { 'u', 1000 },        { 'm', 1000000 },
    { 'S', 1000000000 }, { 'M', 60000000000 }, { 'H', 3600000000000 },
};

kis_err kis_grpc_timeout_parse(kis_str text, uint64_t *out_ns)
{
    uint64_t value = 0;
    if (text.len < 2 || text.len > 9)
        return KIS_ERR_SYNTAX;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return KIS_ERR_SYNTAX;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    for (size_t i = 0; i < KIS_COUNT_OF(timeout_units); i++) {
        if (timeout_units[i].unit != text.ptr[text.len - 1])
            continue;
        /* 99999999H is 11,415 years: clamped, a deadline that never comes */
        *out_ns = value > UINT64_MAX / 2 / timeout_units[i].ns ? UINT64_MAX / 2
                                                               : value * timeout_units[i].ns;
        return KIS_OK;
    }
    return KIS_ERR_SYNTAX;
}

size_t kis_grpc_timeout_format(uint64_t ns, char out[16])
{
    size_t i = 0;
    while (i + 1 < KIS_COUNT_OF(timeout_units) && ns / timeout_units[i].ns > 99999999)
        i++;
    char digits[KIS_NUM_TEXT_MAX];
    size_t len = kis_u64_format(KIS_MIN(ns / timeout_units[i].ns, (uint64_t)99999999), digits);
    memcpy(out, digits, len);
    out[len] = timeout_units[i].unit;
    return len + 1;
}
