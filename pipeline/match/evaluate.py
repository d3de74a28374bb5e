"""Flow classes ▸ outcomes: every cell judged by the match tables, completions compared."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np

from pipeline.match.bits import Flags, Ints, distinct
from pipeline.match.cells import Cells, FlowClasses, take_apart
from pipeline.match.compile import ALLOW, DENY, ENFORCED, PROMOTED, SCOPES
from pipeline.match.matched import NO_RULES
from pipeline.match.narrow import Kept, Narrower
from pipeline.match.render import OWN_HOST, Renderer
from pipeline.match.roles import LOCAL, PEER, PROFILE, SELECTED, WORKLOAD
from pipeline.match.rows import Interned
from pipeline.match.tables import Tables
from pipeline.match.verdict import Decision, Impact, Outcome
from pipeline.match.walk import Alone, CellRows, Walked, walk
from pipeline.policy.policies import Direction

UNKNOWN = Decision("unknown")
IMPACTS: tuple[Impact, ...] = ("none", "newly_denied", "newly_allowed")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the policies decide about one complete flow, or about all completions of one."""

    decisions: tuple[Decision, Decision, Decision]
    impact: Impact = "none"
    staged_deny: frozenset[str] = frozenset()
    staged_allow: frozenset[str] = frozenset()
    staged_unknown: frozenset[str] = frozenset()


class _Seen:
    """What was met in one direction: sets of staged policies that have an effect, by place in
    `Layout.effects`, and answers by all that they depend on."""

    def __init__(self) -> None:
        self.effects = Interned[tuple[int, ...]]()
        self.effects.id(())
        self.answers: dict[bytes, int] = {}


class Evaluated(NamedTuple):
    """Of each flow class (n,): its `outcome`, as an index into the evaluator's, and the set of rules that
    it `matched`, by number in its `rule_sets`."""

    outcome: Ints
    matched: Ints


NARROW = 256  # narrowed revisions that are remembered
ALL_UNKNOWN = _Answer((UNKNOWN, UNKNOWN, UNKNOWN), "unknown")
OWN_HOST_ANSWER = _Answer((OWN_HOST, OWN_HOST, OWN_HOST))


