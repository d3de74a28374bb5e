"""Observations ▸ documents of edges and rules by window: which messages add what to which document."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import orjson

from pipeline.edge_documents import (
    HOUR_MS,
    Figures,
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
from pipeline.periods import Series

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
    rolled_up = RolledUp()
    for message in messages:
        try:
            observations = read_observations(message.value)
        except ObservationError as error:
            rolled_up.unreadable[error.reason] += 1
        else:
            _Fold(rolled_up, kept, now, message).add(observations)
    return rolled_up


class _Fold:
    """Adds one message."""

    def __init__(self, rolled_up: RolledUp, kept: Kept, now: float, message: Message) -> None:
        self._rolled_up = rolled_up
        self._kept = kept
        self._now = now
        self._offset = message.offset
        # A topic made anew, or another partition, counts in documents of its own.
        self._log = f"{message.topic_id}-{message.partition}-".encode()

    def add(self, observations: Observations) -> None:
        workloads = workloads_of(observations.workloads)
        for edge in observations.edges:
            common, shortest = said_of(observations.namespace, edge, workloads)
            figures = figures_of(edge)
            for window, start in starts(edge.interval):
                said = common | shortest if window == "interval" else common
                if window != "day":
                    said = said | {"hour_of_week": hour_of_week(start)}
                self._put(window, self._kept.edges[window], start, {"window": window} | said, figures)
        for rule in observations.rules:
            said = _said_of_rule(observations, rule)
            start = rule.interval // HOUR_MS * HOUR_MS
            self._put("rules", self._kept.rules, start, said, _figures_of_rule(rule))

    def _put(self, window: str, series: Series, start: int, said: dict[str, Any], figures: Figures) -> None:
        if not series.is_kept(start, self._now):
            self._rolled_up.aged_out[window] += 1
            return
        fields = orjson.dumps({"@timestamp": start, "cluster": self._kept.cluster} | said)[:-1]
        place = Place(series.index_of(start), digest(self._log + fields))
        added = self._rolled_up.added.get(place)
        if added is None:
            added = self._rolled_up.added[place] = Added(fields)
        added.put(self._offset, figures)


def _said_of_rule(observations: Observations, rule: ObservedRule) -> dict[str, Any]:
    return {
        "namespace": observations.namespace,
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
