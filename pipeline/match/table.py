"""Match tables of one direction: for every value of a dimension, the rules that it satisfies."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.identity import Slice
from pipeline.match.addresses import Chain
from pipeline.match.bits import WORD, Ints, Words, pack_bits
from pipeline.match.compile import DENY, ENFORCED, NEXT, SCOPES, Layout, lay_out
from pipeline.match.matched import MatchedBits, RuleSets
from pipeline.match.rows import Column, Lists, Rows, spans
from pipeline.policy.policies import ANY_ENTITY, Direction, EntityMatch, Network, Policies, Policy, Rule
from pipeline.policy.selector import Selector

ICMP_PROTOCOLS = (1, 58)

type Matches = list[tuple[int, EntityMatch]]  # what rules ask of one side, of all that ask for anything
type Selectors = tuple[Selector, ...]  # distinct; a third of a set's size


@dataclass(frozen=True, slots=True)
class EntityFacts:
    """What entity matches can see of one side: the selectors that hold for it or for a network set
    that it is in, the nets and slices around its address, the domains that it stands behind."""

    selectors: Selectors  # of the endpoint itself, and of sets by address
    own_selectors: Selectors  # of the endpoint itself
    domain_selectors: Selectors  # of sets by domain
    version: int
    nets: Chain
    slices: tuple[Slice, ...]
    domains: frozenset[str]


NOBODY = EntityFacts((), (), (), 4, (), (), frozenset())


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

    def __init__(self, pairs: Iterable[tuple[int, Collection[K]]], words: int) -> None:
        found: defaultdict[K, list[int]] = defaultdict(list)
        naming: list[int] = []
        for bit, values in pairs:
            if values:
                naming.append(bit)
                for value in values:
                    found[value].append(bit)
        self._bits = dict(found)
        self._words = words
        self._none = np.zeros(words, np.uint64)
        self.naming = pack_bits(naming, words)
        self._others = ~self.naming
        self.values = frozenset(found)

    def named_by(self, values: Iterable[K]) -> Words:
        """The rules that name one of the values."""
        bits = [bit for value in values if value in self._bits for bit in self._bits[value]]
        return pack_bits(np.array(bits), self._words) if bits else self._none

    def positive(self, values: Iterable[K]) -> Words:
        """The rules that ask for none of the values, or are satisfied by these."""
        return self._others | self.named_by(values)


class EntityTable:
    """Which rules' source, or destination, an entity satisfies (CALICO.md §3, §3.1)."""

    def __init__(self, layout: Layout, matches: Matches, *, by_domain: bool) -> None:
        words = layout.rule_masks.shape[1]
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
        allowing = [bit for bit, rule in layout.rules if by_domain and rule.action == "allow"]
        self._by_domain = pack_bits(allowing, words)

    def row(self, facts: EntityFacts) -> Words:
        return (
            (self._selectors.positive(facts.selectors) | self._held_by_domain(facts))
            & ~self._not_selectors.named_by(facts.selectors)
            & self._nets.positive(facts.nets)
            & ~self._not_nets.named_by(facts.nets)
            & self._not_families.positive([facts.version])
            & self._services.positive({piece.service for piece in facts.slices})
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

    def __init__(self, matches: Matches, words: int, *, destination: bool) -> None:
        self._ranges = _Ranges(((b, m.ports) for b, m in matches), words)
        self._not_ranges = _Ranges(((b, m.not_ports) for b, m in matches), words)
        self._names = BitIndex(((b, m.named_ports) for b, m in matches), words)
        self._not_names = BitIndex(((b, m.not_named_ports) for b, m in matches), words)
        service_of = ((b, [m.service] if m.service and destination else []) for b, m in matches)
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


class Conditions:
    """What the rules of one direction ask of flows: made in some pieces, each when first asked for."""

    def __init__(self, policies: Policies, direction: Direction) -> None:
        self._policies, self._direction = policies, direction

    @cached_property
    def layout(self) -> Layout:
        return lay_out(self._policies, self._direction)

    @cached_property
    def entities(self) -> tuple[EntityTable, EntityTable]:
        """Of sources and of destinations."""
        source, destination = self._matches
        return (
            EntityTable(self.layout, source, by_domain=False),
            # A set's domains count only in egress rules that allow.
            EntityTable(self.layout, destination, by_domain=self._direction == "egress"),
        )

    @cached_property
    def ports(self) -> tuple[PortTable, PortTable]:
        """Of sources and of destinations."""
        source, destination = self._matches
        words = self.layout.rule_masks.shape[1]
        return PortTable(source, words, destination=False), PortTable(destination, words, destination=True)

    @cached_property
    def _matches(self) -> tuple[Matches, Matches]:
        rules = self.layout.rules
        return (
            [(bit, rule.source) for bit, rule in rules if rule.source is not ANY_ENTITY],
            [(bit, rule.destination) for bit, rule in rules if rule.destination is not ANY_ENTITY],
        )


class DirectionTables:
    """The match tables of one direction; rows are made when first seen, equal rows share one.

    Rows of rules: `locals` of the endpoint that is judged, within the policies that select it, `peers`
    of the other end, `points` of protocols, source and destination ports. `selecting` numbers a set of
    policies that select an endpoint: `ends` (3 scopes, tiers, 2) int32 has the first and last slot in
    scope, -1 where the tier does not apply; `lonely` the staged policies that select it when promoted and
    that no enforced policy of their tier keeps company, where that tier denies at its end. `matched`
    numbers the rules that match, as sets of `rule_sets`.
    """

    def __init__(self, conditions: Conditions, rule_sets: RuleSets) -> None:
        self.layout = layout = conditions.layout
        self.effects = StagedEffects.of(layout)
        words = layout.rule_masks.shape[1]
        self.word_tier = np.repeat(np.arange(len(layout.tiers)), [b - a for a, b in layout.rule_words])
        self.default_action = np.array([NEXT if t.default_action == "pass" else DENY for t in layout.tiers])
        # The last place of each stands for none: no bit, no slot.
        self.hit_slot = np.append(layout.bit_slot, -1)
        self.slot_rules = np.append(layout.slot_rules, [[0, 0]], axis=0)
        self.slot_tier = np.array([*(slot.tier for slot in layout.slots), -1], np.int64)
        self._scopes = np.array(
            [[scope in slot.scopes for slot in layout.slots] for scope in range(len(SCOPES))], np.bool_
        )
        self._ports = conditions.ports
        is_ingress = layout.direction == "ingress"
        self._local_table = conditions.entities[is_ingress]
        self._peer_table = conditions.entities[not is_ingress]
        self.locals, self.peers = Rows(words), Rows(words)
        self.points = Rows(words), Rows(words), Rows(words)
        self._base_of: dict[EntityFacts, int] = {}
        self._no_port = [
            rows.base(table.row(PortPoint(-1)))
            for rows, table in zip(self.points[1:], self._ports, strict=True)
        ]
        self.selected = Rows(-(-len(layout.slots) // WORD))
        self.ends: Column[np.int32] = Column(np.int32, (len(SCOPES), len(layout.tiers), 2))
        self.lonely: Lists[np.int32] = Lists(np.int32)
        self.most_lonely = 0
        self.matched = MatchedBits(layout, rule_sets)
        self._slots_of: defaultdict[Selector, list[int]] = defaultdict(list)
        for number, slot in enumerate(layout.slots):
            self._slots_of[slot.policy.selector].append(number)

    def selecting(self, selectors: Iterable[Selector]) -> int:
        """The number of the policies that select an endpoint for which these selectors hold
        (CALICO.md §1, last point; §2.5)."""
        slots = self._selected(selectors)
        number = self.selected.add(pack_bits(slots, -(-len(self.layout.slots) // WORD)))
        if number == self.ends.count:
            ends = self._ends(slots)
            staged = self.effects.adding[slots]
            staged = staged[staged >= 0]
            tier = self.slot_tier[self.effects.added[staged]]
            lonely = staged[(ends[ENFORCED, tier, 0] < 0) & (self.default_action[tier] == DENY)]
            self.ends.extend(ends[np.newaxis])
            self.lonely.append(lonely.astype(np.int32))
            self.most_lonely = max(self.most_lonely, len(lonely))
        return number

    def _selected(self, selectors: Iterable[Selector]) -> Ints:
        """The slots of the policies that have one of these selectors, ascending."""
        found = [number for s in selectors if s in self._slots_of for number in self._slots_of[s]]
        return np.array(sorted(found), np.int64)

    def _ends(self, slots: Ints) -> NDArray[np.int32]:
        ends = np.full((len(SCOPES), len(self.layout.tiers), 2), -1, np.int32)
        for scope, inside in enumerate(self._scopes):
            found = slots[inside[slots]]
            tiers, first = np.unique(self.slot_tier[found], return_index=True)
            last = np.append(first[1:], len(found)) - 1
            ends[scope, tiers, 0] = found[first]
            ends[scope, tiers, 1] = found[last[: len(first)]]
        return ends

    def local_row(self, facts: EntityFacts) -> int:
        """The rules that a judged endpoint satisfies, of the policies that select it."""
        first, end = self.slot_rules[self._selected(facts.own_selectors)].T
        selected = pack_bits(spans(first, end)[1], self.layout.rule_masks.shape[1])
        return self.locals.add(selected & self._local_table.row(facts))

    def peer_row(self, facts: EntityFacts) -> int:
        """The rules whose other end an entity satisfies; few of them by its labels, so what differs is
        told from the row of its address without any."""
        address = replace(facts, selectors=(), own_selectors=(), domain_selectors=())
        if address not in self._base_of:
            self._base_of[address] = self.peers.base(self._peer_table.row(address))
        return self.peers.add(self._peer_table.row(facts), self._base_of[address])

    def protocol_row(self, point: ProtocolPoint) -> int:
        """The rules that a protocol satisfies."""
        satisfied = [bit for bit, rule in self.layout.rules if _protocol_matches(rule, point)]
        return self.points[0].add(pack_bits(satisfied, self.layout.rule_masks.shape[1]))

    def port_row(self, point: PortPoint, *, destination: bool) -> int:
        """The rules that a port of the source, or of the destination, satisfies."""
        row = self._ports[destination].row(point)
        return self.points[1 + destination].add(row, self._no_port[destination])


@dataclass(frozen=True, slots=True)
class StagedEffects:
    """`Layout.effects` by columns. `adding`, `removing` (slots + 1,): the staged policy that adds or
    removes a slot; `added_rules` (words,) the bits of all that are added. -1 = none."""

    count: int
    added: Ints
    removed: Ints
    first_tier: Ints
    last_tier: Ints
    adding: Ints
    removing: Ints
    added_rules: Words

    @classmethod
    def of(cls, layout: Layout) -> Self:
        effects, slots = layout.effects, len(layout.slots)
        added = np.array([effect.added for effect in effects], np.int64)
        removed = np.array([effect.removed for effect in effects], np.int64)
        adding, removing = np.full(slots + 1, -1, np.int64), np.full(slots + 1, -1, np.int64)
        adding[added], removing[removed] = np.arange(len(effects)), np.arange(len(effects))
        adding[-1] = removing[-1] = -1
        first, end = layout.slot_rules[added[added >= 0]].T
        return cls(
            len(effects),
            added,
            removed,
            np.array([effect.tiers[0] for effect in effects], np.int64),
            np.array([effect.tiers[-1] for effect in effects], np.int64),
            adding,
            removing,
            pack_bits(spans(first, end)[1], layout.rule_masks.shape[1]),
        )


def names_ports(match: EntityMatch) -> bool:
    """Whether a match asks for ports by name."""
    return bool(match.named_ports or match.not_named_ports)


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
