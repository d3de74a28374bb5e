"""What a flow may have been: each completion of what is missing that any rule could tell from another."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import chain, combinations, product, starmap
from math import prod

from pipeline.identity import Candidate, Identity, NamedPort, Side, Slice
from pipeline.match.rule import ICMP_PROTOCOLS, CompleteFlow, LabelledSet, Party, as_mapping
from pipeline.policy.policies import Address, Direction, EntityMatch, Network, Policies, Rule
from pipeline.policy.selector import Atom, Selector

ANYWHERE: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))
PORT_PROTOCOLS = (6, 17, 132)  # those that an endpoint can name ports of: TCP, UDP, SCTP
UNHEARD_OF = "\x00"  # a text that no policy contains


class TooMany(Exception):  # noqa: N818 - it is no mistake of anybody's
    """There are more completions than the caller wants to try."""


@dataclass(frozen=True, slots=True)
class OpenFlow:
    """A flow as far as it is known; None = missing, may be anything."""

    source: Side
    destination: Side
    protocol: int | None
    source_port: int | None
    dest_port: int | None  # for ICMP: type << 8 | code
    direction: Direction
    own_host: bool | None = False  # of ingress: sent by the destination pod's own host


def completions(
    policies: Policies,
    sets: Sequence[LabelledSet],
    slices: Sequence[Slice],
    flow: OpenFlow,
    at_most: int,
) -> Iterator[CompleteFlow]:
    """Every complete flow that `flow` may be, up to what no rule, set or slice tells apart.

    Both sides are of one address family. None at all where no candidate has an address left.
    TooMany after `at_most` of them, or where one part alone has more.
    """
    mentioned = Mentioned.by(policies, sets, slices)
    sources = list(mentioned.parties(flow.source, at_most))
    destinations = list(mentioned.parties(flow.destination, at_most))
    protocols = mentioned.some_protocols() if flow.protocol is None else [flow.protocol]
    hosts = (
        [False] if flow.direction == "egress" else [False, True] if flow.own_host is None else [flow.own_host]
    )
    count = 0
    for source, destination, protocol, host in product(sources, destinations, protocols, hosts):
        if source.address.version != destination.address.version:
            continue
        for source_end, source_port in mentioned.ends(source, protocol, flow.source_port, at_most):
            for dest_end, dest_port in mentioned.ends(destination, protocol, flow.dest_port, at_most):
                count += 1
                if count > at_most:
                    raise TooMany(f"more than {at_most} completions")
                yield CompleteFlow(source_end, dest_end, protocol, source_port, dest_port, host)


@dataclass(frozen=True, slots=True)
class Mentioned:
    """Everything by which rules, sets and slices tell flows apart."""

    selectors: tuple[Selector, ...]
    nets: tuple[Network, ...]
    set_nets: tuple[Network, ...]
    domains: tuple[str, ...]
    protocols: frozenset[int]
    ports: tuple[tuple[int, int], ...]
    port_names: tuple[str, ...]
    icmp: tuple[tuple[int | None, int | None], ...]

    @classmethod
    def by(cls, policies: Policies, sets: Sequence[LabelledSet], slices: Sequence[Slice]) -> "Mentioned":
        rules = [rule for policy in policies.policies for rule in (*policy.ingress, *policy.egress)]
        entities = [entity for rule in rules for entity in (rule.source, rule.destination)]
        set_nets = [net for known in sets for net in known.nets]
        return cls(
            selectors=_distinct(
                [
                    *(policy.selector for policy in policies.policies),
                    *chain.from_iterable(map(_selectors, entities)),
                ]
            ),
            nets=_distinct(
                [
                    *set_nets,
                    *(net for entity in entities for net in (*entity.nets, *entity.not_nets)),
                    *(ip_network(address) for known in slices for address in known.addresses),
                ]
            ),
            set_nets=_distinct(set_nets),
            domains=_distinct(
                [
                    *(domain for entity in entities for domain in entity.domains),
                    *(domain for known in sets for domain in known.domains),
                ]
            ),
            protocols=frozenset(_protocols(rules, slices)),
            ports=_distinct(
                [
                    *(ports for entity in entities for ports in (*entity.ports, *entity.not_ports)),
                    *((port, port) for known in slices for _, port in known.ports if port is not None),
                ]
            ),
            port_names=_distinct(
                name for entity in entities for name in (*entity.named_ports, *entity.not_named_ports)
            ),
            icmp=_distinct(
                wanted for rule in rules for wanted in (rule.icmp, rule.not_icmp) if wanted is not None
            ),
        )

    def parties(self, side: Side, at_most: int) -> Iterator[Party]:
        """Every party that the side may be; open names of ports are left to `ends`."""
        domains = [side.domains] if side.domains is not None else list(self._domains(at_most))
        for candidate in side.candidates:
            identities = _one_of_each(self._identities(candidate.identity, at_most), self._telling_identities)
            addresses = _one_of_each(self._addresses(candidate), self._telling_addresses)
            yield from starmap(Party, product(identities, addresses, domains))

    def _telling_identities(self, identity: Identity | None) -> Hashable:
        labels = as_mapping(identity.labels) if identity else {}
        return tuple(selector.matches(labels) for selector in self.selectors)

    def _telling_addresses(self, address: Address) -> Hashable:
        return address.version, tuple(address in net for net in self.nets)

    def _identities(self, identity: Identity | None, at_most: int) -> Iterator[Identity | None]:
        if identity is None or not identity.open_prefixes:
            yield identity
            return
        known = dict(identity.labels)
        atoms = [atom for selector in self.selectors for atom in selector.atoms()]
        keys = sorted({a.key for a in atoms if a.key not in known and identity.is_open(a.key)})
        choices = [_some_labels(key, [atom for atom in atoms if atom.key == key]) for key in keys]
        if prod(map(len, choices)) > at_most:
            raise TooMany(f"the labels {', '.join(keys)} alone may be there in more than {at_most} ways")
        for chosen in product(*choices):
            labels = known.copy()
            for more in chosen:
                labels |= more
            yield replace(identity, labels=tuple(sorted(labels.items())), open_prefixes=())

    def _addresses(self, candidate: Candidate) -> Iterator[Address]:
        """The ends of its regions, and of all nets within them, and what is next to those."""
        for region in candidate.addresses or ANYWHERE:
            edges = [region, *(net for net in self.nets if net.version == region.version)]
            points = {int(end) + step for net in edges for end in (net[0], net[-1]) for step in (-1, 0, 1)}
            for point in sorted(points):
                if not int(region[0]) <= point <= int(region[-1]):
                    continue
                address = type(region[0])(point)
                if not (candidate.outside_sets and any(address in net for net in self.set_nets)):
                    yield address

    def _domains(self, at_most: int) -> Iterator[tuple[str, ...]]:
        """Any set of names. One name per pattern is enough: what another name of the pattern means is
        this and more, and the more is again some pattern's name."""
        return _subsets([domain.replace("*", UNHEARD_OF) for domain in self.domains], at_most)

    def some_protocols(self) -> list[int]:
        """Every protocol that anything asks for, and one that nothing does."""
        return [*sorted(self.protocols), max(set(range(1, 254)) - self.protocols)]

    def ends(
        self, party: Party, protocol: int, port: int | None, at_most: int
    ) -> Iterator[tuple[Party, int]]:
        """The party with each port it may have, and each set of names it may have for that port."""
        identity = party.identity
        for number in self._ports(identity, protocol) if port is None else [port]:
            if identity is None or not identity.open_ports or protocol not in PORT_PROTOCOLS:
                yield party, number
                continue
            for names in _subsets(self.port_names, at_most):
                ports = identity.ports + tuple(NamedPort(name, protocol, number) for name in names)
                yield replace(party, identity=replace(identity, ports=ports, open_ports=False)), number

    def _ports(self, identity: Identity | None, protocol: int) -> Iterator[int]:
        own = identity.ports if identity else ()
        ranges = [*self.ports, *((named.port, named.port) for named in own)]
        ports = {0, 1, 65535, *(end + step for ends in ranges for end in ends for step in (-1, 0, 1))}
        if protocol in ICMP_PROTOCOLS:
            types, codes = (
                (_some_bytes(part) for part in zip(*self.icmp, strict=True)) if self.icmp else ([0], [0])
            )
            ports |= {kind << 8 | code for kind in types for code in codes}

        def telling(port: int) -> Hashable:
            return (
                tuple(first <= port <= last for first, last in self.ports),
                frozenset(named.name for named in own if (named.protocol, named.port) == (protocol, port)),
                tuple(kind in (None, port >> 8) and code in (None, port & 0xFF) for kind, code in self.icmp),
            )

        return _one_of_each(sorted(port for port in ports if 0 <= port <= 65535), telling)


