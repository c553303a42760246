#!/bin/sh
# Builds protobuf_decode into the folder that is given: definitions from PyPI, protoc and library from Debian
# (protobuf-compiler, libprotobuf-dev).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
python=$here/../../build/venv/bin/python
if ! "$python" -c 'import opentelemetry.proto' 2>/dev/null; then
    python3 -m venv "$out/venv"
    "$out/venv/bin/pip" install -q opentelemetry-proto
    python=$out/venv/bin/python
fi
mkdir -p "$out/protos" "$out/cpp"
(cd "$out/protos" && protoc --version >/dev/null && "$python" "$here/protos_from_pypi.py" . |
    xargs protoc -I . --cpp_out="$out/cpp")
c++ -O2 -std=c++17 -I "$out/cpp" "$here/protobuf_decode.cpp" $(find "$out/cpp" -name '*.pb.cc' ! -name '*grpc*') \
    -o "$out/protobuf_decode" $(pkg-config --cflags --libs protobuf)
