"""Ten minutes of load with a search every second: what holds for a minute must hold for as long as anybody waits. Retention by bytes sets in on the way."""
import json
import random
import threading
import time

from . import ingest
from .query import Asker, summaries_path
from .tools import Peak, Server, disk_bytes, folder, process_cpu_seconds

SECONDS = 600


class Searches(threading.Thread):
    """Asks for the newest 20 traces of some service once a second; remembers how long each took."""

    def __init__(self, server):
        super().__init__()
        self.server, self.took_ms, self.empty, self.stopped = server, [], 0, threading.Event()

    def run(self):
        asker, pick = Asker(self.server), random.Random(3)
        while not self.stopped.wait(1):
            services = json.loads(asker.get("/api/services"))["data"]
            if not services:
                continue
            start = time.perf_counter()
            answer = asker.get(summaries_path(pick.choice(services)))
            self.took_ms.append((time.perf_counter() - start) * 1e3)
            self.empty += b"traceId" not in answer

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()


def run(table, short):
    seconds = 20 if short else SECONDS
    data = folder("endure")
    with Server(data) as server, Peak(server.pid) as peak, Searches(server) as searches:
        before = process_cpu_seconds(server.pid)
        report = ingest.load(server.address["grpc"], "grpc", 8, seconds)
        cpu = process_cpu_seconds(server.pid) - before
        slowest_sync_ms = ingest.metric(server, "kiseki_store_sync_max_seconds") * 1e3
    spans, took = report["spansAcknowledged"], sorted(searches.took_ms)
    if searches.empty:
        raise RuntimeError(f"{searches.empty} of {len(took)} searches found nothing")
    name = f"OTLP/grpc, 8 connections, {seconds} s, a search every second"
    table.row(f"{name}: acknowledged spans/s", f"{report['spansPerSecond']:,.0f}", ">= 200,000")
    table.row(f"{name}: CPU us a span, searches included", f"{cpu / spans * 1e6:.2f}", "<= 5")
    table.row(f"{name}: peak memory, MiB, with / without file pages", f"{peak.rss:.0f} / {peak.anon:.0f}", "<= 256")
    table.row(f"{name}: largest gap between answers, ms (slowest sync)", f"{report['largestGapMs']:.0f} ({slowest_sync_ms:.0f})", "<= 100 beyond the sync")
    table.row(f"{name}: search, ms p50 / p99 / largest",
              f"{took[len(took) // 2]:.1f} / {took[len(took) * 99 // 100]:.1f} / {took[-1]:.1f}")
    table.row(f"{name}: spans acknowledged; GiB on disk at the end", f"{spans:,} / {disk_bytes(data) / 2**30:.1f}")
