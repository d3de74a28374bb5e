"""`make bench-soak MINUTES=…`: a worker under load without end: throughput, lag and memory over time, and
whether every flow came out once."""

import json
import os
import shutil
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from elasticsearch import Elasticsearch
from prometheus_client.parser import text_string_to_metric_families

from agents import topics
from agents.topics import Topics
from agents.whole_topic import WholeTopic
from deploy.demo.commands import flowtier, worker
from deploy.demo.generate import HOURS, INTERVAL, SEED, window_until, write_sample
from deploy.local.place import CHECKOUT, local
from deploy.local.ports import free_port
from deploy.local.stack import Stack
from pipeline import settings as settings_
from pipeline.annotate import INDEX_PREFIX
from pipeline.settings import Settings
from tests.benchmarks import soak_picture
from tests.benchmarks.load import SUMMED, Load

FLOWS = 120_000  # of the sample
AHEAD = 400_000  # flows that wait in Kafka
EVERY = 5.0  # seconds between two samples
PICTURE = CHECKOUT / "docs" / "pictures" / "soak.svg"
_SECONDS_TO_END = 600


@click.command()
@click.option("--minutes", type=float, default=20.0, show_default=True)
def main(minutes: float) -> None:
    """Soak a worker for some minutes; exit code 1 where a flow was lost or came twice."""
    with Stack("soak") as stack:
        os.environ |= {
            "FLOWTIER_CLUSTER": "soak",
            "FLOWTIER_KAFKA_BOOTSTRAP": stack.kafka,
            "FLOWTIER_ELASTICSEARCH_URLS": stack.elasticsearch,
            "FLOWTIER_TOPICS_PARTITIONS": "4",
            "FLOWTIER_WORKER_PORT": str(free_port()),
        }
        found = soak(settings_.load(), local() / "soak-sample", minutes)
    for name, (came_in, documents, observed) in found.items():
        print(f"  {name:<10} in {came_in:>16,}  documents {documents:>16,}  observations {observed:>16,}")
    if any(len(set(numbers)) > 1 for numbers in found.values()):
        raise click.ClickException("flows were lost, or came twice")


def soak(settings: Settings, folder: Path, minutes: float) -> dict[str, tuple[int, int, int]]:
    """Run it; (what came in, what Elasticsearch holds, what was observed) of flows and of each sum."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sample = write_sample(folder, window_until(datetime.now(UTC), HOURS, INTERVAL), FLOWS, SEED)
    topics.create(settings)
    flowtier("publish", str(folder), "--facts")
    load = Load(settings, sample.flow_log, AHEAD)
    with worker(folder / "worker.log") as running:
        load.start()
        samples = []
        until = time.monotonic() + minutes * 60
        for each in _samples(settings, load):
            running.check()
            samples.append(each)
            print(json.dumps(each), flush=True)
            if time.monotonic() > until:
                load.stop()
                break
        deadline = time.monotonic() + _SECONDS_TO_END
        for _ in _samples(settings, load):
            if load.done >= load.flows or time.monotonic() > deadline:
                break
    PICTURE.parent.mkdir(exist_ok=True)
    soak_picture.draw(samples, PICTURE)
    documents, observed = _documents(settings), _observed(settings)
    came_in = load.sums | {"flows": load.flows}
    return {name: (came_in[name], documents[name], observed[name]) for name in ("flows", *SUMMED)}


def _samples(settings: Settings, load: Load) -> Iterator[dict[str, float]]:
    """What the worker says of itself, every few seconds; the load is told how far it is."""
    start, before, at = time.monotonic(), 0.0, time.monotonic()
    while True:
        time.sleep(EVERY)
        try:
            metrics = _metrics(settings)
        except OSError:  # it is still starting
            continue
        now, flows = time.monotonic(), metrics["flowtier_flows_total"]
        load.done = int(flows)
        yield {
            "minute": round((now - start) / 60, 2),
            "flows_per_second": round((flows - before) / (now - at)),
            "behind": load.flows - load.done,
            "memory_mb": round(metrics["process_resident_memory_bytes"] / 1e6, 1),
            "cpu_microseconds_per_flow": round(metrics["process_cpu_seconds_total"] / max(flows, 1) * 1e6, 2),
            "retries": metrics["flowtier_elasticsearch_retries_total"],
        }
        before, at = flows, now


def _metrics(settings: Settings) -> Counter[str]:
    """Every metric of the worker, summed over its labels."""
    url = f"http://{settings.worker.host}:{settings.worker.port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] += sample.value  # type: ignore[assignment]  # seconds are no whole numbers
    return found


def _documents(settings: Settings) -> Counter[str]:
    index = f"{INDEX_PREFIX}.{settings.cluster}.*"
    with Elasticsearch(**settings.elasticsearch.client_options()) as client:
        client.indices.refresh(index=index)
        found = client.search(
            index=index,
            size=0,
            track_total_hits=True,
            aggs={name: {"sum": {"field": name}} for name in SUMMED},
        )
    sums = {name: int(found["aggregations"][name]["value"]) for name in SUMMED}
    return Counter(sums | {"flows": found["hits"]["total"]["value"]})


def _observed(settings: Settings) -> Counter[str]:
    """The sums of all edges that a reader of committed records sees."""
    found: Counter[str] = Counter()
    names = {"flows": "flows", "num_flows": "connections", "bytes_in": "bytes_in", "bytes_out": "bytes_out"}
    with WholeTopic(settings, Topics(settings).observations.name) as topic:
        while not topic.at_end:
            for record in topic.read(1.0):
                for edge in msgspec.json.decode(record.value() or b"")["edges"]:
                    found.update({name: edge[told] for name, told in names.items()})
    return found


if __name__ == "__main__":
    main()
