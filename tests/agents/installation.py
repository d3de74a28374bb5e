"""An installation of its own for a test: topics, cluster name, policies, workers as child processes."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer
from elasticsearch import Elasticsearch
from prometheus_client.parser import text_string_to_metric_families

from agents import topics
from agents.publish import Published, publish
from agents.topics import Topics
from agents.whole_topic import WholeTopic
from pipeline import settings as settings_
from pipeline.policy.load import load_paths
from pipeline.revisions import Origin
from pipeline.settings import Settings
from tests.waiting import until

ROOT = Path(__file__).parents[2]
FLOWTIER = (sys.executable, "-c", "from agents.cli import main; main()")
ALLOW_ALL = """
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: all}
spec: {order: 1, types: [Ingress, Egress], ingress: [{action: Allow}], egress: [{action: Allow}]}
"""
STAGED_DENY = """
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: none}
spec: {order: 0, types: [Ingress, Egress], ingress: [{action: Deny}], egress: [{action: Deny}]}
"""


def flow(number: int, namespace: str = "shop", **changes: Any) -> dict[str, Any]:
    """A flow that is complete and recent; `number` tells it from others."""
    end = int(time.time()) // 300 * 300
    side = {"type": "wep", "namespace": namespace, "labels": {"labels": ["app=a"]}}
    return {
        "start_time": end - 300,
        "end_time": end,
        "reporter": "dst",
        "action": "allow",
        "proto": "tcp",
        "host": "node",
        **{f"source_{name}": value for name, value in side.items()},
        **{f"dest_{name}": value for name, value in side.items()},
        "source_name": "a-1",
        "source_name_aggr": "a-*",
        "source_ip": "10.0.0.1",
        "source_port": 1024 + number % 50_000,
        "dest_name": "b-1",
        "dest_name_aggr": "b-*",
        "dest_ip": "10.0.0.2",
        "dest_port": 8080,
        "bytes_in": number,
        "bytes_out": 1,
        "packets_in": 1,
        "packets_out": 1,
        "num_flows": 1,
        "num_flows_started": 1,
        "num_flows_completed": 1,
    } | changes


def lines(flows: list[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in flows)


@dataclass
class Worker:
    """A worker that runs as a child process."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        """Of its /health, as its log tells."""
        whole, _, _ = self.log.read_text().rpartition("\n")  # the last line may be half written
        said = (json.loads(line) for line in whole.splitlines() if line.startswith("{"))
        ports = [each["address"][1] for each in said if "address" in each]
        return f"http://127.0.0.1:{ports[0]}" if ports else ""

    def get(self, path: str) -> str:
        request = urllib.request.Request(self.address + path)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read().decode()

    def health(self) -> dict[str, Any]:
        return json.loads(self.get("/health"))

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name with these labels."""
        families = text_string_to_metric_families(self.get("/metrics"))
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        return bool(self.address) and self.health()["ready"] and bool(self.health()["partitions"])

    def stop(self) -> int:
        """The exit code after SIGTERM."""
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()


