"""Observations ▸ documents of edges and rules by window: which messages add what to which document."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import orjson

from pipeline.carried_filters import reporters_of
from pipeline.edge_documents import (
    HOUR_MS,
    Figures,
    Workloads,
    addresses_of,
    digest,
    figures_of,
    hour_of_week,
    said_of,
    starts,
    workloads_of,
)
from pipeline.flow import Message
from pipeline.kept import Kept
from pipeline.observations import (
    ObservationError,
    Observations,
    ObservedEdge,
    ObservedRule,
    read_observations,
)

_MOST = 2**63 - 1  # what Elasticsearch takes


def _sum(values: Iterable[int]) -> int:
    return min(sum(values), _MOST)


# What is no sum.
_JOINED: dict[str, Callable[[Iterable[int]], int]] = {"first": min, "last": max, "last_hit": max}


def together(figures: Sequence[Figures]) -> Figures:
    """Documents' figures together, all of the same names in the same order; it does not matter which comes
    first."""
    if len(figures) == 1:
        return figures[0]
    values = zip(*(each.values() for each in figures), strict=True)
    return {name: _JOINED.get(name, _sum)(each) for name, each in zip(figures[0], values, strict=True)}


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a document stands."""

    index: str
    id: str


@dataclass(slots=True)
class Added:
    """What messages add to one document: its own fields, as JSON without the last brace, and the figures
    that each message adds, by its offset, in rising order."""

    fields: bytes
    figures: list[tuple[int, list[Figures]]] = field(default_factory=list)

    def put(self, offset: int, figures: Figures) -> None:
        if self.figures and self.figures[-1][0] == offset:
            self.figures[-1][1].append(figures)
        else:
            self.figures.append((offset, [figures]))

    @property
    def names(self) -> Iterable[str]:
        """Of the figures."""
        return self.figures[0][1][0]

    def document(self, figures: Figures) -> bytes:
        return self.fields + b"," + orjson.dumps(figures)[1:]


class Counted(NamedTuple):
    """A document's figures: of all messages of its partition below the offset that is its version."""

    version: int
    figures: Figures

    def with_(self, added: Added) -> "Counted":
        """With those messages that it does not count yet; the same where there are none."""
        new = [each for each in added.figures if each[0] >= self.version]
        if not new:
            return self
        figures = [one for _, of_message in new for one in of_message]
        # Documents tell figures in whatever order: ours come first, theirs by name.
        known = [{name: self.figures[name] for name in figures[0]}] if self.figures else []
        return Counted(new[-1][0] + 1, together(figures + known))


NOTHING = Counted(0, {})


@dataclass(slots=True)
class RolledUp:
    """What some messages add, and what of them is left out: messages that cannot be read by the reason,
    edges and rules by the window of which nothing is kept any more."""

    added: dict[Place, Added] = field(default_factory=dict)
    unreadable: Counter[str] = field(default_factory=Counter)
    aged_out: Counter[str] = field(default_factory=Counter)


def roll_up(messages: Iterable[Message], kept: Kept, now: float) -> RolledUp:
    """Fold messages, those of a partition in order of their offsets."""
    fold = _Fold(kept, now)
    for message in messages:
        try:
            observations = read_observations(message.value)
        except ObservationError as error:
            fold.rolled_up.unreadable[error.reason] += 1
        else:
            fold.add(message, observations)
    return fold.rolled_up


@dataclass(frozen=True, slots=True)
class _Opened:
    """What all documents of one window have in common: their index, None where it is not kept any more, and
    their first fields, as JSON without the last brace."""

    index: str | None
    fields: bytes


class _Fold:
    """Adds messages."""

    def __init__(self, kept: Kept, now: float) -> None:
        self.rolled_up = RolledUp()
        self._kept = kept
        self._now = now
        self._opened: dict[tuple[str, int], _Opened] = {}

    def add(self, message: Message, observations: Observations) -> None:
        documents = _Documents(self, message)
        workloads = workloads_of(observations.workloads)
        said: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
        for edge in observations.edges:
            telling, figures = edge.telling, figures_of(edge)
            common, shortest = said.get(telling) or said.setdefault(
                telling, _said_of_edge(observations.namespace, edge, workloads)
            )
            for window, start in starts(edge.interval):
                documents.add(window, start, shortest if window == "interval" else common, figures)
        for rule in observations.rules:
            own = orjson.dumps(_said_of_rule(observations, rule))[1:-1]
            documents.add("rules", rule.interval // HOUR_MS * HOUR_MS, own, _figures_of_rule(rule))

    def opened(self, window: str, start: int) -> _Opened:
        return self._opened.get((window, start)) or self._open(window, start)

    def _open(self, window: str, start: int) -> _Opened:
        series = self._kept.series[window]
        fields: dict[str, Any] = {"@timestamp": start, "cluster": self._kept.cluster}
        if window != "rules":
            fields["window"] = window
        if window in ("interval", "hour"):
            fields["hour_of_week"] = hour_of_week(start)
        index = series.index_of(start) if series.is_kept(start, self._now) else None
        opened = self._opened[window, start] = _Opened(index, orjson.dumps(fields)[:-1])
        return opened


class _Documents:
    """Those that one message adds to."""

    def __init__(self, fold: _Fold, message: Message) -> None:
        self._fold = fold
        self._offset = message.offset
        # A topic made anew, or another partition, counts in documents of its own.
        self._log = f"{message.topic_id}-{message.partition}-".encode()
        self._found: dict[tuple[str, int, bytes], Added | None] = {}

    def add(self, window: str, start: int, said: bytes, figures: Figures) -> None:
        """Figures to the document of a window that says this; counted where nothing of it is kept."""
        key = window, start, said
        if key not in self._found:
            self._found[key] = self._find(*key)
        added = self._found[key]
        if added is None:
            self._fold.rolled_up.aged_out[window] += 1
        else:
            added.put(self._offset, figures)

    def _find(self, window: str, start: int, said: bytes) -> Added | None:
        opened = self._fold.opened(window, start)
        if opened.index is None:
            return None
        fields = b"%b,%b" % (opened.fields, said)
        place = Place(opened.index, digest(self._log + fields))
        return self._fold.rolled_up.added.setdefault(place, Added(fields))


def _said_of_edge(namespace: str, edge: ObservedEdge, workloads: Workloads) -> tuple[bytes, bytes]:
    """What documents say of an edge, and what those of the shortest window do: JSON without braces."""
    common = orjson.dumps(said_of(namespace, edge, workloads))[1:-1]
    more = addresses_of(edge)
    return common, common + b"," + orjson.dumps(more)[1:-1] if more else common


def _said_of_rule(observations: Observations, rule: ObservedRule) -> dict[str, Any]:
    return {
        "namespace": observations.namespace,
        "reporter": reporters_of([rule.direction])[0],
        "verdict": {"namespace": observations.namespace},
        "direction": rule.direction,
        "tier": rule.tier,
        "policy": rule.policy,
        "rule": rule.rule,
        "staged": rule.staged,
        "revision": observations.revision,
    }


def _figures_of_rule(rule: ObservedRule) -> Figures:
    return {
        "hits": rule.flows,
        "possible_hits": rule.possible,
        "connections": rule.connections,
        "last_hit": rule.last,
    }
