"""Flow classes taken apart into cells: complete flows, each of which one set of rows decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np

from pipeline.identity import Side
from pipeline.match.bits import Ints, distinct
from pipeline.match.roles import TELLING, VERSION, OneOf, varies
from pipeline.match.table import ICMP_PROTOCOLS
from pipeline.match.tables import Tables
from pipeline.match.verdict import TooMany

# What a missing part of a record leaves open; all others leave open who it is.
CONCERNS = {
    "source_ip": "address",
    "dest_ip": "address",
    "domain": "domain",
    "endpoint_slice": "endpoint_slice",
}


@dataclass(frozen=True, slots=True)
class FlowClasses:
    """Distinct flow classes of one direction as columns (n,) int64.

    `source`, `dest` index `sides`; ports and protocol are -1 where missing; `own_host` is 1 where
    the source is the destination's own host, 0 where it is not, -1 where that is open.
    """

    source: Ints
    dest: Ints
    protocol: Ints
    source_port: Ints
    dest_port: Ints
    own_host: Ints
    sides: Sequence[Side]

    def columns(self) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints]:
        """All that tells classes apart."""
        return (
            self.source,
            self.dest,
            self.protocol,
            self.source_port,
            self.dest_port,
            self.own_host,
        )

    def at(self, rows: Ints) -> "FlowClasses":
        """Some of these."""
        a, b, c, d, e, f = (column[rows] for column in self.columns())
        return FlowClasses(a, b, c, d, e, f, self.sides)


class Cell(NamedTuple):
    """Ids of a complete flow: entities, protocol point, port points (see Tables)."""

    source: int
    dest: int
    protocol: int
    source_port: int
    dest_port: int


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells as a matrix (5, m) int64, and the class that each belongs to (m,).

    The first `whole` are their class's only ones. `missing[c]` names what any other class leaves
    open, `too_many` those above the bound, which have no cells.
    """

    ids: Ints
    of_class: Ints
    whole: int
    missing: dict[int, tuple[str, ...]]
    too_many: dict[int, tuple[str, ...]]


def take_apart(tables: Tables, classes: FlowClasses) -> Cells:
    """The cells of every class: one where nothing that matters is missing, else every completion."""
    spread = _Spread(tables, classes)
    single = np.flatnonzero(spread.single)
    blocks = [np.stack([column[single] for column in spread.first])]
    owners = [single]
    missing: dict[int, tuple[str, ...]] = {}
    too_many: dict[int, tuple[str, ...]] = {}
    for number in np.flatnonzero(~spread.single).tolist():
        try:
            cells, open_parts = spread.complete(number)
        except TooMany:
            too_many[number] = spread.recorded_missing(number)
            continue
        missing[number] = open_parts
        blocks.append(np.array(cells, np.int64).reshape(-1, 5).T)
        owners.append(np.full(len(cells), number, np.int64))
    return Cells(np.concatenate(blocks, axis=1), np.concatenate(owners), len(single), missing, too_many)


def canonical(tables: Tables, classes: FlowClasses) -> FlowClasses:
    """The classes (n,), some of them now the same: what nothing tells apart, be it sides or ports within
    an elementary interval, by the first of its kind. ICMP's type and code, and what is missing, stay."""
    known = tables.known_sides(classes.sides)
    # Whoever it is may name ports, which then are intervals of their own: first who, then which ports.
    source = known.alike(classes.source, destination=False)
    dest = known.alike(classes.dest, destination=True)
    is_icmp = (classes.protocol == ICMP_PROTOCOLS[0]) | (classes.protocol == ICMP_PROTOCOLS[1])
    source_port, dest_port = (
        np.where(port >= 0, tables.canonical_port(port), port)
        for port in (classes.source_port, classes.dest_port)
    )
    dest_port = np.where(is_icmp, classes.dest_port, dest_port)
    return replace(classes, source=source, dest=dest, source_port=source_port, dest_port=dest_port)


