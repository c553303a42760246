"""Asks Jaeger's query API, versions 1 and 3, and turns its answers into what was sent.

Both are read strictly: an answer has to be valid UTF-8 and valid JSON (no bare NaN), and a v1 answer has
to have the whole envelope.
"""

import base64
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections import namedtuple

Got = namedtuple("Got", "status kind tree notice")

STATUS = {0: "UNSET", 1: "OK", 2: "ERROR"}
KIND = {0: "INTERNAL", 1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}


def no_constant(name):
    raise ValueError(f"{name} is not JSON")


def get(base, path, **query):
    pairs = [(key, item) for key, value in query.items() for item in (value if isinstance(value, list) else [value])]
    url = base + path + ("?" + urllib.parse.urlencode(pairs) if pairs else "")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            status, headers, body = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        status, headers, body = error.code, error.headers, error.read()
    try:
        tree = json.loads(body.decode("utf-8"), parse_constant=no_constant)
    except json.JSONDecodeError:
        assert status >= 400, f"{url}: {status} without JSON: {body[:200]}"
        tree = None
    return Got(status, headers.get_content_type(), tree, headers.get("X-Kiseki-Notice") or "")


# -- version 1 ---------------------------------------------------------------------------------------

def v1(server, path, **query):
    """The `data` of a v1 answer."""
    got = get(server.query, "/api" + path, **query)
    assert got.status == 200, f"/api{path} {query}: {got}"
    assert got.kind == "application/json"
    assert set(got.tree) >= {"data", "total", "limit", "offset", "errors"}, list(got.tree)
    return got.tree["data"]


def v1_trace(server, trace_id):
    """One trace, or None where there is none (yet)."""
    got = get(server.query, f"/api/traces/{trace_id}")
    if got.status == 404:
        assert got.tree["errors"][0]["code"] == 404, got.tree
        return None
    assert got.status == 200, got
    (trace,) = got.tree["data"]
    return trace


def v1_search(server, **query):
    return v1(server, "/traces", **query)


# -- version 3 ---------------------------------------------------------------------------------------

Span = namedtuple("Span", "trace_id span_id parent_id name kind start_ns end_ns status message state "
                          "attributes events links resource scope flags")


def value(any_value):
    """An OTLP/JSON AnyValue as (kind, value): 2 and 2.0 differ, NaN equals NaN, maps are in order."""
    if not any_value:
        return ("empty", None)
    (kind, inner), = any_value.items()
    if kind == "intValue":
        return ("int", int(inner))
    if kind == "doubleValue":
        number = float(inner)
        return ("double", "NaN" if math.isnan(number) else number)
    if kind == "bytesValue":
        return ("bytes", base64.b64decode(inner))
    if kind == "arrayValue":
        return ("array", tuple(value(item) for item in inner.get("values", [])))
    if kind == "kvlistValue":
        return ("map", tuple((item["key"], value(item["value"])) for item in inner.get("values", [])))
    assert kind in ("stringValue", "boolValue"), kind
    return (kind.removesuffix("Value"), inner)


def attributes(of):
    return {item["key"]: value(item.get("value")) for item in of.get("attributes", [])}


def spans_of(resource_spans):
    """Every span in OTLP/JSON's resourceSpans, flat."""
    for group in resource_spans:
        resource = attributes(group.get("resource", {}))
        for scope_spans in group.get("scopeSpans", []):
            scope = scope_spans.get("scope", {})
            for item in scope_spans.get("spans", []):
                status = item.get("status", {})
                yield Span(
                    item["traceId"], item["spanId"], item.get("parentSpanId", ""), item.get("name", ""),
                    KIND[item.get("kind", 0)], int(item.get("startTimeUnixNano", 0)), int(item.get("endTimeUnixNano", 0)),
                    STATUS[status.get("code", 0)], status.get("message", ""), item.get("traceState", ""), attributes(item),
                    [(e["name"], int(e["timeUnixNano"]), attributes(e)) for e in item.get("events", [])],
                    [(e["traceId"], e["spanId"], e.get("traceState", ""), attributes(e)) for e in item.get("links", [])],
                    resource, (scope.get("name", ""), scope.get("version", "")), item.get("flags", 0))


def v3_trace(server, trace_id):
    """The spans of one trace by span id, or None."""
    got = get(server.query, f"/api/v3/traces/{trace_id}")
    if got.status == 404:
        assert got.tree["error"]["httpCode"] == 404, got.tree
        return None
    assert got.status == 200, got
    return {span.span_id: span for span in spans_of(got.tree["result"]["resourceSpans"])}


def v3(server, path, **query):
    got = get(server.query, "/api/v3" + path, **query)
    assert got.status == 200, f"/api/v3{path} {query}: {got}"
    return got.tree
