"""One `kiseki serve` of a test: started on free ports, watched, stopped or killed.

What it prints on stdout is a promise to scripts, and read here as one does:

      page and query   http://127.0.0.1:16686
      OTLP/gRPC        127.0.0.1:4317
      ...
    ready
"""

import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("KIS_TEST_BIN", ROOT / "build" / "release" / "bin"))
PROGRAM = BIN / "kiseki"

LOOPBACK = "127.0.0.1:0"
LISTENERS = {"query": LOOPBACK, "otlp-grpc": LOOPBACK, "otlp-http": LOOPBACK, "health": LOOPBACK, "metrics": LOOPBACK}
READY_LINE = re.compile(r"^  (\S.*?)  +(\S.*)$")


class StartFailed(Exception):
    """The server ended, or did not say `ready` in time."""


def until(look, seconds=10.0, why="the condition"):
    """Calls `look` until it answers something true, and returns that."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{why}: not within {seconds} s"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


class Server:
    """`options` are further command line arguments; listeners={"query": "127.0.0.1:1234"} moves or (None) leaves out one;
    keep_data=False gives it no --data."""

    def __init__(self, data, *options, listeners=None, env=None, wrapper=(), user=None, keep_data=True):
        self.data = pathlib.Path(data)
        addresses = {**LISTENERS, **(listeners or {})}
        self.command = [*wrapper, str(PROGRAM), "serve", *(["--data", str(data)] if keep_data else [])]
        for name, address in addresses.items():
            if address is not None:
                self.command += [f"--{name}", address]
        self.command += options
        self.env = {**os.environ, **(env or {})}
        self.user = user
        self.process = None
        self.lines = []
        self.stderr = ""

    def start(self, seconds=30.0):
        begin = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env,
                                        text=True, errors="backslashreplace", user=self.user)
        self._ready = threading.Event()
        self._readers = [threading.Thread(target=reader, daemon=True) for reader in (self._read_out, self._read_err)]
        for reader in self._readers:
            reader.start()
        while not self._ready.wait(0.005):
            if self.process.poll() is not None:
                self._join()
                raise StartFailed(f"exit {self.process.returncode}: {self.stderr.strip()}")
            if time.monotonic() - begin > seconds:
                self.kill()
                raise StartFailed(f"not ready after {seconds} s: {self.lines} {self.stderr.strip()}")
        self.start_seconds = time.monotonic() - begin
        return self

    def _read_out(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.strip() == "ready":
                self._ready.set()

    def _read_err(self):
        for line in self.process.stderr:
            self.stderr += line

    def _join(self):
        for reader in self._readers:
            reader.join(5)

    def address(self, label):
        for line in self.lines:
            match = READY_LINE.match(line)
            if match and match.group(1) == label:
                return match.group(2)
        raise AssertionError(f"no line '{label}' among {self.lines}")

    @property
    def query(self):
        return self.address("page and query")

    @property
    def grpc(self):
        return self.address("OTLP/gRPC")

    @property
    def http(self):
        return self.address("OTLP/HTTP")

    @property
    def metrics(self):
        return self.address("metrics")

    @property
    def health(self):
        return self.address("health")

    def port(self, label):
        """The (host, port) of a listener, for a plain socket."""
        address = self.address(label)
        parts = urllib.parse.urlsplit(address if "//" in address else "//" + address)
        return parts.hostname, parts.port

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def memory(self, what="VmHWM"):
        """Bytes of one of the kernel's counts: VmRSS now, VmHWM at its highest, RssAnon without file pages."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE).group(1)) * 1024

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels: what is counted is asked as an operator would."""
        with urllib.request.urlopen(self.metrics, timeout=10) as answer:
            rows = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines()]
        mine = [(key, value) for key, value in rows if key.partition("{")[0] == name]
        assert mine, f"no metric {name}"
        return sum(float(value) for key, value in mine if all(f'{label}="{text}"' in key for label, text in labels.items()))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=30.0):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running {seconds} s after it was told to end; stderr: {self.stderr[-2000:]}")
        self._join()
        return code

    def stop(self):
        """Asks it to end and insists on a clean end."""
        if not self.alive():
            raise AssertionError(f"it had ended before with {self.process.returncode}: {self.stderr[-3000:]}")
        self.signal()
        code = self.wait()
        assert code == 0, f"exit {code} after SIGTERM; stderr: {self.stderr[-3000:]}"

    def kill(self):
        if self.alive():
            self.process.kill()
            self.process.wait()
            self._join()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()
