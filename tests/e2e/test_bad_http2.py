"""What the HTTP/2 and gRPC side must do with frames that are wrong or too many: rows 42 to 46, one test a row."""

import os
import struct
import time

import pytest

import h2raw
from h2raw import (COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR,
                   GOAWAY, HEADERS, INTERNAL_ERROR, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS,
                   WINDOW_UPDATE, frame, message)
from jaeger import v3_trace
from otlp import Grpc, new_trace_id, post, request, span, success
from server import until

MIB = 1 << 20


def connect(server, **more):
    return h2raw.Client(server.port("OTLP/gRPC"), **more)


def one_span(trace_id=None):
    return message(request([span(trace_id)]).SerializeToString())


def test_a_call_by_hand_is_answered(server):
    with connect(server) as client:
        got = client.answer(client.call(one_span()))
    assert (got[":status"], got["grpc-status"], got["content-type"]) == ("200", "0", "application/grpc")


# -- floods ------------------------------------------------------------------------------------------

def flood(client, data, times):
    """Sends until the server has had enough or `times` are out; says how many went."""
    for number in range(times):
        if not client.send(data(number) if callable(data) else data):
            return number
        if number % 64 == 0:
            client.read_some(0)
            if client.ended or any(item.kind == GOAWAY for item in client.frames):
                return number
    return times


def rapid_reset(client):
    def once(number):
        stream = 2 * number + 1
        return frame(HEADERS, END_HEADERS, stream, client.headers()) + frame(RST_STREAM, 0, stream, struct.pack(">I", 8))
    return flood(client, once, 20_000)


def headers_without_end(client):
    client.send(frame(HEADERS, 0, 1, client.headers()))
    return flood(client, frame(CONTINUATION, 0, 1, client.packer.encode([("x-more", "y" * 8000)])), 20_000)


def empty_continuations(client):
    client.send(frame(HEADERS, 0, 1, client.headers()))
    return flood(client, frame(CONTINUATION, 0, 1, b"") * 16, 20_000)


def empty_data(client):
    client.open()
    return flood(client, frame(DATA, 0, 1, b"") * 16, 20_000)


def made_you_reset(client):
    """Each stream is opened rightly and then broken, so that the server itself has to reset it."""
    def once(number):
        stream = 2 * number + 1
        return frame(HEADERS, END_HEADERS, stream, client.headers()) + frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0))
    return flood(client, once, 20_000)


FLOODS = {
    "rapid_reset": rapid_reset, "made_you_reset": made_you_reset, "continuation": headers_without_end, "empty_continuation": empty_continuations,
    "settings": lambda client: flood(client, frame(SETTINGS, payload=struct.pack(">HI", 4, 65535)) * 16, 20_000),
    "ping": lambda client: flood(client, frame(PING, payload=b"12345678") * 16, 20_000),
    "empty_data": empty_data,
    "priority": lambda client: flood(client, frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 1)) * 16, 20_000),
    "window": lambda client: flood(client, frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)) * 16, 20_000),
}


# What nghttp2 itself takes for broken (a window of 0, a header block beyond its bounds) has that code.
FLOOD_CODES = {"made_you_reset": (PROTOCOL_ERROR,), "continuation": (PROTOCOL_ERROR, ENHANCE_YOUR_CALM), "empty_continuation": (INTERNAL_ERROR, ENHANCE_YOUR_CALM)}


@pytest.mark.parametrize("name", FLOODS)
def test_row42_a_flood_ends_its_connection_and_no_other(own_server, name):
    server = own_server()
    with connect(server) as neighbour, connect(server) as client:
        assert neighbour.answer(neighbour.call(one_span()))["grpc-status"] == "0"
        before, cpu = server.memory("VmRSS"), server.cpu_seconds()
        sent = FLOODS[name](client)
        got = neighbour.answer(neighbour.call(one_span()), seconds=5)
        assert got["grpc-status"] == "0", "the neighbour is served during the flood"
        assert server.memory("VmRSS") - before < 32 * MIB, "the flood is held in memory"
        assert server.cpu_seconds() - cpu < 1, "the flood costs work"
        assert sent < 20_000, "all of it was taken"
        code = client.goaway(5)
        assert client.is_closed(10)
        if code is not None:  # the reset of the connection may overtake it
            assert code in FLOOD_CODES.get(name, (ENHANCE_YOUR_CALM,)), code
        assert neighbour.answer(neighbour.call(one_span()))["grpc-status"] == "0", "and after it"
    until(lambda: server.metric("kiseki_server_goaways_total") == 1, why="the count")
    assert server.metric("kiseki_server_connections_open") <= 2  # the neighbour's end may not have come, and this question is one
    server.stop()


def test_row42_more_streams_than_allowed_are_refused_one_by_one(server):
    before = server.memory("VmRSS")
    with connect(server) as neighbour, connect(server) as client:
        for _ in range(2000):
            client.open()
        refused = client.wait(lambda item: item.kind in (RST_STREAM, GOAWAY))
        assert refused is not None, "2,000 open streams are held"
        assert refused.kind == GOAWAY or int.from_bytes(refused.payload, "big") == 7, "REFUSED_STREAM"
        assert neighbour.answer(neighbour.call(one_span()))["grpc-status"] == "0"
        assert server.memory("VmRSS") - before < 32 * MIB


