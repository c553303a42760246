"""crash.py [ROUNDS] - kill -9 under load at a random moment, start again, look for every acknowledged span.

One data directory lives through all rounds. After each start the traces acknowledged in the last round must
all be there, whole, and some of the earlier ones; the start must take less than two seconds. KIS_SEED repeats
a run's moments.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from load import Load, missing
from server import PROGRAM, Server

START_SECONDS_MAX = 2.0


def run(rounds, options=(), seed=None):
    """Runs them; answers (acknowledged traces, slowest start in seconds). AssertionError on the first loss."""
    chance = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="kiseki-crash-", dir="/var/tmp")
    slowest, fresh, earlier, total = 0.0, [], [], 0
    try:
        for number in range(rounds + 1):
            small_head = chance.choice([(), ("--head-bytes", "1MiB")])  # with it, kills fall into flushes, too
            server = Server(folder + "/data", *options, *small_head).start()
            slowest = max(slowest, server.start_seconds)
            assert server.start_seconds < START_SECONDS_MAX, f"round {number}: ready only after {server.start_seconds:.2f} s"
            lost = missing(server, fresh) + missing(server, chance.sample(earlier, min(50, len(earlier))))
            assert not lost, f"round {number}: {len(lost)} of {len(fresh)} acknowledged traces are lost: {lost[:5]}"
            earlier = chance.sample(earlier + fresh, min(20_000, len(earlier + fresh)))
            if number == rounds:
                server.stop()
                break
            load = Load(server, padding=chance.choice([40, 400, 4000]))
            time.sleep(chance.uniform(0.02, 0.5))
            server.kill()
            fresh = load.stop()
            total += len(fresh)
            if sys.stderr.isatty():
                print(f"\rround {number + 1} of {rounds}, {total} traces acknowledged, slowest start {slowest:.2f} s", end="", file=sys.stderr)
        checked = subprocess.run([str(PROGRAM), "check", "--data", folder + "/data"], capture_output=True, text=True, timeout=300)
        assert checked.returncode == 0, f"check: {checked.stdout[-1000:]} {checked.stderr[-1000:]}"
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    return total, slowest


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    seed = int(os.environ.get("KIS_SEED", time.time_ns() % 10**9))
    print(f"crash: {rounds} rounds, KIS_SEED={seed}")
    try:
        total, slowest = run(rounds, seed=seed)
    except AssertionError as error:
        sys.exit(f"FAILED: crash ({error})")
    print(f"crash: {total} traces acknowledged in {rounds} rounds, none lost; slowest start {slowest:.2f} s")


if __name__ == "__main__":
    main()
