"""Messages of flow-observations with edges and rules, for what is rolled up from them."""

import time
from collections.abc import Iterable
from typing import Any

import msgspec

from pipeline.edges import NOTHING, Counted, Place, roll_up
from pipeline.edges_section import Edges
from pipeline.flow import Message
from pipeline.kept import Kept
from pipeline.observe import VERSION

HOUR = 3_600_000
NOW = time.time()
# The start of an hour of which every window is kept.
START = int(NOW * 1000) // HOUR * HOUR
KEPT = Kept("test", Edges())

type Documents = dict[Place, dict[str, Any]]


def edge(**changes: Any) -> dict[str, Any]:
    """A whole edge; client/web-* asks shop/api-* and both are known by their labels."""
    interval = changes.get("interval", START)
    return {
        "direction": "ingress",
        "reporter": "dst",
        "workload": "api-7d9f-*",
        "workload_type": "wep",
        "peer": "web-*",
        "peer_type": "wep",
        "peer_namespace": "client",
        "peer_ip": None,
        "protocol": 6,
        "port": 8080,
        "service": None,
        "service_namespace": None,
        "domains": None,
        "interval": interval,
        "own_host": False,
        "logged": "allow",
        "enforced": "allow",
        "enforced_tier": "default",
        "enforced_policy": "gnp:all",
        "promoted": "deny",
        "impact": "newly_denied",
        "staged_deny": ["sgnp:none"],
        "staged_allow": [],
        "staged_unknown": [],
        "unknown": [],
        "unjudged": None,
        "agrees": "yes",
        "threats": [],
        "flows": 1,
        "connections": 1,
        "started": 1,
        "completed": 1,
        "bytes_in": 100,
        "bytes_out": 10,
        "packets_in": 3,
        "packets_out": 2,
        "first": interval - 1,
        "last": interval + 1,
        "example": "id-0-0-0",
    } | changes


def rule(**changes: Any) -> dict[str, Any]:
    return {
        "interval": START,
        "direction": "ingress",
        "tier": "default",
        "policy": "gnp:all",
        "rule": 0,
        "staged": False,
        "flows": 1,
        "possible": 0,
        "connections": 1,
        "last": START,
    } | changes


def message(
    offset: int,
    edges: Iterable[dict[str, Any]] = (),
    rules: Iterable[dict[str, Any]] = (),
    partition: int = 0,
    topic_id: str = "topic",
    namespace: str = "shop",
) -> Message:
    labels = {"app": "api", "pod-template-hash": "7d9f"}
    value = {
        "v": VERSION,
        "namespace": namespace,
        "revision": "r1",
        "workloads": [{"type": "wep", "namespace": "shop", "name": "api-7d9f-*", "labels": labels}],
        "edges": list(edges),
        "rules": list(rules),
    }
    return Message(msgspec.json.encode(value), topic_id, partition, offset, 0)


class Store:
    """Documents as Elasticsearch keeps them with external versions."""

    def __init__(self, cluster: str = "test") -> None:
        self.kept = Kept(cluster, Edges())
        self.versions: dict[Place, int] = {}
        self.documents: Documents = {}

    def put(self, place: Place, version: int, document: bytes) -> bool:
        """Whether it was taken."""
        if version <= self.versions.get(place, 0):
            return False
        self.versions[place] = version
        self.documents[place] = msgspec.json.decode(document)
        return True

    def get(self, place: Place, names: Iterable[str]) -> Counted:
        if place not in self.documents:
            return NOTHING
        return Counted(self.versions[place], {name: self.documents[place][name] for name in names})

    def roll_up(self, messages: Iterable[Message]) -> None:
        """Take messages in, as a worker does that knows no document yet."""
        for place, added in roll_up(messages, self.kept, NOW).added.items():
            before = self.get(place, added.names)
            after = before.with_(added)
            if after.version > before.version:
                self.put(place, after.version, added.document(after.figures))

    def of(self, window: str) -> list[dict[str, Any]]:
        return [each for each in self.documents.values() if each.get("window") == window]


def rolled_up(*messages: Message) -> Store:
    store = Store()
    store.roll_up(messages)
    return store
