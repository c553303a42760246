"""The small programs that send spans with other languages' SDKs."""

import os
import shutil
import subprocess

import pytest

from server import ROOT

GO_SENDER = ROOT / "build" / "e2e-go-sender"


def go_sender():
    """Path of the Go program, built here if there is a Go; Go's cache makes that quick the second time."""
    if shutil.which("go"):
        subprocess.run(["go", "build", "-o", str(GO_SENDER), "."], cwd=ROOT / "tests" / "e2e" / "senders" / "go", check=True,
                       env={**os.environ, "GOTOOLCHAIN": "local"})
    elif not GO_SENDER.exists():
        pytest.skip("no Go on this machine")
    return str(GO_SENDER)
