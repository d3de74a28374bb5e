"""The walk through the tiers, for many cells at once: what each scope decides, and each staged policy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.match.bits import WORD, Flags, Ints, Words, first_bit, meets
from pipeline.match.compile import ALLOW, DENY, ENFORCED, NEXT, PENDING, SCOPES, Effect
from pipeline.match.table import DirectionTables

SKIPPED = -1  # the tier has no hit: no policy in scope selects the endpoint, or an earlier tier decided
CHUNK_WORDS = 1 << 20  # at most 8 MB of bits at a time


@dataclass(frozen=True, slots=True)
class CellRows:
    """Row ids of n cells in one direction, each (n,) int64; `profiled`: a profile allows at the end."""

    selected: Ints
    slots: Ints
    conditions: tuple[Ints, ...]  # source, destination, protocol, source port, destination port
    profiled: Flags


class Walked(NamedTuple):
    """`action` (3 scopes, n) ALLOW or DENY; `hits` (3, tiers + 1, n): a rule's bit, `bits + slot` at
    the end of a tier, SKIPPED; the last column is 0 where the profiles decide."""

    action: Ints
    hits: Ints


class Alone(NamedTuple):
    """One staged policy promoted alone: the cells whose action it changes."""

    effect: Effect
    cells: Ints


def walk(tables: DirectionTables, cells: CellRows) -> tuple[Walked, list[Alone]]:
    """Judge n cells in every scope, and by each staged policy alone (CALICO.md §4.1; DESIGN.md §5)."""
    n, tiers = len(cells.selected), len(tables.layout.tiers)
    walked = Walked(
        np.empty((len(SCOPES), n), np.int64), np.full((len(SCOPES), tiers + 1, n), SKIPPED, np.int64)
    )
    alone: list[Alone] = []
    step = max(1, CHUNK_WORDS // max(1, tables.layout.rule_masks.shape[1]))
    for low in range(0, n, step):
        part = slice(low, min(low + step, n))
        chunk = _Chunk(tables, cells, part)
        for scope in range(len(SCOPES)):
            results = chunk.scope(scope, walked.hits[scope, :, part])
            walked.action[scope, part] = chunk.onwards(results)[0]
            if scope == ENFORCED:
                changes = [Alone(e, low + cells) for e, cells in chunk.alone(results)]
                alone += [change for change in changes if len(change.cells)]
    return walked, alone


class _Chunk:
    """The matching rules of some cells, and the tiers walked over them."""

    def __init__(self, tables: DirectionTables, cells: CellRows, part: slice) -> None:
        self.tables, self.layout = tables, tables.layout
        self.slot_rows = cells.slots[part]
        self.profile_action = np.where(cells.profiled[part], ALLOW, DENY)
        self.matching = tables.rows[cells.selected[part]]
        for condition in cells.conditions:
            self.matching &= tables.rows[condition[part]]
        self.ends = np.stack(tables.ends)

    def scope(self, scope: int, hits: Ints) -> list[Ints]:
        """What each tier does in a scope, (tiers) x (n,) of ALLOW, DENY, NEXT; writes `hits`."""
        results = []
        undecided = np.ones(len(self.matching), np.bool_)
        which_end = 0 if scope == PENDING else 1  # the pending trace names the first in scope (§4.3)
        for tier, (low, high) in enumerate(self.layout.rule_words):
            bit = self._first(self.matching[:, low:high] & self.layout.rule_masks[scope, low:high], low)
            end = self.ends[self.slot_rows, scope, tier, which_end]
            results.append(self._result(tier, bit, end >= 0))
            hit = np.where(bit >= 0, bit, np.where(end >= 0, len(self.layout.bit_slot) + end, SKIPPED))
            hits[tier] = np.where(undecided, hit, SKIPPED)
            undecided &= results[-1] == NEXT
        hits[-1] = np.where(undecided, 0, SKIPPED)
        return results

    def _first(self, words: Words, low: int) -> Ints:
        bit = first_bit(words)
        return np.where(bit >= 0, bit + low * WORD, bit)

    def _result(self, tier: int, bit: Ints, applies: Flags) -> Ints:
        default = NEXT if self.layout.tiers[tier].default_action == "pass" else DENY
        ended = np.where(applies, default, NEXT)
        return (
            np.where(bit >= 0, self.layout.bit_action[bit], ended) if len(self.layout.bit_action) else ended
        )

    def onwards(self, results: list[Ints]) -> list[Ints]:
        """The verdict from every tier onwards, worked out once, backwards; [tiers] = the profiles'."""
        verdicts = [self.profile_action]
        for result in reversed(results):
            verdicts.append(np.where(result == NEXT, verdicts[-1], result))
        return verdicts[::-1]

    def alone(self, enforced: list[Ints]) -> Iterator[tuple[Effect, Ints]]:
        """Each staged policy promoted alone, and the cells whose enforced action it changes."""
        onwards = self.onwards(enforced)
        reached = [np.ones(len(self.matching), np.bool_)]
        for result in enforced:
            reached.append(reached[-1] & (result == NEXT))
        for effect in self.layout.effects:
            cells = self._touched(effect, reached[effect.tiers[0]])
            if len(cells):
                verdict = onwards[effect.tiers[-1] + 1][cells]
                for tier in range(effect.tiers[-1], effect.tiers[0] - 1, -1):
                    changed = tier in effect.tiers
                    result = self._changed(effect, tier, cells) if changed else enforced[tier][cells]
                    verdict = np.where(result == NEXT, verdict, result)
                yield effect, cells[verdict != onwards[0][cells]]

    def _touched(self, effect: Effect, reached: Flags) -> Ints:
        """The cells for which a staged policy can matter: its twin selects the endpoint, one of its
        own rules matches, or it selects the endpoint and is the first of its tier to do so."""
        slots = self.tables.slots
        touched = reached & slots.meets(self.slot_rows, effect.removed_slots)
        if effect.added_slots.any():
            matches = meets(self.matching, effect.added_rules)
            alone = (self.ends[:, ENFORCED, effect.tiers, 0] < 0).any(axis=1)[self.slot_rows]
            lonely = alone & slots.meets(self.slot_rows, effect.added_slots)
            touched |= reached & (matches | lonely)
        return np.flatnonzero(touched)

    def _changed(self, effect: Effect, tier: int, cells: Ints) -> Ints:
        layout = self.layout
        rules = layout.rule_masks[ENFORCED] & ~effect.removed_rules | effect.added_rules
        slots = layout.slot_masks[ENFORCED] & ~effect.removed_slots | effect.added_slots
        low, high = layout.rule_words[tier]
        first, last = layout.slot_words[tier]
        selecting = self.tables.slots[self.slot_rows[cells]][:, first:last] & slots[first:last]
        bit = self._first(self.matching[cells, low:high] & rules[low:high], low)
        return self._result(tier, bit, (selecting != 0).any(axis=1))
