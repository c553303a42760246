"""./dev: verbs explain themselves and refuse what they do not know; the demo finds room beside others."""

import contextlib
import os
import re
import signal
import socket
import subprocess

import pytest

import jaeger
from server import BIN, ROOT, until

VERBS = ["run", "demo", "test", "stage", "build", "bench", "fuzz", "crash", "storm", "soak", "format", "packages", "help"]


def dev(*arguments, seconds=20):
    return subprocess.run([ROOT / "dev", *arguments], capture_output=True, text=True, timeout=seconds)


def test_the_help_names_every_verb():
    done = dev("help")
    assert done.returncode == 0
    assert re.findall(r"\./dev (\w+)", done.stdout.split("\n\n")[0]) == [*VERBS, "VERB"]


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_asked_for_help_answers_and_starts_nothing(verb, flag):
    done = dev(verb, flag)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"./dev {verb}"), done


@pytest.mark.parametrize("words, known", [
    (["nope"], "./dev help"), (["nope", "--help"], "./dev help"), (["test", "ful"], "full"), (["test", "full", "full"], "./dev test [full]"),
    (["stage"], "e2e"), (["stage", "nope"], "e2e"), (["build", "relase"], "release"), (["build", "dev", "--fast"], "asan"),
    (["bench", "sdl"], "sdk"), (["fuzz", "nope"], "wire_otlp_json_fuzz"), (["fuzz", "wire_otlp_json_fuzz", "long"], "NUMBER"),
    (["crash", "many"], "NUMBER"), (["soak", "-5"], "NUMBER"), (["storm", "5", "release"], "asan tsan"), (["format", "src"], "./dev format"), (["packages", "now"], "./dev packages")])
def test_unknown_words_are_refused_with_what_is_known(words, known):
    done = dev(*words)
    assert done.returncode == 2 and done.stdout == "" and known in done.stderr, done


# -- demo --------------------------------------------------------------------------------------------

@contextlib.contextmanager
def taken(*ports):
    """Each port has a listener: one of ours, or whoever has it already."""
    with contextlib.ExitStack() as stack:
        for port in ports:
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


@pytest.fixture
def demo(tmp_path):
    """demo("--option") -> its process and what it has said so far; ended as by Ctrl-C."""
    if BIN != ROOT / "build" / "release" / "bin":
        pytest.skip("./dev demo starts the release build")
    said, running = tmp_path / "said", []

    def start(*options, **more):
        with said.open("w") as out:
            running.append(subprocess.Popen([ROOT / "dev", "demo", *options], stdout=out, stderr=out, start_new_session=True,
                                            env={**os.environ, **more}))
        return running[-1], said.read_text
    yield start
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(20)


class Page:
    def __init__(self, url):
        self.query = url


def test_the_demo_takes_free_ports_and_a_directory_of_its_own(demo):
    with taken(16686, 4317, 4318, 8081, 8082, 8083):
        process, said = demo()
        until(lambda: "Ctrl-C" in said() or process.poll() is not None, 300, "the demo at work")
        assert "one of the usual ports" in said() and "build/demo-data" in said(), said()
        page = Page(re.search(r"look at (http://127\.0\.0\.1:\d+)", said()).group(1))
        assert not page.query.endswith(":16686")
        until(lambda: set(jaeger.v1(page, "/services")) == {"gateway", "orders", "payments"}, 20, "spans of all three services")


def test_a_service_that_does_not_start_ends_the_demo_with_its_words(demo):
    with taken(8082):
        process, said = demo(DEMO_ORDERS_PORT="8082")
        assert process.wait(300) == 1, said()
    assert "orders: cannot listen on 127.0.0.1:8082" in said() and "at work" not in said()


def test_the_demo_refuses_to_be_without_its_ears(demo):
    process, said = demo("--otlp-http", "off")
    assert process.wait(300) == 2 and "OTLP/HTTP has no address" in said(), said()
