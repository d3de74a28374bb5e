"""Flow logs of a cluster of many workloads, as large as asked for: what the recommender is measured on."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

START = 1_768_000_000  # s since the epoch
INTERVAL = 300  # s
NAMESPACES, WORKLOADS, EDGES = 50, 20, 100  # EDGES, WORKLOADS: of each namespace


def write_flows(path: Path, flows: int) -> None:
    """A log of `flows` records of NAMESPACES * EDGES distinct edges, each seen again and again."""
    edges = list(_edges())
    with path.open("wb") as log:
        for number in range(flows):
            record, end = edges[number % len(edges)], START + number // len(edges) * INTERVAL
            log.write(b'{"start_time":%d,"end_time":%d,%b\n' % (end - INTERVAL, end, record))


def _edges() -> Iterator[bytes]:
    """The records of the distinct edges, without their times and opening brace."""
    rng = random.Random(1)
    for namespace in range(NAMESPACES):
        pairs = rng.sample(range(WORKLOADS * WORKLOADS), EDGES)
        for pair in pairs:
            source, dest = divmod(pair, WORKLOADS)
            yield orjson.dumps(_record(f"team-{namespace:02}", source, dest, 8000 + dest))[1:]


def _record(namespace: str, source: int, dest: int, port: int) -> dict[str, Any]:
    return {
        "num_flows": 12,
        "num_flows_started": 9,
        "num_flows_completed": 9,
        "bytes_in": 4_800,
        "bytes_out": 1_900,
        "packets_in": 40,
        "packets_out": 35,
        "source_ip": None,
        "source_port": None,
        **_end("source", namespace, source),
        "dest_ip": None,
        "dest_port": port,
        **_end("dest", namespace, dest),
        "proto": "tcp",
        "action": "allow",
        "reporter": "src",
        "policies": {"enforced_policies": [f"0|__PROFILE__|pro:kns.{namespace}|allow|0"]},
    }


def _end(side: str, namespace: str, workload: int) -> dict[str, Any]:
    rollout = f"{workload:02}d5c8f7b6c"
    return {
        f"{side}_name": "-",
        f"{side}_name_aggr": f"service-{workload:02}-{rollout}-*",
        f"{side}_namespace": namespace,
        f"{side}_type": "wep",
        f"{side}_labels": {"labels": [f"app=service-{workload:02}", f"pod-template-hash={rollout}"]},
    }
