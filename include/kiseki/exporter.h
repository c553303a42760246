/* exporter.h - a table to fill in: where sampled spans go.
 *
 * export is called by one thread at a time, the SDK's (with a simple processor: the one that ended
 * the span). It answers through `done`, once, before it returns or later and from any thread; the
 * spans live until then. The SDK keeps a bounded number of batches unanswered.
 *
 *     OK                          delivered
 *     FULL, IO, TIMEOUT           lost, and counted: an exporter that wants
 *                                 to try again does so itself
 *
 * When kis_sdk_stop has waited as long as it was told, it gives up an exporter that is still in
 * export_spans or owes an answer: nothing of it is called any more, not even shutdown. It may
 * return and answer later; until then the batches that it has stay as they are.
 *
 * The built-in ones (otlp, console, memory, file) are named by kis_sdk_options.exporter.
 */
#ifndef KISEKI_EXPORTER_H
#define KISEKI_EXPORTER_H

#include <kiseki/processor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kis_export_batch kis_export_batch; /* spans that travel together; opaque */

/** for (size_t at = 0; kis_export_batch_next(batch, &at, &data);) ... all spans of the batch. */
KIS_API bool kis_export_batch_next(const kis_export_batch *batch, size_t *at, kis_span_data *out);
KIS_API size_t kis_export_batch_count(const kis_export_batch *batch);

/** Call exactly once for each export: done->call(done, KIS_OK). It must not be used afterwards. */
typedef struct kis_export_done kis_export_done;
struct kis_export_done {
    void (*call)(kis_export_done *done, kis_err result);
};

typedef struct kis_exporter {
    void (*export_spans)(void *user, const kis_export_batch *batch, kis_export_done *done);
    kis_err (*force_flush)(void *user, uint64_t deadline_ns); /* may be NULL */
    /* may be NULL; called once, after the last done */
    kis_err (*shutdown)(void *user, uint64_t deadline_ns);
    void *user;
} kis_exporter;

#ifdef __cplusplus
}
#endif
#endif
