"""What a worker costs end to end, beside raw `_bulk` of the same documents by two connections."""

import http.client
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson
from elasticsearch import Elasticsearch

from agents.publish import publish
from pipeline.decode import Limits
from pipeline.index import bulk_body, index_template
from pipeline.policy.load import load_paths
from pipeline.process import process
from pipeline.revisions import Origin
from tests.agents.installation import Installation, Worker
from tests.benchmarks.inputs import MANY, Sample, busy, in_full, messages, sample, short
from tests.benchmarks.installations import installed, produce
from tests.waiting import until

TIMES = 9  # 540,000 flows
# Measured between these parts of all flows: every class has been judged before, and the worker is busy still.
FROM, TO = 0.2, 0.9
BULK, CONNECTIONS, RAW_DOCUMENTS = 2_000, 2, 240_000
SECONDS, POLL_SECONDS = 600, 1.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Seen(NamedTuple):
    """The state of things at one time: seconds, but flows."""

    flows: float
    wall: float
    worker: float
    search: float
    judging: float
    indexing: float

    def since(self, before: "Seen") -> "Seen":
        return Seen(*(a - b for a, b in zip(self, before, strict=True)))


def report() -> None:
    """Print CPU of the worker and of Elasticsearch, and rates, for records of both sizes."""
    cluster = sample(datetime.now(UTC))
    print("A worker end to end, flows in Kafka already, 500 a message, batches packed with zstd")
    sizes = (
        ("1.1 kB", in_full(cluster.lines)),
        ("600 bytes", short(cluster.lines)),
        ("1.1 kB, a day's in an hour,", in_full(busy(cluster.lines))),
        ("600 bytes, a day's in an hour,", short(busy(cluster.lines))),
    )
    for name, lines in sizes:
        with installed() as installation:
            print(f" {name} a flow")
            documents = _raw(installation, cluster, lines)
            _worker(installation, cluster, lines, documents)


def _raw(installation: Installation, cluster: Sample, lines: list[bytes]) -> float:
    """Documents/s of nothing but `_bulk` requests that are there already."""
    documents = process(messages(lines, MANY), cluster.judge(), None, Limits()).documents
    prepared = [bulk_body(documents[at : at + BULK]) for at in range(0, len(documents), BULK)]
    template = index_template()["template"]
    with Elasticsearch(installation.elasticsearch) as client:
        index = f"{installation.name}-raw"
        client.indices.create(index=index, **template)
        named = re.compile(rb'"_index":"[^"]+","_id":"')
        starts = range(0, RAW_DOCUMENTS, len(documents))
        bodies = [
            named.sub(b'"_index":"%b","_id":"%d-' % (index.encode(), n), each)
            for n in starts
            for each in prepared
        ]
        before, start, own = _search_cpu(client), time.monotonic(), time.process_time()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            shares = [bodies[n::CONNECTIONS] for n in range(CONNECTIONS)]
            list(pool.map(_send, repeat(installation.elasticsearch), shares))
        wall, own, search = time.monotonic() - start, time.process_time() - own, _search_cpu(client) - before
        sent = len(documents) * len(starts)
        client.indices.delete(index=index)
    print(f"   raw _bulk, {CONNECTIONS} connections: {sent / wall:>8,.0f} documents/s, CPU s per million: "
          f"{own / sent * 1e6:.1f} the client, {search / sent * 1e6:.1f} Elasticsearch")  # fmt: skip
    return sent / wall


def _send(url: str, bodies: list[bytes]) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for body in bodies:
        connection.request(
            "POST", "/_bulk?filter_path=errors", body, {"Content-Type": "application/x-ndjson"}
        )
        answer = connection.getresponse()
        assert orjson.loads(answer.read()) == {"errors": False}, answer.status
    connection.close()


def _worker(installation: Installation, cluster: Sample, lines: list[bytes], documents: float) -> None:
    flows = produce(installation, lines, MANY, TIMES)
    worker = installation.start_worker()
    until(lambda: worker.address)
    idle = _cpu(worker)
    publish(
        installation.settings, load_paths([cluster.directory]), Origin(source="benchmark"), with_facts=True
    )
    with Elasticsearch(installation.elasticsearch) as client:
        first, last, done = (_when(share * flows, worker, client) for share in (FROM, TO, 1))
    assert done.flows == flows
    busy = last.since(first)
    million, rate = busy.flows / 1e6, busy.flows / busy.wall
    print(f"   the worker: {rate:>8,.0f} flows/s, {rate / documents:.2f} of that; CPU s per million: "
          f"{busy.worker / million:.1f} the worker, {busy.search / million:.1f} Elasticsearch")  # fmt: skip
    print(f"   judging {busy.judging / busy.wall:.0%} of the time; batches at Elasticsearch, on average: "
          f"{busy.indexing / busy.wall:.2f}")  # fmt: skip
    cold = (done.worker - idle) / flows * 1e6
    print(f"   with policies and facts loaded, and every class judged once: {cold:.1f} CPU s per million")
    worker.stop()


def _when(flows: float, worker: Worker, client: Elasticsearch) -> Seen:
    """The state of things as soon as so many flows are committed."""
    deadline = time.monotonic() + SECONDS
    while (seen := _see(worker, client)).flows < flows:
        assert time.monotonic() < deadline, f"{seen.flows:.0f} flows within {SECONDS} s"
        time.sleep(POLL_SECONDS)  # asked more often, the answers would be part of what is measured
    return seen


def _see(worker: Worker, client: Elasticsearch) -> Seen:
    said = worker.get("/metrics")
    judging, indexing = (_metric(said, f'batch_seconds_sum{{step="{step}"}}') for step in ("judge", "index"))
    flows, now = _metric(said, "flows_total"), time.monotonic()
    return Seen(flows, now, _cpu(worker), _search_cpu(client), judging, indexing)


def _cpu(worker: Worker) -> float:
    """CPU s of the worker's process, all threads."""
    fields = Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _search_cpu(client: Elasticsearch) -> float:
    nodes = client.nodes.stats(metric="process")["nodes"].values()
    return float(sum(node["process"]["cpu"]["total_in_millis"] for node in nodes)) / 1000


def _metric(said: str, name: str) -> float:
    found = re.search(rf"^flowtier_{re.escape(name)} (\S+)$", said, re.MULTILINE)
    return float(found.group(1)) if found else 0.0