@dataclass
class Installation:
    """Topics and indices that no other test has."""

    kafka: str
    elasticsearch: str
    name: str
    folder: Path
    options: dict[str, str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "FLOWTIER_KAFKA_BOOTSTRAP": self.kafka,
            "FLOWTIER_ELASTICSEARCH_URLS": self.elasticsearch,
            "FLOWTIER_TOPICS_PREFIX": f"{self.name}.",
            "FLOWTIER_TOPICS_PARTITIONS": "4",
            "FLOWTIER_CLUSTER": self.name,
            "FLOWTIER_WORKER_PORT": "0",
            "FLOWTIER_WORKER_SESSION_TIMEOUT_SECONDS": "6",
            "FLOWTIER_WORKER_HEARTBEAT_SECONDS": "1",
            "FLOWTIER_WORKER_STATUS_SECONDS": "0.5",
            "FLOWTIER_RECOMMEND_FOLDER": str(self.folder / "learned"),
            "FLOWTIER_SHIPPER_NODE": "node",
            **self.options,
        }

    @property
    def settings(self) -> Settings:
        before = {name: value for name, value in os.environ.items() if name.startswith("FLOWTIER_")}
        os.environ.update(self.environment)
        try:
            return settings_.load()
        finally:
            for name in self.environment:
                del os.environ[name]
            os.environ.update(before)

    @property
    def topics(self) -> Topics:
        return Topics(self.settings)

    def create_topics(self) -> None:
        topics.create(self.settings)

    def publish(self, *manifests: str, **options: Any) -> Published:
        """Publish these manifests as the whole of the policies."""
        directory = self.folder / "policies"
        directory.mkdir(exist_ok=True)
        for file in directory.iterdir():
            file.unlink()
        for number, manifest in enumerate(manifests):
            (directory / f"{number}.yaml").write_text(manifest)
        origin = Origin(source=options.pop("source", "test"), by="tests")
        return publish(self.settings, load_paths([directory]), origin, **options)

    def start_worker(self) -> Worker:
        log = self.folder / f"worker{len(self.workers)}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTIER_")}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*FLOWTIER, "worker"],
                cwd=ROOT,
                env=environment | self.environment,
                stdout=output,
                stderr=output,
            )
        self.workers.append(Worker(process, log))
        return self.workers[-1]

    def shared_out(self) -> bool:
        """Whether the workers are ready, each with as many of the four partitions as the others.

        Each tells what it knew within the last second: while they change hands, two may both name one.
        """
        if not all(worker.ready() for worker in self.workers):
            return False
        shares = [worker.health()["partitions"] for worker in self.workers]
        return sorted(chain.from_iterable(shares)) == [0, 1, 2, 3] and len({*map(len, shares)}) == 1

    def run(self, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Run a command of `flowtier` to its end."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTIER_")}
        return subprocess.run(
            [*FLOWTIER, *arguments],
            cwd=cwd,
            env=environment | self.environment | {"COLUMNS": "500"},  # no table is folded
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def close(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()

    def produce(self, values: Sequence[bytes | None], partition: int = -1, **options: Any) -> None:
        """Messages of the flows topic."""
        producer = Producer({"bootstrap.servers": self.kafka, **options})
        for value in values:
            producer.produce(self.topics.flows.name, value, partition=partition)
        assert producer.flush(20) == 0

    def records(self, topic: str) -> list[Any]:
        """The committed records of a topic."""
        with WholeTopic(self.settings, topic) as whole:
            return whole.read_to_end()

    def search(self, namespace: str, size: int = 0) -> dict[str, Any]:
        """The documents of flows from a namespace."""
        index = f"flowtier_flows.{self.name}.*"
        # A daily index that is just being made answers 503 until its shard is there.
        with Elasticsearch(self.elasticsearch, retry_on_status=[503], max_retries=100) as client:
            client.cluster.health(index=index, wait_for_status="yellow")
            client.indices.refresh(index=index)
            found = client.search(
                index=index,
                size=size,
                track_total_hits=True,
                query={"term": {"source_namespace": namespace}},
                aggs={"bytes": {"sum": {"field": "bytes_in"}}},
            )
        return found.body

    def documents(self, namespace: str = "shop") -> int:
        return self.search(namespace)["hits"]["total"]["value"]

    def wait_for_documents(self, count: int, namespace: str = "shop", seconds: float = 60) -> None:
        until(lambda: self.documents(namespace) >= count, seconds)
        assert self.documents(namespace) == count

    def edges(self) -> Iterator[dict[str, Any]]:
        """All edges of the observations, with their namespaces."""
        for record in self.records(self.topics.observations.name):
            value = msgspec.json.decode(record.value())
            yield from (edge | {"namespace": value["namespace"]} for edge in value["edges"])

    def recommendations(self) -> dict[str, dict[str, Any]]:
        """What stands on policy-recommendations, by name."""
        found: dict[str, dict[str, Any]] = {}
        for record in self.records(self.topics.recommendations.name):
            found.pop(record.key().decode(), None)
            if record.value() is not None:
                found[record.key().decode()] = msgspec.json.decode(record.value())
        return found

    def observed(self) -> Counter[str]:
        """Flows in the observations, by namespace."""
        flows: Counter[str] = Counter()
        for edge in self.edges():
            flows[edge["namespace"]] += edge["flows"]
        return flows
