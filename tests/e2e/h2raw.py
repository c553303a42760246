"""HTTP/2 by hand: a client that can send what no client should.

Frames are sent as given; headers are packed by `hpack`. What the server sends is read into a list, so a test
can wait for the frame it expects, or for the end of the connection.
"""

import socket
import struct
import time
from collections import namedtuple

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0, 1, 2, 3, 6, 9, 11

Frame = namedtuple("Frame", "kind flags stream payload fields")  # fields: of HEADERS, as a dict

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    return struct.pack(">I", len(payload) if length is None else length)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def message(body, flag=0):
    """A gRPC message: its prefix and itself."""
    return struct.pack(">BI", flag, len(body)) + body


class Client:
    def __init__(self, address, settings=b""):
        self.socket = socket.create_connection(address, timeout=10)
        self.packer, self.unpacker = hpack.Encoder(), hpack.Decoder()
        self.buffer = b""
        self.frames = []
        self.ended = False
        self.next_stream = 1
        self.send(PREFACE + frame(SETTINGS, payload=settings))

    def send(self, data):
        """Sends; a server that has hung up is noticed at the next read, not here."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def headers(self, path=EXPORT, method="POST", kind="application/grpc", more=()):
        rows = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "127.0.0.1"), ("te", "trailers")]
        return self.packer.encode(rows + ([("content-type", kind)] if kind else []) + list(more))

    def open(self, **more):
        """Opens a stream with complete headers, and says its number."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.send(frame(HEADERS, END_HEADERS, stream, self.headers(**more)))
        return stream

    def call(self, body, **more):
        """A whole call: headers, body, end. Its answer comes with `answer`."""
        stream = self.open(**more)
        for at in range(0, max(len(body), 1), 16384):
            last = at + 16384 >= len(body)
            self.send(frame(DATA, END_STREAM if last else 0, stream, body[at:at + 16384]))
        return stream

    def read_some(self, seconds):
        """Reads what comes within `seconds`; False when nothing came or the server has closed."""
        self.socket.settimeout(max(seconds, 0.001))
        try:
            data = self.socket.recv(65536)
        except (TimeoutError, socket.timeout):
            return False
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                break
            kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
            payload, self.buffer = self.buffer[9:9 + length], self.buffer[9 + length:]
            fields = dict(self.unpacker.decode(payload)) if kind == HEADERS else {}
            got = Frame(kind, flags, stream & 0x7FFFFFFF, payload, fields)
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK))
            self.frames.append(got)
        return True

    def wait(self, wanted, seconds=10.0):
        """The first frame for which `wanted` is true; None when the connection ends or time is over without one."""
        deadline, seen = time.monotonic() + seconds, 0
        while True:
            for got in self.frames[seen:]:
                seen += 1
                if wanted(got):
                    return got
            if self.ended or time.monotonic() > deadline:
                return None
            self.read_some(deadline - time.monotonic())

    def goaway(self, seconds=10.0):
        """The error code of the server's GOAWAY, or None."""
        got = self.wait(lambda item: item.kind == GOAWAY, seconds)
        return int.from_bytes(got.payload[4:8], "big") if got else None

    def is_closed(self, seconds=10.0):
        deadline = time.monotonic() + seconds
        while not self.ended and time.monotonic() < deadline:
            self.read_some(deadline - time.monotonic())
        return self.ended

    def answer(self, stream, seconds=10.0):
        """Headers and trailers of a stream as one dict; a reset stream has its code under "reset"."""
        end = self.wait(lambda item: item.stream == stream and (item.kind == RST_STREAM or item.flags & END_STREAM), seconds)
        assert end is not None, f"stream {stream} got no answer; frames: {[(item.kind, item.stream) for item in self.frames[-10:]]}"
        fields = {}
        for item in self.frames:
            if item.stream == stream:
                fields.update(item.fields)
        if end.kind == RST_STREAM:
            fields["reset"] = int.from_bytes(end.payload, "big")
        return fields

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
