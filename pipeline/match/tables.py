"""Everything of one revision that judging needs: the tables of both directions, and what flows can be."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from pipeline.identity import Identity, Side, Slice
from pipeline.match.bits import Flags, Ints, distinct
from pipeline.match.compiled import Compiled
from pipeline.match.entities import PLAIN, Completer, Entity
from pipeline.match.points import Ports, Protocols
from pipeline.match.rows import Memo
from pipeline.match.table import NOBODY, DirectionTables, PortPoint, ProtocolPoint
from pipeline.match.verdict import TooMany
from pipeline.policy.policies import Direction, Policies, PolicyKey

MAX_CELLS = 4096
WIDE_CELLS = 64
REMEMBERED = 1 << 16  # answers that are kept of each kind
REMEMBERED_SIDES = 1 << 12  # of those that a reader does not know by their place in its list


class Tables:
    """The match tables of one revision.

    `sets` stand beside the revision's network sets: the labels of each, with what it inherits.
    Entities, protocols and ports are interned: their ids index `entities`, `protocols`, `ports`.
    `max_cells` bounds the cells of one flow class (DESIGN.md §4, Unknown). Tables of all policies try
    few: a class with more is judged again by those of the policies that can matter to it (`narrow`).
    `compiled` is the revision compiled, where that was done before.
    """

    def __init__(
        self,
        policies: Policies,
        sets: Sequence[Identity],
        slices: Iterable[Slice],
        max_cells: int = MAX_CELLS,
        *,
        is_narrow: bool = False,
        compiled: Compiled | None = None,
    ) -> None:
        compiled = compiled or Compiled(policies)
        self.policies, self.is_narrow = policies, is_narrow
        self.max_cells = max_cells if is_narrow else min(max_cells, WIDE_CELLS)
        self._sets, self._slices, self._all_cells = tuple(sets), tuple(slices), max_cells
        self.directions: dict[Direction, DirectionTables] = {
            direction: DirectionTables(conditions) for direction, conditions in compiled.conditions.items()
        }
        services = {match.service for match in compiled.matches if match.service}
        asked = [piece for piece in self._slices if piece.service in services]
        self._completer = Completer(compiled, sets, asked, self.max_cells)
        self._protocols = Protocols(compiled.rules)
        self._ports = Ports(compiled.matches, self._completer.port_names, asked, self.max_cells)
        self._entities = Interned[Entity]()
        self._protocol_points = Interned[ProtocolPoint]()
        self._port_points = Interned[PortPoint]()
        self.entities = self._entities.values
        self.protocols = self._protocol_points.values
        self.ports = self._port_points.values
        self._entities.id(PLAIN)  # stands for a side that nobody can be
        self._known: KnownSides | None = None
        self.rows = {name: RowNumbers(self, tables) for name, tables in self.directions.items()}
        self.version = Memo(lambda entity: self.entities[entity].facts.version)
        self.profiled = Memo(lambda entity: self.entities[entity].profile is not None)
        self.workload = Memo(lambda entity: self.entities[entity].workload)
        self.tells_ports = Memo(self._tells_ports)
        self.entities_of = lru_cache(maxsize=REMEMBERED_SIDES)(self._entities_of)
        self.telling_entities = lru_cache(maxsize=REMEMBERED)(self._telling_entities)
        self.port_points = lru_cache(maxsize=REMEMBERED)(self._points_of_port)

    def narrow(self, policies: Policies) -> "Tables":
        """The same for some of the policies, with all the cells that the bound allows."""
        return Tables(policies, self._sets, self._slices, self._all_cells, is_narrow=True)

    def _entities_of(self, side: Side, destination: bool) -> tuple[int, ...]:
        """The entities that a source, or destination, can be, as ids. Raises TooMany above `max_cells`."""
        found: dict[int, None] = {}
        for entity in self._completer.entities(side, destination=destination):
            self._ports.cut(port.port for port in entity.ports)
            found[self._entities.id(entity)] = None
            if len(found) > self.max_cells:
                raise TooMany
        return tuple(found)

    def known_sides(self, sides: Sequence[Side]) -> "KnownSides":
        """What is known of the sides of a list, which may grow but not change."""
        if self._known is None or self._known.sides is not sides:
            self._known = KnownSides(self, sides)
        return self._known

    def canonical_port(self, port: Ints) -> Ints:
        """Ports (n,), each by the first of its elementary interval, which stands for all of it."""
        return self._ports.canonical[port]

    def possible_effects(self, direction: Direction, side: Side) -> list[PolicyKey]:
        """The staged policies that may do something to a local side, whoever of its candidates it is."""
        layout = self.directions[direction].layout
        identities = [candidate.identity for candidate in side.candidates if candidate.identity]
        selecting = {
            slot.policy.key
            for slot in layout.slots
            for identity in identities
            if slot.policy.selector.decide(dict(identity.labels), identity.is_open) is not False
        }
        return [effect.key for effect in layout.effects if selecting & {effect.key, effect.key.twin}]

    def protocol_points(self, protocol: int, dest_port: int, version: int) -> tuple[int, ...]:
        """The ids of the protocols that a record's protocol and port can mean; -1 = missing."""
        points = self._protocols.points(protocol, dest_port, version)
        return tuple(map(self._protocol_points.id, points))

    def _points_of_port(self, number: int, protocol: int, port: int, *, destination: bool) -> tuple[int, ...]:
        """The ids of the ports that a record's port can mean at an entity (-1: any that has neither
        names nor services), one of each kind that rules tell apart; port -1 = missing."""
        entity = self.entities[number] if number >= 0 else PLAIN
        slices = list(self._completer.slices_of(entity))
        points = self._ports.points(entity, slices, protocol, port, destination=destination)
        ids = np.array(list(map(self._port_points.id, points)), np.int64)
        if len(ids) > 1:
            ids = ids[_one_of_each([rows.port(destination)(ids) for rows in self.rows.values()])]
        return tuple(ids.tolist())

    def _tells_ports(self, number: int) -> bool:
        """Whether an entity's ports have names or services that rules ask for."""
        entity = self.entities[number]
        return bool(entity.ports) or entity.open_ports or any(True for _ in self._completer.slices_of(entity))

    def _telling_entities(self, entities: tuple[int, ...], *, destination: bool) -> tuple[int, ...]:
        """Of entities of one side, one of each kind that anything in the revision tells apart."""

        def seen(entity: Entity) -> object:
            slices = tuple(self._completer.slices_of(entity))
            naming = self._ports.naming.intersection(entity.facts.own_selectors)
            return replace(entity, facts=NOBODY), slices, naming

        ids = np.array(entities, np.int64)
        others = Interned[object]()
        columns = [self.version(ids), np.array([others.id(seen(self.entities[e])) for e in entities])]
        for direction, rows in self.rows.items():
            judged = direction == ("ingress" if destination else "egress")
            columns += [rows.selecting(ids), rows.local(ids)] if judged else [rows.peer(ids)]
        return tuple(ids[_one_of_each(columns)].tolist()) if entities else ()


