"""What a receiver must do with requests that are wrong: the rows of content, one test a row.

Each test's name begins with its row. Three things hold everywhere and are part of the fixtures: the server
goes on (`server` looks after each test), the connection of a refused request lives on (`Http` never
reconnects), and a refusal is a google.rpc.Status in the request's own encoding.
"""

import base64
import gzip
import json
import os
import random
import re
import struct
import time
import urllib.parse
import zlib

import pytest
import zstandard
from google.rpc import error_details_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

import h2raw
import jaeger
import rawpb
from jaeger import v1_trace, v3_trace
from otlp import (JSON, PROTOBUF, Grpc, Http, failure, new_trace_id, post, put, request, retry_delay, span, success, to_json)
from server import until

INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED = 3, 8, 12
MIB = 1 << 20


CUT = "{} cut or repaired: too long, too many, too deep, or not UTF-8"


def stored(server, trace_id):
    return until(lambda: v3_trace(server, trace_id.hex()), why="the trace")


def counted(server, what):
    """What the receiver has counted, over HTTP and over gRPC."""
    return tuple(server.metric(f"kiseki_receiver_{what}_total", transport=transport) for transport in ("http", "grpc"))


def refused_both_ways(server, body):
    """400 over HTTP and INVALID_ARGUMENT over gRPC, with the place, counted as malformed; the Status of the former."""
    before = counted(server, "requests_malformed")
    with Http(server.http) as connection:
        status = failure(connection.post(body), 400)
        success(connection.post(b""))
    with Grpc(server.grpc) as channel:
        reply = channel.export(body)
        assert reply.code == INVALID_ARGUMENT, reply
        assert channel.export(b"").code == 0
    assert status.code == INVALID_ARGUMENT
    assert re.search(r", at byte \d+$", status.message), status.message
    assert status.message == reply.message == reply.details.message, "both say the same"
    (violation,) = violations(status)
    assert status.message.startswith(violation.field + ": ") or violation.field == "body", "the place is there for programs, too"
    assert counted(server, "requests_malformed") == (before[0] + 1, before[1] + 1)
    return status


def violations(status):
    """The field violations of a Status: what a program reads where people read the message."""
    bad = error_details_pb2.BadRequest()
    assert len(status.details) == 1 and status.details[0].Unpack(bad), status
    return bad.field_violations


# -- protobuf ----------------------------------------------------------------------------------------

def test_row13_truncated_protobuf_at_each_byte_is_refused_and_the_connection_lives(server):
    trace_id = new_trace_id()
    one = span(trace_id, name="never whole", events=[dict(name="e")])
    put(one, "key", string_value="value")
    whole = request([one]).SerializeToString()
    with Http(server.http) as connection, Grpc(server.grpc) as channel:
        for cut in range(1, len(whole)):
            status = failure(connection.post(whole[:cut]), 400)
            at = int(re.search(r"at byte (\d+)$", status.message).group(1))  # or it does not say where
            assert at <= cut, status.message
            if cut % 16 == 0:
                assert channel.export(whole[:cut]).code == INVALID_ARGUMENT, cut
        assert v3_trace(server, trace_id.hex()) is None, "nothing of a cut request is stored"
        success(connection.post(whole))
        assert channel.export(whole).code == 0
    assert len(stored(server, trace_id)) == 1


def test_row13_the_refusal_names_span_field_and_byte(server):
    good = rawpb.span()
    bad = rawpb.span(rawpb.key(9, 2) + rawpb.varint(100) + b"abc")  # an attribute that says it is longer than its span
    body = rawpb.request(good, good, bad)
    status = refused_both_ways(server, body)
    at = body.rindex(b"abc") - 2  # the field begins with its tag and its length, a byte each
    assert status.message == f"span 2: attributes: length 100, but 3 bytes are left, at byte {at}"
    (violation,) = violations(status)
    assert (violation.field, violation.description) == ("span 2: attributes", status.message)


@pytest.mark.parametrize("length", [2**31, 2**32 + 2, 2**63, 2**64 - 1])
def test_row14_lengths_beyond_the_request_are_refused(server, length):
    for path in ([], [1], [1, 2], [1, 2, 2]):  # the request itself, resource spans, scope spans, a span
        body = rawpb.key((path or [1])[-1] if len(path) < 2 else 2, 2) + rawpb.varint(length) + b"x" * 20
        for number in reversed(path):
            body = rawpb.text(number, body)
        refused_both_ways(server, body)


@pytest.mark.parametrize("why, number", [
    ("eleven bytes", b"\x80" * 10 + b"\x01"),
    ("ten bytes, 70 bits", b"\xff" * 9 + b"\x7f"),
    ("without an end", b"\xff" * 500),
])
def test_row15_overlong_varints_are_refused(server, why, number):
    refused_both_ways(server, rawpb.request(rawpb.span(rawpb.key(6, 0) + number)))
    refused_both_ways(server, number)


@pytest.mark.parametrize("why, tail", [
    ("wire type 6", b"\x36\x00"), ("wire type 7", b"\x37\x00"), ("field 0", b"\x02\x00"),
    ("end of a group that never began", b"\x34"), ("group that never ends", b"\xa3\x06\x08\x01"),
    ("group closed by another number", b"\xa3\x06\xac\x06"),
])
def test_row16_wire_types_and_fields_that_do_not_exist_are_refused(server, why, tail):
    refused_both_ways(server, rawpb.request(rawpb.span(tail)))
    refused_both_ways(server, rawpb.request(rawpb.span()) + tail)


