"""What a flow may have been: each completion of what is missing that any rule could tell from another."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import chain, combinations, product
from math import prod

from pipeline.identity import Candidate, Identity, NamedPort, Side, Slice
from pipeline.match.mentioned import Mentioned, mentioned_by
from pipeline.match.rule import ICMP_PROTOCOLS, CompleteFlow, LabelledSet, Party, as_mapping
from pipeline.match.verdict import TooMany
from pipeline.policy.policies import Address, Direction, Network, Policies
from pipeline.policy.selector import Atom

ANYWHERE: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))
PORT_PROTOCOLS = (6, 17, 132)  # those that an endpoint can name ports of: TCP, UDP, SCTP
UNHEARD_OF = "\x00"  # a text that no policy contains


@dataclass(frozen=True, slots=True)
class OpenFlow:
    """A flow as far as it is known; None = missing, may be anything."""

    source: Side
    destination: Side
    protocol: int | None  # None: any of 1 to 255
    source_port: int | None
    dest_port: int | None  # for ICMP: type << 8 | code
    direction: Direction
    own_host: bool | None = False  # of ingress: sent by the destination pod's own host


def completions(
    policies: Policies, sets: Sequence[LabelledSet], slices: Sequence[Slice], flow: OpenFlow, at_most: int
) -> Iterator[CompleteFlow]:
    """Every complete flow that `flow` may be, up to what no rule, set or slice tells apart.

    Both sides are of one address family. None at all where no candidate has an address left.
    TooMany after `at_most` of them, or where one part alone has more.
    """
    for count, complete in enumerate(_every(mentioned_by(policies, sets, slices), flow, at_most), start=1):
        _bound(count, at_most, "completions")
        yield complete


def _every(mentioned: Mentioned, flow: OpenFlow, at_most: int) -> Iterator[CompleteFlow]:
    sources = list(_parties(mentioned, flow.source, at_most))
    destinations = list(_parties(mentioned, flow.destination, at_most))
    protocols = _protocols(mentioned) if flow.protocol is None else [flow.protocol]
    own_host = flow.own_host if flow.direction == "ingress" else False
    hosts = [False, True] if own_host is None else [own_host]
    for source, destination, protocol, host in product(sources, destinations, protocols, hosts):
        if source.address.version == destination.address.version:
            source_ends = _ends(mentioned, source, protocol, flow.source_port, at_most)
            dest_ends = _ends(mentioned, destination, protocol, flow.dest_port, at_most)
            for (sender, source_port), (receiver, dest_port) in product(source_ends, dest_ends):
                yield CompleteFlow(sender, receiver, protocol, source_port, dest_port, host)


def _parties(mentioned: Mentioned, side: Side, at_most: int) -> Iterator[Party]:
    """Every party that the side may be; ports whose names are open are left to `_ends`."""
    domains = [side.domains] if side.domains is not None else list(_domains(mentioned, at_most))
    for candidate in side.candidates:
        identities = _identities(mentioned, candidate.identity, at_most)
        every = product(identities, _addresses(mentioned, candidate), domains)
        for identity, address, names in every:
            for outside in _subsets(_open_around(mentioned, address)):
                yield Party(identity, address, names, outside)


def _open_around(mentioned: Mentioned, address: Address) -> list[Slice]:
    """The open slices that hold an address."""
    return [known for known in mentioned.open_slices if any(address in net for net in known.nets)]


def _identities(mentioned: Mentioned, identity: Identity | None, at_most: int) -> Iterator[Identity | None]:
    """The identity with each set of labels that it may have and that selectors tell apart."""
    if identity is None or not identity.open_prefixes:
        return iter([identity])
    known = as_mapping(identity.labels)
    atoms = [atom for selector in mentioned.selectors for atom in selector.atoms()]
    keys = sorted({a.key for a in atoms if a.key not in known and identity.is_open(a.key)})
    choices = [_some_labels(key, [atom for atom in atoms if atom.key == key]) for key in keys]
    _bound(prod(map(len, choices)), at_most, "sets of labels")
    every = (dict(chain(identity.labels, *(more.items() for more in chosen))) for chosen in product(*choices))
    telling = _one_of_each(every, lambda labels: tuple(s.matches(labels) for s in mentioned.selectors))
    return (replace(identity, labels=tuple(sorted(labels.items())), open_prefixes=()) for labels in telling)


def _some_labels(key: str, atoms: Sequence[Atom]) -> list[dict[str, str]]:
    """No label `key`, or one of each value that `atoms` tell apart.

    Besides the values that they name, these are a beginning, any parts and an end that they name,
    put together with text between that they do not: no value does otherwise than one of these.
    """
    literals = {value for atom in atoms for value in atom.values}
    starts, parts, ends = (
        sorted({value for atom in atoms if atom.op == op for value in atom.values})
        for op in ("starts with", "contains", "ends with")
    )
    made = {
        UNHEARD_OF.join([start, *within, end])
        for start, within, end in product(["", *starts], _subsets(parts), ["", *ends])
    }
    choices: list[dict[str, str]] = [{}, *({key: value} for value in sorted(literals | made))]
    return list(_one_of_each(choices, lambda labels: tuple(atom.matches(labels) for atom in atoms)))


def _addresses(mentioned: Mentioned, candidate: Candidate) -> Iterator[Address]:
    """The ends of its regions, and of all nets within them, and what is next to those."""
    every = (
        type(region[0])(point)
        for region in candidate.addresses or ANYWHERE
        for point in _edges([region, *(net for net in mentioned.nets if net.version == region.version)])
        if int(region[0]) <= point <= int(region[-1])
    )
    outside = mentioned.set_nets if candidate.outside_sets else ()
    allowed = (address for address in every if not any(address in net for net in outside))
    return _one_of_each(allowed, lambda a: (a.version, tuple(a in net for net in mentioned.nets)))


def _edges(nets: Iterable[Network]) -> list[int]:
    return sorted({int(end) + step for net in nets for end in (net[0], net[-1]) for step in (-1, 0, 1)})


def _domains(mentioned: Mentioned, at_most: int) -> Iterator[tuple[str, ...]]:
    """Any set of names. One name per pattern is enough: what another name of the pattern means is
    this and more, and the more is again some pattern's name."""
    _bound(2 ** len(mentioned.domains), at_most, "sets of domains")
    return _subsets([domain.replace("*", UNHEARD_OF) for domain in mentioned.domains])


