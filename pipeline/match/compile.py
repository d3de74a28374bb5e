"""Policies compiled to a layout of bits: a rule is a bit, in the order in which Calico evaluates."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pipeline.match.bits import WORD, Ints, Words, pack_bits
from pipeline.policy.policies import MODEL_KINDS, Direction, Policies, Policy, PolicyKey, Rule, Tier

SCOPES = ("enforced", "pending", "promoted")
ENFORCED, PENDING, PROMOTED = range(3)
ALLOW, DENY, NEXT = 0, 1, 2  # what a rule or a tier does; NEXT = pass on to the next tier
ACTIONS = {"allow": ALLOW, "deny": DENY, "pass": NEXT}


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a policy in its tier; a staged policy whose promoted place differs has two."""

    policy: Policy
    tier: int
    scopes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Effect:
    """What promoting one staged policy alone changes: a slot more, its twin's slot less.

    `tiers` are the tiers of the two, in order; `*_rules` and `*_slots` their bits (words,) uint64.
    """

    key: PolicyKey
    tiers: tuple[int, ...]
    added_rules: Words
    removed_rules: Words
    added_slots: Words
    removed_slots: Words


@dataclass(frozen=True, slots=True)
class Layout:
    """The bits of one direction. Each tier begins at a whole word, for rules and for slots.

    `rule_words[t]`, `slot_words[t]`: (first, end) word of tier t. `bit_slot`, `bit_rule`,
    `bit_action` (bits,) int64, -1 where a bit is padding. `rule_masks`, `slot_masks`
    (3 scopes, words) uint64. `slot_bits[s]` (words,) of the rules of slot s, `slot_bit[s]` its
    own place among the slots' bits. `rules` lists (bit, rule) of every rule that decides.
    """

    direction: Direction
    tiers: tuple[Tier, ...]
    slots: tuple[Slot, ...]
    slot_bit: NDArray[np.int64]
    bit_slot: NDArray[np.int64]
    bit_rule: NDArray[np.int64]
    bit_action: NDArray[np.int64]
    rule_words: tuple[tuple[int, int], ...]
    slot_words: tuple[tuple[int, int], ...]
    rule_masks: Words
    slot_masks: Words
    rules: tuple[tuple[int, Rule], ...]
    effects: tuple[Effect, ...]


def lay_out(policies: Policies, direction: Direction) -> Layout:
    """Give every rule and every policy of one direction its bit (DESIGN.md §5).

    Log rules decide nothing and get no bit (CALICO.md §4.1); policies of other hooks than workload
    traffic are left out (§2.4).
    """
    tiers: list[Tier] = []
    slots: list[Slot] = []
    governing = [p for p in policies.policies if p.workloads and direction in p.types]
    for tier in policies.tiers:
        found = list(_slots(len(tiers), [p for p in governing if p.tier == tier.name], policies))
        if found:
            tiers.append(tier)
            slots += found
    rules: list[tuple[int, Rule]] = []
    slot_bit: list[int] = []
    bit_of: dict[int, tuple[int, int, int]] = {}  # bit -> slot, rule, action
    rule_words, slot_words = [], []
    bit = place = 0
    for _, group in groupby(enumerate(slots), key=lambda item: item[1].tier):
        first_bit, first_place = bit, place
        for index, slot in group:
            slot_bit.append(place)
            place += 1
            for number, rule in enumerate(slot.policy.rules(direction)):
                if rule.action != "log":
                    bit_of[bit] = (index, number, ACTIONS[rule.action])
                    rules.append((bit, rule))
                    bit += 1
        bit, place = _whole(bit), _whole(place)
        rule_words.append((first_bit // WORD, bit // WORD))
        slot_words.append((first_place // WORD, place // WORD))
    columns = np.full((3, bit), -1, np.int64)
    for position, values in bit_of.items():
        columns[:, position] = values
    return Layout(
        direction,
        tuple(tiers),
        tuple(slots),
        np.array(slot_bit, np.int64),
        columns[0],
        columns[1],
        columns[2],
        tuple(rule_words),
        tuple(slot_words),
        np.stack(
            [
                pack_bits([b for b, v in bit_of.items() if s in slots[v[0]].scopes], bit // WORD)
                for s in range(3)
            ]
        ),
        np.stack(
            [
                pack_bits([slot_bit[i] for i, slot in enumerate(slots) if s in slot.scopes], place // WORD)
                for s in range(3)
            ]
        ),
        tuple(rules),
        tuple(_effects(policies.policies, slots, columns[0], np.array(slot_bit, np.int64))),
    )


def _whole(bits: int) -> int:
    return -(-bits // WORD) * WORD


def _slots(tier: int, members: list[Policy], policies: Policies) -> Iterator[Slot]:
    """The policies of a tier in evaluation order, a staged one also where its enforced kind would
    stand (CALICO.md §2.3; DESIGN.md §1, promoted)."""
    replaced = {
        p.key.twin for p in policies.policies if p.key.staged and p.staged_action in ("Set", "Delete")
    }
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


def _effects(
    policies: Iterable[Policy], slots: list[Slot], bit_slot: Ints, slot_bit: Ints
) -> Iterator[Effect]:
    at = {slot.policy.key: number for number, slot in enumerate(slots) if slot.scopes & {ENFORCED, PROMOTED}}
    places = _whole(int(slot_bit.max(initial=-1)) + 1) // WORD

    def bits(slot: int | None) -> tuple[Words, Words]:
        rules = np.flatnonzero(bit_slot == slot) if slot is not None else ()
        return pack_bits(rules, len(bit_slot) // WORD), pack_bits(
            [] if slot is None else [slot_bit[slot]], places
        )

    for policy in policies:
        if policy.key.staged and policy.staged_action in ("Set", "Delete"):
            added = at.get(policy.key) if policy.staged_action == "Set" else None
            removed = at.get(policy.key.twin)
            tiers = {slots[slot].tier for slot in (added, removed) if slot is not None}
            if tiers:
                (added_rules, added_slots), (removed_rules, removed_slots) = bits(added), bits(removed)
                rules, slot_bits = (added_rules, removed_rules), (added_slots, removed_slots)
                yield Effect(policy.key, tuple(sorted(tiers)), *rules, *slot_bits)
