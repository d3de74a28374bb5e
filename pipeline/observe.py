"""Flows + verdicts ▸ observations: the edges that a batch taught, the rules that it matched, by namespace."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from pipeline.flow import FlowBatch
from pipeline.match.verdict import Verdicts
from pipeline.observed_edges import Observed, cut, locals_of, numbers, observed_edges, workload
from pipeline.observed_labels import Pairs, labels_by_endpoint, labels_by_workload
from pipeline.observed_rules import observed_rules
from pipeline.resolve import Resolved
from pipeline.threats import Threats

VERSION = 3
HOUR_MS = 3_600_000
NO_NAMESPACE = "-"  # key of what has its local side in none
MAX_BYTES = 512 * 1024  # of one message; an edge is far below it
MAX_LABELS = 64  # of a workload


@dataclass(slots=True)
class _Told:
    """What is told of one namespace."""

    edges: list[Observed] = field(default_factory=list)
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
    workloads = numbers([workload(each) for each in batch.endpoints]).tolist()
    of_namespace: defaultdict[str, _Told] = defaultdict(_Told)
    namespaces = [cut(each.namespace) or NO_NAMESPACE for each in batch.endpoints]
    for edge in observed_edges(batch, verdicts, resolved, interval_ms, changed_at, threats):
        of_namespace[namespaces[edge.local]].edges.append(edge)
    local = [(namespaces[number],) for number in range(len(namespaces))]
    for here, rule in observed_rules(batch, verdicts, numbers(local)[locals_of(batch)], interval_ms):
        of_namespace[namespaces[here]].rules.append(rule)
    labels = labels_by_workload(workloads, batch.endpoints, labels_by_endpoint(batch, resolved))
    described = _Described(batch, labels, workloads)
    return [
        (namespace, value)
        for namespace, told in of_namespace.items()
        for value in _messages(namespace, verdicts.revision, told, described)
    ]


class _Described:
    """What messages say of workloads, for those that have labels."""

    def __init__(self, batch: FlowBatch, labels: dict[int, Pairs], workloads: list[int]) -> None:
        self._workloads = workloads
        self._said: dict[int, bytes] = {}
        for number, endpoint in zip(workloads, batch.endpoints, strict=True):
            if number in labels and number not in self._said:
                own = dict(sorted(labels[number])[:MAX_LABELS])
                name = cut(endpoint.name_aggr or endpoint.name)
                who = {"type": endpoint.type, "namespace": cut(endpoint.namespace), "name": name}
                self._said[number] = orjson.dumps(who | {"labels": own})

    def of(self, edge: Observed) -> Iterator[tuple[int, bytes]]:
        """An edge's workloads: number and JSON of each that has labels."""
        for endpoint in (edge.local, edge.peer):
            number = self._workloads[endpoint]
            if number in self._said:
                yield number, self._said[number]


class _Message:
    """A message as it grows, to about MAX_BYTES."""

    def __init__(self) -> None:
        self._edges: list[bytes] = []
        self._rules: list[bytes] = []
        self._workloads: dict[int, bytes] = {}
        self._size = 0

    @property
    def is_full(self) -> bool:
        return self._size > MAX_BYTES

    def add_edge(self, edge: Observed, described: _Described) -> None:
        """Add an edge, and those of its workloads that are not there yet."""
        self._edges.append(edge.edge)
        self._size += len(edge.edge) + 1
        for number, said in described.of(edge):
            if number not in self._workloads:
                self._workloads[number] = said
                self._size += len(said) + 1

    def add_rule(self, rule: bytes) -> None:
        self._rules.append(rule)
        self._size += len(rule) + 1

    def value(self, head: bytes) -> bytes:
        lists = (b",".join(each) for each in (self._workloads.values(), self._edges, self._rules))
        return head + b',"workloads":[%b],"edges":[%b],"rules":[%b]}' % tuple(lists)


def _messages(namespace: str, revision: str, told: _Told, described: _Described) -> Iterator[bytes]:
    """What is told of a namespace, in messages; an edge's workloads stand in its own."""
    head = orjson.dumps({"v": VERSION, "namespace": namespace, "revision": revision})[:-1]
    message = _Message()
    for edge in told.edges:
        if message.is_full:
            yield message.value(head)
            message = _Message()
        message.add_edge(edge, described)
    for rule in told.rules:
        if message.is_full:
            yield message.value(head)
            message = _Message()
        message.add_rule(rule)
    yield message.value(head)
