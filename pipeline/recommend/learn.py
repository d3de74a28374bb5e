"""Observations ▸ what they teach: parts to be added to what is known, by namespace, day and bucket."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, cast
from zlib import crc32

from pipeline.observations import Observations, ObservedEdge
from pipeline.policy.policies import Direction
from pipeline.recommend.labels import is_name, stable_labels
from pipeline.recommend.learned import NONE, SEVERAL, Counts, Described, EdgeKey, Learned, Seen, Who
from pipeline.workload import workload_of

BUCKETS = 32  # of a namespace's day: no value of the table outgrows a message
MAX_EDGES = 1_000  # of a bucket; beyond them new ones are counted and left out
HOURS_A_DAY = 24
HOURS_AHEAD = 2  # from this hour on nothing teaches: the clocks of nodes may be ahead by one
END_OF_TIME = 70_389_528  # hours: the year 10000, which has no date
ICMP, LAST_ICMP = (1, 58), 254 * 256 + 255  # the last type and code that a rule can name
MOST = 1 << 50  # of a count that one edge adds: sums of sums still fit

type NotLearned = Literal[
    "denied", "forwarded", "no_workload", "own_host", "impossible", "too_old", "in_the_future", "full"
]


class Place(NamedTuple):
    """Where the table keeps a part: days are counted since the epoch, UTC."""

    namespace: str
    day: int
    bucket: int

    def __str__(self) -> str:
        """The table's key; namespaces have no slash."""
        return f"{self.namespace}/{self.day}/{self.bucket}"

    @classmethod
    def parse(cls, key: str) -> "Place":
        """Of what `str` gave."""
        namespace, day, bucket = key.rsplit("/", 2)
        return cls(namespace, int(day), int(bucket))


@dataclass(slots=True)
class Lesson:
    """What one message teaches, and the flows that teach nothing, by why."""

    parts: dict[Place, Learned] = field(default_factory=dict)
    not_learned: Counter[NotLearned] = field(default_factory=Counter)

    def part(self, place: Place) -> Learned:
        """The part for a place."""
        part = self.parts.get(place)
        if part is None:
            part = self.parts[place] = Learned({}, {}, {})
        return part


@dataclass(frozen=True, slots=True)
class Window:
    """The hours [first, last) since the epoch that can teach; `denied`: whether denied flows do too."""

    first: int
    last: int
    denied: bool = False

    def refuses(self, edge: ObservedEdge) -> NotLearned | None:
        """Why an edge teaches nothing (DESIGN.md §6, 5 and 6); None where it does.

        A host that asks its own pod is never policed, so that no policy has to let it in.
        """
        if edge.direction not in ("egress", "ingress"):
            return "forwarded"
        if edge.workload_type != "wep":
            return "no_workload"
        if edge.own_host:
            return "own_host"
        if edge.denied and not self.denied:
            return "denied"
        if edge.hour < self.first:
            return "too_old"
        return "in_the_future" if edge.hour >= min(self.last, END_OF_TIME) else None


