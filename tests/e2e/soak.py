"""soak.py [MINUTES] - steady load for a long time; memory, open files and the disk must stay in their bounds.

Retention by size is set low, so that segments are deleted all the time. Each minute prints a line; the newest
acknowledged traces are looked for while the load runs.
"""

import shutil
import sys
import tempfile
import time

from load import Load, missing
from server import Server

MIB = 1 << 20
MEMORY_MAX = 256 * MIB
KEEP_MIB = 256


def disk_bytes(folder):
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def run(minutes):
    folder = tempfile.mkdtemp(prefix="kiseki-soak-", dir="/var/tmp")
    server = Server(folder + "/data", "--keep-bytes", f"{KEEP_MIB}MiB").start()
    try:
        load = Load(server, threads=4, padding=400)
        files = None
        for minute in range(minutes):
            time.sleep(60)
            newest = load.acknowledged[-20:]
            assert server.alive(), server.stderr[-2000:]
            assert not missing(server, newest), "an acknowledged trace is not there"
            memory, disk, now_files = server.memory("VmHWM"), disk_bytes(server.data), server.open_files()
            print(f"minute {minute + 1}: {len(load.acknowledged)} traces, highest memory {memory // MIB} MiB, "
                  f"disk {disk // MIB} MiB, {now_files} files open, answers {load.answers}", flush=True)
            assert memory <= MEMORY_MAX
            assert disk <= KEEP_MIB * MIB * 1.25
            files = files or now_files
            assert now_files <= files + 64, "files are opened and not closed"
        load.stop()
        server.stop()
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        run(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
    except AssertionError as failed:
        sys.exit(f"FAILED: soak ({failed})")
    print("soak: all bounds held")
