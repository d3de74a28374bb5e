"""The rules that flows match, deciding or not: sets of them, numbered (DESIGN.md §5)."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pipeline.match.bits import WORD, Flags, Ints, Words, pack_bits
from pipeline.match.compile import Layout
from pipeline.match.rows import Lists
from pipeline.policy.policies import Direction


class MatchedRule(NamedTuple):
    """The name of a rule: `rule` is its number within the policy and direction, as in traces."""

    direction: Direction
    tier: str
    policy: str
    rule: int
    staged: bool


NO_RULES = 0  # the number of the set that is empty


class RuleSets:
    """Sets of rules that flows match: `certain` whatever is missing of them, `possible` in some of their
    completions but not in all. Both list indices of `rules` by the number of a set."""

    def __init__(self) -> None:
        self.rules: list[MatchedRule] = []
        self.certain: Lists[np.int32] = Lists(np.int32)
        self.possible: Lists[np.int32] = Lists(np.int32)
        self._numbers: dict[tuple[bytes, bytes], int] = {}
        self._rule_ids: dict[MatchedRule, int] = {}
        self.held = 0  # rules in all sets
        self.number((), ())

    def number(self, certain: Iterable[int], possible: Iterable[int]) -> int:
        """The number of a set, which is added if it is new."""
        sure, open_ = (np.array(sorted(ids), np.int32) for ids in (certain, possible))
        known = self._numbers.setdefault((sure.tobytes(), open_.tobytes()), len(self._numbers))
        if known == len(self.certain):
            self.certain.append(sure)
            self.possible.append(open_)
            self.held += len(sure) + len(open_)
        return known

    def rule(self, rule: MatchedRule) -> int:
        """The place of a rule in `rules`, to which it is added if it is new."""
        known = self._rule_ids.setdefault(rule, len(self.rules))
        if known == len(self.rules):
            self.rules.append(rule)
        return known

    def of_completions(self, numbers: Iterable[int]) -> int:
        """The number for a flow whose completions match these sets; without any completion, none."""
        every = [self.ids(number)[0] for number in numbers]
        certain = set.intersection(*every) if every else set[int]()
        return self.number(certain, set[int]().union(*every) - certain)

    def adopt(self, others: "RuleSets", number: int) -> int:
        """The number of a set of others."""
        certain, possible = ([self.rule(others.rules[n]) for n in ids] for ids in others.ids(number))
        return self.number(certain, possible)

    def ids(self, number: int) -> tuple[set[int], set[int]]:
        """The rules of a set, by their places in `rules`: those certain, those possible."""
        one = np.array([number])
        certain, possible = (lists.of(one)[1].tolist() for lists in (self.certain, self.possible))
        return set(certain), set(possible)


class MatchedBits:
    """The same of one direction, from the bits that matched."""

    def __init__(self, layout: Layout, sets: RuleSets) -> None:
        self._layout, self._sets = layout, sets
        self._places: dict[int, int] = {}
        self._numbers: dict[bytes, int] = {}
        # A policy that has two slots matches in both or in neither: one is enough.
        first = {slot.policy.key: number for number, slot in reversed(list(enumerate(layout.slots)))}
        counted = np.isin(layout.bit_slot, list(first.values()))
        self.counted = pack_bits(np.flatnonzero(counted), len(layout.bit_slot) // WORD)

    def numbers(self, cells: int, cell: Ints, word: Ints, bits: Words) -> Ints:
        """The number of the set that each of so many cells (m,) matches, from words of rules that match:
        of which cell, in its order, which word, and the bits."""
        bits = bits & self.counted[word]
        left: Flags = bits != 0
        packed = np.stack([word[left].astype(np.uint64), bits[left]], axis=1)
        ends = np.searchsorted(cell[left], np.arange(cells + 1)) * packed.strides[0]
        text, known, found = packed.tobytes(), self._numbers, []
        for start, end in pairwise(ends.tolist()):
            key = text[start:end]
            if key not in known:
                known[key] = self._number(key)
            found.append(known[key])
        return np.array(found, np.int64)

    def _number(self, key: bytes) -> int:
        word, bits = np.frombuffer(key, np.uint64).reshape(-1, 2).T
        flags = np.unpackbits(np.ascontiguousarray(bits).view(np.uint8), bitorder="little").reshape(-1, WORD)
        owner, place = np.nonzero(flags)
        matched = word[owner].astype(np.int64) * WORD + place
        return self._sets.number(map(self._rule, matched.tolist()), ())

    def _rule(self, bit: int) -> int:
        if bit not in self._places:
            slot = self._layout.slots[self._layout.bit_slot[bit]]
            key, number = slot.policy.key, int(self._layout.bit_rule[bit])
            tier = self._layout.tiers[slot.tier].name
            rule = MatchedRule(self._layout.direction, tier, str(key), number, key.staged)
            self._places[bit] = self._sets.rule(rule)
        return self._places[bit]
