"""Everything of one revision that judging needs: the tables of both directions, and what flows can be."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from pipeline.identity import Identity, Side, Slice
from pipeline.match.bits import Ints, distinct
from pipeline.match.compiled import Compiled
from pipeline.match.entities import PLAIN, Completer
from pipeline.match.matched import RuleSets
from pipeline.match.points import Ports, Protocols
from pipeline.match.roles import KnownSides, Role
from pipeline.match.rows import Interned, Memo
from pipeline.match.table import DirectionTables, PortPoint, ProtocolPoint
from pipeline.policy.policies import Direction, Policies, PolicyKey

MAX_CELLS = 4096
WIDE_CELLS = 64
REMEMBERED = 1 << 16  # answers that are kept of each kind


class Tables:
    """The match tables of one revision.

    `sets` stand beside the revision's network sets: the labels of each, with what it inherits.
    Protocols and ports are interned: their ids index `protocols`, `ports`. `roles` number sources and
    destinations.
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
        self.rule_sets = RuleSets()
        self.directions: dict[Direction, DirectionTables] = {
            direction: DirectionTables(conditions, self.rule_sets)
            for direction, conditions in compiled.conditions.items()
        }
        services = {match.service for match in compiled.matches if match.service}
        asked = [piece for piece in self._slices if piece.service in services]
        self._completer = Completer(compiled, sets, asked, self.max_cells)
        self._protocols = Protocols(compiled.rules)
        self._ports = Ports(compiled.matches, self._completer.port_names, asked, self.max_cells)
        self._protocol_points = Interned[ProtocolPoint]()
        self._port_points = Interned[PortPoint]()
        self.protocols = self._protocol_points.values
        self.ports = self._port_points.values
        ingress, egress = self.directions["ingress"], self.directions["egress"]
        self.roles = (
            Role(self._completer, self._ports, egress, ingress, self.max_cells, destination=False),
            Role(self._completer, self._ports, ingress, egress, self.max_cells, destination=True),
        )
        self._known: KnownSides | None = None
        self.points = {name: PointRows(self, tables) for name, tables in self.directions.items()}
        self.port_points = lru_cache(maxsize=REMEMBERED)(self._points_of_port)

    def narrow(self, policies: Policies) -> "Tables":
        """The same for some of the policies, with all the cells that the bound allows."""
        return Tables(policies, self._sets, self._slices, self._all_cells, is_narrow=True)

    def known_sides(self, sides: Sequence[Side]) -> "KnownSides":
        """What is known of the sides of a list, which may grow but not change."""
        if self._known is None or self._known.sides is not sides:
            self._known = KnownSides(self.roles, sides)
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

    def _points_of_port(
        self, telling: int, protocol: int, port: int, *, destination: bool
    ) -> tuple[int, ...]:
        """The ids of the ports that a record's port can mean at an end whose ports have these names and
        services (see Role), one of each kind that rules tell apart; port -1 = missing."""
        entity = self.roles[destination].telling[telling] if telling >= 0 else PLAIN
        points = self._ports.points(entity, protocol, port, destination=destination)
        ids = np.array(list(map(self._port_points.id, points)), np.int64)
        if len(ids) > 1:
            columns = [points.ports[destination](ids) for points in self.points.values()]
            ids = ids[np.sort(distinct(columns)[0])]
        return tuple(ids.tolist())


class PointRows:
    """The rows of one direction by the ids of protocols and ports, as far as asked."""

    def __init__(self, all_tables: Tables, tables: DirectionTables) -> None:
        protocols, ports = all_tables.protocols, all_tables.ports
        self.protocol = Memo(lambda point: tables.protocol_row(protocols[point]))
        self.ports = (
            Memo(lambda point: tables.port_row(ports[point], destination=False)),
            Memo(lambda point: tables.port_row(ports[point], destination=True)),
        )
