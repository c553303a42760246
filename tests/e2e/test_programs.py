"""The other verbs: load, query and check, against a server and against a directory."""

import json
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

import jaeger
from otlp import new_trace_id, post, put, request, span, success
from server import PROGRAM, until


def kiseki(*arguments, seconds=120):
    return subprocess.run([str(PROGRAM), *map(str, arguments)], capture_output=True, text=True, timeout=seconds)


# -- load --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("protocol", ["grpc", "http", "json"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_load_finds_every_acknowledged_span_again(server, protocol, compression):
    to = server.grpc if protocol == "grpc" else server.http.removeprefix("http://")
    done = kiseki("load", "--to", to, "--protocol", protocol, "--compression", compression, "--count", 5000, "--connections", 3,
                  "--verify", "--query", server.query, "--report", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    counts = [value for value in flat(report) if isinstance(value, int)]
    assert any(value >= 5000 for value in counts), report


def flat(tree):
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []:
        yield value
        yield from flat(value)


def test_load_that_reaches_nobody_fails_with_a_sentence():
    done = kiseki("load", "--to", "127.0.0.1:1", "--protocol", "http", "--duration", "1s")
    assert done.returncode == 1 and done.stderr.strip()


def test_load_refuses_what_it_would_ignore():
    done = kiseki("load", "--protocol", "http", "--in-flight", "4")
    assert done.returncode == 2 and "--in-flight" in done.stderr and "grpc" in done.stderr, done


def test_load_asks_the_query_address_before_it_sends(server):
    before = server.metric("otelcol_receiver_accepted_spans_total")
    for query, said in (("http://127.0.0.1:1", "--verify: connect to 127.0.0.1:1: connection refused; is kiseki serve running there? (--query)"),
                        (server.http, f"--verify: {server.http} has no query API (404)"), ("ftp://x", "--query: 'ftp://x' is not")):
        done = kiseki("load", "--to", server.grpc, "--count", 1000, "--verify", "--query", query)
        assert done.returncode == 1 and said in done.stderr and not done.stdout, done
    assert server.metric("otelcol_receiver_accepted_spans_total") == before


# -- query -------------------------------------------------------------------------------------------

@pytest.fixture
def known(server):
    """A trace with a name of its own: (trace id, service)."""
    trace_id, service = new_trace_id(), f"shop {new_trace_id().hex()[:6]}"
    root = span(trace_id, name="GET /basket", kind=2, took_ns=5_000_000)
    put(root, "user.tier", string_value="gold")
    child = span(trace_id, name="SELECT basket", kind=3, parent=root.span_id, took_ns=2_000_000)
    child.status.code, child.status.message = 2, "no such table"
    success(post(server.http, request([root, child], service).SerializeToString()))
    until(lambda: service in jaeger.v1(server, "/services"))
    return trace_id.hex(), service


def test_query_answers_from_a_server(server, known):
    trace_id, service = known

    def ask(*arguments):
        done = kiseki("query", *arguments, "--server", server.query)
        assert done.returncode == 0, done.stderr
        return done.stdout
    assert service in ask("services").splitlines()
    assert "GET /basket" in ask("operations", service)
    assert trace_id in ask("traces", "--service", service)
    assert trace_id in ask("traces", "--service", service, "--tag", "user.tier=gold", "--min", "4ms", "--max", "6ms")
    shown = ask("trace", trace_id)
    assert shown.index("GET /basket") < shown.index("SELECT basket") and "no such table" in shown
    assert "user.tier" not in shown and f"\n\n{server.query}/trace/{trace_id}\n" in shown
    shown = ask("trace", trace_id, "--attributes")
    assert "user.tier = gold\n" in shown and "status error: no such table\n" in shown
    assert shown.count(f"resource.service.name = {service}\n") == 1
    page = f"{server.query}/trace/{trace_id}"
    for pasted in (page, f"{page}?uiFind=basket", f"{page}/?x#y"):
        assert ask("trace", pasted).endswith(f"\n{page}\n"), pasted
    link = ask("traces", "--service", service, "--min", "4ms", "--limit", "3").splitlines()[-1]
    assert link.startswith(f"{server.query}/search?service={urllib.parse.quote(service)}&minDuration=4ms&start=") and link.endswith("&limit=3")
    assert urllib.request.urlopen(link, timeout=10).status == 200
    assert json.loads(ask("trace", trace_id, "--json"))


def test_query_that_finds_nothing_says_so_and_is_exit_1(server, known):
    _, service = known
    for arguments in (["trace", "0123456789abcdef0123456789abcdef"], ["traces", "--service", service, "--tag", "user.tier=lead"],
                      ["operations", "nobody of that name"]):
        done = kiseki("query", *arguments, "--server", server.query)
        assert done.returncode == 1 and done.stderr.strip(), arguments


def test_query_that_finds_nothing_says_what_was_looked_for_and_what_to_do(server, known):
    _, service = known
    for arguments, said in ((["traces", "--service", service.upper()], f"of service '{service.upper()}' since 20"),
                            (["traces", "--service", service.upper()], f"; there is a '{service}'"),
                            (["operations", service.upper()], f"no operation of service '{service.upper()}'; there is a '{service}'"),
                            (["traces", "--service", service, "--operation", "get /basket"], f"; '{service}' has a 'GET /basket'"),
                            (["traces", "--service", service, "--min", "1h"], "; --any-time looks further"),
                            (["trace", "12ab"], "no trace 12ab; a trace id has 32 digits, this one has 4"),
                            (["trace", "0123456789abcdef0123456789abcdef"], "no trace 0123456789abcdef0123456789abcdef; ")):
        done = kiseki("query", *arguments, "--server", server.query)
        assert done.returncode == 1 and said in done.stderr, (arguments, done.stderr)
    done = kiseki("query", "traces", "--service", service, "--any-time", "--server", server.query)
    assert done.returncode == 0, "what the hint says works"


def test_spans_of_a_sender_whose_clock_is_ahead_are_found(server):
    trace_id, service = new_trace_id(), f"future {new_trace_id().hex()[:6]}"
    ahead = span(trace_id, name="soon")
    ahead.start_time_unix_nano = time.time_ns() + 3_600_000_000_000
    ahead.end_time_unix_nano = ahead.start_time_unix_nano + 1000
    success(post(server.http, request([ahead], service).SerializeToString()))
    until(lambda: service in jaeger.v1(server, "/services"))

    def ask(*more):
        return kiseki("query", "traces", "--service", service, *more, "--server", server.query)
    done = ask()
    assert done.returncode == 1 and done.stderr.endswith("; --any-time looks further\n"), done
    done = ask("--any-time")
    assert done.returncode == 0 and trace_id.hex() in done.stdout and "&lookback=all&" in done.stdout, done
    assert trace_id.hex() in ask("--to", "+2h").stdout
    assert trace_id.hex() in ask("--from", "2020-01-01", "--to", "2199-12-31").stdout
    assert ask("--to", "+30m").returncode == 1
    assert kiseki("query", "dependencies", "--any-time", "--server", server.query).returncode in (0, 1)


def test_query_judges_its_words_before_it_asks_anybody():
    for arguments, said in ((["trace", ""], "trace wants one ID, and '' is none"),
                            (["operations", ""], "operations wants one SERVICE, and '' is none"),
                            (["trace", "xyz"], "'xyz' is not a trace id"),
                            (["traces", "--from", "now", "--to", "-1h"], "--from now is not before --to -1h"),
                            (["traces", "--from", "yesterday"], "--from and --to want now, -1h, +1h, 2026-11-21 or 2026-11-21T07:49:21Z"),
                            (["traces", "--any-time", "--to", "now"], "--any-time goes without --from and --to"),
                            (["traces", "--min", "5"], "--min wants a time such as 300ms or 1.5s, not '5'"),
                            (["traces", "--max", "-5s"], "--max wants a time"),
                            (["traces", "--min", "2s", "--max", "1s"], "--min 2s is more than --max 1s")):
        done = kiseki("query", *arguments, "--server", "http://127.0.0.1:1")
        assert done.returncode == 2 and said in done.stderr, (arguments, done)


@pytest.mark.parametrize("arguments, said", [
    (["services", "--service", "x"], "services takes no --service; traces does"),
    (["operations", "x", "--from", "-1h"], "operations takes no --from; traces and dependencies do"),
    (["services", "--tag", "a=b"], "services takes no --tag; traces does"),
    (["traces", "shop"], "traces takes no argument; did you mean --service shop?"),
    (["trace", "http://127.0.0.1:16686/trace/"], "trace wants one ID, and '' is none"),
    (["traces", "--attributes"], "traces takes no --attributes; trace does"),
    (["trace", "0123456789abcdef0123456789abcdef", "--limit=3"], "trace takes no --limit; traces does"),
    (["traces", "--server", "http://127.0.0.1:1", "--data", "x"], "--server and --data exclude each other"),
])
def test_query_refuses_what_it_would_ignore(arguments, said):
    done = kiseki("query", *arguments)
    assert done.returncode == 2 and said in done.stderr, done


def test_a_value_that_looks_like_an_option_is_a_value(server):
    done = kiseki("query", "traces", "--service", "--attributes", "--server", server.query)
    assert done.returncode == 1 and "of service '--attributes'" in done.stderr, done


@pytest.mark.parametrize("verb", ["query", "load"])
def test_the_columns_of_help_are_aligned(verb):
    columns = {len(line) - len(line.lstrip()) if line.startswith("    ") else re.match(r"  --\S+(?: \S+)? +", line).end()
               for line in kiseki(verb, "--help").stdout.splitlines() if re.match(r"  --\S+(?: \S+)?  +|          ", line)}
    assert len(columns) == 1, columns


def test_help_names_all_that_can_be_asked():
    assert "dependencies" in kiseki("--help").stdout


def test_query_without_a_server_says_where_it_looked():
    done = kiseki("query", "services", "--server", "http://127.0.0.1:1")
    assert done.returncode == 1 and "127.0.0.1:1" in done.stderr


def test_query_shows_why_the_listener_refuses(own_server):
    """A name that is not the server's own: what to start it with is said by the server, and passed on."""
    server = own_server()
    _, port = server.port("page and query")
    name = socket.gethostname()
    try:
        reachable = socket.gethostbyname(name).startswith("127.")
    except OSError:
        reachable = False
    if not reachable:
        pytest.skip("this machine's name is no address of its loopback")
    done = kiseki("query", "services", "--server", f"http://{name}:{port}")
    assert done.returncode == 1 and done.stderr.startswith("kiseki: the server answered 403: This name is not one of this server's"), done
    assert "--allow-host" in done.stderr


def test_query_escapes_what_a_terminal_would_obey(server):
    trace_id = new_trace_id()
    success(post(server.http, request([span(trace_id, name="\x1b[31mred\x07\r\n")], "terminal").SerializeToString()))
    done = kiseki("query", "trace", trace_id.hex(), "--server", server.query)
    assert done.returncode == 0 and "red" in done.stdout
    assert not set(done.stdout) & {"\x1b", "\x07", "\r"}


def test_query_and_check_read_a_directory_that_no_server_has_open(own_server, data):
    server = own_server()
    trace_id = new_trace_id()
    success(post(server.http, request([span(trace_id, name="kept")], "offline").SerializeToString()))
    assert kiseki("check", "--data", data).returncode == 1, "a directory in use is refused"
    assert kiseki("query", "services", "--data", data).returncode == 1
    server.stop()
    done = kiseki("query", "trace", trace_id.hex(), "--data", data)
    assert done.returncode == 0 and "kept" in done.stdout, done.stderr
    assert kiseki("query", "services", "--data", data).stdout.splitlines() == ["offline"]
    done = kiseki("check", "--data", data)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_verb_says_its_version():
    said = {kiseki(*words).stdout for words in (["--version"], ["-V"], ["-v"], ["version"], ["query", "-v"], ["serve", "--version"], ["query", "-V"],
                                                ["query", "services", "--version"], ["load", "--version"], ["check", "--version"])}
    assert len(said) == 1 and said.pop().startswith("kiseki "), said


def test_check_of_nothing_is_an_error(tmp_path):
    done = kiseki("check", "--data", tmp_path / "none")
    assert done.returncode == 1 and str(tmp_path) in done.stderr
    assert not (tmp_path / "none").exists(), "check makes nothing"


def test_a_directory_of_other_files_is_no_data_directory(tmp_path):
    (tmp_path / "main.c").write_text("int main;")
    for verb in (["check"], ["query", "services"]):
        done = kiseki(*verb, "--data", f"{tmp_path}/")
        assert (done.returncode, done.stderr) == (1, f"kiseki: '{tmp_path}' is not a kiseki data directory\n")
    done = kiseki("serve", "--data", tmp_path, "--listen", "127.0.0.1")
    assert done.returncode == 1 and "is not empty and not a kiseki data directory; choose another" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["main.c"]
