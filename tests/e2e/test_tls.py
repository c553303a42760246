"""The listeners with a certificate: rows 39 and 40, and that the plain rest goes on over TLS."""

import http.client
import re
import socket
import ssl
import subprocess

import grpc
import pytest

from otlp import EXPORT, PROTOBUF, new_trace_id, request, span
from server import until


def make(folder, name, *more):
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", *more], check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    made = {name: make(folder, name) for name in ("server", "client", "stranger", "expired")}
    cert, key = made["expired"]
    subprocess.run(["openssl", "x509", "-in", cert, "-signkey", key, "-days", "-1", "-out", cert], check=True, capture_output=True)
    return made


@pytest.fixture
def tls_server(own_server, certificates):
    cert, key = certificates["server"]
    return own_server("--tls-cert", str(cert), "--tls-key", str(key))


def context(certificates, client=None, version=None):
    out = ssl.create_default_context(cafile=certificates["server"][0])
    if client:
        out.load_cert_chain(*certificates[client])
    if version:
        out.minimum_version = out.maximum_version = version
        out.set_ciphers("ALL:@SECLEVEL=0")
    return out


def post(server, tls):
    connection = http.client.HTTPSConnection(*server.port("OTLP/HTTP"), context=tls, timeout=10)
    connection.request("POST", "/v1/traces", request([span()]).SerializeToString(), {"Content-Type": PROTOBUF})
    return connection.getresponse().status


def test_otlp_over_tls(tls_server, certificates):
    assert tls_server.http.startswith("https://") and tls_server.query.startswith("https://")
    assert post(tls_server, context(certificates)) == 200
    credentials = grpc.ssl_channel_credentials(certificates["server"][0].read_bytes())
    trace_id = new_trace_id()
    with grpc.secure_channel(tls_server.grpc, credentials) as channel:
        channel.unary_unary(EXPORT)(request([span(trace_id)]).SerializeToString(), timeout=10)
    connection = http.client.HTTPSConnection(*tls_server.port("page and query"), context=context(certificates), timeout=10)
    connection.request("GET", f"/api/traces/{trace_id.hex()}")
    assert connection.getresponse().status == 200
    tls_server.stop()


def refusal(server, label):
    """The one line in the log of a refused handshake, without its peer; it is counted, too."""
    (line,) = until(lambda: server.stderr.splitlines(), why="a line in the log")
    match = re.search(rf"WARN  {label}: '127\.0\.0\.1:\d+' was refused: TLS handshake: (.*)$", line)
    assert match, line
    assert server.metric("kiseki_server_tls_failures_total") == 1
    return match.group(1)


@pytest.mark.parametrize("label", ["OTLP/HTTP", "OTLP/gRPC", "page and query"])
@pytest.mark.parametrize("data_in, reason, is_answered", [
    (b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000, "what came is plain HTTP, not TLS", True),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "what came is not TLS; is it plain text there?", False),
], ids=["HTTP/1.1", "HTTP/2"])
def test_row39_plain_text_on_a_tls_port_has_one_log_line_and_plain_http_an_answer(tls_server, certificates, label, data_in, reason, is_answered):
    with socket.create_connection(tls_server.port(label), timeout=10) as raw:
        raw.sendall(data_in)
        data = b""
        try:
            while more := raw.recv(65536):
                data += more
        except ConnectionResetError:
            assert not is_answered
    if is_answered:
        assert data.startswith(b"HTTP/1.1 400 ") and data.endswith(b"use https://.\n"), data
    else:
        assert not data.startswith(b"HTTP/")
    assert refusal(tls_server, label) == reason
    assert post(tls_server, context(certificates)) == 200


def test_row40_old_tls_versions_are_refused(tls_server, certificates):
    with pytest.warns(DeprecationWarning):
        old = context(certificates, version=ssl.TLSVersion.TLSv1_1)
    with pytest.raises((ssl.SSLError, OSError)):
        post(tls_server, old)
    assert refusal(tls_server, "OTLP/HTTP") == "unsupported protocol"
    assert post(tls_server, context(certificates, version=ssl.TLSVersion.TLSv1_2)) == 200
    assert post(tls_server, context(certificates, version=ssl.TLSVersion.TLSv1_3)) == 200


@pytest.mark.parametrize("client, reason", [(None, "peer did not return a certificate"), ("stranger", "self-signed certificate"), ("expired", "certificate has expired")])
def test_row40_a_client_without_the_right_certificate_is_refused(own_server, certificates, client, reason):
    cert, key = certificates["server"]
    server = own_server("--tls-cert", str(cert), "--tls-key", str(key), "--tls-client-ca", str(certificates["expired" if client == "expired" else "client"][0]))
    with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
        post(server, context(certificates, client))
    assert refusal(server, "OTLP/HTTP") == reason
    if client != "expired":
        assert post(server, context(certificates, "client")) == 200


def test_row40_a_client_that_distrusts_the_server_is_told_of(tls_server, certificates):
    with pytest.raises(ssl.SSLError):
        post(tls_server, ssl.create_default_context(cafile=certificates["stranger"][0]))
    assert "unknown ca" in refusal(tls_server, "OTLP/HTTP")


def test_row40_half_a_handshake_harms_nobody(tls_server, certificates):
    idle = [socket.create_connection(tls_server.port("OTLP/HTTP"), timeout=10) for _ in range(20)]
    for one in idle:
        one.sendall(b"\x16\x03\x01")
    assert post(tls_server, context(certificates)) == 200
    for one in idle:
        one.close()
    tls_server.stop()
