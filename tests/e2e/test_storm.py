"""A short storm against the server that was built with AddressSanitizer and UBSan; `./dev storm` is the long one."""

import os
import pathlib
import subprocess
import sys

import pytest

from server import ROOT

SANITIZED = ROOT / "build" / "asan" / "bin"
SECONDS = "600" if os.environ.get("KIS_TEST_FULL") else "10"


@pytest.mark.skipif(not (SANITIZED / "kiseki").exists(), reason="the preset asan is not built")
def test_a_storm_ends_no_server_and_loses_nothing():
    storm = pathlib.Path(__file__).with_name("storm.py")
    done = subprocess.run([sys.executable, str(storm), SECONDS], capture_output=True, text=True,
                          env={**os.environ, "KIS_TEST_BIN": str(SANITIZED)}, timeout=3000)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