def _protocols(mentioned: Mentioned) -> list[int]:
    """Every protocol that anything asks for, and one that nothing does."""
    asked = {p for p in mentioned.protocols if 1 <= p <= 255} | {*PORT_PROTOCOLS, *ICMP_PROTOCOLS}
    return [*sorted(asked), max(set(range(1, 254)) - asked)]


def _ends(
    mentioned: Mentioned, party: Party, protocol: int, port: int | None, at_most: int
) -> Iterator[tuple[Party, int]]:
    """The party with each port it may have, and each set of names it may have for that port."""
    identity = party.identity
    for number in _ports(mentioned, identity, protocol) if port is None else [port]:
        if identity is None or not identity.open_ports or protocol not in PORT_PROTOCOLS:
            yield party, number
            continue
        _bound(2 ** len(mentioned.port_names), at_most, "sets of names of a port")
        for names in _subsets(mentioned.port_names):
            ports = identity.ports + tuple(NamedPort(name, protocol, number) for name in names)
            yield replace(party, identity=replace(identity, ports=ports, open_ports=False)), number


def _ports(mentioned: Mentioned, identity: Identity | None, protocol: int) -> Iterator[int]:
    """The ends of all ranges and named ports, what is next to those, and each ICMP type and code."""
    own = identity.ports if identity else ()
    ends = {0, 65535, *chain.from_iterable(mentioned.ports), *(named.port for named in own)}
    ports = {end + step for end in ends for step in (-1, 0, 1)}
    if protocol in ICMP_PROTOCOLS:
        types = _some_bytes(kind for kind, _ in mentioned.icmp)
        codes = _some_bytes(code for _, code in mentioned.icmp)
        ports |= {kind << 8 | code for kind in types for code in codes}

    def telling(port: int) -> Hashable:
        return (
            tuple(first <= port <= last for first, last in mentioned.ports),
            frozenset(named.name for named in own if (named.protocol, named.port) == (protocol, port)),
            tuple(kind in (None, port >> 8) and code in (None, port & 0xFF) for kind, code in mentioned.icmp),
        )

    return _one_of_each(sorted(port for port in ports if 0 <= port <= 65535), telling)


def _some_bytes(asked: Iterable[int | None]) -> set[int]:
    """Every byte that is asked for, and one that is not."""
    known = {byte for byte in asked if byte is not None}
    return known | {min(set(range(257)) - known) & 0xFF}


def _subsets[T](items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def _bound(count: int, at_most: int, what: str) -> None:
    if count > at_most:
        raise TooMany(f"more than {at_most} {what}")


def _one_of_each[T](items: Iterable[T], telling: Callable[[T], Hashable]) -> Iterator[T]:
    """The first of all items that `telling` says the same of."""
    seen = set()
    for item in items:
        told = telling(item)
        if told not in seen:
            seen.add(told)
            yield item
