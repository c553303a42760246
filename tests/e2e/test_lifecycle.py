"""Start, stop, and what is between: ports, locks, signals, freshness, large traces."""

import os
import re
import signal
import socket
import statistics
import subprocess
import threading
import time
import urllib.request

import pytest

import crash
import jaeger
from conftest import FULL
from jaeger import v1_trace, v3_trace
from load import Load, missing
from otlp import Grpc, Http, new_trace_id, post, put, request, span, success
from server import PROGRAM, Server, StartFailed, until

MIB = 1 << 20


# -- start -------------------------------------------------------------------------------------------

def test_it_prints_each_listener_and_then_ready(own_server, data):
    server = own_server()
    assert server.lines[-1].strip() == "ready"
    assert server.query.startswith("http://127.0.0.1:") and server.http.startswith("http://127.0.0.1:")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", server.grpc)
    assert server.metrics.endswith("/metrics")
    assert str(data) in server.address("data")


def test_health_metrics_and_page_answer(server):
    health = jaeger.get(server.health, "/")
    assert health.status == 200 and health.tree["status"] == "Server available"
    before = accepted(server)
    success(post(server.http, request([span(), span()]).SerializeToString()))
    with Grpc(server.grpc) as channel:
        assert channel.export(request([span()]).SerializeToString()).code == 0
    until(lambda: accepted(server) - before == 3, why="the count of accepted spans")
    with urllib.request.urlopen(server.query + "/", timeout=10) as page:
        assert page.status == 200 and page.headers.get_content_type() == "text/html"
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]


def accepted(server):
    with urllib.request.urlopen(server.metrics, timeout=10) as answer:
        text = answer.read().decode()
    rows = re.findall(r"^otelcol_receiver_accepted_spans_total\{[^}]*\} (\S+)$", text, re.MULTILINE)
    assert rows, text[:2000]
    return sum(float(row) for row in rows)


