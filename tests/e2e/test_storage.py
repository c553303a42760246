"""What the store must do when its disk fails, is full, is damaged or is not its own: rows 55 to 64.

The disk fails through faults.c, loaded before the server; damage is done to the files themselves. The one
question behind every test: is each acknowledged span there, or is it said which are not?
"""

import json
import os
import random
import re
import shlex
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import jaeger
from conftest import FULL
from load import SPANS, Load, missing, one_request
from otlp import Grpc, Http, failure, new_trace_id, post, request, retry_delay, span, success
from server import PROGRAM, ROOT, Server, StartFailed, until

UNAVAILABLE = 14
MIB = 1 << 20


@pytest.fixture(scope="session")
def faults_library():
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler for faults.c")
    out = ROOT / "build" / "e2e-faults.so"
    subprocess.run([compiler, "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(out),
                    str(ROOT / "tests" / "e2e" / "faults.c"), "-ldl"], check=True)
    return out


class Faults:
    """The file that faults.c reads: `begin("write ENOSPC 1")`, `end()`."""

    def __init__(self, folder, library):
        self.path = folder / "faults"
        self.env = {"LD_PRELOAD": str(library), "KIS_FAULTS": str(self.path)}

    def begin(self, line):
        self.path.with_suffix(".new").write_text(line)
        self.path.with_suffix(".new").rename(self.path)

    def end(self):
        self.path.unlink(missing_ok=True)


@pytest.fixture
def faults(data, faults_library):
    data.parent.mkdir(exist_ok=True)
    return Faults(data.parent, faults_library)


def send(connection):
    """(status, trace id) of one request."""
    trace_id = new_trace_id()
    return connection.post(one_request(trace_id)), trace_id.hex()


def stored_after_restart(server, own_server, acknowledged):
    """Kills the server as rudely as can be and looks for what it had acknowledged."""
    server.kill()
    again = own_server()
    assert missing(again, acknowledged) == []
    return again


def banner(server):
    """What the page shows above everything else."""
    return jaeger.get(server.query, "/api/services").notice


# -- 55: no room -------------------------------------------------------------------------------------

@pytest.mark.parametrize("fault, count, sentence", [
    ("write ENOSPC 1", "write_errors", "no space left on the disk"), ("write ENOSPC 3", "write_errors", "no space left on the disk"),
    ("disk LEFT 0", "refused_disk", "the disk is nearly full"), ("disk LEFT 4", "refused_disk", "the disk is nearly full"),
])
def test_row55_a_full_disk_is_said_so_that_senders_retry_and_heals_by_itself(own_server, faults, fault, count, sentence):
    server = own_server(env=faults.env)
    acknowledged = []
    with Http(server.http) as connection, Grpc(server.grpc) as channel:
        for _ in range(10):
            answer, trace_id = send(connection)
            success(answer)
            acknowledged.append(trace_id)
        faults.begin(fault)

        def refused():
            answer, trace_id = send(connection)
            if answer.status == 200:
                acknowledged.append(trace_id)
                return None
            return answer
        answer = until(refused, 30, "a refusal")
        status = failure(answer, 503)
        assert 1 <= int(answer.headers["Retry-After"]) <= 60, "when to try again"
        assert retry_delay(status) == int(answer.headers["Retry-After"])
        assert (status.code, status.message) == (UNAVAILABLE, sentence)

        def refused_grpc():
            trace_id = new_trace_id()
            reply = channel.export(one_request(trace_id))
            if reply.code == 0:
                acknowledged.append(trace_id.hex())
            return reply if reply.code else None
        reply = until(refused_grpc, 30, "a refusal over gRPC")
        assert reply.code == UNAVAILABLE, reply
        assert retry_delay(reply.details) == retry_delay(status) and reply.message == sentence
        assert server.metric(f"kiseki_store_{count}_total") >= 2 and server.metric("kiseki_receiver_requests_no_room_total") >= 2
        assert server.metric("otelcol_receiver_refused_spans_total") >= 2 * SPANS
        assert re.search(r"ERROR store: .*(no space|nearly full)", server.stderr), "an operator hears of it"
        assert missing(server, acknowledged) == [], "what was acknowledged can be read while the disk is full"
        is_reserve = count == "refused_disk"
        assert ("The disk is nearly full" if is_reserve else "No space is left on the disk") in banner(server)
        assert server.metric("kiseki_store_disk_full") == is_reserve
        assert server.metric("kiseki_store_write_failing") == (not is_reserve)
        faults.end()

        def taken():
            answer, trace_id = send(connection)
            if answer.status == 200:
                acknowledged.append(trace_id)
            return answer.status == 200
        until(taken, 30, "taking spans again without a restart")
        assert server.metric("kiseki_store_disk_full") == 0
        assert banner(server) == "", "it goes away when writing works again"
    stored_after_restart(server, own_server, acknowledged).stop()


