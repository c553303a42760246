"""Every OTLP case decided twice: by kiseki's decoder and by Google's protobuf library. They have to agree.

Requests are generated from a seed (KIS_SEED repeats a run), valid and harmed, and given to `kiseki-otlp-dump`,
which decodes protobuf or JSON from its input and prints the batch as OTLP/JSON, or the error.

Where kiseki means to differ from the library the rule is applied to the library's side here:
  - text that is not UTF-8 is repaired, not refused: the library reads a copy of the schema whose strings are bytes
  - a span whose ids have a wrong length or are all zero is left out and counted
  - a link whose ids have a wrong length is dropped and counted in dropped_links_count; one without ids has zeros
Nothing else differs, and nothing may crash: the sanitized build of the program is used where there is one.
"""

import base64
import json
import math
import os
import pathlib
import random
import re
import struct
import subprocess

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDERS = [pathlib.Path(os.environ["KIS_TEST_BIN"])] if "KIS_TEST_BIN" in os.environ else [ROOT / "build" / preset / "bin" for preset in ("asan", "release")]
DUMPS = [folder / "kiseki-otlp-dump" for folder in FOLDERS]
DUMP = next((path for path in DUMPS if path.exists()), None)
SEED = int(os.environ.get("KIS_SEED", "20261121"))
CASES = 3000 if os.environ.get("KIS_TEST_FULL") else 300

pytestmark = pytest.mark.skipif(DUMP is None, reason="kiseki-otlp-dump is not built")


def lenient_schema():
    """ExportTraceServiceRequest with bytes for strings, in a pool of its own."""
    pool = descriptor_pool.DescriptorPool()
    for module in (common_pb2, resource_pb2, trace_pb2, trace_service_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            strings_to_bytes(message)
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR.full_name))


def strings_to_bytes(message):
    for field in message.field:
        if field.type == descriptor_pb2.FieldDescriptorProto.TYPE_STRING:
            field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
    for inner in message.nested_type:
        strings_to_bytes(inner)


Lenient = lenient_schema()


# -- both sides as one form --------------------------------------------------------------------------

def repaired(text):
    """Bytes as text; how many marks stand for one bad stretch is not compared."""
    return re.sub("\ufffd+", "\ufffd", text.decode("utf-8", "replace") if isinstance(text, bytes) else text)


def number(value):
    return "NaN" if math.isnan(value) else repr(float(value))


def of_library_value(value):
    kind = value.WhichOneof("value")
    if kind is None:
        return ("empty",)
    inner = getattr(value, kind)
    if kind == "string_value":
        return ("string", repaired(inner))
    if kind == "double_value":
        return ("double", number(inner))
    if kind == "array_value":
        return ("array", *(of_library_value(item) for item in inner.values))
    if kind == "kvlist_value":
        return ("map", *of_library_pairs(inner.values))
    return (kind.removesuffix("_value"), inner)


def of_library_pairs(rows):
    return [(repaired(row.key), of_library_value(row.value)) for row in rows]


def of_library(request):
    """(spans, rejected): each span as a tuple of all that OTLP says of it."""
    spans, rejected = [], 0
    for group in request.resource_spans:
        resource = of_library_pairs(group.resource.attributes)
        for scope_spans in group.scope_spans:
            scope = (repaired(scope_spans.scope.name), repaired(scope_spans.scope.version))
            for one in scope_spans.spans:
                if len(one.trace_id) != 16 or len(one.span_id) != 8 or not any(one.trace_id) or not any(one.span_id) or len(one.parent_span_id) not in (0, 8):
                    rejected += 1
                    continue
                links = [e for e in one.links if len(e.trace_id) in (0, 16) and len(e.span_id) in (0, 8)]
                dropped_links = min(one.dropped_links_count + len(one.links) - len(links), 2**32 - 1)
                spans.append((resource, scope, one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex(), repaired(one.trace_state),
                              repaired(one.name), one.kind, one.start_time_unix_nano, one.end_time_unix_nano,
                              of_library_pairs(one.attributes), one.dropped_attributes_count,
                              [(e.time_unix_nano, repaired(e.name), of_library_pairs(e.attributes), e.dropped_attributes_count) for e in one.events],
                              one.dropped_events_count,
                              [((e.trace_id or bytes(16)).hex(), (e.span_id or bytes(8)).hex(), repaired(e.trace_state), of_library_pairs(e.attributes),
                                e.dropped_attributes_count, e.flags) for e in links],
                              dropped_links, one.status.code, repaired(one.status.message), one.flags))
    return spans, rejected


