"""Sources and destinations as numbers: whom nothing in a revision tells apart has the same."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from pipeline.identity import Side
from pipeline.match.bits import Flags, Ints
from pipeline.match.entities import PLAIN, Completer, Entity
from pipeline.match.points import Ports
from pipeline.match.rows import Column, Interned, Memo
from pipeline.match.table import NOBODY, DirectionTables
from pipeline.match.verdict import TooMany

VERSION, PROFILE, WORKLOAD, TELLING, SELECTED, LOCAL, PEER = range(7)
REMEMBERED = 1 << 12  # entities whose numbers are found without their rows
REMEMBERED_SIDES = 1 << 10  # sides of which all entities are kept

type OneOf = tuple[tuple[int, Entity], ...]  # those that a side can be, by number


class Role:
    """The sources, or the destinations, of one revision. Each number stands for all entities that have
    the same address family, profile and rows, and whose ports have the same names and services.

    `judged` are the tables of the direction that this end is judged in, `passed` those in which it is
    the other end.
    """

    def __init__(
        self,
        completer: Completer,
        ports: Ports,
        judged: DirectionTables,
        passed: DirectionTables,
        most: int,
        *,
        destination: bool,
    ) -> None:
        self._completer, self._ports, self._most, self._destination = completer, ports, most, destination
        self._judged, self._passed = judged, passed
        self._ids = Interned[tuple[int, ...]]()
        self._columns: Column[np.int32] = Column(np.int32, (7,))
        self._profiles = Interned[str | None]()
        self._profiles.id(None)
        self._tells = Interned[object]()
        self.telling: list[Entity] = []  # one of each kind of names and services that ports have
        self._number = lru_cache(maxsize=REMEMBERED)(self._numbered)
        self.one_of = lru_cache(maxsize=REMEMBERED_SIDES)(self._one_of)
        self._number(PLAIN)  # 0 stands for a side that nobody can be, and -1 of `telling` for no names

    def profile(self, number: int) -> str | None:
        """The profile that allows, by the column PROFILE."""
        return self._profiles.values[number]

    def column(self, which: int, numbers: Ints) -> Ints:
        """One of VERSION … PEER of each entity (n,)."""
        return self._columns[numbers, which].astype(np.int64)

    def _one_of(self, side: Side) -> OneOf:
        """Whom a side can be, one of each number. Raises TooMany above the bound."""
        found: dict[Entity, None] = {}
        for entity in self._completer.entities(side, destination=self._destination):
            found[entity] = None
            if len(found) > self._most:
                raise TooMany
        return tuple({self._number(entity): entity for entity in found}.items())

    def _numbered(self, entity: Entity) -> int:
        facts = entity.facts
        key = (
            facts.version,
            self._profiles.id(entity.profile),
            int(entity.workload),
            self._telling(entity),
            self._judged.selecting(facts.own_selectors),
            self._judged.local_row(facts),
            self._passed.peer_row(facts),
        )
        number = self._ids.id(key)
        if number == self._columns.count:
            self._columns.extend(np.array([key], np.int32))
        return number

    def _telling(self, entity: Entity) -> int:
        """The place in `telling` of one with the same names and services of ports; -1 = it has none."""
        slices = entity.facts.slices
        if not (slices or entity.ports or entity.open_ports):
            return -1
        self._ports.cut(port.port for port in entity.ports)
        naming = self._ports.naming.intersection(entity.facts.own_selectors)
        number = self._tells.id((entity.ports, entity.open_ports, slices, naming))
        if number == len(self.telling):
            self.telling.append(entity)
        return number


class KnownSides:
    """What the sides of one list can be, by their place in it, as far as asked. The list may grow."""

    def __init__(self, roles: Sequence[Role], sides: Sequence[Side]) -> None:
        self.sides = sides
        self._found = tuple(Memo(_first_of(role, sides)) for role in roles)
        self._names = Interned[str]()
        self._namespace = Memo(lambda side: self._names.id(_namespace(sides[side])))
        self._missing = Interned[tuple[str, ...]]()
        self._lacking = Memo(lambda side: self._missing.id(sides[side].missing))
        self._first: dict[tuple[int, ...], int] = {}
        self._alike = tuple(Memo(self._first_alike(destination)) for destination in (False, True))

    def entities(self, sides: Ints, *, destination: bool) -> tuple[Ints, Flags]:
        """(the first entity, whether it is the only one) of each source, or destination (n,)."""
        found = self._found[destination](sides)
        return found >> 1, (found & 1).astype(np.bool_)

    def namespaces(self, sides: Ints) -> tuple[Ints, list[str]]:
        """The namespace of each side (n,), as an index into all: "" where its candidates have none or
        more than one."""
        return self._namespace(sides), self._names.values

    def alike(self, sides: Ints, *, destination: bool) -> Ints:
        """Of each source, or destination (n,), the first side that stands for it: of one entity, and
        alike in all that an outcome says of it."""
        return self._alike[destination](sides)

    def _first_alike(self, destination: bool) -> Callable[[int], int]:
        def first(side: int) -> int:
            found, namespace, missing = (
                int(memo(np.array([side]))[0])
                for memo in (self._found[destination], self._namespace, self._lacking)
            )
            if not found & 1:
                return side
            return self._first.setdefault((destination, found, namespace, missing), side)

        return first


def _first_of(role: Role, sides: Sequence[Side]) -> Callable[[int], int]:
    """The first entity of a side, shifted, and a bit that tells whether there is no other."""

    def first(side: int) -> int:
        try:
            found = role.one_of(sides[side])
        except TooMany:
            return 0  # so that the class is completed
        return found[0][0] << 1 | (len(found) == 1) if found else 0

    return first


def _namespace(side: Side) -> str:
    labels = [dict(candidate.identity.labels) for candidate in side.candidates if candidate.identity]
    namespaces = {own.get("projectcalico.org/namespace", "") for own in labels}
    return namespaces.pop() if len(namespaces) == 1 else ""


def varies(entities: Sequence[Entity]) -> dict[str, bool]:
    """In what some entities differ from one another."""
    facts = [entity.facts for entity in entities]
    return {
        "address": len({(f.version, f.nets) for f in facts}) > 1,
        "domain": len({f.domains for f in facts}) > 1,
        "endpoint_slice": len({(f.nets, f.slices) for f in facts}) > len({f.nets for f in facts}),
        "identity": len({(e.facts.own_selectors, replace(e, facts=NOBODY)) for e in entities}) > 1,
    }
