"""Flows + verdicts ▸ observations: the edges that one batch taught, the rules that it matched, by namespace."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from pipeline.flow import FlowBatch, Ints
from pipeline.match.verdict import Verdicts
from pipeline.observed_edges import cut, locals_of, numbers, observed_edges, workload
from pipeline.observed_labels import Pairs, labels_by_endpoint, labels_by_workload
from pipeline.observed_rules import observed_rules
from pipeline.resolve import Resolved
from pipeline.threats import Threats

VERSION = 3
HOUR_MS = 3_600_000
NO_NAMESPACE = "-"  # key of what has its local side in none
MAX_BYTES = 512 * 1024  # of one message; an edge is far below it
MAX_LABELS = 64  # of a workload


class _Edge(NamedTuple):
    """One edge, and the numbers of its two workloads."""

    edge: bytes
    workloads: tuple[int, int]


@dataclass(slots=True)
class _Told:
    """What is told of one namespace."""

    edges: list[_Edge] = field(default_factory=list)
    rules: list[bytes] = field(default_factory=list)


def observe(
    batch: FlowBatch,
    verdicts: Verdicts,
    resolved: Resolved,
    interval_ms: int,
    changed_at: int,
    threats: Threats,
) -> list[tuple[str, bytes]]:
    """The batch's edges as messages of (namespace, JSON value), docs/schemas/flow-observations.v3.json.

    An edge holds what is common to its flows, and their sums: all edges together sum up to the batch.
    The local side is the one that reported; its namespace (or "-") is the key. A message says of each of
    its workloads which labels its endpoints have in common. Times are ms since the epoch; `interval` is
    the start of the window of `interval_ms` in which the flows end. Counters that a record lacks count
    as 0. Rules are counted beside edges: flows of one edge may match different ones.
    """
    if not len(batch):
        return []
    workloads = numbers([workload(each) for each in batch.endpoints])
    of_namespace: defaultdict[str, _Told] = defaultdict(_Told)
    namespaces = [cut(each.namespace) or NO_NAMESPACE for each in batch.endpoints]
    for edge, here, there in observed_edges(batch, verdicts, resolved, interval_ms, changed_at, threats):
        both = int(workloads[here]), int(workloads[there])
        of_namespace[namespaces[here]].edges.append(_Edge(edge, both))
    local = [(namespaces[number],) for number in range(len(namespaces))]
    for here, rule in observed_rules(batch, verdicts, numbers(local)[locals_of(batch)], interval_ms):
        of_namespace[namespaces[here]].rules.append(rule)
    labels = labels_by_workload(workloads.tolist(), batch.endpoints, labels_by_endpoint(batch, resolved))
    described = _described(batch, labels, workloads)
    return [
        (namespace, value)
        for namespace, told in of_namespace.items()
        for value in _messages(namespace, verdicts.revision, told, described)
    ]


def _described(batch: FlowBatch, labels: dict[int, Pairs], workloads: Ints) -> dict[int, bytes]:
    """What a message says of each workload that has labels, by its number."""
    described = {}
    for number, endpoint in zip(workloads.tolist(), batch.endpoints, strict=True):
        if number in labels and number not in described:
            own = dict(sorted(labels[number])[:MAX_LABELS])
            name = cut(endpoint.name_aggr or endpoint.name)
            who = {"type": endpoint.type, "namespace": cut(endpoint.namespace), "name": name}
            described[number] = orjson.dumps(who | {"labels": own})
    return described


class _Message:
    """A message as it grows, to about MAX_BYTES at most."""

    def __init__(self) -> None:
        self.edges: list[bytes] = []
        self.rules: list[bytes] = []
        self.workloads: dict[int, bytes] = {}
        self._size = 0

    def takes(self, parts: list[bytes]) -> bool:
        """Whether there is room for these, which then is taken; there always is for the first."""
        more = sum(len(each) + 1 for each in parts)
        if self._size and self._size + more > MAX_BYTES:
            return False
        self._size += more
        return True

    def value(self, head: bytes) -> bytes:
        lists = (b",".join(each) for each in (self.workloads.values(), self.edges, self.rules))
        return head + b',"workloads":[%b],"edges":[%b],"rules":[%b]}' % tuple(lists)


def _messages(namespace: str, revision: str, told: _Told, described: dict[int, bytes]) -> Iterator[bytes]:
    """What is told of a namespace, in messages; an edge's workloads stand in its own."""
    head = orjson.dumps({"v": VERSION, "namespace": namespace, "revision": revision})[:-1]
    message = _Message()
    for edge, workloads in told.edges:
        known = {number: described[number] for number in workloads if number in described}
        if not message.takes([edge, *(each for n, each in known.items() if n not in message.workloads)]):
            yield message.value(head)
            message = _Message()
            message.takes([edge, *known.values()])
        message.edges.append(edge)
        message.workloads |= known
    for rule in told.rules:
        if not message.takes([rule]):
            yield message.value(head)
            message = _Message()
            message.takes([rule])
        message.rules.append(rule)
    yield message.value(head)
