"""One revision and the facts, ready to judge batches; what was judged once is remembered by class."""

from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter

import numpy as np

from pipeline.facts import Facts
from pipeline.flow import REPORTERS, FlowBatch, Ints
from pipeline.identity import Identity, Side, Slice
from pipeline.match.bits import distinct
from pipeline.match.cells import FlowClasses, canonical
from pipeline.match.compiled import Compiled
from pipeline.match.evaluate import UNKNOWN, Evaluated, Evaluator
from pipeline.match.matched import NO_RULES
from pipeline.match.tables import Tables
from pipeline.match.verdict import Matched, Outcome, Verdicts
from pipeline.policy.policies import Direction, Policies
from pipeline.resolve import JUDGED, UNJUDGED, Resolved, Resolver

DIRECTIONS: dict[str, Direction] = {"src": "egress", "dst": "ingress"}
# So that memory stays bounded: above so many classes they are forgotten, above so many endpoints, or distinct
# outcomes, everything is; and above so few sides already, if those of late are less than a quarter of them.
MAX_CLASSES, MAX_ENDPOINTS, FEW_SIDES = 400_000, 250_000, 25_000
RECENT = 16_384  # classes at least that the next revision's judge judges in advance, the newest
AGAIN_SECONDS, PIECE_SECONDS = 10.0, 0.02  # that it spends on them at most, and on one piece about

MAX_RULES = 1 << 23  # in all sets of rules that are remembered, above which everything is forgotten
MOST = 1 << 32  # sets of rules, far above what memory holds

type Key = bytes  # of a class: whether egress, then the columns of FlowClasses, packed