def test_the_last_20th_of_a_disk_is_not_used_and_a_fifth_of_what_is_free_is_the_bound(own_server, faults, data):
    faults.begin("disk LEFT 6")
    server = own_server(env=faults.env)
    success(post(server.http, one_request(new_trace_id())))
    disk = os.statvfs(data)
    free = disk.f_blocks // 100 * 6 * disk.f_frsize
    assert abs(server.metric("kiseki_store_disk_limit_bytes") - min(free // 5, 10 << 30)) <= 4 * MIB
    faults.begin("disk LEFT 4")
    until(lambda: post(server.http, one_request(new_trace_id())).status == 503, 30, "a refusal")
    faults.begin("disk LEFT 6")
    until(lambda: post(server.http, one_request(new_trace_id())).status == 200, 30, "taking spans again")
    server.stop()


def test_row55_a_disk_that_is_full_now_and_then_under_load_loses_nothing(own_server, faults):
    server = own_server(env=faults.env)
    load = Load(server)
    for number in range(20 if not FULL else 200):
        faults.begin(f"write ENOSPC {number % 7 + 1}")
        time.sleep(0.05)
        faults.end()
        time.sleep(0.05)
    until(lambda: load.answers.get(200, 0) > 50, 30)
    acknowledged = load.stop()
    assert load.answers.get(503), f"the faults never showed: {load.answers}"
    assert set(load.answers) <= {200, 503}, load.answers
    stored_after_restart(server, own_server, acknowledged).stop()


# -- 56: fsync fails ---------------------------------------------------------------------------------

def test_row56_nothing_is_acknowledged_that_could_not_be_synced(own_server, faults):
    server = own_server(env=faults.env)
    acknowledged = []
    with Http(server.http) as connection:
        for _ in range(5):
            answer, trace_id = send(connection)
            success(answer)
            acknowledged.append(trace_id)
        faults.begin("sync EIO 1")
        for _ in range(5):
            answer, _ = send(connection)
            status = failure(answer, 503)
            assert status.message == "the log cannot be written" and retry_delay(status), "it may be tried again"
        assert "The log cannot be written" in banner(server)
        faults.end()

        def taken():
            answer, trace_id = send(connection)
            if answer.status == 200:
                acknowledged.append(trace_id)
            return answer.status == 200
        until(taken, 30, "taking spans again, in another file")
        assert banner(server) == "", "it goes away when writing works again"
        for _ in range(5):
            taken()
    assert server.metric("kiseki_store_sync_errors_total") >= 5
    assert re.search(r"ERROR store: the log failed, its file is not used again: cannot sync '.*log-", server.stderr), "the alarm"
    assert re.search(r"WARN  store: the log was written anew", server.stderr), "elsewhere: a sync that failed once is not tried again on its file"
    stored_after_restart(server, own_server, acknowledged).stop()


def test_row70_a_stop_ends_in_its_time_though_the_disk_hangs(own_server, faults):
    server = own_server("--stop-timeout", "1s", env=faults.env)
    trace_id = new_trace_id()
    success(post(server.http, one_request(trace_id)))
    faults.begin("sync HANG 1")
    body = one_request(new_trace_id())
    with socket.create_connection(server.port("OTLP/HTTP"), timeout=20) as raw:
        raw.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        until(lambda: server.metric("kiseki_store_pending_bytes") > 0, why="it waits for the disk")
        server.signal()
        assert server.wait(30) == 0, "nothing acknowledged is lost"
    assert re.search(r"WARN  stopped in \d+ ms; not finished in time: 1 request, 0 queries, [1-9]\d* bytes of spans that were not acknowledged; "
                     r"the store is not closed: does the disk answer\?$", server.stderr.strip()), server.stderr
    faults.end()
    again = own_server(env=faults.env)
    assert jaeger.v3_trace(again, trace_id.hex())
    again.stop()


def test_row56_a_disk_that_fails_to_sync_now_and_then_under_load_loses_nothing(own_server, faults):
    server = own_server(env=faults.env)
    load = Load(server)
    for number in range(20 if not FULL else 200):
        faults.begin(f"sync EIO {number % 5 + 1}")
        time.sleep(0.05)
        faults.end()
        time.sleep(0.05)
    until(lambda: load.answers.get(200, 0) > 50, 60)
    acknowledged = load.stop()
    assert set(load.answers) <= {200, 503}, load.answers
    stored_after_restart(server, own_server, acknowledged).stop()


# -- 57: writes fail, are short, are interrupted -----------------------------------------------------

@pytest.mark.parametrize("fault", ["write SHORT 1", "write SHORT 2", "write EINTR 2"])
def test_row57_short_and_interrupted_writes_are_carried_on(own_server, faults, fault):
    faults.begin(fault)
    server = own_server(env=faults.env)
    load = Load(server)
    until(lambda: len(load.acknowledged) > 50, 60)
    acknowledged = load.stop()
    assert set(load.answers) == {200}, load.answers
    faults.end()
    stored_after_restart(server, own_server, acknowledged).stop()


def test_row57_failing_writes_are_refused_and_heal(own_server, faults):
    server = own_server(env=faults.env)
    acknowledged = []
    with Http(server.http) as connection:
        for fault in ("write EIO 1", "write EIO 2", "write EIO 5"):
            faults.begin(fault)
            for _ in range(10):
                answer, trace_id = send(connection)
                if answer.status == 200:
                    acknowledged.append(trace_id)
                else:
                    assert retry_delay(failure(answer, 503)), "it may be tried again"
                assert (answer.status == 503) == ("The log cannot be written" in banner(server)), fault
            faults.end()

            def taken():
                answer, trace_id = send(connection)
                if answer.status == 200:
                    acknowledged.append(trace_id)
                return answer.status == 200
            until(taken, 30, "taking spans again")
            assert banner(server) == "", "it goes away when writing works again"
    assert server.metric("kiseki_store_write_errors_total") >= 3
    stored_after_restart(server, own_server, acknowledged).stop()


# -- 59, 60, 61: damage ------------------------------------------------------------------------------

def files(data, *suffixes):
    """The store's files with these suffixes, oldest first."""
    found = [path for path in data.rglob("*") if path.is_file() and (not suffixes or path.suffix in suffixes)]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def fill(server, until_done, padding=4000, seconds=60):
    """Sends large requests until `until_done()`; the acknowledged trace ids in their order."""
    out = []
    deadline = time.monotonic() + seconds
    with Http(server.http) as connection:
        while not until_done():
            assert time.monotonic() < deadline, "no segment was written"
            trace_id = new_trace_id()
            success(connection.post(one_request(trace_id, padding)))
            out.append(trace_id.hex())
    return out


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A stopped store with at least one segment and a log, made once: (folder, trace ids)."""
    folder = tmp_path_factory.mktemp("filled")
    with Server(folder / "data", "--head-bytes", "4MiB") as server:
        ids = fill(server, lambda: files(server.data, ".kseg"))
        ids += fill(server, iter([False] * 20 + [True]).__next__)
    return folder / "data", ids


@pytest.fixture
def copy(filled, data):
    """The filled store, once more, for a test to harm."""
    source, ids = filled
    shutil.copytree(source, data)
    return ids


def test_the_filled_store_is_whole(own_server, copy, data):
    server = own_server()
    assert missing(server, copy) == []
    server.stop()
    done = check(data)
    assert done.returncode == 0, done.stdout + done.stderr


def check(data):
    return subprocess.run([str(PROGRAM), "check", "--data", str(data)], capture_output=True, text=True, timeout=120)


def log_with_records(data):
    """The newest log file that is not all zeros, and where its last written byte is."""
    for path in reversed(files(data, ".wal")):
        content = path.read_bytes().rstrip(b"\0")
        if len(content) > 100:
            return path, len(content)
    raise AssertionError(f"no log with records among {files(data)}")


@pytest.mark.parametrize("harm", ["cut", "garbage", "zeros", "half a sector"])
def test_row59_a_torn_end_of_the_log_costs_only_what_was_torn(own_server, copy, data, harm):
    path, end = log_with_records(data)
    with path.open("r+b") as file:
        if harm == "cut":
            file.truncate(end - 100)
        elif harm == "half a sector":
            file.seek(end - 256)
            file.write(bytes(256))
        else:  # behind the last record: what a power cut leaves of one that was not finished
            file.seek(end)
            file.write(os.urandom(3000) if harm == "garbage" else bytes(3000))
    server = own_server()
    lost = [trace_id for trace_id, _ in missing(server, copy)]
    allowed = copy[-1:] if harm in ("cut", "half a sector") else []
    assert lost == [trace_id for trace_id in allowed if trace_id in lost], f"{len(lost)} traces are gone"
    trace_id = new_trace_id()
    success(post(server.http, one_request(trace_id)))
    again = stored_after_restart(server, own_server, [trace_id.hex()])
    assert len(missing(again, copy)) == len(lost)
    again.stop()


LEFT_OUT = "this answer is not complete: some stored spans are damaged and were left out"


def spans_and_notice(server, trace_id):
    """How many spans of a trace are shown, and what is said beside them; a trace of which none can be read is a 500."""
    try:
        with urllib.request.urlopen(f"{server.query}/api/v3/traces/{trace_id}", timeout=30) as got:
            return got.read().count(b'"spanId"'), got.headers.get("X-Kiseki-Notice")
    except urllib.error.HTTPError as refused:
        assert refused.code == 500 and LEFT_OUT in json.load(refused)["error"]["message"], f"{refused.code} for {trace_id}"
        return 0, refused.headers.get("X-Kiseki-Notice")


@pytest.mark.parametrize("where", [0.05, 0.3, 0.6, 0.9, 0.999])
def test_row60_a_flipped_bit_in_a_segment_is_found_counted_and_costs_its_block(own_server, copy, data, where):
    segment = files(data, ".kseg")[0]
    content = bytearray(segment.read_bytes())
    content[int(len(content) * where)] ^= 0x10
    segment.write_bytes(content)
    done = check(data)
    assert done.returncode == 1 and segment.stem in done.stdout + done.stderr, (done.returncode, done.stdout, done.stderr)
    server = own_server()
    lost = []
    for trace_id in copy:
        spans, notice = spans_and_notice(server, trace_id)
        if spans != SPANS:
            lost.append(trace_id)
            assert notice == LEFT_OUT, f"{spans} spans that look like a whole trace"
    assert len(lost) < len(copy) / 4, "more than a block is gone for one bit"
    for query in ({"service": "load"}, {"service": "load", "tags": '{"padding":"x"}'}):
        jaeger.v1_search(server, **query, limit=50)
    assert server.metric("kiseki_store_damaged_blocks_total") > 0 and segment.stem.removeprefix("seg-") in server.stderr, "the loss is silent"
    success(post(server.http, request([span()]).SerializeToString()))
    server.stop()


@pytest.mark.parametrize("harm", ["a bit of the footer", "a bit of the index", "the end is cut off"])
def test_row60_a_damaged_end_of_a_segment_costs_no_span(own_server, copy, data, harm):
    segment = files(data, ".kseg")[0]
    content = bytearray(segment.read_bytes())
    if harm == "the end is cut off":
        del content[-500:]
    else:  # FORMAT.md, "Segment file": the footer has the place of the pinned data at byte 40
        pinned = int.from_bytes(content[-56:-48], "little")
        content[-10 if harm == "a bit of the footer" else pinned + 3] ^= 4
    segment.write_bytes(content)
    asked = query_directory(data, "services")
    assert asked.returncode == 0 and "load" in asked.stdout
    assert segment.name in asked.stderr and f"kiseki check --data {data}" in asked.stderr, asked.stderr
    server = own_server()
    assert missing(server, copy) == []
    assert segment.name in server.stderr and "no span is lost" in server.stderr, server.stderr
    assert server.metric("kiseki_store_damaged_blocks_total") == 1
    found = jaeger.v1_search(server, service="load", limit=len(copy) + 10)
    assert len(found) == len(copy)
    server.stop()
    done = check(data)
    assert done.returncode == 1 and segment.stem in done.stdout and "no span is lost" in done.stdout, done.stdout


FILE_LEFT_OUT = "this answer is not complete: a damaged file of stored spans was left out as a whole"


def test_row60_a_segment_that_does_not_read_at_all_is_said_by_every_answer(own_server, copy, data):
    segment = files(data, ".kseg")[0]
    content = bytearray(segment.read_bytes())
    for at in (20, -10):  # FORMAT.md, "Segment file": a bit of the lead and one of the footer
        content[at] ^= 4
    segment.write_bytes(content)
    server = own_server()
    assert segment.name in server.stderr and "left out as a whole" in server.stderr, server.stderr
    assert server.metric("kiseki_store_segments_left_out") == 1
    assert server.metric("kiseki_store_disk_bytes") >= sum(path.stat().st_size for path in files(data, ".kseg"))
    for path in (f"/api/traces/{copy[0]}", f"/api/v3/traces/{copy[0]}"):
        got = jaeger.get(server.query, path)
        assert (got.status, got.notice) == (500, FILE_LEFT_OUT), got
        assert "the trace was not found, and " + FILE_LEFT_OUT in json.dumps(got.tree)
    (error,) = jaeger.get(server.query, "/api/traces", traceID=copy[0]).tree["errors"]
    assert error["code"] == 500 and FILE_LEFT_OUT in error["msg"]
    now = time.time()
    times = {f"query.startTime{end}": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
             for end, at in (("Min", now - 7200), ("Max", now + 7200))}
    for path, query in (("/api/traces", {"service": "load"}), ("/api/traces", {"service": "nobody"}),
                        ("/api/v3/trace-summaries", {"query.serviceName": "load", **times}),
                        ("/api/services", {}), ("/api/services/load/operations", {}), ("/api/operations", {"service": "load"}),
                        ("/api/v3/services", {}), ("/api/v3/operations", {"service": "load"}), ("/api/dependencies", {})):
        got = jaeger.get(server.query, path, **query)
        assert (got.status, got.notice) == (200, FILE_LEFT_OUT), f"{path} {query}: {got.status} {got.notice}"
    success(post(server.http, request([span()]).SerializeToString()))
    server.stop()


def query_directory(data, *words):
    return subprocess.run([str(PROGRAM), "query", *words, "--data", str(data)], capture_output=True, text=True, timeout=120)


def test_row60_asking_a_directory_says_what_is_damaged(copy, data):
    assert query_directory(data, "trace", copy[0]).stderr == "", "of a sound store nothing is said"
    segment = files(data, ".kseg")[0]
    content = bytearray(segment.read_bytes())
    for at in range(400, len(content) * 3 // 4, 1000):  # every block
        content[at] ^= 1
    segment.write_bytes(content)
    asked = query_directory(data, "trace", copy[0])
    assert asked.returncode == 1, "the trace is not there"
    lines = asked.stderr.splitlines()
    assert any(segment.stem.removeprefix("seg-") in line for line in lines), asked.stderr
    assert any(line.startswith("kiseki: part of the store is damaged") and f"kiseki check --data {data}" in line for line in lines), asked.stderr
    assert query_directory(data, "trace", copy[-1]).returncode == 0, "what is not damaged is answered as always"


def test_row60_a_log_damaged_in_its_middle_stops_the_start_and_says_the_way_out(own_server, copy, data):
    path, end = log_with_records(data)
    content = bytearray(path.read_bytes())
    content[end // 2] ^= 0x10
    path.write_bytes(content)
    said = refused(data)
    assert path.name in said and "offset" in said and f"; kiseki check --data '{data}' --repair-log keeps what reads of it" in said, said
    assert path.read_bytes() == content, "a refusal changes nothing"
    words = shlex.split(said[said.index("kiseki check"):].split(" keeps")[0])  # pasted from the message as it is
    done = subprocess.run([str(PROGRAM), *words[1:]], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and f"repaired: {path.name}" in done.stdout, done.stdout + done.stderr
    assert (data / f"damaged-{path.name}").read_bytes() == content, "the damaged file is kept"
    server = own_server()
    assert len(missing(server, copy)) <= 1, "one record of one request"
    trace_id = new_trace_id()
    success(post(server.http, one_request(trace_id)))
    again = stored_after_restart(server, own_server, [trace_id.hex()])
    assert len(missing(again, copy)) <= 1
    again.stop()
    assert (data / f"damaged-{path.name}").exists()


def test_row60_flipped_bits_anywhere_never_end_the_process(own_server, copy, data):
    chance = random.Random(7)
    started = 0
    for number in range(10 if not FULL else 100):
        victim = chance.choice([path for path in files(data) if path.stat().st_size > 0])
        before = victim.read_bytes()
        content = bytearray(before)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        victim.write_bytes(content)
        try:
            server = Server(data).start()
        except StartFailed as refused:
            said = str(refused)
            assert said.startswith("exit 1: ") and str(data) in said, f"round {number}, {victim.name}: {said}"
            assert victim.read_bytes() == content, "a refusal leaves the files alone"
            victim.write_bytes(before)
            continue
        started += 1
        for trace_id in copy[:20] + copy[-20:]:
            spans, notice = spans_and_notice(server, trace_id)
            assert spans == SPANS or notice == LEFT_OUT, f"round {number}, {victim.name}: {spans} spans"
        jaeger.v1_search(server, service="load", limit=20)
        server.stop()
    assert started, "each bit refused the start"


@pytest.mark.parametrize("harm", ["deleted", "cut to nothing", "cut in half"])
def test_row61_segments_that_vanish_under_a_running_server(own_server, copy, data, harm):
    server = own_server()
    assert missing(server, copy[:3]) == []
    for segment in files(data, ".kseg"):
        if harm == "deleted":
            segment.unlink()
        else:
            os.truncate(segment, 0 if harm == "cut to nothing" else segment.stat().st_size // 2)
    answers = {}
    for trace_id in copy:
        for form in ("/api/traces/", "/api/v3/traces/"):
            got = jaeger.get(server.query, form + trace_id)
            answers[got.status] = answers.get(got.status, 0) + 1
            if got.status == 500:
                assert "some stored spans are damaged" in json.dumps(got.tree), got
            else:
                is_whole = json.dumps(got.tree).count('"work ') == SPANS
                assert got.status == 200 and (is_whole or "some stored spans are damaged" in got.notice), f"half a trace that looks whole: {trace_id}"
    assert answers[200] >= 20 and answers[500] >= 20, answers
    with urllib.request.urlopen(server.query + "/api/traces?service=load&limit=1000", timeout=30) as found:
        assert "some stored spans are damaged" in found.headers["X-Kiseki-Notice"]
    assert re.search(r"ERROR store: stored spans are left out of an answer: .*\.kseg", server.stderr), "an operator hears of it"
    assert len(server.stderr.splitlines()) < 60, "and is not flooded"
    assert server.metric("kiseki_store_damaged_blocks_total") > 0
    trace_id = new_trace_id()
    success(post(server.http, one_request(trace_id)))
    assert missing(server, [trace_id.hex()]) == []
    assert server.alive()
    server.stop()


def test_too_little_room_is_refused_with_what_is_wanted(data):
    with pytest.raises(StartFailed) as caught:
        Server(data, "--keep-bytes", "4MiB").start()
    assert "exit 2: " in str(caught.value) and "want at least 12.0 MiB" in str(caught.value)


def test_what_goes_for_want_of_room_is_said_once_and_summed_up_at_the_end(own_server, data):
    server = own_server("--keep-bytes", "12MiB", "--head-bytes", "1MiB")
    fill(server, lambda: server.metric("kiseki_store_segments_deleted_total") >= 3)
    server.stop()
    lines = [line for line in server.stderr.splitlines() if "removed for want of room" in line]
    assert len(lines) == 2 and all("keep-bytes is 12.0 MiB" in line and "WARN" in line for line in lines), server.stderr
    first, last = (list(map(int, re.findall(r"(\d+) files? with (\d+) spans", line)[at])) for line, at in ((lines[0], 0), (lines[1], 1)))
    more = list(map(int, re.findall(r"(\d+) files? with (\d+) spans", lines[1])[0]))
    assert [a + b for a, b in zip(first, more)] == last, lines


# -- 62, 64: directories that are not ours -----------------------------------------------------------

def refused(data, **more):
    with pytest.raises(StartFailed) as caught:
        Server(data, **more).start()
    said = str(caught.value)
    assert said.startswith("exit 1: "), said
    assert len(said.splitlines()) == 1, f"one plain sentence: {said}"
    return said


def test_row62_a_file_where_the_directory_should_be(data):
    data.parent.mkdir(exist_ok=True)
    data.write_text("I am a file")
    assert str(data) in refused(data)
    assert data.read_text() == "I am a file"


def test_row62_a_directory_of_somebody_else(data):
    if os.getuid() != 0:
        pytest.skip("only root can start the server as another user")
    data.mkdir(parents=True)
    data.chmod(0o755)
    os.chmod(data.parent, 0o755)
    assert str(data) in refused(data, user="nobody")


def test_row62_a_parent_that_cannot_be_written(data):
    if os.getuid() != 0:
        pytest.skip("only root can start the server as another user")
    data.parent.mkdir(exist_ok=True)
    os.chmod(data.parent, 0o755)
    assert str(data) in refused(data / "deeper", user="nobody")


@pytest.mark.parametrize("mode, sentence", [(0o500, "cannot (create|make)"), (0o000, "cannot")])
def test_row62_a_directory_that_may_not_be_written_or_read(data, mode, sentence):
    if os.getuid() != 0:
        pytest.skip("only root can start the server as another user")
    data.mkdir(parents=True)
    os.chmod(data.parent, 0o755)
    shutil.chown(data, "nobody")
    data.chmod(mode)
    said = refused(data, user="nobody")
    assert re.search(sentence + r".*permission denied", said) and str(data) in said, said
    assert list(data.iterdir()) == [], "nothing is left in it"


def test_row62_a_store_that_may_only_be_read(copy, data):
    if os.getuid() != 0:
        pytest.skip("only root can start the server as another user")
    os.chmod(data.parent, 0o755)
    for path in [data, *files(data)]:
        shutil.chown(path, "nobody")
        path.chmod(0o500 if path.is_dir() else 0o400)
    before = {path.name: path.read_bytes() for path in files(data)}
    said = refused(data, user="nobody")
    assert "permission denied" in said and str(data) in said, said
    assert {path.name: path.read_bytes() for path in files(data)} == before, "untouched"


def test_row62_no_room_at_all_at_the_start(data, faults):
    faults.begin("write ENOSPC 1")
    assert "space" in refused(data, env=faults.env).lower()


def crc32c(data):
    """Castagnoli's, as the store's files have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


def make_newer(path):
    """Gives a file the format version 2, with the right checksum: what a later kiseki would write."""
    content = bytearray(path.read_bytes())
    if path.suffix == ".wal":  # a header of 64 bytes: magic, version, checksum of the header with itself as zeros
        assert content[8:12] == b"\1\0\0\0"
        content[8:16] = b"\2\0\0\0" + bytes(4)
        content[12:16] = crc32c(content[:64])
    else:  # a footer of 96 bytes: magic, version, ..., checksum of what is before it
        assert content[-88:-84] == b"\1\0\0\0"
        content[-88:-84] = b"\2\0\0\0"
        content[-4:] = crc32c(content[-96:-4])
    path.write_bytes(content)


@pytest.mark.parametrize("suffix", [".wal", ".kseg"])
def test_row64_a_newer_versions_directory_is_refused_untouched(copy, data, suffix):
    make_newer(files(data, suffix)[-1])
    before = {path.relative_to(data): path.read_bytes() for path in files(data)}
    assert "newer" in refused(data)
    after = {path.relative_to(data): path.read_bytes() for path in files(data)}
    assert {name: content for name, content in after.items() if name in before} == before
    assert check(data).returncode == 1


def test_foreign_files_in_the_directory_are_left_alone(own_server, copy, data):
    note = data / "README.txt"
    note.write_text("mine")
    server = own_server()
    assert missing(server, copy[-5:]) == []
    server.stop()
    assert note.read_text() == "mine"