def of_json_value(value):
    if not value:
        return ("empty",)
    (kind, inner), = value.items()
    if kind == "stringValue":
        return ("string", repaired(inner))
    if kind == "intValue":
        assert isinstance(inner, str), "64-bit numbers are written as text"
        return ("int", int(inner))
    if kind == "doubleValue":
        return ("double", number(float(inner)))
    if kind == "bytesValue":
        return ("bytes", base64.b64decode(inner))
    if kind == "arrayValue":
        return ("array", *(of_json_value(item) for item in inner.get("values", [])))
    if kind == "kvlistValue":
        return ("map", *of_json_pairs(inner.get("values", [])))
    assert kind == "boolValue", kind
    return ("bool", inner)


def of_json_pairs(rows):
    return [(repaired(row.get("key", "")), of_json_value(row.get("value"))) for row in rows]


def of_json(tree):
    spans = []
    for group in tree.get("resourceSpans", []):
        resource = of_json_pairs(group.get("resource", {}).get("attributes", []))
        for scope_spans in group.get("scopeSpans", []):
            named = scope_spans.get("scope", {})
            scope = (repaired(named.get("name", "")), repaired(named.get("version", "")))
            for one in scope_spans.get("spans", []):
                status = one.get("status", {})
                spans.append((resource, scope, one["traceId"], one["spanId"], one.get("parentSpanId", ""), repaired(one.get("traceState", "")),
                              repaired(one.get("name", "")), one.get("kind", 0), int(one.get("startTimeUnixNano", 0)),
                              int(one.get("endTimeUnixNano", 0)), of_json_pairs(one.get("attributes", [])), one.get("droppedAttributesCount", 0),
                              [(int(e.get("timeUnixNano", 0)), repaired(e.get("name", "")), of_json_pairs(e.get("attributes", [])),
                                e.get("droppedAttributesCount", 0)) for e in one.get("events", [])],
                              one.get("droppedEventsCount", 0),
                              [(e.get("traceId", ""), e.get("spanId", ""), repaired(e.get("traceState", "")), of_json_pairs(e.get("attributes", [])),
                                e.get("droppedAttributesCount", 0), e.get("flags", 0)) for e in one.get("links", [])],
                              one.get("droppedLinksCount", 0), status.get("code", 0), repaired(status.get("message", "")), one.get("flags", 0)))
    return spans