class Evaluator:
    """Judges flow classes by the tables of one revision; answers are interned by what they say."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.rule_sets = tables, tables.rule_sets
        self._narrower = Narrower(tables.policies)
        self._narrow = lru_cache(maxsize=NARROW)(self._of_kept)
        self.outcomes: list[Outcome] = []
        self._outcome_ids: dict[Outcome, int] = {}
        self._answers: list[_Answer] = [OWN_HOST_ANSWER]
        self._ids: dict[_Answer, int] = {OWN_HOST_ANSWER: 0}
        self._renderers = {d: Renderer(t.layout) for d, t in tables.directions.items()}
        self._seen = {direction: _Seen() for direction in tables.directions}
        self._same_effect = _same_effects(tables)
        self._outcome = cache(self._known_outcome)
        self._merged = cache(lambda ids: _merge([self._answers[i] for i in ids]))
        self._merged_rules = cache(self.rule_sets.of_completions)

    def evaluate(self, direction: Direction, classes: FlowClasses) -> Evaluated:
        """The outcome of each class (DESIGN.md §4, Unknown), and the rules that it matches."""
        cells = take_apart(self.tables, classes)
        answers, rules = self._judge(direction, cells.ids)
        local = classes.dest if direction == "ingress" else classes.source
        namespace, names = self.tables.known_sides(classes.sides).namespaces(local)
        result, matched = np.empty(len(local), np.int64), np.empty(len(local), np.int64)
        owners, whole = cells.of_class[: cells.whole], answers[: cells.whole]
        row, inverse = distinct([whole, namespace[owners]])
        kinds = zip(whole[row].tolist(), namespace[owners[row]].tolist(), strict=True)
        ids = [self._outcome(direction, answer, names[n]) for answer, n in kinds]
        result[owners] = np.array(ids, np.int64)[inverse]
        matched[owners] = rules[: cells.whole]
        for number, answer, of_rules in self._completed(cells, answers, rules, classes):
            outcome = _outcome(answer, names[namespace[number]], direction, cells.missing[number])
            result[number], matched[number] = self.intern(outcome), of_rules
        for number, missing in cells.too_many.items():
            name = names[namespace[number]]
            outcome, of_rules = self._narrowed(direction, classes, number, name, missing)
            result[number], matched[number] = self.intern(outcome), of_rules
        return Evaluated(result, matched)

    def _narrowed(
        self, direction: Direction, classes: FlowClasses, number: int, name: str, missing: tuple[str, ...]
    ) -> tuple[Outcome, int]:
        """The outcome of a class with too many cells, and its rules, by the policies that can matter to it
        alone, of whose labels fewer are unknown; unknown, and no rules, where these are too many still."""
        source, dest = (classes.sides[int(column[number])] for column in (classes.source, classes.dest))
        if not self.tables.is_narrow:
            narrow = self._narrow(self._narrower.kept(direction, source, dest))
            found = narrow.evaluate(direction, classes.at(np.array([number])))
            rules = self.rule_sets.adopt(narrow.rule_sets, int(found.matched[0]))
            return narrow.outcomes[int(found.outcome[0])], rules
        side = dest if direction == "ingress" else source
        effects = frozenset(map(str, self.tables.possible_effects(direction, side)))
        answer = replace(ALL_UNKNOWN, staged_unknown=effects)
        return _outcome(answer, name, direction, ("too_many", *missing)), NO_RULES

    def _of_kept(self, kept: Kept) -> "Evaluator":
        return Evaluator(self.tables.narrow(self._narrower.narrowed(kept)))

    def _known_outcome(self, direction: Direction, answer: int, namespace: str) -> int:
        return self.intern(_outcome(self._answers[answer], namespace, direction, ()))

    def intern(self, outcome: Outcome) -> int:
        """The index of an outcome in `outcomes`, which is added if it is new."""
        known = self._outcome_ids.setdefault(outcome, len(self.outcomes))
        if known == len(self.outcomes):
            self.outcomes.append(outcome)
        return known

    def _completed(
        self, cells: Cells, answers: Ints, rules: Ints, classes: FlowClasses
    ) -> Iterable[tuple[int, _Answer, int]]:
        """The classes with several cells, each with what its completions agree on, and their rules."""
        found: dict[int, set[tuple[int, int]]] = {number: set() for number in cells.missing}
        columns = (column[cells.whole :].tolist() for column in (cells.of_class, answers, rules))
        for number, *both in zip(*columns, strict=True):
            found[number].add((both[0], both[1]))
        for number, ids in found.items():
            own_host = int(classes.own_host[number])
            # Without any completion the record contradicts itself, whoever sent it.
            host = {(0, NO_RULES)}
            possible = ids if own_host == 0 or not ids else host if own_host > 0 else ids | host
            yield (
                number,
                self._merged(frozenset(answer for answer, _ in possible)),
                self._merged_rules(frozenset(matched for _, matched in possible)),
            )

    def _judge(self, direction: Direction, cells: Ints) -> tuple[Ints, Ints]:
        """The answer to each cell, as ids into `_answers`, and its rules: cells (5, m) ▸ (m,), (m,)."""
        walked, alone = self._walk(direction, cells)
        arrived, effective = self._let_in(direction, cells, walked, alone)
        impact = np.select(
            [
                (walked.action[ENFORCED] == ALLOW) & (walked.action[PROMOTED] == DENY),
                (walked.action[ENFORCED] == DENY) & (walked.action[PROMOTED] == ALLOW) & arrived,
            ],
            [1, 2],
            0,
        )
        effects: dict[int, list[int]] = {}
        changes = zip(alone.cell[effective].tolist(), alone.effect[effective].tolist(), strict=True)
        for cell, effect in changes:
            effects.setdefault(cell, []).append(effect)
        return self._intern(direction, cells, walked, impact, effects), walked.matched

    def _intern(
        self, direction: Direction, cells: Ints, walked: Walked, impact: Ints, effects: dict[int, list[int]]
    ) -> Ints:
        seen, is_ingress = self._seen[direction], direction == "ingress"
        profile = self.tables.roles[is_ingress].column(PROFILE, cells[int(is_ingress)])
        changing = np.zeros(cells.shape[1], np.int64)
        kinds = [seen.effects.id(tuple(found)) for found in effects.values()]
        changing[list(effects)] = np.array(kinds, np.int64)
        columns = [*chain(*walked.hits), profile, impact, changing]
        row, inverse = distinct(columns)
        described = np.stack([column[row] for column in columns], axis=1)
        width = described.strides[0]
        known, found = described.tobytes(), []
        for place, one in enumerate(described):
            key = known[place * width : (place + 1) * width]
            if key not in seen.answers:
                seen.answers[key] = self._answer(direction, one.tolist())
            found.append(seen.answers[key])
        return np.array(found, np.int64)[inverse]

    def _answer(self, direction: Direction, described: list[int]) -> int:
        """The id of the answer to cells that are described so: hits of every scope, profile, impact,
        staged policies."""
        *hits, profile, impact, changing = described
        width = len(hits) // len(SCOPES)
        enforced, pending, promoted = (
            self._renderers[direction].decision(
                scope,
                tuple(hits[scope * width : (scope + 1) * width]),
                self.tables.roles[direction == "ingress"].profile(profile),
            )
            for scope in range(len(SCOPES))
        )
        effects = self.tables.directions[direction].layout.effects
        changes = frozenset(str(effects[n].key) for n in self._seen[direction].effects.values[changing])
        denying = changes if enforced.action == "allow" else frozenset[str]()
        answer = _Answer((enforced, pending, promoted), IMPACTS[impact], denying, changes - denying)
        number = self._ids.setdefault(answer, len(self._answers))
        if number == len(self._answers):
            self._answers.append(answer)
        return number

    def _let_in(self, direction: Direction, cells: Ints, walked: Walked, alone: Alone) -> tuple[Flags, Flags]:
        """Whether the destination would take what promotion lets out at the source.

        A flow denied at its source has no record at its destination, so newly_allowed needs the
        destination's ingress too (DESIGN.md §4, Who is who). Returns that for all staged policies
        promoted (m,) and, for each of `alone`, whether it has an effect.
        """
        allowed = np.ones(cells.shape[1], np.bool_)
        effective = np.ones(len(alone.cell), np.bool_)
        if direction == "ingress":
            return allowed, effective
        denied = walked.action[ENFORCED] == DENY
        let_out = denied & (walked.action[PROMOTED] == ALLOW)
        let_out[alone.cell] |= denied[alone.cell]
        asked = np.flatnonzero(let_out & (self.tables.roles[True].column(WORKLOAD, cells[1]) > 0))
        if not len(asked):
            return allowed, effective
        arrived, arrived_alone = self._walk("ingress", cells[:, asked])
        allowed[asked] = arrived.action[PROMOTED] == ALLOW
        before = np.ones(cells.shape[1], np.bool_)
        before[asked] = arrived.action[ENFORCED] == ALLOW
        width = self.tables.directions["ingress"].effects.count + 1
        changed = asked[arrived_alone.cell] * width + arrived_alone.effect
        turned = np.isin(alone.cell * width + self._same_effect[alone.effect], changed)
        effective = ~denied[alone.cell] | (before[alone.cell] ^ turned)
        return allowed, effective

    def _walk(self, direction: Direction, cells: Ints) -> tuple[Walked, Alone]:
        points, is_ingress = self.tables.points[direction], direction == "ingress"
        (judged, local), (passed, peer) = (
            (self.tables.roles[end], cells[int(end)]) for end in (is_ingress, not is_ingress)
        )
        numbers = CellRows(
            judged.column(SELECTED, local),
            judged.column(LOCAL, local),
            passed.column(PEER, peer),
            (points.protocol(cells[2]), points.ports[0](cells[3]), points.ports[1](cells[4])),
            judged.column(PROFILE, local) > 0,
        )
        return walk(self.tables.directions[direction], numbers)


def _outcome(answer: _Answer, namespace: str, direction: Direction, missing: tuple[str, ...]) -> Outcome:
    enforced, pending, promoted = answer.decisions
    unknown = answer.impact == "unknown" or answer.staged_unknown or UNKNOWN in answer.decisions
    return Outcome(
        namespace,
        direction,
        enforced,
        pending,
        promoted,
        answer.impact,
        tuple(sorted(answer.staged_deny)),
        tuple(sorted(answer.staged_allow)),
        tuple(sorted(answer.staged_unknown)),
        missing if unknown else (),
    )


def _merge(answers: list[_Answer]) -> _Answer:
    """What all completions agree on; anything in which two differ is unknown (DESIGN.md §4)."""
    if not answers:
        return ALL_UNKNOWN
    first, *others = answers
    decisions = [_agreed([answer.decisions[scope] for answer in answers]) for scope in range(len(SCOPES))]
    deny = frozenset.intersection(*(a.staged_deny for a in answers))
    allow = frozenset.intersection(*(a.staged_allow for a in answers))
    either = frozenset.union(*(a.staged_deny | a.staged_allow for a in answers))
    impact: Impact = first.impact if all(o.impact == first.impact for o in others) else "unknown"
    return _Answer((decisions[0], decisions[1], decisions[2]), impact, deny, allow, either - deny - allow)


def _agreed(decisions: list[Decision]) -> Decision:
    first = decisions[0]
    if any(d.action != first.action for d in decisions):
        return UNKNOWN
    if any(d != first for d in decisions):
        return Decision(first.action)
    return first


def _same_effects(tables: Tables) -> Ints:
    """The place of each staged policy of egress among those of ingress; behind all = it is none."""
    egress, ingress = (tables.directions[d].layout.effects for d in ("egress", "ingress"))
    place = {effect.key: number for number, effect in enumerate(ingress)}
    return np.array([place.get(effect.key, len(ingress)) for effect in egress], np.int64)
