"""Two revisions compared: groups of endpoints among which the same permissions are gained or lost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

from pipeline.diff.endpoints import Known
from pipeline.diff.permissions import ALLOWED, DENIED, UNSURE, Codes, Permissions
from pipeline.diff.traffic import Traffic
from pipeline.match.bits import Flags, Ints, distinct
from pipeline.policy.policies import Direction

type Change = Literal["gained", "lost", "unclear"]

CHANGES: tuple[Change, ...] = ("gained", "lost", "unclear")
CELLS = 1 << 22  # permissions that are looked at together
DIRECTIONS: tuple[Direction, ...] = ("egress", "ingress")


class Group(NamedTuple):
    """All of `sources` may start, or may no longer start, `traffic` (places) to all of `dests`; both are
    places in `Compared.sources` and `.dests`, which are lists of endpoints that nothing tells apart."""

    change: Change
    sources: tuple[int, ...]
    dests: tuple[int, ...]
    traffic: tuple[int, ...]
    version: int


@dataclass(slots=True)
class Compared:
    """`sources[c]`, `dests[c]`: places of the endpoints of a class. `unsure`: of how many pairs of classes
    something is unknown under both revisions, for lack of facts."""

    sources: list[Ints]
    dests: list[Ints]
    groups: list[Group] = field(default_factory=list)
    unsure: int = 0


type Row = tuple[bytes, int, tuple[int, ...]]  # changes of each traffic, address family, destinations


def compare(
    endpoints: Sequence[Known],
    base: Permissions,
    head: Permissions,
    traffic: Sequence[Traffic],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Compared:
    """Every permission that the two do not share. `progress` is told how far it is, of how much."""
    version = np.array([endpoint.version for endpoint in endpoints], np.int64)
    workload = np.array([endpoint.kind == "wep" for endpoint in endpoints], np.bool_)
    sources, dests = (_alike(direction, version, workload, base, head) for direction in DIRECTIONS)
    compared = Compared(sources, dests)
    first = [np.array([own[0] for own in each], np.int64) for each in (sources, dests)]
    rows: dict[Row, list[int]] = {}
    step = max(1, CELLS // max(1, len(dests) * len(traffic)))
    for start in range(0, len(sources), step):
        some = first[0][start : start + step]
        met = _may_meet(some, first[1], version, workload)
        before, after = (each.among(some, first[1], met, traffic) for each in (base, head))
        both = (before == UNSURE) & (after == UNSURE) & met[:, :, np.newaxis]
        compared.unsure += int(both.any(axis=2).sum())
        for number, row in _rows(_changes(before, after, met), some, first[1], version, traffic):
            rows.setdefault(row, []).append(start + number)
        progress(min(start + step, len(sources)), len(sources))
    compared.groups = list(_groups(rows))
    return compared


def _alike(
    direction: Direction, version: Ints, workload: Flags, base: Permissions, head: Permissions
) -> list[Ints]:
    """The endpoints of each class, as sources (egress) or destinations, that neither revision tells apart."""
    other: Direction = "ingress" if direction == "egress" else "egress"
    columns = [version, workload.astype(np.int64)]
    columns += [each for one in (base, head) for each in (one.judged[direction], one.passed[other])]
    _, kind = distinct(columns)
    order = np.argsort(kind, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(kind[order])) + 1) if len(kind) else []


def _may_meet(sources: Ints, dests: Ints, version: Ints, workload: Flags) -> Flags:
    """Which pairs (s, d) can talk and are policed: of one address family, and one of them is a workload."""
    one, other = version[sources][:, np.newaxis], version[dests]
    policed = workload[sources][:, np.newaxis] | workload[dests]
    met: Flags = policed & ((one == other) | (one == 0) | (other == 0))
    return met


def _changes(before: Codes, after: Codes, met: Flags) -> Codes:
    """1 + the place in CHANGES of each permission, 0 where there is no change."""
    changed = np.where(before == after, 0, 3).astype(np.int8)
    changed[(before == DENIED) & (after == ALLOWED)] = 1
    changed[(before == ALLOWED) & (after == DENIED)] = 2
    changed[~met] = 0
    return changed


def _rows(
    changed: Codes, sources: Ints, dests: Ints, version: Ints, traffic: Sequence[Traffic]
) -> Iterator[tuple[int, Row]]:
    """What changes for each source, by what changes: equal rows will be one group."""
    for number, row in enumerate(changed):
        family = np.maximum(version[sources[number]], version[dests])
        for one in (4, 6):
            impossible = [place for place, each in enumerate(traffic) if not each.is_of(one)]
            row[np.ix_(family == one, impossible)] = 0
        found: dict[tuple[bytes, int], list[int]] = {}
        for dest in np.flatnonzero(row.any(axis=1)).tolist():
            found.setdefault((row[dest].tobytes(), int(family[dest])), []).append(dest)
        for (what, own), some in found.items():
            yield number, (what, own, tuple(some))


def _groups(rows: dict[Row, list[int]]) -> Iterator[Group]:
    @cache
    def places(what: bytes, change: int) -> tuple[int, ...]:
        return tuple(place for place, code in enumerate(what) if code == change)

    for (what, version, dests), sources in rows.items():
        for number, change in enumerate(CHANGES, start=1):
            if traffic := places(what, number):
                yield Group(change, tuple(sources), dests, traffic, version)
