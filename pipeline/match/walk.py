"""The walk through the tiers, for many cells at once: what each scope decides, and each staged policy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.match.bits import WORD, Flags, Ints, Words, bits_between, distinct_of, lowest_bit
from pipeline.match.compile import ALLOW, DENY, ENFORCED, NEXT, PENDING, SCOPES
from pipeline.match.rows import Rows, spans
from pipeline.match.table import DirectionTables

type Results = NDArray[np.int8]  # ALLOW, DENY, NEXT

SKIPPED = -1  # the tier has no hit: no policy in scope selects the endpoint, or an earlier tier decided
DENSE = 4  # words taken one by one cost this many times what they do in rows
CHUNK_WORDS = 1 << 18  # of rows at a time: 2 MB, which a cache holds
PART_WORDS = 1 << 19  # that both ends leave, and staged policies without company, at a time


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
    the end of a tier, SKIPPED; the last column is 0 where the profiles decide. `matched` (n,): the number
    of the set of rules that match, whether they decide or not."""

    action: Results
    hits: NDArray[np.int32]
    matched: Ints


class Alone(NamedTuple):
    """Staged policies promoted alone, by place in `Layout.effects`, and the cells whose enforced
    action each changes: both (k,), by cell."""

    effect: Ints
    cell: Ints


