"""Start after kill -9 with the largest log that the defaults allow."""
import time

from . import ingest
from .tools import Server, disk_bytes, folder


def run(table, short):
    data = folder("restart")
    seconds = 5 if short else 30
    server = Server(data)
    try:
        ingest.load(server.address["grpc"], "grpc", 8, seconds)
        largest = 0
        for _ in range(40): # let the log be as long as it gets: stop while a head is nearly full
            head = ingest.metric(server, "kiseki_store_head_bytes")
            if head < largest:
                break
            largest = head
            ingest.load(server.address["grpc"], "grpc", 1, 1, "--rate", 40_000)
    finally:
        server.kill()
    log = sum(path.stat().st_size for path in data.rglob("*") if "wal" in path.name or "log" in path.name)
    with Server(data) as again:
        replayed = ingest.metric(again, "kiseki_store_replayed_spans_total")
        table.row("start after kill -9: seconds until ready", f"{again.start_seconds:.2f}", "< 2",
                  f"{replayed:,.0f} spans replayed, {log / 2**20:.0f} MiB of log, {disk_bytes(data) / 2**20:.0f} MiB in all")
