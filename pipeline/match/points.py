"""Protocols and ports of a record as points: every one that rules can tell from others."""

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from pipeline.identity import Slice
from pipeline.match.bits import Ints
from pipeline.match.entities import Entity, subsets
from pipeline.match.table import ICMP_PROTOCOLS, PortPoint, ProtocolPoint, names_ports
from pipeline.policy.policies import EntityMatch, Rule

PORTS = 1 << 16
TRANSPORTS = {6, 17, 132}  # TCP, UDP, SCTP: the protocols that an endpoint can name ports of


class Protocols:
    """The protocols, and types and codes of ICMP, that rules name."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        listed = list(rules)
        named = {p for rule in listed for p in (rule.protocol, rule.not_protocol) if p}
        icmp = [i for rule in listed for i in (rule.icmp, rule.not_icmp) if i]
        self._all = _with_another(named | TRANSPORTS | set(ICMP_PROTOCOLS))
        self._types = _with_another({kind for kind, _ in icmp if kind is not None})
        self._codes = _with_another({code for _, code in icmp if code is not None})

    def points(self, protocol: int, dest_port: int, version: int) -> Iterator[ProtocolPoint]:
        """What a record's protocol and port can mean; -1 = missing. Of ICMP the port is type << 8 |
        code (CALICO.md §6)."""
        if protocol < 0:
            for known in self._all:
                yield from self.points(known, dest_port, version)
        elif protocol not in ICMP_PROTOCOLS:
            yield ProtocolPoint(protocol, 0, 0, version)
        elif dest_port >= 0:
            yield ProtocolPoint(protocol, dest_port >> 8, dest_port & 255, version)
        else:
            for kind in self._types:
                for code in self._codes:
                    yield ProtocolPoint(protocol, kind, code, version)


class Ports:
    """Ports by elementary interval: `canonical` (65536,) int64 is the first port of each port's.

    A port that an endpoint or a service names is an interval of its own. `names` are the ports' names
    that rules use, of sources and of destinations.
    """

    def __init__(
        self,
        matches: Sequence[EntityMatch],
        names: tuple[Collection[str], Collection[str]],
        slices: Sequence[Slice],
        bound: int,
    ) -> None:
        self.naming = frozenset(m.selector for m in matches if m.selector and names_ports(m))
        self._names = names
        self._bound = bound
        self._bounds = set(_bounds(matches))
        self._intervals = 0
        self.canonical: Ints = np.zeros(PORTS, np.int64)
        self.cut(port for piece in slices for _, port in piece.ports if port is not None)

    def cut(self, ports: Iterable[int]) -> None:
        """Give each of these ports an interval of its own."""
        self._bounds |= {bound for port in ports for bound in (port, port + 1) if bound < PORTS}
        if len(self._bounds) != self._intervals:
            self._intervals = len(self._bounds)
            bounds = np.array(sorted(self._bounds), np.int64)
            self.canonical = bounds[np.searchsorted(bounds, np.arange(PORTS), "right") - 1]

    def points(self, entity: Entity, protocol: int, port: int, *, destination: bool) -> Iterator[PortPoint]:
        """What a record's port (-1 = missing) can mean at an entity."""
        for one in [port] if port >= 0 else sorted(self._bounds):
            served = (s.service for s in entity.facts.slices if _serves(s, protocol, one))
            services = frozenset(served if destination else ())
            naming = self.naming.intersection(entity.facts.own_selectors)
            for names in self._names_of(entity, protocol, one, self._names[destination]):
                yield PortPoint(one, names, services, naming if names else frozenset())

    def _names_of(
        self, entity: Entity, protocol: int, port: int, possible: Collection[str]
    ) -> Iterable[frozenset[str]]:
        if not entity.open_ports or protocol not in TRANSPORTS:
            return [frozenset(p.name for p in entity.ports if (p.protocol, p.port) == (protocol, port))]
        return map(frozenset, subsets(sorted(possible), self._bound))


def _bounds(matches: Iterable[EntityMatch]) -> Iterator[int]:
    """The first ports of the elementary intervals of all ranges that rules name."""
    yield 0
    for match in matches:
        for low, high in (*match.ports, *match.not_ports):
            yield low
            if high + 1 < PORTS:
                yield high + 1


def _serves(piece: Slice, protocol: int, port: int) -> bool:
    return any(p in (None, protocol) and q in (None, port) for p, q in piece.ports)


def _with_another(named: Collection[int]) -> list[int]:
    """These, and one protocol, ICMP type or code that is none of them."""
    return sorted({*named, next(value for value in range(253, 0, -1) if value not in named)})
