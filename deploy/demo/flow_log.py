"""The flow log of the whole sample cluster: interval by interval, as many records as asked for."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from deploy.demo.cluster import DAY, Cluster
from deploy.demo.dealt import Counts, Dealt
from deploy.demo.edges import Edge, edges
from deploy.demo.logged import Judge
from deploy.demo.records import Side, Tick, sides
from deploy.demo.traffic import talks

VERBOSE = "team-atlas/web"  # the node of its first pod logs names and addresses: somebody debugs it
EDITED_AT = 0.5  # share of the window: until then the policies of history/ were in force
RECORDS_PER_INTERVAL = 200  # at scale 1, of the somewhat more that there are when every edge is busy
_ATTEMPT = 180  # bytes of a connection that nobody answers: its first packet, sent three times
_RENEWAL = 12  # intervals after which connections that stay open are closed and opened again
_BUSIEST, _QUIETEST = 14 * 3_600, 0.35  # time of the day, UTC, and traffic twelve hours from it
_PORTS = (32_768, 61_000)


@dataclass(frozen=True, slots=True)
class Written:
    """An edge with the sides that write it down."""

    edge: Edge
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which neither pods nor policies change: what has to be written, and what may be."""

    start: int
    end: int
    must: tuple[Written, ...]
    may: tuple[Written, ...]


def scale_for(flows: int, intervals: int) -> int:
    """How many times its smallest size the cluster must be to write so many flows."""
    return max(1, math.ceil(flows / intervals / RECORDS_PER_INTERVAL))


def flow_log(cluster: Cluster, before: Judge, after: Judge, flows: int, seed: int) -> Iterator[list[bytes]]:
    """The records of each interval in turn, a list of lines each; `flows` lines in all.

    `before` and `after`: the nodes' judges until and from the edit of the policies.
    """
    rng = np.random.default_rng(seed)
    window, ports, written = cluster.window, _ports(rng), 0
    for stretch in _stretches(cluster, before, after):
        for start in range(stretch.start, stretch.end, window.interval):
            index = (start - window.start) // window.interval
            wanted = flows * (index + 1) // len(window) - written
            lines = _interval(stretch, index, start, window.interval, wanted, rng, ports)
            if start + window.interval == window.end:
                del lines[max(0, wanted) :]
            written += len(lines)
            yield lines


def _stretches(cluster: Cluster, before: Judge, after: Judge) -> Iterator[Stretch]:
    window = cluster.window
    edited = window.at(EDITED_AT)
    said = talks(window)
    for start, end in pairwise(sorted({window.start, *cluster.changes(), edited, window.end})):
        judge = before if start < edited else after
        verbose = next(p for p in cluster.pods if p.workload.key == VERBOSE and p.alive(start, end)).node.name
        of_edges = [
            Written(edge, tuple(sides(edge, judge, verbose))) for edge in edges(cluster, said, start, end)
        ]
        must = tuple(written for written in of_edges if written.edge.must_show)
        may = tuple(written for written in of_edges if not written.edge.must_show)
        yield Stretch(start, end, must, may)


def _interval(
    stretch: Stretch,
    index: int,
    start: int,
    length: int,
    wanted: int,
    rng: np.random.Generator,
    ports: Iterator[int],
) -> list[bytes]:
    """What has to be written, and of the rest, by chance, whole edges until there is enough."""
    lines: list[bytes] = []
    for written in stretch.must:
        due = written.edge.talk.due
        if due is None or index in due:
            lines += _edge(written, index, start, length, rng, ports)
    for chosen in rng.permutation(len(stretch.may)):
        if len(lines) >= wanted:
            break
        lines += _edge(stretch.may[chosen], index, start, length, rng, ports)
    return lines


def _edge(
    written: Written, index: int, start: int, length: int, rng: np.random.Generator, ports: Iterator[int]
) -> list[bytes]:
    talk = written.edge.talk
    totals = _totals(written.edge, start, rng)
    dealt = Dealt(totals, len(written.edge.dests), index)
    denied = any(side.denied for side in written.sides)
    size = rng.uniform(0.7, 1.3)
    tick = Tick(
        start,
        start + length,
        _ATTEMPT if denied else int(talk.sent * size),
        0 if denied else int(talk.received * size),
        opens=not talk.steady or index % _RENEWAL == 0,
        closes=not talk.steady or index % _RENEWAL == _RENEWAL - 1,
    )
    lines = []
    for side in written.sides:
        lines += side.lines(dealt, tick, ports)
    return lines


def _totals(edge: Edge, start: int, rng: np.random.Generator) -> Counts:
    """Connections of each source in an interval; of those that stay open or must show no chance decides."""
    if edge.must_show or edge.talk.steady:
        return np.full(len(edge.sources), round(edge.talk.rate))
    wave = (1 + math.cos(2 * math.pi * (start - _BUSIEST) / DAY)) / 2
    busy = _QUIETEST + (1 - _QUIETEST) * wave
    return rng.poisson(edge.talk.rate * busy, len(edge.sources))


def _ports(rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.integers(*_PORTS, 4_096).tolist()
