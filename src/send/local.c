/* local.c - sinks that stay on this machine: console, file, memory. They answer before push
 * returns.
 *
 *     console   a descriptor; pretty JSON, or OTLP/JSON a span a line   promise NONE
 *     file      OTLP/JSON, a request a line, appended                   promise MEMORY (not synced)
 *     memory    every batch is kept, up to a bound                      promise MEMORY
 *
 * Each has a lock, because push may come from any thread; lines never mix. Lines of a file do not
 * even when several processes append to it: each is one append of the system.
 */
#include "base/diag.h"
#include "os/fd.h"
#include "os/thread.h"
#include "send/console_json.h"
#include "send/send.h"
#include "wire/otlp.h"

/* of one batch as text; a batch of 64 MiB grows about fourfold */
#define TEXT_BYTES_MAX (256u << 20)

typedef struct local_sink {
    kis_sink sink;
    const kis_alloc *alloc;
    kis_lock lock; /* guards all below */
    kis_buf text;  /* reused from batch to batch */

    int fd; /* console */
    kis_console_form form;

    kis_os *os; /* file */
    kis_file file;

    kis_batch **batches; /* memory */
    uint32_t count, max_batches;
} local_sink;

static local_sink *local_of(kis_sink *sink)
{
    return KIS_CONTAINER(sink, local_sink, sink);
}

static kis_err new_local(const kis_alloc *alloc, const kis_sink_ops *ops, local_sink **out)
{
    local_sink *l = alloc->take(alloc->user, sizeof(*l));
    if (!l)
        return KIS_ERR_NOMEM;
    memset(l, 0, sizeof(*l));
    l->sink.ops = ops;
    l->alloc = alloc;
    kis_lock_init(&l->lock, KIS_RANK_QUEUE);
    kis_buf_init(&l->text, alloc, TEXT_BYTES_MAX);
    *out = l;
    return KIS_OK;
}

static void free_local(local_sink *l)
{
    kis_buf_done(&l->text);
    kis_lock_done(&l->lock);
    l->alloc->give_back(l->alloc->user, l, sizeof(*l));
}

static void answer(kis_done done, kis_err err, const char *reason)
{
    done.call(done.user, &(kis_sink_result){ .err = err, .reason = kis_str_from_c(reason) });
}

/* Everything is answered before push returns, so there is nothing to wait for. */
static kis_err local_flush(kis_sink *sink, uint64_t deadline_ns)
{
    (void)sink;
    (void)deadline_ns;
    return KIS_OK;
}

/* ---- console ---- */

static void put_line(const kis_found_span *found, kis_buf *out)
{
    kis_otlp_json_stream stream;

    kis_otlp_json_stream_begin(&stream, out);
    kis_otlp_json_stream_span(&stream, found);
    kis_otlp_json_stream_end(&stream);
    kis_buf_add_byte(out, '\n');
}

static void console_push(kis_sink *sink, kis_batch *batch, kis_done done)
{
    local_sink *l = local_of(sink);

    kis_lock_take(&l->lock);
    kis_buf_clear(&l->text);
    for (uint32_t i = 0; i < batch->scope_count; i++) {
        const kis_scope_view *scope = &batch->scopes[i];
        for (uint32_t k = 0; k < scope->span_count; k++) {
            kis_found_span found = { &batch->spans[scope->first_span + k],
                                     kis_batch_resource(batch, scope), scope };
            if (l->form == KIS_CONSOLE_PRETTY)
                kis_console_span(&found, &l->text);
            else
                put_line(&found, &l->text);
        }
    }
    kis_err err = l->text.err ? l->text.err : kis_fd_write(l->fd, kis_buf_bytes(&l->text));
    kis_lock_give(&l->lock);
    answer(done, err, err ? "the console cannot be written" : "");
}

static void console_close(kis_sink *sink)
{
    free_local(local_of(sink));
}

static const kis_sink_ops console_ops = { "console", KIS_PROMISE_NONE, console_push, local_flush,
                                          console_close };

