"""Ingest: a server on one core, load on the other; acknowledged means on the disk. The Go Collector beside it, otlp to nop."""
import json
import os
import socket
import time
import urllib.request

from . import peers
from .tools import KISEKI, LOAD_CORE, SERVER_CORE, Peak, Server, disk_bytes, folder, output, process_cpu_seconds

SECONDS = 60  # of load a row; bench/run --seconds


def load(address, protocol, connections, seconds, *options):
    words = ["taskset", "-c", LOAD_CORE, KISEKI, "load", "--to", address.removeprefix("http://"), "--protocol", protocol,
             "--connections", connections, "--duration", f"{seconds}s", "--report", "json", *options]
    report = json.loads(output(words))
    if report["requestsFailed"]:
        raise RuntimeError(f"load: {report['requestsFailed']} requests failed: {report['firstFailure']}")
    return report


def metric(server, name):
    text = urllib.request.urlopen(server.address["metrics"], timeout=10).read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)


def settle(server):
    """Waits until what was acknowledged is in segments and the log is small again."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and metric(server, "kiseki_store_head_spans") > 0:
        time.sleep(0.2)


def one(table, protocol, connections, seconds, *options, title="", goals=True):
    data = folder(f"ingest-{protocol}-{connections}{title.replace(' ', '-')}")
    with Server(data, "--flush-after", "2s") as server, Peak(server.pid) as peak:
        before = process_cpu_seconds(server.pid)
        report = load(server.address["grpc" if protocol == "grpc" else "http"], protocol, connections, seconds, *options)
        cpu = process_cpu_seconds(server.pid) - before
        spans = report["spansAcknowledged"]
        slowest_sync_ms = metric(server, "kiseki_store_sync_max_seconds") * 1e3
        settle(server)
        size = disk_bytes(data)
    name = f"OTLP/{protocol}, {connections} connections{title}"
    gap = report["largestGapMs"]
    table.row(f"{name}: acknowledged spans/s", f"{report['spansPerSecond']:,.0f}", ">= 200,000" if goals else "")
    table.row(f"{name}: CPU us a span", f"{cpu / spans * 1e6:.2f}", "<= 5" if goals else "")
    table.row(f"{name}: peak memory, MiB, with / without file pages", f"{peak.rss:.0f} / {peak.anon:.0f}", "<= 256" if goals else "")
    table.row(f"{name}: largest gap between answers, ms (slowest sync)", f"{gap:.0f} ({slowest_sync_ms:.0f})",
              "<= 100 beyond the sync" if goals else "")
    table.row(f"{name}: bytes on disk a span, all in", f"{size / spans:.1f}", "<= 80" if goals and not title else "")


def fresh_search(table):
    """From the answer to the first search that shows the span."""
    waits = []
    with Server(folder("fresh")) as server:
        for _ in range(50):
            trace = os.urandom(16).hex()
            now = time.time_ns()
            body = {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "fresh"}}]},
                    "scopeSpans": [{"spans": [{"traceId": trace, "spanId": trace[-16:], "name": "one", "kind": 1,
                                               "startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 1000)}]}]}]}
            request = urllib.request.Request(server.address["http"].rstrip("/") + "/v1/traces", json.dumps(body).encode(),
                                             {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=10).read()
            answered = time.monotonic()
            while trace not in urllib.request.urlopen(server.address["query"] + "/api/traces?service=fresh&limit=1", timeout=10).read().decode():
                pass
            waits.append((time.monotonic() - answered) * 1e3)
    waits.sort()
    table.row("from the answer to the first search that shows the span, ms, p50 / largest of 50", f"{waits[25]:.1f} / {waits[-1]:.1f}", "<= 100")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def collector(table, protocol, connections, seconds):
    peers.collector()
    grpc, http = free_port(), free_port()
    process = peers.start_collector(grpc, http, SERVER_CORE)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", grpc), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        before = process_cpu_seconds(process.pid)
        address = f"127.0.0.1:{grpc if protocol == 'grpc' else http}"
        with Peak(process.pid) as peak:
            report = load(address, protocol, connections, seconds)
        cpu = process_cpu_seconds(process.pid) - before
    finally:
        process.terminate()
        process.wait()
    table.row(f"peer: Go Collector, otlp/{protocol} to nop, {connections} connections: spans/s", "", "",
              f"{report['spansPerSecond']:,.0f} spans/s, {cpu / report['spansAcknowledged'] * 1e6:.2f} us a span, {peak.rss:.0f} MiB")


def run(table, short):
    seconds = 6 if short else SECONDS
    table.note(f"{seconds} s of load a row.")
    for protocol in ("grpc", "http"):
        for connections in (1, 8, 64):
            one(table, protocol, connections, seconds)
        collector(table, protocol, 8, min(seconds, 30))
    one(table, "grpc", 8, seconds, "--harsh", title=", harsh mix", goals=False)
    fresh_search(table)
