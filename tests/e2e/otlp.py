"""OTLP requests made by an unrelated protobuf library, and the two ways to send them, down to the byte."""

import base64
import http.client
import json
import os
import time
import urllib.parse
from collections import namedtuple

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF, JSON = "application/x-protobuf", "application/json"

Answer = namedtuple("Answer", "status headers body")


def new_trace_id():
    return os.urandom(16)


def span(trace_id=None, span_id=None, name="work", parent=b"", at_ns=None, took_ns=1_000_000, **fields):
    at_ns = time.time_ns() if at_ns is None else at_ns
    return trace_pb2.Span(trace_id=new_trace_id() if trace_id is None else trace_id,
                          span_id=os.urandom(8) if span_id is None else span_id, parent_span_id=parent, name=name,
                          kind=fields.pop("kind", 1), start_time_unix_nano=at_ns, end_time_unix_nano=at_ns + took_ns, **fields)


def request(spans, service="bad-input", scope="tests"):
    out = trace_service_pb2.ExportTraceServiceRequest()
    resource_spans = out.resource_spans.add()
    put(resource_spans.resource, "service.name", string_value=service)
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    scope_spans.spans.extend(spans)
    return out


def put(owner, key, **value):
    """Adds an attribute to a span, an event, a link or a resource."""
    attribute = owner.attributes.add()
    attribute.key = key
    for field, content in value.items():
        setattr(attribute.value, field, content)
    return attribute


def to_json(message):
    """OTLP/JSON, which is proto3 JSON but for ids in hex and enums as numbers."""
    tree = json_format.MessageToDict(message, use_integers_for_enums=True)

    def ids_in_hex(node):
        if isinstance(node, list):
            for item in node:
                ids_in_hex(item)
        elif isinstance(node, dict):
            for key, inner in node.items():
                if key in ("traceId", "spanId", "parentSpanId"):
                    node[key] = base64.b64decode(inner).hex()
                else:
                    ids_in_hex(inner)
    ids_in_hex(tree)
    return json.dumps(tree).encode()


# -- over HTTP ---------------------------------------------------------------------------------------

class Http:
    """One kept-alive connection. It must survive whatever is sent over it: a new one is never made silently."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        self.connection.connect()
        self.connection.auto_open = 0

    def post(self, body, kind=PROTOBUF, path="/v1/traces", method="POST", **headers):
        headers = {name.replace("_", "-"): text for name, text in headers.items()}
        if kind:
            headers["Content-Type"] = kind
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def post(url, body, kind=PROTOBUF, **more):
    with Http(url) as connection:
        return connection.post(body, kind, **more)


def success(answer, kind=PROTOBUF):
    """The ExportTraceServiceResponse in a 200."""
    assert answer.status == 200, (answer.status, answer.body)
    assert answer.headers.get_content_type() == kind
    message = trace_service_pb2.ExportTraceServiceResponse()
    if kind == JSON:
        json_format.Parse(answer.body, message)
    else:
        message.ParseFromString(answer.body)
    return message


def failure(answer, status, kind=PROTOBUF):
    """The google.rpc.Status in a refusal, which must be in the request's encoding."""
    assert answer.status in (status if isinstance(status, tuple) else (status,)), (answer.status, answer.body)
    assert answer.headers.get_content_type() == kind, (answer.headers.get_content_type(), answer.body)
    message = status_pb2.Status()
    if kind == JSON:
        json_format.Parse(answer.body, message)
    else:
        message.ParseFromString(answer.body)
    return message


# -- over gRPC ---------------------------------------------------------------------------------------

Reply = namedtuple("Reply", "code message body details trailers")


class Grpc:
    """A channel over which any bytes go as the one message of a call."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", 64 << 20)])
        self.method = self.channel.unary_unary(EXPORT)

    def export(self, body, timeout=30, compression=None, metadata=None):
        try:
            reply, call = self.method.with_call(body, timeout=timeout, compression=compression, metadata=metadata)
            return Reply(0, "", reply, None, dict(call.trailing_metadata() or ()))
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata() or ())
            details = None
            if "grpc-status-details-bin" in trailers:
                details = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
            return Reply(error.code().value[0], error.details(), b"", details, trailers)

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def retry_delay(status):
    """Seconds of the RetryInfo in a Status, or None."""
    for detail in status.details if status else ():
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            return info.retry_delay.seconds + info.retry_delay.nanos / 1e9
    return None
