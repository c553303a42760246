"""What the HTTP/1.1 side must do with requests that are wrong: rows 35 to 39, one test a row.

A request that two programs could read differently ends its connection; that is what keeps one sender's
bytes from becoming another's request.
"""

import re
import socket
import time

import pytest
from google.rpc import status_pb2

from jaeger import v3_trace
from otlp import new_trace_id, post, request, span, success
from server import until


class Raw:
    """A plain connection: bytes out, bytes in."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=10)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # refused before all was sent; the answer is there to read

    def answer(self):
        """(status, rest of the answer, whether the server then closed)."""
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return (int(data.split()[1]) if data.startswith(b"HTTP/") else 0), data, True
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while lengths and len(body) < int(lengths[0]):
            more = self.socket.recv(65536)
            if not more:
                break
            body += more
        return int(head.split()[1]), head + b"\r\n\r\n" + body, self.closes()

    def closes(self, seconds=0.5):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except (TimeoutError, socket.timeout):
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def ask(server, data, label="OTLP/HTTP"):
    with Raw(server.port(label)) as raw:
        raw.send(data)
        return raw.answer()


def refused(server, data, statuses, label="OTLP/HTTP"):
    """What is no HTTP is refused in a sentence, the connection ends (what follows could be taken for a request), and it is counted."""
    before = server.metric("kiseki_server_requests_malformed_total")
    status, answer, closed = ask(server, data, label)
    assert status in statuses and closed, (status, answer, closed)
    head, _, sentence = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head and re.fullmatch(rb"[ -~]{10,200}\n", sentence), answer
    assert server.metric("kiseki_server_requests_malformed_total") == before + 1
    return sentence.decode().rstrip("\n")


HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"


def test_a_good_request_keeps_its_connection(server):
    status, _, closed = ask(server, HEAD + b"Content-Length: 0\r\n\r\n")
    assert (status, closed) == (200, False)


def test_requests_behind_each_other_are_answered_in_order(server):
    with Raw(server.port("OTLP/HTTP")) as raw:
        raw.send((HEAD + b"Content-Length: 0\r\n\r\n") * 50 + b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        data = b""
        while more := raw.socket.recv(65536):
            data += more
    lines = [line for line in data.split(b"\r\n") if b"HTTP/1.1 " in line]
    assert len(lines) == 51 and all(b"HTTP/1.1 200" in line for line in lines[:50]) and b"HTTP/1.1 404" in lines[50]


@pytest.mark.parametrize("why, lines", [
    ("two lengths that differ", b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"),
    ("a list of lengths", b"Content-Length: 3, 5\r\n\r\nabcde"),
    ("length and chunked", b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunked and length", b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    ("space before the colon", b"Content-Length : 3\r\n\r\nabc"),
    ("folded line", b"X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    ("bare CR in a value", b"X-Bare: a\rb\r\nContent-Length: 0\r\n\r\n"),
    ("NUL in a value", b"X-Nul: a\0b\r\nContent-Length: 0\r\n\r\n"),
    ("no name", b": value\r\nContent-Length: 0\r\n\r\n"),
    ("space in a name", b"X Name: v\r\nContent-Length: 0\r\n\r\n"),
    ("line without a colon", b"nonsense\r\nContent-Length: 0\r\n\r\n"),
    ("length with a sign", b"Content-Length: +3\r\n\r\nabc"),
    ("negative length", b"Content-Length: -1\r\n\r\n"),
    ("length in hex", b"Content-Length: 0x3\r\n\r\nabc"),
    ("length beyond 64 bits", b"Content-Length: 99999999999999999999999\r\n\r\n"),
    ("empty length", b"Content-Length: \r\n\r\n"),
    ("chunked twice", b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked not last", b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ("misspelt chunked", b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("vertical tab before chunked", b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
])
def test_row35_requests_that_could_be_read_two_ways_are_refused_and_closed(server, why, lines):
    refused(server, HEAD + lines, (400, 501) if b"Transfer-Encoding" in lines else (400,))


@pytest.mark.parametrize("why, data", [
    ("no version", b"GET /\r\n\r\n"), ("version 2 as text", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"), ("version 3", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
    ("two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), ("no host", b"GET / HTTP/1.1\r\n\r\n"), ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("control byte in the path", b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"), ("no method", b" / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("random bytes", bytes(range(128, 256)) * 4 + b"\r\n\r\n"),
])
def test_row35_request_lines_that_are_none_are_refused_and_closed(server, why, data):
    refused(server, data, (505,) if b"HTTP/2" in data or b"HTTP/3" in data else (400,))


@pytest.mark.parametrize("why, chunks", [
    ("size beyond 64 bits", b"FFFFFFFFFFFFFFFFF\r\n"), ("size of 2^64 - 1", b"ffffffffffffffff\r\nabc"), ("negative size", b"-1\r\n"),
    ("no size", b"\r\n"), ("no line end behind the data", b"3\r\nabcX0\r\n\r\n"), ("not hex", b"zz\r\n"), ("bare LF", b"3\nabc\n0\n\n"),
    ("endless extension", b"1;" + b"a" * 100_000 + b"\r\n"), ("sign", b"+1\r\na\r\n0\r\n\r\n"), ("0x", b"0x1\r\na\r\n0\r\n\r\n"),
])
def test_row36_broken_chunks_are_refused_and_closed(server, why, chunks):
    refused(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, (400,))


def test_chunked_bodies_are_taken(server):
    body = request([span()]).SerializeToString()
    chunks = b"".join(b"1;x=y\r\n" + body[at:at + 1] + b"\r\n" for at in range(len(body)))
    status, answer, closed = ask(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n")
    assert (status, closed) == (200, False), answer


@pytest.mark.parametrize("why, data, want", [
    ("a header of 64 KiB", HEAD + b"X-Long: " + b"a" * 65536 + b"\r\nContent-Length: 0\r\n\r\n", (431,)),
    ("a token of 1 MiB", HEAD + b"Authorization: Bearer " + b"a" * (1 << 20) + b"\r\nContent-Length: 0\r\n\r\n", (431,)),
    ("2,000 headers", HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(2000)) + b"Content-Length: 0\r\n\r\n", (431,)),
    ("an address of 64 KiB", b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (414,)),
    ("a method without an end", b"A" * 70_000, (400, 414, 431)),  # what it would have become is not known
])
def test_row37_large_heads_are_refused(server, why, data, want):
    refused(server, data, want)


def test_row37_heads_that_come_slowly_and_never_end_are_bounded(server):
    before = server.memory("VmRSS")
    with Raw(server.port("OTLP/HTTP")) as raw:
        raw.send(HEAD)
        for number in range(64):
            raw.send(b"X-%d: " % number + b"a" * 1024 + b"\r\n")
        status, answer, closed = raw.answer()
    assert status == 431 and closed, (status, answer)
    assert server.memory("VmRSS") - before < 4 << 20


def test_row38_a_declared_body_of_100_mib_is_refused_from_its_header(server):
    before = server.metric("kiseki_receiver_requests_too_large_total", transport="http")
    begin = time.monotonic()
    status, answer, closed = ask(server, HEAD + b"Content-Length: 104857600\r\n\r\n")
    assert status == 413 and closed, (status, answer)
    assert time.monotonic() - begin < 20, "it waited for the body"  # which has 30 s
    said = status_pb2.Status.FromString(answer.partition(b"\r\n\r\n")[2])
    assert said.code == 8 and "--max-request-bytes" in said.message  # RESOURCE_EXHAUSTED
    assert server.metric("kiseki_receiver_requests_too_large_total", transport="http") == before + 1


def test_row38_expect_100_continue_is_answered_before_the_body(server):
    with Raw(server.port("OTLP/HTTP")) as raw:
        body = request([span()]).SerializeToString()
        raw.send(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert raw.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send(body)
        assert raw.answer()[0] == 200
    status, _, closed = ask(server, HEAD + b"Expect: 100-continue\r\nContent-Length: 104857600\r\n\r\n")
    assert status == 413 and closed


def test_row38_a_chunked_body_beyond_the_limit_is_refused_while_it_comes(own_server):
    server = own_server()
    with Raw(server.port("OTLP/HTTP")) as raw:
        raw.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"100000\r\n" + bytes(1 << 20) + b"\r\n") * 80)
        status, answer, closed = raw.answer()
    assert status == 413 and closed, (status, answer)
    assert server.memory("VmHWM") <= 256 << 20


TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))


@pytest.mark.parametrize("label", ["OTLP/HTTP", "OTLP/gRPC", "page and query", "health", "metrics"])
def test_row39_a_tls_hello_on_a_plain_port_is_refused_with_one_log_line(own_server, label):
    server = own_server()
    assert "TLS" in refused(server, TLS_HELLO, (400,), label)
    (line,) = until(lambda: server.stderr.splitlines(), why="a line in the log")
    assert re.search(rf"WARN  {label}: '127\.0\.0\.1:\d+' was refused: it speaks TLS, and this listener does not$", line), line
    assert server.metric("kiseki_server_tls_failures_total") == 1
    for _ in range(100):
        ask(server, TLS_HELLO, label)
    assert 2 <= len(server.stderr.splitlines()) <= 20, "who goes on is no flood in the log"


def test_row39_http_1_on_the_grpc_port_is_answered(server):
    """The two OTLP ports take each other's requests, so this is an ordinary wrong path."""
    status, answer, closed = ask(server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "OTLP/gRPC")
    assert (status, closed) == (404, False), (status, answer)
    grpc_type = HEAD.replace(b"x-protobuf", b"grpc") + b"Content-Length: 0\r\n\r\n"
    status, answer, closed = ask(server, grpc_type, "OTLP/gRPC")
    assert (status, closed) == (415, False) and b"gRPC needs HTTP/2" in answer, (status, answer)


def test_row39_the_two_otlp_ports_take_each_others_requests(server):
    body = request([span()]).SerializeToString()
    success(post(f"http://{server.grpc}", body))


def test_a_request_cut_by_its_sender_stores_nothing_and_harms_nobody(server):
    trace_id = new_trace_id()
    body = request([span(trace_id) for _ in range(20)]).SerializeToString()
    for cut in (1, len(body) // 2, len(body) - 1):
        with Raw(server.port("OTLP/HTTP")) as raw:
            raw.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:cut])
    success(post(server.http, b""))
    assert v3_trace(server, trace_id.hex()) is None
