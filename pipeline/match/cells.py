"""Flow classes taken apart into cells: complete flows, each of which one set of rows decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np

from pipeline.identity import Side
from pipeline.match.bits import Ints, distinct
from pipeline.match.table import ICMP_PROTOCOLS, NOBODY
from pipeline.match.tables import Tables
from pipeline.match.verdict import TooMany

# What a missing part of a record leaves open; all others leave open who it is.
CONCERNS = {"source_ip": "address", "dest_ip": "address", "domain": "domain"}


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

    def only(self, number: int) -> "FlowClasses":
        """One class of these."""
        at = slice(number, number + 1)
        return FlowClasses(
            self.source[at],
            self.dest[at],
            self.protocol[at],
            self.source_port[at],
            self.dest_port[at],
            self.own_host[at],
            self.sides,
        )


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


def canonical_ports(
    tables: Tables,
    sides: Sequence[Side],
    source: Ints,
    dest: Ints,
    protocol: Ints,
    source_port: Ints,
    dest_port: Ints,
) -> tuple[Ints, Ints]:
    """Ports (n,) of both sides by the first of their elementary interval, so that flows which nothing
    tells apart are one class; ICMP's type and code, and what is missing, stay as they are."""
    known = tables.known_sides(sides)
    for destination, column in enumerate((source, dest)):
        known.entities(column, destination=bool(destination))  # who may name ports, intervals of their own
    is_icmp = (protocol == ICMP_PROTOCOLS[0]) | (protocol == ICMP_PROTOCOLS[1])
    canonical_source, canonical_dest = (
        np.where(port >= 0, tables.canonical_port(port), port) for port in (source_port, dest_port)
    )
    return canonical_source, np.where(is_icmp, dest_port, canonical_dest)


class _Spread:
    """What each dimension of some classes can be: the first way for all, the rest on request."""

    def __init__(self, tables: Tables, classes: FlowClasses) -> None:
        self.tables, self.classes = tables, classes
        known = tables.known_sides(classes.sides)
        self.canonical = canonical_ports(
            tables,
            classes.sides,
            classes.source,
            classes.dest,
            classes.protocol,
            classes.source_port,
            classes.dest_port,
        )
        source, one_source = known.entities(classes.source, destination=False)
        dest, one_dest = known.entities(classes.dest, destination=True)
        version = tables.version(dest)
        protocol = self._points(self._protocol_point, classes.protocol, self.canonical[1], version)
        source_port = self._points(
            self._source_point, self._telling(source), classes.protocol, self.canonical[0]
        )
        dest_port = self._points(self._dest_point, self._telling(dest), classes.protocol, self.canonical[1])
        self.first = [source, dest, protocol[0], source_port[0], dest_port[0]]
        self.single = (
            one_source
            & one_dest
            & (tables.version(source) == version)
            & (protocol[1] == 1)
            & (source_port[1] == 1)
            & (dest_port[1] == 1)
            & (classes.own_host == 0)
        )

    def _telling(self, entities: Ints) -> Ints:
        """Entities whose ports have names or services; -1 for all others, which are alike."""
        return np.where(self.tables.tells_ports(entities) > 0, entities, -1)

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

    def _source_point(self, entity: int, protocol: int, port: int) -> tuple[int, ...]:
        return self._ports(entity, protocol, port, destination=False)

    def _dest_point(self, entity: int, protocol: int, port: int) -> tuple[int, ...]:
        return self._ports(entity, protocol, port, destination=True)

    def _ports(self, entity: int, protocol: int, port: int, *, destination: bool) -> tuple[int, ...]:
        """The telling ports; () = more than can be looked at here, so that the class is completed."""
        try:
            return self.tables.port_points(entity, protocol, port, destination=destination)
        except TooMany:
            return ()

    def complete(self, number: int) -> tuple[list[Cell], tuple[str, ...]]:
        """All cells of one class and what it leaves open. Raises TooMany above the bound."""
        tables, classes = self.tables, self.classes
        source_side, dest_side = (classes.sides[int(c[number])] for c in (classes.source, classes.dest))
        sources = tables.telling_entities(tables.entities_of(source_side, False), destination=False)
        dests = tables.telling_entities(tables.entities_of(dest_side, True), destination=True)
        protocol = int(classes.protocol[number])
        source_port, dest_port = (int(column[number]) for column in self.canonical)
        cells: list[Cell] = []
        counts = (0, 0)
        for source, dest in product(sources, dests):
            version = tables.entities[source].facts.version
            if version != tables.entities[dest].facts.version:
                continue
            for point in tables.protocol_points(protocol, dest_port, version):
                known = tables.protocols[point].protocol
                from_ports = tables.port_points(source, known, source_port, destination=False)
                to_ports = tables.port_points(dest, known, dest_port, destination=True)
                counts = max(counts[0], len(from_ports)), max(counts[1], len(to_ports))
                if len(cells) + len(from_ports) * len(to_ports) > tables.max_cells:
                    raise TooMany
                cells += [Cell(source, dest, point, a, b) for a, b in product(from_ports, to_ports)]
        protocols = {cell.protocol for cell in cells}
        open_parts = [
            *self._open_in(source_side, sources),
            *self._open_in(dest_side, dests),
            *(["protocol"] if protocol < 0 and len(protocols) > 1 else ()),
            *(["source_port" if source_port < 0 else "named_ports"] if counts[0] > 1 else ()),
            *(["dest_port" if dest_port < 0 else "named_ports"] if counts[1] > 1 else ()),
            *(["source_ip"] if classes.own_host[number] < 0 else ()),  # it may be the pod's own host
            *(() if cells else ["contradiction"]),
        ]
        return cells, tuple(dict.fromkeys(open_parts))

    def _open_in(self, side: Side, entities: Sequence[int]) -> list[str]:
        """What a side's record lacks, as far as it makes a difference among these entities."""
        found = [self.tables.entities[entity] for entity in entities]
        varies = {
            "address": len({(e.facts.version, e.facts.nets) for e in found}) > 1,
            "domain": len({e.facts.domains for e in found}) > 1,
            "identity": len({(e.facts.own_selectors, replace(e, facts=NOBODY)) for e in found}) > 1,
        }
        return [reason for reason in side.missing if varies[CONCERNS.get(reason, "identity")]]

    def recorded_missing(self, number: int) -> tuple[str, ...]:
        """Everything that a class's record leaves open, whether it matters or not."""
        classes = self.classes
        sides = (classes.sides[int(column[number])] for column in (classes.source, classes.dest))
        return tuple(dict.fromkeys(reason for side in sides for reason in side.missing))
