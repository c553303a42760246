"""Decoding: OTLP protobuf beside protobuf C++, OTLP/JSON beside V8's JSON.parse. One request of workload T, the same for all."""
import http.server
import threading

from . import peers
from .tools import BUILD, KISEKI, ROOT, child_cpu_seconds, folder, instructions, output, values

SPANS = 512


def request(form):
    """One request as `kiseki load` sends it, caught by a server that says yes to everything."""
    bodies = []

    class Catcher(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            answer = b"" if form == "pb" else b"{}"
            self.send_response(200)
            self.send_header("content-type", self.headers["content-type"])
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Catcher) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        output([KISEKI, "load", "--to", f"127.0.0.1:{server.server_port}", "--protocol", "http" if form == "pb" else "json",
                "--connections", 1, "--count", SPANS, "--spans-per-request", SPANS, "--seed", 7])
        server.shutdown()
    path = folder(f"request-{form}") / f"request.{form}"
    path.write_bytes(bodies[0])
    return path


def decode(table, short):
    path = request("pb")
    rounds = 3 if short else 10
    ours = instructions(lambda n: [BUILD / "bench/wire_otlp_decode_bench", path, n], 1, 1 + rounds) / rounds / SPANS
    size = path.stat().st_size / SPANS
    program = peers.protobuf_cpp()
    theirs = instructions(lambda n: [program, path, n], 1, 1 + rounds) / rounds / SPANS
    table.row("decode OTLP protobuf, limits, UTF-8: instructions a span", f"{ours:,.0f}", "<= 3,000",
              f"protobuf C++ with arena: {theirs:,.0f} ({theirs / ours:.1f} x)")
    encode = instructions(lambda n: [BUILD / "bench/wire_otlp_encode_bench", path, n], 1, 1 + rounds) / rounds / SPANS
    table.row("encode the same from views: instructions a span", f"{encode:,.0f}")
    table.note(f"Workload T, {size:.0f} bytes a span.")


def json(table, short):
    path = request("json")
    rounds = 100 if short else 1000
    ours, _ = child_cpu_seconds([BUILD / "bench/wire_otlp_json_bench", path, rounds])
    base, _ = child_cpu_seconds([BUILD / "bench/wire_otlp_json_bench", path, 1])
    text = output(["node", ROOT / "bench/peers/json_parse.mjs", path, rounds])
    theirs = values(text)["ns_per_span"]
    mine = (ours - base) / (rounds - 1) / SPANS * 1e9
    version = output(["node", "-p", "process.versions.v8"]).strip()
    table.row("decode OTLP/JSON: CPU ns a span", f"{mine:,.0f}", ">= 4 x faster than V8",
              f"V8 {version} JSON.parse of the same text: {theirs:,.0f} ({theirs / mine:.1f} x)")
