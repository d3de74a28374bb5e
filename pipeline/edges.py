"""Observations ▸ documents of edges and rules by window: which messages add what to which document."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import orjson

from pipeline.carried_filters import reporters_of
from pipeline.edge_documents import (
    HOUR_MS,
    Figures,
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
from pipeline.observations import ObservationError, Observations, ObservedRule, read_observations

_MOST = 2**63 - 1  # what Elasticsearch takes


def _sum(one: int, other: int) -> int:
    return min(one + other, _MOST)


# What is no sum.
_JOINED: dict[str, Callable[[int, int], int]] = {"first": min, "last": max, "last_hit": max}


def add(one: Figures, other: Figures) -> Figures:
    """Two documents' figures together; it does not matter which of any number comes first."""
    return {name: _JOINED.get(name, _sum)(value, other[name]) for name, value in one.items()}


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a document stands."""

    index: str
    id: str


@dataclass(slots=True)
class Added:
    """What messages add to one document: its own fields, as JSON without the last brace, and the figures
    of each message, by its offset, in rising order."""

    fields: bytes
    figures: list[tuple[int, Figures]] = field(default_factory=list)

    def put(self, offset: int, figures: Figures) -> None:
        if self.figures and self.figures[-1][0] == offset:
            self.figures[-1] = offset, add(self.figures[-1][1], figures)
        else:
            self.figures.append((offset, figures))

    @property
    def names(self) -> Iterable[str]:
        """Of the figures."""
        return self.figures[0][1]

    def document(self, figures: Figures) -> bytes:
        return self.fields + b"," + orjson.dumps(figures)[1:]


class Counted(NamedTuple):
    """A document's figures: of all messages of its partition below the offset that is its version."""

    version: int
    figures: Figures

    def with_(self, added: Added) -> "Counted":
        """With those messages that it does not count yet; the same where there are none."""
        counted = self
        for offset, figures in added.figures:
            if offset >= counted.version:
                counted = Counted(offset + 1, add(counted.figures, figures) if counted.figures else figures)
        return counted


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
        # A topic made anew, or another partition, counts in documents of its own.
        log = f"{message.topic_id}-{message.partition}-".encode()
        workloads = workloads_of(observations.workloads)
        for edge in observations.edges:
            said = said_of(observations.namespace, edge, workloads)
            common, figures = orjson.dumps(said)[1:-1], figures_of(edge)
            for window, start in starts(edge.interval):
                own = common
                if window == "interval" and (more := addresses_of(edge)):
                    own += b"," + orjson.dumps(more)[1:-1]
                self._put(window, start, log, message.offset, own, figures)
        for rule in observations.rules:
            own = orjson.dumps(_said_of_rule(observations, rule))[1:-1]
            start = rule.interval // HOUR_MS * HOUR_MS
            self._put("rules", start, log, message.offset, own, _figures_of_rule(rule))

    def _put(self, window: str, start: int, log: bytes, offset: int, said: bytes, figures: Figures) -> None:
        opened = self._opened.get((window, start)) or self._open(window, start)
        if opened.index is None:
            self.rolled_up.aged_out[window] += 1
            return
        fields = b"%b,%b" % (opened.fields, said)
        place = Place(opened.index, digest(log + fields))
        added = self.rolled_up.added.get(place)
        if added is None:
            added = self.rolled_up.added[place] = Added(fields)
        added.put(offset, figures)

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