def dump(body, kind):
    """What kiseki makes of it: (spans, None) or (None, error text)."""
    done = subprocess.run([str(DUMP), kind], input=body, capture_output=True, timeout=60)
    assert done.returncode in (0, 1), f"exit {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
    if done.returncode == 1:
        assert done.stderr.strip(), "an error without a word"
        return None, done.stderr.decode()
    tree = json.loads(done.stdout.decode("utf-8"), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    return of_json(tree), None


# -- requests from a seed ----------------------------------------------------------------------------

TEXTS = ["", "a", "GET /orders/{id}", "naïve café", "軌跡", "🚀" * 3, "\x00\x01\x1f\x7f", "\"\\\b\f\n\r\t", "\u2028", "</script>", "x" * 300]
INTEGERS = [0, 1, -1, 127, 128, 2**31, -2**31, 2**53, 2**63 - 1, -2**63]
DOUBLES = [0.0, -0.0, 1.5, -1e-300, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float("nan"), 0.1, 1e21, 123456789.125]


def fill_value(value, chance, depth=0):
    kind = chance.randrange(9 if depth < 4 else 6)
    if kind == 0:
        value.string_value = chance.choice(TEXTS)
    elif kind == 1:
        value.bool_value = chance.random() < 0.5
    elif kind == 2:
        value.int_value = chance.choice([*INTEGERS, chance.randrange(-2**63, 2**63)])
    elif kind == 3:
        value.double_value = chance.choice([*DOUBLES, struct.unpack("<d", chance.randbytes(8))[0]])
    elif kind == 4:
        value.bytes_value = chance.randbytes(chance.randrange(20))
    elif kind == 6:
        value.array_value.SetInParent()
        for _ in range(chance.randrange(4)):
            fill_value(value.array_value.values.add(), chance, depth + 1)
    elif kind in (7, 8):
        value.kvlist_value.SetInParent()
        fill_pairs(value.kvlist_value.values, chance, chance.randrange(4), depth + 1)


def fill_pairs(rows, chance, count, depth=0):
    for index in range(count):
        row = rows.add()
        row.key = f"{chance.choice(TEXTS)[:40]}{index}"
        fill_value(row.value, chance, depth)


def fill_span(one, chance):
    one.trace_id = chance.randbytes(16) if chance.random() < 0.95 else chance.choice([b"", bytes(16), chance.randbytes(15)])
    one.span_id = chance.randbytes(8) if chance.random() < 0.95 else chance.choice([b"", bytes(8), chance.randbytes(9)])
    one.parent_span_id = chance.choice([b"", chance.randbytes(8)])
    one.trace_state = chance.choice(["", "a=1,b=2"])
    one.name, one.kind = chance.choice(TEXTS), chance.randrange(6)
    one.start_time_unix_nano = chance.choice([0, 1, 2**63, 2**64 - 1, 1_700_000_000 * 10**9 + chance.randrange(10**9)])
    one.end_time_unix_nano = chance.choice([0, 2**64 - 1, 1_700_000_001 * 10**9])
    fill_pairs(one.attributes, chance, chance.randrange(12))
    one.dropped_attributes_count = chance.choice([0, 0, 1, 2**32 - 1])
    for _ in range(chance.randrange(3)):
        event = one.events.add(time_unix_nano=chance.randrange(2**64), name=chance.choice(TEXTS), dropped_attributes_count=chance.randrange(3))
        fill_pairs(event.attributes, chance, chance.randrange(3))
    for _ in range(chance.randrange(3)):
        link = one.links.add(trace_id=chance.randbytes(16), span_id=chance.randbytes(8), trace_state=chance.choice(["", "x=y"]), flags=chance.randrange(0x400))
        fill_pairs(link.attributes, chance, chance.randrange(3))
    if chance.random() < 0.5:
        one.status.code, one.status.message = chance.randrange(3), chance.choice(TEXTS)
    one.flags = chance.choice([0, 1, 0x101, 0x300, 2**32 - 1])


def make_request(chance):
    out = trace_service_pb2.ExportTraceServiceRequest()
    for _ in range(chance.randrange(1, 3)):
        group = out.resource_spans.add()
        fill_pairs(group.resource.attributes, chance, chance.randrange(4))
        for _ in range(chance.randrange(3)):
            scope_spans = group.scope_spans.add()
            scope_spans.scope.name, scope_spans.scope.version = chance.choice(TEXTS), chance.choice(TEXTS)
            for _ in range(chance.randrange(4)):
                fill_span(scope_spans.spans.add(), chance)
    return out


def harmed(body, chance):
    """The bytes with one to three small harms."""
    body = bytearray(body)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(body)) if body else 0
        what = chance.randrange(6)
        if what == 0:
            del body[at:]
        elif what == 1:
            body[at:at + 1] = bytes([(body[at] ^ (1 << chance.randrange(8))) if body else 0])
        elif what == 2:
            body[at:at] = chance.randbytes(chance.randrange(1, 5))
        elif what == 3:
            del body[at:at + chance.randrange(1, 5)]
        elif what == 4:
            body[at:at + 1] = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
        else:
            other = chance.randrange(len(body)) if body else 0
            body[at:at] = body[other:other + chance.randrange(40)]
    return bytes(body)


def compare(body, kind, want, where):
    spans, error = dump(body, kind)
    assert error is None, f"{where}: refused, the library reads it: {error}"
    for index, (got, wanted) in enumerate(zip(spans, want)):
        assert got == wanted, f"{where}: span {index}"
    assert len(spans) == len(want), where


