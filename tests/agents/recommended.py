"""Recommendations made by hand, on the topics of an installation."""

from typing import Any

import msgspec
from confluent_kafka import Producer

from pipeline.recommend.recommendation import (
    Decision,
    Evidence,
    Opened,
    Recommendation,
    Replay,
    RuleEvidence,
    Score,
    SetAside,
    Status,
)
from tests.agents.installation import Installation

HOUR = 3_600_000
MONDAY = 1_768_176_000_000  # ms since the epoch, 2026-01-12 00:00 UTC


def manifest(namespace: str, name: str, *ports: int) -> dict[str, Any]:
    rule = {"action": "Allow", "protocol": "TCP"}
    egress = [rule | {"destination": {"selector": "app == 'cart'", "ports": [port]}} for port in ports]
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "StagedNetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"tier": "default", "order": 1500, "selector": f"app == '{name}'", "egress": egress},
    }


def recommendation(namespace: str, policy: str, *ports: int, **changes: Any) -> Recommendation:
    """For each port a rule, seen on one day."""
    evidence = Evidence(1_200, 90_000, MONDAY, MONDAY + HOUR, 2, 1, ["id-1"])
    rules = [
        RuleEvidence("egress", number, f"tcp/{port} to workload cart [a]", "workload", evidence)
        for number, port in enumerate(ports)
    ]
    score = Score(
        cut_at=MONDAY + HOUR,
        replay=Replay(997, 2, 1),
        would_cut=["tcp/9999 to workload audit"],
        opened=Opened(3, 256, 40),
        namespace_replay=Replay(1_000, 0, 0),
        namespace_opened=Opened(30, 256, 40),
    )
    made = Recommendation(
        name=f"snp:{namespace}/{policy}",
        namespace=namespace,
        mode="workload",
        workloads=[policy],
        manifest=manifest(namespace, policy, *ports),
        status=Status("Learning", "seen for 1 day of 7", 2, 1, 2, 0.25),
        score=score,
        rules=rules,
        warnings=["its network set is empty"],
        set_aside=[SetAside("tcp/32768 to private", "an ephemeral port", 7)],
        revision="r",
        learned_from=MONDAY,
        learned_until=MONDAY + 2 * HOUR,
    )
    return msgspec.structs.replace(made, **changes)


def put(installed: Installation, *values: Recommendation | Decision | str | tuple[str, bytes]) -> None:
    """Write them to their topics; of a name a tombstone, of a name and bytes these, as a recommendation."""
    producer = Producer({"bootstrap.servers": installed.kafka})
    topics = installed.topics
    for value in values:
        if isinstance(value, str):
            producer.produce(topics.recommendations.name, None, value)
        elif isinstance(value, tuple):
            producer.produce(topics.recommendations.name, value[1], value[0])
        else:
            topic = topics.decisions if isinstance(value, Decision) else topics.recommendations
            producer.produce(topic.name, msgspec.json.encode(value), value.name)
    assert producer.flush(20) == 0
