"""Whether one rule matches one complete flow, as the reference has it: CALICO.md §3, word by word."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pipeline.identity import Identity, Labels, Slice
from pipeline.policy.policies import Address, Direction, EntityMatch, Network, Rule
from pipeline.policy.selector import Selector

ICMP_PROTOCOLS = (1, 58)


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a complete flow; `identity` None: an address that is no endpoint."""

    identity: Identity | None
    address: Address
    domains: tuple[str, ...] = ()  # names that the address was resolved by
    outside: tuple[Slice, ...] = ()  # open slices that hold its address and that it is not in


@dataclass(frozen=True, slots=True)
class CompleteFlow:
    """A flow of which nothing is missing; for ICMP `dest_port` is type << 8 | code (CALICO.md §6)."""

    source: Party
    destination: Party
    protocol: int
    source_port: int
    dest_port: int
    from_own_host: bool = False  # sent by the host that the destination pod runs on


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A network set with every label that selectors see: its own and its namespace's (CALICO.md §2.6)."""

    labels: Labels
    nets: tuple[Network, ...]
    domains: tuple[str, ...] = ()


type Part = Literal[
    "protocol",
    "ip version",
    "icmp",
    "source selector",
    "source nets",
    "source domains",
    "source ports",
    "source service",
    "destination selector",
    "destination nets",
    "destination domains",
    "destination ports",
    "destination service",
]


def rule_matches(
    rule: Rule, flow: CompleteFlow, direction: Direction, sets: Sequence[LabelledSet], slices: Sequence[Slice]
) -> bool:
    """Whether every part of `rule` holds; where Calico disagrees with itself, the dataplane (§4.3)."""
    return all(holds for _, holds in rule_parts(rule, flow, direction, sets, slices))


def rule_parts(
    rule: Rule, flow: CompleteFlow, direction: Direction, sets: Sequence[LabelledSet], slices: Sequence[Slice]
) -> Iterator[tuple[Part, bool]]:
    """Each part that a rule can have, and whether it holds; one that the rule does not have does."""
    # A set's domains have an effect only in egress rules that allow ([EE] GlobalNetworkSet reference).
    by_domain = direction == "egress" and rule.action == "allow"
    source, dest, protocol = rule.source, rule.destination, flow.protocol
    yield "protocol", _protocol_matches(rule, protocol)
    yield "ip version", rule.ip_version in (None, flow.destination.address.version)
    yield "icmp", _icmp_matches(rule, flow)
    yield "source selector", _selected(source, flow.source, sets, by_domain=False)
    yield "source nets", _in_nets(source, flow.source.address)
    yield "source domains", not source.domains or resolved_by(source.domains, flow.source.domains)
    yield "source ports", _on_ports(source, flow.source.identity, protocol, flow.source_port)
    yield "source service", source.service is None or _serves(slices, source.service, flow.source)
    yield "destination selector", _selected(dest, flow.destination, sets, by_domain)
    yield "destination nets", _in_nets(dest, flow.destination.address)
    yield "destination domains", not dest.domains or resolved_by(dest.domains, flow.destination.domains)
    yield "destination ports", _on_ports(dest, flow.destination.identity, protocol, flow.dest_port)
    yield "destination service", dest.service is None or _serves_flow(slices, dest.service, flow)


def _protocol_matches(rule: Rule, protocol: int) -> bool:
    return 1 <= protocol <= 255 and rule.protocol in (None, protocol) and rule.not_protocol != protocol


def _icmp_matches(rule: Rule, flow: CompleteFlow) -> bool:
    wanted = rule.icmp is None or _icmp_is(rule.icmp, flow)
    return wanted and (rule.not_icmp is None or not _icmp_is(rule.not_icmp, flow))


def _icmp_is(wanted: tuple[int | None, int | None], flow: CompleteFlow) -> bool:
    kind, code = wanted
    return (
        flow.protocol in ICMP_PROTOCOLS
        and kind in (None, flow.dest_port >> 8)
        and code in (None, flow.dest_port & 0xFF)
    )


def _selected(match: EntityMatch, party: Party, sets: Sequence[LabelledSet], by_domain: bool) -> bool:
    return (match.selector is None or _held(match.selector, party, sets, by_domain)) and (
        match.not_selector is None or not _held(match.not_selector, party, sets, by_domain=False)
    )


def _held(selector: Selector, party: Party, sets: Iterable[LabelledSet], by_domain: bool) -> bool:
    """Whether any object that holds the address matches: the endpoint itself, or a set (§3.1)."""
    if party.identity is not None and selector.matches(as_mapping(party.identity.labels)):
        return True
    return any(
        _contains(known, party, by_domain) and selector.matches(as_mapping(known.labels)) for known in sets
    )


def _contains(known: LabelledSet, party: Party, by_domain: bool) -> bool:
    in_nets = any(party.address in net for net in known.nets)
    return in_nets or (by_domain and resolved_by(known.domains, party.domains))


def _in_nets(match: EntityMatch, address: Address) -> bool:
    """A rule whose nets, or notNets, are all of the other family is no rule for this one (§4.3)."""
    nets = [net for net in match.nets if net.version == address.version]
    not_nets = [net for net in match.not_nets if net.version == address.version]
    if (match.nets and not nets) or (match.not_nets and not not_nets):
        return False
    return (not nets or any(address in net for net in nets)) and not any(address in net for net in not_nets)


def _on_ports(match: EntityMatch, identity: Identity | None, protocol: int, port: int) -> bool:
    names = _port_names(match.selector, identity, protocol, port)
    wanted = _within(match.ports, port) or not names.isdisjoint(match.named_ports)
    excluded = _within(match.not_ports, port) or not names.isdisjoint(match.not_named_ports)
    return (wanted or not (match.ports or match.named_ports)) and not excluded


def _port_names(selector: Selector | None, identity: Identity | None, protocol: int, port: int) -> set[str]:
    """What the endpoint calls the port, if the positive selector matches the endpoint itself (§3.1)."""
    if identity is None or (selector is not None and not selector.matches(as_mapping(identity.labels))):
        return set()
    return {own.name for own in identity.ports if (own.protocol, own.port) == (protocol, port)}


def _within(ranges: Iterable[tuple[int, int]], port: int) -> bool:
    return any(first <= port <= last for first, last in ranges)


def _serves(slices: Iterable[Slice], service: tuple[str, str], party: Party) -> bool:
    behind = (known for known in slices if known.service == service and known not in party.outside)
    return any(party.address in net for known in behind for net in known.nets)


def _serves_flow(slices: Iterable[Slice], service: tuple[str, str], flow: CompleteFlow) -> bool:
    """A destination service is its addresses, each with the ports of its own slice (§3)."""
    return any(
        _serves([known], service, flow.destination)
        and any(
            protocol in (None, flow.protocol) and port in (None, flow.dest_port)
            for protocol, port in known.ports
        )
        for known in slices
    )


def resolved_by(patterns: Iterable[str], names: Iterable[str]) -> bool:
    """Whether any of `names` is a domain that any of `patterns` means."""
    return any(domain_matches(pattern, name) for pattern in patterns for name in names)


def domain_matches(pattern: str, name: str) -> bool:
    """Whether `name` is the domain `pattern`; its `*` is one or more whole labels ([EE] DNS policy)."""
    head, star, tail = pattern.lower().partition("*")
    name = name.lower()
    if not star:
        return name == head
    return len(name) > len(head) + len(tail) and name.startswith(head) and name.endswith(tail)


@lru_cache(maxsize=1 << 16)
def as_mapping(labels: Labels) -> Mapping[str, str]:
    """Labels as selectors take them."""
    return dict(labels)
