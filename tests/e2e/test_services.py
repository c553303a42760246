"""Programs that use libkiseki, between programs that use other SDKs: one trace through all of them.

The C programs are the examples of the README, run as anybody would run them: by environment variables.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

import jaeger
from senders import go_sender
from server import BIN, until

PYTHON_SERVICE = pathlib.Path(__file__).parent / "senders" / "python" / "service.py"
PROTOCOLS = ["http/protobuf", "http/json", "grpc"]


def example(name):
    path = BIN / f"kiseki-example-{name}"
    if not path.exists():
        pytest.skip(f"{path.name} is not built")
    return str(path)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def telemetry(server, protocol, **more):
    endpoint = f"http://{server.grpc}" if protocol == "grpc" else server.http
    return {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_BSP_SCHEDULE_DELAY": "100", **more}


@pytest.fixture
def services():
    """Starts programs, and ends them in the reverse order; each has to end well."""
    running = []

    def start(*command, **more):
        process = subprocess.Popen([str(item) for item in command], stderr=subprocess.PIPE, text=True, **more)
        running.append(process)
        return process

    def stop():
        while running:
            process = running.pop()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=20)
            assert process.returncode == 0, f"{process.args[0]}: exit {process.returncode}: {said}"
            assert "Sanitizer" not in said, said
    start.stop = stop
    yield start
    for process in running:
        process.kill()
        process.wait()


def start_c_service(services, server, protocol, name, *options, **more):
    port = free_port()
    services(example(name), "--port", port, *options, env=telemetry(server, protocol, **more))
    until(lambda: is_open(port), why=f"{name} listening")
    return f"http://127.0.0.1:{port}"


def by_name(trace):
    out = {}
    for span in trace.values():
        out.setdefault((span.resource["service.name"][1], span.name), []).append(span)
    return out


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_trace_crosses_go_c_and_python(server, services, protocol):
    others = "grpc" if protocol == "grpc" else "http/protobuf"
    endpoint = server.grpc if protocol == "grpc" else server.http
    python = services(sys.executable, PYTHON_SERVICE, endpoint, others, "python-payments", stdout=subprocess.PIPE)
    payments = f"http://127.0.0.1:{int(python.stdout.readline())}"
    orders = start_c_service(services, server, protocol, "orders", "--payments", payments)
    done = subprocess.run([go_sender(), "call", endpoint, others, "go-client", "POST", f"{orders}/orders/7"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    called = json.loads(done.stdout)
    assert called["status"] == 201
    services.stop()  # each sends what it still holds

    trace = until(lambda: (found := jaeger.v3_trace(server, called["traceId"])) and len(found) >= 7 and found, why="the whole trace")
    spans = by_name(trace)
    (client,) = spans["go-client", "call from Go"]
    (order,) = spans["orders", "POST /orders/{id}"]
    (charge,) = spans["orders", "POST /charge/{order}"]
    (serve,) = spans["python-payments", "serve in Python"]
    (work,) = spans["python-payments", "work in Python"]
    (select,), (insert,) = spans["orders", "SELECT orders"], spans["orders", "INSERT orders"]
    assert len(trace) == 7
    assert client.span_id == called["spanId"] and client.parent_id == ""
    assert [one.parent_id for one in (order, charge, serve, work, select, insert)] == [
        client.span_id, order.span_id, charge.span_id, serve.span_id, order.span_id, order.span_id]
    assert [one.kind for one in (client, order, charge, serve, work)] == ["CLIENT", "SERVER", "CLIENT", "SERVER", "INTERNAL"]
    assert charge.attributes["order.id"] == ("int", 7) and charge.attributes["http.response.status_code"] == ("int", 200)
    assert order.resource["telemetry.sdk.language"][0] == "string" and order.resource["telemetry.sdk.name"] == ("string", "kiseki")
    assert client.start_ns <= order.start_ns <= charge.start_ns <= serve.start_ns <= serve.end_ns <= charge.end_ns <= order.end_ns <= client.end_ns

    old = jaeger.v1_trace(server, called["traceId"])
    assert {process["serviceName"] for process in old["processes"].values()} == {"go-client", "orders", "python-payments"}
    assert len(old["spans"]) == 7 and not old["warnings"]
    edges = {(edge["parent"], edge["child"]) for edge in jaeger.v1(server, "/dependencies", endTs=int(time.time() * 1000) + 60_000, lookback=3_600_000)}
    assert {("go-client", "orders"), ("orders", "python-payments")} <= edges


def test_the_three_services_of_the_readme(server, services):
    """Gateway, orders, payments and their load: every request is one whole trace, the failing ones are marked."""
    payments = start_c_service(services, server, "http/protobuf", "payments", "--fail-every", "5")
    orders = start_c_service(services, server, "http/protobuf", "orders", "--payments", payments)
    gateway = start_c_service(services, server, "http/protobuf", "gateway", "--orders", orders)
    begin_us = time.time_ns() // 1000
    done = subprocess.run([example("load"), "--gateway", gateway, "--rate", "200", "--count", "30"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "30 requests" in done.stdout, done
    services.stop()

    def whole():
        found = jaeger.v1_search(server, service="gateway", start=begin_us, limit=100)
        return len(found) == 30 and found
    traces = until(whole, why="30 traces of the gateway")
    failures = 0
    reasons = {tag["value"] for trace in traces for span in trace["spans"] for tag in span["tags"] if tag["key"] == "otel.status_description"}
    assert reasons == {"orders answered 502", "payments answered 502", "the order was not paid", "insufficient funds"}, "words, not a body"
    for trace in traces:
        names = sorted(process["serviceName"] for process in trace["processes"].values())
        spans = {span["spanID"]: span for span in trace["spans"]}
        roots = [span for span in trace["spans"] if not span["references"]]
        assert len(roots) == 1 and trace["processes"][roots[0]["processID"]]["serviceName"] == "gateway"
        assert all(reference["spanID"] in spans for span in trace["spans"] for reference in span["references"]), "a parent is missing"
        is_new = roots[0]["operationName"].startswith("POST")
        assert names == (["gateway", "orders", "payments"] if is_new else ["gateway", "orders"])
        failures += any(tag["key"] == "error" for tag in roots[0]["tags"])
    assert failures == len([n for n in range(1000, 1030) if n % 5 == 0 and (n - 1000) % 3 != 0])


@pytest.mark.parametrize("name", ["gateway", "orders", "payments", "load"])
def test_an_example_that_is_asked_for_help_does_nothing_else(name):
    done = subprocess.run([example(name), "--help"], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"kiseki-example-{name} [--"), done


def test_a_trace_appears_while_its_services_still_run(server, services):
    payments = start_c_service(services, server, "http/protobuf", "payments", "--fail-every", "0")
    orders = start_c_service(services, server, "http/protobuf", "orders", "--payments", payments)
    begin_us = time.time_ns() // 1000
    subprocess.run([example("load"), "--gateway", orders, "--rate", "100", "--count", "3"], check=True, capture_output=True, timeout=30)
    until(lambda: len(jaeger.v1_search(server, service="payments", start=begin_us, limit=10)) == 2, 3, "traces shortly after they end")
    services.stop()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_first_span_of_the_readme(server, protocol, compression):
    name = f"first {protocol} {compression}"
    done = subprocess.run([example("first-span")], capture_output=True, text=True, timeout=20,
                          env=telemetry(server, protocol, OTEL_EXPORTER_OTLP_COMPRESSION=compression, OTEL_RESOURCE_ATTRIBUTES=f"test.name={name}"))
    assert (done.returncode, done.stderr) == (0, "")
    (trace,) = until(lambda: jaeger.v1_search(server, service="first-span", tags=json.dumps({"test.name": name})), why="the span")
    (span,) = trace["spans"]
    assert span["operationName"] == "say hello" and span["logs"][0]["fields"][0] == {"key": "event", "type": "string", "value": "said"}


def test_a_program_without_a_server_says_so_once_and_ends_in_time(services):
    begin = time.monotonic()
    done = subprocess.run([example("first-span")], capture_output=True, text=True, timeout=20,
                          env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert time.monotonic() - begin < 10
    assert done.returncode == 1 and len(done.stderr.splitlines()) in (1, 2), done.stderr
    assert "127.0.0.1:1" in done.stderr


def test_console_export_prints_the_span():
    done = subprocess.run([example("first-span")], capture_output=True, text=True, timeout=20, env={**os.environ, "OTEL_TRACES_EXPORTER": "console"})
    assert done.returncode == 0 and "say hello" in done.stdout + done.stderr


def test_disabled_means_silent():
    done = subprocess.run([example("first-span")], capture_output=True, text=True, timeout=20, env={**os.environ, "OTEL_SDK_DISABLED": "true"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_service_whose_tracing_is_off_breaks_nobodys_trace(services):
    """The gateway records nothing, and what it was given goes on to the service behind it."""
    traceparent, port = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", free_port()
    with socket.create_server(("127.0.0.1", 0)) as behind:
        behind.settimeout(20)
        env = {**os.environ, "OTEL_SDK_DISABLED": "true"}
        services(example("gateway"), "--port", port, "--orders", f"http://127.0.0.1:{behind.getsockname()[1]}", env=env)
        until(lambda: is_open(port), why="gateway listening")
        with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
            caller.sendall(f"GET /orders/7 HTTP/1.1\r\nHost: x\r\ntraceparent: {traceparent}\r\ntracestate: a=1\r\nbaggage: k=v\r\n\r\n".encode())
            connection, _ = behind.accept()
            with connection:
                got = b""
                while b"\r\n\r\n" not in got:
                    got += connection.recv(4096)
    headers = dict(line.split(": ", 1) for line in got.decode().lower().split("\r\n")[1:] if ": " in line)
    assert headers["traceparent"] == traceparent
    assert headers["tracestate"] == "a=1"
    assert "k=v" in headers["baggage"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_unix_sockets_carry_everything(own_server, services, tmp_path, protocol):
    """The library, load and query reach a server whose listeners are sockets."""
    paths = {name: f"unix:{tmp_path / name}" for name in ("otlp-grpc", "otlp-http", "query")}
    server = own_server(listeners=paths)
    assert (server.grpc, server.http, server.query) == (paths["otlp-grpc"], paths["otlp-http"], paths["query"])
    to = paths["otlp-grpc" if protocol == "grpc" else "otlp-http"]
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": to, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    done = subprocess.run([example("first-span")], capture_output=True, text=True, timeout=20, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    load = {"grpc": "grpc", "http/protobuf": "http", "http/json": "json"}[protocol]
    done = subprocess.run([BIN / "kiseki", "load", "--protocol", load, "--to", to, "--count", "1000", "--verify", "--query", paths["query"]],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([BIN / "kiseki", "query", "services", "--server", paths["query"]], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "first-span" in done.stdout, done.stdout + done.stderr
    done = subprocess.run([BIN / "kiseki", "query", "traces", "--server", f"unix://{tmp_path / 'query'}", "--service", "first-span"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "http://" not in done.stdout, done.stdout + done.stderr
