"""The official SDKs send, the Jaeger API answers: every span again, and all that was on it.

Each sender reads senders/scenario.json and says which ids its SDK gave out; the same file is here what the
answers are compared with. What an SDK cannot record is listed below by name, so that a sender that leaves
out more than that fails.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

import jaeger
from senders import go_sender
from server import until

SENDERS = pathlib.Path(__file__).parent / "senders"
SCENARIO = json.loads((SENDERS / "scenario.json").read_text())

JS_LACKS = {"int.max", "int.min", "double.huge", "double.whole", "bytes", "map"}
JS_JSON_LACKS = JS_LACKS | {"double.nan", "double.inf", "double.minus.inf"}
JS_BINARY_LACKS = JS_LACKS

ROWS = [(language, protocol, compression)
        for language, protocols in {
            "python": ["grpc", "http/protobuf"],
            "js": ["http/json", "http/protobuf", "grpc"],
            "go": ["grpc", "http/protobuf"],
        }.items()
        for protocol in protocols
        for compression in ("none", "gzip")]


def command(language):
    if language == "python":
        return [sys.executable, str(SENDERS / "python" / "send.py")]
    if language == "go":
        return [go_sender(), "send"]
    if not shutil.which("node"):
        pytest.skip("no Node on this machine")
    return ["node", str(SENDERS / "js" / "send.mjs")]


def send(server, language, protocol, compression, service):
    base_ns = (time.time_ns() // 1000) * 1000 - 60_000_000_000
    remote_trace_id = os.urandom(16).hex()
    endpoint = server.grpc if protocol == "grpc" else server.http
    more = [str(SENDERS / "scenario.json")] if language == "go" else []
    done = subprocess.run([*command(language), endpoint, protocol, compression, service, str(base_ns), remote_trace_id, *more],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    answer["base_ns"], answer["remote_trace_id"] = base_ns, remote_trace_id
    return answer


def left_out(language, protocol):
    if language != "js":
        return set()
    return JS_JSON_LACKS if protocol == "http/json" else JS_BINARY_LACKS


def wanted_attributes(row, lacks):
    return {key: value for key, value in jaeger.attributes(row).items() if key not in lacks}


def wanted_link(link, ids):
    trace_id, span_id = ids[link["to"]]
    return (trace_id, span_id, jaeger.attributes(link))


@pytest.fixture(scope="module")
def sent(shared):
    """Each row's spans are sent once, and looked at by several tests."""
    memory = {}

    def get(row):
        if row not in memory:
            language, protocol, compression = row
            service = f"e2e {language} {protocol} {compression}"
            memory[row] = (service, send(shared.get(), language, protocol, compression, service))
        return memory[row]
    return get


@pytest.fixture(params=ROWS, ids=["-".join(row).replace("/", "_") for row in ROWS])
def row(request):
    return request.param


def test_v3_returns_every_span_as_it_was_recorded(server, sent, row):
    service, answer = sent(row)
    lacks = left_out(row[0], row[1])
    assert set(answer["left_out"]) == lacks, "the sender left out other attributes than its SDK lacks"
    ids, base_ns = answer["spans"], answer["base_ns"]
    for name in (item["name"] for item in SCENARIO["spans"]):
        until(lambda: jaeger.v3_trace(server, ids[name][0]), why=f"trace of '{name}'")
    for want in SCENARIO["spans"]:
        trace_id, span_id = ids[want["name"]]
        trace = jaeger.v3_trace(server, trace_id)
        assert set(trace) == {other_id for other_trace, other_id in ids.values() if other_trace == trace_id}
        got = trace[span_id]
        parent = ids[want["parent"]][1] if "parent" in want else want.get("remote", {}).get("spanId", "")
        assert got.parent_id == parent, want["name"]
        assert (got.name, got.kind) == (want["name"], want["kind"])
        assert (got.start_ns, got.end_ns) == (base_ns + want["start"] * 1000, base_ns + want["end"] * 1000)
        assert (got.status, got.message) == (want.get("status", "UNSET"), want.get("message", ""))
        assert got.state == want.get("remote", {}).get("tracestate", "")
        assert got.attributes == wanted_attributes(want, lacks)
        assert got.events == [(event["name"], base_ns + event["at"] * 1000, jaeger.attributes(event))
                              for event in want.get("events", [])]
        assert [(link[0], link[1], link[3]) for link in got.links] == [wanted_link(link, ids) for link in want.get("links", [])]
        assert got.scope == (SCENARIO["scope"]["name"], SCENARIO["scope"]["version"])
        resource = {**jaeger.attributes({"attributes": SCENARIO["resource"]}), "service.name": ("string", service)}
        assert {key: got.resource.get(key) for key in resource} == resource
    remote_trace, _ = ids["orders process"]
    assert remote_trace == answer["remote_trace_id"], "the trace of the remote parent goes on"


def wanted_tag(any_value):
    """(type, value) of a v1 tag; an array or a map is JSON text, compared as what it says."""
    kind, inner = jaeger.value(any_value)
    if kind == "int":
        return ("int64", inner if abs(inner) <= 2**53 - 1 else str(inner))
    if kind == "double":
        return ("float64", inner)
    if kind == "bytes":
        return ("binary", any_value["bytesValue"])
    if kind in ("array", "map"):
        return ("string", plain(any_value))
    return (kind, inner)


def plain(any_value):
    """An AnyValue as the JSON that v1 writes inside a string."""
    kind, inner = jaeger.value(any_value)
    if kind == "array":
        return [plain(item) for item in any_value["arrayValue"]["values"]]
    if kind == "map":
        return {item["key"]: plain(item["value"]) for item in any_value["kvlistValue"]["values"]}
    return inner