kis_err kis_send_console_open(int fd, kis_console_form form, const kis_alloc *alloc, kis_sink **out)
{
    local_sink *l;
    kis_err err = new_local(alloc, &console_ops, &l);
    if (err)
        return err;
    l->fd = fd;
    l->form = form;
    *out = &l->sink;
    return KIS_OK;
}

/* ---- file ---- */

static void file_push(kis_sink *sink, kis_batch *batch, kis_done done)
{
    local_sink *l = local_of(sink);
    kis_diag diag = { .err = KIS_OK };

    kis_lock_take(&l->lock);
    kis_buf_clear(&l->text);
    kis_otlp_json_encode(batch, &l->text);
    kis_buf_add_byte(&l->text, '\n');
    kis_err err = l->text.err;
    if (!err)
        err = l->os->ops->append(l->os, l->file, l->text.ptr, l->text.len, &diag);
    kis_lock_give(&l->lock);
    answer(done, err, err ? diag.text : "");
}

static void file_close(kis_sink *sink)
{
    local_sink *l = local_of(sink);
    l->os->ops->close(l->os, l->file);
    free_local(l);
}

static const kis_sink_ops file_ops = { "file", KIS_PROMISE_MEMORY, file_push, local_flush,
                                       file_close };

kis_err kis_send_file_open(kis_os *os, kis_str path, const kis_alloc *alloc, kis_sink **out,
                           kis_diag *diag)
{
    local_sink *l;
    kis_err err = new_local(alloc, &file_ops, &l);
    if (err)
        return kis_diag_set(diag, err, "no memory for a file sink");
    l->os = os;
    err = os->ops->open(os, path, KIS_OPEN_APPEND, &l->file, diag);
    if (err) {
        free_local(l);
        return err;
    }
    *out = &l->sink;
    return KIS_OK;
}

/* ---- memory ---- */

static void memory_push(kis_sink *sink, kis_batch *batch, kis_done done)
{
    local_sink *l = local_of(sink);

    kis_lock_take(&l->lock);
    bool is_full = l->count == l->max_batches;
    if (!is_full)
        l->batches[l->count++] = kis_batch_ref(batch);
    kis_lock_give(&l->lock);
    answer(done, is_full ? KIS_ERR_FULL : KIS_OK, is_full ? "the memory sink is full" : "");
}

void kis_send_memory_clear(kis_sink *memory)
{
    local_sink *l = local_of(memory);

    kis_lock_take(&l->lock);
    while (l->count > 0)
        kis_batch_unref(l->batches[--l->count]);
    kis_lock_give(&l->lock);
}

static void memory_close(kis_sink *sink)
{
    local_sink *l = local_of(sink);
    kis_send_memory_clear(sink);
    l->alloc->give_back(l->alloc->user, l->batches, sizeof(kis_batch *) * l->max_batches);
    free_local(l);
}

static const kis_sink_ops memory_ops = { "memory", KIS_PROMISE_MEMORY, memory_push, local_flush,
                                         memory_close };

kis_err kis_send_memory_open(const kis_alloc *alloc, uint32_t max_batches, kis_sink **out)
{
    local_sink *l;
    kis_err err = new_local(alloc, &memory_ops, &l);
    if (err)
        return err;
    l->max_batches = max_batches;
    l->batches = alloc->take(alloc->user, sizeof(kis_batch *) * max_batches);
    if (!l->batches) {
        free_local(l);
        return KIS_ERR_NOMEM;
    }
    *out = &l->sink;
    return KIS_OK;
}

uint32_t kis_send_memory_count(const kis_sink *memory)
{
    local_sink *l = local_of((kis_sink *)(uintptr_t)memory);
    kis_lock_take(&l->lock);
    uint32_t count = l->count;
    kis_lock_give(&l->lock);
    return count;
}

const kis_batch *kis_send_memory_at(const kis_sink *memory, uint32_t index)
{
    local_sink *l = local_of((kis_sink *)(uintptr_t)memory);
    kis_lock_take(&l->lock);
    const kis_batch *batch = index < l->count ? l->batches[index] : NULL;
    kis_lock_give(&l->lock);
    return batch;
}
