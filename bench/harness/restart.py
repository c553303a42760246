"""Start after kill -9 with the largest log that the defaults allow: one full head, and another one being written out."""
import subprocess
import threading

from . import ingest
from .tools import KISEKI, LOAD_CORE, Server, disk_bytes, folder


def kill_with_a_full_log(data, seconds):
    """Runs load as fast as it goes, looks for the most spans that lie in the log alone, then kills near that mark."""
    server = Server(data)
    words = ["taskset", "-c", str(LOAD_CORE), str(KISEKI), "load", "--to", server.address["grpc"], "--duration", "120s", "--timeout", "1s"]
    load = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most, learning = 0, True
    timer = threading.Timer(seconds, lambda: None)
    timer.start()
    try:
        while True:
            spans = ingest.metric(server, "kiseki_store_head_spans")
            learning = timer.is_alive()
            most = max(most, spans) if learning else most
            if not learning and spans >= most * 0.9:
                break
    finally:
        server.kill()
        load.kill()
        load.wait()


def run(table, short):
    data = folder("restart")
    kill_with_a_full_log(data, 3 if short else 20)
    log = sum(path.stat().st_size for path in data.glob("*.wal"))
    with Server(data) as again:
        replayed = ingest.metric(again, "kiseki_store_replayed_spans")
        table.row("start after kill -9: seconds until ready", f"{again.start_seconds:.2f}", "< 2",
                  f"{replayed:,.0f} spans replayed, {log / 2**20:.0f} MiB of log, {disk_bytes(data) / 2**20:.0f} MiB in all")
