"""Flows ▸ who is who: names, addresses and labels of a batch resolved to interned sides."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.candidates import Who
from pipeline.evidence import gather, kind_of
from pipeline.facts import Facts
from pipeline.flow import REPORTERS, Endpoint, FlowBatch, Ints
from pipeline.identity import Candidate, Identity, Side, Slice
from pipeline.inherited import namespace_options
from pipeline.own_host import NO, own_host
from pipeline.policy.policies import NetworkSet, Policies
from pipeline.services import Services
from pipeline.sides import identify

SRC, DST, FWD = (REPORTERS.index(reporter) for reporter in ("src", "dst", "fwd"))
JUDGED = -1
REMEMBERED = 1 << 10  # endpoints of which more than their sides is at hand
UNJUDGED = ("forwarded", "host_endpoint", "no_workload")

_KINDS = {"": 0, "wep": 1, "hep": 2, "ns": 3, "net": 4}
# Why a local side of each kind is not judged (DESIGN.md §4).
_UNJUDGED_KINDS = np.array([2, JUDGED, 1, 2, 2])


@dataclass(slots=True)
class Resolved:
    """Who took part in each of the n flows of a batch.

    `source`, `dest` (n,) index `sides`, which a Resolver only ever appends to. `namespace` (n,)
    indexes `namespaces`: the judged side's. `own_host` (n,) int8: YES where a host sent to its own
    pod, OPEN where it may have, else NO. `unjudged` (n,) indexes UNJUDGED, or JUDGED.
    `sets` stand beside the revision's network sets: the labels of each, with what it inherits.
    `slices` are what stood behind the services that rules name within the batch's time.
    """

    sides: Sequence[Side]
    source: Ints
    dest: Ints
    namespace: Ints
    namespaces: list[str]
    own_host: NDArray[np.int8]
    unjudged: Ints
    sets: tuple[Identity, ...]
    slices: tuple[Slice, ...]

    def without(self, rows: list[int]) -> "Resolved":
        """The same without the flows at `rows`."""
        return replace(
            self,
            source=np.delete(self.source, rows),
            dest=np.delete(self.dest, rows),
            namespace=np.delete(self.namespace, rows),
            own_host=np.delete(self.own_host, rows),
            unjudged=np.delete(self.unjudged, rows),
        )


@dataclass(slots=True)
class _Known:
    """What is kept of one endpoint: `times` part time into stretches in which the answer to an interval
    depends only on the stretches that its two ends lie in."""

    endpoint: Endpoint
    stamp: int
    times: list[float]
    sides: dict[tuple[int, int, str, tuple[str, ...] | None], int] = field(default_factory=dict)


class Resolver:
    """Resolves batches against the facts as they are, for one revision.

    It remembers every endpoint and side it has met, so that ids hold from batch to batch: start a
    new one when `sides` has grown past what its reader wants to hold.
    """

    def __init__(self, facts: Facts, policies: Policies) -> None:
        self.sides: list[Side] = []
        self._facts = facts
        self._sets = {(s.namespace, s.name): s for s in policies.network_sets}
        self._services = Services(facts, policies)
        self._ids: dict[Side, int] = {}
        self._identities: dict[Identity, Identity] = {}
        self._known: dict[Endpoint, _Known] = {}
        self._span = 0.0, 0.0
        # By the stamp, too: it changes with the facts.
        self._evidence = lru_cache(maxsize=REMEMBERED)(lambda endpoint, _: gather(facts, endpoint))
        self._who = lru_cache(maxsize=REMEMBERED)(self._identified)

    def next(self, policies: Policies) -> "Resolver":
        """One for another revision, which numbers sides as this one does: both add to the same. What it
        knows of endpoints it takes over, but for network sets, which belong to the policies."""
        other = Resolver(self._facts, policies)
        other.sides, other._ids, other._identities = self.sides, self._ids, self._identities
        other._known = {e: known for e, known in self._known.items() if kind_of(e) != "ns"}
        other._span = self._span
        return other

    @property
    def remembered(self) -> int:
        """How many endpoints or sides are remembered, of whichever there are more."""
        return max(len(self.sides), len(self._known))

    @property
    def surroundings(self) -> tuple[tuple[Identity, ...], tuple[Slice, ...]]:
        """Network sets and slices (see Resolved) as they were within the time of the last batch."""
        return (
            tuple(self._set_identity(network_set, *self._span) for network_set in self._sets.values()),
            self._services.slices(*self._span),
        )

    def resolve(self, batch: FlowBatch) -> Resolved:
        """The sides of every flow; what it costs grows with distinct endpoints, not with flows."""
        self._span = span = (batch.start.min() / 1000, batch.end.max() / 1000) if len(batch) else (0.0, 0.0)
        kinds = np.array([_KINDS.get(kind_of(endpoint), 0) for endpoint in batch.endpoints], np.int64)
        namespaces, namespace = _interned([endpoint.namespace for endpoint in batch.endpoints])
        local = np.where(batch.reporter == DST, batch.dest, batch.source)
        return Resolved(
            self.sides,
            self._column(batch, batch.source, None, span),
            self._column(batch, batch.dest, batch.domain, span),
            namespace[local],
            namespaces,
            self._own_hosts(batch, kinds),
            np.where(batch.reporter == FWD, UNJUDGED.index("forwarded"), _UNJUDGED_KINDS[kinds[local]]),
            *self.surroundings,
        )

    def _column(self, batch: FlowBatch, column: Ints, domain: Ints | None, span: tuple[float, float]) -> Ints:
        """The side of each flow: one answer per distinct endpoint and names, where nothing that
        bears on it changed within the batch's time; else one per distinct interval."""
        names: list[tuple[str, ...] | None] = [()] if domain is None else batch.domains
        keys = column if domain is None else column * len(names) + domain
        distinct, inverse = _distinct(keys, len(batch.endpoints) * len(names))
        ids = np.zeros(len(distinct), np.int64)
        changing: list[tuple[int, _Known, tuple[str, ...] | None]] = []
        role = "source" if domain is None else "dest"
        for n, key in enumerate(distinct.tolist()):
            known = self._known_of(batch.endpoints[key // len(names)])
            domains = names[key % len(names)]
            first, last = bisect_right(known.times, span[0]), bisect_right(known.times, span[1])
            if first == last:
                ids[n] = self._side(known, first, last, role, domains)
            else:
                changing.append((n, known, domains))
        sides = ids[inverse]
        if changing:
            rows_of = _groups(inverse, len(distinct))
            for n, known, domains in changing:
                rows = rows_of[n]
                sides[rows] = self._sides_in_time(known, batch.start[rows], batch.end[rows], role, domains)
        return sides

    def _sides_in_time(
        self, known: _Known, start: Ints, end: Ints, role: str, domains: tuple[str, ...] | None
    ) -> Ints:
        width = len(known.times) + 1
        first = np.searchsorted(known.times, start / 1000, "right")
        last = np.searchsorted(known.times, end / 1000, "right")
        distinct, inverse = np.unique(first * width + last, return_inverse=True)
        pairs = (divmod(key, width) for key in distinct.tolist())
        return np.array([self._side(known, i, j, role, domains) for i, j in pairs], np.int64)[inverse]

    def _known_of(self, endpoint: Endpoint) -> _Known:
        stamp = self._facts.stamp(endpoint.namespace)
        known = self._known.get(endpoint)
        if known is None or known.stamp != stamp:
            times = self._evidence(endpoint, stamp).times()
            known = self._known[endpoint] = _Known(endpoint, stamp, times)
        return known

    def _side(self, known: _Known, first: int, last: int, role: str, domains: tuple[str, ...] | None) -> int:
        if kind_of(known.endpoint) in ("wep", "hep"):
            # Names are of what lies outside: a node learns their addresses from answers to its pods,
            # and knows an endpoint of the cluster as that endpoint.
            domains = ()
        key = (first, last, role, domains)
        if key not in known.sides:
            who = self._who(known.endpoint, known.stamp, first, last)
            known.sides[key] = self._intern(_as_side(who, role, domains))
        return known.sides[key]

    def _identified(self, endpoint: Endpoint, stamp: int, first: int, last: int) -> Who:
        # Any interval with its ends in these stretches gets the same answer: one stands for all.
        evidence, times = self._evidence(endpoint, stamp), self._known[endpoint].times
        start, end = _within(times, first), _within(times, last)
        candidates, missing = identify(endpoint, evidence, self._sets, start, end)
        return Who(tuple(self._shared(candidate) for candidate in candidates), missing)

    def _shared(self, candidate: Candidate) -> Candidate:
        if candidate.identity is None:
            return candidate
        return replace(
            candidate, identity=self._identities.setdefault(candidate.identity, candidate.identity)
        )

    def _intern(self, side: Side) -> int:
        index = self._ids.setdefault(side, len(self.sides))
        if index == len(self.sides):
            self.sides.append(side)
        return index

    def _own_hosts(self, batch: FlowBatch, kinds: Ints) -> NDArray[np.int8]:
        """Where a host sent to its own pod, which is never policed (CALICO.md §4.1)."""
        own = np.full(len(batch), NO, np.int8)
        workload, other = kinds == _KINDS["wep"], np.isin(kinds, [0, _KINDS["hep"], _KINDS["net"]])
        rows = np.flatnonzero((batch.reporter == DST) & workload[batch.dest] & other[batch.source])
        keys = batch.source[rows] * len(batch.hosts) + batch.host[rows]
        distinct, inverse = _distinct(keys, len(batch.endpoints) * len(batch.hosts))
        known = [self._facts.host_addresses(host) for host in batch.hosts]
        pairs = (divmod(key, len(batch.hosts)) for key in distinct.tolist())
        answers = [own_host(self._facts, batch.endpoints[e], batch.hosts[h], known[h]) for e, h in pairs]
        own[rows] = np.array(answers, np.int8)[inverse]
        return own

    def _set_identity(self, network_set: NetworkSet, start: float, end: float) -> Identity:
        """A set's labels with those of its namespace; what changed within the time is open."""
        own = dict(network_set.labels)
        if not network_set.namespace:
            return Identity("ns", network_set.labels)
        versions = self._facts.namespaces.alive(network_set.namespace)
        options = namespace_options(network_set.namespace, versions, start, end)
        steady = set.intersection(*(set(option.labels.items()) for option in options))
        changed = {key for option in options for key, _ in option.labels.items() ^ steady}
        unknown = {prefix for option in options for prefix in option.open}
        labels = tuple(sorted((dict(steady) | own).items()))
        return Identity("ns", labels, open_prefixes=tuple(sorted(changed | unknown)))


def _as_side(who: Who, role: str, domains: tuple[str, ...] | None) -> Side:
    missing = tuple(sorted(f"{role}_ip" if reason == "ip" else reason for reason in who.missing))
    return Side(who.candidates, missing if domains is not None else (*missing, "domain"), domains)


def _within(times: list[float], stretch: int) -> float:
    if stretch:
        return times[stretch - 1]
    return times[0] - 1 if times else 0.0


def _distinct(keys: Ints, bound: int) -> tuple[Ints, Ints]:
    """The distinct values of keys in [0, bound), and where each key is among them."""
    if bound > 32 * len(keys):
        return np.unique(keys, return_inverse=True)
    place = np.zeros(bound, np.int64)  # counting is faster than sorting
    place[keys] = 1
    distinct = np.flatnonzero(place)
    place[distinct] = np.arange(len(distinct))
    return distinct, place[keys]


def _groups(inverse: Ints, count: int) -> list[Ints]:
    """The rows of each value of `inverse`."""
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.searchsorted(inverse[order], np.arange(1, count)))


def _interned(values: list[str]) -> tuple[list[str], Ints]:
    index = {value: n for n, value in enumerate(dict.fromkeys(values))}
    return list(index), np.array([index[value] for value in values], np.int64)