def _selectors(entity: EntityMatch) -> Iterator[Selector]:
    return (selector for selector in (entity.selector, entity.not_selector) if selector is not None)


def _protocols(rules: Iterable[Rule], slices: Iterable[Slice]) -> Iterator[int]:
    yield from (*PORT_PROTOCOLS, *ICMP_PROTOCOLS)
    asked = chain(
        (protocol for rule in rules for protocol in (rule.protocol, rule.not_protocol)),
        (protocol for known in slices for protocol, _ in known.ports),
    )
    yield from (protocol for protocol in asked if protocol is not None and 1 <= protocol <= 255)


def _some_labels(key: str, atoms: Sequence[Atom]) -> list[dict[str, str]]:
    """No label `key`, or one of each value that `atoms` tell apart.

    Besides the values that they name, these are a beginning, any parts and an end that they name,
    put together with text between that they do not: no value does otherwise than one of these.
    """
    named = {op: _distinct(v for a in atoms if a.op == op for v in a.values) for op in {a.op for a in atoms}}
    literals = {value for values in named.values() for value in values}
    made = {
        UNHEARD_OF.join([start, *parts, end])
        for start in ("", *named.get("starts with", ()))
        for end in ("", *named.get("ends with", ()))
        for parts in chain.from_iterable(
            combinations(named.get("contains", ()), size)
            for size in range(len(named.get("contains", ())) + 1)
        )
    }
    choices: list[dict[str, str]] = [{}, *({key: value} for value in sorted(literals | made))]
    return list(_one_of_each(choices, lambda labels: tuple(atom.matches(labels) for atom in atoms)))


def _some_bytes(wanted: Iterable[int | None]) -> set[int]:
    known = {byte for byte in wanted if byte is not None}
    return known | {min(set(range(257)) - known) & 0xFF}


def _subsets(items: Sequence[str], at_most: int) -> Iterator[tuple[str, ...]]:
    if 2 ** len(items) > at_most:
        raise TooMany(f"any of {', '.join(items)}: more than {at_most} ways")
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def _distinct[T: Hashable](items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))


def _one_of_each[T](items: Iterable[T], telling: Callable[[T], Hashable]) -> Iterator[T]:
    """The first of all items that `telling` has the same of."""
    seen = set()
    for item in items:
        told = telling(item)
        if told not in seen:
            seen.add(told)
            yield item
