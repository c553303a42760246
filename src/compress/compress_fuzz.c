/* compress_fuzz.c - the first byte picks the coding; whatever comes out stays within the bound. */
#include "compress/compress.h"

#include <stdlib.h>

#include "base/check.h"

#define FUZZ_BYTES_MAX (1u << 20)

static void *fuzz_take(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}
static void fuzz_give_back(void *user, void *ptr, size_t size)
{
    (void)user;
    (void)size;
    free(ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const kis_alloc alloc = { fuzz_take, fuzz_give_back, NULL };
    static kis_codecs *codecs;
    kis_diag diag;
    kis_buf out;
    if (size == 0)
        return 0;
    if (!codecs)
        codecs = kis_codecs_new(&alloc);
    kis_buf_init(&out, &alloc, FUZZ_BYTES_MAX);
    kis_err err = kis_decompress(codecs, (kis_coding)(1 + data[0] % 3),
                                 kis_bytes_of(data + 1, size - 1), &out, &diag);
    KIS_ASSERT(out.len <= FUZZ_BYTES_MAX && (err == KIS_OK || out.len == 0));
    kis_buf_done(&out);
    return 0;
}
