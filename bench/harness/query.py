"""Queries among 5 million spans, asked by HTTP over one connection: p50 and p99 of 1,000, warm and with the page cache dropped."""
import http.client
import json
import random
import time
import urllib.parse

from . import ingest
from .tools import Server, drop_page_cache, folder


class Asker:
    def __init__(self, server):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.address["query"]).netloc, timeout=30)

    def get(self, path):
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:200]}")
        return body


def percentiles(asker, paths, before=lambda: None):
    times = []
    for path in paths:
        before()
        start = time.perf_counter()
        asker.get(path)
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    return f"{times[len(times) // 2]:.2f} / {times[min(len(times) - 1, len(times) * 99 // 100)]:.2f}"


def trace_ids(asker, services, wanted):
    ids, pick = [], random.Random(1)
    while len(ids) < wanted:
        path = f"/api/traces?service={urllib.parse.quote(pick.choice(services))}&limit=100"
        ids += [trace["traceID"] for trace in json.loads(asker.get(path))["data"]]
    pick.shuffle(ids)
    return ids[:wanted]


def run(table, short):
    spans = 500_000 if short else 5_000_000
    rounds = 100 if short else 1000
    with Server(folder("query"), "--flush-after", "2s") as server:
        ingest.load(server.address["grpc"], "grpc", 8, 600, "--count", spans)
        ingest.settle(server)
        asker = Asker(server)
        services = json.loads(asker.get("/api/services"))["data"]
        ids = trace_ids(asker, services, rounds)
        pick = random.Random(2)
        kinds = [("trace by id", "<= 1 warm", [f"/api/traces/{i}" for i in ids]),
                 ("services", "<= 1", ["/api/services"] * rounds),
                 ("operations", "<= 1", [f"/api/services/{pick.choice(services)}/operations" for _ in range(rounds)]),
                 ("newest 20 of a service, summaries", "<= 10",
                  [summaries_path(pick.choice(services)) for _ in range(rounds)]),
                 ("newest 20 of a service, whole traces", "",
                  [f"/api/traces?service={pick.choice(services)}&limit=20" for _ in range(rounds)])]
        for what, goal, paths in kinds:
            asker.get(paths[0])
            table.row(f"{what}, among {spans / 1e6:g} M spans, warm: ms p50 / p99", percentiles(asker, paths), goal)
        for what, _, paths in kinds:
            table.row(f"{what}, page cache dropped before each: ms p50 / p99",
                      percentiles(asker, paths[:10 if short else 100], drop_page_cache))


def summaries_path(service):
    return "/api/v3/trace-summaries?" + urllib.parse.urlencode({
        "query.serviceName": service, "query.searchDepth": 20,
        "query.startTimeMin": "2020-01-01T00:00:00Z", "query.startTimeMax": "2100-01-01T00:00:00Z"})
