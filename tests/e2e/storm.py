"""storm.py [SECONDS] [SEED] - everything at once, against a server built with a sanitizer (`./dev storm`).

Twenty-four guests, each of a kind below, send good and broken requests over every way in, ask while others ask, hang up
in the middle, and repeat themselves; the head is small and so is the disk, so files are written and deleted all the
time. One fault of the memory or a race ends such a server at once, and then the storm has failed. It has failed, too,
when an answer is none that the protocol allows, or when a trace that was acknowledged is not there. What is random comes
from SEED, which is printed.
"""

import collections
import gzip
import http.client
import json
import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.parse

import h2raw
import jaeger
import zstandard
from otlp import JSON, PROTOBUF, Grpc, Http, put, request, span, to_json
from server import Server

MIB = 1 << 20
GUESTS = 24
GOOD_STATUS = {200, 400, 404, 405, 408, 411, 413, 415, 421, 429, 431, 501, 503, 505}
OPTIONS = ["--head-bytes", "4MiB", "--flush-after", "1s", "--query-threads", "3", "--memory-limit", "80MiB"]
# What AddressSanitizer keeps of freed memory is not what this looks at.
ENV = {"ASAN_OPTIONS": "quarantine_size_mb=16:detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1", "TSAN_OPTIONS": "halt_on_error=1"}