def test_row17_unknown_fields_of_all_types_are_skipped(server):
    trace_id = new_trace_id()
    unknown = (rawpb.key(1000, 0) + rawpb.varint(2**64 - 1) + rawpb.fixed64(1001, 5) + rawpb.text(1002, b"\xff\x00")
               + rawpb.key(1003, 5) + b"1234" + rawpb.key(1004, 3) + rawpb.text(1, "in a group") + rawpb.key(1004, 4)
               + rawpb.text(2**29 - 1, "the highest number"))
    body = rawpb.request(rawpb.span(unknown, trace_id)) + unknown
    assert not success(post(server.http, body)).HasField("partial_success")
    (one,) = stored(server, trace_id).values()
    assert one.name == "by hand"


def nested_value(depth, leaf=rawpb.text(1, "leaf")):
    """AnyValue { array_value { values { array_value ... } } }, built from inside out."""
    value = leaf
    parts = [value]
    size = len(value)
    for _ in range(depth):
        head = rawpb.key(1, 2) + rawpb.varint(size)          # ArrayValue.values
        size += len(head)
        outer = rawpb.key(5, 2) + rawpb.varint(size)         # AnyValue.array_value
        size += len(outer)
        parts.append(outer + head)
    return b"".join(reversed(parts))


def test_row18_values_nested_20000_deep_are_cut_not_followed(server):
    trace_id = new_trace_id()
    body = rawpb.request(rawpb.span(rawpb.attribute("deep", nested_value(20_000)) + rawpb.attribute("flat", rawpb.text(1, "kept")), trace_id))
    said = success(post(server.http, body)).partial_success
    assert (said.rejected_spans, said.error_message) == (0, CUT.format("1 value was"))
    (one,) = stored(server, trace_id).values()
    assert one.attributes["flat"] == ("string", "kept")
    depth, value = 0, one.attributes["deep"]
    while value[0] == "array" and value[1]:
        depth, value = depth + 1, value[1][0]
    assert depth == 32, f"cut at {depth}"  # KIS_VALUE_DEPTH_MAX
    assert v1_trace(server, trace_id.hex())


def test_row18_values_nested_to_the_limit_come_back(server):
    trace_id = new_trace_id()
    success(post(server.http, rawpb.request(rawpb.span(rawpb.attribute("deep", nested_value(20)), trace_id))))
    (one,) = stored(server, trace_id).values()
    value = one.attributes["deep"]
    for _ in range(20):
        assert value[0] == "array"
        (value,) = value[1]
    assert value == ("string", "leaf")


def test_row18_unknown_groups_nested_10000_deep_are_refused(server):
    refused_both_ways(server, rawpb.request(rawpb.span(rawpb.key(100, 3) * 10_000 + rawpb.key(100, 4) * 10_000)))


# -- JSON --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("why, body", [
    ("100,000 brackets", b"[" * 100_000),
    ("100,000 braces", b'{"a":' * 100_000),
    ("unknown field 50,000 deep", b'{"resourceSpans":[{"unknown":' + b"[" * 50_000 + b"]" * 50_000 + b"}]}"),
    ("cut", b'{"resourceSpans":[{'), ("nothing but spaces", b"   "), ("no JSON", b"hello"), ("a list", b"[]"),
    ("two values", b"{}{}"), ("bad escape", b'{"a":"\\x"}'), ("lone surrogate half", b'{"resourceSpans":[{"a":"\\ud800'),
    ("number as a message", b'{"resourceSpans":7}'), ("leading zero", b'{"a":01}'), ("trailing comma", b'{"a":1,}'),
    ("control character in a string", b'{"a":"\n"}'), ("bare NaN", b'{"a":NaN}'), ("bytes that are no text", b'\xff\xfe{}'),
])
def test_row19_broken_or_deep_json_is_refused(server, why, body):
    before = counted(server, "requests_malformed")[0]
    with Http(server.http) as connection:
        status = failure(connection.post(body, JSON), 400, JSON)
        at = int(re.search(r", at byte (\d+)$", status.message).group(1))
        assert at <= len(body), status.message
        assert violations(status)
        success(connection.post(b"{}", JSON), JSON)
    assert counted(server, "requests_malformed")[0] == before + 1


def test_row19_the_refusal_names_span_field_and_byte(server):
    good, bad = ({"traceId": new_trace_id().hex(), "spanId": f"{number:016x}"} for number in (1, 2))
    body = json.dumps(json_request(good, {**bad, "attributes": [{"key": "n", "value": {"intValue": "seven"}}]})).encode()
    status = failure(post(server.http, body, JSON), 400, JSON)
    assert status.message.startswith("span 1: attributes: want an integer of 64 bits, at byte "), status.message
    assert abs(int(status.message.rpartition(" ")[2]) - body.index(b'"seven"')) <= len(b'"seven"'), "near the value"
    assert v3_trace(server, good["traceId"]) is None, "nothing of a malformed request is stored"


JSON_SPAN = {"name": "json", "kind": 2, "startTimeUnixNano": "1", "endTimeUnixNano": 2}


def json_request(*spans):
    at = time.time_ns()
    rows = [{**JSON_SPAN, "startTimeUnixNano": str(at), "endTimeUnixNano": at + 1000, **one} for one in spans]
    return {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "bad-json"}}]},
                               "scopeSpans": [{"spans": rows}]}]}


def post_json(server, tree):
    return post(server.http, json.dumps(tree).encode(), JSON)


