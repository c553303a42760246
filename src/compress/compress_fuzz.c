/* compress_fuzz.c - the first byte picks the coding; whatever comes out stays within the bound. */
#include "compress/compress.h"

#include "base/check.h"
#include "os/mem.h"

#define FUZZ_BYTES_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static kis_codecs *codecs;
    kis_diag diag;
    kis_buf out;
    if (size == 0)
        return 0;
    if (!codecs)
        codecs = kis_codecs_new(&kis_mem);
    kis_buf_init(&out, &kis_mem, FUZZ_BYTES_MAX);
    kis_err err = kis_decompress(codecs, (kis_coding)(1 + data[0] % 3),
                                 kis_bytes_of(data + 1, size - 1), &out, &diag);
    KIS_ASSERT(out.len <= FUZZ_BYTES_MAX && (err == KIS_OK || out.len == 0));
    kis_buf_done(&out);
    return 0;
}
