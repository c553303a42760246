"""Fixtures: a server that many tests share, and one of a test's own."""

import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import otlp  # noqa: E402
from server import PROGRAM, Server  # noqa: E402

FULL = bool(os.environ.get("KIS_TEST_FULL"))  # ./dev test full


def pytest_sessionstart():
    if not PROGRAM.exists():
        pytest.exit(f"{PROGRAM} is not built; ./dev build makes it", returncode=1)


@pytest.fixture
def data():
    """A data directory. Not pytest's tmp_path: that one may be in memory, and keeps the last runs."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="kiseki-test-", dir="/var/tmp"))
    yield path / "data"
    shutil.rmtree(path, ignore_errors=True)


class Shared:
    """The server that tests share. A test that ends it gets a new one made for the next."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="kiseki-test-", dir="/var/tmp")
        self.running = None

    def get(self):
        if self.running is None or not self.running.alive():
            self.running = Server(self.folder + "/data").start()
        return self.running

    def close(self):
        try:
            if self.running and self.running.alive():
                self.running.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shared():
    box = Shared()
    yield box
    box.close()


@pytest.fixture
def server(shared):
    """The shared server; after the test it must still run and take a good batch."""
    running = shared.get()
    yield running
    assert running.alive(), f"the server ended with {running.process.returncode}: {running.stderr[-3000:]}"
    otlp.success(otlp.post(running.http, otlp.request([otlp.span()], "still-alive").SerializeToString()))


@pytest.fixture
def own_server(data):
    """A server of the test's own, with options: own_server("--keep", "1h")."""
    started = []

    def start(*options, **more):
        started.append(Server(data, *options, **more).start())
        return started[-1]

    yield start
    for one in started:
        one.kill()
