"""Observations as a worker writes them, and what is learned from those that stand on the topic."""

import time
from collections.abc import Iterable
from typing import Any

import msgspec
from confluent_kafka import Producer

from pipeline.observations import ObservationError, read_observations
from pipeline.observe import VERSION
from pipeline.recommend import learned
from pipeline.recommend.learn import Window, learn
from pipeline.recommend.learned import Learned
from tests.agents.installation import Installation

# As often as may be: tests wait for what comes of it.
OFTEN = {
    "FLOWTIER_RECOMMEND_INTERVAL_SECONDS": "0.5",
    "FLOWTIER_RECOMMEND_BATCH_SECONDS": "0.1",
    "FLOWTIER_RECOMMEND_BATCH_MESSAGES": "50",
    "FLOWTIER_RECOMMEND_MINIMUM_HOURS": "1",
}
EVER = Window(0, 10**9)
HOUR_MS = 3_600_000

type State = dict[str, tuple[dict[Any, Any], dict[Any, Any]]]


def this_hour() -> int:
    return int(time.time()) // 3600


def observation(namespace: str, number: int, hour: int | None = None, **changes: Any) -> bytes:
    """A message with one edge; `number` makes one of a hundred edges of it, and tells it from others."""
    hour = this_hour() if hour is None else hour
    end = hour * HOUR_MS + number % HOUR_MS
    edge = {
        "direction": "ingress",
        "reporter": "dst",
        "workload": f"app-{number % 5}-*",
        "workload_type": "wep",
        "peer": f"client-{number % 4}-*",
        "peer_type": "wep",
        "peer_namespace": namespace,
        "protocol": 6,
        "port": 8080 + number % 5,
        "interval": hour * HOUR_MS,
        "first": end - 1000,
        "last": end,
        "flows": 1,
        "connections": 1,
        "started": 1,
        "bytes_in": number,
        "bytes_out": 1,
        "packets_in": 1,
        "packets_out": 1,
        "completed": 1,
        "promoted": "allow",
        "impact": "none",
        "logged": "allow",
        "enforced": "allow",
        "example": f"id-0-{number}-0",
    } | changes
    names = {str(edge["workload"]), str(edge["peer"])}
    workloads = [
        {"type": "wep", "namespace": namespace, "name": name, "labels": {"app": name[:-2]}}
        for name in sorted(names)
    ]
    message = {"v": VERSION, "namespace": namespace, "revision": "r1", "workloads": workloads}
    return msgspec.json.encode(message | {"edges": [edge], "rules": []})


def observe(
    installation: Installation, namespace: str, values: Iterable[bytes | None], **options: Any
) -> None:
    """Write messages of a namespace."""
    producer = Producer({"bootstrap.servers": installation.kafka, **options})
    for value in values:
        producer.produce(installation.topics.observations.name, value, namespace)
        producer.poll(0)
    assert producer.flush(20) == 0


def expected(installation: Installation, window: Window = EVER) -> State:
    """What the committed messages teach, read without any worker."""
    places: dict[str, Learned] = {}
    for record in installation.records(installation.topics.observations.name):
        try:
            lesson = learn(read_observations(record.value()), window)
        except ObservationError:
            continue
        for place, part in lesson.parts.items():
            places.setdefault(str(place), Learned({}, {}, {})).add(part)
    return {place: (known.edges, known.workloads) for place, known in places.items()}


def learned_state(installation: Installation) -> State:
    """What the changelog of the workers' table holds."""
    last: dict[str, bytes] = {}
    for record in installation.records(installation.topics.learned.name):
        key, value = record.key().decode(), record.value()
        if value is None:
            last.pop(key, None)
        else:
            last[key] = value
    decoded = {place: learned.decode(value) for place, value in last.items()}
    return {place: (known.edges, known.workloads) for place, known in decoded.items()}


def is_all_learned(installation: Installation) -> bool:
    """Whether the table holds what the messages teach, and nothing else."""
    state = expected(installation)
    return bool(state) and learned_state(installation) == state