class KnownSides:
    """What the sides of one list can be, by their place in it, as far as asked."""

    def __init__(self, tables: Tables, sides: Sequence[Side]) -> None:
        self.sides = sides
        self._tables = tables
        self._found = Memo(self._source), Memo(self._dest)
        self._names = Interned[str]()
        self._namespace = Memo(lambda side: self._names.id(_namespace(sides[side])))

    def entities(self, sides: Ints, *, destination: bool) -> tuple[Ints, Flags]:
        """(the first entity, whether it is the only one) of each source, or destination (n,)."""
        found = self._found[destination](sides)
        return found >> 1, (found & 1).astype(np.bool_)

    def namespaces(self, sides: Ints) -> tuple[Ints, list[str]]:
        """The namespace of each side (n,), as an index into all: "" where its candidates have none or
        more than one."""
        return self._namespace(sides), self._names.values

    def _source(self, side: int) -> int:
        return self._first(self.sides[side], destination=False)

    def _dest(self, side: int) -> int:
        return self._first(self.sides[side], destination=True)

    def _first(self, side: Side, *, destination: bool) -> int:
        try:
            found = self._tables.entities_of(side, destination)
        except TooMany:
            return 0  # so that the class is completed
        return found[0] << 1 | (len(found) == 1) if found else 0


def _namespace(side: Side) -> str:
    labels = [dict(candidate.identity.labels) for candidate in side.candidates if candidate.identity]
    namespaces = {own.get("projectcalico.org/namespace", "") for own in labels}
    return namespaces.pop() if len(namespaces) == 1 else ""


class RowNumbers:
    """The rows of one direction by the ids of entities and points, as far as asked."""

    def __init__(self, all_tables: Tables, tables: DirectionTables) -> None:
        entities, protocols, ports = all_tables.entities, all_tables.protocols, all_tables.ports
        self.selecting = Memo(lambda entity: tables.selecting(entities[entity].facts.own_selectors))
        self.local = Memo(lambda entity: tables.local_row(entities[entity].facts))
        self.peer = Memo(lambda entity: tables.peer_row(entities[entity].facts))
        self.protocol = Memo(lambda point: tables.protocol_row(protocols[point]))
        self.source_port = Memo(lambda point: tables.port_row(ports[point], destination=False))
        self.dest_port = Memo(lambda point: tables.port_row(ports[point], destination=True))

    def port(self, destination: bool) -> Memo:
        return self.dest_port if destination else self.source_port


def _one_of_each(columns: Sequence[Ints]) -> Ints:
    """Where the kinds of rows of some columns are, ascending."""
    return np.sort(distinct(columns)[0])


class Interned[T]:
    """Values and their ids, in the order in which they were first seen."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._ids: dict[T, int] = {}

    def id(self, value: T) -> int:
        known = self._ids.setdefault(value, len(self.values))
        if known == len(self.values):
            self.values.append(value)
        return known