@pytest.mark.parametrize("block", range(6))
def test_valid_protobuf_means_the_same_to_both(block):
    for case in range(block * CASES // 6, (block + 1) * CASES // 6):
        chance = random.Random(SEED + case)
        body = make_request(chance).SerializeToString()
        request = Lenient.FromString(body)
        compare(body, "protobuf", of_library(request)[0], f"KIS_SEED={SEED} case {case}")


@pytest.mark.parametrize("block", range(6))
def test_harmed_protobuf_is_refused_or_read_by_both(block):
    agreed_on_refusing = 0
    for case in range(block * CASES // 6, (block + 1) * CASES // 6):
        chance = random.Random(-SEED - case - 1)
        body = harmed(make_request(chance).SerializeToString(), chance)
        where = f"KIS_SEED={SEED} case {case}"
        try:
            request = Lenient.FromString(body)
        except DecodeError:
            spans, error = dump(body, "protobuf")
            assert error is not None, f"{where}: read, the library refuses it: {body.hex()}"
            agreed_on_refusing += 1
            continue
        compare(body, "protobuf", of_library(request)[0], where + " " + body.hex()[:4000])
    assert agreed_on_refusing > 0, "no case was refused: the harm is too gentle"


def as_json(request, chance):
    """The same request as OTLP/JSON, in one of the ways a sender may write it."""
    def ids(raw):
        return raw.hex().upper() if chance.random() < 0.3 else raw.hex()

    def big(value):
        return value if chance.random() < 0.3 else str(value)

    def any_value(value):
        kind = value.WhichOneof("value")
        if kind is None:
            return {}
        inner = getattr(value, kind)
        if kind == "int_value":
            return {"intValue": big(inner)}
        if kind == "double_value":
            if math.isfinite(inner):
                return {"doubleValue": inner if chance.random() < 0.8 else repr(inner)}
            return {"doubleValue": "NaN" if math.isnan(inner) else "Infinity" if inner > 0 else "-Infinity"}
        if kind == "bytes_value":
            return {"bytesValue": base64.b64encode(inner).decode()}
        if kind == "array_value":
            return {"arrayValue": {"values": [any_value(item) for item in inner.values]}}
        if kind == "kvlist_value":
            return {"kvlistValue": {"values": pairs(inner.values)}}
        return {{"string_value": "stringValue", "bool_value": "boolValue"}[kind]: inner}

    def pairs(rows):
        return [shuffled({"key": row.key, "value": any_value(row.value)}) for row in rows]

    def shuffled(tree):
        rows = list(tree.items())
        if chance.random() < 0.2:
            rows.append(("neverHeardOf", {"a": [1, None, {"b": "]"}]}))
        if chance.random() < 0.5:
            chance.shuffle(rows)
        return dict(rows)

    def span(one):
        return shuffled({
            "traceId": ids(one.trace_id), "spanId": ids(one.span_id), "parentSpanId": ids(one.parent_span_id), "traceState": one.trace_state,
            "name": one.name, "kind": one.kind, "startTimeUnixNano": big(one.start_time_unix_nano), "endTimeUnixNano": big(one.end_time_unix_nano),
            "attributes": pairs(one.attributes), "droppedAttributesCount": one.dropped_attributes_count,
            "events": [shuffled({"timeUnixNano": big(e.time_unix_nano), "name": e.name, "attributes": pairs(e.attributes),
                                 "droppedAttributesCount": e.dropped_attributes_count}) for e in one.events],
            "droppedEventsCount": one.dropped_events_count,
            "links": [shuffled({"traceId": ids(e.trace_id), "spanId": ids(e.span_id), "traceState": e.trace_state, "flags": e.flags,
                                "attributes": pairs(e.attributes), "droppedAttributesCount": e.dropped_attributes_count}) for e in one.links],
            "droppedLinksCount": one.dropped_links_count, "flags": one.flags,
            "status": None if not one.HasField("status") else {"code": one.status.code, "message": one.status.message}})

    tree = {"resourceSpans": [shuffled({
        "resource": {"attributes": pairs(group.resource.attributes)},
        "scopeSpans": [shuffled({"scope": {"name": scope_spans.scope.name, "version": scope_spans.scope.version},
                                 "spans": [span(one) for one in scope_spans.spans]}) for scope_spans in group.scope_spans]})
        for group in request.resource_spans]}
    return json.dumps(tree, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, None, 1])).encode()


@pytest.mark.parametrize("block", range(6))
def test_json_means_what_the_same_request_means_in_protobuf(block):
    for case in range(block * CASES // 6, (block + 1) * CASES // 6):
        chance = random.Random(SEED + case)
        request = make_request(chance)
        want, _ = of_library(Lenient.FromString(request.SerializeToString()))
        compare(as_json(request, chance), "json", want, f"KIS_SEED={SEED} case {case}")


def is_json(body):
    """Whether it is one JSON text, once bytes inside its strings that are no UTF-8 are repaired."""
    try:
        json.loads(body.decode("utf-8", "replace"), parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
        return True
    except (ValueError, RecursionError):
        return False


@pytest.mark.parametrize("block", range(6))
def test_harmed_json_is_refused_where_it_is_no_json(block):
    refused = 0
    for case in range(block * CASES // 6, (block + 1) * CASES // 6):
        chance = random.Random(-SEED - case - 1)
        body = harmed(as_json(make_request(chance), chance), chance)
        spans, error = dump(body, "json")
        if not is_json(body):
            assert error is not None, f"KIS_SEED={SEED} case {case}: read, but it is no JSON: {body[:2000]}"
            refused += 1
    assert refused > 0