def test_row42_answers_nobody_reads_do_not_pile_up(own_server):
    server = own_server()
    before = server.memory("VmRSS")
    no_window = struct.pack(">HI", 4, 0)
    with connect(server, settings=no_window) as client:
        for _ in range(200):
            client.call(one_span())
        success(post(server.http, b""))
        assert server.memory("VmRSS") - before < 32 * MIB
    server.stop()


# -- broken frames -----------------------------------------------------------------------------------

@pytest.mark.parametrize("why, data, codes", [
    ("headers that do not unpack", lambda c: frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"), (COMPRESSION_ERROR,)),
    ("index beyond the table", lambda c: frame(HEADERS, END_HEADERS, 1, b"\xbe"), (COMPRESSION_ERROR,)),
    ("stream 0", lambda c: frame(HEADERS, END_HEADERS, 0, c.headers()), (PROTOCOL_ERROR,)),
    ("an even stream", lambda c: frame(HEADERS, END_HEADERS, 2, c.headers()), (PROTOCOL_ERROR,)),
    ("data before headers", lambda c: frame(DATA, 0, 1, b"x"), (PROTOCOL_ERROR, 5)),
    ("settings of 5 bytes", lambda c: frame(SETTINGS, payload=b"12345"), (FRAME_SIZE_ERROR,)),
    ("ping of 7 bytes", lambda c: frame(PING, payload=b"1234567"), (FRAME_SIZE_ERROR,)),
    ("a frame of 16 MiB", lambda c: frame(DATA, 0, 1, b"x" * 100, length=0xFFFFFF), (FRAME_SIZE_ERROR,)),
    ("window beyond 2^31", lambda c: frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFFFFFF)), (FLOW_CONTROL_ERROR,)),
    ("window of 0", lambda c: frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0)), (PROTOCOL_ERROR,)),
    ("a promise from a client", lambda c: frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2)), (PROTOCOL_ERROR,)),
    ("continuation of nothing", lambda c: frame(CONTINUATION, END_HEADERS, 1, b""), (PROTOCOL_ERROR,)),
    ("initial window of 2^31", lambda c: frame(SETTINGS, payload=struct.pack(">HI", 4, 2**31)), (FLOW_CONTROL_ERROR,)),
    ("frame size of 1", lambda c: frame(SETTINGS, payload=struct.pack(">HI", 5, 1)), (PROTOCOL_ERROR,)),
])
def test_row43_broken_frames_get_the_right_goaway(server, why, data, codes):
    with connect(server) as client:
        assert client.wait(lambda item: item.kind == SETTINGS) is not None
        before = server.metric("kiseki_server_goaways_total")
        client.send(data(client))
        assert client.goaway() in codes
        assert client.is_closed()
        assert server.metric("kiseki_server_goaways_total") == before + 1


def test_row43_a_wrong_preface_is_closed(server):
    import socket
    with socket.create_connection(server.port("OTLP/gRPC"), timeout=10) as raw:
        raw.sendall(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + frame(SETTINGS))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                if not raw.recv(65536):
                    break
            except ConnectionResetError:
                break
        else:
            raise AssertionError("left open")


@pytest.mark.parametrize("why, headers", [
    ("no path", [(":method", "POST"), (":scheme", "http")]),
    ("upper-case name", [(":method", "POST"), (":scheme", "http"), (":path", h2raw.EXPORT), ("Upper", "x")]),
    ("pseudo-header at the end", [(":method", "POST"), (":scheme", "http"), ("te", "trailers"), (":path", h2raw.EXPORT)]),
    ("unknown pseudo-header", [(":method", "POST"), (":scheme", "http"), (":path", h2raw.EXPORT), (":odd", "x")]),
    ("connection header", [(":method", "POST"), (":scheme", "http"), (":path", h2raw.EXPORT), ("connection", "close")]),
    ("line end in a value", [(":method", "POST"), (":scheme", "http"), (":path", h2raw.EXPORT), ("x", "a\r\nb")]),
    ("length that is not the body's", [(":method", "POST"), (":scheme", "http"), (":path", h2raw.EXPORT), ("content-length", "7"), ("content-type", "application/grpc")]),
])
def test_row43_malformed_requests_end_their_stream_only(server, why, headers):
    with connect(server) as client:
        client.send(frame(HEADERS, END_HEADERS, 1, client.packer.encode(headers)) + frame(DATA, END_STREAM, 1, message(b"")))
        client.next_stream = 3
        got = client.answer(1)
        assert "reset" in got or got.get(":status", "200") != "200" or got.get("grpc-status", "0") != "0", got
        assert client.answer(client.call(one_span()))["grpc-status"] == "0", "the connection lives on"


