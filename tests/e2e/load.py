"""Load with a memory: every request that was acknowledged is remembered, to be looked for afterwards."""

import http.client
import os
import threading
import time
import urllib.parse

import jaeger
from otlp import PROTOBUF, new_trace_id, put, request, span

SPANS = 8  # of one request, which is one trace


def one_request(trace_id, padding=0):
    spans = [span(trace_id, name=f"work {number}") for number in range(SPANS)]
    for one in spans:
        put(one, "padding", string_value=os.urandom(padding // 2).hex())
    return request(spans, "load").SerializeToString()


class Load:
    """Threads that send until `stop`, or until the server goes away. `padding` is random text on each span, in bytes."""

    def __init__(self, server, threads=4, padding=200):
        parts = urllib.parse.urlsplit(server.http)
        self.address = parts.hostname, parts.port
        self.padding = padding
        self.acknowledged = []  # trace ids; list.append is atomic
        self.answers = {}       # status: how many
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self.stopping.is_set():
            connection = http.client.HTTPConnection(*self.address, timeout=20)
            try:
                while not self.stopping.is_set():
                    trace_id = new_trace_id()
                    connection.request("POST", "/v1/traces", one_request(trace_id, self.padding), {"Content-Type": PROTOBUF})
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == 200:
                        self.acknowledged.append(trace_id.hex())
                    else:
                        time.sleep(0.01)
                    self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)  # the server has gone, or is going: `stop` ends this
            finally:
                connection.close()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a request got no answer for 20 s"
        return self.acknowledged


def missing(server, trace_ids):
    """Those of the acknowledged traces that are not there whole."""
    out = []
    for trace_id in trace_ids:
        found = jaeger.v3_trace(server, trace_id)
        if found is None or len(found) != SPANS:
            out.append((trace_id, found and len(found)))
    return out
