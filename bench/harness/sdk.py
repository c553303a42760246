"""Recording: instructions a span until its OTLP bytes are ready, and how two threads do beside one."""
from . import peers
from .tools import BUILD, instructions, output, values

BENCH = BUILD / "bench/native_sdk_bench"


def run(table, short):
    rounds = 2_000 if short else 20_000
    pair = instructions(lambda n: [BENCH, "pair", n], rounds // 10, rounds // 10 + rounds) / rounds
    table.row("two spans interleaved, 6 attributes each, OTLP bytes ready: instructions, both together", f"{pair:,.0f}",
              "<= 1,500", f"a span: {pair / 2:,.0f}")
    count = 200_000 if short else 2_000_000
    figures = values(output([BENCH, "threads", count]))
    table.row("two threads beside one, batcher stopped: throughput by thread CPU time", f"{figures['stopped_ratio']:.2f} x", ">= 1.9 x")
    table.row("the same with the batcher running", f"{figures['running_ratio']:.2f} x")
    ours = values(output([BENCH, "whole", count]))
    go = values(output([peers.go_sdk(), 100_000 if short else 400_000]))
    table.row("a span, all threads, to OTLP bytes: CPU ns", f"{ours['cpu_ns_per_span']:,.0f}", "",
              f"opentelemetry-go: {go['go_sdk_cpu_ns_per_span']:,.0f} ({go['go_sdk_cpu_ns_per_span'] / ours['cpu_ns_per_span']:.1f} x)")