# -- gRPC --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("why, more", [
    ("binary header that is not base64", [("x-thing-bin", "!!!not base64!!!")]), ("time-out without a unit", [("grpc-timeout", "10")]),
    ("time-out with nine digits", [("grpc-timeout", "123456789S")]), ("time-out of words", [("grpc-timeout", "soon")]),
    ("empty time-out", [("grpc-timeout", "")]), ("negative time-out", [("grpc-timeout", "-1S")]),
    ("unknown time-out unit", [("grpc-timeout", "1x")]),
])
def test_row44_a_bad_header_fails_at_most_its_own_call(server, why, more):
    with connect(server) as client:
        bad = client.answer(client.call(one_span(), more=more))
        if "grpc-timeout" in more[0]:
            assert bad.get("grpc-status") == "3" and "grpc-timeout" in bad["grpc-message"], bad
        else:  # nobody asks for it
            assert bad.get("grpc-status") == "0", bad
        assert client.answer(client.call(one_span()))["grpc-status"] == "0"


@pytest.mark.parametrize("why, body, code", [
    ("a prefix of 4 GiB", struct.pack(">BI", 0, 0xFFFFFFFF) + b"x", "8"),
    ("a prefix just over the limit", struct.pack(">BI", 0, (64 << 20) + 1) + b"x", "8"),
    ("two messages", message(b"") + message(b""), "13"),
    ("no message", b"", "13"),
    ("half a prefix", b"\0\0\0", "13"),
    ("less than its prefix says", struct.pack(">BI", 0, 100) + b"x", "13"),
    ("flag 2", message(b"", flag=2), "13"),
    ("compressed without saying how", message(b"", flag=1), "13"),
])
def test_row45_broken_message_framing(server, why, body, code):
    with connect(server) as client:
        got = client.answer(client.call(body))
        assert got.get("grpc-status") == code and got["grpc-message"], got
        assert client.answer(client.call(one_span()))["grpc-status"] == "0", "only that call failed"


def test_row33_an_unknown_grpc_coding_is_12_and_names_the_known_ones(server):
    with connect(server) as client:
        got = client.answer(client.call(message(b"x", flag=1), more=[("grpc-encoding", "lzma")]))
        assert got["grpc-status"] == "12" and "gzip" in got["grpc-accept-encoding"], got
        assert client.answer(client.call(one_span()))["grpc-status"] == "0"


@pytest.mark.parametrize("kind", ["application/grpc+json", "text/plain", "application/x-protobuf", None])
def test_row34_other_content_types_for_grpc(server, kind):
    with connect(server) as client:
        got = client.answer(client.call(one_span(), kind=kind))
        if kind == "application/x-protobuf":  # OTLP/HTTP over HTTP/2: the framing bytes are no protobuf
            assert got[":status"] in ("400", "415"), got
        else:
            assert got[":status"] == "415" or got.get("grpc-status", "0") != "0", got
        assert client.answer(client.call(one_span()))["grpc-status"] == "0"


def test_otlp_http_over_http_2_is_taken(server):
    trace_id = new_trace_id()
    with connect(server) as client:
        got = client.answer(client.call(request([span(trace_id)]).SerializeToString(), path="/v1/traces", kind="application/x-protobuf"))
        assert got[":status"] == "200", got
    assert v3_trace(server, trace_id.hex())


def test_row46_a_deadline_that_has_passed_is_said(server):
    trace_id = new_trace_id()
    with connect(server) as client:
        got = client.answer(client.call(one_span(trace_id), more=[("grpc-timeout", "1n")]))
        assert got["grpc-status"] == "4" and "deadline" in got["grpc-message"], got
        assert client.answer(client.call(one_span()))["grpc-status"] == "0"
    assert v3_trace(server, trace_id.hex()) is None, "said to have come too late, so not stored"


def test_row46_a_deadline_that_passes_while_the_body_comes_is_said(server):
    trace_id = new_trace_id()
    body = one_span(trace_id)
    with connect(server) as client:
        stream = client.open(more=[("grpc-timeout", "50m")])
        client.send(frame(DATA, 0, stream, body[:20]))
        time.sleep(0.2)  # its deadline, and more
        client.send(frame(DATA, END_STREAM, stream, body[20:]))
        got = client.answer(stream)
        assert got["grpc-status"] == "4" and "deadline" in got["grpc-message"], got
        assert v3_trace(server, trace_id.hex()) is None
        assert client.answer(client.call(one_span(), more=[("grpc-timeout", "10S")]))["grpc-status"] == "0"


def test_row46_a_call_is_cancelled_without_harm(server):
    with connect(server) as client:
        for _ in range(50):
            stream = client.open()
            client.send(frame(DATA, 0, stream, message(os.urandom(1000))[:500]) + frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
        assert client.answer(client.call(one_span()))["grpc-status"] == "0"
    until(lambda: server.metric("kiseki_request_memory_bytes") == 0, why="every byte of a cancelled call comes back")


def test_a_large_body_on_one_stream_does_not_stop_the_others(server):
    with connect(server) as client:
        slow = client.open()
        client.send(frame(DATA, 0, slow, struct.pack(">BI", 0, 100_000) + bytes(1000)))
        for _ in range(10):
            assert client.answer(client.call(one_span()))["grpc-status"] == "0"
    with Grpc(server.grpc) as channel:
        assert channel.export(b"").code == 0
