"""Flows judged by two revisions ▸ what changes for them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from pipeline.flow import REPORTERS, FlowBatch, Ints
from pipeline.identity import Side
from pipeline.inherited import INHERITED
from pipeline.judge import DIRECTIONS, Judge
from pipeline.match.bits import distinct
from pipeline.match.evaluate import UNKNOWN as UNKNOWN_DECISION
from pipeline.match.narrow import Narrower
from pipeline.match.verdict import Verdicts
from pipeline.policy.policies import Direction, NetworkSet, Policies, Policy, Rule
from pipeline.resolve import JUDGED, Resolved
from pipeline.whatif.changes import Found
from pipeline.whatif.pairs import (
    ALLOWED,
    NOTHING,
    UNKNOWN,
    Pairs,
    action_of,
    are_unknown,
    change_of,
    may_be_let_through,
)
from pipeline.whatif.sums import counted, summed

_SRC, _DST = REPORTERS.index("src"), REPORTERS.index("dst")


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch as one revision judges it."""

    judge: Judge
    resolved: Resolved
    verdicts: Verdicts

    @classmethod
    def by(cls, judge: Judge, batch: FlowBatch) -> "Judged":
        resolved = judge.resolve(batch)
        return cls(judge, resolved, judge.evaluate(batch, resolved))


class Comparison:
    """Compares the enforced verdicts of one revision with those of another, batch by batch."""

    def __init__(self, before: Judge, after: Judge) -> None:
        self._after = after
        self._has_same_facts = before.facts is after.facts
        differing = set(before.policies.network_sets) ^ set(after.policies.network_sets)
        self._deciding = tuple(_Deciding(each.policies, differing) for each in (before, after))

    def compare(self, batch: FlowBatch, before: Judged) -> Found:
        """What changes for the flows of a batch that the first revision has judged."""
        after = Judged.by(self._after, batch)
        pairs = Pairs(before.verdicts, after.verdicts)
        change = pairs.of_each(change_of)
        change[after.resolved.unjudged != JUDGED] = NOTHING
        self._leave_out_what_is_decided_alike(batch, change, pairs, before.resolved, after.resolved)
        held_back = self._held_back(batch, change, pairs, after)
        found = counted(batch, before.verdicts, before.resolved)
        rows = np.flatnonzero(change)
        if len(rows):
            found.changes = summed(batch, rows, change, Pairs(before.verdicts, held_back))
        return found

    def _leave_out_what_is_decided_alike(
        self, batch: FlowBatch, change: Ints, pairs: Pairs, before: Resolved, after: Resolved
    ) -> None:
        """Where all policies that can matter to a flow, whoever took part in it, stand as they stood, nothing
        changes, though nobody knows what is decided: by the same facts the services that they name have the
        same addresses, and so have the network sets that they select where none of those differs."""
        if not self._has_same_facts:
            return
        rows = np.flatnonzero((change != NOTHING) & pairs.of_each(are_unknown))
        if not len(rows):
            return
        ends = (before.source, before.dest, after.source, after.dest)
        first, kind = distinct([batch.reporter[rows], *(column[rows] for column in ends)])
        alike = [self._is_decided_alike(batch, row, before, after) for row in rows[first].tolist()]
        change[rows[np.array(alike, np.bool_)[kind]]] = NOTHING

    def _is_decided_alike(self, batch: FlowBatch, row: int, *resolved: Resolved) -> bool:
        direction = DIRECTIONS[REPORTERS[int(batch.reporter[row])]]
        found = []
        for deciding, each in zip(self._deciding, resolved, strict=True):
            end = each.dest if direction == "ingress" else each.source
            found.append(deciding.of(direction, each.sides[int(end[row])]))
        return None not in found and found[0] == found[1]

    def _held_back(self, batch: FlowBatch, change: Ints, pairs: Pairs, after: Judged) -> Verdicts:
        """The later verdicts, with what the other side says of flows that may be let through now: where that
        denies them nothing changes, where it is not certain they are unknown. A flow that was denied has no
        record at its other side (DESIGN.md §4, Who is who)."""
        rows = np.flatnonzero((change != NOTHING) & pairs.of_each(may_be_let_through))
        if not len(rows):
            return after.verdicts
        rows, there = self._at_the_other_side(batch, rows, after.resolved)
        outcome, outcomes = after.verdicts.outcome.copy(), list(after.verdicts.outcomes)
        for number in np.unique(there.outcome).tolist():
            said, own = there.outcomes[number], rows[there.outcome == number]
            if action_of(said) == "deny":
                change[own] = NOTHING
            elif action_of(said) == "unknown":
                own = own[change[own] == ALLOWED]
                change[own] = UNKNOWN
                for mine in np.unique(outcome[own]).tolist():
                    outcomes.append(replace(outcomes[mine], enforced=UNKNOWN_DECISION, unknown=said.unknown))
                    outcome[own[outcome[own] == mine]] = len(outcomes) - 1
        return replace(after.verdicts, outcome=outcome, outcomes=outcomes)

    def _at_the_other_side(self, batch: FlowBatch, rows: Ints, whole: Resolved) -> tuple[Ints, Verdicts]:
        """Those of some flows that have another side that is judged, and what the later revision says of them
        there; in the surroundings of the whole batch, so that the judge keeps its tables."""
        other = batch.at(rows)
        other.reporter = np.where(other.reporter == _SRC, _DST, _SRC)
        resolved = replace(self._after.resolve(other), sets=whole.sets, slices=whole.slices)
        elsewhere = np.flatnonzero(resolved.unjudged != JUDGED).tolist()
        verdicts = self._after.evaluate(other, resolved)
        return np.delete(rows, elsewhere), verdicts.without(elsewhere)


class _Deciding:
    """The enforced policies of a revision that can matter to a judged end; `differing` are the network sets
    that are not the same in the other revision."""

    def __init__(self, policies: Policies, differing: Iterable[NetworkSet]) -> None:
        self._policies, self._narrower = policies.policies, Narrower(policies)
        self._tiers = {tier.name: tier for tier in policies.tiers}
        self._differing = [dict(each.labels) for each in differing]
        self.of = lru_cache(maxsize=1 << 14)(self._of)

    def _of(self, direction: Direction, local: Side) -> tuple[object, ...] | None:
        """All that they say about a direction, in evaluation order; None where they may select a network set
        that differs."""
        selecting = (self._policies[place] for place in self._narrower.selecting(direction, local))
        deciding = [policy for policy in selecting if policy.workloads and not policy.key.staged]
        if any(self._may_select(rule) for policy in deciding for rule in policy.rules(direction)):
            return None
        return tuple(self._said(policy, direction) for policy in deciding)

    def _may_select(self, rule: Rule) -> bool:
        asked = (
            part for side in (rule.source, rule.destination) for part in (side.selector, side.not_selector)
        )
        return any(
            selector.decide(labels, lambda key: key.startswith(INHERITED)) is not False
            for selector in filter(None, asked)
            for labels in self._differing
        )

    def _said(self, policy: Policy, direction: Direction) -> tuple[object, ...]:
        tier = self._tiers[policy.tier]
        return tier.name, tier.default_action, policy.key, policy.selector, policy.rules(direction)
