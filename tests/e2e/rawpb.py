"""Protobuf bytes by hand, for requests that no library would write."""

import os
import time


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def key(number, wire):
    return varint(number << 3 | wire)


def text(number, content):
    content = content.encode() if isinstance(content, str) else content
    return key(number, 2) + varint(len(content)) + content


def fixed64(number, value):
    return key(number, 1) + value.to_bytes(8, "little")


def attribute(name, any_value):
    """KeyValue as a span's field 9."""
    return text(9, text(1, name) + text(2, any_value))


def span(more=b"", trace_id=None, span_id=None, name="by hand", at_ns=None):
    at_ns = time.time_ns() if at_ns is None else at_ns
    return (text(1, os.urandom(16) if trace_id is None else trace_id) + text(2, os.urandom(8) if span_id is None else span_id)
            + text(5, name) + key(6, 0) + varint(2) + fixed64(7, at_ns) + fixed64(8, at_ns + 1000) + more)


def request(*spans, service="bad-input"):
    resource = text(1, text(1, text(1, "service.name") + text(2, text(1, service))))
    return text(1, resource + text(2, b"".join(text(2, one) for one in spans)))
