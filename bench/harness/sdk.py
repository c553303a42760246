"""Recording: instructions a span until its OTLP bytes are ready, and how two threads do beside one."""
import re
import subprocess

from . import peers
from .tools import BUILD, output, values

BENCH = BUILD / "bench/sdk_sdk_bench"
PAIRS = 5120  # what `sdk_bench count` does, once warm


def pair(mode):
    """Instructions of two spans, start-up left out: callgrind counts inside the bench's counted function alone."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=counted_pairs",
                           str(BENCH), mode], capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1)) / PAIRS


def run(table, short):
    what = "two spans interleaved, 6 attributes each, OTLP bytes ready: instructions a span"
    for mode, how in (("count", "values in the source"), ("count-run-time", "values of run time, C texts"), ("count-lists", "one list at the start")):
        table.row(f"{what}, {how}", f"{pair(mode) / 2:,.0f}", "<= 1,500")
    text = output([BENCH])
    for line in text.splitlines():
        threads = re.match(r"(batcher .*?)  +one ([\d.]+) M spans/s, two ([\d.]+) M spans/s: ([\d.]+) times", line)
        if threads:
            table.row(f"two threads beside one, {threads.group(1)}: throughput by thread CPU time", f"{threads.group(4)} x",
                      ">= 1.9 x" if "stopped" in line else "")
    whole = re.search(r"pair: 2 x \(start, 6 x set, end\), OTLP bytes.*?([\d.]+) ns a span", text)
    go = values(output([peers.go_sdk(), 100_000 if short else 400_000]))
    go_ns, ours_ns = go["go_sdk_cpu_ns_per_span"], float(whole.group(1))
    table.row("a span with 6 attributes to OTLP bytes, all threads: CPU ns", f"{ours_ns:,.0f}", "",
              f"opentelemetry-go 1.47: {go_ns:,.0f} ({go_ns / ours_ns:.1f} x)")
