"""Everything of one revision that judging needs: the tables of both directions, and what flows can be."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache, lru_cache

from pipeline.identity import Identity, Side, Slice
from pipeline.match.bits import Ints
from pipeline.match.compile import lay_out
from pipeline.match.entities import NOBODY, PLAIN, Completer, Entity
from pipeline.match.points import Ports, Protocols
from pipeline.match.table import DirectionTables, PortPoint, ProtocolPoint, rules_of
from pipeline.match.verdict import TooMany
from pipeline.policy.policies import Direction, Policies, PolicyKey

MAX_CELLS = 4096
WIDE_CELLS = 64
REMEMBERED = 1 << 16  # answers that are kept of each kind


class Tables:
    """The match tables of one revision.

    `sets` stand beside the revision's network sets: the labels of each, with what it inherits.
    Entities, protocols and ports are interned: their ids index `entities`, `protocols`, `ports`.
    `max_cells` bounds the cells of one flow class (DESIGN.md §4, Unknown). Tables of all policies try
    few: a class with more is judged again by those of the policies that can matter to it (`narrow`).
    """

    def __init__(
        self,
        policies: Policies,
        sets: Sequence[Identity],
        slices: Iterable[Slice],
        max_cells: int = MAX_CELLS,
        *,
        is_narrow: bool = False,
    ) -> None:
        self.policies, self.is_narrow = policies, is_narrow
        self.max_cells = max_cells if is_narrow else min(max_cells, WIDE_CELLS)
        self._sets, self._slices, self._all_cells = tuple(sets), tuple(slices), max_cells
        self.directions: dict[Direction, DirectionTables] = {
            "ingress": DirectionTables(lay_out(policies, "ingress")),
            "egress": DirectionTables(lay_out(policies, "egress")),
        }
        rules = tuple(rules_of(policies.policies))
        matches = [match for rule in rules for match in (rule.source, rule.destination)]
        services = {match.service for match in matches if match.service}
        asked = [piece for piece in self._slices if piece.service in services]
        self._completer = Completer(policies, sets, asked, self.max_cells)
        self._protocols = Protocols(rules)
        self._ports = Ports(matches, self._completer.port_names, asked, self.max_cells)
        self._entities = Interned[Entity]()
        self._protocol_points = Interned[ProtocolPoint]()
        self._port_points = Interned[PortPoint]()
        self.entities = self._entities.values
        self.protocols = self._protocol_points.values
        self.ports = self._port_points.values
        self.entities_of = cache(self._entities_of)
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
        points = list(self._ports.points(entity, slices, protocol, port, destination=destination))
        if len(points) > 1:
            rows = (lambda d, p: d.dest_port_row(p)) if destination else (lambda d, p: d.source_port_row(p))
            points = list(self._telling(points, rows))
        return tuple(map(self._port_points.id, points))

    def tells_ports(self, number: int) -> bool:
        """Whether an entity's ports have names or services that rules ask for."""
        entity = self.entities[number]
        return bool(entity.ports) or entity.open_ports or any(True for _ in self._completer.slices_of(entity))

    def _telling_entities(self, entities: tuple[int, ...], *, destination: bool) -> tuple[int, ...]:
        """Of entities of one side, one of each kind that anything in the revision tells apart."""

        def seen(tables: DirectionTables, number: int) -> object:
            entity = self.entities[number]
            facts = entity.facts
            row = tables.dest_row(facts) if destination else tables.source_row(facts)
            judged = tables.layout.direction == ("ingress" if destination else "egress")
            applies = tables.applies(facts.own_selectors) if judged else None
            slices = tuple(self._completer.slices_of(entity))
            naming = facts.own_selectors & self._ports.naming
            return row, applies, replace(entity, facts=NOBODY), facts.version, slices, naming

        return tuple(self._telling(entities, seen))

    def _telling[T](self, values: Iterable[T], row_of: Callable[[DirectionTables, T], object]) -> Iterable[T]:
        """One value of each kind that the rows of some direction tell apart."""
        directions = self.directions.values()
        return {tuple(row_of(tables, value) for tables in directions): value for value in values}.values()


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