def learn(observations: Observations, window: Window) -> Lesson:
    """What a message teaches, as parts for the places where they belong."""
    lesson = Lesson()
    workloads = _Workloads(observations)
    for edge in observations.edges:
        if reason := window.refuses(edge):
            lesson.not_learned[reason] += edge.flows
            continue
        local = edge.workload_type, observations.namespace, edge.workload
        peer = edge.peer_type, edge.peer_namespace, edge.peer
        key = _key(edge, workloads.name(local), workloads.name(peer))
        if not _is_possible(observations.namespace, key):
            lesson.not_learned["impossible"] += edge.flows
            continue
        part = lesson.part(Place(observations.namespace, edge.hour // HOURS_A_DAY, bucket_of(key)))
        seen = _seen(edge)
        before = part.edges.get(key)
        part.edges[key] = before.plus(seen) if before else seen
        workloads.meet(local, edge)
        workloads.meet(peer, edge)
    for day, who, described in workloads.described():
        bucket = crc32("/".join(who).encode()) % BUCKETS
        lesson.part(Place(observations.namespace, day, bucket)).describe(who, described)
    return lesson


type _Raw = tuple[str, str, str]  # type, namespace, name as flow logs have it


class _Workloads:
    """The workloads of a message: each worked out once."""

    def __init__(self, observations: Observations) -> None:
        self._told = {(each.type, each.namespace, each.name): each.labels for each in observations.workloads}
        self._names: dict[_Raw, str] = {}
        self._last: dict[_Raw, tuple[int, int]] = {}  # ms and hour since the epoch

    def name(self, raw: _Raw) -> str:
        """What stays of a name from rollout to rollout."""
        found = self._names.get(raw)
        if found is None:
            labels = (f"{key}={value}" for key, value in self._told.get(raw, {}).items())
            found = self._names[raw] = workload_of(raw[2], labels) if raw[0] == "wep" else raw[2]
        return found

    def meet(self, raw: _Raw, edge: ObservedEdge) -> None:
        """Note that a workload took part in an edge."""
        if raw in self._told and self._last.get(raw, (0, 0)) < (edge.last, edge.hour):
            self._last[raw] = edge.last, edge.hour

    def described(self) -> Iterator[tuple[int, Who, Described]]:
        """Those that were met, each with the day on which it was last."""
        for raw, (last, hour) in self._last.items():
            own = self._told[raw]
            # No labels at all mean that nobody knew them: hardly a pod has none.
            labels = (stable_labels(own) if raw[0] == "wep" else own) or None
            who = Who(raw[0], raw[1], self.name(raw))
            yield hour // HOURS_A_DAY, who, Described(labels, {raw[2]: last})


def bucket_of(key: EdgeKey) -> int:
    """Edges that differ in the peer's address only are together: many of them become one."""
    own = f"{key.direction} {key.workload} {key.peer_type} {key.peer_namespace} {key.peer} {key.port}"
    return crc32(own.encode()) % BUCKETS


def add(known: Learned, part: Learned) -> int:
    """Add a part to what its place knows; returns the flows of new edges for which there is no room."""
    if len(known.edges) + len(part.edges) <= MAX_EDGES:
        known.add(part)
        return 0
    old = set(known.edges) | {key._replace(peer_ip=SEVERAL) for key in known.edges if key.peer_ip}
    known.add(part)  # many addresses are one edge then
    new = [key for key in sorted(known.edges) if key not in old]
    beyond = max(0, len(known.edges) - MAX_EDGES)
    return sum(known.edges.pop(key).flows for key in new[max(0, len(new) - beyond) :])


def _is_possible(namespace: str, key: EdgeKey) -> bool:
    """Whether a policy can say what an edge is, as Calico takes it: bad records must not stop good ones."""
    names = [namespace, key.workload, *([key.peer_namespace] if key.peer_type == "wep" else [])]
    no_icmp = key.protocol in ICMP and key.port > LAST_ICMP
    return all(map(is_name, names)) and key.protocol != 0 and not no_icmp


def _key(edge: ObservedEdge, workload: str, peer: str) -> EdgeKey:
    return EdgeKey(
        cast("Direction", edge.direction),
        workload,
        edge.peer_type,
        edge.peer_namespace,
        peer,
        edge.peer_ip or "",
        NONE if edge.protocol is None else edge.protocol,
        NONE if edge.port is None else edge.port,
        edge.service_namespace or "",
        edge.service or "",
        tuple(sorted(edge.domains or ())),
    )


def _seen(edge: ObservedEdge) -> Seen:
    numbers = edge.started, edge.connections, edge.answers, edge.bytes_in + edge.bytes_out
    counts = Counts(*(min(number, MOST) for number in numbers))
    first, last = (edge.first, edge.example), (edge.last, edge.example)
    return Seen({edge.hour: counts}, min(edge.flows, MOST), first, last)