def test_the_metrics_are_in_prometheus_form(server):
    with urllib.request.urlopen(server.metrics, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = answer.read().decode()
    line = re.compile(r'^[a-zA-Z_:][\w:]*(\{\w+="([^"\\\n]|\\.)*"(,\w+="([^"\\\n]|\\.)*")*,?\})? (-?[\d.]+(e[+-]?\d+)?|NaN|[+-]Inf)$')
    for row in text.splitlines():
        assert row.startswith("#") or line.match(row), row
    for name in ("otelcol_receiver_accepted_spans_total", "otelcol_receiver_refused_spans_total", "otelcol_process_memory_rss"):
        assert name in text, name


def test_it_listens_on_loopback_only(server):
    mine = set()
    inodes = {link for link in map(str, links_of(server.process.pid))}
    for table in ("tcp", "tcp6"):
        for line in open(f"/proc/net/{table}").read().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                mine.add(fields[1].split(":")[0])
    assert mine == {"0100007F"}, mine


def links_of(pid):
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass


@pytest.mark.parametrize("option", ["query", "otlp-grpc", "otlp-http"])
def test_row9_a_taken_port_that_matters_ends_the_start_and_names_its_option(data, option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartFailed) as caught:
            Server(data, listeners={option: address}).start()
    said = str(caught.value)
    assert said.startswith("exit 1:"), said
    assert f"--{option}" in said and address in said, said


@pytest.mark.parametrize("option", ["health", "metrics"])
def test_row9_another_taken_port_is_only_a_warning(own_server, option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = own_server(listeners={option: f"127.0.0.1:{taken.getsockname()[1]}"})
        success(post(server.http, request([span()]).SerializeToString()))
        until(lambda: f"--{option}" in server.stderr, why="the warning")
        server.stop()


def test_row63_a_second_server_on_the_same_data_refuses_and_the_first_goes_on(own_server, data):
    first = own_server()
    with pytest.raises(StartFailed) as caught:
        Server(data).start()
    said = str(caught.value)
    assert said.startswith("exit 1:") and str(data) in said, said
    trace_id = new_trace_id()
    success(post(first.http, request([span(trace_id)]).SerializeToString()))
    assert v3_trace(first, trace_id.hex())
    first.stop()


def test_the_lock_goes_with_its_process(own_server):
    own_server().kill()
    own_server().stop()


@pytest.mark.parametrize("arguments", [
    ["serve", "--no-such-option"], ["serve", "--query", "not an address"], ["serve", "--query", "127.0.0.1:99999"], ["serve", "--keep", "yesterday"],
    ["serve", "--keep-bytes", "many"], ["serve", "--data"], ["serve", "stray"], ["no-such-verb"], ["query"], ["query", "trace"], ["check", "stray"],
])
def test_wrong_usage_is_exit_2_with_a_sentence(arguments, tmp_path):
    done = subprocess.run([str(PROGRAM), *arguments], capture_output=True, text=True, timeout=20, cwd=tmp_path, env={"HOME": str(tmp_path), "PATH": "/usr/bin"})
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stderr.strip() and not done.stdout


@pytest.mark.parametrize("arguments, variables, sentence", [
    (["query", "services", "--server", "ftp://x"], {}, "--server: 'ftp://x' is not a server's address; want http://127.0.0.1:16686"),
    (["query", "services", "--server", "127.0.0.1:1"], {}, "connection refused; is kiseki serve running there? (--server)"),
    (["load", "--to", "127.0.0.1:1"], {}, "nothing was acknowledged: connect to 127.0.0.1:1: connection refused"),
    (["load", "--protocol", "http", "--to", "https://127.0.0.1:1"], {}, "nothing was acknowledged: connect to 127.0.0.1:1: connection refused"),
    (["serve", "--data", ""], {}, "--data: the name of the directory is empty"),
    (["serve", "--query", ""], {}, "--query: '' is not an address"),
    (["serve", "--data", "x", "--tls-cert", "/dev/null", "--tls-key", "/dev/null"], {}, "TLS certificate '/dev/null': there is nothing in PEM form in it"),
    (["serve", "--keep", "abc"], {}, "--keep: 'abc' is not a duration"),
    (["serve"], {"KISEKI_KEEP": "abc"}, "kiseki: KISEKI_KEEP: 'abc' is not a duration"),
    (["serve"], {"KISEKI_QUERY": "x"}, "kiseki: KISEKI_QUERY: 'x' is not an address"),
    (["serve", "--data", "/dev/null/x"], {"KISEKI_KEP": "1h"}, "KISEKI_KEP: no such variable; did you mean KISEKI_KEEP?"),
    (["check"], {}, "/.local/share/kiseki"),
])
def test_what_is_wrong_is_said_where_it_was_written(arguments, variables, sentence, tmp_path):
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin", **variables}
    done = subprocess.run([str(PROGRAM), *arguments], capture_output=True, text=True, timeout=5, cwd=tmp_path, env=environment)
    assert done.returncode in (1, 2) and sentence in done.stderr, (done.returncode, done.stderr)
    assert not done.stdout


def test_a_port_without_the_query_api_is_told(own_server):
    server = own_server()
    done = subprocess.run([str(PROGRAM), "query", "services", "--server", server.http], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and f"{server.http} has no query API (404)" in done.stderr, done


@pytest.mark.parametrize("protocol", ["grpc", "http", "json"])
def test_load_to_a_port_that_takes_no_spans_ends_at_once(own_server, protocol):
    server = own_server()
    begin = time.monotonic()
    done = subprocess.run([str(PROGRAM), "load", "--to", server.query.removeprefix("http://"), "--protocol", protocol], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and not done.stdout, done
    assert done.stderr == "kiseki: nothing was acknowledged: status 405: This listener answers GET and HEAD only. Spans go to the OTLP listeners (4317, 4318).\n"
    assert time.monotonic() - begin < 5, "it tried for all its ten seconds"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["help"], ["serve", "--help"], ["query", "--help"], ["load", "--help"], ["check", "--help"]])
def test_help_is_exit_0_on_stdout(arguments):
    done = subprocess.run([str(PROGRAM), *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout.strip(), done


# -- stop --------------------------------------------------------------------------------------------

def test_row70_sigterm_under_load_loses_nothing_acknowledged(own_server):
    server = own_server()
    load = Load(server, threads=6)
    until(lambda: len(load.acknowledged) > 100, 30, "load")
    server.signal()
    assert server.wait(30) == 0, server.stderr[-2000:]
    acknowledged = load.stop()
    again = own_server()
    assert missing(again, acknowledged) == []
    again.stop()


def test_row70_a_request_in_flight_is_answered_before_the_end(own_server):
    server = own_server()
    trace_id = new_trace_id()
    body = request([span(trace_id)]).SerializeToString()
    raw = socket.create_connection(server.port("OTLP/HTTP"), timeout=20)
    raw.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:10])
    time.sleep(0.1)  # until the server has read the head: nothing outside shows when
    server.signal()
    with pytest.raises(OSError):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            socket.create_connection(server.port("OTLP/HTTP"), timeout=5).close()
            time.sleep(0.01)
    raw.sendall(body[10:])
    assert b" 200 " in raw.recv(65536).split(b"\r\n")[0] + b" "
    assert server.wait(20) == 0
    again = own_server()
    assert v3_trace(again, trace_id.hex())
    again.stop()


def test_row70_a_second_sigterm_ends_at_once(own_server):
    server = own_server()
    raw = socket.create_connection(server.port("OTLP/HTTP"), timeout=20)
    raw.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\nabc")
    time.sleep(0.1)
    server.signal()
    time.sleep(0.2)
    if server.alive():  # still waiting for the rest of that request
        server.signal()
    begin = time.monotonic()
    server.wait(10)
    assert time.monotonic() - begin < 1.5


def test_sigint_is_as_good_as_sigterm(own_server):
    server = own_server()
    server.signal(signal.SIGINT)
    assert server.wait(20) == 0


def test_a_reader_that_went_away_does_not_end_the_server(server):
    """SIGPIPE: answers to closed connections."""
    for _ in range(20):
        raw = socket.create_connection(server.port("page and query"), timeout=5)
        raw.sendall(b"GET /api/services HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.close()
    assert jaeger.v1(server, "/services") is not None


# -- what was acknowledged ---------------------------------------------------------------------------

def test_row58_kill_9_under_load_loses_nothing_acknowledged():
    total, slowest = crash.run(1000 if FULL else 25)
    print(f"{total} traces acknowledged, slowest start {slowest:.2f} s")
    assert total > 100, "too little load to say anything"


def test_a_resend_after_a_restart_is_shown_once(own_server):
    trace_id = new_trace_id()
    body = request([span(trace_id), span(trace_id)]).SerializeToString()
    for _ in range(3):
        server = own_server()
        success(post(server.http, body))
        success(post(server.http, body))
        assert len(v3_trace(server, trace_id.hex())) == 2
        assert len(v1_trace(server, trace_id.hex())["spans"]) == 2
        server.stop()


def test_a_repeated_idempotency_key_is_answered_and_not_stored_again(own_server):
    """Also after a restart: key and spans are in one record of the log. The second body differs, to see which was stored."""
    first, second = new_trace_id(), new_trace_id()
    server = own_server()
    with Http(server.http) as connection:
        success(connection.post(request([span(first)]).SerializeToString(), Idempotency_Key="batch 1"))
        success(connection.post(request([span(second)]).SerializeToString(), Idempotency_Key="batch 1"))
    with Grpc(server.grpc) as channel:
        assert channel.export(request([span(second)]).SerializeToString(), metadata=[("idempotency-key", "batch 1")]).code == 0
    server.kill()
    again = own_server()
    with Http(again.http) as connection:
        success(connection.post(request([span(second)]).SerializeToString(), Idempotency_Key="batch 1"))
        assert v3_trace(again, first.hex()) and v3_trace(again, second.hex()) is None
        success(connection.post(request([span(second)]).SerializeToString(), Idempotency_Key="batch 2"))
    assert v3_trace(again, second.hex())
    again.stop()


def test_a_fresh_span_is_found_within_100_ms_of_its_answer(server):
    """From the answer to the first search that shows the span. The median must hold; a busy machine may delay one."""
    waits = []
    with Http(server.http) as connection:
        for number in range(40):
            trace_id, service = new_trace_id(), f"fresh {number}"
            success(connection.post(request([span(trace_id)], service).SerializeToString()))
            begin = time.monotonic()
            until(lambda: [trace["traceID"] for trace in jaeger.v1_search(server, service=service)] == [trace_id.hex()], 5, "a fresh span")
            waits.append(time.monotonic() - begin)
    print(f"first search that shows a span: median {statistics.median(waits) * 1000:.1f} ms, worst {max(waits) * 1000:.1f} ms")
    assert statistics.median(waits) <= 0.1 and max(waits) < 2


def test_the_newest_traces_come_first_and_the_limit_holds(server):
    at = time.time_ns()
    ids = [new_trace_id() for _ in range(30)]
    for number, trace_id in enumerate(ids):
        success(post(server.http, request([span(trace_id, at_ns=at - number * 10**9)], "ordered").SerializeToString()))
    found = jaeger.v1_search(server, service="ordered", limit=20)
    assert [trace["traceID"] for trace in found] == [trace_id.hex() for trace_id in ids[:20]]


def test_a_trace_of_100000_spans_is_stored_and_fetched_in_256_mib(own_server):
    server = own_server()
    trace_id, root = new_trace_id(), b"rootroot"
    at = time.time_ns()
    with Http(server.http) as connection:
        for batch in range(200):
            spans = []
            for number in range(500):
                index = batch * 500 + number
                one = span(trace_id, root if index == 0 else index.to_bytes(8, "big"), f"step {index % 50}", b"" if index == 0 else root, at + index * 1000)
                put(one, "index", int_value=index)
                put(one, "text", string_value=f"some text about step {index}, as programs write it")
                spans.append(one)
            success(connection.post(request(spans, f"service {batch % 10}").SerializeToString()))
    begin = time.monotonic()
    found = v3_trace(server, trace_id.hex())
    assert len(found) == 100_000
    assert {span.attributes["index"][1] for span in found.values()} == set(range(100_000))
    del found
    old = v1_trace(server, trace_id.hex())
    assert len(old["spans"]) == 100_000 and len(old["processes"]) == 10
    print(f"both answers took {time.monotonic() - begin:.1f} s, highest memory {server.memory('VmHWM') // MIB} MiB")
    assert server.memory("VmHWM") <= 256 * MIB
    server.stop()
    again = own_server()
    assert len(v1_trace(again, trace_id.hex())["spans"]) == 100_000, "after a restart"
    assert again.memory("VmHWM") <= 256 * MIB
    again.stop()


def test_memory_only_keeps_nothing(own_server, data):
    server = own_server("--memory", keep_data=False)
    trace_id = new_trace_id()
    success(post(server.http, request([span(trace_id)]).SerializeToString()))
    assert v3_trace(server, trace_id.hex())
    server.stop()
    assert not data.exists() or not any(path.is_file() for path in data.rglob("*"))


def test_searches_while_spans_arrive_see_whole_requests(server):
    """A reader beside the writer: what it finds of a trace that came in one request is all of it or nothing."""
    load = Load(server, threads=2)
    seen = 0
    try:
        until(lambda: len(load.acknowledged) > 20, 30)
        for _ in range(30):
            for trace in jaeger.v1_search(server, service="load", limit=20):
                assert len(trace["spans"]) == 8, trace["traceID"]
                seen += 1
    finally:
        load.stop()
    assert seen > 20


def test_many_connections_at_once_are_all_served(server):
    body = request([span()]).SerializeToString()
    failed = []

    def one():
        try:
            with Http(server.http) as connection:
                for _ in range(5):
                    success(connection.post(body))
        except Exception as error:  # noqa: BLE001 - any failure is the finding
            failed.append(error)
    threads = [threading.Thread(target=one) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed, failed[:3]
