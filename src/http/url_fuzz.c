/* url_fuzz.c - URLs, queries, percent-coding and gRPC's texts: any bytes; what was decoded and
 * encoded decodes to the same. */
#include "http/url.h"

#include "base/check.h"
#include "http/grpc.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kis_str text = kis_str_of((const char *)data, size), name, value, plain, again;
    kis_url url;
    kis_diag diag;
    kis_arena arena;
    kis_buf coded;
    uint64_t ns;
    bool is_compressed;
    kis_bytes message;
    kis_arena_init(&arena, &kis_mem, 1u << 24);
    kis_buf_init(&coded, &kis_mem, 1u << 24);
    if (kis_url_parse(text, &url, &diag) == KIS_OK)
        KIS_ASSERT(url.host.len + url.path.len + url.query.len <= size);
    size_t pairs = 0;
    for (kis_str rest = text; kis_query_next(&rest, &name, &value);)
        pairs += name.len + value.len + 1;
    KIS_ASSERT(pairs <= size + 1);
    if (kis_url_decode(text, true, &arena, &plain) == KIS_OK) {
        kis_url_encode(plain, &coded);
        KIS_ASSERT(kis_url_decode(kis_buf_str(&coded), true, &arena, &again) == KIS_OK &&
                   kis_str_eq(plain, again));
    }
    kis_buf_clear(&coded);
    kis_grpc_message_escape(text, &coded);
    kis_buf back;
    kis_buf_init(&back, &kis_mem, 1u << 24);
    kis_grpc_message_unescape(kis_buf_str(&coded), &back);
    KIS_ASSERT(kis_str_eq(kis_buf_str(&back), text));
    if (kis_grpc_message(kis_bytes_of(data, size), 1u << 16, &is_compressed, &message, NULL) ==
        KIS_OK)
        KIS_ASSERT(message.len + KIS_GRPC_PREFIX_BYTES == size);
    (void)!kis_grpc_timeout_parse(text, &ns);
    kis_buf_done(&back);
    kis_buf_done(&coded);
    kis_arena_done(&arena);
    return 0;
}
