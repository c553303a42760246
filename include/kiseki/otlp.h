/* otlp.h - OTLP alone, for those who need only bytes: spans of a batch as an
 * ExportTraceServiceRequest.
 *
 * For exporters of your own that speak OTLP over another transport:
 * a message queue, a pipe, a file.
 * Source: opentelemetry-proto 1.11, collector/trace/v1/trace_service.proto.
 */
#ifndef KISEKI_OTLP_H
#define KISEKI_OTLP_H

#include <kiseki/alloc.h>
#include <kiseki/exporter.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kis_otlp_form { KIS_OTLP_PROTOBUF = 0, KIS_OTLP_JSON = 1 } kis_otlp_form;

/**
 * The batch as an ExportTraceServiceRequest.
 *
 * alloc  gives the memory of `out`, which the caller gives back with `out_size` as its size
 * NOMEM, LIMIT (64 MiB): `out` is untouched
 */
KIS_API KIS_CHECKED kis_err kis_otlp_format(const kis_export_batch *batch, kis_otlp_form form,
                                            const kis_alloc *alloc, kis_bytes *out,
                                            size_t *out_size);

#ifdef __cplusplus
}
#endif
#endif
