"""Sends the scenario with the official Python SDK.

    send.py ENDPOINT PROTOCOL COMPRESSION SERVICE BASE_NS REMOTE_TRACE_ID

PROTOCOL is grpc or http/protobuf, COMPRESSION none or gzip. Prints one line of JSON: the ids that the SDK
gave to the spans, and the attribute keys that it cannot record.
"""

import base64
import json
import pathlib
import sys

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

SCENARIO = json.loads((pathlib.Path(__file__).parent.parent / "scenario.json").read_text())


def value(any_value):
    (kind, inner), = any_value.items()
    if kind == "intValue":
        return int(inner)
    if kind == "doubleValue":
        return float(inner)
    if kind == "bytesValue":
        return base64.b64decode(inner)
    if kind == "arrayValue":
        return [value(item) for item in inner["values"]]
    if kind == "kvlistValue":
        return {item["key"]: value(item["value"]) for item in inner["values"]}
    return inner


def attributes(of):
    return {item["key"]: value(item["value"]) for item in of.get("attributes", [])}


def exporter(endpoint, protocol, compression):
    if protocol == "grpc":
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        kinds = {"gzip": grpc.Compression.Gzip, "none": grpc.Compression.NoCompression}
        return OTLPSpanExporter(endpoint=endpoint, insecure=True, compression=kinds[compression])
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    kinds = {"gzip": Compression.Gzip, "none": Compression.NoCompression}
    return OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", compression=kinds[compression])


class Watched:
    """The exporter, with a memory of what it answered: a lost batch must not pass for a sent one."""

    def __init__(self, inner):
        self.inner, self.failed = inner, 0

    def export(self, spans):
        result = self.inner.export(spans)
        self.failed += result is not SpanExportResult.SUCCESS
        return result

    def __getattr__(self, name):
        return getattr(self.inner, name)


def remote_context(remote, trace_id):
    state = trace.TraceState([tuple(pair.split("=")) for pair in remote["tracestate"].split(",")])
    context = trace.SpanContext(int(trace_id, 16), int(remote["spanId"], 16), True, trace.TraceFlags(1), state)
    return trace.set_span_in_context(trace.NonRecordingSpan(context))


def record(tracer, base_ns, remote_trace_id):
    spans = {}
    for row in SCENARIO["spans"]:
        context = trace.Context()
        if "parent" in row:
            context = trace.set_span_in_context(spans[row["parent"]], context)
        elif "remote" in row:
            context = remote_context(row["remote"], remote_trace_id)
        links = [trace.Link(spans[link["to"]].get_span_context(), attributes(link)) for link in row.get("links", [])]
        span = tracer.start_span(row["name"], context, trace.SpanKind[row["kind"]], attributes(row), links,
                                 start_time=base_ns + row["start"] * 1000)
        for event in row.get("events", []):
            span.add_event(event["name"], attributes(event), base_ns + event["at"] * 1000)
        if "status" in row:
            span.set_status(trace.StatusCode[row["status"]], row.get("message"))
        spans[row["name"]] = span
    for row in SCENARIO["spans"]:
        spans[row["name"]].end(base_ns + row["end"] * 1000)
    return spans


def main():
    endpoint, protocol, compression, service, base_ns, remote_trace_id = sys.argv[1:]
    resource = {item["key"]: value(item["value"]) for item in SCENARIO["resource"]}
    provider = TracerProvider(resource=Resource.create({**resource, "service.name": service}))
    watched = Watched(exporter(endpoint, protocol, compression))
    provider.add_span_processor(BatchSpanProcessor(watched))
    tracer = provider.get_tracer(SCENARIO["scope"]["name"], SCENARIO["scope"]["version"])
    spans = record(tracer, int(base_ns), remote_trace_id)
    provider.shutdown()
    if watched.failed:
        sys.exit(f"{watched.failed} batches were refused")
    print(json.dumps({
        "spans": {name: [f"{span.get_span_context().trace_id:032x}", f"{span.get_span_context().span_id:016x}"]
                  for name, span in spans.items()},
        "left_out": [],
    }))


if __name__ == "__main__":
    main()
