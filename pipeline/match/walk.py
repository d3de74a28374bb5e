"""The walk through the tiers, for many cells at once: what each scope decides, and each staged policy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.match.bits import WORD, Flags, Ints, Words, bits_between, distinct_of, lowest_bit
from pipeline.match.compile import ALLOW, DENY, ENFORCED, NEXT, PENDING, SCOPES
from pipeline.match.rows import Rows, spans
from pipeline.match.table import DirectionTables

SKIPPED = -1  # the tier has no hit: no policy in scope selects the endpoint, or an earlier tier decided
CHUNK_WORDS = 1 << 18  # at most 2 MB of bits at a time, which a cache holds


@dataclass(frozen=True, slots=True)
class CellRows:
    """Row numbers of n cells in one direction, each (n,) int64: which policies select the local
    endpoint, which of their rules it satisfies, which its peer; protocol, source and destination
    port. `profiled`: a profile allows at the end."""

    selecting: Ints
    local: Ints
    peer: Ints
    points: tuple[Ints, Ints, Ints]
    profiled: Flags


class Walked(NamedTuple):
    """`action` (3 scopes, n) ALLOW or DENY; `hits` (3, tiers + 1, n): a rule's bit, `bits + slot` at
    the end of a tier, SKIPPED; the last column is 0 where the profiles decide."""

    action: Ints
    hits: Ints


class Alone(NamedTuple):
    """Staged policies promoted alone, by place in `Layout.effects`, and the cells whose enforced
    action each changes: both (k,), by cell."""

    effect: Ints
    cell: Ints


def walk(tables: DirectionTables, cells: CellRows) -> tuple[Walked, Alone]:
    """Judge n cells in every scope, and by each staged policy alone (CALICO.md §4.1; DESIGN.md §5)."""
    n, tiers = len(cells.local), len(tables.layout.tiers)
    walked = Walked(np.empty((len(SCOPES), n), np.int64), np.empty((len(SCOPES), tiers + 1, n), np.int64))
    alone = [Alone(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    step = max(1, CHUNK_WORDS // max(1, tables.layout.rule_masks.shape[1]))
    for low in range(0, n, step):
        part = slice(low, min(low + step, n))
        chunk = _Chunk(tables, cells, part)
        for scope in range(len(SCOPES)):
            judged = chunk.judge(scope)
            walked.hits[scope, :, part] = judged.hits
            walked.action[scope, part] = judged.onwards[0]
            if scope == ENFORCED and tables.layout.effects:
                effect, cell = chunk.alone(judged)
                alone.append(Alone(effect, low + cell))
    return walked, Alone(*map(np.concatenate, zip(*alone, strict=True)))


class _Matching(NamedTuple):
    """The words of the rules that match: of which cell, which word of its row, the bits. None is 0;
    they stand in the order of cells and words."""

    cell: Ints
    word: Ints
    bits: Words

    def where(self, bits: Words) -> "_Matching":
        """With these bits in place of the own."""
        left = np.flatnonzero(bits)
        return _Matching(self.cell[left], self.word[left], bits[left])


@dataclass(frozen=True, slots=True)
class _Judged:
    """What one scope does with c cells. `bit`, `result` (tiers, c): the first rule that matches, -1 =
    none, and what the tier does then. `onwards` (tiers + 1, c): the action from each tier onwards, were
    it reached; `reached` (tiers + 1, c); `hits` as in Walked."""

    bit: Ints
    result: Ints
    onwards: Ints
    reached: Flags
    hits: Ints


class _Chunk:
    """The matching rules of some cells, and the tiers walked over them."""

    def __init__(self, tables: DirectionTables, cells: CellRows, part: slice) -> None:
        self.tables, self.layout = tables, tables.layout
        self.selecting = cells.selecting[part]
        self.profile_action = np.where(cells.profiled[part], ALLOW, DENY)
        self.matching = self._match(cells, part)

    def _match(self, cells: CellRows, part: slice) -> _Matching:
        """Endpoints leave few of all rules, so the rest is asked of those words only."""
        local, of_local = self.tables.locals.dense(cells.local[part])
        peers, of_peer = self.tables.peers.dense(cells.peer[part])
        both = local[of_local] & peers[of_peer]
        cell, word = np.divmod(np.flatnonzero(both), max(1, both.shape[1]))
        matching = _Matching(cell, word, both[cell, word])
        for rows, numbers in zip(self.tables.points, cells.points, strict=True):
            matching = matching.where(matching.bits & self._at(rows, numbers[part], matching))
        return matching

    def _at(self, rows: Rows, numbers: Ints, matching: _Matching) -> Words:
        dense, which = rows.dense(numbers)
        return dense[which[matching.cell], matching.word]

    def judge(self, scope: int) -> _Judged:
        tables, c = self.tables, len(self.selecting)
        masks = self.layout.rule_masks[scope]
        bit = self._first(self.matching.where(self.matching.bits & masks[self.matching.word]), c)
        which_end = 0 if scope == PENDING else 1  # the pending trace names the first in scope (§4.3)
        end = tables.ends[self.selecting][:, scope, :, which_end].T
        result = self._result(bit, end >= 0)
        onwards = np.empty((len(bit) + 1, c), np.int64)
        reached = np.ones((len(bit) + 1, c), np.bool_)
        onwards[-1] = self.profile_action
        for tier in reversed(range(len(bit))):
            onwards[tier] = np.where(result[tier] == NEXT, onwards[tier + 1], result[tier])
        np.logical_and.accumulate(result == NEXT, axis=0, out=reached[1:])
        hits = np.zeros((len(bit) + 1, c), np.int64)
        hits[:-1] = np.where(bit >= 0, bit, np.where(end >= 0, len(self.layout.bit_slot) + end, SKIPPED))
        hits[~reached] = SKIPPED
        return _Judged(bit, result, onwards, reached, hits)

    def _first(self, matching: _Matching, count: int) -> Ints:
        """The first of the matching rules in each tier, -1 = none: (tiers, count)."""
        tiers = len(self.layout.tiers)
        place = matching.cell * tiers + self.tables.word_tier[matching.word]
        first = np.flatnonzero(np.diff(place, prepend=-1))
        found = np.full(count * tiers, -1, np.int64)
        found[place[first]] = matching.word[first] * WORD + lowest_bit(matching.bits[first])
        return found.reshape(count, tiers).T

    def _result(self, bit: Ints, applies: Flags) -> Ints:
        """What each tier does: its first matching rule, else its default action where it applies."""
        ended = np.where(applies, self.tables.default_action[:, np.newaxis], NEXT)
        return np.where(bit >= 0, self.tables.action[bit], ended)

    def alone(self, enforced: _Judged) -> tuple[Ints, Ints]:
        """(staged policy, cell) of those that change a cell's enforced action when promoted alone."""
        effects = self.tables.effects
        pairs = [*self._adding(enforced), *self._removing(enforced), *self._lonely()]
        cell, effect = (np.concatenate(column) for column in zip(*pairs, strict=True))
        key = np.unique((cell * effects.count + effect)[enforced.reached[effects.first_tier[effect], cell]])
        cell, effect = np.divmod(key, effects.count)
        bit, applies = self._changed(cell, effect)
        changed = self._result(bit, applies)
        first, last = effects.first_tier[effect], effects.last_tier[effect]
        verdict = enforced.onwards[last + 1, cell]
        for tier in reversed(range(len(self.layout.tiers))):
            own = (tier == first) | (tier == last)
            result = np.where(own, changed[tier], enforced.result[tier, cell])
            passed = (tier < first) | (tier > last) | (result == NEXT)
            verdict = np.where(passed, verdict, result)
        differs = verdict != enforced.onwards[0, cell]
        return effect[differs], cell[differs]

    def _adding(self, enforced: _Judged) -> Iterator[tuple[Ints, Ints]]:
        """A rule that is added matters where it matches, and nothing in its tier matched before."""
        effects, matching = self.tables.effects, self.matching
        staged = matching.where(matching.bits & effects.added_rules[matching.word])
        while len(staged.cell):
            bit = staged.word * WORD + lowest_bit(staged.bits)
            before = enforced.bit[self.tables.word_tier[staged.word], staged.cell]
            first = (before < 0) | (bit < before)
            yield staged.cell[first], effects.adding[self.layout.bit_slot[bit[first]]]
            staged = staged.where(staged.bits & (staged.bits - np.uint64(1)))

    def _removing(self, enforced: _Judged) -> Iterator[tuple[Ints, Ints]]:
        """A policy that is removed matters where its rule is the tier's hit, or its tier has no other."""
        ends = self.tables.ends[self.selecting][:, ENFORCED].astype(np.int64)
        only = np.where(ends[:, :, 0] == ends[:, :, 1], ends[:, :, 0], -1).T
        hit = np.where(enforced.bit >= 0, self.tables.hit_slot[enforced.bit], -1)
        for slot in (hit, only):
            effect = self.tables.effects.removing[slot]
            tier, cell = np.nonzero(effect >= 0)
            yield cell, effect[tier, cell]

    def _lonely(self) -> Iterator[tuple[Ints, Ints]]:
        """A policy that is added matters, matching or not, where its tier had none before."""
        cell, effect = self.tables.lonely.of(self.selecting)
        yield cell, effect.astype(np.int64)

    def _changed(self, cell: Ints, effect: Ints) -> tuple[Ints, Flags]:
        """(the first matching rule, whether the tier applies) with one staged policy promoted alone:
        both (tiers, pairs)."""
        effects, matching = self.tables.effects, self.matching
        added, removed = effects.added[effect], effects.removed[effect]
        owner, at = spans(np.searchsorted(matching.cell, cell), np.searchsorted(matching.cell, cell, "right"))
        word, bits = matching.word[at], matching.bits[at]
        kept = bits & self.layout.rule_masks[ENFORCED][word] & ~self._rules_of(removed[owner], word)
        more = bits & self._rules_of(added[owner], word)
        pairs = _Matching(owner, word, bits).where(kept | more)
        ends = self.tables.ends[self.selecting[cell]][:, ENFORCED].astype(np.int64)
        emptied = (ends == removed[:, np.newaxis, np.newaxis]).all(axis=2)
        applies = (ends[:, :, 0] >= 0) & ~emptied
        joined = np.flatnonzero(self._selects(cell, effect))
        applies[joined, self.tables.slot_tier[added[joined]]] = True
        return self._first(pairs, len(cell)), applies.T

    def _rules_of(self, slot: Ints, word: Ints) -> Words:
        """The bits of a slot's rules in one word; none of slot -1."""
        first, end = self.tables.slot_rules[slot].T
        return bits_between(first, end, word)

    def _selects(self, cell: Ints, effect: Ints) -> Flags:
        """Whether the policy that is added selects the cell's local endpoint."""
        count = self.tables.effects.count
        kinds, which = distinct_of(self.selecting[cell], len(self.tables.joining))
        owner, joining = self.tables.joining.of(kinds)
        return np.isin(which * count + effect, owner * count + joining)
