"""A web service in Python that takes part in a trace: the last one in a row of services of several languages.

    service.py ENDPOINT PROTOCOL SERVICE

Prints the port it listens on. Each GET or POST is a SERVER span whose parent is in the request's W3C headers, with one
INTERNAL span inside, and is answered 200. Ends by SIGTERM, after its last spans are out.
"""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from send import exporter


def make_handler(tracer):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parent = TraceContextTextMapPropagator().extract({name.lower(): text for name, text in self.headers.items()})
            with tracer.start_as_current_span("serve in Python", parent, trace.SpanKind.SERVER):
                with tracer.start_as_current_span("work in Python"):
                    body = b"{}"
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    return Handler


def main():
    endpoint, protocol, service = sys.argv[1:]
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(exporter(endpoint, protocol, "none"), schedule_delay_millis=100))
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(provider.get_tracer("kiseki.e2e")))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(server.server_port, flush=True)
    server.serve_forever()
    provider.shutdown()


if __name__ == "__main__":
    main()
