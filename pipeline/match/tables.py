"""Everything of one revision that judging needs: both directions' tables and the cells of a side."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_network
from itertools import chain, combinations, product

import numpy as np

from pipeline.identity import Candidate, Identity, NamedPort, Side, Slice
from pipeline.match.addresses import AddressSpace
from pipeline.match.bits import Ints
from pipeline.match.compile import lay_out
from pipeline.match.domains import possible, satisfied
from pipeline.match.labels import SelectorIndex, TooMany
from pipeline.match.table import (
    ICMP_PROTOCOLS,
    DirectionTables,
    EntityFacts,
    PortPoint,
    ProtocolPoint,
    names_ports,
    nets_of,
    rules_of,
)
from pipeline.policy.policies import Direction, EntityMatch, Network, NetworkSet, Policies, PolicyKey
from pipeline.policy.selector import Selector

PORTS = 1 << 16


@dataclass(frozen=True, slots=True)
class Entity:
    """One side of a flow with nothing missing, as far as anything in the revision can tell it from
    others. `open_ports`: its own named ports are not known."""

    facts: EntityFacts
    ports: tuple[NamedPort, ...]
    profile: str | None  # the profile that allows; None = a workload without one
    workload: bool
    open_ports: bool = False


NOBODY = EntityFacts(frozenset(), frozenset(), frozenset(), 4, (), frozenset(), frozenset())
PLAIN = Entity(NOBODY, (), None, workload=False)


class Tables:
    """The match tables of one revision.

    `sets` stand beside the revision's network sets: the labels of each, with what it inherits.
    Entities, protocols and ports are interned: their ids index `entities`, `protocols`, `ports`.
    `max_cells` bounds the cells of one flow class (DESIGN.md §4, Unknown).
    """

    def __init__(
        self,
        policies: Policies,
        sets: Sequence[Identity],
        slices: Iterable[Slice],
        max_cells: int = 4096,
    ) -> None:
        self.revision = policies.revision
        self.max_cells = max_cells
        self.directions: dict[Direction, DirectionTables] = {
            "ingress": DirectionTables(lay_out(policies, "ingress")),
            "egress": DirectionTables(lay_out(policies, "egress")),
        }
        rules = tuple(rules_of(policies.policies))
        matches = [match for rule in rules for match in (rule.source, rule.destination)]
        services = {match.service for match in matches if match.service}
        self._slices = [s for s in slices if s.service in services]
        self._index = SelectorIndex(_selectors(policies, matches))
        self._sets = [
            _SetFacts(network_set, tuple(self._own_selectors(identity)))
            for network_set, identity in zip(policies.network_sets, sets, strict=True)
        ]
        self._sets_by_net: dict[Network, list[_SetFacts]] = {}
        for net_set in self._sets:
            for net in net_set.source.nets:
                self._sets_by_net.setdefault(net, []).append(net_set)
        self._services_by_net: dict[Network, list[Slice]] = {}
        for piece in self._slices:
            for address in piece.addresses:
                self._services_by_net.setdefault(ip_network(address), []).append(piece)
        self.addresses = AddressSpace(chain(nets_of(rules), self._sets_by_net, self._services_by_net))
        set_domains = {d for net_set in self._sets for d in net_set.source.domains}
        self._domains = tuple(sorted({d for match in matches for d in match.domains} | set_domains))
        self._names = frozenset(n for m in matches for n in (*m.named_ports, *m.not_named_ports))
        self._naming = frozenset(m.selector for m in matches if m.selector and names_ports(m))
        self._protocols = sorted({p for r in rules for p in (r.protocol, r.not_protocol) if p} | {6, 17, 132})
        self._icmp = sorted({i for r in rules for i in (r.icmp, r.not_icmp) if i}, key=str)
        self.entities: list[Entity] = []
        self._entity_ids: dict[Entity, int] = {}
        self.protocols = Interned[ProtocolPoint]()
        self.ports = Interned[PortPoint]()
        self._bounds: set[int] = set(_port_bounds(matches))
        # For every port the first of its elementary interval, which stands for all of it.
        self.canonical_port: Ints = np.zeros(PORTS, np.int64)
        self._cut_ports(port for piece in self._slices for _, port in piece.ports if port is not None)
        self.entities_of = cache(self._entities_of)

    def _cut_ports(self, ports: Iterable[int]) -> None:
        """Give each of these ports an interval of its own: an endpoint or a service names it."""
        self._bounds |= {bound for port in ports for bound in (port, port + 1) if bound < PORTS}
        bounds = np.array(sorted(self._bounds), np.int64)
        self.canonical_port = bounds[np.searchsorted(bounds, np.arange(PORTS), "right") - 1]

    def _entities_of(self, side: Side) -> tuple[int, ...]:
        """The entities that a side can be, as ids. Raises TooMany above `max_cells`."""
        found: dict[int, None] = {}
        names = self._domain_sets(side)
        for candidate in side.candidates:
            for entity in self._complete(candidate, names):
                found[self._intern(entity)] = None
                if len(found) > self.max_cells:
                    raise TooMany
        return tuple(found)

    def _intern(self, entity: Entity) -> int:
        known = self._entity_ids.setdefault(entity, len(self.entities))
        if known == len(self.entities):
            self.entities.append(entity)
            if not self._bounds.issuperset(port.port for port in entity.ports):
                self._cut_ports(port.port for port in entity.ports)
        return known

    def _domain_sets(self, side: Side) -> Iterable[frozenset[str]]:
        if not self._domains:
            return (frozenset(),)
        if side.domains is not None:
            return (satisfied(self._domains, side.domains),)
        sets = possible(self._domains, self.max_cells)
        if sets is None:
            raise TooMany
        return sets

    def _complete(self, candidate: Candidate, names: Iterable[frozenset[str]]) -> Iterator[Entity]:
        kinds = [k for k in self.addresses.classes_in(candidate.addresses) if self._allowed(candidate, k)]
        entity = self._bare_entity(candidate.identity)
        for own, kind, domains in product(self._own_selectors(candidate.identity), kinds, names):
            for facts in self._facts(own, kind, domains):
                yield replace(entity, facts=facts)

    def _allowed(self, candidate: Candidate, kind: int) -> bool:
        in_set = any(net in self._sets_by_net for net in self.addresses.chain(kind))
        return not (candidate.outside_sets and in_set)

    def _own_selectors(self, identity: Identity | None) -> Iterable[frozenset[Selector]]:
        if identity is None:
            return (frozenset(),)
        completed = self._index.completions(identity, self.max_cells)
        return dict.fromkeys(self._index.holding(labels) for labels in completed)

    def _bare_entity(self, identity: Identity | None) -> Entity:
        if identity is None or identity.kind == "ns":
            return PLAIN
        ports = tuple(port for port in identity.ports if port.name in self._names)
        allowing = next((p for p in identity.profiles if p.startswith("kns.")), None)
        is_open = identity.open_ports and bool(self._names)
        return Entity(NOBODY, ports, allowing, identity.kind == "wep", is_open)

    def _facts(self, own: frozenset[Selector], kind: int, domains: frozenset[str]) -> Iterator[EntityFacts]:
        """What matches can see at one class of addresses, for every way to complete the sets' labels."""
        nets = self.addresses.chain(kind)
        around = list(dict.fromkeys(s for net in nets for s in self._sets_by_net.get(net, ())))
        named = [s for s in self._sets if domains.intersection(s.source.domains)]
        services = frozenset(s.service for net in nets for s in self._services_by_net.get(net, ()))
        version = self.addresses.version(kind)
        for ways in product(*(s.ways for s in (*around, *named))):
            by_address = own.union(*ways[: len(around)])
            by_domain = frozenset[Selector]().union(*ways[len(around) :])
            yield EntityFacts(by_address, own, by_domain, version, nets, services, domains)

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
        return tuple(
            self.protocols.id(point) for point in self._protocol_points(protocol, dest_port, version)
        )

    def _protocol_points(self, protocol: int, dest_port: int, version: int) -> Iterator[ProtocolPoint]:
        if protocol < 0:
            named = {*self._protocols, *ICMP_PROTOCOLS}
            for known in sorted(named | {_other(named)}):
                yield from self._protocol_points(known, dest_port, version)
        elif protocol not in ICMP_PROTOCOLS:
            yield ProtocolPoint(protocol, 0, 0, version)
        elif dest_port >= 0:
            yield ProtocolPoint(protocol, dest_port >> 8, dest_port & 255, version)
        else:
            types = {t for t, _ in self._icmp if t is not None}
            codes = {c for _, c in self._icmp if c is not None}
            for icmp_type in sorted(types | {_other(types)}):
                for code in sorted(codes | {_other(codes)}):
                    yield ProtocolPoint(protocol, icmp_type, code, version)

    def _telling[T](self, values: Iterable[T], row_of: Callable[[DirectionTables, T], object]) -> Iterable[T]:
        """One value of each kind that the rows of some direction tell apart."""
        kinds = {
            tuple(row_of(tables, value) for tables in self.directions.values()): value for value in values
        }
        return kinds.values()

    def telling_entities(self, entities: Iterable[int], *, destination: bool) -> tuple[int, ...]:
        """Of entities of one side, one of each kind that anything in the revision tells apart."""

        def seen(tables: DirectionTables, number: int) -> object:
            entity = self.entities[number]
            facts = entity.facts
            others = replace(entity, facts=NOBODY), facts.version, tuple(self._slices_of(entity))
            row = tables.dest_row(facts) if destination else tables.source_row(facts)
            judged = tables.layout.direction == ("ingress" if destination else "egress")
            naming = facts.own_selectors & self._naming
            return row, tables.applies(facts.own_selectors) if judged else None, naming, others

        return tuple(self._telling(entities, seen))

    def tells_ports(self, number: int) -> bool:
        """Whether an entity's ports have names or services that rules ask for."""
        entity = self.entities[number]
        return bool(entity.ports) or entity.open_ports or any(True for _ in self._slices_of(entity))

    def port_points(self, number: int, protocol: int, port: int, *, destination: bool) -> tuple[int, ...]:
        """The ids of the ports that a record's port can mean at an entity (-1: any that has neither
        names nor services), one of each kind that rules tell apart; port -1 = missing."""
        entity = self.entities[number] if number >= 0 else PLAIN
        ports = [port] if port >= 0 else sorted(self._bounds)
        points = list(chain.from_iterable(self._at_port(entity, protocol, p, destination) for p in ports))
        if len(points) > 1:
            rows = (lambda d, p: d.dest_port_row(p)) if destination else (lambda d, p: d.source_port_row(p))
            points = list(self._telling(points, rows))
        return tuple(map(self.ports.id, points))

    def _at_port(self, entity: Entity, protocol: int, port: int, destination: bool) -> Iterator[PortPoint]:
        names = frozenset(p.name for p in entity.ports if (p.protocol, p.port) == (protocol, port))
        naming = entity.facts.own_selectors & self._naming
        served = frozenset(s.service for s in self._slices_of(entity) if _serves(s, protocol, port))
        services = served if destination else frozenset()
        if not entity.open_ports:
            yield PortPoint(port, names, services, naming if names else frozenset())
            return
        if 2 ** len(self._names) > self.max_cells:
            raise TooMany
        for subset in _subsets(sorted(self._names)):
            yield PortPoint(port, subset, services, naming)

    def _slices_of(self, entity: Entity) -> Iterator[Slice]:
        for net in entity.facts.nets:
            yield from self._services_by_net.get(net, ())


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


@dataclass(frozen=True, slots=True)
class _SetFacts:
    """A network set and the selectors that hold for it, in every way to complete its labels."""

    source: NetworkSet
    ways: tuple[frozenset[Selector], ...]


def _selectors(policies: Policies, matches: Iterable[EntityMatch]) -> Iterator[Selector]:
    for policy in policies.policies:
        yield policy.selector
    for match in matches:
        yield from (s for s in (match.selector, match.not_selector) if s)


def _port_bounds(matches: Iterable[EntityMatch]) -> Iterator[int]:
    """The first ports of the elementary intervals of all ranges that rules name."""
    yield 0
    for match in matches:
        for low, high in (*match.ports, *match.not_ports):
            yield low
            if high + 1 < PORTS:
                yield high + 1


def _serves(piece: Slice, protocol: int, port: int) -> bool:
    return any(p in (None, protocol) and q in (None, port) for p, q in piece.ports)


def _other(named: Collection[int]) -> int:
    """A protocol, ICMP type or code that is none of those named."""
    return next(value for value in range(253, 0, -1) if value not in named)


def _subsets(names: Sequence[str]) -> Iterator[frozenset[str]]:
    return (frozenset(chosen) for size in range(len(names) + 1) for chosen in combinations(names, size))
