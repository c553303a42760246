"""Running programs, counting what they cost."""
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "bench"
KISEKI = BUILD / "bin" / "kiseki"
PEERS = ROOT / "build" / "peers"
SERVER_CORE, LOAD_CORE = 0, min(1, (os.cpu_count() or 1) - 1)
HZ = os.sysconf("SC_CLK_TCK")


def output(command, **options):
    """What a command prints; its failure is ours."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


def values(text):
    """{"name": number} from words like name=1.5 and lines like 'name 1.5'."""
    found = {name: float(number) for name, number in re.findall(r"(\w+)[= ](-?\d+(?:\.\d+)?)", text)}
    return found


def instructions(command_for, small, large):
    """User-mode instructions that (large - small) rounds cost: callgrind counts twice, the difference is the rounds alone."""
    def count(rounds):
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *map(str, command_for(rounds))],
                              capture_output=True, text=True)
        found = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode != 0 or not found:
            raise RuntimeError(f"callgrind: {done.stderr.strip()[-600:]}")
        return int(found.group(1))
    return count(large) - count(small)


def child_cpu_seconds(command, **options):
    """CPU seconds, user and system, of a whole command; and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = output(command, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, text


def process_cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def memory_mib(pid):
    """(VmRSS, RssAnon) in MiB."""
    text = open(f"/proc/{pid}/status").read()
    kib = {name: int(number) for name, number in re.findall(r"(VmRSS|RssAnon):\s+(\d+)", text)}
    return kib["VmRSS"] / 1024, kib["RssAnon"] / 1024


def disk_bytes(folder):
    return sum(path.stat().st_blocks * 512 for path in pathlib.Path(folder).rglob("*") if path.is_file())


def drop_page_cache():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("1")


class Peak:
    """The largest memory of a process, looked at every 20 ms while in the `with`."""

    def __init__(self, pid):
        self.pid, self.rss, self.anon, self.stop = pid, 0.0, 0.0, threading.Event()

    def watch(self):
        while not self.stop.wait(0.02):
            try:
                rss, anon = memory_mib(self.pid)
            except OSError:
                return
            self.rss, self.anon = max(self.rss, rss), max(self.anon, anon)

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Server:
    """`kiseki serve` on a core of its own, ports chosen by the system."""

    LABELS = {"page and query": "query", "OTLP/gRPC": "grpc", "OTLP/HTTP": "http", "health": "health", "metrics": "metrics"}

    def __init__(self, data, *options, core=SERVER_CORE):
        self.data = data
        command = ["taskset", "-c", str(core), str(KISEKI), "serve", "--data", str(data), "--cores", "1"]
        for name in ("query", "otlp-grpc", "otlp-http", "health", "metrics"):
            command += [f"--{name}", "127.0.0.1:0"]
        self.log = tempfile.TemporaryFile()
        started = time.monotonic()
        self.process = subprocess.Popen(command + list(options), stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.address = {}
        for line in self.process.stdout:
            if line.strip() == "ready":
                break
            found = re.match(r"  (\S.*?)  +(\S+)", line)
            if found and found.group(1) in self.LABELS:
                self.address[self.LABELS[found.group(1)]] = found.group(2)
        else:
            self.log.seek(0)
            raise RuntimeError(f"kiseki serve did not start: {self.log.read().decode()[-600:]}")
        self.start_seconds = time.monotonic() - started
        self.pid = self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.stdout.close()
        return self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()


def folder(name):
    """An empty folder for a run, on the disk of the checkout."""
    path = ROOT / "build" / "bench-data" / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