def walk(tables: DirectionTables, cells: CellRows) -> tuple[Walked, Alone]:
    """Judge n cells in every scope, and by each staged policy alone (CALICO.md §4.1; DESIGN.md §5)."""
    n, tiers = len(cells.local), len(tables.layout.tiers)
    action, hits = np.empty((len(SCOPES), n), np.int8), np.zeros((len(SCOPES), tiers + 1, n), np.int32)
    walked = Walked(action, hits, np.zeros(n, np.int64))
    alone = [Alone(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for cells_of, matching in _matching(tables, cells):
        walked.matched[cells_of] = tables.matched.numbers(cells_of.stop - cells_of.start, *matching)
        matching = matching.where(matching.bits & tables.layout.deciding[matching.word])
        part = _Part(tables, matching, cells.selecting[cells_of], cells.profiled[cells_of])
        for scope in range(len(SCOPES)):
            judged = part.scope(scope)
            walked.hits[scope, :-1, cells_of] = judged.hit
            walked.hits[scope, :, cells_of][~judged.reached] = SKIPPED
            walked.action[scope, cells_of] = judged.onwards[0]
            if scope == ENFORCED and tables.layout.effects:
                effect, cell = part.alone(judged)
                alone.append(Alone(effect, cells_of.start + cell))
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

    def of(self, rows: Rows, numbers: Ints) -> Words:
        """The same words of other rows, by the number (c,) of each cell's."""
        dense, which = rows.dense(numbers)
        return dense[which[self.cell], self.word]


def _matching(tables: DirectionTables, cells: CellRows) -> Iterator[tuple[slice, _Matching]]:
    """The matching rules of all cells, in parts that are bounded by what is to be held of each."""
    n, start, held = len(cells.local), 0, 0
    step = max(1, CHUNK_WORDS // max(1, tables.layout.rule_masks.shape[1], tables.most_lonely))
    found: list[_Matching] = []
    for low in range(0, n, step):
        high = min(low + step, n)
        ends = _of_both_ends(tables, cells.local[low:high], cells.peer[low:high])
        found.append(ends._replace(cell=ends.cell + (low - start)))
        held += len(ends.cell) + tables.lonely.count(cells.selecting[low:high])
        if high == n or held > PART_WORDS:
            matching = _Matching(*map(np.concatenate, zip(*found, strict=True)))
            for rows, numbers in zip(tables.points, cells.points, strict=True):
                matching = matching.where(matching.bits & matching.of(rows, numbers[start:high]))
            yield slice(start, high), matching
            found, start, held = [], high, 0


def _of_both_ends(tables: DirectionTables, local: Ints, peer: Ints) -> _Matching:
    """The rules that both ends leave. Where few policies select the endpoints, their peers are asked of
    those words only."""
    if tables.locals.count_differing(local) * DENSE < len(local) * tables.layout.rule_masks.shape[1]:
        selected = _Matching(*tables.locals.differing(local))
        return selected.where(selected.bits & selected.of(tables.peers, peer))
    local_words, of_local = tables.locals.dense(local)
    peer_words, of_peer = tables.peers.dense(peer)
    both = local_words[of_local]
    both &= peer_words[of_peer]
    cell, word = np.divmod(np.flatnonzero(both), max(1, both.shape[1]))
    return _Matching(cell, word, both[cell, word])


@dataclass(frozen=True, slots=True)
class _Judged:
    """What one scope does with c cells. `hit`, `result` (tiers, c): the hit of each tier, were it reached,
    and what the tier does then. `onwards` (tiers + 1, c): the action from each tier onwards, were it
    reached; `reached` (tiers + 1, c)."""

    hit: NDArray[np.int32]
    result: Results
    onwards: Results
    reached: Flags


class _Part:
    """The tiers walked over the matching rules of c cells."""

    def __init__(
        self, tables: DirectionTables, matching: _Matching, selecting: Ints, profiled: Flags
    ) -> None:
        self.tables, self.layout = tables, tables.layout
        self.matching, self.selecting = matching, selecting
        self.profile_action = np.where(profiled, ALLOW, DENY)
        kinds, self.kind = distinct_of(selecting, tables.ends.count)
        self.ends = tables.ends[kinds]

    def scope(self, scope: int) -> _Judged:
        # The pending trace names the first policy in scope (§4.3).
        ends = self.ends[:, scope, :, 0 if scope == PENDING else 1].T
        default = np.where(ends >= 0, self.tables.default_action[:, np.newaxis], NEXT).astype(np.int8)
        ends = np.where(ends >= 0, len(self.layout.bit_slot) + ends, SKIPPED).astype(np.int32)
        hit, result = ends.take(self.kind, axis=1), default.take(self.kind, axis=1)
        mask = self.layout.rule_masks[scope]
        matching = self.matching.where(self.matching.bits & mask[self.matching.word])
        tier, cell, bit = self._first(matching)
        hit[tier, cell], result[tier, cell] = bit, self.layout.bit_action[bit]
        onwards = np.empty((len(hit) + 1, len(self.kind)), np.int8)
        reached = np.ones(onwards.shape, np.bool_)
        onwards[-1] = self.profile_action
        for number in reversed(range(len(hit))):
            onwards[number] = np.where(result[number] == NEXT, onwards[number + 1], result[number])
        np.logical_and.accumulate(result == NEXT, axis=0, out=reached[1:])
        return _Judged(hit, result, onwards, reached)

    def _first(self, matching: _Matching) -> tuple[Ints, Ints, Ints]:
        """(tier, cell, bit) of the first of the matching rules in each tier that has any."""
        tier = self.tables.word_tier[matching.word]
        first = np.flatnonzero(np.diff(matching.cell * len(self.layout.tiers) + tier, prepend=-1))
        bit = matching.word[first] * WORD + lowest_bit(matching.bits[first])
        return tier[first], matching.cell[first], bit

    def alone(self, enforced: _Judged) -> tuple[Ints, Ints]:
        """(staged policy, cell) of those that change a cell's enforced action when promoted alone."""
        effects = self.tables.effects
        pairs = [*self._adding(enforced), *self._removing(enforced), *self._lonely()]
        cell, effect = (np.concatenate(column) for column in zip(*pairs, strict=True))
        key = np.unique((cell * effects.count + effect)[enforced.reached[effects.first_tier[effect], cell]])
        cell, effect = np.divmod(key, effects.count)
        changed = self._changed(cell, effect)
        first, last = effects.first_tier[effect], effects.last_tier[effect]
        verdict = enforced.onwards[last + 1, cell]
        for tier in reversed(range(len(changed))):
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
            before = enforced.hit[self.tables.word_tier[staged.word], staged.cell]
            first = (before == SKIPPED) | (bit < before)
            yield staged.cell[first], effects.adding[self.layout.bit_slot[bit[first]]]
            staged = staged.where(staged.bits & (staged.bits - np.uint64(1)))

    def _removing(self, enforced: _Judged) -> Iterator[tuple[Ints, Ints]]:
        """A policy that is removed matters where its rule is the tier's hit, or its tier has no other."""
        ends = self.ends[:, ENFORCED]
        only = np.where(ends[:, :, 0] == ends[:, :, 1], ends[:, :, 0], -1).T.take(self.kind, axis=1)
        bits = len(self.layout.bit_slot)
        hit = np.where(enforced.hit < bits, self.tables.hit_slot[np.minimum(enforced.hit, bits)], -1)
        for slot in (hit, only):
            effect = self.tables.effects.removing[slot]
            tier, cell = np.nonzero(effect >= 0)
            yield cell, effect[tier, cell]

    def _lonely(self) -> Iterator[tuple[Ints, Ints]]:
        """A policy that is added matters, matching or not, where its tier had none before and denies
        at its end."""
        cell, effect = self.tables.lonely.of(self.selecting)
        yield cell, effect.astype(np.int64)

    def _changed(self, cell: Ints, effect: Ints) -> Results:
        """What each tier does with one staged policy promoted alone: (tiers, pairs)."""
        effects, matching = self.tables.effects, self.matching
        added, removed = effects.added[effect], effects.removed[effect]
        owner, at = spans(np.searchsorted(matching.cell, cell), np.searchsorted(matching.cell, cell, "right"))
        word, bits = matching.word[at], matching.bits[at]
        kept = bits & self.layout.rule_masks[ENFORCED][word] & ~self._rules_of(removed[owner], word)
        more = bits & self._rules_of(added[owner], word)
        ends = self.ends[self.kind[cell]][:, ENFORCED]
        emptied = (ends == removed[:, np.newaxis, np.newaxis]).all(axis=2)
        applies = ((ends[:, :, 0] >= 0) & ~emptied).T
        joined = np.flatnonzero(self._selects(cell, effect))
        applies[self.tables.slot_tier[added[joined]], joined] = True
        result = np.where(applies, self.tables.default_action[:, np.newaxis], NEXT).astype(np.int8)
        tier, pair, bit = self._first(_Matching(owner, word, bits).where(kept | more))
        result[tier, pair] = self.layout.bit_action[bit]
        return result

    def _rules_of(self, slot: Ints, word: Ints) -> Words:
        """The bits of a slot's rules in one word; none of slot -1."""
        first, end = self.tables.slot_rules[slot].T
        return bits_between(first, end, word)

    def _selects(self, cell: Ints, effect: Ints) -> Flags:
        """Whether the policy that is added selects the cell's local endpoint."""
        added = self.tables.effects.added[effect]
        dense, which = self.tables.selected.dense(self.selecting[cell])
        bit = dense[which, added // WORD] >> (added % WORD).astype(np.uint64) & np.uint64(1)
        return (bit > 0) & (added >= 0)