class _Spread:
    """What each dimension of some classes can be: the first way for all, the rest on request."""

    def __init__(self, tables: Tables, classes: FlowClasses) -> None:
        self.tables = tables
        self.classes = classes = canonical(tables, classes)
        known = tables.known_sides(classes.sides)
        source, one_source = known.entities(classes.source, destination=False)
        dest, one_dest = known.entities(classes.dest, destination=True)
        sources, dests = tables.roles
        version = dests.column(VERSION, dest)
        protocol = self._points(self._protocol_point, classes.protocol, classes.dest_port, version)
        source_port = self._points(
            self._source_point, sources.column(TELLING, source), classes.protocol, classes.source_port
        )
        dest_port = self._points(
            self._dest_point, dests.column(TELLING, dest), classes.protocol, classes.dest_port
        )
        self.first = [source, dest, protocol[0], source_port[0], dest_port[0]]
        self.single = (
            one_source
            & one_dest
            & (sources.column(VERSION, source) == version)
            & (protocol[1] == 1)
            & (source_port[1] == 1)
            & (dest_port[1] == 1)
            & (classes.own_host == 0)
        )

    def _points(
        self, points_of: Callable[[int, int, int], tuple[int, ...]], *columns: Ints
    ) -> tuple[Ints, Ints]:
        """(first point, number of points) of each row of three columns."""
        kinds, inverse = distinct(columns)
        found = [points_of(*(int(column[row]) for column in columns)) for row in kinds.tolist()]
        first = np.array([points[0] if points else 0 for points in found], np.int64)
        return first[inverse], np.array([len(points) for points in found], np.int64)[inverse]

    def _protocol_point(self, protocol: int, dest_port: int, version: int) -> tuple[int, ...]:
        return self.tables.protocol_points(protocol, dest_port, version)

    def _source_point(self, telling: int, protocol: int, port: int) -> tuple[int, ...]:
        return self._ports(telling, protocol, port, destination=False)

    def _dest_point(self, telling: int, protocol: int, port: int) -> tuple[int, ...]:
        return self._ports(telling, protocol, port, destination=True)

    def _ports(self, telling: int, protocol: int, port: int, *, destination: bool) -> tuple[int, ...]:
        """The telling ports; () = more than can be looked at here, so that the class is completed."""
        try:
            return self.tables.port_points(telling, protocol, port, destination=destination)
        except TooMany:
            return ()

    def complete(self, number: int) -> tuple[list[Cell], tuple[str, ...]]:
        """All cells of one class and what it leaves open. Raises TooMany above the bound."""
        tables, classes = self.tables, self.classes
        source_side, dest_side = (classes.sides[int(c[number])] for c in (classes.source, classes.dest))
        sources, dests = (
            role.one_of(side) for role, side in zip(tables.roles, (source_side, dest_side), strict=True)
        )
        protocol = int(classes.protocol[number])
        source_port, dest_port = int(classes.source_port[number]), int(classes.dest_port[number])
        cells: list[Cell] = []
        counts = (0, 0)
        for (source, sender), (dest, receiver) in product(sources, dests):
            version = sender.facts.version
            if version != receiver.facts.version:
                continue
            telling = [
                int(role.column(TELLING, np.array(one)))
                for role, one in zip(tables.roles, (source, dest), strict=True)
            ]
            for point in tables.protocol_points(protocol, dest_port, version):
                known = tables.protocols[point].protocol
                from_ports = tables.port_points(telling[0], known, source_port, destination=False)
                to_ports = tables.port_points(telling[1], known, dest_port, destination=True)
                counts = max(counts[0], len(from_ports)), max(counts[1], len(to_ports))
                if len(cells) + len(from_ports) * len(to_ports) > tables.max_cells:
                    raise TooMany
                cells += [Cell(source, dest, point, a, b) for a, b in product(from_ports, to_ports)]
        protocols = {cell.protocol for cell in cells}
        open_parts = [
            *_open_in(source_side, sources),
            *_open_in(dest_side, dests),
            *(["protocol"] if protocol < 0 and len(protocols) > 1 else ()),
            *(["source_port" if source_port < 0 else "named_ports"] if counts[0] > 1 else ()),
            *(["dest_port" if dest_port < 0 else "named_ports"] if counts[1] > 1 else ()),
            *(["source_ip"] if classes.own_host[number] < 0 else ()),  # it may be the pod's own host
            *(() if cells else ["contradiction"]),
        ]
        return cells, tuple(dict.fromkeys(open_parts))

    def recorded_missing(self, number: int) -> tuple[str, ...]:
        """Everything that a class's record leaves open, whether it matters or not."""
        classes = self.classes
        sides = (classes.sides[int(column[number])] for column in (classes.source, classes.dest))
        return tuple(dict.fromkeys(reason for side in sides for reason in side.missing))


def _open_in(side: Side, entities: OneOf) -> list[str]:
    """What a side's record lacks, as far as it makes a difference among these entities."""
    differs = varies([entity for _, entity in entities])
    missing = (*side.missing, "endpoint_slice")
    return [reason for reason in missing if differs[CONCERNS.get(reason, "identity")]]
