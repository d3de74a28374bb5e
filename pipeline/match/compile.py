"""Policies compiled to a layout of bits: a rule is a bit, in the order in which Calico evaluates."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pipeline.match.bits import WORD, Words, pack_bits
from pipeline.policy.policies import MODEL_KINDS, Direction, Policies, Policy, PolicyKey, Rule, Tier

SCOPES = ("enforced", "pending", "promoted")
ENFORCED, PENDING, PROMOTED = range(3)
ALLOW, DENY, NEXT, LOG = 0, 1, 2, 3  # what a rule or a tier does; NEXT = pass on to the next tier
ACTIONS = {"allow": ALLOW, "deny": DENY, "pass": NEXT, "log": LOG}


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a policy in its tier; a staged policy whose promoted place differs has two."""

    policy: Policy
    tier: int
    scopes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Effect:
    """What promoting one staged policy alone changes: the slot `added`, that of its twin `removed`;
    -1 where there is none. `tiers` are the tiers of the two, in order."""

    key: PolicyKey
    added: int
    removed: int
    tiers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The bits of one direction. The rules of each tier begin at a whole word.

    `rule_words[t]`: (first, end) word of tier t. `bit_slot`, `bit_rule`, `bit_action` (bits,) int64,
    -1 where a bit is padding. `rule_masks` (3 scopes, words) uint64; `deciding` (words,) those of rules that
    decide where they match, all but log rules. `slot_rules[s]`: (first, end) bit of the rules of slot s.
    `rules` lists (bit, rule) of every rule.
    """

    direction: Direction
    tiers: tuple[Tier, ...]
    slots: tuple[Slot, ...]
    slot_rules: NDArray[np.int64]
    bit_slot: NDArray[np.int64]
    bit_rule: NDArray[np.int64]
    bit_action: NDArray[np.int64]
    rule_words: tuple[tuple[int, int], ...]
    rule_masks: Words
    deciding: Words
    rules: tuple[tuple[int, Rule], ...]
    effects: tuple[Effect, ...]


def lay_out(policies: Policies, direction: Direction) -> Layout:
    """Give every rule and every policy of one direction its bit (DESIGN.md §5).

    Log rules decide nothing (CALICO.md §4.1), but what they match is counted; policies of other hooks than
    workload traffic are left out (§2.4).
    """
    tiers: list[Tier] = []
    slots: list[Slot] = []
    governing = [p for p in policies.policies if p.workloads and direction in p.types]
    replaced = {
        p.key.twin for p in policies.policies if p.key.staged and p.staged_action in ("Set", "Delete")
    }
    for tier in policies.tiers:
        found = list(_slots(len(tiers), [p for p in governing if p.tier == tier.name], replaced))
        if found:
            tiers.append(tier)
            slots += found
    rules: list[tuple[int, Rule]] = []
    slot_rules: list[tuple[int, int]] = []
    places: list[tuple[int, int, int, int]] = []  # bit, slot, rule, action
    rule_words = []
    bit = 0
    for _, group in groupby(enumerate(slots), key=lambda item: item[1].tier):
        first_bit = bit
        for index, slot in group:
            first_rule = bit
            for number, rule in enumerate(slot.policy.rules(direction)):
                places.append((bit, index, number, ACTIONS[rule.action]))
                rules.append((bit, rule))
                bit += 1
            slot_rules.append((first_rule, bit))
        bit = -(-bit // WORD) * WORD
        rule_words.append((first_bit // WORD, bit // WORD))
    bits, *places_of_bits = np.array(places, np.int64).reshape(-1, 4).T
    columns = np.full((3, bit), -1, np.int64)
    columns[:, bits] = places_of_bits
    scopes = np.array([[scope in slot.scopes for slot in slots] for scope in range(len(SCOPES))], np.bool_)
    return Layout(
        direction,
        tuple(tiers),
        tuple(slots),
        np.array(slot_rules, np.int64).reshape(-1, 2),
        columns[0],
        columns[1],
        columns[2],
        tuple(rule_words),
        np.stack([pack_bits(bits[inside[places_of_bits[0]]], bit // WORD) for inside in scopes]),
        pack_bits(np.flatnonzero((columns[2] >= 0) & (columns[2] != LOG)), bit // WORD),
        tuple(rules),
        tuple(_effects(policies.policies, slots)),
    )


def _slots(tier: int, members: list[Policy], replaced: set[PolicyKey]) -> Iterator[Slot]:
    """The policies of a tier in evaluation order, a staged one also where its enforced kind would
    stand (CALICO.md §2.3; DESIGN.md §1, promoted). `replaced` are the twins of staged ones."""
    entries: list[tuple[tuple[float, str], Policy, frozenset[int]]] = []
    for policy in members:
        if not policy.key.staged:
            scopes = {ENFORCED, PENDING} if policy.key in replaced else {ENFORCED, PENDING, PROMOTED}
            entries.append((_place(policy, policy.key), policy, frozenset(scopes)))
        elif policy.staged_action != "Delete":
            entries.append((_place(policy, policy.key), policy, frozenset({PENDING})))
            if policy.staged_action == "Set":
                entries.append((_place(policy, policy.key.twin), policy, frozenset({PROMOTED})))
    entries.sort(key=lambda entry: entry[0])
    for _, group in groupby(entries, key=lambda entry: entry[1].key):
        same = list(group)
        yield Slot(same[0][1], tier, frozenset().union(*(entry[2] for entry in same)))


def _place(policy: Policy, key: PolicyKey) -> tuple[float, str]:
    order = float("inf") if policy.order is None else policy.order
    return order, f"{key.name}/{key.namespace}/{MODEL_KINDS[key.kind]}"


def _effects(policies: Iterable[Policy], slots: list[Slot]) -> Iterator[Effect]:
    at = {slot.policy.key: number for number, slot in enumerate(slots) if slot.scopes & {ENFORCED, PROMOTED}}
    for policy in policies:
        if policy.key.staged and policy.staged_action in ("Set", "Delete"):
            added = at.get(policy.key, -1) if policy.staged_action == "Set" else -1
            removed = at.get(policy.key.twin, -1)
            tiers = {slots[slot].tier for slot in (added, removed) if slot >= 0}
            if tiers:
                yield Effect(policy.key, added, removed, tuple(sorted(tiers)))