class Judge:
    """Judges batches by one revision. Not for use by two threads at a time.

    `changed_at` (ms since the epoch): since when the revision is in force. `max_cells` bounds the
    completions of one flow class (DESIGN.md §4, Unknown).
    """

    def __init__(
        self, policies: Policies, facts: Facts, cluster: str, changed_at: int, max_cells: int
    ) -> None:
        self.policies, self.facts = policies, facts
        self.cluster, self.changed_at = cluster, changed_at
        self._max_cells = max_cells
        self._compiled = Compiled(policies)
        self._forget()

    def _forget(self) -> None:
        self.resolver: Resolver = Resolver(self.facts, self.policies)
        self._tables_for: tuple[tuple[Identity, ...], tuple[Slice, ...]] | None = None
        self._evaluator: Evaluator | None = None
        self._remembered: dict[Key, int] = {}  # MOST * outcome + set of rules
        self._recent: dict[Key, None] = {}
        self._less_recent: dict[Key, None] = {}
        self._next_look = FEW_SIDES

    def get_ready(self, before: "Judge | None") -> Iterator[None]:
        """Do in advance, in pieces of some milliseconds, what the first batches would have to do else:
        compile the policies, and judge what the judge before has judged of late."""
        yield from self._compiled.pieces()
        if before:
            recent, self._less_recent = before.recent, dict.fromkeys(before.recent)
            self.resolver = before.resolver.next(self.policies)
            evaluator = self._evaluator_for(*self.resolver.surroundings)
            yield
            yield from self._judge_again(evaluator, self.resolver.sides, recent)

    @property
    def recent(self) -> list[Key]:
        """The classes that were judged of late, or are about to be."""
        return list(self._recent | self._less_recent)

    def _judge_again(self, evaluator: Evaluator, sides: Sequence[Side], keys: list[Key]) -> Iterator[None]:
        until, size = perf_counter() + AGAIN_SECONDS, 16
        for egress in (True, False):
            own = _unpacked(keys, egress)
            at = 0
            while at < len(own) and perf_counter() < until:
                began = perf_counter()
                a, b, c, d, e, f = own[at : at + size].T
                flows = FlowClasses(a, b, c, d, e, f, sides)
                self._outcomes(evaluator, "egress" if egress else "ingress", flows)
                at += size
                taken = perf_counter() - began
                size = max(1, min(2 * size, int(size * PIECE_SECONDS / taken)))
                yield
                until += perf_counter() - began - taken  # others' time does not count

    def resolve(self, batch: FlowBatch) -> Resolved:
        """Who took part in each flow."""
        if self._holds_too_much() or self._most_sides_are_gone():
            self._forget()
        if len(self._remembered) > MAX_CLASSES:
            self._remembered = {}
        return self.resolver.resolve(batch)

    def _holds_too_much(self) -> bool:
        evaluator = self._evaluator
        outcomes, rules = (len(evaluator.outcomes), evaluator.rule_sets.held) if evaluator else (0, 0)
        return max(self.resolver.remembered, outcomes) > MAX_ENDPOINTS or rules > MAX_RULES

    def _most_sides_are_gone(self) -> bool:
        """Whether most sides are of endpoints that no flow is of any more: pods of rollouts long ago."""
        sides = len(self.resolver.sides)
        if sides < self._next_look:
            return False
        self._next_look = 2 * sides
        recent = [_unpacked(self.recent, egress)[:, :2].ravel() for egress in (True, False)]
        return sides > 4 * len(np.unique(np.concatenate(recent)))

    def evaluate(self, batch: FlowBatch, resolved: Resolved) -> Verdicts:
        """The outcome of each flow; what it costs grows with distinct flow classes (DESIGN.md §5)."""
        evaluator = self._evaluator_for(resolved.sets, resolved.slices)
        outcome, matched = np.empty(len(batch), np.int64), np.full(len(batch), NO_RULES)
        count = 0
        for reporter, direction in DIRECTIONS.items():
            side = (batch.reporter == REPORTERS.index(reporter)) & (resolved.unjudged == JUDGED)
            rows = np.flatnonzero(side)
            if len(rows):
                found, classes = self._judge(evaluator, direction, batch, resolved, rows)
                outcome[rows], matched[rows] = found
                count += classes
        self._leave_unjudged(evaluator, batch, resolved, outcome)
        of_rules = Matched(matched, evaluator.rule_sets)
        return Verdicts(self.policies.revision, outcome, evaluator.outcomes, count, of_rules)

    def _evaluator_for(self, sets: tuple[Identity, ...], slices: tuple[Slice, ...]) -> Evaluator:
        """The evaluator for these network sets and services, which change with the facts."""
        if self._evaluator is None or self._tables_for != (sets, slices):
            tables = Tables(self.policies, sets, slices, self._max_cells, compiled=self._compiled)
            self._evaluator = Evaluator(tables)
            self._tables_for = sets, slices
            self._remembered = {}
        return self._evaluator

    def _judge(
        self, evaluator: Evaluator, direction: Direction, batch: FlowBatch, resolved: Resolved, rows: Ints
    ) -> tuple[Evaluated, int]:
        """(what is said of each of these flows, number of their classes)."""
        flows = FlowClasses(
            resolved.source[rows],
            resolved.dest[rows],
            batch.proto[rows],
            batch.source_port[rows],
            batch.dest_port[rows],
            resolved.own_host[rows].astype(np.int64),
            resolved.sides,
        )
        found, keys, count = self._outcomes(evaluator, direction, flows)
        self._recent.update(dict.fromkeys(keys))
        if len(self._recent) > RECENT:
            self._recent, self._less_recent = {}, self._recent
        return found, count

    def _outcomes(
        self, evaluator: Evaluator, direction: Direction, flows: FlowClasses
    ) -> tuple[Evaluated, list[Key], int]:
        """(what is said of each of these flows, their distinct classes by whom the records mean, how many
        classes that makes by what nothing tells apart)."""
        classes = canonical(evaluator.tables, flows)
        row, inverse = distinct([flows.source, flows.dest, *classes.columns()[2:]])
        met, alike = flows.at(row).columns()[:2], classes.at(row)
        keys = _packed(direction, alike.columns())
        new = {key: place for place, key in enumerate(keys) if key not in self._remembered}
        if new:
            found = evaluator.evaluate(direction, alike.at(np.array(list(new.values()))))
            both = found.outcome * MOST + found.matched
            self._remembered.update(zip(new, both.tolist(), strict=True))
        known = np.array([self._remembered[key] for key in keys], np.int64)[inverse]
        said, own = Evaluated(*np.divmod(known, MOST)), _packed(direction, (*met, *alike.columns()[2:]))
        return said, own, len(set(keys))

    def _leave_unjudged(
        self, evaluator: Evaluator, batch: FlowBatch, resolved: Resolved, outcome: Ints
    ) -> None:
        rows = np.flatnonzero(resolved.unjudged != JUDGED)
        if not len(rows):
            return
        first, inverse = distinct([resolved.unjudged[rows], resolved.namespace[rows], batch.reporter[rows]])
        ids = []
        for row in rows[first].tolist():
            namespace = resolved.namespaces[int(resolved.namespace[row])]
            reporter = REPORTERS[int(batch.reporter[row])]
            ids.append(
                evaluator.intern(_unjudged(UNJUDGED[int(resolved.unjudged[row])], namespace, reporter))
            )
        outcome[rows] = np.array(ids, np.int64)[inverse]


def _unjudged(reason: str, namespace: str, reporter: str) -> Outcome:
    """What is said of a flow that no table can judge (DESIGN.md §4, Who is who)."""
    if reporter not in DIRECTIONS:
        return Outcome(namespace, "forward", None, None, None, unjudged=reason)
    unknown = (UNKNOWN, UNKNOWN, UNKNOWN)
    return Outcome(namespace, DIRECTIONS[reporter], *unknown, impact="unknown", unknown=(reason,))


def _packed(direction: Direction, columns: Sequence[Ints]) -> list[Key]:
    """The key of each class."""
    own = np.full_like(columns[0], direction == "egress")
    rows = np.stack([own, *columns], axis=1).astype(np.int32)
    width, packed = rows.strides[0], rows.tobytes()
    return [packed[place : place + width] for place in range(0, len(packed), width)]


def _unpacked(keys: Iterable[Key], egress: bool) -> Ints:
    """The classes of one direction (n, 6)."""
    rows = np.frombuffer(b"".join(keys), np.int32).reshape(-1, 7)
    return rows[rows[:, 0] == egress, 1:].astype(np.int64)
