/* Any bytes as an OTLP/JSON request: refused with words, or a batch whose invariants hold and that
 * is written as JSON that decodes to the same. */
#include "os/mem.h"
#include "wire/json.h"
#include "wire/otlp.h"
#include "wire/test_views.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    kis_diag diag = { 0 };
    kis_batch *batch = kis_batch_new(&kis_mem, 64u << 20),
              *again = kis_batch_new(&kis_mem, 64u << 20);
    kis_buf out;
    kis_json j;
    kis_buf_init(&out, &kis_mem, 64u << 20);
    batch->body = (kis_bytes){ bytes, len };
    kis_err err = kis_otlp_json_decode(batch, &diag);
    kis_json_begin(&j, batch->body, &batch->arena);
    bool is_json = kis_json_skip(&j) && kis_json_end(&j);
    if (err == KIS_OK) {
        VIEWS_CHECK(is_json); /* nothing is taken that is not JSON */
        views_check_batch(batch);
        kis_otlp_json_encode(batch, &out);
        VIEWS_CHECK(kis_utf8_is_valid(kis_buf_str(&out)));
        again->body = kis_buf_bytes(&out);
        VIEWS_CHECK(kis_otlp_json_decode(again, &diag) == KIS_OK &&
                    again->span_count == batch->span_count && again->cut_values == 0);
    } else {
        VIEWS_CHECK(diag.text[0] != 0);
    }
    kis_batch_unref(batch);
    kis_batch_unref(again);
    kis_buf_done(&out);
    return 0;
}
