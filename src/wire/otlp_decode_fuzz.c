/* Any bytes as an OTLP protobuf request: refused with words, or a batch whose invariants hold and
 * that encodes to the same. */
#include "os/mem.h"
#include "wire/otlp.h"
#include "wire/test_views.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    kis_diag diag = { 0 };
    kis_batch *batch = kis_batch_new(&kis_mem, 64u << 20),
              *again = kis_batch_new(&kis_mem, 64u << 20);
    kis_buf out;
    kis_buf_init(&out, &kis_mem, 64u << 20);
    batch->body = (kis_bytes){ bytes, len };
    if (kis_otlp_decode(batch, &diag) == KIS_OK) {
        views_check_batch(batch);
        batch->is_verbatim = false;
        for (uint32_t i = 0; i < batch->span_count; i++)
            batch->spans[i].bytes = KIS_BYTES_NONE;
        kis_otlp_encode(batch, &out);
        again->body = kis_buf_bytes(&out);
        VIEWS_CHECK(kis_otlp_decode(again, &diag) == KIS_OK && again->is_verbatim &&
                    views_same_batch(batch, again));
    } else {
        VIEWS_CHECK(diag.text[0] != 0);
    }
    kis_batch_unref(batch);
    kis_batch_unref(again);
    kis_buf_done(&out);
    return 0;
}
