"""Match tables of one direction: for every value of a dimension, the rules that it satisfies."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from pipeline.match.addresses import Chain
from pipeline.match.bits import WORD, Ints, Rows, Words, last_bit, pack_bits
from pipeline.match.compile import Layout
from pipeline.policy.policies import EntityMatch, Network, Policy, Rule
from pipeline.policy.selector import Selector

ICMP_PROTOCOLS = (1, 58)


@dataclass(frozen=True, slots=True)
class EntityFacts:
    """What entity matches can see of one side: the selectors that hold for it or for a network set
    that it is in, the nets around its address, the services and domains that it stands behind."""

    selectors: frozenset[Selector]  # of the endpoint itself, and of sets by address
    own_selectors: frozenset[Selector]  # of the endpoint itself
    domain_selectors: frozenset[Selector]  # of sets by domain
    version: int
    nets: Chain
    services: frozenset[tuple[str, str]]
    domains: frozenset[str]


@dataclass(frozen=True, slots=True)
class PortPoint:
    """A port of one side, and which named ports and services it is a port of there; `selectors` are
    those that hold for the endpoint that names it."""

    port: int
    names: frozenset[str] = frozenset()
    services: frozenset[tuple[str, str]] = frozenset()
    selectors: frozenset[Selector] = frozenset()


@dataclass(frozen=True, slots=True)
class ProtocolPoint:
    """A protocol number, for ICMP its type and code, and the address family."""

    protocol: int
    icmp_type: int
    icmp_code: int
    version: int


class BitIndex[K]:
    """From a value to the bits of the rules that name it, and the bits of all rules that do."""

    def __init__(self, pairs: Iterable[tuple[int, Iterable[K]]], words: int) -> None:
        found: defaultdict[K, list[int]] = defaultdict(list)
        naming: list[int] = []
        for bit, values in pairs:
            before = len(naming)
            for value in values:
                found[value].append(bit)
                if len(naming) == before:
                    naming.append(bit)
        self._bits = {value: np.array(bits, np.int64) for value, bits in found.items()}
        self._words = words
        self.naming = pack_bits(naming, words)
        self.values = frozenset(found)

    def named_by(self, values: Iterable[K]) -> Words:
        """The rules that name one of the values."""
        bits = [self._bits[value] for value in values if value in self._bits]
        return pack_bits(np.concatenate(bits), self._words) if bits else np.zeros(self._words, np.uint64)

    def positive(self, values: Iterable[K]) -> Words:
        """The rules that ask for none of the values, or are satisfied by these."""
        return ~self.naming | self.named_by(values)


class EntityTable:
    """Which rules' source, or destination, an entity satisfies (CALICO.md §3, §3.1)."""

    def __init__(self, layout: Layout, side: str) -> None:
        words = layout.rule_masks.shape[1]
        matches = [(bit, _side(rule, side)) for bit, rule in layout.rules]
        self._selectors = BitIndex(((b, [m.selector] if m.selector else []) for b, m in matches), words)
        self._not_selectors = BitIndex(
            ((b, [m.not_selector] if m.not_selector else []) for b, m in matches), words
        )
        self._nets = BitIndex(((b, m.nets) for b, m in matches), words)
        self._not_nets = BitIndex(((b, m.not_nets) for b, m in matches), words)
        # A rule all of whose notNets are of the other family is not there for this one (§4.3).
        self._not_families = BitIndex[int](((b, {n.version for n in m.not_nets}) for b, m in matches), words)
        self._services = BitIndex(((b, [m.service] if m.service else []) for b, m in matches), words)
        self._domains = BitIndex(((b, m.domains) for b, m in matches), words)
        # A set's domains count only in egress rules that allow.
        by_domain = side == "destination" and layout.direction == "egress"
        allowing = [bit for bit, rule in layout.rules if by_domain and rule.action == "allow"]
        self._by_domain = pack_bits(allowing, words)

    def row(self, facts: EntityFacts) -> Words:
        return (
            (self._selectors.positive(facts.selectors) | self._held_by_domain(facts))
            & ~self._not_selectors.named_by(facts.selectors)
            & self._nets.positive(facts.nets)
            & ~self._not_nets.named_by(facts.nets)
            & self._not_families.positive([facts.version])
            & self._services.positive(facts.services)
            & self._domains.positive(facts.domains)
        )

    def _held_by_domain(self, facts: EntityFacts) -> Words:
        return self._selectors.named_by(facts.domain_selectors) & self._by_domain


class PortTable:
    """Which rules' source ports, or destination ports, a port satisfies.

    A name counts only at an endpoint that the rule's selector selects itself (CALICO.md §3.1).
    A destination's service names ports as well (`services` of PortPoint); a source's does not
    (CALICO.md §3).
    """

    def __init__(self, layout: Layout, side: str) -> None:
        words = layout.rule_masks.shape[1]
        matches = [(bit, _side(rule, side)) for bit, rule in layout.rules]
        self._ranges = _Ranges(((b, m.ports) for b, m in matches), words)
        self._not_ranges = _Ranges(((b, m.not_ports) for b, m in matches), words)
        self._names = BitIndex(((b, m.named_ports) for b, m in matches), words)
        self._not_names = BitIndex(((b, m.not_named_ports) for b, m in matches), words)
        service_of = ((b, [m.service] if m.service and side == "destination" else []) for b, m in matches)
        self._services = BitIndex(service_of, words)
        naming = ((b, [m.selector] if m.selector and names_ports(m) else []) for b, m in matches)
        self._selectors = BitIndex(naming, words)
        self._asking = self._ranges.naming | self._names.naming

    def row(self, point: PortPoint) -> Words:
        selected = self._selectors.positive(point.selectors)
        named, not_named = self._names.named_by(point.names), self._not_names.named_by(point.names)
        wanted = ~self._asking | self._ranges.holding(point.port) | named & selected
        unwanted = self._not_ranges.holding(point.port) | not_named & selected
        return wanted & ~unwanted & self._services.positive(point.services)


