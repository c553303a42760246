"""Programs of others, built from their registries into build/peers, once."""
import os
import subprocess

from .tools import PEERS, ROOT, output

SOURCES = ROOT / "bench" / "peers"


def go_sdk():
    program = PEERS / "go-sdk"
    if not program.exists():
        PEERS.mkdir(parents=True, exist_ok=True)
        output(["go", "build", "-o", program, "."], cwd=SOURCES / "go-sdk")
    return program


def collector():
    """The Go Collector with otlp and nop alone, made by its own builder."""
    work = PEERS / "collector"
    program = work / "build" / "otelcol-nop"
    if not program.exists():
        work.mkdir(parents=True, exist_ok=True)
        (work / "builder.yaml").write_text((SOURCES / "collector/builder.yaml").read_text())
        output(["go", "run", "go.opentelemetry.io/collector/cmd/builder@v0.162.0", "--config=builder.yaml"], cwd=work)
    return program


def start_collector(grpc_port, http_port, core):
    environment = dict(os.environ, GRPC_PORT=str(grpc_port), HTTP_PORT=str(http_port), GOMAXPROCS="1")
    return subprocess.Popen(["taskset", "-c", str(core), str(collector()), "--config", str(SOURCES / "collector/otlp-nop.yaml")],
                            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def protobuf_cpp():
    """protobuf C++ with an arena; the message definitions are written out from PyPI's opentelemetry-proto."""
    program = PEERS / "protobuf_decode"
    if not program.exists():
        PEERS.mkdir(parents=True, exist_ok=True)
        output(["sh", SOURCES / "protobuf_decode.sh", PEERS])
    return program
