/* Log files and record bodies with any bytes: refused or read, never outside their bounds. */
#include "os/mem.h"
#include "store/head.h"
#include "store/wal.h"

static kis_err enter(void *user, kis_bytes body, uint64_t offset, kis_diag *diag)
{
    kis_catalog catalog;
    kis_frame_head frame;
    kis_head *head = user;
    (void)offset;
    kis_catalog_init(&catalog, &kis_mem);
    kis_err err = kis_head_add(head, body, &catalog, &frame, diag);
    kis_catalog_done(&catalog);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kis_wal_scan scan;
    kis_wal_header name = { .generation = 1 };
    kis_wal_salvaged salvaged;
    kis_buf records;
    kis_diag diag;
    kis_head *head = kis_head_new(&kis_mem, 1);
    if (head) {
        (void)!kis_wal_read(kis_bytes_of(data, size), 0, enter, head, &scan, &diag);
        /* checksums keep most bytes from getting this far */
        (void)!enter(head, kis_bytes_of(data, size), 0, &diag);
        kis_head_publish(head);
        kis_buf_init(&records, &kis_mem, size + 4096);
        (void)!kis_wal_salvage(kis_bytes_of(data, size), &name, size & 1023, NULL, NULL, &records,
                               &salvaged, &diag);
        kis_buf_done(&records);
    }
    kis_head_unref(head);
    return 0;
}