class _Ranges:
    """Inclusive ranges of ports, and the rules that name them."""

    def __init__(self, pairs: Iterable[tuple[int, Iterable[tuple[int, int]]]], words: int) -> None:
        flat = [(bit, low, high) for bit, ranges in pairs for low, high in ranges]
        self._bit, self._low, self._high = np.array(flat, np.int64).reshape(-1, 3).T
        self._words = words
        self.naming = pack_bits(self._bit, words)

    def holding(self, port: int) -> Words:
        return pack_bits(self._bit[(self._low <= port) & (port <= self._high)], self._words)


class DirectionTables:
    """The match tables of one direction; rows are made when first seen, equal rows share one.

    A row id indexes `rows` (rule words); `slots` and `ends` belong to a local endpoint's row of the
    policies that select it: `ends[id]` (3 scopes, tiers, 2) int64, first and last slot in scope, -1
    where the tier does not apply.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.rows = Rows(layout.rule_masks.shape[1])
        self.slots = Rows(layout.slot_masks.shape[1])
        self.ends: list[Ints] = []
        self._sources = EntityTable(layout, "source")
        self._destinations = EntityTable(layout, "destination")
        self._source_ports = PortTable(layout, "source")
        self._dest_ports = PortTable(layout, "destination")
        self.source_row = cache(lambda facts: self.rows.add(self._sources.row(facts)))
        self.dest_row = cache(lambda facts: self.rows.add(self._destinations.row(facts)))
        self.source_port_row = cache(lambda point: self.rows.add(self._source_ports.row(point)))
        self.dest_port_row = cache(lambda point: self.rows.add(self._dest_ports.row(point)))
        self.protocol_row = cache(self._protocol_row)
        self._selecting: defaultdict[Selector, list[int]] = defaultdict(list)
        for number, slot in enumerate(layout.slots):
            self._selecting[slot.policy.selector].append(number)
        self._slot_place = {int(place): number for number, place in enumerate(layout.slot_bit)}
        self.applies = cache(self._applies)

    def _protocol_row(self, point: ProtocolPoint) -> int:
        satisfied = [bit for bit, rule in self.layout.rules if _protocol_matches(rule, point)]
        return self.rows.add(pack_bits(satisfied, self.layout.rule_masks.shape[1]))

    def _applies(self, selectors: frozenset[Selector]) -> tuple[int, int]:
        """The policies that select an endpoint for which these selectors hold: (row id of their
        rules, row id of their slots) (CALICO.md §1, last point; §2.5)."""
        selected = [number for s in selectors & self._selecting.keys() for number in self._selecting[s]]
        places = pack_bits(self.layout.slot_bit[selected], self.layout.slot_masks.shape[1])
        slot_row = self.slots.add(places)
        if slot_row == len(self.ends):
            self.ends.append(self._ends(places))
        rule_bits = np.flatnonzero(np.isin(self.layout.bit_slot, selected))
        return self.rows.add(pack_bits(rule_bits, self.layout.rule_masks.shape[1])), slot_row

    def _ends(self, places: Words) -> Ints:
        ends = np.full((len(self.layout.slot_masks), len(self.layout.tiers), 2), -1, np.int64)
        for scope, mask in enumerate(self.layout.slot_masks):
            for tier, (low, high) in enumerate(self.layout.slot_words):
                inside = (places & mask)[low:high]
                last = last_bit(inside)
                if last >= 0:
                    first = int(np.unpackbits(inside.view(np.uint8), bitorder="little").argmax())
                    ends[scope, tier] = [self._slot_place[low * WORD + place] for place in (first, last)]
        return ends


def names_ports(match: EntityMatch) -> bool:
    """Whether a match asks for ports by name."""
    return bool(match.named_ports or match.not_named_ports)


def _side(rule: Rule, side: str) -> EntityMatch:
    return rule.source if side == "source" else rule.destination


def _protocol_matches(rule: Rule, point: ProtocolPoint) -> bool:
    """CALICO.md §3 (protocol, ipVersion, icmp) and §4.1 (protocol 0 or above 255 never matches)."""
    if not 0 < point.protocol <= 255 or rule.ip_version not in (None, point.version):
        return False
    if rule.protocol not in (None, point.protocol) or rule.not_protocol == point.protocol:
        return False
    if rule.icmp and not _icmp_matches(rule.icmp, point):
        return False
    return not (rule.not_icmp and _icmp_matches(rule.not_icmp, point))


def _icmp_matches(icmp: tuple[int | None, int | None], point: ProtocolPoint) -> bool:
    return (
        point.protocol in ICMP_PROTOCOLS
        and icmp[0] in (None, point.icmp_type)
        and icmp[1] in (None, point.icmp_code)
    )


def rules_of(policies: Iterable[Policy]) -> Iterator[Rule]:
    """The rules of policies, of both directions."""
    for policy in policies:
        yield from policy.ingress
        yield from policy.egress


def nets_of(rules: Iterable[Rule]) -> Iterator[Network]:
    """All nets that rules name, on either side."""
    for rule in rules:
        for match in (rule.source, rule.destination):
            yield from match.nets
            yield from match.not_nets
