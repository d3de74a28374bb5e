"""What policies can tell apart in a connection: protocols, and ports by elementary interval."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product

from pipeline.identity import NamedPort, Slice
from pipeline.policy.policies import EntityMatch, Rule

ICMP, ICMP6 = 1, 58
USUAL = {6, 17, 132, ICMP, ICMP6}  # TCP, UDP, SCTP, and ICMP of both families
PORTS = 1 << 16

type Span = tuple[int, int]  # inclusive

WHOLE: Span = (0, PORTS - 1)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Connections that no rule tells apart. Of ICMP the ports are type << 8 | code (CALICO.md §6).

    `is_rest`: the protocol stands for all that nothing names.
    """

    protocol: int
    source_ports: Span
    ports: Span
    is_rest: bool = False

    def is_of(self, version: int) -> bool:
        """Whether there is such traffic in an address family; 0 = either."""
        return (self.protocol, version) not in ((ICMP, 6), (ICMP6, 4))


def traffic_of(rules: Iterable[Rule], slices: Iterable[Slice], named: Iterable[NamedPort]) -> list[Traffic]:
    """All traffic, cut wherever a rule, a service or a named port begins or ends."""
    listed, served, own = list(rules), list(slices), list(named)
    asked = {p for rule in listed for p in (rule.protocol, rule.not_protocol) if p}
    asked |= {p for piece in served for p, _ in piece.ports if p}
    known = {p for p in USUAL | asked if 0 < p <= 255}  # no other matches anything (CALICO.md §4.1)
    rest = next(p for p in range(253, 0, -1) if p not in known)
    return [
        Traffic(protocol, source, dest, protocol == rest)
        for protocol in (*sorted(known), rest)
        for source, dest in product(
            _spans(_of_rules(listed, protocol, own, destination=False)),
            _spans((*_of_rules(listed, protocol, own, destination=True), *_of_services(served, protocol))),
        )
    ]


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same ports in as few spans as there can be."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return tuple(found)


def _of_rules(
    rules: Iterable[Rule], protocol: int, named: Iterable[NamedPort], *, destination: bool
) -> Iterator[Span]:
    names = set[str]()
    for rule in rules:
        if rule.protocol in (None, protocol):
            match: EntityMatch = rule.destination if destination else rule.source
            yield from (*match.ports, *match.not_ports)
            names |= {*match.named_ports, *match.not_named_ports}
            if destination and protocol in (ICMP, ICMP6):
                yield from (_of_icmp(*icmp) for icmp in (rule.icmp, rule.not_icmp) if icmp)
    yield from ((p.port, p.port) for p in named if p.protocol == protocol and p.name in names)


def _of_icmp(kind: int | None, code: int | None) -> Span:
    """A code is only asked for with its type (CALICO.md §3)."""
    if kind is None:
        return WHOLE
    return (kind << 8 | code,) * 2 if code is not None else (kind << 8, kind << 8 | 255)


def _of_services(slices: Iterable[Slice], protocol: int) -> Iterator[Span]:
    for piece in slices:
        yield from ((port, port) for p, port in piece.ports if p in (None, protocol) and port is not None)


def _spans(named: Iterable[Span]) -> list[Span]:
    """The elementary intervals that some spans cut all ports into."""
    bounds = {0, PORTS} | {bound for first, last in named for bound in (first, last + 1)}
    return [(first, after - 1) for first, after in pairwise(sorted(bounds))]
