"""Flow classes ▸ outcomes: every cell judged by the match tables, completions compared."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import chain

import numpy as np

from pipeline.identity import Side
from pipeline.match.bits import Flags, Ints, distinct
from pipeline.match.cells import Cells, FlowClasses, take_apart
from pipeline.match.compile import ALLOW, DENY, ENFORCED, PROMOTED, SCOPES
from pipeline.match.narrow import Kept, Narrower
from pipeline.match.render import OWN_HOST, Renderer
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


NARROW = 256  # narrowed revisions that are remembered
ALL_UNKNOWN = _Answer((UNKNOWN, UNKNOWN, UNKNOWN), "unknown")
OWN_HOST_ANSWER = _Answer((OWN_HOST, OWN_HOST, OWN_HOST))


class Evaluator:
    """Judges flow classes by the tables of one revision; answers are interned by what they say."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._narrower = Narrower(tables.policies)
        self._narrow = lru_cache(maxsize=NARROW)(self._of_kept)
        self.outcomes: list[Outcome] = []
        self._outcome_ids: dict[Outcome, int] = {}
        self._answers: list[_Answer] = [OWN_HOST_ANSWER]
        self._ids: dict[_Answer, int] = {OWN_HOST_ANSWER: 0}
        self._renderers = {d: Renderer(t.layout) for d, t in tables.directions.items()}
        self._merged = cache(lambda ids: _merge([self._answers[i] for i in ids]))

    def evaluate(self, direction: Direction, classes: FlowClasses) -> Ints:
        """The outcome of each class (n,), as an index into `outcomes` (DESIGN.md §4, Unknown)."""
        cells = take_apart(self.tables, classes)
        answers = self._judge(direction, cells.ids)
        local = classes.dest if direction == "ingress" else classes.source
        result = np.empty(len(local), np.int64)
        owners, whole = cells.of_class[: cells.whole], answers[: cells.whole]
        first, inverse = distinct([whole, local[owners]])
        ids = [self._outcome(direction, classes, int(owners[f]), self._answers[whole[f]]) for f in first]
        result[owners] = np.array(ids, np.int64)[inverse]
        for number, answer in self._completed(cells, answers, classes):
            result[number] = self._outcome(direction, classes, number, answer, cells.missing[number])
        for number, missing in cells.too_many.items():
            result[number] = self.intern(self._narrowed(direction, classes, number, missing))
        return result

    def _narrowed(
        self, direction: Direction, classes: FlowClasses, number: int, missing: tuple[str, ...]
    ) -> Outcome:
        """The outcome of a class with too many cells, by the policies that can matter to it alone, of
        whose labels fewer are unknown; unknown where these are too many still."""
        source, dest = (classes.sides[int(column[number])] for column in (classes.source, classes.dest))
        if not self.tables.is_narrow:
            narrow = self._narrow(self._narrower.kept(direction, source, dest))
            return narrow.outcomes[int(narrow.evaluate(direction, classes.only(number))[0])]
        side = dest if direction == "ingress" else source
        effects = frozenset(map(str, self.tables.possible_effects(direction, side)))
        answer = replace(ALL_UNKNOWN, staged_unknown=effects)
        return _outcome(answer, _namespace(side), direction, ("too_many", *missing))

    def _of_kept(self, kept: Kept) -> "Evaluator":
        return Evaluator(self.tables.narrow(self._narrower.narrowed(kept)))

    def _outcome(
        self,
        direction: Direction,
        classes: FlowClasses,
        number: int,
        answer: _Answer,
        missing: tuple[str, ...] = (),
    ) -> int:
        local = classes.dest if direction == "ingress" else classes.source
        outcome = _outcome(answer, _namespace(classes.sides[int(local[number])]), direction, missing)
        return self.intern(outcome)

    def intern(self, outcome: Outcome) -> int:
        """The index of an outcome in `outcomes`, which is added if it is new."""
        known = self._outcome_ids.setdefault(outcome, len(self.outcomes))
        if known == len(self.outcomes):
            self.outcomes.append(outcome)
        return known

    def _completed(self, cells: Cells, answers: Ints, classes: FlowClasses) -> Iterable[tuple[int, _Answer]]:
        """The classes with several cells, each with what its completions agree on."""
        found: dict[int, set[int]] = {number: set() for number in cells.missing}
        parts = zip(cells.of_class[cells.whole :].tolist(), answers[cells.whole :].tolist(), strict=True)
        for number, answer in parts:
            found[number].add(answer)
        for number, ids in found.items():
            own_host = int(classes.own_host[number])
            # Without any completion the record contradicts itself, whoever sent it.
            possible = ids if own_host == 0 or not ids else {0} if own_host > 0 else ids | {0}
            yield number, self._merged(frozenset(possible))

    def _judge(self, direction: Direction, cells: Ints) -> Ints:
        """The answer to each cell, as ids into `_answers`: cells (5, m) ▸ (m,)."""
        walked, alone = self._walk(direction, cells)
        allowed_in, alone_in = self._let_in(direction, cells, walked, alone)
        impact = np.select(
            [
                (walked.action[ENFORCED] == ALLOW) & (walked.action[PROMOTED] == DENY),
                (walked.action[ENFORCED] == DENY) & (walked.action[PROMOTED] == ALLOW) & allowed_in,
            ],
            [1, 2],
            0,
        )
        effects: dict[int, list[str]] = {}
        for change in alone:
            for cell in change.cells.tolist():
                if walked.action[ENFORCED, cell] == ALLOW or alone_in(change, cell):
                    effects.setdefault(cell, []).append(str(change.effect.key))
        return self._intern(direction, cells, walked, impact, effects)

    def _intern(
        self, direction: Direction, cells: Ints, walked: Walked, impact: Ints, effects: dict[int, list[str]]
    ) -> Ints:
        profiles = self._profiles(direction, cells)
        effect_kinds: dict[tuple[str, ...], int] = {(): 0}
        effect_of = np.zeros(cells.shape[1], np.int64)
        for cell, keys in effects.items():
            effect_of[cell] = effect_kinds.setdefault(tuple(keys), len(effect_kinds))
        kinds_of_effects = list(effect_kinds)
        first, inverse = distinct([*chain(*walked.hits), profiles[0], impact, effect_of])
        ids = np.empty(len(first), np.int64)
        for kind, cell in enumerate(first.tolist()):
            profile = profiles[1][profiles[0][cell]]
            enforced, pending, promoted = (
                self._renderers[direction].decision(
                    scope, tuple(walked.hits[scope, :, cell].tolist()), profile
                )
                for scope in range(len(SCOPES))
            )
            changing = frozenset(kinds_of_effects[effect_of[cell]])
            denying = changing if enforced.action == "allow" else frozenset[str]()
            answer = _Answer(
                (enforced, pending, promoted), IMPACTS[impact[cell]], denying, changing - denying
            )
            ids[kind] = self._ids.setdefault(answer, len(self._answers))
            if ids[kind] == len(self._answers):
                self._answers.append(answer)
        return ids[inverse]

    def _profiles(self, direction: Direction, cells: Ints) -> tuple[Ints, list[str | None]]:
        local = cells[1 if direction == "ingress" else 0]
        kinds, inverse = np.unique(local, return_inverse=True)
        names = [self.tables.entities[entity].profile for entity in kinds.tolist()]
        distinct_names = list(dict.fromkeys(names))
        return np.array([distinct_names.index(name) for name in names], np.int64)[inverse], distinct_names

    def _let_in(
        self, direction: Direction, cells: Ints, walked: Walked, alone: list[Alone]
    ) -> tuple[Flags, Callable[[Alone, int], bool]]:
        """Whether the destination would take what promotion lets out at the source.

        A flow denied at its source has no record at its destination, so newly_allowed needs the
        destination's ingress too (DESIGN.md §4, Who is who). Returns that for all staged policies
        promoted (m,) and, as a function, for one alone.
        """
        allowed = np.ones(cells.shape[1], np.bool_)
        if direction == "ingress":
            return allowed, lambda *_: True
        let_out = (walked.action[ENFORCED] == DENY) & (walked.action[PROMOTED] == ALLOW)
        for change in alone:
            let_out[change.cells] |= walked.action[ENFORCED, change.cells] == DENY
        workload = np.array([entity.workload for entity in self.tables.entities], np.bool_)
        asked = np.flatnonzero(let_out & workload[cells[1]])
        arrived, arrived_alone = self._walk("ingress", cells[:, asked])
        allowed[asked] = arrived.action[PROMOTED] == ALLOW
        enforced = dict(zip(asked.tolist(), (arrived.action[ENFORCED] == ALLOW).tolist(), strict=True))
        changed = {(c.effect.key, cell) for c in arrived_alone for cell in asked[c.cells].tolist()}

        def allowed_alone(change: Alone, cell: int) -> bool:
            return enforced.get(cell, True) is not ((change.effect.key, cell) in changed)

        return allowed, allowed_alone

    def _walk(self, direction: Direction, cells: Ints) -> tuple[Walked, list[Alone]]:
        tables, all_tables = self.tables.directions[direction], self.tables
        local = cells[1 if direction == "ingress" else 0]
        applies = _each(local, lambda e: tables.applies(all_tables.entities[e].facts.own_selectors), 2)
        (profiled,) = _each(local, lambda e: (all_tables.entities[e].profile is not None,), 1)
        conditions = (
            _each(cells[0], lambda e: (tables.source_row(all_tables.entities[e].facts),), 1)[0],
            _each(cells[1], lambda e: (tables.dest_row(all_tables.entities[e].facts),), 1)[0],
            _each(cells[2], lambda p: (tables.protocol_row(all_tables.protocols[p]),), 1)[0],
            _each(cells[3], lambda p: (tables.source_port_row(all_tables.ports[p]),), 1)[0],
            _each(cells[4], lambda p: (tables.dest_port_row(all_tables.ports[p]),), 1)[0],
        )
        return walk(tables, CellRows(applies[0], applies[1], conditions, profiled.astype(np.bool_)))


def _each(values: Ints, row_of: Callable[[int], tuple[int, ...]], width: int) -> Ints:
    """A function of the distinct values, for all of them: (n,) ▸ (width, n)."""
    kinds, inverse = np.unique(values, return_inverse=True)
    return np.array([row_of(kind) for kind in kinds.tolist()], np.int64).reshape(-1, width).T[:, inverse]


def _namespace(side: Side) -> str:
    """The namespace of a side, "" where its candidates have none or more than one."""
    labels = [dict(candidate.identity.labels) for candidate in side.candidates if candidate.identity]
    namespaces = {own.get("projectcalico.org/namespace", "") for own in labels}
    return namespaces.pop() if len(namespaces) == 1 else ""


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
