"""What is known of a namespace: edges with counts by hour, workloads with their labels; sums of any parts."""

from collections.abc import Iterable, Mapping
from operator import add
from typing import NamedTuple

import msgspec

from pipeline.policy.policies import Direction

NONE = -1  # of a protocol or port
SEVERAL = "*"  # of a peer's address: more than MAX_ADDRESSES
MAX_ADDRESSES = 64  # of edges that differ in the peer's address only
MAX_NAMES = 8  # of a workload's names through its rollouts


class EdgeKey(NamedTuple):
    """What makes an edge one of its own; names are those of workloads (`workload_of`)."""

    direction: Direction
    workload: str
    peer_type: str  # wep hep ns net
    peer_namespace: str
    peer: str
    peer_ip: str  # "" unknown, or of a workload; SEVERAL
    protocol: int
    port: int  # of the destination; ICMP: type * 256 + code
    service_namespace: str
    service: str
    domains: tuple[str, ...]


class Who(NamedTuple):
    """What names a workload or host endpoint."""

    type: str
    namespace: str
    name: str


class Counts(NamedTuple):
    """What was seen of an edge in one hour."""

    started: int  # connections
    active: int  # connections
    answers: int  # packets of the server, or bytes: whether there were any
    bytes: int

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(*map(add, self, other))


class Seen(msgspec.Struct, array_like=True, gc=False):
    """How often an edge was seen, by the hour since the epoch."""

    hours: dict[int, Counts]
    flows: int
    first: tuple[int, str]  # ms since the epoch, and the document's id
    last: tuple[int, str]

    def plus(self, other: "Seen") -> "Seen":
        """Both together."""
        hours = self.hours | other.hours
        for hour in self.hours.keys() & other.hours.keys():
            hours[hour] = self.hours[hour].plus(other.hours[hour])
        return Seen(hours, self.flows + other.flows, min(self.first, other.first), max(self.last, other.last))

    @property
    def started(self) -> int:
        return sum(counts.started for counts in self.hours.values())

    @property
    def active(self) -> int:
        return sum(counts.active for counts in self.hours.values())

    @property
    def answers(self) -> int:
        return sum(counts.answers for counts in self.hours.values())

    @property
    def bytes(self) -> int:
        return sum(counts.bytes for counts in self.hours.values())

    def within(self, first: int, last: int) -> "Seen | None":
        """What of it was in the hours [first, last); None where nothing was. Times are cut to the hour,
        and `flows` stay all of them."""
        hours = {hour: counts for hour, counts in self.hours.items() if first <= hour < last}
        if not hours:
            return None
        if len(hours) == len(self.hours):
            return self
        begin, end = min(hours) * 3_600_000, (max(hours) + 1) * 3_600_000 - 1
        return Seen(hours, self.flows, max(self.first, (begin, "")), min(self.last, (end, "")))


class Described(msgspec.Struct, array_like=True, gc=False):
    """A workload: the labels that all its endpoints had at all times (None = nobody told), and the
    names that flow logs had for it, each with its last time (ms since the epoch)."""

    labels: dict[str, str] | None
    names: dict[str, int]

    def plus(self, other: "Described") -> "Described":
        """Both together."""
        labels = self.labels if other.labels is None else other.labels
        if self.labels is not None and other.labels is not None:
            labels = {k: v for k, v in self.labels.items() if other.labels.get(k) == v}
        if labels == self.labels and all(
            self.names.get(n, last - 1) >= last for n, last in other.names.items()
        ):
            return self
        names = dict(self.names)
        for name, last in other.names.items():
            names[name] = max(last, names.get(name, last))
        newest = sorted(names, key=lambda name: (names[name], name))[-MAX_NAMES:]
        return Described(labels, {name: names[name] for name in sorted(newest)})


class Learned(msgspec.Struct):
    """What some observations taught of one namespace.

    A sum: in whatever order and grouping parts are added, the same comes out. `counted` says of each
    partition ("topic id/partition") up to which offset its messages are in here.
    """

    edges: dict[EdgeKey, Seen] = {}
    workloads: dict[Who, Described] = {}
    counted: dict[str, int] = {}

    def add(self, other: "Learned") -> None:
        """Take in what another one knows."""
        for key, seen in other.edges.items():
            before = self.edges.get(key)
            self.edges[key] = before.plus(seen) if before else seen
        for who, described in other.workloads.items():
            self.describe(who, described)
        for partition, offset in other.counted.items():
            self.counted[partition] = max(offset, self.counted.get(partition, offset))
        if any(key.peer_ip for key in other.edges):
            self._fold_addresses()

    def describe(self, who: Who, described: Described) -> None:
        """Take in what else is told of a workload."""
        told = self.workloads.get(who)
        self.workloads[who] = told.plus(described) if told else described

    def _fold_addresses(self) -> None:
        """Make edges that differ in their address one, where there are too many."""
        groups: dict[EdgeKey, list[EdgeKey]] = {}
        for key in self.edges:
            if key.peer_ip:
                groups.setdefault(key._replace(peer_ip=SEVERAL), []).append(key)
        for several, keys in groups.items():
            if len(keys) > MAX_ADDRESSES or (several in self.edges and len(keys) > 1):
                seen = [self.edges.pop(key) for key in keys]
                self.edges[several] = _sum(seen)

    def within(self, first: int, last: int) -> "Learned":
        """What was in the hours [first, last); workloads are who they are."""
        cut = ((key, seen.within(first, last)) for key, seen in self.edges.items())
        return Learned({key: seen for key, seen in cut if seen}, self.workloads)

    def hours(self) -> set[int]:
        """The hours in which something was seen."""
        return {hour for seen in self.edges.values() for hour in seen.hours}


def _sum(parts: list[Seen]) -> Seen:
    total = parts[0]
    for part in parts[1:]:
        total = total.plus(part)
    return total


def together(parts: Iterable[Learned]) -> Learned:
    """The sum of all."""
    total = Learned()
    for part in parts:
        total.add(part)
    return total


class _Stored(msgspec.Struct, array_like=True):
    v: int
    counted: dict[str, int]
    edges: list[tuple[EdgeKey, Seen]]
    workloads: list[tuple[Who, Described]]


_VERSION = 1
_DECODER = msgspec.msgpack.Decoder(_Stored)


def encode(learned: Learned) -> bytes:
    """As the table keeps it: the same bytes for the same content."""
    edges = [
        (key, Seen(_ordered(seen.hours), seen.flows, seen.first, seen.last))
        for key, seen in _pairs(learned.edges)
    ]
    workloads = [
        (who, Described(told.labels and _ordered(told.labels), _ordered(told.names)))
        for who, told in _pairs(learned.workloads)
    ]
    return msgspec.msgpack.encode(_Stored(_VERSION, _ordered(learned.counted), edges, workloads))


def decode(value: bytes) -> Learned:
    """What `encode` wrote; ValueError where something else did."""
    try:
        stored = _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        raise ValueError(f"what was learned cannot be read: {error}") from None
    if stored.v != _VERSION:
        raise ValueError(f"what was learned is of version {stored.v}: this program reads {_VERSION}")
    return Learned(dict(stored.edges), dict(stored.workloads), stored.counted)


def _ordered[K: (str, int), V](values: Mapping[K, V]) -> dict[K, V]:
    return {key: values[key] for key in sorted(values)}


def _pairs[K: tuple[object, ...], V](values: Mapping[K, V]) -> list[tuple[K, V]]:
    return [(key, values[key]) for key in sorted(values)]