class Guest:
    """One thread of the storm. What it did is in `counts`, what was acknowledged in the storm's `kept`."""

    def __init__(self, storm, number):
        self.storm, self.server = storm, storm.server
        self.random = random.Random(f"{storm.seed} {number}")
        self.counts = {}
        self.deed = [self.send_http, self.send_grpc, self.send_broken, self.send_raw, self.send_frames, self.ask][number % 6]
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.storm.is_over.is_set():
            try:
                outcome = self.deed()
            except (OSError, http.client.HTTPException) as error:
                outcome = type(error).__name__  # it hung up on us, or we were too slow: allowed, unless it is gone
                if not self.server.alive():
                    return
            except Exception as error:  # an answer that may not be, or cannot be read
                self.storm.failures.append(f"{self.deed.__name__}: {type(error).__name__}: {str(error)[:1000]}")
                return
            name = f"{self.deed.__name__} {outcome}"
            self.counts[name] = self.counts.get(name, 0) + 1

    # -- what is sent --------------------------------------------------------------------------------

    def some_id(self, size):
        return self.random.randbytes(size - 1) + b"\1"

    def batch(self):
        """A good request, and the traces in it with how many spans each has."""
        rnd, spans, traces = self.random, [], {}
        for _ in range(rnd.choice([1, 1, 3, 20])):
            trace_id = self.some_id(16)
            parent = b""
            for _ in range(rnd.choice([1, 5, 60])):
                one = span(trace_id, self.some_id(8), rnd.choice(["GET /", "SELECT", "märz", "x" * 300]), parent, kind=rnd.randrange(6))
                put(one, "http.route", string_value=rnd.choice(["/a", "/b/{id}", ""]))
                put(one, "n", int_value=rnd.getrandbits(63) - (1 << 62))
                put(one, "padding", bytes_value=rnd.randbytes(rnd.choice([0, 10, 400])))
                if rnd.random() < 0.1:
                    one.status.code = 2
                parent = rnd.choice([parent, one.span_id])
                spans.append(one)
                traces[trace_id.hex()] = traces.get(trace_id.hex(), 0) + 1
        rnd.shuffle(spans)
        return request(spans, rnd.choice(["shop", "bank", "post", f"one-off-{rnd.randrange(2000)}"])), traces

    def coded(self, body):
        coding = self.random.choice([None, None, "gzip", "zstd"])
        if coding == "gzip":
            return gzip.compress(body, 1), {"Content_Encoding": "gzip"}
        if coding == "zstd":
            return zstandard.compress(body, 1), {"Content_Encoding": "zstd"}
        return body, {}

    def spoil(self, body):
        """Some bytes changed, taken away, doubled, or put in from elsewhere."""
        out, rnd = bytearray(body), self.random
        for _ in range(rnd.choice([1, 1, 2, 10])):
            at = rnd.randrange(len(out) + 1)
            how = rnd.randrange(4)
            if how == 0 and at < len(out):
                out[at] ^= 1 << rnd.randrange(8)
            elif how == 1:
                del out[at:at + rnd.choice([1, 4, 100])]
            elif how == 2:
                out[at:at] = out[at:at + rnd.choice([1, 8, 200])]
            else:
                out[at:at] = rnd.choice([b"\xff" * 10, b"\0", b"\x80", b"{", b'"', b"[" * 200, b"1e999", rnd.randbytes(5)])
        return bytes(out)

    # -- the deeds -----------------------------------------------------------------------------------

    def send_http(self):
        """Good requests over one connection, many with a key, some with a key that was there already."""
        with Http(self.server.http) as connection:
            for _ in range(self.random.randrange(1, 20)):
                message, traces = self.batch()
                kind = self.random.choice([PROTOBUF, PROTOBUF, JSON])
                body, headers = self.coded(to_json(message) if kind == JSON else message.SerializeToString())
                if self.random.random() < 0.7:
                    headers["idempotency_key"] = f"{self.random.getrandbits(40)}"
                is_repeat = "idempotency_key" in headers and self.random.random() < 0.3
                for _ in range(2 if is_repeat else 1):
                    answer = connection.post(body, kind, **headers)
                    assert answer.status in (200, 429, 503), (answer.status, answer.body)
                if answer.status == 200:
                    self.storm.kept.append(traces)
        return answer.status

    def send_grpc(self):
        with Grpc(self.server.grpc) as channel:
            for _ in range(self.random.randrange(1, 20)):
                message, traces = self.batch()
                is_hasty = self.random.random() < 0.2
                key = [("idempotency-key", f"{self.random.getrandbits(40)}")] if self.random.random() < 0.7 else None
                reply = channel.export(message.SerializeToString(), 0.01 if is_hasty else 60, metadata=key,
                                       compression=self.random.choice([None, 2]))
                assert reply.code in ((0, 4, 8, 14) if is_hasty else (0, 8, 14)), reply
                if reply.code == 0:
                    self.storm.kept.append(traces)
        return reply.code

    def send_broken(self):
        """A good head, and a body that is not what it says."""
        with Http(self.server.http) as connection:
            for _ in range(self.random.randrange(1, 30)):
                message, _ = self.batch()
                kind = self.random.choice([PROTOBUF, JSON])
                body = to_json(message) if kind == JSON else message.SerializeToString()
                if self.random.random() < 0.5:
                    body, headers = self.coded(self.spoil(body))
                else:
                    body, headers = self.coded(body)
                    body = self.spoil(body)
                answer = connection.post(body, kind, **headers)
                assert answer.status in GOOD_STATUS, (answer.status, answer.body)
        return answer.status

    def send_raw(self):
        """Bytes that were a request once, to any listener; or the first half of one, and a slammed door."""
        label = self.random.choice(["OTLP/HTTP", "OTLP/HTTP", "page and query", "OTLP/gRPC", "metrics", "health"])
        message, _ = self.batch()
        body = message.SerializeToString()
        head = (f"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: {PROTOBUF}\r\n"
                f"Content-Length: {len(body)}\r\nidempotency-key: {self.random.randrange(50)}\r\n\r\n").encode()
        if self.random.random() < 0.3:
            head = head.replace(b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:100], body[100:]) if part) + b"0\r\n\r\n"
        data = (head + body) * self.random.choice([1, 1, 3])
        how = self.random.randrange(3)
        if how == 0:
            data = self.spoil(data[:len(head)]) + data[len(head):]
        with socket.create_connection(self.server.port(label), timeout=20) as raw:
            if how == 1:
                raw.sendall(data[:self.random.randrange(len(data))])
                if self.random.random() < 0.5:  # a reset instead of an end
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return "slammed"
            for at in range(0, len(data), max(1, len(data) // 7)):
                raw.sendall(data[at:at + max(1, len(data) // 7)])
            raw.shutdown(socket.SHUT_WR)
            raw.settimeout(30)
            first = raw.recv(65536)
        assert not first or first.startswith((b"HTTP/1.1 ", b"\0\0")), first[:200]
        return first[9:12].decode("latin-1") if first.startswith(b"HTTP") else "closed"

    def send_frames(self):
        """HTTP/2 whose frames have been spoilt, and calls that are reset in the middle."""
        rnd = self.random
        with h2raw.Client(self.server.port(rnd.choice(["OTLP/gRPC", "OTLP/gRPC", "page and query"]))) as client:
            for _ in range(rnd.randrange(1, 8)):
                message, _ = self.batch()
                stream = client.open(more=[("idempotency-key", str(rnd.randrange(50)))])
                body = h2raw.message(message.SerializeToString())[:16000]
                data = h2raw.frame(h2raw.DATA, rnd.choice([0, h2raw.END_STREAM]), stream, body)
                how = rnd.randrange(4)
                if how == 0:
                    data = self.spoil(data[:9]) + data[9:]
                elif how == 1:
                    data += h2raw.frame(h2raw.RST_STREAM, 0, stream, b"\0\0\0\x08")
                elif how == 2:
                    data += self.spoil(h2raw.frame(rnd.randrange(10), rnd.randrange(64), stream, rnd.randbytes(8)))
                if not client.send(data):
                    break
            client.read_some(0.05)
        return "sent"

    def ask(self):
        """The query API, with sense and without; now and then the asker leaves before the answer is there."""
        rnd = self.random
        known = rnd.choice(self.storm.kept) if self.storm.kept else {"0" * 31 + "1": 1}
        trace_id = rnd.choice(list(known))
        service = rnd.choice(["shop", "bank", "nobody", ""])
        now = time.time_ns()
        path = rnd.choice([
            "/api/services", f"/api/services/{service}/operations", f"/api/traces/{trace_id}", f"/api/v3/traces/{trace_id}",
            "/api/traces?" + urllib.parse.urlencode({"service": service, "limit": rnd.choice([1, 20, 1500]), "tags": rnd.choice(
                ['{"error":"true"}', '{"http.route":"/a"}', "{", ""])}),
            "/api/v3/trace-summaries?" + urllib.parse.urlencode({
                "query.service_name": service, "query.start_time_min": rnd.choice(["2026-01-01T00:00:00Z", "soon"]),
                "query.start_time_max": "2100-01-01T00:00:00Z", "query.search_depth": rnd.choice([1, 100, -1])}),
            "/api/v3/services", "/api/v3/operations?service=" + service, "/api/kiseki/server", f"/trace/{trace_id}",
            f"/api/traces?service={service}&start={now // 1000 - 10**7}&end={now // 1000}&minDuration=1ms",
        ])
        connection = http.client.HTTPConnection(*self.server.port("page and query"), timeout=60)
        try:
            connection.request("GET", path)
            if rnd.random() < 0.1:
                return "left"
            answer = connection.getresponse()
            if rnd.random() < 0.1:
                answer.read(100)
                return "left in the middle"
            body = answer.read()
        finally:
            connection.close()
        assert answer.status in GOOD_STATUS, (path, answer.status, body[:300])
        if answer.status == 200 and path.startswith("/api"):
            json.loads(body, parse_constant=jaeger.no_constant)
        return answer.status


class Storm:
    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.kept, self.failures = [], []  # list.append is atomic
        self.is_over = threading.Event()

    def rage(self, seconds):
        guests = [Guest(self, number) for number in range(GUESTS)]
        for guest in guests:
            guest.thread.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.server.alive() and not self.failures:
            time.sleep(0.1)
        self.is_over.set()
        for guest in guests:
            guest.thread.join(120)
            assert not guest.thread.is_alive(), f"{guest.deed.__name__} hangs (seed {self.seed})"
        assert self.server.alive(), f"the server ended (seed {self.seed}): {self.server.stderr[-6000:]}"
        assert not self.failures, f"seed {self.seed}: {self.failures}"
        return sum((collections.Counter(guest.counts) for guest in guests), collections.Counter())


def look_for(server, kept, count, rnd):
    """Those of `count` of the acknowledged traces that are not there whole."""
    for traces in rnd.sample(kept, min(count, len(kept))):
        for trace_id, spans in traces.items():
            found = jaeger.v3_trace(server, trace_id)
            if found is None or len(found) != spans:
                yield trace_id, spans, found and len(found)


def run(seconds, seed, data, options=()):
    """A storm, an orderly end, a new start. Answers how many batches were acknowledged."""
    server = Server(data, *OPTIONS, *options, env=ENV).start(120)
    try:
        storm = Storm(server, seed)
        counts = storm.rage(seconds)
        assert storm.kept, f"nothing was taken: {counts}"
        is_bounded = "--keep-bytes" in options
        if not is_bounded:
            lost = list(look_for(server, storm.kept, 300, random.Random(seed)))
            assert not lost, f"acknowledged and not there (seed {seed}): {lost[:10]}"
        server.signal()
        assert server.wait(120) == 0, f"seed {seed}: {server.stderr[-6000:]}"
        server = Server(data, *OPTIONS, *options, env=ENV).start(120)
        if not is_bounded:
            lost = list(look_for(server, storm.kept, 300, random.Random(seed + 1)))
            assert not lost, f"acknowledged and not there after a new start (seed {seed}): {lost[:10]}"
        server.signal()
        assert server.wait(120) == 0, f"seed {seed}: {server.stderr[-6000:]}"
        return len(storm.kept), counts
    finally:
        server.kill()


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "big")
    for options in ((), ("--keep-bytes", "24MiB")):
        folder = tempfile.mkdtemp(prefix="kiseki-storm-", dir="/var/tmp")
        try:
            kept, counts = run(seconds, seed, folder + "/data", options)
        except AssertionError as failed:
            sys.exit(f"FAILED: storm ({failed})")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"storm of {seconds} s, seed {seed}{' ' if options else ''}{' '.join(options)}: {kept} batches acknowledged")
        for name, count in sorted(counts.items()):
            print(f"    {name}: {count}")


if __name__ == "__main__":
    main()