@pytest.mark.parametrize("member, name, want", [("traceId", "trace_id", 32), ("spanId", "span_id", 16)])
@pytest.mark.parametrize("why, make", [
    ("base64, as proto3 JSON would have it", lambda want: base64.b64encode(os.urandom(want // 2)).decode()),
    ("an odd number of digits", lambda want: "0" * (want - 1)), ("not hex", lambda want: "z" * want), ("too long", lambda want: "ab" * want),
    ("empty", lambda want: ""),
])
def test_row22_json_ids_that_are_not_hex_of_the_right_length(server, why, make, member, name, want):
    good = new_trace_id()
    bad = {"traceId": good.hex(), "spanId": "0102030405060708", member: make(want)}
    body = json.dumps(json_request({"traceId": good.hex(), "spanId": "0102030405060709"}, bad)).encode()
    partial = success(post(server.http, body, JSON), JSON).partial_success
    second = body.index(b'"name"', body.index(b'"name"') + 1)
    at = body.index(f'"{member}": "'.encode(), second) + len(member) + 4
    assert (partial.rejected_spans, partial.error_message) == (1, f"span 1: {name}: want {want} hex digits, at byte {at}")
    assert list(stored(server, good)) == ["0102030405060709"], "the good one is there"


def test_row22_json_ids_in_hex_of_either_case_are_the_same(server):
    trace_id = new_trace_id()
    success(post_json(server, json_request({"traceId": trace_id.hex().upper(), "spanId": "ABCDEF0102030405"})), JSON)
    assert list(stored(server, trace_id)) == ["abcdef0102030405"]


def test_json_null_unknown_keys_and_enum_names_are_read_as_the_specification_says(server):
    trace_id = new_trace_id()
    tree = json_request({"traceId": trace_id.hex(), "spanId": "0102030405060708", "parentSpanId": None, "kind": "SPAN_KIND_CLIENT",
                         "attributes": [{"key": "n", "value": {"intValue": 7}}, {"key": "s", "value": {"intValue": "8"}},
                                        {"key": "inf", "value": {"doubleValue": "Infinity"}}, {"key": "null", "value": None}],
                         "neverHeardOf": {"a": [1, {"b": None}]}, "status": None})
    success(post_json(server, tree), JSON)
    (one,) = stored(server, trace_id).values()
    assert (one.kind, one.parent_id) == ("CLIENT", "")
    assert one.attributes["n"] == ("int", 7) and one.attributes["s"] == ("int", 8)
    assert one.attributes["inf"] == ("double", float("inf"))


# -- text and ids ------------------------------------------------------------------------------------

@pytest.mark.parametrize("why, text, want", [
    ("lone byte", b"a\xffb", "a\ufffdb"), ("overlong slash", b"a\xc0\xafb", None), ("surrogate half", b"\xed\xa0\x80", None),
    ("beyond U+10FFFF", b"\xf4\x90\x80\x80", None), ("cut character", b"caf\xc3", "caf\ufffd"), ("NUL stays", b"a\x00b", "a\x00b"),
])
def test_row20_text_that_is_not_utf8_is_stored_with_replacement_characters(server, why, text, want):
    trace_id = new_trace_id()
    more = rawpb.attribute("text", rawpb.text(1, text)) + rawpb.attribute(b"key " + text, rawpb.text(1, "x"))
    success(post(server.http, rawpb.request(rawpb.span(more, trace_id, name=text))))
    (one,) = stored(server, trace_id).values()  # jaeger.get refuses answers that are not UTF-8
    if want is None:
        assert set(one.name) - {"a", "b"} == {"\ufffd"}, "each bad byte is replaced, whatever the number"
        want = one.name
    assert one.name == want
    assert one.attributes["text"] == ("string", want)
    assert one.attributes["key " + want] == ("string", "x")
    assert v1_trace(server, trace_id.hex())["spans"][0]["operationName"] == want


@pytest.mark.parametrize("why, trace_id, span_id", [
    ("trace id of 15 bytes", b"1" * 15, b"1" * 8), ("trace id of 17 bytes", b"1" * 17, b"1" * 8),
    ("no trace id", b"", b"1" * 8), ("trace id all zero", bytes(16), b"1" * 8),
    ("span id of 7 bytes", b"1" * 16, b"1" * 7), ("span id of 9 bytes", b"1" * 16, b"1" * 9),
    ("no span id", b"1" * 16, b""), ("span id all zero", b"1" * 16, bytes(8)),
])
def test_row21_bad_ids_reject_their_span_and_store_the_others(server, why, trace_id, span_id):
    good = new_trace_id()
    bad = rawpb.span(trace_id=trace_id, span_id=span_id)
    body = rawpb.request(rawpb.span(trace_id=good), bad, rawpb.span(trace_id=good))
    before = counted(server, "rejected_spans")
    partial = success(post(server.http, body)).partial_success
    begin = body.index(bad)
    if len(trace_id) != 16:
        want = f"trace_id: want 16 bytes, got {len(trace_id)}, at byte {begin}"
    elif not any(trace_id):
        want = f"trace_id: none, or all zero, at byte {begin}"
    elif len(span_id) != 8:
        want = f"span_id: want 8 bytes, got {len(span_id)}, at byte {begin + 18}"
    else:
        want = f"span_id: none, or all zero, at byte {begin}"
    assert (partial.rejected_spans, partial.error_message) == (1, f"span 1: {want}")
    assert len(stored(server, good)) == 2
    with Grpc(server.grpc) as channel:
        reply = channel.export(body)
        assert reply.code == 0
        assert trace_service_pb2.ExportTraceServiceResponse.FromString(reply.body).partial_success == partial, "both say the same"
    assert counted(server, "rejected_spans") == (before[0] + 1, before[1] + 1)


def test_row21_a_request_of_many_bad_spans_is_counted_whole_and_stores_the_rest(server):
    good = new_trace_id()
    spans = [rawpb.span(trace_id=good if number % 2 else b"short") for number in range(1000)]
    partial = success(post(server.http, rawpb.request(*spans))).partial_success
    assert partial.rejected_spans == 500 and partial.error_message.startswith("span 0: trace_id: want 16 bytes, got 5, at byte "), partial
    assert len(stored(server, good)) == 500


# -- shapes of traces --------------------------------------------------------------------------------

def check_both_apis(server, trace_id, count):
    trace = until(lambda: (found := stored(server, trace_id)) and len(found) == count and found, why=f"{count} spans")
    old = v1_trace(server, trace_id.hex())
    assert len(old["spans"]) == count
    now = time.time_ns()
    summaries = jaeger.v3(server, "/trace-summaries", **{"query.serviceName": "bad-input", "query.searchDepth": "1500",
                                                         "query.startTimeMin": rfc3339(now - 3600 * 10**9),
                                                         "query.startTimeMax": rfc3339(now + 3600 * 10**9)})["summaries"]
    (summary,) = [item for item in summaries if item["traceId"] == trace_id.hex()]
    assert summary["spanCount"] == count
    return trace


def rfc3339(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ns // 10**9))


def test_row23_a_span_that_is_its_own_parent(server):
    trace_id, a = new_trace_id(), os.urandom(8)
    success(post(server.http, request([span(trace_id, a, parent=a)]).SerializeToString()))
    check_both_apis(server, trace_id, 1)


def test_row23_parents_in_a_circle(server):
    trace_id, a, b, c = new_trace_id(), os.urandom(8), os.urandom(8), os.urandom(8)
    spans = [span(trace_id, a, parent=c), span(trace_id, b, parent=a), span(trace_id, c, parent=b)]
    success(post(server.http, request(spans).SerializeToString()))
    check_both_apis(server, trace_id, 3)


def test_row23_a_chain_of_10000_parents(server):
    trace_id = new_trace_id()
    ids = [struct.pack(">Q", number + 1) for number in range(10_000)]
    spans = [span(trace_id, ids[n], parent=ids[n - 1] if n else b"") for n in range(10_000)]
    success(post(server.http, request(spans).SerializeToString()))
    trace = check_both_apis(server, trace_id, 10_000)
    assert trace[ids[9_999].hex()].parent_id == ids[9_998].hex()


def test_row24_the_same_batch_twice_is_shown_once(server):
    trace_id, span_id = new_trace_id(), os.urandom(8)
    body = request([span(trace_id, span_id), span(trace_id)]).SerializeToString()
    for _ in range(3):
        success(post(server.http, body))
    with Grpc(server.grpc) as channel:
        assert channel.export(body).code == 0
    check_both_apis(server, trace_id, 2)


def test_row24_spans_that_came_twice_are_counted_when_they_are_merged(own_server):
    server = own_server("--flush-after", "1s")
    trace_id = new_trace_id()
    body = request([span(trace_id), span(trace_id)]).SerializeToString()
    for _ in range(3):
        success(post(server.http, body))
    until(lambda: server.metric("kiseki_store_spans_duplicate_total") == 4, why="two of them, twice too many")
    assert len(stored(server, trace_id)) == 2, "in the file as in memory"
    assert server.metric("kiseki_store_segment_spans") == 2


def test_row24_client_and_server_half_of_one_id_stay_two(server):
    trace_id, span_id, at = new_trace_id(), os.urandom(8), time.time_ns()
    for kind in (2, 3):
        success(post(server.http, request([span(trace_id, span_id, kind=kind, at_ns=at)]).SerializeToString()))
    trace = until(lambda: (found := v1_trace(server, trace_id.hex())) and len(found["spans"]) == 2 and found)
    kinds = {tag["value"] for one in trace["spans"] for tag in one["tags"] if tag["key"] == "span.kind"}
    assert kinds == {"server", "client"}


# -- times and numbers -------------------------------------------------------------------------------

NOW = time.time_ns()


@pytest.mark.parametrize("why, start, end", [
    ("1970", 0, 0), ("nanosecond one", 1, 2), ("2^63", 2**63, 2**63 + 1), ("2^64 - 1", 2**64 - 1, 2**64 - 1),
    ("ends before it starts", NOW, NOW - 10**9), ("year 2554", 18_429_000_000 * 10**9, 18_429_000_001 * 10**9),
    ("lasts 584 years", 0, 2**64 - 1),
])
def test_row25_impossible_times_are_stored_or_rejected_with_a_word(server, why, start, end):
    trace_id = new_trace_id()
    one = span(trace_id)
    one.start_time_unix_nano, one.end_time_unix_nano = start, end
    assert not success(post(server.http, request([one]).SerializeToString())).HasField("partial_success")
    (got,) = stored(server, trace_id).values()
    assert (got.start_ns, got.end_ns) == (start, end)
    (old,) = v1_trace(server, trace_id.hex())["spans"]
    assert old["startTime"] == start // 1000 and old["duration"] >= 0


def test_row25_times_all_over_the_centuries_make_no_storm_of_files(own_server):
    server = own_server("--flush-after", "1s")
    chance = random.Random(25)
    ids = [new_trace_id() for _ in range(2000)]
    spans = []
    for trace_id in ids:
        one = span(trace_id)
        one.start_time_unix_nano = chance.randrange(2**64 - 1)
        one.end_time_unix_nano = one.start_time_unix_nano + 1
        spans.append(one)
    good = new_trace_id()
    success(post(server.http, request(spans + [span(good)]).SerializeToString()))
    until(lambda: server.metric("kiseki_store_flushes_total"), why="a flush")
    assert server.metric("kiseki_store_segments") <= 3
    for trace_id in [good, *ids[::100]]:
        assert len(stored(server, trace_id)) == 1


@pytest.mark.parametrize("days", [-2, 2])
def test_row26_a_clock_two_days_off_is_stored_and_found_by_id(server, days):
    trace_id, at = new_trace_id(), time.time_ns() + days * 86400 * 10**9
    success(post(server.http, request([span(trace_id, at_ns=at)], f"clock {days}").SerializeToString()))
    (got,) = stored(server, trace_id).values()
    assert got.start_ns == at
    found = jaeger.v1_search(server, service=f"clock {days}", start=at // 1000 - 10**6, end=at // 1000 + 10**6)
    assert [trace["traceID"] for trace in found] == [trace_id.hex()]


@pytest.mark.parametrize("days", [-2, 2])
def test_row26_a_clock_two_days_off_is_marked_where_another_one_tells(server, days):
    trace_id, now = new_trace_id(), time.time_ns()
    call = span(trace_id, at_ns=now, took_ns=100 * 10**6, kind=3)
    answer = span(trace_id, parent=call.span_id, at_ns=now + days * 86400 * 10**9, took_ns=100 * 10**6, kind=2)
    inside = span(trace_id, parent=answer.span_id, at_ns=answer.start_time_unix_nano, took_ns=10**6)
    success(post(server.http, request([call], "right clock").SerializeToString()))
    success(post(server.http, request([answer, inside], f"clock {days} days off").SerializeToString()))
    trace = until(lambda: (got := jaeger.v1_trace(server, trace_id.hex())) and len(got["spans"]) == 3 and got, why="all three")
    warnings = {each["spanID"]: each["warnings"] for each in trace["spans"]}
    delta = "48h" if days < 0 else "-48h"
    assert warnings == {call.span_id.hex(): None, inside.span_id.hex(): None,
                        answer.span_id.hex(): [f"clock skew adjustment disabled; not applying calculated delta of {delta}"]}


def test_row27_extreme_numbers_come_back_exactly(server):
    one = span()
    doubles = [float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1e22, 1e21, 123456789012345680.0]
    for index, number in enumerate(doubles):
        put(one, f"double{index}", double_value=number)
    integers = [2**63 - 1, -2**63, 2**53, 2**53 + 1, -2**53 - 1, 0]
    for index, number in enumerate(integers):
        put(one, f"int{index}", int_value=number)
    for kind in (PROTOBUF, JSON):
        trace_id = one.trace_id = new_trace_id()
        body = request([one])
        success(post(server.http, body.SerializeToString() if kind == PROTOBUF else to_json(body), kind), kind)
        (got,) = stored(server, trace_id).values()
        for index, number in enumerate(doubles):
            want = "NaN" if number != number else number
            assert got.attributes[f"double{index}"] == ("double", want), number
            assert repr(got.attributes[f"double{index}"][1]) == repr(want), "minus zero has its sign"
        for index, number in enumerate(integers):
            assert got.attributes[f"int{index}"] == ("int", number)
        v1_trace(server, trace_id.hex())  # valid JSON, or jaeger.get fails


def cut_in_time(server, body, seconds=1.0):
    """Sends it; the answer's message. Quadratic work would take minutes; what counts is the server's CPU time."""
    best, message = 60.0, None
    for _ in range(3):
        before = server.cpu_seconds()
        partial = success(post(server.http, body)).partial_success
        best, message = min(best, server.cpu_seconds() - before), partial.error_message
        assert partial.rejected_spans == 0
    assert best < seconds, f"{best:.2f} s"
    return message


def test_row28_a_value_of_2_mib_is_cut_with_a_mark(server):
    trace_id = new_trace_id()
    one = span(trace_id)
    put(one, "big", string_value="é" * MIB)
    put(one, "small", string_value="kept")
    before = counted(server, "cut_values")[0]
    assert cut_in_time(server, request([one]).SerializeToString()) == CUT.format("1 value was"), "the mark: its sender is told"
    assert counted(server, "cut_values")[0] > before
    (got,) = stored(server, trace_id).values()
    assert got.attributes["big"] == ("string", "é" * 32768), "64 KiB, cut at a character"
    assert got.attributes["small"] == ("string", "kept")


def test_row28_20000_attributes_are_kept_to_the_limit_in_time(server):
    trace_id = new_trace_id()
    one = span(trace_id)
    for number in range(20_000):
        put(one, f"key {number}", int_value=number)
    assert cut_in_time(server, request([one]).SerializeToString()) == CUT.format(f"{20_000 - 1024} values were")
    (got,) = stored(server, trace_id).values()
    assert got.attributes == {f"key {number}": ("int", number) for number in range(1024)}, "the first ones"
    raw = jaeger.get(server.query, f"/api/v3/traces/{trace_id.hex()}").tree
    (sent,) = raw["result"]["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert sent["droppedAttributesCount"] == 20_000 - len(got.attributes)


def test_row28_a_map_of_50000_entries(server):
    trace_id = new_trace_id()
    one = span(trace_id)
    values = put(one, "map").value.kvlist_value.values
    for number in range(50_000):
        item = values.add()
        item.key, item.value.int_value = f"k{number}", number
    assert cut_in_time(server, request([one]).SerializeToString()) == "", "stored whole"
    (got,) = stored(server, trace_id).values()
    kind, entries = got.attributes["map"]
    assert kind == "map" and entries == tuple((f"k{number}", ("int", number)) for number in range(50_000))
    assert v1_trace(server, trace_id.hex())


def test_row30_many_service_and_span_names_do_not_take_the_memory(own_server):
    server = own_server()
    with Http(server.http) as connection:
        for batch in range(40):
            body = b"".join(request([span(name=f"name {batch} {n}")], f"service {batch} {n}").SerializeToString() for n in range(500))
            success(connection.post(body))
    assert server.memory("VmHWM") <= 256 * MIB
    services = until(lambda: jaeger.v1(server, "/services"))
    assert services, "the list of services is bounded, not gone"
    success(post(server.http, request([span()], "one more").SerializeToString()))


# -- compression -------------------------------------------------------------------------------------

def gz(body):
    return gzip.compress(body)


@pytest.mark.parametrize("why, harm", [
    ("cut in the middle", lambda body: body[:len(body) // 2]),
    ("without its trailer", lambda body: body[:-8]),
    ("half a trailer", lambda body: body[:-3]),
    ("wrong checksum", lambda body: body[:-8] + b"\0\0\0\0" + body[-4:]),
    ("wrong size", lambda body: body[:-4] + b"\1\0\0\0"),
    ("no gzip at all", lambda body: b"hello, hello, hello"),
    ("a header alone", lambda body: body[:10]),
    ("nothing", lambda body: b""),
    ("a flipped bit", lambda body: body[:len(body) // 2] + bytes([body[len(body) // 2] ^ 0x10]) + body[len(body) // 2 + 1:]),
])
def test_row31_damaged_gzip_is_refused(server, why, harm):
    trace_id = new_trace_id()
    body = harm(gz(request([span(trace_id) for _ in range(20)]).SerializeToString()))
    before = counted(server, "requests_malformed")
    with Http(server.http) as connection:
        status = failure(connection.post(body, Content_Encoding="gzip"), 400)
        assert status.message.startswith("content coding gzip: "), status.message
        success(connection.post(gz(b""), Content_Encoding="gzip"))
    with h2raw.Client(server.port("OTLP/gRPC")) as client:
        coded = [("grpc-encoding", "gzip")]
        got = client.answer(client.call(h2raw.message(body, flag=1), more=coded))
        assert got["grpc-status"] == str(INVALID_ARGUMENT) and urllib.parse.unquote(got["grpc-message"]) == status.message, got
        assert client.answer(client.call(h2raw.message(gz(b""), flag=1), more=coded))["grpc-status"] == "0"
    assert counted(server, "requests_malformed") == (before[0] + 1, before[1] + 1)
    assert v3_trace(server, trace_id.hex()) is None, "nothing of it is stored"


@pytest.mark.parametrize("why, harm", [
    ("cut in the middle", lambda body: body[:len(body) // 2]), ("wrong checksum", lambda body: body[:-4] + b"\0\0\0\0"),
    ("no zstd at all", lambda body: b"hello, hello, hello"), ("nothing", lambda body: b""), ("junk behind it", lambda body: body + b"junk"),
])
def test_row31_damaged_zstd_is_refused(server, why, harm):
    trace_id = new_trace_id()
    whole = request([span(trace_id) for _ in range(20)]).SerializeToString()
    body = harm(zstandard.ZstdCompressor(write_checksum=True).compress(whole))
    with Http(server.http) as connection:
        status = failure(connection.post(body, Content_Encoding="zstd"), 400)
        assert status.message.startswith("content coding zstd: "), status.message
        success(connection.post(b""))
    assert v3_trace(server, trace_id.hex()) is None, "nothing of it is stored"


@pytest.mark.parametrize("why, make", [
    ("junk behind it", lambda a, b: gz(a) + b"junk"),
    ("two members, both whole", lambda a, b: gz(a) + gz(b)),
])
def test_row31_gzip_with_something_behind_it_is_taken_whole_or_not_at_all(server, why, make):
    ids = new_trace_id(), new_trace_id()
    parts = [request([span(one)]).SerializeToString() for one in ids]  # requests that stand behind each other are one
    answer = post(server.http, make(*parts), Content_Encoding="gzip")
    if "junk" in why:
        failure(answer, 400)
        assert all(v3_trace(server, one.hex()) is None for one in ids)
    else:
        success(answer)
        assert all(stored(server, one) for one in ids)


def zstd_of_zeros(size, says_size=True):
    out = zstandard.ZstdCompressor(level=1).compressobj(**({"size": size} if says_size else {}))
    block = bytes(MIB)
    return b"".join(out.compress(block) for _ in range(size // MIB)) + out.flush()


def gzip_of_zeros(size):
    out = zlib.compressobj(9, wbits=31)
    block = bytes(MIB)
    return b"".join(out.compress(block) for _ in range(size // MIB)) + out.flush()


def zstd_of_zeros_untold(size):
    return zstd_of_zeros(size, says_size=False)


@pytest.mark.parametrize("coding, make, size", [
    ("gzip", gzip_of_zeros, 80 * MIB), ("gzip", gzip_of_zeros, 1024 * MIB), ("zstd", zstd_of_zeros, 80 * MIB), ("zstd", zstd_of_zeros, 10_240 * MIB),
    ("zstd", zstd_of_zeros_untold, 80 * MIB), ("zstd", zstd_of_zeros_untold, 10_240 * MIB),
], ids=lambda value: str(value // MIB) + "MiB" if isinstance(value, int) else getattr(value, "__name__", value))
def test_row32_decompression_bombs_are_stopped_at_the_limit(own_server, coding, make, size):
    server = own_server()
    bomb = make(size)
    before = server.cpu_seconds()
    with Http(server.http) as connection:
        status = failure(connection.post(bomb, Content_Encoding=coding), 413)
    worked = server.cpu_seconds() - before
    assert worked < 2, f"{worked:.1f} s of work for a bomb of {len(bomb)} bytes"
    assert status.code == RESOURCE_EXHAUSTED and "67108864 bytes" in status.message, "the limit is named"
    assert counted(server, "requests_too_large")[0] == 1
    assert server.memory("VmHWM") <= 256 * MIB
    if coding == "gzip":
        import grpc
        with Grpc(server.grpc) as channel:
            reply = channel.export(bytes(80 * MIB), compression=grpc.Compression.Gzip)
            assert reply.code == RESOURCE_EXHAUSTED, reply
            assert retry_delay(reply.details) is None, "a retry would fare no better"
            assert channel.export(b"").code == 0, "the connection lives on"
        assert counted(server, "requests_too_large")[1] == 1
    success(post(server.http, request([span()]).SerializeToString()))


@pytest.mark.parametrize("coding", ["br", "compress", "gzip, gzip", "identity, gzip, br", "gzipped"])
def test_row33_unknown_or_double_codings_are_refused(server, coding):
    body = request([span()]).SerializeToString()
    with Http(server.http) as connection:
        answer = connection.post(gz(gz(body)), Content_Encoding=coding)
        status = failure(answer, 415)
        assert status.message == "content-encoding: want one of gzip, zstd, deflate, identity"
        assert answer.headers["Accept-Encoding"] == "gzip, zstd, deflate, identity"
        success(connection.post(body))


@pytest.mark.parametrize("coding, pack", [
    ("gzip", gz), ("GZIP", gz), ("zstd", zstandard.ZstdCompressor().compress), ("identity", lambda body: body), ("", lambda body: body),
])
def test_known_codings_are_taken(server, coding, pack):
    trace_id = new_trace_id()
    headers = {"Content_Encoding": coding} if coding else {}
    success(post(server.http, pack(request([span(trace_id)]).SerializeToString()), **headers))
    assert len(stored(server, trace_id)) == 1


# -- type, method, path ------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/jsonx", "", None])
def test_row34_other_content_types_are_415(server, kind):
    before = counted(server, "requests_wrong_type")[0]
    with Http(server.http) as connection:
        answer = connection.post(request([span()]).SerializeToString(), kind)
        assert answer.status == 415 and answer.headers.get_content_type() == "text/plain", "neither encoding was the sender's"
        assert answer.body == b"content-type: want application/x-protobuf or application/json\n"
        success(connection.post(b""))
    assert counted(server, "requests_wrong_type")[0] == before + 1


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/x-protobuf; a=b"])
def test_content_types_with_parameters_or_capitals_are_taken(server, kind):
    body = b"{}" if "json" in kind.lower() else b""
    assert post(server.http, body, kind).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "BREW"])
def test_row34_other_methods_are_405_with_what_is_allowed(server, method):
    with Http(server.http) as connection:
        answer = connection.post(None if method in ("GET", "HEAD", "TRACE") else b"", method=method)
        assert answer.status == 405 and answer.headers["Allow"] == "POST"
        if method == "GET":  # a person looks what is here
            assert answer.headers.get_content_type() == "text/plain"
            assert answer.body.startswith(b"nothing to read here: POST spans to /v1/traces; the page is at http://127.0.0.1:")
        elif method != "HEAD":
            assert failure(answer, 405).message == "method: want POST"
        success(connection.post(b""))


@pytest.mark.parametrize("path", ["/", "/v1/trace", "/v1/traces/", "/v1/traces/x", "/V1/TRACES", "//v1/traces", "/v1/%74races/x"])
def test_row34_other_paths_are_404(server, path):
    with Http(server.http) as connection:
        hint = ("set OTEL_EXPORTER_OTLP_ENDPOINT, or add /v1/traces to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if path == "/"
                else "POST traces to /v1/traces")
        assert failure(connection.post(b"", path=path), 404).message == f"unknown path {path}: {hint}"
        failure(connection.post(b"{}", JSON, path), 404, JSON)
        success(connection.post(b""))


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/logs"])
def test_row34_other_signals_are_told_that_there_is_no_place_for_them(server, path):
    assert "traces only" in failure(post(server.http, b"", path=path), 404).message


def test_row34_unknown_grpc_methods_and_codings_are_unimplemented(server):
    import grpc
    with grpc.insecure_channel(server.grpc) as channel:
        for method in ("/opentelemetry.proto.collector.trace.v1.TraceService/Nope", "/x.Y/Export", "/grpc.health.v1.Health/None"):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(method)(b"", timeout=10)
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED, method
            assert "TraceService/Export" in caught.value.details(), "what would be known"
    with Grpc(server.grpc) as channel:
        assert channel.export(b"").code == 0


# -- content that would be harmful elsewhere ---------------------------------------------------------

NASTY = ["line\r\nX-Injected: yes", "\x1b[31mred\x1b[0m", "\x00\x07\x08", "<script>alert(1)</script>", "<svg onload=alert(1)>",
         "javascript:alert(1)", "../../../../etc/passwd", "..\\..\\x", "%2e%2e%2f", "'; DROP TABLE spans; --", "${jndi:ldap://127.0.0.1/a}",
         "\u202egnp.exe", "\ufeff", "a" * 5000]


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_row48_49_50_harmful_text_is_only_text(server, text):
    folder = server.data.parent
    before = sorted(path.name for path in folder.iterdir())
    trace_id = new_trace_id()
    one = span(trace_id, name=text, trace_state=text[:200])
    put(one, text, string_value=text)
    body = request([one], service=text).SerializeToString()
    success(post(server.http, body))
    (got,) = stored(server, trace_id).values()
    assert got.name == text[:4096]
    assert got.attributes[text[:1024]] == ("string", text)
    assert got.resource["service.name"] == ("string", text)
    trace = v1_trace(server, trace_id.hex())
    assert trace["processes"][trace["spans"][0]["processID"]]["serviceName"] == text
    got_operations = jaeger.v3(server, "/operations", service=text)["operations"]
    assert [item["name"] for item in got_operations] == [text[:4096]]
    refused = post(server.http, rawpb.request(rawpb.span(name=text, trace_id=b"short"), service=text))
    assert success(refused).partial_success.rejected_spans == 1
    assert not set(server.stderr) & {"\x1b", "\x07", "\x08", "\r"}, "control characters reach the log"
    assert sorted(path.name for path in folder.iterdir()) == before, "a file beside the data directory"


@pytest.mark.parametrize("path", [
    "/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/static/../../etc/passwd", "/assets//etc/passwd",
    "/api/traces/../../../etc/passwd", "/api/services/..%2f..%2fetc%2fpasswd/operations", "/%00/etc/passwd", "/\\..\\..\\etc\\passwd",
])
def test_row50_no_path_leads_to_a_file(server, path):
    with Http(server.query) as connection:
        answer = connection.post(None, None, path, "GET")
    assert b"root:" not in answer.body
    assert answer.status in (200, 400, 404)


@pytest.mark.parametrize("path", ["http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data/", "//127.0.0.1:1/x"])
def test_row51_absolute_addresses_are_not_followed(server, path):
    with Http(server.query) as connection:
        answer = connection.post(None, None, path, "GET")
    assert answer.status in (200, 400, 404, 421, 403)


# -- the query side ----------------------------------------------------------------------------------

@pytest.mark.parametrize("path", [
    "/api/traces?service=x&start=abc", "/api/traces?service=x&limit=-1", "/api/traces?service=x&minDuration=5",
    "/api/traces?service=x&minDuration=2s&maxDuration=1s", "/api/traces", "/api/traces/xyz!", "/api/traces?service=x&tags=%7Bbad",
    "/api/v3/traces?query.serviceName=x", "/api/v3/traces?query.startTimeMin=2020-01-02T00:00:00Z&query.startTimeMax=2020-01-01T00:00:00Z",
    "/api/v3/trace-summaries?query.startTimeMin=yesterday&query.startTimeMax=today", "/api/operations",
])
def test_query_parameters_that_cannot_be_read_are_400_with_a_reason(server, path):
    got = jaeger.get(server.query, path)
    assert got.status == 400, (path, got)
    if path.startswith("/api/v3"):
        assert got.tree["error"]["httpCode"] == 400 and got.tree["error"]["message"]
    else:
        assert got.tree["data"] is None and got.tree["errors"][0]["code"] == 400 and got.tree["errors"][0]["msg"]


@pytest.mark.parametrize("path", ["/api/nothing", "/api/v3/nothing", "/api/traces/x/y"])
def test_unknown_api_paths_are_404(server, path):
    assert jaeger.get(server.query, path).status == 404


def test_a_trace_that_is_not_there_is_404_in_both_forms(server):
    trace_id = new_trace_id().hex()
    assert v1_trace(server, trace_id) is None
    assert v3_trace(server, trace_id) is None


ASKED = {"page and query": ("GET", "/api/services"), "OTLP/HTTP": ("POST", "/v1/traces"), "OTLP/gRPC": ("POST", "/v1/traces"),
         "health": ("GET", "/"), "metrics": ("GET", "/metrics")}


def ask_listener(server, label, **headers):
    """One good request to a listener, with headers of the test's."""
    method, path = ASKED[label]
    with Http("http://{}:{}".format(*server.port(label))) as connection:
        return connection.post(b"{}" if method == "POST" else None, JSON if method == "POST" else None, path, method, **headers)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "192.0.2.7", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example"])
@pytest.mark.parametrize("label", ASKED)
def test_the_query_listener_answers_only_to_its_own_names_and_the_others_to_any(server, label, host):
    _, port = server.port(label)
    answer = ask_listener(server, label, Host=f"{host}:{port}")
    if label == "page and query" and "evil" in host:
        assert answer.status == 403 and b"--allow-host" in answer.body
    else:
        assert answer.status == 200, "an address is no name that can be bound anew; a collector has many names"


@pytest.mark.parametrize("origin", ["http://evil.example", "https://evil.example", "null", "http://localhost.evil.example", "file://"])
@pytest.mark.parametrize("label", ASKED)
def test_a_page_of_another_origin_may_not_send_or_read_anywhere(server, label, origin):
    answer = ask_listener(server, label, Origin=origin)
    assert answer.status == 403 and "Access-Control-Allow-Origin" not in answer.headers
    assert b"--allow-origin" in answer.body, "the way to allow it is named"
    if ASKED[label][0] == "POST":
        assert failure(answer, 403, JSON).code == 7  # PERMISSION_DENIED


def test_a_page_that_is_allowed_may_send_and_read(own_server):
    server = own_server("--allow-origin", "https://grafana.example,https://*.shop.example:8443")
    for origin, is_allowed in (("https://grafana.example", True), ("https://a.b.shop.example:8443", True), ("https://shop.example:8443", False),
                               ("https://a.shop.example", False), ("http://grafana.example", False), ("https://grafana.example.evil.example", False)):
        for label in ASKED:
            answer = ask_listener(server, label, Origin=origin)
            assert answer.status == (200 if is_allowed else 403), (origin, label)
            if label in ("page and query", "OTLP/HTTP", "OTLP/gRPC"):
                assert answer.headers.get("Access-Control-Allow-Origin") == (origin if is_allowed else None), (origin, label)


def test_a_page_of_this_machine_may_send(server):
    for origin in ("http://localhost:3000", "http://127.0.0.1:8080", "https://localhost"):
        answer = ask_listener(server, "OTLP/HTTP", Origin=origin)
        assert answer.status == 200 and answer.headers["Access-Control-Allow-Origin"] == origin
        with Http(server.http) as connection:
            answer = connection.post(None, None, "/v1/traces", "OPTIONS", Origin=origin, Access_Control_Request_Method="POST",
                                     Access_Control_Request_Headers="content-type")
            assert answer.status == 204 and answer.headers["Access-Control-Allow-Methods"] == "POST"