def tags(rows):
    out = {}
    for item in rows:
        assert item["key"] not in out, f"tag {item['key']} twice"
        out[item["key"]] = (item["type"], item["value"])
    return out


def check_tags(got, rows, lacks):
    for item in rows:
        if item["key"] in lacks:
            continue
        kind, value = wanted_tag(item["value"])
        got_kind, got_value = got[item["key"]]
        if isinstance(value, (list, dict)):
            got_value = json.loads(got_value)
        if value == "NaN" or value in (float("inf"), float("-inf")):
            got_value = str(float(got_value)).replace("nan", "NaN")  # JSON has no number for it: as text, then
            value = str(value)
        assert (got_kind, got_value) == (kind, value), item["key"]


def test_v1_returns_the_same_in_jaegers_form(server, sent, row):
    service, answer = sent(row)
    lacks = left_out(row[0], row[1])
    ids, base_us = answer["spans"], answer["base_ns"] // 1000
    for want in SCENARIO["spans"]:
        trace_id, span_id = ids[want["name"]]
        trace = until(lambda: jaeger.v1_trace(server, trace_id))
        assert trace["traceID"] == trace_id.removeprefix("0" * 16)
        (got,) = [span for span in trace["spans"] if span["spanID"] == span_id]
        assert got["operationName"] == want["name"]
        assert (got["startTime"], got["duration"]) == (base_us + want["start"], want["end"] - want["start"])
        process = trace["processes"][got["processID"]]
        assert process["serviceName"] == service
        assert "service.name" not in tags(process["tags"])
        check_tags(tags(process["tags"]), SCENARIO["resource"], set())
        got_tags = tags(got["tags"])
        check_tags(got_tags, want.get("attributes", []), lacks)
        assert got_tags["span.kind"] == ("string", want["kind"].lower())
        assert got_tags["otel.scope.name"] == ("string", SCENARIO["scope"]["name"])
        assert got_tags["otel.scope.version"] == ("string", SCENARIO["scope"]["version"])
        status = want.get("status")
        assert got_tags.get("otel.status_code") == (("string", status) if status else None)
        assert got_tags.get("error") == (("bool", True) if status == "ERROR" else None)
        assert got_tags.get("otel.status_description") == (("string", want["message"]) if "message" in want else None)
        state = want.get("remote", {}).get("tracestate")
        assert got_tags.get("w3c.tracestate") == (("string", state) if state else None)
        check_references(got, want, ids)
        check_logs(got, want, base_us)


def check_references(got, want, ids):
    references = [(item["refType"], item["traceID"], item["spanID"]) for item in got["references"]]
    trace_id = ids[want["name"]][0]
    expected = []
    if "parent" in want:
        expected.append(("CHILD_OF", trace_id, ids[want["parent"]][1]))
    if "remote" in want:
        expected.append(("CHILD_OF", trace_id, want["remote"]["spanId"]))
    expected += [("FOLLOWS_FROM", *ids[link["to"]]) for link in want.get("links", [])]
    assert references == expected, want["name"]


def check_logs(got, want, base_us):
    events = want.get("events", [])
    assert [log["timestamp"] for log in got["logs"]] == [base_us + event["at"] for event in events]
    for log, event in zip(got["logs"], events):
        fields = tags(log["fields"])
        assert fields.pop("event") == ("string", event["name"])
        check_tags(fields, event.get("attributes", []), set())
        assert len(fields) == len(event.get("attributes", []))


def test_the_spans_are_found_by_service_operation_tag_and_duration(server, sent, row):
    service, answer = sent(row)
    trace_id = answer["spans"]["GET /orders/{id}"][0]
    until(lambda: service in jaeger.v1(server, "/services"))
    assert service in jaeger.v3(server, "/services")["services"]
    operations = {(item["name"], item["spanKind"]) for item in jaeger.v3(server, "/operations", service=service)["operations"]}
    assert operations == {(item["name"], item["kind"].lower()) for item in SCENARIO["spans"]}
    names = jaeger.v1(server, f"/services/{service}/operations".replace(" ", "%20").replace("http/", "http%2F"))
    assert set(names) == {item["name"] for item in SCENARIO["spans"]}
    around = {"start": answer["base_ns"] // 1000 - 1, "end": answer["base_ns"] // 1000 + 100_000}
    hits = [
        ({"operation": "SELECT orders"}, True), ({"operation": "nothing"}, False),
        ({"tag": "http.request.method:GET"}, True), ({"tag": "http.request.method:POST"}, False),
        ({"tags": json.dumps({"int.negative": "-42"})}, True), ({"tags": json.dumps({"error": "true"})}, True),
        ({"minDuration": "49ms"}, True), ({"minDuration": "51ms"}, False),
        ({"maxDuration": "1us", "operation": "values of every type"}, True), ({"maxDuration": "1ns"}, False),
    ]
    for query, is_hit in hits:
        found = {trace["traceID"] for trace in jaeger.v1_search(server, service=service, **around, **query)}
        assert (trace_id in found) == is_hit, query
    summaries = jaeger.v3(server, "/trace-summaries", **{
        "query.serviceName": service, "query.startTimeMin": rfc3339(answer["base_ns"] - 1000),
        "query.startTimeMax": rfc3339(answer["base_ns"] + 10**9)})["summaries"]
    (summary,) = [item for item in summaries if item["traceId"] == trace_id]
    assert (summary["rootServiceName"], summary["rootOperationName"]) == (service, "GET /orders/{id}")
    assert (summary["spanCount"], summary["errorSpanCount"]) == (5, 1)
    assert int(summary["maxEndTimeUnixNano"]) - int(summary["minStartTimeUnixNano"]) == 50_000_000


def rfc3339(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + f".{ns % 10**9:09d}Z"
